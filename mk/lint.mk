# Rules as programs: a rule that cannot fail here is not a rule.

HEADERS := $(shell find libmfcore/include -name '*.h')
C_FILES := $(shell find libmfcore mftrace mftop mfreplay tests -name '*.[ch]' 2>/dev/null)

lint-fast: lint-layers lint-symbols lint-globals lint-headers ## the lints that take seconds, part of check
lint: lint-fast ## every lint

lint-layers:
	@awk -f tests/lint/layers.awk libmfcore/LAYERS $(C_FILES)
lint-symbols: $(CORE)
	@nm -g --defined-only $< | awk '$$2 ~ /[TDBRC]/ && $$3 !~ /^mf_/ { \
		print "unprefixed:", $$3; bad = 1 } END { exit bad }'
lint-globals: $(CORE)
	@objdump -t $< | awk '$$4 ~ /^\.(data|bss|tdata|tbss)$$/ && \
		$$3 != "d" && $$2 ~ /[Ogl]/ { \
		print "mutable global:", $$NF; bad = 1 } END { exit bad }'
lint-headers: $(HEADERS:%=$B/%.ok)
$B/%.h.ok: %.h $B/.flags
	@mkdir -p $(@D); echo '#include "$<"' | $(CC) -I. -Ilibmfcore/include \
		$(ALL_CFLAGS) -fsyntax-only -xc - && touch $@

.PHONY: lint lint-fast lint-globals lint-headers lint-layers lint-symbols

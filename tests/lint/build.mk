# Rules as programs: a rule that cannot fail here is not a rule.

HEADERS  := $(shell find libmfcore/include -name '*.h')
C_ROOTS  := $(wildcard libmfcore mftrace mftop mfreplay tests)
C_FILES  := $(shell find $(C_ROOTS) -name '*.[ch]' -not -path '*/data/*')
# what the analyzers read: our sources as they are compiled, not the tests
ANALYZED := $(call srcs,$(core.dirs) $(cli.dirs) $(TOOLS)) $(record.own)
SH_FILES := .ci/run tests/run tests/demo/demo $(shell grep -rlE '^\#!.*\b(bash|sh)\b' \
	tests --include='*.sh' 2>/dev/null)
DOC_FILES := $(wildcard README.md */README.md */*/README.md man/*.[1-8])

lint.fast := layers symbols calls globals record headers words sizes format \
	shell spelling man completions cppcheck analyzer
lint.slow := tidy clang
lint-fast: $(lint.fast:%=lint-%) ## what takes less than a minute, part of check
lint: lint-fast $(lint.slow:%=lint-%) ## every lint, clang-tidy and clang -Weverything too

lint-layers: ## who includes whom, against libmfcore/LAYERS
	$(call say,LINT,layers)
	@awk -f tests/lint/layers.awk libmfcore/LAYERS $(C_FILES)

# every external begins mf_; the shared library shows no private one
lint-symbols: $(CORE) $(CLI) $(CORE_SO)
	$(call say,LINT,symbols)
	@nm -g --defined-only $(CORE) $(CLI) | awk '$$2 ~ /[TDBRC]/ && \
		$$3 !~ /^mf_/ { print "unprefixed:", $$3; bad = 1 } \
		END { exit bad }'
	@nm -D --defined-only $(CORE_SO) | awk '$$3 !~ /^mf_[a-z0-9]/ { \
		print "exported:", $$3; bad = 1 } END { exit bad || !NR }'

# the library neither prints, exits, nor reads the environment
lint-calls: $(CORE)
	$(call say,LINT,calls)
	@nm -A -u $(CORE) | awk '$$NF ~ /^(exit|abort|v?f?printf|_*v?f?printf_chk|puts|putchar|perror|fputs|fputc|getenv|secure_getenv|setenv|system|stdout|stderr)$$/ { \
		print "library calls", $$NF, "in", $$1; bad = 1 } END { exit bad }'

# nothing mutable in .data or .bss; const tables with relocations pass
lint-globals: $(CORE)
	$(call say,LINT,globals)
	@objdump -t $(CORE) | awk '$$4 ~ /^\.(data|bss|tdata|tbss)$$/ && \
		$$3 != "d" && $$2 ~ /[Ogl]/ { \
		print "mutable global:", $$NF; bad = 1 } END { exit bad }'

lint-record: $(RECORD_SO)
	$(call say,LINT,record)
	$(Q)$(if $(RECORD_SO),bash tests/lint/record.sh $(RECORD_SO))

lint-headers: $(HEADERS:%=$B/%.ok)
$B/%.h.ok: %.h $B/.flags
	@mkdir -p $(@D)
	@echo '#include "$<"' | $(CC) -I. -Ilibmfcore/include \
		$(ALL_CFLAGS) -fsyntax-only -xc - && touch $@
$(HEADERS:%=$B/%.ok): $(HEADERS)

lint-words:
	$(call say,LINT,words)
	@awk -f tests/lint/words.awk $(C_FILES)
lint-sizes:
	$(call say,LINT,sizes)
	@awk -f tests/lint/sizes.awk $(C_FILES)
lint-format:
	$(call say,LINT,format)
	@clang-format --dry-run -Werror $(C_FILES)
lint-shell:
	$(call say,LINT,shell)
	@shellcheck -x $(SH_FILES)
lint-spelling:
	$(call say,LINT,spelling)
	@codespell -q 3 --ignore-words tests/lint/words.ok \
		$(filter-out tests/unit/%,$(C_FILES)) $(DOC_FILES) $(SH_FILES) \
		$(filter-out %.d,$(MAKEFILE_LIST))
# the man pages parse, and their option lists are the tables'
lint-man: $(BINS)
	$(call say,LINT,man)
	@bash tests/lint/man.sh $B/bin man
lint-completions: $(COMPLETIONS)
	$(call say,LINT,completions)
	@for t in $(TOOLS); do bash -n $B/completions/$$t.bash && \
		zsh -n $B/completions/_$$t && \
		fish -n $B/completions/$$t.fish || exit 1; done

man: $(BINS) ## rewrite the option lists of the man pages from the verb tables
	@bash tests/lint/man.sh --write $B/bin man

each = $(Q)printf '%s\n' $1 | xargs -P $(JOBS) -n 1
plain.flags := $(filter-out -Werror $(warn.gcc),$(BASE_CFLAGS)) -Ilibmfcore/include \
	-Ilibmfcore
lint-tidy:
	$(call say,LINT,clang-tidy)
	$(call each,$(ANALYZED)) sh -c 'out=$$(clang-tidy --quiet "$$1" -- \
		$(call quoted,$(plain.flags)) -I"$$(dirname "$$1")" 2>&1) || \
		{ printf "%s\n" "$$out"; exit 1; }' tidy
# (python_wrap.c returns what a handler gave it, not the call it lent it)
lint-cppcheck:
	$(call say,LINT,cppcheck)
	@cppcheck --quiet -j $(JOBS) --std=c11 --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability --inconclusive \
		--suppress=missingInclude --suppress=unmatchedSuppression \
		--suppress=returnDanglingLifetime:libmfcore/record/python_wrap.c \
		-D_GNU_SOURCE -DMF_VERSION='""' -D__x86_64__=1 \
		-Ilibmfcore/include -Ilibmfcore $(ANALYZED)
# (gcc 12 loses what realloc returned and calls it a leak; the sanitizer in the
# asan tests looks for those)
lint-analyzer:
	$(call say,LINT,gcc -fanalyzer)
	$(call each,$(ANALYZED)) sh -c 'gcc $(call quoted,$(BASE_CFLAGS)) \
		-O2 -fanalyzer -Wno-analyzer-malloc-leak -DMF__IN_RECORDER=1 -Ilibmfcore/include -Ilibmfcore \
		-I"$$(dirname "$$1")" -c -o /dev/null "$$1"' analyzer
# a second compiler with all it can warn of
lint-clang:
	$(call say,LINT,clang -Weverything)
	+@$(MAKE) VARIANT=clang all

.PHONY: lint lint-fast man $(lint.fast:%=lint-%) $(lint.slow:%=lint-%)

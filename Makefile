# One Makefile, no recursion into folders. V=1 shows commands,
# VARIANT=release|debug|asan|tsan|cov|clang picks a build, O=DIR where it goes.
MAKEFLAGS += --no-builtin-rules --warn-undefined-variables --no-print-directory
# as many jobs as processors, unless the person says how many
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
SHELL := /bin/bash
empty :=
space := $(empty) $(empty)
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDEXPANSION:
all: ## build the libraries, the recorder and the tools (the default)

VERSION  := 0.1.0
SOVERSION := 0
VARIANT  ?= release
O        ?= build
B        := $O/$(VARIANT)
V        ?=
Q        := $(if $(V),,@)
say       = @$(if $(V),:,echo "  $1$(if $2,	)$2")

include mk/flags.mk
include mk/deps.mk

# ---- what is built: found by wildcard, a new file needs no edit ----

ROOMS     ?= base system journal metaflow session model
core.dirs := $(ROOMS:%=libmfcore/%)
cli.dirs  := libmfcore/cli
srcs       = $(sort $(foreach d,$1,$(wildcard $d/*.c)))
objs       = $(patsubst %.c,$B/%.o,$(call srcs,$1))
TOOLS     := $(foreach t,mftrace mftop mfreplay,$(if $(wildcard $t/main.c),$t))

CORE    := $B/libmfcore.a
CORE_SO := $B/libmfcore.so.$(SOVERSION)
CLI     := $B/libmfcli.a
BINS    := $(TOOLS:%=$B/bin/%)
OBJS    := $(call objs,$(core.dirs) $(cli.dirs) $(TOOLS))

include mk/record.mk
include mk/tests.mk
include mk/install.mk
include mk/lint.mk

all: $(CORE) $(CORE_SO) $(CLI) $(RECORD_SO) $(BINS) $(COMPLETIONS)

# ---- how ----

# a private include path per folder: what you may include is what you can find
$B/libmfcore/%.o: INC = -Ilibmfcore/include -Ilibmfcore
# (cmocka's assertions do not tell the compiler that they end a test)
$B/tests/%.o:     INC = -Ilibmfcore/include -Ilibmfcore -Itests -Wno-null-dereference
$(foreach t,$(TOOLS),$(eval $B/$t/%.o: INC = -Ilibmfcore/include -I$t))

# rewritten only when the text changes, so it can be depended on
stamp = mkdir -p $(@D); echo '$1' | cmp -s - $@ || echo '$1' >$@
quoted = $(subst ','\'',$1)
$B/.flags: FORCE
	@$(call stamp,$(call quoted,$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)))
$B/%.list: FORCE
	@$(call stamp,$(call objs,$($*.dirs)))

compile = $(Q)$(CC) $1 $(INC) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<
$B/%.o: %.c $B/.flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(call compile,$(ALL_CFLAGS))
	@printf '{"directory":"%s","file":"%s","command":"%s"},\n' '$(CURDIR)' \
		'$<' '$(subst ",\",$(CC) $(call quoted,$(ALL_CFLAGS)) $(INC) -c $<)' >$@.json

$(CORE): $(call objs,$(core.dirs)) $B/core.list
$(CLI):  $(call objs,$(cli.dirs)) $B/cli.list
$(CORE) $(CLI):
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(CORE_SO): $(call objs,$(core.dirs)) $B/core.list libmfcore/libmfcore.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,$(@F) \
		-Wl,--version-script=libmfcore/libmfcore.map \
		$(if $(filter asan tsan,$(VARIANT)),,-Wl,-z,defs) \
		-o $@ $(filter %.o,$^) $(LIBS)
	$(Q)ln -sf $(@F) $B/libmfcore.so

$(BINS): $B/bin/%: $$(call objs,%) $(CLI) $(CORE) $B/.flags
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $(filter %.o %.a,$^) $(LIBS)

compile_commands.json: all $(TEST_OBJS) ## for clangd and clang-tidy
	@{ echo '['; find $B -name '*.o.json' | sort | xargs cat | \
		sed '$$s/,$$//'; echo ']'; } >$@

clean: ## remove what was built, keep the virtual environment
	rm -rf $(filter-out $(VENV),$(wildcard $O/*)) compile_commands.json
distclean: clean
	rm -rf $O

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-zA-Z_.\/-]*:.*## / { \
		printf "  %-24s %s\n", $$1, $$2 }' $(MAKEFILE_LIST) | sort
	@echo "  fuzz-NAME, check-TEST    one fuzz target (FUZZ_SECONDS=60), one test"
	@echo "variants: VARIANT=$(subst $(space),|,$(VARIANTS)); V=1 shows commands"

%/: ; @mkdir -p $@
FORCE:
.PHONY: all clean deps deps-bench deps-build deps-check distclean FORCE help venv

-include $(OBJS:.o=.d) $(TEST_OBJS:.o=.d)

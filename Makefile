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

# ---- Compilers, warnings and the flags of each variant.

CC       ?= cc
CC       := $(if $(filter default,$(origin CC)),gcc,$(CC))
CC       := $(if $(filter clang,$(VARIANT)),clang,$(CC))
AR       ?= ar
CFLAGS   ?=
CPPFLAGS ?=
LDFLAGS  ?=
WERROR   ?= -Werror

warn.both := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
	-Wcast-qual -Wpointer-arith -Wwrite-strings -Wstrict-prototypes \
	-Wold-style-definition -Wmissing-prototypes -Wredundant-decls \
	-Wnested-externs -Wvla -Wundef -Wformat=2 -Wimplicit-fallthrough \
	-Wdouble-promotion -Wfloat-equal -Wnull-dereference -Wunused-macros \
	-Wdate-time
warn.gcc := -Wcast-align=strict -Wformat-signedness -Wformat-overflow=2 \
	-Wformat-truncation=2 -Wimplicit-fallthrough=5 -Wlogical-op \
	-Wduplicated-cond -Wduplicated-branches -Walloca
# -Weverything, less what contradicts the house style
warn.clang := -Weverything -Wno-padded -Wno-declaration-after-statement \
	-Wno-disabled-macro-expansion -Wno-reserved-identifier \
	-Wno-gnu-zero-variadic-macro-arguments -Wno-unknown-warning-option \
	-Wno-c++98-compat -Wno-switch-enum -Wno-missing-variable-declarations \
	-Wno-covered-switch-default -Wno-missing-noreturn -Wno-assign-enum \
	-Wno-bad-function-cast -Wno-string-conversion -Wno-used-but-marked-unused
is_clang := $(findstring clang,$(notdir $(firstword $(CC))))
WARN := $(warn.both) $(if $(is_clang),$(warn.clang),$(warn.gcc)) $(WERROR)

harden := -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	-fstack-clash-protection -fcf-protection
sanitize.asan := -fsanitize=address,undefined
sanitize.tsan := -fsanitize=thread

cflags.release := -O2 -g $(harden)
cflags.debug   := -Og -g3
cflags.asan    := -O1 -g -fno-omit-frame-pointer $(sanitize.asan) \
	-fno-sanitize-recover=all
# what these three warn of follows from what the optimizer saw; release sees most
warn.guess     := -Wno-maybe-uninitialized -Wno-format-truncation \
	-Wno-null-dereference
cflags.tsan    := -O1 -g $(sanitize.tsan) $(warn.guess)
cflags.cov     := -O0 -g --coverage $(warn.guess)
cflags.clang   := -O2 -g
ldflags.release := -Wl,-z,relro,-z,now
ldflags.debug   :=
ldflags.asan    := $(sanitize.asan)
ldflags.tsan    := $(sanitize.tsan)
ldflags.cov     := --coverage
ldflags.clang   :=

VARIANTS := release debug asan tsan cov clang
$(if $(filter $(VARIANT),$(VARIANTS)),,$(error VARIANT is one of $(VARIANTS)))

BASE_CFLAGS := -std=gnu17 -D_GNU_SOURCE -pthread -fno-common \
	-DMF_VERSION='"$(VERSION)"' $(WARN)
# one set of objects serves the archive, the shared library and the tools
ALL_CFLAGS  := $(BASE_CFLAGS) -fPIC -fno-semantic-interposition \
	$(cflags.$(VARIANT)) $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS := -pthread $(ldflags.$(VARIANT)) $(LDFLAGS)
LIBS        := -lcjson -lz

# What runs inside foreign processes is built one way in every variant: no
# sanitizer, nothing that needs set-up before it runs or a library beyond libc.
RECORD_CFLAGS := $(BASE_CFLAGS) -DMF__IN_RECORDER=1 -DNDEBUG -O2 -g -fPIC \
	-fvisibility=hidden -ftls-model=initial-exec -fno-stack-protector \
	-fno-semantic-interposition -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=0
RECORD_LDFLAGS := -shared -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,-z,defs \
	-Wl,-soname,libmfrecord.so -Wl,--as-needed

# ---- What a bare Debian 12 with gcc, make and git still lacks.

deps.build := gcc make libc6-dev pkg-config binutils libcjson-dev libxxhash-dev zlib1g-dev \
	python3 python3-venv python3-dev ca-certificates
deps.check := libcmocka-dev clang clang-format clang-tidy clang-tools libclang-rt-14-dev llvm \
	cppcheck codespell shellcheck strace gdb procps util-linux psmisc file \
	gcc-multilib musl-tools mandoc zsh fish xxd
deps.bench := liblttng-ust-dev lttng-tools babeltrace2

APT_GET := apt-get
SUDO    := $(if $(filter 0,$(shell id -u)),,sudo)

# $(call deps_install,WHAT,PACKAGES): asks dpkg, installs only what is missing
define deps_install
@missing=; for p in $2; do \
	case $$(dpkg-query -W -f '$${db:Status-Status}\n' $$p 2>/dev/null) in \
	installed*) ;; *) missing="$$missing $$p" ;; esac; \
done; \
if [ -z "$$missing" ]; then echo "deps: all packages to $1 are installed"; \
else \
	echo "deps: installing, to $1:$$missing"; \
	$(SUDO) $(APT_GET) -qq update && \
	$(SUDO) env DEBIAN_FRONTEND=noninteractive $(APT_GET) -qq install -y \
		--no-install-recommends $$missing </dev/null >$O/deps.log 2>&1 \
		|| { tail -20 $O/deps.log; exit 1; }; \
fi
endef

deps: deps-build deps-check ## install what building, the demo and the tests need (Debian 12)
deps-build: | $O/
	$(call deps_install,build and run the demo,$(deps.build))
deps-check: | deps-build
	$(call deps_install,run the tests and lints,$(deps.check))
deps-bench: | deps-check
	$(call deps_install,compare with LTTng,$(deps.bench))

# A private Metaflow, pinned; the system's python so that no version manager
# stands between.
VENV := $O/venv
VENV_PYTHON := $(VENV)/bin/python
venv: $(VENV)/.stamp ## build/venv: the pinned Metaflow the tests and the demo use
$(VENV)/.stamp: tests/requirements.txt | $O/
	@echo "  VENV    $(VENV)"
	$(Q)rm -rf $(VENV) && /usr/bin/python3 -m venv $(VENV)
	$(Q)$(VENV_PYTHON) -m pip --quiet --disable-pip-version-check \
		install -r $<
	$(Q)touch $@

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

include libmfcore/record/build.mk
include tests/build.mk

# ---- Where things go: PREFIX for everybody, DESTDIR for packagers.

DESTDIR    ?=
PREFIX     ?= /usr/local
bindir     := $(PREFIX)/bin
libdir     := $(PREFIX)/lib
includedir := $(PREFIX)/include
mandir     := $(PREFIX)/share/man
datadir    := $(PREFIX)/share
BASH_DIR   := $(datadir)/bash-completion/completions
ZSH_DIR    := $(datadir)/zsh/site-functions
FISH_DIR   := $(datadir)/fish/vendor_completions.d

# completions come out of the verb tables, so they cannot lag behind
COMPLETIONS := $(foreach t,$(TOOLS),$B/completions/$t.bash \
	$B/completions/_$t $B/completions/$t.fish)
complete = @mkdir -p $(@D) && $< --completion $1 >$@
$B/completions/%.bash: $B/bin/% ; $(call complete,bash)
$B/completions/_%:     $B/bin/% ; $(call complete,zsh)
$B/completions/%.fish: $B/bin/% ; $(call complete,fish)

$B/mfcore.pc: $B/.pc
	@printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$${prefix}/lib' \
		'includedir=$${prefix}/include' '' 'Name: mfcore' \
		'Description: record Metaflow runs and read what was recorded' \
		'Version: $(VERSION)' 'Libs: -L$${libdir} -lmfcore' \
		'Libs.private: -pthread $(LIBS)' 'Cflags: -I$${includedir}' >$@
$B/.pc: FORCE
	@$(call stamp,$(VERSION) $(PREFIX) $(LIBS))

man.pages := $(wildcard man/*.[1-8])
installed  = $(TOOLS:%=$(bindir)/%) $(libdir)/libmfcore.a \
	$(libdir)/$(notdir $(CORE_SO)) $(libdir)/libmfcore.so \
	$(libdir)/pkgconfig/mfcore.pc $(includedir)/mfcore \
	$(if $(RECORD_SO),$(libdir)/mfcore) \
	$(foreach m,$(man.pages),$(mandir)/man$(subst .,,$(suffix $m))/$(notdir $m)) \
	$(TOOLS:%=$(BASH_DIR)/%) $(TOOLS:%=$(ZSH_DIR)/_%) \
	$(TOOLS:%=$(FISH_DIR)/%.fish)
put = $(Q)install -D -m $1 $2 $(DESTDIR)$3

install: all $B/mfcore.pc ## install under PREFIX (/usr/local), DESTDIR before it
	@echo "  INSTALL $(DESTDIR)$(PREFIX)"
	$(Q)for t in $(TOOLS); do \
		install -D -m 755 $B/bin/$$t $(DESTDIR)$(bindir)/$$t && \
		install -D -m 644 $B/completions/$$t.bash $(DESTDIR)$(BASH_DIR)/$$t && \
		install -D -m 644 $B/completions/_$$t $(DESTDIR)$(ZSH_DIR)/_$$t && \
		install -D -m 644 $B/completions/$$t.fish $(DESTDIR)$(FISH_DIR)/$$t.fish \
		|| exit 1; done
	$(call put,644,$(CORE),$(libdir)/libmfcore.a)
	$(call put,755,$(CORE_SO),$(libdir)/$(notdir $(CORE_SO)))
	$(Q)ln -sf $(notdir $(CORE_SO)) $(DESTDIR)$(libdir)/libmfcore.so
	$(call put,644,$B/mfcore.pc,$(libdir)/pkgconfig/mfcore.pc)
	$(Q)install -d $(DESTDIR)$(includedir)/mfcore && \
		install -m 644 $(wildcard libmfcore/include/mfcore/*.h \
		libmfcore/include/mfcore/*.def) $(DESTDIR)$(includedir)/mfcore/
	$(if $(RECORD_SO),$(call put,755,$(RECORD_SO),$(libdir)/mfcore/libmfrecord.so))
	$(Q)for m in $(man.pages); do \
		install -D -m 644 $$m $(DESTDIR)$(mandir)/man$${m##*.}/$${m##*/} || exit 1; done

uninstall: ## remove what install put there
	@echo "  REMOVE  $(DESTDIR)$(PREFIX)"
	$(Q)rm -rf $(addprefix $(DESTDIR),$(installed))

.PHONY: install uninstall

include tests/lint/build.mk

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

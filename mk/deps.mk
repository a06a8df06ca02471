# What a bare Debian 12 with gcc, make and git still lacks.

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

# Where things go: PREFIX for everybody, DESTDIR for packagers.

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

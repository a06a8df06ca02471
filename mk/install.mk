# Where things go. DESTDIR for packagers, PREFIX for everybody.

DESTDIR    ?=
PREFIX     ?= /usr/local
bindir     := $(PREFIX)/bin
libdir     := $(PREFIX)/lib
includedir := $(PREFIX)/include
mandir     := $(PREFIX)/share/man
COMPLETIONS :=

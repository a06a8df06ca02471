# Compilers, warnings and the flags of each variant.

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

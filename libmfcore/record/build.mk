# libmfrecord.so: what is preloaded into foreign processes. Its sources are the
# room record/ and the files other rooms share with it, compiled once more with
# flags of their own: libc only, no malloc, no stdio in those.

record.shared := \
	libmfcore/base/str.c \
	libmfcore/journal/blob.c \
	libmfcore/journal/make.c \
	libmfcore/journal/record.c \
	libmfcore/journal/redact.c \
	libmfcore/journal/redact_name.c \
	libmfcore/journal/redact_shape.c \
	libmfcore/journal/room.c \
	libmfcore/journal/sum.c \
	libmfcore/journal/writer.c \
	libmfcore/metaflow/argv.c \
	libmfcore/metaflow/command.c \
	libmfcore/metaflow/dslayout.c \
	libmfcore/metaflow/flowcmd.c \
	libmfcore/metaflow/pathspec.c \
	libmfcore/system/target.c

record.own  := $(wildcard libmfcore/record/*.c)
record.srcs := $(if $(record.own),$(record.own) $(record.shared))
RECORD_OBJS := $(patsubst %.c,$B/record/%.o,$(record.srcs))
# beside bin/ as installed, so the tools find it the same way
RECORD_SO   := $(if $(record.own),$B/lib/mfcore/libmfrecord.so)

$B/record/.flags: FORCE
	@$(call stamp,$(call quoted,$(CC) $(RECORD_CFLAGS) $(RECORD_LDFLAGS) $(RECORD_OBJS)))

$B/record/%.o: INC = -Ilibmfcore/include -Ilibmfcore
$B/record/%.o: %.c $B/record/.flags
	@mkdir -p $(@D)
	$(call say,CC,$< (record))
	$(call compile,$(RECORD_CFLAGS))

$B/lib/mfcore/libmfrecord.so: $(RECORD_OBJS) $B/record/.flags
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(RECORD_LDFLAGS) -o $@ $(filter %.o,$^)

-include $(RECORD_OBJS:.o=.d)

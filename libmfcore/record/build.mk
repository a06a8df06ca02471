# Files of other rooms that the recorder needs: libc only, no malloc, no stdio.
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

/*
 * What goes in and out of an s3op: input lines, result lines, exit codes.
 *
 * Threads: pure functions over the caller's arena.
 */
#ifndef MFCORE_S3OP_WIRE_H
#define MFCORE_S3OP_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/arena.h"
#include "mfcore/attr.h"
#include "mfcore/buf.h"
#include "mfcore/str.h"

enum mf_s3op_mode {
	MF_S3OP_NONE,
	MF_S3OP_PUT,
	MF_S3OP_GET,
	MF_S3OP_INFO,
	MF_S3OP_LIST,
};

/* The mode of a word, as it stands in argv. */
enum mf_s3op_mode mf_s3op_mode(struct mf_str word);

/* One line of --inputs. Strings live in the arena; absent where not told. */
struct mf_s3op_input {
	struct mf_str url;
	struct mf_str local;        /* put: the file */
	struct mf_str prefix;       /* get, info: of a retry */
	struct mf_str range;        /* "bytes=100-199" */
	struct mf_str content_type; /* put */
	struct mf_str error;        /* why it is tried again */
	uint64_t index;             /* when has_index */
	bool has_index;             /* a retry: its place in the first round */
};

/*
 * Read one line, with or without its line end. Returns 1 with *out filled, 0
 * for an empty line and for one of three fields, which s3op passes over.
 *
 * Errors: -ENOMEM; -MF_EFORMAT, s3op would fail on it.
 */
MF_MUST_USE int mf_s3op_input(enum mf_s3op_mode mode, struct mf_str line,
                              struct mf_arena *arena,
                              struct mf_s3op_input *out);

/* One line of its standard output: index and up to three fields. */
struct mf_s3op_result {
	uint64_t index;
	bool is_none;    /* "<none>": will come with a retry, or never */
	struct mf_str a; /* put: url; else the prefix asked for */
	struct mf_str b; /* get, info, list: url */
	struct mf_str c; /* get, info: local name; list: size */
};

/* Returns 1 with *out filled, 0 for a line that is no result. -ENOMEM. */
MF_MUST_USE int mf_s3op_result(struct mf_str line, struct mf_arena *arena,
                               struct mf_s3op_result *out);

/*
 * What of its standard error asks for a retry: the input lines behind the line
 * "### RETRY INPUTS ###". Absent without that line.
 */
struct mf_str mf_s3op_retries(struct mf_str stderr_text);

/* Append `s` with every %XX resolved; a '%' without two digits stays. */
void mf_s3op_unquote(struct mf_buf *buf, struct mf_str s);

/* What an exit code says; NULL for one it does not have. */
const char *mf_s3op_exit_word(int code);

#define MF_S3OP_TRANSIENT 12

#endif /* MFCORE_S3OP_WIRE_H */

/*
 * One error channel for the whole tree.
 *
 * A function that can fail returns int: zero or positive on success, negative
 * on failure. The negative number is either a negated errno (-ENOENT) or a
 * negated MF_E code (-MF_ECORRUPT); the two ranges never meet, because Linux
 * keeps errno below 4096.
 *
 * Threads: every function here may be called from any thread.
 */
#ifndef MFCORE_ERR_H
#define MFCORE_ERR_H

#include <stddef.h>

#include "mfcore/attr.h"

#define MF_ERR_MAP(X)                                                          \
	X(ECORRUPT, 4096, "data does not match its checksum")                  \
	X(EFORMAT, 4097, "not a file of this kind")                            \
	X(EVERSION, 4098, "written by an incompatible version")                \
	X(EAMBIGUOUS, 4099, "more than one fits")                              \
	X(ENOTHING, 4100, "nothing has that name")

enum mf_errno {
#define MF_ERR_ENUM(name, value, text) MF_##name = (value),
	MF_ERR_MAP(MF_ERR_ENUM)
#undef MF_ERR_ENUM
};

#define MF_ERR_TEXT_MAX 256

/* What a person should read about a failure. Caller-owned, never allocates. */
struct mf_err {
	int code; /* the negative value that was returned, or 0 */
	char text[MF_ERR_TEXT_MAX];
};

/*
 * Record a failure where it is discovered, and return `code` so that the
 * caller can write `return mf_fail(err, ...)`. `err` may be NULL.
 */
int mf_fail(struct mf_err *err, int code, const char *fmt, ...) MF_PRINTF(3, 4);

/* Text for a code from either range. Static storage; never NULL. */
const char *mf_strerror(int code);

#endif /* MFCORE_ERR_H */

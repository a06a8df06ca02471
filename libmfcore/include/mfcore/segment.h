/*
 * Make segments: the files a journal consists of.
 *
 * The recorder makes the first segment of a session and keeps zeroed pages
 * ready ahead of the writers, so that appending costs no block allocation and
 * no first-touch fault. When it is gone, writers prepare pages themselves,
 * slower and just as safely.
 *
 * Threads: one preparer per host and session.
 */
#ifndef MFCORE_SEGMENT_H
#define MFCORE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/attr.h"
#include "mfcore/err.h"
#include "mfcore/str.h"

#define MF_SEGMENT_SIZE (16u << 20) /* bytes; the last may end earlier */

/* What every recorded process of the session has to know. */
struct mf_segment_options {
	const char *session_id; /* at most 63 bytes */
	const char *host;       /* at most 63 bytes */
	const char *boot_id;    /* 36 bytes */
	const char *preload;   /* path of the recorder's shared object, < 512 */
	const char *env_allow; /* globs, each ended by a NUL, empty one last */
	char *const *environ;  /* of the session; only hashes are kept */
	uint64_t output_max;   /* bytes kept per output stream and process */
	uint64_t session_max;  /* bytes of all segments together */
	uint64_t seed;         /* random: keys the checksums */
	bool no_output;
	bool no_python;
};

/*
 * Create segment `number` (from 1) of `host` in `dir`, ready to be written to.
 * The file is DIR/HOST.NNNN.mfj, mode 0600.
 *
 * Errors: what open(2) and write(2) give, -EEXIST among them; -EINVAL, the
 *         session may not even be as large as a head.
 */
MF_MUST_USE int mf_segment_create(const char *dir, uint32_t number,
                                  const struct mf_segment_options *options,
                                  struct mf_err *err);

/* Append the path of a segment file to `out`, at most `cap` bytes with NUL. */
MF_MUST_USE int mf_segment_path(char *out, size_t cap, const char *dir,
                                const char *host, uint32_t number);

/*
 * Keep pages ready on a thread of its own, woken by the writers; also makes
 * the next segments. SIGXFSZ must be ignored in the calling process.
 *
 * Owns:   on success release *out with mf_preparer_stop(), which ends the
 *         thread and cuts the last segment to what was taken.
 */
struct mf_preparer;
MF_MUST_USE int mf_preparer_start(struct mf_preparer **out, const char *dir,
                                  const struct mf_segment_options *options,
                                  struct mf_err *err);
void mf_preparer_stop(struct mf_preparer *preparer, bool cut);

#endif /* MFCORE_SEGMENT_H */

/*
 * The compressed list behind --input-paths.
 *
 * Threads: pure functions over the caller's buffer.
 */
#ifndef MFCORE_INPUT_PATHS_H
#define MFCORE_INPUT_PATHS_H

#include "mfcore/attr.h"
#include "mfcore/buf.h"
#include "mfcore/err.h"
#include "mfcore/str.h"

/* What a list may grow to, bytes; hostile ones grow without end. */
#define MF_INPUT_PATHS_MAX ((size_t)16 << 20)

/*
 * Append the paths of `text` to `out`, each ended by a NUL (the form of a
 * LIST field), and return how many. Plain, prefixed and '!' + base64(zlib(
 * zlib())) forms are read; an empty text holds none.
 *
 * Errors: -MF_EFORMAT; -E2BIG, more than MF_INPUT_PATHS_MAX; -ENOMEM.
 */
MF_MUST_USE int mf_input_paths_decode(struct mf_str text, struct mf_buf *out,
                                      struct mf_err *err);

/* Step through what it appended: *pos starts at 0. */
bool mf_input_paths_next(struct mf_str list, size_t *pos, struct mf_str *out);

#endif /* MFCORE_INPUT_PATHS_H */

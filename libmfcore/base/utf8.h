/*
 * One step through UTF-8.
 *
 * Threads: pure functions.
 */
#ifndef MF_BASE_UTF8_H
#define MF_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "mfcore/str.h"

/*
 * The bytes of the code point at `at`, with *cp set; 0 when none that is
 * valid begins there: overlong forms, surrogates and what lies above U+10FFFF
 * are not.
 */
size_t mf__utf8_next(struct mf_str s, size_t at, uint32_t *cp);

#endif /* MF_BASE_UTF8_H */

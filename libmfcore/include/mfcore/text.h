/*
 * Hostile bytes made safe for where they go, and times and sizes for people.
 *
 * Strings from other processes may hold anything. Nothing of them reaches a
 * terminal, a shell or a JSON document but through one of these.
 *
 * Threads: pure functions over the caller's buffer.
 */
#ifndef MFCORE_TEXT_H
#define MFCORE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/attr.h"
#include "mfcore/buf.h"
#include "mfcore/err.h"
#include "mfcore/str.h"

/*
 * Append `s` for a terminal: control characters and bytes that are no valid
 * UTF-8 become \n, \t, \r, \e or \xNN; C1 controls, bidirectional overrides
 * and other invisible formatting characters \uNNNN or \UNNNNNNNN.
 */
void mf_text_terminal(struct mf_buf *buf, struct mf_str s);

/*
 * The same, but line ends (\n and \r\n) and tabs stay as they are: for whole
 * logs.
 */
void mf_text_terminal_lines(struct mf_buf *buf, struct mf_str s);

/*
 * Append `s` as one word of a POSIX shell: bare where that is safe, in single
 * quotes otherwise, in $'…' (bash, zsh) where it holds control or invisible
 * characters or no valid UTF-8. It is one word of that value anywhere in a
 * command, also first: an assignment or a keyword is quoted.
 * NUL cannot stand in an argument and is left out.
 */
void mf_text_shell(struct mf_buf *buf, struct mf_str s);

/* Append `s` as valid UTF-8: each byte that is none becomes U+FFFD. */
void mf_text_utf8(struct mf_buf *buf, struct mf_str s);

/* Append RFC 3339 with milliseconds and the local zone. */
void mf_text_time(struct mf_buf *buf, uint64_t wall_ns);

/* Append HH:MM:SS.mmm of the local zone. */
void mf_text_clock(struct mf_buf *buf, uint64_t wall_ns);

/* Append a duration in the two largest units: 850ms, 2.31s, 4m07s, 3h12m. */
void mf_text_duration(struct mf_buf *buf, uint64_t ns);

/* Append a size in IEC units: 17B, 1.5KiB, 230MiB. */
void mf_text_size(struct mf_buf *buf, uint64_t bytes);

/*
 * Parse a time a person typed, as cli.md says: RFC 3339; HH:MM:SS[.mmm] on the
 * day of `first_ns`, or on the next where only that is before `last_ns`;
 * +N[.N]UNIT from `first_ns`; -N[.N]UNIT back from `last_ns`; UNIT is ms, s,
 * m, h or nothing for seconds.
 *
 * Errors: -EINVAL, none of these.
 */
MF_MUST_USE int mf_text_parse_time(struct mf_str s, uint64_t first_ns,
                                   uint64_t last_ns, uint64_t *out,
                                   struct mf_err *err);

/* Parse a size: digits with an optional K, M, G, T (IEC), KiB, MiB… */
MF_MUST_USE int mf_text_parse_size(struct mf_str s, uint64_t *out,
                                   struct mf_err *err);

#endif /* MFCORE_TEXT_H */

/*
 * Secrets leave a trace only as "<redacted>".
 *
 * What counts as a secret is told once, in journal/redact.c, and printed by
 * `mftrace record --help` and mfjournal(5): names of environment variables and
 * options that say so (SECRET, TOKEN, PASSWORD, ...), and shapes of values
 * (AWS keys, JSON web tokens, URLs with credentials, private keys).
 *
 * Made for use inside foreign processes: no malloc, no stdio, no locale.
 *
 * Threads: pure functions.
 */
#ifndef MFCORE_REDACT_H
#define MFCORE_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "mfcore/str.h"

/*
 * Write NAME=VALUE to `out` with the value replaced where the name or the
 * value's shape looks like a secret. `allow` is a run of globs over names,
 * each ended by a NUL, the last one empty; it may be NULL. Returns the bytes
 * written, never more than `cap`; no NUL is added.
 */
size_t mf_redact_env(char *out, size_t cap, struct mf_str entry,
                     const char *allow);

/*
 * The same for one argument of a command line. `previous` is the argument
 * before it: the value behind "--password" is a secret too. Keys inside a JSON
 * object (`--s3sessionvars`) and the words of a `sh -c` string are looked at.
 */
size_t mf_redact_arg(char *out, size_t cap, struct mf_str arg,
                     struct mf_str previous, const char *allow);

/* Whether a name says that what it names is a secret. */
bool mf_redact_is_secret_name(struct mf_str name);

/* The rules in words, one a line, for help and manual; static storage. */
const char *const *mf_redact_rules(void);

#endif /* MFCORE_REDACT_H */

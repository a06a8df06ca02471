/*
 * The parts redaction is made of: names, shapes, and the scan over both.
 */
#ifndef MF_JOURNAL_REDACT_PARTS_H
#define MF_JOURNAL_REDACT_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "mfcore/str.h"

#define MF__REDACTED "<redacted>"

/* Whether one of the globs in `allow` (a run ended by an empty one) fits. */
bool mf__redact_is_allowed(struct mf_str name, const char *allow);

/* Length of the secret that begins at `at`, by its shape; 0 for none. */
size_t mf__redact_shape(const char *at, const char *end);

/* Whether 40 characters look like an AWS secret key. */
bool mf__redact_is_aws_secret(const char *at);

/* Length of the private key that begins at `at` with "-----BEGIN"; or 0. */
size_t mf__redact_pem(const char *at, const char *end);

/*
 * The secret part of a URL whose "://" ends at `at`. Returns false when there
 * is none.
 */
bool mf__redact_userinfo(const char *at, const char *end,
                         struct mf_str *secret);

/*
 * A value that says nothing (empty, true, 0, ...): hiding it would only hide
 * that nothing is there.
 */
bool mf__redact_is_trivial(struct mf_str value);

/* $NAME or ${NAME}: where the secret is, not what it is. */
bool mf__redact_is_reference(struct mf_str value);

/*
 * Whether the argument behind `previous` is what it names: --password VALUE,
 * aws_secret_access_key VALUE.
 */
bool mf__redact_is_named_by(struct mf_str previous, const char *allow);

/* The password's offset in USER:PASSWORD behind curl's -u; or arg.len. */
size_t mf__redact_password_of_user(struct mf_str arg, struct mf_str previous);

static inline bool mf__redact_is_alnum(char c)
{
	return (unsigned)((c | 32) - 'a') < 26 || (unsigned)(c - '0') < 10;
}

static inline bool mf__redact_is_space(char c)
{
	return c == ' ' || (unsigned)(c - '\t') < 5;
}

#endif /* MF_JOURNAL_REDACT_PARTS_H */

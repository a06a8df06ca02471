/*
 * Sessions as a verb finds them: by what a person typed and the environment.
 *
 * Threads: the main thread; the environment must not change meanwhile.
 */
#ifndef MFCLI_PLACES_H
#define MFCLI_PLACES_H

#include <limits.h>

#include "mfcore/attr.h"
#include "mfcore/err.h"
#include "mfcore/session.h"

/* Not to be copied: `where` points into it. */
struct mf_cli_places {
	struct mf_session_places where;
	char cwd[PATH_MAX];
};

/*
 * Fill *out from the environment and the working directory.
 *
 * Errors: what getcwd(3) gives.
 */
MF_MUST_USE int mf_cli_places(struct mf_cli_places *out, struct mf_err *err);

/*
 * Find the session a verb is about: `option` is what --session says, else
 * `operand`, else NULL for the newest. Both given and different is -EINVAL.
 *
 * Owns:   release with mf_session_clear().
 * Errors: as mf_session_find().
 */
MF_MUST_USE int mf_cli_session(struct mf_session *out, const char *option,
                               const char *operand, struct mf_err *err);

#endif /* MFCLI_PLACES_H */

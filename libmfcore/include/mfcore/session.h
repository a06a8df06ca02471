/*
 * Sessions: recorded runs on disk, where they lie and how they are named.
 *
 * A session is a directory of mode 0700: segments (*.mfj), blobs/ and nothing
 * else. Its name is its id, YYYYMMDD-HHMMSS-xxxx in local time, xxxx being the
 * fraction of the second in 1/65536, so that ids order as their sessions began;
 * a name given by a person follows behind another dash. Every session is also
 * registered as a link in a private directory of the user, so it is found from
 * anywhere: $XDG_STATE_HOME/mfcore/sessions/, by default
 * ~/.local/state/mfcore/sessions/.
 *
 * Where a new one goes: the directory given; else $MFCORE_JOURNAL; else
 * .mfcore/ under the local datastore root a Metaflow run in this directory
 * would use, when that exists already (making it would change what Metaflow
 * prints) and can be written to; else the state directory itself, where a
 * session needs no link. Metaflow looks past a directory with a dot.
 *
 * A session is live as long as its recorder holds an exclusive flock(2) on the
 * session's directory. The kernel lets go of it however the recorder ends, and
 * it needs no file; no recorded process inherits it. Whoever asks takes the
 * lock shared, for an instant.
 *
 * Threads: no shared state; the environment comes in by argument.
 */
#ifndef MFCORE_SESSION_H
#define MFCORE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/attr.h"
#include "mfcore/buf.h"
#include "mfcore/err.h"
#include "mfcore/str.h"

/* What of the caller's environment decides where sessions lie. */
struct mf_session_places {
	const char *home;       /* HOME */
	const char *state_home; /* XDG_STATE_HOME or NULL */
	const char *journal;    /* MFCORE_JOURNAL or NULL */
	const char *sysroot;    /* METAFLOW_DATASTORE_SYSROOT_LOCAL or NULL */
	const char *cwd;        /* absolute */
};

#define MF_SESSION_ID_MAX 64
#define MF_SESSION_NAME_MAX 40

struct mf_session {
	char id[MF_SESSION_ID_MAX];
	char *dir; /* absolute */
};

/*
 * Make a new, empty session directory and register it. `parent` is --journal
 * or NULL; it is made when absent. `name` is --name or NULL: letters, digits,
 * dot, dash and underscore, at most MF_SESSION_NAME_MAX of them.
 *
 * Owns:   release with mf_session_clear().
 * Errors: -EINVAL, no such name allowed; what mkdir(2) gives. A session that
 *         cannot be registered is made all the same.
 */
MF_MUST_USE int mf_session_create(struct mf_session *out,
                                  const struct mf_session_places *places,
                                  const char *parent, const char *name,
                                  struct mf_err *err);

/*
 * Mark the session as being recorded by this process, until the descriptor
 * returned is closed; it is close-on-exec, and a forked child must close it.
 *
 * Errors: -EBUSY, somebody records it; what open(2) and flock(2) give.
 */
MF_MUST_USE int mf_session_hold(const struct mf_session *session,
                                struct mf_err *err);

/*
 * Find the session a person named: a directory with segments in it, an id, a
 * name, a unique prefix of either, or NULL for the newest.
 *
 * Errors: -ENOENT; -MF_EAMBIGUOUS, several begin so (all named in err).
 */
MF_MUST_USE int mf_session_find(struct mf_session *out,
                                const struct mf_session_places *places,
                                const char *named, struct mf_err *err);

void mf_session_clear(struct mf_session *session);

/* Every session that can be found, newest first. */
struct mf_session_list {
	struct mf_session *items;
	size_t len;
};
MF_MUST_USE int mf_session_list(struct mf_session_list *out,
                                const struct mf_session_places *places,
                                struct mf_err *err);
void mf_session_list_clear(struct mf_session_list *list);

/*
 * Delete a session's files and its registration; refuses a directory that
 * holds anything a session does not (-ENOTEMPTY) or is still being recorded
 * (-EBUSY).
 */
MF_MUST_USE int mf_session_delete(const struct mf_session *session,
                                  const struct mf_session_places *places,
                                  struct mf_err *err);

/* Bytes the session takes on disk, blobs included. */
uint64_t mf_session_size(const struct mf_session *session);

/* Whether its recorder still runs on this machine. */
bool mf_session_is_live(const struct mf_session *session);

#endif /* MFCORE_SESSION_H */

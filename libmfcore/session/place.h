/*
 * Where sessions lie, from what the caller's environment says.
 *
 * Threads: pure functions over the file system.
 */
#ifndef MF_SESSION_PLACE_H
#define MF_SESSION_PLACE_H

#include <stdbool.h>

#include "mfcore/session.h"

/* Every one of these returns a path to free, or NULL: none, or no memory. */

/* The directory of links; it need not exist. */
char *mf__place_registry(const struct mf_session_places *places);

/* .mfcore under Metaflow's local datastore root, where that root exists. */
char *mf__place_datastore(const struct mf_session_places *places);

/* `dir`/`name`. */
char *mf__place_join(const char *dir, const char *name);

/* Make a directory and those above it, private to the user. 0 or -errno. */
int mf__place_make(const char *dir);

/*
 * Whether `id` has the form of an id. Then *name, when not NULL, is what a
 * person called it, or NULL.
 */
bool mf__session_is_id(const char *id, const char **name);

#endif /* MF_SESSION_PLACE_H */

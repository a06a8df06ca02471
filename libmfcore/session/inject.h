/*
 * How a command comes to load the recorder: two variables of its environment.
 */
#ifndef MF_SESSION_INJECT_H
#define MF_SESSION_INJECT_H

#include <stdbool.h>

#include "mfcore/attr.h"
#include "mfcore/err.h"

#define MF__ENV_RECORD "MFCORE_RECORD" /* path of the segment to write to */
#define MF__ENV_PRELOAD "LD_PRELOAD"

struct mf__preload {
	char *path;     /* as the loader gets it */
	char *link_dir; /* made for it, or NULL */
};

/*
 * The path to have the recorder's shared object loaded by. The loader splits
 * LD_PRELOAD at spaces and colons and expands $: a path with one of these is
 * reached by a link in a directory of its own.
 *
 * Owns: release with mf__preload_clear(), which takes the link away when
 *       nobody is left to follow it.
 */
MF_MUST_USE int mf__preload_init(struct mf__preload *out, const char *path,
                                 struct mf_err *err);
void mf__preload_clear(struct mf__preload *preload, bool is_used);

/*
 * Copy an environment with LD_PRELOAD extended by `preload` (what stands there
 * stays first) and MFCORE_RECORD set to `segment`. NULL without memory.
 *
 * Owns: release with mf__environ_free(), before the original goes.
 */
char **mf__environ_with(char *const *env, const char *preload,
                        const char *segment);
void mf__environ_free(char **env);

/* The value of a variable, borrowed, or NULL. */
const char *mf__environ_get(char *const *env, const char *name);

#endif /* MF_SESSION_INJECT_H */

/*
 * Metaflow's functions that fork.
 *
 * Threads: pure functions; used by the recorder too: no malloc, no stdio.
 */
#ifndef MFCORE_MULTICORE_H
#define MFCORE_MULTICORE_H

#include <stdbool.h>

#include "mfcore/str.h"

/* The module of parallel_map() and parallel_imap_unordered(). */
#define MF_MULTICORE_MODULE "metaflow.multicore_utils"

/* Whether a function, with its module, is one of the two. */
bool mf_multicore_is_parallel_map(struct mf_str function);

#endif /* MFCORE_MULTICORE_H */

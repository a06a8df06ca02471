/*
 * Memory that dies together.
 *
 * Owns: all it gave; release with mf_arena_clear().
 * Errors: no memory, as each says.
 * Threads: one arena, one thread at a time.
 */
#ifndef MFCORE_ARENA_H
#define MFCORE_ARENA_H

#include <stddef.h>

#include "mfcore/str.h"

struct mf_arena_block;

struct mf_arena { /* all zero: empty */
	struct mf_arena_block *blocks;
	size_t used;  /* bytes of the newest block */
	size_t total; /* bytes of all blocks */
};

/* `size` zeroed bytes, aligned for any object; NULL without memory. */
void *mf_arena_alloc(struct mf_arena *arena, size_t size);

/* A copy of `s` with a NUL behind it; the absent string without memory. */
struct mf_str mf_arena_str(struct mf_arena *arena, struct mf_str s);

/* Free everything; the arena is as new. */
void mf_arena_clear(struct mf_arena *arena);

#endif /* MFCORE_ARENA_H */

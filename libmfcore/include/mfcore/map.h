/*
 * A hash map from a 64-bit key to a pointer.
 *
 * The map owns no value and knows nothing of them. For composite keys (pid and
 * start time, host and inode) mix with mf_map_mix(); where a collision of the
 * mixed keys would matter, compare in the value.
 *
 * Threads: one map, one thread at a time.
 */
#ifndef MFCORE_MAP_H
#define MFCORE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "mfcore/attr.h"
#include "mfcore/str.h"

struct mf_map_slot {
	uint64_t key;
	void *value; /* NULL: free */
};

struct mf_map { /* all zero: empty */
	struct mf_map_slot *slots;
	size_t cap;
	size_t len;
};

/* The value under `key`, or NULL. */
void *mf_map_get(const struct mf_map *map, uint64_t key);

/*
 * Put `value`, not NULL, under `key`, in place of what stood there.
 * Errors: -ENOMEM, the map is as before.
 */
MF_MUST_USE int mf_map_put(struct mf_map *map, uint64_t key, void *value);

/* Take `key` out; returns what stood there, or NULL. */
void *mf_map_remove(struct mf_map *map, uint64_t key);

/* Free the table; the values are the caller's. */
void mf_map_clear(struct mf_map *map);

uint64_t mf_map_mix(uint64_t a, uint64_t b);
uint64_t mf_map_hash(struct mf_str s);

#endif /* MFCORE_MAP_H */

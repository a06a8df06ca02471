/* Open addressing, linear probing; a removal closes its gap: no tombstones. */
#include "mfcore/map.h"

#include <errno.h>
#include <stdlib.h>

enum {
	FIRST_CAP = 16, /* a power of two, as every cap */
};

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint64_t mf_map_mix(uint64_t a, uint64_t b)
{
	return mix(mix(a + UINT64_C(0x9e3779b97f4a7c15)) ^ b);
}

uint64_t mf_map_hash(struct mf_str s)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < s.len; i++) {
		hash ^= (unsigned char)s.ptr[i];
		hash *= UINT64_C(0x100000001b3);
	}
	return mix(hash);
}

/* Where `key` stands, or the free slot where it would. Needs a free slot. */
static size_t slot_of(const struct mf_map *map, uint64_t key)
{
	size_t at = (size_t)mix(key) & (map->cap - 1);

	while (map->slots[at].value && map->slots[at].key != key)
		at = (at + 1) & (map->cap - 1);
	return at;
}

static int grow(struct mf_map *map)
{
	struct mf_map bigger = {.cap = map->cap ? map->cap * 2 : FIRST_CAP};

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < map->cap; i++)
		if (map->slots[i].value)
			bigger.slots[slot_of(&bigger, map->slots[i].key)] =
				map->slots[i];
	bigger.len = map->len;
	free(map->slots);
	*map = bigger;
	return 0;
}

void *mf_map_get(const struct mf_map *map, uint64_t key)
{
	return map->cap ? map->slots[slot_of(map, key)].value : NULL;
}

int mf_map_put(struct mf_map *map, uint64_t key, void *value)
{
	size_t at;

	if (map->len >= map->cap - map->cap / 4 && grow(map) < 0)
		return -ENOMEM;
	at = slot_of(map, key);
	if (!map->slots[at].value)
		map->len++;
	map->slots[at] = (struct mf_map_slot){key, value};
	return 0;
}

void *mf_map_remove(struct mf_map *map, uint64_t key)
{
	size_t mask = map->cap - 1;
	size_t gap;
	void *value;

	if (!map->cap)
		return NULL;
	gap = slot_of(map, key);
	value = map->slots[gap].value;
	if (!value)
		return NULL;
	for (size_t at = (gap + 1) & mask; map->slots[at].value;
	     at = (at + 1) & mask) {
		size_t home = (size_t)mix(map->slots[at].key) & mask;

		/* may only move back to where its probing passes */
		if (((at - home) & mask) >= ((at - gap) & mask)) {
			map->slots[gap] = map->slots[at];
			gap = at;
		}
	}
	map->slots[gap] = (struct mf_map_slot){0, NULL};
	map->len--;
	return value;
}

void mf_map_clear(struct mf_map *map)
{
	free(map->slots);
	*map = (struct mf_map){0};
}

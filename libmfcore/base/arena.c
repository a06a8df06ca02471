#include "mfcore/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK_MIN = 4096,
	BLOCK_MAX = 1 << 18,
};

struct mf_arena_block {
	struct mf_arena_block *next;
	size_t cap;
	alignas(max_align_t) char bytes[];
};

static struct mf_arena_block *add_block(struct mf_arena *arena, size_t cap)
{
	struct mf_arena_block *block;
	size_t size;

	if (__builtin_add_overflow(cap, sizeof(*block), &size))
		return NULL;
	block = calloc(1, size);
	if (!block)
		return NULL;
	block->cap = cap;
	arena->total += cap;
	return block;
}

/* What does not fit a block of usual size gets one of its own, further back. */
static void *alloc_big(struct mf_arena *arena, size_t size)
{
	struct mf_arena_block *block = add_block(arena, size);

	if (!block)
		return NULL;
	if (arena->blocks) {
		block->next = arena->blocks->next;
		arena->blocks->next = block;
	} else {
		arena->blocks = block;
		arena->used = size;
	}
	return block->bytes;
}

void *mf_arena_alloc(struct mf_arena *arena, size_t size)
{
	struct mf_arena_block *block = arena->blocks;
	size_t cap = arena->total < BLOCK_MIN ? BLOCK_MIN : arena->total;
	void *at;

	if (__builtin_add_overflow(size, alignof(max_align_t) - 1, &size))
		return NULL;
	size &= ~(alignof(max_align_t) - 1);
	if (cap > BLOCK_MAX)
		cap = BLOCK_MAX;
	if (!block || block->cap - arena->used < size) {
		if (size > cap / 2)
			return alloc_big(arena, size);
		block = add_block(arena, cap);
		if (!block)
			return NULL;
		block->next = arena->blocks;
		arena->blocks = block;
		arena->used = 0;
	}
	at = block->bytes + arena->used;
	arena->used += size;
	return at;
}

struct mf_str mf_arena_str(struct mf_arena *arena, struct mf_str s)
{
	char *copy;

	if (s.len == SIZE_MAX)
		return (struct mf_str){NULL, 0};
	copy = mf_arena_alloc(arena, s.len + 1);
	if (!copy)
		return (struct mf_str){NULL, 0};
	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	return (struct mf_str){copy, s.len};
}

void mf_arena_clear(struct mf_arena *arena)
{
	struct mf_arena_block *block = arena->blocks;

	while (block) {
		struct mf_arena_block *next = block->next;

		free(block);
		block = next;
	}
	*arena = (struct mf_arena){0};
}

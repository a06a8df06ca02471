/*
 * The checksums of the format. XXH3 is used from its header so that the
 * recorder's shared object needs no library beside libc.
 */
#include <stddef.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "journal/frame.h"

static uint64_t sum(const void *bytes, size_t len, uint64_t key)
{
	return XXH3_64bits_withSeed(bytes, len, key);
}

void mf__hash128(const void *bytes, size_t len, unsigned char out[16])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, len));
	memcpy(out, canonical.digest, 16);
}

uint32_t mf__record_sum(const struct mf__record_head *head, size_t size,
                        uint64_t key)
{
	if (head->flags & MF__RECORD_COUNTER)
		size -= 8;
	return (uint32_t)sum((const char *)head + 8, size - 8, key);
}

uint64_t mf__chunk_sum(const struct mf__chunk_head *head, uint64_t key)
{
	return sum((const char *)head + 4, 52, key);
}

uint64_t mf__ident_sum(const struct mf__segment_ident *ident)
{
	return sum(ident, offsetof(struct mf__segment_ident, sum), 0);
}

uint64_t mf__env_hash(const char *entry, size_t len)
{
	uint64_t hash = sum(entry, len, 0);

	return hash ? hash : 1;
}

bool mf__env_known(const uint64_t *table, uint64_t hash, uint32_t *slot)
{
	uint32_t at = (uint32_t)hash % MF__ENV_SLOTS;

	for (uint32_t n = 0; n < MF__ENV_SLOTS && table[at] != 0; n++) {
		if (table[at] == hash) {
			*slot = at;
			return true;
		}
		at = (at + 1) % MF__ENV_SLOTS;
	}
	return false;
}

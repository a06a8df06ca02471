/*
 * The fields of one record, and what commits it.
 */
#include <string.h>

#include "journal/append.h"

char *mf__record_key(struct mf_record *rec, enum mf_field id,
                     enum mf_field_kind kind, size_t body)
{
	uint16_t key = (uint16_t)((unsigned)kind << 12 | (unsigned)id);
	char *at = rec->put;

	if ((size_t)(rec->end - rec->put) < sizeof(key) + body) {
		assert(!"a field beyond the promised payload");
		return NULL;
	}
	memcpy(at, &key, sizeof(key));
	rec->put += sizeof(key) + body;
	return at + sizeof(key);
}

void mf_record_u64(struct mf_record *rec, enum mf_field id, uint64_t value)
{
	char *at = mf__record_key(rec, id, MF_KIND_U64, sizeof(value));

	if (at)
		memcpy(at, &value, sizeof(value));
}

void mf_record_i64(struct mf_record *rec, enum mf_field id, int64_t value)
{
	char *at = mf__record_key(rec, id, MF_KIND_I64, sizeof(value));

	if (at)
		memcpy(at, &value, sizeof(value));
}

void mf_record_bytes(struct mf_record *rec, enum mf_field id, const void *bytes,
                     size_t len)
{
	uint32_t length = (uint32_t)len;
	char *at = mf__record_key(rec, id, MF_KIND_BYTES, sizeof(length) + len);

	if (!at)
		return;
	memcpy(at, &length, sizeof(length));
	if (len)
		memcpy(at + sizeof(length), bytes, len);
}

char *mf_record_open(struct mf_record *rec, enum mf_field id,
                     enum mf_field_kind kind, size_t *room)
{
	uint32_t length = 0;
	char *at = mf__record_key(rec, id, kind, sizeof(length));

	*room = 0;
	if (!at)
		return NULL;
	memcpy(at, &length, sizeof(length));
	*room = (size_t)(rec->end - rec->put);
	return rec->put;
}

void mf_record_close(struct mf_record *rec, size_t len)
{
	uint32_t length = (uint32_t)len;

	memcpy(rec->put - sizeof(length), &length, sizeof(length));
	rec->put += len;
}

static void commit(struct mf_record *rec, uint16_t flags)
{
	struct mf__record_head *head =
		(struct mf__record_head *)(void *)rec->base;
	size_t size = (size_t)(rec->end - rec->base);

	head->flags = flags;
	head->sum = mf__record_sum(head, size, rec->key);
	__atomic_store_n(&head->size, (uint32_t)size | MF__RECORD_COMMIT,
	                 __ATOMIC_RELEASE);
}

void mf_record_end(struct mf_record *rec)
{
	commit(rec, 0);
}

uint64_t *mf_record_end_counter(struct mf_record *rec)
{
	commit(rec, MF__RECORD_COUNTER);
	return (uint64_t *)(void *)(rec->end - 8);
}

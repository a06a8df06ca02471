#include "journal/chunk.h"

#include <string.h>

#define HEAD_SIZE sizeof(struct mf__record_head)
#define SEARCH_MAX (16u << 20) /* bytes summed in vain, for a chunk */

bool mf__chunk_is_valid(const struct mf__chunk_head *head, uint64_t key)
{
	return head->magic == MF__CHUNK_MAGIC && head->blocks > 0 &&
	       head->blocks <= MF__CHUNK_BLOCKS_MAX &&
	       head->sum == mf__chunk_sum(head, key);
}

static uint32_t word_at(const struct mf__cursor *cursor, size_t pos)
{
	uint32_t word;

	memcpy(&word, cursor->bytes + pos, sizeof(word));
	return word;
}

/* The size a record at `pos` claims, or 0 when no record has such a size. */
static size_t claimed_size(const struct mf__cursor *cursor, size_t pos)
{
	size_t size;

	if (cursor->len - pos < HEAD_SIZE)
		return 0;
	size = word_at(cursor, pos) & ~MF__RECORD_COMMIT;
	if (size < HEAD_SIZE || size % 8 != 0 || size > MF__RECORD_MAX)
		return 0;
	return size;
}

/* Whether the record at `pos` is committed, whole and matches its checksum. */
static bool is_valid(const struct mf__cursor *cursor, size_t pos)
{
	const struct mf__record_head *head;
	size_t size = claimed_size(cursor, pos);

	if (size == 0 || size > cursor->len - pos ||
	    !(word_at(cursor, pos) & MF__RECORD_COMMIT))
		return false;
	head = (const struct mf__record_head *)(const void *)(cursor->bytes +
	                                                      pos);
	if ((head->flags & MF__RECORD_COUNTER) && size < HEAD_SIZE + 8)
		return false;
	return head->sum ==
	       mf__record_sum(head, size, cursor->seed + cursor->offset + pos);
}

/* The first place from `pos` on that is not zero, on the 8-byte grid. */
static size_t skip_zeros(const struct mf__cursor *cursor, size_t pos)
{
	uint64_t word = 0;

	for (; pos + 8 <= cursor->len; pos += 8) {
		memcpy(&word, cursor->bytes + pos, sizeof(word));
		if (word)
			return pos;
	}
	return cursor->len;
}

/*
 * The first valid record from `pos` on, or the end. Made-up bytes may claim a
 * record everywhere, and every claim is a sum over up to a chunk: give up when
 * that was more than damage by chance ever asks for.
 */
static size_t find_record(struct mf__cursor *cursor, size_t pos)
{
	for (; pos + HEAD_SIZE <= cursor->len; pos += 8) {
		if (!(word_at(cursor, pos) & MF__RECORD_COMMIT))
			continue;
		cursor->searched += claimed_size(cursor, pos);
		if (cursor->searched > SEARCH_MAX)
			break;
		if (is_valid(cursor, pos))
			return pos;
	}
	return cursor->len;
}

/* Bytes from `pos` to the last that is not zero. */
static size_t bytes_in_use(const struct mf__cursor *cursor, size_t pos)
{
	size_t end = cursor->len;

	while (end > pos && cursor->bytes[end - 1] == 0)
		end--;
	return end - pos;
}

/*
 * Something at pos is no record. Returns 1 when a record further on was found
 * and pos stands there, 0 when nothing but the end is left.
 */
static int step_over(struct mf__cursor *cursor)
{
	size_t size = claimed_size(cursor, cursor->pos);
	bool is_begun =
		size && !(word_at(cursor, cursor->pos) & MF__RECORD_COMMIT);
	size_t in_use = bytes_in_use(cursor, cursor->pos);
	size_t found = find_record(cursor, cursor->pos + 8);

	if (found < cursor->len) {
		if (is_begun && found == cursor->pos + size) {
			cursor->uncommitted++;
		} else {
			cursor->damaged++;
			cursor->damaged_bytes += found - cursor->pos;
		}
		cursor->pos = found;
		return 1;
	}
	if (is_begun && in_use <= size)
		cursor->is_torn = true;
	else
		cursor->bad = in_use;
	return 0;
}

int mf__cursor_next(struct mf__cursor *cursor,
                    const struct mf__record_head **out)
{
	cursor->is_torn = false;
	cursor->bad = 0;
	while (cursor->len >= HEAD_SIZE &&
	       cursor->pos <= cursor->len - HEAD_SIZE) {
		if (is_valid(cursor, cursor->pos)) {
			*out = (const void *)(cursor->bytes + cursor->pos);
			cursor->pos += claimed_size(cursor, cursor->pos);
			return 1;
		}
		if (skip_zeros(cursor, cursor->pos) == cursor->len ||
		    step_over(cursor) == 0)
			break;
	}
	return 0;
}

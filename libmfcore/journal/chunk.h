/*
 * One chunk in memory: step through its records, also through damage.
 */
#ifndef MF_JOURNAL_CHUNK_H
#define MF_JOURNAL_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/frame.h"

struct mf__cursor {
	char *bytes;     /* of the chunk, from its first block on */
	size_t len;      /* bytes there are */
	size_t pos;      /* of the next record, or where it may appear */
	uint64_t offset; /* of bytes[0] in the segment */
	uint64_t seed;   /* of the segment */

	/* How it ended, when mf__cursor_next() returned 0: */
	bool is_torn; /* with a record begun and not committed, at pos */
	size_t bad;   /* with so many bytes at pos that are no record */

	size_t searched; /* bytes summed to find records behind damage */

	/* What was stepped over so far: */
	uint64_t uncommitted;
	uint64_t damaged;
	uint64_t damaged_bytes;
};

/*
 * Returns 1 with *out in the cursor's bytes, or 0 where there is no further
 * record now; the cursor then stands where one would appear, and says how it
 * ended.
 */
int mf__cursor_next(struct mf__cursor *cursor,
                    const struct mf__record_head **out);

/* Whether the head of a chunk is as its owner wrote it. */
bool mf__chunk_is_valid(const struct mf__chunk_head *head, uint64_t key);

#endif /* MF_JOURNAL_CHUNK_H */

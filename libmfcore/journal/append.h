/*
 * What the files of the appending side share: writer.c is the processes and
 * lanes, room.c where their blocks come from, record.c and blob.c what goes
 * into a record. All run inside foreign processes.
 */
#ifndef MF_JOURNAL_APPEND_H
#define MF_JOURNAL_APPEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "journal/frame.h"
#include "mfcore/writer.h"

#define MF__PATIENCE_NS 1000000000u /* with a lock nobody gives back */
#define MF__HEAD_BYTES ((size_t)MF__HEAD_BLOCKS * MF__BLOCK)

static inline uint64_t mf__now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Map a segment, whole or its head only. 0 or negative. */
int mf__segment_map(const char *path, bool whole,
                    struct mf__segment_head **out);

void mf__segment_unmap(const struct mf_writer *writer,
                       struct mf__segment_head *head);

/*
 * Take `blocks` that may be touched. Returns 0 with the segment's head and the
 * first block, or a negative number for mf__drop_reason().
 */
int mf__blocks_take(struct mf_writer *writer, uint32_t blocks,
                    struct mf__segment_head **out, uint64_t *first);

/*
 * Where such blocks are in memory; NULL when they could not be mapped. Where
 * the writer does not map whole segments they are a map of their own.
 */
void *mf__blocks_map(const struct mf_writer *writer,
                     struct mf__segment_head *head, uint64_t first,
                     uint32_t blocks);

/* Why a call that should have made room did not. */
enum mf_drop mf__drop_reason(int rc);

/*
 * A lock within the process, held for a few system calls at most; the holder
 * is its pid. A vfork child may hold it too and be killed with it, in memory
 * that lives on: then it is taken from the dead, or given up on.
 */
bool mf__writer_try_lock(struct mf_writer *writer);
void mf__writer_unlock(struct mf_writer *writer);

/* Room for a field's key and `body` bytes behind it, or NULL. */
char *mf__record_key(struct mf_record *rec, enum mf_field id,
                     enum mf_field_kind kind, size_t body);

#endif /* MF_JOURNAL_APPEND_H */

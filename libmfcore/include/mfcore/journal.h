/*
 * Read a session's journal: every committed record, oldest first.
 *
 * A reader merges the segments of all hosts and the chunks of all writers in
 * time order. It returns a record only when it is whole and its checksum
 * holds; what is damaged is skipped by resynchronising and counted in
 * mf_journal_health. Reading never changes a file. man/mfjournal.5 is the
 * format.
 *
 * Order: within a host by CLOCK_MONOTONIC, across hosts by wall time; records
 * of one thread stay in the order they were written.
 *
 * Threads: one reader, one thread at a time; any number of readers may share
 * a session, also while it is being written.
 */
#ifndef MFCORE_JOURNAL_H
#define MFCORE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/attr.h"
#include "mfcore/buf.h"
#include "mfcore/err.h"
#include "mfcore/event.h"
#include "mfcore/str.h"

struct mf_journal;

/* What a reader met so far. Everything is complete at the end of a journal. */
struct mf_journal_health {
	uint64_t records;       /* returned or skipped by a seek */
	uint64_t uncommitted;   /* begun and never committed: the writer died */
	uint64_t damaged;       /* places where bytes had to be skipped */
	uint64_t damaged_bytes; /* and how many */
	uint64_t dropped;       /* records writers could not write */
	uint64_t dropped_bytes;
	uint64_t dropped_why[8]; /* by enum mf_drop */
	uint64_t lost_seqs;      /* numbers missing in a thread's sequence; only
	                           after mf_journal_check_sequences() */
	uint64_t bytes_read;     /* from the files, by this reader */
	uint64_t file_bytes;     /* size of the segments together */
	uint64_t segments;
	uint64_t blobs_missing; /* asked for, not there or not matching */
};

/* Why a record was not written; index of dropped_why. */
enum mf_drop {
	MF_DROP_NO_SPACE = 0,  /* the disk, a quota or RLIMIT_FSIZE */
	MF_DROP_FULL = 1,      /* the session reached its --max-size */
	MF_DROP_NO_MAP = 2,    /* memory could not be mapped (RLIMIT_AS) */
	MF_DROP_TOO_BIG = 3,   /* a record above the limit */
	MF_DROP_REENTERED = 4, /* a signal handler inside the recorder */
	MF_DROP_REASONS
};

const char *mf_drop_word(enum mf_drop why);

/*
 * Open the journal in directory `dir`, standing before its first record.
 *
 * Owns:   on success the caller owns *out; release it with mf_journal_close().
 * Errors: -ENOMEM; what open(2) gives; -MF_EFORMAT, no journal in there;
 *         -MF_EVERSION, written by an incompatible version.
 */
MF_MUST_USE int mf_journal_open(struct mf_journal **out, const char *dir,
                                struct mf_err *err);

/*
 * Read one record. Returns 1 with *ev filled, or 0 at the end as it stands
 * now; call mf_journal_refresh() to see what was written since.
 *
 * Errors: -ENOMEM; -EIO. Damage is no error here: see mf_journal_health().
 */
MF_MUST_USE int mf_journal_next(struct mf_journal *journal,
                                struct mf_event *ev);

/*
 * Stand before the first record at or after `wall_ns`, using the chunk headers
 * as the index: chunks that end before are not read.
 */
MF_MUST_USE int mf_journal_seek(struct mf_journal *journal, uint64_t wall_ns);

/*
 * Look for new segments, chunks and records. Returns the number of bytes that
 * became readable, 0 for none. Records come in time order among what one
 * refresh finds; one written late by a slow thread may come after newer ones.
 */
MF_MUST_USE int64_t mf_journal_refresh(struct mf_journal *journal);

/*
 * Wait until the session's files may have changed, at most `timeout_ms`.
 * Returns 1 when it seems worth a refresh, 0 at the end of the time.
 */
MF_MUST_USE int mf_journal_wait(struct mf_journal *journal, int timeout_ms);

/*
 * Load the bytes of field `id` wherever they lie, in the record or in a blob.
 * Appends to `out` and returns 1; 0 when the event has no such field.
 *
 * Errors: -ENOENT, -MF_ECORRUPT: the blob is gone or is not what was recorded.
 */
MF_MUST_USE int mf_journal_bytes(struct mf_journal *journal,
                                 const struct mf_event *ev, enum mf_field id,
                                 struct mf_buf *out);

/* Look for gaps in every thread's sequence too; before the first record. */
void mf_journal_check_sequences(struct mf_journal *journal);

const struct mf_journal_health *
mf_journal_health(const struct mf_journal *journal);

/* Hosts of the session, as struct mf_event's `host` numbers them. */
struct mf_journal_host {
	struct mf_str name;
	struct mf_str boot_id;
	int64_t wall_minus_mono_ns; /* as its first segment anchored it */
};
size_t mf_journal_hosts(const struct mf_journal *journal);
const struct mf_journal_host *mf_journal_host(const struct mf_journal *journal,
                                              size_t i);

/* Close and free. NULL is allowed. */
void mf_journal_close(struct mf_journal *journal);

#endif /* MFCORE_JOURNAL_H */

/*
 * Append records to a session's journal.
 *
 * A process holds one mf_writer; each of its threads holds one mf_lane, which
 * owns the chunk it writes to, so appending takes no lock and no system call.
 * Committed means: the store that ends mf_record_end() was executed; from then
 * on the record survives the death of the process at any instant.
 *
 * Appending never fails. What cannot be written is counted in the journal by
 * reason and begin() returns false; the caller goes on.
 *
 * Made for use inside foreign processes: no malloc, no stdio, no descriptor
 * kept, errno untouched, usable between vfork and exec and in a forked child
 * without any preparation (a child is noticed by a page the kernel wipes).
 *
 * Threads: a writer may be shared by threads; a lane by nobody. A signal
 * handler may use the lane of the thread it interrupted.
 */
#ifndef MFCORE_WRITER_H
#define MFCORE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mfcore/attr.h"
#include "mfcore/event.h"
#include "mfcore/journal.h"

#define MF_WRITER_PATH_MAX 1024

/* The largest payload of one record, bytes; put more into a blob. */
#define MF_RECORD_PAYLOAD_MAX 65000

struct mf__segment_head; /* journal/frame.h */
struct mf__writer_life;

struct mf_lane {             /* caller's storage, all zero at first */
	char *cursor;        /* in the chunk, where the next record goes */
	char *end;           /* of the chunk */
	uint64_t offset;     /* of `end` in the segment */
	uint64_t seed;       /* of the segment */
	uint64_t generation; /* of the process the lane belongs to */
	uint32_t id;         /* of the lane in its process */
	uint32_t blocks;     /* of the chunk */
	uint32_t seq;
	uint32_t tid;
	bool is_busy; /* last: see clear_lane() */
};

#define MF_WRITER_SPARES 4

struct mf_writer { /* caller's storage; treat as opaque */
	struct mf__segment_head *head;
	struct mf__writer_life *life;
	uint64_t start_ticks;
	uint32_t pid;
	uint32_t lanes;
	uint32_t lock;
	uint32_t chunk_seq;
	uint32_t rest_why; /* enum mf_drop */
	uint64_t rest_until_ns;
	bool maps_whole;
	struct mf_lane spares[MF_WRITER_SPARES];
	char path[MF_WRITER_PATH_MAX]; /* of the current segment */
};

struct mf_record {
	char *base; /* of the record in the map */
	char *put;  /* where the next field goes */
	char *end;
	uint64_t key; /* of its checksum */
};

/*
 * Attach to the segment at `path`, an absolute path, made by mf_segment_create.
 * The process may attach before it has any other thread.
 *
 * Errors: what open(2) and mmap(2) give; -MF_EFORMAT; -MF_EVERSION;
 *         -ENAMETOOLONG. The writer is then usable and drops everything.
 */
MF_MUST_USE int mf_writer_attach(struct mf_writer *writer, const char *path);

/* What a forked child knows of its birth. */
struct mf_fork {
	const char *via;        /* function of libc */
	struct mf_str function; /* that called it; absent: not known */
	struct mf_str child;    /* what the child is for; absent: not known */
};

/*
 * Notice that this process is a forked child and begin to write as itself,
 * with a PROC_FORK record of `how`. Appending does it by itself; calling it
 * early makes the record's time exact. Returns whether it was one.
 */
bool mf_writer_forked(struct mf_writer *writer, struct mf_lane *lane,
                      const struct mf_fork *how);

/* Unmap. Lanes of this writer must not be used again. */
void mf_writer_detach(struct mf_writer *writer);

/*
 * Begin a record of at most `payload` bytes of fields. Returns false, and has
 * counted the drop, when there is no room; then nothing else is to be done.
 */
bool mf_record_begin(struct mf_record *rec, struct mf_writer *writer,
                     struct mf_lane *lane, enum mf_event_type type,
                     size_t payload);

/*
 * Put fields. A field that would pass the promised payload is left out, which
 * is a mistake of the caller and asserted in debug builds.
 */
void mf_record_u64(struct mf_record *rec, enum mf_field id, uint64_t value);
void mf_record_i64(struct mf_record *rec, enum mf_field id, int64_t value);
void mf_record_bytes(struct mf_record *rec, enum mf_field id, const void *bytes,
                     size_t len);

/*
 * Open a LIST or BYTES field whose length is not known yet: write at the
 * returned place, at most *room bytes, and close it with the length written.
 */
char *mf_record_open(struct mf_record *rec, enum mf_field id,
                     enum mf_field_kind kind, size_t *room);
void mf_record_close(struct mf_record *rec, size_t len);

/* Commit. */
void mf_record_end(struct mf_record *rec);

/*
 * Commit a MF_EV_COUNTER record and return its live count, to be raised with
 * an atomic add for as long as the process, or a forked child, lives. Promise
 * MF_FIELD_COUNTER bytes of payload for it.
 */
#define MF_FIELD_COUNTER 8u
uint64_t *mf_record_end_counter(struct mf_record *rec);

/* Bytes of payload the fields take: one number; bytes of length `len`. */
#define MF_FIELD_U64 ((size_t)10)
#define MF_FIELD_BYTES(len) (6u + (size_t)(len))

/*
 * Keep `bytes` beside the journal under its hash and put a reference to it in
 * `rec` (MF_FIELD_BLOB bytes of payload). Opens and writes a file: not between
 * vfork and exec. Returns false and counts the drop when that fails; the field
 * is then absent.
 */
#define MF_FIELD_BLOB 30u
bool mf_record_blob(struct mf_record *rec, struct mf_writer *writer,
                    enum mf_field id, const void *bytes, size_t len);

/*
 * Before a thread ends: give its chunk's free rest to the next thread that
 * needs one. The lane is as new.
 */
void mf_lane_retire(struct mf_lane *lane, struct mf_writer *writer);

/* Count a record that was not written. */
void mf_writer_dropped(struct mf_writer *writer, enum mf_drop why,
                       size_t bytes);

/* Whether the process writes to a journal at all. */
bool mf_writer_is_attached(const struct mf_writer *writer);

#endif /* MFCORE_WRITER_H */

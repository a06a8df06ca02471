/*
 * What lies in a session's directory: hosts, segments, and where the chunks
 * are. Reads heads only.
 */
#ifndef MF_JOURNAL_SCAN_H
#define MF_JOURNAL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/frame.h"
#include "mfcore/arena.h"
#include "mfcore/err.h"
#include "mfcore/map.h"

struct mf__cursor;

enum mf__chunk_state {
	MF__CHUNK_NEW,     /* not queued yet */
	MF__CHUNK_QUEUED,  /* in the reader's heap */
	MF__CHUNK_RESTING, /* all its records were read */
};

struct mf__chunk_ref {
	uint64_t key;   /* wall time: no unread record is older */
	uint64_t first; /* key as the scan found it */
	uint64_t until; /* wall time: no record is younger; UINT64_MAX open */
	uint64_t start_ticks;
	struct mf__cursor *cursor; /* while loaded */
	size_t record;             /* the event in the loaded bytes */
	uint32_t segment;
	uint32_t block;
	uint32_t blocks;
	uint32_t pid;
	uint32_t lane;
	uint32_t seq;
	uint32_t pos; /* of the next record in the chunk */
	uint32_t first_pos;
	enum mf__chunk_state state;
	bool is_orphan; /* its head is damaged: one block, searched for records */
	bool is_short;
	bool has_torn;
	bool has_bad;
};

struct mf__segment {
	int fd;
	uint32_t host;
	uint32_t number;
	uint32_t head_blocks;
	uint64_t seed;
	uint64_t blocks; /* of the file when last looked at */
	uint64_t next;   /* block to look at next */
	uint64_t size;   /* bytes of the file */
	uint64_t capacity;
	uint64_t dropped[8];
	uint64_t dropped_bytes;
	uint32_t *holes; /* blocks passed over that held nothing yet */
	size_t holes_len;
	size_t holes_cap;
	bool is_head_damaged;
};

struct mf__scan {
	char *dir;
	char *any_path; /* of a file in dir, for mf__blob_path() */
	struct mf_arena arena;
	struct mf_journal_host *hosts;
	size_t hosts_len;
	struct mf__segment *segments;
	size_t segments_len;
	struct mf_map names; /* hash of a file name to anything */
	struct mf__chunk_ref **chunks;
	size_t chunks_len;
	size_t chunks_cap;
	uint64_t bytes_read;
	uint64_t bytes_found;
	uint64_t damaged;
	uint64_t damaged_bytes;
	int refused; /* why a file could not be opened, when one could not */
};

MF_MUST_USE int mf__scan_open(struct mf__scan *scan, const char *dir,
                              struct mf_err *err);

/* Look for segments and chunks not seen before. */
MF_MUST_USE int mf__scan_look(struct mf__scan *scan, struct mf_err *err);

/* Read a chunk; returns its bytes, fewer where the file ends. */
MF_MUST_USE int64_t mf__scan_read(struct mf__scan *scan,
                                  const struct mf__chunk_ref *ref, char *out,
                                  size_t size);

/* Whether something was begun behind the last record read of it. */
bool mf__scan_has_more(struct mf__scan *scan, const struct mf__chunk_ref *ref);

/* A host's monotonic time as wall time. */
uint64_t mf__scan_wall(const struct mf__scan *scan,
                       const struct mf__chunk_ref *ref, uint64_t mono_ns);

/* Fill in `until` of every chunk from the next one of its lane. */
void mf__scan_bound(struct mf__scan *scan);

/* As the scan found it. */
void mf__scan_rewind(struct mf__chunk_ref *ref);

/* Put what the scan knows into `health`; the rest is left as it is. */
void mf__scan_health(struct mf__scan *scan, struct mf_journal_health *health);

void mf__scan_close(struct mf__scan *scan);

#endif /* MF_JOURNAL_SCAN_H */

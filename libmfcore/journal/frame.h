/*
 * FORMAT. man/mfjournal.5 is the normative text; this is its C side.
 *
 * All numbers are little-endian. A segment is a file of 4096-byte blocks:
 *
 *     block 0      struct mf__segment_head: identity, live counters, options
 *     blocks 1, 2  table of hashes of the session's environment
 *     block 3      the identity again, so that a damaged block 0 costs no record
 *     block 4 ...  chunks and zeros
 *
 * A chunk is 1 to 16 whole blocks, owned by one lane of one process: a 64-byte
 * head and behind it records, each on an 8-byte boundary. A chunk's head may
 * be missing while its owner is between taking the blocks and writing it.
 *
 * A record is a 32-byte head and fields. Its first word holds the size and, in
 * the top bit, COMMIT, which is stored last. Its checksum is keyed by the
 * segment's seed and the record's own offset, so bytes that merely look like a
 * record (a journal printed by a recorded process, say) never pass for one,
 * and a reader can find its way after damage by trying each 8-byte boundary.
 *
 * Fields follow each other unaligned: a 16-bit key (kind in the top four bits,
 * number below), then eight bytes for a number, or a 32-bit length and bytes.
 * Key 0 ends the fields.
 *
 * The tail, in blocks, moves by atomic adds of the writers; whoever adds owns
 * what he passed over. [0, ready) blocks are allocated and zeroed; in
 * [ready, preparing) the recorder is writing zeros just now, so a writer that
 * lands there gives the blocks up and takes others behind it; above preparing
 * a writer allocates its blocks itself.
 */
#ifndef MF_JOURNAL_FRAME_H
#define MF_JOURNAL_FRAME_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mfcore/journal.h"
#include "mfcore/segment.h"
#include "mfcore/writer.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the journal is written by storing little-endian words"
#endif

#define MF__BLOCK 4096u
#define MF__MAGIC "MFJRNL1\n"
#define MF__INCOMPATIBLE_KNOWN 0u /* flag bits this reader understands */
#define MF__HEAD_BLOCKS 4u
#define MF__COPY_BLOCK 3u
#define MF__ENV_SLOTS 1024u
#define MF__CHUNK_MAGIC 0x4b434643u /* "CFCK" */
#define MF__CHUNK_BLOCKS_MAX 16u
#define MF__RECORD_COMMIT 0x80000000u
#define MF__RECORD_COUNTER 1u /* flag: the last 8 bytes are a live count */
#define MF__PREPARE_AHEAD (1u << 20) /* bytes kept ready before the tail */

struct mf__segment_ident {
	char magic[8];
	uint32_t incompatible; /* flags a reader must know, or refuse */
	uint32_t compatible;   /* flags a reader may ignore */
	uint32_t head_blocks;  /* where chunks begin */
	uint32_t number;       /* of the segment on its host, from 1 */
	uint64_t capacity;     /* bytes it may grow to */
	uint64_t seed;
	uint64_t mono_ns; /* the two clocks at the same moment */
	uint64_t real_ns;
	char session_id[64];
	char host[64];
	char boot_id[40];
	uint64_t sum; /* XXH3-64 of all before */
};

struct mf__segment_head {
	struct mf__segment_ident ident;
	char pad0[1024 - sizeof(struct mf__segment_ident)];

	/* From 1024: live counters, each changed by atomic operations. */
	uint64_t tail;      /* blocks taken, may pass the capacity */
	uint64_t ready;     /* blocks */
	uint64_t preparing; /* blocks */
	uint32_t want;      /* futex: the preparer should look */
	uint32_t recorder_pid;
	uint64_t dropped[8];
	uint64_t dropped_bytes;
	char pad2[512 - 8 * 13];

	/* From 1536: options, constant. */
	uint32_t no_output;
	uint32_t no_python;
	uint64_t output_max;
	uint64_t session_max;
	char preload[512];
	char env_allow[1024];
	char pad3[4096 - 1536 - 24 - 512 - 1024];
};

static_assert(sizeof(struct mf__segment_ident) == 232, "on disk");
static_assert(offsetof(struct mf__segment_head, tail) == 1024, "on disk");
static_assert(offsetof(struct mf__segment_head, no_output) == 1536, "on disk");
static_assert(sizeof(struct mf__segment_head) == MF__BLOCK, "on disk");

struct mf__chunk_head {
	uint32_t magic; /* stored last */
	uint32_t blocks;
	uint32_t pid;
	uint32_t lane;
	uint64_t start_ticks;
	uint64_t mono_ns; /* no record in it is older */
	uint64_t real_ns;
	uint32_t seq; /* per process, from 1 */
	uint32_t reserved;
	uint64_t reserved2;
	uint64_t sum; /* XXH3-64 of bytes 4 to 55, keyed as a record is */
};

static_assert(sizeof(struct mf__chunk_head) == 64, "on disk");

struct mf__record_head {
	uint32_t size; /* whole record, a multiple of 8; top bit COMMIT */
	uint32_t sum;  /* low half of XXH3-64 of bytes 8 to the end */
	uint64_t time_ns;
	uint32_t pid;
	uint32_t tid;
	uint16_t type;
	uint16_t flags;
	uint32_t seq;
};

static_assert(sizeof(struct mf__record_head) == 32, "on disk");

#define MF__RECORD_MAX (MF__CHUNK_BLOCKS_MAX * MF__BLOCK - 64u)

static_assert(MF_RECORD_PAYLOAD_MAX + 32 + 8 <= MF__RECORD_MAX, "fits a chunk");

/* journal/sum.c: the one checksum, compiled once for library and recorder. */
void mf__hash128(const void *bytes, size_t len, unsigned char out[16]);

/* The checksum a record's head must hold, from its bytes and its offset. */
uint32_t mf__record_sum(const struct mf__record_head *head, size_t size,
                        uint64_t key);
uint64_t mf__chunk_sum(const struct mf__chunk_head *head, uint64_t key);
uint64_t mf__ident_sum(const struct mf__segment_ident *ident);

/* Hash of an environment entry as the session's table holds it, never 0. */
uint64_t mf__env_hash(const char *entry, size_t len);

/* Whether the hash stands in the table behind the head; marks its slot. */
bool mf__env_known(const uint64_t *table, uint64_t hash, uint32_t *slot);

/*
 * journal/make.c, libc only and without malloc: make segment `number` beside
 * `path`, another segment of the same host, from the image of its head.
 * Returns 0, or -EEXIST when somebody was faster, or what the calls gave.
 */
int mf__segment_make(const char *path, const struct mf__segment_head *like,
                     const uint64_t *env_table, uint32_t number);

/* Path of the blob with this hash beside segment `path`; false: too long. */
bool mf__blob_path(char *out, size_t cap, const char *path,
                   const unsigned char hash[16]);

/* Replace the number in a segment's path. Returns false when it has none. */
bool mf__segment_renumber(char *path, size_t cap, uint32_t number);

#endif /* MF_JOURNAL_FRAME_H */

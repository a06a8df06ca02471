/*
 * The appending side. Runs inside foreign processes: see mfcore/writer.h for
 * what that forbids.
 */
#include "mfcore/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "journal/frame.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* The kernel zeroes this page in every forked child, raw clones included. */
struct mf__writer_life {
	uint64_t generation; /* 0: we are such a child; BEING_BORN: in work */
};

#define BEING_BORN UINT64_MAX
#define HEAD_BYTES ((size_t)MF__HEAD_BLOCKS * MF__BLOCK)
#define SKIP_TRIES 64
#define LOCK_PATIENCE_NS 1000000000u

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void mf_writer_dropped(struct mf_writer *writer, enum mf_drop why, size_t bytes)
{
	struct mf__segment_head *head =
		__atomic_load_n(&writer->head, __ATOMIC_ACQUIRE);

	if (!head)
		return;
	__atomic_fetch_add(&head->dropped[why], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&head->dropped_bytes, bytes, __ATOMIC_RELAXED);
}

bool mf_writer_is_attached(const struct mf_writer *writer)
{
	return writer->head != NULL;
}

/* Field 22 of /proc/self/stat, behind the name, which may hold anything. */
static uint64_t own_start_ticks(void)
{
	char text[1024];
	long len = 0;
	uint64_t ticks = 0;
	const char *at;
	int field = 2;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/stat",
	                      O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		len = syscall(SYS_read, fd, text, sizeof(text) - 1);
		syscall(SYS_close, fd);
	}
	text[len > 0 ? len : 0] = '\0';
	at = strrchr(text, ')');
	for (; at && *at && field < 22; at++)
		field += *at == ' ';
	for (; at && *at >= '0' && *at <= '9'; at++)
		ticks = ticks * 10 + (uint64_t)(*at - '0');
	return ticks;
}

static void become_this_process(struct mf_writer *writer)
{
	writer->pid = (uint32_t)syscall(SYS_getpid);
	writer->start_ticks = own_start_ticks();
	writer->lanes = 0;
	writer->chunk_seq = 0;
	writer->lock = 0;
	memset(writer->spares, 0, sizeof(writer->spares));
}

static uint64_t new_generation(const struct mf_writer *writer)
{
	return (((uint64_t)writer->pid << 32) ^ now(CLOCK_MONOTONIC)) | 1;
}

/*
 * One thread of a forked child makes the writer its own; others wait for it.
 * Returns whether it was this one.
 */
static bool revive(struct mf_writer *writer)
{
	uint64_t zero = 0;

	if (!__atomic_compare_exchange_n(&writer->life->generation, &zero,
	                                 BEING_BORN, false, __ATOMIC_ACQ_REL,
	                                 __ATOMIC_ACQUIRE)) {
		while (__atomic_load_n(&writer->life->generation,
		                       __ATOMIC_ACQUIRE) == BEING_BORN)
			syscall(SYS_sched_yield);
		return false;
	}
	become_this_process(writer);
	__atomic_store_n(&writer->life->generation, new_generation(writer),
	                 __ATOMIC_RELEASE);
	return true;
}

bool mf_writer_forked(struct mf_writer *writer, struct mf_lane *lane,
                      const char *via)
{
	uint32_t parent = writer->pid;
	int saved = errno;
	struct mf_record rec;

	if (!writer->head || !revive(writer)) {
		errno = saved;
		return false;
	}
	if (mf_record_begin(&rec, writer, lane, MF_EV_PROC_FORK,
	                    2 * MF_FIELD_U64 + MF_FIELD_BYTES(strlen(via)))) {
		mf_record_u64(&rec, MF_F_PPID, parent);
		mf_record_u64(&rec, MF_F_START_TICKS, writer->start_ticks);
		mf_record_bytes(&rec, MF_F_VIA, via, strlen(via));
		mf_record_end(&rec);
	}
	errno = saved;
	return true;
}

/* Map [offset, offset+len) of the segment at `path`, or return MAP_FAILED. */
static void *map_at(const char *path, uint64_t offset, size_t len)
{
	void *map;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return MAP_FAILED;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	           (off_t)offset);
	syscall(SYS_close, fd);
	return map;
}

static int check_ident(const struct mf__segment_ident *ident)
{
	if (memcmp(ident->magic, MF__MAGIC, sizeof(ident->magic)) != 0 ||
	    ident->sum != mf__ident_sum(ident) ||
	    ident->head_blocks != MF__HEAD_BLOCKS)
		return -MF_EFORMAT;
	if (ident->incompatible & ~MF__INCOMPATIBLE_KNOWN)
		return -MF_EVERSION;
	return 0;
}

/* Read before it is mapped: a short file would be a SIGBUS. */
static int map_segment(const char *path, bool whole,
                       struct mf__segment_head **out)
{
	struct mf__segment_ident image;
	size_t len;
	void *map;
	long n;
	int rc;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = syscall(SYS_pread64, fd, &image, sizeof(image), 0);
	rc = n == (long)sizeof(image) ? check_ident(&image) : -MF_EFORMAT;
	if (rc < 0) {
		syscall(SYS_close, fd);
		return rc;
	}
	len = whole ? (size_t)image.capacity : HEAD_BYTES;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	rc = map == MAP_FAILED ? -errno : 0;
	syscall(SYS_close, fd);
	if (rc == 0)
		*out = map;
	return rc;
}

/* A limited address space is the task's: then map as little as possible. */
static bool address_space_is_free(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_AS, &limit) == 0 &&
	       limit.rlim_cur == RLIM_INFINITY;
}

static struct mf__writer_life *new_life(void)
{
	void *page = mmap(NULL, MF__BLOCK, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (madvise(page, MF__BLOCK, MADV_WIPEONFORK) < 0) {
		munmap(page, MF__BLOCK);
		return NULL;
	}
	return page;
}

int mf_writer_attach(struct mf_writer *writer, const char *path)
{
	struct mf__segment_head *head = NULL;
	size_t len = strlen(path);
	int saved = errno;
	int rc;

	memset(writer, 0, sizeof(*writer));
	if (len >= sizeof(writer->path))
		return -ENAMETOOLONG;
	memcpy(writer->path, path, len + 1);
	writer->maps_whole = address_space_is_free();
	rc = map_segment(path, writer->maps_whole, &head);
	if (rc < 0)
		goto out;
	writer->life = new_life();
	if (!writer->life) {
		munmap(head, writer->maps_whole ? (size_t)head->ident.capacity
		                                : HEAD_BYTES);
		rc = -ENOMEM;
		goto out;
	}
	become_this_process(writer);
	writer->life->generation = new_generation(writer);
	writer->head = head;
out:
	errno = saved;
	return rc;
}

void mf_writer_detach(struct mf_writer *writer)
{
	if (writer->head)
		munmap(writer->head,
		       writer->maps_whole ? (size_t)writer->head->ident.capacity
		                          : HEAD_BYTES);
	if (writer->life)
		munmap(writer->life, MF__BLOCK);
	memset(writer, 0, sizeof(*writer));
}

/* Ask the recorder for more pages; one call wakes it once. */
static void call_preparer(struct mf__segment_head *head)
{
	if (__atomic_exchange_n(&head->want, 1, __ATOMIC_ACQ_REL) == 0)
		syscall(SYS_futex, &head->want, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/*
 * Allocate blocks nobody prepared: the recorder is gone, or slower than we
 * are. Allocation, not a hole in the file: touching a hole on a full disk is a
 * SIGBUS in the recorded process. Growing a file past RLIMIT_FSIZE would be a
 * SIGXFSZ, so look first.
 */
static bool prepare_own(const struct mf_writer *writer, uint64_t first,
                        uint32_t blocks)
{
	uint64_t offset = first * MF__BLOCK;
	uint64_t len = (uint64_t)blocks * MF__BLOCK;
	struct rlimit limit;
	long rc;
	int fd;

	if (getrlimit(RLIMIT_FSIZE, &limit) < 0 ||
	    (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < offset + len))
		return false;
	fd = (int)syscall(SYS_openat, AT_FDCWD, writer->path,
	                  O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	rc = syscall(SYS_fallocate, fd, 0, (off_t)offset, (off_t)len);
	if (rc < 0 && errno == EOPNOTSUPP) {
		static const char zeros[MF__BLOCK];

		rc = 0;
		for (uint32_t i = 0; i < blocks && rc == 0; i++)
			rc = syscall(SYS_pwrite64, fd, zeros, sizeof(zeros),
			             (off_t)(offset +
			                     (uint64_t)i * MF__BLOCK)) ==
			                     (long)sizeof(zeros)
			             ? 0
			             : -1;
	}
	syscall(SYS_close, fd);
	return rc == 0;
}

/*
 * A lock within the process, held for a few system calls at most; the holder
 * is its pid. A vfork child may hold it too and be killed with it, in memory
 * that lives on: then it is taken from the dead, or given up on.
 */
static bool try_lock(struct mf_writer *writer)
{
	uint32_t nobody = 0;

	return __atomic_compare_exchange_n(&writer->lock, &nobody,
	                                   (uint32_t)syscall(SYS_getpid), false,
	                                   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void unlock(struct mf_writer *writer)
{
	__atomic_store_n(&writer->lock, 0, __ATOMIC_RELEASE);
}

static void release_the_dead(struct mf_writer *writer)
{
	uint32_t holder = __atomic_load_n(&writer->lock, __ATOMIC_RELAXED);

	if (holder && syscall(SYS_kill, holder, 0) < 0 && errno == ESRCH)
		__atomic_compare_exchange_n(&writer->lock, &holder, 0, false,
		                            __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static bool lock(struct mf_writer *writer)
{
	uint64_t start = now(CLOCK_MONOTONIC);

	for (unsigned tries = 1; !try_lock(writer); tries++) {
		syscall(SYS_sched_yield);
		if (tries % 256 != 0)
			continue;
		if (now(CLOCK_MONOTONIC) - start > LOCK_PATIENCE_NS)
			return false;
		release_the_dead(writer);
	}
	return true;
}

/*
 * Go on to the segment behind `full`, making it when the recorder did not.
 * The old one stays mapped: other threads may be writing to their chunks.
 */
static int next_segment(struct mf_writer *writer, struct mf__segment_head *full)
{
	struct mf__segment_head *head = NULL;
	uint32_t number = full->ident.number + 1;
	int rc = 0;

	if (!lock(writer))
		return -EDEADLK;
	if (writer->head == full) {
		char path[MF_WRITER_PATH_MAX];

		memcpy(path, writer->path, sizeof(path));
		if (!mf__segment_renumber(path, sizeof(path), number)) {
			unlock(writer);
			return -EOVERFLOW;
		}
		rc = map_segment(path, writer->maps_whole, &head);
		if (rc == -ENOENT) {
			const char *table = (const char *)full + MF__BLOCK;

			rc = mf__segment_make(
				writer->path, full,
				(const uint64_t *)(const void *)table, number);
			if (rc == 0 || rc == -EEXIST)
				rc = map_segment(path, writer->maps_whole,
				                 &head);
		}
		if (rc == 0) {
			memcpy(writer->path, path, sizeof(path));
			__atomic_store_n(&writer->head, head, __ATOMIC_RELEASE);
		}
	}
	unlock(writer);
	return rc;
}

/* Why a call that should have made room did not. */
static enum mf_drop drop_reason(int rc)
{
	switch (-rc) {
	case EDQUOT:
	case EOVERFLOW:
		return MF_DROP_FULL;
	case ENOMEM:
		return MF_DROP_NO_MAP;
	default:
		return MF_DROP_NO_SPACE;
	}
}

/*
 * Take `blocks` that may be touched. Returns 0 with *head and *first, or a
 * negative number for drop_reason().
 */
static int take_blocks(struct mf_writer *writer, uint32_t blocks,
                       struct mf__segment_head **out, uint64_t *first)
{
	for (int tries = 0; tries < SKIP_TRIES; tries++) {
		struct mf__segment_head *head =
			__atomic_load_n(&writer->head, __ATOMIC_ACQUIRE);
		uint64_t limit = head->ident.capacity / MF__BLOCK;
		uint64_t at = limit;
		uint64_t ready;

		if (__atomic_load_n(&head->tail, __ATOMIC_RELAXED) < limit)
			at = __atomic_fetch_add(&head->tail, blocks,
			                        __ATOMIC_SEQ_CST);
		if (at + blocks > limit) {
			int rc = next_segment(writer, head);

			if (rc < 0)
				return rc;
			continue;
		}
		*out = head;
		*first = at;
		ready = __atomic_load_n(&head->ready, __ATOMIC_SEQ_CST);
		if (at + blocks + MF__PREPARE_AHEAD / MF__BLOCK / 2 > ready)
			call_preparer(head);
		if (at + blocks <= ready)
			return 0;
		if (at >= __atomic_load_n(&head->preparing, __ATOMIC_SEQ_CST))
			return prepare_own(writer, at, blocks) ? 0 : -ENOSPC;
		/* The recorder is zeroing these very blocks: leave them. */
	}
	return -ENOSPC;
}

static void *map_chunk(const struct mf_writer *writer,
                       struct mf__segment_head *head, uint64_t first,
                       uint32_t blocks)
{
	uint64_t offset = first * MF__BLOCK;
	void *map;

	if (writer->maps_whole)
		return (char *)head + offset;
	map = map_at(writer->path, offset, (size_t)blocks * MF__BLOCK);
	return map == MAP_FAILED ? NULL : map;
}

static void write_chunk_head(struct mf_writer *writer,
                             struct mf__chunk_head *chunk, uint64_t key,
                             const struct mf_lane *lane)
{
	chunk->blocks = lane->blocks;
	chunk->pid = writer->pid;
	chunk->lane = lane->id;
	chunk->start_ticks = writer->start_ticks;
	chunk->mono_ns = now(CLOCK_MONOTONIC);
	chunk->real_ns = now(CLOCK_REALTIME);
	chunk->seq =
		__atomic_add_fetch(&writer->chunk_seq, 1, __ATOMIC_RELAXED);
	chunk->sum = mf__chunk_sum(chunk, key);
	__atomic_store_n(&chunk->magic, MF__CHUNK_MAGIC, __ATOMIC_RELEASE);
}

/* The chunks of a lane double, so a short process takes one page. */
static uint32_t chunk_size(const struct mf_lane *lane, size_t record)
{
	uint32_t least = (uint32_t)((record + sizeof(struct mf__chunk_head) +
	                             MF__BLOCK - 1) /
	                            MF__BLOCK);
	uint32_t blocks = lane->blocks ? lane->blocks * 2 : 1;

	if (blocks > MF__CHUNK_BLOCKS_MAX)
		blocks = MF__CHUNK_BLOCKS_MAX;
	return blocks > least ? blocks : least;
}

static bool take_chunk(struct mf_writer *writer, struct mf_lane *lane,
                       size_t record)
{
	struct mf__segment_head *head = NULL;
	uint32_t blocks = chunk_size(lane, record);
	uint64_t first = 0;
	char *chunk;
	int rc = take_blocks(writer, blocks, &head, &first);

	if (rc < 0) {
		mf_writer_dropped(writer, drop_reason(rc), record);
		return false;
	}
	chunk = map_chunk(writer, head, first, blocks);
	if (!chunk) {
		mf_writer_dropped(writer, MF_DROP_NO_MAP, record);
		return false;
	}
	/* Counters may live in the old chunk, so it stays mapped. */
	if (lane->id == 0)
		lane->id =
			__atomic_add_fetch(&writer->lanes, 1, __ATOMIC_RELAXED);
	lane->blocks = blocks;
	lane->seed = head->ident.seed;
	write_chunk_head(writer, (struct mf__chunk_head *)(void *)chunk,
	                 lane->seed + first * MF__BLOCK, lane);
	lane->offset = (first + blocks) * MF__BLOCK;
	lane->end = chunk + (size_t)blocks * MF__BLOCK;
	__atomic_store_n(&lane->cursor, chunk + sizeof(struct mf__chunk_head),
	                 __ATOMIC_RELEASE);
	return true;
}

/* Take over what a thread that ended left, when one did. */
static bool adopt_spare(struct mf_writer *writer, struct mf_lane *lane)
{
	bool found = false;

	if (!try_lock(writer))
		return false;
	for (int i = 0; i < MF_WRITER_SPARES && !found; i++) {
		struct mf_lane *spare = &writer->spares[i];

		if (spare->cursor && spare->generation == lane->generation) {
			uint32_t tid = lane->tid;

			*lane = *spare;
			lane->tid = tid;
			lane->seq = 0;
			lane->is_busy = true;
			memset(spare, 0, sizeof(*spare));
			found = true;
		}
	}
	unlock(writer);
	return found;
}

static void start_lane(struct mf_writer *writer, struct mf_lane *lane,
                       uint64_t generation)
{
	memset(lane, 0, sizeof(*lane));
	lane->is_busy = true;
	lane->generation = generation;
	lane->tid = (uint32_t)syscall(SYS_gettid);
	adopt_spare(writer, lane);
}

void mf_lane_retire(struct mf_lane *lane, struct mf_writer *writer)
{
	lane->is_busy = true; /* a signal handler keeps out meanwhile */
	if (!lane->cursor || lane->end - lane->cursor < 512 || !writer->life ||
	    lane->generation != writer->life->generation || !try_lock(writer)) {
		memset(lane, 0, sizeof(*lane));
		return;
	}
	for (int i = 0; i < MF_WRITER_SPARES; i++) {
		if (!writer->spares[i].cursor) {
			writer->spares[i] = *lane;
			writer->spares[i].is_busy = false;
			break;
		}
	}
	unlock(writer);
	memset(lane, 0, sizeof(*lane));
}

/*
 * Move the lane's cursor by `size` in one instruction, so that a signal
 * handler that appends in between gets bytes of its own. Returns where it was.
 */
static inline char *bump(struct mf_lane *lane, size_t size)
{
#if defined(__x86_64__)
	size_t was = size;

	__asm__ volatile("xaddq %0, %1"
	                 : "+r"(was), "+m"(lane->cursor)
	                 :
	                 : "memory", "cc");
	return (char *)was;
#else
	return (char *)__atomic_fetch_add((uintptr_t *)(void *)&lane->cursor,
	                                  size, __ATOMIC_RELAXED);
#endif
}

/* Everything but the common case. Returns where the record goes, or NULL. */
static char *reserve_slowly(struct mf_writer *writer, struct mf_lane *lane,
                            size_t size)
{
	char *at = NULL;
	uint64_t generation;

	if (lane->is_busy) {
		mf_writer_dropped(writer, MF_DROP_REENTERED, size);
		return NULL;
	}
	generation =
		__atomic_load_n(&writer->life->generation, __ATOMIC_ACQUIRE);
	if (generation == 0 || generation == BEING_BORN) {
		mf_writer_forked(writer, lane, "clone");
		generation = __atomic_load_n(&writer->life->generation,
		                             __ATOMIC_ACQUIRE);
	}
	lane->is_busy = true;
	if (lane->generation != generation)
		start_lane(writer, lane, generation);
	for (int tries = 0; !at && tries < 2; tries++) {
		if (!lane->cursor || lane->cursor > lane->end ||
		    (size_t)(lane->end - lane->cursor) < size) {
			if (!take_chunk(writer, lane, size)) {
				lane->cursor = lane->end;
				break;
			}
		}
		at = bump(lane, size);
		if (at + size > lane->end)
			at = NULL;
	}
	lane->is_busy = false;
	return at;
}

static char *reserve(struct mf_writer *writer, struct mf_lane *lane,
                     size_t size)
{
	int saved = errno;
	char *at;

	if (lane->generation == __atomic_load_n(&writer->life->generation,
	                                        __ATOMIC_RELAXED) &&
	    !lane->is_busy) {
		at = bump(lane, size);
		if (at + size <= lane->end)
			return at;
	}
	at = reserve_slowly(writer, lane, size);
	errno = saved;
	return at;
}

bool mf_record_begin(struct mf_record *rec, struct mf_writer *writer,
                     struct mf_lane *lane, enum mf_event_type type,
                     size_t payload)
{
	size_t size = (sizeof(struct mf__record_head) + payload + 7) & ~7ul;
	struct mf__record_head *head;
	char *base;

	if (!writer->head)
		return false;
	if (payload > MF_RECORD_PAYLOAD_MAX) {
		mf_writer_dropped(writer, MF_DROP_TOO_BIG, payload);
		return false;
	}
	base = reserve(writer, lane, size);
	if (!base)
		return false;

	head = (struct mf__record_head *)(void *)base;
	__atomic_store_n(&head->size, (uint32_t)size, __ATOMIC_RELEASE);
	head->time_ns = now(CLOCK_MONOTONIC);
	head->pid = writer->pid;
	head->tid = lane->tid;
	head->type = (uint16_t)type;
	head->flags = 0;
	head->seq = ++lane->seq;
	rec->base = base;
	rec->put = base + sizeof(*head);
	rec->end = base + size;
	rec->key = lane->seed + lane->offset - (uint64_t)(lane->end - base);
	return true;
}

static char *put_key(struct mf_record *rec, enum mf_field id,
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
	char *at = put_key(rec, id, MF_KIND_U64, sizeof(value));

	if (at)
		memcpy(at, &value, sizeof(value));
}

void mf_record_i64(struct mf_record *rec, enum mf_field id, int64_t value)
{
	char *at = put_key(rec, id, MF_KIND_I64, sizeof(value));

	if (at)
		memcpy(at, &value, sizeof(value));
}

void mf_record_bytes(struct mf_record *rec, enum mf_field id, const void *bytes,
                     size_t len)
{
	uint32_t length = (uint32_t)len;
	char *at = put_key(rec, id, MF_KIND_BYTES, sizeof(length) + len);

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
	char *at = put_key(rec, id, kind, sizeof(length));

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

static bool write_blob(const char *path, const char *bytes, size_t len)
{
	struct rlimit limit;
	size_t done = 0;
	char name[MF_WRITER_PATH_MAX + 32];
	size_t n = strlen(path);
	uint32_t tid = (uint32_t)syscall(SYS_gettid);
	int fd;

	if (syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0)
		return true;
	if (getrlimit(RLIMIT_FSIZE, &limit) < 0 ||
	    (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < len))
		return false;
	memcpy(name, path, n);
	memcpy(name + n, ".new-", 5);
	for (n += 5; tid; tid /= 10)
		name[n++] = (char)('0' + tid % 10);
	name[n] = '\0';
	syscall(SYS_unlinkat, AT_FDCWD, name, 0);
	fd = (int)syscall(SYS_openat, AT_FDCWD, name,
	                  O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	while (done < len) {
		long got = syscall(SYS_write, fd, bytes + done, len - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	syscall(SYS_close, fd);
	if (done == len &&
	    syscall(SYS_renameat, AT_FDCWD, name, AT_FDCWD, path) == 0)
		return true;
	syscall(SYS_unlinkat, AT_FDCWD, name, 0);
	return false;
}

bool mf_record_blob(struct mf_record *rec, struct mf_writer *writer,
                    enum mf_field id, const void *bytes, size_t len)
{
	char path[MF_WRITER_PATH_MAX];
	unsigned char hash[16];
	uint64_t length = len;
	uint32_t body = 24;
	int saved = errno;
	bool ok;
	char *at;

	mf__hash128(bytes, len, hash);
	ok = mf__blob_path(path, sizeof(path), writer->path, hash) &&
	     write_blob(path, bytes, len);
	errno = saved;
	if (!ok) {
		mf_writer_dropped(writer, MF_DROP_NO_SPACE, len);
		return false;
	}
	at = put_key(rec, id, MF_KIND_BLOB, sizeof(body) + body);
	if (!at)
		return false;
	memcpy(at, &body, sizeof(body));
	memcpy(at + 4, &length, sizeof(length));
	memcpy(at + 12, hash, sizeof(hash));
	return true;
}

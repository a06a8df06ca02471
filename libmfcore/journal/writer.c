/*
 * The appending side. Runs inside foreign processes: see mfcore/writer.h for
 * what that forbids.
 */
#include "mfcore/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "journal/append.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* The kernel zeroes this page in every forked child, raw clones included. */
struct mf__writer_life {
	uint64_t generation; /* 0: we are such a child; BEING_BORN: in work */
};

#define BEING_BORN UINT64_MAX

#define SPARE_MIN 512     /* bytes of a chunk worth keeping */
#define REST_NS 10000000u /* until it is asked for room again */

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
	writer->rest_until_ns = 0;
	memset(writer->spares, 0, sizeof(writer->spares));
}

static uint64_t new_generation(const struct mf_writer *writer)
{
	return (((uint64_t)writer->pid << 32) ^ mf__now(CLOCK_MONOTONIC)) | 1;
}

/*
 * One thread of a forked child makes the writer its own; others wait for it,
 * though not for ever: a signal handler may have jumped out of that thread.
 * Returns whether it was this one.
 */
static bool revive(struct mf_writer *writer)
{
	uint64_t start = mf__now(CLOCK_MONOTONIC);
	uint64_t zero = 0;

	if (!__atomic_compare_exchange_n(&writer->life->generation, &zero,
	                                 BEING_BORN, false, __ATOMIC_ACQ_REL,
	                                 __ATOMIC_ACQUIRE)) {
		while (__atomic_load_n(&writer->life->generation,
		                       __ATOMIC_ACQUIRE) == BEING_BORN &&
		       mf__now(CLOCK_MONOTONIC) - start < MF__PATIENCE_NS)
			syscall(SYS_sched_yield);
		return false;
	}
	become_this_process(writer);
	__atomic_store_n(&writer->life->generation, new_generation(writer),
	                 __ATOMIC_RELEASE);
	return true;
}

/*
 * The lane is busy meanwhile: a signal handler that appended would wait for
 * the very thread it interrupted. One that is busy in a process not yet born
 * was so in the parent.
 */
static bool revive_on(struct mf_writer *writer, struct mf_lane *lane)
{
	bool is_first;

	if (lane->is_busy &&
	    __atomic_load_n(&writer->life->generation, __ATOMIC_ACQUIRE) != 0)
		return false;
	lane->is_busy = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	is_first = revive(writer);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	lane->is_busy = false;
	return is_first;
}

bool mf_writer_forked(struct mf_writer *writer, struct mf_lane *lane,
                      const struct mf_fork *how)
{
	uint32_t parent = writer->pid;
	int saved = errno;
	struct mf_record rec;

	if (!writer->head || !revive_on(writer, lane)) {
		errno = saved;
		return false;
	}
	if (mf_record_begin(&rec, writer, lane, MF_EV_PROC_FORK,
	                    2 * MF_FIELD_U64 +
	                            MF_FIELD_BYTES(strlen(how->via)) +
	                            MF_FIELD_BYTES(how->function.len) +
	                            MF_FIELD_BYTES(how->child.len))) {
		mf_record_u64(&rec, MF_F_PPID, parent);
		mf_record_u64(&rec, MF_F_START_TICKS, writer->start_ticks);
		mf_record_bytes(&rec, MF_F_VIA, how->via, strlen(how->via));
		if (how->function.len)
			mf_record_bytes(&rec, MF_F_FUNCTION, how->function.ptr,
			                how->function.len);
		if (how->child.len)
			mf_record_bytes(&rec, MF_F_TEXT, how->child.ptr,
			                how->child.len);
		mf_record_end(&rec);
	}
	errno = saved;
	return true;
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
	rc = mf__segment_map(path, writer->maps_whole, &head);
	if (rc < 0)
		goto out;
	writer->life = new_life();
	if (!writer->life) {
		mf__segment_unmap(writer, head);
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
		mf__segment_unmap(writer, writer->head);
	if (writer->life)
		munmap(writer->life, MF__BLOCK);
	memset(writer, 0, sizeof(*writer));
}

static void write_chunk_head(struct mf_writer *writer,
                             struct mf__chunk_head *chunk, uint64_t key,
                             const struct mf_lane *lane)
{
	chunk->blocks = lane->blocks;
	chunk->pid = writer->pid;
	chunk->lane = lane->id;
	chunk->start_ticks = writer->start_ticks;
	chunk->mono_ns = mf__now(CLOCK_MONOTONIC);
	chunk->real_ns = mf__now(CLOCK_REALTIME);
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

/*
 * Whether nobody will touch the lane's chunk any more: no counter lives in it,
 * and no append of this thread was interrupted in the middle by the signal
 * handler that this may be.
 */
static bool is_settled(const struct mf_lane *lane, const char *chunk)
{
	const char *at = chunk + sizeof(struct mf__chunk_head);

	if (lane->cursor > lane->end)
		return false;
	while (at < lane->cursor) {
		const struct mf__record_head *head = (const void *)at;
		uint32_t word = __atomic_load_n(&head->size, __ATOMIC_ACQUIRE);
		uint32_t size = word & ~MF__RECORD_COMMIT;

		if (size == word || size > lane->end - at ||
		    (head->flags & MF__RECORD_COUNTER))
			return false;
		at += size;
	}
	return true;
}

/*
 * A process with a limited address space would lose it chunk by chunk: unmap
 * what is full.
 */
static void leave_chunk(const struct mf_writer *writer, struct mf_lane *lane)
{
	size_t len = (size_t)lane->blocks * MF__BLOCK;

	if (writer->maps_whole || !lane->cursor ||
	    !is_settled(lane, lane->end - len))
		return;
	munmap(lane->end - len, len);
	lane->cursor = NULL;
	lane->end = NULL;
}

/*
 * Without room, drop at once for a while: asking costs some system calls, and
 * a task that writes much would be slowed down by every one of its records.
 * A session at its limit stays there.
 */
static bool is_resting(struct mf_writer *writer, size_t record)
{
	uint64_t until =
		__atomic_load_n(&writer->rest_until_ns, __ATOMIC_RELAXED);

	if (until == 0 ||
	    (until != UINT64_MAX && mf__now(CLOCK_MONOTONIC) >= until))
		return false;
	mf_writer_dropped(writer, (enum mf_drop)writer->rest_why, record);
	return true;
}

static void rest(struct mf_writer *writer, enum mf_drop why)
{
	writer->rest_why = why;
	__atomic_store_n(&writer->rest_until_ns,
	                 why == MF_DROP_FULL
	                         ? UINT64_MAX
	                         : mf__now(CLOCK_MONOTONIC) + REST_NS,
	                 __ATOMIC_RELAXED);
}

/* Blocks for a chunk, and where they are in memory; NULL: counted. */
static char *take_blocks(struct mf_writer *writer, uint32_t blocks,
                         size_t record, struct mf__segment_head **head,
                         uint64_t *first)
{
	char *chunk = NULL;
	enum mf_drop why;
	int rc;

	if (is_resting(writer, record))
		return NULL;
	rc = mf__blocks_take(writer, blocks, head, first);
	if (rc == 0)
		chunk = mf__blocks_map(writer, *head, *first, blocks);
	if (!chunk) {
		why = rc < 0 ? mf__drop_reason(rc) : MF_DROP_NO_MAP;
		mf_writer_dropped(writer, why, record);
		rest(writer, why);
	}
	return chunk;
}

static bool take_chunk(struct mf_writer *writer, struct mf_lane *lane,
                       size_t record)
{
	struct mf__segment_head *head = NULL;
	uint32_t blocks = chunk_size(lane, record);
	uint64_t first = 0;
	char *chunk = take_blocks(writer, blocks, record, &head, &first);

	if (!chunk)
		return false;
	leave_chunk(writer, lane);
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

	if (!mf__writer_try_lock(writer))
		return false;
	for (int i = 0; i < MF_WRITER_SPARES && !found; i++) {
		struct mf_lane *spare = &writer->spares[i];

		if (spare->cursor && spare->generation == lane->generation) {
			uint32_t tid = lane->tid;

			*lane = *spare;
			lane->tid = tid;
			lane->seq = 0;
			memset(spare, 0, sizeof(*spare));
			found = true;
		}
	}
	mf__writer_unlock(writer);
	return found;
}

/*
 * As new, but busy as it was: a signal handler in the middle of this must find
 * no half of a lane.
 */
static void clear_lane(struct mf_lane *lane)
{
	memset(lane, 0, offsetof(struct mf_lane, is_busy));
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Of a busy lane. */
static void start_lane(struct mf_writer *writer, struct mf_lane *lane,
                       uint64_t generation)
{
	clear_lane(lane);
	lane->generation = generation;
	lane->tid = (uint32_t)syscall(SYS_gettid);
	adopt_spare(writer, lane);
}

/* Keep a busy lane for the next thread. */
static bool keep_spare(struct mf_writer *writer, const struct mf_lane *lane)
{
	bool is_kept = false;

	if (lane->end - lane->cursor < SPARE_MIN ||
	    !mf__writer_try_lock(writer))
		return false;
	for (int i = 0; i < MF_WRITER_SPARES && !is_kept; i++) {
		if (writer->spares[i].cursor)
			continue;
		writer->spares[i] = *lane;
		is_kept = true;
	}
	mf__writer_unlock(writer);
	return is_kept;
}

void mf_lane_retire(struct mf_lane *lane, struct mf_writer *writer)
{
	lane->is_busy = true; /* a signal handler keeps out meanwhile */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (lane->cursor && writer->life &&
	    lane->generation == writer->life->generation &&
	    !keep_spare(writer, lane))
		leave_chunk(writer, lane);
	clear_lane(lane);
	lane->is_busy = false;
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

/* The checksum key of a record at `at` in the lane's chunk. */
static uint64_t key_of(const struct mf_lane *lane, const char *at)
{
	return lane->seed + lane->offset - (uint64_t)(lane->end - at);
}

/* The generation of this process, which may have to be born first. */
static uint64_t generation_of(struct mf_writer *writer, struct mf_lane *lane)
{
	uint64_t generation =
		__atomic_load_n(&writer->life->generation, __ATOMIC_ACQUIRE);

	if (generation != 0 && (generation != BEING_BORN || lane->is_busy))
		return generation;
	mf_writer_forked(writer, lane, &(struct mf_fork){.via = "clone"});
	return __atomic_load_n(&writer->life->generation, __ATOMIC_ACQUIRE);
}

/* Everything but the common case. Returns where the record goes, or NULL. */
static char *reserve_slowly(struct mf_writer *writer, struct mf_lane *lane,
                            size_t size, uint64_t *key)
{
	uint64_t generation = generation_of(writer, lane);
	char *at = NULL;

	if (lane->is_busy || generation == BEING_BORN) {
		mf_writer_dropped(writer, MF_DROP_REENTERED, size);
		return NULL;
	}
	lane->is_busy = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (lane->generation != generation)
		start_lane(writer, lane, generation);
	for (int tries = 0; !at && tries < 2; tries++) {
		if (!lane->cursor || lane->cursor > lane->end ||
		    (size_t)(lane->end - lane->cursor) < size) {
			if (!take_chunk(writer, lane, size)) {
				leave_chunk(writer, lane);
				lane->cursor = lane->end;
				break;
			}
		}
		at = bump(lane, size);
		if (at + size > lane->end)
			at = NULL;
		else
			*key = key_of(lane, at);
	}
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	lane->is_busy = false;
	return at;
}

/*
 * Whether [at, at+size) is of the lane's chunk, with its key. A signal handler
 * may exchange the chunk at any instruction; no two chunks have one end.
 */
static bool is_of_chunk(const struct mf_lane *lane, const char *at, size_t size,
                        uint64_t *key)
{
	const char *end;
	bool is_inside;

	do {
		end = __atomic_load_n(&lane->end, __ATOMIC_ACQUIRE);
		is_inside = at + size <= end &&
		            at + (size_t)lane->blocks * MF__BLOCK >= end;
		*key = key_of(lane, at);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	} while (end != __atomic_load_n(&lane->end, __ATOMIC_ACQUIRE));
	return is_inside;
}

/*
 * The first look keeps the cursor from running over the end, where the next
 * chunk may begin: only a handler in between can still make it do so.
 */
static char *reserve(struct mf_writer *writer, struct mf_lane *lane,
                     size_t size, uint64_t *key)
{
	int saved = errno;
	char *at;

	if (lane->generation == __atomic_load_n(&writer->life->generation,
	                                        __ATOMIC_RELAXED) &&
	    !lane->is_busy && lane->end - lane->cursor >= (ptrdiff_t)size) {
		at = bump(lane, size);
		if (is_of_chunk(lane, at, size, key))
			return at;
	}
	at = reserve_slowly(writer, lane, size, key);
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
	base = reserve(writer, lane, size, &rec->key);
	if (!base)
		return false;

	head = (struct mf__record_head *)(void *)base;
	__atomic_store_n(&head->size, (uint32_t)size, __ATOMIC_RELEASE);
	head->time_ns = mf__now(CLOCK_MONOTONIC);
	head->pid = writer->pid;
	head->tid = lane->tid;
	head->type = (uint16_t)type;
	head->flags = 0;
	head->seq = ++lane->seq;
	rec->base = base;
	rec->put = base + sizeof(*head);
	rec->end = base + size;
	return true;
}

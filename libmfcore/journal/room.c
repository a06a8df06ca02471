/*
 * Where the blocks of a chunk come from: the prepared part of the segment, or
 * allocated here, in this segment or the next one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "journal/append.h"

#define SKIP_TRIES 256 /* above the blocks the recorder zeroes at a time */
#define EINTR_TRIES 100

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
int mf__segment_map(const char *path, bool whole, struct mf__segment_head **out)
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
	len = whole ? (size_t)image.capacity : MF__HEAD_BYTES;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	rc = map == MAP_FAILED ? -errno : 0;
	syscall(SYS_close, fd);
	if (rc == 0)
		*out = map;
	return rc;
}

/* Ask the recorder for more pages; one call wakes it once. */
static void call_preparer(struct mf__segment_head *head)
{
	if (__atomic_exchange_n(&head->want, 1, __ATOMIC_ACQ_REL) == 0)
		syscall(SYS_futex, &head->want, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void mf__segment_unmap(const struct mf_writer *writer,
                       struct mf__segment_head *head)
{
	munmap(head, writer->maps_whole ? (size_t)head->ident.capacity
	                                : MF__HEAD_BYTES);
}

/*
 * The path of one of the writer's segments: the one in writer->path may be
 * another already, when another thread went on to it.
 */
static bool path_of(const struct mf_writer *writer, uint32_t number, char *path)
{
	memcpy(path, writer->path, sizeof(writer->path));
	return mf__segment_renumber(path, sizeof(writer->path), number);
}

static bool write_zeros(int fd, uint64_t offset, uint32_t blocks)
{
	static const char zeros[MF__BLOCK];
	bool ok = true;

	for (; blocks > 0 && ok; blocks--, offset += sizeof(zeros))
		ok = syscall(SYS_pwrite64, fd, zeros, sizeof(zeros),
		             (off_t)offset) == (long)sizeof(zeros);
	return ok;
}

/* A signal may interrupt it, one that comes all the time too often. */
static bool allocate(int fd, uint64_t offset, uint32_t blocks)
{
	long rc = -1;

	for (int tries = 0; tries < EINTR_TRIES && rc < 0; tries++) {
		rc = syscall(SYS_fallocate, fd, 0, (off_t)offset,
		             (off_t)((uint64_t)blocks * MF__BLOCK));
		if (rc < 0 && errno != EINTR)
			break;
	}
	return rc == 0 ||
	       (errno == EOPNOTSUPP && write_zeros(fd, offset, blocks));
}

/*
 * Allocate blocks nobody prepared: the recorder is gone, or slower than we
 * are. Allocation, not a hole in the file: touching a hole on a full disk is a
 * SIGBUS in the recorded process. Growing a file past RLIMIT_FSIZE would be a
 * SIGXFSZ, so look first.
 */
static bool prepare_own(const struct mf_writer *writer,
                        const struct mf__segment_head *head, uint64_t first,
                        uint32_t blocks)
{
	char path[MF_WRITER_PATH_MAX];
	uint64_t offset = first * MF__BLOCK;
	struct rlimit limit;
	bool ok;
	int fd;

	if (getrlimit(RLIMIT_FSIZE, &limit) < 0 ||
	    (limit.rlim_cur != RLIM_INFINITY &&
	     limit.rlim_cur < offset + (uint64_t)blocks * MF__BLOCK) ||
	    !path_of(writer, head->ident.number, path))
		return false;
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = allocate(fd, offset, blocks);
	syscall(SYS_close, fd);
	return ok;
}

bool mf__writer_try_lock(struct mf_writer *writer)
{
	uint32_t nobody = 0;

	return __atomic_compare_exchange_n(&writer->lock, &nobody,
	                                   (uint32_t)syscall(SYS_getpid), false,
	                                   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void mf__writer_unlock(struct mf_writer *writer)
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
	uint64_t start = mf__now(CLOCK_MONOTONIC);

	for (unsigned tries = 1; !mf__writer_try_lock(writer); tries++) {
		syscall(SYS_sched_yield);
		if (tries % 256 != 0)
			continue;
		if (mf__now(CLOCK_MONOTONIC) - start > MF__PATIENCE_NS)
			return false;
		release_the_dead(writer);
	}
	return true;
}

static bool is_full(const struct mf__segment_head *head)
{
	return __atomic_load_n(&head->tail, __ATOMIC_RELAXED) >=
	       head->ident.capacity / MF__BLOCK;
}

/* Map the segment behind `full`, making it when the recorder did not. */
static int map_behind(const struct mf_writer *writer,
                      const struct mf__segment_head *full,
                      struct mf__segment_head **out)
{
	const char *table = (const char *)full + MF__BLOCK;
	uint32_t number = full->ident.number + 1;
	char path[MF_WRITER_PATH_MAX];
	int rc;

	if (!path_of(writer, number, path))
		return -EOVERFLOW;
	rc = mf__segment_map(path, writer->maps_whole, out);
	if (rc != -ENOENT)
		return rc;
	rc = mf__segment_make(path, full, (const uint64_t *)(const void *)table,
	                      number);
	if (rc == 0 || rc == -EEXIST)
		rc = mf__segment_map(path, writer->maps_whole, out);
	return rc;
}

/*
 * Go on to the segment behind `full`, or behind all that are full by now. The
 * old one stays mapped: other threads may be writing to their chunks.
 */
static int next_segment(struct mf_writer *writer, struct mf__segment_head *full)
{
	struct mf__segment_head *head = NULL;
	struct mf__segment_head *further;
	int rc = 0;

	if (!lock(writer))
		return -EDEADLK;
	if (writer->head == full)
		rc = map_behind(writer, full, &head);
	while (rc == 0 && head && is_full(head)) {
		rc = map_behind(writer, head, &further);
		if (rc < 0)
			break;
		mf__segment_unmap(writer, head);
		head = further;
	}
	if (head) {
		if (!mf__segment_renumber(writer->path, sizeof(writer->path),
		                          head->ident.number))
			rc = -EOVERFLOW;
		__atomic_store_n(&writer->head, head, __ATOMIC_RELEASE);
	}
	mf__writer_unlock(writer);
	return rc;
}

int mf__blocks_take(struct mf_writer *writer, uint32_t blocks,
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
			return prepare_own(writer, head, at, blocks) ? 0
			                                             : -ENOSPC;
		/* The recorder is zeroing these very blocks: leave them. */
	}
	return -ENOSPC;
}

void *mf__blocks_map(const struct mf_writer *writer,
                     struct mf__segment_head *head, uint64_t first,
                     uint32_t blocks)
{
	uint64_t offset = first * MF__BLOCK;
	char path[MF_WRITER_PATH_MAX];
	void *map;

	if (writer->maps_whole)
		return (char *)head + offset;
	if (!path_of(writer, head->ident.number, path))
		return NULL;
	map = map_at(path, offset, (size_t)blocks * MF__BLOCK);
	return map == MAP_FAILED ? NULL : map;
}

/* Why a call that should have made room did not. */
enum mf_drop mf__drop_reason(int rc)
{
	switch (-rc) {
	case EOVERFLOW:
		return MF_DROP_FULL;
	case ENOMEM:
		return MF_DROP_NO_MAP;
	default:
		return MF_DROP_NO_SPACE;
	}
}

/*
 * Reads and writes: the output of tasks, the messages of sidecars.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "record/fds.h"
#include "record/record.h"

#define PIECE 32768u       /* bytes of a message in one record */
#define OUTPUT_PIECE 8096u /* of output: eight such records fill a chunk */

/*
 * Output that nobody takes any more is why many a task dies when its scheduler
 * did. Once for each stream: some programs try for ever.
 */
static void put_refused(int fd, uint64_t stream, size_t offered, int error)
{
	static _Atomic uint64_t told; /* pid, then a bit for each stream */
	uint64_t mine = (uint64_t)mf__recorder.writer.pid << 2;
	uint64_t before = atomic_load_explicit(&told, memory_order_relaxed);
	struct mf_record rec;

	if (error == EAGAIN || error == EINTR)
		return;
	if ((before & ~UINT64_C(3)) != mine)
		before = mine;
	else if (before & stream)
		return;
	atomic_store_explicit(&told, before | stream, memory_order_relaxed);
	if (!mf__begin(&rec, MF_EV_OUTPUT, 4 * MF_FIELD_U64))
		return;
	mf_record_u64(&rec, MF_F_INODE, mf__fd_inode(fd));
	mf_record_u64(&rec, MF_F_STREAM, stream);
	mf_record_u64(&rec, MF_F_WANTED, offered);
	mf_record_i64(&rec, MF_F_RESULT, -error);
	mf_record_end(&rec);
}

static void put_piece(enum mf_event_type type, int fd, uint64_t stream,
                      struct mf_str bytes, size_t offered, int64_t result)
{
	struct mf_record rec;

	if (!mf__begin(&rec, type,
	               5 * MF_FIELD_U64 + MF_FIELD_BYTES(bytes.len)))
		return;
	mf_record_u64(&rec, MF_F_INODE, mf__fd_inode(fd));
	if (stream)
		mf_record_u64(&rec, MF_F_STREAM, stream);
	if (type == MF_EV_PIPE_SEND || type == MF_EV_PIPE_RECV) {
		mf_record_u64(&rec, MF_F_FD, (uint64_t)fd);
		mf_record_u64(&rec, MF_F_WANTED, offered);
		mf_record_i64(&rec, MF_F_RESULT, result);
	}
	mf_record_bytes(&rec, MF_F_DATA, bytes.ptr, bytes.len);
	mf_record_end(&rec);
}

/* One call's bytes, in as many records as they need. */
static void put_data(enum mf_event_type type, int fd, uint64_t stream,
                     const char *bytes, size_t len, size_t offered)
{
	bool is_message = type == MF_EV_PIPE_SEND || type == MF_EV_PIPE_RECV;
	size_t most = is_message ? PIECE : OUTPUT_PIECE;
	size_t at = 0;

	while (at < len) {
		struct mf_str piece = {
			bytes + at,
			len - at < most ? len - at : most,
		};

		put_piece(type, fd, stream, piece, offered - at,
		          (int64_t)piece.len);
		at += piece.len;
	}
}

static void on_write(int fd, enum mf__fd_class kind, const char *bytes,
                     size_t offered, ssize_t result)
{
	int saved = errno;
	size_t done = result > 0 ? (size_t)result : 0;
	uint64_t stream = kind == MF__FD_OUT ? 1 : 2;

	switch (kind) {
	case MF__FD_OUT:
	case MF__FD_ERR:
		if (result < 0)
			put_refused(fd, stream, offered, saved);
		done = mf__fds_budget(fd, kind, done);
		put_data(MF_EV_OUTPUT, fd, stream, bytes, done, done);
		break;
	case MF__FD_SEND:
		if (result > 0)
			put_data(MF_EV_PIPE_SEND, fd, 0, bytes, done, offered);
		else
			put_piece(MF_EV_PIPE_SEND, fd, 0,
			          (struct mf_str){bytes, offered < PIECE
			                                         ? offered
			                                         : PIECE},
			          offered, result < 0 ? -saved : 0);
		break;
	case MF__FD_NONE:
	case MF__FD_PIPE_READ:
	case MF__FD_PIPE_WRITE:
	case MF__FD_RECV:
	case MF__FD_CAPTURE_OUT:
	case MF__FD_CAPTURE_ERR:
		break;
	}
	errno = saved;
}

static void on_read(int fd, enum mf__fd_class kind, const char *bytes,
                    size_t wanted, ssize_t result)
{
	int saved = errno;
	size_t done = result > 0 ? (size_t)result : 0;

	switch (kind) {
	case MF__FD_RECV:
		if (result > 0)
			put_data(MF_EV_PIPE_RECV, fd, 0, bytes, done, wanted);
		else if (wanted > 0)
			put_piece(MF_EV_PIPE_RECV, fd, 0,
			          (struct mf_str){bytes, 0}, wanted,
			          result < 0 ? -saved : 0);
		break;
	case MF__FD_CAPTURE_OUT:
	case MF__FD_CAPTURE_ERR:
		done = mf__fds_budget(fd, kind, done);
		put_data(MF_EV_CAPTURE, fd, kind == MF__FD_CAPTURE_OUT ? 1 : 2,
		         bytes, done, done);
		break;
	case MF__FD_NONE:
	case MF__FD_OUT:
	case MF__FD_ERR:
	case MF__FD_PIPE_READ:
	case MF__FD_PIPE_WRITE:
	case MF__FD_SEND:
		break;
	}
	errno = saved;
}

static bool writes_matter(enum mf__fd_class kind)
{
	return kind == MF__FD_OUT || kind == MF__FD_ERR || kind == MF__FD_SEND;
}

static bool reads_matter(enum mf__fd_class kind)
{
	return kind == MF__FD_RECV || kind == MF__FD_CAPTURE_OUT ||
	       kind == MF__FD_CAPTURE_ERR;
}

MF__EXPORT ssize_t write(int fd, const void *bytes, size_t len)
{
	enum mf__fd_class kind = mf__fd_class(fd);
	ssize_t n = MF__REAL(write)(fd, bytes, len);

	if (__builtin_expect(writes_matter(kind), 0))
		on_write(fd, kind, bytes, len, n);
	return n;
}

MF__EXPORT ssize_t read(int fd, void *bytes, size_t len)
{
	enum mf__fd_class kind = mf__fd_class(fd);
	ssize_t n = MF__REAL(read)(fd, bytes, len);

	if (__builtin_expect(reads_matter(kind), 0))
		on_read(fd, kind, bytes, len, n);
	return n;
}

/*
 * What a compiler makes of read(2) where it knows the buffer's size; libc ends
 * a program that reads more than fits.
 */
MF__EXPORT ssize_t mf__read_checked(int fd, void *bytes, size_t len,
                                    size_t cap) __asm__("__read_chk");

ssize_t mf__read_checked(int fd, void *bytes, size_t len, size_t cap)
{
	union {
		void *ptr;
		ssize_t (*fn)(int, void *, size_t, size_t);
	} libc = {.ptr = NULL};

	if (len <= cap)
		return read(fd, bytes, len);
	libc.ptr = dlsym(RTLD_NEXT, "__read_chk");
	return libc.fn(fd, bytes, len, cap);
}

/* The parts of a vector, as if each were a call of its own. */
static void each_part(int fd, enum mf__fd_class kind, const struct iovec *iov,
                      int count, ssize_t result, bool is_write)
{
	ssize_t left = result;

	for (int i = 0; i < count && (left > 0 || i == 0); i++) {
		size_t len = iov[i].iov_len;
		ssize_t part = left < (ssize_t)len ? left : (ssize_t)len;

		if (is_write)
			on_write(fd, kind, iov[i].iov_base, len, part);
		else
			on_read(fd, kind, iov[i].iov_base, len, part);
		left -= part > 0 ? part : 0;
	}
}

MF__EXPORT ssize_t writev(int fd, const struct iovec *iov, int count)
{
	enum mf__fd_class kind = mf__fd_class(fd);
	ssize_t n = MF__REAL(writev)(fd, iov, count);

	if (__builtin_expect(writes_matter(kind), 0))
		each_part(fd, kind, iov, count, n, true);
	return n;
}

MF__EXPORT ssize_t readv(int fd, const struct iovec *iov, int count)
{
	enum mf__fd_class kind = mf__fd_class(fd);
	ssize_t n = MF__REAL(readv)(fd, iov, count);

	if (__builtin_expect(reads_matter(kind), 0))
		each_part(fd, kind, iov, count, n, false);
	return n;
}

/*
 * One byte a descriptor says what it is to us, so that a read or write that is
 * none of our business costs one load.
 *
 * On Python 3.8 and 3.9, and wherever a child is forked before exec, the child
 * finds out that a pipe leads to a sidecar and has to tell its parent. So the
 * table moves to shared memory when the process makes its first pipe or fork;
 * most processes make none.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "record/fds.h"
#include "record/record.h"

struct slot {
	uint64_t inode;
	uint64_t kept;     /* bytes of a captured stream */
	bool is_inherited; /* by fork */
};

struct mf__fd_table {
	uint32_t owner; /* pid */
	uint8_t kind[MF__FDS];
	struct slot slots[MF__FDS];
};

/* The output budget is one for a process and its forks. */
struct budget {
	uint64_t kept[2];
};

struct shared {
	struct budget budget;
	struct mf__fd_table table;
};

static struct shared private_memory;
static struct mf__fd_table *table;
static struct mf__fd_table *parent_table; /* of who forked us, until exec */
static struct budget *budget;

/*
 * Counters of what was not kept. Never in shared memory: a forked child has the
 * parent's, and makes others where only it has a map.
 */
static struct {
	uint64_t *output[2];
	uint64_t *capture[MF__FDS];
} excess;

static struct shared *map_shared(void)
{
	int saved = errno;
	void *map = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
	                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	errno = saved;
	return map == MAP_FAILED ? NULL : map;
}

static bool is_in(int fd)
{
	return table && fd >= 0 && fd < MF__FDS;
}

enum mf__fd_class mf__fd_class(int fd)
{
	return is_in(fd) ? (enum mf__fd_class)table->kind[fd] : MF__FD_NONE;
}

void mf__fd_link(char *out, int fd)
{
	static const char dir[] = "/proc/self/fd/";
	char digits[12];
	int n = 0;

	memcpy(out, dir, sizeof(dir) - 1);
	out += sizeof(dir) - 1;
	do {
		digits[n++] = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd > 0);
	while (n > 0)
		*out++ = digits[--n];
	*out = '\0';
}

uint64_t mf__fd_inode(int fd)
{
	return is_in(fd) ? table->slots[fd].inode : 0;
}

/*
 * Whether the table is this process's: between vfork and exec, and in a raw
 * clone, it is our parent's and not to be changed.
 */
static bool is_own(void)
{
	return table->owner == mf__true_pid();
}

static void set(int fd, enum mf__fd_class kind, uint64_t inode)
{
	excess.capture[fd] = NULL;
	table->slots[fd] = (struct slot){.inode = inode};
	table->kind[fd] = (uint8_t)kind;
}

/*
 * Move the table where forked children see it. A thread that still looks at
 * the old place reads the same; one that changes it in this moment may be
 * missed, so the first pipe moves the table before any class matters.
 */
void mf__fds_share(void)
{
	struct mf__fd_table *old = &private_memory.table;
	struct shared *shared;

	if (table != old)
		return;
	shared = map_shared();
	if (!shared)
		return;
	shared->budget = *budget;
	shared->table.owner = old->owner;
	for (int fd = 0; fd < MF__FDS; fd++) {
		if (!old->kind[fd])
			continue;
		shared->table.slots[fd] = old->slots[fd];
		shared->table.kind[fd] = old->kind[fd];
	}
	if (__atomic_compare_exchange_n(&table, &old, &shared->table, false,
	                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		__atomic_store_n(&budget, &shared->budget, __ATOMIC_RELEASE);
	else
		munmap(shared, sizeof(*shared));
}

/* Descriptors 1 and 2 are output whatever is behind them. */
static enum mf__fd_class fixed_class(int fd)
{
	if (!mf__recorder.keeps_output)
		return MF__FD_NONE;
	return fd == 1 ? MF__FD_OUT : fd == 2 ? MF__FD_ERR : MF__FD_NONE;
}

void mf__fds_start(void)
{
	table = &private_memory.table;
	budget = &private_memory.budget;
	table->owner = mf__recorder.writer.pid;
	for (int fd = 1; fd <= 2; fd++)
		set(fd, fixed_class(fd), mf__inode(fd));
}

/* The budget stays the parent's, the table becomes one of our own. */
void mf__fds_forked(void)
{
	struct mf__fd_table *old = table;
	struct shared *shared;

	if (!old)
		return;
	parent_table = old;
	shared = map_shared();
	table = shared ? &shared->table : NULL;
	if (!table)
		return;
	table->owner = mf__recorder.writer.pid;
	for (int fd = 0; fd < MF__FDS; fd++) {
		if (!old->kind[fd])
			continue;
		set(fd, (enum mf__fd_class)old->kind[fd], old->slots[fd].inode);
		table->slots[fd].is_inherited = true;
	}
}

void mf__fds_mark_receiver(void)
{
	if (table)
		set(0, MF__FD_RECV, mf__inode(0));
}

struct mf__stdio mf__stdio_now(void)
{
	return (struct mf__stdio){{mf__inode(0), mf__inode(1), mf__inode(2)}};
}

/* Make descriptors of `t` that lead to `inode` something else; the first. */
static int mark(struct mf__fd_table *t, enum mf__fd_class from,
                enum mf__fd_class to, uint64_t inode)
{
	int first = -1;

	for (int fd = 0; fd < MF__FDS && inode; fd++) {
		if (t->kind[fd] != from || t->slots[fd].inode != inode)
			continue;
		t->kind[fd] = (uint8_t)to;
		if (first < 0)
			first = fd;
	}
	return first;
}

int mf__fds_mark_child(bool is_sidecar, bool is_captured,
                       const struct mf__stdio *stdio, bool is_us,
                       uint32_t *maker)
{
	struct mf__fd_table *t = is_us && table && is_own() && parent_table
	                                 ? parent_table
	                                 : table;
	int fd = -1;

	*maker = t ? t->owner : mf__recorder.writer.pid;
	if (!t)
		return -1;
	if (is_sidecar)
		fd = mark(t, MF__FD_PIPE_WRITE, MF__FD_SEND, stdio->inode[0]);
	if (is_captured && mf__recorder.keeps_output) {
		mark(t, MF__FD_PIPE_READ, MF__FD_CAPTURE_OUT, stdio->inode[1]);
		mark(t, MF__FD_PIPE_READ, MF__FD_CAPTURE_ERR, stdio->inode[2]);
	}
	return fd;
}

static uint64_t *new_counter(const char *role, uint64_t stream, uint64_t inode)
{
	struct mf_record rec;
	size_t len = strlen(role);

	if (!mf__begin(&rec, MF_EV_COUNTER,
	               2 * MF_FIELD_U64 + MF_FIELD_BYTES(len) +
	                       MF_FIELD_COUNTER))
		return NULL;
	mf_record_u64(&rec, MF_F_STREAM, stream);
	mf_record_u64(&rec, MF_F_INODE, inode);
	mf_record_bytes(&rec, MF_F_ROLE, role, len);
	return mf_record_end_counter(&rec);
}

size_t mf__fds_budget(int fd, enum mf__fd_class kind, size_t wanted)
{
	bool is_output = kind == MF__FD_OUT || kind == MF__FD_ERR;
	uint64_t stream =
		kind == MF__FD_OUT || kind == MF__FD_CAPTURE_OUT ? 1 : 2;
	struct slot *slot = &table->slots[fd];
	uint64_t *kept = is_output ? &budget->kept[stream - 1] : &slot->kept;
	uint64_t **counter =
		is_output ? &excess.output[stream - 1] : &excess.capture[fd];
	uint64_t before = __atomic_fetch_add(kept, wanted, __ATOMIC_RELAXED);
	uint64_t max = mf__recorder.output_max;
	uint64_t room = before < max ? max - before : 0;

	if (wanted <= room)
		return wanted;
	if (!*counter)
		*counter = new_counter(is_output ? "output-excess"
		                                 : "capture-excess",
		                       stream, slot->inode);
	if (*counter)
		__atomic_fetch_add(*counter, wanted - room, __ATOMIC_RELAXED);
	return (size_t)room;
}

/* What is left in a sidecar's pipe when one of its ends closes. */
static void note_rest(int fd)
{
	struct mf_record rec;
	int count = 0;

	if (ioctl(fd, FIONREAD, &count) < 0 ||
	    !mf__begin(&rec, MF_EV_PIPE_END, 3 * MF_FIELD_U64))
		return;
	mf_record_u64(&rec, MF_F_INODE, table->slots[fd].inode);
	mf_record_u64(&rec, MF_F_FD, (uint64_t)fd);
	mf_record_u64(&rec, MF_F_COUNT, (uint64_t)count);
	mf_record_end(&rec);
}

void mf__fds_exit(void)
{
	if (mf__fd_class(0) == MF__FD_RECV && is_own())
		note_rest(0);
}

static void note_pipe(const int fds[2])
{
	uint64_t inode;

	mf__fds_share();
	if (!is_in(fds[0]) || !is_in(fds[1]) || !is_own())
		return;
	inode = mf__inode(fds[0]);
	set(fds[0], MF__FD_PIPE_READ, inode);
	set(fds[1], MF__FD_PIPE_WRITE, inode);
}

static void note_copy(int old, int new)
{
	enum mf__fd_class kind = mf__fd_class(old);

	if (new < 0 || old == new || !is_in(new) ||
	    (kind == MF__FD_NONE && table->kind[new] == MF__FD_NONE) ||
	    !is_own())
		return;
	if (fixed_class(new) != MF__FD_NONE)
		set(new, fixed_class(new), mf__inode(new));
	else
		set(new, kind, mf__fd_inode(old));
}

MF__EXPORT int pipe(int fds[2])
{
	int rc = MF__REAL(pipe)(fds);

	if (rc == 0)
		note_pipe(fds);
	return rc;
}

MF__EXPORT int pipe2(int fds[2], int flags)
{
	int rc = MF__REAL(pipe2)(fds, flags);

	if (rc == 0)
		note_pipe(fds);
	return rc;
}

MF__EXPORT int dup(int fd)
{
	int new = MF__REAL(dup)(fd);

	note_copy(fd, new);
	return new;
}

MF__EXPORT int dup2(int old, int new)
{
	int rc = MF__REAL(dup2)(old, new);

	note_copy(old, rc);
	return rc;
}

MF__EXPORT int dup3(int old, int new, int flags)
{
	int rc = MF__REAL(dup3)(old, new, flags);

	note_copy(old, rc);
	return rc;
}

/* Whether another descriptor of ours is the same end of the same pipe. */
static bool has_twin(int fd)
{
	for (int i = 0; i < MF__FDS; i++) {
		if (i != fd && table->kind[i] == table->kind[fd] &&
		    table->slots[i].inode == table->slots[fd].inode)
			return true;
	}
	return false;
}

/*
 * A descriptor is about to be closed. A copy that came by fork is no end of the
 * pipe: whoever made it has it too.
 */
static void forget(int fd)
{
	enum mf__fd_class kind = mf__fd_class(fd);
	int saved = errno;

	if (kind == MF__FD_NONE || !is_own())
		return;
	if ((kind == MF__FD_SEND || kind == MF__FD_RECV) &&
	    !table->slots[fd].is_inherited && !has_twin(fd))
		note_rest(fd);
	if (fixed_class(fd) == MF__FD_NONE)
		set(fd, MF__FD_NONE, 0);
	errno = saved;
}

MF__EXPORT int close(int fd)
{
	if (mf__recorder.is_mp_spawn && mf__recorder.hooks_python)
		mf__python_close();
	forget(fd);
	return MF__REAL(close)(fd);
}

/* The stream's descriptor is closed inside libc. */
MF__EXPORT int fclose(FILE *stream)
{
	int saved = errno;

	if (mf__recorder.is_on)
		forget(fileno(stream));
	errno = saved; /* a stream in memory has no descriptor */
	return MF__REAL(fclose)(stream);
}

static void forget_from(unsigned first, unsigned last)
{
	for (unsigned fd = first; fd <= last && fd < MF__FDS; fd++)
		forget((int)fd);
}

MF__EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	if (!((unsigned)flags & CLOSE_RANGE_CLOEXEC))
		forget_from(first, last);
	return MF__REAL(close_range)(first, last, flags);
}

MF__EXPORT void closefrom(int first)
{
	forget_from(first < 0 ? 0 : (unsigned)first, MF__FDS);
	MF__REAL(closefrom)(first);
}

/* Python duplicates this way. */
static int after_fcntl(int fd, int command, int result)
{
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		note_copy(fd, result);
	return result;
}

MF__EXPORT int fcntl(int fd, int command, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, command);
	arg = va_arg(ap, void *);
	va_end(ap);
	return after_fcntl(fd, command, MF__REAL(fcntl)(fd, command, arg));
}

MF__EXPORT int fcntl64(int fd, int command, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, command);
	arg = va_arg(ap, void *);
	va_end(ap);
	return after_fcntl(fd, command, MF__REAL(fcntl64)(fd, command, arg));
}

/*
 * The recorder's side of segments: the first one, and pages ahead of the tail.
 */
#include "mfcore/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "journal/frame.h"
#include "mfcore/redact.h"

#define ENTRY_MAX 4096 /* bytes of an environment entry that are hashed */

/*
 * Blocks zeroed at a time, from one multiple of them to the next: the page
 * cache then holds large folios, which a writer's fault maps at once. Measured
 * per appended record of 160 bytes: 15 ns dearer with 16 blocks, and 30 when
 * they are not aligned. Below the SKIP_TRIES of a writer that has to pass them.
 */
#define PREPARE_STEP 64u

int mf_segment_path(char *out, size_t cap, const char *dir, const char *host,
                    uint32_t number)
{
	int n = snprintf(out, cap, "%s/%s.%06u.mfj", dir, host, number);

	return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}

/* Copy into a fixed field that is zeroed; what does not fit is refused. */
static int put_text(char *field, size_t cap, const char *text)
{
	size_t len = strlen(text);

	if (len >= cap)
		return -ENAMETOOLONG;
	memcpy(field, text, len + 1);
	return 0;
}

static void put_env(uint64_t *table, char *const *entries, const char *allow)
{
	char entry[ENTRY_MAX];
	size_t used = 0;

	for (; *entries && used < MF__ENV_SLOTS - 1; entries++) {
		size_t len = mf_redact_env(entry, sizeof(entry),
		                           mf_str(*entries), allow);
		uint64_t hash = mf__env_hash(entry, len);
		uint32_t at = (uint32_t)hash % MF__ENV_SLOTS;

		while (table[at] != 0 && table[at] != hash)
			at = (at + 1) % MF__ENV_SLOTS;
		used += table[at] == 0;
		table[at] = hash;
	}
}

/* Bytes of a run of NUL-ended strings, its empty last one included. */
static size_t run_len(const char *run)
{
	const char *at = run;

	while (*at)
		at += strlen(at) + 1;
	return (size_t)(at - run) + 1;
}

static int fill_options(struct mf__segment_head *head,
                        const struct mf_segment_options *options)
{
	size_t allow = options->env_allow ? run_len(options->env_allow) : 0;
	int rc;

	head->ident.seed = options->seed;
	head->recorder_pid = (uint32_t)getpid();
	head->no_output = options->no_output;
	head->no_python = options->no_python;
	head->output_max = options->output_max;
	head->session_max = options->session_max;
	rc = put_text(head->ident.session_id, sizeof(head->ident.session_id),
	              options->session_id);
	if (rc == 0)
		rc = put_text(head->ident.host, sizeof(head->ident.host),
		              options->host);
	if (rc == 0)
		rc = put_text(head->ident.boot_id, sizeof(head->ident.boot_id),
		              options->boot_id);
	if (rc == 0)
		rc = put_text(head->preload, sizeof(head->preload),
		              options->preload);
	if (rc == 0 && allow > sizeof(head->env_allow))
		rc = -ENAMETOOLONG;
	if (rc == 0 && allow)
		memcpy(head->env_allow, options->env_allow, allow);
	return rc;
}

int mf_segment_create(const char *dir, uint32_t number,
                      const struct mf_segment_options *options,
                      struct mf_err *err)
{
	struct mf__segment_head *head = calloc(1, sizeof(*head));
	uint64_t *table = calloc(MF__ENV_SLOTS, sizeof(*table));
	char path[MF_WRITER_PATH_MAX];
	int rc = -ENOMEM;

	if (!head || !table) {
		mf_fail(err, rc, "out of memory");
		goto out;
	}
	rc = mf_segment_path(path, sizeof(path) - 32, dir, options->host,
	                     number);
	if (rc == 0)
		rc = fill_options(head, options);
	if (rc < 0) {
		mf_fail(err, rc, "a name is too long for journal '%s'", dir);
		goto out;
	}
	if (options->environ)
		put_env(table, options->environ, options->env_allow);
	rc = mf__segment_make(path, head, table, number);
	if (rc == -EOVERFLOW)
		rc = mf_fail(err, -EINVAL,
		             "no journal fits into %" PRIu64
		             " bytes (segment %u)",
		             options->session_max, number);
	else if (rc < 0)
		mf_fail(err, rc, "cannot make journal segment '%s'", path);
out:
	free(table);
	free(head);
	return rc;
}

struct mf_preparer {
	pthread_t thread;
	pthread_mutex_t lock; /* over head, which the thread exchanges */
	struct mf__segment_head *head; /* of the segment being prepared */
	char path[MF_WRITER_PATH_MAX];
	int fd;
	uint32_t stop;
};

static long futex(uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static int open_segment(struct mf_preparer *p)
{
	struct mf__segment_head *head;
	int fd = open(p->path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	head = mmap(NULL, (size_t)MF__HEAD_BLOCKS * MF__BLOCK,
	            PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (head == MAP_FAILED) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	p->fd = fd;
	p->head = head;
	return 0;
}

static void close_segment(struct mf_preparer *p)
{
	if (p->head)
		munmap(p->head, (size_t)MF__HEAD_BLOCKS * MF__BLOCK);
	if (p->fd >= 0)
		close(p->fd);
	p->head = NULL;
	p->fd = -1;
}

static int write_zeros(int fd, uint64_t from, uint64_t to)
{
	static const char zeros[65536];

	while (from < to) {
		uint64_t left = to - from;
		ssize_t n = pwrite(fd, zeros,
		                   left < sizeof(zeros) ? left : sizeof(zeros),
		                   (off_t)from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		from += (uint64_t)n;
	}
	return 0;
}

/*
 * Zero [ready, to), little enough that a writer who lands in it, and has to
 * leave its blocks unused, wastes little. What writers took before is left
 * alone: see frame.h.
 */
static int prepare_step(struct mf_preparer *p, uint64_t ready, uint64_t to)
{
	struct mf__segment_head *head = p->head;
	uint64_t tail;
	int rc = 0;

	__atomic_store_n(&head->preparing, to, __ATOMIC_SEQ_CST);
	tail = __atomic_load_n(&head->tail, __ATOMIC_SEQ_CST);
	if (tail < to)
		rc = write_zeros(p->fd,
		                 (tail > ready ? tail : ready) * MF__BLOCK,
		                 to * MF__BLOCK);
	if (rc == 0)
		__atomic_store_n(&head->ready, to, __ATOMIC_SEQ_CST);
	return rc;
}

/*
 * Make [ready, target) ready with write(2): the pages are then in memory and
 * cheap to map. Blocks are allocated first, so that a full disk shows here
 * and not as a SIGBUS later.
 */
static int prepare(struct mf_preparer *p, uint64_t target)
{
	uint64_t ready = __atomic_load_n(&p->head->ready, __ATOMIC_RELAXED);
	int rc = 0;

	if (target <= ready)
		return 0;
	if (fallocate(p->fd, 0, (off_t)(ready * MF__BLOCK),
	              (off_t)((target - ready) * MF__BLOCK)) < 0 &&
	    errno != EOPNOTSUPP)
		return -errno;
	while (rc == 0 && ready < target) {
		uint64_t to = (ready / PREPARE_STEP + 1) * PREPARE_STEP;

		to = to < target ? to : target;
		rc = prepare_step(p, ready, to);
		ready = to;
	}
	return rc;
}

/* Make the segment behind this one, and go on to it once this one is full. */
static void advance(struct mf_preparer *p, uint64_t tail, uint64_t limit)
{
	struct mf__segment_head *head = p->head;
	uint32_t number = head->ident.number + 1;
	const char *table = (const char *)head + MF__BLOCK;
	struct mf_preparer next = {.fd = -1};
	int rc;

	if (tail < limit - limit / 4)
		return;
	rc = mf__segment_make(p->path, head,
	                      (const uint64_t *)(const void *)table, number);
	if ((rc < 0 && rc != -EEXIST) || tail < limit)
		return;
	memcpy(next.path, p->path, sizeof(next.path));
	if (!mf__segment_renumber(next.path, sizeof(next.path), number) ||
	    open_segment(&next) < 0)
		return;
	pthread_mutex_lock(&p->lock);
	close_segment(p);
	memcpy(p->path, next.path, sizeof(p->path));
	p->head = next.head;
	p->fd = next.fd;
	pthread_mutex_unlock(&p->lock);
}

static void look(struct mf_preparer *p)
{
	for (int i = 0; i < 2; i++) {
		struct mf__segment_head *head = p->head;
		uint64_t limit = head->ident.capacity / MF__BLOCK;
		uint64_t tail = __atomic_load_n(&head->tail, __ATOMIC_SEQ_CST);
		uint64_t target = tail + MF__PREPARE_AHEAD / MF__BLOCK;

		target += PREPARE_STEP - target % PREPARE_STEP;
		/* What it cannot prepare, writers prepare themselves. */
		mf_ignore(prepare(p, target < limit ? target : limit),
		          "writers have their own way");
		advance(p, tail, limit);
		if (p->head == head)
			break;
	}
}

static void *run(void *arg)
{
	struct mf_preparer *p = arg;

	for (;;) {
		uint32_t *want = &p->head->want;

		if (__atomic_exchange_n(want, 0, __ATOMIC_ACQ_REL) == 0 &&
		    !__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE))
			futex(want, FUTEX_WAIT, 0);
		if (__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE))
			break;
		look(p);
	}
	return NULL;
}

int mf_preparer_start(struct mf_preparer **out, const char *dir,
                      const struct mf_segment_options *options,
                      struct mf_err *err)
{
	struct mf_preparer *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return mf_fail(err, -ENOMEM, "out of memory");
	p->fd = -1;
	pthread_mutex_init(&p->lock, NULL);
	rc = mf_segment_path(p->path, sizeof(p->path), dir, options->host, 1);
	if (rc == 0)
		rc = open_segment(p);
	if (rc < 0) {
		mf_fail(err, rc, "cannot open journal in '%s'", dir);
		goto fail;
	}
	look(p);
	rc = -pthread_create(&p->thread, NULL, run, p);
	if (rc < 0) {
		mf_fail(err, rc, "cannot start the journal's thread");
		goto fail;
	}
	*out = p;
	return 0;

fail:
	close_segment(p);
	free(p);
	return rc;
}

/* Give back what was prepared and never taken; nobody writes any more. */
static void cut(struct mf_preparer *p)
{
	uint64_t limit = p->head->ident.capacity / MF__BLOCK;
	uint64_t tail = __atomic_load_n(&p->head->tail, __ATOMIC_SEQ_CST);

	if (tail >= limit)
		return;
	__atomic_store_n(&p->head->ready, tail, __ATOMIC_SEQ_CST);
	__atomic_store_n(&p->head->preparing, tail, __ATOMIC_SEQ_CST);
	if (ftruncate(p->fd, (off_t)(tail * MF__BLOCK)) < 0)
		return; /* only space is lost */
}

void mf_preparer_stop(struct mf_preparer *p, bool wants_cut)
{
	uint32_t *want; /* the thread may sleep on it */

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	__atomic_store_n(&p->stop, 1, __ATOMIC_RELEASE);
	want = &p->head->want;
	__atomic_store_n(want, 1, __ATOMIC_RELEASE);
	futex(want, FUTEX_WAKE, 1);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	if (wants_cut)
		cut(p);
	close_segment(p);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

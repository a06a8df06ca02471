/*
 * The merging reader. Chunks wait in one heap, ordered by the time before
 * which they hold no record: the time in their head while they are not loaded,
 * then that of their next record. So only chunks that overlap in time are in
 * memory together, and the chunk heads are the index a seek uses.
 */
#include "mfcore/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "journal/chunk.h"
#include "journal/scan.h"
#include "mfcore/map.h"

struct mf_journal {
	struct mf__scan scan;
	struct mf__chunk_ref **heap;
	size_t heap_len;
	size_t heap_cap;
	struct mf__chunk_ref *current; /* gave the last event */
	struct mf_map sequences;       /* thread to last seq + 1 */
	bool checks_sequences;
	bool is_refreshed; /* damage at a tail may be a race with a writer */
	struct mf_journal_health health;
};

/* Time order; ties by place, so that two readers agree. */
static bool is_before(const struct mf__chunk_ref *a,
                      const struct mf__chunk_ref *b)
{
	if (a->key != b->key)
		return a->key < b->key;
	if (a->segment != b->segment)
		return a->segment < b->segment;
	return a->block < b->block;
}

static void sift_up(struct mf_journal *j, size_t i)
{
	struct mf__chunk_ref *ref = j->heap[i];

	while (i > 0 && is_before(ref, j->heap[(i - 1) / 2])) {
		j->heap[i] = j->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	j->heap[i] = ref;
}

static void sift_down(struct mf_journal *j, size_t i)
{
	struct mf__chunk_ref *ref = j->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= j->heap_len)
			break;
		if (child + 1 < j->heap_len &&
		    is_before(j->heap[child + 1], j->heap[child]))
			child++;
		if (!is_before(j->heap[child], ref))
			break;
		j->heap[i] = j->heap[child];
		i = child;
	}
	j->heap[i] = ref;
}

static int heap_push(struct mf_journal *j, struct mf__chunk_ref *ref)
{
	if (j->heap_len == j->heap_cap) {
		size_t cap = j->heap_cap ? j->heap_cap * 2 : 256;
		struct mf__chunk_ref **heap =
			realloc(j->heap, cap * sizeof(struct mf__chunk_ref *));

		if (!heap)
			return -ENOMEM;
		j->heap = heap;
		j->heap_cap = cap;
	}
	j->heap[j->heap_len] = ref;
	sift_up(j, j->heap_len++);
	ref->state = MF__CHUNK_QUEUED;
	return 0;
}

static void heap_pop(struct mf_journal *j)
{
	j->heap_len--;
	if (j->heap_len) {
		j->heap[0] = j->heap[j->heap_len];
		sift_down(j, 0);
	}
}

static void unload(struct mf__chunk_ref *ref)
{
	if (!ref->cursor)
		return;
	free(ref->cursor->bytes);
	free(ref->cursor);
	ref->cursor = NULL;
}

static int load(struct mf_journal *j, struct mf__chunk_ref *ref)
{
	size_t size = (size_t)ref->blocks * MF__BLOCK;
	struct mf__cursor *cursor = calloc(1, sizeof(*cursor));
	int64_t len;

	if (!cursor)
		return -ENOMEM;
	cursor->bytes = malloc(size);
	if (!cursor->bytes) {
		free(cursor);
		return -ENOMEM;
	}
	len = mf__scan_read(&j->scan, ref, cursor->bytes, size);
	if (len < 0) {
		free(cursor->bytes);
		free(cursor);
		return (int)len;
	}
	cursor->len = (size_t)len & ~(size_t)7;
	cursor->pos = ref->pos;
	cursor->offset = (uint64_t)ref->block * MF__BLOCK;
	cursor->seed = j->scan.segments[ref->segment].seed;
	ref->cursor = cursor;
	return 0;
}

static void take_counts(struct mf_journal *j, struct mf__cursor *cursor)
{
	j->health.uncommitted += cursor->uncommitted;
	j->health.damaged += cursor->damaged;
	j->health.damaged_bytes += cursor->damaged_bytes;
	cursor->uncommitted = 0;
	cursor->damaged = 0;
	cursor->damaged_bytes = 0;
}

/* The chunk has no record now; remember where the next would be. */
static void rest(struct mf_journal *j, struct mf__chunk_ref *ref)
{
	struct mf__cursor *cursor = ref->cursor;
	size_t whole = (size_t)ref->blocks * MF__BLOCK;

	take_counts(j, cursor);
	if (cursor->is_torn && !ref->has_torn)
		j->health.uncommitted++;
	ref->has_torn = cursor->is_torn;
	if (cursor->bad && !ref->has_bad) {
		j->health.damaged++;
		j->health.damaged_bytes += cursor->bad;
		ref->has_bad = true;
	}
	if (cursor->len < whole && !ref->is_orphan && !ref->is_short) {
		j->health.damaged++;
		j->health.damaged_bytes += whole - cursor->len;
		ref->is_short = true;
	}
	ref->pos = (uint32_t)cursor->pos;
	ref->state = MF__CHUNK_RESTING;
	unload(ref);
}

/* A writer may have been committing while we copied: look once more. */
static bool read_again(struct mf_journal *j, struct mf__chunk_ref *ref)
{
	struct mf__cursor *cursor = ref->cursor;
	int64_t len = mf__scan_read(&j->scan, ref, cursor->bytes,
	                            (size_t)ref->blocks * MF__BLOCK);

	if (len < (int64_t)cursor->pos)
		return false;
	cursor->len = (size_t)len & ~(size_t)7;
	return true;
}

/* Step to the chunk's next record. 1, 0 none, or negative. */
static int step(struct mf_journal *j, struct mf__chunk_ref *ref)
{
	const struct mf__record_head *head;
	uint64_t key;
	int rc = 0;

	if (!ref->cursor)
		rc = load(j, ref);
	if (rc < 0)
		return rc;
	rc = mf__cursor_next(ref->cursor, &head);
	if (rc == 0 && ref->cursor->bad && read_again(j, ref))
		rc = mf__cursor_next(ref->cursor, &head);
	if (rc == 0) {
		rest(j, ref);
		return 0;
	}
	ref->record = (size_t)((const char *)head - ref->cursor->bytes);
	key = mf__scan_wall(&j->scan, ref, head->time_ns);
	if (key > ref->key)
		ref->key = key;
	return 1;
}

static void fill_event(struct mf_journal *j, struct mf__chunk_ref *ref,
                       struct mf_event *ev)
{
	const char *base = ref->cursor->bytes + ref->record;
	const struct mf__record_head *head = (const void *)base;
	size_t len = (head->size & ~MF__RECORD_COMMIT) - sizeof(*head);

	memset(ev, 0, sizeof(*ev));
	if (head->flags & MF__RECORD_COUNTER) {
		len -= 8;
		memcpy(&ev->counter, base + sizeof(*head) + len, 8);
	}
	ev->time_ns = head->time_ns;
	ev->wall_ns = mf__scan_wall(&j->scan, ref, head->time_ns);
	ev->start = ref->pid == head->pid ? ref->start_ticks : 0;
	ev->offset = ref->cursor->offset + ref->record;
	ev->segment = ref->segment;
	ev->host = j->scan.segments[ref->segment].host;
	ev->pid = head->pid;
	ev->tid = head->tid;
	ev->seq = head->seq;
	ev->type = head->type;
	ev->flags = head->flags;
	ev->payload = (struct mf_str){base + sizeof(*head), len};
}

/*
 * A thread counts from 1, and so does its next program image. Inside a signal
 * handler it may be a number ahead of where it was interrupted.
 */
static int check_sequence(struct mf_journal *j, const struct mf_event *ev)
{
	uint64_t key = mf_map_mix(((uint64_t)ev->pid << 32) | ev->tid,
	                          mf_map_mix(ev->start, ev->host));
	uintptr_t expected = (uintptr_t)mf_map_get(&j->sequences, key);

	if (!expected)
		expected = 1;
	if (ev->seq > expected) {
		j->health.lost_seqs += ev->seq - expected;
	} else if (ev->seq > 1 && ev->seq < expected) {
		j->health.lost_seqs -= j->health.lost_seqs > 0;
		return 0;
	}
	return mf_map_put(&j->sequences, key, (void *)((uintptr_t)ev->seq + 1));
}

/* Step the first chunk, and put it where its next record belongs. */
static int step_first(struct mf_journal *j, struct mf__chunk_ref *first)
{
	int rc = step(j, first);

	if (rc > 0)
		sift_down(j, 0);
	else
		heap_pop(j);
	return rc < 0 ? rc : 0;
}

/* Put the chunk that gave the last event back in its place. */
static int put_back(struct mf_journal *j)
{
	struct mf__chunk_ref *ref = j->current;

	if (!ref)
		return 0;
	j->current = NULL;
	return step_first(j, ref);
}

int mf_journal_next(struct mf_journal *j, struct mf_event *ev)
{
	int rc = put_back(j);

	while (rc >= 0 && j->heap_len) {
		struct mf__chunk_ref *ref = j->heap[0];

		if (ref->cursor) {
			fill_event(j, ref, ev);
			j->current = ref;
			j->health.records++;
			if (j->checks_sequences) {
				rc = check_sequence(j, ev);
				if (rc < 0)
					return rc;
			}
			return 1;
		}
		rc = step_first(j, ref);
	}
	return rc < 0 ? rc : 0;
}

/* Queue every chunk the last look at the files found. */
static int queue_new(struct mf_journal *j)
{
	for (size_t i = 0; i < j->scan.chunks_len; i++) {
		struct mf__chunk_ref *ref = j->scan.chunks[i];

		if (ref->state == MF__CHUNK_NEW) {
			int rc = heap_push(j, ref);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int64_t mf_journal_refresh(struct mf_journal *j)
{
	uint64_t before = j->scan.bytes_found;
	int64_t woken = 0;
	int rc = put_back(j);

	if (rc == 0)
		rc = mf__scan_look(&j->scan, NULL);
	if (rc == 0)
		rc = queue_new(j);
	for (size_t i = 0; rc == 0 && i < j->scan.chunks_len; i++) {
		struct mf__chunk_ref *ref = j->scan.chunks[i];

		if (ref->state != MF__CHUNK_RESTING ||
		    !mf__scan_has_more(&j->scan, ref))
			continue;
		if (ref->has_torn)
			j->health.uncommitted--;
		ref->has_torn = false;
		rc = heap_push(j, ref);
		woken += 8;
	}
	return rc < 0 ? rc : (int64_t)(j->scan.bytes_found - before) + woken;
}

int mf_journal_seek(struct mf_journal *j, uint64_t wall_ns)
{
	int rc = 0;

	mf__scan_bound(&j->scan);
	j->current = NULL;
	j->heap_len = 0;
	mf_map_clear(&j->sequences);
	for (size_t i = 0; i < j->scan.chunks_len; i++) {
		unload(j->scan.chunks[i]);
		mf__scan_rewind(j->scan.chunks[i]);
	}
	for (size_t i = 0; rc >= 0 && i < j->scan.chunks_len; i++) {
		struct mf__chunk_ref *ref = j->scan.chunks[i];

		if (ref->until <= wall_ns) {
			ref->state = MF__CHUNK_RESTING;
			continue;
		}
		while (ref->key < wall_ns) {
			rc = step(j, ref);
			if (rc <= 0)
				break;
			j->health.records += ref->key < wall_ns;
		}
		if (rc >= 0 && ref->state == MF__CHUNK_NEW)
			rc = heap_push(j, ref);
	}
	return rc < 0 ? rc : 0;
}

int mf_journal_wait(struct mf_journal *j, int timeout_ms)
{
	int slice = timeout_ms < 50 ? timeout_ms : 50;
	struct timespec ts = {slice / 1000, (long)(slice % 1000) * 1000000};

	(void)j; /* writers make no call a reader could sleep on */
	nanosleep(&ts, NULL);
	return slice < timeout_ms;
}

/* A blob must be what its reference says: it is named by its hash. */
static int read_blob(struct mf_journal *j, const struct mf_field_value *value,
                     struct mf_buf *out)
{
	unsigned char hash[16];
	char path[4200];
	struct stat st;
	ssize_t n = -1;
	char *room;
	int fd;

	if (!mf__blob_path(path, sizeof(path), j->scan.any_path,
	                   (const unsigned char *)value->bytes.ptr))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -ENOENT;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != value->number) {
		close(fd);
		return -MF_ECORRUPT;
	}
	room = mf_buf_room(out, (size_t)value->number + 1);
	if (room)
		n = pread(fd, room, (size_t)value->number, 0);
	close(fd);
	if (!room)
		return -ENOMEM;
	if (n != (ssize_t)value->number)
		return -EIO;
	mf__hash128(room, (size_t)n, hash);
	if (memcmp(hash, value->bytes.ptr, sizeof(hash)) != 0)
		return -MF_ECORRUPT;
	out->len += (size_t)n;
	out->ptr[out->len] = '\0';
	j->health.bytes_read += (uint64_t)n;
	return 1;
}

int mf_journal_bytes(struct mf_journal *j, const struct mf_event *ev,
                     enum mf_field id, struct mf_buf *out)
{
	struct mf_field_value value;
	size_t pos = 0;
	int rc;

	while ((rc = mf_event_field(ev, &pos, &value)) > 0) {
		if (value.id != id)
			continue;
		if (value.kind == MF_KIND_BLOB) {
			rc = read_blob(j, &value, out);
			if (rc < 0)
				j->health.blobs_missing++;
			return rc;
		}
		if (!value.bytes.ptr)
			return 0;
		mf_buf_str(out, value.bytes);
		return mf_buf_ok(out) ? 1 : -ENOMEM;
	}
	return rc;
}

void mf_journal_check_sequences(struct mf_journal *j)
{
	j->checks_sequences = true;
}

const struct mf_journal_health *mf_journal_health(const struct mf_journal *j)
{
	struct mf_journal *mine = (struct mf_journal *)(uintptr_t)j;

	mf__scan_health(&mine->scan, &mine->health);
	return &mine->health;
}

size_t mf_journal_hosts(const struct mf_journal *j)
{
	return j->scan.hosts_len;
}

const struct mf_journal_host *mf_journal_host(const struct mf_journal *j,
                                              size_t i)
{
	return &j->scan.hosts[i];
}

int mf_journal_open(struct mf_journal **out, const char *dir,
                    struct mf_err *err)
{
	struct mf_journal *j = calloc(1, sizeof(*j));
	int rc;

	if (!j)
		return mf_fail(err, -ENOMEM, "out of memory");
	rc = mf__scan_open(&j->scan, dir, err);
	if (rc == 0) {
		rc = queue_new(j);
		if (rc < 0)
			mf_fail(err, rc, "out of memory");
	}
	if (rc < 0) {
		mf_journal_close(j);
		return rc;
	}
	*out = j;
	return 0;
}

void mf_journal_close(struct mf_journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->scan.chunks_len; i++)
		unload(j->scan.chunks[i]);
	mf__scan_close(&j->scan);
	mf_map_clear(&j->sequences);
	free(j->heap);
	free(j);
}

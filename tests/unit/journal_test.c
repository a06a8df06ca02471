#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "journal/frame.h"
#include "mfcore/journal.h"
#include "support/fault_alloc.h"
#include "support/journal_kit.h"

#define SESSION_MAX (UINT64_C(1) << 30)

static struct kit kit;
static struct mf_writer writer;

static int open_kit(void **state)
{
	(void)state;
	kit_open(&kit, "/tmp", SESSION_MAX);
	kit_attach(&kit, &writer);
	return 0;
}

static int close_kit(void **state)
{
	(void)state;
	mf_writer_detach(&writer);
	kit_close(&kit);
	return 0;
}

static struct mf_journal *open_journal(void)
{
	struct mf_journal *journal = NULL;

	assert_int_equal(mf_journal_open(&journal, kit.dir, NULL), 0);
	return journal;
}

/* Read all; every record must be one of kit_append(), or of another type. */
static uint64_t count_records(struct mf_journal *journal)
{
	uint64_t notes = 0;
	struct mf_event ev;
	int rc;

	while ((rc = mf_journal_next(journal, &ev)) > 0) {
		if (ev.type != MF_EV_NOTE)
			continue;
		assert_true(kit_is_whole(&ev));
		notes++;
	}
	assert_int_equal(rc, 0);
	return notes;
}

TEST(a_record_reads_back_as_it_was_written)
{
	struct mf_lane lane = {0};
	struct mf_record rec;
	struct mf_journal *journal;
	struct mf_event ev;
	struct mf_str item;
	size_t pos = 0;
	size_t room;
	char *at;

	assert_true(
		mf_record_begin(&rec, &writer, &lane, MF_EV_PROC_EXEC, 200));
	mf_record_u64(&rec, MF_F_PID, 42);
	mf_record_i64(&rec, MF_F_RESULT, -11);
	mf_record_bytes(&rec, MF_F_PATH, "/bin/sh", 7);
	at = mf_record_open(&rec, MF_F_ARGV, MF_KIND_LIST, &room);
	assert_true(room >= 6);
	memcpy(at, "sh\0-c", 6);
	mf_record_close(&rec, 6);
	mf_record_end(&rec);

	journal = open_journal();
	assert_int_equal(mf_journal_next(journal, &ev), 1);
	assert_int_equal(ev.type, MF_EV_PROC_EXEC);
	assert_int_equal(ev.pid, getpid());
	assert_int_equal(ev.tid, getpid());
	assert_int_equal(ev.seq, 1);
	assert_true(ev.start > 0);
	assert_int_equal(mf_event_u64(&ev, MF_F_PID, 0), 42);
	assert_int_equal(mf_event_i64(&ev, MF_F_RESULT, 0), -11);
	assert_true(mf_str_is(mf_event_bytes(&ev, MF_F_PATH), "/bin/sh"));
	assert_true(mf_list_next(mf_event_bytes(&ev, MF_F_ARGV), &pos, &item));
	assert_true(mf_str_is(item, "sh"));
	assert_true(mf_list_next(mf_event_bytes(&ev, MF_F_ARGV), &pos, &item));
	assert_true(mf_str_is(item, "-c"));
	assert_false(mf_list_next(mf_event_bytes(&ev, MF_F_ARGV), &pos, &item));
	assert_false(mf_event_has(&ev, MF_F_TEXT));
	assert_int_equal(mf_journal_next(journal, &ev), 0);
	mf_journal_close(journal);
}

TEST(records_keep_their_order_over_many_chunks)
{
	struct mf_lane lane = {0};
	struct mf_journal *journal;
	struct mf_event ev;
	enum {
		MANY = 30000
	};

	for (uint64_t i = 0; i < MANY; i++)
		assert_true(kit_append(&writer, &lane, i, (i * 7919) % 700));
	journal = open_journal();
	for (uint64_t i = 0; i < MANY; i++) {
		assert_int_equal(mf_journal_next(journal, &ev), 1);
		assert_int_equal(mf_event_u64(&ev, MF_F_ID, 0), i);
		assert_int_equal(ev.seq, i + 1);
		assert_true(kit_is_whole(&ev));
	}
	assert_int_equal(mf_journal_next(journal, &ev), 0);
	assert_int_equal(mf_journal_health(journal)->damaged, 0);
	assert_int_equal(mf_journal_health(journal)->records, MANY);
	mf_journal_close(journal);
}

TEST(records_of_every_size_up_to_the_largest_fit)
{
	struct mf_lane lane = {0};
	struct mf_journal *journal;
	size_t over = MF_FIELD_U64 + MF_FIELD_BYTES(0);
	size_t most = MF_RECORD_PAYLOAD_MAX - over;

	for (size_t len = 1; len < most; len = len * 2 + 1)
		assert_true(kit_append(&writer, &lane, len, len));
	assert_true(kit_append(&writer, &lane, 0, most));
	assert_false(kit_append(&writer, &lane, 0, most + 1));
	journal = open_journal();
	assert_int_equal(count_records(journal), 16);
	assert_int_equal(
		mf_journal_health(journal)->dropped_why[MF_DROP_TOO_BIG], 1);
	mf_journal_close(journal);
}

enum {
	THREADS = 8,
	PER_THREAD = 4000
};

static void *append_many(void *arg)
{
	struct mf_lane lane = {0};

	for (uint64_t i = 0; i < PER_THREAD; i++)
		kit_append(&writer, &lane, *(uint64_t *)arg + i, i % 200);
	mf_lane_retire(&lane, &writer);
	return NULL;
}

TEST(threads_write_side_by_side_and_read_in_time_order)
{
	pthread_t threads[THREADS];
	uint64_t first[THREADS];
	uint64_t next[THREADS];
	struct mf_journal *journal;
	struct mf_event ev;
	uint64_t last = 0;
	uint64_t n = 0;

	for (uint64_t i = 0; i < THREADS; i++) {
		first[i] = next[i] = i << 32;
		assert_int_equal(pthread_create(&threads[i], NULL, append_many,
		                                &first[i]),
		                 0);
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);

	journal = open_journal();
	for (; mf_journal_next(journal, &ev) == 1; n++) {
		uint64_t number = mf_event_u64(&ev, MF_F_ID, 0);

		assert_true(kit_is_whole(&ev));
		assert_true(ev.time_ns >= last);
		assert_int_equal(number, next[number >> 32]++);
		last = ev.time_ns;
	}
	assert_int_equal(n, THREADS * PER_THREAD);
	mf_journal_close(journal);
}

TEST(threads_that_end_leave_their_chunk_to_the_next)
{
	struct mf__segment_head *head;
	uint64_t one = 1;
	pthread_t thread;

	for (int i = 0; i < 200; i++) {
		struct mf_lane lane = {0};

		assert_true(kit_append(&writer, &lane, one, 10));
		mf_lane_retire(&lane, &writer);
	}
	head = writer.head;
	assert_true(head->tail - MF__HEAD_BLOCKS < 20);
	assert_int_equal(pthread_create(&thread, NULL, append_many, &one), 0);
	pthread_join(thread, NULL);
}

static void expect_child(uint32_t child, uint64_t parents, uint64_t childs)
{
	struct mf_journal *journal = open_journal();
	struct mf_event ev;
	uint64_t mine = 0;
	uint64_t its = 0;
	bool is_told = false;

	while (mf_journal_next(journal, &ev) == 1) {
		if (ev.type == MF_EV_PROC_FORK) {
			is_told = true;
			assert_int_equal(ev.pid, child);
			assert_int_equal(mf_event_u64(&ev, MF_F_PPID, 0),
			                 getpid());
		} else if (ev.pid == child) {
			assert_true(is_told);
			its++;
		} else {
			mine++;
		}
	}
	assert_int_equal(mine, parents);
	assert_int_equal(its, childs);
	assert_int_equal(mf_journal_health(journal)->damaged, 0);
	mf_journal_close(journal);
}

/* Parent and child append at the same time, with copies of one lane. */
static void fork_and_append(long (*spawn)(void))
{
	struct mf_lane lane = {0};
	pid_t child;
	int status;

	for (uint64_t i = 0; i < 10; i++)
		assert_true(kit_append(&writer, &lane, i, 50));
	child = (pid_t)spawn();
	assert_true(child >= 0);
	if (child == 0) {
		for (uint64_t i = 0; i < 500; i++)
			kit_append(&writer, &lane, 1000 + i, 50);
		_exit(0);
	}
	for (uint64_t i = 0; i < 500; i++)
		assert_true(kit_append(&writer, &lane, 10 + i, 50));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	expect_child((uint32_t)child, 510, 500);
}

static long by_fork(void)
{
	return fork();
}

static long by_raw_clone(void)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

TEST(a_forked_child_writes_as_itself)
{
	fork_and_append(by_fork);
}

TEST(a_child_of_a_raw_clone_writes_as_itself)
{
	fork_and_append(by_raw_clone);
}

/* Between vfork and exec the parent's thread goes on in another process. */
TEST(a_vforked_child_appends_for_its_parent)
{
	static struct mf_lane lane;
	struct mf_journal *journal;
	pid_t child;
	int status;

	memset(&lane, 0, sizeof(lane));
	assert_true(kit_append(&writer, &lane, 0, 50));
	child = vfork();
	if (child == 0) {
		kit_append(&writer, &lane, 1, 50);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(kit_append(&writer, &lane, 2, 50));
	journal = open_journal();
	assert_int_equal(count_records(journal), 3);
	assert_int_equal(mf_journal_health(journal)->lost_seqs, 0);
	mf_journal_close(journal);
}

static struct mf_lane handler_lane;
static volatile sig_atomic_t handler_wrote;
static volatile sig_atomic_t handler_tried;

static void append_in_handler(int signo)
{
	(void)signo;
	handler_tried++;
	if (kit_append(&writer, &handler_lane, 1u << 20, 30))
		handler_wrote++;
}

TEST(a_signal_handler_may_append_in_the_middle_of_an_append)
{
	struct sigaction action = {.sa_handler = append_in_handler};
	struct itimerval often = {{0, 50}, {0, 50}};
	struct itimerval never = {{0, 0}, {0, 0}};
	struct mf_journal *journal;
	uint64_t wrote = 0;
	time_t end = time(NULL) + 5;

	memset(&handler_lane, 0, sizeof(handler_lane));
	handler_wrote = handler_tried = 0;
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	while (handler_tried < 2000 && time(NULL) < end) {
		for (uint64_t i = 0; i < 1000; i++)
			wrote += kit_append(&writer, &handler_lane, i, 90);
	}
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_true(handler_tried > 100);
	journal = open_journal();
	assert_int_equal(count_records(journal),
	                 wrote + (uint64_t)handler_wrote);
	assert_int_equal(
		mf_journal_health(journal)->dropped_why[MF_DROP_REENTERED],
		handler_tried - handler_wrote);
	assert_int_equal(mf_journal_health(journal)->damaged, 0);
	assert_int_equal(mf_journal_health(journal)->uncommitted, 0);
	mf_journal_close(journal);
}

TEST(a_counter_is_read_as_it_stands_now)
{
	struct mf_lane lane = {0};
	struct mf_record rec;
	struct mf_journal *journal;
	struct mf_event ev;
	uint64_t *count;
	int status;
	pid_t child;

	assert_true(mf_record_begin(&rec, &writer, &lane, MF_EV_COUNTER,
	                            MF_FIELD_BYTES(4) + MF_FIELD_COUNTER));
	mf_record_bytes(&rec, MF_F_ROLE, "lost", 4);
	count = mf_record_end_counter(&rec);
	__atomic_fetch_add(count, 5, __ATOMIC_RELAXED);
	child = fork();
	if (child == 0) {
		__atomic_fetch_add(count, 37, __ATOMIC_RELAXED);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	journal = open_journal();
	assert_int_equal(mf_journal_next(journal, &ev), 1);
	assert_int_equal(ev.type, MF_EV_COUNTER);
	assert_int_equal(ev.counter, 42);
	assert_true(mf_str_is(mf_event_bytes(&ev, MF_F_ROLE), "lost"));
	mf_journal_close(journal);
}

TEST(a_blob_lies_beside_the_journal_and_is_checked)
{
	static char big[300000];
	struct mf_lane lane = {0};
	struct mf_record rec;
	struct mf_journal *journal;
	struct mf_event ev;
	struct mf_buf out = {0};
	struct mf_field_value value;
	unsigned char hash[16];
	char path[400];
	size_t pos = 0;
	int fd;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * i >> 3);
	for (int i = 0; i < 2; i++) {
		assert_true(mf_record_begin(&rec, &writer, &lane, MF_EV_FILE,
		                            MF_FIELD_BLOB));
		assert_true(mf_record_blob(&rec, &writer, MF_F_DATA, big,
		                           sizeof(big)));
		mf_record_end(&rec);
	}
	journal = open_journal();
	assert_int_equal(mf_journal_next(journal, &ev), 1);
	assert_null(mf_event_bytes(&ev, MF_F_DATA).ptr);
	assert_int_equal(mf_event_field(&ev, &pos, &value), 1);
	assert_int_equal(value.kind, MF_KIND_BLOB);
	assert_int_equal(value.number, sizeof(big));
	assert_int_equal(mf_journal_bytes(journal, &ev, MF_F_DATA, &out), 1);
	assert_int_equal(out.len, sizeof(big));
	assert_memory_equal(out.ptr, big, sizeof(big));
	mf_buf_reset(&out);

	memcpy(hash, value.bytes.ptr, 16);
	assert_true(mf__blob_path(path, sizeof(path), kit.path, hash));
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "!", 1, 1000), 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(mf_journal_bytes(journal, &ev, MF_F_DATA, &out),
	                 -MF_ECORRUPT);
	assert_int_equal(truncate(path, 5), 0);
	assert_int_equal(mf_journal_bytes(journal, &ev, MF_F_DATA, &out),
	                 -MF_ECORRUPT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mf_journal_bytes(journal, &ev, MF_F_DATA, &out),
	                 -ENOENT);
	assert_int_equal(out.len, 0);
	assert_int_equal(mf_journal_health(journal)->blobs_missing, 3);
	mf_buf_clear(&out);
	mf_journal_close(journal);
}

TEST(a_reader_follows_what_is_being_written)
{
	struct mf_lane lane = {0};
	struct mf_lane late = {0};
	struct mf_journal *journal = open_journal();
	struct mf_event ev;
	uint64_t next = 0;

	assert_int_equal(mf_journal_next(journal, &ev), 0);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 100; i++)
			assert_true(kit_append(&writer, &lane, next++, 77));
		if (round % 10 == 9)
			assert_true(kit_append(&writer, &late, 1u << 30, 5));
		assert_true(mf_journal_refresh(journal) > 0);
		assert_int_equal(count_records(journal),
		                 round % 10 == 9 ? 101 : 100);
		assert_int_equal(mf_journal_refresh(journal), 0);
		assert_int_equal(mf_journal_next(journal, &ev), 0);
	}
	assert_int_equal(mf_journal_health(journal)->damaged, 0);
	mf_journal_close(journal);
}

TEST(a_record_begun_and_not_committed_is_counted_and_not_read)
{
	struct mf_lane lane = {0};
	struct mf_record rec;
	struct mf_journal *journal;

	assert_true(kit_append(&writer, &lane, 1, 20));
	assert_true(mf_record_begin(&rec, &writer, &lane, MF_EV_NOTE, 100));
	mf_record_u64(&rec, MF_F_ID, 7);
	assert_true(kit_append(&writer, &lane, 2, 20));
	journal = open_journal();
	assert_int_equal(count_records(journal), 2);
	assert_int_equal(mf_journal_health(journal)->uncommitted, 1);
	assert_int_equal(mf_journal_health(journal)->damaged, 0);
	mf_journal_close(journal);
}

static uint64_t mono_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

TEST(a_seek_reads_the_index_and_not_the_records)
{
	enum {
		MANY = 200000
	};
	struct mf_lane lanes[4] = {{0}};
	struct mf_journal *journal;
	struct mf_event ev;
	uint64_t begin = 0;
	uint64_t first = 0;
	uint64_t n = 0;
	uint64_t whole;

	for (uint64_t i = 0; i < MANY; i++) {
		if (i == MANY - 1000)
			begin = mono_now();
		assert_true(kit_append(&writer, &lanes[i % 4], i, 60));
	}
	journal = open_journal();
	begin += (uint64_t)mf_journal_host(journal, 0)->wall_minus_mono_ns;
	assert_int_equal(mf_journal_seek(journal, begin), 0);
	while (mf_journal_next(journal, &ev) == 1) {
		if (n++ == 0)
			first = mf_event_u64(&ev, MF_F_ID, 0);
		assert_true(ev.wall_ns >= begin);
	}
	assert_int_equal(n, 1000);
	assert_int_equal(first, MANY - 1000);
	whole = mf_journal_health(journal)->file_bytes;
	assert_true(mf_journal_health(journal)->bytes_read < whole / 20);
	/* and back again */
	assert_int_equal(mf_journal_seek(journal, 0), 0);
	assert_int_equal(count_records(journal), MANY);
	mf_journal_close(journal);
}

TEST(a_full_segment_is_followed_by_the_next)
{
	enum {
		BIG = 60000,
		MANY = 2 * (MF_SEGMENT_SIZE >> 16) + 100
	};
	struct mf_lane lane = {0};
	struct mf_journal *journal;

	for (uint64_t i = 0; i < MANY; i++)
		assert_true(kit_append(&writer, &lane, i, BIG));
	journal = open_journal();
	assert_int_equal(count_records(journal), MANY);
	assert_int_equal(mf_journal_health(journal)->segments, 3);
	assert_int_equal(mf_journal_health(journal)->dropped, 0);
	mf_journal_close(journal);
}

TEST(a_session_stops_at_its_size_and_counts_the_rest)
{
	struct mf_lane lane = {0};
	struct mf_journal *journal;
	struct kit small;
	uint64_t wrote = 0;

	mf_writer_detach(&writer);
	kit_open(&small, "/tmp", 200000);
	kit_attach(&small, &writer);
	for (uint64_t i = 0; i < 1000; i++)
		wrote += kit_append(&writer, &lane, i, 1000);
	assert_true(wrote > 50 && wrote < 200);
	assert_int_equal(mf_journal_open(&journal, small.dir, NULL), 0);
	assert_int_equal(count_records(journal), wrote);
	assert_int_equal(mf_journal_health(journal)->dropped, 1000 - wrote);
	assert_int_equal(mf_journal_health(journal)->dropped_why[MF_DROP_FULL],
	                 1000 - wrote);
	assert_true(mf_journal_health(journal)->dropped_bytes > 1000 * 800);
	assert_true(mf_journal_health(journal)->file_bytes <= 200000);
	mf_journal_close(journal);
	kit_close(&small);
}

TEST(hosts_in_one_directory_are_read_as_one_session)
{
	struct mf_segment_options other = kit.options;
	struct mf_writer second;
	struct mf_lane lanes[2] = {{0}};
	struct mf_journal *journal;
	struct mf_event ev;
	char path[320];
	uint64_t n = 0;

	other.host = "another";
	other.boot_id = "00000000-0000-0000-0000-000000000002";
	other.seed = 99;
	assert_int_equal(mf_segment_create(kit.dir, 1, &other, NULL), 0);
	assert_int_equal(
		mf_segment_path(path, sizeof(path), kit.dir, "another", 1), 0);
	assert_int_equal(mf_writer_attach(&second, path), 0);
	for (uint64_t i = 0; i < 2000; i++)
		assert_true(kit_append(i % 2 ? &second : &writer, &lanes[i % 2],
		                       i, 40));
	journal = open_journal();
	assert_int_equal(mf_journal_hosts(journal), 2);
	for (; mf_journal_next(journal, &ev) == 1; n++) {
		const char *host =
			mf_event_u64(&ev, MF_F_ID, 0) % 2 ? "another" : "host";

		assert_true(mf_str_is(mf_journal_host(journal, ev.host)->name,
		                      host));
	}
	assert_int_equal(n, 2000);
	mf_journal_close(journal);
	mf_writer_detach(&second);
}

/* Put `head` back with its checksums made right again. */
static void rewrite_ident(void (*change)(struct mf__segment_ident *))
{
	struct mf__segment_ident ident;
	int fd = open(kit.path, O_RDWR);

	assert_int_equal(pread(fd, &ident, sizeof(ident), 0), sizeof(ident));
	change(&ident);
	ident.sum = mf__ident_sum(&ident);
	assert_int_equal(pwrite(fd, &ident, sizeof(ident), 0), sizeof(ident));
	assert_int_equal(pwrite(fd, &ident, sizeof(ident),
	                        MF__COPY_BLOCK * MF__BLOCK),
	                 sizeof(ident));
	assert_int_equal(close(fd), 0);
}

static void demand_the_unknown(struct mf__segment_ident *ident)
{
	ident->incompatible = 0x80;
}

static void offer_the_unknown(struct mf__segment_ident *ident)
{
	ident->compatible = UINT32_MAX;
}

TEST(an_incompatible_version_is_refused_in_words)
{
	struct mf_journal *journal = NULL;
	struct mf_writer late;
	struct mf_err err = {0};

	rewrite_ident(demand_the_unknown);
	assert_int_equal(mf_journal_open(&journal, kit.dir, &err),
	                 -MF_EVERSION);
	assert_null(journal);
	assert_non_null(strstr(err.text, "host.000001.mfj"));
	assert_int_equal(mf_writer_attach(&late, kit.path), -MF_EVERSION);
	assert_false(mf_writer_is_attached(&late));
}

TEST(compatible_flags_and_unknown_types_are_no_hindrance)
{
	struct mf_lane lane = {0};
	struct mf_record rec;
	struct mf_journal *journal;
	struct mf_event ev;

	rewrite_ident(offer_the_unknown);
	assert_true(mf_record_begin(&rec, &writer, &lane,
	                            (enum mf_event_type)4000, 40));
	mf_record_u64(&rec, (enum mf_field)3000, 1);
	mf_record_u64(&rec, MF_F_PID, 2);
	mf_record_end(&rec);
	journal = open_journal();
	assert_int_equal(mf_journal_next(journal, &ev), 1);
	assert_int_equal(ev.type, 4000);
	assert_null(mf_event_word(ev.type));
	assert_int_equal(mf_event_u64(&ev, MF_F_PID, 0), 2);
	mf_journal_close(journal);
}

TEST(open_says_what_is_no_journal)
{
	struct mf_journal *journal = NULL;
	struct mf_err err = {0};
	char empty[] = "/tmp/mf-empty-XXXXXX";

	assert_int_equal(mf_journal_open(&journal, "/no/such", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/no/such"));
	assert_non_null(mkdtemp(empty));
	assert_int_equal(mf_journal_open(&journal, empty, &err), -MF_EFORMAT);
	assert_int_equal(rmdir(empty), 0);
	assert_null(journal);
}

TEST(reading_survives_every_failed_allocation)
{
	struct mf_lane lane = {0};
	struct mf_journal *journal = NULL;
	struct mf_event ev;
	uint64_t n = 0;
	int rc = -ENOMEM;

	for (uint64_t i = 0; i < 300; i++)
		assert_true(kit_append(&writer, &lane, i, 50));
	for (long nth = 0; rc == -ENOMEM; nth++) {
		fault_alloc_fail_at(nth);
		journal = NULL;
		rc = mf_journal_open(&journal, kit.dir, NULL);
		if (rc == 0) {
			n = 0;
			mf_journal_check_sequences(journal);
			while ((rc = mf_journal_next(journal, &ev)) > 0)
				n++;
			if (rc == 0)
				rc = mf_journal_seek(journal, 0);
			if (rc == 0)
				rc = (int)mf_journal_refresh(journal);
		}
		fault_alloc_fail_at(-1);
		mf_journal_close(journal);
		assert_true(nth < 1000);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(n, 300);
}

/* In a child, so that limits and signals stay there; returns its status. */
static int in_child(void (*what)(void))
{
	int status = -1;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		what();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

enum {
	TRIED = 20000
};

static void append_tried(void)
{
	struct mf_lane lane = {0};

	for (uint64_t i = 0; i < TRIED; i++)
		kit_append(&writer, &lane, i, 100);
}

static void expect_some_dropped(enum mf_drop why)
{
	struct mf_journal *journal = open_journal();
	const struct mf_journal_health *health;
	uint64_t n = count_records(journal);

	health = mf_journal_health(journal);
	assert_int_equal(n + health->dropped, TRIED);
	assert_true(health->dropped > 0);
	assert_int_equal(health->dropped_why[why], health->dropped);
	assert_int_equal(health->damaged, 0);
	mf_journal_close(journal);
}

static void append_under_fsize(void)
{
	struct rlimit limit = {200000, 200000};

	setrlimit(RLIMIT_FSIZE, &limit);
	append_tried();
}

TEST(a_limited_file_size_drops_and_kills_nobody)
{
	assert_int_equal(in_child(append_under_fsize), 0);
	expect_some_dropped(MF_DROP_NO_SPACE);
}

/* Bytes of this process's address space that are taken. */
static rlim_t mapped_now(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file || fscanf(file, "%lu", &pages) != 1)
		_exit(1);
	fclose(file);
	return (rlim_t)pages * 4096;
}

/* In a mount namespace of our own: a disk of 1 MiB. Exits 77 without rights. */
static void append_to_a_full_disk(void)
{
	struct mf_writer full;
	struct mf_lane lane = {0};
	struct mf_preparer *preparer = NULL;
	struct mf_journal *journal;
	struct kit small;
	uint64_t wrote = 0;

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", kit.dir, "tmpfs", 0, "size=1m") < 0)
		_exit(77);
	kit_open(&small, kit.dir, SESSION_MAX);
	kit_attach(&small, &full);
	if (mf_preparer_start(&preparer, small.dir, &small.options, NULL) < 0)
		_exit(2);
	for (uint64_t i = 0; i < TRIED; i++)
		wrote += kit_append(&full, &lane, i, 100);
	mf_preparer_stop(preparer, true);
	if (mf_journal_open(&journal, small.dir, NULL) < 0 || wrote == 0 ||
	    count_records(journal) != wrote)
		_exit(3);
	_exit(mf_journal_health(journal)->dropped_why[MF_DROP_NO_SPACE] ==
	                              TRIED - wrote &&
	                      mf_journal_health(journal)->damaged == 0
	              ? 0
	              : 4);
}

TEST(a_full_disk_drops_and_kills_nobody)
{
	int status = in_child(append_to_a_full_disk);

	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void append_under_as(void)
{
	struct rlimit limit;
	struct mf_writer fresh;
	struct mf_lane lane = {0};
	uint64_t wrote = 0;

	limit.rlim_cur = limit.rlim_max = mapped_now() + (1 << 20);
	setrlimit(RLIMIT_AS, &limit);
	if (mf_writer_attach(&fresh, kit.path) < 0)
		_exit(2);
	for (uint64_t i = 0; i < TRIED; i++)
		wrote += kit_append(&fresh, &lane, i, 100);
	_exit(wrote > 0 ? 0 : 3);
}

TEST(a_limited_address_space_is_respected)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); /* the sanitizer alone takes more than the limit */
#endif
	struct mf_journal *journal;

	assert_int_equal(in_child(append_under_as), 0);
	journal = open_journal();
	assert_int_equal(count_records(journal) +
	                         mf_journal_health(journal)->dropped,
	                 TRIED);
	mf_journal_close(journal);
}

static void delete_the_directory(void)
{
	kit_close(&kit);
	append_tried();
	if (((struct mf__segment_head *)writer.head)
	            ->dropped[MF_DROP_NO_SPACE] == 0)
		_exit(1);
}

TEST(a_directory_deleted_meanwhile_drops_and_kills_nobody)
{
	assert_int_equal(in_child(delete_the_directory), 0);
}

TEST(a_writer_without_a_journal_drops_in_silence)
{
	struct mf_lane lane = {0};
	struct mf_writer none;

	assert_int_equal(mf_writer_attach(&none, "/no/such/file"), -ENOENT);
	assert_false(kit_append(&none, &lane, 1, 1));
	assert_int_equal(mf_writer_attach(&none, "/dev/null"), -MF_EFORMAT);
	assert_false(kit_append(&none, &lane, 1, 1));
	mf_writer_detach(&none);
}

TEST(appending_leaves_errno_alone)
{
	struct mf_lane lane = {0};

	errno = 77;
	for (uint64_t i = 0; i < 5000; i++)
		kit_append(&writer, &lane, i, 100);
	assert_int_equal(errno, 77);
}

TEST(a_preparer_keeps_pages_ready_and_cuts_what_is_left)
{
	struct mf_preparer *preparer = NULL;
	struct mf_lane lane = {0};
	struct mf_journal *journal;
	const struct mf_journal_health *health;

	assert_int_equal(
		mf_preparer_start(&preparer, kit.dir, &kit.options, NULL), 0);
	for (uint64_t i = 0; i < 50000; i++)
		assert_true(kit_append(&writer, &lane, i, 100));
	mf_preparer_stop(preparer, true);
	journal = open_journal();
	assert_int_equal(count_records(journal), 50000);
	health = mf_journal_health(journal);
	assert_int_equal(health->damaged, 0);
	assert_true(health->file_bytes < 50000 * 160 + (1u << 20));
	mf_journal_close(journal);
}

/* It left its mark on the very next blocks, and will never zero them. */
TEST(a_recorder_killed_while_preparing_costs_no_record)
{
	struct mf_lane lanes[3] = {{0}};
	struct mf__segment_head *head = writer.head;
	struct mf_journal *journal;

	head->preparing = head->ready + 64;
	for (uint64_t i = 0; i < 300; i++)
		assert_true(kit_append(&writer, &lanes[i % 3], i, 700));
	journal = open_journal();
	assert_int_equal(count_records(journal), 300);
	assert_int_equal(mf_journal_health(journal)->dropped, 0);
	mf_journal_close(journal);
}

#define KIT_CASE(name)                                                         \
	cmocka_unit_test_setup_teardown(name, open_kit, close_kit)

int main(void)
{
	const struct CMUnitTest cases[] = {
		KIT_CASE(a_record_reads_back_as_it_was_written),
		KIT_CASE(records_keep_their_order_over_many_chunks),
		KIT_CASE(records_of_every_size_up_to_the_largest_fit),
		KIT_CASE(threads_write_side_by_side_and_read_in_time_order),
		KIT_CASE(threads_that_end_leave_their_chunk_to_the_next),
		KIT_CASE(a_forked_child_writes_as_itself),
		KIT_CASE(a_child_of_a_raw_clone_writes_as_itself),
		KIT_CASE(a_vforked_child_appends_for_its_parent),
		KIT_CASE(
			a_signal_handler_may_append_in_the_middle_of_an_append),
		KIT_CASE(a_counter_is_read_as_it_stands_now),
		KIT_CASE(a_blob_lies_beside_the_journal_and_is_checked),
		KIT_CASE(a_reader_follows_what_is_being_written),
		KIT_CASE(
			a_record_begun_and_not_committed_is_counted_and_not_read),
		KIT_CASE(a_seek_reads_the_index_and_not_the_records),
		KIT_CASE(a_full_segment_is_followed_by_the_next),
		KIT_CASE(a_session_stops_at_its_size_and_counts_the_rest),
		KIT_CASE(hosts_in_one_directory_are_read_as_one_session),
		KIT_CASE(an_incompatible_version_is_refused_in_words),
		KIT_CASE(compatible_flags_and_unknown_types_are_no_hindrance),
		KIT_CASE(open_says_what_is_no_journal),
		KIT_CASE(reading_survives_every_failed_allocation),
		KIT_CASE(a_limited_file_size_drops_and_kills_nobody),
		KIT_CASE(a_full_disk_drops_and_kills_nobody),
		KIT_CASE(a_limited_address_space_is_respected),
		KIT_CASE(a_directory_deleted_meanwhile_drops_and_kills_nobody),
		KIT_CASE(a_writer_without_a_journal_drops_in_silence),
		KIT_CASE(appending_leaves_errno_alone),
		KIT_CASE(a_recorder_killed_while_preparing_costs_no_record),
		KIT_CASE(a_preparer_keeps_pages_ready_and_cuts_what_is_left),
	};

	return cmocka_run_group_tests_name("journal", cases, NULL, NULL);
}

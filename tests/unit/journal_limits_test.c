/*
 * The appending side where something is short: address space, room in the
 * session, and time between two instructions.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "journal/chunk.h"
#include "journal/frame.h"
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

/* Run it in a child, for ten seconds at most. Returns the wait status. */
static int in_child(void (*what)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		what();
		_exit(0);
	}
	for (int i = 0; i < 10000; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		usleep(1000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

/* In segment `where`, or in all. */
static uint64_t count_records(uint32_t where)
{
	struct mf_journal *journal = NULL;
	struct mf_event ev;
	uint64_t n = 0;

	assert_int_equal(mf_journal_open(&journal, kit.dir, NULL), 0);
	while (mf_journal_next(journal, &ev) > 0)
		n += ev.type == MF_EV_NOTE && kit_is_whole(&ev) &&
		     (!where || ev.segment + 1 == where);
	assert_int_equal(mf_journal_health(journal)->damaged, 0);
	mf_journal_close(journal);
	return n;
}

/* Make segment `number` beside the kit's; returns the map of its head. */
static struct mf__segment_head *make_segment(uint32_t number)
{
	const char *head = (const char *)writer.head;
	const char *table = head + MF__BLOCK;
	struct mf__segment_head *map;
	char path[320];
	int fd;

	assert_int_equal(mf__segment_make(kit.path, writer.head,
	                                  (const uint64_t *)(const void *)table,
	                                  number),
	                 0);
	assert_int_equal(mf_segment_path(path, sizeof(path), kit.dir, "host",
	                                 number),
	                 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	map = mmap(NULL, MF__BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED);
	close(fd);
	return map;
}

/* Bytes of address space this process has. */
static uint64_t mapped_now(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file || fscanf(file, "%lu", &pages) != 1)
		_exit(1);
	fclose(file);
	return (uint64_t)pages * 4096;
}

static void lag_behind(void)
{
	struct mf_lane lane = {0};

	/* As if another thread had gone on between two instructions. */
	if (!mf__segment_renumber(writer.path, sizeof(writer.path), 2))
		_exit(1);
	for (uint64_t i = 0; i < 100; i++)
		if (!kit_append(&writer, &lane, i, 1000))
			_exit(2);
}

TEST(a_thread_that_lags_behind_stays_in_its_segment)
{
	munmap(make_segment(2), MF__BLOCK);
	assert_int_equal(in_child(lag_behind), 0);
	assert_int_equal(count_records(1), 100);
}

static void lag_behind_and_map_little(void)
{
	writer.maps_whole = false;
	lag_behind();
}

TEST(a_thread_that_lags_behind_maps_its_segment)
{
	munmap(make_segment(2), MF__BLOCK);
	assert_int_equal(in_child(lag_behind_and_map_little), 0);
	assert_int_equal(count_records(1), 100);
}

enum {
	TRIED = 40000
};

/* 1 MiB of address space more, for 6 MB of records, and a counter. */
static void append_for_long(void)
{
	struct rlimit limit;
	struct mf_writer fresh;
	struct mf_lane lane = {0};
	struct mf_record rec;
	uint64_t *counter;

	limit.rlim_cur = limit.rlim_max = mapped_now() + (1 << 20);
	setrlimit(RLIMIT_AS, &limit);
	if (mf_writer_attach(&fresh, kit.path) < 0 ||
	    !mf_record_begin(&rec, &fresh, &lane, MF_EV_COUNTER,
	                     MF_FIELD_COUNTER))
		_exit(2);
	counter = mf_record_end_counter(&rec);
	for (uint64_t i = 0; i < TRIED; i++) {
		if (!kit_append(&fresh, &lane, i, 100))
			_exit(3);
		__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
	}
}

TEST(a_limited_address_space_is_not_eaten_up)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); /* the sanitizer alone takes more than the limit */
#endif
	struct mf_journal *journal = NULL;
	struct mf_event ev;

	assert_int_equal(in_child(append_for_long), 0);
	assert_int_equal(count_records(0), TRIED);
	assert_int_equal(mf_journal_open(&journal, kit.dir, NULL), 0);
	assert_int_equal(mf_journal_next(journal, &ev), 1);
	assert_int_equal(ev.counter, TRIED);
	mf_journal_close(journal);
}

/* Threads that leave nothing worth keeping leave no map either. */
static void end_many_threads(void)
{
	struct mf_writer fresh;
	uint64_t before;

	if (mf_writer_attach(&fresh, kit.path) < 0)
		_exit(1);
	fresh.maps_whole = false;
	before = mapped_now();
	for (uint64_t i = 0; i < 200; i++) {
		struct mf_lane lane = {0};

		if (!kit_append(&fresh, &lane, i, 3700))
			_exit(2);
		mf_lane_retire(&lane, &fresh);
	}
	_exit(mapped_now() - before < 50 * MF__BLOCK ? 0 : 3);
}

TEST(threads_that_end_leave_no_map_behind)
{
	assert_int_equal(in_child(end_many_threads), 0);
	assert_int_equal(count_records(0), 200);
}

static void pass_full_segments(void)
{
	struct mf_lane lane = {0};
	uint64_t before = mapped_now();

	if (!kit_append(&writer, &lane, 1, 100))
		_exit(1);
	_exit(mapped_now() - before <= 2 * MF_SEGMENT_SIZE ? 0 : 2);
}

TEST(a_writer_that_slept_long_maps_no_segment_it_passes)
{
	struct mf__segment_head *head = writer.head;

	head->tail = head->ident.capacity / MF__BLOCK;
	for (uint32_t number = 2; number <= 10; number++) {
		struct mf__segment_head *full = make_segment(number);

		full->tail = full->ident.capacity / MF__BLOCK;
		munmap(full, MF__BLOCK);
	}
	assert_int_equal(in_child(pass_full_segments), 0);
	assert_int_equal(count_records(0), 1);
}

/* No call but read, write and exit is allowed. */
static void append_without_calls(void)
{
	struct mf_lane lane = {0};

	while (kit_append(&writer, &lane, 1, 1000))
		;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
		syscall(SYS_exit, 0);
	for (uint64_t i = 0; i < 1000; i++)
		kit_append(&writer, &lane, i, 1000);
	syscall(SYS_exit, 0);
}

TEST(a_full_session_costs_its_writers_no_call)
{
#if defined(__SANITIZE_THREAD__)
	skip(); /* its runtime makes calls of its own */
#endif
	kit_close(&kit);
	mf_writer_detach(&writer);
	kit_open(&kit, "/tmp", 1 << 20);
	kit_attach(&kit, &writer);
	assert_int_equal(in_child(append_without_calls), 0);
	assert_true(((struct mf__segment_head *)writer.head)
	                    ->dropped[MF_DROP_FULL] >= 1000);
}

static struct mf_lane main_lane;

static void append_on_signal(int signo)
{
	(void)signo;
	kit_append(&writer, &main_lane, 7, 10);
}

static int round_number;

/* Signals from its first instruction on, some while it is being born. */
static void be_born_under_fire(void)
{
	struct itimerval timer = {{0, 100}, {0, 1 + round_number % 50}};

	setitimer(ITIMER_REAL, &timer, NULL);
	for (uint64_t i = 0; i < 50; i++)
		kit_append(&writer, &main_lane, i, 10);
}

TEST(a_signal_while_a_child_is_born_hangs_nobody)
{
	struct sigaction act = {.sa_handler = append_on_signal,
	                        .sa_flags = SA_RESTART};

	sigaction(SIGALRM, &act, NULL);
	for (round_number = 0; round_number < 400; round_number++)
		assert_int_equal(in_child(be_born_under_fire), 0);
	act.sa_handler = SIG_DFL;
	sigaction(SIGALRM, &act, NULL);
}

static void go_on_under_a_umask(void)
{
	struct mf__segment_head *head = writer.head;
	struct mf_lane lane = {0};
	struct mf_record rec;

	umask(0777);
	head->tail = head->ident.capacity / MF__BLOCK;
	if (!mf_record_begin(&rec, &writer, &lane, MF_EV_NOTE, MF_FIELD_BLOB) ||
	    !mf_record_blob(&rec, &writer, MF_F_DATA, "big", 3))
		_exit(1);
	mf_record_end(&rec);
}

static int expect_private(const char *path, const struct stat *st, int type,
                          struct FTW *ftw)
{
	(void)path;
	(void)ftw;
	if (type == FTW_F)
		assert_int_equal(st->st_mode & 0777, 0600);
	return 0;
}

TEST(the_umask_of_a_task_takes_no_right_to_read_away)
{
	assert_int_equal(in_child(go_on_under_a_umask), 0);
	assert_int_equal(nftw(kit.dir, expect_private, 16, FTW_PHYS), 0);
}

/* As a file system without link(2) answers. */
static void refuse_links(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_linkat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(*code), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(77);
}

static void go_on_without_links(void)
{
	struct mf__segment_head *head = writer.head;
	struct mf_lane lane = {0};

	refuse_links();
	head->tail = head->ident.capacity / MF__BLOCK;
	_exit(kit_append(&writer, &lane, 1, 100) ? 0 : 1);
}

TEST(a_file_system_without_links_gets_its_segments)
{
	int status = in_child(go_on_without_links);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
	assert_int_equal(count_records(2), 1);
}

static void open_and_count(void)
{
	struct mf_journal *journal = NULL;
	struct mf_event ev;
	uint64_t n = 0;

	if (mf_journal_open(&journal, kit.dir, NULL) < 0)
		_exit(1);
	while (mf_journal_next(journal, &ev) > 0)
		n++;
	mf_journal_close(journal);
	_exit(n == 100 ? 0 : 2);
}

/* A task may write there what it likes. */
TEST(a_huge_hole_with_the_name_of_a_segment_keeps_no_reader_busy)
{
	struct mf_lane lane = {0};
	char path[320];
	int fd;

	for (uint64_t i = 0; i < 100; i++)
		assert_true(kit_append(&writer, &lane, i, 100));
	snprintf(path, sizeof(path), "%s/zzz.mfj", kit.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	close(fd);
	assert_int_equal(truncate(kit.path, (off_t)1 << 40), 0);
	assert_int_equal(in_child(open_and_count), 0);
}

TEST(a_file_that_is_no_segment_stays_none)
{
	struct mf_journal *journal = NULL;
	char path[320];
	int fd;

	snprintf(path, sizeof(path), "%s/a.mfj", kit.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "text", 4), 4);
	close(fd);
	assert_int_equal(mf_journal_open(&journal, kit.dir, NULL), 0);
	assert_int_equal(mf_journal_health(journal)->damaged, 1);
	assert_int_equal(mf_journal_refresh(journal), 0);
	assert_int_equal(mf_journal_health(journal)->damaged, 1);
	assert_int_equal(mf_journal_health(journal)->segments, 1);
	mf_journal_close(journal);
}

/* Every eight bytes say: here a record begins, as long as can be. */
TEST(a_chunk_full_of_claims_is_given_up_in_time)
{
	static uint64_t words[MF__CHUNK_BLOCKS_MAX * MF__BLOCK / 8];
	const struct mf__record_head *head = NULL;
	struct mf__cursor cursor = {
		.bytes = (char *)words,
		.len = sizeof(words),
		.seed = 1,
	};

	for (size_t i = 0; i < sizeof(words) / 8; i++)
		words[i] = MF__RECORD_COMMIT | (sizeof(words) / 2);
	assert_int_equal(mf__cursor_next(&cursor, &head), 0);
	assert_true(cursor.bad > sizeof(words) - 8);
	assert_true(cursor.searched < 17u << 20);
}

#define KIT_CASE(name)                                                         \
	cmocka_unit_test_setup_teardown(name, open_kit, close_kit)

int main(void)
{
	const struct CMUnitTest cases[] = {
		KIT_CASE(a_thread_that_lags_behind_stays_in_its_segment),
		KIT_CASE(a_thread_that_lags_behind_maps_its_segment),
		KIT_CASE(a_limited_address_space_is_not_eaten_up),
		KIT_CASE(threads_that_end_leave_no_map_behind),
		KIT_CASE(a_writer_that_slept_long_maps_no_segment_it_passes),
		KIT_CASE(a_full_session_costs_its_writers_no_call),
		KIT_CASE(the_umask_of_a_task_takes_no_right_to_read_away),
		KIT_CASE(a_file_system_without_links_gets_its_segments),
		KIT_CASE(
			a_huge_hole_with_the_name_of_a_segment_keeps_no_reader_busy),
		KIT_CASE(a_file_that_is_no_segment_stays_none),
		KIT_CASE(a_chunk_full_of_claims_is_given_up_in_time),
		KIT_CASE(a_signal_while_a_child_is_born_hangs_nobody),
	};

	return cmocka_run_group_tests_name("journal_limits", cases, NULL, NULL);
}

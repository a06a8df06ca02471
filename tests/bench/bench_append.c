/*
 * What appending a record of 128 bytes costs, in nanoseconds of thread CPU
 * time: medians of interleaved rounds of
 *
 *	memcpy    into warm memory, the limit
 *	present   to the journal, its pages mapped and touched before
 *	prepared  to the journal, its pages zeroed ahead by the recorder
 *	data      the same with 128 bytes of data: a record of 168 bytes
 *	lttng     an LTTng-UST tracepoint with as much data, consumer running
 *	write     write(2) to a file opened with O_APPEND beside the journal
 *
 * Fails where a ratio the journal is built for does not hold.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "journal/frame.h"
#include "support/journal_kit.h"

#if __has_include(<lttng/tracepoint.h>)
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "bench/append_tp.h"
#include "bench/lttng_session.h"
#define HAS_LTTNG 1
#else
#define HAS_LTTNG 0
#endif

#define ROUNDS 15
#define COUNT 40000
#define BYTES 128
#define CARRIED (BYTES - sizeof(struct mf__record_head) - MF_FIELD_BYTES(0))

enum row {
	MEMCPY,
	PRESENT,
	PREPARED,
	DATA,
	LTTNG,
	WRITE,
	ROWS
};

static const char *const NAMES[ROWS] = {"memcpy", "present", "prepared",
                                        "data",   "lttng",   "write"};

static uint8_t data[BYTES];

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double run_memcpy(void)
{
	static char warm[COUNT / 100][BYTES];
	double began = cpu_ns();

	for (size_t i = 0; i < COUNT; i++) {
		memcpy(warm[i % (COUNT / 100)], data, BYTES);
		__asm__ volatile("" : : "r"(warm) : "memory");
	}
	return (cpu_ns() - began) / COUNT;
}

/* What the recorder's thread does, for the whole segment at once. */
static void prepare_all(const struct kit *kit, struct mf_writer *writer)
{
	static const char zeros[64 * MF__BLOCK];
	struct mf__segment_head *head = writer->head;
	uint64_t size = head->ident.capacity;
	int fd = open(kit->path, O_RDWR | O_CLOEXEC);

	for (uint64_t at = MF__HEAD_BLOCKS * MF__BLOCK; at < size;) {
		size_t n = sizeof(zeros) - at % sizeof(zeros);

		n = size - at < n ? (size_t)(size - at) : n;
		kit_must(pwrite(fd, zeros, n, (off_t)at) == (ssize_t)n,
		         "pwrite");
		at += n;
	}
	close(fd);
	head->ready = head->preparing = size / MF__BLOCK;
}

static void touch(struct mf_writer *writer)
{
	char *map = (char *)writer->head;

	for (uint64_t at = MF__HEAD_BLOCKS * MF__BLOCK;
	     at < writer->head->ident.capacity; at += MF__BLOCK)
		*(volatile char *)(map + at) = 0;
}

static double run_journal(const char *parent, bool is_present, size_t len)
{
	struct mf_writer writer;
	struct mf_lane lane = {0};
	struct mf_record rec;
	struct kit kit;
	double began;
	double took;

	kit_open(&kit, parent, UINT64_C(1) << 30);
	kit_attach(&kit, &writer);
	prepare_all(&kit, &writer);
	if (is_present)
		touch(&writer);
	began = cpu_ns();
	for (size_t i = 0; i < COUNT; i++) {
		kit_must(mf_record_begin(&rec, &writer, &lane, MF_EV_NOTE,
		                         MF_FIELD_BYTES(len)),
		         "mf_record_begin");
		mf_record_bytes(&rec, MF_F_DATA, data, len);
		mf_record_end(&rec);
	}
	took = (cpu_ns() - began) / COUNT;
	mf_writer_detach(&writer);
	kit_close(&kit);
	return took;
}

static double run_write(const char *parent)
{
	char path[300];
	double began;
	int fd;

	snprintf(path, sizeof(path), "%s/mf-bench-XXXXXX", parent);
	fd = mkostemp(path, O_APPEND | O_CLOEXEC);
	kit_must(fd >= 0, "mkostemp");
	unlink(path);
	began = cpu_ns();
	for (size_t i = 0; i < COUNT; i++)
		kit_must(write(fd, data, BYTES) == BYTES, "write");
	began = cpu_ns() - began;
	close(fd);
	return began / COUNT;
}

#if HAS_LTTNG
/* In batches with pauses: a full ring discards events, which is cheaper. */
static double run_lttng(void)
{
	struct timespec pause = {0, 20000000};
	double took = 0;

	for (size_t batch = 0; batch < 10; batch++) {
		double began = cpu_ns();

		for (size_t i = 0; i < COUNT / 10; i++)
			lttng_ust_tracepoint(mf_bench, append, data, CARRIED);
		took += cpu_ns() - began;
		nanosleep(&pause, NULL);
	}
	return took / COUNT;
}
#else
static double run_lttng(void)
{
	return 0;
}
#endif

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_value);
	return values[ROUNDS / 2];
}

static bool expect(const char *what, double value, bool is_met)
{
	printf("%-44s %8.1f  %s\n", what, value, is_met ? "met" : "NOT MET");
	return is_met;
}

static void measure(const char *parent, bool has_lttng, double *medians)
{
	static double took[ROWS][ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		took[MEMCPY][i] = run_memcpy();
		took[PRESENT][i] = run_journal(parent, true, CARRIED);
		took[WRITE][i] = run_write(parent);
		took[PREPARED][i] = run_journal(parent, false, CARRIED);
		took[DATA][i] = run_journal(parent, false, BYTES);
		took[LTTNG][i] = has_lttng ? run_lttng() : 0;
	}
	printf("%-10s %10s %10s   %d bytes, ns of CPU, %d rounds of %d\n", "",
	       "median", "least", BYTES, ROUNDS, COUNT);
	for (int row = 0; row < ROWS; row++) {
		medians[row] = median(took[row]);
		printf("%-10s %10.1f %10.1f\n", NAMES[row], medians[row],
		       took[row][0]);
	}
}

int main(void)
{
	const char *parent = getenv("BENCH_DIR") ? getenv("BENCH_DIR") : "/tmp";
	double ns[ROWS];
	bool is_met = true;
	bool has_lttng = false;

	for (size_t i = 0; i < BYTES; i++)
		data[i] = (uint8_t)(i * 31);
#if HAS_LTTNG
	char dir[] = "/tmp/mf-lttng-XXXXXX";
	pid_t daemon;

	kit_must(mkdtemp(dir) != NULL, "mkdtemp");
	setenv("LTTNG_HOME", dir, 1);
	daemon = lttng_start(dir);
	for (int i = 0; daemon > 0 && !has_lttng && i < 50; i++) {
		has_lttng = lttng_ust_tracepoint_enabled(mf_bench, append);
		usleep(100000);
	}
#endif
	measure(parent, has_lttng, ns);
	is_met &= expect("journal, prepared pages, at most 50 ns", ns[PREPARED],
	                 ns[PREPARED] <= 50);
	is_met &=
		expect("write : journal, at least 15", ns[WRITE] / ns[PREPARED],
	               ns[WRITE] >= 15 * ns[PREPARED]);
	if (has_lttng)
		is_met &= expect("LTTng-UST : journal, at least 1.5",
		                 ns[LTTNG] / ns[PREPARED],
		                 ns[LTTNG] >= 1.5 * ns[PREPARED]);
	else
		printf("LTTng-UST is not here: not compared\n");
#if HAS_LTTNG
	if (daemon > 0)
		lttng_stop(daemon);
	nftw(dir, kit_unlink, 16, FTW_DEPTH | FTW_PHYS);
#endif
	return is_met ? 0 : 1;
}

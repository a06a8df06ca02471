/*
 * kill -9 of writers at random moments: kill_writers [ROUNDS]
 *
 * A round starts a process with several threads that append as fast as they
 * can, and that forks children which do the same, kills all of them, and reads
 * what they left. How far each thread came it tells after each commit in
 * memory of its own, shared with us. Then, for each thread:
 *
 *	committed records are there, each once and in order   (none lost)
 *	no record is there that was not begun, all are whole  (none torn)
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/journal_kit.h"

#define SLOTS 64
#define THREADS 3
#define SESSION_MAX (UINT64_C(256) << 20)

/* A writing thread; on a cache line of its own. */
struct slot {
	uint64_t begun;
	uint64_t committed;
	char pad[48];
};

struct acks {
	uint32_t slots;
	char pad[60];
	struct slot slot[SLOTS];
};

struct totals {
	uint64_t kills;
	uint64_t records;
	uint64_t lost;
	uint64_t torn;
	uint64_t damaged;
	uint64_t uncommitted;
};

static struct kit kit;
static struct mf_writer writer;
static struct acks *acks;

static void *append_forever(void *arg)
{
	struct mf_lane *lane = arg;
	struct mf_lane own = {0};
	uint32_t mine = __atomic_fetch_add(&acks->slots, 1, __ATOMIC_RELAXED);
	struct slot *slot = &acks->slot[mine % SLOTS];

	if (mine >= SLOTS)
		return NULL;
	if (!lane)
		lane = &own;
	for (uint64_t n = 0;; n++) {
		uint64_t number = (uint64_t)mine << 32 | n;

		__atomic_store_n(&slot->begun, n + 1, __ATOMIC_RELEASE);
		if (!kit_append(&writer, lane, number, (n * 37) % 400))
			return NULL;
		__atomic_store_n(&slot->committed, n + 1, __ATOMIC_RELEASE);
	}
}

static void start_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < THREADS - 1; i++)
		kit_must(pthread_create(&thread, NULL, append_forever, NULL) ==
		                 0,
		         "pthread_create");
}

/* The forked child goes on with the lane its parent's thread had. */
static void write_in_processes(unsigned seed)
{
	struct mf_lane lane = {0};

	setpgid(0, 0);
	start_threads();
	kit_append(&writer, &lane, UINT64_C(1) << 60, 10);
	for (int i = 0; i < 2; i++) {
		struct timespec pause = {0, (long)(rand_r(&seed) % 1000000)};

		nanosleep(&pause, NULL);
		if (fork() == 0)
			start_threads();
	}
	append_forever(&lane);
	pause();
}

static void prepare_in_process(void)
{
	struct mf_preparer *preparer;

	if (mf_preparer_start(&preparer, kit.dir, &kit.options, NULL) == 0)
		pause();
	_exit(0);
}

static void wait_a_while(unsigned *seed)
{
	struct timespec while_ = {0, (long)(rand_r(seed) % 6000000)};

	nanosleep(&while_, NULL);
}

/* Returns the processes that were killed. */
static uint64_t reap_all(void)
{
	uint64_t killed = 0;
	int status;

	while (waitpid(-1, &status, 0) > 0)
		killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	return killed;
}

static void check_event(const struct mf_event *ev, uint64_t *next,
                        struct totals *totals)
{
	uint64_t number = mf_event_u64(ev, MF_F_ID, UINT64_MAX);
	uint64_t slot = number >> 32;

	if (ev->type == MF_EV_PROC_FORK || number == UINT64_C(1) << 60)
		return;
	totals->records++;
	if (!kit_is_whole(ev) || slot >= SLOTS ||
	    (number & UINT32_MAX) != next[slot] ||
	    next[slot] >= acks->slot[slot].begun) {
		totals->torn++;
		return;
	}
	next[slot]++;
}

static void check(struct totals *totals)
{
	const struct mf_journal_health *health;
	uint64_t next[SLOTS] = {0};
	struct mf_journal *journal;
	struct mf_event ev;
	int rc;

	kit_must(mf_journal_open(&journal, kit.dir, NULL) == 0, "open");
	while ((rc = mf_journal_next(journal, &ev)) == 1)
		check_event(&ev, next, totals);
	kit_must(rc == 0, "mf_journal_next");
	for (size_t i = 0; i < SLOTS; i++) {
		if (next[i] < acks->slot[i].committed)
			totals->lost += acks->slot[i].committed - next[i];
	}
	health = mf_journal_health(journal);
	totals->damaged += health->damaged;
	totals->uncommitted += health->uncommitted;
	mf_journal_close(journal);
}

/* In turn: nobody prepares pages, this process does, one that is killed. */
static void run_round(unsigned round, struct totals *totals)
{
	struct mf_preparer *preparer = NULL;
	unsigned seed = round * 2654435761u + 1;
	pid_t preparing = 0;
	pid_t child;

	kit_open(&kit, "/tmp", SESSION_MAX);
	memset(acks, 0, sizeof(*acks));
	kit_attach(&kit, &writer);
	if (round % 3 == 1)
		kit_must(mf_preparer_start(&preparer, kit.dir, &kit.options,
		                           NULL) == 0,
		         "mf_preparer_start");
	child = fork();
	kit_must(child >= 0, "fork");
	if (child == 0)
		write_in_processes(seed);
	setpgid(child, child);
	if (round % 3 == 2)
		preparing = fork();
	if (round % 3 == 2 && preparing == 0)
		prepare_in_process();
	wait_a_while(&seed);
	if (preparing > 0)
		kill(preparing, SIGKILL);
	kill(-child, SIGKILL);
	totals->kills += reap_all();
	mf_preparer_stop(preparer, true);
	check(totals);
	mf_writer_detach(&writer);
	kit_close(&kit);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 200;
	struct totals totals = {0};

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	acks = mmap(NULL, sizeof(*acks), PROT_READ | PROT_WRITE,
	            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	kit_must(acks != MAP_FAILED, "mmap");
	for (unsigned round = 0; round < rounds; round++)
		run_round(round, &totals);
	printf("%u rounds, %lu processes killed, %lu records read: "
	       "%lu committed lost, %lu torn accepted, %lu damaged, "
	       "%lu uncommitted\n",
	       rounds, (unsigned long)totals.kills,
	       (unsigned long)totals.records, (unsigned long)totals.lost,
	       (unsigned long)totals.torn, (unsigned long)totals.damaged,
	       (unsigned long)totals.uncommitted);
	return totals.lost || totals.torn || totals.damaged ||
	       totals.records == 0 || totals.kills < rounds;
}

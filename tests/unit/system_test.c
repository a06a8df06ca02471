#include "support/test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system/oom.h"
#include "system/proc.h"
#include "system/signals.h"
#include "system/witness.h"

/* A child that says when it is ready, then waits to be killed. */
static pid_t start(void (*prepare)(void))
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (prepare)
			prepare();
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void finish(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void take_a_hostile_name(void)
{
	prctl(PR_SET_NAME, ") Z 1 2 3 4\n");
}

static void ignore_hangup(void)
{
	struct sigaction act = {.sa_handler = SIG_IGN};

	sigaction(SIGHUP, &act, NULL);
	setsid();
}

TEST(read_is_not_fooled_by_a_process_name)
{
	pid_t pid = start(take_a_hostile_name);
	struct mf__proc proc;

	assert_int_equal(mf__proc_read(&proc, pid), 0);
	assert_int_equal(proc.ppid, getpid());
	assert_int_equal(proc.pgid, getpgrp());
	assert_int_equal(proc.sid, getsid(0));
	assert_true(proc.state == 'S' || proc.state == 'R');
	assert_true(proc.start_ticks > 0);
	assert_true(proc.start_ticks == mf__proc_start(pid));
	finish(pid);
}

TEST(read_knows_who_is_gone)
{
	struct mf__proc proc = {.pid = 7};
	pid_t pid = start(NULL);

	finish(pid);
	assert_int_equal(mf__proc_read(&proc, pid), -ESRCH);
	assert_int_equal(proc.pid, 7);
	assert_int_equal(mf__proc_start(pid), 0);
	assert_int_equal(mf__proc_is_below(pid, getpid()), -ESRCH);
	assert_false(mf__proc_ignores(pid, SIGHUP));
}

TEST(a_zombie_still_has_a_start)
{
	pid_t pid = start(NULL);
	uint64_t start_ticks = mf__proc_start(pid);
	siginfo_t info;

	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_true(mf__proc_start(pid) == start_ticks && start_ticks > 0);
	finish(pid);
}

TEST(below_goes_up_to_the_ancestor_and_no_further)
{
	pid_t pid = start(NULL);

	assert_int_equal(mf__proc_is_below(pid, getpid()), 1);
	assert_int_equal(mf__proc_is_below(pid, getppid()), 1);
	assert_int_equal(mf__proc_is_below(getpid(), pid), 0);
	assert_int_equal(mf__proc_is_below(1, pid), 0);
	finish(pid);
}

TEST(ignored_signals_are_seen)
{
	pid_t plain = start(NULL);
	pid_t deaf = start(ignore_hangup);

	assert_false(mf__proc_ignores(plain, SIGHUP));
	assert_true(mf__proc_ignores(deaf, SIGHUP));
	assert_false(mf__proc_ignores(deaf, SIGTERM));
	finish(plain);
	finish(deaf);
}

TEST(children_are_listed_and_their_children_too)
{
	struct mf_buf pids = {0};
	pid_t a = start(NULL);
	pid_t b = start(NULL);

	assert_int_equal(mf__proc_children(&pids, getpid()), 0);
	assert_int_equal(mf__pids_len(&pids), 2);
	assert_int_equal(mf__pids_at(&pids, 0) + mf__pids_at(&pids, 1), a + b);
	mf_buf_reset(&pids);
	assert_int_equal(mf__proc_descendants(&pids, getppid(), 1000), 0);
	assert_true(mf__pids_len(&pids) >= 3);
	mf_buf_reset(&pids);
	assert_int_equal(mf__proc_descendants(&pids, getppid(), 1), 0);
	assert_int_equal(mf__pids_len(&pids), 1);
	mf_buf_clear(&pids);
	finish(a);
	finish(b);
}

TEST(arguments_end_with_a_nul_each)
{
	struct mf_buf argv = {0};

	mf__proc_argv(&argv, getpid());
	assert_true(argv.len > 1 && argv.ptr[argv.len - 1] == '\0');
	mf_buf_reset(&argv);
	mf__proc_argv(&argv, 0);
	assert_int_equal(argv.len, 0);
	mf_buf_clear(&argv);
}

TEST(an_oom_count_that_stands_still_has_not_grown)
{
	struct mf__oom oom;

	mf__oom_init(&oom);
	assert_non_null(oom.path[MF__OOM_MACHINE]);
	oom.count[MF__OOM_MACHINE] += 3; /* read later than it will be */
	assert_int_equal(mf__oom_grown(&oom, MF__OOM_MACHINE), 0);
	assert_int_equal(mf__oom_grown(&oom, MF__OOM_MACHINE), 0);
	mf__oom_clear(&oom);
	assert_null(oom.path[MF__OOM_MACHINE]);
	assert_int_equal(mf__oom_grown(&oom, MF__OOM_MACHINE), 0);
}

/* In a group of our own: what the test sends must not reach make. */
static int hear_signals(void)
{
	struct mf__witness witness;
	struct mf__signals saved;
	int fd = mf__signals_take(&saved);
	pid_t me = getpid();

	if (fd < 0 || setpgid(0, 0) < 0 || mf__witness_start(&witness, fd) < 0)
		return 1;
	kill(me, SIGUSR1);
	if (mf__witness_saw(&witness, SIGUSR1, me, 50))
		return 2; /* it was sent to us alone */
	kill(0, SIGUSR2);
	if (!mf__witness_saw(&witness, SIGUSR2, me, 5000))
		return 3;
	if (!mf__witness_saw(&witness, SIGUSR2, me, 0))
		return 4; /* it holds for another right behind it */
	if (mf__witness_saw(&witness, SIGUSR2, me + 1, 0))
		return 5; /* somebody else sent that */
	kill(witness.pid, SIGKILL);
	if (mf__witness_saw(&witness, SIGTERM, me, 5000))
		return 6; /* nobody is left to tell, and that is noticed */
	mf__witness_stop(&witness);
	return witness.pid == 0 && waitpid(-1, NULL, 0) < 0 ? 0 : 7;
}

TEST(a_witness_tells_a_signal_to_the_group_from_one_to_us)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(hear_signals());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int take_and_restore(void)
{
	struct sigaction before = {.sa_handler = SIG_IGN};
	struct sigaction after;
	struct mf__signals saved;
	sigset_t mask;

	sigaction(SIGCHLD, &before, NULL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (mf__signals_take(&saved) < 0)
		return 1;
	sigaction(SIGCHLD, NULL, &after);
	if (after.sa_handler != SIG_DFL)
		return 2;
	mf__signals_restore(&saved);
	sigaction(SIGCHLD, NULL, &after);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	if (after.sa_handler != SIG_IGN || !sigismember(&mask, SIGUSR2) ||
	    sigismember(&mask, SIGTERM))
		return 3;
	sigaction(SIGPIPE, NULL, &after);
	return after.sa_handler == SIG_DFL ? 0 : 4;
}

TEST(restore_puts_every_signal_back_as_it_was)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(take_and_restore());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(read_is_not_fooled_by_a_process_name),
		CASE(read_knows_who_is_gone),
		CASE(a_zombie_still_has_a_start),
		CASE(below_goes_up_to_the_ancestor_and_no_further),
		CASE(ignored_signals_are_seen),
		CASE(children_are_listed_and_their_children_too),
		CASE(arguments_end_with_a_nul_each),
		CASE(an_oom_count_that_stands_still_has_not_grown),
		CASE(a_witness_tells_a_signal_to_the_group_from_one_to_us),
		CASE(restore_puts_every_signal_back_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

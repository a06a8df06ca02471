#include "session/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mfcore/journal.h"
#include "system/proc.h"
#include "system/signals.h"

#define TESTIMONY_MS 250 /* what a group's members may lag behind each other */
#define SENDER_MS 10000  /* since the last word of one who sent a signal */
#define NS_PER_MS 1000000u
#define LOOK_FIRST_MS 20
#define LOOK_MAX_MS 1000
#define LEFT_MAX 10000 /* processes told one by one */

static const char *const oom_scopes[MF__OOM_SCOPES] = {
	[MF__OOM_MACHINE] = "machine",
	[MF__OOM_CGROUP] = "cgroup",
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/*
 * The kernel counts a victim both for the machine and for its group, before it
 * kills. Where our group's count can be read and stands still, the victim was
 * none of ours.
 */
static void look_for_oom(struct mf__watch *watch)
{
	struct mf__oom *oom = &watch->oom;
	uint64_t grown[MF__OOM_SCOPES];

	for (int i = 0; i < MF__OOM_SCOPES; i++)
		grown[i] = mf__oom_grown(oom, (enum mf__oom_scope)i);
	for (int i = 0; i < MF__OOM_SCOPES; i++) {
		bool is_elsewhere = i == MF__OOM_MACHINE &&
		                    oom->path[MF__OOM_CGROUP] &&
		                    !grown[MF__OOM_CGROUP];

		if (grown[i])
			mf__story_oom(watch->story, oom_scopes[i], grown[i],
			              oom->path[i],
			              is_elsewhere ? "not in this cgroup"
			                           : NULL);
	}
}

static void take_status(struct mf__watch *watch, pid_t pid)
{
	struct mf__proc proc = {0};
	bool is_command = pid == watch->child && !watch->is_over;
	struct rusage usage;
	int status;

	mf_ignore(mf__proc_read(&proc, pid), "without /proc: no start");
	if (wait4(pid, &status, WNOHANG, &usage) != pid)
		return;
	if (pid == watch->witness.pid) {
		watch->witness.pid = 0;
		mf__witness_stop(&watch->witness);
		return;
	}
	if (is_command) {
		watch->is_over = true;
		watch->child_status = status;
		watch->child_sid = proc.sid;
	}
	mf__story_status(watch->story,
	                 is_command ? MF_EV_PROC_WAIT : MF_EV_PROC_REAP, pid,
	                 proc.start_ticks, status, &usage);
}

/*
 * The command stopped: stop too, so that the shell takes the terminal back,
 * but only with somebody there to wake us up. Whoever continues the command
 * need not know of us.
 */
static void stop_with_it(struct mf__watch *watch, int signo)
{
	if (mf__witness_guard(&watch->witness, watch->child))
		mf__signals_stop(signo);
}

/* Take every status there is. */
static void reap(struct mf__watch *watch)
{
	bool has_reaped = false;

	for (;;) {
		siginfo_t info = {0};

		if (waitid(P_ALL, 0, &info,
		           WEXITED | WSTOPPED | WNOHANG | WNOWAIT) < 0)
			watch->is_childless = errno == ECHILD;
		if (info.si_pid == 0)
			break;
		if (info.si_code == CLD_STOPPED ||
		    info.si_code == CLD_TRAPPED) {
			int signo = info.si_status;
			pid_t pid = info.si_pid;

			if (waitid(P_PID, (id_t)pid, &info,
			           WSTOPPED | WNOHANG) == 0 &&
			    pid == watch->child)
				stop_with_it(watch, signo);
			continue;
		}
		take_status(watch, info.si_pid);
		has_reaped = true;
	}
	if (has_reaped)
		look_for_oom(watch);
}

/*
 * Whether a process that is gone wrote to the journal of late: it was there a
 * moment ago to send a signal, and a record of long ago may be of another
 * process that had its number. Nor is a signal to wait until all was read.
 */
static bool is_journaled(const struct mf__watch *watch, pid_t pid)
{
	struct mf_journal *journal;
	struct mf_event ev;
	bool is_found = false;
	int rc = 0;

	if (mf_journal_open(&journal, watch->journal_dir, NULL) < 0)
		return false;
	if (mf_journal_hosts(journal) > 0)
		rc = mf_journal_seek(
			journal, (now_ms() - SENDER_MS) * NS_PER_MS +
					 (uint64_t)mf_journal_host(journal, 0)
						 ->wall_minus_mono_ns);
	while (rc >= 0 && !is_found && mf_journal_next(journal, &ev) > 0)
		is_found = ev.pid == (uint32_t)pid;
	mf_journal_close(journal);
	return is_found;
}

static bool is_from_inside(const struct mf__watch *watch,
                           const struct signalfd_siginfo *info)
{
	pid_t sender = (pid_t)info->ssi_pid;
	int rc;

	if (info->ssi_code > 0 || sender <= 0)
		return false; /* the kernel, or another pid namespace */
	rc = mf__proc_is_below(sender, getpid());
	return rc < 0 ? is_journaled(watch, sender) : rc > 0;
}

/* What a terminal sends to its whole foreground group. */
static bool is_key(const struct signalfd_siginfo *info)
{
	return info->ssi_code > 0 &&
	       (info->ssi_signo == SIGINT || info->ssi_signo == SIGQUIT ||
	        info->ssi_signo == SIGTSTP || info->ssi_signo == SIGWINCH);
}

/* Whether the command got it by itself, as one of our process group. */
static bool has_it_already(struct mf__watch *watch,
                           const struct signalfd_siginfo *info)
{
	if (getpgid(watch->child) != getpgrp())
		return false;
	return is_key(info) || (watch->witness.fd < 0 && info->ssi_code > 0) ||
	       mf__witness_saw(&watch->witness, (int)info->ssi_signo,
	                       (pid_t)info->ssi_pid, TESTIMONY_MS);
}

static void pass_on(const struct mf__watch *watch,
                    const struct signalfd_siginfo *info)
{
	int signo = (int)info->ssi_signo;
	union sigval value = {0};

	memcpy(&value, &info->ssi_ptr, sizeof(value));
	if (info->ssi_code == SI_QUEUE)
		sigqueue(watch->child, signo, value);
	else
		kill(watch->child, signo);
}

static bool asks_for_an_end(int signo)
{
	return signo == SIGINT || signo == SIGTERM || signo == SIGHUP ||
	       signo == SIGQUIT;
}

static void take_signal(struct mf__watch *watch,
                        const struct signalfd_siginfo *info)
{
	int signo = (int)info->ssi_signo;
	bool is_inside;

	if (watch->witness.pid && (pid_t)info->ssi_pid == watch->witness.pid)
		return; /* it woke us up */
	is_inside = is_from_inside(watch, info);
	if (signo != SIGWINCH)
		mf__story_signal(watch->story, signo, (pid_t)info->ssi_pid,
		                 is_inside ? "from inside the run, not obeyed"
		                           : NULL);
	if (is_inside)
		return;
	if (watch->is_over)
		watch->wants_out |= asks_for_an_end(signo);
	else if (!has_it_already(watch, info))
		pass_on(watch, info);
}

/* Sleep until something happens, and see to it. */
static void watch_once(struct mf__watch *watch, int timeout_ms)
{
	struct pollfd fd = {.fd = watch->signal_fd, .events = POLLIN};
	struct signalfd_siginfo info;

	if (poll(&fd, 1, timeout_ms) <= 0)
		return;
	while (read(watch->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(watch);
		else
			take_signal(watch, &info);
	}
}

void mf__watch_command(struct mf__watch *watch)
{
	while (!watch->is_over)
		watch_once(watch, -1);
}

/* Whether a process left over will end soon, as far as one can tell. */
static bool is_worth_waiting(const struct mf__watch *watch, pid_t pid)
{
	struct mf__proc proc;

	if (mf__proc_read(&proc, pid) < 0)
		return false;
	if (proc.state == 'Z')
		return true;
	return proc.state != 'T' && proc.state != 't' &&
	       (proc.sid == getsid(0) || proc.sid == watch->child_sid) &&
	       (watch->ignores_hup || !mf__proc_ignores(pid, SIGHUP));
}

static bool has_somebody_to_wait_for(const struct mf__watch *watch)
{
	struct mf_buf pids = {0};
	bool is_so = true; /* where /proc does not say */

	if (mf__proc_children(&pids, getpid()) == 0) {
		is_so = false;
		for (size_t i = 0; i < mf__pids_len(&pids) && !is_so; i++)
			is_so = is_worth_waiting(watch, mf__pids_at(&pids, i));
	}
	mf_buf_clear(&pids);
	return is_so;
}

static size_t tell_left(const struct mf__watch *watch)
{
	struct mf_buf pids = {0};
	size_t left;

	mf_ignore(mf__proc_descendants(&pids, getpid(), LEFT_MAX),
	          "what /proc does not say is not told");
	left = mf__pids_len(&pids);
	if (left == 0) /* there are some: nobody may cut what they write to */
		left = 1;
	for (size_t i = 0; i < mf__pids_len(&pids); i++)
		mf__story_left(watch->story, mf__pids_at(&pids, i));
	mf_buf_clear(&pids);
	return left;
}

size_t mf__watch_orphans(struct mf__watch *watch, uint64_t drain_ms)
{
	uint64_t deadline = now_ms() + drain_ms;
	uint64_t look_ms = LOOK_FIRST_MS;
	size_t left = 0;

	/* Nothing is passed on any more, and it is a child like the others. */
	mf__witness_stop(&watch->witness);
	reap(watch);
	/* A daemon may be seen before it has become one: look again. */
	while (!watch->is_childless && !watch->wants_out) {
		uint64_t now = now_ms();

		if (now >= deadline || !has_somebody_to_wait_for(watch))
			break;
		if (look_ms > deadline - now)
			look_ms = deadline - now;
		watch_once(watch, (int)look_ms);
		look_ms = look_ms * 2 < LOOK_MAX_MS ? look_ms * 2 : LOOK_MAX_MS;
	}
	if (!watch->is_childless)
		left = tell_left(watch);
	look_for_oom(watch);
	return left;
}

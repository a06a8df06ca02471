#include "system/signals.h"

#include <errno.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Raised by what a process does itself: they keep their meaning. */
static const int own[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP,
                          SIGSYS,  SIGABRT, SIGPIPE, SIGXFSZ, SIGXCPU};

static void ignore(int signo, struct sigaction *saved)
{
	struct sigaction act = {.sa_handler = SIG_IGN};

	sigaction(signo, &act, saved);
}

int mf__signals_take(struct mf__signals *saved)
{
	struct sigaction act = {.sa_handler = SIG_DFL};
	sigset_t set;
	int fd;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		sigdelset(&set, own[i]);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	pthread_sigmask(SIG_BLOCK, &set, &saved->mask);
	ignore(SIGXFSZ, &saved->xfsz);
	ignore(SIGXCPU, &saved->xcpu);
	ignore(SIGPIPE, &saved->pipe);
	sigaction(SIGCHLD, &act, &saved->chld);
	return fd;
}

void mf__signals_restore(const struct mf__signals *saved)
{
	sigaction(SIGXFSZ, &saved->xfsz, NULL);
	sigaction(SIGXCPU, &saved->xcpu, NULL);
	sigaction(SIGPIPE, &saved->pipe, NULL);
	sigaction(SIGCHLD, &saved->chld, NULL);
	pthread_sigmask(SIG_SETMASK, &saved->mask, NULL);
}

void mf__signals_stop(int signo)
{
	struct sigaction act = {.sa_handler = SIG_DFL};
	struct sigaction saved;
	sigset_t set;

	if (signo == SIGSTOP) {
		kill(getpid(), SIGSTOP);
		return;
	}
	sigaction(signo, &act, &saved);
	kill(getpid(), signo);
	sigemptyset(&set);
	sigaddset(&set, signo);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* here it stops */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigaction(signo, &saved, NULL);
}

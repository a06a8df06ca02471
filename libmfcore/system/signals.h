/*
 * All signals of a process that stands in for another, as a queue to read.
 *
 * Threads: call before the process has other threads.
 */
#ifndef MF_SYSTEM_SIGNALS_H
#define MF_SYSTEM_SIGNALS_H

#include <signal.h>

#include "mfcore/attr.h"

struct mf__signals {
	sigset_t mask; /* as it was */
	struct sigaction xfsz, xcpu, pipe, chld;
};

/*
 * Block every signal that can come from outside and return a signalfd for
 * them; ignore those that what we do ourselves may raise (SIGPIPE, SIGXFSZ,
 * SIGXCPU). SIGCHLD gets its default, or children would reap themselves.
 *
 * Errors: what signalfd(2) gives; then nothing has changed.
 */
MF_MUST_USE int mf__signals_take(struct mf__signals *saved);

/*
 * Put everything back as it was; made for a forked child too. What was sent
 * meanwhile and not read arrives now.
 */
void mf__signals_restore(const struct mf__signals *saved);

/* Stop this process by `signo` (SIGSTOP, SIGTSTP, ...), until SIGCONT. */
void mf__signals_stop(int signo);

#endif /* MF_SYSTEM_SIGNALS_H */

/*
 * Was a signal sent to this process, or to its whole group?
 *
 * siginfo does not say. A process that passes signals on to its child must
 * know: the terminal, a shell and timeout(1) signal the group, where the child
 * has its own already; kill(1) and a container runtime signal one process. The
 * witness is a small forked child that sits in the same group with everything
 * blocked and tells what it got.
 *
 * It also wakes this process up from a stop that nobody else would end: see
 * mf__witness_guard().
 *
 * Threads: one.
 */
#ifndef MF_SYSTEM_WITNESS_H
#define MF_SYSTEM_WITNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mfcore/attr.h"

#define MF__WITNESS_KEEPS 16

struct mf__testimony {
	int signo;
	pid_t sender;
	uint64_t at_ms; /* when it arrived */
	bool is_used;
};

struct mf__witness {
	pid_t pid; /* 0: there is none */
	int fd;
	unsigned next;
	struct mf__testimony told[MF__WITNESS_KEEPS];
};

/*
 * Start it. `signal_fd` is that of mf__signals_take(), which must have been
 * called. It holds no other descriptor of this process and dies with it.
 *
 * Errors: what fork(2) and socketpair(2) give; then there is no witness.
 */
MF_MUST_USE int mf__witness_start(struct mf__witness *witness, int signal_fd);

/*
 * Whether it got `signo` from `sender` too. Waits for it up to `timeout_ms`.
 * A testimony holds for a second signal right behind the first: some send one
 * to the process and another to the group. Without a witness: false.
 */
bool mf__witness_saw(struct mf__witness *witness, int signo, pid_t sender,
                     int timeout_ms);

/*
 * Have SIGCONT sent to this process when `pid`, stopped now, runs again or is
 * gone. Returns false when nobody would.
 */
bool mf__witness_guard(struct mf__witness *witness, pid_t pid);

/* End it and reap it. */
void mf__witness_stop(struct mf__witness *witness);

#endif /* MF_SYSTEM_WITNESS_H */

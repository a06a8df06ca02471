/*
 * Start a program in two steps: first there is a process, held before exec;
 * then it goes on, and whether exec worked is known.
 */
#ifndef MF_SYSTEM_SPAWN_H
#define MF_SYSTEM_SPAWN_H

#include <sys/resource.h>
#include <sys/types.h>

#include "mfcore/attr.h"
#include "system/signals.h"

struct mf__spawn {
	char *const *argv;
	char *const *environ; /* its PATH does not count: ours does */
	const struct mf__signals *signals; /* to restore in the child */
	const struct rlimit *file_size;    /* the same, or NULL */
};

struct mf__spawned {
	pid_t pid;
	int fd; /* the child waits at the other end */
};

/* Errors: what fork(2) and socketpair(2) give. */
MF_MUST_USE int mf__spawn_hold(struct mf__spawned *out,
                               const struct mf__spawn *what);

/*
 * Let it run the program. Returns 0, or what execvp(3) gave; then the child
 * has ended and is to be reaped.
 */
MF_MUST_USE int mf__spawn_release(struct mf__spawned *spawned);

#endif /* MF_SYSTEM_SPAWN_H */

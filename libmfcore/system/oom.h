/*
 * The kernel's counts of processes it killed for want of memory, read when
 * somebody asks, so that a SIGKILL nobody sent can be explained.
 */
#ifndef MF_SYSTEM_OOM_H
#define MF_SYSTEM_OOM_H

#include <stdbool.h>
#include <stdint.h>

enum mf__oom_scope {
	MF__OOM_MACHINE,
	MF__OOM_CGROUP, /* of this process */
	MF__OOM_SCOPES
};

struct mf__oom {
	char *path[MF__OOM_SCOPES]; /* NULL: not to be read here */
	uint64_t count[MF__OOM_SCOPES];
};

void mf__oom_init(struct mf__oom *oom);

/* How much a count grew since it was last asked. */
uint64_t mf__oom_grown(struct mf__oom *oom, enum mf__oom_scope scope);

void mf__oom_clear(struct mf__oom *oom);

#endif /* MF_SYSTEM_OOM_H */

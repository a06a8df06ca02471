/*
 * What /proc says of a process, as far as a parent needs it.
 *
 * Everything here may be gone the next instant; where there is no /proc every
 * question is answered with "not known".
 */
#ifndef MF_SYSTEM_PROC_H
#define MF_SYSTEM_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mfcore/attr.h"
#include "mfcore/buf.h"

struct mf__proc {
	pid_t pid;
	pid_t ppid;
	pid_t pgid;
	pid_t sid;
	char state; /* R S D Z T ... as proc(5) */
	uint64_t start_ticks;
};

/* Errors: -ESRCH, gone or not known. */
MF_MUST_USE int mf__proc_read(struct mf__proc *out, pid_t pid);

/* Its start, or 0. */
uint64_t mf__proc_start(pid_t pid);

/* Whether `ancestor` is above `pid`: 1, 0, or -ESRCH when pid is gone. */
MF_MUST_USE int mf__proc_is_below(pid_t pid, pid_t ancestor);

/* Whether it ignores a signal. */
bool mf__proc_ignores(pid_t pid, int signo);

/* Append its arguments, each ended by a NUL; nothing when not known. */
void mf__proc_argv(struct mf_buf *out, pid_t pid);

/*
 * Append the pids (pid_t) of the children of `parent`. Errors: -ENOENT, not
 * known.
 */
MF_MUST_USE int mf__proc_children(struct mf_buf *out, pid_t parent);

/* The same with their children, and so on, at most `max` of them. */
MF_MUST_USE int mf__proc_descendants(struct mf_buf *out, pid_t root,
                                     size_t max);

/* How many pids, and the i-th, of what the two above appended. */
size_t mf__pids_len(const struct mf_buf *pids);
pid_t mf__pids_at(const struct mf_buf *pids, size_t i);

/* Append a small file of /proc or /sys. 0 or -errno. */
MF_MUST_USE int mf__proc_file(struct mf_buf *out, const char *path);

#endif /* MF_SYSTEM_PROC_H */

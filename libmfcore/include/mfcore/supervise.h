/*
 * Run a command as the recorder's child.
 *
 * The caller's process becomes the recorder until the command has ended. It
 * stands between the command and whoever started it, and neither should
 * notice:
 *
 * - The command inherits every descriptor, limit, signal disposition and the
 *   signal mask, the process group and the terminal. The recorder lets go of
 *   what it inherited, so that the far end of a pipe sees its end as without
 *   it; standard error it keeps unless told to be quiet.
 * - Signals to the whole group (Ctrl-C, a shell, timeout) reach the command by
 *   themselves and are only journaled here. Signals to the recorder alone are
 *   passed on, unless they come from inside the recorded tree: orphans of the
 *   run have the recorder for a parent where they had init, and a sidecar that
 *   signals its parent must not end the run.
 * - When the command stops, so does the recorder, and both go on together.
 *
 * It becomes the reaper of orphans below it, takes their exit status and, once
 * the command has ended, waits for them up to `drain_ms`; sidecars of a run
 * end a moment after it. It does not wait for who left on purpose: a process
 * in a kernel session other than the recorder's and the command's (a daemon),
 * one that ignores SIGHUP (nohup), one that is stopped. SIGINT, SIGTERM,
 * SIGHUP or SIGQUIT end the waiting.
 *
 * The command never depends on the recorder: killed at any moment, it leaves
 * the command running, and recording into the same journal.
 *
 * Threads: the calling process must have none but the caller's.
 */
#ifndef MFCORE_SUPERVISE_H
#define MFCORE_SUPERVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mfcore/attr.h"
#include "mfcore/err.h"
#include "mfcore/session.h"

struct mf_supervise_options {
	const struct mf_session *session; /* made by mf_session_create() */
	char *const *argv;                /* of the command, ended by NULL */
	char *const *environ;             /* the command's */
	const char *preload;              /* absolute path of libmfrecord.so */
	const char *version;              /* of the recorder */
	const char *name;                 /* --name, or NULL */
	const char *env_allow;            /* as mf_segment_options has it */
	uint64_t output_max;              /* bytes per stream and process */
	uint64_t session_max;             /* bytes */
	uint64_t drain_ms;
	bool no_output;
	bool no_python;
	bool is_quiet;
};

struct mf_supervised {
	int wait_status; /* of the command, as waitpid(2) gives it */
	int exec_errno;  /* 0, or why the command could not be executed */
	size_t left;     /* processes of it that still run */
};

/*
 * Run the command. On success it has ended, or could not be executed, and the
 * session is complete. On failure nothing was started and the process is as
 * before, so that the caller can still execute the command itself.
 *
 * Errors: what mf_segment_create() and mf_preparer_start() give; what fork(2),
 *         signalfd(2) and mkdtemp(3) give; -EBUSY; -ENOMEM.
 * Cost:   blocks; while nothing happens it sleeps.
 */
MF_MUST_USE int mf_supervise(struct mf_supervised *out,
                             const struct mf_supervise_options *options,
                             struct mf_err *err);

#endif /* MFCORE_SUPERVISE_H */

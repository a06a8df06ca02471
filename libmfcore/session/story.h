/*
 * What the recorder itself has to tell: one function per record.
 *
 * Secrets are replaced here, before anything reaches the journal.
 *
 * Threads: one story, one thread.
 */
#ifndef MF_SESSION_STORY_H
#define MF_SESSION_STORY_H

#include <sys/resource.h>
#include <sys/types.h>

#include "mfcore/supervise.h"
#include "mfcore/writer.h"

struct mf__story {
	struct mf_writer writer;
	struct mf_lane lane;
	const char *env_allow;
};

#define MF__HOST_MAX 64
#define MF__BOOT_ID_MAX 40

/* This host's name, fit to stand in a file's name, and its boot id. */
void mf__story_host(char host[MF__HOST_MAX], char boot_id[MF__BOOT_ID_MAX]);

void mf__story_session(struct mf__story *story,
                       const struct mf_supervise_options *options);

struct mf__story_exec {
	char *const *argv;
	const char *exe;   /* the file, or NULL */
	const char *blind; /* why it will record nothing itself, or NULL */
	int error;         /* why it was not executed, or 0 */
};

/* The command, process `pid`, is about to be executed, or was not. */
void mf__story_exec(struct mf__story *story, pid_t pid,
                    const struct mf__story_exec *exec);

/* A status was taken, of the command (WAIT) or of an orphan (REAP). */
void mf__story_status(struct mf__story *story, enum mf_event_type type,
                      pid_t pid, uint64_t start_ticks, int status,
                      const struct rusage *usage);

/* A signal came in; `reason` says why it stops here, or NULL. */
void mf__story_signal(struct mf__story *story, int signo, pid_t sender,
                      const char *reason);

/*
 * The kernel killed `count` processes of `scope` for want of memory;
 * `elsewhere` says that they were none of ours, or NULL.
 */
void mf__story_oom(struct mf__story *story, const char *scope, uint64_t count,
                   const char *path, const char *elsewhere);

void mf__story_left(struct mf__story *story, pid_t pid);
void mf__story_note(struct mf__story *story, const char *text, int error);
void mf__story_end(struct mf__story *story, const struct mf_supervised *how);

#endif /* MF_SESSION_STORY_H */

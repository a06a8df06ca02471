/*
 * What the recorder does while the command runs, and after.
 */
#ifndef MF_SESSION_WATCH_H
#define MF_SESSION_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "mfcore/supervise.h"
#include "session/story.h"
#include "system/oom.h"
#include "system/witness.h"

struct mf__watch {
	struct mf__story *story;
	const char *journal_dir;
	struct mf__witness witness;
	struct mf__oom oom;
	int signal_fd;
	pid_t child;
	pid_t child_sid; /* its kernel session when it ended */
	int child_status;
	bool is_over;      /* the command's status was taken */
	bool is_childless; /* and nobody else's is to come */
	bool wants_out;    /* somebody asked for an end of the waiting */
	bool ignores_hup;  /* so does everybody below, without meaning it */
};

/* Until the command has ended. */
void mf__watch_command(struct mf__watch *watch);

/*
 * Then until its orphans have, `drain_ms` at most. Returns how many processes
 * are left, each with its record.
 */
size_t mf__watch_orphans(struct mf__watch *watch, uint64_t drain_ms);

#endif /* MF_SESSION_WATCH_H */

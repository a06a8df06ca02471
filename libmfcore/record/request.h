/*
 * A request for another program image, whatever function it comes by: what is
 * recorded of it, and which environment the new image gets.
 *
 * Runs between vfork and exec: nothing here allocates or locks.
 */
#ifndef MF_RECORD_REQUEST_H
#define MF_RECORD_REQUEST_H

#include "record/fds.h"
#include "record/record.h"
#include "system/target.h"

/* One request for another image. */
struct mf__request {
	const char *via;
	const char *path;
	char *const *argv;
	char *const *envp;
	const char *blind; /* why the new image records nothing itself */
	enum mf_target target;
	bool injects;
	bool is_taken;
	uint32_t pid;
	uint32_t tries;
	struct mf__stdio stdio;
	struct mf__scratch *scratch;

	/* The call as it was made, for exec functions. */
	int (*call)(const struct mf__request *req, char *const *envp);
	const char *file;
	int fd;
	int flags;
};

/*
 * Get ready to record the request; false: pass the call on as it is. Without
 * memory to work in, the new image and what it starts stay unrecorded, since
 * its environment must be built somewhere.
 */
bool mf__request_begin(struct mf__request *req);

/* Whether the new image gets our entries, and if not, why. */
void mf__request_judge(struct mf__request *req, enum mf_target target);

/* The environment that the call is to pass. */
char *const *mf__request_environ(const struct mf__request *req);

/* Our entries are what made it too long: leave them out. */
void mf__request_give_way(struct mf__request *req);

/* Write it down; `error` is an errno, 0 before a call that may succeed. */
void mf__request_record(const struct mf__request *req, int error);

/* Tell the process that made the child's pipes what they are for. */
void mf__request_mark(const struct mf__request *req);

/* The value of PATH. */
const char *mf__search_path(void);

#endif /* MF_RECORD_REQUEST_H */

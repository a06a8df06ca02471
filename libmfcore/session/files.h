/*
 * The descriptors a process inherited for the command it stands in for.
 */
#ifndef MF_SESSION_FILES_H
#define MF_SESSION_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "mfcore/attr.h"

struct mf__inherited {
	int *fds; /* from 3 on, not close-on-exec */
	size_t len;
	size_t cap;
};

/*
 * Note them, before any is opened for ourselves. Of 0, 1 and 2, those that are
 * closed are filled, close-on-exec: no file of ours must get such a number,
 * where a message would be written into it, and the command finds them closed.
 *
 * Errors: -ENOMEM. Where /proc does not say, none are noted.
 */
MF_MUST_USE int mf__inherited_init(struct mf__inherited *out);

/*
 * Close them, and point 0 and 1 (and 2) to nowhere: the command has its own,
 * and the other end of a pipe waits for the last to go.
 */
void mf__inherited_let_go(struct mf__inherited *inherited, bool with_stderr);

void mf__inherited_clear(struct mf__inherited *inherited);

#endif /* MF_SESSION_FILES_H */

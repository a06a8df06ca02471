/*
 * The life of a recorded session, told event by event into a model, the way
 * the recorder tells it.
 *
 *	struct life l;
 *
 *	life_begin(&l);
 *	life_start(&l, 0.1, 100, LIFE_RECORDER, "python3 f.py run");
 *	life_exit(&l, 5.0, 100, 0);
 *	root = life_tree(&l);
 *	...
 *	life_end(&l);
 */
#ifndef MFTEST_LIFE_H
#define MFTEST_LIFE_H

#include "mfcore/model.h"
#include "support/events.h"

#define LIFE_RECORDER 10u

struct life {
	struct events e;
	struct mf_model *model;
	double now;
};

/* A model that has seen its session begin. */
void life_begin(struct life *l);
void life_end(struct life *l);

/* Fold what e holds; fails the test when the model does. */
void life_fold(struct life *l);

/* Begin an event of process `pid`; its start ticks are pid * 10. */
void life_by(struct life *l, enum mf_event_type type, double t, uint32_t pid);

void life_start(struct life *l, double t, uint32_t pid, uint32_t ppid,
                const char *cmdline);
void life_exec(struct life *l, double t, uint32_t caller, uint32_t pid,
               const char *cmdline);
void life_fork(struct life *l, double t, uint32_t pid, uint32_t ppid);
void life_fork_by(struct life *l, double t, uint32_t pid, uint32_t ppid,
                  const char *function);
void life_exit(struct life *l, double t, uint32_t pid, int code);
void life_wait(struct life *l, double t, uint32_t parent, uint32_t pid,
               int status);
void life_reap(struct life *l, double t, uint32_t pid, int status);
void life_kill(struct life *l, double t, uint32_t sender, int target,
               int signo);
void life_write(struct life *l, double t, uint32_t pid, int stream,
                const char *text);
void life_mark(struct life *l, double t, uint32_t pid, const char *path,
               const char *content);
void life_sidecar(struct life *l, double t, uint32_t owner, uint32_t pid,
                  unsigned inode, const char *type);
void life_send(struct life *l, double t, uint32_t pid, unsigned inode,
               const char *data, int64_t result);
void life_recv(struct life *l, double t, uint32_t pid, unsigned inode,
               const char *data);
/* The session ends with the command's wait status. */
void life_over(struct life *l, double t, uint32_t pid, int status);

const struct mf_node *life_tree(struct life *l, bool is_open);

/* The node with this id, of the latest tree; fails the test without one. */
const struct mf_node *life_node(struct life *l, const char *id);

/* Start of a step's process under a scheduler. */
void life_step(struct life *l, double t, uint32_t pid, uint32_t ppid,
               const char *step, const char *task, int attempt);

#define LIFE_SCHEDULER "/usr/bin/python3 hello.py run"
#define LIFE_RUN "1795"
#define LIFE_DS "/w/.metaflow/Hello/1795/"

#endif /* MFTEST_LIFE_H */

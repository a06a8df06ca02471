#include "support/life.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"

void life_fold(struct life *l)
{
	assert_int_equal(mf_model_fold(l->model, events_end(&l->e), NULL), 0);
}

void life_by(struct life *l, enum mf_event_type type, double t, uint32_t pid)
{
	l->e.pid = pid;
	l->e.tid = pid;
	l->e.start = (uint64_t)pid * 10;
	events_begin(&l->e, type, t);
}

void life_begin(struct life *l)
{
	memset(l, 0, sizeof(*l));
	assert_int_equal(mf_model_new(&l->model), 0);
	life_by(l, MF_EV_SESSION, 0, LIFE_RECORDER);
	events_str(&l->e, MF_F_NAME, "20261124-120000-abcd");
	events_words(&l->e, MF_F_ARGV, LIFE_SCHEDULER);
	events_str(&l->e, MF_F_CWD, "/w");
	events_u64(&l->e, MF_F_PID, 100);
	life_fold(l);
}

void life_end(struct life *l)
{
	mf_model_free(l->model);
}

void life_start(struct life *l, double t, uint32_t pid, uint32_t ppid,
                const char *cmdline)
{
	life_by(l, MF_EV_PROC_START, t, pid);
	events_u64(&l->e, MF_F_PPID, ppid);
	events_u64(&l->e, MF_F_START_TICKS, (uint64_t)pid * 10);
	events_words(&l->e, MF_F_ARGV, cmdline);
	events_str(&l->e, MF_F_CWD, "/w");
	events_u64(&l->e, MF_F_PGID, 100);
	events_u64(&l->e, MF_F_STDOUT, (uint64_t)pid * 1000 + 1);
	events_u64(&l->e, MF_F_STDERR, (uint64_t)pid * 1000 + 2);
	life_fold(l);
}

void life_exec(struct life *l, double t, uint32_t caller, uint32_t pid,
               const char *cmdline)
{
	life_by(l, MF_EV_PROC_EXEC, t, caller);
	events_u64(&l->e, MF_F_PID, pid);
	events_words(&l->e, MF_F_ARGV, cmdline);
	events_str(&l->e, MF_F_VIA, "execve");
	life_fold(l);
}

void life_fork(struct life *l, double t, uint32_t pid, uint32_t ppid)
{
	life_fork_by(l, t, pid, ppid, NULL);
}

void life_fork_by(struct life *l, double t, uint32_t pid, uint32_t ppid,
                  const char *function)
{
	life_by(l, MF_EV_PROC_FORK, t, pid);
	events_u64(&l->e, MF_F_PPID, ppid);
	events_u64(&l->e, MF_F_START_TICKS, (uint64_t)pid * 10);
	if (function)
		events_str(&l->e, MF_F_FUNCTION, function);
	life_fold(l);
}

void life_exit(struct life *l, double t, uint32_t pid, int code)
{
	life_by(l, MF_EV_PROC_EXIT, t, pid);
	events_i64(&l->e, MF_F_CODE, code);
	events_u64(&l->e, MF_F_UTIME_US, 1000);
	life_fold(l);
}

void life_wait(struct life *l, double t, uint32_t parent, uint32_t pid,
               int status)
{
	life_by(l, MF_EV_PROC_WAIT, t, parent);
	events_u64(&l->e, MF_F_PID, pid);
	events_u64(&l->e, MF_F_STATUS, (uint64_t)status);
	life_fold(l);
}

void life_reap(struct life *l, double t, uint32_t pid, int status)
{
	life_by(l, MF_EV_PROC_REAP, t, LIFE_RECORDER);
	events_u64(&l->e, MF_F_PID, pid);
	events_u64(&l->e, MF_F_STATUS, (uint64_t)status);
	life_fold(l);
}

void life_kill(struct life *l, double t, uint32_t sender, int target, int signo)
{
	life_by(l, MF_EV_SIGNAL, t, sender);
	events_i64(&l->e, MF_F_TARGET, target);
	events_u64(&l->e, MF_F_SIGNO, (uint64_t)signo);
	events_i64(&l->e, MF_F_RESULT, 0);
	life_fold(l);
}

void life_write(struct life *l, double t, uint32_t pid, int stream,
                const char *text)
{
	life_by(l, MF_EV_OUTPUT, t, pid);
	events_u64(&l->e, MF_F_STREAM, (uint64_t)stream);
	events_u64(&l->e, MF_F_INODE, (uint64_t)pid * 1000 + (uint64_t)stream);
	events_str(&l->e, MF_F_DATA, text);
	life_fold(l);
}

void life_mark(struct life *l, double t, uint32_t pid, const char *path,
               const char *content)
{
	life_by(l, MF_EV_MARK, t, pid);
	events_str(&l->e, MF_F_PATH, path);
	events_str(&l->e, MF_F_DATA, content);
	life_fold(l);
}

void life_sidecar(struct life *l, double t, uint32_t owner, uint32_t pid,
                  unsigned inode, const char *type)
{
	life_by(l, MF_EV_SIDECAR, t, owner);
	events_u64(&l->e, MF_F_PID, pid);
	events_u64(&l->e, MF_F_INODE, inode);
	events_str(&l->e, MF_F_NAME, type);
	life_fold(l);
}

void life_send(struct life *l, double t, uint32_t pid, unsigned inode,
               const char *data, int64_t result)
{
	size_t len = strlen(data);

	life_by(l, MF_EV_PIPE_SEND, t, pid);
	events_u64(&l->e, MF_F_INODE, inode);
	events_u64(&l->e, MF_F_WANTED, len);
	events_i64(&l->e, MF_F_RESULT, result);
	if (result >= 0 && (size_t)result < len)
		len = (size_t)result;
	events_bytes(&l->e, MF_F_DATA, data, len);
	life_fold(l);
}

void life_recv(struct life *l, double t, uint32_t pid, unsigned inode,
               const char *data)
{
	life_by(l, MF_EV_PIPE_RECV, t, pid);
	events_u64(&l->e, MF_F_INODE, inode);
	events_i64(&l->e, MF_F_RESULT, (int64_t)strlen(data));
	events_str(&l->e, MF_F_DATA, data);
	life_fold(l);
}

void life_over(struct life *l, double t, uint32_t pid, int status)
{
	life_by(l, MF_EV_SESSION_END, t, LIFE_RECORDER);
	events_u64(&l->e, MF_F_PID, pid);
	events_u64(&l->e, MF_F_STATUS, (uint64_t)status);
	life_fold(l);
}

const struct mf_node *life_tree(struct life *l, bool is_open)
{
	const struct mf_node *root;

	assert_int_equal(mf_model_tree(l->model, is_open, &root), 0);
	return root;
}

const struct mf_node *life_node(struct life *l, const char *id)
{
	const struct mf_node *root = life_tree(l, false);
	const struct mf_node *node = root;

	while (node && !mf_str_is(node->id, id))
		node = mf_node_walk(root, node);
	if (!node)
		fail_msg("no node '%s'", id);
	return node;
}

void life_step(struct life *l, double t, uint32_t pid, uint32_t ppid,
               const char *step, const char *task, int attempt)
{
	char line[512];

	snprintf(line, sizeof(line),
	         "/usr/bin/python3 hello.py --quiet --metadata local "
	         "--environment local --datastore local --event-logger "
	         "nullSidecarLogger --monitor nullSidecarMonitor "
	         "--datastore-root /w/.metaflow step %s --run-id %s --task-id "
	         "%s --input-paths %s/start/1 --retry-count %d "
	         "--max-user-code-retries 0 --namespace user:x",
	         step, LIFE_RUN, task, LIFE_RUN, attempt);
	life_exec(l, t, ppid, pid, line);
	life_start(l, t + 0.01, pid, ppid, line);
}

/*
 * The posix_spawn family.
 */
#include <errno.h>
#include <spawn.h>
#include <string.h>

#include "record/request.h"

/*
 * Which descriptors a spawned child will have as 0, 1 and 2: what dup2 actions
 * this thread added to the list last said so. Python 3.13 spawns this way.
 */
#define ACTIONS_MAX 16

static __thread struct {
	const posix_spawn_file_actions_t *list;
	int from;
	int to;
} actions[ACTIONS_MAX];
static __thread unsigned actions_used;

static void forget_actions(const posix_spawn_file_actions_t *list)
{
	for (unsigned i = 0; i < ACTIONS_MAX; i++) {
		if (actions[i].list == list)
			actions[i].list = NULL;
	}
}

MF__EXPORT int posix_spawn_file_actions_init(posix_spawn_file_actions_t *list)
{
	forget_actions(list);
	return MF__REAL(posix_spawn_file_actions_init)(list);
}

MF__EXPORT int
posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *list, int from,
                                 int to)
{
	if (to >= 0 && to <= 2) {
		unsigned i = actions_used++ % ACTIONS_MAX;

		actions[i].list = list;
		actions[i].from = from;
		actions[i].to = to;
	}
	return MF__REAL(posix_spawn_file_actions_adddup2)(list, from, to);
}

static struct mf__stdio stdio_of(const posix_spawn_file_actions_t *list)
{
	struct mf__stdio stdio = mf__stdio_now();

	for (unsigned i = 0; list && i < ACTIONS_MAX; i++) {
		if (actions[i].list == list)
			stdio.inode[actions[i].to] = mf__inode(actions[i].from);
	}
	return stdio;
}

/*
 * A spawn whose child's pid is known only after it: the record of the exec and
 * the marks on the pipes come then, before the caller can write to them.
 */
struct spawn {
	struct mf__request req;
	const posix_spawn_file_actions_t *list;
	const posix_spawnattr_t *attr;
	bool searches;
};

static int call_spawn(const struct spawn *spawn, pid_t *pid, char *const *envp)
{
	const struct mf__request *req = &spawn->req;

	if (spawn->searches)
		return MF__REAL(posix_spawnp)(pid, req->file, spawn->list,
		                              spawn->attr, req->argv, envp);
	return MF__REAL(posix_spawn)(pid, req->file, spawn->list, spawn->attr,
	                             req->argv, envp);
}

static int run_spawn(struct spawn *spawn, pid_t *pid)
{
	struct mf__request *req = &spawn->req;
	int saved = errno;
	pid_t own = 0;
	int rc;

	req->stdio = stdio_of(spawn->list);
	rc = call_spawn(spawn, &own, mf__request_environ(req));
	if (rc == E2BIG && req->injects) {
		mf__request_give_way(req);
		rc = call_spawn(spawn, &own, mf__request_environ(req));
	}
	req->pid = rc == 0 ? (uint32_t)own : 0;
	mf__request_record(req, rc);
	if (rc == 0)
		mf__request_mark(req);
	mf__scratch_give(req->scratch);
	if (rc == 0 && pid)
		*pid = own;
	errno = saved;
	return rc;
}

static int spawn_path(struct spawn *spawn, pid_t *pid, char *const *envp)
{
	struct mf__request *req = &spawn->req;

	req->envp = envp;
	if (!req->path || !mf__request_begin(req))
		return call_spawn(spawn, pid, envp);
	mf__request_judge(req, mf__target_inspect(req->path));
	return run_spawn(spawn, pid);
}

int mf__spawn(pid_t *pid, const char *path, const posix_spawnattr_t *attr,
              char *const argv[], char *const envp[], const char *via)
{
	struct spawn spawn = {
		.req = {.via = via, .path = path, .file = path, .argv = argv},
		.attr = attr,
	};

	return spawn_path(&spawn, pid, envp);
}

MF__EXPORT int posix_spawn(pid_t *pid, const char *path,
                           const posix_spawn_file_actions_t *list,
                           const posix_spawnattr_t *attr, char *const argv[],
                           char *const envp[])
{
	struct spawn spawn = {
		.req = {.via = "posix_spawn",
	                .path = path,
	                .file = path,
	                .argv = argv},
		.list = list,
		.attr = attr,
	};

	return spawn_path(&spawn, pid, envp);
}

MF__EXPORT int posix_spawnp(pid_t *pid, const char *file,
                            const posix_spawn_file_actions_t *list,
                            const posix_spawnattr_t *attr, char *const argv[],
                            char *const envp[])
{
	struct spawn spawn = {.req = {.via = "posix_spawnp",
	                              .path = file,
	                              .file = file,
	                              .argv = argv,
	                              .envp = envp},
	                      .list = list,
	                      .attr = attr,
	                      .searches = true};
	struct mf__request *req = &spawn.req;
	enum mf_target target = MF_TARGET_MISSING;

	if (!mf__request_begin(req))
		return MF__REAL(posix_spawnp)(pid, file, list, attr, argv,
		                              envp);
	if (mf__target_search(file, mf__search_path(), req->scratch->path,
	                      sizeof(req->scratch->path))) {
		req->path = req->scratch->path;
		target = mf__target_inspect(req->path);
	}
	mf__request_judge(req, target);
	return run_spawn(&spawn, pid);
}

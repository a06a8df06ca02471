/*
 * Other program images: every way libc has to ask for one.
 *
 * These run between vfork and exec, in the memory of a parent whose thread is
 * suspended, and in forked children: nothing here allocates or locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mfcore/command.h"
#include "record/record.h"
#include "system/target.h"

#define ARGV_ROOM 8192 /* of a record; the new image writes all of them */

/* One request for another image. */
struct request {
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
	int (*call)(const struct request *req, char *const *envp);
	const char *file;
	int fd;
	int flags;
};

/* Failed attempts of a search along PATH, by the process that makes them. */
static __thread struct {
	uint32_t pid;
	uint32_t count;
} tries;

static size_t argv_len(char *const *argv)
{
	size_t len = 0;

	for (; argv && *argv && len < ARGV_ROOM; argv++)
		len += strlen(*argv) + 17; /* room for "<redacted>" */
	return len < ARGV_ROOM ? len : ARGV_ROOM;
}

static void record_exec(const struct request *req, int error)
{
	const char *blind = req->blind;
	size_t path_len = strnlen(req->path, 4096);
	size_t args = argv_len(req->argv);
	struct mf_record rec;

	if (!mf__begin(&rec, MF_EV_PROC_EXEC,
	               8 * MF_FIELD_U64 + MF_FIELD_BYTES(path_len) +
	                       MF_FIELD_BYTES(strlen(req->via)) +
	                       MF_FIELD_BYTES(args) +
	                       (blind ? MF_FIELD_BYTES(strlen(blind)) +
	                                        mf__environ_room(req->envp)
	                              : 0)))
		return;
	mf_record_u64(&rec, MF_F_PID, req->pid);
	mf_record_u64(&rec, MF_F_PPID, mf__recorder.writer.pid);
	mf_record_bytes(&rec, MF_F_PATH, req->path, path_len);
	mf_record_bytes(&rec, MF_F_VIA, req->via, strlen(req->via));
	if (error)
		mf_record_u64(&rec, MF_F_ERRNO, (uint64_t)error);
	if (req->tries)
		mf_record_u64(&rec, MF_F_TRIES, req->tries);
	mf_record_u64(&rec, MF_F_STDIN, req->stdio.inode[0]);
	mf_record_u64(&rec, MF_F_STDOUT, req->stdio.inode[1]);
	mf_record_u64(&rec, MF_F_STDERR, req->stdio.inode[2]);
	mf__argv_put(&rec, req->argv, args);
	if (blind) {
		mf_record_bytes(&rec, MF_F_BLIND, blind, strlen(blind));
		mf__environ_put(&rec, req->envp, req->scratch);
	}
	mf_record_end(&rec);
}

static void record_sidecar(const struct request *req, struct mf_str type,
                           int fd)
{
	struct mf_record rec;

	if (!mf__begin(&rec, MF_EV_SIDECAR,
	               4 * MF_FIELD_U64 + MF_FIELD_BYTES(type.len)))
		return;
	mf_record_u64(&rec, MF_F_PID, req->pid);
	mf_record_u64(&rec, MF_F_PPID, mf__fds_maker());
	mf_record_u64(&rec, MF_F_INODE, req->stdio.inode[0]);
	if (fd >= 0)
		mf_record_u64(&rec, MF_F_FD, (uint64_t)fd);
	mf_record_bytes(&rec, MF_F_NAME, type.ptr, type.len);
	mf_record_end(&rec);
}

/* Tell the process that made the child's pipes what they are for. */
static void mark_pipes(const struct request *req)
{
	struct mf_command command;
	size_t n =
		mf__argv_strs(req->argv, req->scratch->args, MF__SCRATCH_ARGS);
	bool is_sidecar = false;
	bool is_captured = false;
	int fd;

	switch (mf_command_classify(req->scratch->args, n, &command)) {
	case MF_CMD_SIDECAR:
		is_sidecar = true;
		break;
	case MF_CMD_STEP:
	case MF_CMD_SPIN_STEP:
	case MF_CMD_REMOTE_STEP:
	case MF_CMD_S3OP:
		is_captured = true;
		break;
	default:
		return;
	}
	fd = mf__fds_mark_child(is_sidecar, is_captured, &req->stdio);
	if (is_sidecar)
		record_sidecar(req, command.word, fd);
}

/*
 * Get ready to record the request; false: pass the call on as it is. Without
 * memory to work in, the new image and what it starts stay unrecorded, since
 * its environment must be built somewhere.
 */
static bool begin(struct request *req)
{
	if (!mf__recorder.is_on)
		return false;
	req->scratch = mf__scratch_take();
	if (!req->scratch)
		mf__note("no memory to record an exec");
	return req->scratch != NULL;
}

/* Whether the new image gets our entries, and if not, why. */
static void judge(struct request *req, enum mf_target target)
{
	req->target = target;
	req->blind = mf__target_blind(target);
	req->injects = target != MF_TARGET_MISSING &&
	               mf__target_takes_injection(target);
	if (req->injects && mf__environ_is_taken(req->envp)) {
		req->injects = false;
		req->is_taken = true;
		req->blind = "recorded into a session of its own";
	} else if (req->injects && !mf__environ_reaches()) {
		req->injects = false;
		req->blind = "the recorder's files are out of its reach";
	}
}

/*
 * Before the call, since nothing comes after one that succeeds. A search along
 * PATH fails once a directory; the first failure is written, and the number of
 * the others goes into the record of the attempt that finds the file.
 */
static void before_exec(struct request *req)
{
	req->pid = mf__true_pid();
	req->tries = tries.pid == req->pid ? tries.count : 0;
	req->stdio = mf__stdio_now();
	if (req->target == MF_TARGET_MISSING)
		return;
	record_exec(req, 0);
	mark_pipes(req);
}

static void after_failure(struct request *req, int error)
{
	if (tries.pid != req->pid) {
		tries.pid = req->pid;
		tries.count = 0;
	}
	tries.count++;
	if (req->target != MF_TARGET_MISSING || tries.count == 1)
		record_exec(req, error);
}

/* Our entries are what made it too long: leave them out. */
static void give_way(struct request *req)
{
	req->injects = false;
	req->blind = "its arguments leave no room for the recorder's";
}

/* The environment that the call is to pass. */
static char *const *environment(const struct request *req)
{
	if (req->target == MF_TARGET_MISSING || req->is_taken)
		return req->envp;
	return mf__environ_build(&req->scratch->env, req->envp, req->injects);
}

static int run_exec(struct request *req)
{
	int error;
	int rc;

	before_exec(req);
	rc = req->call(req, environment(req));
	if (errno == E2BIG && req->injects) {
		give_way(req);
		record_exec(req, 0);
		rc = req->call(req, environment(req));
	}
	error = errno;
	after_failure(req, error);
	mf__scratch_give(req->scratch);
	errno = error;
	return rc;
}

static int call_execve(const struct request *req, char *const *envp)
{
	return MF__REAL(execve)(req->path, req->argv, envp);
}

static int do_execve(const char *path, char *const *argv, char *const *envp,
                     const char *via)
{
	struct request req = {.via = via,
	                      .path = path,
	                      .argv = argv,
	                      .envp = envp,
	                      .call = call_execve};

	if (!begin(&req))
		return MF__REAL(execve)(path, argv, envp);
	judge(&req, mf__target_inspect(path));
	return run_exec(&req);
}

MF__EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	return do_execve(path, argv, envp, "execve");
}

MF__EXPORT int execv(const char *path, char *const argv[])
{
	return do_execve(path, argv, environ, "execv");
}

static const char *search_path(void)
{
	return getenv("PATH");
}

static int call_execvpe(const struct request *req, char *const *envp)
{
	return MF__REAL(execvpe)(req->file, req->argv, envp);
}

static int do_execvpe(const char *file, char *const *argv, char *const *envp,
                      const char *via)
{
	struct request req = {.via = via,
	                      .path = file,
	                      .file = file,
	                      .argv = argv,
	                      .envp = envp,
	                      .call = call_execvpe};
	enum mf_target target = MF_TARGET_MISSING;
	char *found;

	if (!begin(&req))
		return MF__REAL(execvpe)(file, argv, envp);
	found = req.scratch->path;
	if (mf__target_search(file, search_path(), found,
	                      sizeof(req.scratch->path))) {
		req.path = found;
		target = mf__target_inspect(found);
	}
	judge(&req, target);
	return run_exec(&req);
}

MF__EXPORT int execvp(const char *file, char *const argv[])
{
	return do_execvpe(file, argv, environ, "execvp");
}

MF__EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return do_execvpe(file, argv, envp, "execvpe");
}

static int call_fexecve(const struct request *req, char *const *envp)
{
	return MF__REAL(fexecve)(req->fd, req->argv, envp);
}

/* What file a descriptor is, as the kernel names it. */
static const char *path_of(struct mf__scratch *scratch, int fd)
{
	char link[64];
	ssize_t n;

	mf__fd_link(link, fd);
	n = readlink(link, scratch->path, sizeof(scratch->path) - 1);
	scratch->path[n > 0 ? n : 0] = '\0';
	return scratch->path;
}

MF__EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	struct request req = {.via = "fexecve",
	                      .fd = fd,
	                      .argv = argv,
	                      .envp = envp,
	                      .call = call_fexecve};

	if (!begin(&req))
		return MF__REAL(fexecve)(fd, argv, envp);
	req.path = path_of(req.scratch, fd);
	judge(&req, mf__target_inspect_fd(fd));
	return run_exec(&req);
}

static int call_execveat(const struct request *req, char *const *envp)
{
	return MF__REAL(execveat)(req->fd, req->file, req->argv, envp,
	                          req->flags);
}

static enum mf_target inspect_at(int dir, const char *path)
{
	enum mf_target target = MF_TARGET_MISSING;
	int fd = (int)syscall(SYS_openat, dir, path,
	                      O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0) {
		target = mf__target_inspect_fd(fd);
		syscall(SYS_close, fd);
	} else if (errno != ENOENT && errno != ENOTDIR) {
		target = MF_TARGET_UNREADABLE;
	}
	return target;
}

MF__EXPORT int execveat(int dir, const char *path, char *const argv[],
                        char *const envp[], int flags)
{
	struct request req = {.via = "execveat",
	                      .path = path,
	                      .file = path,
	                      .fd = dir,
	                      .flags = flags,
	                      .argv = argv,
	                      .envp = envp,
	                      .call = call_execveat};

	if (!begin(&req))
		return MF__REAL(execveat)(dir, path, argv, envp, flags);
	if ((flags & AT_EMPTY_PATH) && path[0] == '\0') {
		req.path = path_of(req.scratch, dir);
		judge(&req, mf__target_inspect_fd(dir));
	} else {
		judge(&req, inspect_at(dir, path));
	}
	return run_exec(&req);
}

/* The arguments of a call like execl, as a list. */
struct args {
	char **list;
	void *map;
	size_t map_len;
	char *small[64];
};

static bool collect(struct args *args, const char *first, va_list *ap)
{
	va_list again;
	size_t n = 1;

	va_copy(again, *ap);
	while (first && va_arg(again, char *))
		n++;
	va_end(again);
	args->map = NULL;
	args->list = args->small;
	if (n + 1 > sizeof(args->small) / sizeof(args->small[0])) {
		args->map_len = (n + 1) * sizeof(char *);
		args->map = mmap(NULL, args->map_len, PROT_READ | PROT_WRITE,
		                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (args->map == MAP_FAILED) {
			errno = ENOMEM;
			return false;
		}
		args->list = args->map;
	}
	args->list[0] = (char *)(uintptr_t)first;
	for (size_t i = 1; first && i <= n; i++)
		args->list[i] = va_arg(*ap, char *);
	return true;
}

static int drop_args(struct args *args, int rc)
{
	int saved = errno;

	if (args->map)
		munmap(args->map, args->map_len);
	errno = saved;
	return rc;
}

MF__EXPORT int execl(const char *path, const char *arg, ...)
{
	struct args args;
	bool ok;
	va_list ap;

	va_start(ap, arg);
	ok = collect(&args, arg, &ap);
	va_end(ap);
	if (!ok)
		return -1;
	return drop_args(&args, do_execve(path, args.list, environ, "execl"));
}

MF__EXPORT int execlp(const char *file, const char *arg, ...)
{
	struct args args;
	bool ok;
	va_list ap;

	va_start(ap, arg);
	ok = collect(&args, arg, &ap);
	va_end(ap);
	if (!ok)
		return -1;
	return drop_args(&args, do_execvpe(file, args.list, environ, "execlp"));
}

MF__EXPORT int execle(const char *path, const char *arg, ...)
{
	struct args args;
	char *const *envp = NULL;
	bool ok;
	va_list ap;

	va_start(ap, arg);
	ok = collect(&args, arg, &ap);
	if (ok)
		envp = va_arg(ap, char *const *);
	va_end(ap);
	if (!ok)
		return -1;
	return drop_args(&args, do_execve(path, args.list, envp, "execle"));
}

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
	struct request req;
	const posix_spawn_file_actions_t *list;
	const posix_spawnattr_t *attr;
	bool searches;
};

static int call_spawn(const struct spawn *spawn, pid_t *pid, char *const *envp)
{
	const struct request *req = &spawn->req;

	if (spawn->searches)
		return MF__REAL(posix_spawnp)(pid, req->file, spawn->list,
		                              spawn->attr, req->argv, envp);
	return MF__REAL(posix_spawn)(pid, req->file, spawn->list, spawn->attr,
	                             req->argv, envp);
}

static int run_spawn(struct spawn *spawn, pid_t *pid)
{
	struct request *req = &spawn->req;
	int saved = errno;
	pid_t own = 0;
	int rc;

	req->stdio = stdio_of(spawn->list);
	rc = call_spawn(spawn, &own, environment(req));
	if (rc == E2BIG && req->injects) {
		give_way(req);
		rc = call_spawn(spawn, &own, environment(req));
	}
	req->pid = rc == 0 ? (uint32_t)own : 0;
	record_exec(req, rc);
	if (rc == 0)
		mark_pipes(req);
	mf__scratch_give(req->scratch);
	if (rc == 0 && pid)
		*pid = own;
	errno = saved;
	return rc;
}

int mf__spawn(pid_t *pid, const char *path,
              const posix_spawn_file_actions_t *list,
              const posix_spawnattr_t *attr, char *const argv[],
              char *const envp[], const char *via)
{
	struct spawn spawn = {.req = {.via = via,
	                              .path = path,
	                              .file = path,
	                              .argv = argv,
	                              .envp = envp},
	                      .list = list,
	                      .attr = attr};

	if (!begin(&spawn.req))
		return MF__REAL(posix_spawn)(pid, path, list, attr, argv, envp);
	judge(&spawn.req, mf__target_inspect(path));
	return run_spawn(&spawn, pid);
}

MF__EXPORT int posix_spawn(pid_t *pid, const char *path,
                           const posix_spawn_file_actions_t *list,
                           const posix_spawnattr_t *attr, char *const argv[],
                           char *const envp[])
{
	return mf__spawn(pid, path, list, attr, argv, envp, "posix_spawn");
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
	struct request *req = &spawn.req;
	enum mf_target target = MF_TARGET_MISSING;

	if (!begin(req))
		return MF__REAL(posix_spawnp)(pid, file, list, attr, argv,
		                              envp);
	if (mf__target_search(file, search_path(), req->scratch->path,
	                      sizeof(req->scratch->path))) {
		req->path = req->scratch->path;
		target = mf__target_inspect(req->path);
	}
	judge(req, target);
	return run_spawn(&spawn, pid);
}

void mf__exec_by_libc(const char *command, const char *via)
{
	char *argv[] = {
		(char *)(uintptr_t) "sh",
		(char *)(uintptr_t) "-c",
		(char *)(uintptr_t)command,
		NULL,
	};
	struct request req = {
		.via = via,
		.path = "/bin/sh",
		.argv = argv,
		.envp = environ,
		.stdio = mf__stdio_now(),
	};

	if (!begin(&req))
		return;
	judge(&req, mf__target_inspect(req.path));
	record_exec(&req, 0);
	mf__scratch_give(req.scratch);
}

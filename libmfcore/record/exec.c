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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mfcore/command.h"
#include "record/record.h"
#include "system/target.h"

#define ARGS_MAX 256   /* arguments looked at to recognise a command */
#define ARGV_ROOM 8192 /* of a record; the new image writes all of them */

/* One request for another image. */
struct request {
	const char *via;
	const char *path;
	char *const *argv;
	char *const *envp;
	enum mf_target target;
	uint32_t pid;
	uint32_t tries;
	struct mf__stdio stdio;
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
	const char *blind = mf__target_blind(req->target);
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
		mf__environ_put(&rec, req->envp);
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
	struct mf_str args[ARGS_MAX];
	struct mf_command command;
	size_t n = mf__argv_strs(req->argv, args, ARGS_MAX);
	bool is_sidecar = false;
	bool is_captured = false;
	int fd;

	switch (mf_command_classify(args, n, &command)) {
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

static int do_execve(const char *path, char *const *argv, char *const *envp,
                     const char *via)
{
	struct request req = {.via = via, .path = path, .argv = argv};
	struct mf__envp env;
	int error;
	int rc;

	if (!mf__recorder.is_on)
		return MF__REAL(execve)(path, argv, envp);
	req.target = mf__target_inspect(path);
	req.envp = envp;
	before_exec(&req);
	rc = MF__REAL(execve)(
		path, argv,
		mf__environ_build(&env, envp,
	                          mf__target_takes_injection(req.target)));
	error = errno;
	mf__environ_drop(&env);
	after_failure(&req, error);
	errno = error;
	return rc;
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

static int do_execvpe(const char *file, char *const *argv, char *const *envp,
                      const char *via)
{
	struct request req = {.via = via, .argv = argv};
	struct mf__envp env;
	char path[4096];
	int error;
	int rc;

	if (!mf__recorder.is_on)
		return MF__REAL(execvpe)(file, argv, envp);
	req.path = file;
	req.target = MF_TARGET_MISSING;
	if (mf__target_search(file, search_path(), path, sizeof(path))) {
		req.path = path;
		req.target = mf__target_inspect(path);
	}
	req.envp = envp;
	before_exec(&req);
	rc = MF__REAL(execvpe)(
		file, argv,
		mf__environ_build(&env, envp,
	                          mf__target_takes_injection(req.target)));
	error = errno;
	mf__environ_drop(&env);
	after_failure(&req, error);
	errno = error;
	return rc;
}

MF__EXPORT int execvp(const char *file, char *const argv[])
{
	return do_execvpe(file, argv, environ, "execvp");
}

MF__EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return do_execvpe(file, argv, envp, "execvpe");
}

MF__EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	struct request req = {.via = "fexecve", .path = "", .argv = argv};
	struct mf__envp env;
	char link[64];
	char path[4096];
	ssize_t n;
	int error;
	int rc;

	if (!mf__recorder.is_on)
		return MF__REAL(fexecve)(fd, argv, envp);
	mf__fd_link(link, fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	req.path = path;
	req.target = mf__target_inspect_fd(fd);
	req.envp = envp;
	before_exec(&req);
	rc = MF__REAL(fexecve)(
		fd, argv,
		mf__environ_build(&env, envp,
	                          mf__target_takes_injection(req.target)));
	error = errno;
	mf__environ_drop(&env);
	after_failure(&req, error);
	errno = error;
	return rc;
}

MF__EXPORT int execveat(int dir, const char *path, char *const argv[],
                        char *const envp[], int flags)
{
	struct request req = {.via = "execveat", .path = path, .argv = argv};
	struct mf__envp env;
	int error;
	int rc;

	if (!mf__recorder.is_on)
		return MF__REAL(execveat)(dir, path, argv, envp, flags);
	if ((flags & AT_EMPTY_PATH) && path[0] == '\0') {
		req.target = mf__target_inspect_fd(dir);
	} else {
		int fd = (int)syscall(SYS_openat, dir, path,
		                      O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		req.target =
			fd < 0 ? MF_TARGET_MISSING : mf__target_inspect_fd(fd);
		if (fd >= 0)
			syscall(SYS_close, fd);
	}
	req.envp = envp;
	before_exec(&req);
	rc = MF__REAL(execveat)(
		dir, path, argv,
		mf__environ_build(&env, envp,
	                          mf__target_takes_injection(req.target)),
		flags);
	error = errno;
	mf__environ_drop(&env);
	after_failure(&req, error);
	errno = error;
	return rc;
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

/* After the call, when the child's pid is known; it runs already. */
static void after_spawn(struct request *req, int rc, const pid_t *pid)
{
	int saved = errno;

	req->pid = rc == 0 ? (uint32_t)*pid : 0;
	record_exec(req, rc);
	errno = saved;
}

/*
 * The pipes are marked before the call: the parent may write to a sidecar as
 * soon as it returns. The child's pid comes after it.
 */
static int do_spawn(pid_t *pid, const char *path,
                    const posix_spawn_file_actions_t *list,
                    const posix_spawnattr_t *attr, char *const *argv,
                    char *const *envp, bool searches)
{
	struct request req = {
		.via = searches ? "posix_spawnp" : "posix_spawn",
		.path = path,
		.argv = argv,
		.envp = envp,
		.target = MF_TARGET_MISSING,
	};
	struct mf__envp env;
	char found[4096];
	char **built;
	pid_t own = 0;
	int rc;

	if (searches &&
	    mf__target_search(path, search_path(), found, sizeof(found)))
		req.path = found;
	req.target = mf__target_inspect(req.path);
	req.stdio = stdio_of(list);
	built = mf__environ_build(&env, envp,
	                          mf__target_takes_injection(req.target));
	rc = searches ? MF__REAL(posix_spawnp)(&own, path, list, attr, argv,
	                                       built)
	              : MF__REAL(posix_spawn)(&own, path, list, attr, argv,
	                                      built);
	mf__environ_drop(&env);
	after_spawn(&req, rc, &own);
	if (rc == 0)
		mark_pipes(&req);
	if (rc == 0 && pid)
		*pid = own;
	return rc;
}

MF__EXPORT int posix_spawn(pid_t *pid, const char *path,
                           const posix_spawn_file_actions_t *list,
                           const posix_spawnattr_t *attr, char *const argv[],
                           char *const envp[])
{
	if (!mf__recorder.is_on)
		return MF__REAL(posix_spawn)(pid, path, list, attr, argv, envp);
	return do_spawn(pid, path, list, attr, argv, envp, false);
}

MF__EXPORT int posix_spawnp(pid_t *pid, const char *file,
                            const posix_spawn_file_actions_t *list,
                            const posix_spawnattr_t *attr, char *const argv[],
                            char *const envp[])
{
	if (!mf__recorder.is_on)
		return MF__REAL(posix_spawnp)(pid, file, list, attr, argv,
		                              envp);
	return do_spawn(pid, file, list, attr, argv, envp, true);
}

/*
 * system(3) and popen(3) start their shell inside libc, with `environ` as it
 * is: lend it our entries for that time. Whoever changes the environment
 * meanwhile makes libc replace the list; then that one stays.
 */
static char **lend_environ(struct mf__envp *env, char ***was)
{
	*was = environ;
	environ = mf__environ_build(env, *was, true);
	return environ;
}

static void return_environ(struct mf__envp *env, char **lent, char **was)
{
	int saved = errno;

	if (environ == lent)
		environ = was;
	else
		env->map = NULL; /* still in use: leave it mapped */
	mf__environ_drop(env);
	errno = saved;
}

static void record_shell(const char *command, const char *via)
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
		.target = MF_TARGET_FULL,
		.stdio = mf__stdio_now(),
	};

	record_exec(&req, 0);
}

MF__EXPORT int system(const char *command)
{
	struct mf__envp *env;
	char **lent;
	char **was;
	int rc;

	if (!mf__recorder.is_on || !command)
		return MF__REAL(system)(command);
	env = malloc(sizeof(*env));
	if (!env)
		return MF__REAL(system)(command);
	record_shell(command, "system");
	lent = lend_environ(env, &was);
	rc = MF__REAL(system)(command);
	return_environ(env, lent, was);
	if (environ == was)
		free(env); /* else its strings live on in the environment */
	return rc;
}

MF__EXPORT FILE *popen(const char *command, const char *mode)
{
	struct mf__envp *env;
	FILE *stream;
	char **lent;
	char **was;

	if (!mf__recorder.is_on || !command)
		return MF__REAL(popen)(command, mode);
	env = malloc(sizeof(*env));
	if (!env)
		return MF__REAL(popen)(command, mode);
	record_shell(command, "popen");
	lent = lend_environ(env, &was);
	stream = MF__REAL(popen)(command, mode);
	return_environ(env, lent, was);
	if (environ == was)
		free(env);
	return stream;
}

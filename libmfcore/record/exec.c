/*
 * The exec family. These run between vfork and exec, in the memory of a parent
 * whose thread is suspended, and in forked children: nothing here allocates or
 * locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "record/request.h"

/* Failed attempts of a search along PATH, by the process that makes them. */
static __thread struct {
	uint32_t pid;
	uint32_t count;
} tries;

/*
 * Before the call, since nothing comes after one that succeeds. A search along
 * PATH fails once a directory; the first failure is written, and the number of
 * the others goes into the record of the attempt that finds the file.
 */
static void before_exec(struct mf__request *req)
{
	req->pid = mf__true_pid();
	req->tries = tries.pid == req->pid ? tries.count : 0;
	req->stdio = mf__stdio_now();
	if (req->target == MF_TARGET_MISSING)
		return;
	mf__request_record(req, 0);
	mf__request_mark(req);
}

static void after_failure(struct mf__request *req, int error)
{
	if (tries.pid != req->pid) {
		tries.pid = req->pid;
		tries.count = 0;
	}
	tries.count++;
	if (req->target != MF_TARGET_MISSING || tries.count == 1)
		mf__request_record(req, error);
}

static int run_exec(struct mf__request *req)
{
	int error;
	int rc;

	before_exec(req);
	rc = req->call(req, mf__request_environ(req));
	if (errno == E2BIG && req->injects) {
		mf__request_give_way(req);
		mf__request_record(req, 0);
		rc = req->call(req, mf__request_environ(req));
	}
	error = errno;
	after_failure(req, error);
	mf__scratch_give(req->scratch);
	errno = error;
	return rc;
}

static int call_execve(const struct mf__request *req, char *const *envp)
{
	return MF__REAL(execve)(req->path, req->argv, envp);
}

static int do_execve(const char *path, char *const *argv, char *const *envp,
                     const char *via)
{
	struct mf__request req = {.via = via,
	                          .path = path,
	                          .argv = argv,
	                          .envp = envp,
	                          .call = call_execve};

	if (!path || !mf__request_begin(&req))
		return MF__REAL(execve)(path, argv, envp);
	mf__request_judge(&req, mf__target_inspect(path));
	return run_exec(&req);
}

MF__EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	return do_execve(path, argv, envp, "execve");
}

int mf__syscall_execve(const char *path, char *const argv[], char *const envp[])
{
	return do_execve(path, argv, envp, "syscall");
}

MF__EXPORT int execv(const char *path, char *const argv[])
{
	return do_execve(path, argv, environ, "execv");
}

static int call_execvpe(const struct mf__request *req, char *const *envp)
{
	return MF__REAL(execvpe)(req->file, req->argv, envp);
}

static int do_execvpe(const char *file, char *const *argv, char *const *envp,
                      const char *via)
{
	struct mf__request req = {.via = via,
	                          .path = file,
	                          .file = file,
	                          .argv = argv,
	                          .envp = envp,
	                          .call = call_execvpe};
	enum mf_target target = MF_TARGET_MISSING;
	char *found;

	if (!file || !mf__request_begin(&req))
		return MF__REAL(execvpe)(file, argv, envp);
	found = req.scratch->path;
	if (mf__target_search(file, mf__search_path(), found,
	                      sizeof(req.scratch->path))) {
		req.path = found;
		target = mf__target_inspect(found);
	}
	mf__request_judge(&req, target);
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

static int call_fexecve(const struct mf__request *req, char *const *envp)
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
	struct mf__request req = {.via = "fexecve",
	                          .fd = fd,
	                          .argv = argv,
	                          .envp = envp,
	                          .call = call_fexecve};

	if (!mf__request_begin(&req))
		return MF__REAL(fexecve)(fd, argv, envp);
	req.path = path_of(req.scratch, fd);
	mf__request_judge(&req, mf__target_inspect_fd(fd));
	return run_exec(&req);
}

static int call_execveat(const struct mf__request *req, char *const *envp)
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
	struct mf__request req = {.via = "execveat",
	                          .path = path,
	                          .file = path,
	                          .fd = dir,
	                          .flags = flags,
	                          .argv = argv,
	                          .envp = envp,
	                          .call = call_execveat};

	if (!mf__request_begin(&req))
		return MF__REAL(execveat)(dir, path, argv, envp, flags);
	if ((flags & AT_EMPTY_PATH) && path[0] == '\0') {
		req.path = path_of(req.scratch, dir);
		mf__request_judge(&req, mf__target_inspect_fd(dir));
	} else {
		mf__request_judge(&req, inspect_at(dir, path));
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

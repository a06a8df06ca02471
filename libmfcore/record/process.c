/*
 * The life of a process: how it began, whom it waited for, how it ended.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "journal/frame.h"
#include "mfcore/command.h"
#include "record/fds.h"
#include "record/record.h"

#define ARGS_MAX 256 /* arguments looked at to recognise a command */

static size_t read_link(const char *path, char *out, size_t cap)
{
	ssize_t n = readlink(path, out, cap);

	return n > 0 ? (size_t)n : 0;
}

/*
 * More arguments than fit a record go into a blob, redacted like the others.
 * Returns false when that failed; the record then has them cut.
 */
static bool put_long_argv(struct mf_record *rec, char *const *argv, size_t len)
{
	size_t cap = len + 65536;
	struct mf_record scratch;
	bool ok = false;
	char *map = mmap(NULL, cap, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return false;
	memset(&scratch, 0, sizeof(scratch));
	scratch.base = map;
	scratch.put = map;
	scratch.end = map + cap;
	mf__argv_put(&scratch, argv, cap - 64);
	if ((size_t)(scratch.put - map) > 6)
		ok = mf_record_blob(rec, &mf__recorder.writer, MF_F_ARGV,
		                    map + 6, (size_t)(scratch.put - map) - 6);
	munmap(map, cap);
	return ok;
}

static size_t argv_len(char *const *argv)
{
	size_t len = 0;

	for (; argv && *argv; argv++)
		len += strlen(*argv) + 17; /* room for "<redacted>" */
	return len;
}

static void put_ids(struct mf_record *rec)
{
	mf_record_u64(rec, MF_F_PPID, (uint64_t)getppid());
	mf_record_u64(rec, MF_F_START_TICKS, mf__recorder.writer.start_ticks);
	mf_record_u64(rec, MF_F_STDIN, mf__inode(0));
	mf_record_u64(rec, MF_F_STDOUT, mf__inode(1));
	mf_record_u64(rec, MF_F_STDERR, mf__inode(2));
	mf_record_u64(rec, MF_F_PGID, (uint64_t)getpgid(0));
	mf_record_u64(rec, MF_F_SID, (uint64_t)getsid(0));
	mf_record_u64(rec, MF_F_UID, (uint64_t)getuid());
}

static void record_start(char *const *argv, char *const *envp)
{
	char exe[1024];
	char cwd[1024];
	size_t exe_len = read_link("/proc/self/exe", exe, sizeof(exe));
	size_t cwd_len = read_link("/proc/self/cwd", cwd, sizeof(cwd));
	size_t args = argv_len(argv);
	bool is_long = args > MF__ARGV_ROOM;
	struct mf__scratch *scratch;
	struct mf_record rec;

	if (!mf__begin(&rec, MF_EV_PROC_START,
	               9 * MF_FIELD_U64 + MF_FIELD_BYTES(exe_len) +
	                       MF_FIELD_BYTES(cwd_len) +
	                       MF_FIELD_BYTES(is_long ? MF__ARGV_ROOM : args) +
	                       MF_FIELD_BLOB + mf__environ_room(envp)))
		return;
	scratch = mf__scratch_take();
	put_ids(&rec);
	mf_record_bytes(&rec, MF_F_EXE, exe, exe_len);
	mf_record_bytes(&rec, MF_F_CWD, cwd, cwd_len);
	if (!is_long || !put_long_argv(&rec, argv, args))
		mf__argv_put(&rec, argv, is_long ? MF__ARGV_ROOM : args);
	if (scratch) {
		mf__environ_put(&rec, envp, scratch);
		mf__scratch_give(scratch);
	}
	mf_record_end(&rec);
}

/* A child of _Fork or of a raw clone is noticed where it does something. */
static void notice_fork(void)
{
	if (mf__recorder.is_on && mf__is_vforked() &&
	    mf_writer_forked(&mf__recorder.writer, mf__lane(),
	                     &(struct mf_fork){.via = "clone"}))
		mf__fds_forked();
}

static void record_exit(int64_t code, const char *via)
{
	struct mf_record rec;
	struct rusage usage;

	notice_fork();
	if (!mf__recorder.is_on || mf__is_vforked())
		return;
	mf__fds_exit();
	if (!mf__begin(&rec, MF_EV_PROC_EXIT,
	               MF_FIELD_U64 + MF_FIELD_BYTES(strlen(via)) +
	                       MF__RUSAGE_ROOM))
		return;
	memset(&usage, 0, sizeof(usage));
	getrusage(RUSAGE_SELF, &usage);
	mf_record_i64(&rec, MF_F_CODE, code);
	mf_record_bytes(&rec, MF_F_VIA, via, strlen(via));
	mf__put_rusage(&rec, &usage);
	mf_record_end(&rec);
}

static void at_exit(int code, void *arg)
{
	(void)arg;
	record_exit(code, "exit");
}

/* The first handler to be registered is the last to run. */
static void watch_exit(void)
{
	union {
		void *ptr;
		int (*fn)(void (*)(int, void *), void *);
	} on_exit_fn = {.ptr = dlsym(RTLD_DEFAULT, "on_exit")};

	if (on_exit_fn.ptr)
		on_exit_fn.fn(at_exit, NULL);
}

static void before_fork(void)
{
	if (!mf__recorder.is_on)
		return;
	mf__fds_share();
	if (mf__recorder.hooks_python)
		mf__python_fork();
}

/* What this thread's next child should know; it is born with a copy. */
static __thread struct {
	char function[MF__FORK_NAME_MAX];
	char child[MF__FORK_NAME_MAX];
	size_t function_len;
	size_t child_len;
} next_fork;

static size_t keep_name(char *out, struct mf_str name)
{
	size_t len =
		name.len < MF__FORK_NAME_MAX ? name.len : MF__FORK_NAME_MAX;

	memcpy(out, name.ptr, len);
	return len;
}

void mf__fork_from(struct mf_str function, struct mf_str child)
{
	next_fork.function_len = keep_name(next_fork.function, function);
	next_fork.child_len = child.len ? keep_name(next_fork.child, child) : 0;
}

static void in_parent(void)
{
	next_fork.function_len = 0;
	next_fork.child_len = 0;
}

static void in_child(void)
{
	struct mf_fork how = {
		.via = "fork",
		.function = {next_fork.function, next_fork.function_len},
		.child = {next_fork.child, next_fork.child_len},
	};

	if (!mf__recorder.is_on)
		return;
	mf_writer_forked(&mf__recorder.writer, mf__lane(), &how);
	in_parent();
	mf__fds_forked();
	mf__shell_forked();
}

/* Also covers forkpty, daemon and what else calls fork inside libc. */
static void watch_forks(void)
{
	union {
		void *ptr;
		int (*fn)(void (*)(void), void (*)(void), void (*)(void),
		          void *);
	} glibc = {.ptr = dlsym(RTLD_DEFAULT, "__register_atfork")};
	union {
		void *ptr;
		int (*fn)(void (*)(void), void (*)(void), void (*)(void));
	} posix = {.ptr = dlsym(RTLD_DEFAULT, "pthread_atfork")};

	if (glibc.ptr)
		glibc.fn(before_fork, in_parent, in_child, NULL);
	else if (posix.ptr)
		posix.fn(before_fork, in_parent, in_child);
}

static void take_options(const struct mf__segment_head *head)
{
	mf__recorder.preload = head->preload;
	mf__recorder.env_allow = head->env_allow[0] ? head->env_allow : NULL;
	mf__recorder.output_max = head->output_max;
	mf__recorder.keeps_output = !head->no_output;
	mf__recorder.hooks_python = !head->no_python;
}

static void recognise(char *const *argv)
{
	struct mf_str args[ARGS_MAX];
	struct mf_command command;
	size_t n = mf__argv_strs(argv, args, ARGS_MAX);

	switch (mf_command_classify(args, n, &command)) {
	case MF_CMD_SIDECAR:
		mf__fds_mark_receiver();
		break;
	case MF_CMD_S3OP:
		mf__s3_started(command.inputs);
		break;
	case MF_CMD_MP_SPAWN:
		mf__recorder.is_mp_spawn = true;
		break;
	default:
		break;
	}
}

void mf__process_started(char **argv, char **envp)
{
	char path[MF_WRITER_PATH_MAX];

	if (!mf__environ_take(path, sizeof(path)) ||
	    mf_writer_attach(&mf__recorder.writer, path) < 0)
		return;
	take_options(mf__recorder.writer.head);
	mf__recorder.is_on = true;
	record_start(argv, envp);
	mf__fds_start();
	mf__threads_start();
	watch_exit();
	watch_forks();
	recognise(argv);
	if (mf__recorder.hooks_python)
		mf__python_start();
}

/*
 * A constructor gets no arguments from musl. They lie below the environment on
 * the initial stack: argc, the arguments, NULL, the environment.
 */
static char **args_below(char **envp)
{
	static char *none[] = {NULL};
	char **at;

	if (!envp || envp[-1])
		return none;
	for (at = envp - 2; (uintptr_t)*at != (uintptr_t)(envp - at - 2); at--)
		;
	return at + 1;
}

__attribute__((constructor)) static void started(int argc, char **argv,
                                                 char **envp)
{
	mf__recorder.is_glibc =
		dlsym(RTLD_DEFAULT, "gnu_get_libc_version") != NULL;
	(void)argc;
	(void)envp;
	if (!mf__recorder.is_glibc)
		argv = args_below(environ);
	mf__process_started(argv, environ);
}

MF__EXPORT void _exit(int code)
{
	record_exit(code, "_exit");
	MF__REAL(_exit)(code);
	__builtin_unreachable();
}

void mf__syscall_exit(int code)
{
	record_exit(code, "syscall");
	MF__REAL(_exit)(code);
	__builtin_unreachable();
}

MF__EXPORT void _Exit(int code)
{
	record_exit(code, "_Exit");
	MF__REAL(_Exit)(code);
	__builtin_unreachable();
}

MF__EXPORT void quick_exit(int code)
{
	record_exit(code, "quick_exit");
	MF__REAL(quick_exit)(code);
	__builtin_unreachable();
}

static void record_wait(pid_t pid, int status, const struct rusage *usage,
                        const char *via)
{
	int saved = errno;
	struct mf_record rec;

	if (!mf__is_vforked() && (WIFEXITED(status) || WIFSIGNALED(status)) &&
	    mf__begin(&rec, MF_EV_PROC_WAIT,
	              2 * MF_FIELD_U64 + MF_FIELD_BYTES(strlen(via)) +
	                      MF__RUSAGE_ROOM)) {
		mf_record_u64(&rec, MF_F_PID, (uint64_t)pid);
		mf_record_u64(&rec, MF_F_STATUS, (uint64_t)(unsigned)status);
		mf_record_bytes(&rec, MF_F_VIA, via, strlen(via));
		if (usage)
			mf__put_rusage(&rec, usage);
		mf_record_end(&rec);
	}
	errno = saved;
}

static pid_t wait_and_record(pid_t pid, int *status, int options,
                             struct rusage *usage, const char *via)
{
	struct rusage own_usage;
	int own_status = 0;
	pid_t got;

	notice_fork();
	memset(&own_usage, 0, sizeof(own_usage));
	got = MF__REAL(wait4)(pid, &own_status, options, &own_usage);
	if (got > 0 || (got == 0 && usage)) {
		if (status && got > 0)
			*status = own_status;
		if (usage)
			*usage = own_usage;
	}
	if (got > 0)
		record_wait(got, own_status, &own_usage, via);
	return got;
}

MF__EXPORT pid_t wait(int *status)
{
	return wait_and_record(-1, status, 0, NULL, "wait");
}

MF__EXPORT pid_t waitpid(pid_t pid, int *status, int options)
{
	return wait_and_record(pid, status, options, NULL, "waitpid");
}

MF__EXPORT pid_t wait3(int *status, int options, struct rusage *usage)
{
	return wait_and_record(-1, status, options, usage, "wait3");
}

MF__EXPORT pid_t wait4(pid_t pid, int *status, int options,
                       struct rusage *usage)
{
	return wait_and_record(pid, status, options, usage, "wait4");
}

/* What waitid(2) tells as waitpid(2) would. */
static int status_of(const siginfo_t *info)
{
	switch (info->si_code) {
	case CLD_EXITED:
		return (info->si_status & 0xff) << 8;
	case CLD_KILLED:
		return info->si_status & 0x7f;
	case CLD_DUMPED:
		return (info->si_status & 0x7f) | 0x80;
	default:
		return 0x7f; /* stopped or continued: not an end */
	}
}

MF__EXPORT int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	siginfo_t own = {0};
	siginfo_t *got = info ? info : &own;
	int rc;

	if (info && (options & WNOHANG))
		info->si_pid = 0;
	rc = MF__REAL(waitid)(type, id, got, options);
	if (rc == 0 && got->si_pid > 0 && !(options & WNOWAIT))
		record_wait(got->si_pid, status_of(got), NULL, "waitid");
	return rc;
}

static void record_signal(int64_t target, int signo, int result,
                          const char *via)
{
	int saved = errno;
	struct mf_record rec;

	if (signo != 0 && !mf__is_vforked() &&
	    mf__begin(&rec, MF_EV_SIGNAL,
	              3 * MF_FIELD_U64 + MF_FIELD_BYTES(strlen(via)))) {
		mf_record_i64(&rec, MF_F_TARGET, target);
		mf_record_u64(&rec, MF_F_SIGNO, (uint64_t)signo);
		mf_record_i64(&rec, MF_F_RESULT, result < 0 ? -saved : 0);
		mf_record_bytes(&rec, MF_F_VIA, via, strlen(via));
		mf_record_end(&rec);
	}
	errno = saved;
}

/*
 * A signal to oneself may end the process inside the call, so it is written
 * before; every other one with its result behind.
 */
static bool is_self(pid_t pid)
{
	return pid == (pid_t)mf__recorder.writer.pid || pid <= 0;
}

MF__EXPORT int kill(pid_t pid, int signo)
{
	int rc;

	if (is_self(pid)) {
		record_signal(pid, signo, 0, "kill");
		return MF__REAL(kill)(pid, signo);
	}
	rc = MF__REAL(kill)(pid, signo);
	record_signal(pid, signo, rc, "kill");
	return rc;
}

MF__EXPORT int killpg(pid_t group, int signo)
{
	record_signal(-(int64_t)group, signo, 0, "killpg");
	return MF__REAL(killpg)(group, signo);
}

MF__EXPORT int tgkill(pid_t pid, pid_t tid, int signo)
{
	int rc;

	if (is_self(pid)) {
		record_signal(pid, signo, 0, "tgkill");
		return MF__REAL(tgkill)(pid, tid, signo);
	}
	rc = MF__REAL(tgkill)(pid, tid, signo);
	record_signal(pid, signo, rc, "tgkill");
	return rc;
}

MF__EXPORT int sigqueue(pid_t pid, int signo, const union sigval value)
{
	int rc;

	if (is_self(pid)) {
		record_signal(pid, signo, 0, "sigqueue");
		return MF__REAL(sigqueue)(pid, signo, value);
	}
	rc = MF__REAL(sigqueue)(pid, signo, value);
	record_signal(pid, signo, rc, "sigqueue");
	return rc;
}

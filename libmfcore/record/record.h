/*
 * The recorder inside a foreign process: what its files share.
 *
 * Loaded by LD_PRELOAD into every process of a recorded run. It wraps
 * functions of libc, writes what they did to the journal, and changes nothing
 * the program can see: results, errno, descriptors and environment are as
 * without it. Between vfork and exec, and in signal handlers, it does nothing
 * but compute, make plain system calls and append: no malloc, no stdio, no
 * locks of libc.
 *
 * It must load where only POSIX is: every function beyond that is looked up by
 * name (real.def) and may be absent.
 */
#ifndef MF_RECORD_H
#define MF_RECORD_H

#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "mfcore/str.h"
#include "mfcore/writer.h"

#define MF__EXPORT __attribute__((visibility("default")))
#define MF__ENV_NAME "MFCORE_RECORD"

/* Longest argument list kept beside others in one record. */
#define MF__ARGV_ROOM 12288u

/* The one state of the recorder in a process. */
struct mf__recorder {
	struct mf_writer writer;
	const char *preload; /* path of this shared object */
	const char *env_allow;
	uint64_t output_max;
	bool keeps_output;
	bool hooks_python;
	bool is_mp_spawn; /* a spawned child of multiprocessing */
	bool is_glibc;
	bool is_on; /* attached: record */
};

extern struct mf__recorder mf__recorder;

/* The calling thread's lane. */
struct mf_lane *mf__lane(void);

/* mf_record_begin() with the process's writer and the thread's lane. */
bool mf__begin(struct mf_record *rec, enum mf_event_type type, size_t payload);

/* The process that runs now, also between vfork and exec. */
static inline uint32_t mf__true_pid(void)
{
	return (uint32_t)syscall(SYS_getpid);
}

/* Whether we are a vfork child: in somebody else's memory. */
bool mf__is_vforked(void);

/* Put the fields of a struct rusage: MF__RUSAGE_ROOM bytes of payload. */
#define MF__RUSAGE_ROOM (7 * MF_FIELD_U64)
void mf__put_rusage(struct mf_record *rec, const struct rusage *usage);

/* "/proc/self/fd/N"; `out` holds 64 bytes. */
void mf__fd_link(char *out, int fd);

/* Inode behind a descriptor, 0 when it is not open. */
uint64_t mf__inode(int fd);

/*
 * Write `text` as a NOTE, so that what could not be recorded is not silently
 * missing.
 */
void mf__note(const char *text);

/* ---- real.c: libc itself ---- */

/* The function of that name behind ours, or NULL; see real.def. */
enum mf__real_id {
#define MF__REAL_FN(name) MF__REAL_##name,
#include "record/real.def"
	MF__REAL_COUNT
};

void *mf__real_lookup(enum mf__real_id id);

/* Call as MF__REAL(write)(fd, buf, n); its type comes from libc's header. */
#define MF__REAL(name)                                                         \
	(((union {                                                             \
		 void *ptr;                                                    \
		 __typeof__(&(name)) fn;                                       \
	 }){.ptr = mf__real_lookup(MF__REAL_##name)})                          \
	         .fn)

/* ---- environ.c: the injection, and hiding it ---- */

/* Read the session's segment path; false: we are not to record. */
bool mf__environ_take(char *path, size_t cap);

/* Take our entries out of `environ` again. */
void mf__environ_hide(void);

/* Whether a program started now could open the recorder and its journal. */
bool mf__environ_reaches(void);

/* Whether a recorder within the run made it, for a session of its own. */
bool mf__environ_is_taken(char *const *envp);

/*
 * An environment for a program that is to record: `envp` with our entries, or,
 * when `wants_us` is false, without. Built in `out`; lives as long as that.
 */
#define MF__ENTRY_MAX 4096
struct mf__envp {
	void *map; /* a large list is mapped, and the map kept for the next */
	size_t map_len;
	char *small[512];
	char preload[MF__ENTRY_MAX];
	char record[MF_WRITER_PATH_MAX + 32];
};
char **mf__environ_build(struct mf__envp *out, char *const *envp,
                         bool wants_us);
void mf__environ_drop(struct mf__envp *env);

/*
 * Memory that a thread builds an exec in, since its stack may have no room.
 * Kept from one to the next: a child of vfork that succeeds cannot unmap what
 * it took from its parent. NULL: no memory, or in use by this very thread,
 * whose signal handler asks.
 */
#define MF__SCRATCH_ARGS 256 /* arguments looked at to recognise a command */
struct mf__scratch {
	uint32_t user; /* pid, 0 when free */
	struct mf__envp env;
	char path[4096];
	char entry[MF__ENTRY_MAX];
	struct mf_str args[MF__SCRATCH_ARGS];
};
struct mf__scratch *mf__scratch_take(void);
void mf__scratch_give(struct mf__scratch *scratch);
void mf__scratch_drop(void); /* the thread ends */

/*
 * Write the difference of `envp` to the session's environment into fields
 * ENV_SET and ENV_UNSET of `rec`.
 */
size_t mf__environ_room(char *const *envp);
void mf__environ_put(struct mf_record *rec, char *const *envp,
                     struct mf__scratch *scratch);

/* ---- exec.c ---- */

/* posix_spawn(3), recorded as what `via` did. */
int mf__spawn(pid_t *pid, const char *path, const posix_spawnattr_t *attr,
              char *const argv[], char *const envp[], const char *via);

/* libc is about to start a shell by itself; its pid stays unknown. */
void mf__exec_by_libc(const char *command, const char *via);

/* shell.c: forget what other threads of the parent were doing. */
void mf__shell_forked(void);

/* ---- argv.c: argument lists ---- */

/* Write ARGV, redacted, at most `room` bytes; SIZE when it was cut. */
void mf__argv_put(struct mf_record *rec, char *const *argv, size_t room);

/* Arguments as strings for recognition; returns how many, at most `cap`. */
size_t mf__argv_strs(char *const *argv, struct mf_str *out, size_t cap);

/* ---- the rest ---- */

/* From syscall.c, with the arguments that the kernel would get. */
int mf__syscall_execve(const char *path, char *const argv[],
                       char *const envp[]);
_Noreturn void mf__syscall_exit(int code);

/*
 * process.c: this thread is about to fork, in `function`, a child that is for
 * `child`, where that is known. The child says so itself: what two processes
 * say of one fork may reach the journal in any order.
 */
#define MF__FORK_NAME_MAX 256
void mf__fork_from(struct mf_str function, struct mf_str child);

void mf__process_started(char **argv, char **envp);

/* thread.c */
void mf__threads_start(void);

/* file.c: an s3op process keeps the content of its control file. */
void mf__s3_started(struct mf_str inputs);

/* python.c: hooks inside an interpreter, where there is one. */
void mf__python_start(void);

/*
 * python.c: see what was imported since and stand before its methods. For
 * moments that come before their first use; without the GIL it does nothing.
 */
void mf__python_look(void);

/* The same at the end of a file, in a child of multiprocessing. */
void mf__python_close(void);

/* The same before a fork, which is also told who forks. */
void mf__python_fork(void);

#endif /* MF_RECORD_H */

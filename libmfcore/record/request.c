#include "record/request.h"

#include <stdlib.h>
#include <string.h>

#include "mfcore/command.h"

#define ARGV_ROOM 8192 /* of a record; the new image writes all of them */

static size_t argv_len(char *const *argv)
{
	size_t len = 0;

	for (; argv && *argv && len < ARGV_ROOM; argv++)
		len += strlen(*argv) + 17; /* room for "<redacted>" */
	return len < ARGV_ROOM ? len : ARGV_ROOM;
}

void mf__request_record(const struct mf__request *req, int error)
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

static void record_sidecar(const struct mf__request *req, struct mf_str type,
                           uint32_t maker, int fd)
{
	struct mf_record rec;

	if (!mf__begin(&rec, MF_EV_SIDECAR,
	               4 * MF_FIELD_U64 + MF_FIELD_BYTES(type.len)))
		return;
	mf_record_u64(&rec, MF_F_PID, req->pid);
	mf_record_u64(&rec, MF_F_PPID, maker);
	mf_record_u64(&rec, MF_F_INODE, req->stdio.inode[0]);
	if (fd >= 0)
		mf_record_u64(&rec, MF_F_FD, (uint64_t)fd);
	mf_record_bytes(&rec, MF_F_NAME, type.ptr, type.len);
	mf_record_end(&rec);
}

void mf__request_mark(const struct mf__request *req)
{
	struct mf_command command;
	size_t n =
		mf__argv_strs(req->argv, req->scratch->args, MF__SCRATCH_ARGS);
	bool is_sidecar = false;
	bool is_captured = false;
	uint32_t maker;
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
	fd = mf__fds_mark_child(is_sidecar, is_captured, &req->stdio,
	                        req->pid == mf__true_pid(), &maker);
	if (is_sidecar)
		record_sidecar(req, command.word, maker, fd);
}

bool mf__request_begin(struct mf__request *req)
{
	if (!mf__recorder.is_on)
		return false;
	req->scratch = mf__scratch_take();
	if (!req->scratch)
		mf__note("no memory to record an exec");
	return req->scratch != NULL;
}

void mf__request_judge(struct mf__request *req, enum mf_target target)
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

void mf__request_give_way(struct mf__request *req)
{
	req->injects = false;
	req->blind = "its arguments leave no room for the recorder's";
}

char *const *mf__request_environ(const struct mf__request *req)
{
	if (req->target == MF_TARGET_MISSING || req->is_taken)
		return req->envp;
	return mf__environ_build(&req->scratch->env, req->envp, req->injects);
}

const char *mf__search_path(void)
{
	return getenv("PATH");
}

void mf__exec_by_libc(const char *command, const char *via)
{
	char *argv[] = {
		(char *)(uintptr_t) "sh",
		(char *)(uintptr_t) "-c",
		(char *)(uintptr_t)command,
		NULL,
	};
	struct mf__request req = {
		.via = via,
		.path = "/bin/sh",
		.argv = argv,
		.envp = environ,
		.stdio = mf__stdio_now(),
	};

	if (!mf__request_begin(&req))
		return;
	mf__request_judge(&req, mf__target_inspect(req.path));
	mf__request_record(&req, 0);
	mf__scratch_give(req.scratch);
}

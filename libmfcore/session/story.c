#include "session/story.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mfcore/redact.h"
#include "session/note.h"
#include "system/proc.h"

#define US_PER_S 1000000u
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_LEN 36
#define NO_BOOT_ID "00000000-0000-0000-0000-000000000000"

/* A replaced secret may be longer than what it replaces. */
#define ROOM_FOR(len) ((len)*2 + 256)

void mf__story_host(char host[MF__HOST_MAX], char boot_id[MF__BOOT_ID_MAX])
{
	struct mf_buf text = {0};
	const char *id = NO_BOOT_ID;

	if (gethostname(host, MF__HOST_MAX) < 0 || host[0] == '\0')
		snprintf(host, MF__HOST_MAX, "localhost");
	host[MF__HOST_MAX - 1] = '\0';
	for (char *at = host; *at; at++)
		if (!isalnum((unsigned char)*at) && *at != '-' &&
		    (*at != '.' || at == host))
			*at = '_';
	if (mf__proc_file(&text, BOOT_ID_FILE) == 0 && mf_buf_ok(&text) &&
	    text.len >= BOOT_ID_LEN)
		id = text.ptr;
	snprintf(boot_id, MF__BOOT_ID_MAX, "%.*s", BOOT_ID_LEN, id);
	mf_buf_clear(&text);
}

static void commit(struct mf__story *story, struct mf__note *note,
                   enum mf_event_type type)
{
	mf__note_commit(note, &story->writer, &story->lane, type);
}

static void add_list(struct mf__note *note, enum mf_field id,
                     struct mf_buf *list)
{
	if (mf_buf_ok(list))
		mf__note_bytes(note, id, MF_KIND_LIST, mf_buf_view(list));
	mf_buf_clear(list);
}

static void add_arg(struct mf_buf *list, struct mf_str arg,
                    struct mf_str previous, const char *allow)
{
	size_t cap = ROOM_FOR(arg.len);
	char *room = mf_buf_room(list, cap);

	if (room)
		list->len += mf_redact_arg(room, cap, arg, previous, allow);
	mf_buf_putc(list, '\0');
}

static void add_argv(struct mf__note *note, char *const *argv,
                     const char *allow)
{
	struct mf_str previous = {0};
	struct mf_buf list = {0};

	for (; *argv; argv++) {
		struct mf_str arg = mf_str(*argv);

		add_arg(&list, arg, previous, allow);
		previous = arg;
	}
	add_list(note, MF_F_ARGV, &list);
}

static void add_env(struct mf__note *note, char *const *entries,
                    const char *allow)
{
	struct mf_buf list = {0};

	for (; *entries; entries++) {
		struct mf_str entry = mf_str(*entries);
		size_t cap = ROOM_FOR(entry.len);
		char *room = mf_buf_room(&list, cap);

		if (room)
			list.len += mf_redact_env(room, cap, entry, allow);
		mf_buf_putc(&list, '\0');
	}
	add_list(note, MF_F_ENV, &list);
}

static void add_inode(struct mf__note *note, enum mf_field id, int fd)
{
	int flags = fcntl(fd, F_GETFD);
	struct stat st;

	/* Close-on-exec: only we have it, see session/files.h. */
	if (flags >= 0 && !(flags & FD_CLOEXEC) && fstat(fd, &st) == 0)
		mf__note_u64(note, id, st.st_ino);
}

static void add_cwd(struct mf__note *note)
{
	char *cwd = getcwd(NULL, 0);

	mf__note_text(note, MF_F_CWD, cwd);
	free(cwd);
}

void mf__story_session(struct mf__story *story,
                       const struct mf_supervise_options *options)
{
	char boot_id[MF__BOOT_ID_MAX];
	char host[MF__HOST_MAX];
	struct mf__note note = {0};

	mf__story_host(host, boot_id);
	add_argv(&note, options->argv, options->env_allow);
	add_cwd(&note);
	mf__note_text(&note, MF_F_HOST, host);
	mf__note_text(&note, MF_F_BOOT_ID, boot_id);
	mf__note_text(&note, MF_F_VERSION, options->version);
	mf__note_text(&note, MF_F_NAME, options->name);
	mf__note_u64(&note, MF_F_START_TICKS, mf__proc_start(getpid()));
	mf__note_u64(&note, MF_F_PPID, (uint64_t)getppid());
	mf__note_u64(&note, MF_F_PGID, (uint64_t)getpgrp());
	mf__note_u64(&note, MF_F_SID, (uint64_t)getsid(0));
	mf__note_u64(&note, MF_F_UID, getuid());
	add_inode(&note, MF_F_STDIN, STDIN_FILENO);
	add_inode(&note, MF_F_STDOUT, STDOUT_FILENO);
	add_inode(&note, MF_F_STDERR, STDERR_FILENO);
	/* Last: what does not fit a record is this, and is kept beside it. */
	add_env(&note, options->environ, options->env_allow);
	commit(story, &note, MF_EV_SESSION);
}

static void add_process(struct mf__note *note, pid_t pid, uint64_t start_ticks)
{
	mf__note_u64(note, MF_F_PID, (uint64_t)pid);
	if (start_ticks)
		mf__note_u64(note, MF_F_START_TICKS, start_ticks);
}

void mf__story_exec(struct mf__story *story, pid_t pid,
                    const struct mf__story_exec *exec)
{
	struct mf__note note = {0};

	add_process(&note, pid, mf__proc_start(pid));
	mf__note_u64(&note, MF_F_PPID, (uint64_t)getpid());
	mf__note_text(&note, MF_F_VIA, "execvp");
	mf__note_text(&note, MF_F_EXE, exec->exe);
	mf__note_text(&note, MF_F_BLIND, exec->blind);
	if (exec->error)
		mf__note_u64(&note, MF_F_ERRNO, (uint64_t)exec->error);
	add_cwd(&note);
	add_argv(&note, exec->argv, story->env_allow);
	commit(story, &note, MF_EV_PROC_EXEC);
}

static uint64_t microseconds(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * US_PER_S + (uint64_t)t->tv_usec;
}

void mf__story_status(struct mf__story *story, enum mf_event_type type,
                      pid_t pid, uint64_t start_ticks, int status,
                      const struct rusage *usage)
{
	struct mf__note note = {0};

	add_process(&note, pid, start_ticks);
	mf__note_u64(&note, MF_F_STATUS, (unsigned)status);
	mf__note_text(&note, MF_F_VIA, "wait4");
	mf__note_u64(&note, MF_F_UTIME_US, microseconds(&usage->ru_utime));
	mf__note_u64(&note, MF_F_STIME_US, microseconds(&usage->ru_stime));
	mf__note_u64(&note, MF_F_MAXRSS_KB, (uint64_t)usage->ru_maxrss);
	mf__note_u64(&note, MF_F_MINFLT, (uint64_t)usage->ru_minflt);
	mf__note_u64(&note, MF_F_MAJFLT, (uint64_t)usage->ru_majflt);
	mf__note_u64(&note, MF_F_NVCSW, (uint64_t)usage->ru_nvcsw);
	mf__note_u64(&note, MF_F_NIVCSW, (uint64_t)usage->ru_nivcsw);
	commit(story, &note, type);
}

void mf__story_signal(struct mf__story *story, int signo, pid_t sender,
                      const char *reason)
{
	struct mf__note note = {0};

	mf__note_u64(&note, MF_F_SIGNO, (uint64_t)signo);
	mf__note_u64(&note, MF_F_SENDER, (uint64_t)sender);
	mf__note_i64(&note, MF_F_TARGET, getpid());
	mf__note_text(&note, MF_F_REASON, reason);
	commit(story, &note, MF_EV_SIGNAL);
}

void mf__story_oom(struct mf__story *story, const char *scope, uint64_t count,
                   const char *path, const char *elsewhere)
{
	struct mf__note note = {0};

	mf__note_text(&note, MF_F_NAME, "oom_kill");
	mf__note_text(&note, MF_F_ROLE, scope);
	mf__note_u64(&note, MF_F_COUNT, count);
	mf__note_text(&note, MF_F_PATH, path);
	if (elsewhere)
		mf__note_text(&note, MF_F_REASON, elsewhere);
	commit(story, &note, MF_EV_KERNEL);
}

void mf__story_left(struct mf__story *story, pid_t pid)
{
	struct mf__note note = {0};
	struct mf_str previous = {0};
	struct mf_buf raw = {0};
	struct mf_buf list = {0};
	struct mf__proc proc;
	struct mf_str rest;

	if (mf__proc_read(&proc, pid) < 0 || proc.state == 'Z')
		return;
	add_process(&note, pid, proc.start_ticks);
	mf__note_u64(&note, MF_F_PPID, (uint64_t)proc.ppid);
	mf__note_u64(&note, MF_F_SID, (uint64_t)proc.sid);
	mf__proc_argv(&raw, pid);
	rest = mf_buf_view(&raw);
	while (mf_buf_ok(&raw) && rest.len > 0) {
		struct mf_str arg = mf_str_cut(&rest, '\0');

		add_arg(&list, arg, previous, story->env_allow);
		previous = arg;
	}
	add_list(&note, MF_F_ARGV, &list);
	mf_buf_clear(&raw);
	commit(story, &note, MF_EV_PROC_LEFT);
}

void mf__story_note(struct mf__story *story, const char *text, int error)
{
	struct mf__note note = {0};

	mf__note_text(&note, MF_F_TEXT, text);
	if (error)
		mf__note_u64(&note, MF_F_ERRNO, (uint64_t)error);
	commit(story, &note, MF_EV_NOTE);
}

void mf__story_end(struct mf__story *story, const struct mf_supervised *how)
{
	struct mf__note note = {0};

	mf__note_u64(&note, MF_F_STATUS, (unsigned)how->wait_status);
	if (how->exec_errno)
		mf__note_u64(&note, MF_F_ERRNO, (uint64_t)how->exec_errno);
	mf__note_u64(&note, MF_F_COUNT, how->left);
	commit(story, &note, MF_EV_SESSION_END);
}

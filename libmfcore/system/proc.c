#include "system/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (4u << 20) /* bytes of a file of /proc anybody needs */
#define FIRST_NUMBER 4      /* of the fields of /proc/PID/stat, as proc(5) */
#define LAST_FIELD 22       /* counts them: ppid to starttime */
#define DEPTH_MAX 4096      /* of a parent chain; a cycle ends here */

int mf__proc_file(struct mf_buf *out, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t start = out->len;
	ssize_t n = -1;

	if (fd < 0)
		return -errno;
	while (out->len - start < FILE_MAX) {
		char *room = mf_buf_room(out, 4096);

		n = room ? read(fd, room, 4096) : -1;
		if (n < 0 && room && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		out->len += (size_t)n;
		out->ptr[out->len] = '\0';
	}
	close(fd);
	return n < 0 ? -EIO : 0;
}

/* What follows the name in /proc/PID/stat: a letter, then numbers. */
static bool parse_fields(const char *at, struct mf__proc *out)
{
	long long numbers[LAST_FIELD - FIRST_NUMBER + 1];
	char *end;

	if (at[0] != ' ' || at[1] == '\0')
		return false;
	out->state = at[1];
	at += 2;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		numbers[i] = strtoll(at, &end, 10);
		if (end == at)
			return false;
		at = end;
	}
	out->ppid = (pid_t)numbers[0];
	out->pgid = (pid_t)numbers[1];
	out->sid = (pid_t)numbers[2];
	out->start_ticks = (uint64_t)numbers[LAST_FIELD - FIRST_NUMBER];
	return true;
}

int mf__proc_read(struct mf__proc *out, pid_t pid)
{
	struct mf__proc proc = {.pid = pid};
	char text[1024];
	char path[64];
	const char *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	/* The name in the second field may hold anything, brackets too. */
	at = strrchr(text, ')');
	if (!at || !parse_fields(at + 1, &proc))
		return -ESRCH;
	*out = proc;
	return 0;
}

uint64_t mf__proc_start(pid_t pid)
{
	struct mf__proc proc;

	return mf__proc_read(&proc, pid) == 0 ? proc.start_ticks : 0;
}

int mf__proc_is_below(pid_t pid, pid_t ancestor)
{
	struct mf__proc proc;
	int rc = mf__proc_read(&proc, pid);

	for (int i = 0; rc == 0 && i < DEPTH_MAX; i++) {
		if (proc.ppid == ancestor)
			return 1;
		if (proc.ppid <= 1)
			return 0;
		rc = mf__proc_read(&proc, proc.ppid);
	}
	return rc;
}

bool mf__proc_ignores(pid_t pid, int signo)
{
	struct mf_buf text = {0};
	char path[64];
	const char *at = NULL;
	uint64_t mask = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (mf__proc_file(&text, path) == 0 && mf_buf_ok(&text))
		at = strstr(text.ptr, "\nSigIgn:");
	if (at)
		mask = strtoull(at + 8, NULL, 16);
	mf_buf_clear(&text);
	return mask >> (signo - 1) & 1;
}

void mf__proc_argv(struct mf_buf *out, pid_t pid)
{
	size_t before = out->len;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	mf_ignore(mf__proc_file(out, path), "it may be gone");
	if (out->len > before && out->ptr[out->len - 1] != '\0')
		mf_buf_putc(out, '\0');
}

size_t mf__pids_len(const struct mf_buf *pids)
{
	return pids->len / sizeof(pid_t);
}

pid_t mf__pids_at(const struct mf_buf *pids, size_t i)
{
	pid_t pid;

	memcpy(&pid, pids->ptr + i * sizeof(pid), sizeof(pid));
	return pid;
}

static void add_pid(struct mf_buf *out, pid_t pid)
{
	mf_buf_add(out, &pid, sizeof(pid));
}

/* The kernel's own list, where it was built with it. */
static int list_children(struct mf_buf *out, pid_t parent, const char *tid)
{
	struct mf_buf text = {0};
	char path[320];
	char *at;
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)parent,
	         tid);
	rc = mf__proc_file(&text, path);
	for (at = text.ptr; rc == 0 && at && *at;) {
		long pid = strtol(at, &at, 10);

		if (pid > 0)
			add_pid(out, (pid_t)pid);
		at += strspn(at, " \n");
	}
	mf_buf_clear(&text);
	return rc;
}

static int list_by_thread(struct mf_buf *out, pid_t parent)
{
	char path[64];
	struct dirent *entry;
	int rc = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)parent);
	dir = opendir(path);
	if (!dir)
		return -ESRCH;
	while (rc == 0 && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			rc = list_children(out, parent, entry->d_name);
	closedir(dir);
	return rc;
}

static int list_by_scan(struct mf_buf *out, pid_t parent)
{
	DIR *dir = opendir("/proc");
	struct mf__proc proc;
	struct dirent *entry;
	uint64_t pid;

	if (!dir)
		return -ENOENT;
	while ((entry = readdir(dir))) {
		if (mf_str_u64(mf_str(entry->d_name), &pid) &&
		    mf__proc_read(&proc, (pid_t)pid) == 0 &&
		    proc.ppid == parent)
			add_pid(out, (pid_t)pid);
	}
	closedir(dir);
	return 0;
}

int mf__proc_children(struct mf_buf *out, pid_t parent)
{
	int rc = list_by_thread(out, parent);

	if (rc == -ENOENT)
		rc = list_by_scan(out, parent);
	if (rc == 0 && !mf_buf_ok(out))
		rc = -ENOMEM;
	return rc;
}

static bool has_pid(const struct mf_buf *pids, pid_t pid)
{
	for (size_t i = 0; i < mf__pids_len(pids); i++)
		if (mf__pids_at(pids, i) == pid)
			return true;
	return false;
}

/* Add what is in `from` and not yet in `out`: a tree that changes meanwhile
 * may show a process twice. */
static void merge(struct mf_buf *out, const struct mf_buf *from, size_t max)
{
	for (size_t i = 0; i < mf__pids_len(from); i++) {
		pid_t pid = mf__pids_at(from, i);

		if (mf__pids_len(out) < max && !has_pid(out, pid))
			add_pid(out, pid);
	}
}

int mf__proc_descendants(struct mf_buf *out, pid_t root, size_t max)
{
	struct mf_buf below = {0};
	size_t next = 0;
	int rc = mf__proc_children(&below, root);

	merge(out, &below, max);
	while (rc == 0 && mf_buf_ok(out) && next < mf__pids_len(out)) {
		mf_buf_reset(&below);
		mf_ignore(mf__proc_children(&below, mf__pids_at(out, next++)),
		          "it is gone, and its children are the root's");
		merge(out, &below, max);
	}
	mf_buf_clear(&below);
	return mf_buf_ok(out) ? rc : -ENOMEM;
}

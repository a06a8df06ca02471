#include "session/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "mfcore/str.h"

static void fill_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static int note_fd(struct mf__inherited *out, int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0 || (flags & FD_CLOEXEC))
		return 0;
	if (out->len == out->cap) {
		size_t cap = out->cap ? out->cap * 2 : 16;
		int *fds = reallocarray(out->fds, cap, sizeof(*fds));

		if (!fds)
			return -ENOMEM;
		out->fds = fds;
		out->cap = cap;
	}
	out->fds[out->len++] = fd;
	return 0;
}

int mf__inherited_init(struct mf__inherited *out)
{
	struct mf__inherited inherited = {0};
	struct dirent *entry;
	uint64_t fd;
	int rc = 0;
	DIR *dir;

	fill_standard();
	dir = opendir("/proc/self/fd");
	while (rc == 0 && dir && (entry = readdir(dir)))
		if (mf_str_u64(mf_str(entry->d_name), &fd) &&
		    fd > STDERR_FILENO)
			rc = note_fd(&inherited, (int)fd);
	if (dir)
		closedir(dir);
	if (rc < 0)
		mf__inherited_clear(&inherited);
	else
		*out = inherited;
	return rc;
}

void mf__inherited_let_go(struct mf__inherited *inherited, bool with_stderr)
{
	int last = with_stderr ? STDERR_FILENO : STDOUT_FILENO;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; fd <= last && null >= 0; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
	for (size_t i = 0; i < inherited->len; i++)
		close(inherited->fds[i]);
	inherited->len = 0;
}

void mf__inherited_clear(struct mf__inherited *inherited)
{
	free(inherited->fds);
	*inherited = (struct mf__inherited){0};
}

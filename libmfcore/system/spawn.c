#include "system/spawn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* In the child, which shares no lock with other threads: only system calls. */
static _Noreturn void run(const struct mf__spawn *what, int fd)
{
	char go;
	int rc;

	while (recv(fd, &go, sizeof(go), 0) < 0 && errno == EINTR)
		;
	if (what->file_size)
		setrlimit(RLIMIT_FSIZE, what->file_size);
	mf__signals_restore(what->signals);
	execvpe(what->argv[0], what->argv, what->environ);
	rc = errno;
	if (send(fd, &rc, sizeof(rc), MSG_NOSIGNAL) < 0)
		_exit(126);
	_exit(rc == ENOENT ? 127 : 126);
}

int mf__spawn_hold(struct mf__spawned *out, const struct mf__spawn *what)
{
	int ends[2];
	pid_t pid;
	int rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid = fork();
	rc = pid < 0 ? -errno : 0;
	if (pid == 0) {
		close(ends[0]);
		run(what, ends[1]);
	}
	close(ends[1]);
	if (rc < 0) {
		close(ends[0]);
		return rc;
	}
	*out = (struct mf__spawned){.pid = pid, .fd = ends[0]};
	return 0;
}

int mf__spawn_release(struct mf__spawned *spawned)
{
	int code = 0;
	ssize_t n;

	n = send(spawned->fd, "", 1, MSG_NOSIGNAL);
	while (n >= 0 &&
	       (n = recv(spawned->fd, &code, sizeof(code), MSG_WAITALL)) < 0 &&
	       errno == EINTR)
		n = 0;
	close(spawned->fd);
	spawned->fd = -1;
	return n == sizeof(code) ? -code : 0;
}

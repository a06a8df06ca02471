#include "system/witness.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "system/proc.h"

#define STALE_MS 2000 /* a testimony that old is of another signal */
#define USED_MS 100   /* as is one that old that was used */
#define GUARD_MS 50   /* between two looks at a stopped process */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void close_all_but(unsigned a, unsigned b)
{
	unsigned low = a < b ? a : b;
	unsigned high = a < b ? b : a;

	if (low > 0)
		close_range(0, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0u, 0);
}

static void tell_signals(int signal_fd, int fd)
{
	struct signalfd_siginfo info;

	while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
		struct mf__testimony told = {
			.signo = (int)info.ssi_signo,
			.sender = (pid_t)info.ssi_pid,
			.at_ms = now_ms(),
		};

		if (send(fd, &told, sizeof(told), MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}

static bool is_stopped(pid_t pid)
{
	struct mf__proc proc;

	return mf__proc_read(&proc, pid) == 0 &&
	       (proc.state == 'T' || proc.state == 't');
}

/* The witness's life. `parent` is whom it serves. */
static _Noreturn void testify(int signal_fd, int fd, pid_t parent)
{
	struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN},
	                       {.fd = fd, .events = POLLIN}};
	pid_t guarded = 0;

	for (;;) {
		if (poll(fds, 2, guarded ? GUARD_MS : -1) < 0)
			continue;
		if (fds[0].revents)
			tell_signals(signal_fd, fd);
		if (fds[1].revents &&
		    recv(fd, &guarded, sizeof(guarded), 0) <= 0)
			_exit(0);
		if (guarded && !is_stopped(guarded)) {
			guarded = 0;
			kill(parent, SIGCONT);
		}
	}
}

static _Noreturn void be_witness(int signal_fd, int fd, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	prctl(PR_SET_NAME, "mftrace-witness");
	close_all_but((unsigned)signal_fd, (unsigned)fd);
	if (chdir("/") < 0)
		_exit(0);
	testify(signal_fd, fd, parent);
}

int mf__witness_start(struct mf__witness *witness, int signal_fd)
{
	pid_t parent = getpid();
	int ends[2];
	pid_t pid;

	*witness = (struct mf__witness){.fd = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		be_witness(signal_fd, ends[1], parent);
	close(ends[1]);
	if (pid < 0) {
		int rc = -errno;

		close(ends[0]);
		return rc;
	}
	witness->pid = pid;
	witness->fd = ends[0];
	return 0;
}

static bool take_told(struct mf__witness *witness, int signo, pid_t sender)
{
	uint64_t now = now_ms();

	for (unsigned i = 0; i < MF__WITNESS_KEEPS; i++) {
		struct mf__testimony *told = &witness->told[i];

		if (told->signo != signo || told->sender != sender ||
		    now - told->at_ms > (told->is_used ? USED_MS : STALE_MS))
			continue;
		told->is_used = true;
		return true;
	}
	return false;
}

static void listen_once(struct mf__witness *witness)
{
	struct mf__testimony told;

	if (recv(witness->fd, &told, sizeof(told), 0) != sizeof(told)) {
		close(witness->fd); /* it was killed; its pid is reaped later */
		witness->fd = -1;
		return;
	}
	witness->told[witness->next++ % MF__WITNESS_KEEPS] = told;
}

bool mf__witness_saw(struct mf__witness *witness, int signo, pid_t sender,
                     int timeout_ms)
{
	uint64_t deadline = now_ms() + (uint64_t)timeout_ms;

	while (witness->fd >= 0) {
		struct pollfd fd = {.fd = witness->fd, .events = POLLIN};
		uint64_t now = now_ms();
		int left = now < deadline ? (int)(deadline - now) : 0;

		if (take_told(witness, signo, sender))
			return true;
		if (poll(&fd, 1, left) <= 0 && left == 0)
			return false;
		if (fd.revents)
			listen_once(witness);
	}
	return false;
}

bool mf__witness_guard(struct mf__witness *witness, pid_t pid)
{
	return witness->fd >= 0 && send(witness->fd, &pid, sizeof(pid),
	                                MSG_NOSIGNAL) == sizeof(pid);
}

void mf__witness_stop(struct mf__witness *witness)
{
	if (witness->fd >= 0)
		close(witness->fd);
	witness->fd = -1;
	if (witness->pid <= 0)
		return;
	kill(witness->pid, SIGKILL);
	while (waitpid(witness->pid, NULL, 0) < 0 && errno == EINTR)
		;
	witness->pid = 0;
}

/*
 * Programs that libc starts for its caller: system(3), popen(3), wordexp(3).
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <wordexp.h>

#include "record/record.h"

#define SHELL "/bin/sh"

/*
 * system(3) as POSIX tells it. libc's own would start the shell with an
 * environment that has not our entries, wait for it unseen, and lending it the
 * entries would show them to other threads for as long as the command runs.
 */
static struct {
	pthread_mutex_t lock;
	int users; /* calls in progress; the first ignores, the last restores */
	struct sigaction interrupt;
	struct sigaction quit;
} ignored = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void ignore_signals(sigset_t *defaults)
{
	struct sigaction ignore;

	memset(&ignore, 0, sizeof(ignore));
	ignore.sa_handler = SIG_IGN;
	sigemptyset(&ignore.sa_mask);
	pthread_mutex_lock(&ignored.lock);
	if (ignored.users++ == 0) {
		sigaction(SIGINT, &ignore, &ignored.interrupt);
		sigaction(SIGQUIT, &ignore, &ignored.quit);
	}
	sigemptyset(defaults);
	if (ignored.interrupt.sa_handler != SIG_IGN)
		sigaddset(defaults, SIGINT);
	if (ignored.quit.sa_handler != SIG_IGN)
		sigaddset(defaults, SIGQUIT);
	pthread_mutex_unlock(&ignored.lock);
}

static void restore_signals(void)
{
	pthread_mutex_lock(&ignored.lock);
	if (--ignored.users == 0) {
		sigaction(SIGINT, &ignored.interrupt, NULL);
		sigaction(SIGQUIT, &ignored.quit, NULL);
	}
	pthread_mutex_unlock(&ignored.lock);
}

/* Another thread may have held it when this child was forked. */
void mf__shell_forked(void)
{
	pthread_mutex_init(&ignored.lock, NULL);
}

static int start_shell(pid_t *pid, const char *command, const sigset_t *mask,
                       const sigset_t *defaults)
{
	char *argv[] = {
		(char *)(uintptr_t) "sh",
		(char *)(uintptr_t) "-c",
		(char *)(uintptr_t)command,
		NULL,
	};
	posix_spawnattr_t attr;
	int rc = posix_spawnattr_init(&attr);

	if (rc != 0)
		return rc;
	posix_spawnattr_setsigmask(&attr, mask);
	posix_spawnattr_setsigdefault(&attr, defaults);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF |
	                                        POSIX_SPAWN_SETSIGMASK);
	rc = mf__spawn(pid, SHELL, &attr, argv, environ, "system");
	posix_spawnattr_destroy(&attr);
	return rc;
}

static int run_shell(const char *command)
{
	sigset_t defaults;
	sigset_t child;
	sigset_t mask;
	pid_t pid = 0;
	int status = -1;
	int rc;

	ignore_signals(&defaults);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &child, &mask);
	rc = start_shell(&pid, command, &mask, &defaults);
	if (rc == 0) {
		while (waitpid(pid, &status, 0) < 0) {
			if (errno == EINTR)
				continue;
			rc = errno;
			status = -1;
			break;
		}
	} else {
		status = 127 << 8; /* as if the shell had said so */
	}
	restore_signals();
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	if (rc != 0)
		errno = rc;
	return status;
}

MF__EXPORT int system(const char *command)
{
	int state = 0;
	int status;

	/* Asked for a shell, only glibc tries one. */
	if (!mf__recorder.is_on || (!command && !mf__recorder.is_glibc))
		return MF__REAL(system)(command);
	/* Cancelled in between, signals would stay ignored. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	status = command ? run_shell(command) : run_shell("exit 0") == 0;
	pthread_setcancelstate(state, NULL);
	return status;
}

/*
 * The others are libc's own, with our entries lent to `environ` meanwhile. A
 * thread that changes the environment in that moment makes libc copy the list;
 * then our entries are taken out of the copy, and what they point to stays.
 */
struct lent {
	struct mf__envp *env;
	char **list;
	char **was;
};

static bool lend(struct lent *lent)
{
	lent->env = mf__recorder.is_on && mf__environ_reaches()
	                    ? calloc(1, sizeof(*lent->env))
	                    : NULL;
	if (!lent->env)
		return false;
	lent->was = environ;
	lent->list = mf__environ_build(lent->env, environ, true);
	environ = lent->list;
	return true;
}

static void take_back(struct lent *lent)
{
	int saved = errno;

	if (environ == lent->list) {
		environ = lent->was;
		mf__environ_drop(lent->env);
		free(lent->env);
	} else {
		mf__environ_hide();
	}
	errno = saved;
}

MF__EXPORT FILE *popen(const char *command, const char *mode)
{
	struct lent lent;
	FILE *stream;

	mf__exec_by_libc(command, "popen");
	if (!lend(&lent))
		return MF__REAL(popen)(command, mode);
	stream = MF__REAL(popen)(command, mode);
	take_back(&lent);
	return stream;
}

MF__EXPORT int wordexp(const char *words, wordexp_t *out, int flags)
{
	struct lent lent;
	int rc;

	/* Only what has a command in it starts one. */
	if ((flags & WRDE_NOCMD) || !strpbrk(words, "$`") || !lend(&lent))
		return MF__REAL(wordexp)(words, out, flags);
	rc = MF__REAL(wordexp)(words, out, flags);
	take_back(&lent);
	return rc;
}

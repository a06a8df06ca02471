/*
 * A tracing session of LTTng for one program: its daemon is our child.
 */
#ifndef MFTEST_LTTNG_SESSION_H
#define MFTEST_LTTNG_SESSION_H

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* argv wants them writable and nobody writes to them. */
#define ARG(text) ((char *)(uintptr_t)(text))

/* Start a program with its output thrown away; returns its pid or -1. */
static inline pid_t lttng_spawn(char *const argv[])
{
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) != 0)
		pid = -1;
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static inline bool lttng_run(char *const argv[])
{
	pid_t pid = lttng_spawn(argv);
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

#define LTTNG_RUN(...) lttng_run((char *[]){ARG("lttng"), __VA_ARGS__, NULL})

static inline void lttng_stop(pid_t daemon)
{
	LTTNG_RUN(ARG("destroy"), ARG("mf_bench"));
	if (daemon > 0) {
		kill(daemon, SIGTERM);
		waitpid(daemon, NULL, 0);
	}
}

/* Record mf_bench:append into `dir`. Returns the daemon's pid, or -1. */
static inline pid_t lttng_start(const char *dir)
{
	pid_t daemon = lttng_spawn(
		(char *[]){ARG("lttng-sessiond"), ARG("--no-kernel"), NULL});
	char output[300];

	if (daemon < 0)
		return -1;
	snprintf(output, sizeof(output), "--output=%s/lttng", dir);
	for (int i = 0; i < 50; i++) {
		if (LTTNG_RUN(ARG("create"), ARG("mf_bench"), output))
			break;
		usleep(100000);
	}
	if (LTTNG_RUN(ARG("enable-channel"), ARG("-u"), ARG("-s"),
	              ARG("mf_bench"), ARG("--subbuf-size=1M"),
	              ARG("--num-subbuf=8"), ARG("mf")) &&
	    LTTNG_RUN(ARG("enable-event"), ARG("-u"), ARG("-s"),
	              ARG("mf_bench"), ARG("-c"), ARG("mf"),
	              ARG("mf_bench:append")) &&
	    LTTNG_RUN(ARG("start"), ARG("mf_bench")))
		return daemon;
	lttng_stop(daemon);
	return -1;
}

#endif /* MFTEST_LTTNG_SESSION_H */

/*
 * Behave in ways that are hard on whoever watches: stress CASE [NUMBER].
 *
 * What is printed does not depend on time or on process ids.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ticks;
static volatile bool is_over;

static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0 && errno != EAGAIN)
		_exit(99);
}

/* What a profiler does: look and write, in the middle of anything. */
static void on_tick(int signo)
{
	int saved = errno;

	(void)signo;
	ticks++;
	if (ticks % 8 == 0 && write(2, "", 0) != 0)
		_exit(98);
	if (ticks % 16 == 0 && write(2, "t", 1) != 1)
		_exit(97);
	errno = saved;
}

static void start_ticks(int which, int signo)
{
	struct itimerval every = {{0, 250}, {0, 250}};
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_tick;
	action.sa_flags = SA_RESTART;
	sigaction(signo, &action, NULL);
	setitimer(which, &every, NULL);
}

static void *print_lines(void *arg)
{
	const int *lines = arg;

	for (int i = 0; i < *lines; i++)
		say("one line of output, as long as lines are\n");
	return NULL;
}

/* Signals a thousand times a second while several threads print. */
static int run_storm(int number)
{
	pthread_t threads[4];

	start_ticks(ITIMER_REAL, SIGALRM);
	start_ticks(ITIMER_PROF, SIGPROF);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, print_lines, &number);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return ticks == 0;
}

static void *print_for_ever(void *arg)
{
	struct timespec moment = {0, 20000};

	while (!is_over) {
		int fds[2];

		nanosleep(&moment, arg);
		say("a thread prints\n");
		if (pipe(fds) == 0) {
			close(fds[0]);
			close(fds[1]);
		}
	}
	return NULL;
}

static void be_child(int i)
{
	if (i % 2)
		say("a child prints\n");
	if (i % 64 == 7) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(3);
		if (waitpid(pid, NULL, 0) != pid)
			_exit(96);
	}
	if (i % 128 == 9)
		execl("/bin/true", "true", (char *)NULL);
	_exit(0);
}

/* Forks at any moment of threads that append and classify. */
static int run_forks(int number)
{
	pthread_t threads[3];
	int rc = 0;

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, print_for_ever, NULL);
	for (int i = 0; i < number && rc == 0; i++) {
		int status = 0;
		pid_t pid = i % 8 == 3 ? _Fork() : fork();

		if (pid == 0)
			be_child(i);
		if (waitpid(pid, &status, 0) != pid || status != 0)
			rc = 95;
	}
	is_over = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	return rc;
}

static int limit(int what, rlim_t to)
{
	struct rlimit value = {to, to};

	return setrlimit((__rlimit_resource_t)what, &value);
}

static int run_children(void)
{
	char *argv[] = {(char *)(unsigned long)"true", NULL};
	int status = 1;
	pid_t pid = fork();

	if (pid == 0) {
		say("a child\n");
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		return 94;
	/* Under some limits the loader itself fails, recorded or not. */
	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	return 0;
}

/* A limit that the program gives itself in the middle of its work. */
static int under_limit(int what, rlim_t to, int number)
{
	int half = number / 2;

	print_lines(&half);
	if (limit(what, to) < 0)
		return 93;
	print_lines(&half);
	say("after\n");
	return run_children();
}

static int run_fsize(int number)
{
	return under_limit(RLIMIT_FSIZE, 0, number);
}

static int run_as(int number)
{
	return under_limit(RLIMIT_AS, 1 << 20, number);
}

static int run_nofile(int number)
{
	return under_limit(RLIMIT_NOFILE, 3, number);
}

static int run_stack(int number)
{
	return under_limit(RLIMIT_STACK, 1 << 16, number);
}

/* Everything above the standard three is closed, again and again. */
static int run_close(int number)
{
	for (int i = 0; i < number; i++) {
		if (i % 100 == 0)
			closefrom(3);
		if (i % 100 == 50)
			close_range(3, ~0u, CLOSE_RANGE_UNSHARE);
		say("closed\n");
	}
	return run_children();
}

/* A stack that is only as large as signal handlers need. */
static int run_sigaltstack(int number)
{
	static char memory[16384];
	stack_t stack = {.ss_sp = memory, .ss_size = sizeof(memory)};
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_tick;
	action.sa_flags = SA_ONSTACK;
	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < number; i++)
		raise(SIGUSR1);
	return ticks != number;
}

static const struct {
	const char *name;
	int (*run)(int number);
} cases[] = {
	{"storm", run_storm},   {"forks", run_forks},
	{"fsize", run_fsize},   {"as", run_as},
	{"nofile", run_nofile}, {"stack", run_stack},
	{"close", run_close},   {"sigaltstack", run_sigaltstack},
};

int main(int argc, char **argv)
{
	int number = argc > 2 ? atoi(argv[2]) : 1000;

	for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(*cases);
	     i++) {
		if (strcmp(cases[i].name, argv[1]) == 0)
			return cases[i].run(number);
	}
	return 2;
}

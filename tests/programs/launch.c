/*
 * Start programs in every way libc and the kernel have: launch PLACE CASE.
 *
 * PLACE is this program, by an absolute path, which is also what it starts:
 * "launch PLACE leaf CODE TEXT" writes TEXT and exits with CODE.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

static const char *place;

static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		_exit(99);
}

static char *word(const char *text)
{
	return (char *)(uintptr_t)text;
}

#define LEAF(code, text)                                                       \
	{                                                                      \
		word("leaf"), word(place), word("leaf"), word(code),           \
			word(text), NULL                                       \
	}

/* Wait for a child and say what became of it. */
static int await(pid_t pid)
{
	char text[64];
	int status = 0;

	if (waitpid(pid, &status, 0) != pid)
		return 98;
	snprintf(text, sizeof(text), "status %d\n", status);
	say(text);
	return 0;
}

static int run_system(void)
{
	char command[4096];

	snprintf(command, sizeof(command), "exec '%s' '%s' leaf 3 system\n",
	         place, place);
	return WEXITSTATUS(system(command)) + (system("exit 4") != 4 << 8) +
	       (system(NULL) == 0);
}

static int run_system_killed(void)
{
	return WTERMSIG(system("kill -9 $$"));
}

static int run_popen(void)
{
	char command[4096];
	char line[64] = "";
	FILE *stream;

	snprintf(command, sizeof(command), "'%s' '%s' leaf 5 'popen\n'", place,
	         place);
	stream = popen(command, "r");
	if (!stream || !fgets(line, sizeof(line), stream))
		return 97;
	say(line);
	return WEXITSTATUS(pclose(stream));
}

static int run_wordexp(void)
{
	char words[4096];
	wordexp_t list;
	int rc;

	snprintf(words, sizeof(words), "$('%s' '%s' leaf 0 'a b')", place,
	         place);
	rc = wordexp(words, &list, 0);
	if (rc != 0)
		return 96;
	say(list.we_wordv[1]);
	wordfree(&list);
	return 0;
}

static int run_execl(void)
{
	execl(place, "leaf", place, "leaf", "7", "execl\n", (char *)NULL);
	return 95;
}

static int run_execlp(void)
{
	char name[] = "launch-not-there";

	execlp(name, name, (char *)NULL);
	execlp("sh", "sh", "-c", "exit 8", (char *)NULL);
	return 95;
}

static int run_execle(void)
{
	char *none[] = {NULL};

	execle(place, "leaf", place, "leaf", "9", "execle\n", (char *)NULL,
	       none);
	return 95;
}

static int run_execv(void)
{
	char *argv[] = LEAF("10", "execv\n");

	execv(place, argv);
	return 95;
}

static int run_execve(void)
{
	char *argv[] = LEAF("11", "execve\n");
	char *none[] = {NULL};

	execve(place, argv, none);
	return 95;
}

static int run_execvp(void)
{
	char *argv[] = LEAF("12", "execvp\n");

	execvp(place, argv);
	return 95;
}

static int run_execvpe(void)
{
	char *argv[] = {word("sh"), word("-c"), word("exit 13"), NULL};
	char *list[] = {word("ONLY=this"), NULL};

	execvpe("sh", argv, list);
	return 95;
}

static int run_fexecve(void)
{
	char *argv[] = LEAF("14", "fexecve\n");
	int fd = open(place, O_RDONLY | O_CLOEXEC);

	fexecve(fd, argv, environ);
	return 95;
}

static int run_execveat(void)
{
	char *argv[] = LEAF("15", "execveat\n");
	int fd = open(place, O_PATH | O_CLOEXEC);

	syscall(SYS_getpid);
#ifdef __GLIBC__
	execveat(fd, "", argv, environ, AT_EMPTY_PATH);
#else
	fexecve(fd, argv, environ);
#endif
	return 95;
}

static int run_spawn(void)
{
	char *argv[] = LEAF("16", "spawn\n");
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 5, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, 5, 0);
	posix_spawn_file_actions_addclose(&actions, 5);
	if (posix_spawn(&pid, place, &actions, NULL, argv, environ) != 0)
		return 95;
	posix_spawn_file_actions_destroy(&actions);
	return await(pid);
}

static int run_spawnp(void)
{
	char *argv[] = {word("sh"), word("-c"), word("exit 17"), NULL};
	posix_spawnattr_t attr;
	pid_t pid;

	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	if (posix_spawnp(&pid, "no-such-program", NULL, NULL, argv, environ) !=
	    ENOENT)
		return 94;
	if (posix_spawnp(&pid, "sh", NULL, &attr, argv, environ) != 0)
		return 95;
	posix_spawnattr_destroy(&attr);
	return await(pid);
}

static int vfork_once(void)
{
	char *argv[] = LEAF("18", "vfork\n");
	char *const *list = environ;
	pid_t pid = vfork();

	if (pid == 0) {
		execve("/no/such/program", argv, list);
		execve(place, argv, list);
		_exit(127);
	}
	return await(pid);
}

static int run_vfork(void)
{
	return vfork_once() || vfork_once() || vfork_once();
}

static int run_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		say("in the child\n");
		exit(19);
	}
	return await(pid);
}

static int run_forkpty(void)
{
	char text[64] = "";
	int fd;
	pid_t pid = forkpty(&fd, NULL, NULL, NULL);

	if (pid == 0) {
		execl(place, "leaf", place, "leaf", "20", "forkpty\n",
		      (char *)NULL);
		_exit(127);
	}
	if (read(fd, text, sizeof(text) - 1) < 0)
		return 95;
	say(text);
	return await(pid);
}

static int run_bare_fork(void)
{
	pid_t pid = _Fork();

	if (pid == 0)
		_exit(21);
	return await(pid);
}

/* A child of a raw clone that uses libc after all. */
static int run_raw_clone(void)
{
	char *argv[] = LEAF("22", "clone\n");
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0) {
		execv(place, argv);
		_exit(127);
	}
	return await(pid);
}

/* One that never does. */
static int run_raw_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		syscall(SYS_exit_group, 23);
	return await(pid);
}

static int run_raw_exec(void)
{
	char *argv[] = LEAF("24", "raw exec\n");
	char *none[] = {NULL};
	pid_t pid = fork();

	if (pid == 0) {
		syscall(SYS_execve, place, argv, none);
		_exit(127);
	}
	return await(pid);
}

/* Without libc. */
static int run_bare_exec(void)
{
	char *argv[] = LEAF("32", "bare exec\n");
	char *none[] = {NULL};
	pid_t pid = fork();

#if defined(__x86_64__)
	if (pid == 0) {
		long rc = SYS_execve;

		__asm__ volatile("syscall"
		                 : "+a"(rc)
		                 : "D"(place), "S"(argv), "d"(none)
		                 : "rcx", "r11", "memory");
		_exit(127);
	}
#endif
	return await(pid);
}

/* Its end is announced by closing a pipe, since it is nobody's child. */
static int run_daemon(void)
{
	char byte;
	int fds[2];
	pid_t pid;

	if (pipe(fds) < 0)
		return 95;
	pid = fork();
	if (pid == 0) {
		setsid();
		if (fork() == 0) {
			close(fds[0]);
			if (write(fds[1], "x", 1) != 1)
				_exit(1);
			_exit(25);
		}
		_exit(0);
	}
	close(fds[1]);
	while (read(fds[0], &byte, 1) > 0)
		;
	return await(pid);
}

static int die_of(int signo)
{
	pid_t pid = fork();

	if (pid == 0) {
		kill(getpid(), signo);
		_exit(95);
	}
	return await(pid);
}

static int run_killed(void)
{
	return die_of(SIGKILL);
}

static int run_crash(void)
{
	struct rlimit none = {0, 0};
	pid_t pid;

	setrlimit(RLIMIT_CORE, &none);
	pid = fork();
	if (pid == 0) {
		volatile uintptr_t nowhere = 8;

		*(volatile char *)nowhere = 1;
		_exit(95);
	}
	return await(pid);
}

/* Each way an exec fails, and errno is what it says. */
static int run_failures(void)
{
	char *argv[] = LEAF("0", "");
	char *big[4] = {word("leaf"), NULL, NULL, NULL};
	char text[64];
	char file[] = "launch-XXXXXX";
	int fd = mkstemp(file);
	int errors[5];

	big[1] = malloc(200000);
	memset(big[1], 'x', 199999);
	big[1][199999] = '\0';
	execv("/no/such/program", argv);
	errors[0] = errno;
	execv(file, argv);
	errors[1] = errno;
	fchmod(fd, 0700);
	if (write(fd, "\177ELF?", 5) != 5)
		return 95;
	close(fd);
	execv(file, argv);
	errors[2] = errno;
	execv(place, big);
	errors[3] = errno;
	execv("/", argv);
	errors[4] = errno;
	unlink(file);
	snprintf(text, sizeof(text), "%d %d %d %d %d\n", errors[0], errors[1],
	         errors[2], errors[3], errors[4]);
	say(text);
	return 26;
}

static int spawn_once(const char *text)
{
	char *argv[] = LEAF("27", text);
	pid_t pid;

	return posix_spawnp(&pid, place, NULL, NULL, argv, environ) != 0 ||
	       await(pid);
}

static int fork_once(void)
{
	char *argv[] = {word("sh"), word("-c"), word("exit 28"), NULL};
	pid_t pid = fork();

	if (pid == 0) {
		execvp("sh", argv);
		_exit(127);
	}
	return await(pid);
}

static void *on_small_stack(void *arg)
{
	int fds[2];
	int *rc = arg;

	*rc = spawn_once("small\n") || fork_once() || run_vfork() ||
	      system("exit 29") != 29 << 8 ||
	      rename("no-such-file", "neither") == 0 || pipe(fds) != 0;
	close(fds[0]);
	close(fds[1]);
	return NULL;
}

static int run_small_stacks(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc = 1;

	pthread_attr_init(&attr);
	if (pthread_attr_setstacksize(&attr, (size_t)PTHREAD_STACK_MIN) != 0)
		return 95;
	for (int i = 0; i < 2; i++) {
		if (pthread_create(&thread, &attr, on_small_stack, &rc) != 0)
			return 94;
		pthread_join(thread, NULL);
		if (rc != 0)
			return 93;
	}
	pthread_attr_destroy(&attr);
	return 0;
}

#define THREADS 8
#define ROUNDS 12

/* In one of three ways, a child that exits with 27. */
static int start_child(int way, pid_t *out)
{
	char *argv[] = LEAF("27", "");

	if (way == 2)
		return posix_spawn(out, place, NULL, NULL, argv, environ);
	if (way == 1) {
		*out = fork();
		if (*out == 0)
			_exit(27);
		return *out < 0;
	}
	*out = vfork();
	if (*out == 0) {
		execv(place, argv);
		_exit(127);
	}
	return *out < 0;
}

static void *many_spawns(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		int status = 0;
		pid_t pid = 0;

		if (start_child(i % 3, &pid) != 0 ||
		    waitpid(pid, &status, 0) != pid || status != 27 << 8)
			return arg;
	}
	return NULL;
}

static int run_threads(void)
{
	pthread_t threads[THREADS];
	void *failed = NULL;
	int rc = 0;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, many_spawns, &rc);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		if (failed)
			rc = 95;
	}
	return rc;
}

static int run_close_all(void)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, 3, ~0u, 0) != 0)
		return 95;
#endif
	return spawn_once("closed\n") || fork_once();
}

/* Descriptors we may have classified, used for something else then. */
static int run_reuse(void)
{
	char file[] = "launch-XXXXXX";
	int fds[2];
	int fd;

	if (pipe(fds) < 0)
		return 95;
	close(fds[0]);
	if (dup2(1, fds[1]) < 0 || write(fds[1], "copy\n", 5) != 5)
		return 94;
	fclose(fdopen(fds[1], "w"));
	fd = mkstemp(file);
	if (fd < 0 || write(fd, "secret", 6) != 6 || dup2(fd, 9) != 9)
		return 93;
	close(fd);
	close(9);
	unlink(file);
	return spawn_once("reuse\n");
}

static int run_no_std(void)
{
	char *argv[] = LEAF("0", "");
	int status = 0;
	pid_t pid;

	close(0);
	close(1);
	close(2);
	if (open("/dev/null", O_RDONLY) != 0)
		return 95;
	close(0);
	if (posix_spawn(&pid, place, NULL, NULL, argv, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid)
		return 94;
	return 30 + WEXITSTATUS(status);
}

/* Print the environment, in its order. */
static int run_env(void)
{
	for (char **entry = environ; *entry; entry++) {
		say(*entry);
		say("\n");
	}
	return 0;
}

static int run_dynamic_child(void)
{
	return spawn_once("child\n") || system("exit 31") != 31 << 8;
}

static const struct {
	const char *name;
	int (*run)(void);
} cases[] = {
	{"system", run_system},
	{"system-killed", run_system_killed},
	{"popen", run_popen},
	{"wordexp", run_wordexp},
	{"execl", run_execl},
	{"execlp", run_execlp},
	{"execle", run_execle},
	{"execv", run_execv},
	{"execve", run_execve},
	{"execvp", run_execvp},
	{"execvpe", run_execvpe},
	{"fexecve", run_fexecve},
	{"execveat", run_execveat},
	{"spawn", run_spawn},
	{"spawnp", run_spawnp},
	{"vfork", run_vfork},
	{"fork", run_fork},
	{"forkpty", run_forkpty},
	{"_Fork", run_bare_fork},
	{"raw-clone", run_raw_clone},
	{"raw-fork", run_raw_fork},
	{"raw-exec", run_raw_exec},
	{"bare-exec", run_bare_exec},
	{"daemon", run_daemon},
	{"killed", run_killed},
	{"crash", run_crash},
	{"failures", run_failures},
	{"small-stacks", run_small_stacks},
	{"threads", run_threads},
	{"close-all", run_close_all},
	{"reuse", run_reuse},
	{"no-std", run_no_std},
	{"env", run_env},
	{"child", run_dynamic_child},
};

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	place = argv[1];
	if (strcmp(argv[2], "leaf") == 0 && argc == 5) {
		if (argv[4][0])
			say(argv[4]);
		return atoi(argv[3]);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, argv[2]) == 0)
			return cases[i].run();
	}
	return 2;
}

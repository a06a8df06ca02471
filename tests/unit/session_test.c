#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mfcore/session.h"
#include "support/fault_alloc.h"

/* A home, and a directory to be in, of each case's own. */
struct world {
	char top[32];
	char home[96];
	char state[128];
	char cwd[96];
	struct mf_session_places places;
};

static void run_shell(const char *command, const char *argument)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, "sh", argument, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int begin(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	snprintf(w->top, sizeof(w->top), "/tmp/mf-session-XXXXXX");
	assert_non_null(mkdtemp(w->top));
	snprintf(w->home, sizeof(w->home), "%s/home", w->top);
	snprintf(w->state, sizeof(w->state),
	         "%s/home/.local/state/mfcore/sessions", w->top);
	snprintf(w->cwd, sizeof(w->cwd), "%s/work/deep", w->top);
	run_shell("mkdir -p \"$1/home\" \"$1/work/deep\"", w->top);
	w->places = (struct mf_session_places){.home = w->home, .cwd = w->cwd};
	*state = w;
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;

	run_shell("rm -rf \"$1\"", w->top);
	free(w);
	return 0;
}

#undef TEST
#define TEST(name) static void name(void **state)

static char *below(const struct world *w, const char *path)
{
	char *all = NULL;

	assert_true(asprintf(&all, "%s/%s", w->top, path) > 0);
	return all;
}

static void put(const char *dir, const char *name)
{
	char path[4200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static struct mf_session make(struct world *w, const char *parent,
                              const char *name)
{
	struct mf_session s = {0};

	assert_int_equal(mf_session_create(&s, &w->places, parent, name, NULL),
	                 0);
	return s;
}

static size_t count(struct world *w)
{
	struct mf_session_list list = {0};
	size_t len;

	assert_int_equal(mf_session_list(&list, &w->places, NULL), 0);
	len = list.len;
	mf_session_list_clear(&list);
	return len;
}

TEST(create_makes_a_private_directory_named_by_time)
{
	struct mf_session s = make(*state, NULL, NULL);
	struct world *w = *state;
	struct stat st;

	assert_int_equal(strlen(s.id), strlen("20261124-123456-abcd"));
	assert_int_equal(strncmp(s.dir, w->state, strlen(w->state)), 0);
	assert_string_equal(strrchr(s.dir, '/') + 1, s.id);
	assert_int_equal(stat(s.dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	mf_session_clear(&s);
}

TEST(create_is_private_whatever_the_umask)
{
	mode_t before = umask(0777);
	struct mf_session s = make(*state, NULL, NULL);
	struct stat st;

	umask(before);
	assert_int_equal(stat(s.dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	mf_session_clear(&s);
}

TEST(ids_order_as_the_sessions_began)
{
	char last[MF_SESSION_ID_MAX] = "";

	for (int i = 0; i < 200; i++) {
		struct mf_session s = make(*state, NULL, NULL);

		assert_true(strcmp(last, s.id) < 0);
		memcpy(last, s.id, sizeof(last));
		mf_session_clear(&s);
	}
	assert_int_equal(count(*state), 200);
}

TEST(create_elsewhere_leaves_a_link_that_finds_it)
{
	struct world *w = *state;
	char *parent = below(w, "some/where else");
	struct mf_session s = make(w, parent, "my.run-1");
	struct mf_session found;

	assert_non_null(strstr(s.id, "-my.run-1"));
	assert_int_equal(strncmp(s.dir, parent, strlen(parent)), 0);
	assert_int_equal(mf_session_find(&found, &w->places, "my.ru", NULL), 0);
	assert_string_equal(found.dir, s.dir);
	assert_string_equal(found.id, s.id);
	mf_session_clear(&found);
	assert_int_equal(mf_session_find(&found, &w->places, NULL, NULL), 0);
	assert_string_equal(found.dir, s.dir);
	mf_session_clear(&found);
	mf_session_clear(&s);
	free(parent);
}

TEST(create_goes_where_the_environment_says)
{
	struct world *w = *state;
	char *journal = below(w, "journal");
	char *datastore = below(w, "work/.metaflow");
	char *sysroot = below(w, "sysroot");
	struct mf_session s;

	/* the nearest .metaflow above, which is not made */
	assert_int_equal(mkdir(datastore, 0755), 0);
	s = make(w, NULL, NULL);
	assert_int_equal(strncmp(s.dir, datastore, strlen(datastore)), 0);
	assert_non_null(strstr(s.dir, "/.mfcore/"));
	mf_session_clear(&s);

	/* the one the variable names, and only when it is there */
	w->places.sysroot = sysroot;
	s = make(w, NULL, NULL);
	assert_int_equal(strncmp(s.dir, w->state, strlen(w->state)), 0);
	assert_false(exists(sysroot));
	mf_session_clear(&s);

	w->places.journal = journal;
	s = make(w, NULL, NULL);
	assert_int_equal(strncmp(s.dir, journal, strlen(journal)), 0);
	mf_session_clear(&s);

	w->places.journal = NULL;
	w->places.sysroot = NULL;
	w->places.state_home = journal;
	assert_int_equal(rmdir(datastore) == 0 ? 0 : errno, ENOTEMPTY);
	run_shell("rm -rf \"$1/work/.metaflow\"", w->top);
	s = make(w, NULL, NULL);
	assert_non_null(strstr(s.dir, "/journal/mfcore/sessions/"));
	mf_session_clear(&s);
	free(journal);
	free(datastore);
	free(sysroot);
}

TEST(create_refuses_a_name_that_is_no_file_name)
{
	static const char *const bad[] = {
		"",
		"a b",
		"../x",
		"a/b",
		"\n",
		"caf\xc3\xa9",
		"a0123456789a0123456789a0123456789a0123456",
	};
	struct world *w = *state;
	struct mf_session s = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(mf_session_create(&s, &w->places, NULL, bad[i],
		                                   NULL),
		                 -EINVAL);
	assert_null(s.dir);
	assert_false(exists(w->state));
}

TEST(create_tells_why_it_cannot)
{
	struct world *w = *state;
	struct mf_err err = {0};
	struct mf_session s = {0};

	assert_int_equal(mf_session_create(&s, &w->places, "/proc/none", NULL,
	                                   &err),
	                 -ENOENT);
	assert_non_null(strstr(err.text, "/proc/none"));
	w->places = (struct mf_session_places){.home = NULL, .cwd = "/"};
	assert_true(mf_session_create(&s, &w->places, NULL, NULL, &err) < 0);
	assert_null(s.dir);
}

TEST(find_says_which_ones_a_prefix_fits)
{
	struct world *w = *state;
	struct mf_session one = make(w, NULL, "same");
	struct mf_session two = make(w, NULL, "same");
	struct mf_session found = {0};
	struct mf_err err = {0};

	assert_int_equal(mf_session_find(&found, &w->places, "same", &err),
	                 -MF_EAMBIGUOUS);
	assert_non_null(strstr(err.text, one.id));
	assert_non_null(strstr(err.text, two.id));
	assert_null(found.dir);
	assert_int_equal(mf_session_find(&found, &w->places, one.id, NULL), 0);
	assert_string_equal(found.id, one.id);
	mf_session_clear(&found);
	assert_int_equal(mf_session_find(&found, &w->places, "none", &err),
	                 -ENOENT);
	assert_int_equal(mf_session_find(&found, &w->places, "../..", NULL),
	                 -ENOENT);
	mf_session_clear(&one);
	mf_session_clear(&two);
}

TEST(find_takes_a_whole_id_before_one_that_only_begins_so)
{
	struct world *w = *state;
	struct mf_session plain = make(w, NULL, NULL);
	char longer[256];
	struct mf_session found;

	snprintf(longer, sizeof(longer), "%s-more", plain.dir);
	assert_int_equal(mkdir(longer, 0700), 0);
	assert_int_equal(mf_session_find(&found, &w->places, plain.id, NULL),
	                 0);
	assert_string_equal(found.dir, plain.dir);
	mf_session_clear(&found);
	mf_session_clear(&plain);
}

TEST(find_takes_a_directory_of_any_name)
{
	struct world *w = *state;
	char *dir = below(w, "a copy");
	struct mf_session found = {0};

	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(mf_session_find(&found, &w->places, dir, NULL),
	                 -ENOENT); /* no segment in it */
	put(dir, "host.000001.mfj");
	assert_int_equal(mf_session_find(&found, &w->places, dir, NULL), 0);
	assert_string_equal(found.id, "a copy");
	mf_session_clear(&found);
	free(dir);
}

TEST(find_without_a_name_wants_one_session_at_least)
{
	struct world *w = *state;
	struct mf_session found;

	assert_int_equal(mf_session_find(&found, &w->places, NULL, NULL),
	                 -ENOENT);
}

TEST(list_is_newest_first_and_passes_over_what_is_no_session)
{
	struct world *w = *state;
	struct mf_session one = make(w, NULL, NULL);
	struct mf_session two = make(w, NULL, NULL);
	struct mf_session_list list;

	run_shell("cd \"$1/home/.local/state/mfcore/sessions\" &&"
	          "touch 20200101-000000-aaaa file && mkdir other .hidden &&"
	          "ln -s /no/where 20200101-000000-bbbb &&"
	          "ln -s 20200101-000000-cccc 20200101-000000-cccc &&"
	          "ln -s / 20200101-000000-dddd &&"
	          "mkdir 2020010x-000000-aaaa 20200101-000000-AAAA &&"
	          "mkdir \"20200101-000000-aaaa-\" &&"
	          "mkdir \"20200101-000000-aaaa-b c\" &&"
	          "mkfifo 20200101-000000-eeee",
	          w->top);
	assert_int_equal(mf_session_list(&list, &w->places, NULL), 0);
	assert_int_equal(list.len, 2);
	assert_string_equal(list.items[0].dir, two.dir);
	assert_string_equal(list.items[1].dir, one.dir);
	mf_session_list_clear(&list);
	assert_null(list.items);
	mf_session_clear(&one);
	mf_session_clear(&two);
}

TEST(list_shows_a_session_once_however_it_is_found)
{
	struct world *w = *state;
	char *journal = below(w, "journal");
	struct mf_session s;

	w->places.journal = journal;
	s = make(w, NULL, NULL);
	assert_int_equal(count(w), 1);
	mf_session_clear(&s);
	run_shell("rm -rf \"$1/home\"", w->top);
	assert_int_equal(count(w), 1); /* without its link */
	free(journal);
}

TEST(delete_takes_files_directory_and_link)
{
	struct world *w = *state;
	char *parent = below(w, "journals");
	struct mf_session s = make(w, parent, NULL);
	char path[4200];

	put(s.dir, "host.000001.mfj");
	put(s.dir, "host.000002.mfj.new-77");
	snprintf(path, sizeof(path), "%s/blobs", s.dir);
	put(path, "0123456789abcdef0123456789abcdef");
	put(path, "0123456789abcdef0123456789abcdef.new-1");
	assert_true(mf_session_size(&s) >= 4 * 512);
	assert_int_equal(mf_session_delete(&s, &w->places, NULL), 0);
	assert_false(exists(s.dir));
	assert_true(exists(parent));
	snprintf(path, sizeof(path), "%s/%s", w->state, s.id);
	assert_false(exists(path));
	assert_int_equal(count(w), 0);
	mf_session_clear(&s);
	free(parent);
}

TEST(delete_touches_nothing_where_anything_is_foreign)
{
	static const char *const foreign[] = {
		"notes.txt",
		"blobs/readme",
		".mfj/",
		"blobs/0123456789abcdef0123456789abcdef/",
		"host.000001.mfj/",
		"x.mfj.old",
	};
	struct world *w = *state;
	struct mf_err err;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
		struct mf_session s = make(w, NULL, NULL);
		size_t len = strlen(foreign[i]);
		char path[4200];

		put(s.dir, "host.000009.mfj");
		snprintf(path, sizeof(path), "%s/%s", s.dir, foreign[i]);
		if (foreign[i][len - 1] == '/')
			assert_int_equal(mkdir(path, 0700), 0);
		else
			put(s.dir, foreign[i]);
		assert_int_equal(mf_session_delete(&s, &w->places, &err),
		                 -ENOTEMPTY);
		assert_true(exists(path));
		snprintf(path, sizeof(path), "%s/host.000009.mfj", s.dir);
		assert_true(exists(path));
		mf_session_clear(&s);
	}
}

TEST(delete_follows_no_link)
{
	struct world *w = *state;
	char *precious = below(w, "precious");
	struct mf_session s = make(w, NULL, NULL);
	char path[4200];

	assert_int_equal(mkdir(precious, 0700), 0);
	put(precious, "0123456789abcdef0123456789abcdef");
	snprintf(path, sizeof(path), "%s/blobs", s.dir);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink(precious, path), 0);
	assert_int_equal(mf_session_delete(&s, &w->places, NULL), -ENOTEMPTY);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/a.mfj", s.dir);
	assert_int_equal(symlink(precious, path), 0);
	assert_int_equal(mf_session_delete(&s, &w->places, NULL), -ENOTEMPTY);
	snprintf(path, sizeof(path), "%s/0123456789abcdef0123456789abcdef",
	         precious);
	assert_true(exists(path));
	mf_session_clear(&s);
	free(precious);
}

TEST(a_held_session_is_live_and_cannot_be_deleted)
{
	struct world *w = *state;
	struct mf_session s = make(w, NULL, NULL);
	int fd = mf_session_hold(&s, NULL);

	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(mf_session_is_live(&s));
	assert_int_equal(mf_session_hold(&s, NULL), -EBUSY);
	assert_int_equal(mf_session_delete(&s, &w->places, NULL), -EBUSY);
	close(fd);
	assert_false(mf_session_is_live(&s));
	assert_int_equal(mf_session_delete(&s, &w->places, NULL), 0);
	assert_false(mf_session_is_live(&s));
	mf_session_clear(&s);
}

TEST(a_session_is_dead_the_moment_its_recorder_is_killed)
{
	struct mf_session s = make(*state, NULL, NULL);
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (mf_session_hold(&s, NULL) >= 0 && write(ready[1], "", 1))
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_true(mf_session_is_live(&s));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(mf_session_is_live(&s));
	close(ready[0]);
	close(ready[1]);
	mf_session_clear(&s);
}

TEST(who_asks_does_not_disturb_who_records)
{
	struct mf_session s = make(*state, NULL, NULL);
	int fd = open(s.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(flock(fd, LOCK_SH), 0); /* another who asks */
	assert_false(mf_session_is_live(&s));
	close(fd);
	mf_session_clear(&s);
}

/* One round of everything that allocates; each failure is -ENOMEM or none. */
static int use_all(struct world *w)
{
	struct mf_session_list list = {0};
	struct mf_session found = {0};
	struct mf_session s = {0};
	int rc;

	rc = mf_session_create(&s, &w->places, NULL, "fault", NULL);
	if (rc == 0)
		rc = mf_session_list(&list, &w->places, NULL);
	if (rc == 0)
		rc = mf_session_find(&found, &w->places, s.id, NULL);
	if (rc == 0)
		rc = mf_session_delete(&found, &w->places, NULL);
	mf_session_list_clear(&list);
	mf_session_clear(&found);
	mf_session_clear(&s);
	return rc;
}

TEST(survives_every_failed_allocation)
{
	struct world *w = *state;
	char *journal = below(w, "journal");
	int failures = 0;

	w->places.journal = journal;
	for (long i = 0; i < 200; i++) {
		int rc;

		fault_alloc_fail_at(i);
		rc = use_all(w);
		fault_alloc_fail_at(-1);
		assert_true(rc == 0 || rc == -ENOMEM || rc == -ENOENT);
		failures += rc < 0;
	}
	assert_true(failures > 10);
	assert_int_equal(use_all(w), 0);
	free(journal);
}

#define CASE_IN(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE_IN(create_makes_a_private_directory_named_by_time),
		CASE_IN(create_is_private_whatever_the_umask),
		CASE_IN(ids_order_as_the_sessions_began),
		CASE_IN(create_elsewhere_leaves_a_link_that_finds_it),
		CASE_IN(create_goes_where_the_environment_says),
		CASE_IN(create_refuses_a_name_that_is_no_file_name),
		CASE_IN(create_tells_why_it_cannot),
		CASE_IN(find_says_which_ones_a_prefix_fits),
		CASE_IN(find_takes_a_whole_id_before_one_that_only_begins_so),
		CASE_IN(find_takes_a_directory_of_any_name),
		CASE_IN(find_without_a_name_wants_one_session_at_least),
		CASE_IN(list_is_newest_first_and_passes_over_what_is_no_session),
		CASE_IN(list_shows_a_session_once_however_it_is_found),
		CASE_IN(delete_takes_files_directory_and_link),
		CASE_IN(delete_touches_nothing_where_anything_is_foreign),
		CASE_IN(delete_follows_no_link),
		CASE_IN(a_held_session_is_live_and_cannot_be_deleted),
		CASE_IN(a_session_is_dead_the_moment_its_recorder_is_killed),
		CASE_IN(who_asks_does_not_disturb_who_records),
		CASE_IN(survives_every_failed_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

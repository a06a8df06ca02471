#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mfcli/cmd.h"

struct try_opts {
	bool json;
	const char *at;
	uint64_t limit;
	uint64_t bytes;
	struct mf_opt_list kinds;
};

/* What the verb under test was given, as one line. */
static char seen[512];

static int try_run(const struct mf_args *args, struct mf_err *err)
{
	const struct try_opts *opts = args->opts;
	size_t at;

	if (args->argc && strcmp(args->argv[0], "absent") == 0)
		return mf_fail(err, -ENOENT, "cannot find '%s'\033[2J",
		               args->argv[0]);
	at = (size_t)snprintf(seen, sizeof(seen), "json=%d at=%s limit=%d",
	                      opts->json, opts->at ? opts->at : "-",
	                      (int)opts->limit);
	at += (size_t)snprintf(seen + at, sizeof(seen) - at, " bytes=%d",
	                       (int)opts->bytes);
	for (size_t i = 0; i < opts->kinds.len; i++)
		at += (size_t)snprintf(seen + at, sizeof(seen) - at, " kind=%s",
		                       opts->kinds.items[i]);
	for (size_t i = 0; i < args->argc; i++)
		at += (size_t)snprintf(seen + at, sizeof(seen) - at, " [%s]",
		                       args->argv[i]);
	for (char **word = args->command; word && *word; word++)
		at += (size_t)snprintf(seen + at, sizeof(seen) - at, " <%s>",
		                       *word);
	return 0;
}

static const struct mf_opt options[] = {
	MF_OPT_BOOL(0, "json", "print JSON", struct try_opts, json),
	MF_OPT_STRING('a', "at", "TIME", "at that time", struct try_opts, at),
	MF_OPT_U64('n', "limit", "N", "at most N", struct try_opts, limit),
	MF_OPT_SIZE(0, "bytes", "SIZE", "that big", struct try_opts, bytes),
	MF_OPT_LIST('k', "kind", "exit|exec", "only these, it's repeatable",
                    struct try_opts, kinds),
	MF_OPT_END,
};

static const struct try_opts defaults = {.limit = 7};

static const struct mf_cmd cmd_show = {
	.name = "show",
	.operands = "[SESSION [TASK]]",
	.summary = "show it",
	.max_operands = 2,
	.options = options,
	.options_size = sizeof(struct try_opts),
	.defaults = &defaults,
	.run = try_run,
};

static const struct mf_cmd cmd_record = {
	.name = "record",
	.operands = "-- COMMAND...",
	.summary = "record it",
	.command = MF_COMMAND_REQUIRED,
	.options = options,
	.options_size = sizeof(struct try_opts),
	.failure_status = 125,
	.run = try_run,
};

static const struct mf_cmd *const cmds[] = {&cmd_show, &cmd_record, NULL};
static const struct mf_tool tool = {"mftry", "try things", cmds};

/* Standard output and error of the last call. */
static char out_text[65536];
static char err_text[4096];

static void read_back(FILE *file, char *text, size_t cap)
{
	size_t n;

	rewind(file);
	n = fread(text, 1, cap - 1, file);
	text[n] = '\0';
	fclose(file);
}

/* Run the tool on words ended by NULL, with both outputs caught. */
static int call(const char *const *words)
{
	char *argv[16] = {NULL};
	FILE *out = tmpfile();
	FILE *err = tmpfile();
	int saved_out = dup(STDOUT_FILENO);
	int saved_err = dup(STDERR_FILENO);
	int argc = 0;
	int status;

	assert_non_null(out);
	assert_non_null(err);
	for (; words[argc]; argc++)
		argv[argc] = strdup(words[argc]);
	seen[0] = '\0';
	fflush(stdout);
	fflush(stderr);
	dup2(fileno(out), STDOUT_FILENO);
	dup2(fileno(err), STDERR_FILENO);
	status = mf_cmd_main(&tool, argc, argv);
	fflush(stdout);
	fflush(stderr);
	dup2(saved_out, STDOUT_FILENO);
	dup2(saved_err, STDERR_FILENO);
	close(saved_out);
	close(saved_err);
	read_back(out, out_text, sizeof(out_text));
	read_back(err, err_text, sizeof(err_text));
	while (argc > 0)
		free(argv[--argc]);
	return status;
}

#define CALL(...) call((const char *const[]){"mftry", __VA_ARGS__, NULL})

TEST(options_are_taken_in_every_spelling)
{
	assert_int_equal(CALL("show", "-n5", "--at=+3s", "--bytes", "2KiB"), 0);
	assert_string_equal(seen, "json=0 at=+3s limit=5 bytes=2048");
	assert_int_equal(CALL("show", "x", "-n", "5", "--json", "y"), 0);
	assert_string_equal(seen, "json=1 at=- limit=5 bytes=0 [x] [y]");
	assert_int_equal(CALL("show", "--at", "-10s", "--at="), 0);
	assert_string_equal(seen, "json=0 at= limit=7 bytes=0");
}

TEST(a_repeated_option_keeps_the_order)
{
	assert_int_equal(CALL("show", "-kexit", "--kind", "exec"), 0);
	assert_string_equal(seen,
	                    "json=0 at=- limit=7 bytes=0 kind=exit kind=exec");
}

TEST(two_dashes_end_the_options)
{
	assert_int_equal(CALL("show", "--", "--json"), 0);
	assert_string_equal(seen, "json=0 at=- limit=7 bytes=0 [--json]");
}

TEST(a_command_keeps_its_own_options)
{
	assert_int_equal(CALL("record", "-n1", "--", "ls", "-l", "--", "x"), 0);
	assert_string_equal(seen,
	                    "json=0 at=- limit=1 bytes=0 <ls> <-l> <--> <x>");
	assert_int_equal(CALL("record", "ls", "--json"), 0);
	assert_string_equal(seen, "json=0 at=- limit=0 bytes=0 <ls> <--json>");
}

TEST(wrong_usage_is_one_line_and_status_2)
{
	static const char *const wrong[][3] = {
		{"--jsn", NULL, "unknown option '--jsn'"},
		{"-z", NULL, "unknown option '-z'"},
		{"--json=1", NULL, "--json takes no value"},
		{"--at", NULL, "--at wants a value, TIME"},
		{"-n", "many", "--limit wants a number, not 'many'"},
		{"-n", "-1", "--limit wants a number, not '-1'"},
		{"--bytes", "1X", "--bytes wants a size like 10MiB, not '1X'"},
	};
	char want[256];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *words[] = {"mftry", "show", wrong[i][0],
		                       wrong[i][1], NULL};

		assert_int_equal(call(words), MF_EXIT_USAGE);
		snprintf(want, sizeof(want),
		         "mftry show: %s; try 'mftry show --help'\n",
		         wrong[i][2]);
		assert_string_equal(err_text, want);
		assert_string_equal(out_text, "");
		assert_string_equal(seen, "");
	}
	assert_int_equal(CALL("show", "a", "b", "c"), MF_EXIT_USAGE);
	assert_non_null(strstr(err_text, "'c' is one operand too many"));
	assert_int_equal(CALL("shw"), MF_EXIT_USAGE);
	assert_string_equal(err_text,
	                    "mftry: unknown verb 'shw'; try 'mftry --help'\n");
}

TEST(a_verb_with_its_own_failure_status_uses_it_for_wrong_usage)
{
	assert_int_equal(CALL("record"), 125);
	assert_int_equal(CALL("record", "--"), 125);
	assert_int_equal(CALL("record", "--jsn", "ls"), 125);
}

TEST(a_failure_says_what_and_why_and_escapes_what_is_hostile)
{
	assert_int_equal(CALL("show", "absent"), MF_EXIT_NOT_FOUND);
	assert_string_equal(err_text, "mftry: cannot find 'absent'\\e[2J: "
	                              "No such file or directory\n");
}

TEST(help_goes_to_stdout_and_names_every_option)
{
	assert_int_equal(CALL("show", "--help"), 0);
	assert_string_equal(seen, "");
	assert_non_null(strstr(out_text, "usage: mftry show [OPTION...] "
	                                 "[SESSION [TASK]]\n"));
	for (const struct mf_opt *opt = options; opt->name; opt++)
		assert_non_null(strstr(out_text, opt->name));
	assert_int_equal(CALL("help", "show"), 0);
	assert_non_null(strstr(out_text, "usage: mftry show"));
	assert_int_equal(CALL("--help"), 0);
	assert_non_null(strstr(out_text, "  record"));
	assert_int_equal(CALL("help", "no"), MF_EXIT_USAGE);
}

TEST(no_verb_is_wrong_usage)
{
	const char *words[] = {"mftry", NULL};

	assert_int_equal(call(words), MF_EXIT_USAGE);
	assert_string_equal(out_text, "");
	assert_non_null(strstr(err_text, "usage: mftry VERB"));
}

TEST(a_full_disk_is_told_once_at_the_end)
{
	FILE *err = tmpfile();
	int saved_out = dup(STDOUT_FILENO);
	int saved_err = dup(STDERR_FILENO);
	char name[] = "mftry";
	char option[] = "--version";
	char *argv[] = {name, option, NULL};
	int status;

	fflush(stdout);
	assert_non_null(freopen("/dev/full", "w", stdout));
	dup2(fileno(err), STDERR_FILENO);
	status = mf_cmd_main(&tool, 2, argv);
	clearerr(stdout);
	dup2(saved_out, STDOUT_FILENO);
	dup2(saved_err, STDERR_FILENO);
	close(saved_out);
	close(saved_err);
	read_back(err, err_text, sizeof(err_text));
	assert_int_equal(status, MF_EXIT_FAILED);
	assert_string_equal(err_text, "mftry: cannot write to standard output: "
	                              "No space left on device\n");
}

TEST(completions_name_every_verb_and_option)
{
	static const char *const shells[] = {"bash", "zsh", "fish"};

	for (size_t i = 0; i < 3; i++) {
		const char *words[] = {"mftry", "--completion", shells[i],
		                       NULL};

		assert_int_equal(call(words), 0);
		assert_non_null(strstr(out_text, "record"));
		for (const struct mf_opt *opt = options; opt->name; opt++)
			assert_non_null(strstr(out_text, opt->name));
		assert_non_null(strstr(out_text, "exit exec"));
	}
	assert_int_equal(CALL("--completion", "csh"), MF_EXIT_USAGE);
	assert_int_equal(CALL("--completion"), MF_EXIT_USAGE);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(options_are_taken_in_every_spelling),
		CASE(a_repeated_option_keeps_the_order),
		CASE(two_dashes_end_the_options),
		CASE(a_command_keeps_its_own_options),
		CASE(wrong_usage_is_one_line_and_status_2),
		CASE(a_verb_with_its_own_failure_status_uses_it_for_wrong_usage),
		CASE(a_failure_says_what_and_why_and_escapes_what_is_hostile),
		CASE(help_goes_to_stdout_and_names_every_option),
		CASE(no_verb_is_wrong_usage),
		CASE(completions_name_every_verb_and_option),
		CASE(a_full_disk_is_told_once_at_the_end),
	};

	return cmocka_run_group_tests_name("cli_cmd", cases, NULL, NULL);
}

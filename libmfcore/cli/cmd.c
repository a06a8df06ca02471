#include "mfcli/cmd.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "mfcore/buf.h"
#include "mfcore/text.h"

/* The exit status for a negative error. */
static int status_of(int rc)
{
	switch (-rc) {
	case EINVAL:
		return MF_EXIT_USAGE;
	case ENOENT:
	case MF_EAMBIGUOUS:
	case MF_ENOTHING:
		return MF_EXIT_NOT_FOUND;
	case EACCES:
	case EPERM:
		return MF_EXIT_NOT_PERMITTED;
	default:
		return rc < 0 ? MF_EXIT_FAILED : rc;
	}
}

/* One line, one write, whatever the text holds. */
static void print_line(struct mf_buf *line)
{
	mf_buf_putc(line, '\n');
	if (mf_buf_ok(line))
		fputs(line->ptr, stderr);
	else
		fputs("out of memory\n", stderr);
	mf_buf_clear(line);
}

void mf_cli_error(const char *tool, int rc, const struct mf_err *err)
{
	struct mf_buf line = {0};

	mf_buf_puts(&line, tool);
	if (err && err->text[0]) {
		mf_buf_puts(&line, ": ");
		mf_text_terminal(&line, mf_str(err->text));
	}
	if (rc < 0) {
		mf_buf_puts(&line, ": ");
		mf_buf_puts(&line, mf_strerror(rc));
	}
	print_line(&line);
}

/* Wrong usage is told by what was wrong and where the right way stands. */
static void print_usage_error(const struct mf_tool *tool, const char *verb,
                              const struct mf_err *err)
{
	struct mf_buf line = {0};

	mf_buf_printf(&line, "%s%s%s: ", tool->name, verb ? " " : "",
	              verb ? verb : "");
	mf_text_terminal(&line, mf_str(err->text));
	mf_buf_printf(&line, "; try '%s%s%s --help'", tool->name,
	              verb ? " " : "", verb ? verb : "");
	print_line(&line);
}

static const struct mf_cmd *find(const struct mf_tool *tool, const char *name)
{
	for (const struct mf_cmd *const *cmd = tool->cmds; *cmd; cmd++) {
		if (strcmp((*cmd)->name, name) == 0)
			return *cmd;
	}
	return NULL;
}

static int fail_verb(const struct mf_tool *tool, const char *name)
{
	struct mf_err err = {0};

	mf_fail(&err, -EINVAL, "unknown verb '%s'", name);
	print_usage_error(tool, NULL, &err);
	return MF_EXIT_USAGE;
}

/* A verb's own exit status, or what its failure is called outside. */
static int run(const struct mf_tool *tool, const struct mf_cmd *cmd, int argc,
               char **argv)
{
	struct mf__parsed parsed;
	struct mf_err err = {0};
	int rc = mf__parse(&parsed, tool, cmd, argc, argv, &err);

	if (rc == 0 && parsed.wants_help)
		mf__help_cmd(stdout, tool, cmd);
	else if (rc == 0)
		rc = cmd->run(&parsed.args, &err);
	if (rc == -EINVAL)
		print_usage_error(tool, cmd->name, &err);
	else if (rc < 0)
		mf_cli_error(tool->name, rc, &err);
	if (rc < 0)
		rc = cmd->failure_status ? cmd->failure_status : status_of(rc);
	mf__parsed_clear(&parsed);
	return rc;
}

static int help(const struct mf_tool *tool, const char *name)
{
	const struct mf_cmd *cmd;

	if (!name) {
		mf__help_tool(stdout, tool);
		return MF_EXIT_OK;
	}
	cmd = find(tool, name);
	if (!cmd)
		return fail_verb(tool, name);
	mf__help_cmd(stdout, tool, cmd);
	return MF_EXIT_OK;
}

/* What stands where a verb would, and is none. */
static int run_option(const struct mf_tool *tool, const char *option,
                      const char *value)
{
	struct mf_err err = {0};

	if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0 ||
	    strcmp(option, "help") == 0)
		return help(tool, value);
	if (strcmp(option, "--version") == 0) {
		printf("%s %s\n", tool->name, MF_VERSION);
		return MF_EXIT_OK;
	}
	if (strcmp(option, "--man-options") == 0) {
		mf__man_print(stdout, tool);
		return MF_EXIT_OK;
	}
	if (strcmp(option, "--completion") == 0) {
		if (value && mf__complete_print(stdout, tool, value))
			return MF_EXIT_OK;
		mf_fail(&err, -EINVAL, "--completion is for bash, zsh or fish");
		print_usage_error(tool, NULL, &err);
		return MF_EXIT_USAGE;
	}
	return fail_verb(tool, option);
}

/* Everything printed was written, or the status says so. */
static int check_stdout(const struct mf_tool *tool, int status)
{
	struct mf_err err = {0};
	int rc = 0;

	if (ferror(stdout))
		rc = -EIO;
	if (fflush(stdout) != 0)
		rc = -errno;
	if (rc == 0)
		return status;
	/* whoever reads has seen enough: no word about it */
	if (rc != -EPIPE) {
		mf_fail(&err, rc, "cannot write to standard output");
		mf_cli_error(tool->name, rc, &err);
	}
	if (status == MF_EXIT_NO && rc != -EPIPE)
		return MF_EXIT_FAILED; /* the answer did not arrive */
	return status == MF_EXIT_OK ? MF_EXIT_FAILED : status;
}

int mf_cmd_main(const struct mf_tool *tool, int argc, char **argv)
{
	const struct mf_cmd *cmd;
	int status;

	/* names are UTF-8 wherever we run; widths need to know */
	setlocale(LC_CTYPE, "C.UTF-8");
	if (argc < 2) {
		mf__help_tool(stderr, tool);
		return MF_EXIT_USAGE;
	}
	cmd = find(tool, argv[1]);
	if (cmd)
		status = run(tool, cmd, argc - 2, argv + 2);
	else
		status = run_option(tool, argv[1], argc > 2 ? argv[2] : NULL);
	return check_stdout(tool, status);
}

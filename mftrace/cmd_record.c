#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"
#include "mfcli/places.h"
#include "mfcore/buf.h"
#include "mfcore/redact.h"
#include "mfcore/session.h"
#include "mfcore/supervise.h"

/* As env(1), nice(1) and the others that run a command. */
#define EXIT_OURS 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NO_SUCH 127
#define EXIT_SIGNAL 128

#define MIB (UINT64_C(1) << 20)
#define MS_PER_S 1000u
#define DRAIN_MAX_S 86400u
#define PRELOAD "lib/mfcore/libmfrecord.so"

struct record_opts {
	const char *journal;
	const char *name;
	struct mf_opt_list env_allow;
	uint64_t output_max;
	uint64_t max_size;
	uint64_t drain;
	bool no_output;
	bool no_python;
	bool require;
	bool quiet;
};

static const struct record_opts defaults = {
	.output_max = 10 * MIB,
	.max_size = 4096 * MIB,
	.drain = 10,
};

static const struct mf_opt record_options[] = {
	MF_OPT_STRING('j', "journal", "DIR", "make the session in DIR",
                      struct record_opts, journal),
	MF_OPT_STRING('n', "name", "NAME", "add NAME to the session's id",
                      struct record_opts, name),
	MF_OPT_BOOL(0, "no-output", "do not keep what the command prints",
                    struct record_opts, no_output),
	MF_OPT_BOOL(0, "no-python",
                    "leave Python interpreters alone: no asyncio tasks, no "
                    "names of threads and functions",
                    struct record_opts, no_python),
	MF_OPT_LIST(0, "env-allow", "GLOB",
                    "keep the values of variables and options with such "
                    "names, secret as they may look (repeatable)",
                    struct record_opts, env_allow),
	MF_OPT_SIZE(0, "output-max", "SIZE",
                    "keep at most SIZE of each output of each process "
                    "(10MiB); the rest is counted",
                    struct record_opts, output_max),
	MF_OPT_SIZE(0, "max-size", "SIZE",
                    "stop recording when the session takes SIZE (4GiB)",
                    struct record_opts, max_size),
	MF_OPT_U64(0, "drain", "SECONDS",
                   "wait at most so long for what the command left behind "
                   "(10); Ctrl-C ends the waiting",
                   struct record_opts, drain),
	MF_OPT_BOOL(0, "require", "do not run the command unrecorded",
                    struct record_opts, require),
	MF_OPT_BOOL('q', "quiet", "print nothing of our own",
                    struct record_opts, quiet),
	MF_OPT_END,
};

/* Everything a recording needs, put together before anything is started. */
struct plan {
	struct mf_cli_places places;
	struct mf_session session;
	struct mf_buf allow; /* a run of globs, the last one empty */
	char preload[PATH_MAX];
};

/* Where the recorder's shared object lies: beside us, as installed. */
static int find_preload(char out[PATH_MAX], struct mf_err *err)
{
	const char *given = getenv("MFCORE_PRELOAD");
	char exe[PATH_MAX];
	char path[PATH_MAX + sizeof("/../" PRELOAD)];
	char *slash;
	ssize_t n;

	if (given && *given) {
		snprintf(path, sizeof(path), "%s", given);
	} else {
		n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
		if (n < 0)
			return mf_fail(err, -errno,
			               "cannot tell where our "
			               "files are");
		exe[n] = '\0';
		slash = strrchr(exe, '/');
		if (slash)
			*slash = '\0';
		snprintf(path, sizeof(path), "%s/../%s", exe, PRELOAD);
	}
	if (!realpath(path, out))
		return mf_fail(err, -errno, "cannot find the recorder '%s'",
		               path);
	return 0;
}

static int make_plan(struct plan *plan, const struct record_opts *opts,
                     struct mf_err *err)
{
	int rc = find_preload(plan->preload, err);

	for (size_t i = 0; i < opts->env_allow.len; i++) {
		mf_buf_puts(&plan->allow, opts->env_allow.items[i]);
		mf_buf_putc(&plan->allow, '\0');
	}
	mf_buf_putc(&plan->allow, '\0');
	if (rc == 0 && !mf_buf_ok(&plan->allow))
		rc = mf_fail(err, -ENOMEM, "out of memory");
	if (rc == 0)
		rc = mf_cli_places(&plan->places, err);
	if (rc == 0)
		rc = mf_session_create(&plan->session, &plan->places.where,
		                       opts->journal, opts->name, err);
	return rc;
}

static int supervise(struct mf_supervised *out, const struct plan *plan,
                     const struct mf_args *args, struct mf_err *err)
{
	const struct record_opts *opts = args->opts;
	struct mf_supervise_options options = {
		.session = &plan->session,
		.argv = args->command,
		.environ = environ,
		.preload = plan->preload,
		.version = MF_VERSION,
		.name = opts->name,
		.env_allow = plan->allow.ptr,
		.output_max = opts->output_max,
		.session_max = opts->max_size,
		.drain_ms = opts->drain * MS_PER_S,
		.no_output = opts->no_output,
		.no_python = opts->no_python,
		.is_quiet = opts->quiet,
	};

	return mf_supervise(out, &options, err);
}

static int not_executed(const char *file, int error)
{
	struct mf_err err = {0};

	mf_cli_error("mftrace", mf_fail(&err, -error, "cannot run '%s'", file),
	             &err);
	return error == ENOENT ? EXIT_NO_SUCH : EXIT_NOT_EXECUTABLE;
}

/* The command comes first: without a journal it runs all the same. */
static int run_unrecorded(const struct mf_args *args, int rc,
                          struct mf_err *err)
{
	const struct record_opts *opts = args->opts;
	struct mf_err line = {0};

	if (opts->require || (opts->name && rc == -EINVAL))
		return rc;
	mf_fail(&line, rc, "not recorded: %s", err->text);
	if (!opts->quiet)
		mf_cli_error("mftrace", rc, &line);
	execvp(args->command[0], args->command);
	return not_executed(args->command[0], errno);
}

static void print_end(const struct mf_session *session,
                      const struct mf_supervised *how)
{
	fprintf(stderr, "mftrace: recorded %s", session->id);
	if (how->left)
		fprintf(stderr, " (%zu process%s still running)", how->left,
		        how->left == 1 ? "" : "es");
	fprintf(stderr, "; see 'mftrace tree %s'\n", session->id);
}

static int exit_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? EXIT_SIGNAL + WTERMSIG(wait_status)
	                                : WEXITSTATUS(wait_status);
}

static int record_run(const struct mf_args *args, struct mf_err *err)
{
	const struct record_opts *opts = args->opts;
	struct mf_supervised how = {0};
	struct plan plan = {0};
	int rc;

	if (opts->drain > DRAIN_MAX_S)
		return mf_fail(err, -EINVAL, "'--drain' takes up to %u seconds",
		               DRAIN_MAX_S);
	rc = make_plan(&plan, opts, err);
	if (rc == 0)
		rc = supervise(&how, &plan, args, err);
	if (rc < 0 && plan.session.dir)
		mf_ignore(mf_session_delete(&plan.session, &plan.places.where,
		                            NULL),
		          "an empty session is all it leaves");
	if (rc < 0)
		rc = run_unrecorded(args, rc, err);
	else if (how.exec_errno)
		rc = not_executed(args->command[0], how.exec_errno);
	else
		rc = exit_status(how.wait_status);
	if (plan.session.dir && !how.exec_errno && rc >= 0 && !opts->quiet)
		print_end(&plan.session, &how);
	mf_session_clear(&plan.session);
	mf_buf_clear(&plan.allow);
	return rc;
}

const struct mf_cmd cmd_record = {
	.name = "record",
	.operands = "[--] COMMAND [ARGUMENT...]",
	.summary = "run a command and keep what happened in it and below it",
	.details =
		"The command's output, its exit status and everything it does "
		"are its own; Ctrl-C, a stop and other signals reach it as "
		"without us. When it ends by signal N the status is 128+N. A "
		"failure of our own before it starts is 125; a command that "
		"cannot be executed is 126, one that is not found 127.\n\n"
		"A session can be looked at with the other verbs while it is "
		"being recorded and ever after. It goes to --journal, else to "
		"$MFCORE_JOURNAL, else under the local Metaflow datastore of "
		"this directory when there is one, else to the user's state "
		"directory. When it cannot be made, one line says so and the "
		"command runs unrecorded.\n\n"
		"Processes that outlive the command are waited for, up to "
		"--drain seconds, except those that left on purpose: daemons, "
		"and what nohup(1) started.\n\n"
		"Values that look like secrets are never written: see below.",
	.list_title = "replaced by <redacted> in arguments and environments",
	.list = mf_redact_rules,
	.command = MF_COMMAND_REQUIRED,
	.options = record_options,
	.options_size = sizeof(struct record_opts),
	.defaults = &defaults,
	.failure_status = EXIT_OURS,
	.run = record_run,
};

#include "mfcore/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mfcore/segment.h"
#include "session/files.h"
#include "session/inject.h"
#include "session/story.h"
#include "session/watch.h"
#include "system/signals.h"
#include "system/spawn.h"
#include "system/target.h"

struct recorder {
	const struct mf_supervise_options *options;
	struct mf__inherited inherited;
	struct rlimit file_size; /* as the command gets it */
	struct mf__signals signals;
	struct mf__preload preload;
	struct mf_preparer *preparer;
	struct mf__story story;
	struct mf__watch watch;
	struct mf__spawned child;
	sigset_t early; /* signals that came when there was no child yet */
	char **environ;
	char exe[PATH_MAX]; /* what the command's name leads to, or "" */
	enum mf_target target;
	int live_fd;
	bool has_limit;
	bool has_signals;
	bool is_reaper;
};

/*
 * Preparing pages is no business of the command's limit, where we may lift it.
 */
static void lift_limit(struct recorder *recorder)
{
	struct rlimit lifted;

	if (getrlimit(RLIMIT_FSIZE, &recorder->file_size) < 0)
		return;
	lifted = recorder->file_size;
	lifted.rlim_cur = lifted.rlim_max;
	recorder->has_limit = setrlimit(RLIMIT_FSIZE, &lifted) == 0;
}

static int make_segment(struct recorder *recorder, char *path, size_t cap,
                        struct mf_err *err)
{
	const struct mf_supervise_options *options = recorder->options;
	char boot_id[MF__BOOT_ID_MAX];
	char host[MF__HOST_MAX];
	struct mf_segment_options segment = {
		.session_id = options->session->id,
		.host = host,
		.boot_id = boot_id,
		.preload = recorder->preload.path,
		.env_allow = options->env_allow,
		.environ = options->environ,
		.output_max = options->output_max,
		.session_max = options->session_max,
		.no_output = options->no_output,
		.no_python = options->no_python,
	};
	const char *dir = options->session->dir;
	int rc;

	mf__story_host(host, boot_id);
	if (getrandom(&segment.seed, sizeof(segment.seed), 0) < 0)
		return mf_fail(err, -errno, "no random numbers");
	rc = mf_segment_path(path, cap, dir, host, 1);
	if (rc < 0)
		return mf_fail(err, rc, "the journal's path is too long");
	rc = mf_segment_create(dir, 1, &segment, err);
	if (rc < 0)
		return rc;
	rc = mf_writer_attach(&recorder->story.writer, path);
	if (rc < 0)
		return mf_fail(err, rc, "cannot write to journal '%s'", path);
	return mf_preparer_start(&recorder->preparer, dir, &segment, err);
}

static int open_journal(struct recorder *recorder, struct mf_err *err)
{
	const struct mf_supervise_options *options = recorder->options;
	char path[MF_WRITER_PATH_MAX];
	int rc;

	recorder->live_fd = mf_session_hold(options->session, err);
	if (recorder->live_fd < 0)
		return recorder->live_fd;
	rc = mf__preload_init(&recorder->preload, options->preload, err);
	if (rc == 0)
		rc = make_segment(recorder, path, sizeof(path), err);
	if (rc < 0)
		return rc;
	recorder->environ = mf__environ_with(options->environ,
	                                     recorder->preload.path, path);
	if (!recorder->environ)
		return mf_fail(err, -ENOMEM, "out of memory");
	return 0;
}

static int take_signals(struct recorder *recorder, struct mf_err *err)
{
	struct sigaction hup;
	int fd = mf__signals_take(&recorder->signals);

	if (fd < 0)
		return mf_fail(err, fd, "cannot take signals");
	recorder->has_signals = true;
	recorder->watch.signal_fd = fd;
	recorder->watch.ignores_hup =
		sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler == SIG_IGN;
	return 0;
}

/* What the command is, and whether the recorder may be loaded into it. */
static void inspect(struct recorder *recorder)
{
	const struct mf_supervise_options *options = recorder->options;

	recorder->target = MF_TARGET_MISSING;
	if (mf__target_search(options->argv[0],
	                      mf__environ_get(options->environ, "PATH"),
	                      recorder->exe, sizeof(recorder->exe)))
		recorder->target = mf__target_inspect(recorder->exe);
	else
		recorder->exe[0] = '\0';
}

static int hold_child(struct recorder *recorder, struct mf_err *err)
{
	const struct mf_supervise_options *options = recorder->options;
	struct mf__spawn what = {
		.argv = options->argv,
		.signals = &recorder->signals,
		.file_size = recorder->has_limit ? &recorder->file_size : NULL,
	};
	int rc;

	inspect(recorder);
	what.environ = mf__target_takes_injection(recorder->target)
	                       ? recorder->environ
	                       : options->environ;
	sigpending(&recorder->early);
	rc = mf__spawn_hold(&recorder->child, &what);
	return rc < 0 ? mf_fail(err, rc, "cannot start a process") : 0;
}

/* Everything up to the point where there is a child, held before exec. */
static int set_up(struct recorder *recorder, struct mf_err *err)
{
	const struct mf_supervise_options *options = recorder->options;
	struct mf__watch *watch = &recorder->watch;
	int rc = take_signals(recorder, err);
	int alone = 0;

	if (rc == 0) {
		alone = mf__witness_start(&watch->witness, watch->signal_fd);
		rc = open_journal(recorder, err);
	}
	if (rc < 0)
		return rc;
	mf__oom_init(&watch->oom);
	recorder->is_reaper = prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
	mf__story_session(&recorder->story, options);
	if (alone < 0)
		mf__story_note(&recorder->story,
		               "signals to the group cannot be told from "
		               "signals to the recorder",
		               -alone);
	return hold_child(recorder, err);
}

static void tear_down(struct recorder *recorder, size_t left)
{
	mf__witness_stop(&recorder->watch.witness);
	mf_preparer_stop(recorder->preparer, left == 0);
	mf_writer_detach(&recorder->story.writer);
	mf__oom_clear(&recorder->watch.oom);
	mf__environ_free(recorder->environ);
	mf__preload_clear(&recorder->preload, left > 0);
	mf__inherited_clear(&recorder->inherited);
	if (recorder->live_fd >= 0)
		close(recorder->live_fd);
	if (recorder->is_reaper)
		prctl(PR_SET_CHILD_SUBREAPER, 0);
	if (recorder->has_limit)
		setrlimit(RLIMIT_FSIZE, &recorder->file_size);
	if (recorder->watch.signal_fd >= 0)
		close(recorder->watch.signal_fd);
	if (recorder->has_signals)
		mf__signals_restore(&recorder->signals);
}

/* A Ctrl-C a moment ago was meant for the command. */
static void pass_on_early(const struct recorder *recorder)
{
	for (int signo = 1; signo <= SIGRTMAX; signo++)
		if (signo != SIGCHLD &&
		    sigismember(&recorder->early, signo) > 0)
			kill(recorder->child.pid, signo);
}

static void run(struct recorder *recorder, struct mf_supervised *out)
{
	const struct mf_supervise_options *options = recorder->options;
	struct mf__watch *watch = &recorder->watch;
	struct mf_supervised how = {0};
	struct mf__story_exec exec = {
		.argv = options->argv,
		.exe = recorder->exe[0] ? recorder->exe : NULL,
		.blind = mf__target_blind(recorder->target),
	};
	int rc;

	watch->child = recorder->child.pid;
	mf__story_exec(&recorder->story, watch->child, &exec);
	pass_on_early(recorder);
	rc = mf__spawn_release(&recorder->child);
	mf__inherited_let_go(&recorder->inherited, options->is_quiet);
	if (rc < 0) {
		how.exec_errno = -rc;
		exec.error = -rc;
		mf__story_exec(&recorder->story, watch->child, &exec);
	}
	mf__watch_command(watch);
	how.wait_status = watch->child_status;
	how.left = mf__watch_orphans(watch, options->drain_ms);
	mf__story_end(&recorder->story, &how);
	*out = how;
}

int mf_supervise(struct mf_supervised *out,
                 const struct mf_supervise_options *options, struct mf_err *err)
{
	struct recorder recorder = {
		.options = options,
		.story.env_allow = options->env_allow,
		.watch.journal_dir = options->session->dir,
		.watch.signal_fd = -1,
		.watch.witness.fd = -1,
		.live_fd = -1,
	};
	int rc = mf__inherited_init(&recorder.inherited);

	if (rc < 0)
		return mf_fail(err, rc, "cannot see the open files");
	recorder.watch.story = &recorder.story;
	lift_limit(&recorder);
	rc = set_up(&recorder, err);
	if (rc == 0)
		run(&recorder, out);
	tear_down(&recorder, rc == 0 ? out->left : 0);
	return rc;
}

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "mfcli/out.h"
#include "mfcli/view.h"
#include "mfcore/json.h"
#include "mfcore/tasklog.h"
#include "mfcore/text.h"

struct log_opts {
	const char *session;
	bool only_stdout;
	bool only_stderr;
	bool follow;
	bool raw;
	bool json;
};

struct logging {
	const struct log_opts *opts;
	struct mf_view view;
	struct mf_tasklog *log;
	struct mf_out out;
	size_t printed[3]; /* lines of each stream */
	cJSON *lines;      /* without --follow */
};

static bool wants(const struct log_opts *opts, int stream)
{
	if (opts->only_stdout || opts->only_stderr)
		return stream == 1 ? opts->only_stdout : opts->only_stderr;
	return true;
}

static void put_line(const struct logging *l, const struct mf_log_line *line)
{
	struct mf_buf buf = {0};
	enum mf_style style =
		line->stream == 2 ? MF_STYLE_WARN : MF_STYLE_PLAIN;

	if (!l->opts->raw) {
		mf_text_clock(&buf, line->time_ns);
		mf_buf_puts(&buf, mf_style_begin(&l->out, style));
		mf_buf_puts(&buf, line->stream == 2 ? " err " : " out ");
		mf_buf_puts(&buf, mf_style_end(&l->out, style));
		mf_text_terminal(&buf, line->text);
	} else {
		mf_buf_str(&buf, line->text);
	}
	if (line->is_whole || !l->opts->raw)
		mf_buf_putc(&buf, '\n');
	if (mf_buf_ok(&buf))
		fwrite(buf.ptr, 1, buf.len, l->out.file);
	mf_buf_clear(&buf);
}

static cJSON *line_json(const struct mf_log_line *line)
{
	cJSON *obj = cJSON_CreateObject();

	mf_json_time(obj, "time", line->time_ns);
	mf_json_str(obj, "stream",
	            line->stream == 2 ? MF_STR("stderr") : MF_STR("stdout"));
	mf_json_str(obj, "text", line->text);
	if (line->pid)
		mf_json_u64(obj, "pid", line->pid);
	else
		cJSON_AddNullToObject(obj, "pid");
	if (!line->is_whole)
		cJSON_AddBoolToObject(obj, "no_line_end", true);
	return obj;
}

/* The earlier of the two streams' next lines; false when there is none. */
static bool next_line(struct logging *l, bool is_over, struct mf_log_line *out)
{
	struct mf_log_line line;
	int stream, best = 0;

	for (stream = 1; stream <= 2; stream++) {
		if (!wants(l->opts, stream) ||
		    !mf_tasklog_line(l->log, stream, l->printed[stream], &line))
			continue;
		if (!line.is_whole && !is_over)
			continue; /* more of it may come */
		if (!best || line.time_ns < out->time_ns) {
			*out = line;
			best = stream;
		}
	}
	if (best)
		l->printed[best]++;
	return best != 0;
}

static int print_lines(struct logging *l, bool is_over, struct mf_err *err)
{
	struct mf_log_line line;
	int rc = mf_tasklog_assemble(l->log);
	cJSON *obj;

	if (rc < 0)
		return mf_fail(err, rc, "cannot put the log together");
	while (rc == 0 && next_line(l, is_over, &line)) {
		if (!l->opts->json) {
			put_line(l, &line);
			continue;
		}
		obj = line_json(&line);
		if (l->opts->follow)
			rc = mf_json_print_line(obj, err);
		else if (!cJSON_AddItemToArray(l->lines, obj))
			rc = mf_fail(err, -ENOMEM, "cannot print");
	}
	fflush(l->out.file);
	return rc;
}

static int read_events(struct logging *l, struct mf_err *err)
{
	struct mf_event ev;
	int rc;

	while ((rc = mf_journal_next(l->view.journal, &ev)) > 0) {
		rc = mf_model_fold(l->view.model, &ev, l->view.journal);
		if (rc == 0)
			rc = mf_tasklog_fold(l->log, &ev, l->view.journal);
		if (rc < 0)
			break;
	}
	return rc < 0 ? mf_fail(err, rc, "cannot read the journal") : 0;
}

static void print_excess(const struct logging *l)
{
	int stream;

	for (stream = 1; stream <= 2; stream++)
		if (wants(l->opts, stream) && mf_tasklog_excess(l->log, stream))
			fprintf(stderr,
			        "mftrace: %" PRIu64 " bytes of "
			        "standard %s were not kept\n",
			        mf_tasklog_excess(l->log, stream),
			        stream == 1 ? "output" : "error");
}

static int print_log(struct logging *l, struct mf_err *err)
{
	int rc = read_events(l, err);

	if (rc == 0)
		rc = print_lines(l, !l->opts->follow, err);
	while (rc == 0 && l->opts->follow) {
		rc = mf_view_wait(&l->view, err);
		if (rc <= 0)
			break;
		rc = read_events(l, err);
		if (rc == 0)
			rc = print_lines(l, false, err);
	}
	if (rc == 0 && l->opts->follow)
		rc = print_lines(l, true, err);
	if (rc == 0)
		print_excess(l);
	return rc;
}

static int log_of(struct logging *l, const struct mf_node *node,
                  struct mf_err *err)
{
	struct mf_buf id = {0};
	cJSON *doc = NULL;
	int rc;

	mf_buf_str(&id, node->id);
	rc = mf_tasklog_new(&l->log, node->proc);
	if (rc == 0)
		rc = mf_view_rewind(&l->view, err); /* node is gone from here */
	if (rc == 0)
		mf_tasklog_set_model(l->log, l->view.model);
	if (rc == 0 && l->opts->json && !l->opts->follow) {
		doc = mf_json_document("mftrace", "log");
		mf_json_str(doc, "session", mf_str(l->view.session.id));
		mf_json_str(doc, "of", mf_buf_view(&id));
		l->lines = cJSON_AddArrayToObject(doc, "lines");
	}
	if (rc == 0)
		rc = print_log(l, err);
	if (rc == 0 && doc) {
		mf_json_u64(doc, "not_kept_bytes",
		            mf_tasklog_excess(l->log, 1) +
		                    mf_tasklog_excess(l->log, 2));
		rc = mf_json_print(doc, err);
	} else {
		cJSON_Delete(doc);
	}
	mf_buf_clear(&id);
	return rc;
}

/* A task, else a process; without a name the only task, else the command. */
static int find_writer(const struct mf_view *view, const char *name,
                       const struct mf_node **out, struct mf_err *err)
{
	int rc = mf_view_task(view, name, out, err);

	if (rc == -MF_ENOTHING && name)
		rc = mf_view_proc(view, name, out, NULL) == 0 ? 0 : rc;
	else if (rc == -MF_ENOTHING) {
		*out = mf_model_node_of(
			view->model,
			mf_model_proc_of(
				view->model, 0,
				mf_model_session(view->model)->main_pid, 0));
		rc = *out ? 0 : rc;
	}
	if (rc == 0 && !(*out)->proc)
		rc = mf_fail(err, -MF_ENOTHING,
		             "no process was recorded for '%s'",
		             name ? name : "the command");
	return rc;
}

static int log_run(const struct mf_args *args, struct mf_err *err)
{
	struct logging l = {.opts = args->opts, .out = mf_out_stdout()};
	const struct mf_node *node;
	int rc;

	rc = mf_view_load(&l.view, l.opts->session, NULL, err);
	if (rc == 0)
		rc = find_writer(&l.view, args->argv[0], &node, err);
	if (rc == 0)
		rc = log_of(&l, node, err);
	mf_tasklog_free(l.log);
	mf_view_close(&l.view);
	return rc;
}

static const struct mf_opt log_options[] = {
	MF_OPT_STRING('s', "session", "SESSION",
                      "a session's id, a prefix of it, or its directory",
                      struct log_opts, session),
	MF_OPT_BOOL(0, "stdout", "only standard output", struct log_opts,
                    only_stdout),
	MF_OPT_BOOL(0, "stderr", "only standard error", struct log_opts,
                    only_stderr),
	MF_OPT_BOOL('f', "follow", "go on as lines come", struct log_opts,
                    follow),
	MF_OPT_BOOL(0, "raw", "the bytes as they were written, without times",
                    struct log_opts, raw),
	MF_OPT_BOOL(0, "json", "print JSON; with --follow a line per line",
                    struct log_opts, json),
	MF_OPT_END,
};

const struct mf_cmd cmd_log = {
	.name = "log",
	.operands = "[TASK]",
	.summary = "print what a task wrote, with the time it was written",
	.details =
		"A line per line: the time its first byte was written (not "
		"read, as Metaflow stamps it), its stream, its text with "
		"control characters escaped. What writers that record nothing "
		"wrote has the time their reader read it.\n\n"
		"TASK is a pathspec or its tail (train/17, 17), with @ATTEMPT "
		"for another than the last attempt; or a process, by pid or "
		"id: a sidecar's own output, which Metaflow throws away. "
		"Without it, the session's only task, or the recorded command "
		"itself when it has none.",
	.max_operands = 1,
	.options = log_options,
	.options_size = sizeof(struct log_opts),
	.run = log_run,
};

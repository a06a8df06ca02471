#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "mfcli/out.h"
#include "mfcli/view.h"
#include "mfcore/arena.h"
#include "mfcore/command.h"
#include "mfcore/json.h"
#include "mfcore/s3op_wire.h"
#include "mfcore/s3ops.h"
#include "mfcore/text.h"
#include "tree_print.h"

enum {
	LINES_MAX = 20, /* of a control file or an answer, for a person */
};

struct s3_opts {
	const char *session;
	bool all;
	bool json;
};

static enum mf_s3op_mode mode_of(const struct mf_s3op *op)
{
	return mf_s3op_mode(op->proc->image->command->word);
}

static const struct mf_node *owner_of(const struct mf_view *view,
                                      const struct mf_s3op *op)
{
	return mf_node_above(mf_model_node_of(view->model, op->proc),
	                     MF_NODE_TASK, MF_NODE_RUN);
}

static size_t count_workers(const struct mf_node *node, size_t *bad)
{
	const struct mf_node *child;
	size_t n = 0;

	for (child = node->first; child; child = child->next) {
		if (child->kind != MF_NODE_WORKER)
			continue;
		n++;
		*bad += child->state == MF_STATE_FAILED ||
		        child->state == MF_STATE_KILLED;
	}
	return n;
}

/* ---- for a person ---- */

static void put_lines(struct mf_buf *buf, const char *title, struct mf_str s,
                      bool wants_all)
{
	size_t n = 0;

	if (!s.len)
		return;
	mf_buf_printf(buf, "    %s\n", title);
	while (s.len && (wants_all || n++ < LINES_MAX)) {
		mf_buf_puts(buf, "      ");
		mf_text_terminal(buf, mf_str_cut(&s, '\n'));
		mf_buf_putc(buf, '\n');
	}
	if (s.len)
		mf_buf_puts(buf, "      ... (--all prints the rest)\n");
}

static void put_head(struct mf_buf *buf, const struct mf_view *view,
                     const struct mf_s3op *op, const struct mf_out *out)
{
	const struct mf_node *node = mf_model_node_of(view->model, op->proc);
	const struct mf_node *owner = owner_of(view, op);
	enum mf_style style = mftrace_state_style(node->state);
	size_t bad = 0, workers = count_workers(node, &bad);

	mf_text_clock(buf, node->start_ns);
	mf_buf_puts(buf, "  ");
	mf_text_terminal(buf, op->proc->image->command->word);
	mf_buf_printf(buf, " (pid %u)  ", node->pid);
	mf_buf_puts(buf, mf_style_begin(out, style));
	mf_buf_puts(buf, mf_node_state_word(node->state));
	mf_buf_puts(buf, mf_style_end(out, style));
	if (node->end_ns > node->start_ns) {
		mf_buf_putc(buf, ' ');
		mf_text_duration(buf, node->end_ns - node->start_ns);
	}
	mf_buf_printf(buf,
	              "  %" PRIu64 " inputs, %" PRIu64 " results, "
	              "%zu workers",
	              op->proc->s3_inputs, op->proc->s3_results, workers);
	if (bad)
		mf_buf_printf(buf, " (%zu ended badly)", bad);
	if (owner) {
		mf_buf_puts(buf, "  of ");
		mf_text_terminal(buf, owner->id);
	}
	mf_buf_putc(buf, '\n');
	if (node->exit.text.len) {
		mf_buf_puts(buf, "    ");
		mf_text_terminal(buf, node->exit.text);
		mf_buf_putc(buf, '\n');
	}
}

static void put_op(struct mf_buf *buf, const struct mf_view *view,
                   const struct mf_s3op *op, const struct s3_opts *opts,
                   const struct mf_out *out)
{
	struct mf_str retries = mf_s3op_retries(mf_buf_view(&op->feedback));
	const struct mf_s3_file *file;
	struct mf_buf title = {0};

	put_head(buf, view, op, out);
	for (file = op->files; file; file = file->next) {
		mf_buf_reset(&title);
		mf_text_terminal(&title, file->role);
		mf_buf_puts(&title, " file ");
		mf_text_terminal(&title, file->path);
		if (file->size > file->data.len)
			mf_buf_printf(&title,
			              " (the first %zu of %" PRIu64 " bytes)",
			              file->data.len, file->size);
		if (mf_buf_ok(&title))
			put_lines(buf, title.ptr, file->data, opts->all);
	}
	mf_buf_clear(&title);
	put_lines(buf, "results", mf_buf_view(&op->results), opts->all);
	if (retries.len)
		put_lines(buf, "to be retried", retries, opts->all);
	else
		put_lines(buf, "standard error", mf_buf_view(&op->feedback),
		          opts->all);
}

/* ---- as JSON ---- */

static cJSON *input_json(enum mf_s3op_mode mode, struct mf_str line,
                         struct mf_arena *arena)
{
	struct mf_s3op_input in;
	cJSON *obj = cJSON_CreateObject();

	mf_json_str(obj, "line", line);
	if (mf_s3op_input(mode, line, arena, &in) <= 0)
		return obj;
	mf_json_str(obj, "url", in.url);
	if (in.local.len)
		mf_json_str(obj, "local", in.local);
	if (in.range.len)
		mf_json_str(obj, "range", in.range);
	if (in.error.len)
		mf_json_str(obj, "error", in.error);
	if (in.has_index)
		mf_json_u64(obj, "index", in.index);
	return obj;
}

static void add_inputs(cJSON *obj, const char *name, enum mf_s3op_mode mode,
                       struct mf_str text)
{
	cJSON *arr = cJSON_AddArrayToObject(obj, name);
	struct mf_arena arena = {0};

	while (text.len)
		cJSON_AddItemToArray(
			arr, input_json(mode, mf_str_cut(&text, '\n'), &arena));
	mf_arena_clear(&arena);
}

static void add_results(cJSON *obj, struct mf_str text)
{
	cJSON *arr = cJSON_AddArrayToObject(obj, "results");
	struct mf_arena arena = {0};
	struct mf_s3op_result r;
	cJSON *one;

	while (text.len) {
		if (mf_s3op_result(mf_str_cut(&text, '\n'), &arena, &r) <= 0)
			continue;
		one = cJSON_CreateObject();
		mf_json_u64(one, "index", r.index);
		cJSON_AddBoolToObject(one, "none", r.is_none);
		mf_json_str(one, "a", r.a);
		mf_json_str(one, "b", r.b);
		mf_json_str(one, "c", r.c);
		cJSON_AddItemToArray(arr, one);
	}
	mf_arena_clear(&arena);
}

static cJSON *op_json(const struct mf_view *view, const struct mf_s3op *op)
{
	const struct mf_node *node = mf_model_node_of(view->model, op->proc);
	const struct mf_node *owner = owner_of(view, op);
	struct mf_str feedback = mf_buf_view(&op->feedback);
	const struct mf_s3_file *file;
	cJSON *obj = cJSON_CreateObject();
	cJSON *arr, *one, *tree;

	mf_json_str(obj, "mode", op->proc->image->command->word);
	if (owner)
		mf_json_str(obj, "of", owner->id);
	tree = mf_node_json(node);
	if (tree)
		cJSON_AddItemToObject(obj, "process", tree);
	arr = cJSON_AddArrayToObject(obj, "files");
	for (file = op->files; file; file = file->next) {
		one = cJSON_CreateObject();
		mf_json_str(one, "role", file->role);
		mf_json_str(one, "path", file->path);
		mf_json_time(one, "time", file->time_ns);
		mf_json_u64(one, "size_bytes", file->size);
		mf_json_str(one, "content", file->data);
		add_inputs(one, "inputs", mode_of(op), file->data);
		cJSON_AddItemToArray(arr, one);
	}
	add_results(obj, mf_buf_view(&op->results));
	add_inputs(obj, "to_retry", mode_of(op), mf_s3op_retries(feedback));
	mf_json_str(obj, "stderr", feedback);
	return obj;
}

static bool is_below(const struct mf_node *node, const struct mf_node *top)
{
	while (node && node != top)
		node = node->parent;
	return node != NULL;
}

static int print_ops(const struct mf_view *view, const struct mf_node *top,
                     const struct mf_s3ops *ops, const struct s3_opts *opts,
                     struct mf_err *err)
{
	struct mf_out out = mf_out_stdout();
	cJSON *doc = NULL, *arr = NULL;
	const struct mf_s3op *op;
	struct mf_buf buf = {0};
	size_t n = 0;
	int rc = 0;

	if (opts->json) {
		doc = mf_json_document("mftrace", "s3");
		mf_json_str(doc, "session", mf_str(view->session.id));
		arr = cJSON_AddArrayToObject(doc, "operations");
	}
	for (op = mf_s3ops_first(ops); op; op = op->next) {
		if (!is_below(mf_model_node_of(view->model, op->proc), top))
			continue;
		n++;
		if (opts->json)
			cJSON_AddItemToArray(arr, op_json(view, op));
		else
			put_op(&buf, view, op, opts, &out);
	}
	if (opts->json)
		return mf_json_print(doc, err);
	if (!n)
		mf_buf_puts(&buf, "no S3 operation was recorded\n");
	if (mf_buf_ok(&buf))
		fwrite(buf.ptr, 1, buf.len, out.file);
	else
		rc = mf_fail(err, -ENOMEM, "cannot print");
	mf_buf_clear(&buf);
	return rc;
}

static int read_ops(struct mf_view *view, struct mf_s3ops *ops,
                    struct mf_err *err)
{
	struct mf_event ev;
	int rc;

	while ((rc = mf_journal_next(view->journal, &ev)) > 0) {
		rc = mf_model_fold(view->model, &ev, view->journal);
		if (rc == 0)
			rc = mf_s3ops_fold(ops, &ev, view->journal);
		if (rc < 0)
			break;
	}
	if (rc < 0)
		return mf_fail(err, rc, "cannot read the journal");
	return mf_view_tree(view, err);
}

static int s3_run(const struct mf_args *args, struct mf_err *err)
{
	const struct s3_opts *opts = args->opts;
	const struct mf_node *top;
	const char *run = args->argv[0];
	struct mf_s3ops *ops = NULL;
	struct mf_view view;
	int rc;

	rc = mf_view_open_run(&view, opts->session, &run, err);
	if (rc == 0)
		rc = mf_s3ops_new(&ops, view.model);
	if (rc == 0)
		rc = read_ops(&view, ops, err);
	top = view.root;
	if (rc == 0 && run)
		rc = mf_view_run(&view, run, &top, err);
	if (rc == 0)
		rc = print_ops(&view, top, ops, opts, err);
	mf_s3ops_free(ops);
	mf_view_close(&view);
	return rc;
}

static const struct mf_opt s3_options[] = {
	MF_OPT_STRING('s', "session", "SESSION",
                      "a session's id, a prefix of it, or its directory",
                      struct s3_opts, session),
	MF_OPT_BOOL('a', "all", "print long files whole", struct s3_opts, all),
	MF_OPT_BOOL(0, "json", "print JSON", struct s3_opts, json),
	MF_OPT_END,
};

const struct mf_cmd cmd_s3 = {
	.name = "s3",
	.operands = "[RUN]",
	.summary = "show S3 operations with their control files and results",
	.details =
		"For each s3op process: its mode, how it ended, the files it "
		"was told what to do with, with their content as it was, the "
		"lines it answered, what it asked to be retried, and its "
		"workers. Without RUN, or with a session in its place, everything of "
		"the session.",
	.max_operands = 1,
	.options = s3_options,
	.options_size = sizeof(struct s3_opts),
	.run = s3_run,
};

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "mfcli/out.h"
#include "mfcli/view.h"
#include "mfcore/command.h"
#include "mfcore/json.h"
#include "mfcore/shell_line.h"
#include "mfcore/text.h"
#include "tree_print.h"

enum {
	LINES_MAX = 10,  /* last lines that are quoted */
	BELOW_MAX = 8,   /* failures below one that are named */
	WHOLE_MAX = 3,   /* later failures that are told at length */
	ALIKE_MAX = 3,   /* attempts of a step, for one reason, told each */
	BRIEF_MAX = 15,  /* lines of a part */
	WIDTH_MAX = 300, /* bytes of a quoted line */
};

struct what_failed_opts {
	const char *session;
	bool all;
	bool json;
};

/* What is printed, in this order; the first two are failures. */
enum part {
	PART_FIRST,
	PART_ALSO,
	PART_COLLATERAL,
	PART_NO_FAILURE
};

static bool is_bad(const struct mf_node *node)
{
	return node->state == MF_STATE_FAILED || node->state == MF_STATE_KILLED;
}

/* A worker of a sidecar that another one took the place of. */
static bool is_generation(const struct mf_node *node)
{
	return node->kind == MF_NODE_PROCESS && node->parent &&
	       node->parent->kind == MF_NODE_SIDECAR;
}

/* Which part a node belongs to; false: none, it is told with another. */
static bool part_of(const struct mf_node *node, enum part *part)
{
	if (node->kind == MF_NODE_TASK) /* its attempts tell */
		return false;
	switch (node->blame) {
	case MF_BLAME_FIRST:
		*part = PART_FIRST;
		return true;
	case MF_BLAME_ALSO:
		*part = PART_ALSO;
		return true;
	case MF_BLAME_COLLATERAL:
		*part = PART_COLLATERAL;
		return true;
	case MF_BLAME_RETRIED:
	case MF_BLAME_CAUGHT:
		*part = PART_NO_FAILURE;
		return true;
	case MF_BLAME_NONE:
		break;
	}
	*part = PART_NO_FAILURE;
	return is_bad(node) &&
	       (node->kind == MF_NODE_SIDECAR || node->kind == MF_NODE_S3OP ||
	        node->kind == MF_NODE_WORKER || is_generation(node));
}

/* The last lines of a stream, as many as are quoted. */
static struct mf_str last_lines(struct mf_str tail)
{
	size_t at = tail.len, n = 0;

	while (at && (tail.ptr[at - 1] == '\n' || tail.ptr[at - 1] == ' '))
		at--;
	tail.len = at;
	while (at && n < LINES_MAX)
		if (tail.ptr[--at] == '\n' && ++n == LINES_MAX)
			return mf_str_from(tail, at + 1);
	return tail;
}

static struct mf_str output_of(const struct mf_view *view,
                               const struct mf_node *node, int stream)
{
	if (!node->proc)
		return (struct mf_str){0};
	return last_lines(mf_model_tail(view->model, node->proc, stream));
}

/* Failures of commands below, which may be why: not what git was asked. */
static bool is_cause_below(const struct mf_node *node)
{
	const struct mf_proc *p = node->proc;

	return is_bad(node) && p && p->n_images + p->failed_errno > 0 &&
	       node->kind != MF_NODE_PROCESS && node->kind != MF_NODE_RUN &&
	       node->kind != MF_NODE_ATTEMPT &&
	       !(p->image && p->image->command &&
	         p->image->command->kind == MF_CMD_GIT);
}

static bool is_fork_below(const struct mf_node *node)
{
	return is_bad(node) &&
	       (node->kind == MF_NODE_FORK || node->kind == MF_NODE_WORKER);
}

static const struct mf_node *next_below(const struct mf_node *top,
                                        const struct mf_node *at)
{
	/* a run's tasks speak for themselves */
	if (top->kind == MF_NODE_RUN)
		return NULL;
	while ((at = mf_node_walk(top, at)) != NULL)
		if (is_cause_below(at) || is_fork_below(at))
			return at;
	return NULL;
}

/* ---- for a person ---- */

static void put_lines(struct mf_buf *buf, const char *title, struct mf_str s)
{
	if (!s.len)
		return;
	mf_buf_printf(buf, "    %s\n", title);
	while (s.len) {
		struct mf_str line = mf_str_cut(&s, '\n');
		bool is_long = line.len > WIDTH_MAX;

		if (is_long)
			line.len = WIDTH_MAX;
		mf_buf_puts(buf, "      ");
		mf_text_terminal(buf, line);
		mf_buf_puts(buf, is_long ? "...\n" : "\n");
	}
}

static void put_below(struct mf_buf *buf, const struct mf_node *node)
{
	const struct mf_node *at = node;
	size_t n = 0;

	while ((at = next_below(node, at)) != NULL && n++ < BELOW_MAX) {
		mf_buf_puts(buf, n == 1 ? "    below it failed\n" : "");
		mf_buf_puts(buf, "      ");
		mf_text_terminal(buf, at->name);
		mf_buf_printf(buf, " (pid %u): ", at->pid);
		mf_text_terminal(buf, at->exit.text.len
		                              ? at->exit.text
		                              : mf_str("exit status not 0"));
		mf_buf_putc(buf, '\n');
	}
}

static void put_command(struct mf_buf *buf, const struct mf_view *view,
                        const struct mf_node *node)
{
	struct mf_buf left_out = {0};
	size_t at = buf->len;

	if (!node->proc)
		return;
	mf_buf_puts(buf, node->kind == MF_NODE_ATTEMPT
	                         ? "    run it again, on the same datastore\n"
	                         : "    run it again\n");
	mf_buf_puts(buf, "      ");
	if (mf_shell_line_proc(view->model, node->proc, buf, &left_out))
		mf_buf_putc(buf, '\n');
	else
		buf->len = at;
	if (left_out.len) {
		mf_buf_puts(buf, "      # left out, being secret: ");
		mf_buf_str(buf, mf_buf_view(&left_out));
		mf_buf_putc(buf, '\n');
	}
	mf_buf_clear(&left_out);
}

static const char *part_word(const struct mf_node *node, enum part part)
{
	static const char *const words[] = {
		[PART_FIRST] = "FIRST FAILURE",
		[PART_ALSO] = "also failed",
		[PART_COLLATERAL] = "collateral",
	};

	if (part != PART_NO_FAILURE)
		return words[part];
	if (node->blame == MF_BLAME_RETRIED)
		return "retried";
	if (node->blame == MF_BLAME_CAUGHT)
		return "caught";
	return "ended badly";
}

static void put_name(struct mf_buf *buf, const struct mf_node *node)
{
	const struct mf_node *owner =
		mf_node_above(node, MF_NODE_ATTEMPT, MF_NODE_RUN);
	struct mf_str index = mf_node_split_index(node);

	if (node->kind == MF_NODE_ATTEMPT || node->kind == MF_NODE_RUN) {
		mf_text_terminal(buf, node->id);
		owner = NULL;
	} else if (is_generation(node)) {
		mf_buf_puts(buf, "sidecar ");
		mf_text_terminal(buf, node->parent->name);
		mf_buf_puts(buf, ", ");
		mf_text_terminal(buf, node->name);
	} else {
		mf_buf_puts(buf, mf_node_kind_word(node->kind));
		mf_buf_putc(buf, ' ');
		mf_text_terminal(buf, node->name);
	}
	if (index.len) {
		mf_buf_puts(buf, " (foreach index ");
		mf_text_terminal(buf, index);
		mf_buf_printf(buf, ", pid %u)", node->pid);
	} else if (node->pid) {
		mf_buf_printf(buf, " (pid %u)", node->pid);
	}
	if (owner) {
		mf_buf_puts(buf, " of ");
		mf_text_terminal(buf, owner->id);
	}
}

static void put_part(struct mf_buf *buf, const struct mf_node *node,
                     enum part part, const struct mf_out *out)
{
	enum mf_style style = part == PART_FIRST  ? MF_STYLE_BAD
	                      : part == PART_ALSO ? MF_STYLE_WARN
	                                          : MF_STYLE_FAINT;

	mf_buf_puts(buf, mf_style_begin(out, style));
	mf_buf_puts(buf, part_word(node, part));
	mf_buf_puts(buf, mf_style_end(out, style));
	mf_buf_puts(buf, "  ");
}

static void put_reason(struct mf_buf *buf, const struct mf_node *node)
{
	if (node->exit.text.len)
		mf_text_terminal(buf, node->exit.text);
	else if (node->exit.has_code)
		mf_buf_printf(buf, "exit status %d", node->exit.code);
	mf_buf_putc(buf, '\n');
	if (node->note.len) {
		mf_buf_puts(buf, "    but: ");
		mf_text_terminal(buf, node->note);
		mf_buf_putc(buf, '\n');
	}
}

static void put_brief(struct mf_buf *buf, const struct mf_node *node,
                      enum part part, const struct mf_out *out)
{
	put_part(buf, node, part, out);
	put_name(buf, node);
	mf_buf_puts(buf, ": ");
	put_reason(buf, node);
}

static void put_whole(struct mf_buf *buf, const struct mf_view *view,
                      const struct mf_node *node, enum part part,
                      const struct mf_out *out)
{
	put_part(buf, node, part, out);
	put_name(buf, node);
	mf_buf_puts(buf, "\n    ");
	put_reason(buf, node);
	mf_buf_puts(buf, "    at ");
	mf_text_clock(buf, node->end_ns);
	if (node->end_ns > node->start_ns) {
		mf_buf_puts(buf, ", after ");
		mf_text_duration(buf, node->end_ns - node->start_ns);
	}
	mf_buf_putc(buf, '\n');
	put_below(buf, node);
	if (output_of(view, node, 2).len)
		put_lines(buf, "last lines of standard error",
		          output_of(view, node, 2));
	else
		put_lines(buf, "last lines of standard output",
		          output_of(view, node, 1));
	if (node->kind != MF_NODE_RUN || !node->first)
		put_command(buf, view, node);
}

/* A part as it is being told. */
struct telling {
	const struct mf_view *view;
	const struct mf_out *out;
	struct mf_buf *buf;
	enum part part;
	bool all;
	size_t n_whole; /* told at length so far, the first of them here */
	const struct mf_node *whole[WHOLE_MAX];
};

static bool is_told(const struct telling *t, const struct mf_node *node)
{
	size_t i;

	for (i = 0; i < t->n_whole && i < WHOLE_MAX; i++)
		if (t->whole[i] == node)
			return true;
	return false;
}

/*
 * How many attempts of its step are told in the same words as this one, and
 * which of them is the first; of one that is not, only whether there are many.
 */
static size_t count_alike(const struct telling *t, const struct mf_node *node,
                          const struct mf_node **first)
{
	const struct mf_node *task, *at;
	size_t n = 0;

	*first = node;
	if (t->all || node->kind != MF_NODE_ATTEMPT)
		return 1;
	for (task = node->parent->parent->first; task; task = task->next) {
		for (at = task->first; at; at = at->next)
			if (at->blame == node->blame && !is_told(t, at) &&
			    mf_str_eq(at->exit.text, node->exit.text) &&
			    mf_str_eq(at->note, node->note) && !n++)
				*first = at;
		if (n > ALIKE_MAX && *first != node)
			break; /* there are enough, and one goes before it */
	}
	return n;
}

static void put_many(const struct telling *t, const struct mf_node *first,
                     size_t n)
{
	put_part(t->buf, first, t->part, t->out);
	mf_buf_printf(t->buf, "%zu attempts of ", n);
	mf_text_terminal(t->buf, first->parent->parent->pathspec);
	mf_buf_puts(t->buf, ": ");
	put_reason(t->buf, first);
}

static bool is_told_whole(struct telling *t, const struct mf_node *node)
{
	if (t->part > PART_ALSO)
		return false;
	if (t->part == PART_ALSO && !t->all && t->n_whole == WHOLE_MAX)
		return false;
	if (t->n_whole < WHOLE_MAX)
		t->whole[t->n_whole] = node;
	t->n_whole++;
	put_whole(t->buf, t->view, node, t->part, t->out);
	return true;
}

/* One of the four parts, shortened where it is long. */
static void put_all_of(struct telling *t, const struct mf_node *top)
{
	const struct mf_node *node, *first;
	size_t lines = 0, left_out = 0, n;
	enum part part;

	for (node = top; node; node = mf_node_walk(top, node)) {
		if (!part_of(node, &part) || part != t->part ||
		    is_told_whole(t, node))
			continue;
		n = count_alike(t, node, &first);
		if (n > ALIKE_MAX && node != first)
			continue; /* told with the first */
		if (lines++ >= BRIEF_MAX && !t->all)
			left_out += n > ALIKE_MAX ? n : 1;
		else if (n > ALIKE_MAX)
			put_many(t, node, n);
		else
			put_brief(t->buf, node, part, t->out);
	}
	if (left_out)
		mf_buf_printf(t->buf, "and %zu more; --all tells each\n",
		              left_out);
}

static int print_text(const struct mf_view *view, const struct mf_node *top,
                      size_t failures, bool all, struct mf_err *err)
{
	struct mf_out out = mf_out_stdout();
	struct mf_buf buf = {0};
	enum part want;

	if (!failures) {
		mf_buf_puts(&buf, top->state == MF_STATE_RUNNING
		                          ? "nothing has failed so far in "
		                          : "nothing failed in ");
		mf_text_terminal(&buf, top->id);
		mf_buf_putc(&buf, '\n');
	}
	for (want = PART_FIRST; want <= PART_NO_FAILURE; want++) {
		struct telling t = {
			.view = view,
			.out = &out,
			.buf = &buf,
			.part = want,
			.all = all,
		};

		put_all_of(&t, top);
	}
	if (!mf_buf_ok(&buf)) {
		mf_buf_clear(&buf);
		return mf_fail(err, -ENOMEM, "cannot print");
	}
	fwrite(buf.ptr, 1, buf.len, out.file);
	mf_buf_clear(&buf);
	return 0;
}

/* ---- as JSON ---- */

static void add_lines(cJSON *obj, const char *name, struct mf_str s)
{
	cJSON *arr = cJSON_AddArrayToObject(obj, name);

	while (s.len)
		mf_json_push_str(arr, mf_str_cut(&s, '\n'));
}

/* A node's own document, without what is below it. */
static cJSON *node_alone(const struct mf_node *node)
{
	struct mf_node alone = *node;
	cJSON *obj;

	alone.first = NULL;
	alone.last = NULL;
	obj = mf_node_json(&alone);
	cJSON_DeleteItemFromObjectCaseSensitive(obj, "children");
	return obj;
}

static cJSON *item_json(const struct mf_view *view, const struct mf_node *node,
                        enum part part)
{
	static const char *const words[] = {
		[PART_FIRST] = "first",
		[PART_ALSO] = "also",
		[PART_COLLATERAL] = "collateral",
		[PART_NO_FAILURE] = "no-failure",
	};
	struct mf_buf line = {0}, left_out = {0};
	const struct mf_node *at = node;
	cJSON *obj = node_alone(node);
	cJSON *below;

	mf_json_str(obj, "part", mf_str(words[part]));
	add_lines(obj, "last_stderr", output_of(view, node, 2));
	add_lines(obj, "last_stdout", output_of(view, node, 1));
	below = cJSON_AddArrayToObject(obj, "below");
	while ((at = next_below(node, at)) != NULL)
		cJSON_AddItemToArray(below, node_alone(at));
	if (node->proc &&
	    mf_shell_line_proc(view->model, node->proc, &line, &left_out))
		mf_json_str(obj, "again", mf_buf_view(&line));
	mf_buf_clear(&line);
	mf_buf_clear(&left_out);
	return obj;
}

static int print_document(const struct mf_view *view, const struct mf_node *top,
                          size_t failures, struct mf_err *err)
{
	cJSON *doc = mf_json_document("mftrace", "what-failed");
	const struct mf_node *node;
	enum part want, part;
	cJSON *arr;

	mf_json_str(doc, "session", mf_str(view->session.id));
	mf_json_str(doc, "of", top->id);
	mf_json_u64(doc, "failed", failures);
	arr = cJSON_AddArrayToObject(doc, "failures");
	for (want = PART_FIRST; arr && want <= PART_NO_FAILURE; want++)
		for (node = top; node; node = mf_node_walk(top, node))
			if (part_of(node, &part) && part == want)
				cJSON_AddItemToArray(arr, item_json(view, node,
				                                    part));
	return mf_json_print(doc, err);
}

static int what_failed_run(const struct mf_args *args, struct mf_err *err)
{
	const struct what_failed_opts *opts = args->opts;
	const struct mf_node *top, *node;
	size_t failures = 0;
	struct mf_view view;
	enum part part;
	int rc;

	rc = mf_view_load_run(&view, opts->session, args->argv[0], &top, err);
	if (rc < 0 || !top)
		goto out;
	for (node = top; node; node = mf_node_walk(top, node))
		failures += part_of(node, &part) && part != PART_NO_FAILURE;
	rc = opts->json ? print_document(&view, top, failures, err)
	                : print_text(&view, top, failures, opts->all, err);
	if (rc == 0 && failures)
		rc = MF_EXIT_NO;

out:
	mf_view_close(&view);
	return rc;
}

static const struct mf_opt what_failed_options[] = {
	MF_OPT_STRING('s', "session", "SESSION",
                      "a session's id, a prefix of it, or its directory",
                      struct what_failed_opts, session),
	MF_OPT_BOOL('a', "all", "tell each, however many there are",
                    struct what_failed_opts, all),
	MF_OPT_BOOL(0, "json", "print JSON", struct what_failed_opts, json),
	MF_OPT_END,
};

const struct mf_cmd cmd_what_failed = {
	.name = "what-failed",
	.operands = "[RUN]",
	.summary = "tell what failed first, why, and what came of it",
	.details =
		"The first failure of each run comes first: its cause in "
		"words, what failed below it, its last lines, the command that "
		"runs it again. What failed by itself later and what ended "
		"only because of it (collateral) follow, and what ended badly "
		"without failing the run: attempts that were retried, failures "
		"that @catch swallowed, sidecars and S3 operations.\n\n"
		"The exit status is 3 when there are failures, 0 when there "
		"are none. Without RUN, or with a session in its place, everything of "
		"the session.",
	.max_operands = 1,
	.options = what_failed_options,
	.options_size = sizeof(struct what_failed_opts),
	.run = what_failed_run,
};

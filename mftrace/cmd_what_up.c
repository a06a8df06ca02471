#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "mfcli/out.h"
#include "mfcli/view.h"
#include "mfcore/command.h"
#include "mfcore/json.h"
#include "mfcore/text.h"
#include "tree_print.h"

struct what_up_opts {
	const char *session;
	bool json;
};

/* How a process that never told its end stands on this machine now. */
enum now {
	NOW_UNKNOWN, /* another machine, or not to be told */
	NOW_GONE,
	NOW_RUNS,
};

static bool is_open(const struct mf_node *node)
{
	if (node->kind == MF_NODE_THREAD || node->kind == MF_NODE_ASYNC ||
	    node->kind == MF_NODE_ATTEMPT || node->kind == MF_NODE_SESSION)
		return false;
	return node->proc && (node->state == MF_STATE_RUNNING ||
	                      node->state == MF_STATE_LOST);
}

/*
 * Whether the very process still runs: its pid may be another's by now, which
 * its start time tells.
 */
static enum now look(const struct mf_view *view, const struct mf_proc *p)
{
	const struct mf_journal_host *host;
	char path[64], text[1024], boot[64] = "";
	uint64_t ticks = 0;
	struct mf_str rest;
	FILE *f;
	size_t len;
	int i;

	host = p->host < mf_journal_hosts(view->journal)
	               ? mf_journal_host(view->journal, p->host)
	               : NULL;
	f = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (f) {
		len = fread(boot, 1, sizeof(boot) - 1, f);
		boot[len && boot[len - 1] == '\n' ? len - 1 : len] = '\0';
		fclose(f);
	}
	if (!host || !boot[0])
		return NOW_UNKNOWN;
	if (!mf_str_is(host->boot_id, boot))
		return NOW_UNKNOWN;
	snprintf(path, sizeof(path), "/proc/%u/stat", p->pid);
	f = fopen(path, "re");
	if (!f)
		return NOW_GONE;
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	if (!strrchr(text, ')'))
		return NOW_GONE;
	rest = mf_str(strrchr(text, ')') + 2);
	if (rest.len && rest.ptr[0] == 'Z')
		return NOW_GONE;
	for (i = 3; i < 22; i++)
		mf_str_cut(&rest, ' ');
	if (!mf_str_u64(mf_str_cut(&rest, ' '), &ticks))
		return NOW_UNKNOWN;
	return !p->start_ticks || ticks == p->start_ticks ? NOW_RUNS : NOW_GONE;
}

static size_t open_children(const struct mf_node *node,
                            const struct mf_node **one)
{
	const struct mf_node *at = node;
	size_t n = 0;

	while ((at = mf_node_walk(node, at)) != NULL)
		if (is_open(at) && at->kind != MF_NODE_SIDECAR) {
			if (!n++)
				*one = at;
		}
	return n;
}

static size_t open_tasks(const struct mf_node *run)
{
	const struct mf_node *at = run;
	size_t n = 0;

	while ((at = mf_node_walk(run, at)) != NULL)
		n += at->kind == MF_NODE_TASK && at->state == MF_STATE_RUNNING;
	return n;
}

/* What it waits on, as far as the journal tells. */
static void put_waits(struct mf_buf *buf, const struct mf_node *node)
{
	const struct mf_node *child = NULL;
	struct mf_stream_counts n;
	size_t open;

	if (node->kind == MF_NODE_SIDECAR && node->stream) {
		mf_stream_count(node->stream, &n);
		if (n.sent > n.received)
			mf_buf_printf(
				buf, "has %llu messages to read",
				(unsigned long long)(n.sent - n.received));
		else
			mf_buf_puts(buf, "waits for messages");
		return;
	}
	open = node->kind == MF_NODE_RUN ? open_tasks(node) : 0;
	if (open) {
		mf_buf_printf(buf, "waits for %zu task%s", open,
		              open == 1 ? "" : "s");
		return;
	}
	open = open_children(node, &child);
	if (open) {
		mf_buf_puts(buf, "has below it ");
		mf_text_terminal(buf, child->name);
		mf_buf_printf(buf, " (pid %u)", child->pid);
		if (open > 1)
			mf_buf_printf(buf, " and %zu more", open - 1);
		return;
	}
	if (node->proc->n_asyncs_open)
		mf_buf_printf(buf, "has %llu asyncio tasks open",
		              (unsigned long long)node->proc->n_asyncs_open);
	else if (node->proc->n_threads_open)
		mf_buf_printf(buf, "has %llu threads besides its main one",
		              (unsigned long long)node->proc->n_threads_open);
	else
		mf_buf_puts(buf, "runs its own code");
}

static const char *now_word(enum now now)
{
	static const char *const words[] = {
		[NOW_UNKNOWN] = "unknown",
		[NOW_GONE] = "gone",
		[NOW_RUNS] = "running",
	};

	return words[now];
}

/* The attempt's marks: how far it had come. */
static const char *phase_of(const struct mf_node *node)
{
	const struct mf_attempt *a = node->proc->attempt;

	if (!a)
		return NULL;
	if (a->marks & MF_ATTEMPT_DONE)
		return "its result is written and marked done";
	if (a->marks & MF_ATTEMPT_ENDED)
		return "its step is over, its result is being written";
	if (a->marks & MF_ATTEMPT_RUNNING)
		return "it is in its step";
	if (a->marks & MF_ATTEMPT_BEGUN)
		return "it loads its inputs";
	return "it is starting";
}

static void put_node(struct mf_buf *buf, const struct mf_view *view,
                     const struct mf_node *node, const struct mf_out *out)
{
	const struct mf_node *owner =
		mf_node_above(node->parent, MF_NODE_ATTEMPT, MF_NODE_RUN);
	enum now now = view->is_live ? NOW_RUNS : look(view, node->proc);
	uint64_t last = mf_model_session(view->model)->last_ns;
	enum mf_style style = mftrace_state_style(node->state);

	if (node->kind == MF_NODE_PROCESS && owner)
		mf_text_terminal(buf, owner->id);
	else if (node->kind == MF_NODE_RUN)
		mf_text_terminal(buf, node->id);
	else
		mf_text_terminal(buf, node->name);
	mf_buf_printf(buf, " (pid %u)  ", node->pid);
	mf_buf_puts(buf, mf_style_begin(out, style));
	if (view->is_live || view->is_before)
		mf_buf_puts(buf, "running");
	else
		mf_buf_printf(buf, "open at the end, %s now",
		              now == NOW_RUNS   ? "still running"
		              : now == NOW_GONE ? "gone"
		                                : "not known");
	mf_buf_puts(buf, mf_style_end(out, style));
	if (last > node->start_ns) {
		mf_buf_puts(buf, "  for ");
		mf_text_duration(buf, last - node->start_ns);
	}
	mf_buf_puts(buf, "\n    ");
	put_waits(buf, node);
	if (phase_of(node))
		mf_buf_printf(buf, "; %s", phase_of(node));
	mf_buf_puts(buf, "; last heard of at ");
	mf_text_clock(buf, node->proc->last_ns);
	if (node->note.len) {
		mf_buf_puts(buf, "\n    ");
		mf_text_terminal(buf, node->note);
	}
	mf_buf_putc(buf, '\n');
}

static cJSON *node_json(const struct mf_view *view, const struct mf_node *node)
{
	const struct mf_node *owner =
		mf_node_above(node->parent, MF_NODE_ATTEMPT, MF_NODE_RUN);
	struct mf_node alone = *node;
	struct mf_buf waits = {0};
	cJSON *obj;

	alone.first = NULL;
	obj = mf_node_json(&alone);
	cJSON_DeleteItemFromObjectCaseSensitive(obj, "children");
	if (owner)
		mf_json_str(obj, "of", owner->id);
	put_waits(&waits, node);
	mf_json_str(obj, "waits_on", mf_buf_view(&waits));
	mf_buf_clear(&waits);
	if (phase_of(node))
		mf_json_str(obj, "phase", mf_str(phase_of(node)));
	mf_json_str(obj, "now",
	            mf_str(now_word(view->is_live ? NOW_RUNS
	                                          : look(view, node->proc))));
	mf_json_time(obj, "last", node->proc->last_ns);
	return obj;
}

static int print_open(const struct mf_view *view,
                      const struct what_up_opts *opts, struct mf_err *err)
{
	struct mf_out out = mf_out_stdout();
	cJSON *doc = NULL, *arr = NULL;
	const struct mf_node *node;
	struct mf_buf buf = {0};
	size_t n = 0;
	int rc = 0;

	if (opts->json) {
		doc = mf_json_document("mftrace", "what-up");
		mf_json_str(doc, "session", mf_str(view->session.id));
		cJSON_AddBoolToObject(doc, "live", view->is_live);
		arr = cJSON_AddArrayToObject(doc, "open");
	}
	for (node = view->root; node; node = mf_node_walk(view->root, node)) {
		if (!is_open(node))
			continue;
		n++;
		if (opts->json)
			cJSON_AddItemToArray(arr, node_json(view, node));
		else
			put_node(&buf, view, node, &out);
	}
	if (opts->json)
		return mf_json_print(doc, err);
	if (!n)
		mf_buf_printf(&buf, "nothing was open when %s ended\n",
		              view->session.id);
	if (mf_buf_ok(&buf))
		fwrite(buf.ptr, 1, buf.len, out.file);
	else
		rc = mf_fail(err, -ENOMEM, "cannot print");
	mf_buf_clear(&buf);
	return rc;
}

static int what_up_run(const struct mf_args *args, struct mf_err *err)
{
	const struct what_up_opts *opts = args->opts;
	struct mf_view view;
	int rc;

	rc = mf_view_load(&view, opts->session, args->argv[0], err);
	if (rc == 0)
		rc = print_open(&view, opts, err);
	mf_view_close(&view);
	return rc;
}

static const struct mf_opt what_up_options[] = {
	MF_OPT_STRING('s', "session", "SESSION",
                      "a session's id, a prefix of it, or its directory",
                      struct what_up_opts, session),
	MF_OPT_BOOL(0, "json", "print JSON", struct what_up_opts, json),
	MF_OPT_END,
};

const struct mf_cmd cmd_what_up = {
	.name = "what-up",
	.operands = "[SESSION]",
	.summary =
		"show what is open: running now, or when the recording ended",
	.details =
		"For each process: how long it ran, what it waits on as far as "
		"the journal tells, how far its task had come, when it was "
		"last heard of; and, on the machine it was recorded on, "
		"whether it runs now.",
	.max_operands = 1,
	.options = what_up_options,
	.options_size = sizeof(struct what_up_opts),
	.run = what_up_run,
};

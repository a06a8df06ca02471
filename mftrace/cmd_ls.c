#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "mfcli/out.h"
#include "mfcli/places.h"
#include "mfcli/table.h"
#include "mfcli/view.h"
#include "mfcore/json.h"
#include "mfcore/text.h"
#include "tree_print.h"

struct ls_opts {
	uint64_t limit;
	bool json;
};

static const struct mf_column columns[] = {
	{"SESSION", false, 0}, {"STATE", false, 0}, {"TOOK", true, 0},
	{"SIZE", true, 0},     {"RUNS", false, 12}, {"COMMAND", false, 12},
};

/* What one line says of a session. */
struct summary {
	struct mf_view view;
	struct mf_buf runs;
	struct mf_buf command;
	uint64_t size;
	const char *trouble; /* NULL: it could be read */
};

/* The program and its script without their directories: a line is short. */
static void name_command(struct mf_buf *buf, struct mf_str argv)
{
	struct mf_str arg;
	size_t pos = 0, n;

	for (n = 0; mf_list_next(argv, &pos, &arg); n++) {
		if (n)
			mf_buf_putc(buf, ' ');
		if (n == 0 || (n == 1 && mf_str_ends(arg, ".py")))
			arg = mf_str_basename(arg);
		mf_text_shell(buf, arg);
	}
}

static void name_runs(struct mf_buf *buf, const struct mf_node *root)
{
	const struct mf_node *node;

	for (node = root; node; node = mf_node_walk(root, node)) {
		if (node->kind != MF_NODE_RUN || !node->pathspec.len)
			continue;
		if (buf->len)
			mf_buf_puts(buf, ", ");
		mf_buf_str(buf, node->pathspec);
	}
}

static void summarise(struct summary *s, const struct mf_session *session)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->size = mf_session_size(session);
	rc = mf_view_load(&s->view, session->dir, NULL, NULL);
	if (rc < 0) {
		s->trouble = mf_strerror(rc);
		return;
	}
	name_command(&s->command, mf_model_session(s->view.model)->argv);
	name_runs(&s->runs, s->view.root);
}

static void summary_clear(struct summary *s)
{
	mf_view_close(&s->view);
	mf_buf_clear(&s->runs);
	mf_buf_clear(&s->command);
}

static uint64_t end_of(const struct summary *s)
{
	const struct mf_session_facts *f = mf_model_session(s->view.model);

	return f->end_ns ? f->end_ns : f->last_ns;
}

static void add_row(struct mf_table *table, const struct mf_session *session,
                    const struct summary *s)
{
	const struct mf_node *root = s->view.root;
	struct mf_buf cell = {0};

	mf_table_row(table);
	mf_table_cell(table, mf_str(session->id));
	if (s->trouble) {
		mf_table_cell_styled(table, MF_STYLE_BAD, MF_STR("unreadable"));
		mf_table_cell(table, (struct mf_str){0});
	} else {
		mf_table_cell_styled(table, mftrace_state_style(root->state),
		                     mf_str(mf_node_state_word(root->state)));
		if (end_of(s) > root->start_ns && root->start_ns)
			mf_text_duration(&cell, end_of(s) - root->start_ns);
		mf_table_cell(table, mf_buf_view(&cell));
	}
	mf_buf_reset(&cell);
	mf_text_size(&cell, s->size);
	mf_table_cell(table, mf_buf_view(&cell));
	mf_table_cell(table, mf_buf_view(&s->runs));
	mf_table_cell(table, s->trouble ? mf_str(s->trouble)
	                                : mf_buf_view(&s->command));
	mf_buf_clear(&cell);
}

static cJSON *session_json(const struct mf_session *session,
                           const struct summary *s)
{
	cJSON *obj = cJSON_CreateObject();
	const struct mf_session_facts *f;
	const struct mf_node *node;
	struct mf_str arg;
	size_t pos = 0;
	cJSON *arr;

	mf_json_str(obj, "id", mf_str(session->id));
	mf_json_str(obj, "dir", mf_str(session->dir));
	mf_json_u64(obj, "size_bytes", s->size);
	if (s->trouble) {
		mf_json_str(obj, "trouble", mf_str(s->trouble));
		return obj;
	}
	f = mf_model_session(s->view.model);
	mf_json_str(obj, "state",
	            mf_str(mf_node_state_word(s->view.root->state)));
	cJSON_AddBoolToObject(obj, "live", s->view.is_live);
	mf_json_time(obj, "start", f->start_ns);
	mf_json_time(obj, "end", f->end_ns);
	mf_json_time(obj, "last", f->last_ns);
	mf_json_u64(obj, "events", f->events);
	mf_json_str(obj, "cwd", f->cwd);
	arr = cJSON_AddArrayToObject(obj, "argv");
	while (mf_list_next(f->argv, &pos, &arg))
		mf_json_push_str(arr, arg);
	arr = cJSON_AddArrayToObject(obj, "runs");
	for (node = s->view.root; node; node = mf_node_walk(s->view.root, node))
		if (node->kind == MF_NODE_RUN && node->pathspec.len)
			mf_json_push_str(arr, node->pathspec);
	return obj;
}

static int list_sessions(const struct mf_session_list *list,
                         const struct ls_opts *opts, struct mf_err *err)
{
	struct mf_out out = mf_out_stdout();
	struct mf_table *table = NULL;
	cJSON *doc = NULL, *arr = NULL;
	struct summary s;
	size_t i;
	int rc;

	if (opts->json) {
		doc = mf_json_document("mftrace", "ls");
		arr = cJSON_AddArrayToObject(doc, "sessions");
	} else {
		table = mf_table_new(columns,
		                     sizeof(columns) / sizeof(columns[0]));
	}
	for (i = 0; i < list->len && (!opts->limit || i < opts->limit); i++) {
		summarise(&s, &list->items[i]);
		if (arr)
			cJSON_AddItemToArray(arr,
			                     session_json(&list->items[i], &s));
		else
			add_row(table, &list->items[i], &s);
		summary_clear(&s);
	}
	if (opts->json)
		return mf_json_print(doc, err);
	if (list->len)
		rc = mf_table_print(table, &out, err);
	else
		rc = printf("no recorded sessions; 'mftrace record -- COMMAND' "
		            "makes one\n") < 0;
	mf_table_free(table);
	return rc;
}

static int ls_run(const struct mf_args *args, struct mf_err *err)
{
	struct mf_session_list list = {0};
	struct mf_cli_places places;
	int rc;

	rc = mf_cli_places(&places, err);
	if (rc == 0)
		rc = mf_session_list(&list, &places.where, err);
	if (rc == 0)
		rc = list_sessions(&list, args->opts, err);
	mf_session_list_clear(&list);
	return rc;
}

static const struct mf_opt ls_options[] = {
	MF_OPT_U64('n', "limit", "N", "at most N sessions", struct ls_opts,
                   limit),
	MF_OPT_BOOL(0, "json", "print JSON", struct ls_opts, json),
	MF_OPT_END,
};

const struct mf_cmd cmd_ls = {
	.name = "ls",
	.summary = "list recorded sessions, newest first",
	.details =
		"STATE is how the recorded command ended: ok, failed, killed; "
		"running while it is recorded; lost when the recorder ended "
		"before it.",
	.options = ls_options,
	.options_size = sizeof(struct ls_opts),
	.run = ls_run,
};

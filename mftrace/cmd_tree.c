#include <stdio.h>
#include <unistd.h>

#include "commands.h"
#include "mfcli/out.h"
#include "mfcli/view.h"
#include "mfcore/json.h"
#include "mfcore/text.h"
#include "tree_print.h"

struct tree_opts {
	const char *session;
	const char *at;
	bool all;
	bool follow;
	bool json;
};

static int print_json(const struct mf_view *view, const struct tree_opts *opts,
                      struct mf_err *err)
{
	const struct mf_session_facts *s = mf_model_session(view->model);
	cJSON *doc = mf_json_document("mftrace", "tree");
	cJSON *tree;

	mf_json_str(doc, "session", mf_str(view->session.id));
	cJSON_AddBoolToObject(doc, "live", view->is_live);
	mf_json_time(doc, "at", s->last_ns);
	mf_json_u64(doc, "events", s->events);
	mf_json_u64(doc, "notes", s->notes);
	tree = mf_node_json(view->root);
	if (!tree || !cJSON_AddItemToObject(doc, "tree", tree)) {
		cJSON_Delete(tree);
		cJSON_Delete(doc);
		doc = NULL;
	}
	return opts->follow ? mf_json_print_line(doc, err)
	                    : mf_json_print(doc, err);
}

static int print_tree(struct mf_view *view, const struct tree_opts *opts,
                      struct mf_err *err)
{
	const struct mf_session_facts *s = mf_model_session(view->model);
	struct mftrace_tree_style style;
	int rc = mf_view_tree(view, err);

	if (rc < 0)
		return rc;
	if (opts->json)
		return print_json(view, opts, err);
	style = mftrace_tree_style(opts->all, s->last_ns);
	if (opts->follow && style.out.width)
		fputs("\033[H\033[J", stdout);
	mftrace_tree_print(&style, view->root);
	fflush(stdout);
	return 0;
}

static int follow(struct mf_view *view, const struct tree_opts *opts,
                  struct mf_err *err)
{
	struct mf_out out = mf_out_stdout();
	int rc;

	while ((rc = mf_view_follow(view, err)) > 0) {
		if (!opts->json && !out.width)
			fputc('\n', stdout);
		rc = print_tree(view, opts, err);
		if (rc < 0)
			break;
		usleep(200000); /* a person cannot read faster */
	}
	return rc;
}

static int tree_run(const struct mf_args *args, struct mf_err *err)
{
	const struct tree_opts *opts = args->opts;
	struct mf_view view;
	uint64_t at = 0;
	int rc;

	rc = mf_view_open(&view, opts->session, args->argv[0], err);
	if (rc == 0 && opts->at)
		rc = mf_view_time(&view, opts->at, &at, err);
	if (rc == 0 && opts->all)
		mf_model_keep_all(view.model);
	if (rc == 0)
		rc = mf_view_read(&view, at, err);
	if (rc == 0)
		rc = print_tree(&view, opts, err);
	if (rc == 0 && opts->follow && !at)
		rc = follow(&view, opts, err);
	mf_view_close(&view);
	return rc;
}

static const struct mf_opt tree_options[] = {
	MF_OPT_STRING('s', "session", "SESSION",
                      "a session's id, a prefix of it, or its directory",
                      struct tree_opts, session),
	MF_OPT_STRING(0, "at", "TIME", "as it stood at TIME", struct tree_opts,
                      at),
	MF_OPT_BOOL('a', "all", "leave nothing out, fold nothing together",
                    struct tree_opts, all),
	MF_OPT_BOOL('f', "follow", "print it again as it grows",
                    struct tree_opts, follow),
	MF_OPT_BOOL(0, "json", "print JSON; with --follow a line per change",
                    struct tree_opts, json),
	MF_OPT_END,
};

const struct mf_cmd cmd_tree = {
	.name = "tree",
	.operands = "[SESSION]",
	.summary = "show runs, steps, tasks and everything below them",
	.details =
		"Each line has a name, a state and how long it lasted. Equal "
		"siblings that ended well, and tasks that failed in the same "
		"words after the first, share a line, threads and asyncio "
		"tasks are counted by what they run, and what Metaflow asks "
		"git is left out; on a terminal lines are cut to its width. "
		"--all undoes all of this.\n\n"
		"TIME is RFC 3339, HH:MM:SS[.mmm] of the session's day, +3.5s "
		"from its start or -10s from its end.",
	.max_operands = 1,
	.options = tree_options,
	.options_size = sizeof(struct tree_opts),
	.run = tree_run,
};

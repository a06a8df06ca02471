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

struct what_ran_opts {
	const char *session;
	bool all;
	bool json;
};

/* What one would not run by hand: fed through a pipe, or asked at start. */
static bool is_plumbing(const struct mf_node *node)
{
	const struct mf_command *cmd = node->proc->image->command;

	if (node->kind == MF_NODE_SIDECAR || node->kind == MF_NODE_S3OP ||
	    node->kind == MF_NODE_FORK)
		return true;
	return cmd && (cmd->kind == MF_CMD_GIT || cmd->kind == MF_CMD_SIDECAR ||
	               cmd->kind == MF_CMD_MP_TRACKER ||
	               cmd->kind == MF_CMD_MP_FORKSERVER);
}

static bool is_wanted(const struct mf_node *node, bool wants_all)
{
	if (!node->proc || node->kind == MF_NODE_ATTEMPT ||
	    !node->proc->n_images || !node->proc->image)
		return false;
	return wants_all || !is_plumbing(node);
}

static cJSON *line_json(const struct mf_node *node, struct mf_str line,
                        struct mf_str left_out)
{
	const struct mf_node *task =
		mf_node_above(node, MF_NODE_ATTEMPT, MF_NODE_RUN);
	cJSON *obj = cJSON_CreateObject();
	cJSON *names;

	mf_json_str(obj, "id", node->proc->id);
	mf_json_str(obj, "kind", mf_str(mf_node_kind_word(node->kind)));
	if (task)
		mf_json_str(obj, "of", task->id);
	mf_json_u64(obj, "pid", node->pid);
	mf_json_time(obj, "start", node->start_ns);
	mf_json_str(obj, "state", mf_str(mf_node_state_word(node->state)));
	mf_json_str(obj, "line", line);
	names = cJSON_AddArrayToObject(obj, "left_out");
	while (left_out.len)
		mf_json_push_str(names, mf_str_cut(&left_out, ' '));
	return obj;
}

static int print_one(const struct mf_view *view, const struct mf_node *node,
                     const struct mf_image *image, cJSON *list,
                     struct mf_err *err)
{
	struct mf_buf line = {0}, left_out = {0};
	int rc = 0;

	if (!mf_shell_line(view->model, image, &line, &left_out))
		return 0;
	if (!mf_buf_ok(&line) || !mf_buf_ok(&left_out))
		rc = mf_fail(err, -ENOMEM, "cannot print");
	else if (list)
		cJSON_AddItemToArray(list, line_json(node, mf_buf_view(&line),
		                                     mf_buf_view(&left_out)));
	else if (left_out.len)
		printf("# left out, being secret: %s\n%s\n", left_out.ptr,
		       line.ptr);
	else
		printf("%s\n", line.ptr);
	mf_buf_clear(&line);
	mf_buf_clear(&left_out);
	return rc;
}

/* Images of a process that exec'ed in place, the oldest first. */
static int print_images(const struct mf_view *view, const struct mf_node *node,
                        const struct mf_image *image, cJSON *list,
                        bool wants_all, struct mf_err *err)
{
	struct mf_image const *chain[16];
	size_t n = 0;
	int rc = 0;

	for (; image && n < 16 && n < node->proc->n_images;
	     image = image->older)
		chain[n++] = image;
	if (!wants_all && n)
		n = 1; /* the one it became */
	while (rc == 0 && n)
		rc = print_one(view, node, chain[--n], list, err);
	return rc;
}

static int what_ran(const struct mf_view *view, const struct mf_node *top,
                    const struct what_ran_opts *opts, struct mf_err *err)
{
	cJSON *doc = NULL, *list = NULL;
	const struct mf_node *node;
	int rc = 0;

	if (opts->json) {
		doc = mf_json_document("mftrace", "what-ran");
		mf_json_str(doc, "session", mf_str(view->session.id));
		list = cJSON_AddArrayToObject(doc, "commands");
		if (!list) {
			cJSON_Delete(doc);
			return mf_fail(err, -ENOMEM, "cannot print");
		}
	}
	for (node = top; node && rc == 0; node = mf_node_walk(top, node))
		if (is_wanted(node, opts->all))
			rc = print_images(view, node, node->proc->image, list,
			                  opts->all, err);
	if (rc == 0 && doc)
		return mf_json_print(doc, err);
	cJSON_Delete(doc);
	return rc;
}

static int what_ran_run(const struct mf_args *args, struct mf_err *err)
{
	const struct what_ran_opts *opts = args->opts;
	const struct mf_node *top;
	struct mf_view view;
	int rc;

	rc = mf_view_load_run(&view, opts->session, args->argv[0], &top, err);
	if (rc == 0)
		rc = what_ran(&view, top, opts, err);
	mf_view_close(&view);
	return rc;
}

static const struct mf_opt what_ran_options[] = {
	MF_OPT_STRING('s', "session", "SESSION",
                      "a session's id, a prefix of it, or its directory",
                      struct what_ran_opts, session),
	MF_OPT_BOOL('a', "all",
                    "also sidecars, S3 operations and git, which read from "
                    "pipes and files that are gone",
                    struct what_ran_opts, all),
	MF_OPT_BOOL(0, "json", "print JSON", struct what_ran_opts, json),
	MF_OPT_END,
};

const struct mf_cmd cmd_what_ran = {
	.name = "what-ran",
	.operands = "[RUN]",
	.summary = "print commands that run again what ran, one a line",
	.details =
		"Each line can be pasted in a shell: it goes to the directory, "
		"changes the environment as the recorded one differed from the "
		"session's, and gives the arguments. A value that was not "
		"recorded, being secret, is left out; a comment before the "
		"line names it.\n\n"
		"A task run like this reads and writes the same datastore as "
		"before. Without RUN, or with a session in its place, everything of "
		"the session.",
	.max_operands = 1,
	.options = what_ran_options,
	.options_size = sizeof(struct what_ran_opts),
	.run = what_ran_run,
};

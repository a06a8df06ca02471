/*
 * Names of things. One matcher walks the tree; what fits more than once is
 * ambiguous and all of it is told.
 */
#include <stdio.h>
#include <string.h>

#include "mfcli/view.h"
#include "mfcore/pathspec.h"

struct search {
	const char *what; /* "task", for messages */
	const char *name;
	const struct mf_node *found;
	size_t n;
	char fits[128]; /* ids of the first ones */
};

static void fit(struct search *s, const struct mf_node *node)
{
	size_t len = strlen(s->fits);
	int id = node->id.len < 60 ? (int)node->id.len : 60;

	if (node == s->found)
		return;
	if (s->n++ == 0)
		s->found = node;
	if (s->n <= 4)
		snprintf(s->fits + len, sizeof(s->fits) - len, "%s%.*s",
		         len ? ", " : "", id, node->id.ptr);
}

static int answer(const struct search *s, const struct mf_view *view,
                  const struct mf_node **out, struct mf_err *err)
{
	if (s->n == 1) {
		*out = s->found;
		return 0;
	}
	if (s->n > 1 && !s->name)
		return mf_fail(err, -MF_EAMBIGUOUS, "which %s? %s%s", s->what,
		               s->fits, s->n > 4 ? ", ..." : "");
	if (s->n > 1)
		return mf_fail(err, -MF_EAMBIGUOUS,
		               "'%s' as a %s is ambiguous: %s%s", s->name,
		               s->what, s->fits, s->n > 4 ? ", ..." : "");
	if (!s->name)
		return mf_fail(err, -MF_ENOTHING,
		               "cannot find a %s in session "
		               "%s",
		               s->what, view->session.id);
	return mf_fail(err, -MF_ENOTHING,
	               "cannot find the %s '%s' in session %s ('mftrace tree "
	               "-s %s' shows it)",
	               s->what, s->name, view->session.id, view->session.id);
}

const struct mf_node *mf_node_above(const struct mf_node *node,
                                    enum mf_node_kind a, enum mf_node_kind b)
{
	while (node && node->kind != a && node->kind != b)
		node = node->parent;
	return node;
}

int mf_view_run(const struct mf_view *view, const char *name,
                const struct mf_node **out, struct mf_err *err)
{
	struct search s = {.what = "run", .name = name};
	const struct mf_node *node;
	struct mf_pathspec spec;

	for (node = view->root; node; node = mf_node_walk(view->root, node)) {
		if (node->kind != MF_NODE_RUN)
			continue;
		if (!name || mf_str_is(node->id, name) ||
		    mf_str_is(node->pathspec, name) ||
		    (mf_pathspec_parse(node->pathspec, &spec) &&
		     mf_str_is(spec.run, name)))
			fit(&s, node);
	}
	return answer(&s, view, out, err);
}

/* The attempt asked for of a task: by number, else the last. */
static const struct mf_node *attempt_of(const struct mf_node *task, int number)
{
	const struct mf_node *a;

	if (number < 0)
		return task->last;
	for (a = task->first; a; a = a->next)
		if (a->attempt == number)
			return a;
	return NULL;
}

static void find_tasks(const struct mf_view *view, const char *name,
                       struct search *s)
{
	struct mf_str tail = mf_str(name ? name : "");
	int number = name ? mf_pathspec_cut_attempt(&tail) : -1;
	const struct mf_node *node, *attempt;
	struct mf_pathspec spec;

	for (node = view->root; node; node = mf_node_walk(view->root, node)) {
		if (node->kind != MF_NODE_TASK)
			continue;
		if (!name && node->parent &&
		    mf_str_is(node->parent->name, "_parameters"))
			continue;
		if (name && (!mf_pathspec_parse(node->pathspec, &spec) ||
		             !mf_pathspec_matches(tail, &spec)))
			continue;
		attempt = attempt_of(node, number);
		if (attempt)
			fit(s, attempt);
	}
}

/* A step's name, where it has only one task. */
static void find_steps(const struct mf_view *view, const char *name,
                       struct search *s)
{
	struct mf_str step = mf_str(name);
	int number = mf_pathspec_cut_attempt(&step);
	const struct mf_node *node, *attempt;

	for (node = view->root; node; node = mf_node_walk(view->root, node)) {
		if (node->kind != MF_NODE_TASK || !node->parent ||
		    !mf_str_eq(node->parent->name, step))
			continue;
		attempt = attempt_of(node, number);
		if (attempt)
			fit(s, attempt);
	}
}

int mf_view_task(const struct mf_view *view, const char *name,
                 const struct mf_node **out, struct mf_err *err)
{
	struct search s = {.what = "task", .name = name};

	find_tasks(view, name, &s);
	if (!s.n && name)
		find_steps(view, name, &s);
	return answer(&s, view, out, err);
}

static void find_procs(const struct mf_view *view, const char *name,
                       struct search *s)
{
	const struct mf_node *node;
	uint64_t pid = 0;

	mf_str_u64(mf_str(name), &pid);
	for (node = view->root; node; node = mf_node_walk(view->root, node)) {
		if (!node->proc || node->kind == MF_NODE_ATTEMPT)
			continue;
		if (mf_str_is(node->proc->id, name) ||
		    mf_str_is(node->id, name)) {
			s->n = 0;
			s->fits[0] = '\0';
			s->found = NULL;
			fit(s, node);
			return;
		}
		if (pid && node->proc->pid == pid)
			fit(s, node);
	}
}

int mf_view_proc(const struct mf_view *view, const char *name,
                 const struct mf_node **out, struct mf_err *err)
{
	struct search s = {.what = "process", .name = name};

	find_procs(view, name, &s);
	return answer(&s, view, out, err);
}

/* Whether a sidecar belongs to what stands before the ':'. */
static bool is_owned(const struct mf_node *sidecar, const char *name,
                     size_t len)
{
	const struct mf_node *up = sidecar->parent;
	struct mf_str tail = {name, len};
	struct mf_pathspec spec;
	int number = mf_pathspec_cut_attempt(&tail);

	for (; up; up = up->parent) {
		if (up->kind == MF_NODE_ATTEMPT && number >= 0 &&
		    up->attempt != number)
			return false;
		if (up->proc && mf_str_eq(up->proc->id, tail))
			return true;
		if ((up->kind == MF_NODE_TASK || up->kind == MF_NODE_RUN) &&
		    mf_pathspec_parse(up->pathspec, &spec) &&
		    mf_pathspec_matches(tail, &spec))
			return true;
		if (up->kind == MF_NODE_RUN || up->kind == MF_NODE_TASK)
			return mf_str_is(tail, "run") &&
			       up->kind == MF_NODE_RUN;
	}
	return false;
}

int mf_view_stream(const struct mf_view *view, const char *name,
                   const struct mf_node **out, struct mf_err *err)
{
	struct search s = {.what = "stream", .name = name};
	const char *colon = strrchr(name, ':');
	const struct mf_node *node;

	for (node = view->root; node; node = mf_node_walk(view->root, node)) {
		if (node->kind != MF_NODE_SIDECAR || !node->stream)
			continue;
		if (mf_str_is(node->stream->id, name)) {
			*out = node;
			return 0;
		}
		if (mf_str_is(node->name, name) ||
		    (colon && mf_str_is(node->name, colon + 1) &&
		     is_owned(node, name, (size_t)(colon - name))))
			fit(&s, node);
	}
	return answer(&s, view, out, err);
}

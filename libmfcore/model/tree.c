/*
 * The tree of an instant, made anew from the facts each time it is asked for.
 *
 * First every process, run, step, task and attempt gets a node; then each is
 * hung where a person looks for it: a task under its step, not under whoever
 * started it; a sidecar under its owner; the rest under its parent process.
 * Then the exits are judged and the states go up the tree.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

static void fill_from_process(struct mf_node *node, const struct mf_proc *proc)
{
	node->proc = proc;
	node->pid = proc->pid;
	node->ppid = proc->parent ? proc->parent->pid : proc->ppid;
	node->start_ns = proc->start_ns;
	if (proc->image)
		node->argv = proc->image->argv;
	if (!node->argv.len)
		node->argv = proc->failed_argv;
}

static struct mf_node *add_process(struct mf_model *model,
                                   const struct mf_proc *proc)
{
	enum mf_node_kind kind = mf__kind_of(proc);
	struct mf_node *node = mf__node_add(model, kind);

	if (!node)
		return NULL;
	model->nodes[proc->serial] = node;
	fill_from_process(node, proc);
	node->id = proc->id;
	node->name = mf__name_of(model, proc, kind);
	if (kind == MF_NODE_RUN && !proc->run)
		node->id = mf__tree_printf(model, "run:%u", proc->pid);
	return node;
}

static struct mf_str spec(struct mf_model *model, struct mf_str up,
                          struct mf_str name)
{
	return mf__tree_printf(model, "%.*s/%.*s", (int)up.len, up.ptr,
	                       (int)name.len, name.ptr);
}

static void add_attempts(struct mf_model *model, struct mf_task *task,
                         struct mf_node *parent)
{
	struct mf_attempt *a;
	struct mf_node *node;

	for (a = task->attempts; a; a = a->next) {
		node = mf__node_add(model, MF_NODE_ATTEMPT);
		a->node = node;
		if (!node)
			return;
		node->fact = a;
		node->attempt = a->number;
		node->pathspec = parent->pathspec;
		node->id = mf__tree_printf(model, "%.*s@%d",
		                           (int)parent->pathspec.len,
		                           parent->pathspec.ptr, a->number);
		node->name = mf__tree_printf(model, "attempt %d", a->number);
		node->start_ns = a->first_ns;
		if (a->proc)
			fill_from_process(node, a->proc);
		mf__node_link(model, parent, node);
	}
}

static void add_tasks(struct mf_model *model, struct mf_step *step,
                      struct mf_node *parent)
{
	struct mf_task *task;
	struct mf_node *node;

	for (task = step->tasks; task; task = task->next) {
		node = mf__node_add(model, MF_NODE_TASK);
		if (!node)
			return;
		node->name = task->id;
		node->pathspec = spec(model, parent->pathspec, task->id);
		node->id = node->pathspec;
		if (task->is_mapper)
			node->note = MF_STR("run by its control task");
		mf__node_link(model, parent, node);
		add_attempts(model, task, node);
	}
}

static void add_run(struct mf_model *model, struct mf_run *run)
{
	struct mf_node *node, *child;
	struct mf_step *step;

	node = run->scheduler ? model->nodes[run->scheduler->serial]
	                      : mf__node_add(model, MF_NODE_RUN);
	run->node = node;
	if (!node)
		return;
	node->kind = MF_NODE_RUN;
	node->name = run->flow;
	node->pathspec = spec(model, run->flow, run->id);
	node->id = node->pathspec;
	if (!node->start_ns)
		node->start_ns = run->first_ns;
	for (step = run->steps; step; step = step->next) {
		child = mf__node_add(model, MF_NODE_STEP);
		if (!child)
			return;
		child->name = step->name;
		child->pathspec = spec(model, node->pathspec, step->name);
		child->id = child->pathspec;
		mf__node_link(model, node, child);
		add_tasks(model, step, child);
	}
}

static struct mf_node *node_of(const struct mf_model *model,
                               const struct mf_proc *proc)
{
	return proc ? model->nodes[proc->serial] : model->root;
}

/* A run whose scheduler nobody saw hangs where its first task was started. */
static struct mf_node *place_of_run(const struct mf_model *model,
                                    const struct mf_run *run)
{
	const struct mf_step *step;
	const struct mf_attempt *a;

	if (run->scheduler)
		return node_of(model, run->scheduler->parent);
	for (step = run->steps; step; step = step->next) {
		a = step->tasks ? step->tasks->attempts : NULL;
		if (a && a->proc)
			return node_of(model, a->proc->parent);
	}
	return model->root;
}

static void add_stream(struct mf_model *model, const struct mf_stream *stream)
{
	const struct mf_proc *sidecar =
		stream->last ? stream->last->sidecar : NULL;
	const struct mf_pipe *pipe;
	struct mf_node *node, *old;

	node = sidecar ? model->nodes[sidecar->serial]
	               : mf__node_add(model, MF_NODE_SIDECAR);
	if (!node)
		return;
	node->kind = MF_NODE_SIDECAR;
	node->stream = stream;
	node->id = stream->id;
	if (stream->type.len)
		node->name = stream->type;
	else if (!node->name.len)
		node->name = MF_STR("unknown");
	if (!node->start_ns && stream->pipes)
		node->start_ns = stream->pipes->start_ns;
	mf__node_link(model, node_of(model, stream->owner), node);
	for (pipe = stream->pipes; pipe && pipe->next; pipe = pipe->next) {
		if (!pipe->sidecar || pipe->sidecar == sidecar)
			continue;
		old = model->nodes[pipe->sidecar->serial];
		old->kind = MF_NODE_PROCESS;
		old->name = mf__tree_printf(model, "generation %u",
		                            pipe->generation);
		mf__node_link(model, node, old);
	}
}

static void link_process(struct mf_model *model, const struct mf_proc *proc)
{
	struct mf_node *node = model->nodes[proc->serial];

	if (proc->run) /* stands for its run, which is placed already */
		return;
	if (proc->attempt && proc->attempt->node)
		mf__node_link(model, proc->attempt->node, node);
	else
		mf__node_link(model, node_of(model, proc->parent), node);
}

static void add_thread(struct mf_model *model, struct mf_node *parent,
                       const struct mf_thread *t)
{
	struct mf_node *node = mf__node_add(model, MF_NODE_THREAD);

	if (!node)
		return;
	node->id = mf__tree_printf(model, "%.*s/t%u", (int)parent->proc->id.len,
	                           parent->proc->id.ptr, t->tid);
	node->name = t->name.len ? t->name : MF_STR("thread");
	node->function = t->function;
	node->pid = parent->pid;
	node->tid = t->tid;
	node->start_ns = t->start_ns;
	node->end_ns = t->end_ns;
	node->state = t->end_ns ? MF_STATE_OK : MF_STATE_UNKNOWN;
	mf__node_link(model, parent, node);
}

static void add_async(struct mf_model *model, struct mf_node *parent,
                      const struct mf_async *a)
{
	struct mf_node *node = mf__node_add(model, MF_NODE_ASYNC);

	if (!node)
		return;
	node->id =
		mf__tree_printf(model, "%.*s/a%llu", (int)parent->proc->id.len,
	                        parent->proc->id.ptr,
	                        (unsigned long long)a->id);
	node->name = a->name.len ? a->name : MF_STR("task");
	node->function = a->function;
	node->pid = parent->pid;
	node->start_ns = a->start_ns;
	node->end_ns = a->end_ns;
	if (mf_str_is(a->outcome, "error"))
		node->state = MF_STATE_FAILED;
	else if (mf_str_is(a->outcome, "cancelled"))
		node->state = MF_STATE_KILLED;
	else if (a->end_ns)
		node->state = MF_STATE_OK;
	if (a->end_ns && node->state != MF_STATE_OK) {
		node->exit.text = a->text.len ? a->text : a->outcome;
		node->exit.cause = MF_CAUSE_EXIT;
		node->exit.is_known = true;
	}
	mf__node_link(model, parent, node);
}

/* Threads and tasks that nobody saw the end of do as their process does. */
static void add_inner(struct mf_model *model, struct mf_node *node)
{
	const struct mf_thread *t;
	const struct mf_async *a;
	struct mf_node *child;

	for (t = node->proc->threads; t; t = t->next)
		add_thread(model, node, t);
	for (a = node->proc->asyncs; a; a = a->next)
		add_async(model, node, a);
	for (child = node->first; child; child = child->next) {
		if (child->kind != MF_NODE_THREAD &&
		    child->kind != MF_NODE_ASYNC)
			continue;
		if (child->state != MF_STATE_UNKNOWN)
			continue;
		if (node->state == MF_STATE_RUNNING)
			child->state = MF_STATE_RUNNING;
		else if (child->kind == MF_NODE_ASYNC)
			child->state = MF_STATE_LOST;
		else
			child->state = node->state == MF_STATE_LOST
			                       ? MF_STATE_LOST
			                       : MF_STATE_OK;
		if (child->kind == MF_NODE_THREAD)
			child->end_ns = node->end_ns;
	}
}

/* The processes that carry the scheduler's or a command's own exit. */
static void judge_processes(struct mf_model *model)
{
	struct mf_proc *proc;
	struct mf_node *node;

	for (proc = model->first_proc; proc; proc = proc->next) {
		node = model->nodes[proc->serial];
		if (!node)
			continue;
		mf__judge_process(model, node);
		add_inner(model, node);
	}
}

static void judge_groups(struct mf_model *model)
{
	struct mf_run *run;
	struct mf_node *step, *task, *attempt;

	for (run = model->first_run; run; run = run->next) {
		if (!run->node)
			continue;
		for (step = run->node->first; step; step = step->next) {
			if (step->kind != MF_NODE_STEP)
				continue;
			for (task = step->first; task; task = task->next) {
				for (attempt = task->first; attempt;
				     attempt = attempt->next)
					mf__judge_attempt(model, attempt);
				mf__judge_group(model, task);
			}
			mf__judge_group(model, step);
		}
		mf__judge_run(model, run->node, run);
	}
}

static void build_nodes(struct mf_model *model)
{
	struct mf_proc *proc;
	struct mf_run *run;
	struct mf_stream *stream;

	for (proc = model->first_proc; proc; proc = proc->next)
		if (!add_process(model, proc))
			return;
	for (run = model->first_run; run; run = run->next)
		add_run(model, run);
	if (model->is_short)
		return;
	for (run = model->first_run; run; run = run->next)
		mf__node_link(model, place_of_run(model, run), run->node);
	for (stream = model->first_stream; stream; stream = stream->next)
		add_stream(model, stream);
	for (proc = model->first_proc; proc; proc = proc->next)
		link_process(model, proc);
}

int mf_model_tree(struct mf_model *model, bool is_open,
                  const struct mf_node **out)
{
	mf_arena_clear(&model->tree_arena);
	free(model->nodes);
	model->root = NULL;
	model->is_short = false;
	model->is_open = is_open && !model->session.end_ns;
	model->n_nodes = model->n_procs;
	model->nodes =
		calloc((size_t)model->n_procs + 1, sizeof(struct mf_node *));
	model->root = mf__node_add(model, MF_NODE_SESSION);
	if (!model->nodes || !model->root)
		return -ENOMEM;
	build_nodes(model);
	if (model->is_short)
		return -ENOMEM;
	judge_processes(model);
	judge_groups(model);
	mf__judge_session(model, model->root);
	mf__judge_blame(model);
	if (model->is_short)
		return -ENOMEM;
	mf__tree_flatten(model->root);
	*out = model->root;
	return 0;
}

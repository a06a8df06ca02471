/*
 * Who failed first, and who only because of it.
 *
 * A later attempt takes the blame from an earlier one. What the scheduler's
 * clean-up killed, what died of the scheduler's death, a control task whose
 * mapper failed, and a scheduler that ended after one of its tasks failed are
 * collateral.
 */
#include "node.h"

static bool is_bad(const struct mf_node *node)
{
	return node->state == MF_STATE_FAILED || node->state == MF_STATE_KILLED;
}

static bool is_collateral(const struct mf_node *node)
{
	return node->exit.cause == MF_CAUSE_ORCHESTRATOR ||
	       node->exit.cause == MF_CAUSE_PARENT_DEATH;
}

/* Whether `proc` runs somewhere below `up`. */
static bool is_below(const struct mf_proc *proc, const struct mf_proc *up)
{
	for (; proc; proc = proc->parent)
		if (proc == up)
			return true;
	return false;
}

static struct mf_node *first_task(const struct mf_node *step)
{
	return step && step->kind == MF_NODE_STEP ? step->first : NULL;
}

/* Attempts of one run, one after another; start with NULL. */
static struct mf_node *next_attempt(const struct mf_node *run,
                                    const struct mf_node *at)
{
	const struct mf_node *step = at ? at->parent->parent : run->first;
	struct mf_node *task = at ? at->parent->next : first_task(step);

	if (at && at->next)
		return at->next;
	while (step) {
		for (; task; task = task->next)
			if (task->first)
				return task->first;
		step = step->next;
		task = first_task(step);
	}
	return NULL;
}

static bool is_earlier(const struct mf_node *a, const struct mf_node *b)
{
	return !b || (a->end_ns && (!b->end_ns || a->end_ns < b->end_ns));
}

static struct mf_node *first_of_run(struct mf_node *run)
{
	struct mf_node *node, *first = NULL;

	for (node = next_attempt(run, NULL); node;
	     node = next_attempt(run, node)) {
		if (!is_bad(node))
			continue;
		if (node->next)
			node->blame = MF_BLAME_RETRIED;
		else if (is_collateral(node))
			node->blame = MF_BLAME_COLLATERAL;
		else if (is_earlier(node, first))
			first = node;
	}
	if (is_bad(run) && run->proc && is_earlier(run, first))
		first = run;
	return first;
}

static void copy_up(struct mf_node *attempt)
{
	struct mf_node *task = attempt->parent;

	if (!attempt->next)
		task->blame = attempt->blame;
}

static void blame_run(struct mf_node *run)
{
	struct mf_node *first = first_of_run(run);
	struct mf_node *node;

	if (first)
		first->blame = MF_BLAME_FIRST;
	for (node = next_attempt(run, NULL); node;
	     node = next_attempt(run, node)) {
		if (is_bad(node) && node->blame == MF_BLAME_NONE)
			node->blame = first->proc && node->proc &&
			                              is_below(first->proc,
			                                       node->proc)
			                      ? MF_BLAME_COLLATERAL
			                      : MF_BLAME_ALSO;
		copy_up(node);
	}
	if (is_bad(run) && run != first)
		run->blame = MF_BLAME_COLLATERAL;
}

void mf__judge_blame(struct mf_model *model)
{
	const struct mf_proc *proc;
	struct mf_node *node;
	struct mf_run *run;
	bool has_first = false;

	for (run = model->first_run; run; run = run->next)
		if (run->node)
			blame_run(run->node);
	for (proc = model->first_proc; proc; proc = proc->next) {
		node = model->nodes[proc->serial];
		if (node->kind == MF_NODE_RUN && !proc->run && is_bad(node))
			node->blame = MF_BLAME_FIRST;
	}
	for (run = model->first_run; run; run = run->next)
		has_first = has_first || (run->node && is_bad(run->node));
	if (!is_bad(model->root))
		return;
	/* the command itself, unless a run inside explains it */
	proc = mf__proc_newest(model, 0, model->session.main_pid);
	node = proc ? model->nodes[proc->serial] : NULL;
	if (node && node->blame == MF_BLAME_NONE && is_bad(node))
		node->blame = has_first ? MF_BLAME_COLLATERAL : MF_BLAME_FIRST;
}

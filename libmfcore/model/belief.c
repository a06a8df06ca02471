/*
 * What the engine believes of an attempt, against what its process showed;
 * and the state of what is made of attempts: tasks, steps, runs, sessions.
 */
#include <stdlib.h>
#include <sys/wait.h>

#include "node.h"

static void fail_quietly(struct mf_node *node, const char *text)
{
	node->state = MF_STATE_FAILED;
	node->exit.cause = MF_CAUSE_EXIT;
	node->exit.text = mf_str(text);
}

static void judge_caught(struct mf_model *model, struct mf_node *node,
                         const struct mf_proc *proc)
{
	struct mf_str words = mf__caught_words(model, proc);

	node->blame = MF_BLAME_CAUGHT;
	node->exit.text =
		words.len ? mf__tree_printf(model, "@catch swallowed %.*s",
	                                    (int)words.len, words.ptr)
			  : MF_STR("@catch swallowed an exception that was not "
	                           "printed");
}

/* Exit status 0 is not success: see what the attempt left behind. */
static void judge_success(struct mf_model *model, struct mf_node *node,
                          const struct mf_attempt *a)
{
	if (!a->marks)
		return; /* a datastore whose files the recorder cannot see */
	if (a->task_ok == MF_TRUTH_FALSE)
		fail_quietly(node, "exit status 0, but the task recorded "
		                   "that it failed (_task_ok is False)");
	else if (a->task_ok == MF_TRUTH_NONE)
		fail_quietly(node, "exit status 0, but the step did not finish "
		                   "(_task_ok is None): sys.exit(0) in it");
	else if (!(a->marks & MF_ATTEMPT_DONE) &&
	         a->marks & (MF_ATTEMPT_BEGUN | MF_ATTEMPT_RUNNING))
		fail_quietly(node, "exit status 0, but without a result (no "
		                   "DONE marker): os._exit or a lost write");
	else if (a->success == MF_TRUTH_FALSE)
		judge_caught(model, node, a->proc);
}

static const char *difference(const struct mf_node *node,
                              const struct mf_attempt *a)
{
	bool is_bad = node->state == MF_STATE_FAILED ||
	              node->state == MF_STATE_KILLED;

	if (is_bad && a->marks & MF_ATTEMPT_RUNTIME && a->is_runtime_ok)
		return "the engine noted success";
	if (is_bad && a->marks & MF_ATTEMPT_DONE && a->task_ok == MF_TRUTH_TRUE)
		return "everything was saved and marked done before it ended";
	if (node->state == MF_STATE_OK && a->marks & MF_ATTEMPT_RUNTIME &&
	    !a->is_runtime_ok)
		return "the engine noted a failure";
	if (node->state == MF_STATE_LOST && a->marks & MF_ATTEMPT_DONE)
		return "no end was recorded, but its result was marked done";
	if (node->state == MF_STATE_LOST)
		return "no end was recorded; the engine believes it runs";
	return NULL;
}

/* An attempt without a process: cloned, or written by the engine itself. */
static void judge_marks_only(struct mf_model *model, struct mf_node *node,
                             const struct mf_attempt *a)
{
	const struct mf_run *run = a->task->step->run;

	if (a->marks & MF_ATTEMPT_DONE) {
		node->state = a->task_ok == MF_TRUTH_FALSE ? MF_STATE_FAILED
		                                           : MF_STATE_OK;
		node->end_ns = a->done_ns;
		if (!mf_str_is(a->task->step->name, "_parameters"))
			node->note = MF_STR("no process of its own: cloned, or "
			                    "run where nothing was recorded");
	} else if (model->is_open &&
	           !(run->scheduler && mf__proc_has_ended(run->scheduler))) {
		node->state = MF_STATE_QUEUED;
	} else {
		node->state = MF_STATE_UNKNOWN;
		node->note = MF_STR("begun, and no process was seen for it");
	}
}

void mf__judge_attempt(struct mf_model *model, struct mf_node *node)
{
	const struct mf_attempt *a = node->fact;
	const struct mf_node *process = mf_model_node_of(model, a->proc);
	const char *note;

	if (!process) {
		judge_marks_only(model, node, a);
		return;
	}
	node->state = process->state;
	node->exit = process->exit;
	node->end_ns = process->end_ns;
	node->note = process->note;
	if (node->state == MF_STATE_OK)
		judge_success(model, node, a);
	note = difference(node, a);
	if (note)
		node->note = mf_str(note);
}

/* How much a state says about the whole it is a part of. */
static int weight(enum mf_node_state state)
{
	static const int weights[] = {
		[MF_STATE_OK] = 0,      [MF_STATE_QUEUED] = 1,
		[MF_STATE_UNKNOWN] = 2, [MF_STATE_LOST] = 3,
		[MF_STATE_KILLED] = 4,  [MF_STATE_FAILED] = 5,
		[MF_STATE_STOPPED] = 6, [MF_STATE_RUNNING] = 7,
	};

	return weights[state];
}

/* A task is as its last attempt; a step as the worst of its tasks. */
void mf__judge_group(struct mf_model *model, struct mf_node *node)
{
	const struct mf_node *child;
	bool is_ended = true;

	(void)model;
	node->state = node->first ? MF_STATE_OK : MF_STATE_UNKNOWN;
	for (child = node->first; child; child = child->next) {
		if (!node->start_ns ||
		    (child->start_ns && child->start_ns < node->start_ns))
			node->start_ns = child->start_ns;
		if (child->end_ns > node->end_ns)
			node->end_ns = child->end_ns;
		is_ended = is_ended && child->end_ns;
		if (node->kind == MF_NODE_TASK) {
			node->state = child->state;
			node->exit = child->exit;
			node->pid = child->pid;
		} else if (weight(child->state) > weight(node->state)) {
			node->state = child->state;
		}
	}
	if (!is_ended)
		node->end_ns = 0;
}

static const struct mf_node *step_named(const struct mf_node *run,
                                        const char *name)
{
	const struct mf_node *step;

	for (step = run->first; step; step = step->next)
		if (step->kind == MF_NODE_STEP && mf_str_is(step->name, name))
			return step;
	return NULL;
}

static size_t count_running(const struct mf_node *run)
{
	const struct mf_node *step, *task;
	size_t n = 0;

	for (step = run->first; step; step = step->next)
		if (step->kind == MF_NODE_STEP)
			for (task = step->first; task; task = task->next)
				n += task->state == MF_STATE_RUNNING;
	return n;
}

static void judge_unscheduled(struct mf_node *node)
{
	const struct mf_node *step;

	node->state = MF_STATE_OK;
	for (step = node->first; step; step = step->next) {
		if (step->kind != MF_NODE_STEP)
			continue;
		if (weight(step->state) > weight(node->state))
			node->state = step->state;
		if (step->end_ns > node->end_ns)
			node->end_ns = step->end_ns;
	}
	if (node->state == MF_STATE_RUNNING)
		node->end_ns = 0;
}

void mf__judge_run(struct mf_model *model, struct mf_node *node,
                   const struct mf_run *run)
{
	const struct mf_node *end = step_named(node, "end");
	size_t running;

	if (!run->scheduler) {
		judge_unscheduled(node);
		return;
	}
	running = count_running(node);
	if (mf__proc_has_ended(run->scheduler) && running)
		node->note = mf__tree_printf(
			model, "%zu task%s run%s on without the scheduler",
			running, running == 1 ? "" : "s",
			running == 1 ? "s" : "");
	else if (node->state == MF_STATE_OK && end &&
	         (end->state == MF_STATE_FAILED ||
	          end->state == MF_STATE_KILLED))
		node->note = MF_STR("the engine reported it done, but its end "
		                    "step did not succeed");
	else if (node->state == MF_STATE_KILLED)
		node->note = MF_STR("the engine's records will show it running "
		                    "for ever");
}

void mf__judge_session(struct mf_model *model, struct mf_node *node)
{
	const struct mf_session_facts *s = &model->session;
	int status = (int)s->status;

	node->id = s->id;
	node->name = s->id;
	node->argv = s->argv;
	node->pid = s->recorder_pid;
	node->start_ns = s->start_ns;
	node->end_ns = s->end_ns;
	if (!s->has_status) {
		node->state = model->is_open ? MF_STATE_RUNNING
		              : s->end_ns    ? MF_STATE_UNKNOWN
		                             : MF_STATE_LOST;
		if (node->state == MF_STATE_LOST)
			node->note = MF_STR("the recorder did not finish");
		return;
	}
	node->exit.is_known = true;
	if (WIFSIGNALED(status)) {
		node->state = MF_STATE_KILLED;
		node->exit.signo = WTERMSIG(status);
		node->exit.cause = MF_CAUSE_SIGNAL;
		return;
	}
	node->exit.has_code = true;
	node->exit.code = WEXITSTATUS(status);
	node->exit.cause = node->exit.code ? MF_CAUSE_EXIT : MF_CAUSE_NONE;
	node->state = node->exit.code ? MF_STATE_FAILED : MF_STATE_OK;
}

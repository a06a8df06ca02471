/*
 * Runs, steps, tasks and attempts, from what command lines say.
 *
 * A task is known by its step command wherever that runs: under the scheduler,
 * under a control task (@parallel) or alone. Which flow a run belongs to is
 * certain only once a path of the datastore names it; until then the script's
 * name stands for it.
 */
#include <string.h>

#include "inside.h"

enum {
	ARGV_MAX = 4096,    /* arguments that are looked at */
	ANCESTORS_MAX = 64, /* between a task and its scheduler */
	ATTEMPTS_MAX = 64,  /* Metaflow stops at 6 */
};

static struct mf_str stem_of(struct mf_str file)
{
	struct mf_str name = mf_str_basename(file);

	if (mf_str_ends(name, ".py"))
		name.len -= 3;
	return name;
}

static bool is_same_run(const struct mf_run *run, struct mf_str id,
                        struct mf_str flow, struct mf_str script)
{
	if (!mf_str_eq(run->id, id))
		return false;
	if (flow.len && run->is_flow_certain)
		return mf_str_eq(run->flow, flow);
	if (script.len && run->script.len)
		return mf_str_eq(mf_str_basename(run->script),
		                 mf_str_basename(script));
	return true;
}

struct mf_run *mf__run_of(struct mf_model *model, struct mf_str id,
                          struct mf_str flow, struct mf_str script)
{
	uint64_t key = mf_map_hash(id);
	struct mf_run *first = mf_map_get(&model->runs, key);
	struct mf_run *run;

	for (run = first; run; run = run->same_key)
		if (is_same_run(run, id, flow, script))
			break;
	if (!run) {
		run = mf__alloc(model, sizeof(*run));
		if (!run)
			return NULL;
		run->id = mf__keep(model, id);
		run->first_ns = model->ev->wall_ns;
		run->same_key = first;
		mf__put(model, &model->runs, key, run);
		if (model->last_run)
			model->last_run->next = run;
		else
			model->first_run = run;
		model->last_run = run;
	}
	if (flow.len && !run->is_flow_certain) {
		run->flow = mf__keep(model, flow);
		run->is_flow_certain = true;
	}
	if (script.len && !run->script.len)
		run->script = mf__keep(model, script);
	if (!run->flow.len && run->script.len)
		run->flow = mf__keep(model, stem_of(run->script));
	run->last_ns = model->ev->wall_ns;
	return run;
}

static struct mf_step *step_of(struct mf_model *model, struct mf_run *run,
                               struct mf_str name)
{
	uint64_t key = mf_map_mix((uintptr_t)run, mf_map_hash(name));
	struct mf_step *first = mf_map_get(&model->steps, key);
	struct mf_step *step, **link;

	for (step = first; step; step = step->same_key)
		if (step->run == run && mf_str_eq(step->name, name))
			return step;
	step = mf__alloc(model, sizeof(*step));
	if (!step)
		return NULL;
	step->run = run;
	step->name = mf__keep(model, name);
	step->same_key = first;
	mf__put(model, &model->steps, key, step);
	link = &run->steps; /* a flow has few steps */
	while (*link)
		link = &(*link)->next;
	*link = step;
	return step;
}

struct mf_task *mf__task_of(struct mf_model *model, struct mf_run *run,
                            struct mf_str step_name, struct mf_str id)
{
	struct mf_step *step = step_of(model, run, step_name);
	struct mf_task *first, *task;
	uint64_t key;

	if (!step)
		return NULL;
	key = mf_map_mix((uintptr_t)step, mf_map_hash(id));
	first = mf_map_get(&model->tasks, key);
	for (task = first; task; task = task->same_key)
		if (task->step == step && mf_str_eq(task->id, id))
			return task;
	task = mf__alloc(model, sizeof(*task));
	if (!task)
		return NULL;
	task->step = step;
	task->id = mf__keep(model, id);
	task->same_key = first;
	mf__put(model, &model->tasks, key, task);
	if (step->last_task)
		step->last_task->next = task;
	else
		step->tasks = task;
	step->last_task = task;
	step->n_tasks++;
	return task;
}

struct mf_attempt *mf__attempt_of(struct mf_model *model, struct mf_task *task,
                                  uint64_t number)
{
	struct mf_attempt **link = &task->attempts;
	struct mf_attempt *attempt;

	if (number >= ATTEMPTS_MAX)
		return NULL;
	while (*link && (*link)->number < (int)number)
		link = &(*link)->next;
	attempt = *link;
	if (attempt && attempt->number == (int)number)
		return attempt;
	attempt = mf__alloc(model, sizeof(*attempt));
	if (!attempt)
		return NULL;
	attempt->task = task;
	attempt->number = (int)number;
	attempt->first_ns = model->ev->wall_ns;
	attempt->next = *link;
	*link = attempt;
	return attempt;
}

/* The nearest engine above a process, or NULL. */
static struct mf_proc *engine_above(const struct mf_proc *proc)
{
	struct mf_proc *up;
	int i;

	for (up = proc->parent, i = 0; up && i < ANCESTORS_MAX;
	     up = up->parent, i++)
		if (up->image && up->image->command && up->n_images &&
		    mf_command_is_engine(up->image->command->kind))
			return up;
	return NULL;
}

void mf__run_set_scheduler(struct mf_run *run, struct mf_proc *proc)
{
	if (!proc || run->scheduler || proc->run)
		return;
	run->scheduler = proc;
	proc->run = run;
	if (proc->start_ns < run->first_ns)
		run->first_ns = proc->start_ns;
}

static void join_attempt(struct mf_model *model, struct mf_proc *proc,
                         const struct mf_command *cmd)
{
	struct mf_attempt *attempt;
	struct mf_task *task;
	struct mf_run *run;
	uint64_t number = 0;

	if (!cmd->run_id.len || !cmd->step.len || !cmd->task_id.len)
		return;
	if (cmd->retry_count.len && !mf_str_u64(cmd->retry_count, &number))
		return;
	run = mf__run_of(model, cmd->run_id, (struct mf_str){0}, cmd->file);
	task = run ? mf__task_of(model, run, cmd->step, cmd->task_id) : NULL;
	attempt = task ? mf__attempt_of(model, task, number) : NULL;
	if (!attempt)
		return;
	if (mf_str_is(cmd->ubf_context, "ubf_task"))
		task->is_mapper = true;
	mf__run_set_scheduler(run, engine_above(proc));
	if (proc->parent && proc->parent->attempt == attempt)
		return; /* a wrapper's child: the wrapper is the task's */
	proc->attempt = attempt;
	attempt->proc = proc;
}

static size_t split_argv(struct mf_str list, struct mf_str *argv, size_t max)
{
	size_t pos = 0, n = 0;

	while (n < max && mf_list_next(list, &pos, &argv[n]))
		n++;
	return n;
}

static const struct mf_command other = {.kind = MF_CMD_OTHER};

static void classify(struct mf_str list, struct mf_command *cmd)
{
	struct mf_str argv[ARGV_MAX];

	mf_command_classify(argv, split_argv(list, argv, ARGV_MAX), cmd);
}

static bool is_task(const struct mf_command *cmd)
{
	return cmd->kind == MF_CMD_STEP || cmd->kind == MF_CMD_SPIN_STEP ||
	       cmd->kind == MF_CMD_REMOTE_STEP;
}

void mf__image_classify(struct mf_model *model, struct mf_proc *proc)
{
	struct mf_image *image = proc->image;
	struct mf_command cmd, *kept;

	if (!image || !image->argv.len)
		return;
	classify(image->argv, &cmd);
	image->command = &other;
	if (cmd.kind == MF_CMD_OTHER)
		return;
	/* its strings point into image->argv, which stays */
	kept = mf__alloc(model, sizeof(*kept));
	if (!kept)
		return;
	*kept = cmd;
	image->command = kept;
	if (is_task(&cmd))
		join_attempt(model, proc, kept);
}

void mf__failed_exec_classify(struct mf_model *model, struct mf_proc *proc)
{
	struct mf_command cmd;

	if (proc->n_images || proc->attempt || !proc->failed_argv.len)
		return;
	classify(proc->failed_argv, &cmd);
	if (is_task(&cmd))
		join_attempt(model, proc, &cmd);
}

/* Entries of a control file: its lines, also one without an end. */
static uint64_t count_entries(struct mf_str s)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < s.len; i++)
		n += s.ptr[i] == '\n';
	return n + (s.len && s.ptr[s.len - 1] != '\n');
}

void mf__fold_file(struct mf_model *model, struct mf_proc *proc,
                   const struct mf__fields *f)
{
	struct mf_str role = mf__bytes(model, f, MF_F_ROLE);

	bool is_retry = mf_str_starts(role, "retry");

	proc->s3_retries += is_retry;
	if (is_retry || mf_str_is(role, "inputs") ||
	    mf_str_is(role, "filelist"))
		proc->s3_inputs +=
			count_entries(mf__bytes(model, f, MF_F_DATA));
}

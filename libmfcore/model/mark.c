/*
 * Datastore marks: what the engine believes. A mark also makes known a task
 * that no process was seen for: one cloned by a resume, or `_parameters`.
 */
#include "inside.h"
#include "mfcore/dslayout.h"
#include "mfcore/task_files.h"

static unsigned mark_of(enum mf_dsfile kind)
{
	switch ((int)kind) {
	case MF_DS_ATTEMPT:
		return MF_ATTEMPT_BEGUN;
	case MF_DS_TASK_BEGIN:
		return MF_ATTEMPT_RUNNING;
	case MF_DS_TASK_END:
		return MF_ATTEMPT_ENDED;
	case MF_DS_DATA:
		return MF_ATTEMPT_SAVED;
	case MF_DS_DONE:
		return MF_ATTEMPT_DONE;
	case MF_DS_RUNTIME:
		return MF_ATTEMPT_RUNTIME;
	case MF_DS_RUNTIME_STDOUT:
	case MF_DS_RUNTIME_STDERR:
		return MF_ATTEMPT_LOGGED;
	default:
		return 0;
	}
}

/* The engine that wrote a mark, where the writer is one or is forked by it. */
static struct mf_proc *engine_of(struct mf_proc *writer)
{
	const struct mf_command *cmd =
		writer && writer->image ? writer->image->command : NULL;

	return cmd && writer->n_images && mf_command_is_engine(cmd->kind)
	               ? writer
	               : NULL;
}

static void read_data(struct mf_attempt *attempt, struct mf_str json)
{
	struct mf_task_data data;

	if (mf_task_data_parse(json, &data, NULL) < 0)
		return;
	attempt->task_ok = data.task_ok;
	attempt->success = data.success;
	attempt->artifacts = data.artifacts;
	mf_task_data_clear(&data);
}

static void read_runtime(struct mf_attempt *attempt, struct mf_str json)
{
	struct mf_task_runtime runtime;

	if (mf_task_runtime_parse(json, &runtime, NULL) < 0)
		return;
	attempt->has_runtime_code = true;
	attempt->runtime_code = runtime.return_code;
	attempt->is_runtime_killed = runtime.is_killed;
	attempt->is_runtime_ok = runtime.is_success;
}

void mf__fold_mark(struct mf_model *model, struct mf_proc *writer,
                   const struct mf__fields *f)
{
	struct mf_str path = mf__bytes(model, f, MF_F_PATH);
	struct mf_attempt *attempt;
	struct mf_dslayout at;
	struct mf_task *task;
	struct mf_run *run;
	unsigned mark;

	if (!mf_dslayout_parse(path, (struct mf_str){0}, &at))
		return;
	mark = mark_of(at.kind);
	if (!mark || !at.run.len || !at.step.len || !at.task.len)
		return;
	run = mf__run_of(model, at.run, at.flow, (struct mf_str){0});
	task = run ? mf__task_of(model, run, at.step, at.task) : NULL;
	attempt = task && at.attempt >= 0
	                  ? mf__attempt_of(model, task, (uint64_t)at.attempt)
	                  : NULL;
	if (!attempt)
		return;
	mf__run_set_scheduler(run, engine_of(writer));
	if (engine_of(writer) && !run->script.len)
		run->script = writer->image->command->file;
	attempt->marks |= mark;
	attempt->last_ns = model->ev->wall_ns;
	if (mark == MF_ATTEMPT_DONE)
		attempt->done_ns = model->ev->wall_ns;
	else if (mark == MF_ATTEMPT_SAVED)
		read_data(attempt, mf__bytes(model, f, MF_F_DATA));
	else if (mark == MF_ATTEMPT_RUNTIME)
		read_runtime(attempt, mf__bytes(model, f, MF_F_DATA));
}

/*
 * What a process is to its parent, and what a person calls it.
 */
#include <string.h>

#include "node.h"

#include "mfcore/multicore.h"

enum {
	NAME_MAX_LEN = 48,
};

static enum mf_command_kind command_of(const struct mf_proc *proc)
{
	return proc->image && proc->image->command ? proc->image->command->kind
	                                           : MF_CMD_OTHER;
}

/* Whether an image is the process's own, and not its parent's copied. */
static bool has_own_image(const struct mf_proc *proc)
{
	return proc->n_images > 0;
}

static enum mf_node_kind kind_of_fork(const struct mf_proc *proc)
{
	const struct mf_proc *up = proc->parent;

	return up && has_own_image(up) && command_of(up) == MF_CMD_S3OP
	               ? MF_NODE_WORKER
	               : MF_NODE_FORK;
}

enum mf_node_kind mf__kind_of(const struct mf_proc *proc)
{
	enum mf_command_kind kind = command_of(proc);

	if (proc->run)
		return MF_NODE_RUN;
	if (proc->attempt)
		return MF_NODE_PROCESS;
	if (proc->pipe)
		return MF_NODE_SIDECAR;
	if (!has_own_image(proc)) {
		if (proc->birth == MF_BORN_FORK)
			return kind_of_fork(proc);
		return proc->failed_errno ? MF_NODE_COMMAND : MF_NODE_PROCESS;
	}
	if (kind == MF_CMD_SIDECAR)
		return MF_NODE_SIDECAR;
	if (kind == MF_CMD_S3OP)
		return MF_NODE_S3OP;
	if (kind == MF_CMD_MP_SPAWN)
		return MF_NODE_FORK;
	if (mf_command_is_engine(kind) && proc->image->command->is_sure)
		return MF_NODE_RUN;
	return MF_NODE_COMMAND;
}

static struct mf_str name_fork(struct mf_model *model,
                               const struct mf_proc *proc)
{
	if (proc->mp_name.len)
		return mf__tree_printf(model, "multiprocessing %.*s",
		                       (int)proc->mp_name.len,
		                       proc->mp_name.ptr);
	if (mf__is_parallel_map(proc))
		return MF_STR("parallel_map");
	return has_own_image(proc) ? MF_STR("multiprocessing") : MF_STR("fork");
}

bool mf__is_parallel_map(const struct mf_proc *proc)
{
	return mf_multicore_is_parallel_map(proc->fork_function);
}

/* Program and first operand: "git rev-parse", "python3 flow.py". */
static struct mf_str name_argv(struct mf_model *model, struct mf_str argv)
{
	struct mf_str program = {0}, arg, operand = {0};
	size_t pos = 0;

	if (!mf_list_next(argv, &pos, &program))
		return (struct mf_str){0};
	while (!operand.len && mf_list_next(argv, &pos, &arg))
		if (!mf_str_starts(arg, "-"))
			operand = arg;
	program = mf_str_basename(program);
	if (mf_str_starts(operand, "/"))
		operand = mf_str_basename(operand);
	if (program.len > NAME_MAX_LEN)
		program.len = NAME_MAX_LEN;
	if (program.len + operand.len > NAME_MAX_LEN)
		operand.len = NAME_MAX_LEN - program.len;
	if (!operand.len)
		return mf__tree_printf(model, "%.*s", (int)program.len,
		                       program.ptr);
	return mf__tree_printf(model, "%.*s %.*s", (int)program.len,
	                       program.ptr, (int)operand.len, operand.ptr);
}

static struct mf_str name_command(struct mf_model *model,
                                  const struct mf_command *cmd,
                                  struct mf_str argv)
{
	switch (cmd->kind) {
	case MF_CMD_CARD:
		return mf__tree_printf(model, "card %.*s",
		                       (int)cmd->card_type.len,
		                       cmd->card_type.ptr);
	case MF_CMD_SIDECAR:
	case MF_CMD_S3OP:
		return cmd->word.len ? cmd->word
		                     : mf_str(mf_command_word(cmd->kind));
	case MF_CMD_EXIT_HOOK:
	case MF_CMD_SAVE_LOGS:
	case MF_CMD_LOG_TEE:
	case MF_CMD_MP_TRACKER:
	case MF_CMD_MP_FORKSERVER:
	case MF_CMD_ENV_ESCAPE:
		return mf_str(mf_command_word(cmd->kind));
	default:
		return name_argv(model, argv);
	}
}

struct mf_str mf__name_of(struct mf_model *model, const struct mf_proc *proc,
                          enum mf_node_kind kind)
{
	static const struct mf_command none = {.kind = MF_CMD_OTHER};
	const struct mf_command *cmd = &none;

	if (kind == MF_NODE_FORK)
		return name_fork(model, proc);
	if (kind == MF_NODE_WORKER)
		return proc->mp_name.len ? proc->mp_name : MF_STR("worker");
	if (!has_own_image(proc)) {
		if (proc->failed_errno)
			return name_argv(model, proc->failed_argv.len
			                                ? proc->failed_argv
			                                : proc->failed_path);
		return MF_STR("not recorded");
	}
	if (proc->image->command)
		cmd = proc->image->command;
	if (!proc->image->argv.len)
		return mf_str_basename(proc->image->path.len
		                               ? proc->image->path
		                               : proc->image->exe);
	return name_command(model, cmd, proc->image->argv);
}

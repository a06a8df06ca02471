#include <string.h>

#include "fuzz/inside.h"
#include "mfcore/command.h"

enum {
	ARGS_MAX = 256,
};

/* One argument a line. Every part must be borrowed from the arguments. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_str whole = {(const char *)data, size};
	struct mf_str rest = whole;
	struct mf_str argv[ARGS_MAX];
	struct mf_command cmd;
	struct mf_command again;
	size_t argc = 0;

	while (rest.len > 0 && argc < ARGS_MAX)
		argv[argc++] = mf_str_cut(&rest, '\n');
	must(mf_command_classify(argv, argc, &cmd) == cmd.kind);
	must(cmd.kind < MF_CMD_KINDS);
	must(cmd.program <= argc && cmd.script <= argc);
	must(cmd.subcommand <= argc);
	must_lie_in(cmd.file, whole);
	must_lie_in(cmd.module, whole);
	must_lie_in(cmd.word, whole);
	must_lie_in(cmd.subword, whole);
	must_lie_in(cmd.step, whole);
	must_lie_in(cmd.input_paths, whole);
	must_lie_in(cmd.inputs, whole);
	must_lie_in(cmd.options, whole);
	must_lie_in(cmd.pathspec, whole);
	must_lie_in(cmd.path, whole);
	if (cmd.kind == MF_CMD_STEP)
		must(cmd.step.len && cmd.run_id.len && cmd.task_id.len);
	mf_command_classify(argv, argc, &again);
	must(again.kind == cmd.kind && again.is_sure == cmd.is_sure);
	return 0;
}

#include <stddef.h>

#include "commands.h"

static const struct mf_cmd *const cmds[] = {
#define MF_COMMAND(name) &cmd_##name,
#include "commands.def"
#undef MF_COMMAND
	NULL,
};

static const struct mf_tool tool = {
	.name = "mftrace",
	.summary = "record Metaflow runs and tell what happened in them",
	.cmds = cmds,
};

int main(int argc, char **argv)
{
	return mf_cmd_main(&tool, argc, argv);
}

/*
 * The verbs of mftrace, one declaration per commands.def line.
 */
#ifndef MFTRACE_COMMANDS_H
#define MFTRACE_COMMANDS_H

#include "mfcli/cmd.h"

#define MF_COMMAND(name) extern const struct mf_cmd cmd_##name;
#include "commands.def"
#undef MF_COMMAND

#endif /* MFTRACE_COMMANDS_H */

/*
 * What the files of this room share: parsing, help, completions, man page.
 */
#ifndef MF_CLI_CLI_H
#define MF_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "mfcli/cmd.h"

/* What the words behind a verb came to. */
struct mf__parsed {
	struct mf_args args;
	void *opts;
	char **operands;
	bool wants_help;
};

/* One completion script, by the name of its shell; false for another. */
bool mf__complete_print(FILE *file, const struct mf_tool *tool,
                        const char *shell);

/* The sections of the man page that come from the table, as roff. */
void mf__man_print(FILE *file, const struct mf_tool *tool);

/* Help for the tool and for one verb. */
void mf__help_tool(FILE *file, const struct mf_tool *tool);
void mf__help_cmd(FILE *file, const struct mf_tool *tool,
                  const struct mf_cmd *cmd);

/*
 * Parse the `argc` words behind the verb. Borrows from them.
 *
 * Owns:   release with mf__parsed_clear(), also after a failure.
 * Errors: -ENOMEM; -EINVAL, wrong usage, err says which.
 */
MF_MUST_USE int mf__parse(struct mf__parsed *out, const struct mf_tool *tool,
                          const struct mf_cmd *cmd, int argc, char **argv,
                          struct mf_err *err);
void mf__parsed_clear(struct mf__parsed *parsed);

#endif /* MF_CLI_CLI_H */

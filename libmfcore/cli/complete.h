/*
 * What the generators of shell completions share.
 */
#ifndef MF_CLI_COMPLETE_H
#define MF_CLI_COMPLETE_H

#include <stdio.h>

#include "mfcli/cmd.h"

/* What may stand where a placeholder stands. */
enum mf__kind {
	MF__KIND_OTHER,
	MF__KIND_SESSION,
	MF__KIND_DIR,
	MF__KIND_COMMAND,
	MF__KIND_WORDS, /* one of a|b|c */
};

enum mf__kind mf__complete_kind(const char *placeholder);

/* `text` inside single quotes, a quote in it written as `quote`. */
void mf__complete_quoted(FILE *file, const char *text, const char *quote);

/* a|b|c as words. */
void mf__complete_words(FILE *file, const char *words);

/* `text` with the tool's name for each @ in it. */
void mf__complete_named(FILE *file, const char *text,
                        const struct mf_tool *tool);

void mf__complete_bash(FILE *file, const struct mf_tool *tool);
void mf__complete_zsh(FILE *file, const struct mf_tool *tool);
void mf__complete_fish(FILE *file, const struct mf_tool *tool);

#endif /* MF_CLI_COMPLETE_H */

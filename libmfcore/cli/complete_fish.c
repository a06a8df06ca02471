#include "cli/complete.h"

static void fish_values(FILE *file, const struct mf_tool *tool,
                        const char *placeholder)
{
	switch (mf__complete_kind(placeholder)) {
	case MF__KIND_SESSION:
		fprintf(file,
		        " -a '(%s ls 2>/dev/null | awk \"NR > 1 { print "
		        "\\$1 }\")'",
		        tool->name);
		break;
	case MF__KIND_DIR:
		fputs(" -a '(__fish_complete_directories)'", file);
		break;
	case MF__KIND_COMMAND:
		fputs(" -a '(__fish_complete_command)'", file);
		break;
	case MF__KIND_WORDS:
		fputs(" -a '", file);
		mf__complete_words(file, placeholder);
		fputc('\'', file);
		break;
	case MF__KIND_OTHER:
		break;
	}
}

static void fish_cmd(FILE *file, const struct mf_tool *tool,
                     const struct mf_cmd *cmd)
{
	const char *name = tool->name;

	fprintf(file, "complete -c %s -n __fish_use_subcommand -a %s -d '",
	        name, cmd->name);
	mf__complete_quoted(file, cmd->summary, "\\'");
	fputs("'\n", file);
	for (const struct mf_opt *opt = cmd->options; opt && opt->name; opt++) {
		fprintf(file,
		        "complete -c %s -n '__fish_seen_subcommand_from %s' "
		        "-l %s",
		        name, cmd->name, opt->name);
		if (opt->letter)
			fprintf(file, " -s %c", opt->letter);
		fputs(opt->value ? " -x" : "", file);
		fish_values(file, tool, opt->value);
		fputs(" -d '", file);
		mf__complete_quoted(file, opt->help, "\\'");
		fputs("'\n", file);
	}
	if (mf__complete_kind(cmd->operands) == MF__KIND_OTHER)
		return;
	fprintf(file, "complete -c %s -n '__fish_seen_subcommand_from %s'",
	        name, cmd->name);
	fish_values(file, tool, cmd->operands);
	fputc('\n', file);
}

void mf__complete_fish(FILE *file, const struct mf_tool *tool)
{
	mf__complete_named(file,
	                   "# generated from the verbs of @\n"
	                   "complete -c @ -f\n"
	                   "complete -c @ -n __fish_use_subcommand -l version "
	                   "-d 'print the version'\n"
	                   "complete -c @ -l help -s h -d 'print help'\n"
	                   "complete -c @ -n __fish_use_subcommand -a help "
	                   "-d 'what a verb does'\n",
	                   tool);
	for (const struct mf_cmd *const *cmd = tool->cmds; *cmd; cmd++)
		fish_cmd(file, tool, *cmd);
}

#include "cli/complete.h"

static void print_verbs(FILE *file, const struct mf_tool *tool)
{
	for (const struct mf_cmd *const *cmd = tool->cmds; *cmd; cmd++)
		fprintf(file, "%s ", (*cmd)->name);
	fputs("help", file);
}

static void bash_reply(FILE *file, const char *placeholder)
{
	switch (mf__complete_kind(placeholder)) {
	case MF__KIND_SESSION:
		fputs("mapfile -t COMPREPLY < <(compgen -W "
		      "\"$(_mf_sessions \"$tool\")\" -- \"$cur\")",
		      file);
		break;
	case MF__KIND_DIR:
		fputs("mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")", file);
		break;
	case MF__KIND_WORDS:
		fputs("mapfile -t COMPREPLY < <(compgen -W '", file);
		mf__complete_words(file, placeholder);
		fputs("' -- \"$cur\")", file);
		break;
	case MF__KIND_COMMAND:
	case MF__KIND_OTHER:
		fputc(':', file);
		break;
	}
}

static void bash_cmd(FILE *file, const struct mf_cmd *cmd)
{
	fprintf(file, "\t%s)\n\t\tcase $prev in\n", cmd->name);
	for (const struct mf_opt *opt = cmd->options; opt && opt->name; opt++) {
		if (!opt->value)
			continue;
		fprintf(file, "\t\t--%s", opt->name);
		if (opt->letter)
			fprintf(file, " | -%c", opt->letter);
		fputs(") ", file);
		bash_reply(file, opt->value);
		fputs("; return ;;\n", file);
	}
	fputs("\t\tesac\n\t\toptions='--help", file);
	for (const struct mf_opt *opt = cmd->options; opt && opt->name; opt++)
		fprintf(file, " --%s%s", opt->name, opt->value ? "=" : "");
	fputs("'\n\t\tif [[ $cur != -* ]]; then ", file);
	bash_reply(file, cmd->operands);
	fputs("; return; fi ;;\n", file);
}

static const char bash_head[] =
	"# bash completion for @, generated from its verbs\n"
	"_mf_sessions() {\n"
	"\t\"$1\" ls 2>/dev/null | awk 'NR > 1 { print $1 }'\n"
	"}\n"
	"_@() {\n"
	"\tlocal cur prev tool=$1 options= i\n"
	"\tcur=${COMP_WORDS[COMP_CWORD]}\n"
	"\tprev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tCOMPREPLY=()\n"
	"\tif [[ $cur == = ]]; then cur=\n"
	"\telif [[ $prev == = ]]; then "
	"prev=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
	"\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	"\t\tif [[ ${COMP_WORDS[i]} == -- ]]; then\n"
	"\t\t\tif declare -F _command_offset >/dev/null; then\n"
	"\t\t\t\t_command_offset $((i + 1))\n"
	"\t\t\telse\n"
	"\t\t\t\tmapfile -t COMPREPLY < <(compgen -c -f -- \"$cur\")\n"
	"\t\t\tfi\n"
	"\t\t\treturn\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tif ((COMP_CWORD == 1)); then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W '";

void mf__complete_bash(FILE *file, const struct mf_tool *tool)
{
	mf__complete_named(file, bash_head, tool);
	print_verbs(file, tool);
	fputs(" --help --version' -- \"$cur\")\n\t\treturn\n\tfi\n"
	      "\tcase ${COMP_WORDS[1]} in\n\thelp) options='",
	      file);
	print_verbs(file, tool);
	fputs("' ;;\n", file);
	for (const struct mf_cmd *const *cmd = tool->cmds; *cmd; cmd++)
		bash_cmd(file, *cmd);
	mf__complete_named(
		file,
		"\tesac\n"
		"\tmapfile -t COMPREPLY < <(compgen -W \"$options\" -- "
		"\"$cur\")\n"
		"\tif [[ ${COMPREPLY[0]-} == *= ]]; then "
		"compopt -o nospace; fi\n"
		"}\n"
		"complete -F _@ @\n",
		tool);
}

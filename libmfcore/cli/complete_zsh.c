#include "cli/complete.h"

static void zsh_action(FILE *file, const char *placeholder)
{
	switch (mf__complete_kind(placeholder)) {
	case MF__KIND_SESSION:
		fputs("_mf_sessions", file);
		break;
	case MF__KIND_DIR:
		fputs("_directories", file);
		break;
	case MF__KIND_COMMAND:
		fputs("_normal", file);
		break;
	case MF__KIND_WORDS:
		fputc('(', file);
		mf__complete_words(file, placeholder);
		fputc(')', file);
		break;
	case MF__KIND_OTHER:
		fputc(' ', file);
		break;
	}
}

/* What stands inside [] of an _arguments row. */
static void zsh_text(FILE *file, const char *text)
{
	for (; *text; text++) {
		if (*text == '[' || *text == ']' || *text == ':')
			fputc('\\', file);
		if (*text == '\'')
			fputs("'\\''", file);
		else
			fputc(*text, file);
	}
}

static void zsh_option(FILE *file, const struct mf_opt *opt)
{
	bool repeats = opt->type == MF_OPT_TYPE_LIST;

	for (int is_long = opt->letter ? 0 : 1; is_long < 2; is_long++) {
		fprintf(file, " \\\n\t\t\t'%s", repeats ? "*" : "");
		if (is_long)
			fprintf(file, "--%s%s[", opt->name,
			        opt->value ? "=" : "");
		else
			fprintf(file, "-%c%s[", opt->letter,
			        opt->value ? "+" : "");
		zsh_text(file, opt->help);
		fputc(']', file);
		if (opt->value) {
			fputc(':', file);
			zsh_text(file, opt->value);
			fputc(':', file);
			zsh_action(file, opt->value);
		}
		fputc('\'', file);
	}
}

static void zsh_cmd(FILE *file, const struct mf_cmd *cmd)
{
	fprintf(file, "\t\t%s)\n\t\t\t_arguments -s '--help[print help]'",
	        cmd->name);
	for (const struct mf_opt *opt = cmd->options; opt && opt->name; opt++)
		zsh_option(file, opt);
	if (cmd->operands) {
		fprintf(file, " \\\n\t\t\t'*:%s:",
		        cmd->command ? ":command" : "operand");
		zsh_action(file, cmd->operands);
		fputc('\'', file);
	}
	fputs(" ;;\n", file);
}

void mf__complete_zsh(FILE *file, const struct mf_tool *tool)
{
	mf__complete_named(file,
	                   "#compdef @\n"
	                   "# generated from the verbs of @\n"
	                   "_mf_sessions() {\n"
	                   "\tlocal -a ids\n"
	                   "\tids=(${(f)\"$(@ ls 2>/dev/null | "
	                   "awk 'NR > 1 { print $1 }')\"})\n"
	                   "\t_describe session ids\n"
	                   "}\n"
	                   "_@() {\n"
	                   "\tlocal state line\n"
	                   "\tlocal -a verbs\n"
	                   "\tverbs=(\n",
	                   tool);
	for (const struct mf_cmd *const *cmd = tool->cmds; *cmd; cmd++) {
		fprintf(file, "\t\t'%s:", (*cmd)->name);
		mf__complete_quoted(file, (*cmd)->summary, "'\\''");
		fputs("'\n", file);
	}
	fputs("\t\t'help:what a verb does'\n\t)\n"
	      "\t_arguments -C '--help[print help]' "
	      "'--version[print the version]' \\\n"
	      "\t\t'1:verb:->verb' '*::argument:->argument'\n"
	      "\tcase $state in\n"
	      "\tverb) _describe verb verbs ;;\n"
	      "\targument)\n\t\tcase $line[1] in\n"
	      "\t\thelp) _describe verb verbs ;;\n",
	      file);
	for (const struct mf_cmd *const *cmd = tool->cmds; *cmd; cmd++)
		zsh_cmd(file, *cmd);
	fprintf(file, "\t\tesac ;;\n\tesac\n}\n_%s \"$@\"\n", tool->name);
}

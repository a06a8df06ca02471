#include "cli/cli.h"

/* Text as roff prints it: the dash is a dash, the backslash no escape. */
static void print_roff(FILE *file, const char *text)
{
	bool is_line_start = true;

	for (; *text; text++) {
		if (is_line_start && (*text == '.' || *text == '\''))
			fputs("\\&", file);
		if (*text == '-')
			fputs("\\-", file);
		else if (*text == '\\')
			fputs("\\e", file);
		else
			fputc(*text, file);
		is_line_start = *text == '\n';
	}
}

static void print_option(FILE *file, const struct mf_opt *opt)
{
	fputs(".TP\n", file);
	if (opt->letter)
		fprintf(file, "\\fB\\-%c\\fR, ", opt->letter);
	fputs("\\fB\\-\\-", file);
	print_roff(file, opt->name);
	fputs("\\fR", file);
	if (opt->value) {
		fputs("=\\fI", file);
		print_roff(file, opt->value);
		fputs("\\fR", file);
	}
	fputc('\n', file);
	print_roff(file, opt->help);
	fputc('\n', file);
}

/* A paragraph break inside a text is an empty line there. */
static void print_paragraphs(FILE *file, const char *text)
{
	fputs(".PP\n", file);
	for (; *text; text++) {
		char one[] = {text[0], '\0'};

		if (text[0] == '\n' && text[1] == '\n') {
			fputs("\n.PP\n", file);
			text++;
		} else {
			print_roff(file, one);
		}
	}
	fputc('\n', file);
}

static void print_cmd(FILE *file, const struct mf_tool *tool,
                      const struct mf_cmd *cmd)
{
	fputs(".SS \"", file);
	print_roff(file, tool->name);
	fputc(' ', file);
	print_roff(file, cmd->name);
	fputs(cmd->options ? " [\\fIOPTION\\fR...]" : "", file);
	if (cmd->operands) {
		fputc(' ', file);
		print_roff(file, cmd->operands);
	}
	fputs("\"\n", file);
	print_roff(file, cmd->summary);
	fputs(".\n", file);
	if (cmd->details)
		print_paragraphs(file, cmd->details);
	for (const struct mf_opt *opt = cmd->options; opt && opt->name; opt++)
		print_option(file, opt);
	if (!cmd->list)
		return;
	fputs(".PP\n", file);
	print_roff(file, cmd->list_title);
	fputs(":\n.RS\n", file);
	for (const char *const *line = cmd->list(); *line; line++) {
		fputs(".br\n\\(bu ", file);
		print_roff(file, *line);
		fputc('\n', file);
	}
	fputs(".RE\n", file);
}

void mf__man_print(FILE *file, const struct mf_tool *tool)
{
	for (const struct mf_cmd *const *cmd = tool->cmds; *cmd; cmd++)
		print_cmd(file, tool, *cmd);
}

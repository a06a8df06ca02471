#include "cli/cli.h"

#include <string.h>

/* Text as roff prints it: the dash is a dash, the backslash no escape. */
static void print_roff_part(FILE *file, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool begins_line = i == 0 || text[i - 1] == '\n';

		if (begins_line && (text[i] == '.' || text[i] == '\''))
			fputs("\\&", file);
		if (text[i] == '-')
			fputs("\\-", file);
		else if (text[i] == '\\')
			fputs("\\e", file);
		else
			fputc(text[i], file);
	}
}

static void print_roff(FILE *file, const char *text)
{
	print_roff_part(file, text, strlen(text));
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
	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end - text) : strlen(text);

		fputs(".PP\n", file);
		print_roff_part(file, text, len);
		fputc('\n', file);
		text += end ? len + 2 : len;
	}
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

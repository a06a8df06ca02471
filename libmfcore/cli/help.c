#include "cli/cli.h"

#include <string.h>

#define PAGE_WIDTH 79u

/* Words of `text` from column `indent` on; line ends in it stay. */
static void print_wrapped(FILE *file, const char *text, unsigned at,
                          unsigned indent)
{
	while (*text) {
		size_t len = strcspn(text, " \n");

		if (at > indent && at + 1 + len > PAGE_WIDTH) {
			fprintf(file, "\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			fputc(' ', file);
			at++;
		}
		fwrite(text, 1, len, file);
		at += (unsigned)len;
		text += len;
		for (; *text == ' ' || *text == '\n'; text++) {
			if (*text == '\n')
				fprintf(file, "\n%*s", (int)indent, "");
			if (*text == '\n')
				at = indent;
		}
	}
	fputc('\n', file);
}

/* `name` in a column of its own, `text` beside it, or below when it is long. */
static void print_row(FILE *file, const char *name, const char *text,
                      unsigned column)
{
	unsigned width = (unsigned)fprintf(file, "  %s", name);

	if (width + 2 > column) {
		fputc('\n', file);
		width = 0;
	}
	fprintf(file, "%*s", (int)(column - width), "");
	print_wrapped(file, text, column, column);
}

static void print_option(FILE *file, const struct mf_opt *opt)
{
	char name[96];
	char letter[8] = "    ";

	if (opt->letter)
		snprintf(letter, sizeof(letter), "-%c, ", opt->letter);
	snprintf(name, sizeof(name), "%s--%s%s%s", letter, opt->name,
	         opt->value ? "=" : "", opt->value ? opt->value : "");
	print_row(file, name, opt->help, 28);
}

void mf__help_cmd(FILE *file, const struct mf_tool *tool,
                  const struct mf_cmd *cmd)
{
	fprintf(file, "usage: %s %s [OPTION...]%s%s\n\n", tool->name, cmd->name,
	        cmd->operands ? " " : "", cmd->operands ? cmd->operands : "");
	print_wrapped(file, cmd->summary, 0, 0);
	if (cmd->details) {
		fputc('\n', file);
		print_wrapped(file, cmd->details, 0, 0);
	}
	fputs("\noptions:\n", file);
	for (const struct mf_opt *opt = cmd->options; opt && opt->name; opt++)
		print_option(file, opt);
	print_row(file, "-h, --help", "print this", 28);
	if (!cmd->list)
		return;
	fprintf(file, "\n%s:\n", cmd->list_title);
	for (const char *const *line = cmd->list(); *line; line++) {
		fputs("  ", file);
		print_wrapped(file, *line, 2, 2);
	}
}

void mf__help_tool(FILE *file, const struct mf_tool *tool)
{
	fprintf(file,
	        "usage: %s VERB [OPTION...] [OPERAND...]\n\n%s\n\nverbs:\n",
	        tool->name, tool->summary);
	for (const struct mf_cmd *const *cmd = tool->cmds; *cmd; cmd++)
		print_row(file, (*cmd)->name, (*cmd)->summary, 16);
	print_row(file, "help [VERB]", "print this, or what a verb does", 16);
	fprintf(file,
	        "\n'%s VERB --help' tells more; so does '%s --version'.\n",
	        tool->name, tool->name);
}

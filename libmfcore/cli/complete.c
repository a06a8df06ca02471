#include "cli/complete.h"

#include <string.h>

#include "cli/cli.h"

enum mf__kind mf__complete_kind(const char *placeholder)
{
	if (!placeholder)
		return MF__KIND_OTHER;
	if (strstr(placeholder, "-- ") || strstr(placeholder, "COMMAND"))
		return MF__KIND_COMMAND;
	if (strstr(placeholder, "SESSION"))
		return MF__KIND_SESSION;
	if (strstr(placeholder, "DIR"))
		return MF__KIND_DIR;
	if (strchr(placeholder, '|'))
		return MF__KIND_WORDS;
	return MF__KIND_OTHER;
}

void mf__complete_quoted(FILE *file, const char *text, const char *quote)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs(quote, file);
		else
			fputc(*text, file);
	}
}

void mf__complete_words(FILE *file, const char *words)
{
	for (; *words; words++)
		fputc(*words == '|' ? ' ' : *words, file);
}

void mf__complete_named(FILE *file, const char *text,
                        const struct mf_tool *tool)
{
	for (; *text; text++) {
		if (*text == '@')
			fputs(tool->name, file);
		else
			fputc(*text, file);
	}
}

bool mf__complete_print(FILE *file, const struct mf_tool *tool,
                        const char *shell)
{
	static const struct {
		const char *shell;
		void (*print)(FILE *file, const struct mf_tool *tool);
	} table[] = {
		{"bash", mf__complete_bash},
		{"zsh", mf__complete_zsh},
		{"fish", mf__complete_fish},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].shell, shell) != 0)
			continue;
		table[i].print(file, tool);
		return true;
	}
	return false;
}

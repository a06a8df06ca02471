#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mfcore/str.h"
#include "mfcore/text.h"

/* The words left to read. */
struct words {
	char **next;
	char **end;
	struct mf_err *err;
};

static int fail_memory(struct mf_err *err)
{
	return mf_fail(err, -ENOMEM, "cannot read the command line");
}

static void *field(const struct mf__parsed *parsed, const struct mf_opt *opt)
{
	return (char *)parsed->opts + opt->offset;
}

static int append(struct mf_opt_list *list, const char *value,
                  struct mf_err *err)
{
	const char **items =
		realloc(list->items, (list->len + 1) * sizeof(*items));

	if (!items)
		return fail_memory(err);
	items[list->len++] = value;
	list->items = items;
	return 0;
}

static int store(const struct mf__parsed *parsed, const struct mf_opt *opt,
                 const char *value, struct mf_err *err)
{
	void *to = field(parsed, opt);

	switch (opt->type) {
	case MF_OPT_TYPE_BOOL:
		*(bool *)to = true;
		return 0;
	case MF_OPT_TYPE_STRING:
		*(const char **)to = value;
		return 0;
	case MF_OPT_TYPE_LIST:
		return append(to, value, err);
	case MF_OPT_TYPE_U64:
		if (mf_str_u64(mf_str(value), to))
			return 0;
		break;
	case MF_OPT_TYPE_SIZE:
		if (mf_text_parse_size(mf_str(value), to, NULL) == 0)
			return 0;
		break;
	case MF_OPT_TYPE_NONE:
		break;
	}
	return mf_fail(err, -EINVAL, "--%s wants %s, not '%s'", opt->name,
	               opt->type == MF_OPT_TYPE_SIZE ? "a size like 10MiB"
	                                             : "a number",
	               value);
}

static const struct mf_opt *find_long(const struct mf_cmd *cmd,
                                      struct mf_str name)
{
	for (const struct mf_opt *opt = cmd->options; opt && opt->name; opt++) {
		if (mf_str_is(name, opt->name))
			return opt;
	}
	return NULL;
}

static const struct mf_opt *find_short(const struct mf_cmd *cmd, char letter)
{
	for (const struct mf_opt *opt = cmd->options; opt && opt->name; opt++) {
		if (opt->letter == letter)
			return opt;
	}
	return NULL;
}

static int take_value(struct words *words, const struct mf_opt *opt,
                      const char **value)
{
	if (words->next == words->end)
		return mf_fail(words->err, -EINVAL, "--%s wants a value, %s",
		               opt->name, opt->value);
	*value = *words->next++;
	return 0;
}

static int parse_long(struct mf__parsed *parsed, struct words *words,
                      const char *word)
{
	const char *equals = strchr(word, '=');
	const char *value = equals ? equals + 1 : NULL;
	struct mf_str name = mf_str(word);
	const struct mf_opt *opt;
	int rc = 0;

	if (equals)
		name.len = (size_t)(equals - word);
	if (mf_str_is(name, "help") && !equals) {
		parsed->wants_help = true;
		return 0;
	}
	opt = find_long(parsed->args.cmd, name);
	if (!opt)
		return mf_fail(words->err, -EINVAL, "unknown option '--%.*s'",
		               (int)name.len, name.ptr);
	if (!opt->value && value)
		return mf_fail(words->err, -EINVAL, "--%s takes no value",
		               opt->name);
	if (opt->value && !value)
		rc = take_value(words, opt, &value);
	return rc < 0 ? rc : store(parsed, opt, value, words->err);
}

/* -abc, -n5, -n 5 */
static int parse_cluster(struct mf__parsed *parsed, struct words *words,
                         const char *letters)
{
	while (*letters) {
		const struct mf_opt *opt =
			find_short(parsed->args.cmd, *letters);
		const char *value = NULL;
		int rc = 0;

		if (!opt && *letters == 'h') {
			parsed->wants_help = true;
			return 0;
		}
		if (!opt)
			return mf_fail(words->err, -EINVAL,
			               "unknown option '-%c'", *letters);
		letters++;
		if (opt->value && *letters) {
			value = letters;
			letters = "";
		} else if (opt->value) {
			rc = take_value(words, opt, &value);
		}
		if (rc == 0)
			rc = store(parsed, opt, value, words->err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int parse_words(struct mf__parsed *parsed, struct words *words)
{
	const struct mf_cmd *cmd = parsed->args.cmd;
	int rc = 0;

	while (rc == 0 && words->next < words->end && !parsed->wants_help) {
		char *word = *words->next++;

		if (strcmp(word, "--") == 0 && cmd->command) {
			parsed->args.command = words->next;
			return 0;
		}
		if (strcmp(word, "--") == 0) {
			while (words->next < words->end)
				parsed->operands[parsed->args.argc++] =
					*words->next++;
			return 0;
		}
		if (word[0] == '-' && word[1] == '-') {
			rc = parse_long(parsed, words, word + 2);
		} else if (word[0] == '-' && word[1]) {
			rc = parse_cluster(parsed, words, word + 1);
		} else if (cmd->command && !cmd->max_operands) {
			parsed->args.command = words->next - 1;
			return 0;
		} else {
			parsed->operands[parsed->args.argc++] = word;
		}
	}
	return rc;
}

static int check_operands(const struct mf_args *args, struct mf_err *err)
{
	const struct mf_cmd *cmd = args->cmd;

	if (args->argc > cmd->max_operands)
		return mf_fail(err, -EINVAL, "'%s' is one operand too many",
		               args->argv[cmd->max_operands]);
	if (args->argc < cmd->min_operands)
		return mf_fail(err, -EINVAL, "an operand is missing, %s",
		               cmd->operands ? cmd->operands : "");
	if (cmd->command == MF_COMMAND_REQUIRED &&
	    (!args->command || !args->command[0]))
		return mf_fail(err, -EINVAL, "a command to run is missing");
	return 0;
}

int mf__parse(struct mf__parsed *out, const struct mf_tool *tool,
              const struct mf_cmd *cmd, int argc, char **argv,
              struct mf_err *err)
{
	struct words words = {argv, argv + argc, err};
	int rc;

	*out = (struct mf__parsed){0};
	out->args.tool = tool->name;
	out->args.cmd = cmd;
	out->opts = calloc(1, cmd->options_size ? cmd->options_size : 1);
	out->operands = calloc((size_t)argc + 1, sizeof(*out->operands));
	if (!out->opts || !out->operands)
		return fail_memory(err);
	if (cmd->defaults)
		memcpy(out->opts, cmd->defaults, cmd->options_size);
	out->args.opts = out->opts;
	out->args.argv = out->operands;
	rc = parse_words(out, &words);
	if (rc < 0 || out->wants_help)
		return rc;
	return check_operands(&out->args, err);
}

void mf__parsed_clear(struct mf__parsed *parsed)
{
	const struct mf_opt *opt = parsed->args.cmd->options;

	for (; parsed->opts && opt && opt->name; opt++) {
		if (opt->type == MF_OPT_TYPE_LIST)
			free(((struct mf_opt_list *)field(parsed, opt))->items);
	}
	free(parsed->opts);
	free(parsed->operands);
	parsed->opts = NULL;
	parsed->operands = NULL;
}

/* Recognition: base/str.c only, no malloc, no stdio. */
#include "metaflow/argv.h"

#include <stdint.h>
#include <string.h>

/* Programs that run another program, and the flags of theirs with a value. */
static const struct wrapper {
	const char *name;
	const char *word;   /* a subcommand that must follow, or NULL */
	const char *valued; /* short flags that take a value */
	const char *longs;  /* long ones, each ended by a blank */
	size_t operands;    /* before the command */
	bool takes_env;     /* NAME=VALUE before the command */
} wrappers[] = {
	{"env", NULL, "uCS", "unset chdir ", 0, true},
	{"timeout", NULL, "ks", "kill-after signal ", 1, false},
	{"nice", NULL, "n", "adjustment ", 0, false},
	{"ionice", NULL, "cn", "class classdata ", 0, false},
	{"chrt", NULL, "TPD", "", 1, false},
	{"taskset", NULL, "", "", 1, false},
	{"nohup", NULL, "", "", 0, false},
	{"setsid", NULL, "", "", 0, false},
	{"stdbuf", NULL, "ioe", "input output error ", 0, false},
	{"time", NULL, "fo", "format output ", 0, false},
	{"sudo", NULL, "ugpCDhrtT", "user group chdir host ", 0, true},
	{"exec", NULL, "a", "", 0, false},
	{"xvfb-run", NULL, "nsfew", "server-num server-args ", 0, false},
	{"uv", "run", "pC",
         "python with project extra group directory "
         "env-file package index-url cache-dir ",
         0, false},
	{"conda", "run", "np", "name prefix cwd ", 0, false},
	{"mamba", "run", "np", "name prefix cwd ", 0, false},
	{"micromamba", "run", "nprae", "name prefix root-prefix cwd env ", 0,
         false},
	{"poetry", "run", "CP", "directory project ", 0, false},
	{"pipenv", "run", "", "", 0, false},
	{"pdm", "run", "p", "project ", 0, false},
	{"strace", NULL, "eopsSuEPOIXabU", "", 0, false},
	{"valgrind", NULL, "", "", 0, false},
};

static const struct wrapper *find_wrapper(struct mf_str arg)
{
	struct mf_str name = mf_str_basename(arg);

	for (size_t i = 0; i < sizeof(wrappers) / sizeof(*wrappers); i++)
		if (mf_str_is(name, wrappers[i].name))
			return &wrappers[i];
	return NULL;
}

/* Whether `word` stands in `list`, whose words each end in a blank. */
static bool has_word(const char *list, struct mf_str word)
{
	struct mf_str rest = mf_str(list);

	while (rest.len > 0)
		if (mf_str_eq(mf_str_cut(&rest, ' '), word))
			return true;
	return false;
}

/* How many arguments the flag at `arg` spans. */
static size_t wrapper_flag_len(const struct wrapper *wrapper, struct mf_str arg)
{
	if (mf_str_starts(arg, "--")) {
		struct mf_str name = mf_str_from(arg, 2);

		return has_word(wrapper->longs, name) ? 2 : 1;
	}
	for (size_t i = 1; i < arg.len; i++)
		if (arg.ptr[i] != '\0' && strchr(wrapper->valued, arg.ptr[i]))
			return i + 1 == arg.len ? 2 : 1;
	return 1;
}

static bool is_assignment(struct mf_str arg)
{
	size_t at = mf_str_find(arg, '=');

	return at > 0 && at < arg.len && arg.ptr[0] != '-';
}

/* The index behind the wrapper's own flags, from `at` on. */
static size_t skip_flags(struct mf__argv argv, size_t at,
                         const struct wrapper *wrapper)
{
	while (at < argv.len && argv.at[at].len > 1 &&
	       argv.at[at].ptr[0] == '-') {
		if (mf_str_is(argv.at[at], "--"))
			return at + 1;
		at += wrapper_flag_len(wrapper, argv.at[at]);
	}
	return at;
}

/* The index behind the wrapper at `i`, or `i` when it is none. */
static size_t step_over(struct mf__argv argv, size_t i)
{
	const struct wrapper *wrapper = find_wrapper(argv.at[i]);
	size_t at = i + 1;

	if (!wrapper)
		return i;
	if (wrapper->word) {
		if (at >= argv.len || !mf_str_is(argv.at[at], wrapper->word))
			return i;
		at++;
	}
	at = skip_flags(argv, at, wrapper);
	while (wrapper->takes_env && at < argv.len &&
	       is_assignment(argv.at[at]))
		at++;
	at += wrapper->operands;
	return at < argv.len ? at : i;
}

/* The index of the program behind wrappers such as env and timeout. */
static size_t program_at(struct mf__argv argv)
{
	size_t i = 0;
	size_t next;

	while (i < argv.len && (next = step_over(argv, i)) != i)
		i = next;
	return i;
}

static bool is_python_name(struct mf_str arg)
{
	struct mf_str name = mf_str_basename(arg);
	static const char *const stems[] = {"python", "pypy", "Python"};

	for (size_t i = 0; i < sizeof(stems) / sizeof(*stems); i++) {
		struct mf_str rest = mf_str_from(name, strlen(stems[i]));

		if (!mf_str_starts(name, stems[i]))
			continue;
		while (rest.len > 0 && (strchr("0123456789.-dmtu", *rest.ptr) &&
		                        *rest.ptr != '\0'))
			rest = mf_str_from(rest, 1);
		return rest.len == 0 || mf_str_starts(rest, "exe");
	}
	return false;
}

/*
 * Read one argument of single-letter flags, which may be joined ("-Bum").
 * Returns how many arguments it spans; 0 when it said what to run.
 */
static size_t read_flags(struct mf__argv argv, size_t i,
                         struct mf__program *out)
{
	struct mf_str arg = argv.at[i];

	for (size_t k = 1; k < arg.len; k++) {
		bool is_last = k + 1 == arg.len;
		struct mf_str value = mf_str_from(arg, k + 1);
		size_t span = is_last ? 2 : 1;

		if (!strchr("cmWX", arg.ptr[k]) || arg.ptr[k] == '\0')
			continue;
		if (is_last)
			value = i + 1 < argv.len ? argv.at[i + 1]
			                         : (struct mf_str){NULL, 0};
		if (arg.ptr[k] == 'W' || arg.ptr[k] == 'X')
			return span;
		if (arg.ptr[k] == 'c')
			out->code = value;
		else
			out->module = value;
		out->args = i + span < argv.len ? i + span : argv.len;
		return 0;
	}
	return 1;
}

void mf__argv_interpreter(struct mf__argv argv, struct mf__program *out)
{
	size_t i;

	*out = (struct mf__program){.program = program_at(argv)};
	out->script = argv.len;
	out->args = argv.len;
	if (out->program >= argv.len)
		return;
	out->is_python = is_python_name(argv.at[out->program]);
	for (i = out->program + 1; i < argv.len;) {
		size_t span;

		if (mf_str_is(argv.at[i], "--check-hash-based-pycs")) {
			i += 2;
			continue;
		}
		if (mf_str_is(argv.at[i], "--")) {
			i++;
			break;
		}
		if (argv.at[i].len < 2 || argv.at[i].ptr[0] != '-')
			break;
		span = read_flags(argv, i, out);
		if (span == 0)
			return;
		i += span;
	}
	if (i < argv.len) {
		out->script = i;
		out->args = i + 1;
	}
}

static const struct mf__opt *find_option(const struct mf__opt *table,
                                         struct mf_str name)
{
	for (; table->name; table++)
		if (mf_str_is(name, table->name))
			return table;
	return NULL;
}

static void keep(const struct mf__opt *opt, struct mf_str value,
                 struct mf_command *out)
{
	char *at = (char *)out + opt->offset;

	if (opt->kind == MF__OPT_VALUE)
		*(struct mf_str *)(void *)at = value;
	else if (opt->kind == MF__OPT_COUNT)
		++*(uint32_t *)(void *)at;
}

size_t mf__argv_option(struct mf__argv argv, size_t i,
                       const struct mf__opt *table,
                       bool (*may_be_value)(struct mf_str arg),
                       struct mf_command *out)
{
	struct mf_str value = mf_str_from(argv.at[i], 2);
	struct mf_str name = mf_str_cut(&value, '=');
	bool is_joined = name.len + 2 < argv.at[i].len;
	const struct mf__opt *opt = find_option(table, name);

	i++;
	if (!opt) {
		if (is_joined || i >= argv.len ||
		    mf_str_starts(argv.at[i], "--") ||
		    (may_be_value && !may_be_value(argv.at[i])))
			return i;
		return i + 1;
	}
	out->is_sure |= opt->is_sure;
	if (opt->kind == MF__OPT_FLAG)
		return i;
	if (!is_joined) {
		if (i >= argv.len)
			return i;
		value = argv.at[i++];
	}
	keep(opt, value, out);
	if (opt->kind == MF__OPT_PAIR && i < argv.len)
		i++;
	return i;
}

void mf__argv_options(struct mf__argv argv, size_t i,
                      const struct mf__opt *table, struct mf_str **operands,
                      size_t n_operands, struct mf_command *out)
{
	size_t n = 0;
	bool is_over = false;

	while (i < argv.len) {
		if (!is_over && mf_str_is(argv.at[i], "--")) {
			is_over = true;
			i++;
		} else if (!is_over && mf_str_starts(argv.at[i], "--")) {
			i = mf__argv_option(argv, i, table, NULL, out);
		} else {
			if (n < n_operands)
				*operands[n++] = argv.at[i];
			i++;
		}
	}
}

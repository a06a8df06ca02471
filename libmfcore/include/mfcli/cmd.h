/*
 * Verbs as data.
 *
 * A tool is a table of verbs. The parser, the usage text, `--help`, the shell
 * completions and the option list of the man page all read this table, so none
 * of them can disagree with another.
 *
 * A verb's options go into a struct of its own, which is zero, or what the
 * verb's `defaults` say, before they are parsed:
 *
 *	struct ls_opts {
 *		bool json;
 *		uint64_t limit;
 *	};
 *	static const struct mf_opt ls_options[] = {
 *		MF_OPT_BOOL(0, "json", "print JSON", struct ls_opts, json),
 *		MF_OPT_U64('n', "limit", "N", "at most N sessions",
 *		           struct ls_opts, limit),
 *		MF_OPT_END,
 *	};
 *	static int ls_run(const struct mf_args *args, struct mf_err *err)
 *	{
 *		const struct ls_opts *opts = args->opts;
 *		...
 *	}
 *	const struct mf_cmd cmd_ls = {
 *		.name = "ls",
 *		.summary = "list recorded sessions, newest first",
 *		.options = ls_options,
 *		.options_size = sizeof(struct ls_opts),
 *		.run = ls_run,
 *	};
 *
 * and a line MF_COMMAND(ls) in the tool's commands.def.
 *
 * Threads: the main thread.
 */
#ifndef MFCLI_CMD_H
#define MFCLI_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mfcore/attr.h"
#include "mfcore/err.h"

/* Exit statuses, as every tool uses them. */
enum mf_exit {
	MF_EXIT_OK = 0,
	MF_EXIT_FAILED = 1,    /* the thing asked for failed */
	MF_EXIT_USAGE = 2,     /* wrong usage */
	MF_EXIT_NO = 3,        /* the answer is "no" */
	MF_EXIT_NOT_FOUND = 4, /* or ambiguous */
	MF_EXIT_NOT_PERMITTED = 5,
};

enum mf_opt_type {
	MF_OPT_TYPE_NONE, /* ends a table */
	MF_OPT_TYPE_BOOL,
	MF_OPT_TYPE_STRING,
	MF_OPT_TYPE_LIST,
	MF_OPT_TYPE_U64,
	MF_OPT_TYPE_SIZE,
};

/* Values of a repeatable option, in the order given; borrowed from argv. */
struct mf_opt_list {
	const char **items;
	size_t len;
};

struct mf_opt {
	const char *name;  /* without the dashes */
	const char *value; /* placeholder; NULL for a switch */
	const char *help;  /* lower case, no full stop */
	size_t offset;     /* of the field in the verb's options struct */
	enum mf_opt_type type;
	char letter; /* 0: none */
};

/* offsetof, refused by the compiler when the field is of another type */
#define MF__OPT_OFFSET(str, field, want)                                       \
	(offsetof(str, field) +                                                \
	 0 * sizeof(char[__builtin_types_compatible_p(                         \
				 __typeof__(((str *)0)->field), want)          \
	                         ? 1                                           \
	                         : -1]))

/* A switch, into a bool. */
#define MF_OPT_BOOL(letter, name, help, str, field)                            \
	{                                                                      \
		(name), NULL, (help), MF__OPT_OFFSET(str, field, bool),        \
			MF_OPT_TYPE_BOOL, (letter)                             \
	}
/* A string, into a const char *: NULL when not given, else the last given. */
#define MF_OPT_STRING(letter, name, value, help, str, field)                   \
	{                                                                      \
		(name), (value), (help),                                       \
			MF__OPT_OFFSET(str, field, const char *),              \
			MF_OPT_TYPE_STRING, (letter)                           \
	}
/* Repeatable, into a struct mf_opt_list, which lives as long as the run. */
#define MF_OPT_LIST(letter, name, value, help, str, field)                     \
	{                                                                      \
		(name), (value), (help),                                       \
			MF__OPT_OFFSET(str, field, struct mf_opt_list),        \
			MF_OPT_TYPE_LIST, (letter)                             \
	}
/* A decimal number, into a uint64_t. */
#define MF_OPT_U64(letter, name, value, help, str, field)                      \
	{                                                                      \
		(name), (value), (help), MF__OPT_OFFSET(str, field, uint64_t), \
			MF_OPT_TYPE_U64, (letter)                              \
	}
/* A size as people write it, 10MiB, into a uint64_t of bytes. */
#define MF_OPT_SIZE(letter, name, value, help, str, field)                     \
	{                                                                      \
		(name), (value), (help), MF__OPT_OFFSET(str, field, uint64_t), \
			MF_OPT_TYPE_SIZE, (letter)                             \
	}
#define MF_OPT_END                                                             \
	{                                                                      \
		NULL, NULL, NULL, 0, MF_OPT_TYPE_NONE, 0                       \
	}

/* Whether a verb takes a command to run, behind `--`. */
enum mf_cmd_command {
	MF_COMMAND_NONE,
	MF_COMMAND_OPTIONAL,
	/*
	 * When the verb takes no operands, the command may also begin at the
	 * first word that is no option, as with env(1).
	 */
	MF_COMMAND_REQUIRED,
};

struct mf_args {
	const struct mf_cmd *cmd;
	const char *tool;
	const void *opts; /* the verb's options struct, filled */
	size_t argc;      /* operands */
	char **argv;      /* ended by NULL */
	char **command;   /* what stands behind `--`, ended by NULL; or NULL */
};

struct mf_cmd {
	const char *name;
	const char *operands; /* as help prints them; NULL for none */
	const char *summary;  /* one line, imperative, no full stop */
	const char *details;  /* paragraphs for --help and the man page; NULL */
	const char *list_title; /* of a list below the options; NULL: none */
	const char *const *(*list)(void); /* its lines, ended by NULL */
	size_t min_operands;
	size_t max_operands;
	enum mf_cmd_command command;
	const struct mf_opt *options; /* ended by MF_OPT_END; NULL for none */
	size_t options_size;          /* of the struct they fill */
	const void *defaults;         /* what it holds before; NULL for zeros */
	int failure_status; /* exit status of every failure of the verb's own,
	                         wrong usage among them; 0: as enum mf_exit */

	/*
	 * Do it. Returns an exit status, or a negative error with `err` filled,
	 * which mf_cmd_main() prints and turns into the fitting status.
	 */
	int (*run)(const struct mf_args *args, struct mf_err *err);
};

struct mf_tool {
	const char *name;                 /* "mftrace" */
	const char *summary;              /* one line, no full stop */
	const struct mf_cmd *const *cmds; /* ended by NULL */
};

/*
 * Find the verb argv[1] names, parse what follows, run it, and make sure that
 * everything printed was written. Returns the exit status.
 */
MF_MUST_USE int mf_cmd_main(const struct mf_tool *tool, int argc, char **argv);

/*
 * Print `tool: text: why` on stderr, with what is hostile in it escaped. For
 * what is worth a line and no end; a verb that fails returns its error.
 */
void mf_cli_error(const char *tool, int rc, const struct mf_err *err);

#endif /* MFCLI_CMD_H */

/*
 * Inside of command recognition: the way from argv to the script and its
 * arguments, and option tables over struct mf_command.
 *
 * Recognition files (argv.c, command.c, flowcmd.c, dslayout.c, pathspec.c) use
 * base/str.c and nothing else; they are compiled into the recorder too.
 *
 * Threads: pure functions.
 */
#ifndef MF_METAFLOW_ARGV_H
#define MF_METAFLOW_ARGV_H

#include <stdbool.h>
#include <stddef.h>

#include "mfcore/command.h"

struct mf__argv {
	const struct mf_str *at;
	size_t len;
};

/* What the interpreter was told to run. */
struct mf__program {
	size_t program;       /* index of the interpreter or program */
	size_t script;        /* index of a script, or len */
	size_t args;          /* index of the first argument of what runs */
	struct mf_str module; /* -m */
	struct mf_str code;   /* -c */
	bool is_python;       /* by its name */
};

/* Read the interpreter's own flags. */
void mf__argv_interpreter(struct mf__argv argv, struct mf__program *out);

/* What an option does with its value. */
enum mf__opt_kind {
	MF__OPT_FLAG,  /* takes none */
	MF__OPT_VALUE, /* keep it at `offset` */
	MF__OPT_SKIP,  /* takes one, nobody asks */
	MF__OPT_PAIR,  /* takes two */
	MF__OPT_COUNT, /* takes one, count it in the uint32_t at `offset` */
};

struct mf__opt {
	const char *name; /* without the "--" */
	enum mf__opt_kind kind;
	bool is_sure; /* only Metaflow has it */
	size_t offset;
};

/*
 * Read one option, argv.at[i] beginning with "--": stores what `table`, ended
 * by a NULL name, asks for, and returns the index behind it. An option the
 * table does not have takes the next argument for its value when that is no
 * option and `may_be_value` says so; NULL says so always.
 */
size_t mf__argv_option(struct mf__argv argv, size_t i,
                       const struct mf__opt *table,
                       bool (*may_be_value)(struct mf_str arg),
                       struct mf_command *out);

/*
 * Read all from `i` to the end; operands, those not options, go to the strings
 * of `operands`, the rest of them are ignored.
 */
void mf__argv_options(struct mf__argv argv, size_t i,
                      const struct mf__opt *table, struct mf_str **operands,
                      size_t n_operands, struct mf_command *out);

/* Whether the command line is one of a flow; fills *out when it is. */
bool mf__flow_classify(struct mf__argv argv, const struct mf__program *program,
                       struct mf_command *out);

#endif /* MF_METAFLOW_ARGV_H */

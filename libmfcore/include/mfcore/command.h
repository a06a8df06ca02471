/*
 * What a command line is to Metaflow: the engine, a task, a sidecar, an S3
 * operation, or nothing of the kind.
 *
 * A command is recognised by its shape - script, subcommand and the options
 * that must go with it - never by one argument alone. Interpreter flags and
 * wrappers (env, timeout, nice, uv run ...) are stepped over.
 *
 * Made for use inside foreign processes, also between vfork and exec: no
 * malloc, no stdio, no locale.
 *
 * Threads: pure functions.
 */
#ifndef MFCORE_COMMAND_H
#define MFCORE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mfcore/str.h"

/* X(NAME, word, meaning) */
#define MF_COMMAND_MAP(X)                                                      \
	X(OTHER, "other", "nothing of Metaflow's")                             \
	X(RUN, "run", "the engine: a new run")                                 \
	X(RESUME, "resume", "the engine: a run resumed")                       \
	X(SPIN, "spin", "the engine: one step against an old task's inputs")   \
	X(STEP, "step", "one attempt of a task")                               \
	X(SPIN_STEP, "spin-step", "the task of a spin")                        \
	X(INIT, "init", "parameters of a run, written by an orchestrator")     \
	X(DUMP, "dump", "artifacts of a task, printed")                        \
	X(REMOTE_STEP, "remote-step", "waits for a task on a remote platform") \
	X(CARD, "card", "a card of a task, rendered")                          \
	X(FLOW, "flow", "another subcommand of a flow")                        \
	X(METAFLOW, "metaflow", "the metaflow program")                        \
	X(SIDECAR, "sidecar", "a sidecar's worker")                            \
	X(S3OP, "s3op", "an S3 operation over many objects")                   \
	X(EXIT_HOOK, "exit-hook", "a function called after a run")             \
	X(SAVE_LOGS, "save-logs", "a task's logs, uploaded")                   \
	X(LOG_TEE, "log-tee", "a task's output, stamped and copied")           \
	X(MP_SPAWN, "mp-spawn", "a child of multiprocessing")                  \
	X(MP_TRACKER, "mp-tracker", "resource tracker of multiprocessing")     \
	X(MP_FORKSERVER, "mp-forkserver", "fork server of multiprocessing")    \
	X(ENV_ESCAPE, "env-escape", "server outside a conda environment")      \
	X(ENV_BUILDER, "env-builder", "conda, pip or uv at work")              \
	X(GIT, "git", "what Metaflow asks git at start")

enum mf_command_kind {
#define MF_COMMAND_ENUM(name, word, meaning) MF_CMD_##name,
	MF_COMMAND_MAP(MF_COMMAND_ENUM)
#undef MF_COMMAND_ENUM
	MF_CMD_KINDS
};

/*
 * The parts of a command line; every string is borrowed from argv, and absent
 * where the command does not carry it. Indexes are argc where there is none.
 */
struct mf_command {
	enum mf_command_kind kind;
	/*
	 * Whether only Metaflow writes such a line. `python x.py run` alone is
	 * a guess: it may be a flow.
	 */
	bool is_sure;
	size_t program;     /* index of the interpreter or program itself */
	size_t script;      /* index of the flow's file; of a C flow, program */
	size_t subcommand;  /* index of the word */
	struct mf_str file; /* the flow's file */
	struct mf_str module;  /* behind -m */
	struct mf_str word;    /* subcommand; sidecar type; s3op mode; tool */
	struct mf_str subword; /* of "card create", "tag add" ... */

	/* options before the subcommand */
	struct mf_str datastore;
	struct mf_str datastore_root;
	struct mf_str metadata;
	struct mf_str environment;
	struct mf_str event_logger;
	struct mf_str monitor;
	struct mf_str config_file; /* --local-config-file */
	struct mf_str branch;      /* @project */
	uint32_t with_count;

	/* of a task: step, spin-step, init, remote-step */
	struct mf_str step; /* also the step a resume begins at */
	struct mf_str run_id;
	struct mf_str task_id;
	struct mf_str input_paths; /* mf_input_paths_decode() */
	struct mf_str input_paths_file;
	struct mf_str split_index;
	struct mf_str retry_count;
	struct mf_str max_user_code_retries;
	struct mf_str ubf_context;
	struct mf_str num_parallel;
	struct mf_str clone_only;
	struct mf_str clone_run_id;
	struct mf_str run_namespace;
	struct mf_str origin_datastore; /* --orig-flow-datastore */
	uint32_t tag_count;

	/* of the engine */
	struct mf_str origin_run_id;
	struct mf_str max_workers;
	struct mf_str run_id_file;
	struct mf_str runner_file; /* --runner-attribute-file */

	/* of dump, spin, card create, exit hook: as it stands there */
	struct mf_str pathspec;
	struct mf_str card_type;
	struct mf_str card_mode;
	struct mf_str function; /* of the exit hook */
	struct mf_str options;  /* of a sidecar, JSON */
	struct mf_str inputs;   /* of an s3op: --inputs or --filelist */
	struct mf_str source;   /* of the log tee */
	struct mf_str path;     /* log tee: file; env-escape: socket */
};

/*
 * Classify a command line. *out is always filled. An empty one is OTHER.
 */
enum mf_command_kind mf_command_classify(const struct mf_str *argv, size_t argc,
                                         struct mf_command *out);

/* The word and the meaning of a kind; static storage. */
const char *mf_command_word(enum mf_command_kind kind);
const char *mf_command_meaning(enum mf_command_kind kind);

/* Whether the kind runs a flow's engine: run, resume, spin. */
bool mf_command_is_engine(enum mf_command_kind kind);

#endif /* MFCORE_COMMAND_H */

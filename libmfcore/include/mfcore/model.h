/*
 * The model: events folded into the tree of a session at an instant.
 *
 *   session -> run -> step -> task -> attempt -> process ->
 *       { sidecar, s3op -> worker, command, fork, thread, async }
 *
 * Feed it events in time order; at any moment ask for the tree as it stands.
 * Whoever wants the tree at an earlier instant stops feeding there. Every tool
 * reads this one tree, so no two can disagree.
 *
 * What the engine believes (datastore marks) is kept beside what the kernel
 * showed (exits, signals); where they differ, the node's note says so.
 *
 * Bounded: of output only tails are kept, of threads and asyncio tasks a
 * number per process; the counts are always whole.
 *
 * Threads: one model, one thread at a time.
 */
#ifndef MFCORE_MODEL_H
#define MFCORE_MODEL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "mfcore/attr.h"
#include "mfcore/err.h"
#include "mfcore/event.h"
#include "mfcore/facts.h"
#include "mfcore/journal.h"
#include "mfcore/runs.h"

enum mf_node_kind {
	MF_NODE_SESSION,
	MF_NODE_RUN,
	MF_NODE_STEP,
	MF_NODE_TASK,
	MF_NODE_ATTEMPT,
	MF_NODE_PROCESS,
	MF_NODE_SIDECAR,
	MF_NODE_S3OP,
	MF_NODE_WORKER,
	MF_NODE_THREAD,
	MF_NODE_FORK,
	MF_NODE_ASYNC,
	MF_NODE_COMMAND,
};

enum mf_node_state {
	MF_STATE_UNKNOWN,
	MF_STATE_QUEUED,
	MF_STATE_RUNNING,
	MF_STATE_STOPPED,
	MF_STATE_OK,
	MF_STATE_FAILED,
	MF_STATE_KILLED,
	MF_STATE_LOST,
};

enum mf_cause {
	MF_CAUSE_NONE,
	MF_CAUSE_EXIT,
	MF_CAUSE_SIGNAL,
	MF_CAUSE_OOM,
	MF_CAUSE_TIMEOUT,
	MF_CAUSE_ORCHESTRATOR,
	MF_CAUSE_PARENT_DEATH,
	MF_CAUSE_EXEC_FAILED,
	MF_CAUSE_UNKNOWN,
};

/* Part in a failure, for what-failed and for marking rows. */
enum mf_blame {
	MF_BLAME_NONE,
	MF_BLAME_FIRST,      /* nothing failed before it */
	MF_BLAME_ALSO,       /* failed by itself, later */
	MF_BLAME_COLLATERAL, /* ended because something else failed */
	MF_BLAME_RETRIED,    /* a later attempt did it */
	MF_BLAME_CAUGHT,     /* @catch swallowed it */
};

struct mf_ending {
	bool is_known; /* it ended, and somebody knows how */
	bool has_code;
	int code;
	int signo; /* 0: none */
	enum mf_cause cause;
	struct mf_str text;   /* the cause in words */
	struct mf_str sender; /* process id of a signal's sender */
};

struct mf_node {
	struct mf_node *parent;
	struct mf_node *first;
	struct mf_node *last;
	struct mf_node *next;
	enum mf_node_kind kind;
	enum mf_node_state state;
	enum mf_blame blame;
	int attempt; /* number; -1 where that means nothing */
	struct mf_str id;
	struct mf_str name;
	struct mf_str function; /* a thread or asyncio task runs it */
	struct mf_str pathspec;
	struct mf_str argv; /* LIST */
	struct mf_str note; /* belief against reality, in words */
	uint32_t pid;
	uint32_t ppid;
	uint32_t tid;
	uint64_t start_ns;
	uint64_t end_ns;
	struct mf_ending exit;
	const struct mf_proc *proc;
	const struct mf_attempt *fact;  /* of an attempt */
	const struct mf_stream *stream; /* of a sidecar */
};

struct mf_model;

/* The session's own facts, valid as long as the model. */
struct mf_session_facts {
	struct mf_str id;
	struct mf_str argv; /* LIST */
	struct mf_str cwd;
	struct mf_str host;
	struct mf_str version;
	struct mf_str env; /* LIST */
	uint64_t start_ns;
	uint64_t end_ns;  /* of SESSION_END; 0: there is none */
	uint64_t last_ns; /* latest event */
	uint64_t events;
	uint64_t notes;
	uint64_t recorder_start;
	uint32_t recorder_pid;
	uint32_t main_pid;
	uint32_t status; /* wait status of the command, when has_status */
	bool has_status;
};

/*
 * Owns:   on success release *out with mf_model_free().
 * Errors: -ENOMEM.
 */
MF_MUST_USE int mf_model_new(struct mf_model **out);
void mf_model_free(struct mf_model *model);

/* The session's id, for the root of the tree. Errors: -ENOMEM. */
MF_MUST_USE int mf_model_set_id(struct mf_model *model, struct mf_str id);

/* Keep every thread and asyncio task, however many; before the first fold. */
void mf_model_keep_all(struct mf_model *model);

/*
 * Fold one event. `journal` loads what lies in blobs; it may be NULL, then
 * such fields are as if absent. Unknown types are counted and skipped.
 *
 * Errors: -ENOMEM; the model stays usable without the event.
 */
MF_MUST_USE int mf_model_fold(struct mf_model *model, const struct mf_event *ev,
                              struct mf_journal *journal);

const struct mf_session_facts *mf_model_session(const struct mf_model *model);
const struct mf_proc *mf_model_procs(const struct mf_model *model);
const struct mf_run *mf_model_runs(const struct mf_model *model);
const struct mf_stream *mf_model_streams(const struct mf_model *model);

/*
 * The process with this pid and start time, or, where that is 0 or not known,
 * the newest with this pid; NULL for none.
 */
const struct mf_proc *mf_model_proc_of(const struct mf_model *model,
                                       uint32_t host, uint64_t pid,
                                       uint64_t start_ticks);

/*
 * The tree as it stands. `is_open` says that more may still come (a live
 * session, or one looked at in the middle): what has not ended then runs, and
 * otherwise is lost.
 *
 * Owns:   *out is the model's, valid until the next call of this function.
 * Errors: -ENOMEM.
 */
MF_MUST_USE int mf_model_tree(struct mf_model *model, bool is_open,
                              const struct mf_node **out);

/* The node of a process in the latest tree, or NULL. */
const struct mf_node *mf_model_node_of(const struct mf_model *model,
                                       const struct mf_proc *proc);

/*
 * Walk a subtree, parents before children: the node after `node`, or NULL when
 * all below `top` are done.
 */
const struct mf_node *mf_node_walk(const struct mf_node *top,
                                   const struct mf_node *node);

/* A task's or attempt's place in its foreach, as text; absent without one. */
struct mf_str mf_node_split_index(const struct mf_node *node);

/* The words of the JSON document; static storage. */
const char *mf_node_kind_word(enum mf_node_kind kind);
const char *mf_node_state_word(enum mf_node_state state);
const char *mf_cause_word(enum mf_cause cause);
const char *mf_blame_word(enum mf_blame blame);

/* All generations of a stream together. */
struct mf_stream_counts {
	uint64_t generations;
	uint64_t sent; /* whole messages the pipe took */
	uint64_t received;
	uint64_t lost; /* of the sent ones; of a live stream: on their way */
	uint64_t sent_bytes;
	uint64_t received_bytes;
	uint64_t refused; /* writes the pipe took nothing of */
	uint64_t cut;     /* writes it took a part of */
};
void mf_stream_count(const struct mf_stream *stream,
                     struct mf_stream_counts *out);

/* Add a stream's counts to a JSON object. */
void mf_stream_json(cJSON *obj, const struct mf_stream *stream);

/*
 * The last bytes a process wrote to standard output (1) or error (2); where it
 * recorded none itself, what its parent read of it. Valid until the next fold.
 */
struct mf_str mf_model_tail(const struct mf_model *model,
                            const struct mf_proc *proc, int stream);

/*
 * A node and all below it as cli.md's JSON node.
 *
 * Owns:   the caller's, released with cJSON_Delete(); NULL without memory.
 */
cJSON *mf_node_json(const struct mf_node *node);

#endif /* MFCORE_MODEL_H */

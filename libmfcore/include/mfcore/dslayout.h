/*
 * What a file in Metaflow's datastore and local metadata means, by its path.
 *
 * Threads: pure functions; used by the recorder too: no malloc, no stdio.
 */
#ifndef MFCORE_DSLAYOUT_H
#define MFCORE_DSLAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/str.h"

/* X(NAME, word, who writes it and when) */
#define MF_DSFILE_MAP(X)                                                       \
	X(ATTEMPT, "attempt", "an attempt was begun")                          \
	X(TASK_BEGIN, "task-begin", "the task loaded its inputs")              \
	X(TASK_END, "task-end", "user code is over")                           \
	X(DATA, "data", "names and keys of the artifacts")                     \
	X(DONE, "done", "the attempt wrote all it will write")                 \
	X(RUNTIME, "runtime", "the engine saw the exit status")                \
	X(RUNTIME_STDOUT, "runtime-stdout", "output the engine kept")          \
	X(RUNTIME_STDERR, "runtime-stderr", "errors the engine kept")          \
	X(TASK_STDOUT, "task-stdout", "output a remote task saved")            \
	X(TASK_STDERR, "task-stderr", "errors a remote task saved")            \
	X(LOCAL_METADATA, "local-metadata", "metadata a remote task saved")    \
	X(RESUME_DONE, "resume-done", "parameters of a resume are cloned")     \
	X(RESUME_LEADER, "resume-leader", "who clones for a resume")           \
	X(SYSMETA, "sysmeta", "a metadata field of the task")                  \
	X(ARTIFACT, "artifact", "metadata of an artifact")                     \
	X(SELF, "self", "the flow, run, step or task is known")                \
	X(LATEST_RUN, "latest-run", "id of the newest run")                    \
	X(BLOB, "blob", "a content-addressed object")                          \
	X(BLOB_META, "blob-meta", "how a blob is packed")                      \
	X(CARD, "card", "a card, HTML")                                        \
	X(CARD_DATA, "card-data", "data of a card still running")

enum mf_dsfile {
	MF_DS_NONE, /* nothing of Metaflow's */
#define MF_DS_ENUM(name, word, meaning) MF_DS_##name,
	MF_DSFILE_MAP(MF_DS_ENUM)
#undef MF_DS_ENUM
	MF_DS_KINDS
};

/* Parts are borrowed from the path, absent where the file is not below one. */
struct mf_dslayout {
	enum mf_dsfile kind;
	struct mf_str root; /* of the datastore, without the last '/' */
	struct mf_str flow;
	struct mf_str run;
	struct mf_str step;
	struct mf_str task;
	struct mf_str name; /* artifact; metadata field; blob key; card file */
	uint64_t time_ms;   /* in the name of a SYSMETA */
	int attempt;        /* -1: none in its name */
};

/*
 * Say what `path` is. `root` is the datastore's root where it is known; absent,
 * it is the last ".metaflow", ".metaflow_spin" or "mf.cards" in the path, and
 * without one those files are recognised whose names leave no doubt. Temporary
 * names (tmp????????) are none.
 */
bool mf_dslayout_parse(struct mf_str path, struct mf_str root,
                       struct mf_dslayout *out);

const char *mf_dsfile_word(enum mf_dsfile kind);
const char *mf_dsfile_meaning(enum mf_dsfile kind);

#endif /* MFCORE_DSLAYOUT_H */

/*
 * What Metaflow writes where a task or a run ends badly, and its exit codes.
 * The one table of these texts; each stands in Metaflow's source word by word.
 *
 * Threads: pure functions.
 */
#ifndef MFCORE_EXIT_TEXTS_H
#define MFCORE_EXIT_TEXTS_H

#include "mfcore/str.h"

/*
 * X(NAME, word, meaning), the one that tells more first: where a text holds
 * several, the first of them is the hint.
 */
#define MF_EXIT_HINT_MAP(X)                                                    \
	X(SEGFAULT, "segfault", "the engine saw a segmentation fault")         \
	X(TIMEOUT, "timeout", "@timeout ended the step")                       \
	X(ORCHESTRATOR, "orchestrator", "the engine ended it with the run")    \
	X(NO_INPUT, "no-input", "an input has no completed attempt")           \
	X(S3, "s3", "an S3 operation failed")                                  \
	X(STEP_FAILED, "step-failed", "an exception left the step")            \
	X(TASK_FAILED, "task-failed", "the engine saw an exit status not 0")   \
	X(NO_RETRY, "no-retry", "it asked not to be retried")                  \
	X(FALLBACK, "fallback", "@catch stands in for the step's code")        \
	X(TRUNCATED, "truncated", "the log reached --max-log-size")

enum mf_exit_hint {
	MF_HINT_NONE,
#define MF_HINT_ENUM(name, word, meaning) MF_HINT_##name,
	MF_EXIT_HINT_MAP(MF_HINT_ENUM)
#undef MF_HINT_ENUM
	MF_HINT_KINDS
};

/*
 * Find the hint in the end of a log: plain lines, mflog lines, or lines as the
 * engine echoes them.
 */
enum mf_exit_hint mf_metaflow_exit_hint(struct mf_str stderr_tail);

const char *mf_exit_hint_word(enum mf_exit_hint hint);
const char *mf_exit_hint_meaning(enum mf_exit_hint hint);

#define MF_EXIT_DISALLOW_RETRY 202
#define MF_EXIT_ALLOW_RETRY 203

/* What an exit code says in Metaflow; NULL where it says nothing special. */
const char *mf_metaflow_exit_code(int code);

#endif /* MFCORE_EXIT_TEXTS_H */

/*
 * Names of things in Metaflow: Flow/run/step/task, tails of them, @ATTEMPT.
 *
 * Threads: pure functions; used by the recorder too.
 */
#ifndef MFCORE_PATHSPEC_H
#define MFCORE_PATHSPEC_H

#include <stdbool.h>

#include "mfcore/buf.h"
#include "mfcore/str.h"

/* Parts are borrowed, absent where the name ends earlier. */
struct mf_pathspec {
	struct mf_str flow;
	struct mf_str run;
	struct mf_str step;
	struct mf_str task;
	int attempt; /* -1: not given */
};

/* Parse Flow[/run[/step[/task]]][@ATTEMPT]. Returns false on anything else. */
bool mf_pathspec_parse(struct mf_str s, struct mf_pathspec *out);

/* Parse what input paths hold: run/step/task or run/step/task/attempt. */
bool mf_pathspec_parse_input(struct mf_str s, struct mf_pathspec *out);

/* Append it as it is written; what is absent ends it. */
void mf_pathspec_format(struct mf_buf *buf, const struct mf_pathspec *spec);

/* Take @ATTEMPT off the end of *s; -1 when there is none. */
int mf_pathspec_cut_attempt(struct mf_str *s);

/*
 * Whether `tail` names `spec`: its parts are the last of spec's ("train/17",
 * "17", "1795/train/17"), and so is its attempt where both have one.
 */
bool mf_pathspec_matches(struct mf_str tail, const struct mf_pathspec *spec);

/* Whether it may name a flow, a step or an artifact: a Python identifier. */
bool mf_pathspec_is_name(struct mf_str s);

/* Whether it may be the id of a run or task: no '/', ',', ':', '!', control. */
bool mf_pathspec_is_id(struct mf_str s);

#endif /* MFCORE_PATHSPEC_H */

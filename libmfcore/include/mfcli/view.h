/*
 * A session as a reading verb looks at it: its journal folded into the model,
 * and the things in it found by the names a person types.
 *
 * Threads: the main thread.
 */
#ifndef MFCLI_VIEW_H
#define MFCLI_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/attr.h"
#include "mfcore/err.h"
#include "mfcore/journal.h"
#include "mfcore/model.h"
#include "mfcore/session.h"

struct mf_view {
	struct mf_session session;
	struct mf_journal *journal;
	struct mf_model *model;
	const struct mf_node *root; /* of the latest mf_view_tree() */
	struct mf_event ahead;      /* read and not yet folded */
	bool has_ahead;
	bool is_live;   /* its recorder runs */
	bool is_before; /* stands before the end of the journal */
};

/*
 * Open the session a verb is about, named by --session or by the verb's
 * operand; see mf_cli_session().
 *
 * Owns:   release with mf_view_close(), also after a failure.
 * Errors: as mf_session_find(), mf_journal_open(); -ENOMEM.
 */
MF_MUST_USE int mf_view_open(struct mf_view *view, const char *option,
                             const char *operand, struct mf_err *err);
void mf_view_close(struct mf_view *view);

/* Open the same journal anew, standing before its first record. */
MF_MUST_USE int mf_view_rewind(struct mf_view *view, struct mf_err *err);

/*
 * Fold what there is up to and including `until_ns`, 0 for all of it. May be
 * called again with a later time, or after a refresh.
 *
 * Errors: -ENOMEM; -EIO.
 */
MF_MUST_USE int mf_view_read(struct mf_view *view, uint64_t until_ns,
                             struct mf_err *err);

/* Make the tree of what was folded. */
MF_MUST_USE int mf_view_tree(struct mf_view *view, struct mf_err *err);

/* mf_view_open(), mf_view_read() of everything, mf_view_tree(). */
MF_MUST_USE int mf_view_load(struct mf_view *view, const char *option,
                             const char *operand, struct mf_err *err);

/*
 * The same two for a verb about a run: *run is its operand, or NULL. A session
 * may stand there too, by its whole id or directory; then all of it is meant
 * and *run becomes NULL. *top is the run's node, or the session's.
 */
MF_MUST_USE int mf_view_open_run(struct mf_view *view, const char *option,
                                 const char **run, struct mf_err *err);
MF_MUST_USE int mf_view_load_run(struct mf_view *view, const char *option,
                                 const char *run, const struct mf_node **top,
                                 struct mf_err *err);

/*
 * Wait for more of a live session and fold it. Returns 1 when there was some,
 * 0 when the session is over and all of it was read.
 */
MF_MUST_USE int mf_view_follow(struct mf_view *view, struct mf_err *err);

/* Wait for more without folding: 1 to go on reading, 0 over. */
MF_MUST_USE int mf_view_wait(struct mf_view *view, struct mf_err *err);

/*
 * A time as a person typed it for this session. May read the whole journal,
 * and leaves it rewound.
 *
 * Errors: -EINVAL.
 */
MF_MUST_USE int mf_view_time(struct mf_view *view, const char *text,
                             uint64_t *out, struct mf_err *err);

/*
 * Things by their names, in the latest tree; cli.md says what names there are.
 *
 * Errors: -MF_ENOTHING; -MF_EAMBIGUOUS, with what fits in `err`.
 */

/* A run; NULL for the session's only one. */
MF_MUST_USE int mf_view_run(const struct mf_view *view, const char *name,
                            const struct mf_node **out, struct mf_err *err);

/* A task's attempt; NULL for the session's only task. */
MF_MUST_USE int mf_view_task(const struct mf_view *view, const char *name,
                             const struct mf_node **out, struct mf_err *err);

MF_MUST_USE int mf_view_stream(const struct mf_view *view, const char *name,
                               const struct mf_node **out, struct mf_err *err);

/* A process, by pid or id. */
MF_MUST_USE int mf_view_proc(const struct mf_view *view, const char *name,
                             const struct mf_node **out, struct mf_err *err);

/* The nearest node above, itself included, of one of two kinds; or NULL. */
const struct mf_node *mf_node_above(const struct mf_node *node,
                                    enum mf_node_kind a, enum mf_node_kind b);

#endif /* MFCLI_VIEW_H */

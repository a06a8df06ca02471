/*
 * Inside of the tree: nodes while they are being made.
 */
#ifndef MF_MODEL_NODE_H
#define MF_MODEL_NODE_H

#include "inside.h"
#include "mfcore/json.h"

/* A node of the tree being built; NULL also sets is_short. */
struct mf_node *mf__node_add(struct mf_model *model, enum mf_node_kind kind);

/*
 * Make `child` the last child of `parent`, once. A link that would close a
 * circle, or goes nowhere, ends at the root.
 */
void mf__node_link(struct mf_model *model, struct mf_node *parent,
                   struct mf_node *child);

/* Bound the depth, so that whoever recurses over the tree may. */
void mf__tree_flatten(struct mf_node *root);

/* name.c: what a process is called, and what kind of node it is. */
enum mf_node_kind mf__kind_of(const struct mf_proc *proc);
struct mf_str mf__name_of(struct mf_model *model, const struct mf_proc *proc,
                          enum mf_node_kind kind);

bool mf__is_parallel_map(const struct mf_proc *proc);

/* cause.c: fill state, exit and note of a node that has a process. */
void mf__judge_process(struct mf_model *model, struct mf_node *node);

/* The last line of an exception that @catch printed, short enough to quote. */
struct mf_str mf__caught_words(struct mf_model *model,
                               const struct mf_proc *proc);

/* belief.c: the same for attempts, tasks, steps and runs. */
void mf__judge_attempt(struct mf_model *model, struct mf_node *node);
void mf__judge_group(struct mf_model *model, struct mf_node *node);
void mf__judge_run(struct mf_model *model, struct mf_node *node,
                   const struct mf_run *run);

void mf__judge_session(struct mf_model *model, struct mf_node *node);

/* blame.c: who failed first, and who only because of it. */
void mf__judge_blame(struct mf_model *model);

#endif /* MF_MODEL_NODE_H */

/*
 * The tree as a person reads it.
 */
#ifndef MFTRACE_TREE_PRINT_H
#define MFTRACE_TREE_PRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcli/out.h"
#include "mfcore/model.h"

struct mftrace_tree_style {
	struct mf_out out;
	uint64_t now_ns; /* until when what has not ended lasted */
	bool is_utf8;
	bool is_all; /* leave nothing out, fold nothing together */
};

/* The style for standard output and this locale. */
struct mftrace_tree_style mftrace_tree_style(bool is_all, uint64_t now_ns);

void mftrace_tree_print(const struct mftrace_tree_style *style,
                        const struct mf_node *top);

/* A state in its colour, and a duration; used by other verbs too. */
enum mf_style mftrace_state_style(enum mf_node_state state);

/* What went through a sidecar or an S3 operation, what a child was for. */
void mftrace_node_details(struct mf_buf *line, const struct mf_node *node);

/* The words a node's line ends with: cause, note, part in a failure. */
void mftrace_node_remarks(struct mf_buf *line, const struct mf_node *node);

#endif /* MFTRACE_TREE_PRINT_H */

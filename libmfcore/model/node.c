/*
 * The nodes of a tree: made, linked, named, walked.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "node.h"

enum {
	DEPTH_MAX = 128, /* levels; what lies deeper is moved up to it */
};

struct mf_str mf__tree_printf(struct mf_model *model, const char *fmt, ...)
{
	struct mf_str s = {0};
	va_list args;
	int len;
	char *p;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		return s;
	p = mf_arena_alloc(&model->tree_arena, (size_t)len + 1);
	if (!p) {
		model->is_short = true;
		return s;
	}
	va_start(args, fmt);
	vsnprintf(p, (size_t)len + 1, fmt, args);
	va_end(args);
	return (struct mf_str){p, (size_t)len};
}

struct mf_node *mf__node_add(struct mf_model *model, enum mf_node_kind kind)
{
	struct mf_node *node =
		mf_arena_alloc(&model->tree_arena, sizeof(*node));

	if (!node) {
		model->is_short = true;
		return NULL;
	}
	node->kind = kind;
	node->attempt = -1;
	return node;
}

void mf__node_link(struct mf_model *model, struct mf_node *parent,
                   struct mf_node *child)
{
	const struct mf_node *up;

	if (!child || child->parent || child == model->root)
		return;
	for (up = parent; up; up = up->parent)
		if (up == child)
			break;
	if (!parent || up) /* a run inside itself, by its own word */
		parent = model->root;
	child->parent = parent;
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
}

/* Move the children of `node` to stand behind it. */
static void flatten(struct mf_node *node)
{
	struct mf_node *child;

	if (!node->first)
		return;
	for (child = node->first; child; child = child->next)
		child->parent = node->parent;
	node->last->next = node->next;
	node->next = node->first;
	if (node->parent->last == node)
		node->parent->last = node->last;
	node->first = NULL;
	node->last = NULL;
}

void mf__tree_flatten(struct mf_node *root)
{
	struct mf_node *node = root;
	int depth = 0;

	while (node) {
		if (depth >= DEPTH_MAX)
			flatten(node);
		if (node->first) {
			node = node->first;
			depth++;
			continue;
		}
		while (node != root && !node->next) {
			node = node->parent;
			depth--;
		}
		node = node == root ? NULL : node->next;
	}
}

const struct mf_node *mf_node_walk(const struct mf_node *top,
                                   const struct mf_node *node)
{
	if (node->first)
		return node->first;
	while (node != top && !node->next)
		node = node->parent;
	return node == top ? NULL : node->next;
}

const struct mf_node *mf_model_node_of(const struct mf_model *model,
                                       const struct mf_proc *proc)
{
	return proc && model->nodes && proc->serial <= model->n_nodes
	               ? model->nodes[proc->serial]
	               : NULL;
}

struct mf_str mf_node_split_index(const struct mf_node *node)
{
	const struct mf_attempt *a;

	if (node->kind == MF_NODE_TASK)
		node = node->last;
	a = node && node->kind == MF_NODE_ATTEMPT ? node->fact : NULL;
	if (!a || !a->proc || !a->proc->image || !a->proc->image->command)
		return (struct mf_str){0};
	return a->proc->image->command->split_index;
}

const char *mf_node_kind_word(enum mf_node_kind kind)
{
	static const char *const words[] = {
		[MF_NODE_SESSION] = "session", [MF_NODE_RUN] = "run",
		[MF_NODE_STEP] = "step",       [MF_NODE_TASK] = "task",
		[MF_NODE_ATTEMPT] = "attempt", [MF_NODE_PROCESS] = "process",
		[MF_NODE_SIDECAR] = "sidecar", [MF_NODE_S3OP] = "s3op",
		[MF_NODE_WORKER] = "worker",   [MF_NODE_THREAD] = "thread",
		[MF_NODE_FORK] = "fork",       [MF_NODE_ASYNC] = "async",
		[MF_NODE_COMMAND] = "command",
	};

	return words[kind];
}

const char *mf_node_state_word(enum mf_node_state state)
{
	static const char *const words[] = {
		[MF_STATE_UNKNOWN] = "unknown", [MF_STATE_QUEUED] = "queued",
		[MF_STATE_RUNNING] = "running", [MF_STATE_STOPPED] = "stopped",
		[MF_STATE_OK] = "ok",           [MF_STATE_FAILED] = "failed",
		[MF_STATE_KILLED] = "killed",   [MF_STATE_LOST] = "lost",
	};

	return words[state];
}

const char *mf_cause_word(enum mf_cause cause)
{
	static const char *const words[] = {
		[MF_CAUSE_NONE] = "none",
		[MF_CAUSE_EXIT] = "exit",
		[MF_CAUSE_SIGNAL] = "signal",
		[MF_CAUSE_OOM] = "oom",
		[MF_CAUSE_TIMEOUT] = "timeout",
		[MF_CAUSE_ORCHESTRATOR] = "orchestrator",
		[MF_CAUSE_PARENT_DEATH] = "parent-death",
		[MF_CAUSE_EXEC_FAILED] = "exec-failed",
		[MF_CAUSE_UNKNOWN] = "unknown",
	};

	return words[cause];
}

const char *mf_blame_word(enum mf_blame blame)
{
	static const char *const words[] = {
		[MF_BLAME_NONE] = "none",
		[MF_BLAME_FIRST] = "first",
		[MF_BLAME_ALSO] = "also",
		[MF_BLAME_COLLATERAL] = "collateral",
		[MF_BLAME_RETRIED] = "retried",
		[MF_BLAME_CAUGHT] = "caught",
	};

	return words[blame];
}

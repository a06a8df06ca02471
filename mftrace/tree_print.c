/*
 * A line a node. To keep a screen readable: a step with one task, a task with
 * one attempt and an attempt with its process share a line; equal siblings
 * that ended well, and tasks that failed alike after the first, are counted on
 * one line; threads and asyncio tasks are counted by what they run; what git
 * was asked is left out. --all undoes all of it.
 */
#include "tree_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mfcore/buf.h"
#include "mfcore/command.h"
#include "mfcore/text.h"

enum {
	SAME_MIN = 3,   /* equal siblings that share a line */
	GROUPS_MAX = 6, /* functions named on a line of threads */
	PREFIX_MAX = 1024,
};

struct printer {
	const struct mftrace_tree_style *style;
	struct mf_buf line;
	char prefix[PREFIX_MAX];
	size_t prefix_len;
};

/*
 * Whether the person's locale is a UTF-8 one. Ours always is, so the variables
 * are asked, in the order setlocale(3) asks them.
 */
static bool is_utf8_locale(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
	const char *value = NULL;
	size_t i;

	for (i = 0; i < 3 && (!value || !*value); i++)
		value = getenv(names[i]);
	return value &&
	       (strcasestr(value, "utf-8") || strcasestr(value, "utf8"));
}

struct mftrace_tree_style mftrace_tree_style(bool is_all, uint64_t now_ns)
{
	struct mftrace_tree_style style = {
		.out = mf_out_stdout(),
		.now_ns = now_ns,
		.is_all = is_all,
		.is_utf8 = is_utf8_locale(),
	};

	return style;
}

static bool is_inner(const struct mf_node *node)
{
	return node->kind == MF_NODE_THREAD || node->kind == MF_NODE_ASYNC;
}

/* git at the start of every Metaflow process fails outside a checkout. */
static bool is_hidden(const struct mf_node *node)
{
	const struct mf_proc *p = node->proc;

	return node->kind == MF_NODE_COMMAND && p && p->image &&
	       p->image->command && p->image->command->kind == MF_CMD_GIT &&
	       node->state != MF_STATE_RUNNING && !node->first;
}

/* The node whose children stand below this one's line. */
static const struct mf_node *body_of(const struct printer *pr,
                                     const struct mf_node *node)
{
	if (pr->style->is_all)
		return node;
	if (node->kind == MF_NODE_STEP && node->first && !node->first->next)
		node = node->first;
	if (node->kind == MF_NODE_TASK && node->first && !node->first->next)
		node = node->first;
	if (node->kind == MF_NODE_ATTEMPT && node->first &&
	    !node->first->next && node->first->kind == MF_NODE_PROCESS)
		node = node->first;
	return node;
}

static void put_label(struct mf_buf *line, const struct mf_node *node,
                      const struct mf_node *body)
{
	switch (node->kind) {
	case MF_NODE_RUN:
		mf_buf_puts(line, "run ");
		mf_text_terminal(line, node->pathspec.len ? node->pathspec
		                                          : node->name);
		return;
	case MF_NODE_STEP:
		mf_text_terminal(line, node->name);
		if (body != node && node->first) {
			mf_buf_putc(line, '/');
			mf_text_terminal(line, node->first->name);
		}
		return;
	case MF_NODE_TASK:
		if (node->parent && node->parent->kind == MF_NODE_STEP) {
			mf_text_terminal(line, node->parent->name);
			mf_buf_putc(line, '/');
		}
		mf_text_terminal(line, node->name);
		return;
	case MF_NODE_SIDECAR:
	case MF_NODE_S3OP:
	case MF_NODE_WORKER:
	case MF_NODE_THREAD:
	case MF_NODE_ASYNC:
		if (!mf_str_is(node->name, mf_node_kind_word(node->kind)))
			mf_buf_printf(line, "%s ",
			              mf_node_kind_word(node->kind));
		break;
	case MF_NODE_SESSION:
		mf_buf_puts(line, "session ");
		break;
	case MF_NODE_ATTEMPT:
	case MF_NODE_PROCESS:
	case MF_NODE_FORK:
	case MF_NODE_COMMAND:
		break;
	}
	mf_text_terminal(line, node->name);
	if (is_inner(node) && node->function.len) {
		mf_buf_puts(line, " in ");
		mf_text_terminal(line, node->function);
	}
}

/* A label, padded; the state; how long. */
static void put_head(struct printer *pr, const struct mf_node *node,
                     const struct mf_node *body, enum mf_style *style)
{
	struct mf_buf *line = &pr->line;
	const struct mf_node *end = node->end_ns ? node : body;
	uint64_t until = end->end_ns ? end->end_ns : pr->style->now_ns;

	put_label(line, node, body);
	if (node->kind == MF_NODE_TASK && mf_node_split_index(node).len) {
		mf_buf_puts(line, " [");
		mf_text_terminal(line, mf_node_split_index(node));
		mf_buf_putc(line, ']');
	}
	mf_buf_puts(line, "  ");
	*style = mftrace_state_style(node->state);
	mf_buf_puts(line, mf_style_begin(&pr->style->out, *style));
	mf_buf_puts(line, mf_node_state_word(node->state));
	mf_buf_puts(line, mf_style_end(&pr->style->out, *style));
	if (node->start_ns && until > node->start_ns &&
	    (node->end_ns || node->state == MF_STATE_RUNNING)) {
		mf_buf_putc(line, ' ');
		mf_text_duration(line, until - node->start_ns);
	}
}

/*
 * How many bytes of a line fit `columns`: escape sequences take none, a
 * character in UTF-8 one, as far as a tree is concerned.
 */
static size_t fit(struct mf_str line, size_t columns)
{
	size_t at = 0, used = 0;

	while (at < line.len) {
		if (line.ptr[at] == '\033') {
			while (at < line.len && line.ptr[at] != 'm')
				at++;
			at++;
			continue;
		}
		if ((line.ptr[at] & 0xc0) != 0x80 && used++ == columns)
			return at;
		at++;
	}
	return line.len;
}

static void put_cut(struct printer *pr, size_t columns)
{
	struct mf_str line = mf_buf_view(&pr->line);
	bool is_cut = fit(line, columns) < line.len;
	size_t len = is_cut && columns ? fit(line, columns - 1) : line.len;
	FILE *file = pr->style->out.file;

	fwrite(line.ptr, 1, len, file);
	if (is_cut)
		fputs(pr->style->is_utf8 ? "\u2026" : ">", file);
	if (is_cut && pr->style->out.has_colour)
		fputs("\033[0m", file);
	fputc('\n', file);
}

/* Write the line; on a terminal, only as much as fits its width. */
static void flush_line(struct printer *pr)
{
	size_t width = pr->style->is_all ? 0 : pr->style->out.width;
	size_t used = 0, i;

	if (!mf_buf_ok(&pr->line)) {
		mf_buf_reset(&pr->line);
		return;
	}
	for (i = 0; i < pr->prefix_len; i++)
		used += (pr->prefix[i] & 0xc0) != 0x80;
	fwrite(pr->prefix, 1, pr->prefix_len, pr->style->out.file);
	put_cut(pr, width > used ? width - used : width ? 1 : SIZE_MAX);
	mf_buf_reset(&pr->line);
}

static const struct mf_node *leaf_for_remarks(const struct mf_node *node,
                                              const struct mf_node *body)
{
	/* a shared line tells what the attempt knows, not its process */
	const struct mf_node *up = body;

	if (node == body)
		return node;
	while (up != node && up->kind != MF_NODE_ATTEMPT)
		up = up->parent;
	return up;
}

static void print_line(struct printer *pr, const struct mf_node *node,
                       const struct mf_node *body)
{
	enum mf_style style;

	put_head(pr, node, body, &style);
	if (node->kind == MF_NODE_STEP && node == body) {
		size_t n = 0;
		const struct mf_node *task;

		for (task = node->first; task; task = task->next)
			n++;
		mf_buf_printf(&pr->line, "  %zu task%s", n, n == 1 ? "" : "s");
	} else if (body->pid &&
	           (node->kind <= MF_NODE_PROCESS || pr->style->is_all ||
	            node->state == MF_STATE_RUNNING)) {
		mf_buf_printf(&pr->line, "  pid %u", body->pid);
	}
	mftrace_node_details(&pr->line, body);
	/* of a step its tasks tell, of a task its attempts */
	if (node != body ||
	    (node->kind != MF_NODE_STEP && node->kind != MF_NODE_TASK))
		mftrace_node_remarks(&pr->line, leaf_for_remarks(node, body));
	flush_line(pr);
}

/* ---- many on one line ---- */

/* A task of one attempt that failed, and not first: perhaps one of many. */
static bool is_one_more(const struct mf_node *node)
{
	return node->kind == MF_NODE_TASK && node->first &&
	       !node->first->next &&
	       (node->blame == MF_BLAME_COLLATERAL ||
	        node->blame == MF_BLAME_ALSO);
}

static bool is_dull(const struct printer *pr, const struct mf_node *node)
{
	const struct mf_node *child;

	if (pr->style->is_all)
		return false;
	if (!is_one_more(node) &&
	    (node->state != MF_STATE_OK || node->note.len ||
	     node->blame != MF_BLAME_NONE || node->kind == MF_NODE_RUN ||
	     node->kind == MF_NODE_SIDECAR))
		return false;
	if (node->blame == MF_BLAME_COLLATERAL)
		return true; /* what it was doing is no matter now */
	for (child = body_of(pr, node)->first; child; child = child->next)
		if (!is_hidden(child) && !is_inner(child))
			return false;
	return true;
}

/* Whose remarks a line ends with: a task's attempt speaks for it. */
static const struct mf_node *speaker_of(const struct mf_node *node)
{
	return node->kind == MF_NODE_TASK && node->last ? node->last : node;
}

static bool is_like(const struct mf_node *a, const struct mf_node *b)
{
	const struct mf_node *one = speaker_of(a), *other = speaker_of(b);

	if (a->kind != b->kind || a->state != b->state ||
	    a->blame != b->blame ||
	    !mf_str_eq(one->exit.text, other->exit.text) ||
	    !mf_str_eq(one->note, other->note))
		return false;
	if (a->kind == MF_NODE_TASK || a->kind == MF_NODE_WORKER)
		return true;
	return mf_str_eq(a->name, b->name);
}

/* How many siblings from `node` on are dull and alike. */
static size_t count_alike(const struct printer *pr, const struct mf_node *node,
                          const struct mf_node **last)
{
	const struct mf_node *next = node;
	size_t n = 0;

	for (; next; next = next->next) {
		if (is_hidden(next) || is_inner(next))
			continue;
		if (!is_dull(pr, next) || !is_like(node, next))
			break;
		*last = next;
		n++;
	}
	return n;
}

static void print_alike(struct printer *pr, const struct mf_node *node,
                        const struct mf_node *last, size_t n)
{
	const struct mf_out *out = &pr->style->out;
	enum mf_style style = mftrace_state_style(node->state);
	uint64_t least = UINT64_MAX, most = 0, took;
	const struct mf_node *at;

	for (at = node;; at = at->next) {
		took = at->end_ns > at->start_ns ? at->end_ns - at->start_ns
		                                 : 0;
		if (!is_hidden(at) && !is_inner(at)) {
			least = took < least ? took : least;
			most = took > most ? took : most;
		}
		if (at == last)
			break;
	}
	put_label(&pr->line, node, node);
	if (node->kind == MF_NODE_TASK) {
		mf_buf_puts(&pr->line, " .. ");
		put_label(&pr->line, last, last);
	}
	mf_buf_printf(&pr->line, "  %zu ", n);
	mf_buf_puts(&pr->line, mf_style_begin(out, style));
	mf_buf_puts(&pr->line, mf_node_state_word(node->state));
	mf_buf_puts(&pr->line, mf_style_end(out, style));
	mf_buf_puts(&pr->line, ", each ");
	mf_text_duration(&pr->line, least);
	if (most != least) {
		mf_buf_puts(&pr->line, " to ");
		mf_text_duration(&pr->line, most);
	}
	if (node->kind == MF_NODE_TASK)
		mftrace_node_remarks(&pr->line, speaker_of(node));
	flush_line(pr);
}

struct group {
	struct mf_str name;
	size_t n;
};

static size_t gather(const struct mf_node *parent, enum mf_node_kind kind,
                     struct group groups[GROUPS_MAX])
{
	const struct mf_node *child;
	struct mf_str name;
	size_t i, n = 0;

	for (child = parent->first; child; child = child->next) {
		if (child->kind != kind)
			continue;
		name = child->function.len ? child->function : child->name;
		for (i = 0; i < n && !mf_str_eq(groups[i].name, name); i++)
			;
		if (i == GROUPS_MAX)
			continue;
		if (i == n)
			groups[n++] = (struct group){.name = name};
		groups[i].n++;
	}
	return n;
}

/* The name without the modules and functions it is inside of. */
static struct mf_str short_name(struct mf_str name)
{
	static const char locals[] = "<locals>.";
	struct mf_str rest;
	size_t at;

	while ((at = mf_str_search(name, mf_str(locals))) < name.len)
		name = mf_str_from(name, at + sizeof(locals) - 1);
	while ((at = mf_str_find(name, '.')) < name.len) {
		rest = mf_str_from(name, at + 1);
		if (mf_str_find(rest, '.') == rest.len)
			break; /* Class.method stays */
		name = rest;
	}
	if (mf_str_starts(name, "__main__."))
		name = mf_str_from(name, sizeof("__main__.") - 1);
	return name;
}

static void put_groups(struct mf_buf *line, const struct group *groups,
                       size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		mf_buf_puts(line, i ? ", " : ": ");
		mf_text_terminal(line, short_name(groups[i].name));
		if (groups[i].n > 1)
			mf_buf_printf(line, " x%zu", groups[i].n);
	}
	if (n == GROUPS_MAX)
		mf_buf_puts(line, ", ...");
}

/* One line for all threads, one for all asyncio tasks of a process. */
static bool put_inner(struct printer *pr, const struct mf_node *node,
                      enum mf_node_kind kind)
{
	const struct mf_proc *p = node->proc;
	bool is_async = kind == MF_NODE_ASYNC;
	uint64_t n = !p ? 0 : is_async ? p->n_asyncs : p->n_threads;
	struct group groups[GROUPS_MAX];
	size_t len;

	if (!n)
		return false;
	len = gather(node, kind, groups);
	mf_buf_printf(&pr->line, "%llu %s%s", (unsigned long long)n,
	              is_async ? "asyncio task" : "thread", n == 1 ? "" : "s");
	if (is_async && p->n_asyncs_failed)
		mf_buf_printf(&pr->line, " (%llu failed)",
		              (unsigned long long)p->n_asyncs_failed);
	if (node->state == MF_STATE_RUNNING)
		mf_buf_printf(
			&pr->line, " (%llu running)",
			(unsigned long long)(is_async ? p->n_asyncs_open
		                                      : p->n_threads_open));
	put_groups(&pr->line, groups, len);
	return true;
}

/* ---- branches ---- */

static void push(struct printer *pr, const char *branch)
{
	size_t len = strlen(branch);

	if (pr->prefix_len + len > PREFIX_MAX)
		len = PREFIX_MAX - pr->prefix_len;
	memcpy(pr->prefix + pr->prefix_len, branch, len);
	pr->prefix_len += len;
}

static const char *branch(const struct printer *pr, bool is_last)
{
	if (pr->style->is_utf8)
		return is_last ? "\u2514\u2500 " : "\u251c\u2500 ";
	return is_last ? "`- " : "|- ";
}

static const char *rail(const struct printer *pr, bool is_last)
{
	if (is_last)
		return "   ";
	return pr->style->is_utf8 ? "\u2502  " : "|  ";
}

static const struct mf_node *next_shown(const struct printer *pr,
                                        const struct mf_node *node)
{
	while (node && !pr->style->is_all &&
	       (is_hidden(node) || is_inner(node)))
		node = node->next;
	return node;
}

static void print_children(struct printer *pr, const struct mf_node *node);

static void print_node(struct printer *pr, const struct mf_node *node,
                       bool is_last)
{
	const struct mf_node *body = body_of(pr, node);
	size_t len = pr->prefix_len;

	push(pr, branch(pr, is_last));
	print_line(pr, node, body);
	pr->prefix_len = len;
	push(pr, rail(pr, is_last));
	print_children(pr, body);
	pr->prefix_len = len;
}

static void print_inner(struct printer *pr, const struct mf_node *node,
                        bool has_more)
{
	static const enum mf_node_kind kinds[] = {MF_NODE_THREAD,
	                                          MF_NODE_ASYNC};
	size_t len = pr->prefix_len;
	size_t i;

	for (i = 0; i < 2 && !pr->style->is_all; i++) {
		bool is_last = !has_more &&
		               (i == 1 || !node->proc || !node->proc->n_asyncs);

		if (!put_inner(pr, node, kinds[i]))
			continue;
		push(pr, branch(pr, is_last));
		flush_line(pr);
		pr->prefix_len = len;
	}
}

static void print_children(struct printer *pr, const struct mf_node *node)
{
	const struct mf_node *child = next_shown(pr, node->first);
	const struct mf_node *last, *after;
	size_t len = pr->prefix_len;
	size_t n;

	if (node->proc && node->kind != MF_NODE_ATTEMPT)
		print_inner(pr, node, child != NULL);
	while (child) {
		n = count_alike(pr, child, &last);
		if (n >= SAME_MIN) {
			after = next_shown(pr, last->next);
			push(pr, branch(pr, !after));
			print_alike(pr, child, last, n);
			pr->prefix_len = len;
		} else {
			after = next_shown(pr, child->next);
			print_node(pr, child, !after);
		}
		child = after;
	}
}

void mftrace_tree_print(const struct mftrace_tree_style *style,
                        const struct mf_node *top)
{
	struct printer pr = {.style = style};

	print_line(&pr, top, top);
	print_children(&pr, top);
	mf_buf_clear(&pr.line);
}

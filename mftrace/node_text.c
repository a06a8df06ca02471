/*
 * What a line says of a node besides its name: its state's colour, counts of
 * what went through it, why it ended and what part it had in a failure.
 */
#include "mfcore/buf.h"
#include "mfcore/text.h"
#include "tree_print.h"

enum mf_style mftrace_state_style(enum mf_node_state state)
{
	switch (state) {
	case MF_STATE_OK:
		return MF_STYLE_GOOD;
	case MF_STATE_FAILED:
	case MF_STATE_KILLED:
	case MF_STATE_LOST:
		return MF_STYLE_BAD;
	case MF_STATE_RUNNING:
		return MF_STYLE_LIVE;
	case MF_STATE_QUEUED:
	case MF_STATE_STOPPED:
		return MF_STYLE_WARN;
	case MF_STATE_UNKNOWN:
		break;
	}
	return MF_STYLE_FAINT;
}

static void put_count(struct mf_buf *line, uint64_t n, const char *one)
{
	if (n)
		mf_buf_printf(line, "  %llu %s%s", (unsigned long long)n, one,
		              n == 1 ? "" : "s");
}

void mftrace_node_details(struct mf_buf *line, const struct mf_node *node)
{
	struct mf_stream_counts n;

	if (node->stream) {
		mf_stream_count(node->stream, &n);
		mf_buf_puts(line, "  ");
		mf_text_terminal(line, node->stream->id);
		mf_buf_printf(line, "  sent %llu, received %llu",
		              (unsigned long long)n.sent,
		              (unsigned long long)n.received);
		if (n.lost)
			mf_buf_printf(line, ", %s %llu",
			              node->state == MF_STATE_RUNNING
			                      ? "on its way"
			                      : "lost",
			              (unsigned long long)n.lost);
		if (n.refused)
			mf_buf_printf(line, ", not taken %llu",
			              (unsigned long long)n.refused);
		if (n.generations > 1)
			mf_buf_printf(line, ", restarted %llu time%s",
			              (unsigned long long)(n.generations - 1),
			              n.generations == 2 ? "" : "s");
	}
	if (node->kind == MF_NODE_S3OP && node->proc) {
		put_count(line, node->proc->s3_inputs, "input");
		put_count(line, node->proc->s3_results, "result");
		if (node->proc->s3_retries)
			mf_buf_puts(line, "  (a retry)");
	}
	if (node->kind == MF_NODE_FORK && node->proc &&
	    node->proc->mp_function.len) {
		mf_buf_puts(line, "  ");
		mf_text_terminal(line, node->proc->mp_function);
	}
}

void mftrace_node_remarks(struct mf_buf *line, const struct mf_node *node)
{
	switch (node->blame) {
	case MF_BLAME_FIRST:
		mf_buf_puts(line, "  <- first failure");
		break;
	case MF_BLAME_COLLATERAL:
		mf_buf_puts(line, "  (collateral)");
		break;
	case MF_BLAME_RETRIED:
		mf_buf_puts(line, "  (retried)");
		break;
	case MF_BLAME_CAUGHT:
		mf_buf_puts(line, "  (caught)");
		break;
	case MF_BLAME_ALSO:
	case MF_BLAME_NONE:
		break;
	}
	if (node->exit.text.len) {
		mf_buf_puts(line, "  ");
		mf_text_terminal(line, node->exit.text);
	} else if (node->exit.has_code && node->exit.code) {
		mf_buf_printf(line, "  exit status %d", node->exit.code);
	}
	if (node->note.len) {
		mf_buf_puts(line, "  [");
		mf_text_terminal(line, node->note);
		mf_buf_putc(line, ']');
	}
}

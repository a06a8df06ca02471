#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "mfcli/out.h"
#include "mfcli/view.h"
#include "mfcore/json.h"
#include "mfcore/messages.h"
#include "mfcore/sidecar_wire.h"
#include "mfcore/text.h"

struct messages_opts {
	const char *session;
	bool follow;
	bool json;
};

struct printing {
	const struct messages_opts *opts;
	struct mf_view *view;
	struct mf_messages *messages;
	struct mf_out out;
	cJSON *list; /* without --follow */
};

/* Whose stream it is: Flow/run/step/task, the run's scheduler, a process. */
static struct mf_str owner_of(const struct mf_view *view,
                              const struct mf_stream *stream)
{
	const struct mf_node *node =
		mf_model_node_of(view->model, stream->owner);
	const struct mf_node *up;

	up = mf_node_above(node, MF_NODE_TASK, MF_NODE_RUN);
	return up ? up->id : stream->owner->id;
}

static cJSON *message_json(struct mf_view *view, const struct mf_message *m)
{
	cJSON *obj = cJSON_CreateObject();
	struct mf_sidecar_message parsed;
	cJSON *payload = NULL;

	mf_sidecar_parse(m->bytes, &parsed);
	mf_json_str(obj, "stream", m->stream->id);
	mf_json_str(obj, "sidecar", m->stream->type);
	mf_json_str(obj, "owner", owner_of(view, m->stream));
	mf_json_u64(obj, "number", m->number);
	mf_json_u64(obj, "generation", m->generation);
	mf_json_time(obj, "sent", m->sent_ns);
	mf_json_time(obj, "received", m->received_ns);
	mf_json_str(obj, "fate", mf_str(mf_message_fate_word(m->fate)));
	if (m->error)
		mf_json_str(obj, "error", mf_str(mf_strerror(-m->error)));
	mf_json_u64(obj, "pid", m->pid);
	mf_json_u64(obj, "tid", m->tid);
	mf_json_str(obj, "type", mf_str(mf_sidecar_word(parsed.kind)));
	mf_json_u64(obj, "bytes", m->bytes.len);
	if (parsed.payload.len &&
	    mf_json_parse(parsed.payload, &payload, NULL) == 0)
		cJSON_AddItemToObject(obj, "payload", payload);
	else
		mf_json_str(obj, "text", m->bytes);
	return obj;
}

static void print_human(const struct printing *p, const struct mf_message *m)
{
	struct mf_buf line = {0};
	struct mf_sidecar_message parsed;
	bool is_good =
		m->fate == MF_FATE_RECEIVED || m->fate == MF_FATE_ON_ITS_WAY;

	mf_sidecar_parse(m->bytes, &parsed);
	mf_text_clock(&line, m->sent_ns);
	mf_buf_printf(&line, " %.*s #%" PRIu64 " %s ", (int)m->stream->id.len,
	              m->stream->id.ptr, m->number,
	              mf_sidecar_word(parsed.kind));
	mf_buf_puts(&line, mf_style_begin(&p->out, is_good ? MF_STYLE_FAINT
	                                                   : MF_STYLE_BAD));
	if (m->received_ns >= m->sent_ns && m->received_ns) {
		mf_buf_putc(&line, '+');
		mf_text_duration(&line, m->received_ns - m->sent_ns);
	}
	if (m->fate != MF_FATE_RECEIVED)
		mf_buf_printf(&line, "%s%s", m->received_ns ? " " : "",
		              mf_message_fate_word(m->fate));
	mf_buf_puts(&line, mf_style_end(&p->out, is_good ? MF_STYLE_FAINT
	                                                 : MF_STYLE_BAD));
	if (m->generation > 1)
		mf_buf_printf(&line, " (generation %u)", m->generation);
	mf_buf_putc(&line, ' ');
	mf_text_terminal(&line, parsed.payload.len ? parsed.payload : m->bytes);
	mf_buf_putc(&line, '\n');
	if (mf_buf_ok(&line))
		fwrite(line.ptr, 1, line.len, p->out.file);
	mf_buf_clear(&line);
}

static int print_ready(struct printing *p, bool is_over, struct mf_err *err)
{
	struct mf_message m;
	bool waits = p->opts->follow && !is_over;
	int rc = mf_view_tree(p->view, err);
	cJSON *obj;

	while (rc == 0 && mf_messages_next(p->messages, waits, is_over, &m)) {
		if (!p->opts->json) {
			print_human(p, &m);
			continue;
		}
		obj = message_json(p->view, &m);
		if (p->opts->follow)
			rc = mf_json_print_line(obj, err);
		else if (!obj || !cJSON_AddItemToArray(p->list, obj))
			rc = mf_fail(err, -ENOMEM, "cannot print");
	}
	fflush(p->out.file);
	return rc;
}

static int read_events(struct printing *p, struct mf_err *err)
{
	struct mf_event ev;
	int rc;

	while ((rc = mf_journal_next(p->view->journal, &ev)) > 0) {
		rc = mf_model_fold(p->view->model, &ev, p->view->journal);
		if (rc == 0)
			rc = mf_messages_fold(p->messages, &ev,
			                      p->view->journal);
		if (rc < 0)
			break;
	}
	return rc < 0 ? mf_fail(err, rc, "cannot read the journal") : 0;
}

static void print_streams(const struct printing *p, const char *only)
{
	const struct mf_stream *s;
	struct mf_buf line = {0};
	struct mf_stream_counts n;
	struct mf_str owner;

	for (s = mf_model_streams(p->view->model); s; s = s->next) {
		if (only && !mf_str_is(s->id, only))
			continue;
		owner = owner_of(p->view, s);
		mf_stream_count(s, &n);
		mf_buf_printf(&line, "%.*s = ", (int)s->id.len, s->id.ptr);
		mf_text_terminal(&line, s->type);
		mf_buf_puts(&line, " of ");
		mf_text_terminal(&line, owner);
		mf_buf_printf(&line,
		              ": sent %" PRIu64 ", received %" PRIu64
		              ", lost %" PRIu64,
		              n.sent, n.received, n.lost);
		if (n.refused)
			mf_buf_printf(&line, ", not taken %" PRIu64, n.refused);
		if (n.generations > 1)
			mf_buf_printf(&line, ", %" PRIu64 " generations",
			              n.generations);
		mf_buf_putc(&line, '\n');
	}
	if (line.len && mf_buf_ok(&line))
		fwrite(line.ptr, 1, line.len, p->out.file);
	mf_buf_clear(&line);
}

static int print_document(struct printing *p, const char *only,
                          struct mf_err *err)
{
	cJSON *doc = mf_json_document("mftrace", "messages");
	cJSON *streams = cJSON_AddArrayToObject(doc, "streams");
	const struct mf_stream *s;

	mf_json_str(doc, "session", mf_str(p->view->session.id));
	for (s = mf_model_streams(p->view->model); s; s = s->next) {
		cJSON *obj;

		if (only && !mf_str_is(s->id, only))
			continue;
		obj = cJSON_CreateObject();
		mf_stream_json(obj, s);
		mf_json_str(obj, "sidecar", s->type);
		mf_json_str(obj, "owner", owner_of(p->view, s));
		mf_json_time(obj, "first", s->first_ns);
		mf_json_time(obj, "last", s->last_ns);
		cJSON_AddItemToArray(streams, obj);
	}
	cJSON_AddItemToObject(doc, "messages", p->list);
	p->list = NULL;
	return mf_json_print(doc, err);
}

/* The stream's id as it is printed, kept for a second reading. */
static int resolve(struct mf_view *view, const char *name, char id[32],
                   struct mf_err *err)
{
	const struct mf_node *node = NULL;
	int rc = mf_view_read(view, 0, err);

	if (rc == 0)
		rc = mf_view_tree(view, err);
	if (rc == 0)
		rc = mf_view_stream(view, name, &node, err);
	if (rc < 0 || !node)
		return rc;
	if (node->stream->id.len >= 32)
		return mf_fail(err, -ENAMETOOLONG, "cannot use that id");
	memcpy(id, node->stream->id.ptr, node->stream->id.len);
	id[node->stream->id.len] = '\0';
	return mf_view_rewind(view, err);
}

static int print_all(struct printing *p, const char *only, struct mf_err *err)
{
	int rc = mf_messages_new(&p->messages, p->view->model);

	if (rc < 0)
		return mf_fail(err, rc, "cannot read messages");
	if (only)
		mf_messages_only(p->messages, mf_str(only));
	if (p->opts->json && !p->opts->follow)
		p->list = cJSON_CreateArray();
	rc = read_events(p, err);
	if (rc == 0)
		rc = print_ready(p, !p->view->is_live, err);
	while (rc == 0 && p->opts->follow) {
		rc = mf_view_wait(p->view, err);
		if (rc <= 0)
			break;
		mf_messages_next_round(p->messages);
		rc = read_events(p, err);
		if (rc == 0)
			rc = print_ready(p, false, err);
	}
	if (rc == 0 && p->opts->follow)
		rc = print_ready(p, true, err);
	else if (rc == 0 && p->opts->json)
		rc = print_document(p, only, err);
	else if (rc == 0)
		print_streams(p, only);
	cJSON_Delete(p->list);
	mf_messages_free(p->messages);
	return rc;
}

static int messages_run(const struct mf_args *args, struct mf_err *err)
{
	const struct messages_opts *opts = args->opts;
	struct mf_view view;
	struct printing p = {
		.opts = opts, .view = &view, .out = mf_out_stdout()};
	char id[32] = "";
	int rc;

	rc = mf_view_open(&view, opts->session, NULL, err);
	if (rc == 0 && args->argc)
		rc = resolve(&view, args->argv[0], id, err);
	if (rc == 0)
		rc = print_all(&p, args->argc ? id : NULL, err);
	mf_view_close(&view);
	return rc;
}

static const struct mf_opt messages_options[] = {
	MF_OPT_STRING('s', "session", "SESSION",
                      "a session's id, a prefix of it, or its directory",
                      struct messages_opts, session),
	MF_OPT_BOOL('f', "follow",
                    "go on as messages come; each is printed "
                    "when it is known what became of it",
                    struct messages_opts, follow),
	MF_OPT_BOOL(0, "json", "print JSON; with --follow a line per message",
                    struct messages_opts, json),
	MF_OPT_END,
};

const struct mf_cmd cmd_messages = {
	.name = "messages",
	.operands = "[STREAM]",
	.summary = "show what was sent to sidecars and what they received",
	.details =
		"A line per message, in the order they were sent: the time, "
		"the stream, its number, its type, how long until the sidecar "
		"had read it, or what became of it instead, its payload. A "
		"summary per stream follows.\n\n"
		"STREAM is an id as it is printed (s3), TASK:TYPE "
		"(train/17:heartbeat), run:TYPE for the scheduler's own, or a "
		"TYPE that only one has.\n\n"
		"received: read by the sidecar. on-its-way: in the pipe. "
		"left-in-pipe: never read. cut: the pipe took a part of it. "
		"pipe-full, broken-pipe: the pipe took nothing of it.",
	.max_operands = 1,
	.options = messages_options,
	.options_size = sizeof(struct messages_opts),
	.run = messages_run,
};

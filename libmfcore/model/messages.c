#include "mfcore/messages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

/* A message on its way from the list of all to the caller. */
struct entry {
	struct entry *next;         /* in the order they were sent */
	struct entry *next_in_pipe; /* still to be received */
	const struct mf_pipe *pipe;
	struct mf_message m;
	uint64_t end;  /* position behind its line end */
	bool is_whole; /* its line end was taken */
	char *bytes;
};

/* One pipe, both ends. */
struct half {
	struct half *next;
	const struct mf_pipe *pipe;
	struct entry *waiting; /* oldest not received */
	struct entry *last;
	struct entry *open; /* begun, no line end yet */
	uint64_t sent;      /* bytes taken so far */
	uint64_t received;
	uint64_t received_ns;  /* when last */
	uint64_t closed_round; /* in which the end was first seen; 0: not */
};

struct mf_messages {
	const struct mf_model *model;
	struct mf_str only;
	struct mf_map halves; /* by pipe */
	struct mf_map counts; /* by stream: its newest entry's number */
	struct half *all;
	struct entry *first;
	struct entry *last;
	struct entry *handed; /* the caller's, freed at its next call */
	struct mf_buf scratch;
	uint64_t round; /* of reading, from 1 */
	bool is_short;
};

int mf_messages_new(struct mf_messages **out, const struct mf_model *model)
{
	struct mf_messages *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->model = model;
	m->round = 1;
	*out = m;
	return 0;
}

void mf_messages_only(struct mf_messages *m, struct mf_str stream_id)
{
	m->only = stream_id;
}

static void free_entry(struct entry *e)
{
	if (e)
		free(e->bytes);
	free(e);
}

void mf_messages_free(struct mf_messages *m)
{
	struct entry *e, *next;
	struct half *h, *after;

	if (!m)
		return;
	for (e = m->first; e; e = next) {
		next = e->next;
		free_entry(e);
	}
	for (h = m->all; h; h = after) {
		after = h->next;
		free(h);
	}
	free_entry(m->handed);
	mf_map_clear(&m->halves);
	mf_map_clear(&m->counts);
	mf_buf_clear(&m->scratch);
	free(m);
}

static struct half *half_of(struct mf_messages *m, const struct mf_pipe *pipe)
{
	struct half *h = mf_map_get(&m->halves, (uintptr_t)pipe);

	if (h)
		return h;
	h = calloc(1, sizeof(*h));
	if (!h || mf_map_put(&m->halves, (uintptr_t)pipe, h) < 0) {
		free(h);
		m->is_short = true;
		return NULL;
	}
	h->pipe = pipe;
	h->next = m->all;
	m->all = h;
	return h;
}

static uint64_t next_number(struct mf_messages *m,
                            const struct mf_stream *stream)
{
	uint64_t key = (uintptr_t)stream;
	uintptr_t n = (uintptr_t)mf_map_get(&m->counts, key) + 1;

	if (mf_map_put(&m->counts, key, (void *)n) < 0)
		m->is_short = true;
	return n;
}

static struct entry *add_entry(struct mf_messages *m, struct half *h,
                               const struct mf_event *ev)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e) {
		m->is_short = true;
		return NULL;
	}
	e->pipe = h->pipe;
	e->m = (struct mf_message){
		.stream = h->pipe->stream,
		.number = next_number(m, h->pipe->stream),
		.sent_ns = ev->wall_ns,
		.offset = h->sent,
		.fate = MF_FATE_ON_ITS_WAY,
		.generation = h->pipe->generation,
		.pid = ev->pid,
		.tid = ev->tid,
	};
	if (m->last)
		m->last->next = e;
	else
		m->first = e;
	m->last = e;
	return e;
}

static void add_bytes(struct mf_messages *m, struct entry *e, struct mf_str s)
{
	char *bytes;

	if (!s.len)
		return;
	bytes = realloc(e->bytes, e->m.bytes.len + s.len);
	if (!bytes) {
		m->is_short = true;
		return;
	}
	memcpy(bytes + e->m.bytes.len, s.ptr, s.len);
	e->bytes = bytes;
	e->m.bytes = (struct mf_str){bytes, e->m.bytes.len + s.len};
}

static void wait_in_pipe(struct half *h, struct entry *e)
{
	if (h->last)
		h->last->next_in_pipe = e;
	else
		h->waiting = e;
	h->last = e;
}

/* What the pipe took of one write. */
static void take(struct mf_messages *m, struct half *h,
                 const struct mf_event *ev, struct mf_str data)
{
	while (data.len) {
		size_t end = mf_str_find(data, '\n');
		bool is_whole = end < data.len;

		if (!h->open) {
			h->open = add_entry(m, h, ev);
			if (!h->open)
				return;
		}
		add_bytes(m, h->open, (struct mf_str){data.ptr, end});
		h->sent += end + is_whole;
		data = mf_str_from(data, end + is_whole);
		if (is_whole) {
			h->open->end = h->sent;
			h->open->is_whole = true;
			wait_in_pipe(h, h->open);
			h->open = NULL;
		}
	}
}

static void refuse(struct mf_messages *m, struct half *h,
                   const struct mf_event *ev, struct mf_str data, int error)
{
	struct entry *e = add_entry(m, h, ev);

	if (!e)
		return;
	while (data.len && data.ptr[0] == '\n')
		data = mf_str_from(data, 1);
	if (data.len && data.ptr[data.len - 1] == '\n')
		data.len--;
	add_bytes(m, e, data);
	e->m.error = error;
	e->m.fate = error == EPIPE    ? MF_FATE_BROKEN
	            : error == EAGAIN ? MF_FATE_FULL
	                              : MF_FATE_ERROR;
}

/*
 * What waits and whose bytes have been read by now. A reader may be quicker to
 * write down its read than the sender its write, so this is asked at both.
 */
static void receive(struct half *h)
{
	struct entry *e;

	while ((e = h->waiting) && e->end <= h->received) {
		e->m.received_ns = h->received_ns > e->m.sent_ns
		                           ? h->received_ns
		                           : e->m.sent_ns;
		if (e->m.fate == MF_FATE_ON_ITS_WAY)
			e->m.fate = MF_FATE_RECEIVED;
		h->waiting = e->next_in_pipe;
		if (!h->waiting)
			h->last = NULL;
	}
}

static void fold_send(struct mf_messages *m, struct half *h,
                      const struct mf_event *ev, struct mf_str data)
{
	int64_t result = mf_event_i64(ev, MF_F_RESULT, (int64_t)data.len);
	uint64_t wanted = mf_event_u64(ev, MF_F_WANTED, data.len);

	if (result < 0) {
		refuse(m, h, ev, data, result > -4096 ? (int)-result : EIO);
		return;
	}
	if (data.len > (uint64_t)result)
		data.len = (size_t)result;
	take(m, h, ev, data);
	receive(h);
	/* bytes that were taken and not kept still have their place */
	h->sent += (uint64_t)result - data.len;
	if ((uint64_t)result < wanted && h->open)
		h->open->m.fate = MF_FATE_CUT;
}

static void fold_recv(struct half *h, const struct mf_event *ev)
{
	int64_t result = mf_event_i64(ev, MF_F_RESULT, 0);

	if (result <= 0)
		return;
	h->received += (uint64_t)result;
	h->received_ns = ev->wall_ns;
	receive(h);
}

int mf_messages_fold(struct mf_messages *m, const struct mf_event *ev,
                     struct mf_journal *journal)
{
	struct mf_str data = mf_event_bytes(ev, MF_F_DATA);
	const struct mf_pipe *pipe;
	struct half *h;

	if (ev->type != MF_EV_PIPE_SEND && ev->type != MF_EV_PIPE_RECV)
		return 0;
	pipe = mf__pipe_of(m->model, ev->host, mf_event_u64(ev, MF_F_INODE, 0));
	if (!pipe || (m->only.len && !mf_str_eq(m->only, pipe->stream->id)))
		return 0;
	m->is_short = false;
	h = half_of(m, pipe);
	if (!h)
		return -ENOMEM;
	if (!data.ptr && journal && ev->type == MF_EV_PIPE_SEND) {
		mf_buf_reset(&m->scratch);
		if (mf_journal_bytes(journal, ev, MF_F_DATA, &m->scratch) > 0)
			data = mf_buf_view(&m->scratch);
	}
	if (!data.ptr) /* the bytes are lost */
		data.len = 0;
	if (ev->type == MF_EV_PIPE_SEND)
		fold_send(m, h, ev, data);
	else
		fold_recv(h, ev);
	return m->is_short ? -ENOMEM : 0;
}

/*
 * Whether nobody will read the pipe any more. That its sender has gone, or has
 * started another sidecar, is no reason: this one reads on to the end.
 */
static bool is_closed(const struct mf_pipe *pipe)
{
	if (pipe->is_ended)
		return true;
	return pipe->sidecar ? mf__proc_has_ended(pipe->sidecar)
	                     : pipe->next != NULL;
}

/*
 * An end that was seen in this round of reading proves nothing yet: the reap
 * of a sidecar may have been found before what the sidecar itself wrote last.
 */
static bool was_closed_before(struct mf_messages *m, const struct entry *e)
{
	struct half *h = mf_map_get(&m->halves, (uintptr_t)e->pipe);

	if (!h || !is_closed(e->pipe))
		return false;
	if (!h->closed_round)
		h->closed_round = m->round;
	return h->closed_round < m->round;
}

static bool is_settled(struct mf_messages *m, const struct entry *e,
                       bool is_over)
{
	if (is_over || e->m.received_ns)
		return true;
	if (e->m.fate != MF_FATE_ON_ITS_WAY && e->m.fate != MF_FATE_CUT)
		return true;
	return was_closed_before(m, e);
}

void mf_messages_next_round(struct mf_messages *m)
{
	m->round++;
}

/* Take an entry out of what its pipe still points to. */
static void forget(struct mf_messages *m, struct entry *e)
{
	struct half *h = mf_map_get(&m->halves, (uintptr_t)e->pipe);

	if (!h)
		return;
	if (h->open == e)
		h->open = NULL;
	if (h->waiting != e)
		return;
	h->waiting = e->next_in_pipe;
	if (!h->waiting)
		h->last = NULL;
}

bool mf_messages_next(struct mf_messages *m, bool wants_settled, bool is_over,
                      struct mf_message *out)
{
	struct entry *e = m->first;

	free_entry(m->handed);
	m->handed = NULL;
	if (!e || (wants_settled && !is_settled(m, e, is_over)))
		return false;
	if (e->m.fate == MF_FATE_ON_ITS_WAY && !e->is_whole &&
	    (is_over || is_closed(e->pipe)))
		e->m.fate = MF_FATE_CUT;
	if (e->m.fate == MF_FATE_ON_ITS_WAY && (is_over || is_closed(e->pipe)))
		e->m.fate = MF_FATE_LEFT;
	m->first = e->next;
	if (!m->first)
		m->last = NULL;
	forget(m, e);
	m->handed = e;
	*out = e->m;
	return true;
}

const char *mf_message_fate_word(enum mf_message_fate fate)
{
	static const char *const words[] = {
		[MF_FATE_RECEIVED] = "received",
		[MF_FATE_ON_ITS_WAY] = "on-its-way",
		[MF_FATE_LEFT] = "left-in-pipe",
		[MF_FATE_CUT] = "cut",
		[MF_FATE_FULL] = "pipe-full",
		[MF_FATE_BROKEN] = "broken-pipe",
		[MF_FATE_ERROR] = "error",
	};

	return words[fate];
}

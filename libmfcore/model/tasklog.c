#include "mfcore/tasklog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

enum {
	SEARCH_MAX = 1 << 18, /* bytes that are searched for an output */
};

/* A run of bytes with one time and one writer. */
struct piece {
	uint64_t time_ns;
	size_t at; /* in the bytes it belongs to */
	size_t len;
	uint32_t pid;
};

struct pieces {
	struct mf_buf bytes;
	struct piece *items;
	size_t len;
	size_t cap;
};

struct line {
	uint64_t time_ns;
	size_t at;
	size_t len;
	uint32_t pid;
	bool is_whole;
};

/* One stream of the process. */
struct side {
	struct pieces captured;
	struct pieces written;
	struct pieces merged;
	struct line *lines;
	size_t n_lines;
	size_t cap_lines;
	uint64_t inode;
	uint64_t excess;
};

struct mf_tasklog {
	const struct mf_model *model;
	const struct mf_proc *proc; /* once the model knows it */
	uint64_t start_ticks;
	uint32_t host;
	uint32_t pid;
	uint32_t nth;
	bool is_closed; /* the pipes were given to another process */
	struct side side[3];
	struct mf_buf scratch;
};

int mf_tasklog_new(struct mf_tasklog **out, const struct mf_proc *proc)
{
	struct mf_tasklog *log = calloc(1, sizeof(*log));

	if (!log)
		return -ENOMEM;
	log->start_ticks = proc->start_ticks;
	log->host = proc->host;
	log->pid = proc->pid;
	log->nth = proc->nth;
	*out = log;
	return 0;
}

void mf_tasklog_set_model(struct mf_tasklog *log, const struct mf_model *model)
{
	log->model = model;
}

static void clear_pieces(struct pieces *p)
{
	mf_buf_clear(&p->bytes);
	free(p->items);
}

void mf_tasklog_free(struct mf_tasklog *log)
{
	int i;

	if (!log)
		return;
	for (i = 1; i <= 2; i++) {
		clear_pieces(&log->side[i].captured);
		clear_pieces(&log->side[i].written);
		clear_pieces(&log->side[i].merged);
		free(log->side[i].lines);
	}
	mf_buf_clear(&log->scratch);
	free(log);
}

static int add_piece(struct pieces *p, struct mf_str s, uint64_t time_ns,
                     uint32_t pid)
{
	struct piece *items;
	size_t cap;

	if (!s.len)
		return 0;
	if (p->len == p->cap) {
		cap = p->cap ? p->cap * 2 : 64;
		items = reallocarray(p->items, cap, sizeof(*items));
		if (!items)
			return -ENOMEM;
		p->items = items;
		p->cap = cap;
	}
	p->items[p->len++] = (struct piece){
		.time_ns = time_ns,
		.at = p->bytes.len,
		.len = s.len,
		.pid = pid,
	};
	mf_buf_str(&p->bytes, s);
	return mf_buf_ok(&p->bytes) ? 0 : -ENOMEM;
}

/* Find the process, and by its newest image the pipes behind its streams. */
static void find_process(struct mf_tasklog *log)
{
	const struct mf_proc *p = log->proc;
	const struct mf_image *image;
	int i;

	if (!p) {
		p = mf_model_proc_of(log->model, log->host, log->pid,
		                     log->start_ticks);
		if (!p || p->nth != log->nth)
			return;
		log->proc = p;
	}
	image = p->image;
	for (i = 1; image && p->n_images && i <= 2; i++)
		if (image->stream_inode[i])
			log->side[i].inode = image->stream_inode[i];
}

static bool is_below(const struct mf_proc *proc, const struct mf_proc *top)
{
	while (proc && proc != top)
		proc = proc->parent;
	return proc != NULL;
}

static struct side *side_of(struct mf_tasklog *log, uint64_t inode)
{
	int i;

	for (i = 1; i <= 2; i++)
		if (inode && log->side[i].inode == inode)
			return &log->side[i];
	return NULL;
}

static struct mf_str bytes_of(struct mf_tasklog *log, const struct mf_event *ev,
                              struct mf_journal *journal)
{
	struct mf_str s = mf_event_bytes(ev, MF_F_DATA);

	if (s.ptr || !journal || !mf_event_has(ev, MF_F_DATA))
		return s;
	mf_buf_reset(&log->scratch);
	if (mf_journal_bytes(journal, ev, MF_F_DATA, &log->scratch) <= 0)
		return (struct mf_str){0};
	return mf_buf_view(&log->scratch);
}

static int fold_output(struct mf_tasklog *log, const struct mf_event *ev,
                       const struct mf_proc *writer, struct mf_journal *journal)
{
	uint64_t stream = mf_event_u64(ev, MF_F_STREAM, 1);
	struct side *side = side_of(log, mf_event_u64(ev, MF_F_INODE, 0));

	/* both streams may be one pipe; the writer says which it meant */
	if ((!side && writer == log->proc) ||
	    (side && log->side[1].inode == log->side[2].inode))
		side = stream == 2 ? &log->side[2] : &log->side[1];
	if (!side)
		return 0;
	return add_piece(&side->written, bytes_of(log, ev, journal),
	                 ev->wall_ns, ev->pid);
}

static int fold_capture(struct mf_tasklog *log, const struct mf_event *ev,
                        const struct mf_proc *reader,
                        struct mf_journal *journal)
{
	struct side *side = side_of(log, mf_event_u64(ev, MF_F_INODE, 0));

	if (!side || log->is_closed || is_below(reader, log->proc))
		return 0;
	return add_piece(&side->captured, bytes_of(log, ev, journal),
	                 ev->wall_ns, 0);
}

/* A pipe's number comes again once the pipe is gone. */
static void fold_start(struct mf_tasklog *log, const struct mf_event *ev,
                       const struct mf_proc *writer)
{
	if (is_below(writer, log->proc) || !log->proc->has_status)
		return;
	if (side_of(log, mf_event_u64(ev, MF_F_STDOUT, 0)) ||
	    side_of(log, mf_event_u64(ev, MF_F_STDERR, 0)))
		log->is_closed = true;
}

int mf_tasklog_fold(struct mf_tasklog *log, const struct mf_event *ev,
                    struct mf_journal *journal)
{
	const struct mf_proc *writer;
	uint64_t stream;

	if (ev->type != MF_EV_OUTPUT && ev->type != MF_EV_CAPTURE &&
	    ev->type != MF_EV_PROC_START && ev->type != MF_EV_COUNTER)
		return 0;
	if (ev->host != log->host)
		return 0;
	find_process(log);
	if (!log->proc)
		return 0;
	writer = mf_model_proc_of(log->model, ev->host, ev->pid, ev->start);
	if (ev->type == MF_EV_CAPTURE)
		return fold_capture(log, ev, writer, journal);
	if (ev->type == MF_EV_PROC_START) {
		fold_start(log, ev, writer);
		return 0;
	}
	if (!is_below(writer, log->proc))
		return 0;
	if (ev->type == MF_EV_OUTPUT)
		return fold_output(log, ev, writer, journal);
	stream = mf_event_u64(ev, MF_F_STREAM, 0);
	if (writer == log->proc && stream >= 1 && stream <= 2 &&
	    mf_str_is(mf_event_bytes(ev, MF_F_ROLE), "output-excess"))
		log->side[stream].excess += ev->counter;
	return 0;
}

/* ---- putting together ---- */

static struct mf_str piece_bytes(const struct pieces *p,
                                 const struct piece *piece)
{
	return (struct mf_str){p->bytes.ptr + piece->at, piece->len};
}

/* Where `what` stands in the captured bytes at or behind `from`, or SIZE_MAX. */
static size_t find_captured(const struct pieces *captured, size_t from,
                            struct mf_str what)
{
	struct mf_str rest = mf_buf_view(&captured->bytes);
	size_t at;

	if (from > rest.len)
		return SIZE_MAX;
	rest = mf_str_from(rest, from);
	if (rest.len >= what.len && memcmp(rest.ptr, what.ptr, what.len) == 0)
		return from;
	if (rest.len > SEARCH_MAX)
		rest.len = SEARCH_MAX;
	at = mf_str_search(rest, what);
	return at < rest.len ? from + at : SIZE_MAX;
}

/* Captured bytes that no output explains, with the times they were read. */
static int merge_unexplained(struct side *side, size_t from, size_t to,
                             size_t *chunk)
{
	const struct pieces *c = &side->captured;
	int rc = 0;

	while (rc == 0 && from < to && *chunk < c->len) {
		const struct piece *p = &c->items[*chunk];
		size_t end = p->at + p->len;
		size_t stop = end < to ? end : to;

		if (from < stop)
			rc = add_piece(&side->merged,
			               (struct mf_str){c->bytes.ptr + from,
			                               stop - from},
			               p->time_ns, 0);
		from = stop > from ? stop : from;
		if (end <= to)
			++*chunk;
		else
			break;
	}
	return rc;
}

static int merge(struct side *side)
{
	const struct pieces *w = &side->written;
	size_t pos = 0, chunk = 0, i, late = 0;
	struct piece *missing;
	int rc = 0;

	missing = calloc(w->len + 1, sizeof(*missing));
	if (!missing)
		return -ENOMEM;
	side->merged.len = 0;
	mf_buf_reset(&side->merged.bytes);
	for (i = 0; rc == 0 && i < w->len; i++) {
		struct mf_str bytes = piece_bytes(w, &w->items[i]);
		size_t at = find_captured(&side->captured, pos, bytes);

		if (at == SIZE_MAX) {
			missing[late++] = w->items[i];
			continue;
		}
		rc = merge_unexplained(side, pos, at, &chunk);
		if (rc == 0)
			rc = add_piece(&side->merged, bytes,
			               w->items[i].time_ns, w->items[i].pid);
		pos = at + bytes.len;
	}
	if (rc == 0)
		rc = merge_unexplained(side, pos, side->captured.bytes.len,
		                       &chunk);
	for (i = 0; rc == 0 && i < late; i++)
		rc = add_piece(&side->merged, piece_bytes(w, &missing[i]),
		               missing[i].time_ns, missing[i].pid);
	free(missing);
	return rc;
}

static struct line *new_line(struct side *side)
{
	struct line *lines;
	size_t cap;

	if (side->n_lines == side->cap_lines) {
		cap = side->cap_lines ? side->cap_lines * 2 : 64;
		lines = reallocarray(side->lines, cap, sizeof(*lines));
		if (!lines)
			return NULL;
		side->lines = lines;
		side->cap_lines = cap;
	}
	return &side->lines[side->n_lines++];
}

static int cut_lines(struct side *side)
{
	const struct pieces *m = &side->merged;
	struct mf_str all = mf_buf_view(&m->bytes);
	size_t at = 0, piece = 0, end;
	struct line *line;

	side->n_lines = 0;
	while (at < all.len) {
		end = at + mf_str_find(mf_str_from(all, at), '\n');
		while (piece < m->len &&
		       m->items[piece].at + m->items[piece].len <= at)
			piece++;
		line = new_line(side);
		if (!line)
			return -ENOMEM;
		*line = (struct line){
			.time_ns = m->items[piece].time_ns,
			.pid = m->items[piece].pid,
			.at = at,
			.len = end - at,
			.is_whole = end < all.len,
		};
		at = end + 1;
	}
	return 0;
}

int mf_tasklog_assemble(struct mf_tasklog *log)
{
	int i, rc = 0;

	for (i = 1; rc == 0 && i <= 2; i++) {
		rc = merge(&log->side[i]);
		if (rc == 0)
			rc = cut_lines(&log->side[i]);
	}
	return rc;
}

bool mf_tasklog_line(const struct mf_tasklog *log, int stream, size_t i,
                     struct mf_log_line *out)
{
	const struct side *side = &log->side[stream];
	const struct line *line;

	if (i >= side->n_lines)
		return false;
	line = &side->lines[i];
	*out = (struct mf_log_line){
		.time_ns = line->time_ns,
		.text = {side->merged.bytes.ptr + line->at, line->len},
		.pid = line->pid,
		.stream = stream,
		.is_whole = line->is_whole,
	};
	return true;
}

struct mf_str mf_tasklog_bytes(const struct mf_tasklog *log, int stream)
{
	return mf_buf_view(&log->side[stream].merged.bytes);
}

uint64_t mf_tasklog_excess(const struct mf_tasklog *log, int stream)
{
	return log->side[stream].excess;
}

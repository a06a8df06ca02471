/*
 * Output, in tails and counts: the last few KiB a process wrote to each of
 * its two streams, and what its parent read from the pipe behind them. The
 * whole log is put together by mfcore/tasklog.h, which reads the journal
 * again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

/* Room for `len` more bytes, at most MF__TAIL_MAX: double, else forget. */
static bool make_room(struct mf_tail *tail, size_t len)
{
	uint32_t cap = tail->cap ? tail->cap : 256;
	char *bytes;

	while (cap < tail->len + len && cap < MF__TAIL_MAX)
		cap *= 2;
	if (cap > tail->cap) {
		bytes = realloc(tail->bytes, cap);
		if (!bytes)
			return false;
		tail->bytes = bytes;
		tail->cap = cap;
	}
	if (tail->len + len > tail->cap) {
		uint32_t drop = (uint32_t)(tail->len + len - tail->cap);

		if (drop < tail->cap / 4) /* not for each small write */
			drop = tail->cap / 4;
		if (drop > tail->len)
			drop = tail->len;
		memmove(tail->bytes, tail->bytes + drop, tail->len - drop);
		tail->len -= drop;
	}
	return true;
}

static void tail_add(struct mf_tail *tail, struct mf_str s)
{
	tail->total += s.len;
	if (!s.len)
		return;
	if (s.len > MF__TAIL_MAX)
		s = mf_str_from(s, s.len - MF__TAIL_MAX);
	if (!make_room(tail, s.len))
		return;
	memcpy(tail->bytes + tail->len, s.ptr, s.len);
	tail->len += (uint32_t)s.len;
}

/* Lines of an S3 operation's answer are its results. */
static uint64_t count_ends(struct mf_str s)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < s.len; i++)
		n += s.ptr[i] == '\n';
	return n;
}

/*
 * The stream that was meant: with 2>&1 or >&2 a descriptor stands for what is
 * behind the other one, which the pipe's number tells.
 */
static uint64_t stream_meant(const struct mf_proc *proc, uint64_t stream,
                             uint64_t inode)
{
	const uint64_t *known;

	if (!inode || !proc->image || !proc->n_images)
		return stream;
	known = proc->image->stream_inode;
	if (stream == 1 && inode == known[2] && inode != known[1])
		return 2;
	if (stream == 2 && inode == known[1] && inode != known[2])
		return 1;
	return stream;
}

void mf__fold_output(struct mf_model *model, struct mf_proc *proc,
                     const struct mf__fields *f)
{
	uint64_t stream = mf__num(f, MF_F_STREAM, 1);
	struct mf_str data = mf__bytes(model, f, MF_F_DATA);
	int64_t result = (int64_t)mf__num(f, MF_F_RESULT, 0);

	if (stream < 1 || stream > 2)
		return;
	stream = stream_meant(proc, stream, mf__num(f, MF_F_INODE, 0));
	if (result < 0) {
		proc->is_output_broken |= result == -EPIPE;
		return;
	}
	tail_add(&proc->tail[stream], data);
	proc->tail[stream].last_ns = model->ev->wall_ns;
	if (stream == 1 && proc->image && proc->image->command &&
	    proc->image->command->kind == MF_CMD_S3OP)
		proc->s3_results += count_ends(data);
}

void mf__fold_capture(struct mf_model *model, struct mf_proc *reader,
                      const struct mf__fields *f)
{
	uint64_t inode = mf__num(f, MF_F_INODE, 0);
	uint64_t key = mf_map_mix(model->ev->host, inode);
	struct mf__channel *c = mf_map_get(&model->channels, key);

	(void)reader;
	if (!c) {
		c = mf__alloc(model, sizeof(*c));
		if (!c)
			return;
		c->inode = inode;
		c->host = model->ev->host;
		mf__put(model, &model->channels, key, c);
	}
	tail_add(&c->tail, mf__bytes(model, f, MF_F_DATA));
}

void mf__fold_counter(struct mf_model *model, struct mf_proc *proc,
                      const struct mf__fields *f)
{
	uint64_t stream = mf__num(f, MF_F_STREAM, 0);

	if (mf_str_is(mf__bytes(model, f, MF_F_ROLE), "output-excess") &&
	    proc && stream >= 1 && stream <= 2)
		proc->excess[stream] += model->ev->counter;
}

/* Whether a pipe is a process's own, and not its parent's passed on. */
static bool is_own(const struct mf_proc *proc, int stream, uint64_t inode)
{
	const struct mf_proc *up = proc->parent;

	return !up || !up->image || up->image->stream_inode[stream] != inode;
}

struct mf_str mf_model_tail(const struct mf_model *model,
                            const struct mf_proc *proc, int stream)
{
	const struct mf_tail *tail = &proc->tail[stream];
	const struct mf__channel *c;
	uint64_t inode;

	if (!tail->len && proc->image && proc->n_images) {
		inode = proc->image->stream_inode[stream];
		c = mf_map_get(&model->channels, mf_map_mix(proc->host, inode));
		if (c && c->inode == inode && c->host == proc->host &&
		    is_own(proc, stream, inode))
			tail = &c->tail;
	}
	return (struct mf_str){tail->bytes, tail->len};
}

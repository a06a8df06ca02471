/*
 * Sidecar pipes, counted: a stream is one sidecar of one process, a pipe one
 * of its generations. Messages are lines; reads and writes cut them anywhere,
 * so both sides are counted at line ends. What became of each single message
 * is told by mfcore/messages.h, which reads the journal again.
 */
#include <errno.h>
#include <stdio.h>

#include "inside.h"

static uint64_t pipe_key(uint32_t host, uint64_t inode)
{
	return mf_map_mix(host, inode);
}

struct mf_pipe *mf__pipe_of(const struct mf_model *model, uint32_t host,
                            uint64_t inode)
{
	struct mf_pipe *pipe = mf_map_get(&model->pipes, pipe_key(host, inode));

	return pipe && pipe->inode == inode && pipe->host == host ? pipe : NULL;
}

static struct mf_stream *add_stream(struct mf_model *model,
                                    struct mf_proc *owner, struct mf_str type)
{
	struct mf_stream *stream = mf__alloc(model, sizeof(*stream));
	char id[24];
	int len;

	if (!stream)
		return NULL;
	len = snprintf(id, sizeof(id), "s%u", ++model->n_streams);
	stream->id =
		mf_arena_str(&model->arena, (struct mf_str){id, (size_t)len});
	stream->owner = owner;
	stream->type = type;
	if (model->last_stream)
		model->last_stream->next = stream;
	else
		model->first_stream = stream;
	model->last_stream = stream;
	stream->older_of_owner = owner->streams;
	owner->streams = stream;
	return stream;
}

static struct mf_stream *stream_of(struct mf_model *model,
                                   struct mf_proc *owner, struct mf_str type)
{
	struct mf_stream *stream;

	for (stream = owner->streams; stream; stream = stream->older_of_owner)
		if (mf_str_eq(stream->type, type))
			return stream;
	return add_stream(model, owner, type);
}

static struct mf_pipe *add_pipe(struct mf_model *model,
                                struct mf_stream *stream, uint64_t inode)
{
	struct mf_pipe *pipe = mf__alloc(model, sizeof(*pipe));

	if (!pipe)
		return NULL;
	pipe->stream = stream;
	pipe->inode = inode;
	pipe->host = stream->owner->host;
	pipe->start_ns = model->ev->wall_ns;
	pipe->generation = stream->last ? stream->last->generation + 1 : 1;
	if (stream->last)
		stream->last->next = pipe;
	else
		stream->pipes = pipe;
	stream->last = pipe;
	mf__put(model, &model->pipes, pipe_key(pipe->host, inode), pipe);
	return pipe;
}

void mf__fold_sidecar(struct mf_model *model, struct mf_proc *owner,
                      const struct mf__fields *f)
{
	uint64_t pid = mf__num(f, MF_F_PID, 0);
	struct mf_stream *stream;
	struct mf_pipe *pipe;

	if (!owner)
		return;
	stream = stream_of(model, owner, mf__keep_field(model, f, MF_F_NAME));
	if (!stream)
		return;
	pipe = add_pipe(model, stream, mf__num(f, MF_F_INODE, 0));
	if (!pipe || !pid || pid > UINT32_MAX)
		return;
	pipe->sidecar = mf__proc_newest(model, owner->host, pid);
	if (pipe->sidecar && pipe->sidecar->has_status)
		pipe->sidecar = NULL; /* the pid's former holder */
	if (!pipe->sidecar) {
		pipe->sidecar =
			mf__proc_add(model, owner->host, (uint32_t)pid, 0);
		if (!pipe->sidecar)
			return;
		pipe->sidecar->ppid = owner->pid;
	}
	mf__proc_set_parent(pipe->sidecar, owner);
	pipe->sidecar->pipe = pipe;
}

/* Bytes on a pipe nobody announced: a stream of its own, of unknown type. */
static struct mf_pipe *pipe_meant(struct mf_model *model,
                                  struct mf_proc *writer,
                                  const struct mf__fields *f, bool may_add)
{
	uint64_t inode = mf__num(f, MF_F_INODE, 0);
	struct mf_pipe *pipe = mf__pipe_of(model, writer->host, inode);
	struct mf_stream *stream;

	if (pipe || !may_add)
		return pipe;
	stream = stream_of(model, writer, (struct mf_str){0});
	return stream ? add_pipe(model, stream, inode) : NULL;
}

/*
 * Lines that end in `data`, the empty ones too: such a line ends the worker,
 * so it is a message all right.
 */
static uint64_t count_lines(struct mf_str data)
{
	uint64_t lines = 0;
	size_t at = 0, end;

	while (at < data.len) {
		end = mf_str_find(mf_str_from(data, at), '\n');
		if (at + end == data.len)
			break;
		lines++;
		at += end + 1;
	}
	return lines;
}

static void touch(struct mf_stream *stream, uint64_t time_ns)
{
	if (!stream->first_ns)
		stream->first_ns = time_ns;
	stream->last_ns = time_ns;
}

void mf__fold_send(struct mf_model *model, struct mf_proc *writer,
                   const struct mf__fields *f)
{
	struct mf_pipe *pipe = pipe_meant(model, writer, f, true);
	struct mf_str data = mf__bytes(model, f, MF_F_DATA);
	int64_t result = (int64_t)mf__num(f, MF_F_RESULT, data.len);
	uint64_t wanted = mf__num(f, MF_F_WANTED, data.len);

	if (!pipe)
		return;
	touch(pipe->stream, model->ev->wall_ns);
	if (result < 0) {
		pipe->refused++;
		pipe->last_errno = result > -4096 ? (int)-result : 0;
		return;
	}
	pipe->cut += (uint64_t)result < wanted;
	pipe->sent_bytes += (uint64_t)result;
	pipe->sent += count_lines(data);
}

void mf__fold_recv(struct mf_model *model, struct mf_proc *writer,
                   const struct mf__fields *f)
{
	struct mf_pipe *pipe = pipe_meant(model, writer, f, false);
	struct mf_str data = mf__bytes(model, f, MF_F_DATA);
	int64_t result = (int64_t)mf__num(f, MF_F_RESULT, data.len);

	if (!pipe)
		return;
	if (!pipe->sidecar && !writer->pipe) {
		pipe->sidecar = writer;
		writer->pipe = pipe;
	}
	if (result <= 0)
		return;
	touch(pipe->stream, model->ev->wall_ns);
	pipe->received_bytes += (uint64_t)result;
	pipe->received += count_lines(data);
}

void mf__fold_pipe_end(struct mf_model *model, struct mf_proc *writer,
                       const struct mf__fields *f)
{
	struct mf_pipe *pipe =
		mf__pipe_of(model, writer ? writer->host : model->ev->host,
	                    mf__num(f, MF_F_INODE, 0));

	if (!pipe || writer == pipe->stream->owner)
		return; /* the reader may still take what is in it */
	pipe->is_ended = true;
	pipe->left_bytes = mf__num(f, MF_F_COUNT, 0);
}

void mf_stream_count(const struct mf_stream *stream,
                     struct mf_stream_counts *out)
{
	const struct mf_pipe *pipe;

	*out = (struct mf_stream_counts){0};
	for (pipe = stream->pipes; pipe; pipe = pipe->next) {
		out->generations++;
		out->sent += pipe->sent;
		out->received += pipe->received;
		if (pipe->sent > pipe->received)
			out->lost += pipe->sent - pipe->received;
		out->sent_bytes += pipe->sent_bytes;
		out->received_bytes += pipe->received_bytes;
		out->refused += pipe->refused;
		out->cut += pipe->cut;
	}
}

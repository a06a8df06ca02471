/*
 * One event into the state: decode its fields once, hand them to the file
 * that knows the type.
 */
#include "mfcore/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

struct interned {
	struct interned *next;
	struct mf_str s;
};

void *mf__alloc(struct mf_model *model, size_t size)
{
	void *p = mf_arena_alloc(&model->arena, size);

	if (!p)
		model->is_short = true;
	return p;
}

void mf__put(struct mf_model *model, struct mf_map *map, uint64_t key,
             void *value)
{
	if (mf_map_put(map, key, value) < 0)
		model->is_short = true;
}

struct mf_str mf__keep(struct mf_model *model, struct mf_str s)
{
	struct interned *first, *in;
	uint64_t key;

	if (!s.len)
		return (struct mf_str){0};
	key = mf_map_hash(s);
	first = mf_map_get(&model->strings, key);
	for (in = first; in; in = in->next)
		if (mf_str_eq(in->s, s))
			return in->s;
	in = mf__alloc(model, sizeof(*in));
	if (!in)
		return (struct mf_str){0};
	in->s = mf_arena_str(&model->arena, s);
	if (!in->s.ptr) {
		model->is_short = true;
		return (struct mf_str){0};
	}
	in->next = first;
	mf__put(model, &model->strings, key, in);
	return in->s;
}

struct mf_str mf__bytes(struct mf_model *model, const struct mf__fields *f,
                        enum mf_field id)
{
	if (!mf__has(f, id))
		return (struct mf_str){0};
	if (f->v[id].kind != MF_KIND_BLOB)
		return f->v[id].bytes;
	if (!model->journal)
		return (struct mf_str){0};
	mf_buf_reset(&model->scratch);
	if (mf_journal_bytes(model->journal, model->ev, id, &model->scratch) <=
	            0 ||
	    !mf_buf_ok(&model->scratch))
		return (struct mf_str){0};
	return mf_buf_view(&model->scratch);
}

struct mf_str mf__keep_field(struct mf_model *model, const struct mf__fields *f,
                             enum mf_field id)
{
	return mf__keep(model, mf__bytes(model, f, id));
}

static void decode(const struct mf_event *ev, struct mf__fields *f)
{
	struct mf_field_value value;
	size_t pos = 0;

	memset(f->has, 0, sizeof(f->has));
	while (mf_event_field(ev, &pos, &value) > 0) {
		if (value.id >= MF_F_MAX)
			continue;
		f->has[value.id / 64] |= UINT64_C(1) << (value.id % 64);
		f->v[value.id] = value;
	}
}

static void fold_session(struct mf_model *model, struct mf_proc *writer,
                         const struct mf__fields *f)
{
	struct mf_session_facts *s = &model->session;

	(void)writer;
	if (s->recorder_pid) /* another host's recorder joined the session */
		return;
	if (!s->id.len)
		s->id = mf__keep_field(model, f, MF_F_NAME);
	s->argv = mf__keep_field(model, f, MF_F_ARGV);
	s->cwd = mf__keep_field(model, f, MF_F_CWD);
	s->host = mf__keep_field(model, f, MF_F_HOST);
	s->version = mf__keep_field(model, f, MF_F_VERSION);
	s->env = mf__keep_field(model, f, MF_F_ENV);
	s->start_ns = model->ev->wall_ns;
	s->recorder_pid = model->ev->pid;
	s->recorder_start = model->ev->start;
	s->main_pid = (uint32_t)mf__num(f, MF_F_PID, 0);
}

static void fold_session_end(struct mf_model *model, struct mf_proc *writer,
                             const struct mf__fields *f)
{
	struct mf_session_facts *s = &model->session;

	(void)writer;
	s->end_ns = model->ev->wall_ns;
	if (mf__has(f, MF_F_STATUS)) {
		s->has_status = true;
		s->status = (uint32_t)mf__num(f, MF_F_STATUS, 0);
	}
	if (mf__num(f, MF_F_PID, 0))
		s->main_pid = (uint32_t)mf__num(f, MF_F_PID, 0);
}

static void fold_note(struct mf_model *model, struct mf_proc *writer,
                      const struct mf__fields *f)
{
	(void)writer;
	(void)f;
	model->session.notes++;
}

/* Which file folds what; a type without a row is only counted. */
static mf__fold_fn *const folds[MF_EV_MAX] = {
	[MF_EV_SESSION] = fold_session,
	[MF_EV_SESSION_END] = fold_session_end,
	[MF_EV_PROC_START] = mf__fold_start,
	[MF_EV_PROC_EXEC] = mf__fold_exec,
	[MF_EV_PROC_FORK] = mf__fold_fork,
	[MF_EV_PROC_EXIT] = mf__fold_exit,
	[MF_EV_PROC_WAIT] = mf__fold_wait,
	[MF_EV_PROC_REAP] = mf__fold_wait,
	[MF_EV_PROC_LEFT] = mf__fold_left,
	[MF_EV_SIGNAL] = mf__fold_signal,
	[MF_EV_THREAD_START] = mf__fold_thread_start,
	[MF_EV_THREAD_END] = mf__fold_thread_end,
	[MF_EV_THREAD_NAME] = mf__fold_thread_name,
	[MF_EV_SIDECAR] = mf__fold_sidecar,
	[MF_EV_PIPE_SEND] = mf__fold_send,
	[MF_EV_PIPE_RECV] = mf__fold_recv,
	[MF_EV_PIPE_END] = mf__fold_pipe_end,
	[MF_EV_OUTPUT] = mf__fold_output,
	[MF_EV_CAPTURE] = mf__fold_capture,
	[MF_EV_COUNTER] = mf__fold_counter,
	[MF_EV_FILE] = mf__fold_file,
	[MF_EV_MARK] = mf__fold_mark,
	[MF_EV_ASYNC_START] = mf__fold_async_start,
	[MF_EV_ASYNC_END] = mf__fold_async_end,
	[MF_EV_MP_CHILD] = mf__fold_mp_child,
	[MF_EV_NOTE] = fold_note,
	[MF_EV_KERNEL] = mf__fold_kernel,
	[MF_EV_PYTHON] = mf__fold_python,
};

/* What the recorder writes about others; of itself it has nothing to tell. */
static bool is_about_others(uint16_t type)
{
	switch (type) {
	case MF_EV_SESSION:
	case MF_EV_SESSION_END:
	case MF_EV_PROC_EXEC:
	case MF_EV_PROC_WAIT:
	case MF_EV_PROC_REAP:
	case MF_EV_PROC_LEFT:
	case MF_EV_SIGNAL:
	case MF_EV_PIPE_END:
	case MF_EV_CAPTURE:
	case MF_EV_NOTE:
	case MF_EV_KERNEL:
		return true;
	default:
		return false;
	}
}

static bool is_recorder(const struct mf_model *model, const struct mf_event *ev)
{
	if (ev->type == MF_EV_SESSION || ev->type == MF_EV_SESSION_END ||
	    ev->type == MF_EV_PROC_REAP || ev->type == MF_EV_PROC_LEFT ||
	    ev->type == MF_EV_KERNEL)
		return true;
	return model->session.recorder_pid &&
	       ev->pid == model->session.recorder_pid &&
	       ev->start == model->session.recorder_start;
}

int mf_model_fold(struct mf_model *model, const struct mf_event *ev,
                  struct mf_journal *journal)
{
	struct mf_proc *writer = NULL;
	struct mf__fields f;

	model->session.events++;
	if (ev->wall_ns > model->session.last_ns)
		model->session.last_ns = ev->wall_ns;
	if (ev->type >= MF_EV_MAX || !folds[ev->type])
		return 0;
	model->ev = ev;
	model->journal = journal;
	model->is_short = false;
	decode(ev, &f);
	if (is_recorder(model, ev)) {
		if (!is_about_others(ev->type))
			return 0;
	} else {
		writer = mf__proc_writing(model, ev);
		if (!writer)
			return -ENOMEM;
		if (ev->wall_ns > writer->last_ns)
			writer->last_ns = ev->wall_ns;
	}
	folds[ev->type](model, writer, &f);
	model->ev = NULL;
	model->journal = NULL;
	return model->is_short ? -ENOMEM : 0;
}

int mf_model_new(struct mf_model **out)
{
	struct mf_model *model = calloc(1, sizeof(*model));

	if (!model)
		return -ENOMEM;
	*out = model;
	return 0;
}

int mf_model_set_id(struct mf_model *model, struct mf_str id)
{
	model->session.id = mf__keep(model, id);
	return model->session.id.ptr ? 0 : -ENOMEM;
}

void mf_model_keep_all(struct mf_model *model)
{
	model->keeps_all = true;
}

void mf_model_free(struct mf_model *model)
{
	struct mf_proc *p;
	size_t i;

	if (!model)
		return;
	for (p = model->first_proc; p; p = p->next)
		for (i = 0; i < 3; i++)
			free(p->tail[i].bytes);
	for (i = 0; i < model->channels.cap; i++) {
		struct mf__channel *c = model->channels.slots[i].value;

		if (c)
			free(c->tail.bytes);
	}
	mf_map_clear(&model->procs);
	mf_map_clear(&model->threads);
	mf_map_clear(&model->asyncs);
	mf_map_clear(&model->pipes);
	mf_map_clear(&model->channels);
	mf_map_clear(&model->runs);
	mf_map_clear(&model->steps);
	mf_map_clear(&model->tasks);
	mf_map_clear(&model->strings);
	mf_buf_clear(&model->scratch);
	mf_arena_clear(&model->arena);
	mf_arena_clear(&model->tree_arena);
	free(model->nodes);
	free(model);
}

const struct mf_session_facts *mf_model_session(const struct mf_model *model)
{
	return &model->session;
}

const struct mf_proc *mf_model_procs(const struct mf_model *model)
{
	return model->first_proc;
}

const struct mf_run *mf_model_runs(const struct mf_model *model)
{
	return model->first_run;
}

const struct mf_stream *mf_model_streams(const struct mf_model *model)
{
	return model->first_stream;
}

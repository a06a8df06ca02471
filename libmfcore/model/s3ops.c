#include "mfcore/s3ops.h"

#include <errno.h>
#include <stdlib.h>

#include "inside.h"

struct mf_s3ops {
	const struct mf_model *model;
	struct mf_arena arena;
	struct mf_map by_proc;
	struct mf_s3op *first;
	struct mf_s3op *last;
	struct mf_buf scratch;
};

int mf_s3ops_new(struct mf_s3ops **out, const struct mf_model *model)
{
	struct mf_s3ops *ops = calloc(1, sizeof(*ops));

	if (!ops)
		return -ENOMEM;
	ops->model = model;
	*out = ops;
	return 0;
}

void mf_s3ops_free(struct mf_s3ops *ops)
{
	struct mf_s3op *op;

	if (!ops)
		return;
	for (op = ops->first; op; op = op->next) {
		mf_buf_clear(&op->results);
		mf_buf_clear(&op->feedback);
	}
	mf_map_clear(&ops->by_proc);
	mf_arena_clear(&ops->arena);
	mf_buf_clear(&ops->scratch);
	free(ops);
}

const struct mf_s3op *mf_s3ops_first(const struct mf_s3ops *ops)
{
	return ops->first;
}

/* The s3op process itself; its forked workers are not operations. */
static bool is_s3op(const struct mf_proc *proc)
{
	return proc && proc->n_images && proc->image && proc->image->command &&
	       proc->image->command->kind == MF_CMD_S3OP;
}

static struct mf_s3op *op_of(struct mf_s3ops *ops, const struct mf_proc *proc)
{
	struct mf_s3op *op = mf_map_get(&ops->by_proc, proc->serial);

	if (op)
		return op;
	op = mf_arena_alloc(&ops->arena, sizeof(*op));
	if (!op || mf_map_put(&ops->by_proc, proc->serial, op) < 0)
		return NULL;
	op->proc = proc;
	if (ops->last)
		ops->last->next = op;
	else
		ops->first = op;
	ops->last = op;
	return op;
}

/* The bytes of a field wherever they lie, valid until the next call. */
static struct mf_str bytes_of(struct mf_s3ops *ops, const struct mf_event *ev,
                              enum mf_field id, struct mf_journal *journal)
{
	struct mf_str s = mf_event_bytes(ev, id);

	if (s.ptr || !journal || !mf_event_has(ev, id))
		return s;
	mf_buf_reset(&ops->scratch);
	if (mf_journal_bytes(journal, ev, id, &ops->scratch) <= 0)
		return (struct mf_str){0};
	return mf_buf_view(&ops->scratch);
}

static int add_file(struct mf_s3ops *ops, struct mf_s3op *op,
                    const struct mf_event *ev, struct mf_journal *journal)
{
	struct mf_s3_file *file = mf_arena_alloc(&ops->arena, sizeof(*file));
	struct mf_s3_file **link = &op->files;
	struct mf_str data;

	if (!file)
		return -ENOMEM;
	data = bytes_of(ops, ev, MF_F_DATA, journal);
	file->data = mf_arena_str(&ops->arena, data);
	file->role = mf_arena_str(&ops->arena, mf_event_bytes(ev, MF_F_ROLE));
	file->path = mf_arena_str(&ops->arena, mf_event_bytes(ev, MF_F_PATH));
	file->size = mf_event_u64(ev, MF_F_SIZE, data.len);
	file->time_ns = ev->wall_ns;
	while (*link)
		link = &(*link)->next;
	*link = file;
	return data.len && !file->data.ptr ? -ENOMEM : 0;
}

int mf_s3ops_fold(struct mf_s3ops *ops, const struct mf_event *ev,
                  struct mf_journal *journal)
{
	const struct mf_proc *proc;
	struct mf_s3op *op;
	struct mf_buf *to;

	if (ev->type != MF_EV_PROC_START && ev->type != MF_EV_FILE &&
	    ev->type != MF_EV_OUTPUT)
		return 0;
	proc = mf_model_proc_of(ops->model, ev->host, ev->pid, ev->start);
	if (!is_s3op(proc))
		return 0;
	op = op_of(ops, proc);
	if (!op)
		return -ENOMEM;
	if (ev->type == MF_EV_FILE)
		return add_file(ops, op, ev, journal);
	if (ev->type == MF_EV_PROC_START)
		return 0;
	to = mf_event_u64(ev, MF_F_STREAM, 1) == 2 ? &op->feedback
	                                           : &op->results;
	mf_buf_str(to, bytes_of(ops, ev, MF_F_DATA, journal));
	return mf_buf_ok(to) ? 0 : -ENOMEM;
}

/*
 * Threads and asyncio tasks of a process: all are counted, a bounded number
 * is kept. Of ended asyncio tasks the failed ones stay, being what one asks
 * for; what an ended one took is used again.
 */
#include "inside.h"

static uint64_t thread_key(const struct mf_proc *proc, uint64_t tid)
{
	return (uint64_t)proc->serial << 32 | (uint32_t)tid;
}

/* Append to the process's list: the tail is kept beside the head. */
static void link_thread(struct mf_proc *proc, struct mf_thread *thread)
{
	if (proc->last_thread)
		proc->last_thread->next = thread;
	else
		proc->threads = thread;
	proc->last_thread = thread;
}

static struct mf_thread *open_thread(struct mf_model *model,
                                     struct mf_proc *proc, uint64_t tid)
{
	struct mf_thread *thread;

	if (!model->keeps_all && proc->n_threads > MF__THREADS_MAX)
		return NULL;
	thread = mf__alloc(model, sizeof(*thread));
	if (!thread)
		return NULL;
	thread->tid = (uint32_t)tid;
	thread->start_ns = model->ev->wall_ns;
	link_thread(proc, thread);
	mf__put(model, &model->threads, thread_key(proc, tid), thread);
	return thread;
}

void mf__fold_thread_start(struct mf_model *model, struct mf_proc *proc,
                           const struct mf__fields *f)
{
	uint64_t tid = mf__num(f, MF_F_TID, model->ev->tid);
	struct mf_thread *thread;

	proc->n_threads++;
	proc->n_threads_open++;
	thread = open_thread(model, proc, tid);
	if (thread && mf__has(f, MF_F_FUNCTION))
		thread->function = mf__keep_field(model, f, MF_F_FUNCTION);
	if (thread && mf__has(f, MF_F_NAME))
		thread->name = mf__keep_field(model, f, MF_F_NAME);
}

void mf__fold_thread_end(struct mf_model *model, struct mf_proc *proc,
                         const struct mf__fields *f)
{
	uint64_t tid = mf__num(f, MF_F_TID, model->ev->tid);
	struct mf_thread *thread =
		mf_map_remove(&model->threads, thread_key(proc, tid));

	if (proc->n_threads_open)
		proc->n_threads_open--;
	if (thread)
		thread->end_ns = model->ev->wall_ns;
}

void mf__fold_thread_name(struct mf_model *model, struct mf_proc *proc,
                          const struct mf__fields *f)
{
	uint64_t tid = mf__num(f, MF_F_TID, model->ev->tid);
	struct mf_thread *thread;

	if (tid == proc->pid)
		return; /* the main thread is the process */
	thread = mf_map_get(&model->threads, thread_key(proc, tid));
	if (!thread) {
		proc->n_threads++; /* its start went unseen */
		proc->n_threads_open++;
		thread = open_thread(model, proc, tid);
	}
	if (!thread)
		return;
	if (mf__has(f, MF_F_NAME))
		thread->name = mf__keep_field(model, f, MF_F_NAME);
	if (mf__has(f, MF_F_FUNCTION))
		thread->function = mf__keep_field(model, f, MF_F_FUNCTION);
}

static uint64_t async_key(const struct mf_proc *proc, uint64_t id)
{
	return mf_map_mix(proc->serial, id);
}

static struct mf_async *take_async(struct mf_model *model)
{
	struct mf_async *task = model->free_asyncs;

	if (!task)
		return mf__alloc(model, sizeof(*task));
	model->free_asyncs = task->next;
	*task = (struct mf_async){0};
	return task;
}

static void link_async(struct mf_proc *proc, struct mf_async *task)
{
	task->prev = proc->last_async;
	if (proc->last_async)
		proc->last_async->next = task;
	else
		proc->asyncs = task;
	proc->last_async = task;
	proc->n_asyncs_kept++;
}

static void unlink_async(struct mf_proc *proc, struct mf_async *task)
{
	if (task->prev)
		task->prev->next = task->next;
	else
		proc->asyncs = task->next;
	if (task->next)
		task->next->prev = task->prev;
	else
		proc->last_async = task->prev;
	proc->n_asyncs_kept--;
}

void mf__fold_async_start(struct mf_model *model, struct mf_proc *proc,
                          const struct mf__fields *f)
{
	struct mf_async *task = take_async(model);

	proc->n_asyncs++;
	proc->n_asyncs_open++;
	if (!task)
		return;
	task->id = mf__num(f, MF_F_ID, 0);
	task->parent_id = mf__num(f, MF_F_PARENT_ID, 0);
	task->start_ns = model->ev->wall_ns;
	task->name = mf__keep_field(model, f, MF_F_NAME);
	task->function = mf__keep_field(model, f, MF_F_FUNCTION);
	link_async(proc, task);
	mf__put(model, &model->asyncs, async_key(proc, task->id), task);
}

void mf__fold_async_end(struct mf_model *model, struct mf_proc *proc,
                        const struct mf__fields *f)
{
	uint64_t id = mf__num(f, MF_F_ID, 0);
	struct mf_str outcome = mf__bytes(model, f, MF_F_OUTCOME);
	bool has_failed = mf_str_is(outcome, "error");
	struct mf_async *task;

	if (proc->n_asyncs_open)
		proc->n_asyncs_open--;
	proc->n_asyncs_failed += has_failed;
	task = mf_map_remove(&model->asyncs, async_key(proc, id));
	if (!task || task->id != id)
		return;
	if (!model->keeps_all && proc->n_asyncs_kept > MF__ASYNCS_MAX &&
	    !(has_failed && proc->n_asyncs_failed <= MF__ASYNCS_MAX)) {
		unlink_async(proc, task);
		task->next = model->free_asyncs;
		model->free_asyncs = task;
		return;
	}
	task->end_ns = model->ev->wall_ns;
	task->outcome = mf__keep(model, outcome);
	if (mf__has(f, MF_F_TEXT))
		task->text = mf__keep_field(model, f, MF_F_TEXT);
}

/*
 * Processes: who is who, born of whom, and what they run.
 *
 * A pid is only an address. Its newest process answers for it until another
 * one is proven by another start time, or by a birth after a death. The
 * process before stays reachable through `older`.
 */
#include <stdio.h>
#include <string.h>

#include "inside.h"

enum {
	OLDER_MAX = 64,       /* processes of one pid that are searched */
	ANCESTORS_MAX = 4096, /* above: an unsound parent relation */
};

bool mf__proc_has_ended(const struct mf_proc *proc)
{
	return proc->has_status || proc->has_code;
}

uint64_t mf__proc_end_ns(const struct mf_proc *proc)
{
	return proc->exit_ns ? proc->exit_ns : proc->wait_ns;
}

struct mf_proc *mf__proc_newest(const struct mf_model *model, uint32_t host,
                                uint64_t pid)
{
	if (!pid || pid > UINT32_MAX)
		return NULL;
	return mf_map_get(&model->procs, mf__pid_key(host, (uint32_t)pid));
}

static struct mf_str name_process(struct mf_model *model, uint32_t host,
                                  uint32_t pid, uint32_t nth)
{
	char text[64];
	int len;

	len = snprintf(text, sizeof(text), "%.0u%s%u", host, host ? ":" : "",
	               pid);
	if (nth > 1)
		len += snprintf(text + len, sizeof(text) - (size_t)len, ".%u",
		                nth);
	return mf_arena_str(&model->arena, (struct mf_str){text, (size_t)len});
}

struct mf_proc *mf__proc_add(struct mf_model *model, uint32_t host,
                             uint32_t pid, uint64_t start_ticks)
{
	uint64_t key = mf__pid_key(host, pid);
	struct mf_proc *newest = mf_map_get(&model->procs, key);
	struct mf_proc *proc = mf__alloc(model, sizeof(*proc));

	if (!proc)
		return NULL;
	*proc = (struct mf_proc){
		.older = newest,
		.host = host,
		.pid = pid,
		.start_ticks = start_ticks,
		.start_ns = model->ev ? model->ev->wall_ns : 0,
		.serial = ++model->n_procs,
		.nth = newest ? newest->nth + 1 : 1,
	};
	proc->id = name_process(model, host, pid, proc->nth);
	if (model->last_proc)
		model->last_proc->next = proc;
	else
		model->first_proc = proc;
	model->last_proc = proc;
	mf__put(model, &model->procs, key, proc);
	return proc;
}

/* The process of this pid with just this start time, or NULL. */
static struct mf_proc *proc_started(struct mf_proc *newest, uint64_t ticks)
{
	struct mf_proc *proc = newest;
	int i;

	for (i = 0; proc && i < OLDER_MAX; proc = proc->older, i++)
		if (proc->start_ticks == ticks)
			return proc;
	return NULL;
}

const struct mf_proc *mf_model_proc_of(const struct mf_model *model,
                                       uint32_t host, uint64_t pid,
                                       uint64_t start_ticks)
{
	struct mf_proc *newest = mf__proc_newest(model, host, pid);
	struct mf_proc *proc = NULL;

	if (newest && start_ticks)
		proc = proc_started(newest, start_ticks);
	return proc ? proc : newest;
}

struct mf_proc *mf__proc_writing(struct mf_model *model,
                                 const struct mf_event *ev)
{
	struct mf_proc *newest, *proc;
	bool is_birth =
		ev->type == MF_EV_PROC_START || ev->type == MF_EV_PROC_FORK;

	proc = model->writer;
	if (proc && proc->pid == ev->pid && proc->host == ev->host &&
	    model->writer_start == ev->start && !is_birth)
		return proc;
	newest = mf__proc_newest(model, ev->host, ev->pid);
	if (!newest) {
		proc = mf__proc_add(model, ev->host, ev->pid, ev->start);
	} else if (!ev->start) {
		proc = newest;
	} else {
		proc = proc_started(newest, ev->start);
		if (!proc && !newest->start_ticks &&
		    !(is_birth && newest->has_status)) {
			newest->start_ticks = ev->start;
			proc = newest;
		}
		if (!proc)
			proc = mf__proc_add(model, ev->host, ev->pid,
			                    ev->start);
	}
	model->writer = proc;
	model->writer_start = ev->start;
	return proc;
}

void mf__proc_set_parent(struct mf_proc *proc, struct mf_proc *parent)
{
	const struct mf_proc *up;
	int depth = 0;

	if (!parent || proc->parent || parent == proc)
		return;
	if (proc->has_children) /* else it is nobody's ancestor */
		for (up = parent; up; up = up->parent)
			if (up == proc || ++depth > ANCESTORS_MAX)
				return;
	proc->parent = parent;
	parent->has_children = true;
}

/*
 * The process behind a parent's pid. One nobody told of is made up, so that
 * its children stay together; the recorder and init stand for none.
 */
static struct mf_proc *parent_of(struct mf_model *model, uint64_t ppid)
{
	const struct mf_event *ev = model->ev;
	struct mf_proc *parent;

	if (ppid <= 1 || ppid > UINT32_MAX ||
	    ppid == model->session.recorder_pid)
		return NULL;
	parent = mf__proc_newest(model, ev->host, ppid);
	if (!parent)
		parent = mf__proc_add(model, ev->host, (uint32_t)ppid, 0);
	return parent;
}

static void know_parent(struct mf_model *model, struct mf_proc *proc,
                        const struct mf__fields *f)
{
	uint64_t ppid = mf__num(f, MF_F_PPID, 0);

	if (!ppid || ppid > UINT32_MAX)
		return;
	if (!proc->ppid)
		proc->ppid = (uint32_t)ppid;
	if (!proc->parent && ppid != proc->pid)
		mf__proc_set_parent(proc, parent_of(model, ppid));
}

static struct mf_image *push_image(struct mf_model *model, struct mf_proc *proc)
{
	struct mf_image *image = mf__alloc(model, sizeof(*image));

	if (!image)
		return NULL;
	image->time_ns = model->ev->wall_ns;
	image->older = proc->image;
	proc->image = image;
	proc->n_images++;
	return image;
}

static void read_streams(struct mf_image *image, const struct mf__fields *f)
{
	static const enum mf_field ids[3] = {MF_F_STDIN, MF_F_STDOUT,
	                                     MF_F_STDERR};
	int i;

	for (i = 0; i < 3; i++)
		if (mf__has(f, ids[i]))
			image->stream_inode[i] = mf__num(f, ids[i], 0);
}

static void keep_if(struct mf_model *model, struct mf_str *to,
                    const struct mf__fields *f, enum mf_field id)
{
	if (mf__has(f, id))
		*to = mf__keep_field(model, f, id);
}

/* Whether the newest image was asked for and not yet seen to begin. */
static bool has_pending(const struct mf_proc *proc)
{
	return proc->image && proc->n_images && !proc->image->is_started &&
	       proc->image->is_asked;
}

void mf__fold_start(struct mf_model *model, struct mf_proc *proc,
                    const struct mf__fields *f)
{
	struct mf_image *image = proc->image;

	know_parent(model, proc, f);
	if (!proc->start_ticks)
		proc->start_ticks = mf__num(f, MF_F_START_TICKS, 0);
	if (mf__has(f, MF_F_PGID))
		proc->pgid = (uint32_t)mf__num(f, MF_F_PGID, 0);
	if (proc->birth == MF_BORN_UNSEEN)
		proc->birth = MF_BORN_EXEC;
	if (!has_pending(proc))
		image = push_image(model, proc);
	if (!image)
		return;
	image->is_started = true;
	keep_if(model, &image->argv, f, MF_F_ARGV);
	keep_if(model, &image->exe, f, MF_F_EXE);
	keep_if(model, &image->cwd, f, MF_F_CWD);
	keep_if(model, &image->env_set, f, MF_F_ENV_SET);
	keep_if(model, &image->env_unset, f, MF_F_ENV_UNSET);
	read_streams(image, f);
	mf__image_classify(model, proc);
}

/*
 * The process an exec record is about. The caller may be the process itself
 * (fork, then exec), its parent lending its memory (vfork), its parent after
 * the fact (posix_spawn), when the child may have begun already, or the
 * recorder, which is no process of the run.
 */
static struct mf_proc *proc_execing(struct mf_model *model,
                                    struct mf_proc *writer,
                                    const struct mf__fields *f)
{
	uint64_t pid = mf__num(f, MF_F_PID, model->ev->pid);
	uint64_t ticks = mf__num(f, MF_F_START_TICKS, 0);
	uint32_t host = model->ev->host;
	struct mf_proc *proc;

	if (writer && (pid == writer->pid || !pid || pid > UINT32_MAX))
		return writer;
	proc = mf__proc_newest(model, host, pid);
	if (proc && ticks && proc->start_ticks)
		proc = proc_started(proc, ticks);
	else if (proc &&
	         (proc->has_status ||
	          (proc->parent != writer && proc->birth != MF_BORN_UNSEEN) ||
	          (proc->image && proc->image->is_asked &&
	           proc->image->is_started)))
		proc = NULL; /* the pid's former holder */
	if (!proc && pid && pid <= UINT32_MAX)
		proc = mf__proc_add(model, host, (uint32_t)pid, ticks);
	if (proc && !proc->start_ticks)
		proc->start_ticks = ticks;
	return proc;
}

/* An exec that was recorded before it was tried, and did not succeed. */
static void drop_pending(struct mf_proc *proc)
{
	if (!has_pending(proc))
		return;
	proc->image = proc->image->older;
	proc->n_images--;
}

/* `writer` tells of a child's exec; NULL: it is the recorder that tells. */
static void adopt(struct mf_model *model, struct mf_proc *writer,
                  struct mf_proc *proc)
{
	if (proc->birth == MF_BORN_UNSEEN)
		proc->birth = MF_BORN_EXEC;
	if (!proc->ppid)
		proc->ppid = model->ev->pid;
	mf__proc_set_parent(proc, writer);
	if (!writer && !model->session.main_pid)
		model->session.main_pid = proc->pid;
}

void mf__fold_exec(struct mf_model *model, struct mf_proc *writer,
                   const struct mf__fields *f)
{
	uint32_t error = (uint32_t)mf__num(f, MF_F_ERRNO, 0);
	struct mf_proc *proc = proc_execing(model, writer, f);
	struct mf_image *image;

	if (!proc)
		return;
	if (proc != writer)
		adopt(model, writer, proc);
	if (error) {
		drop_pending(proc);
		proc->failed_errno = error;
		proc->failed_path = mf__keep_field(model, f, MF_F_PATH);
		keep_if(model, &proc->failed_argv, f, MF_F_ARGV);
		mf__failed_exec_classify(model, proc);
		return;
	}
	proc->failed_errno = 0;
	image = proc->image;
	if (!image || image->is_asked || proc == writer || !proc->n_images)
		image = has_pending(proc) ? image : push_image(model, proc);
	if (!image)
		return;
	image->is_asked = true;
	if (!image->argv.ptr)
		keep_if(model, &image->argv, f, MF_F_ARGV);
	keep_if(model, &image->path, f, MF_F_PATH);
	keep_if(model, &image->via, f, MF_F_VIA);
	keep_if(model, &image->blind, f, MF_F_BLIND);
	if (mf__has(f, MF_F_CWD))
		keep_if(model, &image->cwd, f, MF_F_CWD);
	else if (!image->cwd.ptr && writer && writer->image)
		image->cwd = writer->image->cwd;
	keep_if(model, &image->exe, f, MF_F_EXE);
	read_streams(image, f);
	mf__image_classify(model, proc);
}

void mf__fold_fork(struct mf_model *model, struct mf_proc *proc,
                   const struct mf__fields *f)
{
	struct mf_proc *parent;

	proc->birth = MF_BORN_FORK;
	if (!proc->start_ticks)
		proc->start_ticks = mf__num(f, MF_F_START_TICKS, 0);
	proc->fork_function = mf__keep_field(model, f, MF_F_FUNCTION);
	proc->fork_child = mf__keep_field(model, f, MF_F_TEXT);
	know_parent(model, proc, f);
	parent = proc->parent;
	if (!parent)
		return;
	proc->pgid = parent->pgid;
	if (!proc->image)
		proc->image = parent->image;
}

void mf__fold_mp_child(struct mf_model *model, struct mf_proc *proc,
                       const struct mf__fields *f)
{
	proc->mp_name = mf__keep_field(model, f, MF_F_NAME);
	proc->mp_function = mf__keep_field(model, f, MF_F_FUNCTION);
}

void mf__fold_python(struct mf_model *model, struct mf_proc *proc,
                     const struct mf__fields *f)
{
	proc->python = mf__keep_field(model, f, MF_F_VERSION);
}

/* Of the process alone, by its own word. */
static void read_own_usage(struct mf_proc *proc, const struct mf__fields *f)
{
	proc->cpu_us =
		mf__num(f, MF_F_UTIME_US, 0) + mf__num(f, MF_F_STIME_US, 0);
	proc->maxrss_kb = mf__num(f, MF_F_MAXRSS_KB, 0);
}

/* What wait4(2) gives: the process and all it waited for itself. */
static void read_usage(struct mf_proc *proc, const struct mf__fields *f)
{
	proc->cpu_below_us =
		mf__num(f, MF_F_UTIME_US, 0) + mf__num(f, MF_F_STIME_US, 0);
	if (!proc->maxrss_kb)
		proc->maxrss_kb = mf__num(f, MF_F_MAXRSS_KB, 0);
}

void mf__fold_exit(struct mf_model *model, struct mf_proc *proc,
                   const struct mf__fields *f)
{
	proc->has_code = true;
	proc->code = (int64_t)mf__num(f, MF_F_CODE, 0);
	proc->exit_ns = model->ev->wall_ns;
	read_own_usage(proc, f);
}

/*
 * Whom a wait is about: of the processes with that pid that nobody waited
 * for, the oldest child of the waiting one. The kernel frees the pid before
 * the record is written, so the newest may be another already.
 */
static struct mf_proc *proc_waited(struct mf_model *model,
                                   const struct mf_proc *writer, uint32_t host,
                                   uint64_t pid, uint64_t ticks)
{
	struct mf_proc *proc = mf__proc_newest(model, host, pid);
	struct mf_proc *best = NULL;
	int i;

	if (ticks && proc && proc_started(proc, ticks))
		return proc_started(proc, ticks);
	for (i = 0; proc && i < OLDER_MAX; proc = proc->older, i++)
		if (!proc->has_status &&
		    (!best || (writer && proc->parent == writer)))
			best = proc;
	if (!best && pid && pid <= UINT32_MAX)
		best = mf__proc_add(model, host, (uint32_t)pid, 0);
	return best;
}

void mf__fold_wait(struct mf_model *model, struct mf_proc *writer,
                   const struct mf__fields *f)
{
	uint64_t pid = mf__num(f, MF_F_PID, 0);
	uint32_t status = (uint32_t)mf__num(f, MF_F_STATUS, 0);
	struct mf_proc *proc;

	if (!mf__has(f, MF_F_STATUS) || (status & 0xff) == 0x7f ||
	    status == 0xffff)
		return; /* stopped or continued */
	proc = proc_waited(model, writer, model->ev->host, pid,
	                   mf__num(f, MF_F_START_TICKS, 0));
	if (!proc)
		return;
	if (writer && proc->birth == MF_BORN_UNSEEN) {
		proc->ppid = writer->pid;
		mf__proc_set_parent(proc, writer);
	}
	proc->has_status = true;
	proc->wait_status = status;
	proc->wait_ns = model->ev->wall_ns;
	read_usage(proc, f);
	if (model->writer == proc)
		model->writer = NULL;
}

void mf__fold_left(struct mf_model *model, struct mf_proc *writer,
                   const struct mf__fields *f)
{
	uint64_t pid = mf__num(f, MF_F_PID, 0);
	struct mf_proc *proc = mf__proc_newest(model, model->ev->host, pid);

	(void)writer;
	if (!proc && pid && pid <= UINT32_MAX)
		proc = mf__proc_add(model, model->ev->host, (uint32_t)pid, 0);
	if (proc)
		proc->is_left = true;
}

void mf__fold_signal(struct mf_model *model, struct mf_proc *writer,
                     const struct mf__fields *f)
{
	struct mf_signal *sig = mf__alloc(model, sizeof(*sig));
	uint64_t sender = mf__num(f, MF_F_SENDER, 0);
	struct mf_proc *target = NULL;

	if (!sig || (!writer && !mf__has(f, MF_F_TARGET)))
		return;
	*sig = (struct mf_signal){
		.time_ns = model->ev->wall_ns,
		.sender = writer,
		.sender_pid = writer ? writer->pid : (uint32_t)sender,
		.target = (int64_t)mf__num(f, MF_F_TARGET, 0),
		.signo = (uint32_t)mf__num(f, MF_F_SIGNO, 0),
		.has_failed = (int64_t)mf__num(f, MF_F_RESULT, 0) < 0,
	};
	if (!writer)
		sig->sender = mf__proc_newest(model, model->ev->host, sender);
	if (sig->target > 0)
		target = mf__proc_newest(model, model->ev->host,
		                         (uint64_t)sig->target);
	if (target) {
		sig->next = target->signals;
		target->signals = sig;
	} else if (sig->target <= 0) {
		if (!sig->target && writer)
			sig->target = -(int64_t)writer->pgid;
		sig->next = model->group_signals;
		model->group_signals = sig;
	}
}

void mf__fold_kernel(struct mf_model *model, struct mf_proc *writer,
                     const struct mf__fields *f)
{
	struct mf_str name = mf__bytes(model, f, MF_F_NAME);
	struct mf__oom *oom;

	(void)writer;
	if (!mf_str_is(name, "oom_kill") || !mf__num(f, MF_F_COUNT, 1))
		return;
	oom = mf__alloc(model, sizeof(*oom));
	if (!oom)
		return;
	*oom = (struct mf__oom){
		.next = model->ooms,
		.time_ns = model->ev->wall_ns,
		.pid = mf__num(f, MF_F_PID, 0),
		.host = model->ev->host,
		.is_elsewhere = mf__has(f, MF_F_REASON),
	};
	model->ooms = oom;
}

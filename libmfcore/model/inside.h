/*
 * What the files of the model share: the folded state and its helpers.
 */
#ifndef MF_MODEL_INSIDE_H
#define MF_MODEL_INSIDE_H

#include "mfcore/arena.h"
#include "mfcore/buf.h"
#include "mfcore/command.h"
#include "mfcore/map.h"
#include "mfcore/model.h"

/* Kept per process; past it they are only counted. */
#define MF__THREADS_MAX 512
#define MF__ASYNCS_MAX 512

/* Bytes of output kept per process and stream. */
#define MF__TAIL_MAX 4096

/* The fields of one event, by id. */
struct mf__fields {
	uint64_t has[MF_F_MAX / 64];
	struct mf_field_value v[MF_F_MAX];
};

/* Bytes a parent read from a pipe to which children write. */
struct mf__channel {
	uint64_t inode;
	uint32_t host;
	struct mf_tail tail;
};

/* How often the kernel killed for want of memory, and when last. */
struct mf__oom {
	struct mf__oom *next;
	uint64_t time_ns;
	uint64_t pid; /* 0: the kernel did not say */
	uint32_t host;
	bool is_elsewhere; /* on the machine, and not in our cgroup */
};

struct mf_model {
	struct mf_arena arena;      /* facts */
	struct mf_arena tree_arena; /* the latest tree */
	struct mf_session_facts session;
	struct mf_map procs;    /* host, pid -> newest mf_proc */
	struct mf_map threads;  /* serial, tid -> open mf_thread */
	struct mf_map asyncs;   /* serial, id -> open mf_async */
	struct mf_map pipes;    /* host, inode -> current mf_pipe */
	struct mf_map channels; /* host, inode -> mf__channel */
	struct mf_map runs;     /* run id -> mf_run chain */
	struct mf_map steps;    /* run, name -> mf_step chain */
	struct mf_map tasks;    /* step, id -> mf_task chain */
	struct mf_map strings;  /* hash -> mf__interned chain */
	struct mf_proc *first_proc;
	struct mf_proc *last_proc;
	struct mf_proc *writer; /* of the event before */
	uint64_t writer_start;
	struct mf_stream *first_stream;
	struct mf_stream *last_stream;
	struct mf_run *first_run;
	struct mf_run *last_run;
	struct mf_signal *group_signals; /* newest first */
	struct mf__oom *ooms;            /* newest first */
	struct mf_async *free_asyncs;
	struct mf_buf scratch; /* bytes of a blob, until the next */
	struct mf_node *root;
	struct mf_node **nodes;     /* by serial of the process */
	struct mf_journal *journal; /* during a fold */
	const struct mf_event *ev;  /* during a fold */
	uint32_t n_procs;
	uint32_t n_nodes;
	uint32_t n_streams;
	bool keeps_all;
	bool is_open;  /* as the latest tree was asked for */
	bool is_short; /* memory ran out in this fold */
};

/* Fields. `f` belongs to the event being folded. */
static inline bool mf__has(const struct mf__fields *f, enum mf_field id)
{
	return f->has[id / 64] >> (id % 64) & 1;
}

static inline uint64_t mf__num(const struct mf__fields *f, enum mf_field id,
                               uint64_t otherwise)
{
	return mf__has(f, id) ? f->v[id].number : otherwise;
}

/* The bytes of a field, inline or in a blob, valid until the next call. */
struct mf_str mf__bytes(struct mf_model *model, const struct mf__fields *f,
                        enum mf_field id);

/* The same, kept: equal strings are stored once. */
struct mf_str mf__keep(struct mf_model *model, struct mf_str s);
struct mf_str mf__keep_field(struct mf_model *model, const struct mf__fields *f,
                             enum mf_field id);

/* Zeroed memory of the model; NULL also sets is_short. */
void *mf__alloc(struct mf_model *model, size_t size);
void mf__put(struct mf_model *model, struct mf_map *map, uint64_t key,
             void *value);

static inline uint64_t mf__pid_key(uint32_t host, uint32_t pid)
{
	return (uint64_t)host << 32 | pid;
}

/* process.c */
struct mf_proc *mf__proc_writing(struct mf_model *model,
                                 const struct mf_event *ev);
struct mf_proc *mf__proc_newest(const struct mf_model *model, uint32_t host,
                                uint64_t pid);
struct mf_proc *mf__proc_add(struct mf_model *model, uint32_t host,
                             uint32_t pid, uint64_t start_ticks);
void mf__proc_set_parent(struct mf_proc *proc, struct mf_proc *parent);
bool mf__proc_has_ended(const struct mf_proc *proc);
uint64_t mf__proc_end_ns(const struct mf_proc *proc);

typedef void mf__fold_fn(struct mf_model *model, struct mf_proc *writer,
                         const struct mf__fields *f);

mf__fold_fn mf__fold_start, mf__fold_exec, mf__fold_fork, mf__fold_exit,
	mf__fold_wait, mf__fold_left, mf__fold_signal, mf__fold_mp_child,
	mf__fold_python, mf__fold_kernel;
/* thread.c */
mf__fold_fn mf__fold_thread_start, mf__fold_thread_end, mf__fold_thread_name,
	mf__fold_async_start, mf__fold_async_end;
/* stream.c */
struct mf_pipe *mf__pipe_of(const struct mf_model *model, uint32_t host,
                            uint64_t inode);
mf__fold_fn mf__fold_sidecar, mf__fold_send, mf__fold_recv, mf__fold_pipe_end;
/* output.c */
mf__fold_fn mf__fold_output, mf__fold_capture, mf__fold_counter;
/* task.c */
mf__fold_fn mf__fold_mark, mf__fold_file;
struct mf_run *mf__run_of(struct mf_model *model, struct mf_str id,
                          struct mf_str flow, struct mf_str script);
void mf__run_set_scheduler(struct mf_run *run, struct mf_proc *proc);
struct mf_task *mf__task_of(struct mf_model *model, struct mf_run *run,
                            struct mf_str step_name, struct mf_str id);
struct mf_attempt *mf__attempt_of(struct mf_model *model, struct mf_task *task,
                                  uint64_t number);
void mf__image_classify(struct mf_model *model, struct mf_proc *proc);
/* A task whose interpreter could not be executed is that task all the same. */
void mf__failed_exec_classify(struct mf_model *model, struct mf_proc *proc);

/* Text that lives as long as the latest tree. */
struct mf_str mf__tree_printf(struct mf_model *model, const char *fmt, ...)
	MF_PRINTF(2, 3);

#endif /* MF_MODEL_INSIDE_H */

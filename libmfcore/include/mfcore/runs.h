/*
 * Runs, steps, tasks and attempts, as the model found them: from command lines
 * and from what appeared in the datastore.
 *
 * Borrowed from the model and never changed by its readers, as the facts of
 * mfcore/facts.h are.
 *
 * Threads: as the model they belong to.
 */
#ifndef MFCORE_RUNS_H
#define MFCORE_RUNS_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/str.h"
#include "mfcore/task_files.h"

struct mf_node;
struct mf_proc;

/* Marks of the datastore, as bits of mf_attempt.marks. */
enum mf_attempt_mark {
	MF_ATTEMPT_BEGUN = 1 << 0,   /* attempt.json */
	MF_ATTEMPT_RUNNING = 1 << 1, /* task_begin */
	MF_ATTEMPT_ENDED = 1 << 2,   /* task_end */
	MF_ATTEMPT_SAVED = 1 << 3,   /* data.json */
	MF_ATTEMPT_DONE = 1 << 4,    /* DONE.lock */
	MF_ATTEMPT_RUNTIME = 1 << 5, /* runtime, by the scheduler */
	MF_ATTEMPT_LOGGED = 1 << 6,  /* runtime_stdout.log */
};

struct mf_attempt {
	struct mf_node *node;    /* in the latest tree */
	struct mf_attempt *next; /* ascending numbers */
	struct mf_task *task;
	struct mf_proc *proc; /* NULL: no process was seen for it */
	uint64_t first_ns;    /* of its process and marks */
	uint64_t last_ns;
	uint64_t done_ns;
	unsigned marks;
	int number;
	enum mf_truth task_ok; /* of data.json, once it is MF_ATTEMPT_SAVED */
	enum mf_truth success;
	uint64_t artifacts;
	bool has_runtime_code; /* what the scheduler noted of its end: */
	bool is_runtime_killed;
	bool is_runtime_ok;
	int64_t runtime_code; /* negative: minus a signal */
};

struct mf_task {
	struct mf_task *next;
	struct mf_task *same_key;
	struct mf_step *step;
	struct mf_attempt *attempts;
	struct mf_str id;
	bool is_mapper; /* of an unbounded foreach, run by its control task */
};

struct mf_step {
	struct mf_step *next;
	struct mf_step *same_key;
	struct mf_run *run;
	struct mf_task *tasks;
	struct mf_task *last_task;
	struct mf_str name;
	uint32_t n_tasks;
};

struct mf_run {
	struct mf_node *node; /* in the latest tree */
	struct mf_run *next;
	struct mf_run *same_key;
	struct mf_proc *scheduler; /* NULL: not seen */
	struct mf_step *steps;
	struct mf_str flow; /* name, or the script's until it is known */
	struct mf_str id;
	struct mf_str script;
	uint64_t first_ns;
	uint64_t last_ns;
	bool is_flow_certain;
};

#endif /* MFCORE_RUNS_H */

/*
 * What a journal says of a session's processes, before any tree is made.
 *
 * The model (mfcore/model.h) folds events into these records; tools read
 * them through the nodes of its tree and never change them. All strings are
 * borrowed from the model and live as long as it does. Times are wall-clock
 * nanoseconds since the epoch, 0 where nobody told.
 *
 * Threads: as the model they belong to.
 */
#ifndef MFCORE_FACTS_H
#define MFCORE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/str.h"

struct mf_proc;
struct mf_command;

/* One program image. A forked child shares its parent's until it execs. */
struct mf_image {
	struct mf_image *older; /* what the same process ran before */
	uint64_t time_ns;
	struct mf_str argv; /* LIST */
	struct mf_str exe;  /* program file */
	struct mf_str path; /* as it was given to exec */
	struct mf_str cwd;
	struct mf_str env_set;   /* LIST: not in the session's environment */
	struct mf_str env_unset; /* u64 hashes: in the session's only */
	struct mf_str via;       /* libc's function that was called */
	struct mf_str blind;     /* why it records nothing itself */
	const struct mf_command *command; /* what Metaflow would call it */
	uint64_t stream_inode[3];         /* behind descriptors 0 to 2 */
	bool is_asked;                    /* somebody was seen to exec it */
	bool is_started;                  /* it was seen to begin */
};

struct mf_thread {
	struct mf_thread *next;
	uint64_t start_ns;
	uint64_t end_ns;
	struct mf_str name;
	struct mf_str function;
	uint32_t tid;
};

struct mf_async {
	struct mf_async *next;
	struct mf_async *prev;
	uint64_t id;
	uint64_t parent_id;
	uint64_t start_ns;
	uint64_t end_ns;
	struct mf_str name;
	struct mf_str function;
	struct mf_str outcome; /* ok, error, cancelled; absent: not ended */
	struct mf_str text;
};

/* A signal that a recorded process sent, or that the recorder met. */
struct mf_signal {
	struct mf_signal *next; /* the one before it in time */
	uint64_t time_ns;
	const struct mf_proc *sender; /* NULL: not a recorded process */
	uint32_t sender_pid;
	int64_t target; /* pid; 0 or negative: a group, as kill(2) */
	uint32_t signo;
	bool has_failed;
};

/* The last bytes written to a stream. */
struct mf_tail {
	char *bytes; /* `len` of them, oldest first */
	uint32_t len;
	uint32_t cap;
	uint64_t total;   /* written in all, as far as recorded */
	uint64_t last_ns; /* when last */
};

enum mf_proc_birth {
	MF_BORN_UNSEEN, /* only heard of through others */
	MF_BORN_EXEC,   /* spawned to run a program */
	MF_BORN_FORK,   /* a copy of its parent */
};

struct mf_proc {
	struct mf_proc *next;       /* in order of appearance */
	struct mf_proc *older;      /* an earlier process with the same pid */
	struct mf_proc *parent;     /* never a cycle */
	struct mf_image *image;     /* the newest; NULL when none is known */
	struct mf_attempt *attempt; /* of which it is a step process */
	struct mf_run *run;         /* of which it is the scheduler */
	struct mf_pipe *pipe;       /* of which it is the reading sidecar */
	struct mf_stream *streams;  /* of its own sidecars, newest first */
	struct mf_thread *threads;  /* oldest first, bounded */
	struct mf_thread *last_thread;
	struct mf_async *asyncs; /* oldest first, bounded */
	struct mf_async *last_async;
	struct mf_signal *signals;   /* sent to it, newest first */
	struct mf_tail tail[3];      /* [1] standard output, [2] error */
	struct mf_str id;            /* stable name within the session */
	struct mf_str failed_path;   /* program that could not be executed */
	struct mf_str failed_argv;   /* LIST */
	struct mf_str fork_function; /* of the parent, that forked it */
	struct mf_str fork_child;    /* what it was forked for */
	struct mf_str mp_name;       /* multiprocessing's name, target */
	struct mf_str mp_function;
	struct mf_str python; /* version of its interpreter */
	uint64_t start_ticks; /* 0 unknown */
	uint64_t start_ns;
	uint64_t exit_ns; /* by its own word */
	uint64_t wait_ns; /* its status was taken */
	uint64_t last_ns; /* its latest record */
	uint64_t cpu_us;  /* its own, 0 unless it said so at its end */
	uint64_t
		cpu_below_us; /* and of children it waited for; from its wait */
	uint64_t maxrss_kb;
	uint64_t excess[3];  /* output bytes that were not kept */
	uint64_t s3_inputs;  /* lines of the control files it was given */
	uint64_t s3_results; /* lines it printed */
	uint64_t s3_retries; /* retry files */
	uint64_t n_threads;
	uint64_t n_threads_open;
	uint64_t n_asyncs;
	uint64_t n_asyncs_open;
	uint64_t n_asyncs_kept;
	uint64_t n_asyncs_failed;
	int64_t code;         /* when has_code */
	uint32_t wait_status; /* when has_status */
	uint32_t failed_errno;
	uint32_t host;
	uint32_t pid;
	uint32_t ppid;
	uint32_t pgid;
	uint32_t nth;    /* process of this pid, from 1 */
	uint32_t serial; /* in order of appearance, from 1 */
	uint32_t n_images;
	enum mf_proc_birth birth;
	bool has_code;
	bool has_status;
	bool is_left;          /* ran on when the recording ended */
	bool is_output_broken; /* nobody read it any more: EPIPE */
	bool has_children;
};

/* One generation of a sidecar: a worker at the end of one pipe. */
struct mf_pipe {
	struct mf_pipe *next; /* the generation after it */
	struct mf_stream *stream;
	struct mf_proc *sidecar; /* NULL until it is known */
	uint64_t inode;
	uint64_t start_ns;
	uint64_t sent_bytes;
	uint64_t received_bytes;
	uint64_t left_bytes; /* still in the pipe when an end closed */
	uint64_t sent;       /* whole messages */
	uint64_t received;
	uint64_t refused; /* writes of which nothing was taken */
	uint64_t cut;     /* writes of which only a part was taken */
	int last_errno;   /* of a refused one */
	uint32_t host;
	uint32_t generation; /* from 1 */
	bool is_ended;
};

/* All generations of one sidecar of one process. */
struct mf_stream {
	struct mf_stream *next; /* in order of appearance */
	struct mf_stream *older_of_owner;
	struct mf_proc *owner;
	struct mf_str id;      /* "s3", stable within the session */
	struct mf_str type;    /* debugLogger, heartbeat, ... */
	struct mf_pipe *pipes; /* oldest first */
	struct mf_pipe *last;
	uint64_t first_ns; /* of its messages */
	uint64_t last_ns;
};

#endif /* MFCORE_FACTS_H */

/*
 * What the files of a task say that the engine believes.
 *
 * Threads: one object, one thread at a time.
 */
#ifndef MFCORE_TASK_FILES_H
#define MFCORE_TASK_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mfcore/attr.h"
#include "mfcore/err.h"
#include "mfcore/map.h"
#include "mfcore/str.h"

struct cJSON;

/* A Python truth value, as far as its key alone tells it. */
enum mf_truth {
	MF_TRUTH_ABSENT, /* the artifact is not there */
	MF_TRUTH_TRUE,
	MF_TRUTH_FALSE,
	MF_TRUTH_NONE,
	MF_TRUTH_OTHER, /* some other value */
};

/* <attempt>.data.json */
struct mf_task_data { /* treat as opaque but for the fields above the line */
	int attempt;  /* -1: not told */
	enum mf_truth task_ok; /* what the client calls successful */
	enum mf_truth success; /* False where @catch swallowed a failure */
	size_t artifacts;      /* how many */
	struct mf_str python_version;
	struct mf_str datastore;
	/* -- */
	struct cJSON *doc;
	const struct cJSON *next;
	struct mf_map info;
};

struct mf_artifact {
	struct mf_str name;
	struct mf_str key;  /* sha1 of its bytes, 40 hexadecimal digits */
	struct mf_str type; /* "<class 'int'>"; absent when not told */
	struct mf_str encoding;
	uint64_t size; /* bytes of the pickle before compression */
};

/*
 * Parse the file's content.
 *
 * Owns:   release with mf_task_data_clear(); strings live as long as it.
 * Errors: -ENOMEM; -MF_EFORMAT, not such a file.
 */
MF_MUST_USE int mf_task_data_parse(struct mf_str json, struct mf_task_data *out,
                                   struct mf_err *err);

/* Step through the artifacts, once. Returns false after the last. */
bool mf_task_data_next(struct mf_task_data *data, struct mf_artifact *out);

void mf_task_data_clear(struct mf_task_data *data);

/* What a key says of its value without reading it. */
enum mf_truth mf_artifact_truth(struct mf_str key);

/* The Python text of a value known by its key alone; NULL for any other. */
const char *mf_artifact_constant(struct mf_str key);

/* <attempt>.runtime: how the engine saw the task's process end. */
struct mf_task_runtime {
	int64_t return_code; /* negative: minus a signal number */
	bool is_killed;      /* by the engine, with SIGKILL */
	bool is_success;
};
MF_MUST_USE int mf_task_runtime_parse(struct mf_str json,
                                      struct mf_task_runtime *out,
                                      struct mf_err *err);

/* <attempt>.attempt.json: when the attempt began. */
MF_MUST_USE int mf_task_attempt_parse(struct mf_str json, uint64_t *wall_ns,
                                      struct mf_err *err);

#endif /* MFCORE_TASK_FILES_H */

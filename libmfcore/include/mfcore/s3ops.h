/*
 * S3 operations: what each was asked for, what came back, what was retried.
 *
 * One s3op process is one operation; its client may call it again with the
 * lines that failed for a while (a round). Fold every event into the model
 * first, then into this.
 *
 * Threads: one collection, one thread at a time.
 */
#ifndef MFCORE_S3OPS_H
#define MFCORE_S3OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/model.h"

/* A control file the operation was given. */
struct mf_s3_file {
	struct mf_s3_file *next;
	struct mf_str role; /* inputs, filelist, retry... */
	struct mf_str path;
	struct mf_str data;
	uint64_t size; /* whole; data may hold less */
	uint64_t time_ns;
};

struct mf_s3op {
	struct mf_s3op *next; /* in order of appearance */
	const struct mf_proc *proc;
	struct mf_s3_file *files;
	struct mf_buf results;  /* standard output: a line per result */
	struct mf_buf feedback; /* standard error */
};

struct mf_s3ops;

/* Owns: release with mf_s3ops_free(). Errors: -ENOMEM. */
MF_MUST_USE int mf_s3ops_new(struct mf_s3ops **out,
                             const struct mf_model *model);
void mf_s3ops_free(struct mf_s3ops *ops);

/* Errors: -ENOMEM. */
MF_MUST_USE int mf_s3ops_fold(struct mf_s3ops *ops, const struct mf_event *ev,
                              struct mf_journal *journal);

const struct mf_s3op *mf_s3ops_first(const struct mf_s3ops *ops);

#endif /* MFCORE_S3OPS_H */

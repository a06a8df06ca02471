/*
 * What a process and everything below it wrote to its standard output and
 * error, line by line, with the time it was written.
 *
 * Two witnesses are put together. What the parent read from the pipe
 * (captures) holds every byte in its true order, but with the time of the
 * read. What the writers recorded (outputs) has the time of the write, but not
 * the bytes of writers that record nothing. Each output is looked up in the
 * captured bytes and gives them its time; what no output explains keeps the
 * time of the read; what was written and not read yet stands at the end.
 *
 * Fold every event into the model first, then into this.
 *
 * Threads: one log, one thread at a time.
 */
#ifndef MFCORE_TASKLOG_H
#define MFCORE_TASKLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/model.h"

struct mf_log_line {
	uint64_t time_ns;   /* of its first byte */
	struct mf_str text; /* without the line end */
	uint32_t pid;       /* who wrote that byte; 0: nobody recorded it */
	int stream;         /* 1 or 2 */
	bool is_whole;      /* it had a line end */
};

struct mf_tasklog;

/*
 * A log of the process with this identity (mf_proc.host, pid, start_ticks and
 * nth), which need not be known to the model yet: a second reading of the
 * journal finds the same one.
 *
 * Owns:   release with mf_tasklog_free().
 * Errors: -ENOMEM.
 */
MF_MUST_USE int mf_tasklog_new(struct mf_tasklog **out,
                               const struct mf_proc *proc);

/* The model the events are folded into; before the first fold. */
void mf_tasklog_set_model(struct mf_tasklog *log, const struct mf_model *model);
void mf_tasklog_free(struct mf_tasklog *log);

/* Errors: -ENOMEM. */
MF_MUST_USE int mf_tasklog_fold(struct mf_tasklog *log,
                                const struct mf_event *ev,
                                struct mf_journal *journal);

/*
 * Put together what there is. May be done again after more was folded; lines
 * are valid until then.
 *
 * Errors: -ENOMEM.
 */
MF_MUST_USE int mf_tasklog_assemble(struct mf_tasklog *log);

/* Line `i` of a stream, from 0; false behind the last. */
bool mf_tasklog_line(const struct mf_tasklog *log, int stream, size_t i,
                     struct mf_log_line *out);

/* All bytes of a stream as assembled. */
struct mf_str mf_tasklog_bytes(const struct mf_tasklog *log, int stream);

/* Bytes of a stream that were written and not kept. */
uint64_t mf_tasklog_excess(const struct mf_tasklog *log, int stream);

#endif /* MFCORE_TASKLOG_H */

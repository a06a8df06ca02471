/*
 * Metaflow's structured log lines: [MFLOG|0|<UTC>Z|<source>|<id>]text
 *
 * Threads: pure functions.
 */
#ifndef MFCORE_MFLOG_H
#define MFCORE_MFLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/buf.h"
#include "mfcore/str.h"

struct mf_mflog {
	uint64_t wall_ns;     /* when its source stamped it */
	struct mf_str source; /* runtime or task */
	struct mf_str id;
	struct mf_str text;  /* without the line end */
	bool should_persist; /* asks the receiver to store it */
};

/*
 * Read a line, with or without its line end; strings are borrowed from it.
 * Returns false, *out untouched, for any other line.
 */
bool mf_mflog_parse(struct mf_str line, struct mf_mflog *out);

/* Append the line, with its line end. */
void mf_mflog_format(struct mf_buf *buf, const struct mf_mflog *log);

#endif /* MFCORE_MFLOG_H */

/*
 * What standard output is, and the ways a verb writes to it.
 *
 * Verbs print with stdio and do not check each call: mf_cmd_main() looks once
 * at the end whether everything was written. Text of other processes goes
 * through mfcore/text.h first, or through these, which do it themselves.
 *
 * Threads: the main thread.
 */
#ifndef MFCLI_OUT_H
#define MFCLI_OUT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

#include "mfcore/attr.h"
#include "mfcore/err.h"
#include "mfcore/str.h"

/* Where the output goes. */
struct mf_out {
	FILE *file;
	unsigned width;  /* columns; 0: not a terminal, nothing is cut */
	bool has_colour; /* a terminal, TERM not dumb, NO_COLOR not set */
};

/* Standard output as it is now. */
struct mf_out mf_out_stdout(void);

/* What a piece of text means; colour never carries it alone. */
enum mf_style {
	MF_STYLE_PLAIN,
	MF_STYLE_GOOD,   /* green: done and well */
	MF_STYLE_BAD,    /* red: failed, killed, lost */
	MF_STYLE_WARN,   /* yellow: to be looked at */
	MF_STYLE_LIVE,   /* cyan: running now */
	MF_STYLE_FAINT,  /* dim: beside the point */
	MF_STYLE_STRONG, /* bold: headings, names */
};

/* The escape sequence that begins or ends a style; "" without colour. */
const char *mf_style_begin(const struct mf_out *out, enum mf_style style);
const char *mf_style_end(const struct mf_out *out, enum mf_style style);

/*
 * A new document: an object that begins with "schema": "TOOL.VERB/1".
 * NULL without memory. Released by mf_json_print() or cJSON_Delete().
 */
cJSON *mf_json_document(const char *tool, const char *verb);

/*
 * Print `doc` and a line end, indented, and delete it. NULL, which is what
 * cJSON gives without memory, is -ENOMEM.
 */
MF_MUST_USE int mf_json_print(cJSON *doc, struct mf_err *err);

/* The same on one line, flushed: for --follow. */
MF_MUST_USE int mf_json_print_line(cJSON *doc, struct mf_err *err);

#endif /* MFCLI_OUT_H */

/*
 * The line that runs a recorded program image again when pasted in a shell:
 *
 *	cd /w && env -u TERM PYTHONUNBUFFERED=x python3 hello.py step ...
 *
 * The environment is that of the shell it is pasted in, changed by what the
 * image had in difference to its session. Values that were not recorded,
 * being secret, are left out and told apart.
 *
 * Threads: pure over the model.
 */
#ifndef MFCORE_SHELL_LINE_H
#define MFCORE_SHELL_LINE_H

#include <stdbool.h>

#include "mfcore/buf.h"
#include "mfcore/model.h"

/*
 * Append the line, without a line end, to `line`, and the names of what had to
 * be left out, between blanks, to `left_out`. Returns false, and appends
 * nothing, when the image's command line is not known.
 */
bool mf_shell_line(const struct mf_model *model, const struct mf_image *image,
                   struct mf_buf *line, struct mf_buf *left_out);

/* The same for a process: what it runs, or what could not be executed. */
bool mf_shell_line_proc(const struct mf_model *model,
                        const struct mf_proc *proc, struct mf_buf *line,
                        struct mf_buf *left_out);

#endif /* MFCORE_SHELL_LINE_H */

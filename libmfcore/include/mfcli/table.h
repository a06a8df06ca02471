/*
 * Columns as data, printed aligned.
 *
 * Cells are text of any origin: they are escaped for a terminal when they are
 * added, and measured as a terminal shows them. On a terminal the columns that
 * may shrink are cut, with an ellipsis, until a row fits; elsewhere nothing is
 * cut. The table prints nothing before mf_table_print(), so it is not for
 * output that follows.
 *
 * Threads: one table, one thread at a time.
 */
#ifndef MFCLI_TABLE_H
#define MFCLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "mfcli/out.h"
#include "mfcore/attr.h"
#include "mfcore/err.h"
#include "mfcore/str.h"

struct mf_column {
	const char *title;
	bool is_right;  /* aligned to the right: numbers, sizes, durations */
	unsigned least; /* may be cut to this width; 0: is never cut */
};

struct mf_table;

/*
 * A table of `n` columns; `columns` is borrowed for the table's life.
 *
 * Owns:   release with mf_table_free(). NULL without memory; every function
 *         here takes that, and mf_table_print() says -ENOMEM.
 */
struct mf_table *mf_table_new(const struct mf_column *columns, size_t n);

/* Begin a row; its cells follow from the left, missing ones are empty. */
void mf_table_row(struct mf_table *table);

/* Add a cell. */
void mf_table_cell(struct mf_table *table, struct mf_str text);
void mf_table_cell_styled(struct mf_table *table, enum mf_style style,
                          struct mf_str text);
void mf_table_cellf(struct mf_table *table, const char *fmt, ...)
	MF_PRINTF(2, 3);

/* Rows so far. */
size_t mf_table_rows(const struct mf_table *table);

/* Print the titles and the rows. Errors: -ENOMEM. */
MF_MUST_USE int mf_table_print(const struct mf_table *table,
                               const struct mf_out *out, struct mf_err *err);

/* Free. NULL is allowed. */
void mf_table_free(struct mf_table *table);

#endif /* MFCLI_TABLE_H */

#include "mfcli/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "mfcore/buf.h"
#include "mfcore/text.h"

#define GAP 2u /* columns between columns */

struct cell {
	size_t at; /* of its escaped text in `text` */
	size_t len;
	unsigned width; /* columns a terminal needs */
	enum mf_style style;
};

struct mf_table {
	const struct mf_column *columns;
	size_t n;
	struct mf_buf text;
	struct cell *cells; /* n a row */
	size_t rows;
	size_t cap;    /* rows there is memory for */
	size_t filled; /* cells of the newest row */
	bool is_short; /* memory ran out: the table is incomplete */
};

/* Columns the first *len bytes take; stops before `most`, *len says where. */
static unsigned measure(const char *text, size_t *len, unsigned most)
{
	mbstate_t state = {0};
	unsigned width = 0;
	size_t at = 0;

	while (at < *len) {
		wchar_t c = 0;
		size_t n = mbrtowc(&c, text + at, *len - at, &state);
		int columns = 1;

		if (n == 0 || n > *len - at) {
			n = 1; /* no text in this locale: count bytes */
			state = (mbstate_t){0};
		} else {
			columns = wcwidth(c);
		}
		if (columns < 0)
			columns = 1;
		if (width + (unsigned)columns > most)
			break;
		width += (unsigned)columns;
		at += n;
	}
	*len = at;
	return width;
}

struct mf_table *mf_table_new(const struct mf_column *columns, size_t n)
{
	struct mf_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->columns = columns;
	table->n = n;
	return table;
}

void mf_table_row(struct mf_table *table)
{
	struct cell *cells;
	size_t cap;

	if (!table || table->is_short)
		return;
	if (table->rows == table->cap) {
		cap = table->cap ? table->cap * 2 : 64;
		cells = reallocarray(table->cells, cap,
		                     table->n * sizeof(*cells));
		if (!cells) {
			table->is_short = true;
			return;
		}
		table->cells = cells;
		table->cap = cap;
	}
	memset(table->cells + table->rows * table->n, 0,
	       table->n * sizeof(*cells));
	table->rows++;
	table->filled = 0;
}

void mf_table_cell_styled(struct mf_table *table, enum mf_style style,
                          struct mf_str text)
{
	struct cell *cell;

	if (!table || table->is_short || !table->rows ||
	    table->filled == table->n)
		return;
	cell = &table->cells[(table->rows - 1) * table->n + table->filled++];
	cell->at = table->text.len;
	cell->style = style;
	mf_text_terminal(&table->text, text);
	cell->len = table->text.len - cell->at;
	if (cell->len)
		cell->width = measure(table->text.ptr + cell->at, &cell->len,
		                      (unsigned)-1);
}

void mf_table_cell(struct mf_table *table, struct mf_str text)
{
	mf_table_cell_styled(table, MF_STYLE_PLAIN, text);
}

void mf_table_cellf(struct mf_table *table, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0) {
		if (table)
			table->is_short = true;
		return;
	}
	mf_table_cell(table, (struct mf_str){text, (size_t)len});
	free(text);
}

size_t mf_table_rows(const struct mf_table *table)
{
	return table ? table->rows : 0;
}

static void find_widths(const struct mf_table *table, unsigned *widths)
{
	for (size_t i = 0; i < table->n; i++) {
		size_t len = strlen(table->columns[i].title);

		widths[i] =
			measure(table->columns[i].title, &len, (unsigned)-1);
	}
	for (size_t i = 0; i < table->rows * table->n; i++) {
		if (table->cells[i].width > widths[i % table->n])
			widths[i % table->n] = table->cells[i].width;
	}
}

/* Take what is too much from the widest of the columns that may shrink. */
static void shrink(const struct mf_table *table, unsigned *widths,
                   unsigned width)
{
	for (;;) {
		unsigned total = (unsigned)(table->n - 1) * GAP;
		size_t widest = table->n;

		for (size_t i = 0; i < table->n; i++) {
			unsigned least = table->columns[i].least;

			total += widths[i];
			if (least && widths[i] > least &&
			    (widest == table->n || widths[i] > widths[widest]))
				widest = i;
		}
		if (total <= width || widest == table->n)
			return;
		widths[widest]--;
	}
}

static void print_cell(const struct mf_table *table, const struct mf_out *out,
                       const struct cell *cell, unsigned width, size_t column)
{
	const char *text = table->text.ptr + cell->at;
	bool is_last = column + 1 == table->n;
	bool is_cut = cell->width > width;
	unsigned taken = cell->width;
	size_t len = cell->len;
	unsigned pad;

	if (is_cut)
		taken = measure(text, &len, width - 1) + 1;
	pad = width - taken;
	if (table->columns[column].is_right)
		fprintf(out->file, "%*s", (int)pad, "");
	fputs(mf_style_begin(out, cell->style), out->file);
	if (len)
		fwrite(text, 1, len, out->file);
	fputs(is_cut ? "…" : "", out->file);
	fputs(mf_style_end(out, cell->style), out->file);
	if (!table->columns[column].is_right && !is_last)
		fprintf(out->file, "%*s", (int)pad, "");
	if (!is_last)
		fprintf(out->file, "%*s", (int)GAP, "");
}

static void print_titles(const struct mf_table *table, const struct mf_out *out,
                         const unsigned *widths)
{
	fputs(mf_style_begin(out, MF_STYLE_STRONG), out->file);
	for (size_t i = 0; i < table->n; i++) {
		const struct mf_column *column = &table->columns[i];
		bool is_last = i + 1 == table->n;
		int width = is_last && !column->is_right ? 0 : (int)widths[i];

		fprintf(out->file, "%*s%s", column->is_right ? width : -width,
		        column->title, is_last ? "" : "  ");
	}
	fputs(mf_style_end(out, MF_STYLE_STRONG), out->file);
	fputc('\n', out->file);
}

int mf_table_print(const struct mf_table *table, const struct mf_out *out,
                   struct mf_err *err)
{
	unsigned *widths = NULL;

	if (table && !table->is_short && mf_buf_ok(&table->text))
		widths = calloc(table->n, sizeof(*widths));
	if (!widths)
		return mf_fail(err, -ENOMEM, "cannot print the table");
	find_widths(table, widths);
	if (out->width)
		shrink(table, widths, out->width);
	print_titles(table, out, widths);
	for (size_t i = 0; i < table->rows * table->n; i++) {
		size_t column = i % table->n;

		print_cell(table, out, &table->cells[i], widths[column],
		           column);
		if (column + 1 == table->n)
			fputc('\n', out->file);
	}
	free(widths);
	return 0;
}

void mf_table_free(struct mf_table *table)
{
	if (!table)
		return;
	mf_buf_clear(&table->text);
	free(table->cells);
	free(table);
}

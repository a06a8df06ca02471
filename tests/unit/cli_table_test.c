#include "support/test.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "mfcli/table.h"
#include "support/fault_alloc.h"

static const struct mf_column columns[] = {
	{"NAME", false, 4},
	{"SIZE", true, 0},
	{"WHAT", false, 4},
};

static char text[4096];

static int print(const struct mf_table *table, unsigned width)
{
	struct mf_out out = {.file = tmpfile(), .width = width};
	size_t n;
	int rc;

	assert_non_null(out.file);
	rc = mf_table_print(table, &out, NULL);
	rewind(out.file);
	n = fread(text, 1, sizeof(text) - 1, out.file);
	text[n] = '\0';
	fclose(out.file);
	return rc;
}

static struct mf_table *fill(void)
{
	struct mf_table *table = mf_table_new(columns, 3);

	mf_table_row(table);
	mf_table_cell(table, MF_STR("müller"));
	mf_table_cellf(table, "%d", 12345);
	mf_table_cell(table, MF_STR("a\033[2Jb"));
	mf_table_row(table);
	mf_table_cell(table, MF_STR("日本"));
	mf_table_cell(table, MF_STR("1"));
	return table;
}

TEST(columns_line_up_as_a_terminal_shows_them)
{
	struct mf_table *table = fill();

	assert_int_equal(print(table, 0), 0);
	assert_string_equal(text, "NAME     SIZE  WHAT\n"
	                          "müller  12345  a\\e[2Jb\n"
	                          "日本        1  \n");
	assert_int_equal(mf_table_rows(table), 2);
	mf_table_free(table);
}

TEST(what_may_shrink_is_cut_until_a_row_fits)
{
	struct mf_table *table = fill();

	assert_int_equal(print(table, 19), 0);
	assert_string_equal(text, "NAME    SIZE  WHAT\n"
	                          "müll…  12345  a\\e[…\n"
	                          "日本       1  \n");
	/* narrower than the least widths: they hold, nothing is lost */
	assert_int_equal(print(table, 3), 0);
	assert_non_null(strstr(text, "mül…  12345  a\\e…"));
	mf_table_free(table);
}

TEST(cells_beyond_the_columns_are_ignored)
{
	struct mf_table *table = mf_table_new(columns, 3);

	mf_table_cell(table, MF_STR("before any row"));
	mf_table_row(table);
	for (int i = 0; i < 5; i++)
		mf_table_cellf(table, "%d", i);
	assert_int_equal(print(table, 0), 0);
	assert_non_null(strstr(text, "0        1  2\n"));
	assert_null(strstr(text, "3"));
	mf_table_free(table);
}

TEST(a_table_without_memory_says_so_when_it_is_printed)
{
	struct mf_table *table;
	int rc = -ENOMEM;
	long nth;

	for (nth = 0; rc == -ENOMEM; nth++) {
		fault_alloc_fail_at(nth);
		table = mf_table_new(columns, 3);
		for (int i = 0; i < 100; i++) {
			mf_table_row(table);
			mf_table_cell(table, MF_STR("some text"));
		}
		fault_alloc_fail_at(-1);
		rc = print(table, 80);
		mf_table_free(table);
	}
	assert_int_equal(rc, 0);
	assert_true(nth > 4);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(columns_line_up_as_a_terminal_shows_them),
		CASE(what_may_shrink_is_cut_until_a_row_fits),
		CASE(cells_beyond_the_columns_are_ignored),
		CASE(a_table_without_memory_says_so_when_it_is_printed),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("cli_table", cases, NULL, NULL);
}

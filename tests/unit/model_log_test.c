#include "support/test.h"

#include <string.h>

#include "mfcore/tasklog.h"
#include "support/life.h"

/* A scheduler at 100 that reads what its task 200 writes. */
struct watched {
	struct life l;
	struct mf_tasklog *log;
};

static void fold_both(struct watched *w)
{
	assert_int_equal(mf_tasklog_fold(w->log, &w->l.e.ev, NULL), 0);
}

static void begin(struct watched *w)
{
	struct mf_proc task = {.pid = 200, .start_ticks = 2000, .nth = 1};

	life_begin(&w->l);
	assert_int_equal(mf_tasklog_new(&w->log, &task), 0);
	mf_tasklog_set_model(w->log, w->l.model);
	life_start(&w->l, 0.1, 100, LIFE_RECORDER, LIFE_SCHEDULER);
	life_start(&w->l, 0.2, 200, 100, "python3 task.py");
	fold_both(w);
}

static void end(struct watched *w)
{
	mf_tasklog_free(w->log);
	life_end(&w->l);
}

static void wrote(struct watched *w, double t, uint32_t pid, const char *text)
{
	life_by(&w->l, MF_EV_OUTPUT, t, pid);
	events_u64(&w->l.e, MF_F_STREAM, 1);
	events_u64(&w->l.e, MF_F_INODE, 200001);
	events_str(&w->l.e, MF_F_DATA, text);
	life_fold(&w->l);
	fold_both(w);
}

static void was_read(struct watched *w, double t, const char *text)
{
	life_by(&w->l, MF_EV_CAPTURE, t, 100);
	events_u64(&w->l.e, MF_F_STREAM, 1);
	events_u64(&w->l.e, MF_F_INODE, 200001);
	events_str(&w->l.e, MF_F_DATA, text);
	life_fold(&w->l);
	fold_both(w);
}

static void expect(struct watched *w, size_t i, double t, const char *text,
                   uint32_t pid)
{
	struct mf_log_line line;

	assert_int_equal(mf_tasklog_assemble(w->log), 0);
	assert_true(mf_tasklog_line(w->log, 1, i, &line));
	assert_true(mf_str_is(line.text, text));
	assert_int_equal(line.time_ns, EVENTS_EPOCH + (uint64_t)(t * 1e9));
	assert_int_equal(line.pid, pid);
}

static void expect_all(struct watched *w, const char *bytes)
{
	assert_int_equal(mf_tasklog_assemble(w->log), 0);
	assert_true(mf_str_is(mf_tasklog_bytes(w->log, 1), bytes));
}

TEST(a_line_has_the_time_it_was_written_and_not_read)
{
	struct watched w;

	begin(&w);
	wrote(&w, 1, 200, "one\n");
	wrote(&w, 2, 200, "two\n");
	was_read(&w, 5, "one\ntwo\n");
	expect(&w, 0, 1, "one", 200);
	expect(&w, 1, 2, "two", 200);
	expect_all(&w, "one\ntwo\n");
	end(&w);
}

TEST(bytes_of_an_unrecorded_writer_stand_where_they_were_read)
{
	struct watched w;

	begin(&w);
	wrote(&w, 1, 200, "one\n");
	wrote(&w, 3, 200, "three\n");
	was_read(&w, 4, "one\ntwo by ");
	was_read(&w, 5, "printf\nthree\nfour\n");
	expect_all(&w, "one\ntwo by printf\nthree\nfour\n");
	expect(&w, 0, 1, "one", 200);
	expect(&w, 1, 4, "two by printf", 0);
	expect(&w, 2, 3, "three", 200);
	expect(&w, 3, 5, "four", 0);
	end(&w);
}

TEST(what_was_not_read_yet_stands_at_the_end)
{
	struct watched w;

	begin(&w);
	wrote(&w, 1, 200, "one\n");
	was_read(&w, 2, "one\n");
	wrote(&w, 3, 200, "last words\n");
	expect_all(&w, "one\nlast words\n");
	expect(&w, 1, 3, "last words", 200);
	end(&w);
}

TEST(without_a_reader_the_writes_are_the_log)
{
	struct watched w;
	struct mf_log_line line;

	begin(&w);
	wrote(&w, 1, 200, "half");
	wrote(&w, 2, 200, " a line\nno end");
	expect(&w, 0, 1, "half a line", 200);
	expect(&w, 1, 2, "no end", 200);
	assert_true(mf_tasklog_line(w.log, 1, 1, &line));
	assert_false(line.is_whole);
	assert_false(mf_tasklog_line(w.log, 1, 2, &line));
	end(&w);
}

TEST(children_write_to_their_tasks_log_and_strangers_do_not)
{
	struct watched w;

	begin(&w);
	life_start(&w.l, 0.5, 300, 200, "sh");
	fold_both(&w);
	life_start(&w.l, 0.6, 400, 100, "python3 other.py");
	fold_both(&w);
	wrote(&w, 1, 300, "child\n");
	wrote(&w, 2, 400, "stranger\n");
	expect_all(&w, "child\n");
	end(&w);
}

TEST(a_pipe_number_that_comes_again_is_another_pipe)
{
	struct watched w;

	begin(&w);
	was_read(&w, 1, "mine\n");
	life_wait(&w.l, 2, 100, 200, 0);
	fold_both(&w);
	life_by(&w.l, MF_EV_PROC_START, 3, 500);
	events_u64(&w.l.e, MF_F_PPID, 100);
	events_words(&w.l.e, MF_F_ARGV, "python3 next.py");
	events_u64(&w.l.e, MF_F_STDOUT, 200001);
	life_fold(&w.l);
	fold_both(&w);
	was_read(&w, 4, "not mine\n");
	expect_all(&w, "mine\n");
	end(&w);
}

TEST(what_was_not_kept_is_counted)
{
	struct watched w;

	begin(&w);
	life_by(&w.l, MF_EV_COUNTER, 1, 200);
	events_str(&w.l.e, MF_F_ROLE, "output-excess");
	events_u64(&w.l.e, MF_F_STREAM, 1);
	w.l.e.ev.counter = 12345;
	life_fold(&w.l);
	fold_both(&w);
	assert_int_equal(mf_tasklog_excess(w.log, 1), 12345);
	assert_int_equal(mf_tasklog_excess(w.log, 2), 0);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_line_has_the_time_it_was_written_and_not_read),
		CASE(bytes_of_an_unrecorded_writer_stand_where_they_were_read),
		CASE(what_was_not_read_yet_stands_at_the_end),
		CASE(without_a_reader_the_writes_are_the_log),
		CASE(children_write_to_their_tasks_log_and_strangers_do_not),
		CASE(a_pipe_number_that_comes_again_is_another_pipe),
		CASE(what_was_not_kept_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "mfcore/messages.h"
#include "support/life.h"

#define WORKER "/usr/bin/python3 -u /m/sidecar/sidecar_worker.py debugLogger"
#define ONE "{\"msg_type\": 3, \"payload\": {\"n\": 1}}\n"
#define TWO "{\"msg_type\": 3, \"payload\": {\"n\": 2}}\n"

/* A task at 100 with a sidecar at 150 on pipe 77, and its messages. */
struct pair {
	struct life l;
	struct mf_messages *m;
};

static void fold_both(struct pair *p)
{
	assert_int_equal(mf_messages_fold(p->m, &p->l.e.ev, NULL), 0);
}

static void begin(struct pair *p)
{
	life_begin(&p->l);
	assert_int_equal(mf_messages_new(&p->m, p->l.model), 0);
	life_start(&p->l, 0.1, 100, LIFE_RECORDER, "python3 x.py");
	life_sidecar(&p->l, 0.2, 100, 150, 77, "debugLogger");
	life_start(&p->l, 0.3, 150, 100, WORKER);
}

static void end(struct pair *p)
{
	mf_messages_free(p->m);
	life_end(&p->l);
}

static void send(struct pair *p, double t, const char *data, int64_t result)
{
	life_send(&p->l, t, 100, 77, data, result);
	fold_both(p);
}

static void recv(struct pair *p, double t, uint32_t pid, const char *data)
{
	life_recv(&p->l, t, pid, 77, data);
	fold_both(p);
}

static void expect(struct pair *p, uint64_t number, enum mf_message_fate fate,
                   const char *bytes)
{
	struct mf_message m;

	assert_true(mf_messages_next(p->m, false, true, &m));
	assert_int_equal(m.number, number);
	assert_int_equal(m.fate, fate);
	if (bytes)
		assert_true(mf_str_is(m.bytes, bytes));
}

static struct mf_stream_counts counts(struct pair *p)
{
	struct mf_stream_counts n;

	mf_stream_count(mf_model_streams(p->l.model), &n);
	return n;
}

TEST(messages_are_lines_however_they_are_read)
{
	struct pair p;
	struct mf_message m;

	begin(&p);
	send(&p, 1, ONE, sizeof(ONE) - 1);
	send(&p, 2, TWO, sizeof(TWO) - 1);
	recv(&p, 3, 150, "{\"msg_type\": 3, \"pay");
	recv(&p, 4, 150, "load\": {\"n\": 1}}\n" TWO);
	assert_true(mf_messages_next(p.m, true, false, &m));
	assert_int_equal(m.fate, MF_FATE_RECEIVED);
	assert_int_equal(m.sent_ns, EVENTS_EPOCH + 1000000000);
	assert_int_equal(m.received_ns, EVENTS_EPOCH + 4000000000);
	assert_true(mf_messages_next(p.m, true, false, &m));
	assert_int_equal(m.number, 2);
	assert_false(mf_messages_next(p.m, true, false, &m));
	assert_int_equal(counts(&p).sent, 2);
	assert_int_equal(counts(&p).received, 2);
	assert_int_equal(counts(&p).lost, 0);
	end(&p);
}

TEST(a_follower_waits_until_the_fate_is_known)
{
	struct pair p;
	struct mf_message m;

	begin(&p);
	send(&p, 1, ONE, sizeof(ONE) - 1);
	assert_false(mf_messages_next(p.m, true, false, &m));
	recv(&p, 3, 150, ONE);
	assert_true(mf_messages_next(p.m, true, false, &m));
	end(&p);
}

static void ends(struct pair *p, double t, uint32_t pid)
{
	life_by(&p->l, MF_EV_PIPE_END, t, pid);
	events_u64(&p->l.e, MF_F_INODE, 77);
	events_u64(&p->l.e, MF_F_COUNT, 40);
	life_fold(&p->l);
	fold_both(p);
}

TEST(a_senders_end_leaves_the_reader_its_time)
{
	struct pair p;
	struct mf_message m;

	begin(&p);
	send(&p, 1, ONE, sizeof(ONE) - 1);
	send(&p, 2, TWO, sizeof(TWO) - 1);
	ends(&p, 3, 100);
	assert_false(mf_messages_next(p.m, true, false, &m));
	recv(&p, 4, 150, ONE);
	assert_true(mf_messages_next(p.m, true, false, &m));
	assert_int_equal(m.fate, MF_FATE_RECEIVED);
	ends(&p, 5, 150);
	assert_false(mf_messages_next(p.m, true, false, &m));
	mf_messages_next_round(p.m);
	assert_true(mf_messages_next(p.m, true, false, &m));
	assert_int_equal(m.fate, MF_FATE_LEFT);
	end(&p);
}

TEST(a_reap_that_is_found_before_the_last_read_settles_nothing)
{
	struct pair p;
	struct mf_message m;

	begin(&p);
	send(&p, 1, ONE, sizeof(ONE) - 1);
	life_reap(&p.l, 3, 150, 0);
	assert_false(mf_messages_next(p.m, true, false, &m));
	recv(&p, 2, 150, ONE); /* written before, found after */
	mf_messages_next_round(p.m);
	assert_true(mf_messages_next(p.m, true, false, &m));
	assert_int_equal(m.fate, MF_FATE_RECEIVED);
	end(&p);
}

TEST(a_reader_may_write_down_its_read_first)
{
	struct pair p;
	struct mf_message m;

	begin(&p);
	recv(&p, 1.0, 150, ONE);
	send(&p, 1.1, ONE, sizeof(ONE) - 1);
	assert_true(mf_messages_next(p.m, true, false, &m));
	assert_int_equal(m.fate, MF_FATE_RECEIVED);
	assert_int_equal(m.received_ns, m.sent_ns);
	end(&p);
}

TEST(what_was_never_read_is_left_in_the_pipe)
{
	struct pair p;

	begin(&p);
	send(&p, 1, ONE, sizeof(ONE) - 1);
	send(&p, 2, TWO, sizeof(TWO) - 1);
	recv(&p, 3, 150, ONE);
	life_reap(&p.l, 4, 150, 9);
	expect(&p, 1, MF_FATE_RECEIVED, NULL);
	expect(&p, 2, MF_FATE_LEFT,
	       "{\"msg_type\": 3, \"payload\": {\"n\": 2}}");
	assert_int_equal(counts(&p).lost, 1);
	end(&p);
}

TEST(a_full_pipe_and_a_broken_one_take_nothing)
{
	struct pair p;

	begin(&p);
	send(&p, 1, ONE, -EAGAIN);
	send(&p, 2, "\n" TWO, -EPIPE);
	expect(&p, 1, MF_FATE_FULL, NULL);
	expect(&p, 2, MF_FATE_BROKEN,
	       "{\"msg_type\": 3, \"payload\": {\"n\": 2}}");
	assert_int_equal(counts(&p).refused, 2);
	assert_int_equal(counts(&p).sent, 0);
	end(&p);
}

TEST(a_cut_message_ends_where_the_sender_ends_it)
{
	struct pair p;

	begin(&p);
	send(&p, 1, ONE, 10);
	send(&p, 2, "\n" TWO, 1 + (int64_t)sizeof(TWO) - 1);
	recv(&p, 3, 150, "{\"msg_type\n" TWO);
	expect(&p, 1, MF_FATE_CUT, "{\"msg_type");
	expect(&p, 2, MF_FATE_RECEIVED, NULL);
	end(&p);
}

TEST(an_empty_line_is_a_message_for_it_ends_the_worker)
{
	struct pair p;

	begin(&p);
	send(&p, 1, "\n" ONE, 1 + (int64_t)sizeof(ONE) - 1);
	recv(&p, 2, 150, "\n");
	life_exit(&p.l, 3, 150, 0);
	life_reap(&p.l, 3.1, 150, 0);
	expect(&p, 1, MF_FATE_RECEIVED, "");
	expect(&p, 2, MF_FATE_LEFT, NULL);
	end(&p);
}

TEST(a_restart_is_another_generation_of_the_same_stream)
{
	struct pair p;
	const struct mf_stream *s;
	struct mf_message m;

	begin(&p);
	send(&p, 1, ONE, sizeof(ONE) - 1);
	/* the same pipe number, as it happens: another pipe */
	life_sidecar(&p.l, 2, 100, 160, 77, "debugLogger");
	life_start(&p.l, 2.1, 160, 100, WORKER);
	send(&p, 3, TWO, sizeof(TWO) - 1);
	recv(&p, 4, 160, TWO);
	s = mf_model_streams(p.l.model);
	assert_null(s->next);
	assert_int_equal(s->last->generation, 2);
	expect(&p, 1, MF_FATE_LEFT, NULL);
	assert_true(mf_messages_next(p.m, false, true, &m));
	assert_int_equal(m.generation, 2);
	assert_int_equal(m.number, 2);
	assert_int_equal(m.fate, MF_FATE_RECEIVED);
	assert_int_equal(life_node(&p.l, "s1")->pid, 160);
	assert_true(mf_str_is(life_node(&p.l, "150")->parent->id, "s1"));
	end(&p);
}

TEST(two_sidecars_of_a_process_are_two_streams)
{
	struct pair p;

	begin(&p);
	life_sidecar(&p.l, 1, 100, 151, 78, "debugMonitor");
	assert_true(mf_str_is(life_node(&p.l, "s1")->name, "debugLogger"));
	assert_true(mf_str_is(life_node(&p.l, "s2")->name, "debugMonitor"));
	assert_true(mf_str_is(life_node(&p.l, "s2")->parent->id, "100"));
	end(&p);
}

TEST(only_the_stream_asked_for_is_kept)
{
	struct pair p;
	struct mf_message m;

	begin(&p);
	mf_messages_only(p.m, MF_STR("s2"));
	life_sidecar(&p.l, 1, 100, 151, 78, "debugMonitor");
	send(&p, 2, ONE, sizeof(ONE) - 1);
	life_send(&p.l, 3, 100, 78, TWO, sizeof(TWO) - 1);
	fold_both(&p);
	assert_true(mf_messages_next(p.m, false, true, &m));
	assert_true(mf_str_is(m.stream->id, "s2"));
	assert_false(mf_messages_next(p.m, false, true, &m));
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(messages_are_lines_however_they_are_read),
		CASE(a_follower_waits_until_the_fate_is_known),
		CASE(a_senders_end_leaves_the_reader_its_time),
		CASE(a_reap_that_is_found_before_the_last_read_settles_nothing),
		CASE(a_reader_may_write_down_its_read_first),
		CASE(what_was_never_read_is_left_in_the_pipe),
		CASE(a_full_pipe_and_a_broken_one_take_nothing),
		CASE(a_cut_message_ends_where_the_sender_ends_it),
		CASE(an_empty_line_is_a_message_for_it_ends_the_worker),
		CASE(a_restart_is_another_generation_of_the_same_stream),
		CASE(two_sidecars_of_a_process_are_two_streams),
		CASE(only_the_stream_asked_for_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

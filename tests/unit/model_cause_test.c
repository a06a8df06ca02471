#include "support/test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "support/life.h"

#define TASK "hello/1795/work/2"

/* A scheduler at 100 with the task work/2 as 200 and work/3 as 201. */
static void begin_run(struct life *l)
{
	life_begin(l);
	life_start(l, 0.1, 100, LIFE_RECORDER, LIFE_SCHEDULER);
	life_step(l, 1.0, 200, 100, "work", "2", 0);
	life_step(l, 1.1, 201, 100, "work", "3", 0);
}

static void end_run(struct life *l, double t, int status)
{
	if (!(status & 0x7f))
		life_exit(l, t, 100, status >> 8);
	life_reap(l, t + 0.01, 100, status);
	life_over(l, t + 0.02, 100, status);
}

static void check(struct life *l, const char *id, enum mf_node_state state,
                  enum mf_cause cause, enum mf_blame blame, const char *words)
{
	const struct mf_node *node = life_node(l, id);

	assert_int_equal(node->state, state);
	assert_int_equal(node->exit.cause, cause);
	assert_int_equal(node->blame, blame);
	if (mf_str_search(node->exit.text, mf_str(words)) >=
	    node->exit.text.len)
		fail_msg("'%.*s' does not say '%s'", (int)node->exit.text.len,
		         node->exit.text.ptr, words);
}

TEST(an_exit_code_comes_with_the_last_line_of_stderr)
{
	struct life l;

	begin_run(&l);
	life_write(&l, 1.5, 200, 2, "Traceback:\n  File x\n");
	life_write(&l, 1.5, 200, 2, "ValueError: bad value 7\n\n");
	life_exit(&l, 2, 200, 1);
	life_wait(&l, 2.1, 100, 200, 1 << 8);
	end_run(&l, 3, 1 << 8);
	check(&l, TASK "@0", MF_STATE_FAILED, MF_CAUSE_EXIT, MF_BLAME_FIRST,
	      "exit status 1: ValueError: bad value 7");
	check(&l, "hello/1795", MF_STATE_FAILED, MF_CAUSE_EXIT,
	      MF_BLAME_COLLATERAL, "exit status 1");
	life_end(&l);
}

TEST(status_202_says_that_it_asked_for_no_retry)
{
	struct life l;

	begin_run(&l);
	life_wait(&l, 2, 100, 200, 202 << 8);
	check(&l, TASK "@0", MF_STATE_FAILED, MF_CAUSE_EXIT, MF_BLAME_FIRST,
	      "202");
	check(&l, TASK "@0", MF_STATE_FAILED, MF_CAUSE_EXIT, MF_BLAME_FIRST,
	      "retr");
	life_end(&l);
}

TEST(a_wait_status_outweighs_what_the_process_said)
{
	struct life l;

	begin_run(&l);
	life_exit(&l, 2, 200, 0);
	life_wait(&l, 2.1, 100, 200, SIGKILL);
	check(&l, TASK "@0", MF_STATE_KILLED, MF_CAUSE_SIGNAL, MF_BLAME_FIRST,
	      "SIGKILL");
	life_end(&l);
}

TEST(a_signal_has_a_sender_when_one_was_recorded)
{
	struct life l;

	begin_run(&l);
	life_start(&l, 1.2, 300, 200, "sh -c kill");
	life_kill(&l, 1.3, 300, 200, SIGTERM);
	life_wait(&l, 1.4, 100, 200, SIGTERM);
	check(&l, TASK "@0", MF_STATE_KILLED, MF_CAUSE_SIGNAL, MF_BLAME_FIRST,
	      "SIGTERM sent by pid 300");
	assert_true(mf_str_is(life_node(&l, TASK "@0")->exit.sender, "300"));
	life_end(&l);
}

TEST(a_signal_to_the_group_has_a_sender_too)
{
	struct life l;

	begin_run(&l);
	life_start(&l, 1.2, 300, LIFE_RECORDER, "sh");
	life_kill(&l, 1.3, 300, -100, SIGTERM);
	life_wait(&l, 1.4, 100, 200, SIGTERM);
	check(&l, TASK "@0", MF_STATE_KILLED, MF_CAUSE_SIGNAL, MF_BLAME_FIRST,
	      "sent by pid 300");
	life_end(&l);
}

TEST(a_signal_that_failed_killed_nobody)
{
	struct life l;

	begin_run(&l);
	life_by(&l, MF_EV_SIGNAL, 1.3, 201);
	events_i64(&l.e, MF_F_TARGET, 200);
	events_u64(&l.e, MF_F_SIGNO, SIGKILL);
	events_i64(&l.e, MF_F_RESULT, -1);
	life_fold(&l);
	life_wait(&l, 1.4, 100, 200, SIGKILL);
	assert_false(life_node(&l, TASK "@0")->exit.sender.len);
	life_end(&l);
}

TEST(the_schedulers_clean_up_is_collateral)
{
	struct life l;

	begin_run(&l);
	life_wait(&l, 2, 100, 200, 1 << 8);
	life_kill(&l, 2.5, 100, 201, SIGKILL);
	life_wait(&l, 2.6, 100, 201, SIGKILL);
	end_run(&l, 3, 1 << 8);
	check(&l, TASK "@0", MF_STATE_FAILED, MF_CAUSE_EXIT, MF_BLAME_FIRST,
	      "exit status 1");
	check(&l, "hello/1795/work/3@0", MF_STATE_KILLED, MF_CAUSE_ORCHESTRATOR,
	      MF_BLAME_COLLATERAL, "clean-up");
	life_end(&l);
}

TEST(a_segmentation_fault_is_named)
{
	struct life l;

	begin_run(&l);
	life_wait(&l, 2, 100, 200, SIGSEGV | 0x80);
	check(&l, TASK "@0", MF_STATE_KILLED, MF_CAUSE_SIGNAL, MF_BLAME_FIRST,
	      "segmentation fault");
	check(&l, TASK "@0", MF_STATE_KILLED, MF_CAUSE_SIGNAL, MF_BLAME_FIRST,
	      "core dumped");
	life_end(&l);
}

static void kernel_says(struct life *l, double t, uint64_t pid)
{
	life_by(l, MF_EV_KERNEL, t, LIFE_RECORDER);
	events_str(&l->e, MF_F_NAME, "oom_kill");
	events_u64(&l->e, MF_F_COUNT, 1);
	if (pid)
		events_u64(&l->e, MF_F_PID, pid);
	life_fold(l);
}

TEST(the_oom_killer_is_known_by_the_kernels_counter)
{
	struct life l;

	begin_run(&l);
	life_wait(&l, 2, 100, 200, SIGKILL);
	kernel_says(&l, 2.3, 0);
	check(&l, TASK "@0", MF_STATE_KILLED, MF_CAUSE_OOM, MF_BLAME_FIRST,
	      "want of memory");
	life_end(&l);
}

TEST(an_oom_kill_of_another_process_is_not_this_ones)
{
	struct life l;

	begin_run(&l);
	life_wait(&l, 2, 100, 200, SIGKILL);
	kernel_says(&l, 2.3, 201);
	kernel_says(&l, 60, 0); /* much later */
	check(&l, TASK "@0", MF_STATE_KILLED, MF_CAUSE_SIGNAL, MF_BLAME_FIRST,
	      "SIGKILL");
	life_end(&l);
}

TEST(an_oom_kill_elsewhere_on_the_machine_is_only_mentioned)
{
	struct life l;

	begin_run(&l);
	life_wait(&l, 2, 100, 200, SIGKILL);
	life_by(&l, MF_EV_KERNEL, 2.3, LIFE_RECORDER);
	events_str(&l.e, MF_F_NAME, "oom_kill");
	events_u64(&l.e, MF_F_COUNT, 1);
	events_str(&l.e, MF_F_REASON, "not in this cgroup");
	life_fold(&l);
	check(&l, TASK "@0", MF_STATE_KILLED, MF_CAUSE_SIGNAL, MF_BLAME_FIRST,
	      "elsewhere on the machine");
	life_end(&l);
}

TEST(timeout_is_told_from_other_exceptions)
{
	struct life l;

	begin_run(&l);
	life_write(&l, 1.5, 200, 2,
	           "<flow TmoFlow step work> failed:\n    Internal error\n"
	           "Step work timed out after 0 hours, 0 minutes, 1 "
	           "seconds\n\n");
	life_wait(&l, 2, 100, 200, 1 << 8);
	check(&l, TASK "@0", MF_STATE_FAILED, MF_CAUSE_TIMEOUT, MF_BLAME_FIRST,
	      "@timeout");
	life_end(&l);
}

TEST(a_task_may_meet_the_broken_pipe_before_the_status_is_taken)
{
	struct life l;

	begin_run(&l);
	life_by(&l, MF_EV_OUTPUT, 1.9, 200);
	events_u64(&l.e, MF_F_STREAM, 1);
	events_i64(&l.e, MF_F_RESULT, -EPIPE);
	life_fold(&l);
	life_exit(&l, 2, 200, 1);
	life_reap(&l, 2.1, 200, 1 << 8);
	life_reap(&l, 2.2, 100, SIGKILL);
	life_over(&l, 4, 100, SIGKILL);
	check(&l, "hello/1795", MF_STATE_KILLED, MF_CAUSE_SIGNAL,
	      MF_BLAME_FIRST, "SIGKILL");
	check(&l, TASK "@0", MF_STATE_FAILED, MF_CAUSE_PARENT_DEATH,
	      MF_BLAME_COLLATERAL, "scheduler was gone");
	life_end(&l);
}

TEST(a_task_without_its_scheduler_dies_of_that)
{
	struct life l;

	begin_run(&l);
	life_reap(&l, 2, 100, SIGKILL);
	life_reap(&l, 3, 200, SIGPIPE);
	life_exit(&l, 3.1, 201, 1);
	life_reap(&l, 3.1, 201, 1 << 8);
	life_over(&l, 4, 100, SIGKILL);
	check(&l, "hello/1795", MF_STATE_KILLED, MF_CAUSE_SIGNAL,
	      MF_BLAME_FIRST, "SIGKILL");
	check(&l, TASK "@0", MF_STATE_KILLED, MF_CAUSE_PARENT_DEATH,
	      MF_BLAME_COLLATERAL, "scheduler was gone");
	check(&l, "hello/1795/work/3@0", MF_STATE_FAILED, MF_CAUSE_PARENT_DEATH,
	      MF_BLAME_COLLATERAL, "scheduler was gone");
	life_end(&l);
}

TEST(a_task_that_runs_on_without_its_scheduler_says_so)
{
	struct life l;
	const struct mf_node *node;

	begin_run(&l);
	life_reap(&l, 2, 100, SIGKILL);
	life_tree(&l, true);
	node = mf_model_node_of(l.model, mf_model_runs(l.model)->scheduler);
	assert_true(mf_str_search(node->note, mf_str("2 tasks run on")) <
	            node->note.len);
	life_end(&l);
}

/* data.json as Metaflow writes it; the keys are those of the constants. */
static void save(struct life *l, double t, const char *ok, const char *success)
{
	char json[512];

	snprintf(json, sizeof(json),
	         "{\"datastore\":\"local\",\"version\":\"1.0\",\"attempt\":0,"
	         "\"python_version\":\"3.11\",\"objects\":{\"_task_ok\":"
	         "\"%s\",\"_success\":\"%s\"},\"info\":{}}",
	         ok, success);
	life_mark(l, t, 200, "/w/.metaflow/hello/1795/work/2/0.attempt.json",
	          "{\"time\": 1.5}");
	life_mark(l, t, 200, "/w/.metaflow/hello/1795/work/2/0.data.json",
	          json);
	life_mark(l, t, 200, "/w/.metaflow/hello/1795/work/2/0.DONE.lock",
	          "\"\"");
}

/* sha1 of the pickles of the constants, protocol 4 */
#define KEY_TRUE "868436778cb011a1c6230bc12534683ab0b7f1c3"
#define KEY_FALSE "2473d4676d5b2aba674167293142f8031ada401b"
#define KEY_NONE "dbc1aaddc8b7343d6d33b34edcf608b8f8801918"

TEST(success_is_what_the_task_recorded_and_not_its_status)
{
	struct life l;

	begin_run(&l);
	save(&l, 1.8, KEY_NONE, KEY_NONE);
	life_wait(&l, 2, 100, 200, 0);
	check(&l, TASK "@0", MF_STATE_FAILED, MF_CAUSE_EXIT, MF_BLAME_FIRST,
	      "_task_ok is None");
	life_end(&l);
}

TEST(status_0_without_a_result_is_a_failure)
{
	struct life l;

	begin_run(&l);
	life_mark(&l, 1.5, 200, "/w/.metaflow/hello/1795/work/2/0.attempt.json",
	          "{\"time\": 1.5}");
	life_wait(&l, 2, 100, 200, 0);
	check(&l, TASK "@0", MF_STATE_FAILED, MF_CAUSE_EXIT, MF_BLAME_FIRST,
	      "DONE");
	life_end(&l);
}

TEST(a_failure_that_catch_swallowed_is_none)
{
	struct life l;

	begin_run(&l);
	save(&l, 1.8, KEY_TRUE, KEY_FALSE);
	life_wait(&l, 2, 100, 200, 0);
	end_run(&l, 3, 0);
	assert_int_equal(life_node(&l, TASK "@0")->state, MF_STATE_OK);
	assert_int_equal(life_node(&l, TASK "@0")->blame, MF_BLAME_CAUGHT);
	life_end(&l);
}

TEST(a_later_attempt_takes_the_blame)
{
	struct life l;

	begin_run(&l);
	life_wait(&l, 2, 100, 200, 1 << 8);
	life_step(&l, 2.5, 210, 100, "work", "2", 1);
	life_wait(&l, 3, 100, 210, 0);
	end_run(&l, 4, 0);
	assert_int_equal(life_node(&l, TASK "@0")->blame, MF_BLAME_RETRIED);
	assert_int_equal(life_node(&l, TASK "@1")->blame, MF_BLAME_NONE);
	assert_int_equal(life_node(&l, TASK)->state, MF_STATE_OK);
	life_end(&l);
}

TEST(a_control_task_falls_with_its_mapper)
{
	struct life l;

	begin_run(&l);
	life_start(&l, 1.5, 250, 200,
	           "python -u hello.py step work --run-id 1795 --task-id "
	           "2_node_1 --input-paths 1795/start/1 --retry-count 0 "
	           "--max-user-code-retries 0 --ubf-context ubf_task");
	life_wait(&l, 2, 200, 250, 1 << 8);
	life_wait(&l, 2.5, 100, 200, 1 << 8);
	check(&l, "hello/1795/work/2_node_1@0", MF_STATE_FAILED, MF_CAUSE_EXIT,
	      MF_BLAME_FIRST, "exit status 1");
	check(&l, TASK "@0", MF_STATE_FAILED, MF_CAUSE_EXIT,
	      MF_BLAME_COLLATERAL, "exit status 1");
	life_end(&l);
}

TEST(the_engines_belief_is_told_where_it_differs)
{
	struct life l;
	const struct mf_node *node;

	begin_run(&l);
	life_wait(&l, 2, 100, 200, SIGKILL);
	life_mark(&l, 2.1, 100, "/w/.metaflow/hello/1795/work/2/0.runtime",
	          "{\"return_code\": 0, \"killed\": false, \"success\": true}");
	node = life_node(&l, TASK "@0");
	assert_true(mf_str_is(node->note, "the engine noted success"));
	life_end(&l);
}

TEST(a_command_that_is_no_flow_fails_by_itself)
{
	struct life l;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "sh -c exit");
	life_exit(&l, 1, 100, 3);
	life_reap(&l, 1.1, 100, 3 << 8);
	life_over(&l, 1.2, 100, 3 << 8);
	check(&l, "100", MF_STATE_FAILED, MF_CAUSE_EXIT, MF_BLAME_FIRST,
	      "exit status 3");
	life_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_exit_code_comes_with_the_last_line_of_stderr),
		CASE(status_202_says_that_it_asked_for_no_retry),
		CASE(a_wait_status_outweighs_what_the_process_said),
		CASE(a_signal_has_a_sender_when_one_was_recorded),
		CASE(a_signal_to_the_group_has_a_sender_too),
		CASE(a_signal_that_failed_killed_nobody),
		CASE(the_schedulers_clean_up_is_collateral),
		CASE(a_segmentation_fault_is_named),
		CASE(the_oom_killer_is_known_by_the_kernels_counter),
		CASE(an_oom_kill_of_another_process_is_not_this_ones),
		CASE(an_oom_kill_elsewhere_on_the_machine_is_only_mentioned),
		CASE(timeout_is_told_from_other_exceptions),
		CASE(a_task_may_meet_the_broken_pipe_before_the_status_is_taken),
		CASE(a_task_without_its_scheduler_dies_of_that),
		CASE(a_task_that_runs_on_without_its_scheduler_says_so),
		CASE(success_is_what_the_task_recorded_and_not_its_status),
		CASE(status_0_without_a_result_is_a_failure),
		CASE(a_failure_that_catch_swallowed_is_none),
		CASE(a_later_attempt_takes_the_blame),
		CASE(a_control_task_falls_with_its_mapper),
		CASE(the_engines_belief_is_told_where_it_differs),
		CASE(a_command_that_is_no_flow_fails_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "support/life.h"

static const struct mf_proc *nth_proc(struct life *l, int n)
{
	const struct mf_proc *p = mf_model_procs(l->model);

	while (p && n--)
		p = p->next;
	return p;
}

static int count_procs(struct life *l)
{
	const struct mf_proc *p;
	int n = 0;

	for (p = mf_model_procs(l->model); p; p = p->next)
		n++;
	return n;
}

static int count_images(const struct mf_proc *proc)
{
	const struct mf_image *image;
	int n = 0;

	for (image = proc->image; image; image = image->older)
		n++;
	return n;
}

TEST(a_vfork_child_is_one_process_from_exec_to_wait)
{
	struct life l;
	const struct mf_node *node;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "bash");
	life_exec(&l, 0.2, 100, 200, "git status");
	life_start(&l, 0.3, 200, 100, "git status");
	life_exit(&l, 0.4, 200, 0);
	life_wait(&l, 0.5, 100, 200, 0);
	assert_int_equal(count_procs(&l), 2);
	assert_int_equal(count_images(nth_proc(&l, 1)), 1);
	node = life_node(&l, "200");
	assert_int_equal(node->kind, MF_NODE_COMMAND);
	assert_int_equal(node->state, MF_STATE_OK);
	assert_true(mf_str_is(node->name, "git status"));
	assert_true(mf_str_is(node->parent->id, "100"));
	life_end(&l);
}

TEST(posix_spawn_is_told_after_the_child_began)
{
	struct life l;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "bash");
	life_start(&l, 0.2, 200, 100, "true");
	life_exec(&l, 0.3, 100, 200, "true");
	life_wait(&l, 0.4, 100, 200, 0);
	assert_int_equal(count_procs(&l), 2);
	assert_int_equal(count_images(nth_proc(&l, 1)), 1);
	assert_true(mf_str_is(nth_proc(&l, 1)->image->via, "execve"));
	life_end(&l);
}

TEST(exec_in_place_is_another_image_of_the_same_process)
{
	struct life l;
	const struct mf_proc *p;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "sh -c x");
	life_exec(&l, 0.2, 100, 100, "python3 x.py");
	life_start(&l, 0.3, 100, LIFE_RECORDER, "python3 x.py");
	assert_int_equal(count_procs(&l), 1);
	p = nth_proc(&l, 0);
	assert_int_equal(p->n_images, 2);
	assert_int_equal(count_images(p), 2);
	assert_true(p->image->is_started && p->image->is_asked);
	life_end(&l);
}

TEST(a_reused_pid_is_two_processes)
{
	struct life l;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "bash");
	life_exec(&l, 0.2, 100, 200, "true");
	life_start(&l, 0.3, 200, 100, "true");
	life_exit(&l, 0.4, 200, 0);
	life_wait(&l, 0.5, 100, 200, 0);
	/* the same pid, born later */
	life_exec(&l, 0.6, 100, 200, "false");
	l.e.pid = 200;
	l.e.start = 9999;
	events_begin(&l.e, MF_EV_PROC_START, 0.7);
	events_u64(&l.e, MF_F_PPID, 100);
	events_words(&l.e, MF_F_ARGV, "false");
	life_fold(&l);
	life_wait(&l, 0.8, 100, 200, 1 << 8);
	assert_int_equal(count_procs(&l), 3);
	assert_int_equal(life_node(&l, "200")->state, MF_STATE_OK);
	assert_int_equal(life_node(&l, "200.2")->state, MF_STATE_FAILED);
	assert_int_equal(life_node(&l, "200.2")->exit.code, 1);
	life_end(&l);
}

TEST(a_wait_recorded_late_meets_the_child_and_not_the_pids_next_holder)
{
	struct life l;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "bash");
	life_start(&l, 0.2, 200, 100, "true");
	life_start(&l, 0.2, 101, LIFE_RECORDER, "sh");
	l.e.pid = 200; /* born in the gap, to another parent */
	l.e.start = 9999;
	events_begin(&l.e, MF_EV_PROC_START, 0.3);
	events_u64(&l.e, MF_F_PPID, 101);
	events_words(&l.e, MF_F_ARGV, "false");
	life_fold(&l);
	life_wait(&l, 0.31, 100, 200, 7 << 8);
	assert_int_equal(life_node(&l, "200")->exit.code, 7);
	assert_false(life_node(&l, "200.2")->exit.is_known);
	life_end(&l);
}

TEST(a_process_that_records_nothing_is_known_by_its_parent)
{
	struct life l;
	const struct mf_node *node;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "bash");
	life_by(&l, MF_EV_PROC_EXEC, 0.2, 100);
	events_u64(&l.e, MF_F_PID, 300);
	events_words(&l.e, MF_F_ARGV, "/sbin/ldconfig -p");
	events_str(&l.e, MF_F_BLIND, "static");
	life_fold(&l);
	life_wait(&l, 0.3, 100, 300, 3 << 8);
	node = life_node(&l, "300");
	assert_int_equal(node->state, MF_STATE_FAILED);
	assert_int_equal(node->exit.code, 3);
	assert_true(mf_str_is(node->note, "records nothing itself: static"));
	life_end(&l);
}

TEST(children_of_a_blind_process_stay_together)
{
	struct life l;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "bash");
	life_start(&l, 0.2, 301, 300, "true"); /* nobody told of 300 */
	life_start(&l, 0.3, 302, 300, "true");
	life_wait(&l, 0.4, 100, 300, 0);
	assert_true(mf_str_is(life_node(&l, "301")->parent->id, "300"));
	assert_true(mf_str_is(life_node(&l, "302")->parent->id, "300"));
	assert_true(mf_str_is(life_node(&l, "300")->parent->id, "100"));
	life_end(&l);
}

TEST(a_circle_of_parents_is_cut)
{
	struct life l;
	const struct mf_node *root, *node;
	int n = 0;

	life_begin(&l);
	life_start(&l, 0.1, 400, 401, "a");
	life_start(&l, 0.2, 401, 402, "b");
	life_start(&l, 0.3, 402, 400, "c");
	life_start(&l, 0.4, 403, 403, "self");
	root = life_tree(&l, false);
	for (node = root; node; node = mf_node_walk(root, node))
		assert_true(++n < 10);
	assert_int_equal(n, 5);
	life_end(&l);
}

TEST(runs_that_are_each_inside_the_other_do_not_hang)
{
	struct life l;
	const struct mf_node *root, *node;
	int n = 0;

	life_begin(&l);
	/* tasks of runs A and B, whose schedulers are each other's children */
	life_start(
		&l, 0.1, 500, LIFE_RECORDER,
		"python3 f.py step s --run-id A --task-id 1 --input-paths x");
	life_start(
		&l, 0.2, 501, LIFE_RECORDER,
		"python3 f.py step s --run-id B --task-id 1 --input-paths x");
	life_start(&l, 0.3, 502, 501, "python3 f.py run");
	life_start(&l, 0.4, 503, 500, "python3 f.py run");
	life_mark(&l, 0.5, 502, "/w/.metaflow/F/A/s/1/0.attempt.json", "{}");
	life_mark(&l, 0.6, 503, "/w/.metaflow/F/B/s/1/0.attempt.json", "{}");
	root = life_tree(&l, false);
	for (node = root; node; node = mf_node_walk(root, node))
		assert_true(++n < 50);
	life_end(&l);
}

TEST(a_chain_of_forks_is_as_deep_as_a_reader_can_bear)
{
	struct life l;
	const struct mf_node *root, *node, *up;
	uint32_t pid;
	int depth, n = 0;

	life_begin(&l);
	life_start(&l, 0.1, 1000, LIFE_RECORDER, "bash");
	for (pid = 1001; pid < 6000; pid++)
		life_fork(&l, 0.2, pid, pid - 1);
	root = life_tree(&l, false);
	for (node = root; node; node = mf_node_walk(root, node)) {
		for (depth = 0, up = node; up->parent; up = up->parent)
			depth++;
		assert_true(depth <= 130);
		n++;
	}
	assert_int_equal(n, 5001);
	life_end(&l);
}

TEST(a_failed_exec_says_what_and_why)
{
	struct life l;
	const struct mf_node *node;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "bash");
	life_by(&l, MF_EV_PROC_EXEC, 0.2, 100);
	events_u64(&l.e, MF_F_PID, 600);
	events_str(&l.e, MF_F_PATH, "/no/such");
	events_words(&l.e, MF_F_ARGV, "such -x");
	events_u64(&l.e, MF_F_ERRNO, ENOENT);
	life_fold(&l);
	life_wait(&l, 0.3, 100, 600, 255 << 8);
	node = life_node(&l, "600");
	assert_int_equal(node->exit.cause, MF_CAUSE_EXEC_FAILED);
	assert_true(mf_str_is(node->exit.text, "cannot execute '/no/such': No "
	                                       "such file or directory"));
	life_end(&l);
}

TEST(a_task_that_could_not_be_executed_is_that_task)
{
	struct life l;
	const struct mf_node *node;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, LIFE_SCHEDULER);
	life_by(&l, MF_EV_PROC_EXEC, 0.2, 100);
	events_u64(&l.e, MF_F_PID, 600);
	events_str(&l.e, MF_F_PATH, "/gone/python3");
	events_words(&l.e, MF_F_ARGV,
	             "/gone/python3 hello.py --quiet step train --run-id 1795 "
	             "--task-id 7 --retry-count 0");
	events_u64(&l.e, MF_F_ERRNO, ENOENT);
	life_fold(&l);
	life_wait(&l, 0.3, 100, 600, 255 << 8);
	life_exit(&l, 0.4, 100, 1);
	life_tree(&l, false);
	node = mf_model_node_of(
		l.model, mf_model_runs(l.model)->steps->tasks->attempts->proc);
	assert_non_null(node);
	assert_int_equal(node->pid, 600);
	node = node->parent;
	assert_int_equal(node->kind, MF_NODE_ATTEMPT);
	assert_int_equal(node->exit.cause, MF_CAUSE_EXEC_FAILED);
	assert_int_equal(node->blame, MF_BLAME_FIRST);
	life_end(&l);
}

TEST(forks_are_told_apart)
{
	struct life l;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "python3 x.py");
	life_fork_by(&l, 0.21, 701, 100,
	             "metaflow.multicore_utils.parallel_imap_unordered");
	life_fork(&l, 0.3, 702, 100);
	life_by(&l, MF_EV_MP_CHILD, 0.31, 702);
	events_str(&l.e, MF_F_NAME, "Process-1");
	events_str(&l.e, MF_F_FUNCTION, "__main__.work");
	life_fold(&l);
	life_fork(&l, 0.4, 703, 100);
	life_start(&l, 0.5, 710, 100,
	           "/usr/bin/python3 /m/plugins/datatools/s3/s3op.py get "
	           "--inputs /tmp/in");
	life_fork(&l, 0.6, 711, 710);
	assert_true(mf_str_is(life_node(&l, "701")->name, "parallel_map"));
	assert_true(mf_str_is(life_node(&l, "702")->name,
	                      "multiprocessing Process-1"));
	assert_true(mf_str_is(life_node(&l, "703")->name, "fork"));
	assert_int_equal(life_node(&l, "710")->kind, MF_NODE_S3OP);
	assert_int_equal(life_node(&l, "711")->kind, MF_NODE_WORKER);
	life_end(&l);
}

TEST(what_ends_without_a_word_is_lost_or_runs)
{
	struct life l;
	const struct mf_node *root;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "sleep 9");
	root = life_tree(&l, true);
	assert_int_equal(root->first->state, MF_STATE_RUNNING);
	root = life_tree(&l, false);
	assert_int_equal(root->first->state, MF_STATE_LOST);
	life_by(&l, MF_EV_PROC_LEFT, 5, LIFE_RECORDER);
	events_u64(&l.e, MF_F_PID, 100);
	life_fold(&l);
	root = life_tree(&l, false);
	assert_int_equal(root->first->state, MF_STATE_RUNNING);
	life_end(&l);
}

TEST(threads_and_tasks_are_bounded_and_counted)
{
	struct life l;
	const struct mf_proc *p;
	const struct mf_async *a;
	int i, kept = 0;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "python3 x.py");
	for (i = 0; i < 5000; i++) {
		life_by(&l, MF_EV_ASYNC_START, 0.2, 100);
		events_u64(&l.e, MF_F_ID, (uint64_t)i);
		events_str(&l.e, MF_F_FUNCTION, "__main__.work");
		life_fold(&l);
		life_by(&l, MF_EV_ASYNC_END, 0.3, 100);
		events_u64(&l.e, MF_F_ID, (uint64_t)i);
		events_str(&l.e, MF_F_OUTCOME, i == 4999 ? "error" : "ok");
		life_fold(&l);
	}
	p = nth_proc(&l, 0);
	assert_int_equal(p->n_asyncs, 5000);
	assert_int_equal(p->n_asyncs_open, 0);
	assert_int_equal(p->n_asyncs_failed, 1);
	for (a = p->asyncs; a; a = a->next)
		kept++;
	assert_in_range(kept, 100, 600);
	assert_true(mf_str_is(p->last_async->outcome, "error"));
	life_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_vfork_child_is_one_process_from_exec_to_wait),
		CASE(posix_spawn_is_told_after_the_child_began),
		CASE(exec_in_place_is_another_image_of_the_same_process),
		CASE(a_reused_pid_is_two_processes),
		CASE(a_wait_recorded_late_meets_the_child_and_not_the_pids_next_holder),
		CASE(a_process_that_records_nothing_is_known_by_its_parent),
		CASE(children_of_a_blind_process_stay_together),
		CASE(a_circle_of_parents_is_cut),
		CASE(runs_that_are_each_inside_the_other_do_not_hang),
		CASE(a_chain_of_forks_is_as_deep_as_a_reader_can_bear),
		CASE(a_failed_exec_says_what_and_why),
		CASE(a_task_that_could_not_be_executed_is_that_task),
		CASE(forks_are_told_apart),
		CASE(what_ends_without_a_word_is_lost_or_runs),
		CASE(threads_and_tasks_are_bounded_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

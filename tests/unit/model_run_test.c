#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "support/life.h"

static const struct mf_run *nth_run(struct life *l, int n)
{
	const struct mf_run *run = mf_model_runs(l->model);

	while (run && n--)
		run = run->next;
	return run;
}

static void step(struct life *l, double t, uint32_t pid, uint32_t ppid,
                 const char *run, const char *name, const char *task)
{
	char line[256];

	snprintf(line, sizeof(line),
	         "python3 hello.py step %s --run-id %s --task-id %s "
	         "--input-paths x --retry-count 0 --max-user-code-retries 0",
	         name, run, task);
	life_start(l, t, pid, ppid, line);
}

TEST(a_run_stands_in_the_place_of_its_scheduler)
{
	struct life l;
	const struct mf_node *node;

	life_begin(&l);
	life_start(&l, 0.1, 90, LIFE_RECORDER, "sh -c x");
	life_start(&l, 0.2, 100, 90, LIFE_SCHEDULER);
	life_step(&l, 1, 200, 100, "start", "1", 0);
	node = life_node(&l, "hello/1795");
	assert_int_equal(node->kind, MF_NODE_RUN);
	assert_int_equal(node->pid, 100);
	assert_true(mf_str_is(node->parent->id, "90"));
	node = life_node(&l, "200");
	assert_true(mf_str_is(node->parent->id, "hello/1795/start/1@0"));
	assert_int_equal(node->parent->kind, MF_NODE_ATTEMPT);
	assert_int_equal(node->parent->parent->kind, MF_NODE_TASK);
	assert_int_equal(node->parent->parent->parent->kind, MF_NODE_STEP);
	life_end(&l);
}

TEST(the_datastore_tells_the_flows_name)
{
	struct life l;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, LIFE_SCHEDULER);
	life_step(&l, 1, 200, 100, "start", "1", 0);
	assert_true(mf_str_is(nth_run(&l, 0)->flow, "hello"));
	life_mark(&l, 1.5, 200, LIFE_DS "start/1/0.attempt.json", "{}");
	assert_true(mf_str_is(nth_run(&l, 0)->flow, "Hello"));
	assert_null(nth_run(&l, 1));
	life_node(&l, "Hello/1795/start/1@0");
	life_end(&l);
}

TEST(several_runs_of_a_session_are_kept_apart)
{
	struct life l;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, LIFE_SCHEDULER);
	step(&l, 0.2, 200, 100, "A", "start", "1");
	life_start(&l, 0.3, 101, LIFE_RECORDER, LIFE_SCHEDULER);
	step(&l, 0.4, 201, 101, "B", "start", "1");
	assert_int_equal(life_node(&l, "hello/A")->pid, 100);
	assert_int_equal(life_node(&l, "hello/B")->pid, 101);
	assert_int_equal(life_node(&l, "hello/B/start/1")->pid, 201);
	life_end(&l);
}

TEST(one_run_id_of_two_flows_is_two_runs)
{
	struct life l;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "python3 a.py run");
	life_mark(&l, 0.2, 100, "/w/.metaflow/A/r1/_parameters/0/0.DONE.lock",
	          "");
	life_start(&l, 0.3, 101, LIFE_RECORDER, "python3 b.py run");
	life_mark(&l, 0.4, 101, "/w/.metaflow/B/r1/_parameters/0/0.DONE.lock",
	          "");
	assert_int_equal(life_node(&l, "A/r1")->pid, 100);
	assert_int_equal(life_node(&l, "B/r1")->pid, 101);
	life_end(&l);
}

TEST(a_run_inside_a_step_hangs_below_that_step)
{
	struct life l;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, LIFE_SCHEDULER);
	step(&l, 0.2, 200, 100, "A", "start", "1");
	life_start(&l, 0.3, 300, 200, "python3 inner.py run");
	life_start(&l, 0.4, 400, 300,
	           "python3 inner.py step start --run-id I --task-id 1 "
	           "--input-paths x");
	assert_true(mf_str_is(life_node(&l, "inner/I")->parent->id, "200"));
	life_end(&l);
}

TEST(mappers_of_a_control_task_are_tasks_of_the_step)
{
	struct life l;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, LIFE_SCHEDULER);
	step(&l, 0.2, 200, 100, "A", "gang", "2");
	life_start(&l, 0.3, 300, 200,
	           "python -u hello.py step gang --run-id A --task-id 2_node_1 "
	           "--input-paths x --ubf-context ubf_task");
	assert_true(
		mf_str_is(life_node(&l, "hello/A/gang/2_node_1")->parent->id,
	                  "hello/A/gang"));
	assert_true(life_node(&l, "hello/A/gang/2_node_1")->note.len);
	assert_int_equal(nth_run(&l, 0)->steps->n_tasks, 2);
	life_end(&l);
}

TEST(a_wrapper_is_the_tasks_process_and_its_child_is_below_it)
{
	struct life l;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, LIFE_SCHEDULER);
	life_start(&l, 0.2, 200, 100,
	           "timeout 9 python3 hello.py step start --run-id A --task-id "
	           "1 --input-paths x");
	life_start(&l, 0.3, 201, 200,
	           "python3 hello.py step start --run-id A --task-id 1 "
	           "--input-paths x");
	assert_true(mf_str_is(life_node(&l, "200")->parent->id,
	                      "hello/A/start/1@0"));
	assert_true(mf_str_is(life_node(&l, "201")->parent->id, "200"));
	life_end(&l);
}

TEST(a_task_without_a_process_is_known_by_its_marks)
{
	struct life l;
	const struct mf_node *node;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "python3 hello.py resume");
	life_mark(&l, 0.2, 100, LIFE_DS "start/1/0.attempt.json", "{}");
	life_mark(&l, 0.3, 100, LIFE_DS "start/1/0.DONE.lock", "");
	node = life_node(&l, "Hello/1795/start/1@0");
	assert_int_equal(node->state, MF_STATE_OK);
	assert_int_equal(node->pid, 0);
	assert_true(mf_str_search(node->note, MF_STR("cloned")) <
	            node->note.len);
	assert_int_equal(life_node(&l, "Hello/1795")->pid, 100);
	life_end(&l);
}

TEST(attempts_stand_in_order_whenever_they_come)
{
	struct life l;
	const struct mf_node *task;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, LIFE_SCHEDULER);
	life_step(&l, 2, 202, 100, "work", "2", 2);
	life_step(&l, 1, 200, 100, "work", "2", 0);
	task = life_node(&l, "hello/1795/work/2");
	assert_int_equal(task->first->attempt, 0);
	assert_int_equal(task->last->attempt, 2);
	assert_int_equal(task->pid, 202);
	life_end(&l);
}

TEST(a_python_program_called_run_is_a_command_until_it_runs_steps)
{
	struct life l;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "python3 build.py run");
	assert_int_equal(life_node(&l, "100")->kind, MF_NODE_COMMAND);
	step(&l, 0.2, 200, 100, "A", "start", "1");
	assert_int_equal(life_node(&l, "hello/A")->pid, 100);
	life_end(&l);
}

TEST(the_document_has_what_is_promised_of_a_node)
{
	static const char *const names[] = {"id",  "kind",  "name", "start",
	                                    "end", "state", "exit", "children"};
	struct life l;
	cJSON *doc, *made;
	const cJSON *exit;
	char *text;
	size_t i;

	life_begin(&l);
	life_start(&l, 0.1, 100, LIFE_RECORDER, "sh -c \xff\xfe");
	life_exit(&l, 1, 100, 4);
	life_reap(&l, 1, 100, 4 << 8);
	made = mf_node_json(life_node(&l, "100"));
	assert_non_null(made);
	text = cJSON_PrintUnformatted(made); /* as a reader gets it */
	assert_non_null(text);
	doc = cJSON_Parse(text);
	assert_non_null(doc);
	cJSON_free(text);
	cJSON_Delete(made);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_true(cJSON_HasObjectItem(doc, names[i]));
	exit = cJSON_GetObjectItem(doc, "exit");
	assert_int_equal(cJSON_GetObjectItem(exit, "code")->valueint, 4);
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(exit, "signal")));
	assert_string_equal(cJSON_GetObjectItem(exit, "cause")->valuestring,
	                    "exit");
	cJSON_Delete(doc);
	life_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_run_stands_in_the_place_of_its_scheduler),
		CASE(the_datastore_tells_the_flows_name),
		CASE(several_runs_of_a_session_are_kept_apart),
		CASE(one_run_id_of_two_flows_is_two_runs),
		CASE(a_run_inside_a_step_hangs_below_that_step),
		CASE(mappers_of_a_control_task_are_tasks_of_the_step),
		CASE(a_wrapper_is_the_tasks_process_and_its_child_is_below_it),
		CASE(a_task_without_a_process_is_known_by_its_marks),
		CASE(attempts_stand_in_order_whenever_they_come),
		CASE(a_python_program_called_run_is_a_command_until_it_runs_steps),
		CASE(the_document_has_what_is_promised_of_a_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

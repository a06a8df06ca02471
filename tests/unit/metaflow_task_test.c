#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "mfcore/exit_texts.h"
#include "mfcore/task_files.h"
#include "support/fault_alloc.h"

#define FALSE_KEY "2473d4676d5b2aba674167293142f8031ada401b"
#define TRUE_KEY "868436778cb011a1c6230bc12534683ab0b7f1c3"
#define NONE_KEY "dbc1aaddc8b7343d6d33b34edcf608b8f8801918"

/* as Metaflow 2.19.38 wrote it, but for fewer artifacts */
static const char data_json[] =
	"{\"datastore\": \"local\", \"version\": \"1.0\", \"attempt\": 1, "
	"\"python_version\": \"3.11.7 (main)\", \"objects\": {"
	"\"name\": \"f64bba56cb85683fd7c0f4961e5a61860e5b04af\", "
	"\"_transition\": \"" NONE_KEY "\", \"_task_ok\": \"" TRUE_KEY "\", "
	"\"_success\": \"" FALSE_KEY "\"}, \"info\": {"
	"\"name\": {\"size\": 20, \"type\": \"<class 'str'>\", \"encoding\": "
	"\"pickle-v4\", \"serializer_info\": {\"source\": \"metaflow\"}}}}";

static void assert_str(struct mf_str have, const char *want)
{
	if (!mf_str_is(have, want))
		fail_msg("have '%.*s', want '%s'", (int)have.len, have.ptr,
		         want);
}

TEST(data_json_tells_success_and_every_artifact)
{
	struct mf_task_data data;
	struct mf_artifact art;

	assert_int_equal(mf_task_data_parse(MF_STR(data_json), &data, NULL), 0);
	assert_int_equal(data.attempt, 1);
	assert_int_equal(data.task_ok, MF_TRUTH_TRUE);
	assert_int_equal(data.success, MF_TRUTH_FALSE);
	assert_int_equal(data.artifacts, 4);
	assert_str(data.datastore, "local");
	assert_str(data.python_version, "3.11.7 (main)");
	assert_true(mf_task_data_next(&data, &art));
	assert_str(art.name, "name");
	assert_str(art.key, "f64bba56cb85683fd7c0f4961e5a61860e5b04af");
	assert_str(art.type, "<class 'str'>");
	assert_str(art.encoding, "pickle-v4");
	assert_int_equal(art.size, 20);
	assert_true(mf_task_data_next(&data, &art));
	assert_str(art.name, "_transition");
	assert_int_equal(art.type.len, 0);
	assert_string_equal(mf_artifact_constant(art.key), "None");
	assert_true(mf_task_data_next(&data, &art));
	assert_true(mf_task_data_next(&data, &art));
	assert_str(art.name, "_success");
	assert_false(mf_task_data_next(&data, &art));
	mf_task_data_clear(&data);
	mf_task_data_clear(&data);
}

TEST(data_json_that_lacks_or_twists_things_is_read_as_far_as_it_goes)
{
	struct mf_task_data data;
	struct mf_artifact art;
	static const char odd[] =
		"{\"attempt\": 1e300, \"objects\": {\"a\": 5, \"_task_ok\": "
		"\"" NONE_KEY "\", \"b\": \"ABC\", \"c\": null}, \"info\": 7}";

	assert_int_equal(mf_task_data_parse(MF_STR(odd), &data, NULL), 0);
	assert_int_equal(data.attempt, -1);
	assert_int_equal(data.task_ok, MF_TRUTH_NONE);
	assert_int_equal(data.success, MF_TRUTH_ABSENT);
	assert_true(mf_task_data_next(&data, &art));
	assert_str(art.name, "_task_ok");
	assert_false(mf_task_data_next(&data, &art));
	mf_task_data_clear(&data);
	assert_int_equal(mf_task_data_parse(MF_STR("{}"), &data, NULL),
	                 -MF_EFORMAT);
	assert_int_equal(mf_task_data_parse(MF_STR("[]"), &data, NULL),
	                 -MF_EFORMAT);
	assert_int_equal(mf_task_data_parse(MF_STR("{\"objects\":[]}"), &data,
	                                    NULL),
	                 -MF_EFORMAT);
	assert_int_equal(mf_task_data_parse(MF_STR(""), &data, NULL),
	                 -MF_EFORMAT);
	for (size_t len = 0; len + 2 < sizeof(data_json); len++)
		assert_int_equal(
			mf_task_data_parse((struct mf_str){data_json, len},
		                           &data, NULL),
			-MF_EFORMAT);
}

TEST(data_json_survives_every_failed_allocation)
{
	struct mf_task_data data;
	int rc = -ENOMEM;

	for (long nth = 0; rc == -ENOMEM; nth++) {
		fault_alloc_fail_at(nth);
		rc = mf_task_data_parse(MF_STR(data_json), &data, NULL);
		fault_alloc_fail_at(-1);
	}
	assert_int_equal(rc, 0);
	mf_task_data_clear(&data);
}

TEST(a_key_tells_the_constants_and_nothing_else)
{
	assert_int_equal(mf_artifact_truth(MF_STR(TRUE_KEY)), MF_TRUTH_TRUE);
	assert_int_equal(mf_artifact_truth(MF_STR(NONE_KEY)), MF_TRUTH_NONE);
	assert_int_equal(mf_artifact_truth(MF_STR("")), MF_TRUTH_ABSENT);
	assert_int_equal(mf_artifact_truth(MF_STR(
				 "f985b91548a08fb73bb3a8c382a3e8e021f7fcfc")),
	                 MF_TRUTH_OTHER);
	assert_null(mf_artifact_constant(MF_STR("x")));
	assert_string_equal(
		mf_artifact_constant(
			MF_STR("c5cf38908fc549f499ade5b17ce221ff0ced377f")),
		"[]");
}

TEST(runtime_and_attempt_files_are_read)
{
	struct mf_task_runtime rt;
	uint64_t ns = 0;

	assert_int_equal(
		mf_task_runtime_parse(MF_STR("{\"return_code\": -11, \"killed\""
	                                     ": true, \"success\": false}"),
	                              &rt, NULL),
		0);
	assert_int_equal(rt.return_code, -11);
	assert_true(rt.is_killed);
	assert_false(rt.is_success);
	assert_int_equal(mf_task_runtime_parse(MF_STR("{\"return_code\": null, "
	                                              "\"success\": false}"),
	                                       &rt, NULL),
	                 -MF_EFORMAT);
	assert_int_equal(
		mf_task_attempt_parse(MF_STR("{\"time\": 1795375027.25}"), &ns,
	                              NULL),
		0);
	assert_true(ns == UINT64_C(1795375027250000000));
	assert_int_equal(mf_task_attempt_parse(MF_STR("{\"time\": -1}"), &ns,
	                                       NULL),
	                 -MF_EFORMAT);
	assert_int_equal(mf_task_attempt_parse(MF_STR("{\"time\": 1e300}"), &ns,
	                                       NULL),
	                 -MF_EFORMAT);
	assert_int_equal(mf_task_attempt_parse(MF_STR("7"), &ns, NULL),
	                 -MF_EFORMAT);
}

static void assert_hint(const char *text, enum mf_exit_hint want)
{
	enum mf_exit_hint have = mf_metaflow_exit_hint(mf_str(text));

	if (have != want)
		fail_msg("'%s' is %s, not %s", text, mf_exit_hint_word(have),
		         mf_exit_hint_word(want));
}

/* the lines are what `python tflow.py run` of 2.19.38 wrote */
TEST(a_timeout_is_seen_in_a_log_an_echo_and_plain_text)
{
	assert_hint("[MFLOG|0|2026-11-24T12:41:19.116381Z|runtime|30410f12]"
	            "<flow TFlow step start> failed:\n"
	            "[MFLOG|0|2026-11-24T12:41:19.122510Z|runtime|6a1a1ba0]"
	            "    @timeout:\n"
	            "[MFLOG|0|2026-11-24T12:41:19.122691Z|runtime|22eea521]"
	            "    Step start timed out after 0 hours, 0 minutes, 1 "
	            "seconds\n"
	            "[MFLOG|0|2026-11-24T12:41:20.122691Z|runtime|22eea522]"
	            "Task failed.\n",
	            MF_HINT_TIMEOUT);
	assert_hint("2026-11-24 12:41:19.122 [1795524077877572/start/1 (pid "
	            "11290)] @timeout:\n",
	            MF_HINT_TIMEOUT);
	assert_hint("    Step a timed out after 0 hours, 0 minutes, 1 seconds",
	            MF_HINT_TIMEOUT);
}

TEST(each_text_of_metaflow_is_a_hint_and_others_are_none)
{
	assert_hint("x\n<flow Zoo step b> failed:\n", MF_HINT_STEP_FAILED);
	assert_hint("[KILLED BY ORCHESTRATOR]\n", MF_HINT_ORCHESTRATOR);
	assert_hint("Task failed with a segmentation fault.", MF_HINT_SEGFAULT);
	assert_hint("<flow Zoo step b> failed:\nTask failed.",
	            MF_HINT_STEP_FAILED);
	assert_hint("Task failed.\r\n", MF_HINT_TASK_FAILED);
	assert_hint("s3op failed:\nUnknown error\n", MF_HINT_S3);
	assert_hint("  No completed attempts of the task was found for task "
	            "'F/1/a/2'",
	            MF_HINT_NO_INPUT);
	assert_hint("2026-11-24 12:41:19.195 [1/a/2 (pid 3)] This failed task "
	            "will not be retried.",
	            MF_HINT_NO_RETRY);
	assert_hint("[TRUNCATED - MAXIMUM LOG FILE SIZE REACHED]\n",
	            MF_HINT_TRUNCATED);
	assert_hint("Task fallback is starting to handle the failure.",
	            MF_HINT_FALLBACK);
	assert_hint("", MF_HINT_NONE);
	assert_hint("The task failed. Step on.\nprint('@timeout: x')\n",
	            MF_HINT_NONE);
	assert_hint("2026-11-24 12:41:19.195 ", MF_HINT_NONE);
	assert_hint("2026-11-24 12:41:19.195 [", MF_HINT_NONE);
}

TEST(exit_codes_and_hints_have_words)
{
	assert_non_null(mf_metaflow_exit_code(202));
	assert_null(mf_metaflow_exit_code(1));
	for (int i = 1; i < MF_HINT_KINDS; i++) {
		assert_true(*mf_exit_hint_word((enum mf_exit_hint)i));
		assert_true(*mf_exit_hint_meaning((enum mf_exit_hint)i));
	}
	assert_string_equal(mf_exit_hint_word((enum mf_exit_hint)99), "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(data_json_tells_success_and_every_artifact),
		CASE(data_json_that_lacks_or_twists_things_is_read_as_far_as_it_goes),
		CASE(data_json_survives_every_failed_allocation),
		CASE(a_key_tells_the_constants_and_nothing_else),
		CASE(runtime_and_attempt_files_are_read),
		CASE(a_timeout_is_seen_in_a_log_an_echo_and_plain_text),
		CASE(each_text_of_metaflow_is_a_hint_and_others_are_none),
		CASE(exit_codes_and_hints_have_words),
	};

	return cmocka_run_group_tests_name("task", tests, NULL, NULL);
}

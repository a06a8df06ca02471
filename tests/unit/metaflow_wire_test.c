#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "mfcore/err.h"
#include "mfcore/mflog.h"
#include "mfcore/s3op_wire.h"
#include "mfcore/sidecar_wire.h"
#include "support/fault_alloc.h"

static void assert_str(struct mf_str have, const char *want)
{
	if (!mf_str_is(have, want))
		fail_msg("have '%.*s', want '%s'", (int)have.len, have.ptr,
		         want);
}

/* ruled by sidecar_worker.py and json.loads() of Python 3.11 */
TEST(a_sidecar_line_is_read_as_metaflows_worker_reads_it)
{
	static const struct {
		const char *line;
		enum mf_sidecar_kind kind;
	} lines[] = {
		{"{\"msg_type\": 4, \"payload\": null}\n", MF_SIDECAR_SHUTDOWN},
		{"{\"msg_type\": 2, \"payload\": {\"step_name\": \"start\"}}",
	         MF_SIDECAR_MUST_SEND},
		{"  {\"payload\":{},\"msg_type\":3 } \r\n",
	         MF_SIDECAR_BEST_EFFORT},
		{"{\"msg_type\": 3.0, \"payload\": NaN}",
	         MF_SIDECAR_BEST_EFFORT},
		{"{\"msg_type\": 300e-2, \"payload\": 0}",
	         MF_SIDECAR_BEST_EFFORT},
		{"{\"msg_type\": 0.04E+2, \"payload\": 0}",
	         MF_SIDECAR_SHUTDOWN},
		{"{\"msg_type\": 3.1, \"payload\": 0}", MF_SIDECAR_UNKNOWN},
		{"{\"msg_type\": 30, \"payload\": 0}", MF_SIDECAR_UNKNOWN},
		{"{\"msg_type\": -3, \"payload\": 0}", MF_SIDECAR_UNKNOWN},
		{"{\"msg_type\": 3e99999999999, \"payload\": 0}",
	         MF_SIDECAR_UNKNOWN},
		{"{\"msg_type\": 1, \"payload\": 0}", MF_SIDECAR_INVALID},
		{"{\"msg_type\": true, \"payload\": 0}", MF_SIDECAR_INVALID},
		{"{\"msg_type\": 9, \"payload\": -Infinity}",
	         MF_SIDECAR_UNKNOWN},
		{"{\"msg_type\": \"3\", \"payload\": 0}", MF_SIDECAR_UNKNOWN},
		{"{\"msg_type\":1,\"payload\":1,\"msg_type\":3}",
	         MF_SIDECAR_BEST_EFFORT},
		{"", MF_SIDECAR_EMPTY},
		{" \t\r\n", MF_SIDECAR_EMPTY},
		{"{\"msg_type\": 4, \"payload\": nul", MF_SIDECAR_NOT_JSON},
		{"{\"msg_type\": 4 \"payload\": null}", MF_SIDECAR_NOT_JSON},
		{"{\"msg_type\": 4, \"payload\": null} x", MF_SIDECAR_NOT_JSON},
		{"{\"msg_type\": 04, \"payload\": null}", MF_SIDECAR_NOT_JSON},
		{"{\"msg_type\": 4, \"payload\": null,}", MF_SIDECAR_NOT_JSON},
		{"{\"msg_type\": 4, \"payload\": \"\t\"}", MF_SIDECAR_NOT_JSON},
		{"{'msg_type': 4}", MF_SIDECAR_NOT_JSON},
		{"{\"msg_type\": 4, \"payload\": [1, {\"a\": []}, \"\\u00e9\"]}",
	         MF_SIDECAR_SHUTDOWN},
		{"{}", MF_SIDECAR_BAD_SHAPE},
		{"[]", MF_SIDECAR_BAD_SHAPE},
		{"3", MF_SIDECAR_BAD_SHAPE},
		{"null", MF_SIDECAR_BAD_SHAPE},
		{"{\"msg_type\": 4}", MF_SIDECAR_BAD_SHAPE},
		{"{\"msg_type\":4,\"payload\":0,\"x\":1}",
	         MF_SIDECAR_BAD_SHAPE},
		{"{\"x\":1,\"msg_type\":4,\"payload\":0}",
	         MF_SIDECAR_BAD_SHAPE},
	};
	struct mf_sidecar_message msg;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		mf_sidecar_parse(mf_str(lines[i].line), &msg);
		if (msg.kind != lines[i].kind)
			fail_msg("'%s' is %s, not %s", lines[i].line,
			         mf_sidecar_word(msg.kind),
			         mf_sidecar_word(lines[i].kind));
	}
}

TEST(a_payload_is_a_view_of_its_json)
{
	struct mf_sidecar_message msg;

	mf_sidecar_parse(MF_STR("{\"msg_type\": 3, \"payload\": {\"a\": [1, "
	                        "\"}\"]} }\n"),
	                 &msg);
	assert_str(msg.payload, "{\"a\": [1, \"}\"]}");
	mf_sidecar_parse(MF_STR("{\"msg_type\": 3, \"payload\": 1, \"x\": 2}"),
	                 &msg);
	assert_null(msg.payload.ptr);
	assert_true(mf_sidecar_goes_on(MF_SIDECAR_NOT_JSON));
	assert_true(mf_sidecar_goes_on(MF_SIDECAR_UNKNOWN));
	assert_false(mf_sidecar_goes_on(MF_SIDECAR_EMPTY));
	assert_false(mf_sidecar_goes_on(MF_SIDECAR_BAD_SHAPE));
	assert_false(mf_sidecar_goes_on(MF_SIDECAR_SHUTDOWN));
}

TEST(nesting_beyond_what_python_bears_ends_the_worker)
{
	enum {
		DEEP = 100000
	};
	char *line = test_malloc(DEEP);
	struct mf_sidecar_message msg;

	memset(line, '[', DEEP);
	mf_sidecar_parse((struct mf_str){line, DEEP}, &msg);
	assert_int_equal(msg.kind, MF_SIDECAR_BAD_SHAPE);
	test_free(line);
}

TEST(a_log_line_is_read_and_written_back)
{
	static const char line[] =
		"[MFLOG|0|2026-11-22T19:18:40.936410Z|runtime|67020dbf-3c60-"
		"4cf1-8eff-a6e25dd4fe81]attempt 1\n";
	struct mf_buf buf = {0};
	struct mf_mflog log;

	assert_true(mf_mflog_parse(MF_STR(line), &log));
	assert_true(log.wall_ns == UINT64_C(1795375120936410000));
	assert_str(log.source, "runtime");
	assert_str(log.id, "67020dbf-3c60-4cf1-8eff-a6e25dd4fe81");
	assert_str(log.text, "attempt 1");
	assert_false(log.should_persist);
	mf_mflog_format(&buf, &log);
	assert_string_equal(buf.ptr, line);
	log.should_persist = true;
	mf_buf_reset(&buf);
	mf_mflog_format(&buf, &log);
	assert_true(mf_str_starts(mf_buf_view(&buf), "[![MFLOG|0|2026"));
	assert_true(mf_mflog_parse(mf_buf_view(&buf), &log));
	assert_true(log.should_persist);
	mf_buf_clear(&buf);
}

TEST(a_log_line_of_the_bash_stage_is_read)
{
	struct mf_mflog log;

	assert_true(mf_mflog_parse(
		MF_STR("[MFLOG|0|2026-11-22T19:18:40.936410Z|task|2026-11-22T"
	               "19:18:40.936410123+00:00]Setting up] [x"),
		&log));
	assert_str(log.id, "2026-11-22T19:18:40.936410123+00:00");
	assert_str(log.text, "Setting up] [x");
}

TEST(what_is_no_log_line_is_refused)
{
	static const char *const bad[] = {
		"",
		"[MFLOG|",
		"attempt 1",
		" [MFLOG|0|2026-11-22T19:18:40.936410Z|a|b]c",
		"[MFLOG|1|2026-11-22T19:18:40.936410Z|a|b]c",
		"[MFLOG|0|2026-02-30T19:18:40.936410Z|a|b]c",
		"[MFLOG|0|2026-13-01T19:18:40.936410Z|a|b]c",
		"[MFLOG|0|2026-11-22T24:18:40.936410Z|a|b]c",
		"[MFLOG|0|2026-11-22T19:18:40.9364100Z|a|b]c",
		"[MFLOG|0|2026-11-22T19:18:40.Z|a|b]c",
		"[MFLOG|0|2026-11-22T19:18:40.936410|a|b]c",
		"[MFLOG|0|2026-11-22T19:18:40.936410Z||b]c",
		"[MFLOG|0|2026-11-22T19:18:40.936410Z|a|]c",
		"[MFLOG|0|2026-11-22T19:18:40.936410Z|a|bc",
		"[MFLOG|0|1926-11-22T19:18:40.936410Z|a|b]c",
	};
	struct mf_mflog log;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (mf_mflog_parse(mf_str(bad[i]), &log))
			fail_msg("'%s' was taken", bad[i]);
}

TEST(s3op_input_lines_are_read_as_s3op_reads_them)
{
	struct mf_arena arena = {0};
	struct mf_s3op_input in;

	assert_int_equal(mf_s3op_input(MF_S3OP_GET,
	                               MF_STR("s3://b/a%20b%231 "
	                                      "bytes%3D100-199\n"),
	                               &arena, &in),
	                 1);
	assert_str(in.url, "s3://b/a b#1");
	assert_str(in.range, "bytes=100-199");
	assert_false(in.has_index);
	assert_int_equal(mf_s3op_input(MF_S3OP_INFO,
	                               MF_STR("7 s3://b/p s3://b/p%25x "
	                                      "<norange> SlowDown"),
	                               &arena, &in),
	                 1);
	assert_true(in.has_index);
	assert_int_equal(in.index, 7);
	assert_str(in.prefix, "s3://b/p");
	assert_str(in.url, "s3://b/p%x");
	assert_int_equal(in.range.len, 0);
	assert_str(in.error, "SlowDown");
	assert_int_equal(mf_s3op_input(MF_S3OP_PUT,
	                               MF_STR("{\"local\": \"/w/f\", \"url\": "
	                                      "\"s3://b/k\", \"content_type\": "
	                                      "null, \"idx\": 4, "
	                                      "\"transient_error_type\": "
	                                      "\"503\"}"),
	                               &arena, &in),
	                 1);
	assert_str(in.local, "/w/f");
	assert_str(in.url, "s3://b/k");
	assert_int_equal(in.index, 4);
	assert_str(in.error, "503");
	assert_int_equal(in.content_type.len, 0);
	assert_int_equal(mf_s3op_input(MF_S3OP_LIST, MF_STR(""), &arena, &in),
	                 0);
	assert_int_equal(
		mf_s3op_input(MF_S3OP_GET, MF_STR("a b c"), &arena, &in), 0);
	assert_int_equal(mf_s3op_input(MF_S3OP_GET, MF_STR("x b c d"), &arena,
	                               &in),
	                 -MF_EFORMAT);
	assert_int_equal(mf_s3op_input(MF_S3OP_PUT, MF_STR("s3://x"), &arena,
	                               &in),
	                 -MF_EFORMAT);
	assert_int_equal(mf_s3op_input(MF_S3OP_PUT,
	                               MF_STR("{\"url\":\"s3://x\"}"), &arena,
	                               &in),
	                 -MF_EFORMAT);
	mf_arena_clear(&arena);
}

TEST(s3op_result_lines_have_an_index_and_four_fields)
{
	struct mf_arena arena = {0};
	struct mf_s3op_result res;

	assert_int_equal(mf_s3op_result(MF_STR("0 s3://bkt/t/a.txt  \n"),
	                                &arena, &res),
	                 1);
	assert_str(res.a, "s3://bkt/t/a.txt");
	assert_int_equal(res.b.len, 0);
	assert_int_equal(mf_s3op_result(MF_STR("12 s3://b/ s3://b/b%20b "
	                                       "90d0-b%2520b-1_3"),
	                                &arena, &res),
	                 1);
	assert_int_equal(res.index, 12);
	assert_str(res.a, "s3://b/");
	assert_str(res.b, "s3://b/b b");
	assert_str(res.c, "90d0-b%20b-1_3");
	assert_int_equal(mf_s3op_result(MF_STR("1 <none>"), &arena, &res), 1);
	assert_true(res.is_none);
	assert_int_equal(mf_s3op_result(MF_STR("x s3://a  "), &arena, &res), 0);
	assert_int_equal(mf_s3op_result(MF_STR("1 s3://a"), &arena, &res), 0);
	assert_int_equal(mf_s3op_result(MF_STR("1 a b c d"), &arena, &res), 0);
	assert_int_equal(mf_s3op_result(MF_STR(""), &arena, &res), 0);
	mf_arena_clear(&arena);
}

TEST(s3op_retries_stand_behind_their_marker)
{
	assert_str(mf_s3op_retries(MF_STR("noise\n### RETRY INPUTS ###\n"
	                                  "0 p u <norange>\n")),
	           "0 p u <norange>\n");
	assert_non_null(mf_s3op_retries(MF_STR("### RETRY INPUTS ###")).ptr);
	assert_null(mf_s3op_retries(MF_STR("x ### RETRY INPUTS ###\n0")).ptr);
	assert_null(mf_s3op_retries(MF_STR("")).ptr);
}

TEST(percent_signs_without_two_digits_stay)
{
	struct mf_buf buf = {0};

	mf_s3op_unquote(&buf, MF_STR("%41%zz%4%%2525%"));
	assert_string_equal(buf.ptr, "A%zz%4%%25%");
	mf_buf_clear(&buf);
}

TEST(s3op_words_are_known)
{
	assert_int_equal(mf_s3op_mode(MF_STR("put")), MF_S3OP_PUT);
	assert_int_equal(mf_s3op_mode(MF_STR("list")), MF_S3OP_LIST);
	assert_int_equal(mf_s3op_mode(MF_STR("delete")), MF_S3OP_NONE);
	assert_string_equal(mf_s3op_exit_word(6), "not found");
	assert_null(mf_s3op_exit_word(3));
	assert_null(mf_s3op_exit_word(-9));
	assert_null(mf_s3op_exit_word(14));
}

TEST(s3op_lines_survive_every_failed_allocation)
{
	struct mf_s3op_input in;
	struct mf_s3op_result res;
	struct mf_arena arena = {0};
	int rc = -ENOMEM;

	for (long nth = 0; rc == -ENOMEM; nth++) {
		mf_arena_clear(&arena);
		fault_alloc_fail_at(nth);
		rc = mf_s3op_input(MF_S3OP_GET, MF_STR("1 p u r e"), &arena,
		                   &in);
		fault_alloc_fail_at(-1);
	}
	assert_int_equal(rc, 1);
	rc = -ENOMEM;
	for (long nth = 0; rc == -ENOMEM; nth++) {
		mf_arena_clear(&arena);
		fault_alloc_fail_at(nth);
		rc = mf_s3op_result(MF_STR("1 a b c"), &arena, &res);
		fault_alloc_fail_at(-1);
	}
	assert_int_equal(rc, 1);
	assert_str(res.c, "c");
	mf_arena_clear(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_sidecar_line_is_read_as_metaflows_worker_reads_it),
		CASE(a_payload_is_a_view_of_its_json),
		CASE(nesting_beyond_what_python_bears_ends_the_worker),
		CASE(a_log_line_is_read_and_written_back),
		CASE(a_log_line_of_the_bash_stage_is_read),
		CASE(what_is_no_log_line_is_refused),
		CASE(s3op_input_lines_are_read_as_s3op_reads_them),
		CASE(s3op_result_lines_have_an_index_and_four_fields),
		CASE(s3op_retries_stand_behind_their_marker),
		CASE(percent_signs_without_two_digits_stay),
		CASE(s3op_words_are_known),
		CASE(s3op_lines_survive_every_failed_allocation),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}

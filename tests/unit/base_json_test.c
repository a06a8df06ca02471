#include "support/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mfcore/json.h"
#include "support/fault_alloc.h"

static void assert_prints(cJSON *doc, const char *want)
{
	char *text = cJSON_PrintUnformatted(doc);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
	cJSON_Delete(doc);
}

TEST(numbers_are_exact_beyond_what_a_double_holds)
{
	cJSON *doc = cJSON_CreateObject();

	mf_json_u64(doc, "a", UINT64_MAX);
	mf_json_i64(doc, "b", INT64_MIN);
	mf_json_u64(doc, "c", (UINT64_C(1) << 53) + 1);
	assert_prints(doc, "{\"a\":18446744073709551615,"
	                   "\"b\":-9223372036854775808,"
	                   "\"c\":9007199254740993}");
}

TEST(strings_become_valid_utf8_and_keep_their_nuls)
{
	cJSON *doc = cJSON_CreateObject();
	cJSON *arr = cJSON_AddArrayToObject(doc, "z");

	mf_json_str(doc, "a", MF_STR("x\xff\"\\\n"));
	mf_json_str(doc, "b", MF_STR("p\0q\"\\\x01\xc3"));
	mf_json_str(doc, "c", (struct mf_str){NULL, 0});
	mf_json_push_str(arr, MF_STR("\xed\xa0\x80"));
	assert_prints(doc, "{\"z\":[\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"],"
	                   "\"a\":\"x\xef\xbf\xbd\\\"\\\\\\n\","
	                   "\"b\":\"p\\u0000q\\\"\\\\\\u0001\xef\xbf\xbd\","
	                   "\"c\":\"\"}");
}

TEST(times_are_rfc_3339_or_null)
{
	cJSON *doc = cJSON_CreateObject();

	setenv("TZ", "UTC", 1);
	tzset();
	mf_json_time(doc, "a", UINT64_C(1795375027143999999));
	mf_json_time(doc, "b", 0);
	assert_prints(doc, "{\"a\":\"2026-11-22T19:17:07.143Z\",\"b\":null}");
}

TEST(parse_takes_one_document_and_nothing_else)
{
	static const char *const bad[] = {"",    "{",    "{} x",    "{}{}",
	                                  "nul", "[1,]", "{\"a\"}", " ",
	                                  "\"x", "[}"};
	cJSON *doc = NULL;
	struct mf_err err = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (mf_json_parse(mf_str(bad[i]), &doc, &err) != -MF_EFORMAT)
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(err.code, -MF_EFORMAT);
	assert_null(doc);
	assert_int_equal(mf_json_parse(MF_STR(" {\"a\": \"b\", \"n\": 1} \n"),
	                               &doc, NULL),
	                 0);
	assert_true(mf_str_is(mf_json_get_str(doc, "a"), "b"));
	assert_null(mf_json_get_str(doc, "A").ptr);
	assert_null(mf_json_get_str(doc, "n").ptr);
	assert_null(mf_json_get_str(NULL, "n").ptr);
	cJSON_Delete(doc);
}

TEST(parse_reads_no_byte_behind_the_text)
{
	static const char text[] =
		"{\"a\":[1,2,{\"b\":\"\\u00e9x\"}],\"c\":-1.5e3}";
	cJSON *doc = NULL;

	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = test_malloc(len + 1);
		int rc;

		memcpy(copy, text, len);
		rc = mf_json_parse((struct mf_str){copy, len}, &doc, NULL);
		assert_int_equal(rc, len + 1 == sizeof(text) ? 0 : -MF_EFORMAT);
		test_free(copy);
	}
	cJSON_Delete(doc);
}

TEST(adding_survives_every_failed_allocation)
{
	for (long nth = 0; nth < 8; nth++) {
		cJSON *doc = cJSON_CreateObject();

		fault_alloc_fail_at(nth);
		mf_json_str(doc, "a", MF_STR("x\0y"));
		mf_json_time(doc, "t", 1);
		mf_json_u64(doc, "n", 1);
		fault_alloc_fail_at(-1);
		assert_in_range(cJSON_GetArraySize(doc), 1, 3);
		cJSON_Delete(doc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(numbers_are_exact_beyond_what_a_double_holds),
		CASE(strings_become_valid_utf8_and_keep_their_nuls),
		CASE(times_are_rfc_3339_or_null),
		CASE(parse_takes_one_document_and_nothing_else),
		CASE(parse_reads_no_byte_behind_the_text),
		CASE(adding_survives_every_failed_allocation),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}

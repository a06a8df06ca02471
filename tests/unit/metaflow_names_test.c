#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mfcore/input_paths.h"
#include "mfcore/pathspec.h"
#include "support/fault_alloc.h"

/* metaflow.util.compress_list() of 179537511/fan/N, N = 0, 37, ... 259 * 37 */
static const char packed[] =
	"!eJwBcAKP/XicHdQ5csMwEADBD22V9z78GycO/f/QAyUbaUQCDdDmKqbMvn5"
	"//r6+VWJkUsxMLFdsS9xdvE78WiKCX6ikjmSm5JqUrVSV1Lm0n3S3jAZ/ozI"
	"zspayZbK7cl5y7XJ3YhrNmHhPU0YOY3m4O0/34vF+JRbhjKZIpciM924UZRR"
	"VFHUU7RTdFKMUExQzFGvxVkKxS3FOcU1xt+IarFGHRZqySstmbLx1K6OGcSk"
	"eYYymSKXIpMihKKOoirdLFO0U3RSjFBMUMxRrFJsUuxTn8faU4m4kNJIxJmG"
	"6jCzGuoTbMYrN94snAFI0RSpFJkUORRlFFUUtRTtF98frsQIbA20strHgxqI"
	"bB28cvnEApyKMLsT2jO0hs4GS7AkD5+TNJXkZBtRJ8s4CRaKdBXcW3lmAZyO"
	"eDXk25jmY87N4J4diMc/FPA/zPMzzMC/FvBTzMsz5z3jnTKUc83LMyzGvwLw"
	"C80rMKzGvxJwXiHcqKQrzasyrMa/GvAbzGsxrMa/FnLeNd4YpDvM6zFsxb8W"
	"8DfM2zNswb8ecpcU78SodmHdg3ol5J+admHdh3oV5F+bsQ7z7QdGY92Deg3k"
	"v5r2Y92Leh3kf5mxavNvEVVLMxzAfw3wM83HMxzEfx3wCc3b4c/co8nOZMX8"
	"XnIH5FObTmE9jPo05HPFuKsViPov5LOZzmPOBoDjMVzFfxRy7ePdaGe+G+7v"
	"i/u44R1uW08rAfDlTshwTBuZ8BSjwYWC+7CID82Wtsrw+A/PlIQzM+WZQHOZ"
	"7mO9hfor5KeZnmJ9hzi+ajwvmfGGUgfkF5heYX2B+ifkl5leY83cUtfEP2o/"
	"/PCh9NGY=";

static void assert_str(struct mf_str have, const char *want)
{
	if (!mf_str_is(have, want))
		fail_msg("have '%.*s', want '%s'", (int)have.len, have.ptr,
		         want);
}

TEST(a_pathspec_has_one_to_four_parts)
{
	struct mf_pathspec spec;

	assert_true(mf_pathspec_parse(MF_STR("Zoo/17/train/t-x@2"), &spec));
	assert_str(spec.flow, "Zoo");
	assert_str(spec.run, "17");
	assert_str(spec.step, "train");
	assert_str(spec.task, "t-x");
	assert_int_equal(spec.attempt, 2);
	assert_true(mf_pathspec_parse(MF_STR("Zoo"), &spec));
	assert_int_equal(spec.run.len, 0);
	assert_int_equal(spec.attempt, -1);
}

TEST(what_is_no_pathspec_is_refused)
{
	static const char *const bad[] = {
		"",           "/",           "Zoo/",        "/Zoo",
		"Zoo//train", "Zoo/1/a/b/c", "17/train",    "Zoo/1/9x",
		"Zoo/a b",    "Zoo/a,b",     "Zoo/a:b/s/t", "Zoo/!/s/t",
		"Zoo/1/s@2",  "Zoo/1/s/t/",  "Z\too",       "Zoo/1\n/s",
	};
	struct mf_pathspec spec;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (mf_pathspec_parse(mf_str(bad[i]), &spec))
			fail_msg("'%s' was taken", bad[i]);
}

TEST(an_input_path_may_carry_an_attempt)
{
	struct mf_pathspec spec;

	assert_true(mf_pathspec_parse_input(MF_STR("17/start/1"), &spec));
	assert_int_equal(spec.attempt, -1);
	assert_true(mf_pathspec_parse_input(MF_STR("17/start/1/3"), &spec));
	assert_str(spec.run, "17");
	assert_str(spec.step, "start");
	assert_str(spec.task, "1");
	assert_int_equal(spec.attempt, 3);
	assert_false(mf_pathspec_parse_input(MF_STR("17/start"), &spec));
	assert_false(mf_pathspec_parse_input(MF_STR("17/start/1/x"), &spec));
	assert_false(
		mf_pathspec_parse_input(MF_STR("1/s/1/99999999999"), &spec));
}

TEST(format_gives_back_what_was_parsed)
{
	static const char *const good[] = {"Zoo", "Zoo/17", "Zoo/17/train",
	                                   "Zoo/17/train/3",
	                                   "Zoo/17/train/a@b@0"};
	struct mf_pathspec spec;
	struct mf_buf buf = {0};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		mf_buf_reset(&buf);
		assert_true(mf_pathspec_parse(mf_str(good[i]), &spec));
		mf_pathspec_format(&buf, &spec);
		assert_string_equal(buf.ptr, good[i]);
	}
	assert_true(mf_pathspec_parse_input(MF_STR("17/s/1/0"), &spec));
	mf_buf_reset(&buf);
	mf_pathspec_format(&buf, &spec);
	assert_string_equal(buf.ptr, "17/s/1@0");
	mf_buf_clear(&buf);
}

TEST(a_tail_matches_the_last_parts_only)
{
	struct mf_pathspec spec;

	assert_true(mf_pathspec_parse(MF_STR("Zoo/1795/train/17@1"), &spec));
	assert_true(mf_pathspec_matches(MF_STR("17"), &spec));
	assert_true(mf_pathspec_matches(MF_STR("train/17"), &spec));
	assert_true(mf_pathspec_matches(MF_STR("1795/train/17@1"), &spec));
	assert_true(mf_pathspec_matches(MF_STR("Zoo/1795/train/17"), &spec));
	assert_false(mf_pathspec_matches(MF_STR("17@0"), &spec));
	assert_false(mf_pathspec_matches(MF_STR("7"), &spec));
	assert_false(mf_pathspec_matches(MF_STR("train"), &spec));
	assert_false(mf_pathspec_matches(MF_STR("rain/17"), &spec));
	assert_false(mf_pathspec_matches(MF_STR(""), &spec));
	assert_false(mf_pathspec_matches(MF_STR("a/Zoo/1795/train/17"), &spec));
	spec.attempt = -1;
	assert_true(mf_pathspec_matches(MF_STR("17@5"), &spec));
	assert_true(mf_pathspec_parse(MF_STR("Zoo/1795"), &spec));
	assert_true(mf_pathspec_matches(MF_STR("1795"), &spec));
	assert_true(mf_pathspec_matches(MF_STR("Zoo/1795"), &spec));
}

static void assert_paths(const char *text, const char *want)
{
	struct mf_buf buf = {0};
	struct mf_buf joined = {0};
	struct mf_str item;
	size_t pos = 0;
	int n = 0;
	int rc = mf_input_paths_decode(mf_str(text), &buf, NULL);

	while (mf_input_paths_next(mf_buf_view(&buf), &pos, &item)) {
		mf_buf_printf(&joined, n++ ? ",%.*s" : "%.*s", (int)item.len,
		              item.ptr);
	}
	assert_int_equal(rc, n);
	assert_str(mf_buf_view(&joined), want);
	mf_buf_clear(&joined);
	mf_buf_clear(&buf);
}

TEST(input_paths_are_read_plain_and_prefixed)
{
	assert_paths("1/x/1,2/y/1", "1/x/1,2/y/1");
	assert_paths("1/x/1", "1/x/1");
	assert_paths("r/s/1:,_node_1,_node_2",
	             "r/s/1,r/s/1_node_1,r/s/1_node_2");
	assert_paths("r/s/1:0,", "r/s/10,r/s/1");
	assert_paths("r/:jouter/22,aftersw/26", "r/jouter/22,r/aftersw/26");
	assert_paths("", "");
}

TEST(input_paths_are_read_packed_by_metaflow_itself)
{
	struct mf_buf buf = {0};
	struct mf_str item;
	size_t pos = 0;
	int n = 0;

	assert_int_equal(mf_input_paths_decode(mf_str(packed), &buf, NULL),
	                 260);
	while (mf_input_paths_next(mf_buf_view(&buf), &pos, &item)) {
		char want[64];

		snprintf(want, sizeof(want), "179537511/fan/%d", n++ * 37);
		assert_str(item, want);
	}
	assert_int_equal(n, 260);
	mf_buf_clear(&buf);
}

TEST(damaged_input_paths_are_refused_and_append_nothing)
{
	static const char *const bad[] = {
		"a:b:c", "!", "!!!!", "!AAAA", "!eJy", "!eJyrmCN7", "!====",
	};
	struct mf_buf buf = {0};
	char cut[sizeof(packed)];

	mf_buf_puts(&buf, "kept");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(mf_input_paths_decode(mf_str(bad[i]), &buf,
		                                       NULL),
		                 -MF_EFORMAT);
	for (size_t len = 1; len + 1 < sizeof(packed); len += 3) {
		memcpy(cut, packed, len);
		cut[len] = '\0';
		assert_int_equal(mf_input_paths_decode(mf_str(cut), &buf, NULL),
		                 -MF_EFORMAT);
	}
	assert_int_equal(mf_input_paths_decode(MF_STR("a\0b"), &buf, NULL),
	                 -MF_EFORMAT);
	assert_str(mf_buf_view(&buf), "kept");
	mf_buf_clear(&buf);
}

TEST(a_list_that_grows_without_end_is_refused)
{
	enum {
		LEN = 100000
	};
	char *text = test_malloc(2 * LEN + 1);
	struct mf_buf buf = {0};

	memset(text, 'a', LEN);
	text[LEN] = ':';
	memset(text + LEN + 1, ',', LEN);
	assert_int_equal(
		mf_input_paths_decode((struct mf_str){text, 2 * LEN + 1}, &buf,
	                              NULL),
		-E2BIG);
	test_free(text);
	mf_buf_clear(&buf);
}

TEST(decoding_survives_every_failed_allocation)
{
	struct mf_buf buf = {0};
	int rc = -ENOMEM;
	long nth;

	for (nth = 0; rc == -ENOMEM; nth++) {
		mf_buf_clear(&buf);
		fault_alloc_fail_at(nth);
		rc = mf_input_paths_decode(mf_str(packed), &buf, NULL);
		fault_alloc_fail_at(-1);
	}
	assert_int_equal(rc, 260);
	assert_true(nth > 3);
	mf_buf_clear(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_pathspec_has_one_to_four_parts),
		CASE(what_is_no_pathspec_is_refused),
		CASE(an_input_path_may_carry_an_attempt),
		CASE(format_gives_back_what_was_parsed),
		CASE(a_tail_matches_the_last_parts_only),
		CASE(input_paths_are_read_plain_and_prefixed),
		CASE(input_paths_are_read_packed_by_metaflow_itself),
		CASE(damaged_input_paths_are_refused_and_append_nothing),
		CASE(a_list_that_grows_without_end_is_refused),
		CASE(decoding_survives_every_failed_allocation),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}

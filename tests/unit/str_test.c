#include "support/test.h"

#include "mfcore/str.h"

TEST(u64_takes_the_largest_number_and_refuses_the_next)
{
	uint64_t value = 7;

	assert_true(mf_str_u64(MF_STR("18446744073709551615"), &value));
	assert_true(value == UINT64_MAX);
	value = 7;
	assert_false(mf_str_u64(MF_STR("18446744073709551616"), &value));
	assert_false(mf_str_u64(MF_STR(""), &value));
	assert_false(mf_str_u64(MF_STR("-1"), &value));
	assert_int_equal(value, 7);
}

TEST(cut_leaves_the_absent_string_without_a_separator)
{
	struct mf_str rest = MF_STR("a/b");

	assert_true(mf_str_is(mf_str_cut(&rest, '/'), "a"));
	assert_true(mf_str_is(mf_str_cut(&rest, '/'), "b"));
	assert_null(rest.ptr);
}

TEST(search_finds_at_both_ends_and_says_len_when_absent)
{
	assert_int_equal(mf_str_search(MF_STR("abc"), MF_STR("a")), 0);
	assert_int_equal(mf_str_search(MF_STR("abc"), MF_STR("bc")), 1);
	assert_int_equal(mf_str_search(MF_STR("abc"), MF_STR("abcd")), 3);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(u64_takes_the_largest_number_and_refuses_the_next),
		CASE(cut_leaves_the_absent_string_without_a_separator),
		CASE(search_finds_at_both_ends_and_says_len_when_absent),
	};

	return cmocka_run_group_tests_name("str", cases, NULL, NULL);
}

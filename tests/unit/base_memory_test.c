#include "support/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mfcore/arena.h"
#include "mfcore/buf.h"
#include "mfcore/map.h"
#include "support/fault_alloc.h"

TEST(a_buffer_is_a_c_string_after_every_append)
{
	struct mf_buf buf = {0};
	char *room;

	mf_buf_putc(&buf, 'a');
	assert_string_equal(buf.ptr, "a");
	mf_buf_printf(&buf, "%s-%d", "b", 7);
	assert_string_equal(buf.ptr, "ab-7");
	room = mf_buf_room(&buf, 3);
	memcpy(room, "xyz", 3);
	buf.len += 2;
	assert_int_equal(strlen(mf_buf_view(&buf).ptr), 7);
	mf_buf_puts(&buf, "!");
	assert_string_equal(buf.ptr, "ab-7xy!");
	mf_buf_puts(&buf, NULL);
	mf_buf_str(&buf, (struct mf_str){NULL, 0});
	assert_int_equal(buf.len, 7);
	assert_true(mf_buf_ok(&buf));
	mf_buf_reset(&buf);
	assert_string_equal(buf.ptr, "");
	mf_buf_clear(&buf);
	assert_null(buf.ptr);
}

TEST(printf_grows_to_any_length)
{
	struct mf_buf buf = {0};

	for (int len = 0; len < 300; len++) {
		mf_buf_reset(&buf);
		mf_buf_printf(&buf, "%0*d|", len, 0);
		assert_int_equal(buf.len, (len ? len : 1) + 1);
		assert_int_equal(buf.ptr[buf.len - 1], '|');
		mf_buf_clear(&buf);
	}
}

TEST(a_buffer_remembers_that_memory_ran_out)
{
	struct mf_buf buf = {0};
	char *bytes;

	fault_alloc_fail_at(0);
	mf_buf_puts(&buf, "lost");
	mf_buf_puts(&buf, "kept");
	fault_alloc_fail_at(-1);
	assert_false(mf_buf_ok(&buf));
	assert_string_equal(buf.ptr, "kept");
	fault_alloc_fail_at(0);
	mf_buf_printf(&buf, "%0200d", 1);
	assert_null(mf_buf_room(&buf, SIZE_MAX));
	fault_alloc_fail_at(-1);
	assert_string_equal(buf.ptr, "kept");
	mf_buf_reset(&buf);
	assert_true(mf_buf_ok(&buf));
	mf_buf_puts(&buf, "mine");
	bytes = mf_buf_detach(&buf);
	assert_string_equal(bytes, "mine");
	assert_null(buf.ptr);
	free(bytes);
}

TEST(an_arena_gives_zeroed_aligned_memory_of_any_size)
{
	static const size_t sizes[] = {0, 1, 7, 16, 4000, 5000, 1 << 20, 3};
	struct mf_arena arena = {0};
	unsigned char *last = NULL;

	for (size_t round = 0; round < 500; round++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			size_t size = round % 50 ? sizes[i] % 5000 : sizes[i];
			unsigned char *at = mf_arena_alloc(&arena, size);

			assert_non_null(at);
			assert_int_equal((uintptr_t)at % _Alignof(max_align_t),
			                 0);
			for (size_t k = 0; k < size; k++)
				assert_int_equal(at[k], 0);
			memset(at, 0xff, size);
			assert_ptr_not_equal(at, last);
			last = size ? at : last;
		}
	assert_null(mf_arena_alloc(&arena, SIZE_MAX));
	assert_null(mf_arena_alloc(&arena, SIZE_MAX - 16));
	mf_arena_clear(&arena);
	assert_int_equal(arena.total, 0);
}

TEST(an_arena_copies_strings_with_a_nul)
{
	struct mf_arena arena = {0};
	struct mf_str copy = mf_arena_str(&arena, MF_STR("a\0b"));

	assert_memory_equal(copy.ptr, "a\0b", 4);
	assert_int_equal(copy.len, 3);
	copy = mf_arena_str(&arena, (struct mf_str){NULL, 0});
	assert_string_equal(copy.ptr, "");
	mf_arena_clear(&arena);
	fault_alloc_fail_at(0);
	copy = mf_arena_str(&arena, MF_STR("x"));
	fault_alloc_fail_at(-1);
	assert_null(copy.ptr);
	mf_arena_clear(&arena);
}

enum {
	KEYS = 997
};

TEST(a_map_holds_what_an_array_would)
{
	struct mf_map map = {0};
	static char marks[KEYS];
	bool in[KEYS] = {false};
	uint64_t random = 1;
	size_t len = 0;

	for (int i = 0; i < 200000; i++) {
		size_t k;

		random = random * UINT64_C(6364136223846793005) + 1442695;
		k = (size_t)(random >> 33) % KEYS;
		if (random >> 63) {
			assert_int_equal(mf_map_put(&map, k * 64, &marks[k]),
			                 0);
			len += !in[k];
			in[k] = true;
		} else {
			assert_ptr_equal(mf_map_remove(&map, k * 64),
			                 in[k] ? &marks[k] : NULL);
			len -= in[k];
			in[k] = false;
		}
		assert_int_equal(map.len, len);
	}
	for (size_t k = 0; k < KEYS; k++)
		assert_ptr_equal(mf_map_get(&map, k * 64),
		                 in[k] ? &marks[k] : NULL);
	mf_map_clear(&map);
	assert_null(mf_map_get(&map, 0));
	assert_null(mf_map_remove(&map, 0));
}

TEST(a_map_without_memory_stays_as_it_was)
{
	struct mf_map map = {0};
	static char mark;
	uint64_t n = 0;

	fault_alloc_fail_at(0);
	assert_int_equal(mf_map_put(&map, 1, &mark), -ENOMEM);
	fault_alloc_fail_at(1);
	while (mf_map_put(&map, n, &mark) == 0)
		n++;
	fault_alloc_fail_at(-1);
	assert_true(n > 4);
	assert_int_equal(map.len, n);
	assert_ptr_equal(mf_map_get(&map, n - 1), &mark);
	assert_null(mf_map_get(&map, n));
	assert_int_equal(mf_map_put(&map, n, &mark), 0);
	mf_map_clear(&map);
}

TEST(hashes_tell_near_keys_apart)
{
	assert_true(mf_map_mix(1, 2) != mf_map_mix(2, 1));
	assert_true(mf_map_mix(0, 0) != mf_map_mix(0, 1));
	assert_true(mf_map_hash(MF_STR("ab")) != mf_map_hash(MF_STR("ba")));
	assert_true(mf_map_hash(MF_STR("")) == mf_map_hash(mf_str(NULL)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_buffer_is_a_c_string_after_every_append),
		CASE(printf_grows_to_any_length),
		CASE(a_buffer_remembers_that_memory_ran_out),
		CASE(an_arena_gives_zeroed_aligned_memory_of_any_size),
		CASE(an_arena_copies_strings_with_a_nul),
		CASE(a_map_holds_what_an_array_would),
		CASE(a_map_without_memory_stays_as_it_was),
		CASE(hashes_tell_near_keys_apart),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}

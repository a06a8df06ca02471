#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"
#include "mfcore/text.h"
#include "support/fault_alloc.h"

static void assert_text(void (*write)(struct mf_buf *, struct mf_str),
                        struct mf_str s, const char *want)
{
	struct mf_buf buf = {0};

	write(&buf, s);
	mf_buf_putc(&buf, '\0');
	assert_string_equal(buf.ptr, want);
	mf_buf_clear(&buf);
}

TEST(only_valid_utf8_is_taken_for_it)
{
	static const struct {
		const char *bytes;
		size_t len;
		uint32_t cp;
	} steps[] = {
		{"a", 1, 'a'},
		{"\x7f", 1, 0x7f},
		{"\xc2\x80", 2, 0x80},
		{"\xdf\xbf", 2, 0x7ff},
		{"\xe0\xa0\x80", 3, 0x800},
		{"\xed\x9f\xbf", 3, 0xd7ff},
		{"\xee\x80\x80", 3, 0xe000},
		{"\xf0\x90\x80\x80", 4, 0x10000},
		{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
		{"\xc0\x80", 0, 0},             /* overlong NUL */
		{"\xc1\xbf", 0, 0},             /* overlong */
		{"\xe0\x9f\xbf", 0, 0},         /* overlong */
		{"\xf0\x8f\xbf\xbf", 0, 0},     /* overlong */
		{"\xed\xa0\x80", 0, 0},         /* surrogate */
		{"\xed\xbf\xbf", 0, 0},         /* surrogate */
		{"\xf4\x90\x80\x80", 0, 0},     /* above U+10FFFF */
		{"\xf5\x80\x80\x80", 0, 0},     /* above U+10FFFF */
		{"\xf8\x88\x80\x80\x80", 0, 0}, /* five bytes */
		{"\x80", 0, 0},                 /* continuation alone */
		{"\xbf", 0, 0},                 /* continuation alone */
		{"\xc3", 0, 0},                 /* cut */
		{"\xe2\x82", 0, 0},             /* cut */
		{"\xc3(", 0, 0},                /* no continuation */
		{"\xff", 0, 0},
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		uint32_t cp = 0;

		assert_int_equal(mf__utf8_next(mf_str(steps[i].bytes), 0, &cp),
		                 steps[i].len);
		assert_int_equal(cp, steps[i].cp);
	}
}

TEST(nothing_that_moves_a_terminal_gets_through)
{
	assert_text(mf_text_terminal, MF_STR("a\tb\nc\rd\x1b[2Je\x07\x7f"),
	            "a\\tb\\nc\\rd\\e[2Je\\x07\\x7f");
	assert_text(mf_text_terminal, MF_STR("\0x"), "\\x00x");
	assert_text(mf_text_terminal, MF_STR("\xc2\x9b\xc2\x85"),
	            "\\u009B\\u0085");
	assert_text(mf_text_terminal, MF_STR("\x9b\xff"), "\\x9b\\xff");
	assert_text(mf_text_terminal,
	            MF_STR("\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf"),
	            "\\u202E\\u2066\\u200B\\uFEFF");
	assert_text(mf_text_terminal, MF_STR("\xf3\xa0\x81\x81"),
	            "\\U000E0041");
	assert_text(mf_text_terminal,
	            MF_STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98"
	                   "\x80"),
	            "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_text(mf_text_terminal_lines, MF_STR("a\r\n\tb\rc\x1b\n"),
	            "a\r\n\tb\\rc\\e\n");
}

TEST(each_bad_byte_becomes_one_replacement)
{
	assert_text(mf_text_utf8, MF_STR("a\xe2\x82z\xc0\x80"),
	            "a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(a_word_of_the_shell_is_bare_only_where_safe)
{
	assert_text(mf_text_shell, MF_STR("/usr/bin/a-b_c.d:e,f+g@h%i"),
	            "/usr/bin/a-b_c.d:e,f+g@h%i");
	assert_text(mf_text_shell, MF_STR("--a=b"), "--a=b");
	assert_text(mf_text_shell, MF_STR(""), "''");
	assert_text(mf_text_shell, MF_STR("a b"), "'a b'");
	assert_text(mf_text_shell, MF_STR("it's"), "'it'\\''s'");
	assert_text(mf_text_shell, MF_STR("A=b"), "'A=b'");
	assert_text(mf_text_shell, MF_STR("A+=b"), "'A+=b'");
	assert_text(mf_text_shell, MF_STR("if"), "'if'");
	assert_text(mf_text_shell, MF_STR("=ls"), "'=ls'");
	assert_text(mf_text_shell, MF_STR("~"), "'~'");
	assert_text(mf_text_shell, MF_STR("$(x)"), "'$(x)'");
	assert_text(mf_text_shell, MF_STR("\xc3\xa9"), "'\xc3\xa9'");
	assert_text(mf_text_shell, MF_STR("a\nb!"), "$'a\\nb\\x21'");
	assert_text(mf_text_shell, MF_STR("\xe2\x80\xae"),
	            "$'\\xe2\\x80\\xae'");
	assert_text(mf_text_shell, MF_STR("\x1b'\\"), "$'\\e\\'\\\\'");
}

/* What `shell -c "printf %s WORD"` prints, at most `cap` bytes. */
static size_t ask_shell(const char *shell, struct mf_str word, char *out,
                        size_t cap)
{
	char script[] = "/tmp/mf-text-XXXXXX";
	int fd = mkstemp(script);
	struct mf_buf command = {0};
	FILE *file;
	size_t len;

	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	assert_non_null(file);
	fputs("printf %s ", file);
	assert_int_equal(fwrite(word.ptr, 1, word.len, file), word.len);
	assert_int_equal(fclose(file), 0);
	mf_buf_printf(&command, "exec %s %s", shell, script);
	file = popen(command.ptr, "r");
	assert_non_null(file);
	len = fread(out, 1, cap, file);
	assert_int_equal(pclose(file), 0);
	mf_buf_clear(&command);
	remove(script);
	return len;
}

static void assert_round_trip(const char *shell, struct mf_str s)
{
	struct mf_buf word = {0};
	char back[2048];
	size_t len;

	mf_text_shell(&word, s);
	len = ask_shell(shell, mf_buf_view(&word), back, sizeof(back));
	if (len != s.len || memcmp(back, s.ptr, len) != 0)
		fail_msg("%s reads %s otherwise", shell, word.ptr);
	mf_buf_clear(&word);
}

TEST(bash_reads_back_every_byte_and_sh_every_plain_text)
{
	char all[255];
	char twice[511];

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)(i + 1);
	assert_round_trip("bash", (struct mf_str){all, sizeof(all)});
	/* each byte before a hexadecimal digit, where \xN would swallow it */
	for (size_t i = 0; i < 255; i++) {
		twice[2 * i] = (char)(i + 1);
		twice[2 * i + 1] = 'a';
	}
	assert_round_trip("bash", (struct mf_str){twice, 510});
	assert_round_trip("sh", MF_STR(" !\"#$%&'()*+,-./0:;<=>?@A[\\]^_`{|}~ "
	                               "\xc3\xa9 '' \\' \\n $x `id` ~ *"));
	assert_round_trip("sh", MF_STR("-n"));
	assert_round_trip("bash", MF_STR("\xc2\x9b\xe2\x80\xae\x01\x7f"));
	assert_round_trip("bash", MF_STR("it's\na \\ ' trap!"));
}

TEST(times_show_the_zone_they_are_in)
{
	struct mf_buf buf = {0};

	setenv("TZ", "Asia/Kolkata", 1);
	mf_text_time(&buf, UINT64_C(1795375027143999999));
	mf_buf_putc(&buf, ' ');
	mf_text_clock(&buf, UINT64_C(1795375027143999999));
	assert_string_equal(buf.ptr,
	                    "2026-11-23T00:47:07.143+05:30 00:47:07.143");
	setenv("TZ", "America/St_Johns", 1);
	mf_buf_reset(&buf);
	mf_text_time(&buf, UINT64_C(1795375027143000000));
	assert_string_equal(buf.ptr, "2026-11-22T15:47:07.143-03:30");
	setenv("TZ", "UTC", 1);
	mf_buf_reset(&buf);
	mf_text_time(&buf, UINT64_MAX);
	assert_string_equal(buf.ptr, "2554-07-21T23:34:33.709Z");
	mf_buf_clear(&buf);
}

static void assert_u64(void (*write)(struct mf_buf *, uint64_t), uint64_t value,
                       const char *want)
{
	struct mf_buf buf = {0};

	write(&buf, value);
	assert_string_equal(buf.ptr, want);
	mf_buf_clear(&buf);
}

TEST(durations_and_sizes_are_short)
{
	assert_u64(mf_text_duration, 0, "0s");
	assert_u64(mf_text_duration, 999, "999ns");
	assert_u64(mf_text_duration, 850 * UINT64_C(1000000), "850ms");
	assert_u64(mf_text_duration, UINT64_C(999999999), "999ms");
	assert_u64(mf_text_duration, UINT64_C(2310000000), "2.31s");
	assert_u64(mf_text_duration, UINT64_C(59999999999), "59.99s");
	assert_u64(mf_text_duration, UINT64_C(247000000000), "4m07s");
	assert_u64(mf_text_duration, UINT64_C(11520000000000), "3h12m");
	assert_u64(mf_text_duration, UINT64_C(183600000000000), "2d03h");
	assert_u64(mf_text_size, 0, "0B");
	assert_u64(mf_text_size, 1023, "1023B");
	assert_u64(mf_text_size, 1536, "1.5KiB");
	assert_u64(mf_text_size, (UINT64_C(1) << 20) - 1, "1.0MiB");
	assert_u64(mf_text_size, 230 * (UINT64_C(1) << 20), "230MiB");
	assert_u64(mf_text_size, UINT64_MAX, "16.0EiB");
}

#define S UINT64_C(1000000000)
#define FIRST (UINT64_C(1795375027) * S) /* 2026-11-22T19:17:07Z */
#define LAST (FIRST + 6 * 3600 * S)      /* past midnight */

static uint64_t parse_time(const char *text)
{
	uint64_t out = 0;
	struct mf_err err = {0};
	int rc = mf_text_parse_time(mf_str(text), FIRST, LAST, &out, &err);

	if (rc < 0)
		fail_msg("'%s': %s", text, err.text);
	return out;
}

TEST(a_time_is_read_in_every_way_people_write_it)
{
	setenv("TZ", "UTC", 1);
	assert_true(parse_time("2026-11-22T19:17:07Z") == FIRST);
	assert_true(parse_time("2026-11-22t19:17:07.5z") == FIRST + S / 2);
	assert_true(parse_time("2026-11-23T00:47:07+05:30") == FIRST);
	assert_true(parse_time("2026-11-22T14:17:07.000000001-05:00") ==
	            FIRST + 1);
	assert_true(parse_time("2026-11-22 19:17:07") == FIRST);
	assert_true(parse_time("19:17:08.250") == FIRST + S + S / 4);
	assert_true(parse_time("19:17:06") == FIRST - S);
	assert_true(parse_time("00:17:07") == FIRST + 5 * 3600 * S);
	assert_true(parse_time("+3.5s") == FIRST + 3 * S + S / 2);
	assert_true(parse_time("+250ms") == FIRST + S / 4);
	assert_true(parse_time("+1.5h") == FIRST + 5400 * S);
	assert_true(parse_time("+2") == FIRST + 2 * S);
	assert_true(parse_time("-10s") == LAST - 10 * S);
	assert_true(parse_time("-1m") == LAST - 60 * S);
	assert_true(parse_time("-500000h") == 0);
	assert_true(parse_time("1970-01-01T00:00:00Z") == 0);
}

TEST(what_is_no_time_is_refused)
{
	static const char *const bad[] = {
		"",
		"now",
		"+",
		"-",
		"+s",
		"+1.s",
		"+1x",
		"+1 s",
		"+-1",
		"19:17",
		"24:00:00",
		"19:60:00",
		"19:17:60",
		"19:17:07.",
		"19:17:07 ",
		"2026-11-22",
		"2026-02-29T00:00:00Z",
		"2026-13-01T00:00:00Z",
		"2026-00-10T00:00:00Z",
		"2026-11-22T19:17:07+5:30",
		"2026-11-22T19:17:07ZZ",
		"1969-12-31T23:59:59Z",
		"9999-12-31T23:59:59Z",
		"+99999999999999999999",
		"+18446744073709551615h",
	};
	uint64_t out = 7;

	setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (mf_text_parse_time(mf_str(bad[i]), FIRST, LAST, &out,
		                       NULL) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(out, 7);
}

TEST(sizes_are_read_in_iec_units_only)
{
	static const char *const bad[] = {"",
	                                  "K",
	                                  "1KB",
	                                  "1.5M",
	                                  "-1",
	                                  "1Q",
	                                  "1Ki",
	                                  "1 K",
	                                  "1KiBx",
	                                  "16E",
	                                  "1 ",
	                                  "1\x0b",
	                                  "99999999999999999999"};
	uint64_t out = 0;

	assert_int_equal(mf_text_parse_size(MF_STR("4096"), &out, NULL), 0);
	assert_true(out == 4096);
	assert_int_equal(mf_text_parse_size(MF_STR("7B"), &out, NULL), 0);
	assert_true(out == 7);
	assert_int_equal(mf_text_parse_size(MF_STR("64K"), &out, NULL), 0);
	assert_true(out == 65536);
	assert_int_equal(mf_text_parse_size(MF_STR("1GiB"), &out, NULL), 0);
	assert_true(out == UINT64_C(1) << 30);
	assert_int_equal(mf_text_parse_size(MF_STR("15E"), &out, NULL), 0);
	assert_true(out == UINT64_C(15) << 60);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (mf_text_parse_size(mf_str(bad[i]), &out, NULL) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
}

TEST(text_says_when_memory_ran_out)
{
	struct mf_buf buf = {0};

	for (long nth = 0; nth == 0 || !mf_buf_ok(&buf); nth++) {
		mf_buf_clear(&buf);
		fault_alloc_fail_at(nth);
		mf_text_shell(&buf, MF_STR("a\nlong word with ' in it, so long "
		                           "that the buffer has to grow once"));
		mf_text_time(&buf, 1);
		fault_alloc_fail_at(-1);
		assert_true(nth < 10);
	}
	mf_buf_clear(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(only_valid_utf8_is_taken_for_it),
		CASE(nothing_that_moves_a_terminal_gets_through),
		CASE(each_bad_byte_becomes_one_replacement),
		CASE(a_word_of_the_shell_is_bare_only_where_safe),
		CASE(bash_reads_back_every_byte_and_sh_every_plain_text),
		CASE(times_show_the_zone_they_are_in),
		CASE(durations_and_sizes_are_short),
		CASE(a_time_is_read_in_every_way_people_write_it),
		CASE(what_is_no_time_is_refused),
		CASE(sizes_are_read_in_iec_units_only),
		CASE(text_says_when_memory_ran_out),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}

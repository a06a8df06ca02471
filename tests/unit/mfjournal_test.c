/* man/mfjournal.5 is normative: its tables, its dump, and a second reader. */
#include "support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/frame.h"
#include "mfcore/buf.h"
#include "mfcore/redact.h"
#include "support/journal_kit.h"

#define PAGE "man/mfjournal.5"
#define READER "tests/support/pyjournal.py"

static struct mf_buf page;

static int read_page(void **state)
{
	FILE *file = fopen(PAGE, "re");
	char line[512];

	(void)state;
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		mf_buf_puts(&page, line);
	fclose(file);
	return mf_buf_ok(&page) ? 0 : -1;
}

static int forget_page(void **state)
{
	(void)state;
	mf_buf_clear(&page);
	return 0;
}

/* The lines between .EX and .EE of a section, or the absent string. */
static struct mf_str example_of(const char *section)
{
	struct mf_str text = mf_buf_view(&page);
	char title[64];
	size_t at;

	snprintf(title, sizeof(title), "\n.SH %s\n", section);
	at = mf_str_search(text, mf_str(title));
	text = mf_str_from(text, at);
	at = mf_str_search(text, MF_STR("\n.EX\n"));
	text = mf_str_from(text, at + 5);
	text.len = mf_str_search(text, MF_STR(".EE\n"));
	assert_true(text.len > 0);
	return text;
}

/* As a line of an example is written: a backslash is "\e". */
static void add_escaped(struct mf_buf *out, const char *text)
{
	for (; *text; text++) {
		mf_buf_putc(out, *text);
		if (*text == '\\')
			mf_buf_putc(out, 'e');
	}
	mf_buf_putc(out, '\n');
}

static void expect_example(const char *section, struct mf_buf *want)
{
	struct mf_str got = example_of(section);
	struct mf_str expected = mf_buf_view(want);

	assert_true(mf_buf_ok(want));
	if (!mf_str_eq(got, expected))
		print_error("%s of %s should be:\n%s", section, PAGE,
		            want->ptr);
	assert_true(mf_str_eq(got, expected));
	mf_buf_clear(want);
}

TEST(the_page_has_every_event_type)
{
	struct mf_buf want = {0};
	char line[256];

#define MF_EVENT(name, number, word, meaning)                                  \
	snprintf(line, sizeof(line), "%3d  %-13s %s", number, word, meaning);  \
	add_escaped(&want, line);
#include "mfcore/event.def"
	expect_example("EVENT TYPES", &want);
}

TEST(the_page_has_every_field)
{
	struct mf_buf want = {0};
	char line[256];

#define MF_FIELD(name, number, kind, word, meaning)                            \
	snprintf(line, sizeof(line), "%3d  %-5s %-12s %s", number, #kind,      \
	         word, meaning);                                               \
	add_escaped(&want, line);
#include "mfcore/event.def"
	expect_example("FIELD NUMBERS", &want);
}

TEST(the_page_has_every_rule_of_redaction)
{
	const char *const *rules = mf_redact_rules();
	struct mf_buf want = {0};

	while (*rules)
		add_escaped(&want, *rules++);
	expect_example("REDACTION", &want);
}

/* Put the bytes of one line of the dump at their place. */
static void put_line(const char *line, char *bytes, size_t cap, size_t *len)
{
	char *at;
	unsigned long offset = strtoul(line, &at, 16);

	*len = offset;
	for (int i = 0; i < 16 && *at == ' '; i++) {
		unsigned long byte = strtoul(at, &at, 16);

		assert_true(offset < cap);
		bytes[offset++] = (char)byte;
	}
}

static void write_file(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(close(fd), 0);
}

TEST(the_dump_on_the_page_is_a_journal)
{
	static char bytes[65536];
	struct mf_str dump = example_of("EXAMPLE");
	struct mf_journal *journal;
	struct mf_event ev;
	char path[64];
	char dir[] = "/tmp/mf-dump-XXXXXX";
	size_t len = 0;

	while (dump.len > 0) {
		struct mf_str one = mf_str_cut(&dump, '\n');

		if (!mf_str_is(one, "*"))
			put_line(one.ptr, bytes, sizeof(bytes), &len);
	}
	assert_int_equal(len, 5 * MF__BLOCK);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/hive.000001.mfj", dir);
	write_file(path, bytes, len);

	assert_int_equal(mf_journal_open(&journal, dir, NULL), 0);
	assert_int_equal(mf_journal_next(journal, &ev), 1);
	assert_int_equal(ev.type, MF_EV_PROC_START);
	assert_int_equal(ev.offset, 0x4040);
	assert_int_equal(ev.pid, 4711);
	assert_int_equal(ev.start, 90210);
	assert_int_equal(ev.wall_ns, UINT64_C(1795521600000002000));
	assert_int_equal(mf_event_u64(&ev, MF_F_PPID, 0), 4700);
	assert_true(mf_str_eq(mf_event_bytes(&ev, MF_F_ARGV),
	                      MF_STR("sh\0-c\0exit 3\0")));
	assert_true(mf_str_is(mf_event_bytes(&ev, MF_F_CWD), "/tmp"));
	assert_int_equal(mf_journal_next(journal, &ev), 1);
	assert_int_equal(ev.type, MF_EV_COUNTER);
	assert_true(mf_str_is(mf_event_bytes(&ev, MF_F_ROLE), "lostcall"));
	assert_int_equal(ev.counter, 7);
	assert_int_equal(mf_journal_next(journal, &ev), 1);
	assert_int_equal(ev.type, MF_EV_PROC_EXIT);
	assert_int_equal(mf_event_i64(&ev, MF_F_CODE, 0), 3);
	assert_int_equal(mf_journal_next(journal, &ev), 0);
	assert_int_equal(mf_journal_health(journal)->uncommitted, 1);
	assert_int_equal(mf_journal_health(journal)->damaged, 0);
	assert_int_equal(mf_journal_health(journal)->dropped, 2);
	assert_int_equal(mf_journal_health(journal)->dropped_bytes, 300);
	assert_true(mf_str_is(mf_journal_host(journal, 0)->name, "hive"));
	mf_journal_close(journal);
	unlink(path);
	rmdir(dir);
}

static int by_line(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct lines {
	char *items[8192];
	size_t len;
};

static void add_line(struct lines *lines, const char *line)
{
	assert_true(lines->len < 8192);
	lines->items[lines->len] = strdup(line);
	assert_non_null(lines->items[lines->len++]);
}

/* What the C reader finds, written as the second reader writes it. */
static void read_with_ours(const struct kit *kit, struct lines *out)
{
	static const char *const NAMES[] = {"another.000001.mfj",
	                                    "host.000001.mfj"};
	struct mf_journal *journal;
	struct mf_event ev;
	struct mf_buf line = {0};

	assert_int_equal(mf_journal_open(&journal, kit->dir, NULL), 0);
	while (mf_journal_next(journal, &ev) == 1) {
		mf_buf_reset(&line);
		mf_buf_printf(&line, "%s %lu %u %u %u %u %lu ",
		              NAMES[ev.segment], (unsigned long)ev.offset,
		              ev.type, ev.pid, ev.tid, ev.seq,
		              (unsigned long)ev.time_ns);
		for (size_t i = 0; i < ev.payload.len; i++)
			mf_buf_printf(&line, "%02x",
			              (unsigned char)ev.payload.ptr[i]);
		mf_buf_putc(&line, '\n');
		add_line(out, line.ptr);
	}
	mf_buf_clear(&line);
	mf_journal_close(journal);
}

static void read_with_theirs(const struct kit *kit, struct lines *out)
{
	static char line[1 << 16];
	char command[1024];
	FILE *pipe;

	snprintf(command, sizeof(command), "'%s' %s '%s'",
	         getenv("VENV_PYTHON"), READER, kit->dir);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe))
		add_line(out, line);
	assert_int_equal(pclose(pipe), 0);
}

static void compare_readers(const struct kit *kit, size_t least)
{
	static struct lines ours;
	static struct lines theirs;

	ours.len = theirs.len = 0;
	read_with_ours(kit, &ours);
	read_with_theirs(kit, &theirs);
	qsort(ours.items, ours.len, sizeof(char *), by_line);
	qsort(theirs.items, theirs.len, sizeof(char *), by_line);
	assert_true(ours.len >= least);
	assert_int_equal(ours.len, theirs.len);
	for (size_t i = 0; i < ours.len; i++) {
		assert_string_equal(ours.items[i], theirs.items[i]);
		free(ours.items[i]);
		free(theirs.items[i]);
	}
}

static void *append_on_thread(void *arg)
{
	struct mf_lane lane = {0};

	for (uint64_t i = 0; i < 500; i++)
		kit_append(arg, &lane, i, (i * 17) % 200);
	return NULL;
}

/* Two hosts, threads, a forked child, a counter, one record not committed. */
static void write_journal(struct kit *kit)
{
	struct mf_segment_options other = kit->options;
	struct mf_writer writers[2];
	struct mf_lane lane = {0};
	struct mf_record rec;
	pthread_t threads[2];
	char path[320];
	pid_t child;

	other.host = "another";
	other.seed = 77;
	assert_int_equal(mf_segment_create(kit->dir, 1, &other, NULL), 0);
	assert_int_equal(
		mf_segment_path(path, sizeof(path), kit->dir, "another", 1), 0);
	kit_attach(kit, &writers[0]);
	assert_int_equal(mf_writer_attach(&writers[1], path), 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, append_on_thread,
		               &writers[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	child = fork();
	if (child == 0) {
		append_on_thread(&writers[0]);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	assert_true(mf_record_begin(&rec, &writers[0], &lane, MF_EV_COUNTER,
	                            MF_FIELD_COUNTER));
	*mf_record_end_counter(&rec) = 9;
	assert_true(mf_record_begin(&rec, &writers[0], &lane, MF_EV_NOTE, 64));
	assert_true(kit_append(&writers[0], &lane, 1, 30000));
	mf_writer_detach(&writers[0]);
	mf_writer_detach(&writers[1]);
}

TEST(a_second_reader_written_from_the_page_agrees)
{
	struct kit kit;
	char noise[3000];
	int fd;

	if (!getenv("VENV_PYTHON") || access(getenv("VENV_PYTHON"), X_OK) != 0)
		skip();
	kit_open(&kit, "/tmp", 1u << 24);
	write_journal(&kit);
	compare_readers(&kit, 1500 + 2);

	/* an identity, a chunk's head, records, and the end */
	memset(noise, 0xa5, sizeof(noise));
	fd = open(kit.path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, noise, 100, 20), 100);
	assert_int_equal(pwrite(fd, noise, 20, 4 * MF__BLOCK + 8), 20);
	assert_int_equal(pwrite(fd, noise, 3000, 9 * MF__BLOCK - 700), 3000);
	assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 9999), 0);
	close(fd);
	compare_readers(&kit, 1200);
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(the_page_has_every_event_type),
		CASE(the_page_has_every_field),
		CASE(the_page_has_every_rule_of_redaction),
		CASE(the_dump_on_the_page_is_a_journal),
		CASE(a_second_reader_written_from_the_page_agrees),
	};

	return cmocka_run_group_tests_name("mfjournal", cases, read_page,
	                                   forget_page);
}

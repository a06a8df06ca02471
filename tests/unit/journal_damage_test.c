/*
 * Damage of every kind to one real journal. Two claims are held in each case:
 * what is returned is one of the records that were written, and each at most
 * once; and every record whose own bytes are untouched is returned.
 */
#include "support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/frame.h"
#include "support/journal_kit.h"

#if defined(__SANITIZE_THREAD__)
#define MUTATIONS 5000 /* it is slow there, and looks for something else */
#else
#define MUTATIONS 100000
#endif
#define IMAGE_MAX (256u << 10)
#define RECORDS_MAX 1024

struct original {
	uint64_t offset;
	size_t size;
	struct mf_event ev; /* its payload points into the image */
};

static struct kit kit;
static int fd;
static char image[IMAGE_MAX];   /* the journal as it was written */
static char damaged[IMAGE_MAX]; /* and as it is now */
static bool touched[IMAGE_MAX];
static bool seen[RECORDS_MAX];
static struct original originals[RECORDS_MAX];
static size_t originals_len;
static size_t image_len;

static void append_some(struct mf_writer *writer, uint64_t from, uint64_t n)
{
	struct mf_lane lane = {0};

	for (uint64_t i = 0; i < n; i++)
		kit_append(writer, &lane, from + i, (i * 131) % 300);
}

static void *append_on_thread(void *writer)
{
	append_some(writer, 5000, 60);
	return NULL;
}

static void write_journal(void)
{
	struct mf_writer writer;
	struct mf_lane lane = {0};
	struct mf_record rec;
	pthread_t thread;
	pid_t child;

	kit_attach(&kit, &writer);
	append_some(&writer, 0, 60);
	assert_int_equal(
		pthread_create(&thread, NULL, append_on_thread, &writer), 0);
	pthread_join(thread, NULL);
	child = fork();
	if (child == 0) {
		append_some(&writer, 9000, 40);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	assert_true(mf_record_begin(&rec, &writer, &lane, MF_EV_COUNTER,
	                            MF_FIELD_COUNTER));
	*mf_record_end_counter(&rec) = 7;
	assert_true(kit_append(&writer, &lane, 1, 9000)); /* over blocks */
	assert_true(kit_append(&writer, &lane, 2, 100));
	mf_writer_detach(&writer);
}

static void remember(const struct mf_event *ev)
{
	struct original *o = &originals[originals_len++];

	assert_true(originals_len <= RECORDS_MAX);
	o->ev = *ev;
	o->offset = ev->offset;
	o->size = sizeof(struct mf__record_head) + ev->payload.len +
	          (ev->flags & MF__RECORD_COUNTER ? 8 : 0);
	o->ev.payload.ptr = image + o->offset + sizeof(struct mf__record_head);
}

static int write_and_remember(void **state)
{
	struct mf_journal *journal;
	struct mf_event ev;
	const char *parent =
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	(void)state;
	kit_open(&kit, parent, 1u << 20);
	write_journal();
	fd = open(kit.path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	image_len = (size_t)pread(fd, image, sizeof(image), 0);
	assert_true(image_len > 60000 && image_len < sizeof(image));
	assert_int_equal(image_len % MF__BLOCK, 0);
	assert_int_equal(mf_journal_open(&journal, kit.dir, NULL), 0);
	while (mf_journal_next(journal, &ev) == 1)
		remember(&ev);
	assert_int_equal(originals_len, 60 + 60 + 1 + 40 + 3);
	mf_journal_close(journal);
	return 0;
}

static int forget(void **state)
{
	(void)state;
	close(fd);
	kit_close(&kit);
	return 0;
}

/* Which original a record is; fails the test when it is none. */
static size_t original_of(const struct mf_event *ev)
{
	for (size_t i = 0; i < originals_len; i++) {
		const struct mf_event *o = &originals[i].ev;

		if (originals[i].offset != ev->offset)
			continue;
		assert_int_equal(ev->type, o->type);
		assert_int_equal(ev->pid, o->pid);
		assert_int_equal(ev->tid, o->tid);
		assert_int_equal(ev->seq, o->seq);
		assert_int_equal(ev->time_ns, o->time_ns);
		assert_int_equal(ev->payload.len, o->payload.len);
		assert_memory_equal(ev->payload.ptr, o->payload.ptr,
		                    o->payload.len);
		return i;
	}
	fail_msg("a record at %zu was never written", (size_t)ev->offset);
	return 0;
}

/* Read what is there now. Returns the number of records; fills `seen`. */
static size_t read_damaged(void)
{
	struct mf_journal *journal = NULL;
	struct mf_event ev;
	size_t n = 0;
	int rc = mf_journal_open(&journal, kit.dir, NULL);

	memset(seen, 0, originals_len);
	if (rc == -MF_EFORMAT || rc == -MF_EVERSION)
		return 0;
	assert_int_equal(rc, 0);
	while ((rc = mf_journal_next(journal, &ev)) == 1) {
		size_t i = original_of(&ev);

		assert_false(seen[i]);
		seen[i] = true;
		n++;
	}
	assert_int_equal(rc, 0);
	mf_journal_close(journal);
	return n;
}

static bool is_touched(size_t from, size_t len)
{
	return memchr(touched + from, true, len) != NULL;
}

/* Whether one of the two identities can still be read. */
static bool is_identified(void)
{
	size_t len = sizeof(struct mf__segment_ident);

	return !is_touched(0, len) ||
	       !is_touched((size_t)MF__COPY_BLOCK * MF__BLOCK, len);
}

static void print_touched(void)
{
	size_t from = 0;

	for (size_t at = 0; at < image_len; at++) {
		if (touched[at] && (at == 0 || !touched[at - 1]))
			from = at;
		if (touched[at] && (at + 1 == image_len || !touched[at + 1]))
			print_error("[%zu, %zu) is damaged\n", from, at + 1);
	}
}

/* Every record whose bytes are as they were must have been seen. */
static void expect_untouched_records(void)
{
	if (!is_identified())
		return;
	for (size_t i = 0; i < originals_len; i++) {
		if (seen[i] ||
		    is_touched(originals[i].offset, originals[i].size))
			continue;
		print_touched();
		fail_msg("record at %zu, untouched, is not read",
		         (size_t)originals[i].offset);
	}
}

TEST(cut_at_every_byte_each_whole_record_before_is_read)
{
	size_t expected = originals_len;

	for (size_t len = image_len + 1; len-- > 0;) {
		assert_int_equal(ftruncate(fd, (off_t)len), 0);
		expected = 0;
		for (size_t i = 0; i < originals_len; i++)
			expected +=
				originals[i].offset + originals[i].size <= len;
		if (len < sizeof(struct mf__segment_ident))
			expected = 0;
		assert_int_equal(read_damaged(), expected);
	}
	assert_int_equal(pwrite(fd, image, image_len, 0), image_len);
	assert_int_equal(read_damaged(), originals_len);
}

static uint64_t random_state = 88172645463325252u;

static size_t random_below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (size_t)(random_state >> 11) % n;
}

static void put(size_t at, char byte)
{
	touched[at] = touched[at] || byte != image[at];
	damaged[at] = byte;
}

static void flip_bytes(void)
{
	for (size_t n = random_below(8) + 1; n > 0; n--) {
		size_t at = random_below(image_len);

		put(at, (char)(damaged[at] ^ (1 << random_below(8))));
	}
}

static void flip_in_a_head(void)
{
	size_t block = random_below(image_len / MF__BLOCK);
	size_t at =
		block * MF__BLOCK + random_below(sizeof(struct mf__chunk_head));

	put(at, (char)random_below(256));
}

static void set_range(size_t at, size_t len, bool is_noise)
{
	for (; len > 0 && at < image_len; len--, at++)
		put(at, is_noise ? (char)random_below(256) : 0);
}

static size_t random_block(void)
{
	return random_below(image_len / MF__BLOCK) * MF__BLOCK;
}

static void copy_block(size_t to, size_t from)
{
	for (size_t i = 0; i < MF__BLOCK; i++)
		put(to + i, image[from + i]);
}

static size_t mutate_once(size_t len)
{
	size_t a = random_block();
	size_t b = random_block();

	switch (random_below(9)) {
	case 0:
	case 1:
		flip_bytes();
		break;
	case 2:
		flip_in_a_head();
		break;
	case 3:
		set_range(a, MF__BLOCK, false);
		break;
	case 4:
		set_range(a, MF__BLOCK, true);
		break;
	case 5:
		copy_block(a, b);
		copy_block(b, a);
		break;
	case 6:
		copy_block(a, b);
		break;
	case 7:
		set_range(random_below(image_len), random_below(600),
		          random_below(2));
		break;
	case 8:
		len = random_below(image_len + 1);
		break;
	}
	return len;
}

TEST(mutated_at_random_nothing_is_invented_and_nothing_untouched_is_lost)
{
	size_t records = 0;

	for (size_t n = 0; n < MUTATIONS; n++) {
		size_t len = image_len;

		memcpy(damaged, image, image_len);
		memset(touched, 0, image_len);
		for (size_t k = random_below(3) + 1; k > 0; k--)
			len = mutate_once(len);
		memset(touched + len, 1, image_len - len);
		assert_int_equal(pwrite(fd, damaged, len, 0), len);
		assert_int_equal(ftruncate(fd, (off_t)len), 0);
		records += read_damaged();
		expect_untouched_records();
	}
	assert_true(records > MUTATIONS * (originals_len / 2));
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(cut_at_every_byte_each_whole_record_before_is_read),
		CASE(mutated_at_random_nothing_is_invented_and_nothing_untouched_is_lost),
	};

	return cmocka_run_group_tests_name("journal_damage", cases,
	                                   write_and_remember, forget);
}

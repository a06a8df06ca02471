#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/frame.h"
#include "support/journal_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BLOCKS 24
#define IMAGE ((MF__HEAD_BLOCKS + BLOCKS) * MF__BLOCK)

/*
 * The input is edits of a real segment: two bytes offset (in steps of 8), one
 * byte length and what to do, then bytes. So inputs reach behind the checksums;
 * those of records and chunk heads that an edit asks for are made right again.
 */
struct edits {
	const uint8_t *data;
	size_t size;
};

static struct kit kit;
static char image[IMAGE];
static char edited[IMAGE];

static void make_image(void)
{
	struct mf_writer writer;
	struct mf_lane lanes[3] = {{0}};
	int fd;

	kit_open(&kit, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
	         1u << 20);
	kit_attach(&kit, &writer);
	for (uint64_t i = 0; i < 150; i++)
		kit_append(&writer, &lanes[i % 3], i, (i * 53) % 400);
	mf_writer_detach(&writer);
	fd = open(kit.path, O_RDONLY | O_CLOEXEC);
	kit_must(fd >= 0 && pread(fd, image, sizeof(image), 0) > 0, "pread");
	close(fd);
}

static void remove_kit(void)
{
	kit_close(&kit);
}

static uint64_t key_at(size_t at)
{
	return ((struct mf__segment_head *)(void *)edited)->ident.seed + at;
}

/* Make the sum of what may stand at `at` right again. */
static void mend(size_t at, int what)
{
	struct mf__record_head *record = (void *)(edited + at);
	struct mf__chunk_head *chunk = (void *)(edited + at);
	size_t size;

	if (what == 1 && at + sizeof(*chunk) <= IMAGE)
		chunk->sum = mf__chunk_sum(chunk, key_at(at));
	if (what != 2 || at + sizeof(*record) > IMAGE)
		return;
	size = record->size & ~MF__RECORD_COMMIT;
	if (size < 48 || size % 8 != 0 || size > IMAGE - at)
		return;
	record->sum = mf__record_sum(record, size, key_at(at));
}

static void mend_idents(void)
{
	struct mf__segment_ident *ident = (void *)edited;

	ident->sum = mf__ident_sum(ident);
	memcpy(edited + MF__COPY_BLOCK * MF__BLOCK, ident, sizeof(*ident));
}

static void edit(struct edits *in)
{
	size_t at = ((size_t)in->data[0] << 8 | in->data[1]) * 8 % IMAGE;
	size_t len = in->data[2] & 63;
	int what = in->data[2] >> 6;

	in->data += 3;
	in->size -= 3;
	if (len > in->size)
		len = in->size;
	if (len > IMAGE - at)
		len = IMAGE - at;
	memcpy(edited + at, in->data, len);
	in->data += len;
	in->size -= len;
	if (what == 3)
		mend_idents();
	else
		mend(at, what);
}

/* So that the bytes are really read. */
static volatile unsigned char sink;

static void use(struct mf_journal *journal, const struct mf_event *ev)
{
	struct mf_field_value value;
	struct mf_buf out = {0};
	struct mf_str item;
	size_t pos = 0;
	size_t in_list = 0;

	for (size_t i = 0; i < ev->payload.len; i++)
		sink = (unsigned char)ev->payload.ptr[i];
	while (mf_event_field(ev, &pos, &value) > 0) {
		for (size_t i = 0; i < value.bytes.len; i++)
			sink = (unsigned char)value.bytes.ptr[i];
		while (mf_list_next(value.bytes, &in_list, &item))
			sink = (unsigned char)item.len;
	}
	mf_ignore(mf_journal_bytes(journal, ev, MF_F_DATA, &out),
	          "only that it comes back");
	mf_buf_clear(&out);
}

static void read_all(void)
{
	struct mf_journal *journal;
	struct mf_event ev = {0};
	size_t n = 0;

	if (mf_journal_open(&journal, kit.dir, NULL) < 0)
		return;
	while (mf_journal_next(journal, &ev) == 1) {
		use(journal, &ev);
		if (n++ > IMAGE / 32)
			abort(); /* more records than fit */
	}
	if (mf_journal_seek(journal, ev.wall_ns) == 0)
		while (mf_journal_next(journal, &ev) == 1)
			;
	mf_ignore((int)mf_journal_refresh(journal), "the same");
	mf_journal_close(journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct edits in = {data, size};
	size_t len = IMAGE;
	int fd;

	if (!image[0]) {
		make_image();
		atexit(remove_kit);
	}
	memcpy(edited, image, IMAGE);
	if (in.size > 2 && in.data[0] == 'c') {
		len = ((size_t)in.data[1] << 8 | in.data[2]) * 2 % IMAGE;
		in.data += 3;
		in.size -= 3;
	}
	while (in.size > 3)
		edit(&in);
	fd = open(kit.path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	kit_must(fd >= 0 && write(fd, edited, len) == (ssize_t)len, "write");
	close(fd);
	read_all();
	return 0;
}

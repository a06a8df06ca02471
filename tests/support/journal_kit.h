/*
 * A journal in a private directory, for tests and benches that write one.
 * Header only, since torture programs and benches link no test support.
 */
#ifndef MFTEST_JOURNAL_KIT_H
#define MFTEST_JOURNAL_KIT_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mfcore/journal.h"
#include "mfcore/segment.h"
#include "mfcore/writer.h"

struct kit {
	char dir[256];
	char path[320]; /* of the first segment */
	struct mf_segment_options options;
};

static inline void kit_must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

/* Make the directory under `parent` and its first segment. */
static inline void kit_open(struct kit *kit, const char *parent,
                            uint64_t session_max)
{
	char blobs[272];

	memset(kit, 0, sizeof(*kit));
	snprintf(kit->dir, sizeof(kit->dir), "%s/mf-kit-XXXXXX", parent);
	kit_must(mkdtemp(kit->dir) != NULL, "mkdtemp");
	snprintf(blobs, sizeof(blobs), "%s/blobs", kit->dir);
	kit_must(mkdir(blobs, 0700) == 0, "mkdir");
	kit->options = (struct mf_segment_options){
		.session_id = "kit",
		.host = "host",
		.boot_id = "00000000-0000-0000-0000-000000000001",
		.preload = "",
		.output_max = 1 << 20,
		.session_max = session_max,
		.seed = 0x1122334455667788,
	};
	kit_must(mf_segment_create(kit->dir, 1, &kit->options, NULL) == 0,
	         "mf_segment_create");
	kit_must(mf_segment_path(kit->path, sizeof(kit->path), kit->dir, "host",
	                         1) == 0,
	         "mf_segment_path");
}

static inline int kit_unlink(const char *path, const struct stat *st, int type,
                             struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void kit_close(struct kit *kit)
{
	nftw(kit->dir, kit_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void kit_attach(struct kit *kit, struct mf_writer *writer)
{
	kit_must(mf_writer_attach(writer, kit->path) == 0, "mf_writer_attach");
}

/* The byte at `i` of the payload of record `number`. */
static inline char kit_byte(uint64_t number, size_t i)
{
	return (char)(number * 31 + i);
}

/* Append record `number` with `len` bytes that follow from it. */
static inline bool kit_append(struct mf_writer *writer, struct mf_lane *lane,
                              uint64_t number, size_t len)
{
	struct mf_record rec;
	size_t room;
	char *at;

	if (!mf_record_begin(&rec, writer, lane, MF_EV_NOTE,
	                     MF_FIELD_U64 + MF_FIELD_BYTES(len)))
		return false;
	mf_record_u64(&rec, MF_F_ID, number);
	at = mf_record_open(&rec, MF_F_DATA, MF_KIND_BYTES, &room);
	for (size_t i = 0; i < len; i++)
		at[i] = kit_byte(number, i);
	mf_record_close(&rec, len);
	mf_record_end(&rec);
	return true;
}

/* Whether a record is whole, that is as kit_append() wrote it. */
static inline bool kit_is_whole(const struct mf_event *ev)
{
	uint64_t number = mf_event_u64(ev, MF_F_ID, UINT64_MAX);
	struct mf_str data = mf_event_bytes(ev, MF_F_DATA);

	if (ev->type != MF_EV_NOTE || number == UINT64_MAX)
		return false;
	for (size_t i = 0; i < data.len; i++) {
		if (data.ptr[i] != kit_byte(number, i))
			return false;
	}
	return true;
}

#endif /* MFTEST_JOURNAL_KIT_H */

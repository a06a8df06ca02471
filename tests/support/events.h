/*
 * Events made by hand, fields encoded as on disk.
 *
 *	struct events e = {.pid = 100};
 *
 *	events_begin(&e, MF_EV_PROC_START, 0.5);
 *	events_u64(&e, MF_F_PPID, 1);
 *	events_list(&e, MF_F_ARGV, "git", "status", NULL);
 *	mf_model_fold(model, events_end(&e), NULL);
 *
 * An event is valid until the next events_begin().
 */
#ifndef MFTEST_EVENTS_H
#define MFTEST_EVENTS_H

#include "mfcore/event.h"

/* The wall clock of second 0 of every test: 2026-11-24T12:00:00Z. */
#define EVENTS_EPOCH UINT64_C(1795521600000000000)

struct events {
	struct mf_event ev;
	char bytes[1 << 16];
	size_t len;
	/* who writes the next event */
	uint32_t pid;
	uint32_t tid;
	uint64_t start;
	uint32_t host;
};

void events_begin(struct events *e, enum mf_event_type type, double seconds);
void events_u64(struct events *e, enum mf_field id, uint64_t value);
void events_i64(struct events *e, enum mf_field id, int64_t value);
void events_str(struct events *e, enum mf_field id, const char *value);
void events_bytes(struct events *e, enum mf_field id, const void *bytes,
                  size_t len);
/* A list of strings, the last argument NULL. */
void events_list(struct events *e, enum mf_field id, ...)
	__attribute__((sentinel));
/* A list of the words of `line`, cut at single blanks. */
void events_words(struct events *e, enum mf_field id, const char *line);
const struct mf_event *events_end(struct events *e);

#endif /* MFTEST_EVENTS_H */

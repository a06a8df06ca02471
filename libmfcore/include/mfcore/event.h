/*
 * Events: what a journal record says.
 *
 * Every producer (the recorder, the runtime, the observer) speaks this one
 * vocabulary, listed in event.def, and every tool folds the same events.
 * A reader skips types and fields it does not know.
 *
 * Threads: no function here has state.
 */
#ifndef MFCORE_EVENT_H
#define MFCORE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/attr.h"
#include "mfcore/str.h"

enum mf_event_type {
#define MF_EVENT(name, number, word, meaning) MF_EV_##name = (number),
#include "mfcore/event.def"
	MF_EV_MAX = 64 /* above every known type; array sizes */
};

enum mf_field {
#define MF_FIELD(name, number, kind, word, meaning) MF_F_##name = (number),
#include "mfcore/event.def"
	MF_F_MAX = 128
};

/* How a field is stored; in the top four bits of its key on disk. */
enum mf_field_kind {
	MF_KIND_U64 = 1,
	MF_KIND_I64 = 2,
	MF_KIND_BYTES = 3,
	MF_KIND_LIST = 4,
	MF_KIND_BLOB = 5, /* bytes or list kept beside the journal, by hash */
};

/* One committed record. Valid until the next call on the reader it is from. */
struct mf_event {
	uint64_t time_ns; /* CLOCK_MONOTONIC of its host */
	uint64_t wall_ns; /* CLOCK_REALTIME, nanoseconds since the epoch */
	uint64_t start;   /* start ticks of the writing process, 0 unknown */
	uint64_t counter; /* MF_EV_COUNTER: the count as it stands now */
	uint64_t offset;  /* where in its segment, bytes */
	uint32_t segment; /* which segment of the session, from 0 */
	uint32_t host;    /* which host of the session, from 0 */
	uint32_t pid;     /* the writing process */
	uint32_t tid;     /* the writing thread */
	uint32_t seq;     /* per writing thread, from 1 */
	uint16_t type;    /* enum mf_event_type, or one newer than this */
	uint16_t flags;
	struct mf_str payload; /* the fields, as on disk */
};

/* One field of an event. */
struct mf_field_value {
	enum mf_field_kind kind;
	uint16_t id;     /* enum mf_field, or one newer than this */
	uint64_t number; /* U64; I64 as two's complement; BLOB: its length */
	struct mf_str bytes; /* BYTES and LIST; BLOB: its 16-byte hash */
};

/*
 * Step through the fields: *pos starts at 0. Returns 1 with *out filled, 0
 * after the last, -MF_ECORRUPT where a field runs over the payload's end.
 */
MF_MUST_USE int mf_event_field(const struct mf_event *ev, size_t *pos,
                               struct mf_field_value *out);

/* The number in a field, or `otherwise` when the event does not carry it. */
uint64_t mf_event_u64(const struct mf_event *ev, enum mf_field id,
                      uint64_t otherwise);

/* The same for a signed field. */
int64_t mf_event_i64(const struct mf_event *ev, enum mf_field id,
                     int64_t otherwise);

/* Whether the event carries the field. */
bool mf_event_has(const struct mf_event *ev, enum mf_field id);

/*
 * The bytes of a BYTES or LIST field, borrowed from the event; {NULL, 0} when
 * absent or when they lie in a blob (mf_journal_bytes() loads those).
 */
struct mf_str mf_event_bytes(const struct mf_event *ev, enum mf_field id);

/* Step through a LIST: *pos starts at 0. Returns false after the last one. */
bool mf_list_next(struct mf_str list, size_t *pos, struct mf_str *out);

/* The word for a type or a field, as `mftrace show` prints it; NULL unknown. */
const char *mf_event_word(uint16_t type);
const char *mf_field_word(uint16_t id);

/* The type of a word of mf_event_word(); 0 when there is none. */
uint16_t mf_event_type_of(struct mf_str word);

#endif /* MFCORE_EVENT_H */

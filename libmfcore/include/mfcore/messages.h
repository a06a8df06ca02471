/*
 * Sidecar messages one by one: when each was sent, when it was received, and
 * what became of those that were not.
 *
 * The journal holds reads and writes; a message is a line, and both sides cut
 * lines anywhere. So the bytes of each pipe are put together by position, and
 * a message counts as received when the reader took its last byte.
 *
 * Fold every event into the model first, then into this.
 *
 * Threads: one collection, one thread at a time.
 */
#ifndef MFCORE_MESSAGES_H
#define MFCORE_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "mfcore/model.h"

enum mf_message_fate {
	MF_FATE_RECEIVED,
	MF_FATE_ON_ITS_WAY, /* in the pipe, which is still read */
	MF_FATE_LEFT,       /* in the pipe when nobody read it any more */
	MF_FATE_CUT,        /* the pipe took a part; what is left is no line */
	MF_FATE_FULL,       /* the pipe was full and took nothing (EAGAIN) */
	MF_FATE_BROKEN,     /* nobody was there to read (EPIPE) */
	MF_FATE_ERROR,      /* another error */
};

struct mf_message {
	const struct mf_stream *stream;
	uint64_t number; /* in its stream, from 1 */
	uint64_t sent_ns;
	uint64_t received_ns; /* 0: not */
	uint64_t offset;      /* of its first byte in the pipe */
	struct mf_str bytes;  /* without the line end */
	enum mf_message_fate fate;
	int error; /* of a write that failed, positive */
	uint32_t generation;
	uint32_t pid; /* who sent it */
	uint32_t tid;
};

struct mf_messages;

/* Owns: release with mf_messages_free(). Errors: -ENOMEM. */
MF_MUST_USE int mf_messages_new(struct mf_messages **out,
                                const struct mf_model *model);
void mf_messages_free(struct mf_messages *messages);

/* Keep only messages of the stream with this id; before the first fold. */
void mf_messages_only(struct mf_messages *messages, struct mf_str stream_id);

/* Errors: -ENOMEM. */
MF_MUST_USE int mf_messages_fold(struct mf_messages *messages,
                                 const struct mf_event *ev,
                                 struct mf_journal *journal);

/*
 * All that one refresh of the journal found was folded. Records of different
 * writers may be found out of order between refreshes, so a message counts as
 * left in the pipe one round after its reader's end was seen.
 */
void mf_messages_next_round(struct mf_messages *messages);

/*
 * The next message in the order they were sent; with `wants_settled` only when
 * its fate is known, so that a follower waits for it. Valid until the next
 * call. `is_over`: nothing more will come, what is open is lost.
 */
bool mf_messages_next(struct mf_messages *messages, bool wants_settled,
                      bool is_over, struct mf_message *out);

const char *mf_message_fate_word(enum mf_message_fate fate);

#endif /* MFCORE_MESSAGES_H */

/*
 * What goes to a sidecar's standard input: one JSON object a line.
 *
 * The reading here is that of Metaflow's worker (Python's json), so that it is
 * known which line the worker would skip and which would end it.
 *
 * Threads: pure functions.
 */
#ifndef MFCORE_SIDECAR_WIRE_H
#define MFCORE_SIDECAR_WIRE_H

#include <stdbool.h>

#include "mfcore/str.h"

/* X(NAME, word, what the worker does with it) */
#define MF_SIDECAR_MAP(X)                                                      \
	X(MUST_SEND, "must-send", "handled")                                   \
	X(BEST_EFFORT, "best-effort", "handled")                               \
	X(SHUTDOWN, "shutdown", "handled, then the worker ends")               \
	X(UNKNOWN, "unknown", "handled; a message type Metaflow has not")      \
	X(INVALID, "invalid", "skipped: says itself that it is invalid")       \
	X(NOT_JSON, "not-json", "skipped")                                     \
	X(BAD_SHAPE, "bad-shape", "the worker ends: not msg_type and payload") \
	X(EMPTY, "empty", "the worker ends: an empty line")

enum mf_sidecar_kind {
#define MF_SIDECAR_ENUM(name, word, meaning) MF_SIDECAR_##name,
	MF_SIDECAR_MAP(MF_SIDECAR_ENUM)
#undef MF_SIDECAR_ENUM
	MF_SIDECAR_KINDS
};

struct mf_sidecar_message {
	enum mf_sidecar_kind kind;
	struct mf_str payload; /* JSON, borrowed from the line; may be absent */
};

/* Read one line, with or without its line end. */
void mf_sidecar_parse(struct mf_str line, struct mf_sidecar_message *out);

/* Whether the worker goes on behind such a line. */
bool mf_sidecar_goes_on(enum mf_sidecar_kind kind);

const char *mf_sidecar_word(enum mf_sidecar_kind kind);

#endif /* MFCORE_SIDECAR_WIRE_H */

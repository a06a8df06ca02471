/*
 * A journal record put together field by field, of any size: what does not fit
 * a record goes beside the journal.
 *
 * Threads: one note, one thread.
 */
#ifndef MF_SESSION_NOTE_H
#define MF_SESSION_NOTE_H

#include "mfcore/buf.h"
#include "mfcore/event.h"
#include "mfcore/writer.h"

#define MF__NOTE_FIELDS 24

struct mf__note_field {
	enum mf_field id;
	enum mf_field_kind kind;
	uint64_t number;
	size_t from; /* its bytes in `bytes` */
	size_t len;
};

struct mf__note { /* all zero at first */
	struct mf__note_field fields[MF__NOTE_FIELDS];
	size_t len;
	struct mf_buf bytes;
};

void mf__note_u64(struct mf__note *note, enum mf_field id, uint64_t number);
void mf__note_i64(struct mf__note *note, enum mf_field id, int64_t number);
void mf__note_text(struct mf__note *note, enum mf_field id, const char *text);

/* Copies; without memory the field is left out. */
void mf__note_bytes(struct mf__note *note, enum mf_field id,
                    enum mf_field_kind kind, struct mf_str bytes);

/* Commit the record and free the note, which is as new. */
void mf__note_commit(struct mf__note *note, struct mf_writer *writer,
                     struct mf_lane *lane, enum mf_event_type type);

#endif /* MF_SESSION_NOTE_H */

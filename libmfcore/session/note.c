#include "session/note.h"

#include <string.h>

/* Bytes of BYTES and LIST fields that may stand in the record itself. */
#define INLINE_MAX 60000u

static struct mf__note_field *add(struct mf__note *note, enum mf_field id)
{
	struct mf__note_field *field;

	if (note->len == MF__NOTE_FIELDS)
		return NULL;
	field = &note->fields[note->len++];
	*field = (struct mf__note_field){.id = id, .kind = MF_KIND_U64};
	return field;
}

void mf__note_u64(struct mf__note *note, enum mf_field id, uint64_t number)
{
	struct mf__note_field *field = add(note, id);

	if (field)
		field->number = number;
}

void mf__note_bytes(struct mf__note *note, enum mf_field id,
                    enum mf_field_kind kind, struct mf_str bytes)
{
	size_t from = note->bytes.len;
	struct mf__note_field *field;

	mf_buf_str(&note->bytes, bytes);
	if (note->bytes.len - from != bytes.len)
		return;
	field = add(note, id);
	if (!field)
		return;
	field->kind = kind;
	field->from = from;
	field->len = bytes.len;
}

void mf__note_i64(struct mf__note *note, enum mf_field id, int64_t number)
{
	struct mf__note_field *field = add(note, id);

	if (!field)
		return;
	field->kind = MF_KIND_I64;
	field->number = (uint64_t)number;
}

void mf__note_text(struct mf__note *note, enum mf_field id, const char *text)
{
	if (text)
		mf__note_bytes(note, id, MF_KIND_BYTES, mf_str(text));
}

/* Decide what goes into the record; returns the payload it takes. */
static size_t lay_out(struct mf__note *note)
{
	size_t payload = 0;

	for (size_t i = 0; i < note->len; i++) {
		struct mf__note_field *field = &note->fields[i];

		if (field->kind == MF_KIND_U64 || field->kind == MF_KIND_I64) {
			payload += MF_FIELD_U64;
		} else if (payload + field->len > INLINE_MAX) {
			field->kind = MF_KIND_BLOB;
			payload += MF_FIELD_BLOB;
		} else {
			payload += MF_FIELD_BYTES(field->len);
		}
	}
	return payload;
}

static void put(struct mf_record *rec, struct mf_writer *writer,
                const struct mf__note_field *field, const char *bytes)
{
	size_t room;
	char *at;

	switch (field->kind) {
	case MF_KIND_U64:
		mf_record_u64(rec, field->id, field->number);
		break;
	case MF_KIND_I64:
		mf_record_i64(rec, field->id, (int64_t)field->number);
		break;
	case MF_KIND_BYTES:
		mf_record_bytes(rec, field->id, bytes, field->len);
		break;
	case MF_KIND_LIST:
		at = mf_record_open(rec, field->id, MF_KIND_LIST, &room);
		if (!at || room < field->len)
			break;
		memcpy(at, bytes, field->len);
		mf_record_close(rec, field->len);
		break;
	case MF_KIND_BLOB:
		/* The writer counts it when that fails. */
		(void)mf_record_blob(rec, writer, field->id, bytes, field->len);
		break;
	}
}

void mf__note_commit(struct mf__note *note, struct mf_writer *writer,
                     struct mf_lane *lane, enum mf_event_type type)
{
	size_t payload = lay_out(note);
	struct mf_record rec;

	if (mf_record_begin(&rec, writer, lane, type, payload)) {
		for (size_t i = 0; i < note->len; i++) {
			const struct mf__note_field *field = &note->fields[i];

			put(&rec, writer, field,
			    field->len ? note->bytes.ptr + field->from : "");
		}
		mf_record_end(&rec);
	}
	mf_buf_clear(&note->bytes);
	*note = (struct mf__note){0};
}

/*
 * Reading the fields of one event, and the words of the vocabulary.
 */
#include "mfcore/event.h"

#include <string.h>

#include "mfcore/journal.h"

#define LEN(table) (sizeof(table) / sizeof((table)[0]))

/* Words by number; a number that is not in use has none. */
static const char *const event_words[] = {
#define MF_EVENT(name, number, word, meaning) [number] = (word),
#include "mfcore/event.def"
};

static const char *const field_words[] = {
#define MF_FIELD(name, number, kind, word, meaning) [number] = (word),
#include "mfcore/event.def"
};

int mf_event_field(const struct mf_event *ev, size_t *pos,
                   struct mf_field_value *out)
{
	const char *at = ev->payload.ptr + *pos;
	size_t left = ev->payload.len - *pos;
	struct mf_field_value value = {0};
	uint32_t length;
	uint16_t key;

	if (left < sizeof(key))
		return 0;
	memcpy(&key, at, sizeof(key));
	if (key == 0)
		return 0;
	value.kind = (enum mf_field_kind)(key >> 12);
	value.id = key & 0xfff;
	at += sizeof(key);
	left -= sizeof(key);
	if (value.kind == MF_KIND_U64 || value.kind == MF_KIND_I64) {
		if (left < sizeof(value.number))
			return -MF_ECORRUPT;
		memcpy(&value.number, at, sizeof(value.number));
		*pos += sizeof(key) + sizeof(value.number);
		*out = value;
		return 1;
	}
	if (left < sizeof(length))
		return -MF_ECORRUPT;
	memcpy(&length, at, sizeof(length));
	if (length > left - sizeof(length))
		return -MF_ECORRUPT;
	value.bytes = (struct mf_str){at + sizeof(length), length};
	if (value.kind == MF_KIND_BLOB) {
		if (length != 24)
			return -MF_ECORRUPT;
		memcpy(&value.number, value.bytes.ptr, sizeof(value.number));
		value.bytes = mf_str_from(value.bytes, sizeof(value.number));
	}
	*pos += sizeof(key) + sizeof(length) + length;
	*out = value;
	return 1;
}

static bool find(const struct mf_event *ev, enum mf_field id,
                 struct mf_field_value *out)
{
	size_t pos = 0;

	while (mf_event_field(ev, &pos, out) > 0) {
		if (out->id == id)
			return true;
	}
	return false;
}

uint64_t mf_event_u64(const struct mf_event *ev, enum mf_field id,
                      uint64_t otherwise)
{
	struct mf_field_value value;

	if (!find(ev, id, &value) || value.bytes.ptr)
		return otherwise;
	return value.number;
}

int64_t mf_event_i64(const struct mf_event *ev, enum mf_field id,
                     int64_t otherwise)
{
	return (int64_t)mf_event_u64(ev, id, (uint64_t)otherwise);
}

bool mf_event_has(const struct mf_event *ev, enum mf_field id)
{
	struct mf_field_value value;

	return find(ev, id, &value);
}

struct mf_str mf_event_bytes(const struct mf_event *ev, enum mf_field id)
{
	struct mf_field_value value;

	if (!find(ev, id, &value) || value.kind == MF_KIND_BLOB)
		return (struct mf_str){NULL, 0};
	return value.bytes;
}

bool mf_list_next(struct mf_str list, size_t *pos, struct mf_str *out)
{
	struct mf_str rest = mf_str_from(list, *pos);
	size_t len;

	if (rest.len == 0)
		return false;
	len = mf_str_find(rest, '\0');
	*out = (struct mf_str){rest.ptr, len};
	*pos += len < rest.len ? len + 1 : len;
	return true;
}

const char *mf_event_word(uint16_t type)
{
	return type < LEN(event_words) ? event_words[type] : NULL;
}

const char *mf_field_word(uint16_t id)
{
	return id < LEN(field_words) ? field_words[id] : NULL;
}

uint16_t mf_event_type_of(struct mf_str word)
{
	for (size_t type = 0; type < LEN(event_words); type++) {
		if (event_words[type] && mf_str_is(word, event_words[type]))
			return (uint16_t)type;
	}
	return 0;
}

const char *mf_drop_word(enum mf_drop why)
{
	switch (why) {
	case MF_DROP_NO_SPACE:
		return "no space";
	case MF_DROP_FULL:
		return "session full";
	case MF_DROP_NO_MAP:
		return "no memory to map";
	case MF_DROP_TOO_BIG:
		return "too big";
	case MF_DROP_REENTERED:
		return "inside a signal handler";
	case MF_DROP_REASONS:
		break;
	}
	return "unknown";
}

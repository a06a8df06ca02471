#include "support/events.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void put(struct events *e, const void *bytes, size_t len)
{
	if (len > sizeof(e->bytes) - e->len)
		abort(); /* the test asks for too much */
	memcpy(e->bytes + e->len, bytes, len);
	e->len += len;
}

static void put_key(struct events *e, enum mf_field_kind kind, enum mf_field id)
{
	uint16_t key = (uint16_t)((unsigned)kind << 12 | (unsigned)id);

	put(e, &key, sizeof(key));
}

void events_begin(struct events *e, enum mf_event_type type, double seconds)
{
	uint64_t ns = (uint64_t)(seconds * 1e9);

	e->len = 0;
	e->ev = (struct mf_event){
		.time_ns = ns,
		.wall_ns = EVENTS_EPOCH + ns,
		.start = e->start,
		.host = e->host,
		.pid = e->pid,
		.tid = e->tid ? e->tid : e->pid,
		.type = (uint16_t)type,
	};
}

void events_u64(struct events *e, enum mf_field id, uint64_t value)
{
	put_key(e, MF_KIND_U64, id);
	put(e, &value, sizeof(value));
}

void events_i64(struct events *e, enum mf_field id, int64_t value)
{
	put_key(e, MF_KIND_I64, id);
	put(e, &value, sizeof(value));
}

void events_bytes(struct events *e, enum mf_field id, const void *bytes,
                  size_t len)
{
	uint32_t length = (uint32_t)len;

	put_key(e, MF_KIND_BYTES, id);
	put(e, &length, sizeof(length));
	put(e, bytes, len);
}

void events_str(struct events *e, enum mf_field id, const char *value)
{
	events_bytes(e, id, value, strlen(value));
}

void events_list(struct events *e, enum mf_field id, ...)
{
	const char *item;
	uint32_t length = 0;
	size_t at;
	va_list args;

	put_key(e, MF_KIND_LIST, id);
	at = e->len;
	put(e, &length, sizeof(length));
	va_start(args, id);
	while ((item = va_arg(args, const char *)) != NULL)
		put(e, item, strlen(item) + 1);
	va_end(args);
	length = (uint32_t)(e->len - at - sizeof(length));
	memcpy(e->bytes + at, &length, sizeof(length));
}

void events_words(struct events *e, enum mf_field id, const char *line)
{
	uint32_t length = (uint32_t)strlen(line) + 1;
	size_t i;

	put_key(e, MF_KIND_LIST, id);
	put(e, &length, sizeof(length));
	put(e, line, length);
	for (i = e->len - length; i < e->len; i++)
		if (e->bytes[i] == ' ')
			e->bytes[i] = '\0';
}

const struct mf_event *events_end(struct events *e)
{
	uint16_t end = 0;

	put(e, &end, sizeof(end));
	e->ev.payload = (struct mf_str){e->bytes, e->len};
	return &e->ev;
}

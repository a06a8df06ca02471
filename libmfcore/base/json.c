#include "mfcore/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mfcore/buf.h"
#include "mfcore/text.h"

/* cJSON's strings end at a NUL; one that holds a NUL goes in as raw text. */
static void add_quoted(struct mf_buf *buf, struct mf_str s)
{
	mf_buf_putc(buf, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c < 0x20)
			mf_buf_printf(buf, "\\u%04x", (unsigned)c);
		else if (c == '"' || c == '\\')
			mf_buf_printf(buf, "\\%c", c);
		else
			mf_buf_putc(buf, (char)c);
	}
	mf_buf_putc(buf, '"');
}

static cJSON *make_str(struct mf_str value)
{
	struct mf_buf text = {0};
	struct mf_buf raw = {0};
	cJSON *item = NULL;

	mf_text_utf8(&text, value);
	if (!mf_buf_ok(&text))
		goto out;
	if (text.len == 0) {
		item = cJSON_CreateString("");
	} else if (!memchr(text.ptr, '\0', text.len)) {
		item = cJSON_CreateString(text.ptr);
	} else {
		add_quoted(&raw, mf_buf_view(&text));
		if (mf_buf_ok(&raw))
			item = cJSON_CreateRaw(raw.ptr);
	}
out:
	mf_buf_clear(&raw);
	mf_buf_clear(&text);
	return item;
}

static void add_item(cJSON *obj, const char *name, cJSON *item)
{
	if (item && !cJSON_AddItemToObject(obj, name, item))
		cJSON_Delete(item);
}

void mf_json_str(cJSON *obj, const char *name, struct mf_str value)
{
	add_item(obj, name, make_str(value));
}

void mf_json_push_str(cJSON *arr, struct mf_str value)
{
	cJSON *item = make_str(value);

	if (item && !cJSON_AddItemToArray(arr, item))
		cJSON_Delete(item);
}

void mf_json_u64(cJSON *obj, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	add_item(obj, name, cJSON_CreateRaw(text));
}

void mf_json_i64(cJSON *obj, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	add_item(obj, name, cJSON_CreateRaw(text));
}

void mf_json_time(cJSON *obj, const char *name, uint64_t wall_ns)
{
	struct mf_buf text = {0};

	if (wall_ns == 0) {
		add_item(obj, name, cJSON_CreateNull());
		return;
	}
	mf_text_time(&text, wall_ns);
	if (mf_buf_ok(&text))
		mf_json_str(obj, name, mf_buf_view(&text));
	mf_buf_clear(&text);
}

static bool is_blank(struct mf_str s)
{
	const struct mf_str blanks = MF_STR(" \t\r\n");

	for (size_t i = 0; i < s.len; i++)
		if (mf_str_find(blanks, s.ptr[i]) == blanks.len)
			return false;
	return true;
}

int mf_json_parse(struct mf_str text, cJSON **out, struct mf_err *err)
{
	const char *end = NULL;
	cJSON *doc;
	size_t at;

	if (text.len == 0)
		return mf_fail(err, -MF_EFORMAT, "not JSON: empty");
	errno = 0; /* cJSON does not say why, malloc does */
	doc = cJSON_ParseWithLengthOpts(text.ptr, text.len, &end, 0);
	at = end ? (size_t)(end - text.ptr) : 0;
	if (!doc && errno == ENOMEM)
		return mf_fail(err, -ENOMEM, "no memory for a JSON document");
	if (!doc || !is_blank(mf_str_from(text, at))) {
		cJSON_Delete(doc);
		return mf_fail(err, -MF_EFORMAT, "not JSON: at byte %zu", at);
	}
	*out = doc;
	return 0;
}

struct mf_str mf_json_get_str(const cJSON *obj, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, name);

	return cJSON_IsString(item) ? mf_str(item->valuestring)
	                            : (struct mf_str){NULL, 0};
}

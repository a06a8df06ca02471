#include "mfcore/s3op_wire.h"

#include <errno.h>

#include "mfcore/err.h"
#include "mfcore/json.h"

#define NONE "<none>"
#define NO_RANGE "<norange>"
#define RETRY_LINE "### RETRY INPUTS ###"

enum {
	FIELDS_MAX = 6, /* one more than any line may have */
};

enum mf_s3op_mode mf_s3op_mode(struct mf_str word)
{
	static const char *const words[] = {"put", "get", "info", "list"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (mf_str_is(word, words[i]))
			return (enum mf_s3op_mode)(i + 1);
	return MF_S3OP_NONE;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Write `s` unquoted to `out`, which has room for s.len; returns the length. */
static size_t unquote(struct mf_str s, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		int high = i + 2 < s.len ? hex_digit(s.ptr[i + 1]) : -1;
		int low = i + 2 < s.len ? hex_digit(s.ptr[i + 2]) : -1;

		if (s.ptr[i] == '%' && high >= 0 && low >= 0) {
			out[len++] = (char)(high << 4 | low);
			i += 2;
		} else {
			out[len++] = s.ptr[i];
		}
	}
	return len;
}

void mf_s3op_unquote(struct mf_buf *buf, struct mf_str s)
{
	char *room = mf_buf_room(buf, s.len);

	if (room)
		buf->len += unquote(s, room);
}

/* The string stays absent when it is empty, so absence is no lack of memory. */
static int decode(struct mf_arena *arena, struct mf_str s, struct mf_str *out)
{
	char *copy;

	if (s.len == 0) {
		*out = (struct mf_str){NULL, 0};
		return 0;
	}
	copy = mf_arena_alloc(arena, s.len + 1);
	if (!copy)
		return -ENOMEM;
	*out = (struct mf_str){copy, unquote(s, copy)};
	return 0;
}

static struct mf_str trim_end(struct mf_str s)
{
	while (s.len > 0 &&
	       (s.ptr[s.len - 1] == '\n' || s.ptr[s.len - 1] == '\r'))
		s.len--;
	return s;
}

/* Cut at single blanks; returns how many fields, at most FIELDS_MAX. */
static size_t cut_fields(struct mf_str line, struct mf_str *fields)
{
	size_t n = 0;

	while (n < FIELDS_MAX) {
		size_t at = mf_str_find(line, ' ');

		fields[n++] = (struct mf_str){line.ptr, at};
		if (at == line.len)
			break;
		line = mf_str_from(line, at + 1);
	}
	return n;
}

/* `url`, `url range` or `index prefix url range [error]` */
static int read_url_line(struct mf_str line, struct mf_arena *arena,
                         struct mf_s3op_input *out)
{
	struct mf_str fields[FIELDS_MAX];
	size_t n = cut_fields(line, fields);
	int rc = 0;

	if (n == 3 || n > 5)
		return 0;
	if (n < 3) {
		rc = decode(arena, fields[0], &out->url);
		if (rc == 0 && n == 2)
			rc = decode(arena, fields[1], &out->range);
		return rc < 0 ? rc : 1;
	}
	if (!mf_str_u64(fields[0], &out->index))
		return -MF_EFORMAT;
	out->has_index = true;
	rc = decode(arena, fields[1], &out->prefix);
	if (rc == 0)
		rc = decode(arena, fields[2], &out->url);
	if (rc == 0 && !mf_str_is(fields[3], NO_RANGE))
		rc = decode(arena, fields[3], &out->range);
	if (rc == 0 && n == 5)
		rc = decode(arena, fields[4], &out->error);
	return rc < 0 ? rc : 1;
}

static int copy_member(const cJSON *doc, const char *name,
                       struct mf_arena *arena, struct mf_str *out)
{
	struct mf_str value = mf_json_get_str(doc, name);

	*out = (struct mf_str){NULL, 0};
	if (value.len == 0)
		return 0;
	*out = mf_arena_str(arena, value);
	return out->ptr ? 0 : -ENOMEM;
}

static int read_put(const cJSON *doc, struct mf_arena *arena,
                    struct mf_s3op_input *out)
{
	const cJSON *index = cJSON_GetObjectItemCaseSensitive(doc, "idx");

	if (copy_member(doc, "url", arena, &out->url) < 0 ||
	    copy_member(doc, "local", arena, &out->local) < 0 ||
	    copy_member(doc, "content_type", arena, &out->content_type) < 0 ||
	    copy_member(doc, "transient_error_type", arena, &out->error) < 0)
		return -ENOMEM;
	if (out->url.len == 0 || out->local.len == 0)
		return -MF_EFORMAT;
	if (cJSON_IsNumber(index) && index->valuedouble >= 0 &&
	    index->valuedouble < 9e15) {
		out->index = (uint64_t)index->valuedouble;
		out->has_index = true;
	}
	return 1;
}

int mf_s3op_input(enum mf_s3op_mode mode, struct mf_str line,
                  struct mf_arena *arena, struct mf_s3op_input *out)
{
	struct mf_s3op_input found = {.has_index = false};
	cJSON *doc = NULL;
	int rc;

	line = trim_end(line);
	if (line.len == 0)
		return 0;
	if (mode != MF_S3OP_PUT) {
		rc = read_url_line(line, arena, &found);
	} else {
		rc = mf_json_parse(line, &doc, NULL);
		if (rc == 0)
			rc = read_put(doc, arena, &found);
		cJSON_Delete(doc);
	}
	if (rc == 1)
		*out = found;
	return rc;
}

int mf_s3op_result(struct mf_str line, struct mf_arena *arena,
                   struct mf_s3op_result *out)
{
	struct mf_str fields[FIELDS_MAX] = {{NULL, 0}};
	struct mf_s3op_result found = {.is_none = false};
	size_t n = cut_fields(trim_end(line), fields);

	if (n < 2 || n > 4 || !mf_str_u64(fields[0], &found.index))
		return 0;
	found.is_none = n == 2 && mf_str_is(fields[1], NONE);
	if (!found.is_none && n != 4)
		return 0;
	if (!found.is_none && (decode(arena, fields[1], &found.a) < 0 ||
	                       decode(arena, fields[2], &found.b) < 0 ||
	                       decode(arena, fields[3], &found.c) < 0))
		return -ENOMEM;
	*out = found;
	return 1;
}

struct mf_str mf_s3op_retries(struct mf_str stderr_text)
{
	while (stderr_text.len > 0) {
		struct mf_str line = mf_str_cut(&stderr_text, '\n');

		if (mf_str_is(trim_end(line), RETRY_LINE))
			return stderr_text.ptr ? stderr_text : MF_STR("");
	}
	return (struct mf_str){NULL, 0};
}

const char *mf_s3op_exit_word(int code)
{
	static const char *const words[] = {
		[0] = "ok",
		[1] = "Python exception",
		[2] = "wrong usage",
		[4] = "invalid URL",
		[5] = "URL without a key",
		[6] = "not found",
		[7] = "access denied",
		[8] = "worker failed",
		[9] = "verification failed",
		[10] = "local file missing",
		[11] = "invalid range",
		[MF_S3OP_TRANSIENT] = "transient, to be retried",
		[13] = "disk full",
	};

	if (code < 0 || (size_t)code >= sizeof(words) / sizeof(*words))
		return NULL;
	return words[code];
}

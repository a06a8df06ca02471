#include "mfcore/input_paths.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

enum {
	PIECE = 16384, /* room made at a time while inflating */
};

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

static int decode_base64(struct mf_str s, struct mf_buf *out)
{
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t padding = 0;

	if (s.len % 4 != 0)
		return -MF_EFORMAT;
	while (s.len > 0 && padding < 2 && s.ptr[s.len - 1] == '=') {
		s.len--;
		padding++;
	}
	for (size_t i = 0; i < s.len; i++) {
		int digit = base64_digit(s.ptr[i]);

		if (digit < 0)
			return -MF_EFORMAT;
		bits = bits << 6 | (uint32_t)digit;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			mf_buf_putc(out, (char)(bits >> n_bits & 0xff));
		}
	}
	return mf_buf_ok(out) ? 0 : -ENOMEM;
}

static int inflate_all(z_stream *stream, struct mf_buf *out)
{
	int rc = Z_OK;

	while (rc == Z_OK) {
		char *room = mf_buf_room(out, PIECE);

		if (!room)
			return -ENOMEM;
		stream->next_out = (Bytef *)room;
		stream->avail_out = PIECE;
		rc = inflate(stream, Z_NO_FLUSH);
		out->len += PIECE - stream->avail_out;
		if (out->len > MF_INPUT_PATHS_MAX)
			return -E2BIG;
	}
	if (rc == Z_MEM_ERROR)
		return -ENOMEM;
	return rc == Z_STREAM_END ? 0 : -MF_EFORMAT;
}

static int inflate_buf(struct mf_str in, struct mf_buf *out)
{
	z_stream stream = {0};
	int rc;

	if (in.len > UINT_MAX)
		return -E2BIG;
	rc = inflateInit(&stream);
	if (rc != Z_OK)
		return -ENOMEM;
	/* zlib without ZLIB_CONST has no const; it does not write there */
	memcpy(&stream.next_in, &in.ptr, sizeof(stream.next_in));
	stream.avail_in = (uInt)in.len;
	rc = inflate_all(&stream, out);
	inflateEnd(&stream);
	return rc;
}

/* '!' and base64 of zlib of zlib of a list of one of the other two forms. */
static int unpack(struct mf_str text, struct mf_buf *out)
{
	struct mf_buf outer = {0};
	struct mf_buf inner = {0};
	int rc = decode_base64(mf_str_from(text, 1), &outer);

	if (rc == 0)
		rc = inflate_buf(mf_buf_view(&outer), &inner);
	if (rc == 0)
		rc = inflate_buf(mf_buf_view(&inner), out);
	mf_buf_clear(&inner);
	mf_buf_clear(&outer);
	return rc;
}

/* Append every item of a plain or prefixed list. */
static int add_items(struct mf_str list, struct mf_buf *out)
{
	struct mf_str prefix = {NULL, 0};
	size_t colon = mf_str_find(list, ':');
	int n = 0;

	if (list.len > 0 && memchr(list.ptr, '\0', list.len))
		return -MF_EFORMAT;
	if (colon < list.len) {
		prefix = (struct mf_str){list.ptr, colon};
		list = mf_str_from(list, colon + 1);
	}
	if (mf_str_find(list, ':') < list.len)
		return -MF_EFORMAT;
	for (;;) {
		size_t comma = mf_str_find(list, ',');

		mf_buf_str(out, prefix);
		mf_buf_add(out, list.ptr, comma);
		mf_buf_putc(out, '\0');
		n++;
		if (out->len > MF_INPUT_PATHS_MAX)
			return -E2BIG;
		if (comma == list.len)
			return mf_buf_ok(out) ? n : -ENOMEM;
		list = mf_str_from(list, comma + 1);
	}
}

int mf_input_paths_decode(struct mf_str text, struct mf_buf *out,
                          struct mf_err *err)
{
	struct mf_buf unpacked = {0};
	struct mf_buf items = {0};
	int rc = 0;

	if (text.len == 0)
		return 0;
	if (text.ptr[0] == '!') {
		rc = unpack(text, &unpacked);
		text = mf_buf_view(&unpacked);
	}
	if (rc == 0)
		rc = add_items(text, &items);
	if (rc >= 0) {
		mf_buf_str(out, mf_buf_view(&items));
		if (!mf_buf_ok(out))
			rc = -ENOMEM;
	}
	mf_buf_clear(&items);
	mf_buf_clear(&unpacked);
	return rc < 0 ? mf_fail(err, rc, "bad input paths: %s", mf_strerror(rc))
	              : rc;
}

bool mf_input_paths_next(struct mf_str list, size_t *pos, struct mf_str *out)
{
	struct mf_str rest = mf_str_from(list, *pos);

	if (rest.len == 0)
		return false;
	out->ptr = rest.ptr;
	out->len = mf_str_find(rest, '\0');
	*pos += out->len + 1;
	return true;
}

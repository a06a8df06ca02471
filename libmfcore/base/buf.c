#include "mfcore/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_CAP = 64,
};

/* Make room for `len` more bytes and the NUL behind them. */
static bool grow(struct mf_buf *buf, size_t len)
{
	size_t need;
	size_t cap = buf->cap ? buf->cap : FIRST_CAP;
	char *ptr;

	if (__builtin_add_overflow(buf->len, len, &need) ||
	    __builtin_add_overflow(need, (size_t)1, &need) ||
	    need > PTRDIFF_MAX)
		goto fail;
	if (need <= buf->cap)
		return true;
	while (cap < need)
		cap += cap / 2;
	if (cap > PTRDIFF_MAX)
		cap = need;
	ptr = realloc(buf->ptr, cap);
	if (!ptr)
		goto fail;
	ptr[buf->len] = '\0';
	buf->ptr = ptr;
	buf->cap = cap;
	return true;
fail:
	buf->is_short = true;
	return false;
}

void mf_buf_add(struct mf_buf *buf, const void *bytes, size_t len)
{
	if (!grow(buf, len))
		return;
	if (len > 0)
		memcpy(buf->ptr + buf->len, bytes, len);
	buf->len += len;
	buf->ptr[buf->len] = '\0';
}

void mf_buf_str(struct mf_buf *buf, struct mf_str s)
{
	mf_buf_add(buf, s.ptr, s.len);
}

void mf_buf_puts(struct mf_buf *buf, const char *s)
{
	mf_buf_str(buf, mf_str(s));
}

void mf_buf_putc(struct mf_buf *buf, char c)
{
	mf_buf_add(buf, &c, 1);
}

void mf_buf_printf(struct mf_buf *buf, const char *fmt, ...)
{
	va_list ap;
	va_list again;
	size_t room = buf->cap ? buf->cap - buf->len : 0;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(room ? buf->ptr + buf->len : NULL, room, fmt, ap);
	if (len >= 0 && (size_t)len >= room && grow(buf, (size_t)len))
		len = vsnprintf(buf->ptr + buf->len, (size_t)len + 1, fmt,
		                again);
	else if (len >= 0 && (size_t)len >= room)
		len = -1;
	va_end(again);
	va_end(ap);
	if (len < 0) {
		buf->is_short = true;
		if (buf->ptr)
			buf->ptr[buf->len] = '\0'; /* as it was */
		return;
	}
	buf->len += (size_t)len;
}

char *mf_buf_room(struct mf_buf *buf, size_t len)
{
	if (!grow(buf, len))
		return NULL;
	/* whatever is added to buf->len, a NUL stands behind it */
	return memset(buf->ptr + buf->len, 0, len + 1);
}

struct mf_str mf_buf_view(const struct mf_buf *buf)
{
	return (struct mf_str){buf->ptr, buf->len};
}

bool mf_buf_ok(const struct mf_buf *buf)
{
	return !buf->is_short;
}

void mf_buf_reset(struct mf_buf *buf)
{
	buf->len = 0;
	buf->is_short = false;
	if (buf->ptr)
		buf->ptr[0] = '\0';
}

char *mf_buf_detach(struct mf_buf *buf)
{
	char *ptr = buf->ptr;

	if (ptr)
		ptr[buf->len] = '\0'; /* mf_buf_room() may have left none */
	*buf = (struct mf_buf){0};
	return ptr;
}

void mf_buf_clear(struct mf_buf *buf)
{
	free(buf->ptr);
	*buf = (struct mf_buf){0};
}

/*
 * A growable buffer of bytes.
 *
 * Always NUL-ended behind its last byte, so buf.ptr is a C string when the
 * bytes hold no NUL. Running out of memory is remembered, not returned: append
 * freely, and ask mf_buf_ok() once at the end.
 *
 * Owns: its bytes; release with mf_buf_clear(), all zero is empty.
 * Errors: none returned, see above.
 * Threads: one buffer, one thread at a time.
 */
#ifndef MFCORE_BUF_H
#define MFCORE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "mfcore/attr.h"
#include "mfcore/str.h"

struct mf_buf {
	char *ptr; /* never NULL after the first append that had memory */
	size_t len;
	size_t cap;
	bool is_short; /* an append found no memory; the bytes are incomplete */
};

void mf_buf_add(struct mf_buf *buf, const void *bytes, size_t len);
void mf_buf_str(struct mf_buf *buf, struct mf_str s);
void mf_buf_puts(struct mf_buf *buf, const char *s);
void mf_buf_putc(struct mf_buf *buf, char c);
void mf_buf_printf(struct mf_buf *buf, const char *fmt, ...) MF_PRINTF(2, 3);

/*
 * Make room for `len` more bytes and return where they go; add them to
 * buf->len when written. NULL without memory.
 */
char *mf_buf_room(struct mf_buf *buf, size_t len);

/* The bytes so far, borrowed until the next append. */
struct mf_str mf_buf_view(const struct mf_buf *buf);

/* Whether every append had memory. */
bool mf_buf_ok(const struct mf_buf *buf);

/* Forget the bytes, keep the memory. */
void mf_buf_reset(struct mf_buf *buf);

/* Hand the bytes to the caller, who frees them; the buffer is empty again. */
char *mf_buf_detach(struct mf_buf *buf);

/* Free the memory; the buffer is as new. */
void mf_buf_clear(struct mf_buf *buf);

#endif /* MFCORE_BUF_H */

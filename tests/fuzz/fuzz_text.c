#include <string.h>

#include "base/utf8.h"
#include "fuzz/inside.h"
#include "mfcore/text.h"

/* What goes to a terminal has no control character and is valid UTF-8. */
static void must_be_tame(struct mf_str s, bool has_lines)
{
	uint32_t cp = 0;
	size_t len;

	for (size_t at = 0; at < s.len; at += len) {
		len = mf__utf8_next(s, at, &cp);
		must(len > 0);
		must(cp >= 0x20 || (has_lines && memchr("\r\n\t", (int)cp, 3)));
		must(cp < 0x7f || cp > 0x9f);
		must(cp < 0x202a || cp > 0x202e);
		must(cp < 0x2066 || cp > 0x2069);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_str s = {(const char *)data, size};
	struct mf_buf buf = {0};
	uint64_t first = UINT64_C(1795375027000000000);
	uint64_t value = 0;

	mf_text_terminal(&buf, s);
	must_be_tame(mf_buf_view(&buf), false);
	mf_buf_reset(&buf);
	mf_text_terminal_lines(&buf, s);
	must_be_tame(mf_buf_view(&buf), true);
	mf_buf_reset(&buf);
	mf_text_shell(&buf, s);
	must(buf.len > 0);
	must_be_tame(mf_buf_view(&buf), false);
	mf_buf_reset(&buf);
	if (mf_text_parse_time(s, first, first + first / 10, &value, NULL) == 0)
		mf_text_time(&buf, value);
	if (mf_text_parse_size(s, &value, NULL) == 0) {
		mf_text_size(&buf, value);
		mf_text_duration(&buf, value);
	}
	must(mf_buf_ok(&buf));
	mf_buf_clear(&buf);
	return 0;
}

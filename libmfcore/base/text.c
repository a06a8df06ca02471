#include "mfcore/text.h"

#include <string.h>

#include "base/utf8.h"

/* Code points that show nothing, or show other text where it is not. */
static const struct {
	uint32_t first;
	uint32_t last;
} invisible[] = {
	{0x80, 0x9f},       /* C1 controls */
	{0xad, 0xad},       /* soft hyphen */
	{0x61c, 0x61c},     /* Arabic letter mark */
	{0x115f, 0x1160},   /* Hangul fillers */
	{0x17b4, 0x17b5},   /* Khmer inherent vowels */
	{0x180b, 0x180f},   /* Mongolian selectors */
	{0x200b, 0x200f},   /* zero width, direction marks */
	{0x2028, 0x202e},   /* line, paragraph, bidirectional embeddings */
	{0x2060, 0x206f},   /* word joiner, bidirectional isolates */
	{0x3164, 0x3164},   /* Hangul filler */
	{0xfeff, 0xfeff},   /* byte order mark */
	{0xffa0, 0xffa0},   /* half width Hangul filler */
	{0xfff0, 0xfffb},   /* annotation anchors */
	{0x13430, 0x1343f}, /* hieroglyph format controls */
	{0x1bca0, 0x1bca3}, /* shorthand format controls */
	{0x1d173, 0x1d17a}, /* musical format controls */
	{0xe0000, 0xe0fff}, /* tags, more selectors */
};

static bool is_invisible(uint32_t cp)
{
	for (size_t i = 0; i < sizeof(invisible) / sizeof(*invisible); i++)
		if (cp >= invisible[i].first && cp <= invisible[i].last)
			return true;
	return false;
}

/* How long a sequence its first byte begins; 0 where none may begin so. */
static size_t sequence_len(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

size_t mf__utf8_next(struct mf_str s, size_t at, uint32_t *cp)
{
	static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char lead = (unsigned char)s.ptr[at];
	size_t len = sequence_len(lead);
	uint32_t value = len > 1 ? lead & (0x7fU >> len) : lead;

	if (len == 0 || len > s.len - at)
		return 0;
	for (size_t i = 1; i < len; i++) {
		unsigned char c = (unsigned char)s.ptr[at + i];

		if ((c & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (c & 0x3fU);
	}
	if (value < smallest[len] || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*cp = value;
	return len;
}

static void add_control(struct mf_buf *buf, unsigned char c)
{
	switch (c) {
	case '\n':
		mf_buf_puts(buf, "\\n");
		break;
	case '\t':
		mf_buf_puts(buf, "\\t");
		break;
	case '\r':
		mf_buf_puts(buf, "\\r");
		break;
	case 0x1b:
		mf_buf_puts(buf, "\\e");
		break;
	default:
		mf_buf_printf(buf, "\\x%02x", (unsigned)c);
	}
}

static void add_code_point(struct mf_buf *buf, uint32_t cp)
{
	if (cp > 0xffff)
		mf_buf_printf(buf, "\\U%08X", cp);
	else
		mf_buf_printf(buf, "\\u%04X", cp);
}

/* A lone carriage return would let a line write over itself. */
static bool is_line_layout(struct mf_str s, size_t at)
{
	return s.ptr[at] == '\n' || s.ptr[at] == '\t' ||
	       (s.ptr[at] == '\r' && at + 1 < s.len && s.ptr[at + 1] == '\n');
}

static void add_terminal(struct mf_buf *buf, struct mf_str s, bool keeps_lines)
{
	size_t len;

	for (size_t at = 0; at < s.len; at += len) {
		uint32_t cp = 0;

		len = mf__utf8_next(s, at, &cp);
		if (len == 0 || cp < 0x20 || cp == 0x7f) {
			if (keeps_lines && is_line_layout(s, at))
				mf_buf_putc(buf, s.ptr[at]);
			else
				add_control(buf, (unsigned char)s.ptr[at]);
			len = 1;
		} else if (is_invisible(cp)) {
			add_code_point(buf, cp);
		} else {
			mf_buf_add(buf, s.ptr + at, len);
		}
	}
}

void mf_text_terminal(struct mf_buf *buf, struct mf_str s)
{
	add_terminal(buf, s, false);
}

void mf_text_terminal_lines(struct mf_buf *buf, struct mf_str s)
{
	add_terminal(buf, s, true);
}

void mf_text_utf8(struct mf_buf *buf, struct mf_str s)
{
	size_t len;

	for (size_t at = 0; at < s.len; at += len) {
		uint32_t cp;

		len = mf__utf8_next(s, at, &cp);
		if (len > 0) {
			mf_buf_add(buf, s.ptr + at, len);
		} else {
			mf_buf_puts(buf, "\xef\xbf\xbd");
			len = 1;
		}
	}
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Words the shell takes for its own where a command may begin. */
static bool is_reserved(struct mf_str s)
{
	static const char *const words[] = {
		"if",        "then",     "else",   "elif",   "fi",
		"do",        "done",     "case",   "esac",   "while",
		"until",     "for",      "in",     "time",   "end",
		"nocorrect", "function", "select", "repeat", "foreach",
		"coproc",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (mf_str_is(s, words[i]))
			return true;
	return false;
}

/* Whether NAME= or NAME+= begins it: an assignment before a command. */
static bool is_assignment(struct mf_str s)
{
	size_t at = 0;

	while (at < s.len && (is_alpha(s.ptr[at]) || is_digit(s.ptr[at])))
		at++;
	if (at == 0 || is_digit(s.ptr[0]))
		return false;
	if (at < s.len && s.ptr[at] == '+')
		at++;
	return at < s.len && s.ptr[at] == '=';
}

static bool is_bare(struct mf_str s)
{
	if (s.len == 0 || s.ptr[0] == '=' || s.ptr[0] == '%')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_alpha(s.ptr[i]) && !is_digit(s.ptr[i]) &&
		    (s.ptr[i] == '\0' || !strchr("-./=:,+@%", s.ptr[i])))
			return false;
	return !is_assignment(s) && !is_reserved(s);
}

/* Whether every byte may stand in single quotes and be shown as it is. */
static bool is_plain(struct mf_str s)
{
	size_t len;

	for (size_t at = 0; at < s.len; at += len) {
		uint32_t cp = 0;

		len = mf__utf8_next(s, at, &cp);
		if (len == 0 || cp < 0x20 || cp == 0x7f || is_invisible(cp))
			return false;
	}
	return true;
}

static void add_ansi_byte(struct mf_buf *buf, unsigned char c)
{
	if (c == '\0')
		return;
	if (c == '\'' || c == '\\')
		mf_buf_printf(buf, "\\%c", c);
	else if (c < 0x20)
		add_control(buf, c);
	else if (c >= 0x7f || c == '!') /* '!': history of interactive shells */
		mf_buf_printf(buf, "\\x%02x", (unsigned)c);
	else
		mf_buf_putc(buf, (char)c);
}

static void add_ansi_quoted(struct mf_buf *buf, struct mf_str s)
{
	size_t len;

	mf_buf_puts(buf, "$'");
	for (size_t at = 0; at < s.len; at += len) {
		uint32_t cp = 0;

		len = mf__utf8_next(s, at, &cp);
		if (len > 1 && !is_invisible(cp)) {
			mf_buf_add(buf, s.ptr + at, len);
			continue;
		}
		len = len ? len : 1;
		for (size_t i = 0; i < len; i++)
			add_ansi_byte(buf, (unsigned char)s.ptr[at + i]);
	}
	mf_buf_putc(buf, '\'');
}

void mf_text_shell(struct mf_buf *buf, struct mf_str s)
{
	if (is_bare(s)) {
		mf_buf_str(buf, s);
		return;
	}
	if (!is_plain(s)) {
		add_ansi_quoted(buf, s);
		return;
	}
	mf_buf_putc(buf, '\'');
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\'')
			mf_buf_puts(buf, "'\\''");
		else
			mf_buf_putc(buf, s.ptr[i]);
	}
	mf_buf_putc(buf, '\'');
}

#include <stdint.h>
#include <string.h>

#include "journal/redact_parts.h"

enum body {
	AWS_ID, /* capitals and digits, exactly as many */
	TOKEN,  /* letters, digits, _ and - */
	MIXED,  /* the same, with a digit or a capital among them */
	DOTTED, /* the same and a dot in them */
};

#define PREFIX_MAX 12

/* How far to look for what must be in a body; bounds hostile input's work. */
#define UNSURE_MAX 256

struct shape {
	uint8_t len;
	uint8_t least;
	uint8_t body;
	char prefix[PREFIX_MAX];
};

static const struct shape shapes[] = {
#define MF_REDACT_SHAPE(prefix, least, body, text)                             \
	{sizeof(prefix) - 1, least, body, prefix},
#include "journal/redact.def"
};

static bool is_capital_or_digit(char c)
{
	return (unsigned)(c - 'A') < 26 || (unsigned)(c - '0') < 10;
}

static bool is_token(char c)
{
	return mf__redact_is_alnum(c) || c == '_' || c == '-';
}

static bool is_body(const struct shape *shape, char c)
{
	return is_token(c) || (c == '.' && shape->body == DOTTED);
}

static size_t aws_id_length(const char *at, const char *end)
{
	const char *p = at;

	while (p < end && is_capital_or_digit(*p))
		p++;
	if (p - at != 16 || (p < end && mf__redact_is_alnum(*p)))
		return 0;
	return 16;
}

/* Length of what goes on behind a prefix, or 0 when it is no such secret. */
static size_t body_length(const struct shape *shape, const char *at,
                          const char *end)
{
	const char *p = at;
	bool is_mixed = shape->body != MIXED;
	bool has_dot = shape->body != DOTTED;

	if (shape->body == AWS_ID)
		return aws_id_length(at, end);
	for (; p < end && is_body(shape, *p); p++) {
		is_mixed = is_mixed || is_capital_or_digit(*p);
		has_dot = has_dot || *p == '.';
		if (!(is_mixed && has_dot) && p - at > UNSURE_MAX)
			return 0;
	}
	if (!is_mixed || !has_dot || p - at < shape->least)
		return 0;
	return (size_t)(p - at);
}

/*
 * By the first character of a prefix, the second ones, as bits; a test holds
 * each prefix to it.
 */
#define L(letter) (1u << ((letter)&31))

static const uint32_t second_letters[32] = {
	['A' & 31] = L('B') | L('C') | L('I') | L('K') | L('S'),
	['d' & 31] = L('a') | L('o'),
	['e' & 31] = L('y'),
	['g' & 31] = L('h') | L('i') | L('l') | L('s'),
	['h' & 31] = L('f') | L('v'),
	['n' & 31] = L('p') | L('v'),
	['p' & 31] = L('y'),
	['r' & 31] = L('k'),
	['s' & 31] = L('G') | L('k'),
	['x' & 31] = L('a') | L('o'),
	['y' & 31] = L('a'),
};

size_t mf__redact_shape(const char *at, const char *end)
{
	size_t left = (size_t)(end - at);

	if (left < 2 || !(second_letters[at[0] & 31] & L(at[1])))
		return 0;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct shape *shape = &shapes[i];
		size_t len;

		if (*at != shape->prefix[0] ||
		    left < (size_t)shape->len + shape->least ||
		    memcmp(at, shape->prefix, shape->len) != 0)
			continue;
		len = body_length(shape, at + shape->len, end);
		if (len > 0)
			return shape->len + len;
	}
	return 0;
}

enum char_class {
	CAPITAL,
	SMALL,
	DIGIT,
	OTHER,
};

static enum char_class class_of(char c)
{
	if ((unsigned)(c - 'A') < 26)
		return CAPITAL;
	if ((unsigned)(c - 'a') < 26)
		return SMALL;
	return (unsigned)(c - '0') < 10 ? DIGIT : OTHER;
}

/*
 * Forty random characters change their class 25 times on average, and fewer
 * than 16 times once in a thousand; words, paths and hashes stay below.
 */
bool mf__redact_is_aws_secret(const char *at)
{
	unsigned seen = 1u << class_of(at[0]);
	unsigned changes = 0;

	for (size_t i = 1; i < 40; i++) {
		seen |= 1u << class_of(at[i]);
		changes += class_of(at[i]) != class_of(at[i - 1]);
	}
	return (seen & 7) == 7 && changes >= 16;
}

static const char *find(const char *at, const char *end, const char *what)
{
	size_t len = strlen(what);

	for (; (size_t)(end - at) >= len; at++) {
		at = memchr(at, what[0], (size_t)(end - at) - len + 1);
		if (at == NULL)
			return NULL;
		if (memcmp(at, what, len) == 0)
			return at;
	}
	return NULL;
}

size_t mf__redact_pem(const char *at, const char *end)
{
	const char *begin = at + strlen("-----BEGIN");
	const char *line;
	const char *p;

	if (find(at, begin <= end ? begin : end, "-----BEGIN") == NULL)
		return 0;
	line = find(begin, end, "-----");
	if (find(begin, line ? line : end, "PRIVATE KEY") == NULL)
		return 0;
	p = line ? find(line + 5, end, "-----END") : NULL;
	p = p ? find(p + 8, end, "-----") : NULL;
	return (size_t)((p ? p + 5 : end) - at);
}

/* How far to look for the '@' of a URL. */
#define USERINFO_MAX 1024

static bool ends_authority(char c)
{
	return c == '/' || c == '?' || c == '#' || mf__redact_is_space(c) ||
	       c == '"' || c == '\'' || c == '\\';
}

static bool ends_word(char c)
{
	return mf__redact_is_space(c) || c == '"' || c == '\'' || c == '\\';
}

static const char *last_at_sign(const char *at, const char *end,
                                bool (*ends)(char))
{
	const char *last = NULL;

	for (; at < end && !ends(*at); at++) {
		if (*at == '@')
			last = at;
	}
	return last;
}

/* Whether a port number, and nothing else, stands between ':' and the path. */
static bool is_port(const char *at, const char *end)
{
	const char *p = at;

	while (p < end && (unsigned)(*p - '0') < 10)
		p++;
	return p > at && (p == end || ends_authority(*p));
}

bool mf__redact_userinfo(const char *at, const char *end, struct mf_str *secret)
{
	const char *sign;
	const char *colon;

	if (end - at > USERINFO_MAX)
		end = at + USERINFO_MAX;
	if (memchr(at, '@', (size_t)(end - at)) == NULL)
		return false;
	sign = last_at_sign(at, end, ends_authority);
	for (colon = at; colon < end && *colon != ':' && *colon != '@'; colon++)
		if (ends_authority(*colon))
			break;
	if (sign == NULL) {
		/* a '/' in the password, which should have been %2F */
		if (colon == end || *colon != ':' || is_port(colon + 1, end))
			return false;
		sign = last_at_sign(colon, end, ends_word);
		if (sign == NULL)
			return false;
	}
	if (colon < sign && *colon == ':') {
		*secret =
			(struct mf_str){colon + 1, (size_t)(sign - colon - 1)};
		return true;
	}
	*secret = (struct mf_str){at, (size_t)(sign - at)};
	return secret->len >= 20;
}

/*
 * Values that say nothing: hiding them would only hide that nothing is there.
 */
bool mf__redact_is_trivial(struct mf_str value)
{
	static const char *const words[] = {
		"true", "false", "yes",  "no", "on",
		"off",  "none",  "null", "0",  "1",
	};
	char folded[6];

	if (value.len == 0)
		return true;
	if (value.len > 5)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if ((unsigned)(c - 'A') < 26)
			c = (char)(c + 32);
		folded[i] = c;
	}
	folded[value.len] = '\0';
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i], folded) == 0)
			return true;
	}
	return false;
}

/* $NAME and ${NAME}: where the secret is, not what it is. */
bool mf__redact_is_reference(struct mf_str value)
{
	size_t at = 1;
	size_t end = value.len;

	if (value.len < 2 || value.ptr[0] != '$')
		return false;
	if (value.ptr[1] == '{' && value.ptr[end - 1] == '}') {
		at++;
		end--;
	}
	if (at == end || (unsigned)(value.ptr[at] - '0') < 10)
		return false;
	for (; at < end; at++) {
		char c = value.ptr[at];

		if (!mf__redact_is_alnum(c) && c != '_')
			return false;
	}
	return true;
}

static bool is_number(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned)(at[i] - '0') > 9)
			return false;
	}
	return true;
}

size_t mf__redact_password_of_user(struct mf_str arg, struct mf_str previous)
{
	size_t colon = mf_str_find(arg, ':');

	if (!mf_str_is(previous, "-u") && !mf_str_is(previous, "-U") &&
	    !mf_str_is(previous, "--user") &&
	    !mf_str_is(previous, "--proxy-user"))
		return arg.len;
	if (colon == arg.len || mf_str_starts(mf_str_from(arg, colon), "://"))
		return arg.len;
	if (is_number(arg.ptr, colon) &&
	    is_number(arg.ptr + colon + 1, arg.len - colon - 1))
		return arg.len;
	return colon + 1;
}

#include "metaflow/pyjson.h"

#include <stdint.h>
#include <string.h>

static size_t skip_space(struct mf_str s, size_t at)
{
	const struct mf_str blanks = MF_STR(" \t\n\r");

	while (at < s.len && mf_str_find(blanks, s.ptr[at]) < blanks.len)
		at++;
	return at;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

/* The skip functions return the offset behind what they skip, 0 when bad. */
static size_t skip_string(struct mf_str s, size_t at)
{
	const struct mf_str escapes = MF_STR("\"\\/bfnrtu");

	if (at >= s.len || s.ptr[at++] != '"')
		return 0;
	while (at < s.len && s.ptr[at] != '"') {
		if ((unsigned char)s.ptr[at] < 0x20)
			return 0;
		if (s.ptr[at++] != '\\')
			continue;
		if (at >= s.len ||
		    mf_str_find(escapes, s.ptr[at]) == escapes.len)
			return 0;
		if (s.ptr[at++] != 'u')
			continue;
		for (size_t end = at + 4; at < end; at++)
			if (at >= s.len || !is_hex(s.ptr[at]))
				return 0;
	}
	return at < s.len ? at + 1 : 0;
}

static size_t skip_digits(struct mf_str s, size_t at)
{
	while (at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9')
		at++;
	return at;
}

static size_t skip_number(struct mf_str s, size_t at)
{
	size_t from;
	size_t end;

	if (at < s.len && s.ptr[at] == '-')
		at++;
	from = at;
	at = at < s.len && s.ptr[at] == '0' ? at + 1 : skip_digits(s, at);
	if (at == from)
		return 0;
	if (at + 1 < s.len && s.ptr[at] == '.') {
		end = skip_digits(s, at + 1);
		if (end > at + 1)
			at = end;
	}
	if (at < s.len && (s.ptr[at] | 32) == 'e') {
		from = at + 1;
		if (from < s.len && (s.ptr[from] == '+' || s.ptr[from] == '-'))
			from++;
		end = skip_digits(s, from);
		if (end > from)
			at = end;
	}
	return at;
}

static size_t skip_scalar(struct mf_str s, size_t at)
{
	static const char *const words[] = {"true", "false",    "null",
	                                    "NaN",  "Infinity", "-Infinity"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (mf_str_starts(mf_str_from(s, at), words[i]))
			return at + strlen(words[i]);
	return at < s.len && s.ptr[at] == '"' ? skip_string(s, at)
	                                      : skip_number(s, at);
}

/* A member's name and its ':'. */
static size_t skip_name(struct mf_str s, size_t at)
{
	at = skip_string(s, skip_space(s, at));
	if (at == 0)
		return 0;
	at = skip_space(s, at);
	return at < s.len && s.ptr[at] == ':' ? at + 1 : 0;
}

/* Containers that are open, one bit each: set for an object. */
struct nest {
	uint64_t is_object[(MF__PYJSON_DEPTH + 63) / 64];
	size_t depth;
};

static bool in_object(const struct nest *nest)
{
	size_t top = nest->depth - 1;

	return nest->is_object[top / 64] >> (top % 64) & 1;
}

static void push(struct nest *nest, bool is_object)
{
	uint64_t bit = UINT64_C(1) << (nest->depth % 64);

	if (is_object)
		nest->is_object[nest->depth / 64] |= bit;
	else
		nest->is_object[nest->depth / 64] &= ~bit;
	nest->depth++;
}

/* Behind a value: close what ends here, or stand before the next value. */
static size_t skip_after(struct mf_str s, size_t at, struct nest *nest)
{
	while (nest->depth > 0) {
		bool is_object = in_object(nest);

		at = skip_space(s, at);
		if (at >= s.len)
			return 0;
		if (s.ptr[at] == ',') {
			at++;
			return is_object ? skip_name(s, at) : at;
		}
		if (s.ptr[at++] != (is_object ? '}' : ']'))
			return 0;
		nest->depth--;
	}
	return at;
}

/* Behind a '{' or '[' at `at`: an end already, or before the first value. */
static size_t skip_opening(struct mf_str s, size_t at, struct nest *nest)
{
	bool is_object = s.ptr[at] == '{';

	push(nest, is_object);
	at = skip_space(s, at + 1);
	if (at < s.len && s.ptr[at] == (is_object ? '}' : ']'))
		return skip_after(s, at, nest);
	return is_object ? skip_name(s, at) : at;
}

/* Skip the value at `at`, without recursion. */
static enum mf__pyjson skip_value(struct mf_str s, size_t at, size_t *end)
{
	struct nest nest = {.depth = 0};

	do {
		at = skip_space(s, at);
		if (at >= s.len)
			return MF__PYJSON_BAD;
		if (s.ptr[at] == '{' || s.ptr[at] == '[') {
			if (nest.depth == MF__PYJSON_DEPTH)
				return MF__PYJSON_DEEP;
			at = skip_opening(s, at, &nest);
		} else {
			at = skip_scalar(s, at);
			at = at ? skip_after(s, at, &nest) : 0;
		}
		if (at == 0)
			return MF__PYJSON_BAD;
	} while (nest.depth > 0);
	*end = at;
	return MF__PYJSON_OK;
}

enum mf__pyjson mf__pyjson_check(struct mf_str text)
{
	size_t end = 0;
	enum mf__pyjson result = skip_value(text, 0, &end);

	if (result == MF__PYJSON_OK && skip_space(text, end) != text.len)
		return MF__PYJSON_BAD;
	return result;
}

bool mf__pyjson_member(struct mf_str text, size_t *pos, struct mf_str *name,
                       struct mf_str *value)
{
	size_t at = skip_space(text, *pos);
	size_t end;

	/* at the '{', then at each ',' */
	if (at >= text.len || (*pos == 0 && text.ptr[at] != '{') ||
	    (*pos != 0 && text.ptr[at] != ','))
		return false;
	at = skip_space(text, at + 1);
	end = skip_string(text, at);
	if (end == 0)
		return false;
	*name = (struct mf_str){text.ptr + at + 1, end - at - 2};
	at = skip_name(text, at);
	if (at == 0)
		return false;
	at = skip_space(text, at);
	if (skip_value(text, at, &end) != MF__PYJSON_OK)
		return false;
	*value = (struct mf_str){text.ptr + at, end - at};
	*pos = end;
	return true;
}

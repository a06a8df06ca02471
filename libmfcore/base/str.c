#include "mfcore/str.h"

#include <string.h>

struct mf_str mf_str(const char *s)
{
	return s ? (struct mf_str){s, strlen(s)} : (struct mf_str){NULL, 0};
}

bool mf_str_eq(struct mf_str a, struct mf_str b)
{
	return a.len == b.len && (a.len == 0 || !memcmp(a.ptr, b.ptr, a.len));
}

bool mf_str_is(struct mf_str a, const char *s)
{
	return mf_str_eq(a, mf_str(s));
}

bool mf_str_starts(struct mf_str a, const char *prefix)
{
	size_t len = strlen(prefix);

	return a.len >= len && (len == 0 || !memcmp(a.ptr, prefix, len));
}

bool mf_str_ends(struct mf_str a, const char *suffix)
{
	size_t len = strlen(suffix);

	return a.len >= len &&
	       (len == 0 || !memcmp(a.ptr + a.len - len, suffix, len));
}

struct mf_str mf_str_from(struct mf_str a, size_t from)
{
	if (from > a.len)
		from = a.len;
	return a.ptr ? (struct mf_str){a.ptr + from, a.len - from} : a;
}

size_t mf_str_find(struct mf_str a, char c)
{
	const char *at = a.len ? memchr(a.ptr, c, a.len) : NULL;

	return at ? (size_t)(at - a.ptr) : a.len;
}

size_t mf_str_search(struct mf_str a, struct mf_str needle)
{
	const char *at;

	if (needle.len == 0)
		return 0;
	if (a.len < needle.len)
		return a.len;
	at = memmem(a.ptr, a.len, needle.ptr, needle.len);
	return at ? (size_t)(at - a.ptr) : a.len;
}

struct mf_str mf_str_cut(struct mf_str *rest, char c)
{
	size_t at = mf_str_find(*rest, c);
	struct mf_str head = {rest->ptr, at};

	if (at == rest->len)
		*rest = (struct mf_str){NULL, 0};
	else
		*rest = mf_str_from(*rest, at + 1);
	return head;
}

struct mf_str mf_str_basename(struct mf_str path)
{
	size_t at = path.len;

	while (at > 0 && path.ptr[at - 1] != '/')
		at--;
	return mf_str_from(path, at);
}

bool mf_str_u64(struct mf_str a, uint64_t *out)
{
	uint64_t value = 0;

	if (a.len == 0)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		unsigned digit = (unsigned)(unsigned char)a.ptr[i] - '0';

		if (digit > 9 ||
		    __builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit, &value))
			return false;
	}
	*out = value;
	return true;
}

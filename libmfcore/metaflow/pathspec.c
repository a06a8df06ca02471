/* Recognition: base/str.c only, no malloc, no stdio. */
#include "mfcore/pathspec.h"

#include <stdint.h>

bool mf_pathspec_is_name(struct mf_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		bool is_letter = ((c | 32) >= 'a' && (c | 32) <= 'z') ||
		                 c == '_' || c >= 0x80;

		if (!is_letter && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return s.len > 0;
}

bool mf_pathspec_is_id(struct mf_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c <= ' ' || c == 0x7f || c == '/' || c == ',' || c == ':' ||
		    c == '!')
			return false;
	}
	return s.len > 0;
}

int mf_pathspec_cut_attempt(struct mf_str *s)
{
	size_t at = s->len;
	uint64_t attempt;

	while (at > 0 && s->ptr[at - 1] != '@')
		at--;
	if (at == 0 || !mf_str_u64(mf_str_from(*s, at), &attempt) ||
	    attempt > INT32_MAX)
		return -1;
	s->len = at - 1;
	return (int)attempt;
}

/* Cut `s` at each '/'; returns how many parts, 0 for none or too many. */
static size_t cut_parts(struct mf_str s, struct mf_str *parts, size_t max)
{
	size_t n = 0;

	if (s.len == 0 || s.ptr[s.len - 1] == '/')
		return 0;
	while (s.len > 0) {
		if (n == max)
			return 0;
		parts[n++] = mf_str_cut(&s, '/');
	}
	return n;
}

bool mf_pathspec_parse(struct mf_str s, struct mf_pathspec *out)
{
	struct mf_str parts[4] = {{NULL, 0}};
	int attempt = mf_pathspec_cut_attempt(&s);
	size_t n = cut_parts(s, parts, 4);

	if (n == 0 || !mf_pathspec_is_name(parts[0]) ||
	    (n > 1 && !mf_pathspec_is_id(parts[1])) ||
	    (n > 2 && !mf_pathspec_is_name(parts[2])) ||
	    (n > 3 && !mf_pathspec_is_id(parts[3])) || (n < 4 && attempt >= 0))
		return false;
	*out = (struct mf_pathspec){parts[0], parts[1], parts[2], parts[3],
	                            attempt};
	return true;
}

bool mf_pathspec_parse_input(struct mf_str s, struct mf_pathspec *out)
{
	struct mf_str parts[4] = {{NULL, 0}};
	size_t n = cut_parts(s, parts, 4);
	uint64_t attempt = 0;

	if (n < 3 || !mf_pathspec_is_id(parts[0]) ||
	    !mf_pathspec_is_name(parts[1]) || !mf_pathspec_is_id(parts[2]) ||
	    (n == 4 &&
	     (!mf_str_u64(parts[3], &attempt) || attempt > INT32_MAX)))
		return false;
	*out = (struct mf_pathspec){
		.run = parts[0],
		.step = parts[1],
		.task = parts[2],
		.attempt = n == 4 ? (int)attempt : -1,
	};
	return true;
}

bool mf_pathspec_matches(struct mf_str tail, const struct mf_pathspec *spec)
{
	const struct mf_str have[] = {spec->flow, spec->run, spec->step,
	                              spec->task};
	struct mf_str want[4];
	int attempt = mf_pathspec_cut_attempt(&tail);
	size_t n = cut_parts(tail, want, 4);
	size_t depth = 4;

	while (depth > 0 && have[depth - 1].len == 0)
		depth--;
	if (n == 0 || n > depth)
		return false;
	if (attempt >= 0 && spec->attempt >= 0 && attempt != spec->attempt)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!mf_str_eq(want[i], have[depth - n + i]))
			return false;
	return true;
}

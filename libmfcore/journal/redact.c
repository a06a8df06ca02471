/*
 * The scan: one pass over a value or an argument that knows, at each
 * separator, the name that stands before it. What is no secret is copied in
 * runs; what is one is passed over and leaves MF__REDACTED. Where it is
 * unclear how far a secret reaches, it reaches further.
 */
#include "mfcore/redact.h"

#include <stdint.h>
#include <string.h>

#include "journal/redact_parts.h"

/* A run shorter than this holds no secret that is known by its shape. */
#define SHAPE_MIN 15

enum char_kind {
	NAME = 1,
	BASE = 2,
	SPACE = 4,
	QUOTE = 8,
	BREAK = 16,
};

/* enum char_kind of each byte; one row is sixteen of them. */
static const uint8_t kinds[256] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 0,  0,  0,  0, 0,  0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 8, 0, 0,  0,  16, 8, 0,  0, 0, 2,
	0, 1, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0,  16, 16, 0, 16, 0, 0, 3,
	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,  3,  3,  3, 3,  3, 3, 3,
	3, 3, 3, 0, 0, 0, 0, 1, 0, 3, 3, 3, 3, 3, 3,  3,  3,  3, 3,  3, 3, 3,
	3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 16, 0,  0,  0,
};

/* A quote, and how many backslashes make it one at its depth. */
struct quote {
	char mark; /* 0: none */
	size_t slashes;
};

/* How a value ends depends on what stands before it. */
enum value_ends {
	AT_TEXT, /* the whole rest is the value */
	AT_WORD,
	AT_LINE,
	AT_JSON,
	VALUE_ENDS,
};

struct scan {
	const char *text;
	size_t len;
	size_t done; /* input that is in the output, or replaced in it */
	char *out;
	size_t cap;
	size_t put;
	const char *allow;
	size_t name;       /* where the last run of name characters begins */
	size_t name_end;   /* and ends */
	size_t base;       /* where a run of BASE characters may begin */
	struct mf_str url; /* password of the URL being passed */
	struct quote quote;
	size_t reach[VALUE_ENDS]; /* how far the last such value reached */
	bool has_hidden;          /* `done` ends a replaced run */
	bool is_shell;            /* the text is commands */
	bool is_plain;            /* nothing but names and '=' so far */
};

static uint8_t kind(const struct scan *s, size_t at)
{
	return kinds[(unsigned char)s->text[at]];
}

static void put(struct scan *s, const char *bytes, size_t len)
{
	if (len > s->cap - s->put)
		len = s->cap - s->put;
	if (len == 0)
		return;
	memcpy(s->out + s->put, bytes, len);
	s->put += len;
}

/*
 * Replace [from, to); what stands before it and was not copied yet is. What
 * overlaps or touches the last replaced run only makes it longer.
 */
static void redact(struct scan *s, size_t from, size_t to)
{
	if (to <= from || to <= s->done)
		return;
	if (from > s->done || !s->has_hidden) {
		put(s, s->text + s->done, from - s->done);
		put(s, MF__REDACTED, sizeof(MF__REDACTED) - 1);
		s->has_hidden = true;
	}
	s->done = to;
}

static bool is_secret(const struct scan *s, size_t from, size_t to)
{
	struct mf_str name;

	while (from < to && s->text[from] == '-')
		from++;
	name = (struct mf_str){s->text + from, to - from};
	return mf_redact_is_secret_name(name) &&
	       !mf__redact_is_allowed(name, s->allow);
}

static bool is_nothing(const struct scan *s, size_t from, size_t to)
{
	struct mf_str value = {s->text + from, to - from};

	return mf__redact_is_trivial(value) ||
	       (s->is_shell && mf__redact_is_reference(value));
}

static size_t skip_spaces(const struct scan *s, size_t at)
{
	while (at < s->len && (kind(s, at) & SPACE))
		at++;
	return at;
}

static size_t skip_slashes(const struct scan *s, size_t at)
{
	while (at < s->len && s->text[at] == '\\')
		at++;
	return at;
}

/* The quote at `at` or behind the backslashes there; its mark is 0 for none. */
static struct quote quote_at(const struct scan *s, size_t at)
{
	size_t end = skip_slashes(s, at);

	if (end == s->len || !(kind(s, end) & QUOTE))
		return (struct quote){0, 0};
	return (struct quote){s->text[end], end - at};
}

/* Where quoted text ends, and where what comes behind the quote begins. */
struct close {
	size_t at;
	size_t next;
};

static struct close find_close(const struct scan *s, size_t at,
                               struct quote open)
{
	while (at < s->len) {
		size_t end = skip_slashes(s, at);
		size_t slashes = end - at;

		if (end == s->len)
			break;
		if (s->text[end] == open.mark) {
			if (open.slashes == 0 && slashes % 2 == 0)
				return (struct close){end, end + 1};
			if (slashes <= open.slashes && open.slashes > 0)
				return (struct close){at, end + 1};
		}
		at = end + 1;
	}
	return (struct close){s->len, s->len};
}

static bool is_same_quote(struct quote a, struct quote b)
{
	return a.mark != 0 && a.mark == b.mark && a.slashes == b.slashes;
}

/* Where the word of a shell ends that `at` is in. */
static size_t word_end(const struct scan *s, size_t at)
{
	while (at < s->len && !(kind(s, at) & (SPACE | BREAK))) {
		struct quote quote = quote_at(s, at);

		if (is_same_quote(quote, s->quote))
			return at;
		if (quote.mark != 0)
			at = find_close(s, at + quote.slashes + 1, quote).next;
		else if (s->text[at] == '\\')
			at = skip_slashes(s, at) + 1;
		else
			at++;
	}
	return at < s->len ? at : s->len;
}

/* Where the line ends, or the quotes around it. */
static size_t line_end(const struct scan *s, size_t at)
{
	while (at < s->len && s->text[at] != '\n') {
		struct quote quote = quote_at(s, at);

		if (is_same_quote(quote, s->quote))
			break;
		at = skip_slashes(s, at);
		at += at < s->len;
	}
	return at;
}

/* Where the bracket at `at` is closed again, strings left out. */
static size_t bracket_end(const struct scan *s, size_t at)
{
	size_t depth = 0;

	while (at < s->len) {
		struct quote quote = quote_at(s, at);
		char c = s->text[at];

		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		if (depth == 0)
			return at + 1;
		if (quote.mark != 0 && !is_same_quote(quote, s->quote))
			at = find_close(s, at + quote.slashes + 1, quote).next;
		else if (c == '\\')
			at = skip_slashes(s, at);
		else
			at++;
	}
	return s->len;
}

/* Where a bare number or word of JSON ends. */
static size_t scalar_end(const struct scan *s, size_t at)
{
	while (at < s->len && !(kind(s, at) & (SPACE | QUOTE)) &&
	       s->text[at] != ',' && s->text[at] != '}' && s->text[at] != ']')
		at++;
	return at;
}

/* Where an unquoted value ends. */
static size_t bare_end(const struct scan *s, size_t at, enum value_ends ends)
{
	switch (ends) {
	case AT_TEXT:
		return s->len;
	case AT_WORD:
		return word_end(s, at);
	case AT_LINE:
		return line_end(s, at);
	case AT_JSON:
		if (s->text[at] == '{' || s->text[at] == '[')
			return bracket_end(s, at);
		return scalar_end(s, at);
	case VALUE_ENDS:
		break;
	}
	return s->len;
}

/*
 * Replace the value that begins at `at`, and return `at`: the scan goes on
 * inside, for a secret in there may reach further than the value. A value
 * that begins where another of its kind reaches over ends with that one, so
 * that nested ones cost no more than one.
 */
static size_t redact_value(struct scan *s, size_t at, enum value_ends ends)
{
	struct quote quote = quote_at(s, at);
	struct close close;
	size_t from = at;

	if (at >= s->len)
		return s->len;
	if (ends != AT_TEXT && quote.mark != 0) {
		from = at + quote.slashes + 1;
		close = find_close(s, from, quote);
		if (ends == AT_WORD && word_end(s, close.next) > close.next)
			close.at = word_end(s, close.next);
	} else {
		if (at >= s->reach[ends])
			s->reach[ends] = bare_end(s, at, ends);
		close.at = s->reach[ends];
	}
	if (!is_nothing(s, from, close.at))
		redact(s, from, close.at);
	return at;
}

/* The forty characters of an AWS secret, anywhere in [s->base, end). */
static void find_aws_secrets(struct scan *s, size_t end)
{
	size_t run = s->base;

	for (size_t at = run; at <= end; at++) {
		if (at < end && (kind(s, at) & BASE))
			continue;
		if (at - run == 40 && mf__redact_is_aws_secret(s->text + run))
			redact(s, run, at);
		run = at + 1;
	}
}

/* Secrets known by their shape among the words of the last name. */
static void find_shapes(struct scan *s)
{
	const char *end = s->text + s->name_end;

	for (size_t at = s->name; at + SHAPE_MIN <= s->name_end; at++) {
		bool begins =
			at == s->name || !mf__redact_is_alnum(s->text[at - 1]);
		size_t len;

		if (!begins || !mf__redact_is_alnum(s->text[at]))
			continue;
		len = mf__redact_shape(s->text + at, end);
		if (len > 0) {
			redact(s, at, at + len);
			at += len - 1;
		}
	}
}

/* "name" before ':' is a key where it stands like one, not in a:b:c. */
static bool stands_like_key(const struct scan *s)
{
	const char *name = s->text + s->name;

	return s->name == 0 || (name[-1] != ':' && name[-1] != '/' &&
	                        name[-1] != '@' && name[-1] != '#');
}

/* Whether a name ends right before `at` that says its value is secret. */
static bool is_behind_secret_name(const struct scan *s, size_t at)
{
	return s->name_end == at && s->name < at && is_secret(s, s->name, at);
}

/* NAME=, behind which a value follows. */
static size_t at_equals(struct scan *s, size_t at)
{
	if (!is_behind_secret_name(s, at))
		return at + 1;
	return redact_value(s, at + 1,
	                    s->is_plain && !s->is_shell ? AT_TEXT : AT_WORD);
}

/* The "://" of a URL ends at `host`: find what is secret before its '@'. */
static size_t at_url(struct scan *s, size_t host)
{
	struct mf_str secret;

	s->url.len = 0;
	if (!mf__redact_userinfo(s->text + host, s->text + s->len, &secret))
		return host;
	if (secret.ptr == s->text + host)
		redact(s, host, host + secret.len);
	else
		s->url = secret; /* its user is scanned first */
	return host;
}

static size_t at_colon(struct scan *s, size_t at)
{
	size_t next = at + 1;
	size_t end = next + s->url.len;

	if (s->url.len > 0 && s->text + next == s->url.ptr) {
		s->url.len = 0;
		if (is_nothing(s, next, end))
			return next;
		redact(s, next, end);
		return next;
	}
	if (s->len - next > 2 && s->text[next] == '/' &&
	    s->text[next + 1] == '/')
		return at_url(s, next + 2);
	if (!stands_like_key(s) || !is_behind_secret_name(s, at))
		return next;
	return redact_value(s, skip_spaces(s, next), AT_LINE);
}

/* "NAME" closed by a quote at `at`: a key, when ':' or '=' follows. */
static size_t behind_quoted_name(struct scan *s, size_t at)
{
	size_t next = skip_spaces(s, at);

	if (next == s->len || (s->text[next] != ':' && s->text[next] != '=') ||
	    !is_secret(s, s->name, s->name_end))
		return at;
	next += s->text[next] == '=' && next + 1 < s->len &&
	        s->text[next + 1] == '>';
	return redact_value(s, skip_spaces(s, next + 1), AT_JSON);
}

static size_t at_quote(struct scan *s, size_t at)
{
	struct quote quote = quote_at(s, at);
	size_t next = at + quote.slashes + 1;

	if (is_same_quote(quote, s->quote))
		s->quote.mark = 0;
	else if (s->quote.mark == 0)
		s->quote = quote;
	if (s->name_end == at && s->name < at)
		return behind_quoted_name(s, next);
	return next;
}

static bool is_word(const struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if (s->name_end - s->name != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((s->text[s->name + i] | 32) != word[i])
			return false;
	}
	return true;
}

static size_t bearer_end(const struct scan *s, size_t at)
{
	while (at < s->len && ((kind(s, at) & (NAME | BASE)) ||
	                       s->text[at] == '~' || s->text[at] == '='))
		at++;
	return at;
}

/* -x and --word, which may follow an option that takes no value. */
static bool looks_like_option(struct mf_str arg)
{
	return arg.len >= 2 && arg.ptr[0] == '-' &&
	       (arg.len == 2 || arg.ptr[1] == '-');
}

/* A space: behind --name, before the '=' of "name = value", behind Bearer. */
static size_t at_space(struct scan *s, size_t at)
{
	size_t next = skip_spaces(s, at);
	size_t end;

	if (s->name_end != at || s->name == at || next == s->len)
		return next;
	if (is_word(s, "bearer")) {
		end = bearer_end(s, next);
		if (end - next >= 16)
			redact(s, next, end);
		return end - next >= 16 ? end : next;
	}
	if (s->text[next] == '=' && next + 1 < s->len &&
	    s->text[next + 1] != '=') {
		if (!is_behind_secret_name(s, at))
			return next;
		return redact_value(s, skip_spaces(s, next + 1), AT_WORD);
	}
	if (s->text[s->name] != '-' || !is_behind_secret_name(s, at))
		return next;
	end = word_end(s, next);
	if (looks_like_option((struct mf_str){s->text + next, end - next}))
		return next;
	return redact_value(s, next, AT_WORD);
}

static size_t at_separator(struct scan *s, size_t at)
{
	char c = s->text[at];

	if (c == '=')
		return at_equals(s, at);
	s->is_plain = false;
	if (c == ':')
		return at_colon(s, at);
	if (kind(s, at) & SPACE)
		return at_space(s, at);
	if (c != '\\' && !(kind(s, at) & QUOTE))
		return at + 1;
	if (quote_at(s, at).mark != 0)
		return at_quote(s, at);
	return skip_slashes(s, at);
}

/* Replace a private key that begins in the last name, -----BEGIN. */
static size_t pass_pem(struct scan *s, size_t at)
{
	for (size_t i = s->name; i + 10 <= s->name_end; i++) {
		size_t len = 0;

		if (s->text[i] == '-' && s->text[i + 1] == '-')
			len = mf__redact_pem(s->text + i, s->text + s->len);
		if (len > 0) {
			redact(s, i, i + len);
			return i + len;
		}
	}
	return at;
}

/* Pass over a run of name characters; returns where to go on. */
static size_t pass_name(struct scan *s, size_t at)
{
	const char *text = s->text;
	size_t len = s->len;

	s->name = at;
	while (at < len && (kinds[(unsigned char)text[at]] & NAME))
		at++;
	s->name_end = at;
	if (at - s->name >= SHAPE_MIN)
		find_shapes(s);
	return pass_pem(s, at);
}

/* Whether what is left cannot change the output any more. */
static bool is_full(const struct scan *s)
{
	size_t from = s->base > s->done ? s->base : s->done;

	return from - s->done >= s->cap - s->put;
}

static size_t scan(struct scan *s)
{
	size_t at = 0;

	while (at < s->len && s->done < s->len && !is_full(s)) {
		if (kind(s, at) & NAME) {
			at = pass_name(s, at);
		} else if (kind(s, at) & BASE) {
			at++;
		} else {
			if (at - s->base >= 40)
				find_aws_secrets(s, at);
			at = at_separator(s, at);
			s->base = at;
		}
	}
	if (s->len - s->base >= 40)
		find_aws_secrets(s, s->len);
	if (s->done < s->len)
		put(s, s->text + s->done, s->len - s->done);
	s->done = s->len;
	return s->put;
}

static struct scan begin(char *out, size_t cap, struct mf_str text,
                         const char *allow)
{
	return (struct scan){
		.text = text.ptr,
		.len = text.len,
		.out = out,
		.cap = cap,
		.allow = allow,
		.url = {text.ptr, 0},
		.is_plain = true,
	};
}

size_t mf_redact_env(char *out, size_t cap, struct mf_str entry,
                     const char *allow)
{
	struct scan s = begin(out, cap, entry, allow);
	struct mf_str name = entry;

	if (allow != NULL && *allow != '\0')
		name.len = mf_str_find(entry, '=');
	if (mf__redact_is_allowed(name, allow)) {
		put(&s, entry.ptr, entry.len);
		return s.put;
	}
	return scan(&s);
}

/* -c, -lc, -euxc: what follows are commands. */
static bool is_shell_option(struct mf_str arg)
{
	return arg.len >= 2 && arg.len <= 8 && arg.ptr[0] == '-' &&
	       arg.ptr[1] != '-' && arg.ptr[arg.len - 1] == 'c';
}

size_t mf_redact_arg(char *out, size_t cap, struct mf_str arg,
                     struct mf_str previous, const char *allow)
{
	struct scan s = begin(out, cap, arg, allow);
	size_t password = mf__redact_password_of_user(arg, previous);

	s.is_shell = is_shell_option(previous);
	if (!looks_like_option(arg) && !mf__redact_is_trivial(arg) &&
	    mf__redact_is_named_by(previous, allow)) {
		redact(&s, 0, arg.len);
		return s.put;
	}
	s.len = password;
	scan(&s);
	if (password < arg.len) {
		s.len = arg.len;
		redact(&s, password, arg.len);
	}
	return s.put;
}

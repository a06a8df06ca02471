#include "mfcore/redact.h"

#include <stdint.h>
#include <string.h>

#include "journal/redact_parts.h"

/* A longer name is judged by its last bytes; that is where names say it. */
#define NAME_MAX_BYTES 192
#define WORDS_MAX 31

enum how {
	PART,
	END,
	WORD,
	LAST,
	MORE,
	ONLY,
	FIRST,
};

/*
 * Which letters a rule has, as bits: a name that lacks one cannot fit, and
 * that is how nearly every name of an environment is let go.
 */
#define BIT(s, i)                                                              \
	((i) < sizeof(s) - 1 && (s)[(i) < sizeof(s) ? (i) : 0] != '_'          \
	         ? 1u << ((s)[(i) < sizeof(s) ? (i) : 0] & 31)                 \
	         : 0u)
#define BITS4(s, i)                                                            \
	(BIT(s, i) | BIT(s, (i) + 1) | BIT(s, (i) + 2) | BIT(s, (i) + 3))
#define LETTERS(s)                                                             \
	(BITS4(s, 0) | BITS4(s, 4) | BITS4(s, 8) | BITS4(s, 12) | BITS4(s, 16))

struct rule {
	uint32_t letters;
	uint8_t how;
	uint8_t len;
	char words[WORDS_MAX];
};

static const struct rule secret_rules[] = {
#define MF_REDACT_NAME(how, words, text)                                       \
	{LETTERS(words), (how), sizeof(words) - 1, words},
#include "journal/redact.def"
};

static const struct rule kept_rules[] = {
#define MF_REDACT_KEEP(how, words, text)                                       \
	{LETTERS(words), (how), sizeof(words) - 1, words},
#include "journal/redact.def"
};

static const char *const rule_texts[] = {
#define MF_REDACT_NAME(how, words, text) text,
#define MF_REDACT_KEEP(how, words, text) "but not: " text,
#define MF_REDACT_SHAPE(prefix, least, body, text) text,
#define MF_REDACT_FORM(text) text,
#include "journal/redact.def"
	NULL,
};

const char *const *mf_redact_rules(void)
{
	return rule_texts;
}

/*
 * By the first letter, the second and third ones of every rule above: nearly
 * every name of an environment holds no such three letters and is let go for
 * a step per letter. A test holds each rule to this table.
 */
#define L(letter) (1u << ((letter)&31))

static const struct {
	uint32_t second;
	uint32_t third;
} secret_starts[32] = {
	['A' & 31] = {L('U'), L('T')},
	['B' & 31] = {L('E'), L('A')},
	['C' & 31] = {L('O') | L('R'), L('E') | L('N') | L('O')},
	['D' & 31] = {L('S'), L('N')},
	['H' & 31] = {L('E'), L('A')},
	['J' & 31] = {L('W'), L('T')},
	['K' & 31] = {L('E'), L('Y')},
	['P' & 31] = {L('A') | L('W'), L('D') | L('S')},
	['S' & 31] = {L('E') | L('I'), L('C') | L('G')},
	['T' & 31] = {L('O'), L('K')},
};

static bool may_be_secret(struct mf_str name)
{
	for (size_t i = 2; i < name.len; i++) {
		unsigned first = name.ptr[i - 2] & 31;

		if (secret_starts[first].second >> (name.ptr[i - 1] & 31) & 1 &&
		    secret_starts[first].third >> (name.ptr[i] & 31) & 1)
			return true;
	}
	return false;
}

/* A name as capital words: "_AWS_SECRET_KEY_" for awsSecret-key. */
struct words {
	size_t len;
	char text[2 * NAME_MAX_BYTES + 2];
};

static bool is_upper(char c)
{
	return (unsigned)(c - 'A') < 26;
}

static bool is_lower(char c)
{
	return (unsigned)(c - 'a') < 26;
}

static char to_upper(char c)
{
	if (is_lower(c))
		c = (char)(c - 32);
	return c;
}

/* apiKey: before K; APIKey: before K, which a small letter follows. */
static bool begins_word(struct mf_str name, size_t i)
{
	if (i == 0 || !is_upper(name.ptr[i]))
		return false;
	if (is_lower(name.ptr[i - 1]))
		return true;
	return is_upper(name.ptr[i - 1]) && i + 1 < name.len &&
	       is_lower(name.ptr[i + 1]);
}

static void cut_to_words(struct words *out, struct mf_str name)
{
	out->len = 0;
	out->text[out->len++] = '_';
	for (size_t i = 0; i < name.len; i++) {
		bool is_part = mf__redact_is_alnum(name.ptr[i]);

		if ((!is_part || begins_word(name, i)) &&
		    out->text[out->len - 1] != '_')
			out->text[out->len++] = '_';
		if (is_part)
			out->text[out->len++] = to_upper(name.ptr[i]);
	}
	if (out->text[out->len - 1] != '_')
		out->text[out->len++] = '_';
}

/* Whether the rule's words stand at `at`, as its kind wants them there. */
static bool fits_at(const struct words *name, const struct rule *rule,
                    size_t at)
{
	size_t behind = at + rule->len;
	bool begins = name->text[at - 1] == '_';
	bool ends = name->text[behind] == '_';
	bool is_last = behind + 1 == name->len;

	if (memcmp(name->text + at, rule->words, rule->len) != 0)
		return false;
	switch ((enum how)rule->how) {
	case PART:
		return true;
	case END:
		return ends;
	case WORD:
		return begins && ends;
	case LAST:
		return begins && is_last;
	case MORE:
		return begins && is_last && at > 1;
	case ONLY:
		return at == 1 && is_last;
	case FIRST:
		return at == 1 && ends && !is_last;
	}
	return false;
}

static bool fits(const struct words *name, const struct rule *rule)
{
	for (size_t at = 1; at + rule->len < name->len; at++) {
		if (name->text[at] == rule->words[0] && fits_at(name, rule, at))
			return true;
	}
	return false;
}

bool mf_redact_is_secret_name(struct mf_str name)
{
	struct words words;
	uint32_t letters = 0;
	bool is_secret = false;

	if (name.len > NAME_MAX_BYTES)
		name = mf_str_from(name, name.len - NAME_MAX_BYTES);
	if (!may_be_secret(name))
		return false;
	for (size_t i = 0; i < name.len; i++)
		letters |= L(name.ptr[i]);

	words.len = 0;
	for (size_t i = 0; i < sizeof(secret_rules) / sizeof(secret_rules[0]);
	     i++) {
		if (secret_rules[i].letters & ~letters)
			continue;
		if (words.len == 0)
			cut_to_words(&words, name);
		if (fits(&words, &secret_rules[i])) {
			is_secret = true;
			break;
		}
	}
	for (size_t i = 0;
	     is_secret && i < sizeof(kept_rules) / sizeof(kept_rules[0]); i++)
		is_secret = !fits(&words, &kept_rules[i]);
	return is_secret;
}

/* `*` and `?`, without regard to case; one step back is enough for globs. */
static bool glob_fits(const char *glob, struct mf_str name)
{
	const char *star = NULL;
	size_t at = 0;
	size_t retry = 0;

	while (at < name.len) {
		if (*glob == '*') {
			star = ++glob;
			retry = at;
		} else if (*glob == '?' ||
		           (*glob != '\0' &&
		            to_upper(*glob) == to_upper(name.ptr[at]))) {
			glob++;
			at++;
		} else if (star != NULL) {
			glob = star;
			at = ++retry;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return *glob == '\0';
}

bool mf__redact_is_allowed(struct mf_str name, const char *allow)
{
	if (allow == NULL)
		return false;
	for (; *allow != '\0'; allow += strlen(allow) + 1) {
		if (glob_fits(allow, name))
			return true;
	}
	return false;
}

/* --password VALUE, and aws_secret_access_key VALUE. */
bool mf__redact_is_named_by(struct mf_str previous, const char *allow)
{
	bool is_option = mf_str_starts(previous, "-");
	bool has_parts = false;

	for (size_t i = 0; i < previous.len; i++) {
		char c = previous.ptr[i];

		if (!mf__redact_is_alnum(c) && c != '_' && c != '.' && c != '-')
			return false;
		has_parts = has_parts || c == '_' || c == '.';
	}
	while (mf_str_starts(previous, "-"))
		previous = mf_str_from(previous, 1);
	return (is_option || has_parts) && mf_redact_is_secret_name(previous) &&
	       !mf__redact_is_allowed(previous, allow);
}

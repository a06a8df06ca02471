#include "mfcore/sidecar_wire.h"

#include <stdint.h>
#include <string.h>

#include "metaflow/pyjson.h"

static const char *const words[] = {
#define MF_SIDECAR_WORD(name, word, effect) [MF_SIDECAR_##name] = (word),
	MF_SIDECAR_MAP(MF_SIDECAR_WORD)
#undef MF_SIDECAR_WORD
};

const char *mf_sidecar_word(enum mf_sidecar_kind kind)
{
	return (unsigned)kind < MF_SIDECAR_KINDS ? words[kind] : "unknown";
}

bool mf_sidecar_goes_on(enum mf_sidecar_kind kind)
{
	return kind != MF_SIDECAR_SHUTDOWN && kind != MF_SIDECAR_BAD_SHAPE &&
	       kind != MF_SIDECAR_EMPTY;
}

/* What str.strip() takes off, of ASCII. */
static bool is_blank(char c)
{
	return c != '\0' && strchr(" \t\n\v\f\r\x1c\x1d\x1e\x1f", c);
}

static struct mf_str strip(struct mf_str s)
{
	while (s.len > 0 && is_blank(*s.ptr))
		s = mf_str_from(s, 1);
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/*
 * The digit a JSON number equals, 0 when it is none of 1 to 9: it has one
 * digit that is not 0, and that stands, with the exponent, before the point.
 */
static unsigned digit_of(struct mf_str number)
{
	struct mf_str power = {NULL, 0};
	bool is_fraction = false;
	bool is_less;
	unsigned digit = 0;
	uint64_t exponent = 0;
	int64_t scale = 0;
	int64_t place = 0;

	for (size_t i = 0; i < number.len; i++) {
		char c = number.ptr[i];

		if ((c | 32) == 'e') {
			power = mf_str_from(number, i + 1);
			break;
		}
		if (c == '.') {
			is_fraction = true;
			continue;
		}
		if (c < '0' || c > '9' || (c != '0' && digit != 0))
			return 0;
		place -= is_fraction;
		scale += !is_fraction && digit != 0;
		if (c != '0') {
			digit = (unsigned)(c - '0');
			scale = place;
		}
	}
	is_less = mf_str_starts(power, "-");
	if (is_less || mf_str_starts(power, "+"))
		power = mf_str_from(power, 1);
	if (power.len > 0 &&
	    (!mf_str_u64(power, &exponent) || exponent > INT32_MAX))
		return 0;
	scale += is_less ? -(int64_t)exponent : (int64_t)exponent;
	return scale == 0 ? digit : 0;
}

/* The types compare as Python's numbers do: 3, 3.0 and 30e-1 are the same. */
static enum mf_sidecar_kind kind_of(struct mf_str type)
{
	static const enum mf_sidecar_kind kinds[] = {
		MF_SIDECAR_UNKNOWN, MF_SIDECAR_INVALID, MF_SIDECAR_MUST_SEND,
		MF_SIDECAR_BEST_EFFORT, MF_SIDECAR_SHUTDOWN};
	unsigned digit = mf_str_is(type, "true") ? 1 : digit_of(type);

	return digit < sizeof(kinds) / sizeof(*kinds) ? kinds[digit]
	                                              : MF_SIDECAR_UNKNOWN;
}

void mf_sidecar_parse(struct mf_str line, struct mf_sidecar_message *out)
{
	struct mf_str type = {NULL, 0};
	struct mf_str name;
	struct mf_str value;
	size_t pos = 0;
	bool has_other = false;
	enum mf__pyjson check;

	*out = (struct mf_sidecar_message){.kind = MF_SIDECAR_EMPTY};
	line = strip(line);
	if (line.len == 0)
		return;
	check = mf__pyjson_check(line);
	out->kind = check == MF__PYJSON_BAD ? MF_SIDECAR_NOT_JSON
	                                    : MF_SIDECAR_BAD_SHAPE;
	if (check != MF__PYJSON_OK)
		return;
	while (mf__pyjson_member(line, &pos, &name, &value)) {
		if (mf_str_is(name, "msg_type"))
			type = value;
		else if (mf_str_is(name, "payload"))
			out->payload = value;
		else
			has_other = true;
	}
	if (!has_other && type.len > 0 && out->payload.len > 0)
		out->kind = kind_of(type);
	else
		out->payload = (struct mf_str){NULL, 0};
}

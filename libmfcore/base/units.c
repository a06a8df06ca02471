/* Times and sizes: to and from what a person reads and types. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "mfcore/text.h"

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MIN (60 * NS_PER_S)
#define NS_PER_HOUR (60 * NS_PER_MIN)
#define NS_PER_DAY (24 * NS_PER_HOUR)

static unsigned milliseconds(uint64_t wall_ns)
{
	return (unsigned)(wall_ns % NS_PER_S / NS_PER_MS);
}

static void local_time(uint64_t wall_ns, struct tm *tm)
{
	time_t seconds = (time_t)(wall_ns / NS_PER_S);

	*tm = (struct tm){0};
	tzset();
	if (!localtime_r(&seconds, tm))
		gmtime_r(&seconds, tm);
}

void mf_text_time(struct mf_buf *buf, uint64_t wall_ns)
{
	struct tm tm;
	long off;

	local_time(wall_ns, &tm);
	off = tm.tm_gmtoff / 60; /* RFC 3339 has no seconds in a zone */
	mf_buf_printf(buf, "%04d-%02d-%02dT%02d:%02d:%02d.%03u",
	              tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
	              tm.tm_min, tm.tm_sec, milliseconds(wall_ns));
	if (off == 0)
		mf_buf_putc(buf, 'Z');
	else
		mf_buf_printf(buf, "%c%02ld:%02ld", off < 0 ? '-' : '+',
		              (off < 0 ? -off : off) / 60,
		              (off < 0 ? -off : off) % 60);
}

void mf_text_clock(struct mf_buf *buf, uint64_t wall_ns)
{
	struct tm tm;

	local_time(wall_ns, &tm);
	mf_buf_printf(buf, "%02d:%02d:%02d.%03u", tm.tm_hour, tm.tm_min,
	              tm.tm_sec, milliseconds(wall_ns));
}

void mf_text_duration(struct mf_buf *buf, uint64_t ns)
{
	if (ns == 0)
		mf_buf_puts(buf, "0s");
	else if (ns < NS_PER_US)
		mf_buf_printf(buf, "%" PRIu64 "ns", ns);
	else if (ns < NS_PER_MS)
		mf_buf_printf(buf, "%" PRIu64 "us", ns / NS_PER_US);
	else if (ns < NS_PER_S)
		mf_buf_printf(buf, "%" PRIu64 "ms", ns / NS_PER_MS);
	else if (ns < NS_PER_MIN)
		mf_buf_printf(buf, "%" PRIu64 ".%02" PRIu64 "s", ns / NS_PER_S,
		              ns % NS_PER_S / (10 * NS_PER_MS));
	else if (ns < NS_PER_HOUR)
		mf_buf_printf(buf, "%" PRIu64 "m%02" PRIu64 "s",
		              ns / NS_PER_MIN, ns % NS_PER_MIN / NS_PER_S);
	else if (ns < NS_PER_DAY)
		mf_buf_printf(buf, "%" PRIu64 "h%02" PRIu64 "m",
		              ns / NS_PER_HOUR, ns % NS_PER_HOUR / NS_PER_MIN);
	else
		mf_buf_printf(buf, "%" PRIu64 "d%02" PRIu64 "h",
		              ns / NS_PER_DAY, ns % NS_PER_DAY / NS_PER_HOUR);
}

void mf_text_size(struct mf_buf *buf, uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB",
	                                    "TiB", "PiB", "EiB"};
	uint64_t tenths = 0;
	unsigned unit = 0;

	if (bytes < 1024) {
		mf_buf_printf(buf, "%" PRIu64 "B", bytes);
		return;
	}
	for (unsigned shift = 10; unit < 6; shift += 10, unit++) {
		uint64_t part = bytes >> (shift - 10) & 1023;

		tenths = (bytes >> shift) * 10 + (part * 10 + 512) / 1024;
		if (tenths < 10235)
			break;
	}
	if (tenths < 1000)
		mf_buf_printf(buf, "%" PRIu64 ".%" PRIu64 "%s", tenths / 10,
		              tenths % 10, units[unit]);
	else
		mf_buf_printf(buf, "%" PRIu64 "%s", (tenths + 5) / 10,
		              units[unit]);
}

/* Take exactly `digits` decimal digits off the front. */
static bool take_number(struct mf_str *s, size_t digits, int *out)
{
	uint64_t value;

	if (s->len < digits ||
	    !mf_str_u64((struct mf_str){s->ptr, digits}, &value))
		return false;
	*out = (int)value;
	*s = mf_str_from(*s, digits);
	return true;
}

static bool take_char(struct mf_str *s, const char *any)
{
	if (s->len == 0 || s->ptr[0] == '\0' || !strchr(any, s->ptr[0]))
		return false;
	*s = mf_str_from(*s, 1);
	return true;
}

/* Take ".digits" when there; what is finer than a nanosecond is dropped. */
static bool take_fraction(struct mf_str *s, uint64_t one, uint64_t *out)
{
	uint64_t digit = one;
	size_t n = 0;

	*out = 0;
	if (!take_char(s, "."))
		return true;
	for (; s->len > 0 && s->ptr[0] >= '0' && s->ptr[0] <= '9'; n++) {
		digit /= 10;
		*out += (uint64_t)(s->ptr[0] - '0') * digit;
		*s = mf_str_from(*s, 1);
	}
	return n > 0;
}

static bool take_clock(struct mf_str *s, struct tm *tm, uint64_t *fraction)
{
	return take_number(s, 2, &tm->tm_hour) && take_char(s, ":") &&
	       take_number(s, 2, &tm->tm_min) && take_char(s, ":") &&
	       take_number(s, 2, &tm->tm_sec) &&
	       take_fraction(s, NS_PER_S, fraction) && tm->tm_hour < 24 &&
	       tm->tm_min < 60 && tm->tm_sec < 60;
}

/* Take "Z" or "+HH:MM"; nothing is the local zone. */
static bool take_zone(struct mf_str *s, bool *is_local, int *offset_s)
{
	int hours = 0;
	int minutes = 0;
	bool is_west = s->len > 0 && s->ptr[0] == '-';

	*is_local = s->len == 0;
	*offset_s = 0;
	if (*is_local || take_char(s, "Zz"))
		return true;
	if (!take_char(s, "+-") || !take_number(s, 2, &hours) ||
	    !take_char(s, ":") || !take_number(s, 2, &minutes) || hours > 23 ||
	    minutes > 59)
		return false;
	*offset_s = (hours * 60 + minutes) * 60 * (is_west ? -1 : 1);
	return true;
}

/* The instant of a broken-down time; false where the calendar has none. */
static bool instant(struct tm tm, bool is_local, int offset_s,
                    uint64_t fraction, uint64_t *out)
{
	struct tm asked = tm;
	time_t seconds;
	uint64_t ns;

	tm.tm_isdst = -1;
	seconds = is_local ? mktime(&tm) : timegm(&tm);
	if (tm.tm_mday != asked.tm_mday || tm.tm_mon != asked.tm_mon)
		return false;
	seconds -= offset_s;
	if (seconds < 0 ||
	    __builtin_mul_overflow((uint64_t)seconds, NS_PER_S, &ns))
		return false;
	return !__builtin_add_overflow(ns, fraction, out);
}

static bool parse_rfc3339(struct mf_str s, uint64_t *out)
{
	struct tm tm = {0};
	uint64_t fraction;
	bool is_local;
	int offset_s;

	if (!take_number(&s, 4, &tm.tm_year) || !take_char(&s, "-") ||
	    !take_number(&s, 2, &tm.tm_mon) || !take_char(&s, "-") ||
	    !take_number(&s, 2, &tm.tm_mday) || !take_char(&s, "Tt ") ||
	    !take_clock(&s, &tm, &fraction) ||
	    !take_zone(&s, &is_local, &offset_s) || s.len > 0)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return instant(tm, is_local, offset_s, fraction, out);
}

static bool parse_clock(struct mf_str s, uint64_t first_ns, uint64_t last_ns,
                        uint64_t *out)
{
	struct tm tm;
	struct tm next;
	uint64_t fraction;
	uint64_t tomorrow;

	local_time(first_ns, &tm);
	if (!take_clock(&s, &tm, &fraction) || s.len > 0)
		return false;
	next = tm;
	if (!instant(tm, true, 0, fraction, out))
		return false;
	if (*out >= first_ns)
		return true;
	next.tm_mday++; /* the session went on past midnight */
	next.tm_isdst = -1;
	tomorrow = (uint64_t)mktime(&next) * NS_PER_S + fraction;
	if (tomorrow <= last_ns)
		*out = tomorrow;
	return true;
}

static bool parse_span(struct mf_str s, uint64_t *out)
{
	static const struct {
		const char *word;
		uint64_t ns;
	} units[] = {
		{"", NS_PER_S},    {"ms", NS_PER_MS},  {"s", NS_PER_S},
		{"m", NS_PER_MIN}, {"h", NS_PER_HOUR},
	};
	size_t digits = 0;
	uint64_t whole;
	uint64_t fraction = 0;
	struct mf_str rest;

	while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9')
		digits++;
	if (!mf_str_u64((struct mf_str){s.ptr, digits}, &whole))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		rest = mf_str_from(s, digits);
		if (!take_fraction(&rest, units[i].ns, &fraction))
			return false;
		if (!mf_str_is(rest, units[i].word))
			continue;
		return !__builtin_mul_overflow(whole, units[i].ns, &whole) &&
		       !__builtin_add_overflow(whole, fraction, out);
	}
	return false;
}

/* A time relative to one end; one before the epoch is the epoch. */
static bool parse_relative(struct mf_str s, uint64_t first_ns, uint64_t last_ns,
                           uint64_t *out)
{
	uint64_t span;

	if (!parse_span(mf_str_from(s, 1), &span))
		return false;
	if (s.ptr[0] == '+')
		return !__builtin_add_overflow(first_ns, span, out);
	*out = span > last_ns ? 0 : last_ns - span;
	return true;
}

int mf_text_parse_time(struct mf_str s, uint64_t first_ns, uint64_t last_ns,
                       uint64_t *out, struct mf_err *err)
{
	uint64_t value;
	bool is_good;

	if (mf_str_starts(s, "+") || mf_str_starts(s, "-"))
		is_good = parse_relative(s, first_ns, last_ns, &value);
	else if (mf_str_find(s, '-') < s.len)
		is_good = parse_rfc3339(s, &value);
	else
		is_good = parse_clock(s, first_ns, last_ns, &value);
	if (!is_good)
		return mf_fail(err, -EINVAL,
		               "'%.*s' is no time: want 2026-11-22T19:12:02Z, "
		               "19:12:02.925, +3.5s or -10s",
		               (int)(s.len < 40 ? s.len : 40), s.ptr);
	*out = value;
	return 0;
}

int mf_text_parse_size(struct mf_str s, uint64_t *out, struct mf_err *err)
{
	static const char letters[] = "KMGTPE";
	size_t digits = 0;
	uint64_t value;
	unsigned shift = 0;
	struct mf_str unit;

	while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9')
		digits++;
	if (!mf_str_u64((struct mf_str){s.ptr, digits}, &value))
		goto bad;
	unit = mf_str_from(s, digits);
	if (unit.len > 0 && !mf_str_is(unit, "B")) {
		size_t i =
			mf_str_find(mf_str(letters), (char)(unit.ptr[0] & ~32));

		unit = mf_str_from(unit, 1);
		if (letters[i] == '\0' ||
		    (unit.len > 0 && !mf_str_is(unit, "iB")))
			goto bad;
		shift = 10 * (unsigned)(i + 1);
	}
	if (value > UINT64_MAX >> shift)
		return mf_fail(err, -EINVAL, "too large a size");
	*out = value << shift;
	return 0;
bad:
	return mf_fail(err, -EINVAL, "not a size: want 4096, 64K, 1GiB");
}

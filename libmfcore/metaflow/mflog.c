#include "mfcore/mflog.h"

#include <string.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

/* Take `digits` decimal digits and, unless it is 0, the character behind. */
static bool take(struct mf_str *s, size_t digits, char behind, int *out)
{
	uint64_t value;
	size_t len = digits + (behind != '\0');

	if (s->len < len ||
	    !mf_str_u64((struct mf_str){s->ptr, digits}, &value))
		return false;
	if (behind != '\0' && s->ptr[digits] != behind)
		return false;
	*out = (int)value;
	*s = mf_str_from(*s, len);
	return true;
}

/* %Y-%m-%dT%H:%M:%S.%f, one to six digits of fraction. */
static bool parse_stamp(struct mf_str s, uint64_t *out)
{
	struct tm tm = {0};
	struct tm asked;
	uint64_t fraction;
	time_t seconds;

	if (!take(&s, 4, '-', &tm.tm_year) || !take(&s, 2, '-', &tm.tm_mon) ||
	    !take(&s, 2, 'T', &tm.tm_mday) || !take(&s, 2, ':', &tm.tm_hour) ||
	    !take(&s, 2, ':', &tm.tm_min) || !take(&s, 2, '.', &tm.tm_sec) ||
	    s.len > 6 || !mf_str_u64(s, &fraction) || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 59 || tm.tm_mon < 1)
		return false;
	for (size_t i = s.len; i < 9; i++)
		fraction *= 10;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	asked = tm;
	seconds = timegm(&tm);
	if (seconds < 0 || tm.tm_mday != asked.tm_mday ||
	    tm.tm_mon != asked.tm_mon ||
	    (uint64_t)seconds > UINT64_MAX / NS_PER_S - 1)
		return false;
	*out = (uint64_t)seconds * NS_PER_S + fraction;
	return true;
}

/* Take what stands before `c`, at least one byte. */
static bool take_until(struct mf_str *s, char c, struct mf_str *out)
{
	size_t at = 1 + mf_str_find(mf_str_from(*s, 1), c);

	if (at >= s->len)
		return false;
	*out = (struct mf_str){s->ptr, at};
	*s = mf_str_from(*s, at + 1);
	return true;
}

bool mf_mflog_parse(struct mf_str line, struct mf_mflog *out)
{
	struct mf_mflog log = {0};
	struct mf_str stamp;

	line.len = mf_str_find(line, '\n');
	if (mf_str_starts(line, "[!")) {
		log.should_persist = true;
		line = mf_str_from(line, 2);
	}
	if (!mf_str_starts(line, "[MFLOG|0|"))
		return false;
	line = mf_str_from(line, sizeof("[MFLOG|0|") - 1);
	if (!take_until(&line, '|', &stamp) || !mf_str_ends(stamp, "Z"))
		return false;
	stamp.len--;
	if (!parse_stamp(stamp, &log.wall_ns) ||
	    !take_until(&line, '|', &log.source) ||
	    !take_until(&line, ']', &log.id))
		return false;
	log.text = line;
	*out = log;
	return true;
}

void mf_mflog_format(struct mf_buf *buf, const struct mf_mflog *log)
{
	time_t seconds = (time_t)(log->wall_ns / NS_PER_S);
	struct tm tm = {0};

	gmtime_r(&seconds, &tm);
	mf_buf_printf(buf, "%s[MFLOG|0|%04d-%02d-%02dT%02d:%02d:%02d.%06uZ|",
	              log->should_persist ? "[!" : "", tm.tm_year + 1900,
	              tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	              tm.tm_sec, (unsigned)(log->wall_ns % NS_PER_S / 1000));
	mf_buf_str(buf, log->source);
	mf_buf_putc(buf, '|');
	mf_buf_str(buf, log->id);
	mf_buf_putc(buf, ']');
	mf_buf_str(buf, log->text);
	mf_buf_putc(buf, '\n');
}

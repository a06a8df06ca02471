/* Apart from pathspec.c, which the recorder uses without mf_buf. */
#include "mfcore/pathspec.h"

void mf_pathspec_format(struct mf_buf *buf, const struct mf_pathspec *spec)
{
	const struct mf_str parts[] = {spec->flow, spec->run, spec->step,
	                               spec->task};
	bool has_one = false;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (parts[i].len == 0 && has_one)
			break;
		if (parts[i].len == 0)
			continue;
		if (has_one)
			mf_buf_putc(buf, '/');
		mf_buf_str(buf, parts[i]);
		has_one = true;
	}
	if (spec->attempt >= 0)
		mf_buf_printf(buf, "@%d", spec->attempt);
}

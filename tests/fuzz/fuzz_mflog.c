#include "fuzz/inside.h"
#include "mfcore/exit_texts.h"
#include "mfcore/mflog.h"

/* What was read and is written again must read the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_str line = {(const char *)data, size};
	struct mf_buf buf = {0};
	struct mf_mflog log;
	struct mf_mflog again;

	must(mf_metaflow_exit_hint(line) < MF_HINT_KINDS);
	if (!mf_mflog_parse(line, &log))
		return 0;
	must_lie_in(log.source, line);
	must_lie_in(log.id, line);
	must_lie_in(log.text, line);
	mf_mflog_format(&buf, &log);
	must(mf_mflog_parse(mf_buf_view(&buf), &again));
	must(again.wall_ns == log.wall_ns);
	must(again.should_persist == log.should_persist);
	must(mf_str_eq(again.source, log.source));
	must(mf_str_eq(again.id, log.id));
	must(mf_str_eq(again.text, log.text));
	mf_buf_clear(&buf);
	return 0;
}

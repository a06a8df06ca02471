#include "fuzz/inside.h"
#include "mfcore/input_paths.h"

/* The count must be that of the items, and the size have a ceiling. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_str text = {(const char *)data, size};
	struct mf_buf buf = {0};
	struct mf_str item;
	size_t pos = 0;
	int n = 0;
	int rc = mf_input_paths_decode(text, &buf, NULL);

	while (mf_input_paths_next(mf_buf_view(&buf), &pos, &item))
		n++;
	must(rc < 0 ? n == 0 : n == rc);
	must(buf.len <= MF_INPUT_PATHS_MAX);
	mf_buf_clear(&buf);
	return 0;
}

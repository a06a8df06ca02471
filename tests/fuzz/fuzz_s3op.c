#include "fuzz/inside.h"
#include "mfcore/s3op_wire.h"

/* The text stands for all three: input lines, result lines, standard error. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_str text = {(const char *)data, size};
	struct mf_str rest = text;
	struct mf_arena arena = {0};

	while (rest.len > 0) {
		struct mf_str line = mf_str_cut(&rest, '\n');
		struct mf_s3op_result res;
		struct mf_s3op_input in;

		if (mf_s3op_input(MF_S3OP_PUT, line, &arena, &in) == 1)
			must(in.url.len > 0 && in.local.len > 0);
		if (mf_s3op_input(MF_S3OP_GET, line, &arena, &in) == 1)
			must(in.url.len <= line.len && !in.local.len);
		if (mf_s3op_result(line, &arena, &res) == 1)
			must(!res.is_none ||
			     !(res.a.len || res.b.len || res.c.len));
	}
	must_lie_in(mf_s3op_retries(text), text);
	mf_arena_clear(&arena);
	return 0;
}

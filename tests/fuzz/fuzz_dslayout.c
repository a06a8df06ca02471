#include "fuzz/inside.h"
#include "mfcore/dslayout.h"
#include "mfcore/pathspec.h"

/* A path, and behind a line end the root it may have. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_str root = {(const char *)data, size};
	struct mf_str path = mf_str_cut(&root, '\n');
	struct mf_pathspec spec;
	struct mf_dslayout at;

	if (mf_pathspec_parse(path, &spec)) {
		must_lie_in(spec.task, path);
		must(mf_pathspec_matches(path, &spec));
	}
	if (!mf_dslayout_parse(path, root, &at)) {
		must(at.kind == MF_DS_NONE);
		return 0;
	}
	must(at.kind > MF_DS_NONE && at.kind < MF_DS_KINDS);
	must(mf_pathspec_is_name(at.flow));
	must(at.run.len == 0 || mf_pathspec_is_id(at.run));
	must(at.step.len == 0 || (at.run.len && mf_pathspec_is_name(at.step)));
	must(at.task.len == 0 || (at.step.len && mf_pathspec_is_id(at.task)));
	must(at.attempt >= -1 && at.attempt < 1000);
	must_lie_in(at.root, path);
	must_lie_in(at.flow, path);
	must_lie_in(at.task, path);
	must_lie_in(at.name, path);
	return 0;
}

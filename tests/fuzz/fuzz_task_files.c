#include "fuzz/inside.h"
#include "mfcore/task_files.h"

/* Each file of a task must be read to its end or refused. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_str text = {(const char *)data, size};
	struct mf_task_runtime runtime;
	struct mf_task_data task;
	struct mf_artifact art;
	uint64_t wall_ns = 0;
	size_t n = 0;

	if (mf_task_data_parse(text, &task, NULL) == 0) {
		while (mf_task_data_next(&task, &art)) {
			must(art.key.len == 40);
			n++;
		}
		must(n <= task.artifacts);
		mf_task_data_clear(&task);
	}
	if (mf_task_runtime_parse(text, &runtime, NULL) == 0)
		must(runtime.return_code <= INT64_C(1) << 53);
	if (mf_task_attempt_parse(text, &wall_ns, NULL) == 0)
		must(wall_ns < UINT64_C(18000000000) * 1000000000);
	return 0;
}

#include "mfcore/multicore.h"

#include <string.h>

bool mf_multicore_is_parallel_map(struct mf_str function)
{
	struct mf_str name =
		mf_str_from(function, strlen(MF_MULTICORE_MODULE "."));

	return mf_str_starts(function, MF_MULTICORE_MODULE ".") &&
	       (mf_str_is(name, "parallel_map") ||
	        mf_str_is(name, "parallel_imap_unordered"));
}

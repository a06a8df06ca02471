/*
 * libc itself, behind the functions of ours that carry the same names.
 */
#include <dlfcn.h>

#include "record/record.h"

static const char *const names[MF__REAL_COUNT] = {
#define MF__REAL_FN(name) #name,
#include "record/real.def"
};

void *mf__real_lookup(enum mf__real_id id)
{
	static void *found[MF__REAL_COUNT];
	void *fn = __atomic_load_n(&found[id], __ATOMIC_RELAXED);

	if (!fn) {
		fn = dlsym(RTLD_NEXT, names[id]);
		__atomic_store_n(&found[id], fn, __ATOMIC_RELAXED);
	}
	return fn;
}

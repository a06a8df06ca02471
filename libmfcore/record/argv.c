#include <string.h>

#include "mfcore/redact.h"
#include "record/record.h"

size_t mf__argv_strs(char *const *argv, struct mf_str *out, size_t cap)
{
	size_t n = 0;

	for (; argv && argv[n] && n < cap; n++)
		out[n] = mf_str(argv[n]);
	return n;
}

void mf__argv_put(struct mf_record *rec, char *const *argv, size_t room)
{
	struct mf_str previous = {NULL, 0};
	size_t have = 0;
	size_t whole = 0;
	size_t used = 0;
	bool is_cut = false;
	char *at = mf_record_open(rec, MF_F_ARGV, MF_KIND_LIST, &have);

	if (!at)
		return;
	if (room > have)
		room = have;
	for (; argv && *argv; argv++) {
		struct mf_str arg = mf_str(*argv);

		whole += arg.len + 1;
		is_cut = is_cut || used + 1 >= room;
		if (is_cut)
			continue;
		used += mf_redact_arg(at + used, room - used - 1, arg, previous,
		                      mf__recorder.env_allow);
		at[used++] = '\0';
		is_cut = used >= room;
		previous = arg;
	}
	mf_record_close(rec, used);
	if (is_cut)
		mf_record_u64(rec, MF_F_SIZE, whole);
}

#include "system/oom.h"

#include <stdlib.h>
#include <string.h>

#include "mfcore/buf.h"
#include "system/proc.h"

/* The number behind "oom_kill " at the start of a line: all kinds have one. */
static bool read_count(const char *path, uint64_t *out)
{
	struct mf_buf text = {0};
	struct mf_str rest;
	bool is_found = false;

	if (path && mf__proc_file(&text, path) == 0 && mf_buf_ok(&text)) {
		rest = mf_buf_view(&text);
		while (rest.len > 0 && !is_found) {
			struct mf_str line = mf_str_cut(&rest, '\n');
			struct mf_str word = mf_str_cut(&line, ' ');

			is_found = mf_str_is(word, "oom_kill") &&
			           mf_str_u64(line, out);
		}
	}
	mf_buf_clear(&text);
	return is_found;
}

/* A line of /proc/self/cgroup: ID:CONTROLLERS:PATH, 0:: for version 2. */
static char *cgroup_file(struct mf_str line)
{
	struct mf_buf path = {0};
	struct mf_str id = mf_str_cut(&line, ':');
	struct mf_str controllers = mf_str_cut(&line, ':');
	uint64_t count;

	if (mf_str_is(id, "0") && controllers.len == 0) {
		mf_buf_puts(&path, "/sys/fs/cgroup");
		mf_buf_str(&path, line);
		mf_buf_puts(&path, "/memory.events");
	} else if (mf_str_is(controllers, "memory")) {
		mf_buf_puts(&path, "/sys/fs/cgroup/memory");
		mf_buf_str(&path, line);
		mf_buf_puts(&path, "/memory.oom_control");
	}
	if (path.len > 0 && mf_buf_ok(&path) && read_count(path.ptr, &count))
		return mf_buf_detach(&path);
	mf_buf_clear(&path);
	return NULL;
}

static char *find_cgroup(void)
{
	struct mf_buf text = {0};
	struct mf_str rest;
	char *path = NULL;

	if (mf__proc_file(&text, "/proc/self/cgroup") == 0 &&
	    mf_buf_ok(&text)) {
		rest = mf_buf_view(&text);
		while (rest.len > 0 && !path)
			path = cgroup_file(mf_str_cut(&rest, '\n'));
	}
	mf_buf_clear(&text);
	return path;
}

void mf__oom_init(struct mf__oom *oom)
{
	*oom = (struct mf__oom){0};
	oom->path[MF__OOM_MACHINE] = strdup("/proc/vmstat");
	oom->path[MF__OOM_CGROUP] = find_cgroup();
	for (int i = 0; i < MF__OOM_SCOPES; i++)
		mf__oom_grown(oom, (enum mf__oom_scope)i);
}

uint64_t mf__oom_grown(struct mf__oom *oom, enum mf__oom_scope scope)
{
	uint64_t before = oom->count[scope];
	uint64_t count;

	if (!read_count(oom->path[scope], &count))
		return 0;
	oom->count[scope] = count;
	return count > before ? count - before : 0;
}

void mf__oom_clear(struct mf__oom *oom)
{
	for (int i = 0; i < MF__OOM_SCOPES; i++)
		free(oom->path[i]);
	*oom = (struct mf__oom){0};
}

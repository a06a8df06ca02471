#include "session/inject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mfcore/buf.h"

#define LINK_TEMPLATE "/tmp/mfcore-XXXXXX"
#define LINK_NAME "/libmfrecord.so"

static char *take(struct mf_buf *buf)
{
	if (mf_buf_ok(buf))
		return mf_buf_detach(buf);
	mf_buf_clear(buf);
	return NULL;
}

static char *join(const char *head, const char *tail)
{
	struct mf_buf buf = {0};

	mf_buf_puts(&buf, head);
	mf_buf_puts(&buf, tail);
	return take(&buf);
}

static int make_link(struct mf__preload *out, const char *path)
{
	char dir[] = LINK_TEMPLATE;

	if (!mkdtemp(dir))
		return -errno;
	out->link_dir = strdup(dir);
	out->path = join(dir, LINK_NAME);
	if (!out->link_dir || !out->path) {
		rmdir(dir);
		return -ENOMEM;
	}
	return symlink(path, out->path) < 0 ? -errno : 0;
}

int mf__preload_init(struct mf__preload *out, const char *path,
                     struct mf_err *err)
{
	struct mf__preload preload = {0};
	int rc = 0;

	if (access(path, R_OK) < 0)
		return mf_fail(err, -errno, "cannot read '%s'", path);
	if (path[strcspn(path, " :$\t\n")]) {
		rc = make_link(&preload, path);
	} else {
		preload.path = strdup(path);
		rc = preload.path ? 0 : -ENOMEM;
	}
	if (rc < 0) {
		mf__preload_clear(&preload, false);
		return mf_fail(err, rc, "cannot make '%s' loadable", path);
	}
	*out = preload;
	return 0;
}

void mf__preload_clear(struct mf__preload *preload, bool is_used)
{
	if (preload->link_dir && !is_used) {
		if (preload->path)
			unlink(preload->path);
		rmdir(preload->link_dir);
	}
	free(preload->link_dir);
	free(preload->path);
	*preload = (struct mf__preload){0};
}

static bool is_entry_of(const char *entry, const char *name)
{
	size_t len = strlen(name);

	return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

const char *mf__environ_get(char *const *env, const char *name)
{
	for (; *env; env++)
		if (is_entry_of(*env, name))
			return *env + strlen(name) + 1;
	return NULL;
}

/*
 * What was there stays to the byte, and empty too: the recorder cuts itself
 * off, and the command sees what its user set.
 */
static char *preload_entry(const char *before, const char *preload)
{
	struct mf_buf buf = {0};

	mf_buf_puts(&buf, MF__ENV_PRELOAD "=");
	if (before)
		mf_buf_printf(&buf, "%s:", before);
	mf_buf_puts(&buf, preload);
	return take(&buf);
}

static size_t count(char *const *env)
{
	size_t n = 0;

	while (env[n])
		n++;
	return n;
}

/* The last entry of that name, which the loader obeys, or the list's end. */
static size_t last_of(char *const *env, const char *name)
{
	size_t end = count(env);
	size_t n = end;

	while (n > 0 && !is_entry_of(env[n - 1], name))
		n--;
	return n > 0 ? n - 1 : end;
}

char **mf__environ_with(char *const *env, const char *preload,
                        const char *segment)
{
	size_t at = last_of(env, MF__ENV_PRELOAD);
	char **copy = calloc(count(env) + 3, sizeof(*copy));
	char *entry = preload_entry(
		env[at] ? env[at] + sizeof(MF__ENV_PRELOAD) : NULL, preload);
	char *record = join(MF__ENV_RECORD "=", segment);
	size_t n = 0;

	if (!copy || !entry || !record) {
		free(copy);
		free(entry);
		free(record);
		return NULL;
	}
	for (size_t i = 0; env[i]; i++)
		if (!is_entry_of(env[i], MF__ENV_RECORD))
			copy[n++] = i == at ? entry : env[i];
	if (!env[at])
		copy[n++] = entry;
	copy[n++] = record;
	return copy;
}

void mf__environ_free(char **env)
{
	size_t preload;
	size_t record;

	if (!env)
		return;
	preload = last_of(env, MF__ENV_PRELOAD);
	record = last_of(env, MF__ENV_RECORD);
	for (size_t i = 0; env[i]; i++)
		if (i == preload || i == record)
			free(env[i]);
	free(env);
}

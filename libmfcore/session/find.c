#include "mfcore/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mfcore/map.h"
#include "session/place.h"

#define SEGMENT_SUFFIX ".mfj"

struct found {
	struct mf_session_list list;
	size_t cap;
	struct mf_map seen; /* hash of a directory to anything */
};

void mf_session_list_clear(struct mf_session_list *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->len; i++)
		mf_session_clear(&list->items[i]);
	free(list->items);
	*list = (struct mf_session_list){0};
}

static int add(struct found *found, const char *id, char *dir_take)
{
	struct mf_session *item;

	if (mf_map_put(&found->seen, mf_map_hash(mf_str(dir_take)), found) <
	    0) {
		free(dir_take);
		return -ENOMEM;
	}
	if (found->list.len == found->cap) {
		size_t cap = found->cap ? found->cap * 2 : 16;

		item = reallocarray(found->list.items, cap, sizeof(*item));
		if (!item) {
			free(dir_take);
			return -ENOMEM;
		}
		found->list.items = item;
		found->cap = cap;
	}
	item = &found->list.items[found->list.len++];
	snprintf(item->id, sizeof(item->id), "%.*s", MF_SESSION_ID_MAX - 1, id);
	item->dir = dir_take;
	return 0;
}

/*
 * Add `parent`/`id` where it is a session we may read. A link that leads to a
 * directory of another name is none of ours.
 */
static int consider(struct found *found, const char *parent, const char *id)
{
	char *path = mf__place_join(parent, id);
	struct stat st;
	char *dir;

	if (!path)
		return -ENOMEM;
	dir = realpath(path, NULL);
	free(path);
	if (!dir)
		return errno == ENOMEM ? -ENOMEM : 0;
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    strcmp(strrchr(dir, '/') + 1, id) != 0 ||
	    access(dir, R_OK | X_OK) < 0 ||
	    mf_map_get(&found->seen, mf_map_hash(mf_str(dir)))) {
		free(dir);
		return 0;
	}
	return add(found, id, dir);
}

static int scan(struct found *found, const char *parent)
{
	struct dirent *entry;
	DIR *dir;
	int rc = 0;

	if (!parent)
		return 0;
	dir = opendir(parent);
	if (!dir)
		return errno == ENOMEM ? -ENOMEM : 0;
	while (rc == 0 && (entry = readdir(dir)))
		if (mf__session_is_id(entry->d_name, NULL))
			rc = consider(found, parent, entry->d_name);
	closedir(dir);
	return rc;
}

/* Ids order as their sessions began; the newest goes first. */
static int by_id(const void *a, const void *b)
{
	const struct mf_session *one = a;
	const struct mf_session *other = b;
	int order = strcmp(other->id, one->id);

	return order ? order : strcmp(one->dir, other->dir);
}

int mf_session_list(struct mf_session_list *out,
                    const struct mf_session_places *places, struct mf_err *err)
{
	char *registry = mf__place_registry(places);
	char *datastore = mf__place_datastore(places);
	struct found found = {0};
	int rc;

	rc = scan(&found, registry);
	if (rc == 0)
		rc = scan(&found, places->journal);
	if (rc == 0)
		rc = scan(&found, datastore);
	mf_map_clear(&found.seen);
	free(registry);
	free(datastore);
	if (rc < 0) {
		mf_session_list_clear(&found.list);
		return mf_fail(err, rc, "cannot list the sessions");
	}
	if (found.list.len > 1)
		qsort(found.list.items, found.list.len,
		      sizeof(*found.list.items), by_id);
	*out = found.list;
	return 0;
}

/* 1, 0, or -errno for a directory that cannot be looked into. */
static int holds_segment(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	bool is_found = false;

	if (!dir)
		return errno == EACCES || errno == ENOMEM ? -errno : 0;
	while (!is_found && (entry = readdir(dir)))
		is_found = mf_str_ends(mf_str(entry->d_name), SEGMENT_SUFFIX);
	closedir(dir);
	return is_found;
}

/* 1 when `named` is a session's directory, 0 when it is not. */
static int find_dir(struct mf_session *out, const char *named)
{
	struct mf_session session = {0};
	int rc = holds_segment(named);

	if (rc <= 0)
		return rc;
	session.dir = realpath(named, NULL);
	if (!session.dir)
		return -errno;
	snprintf(session.id, sizeof(session.id), "%.*s", MF_SESSION_ID_MAX - 1,
	         strrchr(session.dir, '/') + 1);
	*out = session;
	return 1;
}

static bool answers_to(const struct mf_session *session, const char *named)
{
	const char *name = NULL;

	if (mf_str_starts(mf_str(session->id), named))
		return true;
	return mf__session_is_id(session->id, &name) && name &&
	       mf_str_starts(mf_str(name), named);
}

static int ambiguous(const struct mf_session_list *list, const char *named,
                     struct mf_err *err)
{
	struct mf_buf all = {0};
	int rc;

	for (size_t i = 0; i < list->len; i++)
		if (answers_to(&list->items[i], named))
			mf_buf_printf(&all, " %s", list->items[i].id);
	rc = mf_fail(err, -MF_EAMBIGUOUS, "several sessions are '%s':%s", named,
	             mf_buf_ok(&all) ? all.ptr : " too many to tell");
	mf_buf_clear(&all);
	return rc;
}

/* The one the person means: by its whole id, or the only one that fits. */
static struct mf_session *choose(const struct mf_session_list *list,
                                 const char *named, size_t *fits)
{
	struct mf_session *fit = NULL;

	*fits = 0;
	for (size_t i = 0; i < list->len; i++) {
		struct mf_session *item = &list->items[i];

		if (!named || strcmp(item->id, named) == 0) {
			*fits = 1;
			return item;
		}
		if (!answers_to(item, named))
			continue;
		fit = item;
		++*fits;
	}
	return fit;
}

static int none_fits(const char *named, struct mf_err *err)
{
	if (!named)
		return mf_fail(err, -ENOENT, "no session has been recorded");
	return mf_fail(err, -ENOENT, "no session '%s'", named);
}

int mf_session_find(struct mf_session *out,
                    const struct mf_session_places *places, const char *named,
                    struct mf_err *err)
{
	struct mf_session_list list = {0};
	struct mf_session *fit;
	size_t fits;
	int rc = named ? find_dir(out, named) : 0;

	if (rc < 0)
		return mf_fail(err, rc, "cannot look into '%s'", named);
	if (rc > 0)
		return 0;
	rc = mf_session_list(&list, places, err);
	if (rc < 0)
		return rc;
	fit = choose(&list, named, &fits);
	if (!fit) {
		rc = none_fits(named, err);
	} else if (fits > 1) {
		rc = ambiguous(&list, named, err);
	} else {
		*out = *fit;
		fit->dir = NULL;
	}
	mf_session_list_clear(&list);
	return rc;
}

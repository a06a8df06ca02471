#include "mfcore/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session/place.h"

#define BLOBS "blobs"
#define BLOB_NAME_LEN 32
#define BYTES_PER_BLOCK 512 /* of st_blocks, whatever the file system's */

/* What to do with one file; a negative value ends the walk. */
typedef int (*file_fn)(int dir, const char *name, const struct stat *st,
                       void *arg);

/* The part of a file's name before what a half-written one carries behind. */
static struct mf_str stem(const char *name)
{
	struct mf_str all = mf_str(name);

	return (struct mf_str){name, mf_str_search(all, MF_STR(".new-"))};
}

static bool is_segment(const char *name, const struct stat *st)
{
	return S_ISREG(st->st_mode) && mf_str_ends(stem(name), ".mfj");
}

static bool is_blob(const char *name, const struct stat *st)
{
	struct mf_str s = stem(name);

	return S_ISREG(st->st_mode) && s.len == BLOB_NAME_LEN &&
	       strspn(s.ptr, "0123456789abcdef") == BLOB_NAME_LEN;
}

static DIR *open_below(int dir, const char *name)
{
	int fd = openat(dir, name,
	                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *opened = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !opened)
		close(fd);
	return opened;
}

static int walk_blobs(int parent, file_fn each, void *arg)
{
	DIR *dir = open_below(parent, BLOBS);
	struct dirent *entry;
	struct stat st;
	int rc = 0;

	if (!dir)
		return -errno;
	while (rc == 0 && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		rc = is_blob(name, &st) ? each(dirfd(dir), name, &st, arg)
		                        : -ENOTEMPTY;
	}
	closedir(dir);
	return rc;
}

static int walk_entry(int dir, const char *name, file_fn each, void *arg)
{
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* renamed or gone meanwhile */
	if (is_segment(name, &st))
		return each(dir, name, &st, arg);
	if (!S_ISDIR(st.st_mode) || strcmp(name, BLOBS) != 0)
		return -ENOTEMPTY;
	return walk_blobs(dir, each, arg);
}

/*
 * Go over every file of the session in directory `fd`, following no link.
 * Returns -ENOTEMPTY at the first thing that a session does not hold.
 */
static int walk(int fd, file_fn each, void *arg)
{
	DIR *dir = open_below(fd, ".");
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return -errno;
	while (rc == 0 && (entry = readdir(dir)))
		rc = walk_entry(dirfd(dir), entry->d_name, each, arg);
	closedir(dir);
	return rc;
}

static int count(int dir, const char *name, const struct stat *st, void *arg)
{
	uint64_t *bytes = arg;

	(void)dir;
	(void)name;
	*bytes += (uint64_t)st->st_blocks * BYTES_PER_BLOCK;
	return 0;
}

static int drop(int dir, const char *name, const struct stat *st, void *arg)
{
	(void)st;
	(void)arg;
	return unlinkat(dir, name, 0) < 0 ? -errno : 0;
}

uint64_t mf_session_size(const struct mf_session *session)
{
	int fd = open(session->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t bytes = 0;

	if (fd < 0)
		return 0;
	mf_ignore(walk(fd, count, &bytes),
	          "what it could not see takes nothing of ours");
	close(fd);
	return bytes;
}

/* Take the link away that leads to this very directory. */
static void leave_registry(const struct mf_session *session,
                           const struct mf_session_places *places)
{
	char *registry = mf__place_registry(places);
	char *link_path = NULL;
	char *led_to = NULL;

	if (registry)
		link_path = mf__place_join(registry, session->id);
	if (link_path)
		led_to = realpath(link_path, NULL);
	if (led_to && strcmp(led_to, session->dir) == 0)
		unlink(link_path); /* fails, rightly, on the session itself */
	free(led_to);
	free(link_path);
	free(registry);
}

/* rmdir(2) takes no directory that holds anything, whose ever it is. */
static int remove_dir(const struct mf_session *session, int held)
{
	if ((unlinkat(held, BLOBS, AT_REMOVEDIR) < 0 && errno != ENOENT) ||
	    rmdir(session->dir) < 0)
		return -errno;
	return 0;
}

int mf_session_delete(const struct mf_session *session,
                      const struct mf_session_places *places,
                      struct mf_err *err)
{
	uint64_t bytes = 0;
	int held;
	int rc;

	held = mf_session_hold(session, err);
	if (held == -EBUSY)
		return mf_fail(err, -EBUSY, "session '%s' is being recorded",
		               session->id);
	if (held < 0)
		return held;
	/* Look at all of it first: a refusal must not leave half a session. */
	rc = walk(held, count, &bytes);
	if (rc == 0)
		rc = walk(held, drop, NULL);
	if (rc == 0) {
		leave_registry(session, places);
		rc = remove_dir(session, held);
	}
	close(held);
	if (rc == -ENOTEMPTY)
		return mf_fail(err, rc, "'%s' holds what is not of a session",
		               session->dir);
	if (rc < 0)
		return mf_fail(err, rc, "cannot delete '%s'", session->dir);
	return 0;
}

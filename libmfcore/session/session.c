#include "mfcore/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "session/place.h"

#define PRIVATE 0700
#define TRIES 1000 /* sessions begun in the same instant */
#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS 1000000

static void make_id(char id[MF_SESSION_ID_MAX], const char *name)
{
	struct timespec now;
	struct tm tm = {0};
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	tzset();
	if (!localtime_r(&now.tv_sec, &tm))
		gmtime_r(&now.tv_sec, &tm);
	len = strftime(id, MF_SESSION_ID_MAX, "%Y%m%d-%H%M%S", &tm);
	snprintf(id + len, MF_SESSION_ID_MAX - len, "-%04x%s%s",
	         (unsigned)((uint64_t)now.tv_nsec * 65536 / NS_PER_S),
	         name ? "-" : "", name ? name : "");
}

/*
 * Register `dir` under `id`. -EEXIST: that id is taken by a session elsewhere.
 * Every other failure leaves the session unregistered, and usable.
 */
static int enter(const char *registry, const char *id, const char *dir)
{
	char *link_path;
	int rc;

	if (!registry || mf__place_make(registry) < 0)
		return 0;
	link_path = mf__place_join(registry, id);
	if (!link_path)
		return 0;
	rc = symlink(dir, link_path) < 0 && errno == EEXIST ? -EEXIST : 0;
	free(link_path);
	return rc;
}

static bool is_same_dir(const char *a, const char *b)
{
	struct stat sa;
	struct stat sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 &&
	       sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* The room for big payloads: writers in foreign processes make no directory. */
static int make_blobs(const char *dir)
{
	char *path = mf__place_join(dir, "blobs");
	int rc = 0;

	if (!path)
		return -ENOMEM;
	if (mkdir(path, PRIVATE) < 0 || chmod(path, PRIVATE) < 0)
		rc = -errno;
	free(path);
	return rc;
}

static void forget_dir(struct mf_session *session, const char *path)
{
	char *blobs = mf__place_join(path, "blobs");

	if (blobs)
		rmdir(blobs);
	free(blobs);
	rmdir(path);
	free(session->dir);
	session->dir = NULL;
}

/* Make and register the directory of out->id in `parent`. */
static int make_dir(struct mf_session *out, const char *parent,
                    const char *registry)
{
	char *path = mf__place_join(parent, out->id);
	int rc = 0;

	if (!path)
		return -ENOMEM;
	if (mkdir(path, PRIVATE) < 0) {
		rc = -errno;
		goto out;
	}
	/* A umask takes bits away and never the reader's right to look in. */
	if (chmod(path, PRIVATE) == 0)
		out->dir = realpath(path, NULL);
	rc = out->dir ? make_blobs(path) : -errno;
	if (rc == 0 && out->dir &&
	    (!registry || !is_same_dir(parent, registry)))
		rc = enter(registry, out->id, out->dir);
	if (rc < 0)
		forget_dir(out, path);
out:
	free(path);
	return rc;
}

static int create_in(struct mf_session *out, const char *parent,
                     const char *registry, const char *name)
{
	int rc = mf__place_make(parent);

	for (int i = 0; rc == 0 && i < TRIES; i++) {
		make_id(out->id, name);
		rc = make_dir(out, parent, registry);
		if (rc != -EEXIST)
			return rc;
		rc = 0;
	}
	return rc < 0 ? rc : -EEXIST;
}

/* Try the places a session goes to when nobody said where. */
static int create_by_default(struct mf_session *out,
                             const struct mf_session_places *places,
                             const char *registry, const char *name,
                             struct mf_err *err)
{
	char *datastore = mf__place_datastore(places);
	int rc = -ENOENT;

	if (datastore)
		rc = create_in(out, datastore, registry, name);
	free(datastore);
	if (rc < 0 && registry)
		rc = create_in(out, registry, registry, name);
	if (rc < 0)
		mf_fail(err, rc, "cannot make a session in '%s'",
		        registry ? registry : "the state directory");
	return rc;
}

int mf_session_create(struct mf_session *out,
                      const struct mf_session_places *places,
                      const char *parent, const char *name, struct mf_err *err)
{
	struct mf_session made = {0};
	char *registry;
	int rc;

	if (name) {
		snprintf(made.id, sizeof(made.id), "00000000-000000-0000-%.*s",
		         MF_SESSION_NAME_MAX + 1, name);
		if (!mf__session_is_id(made.id, NULL))
			return mf_fail(err, -EINVAL, "bad name for a session");
	}
	if (!parent && places->journal && *places->journal)
		parent = places->journal;
	registry = mf__place_registry(places);
	if (parent) {
		rc = create_in(&made, parent, registry, name);
		if (rc < 0)
			mf_fail(err, rc, "cannot make a session in '%s'",
			        parent);
	} else {
		rc = create_by_default(&made, places, registry, name, err);
	}
	free(registry);
	if (rc == 0)
		*out = made;
	return rc;
}

void mf_session_clear(struct mf_session *session)
{
	if (!session)
		return;
	free(session->dir);
	*session = (struct mf_session){0};
}

static int open_dir(const struct mf_session *session)
{
	return open(session->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int mf_session_hold(const struct mf_session *session, struct mf_err *err)
{
	const struct timespec pause = {.tv_nsec = NS_PER_MS};
	int fd = open_dir(session);
	int rc;

	if (fd < 0)
		return mf_fail(err, -errno, "cannot open '%s'", session->dir);
	/* Somebody who asks whether it is live may hold it for an instant. */
	for (int i = 0; i < 100; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		if (errno != EWOULDBLOCK)
			break;
		nanosleep(&pause, NULL);
	}
	rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	return mf_fail(err, rc, "cannot lock '%s'", session->dir);
}

bool mf_session_is_live(const struct mf_session *session)
{
	int fd = open_dir(session);
	bool is_live;

	if (fd < 0)
		return false;
	is_live = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return is_live;
}

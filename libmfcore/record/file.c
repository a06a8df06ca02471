/*
 * Files that say something about the run: control files of S3 operations, and
 * files of the datastore as they get their final names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "mfcore/dslayout.h"
#include "record/record.h"

#define INLINE_MAX 16384u     /* bytes kept in the record itself */
#define CONTENT_MAX 67108864u /* bytes kept at all */
#define PATH_CAP 4096

/* Map a regular file; returns NULL for an empty or unreadable one. */
static char *map_file(const char *path, size_t *len)
{
	struct stat st;
	void *map = MAP_FAILED;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path,
	                      O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	*len = 0;
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		*len = (size_t)st.st_size;
		map = mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	syscall(SYS_close, fd);
	return map == MAP_FAILED ? NULL : map;
}

static void put_content(struct mf_record *rec, const char *bytes, size_t len)
{
	if (len > CONTENT_MAX)
		len = CONTENT_MAX;
	if (len <= INLINE_MAX)
		mf_record_bytes(rec, MF_F_DATA, bytes, len);
	else
		mf_record_blob(rec, &mf__recorder.writer, MF_F_DATA, bytes,
		               len);
}

/* `path` as an absolute one, in `out` when it is not. */
static struct mf_str absolute(const char *path, char *out, size_t cap)
{
	size_t len = strlen(path);
	size_t dir;

	if (path[0] == '/' || !getcwd(out, cap))
		return (struct mf_str){path, len};
	dir = strlen(out);
	if (dir + len + 2 > cap)
		return (struct mf_str){path, len};
	out[dir] = '/';
	memcpy(out + dir + 1, path, len + 1);
	return (struct mf_str){out, dir + 1 + len};
}

static void record_file(enum mf_event_type type, const char *role,
                        const char *path, bool wants_content)
{
	char name[PATH_CAP];
	struct mf_str whole = absolute(path, name, sizeof(name));
	struct mf_record rec;
	size_t len = 0;
	char *bytes = wants_content ? map_file(path, &len) : NULL;
	size_t kept = bytes && len <= INLINE_MAX ? len : 0;

	if (mf__begin(&rec, type,
	              MF_FIELD_U64 + MF_FIELD_BYTES(whole.len) +
	                      MF_FIELD_BYTES(strlen(role)) +
	                      MF_FIELD_BYTES(kept) + MF_FIELD_BLOB)) {
		mf_record_bytes(&rec, MF_F_PATH, whole.ptr, whole.len);
		mf_record_bytes(&rec, MF_F_ROLE, role, strlen(role));
		mf_record_u64(&rec, MF_F_SIZE, len);
		if (bytes)
			put_content(&rec, bytes, len);
		mf_record_end(&rec);
	}
	if (bytes)
		munmap(bytes, len);
}

void mf__s3_started(struct mf_str inputs)
{
	char path[PATH_CAP];

	if (inputs.len == 0 || inputs.len >= sizeof(path))
		return;
	memcpy(path, inputs.ptr, inputs.len);
	path[inputs.len] = '\0';
	record_file(MF_EV_FILE,
	            mf_str_search(inputs, MF_STR("transientretry")) < inputs.len
	                    ? "retry"
	                    : "inputs",
	            path, true);
}

/* What is kept of a file that a task or the engine put in its place. */
static bool wants_content(enum mf_dsfile kind)
{
	switch (kind) {
	case MF_DS_ATTEMPT:
	case MF_DS_TASK_BEGIN:
	case MF_DS_DATA:
	case MF_DS_RUNTIME:
	case MF_DS_RESUME_DONE:
	case MF_DS_RESUME_LEADER:
	case MF_DS_SYSMETA:
	case MF_DS_SELF:
		return true;
	default:
		return false;
	}
}

static bool is_marked(enum mf_dsfile kind)
{
	return kind != MF_DS_NONE && kind != MF_DS_BLOB &&
	       kind != MF_DS_BLOB_META && kind != MF_DS_ARTIFACT &&
	       kind != MF_DS_CARD_DATA;
}

static void on_rename(const char *path)
{
	struct mf_dslayout layout;
	int saved = errno;

	if (!mf__recorder.is_on || mf__is_vforked() ||
	    !mf_dslayout_parse(mf_str(path), (struct mf_str){NULL, 0},
	                       &layout) ||
	    !is_marked(layout.kind))
		return;
	record_file(MF_EV_MARK, mf_dsfile_word(layout.kind), path,
	            wants_content(layout.kind));
	errno = saved;
}

MF__EXPORT int rename(const char *old, const char *new)
{
	int rc = MF__REAL(rename)(old, new);

	if (rc == 0)
		on_rename(new);
	return rc;
}

MF__EXPORT int renameat(int old_dir, const char *old, int new_dir,
                        const char *new)
{
	int rc = MF__REAL(renameat)(old_dir, old, new_dir, new);

	if (rc == 0 && (new_dir == AT_FDCWD || new[0] == '/'))
		on_rename(new);
	return rc;
}

MF__EXPORT int renameat2(int old_dir, const char *old, int new_dir,
                         const char *new, unsigned int flags)
{
	int rc = MF__REAL(renameat2)(old_dir, old, new_dir, new, flags);

	if (rc == 0 && (new_dir == AT_FDCWD || new[0] == '/'))
		on_rename(new);
	return rc;
}

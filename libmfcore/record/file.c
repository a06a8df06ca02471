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

struct loaded {
	uint64_t size; /* of the file, bytes */
	size_t room;   /* of the memory */
	size_t len;    /* read */
};

/*
 * Read a regular file into memory of its own: mapped, it would be a SIGBUS
 * when somebody cuts it meanwhile. NULL for an empty or unreadable one.
 */
static char *load_file(const char *path, struct loaded *out)
{
	struct stat st;
	size_t done = 0;
	void *map = MAP_FAILED;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path,
	                      O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	*out = (struct loaded){0};
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		out->size = (uint64_t)st.st_size;
		out->room = out->size < CONTENT_MAX ? out->size : CONTENT_MAX;
		map = mmap(NULL, out->room, PROT_READ | PROT_WRITE,
		           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	while (map != MAP_FAILED && done < out->room) {
		long n = syscall(SYS_read, fd, (char *)map + done,
		                 out->room - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	syscall(SYS_close, fd);
	out->len = done;
	return map == MAP_FAILED ? NULL : map;
}

static void put_content(struct mf_record *rec, const char *bytes, size_t len)
{
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
	struct mf__scratch *scratch = mf__scratch_take();
	struct mf_str whole =
		scratch ? absolute(path, scratch->path, sizeof(scratch->path))
			: mf_str(path);
	struct mf_record rec;
	struct loaded file = {0};
	char *bytes = wants_content ? load_file(path, &file) : NULL;
	size_t kept = bytes && file.len <= INLINE_MAX ? file.len : 0;

	if (mf__begin(&rec, type,
	              MF_FIELD_U64 + MF_FIELD_BYTES(whole.len) +
	                      MF_FIELD_BYTES(strlen(role)) +
	                      MF_FIELD_BYTES(kept) + MF_FIELD_BLOB)) {
		mf_record_bytes(&rec, MF_F_PATH, whole.ptr, whole.len);
		mf_record_bytes(&rec, MF_F_ROLE, role, strlen(role));
		mf_record_u64(&rec, MF_F_SIZE, file.size);
		if (bytes)
			put_content(&rec, bytes, file.len);
		mf_record_end(&rec);
	}
	if (bytes)
		munmap(bytes, file.room);
	if (scratch)
		mf__scratch_give(scratch);
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

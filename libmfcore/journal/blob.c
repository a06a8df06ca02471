/*
 * Payloads too big for a record: files beside the segments, named by hash.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "journal/append.h"

static bool write_blob(const char *path, const char *bytes, size_t len)
{
	struct rlimit limit;
	size_t done = 0;
	char name[MF_WRITER_PATH_MAX + 32];
	size_t n = strlen(path);
	uint32_t tid = (uint32_t)syscall(SYS_gettid);
	int fd;

	if (syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0)
		return true;
	if (getrlimit(RLIMIT_FSIZE, &limit) < 0 ||
	    (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < len))
		return false;
	memcpy(name, path, n);
	memcpy(name + n, ".new-", 5);
	for (n += 5; tid; tid /= 10)
		name[n++] = (char)('0' + tid % 10);
	name[n] = '\0';
	syscall(SYS_unlinkat, AT_FDCWD, name, 0);
	fd = (int)syscall(SYS_openat, AT_FDCWD, name,
	                  O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	syscall(SYS_fchmod, fd, 0600); /* whatever the task's umask */
	while (done < len) {
		long got = syscall(SYS_write, fd, bytes + done, len - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	syscall(SYS_close, fd);
	if (done == len &&
	    syscall(SYS_renameat, AT_FDCWD, name, AT_FDCWD, path) == 0)
		return true;
	syscall(SYS_unlinkat, AT_FDCWD, name, 0);
	return false;
}

bool mf_record_blob(struct mf_record *rec, struct mf_writer *writer,
                    enum mf_field id, const void *bytes, size_t len)
{
	char path[MF_WRITER_PATH_MAX];
	unsigned char hash[16];
	uint64_t length = len;
	uint32_t body = 24;
	int saved = errno;
	bool ok;
	char *at;

	mf__hash128(bytes, len, hash);
	ok = mf__blob_path(path, sizeof(path), writer->path, hash) &&
	     write_blob(path, bytes, len);
	errno = saved;
	if (!ok) {
		mf_writer_dropped(writer, MF_DROP_NO_SPACE, len);
		return false;
	}
	at = mf__record_key(rec, id, MF_KIND_BLOB, sizeof(body) + body);
	if (!at)
		return false;
	memcpy(at, &body, sizeof(body));
	memcpy(at + 4, &length, sizeof(length));
	memcpy(at + 12, hash, sizeof(hash));
	return true;
}

/*
 * Making segments. Also runs inside recorded processes whose recorder is gone,
 * hence neither malloc nor stdio.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "journal/frame.h"

#define HEAD_BYTES ((size_t)MF__HEAD_BLOCKS * MF__BLOCK)
#define NUMBER_DIGITS 6

/* Where the digits of "….NNNNNN.mfj" begin, or NULL. */
static char *number_of(char *path)
{
	size_t len = strlen(path);
	char *at;

	if (len < NUMBER_DIGITS + 5)
		return NULL;
	at = path + len - 4 - NUMBER_DIGITS;
	if (strcmp(at + NUMBER_DIGITS, ".mfj") != 0 || at[-1] != '.')
		return NULL;
	for (int i = 0; i < NUMBER_DIGITS; i++) {
		if (at[i] < '0' || at[i] > '9')
			return NULL;
	}
	return at;
}

bool mf__segment_renumber(char *path, size_t cap, uint32_t number)
{
	char *at = number_of(path);

	(void)cap;
	if (!at)
		return false;
	for (int i = NUMBER_DIGITS - 1; i >= 0; i--) {
		at[i] = (char)('0' + number % 10);
		number /= 10;
	}
	return number == 0;
}

bool mf__blob_path(char *out, size_t cap, const char *path,
                   const unsigned char hash[16])
{
	const char *slash = strrchr(path, '/');
	size_t dir = slash ? (size_t)(slash - path) : 0;

	if (!slash || dir + sizeof("/blobs/") + 32 > cap)
		return false;
	memcpy(out, path, dir);
	memcpy(out + dir, "/blobs/", 7);
	out += dir + 7;
	for (int i = 0; i < 16; i++) {
		*out++ = "0123456789abcdef"[hash[i] >> 4];
		*out++ = "0123456789abcdef"[hash[i] & 15];
	}
	*out = '\0';
	return true;
}

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Bytes segment `number` may take of what the session may. */
static uint64_t capacity_of(const struct mf__segment_head *like,
                            uint32_t number)
{
	uint64_t before = (uint64_t)(number - 1) * MF_SEGMENT_SIZE;
	uint64_t left =
		like->session_max > before ? like->session_max - before : 0;

	left = left < MF_SEGMENT_SIZE ? left : MF_SEGMENT_SIZE;
	return left - left % MF__BLOCK;
}

/* `head` begins an image of all HEAD_BYTES. */
static void fill_head(struct mf__segment_head *head, uint32_t number,
                      uint64_t capacity)
{
	struct mf__segment_ident *ident = &head->ident;

	memcpy(ident->magic, MF__MAGIC, sizeof(ident->magic));
	ident->incompatible = 0;
	ident->compatible = 0;
	ident->head_blocks = MF__HEAD_BLOCKS;
	ident->number = number;
	ident->capacity = capacity;
	ident->mono_ns = now(CLOCK_MONOTONIC);
	ident->real_ns = now(CLOCK_REALTIME);
	ident->sum = mf__ident_sum(ident);
	memcpy((char *)head + (size_t)MF__COPY_BLOCK * MF__BLOCK, ident,
	       sizeof(*ident));

	head->tail = MF__HEAD_BLOCKS;
	head->ready = MF__HEAD_BLOCKS;
	head->preparing = MF__HEAD_BLOCKS;
	head->want = 0;
	memset(head->dropped, 0, sizeof(head->dropped));
	head->dropped_bytes = 0;
}

/* A name in the same directory that no other process uses now. */
static bool temporary_name(char *out, size_t cap, const char *path)
{
	static const char suffix[] = ".new-";
	unsigned long pid = (unsigned long)syscall(SYS_gettid);
	size_t len = strlen(path);

	if (len + sizeof(suffix) + 20 > cap)
		return false;
	memcpy(out, path, len);
	memcpy(out + len, suffix, sizeof(suffix));
	out += len + sizeof(suffix) - 1;
	do {
		*out++ = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid);
	*out = '\0';
	return true;
}

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		long n = syscall(SYS_write, fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Never in place of another; some file systems have no link(2), some no such
 * rename(2). */
static int give_name(const char *name, const char *path)
{
	if (syscall(SYS_linkat, AT_FDCWD, name, AT_FDCWD, path, 0) == 0)
		return 0;
	if ((errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS) &&
	    syscall(SYS_renameat2, AT_FDCWD, name, AT_FDCWD, path,
	            RENAME_NOREPLACE) == 0)
		return 0;
	return -errno;
}

/* The name appears only with the whole head behind it. */
static int write_segment(const char *path, const char *head)
{
	char name[MF_WRITER_PATH_MAX];
	int rc = 0;
	int fd;

	if (!temporary_name(name, sizeof(name), path))
		return -ENAMETOOLONG;
	syscall(SYS_unlinkat, AT_FDCWD, name, 0);
	fd = (int)syscall(SYS_openat, AT_FDCWD, name,
	                  O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	syscall(SYS_fchmod, fd, 0600); /* whatever the task's umask */
	rc = write_all(fd, head, HEAD_BYTES);
	if (rc == 0)
		rc = give_name(name, path);
	syscall(SYS_unlinkat, AT_FDCWD, name, 0);
	syscall(SYS_close, fd);
	return rc;
}

int mf__segment_make(const char *path, const struct mf__segment_head *like,
                     const uint64_t *env_table, uint32_t number)
{
	char name[MF_WRITER_PATH_MAX];
	uint64_t capacity = capacity_of(like, number);
	size_t len = strlen(path);
	char *image;
	int rc;

	if (capacity <= HEAD_BYTES) /* a quota of the disk is EDQUOT */
		return -EOVERFLOW;
	if (len >= sizeof(name))
		return -ENAMETOOLONG;
	memcpy(name, path, len + 1);
	if (!mf__segment_renumber(name, sizeof(name), number))
		return -EOVERFLOW;

	image = mmap(NULL, HEAD_BYTES, PROT_READ | PROT_WRITE,
	             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (image == MAP_FAILED)
		return -ENOMEM;
	memcpy(image, like, sizeof(*like));
	memcpy(image + MF__BLOCK, env_table, MF__ENV_SLOTS * sizeof(uint64_t));
	fill_head((struct mf__segment_head *)(void *)image, number, capacity);
	rc = write_segment(name, image);
	munmap(image, HEAD_BYTES);
	return rc;
}

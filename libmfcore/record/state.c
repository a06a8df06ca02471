/*
 * The one state of the recorder in a process, and small things all files use.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "record/record.h"

struct mf__recorder mf__recorder;

static __thread struct mf_lane lane;
static __thread struct mf__scratch *scratch;

struct mf_lane *mf__lane(void)
{
	return &lane;
}

bool mf__begin(struct mf_record *rec, enum mf_event_type type, size_t payload)
{
	return mf__recorder.is_on &&
	       mf_record_begin(rec, &mf__recorder.writer, &lane, type, payload);
}

bool mf__is_vforked(void)
{
	return mf__recorder.writer.pid != mf__true_pid();
}

uint64_t mf__inode(int fd)
{
	struct stat st;
	int saved = errno;
	uint64_t inode = fstat(fd, &st) == 0 ? (uint64_t)st.st_ino : 0;

	errno = saved;
	return inode;
}

static uint64_t microseconds(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000u + (uint64_t)tv->tv_usec;
}

void mf__put_rusage(struct mf_record *rec, const struct rusage *usage)
{
	mf_record_u64(rec, MF_F_UTIME_US, microseconds(&usage->ru_utime));
	mf_record_u64(rec, MF_F_STIME_US, microseconds(&usage->ru_stime));
	mf_record_u64(rec, MF_F_MAXRSS_KB, (uint64_t)usage->ru_maxrss);
	mf_record_u64(rec, MF_F_MINFLT, (uint64_t)usage->ru_minflt);
	mf_record_u64(rec, MF_F_MAJFLT, (uint64_t)usage->ru_majflt);
	mf_record_u64(rec, MF_F_NVCSW, (uint64_t)usage->ru_nvcsw);
	mf_record_u64(rec, MF_F_NIVCSW, (uint64_t)usage->ru_nivcsw);
}

void mf__note(const char *text)
{
	struct mf_record rec;
	size_t len = strlen(text);

	if (!mf__begin(&rec, MF_EV_NOTE, MF_FIELD_BYTES(len)))
		return;
	mf_record_bytes(&rec, MF_F_TEXT, text, len);
	mf_record_end(&rec);
}

struct mf__scratch *mf__scratch_take(void)
{
	int saved = errno;

	if (!scratch) {
		void *map = mmap(NULL, sizeof(*scratch), PROT_READ | PROT_WRITE,
		                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		scratch = map == MAP_FAILED ? NULL : map;
		errno = saved;
	}
	/* Any other user than us is a child of vfork, and gone by now. */
	if (!scratch || scratch->user == mf__recorder.writer.pid)
		return NULL;
	scratch->user = mf__true_pid();
	return scratch;
}

void mf__scratch_give(struct mf__scratch *taken)
{
	taken->user = 0;
}

void mf__scratch_drop(void)
{
	struct mf__scratch *mine = scratch;

	if (!mine || mine->user == mf__recorder.writer.pid)
		return;
	scratch = NULL;
	mf__environ_drop(&mine->env);
	munmap(mine, sizeof(*mine));
}

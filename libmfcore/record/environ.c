/*
 * The two environment entries that make a program record, LD_PRELOAD and our
 * own. The constructor takes them out of the program's environment, so that it
 * never sees them, and every exec puts them into the new one, also where the
 * caller passes an environment of its own or none (`env -i`).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "journal/frame.h"
#include "mfcore/redact.h"
#include "record/record.h"

#define PRELOAD "LD_PRELOAD="
#define RECORD MF__ENV_NAME "="
#define OWN_FILE "libmfrecord.so"
#define ENV_ROOM 24576u /* bytes of a record that ENV_SET may take */

static bool is_entry(const char *entry, const char *prefix)
{
	return strncmp(entry, prefix, strlen(prefix)) == 0;
}

/*
 * How much of a preload list is not ours: we stand alone or last, behind a
 * colon. SIZE_MAX when there is no entry without us.
 */
static size_t others_len(const char *list)
{
	const char *colon = strrchr(list, ':');
	struct mf_str last = mf_str(colon ? colon + 1 : list);

	if (!mf_str_is(mf_str_basename(last), OWN_FILE))
		return strlen(list);
	return colon ? (size_t)(colon - list) : SIZE_MAX;
}

/*
 * Also out of /proc/self/environ, where the kernel shows the same memory: it
 * reads as empty entries.
 */
static void wipe(char *text)
{
	memset(text, 0, strlen(text));
}

void mf__environ_hide(void)
{
	char **to = environ;

	for (char **from = environ; from && *from; from++) {
		char *entry = *from;
		size_t len;

		if (is_entry(entry, RECORD)) {
			wipe(entry);
			continue;
		}
		if (is_entry(entry, PRELOAD)) {
			len = others_len(entry + strlen(PRELOAD));
			wipe(len == SIZE_MAX ? entry
			                     : entry + strlen(PRELOAD) + len);
			if (len == SIZE_MAX)
				continue;
		}
		*to++ = entry;
	}
	if (to)
		*to = NULL;
}

static bool find(char *path, size_t cap)
{
	for (char **entry = environ; entry && *entry; entry++) {
		const char *value = *entry + strlen(RECORD);

		if (!is_entry(*entry, RECORD))
			continue;
		if (strlen(value) >= cap)
			return false;
		memcpy(path, value, strlen(value) + 1);
		return true;
	}
	return false;
}

bool mf__environ_take(char *path, size_t cap)
{
	bool found = find(path, cap);

	mf__environ_hide();
	return found;
}

/*
 * Asked as the new program will ask, by the effective user, and with a
 * descriptor free for it: a file that cannot be preloaded is a line on its
 * stderr.
 */
bool mf__environ_reaches(void)
{
	int saved = errno;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, mf__recorder.preload,
	                      O_RDONLY | O_CLOEXEC);
	long rc = -1;

	if (fd >= 0) {
		syscall(SYS_close, fd);
		rc = syscall(SYS_faccessat2, AT_FDCWD, mf__recorder.writer.path,
		             R_OK | W_OK, AT_EACCESS);
		if (rc < 0 && errno == ENOSYS)
			rc = syscall(SYS_faccessat, AT_FDCWD,
			             mf__recorder.writer.path, R_OK | W_OK);
	}
	errno = saved;
	return rc == 0;
}

bool mf__environ_is_taken(char *const *envp)
{
	for (; envp && *envp; envp++) {
		if (is_entry(*envp, RECORD))
			return strcmp(*envp + strlen(RECORD),
			              mf__recorder.writer.path) != 0;
	}
	return false;
}

static size_t count(char *const *envp)
{
	size_t n = 0;

	while (envp && envp[n])
		n++;
	return n;
}

/* The list with us behind what it has; false: it is too long for that. */
static bool build_preload(struct mf__envp *out, const char *theirs)
{
	size_t used = strlen(PRELOAD);
	size_t own = strlen(mf__recorder.preload);
	size_t len = theirs ? others_len(theirs) : SIZE_MAX;

	memcpy(out->preload, PRELOAD, used);
	if (len != SIZE_MAX) {
		if (used + len + own + 2 > sizeof(out->preload))
			return false;
		memcpy(out->preload + used, theirs, len);
		used += len;
		out->preload[used++] = ':';
	}
	memcpy(out->preload + used, mf__recorder.preload, own + 1);
	return true;
}

static void build_record(struct mf__envp *out)
{
	memcpy(out->record, RECORD, strlen(RECORD));
	memcpy(out->record + strlen(RECORD), mf__recorder.writer.path,
	       strlen(mf__recorder.writer.path) + 1);
}

/* Where the list goes: in `out`, or in memory mapped for a long one. */
static char **room_for(struct mf__envp *out, size_t n)
{
	size_t len = n * sizeof(char *);

	if (n <= sizeof(out->small) / sizeof(out->small[0]))
		return out->small;
	if (out->map_len < len) {
		mf__environ_drop(out);
		out->map = mmap(NULL, len, PROT_READ | PROT_WRITE,
		                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (out->map == MAP_FAILED) {
			out->map = NULL;
			return NULL;
		}
		out->map_len = len;
	}
	return out->map;
}

/* The last LD_PRELOAD counts for the dynamic linker. */
static size_t preload_at(char *const *envp, size_t n)
{
	while (n > 0 && !is_entry(envp[n - 1], PRELOAD))
		n--;
	return n ? n - 1 : SIZE_MAX;
}

/*
 * Entries stay in their places, and LD_PRELOAD in its own when there was one:
 * what the program sees when ours are taken out is the list as it was passed.
 */
char **mf__environ_build(struct mf__envp *out, char *const *envp, bool wants_us)
{
	size_t n = count(envp);
	size_t at = preload_at(envp, n);
	char **list = room_for(out, n + 3);
	size_t used = 0;

	if (!list)
		return (char **)(uintptr_t)envp;
	wants_us =
		wants_us &&
		build_preload(out, at == SIZE_MAX ? NULL
	                                          : envp[at] + strlen(PRELOAD));
	for (size_t i = 0; i < n; i++) {
		if (is_entry(envp[i], RECORD))
			continue;
		list[used++] = wants_us && i == at ? out->preload : envp[i];
	}
	if (wants_us) {
		build_record(out);
		if (at == SIZE_MAX)
			list[used++] = out->preload;
		list[used++] = out->record;
	}
	list[used] = NULL;
	return list;
}

void mf__environ_drop(struct mf__envp *env)
{
	if (env->map)
		munmap(env->map, env->map_len);
	env->map = NULL;
	env->map_len = 0;
}

static const uint64_t *session_table(void)
{
	const char *head = (const char *)mf__recorder.writer.head;

	return (const uint64_t *)(const void *)(head + MF__BLOCK);
}

size_t mf__environ_room(char *const *envp)
{
	size_t bytes = 0;

	for (; envp && *envp && bytes < ENV_ROOM; envp++)
		bytes += strlen(*envp) + 16;
	if (bytes > ENV_ROOM)
		bytes = ENV_ROOM;
	return MF_FIELD_BYTES(bytes) +
	       MF_FIELD_BYTES(MF__ENV_SLOTS * sizeof(uint64_t)) + MF_FIELD_U64;
}

/* Write what is not the session's; notes what is of it in `seen`. */
static void put_set(struct mf_record *rec, char *const *envp, uint64_t *seen,
                    char *entry)
{
	const uint64_t *table = session_table();
	size_t room = 0;
	size_t used = 0;
	uint64_t left_out = 0;
	char *at = mf_record_open(rec, MF_F_ENV_SET, MF_KIND_LIST, &room);

	if (!at)
		return;
	if (room > ENV_ROOM)
		room = ENV_ROOM;
	for (; envp && *envp; envp++) {
		uint32_t slot = 0;
		size_t len = mf_redact_env(entry, MF__ENTRY_MAX, mf_str(*envp),
		                           mf__recorder.env_allow);

		if (mf__env_known(table, mf__env_hash(entry, len), &slot)) {
			seen[slot / 64] |= 1ull << slot % 64;
			continue;
		}
		if (used + len + 1 > room) {
			left_out++;
			continue;
		}
		memcpy(at + used, entry, len);
		used += len;
		at[used++] = '\0';
	}
	mf_record_close(rec, used);
	if (left_out)
		mf_record_u64(rec, MF_F_COUNT, left_out);
}

void mf__environ_put(struct mf_record *rec, char *const *envp,
                     struct mf__scratch *scratch)
{
	const uint64_t *table = session_table();
	uint64_t seen[MF__ENV_SLOTS / 64] = {0};
	size_t room = 0;
	size_t used = 0;
	char *at;

	put_set(rec, envp, seen, scratch->entry);
	at = mf_record_open(rec, MF_F_ENV_UNSET, MF_KIND_BYTES, &room);
	if (!at)
		return;
	for (uint32_t i = 0; i < MF__ENV_SLOTS; i++) {
		if (table[i] && !(seen[i / 64] >> i % 64 & 1) &&
		    used + sizeof(table[i]) <= room) {
			memcpy(at + used, &table[i], sizeof(table[i]));
			used += sizeof(table[i]);
		}
	}
	mf_record_close(rec, used);
}

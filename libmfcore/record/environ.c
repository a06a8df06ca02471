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
#define ENTRY_MAX 4096
#define ENV_ROOM 24576u /* bytes of a record that ENV_SET may take */

static bool is_entry(const char *entry, const char *prefix)
{
	return strncmp(entry, prefix, strlen(prefix)) == 0;
}

static bool is_own_path(struct mf_str path)
{
	return mf_str_is(mf_str_basename(path), OWN_FILE);
}

/*
 * Append the paths of a preload list that are not ours, as they stand. The
 * dynamic linker splits at colons and blanks.
 */
static size_t append_others(char *out, size_t cap, const char *list)
{
	size_t used = 0;

	while (*list) {
		size_t len = strcspn(list, ": ");

		if (len && !is_own_path((struct mf_str){list, len})) {
			if (used + len + 2 > cap)
				return used;
			if (used)
				out[used++] = ':';
			memcpy(out + used, list, len);
			used += len;
		}
		list += len;
		list += *list != '\0';
	}
	out[used] = '\0';
	return used;
}

/* What remains of LD_PRELOAD for the program to see; NULL: no entry at all. */
static char *visible_preload(char *entry)
{
	static char kept[ENTRY_MAX];
	const char *list = entry + strlen(PRELOAD);

	memcpy(kept, PRELOAD, strlen(PRELOAD));
	if (append_others(kept + strlen(PRELOAD), sizeof(kept) - 16, list) == 0)
		return NULL;
	return kept;
}

bool mf__environ_take(char *path, size_t cap)
{
	char **to = environ;
	bool found = false;

	for (char **from = environ; from && *from; from++) {
		char *entry = *from;

		if (is_entry(entry, RECORD)) {
			const char *value = entry + strlen(RECORD);

			found = strlen(value) < cap;
			if (found)
				memcpy(path, value, strlen(value) + 1);
			continue;
		}
		if (is_entry(entry, PRELOAD))
			entry = visible_preload(entry);
		if (entry)
			*to++ = entry;
	}
	if (to)
		*to = NULL;
	return found;
}

static size_t count(char *const *envp)
{
	size_t n = 0;

	while (envp && envp[n])
		n++;
	return n;
}

/* Add our two entries; returns how many were added. */
static size_t add_ours(struct mf__envp *out, char **list, const char *theirs)
{
	size_t used = strlen(PRELOAD);
	size_t own = strlen(mf__recorder.preload);
	size_t path = strlen(mf__recorder.writer.path);

	memcpy(out->preload, PRELOAD, used);
	if (theirs) {
		used += append_others(out->preload + used,
		                      sizeof(out->preload) - own - 16, theirs);
		if (used > strlen(PRELOAD))
			out->preload[used++] = ':';
	}
	memcpy(out->preload + used, mf__recorder.preload, own + 1);
	memcpy(out->record, RECORD, strlen(RECORD));
	memcpy(out->record + strlen(RECORD), mf__recorder.writer.path,
	       path + 1);
	list[0] = out->preload;
	list[1] = out->record;
	return 2;
}

char **mf__environ_build(struct mf__envp *out, char *const *envp, bool wants_us)
{
	size_t n = count(envp);
	char *theirs = NULL;
	size_t used = 0;

	out->map = NULL;
	out->list = out->small;
	/* A file that is gone would be a line on the program's stderr. */
	wants_us = wants_us && mf__recorder.is_on &&
	           syscall(SYS_faccessat, AT_FDCWD, mf__recorder.preload,
	                   F_OK) == 0;
	if (n + 3 > sizeof(out->small) / sizeof(out->small[0])) {
		out->map_len = (n + 3) * sizeof(char *);
		out->map = mmap(NULL, out->map_len, PROT_READ | PROT_WRITE,
		                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (out->map == MAP_FAILED) {
			out->map = NULL;
			return (char **)(uintptr_t)envp;
		}
		out->list = out->map;
	}
	for (size_t i = 0; i < n; i++) {
		if (is_entry(envp[i], RECORD))
			continue;
		if (is_entry(envp[i], PRELOAD) && (wants_us || theirs)) {
			theirs = envp[i] + strlen(PRELOAD);
			continue;
		}
		out->list[used++] = envp[i];
	}
	if (wants_us)
		used += add_ours(out, out->list + used, theirs);
	out->list[used] = NULL;
	return out->list;
}

void mf__environ_drop(struct mf__envp *env)
{
	if (env->map)
		munmap(env->map, env->map_len);
	env->map = NULL;
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
static void put_set(struct mf_record *rec, char *const *envp, uint64_t *seen)
{
	const uint64_t *table = session_table();
	char entry[ENTRY_MAX];
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
		size_t len = mf_redact_env(entry, sizeof(entry), mf_str(*envp),
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

void mf__environ_put(struct mf_record *rec, char *const *envp)
{
	const uint64_t *table = session_table();
	uint64_t seen[MF__ENV_SLOTS / 64] = {0};
	size_t room = 0;
	size_t used = 0;
	char *at;

	put_set(rec, envp, seen);
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

#include "journal/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/chunk.h"

#define CAPACITY_MAX (UINT64_C(1) << 32) /* of a segment that is read */

static int64_t read_at(struct mf__scan *scan, const struct mf__segment *seg,
                       uint64_t offset, void *out, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(seg->fd, (char *)out + done, len - done,
		                  (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	scan->bytes_read += done;
	return (int64_t)done;
}

static bool ident_is_whole(const struct mf__segment_ident *ident)
{
	return memcmp(ident->magic, MF__MAGIC, sizeof(ident->magic)) == 0 &&
	       ident->sum == mf__ident_sum(ident) &&
	       memchr(ident->host, '\0', sizeof(ident->host)) &&
	       memchr(ident->boot_id, '\0', sizeof(ident->boot_id));
}

/* The host of a segment, entered when it is new. Returns its number. */
static int64_t host_of(struct mf__scan *scan,
                       const struct mf__segment_ident *ident)
{
	struct mf_str name = mf_str(ident->host);
	struct mf_str boot = mf_str(ident->boot_id);
	struct mf_journal_host *hosts;

	for (size_t i = 0; i < scan->hosts_len; i++) {
		if (mf_str_eq(scan->hosts[i].name, name) &&
		    mf_str_eq(scan->hosts[i].boot_id, boot))
			return (int64_t)i;
	}
	hosts = realloc(scan->hosts, (scan->hosts_len + 1) * sizeof(*hosts));
	if (!hosts)
		return -ENOMEM;
	scan->hosts = hosts;
	hosts += scan->hosts_len;
	hosts->name = mf_arena_str(&scan->arena, name);
	hosts->boot_id = mf_arena_str(&scan->arena, boot);
	hosts->wall_minus_mono_ns = (int64_t)(ident->real_ns - ident->mono_ns);
	if (!hosts->name.ptr || !hosts->boot_id.ptr)
		return -ENOMEM;
	return (int64_t)scan->hosts_len++;
}

/* Both copies of the identity are gone: the segment before lends its own. */
static int identify_by_neighbour(const struct mf__scan *scan,
                                 struct mf__segment *seg, const char *magic)
{
	const struct mf__segment *before = seg - 1;

	if (memcmp(magic, MF__MAGIC, 6) == 0 && magic[6] != MF__MAGIC[6])
		return -MF_EVERSION;
	if (scan->segments_len == 0)
		return -MF_EFORMAT;
	seg->host = before->host;
	seg->number = before->number + 1;
	seg->head_blocks = before->head_blocks;
	seg->seed = before->seed;
	seg->capacity = before->capacity;
	return 0;
}

/* Read who a segment is; the second copy replaces a damaged first one. */
static int identify(struct mf__scan *scan, struct mf__segment *seg)
{
	struct mf__segment_head head;
	const struct mf__segment_ident *ident = &head.ident;
	struct mf__segment_ident copy;
	int64_t host;
	int64_t n;

	memset(&head, 0, sizeof(head));
	memset(&copy, 0, sizeof(copy));
	n = read_at(scan, seg, 0, &head, sizeof(head));
	if (n < 0)
		return (int)n;
	if (!ident_is_whole(ident)) {
		seg->is_head_damaged = true;
		scan->damaged++;
		ident = &copy;
		n = read_at(scan, seg, (uint64_t)MF__COPY_BLOCK * MF__BLOCK,
		            &copy, sizeof(copy));
		if (n < 0)
			return (int)n;
	}
	if (!ident_is_whole(ident))
		return identify_by_neighbour(scan, seg, head.ident.magic);
	if (ident->incompatible & ~MF__INCOMPATIBLE_KNOWN)
		return -MF_EVERSION;
	host = host_of(scan, ident);
	if (host < 0)
		return (int)host;
	seg->host = (uint32_t)host;
	seg->number = ident->number;
	seg->head_blocks = ident->head_blocks;
	seg->seed = ident->seed;
	seg->capacity =
		ident->capacity < CAPACITY_MAX ? ident->capacity : CAPACITY_MAX;
	return 0;
}

static int is_segment_name(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 4 && strcmp(entry->d_name + len - 4, ".mfj") == 0;
}

/*
 * Open what bears a segment's name: -errno, -EBADF for what is no file. A
 * process that cannot open anything now (EMFILE, ENOMEM) may later.
 */
static int open_segment(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EBADF;
}

/* One file that cannot be read is damage; the others are still told. */
static int leave_out(struct mf__scan *scan, uint64_t name_hash, int error)
{
	scan->damaged++;
	if (!scan->refused || scan->refused == -EBADF)
		scan->refused = error;
	return mf_map_put(&scan->names, name_hash, scan);
}

static int add_segment(struct mf__scan *scan, const char *name,
                       struct mf_err *err)
{
	uint64_t hash = mf_map_hash(mf_str(name));
	struct mf__segment *segments;
	struct mf__segment *seg;
	char path[4200];
	size_t len = strlen(scan->dir);
	int rc;

	if (mf_map_get(&scan->names, hash))
		return 0;
	if (len + strlen(name) + 2 > sizeof(path))
		return mf_fail(err, -ENAMETOOLONG, "name too long: '%s'", name);
	memcpy(path, scan->dir, len);
	path[len] = '/';
	memcpy(path + len + 1, name, strlen(name) + 1);
	segments = realloc(scan->segments,
	                   (scan->segments_len + 1) * sizeof(*segments));
	if (!segments)
		return mf_fail(err, -ENOMEM, "out of memory");
	scan->segments = segments;
	seg = segments + scan->segments_len;
	memset(seg, 0, sizeof(*seg));
	seg->fd = open_segment(path);
	if (seg->fd == -EMFILE || seg->fd == -ENFILE || seg->fd == -ENOMEM)
		return mf_fail(err, seg->fd, "cannot open journal '%s'", path);
	if (seg->fd < 0)
		return leave_out(scan, hash, seg->fd);
	rc = identify(scan, seg);
	if (rc == -MF_EFORMAT) { /* and not looked at again */
		close(seg->fd);
		return mf_map_put(&scan->names, hash, scan);
	}
	if (rc == 0)
		rc = mf_map_put(&scan->names, hash, scan);
	if (rc < 0) {
		close(seg->fd);
		return mf_fail(err, rc, "cannot read journal '%s'", path);
	}
	seg->next = seg->head_blocks;
	scan->segments_len++;
	return 0;
}

static int find_segments(struct mf__scan *scan, struct mf_err *err)
{
	struct dirent **names = NULL;
	int n = scandir(scan->dir, &names, is_segment_name, alphasort);
	int rc = 0;

	if (n < 0)
		return mf_fail(err, -errno, "cannot read journal '%s'",
		               scan->dir);
	for (int i = 0; i < n; i++) {
		if (rc == 0)
			rc = add_segment(scan, names[i]->d_name, err);
		free(names[i]);
	}
	free(names);
	return rc;
}

uint64_t mf__scan_wall(const struct mf__scan *scan,
                       const struct mf__chunk_ref *ref, uint64_t mono_ns)
{
	uint32_t host = scan->segments[ref->segment].host;

	return mono_ns + (uint64_t)scan->hosts[host].wall_minus_mono_ns;
}

static struct mf__chunk_ref *new_chunk(struct mf__scan *scan,
                                       const struct mf__segment *seg,
                                       uint64_t block, uint32_t blocks)
{
	struct mf__chunk_ref *ref;

	if (scan->chunks_len == scan->chunks_cap) {
		size_t cap = scan->chunks_cap ? scan->chunks_cap * 2 : 256;
		struct mf__chunk_ref **chunks = realloc(
			scan->chunks, cap * sizeof(struct mf__chunk_ref *));

		if (!chunks)
			return NULL;
		scan->chunks = chunks;
		scan->chunks_cap = cap;
	}
	ref = mf_arena_alloc(&scan->arena, sizeof(*ref));
	if (!ref)
		return NULL;
	ref->segment = (uint32_t)(seg - scan->segments);
	ref->block = (uint32_t)block;
	ref->blocks = blocks;
	ref->until = UINT64_MAX;
	return ref;
}

static void keep_chunk(struct mf__scan *scan, struct mf__chunk_ref *ref)
{
	ref->first = ref->key;
	ref->first_pos = ref->pos;
	scan->chunks[scan->chunks_len++] = ref;
	scan->bytes_found += (uint64_t)ref->blocks * MF__BLOCK;
}

static int add_chunk(struct mf__scan *scan, const struct mf__segment *seg,
                     uint64_t block, const struct mf__chunk_head *head)
{
	struct mf__chunk_ref *ref = new_chunk(scan, seg, block, head->blocks);

	if (!ref)
		return -ENOMEM;
	ref->pos = sizeof(*head);
	ref->start_ticks = head->start_ticks;
	ref->pid = head->pid;
	ref->lane = head->lane;
	ref->seq = head->seq;
	ref->key = mf__scan_wall(scan, ref, head->mono_ns);
	keep_chunk(scan, ref);
	return 0;
}

static bool is_all_zero(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

/*
 * Blocks whose chunk lost its head: search their `bytes`, which the cursor
 * may write to, for records.
 */
static int add_orphan(struct mf__scan *scan, const struct mf__segment *seg,
                      uint64_t block, char *bytes, size_t len)
{
	uint32_t blocks = (uint32_t)((len + MF__BLOCK - 1) / MF__BLOCK);
	struct mf__chunk_ref *ref = new_chunk(scan, seg, block, blocks);
	const struct mf__record_head *head = NULL;
	struct mf__cursor cursor = {
		.len = len & ~(size_t)7,
		.offset = block * MF__BLOCK,
		.seed = seg->seed,
	};

	cursor.bytes = bytes;
	if (!ref)
		return -ENOMEM;
	scan->damaged++;
	if (mf__cursor_next(&cursor, &head) == 0) {
		scan->damaged_bytes += len;
		return 0;
	}
	ref->is_orphan = true;
	ref->pos = (uint32_t)((const char *)head - bytes);
	ref->key = mf__scan_wall(scan, ref, head->time_ns);
	scan->damaged_bytes += ref->pos;
	keep_chunk(scan, ref);
	return 0;
}

static int remember_hole(struct mf__segment *seg, uint64_t block)
{
	if (seg->holes_len == seg->holes_cap) {
		size_t cap = seg->holes_cap ? seg->holes_cap * 2 : 64;
		uint32_t *holes = realloc(seg->holes, cap * sizeof(*holes));

		if (!holes)
			return -ENOMEM;
		seg->holes = holes;
		seg->holes_cap = cap;
	}
	seg->holes[seg->holes_len++] = (uint32_t)block;
	return 0;
}

enum block_kind {
	BLOCK_CHUNK,
	BLOCK_HOLE,
	BLOCK_ORPHAN,
	BLOCK_END
};

static enum block_kind look_at_block(struct mf__scan *scan,
                                     const struct mf__segment *seg,
                                     uint64_t block, char *bytes, size_t *len)
{
	const struct mf__chunk_head *head = (const void *)bytes;
	uint64_t key = seg->seed + block * MF__BLOCK;
	int64_t n = read_at(scan, seg, block * MF__BLOCK, bytes, sizeof(*head));

	if (n < (int64_t)sizeof(*head))
		return BLOCK_END;
	if (mf__chunk_is_valid(head, key))
		return BLOCK_CHUNK;
	n = read_at(scan, seg, block * MF__BLOCK, bytes, MF__BLOCK);
	if (n < (int64_t)sizeof(*head))
		return BLOCK_END;
	*len = (size_t)n;
	/* The owner of a chunk writes the magic behind the rest of its head. */
	if (head->magic == 0 &&
	    is_all_zero(bytes + sizeof(*head), *len - sizeof(*head)))
		return BLOCK_HOLE;
	return BLOCK_ORPHAN;
}

/* Look at one place; returns how many blocks it settles, or negative. */
static int look_at(struct mf__scan *scan, struct mf__segment *seg,
                   uint64_t block, char *bytes)
{
	const struct mf__chunk_head *head = (const void *)bytes;
	size_t len = 0;
	size_t whole = 0;
	int rc;

	switch (look_at_block(scan, seg, block, bytes, &len)) {
	case BLOCK_END:
		return 0;
	case BLOCK_HOLE:
		rc = remember_hole(seg, block);
		return rc < 0 ? rc : 1;
	case BLOCK_CHUNK:
		rc = add_chunk(scan, seg, block, head);
		return rc < 0 ? rc : (int)head->blocks;
	case BLOCK_ORPHAN:
		break;
	}
	/* A record may reach into the blocks behind: take them along. */
	for (whole = len; len == MF__BLOCK &&
	                  whole < (size_t)MF__CHUNK_BLOCKS_MAX * MF__BLOCK;
	     whole += len) {
		if (look_at_block(scan, seg, block + whole / MF__BLOCK,
		                  bytes + whole, &len) != BLOCK_ORPHAN)
			break;
	}
	rc = add_orphan(scan, seg, block, bytes, whole);
	return rc < 0 ? rc : (int)((whole + MF__BLOCK - 1) / MF__BLOCK);
}

static int look_at_segment(struct mf__scan *scan, struct mf__segment *seg,
                           char *bytes)
{
	uint32_t *holes = seg->holes;
	size_t holes_len = seg->holes_len;
	struct stat st;
	int rc = 1;

	if (fstat(seg->fd, &st) < 0)
		return -errno;
	seg->size = (uint64_t)st.st_size;
	seg->blocks = (seg->size + MF__BLOCK - 1) / MF__BLOCK;
	if (seg->blocks > seg->capacity / MF__BLOCK)
		seg->blocks = seg->capacity / MF__BLOCK; /* none of ours */
	seg->holes = NULL;
	seg->holes_len = 0;
	seg->holes_cap = 0;
	for (size_t i = 0; rc > 0 && i < holes_len; i++) {
		uint64_t block = holes[i];

		rc = look_at(scan, seg, block, bytes);
		if (rc == 0) /* cut off by the recorder when it left */
			rc = 1;
		/* Holes inside what was settled just now are none. */
		while (rc > 1 && i + 1 < holes_len &&
		       holes[i + 1] < block + (uint64_t)rc)
			i++;
	}
	free(holes);
	while (rc > 0 && seg->next < seg->blocks) {
		rc = look_at(scan, seg, seg->next, bytes);
		if (rc > 0)
			seg->next += (uint64_t)rc;
	}
	return rc < 0 ? rc : 0;
}

int mf__scan_look(struct mf__scan *scan, struct mf_err *err)
{
	char *bytes = malloc((size_t)(MF__CHUNK_BLOCKS_MAX + 1) * MF__BLOCK);
	int rc;

	if (!bytes)
		return mf_fail(err, -ENOMEM, "out of memory");
	rc = find_segments(scan, err);
	for (size_t i = 0; rc == 0 && i < scan->segments_len; i++) {
		rc = look_at_segment(scan, &scan->segments[i], bytes);
		if (rc < 0)
			mf_fail(err, rc, "cannot read journal '%s'", scan->dir);
	}
	free(bytes);
	return rc;
}

int mf__scan_open(struct mf__scan *scan, const char *dir, struct mf_err *err)
{
	struct mf_buf path = {0};
	int rc;

	mf_buf_printf(&path, "%s/", dir);
	scan->dir = strdup(dir);
	scan->any_path = mf_buf_detach(&path);
	if (!scan->dir || !scan->any_path)
		return mf_fail(err, -ENOMEM, "out of memory");
	rc = mf__scan_look(scan, err);
	if (rc < 0 || scan->segments_len > 0)
		return rc;
	if (scan->refused && scan->refused != -EBADF)
		rc = mf_fail(err, scan->refused,
		             "cannot read the journal in '%s'", dir);
	else
		rc = mf_fail(err, -MF_EFORMAT, "no journal in '%s'", dir);
	return rc;
}

int64_t mf__scan_read(struct mf__scan *scan, const struct mf__chunk_ref *ref,
                      char *out, size_t size)
{
	return read_at(scan, &scan->segments[ref->segment],
	               (uint64_t)ref->block * MF__BLOCK, out, size);
}

bool mf__scan_has_more(struct mf__scan *scan, const struct mf__chunk_ref *ref)
{
	uint32_t word = 0;

	if (ref->has_bad || ref->pos + sizeof(struct mf__record_head) >
	                            (size_t)ref->blocks * MF__BLOCK)
		return false;
	if (read_at(scan, &scan->segments[ref->segment],
	            (uint64_t)ref->block * MF__BLOCK + ref->pos, &word,
	            sizeof(word)) != sizeof(word))
		return false;
	return ref->has_torn ? (word & MF__RECORD_COMMIT) != 0 : word != 0;
}

/* Lanes together, each in the order of its chunks. */
static int by_lane(const void *left, const void *right)
{
	const struct mf__chunk_ref *a = *(struct mf__chunk_ref *const *)left;
	const struct mf__chunk_ref *b = *(struct mf__chunk_ref *const *)right;

#define MF_BY(member)                                                          \
	if (a->member != b->member)                                            \
	return a->member < b->member ? -1 : 1
	MF_BY(pid);
	MF_BY(start_ticks);
	MF_BY(lane);
	MF_BY(seq);
#undef MF_BY
	return 0;
}

static bool is_same_lane(const struct mf__scan *scan,
                         const struct mf__chunk_ref *a,
                         const struct mf__chunk_ref *b)
{
	return a->pid == b->pid && a->start_ticks == b->start_ticks &&
	       a->lane == b->lane && a->seq < b->seq && a->first <= b->first &&
	       !a->is_orphan && !b->is_orphan &&
	       scan->segments[a->segment].host ==
	               scan->segments[b->segment].host;
}

/*
 * A process that calls exec begins to count lanes and chunks anew. Where that
 * mixes two images, the next in line has the same number or an earlier time,
 * and the chunk stays open; or it is of the later image, and bounds it too.
 */
void mf__scan_bound(struct mf__scan *scan)
{
	struct mf__chunk_ref **chunks = scan->chunks;

	if (scan->chunks_len == 0)
		return;
	qsort(chunks, scan->chunks_len, sizeof(struct mf__chunk_ref *),
	      by_lane);
	for (size_t i = 0; i < scan->chunks_len; i++) {
		chunks[i]->until = UINT64_MAX;
		if (i + 1 < scan->chunks_len &&
		    is_same_lane(scan, chunks[i], chunks[i + 1]))
			chunks[i]->until = chunks[i + 1]->first;
	}
}

void mf__scan_rewind(struct mf__chunk_ref *ref)
{
	ref->key = ref->first;
	ref->pos = ref->first_pos;
	ref->state = MF__CHUNK_NEW;
	ref->has_torn = false;
	ref->has_bad = false;
}

void mf__scan_health(struct mf__scan *scan, struct mf_journal_health *health)
{
	uint64_t dropped[MF_DROP_REASONS] = {0};

	health->dropped = 0;
	health->dropped_bytes = 0;
	health->file_bytes = 0;
	for (size_t i = 0; i < scan->segments_len; i++) {
		struct mf__segment *seg = &scan->segments[i];
		struct mf__segment_head head;

		health->file_bytes += seg->size;
		if (seg->is_head_damaged ||
		    read_at(scan, seg, 0, &head, sizeof(head)) !=
		            (int64_t)sizeof(head))
			continue;
		for (size_t why = 0; why < MF_DROP_REASONS; why++) {
			dropped[why] += head.dropped[why];
			health->dropped += head.dropped[why];
		}
		health->dropped_bytes += head.dropped_bytes;
	}
	memcpy(health->dropped_why, dropped, sizeof(dropped));
	health->segments = scan->segments_len;
	health->bytes_read = scan->bytes_read;
	health->damaged += scan->damaged;
	health->damaged_bytes += scan->damaged_bytes;
	scan->damaged = 0;
	scan->damaged_bytes = 0;
}

void mf__scan_close(struct mf__scan *scan)
{
	for (size_t i = 0; i < scan->segments_len; i++) {
		close(scan->segments[i].fd);
		free(scan->segments[i].holes);
	}
	free(scan->segments);
	free(scan->hosts);
	free(scan->chunks);
	free(scan->dir);
	free(scan->any_path);
	mf_map_clear(&scan->names);
	mf_arena_clear(&scan->arena);
}

/* Recognition: base/str.c only, no malloc, no stdio. */
#include "mfcore/dslayout.h"

#include <stddef.h>

#include "mfcore/pathspec.h"

enum {
	PARTS_MAX = 9, /* mf.cards: Flow/runs/R/steps/S/tasks/T/cards/file */
	TMP_NAME_LEN = 11, /* tmp and eight more */
	KEY_LEN = 40,
};

static const char *const words[] = {"none",
#define MF_DS_WORD(name, word, meaning) [MF_DS_##name] = (word),
                                    MF_DSFILE_MAP(MF_DS_WORD)
#undef MF_DS_WORD
};

static const char *const meanings[] = {"",
#define MF_DS_MEANING(name, word, meaning) [MF_DS_##name] = (meaning),
                                       MF_DSFILE_MAP(MF_DS_MEANING)
#undef MF_DS_MEANING
};

static const struct {
	const char *suffix; /* behind "N." */
	enum mf_dsfile kind;
} task_files[] = {
	{"attempt.json", MF_DS_ATTEMPT},
	{"task_begin", MF_DS_TASK_BEGIN},
	{"task_end", MF_DS_TASK_END},
	{"data.json", MF_DS_DATA},
	{"DONE.lock", MF_DS_DONE},
	{"runtime", MF_DS_RUNTIME},
	{"runtime_stdout.log", MF_DS_RUNTIME_STDOUT},
	{"runtime_stderr.log", MF_DS_RUNTIME_STDERR},
	{"task_stdout.log", MF_DS_TASK_STDOUT},
	{"task_stderr.log", MF_DS_TASK_STDERR},
	{"local_metadata", MF_DS_LOCAL_METADATA},
};

const char *mf_dsfile_word(enum mf_dsfile kind)
{
	return (unsigned)kind < MF_DS_KINDS ? words[kind] : words[MF_DS_NONE];
}

const char *mf_dsfile_meaning(enum mf_dsfile kind)
{
	return (unsigned)kind < MF_DS_KINDS ? meanings[kind] : "";
}

/* The parts behind the root, first to last. */
struct parts {
	struct mf_str at[PARTS_MAX];
	size_t len;
};

static bool is_temporary(struct mf_str name)
{
	if (name.len != TMP_NAME_LEN || !mf_str_starts(name, "tmp"))
		return false;
	for (size_t i = 3; i < name.len; i++)
		if (name.ptr[i] != '_' &&
		    !((name.ptr[i] >= 'a' && name.ptr[i] <= 'z') ||
		      (name.ptr[i] >= '0' && name.ptr[i] <= '9')))
			return false;
	return true;
}

static bool is_key(struct mf_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') ||
		      (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
			return false;
	return s.len == KEY_LEN;
}

/* Cut "N" and `separator` off the front of a name. */
static bool cut_attempt(struct mf_str *name, char separator, int *out)
{
	struct mf_str rest = *name;
	struct mf_str number = mf_str_cut(&rest, separator);
	uint64_t attempt;

	if (number.len > 3 || !mf_str_u64(number, &attempt) || rest.len == 0)
		return false;
	*out = (int)attempt;
	*name = rest;
	return true;
}

/* Flow/run/step/task, as many of them as there are. */
static bool set_names(const struct mf_str *at, size_t len,
                      struct mf_dslayout *out)
{
	if (len == 0 || len > 4 || !mf_pathspec_is_name(at[0]) ||
	    (len > 1 && !mf_pathspec_is_id(at[1])) ||
	    (len > 2 && !mf_pathspec_is_name(at[2])) ||
	    (len > 3 && !mf_pathspec_is_id(at[3])))
		return false;
	out->flow = at[0];
	out->run = len > 1 ? at[1] : (struct mf_str){NULL, 0};
	out->step = len > 2 ? at[2] : (struct mf_str){NULL, 0};
	out->task = len > 3 ? at[3] : (struct mf_str){NULL, 0};
	return true;
}

static bool parse_task_file(const struct mf_str *at, struct mf_dslayout *out)
{
	struct mf_str name = at[4];

	if (mf_str_is(name, "_resume_done"))
		out->kind = MF_DS_RESUME_DONE;
	else if (mf_str_is(name, "_resume_leader"))
		out->kind = MF_DS_RESUME_LEADER;
	else if (cut_attempt(&name, '.', &out->attempt))
		for (size_t i = 0; i < sizeof(task_files) / sizeof(*task_files);
		     i++)
			if (mf_str_is(name, task_files[i].suffix))
				out->kind = task_files[i].kind;
	return out->kind != MF_DS_NONE && set_names(at, 4, out);
}

/* sysmeta_<field>_<ms>.json; the field may hold any '_' but the last. */
static bool parse_sysmeta(struct mf_str name, struct mf_dslayout *out)
{
	size_t at;

	if (!mf_str_starts(name, "sysmeta_") || !mf_str_ends(name, ".json"))
		return false;
	name = mf_str_from(name, sizeof("sysmeta_") - 1);
	name.len -= sizeof(".json") - 1;
	for (at = name.len; at > 0 && name.ptr[at - 1] != '_'; at--)
		;
	if (at < 2 || !mf_str_u64(mf_str_from(name, at), &out->time_ms))
		return false;
	out->kind = MF_DS_SYSMETA;
	out->name = (struct mf_str){name.ptr, at - 1};
	return true;
}

/* N_artifact_<name>.json */
static bool parse_artifact(struct mf_str name, struct mf_dslayout *out)
{
	if (!mf_str_ends(name, ".json"))
		return false;
	name.len -= sizeof(".json") - 1;
	if (!cut_attempt(&name, '_', &out->attempt) ||
	    !mf_str_starts(name, "artifact_"))
		return false;
	out->name = mf_str_from(name, sizeof("artifact_") - 1);
	if (out->name.len == 0)
		return false;
	out->kind = MF_DS_ARTIFACT;
	return true;
}

static bool parse_meta(const struct mf_str *at, size_t len,
                       struct mf_dslayout *out)
{
	struct mf_str file = at[len - 1];

	if (!mf_str_is(at[len - 2], "_meta") || !set_names(at, len - 2, out))
		return false;
	if (mf_str_is(file, "_self.json"))
		out->kind = MF_DS_SELF;
	else if (len == 6 && !parse_sysmeta(file, out))
		parse_artifact(file, out);
	return out->kind != MF_DS_NONE;
}

/* Flow/data/xx/<key>[_meta] */
static bool parse_blob(const struct mf_str *at, struct mf_dslayout *out)
{
	struct mf_str key = at[3];
	bool is_meta = mf_str_ends(key, "_meta");

	if (is_meta)
		key.len -= sizeof("_meta") - 1;
	if (!mf_str_is(at[1], "data") || at[2].len != 2 || !is_key(key) ||
	    !mf_str_eq(at[2], (struct mf_str){key.ptr, 2}))
		return false;
	out->kind = is_meta ? MF_DS_BLOB_META : MF_DS_BLOB;
	out->name = key;
	return set_names(at, 1, out);
}

/* Flow/runs/R/steps/S/tasks/T/cards|runtime/file */
static bool parse_card(const struct mf_str *at, struct mf_dslayout *out)
{
	const struct mf_str names[] = {at[0], at[2], at[4], at[6]};

	if (!mf_str_is(at[1], "runs") || !mf_str_is(at[3], "steps") ||
	    !mf_str_is(at[5], "tasks"))
		return false;
	if (mf_str_is(at[7], "cards") && mf_str_ends(at[8], ".html"))
		out->kind = MF_DS_CARD;
	else if (mf_str_is(at[7], "runtime") &&
	         mf_str_ends(at[8], ".data.json"))
		out->kind = MF_DS_CARD_DATA;
	else
		return false;
	out->name = at[8];
	return set_names(names, 4, out);
}

static bool parse_parts(const struct parts *parts, struct mf_dslayout *out)
{
	const struct mf_str *at = parts->at;

	if (parts->len < 2 || is_temporary(at[parts->len - 1]))
		return false;
	if (parts->len == PARTS_MAX)
		return parse_card(at, out);
	if (parts->len == 2 && mf_str_is(at[1], "latest_run")) {
		out->kind = MF_DS_LATEST_RUN;
		return set_names(at, 1, out);
	}
	if (parts->len <= 6 && parts->len >= 3 &&
	    mf_str_is(at[parts->len - 2], "_meta"))
		return parse_meta(at, parts->len, out);
	if (parts->len == 4)
		return parse_blob(at, out);
	return parts->len == 5 && parse_task_file(at, out);
}

/* Cut all behind the root into parts; false for too many or an empty one. */
static bool cut_parts(struct mf_str rest, struct parts *out)
{
	out->len = 0;
	while (rest.len > 0) {
		if (out->len == PARTS_MAX)
			return false;
		out->at[out->len] = mf_str_cut(&rest, '/');
		if (out->at[out->len++].len == 0)
			return false;
	}
	return true;
}

/* The length of the root in `path`, up to its last known directory; or 0. */
static size_t find_root(struct mf_str path)
{
	static const char *const names[] = {".metaflow", ".metaflow_spin",
	                                    "mf.cards"};
	struct mf_str rest = path;
	size_t end = 0;

	while (rest.len > 0) {
		struct mf_str part = mf_str_cut(&rest, '/');

		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (mf_str_is(part, names[i]))
				end = (size_t)(part.ptr - path.ptr) + part.len;
	}
	return end;
}

/* Keep the last `n` parts; false where there are fewer before them. */
static bool take_last(struct mf_str path, size_t n, struct parts *out,
                      size_t *root_len)
{
	size_t at = path.len;

	for (size_t i = 0; i < n; i++) {
		if (i > 0 && at-- == 0)
			return false;
		while (at > 0 && path.ptr[at - 1] != '/')
			at--;
	}
	*root_len = at > 0 ? at - 1 : 0;
	return cut_parts(mf_str_from(path, at), out) && out->len == n;
}

/* Without a root only names that leave no doubt are taken. */
static bool parse_rootless(struct mf_str path, struct mf_dslayout *out)
{
	static const size_t depths[] = {5, 6, 4};
	struct parts parts;
	size_t root_len;

	for (size_t i = 0; i < sizeof(depths) / sizeof(*depths); i++) {
		*out = (struct mf_dslayout){.attempt = -1};
		if (take_last(path, depths[i], &parts, &root_len) &&
		    parse_parts(&parts, out) && out->kind != MF_DS_SELF) {
			out->root = (struct mf_str){path.ptr, root_len};
			return true;
		}
	}
	return false;
}

bool mf_dslayout_parse(struct mf_str path, struct mf_str root,
                       struct mf_dslayout *out)
{
	struct mf_dslayout found = {.attempt = -1};
	struct parts parts;
	size_t len;

	*out = found;
	while (root.len > 1 && root.ptr[root.len - 1] == '/')
		root.len--;
	if (root.len > 0 && path.len > root.len &&
	    mf_str_eq((struct mf_str){path.ptr, root.len}, root) &&
	    path.ptr[root.len] == '/')
		len = root.len;
	else
		len = find_root(path);
	if (mf_str_starts(mf_str_from(path, len), "/mf.cards/"))
		len += sizeof("/mf.cards") - 1;
	if (len == 0) {
		if (!parse_rootless(path, &found))
			return false;
		*out = found;
		return true;
	}
	if (!cut_parts(mf_str_from(path, len + 1), &parts) ||
	    !parse_parts(&parts, &found))
		return false;
	found.root = (struct mf_str){path.ptr, len};
	*out = found;
	return true;
}

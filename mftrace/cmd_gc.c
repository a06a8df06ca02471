#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "commands.h"
#include "mfcli/out.h"
#include "mfcli/places.h"
#include "mfcore/json.h"
#include "mfcore/text.h"

#define DAY_S 86400u

struct gc_opts {
	const char *keep_days;
	const char *keep;
	uint64_t max_size;
	bool dry_run;
	bool json;
};

/* The limits asked for; UINT64_MAX where none was. */
struct limits {
	uint64_t days;
	uint64_t count;
	uint64_t bytes;
};

struct tally {
	uint64_t deleted;
	uint64_t freed;
	uint64_t kept;
	uint64_t failed;
};

static int read_number(const char *text, const char *option, uint64_t *out,
                       struct mf_err *err)
{
	*out = UINT64_MAX;
	if (text && !mf_str_u64(mf_str(text), out))
		return mf_fail(err, -EINVAL, "'--%s' takes a number, not '%s'",
		               option, text);
	return 0;
}

/* Seconds since a session's directory last changed. */
static uint64_t age_of(const struct mf_session *session, time_t now)
{
	struct stat st;

	if (stat(session->dir, &st) < 0 || st.st_mtime > now)
		return 0;
	return (uint64_t)(now - st.st_mtime);
}

static const char *reason_to_delete(const struct limits *limits, uint64_t index,
                                    uint64_t age_s, uint64_t bytes_until)
{
	if (limits->days != UINT64_MAX && age_s / DAY_S >= limits->days)
		return "old";
	if (index >= limits->count)
		return "one too many";
	if (bytes_until > limits->bytes)
		return "above the size";
	return NULL;
}

static void tell(const struct mf_session *session, uint64_t size,
                 const char *why, const struct gc_opts *opts, cJSON *list)
{
	struct mf_buf buf = {0};
	cJSON *obj;

	if (list) {
		obj = cJSON_CreateObject();
		mf_json_str(obj, "id", mf_str(session->id));
		mf_json_str(obj, "dir", mf_str(session->dir));
		mf_json_u64(obj, "size_bytes", size);
		mf_json_str(obj, "why", mf_str(why));
		cJSON_AddItemToArray(list, obj);
		return;
	}
	mf_buf_puts(&buf, opts->dry_run ? "would delete " : "deleted ");
	mf_text_terminal(&buf, mf_str(session->id));
	mf_buf_puts(&buf, "  ");
	mf_text_size(&buf, size);
	mf_buf_printf(&buf, "  (%s)\n", why);
	if (mf_buf_ok(&buf))
		fputs(buf.ptr, stdout);
	mf_buf_clear(&buf);
}

/* The list is newest first: what stands behind a limit goes. */
static void collect(const struct mf_session_list *sessions,
                    const struct mf_session_places *places,
                    const struct limits *limits, const struct gc_opts *opts,
                    cJSON *list, struct tally *t)
{
	time_t now = time(NULL);
	struct mf_err err = {0};
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < sessions->len; i++) {
		const struct mf_session *s = &sessions->items[i];
		uint64_t size = mf_session_size(s);
		const char *why;
		int rc;

		bytes += size;
		why = reason_to_delete(limits, t->kept, age_of(s, now), bytes);
		if (!why || mf_session_is_live(s)) {
			t->kept++;
			continue;
		}
		rc = opts->dry_run ? 0 : mf_session_delete(s, places, &err);
		if (rc < 0) {
			mf_cli_error("mftrace", rc, &err);
			t->failed++;
			t->kept++;
			continue;
		}
		bytes -= size;
		t->deleted++;
		t->freed += size;
		tell(s, size, why, opts, list);
	}
}

static int print_end(const struct gc_opts *opts, const struct tally *t,
                     cJSON *doc, struct mf_err *err)
{
	struct mf_buf buf = {0};

	if (opts->json) {
		mf_json_u64(doc, "deleted", t->deleted);
		mf_json_u64(doc, "freed_bytes", t->freed);
		mf_json_u64(doc, "kept", t->kept);
		cJSON_AddBoolToObject(doc, "dry_run", opts->dry_run);
		return mf_json_print(doc, err);
	}
	mf_text_size(&buf, t->freed);
	if (mf_buf_ok(&buf))
		printf("%s%llu session%s, %s; %llu kept\n",
		       opts->dry_run ? "would delete " : "deleted ",
		       (unsigned long long)t->deleted,
		       t->deleted == 1 ? "" : "s", buf.ptr,
		       (unsigned long long)t->kept);
	mf_buf_clear(&buf);
	return 0;
}

static int read_limits(const struct gc_opts *opts, struct limits *limits,
                       struct mf_err *err)
{
	int rc = read_number(opts->keep_days, "keep-days", &limits->days, err);

	if (rc == 0)
		rc = read_number(opts->keep, "keep", &limits->count, err);
	limits->bytes = opts->max_size;
	if (rc == 0 && !opts->keep_days && !opts->keep &&
	    opts->max_size == UINT64_MAX)
		rc = mf_fail(err, -EINVAL,
		             "say what to keep: --keep-days, --keep or "
		             "--max-size");
	return rc;
}

static int gc_run(const struct mf_args *args, struct mf_err *err)
{
	const struct gc_opts *opts = args->opts;
	struct mf_session_list sessions = {0};
	struct mf_cli_places places;
	cJSON *doc = NULL, *list = NULL;
	struct limits limits;
	struct tally t = {0};
	int rc;

	rc = read_limits(opts, &limits, err);
	if (rc == 0)
		rc = mf_cli_places(&places, err);
	if (rc == 0)
		rc = mf_session_list(&sessions, &places.where, err);
	if (rc < 0)
		goto out;
	if (opts->json) {
		doc = mf_json_document("mftrace", "gc");
		list = cJSON_AddArrayToObject(doc, "sessions");
		if (!list) {
			cJSON_Delete(doc);
			rc = mf_fail(err, -ENOMEM, "cannot print");
			goto out;
		}
	}
	collect(&sessions, &places.where, &limits, opts, list, &t);
	rc = print_end(opts, &t, doc, err);
	if (rc == 0 && t.failed)
		rc = MF_EXIT_FAILED;

out:
	mf_session_list_clear(&sessions);
	return rc;
}

static const struct gc_opts defaults = {.max_size = UINT64_MAX};

static const struct mf_opt gc_options[] = {
	MF_OPT_STRING(0, "keep-days", "N",
                      "delete sessions that last changed N days ago or earlier",
                      struct gc_opts, keep_days),
	MF_OPT_STRING(0, "keep", "N", "keep the N newest, delete the others",
                      struct gc_opts, keep),
	MF_OPT_SIZE(0, "max-size", "SIZE",
                    "keep the newest that take SIZE together", struct gc_opts,
                    max_size),
	MF_OPT_BOOL('n', "dry-run", "say what would be deleted, delete nothing",
                    struct gc_opts, dry_run),
	MF_OPT_BOOL(0, "json", "print JSON", struct gc_opts, json),
	MF_OPT_END,
};

const struct mf_cmd cmd_gc = {
	.name = "gc",
	.summary = "delete old sessions by age, number or size",
	.details =
		"At least one limit has to be given; a session that exceeds "
		"any of them is deleted. A session that is being recorded is "
		"never deleted, nor is a directory that holds anything that "
		"the recorder did not put there.",
	.options = gc_options,
	.options_size = sizeof(struct gc_opts),
	.defaults = &defaults,
	.run = gc_run,
};

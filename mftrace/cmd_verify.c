#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "mfcli/out.h"
#include "mfcli/view.h"
#include "mfcore/json.h"
#include "mfcore/text.h"

struct verify_opts {
	const char *session;
	bool json;
};

/* What the model adds to the journal's own account. */
struct account {
	uint64_t blobs;
	uint64_t blobs_bad;
	uint64_t notes;
	uint64_t output_excess;
	uint64_t unknown; /* records of a type this version does not know */
	bool has_session;
	bool has_end;
};

static void check_blobs(struct mf_view *view, const struct mf_event *ev,
                        struct mf_buf *scratch, struct account *a)
{
	struct mf_field_value f;
	size_t pos = 0;

	while (mf_event_field(ev, &pos, &f) > 0) {
		if (f.kind != MF_KIND_BLOB)
			continue;
		a->blobs++;
		mf_buf_reset(scratch);
		if (mf_journal_bytes(view->journal, ev, (enum mf_field)f.id,
		                     scratch) < 0)
			a->blobs_bad++;
	}
}

static void count(const struct mf_event *ev, struct account *a)
{
	if (!mf_event_word(ev->type))
		a->unknown++;
	if (ev->type == MF_EV_SESSION)
		a->has_session = true;
	else if (ev->type == MF_EV_SESSION_END)
		a->has_end = true;
	else if (ev->type == MF_EV_NOTE)
		a->notes++;
	else if (ev->type == MF_EV_COUNTER &&
	         mf_str_is(mf_event_bytes(ev, MF_F_ROLE), "output-excess"))
		a->output_excess += ev->counter;
}

static int read_all(struct mf_view *view, struct account *a, struct mf_err *err)
{
	struct mf_buf scratch = {0};
	struct mf_event ev;
	int rc;

	while ((rc = mf_journal_next(view->journal, &ev)) > 0) {
		count(&ev, a);
		check_blobs(view, &ev, &scratch, a);
	}
	mf_buf_clear(&scratch);
	return rc < 0 ? mf_fail(err, rc, "cannot read the journal") : 0;
}

/* Numbers that nobody's death explains: a record not committed had one. */
static uint64_t missing(const struct mf_journal_health *h)
{
	return h->lost_seqs > h->uncommitted ? h->lost_seqs - h->uncommitted
	                                     : 0;
}

/* Something is missing that was there, or should have come. */
static bool is_damaged(const struct mf_journal_health *h,
                       const struct account *a)
{
	return h->damaged || missing(h) || a->blobs_bad || !a->has_session;
}

static void line(struct mf_buf *buf, uint64_t n, const char *what)
{
	if (n)
		mf_buf_printf(buf, "  %" PRIu64 " %s\n", n, what);
}

static void put_text(struct mf_buf *buf, const struct mf_view *view,
                     const struct mf_journal_health *h, const struct account *a)
{
	int why;

	mf_buf_printf(buf, "%s  %s: %" PRIu64 " records, ",
	              is_damaged(h, a) ? "DAMAGED" : "whole", view->session.id,
	              h->records);
	mf_text_size(buf, h->file_bytes);
	mf_buf_printf(buf, " in %" PRIu64 " file%s, %" PRIu64 " blob%s\n",
	              h->segments, h->segments == 1 ? "" : "s", a->blobs,
	              a->blobs == 1 ? "" : "s");
	if (!a->has_session)
		mf_buf_puts(buf, "  the record of the session's beginning is "
		                 "missing\n");
	line(buf, h->damaged, "damaged places skipped");
	line(buf, h->damaged_bytes, "bytes in them");
	line(buf, missing(h),
	     "records missing in the numbering of their "
	     "threads");
	line(buf, a->blobs_bad, "blobs missing or not what was recorded");
	line(buf, h->uncommitted,
	     "records begun and not committed: their "
	     "writer died in the middle");
	line(buf, h->dropped, "records dropped by the writers:");
	for (why = 0; why < MF_DROP_REASONS; why++)
		if (h->dropped_why[why])
			mf_buf_printf(buf, "    %" PRIu64 " %s\n",
			              h->dropped_why[why],
			              mf_drop_word((enum mf_drop)why));
	line(buf, a->output_excess, "bytes of output not kept (--output-max)");
	line(buf, a->unknown, "records of a kind this version does not know");
	line(buf, a->notes,
	     "notes of the recorder ('mftrace show --kind "
	     "note' prints them)");
	if (!a->has_end)
		mf_buf_puts(buf, view->is_live
		                         ? "  the session is being recorded\n"
		                         : "  the recorder did not finish\n");
}

static int print_json(const struct mf_view *view,
                      const struct mf_journal_health *h,
                      const struct account *a, struct mf_err *err)
{
	cJSON *doc = mf_json_document("mftrace", "verify");
	cJSON *dropped;
	int why;

	mf_json_str(doc, "session", mf_str(view->session.id));
	cJSON_AddBoolToObject(doc, "whole", !is_damaged(h, a));
	cJSON_AddBoolToObject(doc, "ended", a->has_end);
	cJSON_AddBoolToObject(doc, "live", view->is_live);
	mf_json_u64(doc, "records", h->records);
	mf_json_u64(doc, "files", h->segments);
	mf_json_u64(doc, "file_bytes", h->file_bytes);
	mf_json_u64(doc, "damaged", h->damaged);
	mf_json_u64(doc, "damaged_bytes", h->damaged_bytes);
	mf_json_u64(doc, "missing_records", missing(h));
	mf_json_u64(doc, "uncommitted", h->uncommitted);
	mf_json_u64(doc, "blobs", a->blobs);
	mf_json_u64(doc, "blobs_damaged", a->blobs_bad);
	mf_json_u64(doc, "dropped", h->dropped);
	mf_json_u64(doc, "dropped_bytes", h->dropped_bytes);
	dropped = cJSON_AddObjectToObject(doc, "dropped_why");
	for (why = 0; why < MF_DROP_REASONS; why++)
		if (h->dropped_why[why])
			mf_json_u64(dropped, mf_drop_word((enum mf_drop)why),
			            h->dropped_why[why]);
	mf_json_u64(doc, "output_not_kept_bytes", a->output_excess);
	mf_json_u64(doc, "notes", a->notes);
	mf_json_u64(doc, "unknown_records", a->unknown);
	return mf_json_print(doc, err);
}

static int verify_run(const struct mf_args *args, struct mf_err *err)
{
	const struct verify_opts *opts = args->opts;
	const struct mf_journal_health *h;
	struct account a = {0};
	struct mf_buf text = {0};
	struct mf_view view;
	int rc;

	rc = mf_view_open(&view, opts->session, args->argv[0], err);
	if (rc < 0)
		goto out;
	mf_journal_check_sequences(view.journal);
	rc = read_all(&view, &a, err);
	if (rc < 0)
		goto out;
	h = mf_journal_health(view.journal);
	if (opts->json) {
		rc = print_json(&view, h, &a, err);
	} else {
		put_text(&text, &view, h, &a);
		if (mf_buf_ok(&text))
			fputs(text.ptr, stdout);
		else
			rc = mf_fail(err, -ENOMEM, "cannot print");
	}
	if (rc == 0 && is_damaged(h, &a))
		rc = MF_EXIT_NO;

out:
	mf_buf_clear(&text);
	mf_view_close(&view);
	return rc;
}

static const struct mf_opt verify_options[] = {
	MF_OPT_STRING('s', "session", "SESSION",
                      "a session's id, a prefix of it, or its directory",
                      struct verify_opts, session),
	MF_OPT_BOOL(0, "json", "print JSON", struct verify_opts, json),
	MF_OPT_END,
};

const struct mf_cmd cmd_verify = {
	.name = "verify",
	.operands = "[SESSION]",
	.summary = "read everything and say what is damaged or missing",
	.details =
		"Reads every record and every blob and checks their sums. The "
		"exit status is 3 when something is damaged or missing. "
		"Records that writers dropped (a full disk, a limit) or began "
		"and did not commit (they were killed) are told, and are no "
		"damage: the journal is whole and says itself what it lacks.",
	.max_operands = 1,
	.options = verify_options,
	.options_size = sizeof(struct verify_opts),
	.run = verify_run,
};

#include "mfcli/view.h"

#include <errno.h>
#include <string.h>

#include "mfcli/places.h"
#include "mfcore/text.h"

enum {
	WAIT_MS = 500, /* between looks at whether the recorder lives */
};

int mf_view_open(struct mf_view *view, const char *option, const char *operand,
                 struct mf_err *err)
{
	int rc;

	memset(view, 0, sizeof(*view));
	rc = mf_cli_session(&view->session, option, operand, err);
	if (rc < 0)
		return rc;
	view->is_live = mf_session_is_live(&view->session);
	return mf_view_rewind(view, err);
}

void mf_view_close(struct mf_view *view)
{
	mf_model_free(view->model);
	mf_journal_close(view->journal);
	mf_session_clear(&view->session);
	memset(view, 0, sizeof(*view));
}

int mf_view_rewind(struct mf_view *view, struct mf_err *err)
{
	int rc;

	mf_model_free(view->model);
	mf_journal_close(view->journal);
	view->model = NULL;
	view->journal = NULL;
	view->root = NULL;
	view->has_ahead = false;
	view->is_before = false;
	rc = mf_journal_open(&view->journal, view->session.dir, err);
	if (rc < 0)
		return rc;
	rc = mf_model_new(&view->model);
	if (rc == 0)
		rc = mf_model_set_id(view->model, mf_str(view->session.id));
	return rc < 0 ? mf_fail(err, rc, "cannot make the tree") : 0;
}

int mf_view_read(struct mf_view *view, uint64_t until_ns, struct mf_err *err)
{
	int rc = 1;

	for (;;) {
		if (!view->has_ahead)
			rc = mf_journal_next(view->journal, &view->ahead);
		view->has_ahead = rc > 0;
		if (rc <= 0)
			break;
		if (until_ns && view->ahead.wall_ns > until_ns) {
			view->is_before = true;
			return 0;
		}
		view->has_ahead = false;
		rc = mf_model_fold(view->model, &view->ahead, view->journal);
		if (rc < 0)
			break;
	}
	view->is_before = false;
	if (rc < 0)
		return mf_fail(err, rc, "cannot read the journal");
	return 0;
}

int mf_view_tree(struct mf_view *view, struct mf_err *err)
{
	int rc = mf_model_tree(view->model, view->is_live || view->is_before,
	                       &view->root);

	return rc < 0 ? mf_fail(err, rc, "cannot make the tree") : 0;
}

int mf_view_load(struct mf_view *view, const char *option, const char *operand,
                 struct mf_err *err)
{
	int rc = mf_view_open(view, option, operand, err);

	if (rc == 0)
		rc = mf_view_read(view, 0, err);
	if (rc == 0)
		rc = mf_view_tree(view, err);
	return rc;
}

static bool is_session(const char *name)
{
	struct mf_session session = {0};
	bool is_one = mf_cli_session(&session, name, NULL, NULL) == 0;

	/* a run's number may well be the beginning of a session's id */
	is_one = is_one && (strchr(name, '/') || !strcmp(session.id, name));
	mf_session_clear(&session);
	return is_one;
}

int mf_view_open_run(struct mf_view *view, const char *option, const char **run,
                     struct mf_err *err)
{
	if (!option && *run && is_session(*run)) {
		option = *run;
		*run = NULL;
	}
	return mf_view_open(view, option, NULL, err);
}

int mf_view_load_run(struct mf_view *view, const char *option, const char *run,
                     const struct mf_node **top, struct mf_err *err)
{
	int rc = mf_view_open_run(view, option, &run, err);

	if (rc == 0)
		rc = mf_view_read(view, 0, err);
	if (rc == 0)
		rc = mf_view_tree(view, err);
	*top = view->root;
	return rc == 0 && run ? mf_view_run(view, run, top, err) : rc;
}

int mf_view_wait(struct mf_view *view, struct mf_err *err)
{
	bool was_live;
	int64_t more;
	int rc;

	for (;;) {
		was_live = view->is_live;
		view->is_live = mf_session_is_live(&view->session);
		more = mf_journal_refresh(view->journal);
		if (more < 0)
			return mf_fail(err, (int)more,
			               "cannot read the journal");
		if (more > 0)
			return 1;
		if (!was_live)
			return 0;
		rc = mf_journal_wait(view->journal, WAIT_MS);
		if (rc < 0 && rc != -EINTR)
			return mf_fail(err, rc, "cannot wait for more");
	}
}

int mf_view_follow(struct mf_view *view, struct mf_err *err)
{
	int rc = mf_view_wait(view, err);

	if (rc <= 0)
		return rc;
	rc = mf_view_read(view, 0, err);
	return rc < 0 ? rc : 1;
}

int mf_view_time(struct mf_view *view, const char *text, uint64_t *out,
                 struct mf_err *err)
{
	uint64_t first = 0, last = 0;
	struct mf_event ev;
	int rc;

	while ((rc = mf_journal_next(view->journal, &ev)) > 0) {
		if (!first)
			first = ev.wall_ns;
		if (ev.wall_ns > last)
			last = ev.wall_ns;
		if (text[0] != '-')
			break; /* only these are counted from the end */
	}
	if (rc >= 0)
		rc = mf_text_parse_time(mf_str(text), first, last, out, err);
	else
		mf_fail(err, rc, "cannot read the journal");
	if (rc < 0)
		return rc;
	return mf_view_rewind(view, err);
}

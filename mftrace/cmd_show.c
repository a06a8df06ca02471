#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "commands.h"
#include "mfcli/out.h"
#include "mfcli/view.h"
#include "mfcore/json.h"
#include "mfcore/pathspec.h"
#include "mfcore/text.h"

enum {
	VALUE_MAX = 200, /* bytes of a field on a line */
};

struct show_opts {
	const char *session;
	const char *task;
	const char *proc;
	const char *from;
	const char *to;
	struct mf_opt_list kinds;
	bool follow;
	bool json;
};

struct showing {
	const struct show_opts *opts;
	struct mf_view view;
	struct mf_out out;
	struct mf_buf line;
	struct mf_buf blob;
	/* what is wanted; identities hold over a second reading */
	bool wants[MF_EV_MAX];
	bool wants_other;
	uint64_t from_ns;
	uint64_t to_ns;
	char task[512];          /* pathspec, or "" for any */
	struct mf_pathspec spec; /* its parts */
	int attempt;
	uint32_t proc; /* serial, 0 for any */
	bool has_printed;
};

/* ---- what is wanted ---- */

static int want_kind(struct showing *s, struct mf_str word, struct mf_err *err)
{
	uint16_t type = mf_event_type_of(word);

	if (!type || type >= MF_EV_MAX)
		return mf_fail(err, -EINVAL, "there is no kind of event '%.*s'",
		               (int)(word.len < 40 ? word.len : 40), word.ptr);
	s->wants[type] = true;
	return 0;
}

static int want_kinds(struct showing *s, struct mf_err *err)
{
	const struct mf_opt_list *kinds = &s->opts->kinds;
	struct mf_str rest;
	size_t i;
	int rc = 0;

	memset(s->wants, kinds->len == 0, sizeof(s->wants));
	s->wants_other = kinds->len == 0;
	for (i = 0; i < kinds->len; i++) {
		rest = mf_str(kinds->items[i]);
		while (rest.len && rc == 0)
			rc = want_kind(s, mf_str_cut(&rest, ','), err);
	}
	return rc;
}

/* Read everything once to know whom the names mean. */
static int want_things(struct showing *s, struct mf_err *err)
{
	const struct mf_node *node;
	int rc;

	if (!s->opts->task && !s->opts->proc)
		return 0;
	rc = mf_view_read(&s->view, 0, err);
	if (rc == 0)
		rc = mf_view_tree(&s->view, err);
	if (rc == 0 && s->opts->task) {
		rc = mf_view_task(&s->view, s->opts->task, &node, err);
		if (rc < 0)
			return rc;
		if (node->pathspec.len >= sizeof(s->task))
			return mf_fail(err, -ENAMETOOLONG, "cannot use '%s'",
			               s->opts->task);
		memcpy(s->task, node->pathspec.ptr, node->pathspec.len);
		if (!mf_pathspec_parse(mf_str(s->task), &s->spec))
			return mf_fail(err, -EINVAL, "cannot use '%s'",
			               s->opts->task);
		s->attempt = node->attempt;
	}
	if (rc == 0 && s->opts->proc) {
		rc = mf_view_proc(&s->view, s->opts->proc, &node, err);
		if (rc == 0)
			s->proc = node->proc->serial;
	}
	return rc < 0 ? rc : mf_view_rewind(&s->view, err);
}

/* The process an event is about: whom it names, or who wrote it. */
static const struct mf_proc *subject(const struct showing *s,
                                     const struct mf_event *ev, bool is_writer)
{
	uint64_t pid = is_writer ? ev->pid : mf_event_u64(ev, MF_F_PID, 0);
	uint64_t start =
		is_writer ? ev->start : mf_event_u64(ev, MF_F_START_TICKS, 0);

	return mf_model_proc_of(s->view.model, ev->host, pid, start);
}

/* The flow's name is left out: it is known late. */
static bool is_of_task(const struct showing *s, const struct mf_proc *p)
{
	const struct mf_attempt *a;

	for (; p; p = p->parent) {
		a = p->attempt;
		if (a && a->number == s->attempt &&
		    mf_str_eq(a->task->id, s->spec.task) &&
		    mf_str_eq(a->task->step->name, s->spec.step) &&
		    mf_str_eq(a->task->step->run->id, s->spec.run))
			return true;
	}
	return false;
}

static bool is_about(const struct showing *s, const struct mf_proc *p)
{
	if (!p)
		return false;
	if (s->proc && p->serial != s->proc)
		return false;
	return !s->task[0] || is_of_task(s, p);
}

static bool is_wanted(const struct showing *s, const struct mf_event *ev)
{
	if (s->from_ns && ev->wall_ns < s->from_ns)
		return false;
	if (ev->type < MF_EV_MAX ? !s->wants[ev->type] : !s->wants_other)
		return false;
	if (!s->proc && !s->task[0])
		return true;
	return is_about(s, subject(s, ev, true)) ||
	       (mf_event_has(ev, MF_F_PID) &&
	        is_about(s, subject(s, ev, false)));
}

/* ---- printing ---- */

static void put_list(struct mf_buf *line, struct mf_str list)
{
	struct mf_str item;
	size_t pos = 0, at = line->len;
	bool is_first = true;

	while (mf_list_next(list, &pos, &item)) {
		if (!is_first)
			mf_buf_putc(line, ' ');
		is_first = false;
		if (line->len - at > VALUE_MAX) {
			mf_buf_puts(line, "...");
			return;
		}
		mf_text_shell(line, item);
	}
}

/* SIGKILL for a signal, exit:1 or SIGKILL for a status, ENOENT for an errno. */
static void put_number(struct mf_buf *line, const struct mf_field_value *f)
{
	int64_t n = (int64_t)f->number;
	int small = n > -4096 && n < 65536 ? (int)n : 0;
	const char *word = NULL;
	const char *sign = "";

	if (f->id == MF_F_STATUS && WIFSIGNALED(small))
		word = sigabbrev_np(WTERMSIG(small));
	else if (f->id == MF_F_SIGNO)
		word = sigabbrev_np(small);
	if (word) {
		mf_buf_printf(line, "SIG%s", word);
		return;
	}
	if (f->id == MF_F_STATUS && WIFEXITED(small) && n == small) {
		mf_buf_printf(line, "exit:%d", WEXITSTATUS(small));
		return;
	}
	if (f->id == MF_F_ERRNO) {
		word = strerrorname_np(small);
	} else if (f->id == MF_F_RESULT && n < 0) {
		word = strerrorname_np(-small);
		sign = "-";
	}
	if (word && small)
		mf_buf_printf(line, "%s%s", sign, word);
	else if (f->kind == MF_KIND_I64)
		mf_buf_printf(line, "%" PRId64, n);
	else
		mf_buf_printf(line, "%" PRIu64, f->number);
}

static void put_value(struct showing *s, const struct mf_field_value *f)
{
	struct mf_str bytes = f->bytes;

	switch (f->kind) {
	case MF_KIND_U64:
	case MF_KIND_I64:
		put_number(&s->line, f);
		return;
	case MF_KIND_BLOB:
		mf_buf_printf(&s->line,
		              "(%" PRIu64 " bytes beside the "
		              "journal)",
		              f->number);
		return;
	case MF_KIND_LIST:
		mf_buf_putc(&s->line, '(');
		put_list(&s->line, bytes);
		mf_buf_putc(&s->line, ')');
		return;
	case MF_KIND_BYTES:
		break;
	}
	if (f->id == MF_F_ENV_UNSET) {
		mf_buf_printf(&s->line, "(%zu)", bytes.len / 8);
		return;
	}
	if (bytes.len > VALUE_MAX)
		bytes.len = VALUE_MAX;
	mf_buf_putc(&s->line, '"');
	mf_text_terminal(&s->line, bytes);
	mf_buf_puts(&s->line, bytes.len < f->bytes.len ? "...\"" : "\"");
}

static void put_text(struct showing *s, const struct mf_event *ev)
{
	const char *word = mf_event_word(ev->type);
	struct mf_field_value f;
	size_t pos = 0;

	mf_buf_reset(&s->line);
	mf_text_clock(&s->line, ev->wall_ns);
	mf_buf_printf(&s->line, " %u", ev->pid);
	if (ev->tid != ev->pid)
		mf_buf_printf(&s->line, "/%u", ev->tid);
	if (word)
		mf_buf_printf(&s->line, " %s", word);
	else
		mf_buf_printf(&s->line, " type-%u", ev->type);
	if (ev->type == MF_EV_COUNTER)
		mf_buf_printf(&s->line, " counter=%" PRIu64, ev->counter);
	while (mf_event_field(ev, &pos, &f) > 0) {
		word = mf_field_word(f.id);
		if (word)
			mf_buf_printf(&s->line, " %s=", word);
		else
			mf_buf_printf(&s->line, " field-%u=", f.id);
		put_value(s, &f);
	}
	mf_buf_putc(&s->line, '\n');
	if (mf_buf_ok(&s->line))
		fwrite(s->line.ptr, 1, s->line.len, s->out.file);
}

static void add_list(cJSON *obj, const char *name, struct mf_str list)
{
	cJSON *arr = cJSON_AddArrayToObject(obj, name);
	struct mf_str item;
	size_t pos = 0;

	while (mf_list_next(list, &pos, &item))
		mf_json_push_str(arr, item);
}

static void add_field(struct showing *s, cJSON *obj, const struct mf_event *ev,
                      const struct mf_field_value *f)
{
	const char *word = mf_field_word(f->id);
	char number[24];

	if (!word) {
		snprintf(number, sizeof(number), "field-%u", f->id);
		word = number;
	}
	switch (f->kind) {
	case MF_KIND_U64:
		mf_json_u64(obj, word, f->number);
		return;
	case MF_KIND_I64:
		mf_json_i64(obj, word, (int64_t)f->number);
		return;
	case MF_KIND_LIST:
		add_list(obj, word, f->bytes);
		return;
	case MF_KIND_BYTES:
		if (f->id == MF_F_ENV_UNSET)
			mf_json_u64(obj, word, f->bytes.len / 8);
		else
			mf_json_str(obj, word, f->bytes);
		return;
	case MF_KIND_BLOB:
		break;
	}
	mf_buf_reset(&s->blob);
	if (mf_journal_bytes(s->view.journal, ev, (enum mf_field)f->id,
	                     &s->blob) <= 0)
		cJSON_AddNullToObject(obj, word);
	else if (f->id == MF_F_ARGV || f->id == MF_F_ENV ||
	         f->id == MF_F_ENV_SET)
		add_list(obj, word, mf_buf_view(&s->blob));
	else
		mf_json_str(obj, word, mf_buf_view(&s->blob));
}

static cJSON *event_json(struct showing *s, const struct mf_event *ev)
{
	const char *word = mf_event_word(ev->type);
	cJSON *obj = cJSON_CreateObject();
	struct mf_field_value f;
	size_t pos = 0;
	cJSON *fields;

	mf_json_time(obj, "time", ev->wall_ns);
	mf_json_u64(obj, "monotonic_ns", ev->time_ns);
	mf_json_str(obj, "kind", mf_str(word ? word : "unknown"));
	mf_json_u64(obj, "type", ev->type);
	mf_json_u64(obj, "host", ev->host);
	mf_json_u64(obj, "pid", ev->pid);
	mf_json_u64(obj, "tid", ev->tid);
	mf_json_u64(obj, "start_ticks", ev->start);
	mf_json_u64(obj, "seq", ev->seq);
	if (ev->type == MF_EV_COUNTER)
		mf_json_u64(obj, "counter", ev->counter);
	fields = cJSON_AddObjectToObject(obj, "fields");
	while (fields && mf_event_field(ev, &pos, &f) > 0)
		add_field(s, fields, ev, &f);
	return obj;
}

/* One document, an event at a time: a session may be larger than memory. */
static int put_json(struct showing *s, const struct mf_event *ev,
                    struct mf_err *err)
{
	cJSON *obj = event_json(s, ev);
	char *text;

	if (s->opts->follow)
		return mf_json_print_line(obj, err);
	text = cJSON_PrintUnformatted(obj);
	cJSON_Delete(obj);
	if (!text)
		return mf_fail(err, -ENOMEM, "cannot print");
	printf("%s\n%s", s->has_printed ? "," : "", text);
	s->has_printed = true;
	cJSON_free(text);
	return 0;
}

/* Returns 1 at the end of what was asked for, 0 at the end of what there is. */
static int print_events(struct showing *s, struct mf_err *err)
{
	bool needs_model = s->proc || s->task[0];
	struct mf_event ev;
	int rc;

	while ((rc = mf_journal_next(s->view.journal, &ev)) > 0) {
		if (s->to_ns && ev.wall_ns > s->to_ns)
			return 1;
		rc = needs_model ? mf_model_fold(s->view.model, &ev,
		                                 s->view.journal)
		                 : 0;
		if (rc < 0)
			break;
		if (!is_wanted(s, &ev))
			continue;
		if (s->opts->json) {
			rc = put_json(s, &ev, err);
			if (rc < 0)
				return rc;
		} else {
			put_text(s, &ev);
		}
	}
	if (rc < 0)
		return mf_fail(err, rc, "cannot read the journal");
	fflush(stdout);
	return 0;
}

static int show(struct showing *s, struct mf_err *err)
{
	bool is_document = s->opts->json && !s->opts->follow;
	int rc;

	if (s->from_ns && !s->proc && !s->task[0]) {
		rc = mf_journal_seek(s->view.journal, s->from_ns);
		if (rc < 0)
			return mf_fail(err, rc, "cannot read the journal");
	}
	if (is_document)
		printf("{\"schema\":\"mftrace.show/1\",\"session\":\"%s\","
		       "\"events\":[",
		       s->view.session.id);
	rc = print_events(s, err);
	while (rc == 0 && s->opts->follow) {
		rc = mf_view_wait(&s->view, err);
		if (rc <= 0)
			break;
		rc = print_events(s, err);
	}
	if (is_document && rc >= 0)
		printf("\n]}\n");
	return rc < 0 ? rc : 0;
}

static int show_run(const struct mf_args *args, struct mf_err *err)
{
	struct showing s = {.opts = args->opts, .out = mf_out_stdout()};
	int rc;

	rc = mf_view_open(&s.view, s.opts->session, args->argv[0], err);
	if (rc == 0)
		rc = want_kinds(&s, err);
	if (rc == 0 && s.opts->from)
		rc = mf_view_time(&s.view, s.opts->from, &s.from_ns, err);
	if (rc == 0 && s.opts->to)
		rc = mf_view_time(&s.view, s.opts->to, &s.to_ns, err);
	if (rc == 0)
		rc = want_things(&s, err);
	if (rc == 0)
		rc = show(&s, err);
	mf_buf_clear(&s.line);
	mf_buf_clear(&s.blob);
	mf_view_close(&s.view);
	return rc;
}

static const struct mf_opt show_options[] = {
	MF_OPT_STRING('s', "session", "SESSION",
                      "a session's id, a prefix of it, or its directory",
                      struct show_opts, session),
	MF_OPT_LIST('k', "kind", "KIND[,KIND...]",
                    "only events of these kinds (repeatable)", struct show_opts,
                    kinds),
	MF_OPT_STRING(0, "task", "TASK",
                      "only what the task's processes did, and what happened "
                      "to them",
                      struct show_opts, task),
	MF_OPT_STRING(0, "proc", "PROC", "only one process, by pid or id",
                      struct show_opts, proc),
	MF_OPT_STRING(0, "from", "TIME", "from TIME on", struct show_opts,
                      from),
	MF_OPT_STRING(0, "to", "TIME", "until TIME", struct show_opts, to),
	MF_OPT_BOOL('f', "follow", "go on as events come", struct show_opts,
                    follow),
	MF_OPT_BOOL(0, "json", "print JSON; with --follow a line per event",
                    struct show_opts, json),
	MF_OPT_END,
};

const struct mf_cmd cmd_show = {
	.name = "show",
	.operands = "[SESSION]",
	.summary = "show the events of all processes, merged in time order",
	.details =
		"A line per event: the time, who wrote it (pid/thread), its "
		"kind, its fields. Long values are cut; --json has them "
		"whole.\n\n"
		"KIND is the word of an event as it is printed: session, start, "
		"exec, fork, exit, wait, signal, thread-start, sidecar, send, "
		"recv, output, capture, file, mark, async-start, note and so "
		"on; mfjournal(5) explains each.\n\n"
		"TIME is RFC 3339, HH:MM:SS[.mmm] of the session's day, +3.5s "
		"from its start or -10s from its end.",
	.max_operands = 1,
	.options = show_options,
	.options_size = sizeof(struct show_opts),
	.run = show_run,
};

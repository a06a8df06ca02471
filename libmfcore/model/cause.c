/*
 * Why a process ended, in words, with what the journal knows about it: its
 * status, who signalled it, what the kernel did, whether its scheduler was
 * still there, what it wrote last.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "mfcore/exit_texts.h"
#include "mfcore/s3op_wire.h"
#include "node.h"

enum {
	LINE_MAX_LEN = 160, /* of output that is quoted */
};

#define NEAR_NS UINT64_C(5000000000) /* the kernel's counter is polled */

static const struct mf_proc *scheduler_of(const struct mf_proc *proc)
{
	return proc->attempt ? proc->attempt->task->step->run->scheduler : NULL;
}

/* The wait status as far as anybody knows it; false: it has not ended. */
static bool status_of(const struct mf_proc *proc, int *status)
{
	if (proc->has_status)
		*status = (int)proc->wait_status;
	else if (proc->has_code)
		*status = (int)(proc->code & 0xff) << 8;
	else
		return false;
	return true;
}

static const char *signal_word(int signo, char *buf, size_t cap)
{
	const char *name = sigabbrev_np(signo);

	if (!name)
		snprintf(buf, cap, "signal %d", signo);
	else
		snprintf(buf, cap, "SIG%s", name);
	return buf;
}

static bool is_sent_by(const struct mf_signal *sig, const struct mf_proc *proc,
                       int signo)
{
	if ((int)sig->signo != signo || sig->has_failed)
		return false;
	return !proc->wait_ns || sig->time_ns <= proc->wait_ns;
}

/* The signal that ended a process, where a recorded process sent it. */
static const struct mf_signal *signal_of(const struct mf_model *model,
                                         const struct mf_proc *proc, int signo)
{
	const struct mf_signal *sig;

	for (sig = proc->signals; sig; sig = sig->next)
		if (is_sent_by(sig, proc, signo))
			return sig;
	for (sig = model->group_signals; sig; sig = sig->next)
		if (is_sent_by(sig, proc, signo) &&
		    sig->time_ns >= proc->start_ns && sig->target != -1 &&
		    (uint64_t)-sig->target == proc->pgid && proc->pgid)
			return sig;
	return NULL;
}

static bool is_near(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) <= NEAR_NS;
}

/*
 * Whether the kernel killed something at that time: a process, or one it did
 * not name, of our cgroup or elsewhere on the machine.
 */
static bool has_oom(const struct mf_model *model, const struct mf_proc *proc,
                    uint64_t pid, bool is_elsewhere)
{
	const struct mf__oom *oom;

	for (oom = model->ooms; oom; oom = oom->next)
		if (oom->host == proc->host && oom->pid == pid &&
		    oom->is_elsewhere == is_elsewhere &&
		    is_near(oom->time_ns, mf__proc_end_ns(proc)))
			return true;
	return false;
}

/* Whether the scheduler had ended before its task did. */
static bool is_orphaned(const struct mf_proc *proc)
{
	const struct mf_proc *sched = scheduler_of(proc);
	uint64_t end = mf__proc_end_ns(proc);

	return sched && mf__proc_has_ended(sched) &&
	       (!end || mf__proc_end_ns(sched) < end);
}

/*
 * Whether nobody was left to read what it wrote. Of a killed scheduler only
 * the status tells, which may be taken after its tasks met the broken pipe.
 */
static bool has_lost_reader(const struct mf_proc *proc)
{
	const struct mf_proc *sched = scheduler_of(proc);

	return is_orphaned(proc) ||
	       (sched && mf__proc_has_ended(sched) &&
	        is_near(mf__proc_end_ns(sched), mf__proc_end_ns(proc)));
}

/* A signal that somebody was seen to send. */
static void explain_sent(struct mf_model *model, struct mf_node *node,
                         const struct mf_signal *sig, const char *word)
{
	struct mf_ending *x = &node->exit;
	struct mf_str by;

	if (!sig->sender) {
		x->sender = mf__tree_printf(model, "%u", sig->sender_pid);
		x->text = mf__tree_printf(model, "killed by %s sent by pid %u",
		                          word, sig->sender_pid);
		return;
	}
	x->sender = sig->sender->id;
	if (sig->sender == scheduler_of(node->proc)) {
		x->cause = MF_CAUSE_ORCHESTRATOR;
		x->text = mf__tree_printf(
			model,
			"killed by the scheduler's clean-up (%s from pid %u)",
			word, sig->sender->pid);
	} else if (sig->sender == node->proc) {
		x->text = mf__tree_printf(model, "ended itself with %s", word);
	} else {
		by = mf__name_of(model, sig->sender, mf__kind_of(sig->sender));
		x->text = mf__tree_printf(model,
		                          "killed by %s sent by pid %u (%.*s)",
		                          word, sig->sender->pid, (int)by.len,
		                          by.ptr);
	}
}

/* A signal that came from the kernel, or from where nobody looked. */
static void explain_unsent(struct mf_model *model, struct mf_node *node,
                           const char *word, bool dumped)
{
	struct mf_ending *x = &node->exit;
	const char *core = dumped ? ", core dumped" : "";

	switch (x->signo) {
	case SIGSEGV:
		x->text = mf__tree_printf(model, "segmentation fault (%s%s)",
		                          word, core);
		return;
	case SIGBUS:
		x->text =
			mf__tree_printf(model, "bus error (%s%s)", word, core);
		return;
	case SIGABRT:
	case SIGFPE:
	case SIGILL:
		x->text = mf__tree_printf(model, "crashed: %s%s", word, core);
		return;
	case SIGPIPE:
		if (!has_lost_reader(node->proc))
			break;
		x->cause = MF_CAUSE_PARENT_DEATH;
		x->text = MF_STR("its scheduler was gone: writing to it gave "
		                 "SIGPIPE");
		return;
	default:
		break;
	}
	x->text = mf__tree_printf(
		model, "killed by %s; who sent it was not recorded%s", word,
		x->signo == SIGKILL && has_oom(model, node->proc, 0, true)
			? " (the kernel killed for want of memory elsewhere "
			  "on the machine)"
			: "");
}

static void judge_signal(struct mf_model *model, struct mf_node *node,
                         int signo, bool dumped)
{
	const struct mf_signal *sig = signal_of(model, node->proc, signo);
	struct mf_ending *x = &node->exit;
	char word[32];

	if (sig && !sig->sender && !sig->sender_pid)
		sig = NULL;
	node->state = MF_STATE_KILLED;
	x->signo = signo;
	x->cause = MF_CAUSE_SIGNAL;
	signal_word(signo, word, sizeof(word));
	if (sig)
		explain_sent(model, node, sig, word);
	else
		explain_unsent(model, node, word, dumped);
	if (signo == SIGKILL &&
	    (has_oom(model, node->proc, node->proc->pid, false) ||
	     (!sig && has_oom(model, node->proc, 0, false)))) {
		x->cause = MF_CAUSE_OOM;
		x->text = MF_STR("killed by the kernel for want of memory "
		                 "(SIGKILL, oom_kill)");
	}
}

static bool has_text(struct mf_str in, const char *what)
{
	struct mf_str s = mf_str(what);

	return in.len && mf_str_search(in, s) < in.len;
}

static struct mf_str trim(struct mf_str s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = mf_str_from(s, 1);
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\r'))
		s.len--;
	return s;
}

/* Whether nothing it wrote since its scheduler's end arrived anywhere. */
static bool is_cut_off(const struct mf_proc *proc)
{
	uint64_t gone = mf__proc_end_ns(scheduler_of(proc));

	return proc->tail[1].last_ns <= gone && proc->tail[2].last_ns <= gone;
}

static bool is_from_broken_pipe(const struct mf_proc *proc, struct mf_str tail)
{
	if (proc->is_output_broken)
		return has_lost_reader(proc);
	return is_orphaned(proc) &&
	       (is_cut_off(proc) || has_text(tail, "Broken pipe") ||
	        has_text(tail, "BrokenPipeError"));
}

/* The last line with something in it, and with `text` in it. */
static struct mf_str last_line(struct mf_str tail, const char *text)
{
	struct mf_str line = {0}, rest = tail;

	while (rest.len) {
		struct mf_str one = trim(mf_str_cut(&rest, '\n'));

		if (one.len && (!*text || has_text(one, text)))
			line = one;
	}
	return line;
}

/* A line as it is quoted: cut, and said to be, where it is long. */
static struct mf_str quote(struct mf_model *model, struct mf_str line)
{
	if (line.len <= LINE_MAX_LEN)
		return line;
	line.len = LINE_MAX_LEN;
	while (line.len && ((unsigned char)line.ptr[line.len] & 0xc0) == 0x80)
		line.len--; /* not in the middle of a character */
	return mf__tree_printf(model, "%.*s...", (int)line.len, line.ptr);
}

/* With print_exception, @catch prints it behind '>' on standard output. */
struct mf_str mf__caught_words(struct mf_model *model,
                               const struct mf_proc *proc)
{
	struct mf_str rest = mf_model_tail(model, proc, 1), words = {0};

	while (rest.len) {
		struct mf_str line = mf_str_cut(&rest, '\n');

		if (mf_str_starts(line, ">  "))
			words = trim(mf_str_from(line, 1));
	}
	return quote(model, words);
}

/* What an exit code says by itself; NULL when only that it failed. */
static const char *code_meaning(const struct mf_node *node, int code)
{
	if (node->kind == MF_NODE_S3OP)
		return mf_s3op_exit_word(code);
	return mf_metaflow_exit_code(code);
}

static void explain_code(struct mf_model *model, struct mf_node *node, int code,
                         struct mf_str tail)
{
	enum mf_exit_hint hint = mf_metaflow_exit_hint(tail);
	const char *meaning = code_meaning(node, code);
	struct mf_str line = {0};
	struct mf_ending *x = &node->exit;

	if (hint == MF_HINT_TIMEOUT) /* a stack follows its line */
		line = last_line(tail, " timed out after ");
	if (!line.len)
		line = last_line(tail, "");
	if (node->kind == MF_NODE_S3OP && mf_s3op_retries(tail).len)
		line = (struct mf_str){0}; /* it is what is to be retried */
	line = quote(model, line);
	if (hint == MF_HINT_TIMEOUT)
		x->cause = MF_CAUSE_TIMEOUT;
	if (hint == MF_HINT_TIMEOUT || hint == MF_HINT_NO_INPUT ||
	    (hint == MF_HINT_S3 && !meaning))
		meaning = mf_exit_hint_meaning(hint);
	if (meaning && line.len)
		x->text =
			mf__tree_printf(model, "exit status %d, %s: %.*s", code,
		                        meaning, (int)line.len, line.ptr);
	else if (meaning)
		x->text = mf__tree_printf(model, "exit status %d, %s", code,
		                          meaning);
	else if (line.len)
		x->text = mf__tree_printf(model, "exit status %d: %.*s", code,
		                          (int)line.len, line.ptr);
	else
		x->text = mf__tree_printf(model,
		                          "exit status %d, nothing on "
		                          "standard error",
		                          code);
}

static void judge_code(struct mf_model *model, struct mf_node *node, int code)
{
	struct mf_str tail = mf_model_tail(model, node->proc, 2);
	struct mf_ending *x = &node->exit;

	x->has_code = true;
	x->code = code;
	node->state = code ? MF_STATE_FAILED : MF_STATE_OK;
	if (!code)
		return;
	x->cause = MF_CAUSE_EXIT;
	if (is_from_broken_pipe(node->proc, tail)) {
		x->cause = MF_CAUSE_PARENT_DEATH;
		x->text = mf__tree_printf(
			model,
			"its scheduler was gone: writing to it failed "
			"(exit status %d)",
			code);
		return;
	}
	explain_code(model, node, code, tail);
}

static void judge_failed_exec(struct mf_model *model, struct mf_node *node)
{
	const struct mf_proc *proc = node->proc;
	struct mf_str path = proc->failed_path;
	size_t pos = 0;

	/* the recorder names its first program by its arguments only */
	if (!path.len && !mf_list_next(proc->failed_argv, &pos, &path))
		path = MF_STR("?");
	node->state = MF_STATE_FAILED;
	node->exit.is_known = true;
	node->exit.cause = MF_CAUSE_EXEC_FAILED;
	node->exit.text =
		mf__tree_printf(model, "cannot execute '%.*s': %s",
	                        (int)path.len, path.ptr,
	                        mf_strerror(-(int)proc->failed_errno));
}

static void judge_open(struct mf_model *model, struct mf_node *node)
{
	const struct mf_proc *proc = node->proc;
	const struct mf_proc *newest =
		mf__proc_newest(model, proc->host, proc->pid);

	if (newest != proc) {
		node->state = MF_STATE_UNKNOWN;
		node->note = MF_STR("its pid was given to another process; "
		                    "how it ended was not recorded");
	} else if (model->is_open || proc->is_left) {
		node->state = MF_STATE_RUNNING;
		if (proc->is_left)
			node->note = MF_STR("still ran when the recording "
			                    "ended");
	} else if (proc->birth == MF_BORN_UNSEEN) {
		node->state = MF_STATE_UNKNOWN;
	} else {
		node->state = MF_STATE_LOST;
		node->note = MF_STR("no end was recorded");
	}
	if (node->state == MF_STATE_RUNNING && is_orphaned(proc))
		node->note = MF_STR("runs on without its scheduler");
}

void mf__judge_process(struct mf_model *model, struct mf_node *node)
{
	const struct mf_proc *proc = node->proc;
	const struct mf_image *image = proc->image;
	int status;

	if (image && image->blind.len && proc->n_images && !image->is_started)
		node->note =
			mf__tree_printf(model, "records nothing itself: %.*s",
		                        (int)image->blind.len,
		                        image->blind.ptr);
	if (!status_of(proc, &status)) {
		if (proc->failed_errno && !proc->n_images &&
		    proc->birth != MF_BORN_FORK)
			judge_failed_exec(model, node);
		else
			judge_open(model, node);
		return;
	}
	node->end_ns = mf__proc_end_ns(proc);
	node->exit.is_known = true;
	if (WIFSIGNALED(status)) {
		judge_signal(model, node, WTERMSIG(status),
		             WCOREDUMP(status) != 0);
		node->end_ns = proc->wait_ns;
		return;
	}
	if (proc->failed_errno && !proc->n_images && WEXITSTATUS(status)) {
		judge_failed_exec(model, node);
		node->exit.has_code = true;
		node->exit.code = WEXITSTATUS(status);
		return;
	}
	judge_code(model, node, WEXITSTATUS(status));
}

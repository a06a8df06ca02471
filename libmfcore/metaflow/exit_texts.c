#include "mfcore/exit_texts.h"

#include <stdbool.h>
#include <stddef.h>

#include "mfcore/mflog.h"

static const char *const words[] = {"none",
#define MF_HINT_WORD(name, word, meaning) [MF_HINT_##name] = (word),
                                    MF_EXIT_HINT_MAP(MF_HINT_WORD)
#undef MF_HINT_WORD
};

static const char *const meanings[] = {"",
#define MF_HINT_MEANING(name, word, meaning) [MF_HINT_##name] = (meaning),
                                       MF_EXIT_HINT_MAP(MF_HINT_MEANING)
#undef MF_HINT_MEANING
};

/* A line is one of these when all three parts fit; "" fits always. */
static const struct {
	const char *begins;
	const char *holds;
	const char *ends;
	enum mf_exit_hint hint;
} exit_texts[] = {
	/* runtime.py, Worker.terminate() */
	{"Task failed with a segmentation fault.", "", "", MF_HINT_SEGFAULT},
	/* timeout_decorator.py, exception.py */
	{"@timeout:", "", "@timeout:", MF_HINT_TIMEOUT},
	{"Step ", " timed out after ", " seconds", MF_HINT_TIMEOUT},
	/* runtime.py, Worker.clean() */
	{"[KILLED BY ORCHESTRATOR]", "", "", MF_HINT_ORCHESTRATOR},
	/* task_datastore.py */
	{"", "No completed attempts of the task was found for task", "",
         MF_HINT_NO_INPUT},
	/* s3op.py */
	{"s3op failed:", "", "", MF_HINT_S3},
	/* task.py */
	{"<flow ", " step ", " failed:", MF_HINT_STEP_FAILED},
	/* runtime.py, Worker.terminate() */
	{"Task failed.", "", "Task failed.", MF_HINT_TASK_FAILED},
	/* runtime.py, NativeRuntime._poll_workers() */
	{"This failed task will not be retried.", "", "", MF_HINT_NO_RETRY},
	/* runtime.py, Worker.__init__() */
	{"Task fallback is starting to handle the failure.", "", "",
         MF_HINT_FALLBACK},
	/* runtime.py, TruncatedBuffer */
	{"[TRUNCATED - MAXIMUM LOG FILE SIZE REACHED]", "", "",
         MF_HINT_TRUNCATED},
};

static struct mf_str trim(struct mf_str s)
{
	while (s.len > 0 && (*s.ptr == ' ' || *s.ptr == '\t'))
		s = mf_str_from(s, 1);
	while (s.len > 0 &&
	       (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\r'))
		s.len--;
	return s;
}

/* "2026-11-24 12:41:19.116 [1795/start/1 (pid 7)] text" as the engine echoes */
static struct mf_str cut_echo(struct mf_str line)
{
	static const char shape[] = "0000-00-00 00:00:00.000 ";
	size_t len = sizeof(shape) - 1;
	struct mf_str rest = mf_str_from(line, len);
	size_t at;

	if (line.len <= len)
		return line;
	for (size_t i = 0; i < len; i++) {
		bool is_digit = line.ptr[i] >= '0' && line.ptr[i] <= '9';

		if (shape[i] == '0' ? !is_digit : line.ptr[i] != shape[i])
			return line;
	}
	at = mf_str_search(rest, MF_STR(")] "));
	if (*rest.ptr == '[' && at < rest.len)
		return mf_str_from(rest, at + 3);
	return rest;
}

static bool holds(struct mf_str line, const char *text)
{
	struct mf_str want = mf_str(text);

	return want.len == 0 || mf_str_search(line, want) < line.len;
}

static enum mf_exit_hint hint_of(struct mf_str line)
{
	struct mf_mflog log;

	if (mf_mflog_parse(line, &log))
		line = log.text;
	line = trim(cut_echo(line));
	for (size_t i = 0; i < sizeof(exit_texts) / sizeof(*exit_texts); i++)
		if (mf_str_starts(line, exit_texts[i].begins) &&
		    mf_str_ends(line, exit_texts[i].ends) &&
		    holds(line, exit_texts[i].holds))
			return exit_texts[i].hint;
	return MF_HINT_NONE;
}

enum mf_exit_hint mf_metaflow_exit_hint(struct mf_str stderr_tail)
{
	enum mf_exit_hint best = MF_HINT_NONE;

	while (stderr_tail.len > 0) {
		enum mf_exit_hint hint =
			hint_of(mf_str_cut(&stderr_tail, '\n'));

		if (hint != MF_HINT_NONE &&
		    (best == MF_HINT_NONE || hint < best))
			best = hint;
	}
	return best;
}

const char *mf_exit_hint_word(enum mf_exit_hint hint)
{
	return (unsigned)hint < MF_HINT_KINDS ? words[hint] : words[0];
}

const char *mf_exit_hint_meaning(enum mf_exit_hint hint)
{
	return (unsigned)hint < MF_HINT_KINDS ? meanings[hint] : meanings[0];
}

const char *mf_metaflow_exit_code(int code)
{
	switch (code) {
	case MF_EXIT_DISALLOW_RETRY:
		return "asked Metaflow not to retry the task";
	case MF_EXIT_ALLOW_RETRY:
		return "asked Metaflow to retry the task";
	default:
		return NULL;
	}
}

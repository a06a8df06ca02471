#include "mfcli/out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mfcore/buf.h"
#include "mfcore/text.h"

static bool wants_colour(void)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0;
}

struct mf_out mf_out_stdout(void)
{
	struct mf_out out = {.file = stdout};
	struct winsize size = {0};

	if (!isatty(STDOUT_FILENO))
		return out;
	out.has_colour = wants_colour();
	out.width = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		out.width = size.ws_col;
	return out;
}

const char *mf_style_begin(const struct mf_out *out, enum mf_style style)
{
	if (!out->has_colour)
		return "";
	switch (style) {
	case MF_STYLE_PLAIN:
		return "";
	case MF_STYLE_GOOD:
		return "\033[32m";
	case MF_STYLE_BAD:
		return "\033[31m";
	case MF_STYLE_WARN:
		return "\033[33m";
	case MF_STYLE_LIVE:
		return "\033[36m";
	case MF_STYLE_FAINT:
		return "\033[2m";
	case MF_STYLE_STRONG:
		return "\033[1m";
	}
	return "";
}

const char *mf_style_end(const struct mf_out *out, enum mf_style style)
{
	return out->has_colour && style != MF_STYLE_PLAIN ? "\033[0m" : "";
}

cJSON *mf_json_document(const char *tool, const char *verb)
{
	cJSON *doc = cJSON_CreateObject();
	struct mf_buf schema = {0};

	mf_buf_printf(&schema, "%s.%s/1", tool, verb);
	if (!mf_buf_ok(&schema) ||
	    !cJSON_AddStringToObject(doc, "schema", schema.ptr)) {
		cJSON_Delete(doc);
		doc = NULL;
	}
	mf_buf_clear(&schema);
	return doc;
}

static int print_json(cJSON *doc, bool is_line, struct mf_err *err)
{
	char *text = is_line ? cJSON_PrintUnformatted(doc) : cJSON_Print(doc);

	cJSON_Delete(doc);
	if (!text)
		return mf_fail(err, -ENOMEM, "cannot make the JSON document");
	puts(text);
	cJSON_free(text);
	if (is_line)
		fflush(stdout);
	return 0;
}

int mf_json_print(cJSON *doc, struct mf_err *err)
{
	return print_json(doc, false, err);
}

int mf_json_print_line(cJSON *doc, struct mf_err *err)
{
	return print_json(doc, true, err);
}

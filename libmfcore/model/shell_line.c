#include "mfcore/shell_line.h"

#include <string.h>

#include "inside.h"
#include "journal/frame.h" /* the hash that names the session's entries */
#include "mfcore/text.h"

#define REDACTED MF_STR("<redacted>")

static struct mf_str name_of(struct mf_str entry)
{
	entry.len = mf_str_find(entry, '=');
	return entry;
}

/* env(1) takes any name, but an option's look or none at all. */
static bool is_usable(struct mf_str name)
{
	return name.len && name.ptr[0] != '-';
}

/* What every shell keeps for itself: the one it is pasted in has its own. */
static bool is_of_shell(struct mf_str name)
{
	static const char *const names[] = {"_", "PWD", "OLDPWD", "SHLVL"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (mf_str_is(name, names[i]))
			return true;
	return false;
}

static bool sets(struct mf_str env_set, struct mf_str name)
{
	struct mf_str entry;
	size_t pos = 0;

	while (mf_list_next(env_set, &pos, &entry))
		if (mf_str_eq(name_of(entry), name))
			return true;
	return false;
}

static bool has_hash(struct mf_str hashes, uint64_t hash)
{
	uint64_t one;
	size_t at;

	for (at = 0; at + sizeof(one) <= hashes.len; at += sizeof(one)) {
		memcpy(&one, hashes.ptr + at, sizeof(one));
		if (one == hash)
			return true;
	}
	return false;
}

static void put_unset(const struct mf_model *model,
                      const struct mf_image *image, struct mf_buf *env)
{
	struct mf_str entry, name;
	size_t pos = 0;

	if (!image->env_unset.len)
		return;
	while (mf_list_next(model->session.env, &pos, &entry)) {
		name = name_of(entry);
		if (!is_usable(name) || is_of_shell(name) ||
		    sets(image->env_set, name) ||
		    !has_hash(image->env_unset,
		              mf__env_hash(entry.ptr, entry.len)))
			continue;
		mf_buf_puts(env, " -u ");
		mf_text_shell(env, name);
	}
}

static void put_set(const struct mf_image *image, struct mf_buf *env,
                    struct mf_buf *left_out)
{
	struct mf_str entry, name;
	size_t pos = 0;

	while (mf_list_next(image->env_set, &pos, &entry)) {
		name = name_of(entry);
		if (!is_usable(name) || name.len == entry.len ||
		    is_of_shell(name))
			continue;
		if (mf_str_search(entry, REDACTED) < entry.len) {
			if (left_out->len)
				mf_buf_putc(left_out, ' ');
			mf_text_terminal(left_out, name);
			continue;
		}
		mf_buf_putc(env, ' ');
		mf_text_shell(env, name);
		mf_buf_putc(env, '=');
		mf_text_shell(env, mf_str_from(entry, name.len + 1));
	}
}

/* A program that was not called by its name is run by its file. */
static struct mf_str program_of(const struct mf_image *image,
                                struct mf_str word)
{
	struct mf_str file = image->path.len ? image->path : image->exe;

	if (!file.len ||
	    mf_str_eq(mf_str_basename(word), mf_str_basename(image->path)))
		return word;
	if (!image->path.len && word.len && word.ptr[0] != '-')
		return word;
	return file;
}

bool mf_shell_line(const struct mf_model *model, const struct mf_image *image,
                   struct mf_buf *line, struct mf_buf *left_out)
{
	struct mf_buf env = {0};
	struct mf_str arg;
	size_t pos = 0;
	bool is_first = true;

	if (!image->argv.len)
		return false;
	if (image->cwd.len) {
		mf_buf_puts(line, "cd ");
		if (image->cwd.ptr[0] == '-')
			mf_buf_puts(line, "-- ");
		mf_text_shell(line, image->cwd);
		mf_buf_puts(line, " && ");
	}
	put_unset(model, image, &env);
	put_set(image, &env, left_out);
	if (env.len) {
		mf_buf_puts(line, "env");
		mf_buf_str(line, mf_buf_view(&env));
		mf_buf_putc(line, ' ');
	}
	line->is_short |= env.is_short;
	mf_buf_clear(&env);
	while (mf_list_next(image->argv, &pos, &arg)) {
		if (!is_first)
			mf_buf_putc(line, ' ');
		mf_text_shell(line, is_first ? program_of(image, arg) : arg);
		if (mf_str_search(arg, REDACTED) < arg.len)
			mf_buf_printf(left_out, "%san-argument",
			              left_out->len ? " " : "");
		is_first = false;
	}
	return true;
}

bool mf_shell_line_proc(const struct mf_model *model,
                        const struct mf_proc *proc, struct mf_buf *line,
                        struct mf_buf *left_out)
{
	const struct mf_image *up = proc->parent ? proc->parent->image : NULL;
	struct mf_image failed = {
		.argv = proc->failed_argv,
		.path = proc->failed_path,
		.cwd = model->session.cwd,
	};

	if (proc->n_images && proc->image)
		return mf_shell_line(model, proc->image, line, left_out);
	if (!proc->failed_errno)
		return false;
	if (up) { /* what it was given itself was not recorded */
		failed.cwd = up->cwd;
		failed.env_set = up->env_set;
		failed.env_unset = up->env_unset;
	}
	return mf_shell_line(model, &failed, line, left_out);
}

#include "session/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mfcore/buf.h"

#define DATASTORE_DIR ".metaflow"
#define OURS_IN_DATASTORE ".mfcore"
#define PRIVATE 0700

static char *join(const char *dir, const char *below)
{
	struct mf_buf buf = {0};

	mf_buf_puts(&buf, dir);
	if (buf.len == 0 || buf.ptr[buf.len - 1] != '/')
		mf_buf_putc(&buf, '/');
	mf_buf_puts(&buf, below);
	if (mf_buf_ok(&buf))
		return mf_buf_detach(&buf);
	mf_buf_clear(&buf);
	return NULL;
}

char *mf__place_join(const char *dir, const char *name)
{
	return join(dir, name);
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *mf__place_registry(const struct mf_session_places *places)
{
	/* The XDG specification has a relative path ignored. */
	if (places->state_home && places->state_home[0] == '/')
		return join(places->state_home, "mfcore/sessions");
	if (places->home && places->home[0] == '/')
		return join(places->home, ".local/state/mfcore/sessions");
	return NULL;
}

/* The nearest .metaflow from cwd upwards, as Metaflow looks for it. */
static char *search_datastore(const char *cwd)
{
	char *at = strdup(cwd);
	char *root = NULL;

	while (at && *at) {
		char *slash;

		root = join(at, DATASTORE_DIR);
		if (!root || is_dir(root))
			break;
		free(root);
		root = NULL;
		slash = strrchr(at, '/');
		if (!slash || at[1] == '\0')
			break;
		slash[slash == at] = '\0';
	}
	free(at);
	return root;
}

char *mf__place_datastore(const struct mf_session_places *places)
{
	char *root;
	char *ours = NULL;

	if (places->sysroot && *places->sysroot)
		root = join(places->sysroot, DATASTORE_DIR);
	else
		root = search_datastore(places->cwd);
	if (root && is_dir(root))
		ours = join(root, OURS_IN_DATASTORE);
	free(root);
	return ours;
}

int mf__place_make(const char *dir)
{
	char *path = strdup(dir);
	int rc = 0;

	if (!path)
		return -ENOMEM;
	for (char *slash = path + 1; *path && rc == 0; slash++) {
		slash = strchrnul(slash, '/');
		bool is_last = *slash == '\0';

		*slash = '\0';
		if (mkdir(path, PRIVATE) < 0 && !is_dir(path))
			rc = -errno;
		if (is_last)
			break;
		*slash = '/';
	}
	free(path);
	return rc;
}

/* The form of an id's fixed part: d a digit, x a hexadecimal one. */
static bool fits(const char *id, const char *form)
{
	for (; *form; form++, id++) {
		bool is_digit = *id >= '0' && *id <= '9';

		if (*form == 'd' && !is_digit)
			return false;
		if (*form == 'x' && !is_digit && (*id < 'a' || *id > 'f'))
			return false;
		if (*form == '-' && *id != '-')
			return false;
	}
	return true;
}

bool mf__session_is_id(const char *id, const char **name)
{
	static const char form[] = "dddddddd-dddddd-xxxx";
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	const char *rest = id + sizeof(form) - 1;

	if (!fits(id, form))
		return false;
	if (name)
		*name = *rest ? rest + 1 : NULL;
	if (*rest == '\0')
		return true;
	return rest[0] == '-' && rest[1] != '\0' &&
	       strlen(rest + 1) <= MF_SESSION_NAME_MAX &&
	       rest[1 + strspn(rest + 1, allowed)] == '\0';
}

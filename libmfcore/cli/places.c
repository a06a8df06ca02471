#include "mfcli/places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An empty variable is as good as none. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

int mf_cli_places(struct mf_cli_places *out, struct mf_err *err)
{
	if (!getcwd(out->cwd, sizeof(out->cwd)))
		return mf_fail(err, -errno, "cannot tell where we are");
	out->where = (struct mf_session_places){
		.home = variable("HOME"),
		.state_home = variable("XDG_STATE_HOME"),
		.journal = variable("MFCORE_JOURNAL"),
		.sysroot = variable("METAFLOW_DATASTORE_SYSROOT_LOCAL"),
		.cwd = out->cwd,
	};
	return 0;
}

int mf_cli_session(struct mf_session *out, const char *option,
                   const char *operand, struct mf_err *err)
{
	struct mf_cli_places places;
	int rc;

	if (option && operand && strcmp(option, operand) != 0)
		return mf_fail(err, -EINVAL,
		               "two sessions named, '%s' and '%s'", option,
		               operand);
	rc = mf_cli_places(&places, err);
	if (rc < 0)
		return rc;
	return mf_session_find(out, &places.where, option ? option : operand,
	                       err);
}

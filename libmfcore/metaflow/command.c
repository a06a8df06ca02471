/* Recognition: base/str.c only, no malloc, no stdio. */
#include "mfcore/command.h"

#include "metaflow/argv.h"

static const char *const command_words[] = {
#define MF_COMMAND_WORD(name, word, meaning) [MF_CMD_##name] = (word),
	MF_COMMAND_MAP(MF_COMMAND_WORD)
#undef MF_COMMAND_WORD
};

static const char *const command_meanings[] = {
#define MF_COMMAND_MEANING(name, word, meaning) [MF_CMD_##name] = (meaning),
	MF_COMMAND_MAP(MF_COMMAND_MEANING)
#undef MF_COMMAND_MEANING
};

const char *mf_command_word(enum mf_command_kind kind)
{
	return (unsigned)kind < MF_CMD_KINDS ? command_words[kind] : "other";
}

const char *mf_command_meaning(enum mf_command_kind kind)
{
	return (unsigned)kind < MF_CMD_KINDS ? command_meanings[kind] : "";
}

bool mf_command_is_engine(enum mf_command_kind kind)
{
	return kind == MF_CMD_RUN || kind == MF_CMD_RESUME ||
	       kind == MF_CMD_SPIN;
}

static const struct mf__opt s3op_options[] = {
	{"inputs", MF__OPT_VALUE, false, offsetof(struct mf_command, inputs)},
	{"filelist", MF__OPT_VALUE, false, offsetof(struct mf_command, inputs)},
	{"file", MF__OPT_PAIR, false, 0},
	{"num-workers", MF__OPT_SKIP, false, 0},
	{"s3role", MF__OPT_SKIP, false, 0},
	{"s3sessionvars", MF__OPT_SKIP, false, 0},
	{"s3clientparams", MF__OPT_SKIP, false, 0},
	{"inject-failure", MF__OPT_SKIP, false, 0},
	{"verbose", MF__OPT_FLAG, false, 0},
	{"no-verbose", MF__OPT_FLAG, false, 0},
	{"listing", MF__OPT_FLAG, false, 0},
	{"no-listing", MF__OPT_FLAG, false, 0},
	{"overwrite", MF__OPT_FLAG, false, 0},
	{"no-overwrite", MF__OPT_FLAG, false, 0},
	{"recursive", MF__OPT_FLAG, false, 0},
	{"no-recursive", MF__OPT_FLAG, false, 0},
	{"verify", MF__OPT_FLAG, false, 0},
	{"no-verify", MF__OPT_FLAG, false, 0},
	{"info", MF__OPT_FLAG, false, 0},
	{"no-info", MF__OPT_FLAG, false, 0},
	{"allow-missing", MF__OPT_FLAG, false, 0},
	{"no-allow-missing", MF__OPT_FLAG, false, 0},
	{NULL, MF__OPT_FLAG, false, 0},
};

static const struct mf__opt no_options[] = {{NULL, MF__OPT_FLAG, false, 0}};

/* Whether the program is the module, by -m or by its file in Metaflow. */
static bool runs(struct mf__argv argv, const struct mf__program *program,
                 const char *module, const char *file)
{
	if (program->module.len > 0)
		return mf_str_is(program->module, module);
	return program->script < argv.len &&
	       mf_str_ends(argv.at[program->script], file);
}

static bool read_sidecar(struct mf__argv argv,
                         const struct mf__program *program,
                         struct mf_command *out)
{
	struct mf_str *operands[] = {&out->word, &out->options};

	if (!runs(argv, program, "metaflow.sidecar.sidecar_worker",
	          "sidecar/sidecar_worker.py"))
		return false;
	mf__argv_options(argv, program->args, no_options, operands, 2, out);
	out->kind = MF_CMD_SIDECAR;
	return out->word.len > 0;
}

static bool read_s3op(struct mf__argv argv, const struct mf__program *program,
                      struct mf_command *out)
{
	static const char *const modes[] = {"put", "get", "info", "list"};
	size_t at = program->args;

	if (!runs(argv, program, "metaflow.plugins.datatools.s3.s3op",
	          "s3/s3op.py") ||
	    at >= argv.len)
		return false;
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (mf_str_is(argv.at[at], modes[i]))
			out->word = argv.at[at];
	if (out->word.len == 0)
		return false;
	out->subcommand = at;
	mf__argv_options(argv, at + 1, s3op_options, NULL, 0, out);
	out->kind = MF_CMD_S3OP;
	return true;
}

static bool read_exit_hook(struct mf__argv argv,
                           const struct mf__program *program,
                           struct mf_command *out)
{
	struct mf_str *operands[] = {&out->file, &out->function,
	                             &out->pathspec};

	if (!runs(argv, program, "metaflow.plugins.exit_hook.exit_hook_script",
	          "exit_hook/exit_hook_script.py"))
		return false;
	mf__argv_options(argv, program->args, no_options, operands, 3, out);
	out->kind = MF_CMD_EXIT_HOOK;
	return out->pathspec.len > 0;
}

static bool read_logs(struct mf__argv argv, const struct mf__program *program,
                      struct mf_command *out)
{
	struct mf_str *operands[] = {&out->source, &out->path};

	if (runs(argv, program, "metaflow.mflog.save_logs",
	         "mflog/save_logs.py")) {
		out->kind = MF_CMD_SAVE_LOGS;
		return true;
	}
	if (!runs(argv, program, "metaflow.mflog.tee", "mflog/tee.py"))
		return false;
	mf__argv_options(argv, program->args, no_options, operands, 2, out);
	out->kind = MF_CMD_LOG_TEE;
	return out->path.len > 0;
}

static bool read_env_escape(struct mf__argv argv,
                            const struct mf__program *program,
                            struct mf_command *out)
{
	size_t at = program->args;

	if (!mf_str_ends(program->module, "env_escape.server") ||
	    at + 3 != argv.len)
		return false;
	out->options = argv.at[at + 1];
	out->path = argv.at[at + 2];
	out->kind = MF_CMD_ENV_ESCAPE;
	return true;
}

static bool read_metaflow(struct mf__argv argv,
                          const struct mf__program *program,
                          struct mf_command *out)
{
	size_t at = program->args;
	struct mf_str name = mf_str_basename(argv.at[program->program]);

	if (mf_str_is(name, "metaflow"))
		at = program->program + 1;
	else if (!runs(argv, program, "metaflow.cmd.main_cli", "bin/metaflow"))
		return false;
	if (at < argv.len) {
		out->word = argv.at[at];
		out->subcommand = at;
	}
	out->kind = MF_CMD_METAFLOW;
	return true;
}

/* Helpers of multiprocessing are `-c` programs with a fixed beginning. */
static bool read_multiprocessing(const struct mf__program *program,
                                 struct mf_command *out)
{
	static const struct {
		const char *code;
		enum mf_command_kind kind;
	} helpers[] = {
		{"from multiprocessing.spawn import spawn_main",
	         MF_CMD_MP_SPAWN},
		{"from multiprocessing.resource_tracker import main",
	         MF_CMD_MP_TRACKER},
		{"from multiprocessing.forkserver import main",
	         MF_CMD_MP_FORKSERVER},
	};

	for (size_t i = 0; i < sizeof(helpers) / sizeof(*helpers); i++)
		if (mf_str_starts(program->code, helpers[i].code)) {
			out->kind = helpers[i].kind;
			return true;
		}
	return false;
}

static bool is_builder(struct mf_str name)
{
	static const char *const tools[] = {"conda", "mamba", "micromamba",
	                                    "pip",   "uv",    "virtualenv",
	                                    "venv"};

	for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++)
		if (mf_str_is(name, tools[i]))
			return true;
	/* pip3, pip3.11 */
	if (!mf_str_starts(name, "pip"))
		return false;
	for (size_t i = 3; i < name.len; i++)
		if (name.ptr[i] != '.' &&
		    (name.ptr[i] < '0' || name.ptr[i] > '9'))
			return false;
	return true;
}

/* conda, pip and uv, also as `python -m pip` or a script of that name. */
static bool read_builder(struct mf__argv argv,
                         const struct mf__program *program,
                         struct mf_command *out)
{
	struct mf_str name = mf_str_basename(argv.at[program->program]);
	size_t at = program->program + 1;

	if (program->is_python) {
		name = program->module;
		if (name.len == 0 && program->script < argv.len)
			name = mf_str_basename(argv.at[program->script]);
		at = program->args;
	}
	if (!is_builder(name))
		return false;
	out->word = name;
	out->kind = MF_CMD_ENV_BUILDER;
	while (at < argv.len && mf_str_starts(argv.at[at], "-"))
		at++;
	if (at < argv.len) {
		out->subword = argv.at[at];
		out->subcommand = at;
	}
	return true;
}

/* What Metaflow asks git: contracts 1.1, metaflow_git.py, metaflow_version.py */
static bool read_git(struct mf__argv argv, const struct mf__program *program,
                     struct mf_command *out)
{
	static const char *const questions[][2] = {
		{"config", "--get"},
		{"rev-parse", "--abbrev-ref"},
		{"rev-parse", "HEAD"},
		{"rev-parse", "--is-inside-work-tree"},
		{"diff-index", "--quiet"},
		{"ls-files", "--error-unmatch"},
		{"describe", "--tags"},
	};
	size_t at = program->program;

	if (!mf_str_is(mf_str_basename(argv.at[at]), "git") ||
	    argv.len - at < 3)
		return false;
	for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++)
		if (mf_str_is(argv.at[at + 1], questions[i][0]) &&
		    mf_str_is(argv.at[at + 2], questions[i][1])) {
			out->kind = MF_CMD_GIT;
			out->word = argv.at[at + 1];
			out->subcommand = at + 1;
			return true;
		}
	return false;
}

static bool read_helper(struct mf__argv argv, const struct mf__program *program,
                        struct mf_command *out)
{
	return read_sidecar(argv, program, out) ||
	       read_s3op(argv, program, out) ||
	       read_exit_hook(argv, program, out) ||
	       read_logs(argv, program, out) ||
	       read_env_escape(argv, program, out) ||
	       read_metaflow(argv, program, out) ||
	       read_multiprocessing(program, out) ||
	       read_builder(argv, program, out) || read_git(argv, program, out);
}

enum mf_command_kind mf_command_classify(const struct mf_str *argv, size_t argc,
                                         struct mf_command *out)
{
	struct mf__argv args = {argv, argc};
	struct mf__program program;
	struct mf_command blank = {.script = argc, .subcommand = argc};

	mf__argv_interpreter(args, &program);
	blank.program = program.program;
	blank.module = program.module;
	*out = blank;
	if (program.program >= argc)
		return MF_CMD_OTHER;
	if (read_helper(args, &program, out)) {
		out->is_sure = true;
		return out->kind;
	}
	*out = blank;
	if (mf__flow_classify(args, &program, out))
		return out->kind;
	*out = blank;
	return MF_CMD_OTHER;
}

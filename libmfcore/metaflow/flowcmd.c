/*
 * The command line of a flow: options, subcommand, options.
 * Recognition: base/str.c only, no malloc, no stdio.
 */
#include "metaflow/argv.h"

#define AT(field) offsetof(struct mf_command, field)
#define END                                                                    \
	{                                                                      \
		NULL, MF__OPT_FLAG, false, 0                                   \
	}

/* Before the subcommand. */
static const struct mf__opt top_options[] = {
	{"quiet", MF__OPT_FLAG, false, 0},
	{"not-quiet", MF__OPT_FLAG, true, 0},
	{"metadata", MF__OPT_VALUE, false, AT(metadata)},
	{"environment", MF__OPT_VALUE, false, AT(environment)},
	{"force-rebuild-environments", MF__OPT_FLAG, true, 0},
	{"no-force-rebuild-environments", MF__OPT_FLAG, true, 0},
	{"datastore", MF__OPT_VALUE, true, AT(datastore)},
	{"datastore-root", MF__OPT_VALUE, true, AT(datastore_root)},
	{"package-suffixes", MF__OPT_SKIP, true, 0},
	{"with", MF__OPT_COUNT, false, AT(with_count)},
	{"pylint", MF__OPT_FLAG, true, 0},
	{"no-pylint", MF__OPT_FLAG, true, 0},
	{"event-logger", MF__OPT_VALUE, true, AT(event_logger)},
	{"monitor", MF__OPT_VALUE, false, AT(monitor)},
	{"local-config-file", MF__OPT_VALUE, true, AT(config_file)},
	{"mode", MF__OPT_SKIP, false, 0},
	{"config", MF__OPT_PAIR, false, 0},
	{"config-value", MF__OPT_PAIR, true, 0},
	{"branch", MF__OPT_VALUE, false, AT(branch)},
	{"production", MF__OPT_FLAG, false, 0},
	{"trigger", MF__OPT_SKIP, false, 0},
	{"help", MF__OPT_FLAG, false, 0},
	{"version", MF__OPT_FLAG, false, 0},
	END,
};

/* Of step, spin-step, init, batch step and kubernetes step. */
static const struct mf__opt task_options[] = {
	{"run-id", MF__OPT_VALUE, false, AT(run_id)},
	{"task-id", MF__OPT_VALUE, false, AT(task_id)},
	{"input-paths", MF__OPT_VALUE, true, AT(input_paths)},
	{"input-paths-filename", MF__OPT_VALUE, true, AT(input_paths_file)},
	{"split-index", MF__OPT_VALUE, true, AT(split_index)},
	{"tag", MF__OPT_COUNT, false, AT(tag_count)},
	{"namespace", MF__OPT_VALUE, false, AT(run_namespace)},
	{"retry-count", MF__OPT_VALUE, false, AT(retry_count)},
	{"max-user-code-retries", MF__OPT_VALUE, true,
         AT(max_user_code_retries)},
	{"clone-only", MF__OPT_VALUE, false, AT(clone_only)},
	{"clone-path", MF__OPT_VALUE, false, AT(clone_only)},
	{"clone-run-id", MF__OPT_VALUE, true, AT(clone_run_id)},
	{"ubf-context", MF__OPT_VALUE, true, AT(ubf_context)},
	{"num-parallel", MF__OPT_VALUE, false, AT(num_parallel)},
	{"orig-flow-datastore", MF__OPT_VALUE, true, AT(origin_datastore)},
	{"artifacts-module", MF__OPT_SKIP, true, 0},
	{"persist", MF__OPT_FLAG, false, 0},
	{"no-persist", MF__OPT_FLAG, false, 0},
	{"skip-decorators", MF__OPT_FLAG, true, 0},
	{"no-skip-decorators", MF__OPT_FLAG, true, 0},
	{"use-tmpfs", MF__OPT_FLAG, false, 0},
	{"tmpfs-tempdir", MF__OPT_FLAG, false, 0},
	{"no-tmpfs-tempdir", MF__OPT_FLAG, false, 0},
	{"help", MF__OPT_FLAG, false, 0},
	END,
};

/* Of run, resume and spin; a flow's parameters are options too. */
static const struct mf__opt engine_options[] = {
	{"run-id-file", MF__OPT_VALUE, true, AT(run_id_file)},
	{"runner-attribute-file", MF__OPT_VALUE, true, AT(runner_file)},
	{"tag", MF__OPT_COUNT, false, AT(tag_count)},
	{"max-workers", MF__OPT_VALUE, false, AT(max_workers)},
	{"max-num-splits", MF__OPT_SKIP, true, 0},
	{"max-log-size", MF__OPT_SKIP, true, 0},
	{"with", MF__OPT_COUNT, false, AT(with_count)},
	{"namespace", MF__OPT_VALUE, false, AT(run_namespace)},
	{"origin-run-id", MF__OPT_VALUE, true, AT(origin_run_id)},
	{"run-id", MF__OPT_VALUE, false, AT(run_id)},
	{"clone-only", MF__OPT_FLAG, false, 0},
	{"no-clone-only", MF__OPT_FLAG, true, 0},
	{"reentrant", MF__OPT_FLAG, false, 0},
	{"no-reentrant", MF__OPT_FLAG, true, 0},
	{"resume-identifier", MF__OPT_SKIP, true, 0},
	{"skip-decorators", MF__OPT_FLAG, true, 0},
	{"no-skip-decorators", MF__OPT_FLAG, true, 0},
	{"artifacts-module", MF__OPT_SKIP, true, 0},
	{"persist", MF__OPT_FLAG, false, 0},
	{"no-persist", MF__OPT_FLAG, false, 0},
	{"help", MF__OPT_FLAG, false, 0},
	END,
};

static const struct mf__opt dump_options[] = {
	{"private", MF__OPT_FLAG, false, 0},
	{"no-private", MF__OPT_FLAG, true, 0},
	{"max-value-size", MF__OPT_SKIP, true, 0},
	{"include", MF__OPT_SKIP, false, 0},
	{"file", MF__OPT_SKIP, false, 0},
	END,
};

static const struct mf__opt card_options[] = {
	{"type", MF__OPT_VALUE, false, AT(card_type)},
	{"mode", MF__OPT_VALUE, false, AT(card_mode)},
	{"card-uuid", MF__OPT_SKIP, true, 0},
	{"delete-input-files", MF__OPT_FLAG, true, 0},
	{"render-error-card", MF__OPT_FLAG, true, 0},
	END,
};

static const struct mf__opt no_options[] = {END};

/* Groups of subcommands, which may have options of their own before the verb */
static const char *const groups[] = {
	"card",           "tag",           "logs",    "package",
	"batch",          "kubernetes",    "airflow", "argo-workflows",
	"step-functions", "spot-metadata",
};

/* Subcommands with none below them. */
static const char *const verbs[] = {
	"run",        "resume",  "spin", "step",  "spin-step",
	"init",       "dump",    "show", "check", "output-raw",
	"output-dot", "version", "help",
};

static bool is_one_of(struct mf_str word, const char *const *list, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (mf_str_is(word, list[i]))
			return true;
	return false;
}

static bool is_group(struct mf_str word)
{
	return is_one_of(word, groups, sizeof(groups) / sizeof(*groups));
}

static bool is_verb(struct mf_str word)
{
	return is_one_of(word, verbs, sizeof(verbs) / sizeof(*verbs));
}

/* An option nobody knows may take no value; then the subcommand follows. */
static bool is_no_subcommand(struct mf_str arg)
{
	return !is_verb(arg) && !is_group(arg);
}

/* The index of the subcommand, argv.len without one. */
static size_t find_subcommand(struct mf__argv argv, size_t i,
                              struct mf_command *out)
{
	while (i < argv.len && mf_str_starts(argv.at[i], "--")) {
		if (argv.at[i].len == 2)
			return argv.len;
		i = mf__argv_option(argv, i, top_options, is_no_subcommand,
		                    out);
	}
	return i < argv.len && !is_no_subcommand(argv.at[i]) ? i : argv.len;
}

/* A task's line must name the step, the run and the task. */
static bool read_task(struct mf__argv argv, size_t i, enum mf_command_kind kind,
                      struct mf_command *out)
{
	struct mf_str *operands[] = {&out->step};

	mf__argv_options(argv, i, task_options, operands,
	                 kind == MF_CMD_INIT ? 0 : 1, out);
	out->kind = kind;
	out->is_sure = true;
	return out->run_id.len > 0 && out->task_id.len > 0 &&
	       (kind == MF_CMD_INIT || out->step.len > 0);
}

static bool read_group(struct mf__argv argv, size_t i, struct mf_command *out)
{
	struct mf_str *operands[] = {&out->pathspec};

	while (i < argv.len && mf_str_starts(argv.at[i], "--"))
		i = mf__argv_option(argv, i, no_options, NULL, out);
	if (i >= argv.len)
		return out->is_sure;
	out->subword = argv.at[i++];
	if (mf_str_is(out->subword, "step") &&
	    (mf_str_is(out->word, "batch") ||
	     mf_str_is(out->word, "kubernetes")))
		return read_task(argv, i, MF_CMD_REMOTE_STEP, out);
	out->kind = MF_CMD_FLOW;
	if (!mf_str_is(out->word, "card") || !mf_str_is(out->subword, "create"))
		return true;
	mf__argv_options(argv, i, card_options, operands, 1, out);
	if (out->pathspec.len > 0)
		out->kind = MF_CMD_CARD;
	return true;
}

static bool read_engine(struct mf__argv argv, size_t i, struct mf_command *out)
{
	struct mf_str *resume_at[] = {&out->step};
	struct mf_str *spin_what[] = {&out->pathspec};

	if (mf_str_is(out->word, "run")) {
		out->kind = MF_CMD_RUN;
		mf__argv_options(argv, i, engine_options, NULL, 0, out);
	} else if (mf_str_is(out->word, "resume")) {
		out->kind = MF_CMD_RESUME;
		mf__argv_options(argv, i, engine_options, resume_at, 1, out);
	} else {
		out->kind = MF_CMD_SPIN;
		mf__argv_options(argv, i, engine_options, spin_what, 1, out);
		return out->pathspec.len > 0;
	}
	return true;
}

static bool read_subcommand(struct mf__argv argv, size_t i,
                            struct mf_command *out)
{
	struct mf_str *dumped[] = {&out->pathspec};

	out->word = argv.at[i];
	out->subcommand = i++;
	if (is_group(out->word))
		return read_group(argv, i, out);
	if (mf_str_is(out->word, "step"))
		return read_task(argv, i, MF_CMD_STEP, out);
	if (mf_str_is(out->word, "spin-step"))
		return read_task(argv, i, MF_CMD_SPIN_STEP, out);
	if (mf_str_is(out->word, "init"))
		return read_task(argv, i, MF_CMD_INIT, out);
	if (mf_str_is(out->word, "run") || mf_str_is(out->word, "resume") ||
	    mf_str_is(out->word, "spin"))
		return read_engine(argv, i, out);
	out->kind = MF_CMD_FLOW;
	if (mf_str_is(out->word, "dump")) {
		out->kind = MF_CMD_DUMP;
		mf__argv_options(argv, i, dump_options, dumped, 1, out);
		return out->pathspec.len > 0;
	}
	return true;
}

/* A guess needs at least the look of a Python program. */
static bool may_guess(struct mf__argv argv, const struct mf__program *program,
                      size_t script)
{
	if (program->module.len > 0)
		return program->is_python;
	return mf_str_ends(argv.at[script], ".py") ||
	       (program->is_python && script != program->program &&
	        !mf_str_is(argv.at[script], "-"));
}

static bool try_flow(struct mf__argv argv, const struct mf__program *program,
                     size_t script, size_t args, struct mf_command *out)
{
	struct mf_command found = {
		.program = program->program,
		.script = script,
		.module = program->module,
	};
	size_t at = find_subcommand(argv, args, &found);

	if (at >= argv.len || !read_subcommand(argv, at, &found))
		return false;
	if (script < argv.len)
		found.file = argv.at[script];
	if (!found.is_sure && !may_guess(argv, program, script))
		return false;
	*out = found;
	return true;
}

bool mf__flow_classify(struct mf__argv argv, const struct mf__program *program,
                       struct mf_command *out)
{
	if (program->program >= argv.len || program->code.len > 0)
		return false;
	if (program->module.len > 0)
		return try_flow(argv, program, argv.len, program->args, out);
	/* a flow in C, or a script run by its own name */
	if (!program->is_python && try_flow(argv, program, program->program,
	                                    program->program + 1, out))
		return true;
	return program->script < argv.len &&
	       try_flow(argv, program, program->script, program->args, out);
}

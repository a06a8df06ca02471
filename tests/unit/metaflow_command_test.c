#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "mfcore/command.h"

enum {
	ARGS_MAX = 64,
};

/* Classify a command line whose arguments are separated by single blanks. */
static enum mf_command_kind classify(const char *line, struct mf_command *out)
{
	struct mf_str args[ARGS_MAX];
	struct mf_str rest = mf_str(line);
	size_t n = 0;
	enum mf_command_kind kind;

	while (rest.ptr && n < ARGS_MAX)
		args[n++] = mf_str_cut(&rest, ' ');
	kind = mf_command_classify(args, n, out);
	assert_int_equal(kind, out->kind);
	return kind;
}

static enum mf_command_kind classify_argv(const char *const *argv,
                                          struct mf_command *out)
{
	struct mf_str args[ARGS_MAX];
	size_t n = 0;

	for (; argv[n]; n++)
		args[n] = mf_str(argv[n]);
	return mf_command_classify(args, n, out);
}

static void assert_str(struct mf_str have, const char *want)
{
	if (mf_str_is(have, want))
		return;
	fail_msg("have '%.*s', want '%s'", (int)have.len, have.ptr, want);
}

static void assert_kind(const char *line, enum mf_command_kind want)
{
	struct mf_command cmd;
	enum mf_command_kind have = classify(line, &cmd);

	if (have != want)
		fail_msg("'%s' is %s, not %s", line, mf_command_word(have),
		         mf_command_word(want));
}

#define TOP                                                                    \
	"--quiet --metadata local --environment local --datastore local "      \
	"--event-logger nullSidecarLogger --monitor nullSidecarMonitor "       \
	"--datastore-root /w/.metaflow"

TEST(a_step_of_a_local_run_is_read_whole)
{
	struct mf_command cmd;

	assert_int_equal(
		classify("/usr/bin/python3 zoo.py " TOP
	                 " --with timeout:seconds=300,minutes=0,hours=0"
	                 " step node --run-id 1795375116869688 --task-id 21"
	                 " --input-paths 1795375116869688/par/17"
	                 " --retry-count 2 --max-user-code-retries 3"
	                 " --tag t1 --tag t2 --namespace user:x"
	                 " --ubf-context ubf_control --num-parallel 3"
	                 " --split-index 0",
	                 &cmd),
		MF_CMD_STEP);
	assert_true(cmd.is_sure);
	assert_int_equal(cmd.program, 0);
	assert_int_equal(cmd.script, 1);
	assert_str(cmd.file, "zoo.py");
	assert_str(cmd.datastore, "local");
	assert_str(cmd.datastore_root, "/w/.metaflow");
	assert_str(cmd.metadata, "local");
	assert_str(cmd.environment, "local");
	assert_str(cmd.event_logger, "nullSidecarLogger");
	assert_str(cmd.monitor, "nullSidecarMonitor");
	assert_int_equal(cmd.with_count, 1);
	assert_str(cmd.word, "step");
	assert_str(cmd.step, "node");
	assert_str(cmd.run_id, "1795375116869688");
	assert_str(cmd.task_id, "21");
	assert_str(cmd.input_paths, "1795375116869688/par/17");
	assert_str(cmd.retry_count, "2");
	assert_str(cmd.max_user_code_retries, "3");
	assert_int_equal(cmd.tag_count, 2);
	assert_str(cmd.run_namespace, "user:x");
	assert_str(cmd.ubf_context, "ubf_control");
	assert_str(cmd.num_parallel, "3");
	assert_str(cmd.split_index, "0");
}

TEST(a_spin_step_is_read_whole)
{
	struct mf_command cmd;

	assert_int_equal(
		classify("python fan.py --quiet --metadata spin --environment "
	                 "local --datastore spin --event-logger "
	                 "nullSidecarLogger --monitor nullSidecarMonitor "
	                 "--datastore-root /w/.metaflow_spin spin-step work "
	                 "--run-id 9 --task-id 0 --input-paths 7/start/1/0 "
	                 "--split-index 1 --retry-count 0 "
	                 "--max-user-code-retries 0 --namespace user:x "
	                 "--orig-flow-datastore local@/w/.metaflow "
	                 "--no-persist",
	                 &cmd),
		MF_CMD_SPIN_STEP);
	assert_str(cmd.step, "work");
	assert_str(cmd.input_paths, "7/start/1/0");
	assert_str(cmd.origin_datastore, "local@/w/.metaflow");
	assert_str(cmd.datastore_root, "/w/.metaflow_spin");
}

TEST(a_mapper_started_by_a_control_task_is_a_step)
{
	struct mf_command cmd;

	assert_int_equal(
		classify("python -u zoo.py --quiet --metadata local "
	                 "--environment local --datastore local "
	                 "--datastore-root /w/.metaflow --package-suffixes "
	                 ".py,.R,.RDS --pylint --event-logger "
	                 "nullSidecarLogger --monitor nullSidecarMonitor "
	                 "--local-config-file /tmp/tmpabc step node --run-id 5 "
	                 "--task-id 21_node_1 --input-paths 5/par/17 "
	                 "--split-index 1 --retry-count 0 "
	                 "--max-user-code-retries 0 --namespace user:x "
	                 "--ubf-context ubf_task --num-parallel 3",
	                 &cmd),
		MF_CMD_STEP);
	assert_int_equal(cmd.script, 2);
	assert_str(cmd.task_id, "21_node_1");
	assert_str(cmd.ubf_context, "ubf_task");
	assert_str(cmd.config_file, "/tmp/tmpabc");
}

TEST(options_may_carry_their_value_behind_an_equals_sign)
{
	struct mf_command cmd;

	assert_int_equal(
		classify(
			"python fan.py --quiet --datastore=s3 "
			"--datastore-root=s3://b/p --with=step_functions_internal"
			" step start --run-id=sfn-1 --task-id=t=1 --tag=a=b "
			"--namespace= --input-paths=!eJy=",
			&cmd),
		MF_CMD_STEP);
	assert_str(cmd.datastore_root, "s3://b/p");
	assert_str(cmd.run_id, "sfn-1");
	assert_str(cmd.task_id, "t=1");
	assert_str(cmd.run_namespace, "");
	assert_str(cmd.input_paths, "!eJy=");
	assert_int_equal(cmd.with_count, 1);
	assert_int_equal(cmd.tag_count, 1);
}

TEST(a_value_may_look_like_an_option_or_a_subcommand)
{
	struct mf_command cmd;

	assert_int_equal(classify("python f.py --branch run --config cfg step "
	                          "--config-value a run step step --run-id "
	                          "--task-id --task-id 4 --tag --step",
	                          &cmd),
	                 MF_CMD_STEP);
	assert_str(cmd.branch, "run");
	assert_str(cmd.step, "step");
	assert_str(cmd.run_id, "--task-id");
	assert_str(cmd.task_id, "4");
	assert_int_equal(cmd.tag_count, 1);
}

TEST(an_option_of_an_extension_may_or_may_not_take_a_value)
{
	assert_kind("python f.py --mine step s --run-id 1 --task-id 2",
	            MF_CMD_STEP);
	assert_kind("python f.py --mine his step s --run-id 1 --task-id 2",
	            MF_CMD_STEP);
}

TEST(a_step_without_run_or_task_is_no_step)
{
	assert_kind("python f.py step", MF_CMD_OTHER);
	assert_kind("python f.py step work", MF_CMD_OTHER);
	assert_kind("python f.py step work --run-id 1", MF_CMD_OTHER);
	assert_kind("python f.py step work --task-id 1", MF_CMD_OTHER);
	assert_kind("python f.py step --run-id 1 --task-id 2", MF_CMD_OTHER);
	assert_kind("python f.py other step work --run-id 1 --task-id 2",
	            MF_CMD_OTHER);
	assert_kind("python -c step work --run-id 1 --task-id 2", MF_CMD_OTHER);
}

TEST(interpreter_flags_are_stepped_over)
{
	struct mf_command cmd;
	static const char tail[] = " step s --run-id 1 --task-id 2";
	static const char *const heads[] = {
		"python -B -u f.py",
		"python3.11 -Bu f.py",
		"python3.13t -X dev -Xfrozen_modules=off f.py",
		"/opt/conda/bin/python -W ignore -Werror f.py",
		"pypy3 -I -E -s f.py",
		"python --check-hash-based-pycs always f.py",
		"python -- f.py",
		"/odd/interp -u f.py",
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		char line[256];

		snprintf(line, sizeof(line), "%s%s", heads[i], tail);
		assert_int_equal(classify(line, &cmd), MF_CMD_STEP);
		assert_str(cmd.file, "f.py");
		assert_str(cmd.run_id, "1");
	}
	assert_int_equal(classify("python -Bm pkg.flow step s --run-id 1 "
	                          "--task-id 2",
	                          &cmd),
	                 MF_CMD_STEP);
	assert_str(cmd.module, "pkg.flow");
	assert_str(cmd.file, "");
	assert_int_equal(cmd.script, 9);
}

TEST(wrappers_are_stepped_over)
{
	struct mf_command cmd;
	static const char *const heads[] = {
		"/usr/bin/env",
		"/usr/bin/env X=1 Y=2",
		"env -i -u HOME --chdir=/ X=1",
		"env -uHOME -- X=1",
		"timeout 5",
		"timeout -k 1 --signal KILL 5s",
		"nice -n 5",
		"nohup",
		"stdbuf -oL -eL",
		"uv run --no-sync",
		"uv run --with boto3 --",
		"conda run --no-capture-output -n env",
		"micromamba run --prefix /p",
		"sudo -u bob A=1",
		"taskset 0x3 nice timeout 5 env A=b",
		"strace -f -o out.txt -e trace=file",
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		char line[256];

		snprintf(line, sizeof(line), "%s%s", heads[i],
		         " python -u f.py step s --run-id 1 --task-id 2");
		if (classify(line, &cmd) != MF_CMD_STEP)
			fail_msg("'%s' hides a step", line);
		assert_str(cmd.file, "f.py");
		assert_true(cmd.program + 2 == cmd.script);
	}
	assert_kind("timeout 5", MF_CMD_OTHER);
	assert_kind("env", MF_CMD_OTHER);
	assert_kind("env X=1", MF_CMD_OTHER);
}

TEST(a_flow_in_c_is_its_own_program)
{
	struct mf_command cmd;

	assert_int_equal(classify("./zoo --quiet step s --run-id 1 --task-id 2",
	                          &cmd),
	                 MF_CMD_STEP);
	assert_str(cmd.file, "./zoo");
	assert_int_equal(cmd.script, 0);
	assert_int_equal(classify("./zoo --datastore local run --max-workers 4",
	                          &cmd),
	                 MF_CMD_RUN);
	assert_true(cmd.is_sure);
	assert_str(cmd.max_workers, "4");
}

TEST(an_engine_is_sure_only_with_options_of_metaflow)
{
	struct mf_command cmd;

	assert_int_equal(classify("python manage.py run", &cmd), MF_CMD_RUN);
	assert_false(cmd.is_sure);
	assert_int_equal(classify("python f.py --no-pylint run --n 3", &cmd),
	                 MF_CMD_RUN);
	assert_true(cmd.is_sure);
	assert_int_equal(classify("python f.py run --alpha run "
	                          "--runner-attribute-file /tmp/x "
	                          "--run-id-file id --tag a --with retry",
	                          &cmd),
	                 MF_CMD_RUN);
	assert_true(cmd.is_sure);
	assert_str(cmd.runner_file, "/tmp/x");
	assert_str(cmd.run_id_file, "id");
	assert_true(mf_command_is_engine(cmd.kind));
	assert_int_equal(classify("python f.py resume --clone-only train "
	                          "--origin-run-id 17",
	                          &cmd),
	                 MF_CMD_RESUME);
	assert_str(cmd.step, "train");
	assert_str(cmd.origin_run_id, "17");
	assert_int_equal(classify("python f.py spin work --no-persist", &cmd),
	                 MF_CMD_SPIN);
	assert_str(cmd.pathspec, "work");
	assert_kind("docker run --tag x image", MF_CMD_OTHER);
	assert_kind("npm run build", MF_CMD_OTHER);
	assert_kind("cargo run", MF_CMD_OTHER);
	assert_kind("git tag v1", MF_CMD_OTHER);
	assert_kind("systemctl show x", MF_CMD_OTHER);
	assert_kind("python", MF_CMD_OTHER);
	assert_kind("python f.py", MF_CMD_OTHER);
	assert_kind("python - run", MF_CMD_OTHER);
}

TEST(other_subcommands_of_a_flow_are_told_apart)
{
	struct mf_command cmd;

	assert_kind("python f.py show", MF_CMD_FLOW);
	assert_kind("python f.py output-raw", MF_CMD_FLOW);
	assert_kind("python f.py logs 1/start/2", MF_CMD_FLOW);
	assert_kind("python f.py tag add --run-id 1 x", MF_CMD_FLOW);
	assert_kind("python f.py argo-workflows --name x create", MF_CMD_FLOW);
	assert_kind("python /metaflow/f.py spot-metadata record --run-id 1",
	            MF_CMD_FLOW);
	assert_int_equal(classify("python f.py --quiet --no-pylint dump "
	                          "--max-value-size=0 r/_parameters/p",
	                          &cmd),
	                 MF_CMD_DUMP);
	assert_str(cmd.pathspec, "r/_parameters/p");
	assert_int_equal(classify("python f.py --quiet --metadata local "
	                          "--datastore local init --run-id argo-x "
	                          "--task-id t-params --tag y",
	                          &cmd),
	                 MF_CMD_INIT);
	assert_str(cmd.run_id, "argo-x");
	assert_str(cmd.task_id, "t-params");
	assert_str(cmd.step, "");
	assert_int_equal(
		classify("python f.py --quiet card create F/1/start/2 "
	                 "--delete-input-files --card-uuid u --mode refresh "
	                 "--type default --timeout 60",
	                 &cmd),
		MF_CMD_CARD);
	assert_str(cmd.pathspec, "F/1/start/2");
	assert_str(cmd.card_mode, "refresh");
	assert_str(cmd.card_type, "default");
	assert_int_equal(
		classify("python -u f.py --quiet --datastore s3 kubernetes "
	                 "step train meta sha s3://b/k --run-id 1 --task-id 2 "
	                 "--input-paths 1/start/1 --image x --use-tmpfs",
	                 &cmd),
		MF_CMD_REMOTE_STEP);
	assert_str(cmd.step, "train");
	assert_str(cmd.subword, "step");
	assert_kind("python f.py batch step train sha url --run-id 1 "
	            "--task-id 2",
	            MF_CMD_REMOTE_STEP);
}

TEST(a_sidecar_is_its_worker_with_a_type)
{
	struct mf_command cmd;
	static const char *const argv[] = {
		"/usr/bin/python3",
		"-u",
		"/lib/metaflow/sidecar/sidecar_worker.py",
		"save_logs_periodically",
		"{\"enable_debug_logs\":true}",
		NULL,
	};

	assert_int_equal(classify_argv(argv, &cmd), MF_CMD_SIDECAR);
	assert_str(cmd.word, "save_logs_periodically");
	assert_str(cmd.options, "{\"enable_debug_logs\":true}");
	assert_int_equal(
		classify("python -u metaflow/sidecar/sidecar_worker.py "
	                 "debugLogger",
	                 &cmd),
		MF_CMD_SIDECAR);
	assert_str(cmd.word, "debugLogger");
	assert_str(cmd.options, "");
	assert_kind("python -m metaflow.sidecar.sidecar_worker heartbeat",
	            MF_CMD_SIDECAR);
	assert_kind("python -u /x/sidecar/sidecar_worker.py", MF_CMD_OTHER);
	assert_kind("vi metaflow/sidecar/sidecar_worker.py.txt debugLogger",
	            MF_CMD_OTHER);
	assert_kind("python tool.py metaflow/sidecar/sidecar_worker.py x",
	            MF_CMD_OTHER);
}

TEST(an_s3op_is_read_with_its_mode_and_inputs)
{
	struct mf_command cmd;
#define S3OP "/usr/bin/python3 /l/metaflow/plugins/datatools/s3/s3op.py "

	assert_int_equal(classify(S3OP "put --no-verbose --overwrite --listing "
	                               "--inputs /w/metaflow.s3.put_inputs.x",
	                          &cmd),
	                 MF_CMD_S3OP);
	assert_str(cmd.word, "put");
	assert_str(cmd.inputs, "/w/metaflow.s3.put_inputs.x");
	classify(S3OP "get --no-allow-missing --verify --no-verbose --info "
	              "--listing --s3role arn:x --inputs=f --inject-failure 10",
	         &cmd);
	assert_str(cmd.word, "get");
	assert_str(cmd.inputs, "f");
	classify(S3OP "list --s3clientparams {} --recursive --inputs g", &cmd);
	assert_str(cmd.word, "list");
	assert_str(cmd.inputs, "g");
	classify(S3OP "put --filelist h", &cmd);
	assert_str(cmd.inputs, "h");
	assert_kind(S3OP "info --no-verbose --listing --inputs F", MF_CMD_S3OP);
	assert_kind(S3OP "delete --inputs F", MF_CMD_OTHER);
	assert_kind(S3OP, MF_CMD_OTHER);
	assert_kind("less /l/metaflow/plugins/datatools/s3/s3op.py",
	            MF_CMD_OTHER);
}

TEST(modules_of_metaflow_are_recognised)
{
	struct mf_command cmd;

	assert_int_equal(
		classify("/usr/bin/python3 -m "
	                 "metaflow.plugins.exit_hook.exit_hook_script f.py "
	                 "on_fail Zoo/17",
	                 &cmd),
		MF_CMD_EXIT_HOOK);
	assert_str(cmd.file, "f.py");
	assert_str(cmd.function, "on_fail");
	assert_str(cmd.pathspec, "Zoo/17");
	assert_kind("python -m metaflow.mflog.save_logs", MF_CMD_SAVE_LOGS);
	assert_int_equal(
		classify("python -m metaflow.mflog.tee task /l/mflog_stdout",
	                 &cmd),
		MF_CMD_LOG_TEE);
	assert_str(cmd.source, "task");
	assert_str(cmd.path, "/l/mflog_stdout");
	assert_int_equal(
		classify("/usr/bin/python3 -u -m "
	                 "metaflow.plugins.env_escape.server 4 /cfg /tmp/cfg_9",
	                 &cmd),
		MF_CMD_ENV_ESCAPE);
	assert_str(cmd.path, "/tmp/cfg_9");
	assert_kind("metaflow status", MF_CMD_METAFLOW);
	assert_kind("/v/bin/python /v/bin/metaflow configure show",
	            MF_CMD_METAFLOW);
	assert_kind("python -m metaflow.cmd.main_cli help", MF_CMD_METAFLOW);
}

TEST(helpers_of_multiprocessing_are_recognised)
{
	struct mf_command cmd;
	const char *argv[] = {"/usr/bin/python3", "-s", "-c", NULL, NULL, NULL};

	argv[3] = "from multiprocessing.spawn import spawn_main; "
		  "spawn_main(tracker_fd=5, pipe_handle=7)";
	argv[4] = "--multiprocessing-fork";
	assert_int_equal(classify_argv(argv, &cmd), MF_CMD_MP_SPAWN);
	argv[4] = NULL;
	argv[3] = "from multiprocessing.resource_tracker import main;main(4)";
	assert_int_equal(classify_argv(argv, &cmd), MF_CMD_MP_TRACKER);
	argv[3] = "from multiprocessing.forkserver import main; main(3, 4, [])";
	assert_int_equal(classify_argv(argv, &cmd), MF_CMD_MP_FORKSERVER);
	argv[3] = "import multiprocessing";
	assert_int_equal(classify_argv(argv, &cmd), MF_CMD_OTHER);
}

TEST(builders_of_environments_and_git_are_recognised)
{
	struct mf_command cmd;

	assert_int_equal(classify("/m/bin/micromamba create --yes --prefix p",
	                          &cmd),
	                 MF_CMD_ENV_BUILDER);
	assert_str(cmd.word, "micromamba");
	assert_str(cmd.subword, "create");
	assert_int_equal(classify("micromamba run --prefix /p pip3 "
	                          "--disable-pip-version-check --no-color "
	                          "install x",
	                          &cmd),
	                 MF_CMD_ENV_BUILDER);
	assert_str(cmd.word, "pip3");
	assert_str(cmd.subword, "install");
	assert_kind("conda create -n x", MF_CMD_ENV_BUILDER);
	assert_kind("mamba install x", MF_CMD_ENV_BUILDER);
	assert_kind("uv sync", MF_CMD_ENV_BUILDER);
	assert_kind("python -m pip install boto3", MF_CMD_ENV_BUILDER);
	assert_kind("/v/bin/python /v/bin/pip3.11 install x",
	            MF_CMD_ENV_BUILDER);
	assert_kind("pipeline run", MF_CMD_OTHER);
	assert_kind("git rev-parse HEAD", MF_CMD_GIT);
	assert_kind("git config --get remote.origin.url", MF_CMD_GIT);
	assert_kind("git describe --tags --dirty --long --abbrev=7",
	            MF_CMD_GIT);
	assert_kind("git ls-files --error-unmatch f.py", MF_CMD_GIT);
	assert_kind("git diff-index --quiet HEAD --", MF_CMD_GIT);
	assert_kind("git push origin main", MF_CMD_OTHER);
}

TEST(a_line_cut_anywhere_is_still_read_safely)
{
	static const char line[] =
		"env -u X timeout -k 1 5 python -X dev -m f --config a b --with "
		"x step s --run-id 1 --task-id 2 --tag y --input-paths z";
	struct mf_command cmd;

	for (size_t i = 0; i < sizeof(line); i++) {
		char cut[sizeof(line)];

		memcpy(cut, line, i);
		cut[i] = '\0';
		assert_true(classify(cut, &cmd) == MF_CMD_STEP ||
		            cmd.kind == MF_CMD_OTHER);
	}
	assert_int_equal(mf_command_classify(NULL, 0, &cmd), MF_CMD_OTHER);
	assert_kind("", MF_CMD_OTHER);
	assert_kind("-", MF_CMD_OTHER);
	assert_kind("--", MF_CMD_OTHER);
}

TEST(every_kind_has_a_word_and_a_meaning)
{
	for (int i = 0; i < MF_CMD_KINDS; i++) {
		assert_true(*mf_command_word((enum mf_command_kind)i));
		assert_true(*mf_command_meaning((enum mf_command_kind)i));
	}
	assert_string_equal(mf_command_word((enum mf_command_kind)999),
	                    "other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_step_of_a_local_run_is_read_whole),
		CASE(a_spin_step_is_read_whole),
		CASE(a_mapper_started_by_a_control_task_is_a_step),
		CASE(options_may_carry_their_value_behind_an_equals_sign),
		CASE(a_value_may_look_like_an_option_or_a_subcommand),
		CASE(an_option_of_an_extension_may_or_may_not_take_a_value),
		CASE(a_step_without_run_or_task_is_no_step),
		CASE(interpreter_flags_are_stepped_over),
		CASE(wrappers_are_stepped_over),
		CASE(a_flow_in_c_is_its_own_program),
		CASE(an_engine_is_sure_only_with_options_of_metaflow),
		CASE(other_subcommands_of_a_flow_are_told_apart),
		CASE(a_sidecar_is_its_worker_with_a_type),
		CASE(an_s3op_is_read_with_its_mode_and_inputs),
		CASE(modules_of_metaflow_are_recognised),
		CASE(helpers_of_multiprocessing_are_recognised),
		CASE(builders_of_environments_and_git_are_recognised),
		CASE(a_line_cut_anywhere_is_still_read_safely),
		CASE(every_kind_has_a_word_and_a_meaning),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}

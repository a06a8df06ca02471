#include "support/test.h"

#include <stdio.h>

#include "mfcore/dslayout.h"

#define KEY "dbc1aaddc8b7343d6d33b34edcf608b8f8801918"

static const struct mf_str no_root = {NULL, 0};

static void assert_str(struct mf_str have, const char *want)
{
	if (!mf_str_is(have, want))
		fail_msg("have '%.*s', want '%s'", (int)have.len, have.ptr,
		         want);
}

static void assert_kind(const char *path, enum mf_dsfile want)
{
	struct mf_dslayout at;
	bool is_one = mf_dslayout_parse(mf_str(path), no_root, &at);

	if (is_one != (want != MF_DS_NONE) || at.kind != want)
		fail_msg("'%s' is %s, not %s", path, mf_dsfile_word(at.kind),
		         mf_dsfile_word(want));
}

TEST(every_file_of_a_task_is_known)
{
	static const struct {
		const char *name;
		enum mf_dsfile kind;
		int attempt;
	} files[] = {
		{"0.attempt.json", MF_DS_ATTEMPT, 0},
		{"1.task_begin", MF_DS_TASK_BEGIN, 1},
		{"2.task_end", MF_DS_TASK_END, 2},
		{"3.data.json", MF_DS_DATA, 3},
		{"5.DONE.lock", MF_DS_DONE, 5},
		{"0.runtime", MF_DS_RUNTIME, 0},
		{"0.runtime_stdout.log", MF_DS_RUNTIME_STDOUT, 0},
		{"0.runtime_stderr.log", MF_DS_RUNTIME_STDERR, 0},
		{"0.task_stdout.log", MF_DS_TASK_STDOUT, 0},
		{"0.task_stderr.log", MF_DS_TASK_STDERR, 0},
		{"0.local_metadata", MF_DS_LOCAL_METADATA, 0},
		{"_resume_done", MF_DS_RESUME_DONE, -1},
		{"_resume_leader", MF_DS_RESUME_LEADER, -1},
	};
	struct mf_dslayout at;

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		char path[128];

		snprintf(path, sizeof(path), "/w/.metaflow/Fan/17/work/4/%s",
		         files[i].name);
		assert_true(mf_dslayout_parse(mf_str(path), no_root, &at));
		assert_int_equal(at.kind, files[i].kind);
		assert_int_equal(at.attempt, files[i].attempt);
		assert_str(at.root, "/w/.metaflow");
		assert_str(at.flow, "Fan");
		assert_str(at.run, "17");
		assert_str(at.step, "work");
		assert_str(at.task, "4");
	}
}

TEST(metadata_is_known_at_every_level)
{
	struct mf_dslayout at;

	assert_true(mf_dslayout_parse(
		MF_STR("/w/.metaflow/Fan/_meta/_self.json"), no_root, &at));
	assert_int_equal(at.kind, MF_DS_SELF);
	assert_str(at.flow, "Fan");
	assert_int_equal(at.run.len, 0);
	assert_true(mf_dslayout_parse(
		MF_STR("/w/.metaflow/Fan/17/_parameters/_meta/_self.json"),
		no_root, &at));
	assert_str(at.step, "_parameters");
	assert_int_equal(at.task.len, 0);
	assert_true(mf_dslayout_parse(
		MF_STR("/w/.metaflow/Fan/17/work/4/_meta/"
	               "sysmeta_foreach-execution_path_1795375027143.json"),
		no_root, &at));
	assert_int_equal(at.kind, MF_DS_SYSMETA);
	assert_str(at.name, "foreach-execution_path");
	assert_true(at.time_ms == UINT64_C(1795375027143));
	assert_str(at.task, "4");
	assert_true(mf_dslayout_parse(
		MF_STR("/w/.metaflow/Fan/17/work/4/_meta/1_artifact__task_ok"
	               ".json"),
		no_root, &at));
	assert_int_equal(at.kind, MF_DS_ARTIFACT);
	assert_int_equal(at.attempt, 1);
	assert_str(at.name, "_task_ok");
}

TEST(blobs_cards_and_the_latest_run_are_known)
{
	struct mf_dslayout at;

	assert_true(mf_dslayout_parse(MF_STR("/w/.metaflow/Fan/data/db/" KEY),
	                              no_root, &at));
	assert_int_equal(at.kind, MF_DS_BLOB);
	assert_str(at.name, KEY);
	assert_kind("/w/.metaflow/Fan/data/db/" KEY "_meta", MF_DS_BLOB_META);
	assert_kind("/w/.metaflow/Fan/data/dc/" KEY, MF_DS_NONE);
	assert_kind("/w/.metaflow/Fan/latest_run", MF_DS_LATEST_RUN);
	assert_true(mf_dslayout_parse(
		MF_STR("/w/.metaflow/mf.cards/Fan/runs/17/steps/work/tasks/4/"
	               "cards/default-abc.html"),
		no_root, &at));
	assert_int_equal(at.kind, MF_DS_CARD);
	assert_str(at.root, "/w/.metaflow/mf.cards");
	assert_str(at.run, "17");
	assert_str(at.task, "4");
	assert_str(at.name, "default-abc.html");
	assert_true(mf_dslayout_parse(
		MF_STR("/w/ds/mf.cards/Fan/runs/17/steps/work/tasks/4/runtime/"
	               "default-abc.data.json"),
		MF_STR("/w/ds/"), &at));
	assert_int_equal(at.kind, MF_DS_CARD_DATA);
}

TEST(a_root_may_be_given_or_guessed_from_clear_names)
{
	struct mf_dslayout at;

	assert_true(mf_dslayout_parse(MF_STR("/odd/root/Fan/_meta/_self.json"),
	                              MF_STR("/odd/root/"), &at));
	assert_str(at.root, "/odd/root");
	assert_str(at.flow, "Fan");
	assert_true(mf_dslayout_parse(
		MF_STR("/odd/root/Fan/17/work/4/0.DONE.lock"), no_root, &at));
	assert_str(at.root, "/odd/root");
	assert_str(at.flow, "Fan");
	assert_true(mf_dslayout_parse(
		MF_STR("s3://bkt/pre/Fan/17/work/4/0.data.json"), no_root,
		&at));
	assert_str(at.root, "s3://bkt/pre");
	assert_true(mf_dslayout_parse(MF_STR("Fan/17/work/4/0.runtime"),
	                              no_root, &at));
	assert_int_equal(at.root.len, 0);
	assert_kind("/odd/root/Fan/_meta/_self.json", MF_DS_NONE);
	assert_kind("/odd/root/Fan/latest_run", MF_DS_NONE);
	/* a root that only begins alike is another */
	assert_false(
		mf_dslayout_parse(MF_STR("/odd/rooter/Fan/_meta/_self.json"),
	                          MF_STR("/odd/root"), &at));
}

TEST(what_is_not_metaflows_is_none)
{
	assert_kind("", MF_DS_NONE);
	assert_kind("/", MF_DS_NONE);
	assert_kind("/w/.metaflow", MF_DS_NONE);
	assert_kind("/w/.metaflow/", MF_DS_NONE);
	assert_kind("/w/.metaflow/config.json", MF_DS_NONE);
	assert_kind("/w/.metaflow/Fan/17/work/4/tmpab_cd012", MF_DS_NONE);
	assert_kind("/w/.metaflow/Fan/data/db/tmpabcdefgh", MF_DS_NONE);
	assert_kind("/w/.metaflow/Fan/17/work/4/0.other", MF_DS_NONE);
	assert_kind("/w/.metaflow/Fan/17/work/4/x.runtime", MF_DS_NONE);
	assert_kind("/w/.metaflow/Fan/17/work/4/.runtime", MF_DS_NONE);
	assert_kind("/w/.metaflow/Fan/17/work/4/9999.runtime", MF_DS_NONE);
	assert_kind("/w/.metaflow/9an/17/work/4/0.runtime", MF_DS_NONE);
	assert_kind("/w/.metaflow/Fan/17//4/0.runtime", MF_DS_NONE);
	assert_kind("/w/.metaflow/Fan/17/work/4/5/0.runtime", MF_DS_NONE);
	assert_kind("/w/.metaflow/Fan/17/work/0.runtime", MF_DS_NONE);
	assert_kind("/w/.metaflow/Fan/17/work/4/_meta/sysmeta_x.json",
	            MF_DS_NONE);
	assert_kind("/w/.metaflow/Fan/17/work/4/_meta/sysmeta_1.json",
	            MF_DS_NONE);
	assert_kind("/w/.metaflow/Fan/17/work/4/_meta/0_artifact_.json",
	            MF_DS_NONE);
	assert_kind("/usr/share/doc/x/changelog", MF_DS_NONE);
	assert_kind("/w/.metaflow/.mfcore/s/1.mfj", MF_DS_NONE);
	assert_kind("/a/b/c/d/e/f/g/h/i/j/k/.metaflow/a/b/c/d/e/f/g/h/i/j/k",
	            MF_DS_NONE);
}

TEST(every_kind_has_a_word_and_a_meaning)
{
	for (int i = 1; i < MF_DS_KINDS; i++) {
		assert_true(*mf_dsfile_word((enum mf_dsfile)i));
		assert_true(*mf_dsfile_meaning((enum mf_dsfile)i));
	}
	assert_string_equal(mf_dsfile_word((enum mf_dsfile)999), "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_file_of_a_task_is_known),
		CASE(metadata_is_known_at_every_level),
		CASE(blobs_cards_and_the_latest_run_are_known),
		CASE(a_root_may_be_given_or_guessed_from_clear_names),
		CASE(what_is_not_metaflows_is_none),
		CASE(every_kind_has_a_word_and_a_meaning),
	};

	return cmocka_run_group_tests_name("dslayout", tests, NULL, NULL);
}

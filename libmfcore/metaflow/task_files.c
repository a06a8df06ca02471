#include "mfcore/task_files.h"

#include <errno.h>

#include "mfcore/json.h"

enum {
	KEY_LEN = 40,
};

/* sha1 of the pickle, protocol 4, of values that decide something. */
static const struct {
	const char *key;
	const char *text;
	enum mf_truth truth;
} constants[] = {
	{"dbc1aaddc8b7343d6d33b34edcf608b8f8801918", "None", MF_TRUTH_NONE},
	{"868436778cb011a1c6230bc12534683ab0b7f1c3", "True", MF_TRUTH_TRUE},
	{"2473d4676d5b2aba674167293142f8031ada401b", "False", MF_TRUTH_FALSE},
	{"c5cf38908fc549f499ade5b17ce221ff0ced377f", "[]", MF_TRUTH_OTHER},
	{"654aad3e805783ba7465efc66f3c46cb8035b408", "[0]", MF_TRUTH_OTHER},
};

enum {
	N_CONSTANTS = sizeof(constants) / sizeof(*constants),
};

static size_t find_constant(struct mf_str key)
{
	size_t i = 0;

	while (i < N_CONSTANTS && !mf_str_is(key, constants[i].key))
		i++;
	return i;
}

enum mf_truth mf_artifact_truth(struct mf_str key)
{
	size_t i = find_constant(key);

	if (key.len == 0)
		return MF_TRUTH_ABSENT;
	return i < N_CONSTANTS ? constants[i].truth : MF_TRUTH_OTHER;
}

const char *mf_artifact_constant(struct mf_str key)
{
	size_t i = find_constant(key);

	return i < N_CONSTANTS ? constants[i].text : NULL;
}

static const cJSON *member(const cJSON *obj, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(obj, name);
}

/* A whole number within what a double holds exactly. */
static bool get_whole(const cJSON *item, int64_t *out)
{
	double value;

	if (!cJSON_IsNumber(item))
		return false;
	value = item->valuedouble;
	if (!(value >= -9007199254740992.0 && value <= 9007199254740992.0))
		return false;
	*out = (int64_t)value;
	return true;
}

static int index_info(struct mf_task_data *data)
{
	const cJSON *info = member(data->doc, "info");
	cJSON *item;

	cJSON_ArrayForEach(item, info)
	{
		uint64_t hash = mf_map_hash(mf_str(item->string));
		int rc = mf_map_put(&data->info, hash, item);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int mf_task_data_parse(struct mf_str json, struct mf_task_data *out,
                       struct mf_err *err)
{
	struct mf_task_data data = {.attempt = -1};
	const cJSON *objects;
	int64_t attempt;
	int rc = mf_json_parse(json, &data.doc, err);

	if (rc < 0)
		return rc;
	objects = member(data.doc, "objects");
	if (!cJSON_IsObject(data.doc) || !cJSON_IsObject(objects)) {
		mf_task_data_clear(&data);
		return mf_fail(err, -MF_EFORMAT, "no 'objects' in data.json");
	}
	rc = index_info(&data);
	if (rc < 0) {
		mf_task_data_clear(&data);
		return mf_fail(err, rc, "no memory for data.json");
	}
	if (get_whole(member(data.doc, "attempt"), &attempt) && attempt >= 0 &&
	    attempt < 1000)
		data.attempt = (int)attempt;
	data.task_ok = mf_artifact_truth(mf_json_get_str(objects, "_task_ok"));
	data.success = mf_artifact_truth(mf_json_get_str(objects, "_success"));
	data.artifacts = (size_t)cJSON_GetArraySize(objects);
	data.python_version = mf_json_get_str(data.doc, "python_version");
	data.datastore = mf_json_get_str(data.doc, "datastore");
	data.next = objects->child;
	*out = data;
	return 0;
}

static bool is_key(struct mf_str key)
{
	const struct mf_str digits = MF_STR("0123456789abcdef");

	for (size_t i = 0; i < key.len; i++)
		if (mf_str_find(digits, key.ptr[i]) == digits.len)
			return false;
	return key.len == KEY_LEN;
}

bool mf_task_data_next(struct mf_task_data *data, struct mf_artifact *out)
{
	const cJSON *item = data->next;
	const cJSON *info;
	int64_t size = 0;

	while (item && !(cJSON_IsString(item) && item->string &&
	                 is_key(mf_str(item->valuestring))))
		item = item->next;
	if (!item)
		return false;
	data->next = item->next;
	*out = (struct mf_artifact){
		.name = mf_str(item->string),
		.key = mf_str(item->valuestring),
	};
	info = mf_map_get(&data->info, mf_map_hash(out->name));
	if (!info || !info->string || !mf_str_is(out->name, info->string))
		return true;
	out->type = mf_json_get_str(info, "type");
	out->encoding = mf_json_get_str(info, "encoding");
	if (get_whole(member(info, "size"), &size) && size > 0)
		out->size = (uint64_t)size;
	return true;
}

void mf_task_data_clear(struct mf_task_data *data)
{
	cJSON_Delete(data->doc);
	mf_map_clear(&data->info);
	*data = (struct mf_task_data){.attempt = -1};
}

int mf_task_runtime_parse(struct mf_str json, struct mf_task_runtime *out,
                          struct mf_err *err)
{
	cJSON *doc = NULL;
	const cJSON *success;
	struct mf_task_runtime found = {0};
	int rc = mf_json_parse(json, &doc, err);

	if (rc < 0)
		return rc;
	success = member(doc, "success");
	if (!get_whole(member(doc, "return_code"), &found.return_code) ||
	    !cJSON_IsBool(success)) {
		cJSON_Delete(doc);
		return mf_fail(err, -MF_EFORMAT, "no 'return_code' in runtime");
	}
	found.is_killed = cJSON_IsTrue(member(doc, "killed"));
	found.is_success = cJSON_IsTrue(success);
	cJSON_Delete(doc);
	*out = found;
	return 0;
}

int mf_task_attempt_parse(struct mf_str json, uint64_t *wall_ns,
                          struct mf_err *err)
{
	cJSON *doc = NULL;
	const cJSON *time;
	double seconds;
	uint64_t whole;
	int rc = mf_json_parse(json, &doc, err);

	if (rc < 0)
		return rc;
	time = member(doc, "time");
	seconds = cJSON_IsNumber(time) ? time->valuedouble : -1;
	cJSON_Delete(doc);
	if (!(seconds >= 0 && seconds < 18e9))
		return mf_fail(err, -MF_EFORMAT, "no 'time' in attempt.json");
	whole = (uint64_t)seconds;
	*wall_ns = whole * UINT64_C(1000000000) +
	           (uint64_t)((seconds - (double)whole) * 1e9);
	return 0;
}

/*
 * A session of records made from the input's bytes: a grammar over the
 * vocabulary with few pids, inodes and names, so that they meet. Whatever is
 * told, the model makes a tree that can be walked to its end, printed as JSON,
 * and whose messages and logs can be put together.
 */
#include "fuzz/inside.h"

#include <string.h>

#include "mfcore/messages.h"
#include "mfcore/model.h"
#include "mfcore/shell_line.h"
#include "mfcore/tasklog.h"

#define PAYLOAD_MAX 4096u

struct input {
	const uint8_t *at;
	size_t left;
};

static uint8_t take(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

/* What a field of bytes may hold; by itself a byte of the input is rare. */
#define TEXT(s)                                                                \
	{                                                                      \
		.ptr = (s), .len = sizeof(s) - 1                               \
	}
#define STEP(run, attempt)                                                     \
	"python3\0hello.py\0step\0work\0--run-id\0" run "\0--task-id\0"        \
	"2\0--input-paths\0x\0--retry-count\0" attempt

static const struct mf_str texts[] = {
	TEXT("python3\0hello.py\0run"),
	TEXT(STEP("A", "0")),
	TEXT(STEP("B", "1")),
	TEXT("/w/.metaflow/Hello/A/work/2/0.data.json"),
	TEXT("/w/.metaflow/Hello/A/work/2/0.DONE.lock"),
	TEXT("/w/.metaflow/Hello/B/end/9/1.attempt.json"),
	TEXT("python3\0-u\0/m/sidecar/sidecar_worker.py\0debugLogger"),
	TEXT("python3\0/m/datatools/s3/s3op.py\0get\0--inputs\0f"),
	TEXT("{\"msg_type\": 3, \"payload\": {}}\n"),
	TEXT("\n\n"),
	TEXT("inputs"),
	TEXT("output-excess"),
	TEXT("oom_kill"),
	TEXT("error"),
	TEXT("metaflow.multicore_utils.parallel_imap_unordered"),
	TEXT("ValueError: x\n"),
};

struct payload {
	char bytes[PAYLOAD_MAX];
	size_t len;
};

static void put(struct payload *p, const void *bytes, size_t len)
{
	if (len > PAYLOAD_MAX - p->len)
		return;
	memcpy(p->bytes + p->len, bytes, len);
	p->len += len;
}

static void put_number(struct payload *p, uint8_t kind, uint8_t id,
                       uint64_t number)
{
	uint16_t key =
		(uint16_t)((kind == MF_KIND_I64 ? MF_KIND_I64 : MF_KIND_U64)
	                           << 12 |
	                   id);

	put(p, &key, sizeof(key));
	put(p, &number, sizeof(number));
}

static void put_text(struct payload *p, uint8_t id, uint8_t which)
{
	bool is_list = id == MF_F_ARGV || id == MF_F_ENV || id == MF_F_ENV_SET;
	size_t i = which % (sizeof(texts) / sizeof(texts[0]));
	uint16_t key =
		(uint16_t)((is_list ? MF_KIND_LIST : MF_KIND_BYTES) << 12 | id);
	uint32_t len = (uint32_t)texts[i].len;

	put(p, &key, sizeof(key));
	put(p, &len, sizeof(len));
	put(p, texts[i].ptr, len);
}

static void fill(struct input *in, struct payload *p)
{
	uint8_t n = take(in) % 8;

	p->len = 0;
	while (n--) {
		uint8_t what = take(in), id = (uint8_t)(take(in) % 56);
		uint8_t value = take(in);

		if (what < 100)
			put_number(p, MF_KIND_U64, id, value % 16);
		else if (what < 130)
			put_number(p, MF_KIND_I64, id,
			           (uint64_t)(int64_t)(value - 128));
		else if (what < 250)
			put_text(p, id, value);
		else
			put(p, &value, 1); /* damage */
	}
}

/* Walk everything; ends only if there is no circle. */
static void check_tree(struct mf_model *model, bool is_open)
{
	const struct mf_node *root, *node;
	struct mf_buf line = {0}, left_out = {0};
	size_t n = 0;
	cJSON *doc;

	if (mf_model_tree(model, is_open, &root) < 0)
		abort();
	for (node = root; node; node = mf_node_walk(root, node)) {
		if (++n > 1000000)
			abort();
		if (node->proc && node->proc->image)
			mf_shell_line(model, node->proc->image, &line,
			              &left_out);
		mf_buf_reset(&line);
		mf_buf_reset(&left_out);
	}
	doc = mf_node_json(root);
	if (!doc)
		abort();
	cJSON_Delete(doc);
	mf_buf_clear(&line);
	mf_buf_clear(&left_out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_proc watched = {.pid = 3, .nth = 1};
	struct input in = {data, size};
	struct mf_messages *messages = NULL;
	struct mf_tasklog *log = NULL;
	struct mf_model *model = NULL;
	struct payload p;
	struct mf_message m;
	uint64_t now = 1;

	if (mf_model_new(&model) < 0 || mf_messages_new(&messages, model) < 0 ||
	    mf_tasklog_new(&log, &watched) < 0)
		abort();
	mf_tasklog_set_model(log, model);
	while (in.left) {
		struct mf_event ev = {
			.type = (uint16_t)(take(&in) % 32),
			.pid = take(&in) % 12,
			.start = take(&in) % 4,
			.wall_ns = now,
			.time_ns = now,
			.counter = 7,
		};

		now += (uint64_t)take(&in) << 20;
		ev.tid = ev.pid;
		fill(&in, &p);
		ev.payload = (struct mf_str){p.bytes, p.len};
		if (mf_model_fold(model, &ev, NULL) < 0 ||
		    mf_messages_fold(messages, &ev, NULL) < 0 ||
		    mf_tasklog_fold(log, &ev, NULL) < 0)
			abort();
	}
	check_tree(model, true);
	check_tree(model, false);
	while (mf_messages_next(messages, false, true, &m))
		;
	if (mf_tasklog_assemble(log) < 0)
		abort();
	mf_tasklog_free(log);
	mf_messages_free(messages);
	mf_model_free(model);
	return 0;
}

#include "fuzz/inside.h"
#include "mfcore/sidecar_wire.h"

/* A payload must itself be JSON: wrapped again it is the same message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_str line = {(const char *)data, size};
	struct mf_sidecar_message msg;
	struct mf_sidecar_message again;
	char *text;
	size_t len = 0;
	static const char head[] = "{\"msg_type\": 3, \"payload\": ";

	mf_sidecar_parse(line, &msg);
	must(msg.kind < MF_SIDECAR_KINDS);
	must_lie_in(msg.payload, line);
	if (msg.payload.len == 0)
		return 0;
	text = malloc(sizeof(head) + msg.payload.len + 1);
	must(text != NULL);
	for (size_t i = 0; i + 1 < sizeof(head); i++)
		text[len++] = head[i];
	for (size_t i = 0; i < msg.payload.len; i++)
		text[len++] = msg.payload.ptr[i];
	text[len++] = '}';
	mf_sidecar_parse((struct mf_str){text, len}, &again);
	must(again.kind == MF_SIDECAR_BEST_EFFORT);
	must(mf_str_eq(again.payload, msg.payload));
	free(text);
	return 0;
}

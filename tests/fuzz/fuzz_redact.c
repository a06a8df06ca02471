#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mfcore/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Secrets of every kind, and what of them must never be seen again. A name
 * and its value are one plant, so the bytes before it must not join the name:
 * a space stands there, and behind it what ends a word everywhere.
 */
static const struct {
	const char *text;
	const char *secret;
} PLANTS[] = {
#define PLAIN(text)                                                            \
	{                                                                      \
		text, text                                                     \
	}
	PLAIN("AKIAIOSFODNN7QWERTYU"),
	PLAIN("ASIAIOSFODNN7QWERTYU"),
	PLAIN("wJalrXUtnFEMI/K7MDENG/bPxRfiCYzW3q9T5h2e"),
	PLAIN("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J"),
	PLAIN("ghp_0123456789abcdefghijABCDEFGHIJ012345"),
	PLAIN("github_pat_11AAAAAAA0aaaaaaaaaaaaa_bbbb"),
	PLAIN("glpat-ABCDEFabcdef01234567"),
	PLAIN("xoxb-123456789012-abcdef"),
	PLAIN("sk-proj-abcdefABCDEF0123456789"),
	PLAIN("hf_abcdefghijklmnopqrstuvwxyzABCDEFGH"),
	{"postgres://user:hunter2zq@db:5432/x", "hunter2zq"},
	{"-----BEGIN RSA PRIVATE KEY-----\nMIIEhunter2zq\n-----END RSA "
         "PRIVATE KEY-----",
         "hunter2zq"},
	{"PASSWORD=hunter2zq", "hunter2zq"},
	{"METAFLOW_SERVICE_AUTH_KEY=hunter2zq", "hunter2zq"},
	{"--api-key=hunter2zq", "hunter2zq"},
	{"--password hunter2zq", "hunter2zq"},
	{"Authorization: Bearer hunter2zq", "hunter2zq"},
	{"Bearer hunter2zqhunter2zq", "hunter2zqhunter2zq"},
	{"{\"aws_secret_access_key\": \"hunter2zq\"}", "hunter2zq"},
	{"{\\\"token\\\": \\\"hunter2zq\\\"}", "hunter2zq"},
	{"https://h/k?X-Amz-Signature=hunter2zq&x=1", "hunter2zq"},
	{"https://h/k?a=1&sig=hunter2zq", "hunter2zq"},
};

enum {
	OUT = 1 << 16
};

static void check(const char *got, size_t len, size_t cap, const char *secret)
{
	if (len > cap)
		abort();
	if (memmem(got, len, secret, strlen(secret)) != NULL)
		abort();
}

/* BEFORE PLANT AFTER, where the first byte of the input chooses the plant. */
static char *plant(const uint8_t *data, size_t size, const char *text,
                   size_t cut, size_t *len)
{
	size_t n = strlen(text);
	char *all = malloc(size + n + 2);
	char *to = all;

	if (all == NULL)
		abort();
	if (cut > 0) {
		memcpy(to, data, cut);
		to += cut;
		*to++ = ' ';
	}
	memcpy(to, text, n);
	to += n;
	if (cut < size) {
		*to++ = '\n';
		memcpy(to, data + cut, size - cut);
		to += size - cut;
	}
	*len = (size_t)(to - all);
	return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char out[OUT];
	static const char ALLOW[] = "NOT_USED*\0?\0";
	size_t which;
	size_t cut;
	size_t cap;
	size_t len;
	char *all;
	struct mf_str text;

	if (size < 4 || size > 4096)
		return 0;
	which = data[0] % (sizeof(PLANTS) / sizeof(PLANTS[0]));
	cap = data[1] < 128 ? OUT : (size_t)data[1] - 128;
	cut = data[2] % (size - 2);
	data += 3;
	size -= 3;
	if (memmem(data, size, PLANTS[which].secret,
	           strlen(PLANTS[which].secret)) != NULL)
		return 0; /* it stands in the open as well */

	all = plant(data, size, PLANTS[which].text, cut, &len);
	text = (struct mf_str){all, len};
	check(out, mf_redact_env(out, cap, text, NULL), cap,
	      PLANTS[which].secret);
	check(out, mf_redact_arg(out, cap, text, mf_str(NULL), NULL), cap,
	      PLANTS[which].secret);
	check(out, mf_redact_arg(out, cap, text, mf_str("-c"), NULL), cap,
	      PLANTS[which].secret);
	/* whatever comes before it, and globs, are read without harm */
	(void)mf_redact_arg(out, cap, text,
	                    (struct mf_str){all, len < 40 ? len : 40}, ALLOW);
	free(all);
	return 0;
}

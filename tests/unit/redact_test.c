#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mfcore/redact.h"

#define R "<redacted>"
#define AWS_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define AWS_ID "AKIAIOSFODNN7EXAMPLE"
#define JWT                                                                    \
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl"

static char out[1 << 16];

static void expect(size_t len, const char *what, const char *want)
{
	assert_true(len < sizeof(out));
	out[len] = '\0';
	if (strcmp(out, want) != 0)
		print_error("of %s\n", what);
	assert_string_equal(out, want);
}

static void env(const char *entry, const char *want)
{
	expect(mf_redact_env(out, sizeof(out), mf_str(entry), NULL), entry,
	       want);
}

static void arg_after(const char *previous, const char *arg, const char *want)
{
	expect(mf_redact_arg(out, sizeof(out), mf_str(arg), mf_str(previous),
	                     NULL),
	       arg, want);
}

static void arg(const char *a, const char *want)
{
	arg_after(NULL, a, want);
}

static void keeps_env(const char *entry)
{
	env(entry, entry);
}

static void keeps_arg(const char *a)
{
	arg(a, a);
}

TEST(names_that_say_secret_are_secret)
{
	static const char *const NAMES[] = {
		"SECRET",
		"secret",
		"MY_SECRET",
		"MYSECRETS",
		"TOKEN",
		"HF_TOKEN",
		"authtoken",
		"GITHUB_TOKEN",
		"TOKEN_2",
		"AWS_ACCESS_KEY_ID",
		"AWS_SECRET_ACCESS_KEY",
		"AWS_SESSION_TOKEN",
		"AWS_SECURITY_TOKEN",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN",
		"aws_secret_access_key",
		"METAFLOW_SERVICE_AUTH_KEY",
		"METAFLOW_SERVICE_HEADERS",
		"PGPASSWORD",
		"MYSQL_PWD",
		"DB_PASS",
		"passwd",
		"SSH_PASSPHRASE",
		"apiKey",
		"APIKey",
		"api-key",
		"X-Api-Key",
		"OPENAI_API_KEY",
		"WANDB_API_KEY",
		"openai.apikey",
		"SecretAccessKey",
		"accessKeyId",
		"PRIVATE_KEY",
		"privateKey",
		"AccountKey",
		"SharedAccessKey",
		"Authorization",
		"Proxy-Authorization",
		"Cookie",
		"Set-Cookie",
		"X-Amz-Signature",
		"X-Amz-Credential",
		"X-Amz-Security-Token",
		"sig",
		"SENTRY_DSN",
		"CONNECTION_STRING",
		"credentials",
		"spark.hadoop.fs.s3a.secret.key",
		"spark.hadoop.fs.s3a.access.key",
		"AIRFLOW__CORE__FERNET_KEY",
		"NPM_CONFIG__AUTH",
		"BASIC_AUTH",
		"DOCKER_AUTH_CONFIG",
		"OTEL_EXPORTER_OTLP_HEADERS",

		"access_token",
		"refresh_token",
		"id-token",
		"client_secret",
		"VAULT_SECRET_ID",
	};

	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
		if (!mf_redact_is_secret_name(mf_str(NAMES[i])))
			fail_msg("%s is not found secret", NAMES[i]);
	}
}

TEST(names_that_only_look_alike_are_not)
{
	static const char *const NAMES[] = {
		"",
		"A",
		"PWD",
		"OLDPWD",
		"PATH",
		"HOME",
		"KEYBOARD",
		"TOKENIZERS_PARALLELISM",
		"SSH_AUTH_SOCK",
		"XAUTHORITY",
		"AWS_DEFAULT_REGION",
		"AWS_PROFILE",
		"AWS_REGION",
		"AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_SHARED_CREDENTIALS_FILE",
		"GOOGLE_APPLICATION_CREDENTIALS",
		"METAFLOW_USER",
		"METAFLOW_DATASTORE_SYSROOT_S3",
		"METAFLOW_DEFAULT_SECRETS_BACKEND_TYPE",
		"METAFLOW_KUBERNETES_SECRETS",
		"TIKTOKEN_CACHE_DIR",
		"token-count",
		"max_tokens",
		"max_token",
		"pad_token",
		"eos-token",
		"no-token",
		"password-stdin",
		"cookie-jar",
		"MONKEY",
		"KEY",
		"BYPASS",
		"COMPASS",
		"signal",
		"design",
		"XDG_SESSION_ID",
		"DBUS_SESSION_BUS_ADDRESS",
		"LESSOPEN",
		"GPG_AGENT_INFO",
		"LS_COLORS",
		"author",
		"AUTHOR",
		"authority",
		"patch",
		"path",
		"secret_flow.py",
		"tokenizer",
		"keys",
		"PYTHONHASHSEED",
		"MFCORE_JOURNAL",
		"pat",
		"pass_rate",
	};

	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
		if (mf_redact_is_secret_name(mf_str(NAMES[i])))
			fail_msg("%s is taken for secret", NAMES[i]);
	}
}

TEST(every_name_rule_matches_its_own_words)
{
	static const struct {
		const char *how;
		const char *words;
	} RULES[] = {
#define MF_REDACT_NAME(how, words, text) {#how, words},
#include "journal/redact.def"
	};
	char name[64];

	for (size_t i = 0; i < sizeof(RULES) / sizeof(RULES[0]); i++) {
		snprintf(name, sizeof(name), "%s%s",
		         strcmp(RULES[i].how, "MORE") ? "" : "X_",
		         RULES[i].words);
		if (!mf_redact_is_secret_name(mf_str(name)))
			fail_msg("%s is not found secret", name);
	}
}

TEST(every_exemption_is_needed)
{
	static const struct {
		const char *how;
		const char *words;
	} RULES[] = {
#define MF_REDACT_KEEP(how, words, text) {#how, words},
#include "journal/redact.def"
	};
	char name[64];

	for (size_t i = 0; i < sizeof(RULES) / sizeof(RULES[0]); i++) {
		const char *how = RULES[i].how;
		bool is_suffix = !strcmp(how, "MORE");
		bool is_first = !strcmp(how, "FIRST");

		snprintf(name, sizeof(name), "%s%s%s",
		         is_suffix ? "SECRET_" : "", RULES[i].words,
		         is_first ? "_SECRET" : "");
		if (mf_redact_is_secret_name(mf_str(name)))
			fail_msg("%s is taken for secret", name);
	}
}

TEST(environment_values_go_by_the_name)
{
	env("AWS_SECRET_ACCESS_KEY=abc", "AWS_SECRET_ACCESS_KEY=" R);
	env("METAFLOW_SERVICE_AUTH_KEY=k=v;x y'\"",
	    "METAFLOW_SERVICE_AUTH_KEY=" R);
	env("METAFLOW_SERVICE_HEADERS={\"x-api-key\": \"k\"}",
	    "METAFLOW_SERVICE_HEADERS=" R);
	env("MYSQL_PWD=hunter2", "MYSQL_PWD=" R);
	env("PASSWORD=a b c", "PASSWORD=" R);
	keeps_env("PASSWORD=");
	keeps_env("USE_TOKEN=true");
	keeps_env("PWD=/home/me/secret");
	keeps_env("SSH_AUTH_SOCK=/tmp/ssh-XXXXXX/agent.1");
	keeps_env("TOKENIZERS_PARALLELISM=false");
	keeps_env("AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/token");
	keeps_env("NO_EQUALS_SIGN");
	keeps_env("");
	keeps_env("=C:=C:\\");
	keeps_env("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin");
	keeps_env("LESSOPEN=| /usr/bin/lesspipe %s");
	keeps_env("DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus");
	keeps_env("LS_COLORS=rs=0:di=01;34:ln=01;36:*.tar=01;31:*.7z=01;31:");
	keeps_env("METAFLOW_RUN_TAG=a:b,c:d");
}

TEST(environment_values_go_by_their_shape)
{
	env("X=" AWS_ID, "X=" R);
	env("X=" AWS_SECRET, "X=" R);
	env("X=" JWT, "X=" R);
	env("X=a " JWT " b", "X=a " R " b");
	env("X=ghp_0123456789abcdefghijABCDEFGHIJ012345", "X=" R);
	env("X=github_pat_11AAAAAAA0aaaaaaaaaaaaa_bbbb", "X=" R);
	env("X=glpat-ABCDEFabcdef01234567", "X=" R);
	env("X=xoxb-123456789012-abcdef", "X=" R);
	env("X=sk-proj-abcdefABCDEF0123456789", "X=" R);
	env("X=hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", "X=" R);
	env("A=b,c=" AWS_ID ",d", "A=b,c=" R ",d");
	env("DATABASE_URL=postgres://user:p%40ss@db:5432/x?y=1",
	    "DATABASE_URL=postgres://user:" R "@db:5432/x?y=1");
	env("X=-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE "
	    "KEY-----\nbehind",
	    "X=" R "\nbehind");
	env("X=-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz", "X=" R);
	keeps_env("X=-----BEGIN CERTIFICATE-----\nMIID\n-----END "
	          "CERTIFICATE-----");
}

TEST(every_shape_is_found)
{
	static const struct {
		const char *prefix;
		size_t least;
		const char *body;
	} SHAPES[] = {
#define MF_REDACT_SHAPE(prefix, least, body, text) {prefix, least, #body},
#include "journal/redact.def"
	};
	char entry[128];
	char want[128];

	for (size_t i = 0; i < sizeof(SHAPES) / sizeof(SHAPES[0]); i++) {
		const char *tail =
			strcmp(SHAPES[i].body, "DOTTED")
				? "0A1B2C3D4E5F6G7H8J9K0A1B2C3D4E5F6G7H"
				: "aB2.4dE6.8hI0.2lM4.6pQ8.0tU2.4xY6.";

		snprintf(entry, sizeof(entry), "X=/%s%.*s", SHAPES[i].prefix,
		         (int)SHAPES[i].least, tail);
		env(entry, "X=/" R);
		snprintf(entry, sizeof(entry), "X=%s%.*s", SHAPES[i].prefix,
		         (int)SHAPES[i].least - 1, tail);
		keeps_env(entry);
		snprintf(entry, sizeof(entry), "%s%.*s=1", SHAPES[i].prefix,
		         (int)SHAPES[i].least, tail);
		snprintf(want, sizeof(want), R "=1");
		env(entry, want);
	}
}

TEST(shapes_that_only_look_alike_are_kept)
{
	keeps_env("SHA=da39a3ee5e6b4b0d3255bfef95601890afd80709");
	keeps_env("SHA256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca4"
	          "95991b7852b855");
	keeps_env("X=AKIAIOSFODNN7EXAMPLEX");
	keeps_env("X=XAKIAIOSFODNN7EXAMPLE");
	keeps_env("X=AKIA");
	keeps_env("X=eyJhbGciOiJIUzI1NiJ9");
	keeps_env("X=sk-learn-contrib-extras-package");
	keeps_env("X=/home/somebody/Projects/flows/Forecasts2/x");
	keeps_env("UUID=123e4567-e89b-12d3-a456-426614174000");
	keeps_env("X=https://example.org:8080/a@b");
	keeps_env("X=https://me@example.org/");
	keeps_env("X=s3://bucket/prefix/TokenFlow/data");
	keeps_env("X=arn:aws:secretsmanager:us-east-1:123456789012:secret:a");
}

TEST(urls_lose_their_password_and_nothing_else)
{
	arg("https://u:p@h/", "https://u:" R "@h/");
	arg("redis://:p@h:6379/0", "redis://:" R "@h:6379/0");
	arg("mongodb+srv://u:p:q@h/x", "mongodb+srv://u:" R "@h/x");
	arg("postgres://u:p/w@h/db", "postgres://u:" R "@h/db");
	arg("http://u:p@h/ http://v:q@i/",
	    "http://u:" R "@h/ http://v:" R "@i/");
	arg("https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/1",
	    "https://" R "@o1.ingest.sentry.io/1");
	arg("{\"url\":\"https://u:p@h/\"}", "{\"url\":\"https://u:" R "@h/\"}");
	keeps_arg("https://h:80/x");
	keeps_arg("git@github.com:owner/repo.git");
}

TEST(query_parameters_with_secret_names_are_replaced)
{
	arg("https://h/k?X-Amz-Credential=a%2Fb&X-Amz-Date=2&X-Amz-Signature=c",
	    "https://h/k?X-Amz-Credential=" R
	    "&X-Amz-Date=2&X-Amz-Signature=" R);
	arg("https://h/k?sv=1&sig=abc%3D&se=2",
	    "https://h/k?sv=1&sig=" R "&se=2");
	arg("https://h/?access_token=abc#x", "https://h/?access_token=" R);
	keeps_arg("https://h/?page=1&q=token");
}

TEST(options_hide_the_value_behind_them)
{
	arg("--password=a b&c;d", "--password=" R);
	arg("--api-key=x", "--api-key=" R);
	arg("-Dspring.datasource.password=x",
	    "-Dspring.datasource.password=" R);
	arg_after("--password", "x y", R);
	arg_after("--token", "-abc", R);
	arg_after("-token", "abc", R);
	arg_after("aws_secret_access_key", "abc", R);
	arg_after("user.password", "abc", R);
	arg_after("--use-token", "--verbose", "--verbose");
	arg_after("--use-token", "-v", "-v");
	arg_after("--token", "false", "false");
	arg_after("--token", "", "");
	arg_after("--token-count", "5", "5");
	arg_after("--max-tokens", "512", "512");
	arg_after("grep", "password", "password");
	arg_after("password", "file", "file");
	arg_after("make_secret.py", "run", "run");
	arg_after("a secret name", "x", "x");
	arg_after("-u", "me:hunter2", "me:" R);
	arg_after("--user", "me:hunter2", "me:" R);
	arg_after("-u", "1000:1000", "1000:1000");
	arg_after("-u", "flow.py", "flow.py");
	arg_after("-u", "http://h/x", "http://h/x");
}

TEST(words_of_a_shell_command_are_looked_at)
{
	arg_after("-c", "TOKEN=abc python flow.py run",
	          "TOKEN=" R " python flow.py run");
	arg_after("-lc", "export TOKEN='a b'; echo x",
	          "export TOKEN='" R "'; echo x");
	arg_after("-c", "PASSWORD=\"a b\"c'd e' next", "PASSWORD=\"" R " next");
	arg_after("-c", "PASSWORD=a\\ b next", "PASSWORD=" R " next");
	arg_after("-c", "x --password hunter2 --flag",
	          "x --password " R " --flag");
	arg_after("-c", "x --password 'a b' --flag",
	          "x --password '" R "' --flag");
	arg_after("-c", "curl -H 'Authorization: Bearer abc' h",
	          "curl -H 'Authorization: " R "' h");
	arg_after("-c", "ssh h \"TOKEN=a cmd\"", "ssh h \"TOKEN=" R " cmd\"");
	arg_after("-c", "PASSWORD=$PW ${X} x", "PASSWORD=$PW ${X} x");
	arg_after("-c", "PASSWORD=${PW} x", "PASSWORD=${PW} x");
	arg_after("-c", "import x\npassword = 'a b'\nprint(1)",
	          "import x\npassword = '" R "'\nprint(1)");
	arg_after("-c", "if token == 3: pass", "if token == 3: pass");
	arg_after("-c", "echo " AWS_ID "; ls", "echo " R "; ls");
	arg("FOO_TOKEN=abc def", "FOO_TOKEN=" R);
	arg("--env=FOO_TOKEN=abc def", "--env=FOO_TOKEN=" R);
}

TEST(headers_lose_their_value)
{
	arg("Authorization: Bearer abc", "Authorization: " R);
	arg("authorization:Basic dXNlcjpwdw==", "authorization:" R);
	arg("X-Api-Key: k\nAccept: x", "X-Api-Key: " R "\nAccept: x");
	arg("http.extraheader=AUTHORIZATION: basic eDp5",
	    "http.extraheader=AUTHORIZATION: " R);
	arg("sent Bearer abcdefghijklmnop0123", "sent Bearer " R);
	keeps_arg("Content-Type: application/json");
	keeps_arg("Bearer of news");
}

TEST(members_of_json_with_secret_names_are_replaced)
{
	arg("{\"aws_access_key_id\": \"a\", \"aws_secret_access_key\": \"b\", "
	    "\"region_name\": \"us\"}",
	    "{\"aws_access_key_id\": \"" R "\", \"aws_secret_access_key\": \"" R
	    "\", \"region_name\": \"us\"}");
	arg("{\"token\":12345,\"n\":1}", "{\"token\":" R ",\"n\":1}");
	arg("{\"token\":null,\"n\":1}", "{\"token\":null,\"n\":1}");
	arg("{\"token\" : \"a\\\"b\\\\\" , \"n\":1}",
	    "{\"token\" : \"" R "\" , \"n\":1}");
	arg("{\"credentials\":{\"a\":\"}\",\"b\":[1]},\"n\":1}",
	    "{\"credentials\":" R ",\"n\":1}");
	arg("{'password': 'x', 'n': 1}", "{'password': '" R "', 'n': 1}");
	arg("\"{\\\"password\\\": \\\"abc\\\", \\\"n\\\": 1}\"",
	    "\"{\\\"password\\\": \\\"" R "\\\", \\\"n\\\": 1}\"");
	arg("AccountName=a;AccountKey=b==;EndpointSuffix=c",
	    "AccountName=a;AccountKey=" R ";EndpointSuffix=c");
	env("METAFLOW_FLOW_CONFIG={\"db\":{\"user\":\"u\",\"password\":\"p\"}}",
	    "METAFLOW_FLOW_CONFIG={\"db\":{\"user\":\"u\",\"password\":\"" R
	    "\"}}");
}

TEST(ordinary_metaflow_commands_are_kept)
{
	static const char *const ARGS[] = {
		"flow.py",
		"--quiet",
		"--metadata",
		"local",
		"--environment",
		"local",
		"--datastore-root",
		"/home/me/.metaflow",
		"--event-logger=nullSidecarLogger",
		"--input-paths",
		"1732450000/start/1",
		"--input-paths-filename=/tmp/metaflow.inputs.x",
		"--split-index",
		"0",
		"--retry-count=0",
		"--max-user-code-retries",
		"--tag",
		"user:me",
		"--namespace",
		"user:me",
		"--with=kubernetes:image=python:3.11,cpu=1",
		"step",
		"train",
		"s3op.py",
		"--s3root",
		"s3://bucket/Flow/data",
		"{\"a\": [1, 2], \"learning_rate\": 0.1}",
		"key=value",
		"a:b",
		"12:34:56",
		"2026-11-24T12:00:00+00:00",
		"C:\\Users\\x",
	};

	for (size_t i = 0; i < sizeof(ARGS) / sizeof(ARGS[0]); i++)
		arg_after(i > 0 ? ARGS[i - 1] : NULL, ARGS[i], ARGS[i]);
}

TEST(allowed_names_are_kept_as_they_are)
{
	static const char ALLOW[] = "MY_*\0hf_token\0?X_TOKEN\0";
	static const struct {
		const char *entry;
		bool is_kept;
	} CASES[] = {
		{"MY_SECRET=a", true}, {"MY_KEY=" AWS_ID, true},
		{"HF_TOKEN=x", true},  {"AX_TOKEN=x", true},
		{"X_TOKEN=x", false},  {"OUR_SECRET=a", false},
		{"MYSECRET=a", false},
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct mf_str entry = mf_str(CASES[i].entry);
		size_t len = mf_redact_env(out, sizeof(out), entry, ALLOW);
		struct mf_str got = {out, len};

		assert_int_equal(mf_str_eq(got, entry), CASES[i].is_kept);
	}
	expect(mf_redact_arg(out, sizeof(out), mf_str("abc"),
	                     mf_str("--my_secret"), ALLOW),
	       "arg", "abc");
	expect(mf_redact_arg(out, sizeof(out), mf_str("--hf_token=abc"),
	                     mf_str(NULL), ALLOW),
	       "arg", "--hf_token=abc");
}

/* Every prefix length of the output is a prefix of the whole output. */
TEST(a_short_output_is_the_beginning_of_the_whole)
{
	static const char *const TEXTS[] = {
		"X=" AWS_ID " and " AWS_SECRET " and " JWT,
		"PASSWORD=hunter2hunter2",
		"A=postgres://u:hunter2@h/ --password hunter2 x",
		"J={\"token\": \"hunter2\", \"b\": 1}",
	};
	char whole[512];

	for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
		struct mf_str text = mf_str(TEXTS[i]);
		size_t len = mf_redact_env(whole, sizeof(whole), text, NULL);

		assert_true(len < sizeof(whole));
		for (size_t cap = 0; cap <= len + 1; cap++) {
			size_t want = cap < len ? cap : len;

			memset(out, '#', sizeof(out));
			assert_int_equal(mf_redact_env(out, cap, text, NULL),
			                 want);
			assert_memory_equal(out, whole, want);
			assert_int_equal(out[cap], '#');
		}
	}
}

TEST(rules_are_told_in_words)
{
	const char *const *rules = mf_redact_rules();
	size_t n = 0;

	while (rules[n] != NULL)
		assert_true(strlen(rules[n++]) > 5);
	assert_true(n > 100);
}

static clock_t cost_of(char *to, const char *text, size_t len)
{
	struct mf_str all = {text, len};
	clock_t began = clock();

	mf_redact_arg(to, len, all, mf_str("-c"), NULL);
	mf_redact_arg(to, len, all, mf_str(NULL), NULL);
	return clock() - began;
}

/* Inputs made to cost the most must cost their length, not its square. */
TEST(hostile_text_takes_linear_time)
{
	static const char *const UNITS[] = {
		"\\",       "\"",         "'",
		"\\\"",     "://a:b/",    "://a:b",
		"://",      "eyJ-",       "sk-",
		"SG.",      "-----BEGIN", "-----BEGIN PRIVATE KEY",
		"-",        "{",          "token:{",
		"token=\"", "--token ",   "--token '",
		"token=\\", "token: ",    "\"token\":[",
		"Bearer ",  "a=b:c ",     "A/+a0",
		"=",        "token = ",   "secret_",
	};
	enum {
		SMALL = 1 << 16,
		LEN = 1 << 18
	};
	char *text = malloc(LEN);
	char *to = malloc(LEN);

	assert_non_null(text);
	assert_non_null(to);
	for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++) {
		size_t unit = strlen(UNITS[i]);
		clock_t small;
		clock_t large;

		for (size_t at = 0; at < LEN; at++)
			text[at] = UNITS[i][at % unit];
		small = cost_of(to, text, SMALL);
		large = cost_of(to, text, LEN);
		/* four times as much; the square would be sixteen */
		if (large > 8 * small + CLOCKS_PER_SEC / 10)
			fail_msg("%s costs more than its length", UNITS[i]);
	}
	free(text);
	free(to);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(names_that_say_secret_are_secret),
		CASE(names_that_only_look_alike_are_not),
		CASE(every_name_rule_matches_its_own_words),
		CASE(every_exemption_is_needed),
		CASE(environment_values_go_by_the_name),
		CASE(environment_values_go_by_their_shape),
		CASE(every_shape_is_found),
		CASE(shapes_that_only_look_alike_are_kept),
		CASE(urls_lose_their_password_and_nothing_else),
		CASE(query_parameters_with_secret_names_are_replaced),
		CASE(options_hide_the_value_behind_them),
		CASE(words_of_a_shell_command_are_looked_at),
		CASE(headers_lose_their_value),
		CASE(members_of_json_with_secret_names_are_replaced),
		CASE(ordinary_metaflow_commands_are_kept),
		CASE(allowed_names_are_kept_as_they_are),
		CASE(a_short_output_is_the_beginning_of_the_whole),
		CASE(rules_are_told_in_words),
		CASE(hostile_text_takes_linear_time),
	};

	return cmocka_run_group_tests_name("redact", cases, NULL, NULL);
}

#!/usr/bin/env python3
"""No secret of a recorded run is in any byte of its journal.

Secrets go through every way an argument or a variable reaches the journal: the
session's own, those of children by each kind of exec, lists too long for a
record, blind programs, processes left behind. Then the files are searched.
"""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import (TMP, case, journal, main, only, record,  # noqa: E402
                    sessions, wait_for)

MARK = "HuShHuSh"  # in every secret


def secret(number, length=28):
    """A value that nothing but its place or shape gives away."""
    return (f"{MARK}{number:02d}" + "qWx7Zk" * 20)[:length]


VARIABLES = {
    "AWS_SECRET_ACCESS_KEY": secret(1, 40),
    "AWS_SESSION_TOKEN": secret(2, 100),
    "MY_PASSWORD": secret(3, 10),
    "DB_PASSWD": secret(4),
    "GITHUB_TOKEN": "ghp_" + secret(5, 36),
    "API_KEY": secret(6),
    "SOME_CREDENTIALS": secret(7),
    "METAFLOW_SERVICE_AUTH_KEY": secret(8),
    "METAFLOW_SERVICE_HEADERS": json.dumps({"x-api-key": secret(9)}),
    "DATABASE_URL": f"postgres://user:{secret(10)}@host/db",
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJz" + secret(11) + "In0." + secret(12, 43),
    "PRIVATE": "-----BEGIN RSA PRIVATE KEY-----\n" + secret(13) +
               "\n-----END RSA PRIVATE KEY-----",
}
ARGUMENTS = [
    "--password", secret(20), f"--token={secret(21)}",
    f"--api-key={secret(22)}", "--secret", secret(23),
    f"https://user:{secret(24)}@example.org/x",
    "-e", f"MY_SECRET={secret(25)}",
    f"Authorization: Bearer {secret(26, 40)}",
    json.dumps({"aws_secret_access_key": secret(27, 40),
                "password": secret(28)}),
    "ghp_" + secret(29, 36),
    "eyJhbGciOiJIUzI1NiJ9.eyJz" + secret(30) + "In0." + secret(31, 43),
]
SHELL = f"PGPASSWORD={secret(40)} true --password {secret(41)}"


def assert_silent(directory=None):
    """Nothing under the session's directory has a secret."""
    directory = pathlib.Path(directory or sessions()[-1])
    seen = 0
    for path in directory.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            seen += len(data)
            at = data.find(MARK.encode())
            assert at < 0, (path, data[at - 60:at + 60])
    assert seen > 0
    return seen


@case
def secrets_of_the_command_itself_are_left_out():
    record("true", *ARGUMENTS, env=dict(os.environ, **VARIABLES))
    assert_silent()
    start, = only(journal(), "PROC_START")
    assert start.fields["ARGV"][1] == b"--password", "only values are"
    assert b"<redacted>" in start.fields["ARGV"][2]
    record("sh", "-c", SHELL)
    assert_silent()


@case
def secrets_of_children_are_left_out_however_they_start():
    script = TMP / "children.py"
    script.write_text(f"""
import os, subprocess
env = dict(os.environ, **{VARIABLES!r})
args = {ARGUMENTS!r}
subprocess.run(["true", *args], env=env)
subprocess.run(["true", *args], env=env, preexec_fn=lambda: None)
os.waitpid(os.posix_spawnp("true", ["true", *args], env), 0)
os.system({SHELL!r})
os.popen({SHELL!r}).read()
subprocess.run({SHELL!r}, shell=True)
try:
    subprocess.run(["/no/such/program", *args], env=env)
except OSError:
    pass
os.environ.update(env)
if not os.fork():
    os.execvp("true", ["true", *args])
os.wait()
""")
    assert record(sys.executable, str(script)).returncode == 0
    assert_silent()
    wanted = [e for e in only(journal(), "PROC_START")
              if b"--password" in e.fields["ARGV"]]
    assert len(wanted) >= 4, len(wanted)


@case
def secrets_in_what_does_not_fit_a_record_are_left_out():
    fill = [f"argument {n} of many" for n in range(3000)]
    record("true", *fill, *ARGUMENTS, *fill,
           env=dict(os.environ, **VARIABLES,
                    **{f"FILL{n}": "x" * 50 for n in range(2000)}))
    assert assert_silent() > 100000
    blobs = list((sessions()[-1] / "blobs").iterdir())
    assert len(blobs) >= 2, "the arguments and the environment"


@case
def secrets_given_to_a_blind_program_are_left_out():
    static = TMP / "static"
    source = TMP / "static.c"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["cc", "-static", "-o", str(static), str(source)],
                   check=True)
    script = TMP / "blind.py"
    script.write_text("import os, subprocess\n"
                      f"env = dict(os.environ, **{VARIABLES!r})\n"
                      f"subprocess.run(['{static}', *{ARGUMENTS!r}], env=env)")
    record(sys.executable, str(script))
    blind = [e for e in only(journal(), "PROC_EXEC") if "BLIND" in e.fields]
    assert len(blind) == 1 and blind[0].fields["ENV_SET"]
    assert_silent()


@case
def secrets_in_the_error_of_an_async_task_are_left_out():
    script = TMP / "failing.py"
    script.write_text(f"""
import asyncio
async def fail():
    raise OSError("cannot reach https://user:{secret(50)}@example.org/x, "
                  "key AKIA{'Q' * 16} refused")
async def main():
    await asyncio.gather(asyncio.create_task(fail()), return_exceptions=True)
asyncio.run(main())
""")
    assert record(sys.executable, str(script)).returncode == 0
    failed, = only(journal(), "ASYNC_END", OUTCOME=b"error")
    assert b"cannot reach" in failed.fields["TEXT"], failed.fields
    assert b"<redacted>" in failed.fields["TEXT"], failed.fields
    assert_silent()


@case
def secrets_of_a_process_left_behind_are_left_out():
    done = TMP / "done"
    code = f"import os, sys, time\nif not os.fork():\n    os.setsid()\n" \
           f"    if not os.fork():\n" \
           f"        os.execvp('sh', ['sh', '-c', 'while [ ! -e {done} ]; " \
           f"do sleep 0.05; done', *{ARGUMENTS!r}])\n    os._exit(0)\n" \
           "os.wait()"
    script = TMP / "left.py"
    script.write_text(code)
    record(sys.executable, str(script), options=("-q", "--drain=0"),
           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
           capture_output=False)
    session = sessions()[-1]
    assert wait_for(lambda: only(journal(session), "PROC_LEFT"))
    done.touch()
    assert_silent(session)


@case
def a_name_allowed_is_kept_and_no_other():
    env = dict(os.environ, **VARIABLES)
    record("true", "--token=" + secret(50), "--password=" + secret(51),
           env=env, options=("-q", "--env-allow", "MY_PASS*",
                             "--env-allow", "token"))
    text = b"".join(p.read_bytes() for p in sessions()[-1].rglob("*")
                    if p.is_file())
    kept = {VARIABLES["MY_PASSWORD"], secret(50)}
    for value in [*VARIABLES.values(), secret(50), secret(51)]:
        there = value.encode() in text
        assert there == (value in kept), (value, there)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The recorded command's output and status are its own, whatever happens."""
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import (  # noqa: E402
    away_from_datastores, case, journal, main, MFTRACE, only, record,
    sessions, Skip, TMP, wait_for)

WRITER = "import sys; sys.stdout.write('out\\n' * 20000); " \
         "sys.stderr.write('err\\n' * 5000); sys.exit(7)"


def plain(*command, **how):
    """The same command, unrecorded."""
    how.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(command, capture_output=True, timeout=60,
                          check=False, **how)


def assert_same(*command, options=("-q",), **how):
    """A command gives the same with and without us."""
    want = plain(*command, **how)
    got = record(*command, options=options, **how)
    assert got.stdout == want.stdout, (got.stdout[-300:], want.stdout[-300:])
    assert got.stderr == want.stderr, (got.stderr[-300:], want.stderr[-300:])
    status = want.returncode if want.returncode >= 0 else \
        128 - want.returncode
    assert got.returncode == status, (got.returncode, want.returncode)
    return got


@case
def exit_codes_are_the_commands_own():
    for code in (0, 1, 2, 3, 77, 125, 126, 127, 128, 200, 255):
        assert_same("sh", "-c", f"echo {code}; exit {code}")
        assert only(journal(), "SESSION_END")[0].fields["STATUS"] == code << 8


@case
def death_by_a_signal_is_128_and_its_number():
    for name in ("TERM", "KILL", "SEGV", "ABRT", "PIPE", "XFSZ", "USR1"):
        number = signal.Signals["SIG" + name].value
        assert_same("sh", "-c", f"ulimit -c 0; echo x; kill -{name} $$")
        status = only(journal(), "SESSION_END")[0].fields["STATUS"]
        assert status & 127 == number, (name, status)


@case
def output_is_the_commands_own_to_the_byte():
    assert_same(sys.executable, "-c", WRITER)


@case
def what_is_on_standard_input_reaches_the_command():
    data = os.urandom(300000)
    got = subprocess.run([MFTRACE, "record", "-q", "--", "cat"], input=data,
                         capture_output=True, timeout=60, check=False)
    assert got.stdout == data and got.returncode == 0


@case
def a_command_that_is_not_there_is_127():
    got = record("./no-such-program", "x", options=())
    assert got.returncode == 127
    assert b"no-such-program" in got.stderr and got.stderr.count(b"\n") == 1
    assert record("no-such-program-anywhere").returncode == 127
    end = only(journal(), "SESSION_END")[0].fields
    assert end["ERRNO"] == 2 and end["STATUS"] == 127 << 8, end


@case
def a_command_that_cannot_be_executed_is_126():
    path = TMP / "data"
    path.write_text("no program\n")
    path.chmod(0o644)
    assert record(str(path)).returncode == 126
    assert record(str(TMP)).returncode == 126


@case
def a_script_without_an_interpreter_line_runs_as_with_env():
    path = TMP / "script"
    path.write_text("echo from a script; exit 4\n")
    path.chmod(0o755)
    assert_same("env", str(path))
    got = record(str(path))
    assert (got.returncode, got.stdout) == (4, b"from a script\n")


@case
def wrong_usage_is_125():
    for arguments in ([], ["--no-such-option", "true"], ["--name", "a b", "x"],
                      ["--drain", "x", "true"], ["--max-size"]):
        got = subprocess.run([MFTRACE, "record", *arguments],
                             capture_output=True, check=False)
        assert got.returncode == 125, (arguments, got)
        assert got.stdout == b"" and got.stderr.count(b"\n") == 1, got


@case
def one_line_names_the_session():
    got = record("true", options=("--name", "some.name_1"))
    assert got.stderr.count(b"\n") == 1
    assert sessions()[-1].name.endswith("-some.name_1")
    assert sessions()[-1].name.encode() in got.stderr
    assert record("true").stderr == b""


@case
def the_recorder_tells_command_environment_and_status():
    os.environ["MFTEST_MARK"] = "x" * 100
    record("sh", "-c", "exit 5", "name", "two words")
    events = journal()
    assert [e.type for e in events if e.pid == events[0].pid] == \
        ["SESSION", "PROC_EXEC", "PROC_WAIT", "SESSION_END"], events
    begin = events[0].fields
    assert begin["ARGV"] == [b"sh", b"-c", b"exit 5", b"name", b"two words"]
    assert b"MFTEST_MARK=" + b"x" * 100 in begin["ENV"]
    assert begin["CWD"] == os.getcwd().encode()
    start, = only(events, "PROC_EXEC", VIA=b"execvp")
    wait, = only(events, "PROC_WAIT", PID=start.fields["PID"])
    assert wait.fields["STATUS"] == 5 << 8
    assert wait.fields["START_TICKS"] == start.fields["START_TICKS"] > 0
    assert wait.fields["MAXRSS_KB"] > 100


@case
def a_large_environment_and_command_line_are_kept_whole():
    env = dict(os.environ)
    for number in range(40):
        env[f"MFTEST_BIG_{number}"] = "v" * 3000
    words = [f"word{number:06d}" for number in range(9000)]
    got = record("sh", "-c", "echo $#", "sh", *words, env=env)
    assert got.stdout == b"9000\n"
    begin = journal()[0].fields
    assert begin["ARGV"][4:] == [word.encode() for word in words]
    assert b"MFTEST_BIG_39=" + b"v" * 3000 in begin["ENV"]


@case
def secrets_do_not_reach_the_journal():
    env = dict(os.environ, MFTEST_PASSWORD="hunter2-in-env",
               MFTEST_OPEN="to be seen")
    record("true", "--password", "hunter2-in-argv", env=env)
    raw = b"".join(p.read_bytes() for p in sessions()[-1].rglob("*")
                   if p.is_file())
    assert b"to be seen" in raw and b"MFTEST_PASSWORD=" in raw
    assert b"hunter2" not in raw
    record("true", options=("-q", "--env-allow", "MFTEST_PASS*"), env=env)
    raw = b"".join(p.read_bytes() for p in sessions()[-1].rglob("*")
                   if p.is_file())
    assert b"hunter2-in-env" in raw


@case
def a_session_goes_where_it_is_told():
    place = TMP / "some where" / "deep"
    got = record("true", options=("--journal", str(place)))
    session, = sessions(place)
    assert session.name.encode() in got.stderr
    assert session.stat().st_mode & 0o7777 == 0o700
    assert all(p.stat().st_mode & 0o7777 in (0o600, 0o700)
               for p in session.rglob("*"))
    link = TMP / "state/mfcore/sessions" / session.name
    assert link.is_symlink() and link.resolve() == session.resolve()


@case
def a_session_goes_under_the_datastore_of_this_directory():
    top = TMP / "project"
    (top / ".metaflow").mkdir(parents=True)
    (top / "below").mkdir()
    env = dict(os.environ)
    del env["METAFLOW_DATASTORE_SYSROOT_LOCAL"]
    record("true", cwd=top / "below", env=env)
    assert len(sessions(top / ".metaflow/.mfcore")) == 1
    other = TMP / "sysroot"
    env = dict(os.environ, METAFLOW_DATASTORE_SYSROOT_LOCAL=str(other))
    before = len(sessions())
    record("true", cwd=top / "below", env=env)
    assert not other.exists() and len(sessions()) == before + 1
    (other / ".metaflow").mkdir(parents=True)
    record("true", cwd=top / "below", env=env)
    assert len(sessions(other / ".metaflow/.mfcore")) == 1


@case
def without_a_place_for_the_journal_the_command_runs_unrecorded():
    env = dict(os.environ, XDG_STATE_HOME="/proc/no/such/place", HOME="/proc")
    got = record("sh", "-c", "echo out; exit 9", options=(), env=env)
    assert (got.returncode, got.stdout) == (9, b"out\n")
    assert got.stderr.count(b"\n") == 1 and b"not recorded" in got.stderr
    assert record("sh", "-c", "exit 9", env=env).stderr == b""
    got = record("sh", "-c", "echo out", options=("--require",), env=env)
    assert got.returncode == 125 and got.stdout == b""
    assert record("/no/such", env=env).returncode == 127


@case
def in_a_directory_that_is_gone_the_command_runs():
    gone = TMP / "gone"
    gone.mkdir()
    got = subprocess.run(
        ["sh", "-c", f'cd "{gone}" && rmdir "{gone}" && '
         f'"{MFTRACE}" record -- sh -c "echo here; exit 3"'],
        capture_output=True, check=False)
    assert got.returncode == 3 and got.stdout == b"here\n", got


def as_nobody():
    os.setgid(65534)
    os.setuid(65534)


@case
def a_read_only_directory_costs_one_line():
    place = TMP / "read-only"
    place.mkdir()
    how = {}
    if os.getuid() == 0:
        os.chmod(TMP, 0o755)
        how["preexec_fn"] = as_nobody
    place.chmod(0o555)
    got = record("sh", "-c", "echo out; exit 6",
                 options=("--journal", str(place)), cwd="/", **how)
    assert (got.returncode, got.stdout) == (6, b"out\n"), got
    assert got.stderr.count(b"\n") == 1 and b"not recorded" in got.stderr


@case
def the_directory_may_be_deleted_during_the_run():
    place = TMP / "deleted"
    script = f'echo begin; rm -rf "{place}"; sleep 0.1; echo end; exit 8'
    got = record("sh", "-c", script, options=("-q", "--journal", str(place)))
    assert (got.returncode, got.stdout) == (8, b"begin\nend\n"), got
    assert got.stderr == b"" and not place.exists()


@case
def a_full_disk_leaves_the_run_alone():
    place = TMP / "full"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none",
                       str(place)], capture_output=True,
                      check=False).returncode:
        raise Skip("cannot mount a small tmpfs")
    try:
        assert_same(sys.executable, "-c", WRITER,
                    options=("-q", "--journal", str(place)))
        subprocess.run(f'cat /dev/zero >"{place}/fill" 2>/dev/null',
                       shell=True, check=False)
        got = record("sh", "-c", "echo out; exit 2",
                     options=("--journal", str(place)))
        assert (got.returncode, got.stdout) == (2, b"out\n"), got
        assert b"not recorded" in got.stderr
        assert sorted(p.name for p in place.iterdir())[-1] == "fill"
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


@case
def a_limit_on_file_sizes_is_the_commands_and_not_ours():
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    big = TMP / "big"
    script = f'ulimit -f; head -c 100000 /dev/zero >"{big}"; echo $?'
    want = plain("sh", "-c", script, preexec_fn=limit)
    size = big.stat().st_size
    got = record("sh", "-c", script, preexec_fn=limit)
    assert (got.stdout, got.returncode) == (want.stdout, want.returncode)
    assert big.stat().st_size == size == 8192

    def soft():
        resource.setrlimit(resource.RLIMIT_FSIZE,
                           (8192, resource.RLIM_INFINITY))
    got = record("sh", "-c", "ulimit -S -f", preexec_fn=soft)
    assert got.stdout == plain("sh", "-c", "ulimit -S -f",
                               preexec_fn=soft).stdout
    assert only(journal(), "SESSION_END"), "the recorder lifts it for itself"


@case
def a_limit_on_memory_leaves_the_run_alone():
    for mib in (60, 30, 12):
        def limit(size=mib << 20):
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
        assert_same("sh", "-c", "ulimit -v; echo fine; exit 4",
                    preexec_fn=limit)


@case
def the_commands_process_is_set_up_as_without_us():
    script = ("import os, signal, resource, sys\n"
              "print([(s, str(signal.getsignal(s))) for s in range(1, 65)"
              " if s not in (32, 33)])\n"
              "print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))\n"
              "print([resource.getrlimit(r) for r in range(16)])\n"
              "print(sorted(os.listdir('/proc/self/fd')), os.getcwd())\n"
              "print(os.umask(0), os.nice(0), os.getsid(0))\n"
              "print(sorted(k for k in os.environ if k not in"
              " ('LD_PRELOAD', 'MFCORE_RECORD')))\n")

    def odd():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK,
                               {signal.SIGUSR2, signal.SIGTERM})
        os.umask(0o027)
    for prepare in (None, odd):
        assert_same(sys.executable, "-c", script, preexec_fn=prepare)


@case
def a_preload_that_stands_already_is_kept_and_goes_first():
    code = TMP / "other.c"
    other = TMP / "other.so"
    code.write_text('#include <unistd.h>\n__attribute__((constructor)) '
                    'static void f(void) { (void)!write(1, "other\\n", 6); }')
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(other), str(code)],
                   check=True)
    env = dict(os.environ, LD_PRELOAD=str(other))
    got = record("/usr/bin/cat", "/proc/self/environ", env=env)
    assert b"other\n" in got.stdout
    entry, = [e for e in got.stdout.split(b"\0")
              if b"LD_PRELOAD=" in e]
    assert entry.removeprefix(b"other\n") == \
        b"LD_PRELOAD=" + str(other).encode(), entry
    assert b"MFCORE_RECORD" not in got.stdout, "nothing of ours is seen"


@case
def a_place_the_loader_cannot_spell_is_reached_by_a_link():
    place = TMP / "a b:c$d"
    place.mkdir()
    copy = shutil.copy(os.environ["MFRECORD_SO"], place / "libmfrecord.so")
    env = dict(os.environ, MFCORE_PRELOAD=str(copy))
    before = set(pathlib.Path("/tmp").glob("mfcore-*"))
    got = record("/usr/bin/cat", "/proc/self/maps", env=env)
    assert str(copy).encode() in got.stdout and got.stderr == b"", got
    assert set(pathlib.Path("/tmp").glob("mfcore-*")) <= before


@case
def no_descriptor_of_ours_takes_the_place_of_a_closed_one():
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        code = ("import os, sys\n"
                "open(sys.argv[1], 'w').write(str([fd for fd in range(64)"
                " if os.path.exists(f'/proc/self/fd/{fd}')]))\n"
                "sys.exit(5)")
        counts = []
        for command in ([], [MFTRACE, "record", "-q", "--"]):
            got = subprocess.run(
                ["sh", "-c", f'"$@" {closed}', "sh", *command,
                 sys.executable, "-c", code, str(TMP / "n")], check=False,
                timeout=60)
            assert got.returncode == 5
            counts.append((TMP / "n").read_text())
        assert counts[0] == counts[1], (closed, counts)
        events = journal()
        assert only(events, "SESSION_END") and only(events, "SESSION")


@case
def a_pipe_ends_when_the_command_lets_go_of_it():
    """The recorder waits for an orphan; the far ends must not."""
    script = ('exec 3<&-; sleep 3 <&- >&- 2>&- & '
              'echo done; exit 0')
    begin = time.monotonic()
    with subprocess.Popen([MFTRACE, "record", "-q", "--", "sh", "-c", script],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as run:
        assert run.stdout.read() == b"done\n"
        assert run.stderr.read() == b""
        assert time.monotonic() - begin < 2, "both pipes ended at once"
        assert run.wait() == 0
    read, write = os.pipe()
    os.set_inheritable(write, True)
    with subprocess.Popen([MFTRACE, "record", "-q", "--", "sh", "-c",
                           f"exec {write}>&-; sleep 1; exit 0"],
                          stdin=subprocess.DEVNULL, close_fds=False) as run:
        os.close(write)
        begin = time.monotonic()
        assert os.read(read, 1) == b"", "an inherited pipe ends too"
        assert run.poll() is None and time.monotonic() - begin < 0.9
        run.wait()
    os.close(read)


@case
def the_session_is_live_while_and_only_while_it_is_recorded():
    with subprocess.Popen([MFTRACE, "record", "-q", "--", "sleep", "60"],
                          stdin=subprocess.DEVNULL) as run:
        before = len(sessions())
        wait_for(lambda: only(journal(), "PROC_EXEC", EXE=b"/usr/bin/sleep"))
        session = sessions()[-1]
        assert before <= len(sessions())

        def locked():
            return subprocess.run(["flock", "-sn", str(session), "true"],
                                  check=False).returncode != 0
        assert locked()
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert not locked(), "the kernel lets go when the recorder is killed"
        child = only(journal(session), "PROC_EXEC")[0].fields["PID"]
        os.kill(child, signal.SIGKILL)


away_from_datastores()
main()

#!/usr/bin/env python3
"""Programs that are hard on whoever watches run as they do without us, and the
journal stays whole or says what it lacks.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import (MFTRACE, TMP, Skip, case, journal, main, only,  # noqa: E402
                    record, sessions)

STRESS = str(pathlib.Path(os.environ["MF_BUILD"]) / "test/programs/stress")
FORKS = int(os.environ.get("MF_STRESS_FORKS", "3000"))


def plain(*command, **how):
    """The same command, unrecorded."""
    return subprocess.run(command, stdin=subprocess.DEVNULL,
                          capture_output=True, check=False, timeout=120, **how)


def verify(session=None):
    """What verify says of a session."""
    got = subprocess.run([MFTRACE, "verify", "--json",
                          str(session or sessions()[-1])],
                         capture_output=True, check=False)
    assert got.returncode in (0, 3), got
    return json.loads(got.stdout)


def status_of(run):
    """As mftrace record passes it on."""
    return run.returncode if run.returncode >= 0 else 128 - run.returncode


def assert_same(*command, options=("-q",), **how):
    """Output, errors and status are equal; returns the recorded run."""
    want = plain(*command, **how)
    got = record(*command, options=options, timeout=120, **how)
    assert got.returncode == status_of(want), (got, want)
    assert got.stdout == want.stdout, (len(got.stdout), len(want.stdout))
    assert got.stderr == want.stderr, (got.stderr, want.stderr)
    return got


def kept(stream=1):
    """All output of a stream that the newest journal has."""
    return b"".join(e.fields["DATA"]
                    for e in only(journal(), "OUTPUT", STREAM=stream))


@case
def signals_in_the_middle_of_anything_harm_nothing():
    want = plain(STRESS, "storm", "20000")
    got = record(STRESS, "storm", "20000")
    assert (got.returncode, got.stdout) == (0, want.stdout)
    assert got.stderr and set(got.stderr) == {ord("t")}, got.stderr[:80]
    health = verify()
    assert health["damaged"] == 0 and health["missing_records"] == 0, health
    # a handler that interrupts the recorder itself may lose its own record
    lost = health["dropped"]
    assert len(kept(1)) + len(kept(2)) + 64 * lost >= \
        len(got.stdout) + len(got.stderr), health
    print(f"# {len(got.stderr)} writes by handlers, {lost} records dropped")


@case
def forks_at_any_moment_of_other_threads_harm_nothing():
    got = record(STRESS, "forks", str(FORKS), timeout=280)
    assert got.returncode == 0 and got.stderr == b"", got.stderr
    health = verify()
    assert health["whole"] and health["damaged"] == 0, health
    assert health["dropped"] == 0 and health["uncommitted"] == 0, health
    nested = len([i for i in range(FORKS) if i % 64 == 7])
    forks = only(journal(), "PROC_FORK")
    assert len(forks) == FORKS + nested, (len(forks), FORKS + nested)
    assert len({(e.pid, e.fields["START_TICKS"]) for e in forks}) > FORKS / 2
    print(f"# {len(forks)} forks, {health['records']} records")


@case
def limits_a_program_gives_itself_are_its_own():
    for name in ("fsize", "as", "nofile", "stack", "close"):
        assert_same(STRESS, name, "4000")
        health = verify()
        assert health["damaged"] == 0, (name, health)
        have = len(kept())
        assert have > 0 and (health["dropped"] or have >= 2000 * 40 or
                             name == "close"), (name, have, health)


@case
def handlers_on_a_small_stack_are_no_trouble():
    assert_same(STRESS, "sigaltstack", "5000")
    assert verify()["whole"]


@case
def many_python_threads_switching_all_the_time_lose_nothing():
    got = record(sys.executable, "-c", """
import os, sys, threading
sys.setswitchinterval(1e-6)
def work(n):
    for i in range(2000):
        os.write(1, b"thread %d line %d\\n" % (n, i))
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
""")
    assert got.returncode == 0 and got.stderr == b"", got.stderr
    assert sorted(kept().splitlines()) == sorted(got.stdout.splitlines())
    assert len(got.stdout.splitlines()) == 16000
    assert len(only(journal(), "THREAD_START")) == 8
    assert len(only(journal(), "THREAD_END")) == 8


DELETER = """
import os, shutil, subprocess, sys
line = b"x" * 199 + b"\\n"
for i in range(1000):
    os.write(1, line)
shutil.rmtree(sys.argv[1], ignore_errors=True)
for i in range(100000):
    os.write(1, line)
    if i % 25000 == 0:
        os.write(1, subprocess.run(["echo", "child"], stdout=-1).stdout)
pid = os.fork()
if not pid:
    os.write(1, b"fork\\n")
    os._exit(0)
os.waitpid(pid, 0)
sys.exit(3)
"""


@case
def a_journal_deleted_in_the_middle_is_not_missed():
    """More than a segment is written after it, so the next cannot be made."""
    place = TMP / "gone"
    place.mkdir()
    assert_same(sys.executable, "-c", DELETER, str(place),
                options=("-q", f"--journal={place}", "--output-max=1GiB"))
    left = [p for p in place.rglob("*") if p.is_file()] \
        if place.exists() else []
    assert not left, left


# The child is first to write too much, and that into a segment its parent does
# not know.
FLOODER = """
import os
big = b"x" * 65535 + b"\\n"
pid = os.fork()
if not pid:
    for fd in (2,) * 20 + (1,) * 30:
        for _ in range(10):
            os.write(fd, big)
    os._exit(0)
os.waitpid(pid, 0)
os.write(1, b"parent\\n")
"""


@case
def a_fork_that_writes_too_much_harms_no_parent():
    assert_same(sys.executable, "-c", FLOODER)
    lost = verify()["output_not_kept_bytes"]
    assert len(kept(1)) + len(kept(2)) + lost == 500 * 65536 + 7, lost


@case
def output_in_big_pieces_takes_little_more_than_its_bytes():
    code = "import os\nfor _ in range(500): os.write(1, b'x' * 65536)"
    record(sys.executable, "-c", code, options=("-q", "--output-max=1GiB"))
    assert len(kept(1)) == 500 * 65536
    took = verify()["file_bytes"]
    assert took < 1.15 * 500 * 65536 + (1 << 20), took


@case
def a_full_disk_is_told_in_the_journal_and_nowhere_else():
    if os.geteuid() != 0:
        raise Skip("needs root to mount a small file system")
    place = TMP / "small"
    place.mkdir()
    if plain("unshare", "-m", "mount", "-t", "tmpfs", "none",
             str(place)).returncode != 0:
        raise Skip("cannot mount")
    code = "import os\nfor i in range(30000):\n" \
           "    os.write(1, b'y' * 199 + b'\\n')\n" \
           "    if i % 10000 == 9:\n" \
           "        os.system('echo shell; exit 3')\n" \
           "        pid = os.fork()\n" \
           "        if not pid: os._exit(0)\n        os.waitpid(pid, 0)\n"
    script = f"mount -t tmpfs -o size=2m none {place} && " \
        f"{MFTRACE} record -q --journal={place} -- {sys.executable} -c '" + \
        code.replace("'", "'\\''") + "'; rc=$?; " \
        f"{MFTRACE} verify --json {place}/2* >{TMP}/health; exit $rc"
    want = plain(sys.executable, "-c", code)
    got = plain("unshare", "-m", "sh", "-c", script)
    assert got.returncode == want.returncode, got.stderr
    assert got.stdout == want.stdout, (len(got.stdout), len(want.stdout))
    assert got.stderr == want.stderr, got.stderr
    health = json.loads((TMP / "health").read_text())
    assert health["damaged"] == 0 and health["dropped"] > 1000, health
    assert "no-space" in json.dumps(health["dropped_why"]) or \
        sum(health["dropped_why"].values()) > 0, health
    print(f"# {health['records']} records, {health['dropped']} dropped")


@case
def the_recorder_file_may_go_too():
    """Without its shared object, children run unrecorded and say nothing."""
    copy = TMP / "libmfrecord.so"
    env = dict(os.environ, MFCORE_PRELOAD=str(copy))
    command = ("sh", "-c", f"rm -f {copy}; echo a; env echo b; exec env echo c")
    want = plain(*command)
    shutil.copy(os.environ["MFRECORD_SO"], copy)
    got = record(*command, env=env)
    assert (got.stdout, got.stderr) == (want.stdout, want.stderr), got
    blind = [e for e in only(journal(), "PROC_EXEC") if "BLIND" in e.fields]
    assert len(blind) == 2, "and the journal says so"


if __name__ == "__main__":
    main()

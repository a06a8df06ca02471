#!/usr/bin/env python3
"""What outlives the command: waited for, told, or left alone on purpose."""
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import (  # noqa: E402
    away_from_datastores, case, journal, main, MFTRACE, only, record, Skip,
    TMP, wait_for)

RECORD = [MFTRACE, "record", "-q"]


def unheard(*command, **how):
    """Recorded, with no pipe of ours that who is left would hold open."""
    return record(*command, capture_output=False, stdout=subprocess.DEVNULL,
                  stderr=subprocess.DEVNULL, **how)


def timed(*command, **how):
    begin = time.monotonic()
    got = unheard(*command, **how)
    return got, time.monotonic() - begin


def left_argv(events):
    return [event.fields["ARGV"] for event in only(events, "PROC_LEFT")]


def kill_left(events):
    for event in only(events, "PROC_LEFT"):
        try:
            os.kill(event.fields["PID"], signal.SIGKILL)
        except ProcessLookupError:
            pass  # it was on its way out


@case
def an_orphan_is_waited_for_and_its_status_taken():
    got, took = timed("sh", "-c", "( (sleep 0.6; exit 42) & ); exit 3")
    assert got.returncode == 3 and 0.5 < took < 5, took
    events = journal()
    reaped, = only(events, "PROC_REAP", STATUS=42 << 8)
    assert reaped.fields["START_TICKS"] > 0
    assert reaped.fields["MAXRSS_KB"] > 100
    assert events[-1].type == "SESSION_END"
    assert events[-1].fields["COUNT"] == 0


@case
def an_orphans_death_by_a_signal_is_told():
    record("sh", "-c", "( (sleep 0.2; kill -9 $$; "
           "exec sh -c 'kill -SEGV $$') & )")
    assert any(e.fields["STATUS"] & 127 == signal.SIGSEGV
               for e in only(journal(), "PROC_REAP"))


@case
def orphans_of_a_killed_command_are_reaped_while_others_run():
    got = record(sys.executable, "-c", """
import os, signal, subprocess, sys, time
for i in range(5):
    child = subprocess.Popen(['sh', '-c', 'sleep 0.7 & sleep 0.8; :'])
    time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
time.sleep(0.9)
""")
    assert got.returncode == 0
    events = journal()
    end, = only(events, "PROC_WAIT",
                PID=only(events, "PROC_EXEC", VIA=b"execvp")[0].fields["PID"])
    reaped = only(events, "PROC_REAP", STATUS=0)
    assert len([e for e in reaped if e.time < end.time]) == 10, reaped


@case
def waiting_ends_at_the_limit_and_says_who_is_left():
    got, took = timed("sh", "-c", "sleep 30 & exit 0",
                      options=("-q", "--drain", "1"))
    assert got.returncode == 0 and 0.9 < took < 3, took
    events = journal()
    assert left_argv(events) == [[b"sleep", b"30"]]
    left, = only(events, "PROC_LEFT")
    stat = pathlib.Path(f"/proc/{left.fields['PID']}/stat").read_text()
    assert int(stat.rsplit(")", 1)[1].split()[19]) == \
        left.fields["START_TICKS"]
    assert events[-1].fields["COUNT"] == 1
    kill_left(events)


@case
def the_line_at_the_end_counts_who_is_left():
    got = record("sh", "-c", "setsid sleep 30 >&- 2>&- & sleep 0.2",
                 options=())
    assert b"1 process still running" in got.stderr, got
    kill_left(journal())


@case
def daemons_are_not_waited_for():
    ways = {
        "setsid": ["sh", "-c", "setsid sleep 31 & sleep 0.2"],
        "nohup": ["sh", "-c", "nohup sleep 31 >/dev/null 2>&1 & sleep 0.2"],
        "double fork": [sys.executable, "-c", """
import os, time
if os.fork() == 0:
    time.sleep(0.1)  # becomes a daemon after the command has gone
    os.setsid()
    if os.fork():
        os._exit(0)
    os.execvp('sleep', ['sleep', '31'])
"""],
        "stopped": ["sh", "-c", "sleep 31 & sleep 0.1; kill -STOP $!; sleep 0.1"],
    }
    for name, command in ways.items():
        got, took = timed(*command)
        assert got.returncode == 0 and took < 3, (name, took)
        events = journal()
        if name == "double fork":  # seen at any point of its way there
            assert 1 <= len(left_argv(events)) <= 2, events
        else:
            assert left_argv(events) == [[b"sleep", b"31"]], (name, events)
        kill_left(events)


@case
def orphans_of_a_command_in_a_session_of_its_own_are_waited_for():
    script = "setsid sh -c 'sleep 0.7 & exit 0'"
    got, took = timed("sh", "-c", f"exec {script}",
                      preexec_fn=lambda: os.setpgid(0, 0))
    assert got.returncode == 0 and took > 0.6, took
    assert journal()[-1].fields["COUNT"] == 0


@case
def a_whole_tree_left_behind_is_told():
    unheard("sh", "-c", "setsid sh -c 'sleep 32 & sleep 33 & wait' & sleep 0.3")
    events = journal()
    assert sorted(argv[-1] for argv in left_argv(events)) == \
        [b"32", b"33", b"sleep 32 & sleep 33 & wait"]
    kill_left(events)


@case
def a_secret_of_who_is_left_is_not_told():
    unheard("sh", "-c", "setsid sh -c 'exec sleep 34' --password hunter2 & "
           "setsid sh -c 'sleep 35; :' --password hunter2 & sleep 0.3")
    events = journal()
    assert [b"sleep", b"34"] in left_argv(events)
    assert any(b"<redacted>" in argv for argv in left_argv(events))
    assert not any(b"hunter2" in b" ".join(argv)
                   for argv in left_argv(events))
    kill_left(events)


@case
def when_everybody_ignores_hangups_orphans_are_waited_for():
    def nohup():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    got, took = timed("sh", "-c", "sleep 0.7 & exit 0", preexec_fn=nohup)
    assert got.returncode == 0 and took > 0.6
    assert journal()[-1].fields["COUNT"] == 0


@case
def ctrl_c_ends_the_waiting():
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([*RECORD, "--", "sh", "-c",
                               "trap '' INT TERM; sleep 36 & exit 6"],
                              stdin=subprocess.DEVNULL) as run:
            wait_for(lambda: only(journal(), "PROC_WAIT"))
            time.sleep(0.1)
            begin = time.monotonic()
            run.send_signal(number)
            assert run.wait() == 6 and time.monotonic() - begin < 1
        events = journal()
        assert left_argv(events) == [[b"sleep", b"36"]]
        kill_left(events)


@case
def a_command_that_leaves_nobody_is_not_waited_for():
    begin = time.monotonic()
    for _ in range(20):
        record("true")
    assert time.monotonic() - begin < 4


@case
def nobody_is_left_as_a_zombie():
    """The recorder is the parent of every orphan, while others run."""
    with subprocess.Popen([*RECORD, "--", "sh", "-c",
                           "for i in 1 2 3 4 5 6 7 8; do (sleep 0.05 &); done;"
                           "sleep 1"], stdin=subprocess.DEVNULL) as run:
        wait_for(lambda: len(only(journal(), "PROC_REAP", STATUS=0)) >= 8)
        children = pathlib.Path(
            f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        states = [pathlib.Path(f"/proc/{pid}/stat").read_text()
                  .rsplit(")", 1)[1].split()[0] for pid in children]
        assert "Z" not in states, states
        assert run.wait() == 0


def memory_group():
    """A memory cgroup of our own with a limit of 60 MiB, version 1 or 2."""
    root = pathlib.Path("/sys/fs/cgroup")
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if controllers == "memory":
            limit, group = "memory.limit_in_bytes", root / "memory" / path[1:]
        elif number == "0" and (root / "cgroup.controllers").exists():
            limit, group = "memory.max", root / path[1:]
        else:
            continue
        inner = group / f"mftest-{os.getpid()}"
        try:
            inner.mkdir()
        except OSError:
            continue
        try:
            (inner / limit).write_text("60M")
            return inner
        except OSError:
            inner.rmdir()
    raise Skip("no memory cgroup of our own to be had")


@case
def a_process_killed_for_want_of_memory_shows_in_the_kernels_count():
    inner = memory_group()
    enter = inner / "cgroup.procs"
    try:
        got = record(sys.executable, "-c", "x = b'x' * (200 << 20)",
                     preexec_fn=lambda: enter.write_text("0"))
        assert got.returncode == 137, got
        grown = only(journal(), "KERNEL", NAME=b"oom_kill", ROLE=b"cgroup")
        assert sum(e.fields["COUNT"] for e in grown) == 1, grown
        assert only(journal(), "KERNEL", ROLE=b"machine")
    finally:
        wait_for(lambda: enter.read_text() == "")
        inner.rmdir()


away_from_datastores()
main()

#!/usr/bin/env python3
"""Every write to a sidecar and every read by it is recorded with its result,
whoever starts the sidecar and however.

The sidecars here are small programs under Metaflow's name for them, so that
pipes fill, break and change hands when the case wants them to.
"""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pythons  # noqa: E402
from mftest import TMP, case, journal, main, only, record  # noqa: E402

WORKER = TMP / "metaflow" / "sidecar" / "sidecar_worker.py"
PRELUDE = f"""
import fcntl, os, signal, subprocess, sys, time
def sidecar(kind="debugLogger", **how):
    return subprocess.Popen([sys.executable, {str(WORKER)!r}, kind],
                            stdin=subprocess.PIPE, bufsize=0,
                            stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, **how)
def end(process):
    process.stdin.close()
    process.wait()
"""
READER = """
import os, sys
os.write(2, b"sidecar %s begins\\n" % sys.argv[1].encode())
while True:
    data = os.read(0, 1000)
    if not data:
        break
"""
PYTHONS = [program for _, program in pythons.chosen()]


def run(code, reader=READER, python=None):
    """Record a program that has sidecars; its events."""
    WORKER.parent.mkdir(parents=True, exist_ok=True)
    WORKER.write_text(reader)
    script = TMP / "parent.py"
    script.write_text(PRELUDE + code)
    got = record(str(python or PYTHONS[-1]), str(script))
    assert got.returncode == 0 and got.stderr == b"", got.stderr.decode()
    return journal()


def pipes(events):
    """(sent, received, maker) of each sidecar, in the order they began."""
    found = []
    for begun in only(events, "SIDECAR"):
        sent = only(events, "PIPE_SEND", INODE=begun.fields["INODE"])
        received = [e for e in only(events, "PIPE_RECV")
                    if e.pid == begun.fields["PID"]]
        found.append((sent, received, begun))
    return found


def data(events):
    """What went through, in one piece."""
    return b"".join(e.fields["DATA"] for e in events
                    if e.fields["RESULT"] > 0)


@case
def each_way_to_start_one_is_seen_on_every_python():
    for python in PYTHONS:
        for how in ("", "preexec_fn=lambda: None", "start_new_session=True",
                    "close_fds=False", "cwd='/'"):
            (sent, received, begun), = pipes(run(f"""
one = sidecar({how})
one.stdin.write(b"first\\n")
one.stdin.write(b"second\\n")
end(one)""", python=python))
            assert [e.fields["DATA"] for e in sent] == \
                [b"first\n", b"second\n"], (python, how, sent)
            assert data(received) == b"first\nsecond\n", (python, how)
            assert received[-1].fields["RESULT"] == 0, "its end is read too"
            assert {e.pid for e in sent} == {begun.fields["PPID"]}


@case
def a_forked_worker_has_sidecars_of_its_own():
    for python in PYTHONS:
        events = run("""
first = sidecar("one")
first.stdin.write(b"by the parent\\n")
pid = os.fork()
if not pid:
    second = sidecar("two")
    second.stdin.write(b"by the worker\\n")
    first.stdin.write(b"shared\\n")
    end(second)
    os._exit(0)
os.waitpid(pid, 0)
end(first)""", python=python)
        first, second = pipes(events)
        assert first[2].fields["NAME"] == b"one"
        assert data(first[0]) == b"by the parent\nshared\n", (python, first)
        assert data(second[0]) == b"by the worker\n", (python, second)
        assert data(first[1]) == data(first[0])
        assert data(second[1]) == data(second[0])
        worker, = {e.pid for e in second[0]}
        assert second[2].fields["PPID"] == worker != first[2].fields["PPID"]


@case
def a_duplicate_of_the_writing_end_sends_too():
    (sent, received, _), = pipes(run("""
one = sidecar()
copies = [os.dup(one.stdin.fileno()), fcntl.fcntl(one.stdin, fcntl.F_DUPFD, 50)]
os.dup2(copies[0], 60)
for fd in [*copies, 60]:
    os.write(fd, b"through %d\\n" % fd)
    os.close(fd)
end(one)"""))
    assert len(sent) == 3 and data(sent) == data(received), sent


@case
def a_full_pipe_a_partial_write_and_a_dead_sidecar_are_told():
    (sent, received, _), = pipes(run("""
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
one = sidecar()
fd = one.stdin.fileno()
os.set_blocking(fd, False)
results = []
big = b"x" * 65536 + b"y" * 65536
results.append(os.write(fd, big))
try:
    os.write(fd, big)
except BlockingIOError:
    results.append("again")
one.kill()
one.wait()
try:
    os.write(fd, b"late\\n")
except BrokenPipeError:
    results.append("broken")
assert results == [65536, "again", "broken"], results
one.stdin = None
""", reader="import time\ntime.sleep(60)\n"))
    results = [e.fields["RESULT"] for e in sent]
    whole = sum(r for r in results if r > 0)
    assert whole == 65536 and results[-2:] == [-11, -32], results
    assert data(sent) == b"x" * 65536
    assert sent[0].fields["WANTED"] == 131072
    assert sent[-1].fields["DATA"] == b"late\n" and not received


@case
def what_nobody_read_is_counted_when_an_end_closes():
    events = run("""
one = sidecar()
one.stdin.write(b"a" * 5000)
time.sleep(0.3)
end(one)""", reader="import os, time\nos.read(0, 1000)\ntime.sleep(0.6)\n")
    (sent, received, begun), = pipes(events)
    assert data(sent) == b"a" * 5000 and data(received) == b"a" * 1000
    ends = [e.fields["COUNT"] for e in
            only(events, "PIPE_END", INODE=begun.fields["INODE"])]
    assert ends and max(ends) == 4000, ends


@case
def a_copy_closed_in_a_forked_child_is_no_end_of_the_pipe():
    """Python 3.8 starts everything by a fork that closes what it inherits."""
    events = run("""
one = sidecar()
one.stdin.write(b"before\\n")
subprocess.run(["true"])
if not os.fork():
    one.stdin.close()
    os._exit(0)
os.wait()
one.stdin.write(b"after\\n")
end(one)""", python=PYTHONS[0])
    (sent, _, begun), = pipes(events)
    ends = only(events, "PIPE_END", INODE=begun.fields["INODE"])
    assert {e.pid for e in ends} == {begun.fields["PPID"],
                                     begun.fields["PID"]}, ends
    assert min(e.time for e in ends) > sent[-1].time


@case
def its_standard_error_is_kept_though_it_is_thrown_away():
    events = run("one = sidecar('loud')\nend(one)")
    begun, = only(events, "SIDECAR")
    text = b"".join(e.fields["DATA"] for e in only(events, "OUTPUT", STREAM=2)
                    if e.pid == begun.fields["PID"])
    assert text == b"sidecar loud begins\n", text


@case
def another_file_on_the_same_descriptor_is_no_sidecar():
    (sent, _, _), _ = pipes(run("""
one = sidecar()
one.stdin.write(b"message\\n")
fd = one.stdin.fileno()
end(one)
with open("/dev/null", "wb", buffering=0) as file:
    os.dup2(file.fileno(), fd) if file.fileno() != fd else None
    os.write(fd, b"private\\n")
two = sidecar("two")
os.closerange(3, 100)
with open("/dev/null", "wb", buffering=0) as file:
    os.dup2(file.fileno(), 3) if file.fileno() != 3 else None
    for fd in range(3, 20):
        try:
            os.write(fd, b"private\\n")
        except OSError:
            pass
two.wait()
os._exit(0)
"""))
    assert data(sent) == b"message\n", sent
    for event in only(journal(), "PIPE_SEND"):
        assert b"private" not in event.fields["DATA"]


if __name__ == "__main__":
    main()

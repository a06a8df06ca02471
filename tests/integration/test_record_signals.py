#!/usr/bin/env python3
"""Signals and terminals: the recorded command sees what it would without us."""
from concurrent import futures
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import (  # noqa: E402
    away_from_datastores, case, journal, main, MFTRACE, only, record,
    sessions, TMP, wait_for)

# Counts what arrives until nothing has for a while, then says so.
COUNTER = TMP / "counter.py"
COUNTER.write_text("""
import os, signal, sys, time
got = []
signals = [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP,
           signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGWINCH,
           signal.SIGRTMIN + 3]
for s in signals:
    signal.signal(s, lambda s, f: got.append(s))
print("ready", os.getpid(), flush=True)
end = time.monotonic() + 20
while not got and time.monotonic() < end:
    time.sleep(0.01)
last = time.monotonic()
seen = len(got)
while time.monotonic() - last < 0.4:
    time.sleep(0.01)
    if len(got) != seen:
        seen, last = len(got), time.monotonic()
print("got", [int(s) for s in got], flush=True)
sys.exit(3)
""")
COUNT = [sys.executable, str(COUNTER)]
RECORD = [MFTRACE, "record", "-q", "--"]


class Terminal:
    """A command as leader of a session on a terminal of its own."""

    def __init__(self, *command, env=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, env or os.environ)
        self.text = ""

    def expect(self, pattern, timeout=20):
        """Read until the pattern stands in what was not yet matched."""
        end = time.monotonic() + timeout
        while True:
            match = re.search(pattern, self.text)
            if match:
                self.text = self.text[match.end():]
                return match
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                more = b""
            if not more:
                raise AssertionError(f"no {pattern!r} before the end, "
                                     f"{self.text!r}")
            self.text += more.decode(errors="replace")

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self):
        """Read to the end, and return the leader's wait status."""
        while True:
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                more = b""
            if not more:
                break
            self.text += more.decode(errors="replace")
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return status


def count_group(prefix, send):
    """What COUNTER says when `send` gets the group leader's pid."""
    with subprocess.Popen([*prefix, *COUNT], stdout=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True,
                          start_new_session=True) as run:
        assert run.stdout.readline().startswith("ready")
        send(run.pid)
        said = run.stdout.read()
        return said, run.wait()


def same(send, *numbers):
    """Each signal is counted with and without us, some at the same time."""
    with futures.ThreadPoolExecutor(6) as pool:
        jobs = [(number, [pool.submit(count_group, prefix,
                                      lambda pid, n=number: send(pid, n))
                          for prefix in ([], RECORD, RECORD)])
                for number in numbers]
    for number, (want, *got) in jobs:
        want = want.result()
        assert want == (f"got [{int(number)}]\n", 3), (number, want)
        for one in got:
            assert one.result() == want, (number, one.result())


@case
def a_signal_to_us_alone_arrives_once():
    same(os.kill, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1,
         signal.SIGHUP, signal.SIGALRM, signal.SIGWINCH, signal.SIGRTMIN + 3)


@case
def a_signal_to_the_group_arrives_once():
    same(os.killpg, signal.SIGTERM, signal.SIGINT, signal.SIGUSR2,
         signal.SIGQUIT)


@case
def a_signal_to_us_and_then_the_group_arrives_as_without_us():
    """What timeout(1) does."""
    for prefix in ([], RECORD):
        got = subprocess.run(["timeout", "0.7", *prefix, *COUNT],
                             capture_output=True, check=False)
        assert got.returncode == 124 and b"got [15]" in got.stdout, got


@case
def keys_of_a_terminal_reach_the_command_once():
    for key, number in (("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT)):
        said = []
        for prefix in ([], RECORD):
            term = Terminal(*prefix, *COUNT)
            term.expect("ready")
            term.type(key)
            said.append(term.expect(r"got \[[^\]]*\]").group())
            said.append(term.wait())
        assert said[:2] == said[2:], said
        assert said[0] == f"got [{int(number)}]", said
        sent, = only(journal(), "SIGNAL", SIGNO=int(number))
        assert sent.fields["SENDER"] == 0


@case
def a_key_ends_a_command_that_does_not_care():
    status = []
    for prefix in ([], RECORD):
        term = Terminal("sh", "-c", '"$@"; echo "status=$?"', "sh", *prefix,
                        "sh", "-c", "echo ready; exec sleep 30")
        term.expect("ready")
        term.type("\x03")
        try:
            status.append(term.expect(r"status=\d+").group())
        except AssertionError:
            status.append("the shell ended too")
        term.wait()
    # a shell that sees its child die by SIGINT ends as well; 130 it goes on
    assert status[1] in (status[0], "status=130"), status
    end, = only(journal(), "SESSION_END")
    assert end.fields["STATUS"] == signal.SIGINT


SLOW_FLOW = """
import time
from metaflow import FlowSpec, step

class SlowFlow(FlowSpec):
    @step
    def start(self):
        print("in start", flush=True)
        time.sleep(60)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    SlowFlow()
"""


@case
def ctrl_c_ends_a_real_run_with_the_same_words_and_status():
    flow = TMP / "slow.py"
    flow.write_text(SLOW_FLOW)
    said = []
    for prefix in ([], RECORD):
        term = Terminal(*prefix, os.environ["VENV_PYTHON"], str(flow),
                        "--no-pylint", "run")
        term.expect("in start", timeout=60)
        time.sleep(0.3)
        term.type("\x03")
        status = term.wait()
        text = re.sub(r"[0-9]+([-:.][0-9]+)*", "N", term.text)
        said.append((status, sorted(text.splitlines())))
    assert said[0] == said[1], said
    assert any("Aborted" in line for line in said[0][1]), said


@case
def hanging_up_reaches_the_command():
    for prefix in ([], RECORD):
        out = TMP / "hup"
        term = Terminal(*prefix, "sh", "-c",
                        f'trap "echo hup >{out}; exit 1" HUP; echo ready; '
                        "while :; do sleep 0.05; done")
        term.expect("ready")
        os.close(term.fd)
        wait_for(lambda: out.exists() and out.read_text() == "hup\n")
        os.waitpid(term.pid, 0)
        out.unlink()


@case
def a_shell_stops_and_continues_it_as_a_job():
    for prefix in ("", " ".join(RECORD) + " "):
        env = dict(os.environ, PS1="$ ", PS2="", TERM="dumb",
                   PROMPT_COMMAND="")
        term = Terminal("bash", "--norc", "--noprofile", "--noediting", "-i",
                        env=env)
        term.expect(r"\$ ")
        term.type(f"{prefix}{sys.executable} {COUNTER}\n")
        pid = int(term.expect(r"ready (\d+)").group(1))
        term.type("\x1a")
        term.expect("Stopped")
        state = pathlib.Path(f"/proc/{pid}/stat").read_text()
        assert state.rsplit(")", 1)[1].split()[0] == "T", state
        term.type("echo prompt-$((1+1))\n")
        term.expect("prompt-2")
        term.type("bg\n")
        wait_for(lambda p=pid: "T" != pathlib.Path(
            f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()[0])
        term.type("fg\n")
        term.expect(r"fg[\r\n]+[^\r\n]*counter.py[\r\n]")
        time.sleep(0.2)
        term.type("\x1a")
        term.expect("Stopped")
        term.type("fg\n")
        term.expect(r"fg[\r\n]+[^\r\n]*counter.py[\r\n]")
        time.sleep(0.2)
        term.type("\x03")
        said = term.expect(r"got \[([^\]]*)\]")
        assert said.group(1) == "2", said.group()
        term.type("echo status-$?\n")
        term.expect("status-3")
        term.type("exit\n")
        term.wait()


@case
def who_stops_and_continues_the_command_need_not_know_us():
    with subprocess.Popen([*RECORD, *COUNT], stdout=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True) as run:
        pid = int(run.stdout.readline().split()[1])

        def state():
            text = pathlib.Path(f"/proc/{run.pid}/stat").read_text()
            return text.rsplit(")", 1)[1].split()[0]
        for _ in range(3):
            os.kill(pid, signal.SIGSTOP)
            wait_for(lambda: state() == "T")
            os.kill(pid, signal.SIGCONT)
            wait_for(lambda: state() == "S")
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: state() == "T")
        os.kill(pid, signal.SIGKILL)
        assert run.wait(timeout=20) == 137


@case
def a_process_of_the_run_cannot_end_us_nor_the_command():
    got = record("sh", "-c", "kill -TERM $PPID; kill -INT $PPID; sleep 0.3;"
                 "echo survived; exit 4")
    assert (got.returncode, got.stdout) == (4, b"survived\n"), got
    events = journal()
    child = only(events, "PROC_EXEC")[0].fields["PID"]
    for number in (15, 2):
        sent, = only(events, "SIGNAL", SENDER=child, SIGNO=number)
        assert b"inside" in sent.fields["REASON"]


@case
def nor_can_one_that_is_gone_when_we_look():
    code = ("import os, subprocess, time\n"
            "for _ in range(10):\n"
            " subprocess.run(['/bin/kill', '-TERM', str(os.getppid())])\n"
            "time.sleep(0.2); print('survived')\n")
    got = record(sys.executable, "-c", code)
    assert (got.returncode, got.stdout) == (0, b"survived\n"), got


@case
def an_orphan_that_signals_its_parent_cannot_end_us():
    got = record("sh", "-c", "( (sleep 0.2; exec sh -c 'kill -TERM $PPID') & ); "
                 "sleep 0.6; echo survived")
    assert (got.returncode, got.stdout) == (0, b"survived\n"), got


@case
def a_killed_recorder_takes_nothing_with_it():
    out = TMP / "out"
    script = "for i in 1 2 3 4 5; do echo $i; sleep 0.15; done; exit 0"
    for number in (signal.SIGKILL, signal.SIGSEGV):
        with open(out, "wb") as file, subprocess.Popen(
                [*RECORD, "sh", "-c", script], stdout=file,
                stdin=subprocess.DEVNULL) as run:
            wait_for(lambda: out.read_bytes().startswith(b"1\n2\n"))
            run.send_signal(number)
            run.wait()
        wait_for(lambda: out.read_bytes().endswith(b"5\n"))
        assert out.read_bytes() == b"1\n2\n3\n4\n5\n"
        assert not only(journal(), "SESSION_END")
        assert only(journal(), "SESSION")


@case
def the_witness_dies_with_the_recorder():
    with subprocess.Popen([*RECORD, "sleep", "30"],
                          stdin=subprocess.DEVNULL) as run:
        def children():
            return [int(p) for p in pathlib.Path(
                f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()]
        wait_for(lambda: len(children()) == 2)
        pids = children()
        names = {p: pathlib.Path(f"/proc/{p}/comm").read_text().strip()
                 for p in pids}
        witness = next(p for p, n in names.items() if n == "mftrace-witness")
        wait_for(lambda: len(os.listdir(f"/proc/{witness}/fd")) == 2)
        run.kill()
        run.wait()

        def is_gone():
            try:
                text = pathlib.Path(f"/proc/{witness}/stat").read_text()
            except FileNotFoundError:
                return True
            return text.rsplit(")", 1)[1].split()[0] == "Z"
        wait_for(is_gone)
        for pid in pids:
            if pid != witness:
                os.kill(pid, signal.SIGKILL)


@case
def nothing_wakes_up_while_nothing_happens():
    with subprocess.Popen([*RECORD, "sleep", "3"],
                          stdin=subprocess.DEVNULL) as run:
        def switches():
            total = 0
            for status in pathlib.Path("/proc").glob(
                    f"{run.pid}/task/*/status"):
                total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)",
                                       status.read_text(), re.M).group(1))
            return total
        time.sleep(0.7)
        before = switches()
        time.sleep(1.5)
        assert switches() == before, (before, switches())
        assert run.wait() == 0


@case
def a_session_of_an_interactive_shell_gets_its_terminal_back():
    env = dict(os.environ, PS1="@ ", PS2="", TERM="dumb", PROMPT_COMMAND="")
    term = Terminal("bash", "--norc", "--noprofile", "--noediting", "-i",
                    env=env)
    term.expect("@ ")
    term.type(" ".join(RECORD) + " bash --norc --noprofile --noediting -i\n")
    term.expect("@ ")
    term.type("sleep 30\n")
    time.sleep(0.3)
    term.type("\x03")
    term.expect("@ ")
    term.type("echo inner-$((40+2)); exit 5\n")
    term.expect("inner-42")
    term.expect("@ ")
    term.type("echo outer-$?\n")
    term.expect("outer-5")
    term.type("exit\n")
    term.wait()
    assert len(sessions()) > 0


away_from_datastores()
main()

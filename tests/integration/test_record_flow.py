#!/usr/bin/env python3
"""Real Metaflow runs are recorded completely and run as they do without us.

On every Python chosen (tests/support/pythons.py), a run with sidecars, a
foreach, a retry, parallel_map and threads is recorded under strace: processes,
threads, ends and every byte through every sidecar's pipe must stand in the
journal as strace saw them.
"""
import collections
import json
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pythons  # noqa: E402
from mftest import (MFTRACE, TMP, case, journal, main, only,  # noqa: E402
                    sessions)
from straced import CALLS, Trace, string  # noqa: E402

FLOW = str(pathlib.Path(__file__).resolve().parent / "flows/record_flow.py")
SIDECARS = ("--event-logger", "debugLogger", "--monitor", "debugMonitor")


def environment(place):
    """That of a run whose datastore and metadata lie in `place`."""
    place.mkdir(parents=True, exist_ok=True)
    return dict(os.environ, METAFLOW_DATASTORE_SYSROOT_LOCAL=str(place),
                METAFLOW_DEFAULT_DATASTORE="local",
                METAFLOW_DEFAULT_METADATA="local",
                PYTHONDONTWRITEBYTECODE="")


def result(text):
    """What a call returned, as the journal tells it."""
    words = text.split()
    if words[0] != "-1":
        return int(words[0])
    return -{"EAGAIN": 11, "EPIPE": 32, "EINTR": 4}[words[1]]


class Pipes:
    """Bytes through each sidecar's standard input, by strace."""

    def __init__(self, trace):
        self.sent = collections.defaultdict(list)
        self.received = collections.defaultdict(list)
        ends = {}     # (process, reading end) -> writing end
        open_to = {}  # (process, writing end) -> sidecar
        sidecars = {pid for pid, images in trace.execs.items() for image in
                    images if b"sidecar_worker.py" in b" ".join(image.argv)}
        for tid, name, call, text in trace.log:
            pid = trace.tgid(tid)
            if name in ("pipe", "pipe2"):
                fds = re.search(r"\[(\d+), (\d+)\]", call)
                if fds:
                    ends[pid, int(fds.group(1))] = int(fds.group(2))
                continue
            numbers = re.findall(r"\d+", call.split('"')[0])
            first = int(numbers[0]) if numbers else -1
            if name == "dup2" and pid in sidecars and numbers[1:2] == ["0"]:
                parent = trace.tgid(trace.parent[pid])
                open_to[parent, ends[parent, first]] = pid
            elif name == "write" and (pid, first) in open_to:
                self.sent[open_to[pid, first]].append(
                    (string(call), result(text)))
            elif name == "read" and pid in sidecars and first == 0:
                self.received[pid].append((string(call), result(text)))
            elif name == "close":
                open_to.pop((pid, first), None)
        self.sidecars = sidecars


class Recorded:
    """A recorded run under strace."""

    def __init__(self, python, place, *options):
        env = environment(place)
        self.trace = Trace.of(
            MFTRACE, "record", "-q", "--drain=60", "--", python, FLOW,
            *options, "run",
            calls=CALLS + ",read,write,pipe,pipe2,dup2,close",
            sift="read([1-9]", cwd=str(place), env=env)
        assert self.trace.result.returncode == 0, self.trace.result
        self.session = sessions()[-1]
        self.events = journal(self.session)
        self.root = only(self.events, "PROC_EXEC",
                         VIA=b"execvp")[0].fields["PID"]
        self.pids = self.trace.below(self.root)

    def assert_processes(self):
        """Images, forks and ends are those strace saw."""
        for pid in self.pids:
            want = [image.argv for image in self.trace.execs[pid]]
            got = [e.fields["ARGV"] for e in only(self.events, "PROC_START")
                   if e.pid == pid]
            assert got == want, (pid, got, want)
            if not want:
                known = [e for e in self.events if e.pid == pid or
                         e.fields.get("PID") == pid]
                assert known, pid
            ends = [e.fields["STATUS"] for e in self.events
                    if e.type in ("PROC_WAIT", "PROC_REAP") and
                    e.fields["PID"] == pid]
            # a sidecar may outlive the run for longer than one waits
            left = only(self.events, "PROC_LEFT", PID=pid)
            assert ends == [self.trace.status[pid]] or (left and not ends), \
                (pid, ends, [e for e in self.events if e.pid == pid or
                             e.fields.get("PID") == pid])

    def assert_threads(self):
        """Threads by their ids."""
        for pid in self.pids:
            got = sorted(e.tid for e in only(self.events, "THREAD_START")
                         if e.pid == pid)
            assert got == sorted(self.trace.threads[pid]), pid

    def assert_pipes(self):
        """Each write and each read of a sidecar's pipe, to the byte."""
        pipes = Pipes(self.trace)
        assert pipes.sidecars and set(pipes.sent) == pipes.sidecars
        for pid in pipes.sidecars:
            begun = only(self.events, "SIDECAR", PID=pid)
            assert len(begun) == 1, pid
            sent = [(e.fields["DATA"], e.fields["RESULT"]) for e in
                    only(self.events, "PIPE_SEND",
                         INODE=begun[0].fields["INODE"])]
            assert sent == pipes.sent[pid], (pid, sent, pipes.sent[pid])
            got = [(e.fields["DATA"], e.fields["RESULT"]) for e in
                   only(self.events, "PIPE_RECV") if e.pid == pid]
            assert got == pipes.received[pid], (pid, got)
        return (len(pipes.sidecars),
                sum(data.count(b"\n") for writes in pipes.sent.values()
                    for data, _ in writes),
                sum(len(data) for writes in pipes.sent.values()
                    for data, _ in writes))


def check(version, program):
    """A case for one Python."""
    def run():
        python, why = pythons.venv(version, program)
        if not python:
            from mftest import Skip
            raise Skip(f"no Metaflow on Python {version}: {why}")
        got = Recorded(python, TMP / version, *SIDECARS)
        got.assert_processes()
        got.assert_threads()
        sidecars, messages, size = got.assert_pipes()
        print(f"# {version}: {len(got.pids)} processes, "
              f"{sum(map(len, got.trace.threads.values()))} threads, "
              f"{sidecars} sidecars, {messages} messages, {size} bytes")
    run.__name__ = f"a_run_on_python_{version}_is_recorded_completely"
    case(run)


CHOSEN = pythons.chosen()
for every in CHOSEN:
    check(*every)


def run_flow(place, *arguments, recorded, options=()):
    """A run of the newest Python, as subprocess.run gives it."""
    python, _ = pythons.venv(*CHOSEN[-1])
    prefix = [MFTRACE, "record", "-q", "--"] if recorded else []
    return subprocess.run([*prefix, python, FLOW, *options, "run",
                           *arguments], cwd=place, env=environment(place),
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, timeout=120)


def plain_words(text):
    """Output without times, ids and the order of what runs at once."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+", "TIME", text)
    text = re.sub(r"\d{16,}", "RUN", text)
    text = re.sub(r"\(pid \d+\)", "(pid N)", text)
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    return sorted(text.splitlines())


def facts(place):
    """What a run left behind: artifacts by task, tags, metadata."""
    flow = place / ".metaflow" / "RecordFlow"
    run, = [p for p in flow.iterdir() if p.name.isdigit()]
    found = {}

    def clean(value):
        text = json.dumps(value, sort_keys=True)
        text = text.replace(run.name, "RUN").replace(str(place), "PLACE")
        return re.sub(r"\d{13}(?:\.\d+)?|\d{10}\.\d+", "TIME", text)

    for path in sorted(flow.glob("*/**/*.json")):
        where = str(path.relative_to(flow)).replace(run.name, "RUN")
        where = re.sub(r"sysmeta_.*?_?(\d+)\.json", "sysmeta.json", where)
        value = json.loads(path.read_text())
        if path.name.endswith(".data.json"):
            found[where] = value["objects"]
        elif "sysmeta" in path.name:
            found.setdefault(where + ":" + value["field_name"], []).append(
                clean([value["value"], value["type"], value["tags"]]))
        elif path.name == "_self.json":
            found[where] = clean({key: value.get(key) for key in
                                  ("tags", "system_tags", "user_name")})
        else:
            found[where] = None
    return {key: sorted(value) if isinstance(value, list) else value
            for key, value in found.items()}


@case
def output_artifacts_tags_and_metadata_are_those_of_an_unrecorded_run():
    places = [TMP / "plain", TMP / "recorded", TMP / "again"]
    runs = [run_flow(places[0], recorded=False, options=SIDECARS),
            run_flow(places[1], recorded=True, options=SIDECARS),
            run_flow(places[2], recorded=False)]
    assert [run.returncode for run in runs] == [0, 0, 0], runs
    words = [plain_words(run.stdout.replace(str(place), "PLACE"))
             for run, place in zip(runs, places)]
    assert words[1] == words[0], (words[1], words[0])
    errors = [plain_words(run.stderr) for run in runs]
    assert errors[1] == errors[0], errors
    plain, recorded, again = map(facts, places)
    assert set(recorded) == set(plain)
    artifacts = [key for key in plain if key.endswith(".data.json")]
    assert len(artifacts) >= 6, artifacts
    # what differs between two unrecorded runs is nobody's fault
    for key in plain:
        if plain[key] == again[key]:
            assert recorded[key] == plain[key], (key, recorded[key])
        else:
            assert not key.endswith(".data.json"), key
    same = sum(plain[key] == again[key] for key in plain)
    print(f"# {same} of {len(plain)} facts of a run are the same each time")
    assert same > len(plain) * 0.7
    text = json.dumps(recorded)
    assert "mfrecord" not in text and "MFCORE_RECORD" not in text


@case
def a_failing_run_fails_in_the_same_words_and_with_the_same_status():
    runs = [run_flow(TMP / f"fails{recorded}", "--fails", "True",
                     recorded=recorded) for recorded in (False, True)]
    assert runs[0].returncode == runs[1].returncode == 1, runs
    for stream in ("stdout", "stderr"):
        words = [plain_words(getattr(run, stream).replace(
            str(TMP / f"fails{recorded}"), "PLACE"))
            for recorded, run in zip((False, True), runs)]
        assert words[0] == words[1], words


if __name__ == "__main__":
    main()

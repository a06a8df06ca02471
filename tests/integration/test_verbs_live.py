#!/usr/bin/env python3
"""The verbs on a session while it is made: what --follow prints is what stands
there afterwards; and logs hold what was written, byte for byte."""
import json
import os
import re
import subprocess
import sys
import time
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import MFTRACE, TMP, case, main, wait_for  # noqa: E402
from mfflow import (Recorded, ask, environment, need_metaflow,  # noqa: E402
                    nodes)

MADE = {}


class Follower:
    """A verb with --follow, from now until it ends by itself."""

    def __init__(self, verb, run, *words):
        self.process = subprocess.Popen(
            [MFTRACE, verb, "-s", str(run.session), "--follow", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.stdout = self.stderr = b""

    def end(self):
        try:
            self.stdout, self.stderr = self.process.communicate(timeout=30)
        finally:
            self.process.kill()
        assert self.process.returncode == 0, self.stderr
        return self

    def objects(self):
        return [json.loads(line) for line in self.stdout.splitlines()]


def made():
    """A flow that was followed from the middle to its end."""
    if MADE:
        return MADE
    need_metaflow()
    go = TMP / "go"
    run = Recorded("talk", "talk", "--event-logger", "debugLogger", "run",
                   "--go", go)
    wait_for(lambda: run.session is not None, 20)
    wait_for(lambda: b"line 199" in ask(
        "log", "-s", run.session, "start/1", "--raw", text=False,
        errors=None).stdout, 60)
    MADE["up"] = run.data("what-up")[0]
    MADE["live"] = run.data("tree")[0]
    MADE["gc"] = ask("gc", "--keep", "0", env=environment(
        MFCORE_JOURNAL=str(run.parent)))
    MADE["followers"] = {
        "show": Follower("show", run, "--json"),
        "kind": Follower("show", run, "--kind", "output,exit", "--json"),
        "text": Follower("show", run),
        "tree": Follower("tree", run, "--json"),
        "messages": Follower("messages", run, "--json"),
        "log": Follower("log", run, "start/1", "--json"),
        "raw": Follower("log", run, "start/1", "--raw", "--stdout"),
    }
    time.sleep(0.5)  # they have caught up with what there was; not needed
    go.touch()
    run.wait()
    assert run.status == 0, run.stderr
    for follower in MADE["followers"].values():
        follower.end()
    MADE["run"] = run
    return MADE


def key(event):
    return (event["host"], event["pid"], event["tid"], event["start_ticks"],
            event["seq"])


@case
def show_follows_every_event_once():
    run = made()["run"]
    later = [key(e) for e in run.data("show")[0]["events"]]
    followed = [key(e) for e in made()["followers"]["show"].objects()]
    assert len(set(later)) == len(later)
    assert sorted(followed) == sorted(later)
    lines = made()["followers"]["text"].stdout.splitlines()
    assert len(lines) == len(later), (len(lines), len(later))


@case
def show_follows_only_the_kinds_asked_for():
    kinds = {e["kind"] for e in made()["followers"]["kind"].objects()}
    assert kinds == {"output", "exit"}, kinds


@case
def tree_follows_to_the_tree_that_stands_there_afterwards():
    trees = made()["followers"]["tree"].objects()
    assert trees[0]["live"] and trees[0]["tree"]["state"] == "running"
    assert trees[-1]["tree"] == made()["run"].tree()
    assert all(t["schema"] == "mftrace.tree/1" for t in trees)
    assert len(trees) > 1


@case
def messages_follows_each_message_once_with_its_fate():
    later = made()["run"].data("messages")[0]["messages"]
    followed = made()["followers"]["messages"].objects()

    def name(message):
        return message["stream"], message["number"]
    assert len(later) > 4
    assert sorted(map(name, followed)) == sorted(map(name, later))
    odd = [(m, [n for n in later if name(n) == name(m)]) for m in followed
           if m["fate"] != "received"]
    assert not odd, odd
    assert all(m["received"] >= m["sent"] for m in followed)


@case
def log_follows_every_line_once():
    later = made()["run"].data("log", "start/1")[0]["lines"]
    followed = made()["followers"]["log"].objects()

    def side(lines, stream):
        return [line["text"] for line in lines if line["stream"] == stream]
    for stream in "stdout", "stderr":
        assert side(followed, stream) == side(later, stream)
    assert side(later, "stdout")[-1] == "last words"


def kept_by_metaflow(stream):
    """The text of <attempt>.runtime_STREAM.log, without Metaflow's stamps."""
    path, = made()["run"].cwd.glob(
        f".metaflow/TalkFlow/*/start/*/0.runtime_{stream}.log")
    return b"".join(re.sub(rb"^\[MFLOG\|[^]]*\]", b"", line)
                    for line in path.read_bytes().splitlines(True))


@case
def logs_hold_what_was_written_byte_for_byte():
    for stream in "stdout", "stderr":
        raw = ask("log", "start/1", "--raw", f"--{stream}", "-s",
                  made()["run"].session, text=False, errors=None).stdout
        assert raw == kept_by_metaflow(stream), (stream, raw[:300])
    assert made()["followers"]["raw"].stdout == kept_by_metaflow("stdout")


@case
def a_child_with_stdio_of_its_own_has_its_place_in_the_log():
    lines = made()["run"].data("log", "start/1", "--stdout")[0]["lines"]
    texts = [line["text"] for line in lines]
    assert texts[:5] == ["first words", "one line in three pieces",
                         "a child with stdio", "by descriptor",
                         "on stdout"], texts[:6]
    times = [line["time"] for line in lines]
    pids = {line["text"]: line["pid"] for line in lines}
    assert pids["first words"] == pids["last words"] != pids["on stdout"]
    assert times[-1] > times[0]


@case
def a_live_session_tells_what_is_up_and_is_not_deleted():
    up = made()["up"]
    names = {entry["id"] for entry in up["open"]}
    assert up["live"] and names, up
    assert any(entry.get("phase") == "it is in its step"
               for entry in up["open"]), up
    assert made()["live"]["live"] and made()["run"].session.is_dir()
    assert made()["gc"].returncode == 0 and "deleted 0" in made()["gc"].stdout


@case
def the_past_of_a_session_is_what_was_seen_then():
    """--at T against the tree that was printed live at T."""
    live = made()["live"]
    then = made()["run"].data("tree", "--at", live["at"])[0]

    def states(tree):
        return {n["id"]: n["state"] for n in nodes(tree)
                if n["kind"] in ("run", "step", "task", "attempt")}
    assert states(then["tree"]) == states(live["tree"])


@case
def gc_deletes_what_is_over_and_only_with_a_limit():
    run = made()["run"]
    env = environment(MFCORE_JOURNAL=str(run.parent),
                      XDG_STATE_HOME=os.environ["XDG_STATE_HOME"])
    assert ask("gc", env=env).returncode == 2
    dry = ask("gc", "--keep", "0", "--dry-run", env=env)
    assert run.session.name in dry.stdout and run.session.is_dir()
    stranger = run.session / "notes.txt"
    stranger.write_text("mine")
    refused = ask("gc", "--keep", "0", env=env)
    assert refused.returncode == 1 and stranger.exists(), refused
    stranger.unlink()
    session = run.session
    assert ask("gc", "--keep", "0", env=env).returncode == 0
    assert not session.exists()


main()

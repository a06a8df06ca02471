#!/usr/bin/env python3
"""What a person types to name a session, a run, a task, an attempt, a stream,
a process or a time; and what is said when it names nothing, or several."""
import json
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import TMP, case, main  # noqa: E402
from mfflow import (PYTHON, Recorded, ask, data, environment,  # noqa: E402
                    flow, need_metaflow, nodes)

MADE = {}


def made():
    """Two sessions: two runs in the first, one in the second."""
    if not MADE:
        need_metaflow()
        parent = TMP / "journals"
        cwd = TMP / "cwd"
        (cwd / ".metaflow").mkdir(parents=True)
        both = (f"'{PYTHON}' '{flow('cause')}' run --way fail_once --with "
                "retry:times=1,minutes_between_retries=0; "
                f"'{PYTHON}' '{flow('words')}' run --text x")
        env = environment(METAFLOW_DEFAULT_MONITOR="debugMonitor",
                          MFCORE_JOURNAL=str(parent))
        for name, script in ("two", both), ("one", f"'{PYTHON}' "
                                            f"'{flow('cause')}' run"):
            got = subprocess.run(
                [os.environ["MFTRACE"], "record", "-q", "--name", name, "--",
                 "sh", "-c", script], cwd=cwd, env=env, timeout=120,
                capture_output=True, check=False, stdin=subprocess.DEVNULL)
            assert got.returncode == 0, got.stderr
        MADE["parent"] = parent
        MADE["two"], = parent.glob("*two*")
        MADE["one"], = parent.glob("*one*")
        MADE["env"] = dict(os.environ, MFCORE_JOURNAL=str(parent))
    return MADE


def tree_of(*words):
    got = ask("tree", *words, "--json", env=made()["env"])
    assert got.returncode == 0, (words, got.stderr)
    return json.loads(got.stdout)


def refused(status, *words):
    got = ask(*words, env=made()["env"])
    assert got.returncode == status, (words, got.returncode, got.stderr)
    assert not got.stdout and got.stderr.count("\n") == 1, (words, got)
    assert re.match(r"mftrace( [a-z0-9-]+)?: ", got.stderr), got.stderr
    return got.stderr


def in_two():
    """Nodes of the first session."""
    return list(nodes(tree_of("-s", made()["two"], "--all")["tree"]))


def runs():
    """Flow and run id of the two runs."""
    return sorted(n["pathspec"] for n in in_two() if n["kind"] == "run")


@case
def a_session_is_found_by_directory_id_prefix_name_and_as_the_newest():
    two, one = made()["two"], made()["one"]
    for word in (two, two.name, two.name[:-1], "two",
                 os.path.relpath(two), f"{two}/"):
        assert tree_of("-s", word)["session"] == two.name, word
        assert tree_of(word)["session"] == two.name, word
    assert tree_of()["session"] == one.name
    assert tree_of("-s", one)["session"] == one.name


@case
def ambiguous_sessions_are_told_apart_in_the_message():
    told = refused(4, "tree", "-s", made()["two"].name[:6])
    assert made()["two"].name in told and made()["one"].name in told, told


@case
def what_names_no_session_is_refused_in_one_line():
    for word in ("nosuch", TMP / "nothing", "", "../..", "x\ny\x1b[31m"):
        told = refused(4, "tree", "-s", word)
        assert "\x1b" not in told
    refused(2, "tree", "-s", "one", "two")
    refused(4, "show", "nosuch")


@case
def a_run_is_named_by_id_or_flow_and_id():
    for spec in runs():
        for word in spec, spec.split("/")[1]:
            got, _ = data("what-ran", word, "-s", "two", env=made()["env"])
            assert got["commands"]
            assert {c["of"].rsplit("@")[0].split("/")[1] for c in
                    got["commands"] if "of" in c} == {spec.split("/")[1]}
    every, _ = data("what-ran", "-s", "two", env=made()["env"])
    assert len({c["of"].split("/")[1] for c in every["commands"]
                if "of" in c}) == 2
    for word in ("Cause", "CauseFlow/", "CauseFlow/1", runs()[0] + "/start"):
        told = refused(4, "what-failed", "-s", "two", word)
        assert word in told, told


@case
def a_session_may_stand_where_a_run_does():
    for verb in "what-failed", "what-ran", "s3":
        for word in made()["two"], made()["two"].name:
            got, _ = data(verb, word, env=made()["env"])
            assert got["session"] == made()["two"].name, (verb, word)
        # but the beginning of an id may as well be a run
        refused(4, verb, made()["two"].name[:8])


@case
def a_task_is_named_by_its_tail():
    cause = runs()[0]
    for word in (f"{cause}/start/1", f"{cause.split('/')[1]}/start/1"):
        got, _ = data("log", word, "-s", "two", env=made()["env"])
        assert got["of"] == f"{cause}/start/1@1", got["of"]
    told = refused(4, "log", "-s", "two", "start/1")
    assert "ambiguous" in told and cause in told, told
    # in a session with one run, the tail is enough; a bare number too
    for word in "start/1", "1":
        got, _ = data("log", word, "-s", "one", env=made()["env"])
        assert got["of"].endswith("/start/1@0"), got["of"]
    # a step stands for its task where it has but one
    got, _ = data("log", "start", "-s", "one", env=made()["env"])
    assert got["of"].endswith("/start/1@0")
    assert "ambiguous" in refused(4, "log", "-s", "two", "each")
    for word in ("start/9", "nope/1", "/", "", "start/1/2", "@0"):
        refused(4, "log", "-s", "one", word)


@case
def an_attempt_is_named_behind_an_at():
    start = f"{runs()[0]}/start/1"
    for word, number in ((start, 1), (start + "@0", 0), (start + "@1", 1)):
        got, _ = data("log", word, "-s", "two", "--stderr", env=made()["env"])
        assert got["of"] == f"{start}@{number}", got["of"]
        said = "\n".join(line["text"] for line in got["lines"])
        assert ("never works" in said) == (number == 0), said
    for word in start + "@7", start + "@", start + "@x", start + "@-1":
        refused(4, "log", "-s", "two", word)


@case
def a_stream_is_named_by_id_owner_or_type():
    every, _ = data("messages", "-s", "two", env=made()["env"])
    streams = every["streams"]
    assert len(streams) >= 8, streams
    for stream in streams[:3]:
        got, _ = data("messages", stream["stream"], "-s", "two",
                      env=made()["env"])
        assert [s["stream"] for s in got["streams"]] == [stream["stream"]]
    cause = runs()[0]
    got, _ = data("messages", f"{cause}/start/1@0:debugMonitor", "-s", "two",
                  env=made()["env"])
    first, = got["streams"]
    got, _ = data("messages", f"{cause}/start/1@1:debugMonitor", "-s", "two",
                  env=made()["env"])
    second, = got["streams"]
    assert first["stream"] != second["stream"]
    got, _ = data("messages", f"{cause}/end/2:debugMonitor", "-s", "two",
                  env=made()["env"])
    assert len(got["streams"]) == 1
    told = refused(4, "messages", "-s", "two", "debugMonitor")
    assert "ambiguous" in told
    for word in "s999", "start/1:heartbeat", ":", "x:debugMonitor":
        refused(4, "messages", "-s", "two", word)


@case
def a_process_is_named_by_pid_or_id():
    one, = [n for n in in_two() if n["kind"] == "process" and
            "end" in n["argv"] and any("cause.py" in a for a in n["argv"])]
    for word in str(one["pid"]), one["id"]:
        got, _ = data("show", "--proc", word, "-s", "two", env=made()["env"])
        mine = [e for e in got["events"] if e["pid"] == one["pid"]]
        assert len(mine) > 3 and any(e["kind"] == "exit" for e in mine)
        assert {e["pid"] for e in got["events"] if
                e["kind"] in ("start", "output")} == {one["pid"]}
    refused(4, "show", "-s", "two", "--proc", "999999")
    refused(4, "show", "-s", "two", "--proc", "python")


@case
def times_are_counted_from_both_ends_or_told_as_they_are():
    whole = tree_of("-s", "two")
    start, end = whole["tree"]["start"], whole["tree"]["end"]

    def at(word):
        return tree_of("-s", "two", "--at", word)["tree"]
    assert at("+0s")["state"] == "running"
    early, late = at("+0.3s"), at("-0.001s")
    assert len(list(nodes(early))) < len(list(nodes(late)))
    assert len(list(nodes(at(end)))) == len(list(nodes(whole["tree"])))
    clock = re.search(r"T(\d\d:\d\d:\d\d)", end)[1]
    assert len(list(nodes(at(clock)))) > len(list(nodes(at("+0.1s"))))
    assert start < end
    attempt = [n for n in in_two() if n["kind"] == "attempt" and
               n["attempt"] == 0 and n["state"] == "failed"][0]
    then = [n for n in nodes(tree_of("-s", "two", "--all", "--at",
                                     attempt["start"])["tree"])
            if n.get("pathspec") == attempt["pathspec"] and
            n["kind"] == "attempt"]
    assert [n["state"] for n in then] in (["running"], ["queued"], []), then
    for word in ("yesterday", "+", "-", "25:00:00", "12", "+1x", "", "1s"):
        refused(2, "tree", "-s", "two", "--at", word)
    refused(2, "show", "-s", "two", "--from", "soon")


@case
def events_between_two_times_are_those():
    every, _ = data("show", "-s", "two", env=made()["env"])
    some, _ = data("show", "-s", "two", "--from", "+0.5s", "--to", "-0.5s",
                   env=made()["env"])
    times = [e["time"] for e in some["events"]]
    assert times == sorted(times) and 0 < len(times) < len(every["events"])
    begin = every["events"].index(some["events"][0])
    assert every["events"][begin:begin + len(times)] == some["events"]


@case
def a_task_of_one_of_two_runs_is_shown_alone():
    start = f"{runs()[0]}/start/1"
    got, _ = data("show", "--task", start, "-s", "two", "--kind",
                  "start,exit", env=made()["env"])
    assert got["events"] and {e["kind"] for e in got["events"]} <= \
        {"start", "exit"}
    pids = {n["pid"] for n in in_two() if n["kind"] == "attempt" and
            n["pathspec"] == start}
    assert pids & {e["pid"] for e in got["events"]}
    refused(2, "show", "-s", "two", "--kind", "nonsense")


if __name__ == "__main__":
    main()

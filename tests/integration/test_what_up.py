#!/usr/bin/env python3
"""The scheduler is killed in the middle, the recorder is killed, or nothing is:
what still runs is named, and it goes on as it would without us."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import MFTRACE, TMP, case, main, wait_for  # noqa: E402
from mfflow import (PYTHON, Recorded, ask, environment, flow,  # noqa: E402
                    need_metaflow, nodes)

QUIET = ("1", "3")  # of four; the others talk, and so meet the broken pipe


def words(place, quiet=QUIET):
    (TMP / place).mkdir()
    return ["run", "--width", "4", "--quiet", ",".join(quiet), "--place",
            str(TMP / place)]


def all_run(place):
    for number in range(4):
        wait_for((TMP / place / f"at-{number}").exists, 60)


def pids(place):
    return [int((TMP / place / f"at-{n}").read_text()) for n in range(4)]


def is_alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in "ZX"


def alive(place):
    return [is_alive(pid) for pid in pids(place)]


def done(place):
    return sorted(p.name for p in (TMP / place).glob("done-*"))


def unrecorded():
    """What becomes of the tasks without us."""
    arguments = words("bare")
    cwd = TMP / "runs" / "bare"
    (cwd / ".metaflow").mkdir(parents=True)
    scheduler = subprocess.Popen(
        [PYTHON, str(flow("fan")), *arguments], cwd=cwd, env=environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    all_run("bare")
    scheduler.kill()
    scheduler.wait()
    wait_for(lambda: sum(alive("bare")) == len(QUIET), 20)
    (TMP / "bare" / "go").touch()
    wait_for(lambda: not any(alive("bare")), 60)


RUN = {}


def start(name, *options, quiet=QUIET):
    run = RUN[name] = Recorded(name, "fan", *words(name, quiet),
                               options=options)
    all_run(name)
    return run


def kill_scheduler(run):
    os.kill(run.find("run"), signal.SIGKILL)


def open_now(run):
    document, status = run.data("what-up")
    assert status == 0
    return document


def of_tasks(document):
    """The entries of tasks, by the end of their task's name."""
    return {entry["of"].split("/", 2)[2]: entry for entry in document["open"]
            if entry["kind"] == "process"}


def task_of(run, number):
    """The name of the task that has this index, as run/step/task@attempt."""
    tree = run.tree("--all")
    pid = pids(run.name)[number]
    attempt, = [n for n in nodes(tree) if n["kind"] == "attempt" and
                n.get("pid") == pid]
    return f"work/{attempt['pathspec'].split('/')[-1]}@0"


@case
def tasks_of_a_killed_scheduler_are_named_while_they_run():
    need_metaflow()
    run = start("killed", "--drain", "60")
    before = open_now(run)
    assert before["live"] is True
    assert sorted(of_tasks(before)) == sorted(task_of(run, n)
                                              for n in range(4)), before
    scheduler, = [e for e in before["open"] if e["kind"] == "run"]
    assert scheduler["waits_on"] == "waits for 4 tasks", scheduler
    kill_scheduler(run)
    wait_for(lambda: sum(alive("killed")) == len(QUIET), 20)
    wait_for(lambda: len(of_tasks(open_now(run))) == len(QUIET), 20)
    after = open_now(run)
    assert after["live"] is True
    assert not [e for e in after["open"] if e["kind"] == "run"]
    tasks = of_tasks(after)
    assert sorted(tasks) == sorted(task_of(run, int(n)) for n in QUIET), tasks
    for entry in tasks.values():
        assert entry["state"] == "running" and entry["now"] == "running"
        assert entry["pid"] in pids("killed") and is_alive(entry["pid"])
        assert entry["note"] == "runs on without its scheduler", entry
        assert entry["phase"] == "it is in its step", entry
        assert entry["waits_on"] and entry["last"] >= entry["start"]
    human = run.ask("what-up").stdout
    for name, entry in tasks.items():
        line = re.search(rf"^\S+/{re.escape(name)} \(pid {entry['pid']}\)  "
                         r"running  for .*\n(    .*\n)+", human, re.M)
        assert line and "without its scheduler" in line[0], human


@case
def they_go_on_as_they_would_without_us():
    run = RUN["killed"]
    (TMP / "killed" / "go").touch()
    run.wait()
    assert run.status == 128 + signal.SIGKILL, run.status
    assert not any(alive("killed"))
    unrecorded()
    assert done("killed") == done("bare") == [f"done-{n}" for n in QUIET]


@case
def when_all_have_ended_nothing_is_open_and_the_tree_tells_how():
    run = RUN["killed"]
    assert open_now(run)["open"] == []
    assert run.ask("what-up").stdout.startswith("nothing was open when ")
    states = {n["pathspec"].split("/", 2)[2]: n["state"]
              for n in nodes(run.tree()) if n["kind"] == "task" and
              "/work/" in n["pathspec"]}
    for number in range(4):
        name = task_of(run, number)[:-2]
        assert states[name] == ("ok" if str(number) in QUIET else "failed")


@case
def tasks_that_outlive_the_recorder_are_named_and_looked_up():
    run = start("left", "--drain", "1")
    kill_scheduler(run)
    run.wait()
    assert run.status == 128 + signal.SIGKILL
    assert sum(alive("left")) >= len(QUIET)
    wait_for(lambda: sum(alive("left")) == len(QUIET), 20)
    left = open_now(run)
    assert left["live"] is False
    tasks = of_tasks(left)
    for number in QUIET:
        entry = tasks[task_of(run, int(number))]
        assert entry["now"] == "running", entry
        assert "ran when the recording ended" in entry["note"] or \
            "without its scheduler" in entry["note"], entry
    assert "still running now" in run.ask("what-up").stdout
    (TMP / "left" / "go").touch()
    wait_for(lambda: not any(alive("left")), 60)
    assert done("left") == [f"done-{n}" for n in QUIET]
    for entry in of_tasks(open_now(run)).values():
        assert entry["now"] == "gone", entry


@case
def a_killed_recorder_takes_nothing_with_it_and_the_journal_says_so():
    run = start("orphaned", quiet=("0", "1", "2", "3"))
    scheduler = run.find("run")
    run.process.kill()
    run.process.wait()
    live = open_now(run)
    assert live["live"] is False, live
    assert len(of_tasks(live)) == 4
    assert all(e["now"] == "running" for e in live["open"]), live
    (TMP / "orphaned" / "go").touch()
    wait_for(lambda: not is_alive(scheduler), 60)
    output = run.process.stdout.read()
    assert re.search(r"total 6\n", output) and re.search(r"Done!", output)
    tree = run.tree()
    assert tree["state"] == "lost", tree["state"]
    assert "recorder did not finish" in tree["note"]
    flow_run, = [n for n in nodes(tree) if n["kind"] == "run"]
    assert flow_run["state"] == "ok", flow_run
    assert {n["state"] for n in nodes(flow_run) if n["kind"] == "task"} == \
        {"ok"}
    assert open_now(run)["open"] == []
    listed = ask("ls", "--json", env=dict(
        os.environ, MFCORE_JOURNAL=str(run.parent)))
    assert [s["state"] for s in json.loads(listed.stdout)["sessions"]
            if s["id"] == run.session.name] in (["lost"], []), listed.stdout
    assert run.ask("what-failed").returncode == 0


@case
def the_tree_is_followed_to_the_end():
    run = start("live", quiet=("0", "1", "2", "3"))
    follow = subprocess.Popen(
        [MFTRACE, "tree", "-s", str(run.session), "--follow", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    human = subprocess.Popen(
        [MFTRACE, "tree", "-s", str(run.session), "--follow"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = json.loads(follow.stdout.readline())
    assert first["live"] is True and first["schema"] == "mftrace.tree/1"
    running = [n for n in nodes(first["tree"]) if n["kind"] == "task" and
               n["state"] == "running"]
    assert len(running) == 4, first
    (TMP / "live" / "go").touch()
    run.wait()
    assert run.status == 0, run.stderr
    begin = time.monotonic()
    rest, errors = follow.communicate(timeout=20)
    assert time.monotonic() - begin < 10
    last = [json.loads(line) for line in rest.splitlines()][-1]
    assert follow.returncode == 0 and not errors, errors
    assert last["live"] is False and last["tree"]["state"] == "ok", last
    assert last["tree"] == run.tree(), "the last one is the whole"
    text, errors = human.communicate(timeout=20)
    assert human.returncode == 0 and not errors, errors
    assert text.endswith(run.ask("tree").stdout), text[-2000:]


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What Python knows of threads, tasks, children and forks is recorded on every
Python there is, and nobody inside can tell.

A program prints facts about itself (python_facts.py); another prints whatever
might betray us (python_visible.py).
"""
import glob
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from mftest import Skip, case, journal, main, only, record  # noqa: E402

FACTS = str(HERE / "python_facts.py")
VISIBLE = str(HERE / "python_visible.py")
VERSIONS = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]
ENV = dict(os.environ, PYTHONHASHSEED="0")


def pythons():
    """Every interpreter to try: its label, and its path or None."""
    home = pwd.getpwuid(os.getuid()).pw_dir  # $HOME is the test's own
    root = os.environ.get("PYENV_ROOT", home + "/.pyenv")
    found = []
    for version in VERSIONS:
        paths = glob.glob(f"{root}/versions/{version}.*/bin/python{version}")
        paths += filter(os.path.isfile, [f"/usr/bin/python{version}",
                                         f"/usr/local/bin/python{version}"])
        found += [(f"{version} in {path[:path.index('/bin/')]}", path)
                  for path in sorted(paths)] or [(version, None)]
    return found


def on_every_python(function):
    """A case for each interpreter; those not installed are skipped."""
    for label, path in pythons():
        def run(path=path, label=label):
            if not path:
                raise Skip(f"there is no Python {label}")
            function(path)
        run.__name__ = f"{function.__name__}, {label}"
        case(run)
    return function


def recorded(*command, options=("-q",), **how):
    """Record a command that ends well, return its output and the journal."""
    done = record(*command, options=options, env=ENV, **how)
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    return done.stdout, journal()


def text(event, name):
    value = event.fields.get(name)
    return value.decode() if value is not None else None


def assert_equal(got, want):
    got, want = sorted(got, key=str), sorted(want, key=str)
    assert got == want, "\n".join(
        [f"recorded, not true: {x}" for x in got if x not in want] +
        [f"true, not recorded: {x}" for x in want if x not in got] +
        [f"{len(got)} recorded, {len(want)} true"])


def tasks_of(events):
    """[name, function, parent's name, outcome, text] of each asyncio task."""
    ends = {e.fields["ID"]: e for e in only(events, "ASYNC_END")}
    starts = only(events, "ASYNC_START")
    names = {e.fields["ID"]: text(e, "NAME") for e in starts}
    assert len(names) == len(starts) == len(ends)
    for start in starts:
        end = ends[start.fields["ID"]]
        assert start.time <= end.time
        yield [text(start, "NAME"), text(start, "FUNCTION"),
               names.get(start.fields.get("PARENT_ID")),
               text(end, "OUTCOME"), text(end, "TEXT")]


@on_every_python
def facts_are_recorded_as_they_are(python):
    out, events = recorded(python, FACTS)
    facts = json.loads(out)
    mine = [event for event in events if event.pid == facts["pid"]]
    names = only(mine, "THREAD_NAME")
    assert all(event.tid == event.fields["TID"] for event in names)
    assert_equal([[e.tid, text(e, "NAME"), text(e, "FUNCTION")]
                  for e in names], facts["threads"])
    assert_equal({e.tid for e in only(mine, "THREAD_START")},
                 {tid for tid, _, _ in facts["threads"]})
    assert_equal([task for task in tasks_of(mine)
                  if task[1].startswith("__main__.")], facts["tasks"])
    assert facts["asked"] == 0, "str() of an exception ran code of the program"
    assert_equal([[e.pid, text(e, "NAME"), text(e, "FUNCTION")]
                  for e in only(events, "MP_CHILD")], facts["children"])
    # subprocess may fork as well, without saying why
    forks = only(events, "PROC_FORK", PPID=facts["pid"])
    assert_equal([[e.pid, text(e, "FUNCTION")] for e in forks
                  if (text(e, "FUNCTION") or "").startswith("__main__")],
                 facts["forks"])
    assert [e for e in forks if (text(e, "FUNCTION") or "").startswith(
        "multiprocessing.popen_fork.")]


@on_every_python
def each_interpreter_says_its_version_once(python):
    out, events = recorded(python, "-c", "import sys, os; print(sys.version); "
                           "os.fork() or os._exit(0); os.wait()")
    said = only(events, "PYTHON")
    assert [text(e, "VERSION") for e in said] == [out.decode().strip()], said


def normal(output):
    """Without what differs from run to run anyhow."""
    output = re.sub(rb"0x[0-9a-f]+", b"ADDRESS", output)
    return re.sub(rb"(pid=|ForkProcess-|SpawnProcess-)[0-9]+", rb"\1N", output)


def assert_invisible(python, *options):
    command = [python, *options, VISIBLE]
    want = subprocess.run(command, env=ENV, capture_output=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False)
    got = record(*command, env=ENV)
    assert got.returncode == want.returncode == 1
    assert want.stderr.endswith(b"KeyError: 'nobody asks'\n")
    for name in ("stdout", "stderr"):
        lines = zip(*(normal(getattr(x, name)).splitlines()
                      for x in (got, want)))
        for one, other in lines:
            assert one == other, (name, one[:1000], other[:1000])
        assert normal(getattr(got, name)) == normal(getattr(want, name))
    assert only(journal(), "ASYNC_END"), "nothing was hooked"


@on_every_python
def nothing_shows_inside(python):
    assert_invisible(python)


@on_every_python
def nothing_shows_in_development_mode(python):
    assert_invisible(python, "-X", "dev")


THREAD = "import threading as t; x = t.Thread(target=print, name='lone'); " \
         "x.start(); x.join()"


@on_every_python
def isolated_and_debugged_interpreters_work(python):
    for options, env in ((["-I", "-S", "-E"], {}), ([], {
            "PYTHONMALLOC": "debug"}), ([], {"PYTHONMALLOC": "malloc"}),
            ([], {"PYTHONTRACEMALLOC": "5"}), ([], {"PYTHONDEVMODE": "1"})):
        done = record(python, *options, "-c", THREAD, env=dict(ENV, **env))
        assert (done.returncode, done.stdout, done.stderr) == (0, b"\n", b""), \
            (options, env, done)
        names = only(journal(), "THREAD_NAME")
        assert [text(e, "NAME") for e in names] == ["lone"], (options, env)
        assert text(names[0], "FUNCTION") == "builtins.print"


@on_every_python
def modules_imported_behind_our_back_are_found(python):
    code = THREAD.replace("import threading as t",
                          "import importlib as i; "
                          "t = i.import_module('threading')")
    _, events = recorded(python, "-S", "-c", code)
    assert [text(e, "NAME") for e in only(events, "THREAD_NAME")] == ["lone"]


@on_every_python
def many_tasks_in_many_threads_are_counted(python):
    code = """
import asyncio, threading
async def job(i):
    await asyncio.sleep(0)
    return 1 // (i % 10)
async def many():
    await asyncio.gather(*map(job, range(1000)), return_exceptions=True)
threads = [threading.Thread(target=lambda: asyncio.run(many()))
           for _ in range(5)]
[t.start() for t in threads]
[t.join() for t in threads]
"""
    _, events = recorded(python, "-c", code)
    tasks = [task for task in tasks_of(events) if task[1] == "__main__.job"]
    assert len(tasks) == 5000
    assert len([t for t in tasks if t[3] == "error" and t[4].startswith(
        "ZeroDivisionError: integer division or")]) == 500
    assert len({t[2] for t in tasks}) == 5  # one parent for each thread
    assert not only(events, "NOTE")


@on_every_python
def interpreters_inside_are_left_alone(python):
    code = """
try:
    import _interpreters as i
except ImportError:
    import _xxsubinterpreters as i
import asyncio, sys, threading
# with a GIL of their own they cannot run this, or crash by themselves (3.12)
own = i.create(**({"isolated": False}
                  if (3, 9) <= sys.version_info < (3, 13) else {}))
i.run_string(own, '''
import threading, asyncio
x = threading.Thread(target=print, args=("inside",))
x.start(); x.join()
async def job(): print("task inside")
asyncio.run(job())
''')
i.destroy(own)
x = threading.Thread(target=print, args=("outside",), name="outside")
x.start(); x.join()
"""
    out, events = recorded(python, "-W", "ignore", "-c", code)
    assert out == b"inside\ntask inside\noutside\n", out
    names = [text(e, "NAME") for e in only(events, "THREAD_NAME")]
    assert names == ["outside"], names


@on_every_python
def an_interrupt_ends_it_as_without_us(python):
    code = """
import asyncio, os, signal
async def job():
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(10)
asyncio.run(job())
"""
    want = subprocess.run([python, "-c", code], capture_output=True,
                          timeout=60, check=False)
    got = record(python, "-c", code)
    assert want.returncode == -2 and got.returncode == 130, got
    assert (got.stdout, got.stderr) == (want.stdout, want.stderr)


@on_every_python
def no_python_leaves_it_alone(python):
    out, events = recorded(python, FACTS, options=("-q", "--no-python"))
    kinds = {event.type for event in events}
    assert "THREAD_START" in kinds and json.loads(out)["threads"]
    assert not kinds & {"PYTHON", "THREAD_NAME", "ASYNC_START", "ASYNC_END",
                        "MP_CHILD"}, kinds
    assert not [e for e in events if text(e, "FUNCTION")]


@on_every_python
def tasks_and_children_are_seen_where_there_is_no_thread(python):
    code = """
import asyncio, multiprocessing
async def one(): pass
async def main(): await asyncio.gather(asyncio.create_task(one()))
def child(): pass
if __name__ == "__main__":
    asyncio.run(main())
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
"""
    _, events = recorded(python, "-c", code)
    assert not only(events, "THREAD_NAME")
    assert [text(e, "FUNCTION") for e in only(events, "ASYNC_START")
            if text(e, "FUNCTION").startswith("__main__.")] == [
                "__main__.main", "__main__.one"]
    assert [text(e, "OUTCOME") for e in only(events, "ASYNC_END")
            ].count("ok") >= 2
    assert [text(e, "FUNCTION") for e in only(events, "MP_CHILD")] == [
        "__main__.child"]


@case
def parallel_map_says_what_its_children_run():
    python = os.environ.get("VENV_PYTHON", "")
    if not shutil.which(python):
        raise Skip("there is no Python with Metaflow")
    code = """
from metaflow import parallel_map
def square(x): return x * x
print(parallel_map(square, range(4), max_parallel=2))
"""
    out, events = recorded(python, "-c", code)
    assert out == b"[0, 1, 4, 9]\n", out
    said = {(text(e, "FUNCTION"), text(e, "TEXT"))
            for e in only(events, "PROC_FORK")}
    assert said == {("metaflow.multicore_utils.parallel_map",
                     "__main__.square")}, said
    assert len(only(events, "PROC_FORK")) == 4


if __name__ == "__main__":
    main()

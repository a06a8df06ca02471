#!/usr/bin/env python3
"""Lines of `what-ran`, pasted into a shell: do they run what ran?

The flow is run again task by task in a copy of its datastore; what is not of
the flow, programs with arguments and environments of every kind, is compared
to the byte.
"""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import TMP, case, main, record, sessions  # noqa: E402
from mfflow import (Recorded, ask, data, environment,  # noqa: E402
                    need_metaflow)

WORDS = ("it's \"quoted\" $HOME `id` $(id) \\ back\n"
         "second line\ttab é 日本 ! * ? [a] {b,c} ~ # ; & | < > \u200b")
RUN = {}


def run():
    if not RUN:
        need_metaflow()
        RUN["run"] = Recorded(
            "words", "words", "run", "--text", WORDS,
            env=environment(WORDS_MARK="it's $5\nreally")).wait()
        assert RUN["run"].status == 0, RUN["run"].stderr
    return RUN["run"]


def artifacts(root):
    """Names and keys of the artifacts of each task, newest attempt."""
    found = {}
    for path in sorted(root.glob("*/*/*/*/*.data.json")):
        info = json.loads(path.read_text())
        found[str(path.parent.relative_to(root))] = {
            name: key for name, key in info["objects"].items()}
    return found


@case
def a_step_pasted_in_a_copy_of_the_datastore_writes_the_same():
    got = run()
    root = got.cwd / ".metaflow"
    copy = TMP / "copy"
    shutil.copytree(root, copy, symlinks=True)
    before = artifacts(copy)
    lines = [c for c in got.data("what-ran")[0]["commands"]
             if c["kind"] == "process"]
    assert [c["of"].split("/")[2] for c in lines] == \
        ["start", "each", "each", "join", "end"], lines
    for command in lines:
        task = copy.joinpath(*command["of"].rsplit("@", 1)[0].split("/"))
        mine = [p for p in task.iterdir() if p.name.startswith("0.")]
        assert len(mine) > 3, (task, mine)
        for path in mine:
            path.unlink()
        line = command["line"].replace(str(root), str(copy))
        # the environment the recording itself was started in
        again = subprocess.run(
            ["bash", "-c", line], check=False, capture_output=True, text=True,
            env=environment(WORDS_MARK="it's $5\nreally"), timeout=60,
            cwd="/")
        assert again.returncode == 0, (line, again.stdout, again.stderr)
        assert (task / "0.DONE.lock").exists(), line
    assert artifacts(copy) == before
    # and nothing of the original was touched
    assert artifacts(root) == before


@case
def the_flow_itself_runs_again_with_its_parameters():
    got = run()
    whole, = [c for c in got.data("what-ran")[0]["commands"]
              if c["kind"] == "run"]
    place = TMP / "second"
    (place / ".metaflow").mkdir(parents=True)
    line = whole["line"].replace(str(got.cwd), str(place))
    again = subprocess.run(
        ["bash", "-c", line], check=False, capture_output=True, text=True,
        env=environment(WORDS_MARK="it's $5\nreally"), timeout=90)
    assert again.returncode == 0, again.stderr
    old, new = (artifacts(d / ".metaflow") for d in (got.cwd, place))
    def seen(found):
        return [a["seen"] for a in found.values() if "seen" in a]
    assert len(seen(old)) == len(seen(new)) and set(seen(old)) == set(seen(new))
    def marks(found):
        return {a["mark"] for name, a in found.items() if "/start/" in name}
    assert marks(old) == marks(new)


@case
def the_lines_for_people_are_those_of_the_data():
    got = run()
    document, _ = got.data("what-ran")
    text = got.ask("what-ran").stdout
    assert text == "".join(c["line"] + "\n" for c in document["commands"])
    # one line each, whatever is in it, so that one can be picked
    assert all("\n" not in c["line"] for c in document["commands"])


@case
def environment_differences_are_those_of_the_task():
    step = [c for c in run().data("what-ran")[0]["commands"]
            if c["kind"] == "process"][0]
    words = shlex.split(step["line"])
    env = words[words.index("env") + 1:]
    names = {w.split("=")[0] for w in env[:[i for i, w in enumerate(env)
                                            if "=" not in w][0]]}
    assert "METAFLOW_RUN_ID" in names, names
    # what the session had is not repeated, and nothing of the recorder's
    assert not names & {"PATH", "HOME", "WORDS_MARK", "LD_PRELOAD"}, names
    assert not any(n.startswith(("MF_RECORD", "MFCORE")) for n in names), names


SPY = """
import json, os, sys
json.dump([sys.argv[1:], {k: v for k, v in os.environ.items()}, os.getcwd()],
          open(sys.argv[1], "w"))
"""


def spied(name, words, env, cwd, before=()):
    """Record a child with these, paste its line, return both reports."""
    script, out = TMP / "spy.py", TMP / f"{name}.json"
    script.write_text(SPY)
    starter = ("import json, subprocess, sys\n"
               "argv, env, cwd = json.load(open(sys.argv[1]))\n"
               "subprocess.run(argv, env=env, cwd=cwd, check=True)\n")
    order = TMP / f"{name}-order.json"
    argv = [*before, sys.executable, str(script), str(out), *words]
    order.write_text(json.dumps([argv, env, cwd]))
    got = record(sys.executable, "-c", starter, str(order))
    assert got.returncode == 0, got.stderr
    first = json.loads(out.read_text())
    out.unlink()
    commands = data("what-ran", "-s", sessions()[-1])[0]["commands"]
    command, = [c for c in commands if str(script) in c["line"] and
                "-c" not in shlex_words(c["line"])]
    again = subprocess.run(["bash", "-c", command["line"]], check=False,
                           capture_output=True, cwd="/", timeout=30)
    assert again.returncode == 0, (command["line"], again.stderr)
    return first, json.loads(out.read_text()), command


def shlex_words(line):
    try:
        return shlex.split(line)
    except ValueError:
        return []


def strip(env):
    """Without what bash adds, and what makes the first one recorded."""
    return {k: v for k, v in env.items()
            if k not in ("_", "SHLVL", "PWD", "OLDPWD", "LD_PRELOAD") and
            not k.startswith(("MFCORE", "MF_RECORD"))}


@case
def arguments_of_every_kind_come_back():
    words = ["", " ", WORDS, "-n", "--", "'", '"', "\\", "a'b\"c", "$'x'",
             "\x01\x1b[31m\x7f", "=", "A=b", "~root", "{a,b}", "!!", "%s%n",
             "x" * 5000, "\u202e\ufeff", "caf\udce9", "* ? []", "\r\n"]
    first, second, command = spied("words", words, dict(os.environ), "/")
    assert first[0] == second[0]
    assert "\n" not in command["line"] and "\x1b" not in command["line"]


@case
def environment_and_directory_of_every_kind_come_back():
    place = TMP / "a dir with 'quotes' and $x\nand a line"
    place.mkdir()
    env = dict(os.environ, ADDED="it's $new\nline", EMPTY="", LC_ALL="C")
    env["odd-name.with dots"] = "kept"
    del env["TZ"]
    first, second, command = spied("env", ["x"], env, str(place))
    assert first[2] == second[2] == str(place)
    assert strip(first[1]) == strip(second[1]), command["line"]
    assert "TZ" not in second[1] and second[1]["EMPTY"] == ""


@case
def an_environment_made_empty_is_made_empty_again():
    first, second, _ = spied("bare", ["x"], {"ONLY": "this"}, "/")
    assert strip(second[1]) == strip(first[1]), (first[1], second[1])


@case
def a_secret_is_left_out_and_named():
    key = "sk-" + "Ab1" * 12
    got = record("env", f"MY_API_KEY={key}", "PLAIN=kept", "true",
                 "--password", "hunter2hunter2")
    assert got.returncode == 0
    out = ask("what-ran", "-s", sessions()[-1]).stdout
    assert "hunter2" not in out and "Ab1Ab1" not in out, out
    assert "PLAIN=kept" in out
    comment = [line for line in out.splitlines() if line.startswith("#")]
    assert any("MY_API_KEY" in line for line in comment), out
    # still something to paste: comments and commands only
    subprocess.run(["bash", "-n"], input=out, text=True, check=True)


@case
def a_program_that_replaced_itself_is_told_as_what_it_became():
    record("sh", "-c", "exec env A=1 sh -c 'exit 0'")
    commands = data("what-ran", "-s", sessions()[-1])[0]["commands"]
    assert len(commands) == 1 and commands[0]["line"].endswith(
        "sh -c 'exit 0'"), commands
    every = data("what-ran", "-s", sessions()[-1], "--all")[0]["commands"]
    assert len(every) == 3, every


if __name__ == "__main__":
    main()

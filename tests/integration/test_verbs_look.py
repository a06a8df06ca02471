#!/usr/bin/env python3
"""The verbs as a person meets them: 80 columns, no colour, a wide foreach, and
tasks that write what no terminal should be given."""
import fcntl
import json
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import termios

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import MFTRACE, TMP, case, main, record, sessions  # noqa: E402
from mfflow import Recorded, ask, need_metaflow, nodes  # noqa: E402

# Control characters but \n and \t, C1, and what turns writing around.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
VERBS = (("tree",), ("tree", "--all"), ("show",), ("log", "start/1"),
         ("log", "end/2"), ("what-ran", "--all"), ("what-failed",),
         ("what-failed", "--all"), ("what-up",), ("messages",), ("s3",),
         ("verify",))
MADE = {}

# An engine in sh that looks like Metaflow's: many tasks cost little.
ENGINE = """
case $1 in
run)
	i=0
	while [ $i -lt 200 ]; do
		i=$((i + 1))
		python3 wide.py --quiet --datastore local step work --run-id 18 \
			--task-id $i --input-paths 18/start/1 --split-index $i \
			--retry-count 0 --max-user-code-retries 0 &
		all="$all $!"
	done
	[ "$FINE" ] && { wait; exit 1; }
	while set -- at-*; [ ! -e failed ] || [ $# -lt 200 ]; do sleep 0.1; done
	kill -9 $all 2>/dev/null
	wait
	exit 1 ;;
esac
: >"at-$$"
case " $* " in
*" --task-id 77 "*) echo 'ValueError: no 77' >&2; : >failed; exit 1 ;;
*" --task-id 7"[123456]" "*) echo 'ValueError: too' >&2; exit 1 ;;
esac
[ "$FINE" ] || while :; do sleep 0.2; done
"""


def loud():
    """A real run whose tasks write hostile bytes."""
    if "loud" not in MADE:
        need_metaflow()
        MADE["loud"] = Recorded("loud", "loud", "run").wait().session
    return MADE["loud"]


def wide(name, **env):
    """200 tasks; one fails, some fail after it, the others are killed."""
    if name not in MADE:
        cwd = TMP / name
        cwd.mkdir()
        (cwd / "wide.py").write_text(ENGINE)
        (cwd / "python3").symlink_to("/bin/sh")
        got = record("python3", "wide.py", "run", cwd=cwd, env=dict(
            os.environ, PATH=f"{cwd}:{os.environ['PATH']}", **env))
        assert got.returncode == 1, got.stderr
        MADE[name] = sessions()[-1]
    return MADE[name]


def on_terminal(*words, columns=80, **env):
    """What a terminal of that width is sent."""
    main_fd, fd = pty.openpty()
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    setting = dict(os.environ, TERM="xterm", **env)
    child = subprocess.Popen([MFTRACE, *map(str, words)], stdout=fd,
                             stderr=subprocess.PIPE, env=setting,
                             stdin=subprocess.DEVNULL)
    os.close(fd)
    output = b""
    while True:
        try:
            piece = os.read(main_fd, 65536)
        except OSError:
            break
        if not piece:
            break
        output += piece
    os.close(main_fd)
    child.communicate(timeout=20)
    return output.decode().replace("\r\n", "\n")


def plain(text):
    return re.sub("\x1b\\[[0-9;]*m", "", text)


@case
def hostile_output_is_made_safe_by_every_verb():
    for words in VERBS:
        for extra in (), ("--json",):
            got = ask(*words, "-s", loud(), *extra)
            assert got.returncode in (0, 3), (words, got.stderr)
            # data may hold any character, as long as JSON may
            found = (CONTROL if extra else UNSAFE).search(got.stdout)
            assert not found, (words, extra, found)
            if extra:
                json.loads(got.stdout)


@case
def hostile_output_is_told_whole():
    for stream in "--stdout", "--stderr":
        got = ask("log", "start/1", stream, "-s", loud())
        for part in (r"\e[2J\e[31mred\e[0m\e]0;owned\x07", r"\xff\xfe\xc3(",
                     r"back\x08\x08 cr\rover \x00nul", r"\u202Eright",
                     r"\u009B31m"):
            assert part in got.stdout, (stream, part)
    raw = ask("log", "end/2", "--raw", "--stderr", "-s", loud(), text=False,
              errors=None)
    assert b"\x1b[2J" in raw.stdout and b"\xff\xfe" in raw.stdout
    human = ask("what-failed", "-s", loud()).stdout
    assert r"last words\e[5m" in human


@case
def a_line_of_a_mebibyte_is_one_line():
    got = ask("log", "start/1", "--stdout", "-s", loud(), "--json")
    lines = json.loads(got.stdout)["lines"]
    assert len(lines[-1]["text"]) == 1 << 20
    for words in ("tree", "show", "what-failed"):
        longest = max(ask(words, "-s", loud()).stdout.split("\n"), key=len)
        assert len(longest) < 2000, (words, len(longest))


@case
def a_wide_foreach_that_went_well_is_a_few_lines():
    text = ask("tree", "-s", wide("fine", FINE="1")).stdout
    # those told to fail do so; the others are a few lines in between
    assert text.count("\n") < 30, text
    ok = re.findall(r"work/\d+ \.\. work/\d+  (\d+) ok", text)
    single = re.findall(r"work/\d+ \[\d+\]  ok", text)
    assert sum(map(int, ok)) + len(single) == 193, text
    every = ask("tree", "--all", "-s", wide("fine", FINE="1")).stdout
    assert every.count("\n") > 400


@case
def a_wide_foreach_that_failed_is_told_on_a_screen():
    session = wide("bad")
    text = ask("what-failed", "-s", session).stdout
    assert text.startswith("FIRST FAILURE  "), text
    assert text.count("\n") < 50, text.count("\n")
    count = re.search(r"^collateral +(\d+) attempts of \S+/work: killed by the "
                      r"scheduler's clean-up", text, re.M)
    assert count and int(count[1]) > 180, text
    every = ask("what-failed", "--all", "-s", session).stdout
    assert every.count("\ncollateral") == int(count[1]) + 1
    document = json.loads(ask("what-failed", "--json", "-s", session).stdout)
    assert document["failed"] == len(document["failures"]) == 201
    also = [f for f in document["failures"] if f["part"] in ("first", "also")]
    assert len(also) + int(count[1]) == 200


@case
def tasks_that_failed_alike_share_a_line():
    text = ask("tree", "-s", wide("bad")).stdout
    assert text.count("\n") < 40, text
    some = re.findall(r"work/\d+ \.\. work/\d+  (\d+) killed, each .*"
                      r"\(collateral\)  killed by the scheduler's clean-up",
                      text)
    assert sum(map(int, some)) > 180, text
    every = ask("tree", "--all", "-s", wide("bad")).stdout
    assert len(re.findall(r"work/\d+ \[\d+\]  killed", every)) > 180


@case
def colours_say_nothing_that_words_do_not():
    for session in loud(), wide("bad"):
        for words in ("tree",), ("what-failed",), ("ls",):
            where = () if words == ("ls",) else ("-s", session)
            colour = on_terminal(*words, *where, columns=400)
            assert "\x1b[" in colour, words
            none = on_terminal(*words, *where, columns=400, NO_COLOR="1")
            assert "\x1b" not in none, words
            assert plain(colour) == none
            piped = ask(*words, *where, env=dict(os.environ, TERM="xterm"))
            assert "\x1b" not in piped.stdout


@case
def a_table_fits_its_terminal():
    for columns in 80, 100, 132:
        for line in plain(on_terminal("ls", columns=columns)).split("\n"):
            assert len(line) <= columns, (columns, line)


@case
def the_help_of_every_verb_fits_eighty_columns():
    verbs = re.findall(r"^  ([a-z0-9-]+)  ", ask("--help").stdout, re.M)
    assert len(verbs) >= 12, verbs
    for verb in verbs:
        got = ask(verb, "--help")
        assert got.returncode == 0 and got.stdout.startswith("usage: ")
        for line in got.stdout.split("\n"):
            assert len(line) <= 80, (verb, line)


@case
def a_dying_task_of_a_tree_is_marked_in_words():
    text = ask("tree", "-s", wide("bad")).stdout
    first, = [line for line in text.split("\n") if "<- first failure" in line]
    assert "failed" in first and re.search(r"work/7\d", first), first
    tree = json.loads(ask("tree", "--json", "-s", wide("bad")).stdout)["tree"]
    assert sum(n.get("blame") == "first" for n in nodes(tree)
               if n["kind"] == "attempt") == 1


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Every verb on what is no whole journal any more: it answers or says in one
line why not; it never crashes, never hangs, and JSON is always JSON."""
import json
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import MFTRACE, TMP, Skip, case, main, record, sessions  # noqa: E402
from mfflow import PYTHON, environment, flow, need_metaflow  # noqa: E402

ASAN = pathlib.Path(os.environ.get("MF_BUILD", "/nowhere")).parent / \
    "asan" / "bin" / "mftrace"
VERBS = (("tree",), ("tree", "--all"), ("tree", "--at", "-0.2s"), ("show",),
         ("show", "--from", "+0.1s", "--to", "-0.1s"), ("log", "start/1@0"),
         ("log", "start/1@0", "--stderr"), ("what-ran", "--all"),
         ("what-failed",), ("what-up",), ("messages",), ("s3",), ("verify",))
RANDOM = random.Random(20261124)
SEEN = {}


def original():
    """A recorded run: sidecars, output, blobs, two attempts."""
    if not SEEN:
        need_metaflow()
        cwd = TMP / "cwd"
        (cwd / ".metaflow").mkdir(parents=True)
        got = record(
            "sh", "-c", '"$0" "$@"; /bin/true "$(head -c 100000 /dev/zero | '
            'tr "\\0" x)"; exit 3', PYTHON, str(flow("cause")), "run", "--way",
            "fail_once", "--with", "retry:times=1,minutes_between_retries=0",
            cwd=cwd, env=environment(METAFLOW_DEFAULT_MONITOR="debugMonitor"))
        assert got.returncode == 3, got.stderr
        SEEN["session"] = sessions()[-1]
    return SEEN["session"]


def copy(name):
    to = TMP / "damaged" / name
    shutil.copytree(original(), to)
    return to


def largest(directory):
    return max(directory.glob("*.mfj"), key=lambda p: p.stat().st_size)


def used(path):
    """How much of a segment is not prepared and empty."""
    data = path.read_bytes()
    return len(data.rstrip(b"\0"))


COUNT = [0]


def run(words, directory, **how):
    """One verb; what must hold of any answer is checked here."""
    COUNT[0] += 1
    tool = str(ASAN) if ASAN.exists() and COUNT[0] % 3 == 0 else MFTRACE
    how.setdefault("env", dict(os.environ, NO_COLOR="1"))
    got = subprocess.run([tool, *words, "-s", str(directory)], check=False,
                         capture_output=True, stdin=subprocess.DEVNULL,
                         timeout=30, **how)
    told = f"{words} on {directory}: {got.returncode}\n" \
        f"{got.stdout[-500:]}\n{got.stderr[-3000:]}"
    assert got.returncode in (0, 1, 3, 4, 5), told
    assert b"Sanitizer" not in got.stderr and \
        b"runtime error" not in got.stderr, told
    lines = got.stderr.decode().splitlines()
    if got.returncode in (0, 3):
        got.stdout.decode()  # never anything but UTF-8
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", got.stdout), told
    else:
        assert not got.stdout, told
        assert len(lines) == 1 and lines[0].startswith("mftrace: "), told
    return got


def both(words, directory, **how):
    """For a person and as data: the same status, and data that parses."""
    human = run(words, directory, **how)
    got = run((*words, "--json"), directory, **how)
    told = (words, str(directory), human.returncode, got.returncode,
            human.stderr, got.stderr)
    assert human.returncode == got.returncode, told
    assert human.stderr == got.stderr, told
    if got.returncode in (0, 3):
        document = json.loads(got.stdout)
        assert document["schema"] == f"mftrace.{words[0]}/1", told
        return got.returncode, document
    return got.returncode, None


def every(directory, **how):
    return {words: both(words, directory, **how) for words in VERBS}


@case
def the_whole_one_answers_everything():
    answers = every(original())
    assert {words: status for words, (status, _) in answers.items()} == \
        {words: 3 if words == ("what-failed",) else 0 for words in VERBS}
    assert list((original() / "blobs").iterdir()), "no blobs to lose"
    assert answers[("messages",)][1]["streams"]


@case
def cut_anywhere():
    size = used(largest(original()))
    cuts = {0, 1, 16, 63, 64, 4095, 4096, 4097, 8191, size - 1, size}
    cuts |= {RANDOM.randrange(size) for _ in range(8)}
    events = []
    for cut in sorted(cuts):
        directory = copy(f"cut-{cut}")
        os.truncate(largest(directory), cut)
        answers = every(directory)
        statuses = {status for status, _ in answers.values()}
        # 4: the task whose log is asked for is not in it any more
        assert statuses <= {0, 3, 4} or cut < 8192, (cut, statuses)
        assert answers[("tree",)][0] == 0 or cut < 8192, cut
        if answers[("tree",)][1]:
            events.append(answers[("tree",)][1]["events"])
        shutil.rmtree(directory)
    # the longer the piece, the more is told of it
    assert events == sorted(events) and events[-1] > 100, events


@case
def flipped_bytes():
    size = used(largest(original()))
    found = 0
    for number in range(14):
        directory = copy(f"flip-{number}")
        path = largest(directory)
        data = bytearray(path.read_bytes())
        for _ in range(1 << number % 7):
            data[RANDOM.randrange(size)] ^= 1 << RANDOM.randrange(8)
        path.write_bytes(data)
        status, _ = every(directory)[("verify",)]
        found += status != 0
        shutil.rmtree(directory)
    assert found >= 7, found


@case
def written_over():
    # Zeros are what nobody has used yet: a chunk they cover whole is missed
    # only in the numbering of its thread, and a thread with no other is not.
    zeros = 0
    for number, bytes_ in enumerate((b"\0",) * 6 +
                                    (b"\xff", b"\x1b[2J", b"{}\n")):
        directory = copy(f"over-{number}")
        path = largest(directory)
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(RANDOM.randrange(4096, used(path) // 2))
            file.write((bytes_ * 20000)[:16384])
        assert path.stat().st_size <= size + 16384
        status, _ = every(directory)[("verify",)]
        zeros += bytes_ == b"\0" and status == 3
        assert status == 3 or bytes_ == b"\0", bytes_
        shutil.rmtree(directory)
    assert zeros >= 3, zeros


@case
def blobs_that_are_missing_or_wrong():
    directory = copy("blobs-gone")
    shutil.rmtree(directory / "blobs")
    answers = every(directory)
    assert answers[("verify",)][0] == 3
    assert answers[("tree",)][0] == 0
    directory = copy("blobs-wrong")
    for blob in (directory / "blobs").iterdir():
        blob.chmod(0o600)
        blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    assert every(directory)[("verify",)][0] == 3
    directory = copy("blobs-odd")
    for blob in (directory / "blobs").iterdir():
        blob.unlink()
        os.mkfifo(blob)
    assert every(directory)[("verify",)][0] == 3


@case
def directories_that_are_no_sessions():
    base = TMP / "foreign"
    empty = base / "empty"
    empty.mkdir(parents=True)
    text = base / "text"
    text.mkdir()
    (text / "notes.txt").write_text("nothing of ours\n")
    (base / "file").write_text("no directory\n")
    (base / "link").symlink_to(base / "nowhere")
    for directory in (empty, text, base / "file", base / "link",
                      base / "nothing", "/proc", "/dev/null"):
        for words, (status, _) in every(directory).items():
            assert status in (1, 4), (words, directory, status)


@case
def things_in_a_session_that_are_no_segments():
    directory = copy("odd")
    os.mkfifo(directory / "fifo.mfj")
    (directory / "dir.mfj").mkdir()
    (directory / "empty.mfj").touch()
    (directory / "loop.mfj").symlink_to("loop.mfj")
    (directory / "zero.mfj").symlink_to("/dev/zero")
    (directory / "text.mfj").write_text("MFJ? no.\n" * 1000)
    (directory / "noise.mfj").write_bytes(RANDOM.randbytes(100000))
    (directory / "zeros.mfj").write_bytes(bytes(100000))
    with (directory / "huge.mfj").open("wb") as file:
        file.truncate(1 << 40)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(directory / "socket.mfj"))
    answers = every(directory)
    whole = both(("tree",), original())[1]["tree"]
    assert answers[("tree",)][1]["tree"]["children"] == whole["children"]
    assert answers[("verify",)][0] == 3


@case
def only_things_that_are_no_segments():
    directory = TMP / "only-odd"
    directory.mkdir()
    (directory / "noise.mfj").write_bytes(RANDOM.randbytes(10000))
    (directory / "empty.mfj").touch()
    every(directory)


@case
def the_same_segment_twice():
    directory = copy("twice")
    shutil.copy(largest(directory), directory / "again.mfj")
    every(directory)


@case
def files_of_another_user():
    if os.getuid() != 0:
        raise Skip("only root can make files of another user")
    nobody = pwd.getpwnam("nobody")
    for path in (TMP, TMP / "damaged"):
        path.chmod(0o755)
    how = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    try:
        probe = subprocess.run([MFTRACE, "--version"], check=False,
                               capture_output=True, **how)
        if probe.returncode:
            raise Skip("another user cannot run our build")
    except PermissionError as why:
        raise Skip("another user cannot run our build") from why
    whole = copy("theirs")  # 0700, of root
    readable = copy("half-theirs")
    readable.chmod(0o755)
    for directory in whole, readable:
        for words in VERBS:
            got = run(words, directory, **how)
            assert got.returncode == 5, (words, directory, got)
            assert b"ermission denied" in got.stderr, got.stderr
    # one file of several: the rest is told
    mixed = copy("mixed-theirs")
    mixed.chmod(0o755)
    for path in mixed.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (mixed / "extra.mfj").write_bytes(b"x" * 5000)
    (mixed / "extra.mfj").chmod(0o600)
    answers = every(mixed, **how)
    assert answers[("tree",)][0] == 0
    assert answers[("verify",)][0] == 3


@case
def sessions_in_a_list_are_listed_whatever_they_are():
    parent = TMP / "damaged"
    (parent / "20261124-000000-dead").mkdir(exist_ok=True)
    env = dict(os.environ, MFCORE_JOURNAL=str(parent))
    for words in (("ls",), ("gc", "--keep", "0", "--dry-run")):
        human = subprocess.run([MFTRACE, *words], check=False, env=env,
                               capture_output=True, timeout=60)
        got = subprocess.run([MFTRACE, *words, "--json"], check=False, env=env,
                             capture_output=True, timeout=60)
        assert human.returncode == got.returncode == 0, (human, got)
        assert json.loads(got.stdout)["schema"] == f"mftrace.{words[0]}/1"
        human.stdout.decode()


@case
def output_that_cannot_be_written_is_told():
    for words in VERBS:
        for extra in (), ("--json",):
            with open("/dev/full", "wb") as full:
                got = subprocess.run(
                    [MFTRACE, *words, *extra, "-s", str(original())],
                    check=False, stdout=full, stderr=subprocess.PIPE,
                    timeout=30)
            assert got.returncode == 1, (words, got)
            assert got.stderr.startswith(b"mftrace: "), (words, got.stderr)


@case
def a_reader_that_leaves_early_is_no_crash():
    for words in VERBS:
        read, write = os.pipe()
        os.close(read)
        got = subprocess.run([MFTRACE, *words, "-s", str(original())],
                             check=False, stdout=write, timeout=30,
                             stderr=subprocess.PIPE)
        os.close(write)
        assert got.returncode in (1, -signal.SIGPIPE), (words, got)


if __name__ == "__main__":
    main()

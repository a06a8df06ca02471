"""What the tests of the verbs share: real flows, recorded, and mftrace asked."""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from mftest import MFTRACE, TMP, Skip  # noqa: E402

PYTHON = os.environ.get("VENV_PYTHON") or sys.executable
FLOWS = TMP / "flows"
_LOCK = threading.Lock()
_HERE = pathlib.Path(__file__).resolve().parents[1] / "integration" / "flows"


def need_metaflow():
    """Skip where there is no Metaflow to run."""
    got = subprocess.run([PYTHON, "-c", "import metaflow"], check=False,
                         capture_output=True)
    if got.returncode:
        raise Skip(f"{PYTHON} has no metaflow")


def ask(*words, **how):
    """Run a verb; as subprocess.run, output as text unless how says bytes."""
    how.setdefault("stdin", subprocess.DEVNULL)
    how.setdefault("timeout", 30)
    how.setdefault("capture_output", True)
    how.setdefault("text", True)
    how.setdefault("errors", "strict")
    return subprocess.run([MFTRACE, *map(str, words)], check=False, **how)


def data(*words, status=(0, 3), **how):
    """Ask for --json and return (the document, the exit status)."""
    got = ask(*words, "--json", **how)
    assert got.returncode in status, (words, got.returncode, got.stderr)
    document = json.loads(got.stdout)
    assert document["schema"] == f"mftrace.{words[0]}/1", document["schema"]
    return document, got.returncode


def nodes(node):
    """A node of the tree and all below it, parents first."""
    yield node
    for child in node.get("children", ()):
        yield from nodes(child)


def environment(**more):
    """The environment of a run; nothing of the caller's Metaflow in it."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("METAFLOW_", "AWS_"))}
    env.update(METAFLOW_USER="tester", PYTHONDONTWRITEBYTECODE="1")
    env.update(more)
    return env


def flow(name):
    """The script of a flow, in a directory where it may leave things."""
    with _LOCK:  # runs are started by several threads
        if not FLOWS.is_dir():
            shutil.copytree(_HERE, FLOWS)
    return FLOWS / f"{name}.py"


class Recorded:
    """A run of a flow under `mftrace record`: start, perhaps meddle, wait."""

    def __init__(self, name, script, *words, before=(), python=PYTHON, env=None,
                 options=(), **how):
        self.name = name
        self.cwd = TMP / "runs" / name
        (self.cwd / ".metaflow").mkdir(parents=True)
        self.parent = TMP / "journals" / name
        self.stdout = self.stderr = ""
        self.status = None
        self.process = subprocess.Popen(
            [*before, MFTRACE, "record", "-j", str(self.parent), *options, "-q",
             "--", str(python), str(flow(script)), *map(str, words)],
            cwd=self.cwd, env=env or environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)

    def wait(self, timeout=150):
        """Wait for the end of the recorder and keep what the run said."""
        try:
            self.stdout, self.stderr = self.process.communicate(timeout=timeout)
        finally:
            self.process.kill()
        self.status = self.process.returncode
        return self

    @property
    def session(self):
        """The directory of the session, as soon as there is one."""
        found = sorted(self.parent.iterdir()) if self.parent.is_dir() else []
        return found[0] if found else None

    def find(self, *words, seconds=30):
        """The pid of the process of this run that has these arguments."""
        want = [word.encode() for word in words]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for entry in pathlib.Path("/proc").glob("[0-9]*"):
                try:
                    argv = (entry / "cmdline").read_bytes().split(b"\0")
                    cwd = os.readlink(entry / "cwd")
                except OSError:
                    continue
                if cwd == str(self.cwd) and b"record" not in argv and \
                        all(word in argv for word in want):
                    return int(entry.name)
            time.sleep(0.02)
        raise AssertionError(f"no process with {words} in {self.cwd}")

    def said(self):
        """What Metaflow's own output said of the end, in one line."""
        lines = [re.sub(r"^\S+ \S+ (\[\S+ \(pid \d+\)\] )?", "", line)
                 for line in self.stdout.splitlines()]
        lines = [line for line in lines if re.match(
            r"Task failed|\[KILLED|This failed task|Done!|Workflow failed",
            line)]
        return " / ".join(dict.fromkeys(lines))

    def ask(self, verb, *words, **how):
        return ask(verb, "-s", self.session, *words, **how)

    def data(self, verb, *words, **how):
        return data(verb, "-s", self.session, *words, **how)

    def tree(self, *words):
        return self.data("tree", *words)[0]["tree"]


def together(*jobs, workers=2):
    """Call all, a few at a time; what they return, in order."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return [job.result() for job in [pool.submit(job) for job in jobs]]

"""What really happened, as strace tells it, to hold a journal against.

Trace.of(command) runs a command under strace and reads its output. Strings are
printed in hexadecimal, so nothing in them can be mistaken for syntax.
"""
import collections
import os
import re
import signal
import subprocess

from mftest import TMP

CALLS = "execve,execveat,clone,clone3,fork,vfork,exit,exit_group"

_LINE = re.compile(r"^(\d+) +(?:\d+\.\d+ )?(.*)$")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


def _unhex(text):
    return bytes.fromhex(text.replace("\\x", ""))


def string(call):
    """The first string of a call."""
    match = _STRING.search(call)
    return _unhex(match.group(1)) if match else b""


def _argv(call):
    """The first list of strings in an exec's arguments."""
    start = call.find("[")
    return [_unhex(m.group(1))
            for m in _STRING.finditer(call[start:call.find("]", start)])]


Image = collections.namedtuple("Image", "path argv")


class Trace:
    """Processes: pid -> parent, images, wait status; threads."""

    def __init__(self):
        self.parent = {}
        self.execs = collections.defaultdict(list)
        self.status = {}
        self.threads = collections.defaultdict(list)
        self.log = []  # the other calls, in order: tid, name, call, result
        self.owner = {}  # of a thread: its process
        self.result = None

    @classmethod
    def of(cls, *command, calls=CALLS, sift=None, **how):
        """Run a command under strace; .result is as subprocess.run's.

        Lines that match `sift`, an expression of grep, are left out.
        """
        trace = cls()
        how.setdefault("stdin", subprocess.DEVNULL)
        how.setdefault("timeout", 120)
        path = TMP / f"strace.{os.getpid()}"
        trace.result = subprocess.run(
            ["strace", "-f", "-q", "--seccomp-bpf", "-xx", "-s", "1000000", "-o",
             f"|grep -v '{sift}' >{path}" if sift else str(path),
             "-e", "trace=" + calls, "-e", "abbrev=none", "--", *command],
            capture_output=True, check=False, **how)
        trace._read(path.read_text())
        path.unlink()
        return trace

    def tgid(self, tid):
        """The process of a thread."""
        while tid in self.owner:
            tid = self.owner[tid]
        return tid

    def _read(self, text):
        halves = {}
        for line in text.splitlines():
            tid, rest = _LINE.match(line).groups()
            tid = int(tid)
            if rest.startswith("---"):
                continue
            if rest.endswith("<unfinished ...>"):
                halves[tid] = rest[:-len("<unfinished ...>")]
            elif rest.startswith("<... "):
                if tid in halves:  # else it was left out
                    self._call(tid, halves.pop(tid) +
                               rest.partition("resumed>")[2])
            elif rest.startswith("+++"):
                self._end(tid, rest)
            else:
                self._call(tid, rest)
        # a thread's parent is known only when its clone has returned
        for tid in list(self.owner):
            for table in (self.status, self.parent):
                table.pop(tid, None)

    def _call(self, tid, text):
        name, _, rest = text.partition("(")
        call, _, result = rest.rpartition(" = ")
        if name in ("execve", "execveat"):
            if result.split()[:1] == ["0"]:
                path = _STRING.search(call)
                self.execs[self.tgid(tid)].append(
                    Image(_unhex(path.group(1)), _argv(call)))
        elif name in ("clone", "clone3", "fork", "vfork"):
            child = result.split()[0] if result else "?"
            if not child.isdigit():
                return
            if "CLONE_THREAD" in call:
                self.owner[int(child)] = tid
                self.threads[self.tgid(tid)].append(int(child))
            else:
                self.parent[int(child)] = tid
        else:
            self.log.append((tid, name, call, result))

    def _end(self, tid, text):
        words = text.split()
        if words[1] == "exited":
            self.status[tid] = int(words[3]) << 8
        elif words[1] == "killed":
            self.status[tid] = signal.Signals[words[3]].value

    def below(self, root):
        """The process and all its descendants."""
        children = collections.defaultdict(list)
        for pid, parent in self.parent.items():
            children[self.tgid(parent)].append(pid)
        found, todo = [], [root]
        while todo:
            found.append(todo.pop())
            todo.extend(children[found[-1]])
        return sorted(found)

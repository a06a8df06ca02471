"""A run that ends in the way asked for: one way for each cause of an end.

Decorators come from the command line (`run --with retry:times=1`), so that one
flow is enough. It knows nothing of mftrace.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

from metaflow import FlowSpec, Parameter, current, step


def succeed():
    print("all is well")


def fail():
    print("reading shard 7", file=sys.stderr)
    raise ValueError("shard 7 has no header")


def exit_with_5():
    print("the licence server said no", file=sys.stderr)
    sys.exit(5)


def exit_with_0():
    sys.exit(0)


def exit_at_once():
    print("leaving by the back door", file=sys.stderr)
    sys.stderr.flush()
    os._exit(0)


def forbid_retry():
    print("the queue refused the job", file=sys.stderr)
    sys.stderr.flush()
    os._exit(202)


def be_killed_by_helper():
    """A process of the task's own kills it."""
    subprocess.run(["sh", "-c", "kill -9 $PPID"], check=False)
    time.sleep(60)


def be_killed_from_outside():
    print("waiting to be killed", os.getpid(), file=sys.stderr, flush=True)
    time.sleep(60)


def read_nowhere():
    ctypes.string_at(0)


def abort():
    print("heap: bad block", file=sys.stderr, flush=True)
    os.abort()


def take_all_memory():
    hoard = []
    while True:
        hoard.append(b"x" * (8 << 20))


def dawdle():
    print("this takes a while", file=sys.stderr, flush=True)
    time.sleep(60)


def start_nothing():
    subprocess.run(["/no/such/program", "--fast"], check=True)


def fail_once():
    if current.retry_count == 0:
        print("the first attempt never works", file=sys.stderr)
        raise RuntimeError("not yet")


def fail_always():
    print("attempt", current.retry_count, file=sys.stderr)
    raise RuntimeError("attempt %d failed too" % current.retry_count)


def children(pid):
    """Process ids and command lines of the children of a process."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as stat:
                parent = int(stat.read().rsplit(b")", 1)[1].split()[1])
            with open("/proc/%s/cmdline" % name, "rb") as line:
                argv = line.read().split(b"\0")
        except OSError:
            continue
        if parent == pid:
            found.append((int(name), argv))
    return found


def lose_sidecar():
    """Kill the sidecar of this task; the task itself is not concerned."""
    for pid, argv in children(os.getpid()):
        if any(b"sidecar" in word for word in argv):
            os.kill(pid, signal.SIGKILL)
            return
    raise RuntimeError("there is no sidecar to kill")


def remove_interpreter():
    """Nothing can be started with the interpreter of this run any more."""
    os.unlink(sys.executable)


def warn():
    print("WARNING: Task failed. (a word of the user's, no failure)")
    print("Traceback (most recent call last): not really", file=sys.stderr)


WAYS = {
    function.__name__: function
    for function in (
        succeed,
        fail,
        exit_with_5,
        exit_with_0,
        exit_at_once,
        forbid_retry,
        be_killed_by_helper,
        be_killed_from_outside,
        read_nowhere,
        abort,
        take_all_memory,
        dawdle,
        start_nothing,
        fail_once,
        fail_always,
        lose_sidecar,
        remove_interpreter,
        warn,
    )
}


class CauseFlow(FlowSpec):
    way = Parameter("way", help="what the first step does", default="succeed")

    @step
    def start(self):
        self.before = 1
        WAYS[self.way]()
        self.after = 2
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    CauseFlow()

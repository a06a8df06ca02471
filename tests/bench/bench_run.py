#!/usr/bin/env python3
"""What recording costs a real run, in CPU time.

Rounds of three runs of one flow: plain, recorded, plain again (the A/A
control), in changing order. The CPU time is that of the whole process tree,
the recorder's and that of sidecars that outlive the run included. What counts
is the median of the rounds' ratios. ROUNDS=N sets how many (default 11).
"""
import ctypes
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PR_SET_CHILD_SUBREAPER = 36
FLOW = pathlib.Path(__file__).resolve().with_name("run_flow.py")
MFTRACE = os.environ["MFTRACE"]
PYTHON = os.environ["VENV_PYTHON"]
ROUNDS = int(os.environ.get("ROUNDS", "11"))
LIMIT = 1.02
COMMAND = [PYTHON, str(FLOW), "--event-logger", "debugLogger",
           "--monitor", "debugMonitor", "run"]


def environment(home):
    keep = ("PATH", "LANG", "LC_ALL", "TERM")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    env.update(HOME=home, USER="bench", METAFLOW_USER="bench",
               XDG_STATE_HOME=home + "/state")
    return env


def reap_all():
    """Orphans come to us; their CPU time counts once they are waited for."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def run(is_recorded):
    """(CPU seconds, wall seconds) of one run in a directory of its own."""
    home = tempfile.mkdtemp(prefix="mf-bench-")
    prefix = [MFTRACE, "record", "--journal", home + "/journal", "--"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    result = subprocess.run((prefix if is_recorded else []) + COMMAND,
                            cwd=home, env=environment(home), check=False,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    wall = time.monotonic() - began
    reap_all()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode or b"total" not in result.stdout:
        sys.exit(f"the run failed:\n{result.stdout.decode()}")
    shutil.rmtree(home)
    return (after.ru_utime + after.ru_stime
            - before.ru_utime - before.ru_stime, wall)


def line(name, runs):
    cpu = statistics.median(r[0] for r in runs)
    wall = statistics.median(r[1] for r in runs)
    print(f"{name:<10} {cpu:10.3f} {wall:10.3f}")


def ratio(name, above, below, column):
    ratios = sorted(a[column] / b[column] for a, b in zip(above, below))
    middle = statistics.median(ratios)
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    print(f"{name:<36} {middle:6.3f}   half of them in {low:.3f} to {high:.3f}")
    return middle


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    results = {"plain": [], "recorded": [], "again": []}
    run(True)  # warm
    for i in range(ROUNDS):
        order = list(results)
        for name in order[i % 3:] + order[:i % 3]:
            results[name].append(run(name == "recorded"))
    print(f"{'seconds':<10} {'CPU':>10} {'wall':>10}   medians of {ROUNDS}")
    for name, runs in results.items():
        line(name, runs)
    plain, recorded, again = results.values()
    control = ratio("A/A control, CPU", again, plain, 0)
    ratio("A/A control, wall", again, plain, 1)
    # each recorded run against the mean of the two beside it
    both = [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
            for a, b in zip(plain, again)]
    cost = ratio("recorded, CPU, at most 1.02", recorded, both, 0)
    ratio("recorded, wall", recorded, both, 1)
    is_met = cost <= LIMIT
    print("met" if is_met else "NOT MET",
          "" if is_met or cost > LIMIT * max(control, 1 / control)
          else "(within the control's own deviation: the machine is busy)")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())

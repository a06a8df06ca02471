#!/usr/bin/env python3
"""A real flow, recorded while the journal cannot be written as it should:
its output, exit status and artifacts are those of an unrecorded run."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

MFTRACE, PYTHON = os.environ["MFTRACE"], os.environ["VENV_PYTHON"]
TMP = pathlib.Path(os.environ["TEST_TMP"])
FLOW = """
from metaflow import FlowSpec, step
class FaultFlow(FlowSpec):
    @step
    def start(self):
        self.xs = [1, 2]
        print("start" * 100)
        self.next(self.work, foreach="xs")
    @step
    def work(self):
        self.y = self.input * 2
        print("work", self.input)
        self.next(self.join)
    @step
    def join(self, inputs):
        self.total = sum(i.y for i in inputs)
        self.next(self.end)
    @step
    def end(self):
        print("total", self.total)
if __name__ == "__main__":
    FaultFlow()
"""
COMMAND = [PYTHON, "flow.py", "run"]


def facts(prefix=(), during=None, shell=""):
    """Exit status, output and artifact keys of a run, without what differs."""
    home = TMP / "run"  # one place for all: artifacts name the flow's file
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    (home / "flow.py").write_text(FLOW)
    command = [*prefix, *COMMAND]
    if shell:
        command = ["bash", "-c", shell + '; exec "$@"', "sh", *command]
    child = subprocess.Popen(command, cwd=home, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
    if during:
        time.sleep(0.7)  # it takes well over a second
        during(child)
    out, err = child.communicate()
    # killed with the recorder, the run itself goes on
    end = time.monotonic() + 60
    keys = {}
    while time.monotonic() < end:
        keys = {f"{path.parts[-3]}/{path.parts[-2]}":
                json.loads(path.read_text())["objects"]
                for path in home.glob(".metaflow/FaultFlow/*/*/*/0.data.json")}
        if any(key.startswith("end/") for key in keys):
            break
        time.sleep(0.2)
    # the engine's own lines carry times, pids and run ids
    words = sorted(line.split("] ", 1)[-1].strip()
                   for line in out.splitlines() if "pid" in line)
    return child.returncode, words, keys, err


def record(journal):
    return (MFTRACE, "record", "-q", "--journal", str(journal), "--")


def main():
    status, words, keys, _ = facts()
    assert status == 0 and len(keys) == 6, (status, keys)
    # by value: ids and order of the foreach children are the engine's
    plain = sorted(json.dumps(v, sort_keys=True) for v in keys.values())
    small = TMP / "small"
    small.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(small)],
        check=False, stderr=subprocess.DEVNULL).returncode == 0
    cases = [
        ("recorded", record(TMP / "j0"), None, ""),
        ("file size limit", record(TMP / "j1"), None, "ulimit -f 4000"),
        ("address space limit", record(TMP / "j2"), None,
         "ulimit -v 4000000"),
        ("directory deleted", record(TMP / "j3"),
         lambda _: shutil.rmtree(TMP / "j3", ignore_errors=True), ""),
        ("recorder killed", record(TMP / "j4"),
         lambda child: child.send_signal(signal.SIGKILL), ""),
        ("no such place", record("/proc/no/such"), None, ""),
    ]
    if mounted:
        cases.append(("full disk", record(small), None, ""))
    failed = 0
    print(f"1..{len(cases) + (not mounted)}")
    for number, (name, prefix, during, shell) in enumerate(cases, 1):
        status, got, keys, err = facts(prefix, during, shell)
        values = sorted(json.dumps(v, sort_keys=True) for v in keys.values())
        want = -signal.SIGKILL if name == "recorder killed" else 0
        ok = (status == want and values == plain and
              (got == words or name == "recorder killed"))
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} {number} - {name}")
        if not ok:
            print(f"# {status} {got} {values} {err}")
    if not mounted:
        print(f"ok {len(cases) + 1} - full disk # SKIP cannot mount")
    else:
        subprocess.run(["umount", str(small)], check=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

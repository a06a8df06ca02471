"""Talks in every way a task can: Python, os.write, children with and without
stdio, in small pieces and in large ones; then waits to be let go."""

import os
import pathlib
import subprocess
import sys
import time

from metaflow import FlowSpec, Parameter, step


class TalkFlow(FlowSpec):
    go = Parameter("go", help="a file to wait for", default="")

    @step
    def start(self):
        print("first words", flush=True)
        for piece in "one line in ", "three ", "pieces\n":
            sys.stdout.write(piece)
            sys.stdout.flush()
        subprocess.run(["awk", "BEGIN { print \"a child with stdio\" }"],
                       check=True)
        os.write(1, b"by descriptor\n")
        subprocess.run(["sh", "-c", "echo on stderr >&2; echo on stdout"],
                       check=True)
        for number in range(200):
            print("line", number, "x" * number)
        sys.stdout.flush()
        print("on stderr too", file=sys.stderr, flush=True)
        end = time.monotonic() + 60
        while self.go and not pathlib.Path(self.go).exists():
            if time.monotonic() > end:
                break
            time.sleep(0.02)
        print("last words", flush=True)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    TalkFlow()

"""A foreach whose tasks fail, wait, talk or are quiet, as the parameters say."""

import os
import pathlib
import sys
import time

from metaflow import FlowSpec, Parameter, step


def wait_until(is_so, seconds=60):
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)


def wait_for(path):
    """A file is the signal: no guess at how fast this machine is."""
    wait_until(path.exists)


class FanFlow(FlowSpec):
    width = Parameter("width", help="how many tasks the foreach has", default=8)
    first = Parameter("first", help="which fails, once all run", default=-1)
    second = Parameter("second", help="which fails after that one", default=-1)
    quiet = Parameter("quiet", help="which wait without a word", default="")
    place = Parameter("place", help="directory for signals", default=".")

    @step
    def start(self):
        self.shards = list(range(self.width))
        self.next(self.work, foreach="shards")

    @step
    def work(self):
        place = pathlib.Path(self.place)
        self.shard = self.input
        (place / ("at-%d" % self.shard)).write_text(str(os.getpid()))
        for other in self.shards if self.first >= 0 else []:
            wait_for(place / ("at-%d" % other))
        if self.shard == self.first:
            print("shard", self.shard, "is bad", file=sys.stderr)
            raise ValueError("shard %d is bad" % self.shard)
        if self.shard == self.second:
            first = pathlib.Path("/proc", (place / ("at-%d" % self.first)).read_text())
            wait_until(lambda: not first.exists())
            print("shard", self.shard, "is bad too", file=sys.stderr)
            sys.exit(7)
        if str(self.shard) in self.quiet.split(","):
            wait_for(place / "go")
        else:
            while not (place / "go").exists():
                print("shard", self.shard, "works on", flush=True)
                time.sleep(0.05)
        (place / ("done-%d" % self.shard)).touch()
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(i.shard for i in inputs)
        self.next(self.end)

    @step
    def end(self):
        print("total", self.total)


if __name__ == "__main__":
    FanFlow()

"""The flow that `make demo` records: every way Metaflow runs something.

It knows nothing of mftrace. A foreach whose last child fails and is caught, a
step that needs a second attempt, forks of parallel_map, threads, a
multiprocessing pool, asyncio tasks and a subprocess.
"""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
import time

from metaflow import FlowSpec, Parameter, catch, current, parallel_map, retry, step


def square(number):
    time.sleep(0.05)
    return number * number


def count_words(text):
    return len(text.split())


class DemoFlow(FlowSpec):
    width = Parameter("width", help="how many tasks the foreach has", default=3)

    @step
    def start(self):
        """Ask the system something, in a subprocess."""
        uname = subprocess.run(
            ["uname", "-sr"], check=True, capture_output=True, text=True
        )
        print("running on", uname.stdout.strip())
        self.shards = list(range(self.width))
        self.next(self.train, foreach="shards")

    @catch(var="failure", print_exception=True)
    @step
    def train(self):
        """Forks by parallel_map; the last of the foreach fails."""
        self.shard = self.input
        print("shard", self.shard, "in process", os.getpid())
        self.squares = parallel_map(square, range(4), max_parallel=2)
        if self.shard == self.width - 1:
            print("shard", self.shard, "has no data", file=sys.stderr)
            raise ValueError("shard %d has no data" % self.shard)
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.failed = [i.shard for i in inputs if i.failure]
        self.squares = [i.squares for i in inputs if not i.failure]
        print("caught", len(self.failed), "failed shard(s)")
        self.next(self.shaky)

    @retry(times=1, minutes_between_retries=0)
    @step
    def shaky(self):
        """Fails the first time."""
        if current.retry_count == 0:
            print("the first attempt never works", file=sys.stderr)
            sys.exit(3)
        self.attempts = current.retry_count + 1
        self.next(self.busy)

    @step
    def busy(self):
        """Threads, a process pool and asyncio tasks in one task."""
        self.words = {}

        def work(name):
            time.sleep(0.1)
            self.words[name] = count_words("one two three")

        threads = [
            threading.Thread(target=work, args=(n,), name="reader-%d" % n)
            for n in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        with multiprocessing.get_context("fork").Pool(2) as pool:
            self.pooled = pool.map(square, range(4))

        async def fetch(n):
            await asyncio.sleep(0.05)
            return n

        async def fetch_all():
            tasks = [
                asyncio.create_task(fetch(n), name="fetch-%d" % n) for n in range(3)
            ]
            return await asyncio.gather(*tasks)

        self.fetched = asyncio.run(fetch_all())
        self.next(self.end)

    @step
    def end(self):
        print("failed shards:", self.failed, "attempts:", self.attempts)


if __name__ == "__main__":
    DemoFlow()

"""A flow with a foreach, a retried step, parallel_map and threads.

Nothing in it depends on time, process ids or order, so two runs of it leave
equal artifacts.
"""

import threading

from metaflow import FlowSpec, Parameter, current, parallel_map, retry, step


def square(number):
    return number * number


class RecordFlow(FlowSpec):
    fails = Parameter("fails", help="fail for good", default=False)

    @step
    def start(self):
        print("start says hello")
        self.parts = ["a", "b"]
        self.next(self.work, foreach="parts")

    @retry(times=1, minutes_between_retries=0)
    @step
    def work(self):
        self.part = self.input
        if current.retry_count == 0 and self.part == "b":
            raise RuntimeError("part b needs a second try")
        self.squares = parallel_map(square, range(3), max_parallel=2)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.parts_seen = sorted(i.part for i in inputs)
        self.sums = [sum(i.squares) for i in inputs]
        done = []
        threads = [
            threading.Thread(target=done.append, args=(n,), name="thread-%d" % n)
            for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.done = sorted(done)
        if self.fails:
            raise ValueError("asked to fail")
        self.next(self.end)

    @step
    def end(self):
        print("the end of", self.parts_seen)


if __name__ == "__main__":
    RecordFlow()

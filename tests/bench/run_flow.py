"""The flow bench_run.py runs: a foreach of three, and a join."""
from metaflow import FlowSpec, step


class RunFlow(FlowSpec):
    @step
    def start(self):
        self.items = [1, 2, 3]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.square = sum(i * self.input for i in range(1000))
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(i.square for i in inputs)
        self.next(self.end)

    @step
    def end(self):
        print("total", self.total)


if __name__ == "__main__":
    RunFlow()

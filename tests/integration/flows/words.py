"""Parameters that a shell would spoil, kept as artifacts to compare."""

import os

from metaflow import FlowSpec, Parameter, step


class WordsFlow(FlowSpec):
    text = Parameter("text", help="anything", default="")

    @step
    def start(self):
        self.seen = self.text
        self.here = os.getcwd()
        self.mark = os.environ.get("WORDS_MARK")
        self.items = ["a", "b"]
        self.next(self.each, foreach="items")

    @step
    def each(self):
        self.item = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.items = [i.item for i in inputs]
        self.merge_artifacts(inputs, include=["seen"])
        self.next(self.end)

    @step
    def end(self):
        print(len(self.seen))


if __name__ == "__main__":
    WordsFlow()

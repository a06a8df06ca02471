"""Writes what a terminal must not be given as it is."""

import os
import sys

from metaflow import FlowSpec, Parameter, step

NASTY = (
    b"\x1b[2J\x1b[31mred\x1b[0m\x1b]0;owned\x07\n"
    b"invalid \xff\xfe\xc3( utf-8\n"
    b"bell \x07 back\x08\x08 cr\rover \x00nul\n"
    b"\xe2\x80\xaeright to left\xe2\x80\xac \xc2\x9b31m\n"
)


class LoudFlow(FlowSpec):
    long = Parameter("long", help="bytes in one line", default=1 << 20)

    @step
    def start(self):
        for fd in (1, 2):
            os.write(fd, NASTY)
        sys.stdout.write("x" * self.long + "\n")
        sys.stdout.flush()
        self.next(self.end)

    @step
    def end(self):
        os.write(2, NASTY)
        os.write(2, b"last words\x1b[5m\n")
        os._exit(9)


if __name__ == "__main__":
    LoudFlow()

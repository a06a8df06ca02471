#!/usr/bin/env python3
"""What an s3op was given and gave back is in the journal, though Metaflow
deletes the files, and nothing of it is left on the disk.
"""
import json
import os
import pathlib
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import MFTRACE, TMP, case, journal, main, only, wait_for  # noqa: E402
from straced import Trace  # noqa: E402

PYTHON = os.environ["TEST_PYTHON"]
CLIENT = str(pathlib.Path(__file__).resolve().parent / "flows/s3_client.py")
MARKER = b"### RETRY INPUTS ###\n"


def answers(port):
    """Whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Server:
    """An S3 server of moto on a free port, with a bucket."""

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p",
             str(self.port)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: answers(self.port), 60)
        subprocess.run(
            [PYTHON, "-c", "import boto3, os\n"
             "boto3.client('s3', endpoint_url="
             "os.environ['METAFLOW_S3_ENDPOINT_URL'])"
             ".create_bucket(Bucket='mf-test')"],
            env=self.environ(), check=True)
        return self

    def environ(self, **more):
        """What leads a client to it."""
        return dict(os.environ, AWS_ACCESS_KEY_ID="id",
                    AWS_SECRET_ACCESS_KEY="s3cretS3CRETs3cretS3CRETs3cret12",
                    AWS_DEFAULT_REGION="us-east-1",
                    METAFLOW_S3_ENDPOINT_URL=f"http://127.0.0.1:{self.port}",
                    METAFLOW_S3_WORKER_COUNT="3", **more)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def run(server, count, width=8, **env):
    """Record the client; its s3ops by pid, the facts, the truth."""
    place = TMP / f"client{count}"
    place.mkdir()
    facts = TMP / f"facts{count}"
    with open(facts, "wb") as file:
        trace = Trace.of(
            "sh", "-c", 'exec 9>&"$0"; exec "$@"', str(file.fileno()),
            MFTRACE, "record", "-q", "--", PYTHON, CLIENT, str(count),
            str(width),
            pass_fds=[file.fileno()], cwd=str(place),
            env=server.environ(**env))
    assert trace.result.returncode == 0, trace.result
    assert list(place.iterdir()) == [], "temporary files were left"
    return trace, journal(), [json.loads(line) for line in
                              facts.read_text().splitlines()]


def check(trace, events, facts):
    """Each s3op, in the order they ran, against what it really saw."""
    starts = [e for e in only(events, "PROC_START")
              if any(arg.endswith(b"s3op.py") for arg in e.fields["ARGV"])]
    assert len(starts) == len(facts) >= 5, (len(starts), len(facts))
    workers = 0
    for start, fact in zip(starts, facts):
        argv = [arg.encode() for arg in fact["argv"]]
        assert start.fields["ARGV"][1:] == argv[1:], (start, argv)
        files = [e for e in only(events, "FILE") if e.pid == start.pid]
        if "--inputs" in fact["argv"]:
            path = fact["argv"][fact["argv"].index("--inputs") + 1]
            assert len(files) == 1, (path, files)
            assert files[0].fields["DATA"] == fact["inputs"].encode("latin-1")
            assert files[0].fields["PATH"] == path.encode()
            assert files[0].fields["ROLE"] == (
                b"retry" if "transientretry" in path else b"inputs")
        for stream in (1, 2):
            text = b"".join(e.fields["DATA"] for e in only(
                events, "OUTPUT", STREAM=stream) if e.pid == start.pid)
            # libraries may write past Python; s3op itself does not
            want = fact["stdout" if stream == 1 else "stderr"]
            assert text == want.encode("latin-1"), (start.pid, stream, text,
                                                    want)
        forks = {pid for pid in trace.below(start.pid)
                 if not trace.execs[pid]} - {start.pid}
        told = {e.pid for e in only(events, "PROC_FORK", PPID=start.pid)}
        assert told == {pid for pid in forks if
                        trace.tgid(trace.parent[pid]) == start.pid}, told
        workers += len(forks)
        for pid in forks | {start.pid}:
            ends = [e.fields["STATUS"] for e in events if e.type in
                    ("PROC_WAIT", "PROC_REAP") and e.fields["PID"] == pid]
            assert ends == [trace.status[pid]], (pid, ends)
    assert workers >= 6, workers
    return len(starts), workers


SERVER = None  # of all cases, once main() begins


@case
def inputs_results_and_workers_of_every_s3op_are_recorded():
    """The longest keys there are, so that inputs do not fit a record."""
    trace, events, facts = run(SERVER, 20, width=900)
    ops, workers = check(trace, events, facts)
    print(f"# {ops} s3ops, {workers} workers")
    assert trace.result.stdout == b"1200\n120\n1\nTrue True\n", trace.result
    assert max(len(e.fields["DATA"]) for e in only(events, "FILE")) > 16384


@case
def a_transient_failure_shows_its_feedback_and_its_retry():
    trace, events, facts = run(SERVER, 12,
                               METAFLOW_S3_TEST_RETRYABLE_FAILURES="50")
    ops, workers = check(trace, events, facts)
    retries = only(events, "FILE", ROLE=b"retry")
    feedback = b"".join(fact["stderr"].encode("latin-1") for fact in facts
                        if MARKER.decode() in fact["stderr"])
    assert retries and feedback, "nothing failed"
    for retry in retries:
        lines = retry.fields["DATA"].splitlines()
        assert lines and all(line in feedback for line in lines)
    print(f"# {ops} s3ops, {workers} workers, {len(retries)} retries")


if __name__ == "__main__":
    with Server() as SERVER:
        main()

#!/usr/bin/env python3
"""One real run for each cause of an end: is the first failure found, and is
its cause told in words a person understands?"""
import functools
import os
import pathlib
import re
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import (TMP, Skip, case, main, record, sessions,  # noqa: E402
                    wait_for)
from mfflow import (PYTHON, Recorded, data, environment,  # noqa: E402
                    need_metaflow, nodes, together)

RUNS = {}
ONCE = "times=1,minutes_between_retries=0"


def cause(name, way, *words, meddle=None, **how):
    """Make a run of cause.py and keep it under its name."""
    run = Recorded(name, "cause", "run", "--way", way, *words, **how)
    if meddle:
        meddle(run)
    RUNS[name] = run.wait()


def kill_once_it_waits(run):
    pid = run.find("step", "start")
    wait_for(lambda: pathlib.Path(f"/proc/{pid}/wchan").exists() and
             "nanosleep" in pathlib.Path(f"/proc/{pid}/wchan").read_text(), 30)
    os.kill(pid, signal.SIGKILL)


def kill_scheduler(run):
    """In the middle of four tasks: two talk, two are quiet."""
    place = TMP / "gone"
    for number in range(4):
        wait_for((place / f"at-{number}").exists, 60)
    os.kill(run.find("run"), signal.SIGKILL)
    for number in 0, 2:
        talker = pathlib.Path("/proc", (place / f"at-{number}").read_text())
        wait_for(lambda gone=talker: not gone.exists(), 30)
    (place / "go").touch()


def scheduler_gone():
    (TMP / "gone").mkdir()
    run = Recorded("gone", "fan", "run", "--width", 4, "--quiet", "1,3",
                   "--place", TMP / "gone", options=("--drain", "60"))
    kill_scheduler(run)
    RUNS["gone"] = run.wait()


def fan():
    (TMP / "fan").mkdir()
    RUNS["fan"] = Recorded("fan", "fan", "run", "--first", 2, "--second", 5,
                           "--place", TMP / "fan", "--max-workers", 8).wait()


def private_venv():
    """An interpreter that a run may remove."""
    real, mine = pathlib.Path(PYTHON).parent.parent, TMP / "venv"
    (mine / "bin").mkdir(parents=True)
    (mine / "lib").symlink_to(real / "lib")
    (mine / "bin/python").symlink_to(os.path.realpath(PYTHON))
    (mine / "pyvenv.cfg").write_text((real / "pyvenv.cfg").read_text())
    return mine / "bin/python"


def interpreter_gone():
    cause("interpreter", "remove_interpreter", python=private_venv())


def gang(name, path):
    RUNS[name] = Recorded(name, "gang", "run",
                          env=environment(PATH=path)).wait()


def gang_without_python():
    (TMP / "empty").mkdir()
    gang("gang", str(TMP / "empty"))


def memory_group(name, mib):
    """A group of processes that may take so much memory, or a reason."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            up = pathlib.Path("/sys/fs/cgroup/memory" + path)
            files = {"memory.limit_in_bytes": mib << 20}
            break
        if not controllers and pathlib.Path(
                "/sys/fs/cgroup" + path, "memory.max").exists():
            up = pathlib.Path("/sys/fs/cgroup" + path).parent
            files = {"memory.max": mib << 20, "memory.swap.max": 0}
            break
    else:
        raise Skip("no memory cgroup")
    group = up / f"mftest-{os.getpid()}-{name}"
    try:
        group.mkdir()
        for file, value in files.items():
            (group / file).write_text(str(value))
    except OSError as why:
        raise Skip(f"cannot make a memory cgroup: {why}") from why
    return group


def joining(group):
    return lambda: (group / "cgroup.procs").write_text(str(os.getpid()))


def remove_group(group):
    try:
        group.rmdir()
    except OSError:
        pass  # the kernel is not done with it yet; it is empty


def out_of_memory():
    try:
        group = memory_group("task", 400)
    except Skip as why:
        RUNS["oom"] = why
        return
    try:
        cause("oom", "take_all_memory", preexec_fn=joining(group))
    finally:
        remove_group(group)


def out_of_memory_elsewhere():
    """Somebody kills the task while the kernel kills another's process."""
    try:
        group = memory_group("other", 100)
    except Skip as why:
        RUNS["elsewhere"] = why
        return

    def kill_and_kill(run):
        kill_once_it_waits(run)
        hungry = "x = []\nwhile True: x.append(b'x' * (8 << 20))"
        other = subprocess.run([sys.executable, "-c", hungry], check=False,
                               preexec_fn=joining(group))
        assert other.returncode == -signal.SIGKILL, other
    try:
        cause("elsewhere", "be_killed_from_outside", meddle=kill_and_kill)
    finally:
        remove_group(group)


def s3op_killed():
    """A server that speaks S3, a run that reads from it, and a killed read."""
    try:
        import_check = subprocess.run([PYTHON, "-c", "import moto, boto3"],
                                      check=False, capture_output=True)
        if import_check.returncode:
            raise Skip("no moto in the virtual environment")
        port, server = start_moto()
    except Skip as why:
        RUNS["s3"] = why
        return
    try:
        RUNS["s3"] = Recorded(
            "s3", "store", "run", "--root", "s3://bucket/here",
            env=environment(METAFLOW_S3_ENDPOINT_URL=f"http://127.0.0.1:{port}",
                            AWS_ACCESS_KEY_ID="testing",
                            AWS_SECRET_ACCESS_KEY="testing",
                            AWS_DEFAULT_REGION="us-east-1",
                            METAFLOW_S3_RETRY_COUNT="1",
                            METAFLOW_S3_TRANSIENT_RETRY_COUNT="0")).wait()
    finally:
        server.kill()
        server.wait()


def start_moto():
    script = (
        "import boto3, sys\n"
        "from moto.server import ThreadedMotoServer\n"
        "server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)\n"
        "server.start()\n"
        "port = server.get_host_and_port()[1]\n"
        "s3 = boto3.client('s3', endpoint_url='http://127.0.0.1:%d' % port,\n"
        "    region_name='us-east-1', aws_access_key_id='testing',\n"
        "    aws_secret_access_key='testing')\n"
        "s3.create_bucket(Bucket='bucket')\n"
        "for key in 'ab':\n"
        "    s3.put_object(Bucket='bucket', Key='here/' + key, Body=b'x')\n"
        "print(port, flush=True)\n"
        "sys.stdin.read()\n")
    server = subprocess.Popen([PYTHON, "-c", script], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    line = server.stdout.readline()
    if not line.strip().isdigit():
        server.kill()
        raise Skip("moto does not start")
    return int(line), server


def record_all():
    """Every run of this file, a few at a time."""
    one = functools.partial
    together(
        fan, scheduler_gone, s3op_killed, interpreter_gone,
        gang_without_python, out_of_memory, out_of_memory_elsewhere,
        one(cause, "fail", "fail"),
        one(cause, "exit_with_5", "exit_with_5"),
        one(cause, "exit_with_0", "exit_with_0"),
        one(cause, "exit_at_once", "exit_at_once"),
        one(cause, "forbid_retry", "forbid_retry"),
        one(cause, "helper", "be_killed_by_helper"),
        one(cause, "outside", "be_killed_from_outside",
            meddle=kill_once_it_waits),
        one(cause, "segv", "read_nowhere"),
        one(cause, "abort", "abort"),
        one(cause, "timeout", "dawdle", "--with", "timeout:seconds=1"),
        one(cause, "start_nothing", "start_nothing"),
        one(cause, "retried", "fail_once", "--with", "retry:" + ONCE),
        one(cause, "always", "fail_always", "--with", "retry:" + ONCE),
        one(cause, "caught", "fail", "--with",
            "catch:var=failure,print_exception=True"),
        one(cause, "sidecar", "lose_sidecar",
            env=environment(METAFLOW_DEFAULT_MONITOR="debugMonitor")),
        one(cause, "warn", "warn"),
        one(cause, "succeed", "succeed"), workers=3)


def run_of(name):
    run = RUNS[name]
    if isinstance(run, Skip):
        raise run
    return run


def answer(name):
    """What is said of a run: its failures as data, and the human text."""
    run = run_of(name)
    document, status = run.data("what-failed")
    text = run.ask("what-failed")
    assert text.returncode == status, (text.returncode, status)
    bad = [f for f in document["failures"] if f["part"] != "no-failure"]
    assert status == (3 if bad else 0), (status, bad)
    assert document["failed"] == len(bad)
    return document["failures"], text.stdout


def of_part(failures, part):
    return [f for f in failures if f["part"] == part]


TABLE = []


def check(name, task, why, text, code=None, signo=None, last="", sender=None):
    """The first failure of a run is this task, for this cause."""
    failures, human = answer(name)
    first, = of_part(failures, "first")
    TABLE.append((name, run_of(name).said(), first["exit"]["text"]))
    assert first["pathspec"].endswith(task), first["pathspec"]
    end = first["exit"]
    assert end["cause"] == why, end
    assert (end["code"], end["signal"]) == (code, signo), end
    assert re.search(text, end["text"]), end["text"]
    assert bool(end["sender"]) == bool(sender), end
    assert first["state"] == ("killed" if signo else "failed")
    assert re.search(last, "\n".join(first["last_stderr"]), re.M), first
    assert first["again"].startswith("cd "), first
    assert " step " in first["again"] and first["again"] in human
    # a person reads the same, before anything else
    head = human.split("\ncollateral")[0].split("\nalso failed")[0]
    assert head.startswith("FIRST FAILURE  ") and task in head.split("\n")[0]
    assert end["text"] in head and re.search(last, head, re.M), head
    # the scheduler failed because of it, and is not to blame
    for other in failures:
        if other["kind"] == "run":
            assert other["part"] == "collateral", other
    return first, failures, human


@case
def all_runs_are_recorded():
    need_metaflow()
    record_all()
    for name, run in RUNS.items():
        if isinstance(run, Recorded):
            assert run.session is not None, name


@case
def an_exception_is_told_with_its_last_line():
    check("fail", "start/1", "exit", "exit status 1: ValueError: shard 7 has no"
          " header", code=1, last=r"ValueError: shard 7 has no header$")


@case
def sys_exit_is_told_with_its_code():
    check("exit_with_5", "start/1", "exit",
          "exit status 5: the licence server said no", code=5,
          last="the licence server said no")


@case
def sys_exit_0_in_a_step_is_a_failure():
    check("exit_with_0", "start/1", "exit",
          r"exit status 0, but the step did not finish.*sys\.exit\(0\)", code=0)


@case
def os_exit_0_is_a_failure():
    check("exit_at_once", "start/1", "exit",
          r"exit status 0, but without a result .*os\._exit", code=0,
          last="leaving by the back door")


@case
def exit_202_is_told_in_words():
    check("forbid_retry", "start/1", "exit",
          "exit status 202, asked Metaflow not to retry", code=202,
          last="the queue refused the job")


@case
def a_recorded_sender_of_a_signal_is_named():
    first, _, human = check("helper", "start/1", "signal",
                            r"killed by SIGKILL sent by pid \d+ \(sh ",
                            signo=9, sender=True)
    tree = run_of("helper").tree("--all")
    sender, = [n for n in nodes(tree) if n["id"] == first["exit"]["sender"]]
    assert sender["argv"][:2] == ["sh", "-c"], sender
    assert "kill -9" in human


@case
def a_signal_from_outside_says_that_its_sender_is_unknown():
    check("outside", "start/1", "signal",
          "killed by SIGKILL; who sent it was not recorded", signo=9,
          last="waiting to be killed")


@case
def a_segmentation_fault_is_called_that():
    check("segv", "start/1", "signal", "segmentation fault", signo=11)


@case
def an_abort_is_called_a_crash():
    check("abort", "start/1", "signal", "SIGABRT", signo=6,
          last="heap: bad block")


@case
def the_kernels_killing_for_memory_is_told_from_others():
    check("oom", "start/1", "oom", "want of memory", signo=9)


@case
def memory_that_ran_out_elsewhere_is_not_blamed():
    check("elsewhere", "start/1", "signal", "who sent it was not recorded",
          signo=9)


@case
def a_timeout_is_told_as_one():
    check("timeout", "start/1", "timeout",
          r"@timeout ended the step: Step start timed out after .* 1 seconds",
          code=1)


@case
def a_program_that_is_missing_is_named():
    first, _, human = check(
        "start_nothing", "start/1", "exit",
        "No such file or directory: '/no/such/program'", code=1)
    below, = [n for n in first["below"] if n["exit"]["cause"] == "exec-failed"]
    assert below["argv"] == ["/no/such/program", "--fast"]
    assert "cannot execute '/no/such/program': No such file" in human


@case
def a_task_that_could_not_be_started_is_to_blame_itself():
    first, _, _ = check("interpreter", "end/2", "exec-failed",
                        "cannot execute '.*/venv/bin/python': No such file",
                        code=255)
    assert first["argv"][2:3] and "end" in first["argv"]


@case
def a_mapper_without_an_interpreter_is_to_blame_and_not_its_control_task():
    _, failures, _ = check("gang", "_node_1", "exec-failed",
                           "cannot execute '.*/python': No such file", code=255)
    control, = [f for f in failures if f["kind"] == "attempt" and
                f["part"] == "collateral"]
    assert "train/" in control["pathspec"]


@case
def the_first_of_eight_is_told_from_the_second_and_from_collateral():
    first, failures, human = check(
        "fan", "work/4", "exit", "exit status 1: ValueError: shard 2 is bad",
        code=1, last="ValueError: shard 2 is bad$")
    assert first["argv"][first["argv"].index("--split-index") + 1] == "2"
    assert first["split_index"] == 2 and "(foreach index 2, pid " in human
    tree = run_of("fan").ask("tree").stdout
    assert re.search(r"work/4 \[2\]  failed .*<- first failure", tree), tree
    also, = of_part(failures, "also")
    assert also["pathspec"].endswith("work/7"), also
    assert also["exit"]["code"] == 7
    killed = [f for f in of_part(failures, "collateral")
              if f["kind"] == "attempt"]
    assert len(killed) == 6, killed
    for one in killed:
        end = one["exit"]
        assert end["cause"] == "orchestrator" and end["signal"] == 9, end
        assert "killed by the scheduler's clean-up" in end["text"]
        scheduler, = [f for f in failures if f["kind"] == "run"]
        assert end["sender"] == str(scheduler["pid"])
    assert human.index("FIRST FAILURE") < human.index("also failed") < \
        human.index("collateral")


@case
def a_killed_scheduler_comes_first_and_its_tasks_are_collateral():
    failures, human = answer("gone")
    first, = of_part(failures, "first")
    TABLE.append(("gone", run_of("gone").said() or "(nothing: it was killed)",
                  first["exit"]["text"]))
    assert first["kind"] == "run" and first["exit"]["signal"] == 9
    assert re.search("killed by SIGKILL; who sent it was not", human)
    tasks = {f["pathspec"].split("/", 2)[2]: f
             for f in of_part(failures, "collateral")
             if f["kind"] == "attempt"}
    # those that talk died of it, those that are quiet did their work
    assert sorted(tasks) == ["work/2", "work/4"], human
    for task in tasks.values():
        assert task["exit"]["cause"] == "parent-death", task["exit"]
        assert "its scheduler was gone" in task["exit"]["text"]
    assert not of_part(failures, "also")
    assert sorted(p.name for p in (TMP / "gone").glob("done-*")) == \
        ["done-1", "done-3"]
    quiet = [n for n in nodes(run_of("gone").tree()) if n["kind"] == "task" and
             n["pathspec"].endswith(("work/3", "work/5"))]
    assert [n["state"] for n in quiet] == ["ok", "ok"], quiet


@case
def what_a_retry_made_good_is_no_failure():
    failures, human = answer("retried")
    one, = [f for f in failures if f["kind"] == "attempt"]
    assert one["part"] == "no-failure" and one["blame"] == "retried"
    assert one["attempt"] == 0 and "not yet" in one["exit"]["text"]
    assert human.startswith("nothing failed in ")
    assert re.search(r"^retried .*start/1@0.*not yet$", human, re.M)
    TABLE.append(("retried", run_of("retried").said(),
                  human.strip().split("\n")[1]))


@case
def of_a_task_that_failed_in_each_attempt_the_last_is_to_blame():
    first, failures, _ = check("always", "start/1", "exit",
                               "RuntimeError: attempt 1 failed too", code=1)
    assert first["attempt"] == 1
    earlier, = of_part(failures, "no-failure")
    assert earlier["blame"] == "retried" and earlier["attempt"] == 0


@case
def what_catch_swallowed_is_no_failure():
    failures, human = answer("caught")
    one, = [f for f in failures if f["kind"] == "attempt"]
    assert one["part"] == "no-failure" and one["blame"] == "caught", one
    assert human.startswith("nothing failed in ")
    assert re.search(r"^caught .*start/1@0.*ValueError: shard 7", human, re.M)
    TABLE.append(("caught", run_of("caught").said(),
                  human.strip().split("\n")[1]))


@case
def a_sidecar_that_died_is_told_and_the_run_did_not_fail():
    failures, human = answer("sidecar")
    one, = failures # the worker, or its first generation when restarted
    assert one["kind"] in ("sidecar", "process"), one
    assert one["part"] == "no-failure"
    assert one["exit"]["signal"] == 9 and one["exit"]["sender"]
    assert human.startswith("nothing failed in ")
    assert re.search(r"^ended badly  sidecar debugMonitor.* of CauseFlow/\d+/"
                     r"start/1@0: killed by SIGKILL sent by pid \d+", human,
                     re.M), human
    TABLE.append(("sidecar", run_of("sidecar").said(),
                  human.strip().split("\n")[1]))


@case
def a_killed_s3_operation_is_told_with_its_sender():
    failures, human = answer("s3")
    found = [n for f in failures for n in (f, *f["below"])
             if n["kind"] == "s3op"]
    assert found and all(n["exit"]["signal"] == 9 for n in found), failures
    task, = [n for n in nodes(run_of("s3").tree("--all"))
             if n["kind"] == "attempt" and
             n["pathspec"].endswith("start/1")]
    assert {n["exit"]["sender"] for n in found} == {str(task["pid"])}
    line = re.search(r"^.*s3op get.*: killed by SIGKILL sent by pid \d+.*$",
                     human, re.M)
    assert line, human
    TABLE.append(("s3", run_of("s3").said(), line[0].strip()))


@case
def a_run_without_failure_alarms_nobody():
    for name in "succeed", "warn":
        failures, human = answer(name)
        assert failures == [], failures
        assert human.startswith("nothing failed in ") and \
            human.count("\n") == 1, human
        assert run_of(name).status == 0
    TABLE.append(("succeed", run_of("succeed").said(), human.strip()))


@case
def the_run_can_be_named():
    run = run_of("fail")
    spec, = [n["pathspec"] for n in nodes(run.tree()) if n["kind"] == "run"]
    for word in spec, spec.split("/")[1]:
        named, status = run.data("what-failed", word)
        assert status == 3 and len(named["failures"]) == 2
    assert run.ask("what-failed", "Other/1").returncode == 4


@case
def a_command_that_is_no_flow_is_told_as_well():
    for words, text, cause_word in (
            (("sh", "-c", "echo no luck >&2; exit 7"), "exit status 7: no luck",
             "exit"),
            (("sh", "-c", "kill -TERM $$"), "ended itself with SIGTERM",
             "signal"),
            (("/no/such", "--flag"), "cannot execute '/no/such': No such file",
             "exec-failed")):
        record(*words, cwd=TMP)
        document, status = data("what-failed", "-s", sessions()[-1])
        first, = document["failures"]
        assert status == 3 and first["part"] == "first", document
        assert text in first["exit"]["text"], first["exit"]
        assert first["exit"]["cause"] == cause_word, first["exit"]
        assert first["again"].startswith(f"cd {TMP} && {words[0]} "), first


if __name__ == "__main__":
    try:
        main()
    finally:
        print("# what Metaflow says / what we say")
        for line in TABLE:
            print("# %-13s | %-45s | %s" % (line[0], line[1][:45], line[2]))

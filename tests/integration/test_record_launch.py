#!/usr/bin/env python3
"""However a program is started, its processes are recorded, and it does what
it does without us.

Each case runs a command twice under strace, unrecorded and recorded. Output
and exit status must be equal to the byte; in the recorded run every process,
every image and every exit that strace saw must stand in the journal: images
with their exact arguments, ends with their exact status.
"""
import collections
import os
import pathlib
import resource
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from mftest import (MFTRACE, TMP, Skip, case, journal, main, only,  # noqa: E402
                    sessions)
from straced import Trace  # noqa: E402

PROGRAMS = pathlib.Path(os.environ["MF_BUILD"]) / "test" / "programs"
LAUNCH = str(PROGRAMS / "launch")
SOURCE = pathlib.Path(__file__).resolve().parents[1] / "programs" / "launch.c"
PYTHON = os.environ["TEST_PYTHON"]
DAMAGE = b"mfrecord"


def is_same(image, argv):
    """Whether an image has these arguments; a script's follow its path."""
    return argv == image.argv or (
        argv[-len(image.argv):] == [image.path] + image.argv[1:] and
        image.argv and image.path.startswith(b"/tmp/"))


class Recorded:
    """A recorded command, its journal and the truth about it."""

    def __init__(self, *command, options=(), **how):
        self.command = command
        self.plain = Trace.of(*command, **how)
        self.trace = Trace.of(MFTRACE, "record", "-q", *options, "--",
                              *command, **how)
        self.events = journal()
        first = only(self.events, "PROC_EXEC", VIA=b"execvp")[0]
        self.root = first.fields["PID"]
        self.recorder = first.pid
        self.pids = self.trace.below(self.root)

    def assert_harmless(self):
        """Output and status are the command's own."""
        want, got = self.plain.result, self.trace.result
        assert got.stdout == want.stdout, (got.stdout[-600:],
                                           want.stdout[-600:])
        assert got.stderr == want.stderr, (got.stderr[-600:],
                                           want.stderr[-600:])
        status = want.returncode
        assert got.returncode == (status if status >= 0 else 128 - status), \
            (got.returncode, status)
        images = collections.Counter(
            tuple(image.argv) for pid in self.plain.execs
            for image in self.plain.execs[pid])
        here = collections.Counter(
            tuple(image.argv) for pid in self.pids
            for image in self.trace.execs[pid])
        assert here == images, (here - images, images - here)

    def images(self, pid):
        """What the journal has of a process's images: argv and if blind."""
        found = []
        for event in self.events:
            if event.type == "PROC_START" and event.pid == pid:
                found.append((event.fields["ARGV"], False))
            elif (event.type == "PROC_EXEC" and "BLIND" in event.fields and
                  event.fields.get("PID") == pid and
                  "ERRNO" not in event.fields):
                found.append((event.fields["ARGV"], True))
        return found

    def missed(self):
        """Images and forks of the truth that the journal has not."""
        missing = []
        known = {event.pid for event in only(self.events, "PROC_FORK")}
        # a child that could not exec is known from the attempt, which
        # posix_spawn makes without telling its pid
        attempts = [e for e in only(self.events, "PROC_EXEC")
                    if "ERRNO" in e.fields]
        known.update(e.fields["PID"] for e in attempts)
        # killed before its first instruction, it is known from its parent
        known.update(e.fields["PID"] for e in only(self.events, "PROC_WAIT")
                     if e.fields["STATUS"] & 127)
        for pid in self.pids:
            have = self.images(pid)
            for image in self.trace.execs[pid]:
                match = [had for had in have if is_same(image, had[0])]
                if match:
                    have.remove(match[0])
                else:
                    missing.append(image.argv)
            if not self.trace.execs[pid] and pid not in known and \
                    pid not in self.nameless():
                missing.append("fork")
        return missing

    def nameless(self):
        """Children of libc's posix_spawn whose exec failed."""
        failed = len([e for e in only(self.events, "PROC_EXEC", PID=0)
                      if "ERRNO" in e.fields])
        known = {e.fields.get("PID", e.pid) for e in self.events}
        return [pid for pid in self.pids if pid not in known and
                self.trace.status[pid] == 127 << 8][:failed]

    def blind(self):
        """Arguments of images that say why they record nothing."""
        return [argv for pid in self.pids for argv, is_blind
                in self.images(pid) if is_blind]

    def wrong_ends(self):
        """Processes whose end the journal does not know, or knows wrong."""
        wrong = []
        for pid in set(self.pids) - set(self.nameless()):
            want = self.trace.status.get(pid)
            waits = [e.fields["STATUS"] for e in self.events
                     if e.type in ("PROC_WAIT", "PROC_REAP") and
                     e.fields["PID"] == pid]
            own = [(e.fields["CODE"] & 255) << 8
                   for e in only(self.events, "PROC_EXIT") if e.pid == pid]
            got = waits or own[-1:]
            # whether a core was written is no news
            if [status & ~0x80 for status in got] != [want]:
                wrong.append((pid, want, got, self.trace.execs[pid]))
        return wrong

    def wrong_parents(self):
        """Forks and first images whose parent is another one than it says."""
        wrong = []
        for event in self.events:
            if event.type not in ("PROC_FORK", "PROC_START"):
                continue
            parent = self.trace.tgid(self.trace.parent.get(event.pid, 0))
            if event.fields["PPID"] != parent and event.type == "PROC_FORK":
                wrong.append((event.pid, event.fields["PPID"], parent))
        return wrong

    def assert_complete(self, missed=(), unknown_ends=0):
        """Everything there is in the journal but what is named."""
        got = self.missed()
        assert collections.Counter(map(str, got)) == \
            collections.Counter(map(str, missed)), got
        wrong = self.wrong_ends()
        assert len(wrong) == unknown_ends, wrong
        assert not self.wrong_parents(), self.wrong_parents()


def check(*command, missed=(), unknown_ends=0, **how):
    """The whole claim for one command."""
    run = Recorded(*command, **how)
    run.assert_harmless()
    run.assert_complete(missed, unknown_ends)
    return run


def launch(name, program=LAUNCH, **how):
    """The claim for a case of launch.c."""
    return check(program, program, name, **how)


def build(name, *compiler):
    """Compile launch.c in another way, or skip."""
    out = TMP / name
    got = subprocess.run([*compiler, "-D_GNU_SOURCE", "-o", str(out),
                          str(SOURCE)], capture_output=True, check=False)
    if got.returncode != 0:
        raise Skip(f"{' '.join(compiler)}: {got.stderr[:80]!r}")
    return str(out)


@case
def c_programs_start_others_in_every_way_of_libc():
    for name in ("popen", "wordexp", "execl", "execlp", "execle",
                 "execv", "execve", "execvp", "execvpe", "fexecve",
                 "execveat", "spawn", "spawnp", "vfork", "fork", "forkpty",
                 "_Fork", "raw-clone", "daemon", "killed", "crash"):
        launch(name)


@case
def system_is_recorded_with_its_shell_and_how_that_ended():
    run = launch("system")
    shells = only(run.events, "PROC_EXEC", VIA=b"system")
    assert len(shells) == 3 and shells[0].fields["PID"] > 0
    launch("system-killed")


@case
def failed_attempts_are_told_with_their_reason():
    run = launch("failures", cwd=str(TMP))
    errors = [e.fields["ERRNO"] for e in only(run.events, "PROC_EXEC")
              if "ERRNO" in e.fields]
    assert errors == [2, 13, 8, 7, 13], errors


@case
def a_search_along_the_path_is_one_record():
    path = ":".join(f"/no/such/place{n}" for n in range(40)) + ":" + \
        os.environ["PATH"]
    run = check(PYTHON, "-c", "import subprocess\n"
                "subprocess.run(['true'])", env=dict(os.environ, PATH=path))
    tries = [e for e in only(run.events, "PROC_EXEC")
             if e.fields["ARGV"] == [b"true"]]
    assert len(tries) <= 2 and tries[-1].fields["TRIES"] >= 40, tries


@case
def raw_system_calls_are_recorded_and_bare_ones_known_from_the_parent():
    launch("raw-fork")
    launch("raw-exec")
    leaf = [b"leaf", LAUNCH.encode(), b"leaf", b"32", b"bare exec\n"]
    launch("bare-exec", missed=[leaf])


@case
def threads_with_the_smallest_stack_start_programs():
    launch("small-stacks")


@case
def many_threads_start_programs_at_once():
    launch("threads")


@case
def closing_every_descriptor_changes_nothing():
    launch("close-all")
    run = launch("reuse", cwd=str(TMP))
    for event in only(run.events, "PIPE_SEND"):
        assert b"secret" not in event.fields["DATA"]


@case
def no_standard_descriptors_are_needed():
    launch("no-std")
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        check("sh", "-c", f"exec {LAUNCH} {LAUNCH} child {closed}")


@case
def python_starts_programs_in_every_way():
    leaf = f"['{LAUNCH}', '{LAUNCH}', 'leaf', '3', 'x']"
    for code in (
            f"subprocess.run({leaf})",
            f"subprocess.run({leaf}, preexec_fn=lambda: None)",
            "subprocess.run('exit 4', shell=True)",
            f"subprocess.run({leaf}, env={{}})",
            f"subprocess.run({leaf}, close_fds=False)",
            f"subprocess.run({leaf}, start_new_session=True)",
            f"subprocess.run({leaf}, cwd='/', stdout=subprocess.DEVNULL)",
            f"print(subprocess.check_output(['sh', '-c', 'echo a; exit 0']))",
            f"os.execv({leaf}[0], {leaf})",
            "os.execvp('true', ['true', 'a'])",
            "os.execlpe('true', 'true', 'a', {})",
            f"print(os.spawnv(os.P_WAIT, {leaf}[0], {leaf}))",
            f"os.waitpid(os.posix_spawn({leaf}[0], {leaf}, {{}}), 0)",
            "os.waitpid(os.posix_spawnp('true', ['true'], os.environ), 0)",
            "print(os.system('exit 3'))",
            "print(os.popen('echo hello').read())",
            "pid = os.fork()\nif not pid: os._exit(7)\nos.waitpid(pid, 0)",
            "pid = os.fork()\nif not pid: sys.exit(7)\nos.wait()",
            "pid = os.fork()\nif not pid: os._exit(7)\n"
            "os.waitid(os.P_PID, pid, os.WEXITED)",
            "pid, fd = os.forkpty()\nif not pid: os._exit(0)\n"
            "os.wait3(0)",
            "try: subprocess.run(['/no/such/program'])\n"
            "except OSError as e: print(e)",
            "try: subprocess.run(['/etc/passwd'])\n"
            "except OSError as e: print(e)"):
        check(sys.executable, "-c", f"import os, subprocess, sys\n{code}")


@case
def asyncio_starts_programs():
    check(sys.executable, "-c", """
import asyncio
async def main():
    one = await asyncio.create_subprocess_exec("sh", "-c", "echo a; exit 3",
                                               stdout=-1)
    print(await one.communicate(), one.returncode)
    two = await asyncio.create_subprocess_shell("echo b", stdout=-1)
    print(await two.communicate(), two.returncode)
asyncio.run(main())""")


@case
def multiprocessing_starts_processes_by_all_its_methods():
    script = TMP / "mp.py"
    script.write_text("""
import multiprocessing, sys
def square(n):
    return n * n
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        print(pool.map(square, range(4)))
""")
    for method in ("fork", "spawn", "forkserver"):
        check(sys.executable, str(script), method)


@case
def an_empty_environment_and_an_isolated_python_are_recorded():
    check("env", "-i", "/bin/sh", "-c", "/bin/true; exit 3")
    check("env", "-i", sys.executable, "-I", "-S", "-E", "-c",
          "import os; print(os.environ)")


@case
def another_user_is_recorded_up_to_where_it_cannot_write():
    if os.geteuid() != 0:
        raise Skip("needs root")
    code = "import subprocess, sys\n" \
           "sys.exit(subprocess.run(['/bin/sh', '-c', '/bin/true; exit 5']," \
           " user='nobody').returncode)"
    run = Recorded("/usr/bin/python3", "-c", code)
    run.assert_harmless()
    assert run.blind() == [[b"/bin/sh", b"-c", b"/bin/true; exit 5"]]
    assert run.missed() == [[b"/bin/true"]], run.missed()
    code = "import os, subprocess\nos.chroot('/usr')\n" \
           "print(subprocess.run(['/bin/true']))"
    run = Recorded("/usr/bin/python3", "-c", code)
    run.assert_harmless()


@case
def the_environment_is_the_users_own_to_the_byte():
    other = TMP / "none.c"
    other.write_text("int mf_none(void);\nint mf_none(void) { return 1; }\n")
    so = str(TMP / "none.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", so, str(other)],
                   check=True)
    for value in (None, "", so, f"{so}:libm.so.6", f"libm.so.6 {so}",
                  f" {so}", f"{so}:", "libm.so.6 libdl.so.2"):
        env = {"A": "1", "PATH": os.environ["PATH"],
               "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"],
               "HOME": os.environ["HOME"]}
        if value is not None:
            env = {"A": "1", "LD_PRELOAD": value, **env, "Z": "2"}
        python = f"{sys.executable} -c 'import os; print(os.environ)'"
        shell = f"{LAUNCH} {LAUNCH} env; {python}; env -u A {python}; " \
                f"LD_PRELOAD={so} {python}; env -i {python}"
        run = check("/bin/sh", "-c", shell, env=env)
        assert DAMAGE not in run.trace.result.stdout


@case
def arguments_of_any_length_are_kept_whole():
    texts = ["x" * 100000, "y z" * 20000, "", "\n", "\xe9\xff" * 50] + \
        [str(n) for n in range(9000)]
    run = check("sh", "-c", "exit 5", *texts)
    assert [argv for argv, _ in run.images(run.root)][0][3:] == \
        [text.encode() for text in texts]


@case
def ten_thousand_variables_are_passed_on():
    env = dict(os.environ, **{f"V{n}": str(n) for n in range(10000)})
    check("sh", "-c", "env | wc -l; exit 5", env=env)
    check(LAUNCH, LAUNCH, "child", env=env)


@case
def an_argument_list_that_just_fits_still_fits():
    """The kernel's limit is a quarter of the stack's; ours must give way."""
    def limit():
        resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20))
    code = """
import os, subprocess
lo, hi = 0, 4000
def fits(n):
    try:
        return subprocess.run(["/bin/true"] + ["x" * 99] * n,
                              env={}).returncode == 0
    except OSError:
        return False
while hi - lo > 1:
    mid = (lo + hi) // 2
    lo, hi = (mid, hi) if fits(mid) else (lo, mid)
room = 0
while subprocess.run(["/bin/sh", "-c", "exit 0"] + ["x" * 99] * (lo - 1) +
                     ["y" * room], env={}).returncode == 0 and room < 60:
    room += 1
print(lo, room)
"""
    got = [subprocess.run([*command, sys.executable, "-c", code],
                          capture_output=True, preexec_fn=limit, check=False,
                          stdin=subprocess.DEVNULL)
           for command in ([], [MFTRACE, "record", "-q", "--"])]
    assert got[0].stdout == got[1].stdout and got[0].stdout, got
    assert got[0].stderr == got[1].stderr, got
    assert [e for e in only(journal(), "PROC_EXEC")
            if b"no room" in e.fields.get("BLIND", b"")]


@case
def scripts_are_as_their_interpreters():
    for number, line in enumerate((
            "#!/bin/sh", f"#!{sys.executable}", "#!/usr/bin/env sh",
            f"#!{LAUNCH} {LAUNCH}", "", "#! /bin/sh -e")):
        script = TMP / f"script{number}"
        script.write_text(f"{line}\nprint = 0\n" if "python" in line
                          else f"{line}\nexit 3\n")
        script.chmod(0o755)
        if line:
            check("sh", "-c", f"{script}; echo $?")
        else:
            # strace shows the failed attempt as ours too: no "#!" at all
            check("sh", "-c", f"{script}; echo $?")
            check("env", str(script))


@case
def static_programs_are_blind_spots_and_their_children_are_not():
    program = build("launch-static", "cc", "-static", "-w")
    leaf = [b"leaf", program.encode(), b"leaf"]
    run = launch("child", program, missed=[leaf + [b"27", b"child\n"]],
                 unknown_ends=1)
    assert len(run.blind()) == 1, run.blind()
    launch("vfork", program, missed=[leaf + [b"18", b"vfork\n"]] * 3,
           unknown_ends=3)
    run = check("sh", "-c", f"{program} {program} leaf 3 x; exit 4")
    assert len(run.blind()) == 1


@case
def musl_programs_are_recorded_too():
    program = build("launch-musl", "musl-gcc", "-w")
    for name in ("execlp", "execle", "execvpe", "fexecve", "spawn", "spawnp",
                 "vfork", "fork", "system", "popen", "killed", "child",
                 "daemon", "env", "small-stacks"):
        launch(name, program)
    run = check(program, program, "leaf", "3", "x\n")
    assert not run.blind()
    code = f"import os; os.execv('{program}', ['{program}', '{program}', " \
           "'env'] + ['x' * 40] * 3000)"
    check(sys.executable, "-c", code)


@case
def sanitized_programs_run_and_are_blind_spots():
    for compiler, name in (("gcc", "address"), ("clang", "address"),
                           ("gcc", "thread"), ("clang", "thread"),
                           ("gcc", "undefined")):
        flags = [f"-fsanitize={name}", "-g", "-w"]
        if name == "thread":
            flags.append("-fPIE")
        try:
            program = build(f"launch-{compiler}-{name}", compiler, *flags)
        except Skip as why:
            print(f"# {why}")
            continue
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
        for test in ("spawn", "fork"):
            run = Recorded(program, program, test, env=env)
            run.assert_harmless()
            if compiler == "gcc" and name != "undefined":
                assert run.blind()[0][2].decode() == test, run.blind()
    dynamic = build("launch-shared-asan", "clang", "-fsanitize=address",
                    "-shared-libsan", "-w")
    where = subprocess.run(["clang", "-print-file-name="
                            "libclang_rt.asan-x86_64.so"], check=True,
                           capture_output=True, text=True).stdout.strip()
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0",
               LD_LIBRARY_PATH=os.path.dirname(where))
    run = Recorded(dynamic, dynamic, "spawn", env=env)
    run.assert_harmless()
    assert run.blind()


@case
def programs_of_32_bit_run_and_are_blind_spots():
    program = build("launch-32", "gcc", "-m32", "-w")
    run = Recorded("sh", "-c", f"{program} {program} spawn; exit 3")
    run.assert_harmless()
    assert [argv[2] for argv in run.blind()] == [b"spawn"], run.blind()


@case
def programs_that_gain_privileges_run_and_are_blind_spots():
    if os.geteuid() != 0:
        raise Skip("needs root")
    program = TMP / "launch-setuid"
    shutil.copy(LAUNCH, program)
    os.chown(program, 65534, 65534)
    program.chmod(0o6755)
    TMP.chmod(0o755)
    run = Recorded("sh", "-c", f"{program} {program} spawn; exit 3")
    run.assert_harmless()
    assert [argv[2] for argv in run.blind()] == [b"spawn"], run.blind()
    # root's own file gives root nothing
    os.chown(program, 0, 0)
    program.chmod(0o6755)
    check("sh", "-c", f"{program} {program} spawn; exit 3")


@case
def a_recorder_within_the_run_has_its_own():
    inner = TMP / "inner"
    run = subprocess.run(
        [MFTRACE, "record", "-q", "--", "sh", "-c",
         f"{MFTRACE} record -q --journal {inner} -- sh -c 'true; exit 3'"],
        capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert run.returncode == 3 and run.stderr == b"", run
    starts = only(journal(sessions(inner)[-1]), "PROC_START")
    assert [e.fields["ARGV"][0] for e in starts][:1] == [b"sh"], starts
    outer = [d for d in sessions() if d.resolve().parent != inner][-1]
    assert [e for e in only(journal(outer), "PROC_EXEC")
            if b"of its own" in e.fields.get("BLIND", b"")]


if __name__ == "__main__":
    main()

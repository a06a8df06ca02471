"""Virtual environments with Metaflow for every Python on the machine.

Made on first use under build/venvs/VERSION and kept; MF_ALL_PYTHONS=1 asks for
all versions, otherwise the oldest, a middle one and the newest.
"""
import fcntl
import os
import pathlib
import re
import subprocess

METAFLOW = "metaflow==2.19.38"
_PLACE = pathlib.Path(os.environ["MF_BUILD"]).parent / "venvs"


def found():
    """(version, program) of every Python >= 3.8, oldest first."""
    programs = [pathlib.Path("/usr/bin/python3")]
    programs += pathlib.Path(os.environ.get("PYENV_ROOT", "/root/.pyenv")) \
        .glob("versions/*/bin/python3")
    versions = {}
    for program in programs:
        got = subprocess.run(
            [str(program), "-c", "import platform, sys\n"
             "print(platform.python_version(), sys.implementation.name)"],
            capture_output=True, text=True, check=False)
        match = re.match(r"(3\.(\d+)\.\d+) cpython$", got.stdout.strip())
        if match and int(match.group(2)) >= 8:
            versions.setdefault(match.group(1), program)
    return sorted(versions.items(),
                  key=lambda item: [int(n) for n in item[0].split(".")])


def chosen():
    """Those to test with."""
    every = found()
    if os.environ.get("MF_ALL_PYTHONS") or len(every) <= 3:
        return every
    return [every[0], every[len(every) // 2], every[-1]]


def _ready(version):
    """The tests' own environment, where it is of that version."""
    python = os.environ.get("TEST_PYTHON", "")
    got = subprocess.run(
        [python, "-c", "import metaflow, platform\n"
         "print(platform.python_version(), metaflow.__version__)"],
        capture_output=True, text=True, check=False) if python else None
    return python if got and got.stdout.split() == [
        version, METAFLOW.partition("==")[2]] else None


def venv(version, program):
    """The interpreter of an environment with Metaflow, or why there is none."""
    if _ready(version):
        return _ready(version), None
    place = _PLACE / version
    stamp = place / ".stamp"
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(_PLACE / f"{version}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text().startswith(METAFLOW):
            return str(place / "bin" / "python"), None
        for command in ([str(program), "-m", "venv", "--clear", str(place)],
                        [str(place / "bin" / "python"), "-m", "pip",
                         "--quiet", "--disable-pip-version-check", "install",
                         METAFLOW]):
            got = subprocess.run(command, capture_output=True, text=True,
                                 check=False)
            if got.returncode != 0:
                lines = (got.stderr or got.stdout).strip().splitlines()
                return None, lines[-1] if lines else "venv failed"
        stamp.write_text(METAFLOW + "\n")
        return str(place / "bin" / "python"), None

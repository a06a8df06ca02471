"""What the integration tests in Python share: cases that print TAP, a way to
run mftrace, and a reader of journals that owes nothing to ours.

The reader follows man/mfjournal.5 as far as a test needs: no checksums, no
repair. A test that finds less than it should fails, which is what is wanted.
"""
import collections
import os
import pathlib
import struct
import subprocess
import sys
import time
import traceback

MFTRACE = os.environ["MFTRACE"]
TMP = pathlib.Path(os.environ["TEST_TMP"])
STATE = pathlib.Path(os.environ["XDG_STATE_HOME"]) / "mfcore" / "sessions"

_cases = []


class Skip(Exception):
    """Raised with the reason for which a case cannot be tried here."""


def case(function):
    """Mark a function as a case; its name is the claim it proves."""
    _cases.append(function)
    return function


def away_from_datastores():
    """Have sessions go to the state directory, whatever lies above us."""
    os.environ["METAFLOW_DATASTORE_SYSROOT_LOCAL"] = str(TMP / "none")


def main():
    """Run every case and print TAP."""
    print(f"1..{len(_cases)}")
    failed = 0
    for number, function in enumerate(_cases, 1):
        name = function.__name__.replace("_", " ")
        try:
            function()
            print(f"ok {number} - {name}", flush=True)
        except Skip as why:
            print(f"ok {number} - {name} # SKIP {why}", flush=True)
        except BaseException:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            print("# " + traceback.format_exc().replace("\n", "\n# "),
                  flush=True)
    sys.exit(1 if failed else 0)


def record(*command, options=("-q",), **how):
    """Run a command recorded; as subprocess.run, with output captured."""
    how.setdefault("stdin", subprocess.DEVNULL)
    how.setdefault("capture_output", True)
    how.setdefault("timeout", 60)
    return subprocess.run([MFTRACE, "record", *options, "--", *command],
                          check=False, **how)


def wait_for(what, timeout=20.0):
    """Wait until what() is true and return what it gave."""
    end = time.monotonic() + timeout
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s for {what}")
        time.sleep(0.005)


def _begun(directory):
    """The clock when a session's first segment was made; 0: not yet."""
    for path in sorted(directory.glob("*.mfj")):
        with open(path, "rb") as file:
            head = file.read(48)
        return struct.unpack_from("<Q", head, 40)[0] if len(head) == 48 else 0
    return 0


def sessions(parent=None):
    """Directories of sessions, oldest first, also within one second."""
    parent = pathlib.Path(parent or STATE)
    found = sorted(parent.iterdir()) if parent.is_dir() else []
    return sorted(found, key=_begun)


_NAMES = {}
_IS_LIST = {}


def _names():
    """Numbers of event.def to its names."""
    if not _NAMES:
        here = pathlib.Path(__file__).resolve().parents[2]
        text = (here / "libmfcore/include/mfcore/event.def").read_text()
        for line in text.splitlines():
            for what in ("MF_EVENT(", "MF_FIELD("):
                if line.startswith(what):
                    name, number, kind = line[len(what):].split(",")[:3]
                    _NAMES[what[3], int(number)] = name.strip()
                    _IS_LIST[name.strip()] = kind.strip() == "LIST"
    return _NAMES


Event = collections.namedtuple("Event", "type time pid tid seq fields")


def _fields(payload, blobs):
    names, fields, at = _names(), {}, 0
    while at + 2 <= len(payload):
        key = struct.unpack_from("<H", payload, at)[0]
        kind, number = key >> 12, key & 0xfff
        at += 2
        if key == 0:
            break
        if kind in (1, 2):
            value = struct.unpack_from("<Q" if kind == 1 else "<q", payload,
                                       at)[0]
            at += 8
        else:
            size = struct.unpack_from("<I", payload, at)[0]
            value = payload[at + 4:at + 4 + size]
            at += 4 + size
            if kind == 5:
                value = (blobs / value[8:24].hex()).read_bytes()
            if _IS_LIST.get(names.get(("F", number))):
                value = value.split(b"\0")[:-1]
        fields[names.get(("F", number), number)] = value
    return fields


def _segment(path):
    data = path.read_bytes()
    block = struct.unpack_from("<I", data, 16)[0]
    while block * 4096 + 64 <= len(data):
        base = block * 4096
        magic, blocks = struct.unpack_from("<II", data, base)
        if magic != 0x4b434643:
            block += 1
            continue
        at, end = base + 64, min(base + blocks * 4096, len(data))
        while at + 32 <= end:
            size, _, when, pid, tid, kind, _, seq = struct.unpack_from(
                "<IIQIIHHI", data, at)
            if not size & 0x80000000:
                break
            size &= 0x7fffffff
            payload = data[at + 32:at + size]
            yield Event(_names().get(("E", kind), kind), when, pid, tid, seq,
                        _fields(payload, path.parent / "blobs"))
            at += size
        block += max(blocks, 1)


def journal(directory=None):
    """Every event of a session, by time; the newest session by default."""
    directory = pathlib.Path(directory or sessions()[-1])
    events = []
    for path in sorted(directory.glob("*.mfj")):
        events.extend(_segment(path))
    return sorted(events, key=lambda event: event.time)


def only(events, kind, **fields):
    """Those of a type whose fields have the values given."""
    return [event for event in events if event.type == kind and all(
        event.fields.get(name) == value for name, value in fields.items())]

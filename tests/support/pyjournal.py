"""A second reader of journals, written from mfjournal(5) alone.

    python pyjournal.py DIR     prints every record, a line each:
                                SEGMENT OFFSET TYPE PID TID SEQ TIME PAYLOAD
"""

import os
import struct
import sys

import xxhash

BLOCK = 4096
COMMIT = 0x80000000
COUNTER = 1
CHUNK_MAGIC = 0x4B434643


def ident_of(data):
    """The identity of a segment, from block 0 or its copy in block 3."""
    for at in (0, 3 * BLOCK):
        raw = data[at : at + 232]
        if len(raw) < 232 or raw[:8] != b"MFJRNL1\n":
            continue
        if xxhash.xxh3_64_intdigest(raw[:224]) != struct.unpack_from("<Q", raw, 224)[0]:
            continue
        names = ("incompatible", "compatible", "head_blocks", "number",
                 "capacity", "seed", "mono_ns", "real_ns")
        ident = dict(zip(names, struct.unpack_from("<IIIIQQQQ", raw, 8)))
        if ident["incompatible"]:
            raise ValueError("written by an incompatible version")
        ident["host"] = raw[120:184].split(b"\0")[0].decode()
        return ident
    return None


def keyed(data, seed, offset):
    return xxhash.xxh3_64_intdigest(data, (seed + offset) % 2**64)


def chunk_blocks(data, at, seed):
    """How many blocks the chunk at `at` has; 0 when its head is not valid."""
    if at + 64 > len(data):
        return 0
    magic, blocks = struct.unpack_from("<II", data, at)
    (total,) = struct.unpack_from("<Q", data, at + 56)
    if magic != CHUNK_MAGIC or not 1 <= blocks <= 16:
        return 0
    return blocks if keyed(data[at + 4 : at + 56], seed, at) == total else 0


def record_at(data, at, end, seed):
    """(size, record) when a committed record stands at `at`, else None."""
    if at + 32 > end:
        return None
    size, total, time, pid, tid, kind, flags, seq = struct.unpack_from(
        "<IIQIIHHI", data, at)
    if not size & COMMIT:
        return None
    size &= ~COMMIT
    if size < 32 or size % 8 or size > end - at:
        return None
    stop = size - 8 if flags & COUNTER else size
    if stop < 32 or keyed(data[at + 8 : at + stop], seed, at) & 0xFFFFFFFF != total:
        return None
    return size, (at, kind, pid, tid, seq, time, data[at + 32 : at + stop])


def records_of(data, seed, head_blocks):
    """Every record of a segment, in the order of the file."""
    at = head_blocks * BLOCK
    while at < len(data):
        blocks = chunk_blocks(data, at, seed)
        end = min(at + max(blocks, 1) * BLOCK, len(data))
        if not blocks:  # no chunk known: search on, block by block
            while end < len(data) and not chunk_blocks(data, end, seed):
                end = min(end + BLOCK, len(data))
        pos = at + 64 if blocks else at
        while pos + 32 <= end:
            found = record_at(data, pos, end, seed)
            if found:
                yield found[1]
            pos += found[0] if found else 8
        at = end


def read(directory):
    for name in sorted(os.listdir(directory)):
        if not name.endswith(".mfj"):
            continue
        with open(os.path.join(directory, name), "rb") as file:
            data = file.read()
        ident = ident_of(data)
        if ident:
            for record in records_of(data, ident["seed"], ident["head_blocks"]):
                yield name, record


if __name__ == "__main__":
    for segment, (offset, *numbers, payload) in read(sys.argv[1]):
        print(segment, offset, *numbers, payload.hex())

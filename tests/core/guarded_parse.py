"""Run as a script: parses messages that end right before an unreadable page, through the C entry points.

Prints one line of JSON. A read beyond the promised 64 bytes, or a write beyond the result, ends it with SIGSEGV.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import random
import sys
from pathlib import Path

from sippx._core import parser

PAGE = mmap.PAGESIZE
PAD = 64
RESULT_BYTES = 16 * PAGE
READ_WRITE = 3
STATUS = {0: "ok", -1: "not_sip", -2: "no_call_id", -3: "keepalive", -4: "too_long"}

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def guarded_pages(n_bytes: int) -> int:
    """Address of the end of n_bytes (whole pages) of memory, behind which nothing can be read."""
    n_pages = -(-n_bytes // PAGE) + 1
    address = libc.mmap(None, n_pages * PAGE, READ_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "mmap")
    if libc.mprotect(address + (n_pages - 1) * PAGE, PAGE, 0):
        raise OSError(ctypes.get_errno(), "mprotect")
    return int(address + (n_pages - 1) * PAGE)


def c_function(name: str) -> ctypes._CFuncPtr:
    """msg_parse as the engine calls it, out of the module's table of C functions."""
    capsule = parser.__pyx_capi__[name]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    pointer = api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)(pointer)


def variants(message: bytes, rng: random.Random) -> list[bytes]:
    """The message, cut short in many places, and damaged."""
    cuts = {rng.randrange(len(message) + 1) for _ in range(30)} | set(range(min(80, len(message))))
    found = [message] + [message[:cut] for cut in sorted(cuts)]
    for _ in range(30):
        damaged = bytearray(message)
        for _ in range(rng.choice((1, 2, 8))):
            damaged[rng.randrange(len(damaged))] = rng.choice(b"\r\n: \t\x00\xffV")
        found.append(bytes(damaged))
    return found


def main(directory: str) -> None:
    """Parse every variant of the messages in a directory three times: padded with three kinds of bytes."""
    msg_parse = c_function("msg_parse")
    rng = random.Random(5)
    end = guarded_pages(65536 + PAD)
    result_end = guarded_pages(RESULT_BYTES)
    result = result_end - RESULT_BYTES
    n_parsed, differing = 0, []
    for path in sorted(Path(directory).glob("*.dat")):
        for message in variants(path.read_bytes(), rng):
            at = end - PAD - len(message)
            ctypes.memmove(at, message, len(message))
            seen = set()
            for padding in (bytes(PAD), b"\n" * PAD, (b"\r\nCall-ID: evil\r\nVia: x\r\n\r\n" * 3)[:PAD]):
                ctypes.memmove(end - PAD, padding, PAD)
                ctypes.memset(result, 0, RESULT_BYTES)
                status = msg_parse(result, at, len(message))
                seen.add((STATUS[status], ctypes.string_at(result, RESULT_BYTES) if status in (0, -2) else b""))
                n_parsed += 1
            if len(seen) > 1:
                differing.append(message.decode("latin-1"))
    print(json.dumps({"n_parsed": n_parsed, "differing": differing[:3]}))


if __name__ == "__main__":
    main(sys.argv[1])

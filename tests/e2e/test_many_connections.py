"""Many connections open at once, a call on each.

SIPPX_MANY_CONNECTIONS=50000 makes it fifty thousand (SIPPX_MANY_RATE of them a second); a machine whose limit of open
files is too low for that can do so in the virtual machine of tests/sctp/machine.py.
"""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest

from .harness import free_port, is_listening, start_sippx, wait_until

N_CONNECTIONS = int(os.environ.get("SIPPX_MANY_CONNECTIONS", "2000"))
RATE = int(os.environ.get("SIPPX_MANY_RATE", "1000"))
N_OTHER_FILES = 300


def resident_bytes(pid: int) -> int:
    """Memory of a living process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def may_open(n_files: int) -> bool:
    """Whether the limit can be raised so far, as sippx does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= n_files:
        return True
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, n_files))
    except (OSError, ValueError):
        return False
    return True


def test_as_many_connections_as_asked_for_are_open_at_once(tmp_path: Path) -> None:
    if not may_open(N_CONNECTIONS + N_OTHER_FILES):
        pytest.skip(f"this process may not have {N_CONNECTIONS + N_OTHER_FILES} files open (ulimit -Hn)")
    port, hold_s = free_port(), N_CONNECTIONS / RATE + 2
    deadline_s = 4 * hold_s + 120
    server = start_sippx(
        tmp_path, "-sn", "uas", "-t", "t1", "-i", "127.0.0.1", "-p", port, "-nostdin", "--json", "server.json",
        "-m", N_CONNECTIONS, "-timeout", f"{deadline_s:.0f}s",
    )  # fmt: skip
    with server:
        wait_until(lambda: is_listening(port), "the server listens")
        before = resident_bytes(server.pid)
        client = start_sippx(
            tmp_path, "-sn", "uac", "-t", "tn", f"127.0.0.1:{port}", "-i", "127.0.0.1", "-nostdin", "--json", "client.json",
            "-m", N_CONNECTIONS, "-l", N_CONNECTIONS, "-r", RATE, "-d", int(hold_s * 1000),
            "-max_socket", N_CONNECTIONS, "-timeout", f"{deadline_s:.0f}s",
        )  # fmt: skip
        with client:
            done = client.wait(deadline_s)
        rose_by = resident_bytes(server.pid) - before if server.is_running() else 0
        assert done.code == 0, done.text
        assert server.wait(deadline_s).code == 0
    results = [json.loads((tmp_path / f"{side}.json").read_text()) for side in ("client", "server")]
    for result in results:
        assert result["calls"]["successful"] == N_CONNECTIONS
        assert result["calls"]["peak"] == N_CONNECTIONS
    assert results[0]["counters"]["connections_opened"] == N_CONNECTIONS
    assert results[1]["counters"]["connections_accepted"] == N_CONNECTIONS
    print(f"{N_CONNECTIONS} connections, {rose_by / N_CONNECTIONS:.0f} bytes each at the server with its call")

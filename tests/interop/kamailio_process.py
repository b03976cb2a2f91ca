"""Kamailio as a child of a test: a registrar and proxy on 127.0.0.1 with its files in a directory of the test's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from e2e.harness import DEADLINE_S, free_port, is_bound, wait_until

_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
KAMAILIO = shutil.which("kamailio", path=_PATH)
KAMCMD = shutil.which("kamcmd", path=_PATH)
CONFIG = Path(__file__).with_name("kamailio") / "kamailio.cfg"


@dataclass(frozen=True)
class Digest:
    """How Kamailio challenges; qop is what its functions take: 0 none, 1 auth, 2 auth-int."""

    algorithm: str = "MD5"
    qop: int = 1


class Kamailio:
    """A running Kamailio; it and its workers are ended when the `with` block is left."""

    def __init__(self, folder: Path, digest: Digest) -> None:
        assert KAMAILIO is not None
        self.folder = folder
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._socket = f"unixs:{folder / 'control'}"
        self._log = (folder / "kamailio.log").open("w+b")
        command = [
            KAMAILIO, "-DD", "-E", "-m", "64", "-M", "4", "-f", str(CONFIG), "-l", f"udp:{self.address}",
            "-Y", str(folder), "-w", str(folder), "-P", str(folder / "kamailio.pid"),
            "-A", f'CONTROL="{self._socket}"', "-A", f'ALGORITHM="{digest.algorithm}"', "-A", f"CHALLENGE={digest.qop}",
        ]  # fmt: skip
        # a group of its own, so that its workers can be ended with it
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, start_new_session=True
        )

    def __enter__(self) -> Kamailio:
        try:
            wait_until(lambda: is_bound(self.port) or self._process.poll() is not None, "Kamailio binds its port", 10.0)
            assert self._process.poll() is None, self.log
            wait_until(lambda: self._statistics("registrar:") is not None, f"Kamailio answers: {self.log}", 10.0)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def log(self) -> str:
        """Everything it printed."""
        return (self.folder / "kamailio.log").read_text(errors="replace")

    def statistic(self, name: str) -> int:
        """A counter of its own, such as "usrloc:location_users"."""
        found = self._statistics(name.partition(":")[0] + ":")
        assert found is not None
        return found[name]

    def _statistics(self, group: str) -> dict[str, int] | None:
        """The counters of a group; None while it does not answer yet."""
        assert KAMCMD is not None
        done = subprocess.run(
            [KAMCMD, "-s", self._socket, "stats.get_statistics", group],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        )  # fmt: skip
        if done.returncode != 0 or " = " not in done.stdout:
            return None
        rows = (line.split(" = ") for line in done.stdout.splitlines() if " = " in line)
        return {name.strip(): int(value) for name, value in rows}

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(DEADLINE_S)
        self._log.close()

"""Kamailio as a child of a test: a registrar and proxy on 127.0.0.1 with its files in a directory of the test's own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from core.certificates import Certificates
from e2e.harness import DEADLINE_S, free_port, is_bound, wait_until

_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
KAMAILIO = shutil.which("kamailio", path=_PATH)
KAMCMD = shutil.which("kamcmd", path=_PATH)
CONFIG = Path(__file__).with_name("kamailio") / "kamailio.cfg"
TLS_DOMAIN = """[{name}]
method = TLSv1.2+
certificate = {certificate}
private_key = {key}
ca_list = {ca}
verify_certificate = {verifies}
require_certificate = {verifies}
"""


@dataclass(frozen=True)
class Digest:
    """How Kamailio challenges; qop is what its functions take: 0 none, 1 auth, 2 auth-int."""

    algorithm: str = "MD5"
    qop: int = 1


def missing_for_connections() -> str | None:
    """What is not installed of what Kamailio needs for TLS and WebSocket; None: nothing."""
    if KAMAILIO is None or KAMCMD is None:
        return "Kamailio is not installed (Debian package kamailio)"
    told = subprocess.run([KAMAILIO, "-I"], capture_output=True, text=True, timeout=DEADLINE_S, check=False).stdout
    found = re.search(r"paths to modules: (\S+)", told)
    folders = [Path(folder) for folder in found[1].split(":")] if found else []
    for module in ("tls", "websocket"):
        if not any((folder / f"{module}.so").exists() for folder in folders):
            return f"Kamailio's module {module} is not installed (Debian package kamailio-{module}-modules)"
    return None


def free_port_for_both() -> int:
    """A port to which neither a UDP nor a TCP socket is bound."""
    for _ in range(100):
        port = free_port()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


class Kamailio:
    """A running Kamailio; it and its workers are ended when the `with` block is left.

    With certificates it has connections, too: address is of UDP, TCP and WebSocket, tls_address of TLS and
    WebSocket over it; at mutual_address it demands a certificate besides. The path of WebSockets is /sip.
    """

    def __init__(self, folder: Path, digest: Digest, certificates: Certificates | None = None) -> None:
        assert KAMAILIO is not None
        self.folder = folder
        self.port = free_port_for_both()
        self.address = f"127.0.0.1:{self.port}"
        self._socket = f"unixs:{folder / 'control'}"
        self._log = (folder / "kamailio.log").open("w+b")
        command = [
            KAMAILIO, "-DD", "-E", "-m", "64", "-M", "4", "-f", str(CONFIG), "-l", f"udp:{self.address}",
            "-Y", str(folder), "-w", str(folder), "-P", str(folder / "kamailio.pid"),
            "-A", f'CONTROL="{self._socket}"', "-A", f'ALGORITHM="{digest.algorithm}"', "-A", f"CHALLENGE={digest.qop}",
            *([] if certificates is None else self._connections(certificates)),
        ]  # fmt: skip
        # a group of its own, so that its workers can be ended with it
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, start_new_session=True
        )

    def _connections(self, certificates: Certificates) -> list[str]:
        """The words for it; writes what TLS is to do."""
        c = certificates
        self.tls_address, self.mutual_address = (f"127.0.0.1:{free_port_for_both()}" for _ in range(2))
        shown = {"certificate": c.server, "key": c.server_key, "ca": c.ca}
        domains = [
            {"name": "server:default", "verifies": "no", **shown},
            {"name": f"server:{self.mutual_address}", "verifies": "yes", **shown},
            {"name": "client:default", "verifies": "yes", "certificate": c.client, "key": c.client_key, "ca": c.ca},
        ]
        file = self.folder / "tls.cfg"
        file.write_text("\n".join(TLS_DOMAIN.format(**domain) for domain in domains))
        listened = (f"tcp:{self.address}", f"tls:{self.tls_address}", f"tls:{self.mutual_address}")
        words = [word for place in listened for word in ("-l", place)]
        return [*words, "-A", "CONNECTIONS=1", "-A", f'TLS_CONFIG="{file}"']

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

    def command(self, *words: object) -> str:
        """What its command interface answers; AssertionError where it refuses."""
        answer = self._command(*words)
        assert answer is not None, (words, self.log)
        return answer

    def _command(self, *words: object) -> str | None:
        assert KAMCMD is not None
        done = subprocess.run(
            [KAMCMD, "-s", self._socket, *map(str, words)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        )  # fmt: skip
        return done.stdout if done.returncode == 0 else None

    def _statistics(self, group: str) -> dict[str, int] | None:
        """The counters of a group; None while it does not answer yet."""
        answer = self._command("stats.get_statistics", group)
        if answer is None or " = " not in answer:
            return None
        rows = (line.split(" = ") for line in answer.splitlines() if " = " in line)
        return {name.strip(): int(value) for name, value in rows}

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(DEADLINE_S)
        self._log.close()

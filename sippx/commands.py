"""Runs the commands of <exec command="..."> actions: started by the shell, never waited for."""

from __future__ import annotations

import os
import subprocess

MAX_RUNNING = 1000
"""Commands that run at the same time at most; further ones are not started, but counted."""


class CommandRunner:
    """Starts commands and collects their ends; call `run` from one thread."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []
        self.n_refused = 0

    def run(self, command: bytes) -> None:
        """Start a command with /bin/sh; its output goes where ours goes."""
        self._running = [process for process in self._running if process.poll() is None]
        if len(self._running) >= MAX_RUNNING:
            self.n_refused += 1
            return
        try:
            self._running.append(subprocess.Popen(["/bin/sh", "-c", os.fsdecode(command)], stdin=subprocess.DEVNULL))
        except (OSError, ValueError):  # no more processes; a NUL in the command
            self.n_refused += 1

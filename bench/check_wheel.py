"""Checks an installed sippx from outside its source tree: the command, the module, the built-ins, one call."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import sippx
from sippx import Options, Scenario
from sippx.runner import Runner, run

INFORMATION = 99


def main() -> None:
    """Exit with a message where something is missing from the wheel."""
    where = Path(sippx.__file__)
    if "site-packages" not in where.parts:
        raise SystemExit(f"sippx was imported from {where}, not from the wheel")
    command = Path(sys.executable).with_name("sippx")
    for words in ([str(command)], [sys.executable, "-m", "sippx"]):
        for flags, expected in ((["-v"], "sippx"), (["-sd", "uac"], "<scenario"), (["-h"], "-sn")):
            done = subprocess.run([*words, *flags], capture_output=True, text=True, check=False)
            if done.returncode != INFORMATION or expected not in done.stdout:
                raise SystemExit(f"{words + flags}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    manual = Path(sys.prefix, "share", "man", "man1", "sippx.1")
    if not manual.is_file():
        raise SystemExit(f"the wheel installed no {manual}")
    server = Runner(Scenario.builtin("uas"), Options(local_ip="127.0.0.1", max_calls=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    remote = f"127.0.0.1:{server.local_port}"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "result.html")
        client = run(
            Scenario.builtin("uac"),
            Options(remote_host=remote, local_ip="127.0.0.1", rate=10, max_calls=1, html_file=str(page)),
        )
        if not page.exists() or "uPlot" not in page.read_text("utf-8"):
            raise SystemExit("the page of --html was not written")
    thread.join()
    if client.n_successful != 1:
        raise SystemExit(client.summary())
    print(f"wheel: {where.parent} works")


if __name__ == "__main__":
    main()

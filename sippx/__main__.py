"""`python -m sippx` and the installed command: the same start for both."""

from __future__ import annotations

import os
import signal
import sys


def _open_standard_descriptors() -> None:
    """Open 0, 1 and 2 where the caller closed them (`<&-`).

    The socket or a log would get the free number otherwise, and be read for keys or written as stderr.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def main() -> None:
    """Run the command and exit with its code; an interrupt while modules are still loading just ends it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _open_standard_descriptors()
    # numpy's linear algebra is not used: without this it starts a thread a core that spins
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from sippx.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()

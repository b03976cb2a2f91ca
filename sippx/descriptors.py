"""The limit of open files: raised as far as it goes, and how many sockets fit below it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from sippx.errors import UsageError

RESERVE = 200
"""Descriptors that are left for files, programs started by scenarios, and plugins."""

_NR_OPEN_DEFAULT = 1024 * 1024


def raise_limit(n_sockets: int) -> int:
    """Raise the soft limit of open files to the hard one, and that, where allowed, to what n_sockets need.

    Returns how many sockets fit: at most n_sockets.
    """
    n_open = _n_open()
    wanted = n_sockets + n_open + RESERVE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _is_less(hard, wanted):
        try:
            highest = min(wanted, _highest_limit())
            if _is_less(hard, highest):
                resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))
                hard = highest
        except (OSError, ValueError):
            pass  # not privileged
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _is_less(soft, wanted):
        soft = wanted if not _is_less(hard, wanted) else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return n_sockets
    return max(min(n_sockets, soft - n_open - _reserve(soft)), 1)


def reserve_sockets(n_given: int | None, default: int, *, is_checked: bool) -> tuple[int, str]:
    """How many sockets may be open at a time, and a note where these are fewer than the default, else "".

    n_given: -max_socket, None where it was not given. is_checked: False (-skip_rlimit) takes the number as it is.
    Raises UsageError, with SIPp's words, where the given number does not fit.
    """
    n_wanted = default if n_given is None else n_given
    n_possible = raise_limit(n_wanted)
    if n_possible >= n_wanted or not is_checked:
        return n_wanted, ""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if n_given is not None:
        raise UsageError(
            f"Maximum number of open sockets ({n_given}) should be less than the maximum number of open files "
            f"({limit}), of which {_reserve(limit)} are kept for other use. Tune this with the `ulimit` command or the "
            "-max_socket option"
        )
    return n_possible, (
        f"at most {n_possible} socket{'s' if n_possible > 1 else ''} will be open at a time instead of {default} "
        f"(-max_socket): this process may have {limit} files open (ulimit -n)"
    )


def _reserve(limit: int) -> int:
    """What is left for other use: of a low limit a quarter."""
    return min(RESERVE, limit // 4)


def _is_less(limit: int, n: int) -> bool:
    return limit != resource.RLIM_INFINITY and limit < n


def _n_open() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    except OSError:
        return 64


def _highest_limit() -> int:
    try:
        return int(Path("/proc/sys/fs/nr_open").read_text())
    except (OSError, ValueError):
        return _NR_OPEN_DEFAULT

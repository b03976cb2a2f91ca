"""The names and addresses of twins in extended 3PCC: the file of -slave_cfg."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sippx.addresses import split_host_port
from sippx.errors import UsageError

DEFAULT_TWIN_PORT = 6060
MAX_TWINS = 1000
_MAX_BYTES = 1 << 20

TwinAddress = tuple[str, int]
"""Host and port."""


def split_twin_address(text: str) -> TwinAddress:
    """Host and port of a twin; UsageError where the text is no address."""
    host, port = split_host_port(text)
    return host, port or DEFAULT_TWIN_PORT


def read_twins(path: str) -> Mapping[str, TwinAddress]:
    """The twins of a file with lines `name;host:port`; lines without a second field are skipped, as in SIPp.

    The first one of a name counts. Raises UsageError for a file that cannot be read or has what is no address.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"Can not open slave_cfg file {path}: {error.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise UsageError(f"slave_cfg file {path} is longer than {_MAX_BYTES} bytes")
    twins: dict[str, TwinAddress] = {}
    for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
        fields = [field.strip() for field in line.split(";")]
        if len(fields) < 2 or not fields[0] or not fields[1]:
            continue
        try:
            twins.setdefault(fields[0], split_twin_address(fields[1]))
        except UsageError as error:
            raise UsageError(f"{path}:{number}: {error}") from None
        if len(twins) > MAX_TWINS:
            raise UsageError(f"{path}:{number}: more than {MAX_TWINS} twins")
    return twins

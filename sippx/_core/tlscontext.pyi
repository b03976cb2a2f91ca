"""Typed view of tlscontext.pyx: what many TLS sessions share, built at start."""

from os import PathLike

VERSIONS: dict[str, int]

class TlsContext:
    def __init__(
        self,
        *,
        is_server: bool,
        certificate: str | PathLike[str] | None = None,
        key: str | PathLike[str] | None = None,
        ca: str | PathLike[str] | None = None,
        crl: str | PathLike[str] | None = None,
        version: str | None = None,
        ciphers: str | None = None,
        pass_phrase: bytes | None = None,
        keylog_fd: int = -1,
        is_resuming: bool = True,
    ) -> None: ...
    @property
    def is_server(self) -> bool: ...
    @property
    def is_verifying(self) -> bool: ...

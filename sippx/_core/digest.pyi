"""Typed view of digest.pyx: digest authentication, as tests and benchmarks drive it."""

class Digest:
    def __init__(self, *, sqn_ms: int | None = None) -> None: ...
    @property
    def checks_sqn(self) -> bool: ...
    @property
    def sqn_ms(self) -> int | None: ...
    def authorization(
        self,
        challenges: list[bytes],
        *,
        username: bytes = b"",
        password: bytes = b"",
        uri: bytes = b"",
        method: bytes = b"REGISTER",
        body: bytes = b"",
        nc: int = 1,
        cnonce: int = 0,
        is_proxy: bool = False,
        prefer_auth: bool = False,
        aka_k: bytes | None = None,
        aka_op: bytes | None = None,
        aka_opc: bytes | None = None,
        aka_amf: bytes | None = None,
        cap: int = 4096,
        repeat: int = 1,
    ) -> bytes: ...
    def verify(
        self, value: bytes, username: bytes, password: bytes, method: bytes, body: bytes = b"", repeat: int = 1
    ) -> bool: ...

def error_texts() -> list[str]: ...

"""Typed view of milenage.pyx: the Milenage functions, as tests drive them."""

def functions(
    k: bytes,
    rand: bytes,
    sqn: bytes,
    amf: bytes,
    *,
    op: bytes | None = None,
    opc: bytes | None = None,
) -> dict[str, bytes]: ...

"""TLS of a run: from options and files to the contexts that connections share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sippx._core.tlscontext import TlsContext
from sippx.errors import StartError
from sippx.options import Options

CERTIFICATE, KEY, PASSWORD = "cacert.pem", "cakey.pem", "ksgr"
"""SIPp's names of the files where none are given, and the pass phrase it has for every key."""

KEYLOG_VARIABLE = "SSLKEYLOGFILE"


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """client: for connections that are made; server: for those accepted, None where there is no certificate."""

    client: TlsContext
    server: TlsContext | None
    notes: tuple[str, ...] = ()


def make_contexts(options: Options, closing: ExitStack, *, is_client: bool) -> TlsContexts:
    """The contexts of a run; `closing` closes the key log.

    A server has to have a certificate, a client shows one where it is named or in SIPp's place. Raises StartError
    with the option and the file that are wrong.
    """
    certificate, key = _files(options, is_client=is_client)
    keylog_fd, notes = _keylog(options, closing)
    contexts = [
        _make(options, is_server, certificate, key, keylog_fd)
        for is_server in (False, True)
        if certificate is not None or not is_server
    ]
    return TlsContexts(contexts[0], contexts[1] if len(contexts) > 1 else None, notes)


def _files(options: Options, *, is_client: bool) -> tuple[str | None, str | None]:
    """Certificate and key: those that were named, SIPp's names for what was not."""
    certificate, key = options.tls_certificate, options.tls_key
    if certificate is None and key is None and is_client and not (Path(CERTIFICATE).exists() and Path(KEY).exists()):
        return None, None
    if key is None:
        # a file may have both
        key = KEY if certificate is None or Path(KEY).exists() else certificate
    return certificate or CERTIFICATE, key


def _make(
    options: Options, is_server: bool, certificate: str | None, key: str | None, keylog_fd: int
) -> TlsContext:
    flags = {options.tls_crl: "-tls_crl", options.tls_ca: "-tls_ca", key: "-tls_key", certificate: "-tls_cert"}
    password = PASSWORD if options.tls_password is None else options.tls_password
    try:
        with _named_errors(flags):
            return TlsContext(
                is_server=is_server,
                certificate=certificate,
                key=key,
                ca=options.tls_ca,
                crl=options.tls_crl,
                version=options.tls_version,
                ciphers=options.tls_ciphers,
                pass_phrase=os.fsencode(password),
                keylog_fd=keylog_fd,
                is_resuming=options.tls_resumption,
            )
    except ValueError as error:
        raise StartError(f"TLS: {error}{_hint(str(error))}") from None


@contextmanager
def _named_errors(flags: dict[str | None, str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise StartError(f"TLS is not available: {error}") from None
        name = str(error.filename)
        flag = flags.get(name, "TLS")
        default = " (where SIPp has it when none is named)" if name in (CERTIFICATE, KEY) else ""
        raise StartError(f"{flag}: cannot read '{name}'{default}: {error.strerror}") from None


def _hint(reason: str) -> str:
    for word, flag in (
        ("pass phrase", "-tls_password"), ("needs the CA", "-tls_ca"), ("cipher", "-tls_ciphers"),
        ("does not offer TLS", "-tls_version"),
    ):  # fmt: skip
        if word in reason:
            return f" ({flag})"
    return ""


def _keylog(options: Options, closing: ExitStack) -> tuple[int, tuple[str, ...]]:
    """The open key log and notes on it; -1 without one."""
    path = options.tls_keylog_file or os.environ.get(KEYLOG_VARIABLE)
    if not path:
        return -1, ()
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if options.tls_keylog_file is None:
            return -1, (f"{KEYLOG_VARIABLE}: cannot write '{path}': {error.strerror}",)
        raise StartError(f"-tls_keylog: cannot write '{path}': {error.strerror}") from None
    closing.callback(os.close, fd)
    return fd, ()

"""From options on TLS to contexts: which files are used, and what is said of those that are of no use."""

from __future__ import annotations

import shutil
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from core.certificates import Certificates
from sippx.errors import StartError
from sippx.options import Options
from sippx.runner.tls import TlsContexts, make_contexts


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)


def contexts(closing: ExitStack, *, is_client: bool = True, **options: Any) -> TlsContexts:
    texts = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    return make_contexts(Options(transport="l1", **texts), closing, is_client=is_client)


def test_a_client_needs_no_certificate(closing: ExitStack) -> None:
    found = contexts(closing)
    assert not found.client.is_server
    assert found.server is None


def test_a_server_needs_one_and_is_told_where_it_was_looked_for(closing: ExitStack) -> None:
    with pytest.raises(StartError, match=r"^-tls_cert: cannot read 'cacert\.pem' \(where SIPp has it .*No such file"):
        contexts(closing, is_client=False)


def test_sipps_files_are_used_where_they_are(closing: ExitStack, certificates: Certificates) -> None:
    shutil.copy(certificates.server, "cacert.pem")
    assert contexts(closing).server is None, "a certificate without a key is of no use to a client"
    shutil.copy(certificates.server_key, "cakey.pem")
    assert contexts(closing).server is not None
    assert contexts(closing, is_client=False).server is not None


def test_a_file_may_have_certificate_and_key(closing: ExitStack, certificates: Certificates) -> None:
    found = contexts(closing, tls_certificate=certificates.both)
    assert found.server is not None
    assert found.server.is_server


def test_the_key_of_sipp_counts_where_only_the_certificate_is_named(closing: ExitStack, certificates: Certificates) -> None:
    shutil.copy(certificates.client_key, "cakey.pem")
    with pytest.raises(StartError, match=r"^TLS: key cakey\.pem does not belong to certificate .*both\.pem"):
        contexts(closing, tls_certificate=certificates.both)


def test_a_key_is_opened_with_sipps_pass_phrase_or_the_one_given(closing: ExitStack, certificates: Certificates) -> None:
    files = {"tls_certificate": certificates.server, "tls_key": certificates.locked_key}
    contexts(closing, **files)
    contexts(closing, **files, tls_password="ksgr")
    with pytest.raises(StartError, match=r"the pass phrase does not fit \(-tls_password\)"):
        contexts(closing, **files, tls_password="wrong")


@pytest.mark.parametrize(
    ("field", "flag"), [("tls_certificate", "-tls_cert"), ("tls_key", "-tls_key"), ("tls_ca", "-tls_ca"), ("tls_crl", "-tls_crl")]
)
def test_a_file_that_cannot_be_read_is_told_with_its_option(
    field: str, flag: str, closing: ExitStack, certificates: Certificates
) -> None:
    files = {"tls_certificate": certificates.server, "tls_key": certificates.server_key, "tls_ca": certificates.ca}
    with pytest.raises(StartError, match=f"^{flag}: cannot read '.*missing.pem': No such file"):
        contexts(closing, **{**files, field: certificates.missing})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tls_certificate": "garbage", "tls_key": "server_key"}, r"certificate .*garbage\.pem cannot be used"),
        ({"tls_certificate": "server", "tls_key": "garbage"}, r"key .*garbage\.pem cannot be used"),
        ({"tls_certificate": "server", "tls_key": "client_key"}, r"does not belong to certificate .*server\.pem"),
        ({"tls_ca": "garbage"}, r"CA file .*garbage\.pem cannot be used"),
        ({"tls_ca": "ca", "tls_crl": "garbage"}, r"CRL file .*garbage\.pem cannot be used"),
        ({"tls_crl": "crl"}, r"needs the CA that it is of \(-tls_ca\)"),
    ],
)
def test_a_file_that_is_of_no_use_is_named(
    options: dict[str, str], says: str, closing: ExitStack, certificates: Certificates
) -> None:
    with pytest.raises(StartError, match=f"^TLS: .*{says}"):
        contexts(closing, **{name: getattr(certificates, value) for name, value in options.items()})


def test_ciphers_that_nobody_knows_are_told_with_the_option(closing: ExitStack) -> None:
    with pytest.raises(StartError, match=r"NONE_SUCH.*\(-tls_ciphers\)"):
        contexts(closing, tls_ciphers="NONE_SUCH")


def test_a_ca_makes_both_sides_verify(closing: ExitStack, certificates: Certificates) -> None:
    files = {"tls_certificate": certificates.server, "tls_key": certificates.server_key}
    for ca, is_verifying in ((None, False), (certificates.ca, True)):
        found = contexts(closing, **files, tls_ca=ca)
        assert found.server is not None
        assert (found.client.is_verifying, found.server.is_verifying) == (is_verifying, is_verifying)


def test_without_a_libssl_that_is_said(closing: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError("no libssl was found")

    monkeypatch.setattr("sippx.runner.tls.TlsContext", refuse)
    with pytest.raises(StartError, match=r"^TLS is not available: no libssl was found"):
        contexts(closing)


def test_the_key_log_is_for_its_owner_and_is_closed_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as closing:
        contexts(closing, tls_keylog_file="keys")
        assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600
        monkeypatch.setenv("SSLKEYLOGFILE", "others")
        contexts(closing)
        assert (tmp_path / "others").exists()
        names = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
        assert str(tmp_path / "keys") in names
    names = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert not {str(tmp_path / "keys"), str(tmp_path / "others")} & set(names)


def test_a_key_log_that_cannot_be_written_ends_the_run_only_where_it_was_asked_for(
    closing: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StartError, match=r"^-tls_keylog: cannot write 'none/keys': No such file"):
        contexts(closing, tls_keylog_file="none/keys")
    monkeypatch.setenv("SSLKEYLOGFILE", "none/keys")
    assert contexts(closing).notes == ("SSLKEYLOGFILE: cannot write 'none/keys': No such file or directory",)

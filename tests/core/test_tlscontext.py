"""Tests of TLS contexts: what is refused at start, and the sentence that says so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from core.certificates import Certificates
from sippx._core.tlscontext import TlsContext

REFUSED: dict[str, tuple[dict[str, str], str]] = {
    # case -> (parameter -> attribute of Certificates, pattern)
    "certificate is none": ({"certificate": "garbage"}, r"certificate \S+garbage.pem cannot be used \(PEM is expected\): no start line"),
    "certificate is a directory": ({"certificate": "folder"}, r"certificate \S+ is a directory"),
    "key is none": ({"certificate": "server", "key": "garbage"}, r"key \S+garbage.pem cannot be used"),
    "key is not in the certificate's file": ({"certificate": "server"}, r"key \S+server.pem cannot be used"),
    "key of another": ({"certificate": "server", "key": "client_key"}, r"key \S+client.key does not belong to certificate \S+server.pem"),
    "key without certificate": ({"key": "server_key"}, r"key \S+server.key needs its certificate"),
    "key is encrypted": ({"certificate": "server", "key": "locked_key"}, r"key \S+locked.key is encrypted, and there is no pass phrase for it"),
    "CA is none": ({"ca": "garbage"}, r"CA file \S+garbage.pem cannot be used"),
    "CA is a directory without hashes": ({"ca": "folder"}, r"CA directory \S+ has no certificates named by their hash"),
    "CRL is none": ({"ca": "ca", "crl": "garbage"}, r"CRL file \S+garbage.pem cannot be used"),
    "CRL without CA": ({"crl": "crl"}, r"CRL file \S+crl.pem needs the CA"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_named_with_the_reason(case: str, certificates: Certificates) -> None:
    parameters, pattern = REFUSED[case]
    with pytest.raises(ValueError, match=pattern):
        TlsContext(is_server=False, **{name: getattr(certificates, value) for name, value in parameters.items()})


@pytest.mark.parametrize("parameter", ["certificate", "key", "ca", "crl"])
def test_a_file_that_is_not_there_is_named(parameter: str, certificates: Certificates) -> None:
    good = {"certificate": certificates.server, "key": certificates.server_key, "ca": certificates.ca}
    with pytest.raises(FileNotFoundError, match=re.escape(str(certificates.missing))):
        TlsContext(is_server=True, **{**good, parameter: certificates.missing})


def test_a_server_needs_a_certificate() -> None:
    with pytest.raises(ValueError, match="a TLS server needs a certificate"):
        TlsContext(is_server=True)


def test_a_client_needs_nothing() -> None:
    context = TlsContext(is_server=False)
    assert not context.is_server and not context.is_verifying


def test_key_and_certificate_may_be_in_one_file(certificates: Certificates) -> None:
    assert TlsContext(is_server=True, certificate=certificates.both).is_server


def test_a_pass_phrase_opens_the_key(certificates: Certificates) -> None:
    TlsContext(is_server=True, certificate=certificates.server, key=certificates.locked_key, pass_phrase=b"ksgr")


@pytest.mark.parametrize("phrase", [b"wrong", b"x" * 5000])
def test_a_wrong_pass_phrase_is_told_from_none(phrase: bytes, certificates: Certificates) -> None:
    with pytest.raises(ValueError, match="is encrypted, and the pass phrase does not fit"):
        TlsContext(is_server=True, certificate=certificates.server, key=certificates.locked_key, pass_phrase=phrase)


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3"])
def test_a_version_that_exists_is_taken(version: str) -> None:
    TlsContext(is_server=False, version=version)


@pytest.mark.parametrize("version", ["1.4", "", "TLSv1.2", "0.0"])
def test_a_version_that_does_not_exist_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match=r"is not one of 1\.0, 1\.1, 1\.2, 1\.3"):
        TlsContext(is_server=False, version=version)


@pytest.mark.parametrize("ciphers", ["NO-SUCH-CIPHER", "TLS_AES_512_GCM_SHA384"])
def test_ciphers_that_do_not_exist_are_refused(ciphers: str) -> None:
    with pytest.raises(ValueError, match=f"ciphers '{ciphers}': no cipher match"):
        TlsContext(is_server=False, ciphers=ciphers)


@pytest.mark.parametrize("ciphers", ["", ":", " , "])
def test_an_empty_list_of_ciphers_is_refused(ciphers: str) -> None:
    with pytest.raises(ValueError, match="the list of ciphers is empty"):
        TlsContext(is_server=False, ciphers=ciphers)


def test_a_certificate_too_weak_for_the_library_says_how_to_let_it_pass(certificates: Certificates, tmp_path: Path) -> None:
    weak: dict[str, Any] = {"certificate": tmp_path / "weak.pem", "key": tmp_path / "weak.key"}
    certificates.command("req", "-x509", "-newkey", "rsa:512", "-nodes", "-keyout", weak["key"], "-out", weak["certificate"],
                         "-subj", "/CN=weak")  # fmt: skip
    with pytest.raises(ValueError, match=r"ee key too small \(a cipher list that ends in :@SECLEVEL=0 lets it pass\)"):
        TlsContext(is_server=True, ciphers="DEFAULT:@SECLEVEL=2", **weak)
    TlsContext(is_server=True, ciphers="DEFAULT:@SECLEVEL=0", **weak)


def test_a_failed_context_leaves_no_error_for_others(certificates: Certificates) -> None:
    for _ in range(3):
        with pytest.raises(ValueError, match="no start line"):
            TlsContext(is_server=False, certificate=certificates.garbage)
    TlsContext(is_server=False, ca=certificates.ca)

"""Tests of whom a TLS session believes: chains, names, dates, lists of what was taken back, on both sides."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from core.certificates import NAME, Certificates
from core.tls_peers import Pair, open_pair, our_client, our_server, pair_of, python_client, python_server
from sippx._core.tls import Owner
from sippx._core.tlscontext import TlsContext

REFUSED: dict[str, tuple[str, dict[str, str], str, str]] = {
    # case -> (certificate of the server, parameters of ours, name, end of the sentence)
    "expired": ("expired", {}, NAME, "its certificate is refused: certificate has expired (error 10, depth 0, /CN=expired)"),
    "of another name": ("named_else", {}, NAME, "its certificate is refused: hostname mismatch (error 62, depth 0, /CN=named_else)"),
    "of another address": ("server", {}, "127.0.0.2", "its certificate is refused: IP address mismatch (error 64, depth 0, /CN=server)"),
    "of another authority": ("stray", {}, NAME, "its certificate is refused: unable to get local issuer certificate (error 20, depth 0, /CN=stray)"),
    "taken back": ("revoked", {"crl": "crl"}, NAME, "its certificate is refused: certificate revoked (error 23, depth 0, /CN=revoked)"),
    "its authority is not ours": ("chained", {"ca": "other_ca"}, NAME, "the certificate 1 above its own is refused: "
                                  "unable to get local issuer certificate (error 20, depth 1, /CN=middle)"),
    "with no list of its authority": ("stray", {"ca": "other_ca", "crl": "crl"}, NAME, "its certificate is refused: "
                                      "unable to get certificate CRL (error 3, depth 0, /CN=stray)"),
}  # fmt: skip


def parameters_of(certificates: Certificates, names: dict[str, str]) -> dict[str, Any]:
    return {name: getattr(certificates, value) for name, value in names.items()}


@pytest.mark.parametrize("case", REFUSED)
def test_a_client_refuses_a_certificate_and_says_which_and_why(case: str, certificates: Certificates) -> None:
    certificate, changes, name, sentence = REFUSED[case]
    ours = our_client(certificates, **parameters_of(certificates, changes))
    with pair_of(ours, python_server(certificates, certificate), name=name) as pair:
        assert pair.handshake() == "failed"
        assert pair.owner.failure() == f"TLS handshake failed: {sentence}"
        assert pair.session.read() == pair.session.write(b"x") == "failed"


@pytest.mark.parametrize(
    ("certificate", "changes", "name"),
    [
        ("server", {}, NAME),
        ("server", {}, NAME.upper()),
        ("server", {}, "127.0.0.1"),
        ("server", {}, "::1"),
        ("server", {"crl": "crl"}, NAME),
        ("revoked", {}, NAME),
        ("chained", {}, NAME),
        ("named_else", {}, ""),
        ("stray", {"ca": "other_ca"}, NAME),
    ],
)
def test_a_client_believes_a_good_certificate(certificate: str, changes: dict[str, str], name: str, certificates: Certificates) -> None:
    ours = our_client(certificates, **parameters_of(certificates, changes))
    theirs = python_server(certificates, certificate)
    with pair_of(ours, theirs, name=name) as pair:
        assert pair.handshake() == "done", pair.owner.failure()


@pytest.mark.parametrize("certificate", ["expired", "named_else", "stray", "revoked"])
def test_a_client_without_authorities_believes_anybody(certificate: str, certificates: Certificates) -> None:
    with open_pair(our_client(certificates, ca=None), python_server(certificates, certificate)):
        pass


def test_a_directory_of_authorities_is_one_too(certificates: Certificates) -> None:
    folder = certificates.folder / "hashed"
    folder.mkdir()
    (folder / "ca.pem").write_text(certificates.ca.read_text())
    certificates.command("rehash", folder)
    with open_pair(our_client(certificates, ca=folder), python_server(certificates)):
        pass


def test_a_file_of_several_authorities_is_taken_whole(certificates: Certificates) -> None:
    bundle = certificates.write("bundle.pem", certificates.other_ca.read_text() + certificates.ca.read_text())
    for certificate in ("server", "stray"):
        with open_pair(our_client(certificates, ca=bundle), python_server(certificates, certificate)):
            pass


def test_a_server_sends_its_chain(certificates: Certificates) -> None:
    with open_pair(our_server(certificates, "chained"), python_client(certificates)):
        pass


def test_a_chain_without_its_middle_is_refused_by_the_peer(certificates: Certificates) -> None:
    ours = TlsContext(is_server=True, certificate=certificates.chained_alone, key=certificates.chained_key)
    with pair_of(ours, python_client(certificates)) as pair:
        assert pair.handshake() == "failed"
        assert isinstance(pair.error, ssl.SSLCertVerificationError)
        assert pair.owner.failure() == "TLS handshake failed: the peer sent alert 48 (unknown ca)"

# --------------------------------------------------------------------------- certificates of clients


def mutual(certificates: Certificates, certificate: str | None, **changes: Any) -> Pair:
    """Our server asks for a certificate; Python's client has that."""
    theirs = python_client(certificates)
    if certificate:
        theirs.load_cert_chain(getattr(certificates, certificate), getattr(certificates, f"{certificate}_key"))
    return Pair(our_server(certificates, ca=certificates.ca, **changes), theirs)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_server_believes_a_good_client(version: str, certificates: Certificates) -> None:
    pair = mutual(certificates, "client", version=version)
    assert pair.handshake() == "done"
    pair.close()


@pytest.mark.parametrize(
    ("certificate", "sentence"),
    [
        (None, "peer did not return a certificate"),
        ("stray", "its certificate is refused: unable to get local issuer certificate (error 20, depth 0, /CN=stray)"),
        ("expired", "its certificate is refused: certificate has expired (error 10, depth 0, /CN=expired)"),
        ("revoked", "its certificate is refused: certificate revoked (error 23, depth 0, /CN=revoked)"),
    ],
)
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_server_refuses_a_client_and_says_why(
    version: str, certificate: str | None, sentence: str, certificates: Certificates
) -> None:
    pair = mutual(certificates, certificate, version=version, crl=certificates.crl)
    assert pair.handshake() == "failed"
    assert pair.owner.failure() == f"TLS handshake failed: {sentence}"
    pair.close()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_client_shows_its_certificate_where_asked(version: str, certificates: Certificates) -> None:
    theirs = python_server(certificates, verify_mode=ssl.CERT_REQUIRED)
    theirs.load_verify_locations(certificates.ca)
    ours = our_client(certificates, version=version, certificate=certificates.client, key=certificates.client_key)
    with open_pair(ours, theirs) as pair:
        shown = pair.peer.tls.getpeercert()
        assert shown is not None and shown["subject"] == ((("commonName", "client"),),)


def test_a_client_without_the_certificate_it_needs_is_told_in_version_1_2(certificates: Certificates) -> None:
    theirs = python_server(certificates, verify_mode=ssl.CERT_REQUIRED)
    theirs.load_verify_locations(certificates.ca)
    with pair_of(our_client(certificates, version="1.2"), theirs) as pair:
        assert pair.handshake() == "failed"
        assert pair.owner.failure() == "TLS handshake failed: the peer sent alert 40 (handshake failure)"


def test_a_client_without_the_certificate_it_needs_is_told_at_the_first_read_in_version_1_3(certificates: Certificates) -> None:
    theirs = python_server(certificates, verify_mode=ssl.CERT_REQUIRED)
    theirs.load_verify_locations(certificates.ca)
    with pair_of(our_client(certificates, version="1.3"), theirs) as pair:
        assert pair.handshake() == "done"
        assert pair.error is not None
        assert pair.session.read() == "failed"
        assert pair.owner.failure() == "TLS session failed: the peer sent alert 116 (certificate required)"


def test_a_failure_is_told_until_the_next_and_not_of_another_session(certificates: Certificates) -> None:
    ours, owner = our_client(certificates), Owner()
    with open_pair(ours, python_server(certificates), owner=owner) as good, pair_of(ours, python_server(certificates, "expired"), owner=owner) as bad:
        assert bad.handshake() == "failed"
        assert good.session.read() == "want read"
        assert "certificate has expired" in owner.failure()
        good.peer.wire.send(b"neither TLS nor SIP")
        assert good.session.read() == "failed"
        assert "certificate has expired" not in owner.failure()

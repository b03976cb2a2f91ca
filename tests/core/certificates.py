"""Certificates for the TLS tests, made with the openssl command: an authority and what it signs, well or not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NAME = "sip.example.test"
"""The host that the good certificates are for, besides 127.0.0.1 and ::1."""

CONFIG = """
[ca]
default_ca = authority
[authority]
dir = {folder}/{authority}
new_certs_dir = $dir
database = $dir/index
serial = $dir/serial
crlnumber = $dir/crlnumber
certificate = $dir.pem
private_key = $dir.key
default_md = sha256
default_crl_days = 30
policy = any
email_in_dn = no
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
[signs]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
[req]
distinguished_name = empty
[empty]
"""


class Certificates:
    """A folder of them; attributes are paths."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = self.authority("ca")
        self.other_ca = self.authority("other_ca")
        self.server, self.server_key = self.issued("server", "ca")
        self.expired, self.expired_key = self.issued("expired", "ca", "-startdate", "200101000000Z", "-enddate", "200201000000Z")
        self.stray, self.stray_key = self.issued("stray", "other_ca")
        self.named_else, self.named_else_key = self.issued("named_else", "ca", names="DNS:other.example.test")
        self.client, self.client_key = self.issued("client", "ca", names="DNS:client.example.test")
        self.chained, self.chained_key = self.behind_an_intermediate()
        self.revoked, self.revoked_key = self.issued("revoked", "ca")
        self.command("ca", "-config", folder / "ca.cnf", "-revoke", self.revoked)
        self.crl = folder / "crl.pem"
        self.command("ca", "-config", folder / "ca.cnf", "-gencrl", "-out", self.crl)
        self.locked_key = folder / "locked.key"
        self.command("ec", "-in", self.server_key, "-aes128", "-passout", "pass:ksgr", "-out", self.locked_key)
        self.both = self.write("both.pem", self.server.read_text() + self.server_key.read_text())
        self.garbage = self.write("garbage.pem", "this is no certificate\n")
        self.missing = folder / "missing.pem"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def command(self, *arguments: str | Path) -> None:
        done = subprocess.run(["openssl", *map(str, arguments), *["-batch"][: arguments[0] == "ca"]], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, f"openssl {arguments[0]}: {done.stderr}"

    def key(self, name: str) -> Path:
        path = self.folder / f"{name}.key"
        self.command("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
        return path

    def request(self, name: str, *arguments: str) -> Path:
        path = self.folder / f"{name}.csr"
        config = self.folder / "ca.cnf"
        self.command("req", "-new", "-config", config, "-key", self.key(name), "-subj", f"/CN={name}", "-out", path, *arguments)
        return path

    def prepare(self, name: str) -> None:
        home = self.folder / name
        home.mkdir()
        (home / "index").touch()
        (home / "serial").write_text("01\n")
        (home / "crlnumber").write_text("01\n")
        self.write(f"{name}.cnf", CONFIG.format(folder=self.folder, authority=name))

    def authority(self, name: str) -> Path:
        self.prepare(name)
        path = self.folder / f"{name}.pem"
        config = self.folder / f"{name}.cnf"
        self.command("req", "-x509", "-new", "-config", config, "-extensions", "signs", "-key", self.key(name), "-days", "30",
                     "-subj", f"/CN={name}", "-out", path)  # fmt: skip
        return path

    def issued(
        self, name: str, by: str, *arguments: str, names: str = f"DNS:{NAME},IP:127.0.0.1,IP:::1"
    ) -> tuple[Path, Path]:
        request = self.request(name, "-addext", f"subjectAltName={names}")
        path = self.folder / f"{name}.pem"
        validity = arguments if "-enddate" in arguments else ("-days", "30", *arguments)
        self.command("ca", "-config", self.folder / f"{by}.cnf", "-notext", "-in", request, "-out", path, *validity)
        return path, self.folder / f"{name}.key"

    def behind_an_intermediate(self) -> tuple[Path, Path]:
        self.prepare("middle")
        request = self.request("middle")
        middle = self.folder / "middle.pem"
        self.command("ca", "-config", self.folder / "ca.cnf", "-notext", "-extensions", "signs", "-days", "30", "-in", request, "-out", middle)
        leaf, key = self.issued("chained_leaf", "middle")
        self.chained_alone = leaf
        return self.write("chained.pem", leaf.read_text() + middle.read_text()), key


def make_certificates(folder: Path) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command, which makes the certificates, is not installed")
    return Certificates(folder)

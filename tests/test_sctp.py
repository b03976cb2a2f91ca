"""Socket options of SCTP against the C compiler's view of linux/sctp.h."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from sippx import sctp
from sippx.sctp import bind_option, sctp_options

_PROGRAM = r"""
#include <stdio.h>
#include <stddef.h>
#include <string.h>
#include <netinet/in.h>
#include <linux/sctp.h>

static void show(const char* name, const void* bytes, size_t n) {
    printf("%s ", name);
    for (size_t i = 0; i < n; i++) printf("%02x", ((const unsigned char*) bytes)[i]);
    printf("\n");
}

int main(void) {
    struct sctp_sndrcvinfo send; struct sctp_assocparams assoc; struct sctp_paddrparams path;
    struct sockaddr_in to4; struct sockaddr_in6 to6;
    memset(&send, 0, sizeof send); memset(&assoc, 0, sizeof assoc); memset(&path, 0, sizeof path);
    memset(&to4, 0, sizeof to4); memset(&to6, 0, sizeof to6);
    send.sinfo_flags = SCTP_UNORDERED;
    assoc.sasoc_asocmaxrxt = 7;
    path.spp_hbinterval = 1234; path.spp_pathmaxrxt = 5; path.spp_pathmtu = 1400;
    path.spp_flags = SPP_HB_ENABLE | SPP_PMTUD_DISABLE;
    to4.sin_family = AF_INET; to4.sin_port = htons(5060); to4.sin_addr.s_addr = htonl(0x7f000002);
    to6.sin6_family = AF_INET6; to6.sin6_port = htons(5060); to6.sin6_addr.s6_addr[15] = 1; to6.sin6_scope_id = 3;
    show("send", &send, sizeof send); show("assoc", &assoc, sizeof assoc); show("path", &path, sizeof path);
    show("to4", &to4, sizeof to4); show("to6", &to6, sizeof to6);
    printf("names %d %d %d %d %d\n", SCTP_ASSOCINFO, SCTP_NODELAY, SCTP_PEER_ADDR_PARAMS, SCTP_DEFAULT_SEND_PARAM,
           SCTP_SOCKOPT_BINDX_ADD);
    return 0;
}
"""


@pytest.fixture(scope="module")
def of_c(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    compiler = shutil.which("gcc")
    if compiler is None or not Path("/usr/include/linux/sctp.h").exists():
        pytest.skip("needs gcc and linux/sctp.h")
    folder = tmp_path_factory.mktemp("sctp")
    (folder / "show.c").write_text(_PROGRAM)
    subprocess.run([compiler, "-o", folder / "show", folder / "show.c"], check=True, timeout=60)
    text = subprocess.run([folder / "show"], capture_output=True, text=True, check=True, timeout=10).stdout
    return {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in text.splitlines()}


def values(**given: object) -> dict[tuple[int, int], bytes]:
    return {(level, name): value for level, name, value in sctp_options(**given)}  # type: ignore[arg-type]


def test_the_structures_are_those_of_the_kernel(of_c: dict[str, str]) -> None:
    found = values(association_max_retrans=7, path_max_retrans=5, heartbeat_ms=1234, path_mtu_bytes=1400)
    assert found[132, sctp.DEFAULT_SEND_PARAM].hex() == of_c["send"]
    assert found[132, sctp.ASSOCINFO].hex() == of_c["assoc"]
    assert found[132, sctp.PEER_ADDR_PARAMS].hex() == of_c["path"]


def test_addresses_are_those_of_the_kernel(of_c: dict[str, str]) -> None:
    assert bind_option(socket.AF_INET, ["127.0.0.2"], 5060)[2].hex() == of_c["to4"]
    assert bind_option(socket.AF_INET6, ["::1"], 5060, 3)[2].hex() == of_c["to6"]
    assert bind_option(socket.AF_INET, ["127.0.0.2", "127.0.0.2"], 5060)[2].hex() == of_c["to4"] * 2


def test_the_numbers_of_the_options_are_those_of_the_kernel(of_c: dict[str, str]) -> None:
    numbers = (sctp.ASSOCINFO, sctp.NODELAY, sctp.PEER_ADDR_PARAMS, sctp.DEFAULT_SEND_PARAM, sctp.BINDX_ADD)
    assert " ".join(map(str, numbers)) == of_c["names"]


def test_what_is_not_given_is_left_to_the_kernel() -> None:
    assert set(values()) == {(132, sctp.NODELAY), (132, sctp.DEFAULT_SEND_PARAM)}


def test_an_ungraceful_close_is_a_linger_of_no_time() -> None:
    assert values(close_gracefully=False)[socket.SOL_SOCKET, socket.SO_LINGER] == struct.pack("ii", 1, 0)

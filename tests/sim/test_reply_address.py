"""Where the calls that a message opens send to."""

from __future__ import annotations

import socket

from sim.link import CLIENT, engine
from sim.ticks import recv, scenario, send
from sippx._core.engine import Engine

PROXY = (int(socket.AF_INET), bytes([127, 0, 0, 9]), 5099)
OPTIONS = (
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\n"
    b"To: <sip:a@b>\r\nCall-ID: one\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


def answered_to(server: Engine) -> list[tuple[int, bytes, int]]:
    server.inject(OPTIONS, CLIENT)
    return [where for _, where in server.take_sent()]


def test_a_server_answers_where_the_message_came_from() -> None:
    assert answered_to(engine(scenario(recv("OPTIONS"), send("200")))) == [CLIENT]


def test_a_server_with_a_sending_address_answers_there() -> None:
    assert answered_to(engine(scenario(recv("OPTIONS"), send("200")), reply_to=PROXY)) == [PROXY]


def test_automatic_answers_go_to_the_sending_address_too() -> None:
    client = engine(scenario(send("INVITE"), recv("200")), auto_answer=True, reply_to=PROXY)
    assert answered_to(client) == [PROXY]

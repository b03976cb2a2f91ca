"""The transcript replaces what varies from run to run and nothing else."""

from __future__ import annotations

from interop.transcript import Facts, transcript

FACTS = Facts(pid=41, port=20001, peer_port=33000, user="alice", password="secret")


def lines(*messages: str) -> list[str]:
    """Lines of all messages as the transcript has them."""
    return [line for message in transcript([message.encode() for message in messages], FACTS)[0] for line in message]


def test_two_runs_of_one_call_have_the_same_transcript() -> None:
    def message(pid: int, port: int, peer: int) -> bytes:
        return (
            f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{pid}-1-0\r\nTo: <sip:a@127.0.0.1:{peer}>\r\n"
            f"From: <sip:b@h>;tag={pid}SIPpTag001\r\nCall-ID: 1-{pid}@127.0.0.1"
        ).encode()

    first = transcript([message(41, 20001, 33000)], FACTS)
    assert first == transcript([message(977, 25000, 40000)], Facts(977, 25000, 40000))


def test_equal_branches_keep_one_name_and_others_get_another() -> None:
    assert lines("a z9hG4bK-41-1-0", "b z9hG4bK-41-1-3", "c z9hG4bK-41-1-0", "d z9hG4bK-41-1--1") == [
        "a BRANCH1", "b BRANCH2", "c BRANCH1", "d BRANCH3",
    ]  # fmt: skip


def test_numbers_that_merely_contain_a_port_stay() -> None:
    assert lines("20001 120001 200012 20501 19501 33000") == ["PORT 120001 200012 PORT+500 PORT-500 PEER"]


def test_media_ports_are_relative_to_the_first() -> None:
    assert lines("m=audio 6004 RTP\r\nm=video 6006 RTP", "m=audio 6000 RTP") == [
        "m=audio MEDIA+0 RTP", "m=video MEDIA+2 RTP", "m=audio MEDIA-4 RTP",
    ]  # fmt: skip


def test_a_digest_is_judged_and_its_nonce_named() -> None:
    fields = 'username="alice",realm="r",cnonce="{}",nc=00000001,qop=auth,uri="sip:x",nonce="n",response="{}"'
    right = "809e99094e416116aedd89686836cedf"
    text = "REGISTER sip:x SIP/2.0\r\nAuthorization: Digest " + fields.format("c", right)
    assert 'cnonce="CNONCE1"' in lines(text)[1]
    assert 'response="WRONG"' in lines(text.replace(right, "0" * 32))[1]
    assert 'response="RIGHT"' in lines(text)[1]


def test_dates_and_marked_headers_lose_their_numbers() -> None:
    assert lines("Date: Mon, 23 Nov 2026 04:59:49 GMT\r\nX-Varies-Clock: 1234\r\nX-Clock: 1234") == [
        "Date: DATE", "X-Varies-Clock: N", "X-Clock: 1234",
    ]  # fmt: skip

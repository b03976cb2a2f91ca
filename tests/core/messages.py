"""SIP messages for the core's tests: the stock call's, odd ones, and Hypothesis strategies."""

from __future__ import annotations

from hypothesis import strategies as st

INVITE = (
    b"INVITE sip:service@127.0.0.1:5060 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-1234-1-0\r\n"
    b"From: sipp <sip:sipp@127.0.0.1:5061>;tag=1234SIPpTag001\r\n"
    b"To: service <sip:service@127.0.0.1:5060>\r\n"
    b"Call-ID: 1-1234@127.0.0.1\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Contact: sip:sipp@127.0.0.1:5061\r\n"
    b"Max-Forwards: 70\r\n"
    b"Subject: Performance Test\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length:    21\r\n\r\n"
    b"v=0\r\no=user1\r\ns=-\r\nx\r\n"
)

NAMES = [
    b"Via", b"v", b"From", b"f", b"To", b"t", b"Call-ID", b"i", b"CSeq", b"Contact", b"m", b"Content-Length", b"l",
    b"Content-Type", b"c", b"Content-Encoding", b"e", b"Record-Route", b"Route", b"Max-Forwards", b"Expires",
    b"Subject", b"s", b"WWW-Authenticate", b"Proxy-Authenticate", b"Authorization", b"Proxy-Authorization",
    b"User-Agent", b"Allow", b"Supported", b"X", b"Content-Disposition", b"P-Asserted-Identity",
]  # fmt: skip
"""Header names, known and unknown, full and compact."""

values = st.lists(
    st.sampled_from([b"a", b"<sip:a@b;x=1>", b";tag=1", b'"x<y"', b" ", b"1", b"INVITE", b"\xc3\xa9", b",", b":", b"///"]),
    max_size=6,
).map(b"".join)
blanks = st.sampled_from([b"", b" ", b"\t", b"  "])
line_ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])


@st.composite
def header_lines(draw: st.DrawFn) -> bytes:
    """One header field with its line end: any case, blanks around the colon, sometimes folded."""
    name = draw(st.sampled_from(NAMES))
    name = draw(st.sampled_from([name, name.upper(), name.lower()]))
    end = draw(line_ends)
    fold = end + draw(st.sampled_from([b" ", b"\t"])) + b"more" if draw(st.integers(0, 9)) == 0 else b""
    return name + draw(blanks) + b":" + draw(blanks) + draw(values) + fold + end


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message as a peer might write it, with or without an empty line and body."""
    start = draw(
        st.sampled_from([b"INVITE sip:a@b SIP/2.0", b"SIP/2.0 200 OK", b"SIP/2.0 180 ", b"REGISTER sip:x SIP/2.0", b"FOO x SIP/2.0"])
    )
    lines = draw(st.lists(header_lines(), max_size=8))
    call_id = b"Call-ID: x1@y\r\n"
    lines.insert(draw(st.integers(0, len(lines))), call_id)
    ending = draw(st.sampled_from([b"\r\n", b"\r\nbody", b"\r\nv=0\r\n\r\nx", b"", b"\n"]))
    return start + draw(line_ends) + b"".join(lines) + ending

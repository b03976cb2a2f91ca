"""Framing the stock call's messages on a byte stream, and carrying them in WebSocket frames."""

from __future__ import annotations

from functools import partial

from stock import UAC_INVITE, UAS_180, stock_call
from timing import Row, Table, print_tables, repeated

from sippx._core.stream import bench_frames
from sippx._core.websocket import Endpoint, bench_receive, bench_send

N_PIPELINED = 10
OPCODE_TEXT, OPCODE_BINARY = 1, 2


def measure() -> Table:
    """INVITE and 180 on a stream; the INVITE in frames of both directions."""
    uac, uas = stock_call()
    invite, ringing = uac[UAC_INVITE].render(), uas[UAS_180].render()
    rows: list[Row] = []
    for name, data in (("INVITE", invite), ("180", ringing)):
        for how, read_bytes in ((f"{N_PIPELINED} a read", 0), ("in reads of 100 bytes", 100)):
            work = partial(bench_frames, data * N_PIPELINED, read_bytes=read_bytes)
            rows.append(repeated(f"frame {name}, {len(data)} bytes, {how}", work, n_in_one=N_PIPELINED))
    for name, opcode in (("binary", OPCODE_BINARY), ("text", OPCODE_TEXT)):
        for side, is_client in (("server", False), ("client", True)):
            frame = Endpoint(is_client=not is_client).frame(opcode, invite)
            assert frame is not None
            # a mask comes off a second time as it went on: a text would not stay one
            if opcode == OPCODE_BINARY or is_client:
                rows.append(repeated(f"{side} takes {name} INVITE", partial(bench_receive, frame, is_client=is_client)))
    for side, is_client in (("server", False), ("client", True)):
        rows.append(repeated(f"{side} writes INVITE", partial(bench_send, invite, is_client=is_client)))
    return Table("stream", rows, "a client masks and a server unmasks; a text is checked to be UTF-8")


if __name__ == "__main__":
    print_tables([measure()])

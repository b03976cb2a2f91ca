"""Route sets (rrs): order by request and response, loose and strict routers, targets from contacts."""

from __future__ import annotations

import pytest

from sim.language import LONG, client, complaints, given_back, log, logged, nop, recv_doing, run
from sim.ticks import Ticks, recv, request, response, scenario, send
from sippx._core.codes import Complaint

SHOWN = nop(log("[next_url] [routes]"))


def as_client(*messages: str, steps: str = "200") -> list[str]:
    """What [next_url] and [routes] expand to after each response with these header fields."""
    elements = [part for _ in messages for part in (recv(steps, "rrs='true'"), SHOWN)]
    ticks = run(client(*elements)).until(2)
    for more in messages:
        ticks.receive(response(200, "OPTIONS", more=more))
    assert ticks.counts("successful_calls") == [1]
    return logged(ticks)


def as_server(more: str) -> str:
    ticks = run(scenario(recv("OPTIONS", "rrs='true'"), SHOWN, send("200")))
    ticks.receive(request("OPTIONS", more=more))
    (shown,) = logged(ticks)
    return shown


def contact(text: str) -> str:
    return f"Contact: {text}\r\n"


def record_route(*lines: str) -> str:
    return "".join(f"Record-Route: {line}\r\n" for line in lines)


HERE = contact("<sip:c@here>")


@pytest.mark.parametrize(
    ("lines", "in_order"),
    [
        (("<sip:p1;lr>",), "<sip:p1;lr>"),
        (("<sip:p1;lr>, <sip:p2;lr>",), "<sip:p1;lr>, <sip:p2;lr>"),
        (("<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>"), "<sip:p1;lr>, <sip:p2;lr>, <sip:p3;lr>"),
        (("<sip:p1;lr>,<sip:p2;lr>", "<sip:p3;lr>"), "<sip:p1;lr>, <sip:p2;lr>, <sip:p3;lr>"),
        (('"a, b" <sip:p1;lr>', "<sip:p2;lr;x=a,b>"), '"a, b" <sip:p1;lr>, <sip:p2;lr;x=a,b>'),
        (('"q\\"," <sip:p1;lr>, ,<sip:p2;lr>',), '"q\\"," <sip:p1;lr>, <sip:p2;lr>'),
        (("<sip:p1;LR>;x", "  <sip:p2;lr=on>  "), "<sip:p1;LR>;x, <sip:p2;lr=on>"),
    ],
)
def test_request_keeps_the_order_and_a_response_turns_it_round(lines: tuple[str, ...], in_order: str) -> None:
    assert as_server(HERE + record_route(*lines)) == f"sip:c@here Route: {in_order}"
    entries = in_order.split(", <") if '"' not in in_order else None
    if entries is not None:
        turned = ", ".join(("<" + e if not e.startswith("<") else e) for e in reversed(entries))
        assert as_client(HERE + record_route(*lines)) == [f"sip:c@here Route: {turned}"]


def test_compact_and_odd_spellings_of_record_route_count() -> None:
    assert as_server(HERE + "record-route : <sip:p1;lr>\r\nRECORD-ROUTE:<sip:p2;lr>\r\n") == (
        "sip:c@here Route: <sip:p1;lr>, <sip:p2;lr>"
    )


def test_folded_record_route_is_one_field() -> None:
    shown = as_server(HERE + "Record-Route: <sip:p1;lr>,\r\n <sip:p2;lr>\r\n")
    assert shown.startswith("sip:c@here Route: <sip:p1;lr>, ")
    assert shown.endswith("<sip:p2;lr>")


def test_strict_router_becomes_the_target_and_the_peer_the_last_route() -> None:
    assert as_server(HERE + record_route("<sip:p1>", "<sip:p2;lr>")) == "sip:p1 Route: <sip:p2;lr>, <sip:c@here>"
    assert as_client(HERE + record_route("<sip:p1;lr>", "<sip:p2>")) == ["sip:p2 Route: <sip:p1;lr>, <sip:c@here>"]
    assert as_server(HERE + record_route("<sip:p1>")) == "sip:p1 Route: <sip:c@here>"


def test_strict_router_behind_a_loose_one_stays_in_the_route() -> None:
    assert as_server(HERE + record_route("<sip:p1;lr>", "<sip:p2>")) == "sip:c@here Route: <sip:p1;lr>, <sip:p2>"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("<sip:c@here>", "sip:c@here"),
        ("<sip:c@here;transport=udp>;expires=30", "sip:c@here;transport=udp"),
        ('"Display, Name" <sip:c@here>;q=0.5', "sip:c@here"),
        ("Name <sip:c@here>", "sip:c@here"),
        ('<sip:c@here;x>;+sip.instance="<urn:uuid:1>"', "sip:c@here;x"),
        ("sip:c@here", "sip:c@here"),
        ("sip:c@here;expires=30", "sip:c@here"),
        ("  sip:c@here  ", "sip:c@here"),
        ("<sip:c@here>, <sip:d@there>", "sip:c@here"),
        ("sip:c@here, sip:d@there", "sip:c@here"),
    ],
)
def test_target_is_the_uri_of_the_first_contact(text: str, target: str) -> None:
    assert as_server(contact(text)).rstrip() == target
    assert as_client(contact(text))[0].rstrip() == target


def test_compact_contact_is_one() -> None:
    assert as_server("m: <sip:c@here>\r\n").rstrip() == "sip:c@here"


def test_route_set_is_kept_once_and_the_target_with_it() -> None:
    first = HERE + record_route("<sip:p1;lr>")
    assert as_client(first, contact("<sip:other>") + record_route("<sip:p9;lr>")) == ["sip:c@here Route: <sip:p1;lr>"] * 2


def test_target_is_refreshed_while_there_is_no_route_set() -> None:
    shown = as_client(HERE, contact("<sip:new>"), contact("<sip:newer>") + record_route("<sip:p1;lr>"))
    assert shown == ["sip:c@here ", "sip:new ", "sip:newer Route: <sip:p1;lr>"]


def test_message_without_contact_is_a_warning_and_changes_nothing() -> None:
    elements = (recv("180", "rrs='true'"), SHOWN, recv("200", "rrs='true'"), SHOWN)
    ticks = run(client(*elements)).until(2)
    ticks.receive(response(180, "OPTIONS", more=HERE + record_route("<sip:p1;lr>")))
    ticks.receive(response(200, "OPTIONS"))
    assert logged(ticks) == ["sip:c@here Route: <sip:p1;lr>"] * 2
    ticks = run(client(recv("200", "rrs='true'"), SHOWN)).until(2)
    ticks.receive(response(200, "OPTIONS"))
    assert ticks.counts("warnings", "successful_calls") == [1, 1]
    assert complaints(ticks) == [Complaint.COMPLAINT_NO_CONTACT]


def test_without_rrs_the_target_is_the_last_to_and_there_are_no_routes() -> None:
    ticks = run(client(recv("200"), SHOWN)).until(2)
    ticks.receive(response(200, "OPTIONS", more=HERE + record_route("<sip:p1;lr>")))
    assert logged(ticks) == ["sip:callee@there;p=1 "]


def test_actions_of_the_recv_still_see_the_routes_before() -> None:
    text = client(recv_doing("200", log("([routes])"), attributes="rrs='true'"), SHOWN)
    ticks = run(text).until(2)
    ticks.receive(response(200, "OPTIONS", more=HERE + record_route("<sip:p1;lr>")))
    assert logged(ticks) == ["()", "sip:c@here Route: <sip:p1;lr>"]


def test_line_of_an_empty_route_set_is_left_out_of_the_message() -> None:
    text = client(recv("200", "rrs='true'"), send("BYE").replace("Call-ID:", "[routes]\nCall-ID:"))
    for routes, line in ((record_route("<sip:p1;lr>"), b"\r\nRoute: <sip:p1;lr>\r\n"), ("", None)):
        ticks = run(text).until(2)
        (bye,) = ticks.receive(response(200, "OPTIONS", more=HERE + routes))
        assert (line in bye) if line else (b"Route" not in bye and b"\r\n\r\n" not in bye[:-4])


def test_more_entries_than_are_kept_do_not_hurt() -> None:
    shown = as_server(HERE + record_route(*(f"<sip:p{i};lr>" for i in range(100))))
    assert shown.startswith("sip:c@here Route: <sip:p0;lr>, <sip:p1;lr>")
    assert shown.count("<sip:p") == 64
    assert as_server(HERE + record_route(*(f"<sip:p{i}>" for i in range(100)))).count("sip:p") == 64


@pytest.mark.parametrize(
    "line", ["", ",", ", ,", "<", '"', '"\\', "<sip:p1;lr", ">", ";lr", "l", "<>", "<>;lr", "sip:p1", "sip:p1;lr"]
)
def test_odd_record_route_leaves_the_call_alive(line: str) -> None:
    as_server(HERE + record_route(line))
    as_client(HERE + record_route(line))


@pytest.mark.parametrize("line", ["", "<", '"', '"\\', "<sip:c", ">", "*", "<>", ";", ";x"])
def test_odd_contact_leaves_the_call_alive(line: str) -> None:
    as_server(contact(line) + record_route("<sip:p1>"))
    as_client(contact(line) + record_route("<sip:p1>"))


def test_routes_and_targets_of_ended_calls_are_given_back() -> None:
    text = client(recv("180", "rrs='true'"), recv("200", "rrs='true'"), SHOWN)

    def exchange(ticks: Ticks, number: int) -> None:
        ticks.until(ticks.now_ms + 1)
        ticks.receive(response(180, "OPTIONS", number=number, more=contact(f"<sip:{LONG}>")))
        more = contact(f"<sip:c{LONG}>") + record_route(f"<sip:{LONG};lr>")
        ticks.receive(response(200, "OPTIONS", number=number, more=more))

    given_back(lambda **more: run(text, **more), exchange)

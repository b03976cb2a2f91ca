"""Which step takes a message: the interpreter against the slow twin, on scenarios and traffic made at random."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reference.matching import find_match
from reference.sip_message import parse_message
from sim.ticks import Ticks, recv, request, response, scenario, send
from sippx._core.codes import StepFlag, StepKind

CODES = ("100", "180", "200")
METHODS = ("INVITE", "BYE", "INFO", "ACK")


@st.composite
def groups(draw: st.DrawFn) -> list[str]:
    """Optional receives and the mandatory one that must follow them."""
    what = st.sampled_from(CODES + METHODS[1:])
    optional = st.sampled_from(["optional='true'", "optional='true'", "optional='global'"])
    keep = st.sampled_from(["", "", "", " advance_state='false'"])
    found = [recv(draw(what), draw(optional) + draw(keep)) for _ in range(draw(st.integers(0, 3)))]
    return [*found, recv(draw(what))]


@st.composite
def client_scenarios(draw: st.DrawFn) -> str:
    """A client that sends and receives at random and now and then skips forward."""
    parts: list[str] = [send("INVITE")]
    n_labels = draw(st.integers(0, 2))
    for index in range(draw(st.integers(1, 5))):
        parts += draw(groups())
        parts += [send(draw(st.sampled_from(METHODS))) for _ in range(draw(st.integers(0, 2)))]
        if index < n_labels:
            skip = f" next='{index}'"
            parts.append(draw(st.sampled_from(["<nop/>", f"<nop{skip}/>"])))
            parts += draw(groups())
            parts.append(f"<label id='{index}'/>")
    parts += draw(groups())
    parts.append("<pause milliseconds='1'/>")
    return scenario(*parts)


@st.composite
def traffic(draw: st.DrawFn) -> list[bytes]:
    """Messages that the scenario may or may not wait for; CSeq methods vary."""
    found = []
    for number in range(draw(st.integers(1, 14))):
        what = draw(st.sampled_from(CODES + METHODS))
        if what.isdigit():
            found.append(response(int(what), draw(st.sampled_from(METHODS)), cseq=draw(st.integers(1, 4))))
        else:
            found.append(request(what, cseq=number + 1))
    return found


@dataclass
class Model:
    """A call as the language describes it: where it is, and what each step has counted."""

    spec: Any
    position: int = 0
    cseq: int = 0
    messages: list[int] = field(default_factory=list)
    unexpected: list[int] = field(default_factory=list)
    repeated_acks: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        n_steps = len(self.spec.steps)
        self.messages, self.unexpected, self.repeated_acks = ([0] * n_steps for _ in range(3))
        self.run()

    @property
    def is_over(self) -> bool:
        return self.spec.steps[self.position]["kind"] == StepKind.STEP_PAUSE

    def run(self) -> None:
        """Execute steps until the next receive, or the pause that ends every scenario here."""
        while self.spec.steps[self.position]["kind"] in (StepKind.STEP_SEND, StepKind.STEP_NOP):
            step = self.spec.steps[self.position]
            self.messages[self.position] += step["kind"] == StepKind.STEP_SEND
            self.cseq += bool(step["flags"] & StepFlag.STEP_RAISES_CSEQ)
            self.position = int(step["next"]) if step["next"] >= 0 else self.position + 1
        if self.is_over:
            self.messages[self.position] += 1

    def receive(self, data: bytes) -> None:
        message = parse_message(data)
        match find_match(self.spec, self.position, message, self.cseq):
            case "recv", index:
                self.messages[index] += 1
                self.cseq = max(self.cseq, message.cseq_number if message.method else 0)
                if not self.spec.steps[index]["flags"] & StepFlag.STEP_KEEP_STATE:
                    self.position = index + 1
                    self.run()
            case "ack", index:
                self.repeated_acks[index] += 1
            case _:
                self.unexpected[self.position] += 1


@settings(max_examples=400, deadline=None)
@given(client_scenarios(), traffic())
def test_messages_find_the_step_that_the_twin_names(text: str, messages: list[bytes]) -> None:
    # nothing aborts and nothing is taken for a repetition: every message is matched
    ticks = Ticks.of(text, behaviors=0, detect_retrans=False, bindings={"retransmissions_enabled": False}).until(1)
    model = Model(ticks.engine.program.spec)
    for data in messages:
        ticks.receive(data)
        model.receive(data)
        assert [row[0] for row in ticks.steps] == model.messages
        assert [row[3] for row in ticks.steps] == model.unexpected
        assert [row[1] for row in ticks.steps] == model.repeated_acks


def at_first_receive(*elements: str) -> Ticks:
    return Ticks.of(scenario(send("INVITE"), *elements), behaviors=0).until(1)


def test_optional_receives_may_be_skipped() -> None:
    ticks = at_first_receive(recv("100", "optional='true'"), recv("180", "optional='true'"), recv("200"), send("ACK"))
    ticks.receive(response(200))
    assert [row[0] for row in ticks.steps] == [1, 0, 0, 1, 1]


def test_passed_optional_receive_still_takes_its_message() -> None:
    ticks = at_first_receive(recv("100", "optional='true'"), recv("180", "optional='true'"), recv("200"))
    ticks.receive(response(180), response(180, more="Subject: again\r\n"), response(100))
    assert [row[0] for row in ticks.steps] == [1, 1, 2, 0]


def test_mandatory_receive_is_passed_only_once() -> None:
    ticks = at_first_receive(recv("180"), recv("200"))
    ticks.receive(response(180), response(180, more="Subject: again\r\n"))
    assert [row[3] for row in ticks.steps] == [0, 0, 1]


def test_global_optional_receive_takes_its_message_later_and_goes_back() -> None:
    ticks = at_first_receive(
        recv("INFO", "optional='global'"), recv("180"), "<nop counter='passed'/>", recv("200"),
    )  # fmt: skip
    ticks.receive(response(180))
    assert ticks.total.generic == [1]
    ticks.receive(request("INFO"))
    # the call continues behind the global receive: the 180 is awaited again
    ticks.receive(response(180, more="Subject: again\r\n"))
    assert ticks.total.generic == [2]


def test_receive_that_keeps_the_state_counts_without_moving_the_call() -> None:
    ticks = at_first_receive(recv("INFO", "optional='true' advance_state='false' counter='seen'"), recv("200"))
    ticks.receive(*[request("INFO", cseq=n) for n in range(2, 5)])
    assert ticks.total.generic == [3]
    ticks.receive(response(200))
    assert ticks.counts("successful_calls") == [1]


def test_next_of_an_optional_receive_is_followed() -> None:
    ticks = at_first_receive(
        recv("486", "optional='true' next='busy'"), recv("200"), "<nop counter='answered' next='end'/>",
        "<label id='busy'/>", send("ACK"), "<label id='end'/>", "<nop/>",
    )  # fmt: skip
    ticks.receive(response(486))
    assert ticks.total.generic == [0]
    assert ticks.counts("successful_calls") == [1]


def test_answer_to_another_method_is_not_the_one_awaited() -> None:
    ticks = at_first_receive(recv("200"), send("ACK"), send("BYE"), recv("200"))
    ticks.receive(response(200, "BYE"))
    assert ticks.steps[1][3] == 1
    ticks.receive(response(200))
    ticks.receive(response(200, "BYE", cseq=2))
    assert ticks.counts("successful_calls") == [1]


def test_second_refusal_is_no_repetition_of_the_first() -> None:
    ticks = at_first_receive(recv("407"), send("ACK"), send("INVITE"), recv("200"), send("ACK"))
    ticks.receive(response(407))
    assert len(ticks.receive(response(407, more="Subject: again\r\n"))) == 1  # the first one's ACK
    assert ticks.receive(response(407, cseq=2)) == []
    assert [row[1] for row in ticks.steps] == [0, 0, 1, 0, 0, 0]
    assert [row[3] for row in ticks.steps] == [0, 0, 0, 0, 1, 0]


def test_method_the_enumeration_lacks_is_compared_by_name() -> None:
    ticks = Ticks.of(scenario(recv("DANCE"), send("200"), recv("DANCER")), behaviors=0)
    ticks.receive(request("DANCE"), request("DANCE", cseq=2), request("DANCER", cseq=3))
    assert [row[0] for row in ticks.steps] == [1, 1, 1]
    assert ticks.steps[2][3] == 1


def test_answer_to_an_unknown_method_is_matched_by_text() -> None:
    ticks = Ticks.of(scenario(send("DANCE"), recv("200")), behaviors=0).until(1)
    ticks.receive(response(200, "SING"))
    assert ticks.steps[1][3] == 1
    ticks.receive(response(200, "DANCE"))
    assert ticks.counts("successful_calls") == [1]

"""The messages of the stock call, rendered from the compiled built-in scenarios as the engine does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from sippx._core.codes import StepKind
from sippx._core.template import render
from sippx.scenario import Bindings, ProgramSpec, Scenario, compile_scenario

CALL_ID = b"1-1234@127.0.0.1"
PEER_TAG = b";tag=1234SIPpTag011"

# sends of the scenarios, in their order
UAC_INVITE, UAC_ACK, UAC_BYE = range(3)
UAS_180, UAS_200_INVITE, UAS_200_BYE = range(3)


@dataclass(frozen=True)
class Template:
    """One send of a compiled built-in scenario, and what it is rendered from."""

    pieces: NDArray[Any]
    pool: bytes
    last: bytes | None = None

    def render(self, repeat: int = 1) -> bytes:
        """The message; rendered `repeat` times over."""
        message = render(
            self.pieces, self.pool, call_number=1, call_id=CALL_ID, peer_tag=PEER_TAG, last=self.last, repeat=repeat
        )
        assert message is not None, "the stock messages fit into a datagram"
        return message


def program(name: str) -> ProgramSpec:
    """The built-in scenario `name`, compiled for 127.0.0.1."""
    port = 5061 if name == "uac" else 5060
    return compile_scenario(Scenario.builtin(name), Bindings(local_port=port, pid=1234))


def sends(name: str, last: Callable[[int], bytes | None]) -> list[Template]:
    """The sends of a built-in scenario in order; last(i) is the message received before the i-th."""
    spec = program(name)
    steps = spec.steps[spec.steps["kind"] == StepKind.STEP_SEND]
    return [
        Template(spec.pieces[int(step["piece_first"]) :][: int(step["n_pieces"])], spec.pool, last(i))
        for i, step in enumerate(steps)
    ]


def stock_call() -> tuple[list[Template], list[Template]]:
    """The sends of the uac and of the uas; each answer has the request it answers."""
    uac = sends("uac", lambda i: None)
    invite, bye = uac[UAC_INVITE].render(), uac[UAC_BYE].render()
    return uac, sends("uas", lambda i: bye if i == UAS_200_BYE else invite)

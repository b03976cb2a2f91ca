"""Scenario text for tests: the least XML around what a test is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sippx.errors import ScenarioError
from sippx.scenario import Bindings, ProgramSpec, Scenario, compile_scenario

HEADERS = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:a@[local_ip]>;tag=[call_number]
To: <sip:b@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 {method}
"""


def document(body: str, *, declaration: str = '<?xml version="1.0" encoding="UTF-8"?>') -> str:
    """A scenario with these elements; the first of them stands in line 3."""
    return f'{declaration}\n<scenario name="test">\n{body}\n</scenario>\n'


def send(method: str = "INVITE", attributes: str = "", extra: str = "") -> str:
    """A <send> of a request, or of a response where the method is a number."""
    start = f"SIP/2.0 {method} Text" if method.isdigit() else f"{method} sip:b@h SIP/2.0"
    headers = HEADERS.format(method="INVITE" if method.isdigit() else method)
    return f"<send {attributes}><![CDATA[\n{start}\n{headers}{extra}\n]]></send>"


def send_text(cdata: str) -> str:
    """A <send> with exactly this CDATA."""
    return f"<send><![CDATA[{cdata}]]></send>"


def load(body: str, **options: Any) -> Scenario:
    """Scenario of these elements, named t.xml in errors."""
    return Scenario.from_string(document(body), name="t.xml", **options)


def compiled(
    body: str, *, keys: dict[str, str] | None = None, injection_names: Sequence[str] = (), **bindings: Any
) -> ProgramSpec:
    """Program of these elements."""
    keys = keys or {}
    scenario = load(body, keys=keys, injection_names=injection_names)
    return compile_scenario(scenario, Bindings(keys=keys, **bindings))


def error_of(body: str, **options: Any) -> ScenarioError:
    """The error that loading these elements raises."""
    with pytest.raises(ScenarioError) as caught:
        load(body, **options)
    return caught.value


def template_bytes(body: str, **options: Any) -> bytes:
    """Literal bytes of the first step's template, keywords left out."""
    template = load(body, **options).steps[0].template  # type: ignore[attr-defined]
    return b"".join(getattr(part, "data", b"") for part in template)

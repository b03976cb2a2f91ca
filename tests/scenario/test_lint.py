"""Checks of scenarios without running them: each finds what it is for, and nothing where all is well."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenario.xml_text import document, send, send_text
from sippx.scenario import builtin_names
from sippx.scenario.lint import lint_file, lint_text
from sippx.scenario.lint_checks import CHECKS, Finding, check_list, exit_code

INTEROP = sorted((Path(__file__).parents[1] / "interop" / "scenarios").glob("*.xml"))

MAX_FORWARDS = "Max-Forwards: 70\n"
DECLARED_TO = '<nop><action><assignstr assign_to="to" value=": b"/></action></nop>'
R200 = '<recv response="200"/>'


def request(method: str = "OPTIONS", attributes: str = "", extra: str = "") -> str:
    """A <send> nothing is wrong with."""
    return send(method, f'retrans="500" {attributes}', MAX_FORWARDS + extra)


def with_body(length: str, body: str = "abc") -> str:
    return request(extra=f"{length}\n{body}") + R200


def ereg(assign_to: str) -> str:
    return f'<recv response="200"><action><ereg regexp="a" assign_to="{assign_to}"/></action></recv>'


def findings(body: str, **options: object) -> list[Finding]:
    return lint_text(document(body).encode(), "t.xml", **options)  # type: ignore[arg-type]


CALL = request("INVITE") + R200 + request("ACK") + request("BYE") + R200

CASES: dict[str, tuple[list[str], list[str]]] = {
    # check: scenarios in which it finds something, scenarios in which it finds nothing
    "invalid": (["<teleport/>", "<label id='1'/>", request("INVITE", "start_rtd='a'") + R200], [CALL]),
    "remark": (
        [CALL + '<pause milliseconds="1" chance="0.5"/>', CALL + '<recv response="200" optional="true"/>'],
        [CALL],
    ),
    "not-built": (
        [CALL + '<nop><action><exec play_pcap_audio="a.pcap"/></action></nop>'],
        [
            CALL + '<nop><action><exec command="true"/></action></nop>',
            request() + R200 + "<sendCmd><![CDATA[Call-ID: [call_id]\nx: y]]></sendCmd>",
        ],
    ),
    "unreachable": (
        [
            request() + '<recv response="200" next="e"/>' + request() + '<label id="e"/><pause/>',
            '<init><nop next="e"/><nop/><label id="e"/></init>' + CALL,
        ],
        [
            request() + '<recv response="200" next="e" chance="0.5"/><pause/><label id="e"/><pause/>',
            request() + '<recv response="404" optional="true" next="e"/>' + R200 + '<pause/><label id="e"/>',
            request() + '<recv response="200" next="e" timeout="9" ontimeout="t"/><label id="t"/><pause/><label id="e"/>',
            request() + '<recv response="200"><action><jump value="3"/></action></recv><nop/><nop/>',
            CALL.replace("/><send", ' next="e"/><label id="_unexp.main"/><pause next="e"/><label id="e"/><send', 1),
        ],
    ),
    "unused-label": (
        [request() + R200 + '<label id="1"/><pause/>', '<init><label id="1"/><nop/></init>' + CALL],
        [
            request() + '<recv response="200" next="1"/><label id="1"/><pause/>',
            request() + '<recv response="200" timeout="5" ontimeout="1"/><label id="1"/><pause/>',
            request() + R200 + '<label id="_unexp.main"/><pause/>',
        ],
    ),
    "never-read": (
        [request() + ereg("x") + R200 + ereg("x"), '<User variables="x"/>' + request() + ereg("x")],
        [
            request() + ereg("_"),
            request() + ereg("x") + '<Reference variables="x"/>',
            '<Global variables="x"/>' + request() + ereg("x"),
            request() + ereg("x") + '<nop condexec="x"/>',
            request() + ereg("x") + '<nop><action><log message="[$x]"/></action></nop>',
            request() + ereg("x") + '<pause variable="x"/>',
            request() + ereg("x") + request(extra="X: [fill variable=x]\n") + R200,
        ],
    ),
    "never-assigned": (
        [CALL + '<nop condexec="x"/><nop condexec="x"/>', request(extra="X: [$x]\nY: [$x]\n") + R200],
        [
            request() + ereg("x") + '<nop condexec="x"/>',
            '<Global variables="x"/>' + CALL + '<nop condexec="x"/>',
            CALL + '<nop><action><assign assign_to="x" value="1"/></action></nop><nop condexec="x"/>',
        ],
    ),
    "missing-header": (
        [
            send("OPTIONS", 'retrans="500"') + R200,
            send_text("OPTIONS a SIP/2.0\nVia: v\nf: a\nTo: b\nCSeq: 1 OPTIONS\nMax-Forwards: 1\n") + R200,
        ],
        [
            CALL,
            '<recv request="INVITE"/>' + send("200"),
            DECLARED_TO
            + send_text("OPTIONS a SIP/2.0\nv: v\nf: a\nTo[$to]\ni: [call_id]\nCSeq: 1 OPTIONS\nMax-Forwards: 1\n")
            + R200,
            send_text("OPTIONS a SIP/2.0\nv: v\nf: a\nt: b\ni: [call_id]\nCSeq: 1 OPTIONS\nmax-forwards : 1\n") + R200,
            '<recv request="INVITE"/>'
            + send_text(
                "BYE a SIP/2.0\n[last_Via:]\n[last_f:]\n[last_To:]\n[last_Call-ID:]\nCSeq: 1 BYE\nMax-Forwards: 1\n"
            ),
            send_text("OPTIONS a SIP/2.0\n[myheaders]\n") + R200,
        ],
    ),
    "cseq-method": (
        [request().replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE") + R200],
        [CALL, request().replace("CSeq: 1 OPTIONS", "CSeq:   [cseq+1]  OPTIONS") + R200],
    ),
    "missing-length": (
        [request(extra="\nbody") + R200, '<recv request="INVITE"/>' + send("200", "", "\nbody")],
        [request() + R200, with_body("l: [len]\n"), request(extra="[myheaders]\n\nbody") + R200],
    ),
    "wrong-length": (
        [with_body("Content-Length: 4\n"), request(extra="Content-Length: 5\n") + R200],
        [with_body("Content-Length: 5\n"), request(extra="l:0\n") + R200, with_body("Content-Length: [len]\n")],
    ),
    "fixed-length": (
        [with_body("Content-Length: 5\n", "[call_id]")],
        [with_body("Content-Length: [len]\n", "[call_id]"), with_body("Content-Length: 5\n")],
    ),
    "never-matches": (
        [
            "<nop/><recv response='200'/>" + request() + R200,
            '<recv request="OPTIONS"/>' + send("200") + '<recv request="ACK"/>',
            request("ACK", 'ack_txn="t"').join([request("INVITE", 'start_txn="t"'), R200])
            + '<recv response="200" response_txn="t"/>',
        ],
        [
            CALL,
            '<recv request="INVITE"/>' + send("200") + '<recv request="ACK"/>',
            '<recv request=".*" regexp_match="true"/>' + send("200") + '<recv request="ACK"/>',
        ],
    ),
    "useless-recv": (
        ['<recv request="OPTIONS"/>' + send("200") + '<recv request="CANCEL" optional="true"/><recv request="BYE"/>'],
        ['<recv request="INVITE"/>' + send("200") + '<recv request="CANCEL" optional="true"/><recv request="BYE"/>'],
    ),
    "late-timeout": (
        [request() + '<recv response="100" optional="true"/><recv response="200" timeout="9"/>'],
        [
            request() + '<recv response="100" optional="true" timeout="9"/><recv response="200"/>',
            request() + '<recv response="200" timeout="9"/>',
        ],
    ),
    "missing-ack": (
        [
            request("INVITE") + R200 + request("BYE") + R200,
            request("INVITE") + '<recv response="486" optional="true" next="e"/>' + R200 + request("ACK")
            + '<label id="e"/><pause/>',
        ],
        [
            CALL,
            request() + R200,
            request("INVITE") + '<recv response="180"/>' + request("CANCEL") + R200
            + '<recv response="487"/>' + request("ACK"),
            request("INVITE", 'start_txn="i"') + request("INFO", 'start_txn="j"') + '<recv response="200" response_txn="i"/>'
            + request("ACK", 'ack_txn="i"') + '<recv response="200" response_txn="j"/>',
        ],
    ),
    "open-timer": (
        [
            request("INVITE", "rtd='a'") + '<recv response="200" start_rtd="a"/>' + request("ACK"),
        ],
        [request("OPTIONS", "start_rtd='a'") + '<recv response="200" rtd="a"/>'],
    ),
    "long-pause": (
        [CALL + '<pause milliseconds="86400001"/>', CALL + '<timewait distribution="uniform" min="1" max="90000000"/>'],
        [CALL + '<pause milliseconds="86400000"/>', CALL + "<pause/>"],
    ),
    "no-retrans": (
        [send("OPTIONS", "", MAX_FORWARDS) + R200],
        [CALL, request("INVITE") + R200 + send("ACK"), '<recv request="INVITE"/>' + send("200")],
    ),
}  # fmt: skip


def checks_of(body: str) -> set[str]:
    return {finding.check for finding in findings(body, keys=("myheaders",))}


def test_every_check_has_its_cases() -> None:
    assert list(CASES) == list(CHECKS)


@pytest.mark.parametrize(
    ("check", "body"), [(check, body) for check, (found, _) in CASES.items() for body in found]
)
def test_check_finds_what_it_is_for(check: str, body: str) -> None:
    assert check in checks_of(body)


@pytest.mark.parametrize(
    ("check", "body"), [(check, body) for check, (_, clean) in CASES.items() for body in clean]
)
def test_check_is_silent_where_all_is_well(check: str, body: str) -> None:
    found = checks_of(body)
    assert check not in found
    assert "invalid" not in found


def test_a_clean_call_has_no_findings() -> None:
    assert findings(CALL) == []


@pytest.mark.parametrize("name", builtin_names())
def test_built_in_scenarios_have_no_errors(name: str) -> None:
    assert [str(finding) for finding in lint_file(name) if finding.severity == "error"] == []


@pytest.mark.parametrize("name", ["uac", "uas", "regexp"])
def test_the_common_built_in_scenarios_have_no_findings(name: str) -> None:
    assert lint_file(name) == []


@pytest.mark.parametrize("path", INTEROP, ids=lambda path: path.stem)
def test_scenarios_that_run_with_both_programs_have_no_errors(path: Path) -> None:
    options = {"keys": ("empty", "one", "two"), "injection_names": ("users.csv", "users-1.csv", "other.csv")}
    errors = {finding.check for finding in lint_file(str(path), **options) if finding.severity == "error"}
    assert errors <= {"invalid"}


@pytest.mark.parametrize("value", ["-1", "99", "1e300", "2"])
def test_a_jump_to_nowhere_leads_nowhere(value: str) -> None:
    body = request() + f'<recv response="200" next="e"><action><jump value="{value}"/></action></recv>'
    assert "unreachable" not in checks_of(body + '<label id="e"/><nop/>')


# -- places -----------------------------------------------------------------------------------------------


def places(body: str, check: str) -> list[tuple[int, int]]:
    return [(finding.line, finding.column) for finding in findings(body) if finding.check == check]


def test_an_error_of_loading_keeps_its_place() -> None:
    (finding,) = findings('<nop/>\n <pause milliseconds="x"/>')
    assert (finding.line, finding.column, finding.check) == (4, 23, "invalid")


def test_findings_about_headers_point_to_their_line() -> None:
    body = send_text("\n\n  OPTIONS a SIP/2.0\n  Via: x\n   Content-Length: 7\n  CSeq: 1 INFO\n") + R200
    assert places(body, "wrong-length") == [(7, 4)]
    assert places(body, "cseq-method") == [(8, 3)]
    assert places(body, "missing-header") == [(5, 3)]


def test_findings_about_steps_of_one_line_point_to_their_column() -> None:
    body = request() + '\n<recv response="200" next="e"/><nop/><pause/><label id="e"/>'
    line = document(body).splitlines().index('<recv response="200" next="e"/><nop/><pause/><label id="e"/>') + 1
    assert places(body, "unreachable") == [(line, 32)]


def test_findings_about_variables_point_to_the_attribute() -> None:
    body = f'<nop><action>\n<assign assign_to="x" value="1"/></action></nop>{request()}{ereg("x")}'
    assert places(body, "never-read") == [(4, 20)]


def test_columns_count_characters() -> None:
    assert places(f'<pause display="äö"/><pause milliseconds="99999999"/>{CALL}', "long-pause") == [(3, 22)]


def test_findings_come_in_the_order_of_their_places() -> None:
    found = findings(send("INVITE") + "\n" + R200 + '\n<label id="1"/><pause milliseconds="99999999"/>')
    assert found == sorted(found)
    assert len({finding.check for finding in found}) > 3


def test_a_finding_is_one_line() -> None:
    (finding,) = findings(CALL + '<pause milliseconds="99999999"/>')
    assert str(finding).startswith("t.xml:")
    assert str(finding).endswith(": warning: the pause lasts up to 1.16 days, in milliseconds 99999999 [long-pause]")


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (finding,) = lint_file(str(tmp_path / "none.xml"))
    assert (finding.severity, finding.text) == ("error", "cannot read the scenario: No such file or directory")


def test_a_file_goes_before_a_built_in_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "uac").write_text(document("<teleport/>"))
    assert [finding.check for finding in lint_file("uac")] == ["invalid"]


# -- exit codes and the list ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checks", "code"),
    [([], 0), (["no-retrans"], 0), (["remark", "no-retrans"], 2), (["remark", "invalid"], 1)],
)
def test_exit_code_follows_the_worst_finding(checks: list[str], code: int) -> None:
    assert exit_code([Finding("f", 1, 1, check, "") for check in checks]) == code


def test_the_list_names_every_check_with_its_meaning() -> None:
    for line, spec in zip(check_list(), CHECKS.values(), strict=True):
        assert line.split(maxsplit=2) == [spec.name, spec.severity, spec.meaning]

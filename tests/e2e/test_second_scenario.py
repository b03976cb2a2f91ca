"""-rxsf, -rxrn, -oocsf, -oocsn on the command line: a client that answers calls, too."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from e2e.harness import Peer, answer_step, free_port, header, request, response, run_sippx, send_step, start_sippx
from sippx import Options, Scenario
from sippx.runner import Runner

CALLER = (
    send_step("INVITE", attributes='retrans="500"')
    + '<recv response="100" optional="true"/><recv response="180" optional="true"/><recv response="200"/>\n'
    + send_step("ACK")
    + send_step("BYE", attributes='retrans="500"')
    + '<recv response="200"/><pause/>\n'
)
"""Stays when its call is over, for the length of -d: the test ends with the last of these."""
CALLEE = (
    '<recv request="INVITE"/>\n'
    + answer_step("200 OK", attributes='retrans="500"')
    + '<recv request="ACK" optional="true"/><recv request="BYE"/>\n'
    + answer_step("200 OK")
)
ASKER = send_step("OPTIONS") + '<recv response="200"/>'
HERE = "127.0.0.1"


def write(folder: Path, name: str, steps: str) -> str:
    """A scenario's file; its name."""
    (folder / name).write_text(f'<?xml version="1.0"?>\n<scenario name="{name}">\n{steps}</scenario>\n')
    return name


def last_row(path: Path) -> dict[str, str]:
    with path.open() as file:
        return list(csv.DictReader(file, delimiter=";"))[-1]


def test_two_mixed_runs_call_each_other(tmp_path: Path) -> None:
    write(tmp_path, "caller.xml", CALLER)
    write(tmp_path, "callee.xml", CALLEE)
    ports = [free_port(), free_port()]
    words = ["-sf", "caller.xml", "-rxsf", "callee.xml", "-i", HERE, "-m", 20, "-r", 50, "-d", 2500, "-nostdin"]
    traces = ["-trace_stat", "-trace_err"]

    def arguments(name: str, port: int, other: int) -> list[object]:
        return [f"{HERE}:{other}", *words, *traces, "-p", port, "-stf", f"{name}.csv", "-error_file", f"{name}.err"]

    with (
        start_sippx(tmp_path, *arguments("one", *ports)) as one,
        start_sippx(tmp_path, *arguments("two", *reversed(ports))) as two,
    ):
        for finished in (one.wait(), two.wait()):
            assert finished.code == 0, finished.text
    for name in ("one", "two"):
        row = last_row(tmp_path / f"{name}.csv")
        assert [row[f"{of}(C)"] for of in ("OutgoingCall", "IncomingCall", "SuccessfulCall")] == ["20", "0", "20"]
        log = tmp_path / f"{name}.err"
        # whoever starts first calls a port that is not open yet
        warnings = [line for line in log.read_text().splitlines()[1:] if line] if log.exists() else []
        assert not [line for line in warnings if "network error" not in line], warnings


def test_a_request_out_of_call_is_answered_by_a_builtin_scenario(tmp_path: Path) -> None:
    port = free_port()
    with Peer(lambda message: []) as peer:
        words = [peer.address, "-sf", write(tmp_path, "asker.xml", ASKER), "-oocsn", "ooc_default", "-i", HERE,
                 "-p", port, "-m", 1, "-nostdin", "-trace_err", "-error_file", "e.log"]  # fmt: skip
        with start_sippx(tmp_path, *words) as command:
            (asked,) = peer.wait_for("OPTIONS")
            peer.send(request("MESSAGE", "stranger@somewhere"), port)
            (answer,) = peer.wait_for("200")
            assert header(answer, "Call-ID") == "stranger@somewhere"
            peer.send(response(asked, "200 OK"), port)
            assert command.wait().code == 0
    assert "Received out-of-call MESSAGE message, using the out-of-call scenario" in (tmp_path / "e.log").read_text()


def test_what_the_second_scenario_logs_and_warns_names_its_own_steps(tmp_path: Path) -> None:
    port = free_port()
    callee = (
        '<recv request="INVITE"><action><log message="from [call_id]"/></action></recv>\n'
        + answer_step("200 OK")
        + '<recv request="ACK"/>\n'
    )
    with Peer(lambda message: []) as peer:
        words = [peer.address, "-sf", write(tmp_path, "asker.xml", ASKER), "-rxsf", write(tmp_path, "rx.xml", callee),
                 "-i", HERE, "-p", port, "-m", 1, "-nostdin", "-trace_err", "-error_file", "e.log", "-trace_logs",
                 "-log_file", "l.log"]  # fmt: skip
        with start_sippx(tmp_path, *words) as command:
            (asked,) = peer.wait_for("OPTIONS")
            peer.send(request("INVITE", "stranger@somewhere"), port)
            peer.wait_for("200")
            peer.send(request("INFO", "stranger@somewhere", cseq=2), port)
            peer.wait_for("BYE")
            peer.send(response(asked, "200 OK"), port)
            assert command.wait().code == 0, "its failed calls are not the test's"
    assert (tmp_path / "l.log").read_text() == "from stranger@somewhere\n"
    assert "while expecting 'ACK' (index 2), received 'INFO" in (tmp_path / "e.log").read_text()


def test_rxinf_is_the_default_file_of_the_second_scenario(tmp_path: Path) -> None:
    (tmp_path / "main.csv").write_text("SEQUENTIAL\nm0\nm1\nm2\n")
    (tmp_path / "rx.csv").write_text("SEQUENTIAL\nr0\nr1\nr2\n")
    asker = send_step("OPTIONS", lines="X-Field: [field0]\n") + '<recv response="200"/>'
    rx = '<recv request="MESSAGE"/>' + answer_step("200 OK", lines='X-Field: [field0] [field0 file="main.csv"]\n')
    port = free_port()
    with Peer(lambda message: []) as peer:
        words = [peer.address, "-sf", write(tmp_path, "a.xml", asker), "-rxsf", write(tmp_path, "b.xml", rx), "-i", HERE,
                 "-inf", "main.csv", "-rxinf", "rx.csv", "-p", port, "-m", 1, "-nostdin"]  # fmt: skip
        with start_sippx(tmp_path, *words) as command:
            (asked,) = peer.wait_for("OPTIONS")
            peer.send(request("MESSAGE", "s@s"), port)
            (answer,) = peer.wait_for("200")
            peer.send(response(asked, "200 OK"), port)
            assert command.wait().code == 0
    assert (header(asked, "X-Field"), header(answer, "X-Field")) == ("m0", "r1 m1")


def test_set_gives_a_global_of_the_second_scenario_its_text(tmp_path: Path) -> None:
    rx = '<Global variables="word,word"/><recv request="MESSAGE"/>' + answer_step("200 OK", lines="X-Word: [$word]\n")
    port = free_port()
    with Peer(lambda message: []) as peer:
        words = [peer.address, "-sf", write(tmp_path, "a.xml", ASKER), "-rxsf", write(tmp_path, "b.xml", rx), "-i", HERE,
                 "-set", "word", "given", "-p", port, "-m", 1, "-nostdin"]  # fmt: skip
        with start_sippx(tmp_path, *words) as command:
            (asked,) = peer.wait_for("OPTIONS")
            peer.send(request("MESSAGE", "s@s"), port)
            (answer,) = peer.wait_for("200")
            peer.send(response(asked, "200 OK"), port)
            assert command.wait().code == 0
    assert header(answer, "X-Word") == "given"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("-sn", "uas", "-oocsn", "ooc_default"), 255, "cannot use out-of-call scenarios when running in server mode"),
        (("-sn", "uas", "-rxrn", "uas"), 255, "needs a main scenario that places calls"),
        (("-sn", "uac", "-rxrn", "none_such", HERE), 1, "-rxrn: no built-in scenario 'none_such'"),
        (("-sn", "uac", "-oocsf", "none.xml", HERE), 1, "none.xml: cannot read the scenario"),
        (("-sn", "uac", "-rxrn", "uas", "-oocsn", "ooc_default", HERE), 1, "-rxsf"),
        (("-sn", "uac", "-oocsn", "3pcc-C-B", HERE), 255, "no twin sipp address has been passed"),
    ],
)
def test_what_cannot_run_is_refused(tmp_path: Path, words: tuple[str, ...], code: int, text: str) -> None:
    error = run_sippx(tmp_path, *words, "-i", HERE, "-p", free_port(), "-m", 1, "-nostdin").assert_one_line_error(code)
    assert text in error


def test_a_program_may_run_two_scenarios() -> None:
    with Peer(lambda message: [response(message, "200 OK")]) as peer:
        main = Scenario.from_string(f'<scenario name="a">{ASKER}</scenario>')
        runner = Runner(main, Options(remote_host=peer.address, local_ip=HERE, rx_scenario_name="uas", max_calls=5))
        result = runner.run()
    assert result.total.counter("successful_calls") == 5
    assert result.exit_code == 0


def test_the_behaviour_cseq_is_switched_on_by_its_name(tmp_path: Path) -> None:
    port = free_port()
    words = ["-sf", write(tmp_path, "s.xml", CALLEE), "-i", HERE, "-p", port, "-m", 1, "-nostdin",
             "-default_behaviors", "all,cseq", "-trace_err", "-error_file", "e.log"]  # fmt: skip
    with Peer(lambda message: []) as peer, start_sippx(tmp_path, *words) as command:
        command.wait_bound(port)
        peer.send(request("INVITE", "c@c", cseq=7), port)
        peer.wait_for("200")
        peer.send(request("ACK", "c@c", cseq=8), port)
        assert command.wait().code == 1
    assert "ACK CSeq value does NOT match value of related INVITE CSeq" in (tmp_path / "e.log").read_text()


def test_more_variables_than_one_engine_has_are_refused(tmp_path: Path) -> None:
    def declared(letter: str) -> str:
        names = ",".join(f"{letter}{n}" for n in range(1200))
        return f'<Global variables="{names}"/><Reference variables="{names}"/>\n'

    write(tmp_path, "caller.xml", declared("a") + ASKER)
    write(tmp_path, "callee.xml", declared("b") + CALLEE)
    ended = run_sippx(tmp_path, f"{HERE}:9", "-sf", "caller.xml", "-rxsf", "callee.xml", "-i", HERE, "-m", 1)
    assert ended.code == 1, ended.text
    assert "caller.xml and callee.xml do not fit one engine: 2400 variables, at most 2000" in ended.err

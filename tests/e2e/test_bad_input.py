"""What a user can get wrong: one clear line, with file:line:column where there is one, and the exit code."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .harness import Finished, free_port, send_step

Run = Callable[..., Finished]
HEAD = '<?xml version="1.0" encoding="ISO-8859-1" ?>\n'


def xml(*lines: str) -> str:
    """A scenario file; the given lines begin with line 3."""
    return HEAD + '<scenario name="bad">\n' + "\n".join(lines) + "\n</scenario>\n"


def send(*lines: str) -> str:
    """A send of these lines; its first one is on the line behind <send>."""
    return "<send><![CDATA[\n" + "\n".join(lines) + "\n]]></send>"


OK = send("OPTIONS sip:a@b SIP/2.0", "Call-ID: [call_id]")


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        pytest.param("", "1", "empty", id="empty file"),
        pytest.param("no xml at all", "1", "XML", id="no XML"),
        pytest.param(HEAD + "<scenario>\n<send>", "3", "send", id="not closed"),
        pytest.param(xml("<send><pause/>"), "", "", id="mismatched tag"),
        pytest.param(xml('<recv response="200/>'), "4:1", "attributes", id="attribute not closed"),
        pytest.param(xml("<![CDATA[ for ever"), "3:1", "CDATA", id="CDATA not closed"),
        pytest.param("<foo/>", "1:1", "scenario", id="wrong root"),
        pytest.param("<scenario/>", "1:1", "no steps", id="no steps"),
        pytest.param(xml("<sned/>"), "3:1", "'send'", id="unknown element"),
        pytest.param(xml("  <recieve/>"), "3:3", "recieve", id="unknown element, indented"),
        pytest.param(xml('<recv respons="200"/>'), "3:7", "'response'", id="unknown attribute"),
        pytest.param(xml(OK, '<recv response="x"/>'), "7:17", "x", id="no number"),
        pytest.param(xml(OK, '<recv response="99"/>'), "7", "99", id="status code too small"),
        pytest.param(xml(OK, '<recv response="200" optional="maybe"/>'), "7", "maybe", id="optional"),
        pytest.param(xml('<pause milliseconds="-5"/>', OK), "3", "-5", id="negative pause"),
        pytest.param(xml('<pause milliseconds="soon"/>', OK), "3", "soon", id="pause is no number"),
        pytest.param(
            xml('<pause distribution="normal" mean="1"/>'), "3", "'stdev'", id="normal"
        ),
        pytest.param(
            xml('<pause distribution="unifrom" min="1" max="2"/>'), "3", "'uniform'", id="distribution"
        ),
        pytest.param(xml("<send/>"), "3:1", "CDATA", id="send without text"),
        pytest.param(xml("<send><![CDATA[ ]]></send>"), "3", "empty", id="send of nothing"),
        pytest.param(xml(send("[service] x SIP/2.0")), "4:1", "keyword", id="method from a keyword"),
        pytest.param(xml(send("SIP/2.0 abc Huh")), "4:1", "status code", id="no status code"),
        pytest.param(xml(send("SIP/2.0 777 Huh")), "4:1", "777", id="status code too large"),
        pytest.param(
            xml(send("OPTIONS x SIP/2.0", "To: [servise]")), "5:5", "'service'", id="unknown keyword"
        ),
        pytest.param(xml(send("OPTIONS x SIP/2.0", "To: [service")), "5:5", "]", id="keyword not closed"),
        pytest.param(xml(send("OPTIONS x SIP/2.0", "To: []")), "5:5", "empty keyword", id="empty keyword"),
        pytest.param(
            xml(send("OPTIONS x SIP/2.0", "To: [field0]")), "5:5", "no injection file", id="no injection file"
        ),
        pytest.param(xml(send("OPTIONS x SIP/2.0", r"To: \x4")), "5:5", "hexadecimal", id="half an escape"),
        pytest.param(
            xml(OK, '<nop><action><log mesage="x"/></action></nop>'), "7", "'message'", id="action"
        ),
        pytest.param(
            xml(OK, '<nop><action><logg message="x"/></action></nop>'), "7", "logg", id="unknown action"
        ),
        pytest.param(xml('<Global variables="a"/>', OK), "3:20", "only once", id="unused variable"),
        pytest.param(xml(OK, '<nop next="nowhere"/>'), "7", "nowhere", id="label not defined"),
        pytest.param(xml(OK, '<label id="1"/>', '<label id="1"/>'), "8", "twice", id="label twice"),
        pytest.param(xml("<label/>", OK), "3:1", "id", id="label without a name"),
        pytest.param(xml(OK, '<recv response="200" ontimeout="x"/>'), "7", "'x'", id="ontimeout not defined"),
        pytest.param(xml(OK, '<nop start_rtd="a"/>'), "7", "never stopped", id="RTD never stopped"),
        pytest.param(
            xml('<recv request="A" optional="true"/>', OK), "3", "mandatory", id="optional, then send"
        ),
        pytest.param(xml("<timewait/>", OK), "3", "last", id="timewait first"),
        pytest.param(xml(OK, '<timewait next="1"/>', '<label id="1"/>'), "7", "timewait", id="timewait next"),
        pytest.param(xml(OK, '<ResponseTimeRepartition value="1;2"/>'), "7", "1;2", id="repartition"),
        pytest.param(xml(OK, '<nop next="l" chance="1.5"/>', '<label id="l"/>'), "7", "1.5", id="chance"),
        pytest.param(
            xml('<DefaultMessage id="by"><![CDATA[x]]></DefaultMessage>', OK), "3", "by", id="default"
        ),
        pytest.param('<!DOCTYPE s [<!ENTITY e "x">]><scenario/>', "1", "entity", id="entity"),
        pytest.param("<a>" * 100 + "</a>" * 100, "1", "deep", id="too deep"),
        pytest.param('<?xml version="1.0" encoding="nonsense"?><scenario/>', "1", "nonsense", id="encoding"),
        pytest.param(
            xml(send("OPTIONS x SIP/2.0", "X: " + "x" * 70_000)), "4", "65507", id="message too long"
        ),
    ],
)
def test_a_broken_scenario_is_refused_by_place_and_reason(
    sippx: Run, tmp_path: Path, text: str, place: str, says: str
) -> None:
    (tmp_path / "bad.xml").write_text(text)
    line = sippx("-sf", "bad.xml", "127.0.0.1:9", "-m", 1, "-r", 100).assert_one_line_error(1)
    assert line.startswith(f"sippx: bad.xml:{place}"), line
    assert says in line


def test_a_scenario_of_pauses_only_ends_as_with_sipp_by_255(sippx: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.xml").write_text(xml('<pause milliseconds="1"/>'))
    line = sippx("-sf", "bad.xml", "127.0.0.1:9", "-m", 1).assert_one_line_error(255)
    assert line.startswith("sippx: bad.xml:2:1"), line
    assert "client" in line


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["-nope"], 1, "-nope"),
        (["-trace_stats"], 1, "-trace_stat"),
        (["-max_retrans_", "1"], 1, "-max_retrans"),
        (["-"], 1, "'-'"),
        (["---m", "1"], 1, "---m"),
        (["-m"], 1, "-m"),
        (["-m", "ten"], 1, '"ten"'),
        (["-m", "-1"], 1, "-1"),
        (["-m", "99999999999999999999"], 1, "-m"),
        (["-l", "1.5"], 1, '"1.5"'),
        (["-p", "70000"], 1, "70000"),
        (["-p", "x"], 1, '"x"'),
        (["-r", "fast"], 1, '"fast"'),
        (["-r", "-1"], 1, "-1"),
        (["-r", "nan"], 1, "-r"),
        (["-r", "inf"], 1, "-r"),
        (["-rp", "0"], 1, "-rp"),
        (["-d", "5q"], 1, '"5q"'),
        (["-d", "1:30"], 1, '"1:30"'),
        (["-timeout", ""], 1, "-timeout"),
        (["-T2", "0"], 1, "-T2"),
        (["-t", "cn"], 1, "compressed UDP"),
        (["-t", "ui"], 1, "-inf"),
        (["-t", "l1", "-tls_cert", "none.pem"], 255, "-tls_cert: cannot read 'none.pem'"),
        (["-t", "l1", "-tls_ca", "none.pem"], 255, "-tls_ca: cannot read 'none.pem'"),
        (["-t", "l1", "-tls_crl", "crl.pem"], 255, "needs the CA that it is of (-tls_ca)"),
        (["-t", "l1", "-tls_ciphers", "NONE_SUCH"], 255, "-tls_ciphers"),
        (["-t", "l1", "-tls_keylog", "none/keys"], 255, "-tls_keylog: cannot write 'none/keys'"),
        (["-t", "l1", "-sn", "uas"], 255, "-tls_cert: cannot read 'cacert.pem'"),
        (["-t", "tn", "-max_socket", "2000000000"], 1, "Maximum number of open sockets (2000000000)"),
        (["-t", "x1"], 1, '"x1"'),
        (["-slave_cfg", "x.cfg"], 1, "-slave_cfg option must be used with -slave or -master option"),
        (["-lost", "200"], 1, "-lost"),
        (["-key", "a"], 1, "-key"),
        (["-default_behaviors", "bya"], 1, "bya"),
        (["-sf", "missing.xml"], 1, "missing.xml"),
        (["-sf", "."], 1, "directory"),
        (["-sn", "nope"], 1, "nope"),
        (["-sd", "nope"], 1, "-sd"),
        (["-sn", "uac", "-sn", "uas"], 1, "-sn"),
        (["-sn", "uac", "-sf", "x.xml"], 1, "one scenario"),
        (["127.0.0.2"], 1, "127.0.0.2"),
        (["-m=5"], 1, "-m"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_refused_by_name(sippx: Run, words: list[str], code: int, says: str) -> None:
    assert says in sippx("127.0.0.1:9", *words).assert_one_line_error(code)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:99999",
        "127.0.0.1:0",
        "127.0.0.1:sip",
        "[::1",
        "[::1]x",
        ":5060",
        "[127.0.0.1",
        "a b",
        "\x7f",
        "x" * 300,
    ],
)
def test_a_remote_host_that_is_none_is_refused(sippx: Run, host: str) -> None:
    ended = sippx(host, "-m", 1)
    assert ended.code in (1, 255)
    ended.assert_one_line_error(ended.code)


def test_a_scenario_that_may_not_be_read_is_refused(sippx: Run, tmp_path: Path) -> None:
    file = tmp_path / "secret.xml"
    file.write_text(xml(OK))
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read every file")
    assert "secret.xml" in sippx("-sf", "secret.xml", "127.0.0.1:9").assert_one_line_error(1)


@pytest.mark.parametrize(
    "words",
    [["-trace_msg", "-message_file"], ["-trace_stat", "-stf"]],
    ids=["messages", "statistics"],
)
@pytest.mark.parametrize("file", ["/no/such/directory/file", "."], ids=["no directory", "a directory"])
def test_a_file_that_cannot_be_created_is_said_before_the_run(
    sippx: Run, words: list[str], file: str
) -> None:
    ended = sippx("127.0.0.1:9", "-m", 1, *words, file)
    assert ended.code in (1, 255)
    assert file in ended.assert_one_line_error(ended.code)


def test_an_error_log_that_cannot_be_created_does_not_end_the_run_but_is_said(sippx: Run) -> None:
    ended = sippx(
        *(
            f"127.0.0.1:{free_port()}",
            "-i",
            "127.0.0.1",
            "-p",
            free_port(),
            "-m",
            1,
            "-r",
            100,
            "-max_retrans",
            0,
        ),
        *("-trace_err", "-error_file", "/no/such/directory/file"),
    )
    assert ended.code == 1, ended.text
    assert "Test Terminated" in ended.out
    assert "/no/such/directory/file" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "words", [["-trace_msg", "-message_file"], ["-trace_stat", "-stf"], ["-trace_err", "-error_file"]]
)
def test_a_full_disk_does_not_end_the_run_but_is_said(sippx: Run, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "x.xml").write_text(f"<scenario name='x'>{send_step('OPTIONS')}</scenario>")
    ended = sippx(
        *(
            "-sf",
            "x.xml",
            f"127.0.0.1:{free_port()}",
            "-i",
            "127.0.0.1",
            "-p",
            free_port(),
            "-m",
            200,
            "-r",
            2000,
        ),
        *(*words, "/dev/full"),
    )
    assert ended.code == 0, ended.text
    assert "Successful call        |      200" in ended.out
    assert "/dev/full" in ended.err
    assert "No space left" in ended.err
    assert "Traceback" not in ended.err


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path, start: Callable[..., object]) -> None:
    import subprocess

    from .harness import SIPPX

    for words in (["-h"], ["-sd", "uac"], ["127.0.0.1:9", "-m", "0"]):
        process = subprocess.Popen(
            [*SIPPX, *words],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        error = process.stderr.read().decode()
        process.wait(60)
        process.stderr.close()
        assert "Traceback" not in error, error
        assert "BrokenPipe" not in error, error


def test_odd_attributes_are_warned_about_in_the_error_log_and_the_run_goes_on(
    sippx: Run, tmp_path: Path
) -> None:
    (tmp_path / "odd.xml").write_text(xml(send_step("OPTIONS", attributes='request="INVITE"'), "stray words"))
    ended = sippx(
        *(
            "-sf",
            "odd.xml",
            f"127.0.0.1:{free_port()}",
            "-i",
            "127.0.0.1",
            "-p",
            free_port(),
            "-m",
            1,
            "-r",
            100,
        ),
        *("-trace_err", "-error_file", "odd.log"),
    )
    assert ended.code == 0, ended.text
    log = (tmp_path / "odd.log").read_text()
    assert "odd.xml:3:16: attribute 'request' has no effect on <send>" in log
    assert "stray words" in log

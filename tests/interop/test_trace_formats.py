"""The trace files of sippx against those that the real sipp writes for the same scenario, times and numbers masked."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from e2e.harness import DEADLINE_S, free_port, is_bound, wait_until
from interop.pairs import COMMANDS, SIPP

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(SIPP is None, reason="the real sipp is not installed (Debian package sip-tester)"),
]

N_CALLS = 3
TRACES = (
    "-trace_msg", "-trace_shortmsg", "-trace_err", "-trace_error_codes", "-trace_logs", "-trace_calldebug",
    "-trace_counts", "-trace_rtt", "-rtt_freq", "1", "-trace_stat", "-fd", "60",
)  # fmt: skip
HEAD = """Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:a@[local_ip]>;tag=[call_number]
To: <sip:b@[remote_ip]>{tag}
Call-ID: pre///[call_id]
CSeq: {cseq}
Contact: <sip:a@[local_ip]:[local_port]>
Content-Length: 0
"""


def request(name: str, cseq: int, tag: str = "[peer_tag_param]") -> str:
    return f"{name} sip:service@[remote_ip]:[remote_port] SIP/2.0\n" + HEAD.format(tag=tag, cseq=f"{cseq} {name}")


SCENARIO = f"""<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="formats">
<send retrans="500" start_rtd="a"><![CDATA[
{request("INVITE", 1, "")}
]]></send>
<recv response="100" optional="true" hide="true"/>
<recv response="180" optional="true"/>
<recv response="200" rtd="a"/>
<send><![CDATA[
{request("ACK", 1)}
]]></send>
<nop><action><log message="hello [call_number]"/></action></nop>
<pause milliseconds="20"/>
<send retrans="500"><![CDATA[
{request("BYE", 2)}
]]></send>
<recv response="486"/>
<ResponseTimeRepartition value="10, 20"/>
<CallLengthRepartition value="10, 50"/>
</scenario>
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Text by kind of file, for sipp and for sippx, of a call whose BYE is answered unexpectedly."""
    found = {}
    for tool in ("sipp", "sippx"):
        folder = tmp_path_factory.mktemp(tool)
        (folder / "formats.xml").write_text(SCENARIO)
        found[tool] = run(tool, folder)
    return found


def run(tool: str, folder: Path) -> dict[str, str]:
    port = free_port()
    server = subprocess.Popen(
        ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-m", str(N_CALLS), "-nostdin"],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: is_bound(port), "the server's port")
        time.sleep(0.2)
        subprocess.run(
            [*COMMANDS[tool], "-sf", "formats.xml", f"127.0.0.1:{port}", "-i", "127.0.0.1", "-p", str(free_port()),
             "-m", str(N_CALLS), "-r", "10", "-nostdin", *TRACES],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S, check=False,
        )  # fmt: skip
    finally:
        server.kill()
        server.wait(DEADLINE_S)
    return {
        re.sub(r"^formats_\d+", "", path.name): path.read_bytes().decode() for path in folder.glob("formats_*")
    }


def masked(text: str) -> str:
    """Times, process ids, ports and tags made the same."""
    text = re.sub(r"\d{4}-\d\d-\d\d([\t ])\d\d:\d\d:\d\d\.\d{6}(\t\d{10}\.\d{6})?", r"<date>\1<time>", text)
    text = re.sub(r"\d\d:\d\d:\d\d:\d{6}", "<duration>", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:<port>", text)
    text = re.sub(r"(\d+)-\d+@127", r"\1-<pid>@127", text)
    text = re.sub(r"branch=[^\r\n]*", "branch=<branch>", text)
    return re.sub(r"tag=\d+SIPpTag\d+", "tag=<tag>", text)


def one_call(text: str, separator: str = "\n") -> list[str]:
    """The lines that name the first call."""
    return [line for line in masked(text).split(separator) if "1-<pid>@" in line]


def test_the_same_files_are_written(files: dict[str, dict[str, str]]) -> None:
    assert set(files["sippx"]) == set(files["sipp"])


@pytest.mark.parametrize("kind", ["_.csv", "_counts.csv", "_rtt.csv"])
def test_header_lines_are_the_same(files: dict[str, dict[str, str]], kind: str) -> None:
    ours, theirs = (files[tool][kind].split("\n")[0] for tool in ("sippx", "sipp"))
    assert ours == theirs


def test_rows_of_counts_are_the_same(files: dict[str, dict[str, str]]) -> None:
    ours, theirs = (masked(files[tool]["_counts.csv"]) for tool in ("sippx", "sipp"))
    assert ours == theirs


def test_rows_of_error_codes_are_the_same(files: dict[str, dict[str, str]]) -> None:
    ours, theirs = (masked(files[tool]["_error_codes.csv"]) for tool in ("sippx", "sipp"))
    assert ours == theirs
    assert "200,200,200,\n" in ours


def test_rows_of_the_statistics_have_as_many_columns(files: dict[str, dict[str, str]]) -> None:
    for text in (files["sippx"]["_.csv"], files["sipp"]["_.csv"]):
        lines = text.splitlines()
        assert len(lines) == 4
        assert len({line.count(";") for line in lines}) == 1


def test_response_times_have_the_same_form(files: dict[str, dict[str, str]]) -> None:
    for tool in ("sippx", "sipp"):
        lines = files[tool]["_rtt.csv"].splitlines()[1:]
        assert len(lines) == N_CALLS
        assert all(re.fullmatch(r"[\d.]+;[\d.]+;a", line) for line in lines)


def test_short_messages_are_the_same_lines(files: dict[str, dict[str, str]]) -> None:
    ours, theirs = (one_call(files[tool]["_shortmessages.log"]) for tool in ("sippx", "sipp"))
    assert ours[:6] == theirs[:6]
    assert len(ours) == len(theirs)


def test_what_log_actions_say_is_the_same(files: dict[str, dict[str, str]]) -> None:
    assert files["sippx"]["_logs.log"] == files["sipp"]["_logs.log"] == "hello 1\nhello 2\nhello 3\n"


def test_errors_are_the_same_texts(files: dict[str, dict[str, str]]) -> None:
    """sipp leaves out the line end behind most of them; otherwise they are the same."""
    texts = {}
    for tool in ("sippx", "sipp"):
        text = masked(files[tool]["_errors.log"])
        assert text.startswith("The following events occurred:\n")
        events = re.split(r"\n?<date>\t<time>: ", text)[1:]
        texts[tool] = [event.rstrip("\n") for event in events if "Aborting call on unexpected" in event]
    assert texts["sippx"] == texts["sipp"]
    assert len(texts["sippx"]) == N_CALLS


def test_messages_are_the_same_blocks(files: dict[str, dict[str, str]]) -> None:
    """Only the words around the length differ: [514] bytes: in newer versions, (514 bytes): in 3.6.1."""
    blocks = {}
    for tool in ("sippx", "sipp"):
        text = masked(files[tool]["_messages.log"])
        text = re.sub(r"UDP message (sent|received) [\[(]\d+[ \w]*[\])] ?(?:bytes ?)?:", r"UDP message \1:", text)
        found = [block for block in text.split("-" * 47) if "1-<pid>@" in block]
        assert all(block.startswith((" <date> <time>\n", "\nUnexpected UDP", "\nDead call ")) for block in found)
        blocks[tool] = found
    assert blocks["sippx"][:7] == blocks["sipp"][:7]


def test_call_debugging_has_the_same_frame(files: dict[str, dict[str, str]]) -> None:
    frames = {}
    for tool in ("sippx", "sipp"):
        text = masked(files[tool]["_calldebug.log"])
        first = text.split("-" * 79)[1]
        text = re.sub(r"hash \d+", "hash <hash>", re.sub(r"\d+ byte incoming", "<n> byte incoming", first))
        wanted = ("Call debugging", "Starting call", "Sending UDP", "Executing NOP", "byte incoming")
        frames[tool] = [line for line in text.split("\n") if any(words in line for words in wanted)]
    assert frames["sippx"][:8] == frames["sipp"][:8]

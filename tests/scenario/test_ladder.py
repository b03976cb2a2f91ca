"""The ladder that `sippx show` draws."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenario.xml_text import load, send
from sippx.errors import ScenarioError
from sippx.scenario import Scenario, builtin_names
from sippx.scenario.ladder import WIDTH, draw_ladder

INTEROP = sorted((Path(__file__).parents[1] / "interop" / "scenarios").glob("*.xml"))
R200 = '<recv response="200"/>'
UAC = """\
uac (built-in) "Basic Sipstone UAC" (UAC, places calls)

     UAC (sippx)                        UAS
     |                                  |
   0 |------------- INVITE ------------>|  retrans 500 ms
   1 |<---------- optional 100 ---------|
   2 |<---------- optional 180 ---------|
   3 |<---------- optional 183 ---------|
   4 |<-------------- 200 --------------|  stop timer 1
   5 |-------------- ACK -------------->|
   6 |          [ pause (-d) ]          |
   7 |-------------- BYE -------------->|  retrans 500 ms
   8 |<-------------- 200 --------------|
   9           end of the call
"""


def ladder(body: str, **options: object) -> list[str]:
    return draw_ladder(load(body, **options)).splitlines()


def step(body: str, index: int, **options: object) -> str:
    """The lines of a step, joined."""
    lines = ladder(body, **options)
    first = next(i for i, line in enumerate(lines) if line.startswith(f"{index:4d} |"))
    text = lines[first]
    for line in lines[first + 1 :]:
        if line[:5].strip():
            break
        text += " " + line[41:].strip()
    return text


def with_action(action: str) -> str:
    """Text beside a recv with this action, in one line."""
    text = '<Global variables="a"/><Reference variables="a"/>'
    text += send("OPTIONS") + f'<recv response="200"><action>{action}</action></recv>'
    return step(text, 1, injection_names=("f.csv",)).partition("* ")[2]


def test_uac_is_drawn_from_left_to_right() -> None:
    assert draw_ladder(Scenario.builtin("uac")) == UAC


def test_a_server_is_the_right_column() -> None:
    lines = ladder('<recv request="INVITE"/>' + send("200"))
    assert lines[2] == "     UAC                        UAS (sippx)"
    assert lines[4].endswith("------------- INVITE ------------>|")
    assert lines[5].endswith("|<-------------- 200 --------------|")


@pytest.mark.parametrize("name", builtin_names())
def test_every_step_of_a_built_in_scenario_has_its_index(name: str) -> None:
    scenario = Scenario.builtin(name)
    indices = [line[:4].strip() for line in draw_ladder(scenario).splitlines() if line[:4].strip().isdigit()]
    assert indices == [str(index) for index in range(len(scenario.steps) + 1)]


@pytest.mark.parametrize("path", INTEROP, ids=lambda path: path.stem)
def test_lines_are_not_too_wide(path: Path) -> None:
    try:
        scenario = Scenario.from_file(path, injection_names=("users.csv",), keys=("one", "empty"))
    except ScenarioError:
        return
    assert [line for line in draw_ladder(scenario).splitlines()[1:] if len(line) > WIDTH] == []


def test_labels_stand_before_their_step_and_at_the_end() -> None:
    lines = ladder(send("OPTIONS") + '<label id="one"/><recv response="200" next="two"/><label id="two"/>')
    at = lines.index("one:")
    assert lines[at + 1].startswith("   1 |")
    assert lines[at + 2] == "two:"
    assert lines[at + 3].split() == ["2", "end", "of", "the", "call"]


def test_a_branch_names_its_label_step_test_and_chance() -> None:
    body = (
        send("OPTIONS")
        + '<recv response="200" next="e" test="v" chance="0.25" timeout="90" ontimeout="e"/>'
        + '<nop condexec="v"/><nop condexec="v" condexec_inverse="true"/><label id="e"/>'
    )
    assert step(body, 1).endswith("timeout 90 ms -> e (step 4) if $v is set with chance 0.25 -> e (step 4) after a timeout")
    assert step(body, 2).endswith("if $v is set")
    assert step(body, 3).endswith("if $v is not set")


def test_attributes_of_messages_are_told() -> None:
    body = send("OPTIONS", 'retrans="500" timeout="9" start_txn="t" start_rtd="r" counter="c" lost="3"')
    body += '<recv response="1.." regexp_match="true" optional="global" advance_state="false" response_txn="t"/>'
    body += '<recv response="200" rrs="true" auth="true" rtd="r" response_txn="t"/>'
    assert step(body, 0).endswith("retrans 500 ms, timeout 9 ms, transaction t, start timer r, count c, lost 3 %")
    assert "global response ~ 1.." in step(body, 1)
    assert step(body, 1).endswith("transaction t, does not advance")
    assert step(body, 2).endswith("transaction t, records routes, keeps challenge, stop timer r")


@pytest.mark.parametrize(
    ("pause", "text"),
    [
        ('<pause milliseconds="300"/>', "[ pause 300 ms ]"),
        ('<pause distribution="uniform" min="1" max="9"/>', "[ pause 1 to 9 ms ]"),
        ('<pause distribution="normal" mean="5" stdev="2"/>', "[ pause normal(5, 2) ]"),
        ('<pause variable="v"/><nop condexec="v"/>', "[ pause $v ms ]"),
        ('<timewait milliseconds="4000"/>', "[ timewait 4000 ms ]"),
        ('<nop display="hello"/>', "[ hello ]"),
        ("<nop/>", "[ nop ]"),
        ("<sendCmd dest='m'><![CDATA[Call-ID: x\na: b]]></sendCmd>", "[ sendCmd to twin m ]"),
        ("<recvCmd src='m'/>", "[ recvCmd of twin m ]"),
    ],
)
def test_other_steps_are_boxes(pause: str, text: str) -> None:
    assert text in step(send("OPTIONS") + R200 + pause, 2)


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ('<ereg regexp="x.*" search_in="hdr" header="To:" check_it="true" assign_to="a,_"/>',
         "$a, $_ = ereg 'x.*' in header To: or fail"),
        ('<ereg regexp="x" search_in="var" variable="a" check_it_inverse="true" assign_to="_"/>',
         "$_ = ereg 'x' in $a must fail"),
        ('<log message="got [last_To:] [$a] [cseq+1]"/>', 'log "got [last_To] [$a] [cseq+1]"'),
        ('<assign assign_to="a" value="1.5"/>', "$a = assign 1.5"),
        ('<add assign_to="a" variable="a"/>', "$a = add 0"),
        ('<test variable="a" compare="less_than_equal" value="3" check_it="true"/>', "test $a <= 3 or fail"),
        ('<strcmp variable="a" value="x" assign_to="_"/>', '$_ = strcmp $a "x"'),
        ('<trim assign_to="a"/>', "$a = trim"),
        ('<sample assign_to="a" distribution="fixed" value="7"/>', "$a = sample 7 ms"),
        ('<lookup assign_to="a" file="f.csv" key="[field1 line=2]"/>', '$a = lookup in f.csv "[field1 file="f.csv" line="2"]"'),
        ('<setdest host="h" port="5060" protocol="udp"/>', 'setdest "h" "5060" udp'),
        ('<exec int_cmd="stop_now"/>', "exec int_cmd stop_now"),
        ('<exec command="echo hi"/>', 'exec command "echo hi"'),
        ('<exec play_pcap_audio="a.pcap"/>', 'exec play_pcap_audio "a.pcap"'),
        ('<jump value="0"/>', "jump 0"),
        ('<gettimeofday assign_to="a,_"/>', "$a, $_ = gettimeofday"),
        ('<closecon/>', "closecon"),
    ],
)  # fmt: skip
def test_actions_are_told_in_short(action: str, text: str) -> None:
    assert with_action(action) == text


def test_long_texts_of_actions_are_cut() -> None:
    assert with_action(f'<log message="{"x" * 300}"/>') == f'log "{"x" * 45}..."'


def test_init_is_drawn_before_the_calls() -> None:
    body = '<init><nop><action><log message="up"/></action></nop></init>' + send("OPTIONS") + R200
    lines = ladder(body)
    assert lines[2:4] == ["init, once before the first call:", '   0   * log "up"']


def test_a_twin_that_waits_says_so() -> None:
    assert "calls are begun by the twin" in draw_ladder(Scenario.builtin("3pcc-C-B")).splitlines()[0]

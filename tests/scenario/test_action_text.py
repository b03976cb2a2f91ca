"""Descriptions of actions: as sipp 3.6.1 printed them, or in its style where it printed something untrue."""

from __future__ import annotations

from pathlib import Path

import pytest

from sippx.scenario import Scenario
from sippx.scenario.action_text import action_lines
from sippx.scenario.actions import ACTIONS

# what sipp's variables screen shows behind "action[0] = " for each action, with a global variable gv
SIPP = (
    ('<assignstr assign_to="gv" value="hello [call_number] world"/>',
     "Type[5] - string assign varId[gv] [hello [call_number] world]"),
    ('<assign assign_to="gv" value="3.5"/>', "Type[3] - assign varId[gv] 3.500000"),
    ('<ereg regexp="Ringing" search_in="msg" check_it="true" assign_to="gv"/>',
     "Type[1] - regexp[Ringing] where[Full Msg] - checkIt[1] - checkItInverse[0] - varId[gv]"),
    ('<ereg regexp="a(b)(c)" search_in="hdr" header="CSeq:" assign_to="gv,gv"/>',
     "Type[1] - regexp[a(b)(c)] where[Header-CSeq:] - checkIt[0] -"),
    ('<add assign_to="gv" value="1"/>', "Type[18] - add varId[gv] 1.000000"),
    ('<log message="r=[$gv] gv=[$gv]"/>', "Type[13] - message[r=[$gv] gv=[$gv]                ]"),
    ('<warning message="w=[$gv] q=[$gv][$gv][$gv] c=[call_number]"/>',
     "Type[14] - warning[w=[$gv] q=[$gv][$gv][$gv] c=[cal]"),
    ('<error message="oops [$gv]"/>', "Type[15] - error[oops [$gv]                      ]"),
    ('<multiply assign_to="gv" value="2"/>', "Type[20] - multiply varId[gv] 2.000000"),
    ('<divide assign_to="gv" value="2"/>', "Type[21] - divide varId[gv] 2.000000"),
    ('<trim assign_to="gv"/>', "Type[25] - trim varId[gv]"),
    ('<todouble assign_to="gv" variable="gv"/>', "Type[23] - toDouble varId[gv]"),
    ('<gettimeofday assign_to="gv,gv"/>', "Type[7] - assign gettimeofday[gv, gv]"),
    ('<index assign_to="gv"/>', "Type[6] - assign index[gv]"),
    ('<sample assign_to="gv" distribution="normal" mean="3" stdev="1"/>',
     "Type[4] - sample varId[gv] N(3.000,1.000)"),
    ('<sample assign_to="gv" distribution="fixed" value="3"/>', "Type[4] - sample varId[gv] 3.000000"),
    ('<sample assign_to="gv" distribution="uniform" min="3" max="9"/>',
     "Type[4] - sample varId[gv] 3.000000/9.000000"),
    ('<exec command="true [call_number]"/>', "Type[16] - command[true [call_number]              ]"),
    ('<exec int_cmd="stop_call"/>', "Type[17] - intcmd[stop_call                       ]"),
    ('<exec int_cmd="stop_now"/>', "Type[17] - intcmd[stop_now                        ]"),
    ('<exec int_cmd="stop_gracefully"/>', "Type[17] - intcmd[stop_gracefully                 ]"),
)  # fmt: skip

# sipp: 0.000000 for a variable, "divide" for a test, "(null)" for none, "unknown action type ..."
OURS = (
    ('<add assign_to="gv" variable="gv"/>', "Type[18] - add varId[gv] varInId[gv]"),
    ('<subtract assign_to="gv" value="1"/>', "Type[19] - subtract varId[gv] 1.000000"),
    ('<test assign_to="gv" variable="gv" compare="less_than" value="5"/>',
     "Type[22] - test varId[gv] varInId[gv] < 5.000000"),
    ('<test assign_to="gv" variable="gv" compare="not_equal" variable2="gv"/>',
     "Type[22] - test varId[gv] varInId[gv] != varIn2Id[gv]"),
    ('<strcmp assign_to="gv" variable="gv" value="zzz"/>', "Type[24] - strcmp varId[gv] varInId[gv] [zzz]"),
    ('<jump value="1"/>', "Type[8] - jump 1.000000"),
    ('<jump variable="gv"/>', "Type[8] - jump varInId[gv]"),
    ('<pauserestore value="2"/>', "Type[12] - restore pause 2.000000"),
    ('<setdest host="127.0.0.1" port="[remote_port]" protocol="UDP"/>',
     "Type[27] - setdest [127.0.0.1]:[[remote_port]]"),
    ('<verifyauth assign_to="gv" username="joe" password="x"/>', "Type[26] - verifyauth varId[gv] username[joe]"),
    ('<closecon/>', "Type[28] - closecon"),
    ('<lookup assign_to="gv" file="u.csv" key="x[service]"/>', "Type[9] - lookup varId[gv] file[u.csv] [x[service]]"),
    ('<replace file="u.csv" line="0" value="b;c"/>', "Type[11] - replace file[u.csv] [0] [b;c]"),
    ('<insert file="u.csv" value="a[cseq+1]"/>', "Type[10] - insert file[u.csv] [a[cseq+1]]"),
    ('<urldecode variable="gv"/>', "Type[37] - urldecode varId[gv]"),
    ('<urlencode variable="gv"/>', "Type[38] - urlencode varId[gv]"),
    ('<rtp_echo value="1"/>', "Type[36] - rtp_echo"),
)  # fmt: skip


def lines_of(tmp_path: Path, steps: str) -> list[str]:
    path = tmp_path / "actions.xml"
    path.write_text(
        '<?xml version="1.0"?>'
        f'<scenario name="a"><Global variables="gv"/><recv request="INVITE"/>{steps}'
        '<recv request="BYE"><action><assign assign_to="gv" value="0"/><log message="[$gv]"/></action></recv></scenario>'
    )
    return action_lines(Scenario.from_file(path, injection_names=("u.csv",)).steps)


@pytest.mark.parametrize(("action", "text"), SIPP + OURS)
def test_an_action_is_described(tmp_path: Path, action: str, text: str) -> None:
    lines = lines_of(tmp_path, f'<recv request="INFO"><action>{action}</action></recv>')
    assert lines[0] == "=> Message[1] (Receive Message) - [1] action(s) defined :"
    whole = f"   --> action[0] = {text}"
    assert lines[1] == whole[:79] or lines[1].startswith(whole)


def test_every_kind_of_action_has_a_description_of_its_own() -> None:
    tried = {row[0].split()[0].strip("</>") for row in SIPP + OURS}
    assert tried == set(ACTIONS)


def test_a_line_is_cut_at_79_columns(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, f'<recv request="INFO"><action><ereg regexp="{"x" * 99}" search_in="msg" assign_to="gv"/></action></recv>')
    assert len(lines[1]) == 79


def test_steps_that_receive_nothing_have_no_words_in_brackets(tmp_path: Path) -> None:
    assert lines_of(tmp_path, '<nop><action><log message="x"/></action></nop>')[0] == (
        "=> Message[1] - [1] action(s) defined :"
    )


def test_a_scenario_without_actions_has_no_lines() -> None:
    assert action_lines(Scenario.builtin("uac").steps) == []

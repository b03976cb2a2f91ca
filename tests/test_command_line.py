"""Command lines -> Options, as SIPp reads them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sippx.command_line import VERBS, InformationRequest, parse_command_line, parse_verb
from sippx.errors import UsageError
from sippx.options import FIELD_OPTIONS, Options


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("127.0.0.1:5070", Options(remote_host="127.0.0.1:5070")),
        ("-r 500 host -m 1000", Options(remote_host="host", rate=500, max_calls=1000)),
        ("-sn uas", Options(scenario_name="uas")),
        ("-sf call.xml -i ::1 -p 5062", Options(scenario_file="call.xml", local_ip="::1", local_port=5062)),
        ("-m 0x1F -l 010", Options(max_calls=31, max_open_calls=8)),
        ("-m ''", Options(max_calls=0)),
        ("-d 1.5s -rp 500ms", Options(pause_ms=1500, rate_period_ms=500)),
        ("-d 7 -recv_timeout 7 -T2 7", Options(pause_ms=7, recv_timeout_ms=7, t2_ms=7)),
        ("-f 7 -fd 7 -timeout 7", Options(screen_period_ms=7000, stat_period_ms=7000, timeout_ms=7000)),
        ("-nostdin -nr -bg", Options(read_stdin=False, retransmissions=False, background=True)),
        ("--no-gso --no-gro --no-batch --cpu 1", Options(gso=False, gro=False, batch=False, cpu=1)),
        ("--r 5 --trace_stat -no-gso -cpu 0", Options(rate=5, trace_stat=True, gso=False, cpu=0)),
        ("-r 5 -r 6", Options(rate=6)),
        ("-key a 1 -key b '' -key a 3", Options(keys={"a": "3", "b": ""})),
        ("-nd", Options(default_behaviors=frozenset())),
        ("-nd -default_behaviors bye", Options(default_behaviors=frozenset({"bye"}))),
        ("-default_behaviors all -nd", Options(default_behaviors=frozenset())),
        (
            "-max_reconnect -1 -reconnect_close false -skip_rlimit",
            Options(max_reconnects=-1, reconnect_close=False, skip_rlimit=True),
        ),
        ("-t u1", Options()),
        ("-s -m -m 2", Options(service="-m", max_calls=2)),
        ("-s -- -cid_str --x=y", Options(service="--", call_id_format="--x=y")),
    ],
)
def test_a_command_line_sets_the_options(line: str, expected: Options) -> None:
    assert parse_command_line(shlex.split(line)) == expected


@given(st.lists(st.sampled_from(["-trace_msg", "-trace_err", "-nr", "-bg", "-timeout_error"]), max_size=8))
def test_flags_may_be_repeated_and_stand_in_any_order(words: list[str]) -> None:
    given_fields = {spec.field: spec.flag_value for spec in FIELD_OPTIONS if spec.flags[0] in words}
    assert parse_command_line(words) == Options(**given_fields)  # type: ignore[arg-type]


@given(st.text(max_size=20), st.text(max_size=20))
def test_texts_arrive_as_they_are(service: str, value: str) -> None:
    options = parse_command_line(["-s", service, "-key", "k", value])
    assert options == Options(service=service, keys={"k": value})


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("-m abc", '-m, "abc" is not a valid integer!'),
        ("--m abc", '-m, "abc" is not a valid integer!'),
        ("-r 1x", '-r, "1x" is not a floating point number!'),
        ("-d 5x", '-d, "5x" is not a valid time!'),
        ("-reconnect_close maybe", '-reconnect_close, "maybe" is not a valid boolean!'),
        ("-default_behaviors zork", "-default_behaviors, \"zork\" names the unknown default behavior 'zork'"),
        ("-t x1", '-t, "x1" is not a transport mode; use u1, un, ui, t1, tn'),
        ("-t cn", '-t, "cn" is compressed UDP, which needs a plugin'),
        ("-t ui", "transport (-t): ui needs an injection file (-inf)"),
        ("-tls_version 2", '-tls_version, "2" is not a version of TLS; use 1.0, 1.1, 1.2, 1.3'),
        ("-ws_path chat", "-ws_path, \"chat\" is not a path: it has to begin with '/'"),
        ("-pmtu 70000", "path_mtu_bytes (-pmtu): 70000 is not allowed"),
        ("-p 70000", "local_port (-p): 70000 is not allowed, use 0 to 65535"),
        ("-r -1", "rate (-r): -1.0 is not allowed, use 0 to 1000000000"),
        ("-m", "-m needs an argument: -m N"),
        ("-key a", "-key needs an argument: -key KEYWORD VALUE"),
        ("-sd", "-sd needs an argument: -sd NAME"),
        ("-sf a -sf b", "-sf is allowed once, and there are 'a' and 'b'"),
        ("-sn uas -sn uas", "-sn is allowed once"),
        ("-sf a -sn uac", "only one scenario is allowed"),
        ("one two", "REMOTE_HOST[:PORT] is allowed once, and there are 'one' and 'two'"),
        ("-zork", "unknown option '-zork'"),
        ("-mb x", "-mb is a SIPp option that needs media, which this version of sippx does not have yet"),
    ],
)
def test_a_wrong_command_line_is_explained(line: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_command_line(shlex.split(line))
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("-h", InformationRequest("help")),
        ("--help -zork", InformationRequest("help", "-zork")),
        ("-m 5 -h stat -m abc", InformationRequest("help", "stat")),
        ("-m abc -v", InformationRequest("version")),
        ("-sd uas -m", InformationRequest("dump", "uas")),
        ("--sd -h", InformationRequest("dump", "-h")),
    ],
)
def test_a_request_for_information_counts_at_once(line: str, request_: InformationRequest) -> None:
    assert parse_command_line(shlex.split(line)) == request_


def test_an_unknown_option_before_a_request_for_information_wins() -> None:
    with pytest.raises(UsageError, match="unknown option '-zork'"):
        parse_command_line(["-zork", "-h"])


# ---- verbs -----------------------------------------------------------------------------------------------


def test_a_verb_takes_scenarios_keys_and_injection_files() -> None:
    request = parse_verb(
        ["check", "a.xml", "-key", "k", "-v", "--inf", "/x/users.csv", "b.xml", "-inf", "users.csv", "-inf", "o.csv"]
    )
    assert request.scenarios == ["a.xml", "b.xml"]
    assert request.keys == {"k": "-v"}
    assert request.injection_names == ["users.csv", "o.csv"]


@pytest.mark.parametrize("flag", ["-list", "--list"])
def test_check_lists_its_checks(flag: str) -> None:
    assert parse_verb(["check", flag]).wants_list


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_its_own_help(verb: str) -> None:
    assert parse_verb([verb, "-h"]).wants_help


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check"], "check needs a scenario file or the name of a built-in scenario (a host is written check:5060)"),
        (["show"], "show needs one scenario file or"),
        (["show", "uac", "uas"], "show needs one scenario file or"),
        (["check", "uac", "-m", "1"], "-m has no effect on check, which takes -key and -inf only"),
        (["show", "uac", "-list"], "unknown option '-list'"),
        (["check", "uac", "-key", "k"], "-key needs an argument"),
        (["check", "-inf"], "-inf needs an argument"),
        (["check", "uac", "-bogus"], "unknown option '-bogus'"),
        (["completion"], "completion needs the name of a shell: bash, zsh, fish"),
        (["completion", "csh"], "completion needs the name of a shell: bash, zsh, fish"),
        (["completion", "bash", "-key", "a", "b"], "-key has no effect on completion"),
    ],
)
def test_a_wrong_use_of_a_verb_is_named(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_verb(words)
    assert str(caught.value).startswith(message)


def test_a_host_named_like_a_verb_is_written_with_its_port() -> None:
    assert parse_command_line(["check:5060"]) == Options(remote_host="check:5060")

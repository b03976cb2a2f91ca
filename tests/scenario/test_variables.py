"""Tests of variables: scopes, look-up in document order, numbers, and the check that each has a use."""

from __future__ import annotations

import pytest
from xml_text import compiled, document, error_of, load, send, send_text

from sippx._core.codes import PieceKind, StepFlag
from sippx._core.program import MAX_VARIABLES as MAX_OF_PROGRAM
from sippx._core.program import Program
from sippx.scenario import Scenario
from sippx.scenario.model import Variable
from sippx.scenario.variables import MAX_VARIABLES

RECV = '<recv request="INVITE"/>'


def assign(*names: str) -> str:
    actions = "".join(f'<assign assign_to="{name}" value="1"/>' for name in names)
    return f"<nop><action>{actions}</action></nop>"


def test_variables_are_numbered_call_user_global() -> None:
    spec = compiled(
        f'{RECV}<Global variables="g1,g2"/><User variables="u"/>' + assign("c2", "g2", "c1", "u", "g1", "c1", "c2")
    )
    assert (spec.call_variables, spec.user_variables, spec.global_variables) == (("c2", "c1"), ("u",), ("g1", "g2"))
    assert list(spec.actions["target"]) == [0, 4, 1, 2, 3, 1, 0]
    Program(spec)


def test_variable_is_looked_up_in_call_then_user_then_global_scope() -> None:
    scenario = load(f'{RECV}<Global variables="x"/>{assign("x")}<User variables="x"/>' + assign("x"))
    targets = [action.target for step in scenario.steps for action in step.actions]
    assert targets == [Variable("x", "global"), Variable("x", "user")]


def test_declaration_below_a_use_is_hidden_with_a_warning() -> None:
    body = f'{RECV}{assign("x", "x")}<Global variables="x"/><Reference variables="x"/>'
    error = error_of(body)
    assert error.message.startswith("the global variable 'x' is mentioned only once")
    assert "did you mean" not in error.message
    scenario = load(body.replace('variables="x"', 'variables="x,x"', 1))
    assert "the global variable 'x' is hidden by a call variable used above" in scenario.warnings[0]


def test_variable_mentioned_once_is_refused_where_it_stands() -> None:
    error = error_of(f'{RECV}\n<nop><action>\n<assign assign_to="once" value="1"/></action></nop>')
    assert (error.line, error.column) == (5, 20)
    assert "the call variable 'once' is mentioned only once" in error.message


def test_misspelt_variable_is_refused_with_the_nearest_name() -> None:
    assert "did you mean 'count'?" in error_of(RECV + assign("count", "count", "cuont")).message


def test_keyword_counts_as_a_mention_and_knows_its_place() -> None:
    assert load(send(extra="X: [$v]") + assign("v")).variables == (Variable("v"),)
    error = error_of(send_text("\n  OPTIONS x SIP/2.0\n  X: [$v]"))
    assert (error.line, error.column) == (5, 6)


def test_underscore_may_stand_alone() -> None:
    assert compiled(f'{RECV}<nop><action><ereg regexp="(a)" assign_to="_,_"/></action></nop>').call_variables == ("_",)


def test_reference_counts_as_a_mention() -> None:
    assert load(RECV + assign("x") + '<Reference variables="x"/>').variables == (Variable("x"),)


def test_reference_to_an_unknown_variable_is_refused() -> None:
    message = error_of(RECV + assign("count", "count") + '<Reference variables="cuont"/>').message
    assert "<Reference> to the variable 'cuont', which nothing above mentions; did you mean 'count'?" in message


@pytest.mark.parametrize("element", ["Global", "User", "Reference"])
@pytest.mark.parametrize("names", ["", "a,,b", "a,", "$a", ","])
def test_bad_lists_of_names_are_refused(element: str, names: str) -> None:
    assert "no list of variable names" in error_of(f'{RECV}<{element} variables="{names}"/>').message


@pytest.mark.parametrize("element", ["Global", "User", "Reference"])
def test_declaration_needs_names(element: str) -> None:
    assert "needs a variables attribute" in error_of(f"{RECV}<{element}/>").message


def test_blanks_around_names_do_not_count() -> None:
    spec = compiled(f'{RECV}<Global variables="a, b"/>' + assign(" a ", "b"))
    assert spec.global_variables == ("a", "b") and spec.call_variables == ()


@pytest.mark.parametrize("name", ["", " ", "$a", "a,b"])
def test_bad_names_are_refused(name: str) -> None:
    assert "is no name of a variable" in error_of(RECV + assign(name)).message


def test_number_of_variables_is_bounded_as_in_the_core() -> None:
    assert MAX_VARIABLES == MAX_OF_PROGRAM
    names = ",".join(f"v{i}" for i in range(MAX_VARIABLES + 1))
    assert f"more than {MAX_VARIABLES} variables" in error_of(f'{RECV}<Global variables="{names}"/>').message


def test_name_outside_ascii_is_the_same_in_attributes_and_keywords() -> None:
    declaration = '<?xml version="1.0" encoding="ISO-8859-1"?>'
    text = document(send(extra="X: [$é]") + assign("é"), declaration=declaration).encode("latin-1")
    assert Scenario.from_string(text).variables == (Variable("é"),)


# -- steps that look at variables -----------------------------------------------------------------------


def test_test_guards_next() -> None:
    spec = compiled(f'{RECV}<nop next="e" test="v"/>{assign("v")}<label id="e"/>')
    assert list(spec.steps["test_var"]) == [-1, 0, -1]


def test_test_without_next_is_no_mention() -> None:
    body = f'{RECV}<nop test="v"/>'
    assert load(body).variables == ()
    assert "test without next has no effect" in load(body).warnings[0]


def test_condexec_and_condexec_inverse() -> None:
    spec = compiled(f'{RECV}<nop condexec="v"/><nop condexec="v" condexec_inverse="true"/><nop/>')
    assert list(spec.steps["condexec_var"]) == [-1, 0, 0, -1]
    inverse = [bool(flags & StepFlag.STEP_CONDEXEC_INVERSE) for flags in spec.steps["flags"]]
    assert inverse == [False, False, True, False]


def test_condexec_inverse_alone_is_a_warning() -> None:
    spec = compiled(f'{RECV}<nop condexec_inverse="true"/>')
    assert not spec.steps[1]["flags"] & StepFlag.STEP_CONDEXEC_INVERSE
    assert "without condexec has no effect" in load(f'{RECV}<nop condexec_inverse="true"/>').warnings[0]


def test_variable_keyword_is_a_piece_with_its_number() -> None:
    spec = compiled(send(extra="[$a]\nX: [$b]") + assign("b", "a"))
    rows = [row for row in spec.pieces if row["kind"] == PieceKind.PIECE_VARIABLE]
    assert [(int(row["offset"]), bool(row["suppress"])) for row in rows] == [(0, True), (1, False)]


# -- where unexpected messages go -----------------------------------------------------------------------

UNEXPECTED = (
    f'{RECV}<nop next="e"/><label id="_unexp.main"/><recv request="INFO"/><nop><action>'
    '<jump variable="_unexp.retaddr"/><pauserestore variable="_unexp.pausedaddr"/></action></nop><label id="e"/>'
)


def test_label_and_variables_of_unexpected_messages() -> None:
    spec = compiled(UNEXPECTED)
    assert spec.unexpected_step == 2
    assert spec.call_variables == ("_unexp.retaddr", "_unexp.pausedaddr")
    assert (spec.unexpected_return_var, spec.unexpected_pause_var) == (0, 1)
    Program(spec)


def test_without_the_label_its_variables_are_ordinary() -> None:
    spec = compiled(RECV)
    assert (spec.unexpected_step, spec.unexpected_return_var, spec.unexpected_pause_var) == (-1, -1, -1)
    assert "mentioned only once" in error_of(UNEXPECTED.replace('"_unexp.main"', '"other"')).message


def test_label_of_unexpected_messages_needs_a_step() -> None:
    assert "no step would take the message" in error_of(f'{RECV}<label id="_unexp.main"/>').message

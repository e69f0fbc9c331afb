"""`expr:` means what simpleeval's evaluation of it means, keeps three values, and never crashes on any text."""

from collections.abc import Mapping
from datetime import date
from math import isclose

from hypothesis import given, settings
from hypothesis import strategies as st
from simpleeval import SimpleEval
from tries import tries

from rulebot.compile.expression import truth_of
from rulebot.compile.plan import AllOf, AnyOf, Not, Quantity, Truth
from rulebot.compile.problem import Fault
from rulebot.compile.scope import Scope
from rulebot.evaluate.rules import compile_test
from rulebot.measure.definition import Place
from rulebot.measure.reading import Context
from rulebot.measure.view import View
from rulebot.model.contract import Underlying
from rulebot.model.facts import Facts
from rulebot.model.market import Board
from rulebot.model.session import session_on
from rulebot.spec.nouns import DteRule, Expiry

NAMES = ("vix", "vix9d", "vix1d", "vix3m")
SCOPE = Scope(Place.FILTER, ("SPX",), {}, {}, {})
CONTEXT = Context(symbols=("SPX",), classes={}, expiry=Expiry(rule=DteRule.EXACT, days=(0,), path=()))
FUNCTIONS = {"abs": abs, "min": min, "max": max, "round": round}

values = st.fixed_dictionaries(
    {name: st.one_of(st.integers(1, 60).map(float), st.floats(1.0, 60.0), st.none()) for name in NAMES}
)
known = st.fixed_dictionaries({name: st.floats(1.0, 60.0) for name in NAMES})

leaves = st.one_of(st.sampled_from(NAMES), st.integers(0, 40).map(str), st.floats(0.1, 40.0).map(lambda x: f"{x:.3f}"))
numbers = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-"), inner).map(lambda it: f"({it[0]} {it[1]} {it[2]})"),
        st.tuples(inner, st.integers(1, 9)).map(lambda it: f"{it[0]} * {it[1]}"),
        st.tuples(inner, st.integers(0, 9)).map(lambda it: f"{it[0]} / {it[1]}"),
        st.tuples(st.sampled_from(("abs", "round")), inner).map(lambda it: f"{it[0]}({it[1]})"),
        st.tuples(st.sampled_from(("min", "max")), inner, inner).map(lambda it: f"{it[0]}({it[1]}, {it[2]})"),
        inner.map(lambda text: f"-{text}"),
    ),
    max_leaves=4,
)
comparisons = st.tuples(numbers, st.sampled_from(("<", "<=", ">", ">=")), numbers).map(" ".join)
truths = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from((" and ", " or ")), inner).map("".join),
        inner.map(lambda text: f"not ({text})"),
        inner.map(lambda text: f"({text})"),
    ),
    max_leaves=4,
)


def view(levels: Mapping[str, float | None]) -> View:
    session = session_on(date(2026, 11, 18))
    assert session is not None
    now, board = session.open.timestamp() + 60.0, Board()
    board.alive_at = now
    for name, level in levels.items():
        row = board.add(Underlying(name.upper()))
        if level is not None:
            board.last[row], board.last_at[row] = level, now
    return View(now=now, session=session, board=board, facts=Facts())


def compiled(text: str) -> Truth | None:
    try:
        return truth_of(text, SCOPE, ())
    except Fault:
        return None


@given(truths, known)
@settings(max_examples=tries(200))
def test_the_tree_means_what_simpleeval_says(text: str, levels: dict[str, float]) -> None:
    tree = compiled(text)
    if tree is None:
        return
    evaluation = compile_test(tree, CONTEXT)(view(levels)).truth
    try:
        expected = SimpleEval(functions=FUNCTIONS, names=levels).eval(text)
    except ZeroDivisionError:
        return
    assert evaluation is None or evaluation is bool(expected), text


def test_generated_expressions_are_mostly_accepted() -> None:
    for text in ("vix - 3 > vix9d * 2", "(not (vix / 2 > 4)) and 3 < vix3m", "abs(vix - vix9d) <= 1.5", "-vix < 3"):
        assert compiled(text) is not None, text


@given(truths, values)
@settings(max_examples=tries(100))
def test_learning_a_value_never_reverses_a_verdict(text: str, levels: dict[str, float | None]) -> None:
    tree = compiled(text)
    if tree is None:
        return
    before = compile_test(tree, CONTEXT)(view(levels)).truth
    filled = {name: 20.0 if level is None else level for name, level in levels.items()}
    after = compile_test(tree, CONTEXT)(view(filled)).truth
    assert before is None or before is after


@given(truths, truths, values)
@settings(max_examples=tries(100))
def test_three_values_keep_the_laws_of_de_morgan(one: str, other: str, levels: dict[str, float | None]) -> None:
    members = tuple(tree for tree in (compiled(one), compiled(other)) if tree is not None)
    names = tuple(str(at) for at in range(len(members)))
    if not members:
        return
    at = view(levels)
    none_of = compile_test(Not(AnyOf(members, names)), CONTEXT)(at).truth
    all_not = compile_test(AllOf(tuple(Not(member) for member in members), names), CONTEXT)(at).truth
    assert none_of is all_not
    assert compile_test(Not(Not(members[0])), CONTEXT)(at).truth is compile_test(members[0], CONTEXT)(at).truth


@given(st.text(max_size=120) | st.text("vixspot0123456789.()+-*/<>=!&|,;:'\"[]{}%@~ \tandornt\n", max_size=200))
@settings(max_examples=tries(250))
def test_any_text_gives_a_tree_or_a_problem_inside_it(text: str) -> None:
    try:
        truth_of(text, SCOPE, ())
    except Fault as fault:
        columns = fault.problem.columns
        assert columns is None or 0 <= columns[0] < columns[1] <= max(len(text), 1) + 1


def test_what_python_cannot_nest_is_a_problem() -> None:
    for text in (
        "-" * 5000 + "1",
        "1" + "+1" * 3000,
        "(" * 300 + "1" + ")" * 300,
        "-" * 450 + "1",
        "not " * 120 + "vix",
    ):
        assert compiled(text) is None


def test_prices_are_not_exact_and_quantities_keep_their_unit() -> None:
    assert isclose(0.1 + 0.2, 0.3)
    assert compiled("vix == 3") is None
    tree = compiled("vix + 1 > 3")
    assert tree is not None
    assert tree.left.quantity is Quantity.LEVEL  # type: ignore[union-attr]

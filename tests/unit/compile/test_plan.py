"""Plans of sound specs: what is resolved, defaulted and needed."""

import pytest
from document import CONDOR, changed, plan_of

from rulebot.compile.build import build_plan
from rulebot.compile.plan import Arithmetic, Call, Compare, Constant, Op, Quantity
from rulebot.measures.registry import VOCABULARY
from rulebot.spec.files import shipped
from rulebot.spec.load import load_text

SHIPPED = ("calm_tape_condor", "put_lite", "dte0_condor", "spx_spy_parity", "spy_put_seller")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_spec_becomes_a_plan_without_a_problem(name: str) -> None:
    file = shipped("specs").joinpath(f"{name}.yaml")
    loaded = load_text(file.read_text(encoding="utf-8"), f"{name}.yaml")
    assert loaded.spec is not None
    plan, found = build_plan(loaded.spec, loaded.source)
    assert found == []
    assert plan is not None
    assert plan.opens_for == "credit"


def test_a_multiple_of_a_let_is_a_product() -> None:
    rule = plan_of(CONDOR).entry.when[2]
    move = Call("expected_move", (("asof", "open"), ("method", "straddle"), ("of", "SPX")), Quantity.POINTS)
    product = Arithmetic("*", (Constant(0.6, Quantity.PLAIN), move), Quantity.POINTS)
    assert rule.test == Compare(Op.BELOW, Call("day_range", (("of", "SPX"),), Quantity.POINTS), (product,))
    assert rule.text == "below 0.6x day_move"
    assert rule.reads == {"spot:SPX", "facts"}


def test_the_unit_chooses_the_quantity() -> None:
    plan = plan_of(changed("vix_change: {below: 3 pts}", "vix_change: {below: 20%}"))
    assert plan.entry.when[1].quantity is Quantity.FRACTION
    compared = plan.exits[3].compares
    assert compared is not None
    assert compared.quantity is Quantity.DOLLARS


@pytest.mark.parametrize(
    ("text", "quantity"), [("max_risk", Quantity.PRICE), ("0.01 * net_liquidation", Quantity.DOLLARS)]
)
def test_so_many_times_a_loss_takes_the_unit_of_what_it_is_compared_with(text: str, quantity: Quantity) -> None:
    """It stayed a fraction where the number came first, and was held against a price or dollars."""
    loss = Call("loss", (("at", "mid"),), quantity)
    for written in (f"2 * loss > {text}", f"loss * 2 > {text}"):
        rule = plan_of(changed("- breach: {spot_within: 5 pts}", f"- {{name: e, expr: {written}}}")).exits[1].rule
        assert rule is not None
        assert isinstance(rule.test, Compare)
        assert isinstance(rule.test.left, Arithmetic)
        assert set(rule.test.left.operands) == {Constant(2.0, Quantity.PLAIN), loss}


def test_a_number_may_stand_on_either_side_of_an_expression() -> None:
    """Of several legs, one of them unknown, the one that is known decides: of what is measured, not of its bound."""
    pairs = (("0.30 < leg_delta", "leg_delta > 0.30"), ("2 * 15 >= dte", "dte <= 2 * 15"))
    for written in pairs:
        texts = [changed("- breach: {spot_within: 5 pts}", f"- {{name: e, expr: {text}}}") for text in written]
        one, other = (plan_of(text).exits[1].rule for text in texts)
        assert one is not None
        assert other is not None
        assert one.test == other.test


def test_legs_resolve_behind_the_one_they_refer_to() -> None:
    names = [leg.name for leg in plan_of(CONDOR).legs]
    assert names.index("short_put") < names.index("long_put")
    assert {leg.trading_class for leg in plan_of(CONDOR).legs} == {"SPXW"}


def test_needs_name_the_data_of_all_rules() -> None:
    needs = plan_of(CONDOR).needs
    assert (needs.symbols, needs.indices, needs.opening_move) == (("SPX",), ("VIX",), ("SPX",))


def test_a_debit_spread_opens_for_a_debit() -> None:
    spread = changed("sell: put", "buy: put").replace("long_put: {buy: put", "long_put: {sell: put")
    head, rest = spread.split("  short_call:")
    text = head + "  require:\n    - debit: {at_most: 4}\n" + rest[rest.index("order:") :]
    assert plan_of(text).opens_for == "debit"


def test_every_measure_names_its_formula_and_its_places() -> None:
    for measure in VOCABULARY.values():
        assert measure.formula.endswith(".")
        assert measure.places
        assert measure.reads


FLY = """\
  long_put: {{buy: put, strike: {{delta: 0.30}}}}
  short_put: {{sell: put, ratio: 2, strike: {{below: long_put, by: 10 pts}}}}
  wing: {{buy: put, strike: {{below: short_put, by: {wing} pts}}}}
  require:
    - {asked}
"""


@pytest.mark.parametrize(
    ("wing", "asked", "opens_for"),
    [
        (30, "credit: {at_least: 0.50}", "credit"),
        (30, "debit: {at_most: 1.00}", "debit"),
        (10, "quote_width: {at_most: 1.00}", "debit"),
    ],
)
def test_a_butterfly_is_bought_and_a_broken_one_is_what_it_asks(wing: int, asked: str, opens_for: str) -> None:
    start, end = CONDOR.index("  short_put:"), CONDOR.index("order:")
    head = CONDOR[:start].replace("parameters: {floor: 30 pts}\n", "")
    text = head + FLY.format(wing=wing, asked=asked) + CONDOR[end:]
    assert plan_of(text).opens_for == opens_for


def test_an_average_that_a_strike_may_not_pass_is_data_that_the_bot_needs() -> None:
    text = changed("let: {", "let: {slow: {sma: {window: 30}}, ").replace(
        "short_call: {sell: call, strike: {delta: 0.10}}",
        "short_call: {sell: call, strike: {delta: 0.10, min_strike: slow, max_strike: 7000}}",
    )
    plan = plan_of(text)
    edge = next(leg for leg in plan.legs if leg.name == "short_call").min_strike
    assert isinstance(edge, Call)
    assert (edge.measure, edge.argument("of")) == ("sma", "SPX")
    assert plan.needs.bars != plan_of(CONDOR).needs.bars or plan.needs.daily != plan_of(CONDOR).needs.daily

"""The example markets of lint: measures come to what a rule reads from a snapshot of the same market."""

from math import sqrt

import pytest

from rulebot.compile.lint.example import greek, sample_of, stake_of
from rulebot.compile.lint.outcomes import Scenario
from rulebot.compile.plan import Call, Quantity
from rulebot.compile.timing import full_session
from rulebot.evaluate.measure import context_of, reader_of
from rulebot.measure.view import LegView, View
from rulebot.model import black
from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.facts import Facts, Listing
from rulebot.model.market import Board
from rulebot.spec.load import load_text
from tests.unit.compile.document import CONDOR, plan_of

COUNT = 2
PLAN, LOADED = plan_of(CONDOR), load_text(CONDOR)
assert LOADED.spec is not None
SAMPLE = sample_of(PLAN)
STAKE = stake_of(LOADED.spec, PLAN, SAMPLE)
assert STAKE is not None
MARKET = Scenario(SAMPLE, STAKE, COUNT, 0, 1.0)
SHORT, ALL = ("short_put", "short_call"), ("short_put", "long_put", "short_call", "long_call")
MEASURES = [
    ("credit", Quantity.PRICE, {"at": "start"}),
    ("credit", Quantity.DOLLARS, {"at": "start"}),
    ("debit", Quantity.PRICE, {"at": "start"}),
    ("max_risk", Quantity.PRICE, {}),
    ("max_risk", Quantity.DOLLARS, {}),
    ("return_on_risk", Quantity.FRACTION, {}),
    ("probability_of_profit", Quantity.FRACTION, {}),
    ("probability_in_the_money", Quantity.FRACTION, {"of": SHORT}),
    ("strike", Quantity.POINTS, {"of": "short_put"}),
    ("spot", Quantity.POINTS, {"of": "SPX"}),
    ("expected_move", Quantity.POINTS, {"asof": "now", "method": "iv", "of": "SPX"}),
    *(("leg_" + name, Quantity.PLAIN, {"of": ALL}) for name in ("delta", "gamma")),
    *(("leg_" + name, Quantity.DOLLARS, {"of": SHORT}) for name in ("theta", "vega")),
    *(("position_" + name, Quantity.PLAIN, {}) for name in ("delta", "gamma", "theta", "vega")),
]


def snapshot() -> View:
    """Return the example market as the board would show it at the start of the window."""
    session, board = full_session(), Board()
    now = PLAN.entry.windows[0].start.on(session).timestamp()
    board.alive_at = now
    spot = next(iter(SAMPLE.legs.values())).spot
    row = board.add(Underlying("SPX"))
    board.last[row], board.last_at[row] = spot, now
    years = black.years_until(session.date, now, session)
    assert years is not None
    annual = next(leg.move / leg.spot / sqrt(leg.years) for leg in SAMPLE.legs.values())
    legs = []
    for leg in SAMPLE.legs.values():
        option = Option("SPX", "SPXW", session.date, MARKET.named((leg.plan.name,))[0].option.strike, leg.plan.right)
        row = _quoted(board, option, leg.mid, now)
        for name in ("delta", "gamma", "theta", "vega"):
            getattr(board, name)[row] = greek(name, leg)
        legs.append(LegView(leg.plan.name, option, row, leg.plan.sign, leg.plan.ratio))
    strike = type(legs[0].option.strike)(round(spot / 5) * 5)
    for right in Right:
        worth = black.price(spot, float(strike), years, annual, right is Right.CALL)
        _quoted(board, Option("SPX", "SPXW", session.date, strike, right), worth, now)
    listing = Listing("SPX", "SPXW", (session.date,), {session.date: (strike,)})
    view = View(now=now, session=session, board=board, facts=Facts(listings={("SPX", "SPXW"): listing}))
    view.legs, view.quantity, view.start_price = tuple(legs), COUNT, MARKET.stake.entry
    view.commission = MARKET.commissions
    return view


def _quoted(board: Board, option: Option, mid: float, now: float) -> int:
    row = board.add(option)
    board.bid[row], board.ask[row], board.quote_at[row], board.model_at[row] = mid - 0.01, mid + 0.01, now, now
    return row


@pytest.mark.parametrize(("measure", "quantity", "arguments"), MEASURES)
def test_lint_reads_what_a_rule_reads(measure: str, quantity: Quantity, arguments: dict[str, object]) -> None:
    call = Call(measure, tuple(sorted(arguments.items())), quantity)  # type: ignore[arg-type]
    column, number = MARKET.measure(call), reader_of(call, context_of(PLAN))(snapshot())
    assert isinstance(number, float)
    if measure == "expected_move":  # lint has it of its own volatility
        assert MARKET.expected_move("SPX") == pytest.approx(number, rel=1e-3)
        return
    assert column is not None
    assert column.values == pytest.approx(number, rel=1e-3 if "probability" in measure else 1e-9)

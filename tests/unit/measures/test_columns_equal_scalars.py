"""A measure comes to the same by columns as from the snapshot of each instant, to the last digit that rules see."""

import ast
import random
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from importlib import import_module
from itertools import product
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rulebot
from rulebot.backtest.arrays import MarketColumns, Position
from rulebot.compile.lint.outcomes import Scenario
from rulebot.compile.plan import OPEN_LEGS, Call, Holds, Quantity
from rulebot.evaluate.measure import reader_of
from rulebot.evaluate.rules import compile_test
from rulebot.measure.definition import Measure, Takes
from rulebot.measure.reading import Column, ColumnView, LegColumns, UnknownValue, exact
from rulebot.measure.view import Exposure, Greeks, Held, Ledger, LegView, View
from rulebot.measures.registry import MEASURES
from rulebot.measures.structure import net_column
from rulebot.model.contract import Option, Right
from rulebot.model.facts import Facts, Listing
from rulebot.model.market import Board
from rulebot.model.payoff import best_case
from rulebot.model.session import Anchor, DayTime
from rulebot.sweep.vectorized.strikes import Candidate
from tests.unit.measures.market_view import CONTEXT, DAY, NOW, SHORT, level, option, quote, session

ENGINE = Path(rulebot.__file__).parent
COUNT = 40
LEVELS = {"SPX": 6000.0, "SPY": 600.0, "VIX": 16.0, "VIX9D": 15.0, "VIX1D": 12.0, "VIX3M": 18.0, "VVIX": 90.0}
LEVELS["SKEW"] = 140.0
LEGS = (
    ("short_put", option(5980, Right.PUT), -1),
    ("long_put", option(5960, Right.PUT), 2),
    ("short_call", option(6020, Right.CALL), -1),
    ("long_call", option(6040, Right.CALL), 1),
)
GREEKS = ("delta", "gamma", "theta", "vega")
WITH_COLUMNS = {
    *("spot", "vix", "vix9d", "vix1d", "vix3m", "vvix", "skew_index", "vix_change", "vix_spike", "move", "gap"),
    *("day_range", "expected_move", "minutes_since_open", "minutes_to_close", "time", "breach"),
    *("quote_width", "credit", "debit", "max_risk", "strike", "dte", "return_on_risk", "cost", "value", "profit"),
    *("loss", "time_in_trade", "sessions_in_trade", "leg_delta", "leg_gamma", "leg_theta", "leg_vega"),
    *("position_delta", "position_gamma", "position_theta", "position_vega"),
    *("net_delta", "net_gamma", "net_theta", "net_vega", "worst_case"),
}
"""The others take the rule of each instant."""


class Leg(LegColumns):
    """One leg of a random market."""

    def __init__(self, name: str, contract: Option, weight: int, dice: random.Random) -> None:
        self.name, self.option, self.weight, self.ratio = name, contract, weight, abs(weight)
        mids = [round(dice.uniform(0.2, 9.0), 2) for _ in range(COUNT)]
        self.bids = np.array([nan if dice.random() < 0.15 else each - 0.05 for each in mids])
        self.asks = np.array([nan if dice.random() < 0.05 else each + 0.1 for each in mids])
        signs = {"delta": -1.0 if contract.right is Right.PUT else 1.0, "theta": -1.0}
        self.greeks = {
            name: np.array([nan if dice.random() < 0.1 else signs.get(name, 1.0) * dice.random() for _ in mids])
            for name in GREEKS
        }

    def quote(self, *, closing: bool) -> tuple[np.ndarray, np.ndarray]:
        is_worthless = np.isnan(self.bids) & closing & (self.weight > 0)
        bid, ask = np.where(np.isnan(self.bids), 0.0, self.bids), np.where(is_worthless, 0.0, self.asks)
        return np.where(np.isnan(ask), nan, bid), ask

    def greek(self, name: str) -> np.ndarray:
        return self.greeks[name]

    def row(self, board: Board, place: int) -> LegView:
        """Write it on a board as it is at an instant."""
        row = quote(board, self.option, float(self.bids[place]), float(self.asks[place]))
        board.model_at[row] = NOW - 1.0
        for name, values in self.greeks.items():
            getattr(board, name)[row] = float(values[place])
        assert self.option is not None
        return LegView(self.name, self.option, row, 1 if self.weight > 0 else -1, abs(self.weight))


class Market(ColumnView):
    """Random levels and quotes of a session, some of them not known: as columns, and as the snapshot of any instant."""

    def __init__(self, seed: int, held: Held | None, closed: int = 0) -> None:
        dice = random.Random(seed)
        self.held, self.session = held, session()
        self.board = {symbol: _levels(at, dice) for symbol, at in LEVELS.items()}
        self.legs = [Leg(*each, dice) for each in LEGS][closed:]
        listings = {("SPX", "SPXW"): Listing("SPX", "SPXW", (DAY,), {DAY: ()})}
        self.facts = Facts(opening_moves={("SPX", DAY): 41.2}, listings=listings)
        greeks = {symbol: Greeks(*(dice.gauss(0, 50) for _ in range(4))) for symbol in ("SPX", "SPY")}
        self.exposed = Exposure(greeks, "", Decimal("1234.56"), "")
        self.starts = np.round(np.array([dice.uniform(-3, 3) for _ in range(COUNT)]), 2)
        self.views = [self._view(place) for place in range(COUNT)]

    @property
    def now(self) -> np.ndarray:
        return NOW + 20.0 * np.arange(COUNT)

    def level(self, symbol: str) -> np.ndarray:
        return self.board[symbol]["last"]

    def of_board(self, symbol: str, name: str) -> np.ndarray | float:
        column = self.board[symbol][name]
        return float(column[0]) if name == "previous_close" else column

    def opening_move(self, symbol: str) -> float:
        return self.facts.opening_moves[symbol, DAY]

    def entry_price(self, at: str) -> Any:
        if self.held is not None:
            return self.held.entry_price
        return Column(self.starts) if at == "start" else net_column(self, at, closing=False)

    def exposure(self, name: str, symbol: str | None) -> float:
        found = self.exposed.greeks
        return getattr(found[symbol], name) if symbol else sum(getattr(each, name) for each in found.values())

    def worst_case(self) -> float:
        return float(str(self.exposed.worst))

    def most_won(self) -> float | None:
        return None if self.held is None else _best(self.held.entry_price, self.views[0].legs)

    def worth(self, at: str, names: tuple[str, ...] | None) -> Any:
        return net_column(self, at, closing=True, names=names)

    def _view(self, place: int) -> View:
        board, now = Board(), float(self.now[place])
        board.alive_at = now
        for symbol, columns in self.board.items():
            row = level(board, symbol, **{name: float(column[place]) for name, column in columns.items()})
            board.last_at[row] = now
        legs = tuple(leg.row(board, place) for leg in self.legs)
        for leg in legs:
            board.quote_at[leg.row] = board.model_at[leg.row] = now
        view = View(now=now, session=self.session, board=board, facts=self.facts)
        view.exposure = self.exposed
        view.legs, view.held, view.start_price = legs, self.held, float(self.starts[place])
        return view


def _best(price: float, legs: tuple[LegView, ...]) -> float | None:
    found = best_case(tuple((leg.option, leg.sign * leg.price_multiplier) for leg in legs), Decimal(f"{price:.10f}"))
    return None if found is None else float(found)


def _levels(at: float, dice: random.Random) -> dict[str, np.ndarray]:
    """Return the last, open, high, low and previous close of a walk; the first instants have no level."""
    walk = at * np.exp(np.cumsum([dice.gauss(0, 0.003) for _ in range(COUNT)]))
    last = np.array([nan if dice.random() < 0.1 or place < 3 else each for place, each in enumerate(np.round(walk, 2))])
    known = np.flatnonzero(~np.isnan(last))
    opened = np.where(np.arange(COUNT) < known[0], nan, last[known[0]])
    high, low = np.fmax.accumulate(last), np.fmin.accumulate(last)
    close = np.full(COUNT, round(at * dice.uniform(0.99, 1.01), 2))
    return {"last": last, "open": opened, "high": high, "low": low, "previous_close": close}


def _held(*, is_intact: bool, spot: float | None = None, price: float = 3.7 / 3.0) -> Held:
    ledgers = {name: Ledger(price / 4, 61.0, 2 * weight, DAY, 2, 62.5, 0.0) for name, _, weight in LEGS}
    return Held(
        entry_price=price,
        quantity=2,
        realized=0.0 if is_intact else -17.5,
        commissions=5.26,
        opened_at=NOW - 600.5,
        max_risk=18.77,
        legs=ledgers,
        opened_on=date(2026, 11, 13),
        spot=spot,
        is_intact=is_intact,
        is_whole=is_intact,
    )


@cache
def markets() -> tuple[Market, ...]:
    """Return markets without a position, with one, with one of which a leg is closed, and with one at no price."""
    held = (_held(is_intact=True, spot=5990.25), _held(is_intact=True), _held(is_intact=True, price=0.0))
    intact = [Market(seed, each) for seed, each in enumerate((None, None, *held))]
    return (*intact, Market(7, _held(is_intact=False), closed=1))


GIVEN: dict[Takes, tuple[Any, ...]] = {
    Takes.SYMBOL: ("SPX",),
    Takes.SYMBOLS: (("SPX", "SPY"),),
    Takes.COUNT: (20,),
    Takes.LEG: ("short_put",),
    Takes.CLOCK: (DayTime(Anchor.CLOCK, timedelta(hours=10, minutes=36)),),
    Takes.POINTS: (None, 12.5, 0.0),
}


def calls_of(measure: Measure) -> list[Call]:
    """Return calls in each quantity, of each choice of their arguments."""
    choices = []
    for each in measure.parameters:
        values = GIVEN.get(each.takes, (each.default, *each.choices))
        if each.takes is Takes.LEGS:
            values = (None, OPEN_LEGS) if each.default is None else (SHORT, ("short_put",))
        choices.append([(each.name, value) for value in dict.fromkeys(values)])
    pairs = ({name: value for name, value in given if value is not None} for given in product(*choices))
    sound = [given for given in pairs if measure.refuse is None or measure.refuse(given) is None]
    return [
        Call(measure.name, tuple(sorted(given.items())), quantity) for quantity in measure.quantities for given in sound
    ]


def has_column(call: Call) -> bool:
    return any(MEASURES[call.measure].column(call, market) is not None for market in markets())


CALLS = [call for measure in MEASURES.values() for call in calls_of(measure) if has_column(call)]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.measure} {call.quantity.value} {call.arguments}")
def test_a_column_is_the_number_of_each_instant(call: Call) -> None:
    for market in markets():
        column = MEASURES[call.measure].column(call, market)
        if column is None:
            continue
        values = np.broadcast_to(np.asarray(column.values), (COUNT,)).tolist()
        compare = _truths if call.quantity is Quantity.TRUTH else _numbers
        assert compare(call, market, values, column.uncertainty)


def test_which_measures_have_columns() -> None:
    assert {call.measure for call in CALLS} == WITH_COLUMNS


def _numbers(call: Call, market: Market, values: list[float], uncertainty: float) -> int:
    """Assert that values are what is read at each instant, and nan where that is unknown; return how many are known."""
    read, known = reader_of(call, CONTEXT), 0
    for view, value in zip(market.views, values, strict=True):
        number = read(view)
        if isinstance(number, float):
            assert exact(value) == exact(number)
            assert abs(value - number) <= uncertainty
            known += 1
        else:
            assert isnan(value), number
    return known


def _truths(call: Call, market: Market, values: list[float], uncertainty: float) -> int:
    """Assert that values are 0 and more where a rule holds, and nan where that is unknown."""
    judge, known = compile_test(Holds(call), CONTEXT), 0
    for view, value in zip(market.views, values, strict=True):
        truth = judge(view).truth
        if truth is None:
            assert isnan(value)
        else:
            assert value >= 0.0 if truth else value <= 0.0
            known += 1
    return known


def test_a_column_of_many_positions_is_that_of_each() -> None:
    market, one, other = markets()[2], 1.25, 2.5
    for name in ("profit", "loss", "credit", "max_risk", "time_in_trade"):
        for call in calls_of(MEASURES[name]):
            alone = []
            for price in (one, other):
                market.held = _held(is_intact=True, price=price)._replace(max_risk=10 * price)
                found = MEASURES[name].column(call, market)
                assert found is not None
                alone.append(np.broadcast_to(np.asarray(found.values), (COUNT,)))
            prices = np.array([[one], [other]])
            held = _held(is_intact=True)._replace(entry_price=prices, max_risk=10 * prices, legs={})
            market.held = held
            together = MEASURES[name].column(call, market)
            assert together is not None
            np.testing.assert_array_equal(np.broadcast_to(together.values, (2, COUNT)), alone)
    market.held = _held(is_intact=True, spot=5990.25)


def test_an_unknown_input_is_the_answer() -> None:
    market = markets()[0]
    call = next(each for each in CALLS if each.measure == "vix_change")
    assert isinstance(reader_of(call, CONTEXT)(market.views[0]), UnknownValue)


BY_NAME = {"expected_move", "event", "no_event"}
"""Measures that backtests and sweeps tell apart by name, to say who may be lived through by arrays."""


def test_backtests_sweeps_and_lint_give_inputs_alone() -> None:
    """Whatever has columns says what its inputs are: it has no formula of a measure, under any name."""
    given = {name for name in vars(ColumnView) if not name.startswith("_")} | {"measure"}
    import_module("rulebot.sweep.evaluate")
    views = {each for each in _subclasses(ColumnView) if each.__module__.startswith("rulebot.")}
    assert views > {MarketColumns, Position, Candidate, Scenario}
    for each in views:
        own = {name for name in vars(each) if not name.startswith("_")} - set(vars(each).get("__annotations__", ()))
        assert own <= given, each


@pytest.mark.parametrize("folder", ["backtest", "sweep"])
def test_no_measure_is_distinguished_by_its_name(folder: str) -> None:
    for path in sorted((ENGINE / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                names = {key.value for key in node.keys if isinstance(key, ast.Constant)}
                are_functions = all(isinstance(value, (ast.Attribute, ast.Lambda)) for value in node.values)
                assert len(names & set(MEASURES)) < 3 or not are_functions, (path, node.lineno)
            if isinstance(node, (ast.Compare, ast.Match)) and ".measure" in ast.unparse(node).split("\n")[0]:
                names = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
                assert not (names & set(MEASURES)) - BY_NAME, (path, node.lineno)


def _subclasses(of: type) -> list[type]:
    return [found for each in of.__subclasses__() for found in (each, *_subclasses(each))]

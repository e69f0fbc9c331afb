"""A measure comes to the same by columns as from the snapshot of each instant, to the last digit that rules see."""

import random
from itertools import product
from math import isnan, nan

import numpy as np
import pytest

from rulebot.compile.plan import Call
from rulebot.evaluate.measure import reader_of
from rulebot.measure.definition import Measure, Takes
from rulebot.measure.reading import ColumnView, UnknownValue, exact
from rulebot.measure.view import Held, View
from rulebot.measures.registry import MEASURES
from rulebot.model.facts import Facts, Listing
from rulebot.model.market import Board
from tests.unit.measures.market_view import CONTEXT, DAY, NOW, level, session

COUNT = 60
SYMBOLS = ("SPX", "SPY", "VIX", "VIX9D", "VIX1D", "VIX3M", "VVIX", "SKEW")


class Market(ColumnView):
    """Random levels of a session, some of them not known: as columns, and as the snapshot of any instant."""

    def __init__(self, seed: int, *, entered_at: float | None) -> None:
        dice = random.Random(seed)
        self.held = Held(1.0, 2, 0.0, 5.2, NOW - 600.0, 9.0, spot=entered_at)
        listings = {("SPX", "SPXW"): Listing("SPX", "SPXW", (DAY,), {DAY: ()})}
        self.facts = Facts(opening_moves={("SPX", DAY): 41.2}, listings=listings)
        self.board = {symbol: _levels(dice) for symbol in SYMBOLS}

    def level(self, symbol: str) -> np.ndarray | None:
        return self.board[symbol]["last"] if symbol in self.board else None

    def of_board(self, symbol: str, name: str) -> np.ndarray | float | None:
        column = self.board[symbol][name]
        return float(column[0]) if name == "previous_close" else column

    def opening_move(self, symbol: str) -> float:
        return self.facts.opening_moves[symbol, DAY]

    def view(self, place: int) -> View:
        """Return the snapshot of one instant."""
        board = Board()
        board.alive_at = NOW
        for symbol, columns in self.board.items():
            level(board, symbol, **{name: float(column[place]) for name, column in columns.items()})
        view = View(now=NOW, session=session(), board=board, facts=self.facts)
        view.held = self.held
        return view


def _levels(dice: random.Random) -> dict[str, np.ndarray]:
    """Return the last, open, high, low and previous close of a walk; the first instants have no level."""
    walk = dice.uniform(10, 6000) * np.exp(np.cumsum([dice.gauss(0, 0.003) for _ in range(COUNT)]))
    last = np.array([nan if dice.random() < 0.1 or place < 3 else each for place, each in enumerate(np.round(walk, 2))])
    known = np.flatnonzero(~np.isnan(last))
    opened = np.where(np.arange(COUNT) < known[0], nan, last[known[0]])
    return {
        "last": last,
        "open": opened,
        "high": np.fmax.accumulate(last),
        "low": np.fmin.accumulate(last),
        "previous_close": np.full(COUNT, round(dice.uniform(10, 6000), 2)),
    }


def calls_of(measure: Measure) -> list[Call]:
    """Return a call for each quantity and each choice of its arguments."""
    choices = []
    for each in measure.parameters:
        values = {Takes.SYMBOL: ("SPX",), Takes.CHOICE: each.choices}.get(each.takes, (each.default,))
        choices.append([(each.name, value) for value in values])
    return [
        Call(measure.name, tuple(sorted(given)), quantity)
        for quantity in measure.quantities
        for given in product(*choices)
    ]


CALLS = [call for measure in MEASURES.values() if measure.calculation is not None for call in calls_of(measure)]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.measure} {call.quantity.value} {call.arguments}")
def test_a_column_is_the_number_of_each_instant(call: Call) -> None:
    known = 0
    for seed in range(8):
        market = Market(seed, entered_at=5990.25 if seed % 2 else None)
        column, read = MEASURES[call.measure].column(call, market), reader_of(call, CONTEXT)
        if column is None:
            continue
        values = np.broadcast_to(np.asarray(column.values), (COUNT,))
        for place in range(COUNT):
            number, value = read(market.view(place)), float(values[place])
            if isinstance(number, UnknownValue):
                assert isnan(value), (place, number)
            else:
                assert exact(value) == exact(number)
                assert abs(value - number) <= column.doubt
                known += 1
    assert known or call in WITHOUT


WITHOUT = [
    call
    for call in CALLS
    if call.measure == "spx_spy_ratio"
    or dict(call.arguments).get("asof", "open") != "open"
    or ("asof", "now") in call.arguments
]
"""What takes the rule of each instant: stamps, and the options at the money."""


def test_what_has_no_column_is_known_to_have_none() -> None:
    market = Market(1, entered_at=None)
    assert [call for call in CALLS if MEASURES[call.measure].column(call, market) is None and call not in WITHOUT] == [
        call for call in CALLS if ("since", "entry") in call.arguments
    ]

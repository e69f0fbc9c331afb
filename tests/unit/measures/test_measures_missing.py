"""Whatever single number is missing: every measure is a number or says what it lacks, and none is nan or an error."""

from collections.abc import Iterator
from dataclasses import fields, replace
from math import isnan, nan
from typing import Any

import pytest

from rulebot.compile.plan import Call, Quantity
from rulebot.evaluate.measure import reader_of
from rulebot.measure.reading import Reading
from rulebot.measure.view import Ledger, Margin, View
from rulebot.measures.registry import VOCABULARY
from rulebot.model.facts import Facts
from rulebot.model.market import Board
from tests.unit.measures.market_view import CONTEXT, DAY, condor, view
from tests.unit.measures.test_bar_measures import daily, minutes

COLUMNS = ("bid", "ask", "last", "open", "high", "low", "previous_close", "delta", "iv", "quote_at", "model_at")
PRICED = ("credit", "debit", "max_risk", "profit", "loss", "give_back", "quote_width")
IN = (Quantity.PRICE, Quantity.DOLLARS, Quantity.FRACTION)
MORE: dict[str, tuple[dict[str, Any], ...]] = {
    "expected_move": ({"asof": "open"}, {"method": "iv"}),
    "cost": ({"at": "natural"},),
    "profit": ({"of": ("short_put", "long_put")},),
    "breadth": ({"of": ("SPX", "SPY")},),
    "put_call_imbalance": ({"count": "open_interest"},),
    "volume_rank": ({"among": ("SPX", "SPY")},),
}
NEEDED = ("breadth", "volume_rank")
"""Measures that are nothing without one of these arguments."""


def calls() -> Iterator[Call]:
    legs = ("short_put", "long_put", "short_call", "long_call")
    for name in sorted(name for name, measure in VOCABULARY.items() if measure.is_number):
        entry = VOCABULARY[name]
        known: dict[str, Any] = {each.name: each.default for each in entry.parameters}
        of = legs if known.get("of") in ("all", "short_legs") else "SPX"
        given = {key: 20 if key == "window" and value is None else value for key, value in known.items()}
        given |= {"of": of} if "of" in known else {}
        for more in MORE.get(name, ({},)) if name in NEEDED else ({}, *MORE.get(name, ())):
            for quantity in IN if name in PRICED else (entry.quantity,):
                pairs = sorted((key, value) for key, value in {**given, **more}.items() if value is not None)
                yield Call(name, tuple(pairs), quantity)


READS = [(str(call), reader_of(call, CONTEXT)) for call in calls()]


def world(*, held: bool) -> View:
    at = condor(view(), held=held)
    for place, leg in enumerate(at.legs):
        at.board.iv[leg.row] = 0.15 + 0.01 * place
        at.board.gamma[leg.row] = at.board.vega[leg.row] = at.board.theta[leg.row] = 1.0
    if at.held is not None:
        legs = {leg.name: Ledger(0.2, 10.0, leg.sign * 2, DAY) for leg in at.legs}
        at.held = at.held._replace(legs=legs, opened_on=DAY)
    bars = {}
    for symbol in ("SPX", "SPY"):
        bars[symbol, 86400] = daily([6000.0 + each % 7 for each in range(300)])
        bars[symbol, 60] = minutes([6000.0 + each % 3 for each in range(60)])
    at.facts, at.margin = replace(at.facts, bars=bars), Margin(1000.0)
    return at


def readings(at: View) -> dict[str, Reading]:
    return {name: read(at) for name, read in READS}


def none_is_nan(at: View) -> None:
    assert [name for name, found in readings(at).items() if isinstance(found, float) and isnan(found)] == []


@pytest.mark.parametrize("held", [True, False])
def test_without_any_one_number_of_the_board(held: bool) -> None:
    for row in range(len(world(held=held).board.contracts)):
        for column in COLUMNS:
            at = world(held=held)
            if not isnan(getattr(at.board, column)[row]):
                getattr(at.board, column)[row] = nan
                none_is_nan(at)


@pytest.mark.parametrize("held", [True, False])
def test_without_any_one_fact_leg_or_row(held: bool) -> None:
    for each in fields(Facts):
        at = world(held=held)
        at.facts = replace(at.facts, **{each.name: getattr(Facts(), each.name)})
        none_is_nan(at)
    for kept in range(4):
        at = world(held=held)
        at.legs = at.legs[:kept]
        none_is_nan(at)
    at = world(held=held)
    at.board, at.facts, at.margin = Board(), Facts(), None
    at.legs = tuple(leg._replace(row=-1) for leg in at.legs)
    none_is_nan(at)


def test_with_all_of_it_most_are_known() -> None:
    unknown = [name for name, found in readings(world(held=True)).items() if not isinstance(found, float)]
    assert len(unknown) < len(READS) / 2, unknown

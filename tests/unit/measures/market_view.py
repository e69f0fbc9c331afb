"""A board with a same-day SPX chain, SPY and VIX at 10:30 of a full session, and readers of one measure."""

import math
import random
from dataclasses import replace
from datetime import date
from decimal import Decimal
from math import nan
from typing import Any

from rulebot.compile.plan import Call, Expiry, Quantity
from rulebot.evaluate.measure import reader_of
from rulebot.measure.reading import Context, Reading
from rulebot.measure.view import Held, LegView, View
from rulebot.measures.registry import VOCABULARY
from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.facts import Bar, Bars, Facts, Listing
from rulebot.model.market import Board
from rulebot.model.session import Session, session_before, session_on
from rulebot.spec.nouns import DteRule

DAY = date(2026, 11, 18)
CONTEXT = Context(
    symbols=("SPX", "SPY"),
    classes={"SPX": "SPXW", "SPY": "SPY"},
    expiry=Expiry(rule=DteRule.EXACT, days=(0,), path=()),
)


def session(day: date = DAY) -> Session:
    found = session_on(day)
    assert found is not None
    return found


NOW = session().open.timestamp() + 3600.0


def level(board: Board, symbol: str, last: float, **columns: float) -> int:
    """Write the last trade of an index, one second old."""
    row = board.add(Underlying(symbol))
    board.last[row], board.last_at[row] = last, NOW - 1.0
    for name, value in columns.items():
        getattr(board, name)[row] = value
    return row


def quote(board: Board, contract: Any, bid: float, ask: float, at: float = NOW - 1.0) -> int:
    """Write a quote; a bid of nan has size 0."""
    row = board.add(contract)
    board.bid[row], board.ask[row], board.quote_at[row] = bid, ask, at
    board.bid_size[row] = 0.0 if bid != bid else 10.0
    return row


def option(strike: int, right: Right, symbol: str = "SPX") -> Option:
    return Option(symbol, "SPXW" if symbol == "SPX" else symbol, DAY, Decimal(strike), right)


def view() -> View:
    """Return SPX 6000 (open 5990, 5980 to 6010, closed 5970), SPY 599.50 x 600.50, VIX 16.8, straddle 20 + 18."""
    board = Board()
    board.alive_at = NOW
    level(board, "SPX", 6000.0, open=5990.0, high=6010.0, low=5980.0, previous_close=5970.0)
    level(board, "VIX", 16.8, open=17.0, high=18.0, low=14.8, previous_close=16.0)
    quote(board, Underlying("SPY"), 599.5, 600.5)
    quote(board, option(6000, Right.CALL), 19.9, 20.1)
    quote(board, option(6000, Right.PUT), 17.9, 18.1)
    strikes = tuple(Decimal(strike) for strike in range(5900, 6105, 5))
    listing = Listing("SPX", "SPXW", (DAY,), {DAY: strikes})
    closes = tuple(6000.0 * (1.01 if at % 2 else 1.0) for at in range(21))
    facts = Facts(closes={"SPX": closes}, opening_moves={("SPX", DAY): 46.1}, listings={("SPX", "SPXW"): listing})
    return View(now=NOW, session=session(), board=board, facts=facts)


def condor(at: View, *, held: bool = True, quantity: int = 2) -> View:
    """Give the view a 5950/5940 x 6050/6060 condor sold at 1.00: shorts 0.90 x 1.10, longs 0.40 x 0.60."""
    legs = []
    for name, strike, right, sign in (
        ("short_put", 5950, Right.PUT, -1),
        ("long_put", 5940, Right.PUT, 1),
        ("short_call", 6050, Right.CALL, -1),
        ("long_call", 6060, Right.CALL, 1),
    ):
        contract = option(strike, right)
        row = quote(at.board, contract, *((0.9, 1.1) if sign < 0 else (0.4, 0.6)))
        at.board.delta[row] = (-0.12 if right is Right.PUT else 0.10) * (1.0 if sign < 0 else 0.5)
        at.board.model_at[row] = NOW - 1.0
        legs.append(LegView(name, contract, row, sign, 1))
    at.legs = tuple(legs)
    at.quantity = quantity
    at.start_price, at.commission = 1.0, 5.2
    if held:
        at.held = Held(1.0, quantity, 0.0, 5.2, NOW - 600.0, 9.0)
    return at


def ranked(now: float, days: tuple[float, ...]) -> View:
    """Return the view with a 30-day volatility now, and of the sessions before."""
    at = view()
    row = at.board.rows[Underlying("SPX")]
    at.board.iv[row], at.board.model_at[row] = now, NOW - 60.0
    at.facts = replace(at.facts, implied={"SPX": days})
    return at


def read(view_at: View, measure: str, quantity: Quantity | None = None, **arguments: Any) -> Reading:
    """Return what a measure reads, its other arguments at their defaults."""
    entry = VOCABULARY[measure]
    given = {each.name: each.default for each in entry.parameters if each.default is not None} | arguments
    if "of" in [each.name for each in entry.parameters] and given.get("of") in (None, "all", "short_legs"):
        given["of"] = {"all": ALL, "short_legs": SHORT}.get(str(given.get("of")), "SPX")
    call = Call(measure, tuple(sorted(given.items())), quantity or entry.quantity)
    return reader_of(call, CONTEXT)(view_at)


ALL = ("short_put", "long_put", "short_call", "long_call")
SHORT = ("short_put", "short_call")
NAN = nan
YEAR = tuple(0.10 + 0.10 * at / 251 for at in range(252))
"""30-day volatilities of a year, rising from 10 % to 20 %."""


def walked(count: int, seed: int = 5) -> tuple[View, tuple[Bar, ...]]:
    """Return the view with so many daily bars of SPX of a random walk, and the bars."""
    dice, at = random.Random(seed), view()
    close, day, bars = 6000.0, at.session, []
    for _ in range(count):
        day = session_before(day.date)
        before, close = close, close * math.exp(dice.gauss(0.0003, 0.011))
        high, low = (max(before, close) * (1 + dice.random() / 99), min(before, close) * (1 - dice.random() / 99))
        bars.append(Bar(day.open.timestamp(), before, high, low, close, 0.0, 0.0))
    starts = reversed([bar.at for bar in bars])
    walk = tuple(bar._replace(at=start) for start, bar in zip(starts, bars, strict=True))
    at.facts = Facts(bars={("SPX", 86400): Bars(NOW, walk)})
    return at, walk

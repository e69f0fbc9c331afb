"""Measures of volatility: implied at the money, realised, and the expected move.

The expiry is the nearest of the structure's legs; before there is a structure, the one its legs would take today. At
the money is the listed strike nearest spot with sound quotes on both sides, of the two that enclose spot.
"""

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from math import sqrt
from typing import NamedTuple

from rulebot.measure.definition import (
    PLAIN,
    POINTS,
    SYMBOL,
    VOLATILITY,
    Measure,
    Parameter,
    Refusal,
    Takes,
    choice,
)
from rulebot.measure.listings import expiry_on, neighbours
from rulebot.measure.ranges import POSITIVE
from rulebot.measure.reading import Calculation, Context, Input, Read, Reading, UnknownValue, ratio
from rulebot.measure.series import estimator_of
from rulebot.measure.tree import Argument, Call, Quantity
from rulebot.measure.usual import RATE, Likeness, Scale, scaled, usual
from rulebot.measure.view import View
from rulebot.measure.words import MeasureText
from rulebot.measures.market import spot_of
from rulebot.measures.realised import BY_ESTIMATOR, ESTIMATED, bars_of_estimator, realised_words, refuse_window, rv_of
from rulebot.model.black import MEAN_MOVE, implied_volatility, quotes_follow_spot, years_until
from rulebot.model.contract import Right, product
from rulebot.model.market import OPTION_AGE, quote_problem

_FURTHEST = 0.01
"""Largest distance of the at-the-money strike from spot, as a part of it; where strikes are rare, half of a step."""

Atm = tuple[float, float, float]
"""Strike, mid of the call, mid of the put."""


def expiry_in(view: View, symbol: str, context: Context) -> date | UnknownValue:
    """Return the expiry that volatility is read from."""
    if held := [leg.option.expiry for leg in view.legs if leg.option.symbol == symbol and not leg.option.is_share]:
        return min(held)
    trading_class = class_of(symbol, context)
    listing = view.facts.listings.get((symbol, trading_class))
    if listing is None:
        return UnknownValue(f"{symbol}: {trading_class} expiries are not listed yet")
    found = expiry_on(context.expiry, listing.expiries, view.session.date)
    return UnknownValue(f"{symbol}: no {trading_class} expiry fits") if found is None else found


def class_of(symbol: str, context: Context) -> str:
    """Return the trading class that is read before there is a structure."""
    return context.classes.get(symbol) or product(symbol).same_day_class


def class_at(view: View, symbol: str, context: Context) -> str:
    """Return the trading class that is read: that of the leg that ends first, held or else to be chosen."""
    held = [leg.option for leg in view.legs if leg.option.symbol == symbol and not leg.option.is_share]
    if not held:
        return class_of(symbol, context)
    return min(held, key=lambda option: (option.expiry, option.settles_at_open)).trading_class


def at_the_money(view: View, symbol: str, expiry: date, spot: float, context: Context) -> Atm | UnknownValue:
    """Return the mids at the strike nearest spot, shared by all rules of one instant."""
    key = ("atm", symbol, class_at(view, symbol, context), expiry, context.max_age)
    found: Atm | UnknownValue | None = view.memo.get(key)
    if found is None:
        found = view.memo[key] = _at_the_money(view, symbol, expiry, spot, context)
    return found


def _at_the_money(view: View, symbol: str, expiry: date, spot: float, context: Context) -> Atm | UnknownValue:
    trading_class = class_at(view, symbol, context)
    calls, puts = (view.chain(trading_class, expiry, right) for right in (Right.CALL, Right.PUT))
    listing = view.facts.listings.get((symbol, trading_class))
    listed = listing.strikes.get(expiry, ()) if listing else ()
    near = neighbours(listed or tuple(sorted(calls.keys() & puts.keys())), spot, 1)
    reason = ""
    furthest = max(_FURTHEST * spot, float(near[-1] - near[0]) / 2 if near else 0.0)
    for strike in sorted(near, key=lambda each: abs(float(each) - spot)):
        if abs(float(strike) - spot) > furthest:
            continue
        mids = _mids(view, (calls.get(strike, -1), puts.get(strike, -1)), context.limit(OPTION_AGE))
        if not isinstance(mids, str):
            return float(strike), mids[0], mids[1]
        reason = reason or f"{strike:f}: {mids}"
    return UnknownValue(f"{trading_class} {expiry} {reason or 'no strike at the money is streamed'}")


def _mids(view: View, rows: tuple[int, int], limit: float) -> tuple[float, float] | str:
    board = view.board
    for row in rows:
        if problem := quote_problem(board, row, view.now, limit):
            return problem
    call, put = rows
    return (board.bid[call] + board.ask[call]) / 2.0, (board.bid[put] + board.ask[put]) / 2.0


def implied(symbol: str, context: Context) -> Read:
    """Return the reader of the at-the-money implied volatility, percent a year."""
    level = spot_of(symbol, context)
    key = ("iv", symbol, context.max_age)

    def read(view: View) -> Reading:
        spot = level(view)
        if not isinstance(spot, float):
            return spot
        expiry = expiry_in(view, symbol, context)
        if isinstance(expiry, UnknownValue):
            return expiry
        of_expiry = (*key, class_at(view, symbol, context), expiry)
        found: Reading | None = view.memo.get(of_expiry)
        if found is None:
            found = view.memo[of_expiry] = _implied(view, symbol, expiry, spot, context)
        return found

    return read


def _implied(view: View, symbol: str, expiry: date, spot: float, context: Context) -> Reading:
    found = outlook(view, symbol, expiry, spot, context)
    return found if isinstance(found, UnknownValue) else found.volatility * 100.0


class ExpectedMoveView(NamedTuple):
    """What the at-the-money options of an expiry say: forward in points, years, volatility as a fraction a year."""

    forward: float
    years: float
    volatility: float


def outlook(view: View, symbol: str, expiry: date, spot: float, context: Context) -> ExpectedMoveView | UnknownValue:
    """Return the forward that put-call parity gives at the money, and the volatility there."""
    atm = at_the_money(view, symbol, expiry, spot, context)
    if isinstance(atm, UnknownValue):
        return atm
    years = years_until(expiry, view.now, view.session)
    if years is None:
        return UnknownValue(f"{symbol} {expiry}: no time remains to the expiry")
    strike, call, put = atm
    forward = strike + call - put
    is_call = forward <= strike
    volatility = implied_volatility(call if is_call else put, forward, strike, years, is_call)
    if volatility is None:
        return UnknownValue(f"{symbol} {expiry}: no time value at the money")
    return ExpectedMoveView(forward, years, volatility)


def iv(call: Call) -> Calculation:
    """Return `iv`."""
    return Calculation((Input(partial(implied, str(call.argument("of")))),))


def _iv_over_rv(call: Call) -> Calculation:
    return Calculation((iv(call).as_input, rv_of(call).as_input), lambda above, below: ratio(above, below, "rv is 0"))


def iv_over_rv_detail(call: Call, context: Context) -> Callable[[View], str]:
    """Return the words behind an iv_over_rv: `iv 12.5%, rv 12.0% over 20 sessions by Parkinson`."""
    above, below = iv(call).reader(context), rv_of(call).reader(context)
    ending = f"over {call.argument('window')} sessions{BY_ESTIMATOR.get(estimator_of(call), '')}"
    return lambda view: f"iv {above(view):.1f}%, rv {below(view):.1f}% {ending}"


def expected_move(call: Call) -> Calculation:
    """Return `expected_move`: of the open from the facts, else from the straddle or the implied volatility of now."""
    symbol = str(call.argument("of"))
    if call.argument("asof") == "open":
        return Calculation((Input(partial(_opening_move, symbol), lambda columns: columns.opening_move(symbol)),))
    if call.argument("method") == "iv":
        return Calculation((Input(partial(_move_by_iv, symbol)),))
    return Calculation((Input(partial(move_by_straddle, symbol), lambda columns: columns.expected_move(symbol)),))


def _refuse_method(given: Mapping[str, Argument]) -> Refusal | None:
    message = "the expected move of the open is that of its straddle: 'method' applies to the present one"
    is_both = (given.get("asof"), given["method"]) == ("open", "iv")
    return Refusal(message, "take away 'asof', or 'method'") if is_both else None


def _opening_move(symbol: str, context: Context) -> Read:
    def read(view: View) -> Reading:
        expiry = expiry_in(view, symbol, context)
        if isinstance(expiry, UnknownValue):
            return expiry
        found = view.facts.opening_moves.get((symbol, expiry))
        return UnknownValue(f"{symbol}: the expected move of the open is not known") if found is None else float(found)

    return read


def move_by_straddle(symbol: str, context: Context, *, of_open: bool = False) -> Read:
    """Return the reader of the expected move now: the mid of the straddle x sqrt(pi / 2), points.

    of_open: as it is kept of the open, unknown while spot has not followed its options.
    """
    level = spot_of(symbol, context)

    def read(view: View) -> Reading:
        spot = level(view)
        if not isinstance(spot, float):
            return spot
        expiry = expiry_in(view, symbol, context)
        if isinstance(expiry, UnknownValue):
            return expiry
        atm = at_the_money(view, symbol, expiry, spot, context)
        if isinstance(atm, UnknownValue):
            return atm
        strike, call, put = atm
        if of_open and not quotes_follow_spot(spot, strike, call, put):
            return UnknownValue(f"{symbol}: its level is not yet where its options are")
        return (call + put) * MEAN_MOVE

    return read


def _move_by_iv(symbol: str, context: Context) -> Read:
    level, volatility = spot_of(symbol, context), implied(symbol, context)

    def read(view: View) -> Reading:
        spot, percent = level(view), volatility(view)
        if not isinstance(spot, float):
            return spot
        if not isinstance(percent, float):
            return percent
        expiry = expiry_in(view, symbol, context)
        years = None if isinstance(expiry, UnknownValue) else years_until(expiry, view.now, view.session)
        return UnknownValue(f"{symbol}: no time remains") if years is None else spot * percent / 100.0 * sqrt(years)

    return read


def _expected_move_words(words: MeasureText) -> str:
    by = " by implied volatility" if words.given("method") == "iv" else ""
    whose = "the open's" if words.given("asof") == "open" else "the"
    return f"{whose} expected move{words.of_symbol}{by}"


MEASURES: tuple[Measure, ...] = (
    Measure(
        name="iv",
        title="Implied volatility",
        about="At-the-money implied volatility, annual per cent.",
        formula="Black-76 volatility of the at-the-money mids, forward = strike + call - put; % of 252 sessions.",
        source="quotes of the at-the-money call and put of the legs' expiry",
        units=VOLATILITY,
        parameters=(SYMBOL,),
        max_age=OPTION_AGE,
        reads=("spot", "strikes"),
        calculation=iv,
        usual=RATE,
        reach=POSITIVE,
        phrase=lambda words: f"implied volatility{words.of_symbol}",
        subject="implied volatility",
        bound="rate",
        examples=({"above": "12%"},),
        bounds=("12%", "20%"),
        let_example={"of": "SPY"},
        likeness=Likeness.VOLATILITY,
    ),
    Measure(
        name="iv_over_rv",
        title="Implied over realised",
        about="Implied volatility divided by realised volatility.",
        formula="iv / rv, by the same `window` and `estimator`.",
        source="as iv and rv",
        units=PLAIN,
        parameters=(SYMBOL, *ESTIMATED),
        max_age=OPTION_AGE,
        reads=("spot", "strikes", "facts"),
        calculation=_iv_over_rv,
        refuse=refuse_window,
        usual=usual(Quantity.PLAIN, 0.3, 5.0),
        reach=POSITIVE,
        phrase=lambda words: f"implied over realised volatility{realised_words(words)}",
        subject="the ratio",
        bound="ratio",
        examples=({"above": 1.0},),
        bounds=(1.0, 1.5),
        let_example={"window": 20},
        is_realised=True,
        detail=iv_over_rv_detail,
        bars=bars_of_estimator,
    ),
    Measure(
        name="expected_move",
        title="Expected move",
        about="One standard deviation of spot until the legs' expiry, in points; it shrinks as the day goes.",
        formula="Mid of the at-the-money straddle x sqrt(pi / 2), points.",
        source="quotes of the at-the-money straddle of the legs' expiry",
        units=POINTS,
        parameters=(
            SYMBOL,
            Parameter(
                name="asof",
                takes=Takes.CHOICE,
                default="now",
                choices=("open",),
                title="As of",
                about="`open`: that of the session's first sound minute, fixed for the day.",
                example="open",
            ),
            choice(
                "method",
                "straddle",
                ("straddle", "iv"),
                (
                    "`straddle` (default): the at-the-money straddle's mid times the root of half pi; `iv`: spot times "
                    "`iv` times the root of the remaining time."
                ),
                "iv",
            ),
        ),
        max_age=OPTION_AGE,
        reads=("spot", "strikes"),
        calculation=expected_move,
        refuse=_refuse_method,
        usual=scaled(Quantity.POINTS, 0.15, 8.0, Scale.MOVE),
        reach=POSITIVE,
        phrase=_expected_move_words,
        subject="the expected move",
        bound="distance",
        examples=({"above": "30 pts"},),
        bounds=("30 pts", "50 pts"),
        let_example={"asof": "open"},
    ),
)

"""Measures of the market: levels of underlyings and indices, and their changes over the session.

The level of an underlying is its midpoint when its quote is sound, else its last trade (an index has no quote). How
old a price may be is said in `rulebot.model.market`; every price is unknown when the feed has been silent for 15 s.
"""

from collections.abc import Mapping
from functools import partial
from math import isnan, nan
from typing import Any

from rulebot.measure.definition import (
    LEVEL_CHANGE,
    NUMBER_LEVEL,
    PLAIN,
    POINT_CHANGE,
    POINTS,
    SPOT_LEVEL,
    SYMBOL,
    SYMBOL_OF_MARKET,
    Measure,
    Parameter,
    Takes,
    choice,
)
from rulebot.measure.ranges import NOT_NEGATIVE, POSITIVE
from rulebot.measure.reading import (
    Calculation,
    ColumnView,
    Context,
    Input,
    Read,
    Reading,
    UnknownValue,
    Value,
    exactly,
    larger,
    ratio,
    while_known,
)
from rulebot.measure.tree import SINCE_ENTRY, Call, Quantity
from rulebot.measure.usual import (
    CHANGE,
    INDEX_OF_VOLATILITY,
    PRICE_LEVEL,
    Likeness,
    Scale,
    Usual,
    UsualRanges,
    scaled,
    usual,
)
from rulebot.measure.view import View
from rulebot.measure.words import fixed
from rulebot.model.contract import Underlying
from rulebot.model.market import LEVEL_AGE, VOLATILITY_INDEX_AGE, age_problem, quote_problem, usual_age
from rulebot.spec.nouns import Unit

_MOST_LAG = 2.0
"""Seconds by which a level that is sent all the time may lag the other of a ratio."""


def spot_of(symbol: str, context: Context) -> Read:
    """Return the reader of an underlying's or index's level, shared by all rules of one instant."""
    contract = Underlying(symbol)
    limit = context.limit(usual_age(contract))
    key = f"spot:{symbol}" if context.max_age is None else f"spot:{symbol}:{limit}"

    def read(view: View) -> Reading:
        found: Reading | None = view.memo.get(key)
        if found is None:
            found = view.memo[key] = _level(view, contract, limit)
        return found

    return read


def _level(view: View, contract: Underlying, limit: float) -> Reading:
    board = view.board
    row = board.rows.get(contract, -1)
    if row < 0:
        return UnknownValue(f"{contract}: not streamed")
    if not quote_problem(board, row, view.now, limit):
        return (board.bid[row] + board.ask[row]) / 2.0
    if problem := age_problem(board, row, board.last_at[row], view.now, limit):
        return UnknownValue(f"{contract}: {problem}")
    last = board.last[row]
    return UnknownValue(f"{contract}: no price") if isnan(last) else last


def level(symbol: str) -> Input:
    """Return the level of an underlying or index as an input."""
    return Input(partial(spot_of, symbol), lambda columns: columns.level(symbol))


def index_level(
    symbol: str,
    about: str,
    ranges: UsualRanges,
    bounds: tuple[float, float],
    example: Mapping[str, float],
    *,
    name: str = "",
    likeness: Likeness | None = None,
) -> Measure:
    """Return the measure of an index's level, in points. name: where it is not the symbol in small letters."""
    return Measure(
        name=name or symbol.lower(),
        index=symbol,
        title=symbol,
        about=about,
        formula=f"The last level of {symbol}, in index points.",
        source=f"last of the index {symbol}",
        units=NUMBER_LEVEL,
        max_age=VOLATILITY_INDEX_AGE,
        reads=(f"index:{symbol}",),
        calculation=lambda call: Calculation((level(symbol),)),
        usual=ranges,
        reach=POSITIVE,
        phrase=fixed(symbol),
        subject=symbol,
        bound="level",
        examples=(example,),
        bounds=bounds,
        likeness=likeness,
    )


def _volatility_index(symbol: str, about: str) -> Measure:
    return index_level(symbol, about, INDEX_OF_VOLATILITY, (14, 30), {"above": 14}, likeness=Likeness.VOLATILITY_INDEX)


_WHY = {
    "open": "no open of the session yet",
    "previous_close": "no previous close",
    "low": "no low of the session yet",
}
"""Why a column of the board is not known."""


def _of_board(symbol: str, name: str) -> Input:
    """Return a column of the board as an input: the open, the previous close or the lowest of an underlying."""
    contract = Underlying(symbol)

    def read(view: View) -> Reading:
        row = view.board.rows.get(contract, -1)
        value: float = getattr(view.board, name)[row] if row >= 0 else nan
        return value if value > 0.0 else UnknownValue(f"{symbol}: {_WHY[name]}")

    return Input(lambda context: read, lambda columns: columns.of_board(symbol, name))


def _spot_at_entry(symbol: str) -> Input:
    unknown = UnknownValue(f"{symbol}: its spot at the entry is not on record")

    def spot(view: View | ColumnView) -> float | None:
        return None if view.held is None else view.held.spot

    def read(view: View) -> Reading:
        found = spot(view)
        return unknown if found is None else found

    return Input(lambda context: read, spot)


def _change(one: Input, base: Input, call: Call) -> Calculation:
    """Return a change in points, or as a part of its base, which is above 0."""
    if call.quantity is Quantity.FRACTION:
        return Calculation((one, base), lambda now, then: exactly(now / then - 1.0))
    return Calculation((one, base), lambda now, then: exactly(now - then))


def _since(call: Call, symbol: str) -> Calculation:
    """Return the change of a level since the open, the previous close, or the entry."""
    since = str(call.argument("since"))
    if since == SINCE_ENTRY:
        return _change(level(symbol), _spot_at_entry(symbol), call)
    return _change(level(symbol), _of_board(symbol, "open" if since == "open" else "previous_close"), call)


def _gap(call: Call) -> Calculation:
    symbol = str(call.argument("of"))
    return _change(_of_board(symbol, "open"), _of_board(symbol, "previous_close"), call)


def _vix_spike(call: Call) -> Calculation:
    return Calculation((level("VIX"), _of_board("VIX", "low")), lambda now, low: exactly(larger(now - low, 0.0)))


def _day_range(call: Call) -> Calculation:
    symbol = str(call.argument("of"))

    def calculate(now: Value, found: tuple[Value, Value]) -> Value:
        high, low = found
        return exactly(while_known(high - low, now))

    return Calculation((level(symbol), _extremes(symbol)), calculate)


def _extremes(symbol: str) -> Input:
    """Return the highest and the lowest of the session so far as an input."""
    contract = Underlying(symbol)

    def read(view: View) -> tuple[float, float] | UnknownValue:
        board, row = view.board, view.board.rows.get(contract, -1)
        if row < 0 or not board.high[row] >= board.low[row]:
            return UnknownValue(f"{symbol}: no high and low of the session yet")
        return board.high[row], board.low[row]

    def column(columns: ColumnView) -> Any:
        high, low = columns.of_board(symbol, "high"), columns.of_board(symbol, "low")
        return None if high is None or low is None else (high, low)

    return Input(lambda context: read, column)


def _spx_spy_ratio(call: Call) -> Calculation:
    return Calculation((level("SPX"), level("SPY"), _TOGETHER), lambda spx, spy, _: ratio(spx, spy, "SPY: no price"))


def _together(view: View) -> bool | UnknownValue:
    """Return true, or which of SPX and SPY is older than the other.

    A quote is sent only when it changes: an older one is unchanged while the feed lives, and counts as of now. A level
    that is sent all the time (an index, a last trade) must not lag the other by more than 2 s.
    """
    board, stamps = view.board, []
    for contract in (Underlying("SPX"), Underlying("SPY")):
        row = board.rows[contract]
        is_quote = not quote_problem(board, row, view.now, LEVEL_AGE)
        stamps.append((contract, board.quote_at[row] if is_quote else board.last_at[row], is_quote))
    newest = max(at for _, at, _ in stamps)
    for contract, at, is_quote in stamps:
        if not is_quote and newest - at > _MOST_LAG:
            return UnknownValue(f"{contract}: {newest - at:.0f} s older than the other")
    return True


_TOGETHER = Input(lambda context: _together)
"""SPX and SPY must be of one time; a column has no timestamps"""

MEASURES: tuple[Measure, ...] = (
    Measure(
        name="spot",
        title="Spot",
        about="The underlying's price: last trade of an index, the midpoint of a stock or ETF whose quote is sound.",
        formula="The last level of an index; (bid + ask) / 2 of an ETF or stock when bid < ask, else its last trade.",
        source="last of an index; quote of an ETF or stock",
        units=SPOT_LEVEL,
        parameters=(SYMBOL_OF_MARKET,),
        max_age=LEVEL_AGE,
        reads=("spot",),
        calculation=lambda call: Calculation((level(str(call.argument("of"))),)),
        usual=PRICE_LEVEL,
        reach=POSITIVE,
        phrase=lambda words: words.symbol,
        subject="spot",
        bound="level",
        examples=({"above": 6000},),
        bounds=(6000, 6100),
        let_example={"of": "SPY"},
        likeness=Likeness.PRICE,
    ),
    _volatility_index("VIX", "The level of VIX, the 30-day volatility index."),
    _volatility_index("VIX9D", "The level of the 9-day volatility index."),
    _volatility_index("VIX1D", "The level of the 1-day volatility index."),
    _volatility_index("VIX3M", "The level of the 3-month volatility index."),
    Measure(
        name="vix_change",
        title="VIX change",
        about="The change of VIX in points or per cent, since the previous close unless `since` says otherwise.",
        formula="VIX - base in points, or VIX / base - 1; base is the previous close, or the open with `since: open`.",
        source="last, open and previous close of VIX",
        units=LEVEL_CHANGE,
        parameters=(
            choice(
                "since",
                "close",
                ("close", "open"),
                "Where the change is counted from; by default the previous close.",
                "close",
            ),
        ),
        max_age=VOLATILITY_INDEX_AGE,
        reads=("index:VIX",),
        calculation=lambda call: _since(call, "VIX"),
        usual={
            **usual(Quantity.LEVEL, 0.1, 30.0, signed=True, zero=True),
            **usual(Quantity.FRACTION, 0.01, 0.9, signed=True, zero=True),
        },
        phrase=lambda words: f"the change of VIX {words.since}",
        subject="the change of VIX",
        bound="change",
        examples=({"above": "3 pts"},),
        bounds=("3 pts", "5 pts"),
        let_example={"since": "close"},
    ),
    Measure(
        name="move",
        title="Move",
        about="The change of spot in points or per cent, since the session's open unless `since` says otherwise.",
        formula=(
            "spot - base in points, or spot / base - 1; base is the open; `since: close` the previous close; "
            "`since: entry`, under exits, the spot when the entry, or the roll that opened it, was first sent."
        ),
        source="spot, open and previous close of the underlying, and its spot at the entry",
        units=POINT_CHANGE,
        parameters=(
            SYMBOL,
            Parameter(
                name="since",
                takes=Takes.CHOICE,
                default="open",
                choices=("open", "close", "entry"),
                about="Where the change is counted from; by default the session's open. `entry`, under exits alone: "
                "the spot at the position's entry.",
                example="open",
                in_exits=("entry",),
            ),
        ),
        max_age=LEVEL_AGE,
        reads=("spot",),
        calculation=lambda call: _since(call, str(call.argument("of"))),
        usual=CHANGE,
        phrase=lambda words: f"the move of {words.symbol} {words.since}",
        subject="the move of spot",
        bound="change",
        examples=({"above": "1%"},),
        bounds=("1%", "2%"),
        let_example={"since": "open"},
    ),
    Measure(
        name="vix_spike",
        title="VIX spike",
        about="Points of VIX above its lowest reading of the session.",
        formula="VIX - the lowest VIX of the session so far, in points.",
        source="last and session low of VIX",
        units=((Unit.POINTS, Quantity.LEVEL),),
        max_age=VOLATILITY_INDEX_AGE,
        reads=("index:VIX",),
        calculation=_vix_spike,
        usual={Quantity.LEVEL: Usual(0.1, 25.0)},
        reach=NOT_NEGATIVE,
        phrase=fixed("the rise of VIX above its lowest of the session"),
        subject="the rise of VIX",
        bound="distance",
        examples=({"above": "3 pts"},),
        bounds=("3 pts", "5 pts"),
    ),
    Measure(
        name="spx_spy_ratio",
        title="SPX to SPY ratio",
        about="SPX divided by SPY, both fresh within 2 s of each other.",
        formula="spot(SPX) / spot(SPY); a level that is sent all the time may lag the other by at most 2 s.",
        source="spot of SPX and of SPY",
        units=PLAIN,
        max_age=LEVEL_AGE,
        reads=("spot:SPX", "spot:SPY"),
        calculation=_spx_spy_ratio,
        usual=usual(Quantity.PLAIN, 9.5, 10.5),
        reach=POSITIVE,
        phrase=fixed("SPX / SPY"),
        subject="the ratio",
        bound="index_ratio",
        examples=({"above": 9.95},),
        bounds=(9.95, 10.05),
    ),
    Measure(
        name="gap",
        title="Gap",
        about="The session's open against the previous close, in points or per cent.",
        formula="open - previous close in points, or open / previous close - 1.",
        source="open and previous close of the underlying",
        units=POINT_CHANGE,
        parameters=(SYMBOL,),
        max_age=None,
        reads=("spot",),
        calculation=_gap,
        usual=CHANGE,
        phrase=lambda words: f"the gap of {words.symbol} between the previous close and the open",
        subject="the gap",
        bound="change",
        examples=({"above": "0.5%"},),
        bounds=("0.5%", "1%"),
        let_example={"of": "SPY"},
    ),
    Measure(
        name="day_range",
        title="Day range",
        about="High minus low of the session so far, in points.",
        formula="high - low of the session so far, in points.",
        source="high and low of the session so far",
        units=POINTS,
        parameters=(SYMBOL,),
        max_age=LEVEL_AGE,
        reads=("spot",),
        calculation=_day_range,
        usual=scaled(Quantity.POINTS, 0.0005, 0.2, Scale.SPOT),
        reach=NOT_NEGATIVE,
        phrase=lambda words: f"the day's range{words.of_symbol}",
        subject="the day's range",
        bound="distance",
        examples=({"above": "30 pts"},),
        bounds=("30 pts", "40 pts"),
        let_example={"of": "SPY"},
    ),
)

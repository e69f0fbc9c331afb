"""Measures of the market: levels of underlyings and indices, and their changes over the session.

The level of an underlying is its midpoint when its quote is sound, else its last trade (an index has no quote). How
old a price may be is said in `rulebot.model.market`; every price is unknown when the feed has been silent for 15 s.
"""

from collections.abc import Callable
from math import isnan

from rulebot.measure.reading import Context, Read, Reading, UnknownValue, exact
from rulebot.measure.tree import SINCE_ENTRY, Call, Quantity
from rulebot.measure.view import View
from rulebot.model.contract import Underlying
from rulebot.model.market import LEVEL_AGE, age_problem, quote_problem, usual_age

_TOGETHER = 2.0
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


def spot(call: Call, context: Context) -> Read:
    """Bind `spot`."""
    return spot_of(str(call.argument("of")), context)


def index(call: Call, context: Context) -> Read:
    """Bind `vix`, `vix9d`, `vix1d` and `vix3m`."""
    return spot_of(call.measure.upper(), context)


_BASES = {"open": "no open of the session yet", "close": "no previous close"}


def _column(view: View, contract: Underlying, name: str) -> float:
    row = view.board.rows.get(contract, -1)
    value: float = getattr(view.board, name)[row] if row >= 0 else float("nan")
    return value


def _base(view: View, contract: Underlying, since: str) -> Reading:
    if since == SINCE_ENTRY:
        spot = None if view.held is None else view.held.spot
        return UnknownValue(f"{contract}: its spot at the entry is not on record") if spot is None else spot
    value = _column(view, contract, "open" if since == "open" else "previous_close")
    return UnknownValue(f"{contract}: {_BASES[since]}") if isnan(value) or value <= 0.0 else value


def _change(symbol: str, since: str, is_part: bool, context: Context) -> Read:
    level = spot_of(symbol, context)
    contract = Underlying(symbol)

    def read(view: View) -> Reading:
        now = level(view)
        base = _base(view, contract, since)
        if not isinstance(now, float):
            return now
        if not isinstance(base, float):
            return base
        return exact(now / base - 1.0 if is_part else now - base)

    return read


def vix_change(call: Call, context: Context) -> Read:
    """Bind `vix_change`, in points or as a part of the base."""
    return _change("VIX", str(call.argument("since")), call.quantity is Quantity.FRACTION, context)


def move(call: Call, context: Context) -> Read:
    """Bind `move`, in points or as a part of the base."""
    since = str(call.argument("since"))
    return _change(str(call.argument("of")), since, call.quantity is Quantity.FRACTION, context)


def vix_spike(call: Call, context: Context) -> Read:
    """Bind `vix_spike`: VIX above its lowest of the session so far."""
    level = spot_of("VIX", context)
    contract = Underlying("VIX")

    def read(view: View) -> Reading:
        now = level(view)
        if not isinstance(now, float):
            return now
        low = _column(view, contract, "low")
        return UnknownValue("VIX: no low of the session yet") if isnan(low) else exact(max(now - low, 0.0))

    return read


def gap(call: Call, context: Context) -> Read:
    """Bind `gap`: the open against the previous close."""
    contract = Underlying(str(call.argument("of")))
    is_part = call.quantity is Quantity.FRACTION

    def read(view: View) -> Reading:
        opened, closed = _base(view, contract, "open"), _base(view, contract, "close")
        if not isinstance(opened, float):
            return opened
        if not isinstance(closed, float):
            return closed
        return exact(opened / closed - 1.0 if is_part else opened - closed)

    return read


def day_range(call: Call, context: Context) -> Read:
    """Bind `day_range`; the extremes are as fresh as the level beside them."""
    symbol = str(call.argument("of"))
    level = spot_of(symbol, context)
    contract = Underlying(symbol)

    def read(view: View) -> Reading:
        now = level(view)
        if not isinstance(now, float):
            return now
        high, low = _column(view, contract, "high"), _column(view, contract, "low")
        if isnan(high) or isnan(low) or high < low:
            return UnknownValue(f"{symbol}: no high and low of the session yet")
        return exact(high - low)

    return read


def spx_spy_ratio(call: Call, context: Context) -> Read:
    """Bind `spx_spy_ratio`.

    A quote is sent only when it changes: an older one is unchanged while the feed lives, and counts as of now. A level
    that is sent all the time (an index, a last trade) must not lag the other by more than 2 s.
    """
    levels = (spot_of("SPX", context), spot_of("SPY", context))
    contracts = (Underlying("SPX"), Underlying("SPY"))

    def read(view: View) -> Reading:
        spx, spy = levels[0](view), levels[1](view)
        if not isinstance(spx, float):
            return spx
        if not isinstance(spy, float):
            return spy
        if problem := _apart(view, contracts):
            return UnknownValue(problem)
        return spx / spy if spy > 0.0 else UnknownValue("SPY: no price")

    return read


def _apart(view: View, contracts: tuple[Underlying, Underlying]) -> str:
    board = view.board
    stamps = []
    for contract in contracts:
        row = board.rows[contract]
        is_quote = not quote_problem(board, row, view.now, LEVEL_AGE)
        stamps.append((board.quote_at[row] if is_quote else board.last_at[row], is_quote))
    newest = max(at for at, _ in stamps)
    for contract, (at, is_quote) in zip(contracts, stamps, strict=True):
        if not is_quote and newest - at > _TOGETHER:
            return f"{contract}: {newest - at:.0f} s older than the other"
    return ""


MARKET: dict[str, Callable[[Call, Context], Read]] = {
    "spot": spot,
    "vix": index,
    "vix9d": index,
    "vix1d": index,
    "vix3m": index,
    "vix_change": vix_change,
    "move": move,
    "vix_spike": vix_spike,
    "gap": gap,
    "day_range": day_range,
    "spx_spy_ratio": spx_spy_ratio,
}

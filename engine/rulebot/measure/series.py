"""Which bars a measure is made of, and how many: what the feed is asked for, and what the formula reads.

A formula with a memory (ema, rsi, adx) has no first bar that it needs; it is given so many that what lies before them
weighs less than a thousandth. The same number is read whatever else the broker sent, so that the value of one bot never
depends on what another asks for.
"""

from collections.abc import Mapping
from typing import NamedTuple

from rulebot.measure.tree import Call

DAY, MINUTE, FIVE_MINUTES = 86400, 60, 300
TODAY = 0
"""So many bars of earlier sessions as a measure of this session reads."""
SIZES = {60: "1m", 120: "2m", 180: "3m", 300: "5m", 600: "10m", 900: "15m", 1800: "30m"}
"""Sizes of bars within a session. Each divides the half hour, so that bars begin with the session."""
FUNDS = {"SPX": "SPY", "XSP": "SPY", "NDX": "QQQ", "RUT": "IWM"}
"""The ETF whose trades stand for those of an index, which has none of its own."""

CLOSE_TO_CLOSE, INTRADAY = "close_to_close", "intraday"
ESTIMATORS = (CLOSE_TO_CLOSE, "parkinson", "yang_zhang", INTRADAY)
"""How realised volatility is estimated; the first is that of closes, which are no bars."""
OF_SAMPLES = (CLOSE_TO_CLOSE, "yang_zhang")
"""Those that are sample variances of returns, which one return does not have."""
MOST_SESSIONS = 40
"""Sessions of bars of five minutes that are read at most: 3,199 bars. Source: TWS API, historical data limitations: a
request has to be such that a few thousand bars are returned at most."""
BARS_A_SESSION = 78
"""Bars of five minutes of a full session."""

Series = tuple[str, int]
"""A symbol, and the seconds of one bar."""


class Depth(NamedTuple):
    """How many bars a formula reads when they are there, and with how few it still says something."""

    asked: int
    least: int


def depth(measure: str, window: int) -> Depth:
    """Return the bars that an average or oscillator over `window` reads."""
    match measure:
        case "ema":
            return Depth(4 * window, 2 * window)
        case "rsi":
            return Depth(8 * window + 1, 2 * window + 1)
        case "adx":
            return Depth(10 * window, 3 * window)
        case _:
            return Depth(window, window)


def depth_of(call: Call) -> Depth:
    """Return the bars that a call reads: an average, an oscillator, or a trend, which is made of three."""
    given = dict(call.arguments)
    if call.measure != "trend":
        return depth(call.measure, int(str(given["window"])))
    parts = depth(str(given["average"]), int(str(given["slow"]))), depth("adx", int(str(given["window"])))
    return Depth(max(part.asked for part in parts), max(part.least for part in parts))


def given_count(call: Call, name: str) -> int:
    """Return an argument that is a whole number. Raises: KeyError."""
    return int(str(call.argument(name)))


def size_of(call: Call) -> int:
    """Return the seconds of the bars that a call reads."""
    given = dict(call.arguments).get("bars")
    return DAY if given is None else int(float(str(given)))


def estimator_of(call: Call) -> str:
    """Return how a call estimates realised volatility."""
    return str(dict(call.arguments).get("estimator", CLOSE_TO_CLOSE))


def of_closes_of_all(call: Call) -> Mapping[Series, int]:
    """Return the daily bars of an average of each of several symbols."""
    symbols = call.argument("of")
    return {(symbol, DAY): depth_of(call).asked for symbol in symbols} if isinstance(symbols, tuple) else {}


def of_session(call: Call) -> Mapping[Series, int]:
    """Return the minutes of the session at hand: of a symbol, and of the ETF whose volume is its own."""
    symbol = str(call.argument("of"))
    return dict.fromkeys(((symbol, MINUTE), (FUNDS.get(symbol, symbol), MINUTE)), TODAY)


def of_first_minutes(call: Call) -> Mapping[Series, int]:
    """Return the minutes of the session at hand."""
    return {(str(call.argument("of")), MINUTE): TODAY}


def name_of(seconds: int) -> str:
    """Return what bars of a size are called: `daily`, `5m`."""
    return "daily" if seconds == DAY else SIZES[seconds]

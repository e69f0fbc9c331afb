"""Which bars a measure reads, and how many: for requests to the feed, and for the formula.

A formula with a memory (ema, rsi, adx) has no first bar; it gets so many that earlier ones weigh less than a
thousandth. It always reads the same number, so that the value of one bot never depends on another's requests.
"""

from typing import NamedTuple

from rulebot.measure.tree import Call

DAY, MINUTE, FIVE_MINUTES = 86400, 60, 300
TODAY = 0
"""Bars of earlier sessions that a measure of this session reads."""
SIZES = {60: "1m", 120: "2m", 180: "3m", 300: "5m", 600: "10m", 900: "15m", 1800: "30m"}
"""Sizes of bars within a session. Each divides the half hour, so that bars begin with the session."""
FUNDS = {"SPX": "SPY", "XSP": "SPY", "NDX": "QQQ", "RUT": "IWM"}
"""The ETF whose trades represent those of an index, which has none."""

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


def name_of(seconds: int) -> str:
    """Return what bars of a size are called: `daily`, `5m`."""
    return "daily" if seconds == DAY else SIZES[seconds]

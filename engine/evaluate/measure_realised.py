"""Realised volatility: what an underlying has moved in finished sessions."""

from itertools import pairwise
from math import log, sqrt

from engine.compile.plan import Call
from engine.evaluate.reading import Context, Read, Reading, Unknown
from engine.evaluate.snapshot import View

SESSIONS_A_YEAR = 252.0


def realised(symbol: str, window: int) -> Read:
    """Return the reader of the close-to-close volatility over `window` sessions, percent a year."""
    key = ("rv", symbol, window)

    def read(view: View) -> Reading:
        found: Reading | None = view.memo.get(key)
        if found is None:
            found = view.memo[key] = _realised(view.facts.closes.get(symbol, ()), symbol, window)
        return found

    return read


def _realised(closes: tuple[float, ...], symbol: str, window: int) -> Reading:
    used = closes[-window - 1 :]
    if len(used) < window + 1 or window < 2:
        return Unknown(f"{symbol}: {len(used)} daily closes, {max(window, 2) + 1} are needed")
    if not all(close > 0.0 for close in used):
        return Unknown(f"{symbol}: a daily close is not a price")
    returns = [log(later / earlier) for earlier, later in pairwise(used)]
    mean = sum(returns) / window
    variance = sum((change - mean) ** 2 for change in returns) / (window - 1)
    return sqrt(variance * SESSIONS_A_YEAR) * 100.0


def rv(call: Call, context: Context) -> Read:
    """Bind `rv`."""
    return realised(str(call.argument("of")), int(str(call.argument("window"))))

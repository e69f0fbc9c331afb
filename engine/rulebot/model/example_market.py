"""The example market that `explain` shows and the lint measures against: round levels, one volatility an expiry.

It is no forecast. Levels keep the usual ratios between an index and its fund.
"""

from collections.abc import Mapping

LEVELS: Mapping[str, int] = {"SPX": 6000, "SPY": 600, "QQQ": 520, "XSP": 600, "NDX": 21370, "RUT": 2400, "IWM": 240}
"""Where the underlyings that everybody trades stand in the example."""
USUAL_LEVEL = 100
"""Where any other underlying stands in it."""
NEAR_VOLATILITY, FAR_VOLATILITY = 0.10, 0.16
"""A year's, of sessions: of options up to a week, and longer ones.

Source: the mean at-the-money straddle of same-day SPX options over 412 days of 2023 to 2025, 0.43 % of spot at 10:30,
is 10 % a year; VIX has a median of about 17 since 1990.
"""
NEAR_DAYS = 7
"""Calendar days to expiry up to which an option counts as near."""


def level(symbol: str) -> int:
    """Return what an underlying stands at in the example."""
    return LEVELS.get(symbol, USUAL_LEVEL)


def volatility(days: int) -> float:
    """Return the volatility of options with so many calendar days to expiry, as an annual fraction."""
    return NEAR_VOLATILITY if days <= NEAR_DAYS else FAR_VOLATILITY

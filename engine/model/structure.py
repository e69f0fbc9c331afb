"""A structure in a few letters: `5920/5930p 6065/6075c`, `547p`, `AAPL 230p`, `SPX 6000c / 10 SPY 600c`.

Of several expiries each has its own: `5950p 2026-06-05 + 5950p 2026-06-12`.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from engine.model.contract import Option

SHARES = "shares"


class Strike(NamedTuple):
    """One leg as far as its name goes. `right` is `put`, `call` or `shares`, which have neither strike nor expiry."""

    symbol: str
    right: str
    strike: Decimal
    ratio: int
    expiry: str | None = None


UNNAMED = frozenset({"SPX", "SPY"})
"""Underlyings that the size of their strikes tells."""


def structure_text(strikes: Iterable[Strike]) -> str:
    """Return strikes by right, puts first, lowest first, shares before all: `100 SPY 604c`.

    The symbol stands where it is not plain, and its count where there are several.
    """
    legs = tuple(strikes)
    if dealt := [leg for leg in legs if leg.right == SHARES]:
        options = structure_text(leg for leg in legs if leg.right != SHARES)
        named = " ".join(f"{leg.ratio} {leg.symbol}" for leg in dealt)
        return f"{named} {options}".rstrip()
    if len(expiries := sorted({leg.expiry or "" for leg in legs})) > 1:
        ending = ((each, structure_text(leg for leg in legs if (leg.expiry or "") == each)) for each in expiries)
        return " + ".join(f"{text} {expiry}" for expiry, text in ending)
    symbols = list(dict.fromkeys(leg.symbol for leg in legs))
    if not symbols or (len(symbols) == 1 and symbols[0] in UNNAMED):
        return _both_rights(legs)
    return " / ".join(_of_symbol(symbol, [leg for leg in legs if leg.symbol == symbol]) for symbol in symbols)


def _of_symbol(symbol: str, legs: Sequence[Strike]) -> str:
    common = min(leg.ratio for leg in legs)
    if any(leg.ratio % common for leg in legs):
        common = 1
    each = [leg._replace(ratio=leg.ratio // common) for leg in legs]
    return f"{common} {symbol} {_both_rights(each)}" if common > 1 else f"{symbol} {_both_rights(each)}"


def _both_rights(legs: Sequence[Strike]) -> str:
    return " ".join(text for right in ("put", "call") if (text := _one_right(legs, right)))


def _one_right(legs: Sequence[Strike], right: str) -> str:
    found = sorted((leg.strike, leg.ratio) for leg in legs if leg.right == right)
    texts = [(f"{ratio}x" if ratio != 1 else "") + _number(strike) for strike, ratio in found]
    return "/".join(texts) + right[0] if texts else ""


def _number(strike: Decimal) -> str:
    text = f"{strike:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def strike_of(option: Option, ratio: int) -> Strike:
    """Return a leg as far as its name goes."""
    if option.is_share:
        return Strike(option.symbol, SHARES, option.strike, ratio)
    return Strike(option.symbol, option.right.value, option.strike, ratio, option.expiry.isoformat())

"""A structure in a few letters: `5920/5930p 6065/6075c`, `547p`, `AAPL 230p`, `SPX 6000c / 10 SPY 600c`.

Of several expiries each has its own, and says what is sold and what is bought: `-5950p 2026-06-05 +5950p 2026-06-12`.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from rulebot.model.contract import Option

SHARES = "shares"


class Strike(NamedTuple):
    """One leg as far as its name goes. `right` is `put`, `call` or `shares`, which have neither strike nor expiry.

    sign: +1 bought, -1 sold, 0 where nobody knows.
    """

    symbol: str
    right: str
    strike: Decimal
    ratio: int
    expiry: str | None = None
    sign: int = 0


_SIGNS = {-1: "-", 0: "", 1: "+"}
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
    if len({leg.expiry for leg in legs}) > 1:
        return _of_several_expiries(legs)
    symbols = list(dict.fromkeys(leg.symbol for leg in legs))
    if not symbols or (len(symbols) == 1 and symbols[0] in UNNAMED):
        return _both_rights(legs)
    return " / ".join(_of_symbol(symbol, [leg for leg in legs if leg.symbol == symbol]) for symbol in symbols)


def _of_several_expiries(legs: Sequence[Strike]) -> str:
    """Return what is sold and what is bought of each expiry: of one both, told alike, would seem to be bought."""
    groups = sorted({(leg.expiry or "", leg.sign) for leg in legs})
    texts = []
    for expiry, sign in groups:
        text = structure_text(leg for leg in legs if (leg.expiry or "", leg.sign) == (expiry, sign))
        texts.append(f"{_SIGNS[sign]}{text} {expiry}")
    return (" " if all(sign for _, sign in groups) else " + ").join(texts)


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


def strike_of(option: Option, ratio: int, sign: int = 0) -> Strike:
    """Return a leg as far as its name goes. sign: +1 bought, -1 sold."""
    if option.is_share:
        return Strike(option.symbol, SHARES, option.strike, ratio, None, sign)
    return Strike(option.symbol, option.right.value, option.strike, ratio, option.expiry.isoformat(), sign)

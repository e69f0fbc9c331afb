"""The known bias of a backtest on modelled prices: what its trades would have brought less at real quotes.

Source: docs/fidelity.md, "The model": modelled prices of SPY options against real quotes at the close, January to
August 2021 and January 2025, by right and moneyness. Same-day options were measured at the money only, against trades
of November 2023 to June 2025; their prices agree there within 1 %.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from rulebot.model.contract import LOT
from rulebot.model.money import ZERO, cents
from rulebot.model.text import counted
from rulebot.model.values import dataclass
from rulebot.record.record import Kind, Record


class Ratio(NamedTuple):
    """Modelled price by real one in 2021 and in January 2025, of options whose delta is at most this, without sign."""

    delta: float
    first: Decimal
    second: Decimal


RATIOS: Mapping[str, tuple[Ratio, ...]] = {
    "put": (
        Ratio(0.15, Decimal("1.02"), Decimal("1.34")),
        Ratio(0.45, Decimal("1.14"), Decimal("1.21")),
        Ratio(0.60, Decimal("1.17"), Decimal("1.12")),
    ),
    "call": (
        Ratio(0.15, Decimal("1.69"), Decimal("1.08")),
        Ratio(0.45, Decimal("1.31"), Decimal("1.08")),
        Ratio(0.60, Decimal("1.13"), Decimal("1.03")),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBias:
    """What entries were too kind by, dollars a trade in the mean; below 0 where real quotes would have been better.

    trades: to which that applies, options that expire on the day of entry aside. same_day: trades of those.
    """

    trades: int
    least: Decimal
    most: Decimal
    same_day: int


def known_bias(trades: Iterable[Mapping[str, Any]]) -> KnownBias:
    """Return the bias of these trades: rows of the view `trades`, of which `trade_date` and `legs` (JSON) are read."""
    firsts, seconds, same_day = [], [], 0
    for row in trades:
        legs = [
            leg for leg in json.loads(row["legs"]) if leg.get("right") in RATIOS and leg.get("entry_price") is not None
        ]
        if any(str(leg["expiry"]) == str(row["trade_date"]) for leg in legs):
            same_day += 1
        elif legs:
            firsts.append(_of_trade(legs, first=True))
            seconds.append(_of_trade(legs, first=False))
    means = sorted(cents(sum(each, ZERO) / len(each)) for each in (firsts, seconds)) if firsts else [ZERO, ZERO]
    return KnownBias(trades=len(firsts), least=means[0], most=means[1], same_day=same_day)


def _of_trade(legs: Iterable[Mapping[str, Any]], *, first: bool) -> Decimal:
    """Return by how many dollars a trade's entry was better than at real prices."""
    total = ZERO
    for leg in legs:
        price, count = Decimal(str(leg["entry_price"])), Decimal(str(leg["opened"]))
        total -= leg["sign"] * count * LOT * price * (1 - 1 / _ratio(leg, first=first))
    return total


def _ratio(leg: Mapping[str, Any], *, first: bool) -> Decimal:
    """Return the factor by which such an option's model price is too high; 1 deep in the money or without delta."""
    delta = leg.get("delta")
    if delta is None:
        return Decimal(1)
    found = next((each for each in RATIOS[leg["right"]] if abs(float(delta)) <= each.delta), None)
    if found is None:
        return Decimal(1)
    return found.first if first else found.second


def bias_words(*, trades: int, least: Decimal | float, most: Decimal | float, same_day: int) -> list[str]:
    """Return what a report says of a `KnownBias`, a sentence each."""
    found = []
    if trades:
        span = f"{_dollars(least)} to {_dollars(most)}"
        found.append(
            f"known bias: entries of {counted(trades, 'trade')} were too good by {span} a trade, "
            "by real SPY quotes of 2021 and 2025"
        )
    if same_day:
        found.append(
            f"known bias of same-day options ({counted(same_day, 'trade')}): "
            "within 1 % at the money, not measured elsewhere"
        )
    return found


def _dollars(amount: Decimal | float) -> str:
    return f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"


# --- What a backtest was alarmed by

SHOWN = 5
"""Kinds of alarms that are listed, the most frequent ones."""


def alarms_of(records: Iterable[Record]) -> dict[str, int]:
    """Return how often each alarm was raised, the most frequent first, without names of positions."""
    found: Counter[str] = Counter()
    for record in records:
        if record.kind is Kind.ALARM:
            text = str(record.data["text"])
            found[text.replace(record.position, "a position") if record.position else text] += 1
    return dict(most_often(found))


def most_often(alarms: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return alarms with their counts, the most frequent first."""
    return sorted(alarms.items(), key=lambda each: (-each[1], each[0]))

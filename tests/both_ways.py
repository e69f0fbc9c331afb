"""Variants by arrays, and turn by turn."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache

import pytest
from past_days import PastDays

from rulebot.backtest.fill_model import fill_model
from rulebot.calendars.calendars import shipped_dates
from rulebot.model.economic_calendar import event_calendar
from rulebot.sweep.evaluate import evaluate
from rulebot.sweep.variant import Variant, VariantTerms
from rulebot.sweep.vectorized import entries as groups

FIRST = date(2026, 9, 1)
FILLS = ("natural", "mid", "mid+0.3")
PLAIN = """rulebot: 1
name: plain
about: Sells a same-day put spread.
underlying: SPX
entry:
  window: {from: "10:00", to: "10:30"}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: natural, wait: 10s, tries: 1, then: cancel}
exits:
  - target: {profit: 50%, at: natural}
  - time: "15:45"
risk:
  max_loss_per_trade: $5000
"""


@cache
def calendar():
    return event_calendar(shipped_dates())


def terms(source: PastDays, days: int, fills: str = "natural") -> VariantTerms:
    last = source.dates(FIRST, date(2026, 9, 30))[days - 1]
    return VariantTerms(
        opens=lambda: source,
        first=FIRST,
        last=last,
        fills=fill_model(fills),
        cash=Decimal(1_000_000),
        lines=90,
        file="plain.yaml",
        calendar=calendar(),
    )


def both(texts: list[str], asked: VariantTerms) -> tuple[list[Variant], list[Variant]]:
    """Return what comes of these variants by arrays, and turn by turn."""
    return by_arrays(texts, asked), by_arrays(texts, replace(asked, every_turn=True))


def by_arrays(texts: list[str], asked: VariantTerms) -> list[Variant]:
    """Return what comes of these variants; by turns too where `asked` wants every turn."""
    return evaluate([(number, (f"{number}",), text) for number, text in enumerate(texts)], asked)


def together_and_alone(
    texts: list[str], asked: VariantTerms, monkeypatch: pytest.MonkeyPatch, fewest: tuple[int, int] = (1, 1_000)
) -> Iterator[tuple[list[Variant], list[Variant]]]:
    """Yield what comes of variants judged together, and of each alone, beside turns, which are lived through once.

    Both are the same. fewest: variants that are judged together at least.
    """
    slow = by_arrays(texts, replace(asked, every_turn=True))
    assert sum(each.by_arrays for each in slow) == 0
    for least in fewest:
        monkeypatch.setattr(groups, "FEWEST", least)
        fast = by_arrays(texts, asked)
        assert fast == slow, least
        yield fast, slow

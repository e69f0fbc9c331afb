"""What is listed: which expiry a rule means on a day, and the strikes around a level."""

from bisect import bisect_left
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from rulebot.model.contract import OPENING_CLASSES, Option, listed
from rulebot.model.session import trades_on, trading_day_before
from rulebot.spec.nouns import DteRule, Expiry

T = TypeVar("T")
BAND = 2
"""Strikes on each side of where one is looked for that are streamed."""
_FRIDAY = 4


@lru_cache(maxsize=256)
def expiry_on(rule: Expiry, expiries: tuple[date, ...], today: date) -> date | None:
    """Return the expiry that `rule` means on `today`, None when none is listed that qualifies."""
    ahead = _ahead(rule, expiries, today)
    wanted = rule.days[0]
    distances = {day: (day - today).days for day in ahead}
    if rule.rule is DteRule.NEAREST:
        return min(ahead, key=lambda day: (abs(distances[day] - wanted), day), default=None)
    tests: dict[DteRule, Callable[[int], bool]] = {
        DteRule.EXACT: lambda days: days == wanted,
        DteRule.AT_LEAST: lambda days: days >= wanted,
        DteRule.AT_MOST: lambda days: days <= wanted,
        DteRule.BETWEEN: lambda days: wanted <= days <= rule.days[-1],
    }
    test = tests[rule.rule]
    first_or_last = max if rule.is_latest else min
    return first_or_last((day for day in ahead if test(distances[day])), default=None)


@lru_cache(maxsize=256)
def nearest_listed(rule: Expiry, expiries: tuple[date, ...], today: date) -> str:
    """Return the expiries on both sides of what `rule` asks for, as `2026-12-04 (39 days) and 2026-12-18 (53 days)`."""
    ahead = sorted(_ahead(rule, expiries, today))
    at = bisect_left(ahead, today + timedelta(days=rule.days[0]))
    around = [(day, (day - today).days) for day in ahead[max(0, at - 1) : at + 1]]
    return " and ".join(f"{day} ({days} day{'' if days == 1 else 's'})" for day, days in around) or "none"


def _ahead(rule: Expiry, expiries: tuple[date, ...], today: date) -> list[date]:
    """Return the expiries that are not over, of a monthly rule the monthly ones."""
    return [day for day in expiries if day >= today and (not rule.is_monthly or is_monthly(day, rule.trading_class))]


@lru_cache(maxsize=1024)
def is_monthly(day: date, trading_class: str | None) -> bool:
    """Say whether options of the monthly cycle trade last on this day.

    That is the third Friday of a month or, when the exchange is closed then, the session before it; those that settle
    at the open trade last on the session before their settlement. Source: OCC and Cboe contract specifications.
    """
    third = _third_friday(day)
    settles = third if trades_on(third) else trading_day_before(third)
    return day == (trading_day_before(settles) if trading_class in OPENING_CLASSES else settles)


def _third_friday(day: date) -> date:
    first = day.replace(day=1)
    return first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)


def neighbours(strikes: tuple[Decimal, ...], level: float, count: int) -> tuple[Decimal, ...]:
    """Return the `count` listed strikes on each side of a level, in order."""
    at = place_of(strikes, level)
    return strikes[max(0, at - count) : at + count]


def place_of(strikes: tuple[Decimal, ...], level: float) -> int:
    """Return how many listed strikes lie below a level."""
    return bisect_left(strikes, Decimal(f"{level:.4f}"))


def place_among_listed(strikes: tuple[Decimal, ...], level: float) -> int:
    """Return the same as `place_of` for all strikes of an expiry, as its listing has them."""
    return bisect_left(_made_of(strikes, (id(strikes),), lambda: tuple(map(float, strikes))), round(level, 4))


# ---------------------------------------------------------------- what is made of a listing's strikes

_MADE: dict[tuple[object, ...], tuple[tuple[Decimal, ...], tuple[Any, ...]]] = {}
_MOST = 512
"""How much is kept of it at a time."""


def options_of(
    symbol: str, trading_class: str, expiry: date, strikes: tuple[Decimal, ...], is_call: bool
) -> tuple[Option, ...]:
    """Return the options of these strikes, in their order; made once for a listing."""
    key = (id(strikes), symbol, trading_class, expiry, is_call)
    return _made_of(
        strikes, key, lambda: tuple(listed(symbol, trading_class, expiry, each, is_call) for each in strikes)
    )


def multiples(strikes: tuple[Decimal, ...], step: Decimal | None) -> tuple[Decimal, ...]:
    """Return those of the strikes that are a multiple of `step`, all without one; found once for a listing."""
    if step is None:
        return strikes
    return _made_of(strikes, (id(strikes), step), lambda: tuple(each for each in strikes if each % step == 0))


def forget_listings() -> None:
    """Forget what was made of listings: those of another day have come. What is asked for again is made again."""
    _MADE.clear()
    listed.cache_clear()


def _made_of(strikes: tuple[Decimal, ...], key: tuple[object, ...], make: Callable[[], tuple[T, ...]]) -> tuple[T, ...]:
    """Return a cached result for strikes, by their identity, since there are hundreds of them."""
    found = _MADE.get(key)
    if found is None or found[0] is not strikes:
        if len(_MADE) >= _MOST:
            _MADE.clear()
        found = _MADE[key] = (strikes, make())
    return found[1]

"""Bounds as a person says them: `3 points`, `50%`, `0.50`, `2 hours`; and times of day, on half days too.

What was *measured* is shown by `rulebot.evaluate.wording`, with the digits of its measure; here stands what a spec
wrote.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal

from rulebot.compile.plan import Call, Constant, Number, Quantity
from rulebot.compile.vocabulary import VOCABULARY
from rulebot.model.money import CENT
from rulebot.model.session import EXCHANGE_ZONE, Anchor, DayTime, Session, session_on
from rulebot.spec.nouns.condition import Unit


def _session(day: date) -> Session:
    found = session_on(day)
    assert found is not None
    return found


FULL_DAY = _session(date(2026, 11, 18))
HALF_DAY = _session(date(2026, 11, 27))
"""Any full session and any with an early close: what times of day come to is said for both."""

_LEVELS = ("spot", "strike", "sma", "ema", "vwap")
"""Measures whose points are a level of the underlying, not a distance."""


def counted(number: float | Decimal | int, word: str) -> str:
    """Return `1 point`, `2.5 points`."""
    return f"{plain(number)} {word}" if number == 1 else f"{plain(number)} {word}s"


def plain(number: float | Decimal | int) -> str:
    """Return a number without digits that say nothing: `6000`, `0.1`, `2.5`."""
    text = f"{Decimal(str(number)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def price(amount: float | Decimal) -> str:
    """Return a price per share, in cents at least; never with a sign."""
    exact = abs(Decimal(str(amount)))
    return f"{exact:,.2f}" if exact == exact.quantize(CENT) else f"{exact.normalize():,f}"


def _signed(amount: float) -> str:
    return f"-{price(amount)}" if amount < 0 else price(amount)


def money(amount: float | Decimal) -> str:
    """Return `$1,000` or `$8.50`: cents only where there are some."""
    exact = Decimal(str(amount)).quantize(CENT)
    digits = f"{abs(exact):,.2f}".removesuffix(".00")
    return f"-${digits}" if exact < 0 else f"${digits}"


def about(amount: Decimal) -> str:
    """Return whole dollars with their sign, for what is estimated: `+$15`, `-$55`."""
    return f"{'-' if round(amount) < 0 else '+'}${abs(round(amount)):,}"


def percent(part: float | Decimal) -> str:
    """Return a fraction as `50%`."""
    return f"{plain(round(Decimal(str(part)) * 100, 6))}%"


def duration(seconds: float) -> str:
    """Return `45 s`, `5 minutes`, `2 hours`: whole units only."""
    for size, word in ((3600, "hour"), (60, "minute")):
        if seconds and not seconds % size:
            return counted(int(seconds // size), word)
    return f"{plain(seconds)} s"


def times(count: int) -> str:
    """Return `once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


SAID: Mapping[Quantity, Callable[[float], str]] = {
    Quantity.PLAIN: plain,
    Quantity.LEVEL: plain,
    Quantity.POINTS: lambda value: counted(value, "point"),
    Quantity.PRICE: lambda value: f"{_signed(value)} per share",
    Quantity.DOLLARS: money,
    Quantity.FRACTION: percent,
    Quantity.PERCENT: lambda value: f"{plain(value)}%",
    Quantity.DELTA: _signed,
    Quantity.SECONDS: duration,
    Quantity.DAYS: lambda value: counted(int(value), "day"),
    Quantity.TRUTH: lambda value: str(bool(value)).lower(),
    Quantity.TEXT: str,
}
"""Every quantity; a test asks for each."""


def constant(number: Constant, left: Number | None = None) -> str:
    """Return a number of the spec with its unit; `left` is what it is compared with, which may give the unit."""
    value = number.value
    if isinstance(left, Call) and left.measure in _LEVELS:
        return plain(value)
    if number.quantity is Quantity.LEVEL and is_change_of_level(left):
        return counted(value, "point")
    return SAID[number.quantity](value)


def is_change_of_level(left: Number | None) -> bool:
    """Say whether a measure counts index points, and not a level."""
    return isinstance(left, Call) and VOCABULARY[left.measure].units[0][0] is Unit.POINTS


# ---------------------------------------------------------------- times of day


def clock(at: datetime) -> str:
    """Return New York clock time, with seconds only where there are some."""
    local = at.astimezone(EXCHANGE_ZONE)
    return local.strftime("%H:%M:%S" if local.second else "%H:%M")


def from_on(at: DayTime) -> str:
    """Return the time from which a `time` acts: `15:30 (half days 12:30)`, `15:30 (half days never)`."""
    half = at.before_close(HALF_DAY)
    return _both(at, clock(at.before_close(FULL_DAY)), "never" if half > HALF_DAY.close else clock(half))


def _both(at: DayTime, full: str, half: str) -> str:
    said = full if at.anchor is Anchor.CLOCK and not at.zone else f"{anchored(at)}, {full}"
    return said if full == half else f"{said} (half days {half})"


def anchored(at: DayTime) -> str:
    """Return `the close`, `50 minutes after the open` or `15:30 Europe/Berlin`."""
    if at.zone:
        return str(at)
    seconds = at.offset.total_seconds()
    if not seconds:
        return f"the {at.anchor.value}"
    return f"{duration(abs(seconds))} {'after' if seconds > 0 else 'before'} the {at.anchor.value}"

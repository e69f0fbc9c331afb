"""The nouns of a test document: what the market and the broker do, and what the bot is expected to do."""

import re
from bisect import bisect
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from math import nan

from rulebot.model.facts import Moment
from rulebot.model.session import DayTime
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Path
from rulebot.spec.source import Plain

# --- How a level moves over a session, as a test writes it

_STRETCH = re.compile(r"(?:(?P<drift>[+-][0-9.]+)|unknown )x(?P<minutes>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Series:
    """A level at each minute from the open on, nan where missing; the last one continues.

    Units: those of what it is a level of; a volatility is in percent.
    """

    levels: tuple[float, ...]

    def at(self, minute: int) -> float:
        """Return the level this many minutes after the open, before it that of the open; nan in a hole."""
        return self.levels[min(max(minute, 0), len(self.levels) - 1)]

    def until(self, minute: int) -> tuple[float, ...]:
        """Return the levels from the open to a minute, holes left out."""
        return tuple(each for each in self.levels[: max(minute, 0) + 1] if each == each)

    def times(self, factor: float) -> "Series":
        """Return the series with every level multiplied."""
        return Series(tuple(round(each * factor, 6) for each in self.levels))


def series(value: Plain) -> Series:
    """Return the series of a text or number that the schema has found to be one.

    A hole hides the level for some minutes; after it the level continues where it was.
    """
    text = str(value).replace("%", "")
    if text == "unknown":
        return Series((nan,))
    start, _, rest = text.partition(" ")
    level = float(start)
    found, is_hole = [level], False
    for stretch in _STRETCH.finditer(rest):
        is_hole = stretch["drift"] is None
        for _ in range(int(stretch["minutes"])):
            level += 0.0 if is_hole else float(stretch["drift"])
            found.append(nan if is_hole else round(level, 6))
    return Series((*found, level) if is_hole else tuple(found))


# --- How volatility differs by strike in the market of a test

AT_THE_MONEY = 0.0


@dataclass(frozen=True, slots=True)
class Smile:
    """Points of volatility (percent a year) above that at the money, by distance of the strike from the level.

    Units: a distance is a part of the level in percent, negative below it. Shape: rising by distance.
    """

    distances: tuple[float, ...]
    points: tuple[float, ...]

    def at(self, distance: float) -> float:
        """Return the points at a distance: interpolated between two given ones, constant beyond them."""
        place = bisect(self.distances, distance)
        if place in (0, len(self.distances)):
            return self.points[min(place, len(self.points) - 1)]
        left, right = self.distances[place - 1], self.distances[place]
        part = (distance - left) / (right - left)
        return self.points[place - 1] + part * (self.points[place] - self.points[place - 1])


FLAT = Smile((AT_THE_MONEY,), (0.0,))


def smile(points: Mapping[float, float]) -> Smile:
    """Return the smile of points by distance; at the level itself there are none unless they are given."""
    known = sorted({AT_THE_MONEY: 0.0, **points}.items())
    return Smile(tuple(each for each, _ in known), tuple(each for _, each in known))


# --- The nouns of a test document

USUAL_DATE = date(2026, 11, 18)
"""A full session without an event: that of a test which does not say."""
DAILY_LOSS = "daily_loss"
DAILY_PROFIT = "daily_profit"
ENDINGS = ("expired_worthless", "assigned", "exercised", "settled", "unwind")
"""How a position ends without an exit of its spec."""


class UnquotedStrike(Enum):
    """What is wrong with a quote."""

    UNKNOWN = "unknown"
    NAN = "nan"
    CROSSED = "crossed"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class ExpectedMark:
    """One quote of the open position: what closing it costs per share (negative: it brings that), or a hole."""

    cost: float
    hole: UnquotedStrike | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Earnings of a company: the day and, if given, the time, as a moment or as New York's time."""

    day: date
    moment: Moment | None = None
    clock: time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecTestMarket:
    """What the market does. Levels by symbol; `iv` in percent a year, `ivs` by underlying; `rv` None is unknown.

    widths: of option quotes by underlying. before: levels at the previous close. days: closes of the sessions before,
    by symbol, the last is that of yesterday; iv_days: 30-day volatility at those closes, percent. smiles: by
    underlying, how volatility differs by strike; expiries: what is listed, by underlying. volumes,
    open_interests: contracts of every option, put_call: puts over calls traded, option_volumes: puts
    and calls traded together, by underlying. earnings: the one day
    known of a company. quotes: of the open position.
    """

    levels: Mapping[str, Series]
    iv: Series
    ivs: Mapping[str, Series]
    rv: float | None
    widths: Mapping[str, float]
    before: Mapping[str, float]
    days: Mapping[str, Series]
    iv_days: Mapping[str, Series]
    smiles: Mapping[str, Smile]
    expiries: Mapping[str, tuple[date, ...]]
    volumes: Mapping[str, float]
    open_interests: Mapping[str, float]
    put_call: Mapping[str, float]
    option_volumes: Mapping[str, float]
    earnings: Mapping[str, Report]
    quotes: tuple[ExpectedMark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The position that is open when the test begins. `net` is + for a credit, - for a debit, per share.

    opened, dte: None is the test's own session, and the expiry that the spec chooses. legs: () are the spec's choice.
    alternative: of `choose`, symbol: of `universe`, "" where the test names none.
    """

    net: Decimal
    at: DayTime
    opened: date | None = None
    dte: int | None = None
    alternative: str = ""
    symbol: str = ""
    legs: Mapping[str, Decimal]


class BrokerAction(Enum):
    """What the broker does."""

    REJECTS = "rejects"
    FILLS = "fills"
    DISCONNECTS = "disconnects"
    MARGIN = "margin"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerEvent:
    """What the broker does for a while. `at` None is from the beginning, `lasts` (seconds) None to the end.

    what: entry, exit or all that it rejects. part: of each order that it fills. margin: dollars that it says an entry
    adds, None for no answer.
    """

    does: BrokerAction
    at: DayTime | None = None
    lasts: float | None = None
    what: str = ""
    part: Decimal = Decimal(1)
    margin: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentHook:
    """A web hook that comes at a time, with a word or without one ("")."""

    at: DayTime
    name: str
    says: str = ""


class Span(Enum):
    """When something is expected."""

    AT = "at"
    BY = "by"
    ALL_DAY = "all_day"
    AFTER_QUOTE = "after_quote"
    SOME_TIME = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What is expected, and when; of the facts those that are given must all be so.

    enters: strikes by leg, an empty mapping for any. because: True, False or None (unknown) by rule.
    """

    span: Span = Span.SOME_TIME
    time: DayTime | None = None
    quote: int = 0
    enters: Mapping[str, Decimal] | None = None
    exits: str = ""
    halts: str = ""
    unfilled: bool = False
    rests: Mapping[str, Decimal]
    no_orders: bool = False
    state: str = ""
    quantity: int | None = None
    because: Mapping[str, bool | None]
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecTest:
    """One test. shares: what the account holds, and costs: dollars a share where that is not the previous close.

    hooks: web hooks that come, None while none can be received.
    """

    name: str
    date: date
    settings: Mapping[str, str]
    market: SpecTestMarket
    opening: Opening | None
    broker: tuple[BrokerEvent, ...]
    shares: Mapping[str, int]
    costs: Mapping[str, Decimal]
    hooks: tuple[SentHook, ...] | None
    expect: tuple[Expectation, ...]
    path: Path


@dataclass(frozen=True, slots=True)
class SpecTestDocument:
    """The tests of one spec; `spec` is its file, seen from that of the document."""

    spec: str
    trials: tuple[SpecTest, ...]

"""Look-ahead test: the data after a random instant is garbled, and all records until then must be unchanged.

Garbled are quotes, levels and greeks of later instants and sessions, volumes of the whole day, settlement levels, bars
reported later, and daily bars and volatilities of that day and later ones. A decision that changes has read the future.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import islice
from operator import itemgetter
from random import Random
from typing import Any

import numpy as np

from rulebot.adapters.history.session import Columns, DailyBar, Finding, HistoryDay, ReportedBars, Source
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.compile.data_needs import calls_of
from rulebot.compile.orders import needs_cash_for_puts
from rulebot.compile.plan import Plan, Rule
from rulebot.compile.variants import rules_of_members
from rulebot.core.program import Program
from rulebot.model.contract import OPENING_CLASSES, Settlement, product
from rulebot.model.errors import StoreError
from rulebot.model.event import OpeningMoveReport
from rulebot.model.facts import Bar
from rulebot.model.values import dataclass
from rulebot.record.record import Kind, Record
from rulebot.spec.nouns import DteRule

# --- Whether the sessions of a backtest are independent, so that they may run concurrently

OF_ACCOUNT = frozenset(("net_liquidation", "buying_power"))
"""Measures of what the sessions before have made."""


def is_independent(program: Program, shares: Collection[object] = ()) -> bool:
    """Say whether neither a bot of a program nor its account carries anything over a night.

    shares: those in the account at the start: they have a cost from then on, and change in value every day.
    """
    return not shares and not carried_state(program)


def carried_state(program: Program) -> str:
    """Return what a program may carry from one session to the next, in words, "" when that is nothing."""
    return next(_carried(program), "")


def _carried(program: Program) -> Iterator[str]:
    limits = program.limits
    counts = (limits.margin, limits.worst_case, limits.max_notional_times)
    if any(each is not None for each in counts) or program.require:
        yield "limits of the account"
    for bot in program.bots.values():
        yield from _carried_by(bot.plan, is_cash_kept=limits.cash_secured_puts is not None)


def _carried_by(plan: Plan, *, is_cash_kept: bool) -> Iterator[str]:
    for structure in plan.structures_of_all():
        yield from _outliving(structure)
    if plan.size is not None or plan.overwrite is not None:
        yield "a size that is counted by the account"
    if plan.growth is not None:
        yield "a size that grows with compliant sessions"
    if plan.entry.per_week is not None:
        yield "a cap of the week"
    for measure in (call.measure for rule in _rules(plan) for call in calls_of(rule.test)):
        if measure in OF_ACCOUNT:
            yield f"a condition on {measure}"
    if is_cash_kept and any(map(needs_cash_for_puts, plan.structures_of_all())):
        yield "the cash for short puts"


def _outliving(plan: Plan) -> Iterator[str]:
    for planned in plan.exits:
        if planned.roll is not None:
            yield f"{planned.name}, which rolls"
    for leg in plan.legs:
        if leg.is_shares or product(leg.symbol).settlement is Settlement.SHARES:
            yield f"shares of {leg.symbol}"
        elif leg.expiry.days[-1] or leg.expiry.rule not in (DteRule.EXACT, DteRule.AT_MOST):
            yield f"{leg.name}, which may be of a later day"
        elif leg.trading_class in OPENING_CLASSES:
            yield f"{leg.name}, which settles in the morning after its last session"


def _rules(plan: Plan) -> Iterator[Rule]:
    """Yield every condition of a bot."""
    yield from (*plan.entry.when, *plan.risk.halt_when, *plan.risk.require, *rules_of_members(plan))
    for choice in plan.choices:
        yield from choice.when
    for structure in plan.structures_of_all():
        yield from structure.require
        for planned in structure.exits:
            yield from (*planned.activate_when, *(() if planned.rule is None else (planned.rule,)))


# --- Does anything look ahead? The data after a drawn instant is garbled, and all that was recorded until then must
#     stay

DRAWS = 5
"""Sessions that are drawn where they hang together; where they are apart each is looked at."""
_DECIDING = (Kind.VERDICT, Kind.DECISION, Kind.ORDER)
_COLUMNS = ("bid", "ask", "bid_size", "ask_size", "iv", "delta", "gamma", "theta", "vega", "volume")
_STRANGE = 1.37
"""Factor of a daily bar, divisor of its low: far from any day's move, and still around its session's levels.

By these a split is told from a fall.
"""

Walks = Callable[[Source], BacktestSimulation]


@dataclass(frozen=True, slots=True)
class LookAheadLeak:
    """A record that changed, or exists only once, although everything garbled is after `until`."""

    until: datetime
    was: Record | None
    now: Record | None


@dataclass(frozen=True, slots=True)
class LookAheadCheck:
    """How many instants were drawn, how many records up to them were compared, and what leaked."""

    draws: int
    records: int
    leaks: tuple[LookAheadLeak, ...]


class ScrambledDay:
    """A source whose data after an instant makes no sense (see `adapters/history/session.py`, Source)."""

    def __init__(self, source: Source, until: datetime, seed: int) -> None:
        self._source, self._until, self._seed = source, until, seed
        self.name, self.is_modelled = source.name, source.is_modelled

    def dates(self, first: date, last: date) -> Sequence[date]:
        return self._source.dates(first, last)

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        return self._source.gaps(first, last)

    def day(self, day: date) -> HistoryDay:
        """Return a session, its instants after `until` garbled."""
        found = self._source.day(day)
        later = found.times > self._until.timestamp()
        return found if not later.any() else garbled(found, later, self._seed + day.toordinal())

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        """Return daily bars, those from the day of `until` on garbled."""
        return [self._bar(each) for each in self._source.daily(symbol, before, count)]

    def _bar(self, bar: DailyBar) -> DailyBar:
        if bar.date < self._until.date():
            return bar
        return DailyBar(bar.date, _STRANGE * bar.open, _STRANGE * bar.high, bar.low / _STRANGE, _STRANGE * bar.close)

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        """Return volatilities, garbled where they reach to the day of `until` or further."""
        found = self._source.implied(symbol, before, count)
        return found if before <= self._until.date() else [_STRANGE * each for each in found]

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        """Say it as it was: a split is announced before its day."""
        return self._source.was_split(symbol, since, until)


def garbled(day: HistoryDay, later: "np.ndarray", seed: int) -> HistoryDay:
    """Return the session with other numbers at the instants that are `later`."""
    chance = np.random.default_rng(seed)

    def strange(column: Columns) -> Columns:
        found = column.copy()
        if column.ndim == 1 and len(column) != len(later):
            return found * _STRANGE
        found[later] *= chance.uniform(0.3, 3.0, found[later].shape)
        return found

    since = float(day.times[later].min())
    given: dict[str, Columns | None] = {name: getattr(day, name) for name in _COLUMNS}
    columns: dict[str, Any] = {name: None if column is None else strange(column) for name, column in given.items()}
    return replace(
        day,
        levels={symbol: strange(level) for symbol, level in day.levels.items()},
        reported=None if day.reported is None else {symbol: _each(strange, of) for symbol, of in day.reported.items()},
        bars=None if day.bars is None else {series: _strange_bars(each, since) for series, each in day.bars.items()},
        moves=tuple(_strange_move(each, since) for each in day.moves),
        halts=tuple(each for each in day.halts if each[0] < since),
        hours=tuple(each for each in day.hours if each.at.timestamp() < since),
        settled={key: _STRANGE * level for key, level in day.settled.items()},
        **columns,
    )


def _strange_move(reported: OpeningMoveReport, since: float) -> OpeningMoveReport:
    return reported if reported.at.timestamp() < since else replace(reported, points=_STRANGE * reported.points)


def _strange_bars(reported: ReportedBars, since: float) -> ReportedBars:
    """Return bars of other prices from the first instant on that is garbled."""
    return tuple(
        (at, bars if at < since else replace(bars, bars=tuple(map(_strange_bar, bars.bars)))) for at, bars in reported
    )


def _strange_bar(bar: Bar) -> Bar:
    first, high, low, last = (_STRANGE * each for each in (bar.open, bar.high, bar.low, bar.close))
    return Bar(bar.at, first, high, low, last, bar.volume, _STRANGE * bar.average)


def _each(strange: Callable[[Columns], Columns], columns: Mapping[str, Columns]) -> Mapping[str, Columns]:
    return {name: strange(column) for name, column in columns.items()}


def check_look_ahead(walks: Walks, source: Source, first: date, last: date, seed: int = 7) -> LookAheadCheck:
    """Walk with the data as it is and with it garbled after drawn instants, and compare what was recorded until then.

    walks: makes a walk over a source; nothing of one may reach another. Raises: what a walk raises, StoreError where no
    session can be read.
    """
    walk = walks(source)
    apart = is_independent(walk.program, walk.brought)
    chance = Random(seed)
    compared, count = 0, 0
    leaks: list[LookAheadLeak] = []
    for day, times in _drawn(source, source.dates(first, last), chance, apart=apart):
        since = day if apart else first
        known = _recorded(walks(source), since, day)
        for place in _places(times, known, chance):
            until = datetime.fromtimestamp(float(times[place]), UTC)
            end = float(times[place + 1]) if place + 1 < len(times) else until.timestamp()
            was = _until(known, end)
            now = _until(_recorded(walks(ScrambledDay(source, until, seed)), since, day), end)
            count, compared = count + 1, compared + len(was)
            leaks += _differences(was, now, until)
    if not count:
        raise StoreError(f"{source.name} has no session from {first} to {last} that can be read: nothing is compared")
    return LookAheadCheck(count, compared, tuple(leaks))


def _drawn(source: Source, days: Sequence[date], chance: Random, *, apart: bool) -> Iterable[tuple[date, Columns]]:
    """Return the sessions that are drawn, with their instants; one that is refused is passed by, as by a backtest."""
    order = days if apart else chance.sample(days, len(days))
    found = ((day, times) for day in order if len(times := _instants(source, day)))
    return found if apart else sorted(islice(found, DRAWS), key=itemgetter(0))


def _instants(source: Source, day: date) -> Columns:
    try:
        return source.day(day).times
    except StoreError:
        return np.empty(0)


def _places(times: Columns, records: Sequence[Record], chance: Random) -> list[int]:
    """Return the places of the random instants: any one, and one with a decision, if any.

    Few instants of a day are in a window, and look-ahead in them shows nowhere else.
    """
    decided = (each.at.timestamp() for each in records if each.kind in _DECIDING)
    places = {int(np.searchsorted(times, at, side="right")) - 1 for at in decided if times[0] <= at}
    return sorted({chance.randrange(len(times)), *([chance.choice(sorted(places))] if places else [])})


def _recorded(walk: BacktestSimulation, first: date, last: date) -> list[Record]:
    return [each for done in walk.through(first, last) for each in done.records]


def _until(records: Sequence[Record], end: float) -> list[Record]:
    """Return what was recorded before the first instant that is garbled."""
    return [each for each in records if each.at.timestamp() < end]


def _differences(was: list[Record], now: list[Record], until: datetime) -> Iterator[LookAheadLeak]:
    """Yield the first record that differs: what follows it differs because it did."""
    for place in range(max(len(was), len(now))):
        before = was[place] if place < len(was) else None
        after = now[place] if place < len(now) else None
        if before != after:
            yield LookAheadLeak(until, before, after)
            return

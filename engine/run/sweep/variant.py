"""Variants of a bot lived through the same sessions: each is read once for all, each variant has its account."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import field
from datetime import date, timedelta
from decimal import Decimal
from itertools import cycle

from engine.adapters.history.day import DailyBar, Finding, HistoryDay, Source
from engine.adapters.history.finding import refused
from engine.model.errors import InvariantError, MisuseError, StoreError
from engine.model.facts import EventCalendar
from engine.model.money import CENT, ZERO
from engine.model.performance import expectancy, sharpe, win_rate
from engine.model.session import session_on
from engine.model.values import dataclass
from engine.run.backtest.independence import is_independent
from engine.run.backtest.run import alone
from engine.run.backtest.walk import Walk
from engine.run.sweep.arrays.bot import ArrayBot, Numbers
from engine.run.sweep.arrays.day import ArrayDay
from engine.run.sweep.arrays.groups import Groups
from engine.run.sweep.arrays.lived import ArraySession, Lived
from engine.run.sweep.arrays.suits import unsuited
from engine.run.sweep.compiling import Compiling, Terms

CHECKED = 2_000
"""Of so many sessions by arrays one is lived through turn by turn as well: the first of each task, and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What came of one variant: the account's change by session in dollars, and its closed trades' sums.

    problem: why it could not be run; then nothing else is told. longest: sessions that its longest trade was held over.
    by_arrays: sessions that were lived through by arrays, not turn by turn. findings: what was wrong with the data, as
    the first variant of a task tells it for all, which read the same.
    """

    number: int
    point: tuple[str, ...]
    problem: str = ""
    profits: tuple[float, ...] = ()
    trades: int = 0
    wins: int = 0
    net: float = 0.0
    expectancy: float | None = None
    win_rate: float | None = None
    max_drawdown: float = 0.0
    sharpe: float | None = None
    longest: int = 0
    by_arrays: int = field(default=0, compare=False)
    findings: tuple[Finding, ...] = field(default=(), compare=False)


class Shared:
    """A source whose last session is kept: the next variant reads the same. findings: what was wrong so far."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._days: dict[date, HistoryDay] = {}
        self._bars: dict[tuple[str, date, int], Sequence[DailyBar]] = {}
        self._all = source.dates(date(1950, 1, 1), date(2200, 1, 1))
        self.name, self.is_modelled = source.name, source.is_modelled
        self.findings: dict[Finding, None] = {}

    def dates(self, first: date, last: date) -> Sequence[date]:
        """Return the sessions."""
        return [day for day in self._all if first <= day <= last]

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        """Return what is wrong with the range."""
        found = self._source.gaps(first, last)
        self.findings |= dict.fromkeys(found)
        return found

    def day(self, day: date) -> HistoryDay:
        """Return one session, read once in a row."""
        if day not in self._days:
            found = self._source.day(day)
            self.findings |= dict.fromkeys(found.findings)
            self._days.clear()
            self._days[day] = found
        return self._days[day]

    def can_read(self, day: date) -> bool:
        """Say whether a session is not refused; it is read."""
        try:
            self.day(day)
        except StoreError as error:
            self.findings[refused(self.name, 0, f"{day}: {error.message}")] = None
            return False
        return True

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        """Return daily bars, looked up once."""
        key = (symbol, before, count)
        if key not in self._bars:
            self._bars[key] = self._source.daily(symbol, before, count)
        return self._bars[key]

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        """Return volatilities."""
        return self._source.implied(symbol, before, count)


@dataclasses.dataclass
class _Lived:
    """One variant while its sessions pass."""

    number: int
    point: tuple[str, ...]
    walk: Walk
    is_apart: bool
    worth: Decimal
    since: date
    bot: ArrayBot | None = None
    profits: list[Decimal] = field(default_factory=list)
    trades: dict[str, tuple[Decimal, date, date]] = field(default_factory=dict)
    by_arrays: int = 0

    def pass_session(self, day: date, found: Lived | None, checks: Iterator[bool]) -> None:
        """Keep what came of one session by arrays, or live through it. checks: whether the next by arrays is checked.

        Raises: InvariantError when turn by turn something else comes of a session.
        """
        if found is None:
            self._turn_by_turn(day)
            return
        if next(checks):
            self._check(day, found)
        else:
            self.profits.append(found.change)
            if found.net is not None:
                self.trades[f"{day}"] = (found.net, day, day)
        self.by_arrays += 1

    def _check(self, day: date, found: Lived) -> None:
        before = len(self.trades)
        self._turn_by_turn(day)
        nets = [net for net, _, _ in list(self.trades.values())[before:]]
        if self.profits[-1] != found.change or nets != [net for net in (found.net,) if net is not None]:
            raise InvariantError(
                f"{day}, {', '.join(self.point)}: by arrays the account changes by {found.change}, turn by turn by "
                f"{self.profits[-1]}",
                "--every-turn does without arrays; please tell us of this",
            )

    def _turn_by_turn(self, day: date) -> None:
        walk = self.walk
        lived = alone(walk, day) if self.is_apart else walk.through(self.since, day)
        for _ in lived:
            pass
        self.since = day + timedelta(days=1)
        state, broker = walk.state, walk.broker
        if state is None or broker is None:
            self.profits.append(ZERO)
            return
        before = walk.cash if self.is_apart else self.worth  # a session that is apart begins with the same account
        self.worth = broker.worth(walk.marks)
        self.profits.append(self.worth - before)
        for position in state.positions.values():
            if position.state == "closed" and position.opened_at is not None:
                self.trades[position.id] = (position.net, position.session, day)
        if self.bot is not None:
            self.walk = walk.anew()  # hundreds of variants must not each keep a session


def evaluate(texts: Sequence[tuple[int, tuple[str, ...], str]], terms: Terms) -> list[Variant]:
    """Return what came of these variants, each given by its number, its values and its text.

    Raises: StoreError, InvariantError when arrays and turns differ in a session that is checked.
    """
    source = Shared(terms.opens())
    calendar = terms.calendar()
    numbers, checks = Numbers(), cycle([True, *[False] * (CHECKED - 1)])
    found: dict[int, Variant] = {}
    lived: list[_Lived] = []
    source.gaps(terms.first, terms.last)
    compiling = Compiling(terms)
    for number, point, text in texts:
        try:
            program = compiling.program(text)
        except MisuseError as error:
            found[number] = Variant(number=number, point=point, problem=error.message)
            continue
        walk = Walk(program, source, calendar, terms.fills, terms.cash)
        bot = None if terms.every_turn or unsuited(program, terms.fills) else ArrayBot(program, numbers)
        lived.append(_Lived(number, point, walk, is_independent(program), terms.cash, terms.first, bot))
    by_arrays = {each.number: each.bot for each in lived if each.bot is not None}
    groups = Groups(by_arrays)
    for day in filter(source.can_read, source.dates(terms.first, terms.last)):
        shared = _shared(source, day, calendar, terms) if by_arrays else None
        known = {} if shared is None else groups.live(shared)
        for each in lived:
            each.pass_session(day, known.get(each.number), checks)
    found |= {each.number: _summed(each) for each in lived}
    every = [found[number] for number, _, _ in texts]
    return [dataclasses.replace(each, findings=tuple(source.findings)) for each in every[:1]] + every[1:]


def _shared(source: Source, day: date, calendar: EventCalendar, terms: Terms) -> ArraySession | None:
    """Return a session for variants that are lived through by arrays, None where its data does not allow it."""
    session = session_on(day)
    if session is None:
        return None
    found = ArrayDay(source.day(day), session, source, calendar)
    return None if found.problem else ArraySession(found, terms.fills)


def _summed(lived: _Lived) -> Variant:
    made = [net for net, _, _ in lived.trades.values()]
    rate, mean = win_rate(made), expectancy(made)
    held = [(left - session).days for _, session, left in lived.trades.values()]
    return Variant(
        number=lived.number,
        point=lived.point,
        profits=tuple(float(each) for each in lived.profits),
        trades=len(made),
        wins=sum(each > 0 for each in made),
        net=float(sum(made, ZERO)),
        expectancy=None if mean is None else float(mean.quantize(CENT)),
        win_rate=None if rate is None else round(float(rate), 6),
        max_drawdown=float(_drawdown(lived.profits)),
        sharpe=sharpe(lived.profits),
        longest=max(held, default=0),
        by_arrays=lived.by_arrays,
    )


def _drawdown(profits: Sequence[Decimal]) -> Decimal:
    total = best = deepest = ZERO
    for each in profits:
        total += each
        best = max(best, total)
        deepest = max(deepest, best - total)
    return deepest

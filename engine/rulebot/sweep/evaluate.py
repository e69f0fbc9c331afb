"""Variants of a bot lived through the same sessions: each is read once for all, each variant has its account."""

import ctypes
import dataclasses
import os
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import date, timedelta
from decimal import Decimal
from itertools import cycle
from typing import NamedTuple

from rulebot.adapters.history.session import Finding, SharedSource, Source
from rulebot.backtest.caveats import alarms_of
from rulebot.backtest.historical_market import gaps_of
from rulebot.backtest.look_ahead import is_independent
from rulebot.backtest.results import strained_days
from rulebot.backtest.run import run_session_alone
from rulebot.backtest.simulation import BacktestSimulation, SimulatedDay
from rulebot.core.program import CompiledBot
from rulebot.model.collector import seldom_collected
from rulebot.model.contract import Underlying
from rulebot.model.errors import InvariantError, MisuseError
from rulebot.model.money import ZERO
from rulebot.model.position import Position
from rulebot.model.session import session_on, sessions_after
from rulebot.model.values import SharedFlag
from rulebot.sweep.variant import Compiling, PeriodResult, Variant, VariantTerms, VariantTrade, whole
from rulebot.sweep.vectorized.eligibility import unsuited
from rulebot.sweep.vectorized.entries import Groups
from rulebot.sweep.vectorized.entry_window import ArrayBot, Numbers
from rulebot.sweep.vectorized.exit_orders import UndecidedByArrays
from rulebot.sweep.vectorized.session import ArraySession, SessionResult
from rulebot.sweep.vectorized.session_arrays import ArrayDay

# --- Memory that is freed, kept for what comes next

TRIM, MMAP = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of mallopt(3)."""
SETTINGS = {TRIM: ("MALLOC_TRIM_THRESHOLD_", 1 << 30), MMAP: ("MALLOC_MMAP_THRESHOLD_", 32 << 20)}
"""Where the environment has them, and how many bytes are kept here. From 32 MiB on the library maps on its own."""
DEFAULT = 128 << 10
"""Bytes of both where nobody says anything. Source: mallopt(3)."""


@contextmanager
def memory_kept() -> Iterator[None]:
    """Do not give freed memory back to the system meanwhile: for arrays that are made and freed over and over.

    Given back at once, as workers of dask ask for, each array costs the system's work of making its pages anew.
    Of several at once (threads), the last to end puts all back, and gives back what is free.
    """
    with _kept.asked():
        yield


def _keep() -> Callable[[], None]:
    if platform.libc_ver()[0] != "glibc":
        return lambda: None
    library = ctypes.CDLL(None)
    for setting, (_, kept) in SETTINGS.items():
        library.mallopt(setting, kept)

    def put_back() -> None:
        for setting, (name, _) in SETTINGS.items():
            library.mallopt(setting, _of_environment(name))
        library.malloc_trim(0)

    return put_back


_kept = SharedFlag(_keep)


def _of_environment(name: str) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else DEFAULT


# --- Variants of a bot lived through the same sessions

Asked = tuple[int, tuple[str, ...], str]
"""One variant to be tried: its number, its values, its text."""
Span = tuple[date, date]
"""The first and the last day of some sessions."""
Passed = Callable[[int], None]
"""Is told that so many sessions more have passed, each of them counted once for each variant."""
CHECKED = 2_000
"""Of so many sessions by arrays one is lived through turn by turn as well: the first of each task, and so on."""


@dataclasses.dataclass
class _Lived:
    """One variant while its sessions pass. holding: trades of which it has shares.

    unsettled: positions that sessions which are apart have left open, each at its end. strained: sessions in which the
    account once had nothing free.
    """

    number: int
    point: tuple[str, ...]
    walk: BacktestSimulation
    is_apart: bool
    worth: Decimal
    since: date
    bot: ArrayBot | None = None
    by_turns: str = ""
    profits: list[Decimal] = field(default_factory=list)
    trades: dict[str, VariantTrade] = field(default_factory=dict)
    in_shares: set[str] = field(default_factory=set)
    alarms: Counter[str] = field(default_factory=Counter)
    holding: dict[str, Underlying] = field(default_factory=dict)
    by_arrays: int = 0
    unclear: Counter[str] = field(default_factory=Counter)
    strained: set[date] = field(default_factory=set)
    findings: dict[Finding, None] = field(default_factory=dict)
    unsettled: int = 0

    def part(self, since: date, sessions: Sequence[date]) -> PeriodResult:
        """Return what has come of it. sessions: those that it is to tell."""
        return PeriodResult(
            number=self.number,
            point=self.point,
            since=since,
            is_apart=self.is_apart,
            profits=tuple(self.profits),
            trades=tuple(self.trades.values()),
            longest=self._longest(),
            still_open=self.unsettled if self.is_apart else len(self._open()),
            in_shares=len(self.in_shares),
            alarms=tuple(self.alarms.items()),
            by_arrays=self.by_arrays,
            by_turns=self.by_turns,
            unclear=tuple(self.unclear.items()),
            strained=len(self.strained),
            sessions=tuple(map(date.isoformat, sessions)),
        )

    def _longest(self) -> int:
        """Return how many sessions its longest trade, or its shares, were held over; what is held, up to the last."""
        spans = {(trade.entered, trade.left) for trade in self.trades.values()}
        last = self.since - timedelta(days=1)
        spans |= {(position.session, last) for position in self._open()}
        return max((sessions_after(entered, left) for entered, left in spans), default=0)

    def _open(self) -> list[Position]:
        known = () if self.walk.state is None else self.walk.state.positions.by_id.values()
        return [each for each in known if each.state != "closed" and each.opened_at is not None]

    def pass_session(self, day: date, found: SessionResult | UndecidedByArrays | None, checks: Iterator[bool]) -> None:
        """Keep what came of one session by arrays, or live through it.

        found: None where none of its sessions goes by arrays. checks: whether the next by arrays is checked.

        Raises: InvariantError when turn by turn something else comes of a session.
        """
        if not isinstance(found, SessionResult):
            if found is not None:
                self.unclear[found.why] += 1
            self._turn_by_turn(day)
            return
        if next(checks):
            self._check(day, found)
        else:
            self.profits.append(found.change)
            if self.walk.cash <= found.tied:
                self.strained.add(day)
            if found.net is not None:
                self.trades[f"{day}"] = VariantTrade(found.net, day, day)
        self.by_arrays += 1

    def _check(self, day: date, found: SessionResult) -> None:
        before = len(self.trades)
        self._turn_by_turn(day)
        nets = [trade.net for trade in list(self.trades.values())[before:]]
        is_alike = self.profits[-1] == found.change and nets == [net for net in (found.net,) if net is not None]
        if not is_alike or (self.walk.cash <= found.tied) is not (day in self.strained):
            raise InvariantError(
                f"{day}, {', '.join(self.point)}: by arrays the account changes by {found.change}, turn by turn by "
                f"{self.profits[-1]}",
                "--every-turn does without arrays; please tell us of this",
            )

    def _turn_by_turn(self, day: date) -> None:
        walk = self.walk
        lived = run_session_alone(walk, day) if self.is_apart else walk.through(self.since, day)
        for done in lived:  # sessions without data before it, too, while something is held
            self._keep_trades(done)
            self.alarms.update(alarms_of(done.records))
            self.strained |= strained_days(done.records)
            self.findings |= dict.fromkeys(done.findings)
        self.since = day + timedelta(days=1)
        if walk.state is None or walk.broker is None:
            self.profits.append(ZERO)
            return
        before = walk.cash if self.is_apart else self.worth  # a session that is apart begins with the same account
        self.worth = walk.broker.worth(walk.marks)
        self.profits.append(self.worth - before)
        if self.is_apart:  # the next session begins without it
            self.unsettled += len(self._open())
        if self.bot is not None:
            self.walk = walk.anew()  # hundreds of variants must not each keep a session

    def _keep_trades(self, done: SimulatedDay) -> None:
        """Keep the trades that are over by the end of a session, and which ended in shares; the next forgets them.

        One for which the account has other shares than it began with is left no earlier than those are.
        """
        known = {} if self.walk.state is None else self.walk.state.positions.by_id
        for position in known.values():
            if position.state == "closed" and position.opened_at is not None and position.id not in self.trades:
                self.trades[position.id] = VariantTrade(position.net, position.session, done.date)
        for name in self.holding.keys() & self.trades.keys():
            self.trades[name] = self.trades[name]._replace(left=done.date)
        if delivered := {name for name, position in known.items() if position.is_in_shares} - self.in_shares:
            self.in_shares |= delivered
            self.holding |= {name: Underlying(known[name].legs[0].option.symbol) for name in delivered}
        if self.holding and self.walk.broker is not None:
            held, brought = self.walk.broker.holdings, self.walk.brought
            self.holding = {
                name: share
                for name, share in self.holding.items()
                if held.get(share, 0) != brought.get(share.symbol, 0)
            }


def evaluate(asked: Sequence[Asked], terms: VariantTerms) -> list[Variant]:
    """Return what came of these variants in all sessions. Raises: as `live_through`."""
    return [whole([each]) for each in run_variants(asked, terms, (terms.first, terms.last))]


@memory_kept()
@seldom_collected()
def run_variants(
    asked: Sequence[Asked], terms: VariantTerms, span: Span, passed: Passed = lambda sessions: None
) -> list[PeriodResult]:
    """Return what came of these variants in the sessions of a span.

    In a span that is not all of the sessions a variant whose sessions are not apart is not lived through.
    passed: is told of the sessions of all others, also of those that cannot be run.

    Raises: StoreError, InvariantError when arrays and turns differ in a session that is checked.
    """
    first, last = span
    origin = terms.opens()
    source = SharedSource(origin)
    checks = cycle([True, *[False] * (CHECKED - 1)])
    begun = _begun(asked, terms, span, source)
    lived, found = begun.lived, begun.not_lived
    if first == terms.first:
        source.findings |= dict.fromkeys(gaps_of(begun.bots, origin, terms.first, terms.last))
    by_arrays = {each.number: each.bot for each in lived if each.bot is not None}
    groups = Groups(by_arrays)
    count = len(lived) + sum(bool(each.problem) for each in found.values())
    days: list[date] = []
    for day in source.dates(first, last):
        if lived and source.can_read(day):
            days.append(day)
            known = _by_arrays(groups, by_arrays, source, day, terms) if by_arrays else {}
            for each in lived:
                each.pass_session(day, known.get(each.number), checks)
        passed(count)
    found |= {each.number: each.part(first, () if place else days) for place, each in enumerate(lived)}
    every = [found[number] for number, _, _ in asked]
    findings = dict(source.findings)
    for each in lived:
        findings |= each.findings
    return [dataclasses.replace(each, findings=tuple(findings)) for each in every[:1]] + every[1:]


class _Begun(NamedTuple):
    """The variants of a call: those that are lived through, what is told of the others, and the bots of all."""

    lived: list[_Lived]
    not_lived: dict[int, PeriodResult]
    bots: list[CompiledBot]


def _begun(asked: Sequence[Asked], terms: VariantTerms, span: Span, source: SharedSource) -> _Begun:
    """Return the variants with a walk each; those that cannot be run, and those that need more sessions, have none."""
    first, numbers, compiling = span[0], Numbers(), Compiling(terms)
    begun = _Begun([], {}, [])
    for number, point, text in asked:
        try:
            program = compiling.program(text)
        except MisuseError as error:
            begun.not_lived[number] = PeriodResult(number=number, point=point, since=first, problem=error.message)
            continue
        begun.bots.extend(program.bots.values())
        is_apart = is_independent(program, terms.shares)
        if not is_apart and span != (terms.first, terms.last):
            begun.not_lived[number] = PeriodResult(number=number, point=point, since=first, is_apart=False)
            continue
        walk = BacktestSimulation(program, source, terms.calendar, terms.fills, terms.cash, brought=dict(terms.shares))
        by_turns = "" if terms.every_turn else unsuited(program, terms.fills, terms.shares, terms.cash)
        bot = None if terms.every_turn or by_turns else ArrayBot(program, numbers)
        begun.lived.append(_Lived(number, point, walk, is_apart, terms.cash, first, bot, by_turns))
    return begun


def _by_arrays(
    groups: Groups, bots: Iterable[int], source: Source, day: date, terms: VariantTerms
) -> Mapping[int, SessionResult | UndecidedByArrays]:
    """Return what comes of these variants in a session by arrays, or why nobody can say it so."""
    shared = _shared(source, day, terms)
    return dict.fromkeys(bots, shared) if isinstance(shared, UndecidedByArrays) else groups.live(shared)


def _shared(source: Source, day: date, terms: VariantTerms) -> ArraySession | UndecidedByArrays:
    """Return a session for variants that are lived through by arrays, or why its data does not allow it."""
    session = session_on(day)
    if session is None:
        return UndecidedByArrays("it is no session of the exchange")
    found = ArrayDay(source.day(day), session, source, terms.calendar)
    return UndecidedByArrays(found.problem) if found.problem else ArraySession(found, terms.fills)

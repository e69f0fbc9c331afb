"""Variants of a bot run on the same sessions: each session is read once for all, each variant has its account."""

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
from rulebot.model.collector import with_rare_collection
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
"""Bytes of both by default. Source: mallopt(3)."""


@contextmanager
def memory_kept() -> Iterator[None]:
    """Keep freed memory in the process meanwhile: for arrays that are made and freed over and over.

    Otherwise, as workers of dask request, each array costs the system's work of making its pages again. With several at
    once (threads), the last to end restores the settings and frees memory.
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


# --- Variants of a bot run on the same sessions

Asked = tuple[int, tuple[str, ...], str]
"""One variant to be tried: its number, its values, its text."""
Span = tuple[date, date]
"""The first and the last day of some sessions."""
Passed = Callable[[int], None]
"""Callback: this many more sessions have passed, each counted once for each variant."""
CHECKED = 2_000
"""One of this many array sessions is also run turn by turn as a check: the first of each task, and so on."""


@dataclasses.dataclass
class _SimulatedPeriod:
    """One variant while its sessions pass. holding: trades whose shares it holds.

    unsettled: positions left open by separate sessions, each at its end. strained: sessions in which the account once
    had nothing free.
    """

    number: int
    point: tuple[str, ...]
    walk: BacktestSimulation
    is_separate: bool
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
        """Return its results. sessions: those that it reports."""
        return PeriodResult(
            number=self.number,
            point=self.point,
            since=since,
            is_separate=self.is_separate,
            profits=tuple(self.profits),
            trades=tuple(self.trades.values()),
            longest=self._longest(),
            still_open=self.unsettled if self.is_separate else len(self._open()),
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
        """Keep the result of one session by arrays, or run it.

        found: None where none of its sessions can use arrays. checks: whether the next by arrays is checked.

        Raises: InvariantError when turn by turn gives another result.
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
                "--every-turn does without arrays; please report this",
            )

    def _turn_by_turn(self, day: date) -> None:
        walk = self.walk
        simulated = run_session_alone(walk, day) if self.is_separate else walk.through(self.since, day)
        for done in simulated:  # sessions without data before it, too, while something is held
            self._keep_trades(done)
            self.alarms.update(alarms_of(done.records))
            self.strained |= strained_days(done.records)
            self.findings |= dict.fromkeys(done.findings)
        self.since = day + timedelta(days=1)
        if walk.state is None or walk.broker is None:
            self.profits.append(ZERO)
            return
        before = walk.cash if self.is_separate else self.worth  # each separate session begins with the same account
        self.worth = walk.broker.worth(walk.marks)
        self.profits.append(self.worth - before)
        if self.is_separate:  # the next session begins without it
            self.unsettled += len(self._open())
        if self.bot is not None:
            self.walk = walk.restarted()  # hundreds of variants must not each keep a session

    def _keep_trades(self, done: SimulatedDay) -> None:
        """Keep the trades that ended by the end of a session, and which ended in shares; the next forgets them.

        A trade with shares ends no earlier than the account's share count returns.
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
@with_rare_collection()
def run_variants(
    asked: Sequence[Asked], terms: VariantTerms, span: Span, passed: Passed = lambda sessions: None
) -> list[PeriodResult]:
    """Return the results of these variants in the sessions of a span.

    In a part of the sessions, a variant whose sessions are not separate is not run. passed: gets the sessions of all
    others, also of those that cannot run.

    Raises: StoreError, InvariantError when arrays and turns differ in a checked session.
    """
    first, last = span
    origin = terms.opens()
    source = SharedSource(origin)
    checks = cycle([True, *[False] * (CHECKED - 1)])
    started = _started(asked, terms, span, source)
    simulated, found = started.simulated, started.not_simulated
    if first == terms.first:
        source.findings |= dict.fromkeys(gaps_of(started.bots, origin, terms.first, terms.last))
    by_arrays = {each.number: each.bot for each in simulated if each.bot is not None}
    groups = Groups(by_arrays)
    count = len(simulated) + sum(bool(each.problem) for each in found.values())
    days: list[date] = []
    for day in source.dates(first, last):
        if simulated and source.can_read(day):
            days.append(day)
            known = _by_arrays(groups, by_arrays, source, day, terms) if by_arrays else {}
            for each in simulated:
                each.pass_session(day, known.get(each.number), checks)
        passed(count)
    found |= {each.number: each.part(first, () if place else days) for place, each in enumerate(simulated)}
    every = [found[number] for number, _, _ in asked]
    findings = dict(source.findings)
    for each in simulated:
        findings |= each.findings
    return [dataclasses.replace(each, findings=tuple(findings)) for each in every[:1]] + every[1:]


class _Started(NamedTuple):
    """The variants of a call: those that run, the results of the others, and the bots of all."""

    simulated: list[_SimulatedPeriod]
    not_simulated: dict[int, PeriodResult]
    bots: list[CompiledBot]


def _started(asked: Sequence[Asked], terms: VariantTerms, span: Span, source: SharedSource) -> _Started:
    """Return the variants with a walk each; those that cannot be run, and those that need more sessions, have none."""
    first, numbers, compiling = span[0], Numbers(), Compiling(terms)
    started = _Started([], {}, [])
    for number, point, text in asked:
        try:
            program = compiling.program(text)
        except MisuseError as error:
            started.not_simulated[number] = PeriodResult(number=number, point=point, since=first, problem=error.message)
            continue
        started.bots.extend(program.bots.values())
        is_separate = is_independent(program, terms.shares)
        if not is_separate and span != (terms.first, terms.last):
            started.not_simulated[number] = PeriodResult(number=number, point=point, since=first, is_separate=False)
            continue
        walk = BacktestSimulation(program, source, terms.calendar, terms.fills, terms.cash, brought=dict(terms.shares))
        by_turns = "" if terms.every_turn else unsuited(program, terms.fills, terms.shares, terms.cash)
        bot = None if terms.every_turn or by_turns else ArrayBot(program, numbers)
        started.simulated.append(_SimulatedPeriod(number, point, walk, is_separate, terms.cash, first, bot, by_turns))
    return started


def _by_arrays(
    groups: Groups, bots: Iterable[int], source: Source, day: date, terms: VariantTerms
) -> Mapping[int, SessionResult | UndecidedByArrays]:
    """Return these variants' results in a session by arrays, or why that is not possible."""
    shared = _shared(source, day, terms)
    return dict.fromkeys(bots, shared) if isinstance(shared, UndecidedByArrays) else groups.live(shared)


def _shared(source: Source, day: date, terms: VariantTerms) -> ArraySession | UndecidedByArrays:
    """Return a session for variants that use arrays, or why its data does not allow it."""
    session = session_on(day)
    if session is None:
        return UndecidedByArrays("it is no session of the exchange")
    found = ArrayDay(source.day(day), session, source, terms.calendar)
    return UndecidedByArrays(found.problem) if found.problem else ArraySession(found, terms.fills)

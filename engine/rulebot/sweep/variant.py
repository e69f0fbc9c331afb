"""What came of one variant of a bot, summed over its sessions, and how much to believe of the best of many."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import date
from decimal import Decimal
from itertools import chain
from math import e, sqrt
from statistics import NormalDist, fmean, pstdev, stdev
from typing import Any, NamedTuple, TypeVar

from rulebot.adapters.history.session import Finding, Source
from rulebot.backtest.caveats import SHOWN, most_often
from rulebot.backtest.fill_model import FillModel
from rulebot.backtest.look_ahead import is_independent
from rulebot.backtest.results import MARGIN_TOOK_ALL, NOT_CARRIED
from rulebot.compile.build import build_plan
from rulebot.compile.plan import Plan
from rulebot.core.program import AccountLimits, Program, compile_bot
from rulebot.model.errors import MisuseError
from rulebot.model.facts import EventCalendar
from rulebot.model.money import ZERO, cents
from rulebot.model.performance import SESSIONS_IN_A_YEAR, drawdown, expectancy, sharpe, win_rate
from rulebot.model.text import counted
from rulebot.model.values import ValuePool, dataclass
from rulebot.spec.diagnostic import render
from rulebot.spec.fast_schema import ReloadCache
from rulebot.spec.load import load
from rulebot.spec.nouns import Condition
from rulebot.sweep.vectorized.eligibility import unsuited

# --- How much to believe of the best of many

EULER = 0.5772156649015329
LEAST = 20
"""Sessions below which no ratio is given."""
FEWEST = 30
"""Closed trades, and sessions with a result, below which no deflated ratio is given.

The usual rule of thumb for nearly normal means.
"""


def ratio(profits: Sequence[float]) -> float | None:
    """Return the Sharpe ratio per session, not per year; None for too few or for all equal."""
    if len(profits) < LEAST or len({*profits}) == 1:
        return None
    return fmean(profits) / stdev(profits)


def expected_best(ratios: Sequence[float]) -> float:
    """Return the expected best ratio of this many variants without any skill."""
    count = len(ratios)
    if count < 2:
        return 0.0
    normal = NormalDist().inv_cdf
    spread = (1.0 - EULER) * normal(1.0 - 1.0 / count) + EULER * normal(1.0 - 1.0 / (count * e))
    return stdev(ratios) * spread


def expected_best_of(every: Iterable[Sequence[float]]) -> float:
    """Return `expected_best` of variants with these profits; those without a ratio are excluded."""
    return expected_best([each for each in map(ratio, every) if each is not None])


def deflated(profits: Sequence[float], by_chance: float) -> float | None:
    """Return the deflated Sharpe ratio of one variant, a probability. by_chance: `expected_best` of all of them."""
    found = ratio(profits)
    if found is None:
        return None
    mean, deviation = fmean(profits), pstdev(profits)
    third = fmean(((each - mean) / deviation) ** 3 for each in profits)
    fourth = fmean(((each - mean) / deviation) ** 4 for each in profits)
    variance = 1.0 - third * found + (fourth - 1.0) / 4.0 * found * found
    if variance <= 0.0:
        return None
    return NormalDist().cdf((found - by_chance) * sqrt(len(profits) - 1) / sqrt(variance))


def is_few(profits: Sequence[float], trades: int) -> bool:
    """Say whether trades, or sessions with a result, are too few for a deflated ratio."""
    return min(trades, sum(each != 0.0 for each in profits)) < FEWEST


def merit(profits: Sequence[float], trades: int, by_chance: float) -> float | None:
    """Return the deflated Sharpe ratio of a variant, None for one with too few trades."""
    return None if is_few(profits, trades) else deflated(profits, by_chance)


# ---------------------------------------------------------------- walking forward


@dataclass(frozen=True, slots=True)
class PeriodSpan:
    """Places of sessions: chosen in [begin, end), tried in [first, last)."""

    begin: int
    end: int
    first: int
    last: int

    def words(self, days: Sequence[str]) -> tuple[str, str]:
        """Return from when to when was chosen and tried; by the numbers of sessions, from 1, where days are unknown."""
        named = days or [str(number) for number in range(1, self.last + 1)]
        return f"{named[self.begin]} to {named[self.end - 1]}", f"{named[self.first]} to {named[self.last - 1]}"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a walk: the variant that was chosen, its ratio of a year then, and what it made thereafter.

    variant, chosen_for: None where none had a ratio to be chosen by; then nothing is tried.
    """

    stretch: PeriodSpan
    variant: int | None
    chosen_for: float | None
    made: float

    def words(self, points: Mapping[int, tuple[str, ...]]) -> str:
        """Return what was chosen."""
        return "none: no trades" if self.variant is None else ", ".join(points[self.variant])


@dataclass(frozen=True, slots=True)
class Forward:
    """A walk: its steps, and what the sessions of the tried stretches made in a row, the first of them at `first`."""

    steps: tuple[Step, ...]
    profits: tuple[float, ...]
    first: int

    @property
    def sharpe(self) -> float | None:
        """Return the ratio of a year of what was tried."""
        found = ratio(self.profits)
        return None if found is None else found * sqrt(SESSIONS_IN_A_YEAR)


def stretches(count: int, chosen: int, tried: int, purged: int) -> list[PeriodSpan]:
    """Return the stretches of this many sessions. Raises: MisuseError when not one fits."""
    found, begin = [], 0
    while begin + chosen + purged + tried <= count:
        first = begin + chosen + purged
        found.append(PeriodSpan(begin, begin + chosen, first, first + tried))
        begin += tried
    if not found:
        raise MisuseError(
            f"{count} sessions hold no stretch of {chosen}, {purged} left out and {tried}", "take shorter ones"
        )
    return found


def walk_forward(profits: Mapping[int, Sequence[float]], parts: Sequence[PeriodSpan]) -> Forward:
    """Return what came of taking the best of each stretch in the next; of equal ones the first."""
    steps, made = [], list[float]()
    for part in parts:
        ratios = {key: ratio(each[part.begin : part.end]) for key, each in profits.items()}
        known = {key: each for key, each in ratios.items() if each is not None}
        if not known:
            steps.append(Step(part, None, None, 0.0))
            made += [0.0] * (part.last - part.first)
            continue
        best = max(known, key=lambda key: known[key])
        after = profits[best][part.first : part.last]
        steps.append(Step(part, best, known[best] * sqrt(SESSIONS_IN_A_YEAR), sum(after)))
        made += after
    return Forward(tuple(steps), tuple(made), parts[0].first)


# --- What came of one variant of a bot, and its parts

T = TypeVar("T")
FALLING = ("max_drawdown",)
"""Figures of which less is better."""
CELLS = 2500
"""Cells up to which a page draws a map."""


class VariantTrade(NamedTuple):
    """A closed trade: dollars after commissions, the sessions in which it was entered and left."""

    net: Decimal
    entered: date
    left: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodResult:
    """A variant's result in consecutive sessions, the first of them requested at `since`.

    profits: the account's change by session. longest: sessions that its longest position, or its shares, were held,
    including an open one. still_open: open positions at the end. is_apart: false where its sessions are not separate:
    then it was not run, unless all sessions were requested. in_shares, alarms, by_turns, unclear, strained, sessions,
    findings: see `Variant`.
    """

    number: int
    point: tuple[str, ...]
    since: date
    problem: str = ""
    is_separate: bool = True
    profits: tuple[Decimal, ...] = ()
    trades: tuple[VariantTrade, ...] = ()
    longest: int = 0
    still_open: int = 0
    in_shares: int = 0
    alarms: tuple[tuple[str, int], ...] = ()
    by_arrays: int = 0
    by_turns: str = ""
    unclear: tuple[tuple[str, int], ...] = ()
    strained: int = 0
    sessions: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __getstate__(self) -> object:
        """Return what is pickled: a row of numbers as one text, in a fifth of the time that they take one by one."""
        reported = {name: getattr(self, name) for name in self.__dataclass_fields__}
        nets, entered, left = zip(*self.trades, strict=True) if self.trades else ((), (), ())
        return {**reported, "profits": _text_of(self.profits), "trades": (_text_of(nets), _days(entered), _days(left))}

    def __setstate__(self, reported: dict[str, Any]) -> None:
        """Become what was pickled."""
        nets, entered, left = reported["trades"]
        days = (map(date.fromordinal, each) for each in (entered, left))
        rows = {"profits": _read(reported["profits"]), "trades": tuple(map(VariantTrade, _read(nets), *days))}
        for name, value in (reported | rows).items():
            object.__setattr__(self, name, value)


def _text_of(row: Iterable[Decimal]) -> str:
    return " ".join(map(str, row))


def _read(text: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, text.split()))


def _days(row: Iterable[date]) -> tuple[int, ...]:
    return tuple(map(date.toordinal, row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The result of one variant: the account's change by session in dollars, and its closed trades' sums.

    problem: why it could not run; then nothing else is given. longest: sessions that its longest trade, or its shares,
    were held, including an open one. still_open: open positions at the end, which count in `profits` by their mids and
    in no sum of trades. in_shares: trades that ended in shares, which count in both at the settlement price; later
    changes are in `profits` only. alarms: kinds and counts. by_arrays: sessions run by arrays, not turn by turn.
    strained: sessions in which margin took the whole account. by_turns: why none of them can use arrays; unclear: why
    others did not, and how many sessions for each reason. sessions: their days, and findings: faults of the data, as
    the first variant of a task reports them for all, which read the same.
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
    still_open: int = 0
    in_shares: int = 0
    alarms: tuple[tuple[str, int], ...] = ()
    strained: int = 0
    by_arrays: int = field(default=0, compare=False)
    by_turns: str = field(default="", compare=False)
    unclear: tuple[tuple[str, int], ...] = field(default=(), compare=False)
    sessions: tuple[str, ...] = field(default=(), compare=False)
    findings: tuple[Finding, ...] = field(default=(), compare=False)

    def figure(self, name: str) -> float | None:
        """Return a figure by which variants are compared, None without a closed trade: doing nothing is no success.

        The Sharpe ratio is of the account, which includes open positions.
        """
        value: float | None = getattr(self, name)
        return value if self.trades or name == "sharpe" else None


def whole(parts: Sequence[PeriodResult]) -> Variant:
    """Return what came of a variant in all of its parts, which follow each other."""
    first, findings = parts[0], tuple(dict.fromkeys(_all(parts, lambda each: each.findings)))
    if first.problem:
        return Variant(number=first.number, point=first.point, problem=first.problem, findings=findings)
    profits = _all(parts, lambda each: each.profits)
    made = [trade.net for trade in _all(parts, lambda each: each.trades)]
    rate, mean = win_rate(made), expectancy(made)
    return Variant(
        number=first.number,
        point=first.point,
        profits=tuple(map(float, profits)),
        trades=len(made),
        wins=sum(each > 0 for each in made),
        net=float(sum(made, ZERO)),
        expectancy=None if mean is None else float(cents(mean)),
        win_rate=None if rate is None else round(float(rate), 6),
        max_drawdown=float(drawdown(profits)),
        sharpe=sharpe(profits),
        longest=max(each.longest for each in parts),
        still_open=sum(each.still_open for each in parts) if first.is_separate else parts[-1].still_open,
        in_shares=sum(each.in_shares for each in parts),
        alarms=tuple(_sums(each.alarms for each in parts).items()),
        strained=sum(each.strained for each in parts),
        by_arrays=sum(each.by_arrays for each in parts),
        by_turns=first.by_turns,
        unclear=tuple(_sums(each.unclear for each in parts).items()),
        sessions=_all(parts, lambda each: each.sessions),
        findings=findings,
    )


def _all(parts: Iterable[PeriodResult], of: Callable[[PeriodResult], Iterable[T]]) -> tuple[T, ...]:
    return tuple(chain.from_iterable(map(of, parts)))


def in_map(value: float | None) -> str:
    """Return a figure as a map shows it, a mean of dollars too: with two digits where it is below a hundred."""
    if value is None:
        return "-"
    return f"{round(value, 2) + 0.0:.2f}" if abs(value) < 100.0 else f"{value:,.0f}"


def map_words(cells: Collection[str]) -> str:
    """Return what cells of a map without a figure mean, "" where each has one."""
    reported = (
        ("-", "'-' was tried and has no figure, as where no trade has closed"),
        ("", "an empty cell was not tried, or could not be run"),
    )
    return "; ".join(words for cell, words in reported if cell in cells)


def sessions_of(found: Iterable[Variant]) -> tuple[str, ...]:
    """Return the days of the variants' sessions, in ISO format."""
    return tuple(sorted({day for each in found for day in each.sessions}))


def apart_lines(found: Sequence[Variant]) -> Iterator[str]:
    """Yield how many variants have what no net includes, and where it counts: open positions and held shares.

    That none of them ever traded is reported too.
    """
    every = counted(len(found), "variant")
    if holding := sum(each.still_open > 0 for each in found):
        words = f"{holding} of {every} {'holds' if holding == 1 else 'hold'} positions at the end"
        yield f"{words}: by their mids in drawdown and Sharpe, and in no net"
    if having := sum(each.in_shares > 0 for each in found):
        words = f"{having} of {every} {'has' if having == 1 else 'have'} trades that ended in shares"
        yield f"{words}: what the shares made after the settlement is in drawdown and Sharpe, and in no net"
    if found and found[0].profits and not any(each.trades or each.still_open or each.in_shares for each in found):
        yield "none of them ever traded: 'rulebot backtest' on these sessions says what kept the bot out"


def strained_lines(found: Sequence[Variant]) -> Iterator[str]:
    """Yield how many variants the account could not carry in some of their sessions, as `strained` of each has it."""
    if strained := sum(each.strained > 0 for each in found):
        every = counted(len(found), "variant")
        words = f"{strained} of {every} {'has' if strained == 1 else 'have'} sessions that are strained"
        yield f"{words}: {MARGIN_TOOK_ALL}, and {NOT_CARRIED}"


def few_lines(found: Sequence[Variant]) -> Iterator[str]:
    """Yield how many variants have too few trades for a deflated ratio, though they have a ratio."""
    few = sum(each.sharpe is not None and is_few(each.profits, each.trades) for each in found)
    if few:
        words = f"{few} of {counted(len(found), 'variant')} closed fewer than {FEWEST} trades"
        more = f"or made or lost something in fewer than {FEWEST} sessions"
        yield f"{words}, {more}: too few for a deflated ratio, and for much else"


def alarm_lines(found: Sequence[Variant]) -> Iterator[str]:
    """Yield what variants were alarmed by, and how many of them each: their numbers may be wrong."""
    alarmed = Counter(text for each in found for text, _ in each.alarms)
    if not alarmed:
        return
    yield f"alarms in {sum(bool(each.alarms) for each in found)} of {counted(len(found), 'variant')}:"
    reported = most_often(alarmed)
    yield from (f"  {counted(number, 'variant')}: {text}" for text, number in reported[:SHOWN])
    if len(reported) > SHOWN:
        yield f"  and {counted(len(reported) - SHOWN, 'other kind')}, in --format json"


def not_run_lines(found: Iterable[Variant]) -> Iterator[str]:
    """Yield why variants could not be run, each reason once: of the first of them, and how many others there are."""
    problems: dict[str, list[Variant]] = {}
    for each in found:
        if each.problem:
            problems.setdefault(each.problem.split("\n")[0], []).append(each)
    for words, (first, *alike) in problems.items():
        more = f" and {counted(len(alike), 'other')}" if alike else ""
        yield f"not run, as {', '.join(first.point)}{more}: {words}"


def turned(found: Iterable[Variant]) -> Mapping[str, int]:
    """Return why sessions went turn by turn where arrays were asked for, and how many did, the most frequent first."""
    sums = _sums(((each.by_turns, len(each.profits)),) if each.by_turns else each.unclear for each in found)
    return dict(sums.most_common())


def _sums(parts: Iterable[Iterable[tuple[str, int]]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for part in parts:
        found.update(dict(part))
    return found


# --- The variants of a sweep from their texts to programs, each made of what it has in common with those before it

INSTALL = "sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantTerms:
    """What is the same for all variants. opens: opens the source in each process.

    limits, require: those of the account document. shares: of each symbol in each account at the start, paid for out of
    `cash`. every_turn: no session uses arrays.
    """

    opens: Callable[[], Source]
    first: date
    last: date
    fills: FillModel
    cash: Decimal
    lines: int
    file: str
    calendar: EventCalendar
    limits: AccountLimits = field(default_factory=AccountLimits)
    require: tuple[Condition, ...] = ()
    shares: tuple[tuple[str, int], ...] = ()
    every_turn: bool = False


class Compiling:
    """Compiles variants, each with what it has in common with those before it."""

    def __init__(self, terms: VariantTerms) -> None:
        self._terms, self._texts, self._pool = terms, ReloadCache(terms.file), ValuePool()

    def program(self, text: str) -> Program:
        """Return the program of one variant's text. Raises: MisuseError with its first problem."""
        bot = compile_bot(self._plan(text), self._pool)
        terms = self._terms
        return Program(
            bots={bot.plan.name: bot},
            pinned={},
            limits=terms.limits,
            install=INSTALL,
            line_limit=terms.lines,
            require=terms.require,
        )

    def _plan(self, text: str) -> Plan:
        loaded = load(self._texts.read(text), digested=False)
        if loaded.spec is None:
            raise MisuseError(render(next(each for each in loaded.diagnostics if each.is_error)))
        plan, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
        if plan is None:
            raise MisuseError(render(next(each for each in problems if each.is_error)))
        return plan


def program_of(text: str, terms: VariantTerms) -> Program:
    """Return the program of one variant's text. Raises: MisuseError with its first problem."""
    return Compiling(terms).program(text)


def reads_events(text: str, terms: VariantTerms) -> bool:
    """Say whether a text asks for events of calendars. Raises: MisuseError with its first problem."""
    return any(bot.plan.needs.events for bot in program_of(text, terms).bots.values())


class EvaluationWay(NamedTuple):
    """How a variant's sessions run: by arrays where they are plain, and separately."""

    by_arrays: bool
    is_separate: bool


def way_of(text: str, terms: VariantTerms) -> EvaluationWay:
    """Return how the sessions of a variant's spec run."""
    try:
        program = program_of(text, terms)
    except MisuseError:
        return EvaluationWay(by_arrays=False, is_separate=False)
    by_arrays = not terms.every_turn and not unsuited(program, terms.fills, terms.shares, terms.cash)
    return EvaluationWay(by_arrays, is_independent(program, terms.shares))

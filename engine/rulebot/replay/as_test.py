"""A recorded day as a test document: written, tried, and what the modelled market does not lead to set apart."""

import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from time import perf_counter
from typing import NamedTuple

from rulebot.adapters.recorded.recording import Recording
from rulebot.compile.plan import Plan
from rulebot.documents.load_bots import SpecText, compile_text
from rulebot.model.errors import MisuseError, RulebotError
from rulebot.model.session import Session, session_on
from rulebot.model.text import clock, counted, minute, short_clock
from rulebot.model.values import dataclass
from rulebot.narrate.happenings import EventLine, event_lines
from rulebot.record.codec import utc_time
from rulebot.record.record import Kind, Record
from rulebot.replay.as_test_market import MINUTE, MarketSeen, Watch, markets
from rulebot.replay.replay import Replayed, replay
from rulebot.spec.spec_test_nouns import Smile
from rulebot.spec_tests.day import SimulatedTest
from rulebot.spec_tests.outcome import Outcome, OutcomeEvent, OutcomeKind, misses, read_spec_tests, run_spec_test

# --- A recorded day as a test

AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedMoment:
    """A recorded session of one bot. orders: when it sent any; state: what it was in when the moment's minute ended.

    markets: what a test may say of its market, each made when it is asked for, that which should come nearest first.
    truths: what its entry conditions said at the moment, those that were known while it watched.
    """

    session: Session
    at: datetime
    markets: tuple[Callable[[], MarketSeen], ...]
    outcome: Outcome
    orders: tuple[datetime, ...]
    state: str
    truths: Mapping[str, bool]
    notes: tuple[str, ...]

    @property
    def happenings(self) -> tuple[OutcomeEvent, ...]:
        """What a test can expect of the bot, in order."""
        return self.outcome.happenings


def seen_day(recording: Recording, text: SpecText, at: datetime, others: Sequence[datetime] = ()) -> RecordedMoment:
    """Return what a bot saw and did on the last day of a recording; `text` is the one that it had at the moment.

    others: when other texts of it began to govern it. Raises: MisuseError, StoreError, CodecError.
    """
    session = session_on(recording.day)
    if session is None or not session.is_on(at):
        asked = short_clock(at)
        raise MisuseError(f"a test takes a moment of a session, and {asked} of {recording.day} is outside of it")
    minutes = [session.open + MINUTE * number for number in range(int((session.close - session.open) / MINUTE) + 1)]
    name, plan = text.name, _plan_of(text)
    symbols = tuple(dict.fromkeys((*plan.needs.symbols, *plan.needs.indices)))
    watch = Watch(name, at, symbols)
    found = replay(recording, until=session.close + AFTER, marks=deque(minutes), glimpse=watch.see, watcher=watch.act)
    if not watch.board:
        raise MisuseError(
            f"nothing is recorded of {recording.day} at that time", "'rulebot replay --list' shows what is"
        )
    records = tuple(each for each in found.records if each.bot == name and each.at >= session.open - timedelta(hours=1))
    simulated = SimulatedTest(session, session.open, session.close, records, (), (), found.state, None, ())
    outcome = Outcome(simulated)
    orders = tuple(each.at for each in records if each.is_leaving)
    return RecordedMoment(
        session=session,
        at=at,
        markets=tuple(markets(found, watch, plan, session)),
        outcome=outcome,
        orders=orders,
        state=watch.state_after(found),
        truths=watch.truths,
        notes=(*_of_the_day(recording, session, others), *_notes(found, watch, plan, session)),
    )


def _plan_of(text: SpecText) -> Plan:
    plan = compile_text(text).plan
    if plan.members:
        raise MisuseError(
            f"{text.name} chooses among the symbols of a universe",
            "such a bot's day is too wide for one test: write it by hand",
        )
    return plan


# ---------------------------------------------------------------- what is not carried over


def _of_the_day(recording: Recording, session: Session, others: Sequence[datetime]) -> Iterator[str]:
    began = utc_time(recording.head["at"])
    if began > session.open:
        yield f"the recording begins at {clock(began)}: what the bot saw and did before is not in the test"
    for since in others:
        yield f"another text of the bot ran from {clock(since)} on: the test uses the one in force at that time"


def _notes(found: Replayed, watch: Watch, plan: Plan, session: Session) -> Iterator[str]:
    yield "levels are those of each full minute, or of when the bot acted within it: a high or low between is not there"
    if any(levels and levels[0] != levels[0] for levels in watch.levels.values()):
        yield "a level that was unknown at the open starts where it was first known"
    if plan.needs.realised:
        yield "realised volatility is scaled to keep its ratio to the volatility of options"
    if plan.needs.bars:
        yield "bars of earlier days and within the day are those of a test, not those of that day"
    if plan.needs.events:
        yield "event dates are those that came with this version of rulebot"
    if plan.needs.bots:
        yield "other bots do not run in a test"
    if plan.overwrite is not None:
        yield "shares that the account held are not there: add 'account: {shares: ...}'"
    earlier = [
        each for each in found.state.positions.by_id.values() if each.bot == watch.bot and each.session != session.date
    ]
    if earlier:
        yield f"what was open from earlier sessions is not in the test: {counted(len(earlier), 'position')}"
    if found.difference is not None:
        yield "this version of rulebot decides otherwise than the recording does; what follows that is not in the test"


# --- Levels of each minute as a test writes them, `6041.90 +0.35x1 -0.2x3 unknown x2`: short enough to be read back

MOST = 1900
"""Characters of a text at most: a document may have 2,000."""
MOST_MINUTES = 60
"""Minutes of one stretch at most."""


class SeriesText(NamedTuple):
    """A series as text. apart: how far a level of it may lie from the one that was meant."""

    text: str
    apart: float


def series_text(levels: Sequence[float], exact: Collection[int], places: int = 2) -> SeriesText:
    """Return the series; `exact` are minutes that are to be so as they are. A hole is nan."""
    known = next((each for each in levels if each == each), None)
    if known is None:
        return SeriesText("unknown", 0.0)
    unit = 10**places
    whole = [None if each != each else round(each * unit) for each in levels]
    whole[0] = round(known * unit) if whole[0] is None else whole[0]
    apart = 0
    while len(text := _text(whole, frozenset(exact), apart, unit, places)) > MOST and apart < 1 << 30:
        apart = max(1, apart * 2)
    return SeriesText(text, apart / unit)


def _text(levels: Sequence[int | None], exact: Collection[int], apart: int, unit: int, places: int) -> str:
    """Return the series with levels so far apart at most, all in whole units."""
    at = levels[0] or 0
    steps: list[int | None] = []
    minute = 0
    while (minute := len(steps)) < len(levels) - 1:
        if levels[minute + 1] is None:
            steps.append(None)
            continue
        count, drift = _stretch(levels, minute, at, exact, apart)
        steps += [drift] * count
        at += drift * count
    words = [_series_number(levels[0] or 0, unit, places)]
    for step, group in groupby(steps):
        many = len(list(group))
        sign = "-" if step is not None and step < 0 else "+"
        words.append(f"unknown x{many}" if step is None else f"{sign}{_series_number(abs(step), unit, places)}x{many}")
    return " ".join(words)


def _stretch(levels: Sequence[int | None], minute: int, at: int, exact: Collection[int], apart: int) -> tuple[int, int]:
    """Return the longest stretch from a minute on: how many minutes, and its drift."""
    first = levels[minute + 1]
    assert first is not None
    found = (1, first - at)
    for count in range(2, MOST_MINUTES + 1):
        end = levels[minute + count] if minute + count < len(levels) else None
        if end is None:
            break
        drift = round((end - at) / count)
        for ahead in range(1, count + 1):
            wanted = levels[minute + ahead]
            allowed = 0 if minute + ahead in exact else apart
            if wanted is None or abs(at + drift * ahead - wanted) > allowed:
                break
        else:
            found = (count, drift)
            continue
        if count > found[0] + 3:
            break
    return found


def _series_number(units: int, unit: int, places: int) -> str:
    text = f"{units / unit:.{places}f}"
    return text.rstrip("0").rstrip(".")


# --- A recorded day as a test document

MOST_EXPECTED = 20
SLACK = timedelta(minutes=5)
"""How much later than then something may come in the modelled market, when it does not come in the same minute."""
NEAR = 5
"""Minutes around the moment whose levels are those of then."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One line of `expect`. later: the same with more time; is_moment: it is of the requested moment."""

    text: str
    later: str = ""
    is_moment: bool = False
    missed: str = ""


@dataclass(frozen=True, slots=True)
class WrittenTest:
    """A test document. missed: what of the moment its market does not lead to, in words; notes: what it lacks."""

    text: str
    missed: tuple[str, ...]
    notes: tuple[str, ...]


def written(seen: RecordedMoment, spec: SpecText, path: str) -> WrittenTest:
    """Return the document; `path` is where it will find its spec. Raises: RulebotError when it cannot run at all.

    Of its possible markets it takes the one that leads to most of the bot's acts, the moment first.
    """
    found: list[tuple[tuple[int, int], MarketSeen, list[Expected]]] = []
    for makes in seen.markets:
        market = makes()
        lines = _simulated(seen, market, spec)
        missed = [each for each in lines if each.missed]
        found.append(((sum(each.is_moment for each in missed), len(missed)), market, lines))
        if not missed:
            break
    _, market, lines = min(found, key=lambda each: each[0])
    reported = tuple(f"{each.text}: {each.missed}" for each in lines if each.missed and each.is_moment)
    return WrittenTest(_document(seen, market, spec, path, lines), reported, (market.note, *seen.notes))


def _simulated(seen: RecordedMoment, market: MarketSeen, spec: SpecText) -> list[Expected]:
    """Return what is expected, as far as the market leads to it, else with what it leads to."""
    lines = _tried(seen, market, spec, list(_expected(seen))[:MOST_EXPECTED])
    if any(each.missed and each.later for each in lines):
        lines = _tried(seen, market, spec, [_relaxed(each) for each in lines])
    return lines


def _relaxed(each: Expected) -> Expected:
    return replace(each, text=each.later, later="", missed="") if each.missed and each.later else each


# ---------------------------------------------------------------- what is expected


def _expected(seen: RecordedMoment) -> Iterator[Expected]:
    """Yield what the bot did at the moment, then what else it did that day."""
    end = seen.at + timedelta(minutes=1)
    now = [each for each in seen.happenings if seen.at <= each.at < end]
    for each in now:
        yield replace(_of(seen, each), is_moment=True)
    if not now:
        facts = [] if any(seen.at <= at < end for at in seen.orders) else ["orders: none"]
        facts += [f"state: {seen.state}"] if seen.state in ("flat", "open") or not facts else []
        truths = ", ".join(f"{name}: {str(truth).lower()}" for name, truth in seen.truths.items())
        facts += [f"because: {{{truths}}}"] if truths and seen.state == "flat" else []
        yield Expected(f'{{at: "{minute(seen.at)}", {", ".join(facts)}}}', is_moment=True)
    for each in seen.happenings:
        if each not in now:
            yield _of(seen, each)


def _of(seen: RecordedMoment, each: OutcomeEvent) -> Expected:
    if each.what is OutcomeKind.ENTERS:
        strikes = ", ".join(
            f"{name}: {strike.normalize():f}" for name, strike in seen.outcome.strikes(each.position).items()
        )
        fact = f"enters: {{{strikes}}}" if strikes else "enters: any"
    elif each.what is OutcomeKind.UNFILLED:
        fact = "unfilled: true"
    else:
        fact = f"{'halts' if each.what is OutcomeKind.HALTS else 'exits'}: {each.name}"
    until = min(each.at + SLACK, seen.session.close)
    return Expected(f'{{at: "{minute(each.at)}", {fact}}}', f'{{by: "{minute(until)}", {fact}}}')


def _tried(seen: RecordedMoment, market: MarketSeen, spec: SpecText, lines: Sequence[Expected]) -> list[Expected]:
    """Run the test against the recorded text; return the lines with what each of them misses."""
    kept = [each for each in lines if not each.missed]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{spec.name}.yaml").write_text(spec.text, encoding="utf-8")
        file = Path(folder) / "a.test.yaml"
        file.write_text(_document(seen, market, spec, f"{spec.name}.yaml", kept), encoding="utf-8")
        found = read_spec_tests(file)
        for problem in found.problems:
            if problem.is_error:
                raise RulebotError(f"this moment cannot be written as a test: {problem.message}", problem.help)
        (planned,) = found.planned
        result = run_spec_test(planned, perf_counter)
    if result.outcome is None:
        raise RulebotError(f"this moment cannot be run as a test: {result.error}")
    outcome = result.outcome
    reported = iter([next((miss.seen for miss in misses(each, outcome)), "") for each in planned.trial.expect])
    return [each if each.missed else replace(each, missed=next(reported)) for each in lines]


# ---------------------------------------------------------------- the text


def _document(seen: RecordedMoment, market: MarketSeen, spec: SpecText, path: str, lines: Sequence[Expected]) -> str:
    return "\n".join(_lines(seen, market, spec, path, lines)) + "\n"


def _lines(
    seen: RecordedMoment, market: MarketSeen, spec: SpecText, path: str, lines: Sequence[Expected]
) -> Iterator[str]:
    clock = minute(seen.at)
    yield f"# Made by 'rulebot replay {seen.session.date} --as-test {clock} --bot {spec.name}'."
    yield "# What could not be carried over:"
    yield from (f"# - {note}" for note in (market.note, *seen.notes, *_apart(seen, market)))
    yield "rulebot_test: 1"
    yield f"spec: {path}"
    yield "tests:"
    yield f"  - name: as recorded on {seen.session.date} at {clock}"
    yield f"    date: {seen.session.date}"
    if spec.overrides:
        yield f"    set: {{{', '.join(f'{name}: {value}' for name, value in spec.overrides.items())}}}"
    yield "    market:"
    yield from (f"      {each}" for each in _market(seen, market))
    yield "    expect:"
    for each in lines:
        if not each.missed or each.is_moment:
            yield f"      - {each.text}"
    for each in lines:
        if each.missed:
            yield f"      # then, and not in the modelled market: {each.text}"
            yield f"      #   there: {each.missed}"


def _exact(seen: RecordedMoment) -> frozenset[int]:
    """Return the minutes whose levels are to be those of then: those around the moment, and of what happened."""
    found = {0}
    for at, near in [(seen.at, NEAR), *((each.at, 1) for each in seen.happenings)]:
        minute = int((at - seen.session.open) / timedelta(minutes=1))
        found |= set(range(minute - near, minute + near + 1))
    return frozenset(found)


def _apart(seen: RecordedMoment, market: MarketSeen) -> Iterator[str]:
    """Yield how far levels of the test may lie from those of then, away from what matters."""
    found = {symbol: series_text(levels, _exact(seen)).apart for symbol, levels in market.levels.items()}
    if lies := ", ".join(f"{symbol} {apart:g}" for symbol, apart in found.items() if apart):
        yield f"away from this moment and from what the bot did, levels may lie apart from those of then by: {lies}"


def _market(seen: RecordedMoment, market: MarketSeen) -> Iterator[str]:
    exact = _exact(seen)
    for symbol, levels in market.levels.items():
        yield from _folded(symbol.lower(), series_text(levels, exact).text)
    if market.volatilities:
        yield "iv:"
        for symbol, levels in market.volatilities.items():
            yield from (f"  {line}" for line in _folded(symbol.lower(), _percent(series_text(levels, exact).text)))
    yield from _smiles(market.smiles)
    if market.expiries:
        yield "expiries:"
        for symbol, days in market.expiries.items():
            lines = wrap(", ".join(map(str, days)), 100, break_on_hyphens=False)
            yield f"  {symbol.lower()}: ["
            yield from (f"    {line}" for line in lines)
            yield "  ]"
    if market.rv is not None:
        yield f"rv: {market.rv:.2f}%"
    yield from _mapping("previous_close", market.previous)
    yield from _mapping("width", {name: each for name, each in market.widths.items() if each > 0})
    for name, counts in market.counts.items():
        yield from _mapping(name, counts)
    if market.implied_days:
        yield "iv_days:"
        for symbol, levels in market.implied_days.items():
            yield from (f"  {line}" for line in _folded(symbol.lower(), _percent(series_text(levels, ()).text)))


def _smiles(smiles: Mapping[str, Smile]) -> Iterator[str]:
    if smiles:
        yield "smile:"
    for symbol, smile in smiles.items():
        yield f"  {symbol.lower()}:"
        for distance, points in zip(smile.distances, smile.points, strict=True):
            yield f'    "{_number(distance)}%": {_number(points)}'


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".") if value else "0"


def _percent(text: str) -> str:
    start, _, rest = text.partition(" ")
    return text if start == "unknown" else f"{start}% {rest}".rstrip()


def _mapping(key: str, numbers: Mapping[str, float]) -> Iterator[str]:
    if numbers:
        yield f"{key}: {{{', '.join(f'{name.lower()}: {each:g}' for name, each in numbers.items())}}}"


def _folded(key: str, text: str) -> Iterator[str]:
    lines = wrap(text, 100, break_long_words=False, break_on_hyphens=False)
    if len(lines) == 1:
        yield f'{key}: "{text}"'
        return
    yield f"{key}: >-"
    yield from (f"  {line}" for line in lines)


# --- What happened in a replay, one line each, as a run reports it

PATIENCE = timedelta(seconds=5)
"""How long the line of an exit waits for the commissions of its fills, which follow them."""


class ReplayText:
    """Narrates the records of a replay, each once. Lines that waited for commissions have their original time."""

    def __init__(self) -> None:
        self.seen = 0
        self.waiting: list[Record] = []

    def fresh(self, found: Replayed, at: datetime) -> list[EventLine]:
        """Return the lines of what is new at an instant, and of what has waited for long enough."""
        records = [*self.waiting, *found.records[self.seen :]]
        self.seen = len(found.records)
        self.waiting = [each for each in records if at - each.at < PATIENCE and _is_pending(each, found)]
        return _reported([each for each in records if each not in self.waiting], found)

    def rest(self, found: Replayed) -> list[EventLine]:
        """Return what still waits at the end."""
        records, self.waiting = self.waiting, []
        return _reported(records, found)


def _reported(records: list[Record], found: Replayed) -> list[EventLine]:
    return [reported for each in records if (reported := event_lines(each, found.state)) is not None]


def _is_pending(record: Record, found: Replayed) -> bool:
    """Say whether a record ends a position without all commissions reported."""
    position = found.state.positions.by_id.get(record.position)
    return (
        record.kind is Kind.DECISION
        and position is not None
        and position.state == "closed"
        and position.commissions_pending > 0
    )

"""A recorded day as a test document: written, tried, and what the modelled market does not lead to set apart."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import wrap
from time import perf_counter

from rulebot.documents.load_bots import SpecText
from rulebot.model.errors import RulebotError
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.values import dataclass
from rulebot.replay.as_test import RecordedMoment
from rulebot.replay.as_test_market import MarketSeen
from rulebot.replay.series_text import series_text
from rulebot.spec.smile import Smile
from rulebot.spec_tests.expect import misses
from rulebot.spec_tests.files import read_trials
from rulebot.spec_tests.outcome import OutcomeEvent, OutcomeKind
from rulebot.spec_tests.run import run_trial

MOST_EXPECTED = 20
SLACK = timedelta(minutes=5)
"""How much later than then something may come in the modelled market, when it does not come in the same minute."""
NEAR = 5
"""Minutes around the moment whose levels are those of then."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One line of `expect`. later: the same with more time; is_moment: it is of the moment that was asked for."""

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
    """Return the document; `path` is where it will find its spec. Raises: RulebotError when it cannot be run at all.

    Of the markets that it may have it is the one that leads to most of what the bot did, the moment first.
    """
    found: list[tuple[tuple[int, int], MarketSeen, list[Expected]]] = []
    for makes in seen.markets:
        market = makes()
        lines = _lived(seen, market, spec)
        missed = [each for each in lines if each.missed]
        found.append(((sum(each.is_moment for each in missed), len(missed)), market, lines))
        if not missed:
            break
    _, market, lines = min(found, key=lambda each: each[0])
    told = tuple(f"{each.text}: {each.missed}" for each in lines if each.missed and each.is_moment)
    return WrittenTest(_document(seen, market, spec, path, lines), told, (market.note, *seen.notes))


def _lived(seen: RecordedMoment, market: MarketSeen, spec: SpecText) -> list[Expected]:
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
        yield Expected(f'{{at: "{_clock(seen.at)}", {", ".join(facts)}}}', is_moment=True)
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
    return Expected(f'{{at: "{_clock(each.at)}", {fact}}}', f'{{by: "{_clock(until)}", {fact}}}')


def _clock(at: datetime) -> str:
    return f"{at.astimezone(EXCHANGE_ZONE):%H:%M}"


def _tried(seen: RecordedMoment, market: MarketSeen, spec: SpecText, lines: Sequence[Expected]) -> list[Expected]:
    """Run the test against the recorded text; return the lines with what each of them misses."""
    kept = [each for each in lines if not each.missed]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{spec.name}.yaml").write_text(spec.text, encoding="utf-8")
        file = Path(folder) / "a.test.yaml"
        file.write_text(_document(seen, market, spec, f"{spec.name}.yaml", kept), encoding="utf-8")
        found = read_trials(file)
        for problem in found.problems:
            if problem.is_error:
                raise RulebotError(f"this moment cannot be written as a test: {problem.message}", problem.help)
        (planned,) = found.planned
        result = run_trial(planned, perf_counter)
    if result.outcome is None:
        raise RulebotError(f"this moment cannot be run as a test: {result.error}")
    outcome = result.outcome
    told = iter([next((miss.seen for miss in misses(each, outcome)), "") for each in planned.trial.expect])
    return [each if each.missed else replace(each, missed=next(told)) for each in lines]


# ---------------------------------------------------------------- the text


def _document(seen: RecordedMoment, market: MarketSeen, spec: SpecText, path: str, lines: Sequence[Expected]) -> str:
    return "\n".join(_lines(seen, market, spec, path, lines)) + "\n"


def _lines(
    seen: RecordedMoment, market: MarketSeen, spec: SpecText, path: str, lines: Sequence[Expected]
) -> Iterator[str]:
    clock = _clock(seen.at)
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

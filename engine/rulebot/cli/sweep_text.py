"""The result of a sweep for eyes and machines: the variants in order, how much to believe, and a map of two places."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any, NamedTuple

from rulebot.adapters.history.finding import data_of
from rulebot.cli.data_text import finding_lines, named
from rulebot.cli.width import table
from rulebot.model.counted import counted
from rulebot.model.money import dollars
from rulebot.narrate.text_table import aligned, signed
from rulebot.sweep.parameters import Axis, Point
from rulebot.sweep.statistics import Forward, expected_best_of, merit
from rulebot.sweep.sweep import findings_of
from rulebot.sweep.variant import (
    CELLS,
    FALLING,
    Variant,
    alarm_lines,
    apart_lines,
    few_lines,
    in_map,
    map_words,
    not_run_lines,
    sessions_of,
    strained_lines,
    turned,
)

_FIGURES = ("trades", "won", "net", "average", "drawdown", "Sharpe", "deflated")
_STRAINED = "strained"
"""A figure that is there where any variant has such sessions."""
_SORTED_BY = {"win_rate": "won", "expectancy": "average", "max_drawdown": "drawdown"}
_FIRST_TO_GO = ("average", "won", "drawdown", "trades")
"""Figures that a narrow terminal does without, in this order, unless the variants are sorted by one."""
REASONS = 6
"""Reasons for which sessions went turn by turn, the most frequent ones, that are told."""
WIDEST = 16
"""Values of a place up to which a map is drawn."""


def ordered(found: Sequence[Variant], by: str) -> list[Variant]:
    """Return the variants that were run, the best first; such without the figure come last."""
    fine = [each for each in found if not each.problem]
    sign = 1.0 if by in FALLING else -1.0

    def key(each: Variant) -> tuple[bool, float, int]:
        value = each.figure(by)
        return value is None, 0.0 if value is None else sign * value, each.number

    return sorted(fine, key=key)


class SweepData(NamedTuple):
    """Which sessions a sweep is of, and what its orders filled at. span: where the data ends before what was asked."""

    bot: str
    first: date
    last: date
    source: str
    is_modelled: bool
    fills: str
    span: str = ""

    def lines(self) -> list[str]:
        """Return it in words."""
        source = named(self.source, self.is_modelled)
        span = [f" {self.span}"] if self.span else []
        return [f" {self.bot}, {self.first} to {self.last} of {source}", *span, f" fills {self.fills}"]


def sweep_lines(
    found: Sequence[Variant], axes: Sequence[Axis], walked: Forward | None, by: str, top: int, width: int | None = None
) -> Iterator[str]:
    """Yield the table, the map, what came of walking forward, and what could not be run. width: of the terminal."""
    best = ordered(found, by)
    yield from _table(best, axes, by, top, width)
    sessions = len(best[0].profits) if best else 0
    yield f" {len(best)} of {counted(len(found), 'variant')}, {counted(sessions, 'session')}, by {by}"
    if len(best) > top:
        yield f" shown are the first {top}: --top {len(best)} shows all, --format json has them too"
    yield from _ways(best, sessions)
    yield from (
        f" {words}" for words in (*apart_lines(best), *strained_lines(best), *few_lines(best), *alarm_lines(best))
    )
    if len(axes) == 2:
        yield ""
        if max(len(each.values) for each in axes) <= WIDEST:
            yield from _map(found, axes, by)
        else:
            is_drawn = len(axes[0].values) * len(axes[1].values) <= CELLS
            yield f" no map: a place has more than {WIDEST} values{'; --html draws it' if is_drawn else ''}"
    if walked is not None:
        yield ""
        yield from _walked(walked, found, width)
    yield from (f" {words}" for words in not_run_lines(found))
    if findings := findings_of(found):
        yield ""
        yield from finding_lines([data_of(each) for each in findings])


def _ways(best: Sequence[Variant], sessions: int) -> Iterator[str]:
    """Yield how many sessions went by arrays, and what kept the others from it."""
    arrays, every, why = sum(each.by_arrays for each in best), len(best) * sessions, turned(best)
    if not arrays and not why:  # as --every-turn asks for
        return
    if len(why) == 1 and not arrays:
        yield f" all turn by turn: {next(iter(why))}"
    else:
        others = "" if arrays == every else ", the others turn by turn"
        yield f" {arrays:,} of {counted(every, 'session')} by arrays{others}"
        told = list(why.items())
        yield from (f"   {number:,}: {reason}" for reason, number in told[:REASONS])
        if more := told[REASONS:]:
            yield f"   {sum(number for _, number in more):,}: {counted(len(more), 'other reason')}, in --format json"
    if why:
        yield " what goes by arrays is many times as fast: docs/backtest.md"


def _table(best: Sequence[Variant], axes: Sequence[Axis], by: str, top: int, width: int | None) -> Iterator[str]:
    """Yield a row for each variant; where all does not fit, places have the last part of their names, told below."""
    by_chance = expected_best_of(each.profits for each in best)
    is_strained = any(each.strained for each in best)
    rows = [(*_row(each, by_chance), *[f"{each.strained}"] * is_strained) for each in best[:top]]
    names, figures = [each.name for each in axes], (*_FIGURES, *[_STRAINED] * is_strained)
    right = frozenset(range(len(names) + len(figures)))
    going = [len(names) + _FIGURES.index(name) for name in _FIRST_TO_GO if name != _SORTED_BY.get(by)]
    whole = aligned([(*names, *figures), *rows], right=right)
    if width is None or max(map(len, whole)) <= width:
        yield from whole
        return
    short = [name.rpartition(".")[2] for name in names]
    short = [
        one if short.count(one) == 1 and one not in figures else name for one, name in zip(short, names, strict=True)
    ]
    yield from table([(*short, *figures), *rows], width, going, right=right, whole="--format json")
    yield from (f" {one}: {name}" for one, name in zip(short, names, strict=True) if one != name)


def _row(each: Variant, by_chance: float) -> tuple[str, ...]:
    won = "-" if each.win_rate is None else f"{each.win_rate * 100:.0f} %"
    found = merit(each.profits, each.trades, by_chance)
    return (
        *each.point,
        str(each.trades),
        won,
        signed(each.net),
        signed(each.expectancy),
        dollars(each.max_drawdown),
        "-" if each.sharpe is None else f"{each.sharpe:.2f}",
        "-" if found is None else f"{found:.2f}",
    )


def _map(found: Sequence[Variant], axes: Sequence[Axis], by: str) -> Iterator[str]:
    """Yield the figure for each pair of values: the first place from top to bottom, the second from left to right."""
    by_point = {each.point: each.figure(by) for each in found if not each.problem}
    yield f" {by} by {axes[0].name} (down) and {axes[1].name} (across)"
    shown = {point: in_map(value) for point, value in by_point.items()}
    rows = [(down, *(shown.get((down, across), "") for across in axes[1].values)) for down in axes[0].values]
    yield from aligned([("", *axes[1].values), *rows], right=frozenset(range(len(axes[1].values) + 1)))
    if words := map_words([cell for _, *cells in rows for cell in cells]):
        yield f" {words}"


def _walked(walked: Forward, found: Sequence[Variant], width: int | None) -> Iterator[str]:
    sharpe = "-" if walked.sharpe is None else f"{walked.sharpe:.2f}"
    made = signed(sum(walked.profits))
    sessions = counted(len(walked.profits), "session")
    yield f" walking forward: {made} in {sessions}, each after those that its variant was chosen by, Sharpe {sharpe}"
    points, days = {each.number: each.point for each in found}, sessions_of(found)
    by_day, by_number = (
        aligned(
            [("sessions", "tried", "variant", "Sharpe then", "made"), *_steps(walked, points, named)],
            right=frozenset((3, 4)),
        )
        for named in (days, ())
    )
    yield from by_number if width is not None and max(map(len, by_day)) > width else by_day


def _steps(walked: Forward, points: Mapping[int, Point], days: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for step in walked.steps:
        then = "-" if step.chosen_for is None else f"{step.chosen_for:.2f}"
        yield (*step.stretch.words(days), step.words(points), then, signed(step.made))


def document_of(
    found: Sequence[Variant], axes: Sequence[Axis], walked: Forward | None, by: str, data: SweepData
) -> str:
    """Return all of it as JSON, the variants in order."""
    best = ordered(found, by)
    by_chance = expected_best_of(each.profits for each in best)
    names = [each.name for each in axes]
    variants: list[dict[str, Any]] = []
    for each in (*best, *(one for one in found if one.problem)):
        told = asdict(each)
        del told["findings"], told["sessions"]
        told["point"] = dict(zip(names, each.point, strict=True))
        told["deflated"] = None if each.problem else merit(each.profits, each.trades, by_chance)
        variants.append(told)
    sessions = sessions_of(found)
    forward = None if walked is None else {**asdict(walked), "sharpe": walked.sharpe}
    document = {
        "sort": by,
        "places": names,
        "variants": variants,
        "walk_forward": forward,
        "sessions": sessions,
        "data": {**data._asdict(), "first": str(data.first), "last": str(data.last)},
        "findings": [data_of(each) for each in findings_of(found)],
    }
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"

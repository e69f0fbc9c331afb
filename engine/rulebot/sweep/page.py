"""A sweep as one page of HTML: the variants in order, a heat map of each two places, and the best one's account."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, combinations
from statistics import fmean
from typing import Any

from rulebot.backtest.report_charts import keyed, shown_findings
from rulebot.model.money import dollars
from rulebot.model.text import figure, whole_percent
from rulebot.pages import written_page
from rulebot.sweep.parameters import Axis, Point
from rulebot.sweep.variant import (
    CELLS,
    FALLING,
    Forward,
    Variant,
    alarm_lines,
    apart_lines,
    few_lines,
    in_map,
    map_words,
    sessions_of,
    strained_lines,
)

SHOWN = 500
"""Variants that the table has."""


def sweep_page(
    title: str,
    best: Sequence[Variant],
    axes: Sequence[Axis],
    by: str,
    deflated: Mapping[int, float | None],
    walked: Forward | None,
    data: Sequence[str],
    findings: Sequence[Mapping[str, Any]],
) -> str:
    """Return the page. best: the variants that could run, in order; deflated: their ratios, by number.

    data: its sessions, in words; findings: their faults.
    """
    figures = ["trades", "won", "net", "average", "drawdown", "Sharpe", "deflated"]
    is_strained = any(each.strained for each in best)
    days = sessions_of(best)
    points = {each.number: each.point for each in best}
    return written_page(
        "sweep",
        title=title,
        data=[line.strip() for line in data],
        count=len(best),
        by=by,
        notes=[*apart_lines(best), *strained_lines(best), *few_lines(best)],
        alarms=alarm_lines(best),
        made=_made(best, walked, days) if best else None,
        walked=_walked(walked, points, days) if best and walked is not None else None,
        maps=list(_maps(best, axes, by)),
        most_cells=CELLS,
        are_means=len(axes) > 2,
        head=[*(each.name for each in axes), *figures, *["strained"] * is_strained],
        kinds="t" * len(axes) + "nnmmnnnn",
        rows=[(*_figures(each, deflated), *[each.strained] * is_strained) for each in best[:SHOWN]],
        findings=shown_findings(findings),
    )


def _made(best: Sequence[Variant], walked: Forward | None, days: Sequence[str]) -> Mapping[str, Any]:
    """Return the best variant's result, with that of walking forward."""
    places = days or [str(number + 1) for number in range(len(best[0].profits))]
    made: dict[str, list[float | None]] = {", ".join(best[0].point): [*accumulate(best[0].profits)]}
    if walked is not None and walked.profits:
        after = [0.0] * (len(places) - walked.first - len(walked.profits))  # sessions that fill no stretch
        made["walking forward"] = [*accumulate([*[0.0] * walked.first, *walked.profits, *after])]
    return keyed("profit by session", places, made)


def _walked(walked: Forward, points: Mapping[int, Point], days: Sequence[str]) -> Mapping[str, Any]:
    rows = [
        (*step.stretch.words(days), step.words(points), figure(step.chosen_for), step.made) for step in walked.steps
    ]
    profits = walked.profits
    return {"made": sum(profits), "sessions": len(profits), "sharpe": figure(walked.sharpe), "rows": rows}


def _figures(each: Variant, deflated: Mapping[int, float | None]) -> tuple[object, ...]:
    sums = (each.trades, whole_percent(each.win_rate), each.net, each.expectancy, dollars(each.max_drawdown))
    return (*each.point, *sums, figure(each.sharpe), figure(deflated.get(each.number)))


def _maps(best: Sequence[Variant], axes: Sequence[Axis], by: str) -> Iterator[Mapping[str, Any]]:
    """Yield a map of each two axes that have several values, without rows where it would be too large."""
    several = [place for place, each in enumerate(axes) if len(each.values) > 1]
    for first, second in combinations(several if len(several) > 1 else range(len(axes)), 2):
        down, across = axes[first], axes[second]
        cells = len(down.values) * len(across.values)
        found: dict[str, Any] = {
            "down": down.name,
            "across": across.name,
            "names": [*across.values],
            "cells": cells,
            "rows": (),
        }
        yield found | (_map(best, axes, first, second, by) if cells <= CELLS else {})


def _map(found: Sequence[Variant], axes: Sequence[Axis], first: int, second: int, by: str) -> dict[str, Any]:
    """Return a table of cells coloured by how good they are among all."""
    figures: dict[tuple[str, str], list[float]] = {}
    for each in found:
        value = each.figure(by)
        figures.setdefault((each.point[first], each.point[second]), []).extend([] if value is None else [value])
    means = {place: fmean(values) if values else None for place, values in figures.items()}
    most = max((abs(value) for value in means.values() if value is not None), default=0.0) or 1.0
    shown = {place: _cell(value, most, by) for place, value in means.items()}
    rows = [(down, *(shown.get((down, across), "") for across in axes[second].values)) for down in axes[first].values]
    words = map_words([cell if isinstance(cell, str) else cell["words"] for _, *cells in rows for cell in cells])
    return {"rows": rows, "words": words}


def _cell(value: float | None, most: float, by: str) -> str | Mapping[str, str]:
    if value is None:
        return in_map(value)
    kind = "gain" if value >= 0.0 and by not in FALLING else "loss"
    return {"kind": kind, "depth": f"{0.08 + 0.6 * abs(value) / most:.2f}", "words": in_map(value)}

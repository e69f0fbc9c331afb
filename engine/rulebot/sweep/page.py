"""A sweep as one page of HTML: the variants in order, a heat map of each two places, and the best one's account."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import accumulate, combinations
from statistics import fmean
from typing import Any

from rulebot.backtest.report_charts import coloured, curves, key, table
from rulebot.backtest.report_charts import findings as told_findings
from rulebot.backtest.report_page import html_page
from rulebot.model.money import dollars
from rulebot.model.text import counted, figure, whole_percent
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
_DEFLATED = """Deflated: the probability that a variant's Sharpe ratio is above zero, given that it was picked among
all of them (D. Bailey and M. Lopez de Prado, 2014). Drawdown and Sharpe ratio are of the account by session, all else
is of closed trades."""


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
    """Return the page. best: the variants that could be run, in their order; deflated: their ratios, by number.

    data: of which sessions it is, in words; findings: what was wrong with them.
    """
    told = "" if not findings else "<h2>What was wrong with the data</h2>" + told_findings(findings)
    return html_page(title, "".join(_body(best, axes, by, deflated, walked, data)) + told)


def _body(
    best: Sequence[Variant],
    axes: Sequence[Axis],
    by: str,
    deflated: Mapping[int, float | None],
    walked: Forward | None,
    data: Sequence[str],
) -> Iterator[str]:
    yield "".join(f"<p>{escape(line.strip())}</p>" for line in data)
    yield f"<p>{counted(len(best), 'variant')}, each with an account of its own; ordered by {escape(by)}.</p>"
    yield from (f"<p>{escape(words)}.</p>" for words in (*apart_lines(best), *strained_lines(best), *few_lines(best)))
    yield from (f"<p>{escape(words)}</p>" for words in alarm_lines(best))
    if best:
        yield from _made(best, walked)
    yield from _maps(best, axes, by)
    yield "<h2>Variants</h2>" + _table(best[:SHOWN], axes, deflated)
    if len(best) > SHOWN:
        yield f"<p>Shown are the first {SHOWN} of {len(best):,}; --format json has all.</p>"
    yield f'<p class="soft">{_DEFLATED}</p>'


def _made(best: Sequence[Variant], walked: Forward | None) -> Iterator[str]:
    """Yield what the best variant made, beside what walking forward did."""
    days = sessions_of(best)
    places = days or [str(number + 1) for number in range(len(best[0].profits))]
    made = {", ".join(best[0].point): list(accumulate(best[0].profits))}
    if walked is not None and walked.profits:
        after = [0.0] * (len(places) - walked.first - len(walked.profits))  # sessions that fill no stretch
        made["walking forward"] = list(accumulate([*[0.0] * walked.first, *walked.profits, *after]))
    yield "<h2>Profit by session</h2>" + curves("profit by session", places, made)
    keys = "".join(key(number, name) for number, name in enumerate(made))
    yield f"<p>{keys}</p>"
    if walked is not None:
        yield "<h2>Walking forward</h2>" + _walk(walked, {each.number: each.point for each in best}, days)


def _maps(best: Sequence[Variant], axes: Sequence[Axis], by: str) -> Iterator[str]:
    """Yield a map of each two axes that have several values."""
    several = [place for place, each in enumerate(axes) if len(each.values) > 1]
    for first, second in combinations(several if len(several) > 1 else range(len(axes)), 2):
        yield f"<h2>{escape(by)} by {escape(axes[first].name)} and {escape(axes[second].name)}</h2>"
        if (cells := len(axes[first].values) * len(axes[second].values)) <= CELLS:
            yield _map(best, axes, first, second, by)
        else:
            yield f'<p class="soft">A map of {cells:,} cells is not drawn: {CELLS:,} at most.</p>'
    if len(axes) > 2:
        yield '<p class="soft">Each cell is the mean of the variants there that have the figure.</p>'


def _walk(walked: Forward, points: Mapping[int, Point], days: Sequence[str]) -> str:
    rows = [
        (
            *step.stretch.words(days),
            escape(step.words(points)),
            figure(step.chosen_for),
            coloured(step.made),
        )
        for step in walked.steps
    ]
    words = f"{counted(len(walked.profits), 'session')}, each after those that its variant was chosen by"
    made = f"<p>{coloured(sum(walked.profits))} in {words}; Sharpe ratio {figure(walked.sharpe)}.</p>"
    return made + table(("chosen in", "tried in", "variant", "Sharpe then", "made"), rows, frozenset((1, 2)))


def _table(best: Sequence[Variant], axes: Sequence[Axis], deflated: Mapping[int, float | None]) -> str:
    head = [*(each.name for each in axes), "trades", "won", "net", "average", "drawdown", "Sharpe", "deflated"]
    is_strained = any(each.strained for each in best)
    head += ["strained"] * is_strained
    rows = [
        (
            *map(escape, each.point),
            str(each.trades),
            whole_percent(each.win_rate),
            coloured(each.net),
            coloured(each.expectancy),
            dollars(each.max_drawdown),
            figure(each.sharpe),
            figure(deflated.get(each.number)),
            *[str(each.strained)] * is_strained,
        )
        for each in best
    ]
    return table(head, rows)


def _map(found: Sequence[Variant], axes: Sequence[Axis], first: int, second: int, by: str) -> str:
    """Return a table of cells whose colour says how good they are, beside all others."""
    figures: dict[tuple[str, str], list[float]] = {}
    for each in found:
        value = each.figure(by)
        figures.setdefault((each.point[first], each.point[second]), []).extend([] if value is None else [value])
    means = {place: fmean(values) if values else None for place, values in figures.items()}
    most = max((abs(value) for value in means.values() if value is not None), default=0.0) or 1.0
    shown = {place: _cell(value, most, by) for place, value in means.items()}
    rows = [(down, *(shown.get((down, across), "") for across in axes[second].values)) for down in axes[first].values]
    words = map_words([cell for _, *cells in rows for cell in cells])
    head = (f"{axes[first].name} \\ {axes[second].name}", *axes[second].values)
    told = f'<p class="soft">{escape(words)}.</p>' if words else ""
    return table(head, [(escape(down), *cells) for down, *cells in rows]) + told


def _cell(value: float | None, most: float, by: str) -> str:
    if value is None:
        return in_map(value)
    kind = "gain" if value >= 0.0 and by not in FALLING else "loss"
    depth = 0.08 + 0.6 * abs(value) / most
    return f'<span class="heat"><i class="{kind}" style="opacity:{depth:.2f}"></i><b>{in_map(value)}</b></span>'

"""The report of a training for eyes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rulebot.cli.data_text import named
from rulebot.model.counted import counted
from rulebot.narrate.text_table import aligned
from rulebot.train.report import Report

SHOWN_WEIGHTS = 12


def report_lines(report: Report, data: Mapping[str, Any], own: Sequence[str] = ()) -> Iterator[str]:
    """Yield all of it. data: of which past sessions it is, as a backtest's settings say it.

    own: files of the models that the bot itself enters by.
    """
    yield f" {named(str(data.get('source')), bool(data.get('is_modelled')))}; fills {data.get('fills')}"
    than = "a profit" if report.line == 0.0 else f"more than ${report.line:,.2f} a structure"
    days = f"{report.first:%Y-%m-%d} to {report.last:%Y-%m-%d}"
    yield f" {counted(report.samples, 'trade')} from {days}, {report.rate:.1%} with {than}"
    if report.every is not None:
        every = "minute" if report.every == 1 else f"{report.every} minutes"
        yield f" hypothetical: an entry at every {every} of its window, whatever its conditions said"
        yield f" those of one session have much in common: each +/- counts {report.sessions} sessions, not trades"
    yield " all figures are of trades that came after those the model had seen"
    if own:
        yield f" and that the bot's own {', '.join(own)} let through: of what it kept out nothing is learned, and where"
        yield " it was trained on these sessions it knew how they ended, which makes every figure too good"
    if report.in_shares:
        were = f"{report.in_shares} of them ended in shares, assigned or exercised"
        yield f" {were}: the shares count at their settlement price, and nothing that came later"
    yield ""
    yield from _kinds(report)
    yield ""
    yield from _folds(report)
    yield ""
    yield from _bands(report)
    yield ""
    yield from _weights(report)
    for name, why in report.left_out:
        yield f" left out: {name}, {why}"
    yield ""
    yield _verdict(report)


def _kinds(report: Report) -> Iterator[str]:
    rows = [("", "AUC", "+/-", "Brier", "always the share")]
    for each in report.kinds:
        taken = " (taken)" if each.kind == report.kind else ""
        rows.append(
            (each.kind + taken, f"{each.auc:.3f}", f"{each.auc_error:.3f}", f"{each.brier:.4f}", f"{each.base:.4f}")
        )
    yield from aligned(rows, right=frozenset(range(1, 5)))


def _folds(report: Report) -> Iterator[str]:
    rows = [("tried from", "to", "trained on", "tried on", "good", "AUC", "Brier", "always the share")]
    rows += [
        (
            f"{each.first:%Y-%m-%d}",
            f"{each.last:%Y-%m-%d}",
            str(each.trained),
            str(each.tried),
            f"{each.rate:.1%}",
            f"{each.auc:.3f}",
            f"{each.brier:.4f}",
            f"{each.base:.4f}",
        )
        for each in report.folds
    ]
    yield from aligned(rows, right=frozenset(range(2, 8)))


def _bands(report: Report) -> Iterator[str]:
    rows = [("foreseen from", "to", "trades", "foreseen", "happened", "made on average")]
    rows += [
        (
            f"{each.lowest:.3f}",
            f"{each.highest:.3f}",
            str(each.trades),
            f"{each.foreseen:.1%}",
            f"{each.happened:.1%}",
            f"{each.net:+,.2f}",
        )
        for each in report.bands
    ]
    yield from aligned(rows, right=frozenset(range(6)))


def _weights(report: Report) -> Iterator[str]:
    rows = [("feature", "AUC falls by, when shuffled")]
    rows += [(each.name, f"{each.falls:+.4f}") for each in report.weights[:SHOWN_WEIGHTS]]
    yield from aligned(rows, right=frozenset({1}))


def _verdict(report: Report) -> str:
    if report.taken.is_better_than_chance:
        return " it foresees more than chance would have it, on this data"
    return " NOTHING LEARNED: on trades that it had not seen it is no better than always saying the share of good ones"

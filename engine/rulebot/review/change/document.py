"""A difference as plain data, for machines: the same words, and the numbers behind them."""

from collections.abc import Sequence
from typing import Any

from rulebot.review.change.behaviour import Days, TriedDay
from rulebot.review.change.difference import Change, Difference, Loss


def document_of(found: Difference) -> dict[str, Any]:
    """Return a difference as what JSON can hold; dollars are text, so that no digit is lost."""
    told: dict[str, Any] = {
        "kind": found.kind,
        "name": found.name,
        "status": found.status.value,
        "changes": [_change(change) for change in found.changes],
        "worst_case": [_loss(loss) for loss in found.losses],
    }
    was, now = found.priorities
    if was or now:
        told["exits"] = {"old": list(was), "new": list(now)}
    if found.kind == "bot" and found.changes:
        told["states"] = found.states or "unchanged"
    old, new = found.days
    if old or new:
        told["days"] = days_document(old, new, found.flaws)
    return told


def days_document(old: Days, new: Days, flaws: Sequence[str] = ()) -> dict[str, Any]:
    """Return what both sides did on the same days; of past ones also what was wrong with their data."""
    told: dict[str, Any] = {"old": [_day(day) for day in old], "new": [_day(day) for day in new]}
    return told | {"flaws": list(flaws)} if flaws or any(day.day for day in old) else told


def _day(day: TriedDay) -> dict[str, Any]:
    trades = [
        {"words": each.words, "ended_by": each.ended_by, "carried": each.is_carried, "net_pnl": str(each.made)}
        for each in day.trades
    ]
    named = {"seed": day.seed} if day.day is None else {"date": day.day.isoformat()}
    return {**named, "net_pnl": str(day.net), "trades": trades, "why_not": day.why_not}


def _change(change: Change) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": change.kind.value,
        "path": change.path,
        "old": change.old,
        "new": change.new,
        "words": change.words,
        "worse": change.is_worse,
        "applies": change.applies,
    }
    if change.was_path:
        told["was_path"] = change.was_path
    if change.reaches:
        told["reaches"] = [_change(each) for each in change.reaches]
    return told


def _loss(loss: Loss) -> dict[str, Any]:
    return {
        "of": loss.name,
        "old": None if loss.was is None else str(loss.was),
        "new": None if loss.now is None else str(loss.now),
    }

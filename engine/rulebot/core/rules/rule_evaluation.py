"""Rule evaluation: results, records of their changes, and confirmation by quotes or seconds."""

from collections.abc import Iterable
from datetime import timedelta

from rulebot.compile.plan import Rule
from rulebot.core.program import CompiledRule
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import set_bot, set_wake
from rulebot.core.state.lists import readings_of
from rulebot.core.state.state import NEVER, ConfirmationProgress, Reading
from rulebot.measure.evaluation import Evaluation
from rulebot.measure.view import View
from rulebot.model.contract import Option, Underlying
from rulebot.model.values import replace
from rulebot.record.record import Json, Kind
from rulebot.wording.condition import describe

REREAD = 2.0
"""Seconds after which a reading counts again although a quote it reads is not newer (language.md, Conditions)."""


def evaluate_rule(
    work: StateBuilder, bot: str, place: str, compiled: CompiledRule, view: View, position: str = ""
) -> Reading:
    """Judge one rule now; record it when its truth changed since last time."""
    evaluation = compiled.judge(view)
    key = (place, compiled.rule.name)
    readings = readings_of(work, bot)
    previous = readings.get(key)
    readings[key] = reading = Reading(compiled.rule, evaluation, work.at)
    if previous is None or previous.evaluation.truth is not evaluation.truth:
        where, *of_what = place.split("@")
        of: dict[str, Json] = dict(each for each in zip(("symbol", "alternative"), of_what, strict=False) if each[1])
        work.record(Kind.VERDICT, bot, position, place=where.partition(":")[0], **of, **reading_data(reading))
    return reading


def evaluate_rules(
    work: StateBuilder, bot: str, place: str, rules: Iterable[CompiledRule], view: View
) -> tuple[Reading, ...]:
    """Judge a list of rules, all of them, so that `why` can show each."""
    return tuple(evaluate_rule(work, bot, place, compiled, view) for compiled in rules)


def confirmed(work: StateBuilder, bot: str, place: str, reading: Reading, view: View) -> bool | None:
    """Return the reading's truth once it is confirmed; until then a true one counts as false.

    While it is unknown its time is paused: it neither counts nor restarts.
    """
    rule, truth = reading.rule, reading.evaluation.truth
    if rule.confirm is None:
        return truth
    key = (place, rule.name)
    state = work.bots.by_name[bot]
    before = state.confirming.get(key, ConfirmationProgress())
    if truth is None:
        after = replace(before, lost_at=before.lost_at or view.now) if before.count else before
    else:
        after = counted(_found_again(before, view), _oldest(rule, view), view.now) if truth else ConfirmationProgress()
    if after != before:
        set_bot(work, bot, replace(state, confirming={**state.confirming, key: after}))
    if not truth:
        return truth
    if rule.confirm.quotes is not None:
        if after.count < rule.confirm.quotes:
            wake(work, bot, after.counted_at + REREAD - view.now)
        return after.count >= rule.confirm.quotes
    due = after.since + (rule.confirm.seconds or 0.0)
    if view.now >= due:
        return True
    wake(work, bot, due - view.now)
    return False


def _found_again(before: ConfirmationProgress, view: View) -> ConfirmationProgress:
    """Return how far it had come when it was last known, as if no time had passed since."""
    if not before.lost_at:
        return before
    return replace(before, since=before.since + view.now - before.lost_at, lost_at=0.0)


def counted(before: ConfirmationProgress, quoted_at: float, now: float) -> ConfirmationProgress:
    """Return how far it has come with one more reading of what was quoted then, if that counts again.

    Units: epoch seconds.
    """
    if before.count == 0:
        return ConfirmationProgress(1, now, now)
    again = quoted_at > before.counted_at or now - before.counted_at >= REREAD
    return ConfirmationProgress(before.count + 1, before.since, now) if again else before


def _oldest(rule: Rule, view: View) -> float:
    return min((_stamp(view, row) for row in rows_read(rule, view)), default=view.now)


def _stamp(view: View, row: int) -> float:
    board = view.board
    stamps = (board.quote_at[row], board.last_at[row], board.model_at[row])
    return max((at for at in stamps if at == at), default=0.0)


def rows_read(rule: Rule, view: View) -> frozenset[int]:
    """Return the board rows that a rule reads, as far as they are streamed."""
    found: set[int] = set()
    rows = view.board.rows
    for read in rule.reads:
        kind, _, name = read.partition(":")
        if kind in ("spot", "index"):
            found.add(rows.get(Underlying(name), -1))
        elif kind == "legs":
            found.update(leg.row for leg in view.legs)
        elif kind == "strikes":
            found.update(
                row for contract, row in rows.items() if isinstance(contract, Option) and contract.symbol == name
            )
    found.discard(-1)
    return frozenset(found)


def wake(work: StateBuilder, bot: str, seconds: float) -> None:
    """Judge the bot again within this many seconds."""
    at = work.at + timedelta(0.0, seconds) if seconds > 0.0 else work.at
    if at < work.bots.next_wakes.get(bot, NEVER):
        set_wake(work, bot, at)


def reading_data(reading: Reading) -> dict[str, bool | int | float | str | None]:
    """Return a reading as a record keeps it: numbers beside the words."""
    rule, evaluation = reading.rule, reading.evaluation
    return {
        "rule": rule.name,
        "truth": evaluation.truth,
        "value": rounded(evaluation.value),
        "low": rounded(evaluation.low),
        "high": rounded(evaluation.high),
        "quantity": rule.quantity.value,
        "text": rule.text,
        "missing": evaluation.missing,
        "detail": evaluation.detail,
        "words": describe(rule, evaluation),
    }


def rounded(value: float | None) -> float | None:
    """Return an estimate with the digits worth keeping (and equal on every machine), None for nan."""
    return None if value is None or value != value else round(value, 6)


def failing(readings: Iterable[Reading]) -> list[Reading]:
    """Return those that are not true."""
    return [reading for reading in readings if reading.evaluation.truth is not True]


def first_missing(evaluation: Evaluation) -> str:
    """Return the first reason why something was unknown, "" when nothing was."""
    if evaluation.missing:
        return evaluation.missing
    return next((found for _, member in evaluation.members if (found := first_missing(member))), "")

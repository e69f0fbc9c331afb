"""The life of a position in words: what each move of the lifecycle's table means, and a bot's own way through it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise

from rulebot.compile.plan import ExitPlan, Lifecycle, Plan, Row
from rulebot.evaluate.phrases import listed
from rulebot.review import amounts
from rulebot.review.amounts import FULL_DAY
from rulebot.review.subject import Subject
from rulebot.spec.nouns.entry import Window

TRIGGERS: Mapping[str, str] = {
    "enter": "an entry order is sent",
    "partly_filled": "a part has filled, the order works on",
    "filled": "the order has filled",
    "ended_empty": "the entry ended without a fill",
    "ended_partly": "the entry ended, whole structures filled",
    "ended": "the closing order ended, something is left",
    "refused": "the broker refused the order",
    "exit": "an exit acts",
    "unwind": "a leg stands without its partner",
    "late_fill": "a fill came after the order was over",
    "rest_partly_filled": "a resting order filled in part",
    "closed_out": "a resting order, or a person, closed it",
    "settled": "it expired",
    "vanished": "the account has it no more",
}
"""What every trigger of the table means; a test asks for each."""


def paths(subject: Subject) -> tuple[str, ...]:
    """Return the usual way of a position, and the ways that this bot's exits add."""
    table = subject.plan.lifecycle
    found = [_chain(_forward(table))]
    if any(planned.resting for planned in subject.exits):
        found += _aside(table, "closed_out")
    if any(planned.rule is None for planned in subject.exits):
        found += _aside(table, "settled")
    return tuple(found)


def _forward(table: Lifecycle) -> tuple[Row, ...]:
    """Return the first row from every state to the next one, in the order of the table's states."""
    rows = (next((row for row in table.rows if (row.state, row.next) == pair), None) for pair in pairwise(table.states))
    return tuple(row for row in rows if row is not None)


def _chain(rows: tuple[Row, ...]) -> str:
    if not rows:
        return ""
    return rows[0].state + "".join(f" ──{row.trigger}──▶ {row.next}" for row in rows)


def _aside(table: Lifecycle, trigger: str) -> Iterator[str]:
    """Yield the row of an open position for a trigger, as a line with its meaning."""
    for row in table.rows:
        if row.trigger == trigger and row.state == "open":
            yield f"{_chain((row,))}   {TRIGGERS[trigger]}"


def window_text(window: Window) -> str:
    """Return `10:30 to 13:30`, or the time at which it opens."""
    return str(window.start) if window.end is None else f"{window.start} to {window.end}"


def _clocks(window: Window, latest: datetime) -> str:
    """Return a window by the clock of a full session, on which nothing is entered after `latest`: `10:00 to 15:00`."""
    start = amounts.clock(window.start.on(FULL_DAY))
    return start if window.end is None else f"{start} to {amounts.clock(min(window.end.on(FULL_DAY), latest))}"


def labels(subject: Subject) -> dict[tuple[str, str], str]:
    """Return what this bot's own rules make of a move, by (state, trigger): its window, its exits."""
    plan = subject.plan
    acting = tuple(each.name for each in plan.exits if each.rule is not None and not each.resting)
    resting = tuple(each.name for each in plan.exits if each.resting)
    latest = subject.bot.latest_entry(FULL_DAY)
    windows = tuple(_clocks(each, latest) for each in plan.entry.windows)
    found = {("flat", "enter"): listed(windows, "or")}
    if acting:
        found["open", "exit"] = listed(acting, "or")
    if resting:
        found["open", "closed_out"] = listed(resting, "or")
    if partial := tuple(words for each in plan.exits if (words := _part_closed(each, plan))):
        found["exiting", "ended"] = "; ".join(partial)
    return found


def _part_closed(planned: ExitPlan, plan: Plan) -> str:
    """Return which legs, or which part, an exit closes while the others stay open; "" of one that closes everything."""
    if planned.rule is None or planned.resting:
        return ""
    legs = tuple(name for name in planned.legs if name in {leg.name for leg in plan.legs})
    if legs and len(legs) < len(plan.legs):
        return f"{planned.name} closes {listed(legs, 'and')} alone"
    is_part = planned.part is not None and planned.part < 1
    return f"{planned.name} closes {planned.part:.0%}" if is_part else ""

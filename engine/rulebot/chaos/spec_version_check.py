"""Whether each position is entered and left by the text that governs it, in a trial whose specs change."""

from collections.abc import Iterator, Mapping
from typing import Any

from rulebot.chaos.result import ChaosResult
from rulebot.core.program import CompiledBot, closing_times
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.session import exchange_date, session_from
from rulebot.record.codec import decode
from rulebot.record.record import Kind, Record

_ALL = ""
"""Stands for all bots, where the limits over them change."""


def governed(aftermath: ChaosResult) -> Iterator[str]:
    """Return entries by a text that did not run, or beside a reload that waited; exits before their text's time; and
    reloads of which something else came than the files said. Nothing of a trial whose files stayed as they were.
    """
    if aftermath.texts:
        yield from _entered_otherwise(aftermath)
        yield from _left_too_early(aftermath)
        yield from _taken_up_otherwise(aftermath)
        yield from _waits_for_nothing(aftermath)


def _entered_otherwise(aftermath: ChaosResult) -> Iterator[str]:
    running: Mapping[str, str] = {}
    waiting: set[str] = set()
    seen: set[str] = set()
    for record in aftermath.day.records:
        if (specs := _specs(record)) is not None:
            running, waiting = specs, set()
        elif record.kind is Kind.RELOAD and not record.bot:
            waiting = _waiting(record, waiting)
        elif record.kind is Kind.ORDER:
            order = decode(Order, dict(record.data))
            if order.ref in seen or order.purpose is not Purpose.ENTRY:
                continue
            seen.add(order.ref)
            if order.digest != running.get(order.bot):
                yield f"{order.ref} of {order.bot} enters by {order.digest[:8]}, which did not run at {record.at}"
            if waiting & {order.bot, _ALL}:
                yield f"{order.ref} of {order.bot} was sent at {record.at}, while a reload waited to be taken up"


def _specs(record: Record) -> Mapping[str, str] | None:
    """Return the digests of what runs from a record on, by bot, None of one that changes nothing of it."""
    found: Any = record.data.get("specs") if record.kind in (Kind.RUN_STARTED, Kind.RELOAD) else None
    return None if found is None else {name: str(each["digest"]) for name, each in found.items()}


def _waiting(record: Record, before: set[str]) -> set[str]:
    """Return the bots that wait for other texts after a record of a reload; one refused leaves an older plan."""
    data: Mapping[str, Any] = record.data
    if data["what"] == "asked":
        return {_ALL} if data["limit_changes"] else {str(each["bot"]) for each in data["changes"]}
    return before if data["what"] == "waits" or (data["what"] == "refused" and data.get("id")) else set()


def _left_too_early(aftermath: ChaosResult) -> Iterator[str]:
    """Return exits at a time of day that came before the one that the text of their position names."""
    for each in aftermath.day.positions.values():
        if each.digest not in aftermath.texts:
            yield f"{each.id} is governed by {each.digest[:8]}, which no file ever said"
    for record in aftermath.day.records:
        position = aftermath.day.positions.get(record.position)
        if record.kind is not Kind.DECISION or record.data["what"] != "exit" or position is None:
            continue
        text = aftermath.texts.get(position.digest)
        if text is not None and (due := _due(text.of(position), str(record.data["reason"]), record)):
            yield f"{position.id} leaves by {record.data['reason']} at {record.at}, its text says {due}"


def _due(bot: CompiledBot, reason: str, record: Record) -> str:
    """Return the times of an exit that acts by the clock alone, all of which are still to come; "" where none is."""
    session = session_from(exchange_date(record.at))
    exits = (planned for planned in bot.plan.exits if planned.name == reason)
    times = [at.before_close(session) for planned in exits for at in closing_times(planned)]
    return ", ".join(f"{at:%H:%M:%S} UTC" for at in times) if times and record.at < min(times) else ""


def _taken_up_otherwise(aftermath: ChaosResult) -> Iterator[str]:
    told = {each.id: each for each in aftermath.told}
    has_limits = False
    asked: tuple[tuple[str, str], ...] | None = None
    for record in aftermath.day.records:
        if record.kind is Kind.RUN_STARTED or record.data.get("what") == "applied":
            has_limits = record.data.get("limits") is not None
        if record.kind is not Kind.RELOAD or record.bot:
            continue
        what, id = record.data["what"], str(record.data.get("id", ""))
        is_fine = bool(id) and told[id].digests is not None and (told[id].limits is not None or not has_limits)
        if id and is_fine is (what == "refused"):
            said = "could be run" if is_fine else "could not be run"
            yield f"of {id}, of files that {said}, came: {what} {record.data.get('reason', '')}"
        if what == "asked":
            asked = told[id].digests
        elif what == "applied" and (specs := _specs(record)) is not None and tuple(sorted(specs.items())) != asked:
            yield f"at {record.at} other texts were taken up than the files said"


def _waits_for_nothing(aftermath: ChaosResult) -> Iterator[str]:
    """Return a reload that waits at the end though nothing is under way."""
    day, reason = aftermath.day, ""
    waiting: set[str] = set()
    for record in day.records:
        if record.kind is Kind.RUN_STARTED:
            waiting = set()
        elif record.kind is Kind.RELOAD and not record.bot:
            waiting, reason = _waiting(record, waiting), str(record.data.get("reason") or reason)
    orders = (order for order in day.orders.values() if order.status.is_live)
    is_sent = any(order.can_increase_risk or order.status is not OrderStatus.WORKING for order in orders)
    is_moving = any(position.state in ("entering", "exiting") for position in day.positions.values())
    if waiting and not (is_sent or is_moving):
        yield f"a reload waits at the end for {reason}, and nothing is under way"

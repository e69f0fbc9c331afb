"""The end of a turn: alarms, the records of what changed, and when something is due next."""

from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_day, set_bot, set_wake
from rulebot.core.state.state import State
from rulebot.model.cause import Name, Text
from rulebot.model.order import Command
from rulebot.model.values import replace
from rulebot.record.codec import encode
from rulebot.record.record import Kind, Record


class Turn(NamedTuple):
    """What one event led to. Records are written before any command leaves."""

    state: State
    records: tuple[Record, ...]
    commands: tuple[Command, ...]


def alarm(
    work: StateBuilder,
    bot: str,
    text: Text,
    position: str = "",
    *,
    again: bool = False,
    key: Name = "",
    reports: Name = "",
) -> None:
    """Record an alarm for a person, at most once a session for the same key and position.

    again: repeat it. key: its subject; "" derives one from the text. reports: the order whose end the alarm reports.
    """
    key = key or key_of(text)
    state = work.bots.by_name.get(bot)
    if state is not None:
        known = alarm_key(position, key)
        if known in state.alarmed and not again:
            return
        set_bot(work, bot, replace(state, alarmed=state.alarmed | {known}))
        if state.day.row_of and not state.day.breach:
            put_day(work, replace(state.day, breach=True))
    if reports:
        work.reported_ends.add(reports)
    work.record(Kind.ALARM, bot, position, text=text, key=key)


def alarm_of_price(work: StateBuilder, bot: str, text: str, position: str) -> None:
    """Alarm that a price is missing, unless nothing is streamed yet: then the connection has only just come."""
    if work.subscriptions.streamed:
        alarm(work, bot, text, position)


def finish_turn(work: StateBuilder, step_at: datetime | None = None, wake_at: datetime | None = None) -> Turn:
    """Return the turn. step_at, wake_at: of the schedule, None where they stay."""
    for name, readings in work.readings.items():
        set_bot(work, name, replace(work.bots.by_name[name], readings=readings))
    is_changed = work.dirty_orders or work.dirty_positions or work.dirty_days
    if is_changed and _wake_readers(work):
        step_at = wake_at = work.at
    if step_at is not None and wake_at is not None:
        work.schedule = replace(work.schedule, step_at=step_at, wake_at=wake_at)
    records = (*work.records, *_entities(work)) if is_changed else tuple(work.records)
    return Turn(work.state, records, tuple(work.commands))


def _entities(work: StateBuilder) -> list[Record]:
    """Return the records of the entities that changed."""
    orders = map(work.orders.by_ref.__getitem__, work.dirty_orders)
    positions = map(work.positions.by_id.__getitem__, work.dirty_positions)
    return [
        *[_entity(work, Kind.ORDER, order.bot, order.position, order) for order in orders],
        *[_entity(work, Kind.POSITION, position.bot, position.id, position) for position in positions],
        *[_entity(work, Kind.BOT_DAY, name, "", work.bots.by_name[name].day) for name in work.dirty_days],
    ]


def _entity(work: StateBuilder, kind: Kind, bot: str, position: str, value: object) -> Record:
    data = encode(value)
    assert isinstance(data, dict)
    return Record(work.at, kind, bot, position, data)


def _wake_readers(work: StateBuilder) -> bool:
    """Have bots judged that read the state of a bot whose orders or positions have changed; say whether any do."""
    read = {name: bot.plan.needs.bots for name, bot in work.program.bots.items() if bot.plan.needs.bots}
    if not read:
        return False
    moved = {work.positions.by_id[name].bot for name in work.dirty_positions if name in work.positions.by_id}
    moved |= {work.orders.by_ref[ref].bot for ref in work.dirty_orders if ref in work.orders.by_ref}
    readers = [name for name, others in read.items() if name in work.bots.by_name and others & moved - {name}]
    for name in readers:
        set_wake(work, name, work.at)
    return bool(readers)


def key_of(text: Text) -> Name:
    """Return the key of an alarm that names none. It must stay equal when the text is reworded."""
    return blake2b(text.encode(), digest_size=6).hexdigest()


def alarm_key(position: Name, key: Name) -> Name:
    """Return by what an alarm of a bot is known to have been raised."""
    return f"{position}: {key}"


def is_of_alarm(key: str) -> bool:
    """Say whether a key is that of an alarm: others, of what was skipped or chosen, begin with a word and a space."""
    position, colon, _ = key.partition(": ")
    return bool(colon) and " " not in position

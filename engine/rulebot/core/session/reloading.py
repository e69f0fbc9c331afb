"""Reloading: other specs take over between two turns, in the state that a restart would restore.

Days are kept, so earlier entries count. A bot with a new or changed spec begins without readings. Open positions keep
theirs: the spec under which they were opened governs them.
"""

from collections.abc import Iterable, Mapping
from enum import Enum

from rulebot.core.facts import EntryDropped, TextsChanged
from rulebot.core.program import Program
from rulebot.core.queries.close_plan import CLOSING, leaves_to_expire
from rulebot.core.rules.near_misses import end_watch
from rulebot.core.session.session_start import agenda_of, new_bot_day
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_day, set_bot, set_wake, set_watch_at
from rulebot.core.state.lists import positions_of
from rulebot.core.state.state import HALTS, NEVER, BotState, State, of_positions
from rulebot.core.state.turn import is_of_alarm
from rulebot.model.cause import Shut
from rulebot.model.event import ReloadPending
from rulebot.model.order import OrderStatus
from rulebot.model.position import Position
from rulebot.model.values import dataclass, replace
from rulebot.record.record import Json, Kind

_IN_FLIGHT = (OrderStatus.PREPARED, OrderStatus.SENDING, OrderStatus.CANCELLING, OrderStatus.UNKNOWN)


class Change(Enum):
    """What a reload means to a bot."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class BotChange:
    """One bot that a reload touches, by the digests of its texts: `was` "" when it is new, `now` "" when it goes."""

    bot: str
    was: str
    now: str

    @property
    def change(self) -> Change:
        """What happens to it."""
        if not self.was:
            return Change.ADDED
        return Change.CHANGED if self.now else Change.REMOVED

    @property
    def words(self) -> str:
        """Return it for people, digests shortened."""
        if self.change is Change.CHANGED:
            return f"{self.bot} changed, {self.was[:8]} to {self.now[:8]}"
        return f"{self.bot} {self.change.value}, {(self.now or self.was)[:8]}"


def changes_between(was: Mapping[str, str], now: Mapping[str, str]) -> tuple[BotChange, ...]:
    """Return what changes between two sets of bots, given as digests by name; sorted by name."""
    names = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
    return tuple(BotChange(name, was.get(name, ""), now.get(name, "")) for name in names)


def not_quiet(program: Program, state: State, bots: Iterable[str]) -> str:
    """Return what keeps other texts for these bots from being taken up now, "" when nothing does."""
    if not state.connection.is_ready:
        return "the connection"
    names = set(bots)
    for name in state.positions.active:
        position = state.positions.by_id[name]
        if position.bot in names and (position.state == "entering" or _is_exiting(program, state, position)):
            return f"{position.id}, which is {position.state}"
    for ref in state.orders.live:
        order = state.orders.by_ref[ref]
        if order.bot in names and (order.status in _IN_FLIGHT or order.can_increase_risk):
            return f"the {order.purpose.value} order {ref} of {order.bot}"
    return ""


def _is_exiting(program: Program, state: State, position: Position) -> bool:
    """Say whether an exit is working: not when it left legs to expire, or waits for a person."""
    if position.state != "exiting" or position.is_frozen:
        return False
    orders = (state.orders.by_ref[ref] for ref in state.orders.live)
    is_at_work = any(order.purpose in CLOSING and order.is_of(position.id) for order in orders)
    is_left = leaves_to_expire(position, program.governing(position))
    return is_at_work or position.retry_at is not None or not is_left


def reload_waits(work: StateBuilder, event: ReloadPending) -> None:
    """Stop entries of these bots until other specs are loaded; bots that may enter again confirm from the start."""
    for name in work.program.bots:
        state = work.bots.by_name[name]
        halting = {key: found for key, found in state.confirming.items() if key[0] == HALTS}
        if {"", name} & (event.bots ^ work.requests.reloading):
            set_bot(work, name, replace(state, confirming={**of_positions(state.confirming), **halting}))
            set_wake(work, name, work.at)
    work.requests = replace(work.requests, reloading=event.bots)


def have_other_limits(old: Program, new: Program) -> bool:
    """Say whether the limits over all bots differ."""
    return (old.limits, old.require) != (new.limits, new.require)


def change_texts(work: StateBuilder, changes: Iterable[BotChange], *, has_other_limits: bool) -> None:
    """Apply other specs to bots from now on."""
    for name, found in tuple(work.bots.by_name.items()) if has_other_limits else ():
        set_bot(work, name, replace(found, alarmed=_of_alarms(found)))
    for each in changes:
        work.record(Kind.RELOAD, each.bot, what=each.change.value, was=each.was, now=each.now)
        work.follow_up(EntryDropped(each.bot, f"its spec was {each.change.value}"))
        if each.change is Change.REMOVED:
            _remove(work, each.bot)
        else:
            _begin(work, each.bot)
    work.follow_up(TextsChanged())
    work.subscriptions = replace(work.subscriptions, board_version=-1, strike_targets=None)
    work.requests = replace(work.requests, reloading=frozenset())
    set_watch_at(work, None)


def _begin(work: StateBuilder, name: str) -> None:
    session = work.schedule.session
    before = work.bots.by_name.get(name)
    if before is None or before.is_gone:
        before = BotState(day=new_bot_day(work, name, session))
    set_bot(
        work,
        name,
        BotState(
            day=before.day,
            grid_since=before.grid_since,
            readings=of_positions(before.readings),
            confirming=of_positions(before.confirming),
            unknown_since=before.unknown_since,
            reported_unknown=before.reported_unknown,
            trailing=before.trailing,
            alarmed=_of_alarms(before),
            blocked=before.blocked,
            agenda=agenda_of(work, name, session),
        ),
    )
    put_day(work, before.day)
    set_wake(work, name, work.at)


def _of_alarms(state: BotState) -> frozenset[str]:
    return frozenset(filter(is_of_alarm, state.alarmed))


def _remove(work: StateBuilder, name: str) -> None:
    """Let a bot enter nothing more; what it holds is governed as before, by the text it was opened under."""
    if name not in work.bots.by_name:
        return
    if work.bots.by_name[name].is_watching:
        end_watch(work, name, Shut.REMOVED, "its spec was removed")
    held = bool(positions_of(work, name))
    waits = "its spec was removed; what it holds is closed by the text it was opened under" if held else ""
    agenda = agenda_of(work, name, work.schedule.session)
    state = replace(
        work.bots.by_name[name], is_watching=False, nearest=None, selection=None, status_text=waits, agenda=agenda
    )
    set_bot(work, name, replace(state, readings=of_positions(state.readings), is_waiting_to_enter=False, margins=()))
    set_wake(work, name, work.at if held else NEVER)


def reported_changes(changes: Iterable[BotChange]) -> list[Json]:
    """Return changes as a record keeps them."""
    return [{"bot": each.bot, "change": each.change.value, "was": each.was, "now": each.now} for each in changes]

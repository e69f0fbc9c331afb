"""Requests of operators: pause, resume, kill, flatten, close, keep, enter, stop."""

from rulebot.core.emit.orders import cancel, cancel_entries
from rulebot.core.facts import EntryAskedFor, HaltsEnded
from rulebot.core.gate.exit_retry import resume_position
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_day, set_wake, set_watch_at
from rulebot.core.state.lists import live_orders_of
from rulebot.core.state.state import Named, OperatorState, after_request
from rulebot.core.state.turn import alarm
from rulebot.model.cause import Cause
from rulebot.model.event import (
    OperatorRequest,
    Request,
)
from rulebot.model.values import replace
from rulebot.record.codec import encode
from rulebot.record.record import Json, Kind


def on_operator(work: StateBuilder, event: OperatorRequest) -> None:
    """Take a request of an operator, once."""
    if event.id in work.requests.ids:
        return
    work.requests = replace(work.requests, ids=work.requests.ids | {event.id})
    closes = _closes(work, event)
    bot = _record_request(work, event, closes)
    standing = work.requests.operator
    standing = after_request(standing, event.request, event.bot, event.position, event.reason, closes)
    if event.request is Request.CLOSE:
        standing = _close_too(work, event, bot, standing)
    _act_on_request(work, event)
    work.requests = replace(work.requests, operator=standing)


def _record_request(work: StateBuilder, event: OperatorRequest, closes: list[str]) -> str:
    """Record a request with all that a restart needs of it; return the bot that it is about, "" for all."""
    bot, requests = event.bot, work.requests
    reported: dict[str, Json] = {}
    if event.request is Request.RESUME and not event.bot and work.inquiries.foreign_orders:
        reported["acknowledged_foreign_orders"] = [*sorted(work.inquiries.foreign_orders)]
        requests = replace(
            requests, acknowledged_foreign_orders=requests.acknowledged_foreign_orders | work.inquiries.foreign_orders
        )
        work.inquiries = replace(work.inquiries, foreign_orders=frozenset())
        work.requests = requests
    if event.reason:
        reported["reason"] = event.reason
    if event.legs:
        reported |= {"legs": {name: encode(option) for name, option in event.legs}, "alternative": event.alternative}
    if closes:
        reported["closes"] = [*closes]
    if event.request in (Request.CLOSE, Request.KEEP):
        reported["position"] = event.position
        bot = bot or (work.positions.by_id[event.position].bot if event.position in work.positions.by_id else "")
    work.record(Kind.OPERATOR, bot, "", id=event.id, request=event.request.value, bot=bot, **reported)
    return bot


def _act_on_request(work: StateBuilder, event: OperatorRequest) -> None:
    """Act on a request at once; its lasting part is kept with the other requests."""
    if event.request is Request.CLOSE:
        _close_one(work, event.position)
    elif event.request is Request.KEEP:
        _keep_one(work, event.position)
    elif event.request is Request.ENTER:
        named = Named(event.legs, event.alternative) if event.legs else None
        work.follow_up(EntryAskedFor(event.bot, named))
        set_watch_at(work, work.at)
    elif event.request is Request.RESUME:
        _end_halts(work, event.bot)
    elif event.request in (Request.KILL, Request.FLATTEN):
        cancel_entries(work, event.bot, Cause.KILLED)
        for name in work.bots.by_name if event.request is Request.FLATTEN else ():
            if event.bot in ("", name):
                set_wake(work, name, work.at)
    elif event.request is Request.STOP:
        cancel_entries(work, event.bot, Cause.STOPPING)
        work.requests = replace(work.requests, is_stopping=True)


def _close_too(work: StateBuilder, event: OperatorRequest, bot: str, standing: OperatorState) -> OperatorState:
    """Close the target of a working roll too: the roll order may fill before its cancel."""
    for order in live_orders_of(work, event.position):
        if order.opens_position and order.position == event.position:
            reported: dict[str, Json] = {"position": order.opens_position}
            work.record(Kind.OPERATOR, bot, "", id=event.id, request=event.request.value, bot=bot, **reported)
            standing = after_request(standing, event.request, event.bot, order.opens_position)
    return standing


def _closes(work: StateBuilder, event: OperatorRequest) -> list[str]:
    """Return the positions to close by name from now on.

    When bots may enter again: those with a requested close, and the targets of their rolls. When everything is closed:
    those that were kept until now.
    """
    standing = work.requests.operator
    held = [each for each in work.positions.by_id.values() if event.bot in ("", each.bot) and each.state != "closed"]
    if event.request is Request.FLATTEN:
        return sorted(each.id for each in held if each.id in standing.kept)
    if event.request is not Request.RESUME:
        return []
    found = {each.id for each in held if standing.must_close(each.bot, each.id)}
    rolled = {order.opens_position for name in found for order in live_orders_of(work, name) if order.opens_position}
    return sorted(found | rolled)


def _keep_one(work: StateBuilder, name: str) -> None:
    """Return a position to its exits, unless it is already closing: an exit continues until it is complete."""
    position = work.positions.by_id.get(name)
    if position is None or position.state == "closed":
        return
    if position.is_flattening:
        alarm(work, position.bot, f"{name} is already being closed, as requested", name, again=True)
    set_wake(work, position.bot, work.at)


def _close_one(work: StateBuilder, name: str) -> None:
    """Cancel what would still open a position and check it again; its close stays requested."""
    position = work.positions.by_id.get(name)
    if position is None:
        return
    for order in live_orders_of(work, name):
        if order.opens(name):
            cancel(work, order, Cause.CLOSED_BY_OPERATOR)
    set_wake(work, position.bot, work.at)


def _end_halts(work: StateBuilder, bot: str) -> None:
    """Let bots enter again today at an operator's request; a persistent cause halts them again."""
    for name, state in list(work.bots.by_name.items()):
        if bot in ("", name) and state.day.halt:
            put_day(work, replace(state.day, halt=None, halted="", halt_rule="", closing="", closing_text=""))
            set_wake(work, name, work.at)
    work.follow_up(HaltsEnded(bot))
    resume_position(work, bot)

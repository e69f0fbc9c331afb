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
    told: dict[str, Json] = {}
    if event.request is Request.RESUME and not event.bot and work.inquiries.foreign_orders:
        told["acknowledged_foreign_orders"] = [*sorted(work.inquiries.foreign_orders)]
        requests = replace(
            requests, acknowledged_foreign_orders=requests.acknowledged_foreign_orders | work.inquiries.foreign_orders
        )
        work.inquiries = replace(work.inquiries, foreign_orders=frozenset())
        work.requests = requests
    if event.reason:
        told["reason"] = event.reason
    if event.legs:
        told |= {"legs": {name: encode(option) for name, option in event.legs}, "alternative": event.alternative}
    if closes:
        told["closes"] = [*closes]
    if event.request in (Request.CLOSE, Request.KEEP):
        told["position"] = event.position
        bot = bot or (work.positions.by_id[event.position].bot if event.position in work.positions.by_id else "")
    work.record(Kind.OPERATOR, bot, "", id=event.id, request=event.request.value, bot=bot, **told)
    return bot


def _act_on_request(work: StateBuilder, event: OperatorRequest) -> None:
    """Do what a request asks for at once; what it asks for from now on stands with the others."""
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
    """Have what a position is being rolled into closed, too: the order that rolls may fill before it is taken back."""
    for order in live_orders_of(work, event.position):
        if order.opens_position and order.position == event.position:
            told: dict[str, Json] = {"position": order.opens_position}
            work.record(Kind.OPERATOR, bot, "", id=event.id, request=event.request.value, bot=bot, **told)
            standing = after_request(standing, event.request, event.bot, order.opens_position)
    return standing


def _closes(work: StateBuilder, event: OperatorRequest) -> list[str]:
    """Return what is there and is closed by name from now on.

    As bots may enter again that is what was asked to be closed, with what it is being rolled into, for the order that
    rolls may fill before it is taken back; as all is closed what was kept until now.
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
    """Leave a position to its exits again, unless it is being closed already: an exit goes on until it is done."""
    position = work.positions.by_id.get(name)
    if position is None or position.state == "closed":
        return
    if position.is_flattening:
        alarm(work, position.bot, f"{name} is being closed already, as was asked: that goes on", name, again=True)
    set_wake(work, position.bot, work.at)


def _close_one(work: StateBuilder, name: str) -> None:
    """Take back what would still open a position, and have it looked at; that it must be closed stands."""
    position = work.positions.by_id.get(name)
    if position is None:
        return
    for order in live_orders_of(work, name):
        if order.opens(name):
            cancel(work, order, Cause.CLOSED_BY_OPERATOR)
    set_wake(work, position.bot, work.at)


def _end_halts(work: StateBuilder, bot: str) -> None:
    """An operator lets bots enter again today, whatever had halted them; what is still so halts them anew."""
    for name, state in list(work.bots.by_name.items()):
        if bot in ("", name) and state.day.halt:
            put_day(work, replace(state.day, halt=None, halted="", halt_rule="", closing="", closing_text=""))
            set_wake(work, name, work.at)
    work.follow_up(HaltsEnded(bot))
    resume_position(work, bot)

"""The safeguards, each with what switches it off and the kinds of faults that are aimed at it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from rulebot.adapters.ib import connection_errors
from rulebot.adapters.ib.link import IbLink
from rulebot.core.entry import entry_rules
from rulebot.core.exits import bracket_orders, broken_combos, closing_orders
from rulebot.core.orders import (
    executions,
    order_mismatch,
    order_status_requests,
    order_updates,
    revived_orders,
    working_orders,
)
from rulebot.core.program import Program
from rulebot.core.queries import close_plan, orders
from rulebot.core.reconciliation import account_shortfall, connection
from rulebot.core.session import reloading, session_start
from rulebot.core.state import builder
from rulebot.core.state.changes import put_booked, put_day, put_order, take_numbers
from rulebot.core.state.lists import live_orders_of, positions_of
from rulebot.decide import entry_window, limits
from rulebot.fill.ledger import BookedExecution
from rulebot.live import loop
from rulebot.model.event import ExecutionReport
from rulebot.model.order import ExecutionId, Order, OrderStatus, Purpose, Submit
from rulebot.order import price
from rulebot.recovery import resume
from tests.safeguards.swap import method, swapped

Off = Callable[[], AbstractContextManager[None]]
BOTH = ("dte0_condor", "spy_put_seller")
SELLER = ("spy_put_seller",)
CONDOR = ("dte0_condor",)


@dataclass(frozen=True)
class Safeguard:
    """One safeguard: its name, what happens without it, the kinds that try it, and the bots."""

    name: str
    without: str
    off: Off
    kinds: str
    bots: tuple[str, ...] = BOTH


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _off(*pairs: tuple[Any, Any]) -> Off:
    return lambda: swapped(*pairs)


# ---------------------------------------------------------------- sending


def _send_then_write(self: loop.Loop, event: Any) -> None:
    result = loop.handle_event(self.program, self.state, event)
    for command in result.commands:
        self._do(command)
    if result.records or result.commands:
        self._write(result.records, result.commands)
    self.state = result.state


def _follow_and_resend(old: Any) -> Any:
    def follow(at_work: builder.StateBuilder, order: Order) -> None:
        if order.status is OrderStatus.UNKNOWN and order.purpose is Purpose.ENTRY:
            _, order_id = take_numbers(at_work)
            again = replace(order, order_id=order_id, status=OrderStatus.SENDING, sent_at=at_work.at)
            at_work.commands.append(Submit(put_order(at_work, again)))
            return
        old(at_work, order)

    return follow


def _many_entries(at_work: builder.StateBuilder, bot: Any) -> None:
    """Judge without looking whether an entry is at work already, until two positions are."""
    start, end = bot.window(at_work.state.schedule.session, at_work.at)
    if start <= at_work.at < end and len(list(positions_of(at_work, bot.plan.name))) < 2:
        entry_rules._judge_entry(at_work, bot)


def _no_window(old: Any) -> Any:
    def found(entry: Any, session: Any, times: Any, day: Any, open_now: int, now: Any) -> entry_window.Opportunity:
        return old(entry, session, (session.open, session.close), day, open_now, now)

    return found


def _no_cap(old: Any) -> Any:
    def found(entry: Any, session: Any, times: Any, day: Any, open_now: int, now: Any) -> entry_window.Opportunity:
        fresh = replace(day, opened=0, entries=0, reentries=0, before=0)
        return old(entry, session, times, fresh, 0, now)

    return found


def _off_the_grid(old: Any) -> Any:
    return lambda *args, **named: old(*args, **named) + Decimal("0.01")


# ---------------------------------------------------------------- executions


def _every_time(at_work: builder.StateBuilder, event: ExecutionReport) -> None:
    base = event.exec_id.execution
    booked = {key: value for key, value in at_work.positions.executions.items() if key != base}
    at_work.positions = replace(at_work.positions, executions=booked)
    at_work.own.add("executions")
    _ON_EXECUTION(at_work, event)


def _corrections_added(at_work: builder.StateBuilder, event: ExecutionReport) -> None:
    base, revision = event.exec_id
    if revision > 1:
        event = replace(event, exec_id=ExecutionId(f"{base}{revision}"))
    _ON_EXECUTION(at_work, event)


def _summary_counted(at_work: builder.StateBuilder, event: ExecutionReport) -> None:
    order = order_updates.find_order(at_work, event) if event.is_combo else None
    if order is not None:
        event = replace(event, is_combo=False, option=order.legs[0].option)
    _ON_EXECUTION(at_work, event)


def _only_of_live_orders(at_work: builder.StateBuilder, event: ExecutionReport) -> None:
    order = order_updates.find_order(at_work, event)
    if order is None or order.status.is_live:
        _ON_EXECUTION(at_work, event)


_ON_EXECUTION = executions.on_execution


def _seen_or_not(self: IbLink, fields: list[str]) -> Any:
    self._seen.clear()
    return _READ(self, fields)


_READ = IbLink._read


@contextmanager
def _counted_again() -> Any:
    with ExitStack() as both:
        both.enter_context(swapped((executions.on_execution, _every_time)))
        both.enter_context(method(IbLink, "_read", _seen_or_not))
        yield


def _commission_again(at_work: builder.StateBuilder, event: Any) -> None:
    base = event.exec_id.execution
    known: BookedExecution | None = at_work.positions.executions.get(base)
    if known is not None and known.commission:
        put_booked(at_work, base, replace(known, commission=Decimal(0)))
    _ON_COMMISSION(at_work, event)


_ON_COMMISSION = executions.on_commission


@contextmanager
def _commissions_again() -> Any:
    with ExitStack() as both:
        both.enter_context(swapped((executions.on_commission, _commission_again)))
        both.enter_context(method(IbLink, "_read", _seen_or_not))
        yield


# ---------------------------------------------------------------- orders that end, or do not


def _any_code_ends(at_work: builder.StateBuilder, event: Any) -> None:
    order = at_work.orders.by_ref.get(at_work.orders.ref_of_id.get(event.order_id, ""))
    if order is not None and order.status.is_live:
        order = put_order(at_work, replace(order.hearing(event.message), reported_final_status=OrderStatus.CANCELLED))
        order_updates.finalize_order(at_work, order)


def _never_take_back(old: Any) -> Any:
    def follow(at_work: builder.StateBuilder, order: Order) -> None:
        if order.status is not OrderStatus.UNKNOWN:
            old(at_work, order)

    return follow


def _ask_to_cancel_once(old: Any) -> Any:
    def follow(at_work: builder.StateBuilder, order: Order) -> None:
        if order.status is not OrderStatus.CANCELLING:
            old(at_work, order)

    return follow


def _no_lists(self: IbLink, wire: Any) -> Any:
    async def empty() -> list[Any]:
        return []

    return empty()


def _their_id(self: Any, event: Any) -> Any:
    state = _LINK_UP(self, event)
    self.next_order_id = event.next_order_id
    return state


_LINK_UP = connection.link_up


# ---------------------------------------------------------------- exits


def _at_once(at_work: builder.StateBuilder, position: Any) -> None:
    """Send the closing order while everything else of the position still works."""
    sent = [each for each in live_orders_of(at_work, position.id) if each.purpose in close_plan.CLOSING]
    if position.state == "exiting" and not position.hold and orders.is_trading(at_work) and not sent:
        closing_orders._send_closing(at_work, position)


def _one_more(old: Any) -> Any:
    return lambda position, bot: [(leg, count + 1) for leg, count in old(position, bot)]


# ---------------------------------------------------------------- specs that change


def _newest_text(self: Program, bot: str, digest: str) -> Any:
    return self.bots.get(bot) or self.pinned[digest]


def _fresh_day(at_work: builder.StateBuilder, name: str) -> None:
    _BEGIN_BOT(at_work, name)
    put_day(at_work, session_start.new_bot_day(at_work, name, at_work.state.schedule.session))


_BEGIN_BOT = reloading._begin


def _switch(function: Any, make: Any) -> Off:
    return lambda: swapped((function, make(function)))


FOLLOW = working_orders.advance_order
SAFEGUARDS = (
    Safeguard(
        "one entry at a time", "a second one is sent", _off((entry_rules.evaluate_entry, _many_entries)), "lose_ack"
    ),
    Safeguard(
        "written before it is sent",
        "a crash between leaves an order of which no record is",
        lambda: method(loop.Loop, "_handle", _send_then_write),
        "crash,power_cut",
    ),
    Safeguard("never sent again", "UNKNOWN is sent anew", _switch(FOLLOW, _follow_and_resend), "lose_ack,cut,crash"),
    Safeguard(
        "what comes to life late is taken back",
        "it works on, and nobody knows",
        _off((revived_orders.cancel_revived, _nothing)),
        "late_order",
    ),
    Safeguard("an execution counts once", "it counts as often as it is told", _counted_again, "duplicate,crash"),
    Safeguard(
        "a correction replaces", "it is added", _off((executions.on_execution, _corrections_added)), "correction"
    ),
    Safeguard(
        "a combo's own execution moves nothing",
        "it is booked as a leg's",
        _off((executions.on_execution, _summary_counted)),
        "duplicate",
        CONDOR,
    ),
    Safeguard("a commission counts once", "it counts twice", _commissions_again, "duplicate,correction"),
    Safeguard(
        "a done order's fill counts",
        "it is passed over",
        _off((executions.on_execution, _only_of_live_orders)),
        "late_fill,late_leg,flatten",
    ),
    Safeguard(
        "what the account lacks is on hold",
        "it is closed once more",
        _off((account_shortfall.hold, _nothing)),
        "person_closes,flatten",
    ),
    Safeguard(
        "nothing else works when an exit is sent",
        "target, stop and exit fill together",
        _off((closing_orders.work_close, _at_once)),
        "flatten",
        SELLER,
    ),
    Safeguard(
        "an exit is no larger than what is held",
        "one more is closed",
        _switch(close_plan.legs_to_close, _one_more),
        "flatten",
    ),
    Safeguard(
        "nothing is traded before the lists are complete",
        "what is not listed is taken for gone",
        lambda: method(IbLink, "_lists", _no_lists),
        "crash,cut",
    ),
    Safeguard(
        "one list ends no order",
        "a stop that works is put back beside itself",
        _off((order_status_requests._missing_at_first, order_status_requests.not_found)),
        "short_list,crash",
        SELLER,
    ),
    Safeguard("prices on the tick", "a cent beside it", _switch(price.limit_net, _off_the_grid), "warning"),
    Safeguard("the entry window", "entries all day", _switch(entry_rules.opportunity, _no_window), "warning"),
    Safeguard("the cap of a day", "as many as fit", _switch(entry_rules.opportunity, _no_cap), "warning,flatten"),
    Safeguard(
        "the floor of order ids",
        "the broker's number is taken",
        _off((connection.link_up, _their_id)),
        "roll_back_ids,crash",
    ),
    Safeguard(
        "a resting pair is made whole",
        "a position stands without its stop",
        _off((bracket_orders._missing, lambda *_: [])),
        "crash",
        SELLER,
    ),
    Safeguard(
        "a kill lasts over a restart",
        "the next start enters",
        lambda: method(resume, "after_record", lambda standing, *_: standing),
        "kill,crash",
    ),
    Safeguard("a kill stops entries", "they go on", _off((limits._trading, lambda _: "")), "kill,pause"),
    Safeguard(
        "a warning does not end an order", "it is given up", _off((order_updates.on_message, _any_code_ends)), "warning"
    ),
    Safeguard(
        "Inactive alone does not end an order",
        "it is given up, and another sent",
        _off((orders.has_reason, lambda _: True)),
        "inactive",
    ),
    Safeguard(
        "what has no partner is closed",
        "a leg stands alone",
        _off((close_plan.is_unwound, lambda _: True)),
        "one_leg,correction",
        CONDOR,
    ),
    Safeguard(
        "what fills after the end is closed",
        "a leg stands alone after a start",
        _off((broken_combos.close_broken_combos, _nothing)),
        "one_leg,crash",
        CONDOR,
    ),
    Safeguard(
        "what is not answered is asked for",
        "a fill is never heard of",
        _off((order_status_requests.send_status_requests, _nothing)),
        "lost_execution,swallow_order",
    ),
    Safeguard(
        "an UNKNOWN order is taken back", "it stays UNKNOWN", _switch(FOLLOW, _never_take_back), "swallow_order,pacing"
    ),
    Safeguard(
        "a cancel is repeated",
        "an order that was to go works on",
        _switch(FOLLOW, _ask_to_cancel_once),
        "swallow_cancel,flatten",
        SELLER,
    ),
    Safeguard(
        "what the broker took is compared",
        "an order of another size works",
        _off((order_mismatch._differences, lambda *_: [])),
        "preset",
    ),
    Safeguard(
        "a fill beyond the order is alarmed", "no check", _off((order_mismatch.check_count, _nothing)), "overfill"
    ),
    Safeguard(
        "an open position keeps its text",
        "that of a reload governs it",
        lambda: method(Program, "text", _newest_text),
        "reload,reload_broken",
    ),
    Safeguard(
        "what was entered counts on over a reload",
        "it enters once more",
        _off((reloading._begin, _fresh_day)),
        "reload,reload_broken",
    ),
    Safeguard(
        "the account is checked",
        "another account is traded",
        _off((connection_errors.check_account, lambda _, accounts: accounts[0])),
        "wrong_account",
    ),
)

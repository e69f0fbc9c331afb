"""How long an engine that is to end waits for the answers to its cancels: by the clock, however busy the market is."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hand_desk import SELLER, Desk, order_report, put, text_of

from rulebot.live.loop import STOP_PATIENCE, STOPPED, Loop
from rulebot.model.event import BrokerStatus, MarketDataUpdated, OperatorRequest, Request
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.ports import Batch

BUSY, QUIET = timedelta(milliseconds=5), timedelta(seconds=0.25)


class Link:
    """A connection over which the market moves every so often, and a cancel is answered so late, if at all."""

    is_up, is_lockstep = True, False

    def __init__(self, order: Order, began: datetime, every: timedelta, answers: timedelta | None) -> None:
        self._order, self._every, self.at = order, every, began
        self._answered_at = None if answers is None else began + answers

    async def next(self, _: datetime | None) -> Batch:
        self.at += self._every
        moved = MarketDataUpdated(self.at, ())
        if self._answered_at is None or self.at < self._answered_at:
            return Batch(self.at, (moved,))
        self._answered_at = None
        return Batch(self.at, (order_report(self._order, self.at, BrokerStatus.CANCELLED), moved))


class Ports:
    """Takes what is written and sent."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


def entering() -> Desk:
    """Return a desk with an entry at work."""
    desk = Desk()
    desk.ack(desk.enter())
    return desk


def rolling() -> Desk:
    """Return a desk with a roll at work."""
    roll = "{expiry: {dte: {at_least: 1}}, require: [{credit: {at_least: 1.00}}]}"
    exits = f"\n  - vix: {{above: 20}}\n    roll: {roll}\n  - sessions_in_trade: {{at_least: 3}}\n"
    entry = '{window: {from: "10:00", to: "11:00"}, max_open: 2}'
    desk = Desk((text_of(entry=entry, exits=exits, risk="{max_loss_per_trade: $20000}"),))
    desk.opened()
    for strike, bid in ((5945, 3.95), (5935, 1.45)):
        desk.quote(put(strike, expiry=desk.expiry_90), bid, bid + 0.10, -0.30)
    desk.level("VIX", 21.0)
    desk.tick(1)
    assert desk.last.purpose is Purpose.ROLL
    desk.ack(desk.last)
    return desk


def clearing() -> Desk:
    """Return a desk with a protective stop that is being taken back for an entry of another bot, not sent yet."""
    kept = {"exits": "\n  - at_expiry: settle\n", "risk": "{undefined_risk: allow, protect: {cost: 4x credit}}"}
    second = {"entry": '{window: {from: "10:10", to: "10:20"}, max_open: 5}', "exits": '\n  - time: "15:45"\n'}
    texts = (text_of("seller", **{**SELLER, **kept}), text_of("second", **{**SELLER, **second}))
    desk = Desk(texts, at="10:00")
    desk.opened("10:01")
    desk.tick(1)
    desk.ack(desk.last)
    desk.until("10:10")
    assert [(order.purpose, order.status) for order in desk.live] == [(Purpose.PROTECT, OrderStatus.CANCELLING)]
    return desk


def stopped(
    every: timedelta, answers: timedelta | None, make: Callable[[], Desk] = entering
) -> tuple[Loop, OrderStatus, timedelta]:
    """Stop an engine with an order at work; return its loop, what became of the order, and when it ended."""
    desk, ports = make(), Ports()
    order = desk.last
    link, began, asked = Link(order, desk.now, every, answers), desk.now, ["1"]

    def inbox(at: datetime) -> Sequence[OperatorRequest]:
        return [OperatorRequest(at, asked.pop(), Request.STOP)] if asked else []

    given: Any = {"link": link, "feed": ports, "broker": ports, "journal": ports}
    loop = Loop(desk.program, desk.state, inbox=inbox, watcher=lambda loop, at: None, **given)
    loop._prepared = loop._prepared_on = desk.state.schedule.session.date
    loop.at = began
    asyncio.run(loop._go_on(lambda at: ""))
    return loop, loop.state.orders.by_ref[order.ref].status, link.at - began


@pytest.mark.parametrize("every", [BUSY, QUIET])
def test_a_cancel_is_waited_for_in_a_busy_market_as_in_a_quiet_one(every: timedelta) -> None:
    """Thirty moves of the market, a moment on a live feed, ended the engine with its entry at work."""
    loop, status, took = stopped(every, answers=timedelta(seconds=2))
    assert (loop.reason, status) == (STOPPED, OrderStatus.CANCELLED)
    assert took < timedelta(seconds=2.5)


def test_what_gives_way_to_an_entry_is_put_back_before_the_engine_ends() -> None:
    """It ended at once: nothing rested until the next start, though exits were said to stay."""
    loop, status, _ = stopped(QUIET, timedelta(seconds=2), clearing)
    assert (loop.reason, status) == (STOPPED, OrderStatus.CANCELLED)
    live = [loop.state.orders.by_ref[ref] for ref in loop.state.orders.live]
    assert [order.purpose for order in live] == [Purpose.PROTECT]


def test_the_cancel_of_a_roll_is_waited_for_too() -> None:
    """The engine ended at once, and what it might still open had nothing put to rest for it."""
    loop, status, _ = stopped(QUIET, timedelta(seconds=2), rolling)
    assert (loop.reason, status) == (STOPPED, OrderStatus.CANCELLED)


@pytest.mark.parametrize("every", [BUSY, QUIET])
def test_a_cancel_that_is_never_answered_does_not_hold_the_engine(every: timedelta) -> None:
    loop, _, took = stopped(every, answers=None)
    assert loop.reason == STOPPED
    assert STOP_PATIENCE <= took <= STOP_PATIENCE + 2 * every

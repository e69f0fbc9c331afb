"""A store that takes no more while something works at the broker: what opens is taken back, what closes stays."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hand_desk import Desk, clock

from engine.model.errors import StoreError, UnwrittenError
from engine.model.event import MarketMoved
from engine.model.order import Order
from engine.ports import Batch
from engine.run import start
from engine.run.loop import Loop
from engine.run.start import _closed_after

FULL = "the store a.db cannot grow: the disk is full"


class Link:
    """A connection that stands, or has just been lost."""

    is_lockstep = False

    def __init__(self, *, is_up: bool) -> None:
        self.is_up = is_up


class Journal:
    """Takes nothing."""

    def __init__(self, error: StoreError) -> None:
        self._error = error

    def append(self, records: Any, *, durable: bool) -> None:
        raise self._error

    def close(self) -> None:
        raise StoreError("the disk is still full")


class Broker:
    """Hears cancels."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    def cancel(self, order: Order) -> None:
        self.cancelled.append(order.ref)


def ended(desk: Desk, error: StoreError, *, is_up: bool = True) -> tuple[str, list[str]]:
    """Run until the next record is refused; return what the run ends with, and what was cancelled."""
    broker, nothing = Broker(), None
    ports: Any = {"link": Link(is_up=is_up), "feed": nothing, "broker": broker, "journal": Journal(error)}
    loop = Loop(desk.program, desk.state, inbox=lambda at: [], watcher=lambda loop, at: None, **ports)
    at = desk.now.replace(minute=desk.now.minute + 5)
    with pytest.raises(StoreError) as caught:
        asyncio.run(loop.run(Batch(at, (MarketMoved(at, ()),)), lambda at: ""))
    return caught.value.message, broker.cancelled


def test_76_an_entry_at_work_is_taken_back_when_nothing_can_be_written_any_more() -> None:
    """It worked on without an engine, and its fill was on no record."""
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    told = "asked back from the broker, who was not heard any more: 1 order to open something: look in TWS"
    assert ended(desk, UnwrittenError(FULL)) == (f"{FULL}; {told}", [order.ref])


def test_an_exit_at_work_stays() -> None:
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    desk.ack(desk.last)
    assert ended(desk, UnwrittenError(FULL)) == (FULL, [])


def test_what_cannot_be_taken_back_is_told() -> None:
    desk = Desk()
    desk.ack(desk.enter())
    told = "at work there may still be 1 order to open something: look in TWS"
    assert ended(desk, UnwrittenError(FULL), is_up=False) == (f"{FULL}; {told}", [])


def test_an_engine_whose_store_was_taken_over_takes_nothing_back() -> None:
    """The other engine looks after what is at the broker."""
    desk = Desk()
    desk.ack(desk.enter())
    assert ended(desk, StoreError("taken over")) == ("taken over", [])


def test_noting_the_end_does_not_hide_what_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error at the end of the output said that the disk is full, and nothing of the order."""

    class Nothing:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    class Ended(Nothing):
        reason, at, tape = "", None, Nothing()

        async def run(self, *_: Any) -> None:
            raise UnwrittenError("1 order to open something asked back")

    run: Any = SimpleNamespace(loop=Ended(), first=clock("10:00"), is_over=False, says=None)
    run.reloader = run.inbox = run.options = Nothing()
    run.world = SimpleNamespace(ib=SimpleNamespace(link=Nothing()))
    first, journal = Batch(clock("10:00"), ()), cast(Any, Journal(UnwrittenError(FULL)))
    monkeypatch.setattr(start, "AfterClose", lambda *_, **__: Nothing())
    with pytest.raises(UnwrittenError, match="asked back"):
        asyncio.run(start._drive(run, first, journal))
    assert run.loop.reason == "1 order to open something asked back"


def test_closing_the_store_does_not_hide_what_was_told() -> None:
    journal: Any = Journal(StoreError(FULL))
    with pytest.raises(UnwrittenError, match="asked back"), _closed_after(journal):
        raise UnwrittenError("1 order to open something asked back")
    with pytest.raises(StoreError, match="still full"), _closed_after(journal):
        """Nothing has gone wrong before."""

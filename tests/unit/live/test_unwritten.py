"""A store that takes no more while something works at the broker: what opens is taken back, what closes stays."""

import asyncio
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hand_desk import Desk, clock

from rulebot.live import start
from rulebot.live.loop import Loop
from rulebot.live.start import _closed_after
from rulebot.model.cause import Cause, cause_text
from rulebot.model.errors import StoreError, UnwrittenError
from rulebot.model.event import MarketDataUpdated
from rulebot.model.order import Order, OrderStatus
from rulebot.ports import Batch
from rulebot.record.record import Kind, Record

FULL = "the store a.db cannot grow: the disk is full"


class Link:
    """A connection that stands, or has just been lost."""

    is_lockstep = False

    def __init__(self, *, is_up: bool) -> None:
        self.is_up = is_up


class Journal:
    """Takes nothing, or only what comes after so many that it refuses."""

    problem, help, is_full = "", "", False

    def __init__(self, error: StoreError, refuses: int | None = None) -> None:
        self._error, self._refuses = error, refuses
        self.appended: list[list[Record]] = []

    def append(self, records: Any, *, durable: bool, opens: bool = False) -> None:
        if self._refuses == 0:
            self.appended.append([*records])
            return
        self._refuses = None if self._refuses is None else self._refuses - 1
        raise self._error

    def catch_up(self, at: datetime) -> None:
        """Nothing waits."""

    def close(self) -> None:
        raise StoreError("the disk is still full")


class Broker:
    """Hears cancels."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    def cancel(self, order: Order) -> None:
        self.cancelled.append(order.ref)


def loop_of(desk: Desk, journal: Journal, *, is_up: bool = True) -> tuple[Loop, Batch, Broker]:
    """Return a loop in the state of a desk, its first batch, and its broker."""
    broker, nothing = Broker(), None
    ports: Any = {"link": Link(is_up=is_up), "feed": nothing, "broker": broker, "journal": journal}
    loop = Loop(desk.program, desk.state, inbox=lambda at: [], watcher=lambda loop, at: None, **ports)
    at = desk.now.replace(minute=desk.now.minute + 5)
    return loop, Batch(at, (MarketDataUpdated(at, ()),)), broker


def ended(desk: Desk, error: StoreError, *, is_up: bool = True) -> tuple[str, list[str]]:
    """Run until the next record is refused; return what the run ends with, and what was cancelled."""
    loop, first, broker = loop_of(desk, Journal(error), is_up=is_up)
    with pytest.raises(StoreError) as caught:
        asyncio.run(loop.run(first, lambda at: ""))
    return caught.value.message, broker.cancelled


class Nothing:
    """Whatever is asked of it, nothing is done."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def run_of(loop: Any, at: datetime, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a run of this loop and of nothing else."""
    monkeypatch.setattr(start, "AfterClose", lambda *_, **__: Nothing())
    run = SimpleNamespace(loop=loop, first=at, last=None, is_over=False, says=None)
    run.reloader = run.inbox = run.options = Nothing()
    run.world = SimpleNamespace(ib=SimpleNamespace(link=Nothing()))
    return run


def test_76_an_entry_at_work_is_cancelled_when_nothing_can_be_written_any_more() -> None:
    """It worked on without an engine, and its fill was on no record."""
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    reported = "cancels without an answer from the broker: 1 order to open something: check TWS"
    assert ended(desk, UnwrittenError(FULL)) == (f"{FULL}; {reported}", [order.ref])


def test_what_is_on_its_way_out_is_asked_back_once_more() -> None:
    """The link may have been down when its cancel was to leave."""
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.ask_kill()
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    reported = "cancels without an answer from the broker: 1 order to open something: check TWS"
    assert ended(desk, UnwrittenError(FULL)) == (f"{FULL}; {reported}", [order.ref])


def test_the_next_start_knows_what_was_asked_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It said that somebody at the broker had cancelled the entry."""
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    journal = Journal(UnwrittenError(FULL), refuses=1)
    loop, first, _ = loop_of(desk, journal)
    with pytest.raises(UnwrittenError, match="cancels without an answer"):
        asyncio.run(start._drive(run_of(loop, first.at, monkeypatch), first, cast(Any, journal)))
    (records,) = journal.appended
    assert [record.kind for record in records] == [Kind.ORDER, Kind.RUN_ENDED]
    desk.records += records
    desk.now = first.at
    desk.start_again()
    desk.link(refs=())
    desk.confirm_gone()
    gone = desk.order(order.ref)
    assert (gone.status, gone.cause) == (OrderStatus.CANCELLED, Cause.STORE_FULL)
    (why,) = [record.data["reason"] for record in desk.records if record.data.get("what") == "unfilled"]
    assert str(why).endswith(f"(before: {cause_text(Cause.STORE_FULL)})")


def test_a_store_that_takes_not_even_that_ends_the_run_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    desk.ack(desk.enter())
    journal = Journal(UnwrittenError(FULL))
    loop, first, broker = loop_of(desk, journal)
    with pytest.raises(UnwrittenError, match="cancels without an answer"):
        asyncio.run(start._drive(run_of(loop, first.at, monkeypatch), first, cast(Any, journal)))
    assert (len(broker.cancelled), journal.appended) == (1, [])


def test_an_exit_at_work_stays() -> None:
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    desk.ack(desk.last)
    assert ended(desk, UnwrittenError(FULL)) == (FULL, [])


def test_what_cannot_be_cancelled_is_reported() -> None:
    desk = Desk()
    desk.ack(desk.enter())
    reported = "1 order to open something may still be working: check TWS"
    assert ended(desk, UnwrittenError(FULL), is_up=False) == (f"{FULL}; {reported}", [])


def test_an_engine_whose_store_was_taken_over_takes_nothing_back() -> None:
    """The other engine looks after what is at the broker."""
    desk = Desk()
    desk.ack(desk.enter())
    assert ended(desk, StoreError("taken over")) == ("taken over", [])


def test_noting_the_end_does_not_hide_what_was_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error at the end of the output said that the disk is full, and nothing of the order."""

    class Ended(Nothing):
        reason, at, tape, unwritten = "", None, Nothing(), ()
        state = SimpleNamespace(connection=Nothing())

        async def run(self, *_: Any) -> None:
            raise UnwrittenError("1 order to open something asked back")

    run = run_of(Ended(), clock("10:00"), monkeypatch)
    first, journal = Batch(clock("10:00"), ()), cast(Any, Journal(UnwrittenError(FULL)))
    with pytest.raises(UnwrittenError, match="asked back"):
        asyncio.run(start._drive(run, first, journal))
    assert run.loop.reason == "1 order to open something asked back"


def test_closing_the_store_does_not_hide_what_was_reported() -> None:
    journal: Any = Journal(StoreError(FULL))
    with pytest.raises(UnwrittenError, match="asked back"), _closed_after(journal):
        raise UnwrittenError("1 order to open something asked back")
    with pytest.raises(StoreError, match="still full"), _closed_after(journal):
        """Nothing has gone wrong before."""

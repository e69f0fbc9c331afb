"""A day that ends early, as nobody had announced: the broker's hours tell it, and bots keep to them (row 65)."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

from click.testing import CliRunner
from hand_desk import text_of

from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import attached
from rulebot.live.start import Run, RunOptions, execute, open_journal
from rulebot.model.event import Request
from rulebot.model.order import Order, Purpose
from rulebot.model.session import exchange_date
from rulebot.record.codec import decode
from rulebot.record.record import Kind
from rulebot.store.queries import StoreReader
from tests.e2e.test_restart import new_york
from tests.e2e.worlds import check_replays
from twsim import GatewaySettings, read_faults, start_gateway

DAY = date(2026, 10, 21)
EARLY = "the broker closes at 13:00 today, earlier than the calendar has it: this is a half day"
CLOSED = "by the broker's hours there is no trading today in SPX"
BOT = text_of(
    entry='{window: {from: "10:00", to: "14:30"}, per_day: 1}',
    order="{start: mid, step: 0.05, wait: 10s, tries: 5, then: cancel}",
    exits="""
  - time: "15:45"
    order: market
""",
)
"""Sells a same-day put spread, whatever the market does."""


def lived_through(
    plan: str,
    folder: Path,
    days: int = 1,
    text: str = BOT,
    stops: Sequence[datetime] = (),
    last: datetime | None = None,
) -> tuple[list[str], list[Order]]:
    """Return the alarms of so many sessions with this fault, and the orders that were sent.

    stops: when an engine stops, and another one goes on. last: when the last one ends, before its session does.
    """
    (folder / "spread.yaml").write_text(text)
    desk = load_all_bots([str(folder / "spread.yaml")], {}, None)
    options = RunOptions(store=folder / "s.db", logs=None, sessions=days, install="", tapes=folder / "tapes")
    settings = GatewaySettings(first_day=DAY, days=days, seed=4, data_seconds=15)

    def started(run: Run) -> None:
        run.last = last or run.last

    def stop(run: Run, at: datetime, stops_at: datetime | None) -> None:
        if stops_at is not None and at >= stops_at and not run.loop.state.requests.is_stopping:
            run.inbox.ask(Request.STOP)

    async def body() -> None:
        gateway = await start_gateway(settings, faults=read_faults(f"faults:\n  - {{{plan}}}\n"))
        try:
            for stops_at in (*stops, None):
                world = attached("127.0.0.1", gateway.port, 1, "", lockstep=True)
                await execute(desk, options, world, started, partial(stop, stops_at=stops_at))
        finally:
            await gateway.stop()

    asyncio.run(body())
    assert check_replays(folder / "tapes")
    records = open_journal(options).read()
    alarms = [str(each.data["text"]) for each in records if each.kind is Kind.ALARM]
    orders = {each.ref: each for each in (decode(Order, dict(e.data)) for e in records if e.kind is Kind.ORDER)}
    return alarms, [*orders.values()]


def tried_again(folder: Path, fills: str) -> list[tuple[str, datetime]]:
    """Return what a backtest of the recorded day decides to enter and to exit, and when."""
    store = folder / f"{fills}.db"
    asked = ["backtest", str(folder / "spread.yaml"), "--data", str(folder / "tapes"), "--store", str(store)]
    tried = CliRunner().invoke(main, [*asked, "--fills", fills])
    assert tried.exit_code == 0, tried.output
    with StoreReader(store) as reader:
        decided = [(str(each.data["what"]), each.at) for each in reader.records((Kind.DECISION,))]
    return [each for each in decided if each[0] in ("enter", "exit")]


def test_a_half_day_that_the_broker_alone_knows_closes_what_is_open_before_its_close(tmp_path: Path) -> None:
    alarms, orders = lived_through("kind: short_day", tmp_path)
    assert [text for text in alarms if "broker" in text] == [EARLY]
    entry, leave = orders
    assert (entry.purpose, leave.purpose) == (Purpose.ENTRY, Purpose.EXIT)
    assert leave.prepared_at == new_york(12, 45)
    for fills in ("mid", "recorded"):
        assert tried_again(tmp_path, fills) == [("enter", entry.prepared_at), ("exit", leave.prepared_at)]


def test_an_early_close_that_is_reported_within_the_day_is_known_from_then_on_in_a_backtest_too(tmp_path: Path) -> None:
    """Known from the open on, it left no time for an entry."""
    text = BOT.replace('to: "14:30"', 'to: "11:15"').replace("10:00", "10:45").replace("15:45", "13:30")
    stops = new_york(11, 35), new_york(11, 45)
    alarms, (entry, leave) = lived_through('kind: short_day, at: "11:30:00"', tmp_path, text=text, stops=stops)
    assert alarms.count(EARLY) == 1
    assert entry.prepared_at == new_york(10, 45)
    assert new_york(11, 35) <= leave.prepared_at < new_york(11, 36)
    assert tried_again(tmp_path, "recorded") == [("enter", entry.prepared_at), ("exit", leave.prepared_at)]
    (_, entered), (_, left) = tried_again(tmp_path, "mid")
    assert entered == entry.prepared_at
    assert abs(left - leave.prepared_at) <= timedelta(seconds=1)  # the one that goes on must connect first


def test_on_a_closed_day_nothing_is_entered_and_on_the_next_it_is(tmp_path: Path) -> None:
    alarms, orders = lived_through("kind: short_day, close: closed", tmp_path, days=2, last=new_york(10, 5, 22))
    assert alarms == [f"{CLOSED}: nothing on it is entered"]
    assert {exchange_date(order.prepared_at) for order in orders} == {date(2026, 10, 22)}


def test_hours_are_asked_for_again_each_morning(tmp_path: Path) -> None:
    fault, last = 'kind: short_day, session: 2, at: "09:29:00"', new_york(12, 50, 22)
    alarms, orders = lived_through(fault, tmp_path, days=2, last=last)
    assert alarms.count(EARLY) == 1
    assert [order.prepared_at for order in orders if order.purpose is Purpose.EXIT] == [
        new_york(15, 45),
        new_york(12, 45, 22),
    ]

"""The target of a condor rests at the simulated broker: over a restart, over a night, and beside other orders."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from rulebot.checks.against_ledger.books import CheckedDay, compare_books, read_day
from rulebot.checks.against_ledger.findings import offences
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import attached
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.cause import Cause
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.position import end_of
from rulebot.spec.files import shipped
from tests.e2e.test_overnight import Died, live_on, run, stop_at
from tests.e2e.test_restart import new_york, working
from twsim import GatewaySettings, RunningGateway, start_gateway
from twsim.exchange.broker_state import ExchangeSettings
from twsim.exchange.exchange import SimExchange
from twsim.market.market import SimMarket

DAY = date(2026, 10, 21)
TEXT = (shipped("examples") / "resting_condor.yaml").read_text(encoding="utf-8")
"""Sells two condors at 10:00; the target keeps 40 % of what they bring."""

Body = Callable[[RunningGateway, Path, Path], Awaitable[None]]


def simulated(body: Body, tmp_path: Path, text: str = TEXT, **settings: bool) -> None:
    """Live through two days of a gateway whose exchange has these habits."""

    async def whole() -> None:
        spec = tmp_path / "resting_condor.yaml"
        spec.write_text(text, encoding="utf-8")
        market = SimMarket(seed=7, date=DAY)
        exchange = SimExchange(market, seed=7, settings=ExchangeSettings(**settings))
        asked = GatewaySettings(first_day=DAY, days=2, seed=7, data_seconds=15)
        gateway = await start_gateway(asked, market=market, exchange=exchange)
        try:
            await body(gateway, tmp_path / "s.db", spec)
        finally:
            await gateway.stop()

    asyncio.run(whole())


def reported(gateway: RunningGateway, store: Path) -> CheckedDay:
    assert gateway.ledger is not None
    return read_day(store, gateway.ledger.totals(), {})


def dies_once_it_rests(run: Run, now: datetime) -> None:
    """Die as soon as the broker has the target."""
    orders = run.loop.state.orders.by_ref.values()
    if any(order.purpose is Purpose.TARGET and order.status is OrderStatus.WORKING for order in orders):
        raise Died


def test_it_rests_over_a_kill_and_is_picked_up(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, store: Path, spec: Path) -> None:
        await run(gateway, store, dies_once_it_rests, spec)
        (before,) = working(gateway)
        assert (before.ticket.sec_type, before.ticket.order_type, before.ticket.tif) == ("BAG", "LMT", "GTC")
        assert (before.ticket.oca_group, before.ticket.quantity) == ("", 2)
        await run(gateway, store, stop_at(new_york(10, 30)), spec)
        assert [view.perm_id for view in working(gateway)] == [before.perm_id]
        day = reported(gateway, store)
        assert (compare_books(day), offences(day)) == ([], {})

    simulated(body, tmp_path)


@pytest.mark.long
def test_ci_it_rests_over_a_night_and_no_engine_need_be_there(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, store: Path, spec: Path) -> None:
        await run(gateway, store, dies_once_it_rests, spec)
        (before,) = working(gateway)
        await live_on(gateway, new_york(9, 15, 22))
        assert [view.perm_id for view in working(gateway)] == [before.perm_id]
        await run(gateway, store, stop_at(new_york(9, 40, 22)), spec)
        assert [view.perm_id for view in working(gateway)] == [before.perm_id]
        day = reported(gateway, store)
        assert compare_books(day) == []

    simulated(body, tmp_path, TEXT.replace("profit: 40%", "profit: 90%"))


def test_what_filled_while_no_engine_was_there_is_booked_once_as_the_target(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, store: Path, spec: Path) -> None:
        await run(gateway, store, dies_once_it_rests, spec)
        at = new_york(10, 30)
        while working(gateway) and at < new_york(15, 30):
            await live_on(gateway, at)
            at += timedelta(minutes=10)
        assert not working(gateway)
        await run(gateway, store, stop_at(at + timedelta(minutes=1)), spec)
        day = reported(gateway, store)
        (position,) = day.positions.values()
        assert (position.state, end_of(position)) == ("closed", "target")
        assert position.entry_price is not None
        assert position.gross >= position.entry_price * 200 * Decimal("0.05")
        assert (compare_books(day), offences(day)) == ([], {})

    simulated(body, tmp_path, TEXT.replace("profit: 40%", "profit: 5%"))


def test_what_filled_on_an_earlier_day_is_booked_at_its_limit_and_a_person_notified(tmp_path: Path) -> None:
    """The broker tells no executions of an earlier day."""

    async def body(gateway: RunningGateway, store: Path, spec: Path) -> None:
        await run(gateway, store, dies_once_it_rests, spec)
        await live_on(gateway, new_york(9, 15, 22))
        assert not working(gateway)
        await run(gateway, store, stop_at(new_york(9, 40, 22)), spec)
        day = reported(gateway, store)
        position = min(day.positions.values(), key=lambda found: found.session)
        assert (position.state, end_of(position)) == ("closed", "target")

    simulated(body, tmp_path, TEXT.replace("profit: 40%", "profit: 5%"))


def test_a_broker_that_compares_the_legs_of_combos_refuses_nothing(tmp_path: Path) -> None:
    """Another bot sells the same condor while the first one's target works: that gives way, and rests again."""
    text = TEXT.replace("name: resting_condor", "name: later").replace('from: "10:00"', 'from: "10:20"')

    async def body(gateway: RunningGateway, store: Path, spec: Path) -> None:
        later = tmp_path / "later.yaml"
        later.write_text(text.replace("legs:\n", "legs:\n  on_conflict: allow\n", 1), encoding="utf-8")
        desk = load_all_bots([str(spec), str(later)], {}, None)
        options = RunOptions(store=store, logs=None, sessions=None, install="")
        world = attached("127.0.0.1", gateway.port, 1, "", lockstep=True)
        await execute(desk, options, world, lambda run: None, stop_at(new_york(10, 40)))
        day = reported(gateway, store)
        assert {position.bot for position in day.positions.values()} == {"resting_condor", "later"}
        assert not [order.ref for order in day.orders.values() if order.status is OrderStatus.REJECTED]
        targets = [order for order in day.orders.values() if order.purpose is Purpose.TARGET]
        rests = [order.bot for order in targets if order.status is OrderStatus.WORKING]
        assert sorted(rests) == ["later", "resting_condor"]
        assert [order.bot for order in targets if order.cause is Cause.GIVES_WAY] == ["resting_condor"]
        assert (compare_books(day), offences(day)) == ([], {})

    simulated(body, tmp_path, compare_combo_legs=True)

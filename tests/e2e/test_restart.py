"""Stopping and starting again, attached to one gateway that lives on: nothing lost, nothing doubled."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from rulebot.checks.against_ledger.books import compare_books, read_day
from rulebot.checks.against_ledger.findings import offences
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.live.environments import attached
from rulebot.live.start import Run, RunOptions, execute, open_journal
from rulebot.model.errors import BrokerError
from rulebot.model.event import Request
from rulebot.model.order import OrderStatus, Purpose
from rulebot.operator_requests.requests import post
from rulebot.record.record import Record
from rulebot.replay.recordings import listed
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place
from tests.e2e.worlds import check_replays, spec_files
from twsim import GatewaySettings, OrderView, RunningGateway, Status, start_gateway

DAY = date(2026, 10, 21)
SELLER = "spy_put_seller"


def new_york(hour: int, minute: int, day: int = 21) -> datetime:
    """Return a time of October 2026 in New York (UTC - 4)."""
    return datetime(2026, 10, day, hour + 4, minute, tzinfo=UTC)


async def run_until(
    gateway: RunningGateway,
    store: Place,
    stop_at: datetime,
    specs: Sequence[str] = (SELLER,),
    opens: Callable[[RunOptions], SqlJournal] = open_journal,
) -> Run:
    """Run bots attached to the gateway, and ask the engine to stop at an instant."""
    desk = load_all_bots(spec_files(specs), {}, None)
    tapes = store.with_name("tapes") if isinstance(store, Path) else None
    options = RunOptions(store=store, logs=None, sessions=None, install="", tapes=tapes)
    known = [] if tapes is None else [each.file for each in listed(tapes)]
    asked: list[bool] = []

    def watcher(run: Run, at: datetime) -> None:
        if at >= stop_at and not asked:
            asked.append(True)
            run.inbox.ask(Request.STOP)

    world = attached("127.0.0.1", gateway.port, 1, "", lockstep=True)
    run = await execute(desk, options, world, lambda run: None, watcher, opens)
    assert tapes is None or check_replays(tapes, known)
    return run


def working(gateway: RunningGateway) -> list[OrderView]:
    """Return the orders that rest at the simulated broker."""
    return [view for view in gateway.exchange.open_orders() if view.status in (Status.SUBMITTED, Status.PRE_SUBMITTED)]


def in_loop(test: Callable[[RunningGateway, Path], object], tmp_path: Path, **settings: object) -> None:
    """Run an async test against a gateway of its own, whose market moves every 15 seconds unless it is said."""

    async def body() -> None:
        gateway = await start_gateway(GatewaySettings(**{"first_day": DAY, "data_seconds": 15, **settings}))  # type: ignore[arg-type]
        try:
            await test(gateway, tmp_path)  # type: ignore[misc]
        finally:
            await gateway.stop()

    asyncio.run(body())


def test_a_resting_pair_survives_a_stop_and_is_picked_up(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, folder: Path) -> None:
        store = folder / "s.db"
        first = await run_until(gateway, store, new_york(10, 0))
        (position,) = first.loop.state.positions.by_id.values()
        assert position.state == "open"
        before = working(gateway)
        assert sorted(view.ticket.order_type for view in before) == ["LMT", "STP"]
        assert {view.ticket.tif for view in before} == {"GTC"}
        assert len({view.ticket.oca_group for view in before}) == 1
        second = await run_until(gateway, store, new_york(10, 30))
        assert [view.perm_id for view in working(gateway)] == [view.perm_id for view in before]
        assert list(second.loop.state.positions.by_id) == [position.id]
        live = [order for order in second.loop.state.orders.by_ref.values() if order.status.is_live]
        assert {order.status for order in live} == {OrderStatus.WORKING}
        assert {order.purpose for order in live} == {Purpose.TARGET, Purpose.STOP}
        assert gateway.ledger is not None
        day = read_day(store, gateway.ledger.totals(), {})
        assert compare_books(day) == []
        assert offences(day) == {}
        assert sum(1 for order in day.orders.values() if order.purpose is Purpose.ENTRY) == 1

    in_loop(body, tmp_path, seed=7, days=2)


def test_34_what_is_open_in_one_account_is_not_compared_with_another(tmp_path: Path) -> None:
    """The other account holds none of it: a resting stop would be booked as filled, and the position as closed."""
    store = tmp_path / "s.db"
    records: list[Record] = []

    async def body(gateway: RunningGateway, _: Path) -> None:
        first = await run_until(gateway, store, new_york(9, 35))
        assert [position.state for position in first.loop.state.positions.by_id.values()] == ["open"]
        records.extend(open_journal(first.options).read())

    async def other(gateway: RunningGateway, _: Path) -> None:
        words = "has open positions or orders of account DU0000007, and the gateway has account DU7654321"
        with pytest.raises(BrokerError, match=words):
            await run_until(gateway, store, new_york(9, 35))

    in_loop(body, tmp_path, seed=7)
    in_loop(other, tmp_path, seed=7, account="DU7654321")
    options = RunOptions(store=store, logs=None, sessions=None)
    assert list(open_journal(options).read()) == records


def test_an_entry_at_work_is_cancelled_by_a_stop(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, folder: Path) -> None:
        run = await run_until(gateway, folder / "s.db", new_york(9, 31))
        entries = [order for order in run.loop.state.orders.by_ref.values() if order.purpose is Purpose.ENTRY]
        assert [order.status for order in entries] == [OrderStatus.CANCELLED]
        assert working(gateway) == []

    in_loop(body, tmp_path, seed=8)


def test_with_no_engine_running_a_flatten_closes_everything_at_the_next_start(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, folder: Path) -> None:
        store = folder / "s.db"
        await run_until(gateway, store, new_york(10, 0))
        assert len(working(gateway)) == 2
        assert not post(store, Request.FLATTEN)
        desk = LoadedBots({}, (), None, ())
        options = RunOptions(store=store, logs=None, sessions=None, until_flat=True)
        world = attached("127.0.0.1", gateway.port, 1, "", lockstep=True)
        run = await execute(desk, options, world, lambda run: None, lambda run, at: None)
        assert run.loop.reason == "all that can be closed is closed"
        assert working(gateway) == []
        assert gateway.ledger is not None
        day = read_day(store, gateway.ledger.totals(), {})
        assert [found.exit_reason for found in day.positions.values()] == ["flattened"]
        assert not any(day.ledger.positions.values())
        assert compare_books(day) == []
        assert offences(day) == {}
        third = await run_until(gateway, store, new_york(10, 30))
        assert not third.loop.state.orders.live

    in_loop(body, tmp_path, seed=7, days=2)


def test_a_flatten_of_another_bot_ends_at_once_and_leaves_this_one_alone(tmp_path: Path) -> None:
    async def body(gateway: RunningGateway, folder: Path) -> None:
        store = folder / "s.db"
        await run_until(gateway, store, new_york(10, 0))
        post(store, Request.FLATTEN, "put_lite")
        options = RunOptions(store=store, logs=None, sessions=None, until_flat=True)
        world = attached("127.0.0.1", gateway.port, 1, "", lockstep=True)
        run = await execute(LoadedBots({}, (), None, ()), options, world, lambda run: None, lambda run, at: None)
        assert run.loop.reason == "all that can be closed is closed"
        assert len(working(gateway)) == 2

    in_loop(body, tmp_path, seed=7, days=2)


@pytest.mark.long
def test_ci_the_seller_sells_every_day_over_restarts(tmp_path: Path) -> None:
    """Three sessions, the engine restarted in each: a sale a day at most, every pair still at the broker."""

    async def body(gateway: RunningGateway, folder: Path) -> None:
        store = folder / "s.db"
        for day in (21, 22, 23):
            await run_until(gateway, store, new_york(11, 0, day))
        assert gateway.ledger is not None
        left = read_day(store, gateway.ledger.totals(), {})
        assert compare_books(left) == []
        assert offences(left) == {}
        opened = [found for found in left.positions.values() if found.opened_at is not None]
        assert len({found.session for found in opened}) == len(opened)
        pairs = working(gateway)
        held = [found for found in opened if found.state == "open"]
        assert len(pairs) == 2 * len(held)
        assert len({view.ticket.oca_group for view in pairs}) == len(held)

    in_loop(body, tmp_path, seed=7, days=3)


def ten_puts(path: Path, contract: dict[str, object]) -> Path:
    """Write a positions file of ten short puts, each with its resting pair, of a client that is not ours."""
    rows = [{**contract, "quantity": -10, "average_cost": 480.0}]
    pairs = [
        {
            **contract,
            "client_id": 7,
            "order_id": 2 * number + at + 1,
            "action": "BUY",
            "quantity": 1,
            "order_type": kind,
            "limit_price": 1.9 if kind == "LMT" else None,
            "aux_price": 14.4 if kind == "STP" else None,
            "tif": "GTC",
            "oca_group": f"other-{number}",
            "oca_type": 1,
        }
        for number in range(9)
        for at, kind in enumerate(("LMT", "STP"))
    ]
    path.write_text(json.dumps({"positions": rows, "orders": pairs}))
    return path


def test_todays_sale_happens_beside_ten_positions_of_the_same_contract(tmp_path: Path) -> None:
    """The contract the bot would choose has resting orders that are not ours: the next strike is sold, those stay."""
    chosen: list[str] = []

    async def plain(gateway: RunningGateway, folder: Path) -> None:
        run = await run_until(gateway, folder / "plain.db", new_york(9, 50))
        (position,) = run.loop.state.positions.by_id.values()
        option = position.legs[0].option
        chosen.append(str(option))
        contract = {
            "symbol": "SPY",
            "expiry": option.expiry.isoformat(),
            "strike": float(option.strike),
            "right": "P",
        }
        ten_puts(folder / "positions.json", contract)

    async def crowded(gateway: RunningGateway, folder: Path) -> None:
        before = {view.perm_id for view in working(gateway)}
        assert len(before) == 18
        run = await run_until(gateway, folder / "crowded.db", new_york(9, 50))
        opened = [found for found in run.loop.state.positions.by_id.values() if found.opened_at is not None]
        assert len(opened) == 1
        assert str(opened[0].legs[0].option) != chosen[0]
        assert before <= {view.perm_id for view in working(gateway)}
        assert len(working(gateway)) == 20
        assert opened[0].legs[0].entry_cash > Decimal(0)

    in_loop(plain, tmp_path, seed=7)
    in_loop(crowded, tmp_path, seed=7, positions_file=tmp_path / "positions.json")


def test_an_engine_may_start_late_in_the_morning(tmp_path: Path) -> None:
    """The open's expected move and the day's range are read from history, and agree with those seen live."""

    async def body(gateway: RunningGateway, folder: Path) -> None:
        first = await run_until(gateway, folder / "early.db", new_york(10, 45), specs=("put_lite",))
        seen = first.loop.state.market.facts.opening_moves
        late = await run_until(gateway, folder / "late.db", new_york(10, 50), specs=("put_lite",))
        learned = late.loop.state.market.facts.opening_moves
        assert learned.keys() == seen.keys()
        for key, points in learned.items():
            assert points == pytest.approx(seen[key], rel=0.15)
        readings = late.loop.state.bots.by_name["put_lite"].readings
        assert readings[("halts", "day_range")].evaluation.truth is False
        assert readings[("halts", "vix_spike")].evaluation.truth is False

    in_loop(body, tmp_path, seed=4)

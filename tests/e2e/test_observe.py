"""Observing engines: everything is decided, nothing is sent, and what would have been is followed and kept apart."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from engine.model.order import OrderStatus
from engine.record.record import Kind
from engine.run.backtest.fills import fill_model
from engine.run.desk import load_desk
from engine.run.observe.world import observing
from engine.run.start import Run, RunOptions, execute
from engine.run.worlds import attached
from engine.sim.gateway.embed import start_gateway
from engine.sim.gateway.settings import GatewaySettings
from engine.store.queries import StoreReader
from tests.e2e.test_restart import DAY, new_york
from tests.e2e.worlds import check_replays, spec_files
from tests.wire.tally import PLACES_ORDER, Tally, tallied

BOTS = ("dte0_condor", "put_lite", "spy_put_seller")
CANCELS_ORDER = "4"
NEVER = new_york(19, 0)


class KilledError(Exception):
    """The engine is gone."""


async def observe(port: int, store: Path, killed_at: datetime) -> Run:
    """Observe a session, or until an instant at which the engine is gone."""
    desk = load_desk(spec_files(BOTS), {}, None)
    options = RunOptions(
        store=store,
        logs=None,
        sessions=1,
        install="obs-t",
        tapes=store.with_name("tapes"),
        settings={"mode": "observe", "fills": "natural"},
    )
    runs: list[Run] = []

    def watcher(_: Run, at: datetime) -> None:
        if at >= killed_at:
            raise KilledError

    world = attached("127.0.0.1", port, 2, "", lockstep=True, sends_orders=False)
    with suppress(KilledError):
        await execute(desk, options, observing(world, fill_model("natural")), runs.append, watcher)
    return runs[0]


def day(store: Path, kills_at: Sequence[datetime] = ()) -> list[Tally]:
    """Observe a day on a gateway of its own, with these kills in it; return what the gateway was asked each time."""

    async def body() -> list[Tally]:
        gateway = await start_gateway(GatewaySettings(first_day=DAY, seed=7))
        tallies = []
        try:
            for at in (*kills_at, NEVER):
                async with tallied(gateway) as (port, tally):
                    await observe(port, store, at)
                    tallies.append(tally)
            assert gateway.exchange.open_orders() == []
            assert gateway.ledger is not None
            assert not gateway.ledger.totals().positions
        finally:
            await gateway.stop()
        return tallies

    return asyncio.run(body())


def trades(store: Path, *columns: str) -> list[Mapping[str, Any]]:
    with StoreReader(store) as reader:
        return [{name: row[name] for name in columns or row} for row in reader.view("trades")]


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Tally]]:
    """Return the store of an observed day, and what the gateway was asked."""
    store = tmp_path_factory.mktemp("observe") / "s.db"
    return store, day(store)


def test_nothing_is_sent_over_the_wire(observed: tuple[Path, list[Tally]]) -> None:
    (tally,) = observed[1]
    assert tally.kinds["1"] > 10
    assert (tally.kinds[PLACES_ORDER], tally.kinds[CANCELS_ORDER]) == (0, 0)


def test_what_would_have_been_is_followed_to_its_end(observed: tuple[Path, list[Tally]]) -> None:
    found = trades(observed[0], "strategy_id", "entry_price", "entry_mid", "exit_name", "status")
    assert [each["strategy_id"] for each in found] == ["spy_put_seller", "dte0_condor", "put_lite"]
    assert [each["status"] for each in found] == ["OPEN", "CLOSED", "CLOSED"]
    assert [each["exit_name"] for each in found[1:]] == ["target", "target"]
    assert all(each["entry_price"] <= each["entry_mid"] + 0.05 for each in found)


def test_each_entry_is_told_before_as_one_that_would_be(observed: tuple[Path, list[Tally]]) -> None:
    with StoreReader(observed[0]) as reader:
        told = [each for each in reader.records((Kind.DECISION,)) if each.data.get("what") == "would enter"]
        executions = [row["exec_id"] for row in reader.view("fills")]
    assert [each.bot for each in told] == ["spy_put_seller", "dte0_condor", "put_lite"]
    assert told[2].data["reason"] == "sell 5905/5910p at 0.25 (mid 0.25, natural 0.20)"
    assert told[2].data["values"] == ["0.25", pytest.approx(0.25), pytest.approx(0.2)]
    assert all(each.startswith("observed.") for each in executions)
    assert len(set(executions)) == len(executions) == 12


def test_a_recording_of_it_replays(observed: tuple[Path, list[Tally]]) -> None:
    assert check_replays(observed[0].with_name("tapes")) > 100


def test_a_restart_in_a_quiet_moment_changes_nothing(observed: tuple[Path, list[Tally]], tmp_path: Path) -> None:
    columns = (
        "strategy_id",
        "entry_price",
        "entry_time",
        "exit_price",
        "exit_time",
        "exit_reason",
        "final_pnl",
        "legs",
    )
    tallies = day(tmp_path / "s.db", (new_york(11, 0), new_york(13, 0)))
    assert len(tallies) == 3
    assert sum(each.kinds[PLACES_ORDER] for each in tallies) == 0
    assert trades(tmp_path / "s.db", *columns) == trades(observed[0], *columns)


def test_a_restart_with_orders_at_work_takes_them_up(tmp_path: Path) -> None:
    """Killed between the two tries of an entry, and while a position is closed."""
    store = tmp_path / "s.db"
    day(store, (new_york(9, 45).replace(second=6), new_york(12, 11).replace(second=20)))
    found = trades(store, "strategy_id", "status", "exit_name")
    assert [tuple(each.values()) for each in found] == [
        ("spy_put_seller", "OPEN", None),
        ("dte0_condor", "CLOSED", "target"),
        ("put_lite", "CLOSED", "target"),
    ]
    with StoreReader(store) as reader:
        alarms = [each.data["text"] for each in reader.records((Kind.ALARM,))]
        states = {row["state"] for row in reader.view("orders")}
    assert alarms == []
    assert states <= {OrderStatus.FILLED.value, OrderStatus.CANCELLED.value, OrderStatus.WORKING.value}

"""`rulebot scan` before the simulated gateway: within its limits, with faults, beside an engine; nothing is sent."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from ib_session import connected as client_of
from ib_session import gateway, run
from scan_specs import ROOT, example, put_of_all
from tally import PLACES_ORDER, tallied

from rulebot.adapters.ib.broker import ib_world
from rulebot.adapters.ib.settings import LINES, MESSAGE_LIMIT, IbSettings
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import World
from rulebot.model.contract import Underlying
from rulebot.model.errors import BrokerError
from rulebot.model.facts import EventCalendar
from rulebot.preview.connection import FEW_LINES
from rulebot.process.settings import Settings
from rulebot.scan.scan import CLIENT_ID, ScanRequest, allowed_lines, run_scan, scan
from rulebot.scan.scan_row import Scan, ScanRow, widened
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from twsim import RunningGateway

SIM_DAY = date(2026, 10, 21)
IN_HOURS = datetime(2026, 10, 21, 14, 0, tzinfo=UTC)
SOON_IN_HOURS = datetime(2026, 10, 21, 13, 30, 30, tzinfo=UTC)
SYMBOLS = 22


pytestmark = pytest.mark.usefixtures("data")


@pytest.fixture
def of_all(tmp_path: Path) -> str:
    """A spec on the 22 symbols of the shipped universe."""
    return put_of_all(tmp_path)


def at_port(port: int, data: Path, *specs: str, **changes: object) -> ScanRequest:
    flags = {"host": "127.0.0.1", "port": port}
    return ScanRequest(**({"specs": specs, "sim": True, "data": data, "flags": flags} | changes))  # type: ignore[arg-type]


async def into_the_day(gw: RunningGateway) -> None:
    """Let the gateway's clock come to 10:00."""
    async with client_of(gw.port, client_id=5) as (world, _):
        while (await world.link.next(IN_HOURS)).at < IN_HOURS:
            pass


def of(found: Scan, symbol: str) -> ScanRow:
    (row,) = [each for each in found.rows if each.symbol == symbol]
    return row


def gaps(row: ScanRow) -> list[str]:
    """What a row lacks."""
    names = ("price", "delta", "gamma", "theta", "vega", "dte", "iv", "iv_rank", "iv_percentile", "volume")
    more = (
        "open_interest",
        "quote_width",
        "probability_of_profit",
        "probability_in_the_money",
        "return_on_risk",
        "crowding",
    )
    return [name for name in (*names, *more, "value") if getattr(row, name) is None]


# ---------------------------------------------------------------- the limits


def test_all_symbols_are_scanned_within_the_lines_and_the_messages_of_a_second(data: Path, of_all: str) -> None:
    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7) as gw:
            await into_the_day(gw)
            async with tallied(gw) as (port, tally):
                found = await scan(at_port(port, data, of_all))
            assert (len(found.rows), found.structures) == (SYMBOLS, SYMBOLS)
            assert tally.most_lines == found.lines <= found.line_limit == LINES
            assert tally.busiest <= MESSAGE_LIMIT
            assert tally.lines == set()
            assert tally.kinds[PLACES_ORDER] == 0
            assert tally.client_ids == [str(CLIENT_ID)]
            assert found.lines_taken == tally.kinds["1"]
            assert 0 < found.lines_evicted < found.lines_taken
            assert found.turns > 1
            assert 0 < found.seconds < 120
            assert {row.symbol: gaps(row) for row in found.rows if gaps(row)} == {"XLV": ["crowding"]}
            assert of(found, "XLV").missing["crowding"].endswith("none around 25 delta are streamed")
            assert [row.symbol for row in found.rows if row.taken] == [row.symbol for row in found.rows[:3]]
            values = [row.value for row in found.rows if row.holds]
            assert values == sorted(values, reverse=True)
            assert not gw.exchange.open_orders()

    run(scenario())


def test_a_simulated_gateway_is_looked_at_by_its_own_time(data: Path) -> None:
    """Without --sim it went by this computer's clock: windows were over, and expiries on another day."""

    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7) as gw:
            await into_the_day(gw)
            found = await scan(at_port(gw.port, data, example("by_category"), sim=False))
            assert (found.world, found.at - IN_HOURS < timedelta(minutes=2)) == ("simulated", True)
            assert any(row.holds is not None for row in found.rows)

    run(scenario())


def test_fewer_lines_are_kept_to_and_take_more_turns(data: Path) -> None:
    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7) as gw:
            await into_the_day(gw)
            async with tallied(gw) as (port, tally):
                many = await scan(at_port(port, data, example("by_category")))
            async with tallied(gw) as (port, tally):
                few = await scan(at_port(port, data, example("by_category"), lines=40))
            assert tally.most_lines <= 40
            assert few.turns > many.turns
            assert {row.symbol for row in few.rows if row.structure} == {row.symbol for row in many.rows}

    run(scenario())


def test_beside_an_engine_few_lines_are_used_and_it_says_so(data: Path) -> None:
    store = data / "runs" / "rulebot.db"
    settings = Settings(store=store, live_store=data / "runs" / "live.db")
    wanted = ScanRequest(specs=("put_lite",), data=data)
    assert allowed_lines(wanted, settings) == (LINES, "")
    journal = SqlJournal(open_store(store))
    try:
        lines, note = allowed_lines(wanted, settings)
        more = allowed_lines(replace(wanted, lines=50), settings)
        of_another_market = allowed_lines(replace(wanted, sim=True), settings)
    finally:
        journal.close()
    assert lines == FEW_LINES
    assert note.startswith(f"an engine runs on {store}, ")
    assert (more, of_another_market) == ((50, ""), (LINES, ""))


def test_a_structure_that_needs_more_lines_says_so(data: Path) -> None:
    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7) as gw:
            await into_the_day(gw)
            async with tallied(gw) as (port, tally):
                found = await scan(at_port(port, data, example("crowding"), lines=FEW_LINES))
            assert tally.most_lines == FEW_LINES
            assert [row.price for row in found.rows] == [None]
            assert found.notes[-1].startswith(f"1 structure needs more than {FEW_LINES} market data lines, up to ")

    run(scenario())


def test_another_client_keeps_its_connection_and_its_lines(data: Path) -> None:
    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7) as gw:
            await into_the_day(gw)
            async with client_of(gw.port, client_id=1, lockstep=False) as (engine, _):
                engine.feed.watch([Underlying("SPX"), Underlying("VIX")])
                found = await scan(at_port(gw.port, data, example("by_category")))
                assert found.rows[0].holds is True
                assert engine.link.is_up
                lines = gw.gateway.hub.sessions[1].wants.lines.values()
                assert [line.instrument.symbol for line in lines if line.instrument] == ["SPX", "VIX"]

    run(scenario())


# ---------------------------------------------------------------- what a row says


def test_delayed_data_is_shown_and_marked(tmp_path: Path, data: Path) -> None:
    plan = tmp_path / "faults.yaml"
    plan.write_text("faults:\n  - {kind: delayed_data, symbol: XLF}\n")

    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7, faults_file=plan) as gw:
            await into_the_day(gw)
            found = await scan(at_port(gw.port, data, example("by_category")))
            delayed = of(found, "XLF")
            assert delayed.data == "delayed"
            assert delayed.structure.startswith("XLF ")
            assert delayed.price is not None
            assert delayed.iv is not None
            assert delayed.delta is not None
            assert {row.data for row in found.rows if row.symbol != "XLF"} == {"live"}

    run(scenario())


def test_what_is_not_subscribed_is_unknown_and_says_why(tmp_path: Path, data: Path) -> None:
    plan = tmp_path / "faults.yaml"
    plan.write_text("faults:\n  - {kind: not_subscribed, symbol: XLF, code: 10089}\n")

    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7, faults_file=plan) as gw:
            await into_the_day(gw)
            found = await scan(at_port(gw.port, data, example("by_category")))
            row = of(found, "XLF")
            assert (row.holds, row.place, row.structure, row.data) == (None, 0, "", "live")
            assert row.why.startswith("unknown: ")
            assert of(found, "XLE").holds is True

    run(scenario())


def test_before_the_open_it_says_that_the_exchange_is_closed(data: Path) -> None:
    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7) as gw:
            found = await scan(at_port(gw.port, data, str(ROOT / "specs" / "put_lite.yaml")))
            assert found.notes[0] == "the exchange is closed: the next session opens on 2026-10-21 at 09:30"
            assert found.notes[1].startswith("put_lite enters ")
            assert [row.holds for row in found.rows] == [None]

    run(scenario())


def test_a_connection_that_breaks_ends_the_scan(tmp_path: Path, data: Path) -> None:
    plan = tmp_path / "faults.yaml"
    plan.write_text('faults:\n  - {kind: cut, at: "10:00:04"}\n')

    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7, faults_file=plan) as gw:
            await into_the_day(gw)
            with pytest.raises(BrokerError):
                await scan(at_port(gw.port, data, example("by_category")))

    run(scenario())


# ---------------------------------------------------------------- in real time


class GatewayClock:
    """Tells the simulated gateway's time as a wall clock would tell ours."""

    def __init__(self, gw: RunningGateway) -> None:
        self._gateway = gw

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._gateway.now, UTC)

    def elapsed(self) -> float:
        return self._gateway.now


def test_without_lockstep_as_at_a_real_gateway(data: Path) -> None:
    async def scenario() -> None:
        desk = widened(load_all_bots([str(ROOT / "specs" / "put_lite.yaml")], {}, None))
        async with gateway(first_day=SIM_DAY, seed=7, speed=20.0, lockstep=False) as gw:
            while gw.now < SOON_IN_HOURS.timestamp():
                await asyncio.sleep(0.01)
            ib = ib_world(IbSettings(port=gw.port, client_id=CLIENT_ID, round_interval=0.01), GatewayClock(gw))
            try:
                found = await run_scan(World(ib, None), desk, EventCalendar(), at_port(gw.port, data), LINES)
            finally:
                await ib.link.close()
            (row,) = found.rows
            assert row.structure
            assert row.price is not None
            assert row.delta is not None
            assert found.world == "paper"

    run(scenario())

"""`rulebot scan` before the simulated gateway: within its limits, with faults, beside an engine; nothing is sent."""

import asyncio
import json
import socket
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from ib_session import connected as client_of
from ib_session import gateway, run
from tally import PLACES_ORDER, tallied

from engine.adapters.ib.settings import MESSAGE_LIMIT, IbSettings
from engine.adapters.ib.world import ib_world
from engine.cli.main import main
from engine.model.errors import BrokerError
from engine.model.facts import EventCalendar
from engine.run.desk import load_desk
from engine.run.looking.visit import FEW_LINES, LINES
from engine.run.scan.measures import widened
from engine.run.scan.row import Scan, ScanRow
from engine.run.scan.scan import CLIENT_ID, Wanted, allowed_lines, scan, scanned
from engine.run.settings import Settings
from engine.run.worlds import World
from engine.sim.gateway.embed import RunningGateway
from engine.store.journal import SqlJournal
from engine.store.open import open_store

ROOT = Path(__file__).parents[2]
SIM_DAY = date(2026, 10, 21)
IN_HOURS = datetime(2026, 10, 21, 14, 0, tzinfo=UTC)
SOON_IN_HOURS = datetime(2026, 10, 21, 13, 35, tzinfo=UTC)
SYMBOLS = 22

OF_ALL = """\
rulebot: 1
name: of_all
about: Sells put spreads of whatever has dear options.
universe:
  file: liquid.yaml
  categories: [indexes, mega_cap_tech, sector_etfs, event_driven]
  require:
    - open_interest: {at_least: 10}
  rank: {by: iv_rank, highest: 3}
entry: {window: {from: open + 5m, to: close - 1h}, per_day: 2, max_open: 4, when: [{move: {above: -5%}}]}
legs:
  expiry: {dte: {between: [20, 45]}}
  short_put: {sell: put, strike: {delta: 0.30}}
  long_put:  {buy: put,  strike: {delta: 0.15}}
order: {start: mid, step: 0.01, wait: 20s, tries: 10, then: cancel}
exits: [{dte: {at_most: 10}}, {target: {profit: 50%}}]
risk: {max_loss_per_trade: $20000}
"""


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of our own."""
    folder = tmp_path / "data"
    monkeypatch.setenv("RULEBOT_DATA", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def of_all(tmp_path: Path) -> str:
    """A spec on the 22 symbols of the shipped universe."""
    (tmp_path / "liquid.yaml").write_text((ROOT / "examples" / "liquid.yaml").read_text())
    file = tmp_path / "of_all.yaml"
    file.write_text(OF_ALL)
    return str(file)


def example(name: str) -> str:
    return str(ROOT / "examples" / f"{name}.yaml")


def at_port(port: int, data: Path, *specs: str, **changes: object) -> Wanted:
    flags = {"host": "127.0.0.1", "port": port}
    return Wanted(**({"specs": specs, "sim": True, "data": data, "flags": flags} | changes))  # type: ignore[arg-type]


async def into_the_day(gw: RunningGateway) -> None:
    """Let the gateway's clock come to 10:00."""
    async with client_of(gw.port, client_id=5) as (world, _):
        while (await world.link.next(IN_HOURS)).at < IN_HOURS:
            pass


def command(*words: str) -> Result:
    return CliRunner().invoke(main, ["scan", *words])


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
    wanted = Wanted(specs=("put_lite",), data=data)
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


# ---------------------------------------------------------------- what a row says


def test_a_row_has_the_structure_that_doctor_finds(data: Path) -> None:
    told = CliRunner().invoke(main, ["doctor", "--sim", "--format", "json", example("by_category")])
    legs = {row["name"]: row["text"] for row in json.loads(told.stdout)["checks"] if row["group"] == "legs"}
    found = json.loads(command("--sim", "--all", "--format", "json", example("by_category")).stdout)
    assert len(found["rows"]) == 10
    for row in found["rows"]:
        text = legs[f"by_category {row['symbol']}"]
        assert text.startswith(f"would sell {row['structure']} of {row['expiry']} at mid ")
        assert row["holds"] is (False if "; but " in text else None if "; unknown: " in text else True), text


def test_of_several_alternatives_the_one_that_would_be_taken_is_shown(data: Path) -> None:
    found = json.loads(command("--sim", "--all", "--format", "json", str(ROOT / "specs/vertical_switch.yaml")).stdout)
    rows = {row["symbol"]: row for row in found["rows"]}
    assert len(rows) == 9
    assert {row["alternative"] for row in rows.values()} == {"debit"}  # iv_percentile is below 60 on this day
    assert rows["SPY"]["price"] < 0
    assert rows["SPY"]["by"] == "probability_of_profit"
    assert rows["SPY"]["value"] == pytest.approx(rows["SPY"]["probability_of_profit"])
    assert rows["SPY"]["why"].startswith("universe.volume ")
    assert 0 < rows["SPY"]["short"] < 1
    assert rows["TSLA"]["holds"] is False


def test_what_could_lose_too_much_does_not_hold(tmp_path: Path) -> None:
    text = (ROOT / "specs" / "put_lite.yaml").read_text()
    assert "max_loss_per_trade: $500" in text
    small = text.replace("max_loss_per_trade: $500", "max_loss_per_trade: $400").replace("put_lite", "small")
    (tmp_path / "small.yaml").write_text(small)
    found = json.loads(command("--sim", "--all", "--format", "json", str(tmp_path / "small.yaml")).stdout)
    (row,) = found["rows"]
    assert row["holds"] is False
    assert "could lose $4" in row["why"]
    assert "max_loss_per_trade is $400" in row["why"]
    assert command("--sim", str(tmp_path / "small.yaml")).stdout.splitlines()[1] == " none: --all shows what each lacks"


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


# ---------------------------------------------------------------- the command


def test_the_text_ends_with_what_to_type_next(data: Path) -> None:
    spec = example("by_category")
    found = command("--sim", "--top", "2", spec)
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()
    assert lines[0] == "by_category: all conditions hold for 4 of 10; by iv_over_rv; * it would enter XLE, XLF, SMH"
    assert [line.split()[:2] for line in lines[2:4]] == [["1*", "XLE"], ["2*", "XLF"]]
    assert lines[4] == ""
    assert lines[5].startswith("simulated, 2026-10-21 10:30:")
    assert " of 90 market data lines" in lines[5]
    assert lines[-2:] == [f"next: rulebot explain {spec}", f"      rulebot run --paper --sim {spec}"]
    assert CliRunner().invoke(main, ["explain", spec]).exit_code == 0
    assert command("--sim", "--top", "2", spec).stdout == found.stdout


def test_another_measure_sorts_and_does_not_change_what_is_entered() -> None:
    found = json.loads(command("--sim", "--sort", "quote_width", "--format", "json", example("by_category")).stdout)
    rows = found["rows"]
    assert [row["value"] for row in rows] == sorted(row["quote_width"] for row in rows)
    assert [row["place"] for row in rows] == [1, 2, 3, 4]
    assert {row["symbol"] for row in rows if row["taken"]} == {"XLE", "XLF", "SMH"}
    assert {row["by"] for row in rows} == {"quote_width"}


def test_a_measure_of_the_language_that_no_column_has_can_sort() -> None:
    found = json.loads(command("--sim", "--sort", "rv", "--format", "json", example("by_category")).stdout)
    values = [row["value"] for row in found["rows"]]
    assert values == sorted(values, reverse=True)
    assert all(value > 0 for value in values)


def test_scans_are_kept_and_shown_again(data: Path) -> None:
    assert command("--history").stdout == "nothing was scanned yet\n"
    command("--sim", example("by_category"))
    command("--sim", "--top", "1", "--format", "csv", example("by_category"))
    assert sorted(path.name for path in data.iterdir()) == ["scans.db"]
    earlier = json.loads(command("--history", "--format", "json").stdout)["scans"]
    assert [(each["id"], each["rows"], each["held"]) for each in earlier] == [(2, 10, 4), (1, 10, 4)]
    rows = json.loads(command("--history", "xlf", "--format", "json").stdout)["rows"]
    assert [(row["scan"], row["symbol"], row["holds"]) for row in rows] == [(2, "XLF", True), (1, "XLF", True)]
    assert len(command("--history", "XLF", "--top", "1").stdout.splitlines()) == 2
    assert command("--history", "IBM").stdout == "no scan has seen IBM yet\n"


def test_csv_is_a_table_with_a_head() -> None:
    found = command("--sim", "--top", "1", "--format", "csv", example("by_category")).stdout.splitlines()
    assert len(found) == 2
    row = dict(zip(found[0].split(","), found[1].split(","), strict=True))
    assert (row["symbol"], row["place"], row["holds"], row["data"]) == ("XLE", "1", "True", "live")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no spec was named"),
        (("--sim", "--live", "put_lite"), "--sim does not go with it"),
        (("--sim", "--sort", "crowdng", "put_lite"), "unknown measure 'crowdng'"),
        (("--sim", "--sort", "profit", "put_lite"), "is of an open position"),
        (("--sim", "--sort", "session", "put_lite"), "is no number"),
        (("put_lite", "--history"), "leave SPEC out"),
        (("--gateway", "here", "put_lite"), "--gateway is HOST:PORT"),
        (("--sim", "--set", "nothing=1", "put_lite"), "no bot has a parameter 'nothing'"),
    ],
)
def test_what_cannot_be_meant_is_misuse(words: tuple[str, ...], said: str, data: Path) -> None:
    found = command(*words)
    assert found.exit_code == 2, found.output
    assert said in found.output
    assert not data.exists()


def test_a_spec_with_an_error_is_shown_with_its_place(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(OF_ALL.replace("move:", "mvoe:").replace("of_all", "bad"))
    (tmp_path / "liquid.yaml").write_text((ROOT / "examples" / "liquid.yaml").read_text())
    found = command("--sim", str(bad))
    assert found.exit_code == 1
    assert "RB112" in found.output


def test_where_nothing_listens_the_world_has_failed(data: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    found = command("--gateway", f"127.0.0.1:{port}", "put_lite")
    assert found.exit_code == 3, found.output
    assert f"nothing listens on 127.0.0.1:{port}" in found.output
    assert not data.exists()


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
        desk = widened(load_desk([str(ROOT / "specs" / "put_lite.yaml")], {}, None))
        async with gateway(first_day=SIM_DAY, seed=7, speed=400.0, lockstep=False) as gw:
            while gw.now < SOON_IN_HOURS.timestamp():
                await asyncio.sleep(0.01)
            ib = ib_world(IbSettings(port=gw.port, client_id=CLIENT_ID, rounds_apart=0.01), GatewayClock(gw))
            try:
                found = await scanned(World(ib, None), desk, EventCalendar(), at_port(gw.port, data), LINES)
            finally:
                await ib.link.close()
            (row,) = found.rows
            assert row.structure
            assert row.price is not None
            assert row.delta is not None
            assert found.world == "paper"

    run(scenario())

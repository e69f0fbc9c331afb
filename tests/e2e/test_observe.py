"""Observing engines: everything is decided, nothing is sent, and what would have been is followed and kept apart."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rulebot.adapters.ib.broker import IbBroker
from rulebot.adapters.ib.contracts import ContractBook
from rulebot.alerts.find import find_alerts
from rulebot.alerts.notifier import message
from rulebot.backtest.fill_model import fill_model
from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import attached, observing
from rulebot.live.shadow_connection import Relay
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.contract import Underlying
from rulebot.model.errors import InvariantError
from rulebot.model.event import Request
from rulebot.model.order import OrderStatus
from rulebot.model.session import at_exchange_time
from rulebot.narrate.snapshot_of_store import snapshot_of_store
from rulebot.promotion.promotion import read_evidence, read_live_store
from rulebot.record.record import Json, Kind, Record
from rulebot.spec.files import shipped
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.web.pages import bot_page, trades_page
from rulebot.web.rest_mapping import status
from tests.e2e.test_real_time import free_running
from tests.e2e.test_restart import DAY, new_york
from tests.e2e.worlds import check_replays, spec_files
from tests.wire.tally import PLACES_ORDER, Tally, tallied
from twsim import GatewaySettings, RunningGateway, start_gateway

BOTS = ("dte0_condor", "put_lite", "spy_put_seller")
CANCELS_ORDER = "4"
SPEC = str(Path(__file__).parents[2] / "specs" / "put_lite.yaml")
MARK = "observed: nothing was sent, and orders filled by a model (natural)"
HALF_DAY = date(2026, 12, 24)
"""The session before Christmas, which ends at 13:00."""
NEVER = at_exchange_time(HALF_DAY, time(19))
ALL_IS_DONE = at_exchange_time(HALF_DAY, time(11, 50))
"""By then all three bots have entered, and the two that leave that day have left."""
A_PUT = """rulebot: 1
name: {name}
about: Sells a same-day SPY put, and takes the shares.
underlying: SPY
entry: {{at: "10:00", for: 30m, days: [{day}]}}
legs: {{expiry: {{dte: 0}}, short_put: {{sell: put, strike: {{at: spot}}}}}}
order: {{start: natural, wait: 30s, tries: 3, then: cancel}}
exits: [{{at_expiry: settle}}]
risk: {{undefined_risk: allow}}
"""


class KilledError(Exception):
    """The engine is gone."""


async def observe(
    port: int,
    store: Path,
    killed_at: datetime,
    specs: Sequence[str] = (),
    sessions: int = 1,
    last: datetime | None = None,
) -> Run:
    """Observe a session, or until an instant at which the engine is gone. specs: others than the shipped BOTS.

    last: when the run ends, before its session does.
    """
    desk = load_all_bots(specs or spec_files(BOTS), {}, None)
    options = RunOptions(
        store=store,
        logs=None,
        sessions=sessions,
        install="obs-t",
        tapes=store.with_name("tapes"),
        settings={"mode": "observe", "fills": "natural"},
    )
    runs: list[Run] = []

    def begun(run: Run) -> None:
        runs.append(run)
        run.last = last or run.last

    def watcher(_: Run, at: datetime) -> None:
        if at >= killed_at:
            raise KilledError

    world = attached("127.0.0.1", port, 2, "", lockstep=True, sends_orders=False)
    with suppress(KilledError):
        await execute(desk, options, observing(world, fill_model("natural")), begun, watcher)
    return runs[0]


def day(store: Path, kills_at: Sequence[datetime] = ()) -> list[Tally]:
    """Observe a morning on a gateway of its own, with these kills in it; return what it was asked each time."""

    async def body() -> list[Tally]:
        gateway = await start_gateway(GatewaySettings(first_day=HALF_DAY, seed=3, data_seconds=15))
        tallies = []
        try:
            for at in (*kills_at, NEVER):
                async with tallied(gateway) as (port, tally):
                    await observe(port, store, at, last=ALL_IS_DONE)
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


def test_each_entry_is_reported_before_as_one_that_would_be(observed: tuple[Path, list[Tally]]) -> None:
    with StoreReader(observed[0]) as reader:
        reported = [each for each in reader.records((Kind.DECISION,)) if each.data.get("what") == "would enter"]
        executions = [row["exec_id"] for row in reader.view("fills")]
    assert [each.bot for each in reported] == ["spy_put_seller", "dte0_condor", "put_lite"]
    assert reported[2].data["reason"] == "sell 5960/5970p at 0.50 (mid 0.475, natural 0.40)"
    assert reported[2].data["values"] == ["0.50", pytest.approx(0.475), pytest.approx(0.4)]
    assert all(each.startswith("observed.") for each in executions)
    assert len(set(executions)) == len(executions) == 13


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
    tallies = day(tmp_path / "s.db", [at_exchange_time(HALF_DAY, each) for each in (time(10, 40), time(11, 30))])
    assert len(tallies) == 3
    assert sum(each.kinds[PLACES_ORDER] for each in tallies) == 0
    assert trades(tmp_path / "s.db", *columns) == trades(observed[0], *columns)


def test_shares_of_a_put_that_expired_while_nobody_looked_are_in_its_account(tmp_path: Path) -> None:
    """Books and journal said assigned, and `shares_held` was 0 until the next start."""
    files = [tmp_path / f"{name}.yaml" for name in ("bot", "other")]
    for file, day_of_week in zip(files, ("wed", "fri"), strict=True):
        file.write_text(A_PUT.format(name=file.stem, day=day_of_week), encoding="utf-8")
    next_day, ends = (new_york(9, minute) + timedelta(days=1) for minute in (20, 35))

    async def body() -> Run:
        settings = GatewaySettings(first_day=DAY, days=2, seed=7, data_seconds=30, market_file="trend_down")
        gateway = await start_gateway(settings)
        try:
            for file, until in ((files[0], new_york(15, 50)), (files[1], next_day), (files[0], ends)):
                async with tallied(gateway) as (port, _):
                    run = await observe(port, tmp_path / f"{file.stem}.db", until, [str(file)], sessions=2)
            return run
        finally:
            await gateway.stop()

    state = asyncio.run(body()).loop.state
    assert [each.exit_reason for each in state.positions.by_id.values()] == ["assigned"]
    assert {each.symbol: count for each, count in state.account.holdings.items() if isinstance(each, Underlying)} == {
        "SPY": 100
    }


@pytest.mark.long
def test_ci_a_restart_with_orders_at_work_takes_them_up(tmp_path: Path) -> None:
    """Killed between the two tries of an entry, and while a position is closed."""
    store = tmp_path / "s.db"
    day(store, [at_exchange_time(HALF_DAY, each) for each in (time(9, 45, 6), time(11, 43))])
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


def asked(store: Path, *words: str) -> Result:
    environment = {"RULEBOT_DATA": str(store.parent / "data")}
    return CliRunner(env=environment).invoke(main, [*words, "--store", str(store)])


@pytest.mark.parametrize("command", ["status", "summary", "summary --by day", "why put_lite"])
def test_what_is_shown_says_that_nothing_was_sent(observed: tuple[Path, list[Tally]], command: str) -> None:
    done = asked(observed[0], *command.split())
    assert (done.exit_code, MARK in done.output) == (0, True), done.output
    assert json.loads(asked(observed[0], *command.split(), "--format", "json").output)["mark"] == MARK


def test_the_page_and_its_parts_say_so(observed: tuple[Path, list[Tally]]) -> None:
    with StoreReader(observed[0]) as reader:
        assert snapshot_of_store(reader).mark == status(reader, snapshot_of_store(reader)).mark == MARK
        assert find_alerts(reader, 0, NEVER).is_observed
    assert trades_page(observed[0])["mark"] == MARK
    assert (bot_page(observed[0], "put_lite", None) or {})["mark"] == MARK


def test_an_alert_says_so() -> None:
    assert message((), NEVER, 1, is_simulated=True, is_observed=True)[0].startswith("[observed] [simulated] rulebot: ")


def test_a_run_that_trades_refuses_its_store(observed: tuple[Path, list[Tally]]) -> None:
    done = asked(observed[0], "run", "--paper", "--sim", SPEC)
    assert (done.exit_code, "is the store of runs that observe" in done.output) == (3, True), done.output
    done = asked(observed[0], "run", "--paper", SPEC)
    assert (done.exit_code, "is the store of runs that observe" in done.output) == (3, True), done.output
    account = observed[0].with_name("U1.db")
    account.write_bytes(observed[0].read_bytes())
    assert "is the store of runs that observe" in read_live_store(account, "U1", simulated=True).problem


def test_observing_refuses_the_store_of_a_run_that_traded(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    journal = SqlJournal(open_store(store))
    data = {"specs": {}, "settings": {"mode": "paper"}, "install": "x"}
    journal.append([Record(new_york(9, 30), Kind.RUN_STARTED, data=data)], durable=True)
    journal.close()
    done = asked(store, "run", "--observe", SPEC)
    assert (done.exit_code, "holds runs that did not only observe" in done.output) == (3, True), done.output


def test_nothing_of_it_is_closed_tied_or_promoted(observed: tuple[Path, list[Tally]]) -> None:
    done = asked(observed[0], "kill", "--flatten")
    assert (done.exit_code, "nothing of it is in any account" in done.output) == (2, True), done.output
    done = asked(observed[0], "store", "tie", SPEC)
    assert (done.exit_code, "was only observed" in done.output) == (2, True), done.output
    paper = read_evidence(observed[0], simulated=True).paper
    assert not paper.sessions
    assert {kind: len(days) for kind, days in paper.passed_over.items()} == {"observe": 1}


def test_a_connection_that_only_looks_sends_no_order() -> None:
    link = SimpleNamespace(sends_orders=False)
    broker = IbBroker(link, ContractBook())  # type: ignore[arg-type]
    order = SimpleNamespace(ref="rb:x:000001", order_id=1, is_combo=False)
    for send in (broker.submit, broker.replace, broker.cancel, broker.ask_margin):
        with pytest.raises(InvariantError, match="over a connection that sends none"):
            send(order)  # type: ignore[arg-type]


def test_a_reload_takes_the_document_of_another_account(tmp_path: Path) -> None:
    """The document is that of the account that trades; what is observed may be any."""
    specs = tmp_path / "specs"
    specs.mkdir()
    text = (shipped("specs") / "dte0_condor.yaml").read_text(encoding="utf-8")
    (specs / "dte0_condor.yaml").write_text(text, encoding="utf-8")
    document = "rulebot_account: 1\nabout: For a test.\naccount: DU1234567\nrisk: {max_open: 3}\n"
    (tmp_path / "account.yaml").write_text(document, encoding="utf-8")
    store = tmp_path / "s.db"
    reported: list[Result] = []

    def watcher(run: Run, at: datetime) -> None:
        if not reported:
            (specs / "dte0_condor.yaml").write_text(text.replace("delta: 0.06", "delta: 0.08"), encoding="utf-8")
            reported.append(CliRunner().invoke(main, ["reload", "--store", str(store)]))
            run.inbox.ask(Request.RELOAD)
        elif run.reloader.plan is None or at >= new_york(9, 40):
            run.inbox.ask(Request.STOP)

    async def body() -> None:
        gateway = await start_gateway(GatewaySettings(first_day=DAY, seed=7, speed=60.0, lockstep=False))
        said: dict[str, Json] = {"mode": "observe", "fills": "natural"}
        options = RunOptions(store=store, logs=None, sessions=None, settings=said)
        desk = load_all_bots([str(specs)], {}, None)
        try:
            world = observing(free_running(gateway), fill_model("natural"))
            await execute(desk, options, world, lambda run: None, watcher)
        finally:
            await gateway.stop()

    asyncio.run(asyncio.wait_for(body(), 60))
    assert (reported[0].exit_code, "asked the engine" in reported[0].output) == (0, True), reported[0].output
    with StoreReader(store) as reader:
        said_of_it = [str(each.data["what"]) for each in reader.records((Kind.RELOAD,)) if not each.bot]
    assert "refused" not in said_of_it
    assert said_of_it[0] == "asked"


@pytest.mark.long
def test_ci_a_shadow_beside_an_engine_in_real_time(tmp_path: Path) -> None:
    """A clock that nobody holds: both trade what they would alone, and the connection is lost and found once."""

    async def body() -> None:
        settings = GatewaySettings(first_day=DAY, seed=7, speed=150.0, lockstep=False)
        gateway = await start_gateway(settings)
        try:
            await both(gateway)
        finally:
            await gateway.stop()

    async def both(gateway: RunningGateway) -> None:
        desk, relay = load_all_bots(spec_files(["dte0_condor"]), {}, None), Relay()
        said = {"mode": "observe", "fills": "natural"}
        beside: list[asyncio.Task[Run]] = []
        done: set[str] = set()

        def started(_: Run) -> None:
            options = RunOptions(store=tmp_path / "shadow.db", logs=None, sessions=None, settings=said)
            world = relay.shadowing(fill_model("natural"))
            beside.append(asyncio.ensure_future(execute(desk, options, world, shadows.append, lambda run, at: None)))

        def watcher(run: Run, at: datetime) -> None:
            if at >= new_york(9, 38) and "cut" not in done:
                done.add("cut")
                gateway.cut(1)
            if at >= new_york(9, 52) and "stop" not in done:
                done.add("stop")
                run.inbox.ask(Request.STOP)
                shadows[0].inbox.ask(Request.STOP)

        shadows: list[Run] = []
        options = RunOptions(store=tmp_path / "live.db", logs=None, sessions=None)
        await execute(desk, options, relay.trading(free_running(gateway)), started, watcher)
        relay.end()
        await asyncio.wait_for(beside[0], 20)
        assert {"cut", "stop"} == done
        assert shadows[0].loop.reason == "stopped by the operator"

    asyncio.run(asyncio.wait_for(body(), 90))
    columns = ("strategy_id", "status", "entry_mid")
    assert [each["strategy_id"] for each in trades(tmp_path / "live.db", *columns)] == ["dte0_condor"]
    assert [each["strategy_id"] for each in trades(tmp_path / "shadow.db", *columns)] == ["dte0_condor"]
    for name in ("live.db", "shadow.db"):
        with StoreReader(tmp_path / name) as reader:
            assert [each.data["up"] for each in reader.records((Kind.LINK,))] == [True, False, True]

"""`rulebot doctor` before the simulated gateway: embedded and over TCP, with faults, and nothing is sent or written."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from free_port import free_port
from ib_fake_tws import fake_tws
from ib_session import connected as client_of
from ib_session import gateway, run

from rulebot.adapters.ib.broker import ib_world
from rulebot.adapters.ib.settings import IbSettings
from rulebot.cli.main import main
from rulebot.doctor.account_checks import EMPTY, account
from rulebot.doctor.examine import DoctorOptions, connected, examine
from rulebot.doctor.market_checks import Finding, Group, Level, exit_code
from rulebot.doctor.probe import CASES, Probe, Tape
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import World
from rulebot.model.errors import InvariantError
from rulebot.model.facts import EventCalendar
from rulebot.ports import Batch
from rulebot.preview.connection import ReadOnlySession
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store
from twsim import GatewaySettings, RunningGateway, read_faults, start_gateway
from twsim.exchange.broker_state import ExchangeSettings
from twsim.exchange.exchange import SimExchange
from twsim.market.market import SimMarket

SPECS = Path(__file__).parents[2] / "specs"
SIM_DAY = date(2026, 10, 21)
IN_HOURS = datetime(2026, 10, 21, 14, 0, tzinfo=UTC)
SOON_IN_HOURS = datetime(2026, 10, 21, 13, 30, 30, tzinfo=UTC)


pytestmark = pytest.mark.usefixtures("data")


def doctor(*words: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *words])


def spec(*names: str) -> tuple[str, ...]:
    return tuple(str(SPECS / f"{name}.yaml") for name in names)


async def found_by(wanted: DoctorOptions) -> list[Finding]:
    return [finding async for finding in examine(wanted)]


def alone(folder: Path, name: str) -> tuple[str, ...]:
    """Return a copy of a shipped bot in a folder of its own, where no account document is found."""
    file = folder / "bots" / f"{name}.yaml"
    file.parent.mkdir()
    file.write_text((SPECS / file.name).read_text(encoding="utf-8"), encoding="utf-8")
    return (str(file),)


def at_port(port: int, data: Path, *names: str, sim: bool = True) -> DoctorOptions:
    return DoctorOptions(specs=spec(*names), sim=sim, data=data, flags={"host": "127.0.0.1", "port": port}, environ={})


def of(found: list[Finding], group: Group, name: str) -> Finding:
    (finding,) = [each for each in found if each.group is group and each.name == name]
    return finding


async def into_the_day(gw: RunningGateway) -> None:
    """Let the gateway's clock come to 10:00."""
    async with client_of(gw.port, client_id=5) as (world, _):
        while (await world.link.next(IN_HOURS)).at < IN_HOURS:
            pass


# ---------------------------------------------------------------- embedded


def test_a_simulated_market_is_looked_at_and_nothing_is_left_behind(tmp_path: Path) -> None:
    found = doctor("--sim", "--format", "json", *spec("calm_tape_condor", "spy_put_seller"))
    assert found.exit_code == 0, found.output
    reported = json.loads(found.stdout)
    keys = [(row["group"], row["name"]) for row in reported["checks"]]
    assert keys == sorted(keys)
    rows = {(row["group"], row["name"]): row for row in reported["checks"]}
    assert rows["account", "account"]["text"].startswith("DU0000007 (paper, simulated)")
    assert "short options without cover on SPY; spreads on SPX" in rows["account", "option level"]["text"]
    assert rows["account", "option level"]["level"] == "not checked"
    assert rows["market data", "VIX"]["text"] == "live; needed by calm_tape_condor"
    assert rows["market data", "SPX options"]["level"] == "ok"
    # the day of seed 7 at 10:30: what `run --sim` enters there
    assert rows["legs", "calm_tape_condor"]["text"].startswith("would sell 5920/5930p 6005/6015c of 2026-10-21 at mid ")
    assert rows["legs", "spy_put_seller"]["text"].endswith("outside its window 09:31 to 09:36")
    assert list(tmp_path.iterdir()) == []
    assert doctor("--sim", "--format", "json", *spec("calm_tape_condor", "spy_put_seller")).stdout == found.stdout


@pytest.mark.parametrize(
    ("close", "words"), [("13:00", "it trades until 13:00 alone"), ("closed", "it does not trade")]
)
def test_65_a_day_that_the_broker_has_shorter_than_the_calendar_is_a_warning(
    close: str, words: str, tmp_path: Path
) -> None:
    async def body() -> None:
        plan = read_faults(f'faults:\n  - {{kind: short_day, close: "{close}"}}\n')
        gw = await start_gateway(GatewaySettings(first_day=date(2026, 10, 21)), faults=plan)
        try:
            reported = of(await found_by(at_port(gw.port, tmp_path, "put_lite")), Group.CLOCK, "hours of SPX")
        finally:
            await gw.stop()
        assert reported.level is Level.WARNING
        assert reported.text == f"by the broker's hours {words} on 2026-10-21; bots keep to it, not to the calendar"

    run(body())


def test_65_a_day_of_the_coming_week_that_the_broker_has_shorter_is_reported_ahead(tmp_path: Path) -> None:
    async def body() -> None:
        gw = await start_gateway(GatewaySettings(first_day=date(2026, 10, 21)))
        noon = datetime(2026, 10, 26, 16, tzinfo=UTC)
        gw.gateway.hub.short_days |= {date(2026, 10, 23): None, noon.date(): noon}
        try:
            found = await found_by(at_port(gw.port, tmp_path, "put_lite"))
        finally:
            await gw.stop()
        assert [each.text for each in found if each.name == "hours of SPX"] == [
            f"by the broker's hours it {words}; bots keep to it, not to the calendar"
            for words in ("does not trade on 2026-10-23", "trades until 12:00 alone on 2026-10-26")
        ]

    run(body())


def test_the_words_for_eyes_end_with_a_count() -> None:
    found = doctor("--sim", *spec("put_lite"))
    assert found.exit_code == 0, found.output
    assert "\nmarket data\n" in found.stdout
    assert "would sell 5910/5920p of 2026-10-21" in found.stdout
    assert found.stdout.splitlines()[-1].split(" checks: ")[1].startswith(tuple("123456789"))


def test_a_spec_with_an_error_is_a_fault_and_the_others_are_looked_at(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    text = (SPECS / "put_lite.yaml").read_text()
    bad.write_text(text.replace("vix_change", "vix_chnage").replace("put_lite", "bad"))
    found = doctor("--sim", "--format", "json", str(bad), *spec("put_lite"))
    assert found.exit_code == 1
    rows = json.loads(found.stdout)["checks"]
    faults = [row for row in rows if row["level"] == "fault"]
    assert {(row["group"], row["name"]) for row in faults} == {("specs", str(bad))}
    assert [row["text"] for row in faults] == ["line 13: RB112: unknown measure 'vix_chnage'"]
    assert [row["mend"] for row in faults] == ["did you mean 'vix_change'?"]
    assert [row["name"] for row in rows if row["group"] == "legs"] == ["put_lite"]


@pytest.mark.parametrize("words", [("--live", "--sim"), ("--live", "--paper"), ("no_such_spec",), ("--gateway", "x")])
def test_what_does_not_go_together_is_misuse(words: tuple[str, ...]) -> None:
    assert doctor(*words).exit_code == 2


def test_symbols_of_a_universe_take_turns_on_the_lines() -> None:
    found = doctor("--sim", "--format", "json", *spec("vertical_switch"))
    rows = [row for row in json.loads(found.stdout)["checks"] if row["group"] == "legs"]
    assert len(rows) == 36
    assert all(row["text"].startswith(("would sell ", "would buy ")) for row in rows)
    tsla = next(row for row in rows if row["name"] == "vertical_switch TSLA debit")
    assert tsla["text"].endswith("; unknown: no_event no calendar of earnings.TSLA")


class InYear:
    """A clock of another year."""

    def __init__(self, year: int) -> None:
        self._year = year

    def now(self) -> datetime:
        return datetime(self._year, 3, 1, 15, 0, tzinfo=UTC)

    def elapsed(self) -> float:
        return 0.0


def test_after_the_exchange_calendar_nothing_is_asked_and_nothing_breaks(data: Path) -> None:
    async def scenario() -> None:
        wanted = DoctorOptions(specs=spec("put_lite"), data=data, environ={})
        found = [each async for each in examine(wanted, InYear(2031))]
        assert of(found, Group.CALENDARS, "exchange").level is Level.FAULT
        assert of(found, Group.GATEWAY, "connection").level is Level.NOT_CHECKED
        assert exit_code(found) == 1

    run(scenario())


def test_settings_that_cannot_be_used_end_with_what_is_wrong(tmp_path: Path) -> None:
    settings = tmp_path / "mine.toml"
    settings.write_text("port = 99999\n")
    found = doctor("--settings", str(settings), "--format", "json", *spec("put_lite"))
    assert found.exit_code == 1, found.output
    rows = {(row["group"], row["name"]): row for row in json.loads(found.stdout)["checks"]}
    assert "RB613" in rows["settings", "settings"]["text"]
    assert rows["gateway", "connection"]["text"] == "its place is unknown"


def test_what_a_universe_requires_and_what_halts_are_judged_too(tmp_path: Path) -> None:
    text = (SPECS / "put_lite.yaml").read_text().replace("put_lite", "halted")
    (tmp_path / "halted.yaml").write_text(text.replace("vix_spike: {above: 3 pts}", "vix: {above: 1}"))
    ranked = str(SPECS.parent / "examples" / "universe_by_rank.yaml")
    found = doctor("--sim", "--format", "json", str(tmp_path / "halted.yaml"), ranked)
    rows = {row["name"]: row["text"] for row in json.loads(found.stdout)["checks"] if row["group"] == "legs"}
    assert "; but it halts for the day: vix " in rows["halted"]
    universe = [text for name, text in rows.items() if name.startswith("universe_by_rank ")]
    assert len(universe) == 4
    assert not any("unknown" in text for text in universe)


COSTS_NOTHING = "nothing can be chosen: short_call: min_strike is not known: the account holds no SPY shares"
"""Of the wheel's calls, that are sold at no strike under what the shares have cost: this account has none."""


@pytest.mark.long
def test_ci_of_every_spec_and_example_the_legs_are_found_whatever_the_company() -> None:
    found_there = sorted((SPECS.parent / "examples").glob("*.yaml"))
    examples = [str(file) for file in found_there if file.stem != "account_limits"]  # specs/ has a document of its own
    found = doctor("--sim", "--format", "json", str(SPECS), *examples)
    assert found.exit_code == 0, found.output
    rows = [row for row in json.loads(found.stdout)["checks"] if row["group"] == "legs"]
    assert len(rows) > 90
    missing = [row["text"] for row in rows if row["text"].startswith("nothing can be chosen")]
    assert missing == [COSTS_NOTHING]
    unknown = {row["text"].partition("unknown: ")[2] for row in rows} - {""}
    known = ("no calendar of earnings.", "holds no SPY shares", "no web hooks are received here")
    assert all(any(words in text for words in known) for text in unknown), unknown


# ---------------------------------------------------------------- over TCP


def test_over_tcp_legs_are_chosen_and_no_order_is_sent(tmp_path: Path, data: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"

    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7, store_file=ledger) as gw:
            await into_the_day(gw)
            found = await found_by(at_port(gw.port, data, "calm_tape_condor"))
            assert exit_code(found) == 0
            assert of(found, Group.GATEWAY, "connection").level is Level.OK
            assert of(found, Group.LEGS, "calm_tape_condor").text.startswith("would sell ")
            assert not gw.exchange.open_orders()
            assert not gw.exchange.completed_orders()

    run(scenario())
    assert [json.loads(line)["kind"] for line in ledger.read_text().splitlines() if '"order"' in line] == []
    assert not data.exists()


def test_before_the_open_what_cannot_be_known_is_not_checked(data: Path) -> None:
    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7) as gw:
            found = await found_by(at_port(gw.port, data, "calm_tape_condor"))
            legs = of(found, Group.LEGS, "calm_tape_condor")
            assert (legs.level, legs.text[:23]) == (Level.NOT_CHECKED, "the exchange is closed:")
            assert of(found, Group.CLOCK, "session").text == "closed; the next opens on 2026-10-21 at 09:30"
            assert exit_code(found) == 0

    run(scenario())


@pytest.mark.parametrize("code", [354, 10089])
def test_data_that_is_not_subscribed_is_a_fault_with_its_subscription(code: int, tmp_path: Path, data: Path) -> None:
    plan = tmp_path / "faults.yaml"
    plan.write_text(f"faults:\n  - {{kind: not_subscribed, symbol: VIX, code: {code}}}\n")

    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7, faults_file=plan) as gw:
            await into_the_day(gw)
            found = await found_by(at_port(gw.port, data, "calm_tape_condor"))
            vix = of(found, Group.DATA, "VIX")
            assert (vix.level, vix.text) == (Level.FAULT, "not subscribed; needed by calm_tape_condor")
            assert vix.mend.startswith("subscribe to Cboe Streaming Market Indexes")
            assert vix.mend.endswith(f"(error {code})")
            assert of(found, Group.DATA, "SPX").level is Level.OK
            legs = of(found, Group.LEGS, "calm_tape_condor")
            assert legs.level is Level.WARNING
            assert "unknown: vix" in legs.text
            assert exit_code(found) == 1

    run(scenario())


def test_options_that_another_session_has_are_a_fault(tmp_path: Path, data: Path) -> None:
    plan = tmp_path / "faults.yaml"
    plan.write_text('faults:\n  - {kind: competing_session, at: "09:59:00", seconds: 3600}\n')

    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7, faults_file=plan) as gw:
            await into_the_day(gw)
            found = await found_by(at_port(gw.port, data, "put_lite"))
            spx = of(found, Group.DATA, "SPX")
            assert (spx.level, spx.text.split(";")[0]) == (Level.FAULT, "taken by another session of this user")
            assert of(found, Group.LEGS, "put_lite").text.startswith("nothing can be chosen: ")

    run(scenario())


def test_an_account_with_real_money_is_refused_on_paper(data: Path) -> None:
    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, account="U1234567") as gw:
            found = await found_by(at_port(gw.port, data, "put_lite"))
            answered, refused = [each for each in found if each.name == "connection"]
            assert answered.level is Level.OK
            assert (
                refused.text
                == "account U1234567 is not a paper account (those begin with DU or DF), and the mode is paper"
            )
            assert of(found, Group.LEGS, "legs").level is Level.NOT_CHECKED
            assert exit_code(found) == 3

    run(scenario())


def test_another_account_than_the_settings_name_is_refused(tmp_path: Path, data: Path) -> None:
    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY) as gw:
            wanted = replace(at_port(gw.port, data, sim=False), specs=alone(tmp_path, "put_lite"))
            environ = {"RULEBOT_ACCOUNT": "DU7654321", "RULEBOT_PROT": "4002"}
            found = [each async for each in examine(DoctorOptions(**{**fields_of(wanted), "environ": environ}))]
            connections = [each for each in found if each.name == "connection"]
            assert "is a simulated gateway" in connections[0].text
            assert connections[1].text.startswith("account DU7654321 is not behind 127.0.0.1:")
            assert of(found, Group.SETTINGS, "account").text == "DU7654321 (RULEBOT_ACCOUNT)"
            assert of(found, Group.SETTINGS, "variables").mend == "was RULEBOT_PORT meant?"
            assert exit_code(found) == 3

    run(scenario())


def test_another_account_than_the_account_document_names_is_refused(data: Path, tmp_path: Path) -> None:
    for name in ("put_lite", "account"):
        (tmp_path / f"{name}.yaml").write_text((SPECS / f"{name}.yaml").read_text("utf-8"), "utf-8")
    with (tmp_path / "account.yaml").open("a", encoding="utf-8") as document:
        document.write("account: DU1234567\n")

    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY) as gw:
            wanted = replace(at_port(gw.port, data, sim=False), specs=(str(tmp_path / "put_lite.yaml"),))
            found = await found_by(wanted)
            refused = [each for each in found if each.name == "connection"][-1]
            assert refused.text.startswith("account DU1234567 is not behind 127.0.0.1:")
            assert exit_code(found) == 3

    run(scenario())


@pytest.mark.parametrize(("sim", "level"), [(False, Level.FAULT), (True, Level.WARNING)], ids=["paper", "sim"])
def test_a_client_id_that_another_program_has_is_named(data: Path, *, sim: bool, level: Level) -> None:
    """The check-up connects as another client, and found nothing wrong where a run would have been refused."""

    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY) as gw:
            wanted = at_port(gw.port, data, "put_lite", sim=sim)
            free = of(await found_by(wanted), Group.GATEWAY, "client id")
            assert (free.level, free.text) == (Level.OK, "1 is free")
            async with client_of(gw.port, client_id=1, lockstep=False):
                taken = of(await found_by(wanted), Group.GATEWAY, "client id")
                assert taken.level is level
                assert taken.text == f"client id 1 is in use on 127.0.0.1:{gw.port}"
                assert taken.mend.startswith("another program, or an older run of this one, is connected with it")

    run(scenario())


def test_a_gateway_whose_api_is_read_only_is_named_at_once(data: Path) -> None:
    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, read_only=True) as gw:
            found = await found_by(at_port(gw.port, data, "put_lite"))
            _, refused = [each for each in found if each.name == "connection"]
            assert refused.text == (
                f"127.0.0.1:{gw.port} is connected, and its API is read-only: no orders, and no lists of orders"
            )
            assert "switch off 'Read-Only API'" in refused.mend
            assert exit_code(found) == 3

    run(scenario())


def fields_of(wanted: DoctorOptions) -> dict[str, object]:
    return {name: getattr(wanted, name) for name in ("specs", "sim", "data", "flags", "environ")}


def test_where_nothing_listens_all_else_is_still_checked() -> None:
    port = free_port()
    found = doctor("--gateway", f"127.0.0.1:{port}", "--format", "json", *spec("put_lite"))
    assert found.exit_code == 3, found.output
    rows = {(row["group"], row["name"]): row for row in json.loads(found.stdout)["checks"]}
    assert rows["gateway", "connection"]["text"] == f"nothing listens on 127.0.0.1:{port}"
    assert rows["gateway", "connection"]["mend"].startswith("start TWS or IB Gateway and log in")
    assert rows["specs", "put_lite"]["level"] == "ok"
    assert {rows[group, group]["level"] for group in ("account", "clock", "legs", "market data")} == {"not checked"}
    assert rows["clock", "restarts"]["level"] in ("ok", "warning")


def test_a_program_that_is_no_gateway(data: Path) -> None:
    async def scenario() -> None:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            await writer.drain()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        async with server:
            found = await found_by(at_port(server.sockets[0].getsockname()[1], data, sim=False))
        assert "does not speak the TWS API" in of(found, Group.GATEWAY, "connection").text
        assert exit_code(found) == 3

    run(scenario())


def test_a_connection_that_breaks_ends_what_can_be_asked(tmp_path: Path, data: Path) -> None:
    plan = tmp_path / "faults.yaml"
    plan.write_text('faults:\n  - {kind: cut, at: "10:00:02"}\n')

    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7, faults_file=plan) as gw:
            await into_the_day(gw)
            found = await found_by(at_port(gw.port, data, "calm_tape_condor"))
            lost = [each for each in found if each.name == "connection"][-1]
            assert lost.is_outage
            assert of(found, Group.ACCOUNT, "balance").level is Level.OK
            assert of(found, Group.LEGS, "legs").level is Level.NOT_CHECKED
            assert exit_code(found) == 3

    run(scenario())


def test_sim_is_refused_where_a_real_gateway_answers(data: Path) -> None:
    async def scenario() -> None:
        async with fake_tws() as fake:
            found = await found_by(at_port(fake.port, data))
            assert "does not offer a clock that waits" in [each for each in found if each.name == "connection"][-1].text

    run(scenario())


def test_an_account_without_funds_or_day_trades_is_warned_of() -> None:
    values = {"NetLiquidation": "400.00", "AvailableFunds": "350.00", "DayTradesRemaining": "0"}
    reported = [(6, 2, key, value, "USD", "DU1") for key, value in values.items()]

    async def scenario() -> None:
        desk = load_all_bots(spec("put_lite", "spy_put_seller"), {}, None)
        async with (
            fake_tws(answers={"6": lambda _: [*reported, (54, 1, "DU1")]}) as fake,
            client_of(fake.port, lockstep=False) as (world, events),
        ):
            visit = ReadOnlySession(World(world, None), desk, EventCalendar(), Batch(IN_HOURS, events), 10)
            found = [each for each in account(visit, desk, live=False) if each.level is Level.WARNING]
        assert [each.text for each in found] == [
            "one entry of put_lite may lose $1,000.00, and $350.00 are free for margin",
            "none left within five sessions: put_lite enters nothing by it",
        ]

    run(scenario())


@pytest.mark.parametrize("is_alone", [True, False])
def test_live_says_all_that_a_live_run_would_be_refused_for(tmp_path: Path, data: Path, *, is_alone: bool) -> None:
    bots = alone(tmp_path, "put_lite") if is_alone else spec("put_lite")
    lacking = "no account document was found" if is_alone else "the account document has no 'live'"

    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, account="U1234567") as gw:
            flags = {"host": "127.0.0.1", "live_port": gw.port}
            found = await found_by(DoctorOptions(specs=bots, live=True, data=data, flags=flags, environ={}))
            missing = [each.text for each in found if each.group is Group.LIVE]
            assert len(missing) == 2
            assert missing[0].startswith(lacking)
            assert missing[1].startswith("put_lite is not promoted")
            assert of(found, Group.ACCOUNT, "account").text.startswith("U1234567 (real money, simulated)")
            assert exit_code(found) == 1

    run(scenario())


def test_beside_an_engine_no_lines_are_taken_for_options(tmp_path: Path, data: Path) -> None:
    bots = alone(tmp_path, "calm_tape_condor")

    async def scenario() -> None:
        store = data / "runs" / "rulebot.db"
        journal = SqlJournal(open_store(store))
        try:
            async with gateway(first_day=SIM_DAY, seed=7) as gw:
                await into_the_day(gw)
                found = await found_by(replace(at_port(gw.port, data, sim=False), specs=bots))
        finally:
            journal.close()
        assert of(found, Group.LEGS, "legs").level is Level.NOT_CHECKED
        assert of(found, Group.DATA, "SPX").level is Level.OK
        assert [each for each in found if each.name == "SPX options"] == []

    run(scenario())


# ---------------------------------------------------------------- in real time


class GatewayClock:
    """Tells the simulated gateway's time, and `ahead` seconds more, as a wall clock would tell ours."""

    def __init__(self, gw: RunningGateway, ahead: int = 0) -> None:
        self._gateway = gw
        self._ahead = ahead

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._gateway.now + self._ahead, UTC)

    def elapsed(self) -> float:
        return self._gateway.now


def test_without_lockstep_as_at_a_real_gateway(data: Path) -> None:
    async def scenario() -> None:
        desk = load_all_bots(spec("calm_tape_condor"), {}, None)
        async with gateway(first_day=SIM_DAY, seed=7, speed=20.0, lockstep=False) as gw:
            while gw.now < SOON_IN_HOURS.timestamp():
                await asyncio.sleep(0.01)
            clock = GatewayClock(gw)
            ib = ib_world(IbSettings(port=gw.port, client_id=72, round_interval=0.01), clock)
            wanted = DoctorOptions(specs=spec("calm_tape_condor"), data=data, environ={})
            try:
                world = World(ib, None)
                found = [
                    each async for each in connected(world, desk, EventCalendar(), clock, wanted, has_neighbour=False)
                ]
            finally:
                await ib.link.close()
        assert of(found, Group.CLOCK, "broker's time").level is Level.OK
        assert of(found, Group.LEGS, "calm_tape_condor").text.startswith("would sell ")

    run(scenario())


class Ahead:
    """A clock that stands twelve seconds ahead of what the broker tells."""

    def now(self) -> datetime:
        return IN_HOURS + timedelta(seconds=12)

    def elapsed(self) -> float:
        return asyncio.get_running_loop().time()


def test_a_clock_that_is_wrong_is_a_warning(data: Path) -> None:
    async def scenario() -> None:
        async with fake_tws(answers={"49": lambda _: [(49, 1, int(IN_HOURS.timestamp()))]}) as fake:
            ib = ib_world(IbSettings(port=fake.port, round_interval=0.01), Ahead())
            wanted = DoctorOptions(data=data, environ={})
            looks = connected(World(ib, None), EMPTY, EventCalendar(), Ahead(), wanted, has_neighbour=False)
            try:
                found = [each async for each in looks]
            finally:
                await ib.link.close()
        skew = of(found, Group.CLOCK, "broker's time")
        assert skew.level is Level.WARNING
        assert "11.5 s ahead of the broker's" in skew.text
        assert skew.text.endswith(": an engine uses the broker's")
        assert of(found, Group.ACCOUNT, "balance").text.startswith("worth $100,000.00, cash not reported")
        assert exit_code(found) == 0

    run(scenario())


# ---------------------------------------------------------------- the probe


@asynccontextmanager
async def another_broker(faults: str = "", **settings: bool) -> AsyncIterator[RunningGateway]:
    """A gateway whose exchange has other habits than the simulated one usually has."""
    plan = read_faults(f"faults: {faults}") if faults else None
    market = SimMarket(seed=7, date=SIM_DAY)
    exchange = SimExchange(market, seed=7, settings=ExchangeSettings(**settings))
    running = await start_gateway(
        GatewaySettings(first_day=SIM_DAY, seed=7), market=market, exchange=exchange, faults=plan
    )
    try:
        yield running
    finally:
        await running.stop()


def probing(port: int, data: Path, record: Path) -> DoctorOptions:
    flags = {"host": "127.0.0.1", "port": port}
    return DoctorOptions(sim=True, data=data, flags=flags, environ={}, probe=record)


def test_the_probe_agrees_with_the_simulated_gateway_and_leaves_nothing(tmp_path: Path) -> None:
    record = tmp_path / "heard.jsonl"
    found = doctor("--sim", "--probe", "--record", str(record), "--format", "json")
    assert found.exit_code == 0, found.output
    rows = {row["name"]: row for row in json.loads(found.stdout)["checks"] if row["group"] == "probe"}
    assert {row["level"] for row in rows.values()} == {"ok"}
    assert rows.keys() == {"record", "orders", *(case.name for case in CASES)}
    assert rows["far limit"]["text"].startswith("accepted; ended Cancelled, 202")
    assert rows["order ids"]["text"].startswith(
        "the next id after an order is above its own; a lower one: refused, 103"
    )
    assert rows["orders"]["text"] == "17 orders sent and cancelled, none has filled"
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert {line["case"] for line in lines} == {case.name for case in CASES} | {"quotes"}
    assert sum("sent" in line for line in lines) > 15
    received = [line for line in lines if "hex" in line]
    assert all(bytes.fromhex(line["hex"])[4:].decode().split("\0")[:-1] == line["fields"] for line in received)
    assert not any("DU0000007" in field for line in received for field in line["fields"])
    assert "there already" in doctor("--sim", "--probe", "--record", str(record)).output


def test_the_probe_says_that_no_combo_can_be_changed(tmp_path: Path, data: Path) -> None:
    async def scenario() -> None:
        change = "{kind: legs_rewritten, on: order, number: each, changes: refused}"
        async with another_broker(faults=f"[{change}]") as gw:
            await into_the_day(gw)
            found = await found_by(probing(gw.port, data, tmp_path / "heard.jsonl"))
            assert not gw.exchange.open_orders()
        (differs,) = (each for each in found if each.level is Level.WARNING and each.group is Group.PROBE)
        assert differs.text.startswith(
            "accepted; not changed, 105; ended Cancelled; the simulated gateway: accepted; c"
        )

    run(scenario())


def test_the_probe_says_where_a_broker_is_another(tmp_path: Path, data: Path) -> None:
    async def scenario() -> None:
        async with another_broker(refuse_other_side=False, adaptive_combos=True) as gw:
            await into_the_day(gw)
            found = await found_by(probing(gw.port, data, tmp_path / "heard.jsonl"))
            assert not gw.exchange.open_orders()
        differ = {each.name: each.text for each in found if each.level is Level.WARNING and each.group is Group.PROBE}
        assert differ.keys() == {"other side", "adaptive combo"}
        assert differ["adaptive combo"].startswith("accepted; the simulated gateway: refused, 201: ")
        assert exit_code(found) == 0

    run(scenario())


def test_what_the_probe_cannot_take_back_is_a_fault(tmp_path: Path, data: Path) -> None:
    plan = tmp_path / "faults.yaml"
    plan.write_text(
        "faults:\n"
        "  - {kind: swallow_cancel, on: cancel, number: 1}\n"
        "  - {kind: swallow_cancel, on: cancel, number: 2}\n"
    )

    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7, faults_file=plan) as gw:
            await into_the_day(gw)
            found = await found_by(probing(gw.port, data, tmp_path / "heard.jsonl"))
            left = [each.text for each in found if each.level is Level.FAULT]
            assert left == []  # asked again at the end, they went
            assert of(found, Group.PROBE, "far limit").level is Level.WARNING

        plan.write_text("faults:\n  - {kind: swallow_cancel, on: cancel, number: each}\n")
        async with gateway(first_day=SIM_DAY, seed=7, faults_file=plan) as gw:
            await into_the_day(gw)
            found = await found_by(probing(gw.port, data, tmp_path / "more.jsonl"))
            left = [each.text for each in found if each.level is Level.FAULT]
            assert len(left) == len(gw.exchange.open_orders()) > 0
            assert left[0].endswith("may still work (far limit)")
            assert exit_code(found) == 1

    run(scenario())


def test_a_probe_whose_connection_breaks_says_what_may_be_left(tmp_path: Path, data: Path) -> None:
    plan = tmp_path / "faults.yaml"
    plan.write_text("faults:\n  - {kind: cut, on: order, number: 2}\n")

    async def scenario() -> None:
        async with gateway(first_day=SIM_DAY, seed=7, faults_file=plan) as gw:
            await into_the_day(gw)
            found = await found_by(probing(gw.port, data, tmp_path / "heard.jsonl"))
            assert of(found, Group.PROBE, "probe").is_outage
            assert of(found, Group.PROBE, "orders").text.endswith("may still work (off the grid)")
            assert exit_code(found) == 3

    run(scenario())


def test_no_probe_with_real_money_nor_beside_an_engine(tmp_path: Path, data: Path) -> None:
    assert doctor("--live", "--probe").exit_code == 2
    assert doctor("--probe").exit_code == 2
    assert doctor("--sim", "--record", "a.jsonl").exit_code == 2

    async def scenario() -> None:
        journal = SqlJournal(open_store(data / "runs" / "rulebot.db"))
        try:
            async with gateway(first_day=SIM_DAY, seed=7) as gw:
                await into_the_day(gw)
                wanted = probing(gw.port, data, tmp_path / "heard.jsonl")
                found = await found_by(replace(wanted, sim=False))
        finally:
            journal.close()
        assert of(found, Group.PROBE, "probe").level is Level.NOT_CHECKED
        assert not (tmp_path / "heard.jsonl").exists()

    run(scenario())


def test_a_probe_refuses_an_account_with_real_money_whatever_it_was_reported() -> None:
    async def scenario() -> None:
        async with (
            gateway(first_day=SIM_DAY, account="U1234567") as gw,
            client_of(gw.port, paper=False) as (world, events),
        ):
            first = Batch(IN_HOURS, events)
            visit = ReadOnlySession(World(world, None), EMPTY, EventCalendar(), first, 10)
            with pytest.raises(InvariantError, match="is not a paper account"):
                Probe(visit, world.broker, Tape("U1234567"), "SPY")

    run(scenario())


def test_a_tape_that_begins_between_two_pieces_waits_for_a_whole_frame() -> None:
    tape = Tape("DU1234567")
    tape.case = "x"
    tape(b"|rest of a frame\0")
    tape(b"\0\0\0\x0e3\0DU12")
    tape(b"34567\0a\0\0\0\0\x024\0")
    assert [frame.fields for frame in tape.frames] == [["3", "DU0000000", "a"], ["4"]]

"""A whole day of the shipped specs on a PostgreSQL server: the same decisions and the same journal as in a file."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from cutting_proxy import Cut, CuttingProxy
from places import rows, session_of
from postgres_server import PostgresServer

from rulebot.chaos.generator import CHOICE, draw
from rulebot.chaos.invariants import judge
from rulebot.chaos.runner import run_scenario
from rulebot.chaos.scenario import Crash, ScenarioMoment
from rulebot.checks.against_ledger.books import compare_books, read_day
from rulebot.checks.against_ledger.findings import offences
from rulebot.checks.journal.audit import audit_store
from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.order import OrderStatus, Purpose
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Server, place_of
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.store.requests import box_of
from rulebot.store.schema import NAMES
from tests.e2e.conftest import Lived
from tests.e2e.findings import problems_of
from tests.e2e.test_restart import in_loop, new_york, run_until, working
from tests.e2e.worlds import run_days, spec_files
from twsim import RunningGateway

pytestmark = pytest.mark.postgres

KILLS = (ScenarioMoment.BEFORE_WRITE, ScenarioMoment.AFTER_WRITE, ScenarioMoment.AFTER_COMMAND)
STORED = "SELECT seq, at, kind, bot, position, data, hash FROM journal ORDER BY seq"


@pytest.mark.long
def test_ci_a_day_on_a_server_is_that_in_a_file(tmp_path: Path, postgres_server: PostgresServer, plain: Lived) -> None:
    place = postgres_server.place()
    there = run_days(tmp_path, spec_files(), seed=7, data_seconds=15, place=place)
    assert there.decisions == plain.day.decisions
    assert len(there.records) > 1000
    assert rows(place, STORED) == rows(plain.store, STORED)
    with StoreReader(place) as one, StoreReader(plain.store) as other:
        assert one.tables(NAMES) == other.tables(NAMES)
        assert len(one.view("trades")) > 3
    assert problems_of(there) == []
    assert offences(there) == {}
    assert [each.number for each in audit_store(place) if not each.holds] == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(11, 15), ids=["ci 11", "ci 12", "13", "14"])
def test_a_storm_on_a_server_ends_as_in_a_file(seed: int, tmp_path: Path, postgres_server: PostgresServer) -> None:
    """A whole drawn trial with its faults, and the engine killed at its first orders: nothing is lost on either.

    What a drawn trial does to the store itself it does to a file; `test_lost_server.py` does it to a server.
    """
    desk = load_all_bots(spec_files(["spy_put_seller", "dte0_condor"]), {}, None)
    kills = tuple(Crash(moment=each, number=5 + 3 * at) for at, each in enumerate(KILLS))
    storm = replace(draw(seed, desk, CHOICE), acts=(), reloads=(), crashes=kills)
    place = postgres_server.place()
    there = run_scenario(storm, desk, tmp_path, place)
    here = run_scenario(storm, desk, tmp_path)
    assert judge(there, desk) == {}
    assert there.deaths == here.deaths != ()
    assert there.day.decisions == here.day.decisions
    assert rows(place, STORED) == rows(tmp_path / "chaos.db", STORED)
    assert there.tables == there.starts == ()


class CutAtOrders(SqlJournal):
    """A journal whose line to the server is cut at the commit of the first intent to send an order."""

    def __init__(self, server: Server, line: CuttingProxy, cuts: Sequence[Cut | None]) -> None:
        super().__init__(open_store(server))
        self._line = line
        self._cuts = cuts

    def append(self, records: Sequence[Record], *, durable: bool) -> None:
        """Write, and lose the line at the first order."""
        if any(record.kind is Kind.ORDER for record in records) and self._cuts:
            assert durable
            self._line.coming, self._cuts = [*self._cuts], ()
        super().append(records, durable=durable)


AGAIN = (Cut.BEFORE, None, Cut.BEFORE)
"""Cut twice; between lies what a new session asks of the journal."""


@pytest.mark.parametrize("cuts", [*((each,) for each in Cut), AGAIN], ids=["before", "after", "stuck", "again"])
def test_an_order_leaves_only_when_its_intent_is_known_to_be_kept(
    cuts: Sequence[Cut | None], tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """faults.md row 79: the connection dies in the commit of an entry's intent."""
    direct = postgres_server.place()

    async def body(gateway: RunningGateway, folder: Path) -> None:
        with CuttingProxy(postgres_server.port) as line:
            server = Server({**direct.what, "port": str(line.port)})
            await run_until(gateway, server, new_york(10, 0), opens=lambda _: CutAtOrders(server, line, cuts))
            assert line.cuts == len([each for each in cuts if each is not None])
            assert not line.deliver()
        assert gateway.ledger is not None
        day = read_day(direct, gateway.ledger.totals(), {})
        assert [order.status for order in day.orders.values() if order.purpose is Purpose.ENTRY] == [OrderStatus.FILLED]
        assert len(working(gateway)) == 2
        assert (compare_books(day), offences(day), day.broken) == ([], {}, None)

    in_loop(body, tmp_path, seed=7)


@pytest.mark.long
@pytest.mark.usefixtures("slow_market")
def test_ci_the_commands_name_a_server_without_its_password(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run, read, audit, export and ask, by a URL with a password; the pointer to the last run has none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    server = postgres_server.place()
    user = server.what["user"]
    url = str(server).replace(f"{user}@", f"{user}:not-to-be-seen@")
    commands = [
        ["run", "--paper", "--sim", "--days", "1", "--store", url, *spec_files(["spy_put_seller"])],
        ["status", "--store", url],
        ["status"],
        ["summary", "--format", "json"],
        ["list", "--store", url],
        ["why", "spy_put_seller", "--store", url],
        ["store", "audit", "--store", url],
        ["store", "export", "--to", "out", "--store", url],
    ]
    said = ""
    for command in commands:
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, (command, done.output)
        said += done.output
    done = CliRunner().invoke(main, ["pause", "--store", url])
    assert (done.exit_code, f"no engine runs on {server}, and none will" in done.output) == (3, True)
    said += done.output
    with closing(box_of(place_of(url))) as box:
        box.put("1-1", '{"id": "1-1", "request": "pause"}')  # as where an engine may follow
    assert said.count(str(server)) >= 6
    again = CliRunner().invoke(main, commands[0])
    assert (again.exit_code, "holds an earlier run" in again.output) == (2, True)
    for refused in (["store", "backup", "copy.db"], ["store", "restore", "copy.db"]):
        done = CliRunner().invoke(main, [*refused, "--store", url])
        assert (done.exit_code, "its server's own tools" in done.output) == (3, True)
        said += done.output
    said += again.output
    said += "".join(file.read_bytes().decode("utf-8", "replace") for file in tmp_path.rglob("*") if file.is_file())
    said += "".join(str(row) for row in rows(server, STORED))
    assert "not-to-be-seen" not in said
    assert (tmp_path / "data" / "servers" / server.digest / "logs" / "spy_put_seller" / "trades.jsonl").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]
    with session_of(server) as session:
        assert session.execute("SELECT count(*) FROM requests").fetchone() == (1,)

"""A crash point named in the environment ends the real process there, and the next start goes on from it."""

import asyncio
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.chaos.crash_points import KILLED, POINTS, VARIABLE
from rulebot.checks.against_ledger.books import read_day
from rulebot.checks.against_ledger.findings import LedgerOrders
from rulebot.cli.main import main
from rulebot.record.record import Kind
from tests.e2e.kill_checks import findings_of
from tests.e2e.kill_trials import Engine, Trial, open_gateway
from tests.e2e.worlds import spec_files

HALF_DAY = date(2026, 11, 27)


def test_a_point_that_is_none_is_refused() -> None:
    said = CliRunner(env={VARIABLE: "while asleep 3"}).invoke(
        main, ["run", "--paper", "--sim", *spec_files(["put_lite"])]
    )
    assert said.exit_code == 2
    assert "is 'while asleep 3'" in said.output
    assert all(point.value in said.output for point in POINTS)


def test_a_broker_that_is_not_simulated_is_spared() -> None:
    said = CliRunner(env={VARIABLE: "after write 3"}).invoke(main, ["run", "--paper", *spec_files(["put_lite"])])
    assert said.exit_code == 2
    assert "a simulated market alone takes that" in said.output


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform == "win32", reason="compares exit codes of a kill")
@pytest.mark.parametrize(
    "point",
    ["before write 6", "after write 7", "after command 2", "before send 60", "after send 90"],
    ids=["ci before write", "after write", "after command", "before send", "ci after send"],
)
def test_every_point_ends_the_process_and_loses_nothing(point: str, tmp_path: Path) -> None:
    assert point.rpartition(" ")[0] in {each.value for each in POINTS}

    async def body() -> None:
        gateway, ledger = await open_gateway(Trial(seed=7, kills=0, first_day=HALF_DAY, data_seconds=15))
        engine = Engine(tmp_path, gateway.port, spec_files(["spy_put_seller", "dte0_condor"]), {VARIABLE: point})
        try:
            assert await (await engine.start(1)).wait() == KILLED
            engine.environment = {}
            assert await (await engine.start(1)).wait() == 0
            day = read_day(engine.store, ledger.totals(), {})
            now = datetime.fromtimestamp(gateway.now, UTC)
            findings = findings_of(day, LedgerOrders(ledger.rows, gateway.exchange.open_orders(), now))
        finally:
            engine.kill()
            await gateway.stop()
        assert findings.all == ()
        assert len([record for record in day.records if record.kind is Kind.RUN_STARTED]) in (1, 2)
        assert {position.bot for position in day.positions.values()} == {"spy_put_seller", "dte0_condor"}

    asyncio.run(body())

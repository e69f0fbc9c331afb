"""The way from paper to live by the command line, at simulated gateways: refused, promoted, refused, traded."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulebot.cli import run_modes as live
from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import attached
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.event import Request
from rulebot.record.record import Kind
from rulebot.store.queries import StoreReader

ROOT = Path(__file__).parents[2]
ACCOUNT = """
rulebot_account: 1
about: For a test.
account: DU0000007
risk: {max_open: 3}
live:
  account: U1234567
  require:
    - compliant_sessions: {at_least: 2}
    - expectancy: {above: $0}
  good_for: 5d
"""
SPEC = "specs/put_lite.yaml"
MEANT = ("--yes-i-mean", "U1234567")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, slow_market: None) -> Path:
    """Return a folder with a spec, an account document and the store of one session on simulated paper."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "specs").mkdir()
    (folder / SPEC).write_text((ROOT / SPEC).read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "account.yaml").write_text(ACCOUNT, encoding="utf-8")
    arguments = ["run", "--paper", "--sim", "--seed", "11", "--store", str(folder / "paper.db"), str(folder / SPEC)]
    done = CliRunner(env={"RULEBOT_DATA": str(folder / "data")}).invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(autouse=True)
def _in_the_folder(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(desk / "data"))
    monkeypatch.chdir(desk)


def rulebot(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, list(arguments), input=typed)


@contextmanager
def gateway(account: str) -> Iterator[str]:
    """Serve a simulated gateway that waits for its client, and yield its address."""
    options = ["--port", "0", "--date", "2026-10-22", "--seed", "11", "--speed", "max", "--holders", "1"]
    command = [sys.executable, "-m", "rulebot.cli.main", "gateway", *options, "--account", account]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            first, second = process.stdout.readline(), process.stdout.readline()
            assert first.startswith("SIMULATED TWS gateway on ")
            assert second.startswith(f"SIMULATED account {account}")
            yield first.split()[4]
        finally:
            process.terminate()


@pytest.mark.long
def test_ci_from_paper_to_live(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = rulebot("promote", "--sim", "--store", "paper.db", "put_lite")
    assert short.exit_code == 1
    assert "compliant_sessions  1 in a row  at least 2   1 too few" in short.stdout

    with gateway("U1234567") as address:
        run = ("run", "--live", "--gateway", address, "--until", "close")
        paper = rulebot("run", "--paper", "--sim", "--gateway", address, "--store", "other.db", SPEC)
        assert paper.exit_code == 3
        assert "account U1234567 is not a paper account" in paper.stderr

        refused = rulebot(*run, SPEC)
        assert refused.exit_code == 1
        assert "--live is refused, 2 things are missing:" in refused.stderr
        assert "put_lite is not promoted" in refused.stderr
        assert "add --yes-i-mean U1234567" in refused.stderr

        (desk / "account.yaml").write_text(ACCOUNT.replace("at_least: 2", "at_least: 1"), encoding="utf-8")
        real = rulebot("promote", "--store", "paper.db", "put_lite")
        assert real.exit_code == 1
        assert "not counted: 1 session at a simulated gateway" in real.stdout
        promoted = rulebot("promote", "--sim", "--store", "paper.db", SPEC)
        assert promoted.exit_code == 0, promoted.output
        assert "put_lite is promoted for U1234567 until 2026-10-28" in promoted.stdout

        other = (desk / SPEC).read_text(encoding="utf-8").replace("daily_loss: $150", "daily_loss: $160")
        (desk / "specs" / "changed").mkdir()
        (desk / "specs" / "changed" / "put_lite.yaml").write_text(other, encoding="utf-8")
        changed = rulebot(*run, *MEANT, "--account", "account.yaml", "specs/changed/put_lite.yaml")
        assert changed.exit_code == 1
        assert "put_lite was promoted with another text" in changed.stderr

        monkeypatch.setattr(live, "_is_terminal", lambda: True)
        wrong = rulebot(*run, SPEC, typed="U1234568\n")
        assert wrong.exit_code == 1
        assert "not confirmed: typed 'U1234568'" in wrong.stderr

        traded = rulebot(*run, SPEC, typed="U1234567\n")
        assert traded.exit_code == 0, traded.output
        assert (
            "== LIVE, SIMULATED: account U1234567 is played by a simulated gateway, no real money ==" in traded.stdout
        )
        assert "put_lite  filled: sold " in traded.stdout

    with StoreReader(desk / "data" / "runs" / "live.db") as reader:
        (started,) = reader.records([Kind.RUN_STARTED])
        assert (started.data["account"], started.data["simulated"]) == ("U1234567", True)
        assert [record.bot for record in reader.records([Kind.PROMOTION])] == ["put_lite"]
        assert len(reader.view("trades")) == 1
    assert " put_lite  stopped  live" in rulebot("list").stdout
    audited = rulebot("store", "audit")
    assert audited.exit_code == 0, audited.output


@pytest.mark.long
def test_ci_a_gateway_with_a_paper_account_only(desk: Path) -> None:
    with gateway("DU1234567") as address:
        refused = rulebot("run", "--live", "--gateway", address, *MEANT, SPEC)
    assert refused.exit_code == 1
    assert f"{address} has no account with real money, only DU1234567: of paper" in refused.stderr


@pytest.mark.long
@pytest.mark.parametrize("then", ["--exits-only", "flatten"])
def test_ci_what_is_open_in_a_live_store_can_always_be_left(desk: Path, tmp_path: Path, then: str) -> None:
    """A live run ends at 11:00 with a position; no bot is promoted, and yet its exit acts, or it is closed at once."""
    store = tmp_path / "live.db"
    until = datetime(2026, 10, 22, 15, 0, tzinfo=UTC)

    def stops(run: Run, at: datetime) -> None:
        if at >= until:
            run.inbox.ask(Request.STOP)

    with gateway("U1234567") as address:
        port = int(address.partition(":")[2])
        said = {"mode": "live", "gateway": address, "sim": True, "client_id": 1}
        options = RunOptions(store=store, logs=None, sessions=None, settings=said)
        world = attached("127.0.0.1", port, 1, "U1234567", lockstep=True, live=True)
        asyncio.run(execute(load_all_bots([SPEC], {}, None), options, world, lambda run: None, stops))
        named = ("--store", str(store))
        refused = rulebot("run", "--live", "--gateway", address, *MEANT, *named, SPEC)
        assert f"1 position is open in {store}" in refused.stderr
        if then == "flatten":
            left = rulebot("kill", "--flatten", *named)
        else:
            run = ("run", "--live", "--exits-only", "--until", "close", "--gateway", address)
            left = rulebot(*run, *MEANT, *named, SPEC)
        assert left.exit_code == 0, left.output
    assert "== LIVE, SIMULATED: account U1234567" in left.stdout
    with StoreReader(store) as reader:
        (trade,) = reader.view("trades")
    assert trade["status"] == "CLOSED"
    assert trade["exit_name"] == ("flattened" if then == "flatten" else "target")

"""Web hooks through the page, the store and the engine: a simulated day that one of them decides, and a restart."""

import asyncio
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from rulebot.adapters.recorded.recording import open_recording
from rulebot.checks.against_ledger.books import compare_books, read_day
from rulebot.checks.against_ledger.findings import offences
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import attached
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.event import Request
from rulebot.record.record import Kind, Record
from rulebot.replay.drift import DriftKind, drifts
from rulebot.replay.replay import replay
from rulebot.store.queries import StoreReader
from rulebot.web.access import Access
from rulebot.web.hooks import WebhookGate
from rulebot.web.server import Bind, Server, application
from tests.e2e.examples import FOLDER
from twsim import GatewaySettings, RunningGateway, start_gateway

SECRET = "a-secret-of-hooks-0123"
SPEC = """
rulebot: 1
name: told
about: Enters when another program says so.
underlying: SPX
entry:
  window: {from: "10:30", to: "15:00"}
  per_day: 1
  when: [{webhook: {name: trend, says: up, within: 3h}}]
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.15}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - webhook: {name: get_out, within: 30m}
  - time: "15:45"
risk: {max_loss_per_trade: $2000}
"""


def new_york(hour: int, minute: int) -> datetime:
    """Return a time of 21 October 2026 in New York (UTC - 4)."""
    return datetime(2026, 10, 21, hour + 4, minute, tzinfo=UTC)


class Teller:
    """Another program: it sends its hooks to the page when a time has come, and the page is there only meanwhile."""

    def __init__(self, store: Path, plan: list[tuple[datetime, str, str]], stop_at: datetime | None = None) -> None:
        self.store, self.plan, self.stop_at = store, plan, stop_at
        self.answers: list[int] = []
        self._server: Server | None = None

    def __call__(self, run: Run, at: datetime) -> None:
        while self.plan and at >= self.plan[0][0]:
            _, name, says = self.plan.pop(0)
            self.answers.append(self._send(name, says))
            run.inbox._looked = float("-inf")  # a fifth of a second is a long time in a day of three
        if self.stop_at is not None and at >= self.stop_at:
            run.inbox.ask(Request.STOP)
            self.stop_at = None

    def _send(self, name: str, says: str) -> int:
        if self._server is None:
            door = WebhookGate(self.store, SECRET)
            self._server = Server(
                lambda stopping: application(self.store, Access(token="t" * 20), stopping=stopping, door=door),
                Bind(port=0),
            )
            self._server.start()
        connection = http.client.HTTPConnection(self._server.address.split("/")[2], timeout=20)
        connection.request("POST", f"/hooks/{name}", json.dumps({"secret": SECRET, "says": says}))
        status = connection.getresponse().status
        connection.close()
        return status

    def close(self) -> None:
        if self._server is not None:
            self._server.stop()


async def run(gateway: RunningGateway, spec: Path, alert_sender: Teller, *, sessions: int | None = None) -> Run:
    """Run a bot against a gateway that lives on."""
    desk = load_all_bots([str(spec)], {}, None)
    tapes = alert_sender.store.with_name("tapes")
    options = RunOptions(
        store=alert_sender.store, logs=None, sessions=sessions, install="", takes_hooks=True, tapes=tapes
    )
    world = attached("127.0.0.1", gateway.port, 1, "", lockstep=True)
    try:
        return await execute(desk, options, world, lambda run: None, alert_sender)
    finally:
        alert_sender.close()


def simulated(body: Callable[[RunningGateway], object]) -> None:
    """Let a test live with a gateway of its own."""

    async def live() -> None:
        gateway = await start_gateway(GatewaySettings(first_day=date(2026, 10, 21), data_seconds=15))
        try:
            await body(gateway)  # type: ignore[misc]
        finally:
            await gateway.stop()

    asyncio.run(live())


def recorded(store: Path, *kinds: Kind) -> list[Record]:
    with StoreReader(store) as reader:
        return [record for _, record in reader.numbered_after(0, kinds)]


@pytest.mark.long
def test_ci_a_hook_opens_a_position_and_another_closes_it(tmp_path: Path) -> None:
    store = tmp_path / "a.db"

    async def body(gateway: RunningGateway) -> None:
        plan = [
            (new_york(10, 45), "trend", "down"),
            (new_york(11, 15), "trend", "up"),
            (new_york(11, 40), "get_out", ""),
        ]
        alert_sender = Teller(store, plan)
        await run(gateway, FOLDER / "webhook.yaml", alert_sender, sessions=1)
        assert alert_sender.answers == [202, 202, 202]
        assert gateway.ledger is not None
        day = read_day(store, gateway.ledger.totals(), {})
        assert compare_books(day) == []
        assert offences(day) == {}

    simulated(body)
    down, up, out = recorded(store, Kind.WEBHOOK)
    assert [each.data["says"] for each in (down, up, out)] == ["down", "up", ""]
    (trade,) = _trades(store)
    assert trade["exit_name"] == "webhook.get_out"
    entered = next(r for r in recorded(store, Kind.ORDER) if r.data["purpose"] == "entry")
    assert new_york(11, 15) <= up.at <= entered.at < new_york(11, 16)
    assert str(trade["exit_time"]).startswith("2026-10-21 11:4")
    said = [r for r in recorded(store, Kind.VERDICT) if r.data["rule"] == "webhook.trend"]
    assert [r.data["truth"] for r in said] == [False, True]
    assert str(said[1].data["words"]).endswith("says up")
    assert SECRET not in store.read_bytes().decode("latin-1")
    _replayed(tmp_path)
    (tape,) = (tmp_path / "tapes").glob("*/*.tape")
    (compared,) = drifts(open_recording(tape))
    assert (compared.what, compared.natural) == (DriftKind.SAME, None), (
        "the walk hears the hooks, one at natural does not"
    )


def _replayed(folder: Path) -> None:
    """The recordings of a day with hooks lead to the same decisions."""
    files = sorted((folder / "tapes").glob("*/*.tape"))
    assert files
    for file in files:
        found = replay(open_recording(file))
        assert found.difference is None
        assert found.decisions > 0


def _trades(store: Path) -> list[dict[str, object]]:
    with StoreReader(store) as reader:
        return [dict(row) for row in reader.view("trades")]


@pytest.mark.long
def test_ci_an_engine_that_is_started_between_hook_and_entry_enters(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    (tmp_path / "told.yaml").write_text(SPEC, encoding="utf-8")

    async def body(gateway: RunningGateway) -> None:
        first = Teller(store, [(new_york(9, 50), "trend", "up")], stop_at=new_york(10, 10))
        await run(gateway, tmp_path / "told.yaml", first)
        assert recorded(store, Kind.ORDER) == []
        second = await run(gateway, tmp_path / "told.yaml", Teller(store, [], stop_at=new_york(10, 40)))
        (position,) = second.loop.state.positions.by_id.values()
        assert position.state in ("open", "entering")

    simulated(body)
    (hook,) = recorded(store, Kind.WEBHOOK)
    entered = next(r for r in recorded(store, Kind.ORDER) if r.data["purpose"] == "entry")
    assert hook.at < new_york(10, 30) <= entered.at < new_york(10, 31)
    _replayed(tmp_path)


@pytest.mark.long
def test_ci_a_run_with_a_secret_knows_that_hooks_can_come(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    command = [sys.executable, "-m", "rulebot.cli.main", "run", "--paper", "--sim", "--date", "2026-11-27"]
    settings = {**os.environ, "RULEBOT_DATA": str(tmp_path), "RULEBOT_HOOK_SECRET": SECRET}
    words = [*command, "--store", str(store), str(FOLDER / "webhook.yaml")]
    done = subprocess.run(words, env=settings, capture_output=True, timeout=90, check=True)
    assert {str(r.data["words"]) for r in recorded(store, Kind.VERDICT)} >= {"none came today", "not: none came today"}
    assert SECRET not in (done.stdout + done.stderr).decode()

"""A loss of the day or a halt that closes everything: a recorded day replays, and a backtest of it closes alike."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from rulebot.adapters.recorded.source import RecordingSource
from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.calendars.calendars import load_calendar
from rulebot.checks.against_ledger.books import CheckedDay
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.model.cause import Halt
from rulebot.model.order import Purpose
from rulebot.record.codec import line
from rulebot.record.record import Record
from tests.e2e.worlds import check_replays, run_days

BOT = """rulebot: 1
name: NAME
about: Sells a same-day put spread at the open.
underlying: SPX
entry: {window: {from: "09:40", to: "10:00"}}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.30}}
  long_put: {buy: put, strike: {below: short_put, by: 20 pts}}
order: {start: natural, tries: 4}
exits:
  - time: "15:30"
risk: {max_loss_per_trade: $2500RISK}
"""
ACCOUNT = """rulebot_account: 1
about: Closes everything at a loss of the day.
risk: {daily_loss: $20, at_daily_loss: {close: all}}
"""
LOSS = ", daily_loss: $10, at_daily_loss: {close: all}"
HALT = ', halt_when: [{name: late, time: "11:00", close: all}]'


def simulated(folder: Path, risk: str, account: str) -> tuple[LoadedBots, CheckedDay]:
    """Run a recorded simulated day of two bots; return them, and what the day left."""
    files = []
    for name in ("one", "two"):
        files.append(folder / f"{name}.yaml")
        files[-1].write_text(BOT.replace("NAME", name).replace("RISK", risk))
    document = folder / "account.yaml" if account else None
    if document is not None:
        document.write_text(account)
    specs = [str(file) for file in files]
    day = run_days(folder, specs, seed=3, data_seconds=15, tapes=folder / "tapes", account=document)
    return load_all_bots(specs, {}, document), day


def walked(desk: LoadedBots, tapes: Path, *, skips: bool) -> tuple[BacktestSimulation, list[Record]]:
    """Return a backtest of the recorded market, and what it recorded."""
    source = RecordingSource(tapes)
    (day,) = source.dates(date.min, date.max)
    walk = BacktestSimulation(
        desk.program("x", {}, 90), source, load_calendar(), fill_model("natural"), Decimal(1_000_000)
    )
    walk.skips = skips
    records = [record for each in walk.through(day, day) for record in each.records]
    return walk, records


@pytest.mark.parametrize(
    ("risk", "account", "reason", "halt"),
    [
        (LOSS, "", "daily_loss", Halt.DAY_LOSS),
        ("", ACCOUNT, "daily_loss", Halt.ACCOUNT_LOSS),
        (HALT, "", "halt.late", Halt.CONDITION),
    ],
    ids=["bot", "account", "halt"],
)
def test_a_day_on_which_everything_is_closed_replays_and_backtests_alike(
    risk: str, account: str, reason: str, halt: Halt, tmp_path: Path
) -> None:
    desk, day = simulated(tmp_path, risk, account)
    closed = {position.bot: (position.state, position.exit_reason) for position in day.positions.values()}
    assert closed == {"one": ("closed", reason), "two": ("closed", reason)}
    assert {each.halt for each in day.bot_days} == {halt}
    assert sum(order.purpose is Purpose.EXIT for order in day.orders.values()) >= 2
    assert check_replays(tmp_path / "tapes") > 0
    (plain, slow), (quick, fast) = (walked(desk, tmp_path / "tapes", skips=skips) for skips in (False, True))
    for walk in (plain, quick):
        assert walk.state is not None
        found = {each.bot: (each.state, each.exit_reason) for each in walk.state.positions.by_id.values()}
        assert found == closed
    assert [line(record) for record in fast] == [line(record) for record in slow]
    live = sorted(position.closed_at for position in day.positions.values() if position.closed_at)
    assert quick.state is not None
    past = sorted(each.closed_at for each in quick.state.positions.by_id.values() if each.closed_at)
    assert all(abs((one - other).total_seconds()) <= 60 for one, other in zip(live, past, strict=True))

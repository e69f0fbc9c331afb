"""Calls against shares, held to expiry on whole simulated days: the shares go at the strike, to the cent."""

import asyncio
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from rulebot.checks.against_ledger.books import CheckedDay, compare_books, read_day
from rulebot.checks.against_ledger.holdings import delivery_differences
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import SimSettings, simulated
from rulebot.live.start import Run, RunOptions, execute
from rulebot.record.record import Kind
from twsim import Row, money_of

SPEC = """\
rulebot: 1
name: settles
about: Sells same-day calls against shares and lets them be assigned.
underlying: SPY
quantity: {overwrite: {between: [0%, 100%]}}
entry: {at: "12:00"}
legs:
  expiry: {dte: 0}
  short_call: {sell: call, strike: {at: spot, round_to: 1}}
order: {start: mid, step: 0.01, wait: 10s, tries: 8, then: cancel}
exits:
  - at_expiry: settle
risk: {daily_loss: $100000}
"""


BUY_WRITE = """\
rulebot: 1
name: settles
about: Buys shares, sells calls on them, and is too late to leave.
underlying: SPY
quantity: 2
entry: {at: "12:00"}
legs:
  expiry: {dte: 0}
  stock: {buy: shares}
  short_call: {sell: call, strike: {at: spot, round_to: 1}}
order: {start: mid, step: 0.01, wait: 10s, tries: 8, then: cancel}
exits:
  - sessions_in_trade: {at_least: 9}
risk: {daily_loss: $100000}
"""


def lived(folder: Path, market: str, spec: str = SPEC, *, sessions: int = 1) -> tuple[CheckedDay, list[Row]]:
    """Run days in an account with 350 SPY shares; return what they left and the ledger's rows."""
    (folder / "settles.yaml").write_text(spec)
    desk = load_all_bots([str(folder / "settles.yaml")], {}, None)
    kept: list[Run] = []

    async def main() -> tuple[CheckedDay, list[Row]]:
        world = simulated(SimSettings(data_seconds=15, market=market, shares=(("SPY", 350),), days=sessions), 1)
        options = RunOptions(store=folder / "day.db", logs=None, sessions=sessions, install="s7")
        await execute(desk, options, world, kept.append, note)
        return read_day(folder / "day.db", totals[-1], {}), rows[-1]

    totals, rows = [], []

    def note(run: Run, at: datetime) -> None:
        ledger = None if run.world.gateway is None else run.world.gateway.ledger
        if ledger is not None and run.last is not None and at >= run.last:
            totals.append(ledger.totals())
            rows.append(list(ledger.rows))

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("market", "ending", "left"),
    [("trend_up", "assigned", 50), pytest.param("trend_down", "worthless", 350, marks=pytest.mark.long, id="ci")],
)
def test_the_books_and_the_shares_agree_with_the_ledger(tmp_path: Path, market: str, ending: str, left: int) -> None:
    day, rows = lived(tmp_path, market)
    (position,) = day.positions.values()
    assert (position.state, position.quantity) == ("closed", 3)
    assert ending in position.exit_reason
    assert compare_books(day, (), rows) == []
    assert list(delivery_differences(day, rows)) == []
    held = {str(row["name"]): money_of(row, "quantity") for row in rows if row["kind"] == "position"}
    assert held["SPY"] == left
    cash = sum((money_of(row, "amount") for row in rows if row["kind"] == "cash"), Decimal(0))
    moved, leg = 350 - left, position.legs[0]
    assert cash == position.cash - position.commissions + leg.option.strike * moved
    (record,) = (each for each in day.records if each.kind is Kind.SETTLEMENT)
    worth = moved * (leg.option.strike - Decimal(str(record.data["level"])))
    assert position.net == position.cash - position.commissions + worth, "the shares count at the settlement price"
    changed = [{**row, "price": "1"} if row.get("outcome") == "delivery" else row for row in rows]
    assert len(list(delivery_differences(day, changed))) == (ending == "assigned")


@pytest.mark.long
def test_ci_the_shares_of_a_buy_write_go_with_its_calls(tmp_path: Path) -> None:
    day, rows = lived(tmp_path, "trend_up", BUY_WRITE)
    (position,) = day.positions.values()
    assert (position.state, position.exit_reason) == ("closed", "assigned")
    stock, written = position.legs
    assert (stock.opened, stock.settled, stock.held) == (200, 200, 0)
    assert stock.exit_cash == 200 * written.option.strike
    assert compare_books(day, (), rows) == []
    assert list(delivery_differences(day, rows)) == []
    held = {str(row["name"]): money_of(row, "quantity") for row in rows if row["kind"] == "position"}
    assert held["SPY"] == 350
    cash = sum((money_of(row, "amount") for row in rows if row["kind"] == "cash"), Decimal(0))
    assert cash == position.net


@pytest.mark.long
def test_ci_shares_that_are_left_are_sold_in_the_morning(tmp_path: Path) -> None:
    day, rows = lived(tmp_path, "trend_down", BUY_WRITE, sessions=2)
    first = next(iter(day.positions.values()))
    stock, written = first.legs
    assert (first.state, stock.held, written.settled) == ("closed", 0, 2)
    assert first.closed_at is not None
    assert first.closed_at.date() > first.session
    assert compare_books(day, (), rows) == []
    assert list(delivery_differences(day, rows)) == []

"""A quantity that grows, over made-up sessions: one structure more after each row of compliant ones, in order."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from past_days import PastDays

from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.look_ahead import carried_state
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.calendars.calendars import shipped_dates
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.economic_calendar import event_calendar
from rulebot.record.record import Kind

TEXT = """rulebot: 1
name: grower
about: Buys a call, and one more after each five compliant sessions.
underlying: SPX
quantity: {grow: {from: 1, by: 1, sessions: 5}, at_most: 2}
entry: {at: "10:00"}
legs:
  expiry: {dte: 0}
  long_call: {buy: call, strike: {at: spot}}
order: {start: natural, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits: [{time: "15:30"}]
risk: {max_loss_per_trade: $50000, LOSS}
"""
FIRST, LAST = date(2026, 9, 1), date(2026, 9, 18)


def counts(folder: Path, loss: str) -> list[int]:
    """Return how many structures were bought on each session."""
    file = folder / "grower.yaml"
    file.write_text(TEXT.replace("LOSS", loss), encoding="utf-8")
    program = load_all_bots([str(file)], {}, None).program("t", {}, 90)
    assert "compliant" in carried_state(program)
    walk = BacktestSimulation(
        program, PastDays(), event_calendar(shipped_dates()), fill_model("mid"), Decimal(1_000_000)
    )
    days = list(walk.through(FIRST, LAST))
    orders = [
        {r.data["ref"]: r.data for r in day.records if r.kind is Kind.ORDER and r.data["purpose"] == "entry"}
        for day in days
    ]
    return [int(str(order["quantity"])) for each in orders for order in each.values()]


def test_five_sessions_make_a_second_structure_and_no_third(tmp_path: Path) -> None:
    assert counts(tmp_path, "daily_loss: $40000") == [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2]


def test_a_halt_by_the_loss_of_the_day_begins_the_row_again(tmp_path: Path) -> None:
    """A loss of $100 is a breach on most days, so the row never comes to five."""
    assert set(counts(tmp_path, "daily_loss: $100")) == {1}


@pytest.mark.parametrize("text", ["by: 0", "sessions: 251"])
def test_steps_of_nothing_and_rows_of_years_are_refused(tmp_path: Path, text: str) -> None:
    key = text.partition(":")[0]
    file = tmp_path / "grower.yaml"
    old = {"by": "by: 1", "sessions": "sessions: 5"}[key]
    file.write_text(TEXT.replace(", LOSS", "").replace(old, text), encoding="utf-8")
    with pytest.raises(Exception, match="grower"):
        load_all_bots([str(file)], {}, None)

"""Instants that pass by while orders rest at the broker: on record is what turns at each of them record."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from passed_by import FILLS, FIRST, both, difference, odd, program_of
from past_days import PastDays

from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.calendars.calendars import shipped_dates
from rulebot.model.economic_calendar import event_calendar
from rulebot.record.record import Kind

SELLS = """rulebot: 1
name: plain
about: Sells puts, or puts and calls, with orders that rest.
underlying: SPX
quantity: {quantity}
entry: {{window: {{from: "09:40", to: "12:00"}}, max_open: {most}, per_day: {most}{again}}}
legs:
  expiry: {{dte: {dte}}}
  on_conflict: allow
  short_put: {{sell: put, strike: {{delta: {delta}}}}}{others}
order: {{start: mid, step: 0.05, wait: 10s, tries: 8, then: cancel}}
exits:{exits}
risk: {{undefined_risk: allow, max_loss_per_trade: $900000{protect}}}
"""
PAIR = """
  - target: {{profit: {profit}%}}
    resting: true
  - stop: {{loss: {loss}%}}
    resting: true"""
WATCHED = """
  - target: {{profit: {profit}%}}
  - stop: {{loss: {loss}%}}"""
LAST = (
    '\n  - time: "15:30"',
    "\n  - at_expiry: settle",
    '\n  - leg_delta: {above: 0.3}\n  - time: "15:50"',
    '\n  - time_in_trade: {at_least: 50m}\n  - time: "15:50"',
)
OTHERS = (
    "",
    "\n  long_put: {buy: put, strike: {below: short_put, by: 25 pts}}",
    "\n  short_call: {sell: call, strike: {delta: 0.1}}",
)


def resting_spec(seed: int) -> str:
    """Return a bot that sells, with a target and a stop that rest, or with stops that protect what it has sold."""
    chance = Random(f"resting {seed}")
    is_pair = chance.random() < 0.5
    most = chance.choice((1, 1, 3))
    exits = (PAIR if is_pair else WATCHED).format(
        profit=chance.choice((30, 60, 90)), loss=chance.choice((40, 100, 300))
    )
    unprotected = ", max_time_without_stop: 90s" if chance.random() < 0.5 else ""
    return SELLS.format(
        quantity=chance.choice((1, 3)),
        most=most,
        again=", again: {after: [filled], wait: 20m}" if most > 1 else "",
        dte=chance.choice((0, 0, 2)),
        delta=chance.choice((0.08, 0.15, 0.3)),
        others="" if is_pair else chance.choice(OTHERS),
        exits=exits + chance.choice(LAST),
        protect="" if is_pair else f", protect: {{cost: {chance.choice((2, 5))}x credit}}{unprotected}",
    )


COMBO = """
  - stop: {{cost: {loss}x credit}}
  - target: {{profit: {profit}%}}
    resting: true"""
CALLS = "\n  short_call: {sell: call, strike: {delta: 0.1}}"
WINGS = (
    OTHERS[1],
    OTHERS[2],
    f"{OTHERS[1]}{CALLS}\n  long_call: {{buy: call, strike: {{above: short_call, by: 25 pts}}}}",
)


def resting_combo(seed: int) -> str:
    """Return a bot that sells several legs, whose target rests as one order."""
    chance = Random(f"resting combo {seed}")
    most = chance.choice((1, 1, 3))
    exits = COMBO.format(profit=chance.choice((10, 30, 60)), loss=chance.choice((1.3, 2, 4)))
    return SELLS.format(
        quantity=chance.choice((1, 3)),
        most=most,
        again=", again: {after: [filled], wait: 20m}" if most > 1 else "",
        dte=chance.choice((0, 0, 2)),
        delta=chance.choice((0.08, 0.15, 0.3)),
        others=chance.choice(WINGS),
        exits=exits + chance.choice((LAST[0], LAST[1], LAST[3])),
        protect="",
    )


@pytest.mark.parametrize(("first", "fills"), list(enumerate(FILLS)))
def test_bots_whose_combo_rests_record_the_same(tmp_path: Path, first: int, fills: str) -> None:
    for seed in range(first, 6, len(FILLS)):
        alike(tmp_path, fills, seed, resting_combo(seed), 2)


@pytest.mark.parametrize(("first", "fills"), list(enumerate(FILLS)))
def test_bots_with_orders_that_rest_record_the_same(tmp_path: Path, first: int, fills: str) -> None:
    same(tmp_path, fills, range(first, 6, len(FILLS)), 1)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fills", FILLS)
def test_many_bots_with_orders_that_rest_record_the_same(tmp_path: Path, fills: str) -> None:
    same(tmp_path, fills, range(80), 5)


def same(folder: Path, fills: str, seeds: Iterable[int], days: int) -> None:
    """Assert that as much is recorded with instants passed by as without, whole quotes or odd ones."""
    for seed in seeds:
        alike(folder, fills, seed, resting_spec(seed), days)
        alike(folder, fills, seed, resting_combo(seed), days)


def alike(folder: Path, fills: str, seed: int, text: str, days: int) -> None:
    """Assert the same of one bot."""
    for source in (PastDays(strikes=40, expiries=3), PastDays(strikes=40, expiries=3, change=odd, every=3)):
        reported, every = both(program_of(folder, text), source, days, fills)
        assert not difference(reported, every), f"seed {seed}"


@pytest.mark.parametrize(("exits", "protect"), [(PAIR, ""), (WATCHED, ", protect: {cost: 20x credit}")])
def test_what_is_held_with_orders_that_rest_is_passed_by(
    exits: str, protect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session took 1,400 turns: every fifteen seconds the market was looked at again."""
    simulated: list[int] = []
    step = BacktestSimulation._step
    monkeypatch.setattr(
        BacktestSimulation,
        "_step",
        lambda walk, *where: (simulated.append(len(walk.state.positions.active)), step(walk, *where)),
    )
    given = {"quantity": 1, "most": 1, "again": "", "dte": 0, "delta": 0.08, "others": "", "protect": protect}
    text = SELLS.format(exits=exits.format(profit=95, loss=900) + LAST[0], **given)
    calendar = event_calendar(shipped_dates())
    walk = BacktestSimulation(
        program_of(tmp_path, text), PastDays(strikes=30), calendar, fill_model("mid"), Decimal(1_000_000)
    )
    marks = [each for done in walk.through(FIRST, FIRST) for each in done.records if each.kind is Kind.MARK]
    assert len(marks) > 200
    assert sum(simulated) < 25

"""What the broker does to one side or leg of a position: chaos called what is left of it torn or uncovered."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hand_desk import text_of

from rulebot.chaos.generator import draw
from rulebot.chaos.invariants import judge
from rulebot.chaos.limits_check import ChaosResult
from rulebot.chaos.runner import run_scenario
from rulebot.chaos.scenario import OperatorAction
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.live.environments import DEFAULT_DATE
from rulebot.model.session import session_from
from rulebot.record.record import Kind, Record
from tests.drawn_then import CHOICE

CONDOR = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.16}}
  long_put: {buy: put, strike: {below: short_put, by: 15 pts}}
  short_call: {sell: call, strike: {delta: 0.16}}
  long_call: {buy: call, strike: {above: short_call, by: 15 pts}}
"""
SPREAD = "".join(CONDOR.splitlines(keepends=True)[:4])
LAST = '  - time: "15:40"\n'
PUTS = f"\n  - name: puts\n    time_in_trade: {{at_least: 2m}}\n    close: put_side\n{LAST}"
SOON = f"\n  - name: soon\n    time_in_trade: {{at_least: 5m}}\n{LAST}"
LADDER = "{start: natural, step: 0.05, wait: 10s, tries: 8, then: "
OVERFILL: dict[str, str | int | float] = {"kind": "overfill", "on": "fill", "number": 2, "seconds": 1}
LIQUIDATION: dict[str, str | int | float] = {"kind": "liquidation", "at": "10:01:00", "seconds": 0}


def simulated(
    tmp_path: Path, legs: str, exits: str, fault: dict[str, str | int | float], seed: int, protect: str = ""
) -> tuple[ChaosResult, LoadedBots]:
    """Return twelve minutes of a bot to which this happens; a person lets its exits continue a minute later."""
    sections = {"entry": '{window: {from: "10:00", to: "10:05"}}', "order": f"{LADDER}cancel}}", "legs": legs}
    text = text_of(
        "bot", exits=exits, exit_order=f"{LADDER}market}}", risk=f"{{max_loss_per_trade: $9000{protect}}}", **sections
    )
    (tmp_path / "bot.yaml").write_text(text, encoding="utf-8")
    desk = load_all_bots([str(tmp_path / "bot.yaml")], {}, None)
    session = session_from(DEFAULT_DATE)
    begins = desk.bots["bot"].windows(session)[0][0]
    resume = OperatorAction(kind="resume", at=begins + timedelta(seconds=110))
    bare = replace(draw(seed, desk, CHOICE), day=session.date, market=None, faults=(fault,), crashes=(), acts=(resume,))
    calm_at = begins + timedelta(minutes=12)
    return run_scenario(replace(bare, begins=begins, calm_at=calm_at, lockstep=True, delay=0.0), desk, tmp_path), desk


def held(left: ChaosResult) -> dict[str, int]:
    (position,) = left.day.positions.values()
    return {leg.name: leg.held for leg in position.legs if leg.held}


def gone(left: ChaosResult, name: str) -> ChaosResult:
    """Return the same trial after which a leg is not held any more, and nobody has closed it."""
    (position,) = left.day.positions.values()
    legs = tuple(replace(leg, closed=leg.opened) if leg.name == name else leg for leg in position.legs)
    return replace(left, day=replace(left.day, positions={position.id: replace(position, legs=legs)}))


def test_the_other_side_of_one_that_the_broker_has_closed_twice_stands_as_it_was(tmp_path: Path) -> None:
    """Nothing is sent for it any more, and a person was told: it was called torn, and is whole."""
    left, desk = simulated(tmp_path, CONDOR, PUTS, OVERFILL, 7)
    assert held(left) == {"short_put": -1, "long_put": -1, "short_call": 1, "long_call": 1}
    assert judge(left, desk) == {}
    found = judge(gone(left, "long_call"), desk)[23]
    assert any("holds short_call without its partner" in each for each in found)


@pytest.mark.parametrize(("seed", "legs", "exits"), [(11, SPREAD, SOON), (15, CONDOR, PUTS)])
def test_the_long_leg_of_a_short_one_that_the_broker_has_liquidated_may_be_sold(
    tmp_path: Path, seed: int, legs: str, exits: str
) -> None:
    """What the broker had bought back counted as short, so that its long leg left it uncovered."""
    left, desk = simulated(tmp_path, legs, exits, LIQUIDATION, seed)
    (booked,) = (each for each in left.day.records if each.data.get("purpose") == "by_others")
    assert booked.data["leg"] == "short_put"
    assert not {"short_put", "long_put"} & set(held(left))
    assert judge(left, desk) == {}
    unbooked = replace(left.day, records=tuple(each for each in left.day.records if each is not booked))
    by_nobody = tuple(row for row in left.outside.rows if row.get("exec_id") != booked.data["exec_id"])
    never = replace(left, day=unbooked, outside=replace(left.outside, rows=by_nobody))
    assert "short 1 put without a long one" in judge(never, desk)[7][0]


def test_a_short_leg_whose_long_one_the_broker_has_liquidated_is_bought_back_after_a_minute(tmp_path: Path) -> None:
    """It waited for its exits once a person had let them go on."""
    left, desk = simulated(tmp_path, SPREAD, f"\n{LAST}", LIQUIDATION, 7)
    assert held(left) == {}
    assert judge(left, desk) == {}


def test_a_short_leg_whose_long_one_the_broker_has_liquidated_is_closed_at_once_though_a_stop_protects_it(
    tmp_path: Path,
) -> None:
    """It stood alone, and could lose more than the trade's bound. While it stands, it is not torn: a stop protects it.

    Without the stop it is unprotected, and if nobody else has closed the long leg it is torn.
    """
    protect = ", protect: {cost: 4x credit, of: each_short}"
    left, desk = simulated(tmp_path, SPREAD, f"\n{LAST}", LIQUIDATION, 7, protect)
    assert held(left) == {}
    assert judge(left, desk) == {}
    (position,) = left.day.positions.values()
    standing = never_closed(left, "short_put")
    assert held(standing) == {"short_put": 1}
    said = judge(standing, desk)
    assert 27 not in said
    assert not any("without its partner" in each for each in said[23])
    bare = tuple(each for each in standing.day.records if each.data.get("purpose") != "protect")
    assert any("a short leg without protection" in each for each in judge(with_records(standing, bare), desk)[27])
    unsaid = tuple(each for each in standing.day.records if each.kind is not Kind.OPERATOR)
    (stood,) = standing.day.positions.values()
    incomplete = replace(standing.day, records=unsaid, positions={position.id: replace(stood, closed_by_others=())})
    found = judge(replace(standing, day=incomplete), desk)[23]
    assert any("holds short_put without its partner" in each for each in found)


def never_closed(left: ChaosResult, name: str) -> ChaosResult:
    """Return the same trial in which nothing was sent for a leg after its protective stop: it is held still."""
    (position,) = left.day.positions.values()
    began = min(each.at for each in left.day.records if each.data.get("status") == "cancelling")
    of_orders = (Kind.ORDER, Kind.FILL, Kind.COMMISSION, Kind.POSITION)
    records = tuple(each for each in left.day.records if each.at < began or each.kind not in of_orders)
    legs = tuple(replace(leg, closed=0) if leg.name == name else leg for leg in position.legs)
    opened = replace(position, state="open", legs=legs)
    return replace(left, day=replace(left.day, records=records, positions={position.id: opened}))


def with_records(left: ChaosResult, records: tuple[Record, ...]) -> ChaosResult:
    """Return the same trial of which only these records are told."""
    return replace(left, day=replace(left.day, records=records))

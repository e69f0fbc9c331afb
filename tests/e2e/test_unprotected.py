"""An engine is killed over its protective orders: how long short legs stand alone, by the broker's own ledger."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rulebot.chaos.invariants import judge
from rulebot.chaos.limits_check import ChaosResult
from rulebot.chaos.runner import run_scenario
from rulebot.chaos.scenario import Crash, Entry, ScenarioMoment
from rulebot.core.reconciliation.undelivered_orders import undelivered_orders
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import all_live_orders
from rulebot.model.event import Connected
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.record.record import Kind
from tests.e2e.every_point import SCENARIOS, desk_of, storm_of
from tests.safeguards.swap import swapped

GUARDED = [each.name for each in SCENARIOS].index("protective orders are placed")
LIMIT = 10.0
"""`max_time_without_stop` of its spec, in seconds."""
AWAY = 4
"""Seconds until the next engine is started."""


def live(folder: Path, *crashes: Crash, faults: tuple[Entry, ...] = (), lockstep: bool = True) -> ChaosResult:
    storm = replace(storm_of(GUARDED, crashes), faults=faults, lockstep=lockstep, delay=0.0 if lockstep else 0.05)
    return run_scenario(storm, desk_of(GUARDED), folder)


def alone(left: ChaosResult) -> Iterator[float]:
    """Yield for each short leg how many seconds it stood without a stop at the broker, until it was bought back."""
    traded = [row for row in left.outside.rows if row["kind"] == "execution" and row["sec_type"] == "OPT"]
    first = {row["con_id"]: row for row in reversed(traded)}
    for con_id, row in first.items():
        if row["side"] != "SLD":
            continue
        after = left.outside.rows[left.outside.rows.index(row) + 1 :]
        safe = next(
            each
            for each in after
            if (each["kind"] == "order" and each["type"] == "STP" and each["legs"] == [con_id])
            or (each["kind"] == "execution" and each["con_id"] == con_id)
        )
        yield (datetime.fromisoformat(str(safe["at"])) - datetime.fromisoformat(str(row["at"]))).total_seconds()


def given_up(left: ChaosResult) -> list[str]:
    return [order.purpose.value for order in left.day.orders.values() if order.status.value == "lost"]


@pytest.mark.long
@pytest.mark.parametrize("lockstep", [True, False], ids=["in lockstep", "by its own clock"])
def test_ci_killed_between_writing_and_sending_a_stop_protection_stands_within_its_limit(
    lockstep: bool, tmp_path: Path
) -> None:
    """It was closed 45 seconds after its fill: until then the stops, never sent, might have been on their way."""
    written = live(tmp_path / "calm", lockstep=lockstep).points.writes
    unsent = 0
    for number in range(written - 3, written + 1):
        crash = Crash(moment=ScenarioMoment.AFTER_WRITE, number=number, arrives=False, away=AWAY)
        left = live(tmp_path / str(number), crash, lockstep=lockstep)
        assert judge(left, desk_of(GUARDED)) == {}
        assert max(alone(left)) <= LIMIT, number
        assert {position.state for position in left.day.positions.values()} == {"open"}
        unsent += given_up(left) == ["protect", "protect"]
    assert unsent == 1


LATE: Entry = {"kind": "late_order", "on": "order", "number": 2, "seconds": 20}
"""The first stop reaches the broker twenty seconds after the gateway has read it, and nobody is told before."""


def struck_late(folder: Path) -> ChaosResult:
    """Kill the engine two seconds after it has sent its stops."""
    calm = live(folder / "calm", faults=(LATE,))
    sent = min(order.prepared_at for order in calm.day.orders.values() if order.purpose is Purpose.PROTECT)
    return live(
        folder / "struck", Crash(moment=ScenarioMoment.AT_TIME, at=sent + timedelta(seconds=2), away=2), faults=(LATE,)
    )


def protecting(left: ChaosResult) -> list[Order]:
    return [order for order in left.day.orders.values() if order.purpose is Purpose.PROTECT]


@pytest.mark.long
def test_ci_a_stop_that_the_gateway_has_read_is_waited_for_and_a_person_is_notified_until_when(tmp_path: Path) -> None:
    """One sent beside it at once could fill as well."""
    left = struck_late(tmp_path)
    assert judge(left, desk_of(GUARDED)) == {}
    assert left.deaths == ("crash at",)
    reported = [str(record.data["text"]) for record in left.day.records if record.kind is Kind.ALARM]
    (text,) = [each for each in reported if "without protection since" in each]
    sent = min(order.prepared_at for order in protecting(left))
    assert f"since {sent.astimezone(EXCHANGE_ZONE):%H:%M:%S}" in text
    assert text.endswith("then it is closed")
    assert {position.exit_reason for position in left.day.positions.values()} == {"unprotected"}
    assert len({order.legs[0].name for order in protecting(left)}) == len(protecting(left)) == 2


@pytest.mark.long
def test_ci_were_it_taken_for_one_that_never_came_two_would_work_until_the_late_one_is_cancelled(
    tmp_path: Path,
) -> None:
    def none_has_come(work: StateBuilder, _: Connected) -> frozenset[str]:
        return frozenset(order.ref for order in all_live_orders(work) if not order.perm_id)

    with swapped((undelivered_orders, none_has_come)):
        left = struck_late(tmp_path)
    (late,) = [order for order in protecting(left) if order.status is OrderStatus.CANCELLED]
    (other,) = [order for order in protecting(left) if order.legs == late.legs and order is not late]
    assert (other.prepared_at - late.prepared_at).total_seconds() < 10
    at_broker = {row["order_ref"] for row in left.outside.rows if row["kind"] == "order" and row["type"] == "STP"}
    assert {late.ref, other.ref} < at_broker
    assert len(left.outside.refs_at_work) == 2

"""Draw what happens beside open positions: acts of people, clocks, a stall, a store that fails, and quantities.

It is a stream of its own: all else of a seed is as without it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random

from rulebot.chaos.operator_actions import CLOCK, OperatorAction
from rulebot.chaos.scenario import ChaosScenario, Entry
from rulebot.model.session import EXCHANGE_ZONE, exchange_date
from twsim.gateway.fault_zones import PLACES

PEOPLE = (
    *("person_halves", "person_halves", "person_closes_leg", "person_closes_part", "person_adds"),
    *("person_cancels", "person_cancels_all", "liquidation"),
)
"""Halving twice: it does nothing where one contract is held."""
ZONE, BROKER_CLOCK, STALL = "time_zone", "broker_clock", "silence"
CLOCKS = (CLOCK, BROKER_CLOCK)
STORE = ("store_busy", "disk_full", "disk_full")
NOT_ELSEWHERE = frozenset({ZONE, BROKER_CLOCK, CLOCK})
"""Kinds that are drawn here alone."""
WHILE_OPEN = (*PEOPLE, ZONE, BROKER_CLOCK, CLOCK, STALL, *STORE)
SHARE = 0.75
"""The share of trials in which something of this happens."""
QUANTITIES = (1, 1, 2, 2, 3, 4)
"""By what the quantity of each spec is multiplied."""
AHEAD = (-86_000, -3600, -60, 45, 3600, 6 * 3600, 86_000)
"""Seconds by which the computer's clock is ahead of the broker's."""
TOLD_LATER = (-20, -2, 2, 20)
"""Seconds by which the broker's clock is ahead of its market."""
STALLS = (8, 20, 50)
TIMES = (1, 2, 90)
DELAYS = (0.0, 0.002, 0.05, 0.4)
SOON = (0, 0, 5, 60)
"""Seconds from a fill to the act of a person."""


def with_acts_beside(storm: ChaosScenario, kinds: Sequence[str]) -> ChaosScenario:
    """Return a trial with what happens beside its open positions, of these kinds."""
    chance = Random(f"while open {storm.seed}")
    quantity = chance.choice(QUANTITIES)
    able = [kind for kind in WHILE_OPEN if kind in kinds]
    storm = replace(storm, quantity=quantity)
    if not able or chance.random() >= SHARE:
        return storm
    chosen = [chance.choice(able) for _ in range(chance.choice((1, 1, 2, 3)))]
    acts = [_act(chance, kind, storm) for kind in chosen if kind in (*STORE, CLOCK)]
    faults = [_fault(chance, kind, storm) for kind in chosen if kind not in (*STORE, CLOCK)]
    people = [kind for kind in able if kind in PEOPLE]
    faults += [_soon_after(chance, people, act, storm) for act in acts if people and act.kind in STORE]
    if storm.lockstep and {STALL, *CLOCKS}.intersection(chosen):
        storm = replace(storm, lockstep=False, delay=chance.choice(DELAYS))
    storm = replace(storm, tells_time=bool({*CLOCKS}.intersection(chosen)))
    return replace(storm, acts=(*storm.acts, *acts), faults=(*storm.faults, *faults))


def _seconds_in(chance: Random, storm: ChaosScenario) -> timedelta:
    """Return how long after its beginning something of a trial happens: within its first session, not at once."""
    last = min(storm.calm_at, storm.sessions[0].close)
    whole = int((last - storm.begins).total_seconds())
    return timedelta(seconds=chance.randint(whole // 3, max(whole - 1, 1)))


def _act(chance: Random, kind: str, storm: ChaosScenario) -> OperatorAction:
    at = storm.begins + _seconds_in(chance, storm)
    if kind == CLOCK:
        return OperatorAction(kind=kind, at=at, seconds=chance.choice(AHEAD))
    return OperatorAction(kind=kind, at=at, times=chance.choice(TIMES))


def _soon_after(chance: Random, people: Sequence[str], act: OperatorAction, storm: ChaosScenario) -> Entry:
    """Return an act of a person while a store fails: something is to be recorded then."""
    at = min(act.at + timedelta(seconds=chance.choice((1, 5, 20))), storm.calm_at, storm.sessions[0].close)
    return {"kind": chance.choice(people), "at": f"{at.astimezone(EXCHANGE_ZONE):%H:%M:%S}", "seconds": 0}


def _fault(chance: Random, kind: str, storm: ChaosScenario) -> Entry:
    if kind in PEOPLE:
        return {"kind": kind, "on": "fill", **_number(chance), "seconds": chance.choice(SOON)}
    at = storm.begins + _seconds_in(chance, storm)
    timed: Entry = {"kind": kind, "at": f"{at.astimezone(EXCHANGE_ZONE):%H:%M:%S}"}
    assert exchange_date(at) == storm.day
    if kind == ZONE:
        of = chance.choice(("all", "all", "executions", "last_days", "hours"))
        return {**timed, "name": chance.choice(sorted(PLACES)), "of": of}
    if kind == BROKER_CLOCK:
        answers = chance.random() < 0.7 and not storm.reloads  # their times are the gateway's
        return {**timed, "seconds": chance.choice(TOLD_LATER)} if answers else {**timed, "answers": False}
    triggers: tuple[Entry, ...] = ({"at": timed["at"]}, {"on": "fill"}, {"on": "connect", "number": 2})
    when = chance.choice(triggers)
    return {"kind": kind, **when, "real_seconds": chance.choice(STALLS)}


def _number(chance: Random) -> Entry:
    number = chance.choice((1, 1, 1, 2))
    return {} if number == 1 else {"number": number}

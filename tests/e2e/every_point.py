"""Kill the engine at every step of its event loop, every durable write and every write to its connection.

    python -m tests.e2e.every_point --processes 1 --keep found.jsonl

Each of fifteen short scenarios is lived through once undisturbed, which counts its points. Then it is lived through
once for each point, with the engine killed there and 0 to 3 times more while it starts again (drawn from the point).
Or only once for each group of points that `same_points` finds alike.
docs/reliability.md says what must hold.
"""

import argparse
import hashlib
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from random import Random

from rulebot.chaos.invariants import judge
from rulebot.chaos.limits_check import ChaosResult
from rulebot.chaos.runner import run_scenario
from rulebot.chaos.scenario import ChaosScenario, Crash, Entry, ScenarioMoment
from rulebot.checks.against_ledger.books import CheckedDay
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.live.environments import DEFAULT_DATE
from rulebot.model.session import session_from
from rulebot.process.connection_state import WORDS
from rulebot.record.record import Kind
from tests.e2e.found_points import CLOSED, DIED_TOO_OFTEN, TOO_LATE, UNANSWERED, Found, FoundFile, Point
from tests.e2e.same_points import Outliving

ROOT = Path(__file__).parents[2]
SESSION = session_from(DEFAULT_DATE)
MEMORY = Path("/dev/shm")
"""Where stores are, if the machine has it: a power cut is played by the journal, so no disk need be waited for."""
SOON = {'time: "15:45"': 'time: "10:01"'}
ONCE_FILLED = {'time: "15:45"': 'time: "10:02"'}
"""For an entry that works for more than a minute: rulebot cancels it at the time at which exits close all."""
CONDOR_SOON = {"dte: {at_most: 1}": "dte: {at_most: 9}", 'time: "15:30"': 'time: "10:01"'}

Ends = Counter[tuple[str, str, tuple[str, ...]]]
"""How positions that were opened ended: bot, state, and the purposes of what rests at the broker for them."""


@dataclass(frozen=True)
class Scenario:
    """A stretch of one bot. changes: what is another text in its spec. Units: `minutes` from its window on."""

    name: str
    spec: str
    minutes: float = 2.0
    changes: dict[str, str] = field(default_factory=dict)
    faults: tuple[Entry, ...] = ()
    market: str | None = None
    lockstep: bool = True
    delay: float = 0.0


SCENARIOS = (
    Scenario("entry, then a pair rests", "specs/spy_put_seller.yaml"),
    Scenario("entry by our own clock", "specs/spy_put_seller.yaml", lockstep=False, delay=0.05),
    Scenario("entry of four legs", "specs/dte0_condor.yaml"),
    Scenario("entry leg by leg", "specs/spx_spy_parity.yaml", 10.0, market="dislocation"),
    Scenario("entry one leg after the other", "examples/one_leg_after_the_other.yaml"),
    Scenario("entry and exit", "examples/smallest.yaml", changes=SOON, minutes=2.5),
    Scenario("entry and exit by our own clock", "examples/smallest.yaml", 2.5, SOON, lockstep=False, delay=0.05),
    Scenario("the pair is cancelled for an exit", "examples/resting_put.yaml", changes=ONCE_FILLED, minutes=3.5),
    Scenario("protective orders are placed", "examples/protected_condor.yaml"),
    Scenario(
        "an order cancelled for an exit fills all the same",
        "examples/resting_put.yaml",
        minutes=3.5,
        changes=ONCE_FILLED,
        faults=({"kind": "late_fill", "on": "cancel", "seconds": 1},),
    ),
    Scenario(
        "the connection is cut", "specs/spy_put_seller.yaml", faults=({"kind": "cut", "on": "order"},), lockstep=False
    ),
    Scenario(
        "the broker is lost over a fill",
        "specs/spy_put_seller.yaml",
        faults=({"kind": "lost_connectivity", "on": "order", "seconds": 20},),
    ),
    Scenario("the target of four legs rests", "examples/resting_condor.yaml"),
    Scenario("it is cancelled for an exit", "examples/resting_condor.yaml", 3.5, CONDOR_SOON),
    Scenario(
        "it fills all the same while an exit waits",
        "examples/resting_condor.yaml",
        3.5,
        CONDOR_SOON,
        ({"kind": "late_fill", "on": "cancel", "seconds": 1},),
    ),
)


@cache
def desk_of(number: int) -> LoadedBots:
    scenario = SCENARIOS[number]
    text = (ROOT / scenario.spec).read_text(encoding="utf-8")
    for old, new in scenario.changes.items():
        assert old in text, f"{scenario.spec} has no {old}"
        text = text.replace(old, new)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(scenario.spec).name)
        path.write_text(text, encoding="utf-8")
        return load_all_bots((str(path),), {}, None)


def storm_of(number: int, crashes: Sequence[Crash] = ()) -> ChaosScenario:
    scenario = SCENARIOS[number]
    (bot,) = desk_of(number).bots.values()
    start = bot.windows(SESSION)[0][0]
    return ChaosScenario(
        seed=7,
        day=SESSION.date,
        market=scenario.market,
        begins=start - timedelta(seconds=10),
        calm_at=start + timedelta(minutes=scenario.minutes),
        faults=scenario.faults,
        crashes=tuple(crashes),
        lockstep=scenario.lockstep,
        delay=scenario.delay,
    )


@contextmanager
def store_folder() -> Iterator[Path]:
    ground = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="every-point-", dir=ground, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def live(number: int, crashes: Sequence[Crash] = ()) -> ChaosResult:
    with store_folder() as folder:
        return run_scenario(storm_of(number, crashes), desk_of(number), folder)


def crashes_of(point: Point) -> list[Crash]:
    """Return the kill at a point, and 0 to 3 more while the engine starts again."""
    chance = Random(f"{point.scenario} {point.moment.value} {point.number}")
    away = (0, 0, 2, 15)

    def crash(moment: ScenarioMoment, number: int) -> Crash:
        arrives, power = chance.random() < 0.5, chance.random() < 0.2
        return Crash(moment=moment, number=number, arrives=arrives, power=power, away=chance.choice(away))

    more = [crash(ScenarioMoment.START_STEP, chance.randint(1, 200)) for _ in range(chance.randint(0, 3))]
    return [crash(point.moment, point.number), *more]


@cache
def undisturbed(number: int) -> ChaosResult:
    return live(number)


def points_of(number: int, stride: int) -> Iterator[Point]:
    counted = undisturbed(number).points
    first = 1 + number % stride
    for moment in (ScenarioMoment.BEFORE_WRITE, ScenarioMoment.AFTER_WRITE):
        yield from (Point(number, moment, each) for each in range(1, counted.writes + 1))
    for moment in (ScenarioMoment.BEFORE_SEND, ScenarioMoment.AFTER_SEND):
        yield from (Point(number, moment, each) for each in range(first, counted.sends + 1, stride))
    yield from (Point(number, ScenarioMoment.AT_STEP, each) for each in range(first, counted.steps + 1, stride))


@cache
def groups_of(number: int) -> tuple[tuple[Point, ...], ...]:
    """Return the points of a scenario, those together between which nothing changed that outlives the engine."""
    wanted = set(points_of(number, 1))
    with store_folder() as folder:
        outliving = Outliving(folder)
        run_scenario(storm_of(number), desk_of(number), folder, witness=outliving.attend)
    passed = ([Point(number, *place) for place in places] for places in outliving.groups.values())
    return tuple(group for points in passed if (group := tuple(point for point in points if point in wanted)))


def one_of(group: Sequence[Point], known: Container[Point] = ()) -> Point:
    """Return the point that stands for its group: one that is known, else drawn from the first."""
    drawn = Random(str(group[0])).choice(group)
    return next((point for point in (drawn, *group) if point in known), drawn)


def ends(left: ChaosResult) -> Ends:
    """Return how the positions ended."""
    found: Ends = Counter()
    at_work = left.outside.refs_at_work
    for position in left.day.positions.values():
        if position.opened_at is not None:
            orders = (order for order in left.day.orders.values() if order.position == position.id)
            resting = tuple(sorted(order.purpose.value for order in orders if order.ref in at_work))
            found[position.bot, position.state, resting] += 1
    return found


def strike(point: Point) -> Found:
    """Kill the engine at a point, and judge what is left."""
    crashes = crashes_of(point)
    left = live(point.scenario, crashes)
    end = compared(left, undisturbed(point.scenario))
    if left.deaths[:1] != (crashes[0].label,):
        end = "not struck"
    return Found(point, len(left.deaths), end, dict(judge(left, desk_of(point.scenario))))


def compared(left: ChaosResult, calm: ChaosResult) -> str:
    """Say how an end compares with the undisturbed one; what is otherwise needs a reason that the store tells."""
    here, there = ends(left), ends(calm)
    if here == there:
        return "same"
    if not here:
        return _not_entered(left.day)
    reasons = {position.exit_reason for position in left.day.positions.values() if position.opened_at is not None}
    if (
        sum(here.values()) == sum(there.values())
        and all(end[1:] == ("closed", ()) for end in here)
        and len(reasons) == 1
    ):
        return CLOSED.get(reasons.pop(), f"other: {sorted(here)} for {sorted(there)}")
    return f"other: {sorted(here)} for {sorted(there)}"


def _not_entered(day: CheckedDay) -> str:
    if any(each.kind is Kind.ALARM and each.data["text"] == WORDS for each in day.records):
        return DIED_TOO_OFTEN
    days = [each.data for each in day.records if each.kind is Kind.BOT_DAY]
    if any("was never acknowledged" in str(each["halted"]) for each in days):
        return UNANSWERED
    if not day.orders and days[-1]["skipped"] == "its window is over":
        return TOO_LATE
    return "other: not entered, and nothing says why"


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--stride", type=int, default=1, help="every so many steps and sends only; all durable writes")
    asked.add_argument("--groups", action="store_true", help="one point of each group of like ones only")
    asked.add_argument("--scenario", type=int, help="this one alone, from 1")
    asked.add_argument("--processes", type=int, default=os.cpu_count(), help="how many strike at once")
    asked.add_argument("--keep", type=Path, metavar="FILE", help="what was found; with it a run that was cut goes on")
    given = asked.parse_args()
    numbers = range(len(SCENARIOS)) if given.scenario is None else (given.scenario - 1,)
    kept = FoundFile(given.keep, digest_of(ROOT))
    known = {found.point: found for found in kept.found}
    wrong = 0
    with ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:
        for number in numbers:
            points = (
                [one_of(group, known) for group in groups_of(number)]
                if given.groups
                else [*points_of(number, given.stride)]
            )
            for found in pool.map(strike, (point for point in points if point not in known), chunksize=4):
                known[found.point] = found
                kept.add(found)
            wrong += _show(number, [known[point] for point in points])
    print(f"{wrong} points with something wrong")
    return 1 if wrong else 0


def digest_of(root: Path) -> str:
    """Return a hash over the engine, the specs and this file: what was found holds for these."""
    files = chain(root.glob("engine/**/*.py"), root.glob("specs/*.yaml"), root.glob("examples/*.yaml"))
    reported = hashlib.sha256()
    for path in (*sorted(files), Path(__file__)):
        reported.update(path.name.encode() + path.read_bytes())
    return reported.hexdigest()


def _show(number: int, found: Sequence[Found]) -> int:
    kinds = Counter(each.point.moment.value.split()[-1] for each in found)
    deaths, same = sum(each.deaths for each in found), Counter(each.end.partition(":")[0] for each in found)
    counted = ", ".join(f"{kinds[kind]} {kind}s" for kind in ("step", "write", "send"))
    total = len(list(points_of(number, 1)))
    struck = f"{len(found)} of {total} points ({counted}), {deaths} kills"
    print(f"{number + 1:>2} {SCENARIOS[number].name}: {struck}; {dict(same)}")
    bad = [each for each in found if each.is_wrong]
    for each in bad[:5]:
        print(f"     {each.point.moment.value} {each.point.number}: {each.end}; {each.violations}")
    sys.stdout.flush()
    return len(bad)


if __name__ == "__main__":
    raise SystemExit(main())

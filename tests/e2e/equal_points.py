"""Kill at two points of a group, and compare what is left: whether `same_points` is right that they are one.

python -m tests.e2e.equal_points --groups 20    # of each scenario, drawn
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from rulebot.chaos.limits_check import ChaosResult
from rulebot.chaos.scenario import Crash
from tests.e2e.every_point import SCENARIOS, Point, crashes_of, groups_of, live

Pair = tuple[Point, Point]


def pairs_of(number: int, wanted: int, seed: int = 1) -> list[Pair]:
    """Return two points of each of some groups of a scenario, drawn."""
    chance = Random(f"{seed} {number}")
    groups = [group for group in groups_of(number) if len(group) > 1]
    chosen = chance.sample(groups, min(wanted, len(groups)))
    return [(one, other) for one, other in (chance.sample(group, 2) for group in chosen)]


def crash_at(point: Point, like: Point) -> Crash:
    """Return the kill drawn for another point, here."""
    return replace(crashes_of(like)[0], moment=point.moment, number=point.number)


def differences(pair: Pair) -> Iterator[str]:
    """Yield in what the two points of a group differ that are struck alike."""
    one, other = (live(point.scenario, (crash_at(point, pair[0]),)) for point in pair)
    assert len(one.deaths) == len(other.deaths) == 1
    for name, left, right in zip(COMPARED, _left(one), _left(other), strict=True):
        if left != right:
            yield name


COMPARED = ("decisions and ledger", "store", "what is outside", "tables", "next start", "lives", "troubles")


def _left(left: ChaosResult) -> tuple[object, ...]:
    day = left.day
    return left.trace, (day.records, day.broken), left.outside, left.tables, left.starts, left.lives, left.troubles


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--groups", type=int, default=10, help="of each scenario")
    asked.add_argument("--seed", type=int, default=1, help="of what is drawn")
    given = asked.parse_args()
    wrong = 0
    for number, scenario in enumerate(SCENARIOS):
        pairs = pairs_of(number, given.groups, given.seed)
        found = {pair: names for pair in pairs if (names := list(differences(pair)))}
        print(f"{number + 1:>2} {scenario.name}: {len(pairs) - len(found)} of {len(pairs)} groups equal", flush=True)
        for (one, other), names in found.items():
            print(f"     {one.moment.value} {one.number}, {other.moment.value} {other.number}: {', '.join(names)}")
        wrong += len(found)
    print(f"{wrong} groups whose points differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Make a failing trial smaller: leave out what it does not need to fail."""

from collections.abc import Callable

from rulebot.chaos.scenario import ChaosScenario


def shrink(storm: ChaosScenario, fails: Callable[[ChaosScenario], bool]) -> ChaosScenario:
    """Return the trial with the fewest faults and crashes found, from leaving out one after the other.

    fails: says whether a trial still fails in the same way; it is asked at most once of any choice of pieces.
    """
    kept = list(range(storm.pieces))
    seen: dict[tuple[int, ...], bool] = {}

    def still_fails(places: list[int]) -> bool:
        key = tuple(places)
        if key not in seen:
            seen[key] = fails(storm.keeping(places))
        return seen[key]

    went_on = True
    while went_on:
        went_on = False
        for place in reversed(list(kept)):
            fewer = [each for each in kept if each != place]
            if still_fails(fewer):
                kept, went_on = fewer, True
    return storm.keeping(kept)

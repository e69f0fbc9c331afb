"""How much to believe of the best of many: the deflated Sharpe ratio, and walks forward through the sessions.

Deflated Sharpe ratio: the probability that the best of N variants has a Sharpe ratio above zero once it is known that
it is the best of N, by the spread of all their ratios, and how skewed and heavy its tails are. Source: D. Bailey and M.
Lopez de Prado, "The Deflated Sharpe Ratio", Journal of Portfolio Management 40 (2014), 94-107. Variants that are alike
count as N all the same, which makes it the more careful. It takes the ratio's error for that of a normal distribution,
which it nears as observations become many (Bailey and Lopez de Prado, "The Sharpe Ratio Efficient Frontier", Journal of
Risk 15 (2012), 3-44, have the track record that it takes). Of a few trades, all of them won, tails that nobody has seen
yet count as none, and sessions without a trade as evidence: it comes out near 1 whatever the merit, so none is told.

Walk forward: the variant that was best in one stretch of sessions is taken in the next, and so on; what that made is
what a person could have had. Between the two stretches sessions are left out (purged), so that no trade counts in both.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import e, sqrt
from statistics import NormalDist, fmean, pstdev, stdev

from rulebot.model.errors import MisuseError
from rulebot.model.performance import SESSIONS_IN_A_YEAR
from rulebot.model.values import dataclass

EULER = 0.5772156649015329
LEAST = 20
"""Sessions below which no ratio is told."""
FEWEST = 30
"""Closed trades, and sessions that made or lost something, below which no deflated ratio is told: by the usual rule of
thumb of when means are distributed nearly as the normal is."""


def ratio(profits: Sequence[float]) -> float | None:
    """Return the Sharpe ratio of a session, not of a year; None of too few or of such as are all alike."""
    if len(profits) < LEAST or len({*profits}) == 1:
        return None
    return fmean(profits) / stdev(profits)


def expected_best(ratios: Sequence[float]) -> float:
    """Return the ratio that the best of so many variants without any merit would be expected to have."""
    count = len(ratios)
    if count < 2:
        return 0.0
    normal = NormalDist().inv_cdf
    spread = (1.0 - EULER) * normal(1.0 - 1.0 / count) + EULER * normal(1.0 - 1.0 / (count * e))
    return stdev(ratios) * spread


def expected_best_of(every: Iterable[Sequence[float]]) -> float:
    """Return `expected_best` of variants with these profits; what has no ratio is none of them."""
    return expected_best([each for each in map(ratio, every) if each is not None])


def deflated(profits: Sequence[float], by_chance: float) -> float | None:
    """Return the deflated Sharpe ratio of one variant, a probability. by_chance: `expected_best` of all of them."""
    found = ratio(profits)
    if found is None:
        return None
    mean, deviation = fmean(profits), pstdev(profits)
    third = fmean(((each - mean) / deviation) ** 3 for each in profits)
    fourth = fmean(((each - mean) / deviation) ** 4 for each in profits)
    variance = 1.0 - third * found + (fourth - 1.0) / 4.0 * found * found
    if variance <= 0.0:
        return None
    return NormalDist().cdf((found - by_chance) * sqrt(len(profits) - 1) / sqrt(variance))


def is_few(profits: Sequence[float], trades: int) -> bool:
    """Say whether trades, or the sessions of which something came, are too few for a deflated ratio."""
    return min(trades, sum(each != 0.0 for each in profits)) < FEWEST


def merit(profits: Sequence[float], trades: int, by_chance: float) -> float | None:
    """Return the deflated Sharpe ratio of a variant, None of one with too few trades for it."""
    return None if is_few(profits, trades) else deflated(profits, by_chance)


# ---------------------------------------------------------------- walking forward


@dataclass(frozen=True, slots=True)
class PeriodSpan:
    """Places of sessions: chosen in [begin, end), tried in [first, last)."""

    begin: int
    end: int
    first: int
    last: int

    def words(self, days: Sequence[str]) -> tuple[str, str]:
        """Return from when to when was chosen and tried; by the numbers of sessions, from 1, where days are unknown."""
        named = days or [str(number) for number in range(1, self.last + 1)]
        return f"{named[self.begin]} to {named[self.end - 1]}", f"{named[self.first]} to {named[self.last - 1]}"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a walk: the variant that was chosen, its ratio of a year then, and what it made thereafter.

    variant, chosen_for: None where none had a ratio to be chosen by; then nothing is tried.
    """

    stretch: PeriodSpan
    variant: int | None
    chosen_for: float | None
    made: float

    def words(self, points: Mapping[int, tuple[str, ...]]) -> str:
        """Return what was chosen."""
        return "none: nobody traded" if self.variant is None else ", ".join(points[self.variant])


@dataclass(frozen=True, slots=True)
class Forward:
    """A walk: its steps, and what the sessions of the tried stretches made in a row, the first of them at `first`."""

    steps: tuple[Step, ...]
    profits: tuple[float, ...]
    first: int

    @property
    def sharpe(self) -> float | None:
        """Return the ratio of a year of what was tried."""
        found = ratio(self.profits)
        return None if found is None else found * sqrt(SESSIONS_IN_A_YEAR)


def stretches(count: int, chosen: int, tried: int, purged: int) -> list[PeriodSpan]:
    """Return the stretches of so many sessions. Raises: MisuseError when not one fits."""
    found, begin = [], 0
    while begin + chosen + purged + tried <= count:
        first = begin + chosen + purged
        found.append(PeriodSpan(begin, begin + chosen, first, first + tried))
        begin += tried
    if not found:
        raise MisuseError(
            f"{count} sessions hold no stretch of {chosen}, {purged} left out and {tried}", "take shorter ones"
        )
    return found


def walk_forward(profits: Mapping[int, Sequence[float]], parts: Sequence[PeriodSpan]) -> Forward:
    """Return what came of taking the best of each stretch in the next; of equal ones the first."""
    steps, made = [], list[float]()
    for part in parts:
        ratios = {key: ratio(each[part.begin : part.end]) for key, each in profits.items()}
        known = {key: each for key, each in ratios.items() if each is not None}
        if not known:
            steps.append(Step(part, None, None, 0.0))
            made += [0.0] * (part.last - part.first)
            continue
        best = max(known, key=lambda key: known[key])
        after = profits[best][part.first : part.last]
        steps.append(Step(part, best, known[best] * sqrt(SESSIONS_IN_A_YEAR), sum(after)))
        made += after
    return Forward(tuple(steps), tuple(made), parts[0].first)

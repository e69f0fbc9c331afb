"""Optuna's home: which variants are tried next, given what came of those before them.

A batch follows from the seed, its place in the search and the variants of the batches before it, and from nothing
else: not from how many processes there are, the order in which they end, or whether the search was interrupted.
Within a batch nothing is known yet of those that were asked for before: each counts as a bad one ("constant liar"), so
that the next is looked for elsewhere.

Tree-structured Parzen estimators. Source: J. Bergstra, R. Bardenet, Y. Bengio, B. Kegl, "Algorithms for
Hyper-Parameter Optimization", Advances in Neural Information Processing Systems 24 (2011), 2546-2554.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal, InvalidOperation
from itertools import product
from math import prod
from random import Random
from typing import TYPE_CHECKING

from rulebot.model.errors import StoreError
from rulebot.model.values import dataclass
from rulebot.sweep.parameters import Axis, Point
from rulebot.sweep.variant import Variant

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

MOST_TRIALS = 2_000
"""Trials of one search at most: what comes next is made of all before it, and takes longer each time."""
STARTS = 10
"""Variants that are drawn by chance before anything is concluded."""
BATCH = 10
"""Variants of a batch where nobody says how many."""
_REPEATED = 30
"""How often a variant that was tried already may be asked for before another one is drawn by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How to search: so many trials of different variants, for the most of a figure, asked for in batches."""

    trials: int
    goal: str = "sharpe"
    batch: int = BATCH
    seed: int = 7

    @property
    def warning(self) -> str:
        """Return what to say beside what came of it."""
        return f"searched for {self.goal}; a search climbs to chance, too: 'deflated' is too kind to its best"

    def count(self, axes: Sequence[Axis]) -> int:
        """Return how many variants are tried: all of them when there are fewer."""
        return min(self.trials, prod(len(each.values) for each in axes))


def require_optuna() -> None:
    """Raises: StoreError where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise StoreError("--bayes needs a package that is not installed", 'pip install "rulebot[sweep]"') from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def next_batch(axes: Sequence[Axis], search: Search, known: Sequence[Variant]) -> list[Point]:
    """Return the next points to be tried, each another one: a whole batch, or all that are left. Raises: StoreError.

    known: the variants of all batches before it, in their order.
    """
    require_optuna()
    spaces = {each.name: _space(each) for each in axes}
    tried = {each.point for each in known}
    left = prod(len(each.values) for each in axes) - len(tried)
    chance = Random(f"{search.seed} {len(known)}")
    study = _study(axes, spaces, search.goal, known, chance.randrange(2**32))
    found: dict[Point, None] = {}
    while len(found) < min(search.batch, left):
        found[_another(study, axes, spaces, tried | found.keys(), chance)] = None
    return list(found)


def _study(
    axes: Sequence[Axis],
    spaces: "dict[str, BaseDistribution]",
    goal: str,
    known: Sequence[Variant],
    seed: int,
) -> "Study":
    """Return a study that knows these variants. One without the figure (it never traded) is worse than all others."""
    from warnings import catch_warnings, simplefilter

    from optuna import create_study
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState, create_trial

    with catch_warnings():
        simplefilter("ignore", ExperimentalWarning)  # Optuna 4 says so of both words, Optuna 5 has them by itself
        sampler = TPESampler(seed=seed, n_startup_trials=STARTS, multivariate=True, constant_liar=True)
    study = create_study(direction="maximize", sampler=sampler)
    for each in known:
        value = None if each.problem else each.figure(goal)
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        params = {axis.name: _told(axis, said) for axis, said in zip(axes, each.point, strict=True)}
        study.add_trial(create_trial(state=state, value=value, params=params, distributions=spaces))
    return study


def _another(
    study: "Study",
    axes: Sequence[Axis],
    spaces: "dict[str, BaseDistribution]",
    taken: Collection[Point],
    chance: Random,
) -> Point:
    """Return a point that was not asked for yet; one that is asked for again stays a bad one until the batch ends."""
    for _ in range(_REPEATED):
        point = _point(axes, study.ask(spaces))
        if point not in taken:
            return point
    return _drawn(axes, taken, chance)


def _drawn(axes: Sequence[Axis], taken: Collection[Point], chance: Random) -> Point:
    if prod(len(each.values) for each in axes) <= 4 * len(taken):
        return chance.choice([each for each in product(*(axis.values for axis in axes)) if each not in taken])
    while True:
        point = tuple(chance.choice(each.values) for each in axes)
        if point not in taken:
            return point


# ---------------------------------------------------------------- places as Optuna knows them


def _space(axis: Axis) -> "BaseDistribution":
    """Return what a place may be: steps of a ladder where its values are numbers that rise, else words without order.

    The ladder's steps are places in the list of values, so that what is tried stands in the list to the letter.
    """
    from optuna.distributions import CategoricalDistribution, IntDistribution

    return IntDistribution(0, len(axis.values) - 1) if _rises(axis) else CategoricalDistribution(axis.values)


def _rises(axis: Axis) -> bool:
    if axis.is_range:
        return True
    try:
        numbers = [Decimal(each) for each in axis.values]
        return sorted(numbers) == numbers
    except InvalidOperation:
        return False


def _told(axis: Axis, said: str) -> int | str:
    return axis.values.index(said) if _rises(axis) else said


def _point(axes: Sequence[Axis], trial: "Trial") -> Point:
    return tuple(
        each.values[trial.params[each.name]] if _rises(each) else str(trial.params[each.name]) for each in axes
    )

"""A sweep: variants shared among processes here or on a cluster, kept as they come, gone on with after an interruption.

Each task is a few variants over some sessions, over all where they are not apart; what it returns depends on nothing
but them. So it does not matter where a task runs, how many there are, or whether one is done again because its process
died.
"""

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import product
from math import prod
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from rulebot.adapters.history.session import Finding, Severity
from rulebot.adapters.sources import separate_files
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.values import dataclass
from rulebot.spec.files import write_whole
from rulebot.sweep.evaluate import Asked, Passed
from rulebot.sweep.executors import Runs, tasks
from rulebot.sweep.parameters import Axis, Point
from rulebot.sweep.variant import EvaluationWay, PeriodResult, Variant, VariantTerms, way_of, whole

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

# --- Optuna's home

MOST_TRIALS = 2_000
"""Trials of one search at most: what comes next is made of all before it, and takes longer each time."""
STARTS = 10
"""Variants that are drawn by chance before anything is concluded."""
BATCH = 10
"""Default number of variants of a batch."""
_REPEATED = 30
"""How often a variant that was tried already may be asked for before another one is drawn by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How to search: this many trials of different variants, for the best value of a figure, requested in batches."""

    trials: int
    goal: str = "sharpe"
    batch: int = BATCH
    seed: int = 7

    @property
    def warning(self) -> str:
        """Return the note about its result."""
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
    """Return the next points to try, all different: a whole batch, or the rest. Raises: StoreError.

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
        simplefilter("ignore", ExperimentalWarning)  # both words warn in Optuna 4 only
        sampler = TPESampler(seed=seed, n_startup_trials=STARTS, multivariate=True, constant_liar=True)
    study = create_study(direction="maximize", sampler=sampler)
    for each in known:
        value = None if each.problem else each.figure(goal)
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        params = {axis.name: _reported(axis, said) for axis, said in zip(axes, each.point, strict=True)}
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
    """Return the possible values of a place: steps of a ladder for rising numbers, else unordered words.

    The ladder's steps are places in the list of values, so that what is tried is exactly in the list.
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


def _reported(axis: Axis, said: str) -> int | str:
    return axis.values.index(said) if _rises(axis) else said


def _point(axes: Sequence[Axis], trial: "Trial") -> Point:
    return tuple(
        each.values[trial.params[each.name]] if _rises(each) else str(trial.params[each.name]) for each in axes
    )


# --- A sweep

Progress = Callable[[int, int], None]
"""Callback: how many sessions have passed, of how many: each counts once for each variant."""
FORMAT = "rulebot-sweep-1"
FILES = "files"
"""What of a sweep's data is kept, by path: size and time of writing, of imported calendars size and checksum."""


def sweep(
    asked: Sequence[Asked],
    terms: VariantTerms,
    runs: Runs,
    reported: Progress,
    kept: "StoredVariants | None",
    workers: int,
) -> list[Variant]:
    """Return what came of every variant, in their order; what is kept already is not done again. Raises: StoreError."""
    found, days = _kept_of(kept), _days_of(terms)
    progress = _Progress(reported, len(asked) * len(days))
    progress(len(found) * len(days))
    _try(asked, found, terms, days, runs, progress, kept, workers)
    return [found[number] for number, _, _ in asked]


def search_for(
    search: Search,
    axes: Sequence[Axis],
    text_of: Callable[[Point], str],
    terms: VariantTerms,
    runs: Runs,
    reported: Progress,
    kept: "StoredVariants | None",
    workers: int,
) -> list[Variant]:
    """Return the results of a search, in the order in which the variants were requested. Raises: StoreError.

    Kept results are passed to it first, whatever it would request now.
    """
    found, count, days = _kept_of(kept), search.count(axes), _days_of(terms)
    progress = _Progress(reported, count * len(days))
    progress(len(found) * len(days))
    known: list[Variant] = []
    while len(known) < count:
        points = next_batch(axes, search, known)[: count - len(known)]
        asked = [(number, point, text_of(point)) for number, point in enumerate(points, len(known))]
        _try(asked, found, terms, days, runs, progress, kept, workers)
        known += [found[number] for number, _, _ in asked]
    return known


class _Progress:
    """Counts the sessions that have passed, and reports them."""

    def __init__(self, reported: Progress, count: int) -> None:
        self._reported, self._count, self._done = reported, count, 0

    def __call__(self, sessions: int) -> None:
        self._done += sessions
        self._reported(min(self._done, self._count), self._count)


def _kept_of(kept: "StoredVariants | None") -> dict[int, Variant]:
    return {} if kept is None else {each.number: each for each in kept.read()}


def _days_of(terms: VariantTerms) -> Sequence[date]:
    return terms.opens().dates(terms.first, terms.last)


def _try(
    asked: Sequence[Asked],
    found: dict[int, Variant],
    terms: VariantTerms,
    days: Sequence[date],
    runs: Runs,
    passed: Passed,
    kept: "StoredVariants | None",
    workers: int,
) -> None:
    """Add what came of those that are not found yet."""
    left = [each for each in asked if each[0] not in found]
    if not left:
        return
    way = way_of(left[0][2], terms)
    while left:
        shared = tasks(left, terms, days, workers, way)
        for variants in _done(runs(shared, terms, passed), len({task.span for task in shared})):
            found |= {each.number: each for each in variants}
            if kept is not None:
                kept.add(variants)
        left = [each for each in left if each[0] not in found]
        # those whose sessions are not apart, other than the first one's
        way = EvaluationWay(by_arrays=False, is_separate=False)


def _done(results: Iterable[Sequence[PeriodResult]], count: int) -> Iterator[list[Variant]]:
    """Yield the variants whose parts are complete, as they finish. count: the parts of each."""
    parts: dict[int, list[PeriodResult]] = {}
    for some in results:
        for part in some:
            parts.setdefault(part.number, []).append(part)
        done = [_joined(parts.pop(part.number)) for part in some if len(parts[part.number]) == count]
        yield [each for each in done if each is not None]


def _joined(parts: Sequence[PeriodResult]) -> Variant | None:
    """Return the result of a variant, None where it must run in one piece."""
    ordered = sorted(parts, key=lambda part: part.since)
    is_whole = len(parts) == 1 or all(each.is_separate for each in parts)
    return whole(ordered) if is_whole else None


# ---------------------------------------------------------------- kept in a file


class StoredVariants:
    """A file of JSON lines: first what the sweep is about, then each variant as it comes."""

    def __init__(self, file: Path, about: Mapping[str, Any]) -> None:
        self.file = file
        self.about = {"format": FORMAT, **about}

    def read(self) -> list[Variant]:
        """Return what is there of this sweep, and begin the file when it is not. Raises: MisuseError, StoreError."""
        if not self.file.exists():
            self._write_all([self.about])
            return []
        try:
            text = self.file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise StoreError(f"{self.file} cannot be read: {error.strerror}") from error
        first, *others = text.splitlines() or [""]
        reported, now = _reported_in(first), json.loads(json.dumps(self.about))
        if isinstance(reported.get(FILES), dict) and {**reported, FILES: now.get(FILES)} == now:
            self._refuse_changed(reported[FILES], now[FILES])
        if "format" not in reported:
            raise MisuseError(f"{self.file} holds no sweep", "name another --out")
        if reported != now:
            raise MisuseError(
                f"{self.file} holds another sweep: {_distinct_text(reported, now)}",
                "name another --out" + (", or give the same options" if _is_of_code(reported, now) else ""),
            )
        variants = [each for each in map(_variant_in, others) if each is not None]
        if len(variants) < len(others) or not text.endswith("\n"):  # cut off, or damaged: that is done again
            self._write_all([reported, *map(asdict, variants)])
        return variants

    def _refuse_changed(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Refuse to continue with other data: results of both would be mixed. Raises: MisuseError."""
        if apart := separate_files(before, now):
            text = f"{self.file} was begun before the data changed or grew: {apart}"
            raise MisuseError(text, "name another --out: what is kept came of the data as it was")

    def add(self, variants: Iterable[Variant]) -> None:
        """Keep variants. Raises: StoreError; a deleted file is not started again: it would lack its head."""
        with self._written(), open(self.file, "a", encoding="utf-8", opener=_as_it_is) as out:
            out.writelines(_line(asdict(each)) for each in variants)

    def _write_all(self, reported: Iterable[Mapping[str, Any]]) -> None:
        with self._written():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.file, "".join(map(_line, reported)).encode())

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"cannot write '{self.file}': {error.strerror}") from error


def _as_it_is(path: str, flags: int) -> int:
    """Open a file that is there. Raises: FileNotFoundError."""
    return os.open(path, flags & ~os.O_CREAT)


def _line(reported: Mapping[str, Any]) -> str:
    return json.dumps(reported, sort_keys=True, default=_word) + "\n"


def _word(severity: Severity) -> str:
    return severity.value


def _reported_in(line: str) -> Mapping[str, Any]:
    """Return what a line of the file says, nothing where it is damaged."""
    try:
        reported = json.loads(line)
    except ValueError:
        return {}
    return reported if isinstance(reported, dict) else {}


def _distinct_text(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return how two sweeps differ, in words; what older code did not write is unknown."""
    reported = {*was, *now} if _is_of_code(was, now) else {*was, "code"}
    names = [name for name in {**now, **was} if name in reported and was.get(name) != now.get(name)]
    words = {
        "text": "the text of the bot is another one",
        "account": "the account document is another one",
        "code": "the code of rulebot is another one",
        FILES: "its data is another",
    }
    return ", ".join(
        words.get(name) or f"{name} {_value_words(was.get(name))}, now {_value_words(now.get(name))}" for name in names
    )


def _is_of_code(was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return was.get("code") == now.get("code")


def _value_words(value: object) -> str:
    """Return a value of what a sweep is about; axes as they are written on the command line."""
    if value is None:
        return "none"
    if isinstance(value, list):
        return " ".join(f"{name}={','.join(map(str, values))}" for name, *values in value)
    return str(value)


def _variant_in(line: str) -> Variant | None:
    try:
        return variant_of(_reported_in(line))
    except (KeyError, TypeError, ValueError):
        return None


def variant_of(reported: Mapping[str, Any]) -> Variant:
    """Return a variant as a file keeps it."""
    findings = (Finding(**{**each, "severity": Severity(each["severity"])}) for each in reported.get("findings", ()))
    lists = {"point": tuple(reported["point"]), "profits": tuple(reported["profits"]), "findings": tuple(findings)}
    lists["sessions"] = tuple(reported.get("sessions", ()))
    for name in ("unclear", "alarms"):
        lists[name] = tuple((text, count) for text, count in reported.get(name, ()))
    return Variant(**{**reported, **lists})


def findings_of(found: Iterable[Variant]) -> list[Finding]:
    """Return what was wrong with the data of a sweep, each once: what kept days out first."""
    every = dict.fromkeys(finding for each in found for finding in each.findings)
    return sorted(every, key=lambda finding: finding.severity is not Severity.REFUSED)

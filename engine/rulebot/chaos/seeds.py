"""Try many seeds in as many processes as there are cores, and shrink the first ones that fail."""

import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import field, replace
from functools import lru_cache, partial
from itertools import islice, zip_longest
from pathlib import Path

from rulebot.chaos.generator import draw, labels_of
from rulebot.chaos.invariants import judge
from rulebot.chaos.limits_check import ChaosResult
from rulebot.chaos.runner import run_scenario
from rulebot.chaos.scenario import ChaosScenario, with_acts_beside, yaml_of
from rulebot.chaos.spec_files import edited
from rulebot.compile.build import build_plan
from rulebot.core.program import CompiledBot
from rulebot.documents.load_bots import LoadedBots, SpecText, compile_text, load_all_bots
from rulebot.model.values import dataclass
from rulebot.process.processes import several
from rulebot.spec.load import load_text

# --- The bots of a trial with more contracts than their files say, for acts that need several

QUANTITY, LOSS = ("quantity",), ("risk", "max_loss_per_trade")
_WHOLE = re.compile(r"\d+")
_DOLLARS = re.compile(r"\$(\d+)")
_UNDERLYING = re.compile(r"^underlying:.*$", re.MULTILINE)


def sized(desk: LoadedBots, times: int) -> LoadedBots:
    """Return the bots with a multiple of their quantity and their `max_loss_per_trade`.

    One whose quantity is no number in its own spec stays as it is.
    """
    if times == 1:
        return desk
    bots: dict[str, CompiledBot] = dict(desk.bots)
    texts = []
    for text in desk.texts:
        found = _sized(text.name, text.file, text.text, tuple(sorted(text.overrides.items())), times)
        texts.append(text if found is None else found[0])
        if found is not None:
            bots[text.name] = found[1]
    return replace(desk, bots=bots, texts=tuple(texts))


@lru_cache(maxsize=256)
def _sized(
    name: str, file: str, text: str, overrides: tuple[tuple[str, str], ...], times: int
) -> tuple[SpecText, CompiledBot] | None:
    bigger = larger_text(text, times)
    if bigger is None:
        return None
    loaded = load_text(bigger, file, dict(overrides))
    plan = None if loaded.spec is None else build_plan(loaded.spec, with_warnings=False)[0]
    if plan is None:
        return None
    found = SpecText(name, plan.digest, file, bigger, dict(overrides))
    return found, compile_text(found)


def larger_text(text: str, times: int) -> str | None:
    """Return a spec with a multiple of its quantity, None where that is no number in it."""
    source = load_text(text).source
    if QUANTITY not in source.values:
        if "universe:" in text or not _UNDERLYING.search(text):
            return None
        found = _UNDERLYING.sub(lambda match: f"{match[0]}\nquantity: {times}", text, count=1)
    elif match := _WHOLE.fullmatch(source.written(QUANTITY)):
        found = edited(text, QUANTITY, str(int(match[0]) * times))
    else:
        return None
    if match := _DOLLARS.fullmatch(source.written(LOSS)):
        found = edited(found, LOSS, f"${int(match[1]) * times}")
    return found


# --- Make a failing trial smaller


def shrink(storm: ChaosScenario, fails: Callable[[ChaosScenario], bool]) -> ChaosScenario:
    """Return the trial with the fewest faults and crashes found by leaving out one after the other.

    fails: says whether a trial still fails in the same way; called at most once for any choice of pieces.
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


# --- Try many seeds in as many processes as there are cores, and shrink the first ones that fail

SHRUNK = 5
"""Failing seeds that are shrunk, at most: the first one of each set of invariants."""

Violations = Mapping[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosOptions:
    """What to try: specs, overrides of their parameters, the account document, kinds of faults, and which hours.

    scrambles: each seed runs again, with every text for people scrambled between two starts.
    """

    specs: tuple[str, ...]
    overrides: Mapping[str, str]
    kinds: tuple[str, ...]
    account: Path | None = None
    whole_day: bool = False
    overnight: bool = False
    scrambles: bool = False

    def storm(self, seed: int, desk: LoadedBots) -> ChaosScenario:
        """Return the trial of a seed."""
        storm = draw(seed, desk, self.kinds, whole_day=self.whole_day, overnight=self.overnight)
        return with_acts_beside(storm, self.kinds)

    def desk(self) -> LoadedBots:
        """Return the bots, compiled. Raises: SpecError, MisuseError, StoreError."""
        return load_all_bots(self.specs, self.overrides, self.account)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """What came of one seed. fired: how often each kind did something; fired_open: while a position was open. opened:
    bots that opened a position. reworded: what the broker got otherwise once texts for people were scrambled, None
    where that was not asked for. Units: `seconds` are real.
    """

    seed: int
    violations: Violations
    fired: Mapping[str, int]
    starts: int
    orders: int
    fills: int
    trace: str
    seconds: float
    drawn: str
    opened: frozenset[str] = frozenset()
    fired_open: Mapping[str, int] = field(default_factory=dict)
    reworded: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SmallestScenario:
    """The smallest trial of a seed that still breaks one of the same invariants: as YAML, and what it breaks."""

    seed: int
    plan: str
    violations: Violations


@dataclass(frozen=True, slots=True)
class SeedTally:
    """What came of all seeds, in their order."""

    tried: tuple[SeedResult, ...] = ()
    smallest: tuple[SmallestScenario, ...] = ()

    @property
    def holds(self) -> bool:
        """True when every invariant held for every seed, and no text for people made a difference."""
        return not any(each.violations or each.reworded for each in self.tried)

    @property
    def fired(self) -> Counter[str]:
        """How often each kind did something."""
        found: Counter[str] = Counter()
        for each in self.tried:
            found.update(each.fired)
        return found

    @property
    def fired_open(self) -> Counter[str]:
        """How often each kind did something while a position was open."""
        found: Counter[str] = Counter()
        for each in self.tried:
            found.update(each.fired_open)
        return found

    def never_fired(self, kinds: Sequence[str]) -> list[str]:
        """Return what could have fired of these kinds and never did."""
        fired = self.fired
        return [each for each in labels_of(kinds) if not fired[each]]

    def never_opened(self, bots: Iterable[str]) -> list[str]:
        """Return which of these bots opened no position in any seed: of them nothing was tried but their start."""
        opened = frozenset[str]().union(*(each.opened for each in self.tried))
        return [bot for bot in bots if bot not in opened]

    def breakers(self, number: int) -> list[SeedResult]:
        """Return the seeds that broke an invariant."""
        return [each for each in self.tried if number in each.violations]


@dataclass(frozen=True, slots=True)
class Workers:
    """Processes that each know the desk; `one` runs in this process."""

    asked: ChaosOptions
    pool: ProcessPoolExecutor | None = field(default=None)

    def tries(self, seeds: Sequence[int]) -> Iterator[SeedResult]:
        """Yield what came of each seed, in order."""
        if self.pool is None:
            desk = self.asked.desk()
            yield from (try_seed(seed, self.asked, desk) for seed in seeds)
        else:
            yield from self.pool.map(_try, seeds)

    def smallest(self, seeds: Sequence[int]) -> Iterator[SmallestScenario]:
        """Yield each of these failing seeds shrunk, in order."""
        if self.pool is None:
            desk = self.asked.desk()
            yield from (shrink_seed(seed, self.asked, desk) for seed in seeds)
        else:
            yield from self.pool.map(_shrink, seeds)


@contextmanager
def workers(asked: ChaosOptions, seeds: int) -> Iterator[Workers]:
    """Yield as many processes as there are cores, or none for a single seed; what they leave on the disk goes, too."""
    count = min(os.cpu_count() or 1, seeds)
    if count == 1:
        yield Workers(asked)
        return
    with (
        tempfile.TemporaryDirectory(prefix="rulebot-chaos-", ignore_cleanup_errors=True) as folder,
        several(count, partial(_begin, asked, folder), "fewer cores take less memory") as pool,
    ):
        yield Workers(asked, pool)


def worth_shrinking(tried: Sequence[SeedResult]) -> list[int]:
    """Return the first seed of each set of invariants that was broken."""
    first: dict[frozenset[int], int] = {}
    for each in tried:
        if each.violations:
            first.setdefault(frozenset(each.violations), each.seed)
    return sorted(first.values())[:SHRUNK]


# ---------------------------------------------------------------- one seed


def try_seed(seed: int, asked: ChaosOptions, desk: LoadedBots) -> SeedResult:
    """Draw a seed's trial, live through it and judge it."""
    return try_storm(asked.storm(seed, desk), desk, scrambles=asked.scrambles)


def try_storm(storm: ChaosScenario, desk: LoadedBots, *, scrambles: bool = False) -> SeedResult:
    """Run a trial in a temporary folder, and judge it.

    scrambles: run it again with every text for people scrambled between two starts, and compare.
    """
    began, desk = time.perf_counter(), sized(desk, storm.quantity)
    with tempfile.TemporaryDirectory(prefix="rulebot-chaos-", ignore_cleanup_errors=True) as folder:
        left = run_scenario(storm, desk, Path(folder))
        violations = judge(left, desk)
    reworded = _reworded(storm, desk, left) if scrambles else None
    return SeedResult(
        seed=storm.seed,
        violations=violations,
        fired=dict(left.kinds_fired),
        fired_open=dict(left.kinds_fired_open),
        starts=left.lives,
        orders=len(left.day.orders),
        fills=left.fills,
        trace=left.trace,
        seconds=time.perf_counter() - began,
        drawn=yaml_of(storm),
        opened=frozenset(left.day.entered),
        reworded=reworded,
    )


def _reworded(storm: ChaosScenario, desk: LoadedBots, left: ChaosResult) -> tuple[str, ...]:
    """Return what the broker got otherwise in a trial whose texts for people were scrambled between two starts."""
    with tempfile.TemporaryDirectory(prefix="rulebot-chaos-", ignore_cleanup_errors=True) as folder:
        again = run_scenario(storm, desk, Path(folder), scrambles=True)
    pairs = zip_longest(left.outside.rows, again.outside.rows)
    found = (f"the broker got {now}, and {was} before" for was, now in pairs if was != now)
    return tuple(islice(found, 1))


def shrink_seed(seed: int, asked: ChaosOptions, desk: LoadedBots) -> SmallestScenario:
    """Return the smallest trial of a failing seed."""
    storm = asked.storm(seed, desk)
    broken = set(try_storm(storm, desk).violations)
    found = shrink(storm, lambda smaller: bool(broken & set(try_storm(smaller, desk).violations)))
    return SmallestScenario(seed, yaml_of(found), try_storm(found, desk).violations)


# ---------------------------------------------------------------- inside a worker

_KNOWN: list[tuple[ChaosOptions, LoadedBots]] = []
"""The options of this process; set once, when it begins."""


def _begin(asked: ChaosOptions, folder: str) -> None:
    tempfile.tempdir = folder
    _KNOWN.append((asked, asked.desk()))


def _try(seed: int) -> SeedResult:
    asked, desk = _KNOWN[0]
    return try_seed(seed, asked, desk)


def _shrink(seed: int) -> SmallestScenario:
    asked, desk = _KNOWN[0]
    return shrink_seed(seed, asked, desk)

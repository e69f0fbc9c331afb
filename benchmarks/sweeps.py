"""Goals 10 and 11: a sweep of variants of the task, beside one by arrays written for it alone, and on two workers.

All 1,000 variants are swept over all 252 sessions. One variant at a time is told from a few of both: each session is as
much work as the next, and specs are compiled once. The number of trades must be that of the program by hand for every
variant; for some, what a sweep tells must be what comes of them turn by turn, and their trades those by hand.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from benchmarks.measure import Goal, Rounds
from benchmarks.past import make_days, trades_of
from benchmarks.sweep_by_hand import Trade, by_arrays
from benchmarks.task import Task, document, variants
from rulebot.adapters.sources import open_source
from rulebot.backtest.fill_model import NATURAL
from rulebot.backtest.run import run_session_alone
from rulebot.backtest.simulation import CASH, BacktestSimulation
from rulebot.model.facts import EventCalendar
from rulebot.sweep.evaluate import evaluate
from rulebot.sweep.executors import Runs, here, on_cluster, same_as_here
from rulebot.sweep.sweep import sweep
from rulebot.sweep.variant import Variant, VariantTerms, program_of

ROUNDS = 3
WHOLE, YEAR = 1000, 252
ALONE, DAYS = 5, 24
"""Variants and sessions that are run one at a time."""
LIVED = 10
"""Variants that are lived through turn by turn, to compare."""
WORKERS = 2
CLOCK = " by the clock"
NAME = "t"
"""All variants are of one spec."""
MISSING = "dask.distributed is not installed here"
Result = TypeVar("Result")
Reported = tuple[float, ...]
"""The account's change by session."""


def measure() -> list[Goal]:
    """Return the goals of sweeps."""
    tasks, found = variants(WHOLE), Rounds()
    asked = [(number, (task.name,), _text(task)) for number, task in enumerate(tasks)]
    with (
        TemporaryDirectory() as place,
        ExitStack() as stack,
        ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as processes,
    ):
        make_days(Path(place), YEAR)
        files = sorted(file for file in Path(place).glob("*.parquet") if ".levels" not in file.name)
        terms, few = _terms(Path(place), files), _terms(Path(place), files[:DAYS])
        workers, started = stack.enter_context(_cluster(f"parquet:{place}", terms.last))
        none = replace(few, last=few.first - timedelta(days=1))
        trades = by_arrays(files, tasks)
        wanted = [_simulated(task, few, own) for task, own in zip(tasks[:LIVED], trades, strict=False)]

        def swept(runs: Runs, count: int) -> list[Variant]:
            return sweep(asked, terms, runs, lambda *_: None, None, count)

        def by_two() -> int:
            halves = (files[: YEAR // 2], files[YEAR // 2 :])
            return sum(each.result() for each in [processes.submit(_count_by_hand, half, tasks) for half in halves])

        for number in range(ROUNDS + 1):
            into = found if number else Rounds()  # in the first some is still loaded
            _time(into, "hand", lambda: by_arrays(files, tasks))
            if _time(into, "hand by two", by_two) != sum(map(len, trades)):
                raise AssertionError("by hand two processes do not make the trades that one makes")
            _time(into, "ready", lambda: [evaluate([one], none)[0] for one in asked[:ALONE]])
            each = _time(into, "few", lambda: [evaluate([one], few)[0] for one in asked[:ALONE]])
            into.add("alone", _whole(into))
            one = _time(into, "one", lambda: swept(here, 1))
            two = one if workers is None else _time(into, "two", lambda: swept(workers, WORKERS))
            for several in (each, one, two):
                _compare(several, wanted)
            for several in (one, two):
                _count(several, trades)
    sessions = sum(each.by_arrays for each in one)
    return _goals(found, sum(map(len, trades)), sessions, started)


def _whole(found: Rounds) -> float:
    """Return the seconds that all variants over all sessions would take one at a time, by the last round's few."""
    ready, few = (found.kept[name][-1] for name in ("ready", "few"))
    return (ready + (few - ready) * YEAR / DAYS) * WHOLE / ALONE


def _count_by_hand(files: Sequence[Path], tasks: Sequence[Task]) -> int:
    return sum(map(len, by_arrays(files, tasks)))


def _text(task: Task) -> str:
    return document(replace(task, name=NAME))


def _terms(folder: Path, files: Sequence[Path]) -> VariantTerms:
    first, last = (date.fromisoformat(file.stem) for file in (files[0], files[-1]))
    opens = partial(open_source, f"parquet:{folder}")
    return VariantTerms(opens=opens, first=first, last=last, fills=NATURAL, cash=CASH, lines=1000, file=f"{NAME}.yaml",
                 calendar=EventCalendar())  # fmt: skip


@contextmanager
def _cluster(data: str, last: date) -> Iterator[tuple[Runs | None, float]]:
    """Yield what runs on workers that stand by, and the seconds it took to start; None without the package."""
    began = time.perf_counter()
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        yield None, 0.0
        return
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(WORKERS)
        with on_cluster(cluster.scheduler_address, same_as_here(data, last), "") as workers:
            yield workers, time.perf_counter() - began


def _time(found: Rounds, name: str, run: Callable[[], Result]) -> Result:
    """Run, and keep the seconds it took: of the processor, and by the clock."""
    clock, processor = time.perf_counter(), time.process_time()
    result = run()
    found.add(name, time.process_time() - processor)
    found.add(name + CLOCK, time.perf_counter() - clock)
    return result


# ---------------------------------------------------------------- what must be equal


def _simulated(task: Task, terms: VariantTerms, by_hand: Sequence[Trade]) -> Reported:
    """Return what a sweep must tell of a variant, once its trades are those by hand. Raises: AssertionError."""
    source = terms.opens()
    walk = BacktestSimulation(program_of(_text(task), terms), source, terms.calendar, terms.fills, terms.cash)
    trades, profits = list[Trade](), list[float]()
    for day in source.dates(terms.first, terms.last):
        for _ in run_session_alone(walk, day):
            pass
        assert walk.broker is not None
        trades += trades_of(walk, day)
        profits.append(float(walk.broker.worth(walk.marks) - walk.cash))
    own = [trade for trade in by_hand if trade[0] <= f"{terms.last}"]
    if trades != own:
        raise AssertionError(f"the trades of {task.name} differ: {sorted(set(trades) ^ set(own))}")
    return tuple(profits)


def _compare(found: Sequence[Variant], wanted: Sequence[Reported]) -> None:
    for each, simulated in zip(found, wanted, strict=False):
        if each.profits[: len(simulated)] != simulated:
            raise AssertionError(f"what the sweep tells of {each.point} is not what came of it")


def _count(found: Sequence[Variant], trades: Sequence[Sequence[Trade]]) -> None:
    for each, own in zip(found, trades, strict=True):
        if each.trades != len(own):
            raise AssertionError(f"{each.point}: {each.trades} trades, by hand {len(own)}")


# ---------------------------------------------------------------- told


def _goals(found: Rounds, trades: int, by_arrays: int, started: float) -> list[Goal]:
    how = (
        f"Parquet read and specs compiled; processor time; {by_arrays:,} of {WHOLE * YEAR:,} sessions of ours went by "
        f"arrays; one at a time is told from {ALONE} variants x {DAYS} sessions"
    )

    def whole(name: str) -> str:
        return f"{name.removesuffix(CLOCK)} {found.median(name):,.0f} s"

    beside_hand = f"{whole('one')}, {whole('hand')}; {trades:,} trades equal"
    goals = [
        Goal("10", f"a sweep of {WHOLE:,} variants x {YEAR} sessions in one process, beside one by arrays by hand", how,
             found.ratio("one", "hand"), floor=4, stretch=1.5, note=beside_hand),
        Goal("10", "the same: faster than the same engine one variant at a time by", how, found.ratio("alone", "one"),
             floor=3, stretch=8, at_most=False, note=f"{whole('one')}, {whole('alone')}"),
    ]  # fmt: skip
    has_two = "two" in found.kept
    clock = ("one" + CLOCK, "two" + CLOCK)
    by_hand = f"the program by hand in two processes {found.ratio('hand' + CLOCK, 'hand by two' + CLOCK):.2f}x"
    reported = f"{', '.join(map(whole, clock))}; the workers had started in {started:.1f} s; {by_hand}"
    note = reported if has_two else MISSING
    figure = found.ratio(*clock) if has_two else None
    how = f"{WHOLE:,} variants x {YEAR} sessions on workers of dask.distributed that stand by, by the clock"
    return [
        *goals,
        Goal("11", f"the same on {WORKERS} workers: faster than in one process by", how, figure, floor=1.5,
             stretch=1.8, at_most=False, note=note),
    ]  # fmt: skip

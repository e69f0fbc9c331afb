"""Many simulated days, and the table of what happened in them: `python -m tests.e2e.figures` prints it.

`python -m tests.e2e.figures decisions SEED DATA_SECONDS` prints the hash of one day's decisions, for another process to
compare.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from rulebot.checks.against_ledger.books import CheckedDay
from rulebot.checks.against_ledger.findings import offences
from rulebot.documents.load_bots import load_all_bots
from tests.e2e.examples import FOLDER, Shown, promises
from tests.e2e.findings import EXIT_KINDS, exits_of, fired, net_of, problems_of
from tests.e2e.worlds import run_days, spec_files

ROOT = Path(__file__).parents[2]
UNWIND_MARKET = Path(__file__).parent / "markets" / "second_leg_runs_away.yaml"
UNWIND_EXAMPLE = FOLDER / "one_leg_after_the_other.yaml"
MARKETS = tuple(sorted(file.stem for file in (ROOT / "engine" / "twsim" / "scenarios").glob("*.yaml")))
SEEDS = range(1, 21)
AS_TYPED = 5
"""Seconds between the quotes of a day that `rulebot run --sim` lives through."""


@dataclass(frozen=True)
class World:
    """One run: which bots on which market. `label` names it in the table."""

    label: str
    specs: tuple[str, ...]
    seed: int = 7
    market: str | None = None
    days: int = 1
    shares: str = ""


@dataclass(frozen=True)
class Figures:
    """What is kept of one run."""

    world: World
    entered: frozenset[str]
    entries: int
    exits: int
    net: Decimal
    problems: tuple[str, ...]
    fired: Counter[str]
    decisions: str
    seconds: float


def shipped_worlds() -> Iterator[World]:
    """Yield the shipped specs on every seed, then on every scenario."""
    specs = tuple(spec_files())
    for seed in SEEDS:
        yield World(f"seed {seed}", specs, seed)
    for market in MARKETS:
        yield World(market, specs, market=market)


def example_worlds() -> Iterator[World]:
    """Yield the examples on the markets of their comments, those of one market together."""
    for (market, seed, days, shares), shown in groupby(
        sorted(promises(), key=lambda s: s.world), key=lambda s: s.world
    ):
        files = tuple(each.file for each in shown)
        place = market or (f"seed {seed}" if days == 1 else f"seed {seed}, {days} days")
        yield World(f"examples: {place}{shares and f', {shares}'}", files, seed, market or None, days, shares)
    yield World("examples: unwind", (str(UNWIND_EXAMPLE),), market=str(UNWIND_MARKET))


def alone(shown: Shown) -> World:
    """Return the world of one example's command."""
    label = f"{shown.example}: {shown.market or shown.seed}"
    return World(label, (shown.file,), shown.seed, shown.market, shown.days, shown.shares)


def run_world(folder: Path, world: World, data_seconds: int = AS_TYPED) -> Figures:
    """Run one world in a folder of its own."""
    place = Path(tempfile.mkdtemp(dir=folder))
    symbol, _, count = world.shares.partition("=")
    shares = ((symbol, int(count)),) if count else ()
    day = run_days(
        place,
        world.specs,
        seed=world.seed,
        market=world.market,
        days=world.days,
        shares=shares,
        data_seconds=data_seconds,
    )
    return _figures(world, day)


def run_with_rest(folder: Path, world: World, data_seconds: int = AS_TYPED) -> list[Figures]:
    """Run a world of examples, then as its command says each that others kept out, or quotes that were few."""
    found = [run_world(folder, world, data_seconds)]
    for file in world.specs:
        if (name := Path(file).stem) not in found[0].entered:
            by_itself = alone(Shown(name, world.seed, world.market, world.days, world.shares))
            found.append(run_world(folder, by_itself))
    return found


def run_everything(folder: Path) -> Iterator[Figures]:
    """Run the shipped specs on every seed and scenario, and the examples on the markets of their comments."""
    for world in shipped_worlds():
        yield run_world(folder, world)
    for world in example_worlds():
        yield from run_with_rest(folder, world)


def _figures(world: World, day: CheckedDay) -> Figures:
    return Figures(
        world=world,
        entered=frozenset(day.entered),
        entries=sum(1 for position in day.positions.values() if position.opened_at is not None),
        exits=exits_of(day),
        net=net_of(day),
        problems=(*problems_of(day), *offences(day).values()),
        fired=fired(day, load_all_bots(world.specs, {}, None)),
        decisions=day.decisions,
        seconds=day.seconds["wall"],
    )


# ---------------------------------------------------------------- the page


def page(found: Sequence[Figures]) -> str:
    """Return the tables: what came of each day, and which exits acted."""
    return "\n".join((*_opening(), *_table(found), "", *_fired(found), ""))


def _opening() -> tuple[str, ...]:
    return (
        "# Simulated days",
        "",
        "What the shipped specs and the examples did on simulated days, written by `python -m tests.e2e.figures`. The",
        "net is that of closed positions in dollars, commissions paid; books are equal when cash, commissions and",
        "holdings of every contract agree with the simulated broker's own ledger to the cent. The hash is over every",
        "decision and everything that happened: of one version the same on every machine. A simulated market says",
        "nothing about what a real one pays.",
        "",
    )


def _table(found: Iterable[Figures]) -> Iterator[str]:
    yield "| day | entries | exits | net | books equal | decisions | seconds |"
    yield "|---|---|---|---|---|---|---|"
    for each in found:
        books = "yes" if not each.problems else "; ".join(each.problems)
        figures = f"{each.entries} | {each.exits} | {each.net:,.2f} | {books} | `{each.decisions[:10]}`"
        yield f"| {each.world.label} | {figures} | {each.seconds:.1f} |"


def _fired(found: Sequence[Figures]) -> Iterator[str]:
    yield "| what acted | times | first on |"
    yield "|---|---|---|"
    total = sum((each.fired for each in found), Counter[str]())
    for kind in (*EXIT_KINDS, *sorted(total.keys() - set(EXIT_KINDS))):
        first = next((each.world.label for each in found if each.fired[kind]), "")
        yield f"| {kind} | {total[kind]} | {first} |"


def main(arguments: Sequence[str]) -> None:
    """Print the page, or one day's hash."""
    with tempfile.TemporaryDirectory() as folder:
        if arguments[:1] == ["decisions"]:
            seed, data_seconds = map(int, arguments[1:])
            print(run_days(Path(folder), spec_files(), seed=seed, data_seconds=data_seconds).decisions)
            return
        found = []
        for each in run_everything(Path(folder)):
            found.append(each)
            print(
                f"{each.world.label}: {each.entries} entries, {each.seconds:.1f} s {each.problems}",
                file=sys.stderr,
                flush=True,
            )
    print(page(found), end="")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Bots that share windows, strikes and the limits of an account: alike however a past session is lived through.

`tests/e2e/crowds.py` has the same crowds on the wire, and in chaos.
"""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from both_ways import FIRST, by_arrays, calendar, terms
from crowd_specs import crowd
from passed_by import difference, odd
from past_days import PastDays, beside_another
from plain_specs import random_spec

from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.chaos.limits_check import ChaosResult, entries_and_refusals
from rulebot.documents.load_bots import LoadedBots, limits_as_json, load_all_bots
from rulebot.model.contract import Contract, Option
from rulebot.record.record import Kind, Record
from rulebot.sweep.evaluate import run_variants
from rulebot.sweep.variant import whole

SOURCES = (
    partial(PastDays, strikes=30, expiries=2),
    partial(PastDays, strikes=30, expiries=2, change=odd),
    partial(PastDays, strikes=30, expiries=2, every=3),
)


def lived_through(seed: int, folder: Path) -> tuple[Counter[str], set[str]]:
    """Live through two sessions with instants passed by, and without; return what was decided, and who traded."""
    files, account = crowd(seed, symbols=("SPX",), has_universe=False).written(folder)
    desk = load_all_bots(files, {}, account)
    source, fills = SOURCES[seed % 3](seed=seed % 7), fill_model(("mid", "natural", "mid+0.3")[seed % 3])
    last = source.dates(FIRST, source.last)[1]
    reported: list[list[Record]] = []
    for skips in (True, False):
        walk = BacktestSimulation(desk.program("t", {}, 90), source, calendar(), fills, Decimal(1_000_000), skips=skips)
        reported.append([record for done in walk.through(FIRST, last) for record in done.records])
        assert books_of(walk) == held_by(walk)
    assert not difference(*reported)
    assert list(broken_limits(desk, reported[1])) == []
    decided = Counter(str(each.data["what"]) for each in reported[1] if each.kind is Kind.DECISION)
    return decided, {each.bot for each in reported[1] if each.kind is Kind.FILL}


def books_of(walk: BacktestSimulation) -> dict[Option, int]:
    """Return what all positions hold together, - short, without what nets to nothing."""
    assert walk.state is not None
    held: Counter[Option] = Counter()
    for position in walk.state.positions.by_id.values():
        for leg in position.legs:
            held[leg.option] += leg.signed_held
    return {option: count for option, count in held.items() if count}


def held_by(walk: BacktestSimulation) -> dict[Contract, int]:
    """Return what its broker has in the account, without what nets to nothing."""
    assert walk.broker is not None
    return {contract: count for contract, count in walk.broker.holdings.items() if count}


def broken_limits(desk: LoadedBots, records: list[Record]) -> list[str]:
    """Return which entries, and refusals, are against the account document, as chaos judges it."""
    started = Record(records[0].at, Kind.RUN_STARTED, data={"limits": limits_as_json(desk)})
    left = SimpleNamespace(day=SimpleNamespace(records=[started, *records]), reads=(), reported=())
    return list(entries_and_refusals(cast(ChaosResult, left), desk))


def test_crowds_do_the_same_and_keep_to_their_limits(tmp_path: Path) -> None:
    decided: Counter[str] = Counter()
    together = 0
    for seed in (1, 18, 27, 53):  # orders a minute, nothing, entries a day and open positions are what binds
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        found, traded = lived_through(seed, folder)
        decided += found
        together += len(traded) > 1
    assert together == 4
    assert min(decided[what] for what in ("enter", "exit", "skip", "halt", "roll")) >= 1


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_two_hundred_crowds_do_the_same_and_keep_to_their_limits(tmp_path: Path) -> None:
    for seed in range(60, 260):
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        lived_through(seed, folder)


def universe_of(seed: int) -> str:
    """Return a random spec over two indices, one or both of which it may take."""
    rank = ("", ", rank: {by: spot, highest: 1}", ", rank: {by: iv, lowest: 1}")[seed % 3]
    text = random_spec(seed).replace("underlying: SPX", f"universe: {{symbols: [XSP, SPX]{rank}}}")
    return text.replace("entry:\n", f"entry:\n  per_day: {1 + seed % 2}\n  max_open: 2\n", 1)


def compare_universes(seeds: tuple[int, ...], folder: Path) -> int:
    """Compare universes passed by, in a sweep, and in a sweep shared out by sessions; return how many traded."""
    traded = 0
    for seed in seeds:
        text, source = universe_of(seed), PastDays(strikes=30, seed=seed % 5, change=beside_another)
        asked = terms(source, 2, "mid")
        (folder / "plain.yaml").write_text(text, encoding="utf-8")
        program = load_all_bots([str(folder / "plain.yaml")], {}, None).program("t", {}, 90)
        walks = [
            BacktestSimulation(program, source, calendar(), fill_model("mid"), asked.cash, skips=each)
            for each in (True, False)
        ]
        reported = [[record for done in walk.through(FIRST, asked.last) for record in done.records] for walk in walks]
        assert not difference(*reported), f"seed {seed}"
        (found,) = by_arrays([text], asked)
        assert (found.by_arrays, found.by_turns, found.problem) == (0, "`universe`", ""), f"seed {seed}"
        spans = ((FIRST, FIRST), (asked.last, asked.last))
        parts = [part for span in spans for part in run_variants([(0, ("0",), text)], asked, span)]
        assert replace(whole(parts), findings=()) == replace(found, findings=()), f"seed {seed}"
        traded += any(record.kind is Kind.FILL for record in reported[0])
    return traded


def test_universes_do_the_same_passed_by_swept_and_shared_out(tmp_path: Path) -> None:
    assert compare_universes((1, 20), tmp_path) == 2


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_hundred_universes_do_the_same(tmp_path: Path) -> None:
    assert compare_universes(tuple(range(40, 140)), tmp_path) >= 25

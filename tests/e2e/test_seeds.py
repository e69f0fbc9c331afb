"""Whole days of the shipped specs and the examples: sound on every market, the same whenever they are run.

By default one day. `pytest -m long -k ci` runs a few more, `pytest -m long` all.
"""

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path

import pytest

from rulebot.checks.against_ledger.books import CheckedDay
from rulebot.checks.against_ledger.findings import offences, unprotected
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import DEFAULT_DATE
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.session import at_exchange_time
from rulebot.record.record import Kind
from tests.e2e import figures
from tests.e2e.conftest import Lived
from tests.e2e.examples import FOLDER, NOT_BOTS, REPORTED, Shown, names, promises
from tests.e2e.figures import World, alone, example_worlds, run_everything, run_with_rest, run_world
from tests.e2e.findings import EXIT_KINDS, fired, problems_of
from tests.e2e.worlds import FIRST_BOTS, check_replays, run_days, spec_files

STILL_MARKET = Path(__file__).parent / "markets" / "standing_still.yaml"
NOT_OF_TURNS = (Kind.RUN_STARTED, Kind.RUN_ENDED, Kind.PRICES)
DATA_SECONDS = 15
"""A third of the quotes that a simulated day has by itself: decisions are as many, and the day takes half as long."""
FAST = 4000.0
"""Simulated seconds in a second, for a day that is paced by the clock and still short."""


def run_in(folder: Path, name: str, seed: int) -> CheckedDay:
    """Run a day of all shipped specs in a folder of its own, and record it."""
    place = folder / name
    place.mkdir()
    tapes = place / "tapes"
    return run_days(place, spec_files(), seed=seed, data_seconds=DATA_SECONDS, tapes=tapes)


# ---------------------------------------------------------------- always


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the day is kept."""
    return tmp_path_factory.mktemp("seeds")


@pytest.fixture(scope="module")
def day(folder: Path) -> CheckedDay:
    """Return one day of all shipped specs."""
    return run_in(folder, "seven", 7)


def test_a_day_replays_to_the_same_decisions(day: CheckedDay, folder: Path) -> None:
    reported = [record for record in day.records if record.kind not in NOT_OF_TURNS]
    assert check_replays(folder / "seven" / "tapes") == len(reported)


def test_a_day_is_sound(day: CheckedDay) -> None:
    assert problems_of(day) == []


def test_a_day_passes_the_audit(day: CheckedDay) -> None:
    assert offences(day) == {}


def test_the_audit_finds_what_is_changed_in_a_real_day(day: CheckedDay) -> None:
    """A doubled fill, an order without its first record, a changed digest, a fill less: each under its number."""
    kinds = [record.kind for record in day.records]
    fill, order, moved = (kinds.index(kind) for kind in (Kind.FILL, Kind.ORDER, Kind.POSITION))
    records = day.records
    other = replace(records[moved], data={**records[moved].data, "digest": "other"})
    assert 5 in offences(replace(day, records=(*records[: fill + 1], records[fill], *records[fill + 1 :])))
    assert 3 in offences(replace(day, records=(*records[:order], *records[order + 1 :])))
    assert 18 in offences(replace(day, records=(*records[:moved], other, *records[moved + 1 :])))
    assert {5, 21} <= set(offences(replace(day, records=(*records[:fill], *records[fill + 1 :]))))


def test_an_unsound_day_is_reported(day: CheckedDay) -> None:
    """The checks themselves: a cent too much, a price off its tick, a bot that says nothing."""
    option, cash = next(iter(item for item in day.ledger.cash_flow.items() if item[0] > 20_000_000))
    ledger = replace(day.ledger, cash_flow={**day.ledger.cash_flow, option: cash + Decimal("0.01")})
    assert len(problems_of(replace(day, ledger=ledger))) == 1
    sent = next(r for r in day.records if r.kind is Kind.ORDER and r.data["limit_price"] is not None)
    odd = replace(sent, data={**sent.data, "limit_price": "-0.123"})
    assert len(problems_of(replace(day, records=(*day.records, odd)))) == 1
    silent = replace(day.bot_days[0], opened=0, entries=0, skipped="", decided="", halted="")
    assert len(problems_of(replace(day, bot_days=(silent,)))) == 1
    unknown = replace(sent, kind=Kind.MARK, data={"profit": float("nan")})
    assert len(problems_of(replace(day, records=(*day.records, unknown)))) == 1


def test_most_shipped_bots_trade_on_an_ordinary_day(day: CheckedDay) -> None:
    assert day.entered >= {"calm_tape_condor", "dte0_condor", "put_lite", "spy_put_seller"}


def test_the_parity_bot_says_what_came_nearest(day: CheckedDay) -> None:
    (parity,) = [found for found in day.bot_days if found.bot == "spx_spy_parity"]
    assert parity.opened or "credit" in parity.skipped


def test_resting_orders_are_at_the_broker_from_the_fill_on(day: CheckedDay) -> None:
    assert unprotected(day, "spy_put_seller") == []


def test_every_example_says_how_to_see_it_trade() -> None:
    assert {shown.example for shown in promises()} == set(names()) - set(REPORTED)


def test_the_index_of_the_examples_names_them_all() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[\w+\]\((\w+)\.yaml\)", text, re.MULTILINE)) == sorted([*names(), *NOT_BOTS])


def test_a_leg_without_its_partner_is_closed(tmp_path: Path) -> None:
    market = str(figures.UNWIND_MARKET)
    found = run_days(tmp_path, [str(figures.UNWIND_EXAMPLE)], seed=7, market=market, data_seconds=DATA_SECONDS)
    (position,) = found.positions.values()
    assert (position.exit_reason, position.is_flat) == ("unwind", True)
    assert [leg.opened for leg in position.legs] == [0, 1]
    assert problems_of(found) == []


# ---------------------------------------------------------------- in CI


@pytest.mark.long
def test_ci_an_exit_reads_what_is_no_part_of_its_position(tmp_path: Path) -> None:
    """Options at the money are streamed for it, wherever the money has gone since."""
    example = next(shown.file for shown in promises() if shown.example == "exit_with_expr")
    found = run_days(tmp_path, [example], seed=7, market="trend_down", data_seconds=DATA_SECONDS)
    assert [record.data["text"] for record in found.records if record.kind is Kind.ALARM] == []
    assert fired(found, load_all_bots([example], {}, None))["expression"] == 1


@pytest.mark.long
def test_the_same_seed_gives_the_same_day(plain: Lived, tmp_path: Path) -> None:
    assert run_in(tmp_path, "again", 7).decisions == plain.day.decisions


@pytest.mark.long
def test_ci_the_pace_does_not_matter(plain: Lived, tmp_path: Path) -> None:
    """Up to eleven: by then every bot has entered that does on that day."""
    until = at_exchange_time(DEFAULT_DATE, time(11))
    paced = run_days(tmp_path, spec_files(), seed=7, speed=FAST, data_seconds=DATA_SECONDS, until=until)
    assert paced.entered == plain.day.entered
    assert before(paced, until) == before(plain.day, until)


def before(day: CheckedDay, until: datetime) -> str:
    """Return the hash of what a day had decided before an instant."""
    return replace(day, records=tuple(record for record in day.records if record.at < until)).decisions


@pytest.mark.long
def test_ci_the_order_of_sets_does_not_matter(plain: Lived) -> None:
    assert decisions_of_another_process(7) == plain.day.decisions


def decisions_of_another_process(seed: int) -> str:
    """Return the hash of a day that a Python with another order of its sets has run."""
    words = [sys.executable, "-m", "tests.e2e.figures", "decisions", str(seed), str(DATA_SECONDS)]
    settings = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run(words, env=settings, cwd=figures.ROOT, capture_output=True, text=True, timeout=90, check=True)
    return done.stdout.strip()


@pytest.mark.long
@pytest.mark.parametrize("market", ["dislocation", "assignment_up"], ids=["ci dislocation", "assignment_up"])
def test_the_parity_bot_takes_a_dislocation(market: str, tmp_path: Path) -> None:
    found = run_days(tmp_path, spec_files(["spx_spy_parity"]), seed=7, market=market, data_seconds=DATA_SECONDS)
    assert problems_of(found) == []
    assert "spx_spy_parity" in found.entered


@pytest.mark.long
@pytest.mark.parametrize("world", [w for w in example_worlds() if w.days == 1], ids=lambda world: world.label)
def test_ci_examples_trade(world: World, tmp_path: Path) -> None:
    """Examples of one market share a run; one that holds what another wants the other way round runs alone."""
    found = run_with_rest(tmp_path, world, DATA_SECONDS)
    assert [problem for each in found for problem in each.problems] == []
    assert frozenset().union(*(each.entered for each in found)) == {Path(file).stem for file in world.specs}


# ---------------------------------------------------------------- in full


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_all_seeds_and_markets(tmp_path: Path) -> None:
    """Books are equal everywhere, every shipped bot enters somewhere, and every kind of exit acts."""
    every = list(run_everything(tmp_path))
    assert {each.world.label: each.problems for each in every if each.problems} == {}
    assert frozenset().union(*(each.entered for each in every)) >= set(FIRST_BOTS)
    total = sum((each.fired for each in every), Counter[str]())
    assert [kind for kind in EXIT_KINDS if not total[kind]] == []


@pytest.mark.long
@pytest.mark.parametrize("shown", promises(), ids=lambda shown: f"{shown.example}-{shown.market or shown.seed}")
def test_each_command_of_an_example_trades(shown: Shown, tmp_path: Path) -> None:
    found = run_world(tmp_path, alone(shown))
    assert found.problems == ()
    assert found.entered == {shown.example}


@pytest.mark.long
def test_positions_live_through_nights(tmp_path: Path) -> None:
    """Five sessions of one sale each: all are protected all the time, also while the next sale works in between."""
    found = run_days(tmp_path, spec_files(["spy_put_seller"]), seed=7, days=5)
    assert problems_of(found) == []
    assert unprotected(found, "spy_put_seller") == []
    entries = [order for order in found.orders.values() if order.purpose is Purpose.ENTRY]
    assert len({order.prepared_at.date() for order in entries}) == len(entries) == 5
    filled = {order.position for order in entries if order.has_fills}
    assert len(filled) >= 3
    assert {p.id for p in found.positions.values() if p.opened_at is not None} == filled


@pytest.mark.long
def test_the_same_option_sold_again_keeps_the_first_one_watched(tmp_path: Path) -> None:
    """Buy-backs of yesterday's sale are taken back while today's works in the same option, then put back."""
    found = run_days(tmp_path, spec_files(["spy_put_seller"]), seed=7, market=str(STILL_MARKET), days=3)
    assert problems_of(found) == []
    assert unprotected(found, "spy_put_seller") == []
    twice = Counter(position.legs[0].option for position in found.positions.values())
    assert max(twice.values()) > 1
    said = Counter(record.data["what"] for record in found.records if record.kind is Kind.DECISION)
    assert said["suspend"] == said["resume"] == 1
    resting = Counter(o.position for o in found.orders.values() if o.status is OrderStatus.WORKING)
    assert set(resting.values()) == {2}
    assert resting.keys() == found.positions.keys()


@pytest.mark.long
def test_an_option_of_the_next_day_is_settled_after_its_night(tmp_path: Path) -> None:
    (shown,) = [shown for shown in promises() if shown.example == "short_nights"]
    found = run_days(tmp_path, [shown.file], seed=7, days=4)
    assert problems_of(found) == []
    settled = {record.data["how"] for record in found.records if record.kind is Kind.SETTLEMENT}
    assert settled
    assert settled <= {"assigned", "worthless"}

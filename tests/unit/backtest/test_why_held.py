"""What 'rulebot why' says of the days on which a position of days is held, closed in part, or left."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from both_ways import calendar, terms
from past_days import PastDays

from rulebot.backtest.simulation import BacktestSimulation
from rulebot.narrate.why import explanation_document, explanation_lines, why_day
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.sweep.variant import program_of

HALVING = """rulebot: 1
name: halving
about: Sells put spreads of a few days, closes a half on the second day and the rest on the third.
underlying: SPX
quantity: 2
entry: {at: "10:00", max_open: 1}
legs:
  expiry: {dte: {at_least: 6}}
  short_put: {sell: put, strike: {delta: 0.25}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: natural, wait: 10s, tries: 1, then: cancel}
exits:
  - name: half
    sessions_in_trade: {at_least: 1}
    close: 50%
  - name: rest
    sessions_in_trade: {at_least: 3}
  - dte: {at_most: 0}
risk: {max_loss_per_trade: $5000}
"""
DAYS = (date(2026, 9, 1), date(2026, 9, 2), date(2026, 9, 3), date(2026, 9, 4))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of four days, on which a spread is opened, halved, held and closed."""
    path = tmp_path_factory.mktemp("held") / "days.db"
    source = PastDays(expiries=6)
    asked = replace(terms(source, len(DAYS)), file="halving.yaml")
    walk = BacktestSimulation(program_of(HALVING, asked), source, calendar(), asked.fills, Decimal(1_000_000))
    journal = SqlJournal(open_store(path))
    for day in DAYS:
        for done in walk.through(day, day):
            journal.append(done.records, durable=True)
    journal.close()
    return path


def reported(store: Path, day: date) -> tuple[str, dict[str, object]]:
    with StoreReader(store) as reader:
        found = why_day(reader, day, reader.day("halving", day), reader.trades())
    return explanation_lines("halving", day, found)[1], explanation_document("halving", day, found)


def test_a_part_that_was_closed_on_a_later_day_is_reported_on_it(store: Path) -> None:
    """It was said that all of it was held."""
    line, document = reported(store, DAYS[1])
    assert "2 x " in line
    assert ", 1 of 2 bought back at " in line
    assert " 09:30: half, bought back in all at " in line
    assert len(document["trades"]) == 1  # type: ignore[arg-type]
    assert "held" not in document


def test_on_a_day_after_it_the_rest_is_held(store: Path) -> None:
    line, document = reported(store, DAYS[2])
    assert line.startswith("  held 2 x ")
    assert " since 2026-09-01, 1 of 2 bought back at " in line
    assert line.endswith(" 2026-09-02 09:30: half")
    assert document["trades"] == []


def test_the_days_of_its_entry_and_of_its_end_report_all_of_it(store: Path) -> None:
    assert "1 of 2 bought back" in reported(store, DAYS[0])[0]
    assert ": rest" in reported(store, DAYS[3])[0]

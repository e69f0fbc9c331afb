"""Bots over modelled sessions, of which only the options that are asked for are quoted: no record shows it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from leaks import FutureQuotes, LeakyFeed

from rulebot.adapters.history.modelled_source import ModelledChain, ModelledDay
from rulebot.adapters.history.session import DailyBar, Finding, HistoryDay, Source
from rulebot.adapters.sources import open_source
from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.look_ahead import check_look_ahead
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.calendars.calendars import shipped_dates
from rulebot.core.program import Program
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.contract import Option
from rulebot.model.economic_calendar import event_calendar
from rulebot.record.record import Kind, Record

ROOT = Path(__file__).parents[3]
DATA = f"model:{ROOT / 'examples' / 'data' / 'daily'}?dte=0..40"
BOTS = {
    "specs/put_lite.yaml": (date(2014, 1, 22), date(2014, 1, 23)),
    "specs/dte0_condor.yaml": (date(2018, 2, 13), date(2018, 2, 14)),
    "examples/index/cboe_cndr.yaml": (date(2017, 6, 15), date(2017, 6, 19)),
}
"""Bots, and sessions in which they trade: within a day, and held over nights and a settlement at the open."""
CHECKED = date(2014, 1, 27), date(2014, 2, 5)


class Whole:
    """A source whose sessions have all of their options made, as those of files have."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.name, self.is_modelled = source.name, source.is_modelled

    def dates(self, first: date, last: date) -> Sequence[date]:
        return self._source.dates(first, last)

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        return self._source.gaps(first, last)

    def day(self, day: date) -> HistoryDay:
        found = replace(self._source.day(day))
        assert not isinstance(found, ModelledDay)
        return found

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        return self._source.daily(symbol, before, count)

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        return self._source.implied(symbol, before, count)


def program_of(spec: str) -> Program:
    return load_all_bots([str(ROOT / spec)], {}, None).program("bt", {}, 90)


def walk(program: Program, source: Source) -> BacktestSimulation:
    return BacktestSimulation(program, source, event_calendar(shipped_dates()), fill_model("mid"), Decimal(1_000_000))


def records(program: Program, source: Source, first: date, last: date) -> list[Record]:
    return [each for done in walk(program, source).through(first, last) for each in done.records]


def all_of_them(chain: ModelledChain) -> Iterator[Option]:
    raise AssertionError(f"{len(chain)} options are made one by one")


@pytest.mark.parametrize("spec", BOTS)
def test_options_made_when_asked_for_change_no_record(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, source = program_of(spec), open_source(DATA)
    with monkeypatch.context() as forbidden:
        forbidden.delattr(ModelledChain, "whole")
        forbidden.setattr(ModelledChain, "__iter__", all_of_them)
        found = records(program, source, *BOTS[spec])
    assert any(each.kind is Kind.FILL for each in found)
    assert found == records(program, Whole(source), *BOTS[spec])


def test_nothing_looks_ahead_in_modelled_sessions() -> None:
    program = program_of("specs/put_lite.yaml")
    found = check_look_ahead(lambda source: walk(program, source), open_source(DATA), *CHECKED)
    assert found.leaks == ()
    assert found.draws == 10
    assert found.records > 200


def test_a_market_that_looks_ahead_in_modelled_sessions_is_caught() -> None:
    program = program_of("specs/put_lite.yaml")

    def leaky(source: Source) -> BacktestSimulation:
        found = walk(program, source)
        found.feed = LeakyFeed(source, found.board, FutureQuotes)
        return found

    assert check_look_ahead(leaky, open_source(DATA), *CHECKED).leaks

"""Volatility and greeks that a source lacks: its own volatility comes first, else what the quotes come to."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from past_days import PastDays

from rulebot.adapters.history.session import Columns, HistoryDay
from rulebot.backtest.implied_surface import Surface
from rulebot.model.session import session_on

DAY = date(2026, 9, 1)
HIGHER = 1.25


def columns_of(day: HistoryDay) -> dict[str, Columns]:
    session = session_on(day.date)
    assert session is not None
    surface = Surface(day, session)
    surface.make(range(len(day.options)))
    return surface.columns


def day_of(iv: Columns | None) -> HistoryDay:
    return replace(PastDays(strikes=6).day(DAY), iv=iv, delta=None, gamma=None, theta=None, vega=None)


@pytest.fixture(scope="module")
def solved() -> Columns:
    """Return the volatilities that the quotes come to."""
    return columns_of(day_of(None))["iv"]


def test_greeks_are_those_of_the_volatility_that_the_source_brings(solved: Columns) -> None:
    ours, theirs = columns_of(day_of(None)), columns_of(day_of(solved * HIGHER))
    known = ~np.isnan(solved)
    assert known.mean() > 0.5
    assert (theirs["iv"][known] == solved[known] * HIGHER).all()
    money = known & (np.abs(ours["delta"]) > 0.45) & (np.abs(ours["delta"]) < 0.55)
    assert money.any()
    assert theirs["gamma"][money] == pytest.approx(ours["gamma"][money] / HIGHER, rel=0.02)


def test_where_it_brings_none_the_quotes_are_asked(solved: Columns) -> None:
    given = np.where(np.arange(solved.shape[1]) % 2 == 0, solved * HIGHER, np.nan)
    found = columns_of(day_of(given))["iv"]
    assert np.array_equal(found[:, 1::2], solved[:, 1::2], equal_nan=True)
    known = ~np.isnan(solved[:, ::2])
    assert (found[:, ::2][known] == given[:, ::2][known]).all()


def test_an_option_that_is_asked_for_later_is_the_same(solved: Columns) -> None:
    session = session_on(DAY)
    assert session is not None
    surface = Surface(day_of(None), session)
    for place in (5, 0, 20):
        surface.make([place])
    assert np.array_equal(surface.columns["iv"][:, [5, 0, 20]], solved[:, [5, 0, 20]], equal_nan=True)

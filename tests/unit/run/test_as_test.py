"""Levels written for a test: they are read back as near as is said, and exactly where it matters."""

from datetime import date
from decimal import Decimal
from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.black import delta, price, years_until
from engine.model.contract import Option, Right
from engine.model.session import session_on
from engine.run.replay.as_test_volatility import OptionSeen, fitted, of_opening_move
from engine.run.replay.series_text import MOST, told_series
from engine.spec.series import series

DAY = date(2026, 10, 21)
LEVELS = st.lists(st.one_of(st.just(nan), st.integers(10, 999_999).map(lambda n: n / 100)), min_size=1, max_size=391)


@given(LEVELS, st.sets(st.integers(0, 390), max_size=10))
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_back_as_near_as_is_said(levels: list[float], exact: set[int]) -> None:
    told = told_series(levels, exact)
    found = series(told.text)
    assert len(told.text) <= MOST or told.apart > 1_000_000
    for minute, level in enumerate(levels):
        if level == level:
            allowed = 0.0 if minute in exact else told.apart
            assert found.at(minute) == pytest.approx(level, abs=allowed + 1e-6), minute
        elif minute and any(each == each for each in levels):
            assert found.at(minute) != found.at(minute), minute


def test_a_quiet_day_is_short() -> None:
    assert told_series([6000.0] * 61 + [6000.2, 6000.4, 6000.4], ()) == ("6000 +0x60 +0.2x2 +0x1", 0.0)
    assert told_series([nan, nan], ()).text == "unknown"


def test_the_volatility_is_that_of_the_deltas_that_were_told() -> None:
    session = session_on(DAY)
    assert session is not None
    put = Option("SPX", "SPXW", DAY, Decimal(5950), Right.PUT)
    now = session.open.timestamp()
    slope = delta(6000.0, 5950.0, years_until(DAY, now) or 0.0, 0.20, False)
    found = fitted(session, "SPX", (), (put,), [{put: OptionSeen(nan, slope)}, {}], [6000.0, 6001.0], 0.12)
    assert found == pytest.approx([0.20, 0.20], rel=0.02)
    assert fitted(session, "SPX", (), (put,), [{}], [6000.0], 0.12) == [0.12]


def test_the_open_is_priced_by_the_move_that_was_expected() -> None:
    session = session_on(DAY)
    assert session is not None
    years = years_until(DAY, session.open.timestamp()) or 0.0
    straddle = sum(price(6000.0, 6000.0, years, 0.15, call) for call in (True, False))
    found = of_opening_move(straddle * (3.141592653589793 / 2) ** 0.5, DAY, session, 6000.0)
    assert found == pytest.approx(0.15, rel=1e-3)
    assert of_opening_move(30.0, DAY, session, nan) is None

"""Realised volatility of bars: values against the papers' formulas written anew, and bars of which nothing is made."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from math import exp, fsum, log, sqrt
from random import Random
from statistics import variance

import pytest

from rulebot.measure.reading import UnknownValue
from rulebot.measure.view import View
from rulebot.model.facts import Bar, Bars, Facts
from rulebot.model.session import Session, session_before
from tests.unit.measures.market_view import NOW, read, session, view

DAY, FIVE = 86400, 300
Change = Callable[[Bar], Bar]


def sessions(count: int) -> list[Session]:
    """Return the sessions before the view's, oldest first."""
    found = [view().session]
    for _ in range(count):
        found.append(session_before(found[-1].date))
    return found[:0:-1]


def walk(seed: int, starts: Sequence[float], gap: float, move: float) -> list[Bar]:
    """Return bars that begin there, with a gap before each; each is made of forty moves."""
    chance, level, bars = Random(seed), 6000.0, []
    for at in starts:
        level *= exp(chance.gauss(0, gap))
        path = [level]
        for _ in range(40):
            path.append(path[-1] * exp(chance.gauss(0, move)))
        level = path[-1]
        bars.append(Bar(at, path[0], max(path), min(path), level, 1.0, 0.0))
    return bars


def days(count: int, seed: int = 1) -> list[Bar]:
    return walk(seed, [each.open.timestamp() for each in sessions(count)], 0.004, 0.0012)


def fives(count: int, seed: int = 2) -> list[Bar]:
    """Return bars of five minutes of so many sessions."""
    starts = [
        at for each in sessions(count) for at in range(int(each.open.timestamp()), int(each.close.timestamp()), FIVE)
    ]
    return walk(seed, [float(at) for at in starts], 0.0, 0.00015)


def having(bars: Sequence[Bar], seconds: int = DAY, known_until: float = NOW) -> View:
    at = view()
    at.facts = replace(at.facts, bars={("SPX", seconds): Bars(known_until, tuple(bars))})
    return at


def annual(a_day: float) -> float:
    return sqrt(a_day * 252.0) * 100.0


def unknown(reading: object) -> str:
    assert isinstance(reading, UnknownValue), reading
    return reading.reason


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("window", [1, 2, 10, 20])
def test_parkinson_is_the_mean_squared_range(window: int) -> None:
    bars = days(30)
    squared = [(log(bar.high) - log(bar.low)) ** 2 for bar in bars[-window:]]
    expected = annual(fsum(squared) / (window * 4 * log(2)))
    assert read(having(bars), "rv", estimator="parkinson", window=window) == pytest.approx(expected, rel=1e-12)


def test_parkinson_of_a_range_that_never_changes() -> None:
    """A range of 1 % each session is 1 % / 1.6651 a session, whatever the closes: 9.49 % a year."""
    bars = [bar._replace(open=100.5, high=101.0, low=100.0, close=100.5) for bar in days(20)]
    assert read(having(bars), "rv", estimator="parkinson") == pytest.approx(9.4863, abs=1e-4)


@pytest.mark.parametrize("window", [2, 5, 20])
def test_yang_zhang_is_night_and_day_and_range(window: int) -> None:
    """The paper's o, u, d and c: opening jump, and high, low and close over the open, as logarithms."""
    bars = days(30, seed=3)
    used, before = bars[-window:], bars[-window - 1 : -1]
    o = [log(bar.open) - log(last.close) for bar, last in zip(used, before, strict=True)]
    u = [log(bar.high) - log(bar.open) for bar in used]
    d = [log(bar.low) - log(bar.open) for bar in used]
    c = [log(bar.close) - log(bar.open) for bar in used]
    rogers_satchell = (
        fsum(up * (up - end) + down * (down - end) for up, down, end in zip(u, d, c, strict=True)) / window
    )
    k = 0.34 / (1.34 + (window + 1) / (window - 1))
    expected = annual(variance(o) + k * variance(c) + (1 - k) * rogers_satchell)
    assert read(having(bars), "rv", estimator="yang_zhang", window=window) == pytest.approx(expected, rel=1e-9)


def test_yang_zhang_sees_no_drift() -> None:
    """A market that rises evenly, over night and by day, has no variance: its closes have a range all the same."""
    bars, level = [], 100.0
    for each in sessions(21):
        opened, close = level * 1.001, level * 1.001 * 1.002
        bars.append(Bar(each.open.timestamp(), opened, close, opened, close, 0.0, 0.0))
        level = close
    assert read(having(bars), "rv", estimator="yang_zhang") == pytest.approx(0.0, abs=1e-4)
    parkinson = read(having(bars), "rv", estimator="parkinson")
    assert isinstance(parkinson, float)
    assert parkinson > 1.0


@pytest.mark.parametrize("window", [1, 3, 10])
def test_intraday_adds_up_squares_within_sessions_and_over_night(window: int) -> None:
    bars, total = fives(12), []
    for each, earlier in zip(sessions(12)[-window:], sessions(12)[-window - 1 : -1], strict=True):
        own = [bar for bar in bars if each.open.timestamp() <= bar.at < each.close.timestamp()]
        (last,) = [bar for bar in bars if bar.at == earlier.close.timestamp() - FIVE]
        assert len(own) == 78
        levels = [own[0].open] + [bar.close for bar in own]
        moves = [log(levels[place + 1]) - log(levels[place]) for place in range(78)]
        total.append(fsum(move * move for move in moves) + (log(own[0].open) - log(last.close)) ** 2)
    expected = annual(fsum(total) / window)
    got = read(having(bars, FIVE), "rv", estimator="intraday", window=window)
    assert got == pytest.approx(expected, rel=1e-9)


def test_intraday_of_a_half_day_has_42_bars() -> None:
    """The session before 30 November 2026 closed at 13:00."""
    at = view()
    at.session = monday = session(date(2026, 11, 30))
    friday = session_before(monday.date)
    assert friday.minutes == 210
    starts = range(int(friday.open.timestamp()), int(friday.close.timestamp()), FIVE)
    wednesday = session_before(friday.date)
    bars = walk(5, [wednesday.close.timestamp() - FIVE, *map(float, starts)], 0.0, 0.0002)
    at.facts = Facts(bars={("SPX", FIVE): Bars(monday.open.timestamp(), tuple(bars))})
    levels = [bars[0].close, bars[1].open, *(bar.close for bar in bars[1:])]
    expected = fsum(log(later / earlier) ** 2 for earlier, later in pairwise(levels))
    assert len(bars) == 43
    assert read(at, "rv", estimator="intraday", window=1) == pytest.approx(annual(expected), rel=1e-9)


def test_they_come_near_what_bars_were_drawn_with() -> None:
    """Nights of 0.4 % and days of 40 moves of 0.12 %: 13.6 % a year, and 12.0 % without the nights.

    A range that is looked at forty times a day is too narrow by some tenth.
    """
    at, a_day = having(days(400, seed=7)), 40 * 0.0012**2
    whole = read(at, "rv", estimator="yang_zhang", window=390)
    alone = read(at, "rv", estimator="parkinson", window=390)
    assert whole == pytest.approx(annual(a_day + 0.004**2), rel=0.15)
    assert alone == pytest.approx(annual(a_day), rel=0.15)


def test_the_ratio_is_by_the_same_estimator() -> None:
    at = having(days(30))
    over, iv, rv = (
        read(at, "iv_over_rv", estimator="yang_zhang", window=10),
        read(at, "iv"),
        read(at, "rv", estimator="yang_zhang", window=10),
    )
    assert isinstance(iv, float)
    assert isinstance(rv, float)
    assert over == iv / rv


# ---------------------------------------------------------------- what is read


def test_nothing_of_today_counts() -> None:
    """Bars of the session at hand stand behind those of the days before, where another bot reads them."""
    bars, opened = fives(4), view().session.open.timestamp()
    today = [Bar(opened + FIVE * place, 9000.0, 9900.0, 8000.0, 8500.0, 1.0, 0.0) for place in range(12)]
    alone, beside = having(bars, FIVE), having([*bars, *today], FIVE)
    assert read(alone, "rv", estimator="intraday", window=3) == read(beside, "rv", estimator="intraday", window=3)


def test_what_others_asked_for_changes_nothing() -> None:
    many = days(60)
    for estimator, needed in (("parkinson", 20), ("yang_zhang", 21)):
        few = read(having(many[-needed:]), "rv", estimator=estimator)
        assert isinstance(few, float)
        assert few == read(having(many), "rv", estimator=estimator)
    longer, window = fives(6), 3
    shorter = [bar for bar in longer if bar.at >= sessions(4)[0].close.timestamp() - FIVE]
    assert len(shorter) == 3 * 78 + 1
    assert read(having(shorter, FIVE), "rv", estimator="intraday", window=window) == read(
        having(longer, FIVE), "rv", estimator="intraday", window=window
    )


def test_too_few_are_unknown() -> None:
    assert unknown(read(having(days(19)), "rv", estimator="parkinson")) == "SPX: 19 daily bars, 20 are needed"
    assert unknown(read(having(days(20)), "rv", estimator="yang_zhang")) == "SPX: 20 daily bars, 21 are needed"
    few = unknown(read(having(fives(3), FIVE), "rv", estimator="intraday", window=3))
    assert few == "SPX: 5m bars of 3 sessions, 3 are needed and the close before them"
    assert unknown(read(having([]), "rv", estimator="parkinson")) == "SPX: daily bars are missing"
    assert unknown(read(view(), "rv", estimator="yang_zhang")) == "SPX: daily bars are not known yet"
    assert unknown(read(view(), "rv", estimator="intraday")) == "SPX: 5m bars are not known yet"


def test_bars_must_reach_to_the_session_before() -> None:
    until = view().session.open.timestamp() - 3 * DAY
    found = unknown(read(having(fives(4), FIVE, until), "rv", estimator="intraday", window=3))
    assert found == "SPX: 5m bars are known until 2026-11-15 09:30 only"
    assert unknown(read(having(days(30)[:-1]), "rv", estimator="parkinson")) == "SPX: daily bars end on 2026-11-16"


# ---------------------------------------------------------------- bars that are none


@pytest.mark.parametrize("estimator", ["parkinson", "yang_zhang"])
def test_a_session_without_a_daily_bar_is_not_left_out(estimator: str) -> None:
    bars = days(30)
    del bars[-3]
    found = unknown(read(having(bars), "rv", estimator=estimator))
    assert found == "SPX: the daily bar of 2026-11-13 is missing"


BAD: dict[str, tuple[Change, str]] = {
    "nan": (lambda bar: bar._replace(low=float("nan")), "has no price as its low"),
    "zero": (lambda bar: bar._replace(open=0.0), "has no price as its open"),
    "negative": (lambda bar: bar._replace(high=-1.0), "has no price as its high"),
    "endless": (lambda bar: bar._replace(high=float("inf")), "has no price as its high"),
    "no close": (lambda bar: bar._replace(close=float("nan")), "has no price as its close"),
    "inverted": (
        lambda bar: bar._replace(high=100.0, low=101.0, open=100.5, close=100.5),
        "has its high, 100, below its low, 101",
    ),
    "outside": (
        lambda bar: bar._replace(high=100.0, low=99.0, open=99.5, close=100.5),
        "opens at 99.5 and closes at 100.5, not both within 99 to 100",
    ),
    "close alone": (
        lambda bar: bar._replace(high=100.0, low=100.0, open=100.0, close=100.0),
        "has one price, 100, and no range",
    ),
}


@pytest.mark.parametrize("estimator", ["parkinson", "yang_zhang"])
@pytest.mark.parametrize("bad", BAD)
def test_no_number_is_made_of_a_bad_daily_bar(estimator: str, bad: str) -> None:
    bars, (change, words) = days(30), BAD[bad]
    bars[-5] = change(bars[-5])
    assert unknown(read(having(bars), "rv", estimator=estimator)) == f"SPX: the daily bar of 2026-11-11 {words}"
    bars = days(30)
    bars[-22] = change(bars[-22])  # before all that is read
    assert isinstance(read(having(bars), "rv", estimator=estimator), float)


def test_of_the_first_bar_only_the_close_is_read() -> None:
    bars = days(30)
    whole = read(having(bars), "rv", estimator="yang_zhang")
    bars[-21] = bars[-21]._replace(open=0.0, high=1.0, low=2.0)
    assert read(having(bars), "rv", estimator="yang_zhang") == whole
    bars[-21] = bars[-21]._replace(close=0.0)
    found = unknown(read(having(bars), "rv", estimator="yang_zhang"))
    assert found == "SPX: the daily bar of 2026-10-20 has no price as its close"


@pytest.mark.parametrize("bad", [each for each in BAD if each != "close alone"])
def test_no_number_is_made_of_a_bad_bar_within_a_session(bad: str) -> None:
    bars, (change, words) = fives(4), BAD[bad]
    bars[100] = change(bars[100])
    found = unknown(read(having(bars, FIVE), "rv", estimator="intraday", window=3))
    assert found == f"SPX: the 5m bar of 2026-11-13 11:20 {words}"


def test_five_minutes_in_which_nothing_moved_are_a_bar() -> None:
    bars = fives(4)
    bars[100] = bars[100]._replace(open=bars[99].close, high=bars[99].close, low=bars[99].close, close=bars[99].close)
    assert isinstance(read(having(bars, FIVE), "rv", estimator="intraday", window=3), float)


@pytest.mark.parametrize(
    ("place", "clock"), [(100, "2026-11-13 11:20"), (-1, "2026-11-17 15:55"), (77, "2026-11-12 15:55")]
)
def test_five_minutes_without_a_bar_are_not_left_out(place: int, clock: str) -> None:
    bars = fives(4)
    del bars[place]
    found = unknown(read(having(bars, FIVE), "rv", estimator="intraday", window=3))
    assert found == f"SPX: the 5m bar of {clock} is missing"


def test_closes_just_outside_of_a_range_are_rounding() -> None:
    bars = days(30)
    bars[-5] = bars[-5]._replace(open=bars[-5].low * 0.99995, close=bars[-5].high * 1.00005)
    for estimator in ("parkinson", "yang_zhang"):
        assert isinstance(read(having(bars), "rv", estimator=estimator), float)

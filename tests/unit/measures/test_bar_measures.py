"""Measures of bars on bars made by hand: which they read, what they say, and when they are unknown."""

from collections.abc import Iterable
from typing import Any

import pytest

from rulebot.compile.plan import Call, Compare, Op, Quantity, Text
from rulebot.evaluate.measure import reader_of
from rulebot.evaluate.rules import compile_test
from rulebot.measure.evaluation import Evaluation
from rulebot.measure.reading import UnknownValue
from rulebot.measure.view import View
from rulebot.measures.bars import last_end
from rulebot.measures.registry import VOCABULARY
from rulebot.model.facts import Bar, Bars, Facts
from rulebot.model.session import session_before
from tests.unit.measures.market_view import CONTEXT, NOW, level, read, view

DAY = 86400


def daily(closes: Iterable[float], known_until: float = NOW, skip: int = 0) -> Bars:
    """Return daily bars of the sessions before the view's; `skip` leaves the newest sessions out."""
    at, bars = view().session, []
    for _ in range(skip):
        at = session_before(at.date)
    for close in reversed(list(closes)):
        at = session_before(at.date)
        bars.append(Bar(at.open.timestamp(), close - 1, close + 2, close - 2, close, 0.0, 0.0))
    return Bars(known_until, tuple(reversed(bars)))


def minutes(closes: Iterable[float], *, seconds: int = 60, volume: float = 10.0, known_until: float = NOW) -> Bars:
    """Return bars of the session from its open on, each from the close before to its own."""
    opened, bars, before = view().session.open.timestamp(), [], 0.0
    for at, close in enumerate(closes):
        before = before or close
        prices = before, max(before, close), min(before, close), close
        bars.append(Bar(opened + at * seconds, *prices, volume, (before + close) / 2))
        before = close
    return Bars(known_until, tuple(bars))


def having(**bars: Bars) -> View:
    """Return the view with these bars: `spx_86400`."""
    at = view()
    named = {(name.partition("_")[0].upper(), int(name.partition("_")[2])): found for name, found in bars.items()}
    at.facts = Facts(bars=named)
    return at


def unknown(reading: object) -> str:
    assert isinstance(reading, UnknownValue), reading
    return reading.reason


def word(at: View, measure: str, said: str, **arguments: Any) -> Evaluation:
    """Return what a comparison with a word comes to."""
    entry = VOCABULARY[measure]
    given = (
        {each.name: each.default for each in entry.parameters if each.default is not None} | {"of": "SPX"} | arguments
    )
    call = Call(measure, tuple(sorted(given.items())), Quantity.TEXT)
    return compile_test(Compare(Op.IS, call, (Text(said),)), CONTEXT)(at)


def test_averages_of_days() -> None:
    at = having(spx_86400=daily(float(each) for each in range(100, 300)))
    assert read(at, "sma", window=20) == sum(range(280, 300)) / 20
    assert read(at, "ema", window=20) == pytest.approx(299 - 9.5, abs=0.01)
    assert read(at, "rsi") == 100.0
    assert read(at, "adx") == pytest.approx(100.0)


def test_what_others_asked_for_changes_nothing() -> None:
    few = daily(5900.0 + (each * 37 % 101) for each in range(80))
    many = Bars(few.known_until, (*daily([1.0] * 300, skip=80).bars, *few.bars))
    for name in ("sma", "ema"):
        assert read(having(spx_86400=few), name, window=20) == read(having(spx_86400=many), name, window=20)


def test_too_few_bars_are_unknown() -> None:
    at = having(spx_86400=daily([5900.0] * 39), spx_300=minutes([5900.0] * 12, seconds=300))
    assert unknown(read(at, "ema", window=20)) == "SPX: 39 daily bars, 40 are needed"
    assert unknown(read(at, "sma", window=40)) == "SPX: 39 daily bars, 40 are needed"
    assert unknown(read(at, "adx")) == "SPX: 39 daily bars, 42 are needed"
    assert unknown(read(at, "rsi", bars=300)) == "SPX: 12 5m bars, 29 are needed"
    assert unknown(read(at, "sma", window=5, bars=60)) == "SPX: 1m bars are not known yet"


def test_days_must_end_yesterday() -> None:
    at = having(spx_86400=daily([5900.0] * 60, skip=1))
    assert unknown(read(at, "sma", window=5)) == "SPX: daily bars end on 2026-11-16"
    assert unknown(read(having(spx_86400=Bars(NOW, ())), "sma", window=5)) == "SPX: daily bars are missing"


def test_bars_within_the_session_may_be_half_a_minute_late() -> None:
    at = having(spx_300=minutes([5900.0 + each for each in range(11)], seconds=300, known_until=NOW - 300))
    at.now = NOW + 29.0
    assert read(at, "sma", window=5, bars=300) == 5908.0
    at.now = NOW + 31.0
    assert unknown(read(at, "sma", window=5, bars=300)) == "SPX: 5m bars are known until 10:25 only"


def test_bars_that_are_more_than_one_late_are_unknown_at_once() -> None:
    at = having(spx_300=minutes([5900.0 + each for each in range(11)], seconds=300, known_until=NOW - 301))
    at.now = NOW + 1.0
    assert unknown(read(at, "sma", window=5, bars=300)) == "SPX: 5m bars are known until 10:24 only"


def test_until_the_first_bar_of_a_session_has_ended_the_newest_is_that_of_the_session_before() -> None:
    before = session_before(view().session.date)
    opened, closed = view().session.open.timestamp(), before.close.timestamp()
    bars = tuple(Bar(closed - 1800 * (10 - each), *[float(each)] * 6) for each in range(10))
    for known_until in (closed, opened - 1800, opened):
        at = having(spx_1800=Bars(known_until, bars))
        for seconds in (-600.0, 0.0, 31.0, 1799.0, 1829.0):
            at.now = opened + seconds
            assert read(at, "sma", window=5, bars=1800) == 7.0
        at.now = opened + 1831.0
        assert isinstance(read(at, "sma", window=5, bars=1800), UnknownValue)
    at = having(spx_1800=Bars(closed - 1.0, bars))
    at.now = opened + 1.0
    assert unknown(read(at, "sma", window=5, bars=1800)) == "SPX: 30m bars are known until 15:59 only"


def test_the_end_of_the_newest_finished_bar() -> None:
    session = view().session
    opened, closed = session.open.timestamp(), session.close.timestamp()
    assert last_end(session, 300, opened - 60) == opened
    assert last_end(session, 300, opened + 299.9) == opened
    assert last_end(session, 300, opened + 300) == opened + 300
    assert last_end(session, 1800, closed + 999) == closed


def test_vwap_of_an_index_weighs_its_minutes_with_the_etf() -> None:
    spx, spy = minutes([6000.0, 6010.0, 6020.0]), minutes([600.0, 601.0, 602.0])
    traded = Bars(NOW, tuple(bar._replace(volume=each) for bar, each in zip(spy.bars, (1.0, 0.0, 3.0), strict=True)))
    at = having(spx_60=spx, spy_60=traded)
    assert read(at, "vwap") == pytest.approx((6000.0 + 3 * 6015.0) / 4)
    assert read(at, "vwap", of="SPY") == pytest.approx((600.0 + 3 * 601.5) / 4)


def test_vwap_without_an_average_takes_the_typical_price_and_leaves_yesterday_out() -> None:
    bars = minutes([6000.0, 6009.0]).bars
    old = bars[0]._replace(at=bars[0].at - 86400, average=1.0)
    plain = tuple(bar._replace(average=0.0) for bar in bars)
    at = having(spx_60=Bars(NOW, (old, *plain)), spy_60=Bars(NOW, (old, *plain)))
    assert read(at, "vwap") == pytest.approx((6000.0 + 6006.0) / 2)


def test_a_measure_is_made_again_when_one_of_its_series_has_grown() -> None:
    at = having(spx_60=minutes([6000.0]), spy_60=minutes([600.0] * 2))
    vwap = reader_of(Call("vwap", (("of", "SPX"),), Quantity.POINTS), CONTEXT)
    assert [vwap(at), vwap(at)] == [6000.0, 6000.0]
    grown = having(spx_60=minutes([6000.0, 6010.0]))
    at.facts = Facts(bars={**at.facts.bars, **grown.facts.bars})
    assert vwap(at) == 6002.5


def test_vwap_of_nothing_is_unknown() -> None:
    at = having(spx_60=minutes([6000.0]), spy_60=minutes([]))
    assert unknown(read(at, "vwap")) == "SPY: nothing was traded in the session yet"
    assert unknown(read(having(spx_60=minutes([6000.0])), "vwap")) == "SPY: 1m bars are not known yet"


def test_vwap_of_minutes_that_are_made_of_levels_says_that_they_have_no_volume() -> None:
    at = having(spx_60=minutes([6000.0]), spy_60=minutes([600.0], volume=0.0))
    assert unknown(read(at, "vwap")) == "SPY: the minutes of the session have no volume"


def test_breadth_is_the_part_of_symbols_above_their_own_average() -> None:
    rising, falling = [float(each) for each in range(100, 160)], [float(each) for each in range(160, 100, -1)]
    at = having(aapl_86400=daily(rising), msft_86400=daily(falling), nvda_86400=daily(rising))
    assert read(at, "breadth", of=("AAPL", "MSFT", "NVDA")) == pytest.approx(2 / 3)
    assert read(at, "breadth", of=("MSFT",), window=10) == 0.0
    flat = having(aapl_86400=daily([50.0] * 60))
    assert read(flat, "breadth", of=("AAPL",)) == 0.0


def test_breadth_is_unknown_while_one_symbol_is() -> None:
    at = having(aapl_86400=daily([50.0] * 60), msft_86400=daily([50.0] * 49))
    assert unknown(read(at, "breadth", of=("AAPL", "MSFT"))) == "MSFT: 49 daily bars, 50 are needed"
    assert unknown(read(at, "breadth", of=("AAPL", "NVDA"))) == "NVDA: daily bars are not known yet"


UP = [5000.0 + 10 * each for each in range(200)]
ZIGZAG = [6000.0 + 10 * (each % 2) for each in range(200)]


@pytest.mark.parametrize(("closes", "way"), [(UP, "up"), (UP[::-1], "down"), (ZIGZAG, "neutral")])
@pytest.mark.parametrize("average", ["ema", "sma"])
def test_trend_has_one_word_at_a_time(closes: list[float], way: str, average: str) -> None:
    at = having(spx_86400=daily(closes))
    said = {each: word(at, "trend", each, average=average).truth for each in ("up", "down", "neutral")}
    assert said == {each: each == way for each in said}


def test_trend_says_what_it_is_made_of_and_is_neutral_below_its_strength() -> None:
    at = having(spx_86400=daily(UP))
    assert word(at, "trend", "up").detail.startswith("up: ema 20 68")
    assert word(at, "trend", "up").detail.endswith("adx 100.0")
    assert word(at, "trend", "neutral", strength=101).truth is True
    few = having(spx_86400=daily(UP[:60]))
    assert word(few, "trend", "up") == Evaluation(None, missing="SPX: 60 daily bars, 100 are needed")
    assert word(having(spx_86400=daily(UP[:100])), "trend", "up").truth is True


def test_opening_range_forms_and_then_says_where_spot_is() -> None:
    bars = minutes([5990.0] + [6000.0 + each for each in range(29)] + [6100.0])
    at = having(spx_60=bars)
    truths = {
        each: word(at, "opening_range", each, first=1800.0).truth for each in ("formed", "above", "below", "inside")
    }
    assert truths == {"formed": True, "above": False, "below": False, "inside": True}
    level(at.board, "SPX", 6028.5)
    at.memo.clear()
    found = word(at, "opening_range", "above", first=1800.0)
    assert (found.truth, found.detail) == (True, "above: 6028.50, range 5990.00 to 6028.00")
    level(at.board, "SPX", 5989.0)
    at.memo.clear()
    assert word(at, "opening_range", "below", first=1800.0).truth is True


def test_opening_range_before_its_end_and_without_its_minutes() -> None:
    at = having(spx_60=minutes([6000.0] * 60))
    assert word(at, "opening_range", "formed", first=7200.0).truth is False
    early = word(at, "opening_range", "above", first=7200.0)
    assert early == Evaluation(None, missing="SPX: the opening range forms until 11:30")
    late = having(spx_60=minutes([6000.0] * 29, known_until=NOW - 1801))
    late.now = NOW - 1799
    assert word(late, "opening_range", "formed", first=1800.0).missing == (
        "SPX: the last minute of the opening range is not known yet"
    )
    assert word(having(spx_60=Bars(NOW, ())), "opening_range", "above", first=1800.0).missing == (
        "SPX: nothing was traded in the opening range"
    )
    without_data = having(spx_60=minutes([6000.0] * 60))
    level(without_data.board, "SPX", float("nan"))
    assert word(without_data, "opening_range", "above", first=1800.0).missing == "SPX: no price"

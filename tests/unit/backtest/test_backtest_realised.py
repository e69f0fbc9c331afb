"""Realised volatility in past sessions: from bars that the sessions before really had, and never from what is none."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from math import fsum, log, nan, sqrt
from pathlib import Path
from statistics import variance

import pytest
from past_days import PastDays
from test_backtest_walk import CONDOR, FIRST, LAST, desk_of, walk

from rulebot.adapters.history.session import DailyBar, HistoryDay
from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.historical_feed import KEPT, HistoryFeed
from rulebot.backtest.look_ahead import check_look_ahead, is_independent
from rulebot.model.event import BarsReport, Event
from rulebot.model.market import Board
from rulebot.model.session import session_after, session_on
from rulebot.record.record import Kind, Record
from rulebot.sweep.vectorized.eligibility import unsuited

EARLIER = date(2026, 7, 1)
ALL = ("parkinson", "yang_zhang", "intraday")


def past(**given: object) -> PastDays:
    return replace(PastDays(first=EARLIER, every=5, strikes=25), **given)


def bot(*estimators: str, window: int = 5) -> str:
    """Return a condor that enters whatever realised volatility is, once it is known."""
    rules = "".join(
        f"    - {{name: {each}, rv: {{estimator: {each}, window: {window}, above: 0.01%}}}}\n" for each in estimators
    )
    return CONDOR.replace("    - vix: {between: [10, 30]}\n", rules)


def simulated(folder: Path, source: PastDays, text: str, first: date = FIRST, last: date = FIRST) -> list[Record]:
    return [record for done in walk(desk_of(folder, text), source).through(first, last) for record in done.records]


def said(found: Sequence[Record], rule: str) -> Record:
    """Return the first that a rule said."""
    return next(each for each in found if each.kind is Kind.VERDICT and each.data["rule"] == rule)


def annual(a_day: float) -> float:
    return sqrt(a_day * 252.0) * 100.0


def test_every_estimator_is_of_the_bars_of_the_sessions_before(tmp_path: Path) -> None:
    source = past()
    found = simulated(tmp_path, source, bot(*ALL))
    days = source.daily("SPX", FIRST, 6)
    assert said(found, "parkinson").data["value"] == pytest.approx(
        annual(fsum(log(bar.high / bar.low) ** 2 for bar in days[1:]) / 5 / (4 * log(2))), abs=1e-4
    )
    o = [log(bar.open / before.close) for before, bar in itertools.pairwise(days)]
    c = [log(bar.close / bar.open) for bar in days[1:]]
    u, d = ([log(getattr(bar, name) / bar.open) for bar in days[1:]] for name in ("high", "low"))
    rs = fsum(a * (a - z) + b * (b - z) for a, b, z in zip(u, d, c, strict=True)) / 5
    k = 0.34 / (1.34 + 6 / 4)
    expected = annual(variance(o) + k * variance(c) + (1 - k) * rs)
    assert said(found, "yang_zhang").data["value"] == pytest.approx(expected, abs=1e-4)
    levels = [source.day(bar.date).levels["SPX"] for bar in days]  # each fifth minute, the close among them
    total = 0.0
    for before, own in itertools.pairwise(levels):
        assert len(own) == 79
        total += log(own[0] / before[-1]) ** 2 + fsum(log(b / a) ** 2 for a, b in itertools.pairwise(own))
    assert said(found, "intraday").data["value"] == pytest.approx(annual(total / 5), abs=1e-4)


def test_bars_of_finished_sessions_are_reported_once_a_session(tmp_path: Path) -> None:
    engine, received = walk(desk_of(tmp_path, bot("intraday")), past()), list[Event]()
    receive = engine._receive
    engine._receive = lambda event: (received.append(event), receive(event))[1]  # type: ignore[method-assign, func-returns-value]
    list(engine.through(FIRST, date(2026, 9, 2)))
    reported = [each for each in received if isinstance(each, BarsReport)]
    assert [(each.symbol, each.seconds, each.at.date()) for each in reported] == [
        ("SPX", 300, FIRST),
        ("SPX", 300, date(2026, 9, 2)),
    ]
    assert all(each.bars.bars[-1].at < session_on(each.at.date()).open.timestamp() for each in reported)


def test_nothing_looks_ahead(tmp_path: Path) -> None:
    desk, source = desk_of(tmp_path, bot(*ALL)), past()
    found = check_look_ahead(lambda each: walk(desk, each), source, FIRST, date(2026, 9, 3))
    assert found.leaks == ()
    assert is_independent(desk.program("t", {}, 90))


def test_sessions_before_the_data_are_too_few(tmp_path: Path) -> None:
    found = simulated(tmp_path, past(first=FIRST), bot("intraday"), last=LAST)
    assert "5m bars of 0 sessions, 5 are needed and the close before them" in str(said(found, "intraday").data)
    known = [each for each in found if each.kind is Kind.VERDICT and each.data["truth"] is True]
    assert known[0].at.date() == LAST  # the seventh session


def test_instants_too_far_apart_make_no_bars_of_five_minutes(tmp_path: Path) -> None:
    found = simulated(tmp_path, past(every=15), bot("intraday"))
    assert "is missing" in str(said(found, "intraday").data)


class Flawed(PastDays):
    """One of the daily bars is not what it should be."""

    flaw: str = ""

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        found = list(super().daily(symbol, before, count))
        for place, bar in enumerate(found):
            if bar.date == date(2026, 8, 27) and symbol == "SPX":
                found[place] = {
                    "no open": replace(bar, open=nan),
                    "close alone": DailyBar(bar.date, bar.close, bar.close, bar.close, bar.close),
                }.get(self.flaw, bar)
        return [bar for bar in found if self.flaw != "none" or bar.date != date(2026, 8, 27)]


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        ("no open", "SPX: the daily bar of 2026-08-27 has no price as its open"),
        ("close alone", "and no range"),
        ("none", "SPX: the daily bar of 2026-08-27 is missing"),
    ],
)
@pytest.mark.parametrize("estimator", ["parkinson", "yang_zhang"])
def test_no_number_is_made_of_a_bar_that_is_none(estimator: str, flaw: str, words: str, tmp_path: Path) -> None:
    source = Flawed(first=EARLIER, every=5, strikes=25)
    source.flaw = flaw
    assert words in str(said(simulated(tmp_path, source, bot(estimator)), estimator).data)


def test_no_session_is_left_out_of_a_volatility_of_closes(tmp_path: Path) -> None:
    """Of five sessions before 1 September one has no close: what moved over it is of two days."""
    source = Flawed(first=EARLIER, every=5, strikes=25)
    source.flaw = "none"
    found = simulated(tmp_path, source, bot("close_to_close"))
    assert "SPX: 2 daily closes in a row, 6 are needed" in str(said(found, "close_to_close").data)


class Split(PastDays):
    """Shares were split between 26 and 27 August."""

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        return since < date(2026, 8, 27) <= until


def test_bars_within_sessions_before_a_split_are_not_read_after_it(tmp_path: Path) -> None:
    source = Split(first=EARLIER, every=5, strikes=25, symbol="SPY", trading_class="SPY")
    text = bot("intraday").replace("SPXW", "SPY").replace("SPX", "SPY")
    found = simulated(tmp_path, source, text)
    assert "5m bars of 3 sessions, 5 are needed" in str(said(found, "intraday").data)
    on_its_day = simulated(tmp_path, source, text, date(2026, 8, 27), date(2026, 8, 27))
    assert said(on_its_day, "intraday").data["truth"] is True  # all that is read is from before it


def test_sessions_that_are_read_again_and_again_are_kept() -> None:
    """Those of the day before the first used to be let go first, whatever came after them."""
    source = past(first=date(2026, 3, 2))
    feed, day = HistoryFeed(source, Board()), FIRST
    read = list[date]()
    whole = source.day
    source.day = lambda each: (read.append(each), whole(each))[1]  # type: ignore[method-assign]
    for _ in range(3):
        session = session_on(day)
        assert session is not None
        feed.begin(source.day(day), session)
        assert len(feed.bars_until("SPX", 300, 78 * 41 + 1, session.open.timestamp()).bars) == 78 * 41 + 1
        day = session_after(day).date
    assert len(read) == len(set(read)) == 45
    assert len(feed._past) <= KEPT


def test_more_sessions_than_are_kept_are_read_all_the_same() -> None:
    source, session = past(first=date(2026, 1, 2)), session_on(FIRST)
    assert session is not None
    feed = HistoryFeed(source, Board())
    feed.begin(source.day(FIRST), session)
    assert len(feed.bars_until("SPX", 1800, 13 * (KEPT + 10), session.open.timestamp()).bars) == 13 * (KEPT + 10)


@pytest.mark.parametrize("estimator", ALL)
def test_sweeps_by_arrays_leave_these_to_turns(estimator: str, tmp_path: Path) -> None:
    for text in (
        bot(estimator),
        bot(estimator).replace(
            f"rv: {{estimator: {estimator}, window: 5, above: 0.01%}}",
            f"iv_over_rv: {{estimator: {estimator}, above: 0.1}}",
        ),
    ):
        program = desk_of(tmp_path, text).program("t", {}, 90)
        assert "it reads bars" in unsuited(program, fill_model("mid"))


# ---------------------------------------------------------------- bars that were recorded


def told_once(count: int, day: HistoryDay) -> HistoryDay:
    """Return a day as a recording has it that was told bars of finished sessions before its open."""
    source, session = past(), session_on(day.date)
    feed = HistoryFeed(source, Board())
    feed.begin(source.day(day.date), session)
    at = session.open.timestamp() - 30.0
    bars = feed.bars_until("SPX", 300, count, at)
    return replace(day, bars={("SPX", 300): ((at, replace(bars, known_until=at)),)})


@pytest.mark.parametrize(("count", "findings"), [(78 * 6 + 1, 0), (78 * 5 + 1, 0), (78 * 4, 1)])
def test_bars_that_a_broker_reported_are_read_and_what_is_missing_is_reported(
    count: int, findings: int, tmp_path: Path
) -> None:
    desk = desk_of(tmp_path, bot("intraday"))
    (done,) = walk(desk, past(change=partial(told_once, count))).through(FIRST, FIRST)
    assert len(done.findings) == findings
    assert (said(done.records, "intraday").data["truth"] is True) is (findings == 0)
    if findings:
        assert "of 391 5m bars of SPX of earlier sessions 312 are recorded" in done.findings[0].text

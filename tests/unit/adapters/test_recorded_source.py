"""A recording as a past session: each instant holds what was known then, and holes are told."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import inf, isnan, nan
from pathlib import Path
from random import Random

import pytest

from rulebot.adapters.recorded.recorder import Recorder
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.backtest.historical_feed import settlement
from rulebot.backtest.historical_market import DayMarket
from rulebot.model.contract import Contract, Option, Right, Underlying
from rulebot.model.errors import StoreError
from rulebot.model.event import (
    BarsReport,
    ClockSkew,
    ClosesReport,
    Disconnected,
    ImpliedReport,
    ListingReport,
    MarketDataUpdated,
    OpeningMoveReport,
)
from rulebot.model.facts import Bar, Bars, Listing
from rulebot.model.market import Board, level_of, quote_problem
from rulebot.model.session import session_from
from rulebot.record.codec import line
from rulebot.record.record import Json, Kind, Record
from tests.tape_file import rewrite

OPEN = datetime(2026, 10, 21, 13, 30, tzinfo=UTC)
DAY = date(2026, 10, 21)
SPX = Underlying("SPX")
PUT = Option("SPX", "SPXW", DAY, Decimal(5900), Right.PUT)


class Run:
    """A run that records what a test says it saw."""

    def __init__(self, folder: Path, name: str, **head: Json) -> None:
        self.board = Board()
        self.recorder = Recorder(folder / name, head, self.board, pytest.fail)

    def receives(self, **values: float) -> None:
        """Let the broker tell something of all options on SPX, which the next instant brings."""
        row = self.board.add(SPX)
        for name, value in values.items():
            getattr(self.board, name)[row] = value

    def sees(self, seconds: float, **values: float) -> None:
        at = OPEN + timedelta(seconds=seconds)
        rows = []
        for name, value in values.items():
            contract: Contract = SPX if name == "spx" else PUT
            row = self.board.add(contract)
            column = self.board.last if name == "spx" else self.board.bid
            column[row] = value
            self.board.last_at[row] = self.board.quote_at[row] = self.board.alive_at = at.timestamp()
            self.board.unread.add(row)
            rows.append(row)
        self.recorder.took(MarketDataUpdated(at, tuple(rows)), (), changed=True)


def market_of(folder: Path) -> DayMarket:
    """Return the recorded day as a market in which SPX and the put are streamed."""
    board = Board()
    board.hold((SPX, PUT))
    return DayMarket(RecordingSource(folder).day(DAY), session_from(DAY), board, {})


def test_each_instant_holds_what_was_known_then(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.sees(0, spx=5900.0)
    run.sees(2, spx=5901.0, put=1.05)
    run.sees(6, spx=5902.0)
    run.board.drop(PUT)
    run.sees(12, spx=5903.0)
    run.recorder.close()
    day = RecordingSource(tmp_path).day(DAY)
    seconds = [at - OPEN.timestamp() for at in day.times]
    assert seconds == [0.0, 2.0, 6.0, 12.0]
    assert day.levels["SPX"].tolist() == [5900.0, 5901.0, 5902.0, 5903.0]
    assert day.options == (PUT,)
    assert [None if isnan(bid) else bid for bid in day.bid[:, 0]] == [None, 1.05, 1.05, None]


def test_an_option_is_missing_from_the_instant_on_that_comes_after_it_was_given_up(tmp_path: Path) -> None:
    """A bot that looks at full instants finds its strikes seconds later than the one that ran, by the same quotes."""
    run = Run(tmp_path, "a")
    run.sees(0, spx=5900.0)
    run.sees(5, spx=5901.0, put=1.05)
    run.board.drop(PUT)
    run.sees(7, spx=5902.0)
    run.sees(12, spx=5903.0)
    run.recorder.close()
    day = RecordingSource(tmp_path).day(DAY)
    assert [at - OPEN.timestamp() for at in day.times] == [0.0, 5.0, 7.0, 12.0]
    assert [None if isnan(bid) else bid for bid in day.bid[:, 0]] == [None, 1.05, 1.05, None]


def test_many_options_that_come_and_go_stand_as_when_each_is_followed_alone(tmp_path: Path) -> None:
    """Over two runs, the second of which begins within the first."""
    chance, stands, expected = Random(7), dict[Contract, float](), dict[int, dict[Contract, float]]()
    every = [replace(PUT, strike=Decimal(5000 + 5 * place)) for place in range(150)]
    for name, begin in (("a", 1), ("b", 300)):
        run, at, gone = Run(tmp_path, name), begin, set[Contract]()
        expected, stands = {then: each for then, each in expected.items() if then < begin}, {}
        for step in range(120):
            before, at = at, at + chance.choice((1, 2, 4, 7)) * min(step, 1)
            if -(-at // 5) > -(-before // 5):
                expected[before] = stands
                stands, gone = {each: bid for each, bid in stands.items() if each not in gone}, set()
            if step % 6 == 0:
                streamed = chance.sample(every, 5 + step // 2)
                gone |= stands.keys() - {*streamed}
                run.board.hold([SPX, *streamed])
                if at - before > 5:
                    stands, gone = {each: bid for each, bid in stands.items() if each not in gone}, set()
            for option in chance.sample(streamed, 4):
                row, stands = run.board.rows[option], stands | {option: chance.randrange(1, 500) / 20}
                run.board.bid[row], run.board.quote_at[row] = stands[option], OPEN.timestamp() + at
                run.board.unread.add(row)
                gone.discard(option)
            run.sees(at, spx=5900.0 + step)
        expected[at] = stands
        run.recorder.close()
    day = RecordingSource(tmp_path).day(DAY)
    assert [round(each - OPEN.timestamp()) for each in day.times] == [*expected]
    assert len(day.options) > 100
    for bids, known in zip(day.bid, expected.values(), strict=True):
        assert {option: bid for option, bid in zip(day.options, bids.tolist(), strict=True) if bid == bid} == known


def test_what_the_broker_reported_of_all_options_is_what_stands_on_the_board(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.sees(0, spx=5900.0, put=1.05)
    run.receives(iv=0.138, model_at=OPEN.timestamp() + 4, call_volume=200.0, put_volume=150.0)
    run.sees(6, spx=5902.0)
    run.recorder.close()
    day = RecordingSource(tmp_path).day(DAY)
    board = Board()
    board.hold((SPX, Underlying("VIX")))
    day = replace(day, levels={**day.levels, "VIX": day.levels["SPX"] / 350.0})
    market = DayMarket(day, session_from(DAY), board, {})
    row = board.rows[SPX]
    market.write(0)
    assert isnan(board.iv[row]), "the VIX is another index than what the broker's past closes are of"
    assert isnan(board.put_volume[row]), "what was streamed is not all that was traded"
    market.write(1)
    assert (board.iv[row], board.model_at[row]) == (0.138, OPEN.timestamp() + 4)
    assert (board.call_volume[row], board.put_volume[row]) == (200.0, 150.0)


def test_holes_are_reported_and_not_bridged(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.sees(0, spx=5900.0)
    run.sees(300, spx=5901.0)
    run.recorder.close()
    found = RecordingSource(tmp_path).day(DAY)
    assert [finding.text for finding in found.findings] == [
        "nothing is recorded from 09:30:00 to 09:35:00",
        "nothing is recorded from 09:35:00 to 16:00:00",
    ]


def test_of_two_runs_the_later_one_counts_from_its_beginning(tmp_path: Path) -> None:
    for name, moments in (("1", (0, 10, 20, 30)), ("2", (20, 40))):
        run = Run(tmp_path, name)
        for moment in moments:
            run.sees(moment, spx=1000.0 * int(name) + moment)
        run.recorder.close()
    assert RecordingSource(tmp_path).day(DAY).levels["SPX"].tolist() == [1000.0, 1010.0, 2020.0, 2040.0]


def test_the_past_is_what_the_broker_reported_of_it(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.sees(0, spx=5900.0)
    before = datetime(2026, 10, 20, 13, 30, tzinfo=UTC).timestamp()
    run.recorder.took(ClosesReport(OPEN, "VIX", (15.0, 16.0)), (), changed=True)
    bar = Bar(before, 1.0, 3.0, 0.5, 2.0, 0.0, 0.0)
    run.recorder.took(BarsReport(OPEN, "SPX", 86400, Bars(OPEN.timestamp(), (bar,))), (), changed=True)
    run.recorder.took(ImpliedReport(OPEN, "SPX", (0.1, 0.2, 0.3)), (), changed=True)
    run.recorder.close()
    source = RecordingSource(tmp_path)
    vix = source.daily("VIX", DAY, 5)
    assert [(bar.date.day, bar.close) for bar in vix] == [(19, 15.0), (20, 16.0)]
    (spx,) = source.daily("SPX", DAY, 5)
    assert (spx.date, spx.high, spx.close) == (date(2026, 10, 20), 3.0, 2.0)
    assert source.implied("SPX", DAY, 2) == (0.2, 0.3)
    assert source.daily("QQQ", DAY, 5) == []


def test_a_day_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nothing is recorded of 2026-10-21"):
        RecordingSource(tmp_path).day(DAY)


def test_bars_within_the_session_are_those_that_the_broker_reported_when_it_reported_them(tmp_path: Path) -> None:
    reported = []
    for name, moments in (("1", (0, 70, 130)), ("2", (100, 190))):
        run = Run(tmp_path, name)
        for moment in moments:
            run.sees(moment, spx=5900.0)
            bars = Bars(OPEN.timestamp() + moment, (Bar(OPEN.timestamp(), 1.0, 3.0, 0.5, 2.0, float(name), 1.5),))
            run.recorder.took(BarsReport(OPEN + timedelta(seconds=moment), "SPY", 60, bars), (), changed=True)
            reported.append((OPEN.timestamp() + moment, bars))
        run.recorder.close()
    found = RecordingSource(tmp_path).day(DAY).bars
    assert found is not None
    assert found["SPY", 60] == (reported[0], reported[1], reported[3], reported[4]), (
        "what a later run was told counts from then on"
    )


def test_open_high_and_low_are_those_that_the_broker_reported(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.receives(open=5950.0, high=5960.0, low=5890.0)
    run.sees(3600, spx=5900.0)
    run.recorder.close()
    board = Board()
    board.hold((SPX,))
    market = DayMarket(RecordingSource(tmp_path).day(DAY), session_from(DAY), board, {})
    market.write(0)
    row = board.rows[SPX]
    assert (board.open[row], board.high[row], board.low[row]) == (5950.0, 5960.0, 5890.0)


def test_closes_reach_further_back_than_the_daily_bars_and_do_not_stand_for_them(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.sees(0, spx=5900.0)
    before = datetime(2026, 10, 20, 13, 30, tzinfo=UTC).timestamp()
    run.recorder.took(ClosesReport(OPEN, "SPX", (1.0, 1.5, 2.0)), (), changed=True)
    bars = Bars(OPEN.timestamp(), (Bar(before, 1.0, 3.0, 0.5, 2.0, 0.0, 0.0),))
    run.recorder.took(BarsReport(OPEN, "SPX", 86400, bars), (), changed=True)
    run.recorder.close()
    found = RecordingSource(tmp_path).daily("SPX", DAY, 3)
    assert [(bar.date.day, bar.low, bar.high, bar.close) for bar in found] == [
        (16, 1.0, 1.0, 1.0),
        (19, 1.5, 1.5, 1.5),
        (20, 0.5, 3.0, 2.0),
    ]


def test_what_is_listed_is_what_the_broker_reported_be_it_streamed_or_not(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.sees(0, spx=5900.0, put=1.05)
    later, both = date(2026, 10, 22), (DAY, date(2026, 10, 22))
    for strikes in ({DAY: (Decimal(5895), Decimal(5900))}, {later: (Decimal(5800),)}):
        run.recorder.took(ListingReport(OPEN, Listing("SPX", "SPXW", both, strikes)), (), changed=True)
    run.recorder.close()
    reported = {DAY: (Decimal(5895), Decimal(5900)), later: (Decimal(5800),)}
    assert RecordingSource(tmp_path).day(DAY).listings == {("SPX", "SPXW"): Listing("SPX", "SPXW", both, reported)}


def test_a_level_that_has_grown_old_is_none_though_options_continue(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.sees(0, spx=5900.0, put=1.05)
    for seconds in (20, 40, 60):
        run.sees(seconds, put=1.05)
    run.sees(80, spx=5950.0)
    run.recorder.close()
    levels = RecordingSource(tmp_path).day(DAY).levels["SPX"].tolist()
    assert [None if isnan(level) else level for level in levels] == [5900.0, 5900.0, None, None, 5950.0]


def test_a_level_grows_old_on_the_board_of_a_backtest_when_it_did_then(tmp_path: Path) -> None:
    """It was fresh for as long again: rules went by a level that was stale to them live."""
    run, live = Run(tmp_path, "a"), dict[float, float | None]()
    for seconds in range(0, 120, 5):
        run.sees(seconds, put=1.0 + seconds / 100, **({"spx": 5900.0 + seconds} if seconds in (0, 5, 90) else {}))
        live[seconds] = level_of(run.board, "SPX", OPEN.timestamp() + seconds)
    run.recorder.close()
    market, found = market_of(tmp_path), dict[float, float | None]()
    board, day = market.board, market.day
    for place, at in enumerate(day.times.tolist()):
        market.write(place)
        market.breathe(at)
        found[round(at - OPEN.timestamp())] = level_of(board, "SPX", at)
    assert found == live
    assert (live[35], live[40], live[90]) == (5905.0, None, 5990.0)


def test_a_quote_grows_old_though_other_lines_are_asked_for(tmp_path: Path) -> None:
    """With each change of lines all quotes were new: one that nobody had changed for ten minutes was not stale."""
    run, other = Run(tmp_path, "a"), replace(PUT, strike=Decimal(5800))
    row = run.board.add(other)
    run.board.bid[row], run.board.ask[row], run.board.ask[run.board.add(PUT)] = 0.5, 0.6, 1.1
    run.board.quote_at[row] = OPEN.timestamp()
    run.sees(0, spx=5900.0, put=1.0)
    for seconds in range(0, 600, 5):
        run.board.unread.add(row)
        run.sees(seconds, spx=5900.0 + seconds)
    run.recorder.close()
    market = market_of(tmp_path)
    board, day = market.board, market.day
    for place, at in enumerate(day.times.tolist()):
        market.write(place)
        if at - OPEN.timestamp() == 400:
            market.watch((SPX, PUT, other))
            market.refresh()
            assert not quote_problem(board, board.rows[other], at)
    assert quote_problem(board, board.rows[PUT], day.times[-1]).startswith("stale for")


def test_after_a_hole_all_that_is_quoted_is_reported_again(tmp_path: Path) -> None:
    """The connection was made anew: what stood as it had been was stale until it moved."""
    run = Run(tmp_path, "a")
    run.board.ask[run.board.add(PUT)] = 1.1
    for seconds in (0, 5, 10, 605, 610):
        run.sees(seconds, spx=5900.0 + seconds, **({"put": 1.0} if seconds in (0, 605) else {}))
    run.recorder.close()
    market = market_of(tmp_path)
    board, day = market.board, market.day
    for place, at in enumerate(day.times.tolist()):
        market.write(place)
        assert not quote_problem(board, board.rows[PUT], at)


def test_data_that_was_not_live_is_none(tmp_path: Path) -> None:
    """That a line turned delayed is written by itself: no value of it need have changed."""
    run = Run(tmp_path, "a")
    run.sees(0, spx=5900.0, put=1.05)
    run.board.frozen.add(run.board.rows[PUT])
    run.sees(10, spx=5901.0)
    run.board.frozen.clear()
    run.sees(20, spx=5902.0)
    run.recorder.close()
    bids = RecordingSource(tmp_path).day(DAY).bid[:, 0].tolist()
    assert [None if isnan(bid) else bid for bid in bids] == [1.05, None, 1.05]


def test_a_hole_is_reported_of_the_recording_that_was_the_last_before_it(tmp_path: Path) -> None:
    for name, seconds in (("a", 0), ("b", 300)):
        run = Run(tmp_path, name)
        run.sees(seconds, spx=5900.0)
        run.recorder.close()
    found = [(Path(each.file).parent.name, each.text[-8:]) for each in RecordingSource(tmp_path).day(DAY).findings]
    assert found == [("a", "09:35:00"), ("b", "16:00:00")]


def test_a_clock_that_was_set_back_is_reported_and_its_times_rise(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    for level, seconds in enumerate((0, 10, 3610, 3620, 20, 30)):
        run.sees(seconds, spx=float(level))
    run.recorder.close()
    day = RecordingSource(tmp_path).day(DAY)
    assert [at - OPEN.timestamp() for at in day.times] == [0.0, 10.0, 20.0, 30.0]
    assert day.levels["SPX"].tolist() == [0.0, 1.0, 4.0, 5.0]
    text = "the clock went back from 10:30:20 to 09:30:20: what was recorded from then on counts"
    assert [each.text for each in day.findings] == [
        f"{text}, in place of what was there for these times",
        "nothing is recorded from 09:30:30 to 16:00:00",
    ]


def test_a_gap_is_reported_with_why_the_connection_was_given_up(tmp_path: Path) -> None:
    """A clock that is set forward leaves a gap in which nothing is missing; the engine reads everything again then."""
    run, jumped = Run(tmp_path, "a"), "the computer slept, or its clock was set forward: 600 s are missing"
    run.sees(0, spx=5900.0)
    run.recorder.took(Disconnected(OPEN + timedelta(seconds=601), jumped), (), changed=True)
    run.sees(602, spx=5900.0)
    run.sees(900, spx=5900.0)
    run.recorder.took(
        Disconnected(OPEN + timedelta(seconds=904), "the gateway closed the connection"), (), changed=True
    )
    run.recorder.close()
    assert [each.text for each in RecordingSource(tmp_path).day(DAY).findings] == [
        f"nothing is recorded from 09:30:00 to 09:40:02: {jumped}",
        "nothing is recorded from 09:40:02 to 09:45:00",
        "nothing is recorded from 09:45:00 to 16:00:00: the gateway closed the connection",
    ]


def test_that_the_broker_did_not_report_its_time_is_reported(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.sees(0, spx=5900.0)
    for seconds, is_known in ((-600.0, True), (-600.0, False), (0.0, True)):
        run.recorder.took(ClockSkew(OPEN, seconds, is_known=is_known), (), changed=True)
    run.recorder.close()
    assert [each.text for each in RecordingSource(tmp_path).day(DAY).findings][:2] == [
        "at 09:30:00 the broker did not report its time: times are this engine's own",
        "at 09:30:00 the broker reported its time again",
    ]


def test_the_opens_expected_move_is_that_which_the_engine_measured(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.sees(0, spx=5900.0)
    at, reported = (
        OPEN + timedelta(seconds=1),
        {"symbol": "SPX", "what": "opening_move", "value": 32.1, "expiry": str(DAY)},
    )
    run.recorder.took(MarketDataUpdated(at), (Record(at, Kind.FACTS, "put_lite", data=reported),), changed=True)
    run.recorder.close()
    assert RecordingSource(tmp_path).day(DAY).moves == (OpeningMoveReport(at, "SPX", DAY, 32.1),)


def test_in_what_trading_was_halted_is_known_while_it_was(tmp_path: Path) -> None:
    for name, start in (("1", 0), ("2", 100)):
        run = Run(tmp_path, name)
        run.sees(start, spx=5900.0, put=1.05)
        run.board.halted.add(run.board.rows[SPX])
        run.sees(start + 20, spx=5900.0)
        run.sees(start + 40, spx=5900.0)
        run.board.halted.clear()
        run.sees(start + 90, spx=5901.0)
        run.sees(start + 120, spx=5902.0)
        run.recorder.close()
    opened, halted = OPEN.timestamp(), frozenset((SPX,))
    day = RecordingSource(tmp_path).day(DAY)
    assert day.halts == tuple((opened + at, halted if at in (20, 120) else frozenset()) for at in (20, 90, 120, 190))
    board = Board()
    board.hold((SPX, PUT))
    market = DayMarket(day, session_from(DAY), board, {})
    seen = []
    for place in range(len(day.times)):
        market.write(place)
        seen.append(set(board.halted))
    assert seen == [{board.rows[SPX]} if at - opened in (20, 40, 120, 140) else set() for at in day.times]
    market.forget()
    assert not board.halted


def test_a_run_that_began_in_mid_session_knew_the_opens_expected_move_from_its_store(tmp_path: Path) -> None:
    yesterday, early = OPEN - timedelta(days=1), OPEN + timedelta(seconds=1)
    data = {"symbol": "SPX", "what": "opening_move", "value": 32.1, "expiry": str(DAY)}
    recalled = [line(Record(at, Kind.FACTS, "put_lite", data=data)) for at in (yesterday, early)]
    for name in ("1", "2"):
        run = Run(tmp_path, name, records=recalled)
        run.sees(3600 * int(name), spx=5900.0)
        run.recorder.close()
    assert RecordingSource(tmp_path).day(DAY).moves == (OpeningMoveReport(early, "SPX", DAY, 32.1),)


def days_of(folder: Path, reported: Mapping[int, tuple[float, float]]) -> RecordingSource:
    """Return recordings of days, by their number: each with the close of the day before, and its level all day."""
    for days, (close, level) in reported.items():
        run = Run(folder, f"{days}")
        run.board.add(SPX)
        run.receives(previous_close=close)
        for seconds in (0, 60, 120):
            run.sees(86400 * days + seconds, spx=level)
        run.recorder.close()
    return RecordingSource(folder)


@pytest.mark.parametrize(("ends", "follows"), [(0, 1), (2, 5)], ids=["Wednesday", "Friday"])
def test_what_has_ended_settles_at_the_close_that_the_next_recording_reports(
    ends: int, follows: int, tmp_path: Path
) -> None:
    """Of a Friday it was looked for on Saturday: the option stayed open. Both are days after the first."""
    day = DAY + timedelta(days=ends)
    source = days_of(tmp_path, {ends: (5890.0, 5900.0), follows: (5914.5, 5920.0)})
    assert settlement(replace(PUT, expiry=day), session_from(day), source.day(day), source, {}) == 5914.5


def test_an_index_settles_at_its_last_print_in_the_five_minutes_after_the_close(tmp_path: Path) -> None:
    """It prints its close once all of its members have theirs: options settled at where it stood at 16:00."""
    run, close = Run(tmp_path, "a"), 390 * 60
    for seconds, spx in ((-5, 5900.0), (0, 5901.0), (30, 5903.0), (90, 5899.5), (301, 5950.0)):
        run.sees(close + seconds, spx=spx, put=1.05)
    run.recorder.close()
    source, session = RecordingSource(tmp_path), session_from(DAY)
    day = source.day(DAY)
    assert day.levels["SPX"].tolist() == [5900.0, 5901.0]
    assert day.settled == {("SPX", "SPXW"): 5899.5}
    assert settlement(PUT, session, day, source, {}) == 5899.5


def test_options_on_shares_settle_by_the_print_of_the_closing_auction(tmp_path: Path) -> None:
    """It decides which are assigned, as it did live; shares trade on after it."""
    run, close, spy = Run(tmp_path, "a"), 390 * 60, Underlying("SPY")
    row = run.board.add(spy)
    for seconds, price in ((-5, 600.10), (4, 599.90), (20, 599.80), (45, 601.0), (120, 602.0)):
        run.board.last[row], run.board.last_at[row] = price, OPEN.timestamp() + close + seconds
        run.board.unread.add(row)
        run.sees(close + seconds, spx=5900.0)
    run.recorder.close()
    assert RecordingSource(tmp_path).day(DAY).settled == {("SPX", "SPXW"): 5900.0, ("SPY", "SPY"): 599.80}


def test_quotes_of_options_after_the_close_are_no_print_of_their_index(tmp_path: Path) -> None:
    """Nor is what is not live, nor what another run, that began later, has not."""
    run, close = Run(tmp_path, "a"), 390 * 60
    run.sees(close - 5, spx=5900.0)
    run.sees(close + 30, put=1.05)
    run.board.frozen = {run.board.rows[SPX]}
    run.sees(close + 60, spx=5903.0)
    run.board.frozen = set()
    run.sees(close + 120, spx=5904.0)
    run.recorder.close()
    assert RecordingSource(tmp_path).day(DAY).settled == {("SPX", "SPXW"): 5904.0}
    later = Run(tmp_path, "b")
    later.sees(close + 90, put=1.05)
    later.recorder.close()
    assert RecordingSource(tmp_path).day(DAY).settled == {}


def test_a_day_that_is_not_recorded_is_reported_by_the_next_one_that_is(tmp_path: Path) -> None:
    """Nothing of that day itself or later; a recording that cannot be read tells nothing."""
    (damaged,) = days_of(tmp_path, {0: (5890.0, 5900.0), 1: (5905.0, 5910.0)}).files(DAY + timedelta(days=1))
    rewrite(damaged, "UPDATE frames SET crc = crc + 1")
    tuesday = Run(tmp_path, "later")
    tuesday.sees(86400 * 6, spx=5920.0)
    closes = ClosesReport(OPEN + timedelta(days=6), "SPX", (5910.5, 5911.5, 5914.5))
    tuesday.recorder.took(closes, (), changed=True)
    tuesday.recorder.close()
    source = RecordingSource(tmp_path)
    reported = {days: source.daily("SPX", DAY + timedelta(days=days), 9) for days in (1, 2, 3, 5, 6, 7)}
    assert {days: [(bar.date.day, bar.close) for bar in bars] for days, bars in reported.items()} == {
        1: [],
        2: [(22, 5910.5)],
        3: [(22, 5910.5), (23, 5911.5)],
        5: [(22, 5910.5), (23, 5911.5)],
        6: [(22, 5910.5), (23, 5911.5), (26, 5914.5)],
        7: [],
    }


@pytest.mark.parametrize(("after", "is_split"), [(5850.0, False), (1475.0, True), (590.2, True)])
def test_a_split_is_reported_by_the_last_levels_of_two_days(tmp_path: Path, after: float, is_split: bool) -> None:
    """The broker tells one close of before a day where rules read no more, and has split it where shares were split."""
    source = days_of(tmp_path, {0: (5890.0, 5900.0), 1: (after, after), 2: (after, after * 1.01)})
    first, second, third = (DAY + timedelta(days=days) for days in range(3))
    assert source.daily("SPX", third, 9)[-1].close == after
    assert source.was_split("SPX", first, second) is source.was_split("SPX", first, third) is is_split
    assert not source.was_split("SPX", second, third)
    assert not source.was_split("SPY", first, third)


@pytest.mark.parametrize("level", [None, 0.0, inf], ids=["not recorded", "0", "infinite"])
def test_a_split_is_reported_over_a_day_without_a_level(tmp_path: Path, level: float | None) -> None:
    """A level of 0 ended a backtest, and of a split over a day that was not recorded nothing was told."""
    between = {} if level is None else {1: (5890.0, level)}
    source = days_of(tmp_path, {0: (5890.0, 5900.0), **between, 2: (1475.0, 1475.0), 3: (1475.0, 1480.0)})
    days = [DAY + timedelta(days=days) for days in range(4)]
    assert [source.was_split("SPX", since, until) for since, until in pairwise(days)] == [False, True, False]
    assert source.was_split("SPX", days[0], days[3])


def test_what_was_quoted_before_a_farm_broke_is_not_known_until_it_is_reported_again(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.sees(0, spx=5900.0, put=1.05)
    row = run.board.rows[PUT]
    run.board.quote_at[row] = run.board.model_at[row] = nan
    run.board.unread.add(row)
    run.sees(6, spx=5901.0)
    run.sees(12, spx=5902.0, put=1.20)
    run.recorder.close()
    day = RecordingSource(tmp_path).day(DAY)
    assert [bid == bid for bid in day.bid[:, 0].tolist()] == [True, False, True]

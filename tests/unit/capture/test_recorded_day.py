"""A recording as a market: what was streamed counts while it was streamed and was live; bad recordings are told."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isnan
from pathlib import Path

import pytest

from rulebot.adapters.recorded.recorder import Recorder
from rulebot.capture.recorded import recorded_day, streamed
from rulebot.model.contract import Option, Right, Underlying, product
from rulebot.model.errors import StoreError
from rulebot.model.event import (
    BarsReport,
    ClosesReport,
    Event,
    ImpliedReport,
    ListingReport,
    MarketDataUpdated,
    OpeningMoveReport,
)
from rulebot.model.facts import Bar, Bars, Listing
from rulebot.model.market import Board
from rulebot.model.money import TickRule
from tests.tape_file import rewrite
from twsim import ReplayedMarket
from twsim.exchange.nbbo import tick_rule
from twsim.seams import ContractSearch

DAY = date(2026, 10, 21)
OPEN = datetime(2026, 10, 21, 13, 30, tzinfo=UTC)
SPX, VIX = Underlying("SPX"), Underlying("VIX", 13455763)
PUT, CALL = (Option("SPX", "SPXW", DAY, Decimal(5900), right) for right in (Right.PUT, Right.CALL))
LISTING = Listing("SPX", "SPXW", (DAY, date(2026, 10, 22)), {DAY: (Decimal(5900), Decimal(5905))})


class Day:
    """A board that is written as a feed writes it, and a recorder that hears of it."""

    def __init__(self, folder: Path, opened: datetime = OPEN) -> None:
        self.board = Board()
        self.opened = opened
        self.recorder = Recorder(folder, {"version": "1"}, self.board, lambda words: None)
        self.recorder.begins(opened - timedelta(minutes=1), [])

    def at(self, after: float) -> datetime:
        return self.opened + timedelta(seconds=after)

    def tell(self, after: float, event: Event | None = None) -> None:
        self.recorder.took(event or MarketDataUpdated(self.at(after)), [], changed=True)

    def quote(self, after: float, contract: Option, bid: float, ask: float) -> None:
        row = self.board.rows[contract]
        self.board.bid[row], self.board.ask[row] = bid, ask
        self.board.bid_size[row] = self.board.ask_size[row] = 10
        self._moved(after, row)

    def level(self, after: float, price: float, contract: Underlying = SPX) -> None:
        row = self.board.rows[contract]
        self.board.last[row] = price
        self._moved(after, row)

    def _moved(self, after: float, row: int) -> None:
        self.board.unread.add(row)
        self.board.alive_at = self.at(after).timestamp()
        self.tell(after, MarketDataUpdated(self.at(after), (row,)))


@pytest.fixture
def received(tmp_path: Path) -> Day:
    return Day(tmp_path / "run")


def market(day: Day, data_seconds: int = 5) -> ReplayedMarket:
    """Return the market of what the day's recorder has heard."""
    day.recorder.close()
    return ReplayedMarket(recorded_day(sorted(day.recorder.folder.glob("*.tape")), data_seconds))


def bid(found: ReplayedMarket, right: str = "P") -> float:
    con_id = found.catalogue.search(ContractSearch(symbol="SPX", sec_type="OPT", strike=5900.0, right=right))[0].con_id
    return float(found.ticks((con_id,)).bid[0])


def spot(found: ReplayedMarket, symbol: str = "SPX") -> float:
    under = found.catalogue.underlying(symbol)
    assert under is not None
    return float(found.ticks((under.con_id,)).spot[0])


def test_quotes_come_when_they_came(received: Day) -> None:
    received.board.add(SPX)
    received.board.add(PUT)
    received.tell(0)
    received.level(1, 5950.25)
    received.quote(10, PUT, 1.05, 1.15)
    received.quote(20, PUT, 1.10, 1.20)
    received.tell(60)
    found = market(received, 1)
    for after, price in ((19, 1.05), (20, 1.10), (60, 1.10)):
        found.advance(received.at(after))
        assert bid(found) == price
    assert spot(found) == 5950.25


def test_a_first_quote_stood_at_the_move_before_it_was_asked_for(received: Day) -> None:
    received.board.add(SPX)
    received.tell(-60)
    received.level(-59, 5950.0)
    received.tell(12)
    received.board.add(PUT)  # the turn at 12 asked for it, in the gateway's eyes after its move at 10
    received.quote(13, PUT, 1.05, 1.15)
    received.tell(60)
    found = market(received)
    found.advance(received.at(9))
    assert isnan(bid(found))
    found.advance(received.at(10))
    assert bid(found) == 1.05


def test_a_first_quote_that_was_long_in_coming_counts_from_then(received: Day) -> None:
    received.board.add(PUT)
    received.tell(0)
    received.quote(30, PUT, 1.05, 1.15)
    received.tell(60)
    found = market(received)
    found.advance(received.at(29))
    assert isnan(bid(found))
    found.advance(received.at(30))
    assert bid(found) == 1.05


def test_nothing_is_known_of_what_is_streamed_no_more_nor_after_the_end(received: Day) -> None:
    for each in (SPX, PUT):
        received.board.add(each)
    received.level(0, 5950.0)
    received.quote(1, PUT, 1.05, 1.15)
    received.board.drop(PUT)
    received.board.add(CALL)  # in the same row
    received.quote(20, CALL, 50.0, 50.4)
    received.tell(40)
    found = market(received)
    found.advance(received.at(15))
    assert bid(found) == 1.05
    found.advance(received.at(20))
    assert isnan(bid(found))
    assert bid(found, "C") == 50.0
    found.advance(received.at(45))
    assert isnan(bid(found, "C"))
    assert isnan(spot(found))


def test_what_was_not_live_is_not_served(received: Day) -> None:
    row = received.board.add(PUT)
    received.quote(0, PUT, 1.05, 1.15)
    received.board.frozen = {row}
    received.quote(5, PUT, 1.10, 1.20)
    received.board.frozen = set()
    received.tell(10)
    received.tell(60)
    found = market(received)
    for after, price in ((4, 1.05), (10, 1.10)):
        found.advance(received.at(after))
        assert bid(found) == price
        found.advance(received.at(after + 1))
        if after == 4:
            assert isnan(bid(found))


def test_a_recorded_halt_begins_and_ends(received: Day) -> None:
    row = received.board.add(SPX)
    received.level(0, 5950.0)
    received.board.halted = {row}
    received.tell(5)
    received.board.halted = set()
    received.tell(10)
    found = market(received)
    for after, halted in ((0, False), (5, True), (10, False)):
        found.advance(received.at(after))
        assert found.halted("SPX") is halted


def test_listings_and_the_past(received: Day) -> None:
    received.board.add(SPX)
    received.board.add(VIX)
    yesterday = datetime(2026, 10, 20, 13, 30, tzinfo=UTC).timestamp()
    daily = Bars(OPEN.timestamp(), (Bar(yesterday, 5900.0, 5960.0, 5890.0, 5940.0, 0.0, 0.0),))
    minute = Bars(OPEN.timestamp() + 60, (Bar(OPEN.timestamp(), 5950.0, 5955.0, 5945.0, 5951.0, 0.0, 0.0),))
    for event in (
        ListingReport(received.at(0), LISTING),
        ClosesReport(received.at(0), "SPX", (5910.0, 5920.0, 5930.0)),
        BarsReport(received.at(0), "SPX", 86400, daily),
        BarsReport(received.at(61), "SPX", 60, minute),
        ImpliedReport(received.at(0), "SPX", (0.11, 0.12)),
        OpeningMoveReport(received.at(61), "SPX", DAY, 31.3329),
    ):
        received.tell(0, event)
    received.level(70, 5950.0)
    received.tell(100)
    received.recorder.close()
    day = recorded_day(sorted(received.recorder.folder.glob("*.tape")), 5)
    assert streamed(day) == (1, 0)  # of VIX nothing came
    assert {(each.strike, each.right) for each in day.contracts if each.is_option} == {
        (5900.0, "C"), (5900.0, "P"), (5905.0, "C"), (5905.0, "P"),
    }  # fmt: skip
    assert [(each.trading_class, each.expiries, each.strikes) for each in day.classes] == [
        ("SPXW", LISTING.expiries, (5900.0, 5905.0))
    ]
    assert [(f"{each.at}", each.close) for each in day.daily["SPX"]] == [
        ("2026-10-16", 5910.0), ("2026-10-19", 5920.0), ("2026-10-20", 5940.0),
    ]  # fmt: skip
    assert [(f"{each.at}", each.close) for each in day.implied["SPX"]] == [("2026-10-19", 0.11), ("2026-10-20", 0.12)]
    assert [each.close for each in day.intraday["SPX", 60]] == [5951.0]
    assert [each.price for each in day.openings] == [25.0]
    assert next(each.con_id for each in day.contracts if each.symbol == "VIX") == VIX.con_id


@pytest.mark.parametrize(("reported", "step"), [(None, "0.01"), (product("SPX").option_ticks, "0.05")])
def test_options_have_the_price_steps_that_were_reported(received: Day, reported: TickRule | None, step: str) -> None:
    days = {DAY: (Decimal(85), Decimal(90))}
    received.board.add(Underlying("XYZ"))
    received.tell(-60, ListingReport(received.at(-60), Listing("XYZ", "XYZ", (DAY,), {DAY: days[DAY][:1]}, reported)))
    received.tell(-50, ListingReport(received.at(-50), Listing("XYZ", "XYZ", (DAY,), days)))
    received.level(0, 86.0, Underlying("XYZ"))
    found = market(received).catalogue.search(ContractSearch(symbol="XYZ", sec_type="OPT", strike=90.0, right="P"))
    assert [str(tick_rule(each).tick(Decimal("2.00"))) for each in found] == [step]


def test_two_runs_of_a_day_follow_each_other(tmp_path: Path) -> None:
    first, second = Day(tmp_path / "a"), Day(tmp_path / "b", OPEN + timedelta(hours=1))
    for each, price in ((first, 5950.0), (second, 5960.0)):
        each.board.add(SPX)
        each.level(0, price)
        each.tell(60)
        each.recorder.close()
    files = [next(each.recorder.folder.glob("*.tape")) for each in (first, second)]
    found = ReplayedMarket(recorded_day(files, 5))
    for after, price in ((30, 5950.0), (3600, 5960.0)):
        found.advance(first.at(after))
        assert spot(found) == price
    between = ReplayedMarket(recorded_day(files, 5))
    between.advance(first.at(1000))
    assert isnan(spot(between))
    with pytest.raises(StoreError, match="two simultaneous runs"):
        recorded_day(files[::-1], 5)


# ---------------------------------------------------------------- what cannot be served


def recording(folder: Path) -> Path:
    day = Day(folder)
    day.board.add(SPX)
    day.level(0, 5950.0)
    day.tell(60)
    day.recorder.close()
    return next(folder.glob("*.tape"))


def test_a_later_day_needs_no_first_one(tmp_path: Path) -> None:
    file = rewrite(recording(tmp_path / "run"), "INSERT OR REPLACE INTO head VALUES ('before', '\"2026-10-20.tape\"')")
    assert streamed(recorded_day([file], 5)) == (1, 0)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE head SET value = '9' WHERE name = 'format'", "is a recording of format 9, and this rulebot reads 4"),
        ("UPDATE head SET value = '\"2026-10-24\"' WHERE name = 'day'", "the exchange was closed on 2026-10-24"),
        ("UPDATE frames SET crc = crc + 1", "is damaged: its checksum is wrong"),
        ("DELETE FROM frames", "has no market data: nothing was streamed"),
        ("DROP TABLE frames", "is damaged: no such table"),
    ],
)
def test_a_recording_that_cannot_be_served_is_reported(tmp_path: Path, statement: str, said: str) -> None:
    file = rewrite(recording(tmp_path / "run"), statement)
    day = re.search(r"\d{4}-\d\d-\d\d", statement)
    file = file.rename(file.with_stem(day[0])) if day else file
    with pytest.raises(StoreError, match=said):
        recorded_day([file], 5)


def test_recordings_of_several_days_are_not_one(tmp_path: Path) -> None:
    other = rewrite(recording(tmp_path / "b"), "UPDATE head SET value = '\"2026-10-22\"' WHERE name = 'day'")
    other = other.rename(other.with_stem("2026-10-22"))
    with pytest.raises(StoreError, match="have several days: 2026-10-21, 2026-10-22"):
        recorded_day([recording(tmp_path / "a"), other], 5)

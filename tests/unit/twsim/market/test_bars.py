"""Historical bars: those of one size are those of another put together."""

from datetime import date, datetime, time
from itertools import groupby

import pytest

from twsim.market.market import SimMarket
from twsim.seams import Bar
from twsim.sessions import Session, session_after, session_before, session_on

from .market_day import DAY, chain, market_at

SPX_ID, SPY_ID, AAPL_ID, IWM_ID = 416904, 756733, 265598, 9579970
SIZES = (30, 300, 900, 3600, 86400)
HALF_DAY = date(2026, 11, 27)


def bars(market: SimMarket, con_id: int, size: int, session: Session, what: str = "TRADES") -> list[Bar]:
    return market.bars(con_id, what=what, bar_seconds=size, first=session.at(time(0)), last=session.close)


def joined(found: list[Bar], size: int) -> list[tuple[float, float, float, float, int]]:
    """Return open, high, low, close and volume of bars put together into those of a larger size."""

    def place(bar: Bar) -> int:
        assert isinstance(bar.at, datetime)
        return int(bar.at.timestamp()) // size if size < 86400 else 0

    return [
        (
            (group := list(members))[0].open,
            max(each.high for each in group),
            min(each.low for each in group),
            group[-1].close,
            sum(each.volume for each in group),
        )
        for _, members in groupby(found, place)
    ]


def reported(found: list[Bar]) -> list[tuple[float, float, float, float, int]]:
    return [(each.open, each.high, each.low, each.close, each.volume) for each in found]


def drawn_lived_and_present(day: date) -> list[tuple[SimMarket, Session]]:
    """Return a market in the afternoon of its second day, with the day before the run, its first and this one."""
    first = session_on(day)
    assert first is not None
    market = SimMarket(seed=7, date=day)
    second = session_after(day)
    market.advance(second.at(time(12, 41, 17)))
    return [(market, each) for each in (session_before(day), first, second)]


@pytest.mark.parametrize("day", [DAY, HALF_DAY, date(2026, 10, 30)])
@pytest.mark.parametrize("con_id", [SPX_ID, SPY_ID, AAPL_ID, IWM_ID])
def test_bars_of_all_sizes_have_the_same_prices_and_volume(day: date, con_id: int) -> None:
    """A day of minutes before the run had another volume than the day, and each size of bars a volume of its own."""
    for market, session in drawn_lived_and_present(day):
        minutes = bars(market, con_id, 60, session)
        assert len({each.volume for each in minutes}) > (100 if con_id != SPX_ID else 0)
        for size in SIZES:
            larger = bars(market, con_id, size, session)
            if size < 60:
                assert joined(larger, 60) == reported(minutes)
            else:
                assert reported(larger) == joined(minutes, size)


def test_bars_of_a_rare_option_lose_no_contract() -> None:
    """Each second rounded down what it had: of the 400 contracts of a day in bars of seconds nothing was left."""
    market = market_at(time(15, 59, 59))
    session = market._tape.session
    for option in chain(market, "SPX", "20261021", "SPXW")[264:295:6]:
        volume = market.volume(option.con_id)
        assert 5 < volume < 1000
        for size in (5, 60, 3600, 86400):
            assert sum(each.volume for each in bars(market, option.con_id, size, session)) == volume


@pytest.mark.parametrize("what", ["TRADES", "MIDPOINT", "BID", "ASK"])
def test_bars_of_an_option_have_the_same_prices_in_every_size(what: str) -> None:
    """Those of half an hour and more looked at one moment of four: a day's high was below that of its minutes."""
    market = market_at(time(15, 59, 59))
    session = market._tape.session
    options = chain(market, "SPX", "20261021", "SPXW")[310:330:4]
    for option in options:
        minutes = bars(market, option.con_id, 60, session, what)
        assert len(minutes) == 390
        for size in (30, *SIZES[1:]):
            larger = bars(market, option.con_id, size, session, what)
            if size < 60:
                assert joined(larger, 60) == reported(minutes)
            else:
                assert reported(larger) == joined(minutes, size)


def test_the_last_bars_of_an_option_are_the_same_when_they_alone_are_asked_for() -> None:
    market = market_at(time(14, 3, 8))
    option = chain(market, "SPX", "20261021", "SPXW")[310]
    session = market._tape.session
    for what in ("TRADES", "BID_ASK"):
        for size in (5, 60, 300, 1800):
            every = bars(market, option.con_id, size, session, what)
            for first in (session.at(time(14, 0, 1)), session.at(time(13, 59, 59)), session.at(time(12, 30))):
                found = market.bars(option.con_id, what=what, bar_seconds=size, first=first, last=market.now)
                assert found == [each for each in every if isinstance(each.at, datetime) and each.at >= first]


@pytest.mark.parametrize("what", ["BID", "ASK", "MIDPOINT", "BID_ASK"])
def test_days_of_quotes_are_made_of_quotes_also_once_they_have_closed(what: str) -> None:
    """At midnight they became those of trades, and a day of bid and ask opened at a price, not an average."""
    for market, session in drawn_lived_and_present(DAY):
        (day,) = bars(market, SPY_ID, 86400, session, what)
        hours = bars(market, SPY_ID, 3600, session, what)
        assert (day.high, day.low) == (max(each.high for each in hours), min(each.low for each in hours))
        if what == "BID_ASK":
            assert min(each.open for each in hours) < day.open < max(each.open for each in hours)
            assert 0.01 <= day.close - day.open <= 0.02
        else:
            assert (day.open, day.close) == (hours[0].open, hours[-1].close)
        assert day.volume == 0

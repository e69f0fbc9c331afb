"""What is listed: ids, names, classes, dates, strikes."""

from datetime import date, datetime, time

import pytest

from twsim.market import listings as listing
from twsim.market.market import SimMarket
from twsim.market.universe import OPTION_CLASSES, UNDERLYINGS
from twsim.nouns import Instrument, SecType, Settle
from twsim.seams import ContractSearch
from twsim.sessions import session_on, trades_on

from .market_day import DAY

UNIVERSE = {
    *("SPX", "VIX", "VIX9D", "VIX1D", "VIX3M", "SPY", "QQQ", "XSP", "NDX", "RUT", "IWM"),
    *("AAPL", "MSFT", "NVDA", "TSLA", "AMZN", "META", "GOOGL", "XLF", "XLE", "XLV", "SMH"),
    *("AMD", "NFLX", "SHOP", "BA", "CRM", "ORCL", "COST", "WMT", "BRK.B", "GGG"),
}


@pytest.fixture(scope="module")
def market() -> SimMarket:
    return SimMarket(seed=7, date=DAY)


def one(market: SimMarket, **keys: object) -> Instrument:
    found = market.catalogue.search(ContractSearch(**keys))  # type: ignore[arg-type]
    assert len(found) == 1, found
    return found[0]


def test_known_underlyings_have_their_ids(market: SimMarket) -> None:
    known = {"SPX": 416904, "VIX": 13455763, "SPY": 756733, "AAPL": 265598, "BRK.B": 72063691}
    for symbol, con_id in known.items():
        found = market.catalogue.underlying(symbol)
        assert found is not None
        assert found.con_id == con_id
        assert market.catalogue.by_id(con_id) == found
    assert set(market.catalogue.symbols()) == UNIVERSE
    assert one(market, symbol="AAPL", sec_type="STK").trading_class == "NMS"


def test_options_on_a_class_of_shares_are_of_its_letters(market: SimMarket) -> None:
    found = {
        name: market.catalogue.search(ContractSearch(trading_class=name, last_trade="20261120"))
        for name in ("WMT", "BRKB")
    }
    below, above = found["WMT"][-1], next(each for each in found["BRKB"] if (each.strike, each.right) == (500.0, "C"))
    assert above.local_symbol == "BRKB  261120C00500000"
    assert above.symbol == "BRK.B"
    assert not {each.con_id for each in found["WMT"]} & {each.con_id for each in found["BRKB"]}
    assert [market.catalogue.by_id(each.con_id) for each in (below, above)] == [below, above]


def test_an_option_id_is_a_constant_of_the_contract() -> None:
    """These numbers are promises to clients that store them: they never change."""
    for seed, day in ((1, date(2026, 10, 1)), (9, date(2026, 10, 21))):
        market = SimMarket(seed=seed, date=day)
        put = one(market, symbol="SPX", last_trade="20261021", strike=6000.0, right="P")
        assert put.con_id == 437974192
        call = one(market, local_symbol="SPX   261120C06000000")
        assert call.con_id == 371106992


def test_ids_are_unique_and_lead_back(market: SimMarket) -> None:
    seen = {each.con_id: each.symbol for each in UNDERLYINGS.values()}
    assert len(seen) == len(UNDERLYINGS)
    assert min(each.number for each in OPTION_CLASSES.values()) << 26 > max(seen)
    for symbol in ("SPX", "SPY", "AAPL", "NFLX"):
        options = market.catalogue.search(ContractSearch(symbol=symbol, sec_type="OPT", last_trade="202611"))
        ids = [each.con_id for each in options]
        assert ids == sorted(set(ids))
        assert max(ids) < 2**31
        assert all(market.catalogue.by_id(each.con_id) == each for each in options[::37])


def test_unknown_ids_are_unknown(market: SimMarket) -> None:
    assert [market.catalogue.by_id(each) for each in (0, -5, 12345, 2**31 - 1, 437974192 + 2500)] == [None] * 5


def test_am_and_pm_classes_of_a_third_friday(market: SimMarket) -> None:
    am = one(market, symbol="SPX", trading_class="SPX", last_trade="20261119", strike=6000.0, right="C")
    assert am.local_symbol == "SPX   261120C06000000"
    assert (am.last_trade_date, am.settle_date, am.settle) == (date(2026, 11, 19), date(2026, 11, 20), Settle.AM)
    pm = one(market, symbol="SPX", trading_class="SPXW", last_trade="20261120", strike=6000.0, right="C")
    assert pm.local_symbol == "SPXW  261120C06000000"
    assert (pm.last_trade_date, pm.settle_date, pm.settle) == (date(2026, 11, 20), date(2026, 11, 20), Settle.PM)
    both = market.catalogue.search(ContractSearch(symbol="SPX", last_trade="20261119", strike=6000.0, right="C"))
    assert sorted(each.trading_class for each in both) == ["SPX", "SPXW"]


def test_a_third_friday_on_a_holiday_moves_to_the_thursday() -> None:
    assert listing.third_friday(2025, 4) == date(2025, 4, 17)


def test_option_params_list_what_search_finds(market: SimMarket) -> None:
    rows = {each.trading_class: each for each in market.catalogue.option_params(416904)}
    assert set(rows) == {"SPX", "SPXW"}
    weekly, monthly = rows["SPXW"], rows["SPX"]
    for_five_weeks = [each for each in weekly.expiries if (each - DAY).days <= 35]
    assert for_five_weeks == [each for step in range(36) if trades_on(each := date.fromordinal(DAY.toordinal() + step))]
    assert all(each.weekday() == 3 for each in monthly.expiries[:6])
    assert {5995.0, 6000.0, 6005.0} <= set(weekly.strikes)
    spy = market.catalogue.option_params(756733)[0]
    assert (spy.expiries[-1] - DAY).days > 800
    assert market.catalogue.option_params(13455763) == []


def test_search_by_month_class_and_side(market: SimMarket) -> None:
    found = market.catalogue.search(ContractSearch(symbol="SPY", last_trade="202611", strike=600.0, right="PUT"))
    assert found
    assert all(each.right == "P" and each.strike == 600.0 for each in found)
    assert {f"{each.last_trade_date:%Y%m}" for each in found} == {"202611"}
    assert market.catalogue.search(ContractSearch(symbol="SPY", right="X")) == []
    assert market.catalogue.search(ContractSearch(local_symbol="SPXW  261021X06000000")) == []
    assert [each.sec_type for each in market.catalogue.search(ContractSearch(symbol="VIX"))] == [SecType.INDEX]


@pytest.mark.parametrize("day", [date(2010, 3, 10), date(2014, 12, 31), date(2028, 12, 20)])
def test_ids_report_apart_all_that_a_day_of_any_year_lists(day: date) -> None:
    catalogue = SimMarket(seed=7, date=day).catalogue
    for symbol in ("SPX", "SPY", "NVDA"):
        options = list(catalogue.search(ContractSearch(symbol=symbol, sec_type="OPT", right="P")))
        assert [catalogue.by_id(each.con_id) for each in options] == options
        assert len({each.con_id for each in options}) == len(options) > 500


def test_expired_options_leave_the_lists_and_stay_known() -> None:
    market = SimMarket(seed=7, date=DAY)
    put = one(market, symbol="SPX", last_trade="20261021", strike=6000.0, right="P")
    session = session_on(date(2026, 10, 22))
    assert session is not None
    market.advance(session.at(time(9, 45)))
    assert market.catalogue.search(ContractSearch(symbol="SPX", last_trade="20261021")) == []
    assert market.catalogue.search(
        ContractSearch(symbol="SPX", last_trade="20261021", strike=6000.0, right="P", include_expired=True)
    )
    assert market.catalogue.by_id(put.con_id) == put
    assert str(market.ticks((put.con_id,)).bid[0]) == "nan"
    assert date(2026, 11, 25) in market.catalogue.option_params(416904)[1].expiries


def test_a_listed_strike_stays_listed() -> None:
    market = SimMarket(seed=7, date=DAY)
    far = list(
        market.catalogue.search(
            ContractSearch(symbol="SPX", sec_type="OPT", trading_class="SPXW", last_trade="20270129")
        )
    )
    market.advance(datetime.fromisoformat("2026-12-28T15:00:00+00:00"))
    assert all(market.catalogue.by_id(each.con_id) == each for each in far)
    listed = {
        each.con_id
        for each in market.catalogue.search(ContractSearch(symbol="SPX", trading_class="SPXW", last_trade="20270129"))
    }
    assert {each.con_id for each in far} <= listed

"""The indices beside SPX: how they move, which of their options are listed, and what those settle at."""

from datetime import date, time

import numpy as np
import pytest

from twsim.market.bars import History
from twsim.market.listings import option_id
from twsim.market.market import SimMarket
from twsim.market.path import SessionLevels, starting_levels
from twsim.market.replayed import FIRST_FREE_ID, given_option
from twsim.market.scenario import Move, Scenario, ScenarioSpan
from twsim.market.universe import ASSETS, OPTION_CLASSES, UNDERLYINGS, class_of_step, last_step
from twsim.nouns import SecType, Settle
from twsim.seams import ContractSearch
from twsim.sessions import session_on

from .market_day import DAY, chain, market_at, spot_of

SESSION = session_on(DAY)
HALF_A_CENT_OF_XSP = 0.0501
"""Points of SPX."""
BESIDE_SPX = ("XSP", "NDX", "NDXP", "RUT", "RUTW")


@pytest.fixture(scope="module")
def market() -> SimMarket:
    return market_at(time(11, 0))


def tape(scenario: Scenario | None = None) -> SessionLevels:
    assert SESSION is not None
    scenario = scenario or Scenario()
    return SessionLevels(7, SESSION, 1, starting_levels(7, DAY, scenario), scenario)


def test_xsp_is_a_tenth_of_spx_to_the_cent_whatever_happens_to_spx() -> None:
    moved = Scenario(moves=(Move("SPX", ScenarioSpan(time(11, 0), time(11, 30)), -70.0),))
    for each in (tape(), tape(moved)):
        assert np.abs(each.levels("XSP") * 10.0 - each.levels("SPX")).max() < HALF_A_CENT_OF_XSP
        assert abs(each.previous["XSP"] * 10.0 - each.previous["SPX"]) < HALF_A_CENT_OF_XSP


def test_ndx_follows_qqq_and_rut_goes_with_spx_and_its_own_way() -> None:
    day = tape()
    assert np.abs(day.levels("NDX") / day.levels("QQQ") - 41.1).max() < 1e-3
    assert np.abs(day.levels("IWM") / day.levels("RUT") - 0.0995).max() < 1e-5
    returns = {name: np.diff(np.log(day.levels(name)[::300])) for name in ("SPX", "NDX", "RUT")}
    for name in ("NDX", "RUT"):
        assert 0.5 < np.corrcoef(returns["SPX"], returns[name])[0, 1] < 0.999
        assert np.std(returns[name]) > np.std(returns["SPX"])


def test_days_that_have_closed_keep_the_ratio_too() -> None:
    assert SESSION is not None
    history = History(7, SESSION, starting_levels(7, DAY, Scenario()))
    spx, xsp = history.daily("SPX"), history.daily("XSP")
    assert len(xsp) == len(spx) > 400
    for a, b in zip(spx, xsp, strict=True):
        assert abs(b.high * 10.0 - a.high) < HALF_A_CENT_OF_XSP
        assert abs(b.close * 10.0 - a.close) < HALF_A_CENT_OF_XSP
    assert np.abs(history.closes("NDX") / history.closes("QQQ") - 41.1).max() < 1e-3
    day = history.days()[-3]
    assert np.abs(history.levels("XSP", day) * 10.0 - history.levels("SPX", day)).max() < HALF_A_CENT_OF_XSP
    assert all(bar.volume == 0 for bar in history.daily("RUT"))


def test_the_other_underlyings_stand_where_they_stood() -> None:
    """New ones are drawn after all others: seeds mean the days that they meant."""
    levels = starting_levels(7, DAY, Scenario())
    assert (levels["SPX"], levels["WMT"]) == (5981.83, 88.01)


def test_ids_of_two_classes_that_share_a_number_are_apart_and_lead_back(market: SimMarket) -> None:
    seen: dict[int, str] = {}
    for name in BESIDE_SPX:
        symbol = OPTION_CLASSES[name].symbol
        options = market.catalogue.search(
            ContractSearch(symbol=symbol, trading_class=name, sec_type="OPT", last_trade="202611")
        )
        assert options
        assert all(market.catalogue.by_id(each.con_id) == each for each in options)
        assert not seen.keys() & {each.con_id for each in options}
        seen |= {each.con_id: name for each in options}
    assert max(seen) < FIRST_FREE_ID < 2**31
    assert not seen.keys() & {each.con_id for each in UNDERLYINGS.values()}


def test_an_option_id_beside_spx_is_a_constant_of_the_contract(market: SimMarket) -> None:
    """These numbers are promises, as those of SPX are."""
    strikes = {"XSP": 600, "RUTW": 2300, "RUT": 2300, "NDX": 21000, "NDXP": 21000}
    found = {
        name: market.catalogue.search(ContractSearch(local_symbol=f"{name:<6}261120P{strike:05d}000"))[0].con_id
        for name, strike in strikes.items()
    }
    assert found == {
        "XSP": 1914614360,
        "RUTW": 1914616268,
        "RUT": 1981725132,
        "NDX": 1981723464,
        "NDXP": 2048833588,
    }


def test_the_steps_of_a_number_are_shared_out() -> None:
    assert [last_step(OPTION_CLASSES[name]) for name in ("SPX", *BESIDE_SPX)] == [4095, 2047, 2047, 4095, 2047, 2047]
    assert [class_of_step(28, step) for step in (0, 2047, 2048, 4095)] == [
        OPTION_CLASSES[name] for name in ("XSP", "XSP", "RUTW", "RUTW")
    ]
    assert class_of_step(4, 100) is None


def test_strikes_that_have_no_id_are_not_listed() -> None:
    """Of a class of 2,047 steps of one point none lies above 2,047, wherever the index stands."""
    market = SimMarket(seed=7, date=DAY, scenario=Scenario(previous_spx=19_000.0))
    strikes = {each.strike for each in chain(market, "XSP", "20261021")}
    assert 1_950.0 < max(strikes) <= 2047.0
    assert all(market.catalogue.by_id(each.con_id) == each for each in chain(market, "XSP", "20261021"))


@pytest.mark.parametrize(
    ("symbol", "trading_class", "step"), [("XSP", "XSP", 1.0), ("NDX", "NDXP", 10.0), ("RUT", "RUTW", 5.0)]
)
def test_strikes_near_the_money_and_quotes_on_the_tick(
    market: SimMarket, symbol: str, trading_class: str, step: float
) -> None:
    spot = spot_of(market, UNDERLYINGS[symbol].con_id)
    options = chain(market, symbol, "20261021", trading_class)
    strikes = sorted({each.strike for each in options if abs(each.strike / spot - 1.0) < 0.01})
    assert set(np.diff(strikes)) == {step}
    quotes = market.ticks(tuple(each.con_id for each in options))
    for sides in (quotes.bid, quotes.ask):
        known = sides[~np.isnan(sides)]
        low, high = (0.01, 0.01) if symbol == "XSP" else (0.05, 0.10)
        ticks = np.where(known < 3.0, low, high)
        assert np.abs(np.rint(known / ticks) * ticks - known).max() < 1e-9
    assert np.nanmin(quotes.ask - quotes.bid) > 0.0


def test_a_straddle_of_xsp_is_worth_a_tenth_of_that_of_spx(market: SimMarket) -> None:
    worth = {}
    for symbol, name, strike in (("SPX", "SPXW", 5950.0), ("XSP", "XSP", 595.0)):
        pair = [each for each in chain(market, symbol, "20261021", name) if each.strike == strike]
        worth[symbol] = float(market.ticks(tuple(each.con_id for each in pair)).model.sum())
    assert worth["XSP"] == pytest.approx(worth["SPX"] / 10.0, abs=0.02)


def test_monthlies_of_ndx_and_rut_settle_at_the_open_and_all_of_xsp_at_the_close(market: SimMarket) -> None:
    third, before = date(2026, 11, 20), date(2026, 11, 19)
    found = {}
    for name in BESIDE_SPX:
        symbol = OPTION_CLASSES[name].symbol
        listed = market.catalogue.search(ContractSearch(symbol=symbol, trading_class=name, sec_type="OPT"))
        found[name] = {(each.last_trade_date, each.settle) for each in listed if each.settle_date == third}
    assert found == {
        **{name: {(before, Settle.AM)} for name in ("NDX", "RUT")},
        **{name: {(third, Settle.PM)} for name in ("XSP", "NDXP", "RUTW")},
    }


def test_levels_at_which_monthlies_of_rut_settle() -> None:
    market = SimMarket(seed=7, date=date(2026, 11, 19))
    (monthly,) = market.catalogue.search(ContractSearch(local_symbol="RUT   261120P02300000"))
    (weekly,) = market.catalogue.search(ContractSearch(local_symbol="RUTW  261120P02300000"))
    friday = session_on(date(2026, 11, 20))
    assert friday is not None
    assert market.settlement(monthly.con_id, friday.date) is None
    market.advance(friday.close)
    levels = market.stats(UNDERLYINGS["RUT"].con_id)
    assert market.settlement(monthly.con_id, friday.date) == levels.open
    assert market.settlement(weekly.con_id, friday.date) == levels.last
    assert levels.open != levels.last


def test_an_index_lists_no_quotes_of_its_own(market: SimMarket) -> None:
    for symbol in ("XSP", "NDX", "RUT"):
        found = UNDERLYINGS[symbol]
        assert found.sec_type is SecType.INDEX
        quotes = market.ticks((found.con_id,))
        assert np.isnan(quotes.bid[0])
        assert quotes.last[0] > 0.0
    assert [UNDERLYINGS[symbol].exchange for symbol in ("XSP", "NDX", "RUT")] == ["CBOE", "NASDAQ", "RUSSELL"]


def test_a_given_market_numbers_them_as_the_simulated_exchange_does() -> None:
    for name, strike, expiry in (("XSP", 600.0, DAY), ("RUTW", 2300.0, DAY), ("NDX", 21000.0, date(2026, 11, 19))):
        of = OPTION_CLASSES[name]
        found = given_option(UNDERLYINGS[of.symbol], trading_class=name, expiry=expiry, strike=strike, right="P")
        assert found.settle is (Settle.AM if name == "NDX" else Settle.PM)
        assert found.settle_date is not None
        assert found.con_id == option_id(of, found.settle_date, "P", strike)
    beyond = given_option(UNDERLYINGS["XSP"], trading_class="XSP", expiry=DAY, strike=2048.0, right="P")
    assert beyond.con_id == 0


def test_no_new_one_reports_earnings() -> None:
    assert not any(ASSETS[symbol].has_earnings for symbol in ("XSP", "NDX", "RUT", "IWM"))

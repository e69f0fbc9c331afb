"""The modelled market of XSP: SPX to scale, options that settle at the close, and prices to the cent."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from rulebot.adapters.history.modelled_surface import expiries
from rulebot.adapters.history.session import HistoryDay
from rulebot.adapters.sources import open_source
from rulebot.model.contract import Option, Right
from rulebot.model.errors import MisuseError

DAILY = Path(__file__).parents[3] / "examples" / "data" / "daily"
DAY = date(2018, 3, 14)
"""A Wednesday."""


def day_of(symbol: str, more: str = "", day: date = DAY) -> HistoryDay:
    return open_source(f"model:{DAILY}?symbol={symbol}{more}").day(day)


def test_levels_and_settlement_are_a_tenth() -> None:
    spx, xsp = day_of("SPX"), day_of("xsp")
    assert (xsp.levels["SPX"] == spx.levels["SPX"]).all()
    assert np.abs(xsp.levels["XSP"] * 10.0 - spx.levels["SPX"]).max() < 0.0501
    assert "XSP" not in spx.levels
    (level,) = xsp.settled.values()
    assert xsp.settled == {("XSP", "XSP"): level}
    assert level == round(spx.settled["SPX", "SPXW"] / 10.0, 2)


def test_daily_bars_and_volatilities_of_days_are_there() -> None:
    source = open_source(f"model:{DAILY}?symbol=XSP")
    xsp, spx = (source.daily(symbol, DAY, 60) for symbol in ("XSP", "SPX"))
    assert [each.date for each in xsp] == [each.date for each in spx]
    assert all(abs(a.close * 10.0 - b.close) < 0.0501 for a, b in zip(xsp, spx, strict=True))
    assert source.implied("XSP", DAY, 252) == source.implied("SPX", DAY, 252)


def test_an_option_is_worth_a_tenth_of_that_of_spx_and_is_quoted_in_cents() -> None:
    spx, xsp = day_of("SPX", "&dte=0..5"), day_of("XSP", "&dte=0..5")
    expiry, strike = date(2018, 3, 16), Decimal(round(spx.levels["SPX"][0] / 10.0) * 10)
    for right in Right:
        whole = spx.places()[Option("SPX", "SPXW", expiry, strike, right)]
        tenth = xsp.places()[Option("XSP", "XSP", expiry, strike / 10, right)]
        assert np.allclose((xsp.bid + xsp.ask)[:, tenth] * 10.0, (spx.bid + spx.ask)[:, whole], atol=0.25)
        assert np.allclose(xsp.delta[:, tenth], spx.delta[:, whole])
    prices = np.concatenate([xsp.bid[~np.isnan(xsp.bid)], xsp.ask.ravel()])
    assert np.abs(np.rint(prices * 100.0) - prices * 100.0).max() < 1e-6
    assert (np.rint(prices * 100.0) % 5 != 0).any()
    assert (xsp.ask - np.nan_to_num(xsp.bid)).min() >= 0.0099


def test_strikes_are_a_point_apart_and_all_settle_at_the_close() -> None:
    xsp = day_of("XSP")
    assert {option.trading_class for option in xsp.options} == {"XSP"}
    assert not any(option.settles_at_open for option in xsp.options)
    (strikes,) = {tuple(xsp.strikes("XSP", "XSP", DAY))}
    near = [float(each) for each in strikes if abs(float(each) - xsp.levels["XSP"][0]) < 8]
    assert set(np.diff(near)) == {1.0}
    assert xsp.expiries("SPX", "SPXW") == []


def test_what_is_listed_when() -> None:
    def days(day: date) -> set[str]:
        return {f"{each.last:%a}" for each in expiries(day, 0, 9, "XSP")}

    assert expiries(date(2013, 11, 4), 0, 60, "XSP") == ()
    assert days(date(2013, 11, 5)) == {"Fri"}
    assert days(date(2022, 9, 20)) == {"Mon", "Wed", "Fri"}
    assert days(date(2022, 9, 21)) == {"Mon", "Tue", "Wed", "Thu", "Fri"}
    third = [each for each in expiries(date(2018, 3, 1), 0, 60, "XSP") if each.last == date(2018, 3, 16)]
    assert [(each.trading_class, each.settles) for each in third] == [("XSP", date(2018, 3, 16))]


def test_it_says_what_is_to_scale_and_what_it_does_not_know() -> None:
    source = open_source(f"model:{DAILY}?symbol=XSP")
    assert source.name == "a model of XSP from daily bars of SPX and the VIX"
    reported = [each.text for each in source.gaps(date(2013, 1, 2), DAY)]
    assert any(
        text.startswith("levels, volatilities and widths of XSP are those of SPX, to scale") for text in reported
    )
    assert "no options on XSP are listed before 2013-11-05, since when they settle at the close" in reported
    later = [each.text for each in source.gaps(date(2015, 1, 2), DAY)]
    assert not any("are listed before" in text for text in later)


@pytest.mark.parametrize("symbol", ["NDX", "RUT", "QQQ"])
def test_others_are_refused(symbol: str) -> None:
    with pytest.raises(MisuseError, match=f"symbol= is one of SPX, XSP, SPY, .* is '{symbol}'"):
        open_source(f"model:{DAILY}?symbol={symbol}")

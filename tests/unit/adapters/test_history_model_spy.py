"""The modelled market of SPY: its own daily bars, options that are settled in shares, and prices to the cent."""

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from rulebot.adapters.history.modelled_surface import expiries
from rulebot.adapters.history.session import DailyBar, HistoryDay
from rulebot.adapters.sources import open_source
from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.results import read_results
from rulebot.backtest.run import BacktestOptions, run_backtest
from rulebot.calendars.calendars import load_calendar
from rulebot.cli.past.backtest import result_lines
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.contract import Option, Right
from rulebot.model.errors import MisuseError, StoreError

DAILY = Path(__file__).parents[3] / "examples" / "data" / "daily"
DAY = date(2018, 3, 14)
"""A Wednesday."""
SOLD = """
rulebot: 1
name: sold
about: Sells a put five weeks out and takes the shares.
underlying: SPY
entry: {at: "10:00", max_open: 1}
legs:
  expiry: {dte: {between: [30, 40]}}
  short_put: {sell: put, strike: {delta: 0.30}}
order: {start: mid, step: 0.01, wait: 10s, tries: 20, then: cancel}
exits:
  - at_expiry: settle
risk: {undefined_risk: allow}
"""


def source(more: str = ""):
    return open_source(f"model:{DAILY}?symbol=spy{more}")


def day_of(more: str = "", day: date = DAY) -> HistoryDay:
    return source(more).day(day)


def bar(day: date = DAY) -> DailyBar:
    found = source().daily("SPY", date(day.year, day.month, day.day + 1), 1)[0]
    assert found.date == day
    return found


def test_levels_end_at_its_own_close_and_that_is_what_it_settles_at() -> None:
    found, spx = day_of(), open_source(f"model:{DAILY}").day(DAY)
    assert (found.levels["SPX"] == spx.levels["SPX"]).all()
    assert found.levels["SPY"][-1] == bar().close
    assert found.settled == {("SPY", "SPY"): bar().close}
    assert np.abs(found.levels["SPY"] - spx.levels["SPY"]).max() < 0.00501
    assert np.abs(np.rint(found.levels["SPY"] * 100.0) - found.levels["SPY"] * 100.0).max() < 1e-6


def test_its_volatilities_are_those_of_the_index() -> None:
    found, spx = day_of("&dte=0..5"), open_source(f"model:{DAILY}?dte=0..5").day(DAY)
    expiry, strike = date(2018, 3, 16), Decimal(round(float(spx.levels["SPX"][0]) / 10.0) * 10)
    ours = found.places()[Option("SPY", "SPY", expiry, strike / 10, Right.PUT)]
    theirs = spx.places()[Option("SPX", "SPXW", expiry, strike, Right.PUT)]
    ratio = float(found.levels["SPY"][0] / spx.levels["SPX"][0]) * 10.0
    assert 0.99 < ratio < 1.01
    assert np.allclose(found.iv[:, ours], spx.iv[:, theirs], rtol=0.04)  # the strike is a third of a percent nearer
    prices = np.concatenate([found.bid[~np.isnan(found.bid)], found.ask.ravel()])
    assert np.abs(np.rint(prices * 100.0) - prices * 100.0).max() < 1e-6


def test_no_option_is_worth_less_than_its_exercise() -> None:
    """With interest of five percent a put deep in the money is worth less than that, to somebody who must wait."""
    found = day_of("&dte=20..60")
    level = found.levels["SPY"][:, None]
    strikes = np.array([float(each.strike) for each in found.options])
    signs = np.array([1.0 if each.right is Right.CALL else -1.0 for each in found.options])
    middle = (np.nan_to_num(found.bid) + found.ask) / 2.0
    assert (middle - signs * (level - strikes)).min() > -0.02
    deep = (strikes > 1.2 * level[0]) & (signs < 0)
    assert deep.any()


def test_strikes_stay_that_the_market_has_left() -> None:
    """A put that is held to be assigned had no quotes in its last week, once the market was eight percent away."""
    found = day_of("&dte=0..2")
    strikes = [float(each) for each in found.strikes("SPY", "SPY", date(2018, 3, 16))]
    level = float(found.levels["SPY"][0])
    assert strikes[0] < 0.75 * level
    assert strikes[-1] > 1.3 * level
    assert set(np.diff([each for each in strikes if abs(each / level - 1.0) < 0.25])) == {1.0}


def test_what_is_listed_when() -> None:
    def days(day: date) -> set[str]:
        return {f"{each.last:%a}" for each in expiries(day, 0, 9, "SPY")}

    assert expiries(date(2005, 1, 7), 0, 60, "SPY") == ()
    assert [each.last for each in expiries(date(2005, 1, 10), 0, 60, "SPY")] == [date(2005, 1, 21), date(2005, 2, 18)]
    assert days(date(2018, 2, 15)) == {"Wed", "Fri"}
    assert days(date(2018, 2, 21)) == {"Mon", "Wed", "Fri"}
    assert days(date(2022, 11, 14)) == {"Mon", "Tue", "Wed", "Thu", "Fri"}
    assert {each.trading_class for each in expiries(DAY, 0, 60, "SPY")} == {"SPY"}


def test_it_says_what_it_assumes_and_what_it_lacks(tmp_path: Path) -> None:
    assert source().name == "a model of SPY from daily bars of it, of SPX and the VIX"
    reported = [each.text for each in source().gaps(date(2004, 1, 2), DAY)]
    assert any(text.endswith("without early exercise") for text in reported)
    assert "no options on SPY are listed before 2005-01-10, since when they settle at the close" in reported
    for file in DAILY.glob("*.csv"):
        if not file.name.startswith("spy"):
            shutil.copy(file, tmp_path)
    with pytest.raises(StoreError, match="has no daily bars of SPY") as error:
        open_source(f"model:{tmp_path}?symbol=SPY")
    assert "spx_*.csv and vix_*.csv and spy_*.csv" in error.value.whole


def test_a_put_that_is_assigned_brings_shares_at_its_strike(tmp_path: Path) -> None:
    file, store = tmp_path / "sold.yaml", tmp_path / "x.db"
    file.write_text(SOLD, encoding="utf-8")
    options = BacktestOptions(
        opens=lambda: source("&step=30&dte=0..40"),
        data="x",
        first=date(2018, 11, 12),
        last=date(2018, 12, 14),
        store=store,
        fills=fill_model("mid"),
        calendar=load_calendar,
    )
    run_backtest(load_all_bots([str(file)], {}, None), options, lambda done, number, count: None)
    found = read_results(store, "x")
    (trade,) = found.trades
    assert trade.in_shares
    assert (trade.left or "").startswith("2018-12-14")
    strike, close = float(trade.structure.partition("p")[0]), bar(date(2018, 12, 14)).close
    assert float(trade.worth or 0) == pytest.approx(100.0 * (close - strike), abs=0.01)
    made = 100.0 * (abs(trade.entry or 0.0) + close - strike) - float(trade.commissions)
    assert float(trade.net) == pytest.approx(made, abs=0.02)
    assert float(found.profit) == pytest.approx(made, abs=0.02)
    assert any("ended in shares: 1 trade" in each for each in result_lines(found))
    assert not found.alarms


def test_what_options_cost_can_be_tried_lower() -> None:
    """Premiums of the model are too kind to who sells them, by up to a third: a bot can be tried at less."""
    usual, lower = day_of("&dte=2..9"), day_of("&dte=2..9&iv=90")
    assert lower.options == usual.options
    assert np.allclose(lower.iv, 0.9 * usual.iv, rtol=0.25)
    at_money = np.abs(np.array([float(each.strike) for each in usual.options]) - usual.levels["SPY"][0]) < 1.0
    assert np.allclose(lower.iv[0, at_money], 0.9 * usual.iv[0, at_money], rtol=0.01)
    assert (lower.ask <= usual.ask).mean() > 0.99
    assert (lower.levels["VIX"] == usual.levels["VIX"]).all()
    with pytest.raises(MisuseError, match="iv= is a whole number from 50 to 200"):
        source("&iv=0.9")

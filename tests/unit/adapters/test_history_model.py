"""The modelled market: paths keep to their bars, options to the volatility index, and it says that it is a model."""

import math
import re
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from rulebot.adapters.history.end_of_day import vix_of
from rulebot.adapters.history.modelled_source import BLOCK, QUOTED, ModelledDay, level_path
from rulebot.adapters.history.modelled_surface import expiries, index_over_money, ratio, third_friday
from rulebot.adapters.history.session import DailyBar, HistoryDay
from rulebot.adapters.sources import open_source
from rulebot.model.black_columns import normal
from rulebot.model.contract import Right
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.session import sessions

REAL = Path(__file__).parents[3] / "examples" / "data" / "daily"
FIRST, LAST = date(2014, 1, 2), date(2014, 6, 30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return half a year of daily bars of SPX, VIX and a rate, made by chance."""
    chance = np.random.default_rng(3)
    made = tmp_path_factory.mktemp("model")
    level, fear = 1850.0, 16.0
    spx, vix = ["date,open,high,low,close"], ["date,open,high,low,close"]
    for session in sessions(FIRST, LAST):
        opened, close = level * math.exp(chance.normal(0, 0.003)), level * math.exp(chance.normal(0, 0.008))
        high, low = max(opened, close) * 1.003, min(opened, close) * 0.996
        spx.append(f"{session.date},{opened:.2f},{high:.2f},{low:.2f},{close:.2f}")
        then = min(max(fear * math.exp(chance.normal(0, 0.06)), 10.5), 60.0)
        vix.append(f"{session.date},{fear:.2f},{max(fear, then) + 0.3:.2f},{min(fear, then) - 0.3:.2f},{then:.2f}")
        level, fear = close, then
    (made / "spx_daily.csv").write_text("\n".join(spx) + "\n")
    (made / "vix_daily.csv").write_text("\n".join(vix) + "\n")
    (made / "rates.txt").write_text("date,gs3m\n2013-12-31,1.0\n2014-03-31,2.0\n")
    return made


def day_of(folder: Path, day: date, more: str = "") -> HistoryDay:
    return open_source(f"model:{folder}{more}").day(day)


def test_it_says_that_it_is_a_model_and_what_it_assumes(folder: Path) -> None:
    source = open_source(f"model:{folder}")
    assert source.is_modelled
    assert source.name == "a model of SPX from daily bars and the VIX"
    reported = [each.text for each in source.gaps(FIRST, LAST)]
    assert "option prices are modelled, and so is the path of each day" in reported
    assert "there is no file of interest rates: 2.0% is taken" in reported
    assert len(source.dates(FIRST, LAST)) == sum(1 for _ in sessions(FIRST, LAST)) - 1


@pytest.mark.parametrize("seed", range(40))
def test_a_path_keeps_to_its_bar(seed: int) -> None:
    chance = np.random.default_rng(seed)
    opened, close = 1000.0, 1000.0 * math.exp(chance.normal(0, 0.02))
    high = max(opened, close) * (1 + abs(chance.normal(0, 0.01)) * (seed % 3 > 0))
    low = min(opened, close) * (1 - abs(chance.normal(0, 0.01)) * (seed % 5 > 0))
    bar = DailyBar(date(2014, 1, 2) + timedelta(days=seed), opened, high, low, close)
    path = level_path(bar, 390)
    assert path[-1] == close
    assert max(path.max(), opened) == pytest.approx(high)
    assert min(path.min(), opened) == pytest.approx(low)
    assert (level_path(bar, 390) == path).all()


def test_no_single_minute_is_a_crash_that_the_next_one_takes_back() -> None:
    """What little of a path lay beyond the close was stretched to the low: 3.2 % down and 2.9 % up, in two minutes."""
    for bar in open_source(f"model:{Path(__file__).parents[3] / 'examples' / 'data' / 'daily'}").daily(
        "SPX", date(2018, 3, 1), 200
    ):
        path = np.log(level_path(bar, 390))
        assert np.abs(np.diff(path)).max() < 0.3 * math.log(bar.high / bar.low)


def test_a_day_is_the_same_each_time_and_holds_its_bar(folder: Path) -> None:
    day, again = day_of(folder, date(2014, 3, 12)), day_of(folder, date(2014, 3, 12))
    bar = open_source(f"model:{folder}").daily("SPX", date(2014, 3, 13), 1)[0]
    assert bar.date == date(2014, 3, 12)
    assert (day.levels["SPX"] == again.levels["SPX"]).all()
    assert np.array_equal(day.bid, again.bid, equal_nan=True)
    assert day.levels["SPX"][-1] == bar.close
    assert bar.low <= day.levels["SPX"].min() <= day.levels["SPX"].max() <= bar.high
    assert day.settled == {("SPX", "SPXW"): bar.close, ("SPX", "SPX"): bar.open}


@pytest.mark.parametrize("symbol", ["spx", "vix"])
def test_a_day_without_an_open_is_refused(folder: Path, tmp_path: Path, symbol: str) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    file = tmp_path / f"{symbol}_daily.csv"
    lines = [re.sub(r"^(2014-03-12),[^,]*", r"\1,", line) for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(StoreError, match=f"there is no open of {symbol.upper()} on 2014-03-12"):
        day_of(tmp_path, date(2014, 3, 12))
    assert day_of(tmp_path, date(2014, 3, 13)).levels


def test_minutes_and_expiries_are_made_as_asked(folder: Path) -> None:
    day = day_of(folder, date(2014, 3, 14), "?step=1&dte=0")
    assert len(day.times) == 390
    assert {(option.trading_class, option.expiry) for option in day.options} == {("SPXW", date(2014, 3, 14))}
    assert len(day_of(folder, date(2014, 3, 14), "?step=30").times) == 14
    assert len(day_of(folder, date(2014, 3, 14)).times) == 79
    with pytest.raises(MisuseError, match="step= is a whole number from 1 to 390, is '0'"):
        day_of(folder, date(2014, 3, 14), "?step=0")
    with pytest.raises(MisuseError, match="dte= is a number of days or a range"):
        day_of(folder, date(2014, 3, 14), "?dte=9..2")


def test_options_that_are_asked_for_are_what_they_are_in_the_whole_chain(folder: Path) -> None:
    plain, day = replace(day_of(folder, date(2014, 3, 12))), day_of(folder, date(2014, 3, 12))
    assert isinstance(day, ModelledDay)
    assert type(plain) is HistoryDay
    chance, whole = np.random.default_rng(5), plain.columns()
    for _ in range(30):
        places = chance.choice(len(plain.options), chance.integers(0, 12), replace=False)
        columns, found = day.holding(places)
        assert list(columns) == list(QUOTED)
        for name, column in columns.items():
            assert column[:, found].tobytes() == whole[name][:, places].tobytes()
    for name, column in day.columns().items():
        assert column.tobytes() == whole[name].tobytes()


def test_no_more_options_are_made_than_those_of_the_strikes_around(folder: Path) -> None:
    day = day_of(folder, date(2014, 3, 12))
    columns, _ = day.holding(np.array([], dtype=np.intp))
    assert {column.shape for column in columns.values()} == {(79, 0)}
    columns, (place,) = day.holding(np.array([20]))
    assert {column.shape for column in columns.values()} == {(79, 2 * BLOCK)}
    again, (same,) = day.holding(np.array([20]))
    assert again["bid"] is columns["bid"]
    assert same == place


def test_a_modelled_session_knows_its_options_without_making_them(folder: Path) -> None:
    plain, day = replace(day_of(folder, date(2014, 3, 12))), day_of(folder, date(2014, 3, 12))
    places = plain.places()
    assert dict(day.places()) == places
    assert len(day.places()) == len(places) == len(plain.options) > 1000
    assert day.options == plain.options
    for option in plain.options[::97]:
        assert day.places()[option] == places[option]
        for other in (
            replace(option, strike=option.strike + 1),
            replace(option, strike=option.strike * 9),
            replace(option, symbol="SPY"),
            replace(option, trading_class="SPY"),
            replace(option, expiry=date(2014, 3, 11)),
        ):
            assert day.places().get(other) is None
    for each in ("SPX", "SPXW", "SPY"):
        assert day.expiries("SPX", each) == plain.expiries("SPX", each)
        assert day.expiries("SPY", each) == []
        for expiry in (*day.expiries("SPX", each), date(2014, 3, 11)):
            assert list(day.strikes("SPX", each, expiry)) == list(plain.strikes("SPX", each, expiry))
            assert list(day.strikes("SPY", each, expiry)) == []
    with pytest.raises(AttributeError, match="a session has no color"):
        _ = day.color  # type: ignore[attr-defined]


def test_the_index_of_the_modelled_chain_is_the_vix_it_was_made_from(folder: Path) -> None:
    source = open_source(f"model:{folder}")
    ratios = []
    for day in source.dates(FIRST, LAST)[::6]:
        made = source.day(day)
        if (found := vix_of(made, 0.02)) is not None:
            ratios.append(found / made.levels["VIX"][-1])
    assert len(ratios) >= 12
    assert abs(np.mean(ratios) - 1.0) < 0.01
    assert max(abs(each - 1.0) for each in ratios) < 0.03


def test_quotes_are_on_ticks_around_a_price_that_keeps_parity(folder: Path) -> None:
    day = day_of(folder, date(2014, 3, 12))
    assert (day.ask > np.nan_to_num(day.bid)).all()
    tick = np.where(day.ask < 3.0, 0.05, 0.10)
    assert np.allclose(day.ask / tick, np.round(day.ask / tick), atol=1e-6)
    mid = (np.nan_to_num(day.bid) + day.ask) / 2
    place = {option: number for number, option in enumerate(day.options)}
    at_money = [
        o for o in day.options if o.right is Right.CALL and abs(float(o.strike) / day.levels["SPX"][-1] - 1) < 0.02
    ]
    assert len(at_money) > 40
    for call in at_money:
        put = next(
            o for o in day.options if o == type(call)("SPX", call.trading_class, call.expiry, call.strike, Right.PUT)
        )
        years = (call.expiry - day.date).days / 365
        forward = float(call.strike) + mid[-1, place[call]] - mid[-1, place[put]]
        assert forward == pytest.approx(day.levels["SPX"][-1] * math.exp(0.002 * years), abs=0.6)


def test_rates_are_those_known_the_day_before(folder: Path) -> None:
    source = open_source(f"model:{folder}?rates={folder / 'rates.txt'}")
    rates = source.rates  # type: ignore[attr-defined]
    assert [rates.on(day) for day in (date(2014, 1, 2), date(2014, 3, 31), date(2014, 4, 1))] == [0.01, 0.01, 0.02]
    with pytest.raises(StoreError, match="rates have `date` and one of"):
        open_source(f"model:{folder}?rates={folder / 'spx_daily.csv'}")


def test_an_expiry_that_gives_way_to_a_holiday_is_listed_on_its_last_day_too() -> None:
    def today(day: date) -> bool:
        return ("SPXW", day) in {(each.trading_class, each.last) for each in expiries(day, 0, 0)}

    assert today(date(2018, 3, 29))  # a Thursday before Good Friday
    assert today(date(2018, 1, 16))  # a Tuesday after a Monday on which the exchange was closed
    assert not today(date(2018, 1, 18))
    for session in sessions(date(2018, 1, 1), date(2018, 12, 31)):
        far = expiries(session.date, 0, 9)
        for longest in (0, 1, 4):
            near = {each for each in far if (each.last - session.date).days <= longest}
            assert {*expiries(session.date, 0, longest)} == near


def test_monthly_and_weekly_expiries_are_those_of_their_time() -> None:
    assert third_friday(2014, 4) == date(2014, 4, 17)
    early = {(each.trading_class, each.last) for each in expiries(date(2004, 3, 1), 0, 30)}
    assert early == {("SPX", date(2004, 3, 18))}
    fridays = {each.last for each in expiries(date(2014, 4, 1), 0, 20) if each.trading_class == "SPXW"}
    assert fridays == {date(2014, 4, 4), date(2014, 4, 11), date(2014, 4, 17)}
    daily = {each.last for each in expiries(date(2024, 3, 4), 0, 4) if each.trading_class == "SPXW"}
    assert daily == {date(2024, 3, day) for day in (4, 5, 6, 7, 8)}


def test_third_fridays_that_settle_at_the_close_are_listed_for_months() -> None:
    """Of SPXW nothing was listed more than five weeks ahead: a bot that sells 45 days got 17."""

    def months_ahead(day: date) -> list[date]:
        return sorted(each.last for each in expiries(day, 40, 120) if each.trading_class == "SPXW")

    assert months_ahead(date(2018, 1, 2)) == [date(2018, 2, 16), date(2018, 3, 16), date(2018, 4, 20)]
    assert months_ahead(date(2014, 3, 3))[0] == date(2014, 4, 17)  # before Good Friday
    assert months_ahead(date(2011, 10, 3)) == []
    assert ("SPXW", date(2018, 2, 16)) in {
        (each.trading_class, each.last) for each in expiries(date(2018, 2, 16), 0, 0)
    }


@pytest.mark.parametrize(
    ("symbol", "sold", "until", "expiry"),
    [
        ("SPX", date(2008, 9, 22), date(2008, 10, 16), date(2008, 10, 16)),  # a quarter down
        ("SPY", date(2008, 9, 2), date(2008, 11, 20), date(2008, 11, 21)),  # two fifths down
        ("SPX", date(2018, 1, 2), date(2018, 2, 15), date(2018, 2, 15)),
    ],
)
def test_no_strike_goes_while_a_person_may_hold_it(symbol: str, sold: date, until: date, expiry: date) -> None:
    """What a crash left behind lost its quotes, soonest in its last week: exits saw nothing and closed nothing."""
    source = open_source(f"model:{REAL}?symbol={symbol}&step=390&dte=0..90")
    first = source.day(sold)
    level = float(first.levels[symbol][0])
    held = {each for each in first.strikes(symbol, symbol, expiry) if 0.8 < float(each) / level < 1.1}
    assert len(held) > 30
    for day in source.dates(sold, until):
        assert held <= {*source.day(day).strikes(symbol, symbol, expiry)}, day


def test_the_skew_is_one_at_the_money_and_lifts_the_index() -> None:
    z = np.array([-5.5, -2.25, 0.0, 1.25, 3.5])
    assert ratio(z, 30.0) == pytest.approx([2.38, 1.56, 1.0, 0.74, 1.25], abs=0.06)
    assert 1.05 < index_over_money(0.04, 30.0) < 1.25


def test_the_normal_distribution_is_exact() -> None:
    x = np.linspace(-12, 12, 4001)
    exact = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in x])
    assert np.abs(normal(x) - exact).max() < 1e-15
    low = x < -3
    assert np.abs(normal(x[low]) / exact[low] - 1).max() < 1e-6


def test_without_daily_bars_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="has no daily bars of SPX"):
        open_source(f"model:{tmp_path}")


def test_the_shipped_daily_bars_make_twenty_years() -> None:
    source = open_source(str(Path(__file__).parents[3] / "examples" / "data" / "daily"))
    assert source.is_modelled
    span = date(1999, 1, 4), date(2018, 12, 31)
    assert len(source.dates(*span)) == 5030
    reported = [each.text for each in source.gaps(*span)]
    assert "no data of 1999-12-31" in reported
    assert any("the exchange was closed on this day (33 rows" in text for text in reported)
    day = source.day(date(2008, 10, 10))
    assert (day.levels["SPX"][-1], day.levels["VIX"][-1]) == (899.22, 69.95)
    assert day.settled["SPX", "SPX"] == pytest.approx(868.0, abs=15)

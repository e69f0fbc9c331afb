"""Scenarios: what the shipped ones do, what a file may say, how a bad one is refused."""

import re
from datetime import time, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from twsim.market.load import load_market_file, read_bars, read_scenario, shipped_scenarios
from twsim.market.market import SimMarket
from twsim.market.scenario import Scenario, ScenarioError
from twsim.market.universe import UNDERLYING_BY_ID
from twsim.seams import ContractSearch
from twsim.sessions import session_after, session_before, session_from

from .market_day import DAY

SPX, SPY, VIX = 416904, 756733, 13455763


def market_of(name: str, seed: int = 7) -> SimMarket:
    return SimMarket(seed=seed, date=DAY, scenario=load_market_file(name))


def advance(market: SimMarket, *clock: int) -> SimMarket:
    market.advance(market._tape.session.at(time(*clock)))
    return market


def option(market: SimMarket, symbol: str, strike: float, right: str) -> int:
    return market.catalogue.search(ContractSearch(symbol=symbol, last_trade="20261021", strike=strike, right=right))[
        0
    ].con_id


def test_every_shipped_scenario_loads_and_says_what_it_is() -> None:
    names = shipped_scenarios()
    assert {"calm", "trend_up", "trend_down", "vix_spike", "dislocation", "whipsaw", "assignment_up"} <= set(names)
    assert all(load_market_file(name).about for name in names)
    assert all(load_market_file(name).name == name for name in names)


def test_every_shipped_scenario_is_documented() -> None:
    page = Path(__file__).parents[4] / "docs" / "market-scenarios.md"
    text = page.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in shipped_scenarios())


@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize("name", ["dislocation", "assignment_up"])
def test_dislocation_pays_four_hundred_for_three_minutes(name: str, seed: int) -> None:
    market = market_of(name, seed)
    for clock in ((9, 44, 15), (9, 45), (9, 46), (9, 47), (9, 47, 50)):
        assert parity_credit(advance(market, *clock)) >= 400.0
    assert parity_credit(advance(market, 9, 50)) < 400.0


def parity_credit(market: SimMarket) -> float:
    """Return dollars for buying one SPX call and selling ten SPY calls at the money, after 20 of commissions."""
    spx, spy = market.ticks((SPX, SPY)).last
    pair = option(market, "SPX", round(spx / 5.0) * 5.0, "C"), option(market, "SPY", round(spy), "C")
    quotes = market.ticks(pair)
    assert quotes.ask[0] - quotes.bid[0] <= 0.5
    assert quotes.ask[1] - quotes.bid[1] <= 0.05
    return float(1000.0 * quotes.bid[1] - 100.0 * quotes.ask[0] - 20.0)


def test_levels_go_where_the_scenarios_say() -> None:
    def move(name: str, symbol: str = "SPX") -> float:
        levels = market_of(name)._tape.levels(symbol)
        return float(levels[-1] - levels[0])

    assert abs(move("calm")) < 25.0
    assert move("trend_up") > 35.0
    assert move("trend_down") < -50.0
    spy = market_of("assignment_up")._tape.levels("SPY")
    assert spy[-1] > round(spy[900]) + 10.0
    spike = market_of("vix_spike")._tape.levels("VIX")
    assert spike.max() > 20.0
    assert spike.max() - spike[6000] > 3.0
    whip = market_of("whipsaw")._tape.levels("SPX")
    assert whip[7200] < whip[4500] - 30.0
    assert whip[13500] > whip[4500] + 30.0


def test_bad_quotes_glitch_for_one_second() -> None:
    market = market_of("bad_quotes")
    broken = option(market, "SPX", 6050.0, "C")
    asks = [advance(market, 11, 0, second).ticks((broken,)).ask[0] for second in (4, 5, 6)]
    assert asks[1] == 45.0
    assert asks[0] < 5.0
    assert asks[2] < 5.0


def test_bad_quotes_stand_still_go_missing_and_halt() -> None:
    market = market_of("bad_quotes")
    call = option(market, "SPX", 6010.0, "C")
    before = advance(market, 11, 30).ticks((call, SPX, SPY))
    during = advance(market, 11, 31, 59).ticks((call, SPX, SPY))
    assert during.ask[0] == before.ask[0]
    assert during.last[1] == before.last[1]
    assert during.last[2] != before.last[2]
    assert np.isnan(advance(market, 12, 1).ticks((VIX,)).last[0])
    assert market.stats(VIX).last is None
    wide = advance(market, 12, 31).ticks((call,))
    normal = advance(market, 12, 34).ticks((call,))
    assert wide.ask[0] - wide.bid[0] > 3.0 * (normal.ask[0] - normal.bid[0])
    assert advance(market, 13, 5).halted("SPX")
    assert np.isnan(market.ticks((call, SPY)).bid).all()
    assert not np.isnan(market.ticks((SPX,)).last[0])
    assert not advance(market, 13, 10).halted("SPX")


YESTERDAY = session_before(DAY)
BARS = """time,open,high,low,close,symbol
09:30,6000,6004,5998,6003,SPX
09:31,6003,6003,5990,5991,SPX
09:30,17.0,17.2,16.9,17.1,VIX
"""


def test_a_file_of_bars_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_text(BARS, encoding="utf-8")
    market = SimMarket(seed=1, date=DAY, scenario=load_market_file(path))
    advance(market, 9, 33)
    asked = {"bar_seconds": 60, "first": market._tape.session.open, "last": market.now}
    first, second, third, _ = market.bars(SPX, what="TRADES", **asked)
    assert first[1:5] == (6000.0, 6004.0, 5998.0, 6003.0)
    assert second[1:5] == (6003.0, 6003.0, 5990.0, 5991.0)
    assert third.close == 5991.0
    assert market.ticks((VIX,)).last[0] == 17.1
    assert market.stats(SPX).previous_close == 6000.0


def test_the_level_stands_where_bars_are_missing() -> None:
    """It slid to the next bar's open, so that a halt could be seen to end lower before it ended."""
    halted = "time,open,high,low,close\n09:30,6000,6001,5999,6000.5\n09:45,5800,5810,5790,5805\n"
    market = SimMarket(seed=1, date=DAY, scenario=read_bars(halted, "x.csv"))
    advance(market, 9, 46)
    asked = {"bar_seconds": 60, "first": market._tape.session.open, "last": market.now}
    first, *between, last, _ = market.bars(SPX, what="TRADES", **asked)
    assert first[1:5] == (6000.0, 6001.0, 5999.0, 6000.5)
    assert [each[1:5] for each in between] == [(6000.5,) * 4] * 14
    assert last[1:5] == (5800.0, 5810.0, 5790.0, 5805.0)


@pytest.mark.parametrize(
    "scenario",
    [
        read_scenario("market: 1\nstart: {spx: 6500, vix: 9}", "x.yaml"),
        read_bars(BARS + "09:30,590,591,589,590,SPY\n09:30,610,611,609,610,XSP\n09:30,15,15,15,15,VIX9D\n", "x.csv"),
    ],
    ids=["start", "bars"],
)
def test_the_days_before_end_at_the_close_that_a_market_file_says(scenario: Scenario) -> None:
    """The last day of SPY closed at a tenth of SPX, and what the file says stood a night's jump beside it."""
    market = SimMarket(seed=7, date=DAY, scenario=scenario)
    asked = {"bar_seconds": 86400, "first": market.now - timedelta(days=90), "last": market.now}
    for con_id, under in UNDERLYING_BY_ID.items():
        days = market.bars(con_id, what="TRADES", **asked)
        assert days[-1].close == market.stats(con_id).previous_close, under.symbol
        assert all(each.low <= min(each.open, each.close) <= max(each.open, each.close) <= each.high for each in days)
        minutes = market.bars(con_id, what="TRADES", **(asked | {"bar_seconds": 60, "first": YESTERDAY.open}))
        high, low = max(each.high for each in minutes), min(each.low for each in minutes)
        assert (high, low, minutes[-1].close) == (days[-1].high, days[-1].low, days[-1].close), under.symbol
        is_volatility = under.symbol.startswith("VIX")
        assert is_volatility or all(abs(each.close / last.close - 1.0) < 0.2 for last, each in pairwise(days))


@pytest.mark.parametrize(
    "text",
    [
        'jump: [{symbol: SPX, at: "10:00", points: -5000}]',
        'jump: [{symbol: SPX, at: "10:00", points: -7000}]',
        'jump: [{symbol: SPX, at: "10:00", points: 100000}]',
        'jump: [{symbol: VIX, at: "10:00", points: 30000}]',
        "start: {vix: 500}\nvolatility: {realised: 50, implied: 50}",
    ],
)
def test_a_market_beyond_all_that_ever_was_still_has_prices(text: str) -> None:
    """VIX came to thousands, and the gateway ended with a KeyError of the tables of early exercise."""
    market = SimMarket(seed=1, date=DAY, scenario=read_scenario(f"market: 1\n{text}", "x.yaml"))
    for session in (session_from(DAY), session_after(DAY)):
        for clock in (time(9, 31), time(10, 5), time(15, 59)):
            market.advance(session.at(clock))
            assert 8.0 <= market.ticks((VIX,)).last[0] <= 500.0
            for symbol in ("SPX", "SPY", "AAPL"):
                for option_class, settles in market.catalogue.listed(symbol)[-2:]:
                    options = market.catalogue.chain(option_class, settles)
                    reported = market.ticks(tuple(each.con_id for each in options))
                    for column in (reported.ask, reported.model, reported.iv, reported.delta):
                        assert np.isfinite(column).all()


def test_bars_with_a_zone_are_moved_to_exchange_time() -> None:
    """Those of UTC began at 14:30 as they were read, and the morning stood still."""
    text = re.sub(r"^09:(\d+)", r"2026-10-21T13:\1:00Z", BARS, flags=re.MULTILINE)
    assert text.count("2026-10-21T13:3") == 3
    assert {each.minutes[0] for each in read_bars(text, "x.csv").tapes.values()} == {0}
    assert read_bars(text, "x.csv").tapes == read_bars(BARS, "x.csv").tapes


@pytest.mark.parametrize("start", ["gap: -300", "spx: 5000, gap: 250"])
def test_a_gap_is_so_many_points_from_the_close_whatever_that_was(start: str) -> None:
    """It went by the log of 6000, of which 300 points were 292."""
    market = SimMarket(seed=7, date=DAY, scenario=read_scenario(f"market: 1\nstart: {{{start}}}", "x.yaml"))
    found = advance(market, 9, 30).stats(SPX)
    assert (found.open, found.previous_close) != (None, None)
    assert found.open - found.previous_close == pytest.approx(float(start.split()[-1]), abs=0.01)


@pytest.mark.parametrize(
    ("over", "ends"),
    [
        ("", time(10, 0, 1)),
        (", over: 90s", time(10, 1, 30)),
        (", over: 999m", time(16)),
        (f", over: {9**30}s", time(16)),
    ],
)
def test_a_jump_takes_its_time_and_ends_with_the_session(over: str, ends: time) -> None:
    (move,) = read_scenario(f'market: 1\njump: [{{symbol: SPX, at: "10:00", points: 1{over}}}]', "x.yaml").moves
    assert (move.span.first, move.span.last) == (time(10), ends)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1, 2", "x.yaml: is not YAML"),
        ("about: no version", "x.yaml: market: is missing or unknown; begin the file with `market: 1`"),
        ("market: 1\nspeed: 3", "x.yaml: speed: is not known here; use market, name"),
        ("market: 1\nstart: {spx: high}", "x.yaml: start.spx: is 'high'; write a number"),
        ("market: 1\nstart: {spx: 30000}", "x.yaml: start.spx: is 30000; write 17800 or less"),
        ("market: 1\nstart: {vix: .nan}", "x.yaml: start.vix: is nan; write a number"),
        ("market: 1\nstart: {spx: 5000, gap: -2501}", "x.yaml: start.gap: is -2501; write -2500 or more"),
        ("market: 1\nstart: {vix: 501}", "x.yaml: start.vix: is 501; write 500 or less"),
        ("market: 1\nvolatility: {realised: 51}", "x.yaml: volatility.realised: is 51; write 50 or less"),
        ("market: 1\nday: wild", "x.yaml: day: is 'wild'; use one of calm, trend, volatile, reversal"),
        ("market: 1\nhalt: {symbol: SPX}", "x.yaml: halt: is {'symbol': 'SPX'}; write a list"),
        ('market: 1\nhalt: [{symbol: GE, from: "10:00", until: "10:01"}]', "halt[1].symbol: is 'GE'; use one of SPX"),
        ('market: 1\nhalt: [{symbol: SPX, from: "9", until: "10:01"}]', "halt[1].from: is '9'; write exchange time"),
        ('market: 1\nhalt: [{symbol: SPX, from: "11:00", until: "10:01"}]', "halt[1].until: is 10:01:00; write a time"),
        ('market: 1\njump: [{symbol: SPX, at: "10:00"}]', "jump[1].points: is missing; write a number"),
        ('market: 1\njump: [{symbol: SPX, at: "18:00", points: 1}]', "jump[1].at: is '18:00'; the session is 09:30"),
        ('market: 1\nglitch: [{symbol: SPX, at: "10:00"}]', "glitch[1]: has neither bid nor ask"),
        ('market: 1\nglitch: [{symbol: SPX, at: "10:00", for: soon, bid: 1}]', "glitch[1].for: is 'soon'; write a dur"),
        ('market: 1\nwiden: [{symbol: SPX, from: "10:00", until: "10:05", times: 0}]', "times: is 0; write a number"),
    ],
)
def test_a_bad_scenario_is_refused_with_advice(text: str, says: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_scenario(text, "x.yaml")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time,open,high,low\n", "x.csv:1: close: no such column"),
        (
            "time,open,high,low,close\n09:30,1,2,0.5,3\n",
            "x.csv:2: open 1 and close 3 are not within low 0.5 and high 2",
        ),
        ("time,open,high,low,close\n09:30,1,2,,1\n", "x.csv:2: a price is missing"),
        ("time,open,high,low,close\n08:30,1,2,1,1\n", "x.csv:2: time: is '08:30'; bars start at 09:30"),
        ("time,open,high,low,close\nsoon,1,2,1,1\n", "x.csv:2: time: is 'soon'; write exchange time"),
        ("time,open,high,low,close\n09:31,1,2,1,1\n09:30,1,2,1,1\n", "x.csv: time: the bars of SPX are not in order"),
        ("time,open,high,low,close,symbol\n09:31,1,2,1,1,SPY\n", "x.csv: no bars of SPX"),
        ("time,open,high,low,close\n14:30Z,1,2,1,1\n", "x.csv:2: time: is '14:30Z'; bars start at 09:30"),
        (
            "time,open,high,low,close\n2026-10-21 09:30,1,2,1,1\n2026-10-22 09:31,1,2,1,1\n",
            "x.csv:3: time: the bars have the dates 2026-10-21 and 2026-10-22; write those of one session",
        ),
        (
            "time,open,high,low,close\n09:30,20000,20001,19999,20000\n",
            "x.csv:2: high: is 20001; options of SPX have strikes for levels up to 17800",
        ),
        ('time,open,high,low,close\n"' + 20_000 * "09:31,1,2,1,1\n", "x.csv: is no CSV: field larger than field limit"),
    ],
)
def test_bad_bars_are_refused_with_advice(text: str, says: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_bars(text, "x.csv")
    assert says in str(caught.value)


def test_a_missing_file_lists_the_shipped_names(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"no such market file; .* one of assignment_up"):
        load_market_file(tmp_path / "nothing.yaml")
    other = tmp_path / "day.txt"
    other.write_text("", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"the ending is \.txt"):
        load_market_file(other)

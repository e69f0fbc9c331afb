"""Levels: determinism, days, nights, statistics, settlement, bars."""

import hashlib
from datetime import date, datetime, time, timedelta

import numpy as np
import pytest

from twsim.market.market import SimMarket
from twsim.market.path import SessionLevels
from twsim.market.session import MarketSession
from twsim.market.surface import Expiry, expiry_of
from twsim.seams import Bar, ContractSearch
from twsim.sessions import session_after, session_from, session_on

from .market_day import DAY, chain, market_at, spot_of


def tape(seed: int) -> SessionLevels:
    return SimMarket(seed=seed, date=DAY)._tape


@pytest.fixture(scope="module")
def tapes() -> list[SessionLevels]:
    return [tape(seed) for seed in range(1, 21)]


def digest(market: SimMarket) -> str:
    ids = tuple(each.con_id for each in chain(market, "SPX", "20261021", "SPXW"))[::9]
    found = hashlib.sha256()
    for step in range(0, 390, 15):
        market.advance(market._tape.session.open + timedelta(minutes=step))
        for column in market.ticks((416904, 756733, 265598, *ids)):
            found.update(column.tobytes())
    return found.hexdigest()


def test_the_same_seed_gives_the_same_day() -> None:
    assert digest(SimMarket(seed=3, date=DAY)) == digest(SimMarket(seed=3, date=DAY))
    assert digest(SimMarket(seed=3, date=DAY)) != digest(SimMarket(seed=4, date=DAY))


def test_a_level_does_not_depend_on_how_the_clock_came_there() -> None:
    stepped, jumped = SimMarket(seed=5, date=DAY), SimMarket(seed=5, date=DAY)
    target = datetime.fromisoformat("2026-10-23T15:04:05+00:00")
    at = stepped.now
    while at < target:
        at = min(at + timedelta(hours=1, seconds=7), target)
        stepped.advance(at)
        stepped.ticks((756733, 4391))
    jumped.advance(target)
    assert stepped.ticks((416904, 4391, 13455763)).last.tolist() == jumped.ticks((416904, 4391, 13455763)).last.tolist()


def test_the_clock_does_not_go_back() -> None:
    market = market_at(time(10))
    with pytest.raises(ValueError, match="cannot go back"):
        market.advance(market.now - timedelta(seconds=1))


def test_default_days_are_mostly_fit_to_trade(tapes: list[SessionLevels]) -> None:
    opens = [float(each.levels("VIX")[0]) for each in tapes]
    changes = [float(each.levels("VIX")[-1]) - each.previous["VIX"] for each in tapes]
    assert sum(13.9 <= each <= 20.0 for each in opens) >= 15
    assert sum(abs(each) <= 1.5 for each in changes) >= 16
    assert {each.character.name for each in tapes} == {"calm", "trend", "volatile", "reversal"}


def test_half_of_the_mornings_are_calm() -> None:
    calm = 0
    for seed in range(1, 21):
        market = SimMarket(seed=seed, date=DAY)
        high, low = market._tape.extremes("SPX")
        terms = market._floor.surface.terms(Expiry("SPX", DAY, False), 60)
        calm += high[7200] - low[7200] < 0.6 * terms.deviation * terms.spot
    assert 8 <= calm <= 16


def test_implied_exceeds_realised_on_most_seeds() -> None:
    richer = 0
    for seed in range(1, 21):
        market = SimMarket(seed=seed, date=DAY)
        closes = market._history.closes("SPX")[-21:]
        realised = np.std(np.diff(np.log(closes)), ddof=1) * np.sqrt(252.0)
        terms = market._floor.surface.terms(Expiry("SPX", DAY, False), 9000)
        richer += terms.deviation / np.sqrt(240.0 / 390.0 / 252.0) > realised
    assert richer >= 14


def test_spy_keeps_to_spx_and_vix_moves_against_it(tapes: list[SessionLevels]) -> None:
    correlations = []
    for each in tapes[:6]:
        ratio = each.levels("SPX") / each.levels("SPY")
        assert np.all((ratio > 10.0) & (ratio < 10.04))
        spx, vix = (np.diff(np.log(each.levels(symbol)[::900])) for symbol in ("SPX", "VIX"))
        correlations.append(np.corrcoef(spx, vix)[0, 1])
    assert np.mean(correlations) < -0.4


def test_statistics_follow_the_session() -> None:
    market = market_at(time(9, 30))
    seen = []
    for _ in range(40):
        market.advance(market.now + timedelta(seconds=30))
        seen.append(spot_of(market))
    stats = market.stats(416904)
    assert stats.open == market._tape.levels("SPX")[0]
    assert stats.high is not None
    assert stats.low is not None
    assert stats.low <= min(seen)
    assert stats.high >= max(seen)
    assert stats.last == seen[-1]
    option = chain(market, "SPX", "20261022", "SPXW")[250].con_id
    of_option = market.stats(option)
    assert of_option.low is not None
    assert of_option.high is not None
    assert of_option.low <= market.ticks((option,)).last[0] <= of_option.high
    assert of_option.previous_close is not None
    assert market.open_interest(option) > 0
    assert market.open_interest(416904) == 0


def test_open_interest_is_made_once_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    market, made = market_at(time(12)), []
    option = chain(market, "SPY", "20261120", "SPY")[100]
    first = market.open_interest(option.con_id)
    monkeypatch.setattr(MarketSession, "interests", lambda *asked: made.append(asked))
    assert market.open_interest(option.con_id) == first
    assert not made
    monkeypatch.undo()
    market.advance(session_after(DAY).at(time(12)))
    strike, con_id = np.array([option.strike]), np.array([option.con_id])
    assert market.open_interest(option.con_id) == market._floor.interests(expiry_of(option), strike, con_id)[0] != first


def test_totals_are_the_sums_over_the_options() -> None:
    market = market_at(time(12))
    options = market.catalogue.search(ContractSearch(symbol="WMT", sec_type="OPT"))
    totals = market.option_totals(13824)
    assert totals.call_open_interest == sum(market.open_interest(each.con_id) for each in options if each.right == "C")
    assert totals.put_open_interest == sum(market.open_interest(each.con_id) for each in options if each.right == "P")
    assert 0 < totals.put_volume < market.option_totals(756733).put_volume
    assert market.option_totals(13455763) == (0, 0, 0, 0)


def test_a_monthly_expiry_that_a_holiday_brings_forward_is_a_monthly_one() -> None:
    """The third Friday of April 2025 is Good Friday; its options had the open interest of a week's."""
    market = market_at(time(12), day=date(2025, 4, 14))
    spot = spot_of(market, 756733)

    def busiest(last_trade: str) -> int:
        options = chain(market, "SPY", last_trade)
        return max(market.open_interest(each.con_id) for each in options if abs(each.strike / spot - 1.0) < 0.01)

    assert busiest("20250417") > 2 * max(busiest("20250416"), busiest("20250421"))


def test_a_night_moves_prices_and_history_remembers_the_day() -> None:
    market = market_at(time(15, 59))
    close = float(market._tape.levels("SPX")[-1])
    market.advance(market._tape.session.close)
    assert market.settlement(416904, DAY) == close
    after = session_on(date(2026, 10, 22))
    assert after is not None
    market.advance(after.at(time(8)))
    assert market.stats(416904) == (None, None, None, None, close, 0)
    market.advance(after.open)
    assert 0.0 < abs(spot_of(market) / close - 1.0) < 0.02
    assert market.settlement(416904, DAY) == close
    assert market.settlement(416904, after.date) is None


@pytest.mark.parametrize("day", [DAY, date(2026, 11, 25)])
def test_an_option_closed_where_it_was_quoted_last(day: date) -> None:
    """Also before a half day: its close was reckoned in the morning, as of a day that had less left to move in."""
    market = market_at(time(15, 59, 59), day=day)
    expiry = session_after(day).date
    options = [
        *chain(market, "SPX", f"{expiry:%Y%m%d}", "SPXW"),
        *chain(market, "SPX", "20261217", "SPX"),
        *chain(market, "SPY", "20270115"),
    ]
    model = market.ticks(tuple(each.con_id for each in options)).model
    market.advance(session_after(day).at(time(9)))
    closes = np.array([market.stats(each.con_id).previous_close for each in options])
    assert np.max(np.abs(closes - model)) < 0.5
    worthless = model < 0.005
    assert 0 < worthless.sum() < model.size
    assert np.all(closes[worthless] < 0.02)


def test_am_settlement_is_the_opening_print() -> None:
    market = SimMarket(seed=7, date=date(2026, 11, 19))
    option = chain(market, "SPX", "20261119", "SPX")[200]
    friday = session_on(date(2026, 11, 20))
    assert friday is not None
    market.advance(friday.open - timedelta(minutes=1))
    assert market.settlement(option.con_id, friday.date) is None
    market.advance(friday.open)
    assert market.settlement(option.con_id, friday.date) == spot_of(market)
    assert np.isnan(market.ticks((option.con_id,)).ask[0])


def daily(market: SimMarket, con_id: int, what: str = "TRADES", days: int = 365) -> list[tuple[object, ...]]:
    first = market.now - timedelta(days=days)
    return market.bars(con_id, what=what, bar_seconds=86400, first=first, last=market.now)  # type: ignore[return-value]


@pytest.mark.parametrize("con_id", [416904, 13455763, 756733, 265598])
def test_a_year_of_days_ends_where_the_run_starts(con_id: int) -> None:
    market = SimMarket(seed=7, date=DAY)
    bars = daily(market, con_id)
    assert 248 <= len(bars) <= 253
    assert bars[-1].close == market.stats(con_id).previous_close
    assert all(each.low <= min(each.open, each.close) <= max(each.open, each.close) <= each.high for each in bars)


def test_daily_implied_and_realised_volatility_cover_a_year() -> None:
    market = SimMarket(seed=7, date=DAY)
    implied = daily(market, 416904, "OPTION_IMPLIED_VOLATILITY")
    realised = daily(market, 416904, "HISTORICAL_VOLATILITY")
    assert len(implied) > 240
    assert len(realised) > 240
    assert 0.08 < implied[-1].close < 0.25
    assert 0.04 < realised[-1].close < 0.16


def test_bars_of_today_are_what_was_shown() -> None:
    market = market_at(time(9, 30))
    option = chain(market, "SPX", "20261021", "SPXW")[200].con_id
    shown = []
    for _ in range(30):
        quotes = market.ticks((option, 416904))
        shown.append((round((quotes.bid[0] + quotes.ask[0]) / 2.0, 4), quotes.last[1]))
        market.advance(market.now + timedelta(minutes=1))
    first = market._tape.session.open
    asked = {"bar_seconds": 60, "first": first, "last": market.now - timedelta(seconds=1)}
    middles = market.bars(option, what="MIDPOINT", **asked)
    trades = market.bars(416904, what="TRADES", **asked)
    assert [(mid.open, trade.open) for mid, trade in zip(middles, trades, strict=True)] == shown
    both = market.bars(option, what="BID_ASK", **asked)
    assert all(each.low < each.high for each in both)


def test_bars_of_a_share_are_its_quotes() -> None:
    market = market_at(time(9, 30))
    shown = []
    for _ in range(20):
        quotes = market.ticks((756733,))
        shown.append((quotes.bid[0], quotes.ask[0]))
        market.advance(market.now + timedelta(minutes=1))
    asked = {
        "bar_seconds": 60,
        "first": market._tape.session.open,
        "last": market.now - timedelta(seconds=1),
    }
    bids, asks = (market.bars(756733, what=what, **asked) for what in ("BID", "ASK"))
    assert [(bid.open, ask.open) for bid, ask in zip(bids, asks, strict=True)] == shown


def test_bars_hold_nothing_of_the_future() -> None:
    market = market_at(time(11, 2, 30))
    until = market.now + timedelta(days=2)
    bars = market.bars(416904, what="TRADES", bar_seconds=300, first=market.now - timedelta(hours=3), last=until)
    assert bars[-1].at == market._tape.session.at(time(11))
    assert bars[-1].close == spot_of(market)
    hours = market.bars(756733, what="TRADES", bar_seconds=3600, first=market.now - timedelta(hours=3), last=until)
    assert [each.at.astimezone(market.now.tzinfo).strftime("%H:%M") for each in hours] == ["13:30", "14:00", "15:00"]  # type: ignore[union-attr]


def test_past_days_have_minutes_that_fit_their_daily_bar() -> None:
    market = market_at(time(9, 31))
    bars = market.bars(416904, what="TRADES", bar_seconds=60, first=market.now - timedelta(days=2), last=market.now)
    day = daily(market, 416904)[-2]
    minutes = [each for each in bars if each.at.date() == day.at]  # type: ignore[union-attr]
    assert len(minutes) == 390
    assert (minutes[0].open, minutes[-1].close) == (day.open, day.close)
    assert max(each.high for each in minutes) == day.high
    assert min(each.low for each in minutes) == day.low


def test_earnings_come_once_a_quarter() -> None:
    market = SimMarket(seed=1, date=DAY)
    found = market.earnings("AAPL")
    assert found == SimMarket(seed=2, date=DAY).earnings("AAPL")
    gaps = np.diff([each.toordinal() for each in found])
    assert np.all((gaps > 80) & (gaps < 105))
    assert found[0] < DAY < found[-1]
    assert market.earnings("SPX") == market.earnings("XLE") == ()


def test_a_day_of_the_run_stays_as_it_was_once_it_has_closed() -> None:
    """Also when more days have passed than are kept: their minutes were drawn anew, as of days before the run."""
    market = SimMarket(seed=7, date=DAY)
    session = session_from(DAY)

    def reported() -> list[list[Bar]]:
        reach = {"first": session.open, "last": session.close}
        kinds = [(each, size) for each in (416904, 756733, 13455763) for size in (60, 86400)]
        return [market.bars(each, what="TRADES", bar_seconds=size, **reach) for each, size in kinds]

    market.advance(session.close)
    simulated = reported()
    assert [len(each) for each in simulated] == [390, 1] * 3
    assert simulated[3][0].volume == market.stats(756733).volume
    for days in (1, 6):
        market.advance(session_from(DAY + timedelta(days=days)).open)
        assert reported() == simulated


def test_bars_of_an_option_end_with_what_is_quoted_now() -> None:
    market = market_at(time(10, 0, 7))
    put = market.catalogue.search(ContractSearch(symbol="SPX", last_trade="20261021", strike=5950.0, right="P"))[0]
    ticks = market.ticks((put.con_id,))
    reach = {"first": market._tape.session.open, "last": market._tape.session.close}
    shown = {
        "MIDPOINT": (ticks.bid[0] + ticks.ask[0]) / 2,
        "BID": ticks.bid[0],
        "ASK": ticks.ask[0],
        "TRADES": ticks.last[0],
    }
    for what, now in shown.items():
        found = market.bars(put.con_id, what=what, bar_seconds=60, **reach)
        assert (len(found), found[-1].at) == (31, market._tape.session.at(time(10)))
        assert found[-1].close == pytest.approx(now)


def test_a_morning_settled_option_is_listed_no_more_on_the_day_it_settles() -> None:
    expiries = market_at(time(10), day=date(2026, 10, 16)).catalogue.option_params(416904)[0].expiries
    assert expiries[0] == date(2026, 11, 19)

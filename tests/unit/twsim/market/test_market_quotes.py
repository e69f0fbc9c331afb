"""Quotes: level, shape, width, determinism."""

import warnings
from datetime import date, time, timedelta

import numpy as np
import pytest

from twsim.market.market import SimMarket
from twsim.market.path import all_fractions, fractions, scramble, seeded
from twsim.market.surface import Expiry, Surface
from twsim.sessions import session_after

from .market_day import DAY, chain, market_at, near, spot_of

CLOCKS = (time(9, 30), time(9, 35), time(10, 30), time(12), time(14), time(15, 30), time(15, 58))
STRADDLES = {
    time(9, 35): 0.51,
    time(10): 0.48,
    time(10, 30): 0.43,
    time(11): 0.40,
    time(12): 0.36,
    time(13): 0.32,
    time(14): 0.26,
    time(15): 0.20,
    time(15, 30): 0.16,
}
EXPIRIES = (
    ("SPY", "20270115", "SPY"),
    ("SPX", "20261021", "SPXW"),
    ("SPX", "20261218", "SPXW"),
    ("SPY", "20261021", "SPY"),
    ("AAPL", "20261120", "AAPL"),
)


def test_straddles_are_those_of_real_same_day_chains() -> None:
    """Mean over seeds, as a percentage of spot at VIX 16, within 4 %."""
    found = {clock: [] for clock in STRADDLES}
    for seed in range(1, 21):
        market = SimMarket(seed=seed, date=DAY)
        surface: Surface = market._floor.surface
        tape = market._tape
        vix = tape.vix_smooth[0]
        for clock, values in found.items():
            terms = surface.terms(Expiry("SPX", DAY, False), tape.second(tape.session.at(clock)))
            values.append(100.0 * terms.deviation * np.sqrt(2 / np.pi) * 16.0 / vix)
    for clock, target in STRADDLES.items():
        assert np.mean(found[clock]) == pytest.approx(target, rel=0.04), clock


def test_the_straddle_on_the_screen_is_the_same() -> None:
    market = market_at(time(10))
    spot = spot_of(market)
    options = chain(market, "SPX", "20261021", "SPXW")
    strike = min((each.strike for each in options), key=lambda each: abs(each - spot))
    pair = tuple(each.con_id for each in options if each.strike == strike)
    quotes = market.ticks(pair)
    straddle = float(np.sum(quotes.bid + quotes.ask)) / 2.0 / spot * 100.0
    assert 0.40 < straddle * 16.0 / spot_of(market, 13455763) < 0.56
    width = quotes.ask - quotes.bid
    assert np.all((width > 0.09) & (width < 0.31))


@pytest.mark.parametrize("clock", CLOCKS)
def test_no_quote_is_crossed_and_all_are_on_the_tick(clock: time) -> None:
    market = market_at(clock)
    for symbol, last_trade, name in EXPIRIES:
        quotes = market.ticks(tuple(each.con_id for each in chain(market, symbol, last_trade, name)))
        has_bid = ~np.isnan(quotes.bid)
        assert np.all(quotes.ask[has_bid] > quotes.bid[has_bid])
        assert np.all(quotes.ask > 0.0)
        assert np.all(quotes.bid[has_bid] > 0.0)
        assert np.array_equal(quotes.bid_size > 0.0, has_bid)
        if symbol == "SPX":
            for price in (quotes.bid[has_bid], quotes.ask):
                tick = np.where(price < 2.999, 0.05, 0.10)
                np.testing.assert_allclose(price / tick, np.rint(price / tick), atol=1e-6)


@pytest.mark.parametrize("clock", CLOCKS)
def test_parity_holds_near_the_money(clock: time) -> None:
    market = market_at(clock)
    for symbol, con_id, name, within in (("SPX", 416904, "SPXW", 0.16), ("SPY", 756733, "SPY", 0.03)):
        spot = spot_of(market, con_id)
        options = chain(market, symbol, "20261021", name)
        quotes = market.ticks(tuple(each.con_id for each in options))
        middle = (np.nan_to_num(quotes.bid) + quotes.ask) / 2.0
        half = len(options) // 2
        strikes = np.array([each.strike for each in options[:half]])
        gap = middle[:half] - middle[half:] - (spot - strikes)
        assert np.all(np.abs(gap[near(options[:half], spot, 0.006)]) < within)


@pytest.mark.parametrize("clock", CLOCKS)
def test_prices_fall_with_distance_and_no_butterfly_is_free(clock: time) -> None:
    market = market_at(clock)
    for symbol, last_trade, name in EXPIRIES:
        options = chain(market, symbol, last_trade, name)
        value = market.ticks(tuple(each.con_id for each in options)).model
        slack = 0.0005 if symbol == "SPX" else 0.005
        half = len(options) // 2
        strikes = np.array([each.strike for each in options[:half]])
        for side, sign in ((value[:half], -1.0), (value[half:], 1.0)):
            slope = np.diff(side) / np.diff(strikes)
            assert np.all(sign * slope > -0.0005)
            assert np.all(np.abs(slope) < 1.0 + slack)
            assert np.all(np.diff(slope) > -slack)


@pytest.mark.parametrize("clock", CLOCKS[:-1])
def test_quoted_middles_are_monotone_up_to_a_tick(clock: time) -> None:
    market = market_at(clock)
    options = chain(market, "SPX", "20261021", "SPXW")
    quotes = market.ticks(tuple(each.con_id for each in options))
    middle = (np.nan_to_num(quotes.bid) + quotes.ask) / 2.0
    half = len(options) // 2
    assert np.all(np.diff(middle[:half]) < 0.11)
    assert np.all(np.diff(middle[half:]) > -0.11)


def test_a_six_delta_condor_earns_a_plausible_credit() -> None:
    credits = []
    for seed in range(1, 11):
        market = market_at(time(9, 50), seed=seed)
        options = {(each.right, each.strike): each.con_id for each in chain(market, "SPX", "20261021", "SPXW")}
        quotes = market.ticks(tuple(options.values()))
        at = {key: row for row, key in enumerate(options)}
        put = min((key for key in at if key[0] == "P"), key=lambda key: abs(quotes.delta[at[key]] + 0.06))
        call = min((key for key in at if key[0] == "C"), key=lambda key: abs(quotes.delta[at[key]] - 0.06))
        middle = (quotes.bid + quotes.ask) / 2.0
        credits.append(
            middle[at[put]] - middle[at["P", put[1] - 10.0]] + middle[at[call]] - middle[at["C", call[1] + 10.0]]
        )
        assert spot_of(market) - put[1] >= 30.0
    assert 0.50 < np.median(credits) < 1.0
    assert sum(each >= 0.5 for each in credits) >= 8


def test_a_ninety_day_put_of_delta_15_costs_nearly_a_percent() -> None:
    market = market_at(time(9, 31))
    puts = [each for each in chain(market, "SPY", "20270115") if each.right == "P"]
    quotes = market.ticks(tuple(each.con_id for each in puts))
    row = int(np.argmin(np.abs(quotes.delta + 0.15)))
    assert 0.006 < quotes.model[row] / spot_of(market, 756733) < 0.0105
    assert quotes.ask[row] - quotes.bid[row] < 0.08


def test_american_puts_are_worth_at_least_exercise() -> None:
    market = market_at(time(11))
    spot = spot_of(market, 756733)
    puts = [each for each in chain(market, "SPY", "20270115") if each.right == "P"]
    quotes = market.ticks(tuple(each.con_id for each in puts))
    now = np.array([each.strike for each in puts]) - spot
    assert np.all(quotes.model >= now - 1e-9)
    assert np.all((quotes.delta <= 0.0) & (quotes.delta >= -1.0))
    assert np.all(np.diff(quotes.delta) < 0.012)
    is_exercised = quotes.model <= now + 0.0001
    assert 5 < is_exercised.sum() < 100
    assert np.all(quotes.delta[is_exercised] == -1.0)
    for each in (quotes.gamma, quotes.vega, quotes.theta):
        assert np.all(each[is_exercised] == 0.0)
        assert np.all(each[(quotes.delta < -0.2) & (quotes.delta > -0.8)] != 0.0)


@pytest.mark.parametrize("last_trade", ["20261120", "20270115", "20270617", "20281215"])
def test_deltas_of_american_puts_fall_with_the_strike_to_minus_one_and_no_further(last_trade: str) -> None:
    market = market_at(time(11))
    puts = [each for each in chain(market, "SPY", last_trade) if each.right == "P"]
    delta = market.ticks(tuple(each.con_id for each in puts)).delta
    assert delta[-1] == -1.0
    assert np.all(delta >= -1.0)
    assert np.all(np.diff(delta) <= 0.0001)


def test_options_reach_intrinsic_at_the_close() -> None:
    market = market_at(time(15, 59, 59))
    spot = spot_of(market)
    options = chain(market, "SPX", "20261021", "SPXW")
    value = market.ticks(tuple(each.con_id for each in options)).model
    strikes = np.array([each.strike for each in options])
    sign = np.array([1.0 if each.right == "C" else -1.0 for each in options])
    assert np.max(np.abs(value - np.maximum(sign * (spot - strikes), 0.0))) < 0.25


def test_neither_order_nor_company_matters() -> None:
    one, two = market_at(time(9, 30)), market_at(time(9, 30))
    options = tuple(each.con_id for each in chain(one, "SPX", "20261021", "SPXW"))[150:240]
    mixed = (756733, *options, 416904, 13455763)
    for step in range(1, 6):
        at = one.now + timedelta(minutes=step)
        one.advance(at)
        one.ticks((265598,))
        if step in (2, 5):
            two.advance(at)
            forth = one.ticks(mixed)
            back = two.ticks(mixed[::-1])
            for ours, theirs in zip(forth, back, strict=True):
                np.testing.assert_array_equal(ours, theirs[::-1])
            alone = two.ticks((options[7],))
            assert alone.bid[0] == forth.bid[8] or (np.isnan(alone.bid[0]) and np.isnan(forth.bid[8]))
            assert alone.ask[0] == forth.ask[8]


def test_nothing_is_quoted_outside_the_session() -> None:
    market = SimMarket(seed=7, date=DAY)
    option = chain(market, "SPX", "20261021", "SPXW")[200].con_id
    assert not market.is_open
    assert all(np.isnan(each).all() for each in (market.ticks((416904, option)).last, market.ticks((option,)).ask))
    assert market.stats(416904).previous_close is not None
    session = market._tape.session
    market.advance(session.close)
    assert not market.is_open
    after = market.ticks((416904, 756733, option))
    assert not np.isnan(after.last[:2]).any()
    assert np.isnan(after.ask).all()


def test_an_unknown_contract_is_nan() -> None:
    quotes = market_at(time(10)).ticks((424242, 416904))
    assert np.isnan(quotes.last[0])
    assert quotes.bid_size[0] == 0.0
    assert not np.isnan(quotes.last[1])


def test_a_half_day_closes_early_and_its_premium_shrinks_sooner() -> None:
    day = date(2026, 11, 27)
    early, late = market_at(time(9, 35), day=day), market_at(time(12, 59, 30), day=day)
    for market, least, most in ((early, 0.28, 0.48), (late, 0.0, 0.03)):
        terms = market._floor.surface.terms(Expiry("SPX", day, False), market._tape.second(market.now))
        vix = market._tape.vix_smooth[0]
        assert least < 100.0 * terms.deviation * 0.798 * 16.0 / vix < most
    late.advance(late._tape.session.close)
    assert not late.is_open
    assert late.settlement(416904, day) == spot_of(late)


def test_all_lanes_of_a_word_are_drawn_at_once() -> None:
    words = scramble(np.arange(5, dtype=np.uint64))
    drawn = all_fractions(words)
    assert drawn.shape == (4, 5)
    assert all((drawn[lane] == fractions(words, lane)).all() for lane in range(4))
    assert ((drawn >= 0.0) & (drawn < 1.0)).all()


@pytest.mark.parametrize("seed", [0, 7, 2**41, 2**63 - 1])
def test_words_of_every_seed_are_made_without_a_warning(seed: int) -> None:
    ids = np.array([0, 1, 2**31 - 1], dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = seeded(ids, seed, 0x1000003)
        market_at(time(10), seed=seed).stats(
            chain(SimMarket(seed=seed, date=DAY), "SPX", "20261021", "SPXW")[300].con_id
        )
    expected = np.array([(each + seed * 0x1000003) % 2**64 for each in ids.tolist()], dtype=np.uint64)
    np.testing.assert_array_equal(found, scramble(expected))


@pytest.mark.parametrize("day", [date(2026, 11, 25), DAY])
def test_the_night_before_a_half_day_takes_from_options_what_a_night_does(day: date) -> None:
    """The half day was priced as a whole one until its own morning: a straddle sold at the close was a third off."""
    following = session_after(day)
    kept = []
    for seed in range(1, 13):
        market = SimMarket(seed=seed, date=day)
        expiry, tape = Expiry("SPX", following.date, False), market._tape
        before = market._floor.surface.terms(expiry, tape.seconds).deviation / tape.vix_smooth[-1]
        market.advance(following.open)
        after = market._floor.surface.terms(expiry, 0).deviation / market._tape.vix_smooth[0]
        kept.append(after / before)
    assert 0.80 < np.mean(kept) < 0.96


def test_a_half_day_shortens_what_is_ahead_of_index_options_alone() -> None:
    surface = SimMarket(seed=7, date=DAY)._floor.surface
    eve, half, monday = (date(2026, 11, each) for each in (25, 27, 30))

    def added(symbol: str, first: date, last: date) -> float:
        one, two = (surface.terms(Expiry(symbol, each, False), 0).deviation ** 2 for each in (first, last))
        return two - one

    for symbol, part in (("SPX", 0.61), ("SPY", 0.61), ("AAPL", 1.0)):
        assert added(symbol, eve, half) / added(symbol, half, monday) == pytest.approx(part, rel=0.05), symbol


@pytest.mark.parametrize("symbol", ["AAPL", "NFLX"])
def test_all_reports_until_an_expiry_are_in_its_price(symbol: str) -> None:
    """Those of the next five quarters alone were: what ends later rose in the first night of each quarter."""
    market = SimMarket(seed=4, date=date(2026, 9, 30))
    expiry, tape = Expiry(symbol, date(2028, 6, 16), False), market._tape
    assert expiry.settles in [day for _, day in market.catalogue.listed(symbol)]
    before = market._floor.surface.terms(expiry, tape.seconds).deviation ** 2 / tape.vix_smooth[-1] ** 1.2
    market.advance(session_after(date(2026, 9, 30)).open)
    after = market._floor.surface.terms(expiry, 0).deviation ** 2 / market._tape.vix_smooth[0] ** 1.2
    assert 0.99 < after / before < 1.005

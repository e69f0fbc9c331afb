"""A market that is given: its quotes, its past and its settlement are what was given, and nothing else is known."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from math import isnan, nan

import numpy as np
import pytest

from twsim.market.replayed import FIRST_FREE_ID, Opening, ReplayedColumn, ReplayedDay, given_option, given_underlying
from twsim.market.replayed_market import ReplayedMarket
from twsim.nouns import Instrument
from twsim.seams import Bar, ContractSearch, OptionParams
from twsim.sessions import session_from

DAY = date(2026, 10, 21)
SESSION = session_from(DAY)
SPX = given_underlying("SPX", is_index=True)
SPY = given_underlying("SPY", is_index=False)
OTHER = replace(given_underlying("XYZ", is_index=False), con_id=FIRST_FREE_ID)
PUT, CALL = (
    given_option(SPX, trading_class="SPXW", expiry=DAY, strike=6000.0, right=right, con_id=con_id)
    for right, con_id in (("P", 7001), ("C", 7002))
)
FAR = given_option(SPX, trading_class="SPXW", expiry=DAY, strike=6100.0, right="C", con_id=7003)
CONTRACTS = (SPX, SPY, PUT, CALL, FAR, OTHER)

Entry = tuple[float, Instrument, dict[ReplayedColumn, float]]


def day(*entries: Entry, **changes: object) -> ReplayedDay:
    """Return a day of entries; their times are seconds after the open."""
    values = np.full((len(entries), len(ReplayedColumn)), nan)
    for row, (_, _, reported) in enumerate(entries):
        for column, value in reported.items():
            values[row, column] = value
    reported = {
        "day": DAY,
        "contracts": CONTRACTS,
        "at": np.array([SESSION.open.timestamp() + after for after, _, _ in entries]),
        "rows": np.array([CONTRACTS.index(each) for _, each, _ in entries], dtype=np.int64),
        "values": values,
        "classes": (OptionParams("SMART", SPX.con_id, "SPXW", 100, (DAY,), (6000.0, 6100.0)),),
    }
    return ReplayedDay(**(reported | changes))  # type: ignore[arg-type]


def level(after: float, price: float, found: Instrument = SPX, **more: float) -> Entry:
    return (
        after,
        found,
        {ReplayedColumn.LAST: price, **{ReplayedColumn[name.upper()]: value for name, value in more.items()}},
    )


def quote(after: float, found: Instrument, bid: float, ask: float, **more: float) -> Entry:
    sides = {
        ReplayedColumn.BID: bid,
        ReplayedColumn.ASK: ask,
        ReplayedColumn.BID_SIZE: 5.0,
        ReplayedColumn.ASK_SIZE: 8.0,
    }
    return after, found, sides | {ReplayedColumn[name.upper()]: value for name, value in more.items()}


def at(after: float) -> datetime:
    return SESSION.open + timedelta(seconds=after)


def test_quotes_are_those_given_up_to_now() -> None:
    greeks = {"iv": 0.15, "delta": -0.4, "gamma": 0.01, "vega": 1.2, "theta": -3.0, "model": 4.05}
    market = ReplayedMarket(day(level(0, 6010.5), quote(0, PUT, 4.0, 4.1, **greeks), quote(60, PUT, 4.2, 4.4)))
    market.advance(at(59))
    found = market.ticks((PUT.con_id, SPX.con_id))
    assert (found.bid[0], found.ask[0], found.bid_size[0], found.ask_size[0]) == (4.0, 4.1, 5, 8)
    assert [float(found[place][0]) for place in range(5, 12)] == [0.15, -0.4, 0.01, 1.2, -3.0, 4.05, 6010.5]
    assert (found.last[1], found.spot[1]) == (6010.5, 6010.5)
    assert isnan(found.bid[1])
    assert isnan(found.iv[1])
    market.advance(at(60))
    assert market.ticks((PUT.con_id,)).ask[0] == 4.4


def test_what_is_not_given_has_no_quote() -> None:
    market = ReplayedMarket(day(level(0, 6000.0), quote(5, PUT, 4.0, 4.1)))
    market.advance(at(1))
    for con_id in (PUT.con_id, CALL.con_id, 12345):
        found = market.ticks((con_id,))
        assert isnan(found.bid[0])
        assert found.bid_size[0] == 0
        assert isnan(found.delta[0])
    assert market.catalogue.by_id(12345) is None


def test_a_share_stands_in_the_middle_of_its_quote_until_it_trades() -> None:
    market = ReplayedMarket(day(quote(0, SPY, 599.0, 599.1), level(5, 599.2, SPY)))
    market.advance(at(0))
    assert market.ticks((SPY.con_id,)).spot[0] == pytest.approx(599.05)
    market.advance(at(5))
    assert market.ticks((SPY.con_id,)).spot[0] == 599.2


def test_time_continues_only_and_a_closed_day_is_refused() -> None:
    market = ReplayedMarket(day(level(0, 6000.0)))
    market.advance(at(10))
    assert market.is_open
    with pytest.raises(ValueError, match="cannot go back"):
        market.advance(at(9))
    market.advance(SESSION.close)
    assert not market.is_open
    with pytest.raises(ValueError, match="closed on 2026-10-24"):
        ReplayedMarket(replace(day(level(0, 6000.0)), day=date(2026, 10, 24)))


def test_statistics_fall_back_on_the_last_daily_close() -> None:
    closes = {"SPX": (Bar(date(2026, 10, 20), 1, 1, 1, 5990.0, 0, 1, 0),)}
    market = ReplayedMarket(day(level(0, 6000.0, open=6001.0, high=6002.0, low=5999.0), daily=closes))
    assert market.stats(SPX.con_id).previous_close == 5990.0
    market.advance(at(0))
    assert market.stats(SPX.con_id)[:4] == (6001.0, 6002.0, 5999.0, 6000.0)
    assert market.stats(99).last is None


def test_counts_are_those_given() -> None:
    market = ReplayedMarket(
        day(
            level(0, 6000.0, call_volume=11.0, put_volume=12.0, volume=3.0),
            quote(0, PUT, 4.0, 4.1, volume=40.0, open_interest=500.0),
        )
    )
    market.advance(at(0))
    assert (market.volume(PUT.con_id), market.open_interest(PUT.con_id)) == (40, 500)
    assert (market.volume(CALL.con_id), market.volume(SPX.con_id)) == (0, 0)
    assert market.option_totals(SPX.con_id)[:2] == (11, 12)


def test_halts_last_until_the_next_word() -> None:
    opened = SESSION.open.timestamp()
    halts = ((opened + 10, frozenset({"SPX"})), (opened + 20, frozenset[str]()))
    market = ReplayedMarket(day(level(0, 6000.0), halts=halts))
    for after, halted in ((9, False), (10, True), (19, True), (20, False)):
        market.advance(at(after))
        assert market.halted("SPX") is halted


# ---------------------------------------------------------------- bars


def bars(market: ReplayedMarket, con_id: int, what: str = "TRADES", seconds: int = 60) -> list[Bar]:
    first = SESSION.open - timedelta(days=400)
    return market.bars(con_id, what=what, bar_seconds=seconds, first=first, last=SESSION.close)


def test_minute_bars_are_made_of_what_was_quoted() -> None:
    market = ReplayedMarket(
        day(
            level(0, 6000.0, volume=10.0),
            level(20, 6004.0, volume=15.0),
            level(40, 5998.0, volume=25.0),
            level(61, 6001.0, volume=40.0),
            level(90, 6100.0, volume=90.0),
        )
    )
    market.advance(at(70))
    first, second = bars(market, SPX.con_id)
    assert (first.at, *first[1:6]) == (SESSION.open, 6000.0, 6004.0, 5998.0, 5998.0, 25)
    assert (second.at, *second[1:6]) == (at(60), 5998.0, 6001.0, 5998.0, 6001.0, 15)
    (today,) = bars(market, SPX.con_id, seconds=86400)
    assert (today.at, *today[1:5]) == (DAY, 6000.0, 6004.0, 5998.0, 6001.0)


def test_the_last_bars_are_the_same_when_they_alone_are_asked_for() -> None:
    moves = [level(each, 6000.0 + each % 70, volume=10.0 * each) for each in range(0, 600, 7)]
    market = ReplayedMarket(day(*moves))
    market.advance(at(590))
    whole = bars(market, SPX.con_id)
    for first, count in ((at(480), 2), (at(481), 1), (at(60), 9), (at(580), 0)):
        found = market.bars(SPX.con_id, what="TRADES", bar_seconds=60, first=first, last=SESSION.close)
        assert found == whole[len(whole) - count :]
    assert sum(each.volume for each in whole) == 5880


def test_bars_of_quotes_and_of_volatility() -> None:
    market = ReplayedMarket(
        day(quote(0, PUT, 4.0, 4.2), quote(30, PUT, nan, 4.0), level(0, 6000.0, iv=0.11), level(30, 6001.0, iv=0.12))
    )
    market.advance(at(59))
    (mid,) = bars(market, PUT.con_id, "MIDPOINT")
    assert mid[1:5] == (4.1, 4.1, 2.0, 2.0)  # no bid counts as 0
    (both,) = bars(market, PUT.con_id, "BID_ASK")
    assert both[1:5] == (2.0, 4.2, 0.0, 4.1)
    (implied,) = bars(market, SPX.con_id, "OPTION_IMPLIED_VOLATILITY")
    assert implied[1:5] == (0.11, 0.12, 0.11, 0.12)
    assert bars(market, SPX.con_id, "MIDPOINT") == []  # an index has no sides
    assert bars(market, CALL.con_id, "MIDPOINT") == []
    assert bars(market, PUT.con_id, "OPTION_IMPLIED_VOLATILITY") == []


def test_given_bars_stand_instead_of_made_ones_once_they_are_over() -> None:
    earlier = Bar(at(-86400), 1.0, 2.0, 0.5, 1.5, 7, 1.0, 1)
    reported = Bar(SESSION.open, 10.0, 20.0, 5.0, 15.0, 70, 10.0, 1)
    market = ReplayedMarket(day(level(0, 6000.0), intraday={("SPX", 60): (earlier, reported)}))
    market.advance(at(59))
    assert [each.close for each in bars(market, SPX.con_id)] == [1.5, 6000.0]
    market.advance(at(60))
    assert [each.close for each in bars(market, SPX.con_id)] == [1.5, 15.0, 6000.0]


def test_daily_bars_of_the_past() -> None:
    past = Bar(date(2026, 10, 20), 5980.0, 6000.0, 5970.0, 5990.0, 0, 5985.0, 0)
    implied = Bar(date(2026, 10, 20), 0.12, 0.12, 0.12, 0.12, 0, 0.12, 0)
    market = ReplayedMarket(day(level(0, 6000.0), daily={"SPX": (past,)}, implied={"SPX": (implied,)}))
    market.advance(at(0))
    assert [each.close for each in bars(market, SPX.con_id, seconds=86400)] == [5990.0, 6000.0]
    assert bars(market, SPX.con_id, "OPTION_IMPLIED_VOLATILITY", 86400) == [implied]
    assert bars(market, FAR.con_id, seconds=86400) == []


@pytest.mark.parametrize("is_streamed", [True, False])
def test_an_opening_move_of_which_only_the_sum_is_known(is_streamed: bool) -> None:
    """The pair at the money has it between them, whether the first minute is given or begins at the open alone."""
    first = level(0, 6010.0) if is_streamed else level(3600, 6060.0, open=6011.0)
    market = ReplayedMarket(day(first, openings=(Opening("SPX", "SPXW", DAY, 25.35),)))
    market.advance(at(59))
    assert bars(market, PUT.con_id, "MIDPOINT") == []
    market.advance(at(60))
    mids = [bars(market, each.con_id, "MIDPOINT") for each in (PUT, CALL)]
    assert [each.at for pair in mids for each in pair] == [SESSION.open] * 2
    assert sum(pair[0].close for pair in mids) == pytest.approx(25.35)
    assert bars(market, FAR.con_id, "MIDPOINT") == []
    assert bars(market, SPX.con_id)[0].close == (6010.0 if is_streamed else 6011.0)


# ---------------------------------------------------------------- the end of the day


def test_settlement_is_the_last_level_once_the_session_is_over() -> None:
    market = ReplayedMarket(day(level(0, 6000.0, open=6003.0), level(23390, 6021.5, open=6003.0)))
    market.advance(SESSION.close - timedelta(seconds=1))
    assert market.settlement(PUT.con_id, DAY) is None
    market.advance(SESSION.close)
    assert market.settlement(PUT.con_id, DAY) == 6021.5
    assert market.settlement(12345, DAY) is None


def test_settlement_of_a_day_that_was_not_heard_to_its_end_is_not_known() -> None:
    market = ReplayedMarket(day(level(0, 6000.0), (100, SPX, {})))
    market.advance(SESSION.close)
    assert market.settlement(PUT.con_id, DAY) is None


def test_am_settlement_is_the_open() -> None:
    monthly = given_option(SPX, trading_class="SPX", expiry=date(2026, 10, 20), strike=6000.0, right="P")
    assert monthly.settle_date == DAY
    contracts = (*CONTRACTS, monthly)
    market = ReplayedMarket(replace(day(level(0, 6000.0, open=6003.0)), contracts=contracts))
    market.advance(SESSION.open)
    assert market.settlement(monthly.con_id, DAY) == 6003.0


# ---------------------------------------------------------------- what is listed


def test_an_option_past_the_end_of_the_calendar_settles_on_the_weekday_after_its_last() -> None:
    reported = {"trading_class": "SPX", "strike": 6000.0, "right": "C", "con_id": 7004}
    far, near = (given_option(SPX, expiry=each, **reported) for each in (date(2030, 12, 19), date(2026, 12, 17)))
    assert (far.settle_date, far.local_symbol) == (date(2030, 12, 20), "SPX   301220C06000000")
    assert near.settle_date == date(2026, 12, 18)


def test_contracts_have_the_simulated_exchanges_numbers_where_it_has_one() -> None:
    assert SPX.con_id == 416904
    mine = given_option(SPY, trading_class="SPY", expiry=DAY, strike=600.0, right="C")
    assert mine.con_id > 0
    assert mine.local_symbol == "SPY   261021C00600000"
    assert given_option(SPY, trading_class="SPY", expiry=DAY, strike=600.25, right="C").con_id == 0
    assert given_option(OTHER, trading_class="XYZ", expiry=DAY, strike=20.0, right="C").con_id == 0


def test_the_catalogue_is_searched_by_each_field() -> None:
    found = ReplayedMarket(day(level(0, 6000.0))).catalogue
    assert found.search(ContractSearch(symbol="SPX", sec_type="OPT", strike=6000.0, right="PUT")) == [PUT]
    assert found.search(ContractSearch(symbol="SPX", last_trade="202610", right="C")) == [CALL, FAR]
    assert found.search(ContractSearch(symbol="SPX", last_trade="20261022")) == []
    assert found.search(ContractSearch(symbol="SPX", sec_type="IND")) == [SPX]
    assert found.search(ContractSearch(local_symbol=PUT.local_symbol)) == [PUT]
    assert [each.trading_class for each in found.option_params(SPX.con_id)] == ["SPXW"]
    assert found.option_params(SPY.con_id) == []
    assert set(found.symbols()) == {"SPX", "SPY", "XYZ"}

"""Greeks added up by underlying and in dollars, by hand."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from rulebot.measure.series import DAY
from rulebot.model.facts import Bar, Bars
from rulebot.narrate.snapshot import SymbolGreeks, added, in_dollars, spx_delta, totals
from rulebot.narrate.snapshot_of_state import LEAST_RETURNS, beta, with_beta
from rulebot.narrate.snapshot_of_store import greeks_of_mark

SPX = SymbolGreeks("SPX", delta=100.0, gamma=2.0, theta=-50.0, vega=30.0, price=6000.0, beta=1.0)
SPY = SymbolGreeks("SPY", delta=-1000.0, gamma=-20.0, theta=40.0, vega=-25.0, price=600.0, beta=1.0)


def bars(closes: list[float]) -> Bars:
    first = datetime(2026, 9, 1, 13, 30, tzinfo=UTC)
    found = tuple(
        Bar((first + timedelta(days=number)).timestamp(), close, close, close, close, 0.0, 0.0)
        for number, close in enumerate(closes)
    )
    return Bars(0.0, found)


def test_of_one_underlying_all_add_up() -> None:
    (found,) = added([SPX, SPX._replace(delta=-40.0, gamma=1.0)])
    assert totals([found]) == {"delta": 60.0, "gamma": 3.0, "theta": -100.0, "vega": 60.0}


def test_a_share_of_one_underlying_is_none_of_another() -> None:
    """A pair of 1 SPX and 10 SPY had a delta of -900: 100 of the one less 1000 of the other, which weigh a tenth."""
    found = added([SPY, SPX])
    assert [each.symbol for each in found] == ["SPX", "SPY"]
    assert totals(found) == {"delta": None, "gamma": None, "theta": -10.0, "vega": 5.0}
    assert in_dollars(found) == {
        "delta": 100.0 * 6000 - 1000 * 600, "gamma": 2.0 * 6000**2 / 100 - 20 * 600**2 / 100,
        "theta": -10.0, "vega": 5.0,
    }  # fmt: skip
    assert spx_delta(found, 6000.0) == 0.0


def test_what_is_not_known_is_said_to_be_missing() -> None:
    assert in_dollars([SPX, SPY._replace(price=None)])["delta"] is None
    assert spx_delta([SPX, SPY._replace(beta=None)], 6000.0) is None
    assert spx_delta([SPY], None) is None
    assert spx_delta([SPX], None) == 100.0, "by its own price"
    assert added([SPX, SPX._replace(theta=None)])[0].theta is None
    assert (totals([]), spx_delta([], None)) == ({"delta": 0.0, "gamma": 0.0, "theta": 0.0, "vega": 0.0}, 0.0)


def test_a_beta_is_of_the_daily_returns_that_both_have() -> None:
    index = [100.0]
    for number in range(LEAST_RETURNS):
        index.append(index[-1] * (1.01 if number % 2 else 0.995))
    twice = [50.0]
    for last, now in pairwise(index):
        twice.append(twice[-1] * (1 + 2 * (now / last - 1)))
    known = {("SPX", DAY): bars(index), ("AAPL", DAY): bars(twice)}
    assert with_beta(SPX._replace(symbol="AAPL"), known).beta == pytest.approx(2.0)
    assert with_beta(SPX, {}).beta == with_beta(SPY, {}).beta == 1.0
    assert with_beta(SPX._replace(symbol="QQQ"), known).beta is None
    days = {date(2026, 9, 1) + timedelta(days=number): close for number, close in enumerate(index)}
    assert beta(dict(list(days.items())[:LEAST_RETURNS]), days) is None, "too few"


def test_a_mark_of_a_pair_has_each_underlying_apart() -> None:
    pair = {
        "by_symbol": [{"symbol": "SPX", "delta": 0.5, "theta": -1.0, "spot": 6000.0}, {"symbol": "SPY", "delta": -5.0}]
    }
    spx, spy = greeks_of_mark(pair, "SPX/SPY", 2)
    assert (spx.symbol, spx.delta, spx.theta, spx.gamma, spx.price) == ("SPX", 100.0, -200.0, None, 6000.0)
    assert (spy.symbol, spy.delta, spy.price) == ("SPY", -1000.0, None)
    (alone,) = greeks_of_mark({"delta": 0.1, "spot": 600.0}, "SPY", 3)
    assert (alone.symbol, alone.delta, alone.price) == ("SPY", pytest.approx(30.0), 600.0)

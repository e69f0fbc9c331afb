"""The market of a test: which expiries are listed, and what a smile makes of its options."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from math import log, sqrt
from statistics import stdev

import pytest

from rulebot.documents.load_bots import load_all_bots
from rulebot.measure.series import DAY as DAY_LONG
from rulebot.model.contract import Option, Right
from rulebot.model.market import Board
from rulebot.model.session import LAST_YEAR, session_before, session_on
from rulebot.spec.files import shipped
from rulebot.spec.load import load_text
from rulebot.spec_tests.market import LEAST_VOLATILITY, Market, PastBars

DAY = date(2026, 11, 18)
NOON = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)


def market(text: str, day: date = DAY) -> Market:
    test = f"  - {{name: a, market: {{{text}}}, expect: [{{exits: stop}}]}}"
    loaded = load_text(f"rulebot_test: 1\nspec: a.yaml\ntests:\n{test}", "a.test.yaml")
    assert loaded.tests is not None, loaded.diagnostics
    session = session_on(day)
    assert session is not None
    found = Market(loaded.tests.trials[0].market, session, Board())
    found.minute = found.minute_of(NOON)
    return found


def put(strike: int, symbol: str = "SPX") -> Option:
    return Option(symbol, "SPXW" if symbol == "SPX" else symbol, DAY, Decimal(strike), Right.PUT)


def test_a_smile_is_added_to_the_volatility_of_its_underlying_alone() -> None:
    found = market('spx: 6000, iv: "12% +0.01x300", smile: {spx: {"-1%": 2, "1%": -20}}')
    assert found.volatility_of(put(6000)) == pytest.approx(0.135)
    assert found.volatility_of(put(5940)) == pytest.approx(0.155)
    assert found.volatility_of(put(5970)) == pytest.approx(0.145)
    assert found.volatility_of(put(5000)) == pytest.approx(0.155)
    assert found.volatility_of(put(6060)) == LEAST_VOLATILITY
    assert found.volatility_of(put(594, "SPY")) == pytest.approx(0.135)
    assert found.volatility("SPX", found.minute) == pytest.approx(0.135), "that of the underlying itself has no smile"
    assert found.worth(put(5940), NOON) > market("spx: 6000, iv: 13.5%").worth(put(5940), NOON)


@pytest.mark.parametrize("text", ['iv: unknown, smile: {spx: {"-1%": 2}}', 'spx: unknown, smile: {spx: {"-1%": 2}}'])
def test_a_smile_of_nothing_known_prices_nothing(text: str) -> None:
    worth = market(text).worth(put(5940), NOON)
    assert worth != worth


def test_what_is_listed_can_be_given() -> None:
    desk = load_all_bots([str(shipped("specs") / "spy_put_seller.yaml")], {}, None)
    plan = desk.bots["spy_put_seller"].plan
    (usual,) = market("spy: 600").listings(plan)
    assert usual.expiries[:2] == (DAY, date(2026, 11, 19))
    (given,) = market("expiries: {spy: [2027-02-19, 2027-01-15]}").listings(plan, [date(2026, 12, 31)])
    assert given.expiries == (date(2026, 12, 31), date(2027, 1, 15), date(2027, 2, 19))
    (other,) = market("expiries: {spx: [2027-02-19]}").listings(plan)
    assert other.expiries == usual.expiries


def test_at_the_end_of_the_calendar_what_is_listed_reaches_beyond_it() -> None:
    plan = load_all_bots([str(shipped("specs") / "spy_put_seller.yaml")], {}, None).bots["spy_put_seller"].plan
    last = session_before(date(LAST_YEAR + 1, 1, 1)).date
    (listed,) = market("spy: 600", last).listings(plan)
    assert listed.expiries[0] == last
    assert (listed.expiries[-1] - last).days > 190
    assert all(day.weekday() < 5 for day in listed.expiries)


@pytest.mark.parametrize("window", [10, 20, 21])
@pytest.mark.parametrize("rv", [9, 80])
def test_closes_have_the_realised_volatility_that_is_given(rv: int, window: int) -> None:
    closes = [bar.close for bar in PastBars(market(f"rv: {rv}%")).of("SPX", DAY_LONG, window + 1, 0.0).bars]
    returns = [log(later / earlier) for earlier, later in pairwise(closes)]
    assert len(returns) == window
    assert stdev(returns) * sqrt(252) == pytest.approx(rv / 100)


def test_the_last_of_the_days_before_is_the_previous_close() -> None:
    assert market('spx: 6050, days: {spx: "5700 +5x60"}').previous_close("SPX") == 6000
    given = market('spx: 6050, days: {spx: "5700 +5x60"}, previous_close: {spx: 5990}')
    assert given.previous_close("SPX") == 5990
    assert market("spx: 6050").previous_close("SPX") == 6050


def test_a_bar_that_has_ended_is_made_once() -> None:
    past = PastBars(market('spx: "6000 +1x30"'))
    opened = past.market.session.open.timestamp()
    early, late = (past.of("SPX", 300, 2, opened + minutes * 60.0).bars for minutes in (10, 15))
    assert (len(early), len(late)) == (4, 5)
    assert all(each is other for each, other in zip(early, late, strict=False))
    assert (late[4].at, late[4].open, late[4].close) == (opened + 600.0, 6010.0, 6015.0)

"""What realised volatility reads of the bars of a test: what the test says, by each estimator."""

from math import log, sqrt

import pytest
from test_trial_market import market

from rulebot.compile.plan import Call, Expiry, Quantity
from rulebot.measure.reading import Context, UnknownValue
from rulebot.measure.series import DAY
from rulebot.measure.view import View
from rulebot.measures.realised import rv
from rulebot.measures.registry import series_of
from rulebot.model.facts import Facts
from rulebot.spec.nouns import DteRule
from rulebot.spec_tests.market import PastBars


def volatility(past: PastBars, estimator: str, window: int, count: int = 0) -> object:
    """Return what a realised volatility reads of the bars of a test."""
    call = Call("rv", (("estimator", estimator), ("of", "SPX"), ("window", window)), Quantity.PERCENT)
    ((symbol, seconds), needed) = next(iter(series_of(call).items()))
    now = past.market.session.open.timestamp()
    found = past.of(symbol, seconds, max(count, needed), now)
    facts = Facts(bars={(symbol, seconds): found})
    context = Context(symbols=("SPX",), classes={}, expiry=Expiry(rule=DteRule.EXACT, days=(0,), path=()))
    view = View(now=now, session=past.market.session, board=past.market.board, facts=facts)
    reading = rv(call, context)(view)
    return reading.reason if isinstance(reading, UnknownValue) else reading


@pytest.mark.parametrize("window", [3, 10, 21])
@pytest.mark.parametrize("given", [9, 80])
@pytest.mark.parametrize("estimator", ["parkinson", "yang_zhang", "intraday"])
def test_every_estimator_reads_the_realised_volatility_that_is_given(estimator: str, given: int, window: int) -> None:
    past = PastBars(market(f"rv: {given}%"), frozenset({("SPX", estimator, window)}))
    assert volatility(past, estimator, window) == pytest.approx(given)
    other = PastBars(market(f"rv: {given}%"), frozenset({("SPX", estimator, window)}))
    assert volatility(other, estimator, window, count=200) == pytest.approx(given)  # where an average reads more bars


def test_estimators_of_one_bot_agree_and_its_closes_stay() -> None:
    three = frozenset({("SPX", "parkinson", 10), ("SPX", "yang_zhang", 20), ("SPX", "intraday", 5)})
    past = PastBars(market("rv: 12%"), three)
    for _, estimator, window in three:
        assert volatility(past, estimator, window) == pytest.approx(12)
    plain, shaped = (PastBars(market("rv: 12%"), each).of("SPX", DAY, 21, 0.0) for each in (frozenset(), three))
    assert [bar.close for bar in plain.bars] == [bar.close for bar in shaped.bars]
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in shaped.bars)


def test_two_sessions_have_the_volatility_of_yang_and_zhang() -> None:
    assert volatility(
        PastBars(market("rv: 9%"), frozenset({("SPX", "yang_zhang", 2)})), "yang_zhang", 2
    ) == pytest.approx(9)


def test_days_that_are_given_are_what_estimators_read() -> None:
    """A session goes straight from the close before to its own; of five minutes it makes its move over night."""
    text, step = 'days: {spx: "5700 +57x1 -57x1 +57x1 -57x1"}', log(5757 / 5700)
    past = PastBars(market(text), frozenset({("SPX", "parkinson", 4), ("SPX", "intraday", 4)}))
    assert volatility(past, "parkinson", 4) == pytest.approx(step / sqrt(4 * log(2)) * sqrt(252) * 100)
    assert volatility(past, "intraday", 4) == pytest.approx(step * sqrt(252) * 100)


def test_without_a_realised_volatility_bars_are_missing() -> None:
    past = PastBars(market("rv: unknown"), frozenset({("SPX", "parkinson", 4), ("SPX", "intraday", 4)}))
    assert volatility(past, "parkinson", 4) == "SPX: daily bars are missing"
    assert volatility(past, "intraday", 4) == "SPX: 5m bars of 0 sessions, 4 are needed and the close before them"

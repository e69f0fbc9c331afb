"""What data the measures of a bot ask for: bars and how many, ticks beside quotes, options that are no legs, bots."""

import pytest

from rulebot.compile.plan import Call, Needs, Quantity
from rulebot.measure.series import DAY
from rulebot.measures.bars import depth
from rulebot.measures.registry import series_of
from rulebot.model.contract import Right
from rulebot.model.market import Extra
from tests.unit.compile.document import CONDOR, changed, plan_of

WHEN = CONDOR[CONDOR.index("    - vix: {") : CONDOR.index("legs:")]


def needs(*conditions: str, require: str = "credit: {at_least: 0.50}") -> Needs:
    """Return what a bot needs with these conditions of entry."""
    text = "".join(f"    - {each}\n" for each in (*conditions, "{name: other, expected_move: {below: day_move}}"))
    whole = changed(WHEN, text)
    assert "    - credit: {at_least: 0.50}\n" in whole
    return plan_of(whole.replace("    - credit: {at_least: 0.50}\n", f"    - {require}\n")).needs


def test_each_measure_asks_for_its_bars_and_the_longest_wins() -> None:
    found = needs("sma: {window: 20, above: 5000}", "trend: {is: up}", "{name: short, sma: {window: 5, above: 5000}}")
    assert found.bars == {("SPX", DAY): 200}
    found = needs("ema: {window: 9, bars: 5m, above: 5000}", "rsi: {bars: 1m, above: 30}")
    assert found.bars == {("SPX", 300): 36, ("SPX", 60): 113}
    assert found.daily == {}


def test_realised_volatility_asks_for_closes_alone() -> None:
    found = needs("rv: {window: 30, below: 20%}")
    assert (found.daily, found.bars) == ({"SPX": 31}, {})


def test_estimators_of_realised_volatility_ask_for_their_bars() -> None:
    assert needs("rv: {estimator: parkinson, window: 30, below: 20%}").bars == {("SPX", DAY): 30}
    assert needs("rv: {estimator: yang_zhang, below: 20%}").bars == {("SPX", DAY): 21}
    found = needs("iv_over_rv: {estimator: intraday, window: 10, above: 1}")
    assert (found.daily, found.bars, found.today) == ({}, {("SPX", 300): 78 * 11 + 1}, frozenset())
    assert found.realised == {("SPX", "intraday", 10)}


def test_bars_of_today_are_those_that_anything_but_realised_volatility_reads() -> None:
    found = needs("rv: {estimator: intraday, window: 2, below: 20%}", "sma: {window: 9, bars: 5m, above: 5000}")
    assert (found.bars, found.today) == ({("SPX", 300): 235}, {("SPX", 300)})
    found = needs("rv: {estimator: yang_zhang, below: 20%}", "sma: {window: 50, above: 5000}", "vwap: {above: 5000}")
    assert found.bars == {("SPX", DAY): 50, ("SPX", 60): 0, ("SPY", 60): 0}
    assert found.today == {("SPX", 60), ("SPY", 60)}


def test_vwap_of_an_index_asks_for_its_etf_too_and_only_for_today() -> None:
    assert needs("vwap: {above: 5000}").bars == {("SPX", 60): 0, ("SPY", 60): 0}
    assert needs("opening_range: {first: 30m, is: formed}").bars == {("SPX", 60): 0}


@pytest.mark.parametrize(("symbol", "fund"), [("XSP", "SPY"), ("NDX", "QQQ"), ("RUT", "IWM")])
def test_vwap_of_another_index_asks_for_the_etf_on_it(symbol: str, fund: str) -> None:
    whole = changed(WHEN, "    - vwap: {above: 500}\n    - {name: other, expected_move: {below: day_move}}\n")
    found = plan_of(whole.replace("underlying: SPX", f"underlying: {symbol}")).needs
    assert found.bars == {(symbol, 60): 0, (fund, 60): 0}


def test_breadth_asks_for_symbols_that_the_bot_does_not_trade() -> None:
    found = needs("breadth: {of: [AAPL, MSFT], window: 20, above: 50%}")
    assert found.bars == {("AAPL", DAY): 20, ("MSFT", DAY): 20}
    assert found.symbols == ("SPX",)


@pytest.mark.parametrize(
    ("condition", "extra"),
    [("iv_rank: {above: 50}", Extra.IMPLIED), ("put_call_volume: {below: 2}", Extra.OPTION_VOLUME)],
)
def test_what_an_underlying_brings_beside_its_quote(condition: str, extra: Extra) -> None:
    found = needs(condition)
    assert found.extras == {("SPX", extra)}
    assert found.implied == (("SPX",) if extra is Extra.IMPLIED else ())


def test_what_options_bring_beside_their_quotes() -> None:
    assert needs("vix: {below: 20}").extras == frozenset()
    assert needs("vix: {below: 20}", require="open_interest: {at_least: 100}").extras == {("SPX", Extra.COUNTS)}


def test_skew_reads_a_put_and_a_call_at_25_delta() -> None:
    found = needs("skew: {above: 2%}").beside
    assert [(leg.symbol, leg.trading_class, leg.right) for leg in found] == [
        ("SPX", "SPXW", Right.PUT),
        ("SPX", "SPXW", Right.CALL),
    ]
    assert {str(leg.strike.target) for leg in found} == {"0.25"}


def test_crowding_asks_for_all_that_its_parts_read() -> None:
    found = needs("crowding: {above: 60}")
    assert found.extras == {("SPX", extra) for extra in (Extra.IMPLIED, Extra.OPTION_VOLUME, Extra.COUNTS)}
    assert found.implied == ("SPX",)
    assert found.beside == needs("skew: {above: 2%}").beside
    assert needs("{name: let, rsi: {above: heat}}".replace("heat", "crowding")).extras == found.extras


def test_bots_that_are_read() -> None:
    found = needs("bot: {called: put_lite, is: flat}", "not: {last_exit: {is: stop}}")
    assert found.bots == {"put_lite", "condor"}


def test_bars_that_are_asked_for_are_at_least_those_that_must_be_there() -> None:
    for measure in ("sma", "ema", "rsi", "adx"):
        for window in (2, 14, 400):
            asked, least = depth(measure, window)
            assert asked >= least >= window
    assert series_of(Call("vix", (), Quantity.LEVEL)) == {}

"""The crowding meter worked out by hand, part by part; and when it is unknown."""

from dataclasses import replace

import pytest

from rulebot.compile.plan import Call, Compare, Constant, Op, Quantity, Rule
from rulebot.evaluate.rules import compile_test
from rulebot.measure.reading import UnknownValue
from rulebot.measure.view import View
from rulebot.measures.crowding import WEIGHTS
from rulebot.model.contract import Right, Underlying
from rulebot.wording.condition import describe
from tests.unit.measures.market_view import CONTEXT, DAY, NAN, NOW, YEAR, option, quote, ranked, read


def market(
    now: float = 0.15, puts: float = 300.0, calls: float = 200.0, put_iv: float = 0.165, call_iv: float = 0.135
) -> View:
    """Return a view of which the parts are 50, 79.2, 20 and 25, unless it is changed."""
    at = ranked(now, YEAR)
    row = at.board.rows[Underlying("SPX")]
    at.board.put_volume[row], at.board.call_volume[row] = puts, calls
    for right, strike, iv in ((Right.PUT, 5955, put_iv), (Right.PUT, 5950, 0.9), (Right.CALL, 6045, call_iv),
                              (Right.CALL, 6040, 0.9)):  # fmt: skip
        row = quote(at.board, option(strike, right), 1.0, 1.1)
        sign = -1.0 if right is Right.PUT else 1.0
        at.board.delta[row] = sign * (0.25 if strike in (5955, 6045) else 0.2 if right is Right.PUT else 0.3)
        at.board.iv[row], at.board.model_at[row] = iv, NOW - 5.0
        at.board.volume[row], at.board.open_interest[row] = 50.0, 150.0
    return at


def crowding(at: View) -> float:
    found = read(at, "crowding")
    assert isinstance(found, float), found
    return found


def unknown(at: View) -> str:
    found = read(at, "crowding")
    assert isinstance(found, UnknownValue), found
    return found.reason


BASE = 0.4 * 50.0 + 0.2 * 79.2481 + 0.2 * 20.0 + 0.2 * 25.0


def test_the_weights_add_up() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)


def test_the_sum_of_its_parts() -> None:
    assert crowding(market()) == pytest.approx(BASE, abs=1e-3)


@pytest.mark.parametrize(("now", "part"), [(0.05, 0.0), (0.15, 50.0), (0.30, 100.0)])
def test_volatility_counts_by_its_percentile(now: float, part: float) -> None:
    assert crowding(market(now=now)) - BASE == pytest.approx(0.4 * (part - 50.0), abs=1e-3)


@pytest.mark.parametrize(
    ("puts", "part"), [(0.0, 0.0), (50.0, 0.0), (100.0, 0.0), (200.0, 50.0), (400.0, 100.0), (900.0, 100.0)]
)
def test_puts_count_by_how_many_times_calls_they_are(puts: float, part: float) -> None:
    assert crowding(market(puts=puts)) - BASE == pytest.approx(0.2 * (part - 79.2481), abs=1e-3)


@pytest.mark.parametrize(
    ("put_iv", "call_iv", "part"), [(0.15, 0.15, 0.0), (0.12, 0.15, 0.0), (0.18, 0.12, 40.0), (0.40, 0.10, 100.0)]
)
def test_skew_counts_as_a_part_of_the_mean(put_iv: float, call_iv: float, part: float) -> None:
    assert crowding(market(put_iv=put_iv, call_iv=call_iv)) - BASE == pytest.approx(0.2 * (part - 20.0), abs=1e-3)


def test_flow_is_what_is_traded_of_what_is_traded_and_open() -> None:
    busy, incomplete = market(), market()
    for at in (busy, incomplete):
        at.board.volume[at.board.rows[option(5955, Right.PUT)]] = 450.0
    assert crowding(busy) - BASE == pytest.approx(0.2 * (50.0 - 25.0), abs=1e-3)  # 600 traded, 600 open
    incomplete.board.open_interest[incomplete.board.rows[option(5955, Right.PUT)]] = NAN
    assert crowding(incomplete) - BASE == pytest.approx(0.0, abs=1e-3)  # 150 and 450: what lacks one count is left out


def test_it_stays_within_its_ends() -> None:
    least, most = market(0.05, 0.0, 200.0, 0.1, 0.2), market(0.9, 900.0, 100.0, 0.9, 0.1)
    for at, volume in ((least, 0.0), (most, 1e9)):
        for row in [at.board.rows[option(s, r)] for s, r in ((5955, Right.PUT), (5950, Right.PUT),
                                                             (6045, Right.CALL), (6040, Right.CALL))]:  # fmt: skip
            at.board.volume[row] = volume
    assert crowding(least) == 0.0
    assert crowding(most) == pytest.approx(100.0, abs=1e-3)


def test_with_a_part_unknown_the_whole_is_with_its_reason() -> None:
    young = market()
    young.facts = replace(young.facts, implied={"SPX": YEAR[:100]})
    assert unknown(young) == "volatility: SPX: 30-day volatility of 100 sessions, 200 are needed"
    assert unknown(market(puts=NAN)) == "puts: SPX: no put volume yet"
    assert unknown(market(calls=0.0)) == "puts: SPX: no call was traded yet"
    assert unknown(market(put_iv=NAN)) == f"skew: SPXW {DAY} puts: none around 25 delta are streamed"
    uncounted = market()
    for strike in (6040, 6045):
        uncounted.board.open_interest[uncounted.board.rows[option(strike, Right.CALL)]] = NAN
    assert unknown(uncounted) == f"flow: SPXW {DAY} calls: no volume yet"
    unlisted = market()
    unlisted.facts = replace(unlisted.facts, listings={})
    assert unknown(unlisted) == "SPX: SPXW expiries are not listed yet"


def test_why_shows_the_parts() -> None:
    call = Call("crowding", (("of", "SPX"),), Quantity.PLAIN)
    test = Compare(Op.ABOVE, call, (Constant(60.0, Quantity.PLAIN),))
    evaluation = compile_test(test, CONTEXT)(market())
    rule = Rule(name="crowding", test=test, text="above 60", quantity=Quantity.PLAIN, reads=frozenset(), path=())
    assert evaluation.truth is False
    assert describe(rule, evaluation).endswith("(volatility 50, puts 79, skew 20, flow 25)")

"""Ranks of volatility, counts of the legs, puts over calls and skew, each worked out by hand; and when unknown."""

import pytest

from rulebot.compile.plan import Call, Compare, Constant, Op, Quantity
from rulebot.evaluate.rules import compile_test
from rulebot.measure.reading import AtMost, UnknownValue
from rulebot.measure.view import View
from rulebot.model.contract import Right, Underlying
from tests.unit.measures.market_view import CONTEXT, NAN, NOW, YEAR, condor, option, quote, ranked, read, view


def unknown(reading: object) -> str:
    assert isinstance(reading, UnknownValue), reading
    return reading.reason


# ---------------------------------------------------------------- ranks


def test_rank_and_percentile_of_the_same_year_differ() -> None:
    spiked = (*(0.12 for _ in range(251)), 0.52)
    assert read(ranked(0.22, spiked), "iv_rank") == pytest.approx(25.0)
    assert read(ranked(0.22, spiked), "iv_percentile") == pytest.approx(100 * 251 / 252)
    assert read(ranked(0.15, YEAR), "iv_rank") == pytest.approx(50.0)
    assert read(ranked(0.15, YEAR), "iv_percentile") == 50.0


def test_now_counts_among_the_highest_and_the_lowest() -> None:
    assert read(ranked(0.30, YEAR), "iv_rank") == 100.0
    assert read(ranked(0.05, YEAR), "iv_rank") == 0.0
    assert read(ranked(0.30, YEAR), "iv_percentile") == 100.0


def test_only_the_last_252_sessions_count() -> None:
    assert read(ranked(0.15, (0.9, 0.01, *YEAR)), "iv_rank") == pytest.approx(50.0)


def test_ranks_without_their_data_are_unknown() -> None:
    assert unknown(read(ranked(0.15, YEAR[:199]), "iv_rank")) == (
        "SPX: 30-day volatility of 199 sessions, 200 are needed"
    )
    assert isinstance(read(ranked(0.15, YEAR[:200]), "iv_percentile"), float)
    assert unknown(read(ranked(NAN, YEAR), "iv_rank")) == "SPX: no 30-day volatility"
    assert unknown(read(ranked(0.12, (0.12,) * 252), "iv_rank")) == "30-day volatility has not moved"
    old = ranked(0.15, YEAR)
    old.board.model_at[old.board.rows[Underlying("SPX")]] = NOW - 901.0
    assert unknown(read(old, "iv_rank")) == "SPX: 30-day volatility: stale for 901 s"
    assert unknown(read(view(), "iv_rank")) == "SPX: 30-day volatility: no data yet"
    assert unknown(read(ranked(0.15, YEAR), "iv_rank", of="QQQ")) == "QQQ: not streamed"


# ---------------------------------------------------------------- counts


def held() -> View:
    """Return the condor with open interest 900, 800, 700, 600 and volumes a tenth of that."""
    at = condor(view())
    for leg, count in zip(at.legs, (900.0, 800.0, 700.0, 600.0), strict=True):
        at.board.open_interest[leg.row], at.board.volume[leg.row] = count, count / 10
    return at


def test_the_leg_with_the_fewest_stands_for_all() -> None:
    assert read(held(), "open_interest") == 600.0
    assert read(held(), "volume") == 60.0
    assert read(held(), "volume", of=("short_put", "long_put")) == 80.0


def test_what_known_legs_leave_is_at_most_their_fewest() -> None:
    at = held()
    at.board.open_interest[at.legs[3].row] = NAN
    assert read(at, "open_interest") == AtMost(700.0, "long_call: no open interest yet")
    at.board.frozen.add(at.legs[0].row)
    assert unknown(read(at, "open_interest", of=("short_put",))) == "short_put: not live data"
    at.board.alive_at = NOW - 16.0
    assert unknown(read(at, "volume", of=("long_put",))) == "long_put: no market data for 16 s"
    at.legs = ()
    assert unknown(read(at, "volume")) == "no such leg is open"


@pytest.mark.parametrize(
    ("op", "bounds", "truth"),
    [
        (Op.AT_LEAST, (701.0,), False),
        (Op.AT_LEAST, (700.0,), None),
        (Op.ABOVE, (700.0,), False),
        (Op.BELOW, (701.0,), True),
        (Op.BELOW, (700.0,), None),
        (Op.AT_MOST, (700.0,), True),
        (Op.BETWEEN, (701.0, 900.0), False),
        (Op.BETWEEN, (600.0, 900.0), None),
        (Op.OUTSIDE, (701.0, 900.0), True),
        (Op.OUTSIDE, (100.0, 900.0), None),
    ],
)
def test_known_legs_decide_what_the_unknown_cannot_change(
    op: Op, bounds: tuple[float, ...], truth: bool | None
) -> None:
    at = held()
    at.board.open_interest[at.legs[3].row] = NAN
    call = Call("open_interest", (("of", tuple(leg.name for leg in at.legs)),), Quantity.PLAIN)
    test = Compare(op, call, tuple(Constant(bound, Quantity.PLAIN) for bound in bounds))
    found = compile_test(test, CONTEXT)(at)
    assert found.truth is truth
    assert found.missing == ("" if truth is not None else "long_call: no open interest yet")


def test_puts_over_calls() -> None:
    at = view()
    row = at.board.rows[Underlying("SPX")]
    assert unknown(read(at, "put_call_volume")) == "SPX: no put volume yet"
    at.board.put_volume[row], at.board.call_volume[row] = 300.0, 0.0
    assert unknown(read(at, "put_call_volume")) == "SPX: no call was traded yet"
    at.board.call_volume[row] = 200.0
    assert read(at, "put_call_volume") == 1.5


def test_option_volume_adds_puts_and_calls() -> None:
    at = view()
    row = at.board.rows[Underlying("SPX")]
    at.board.put_volume[row], at.board.call_volume[row] = 300.0, 200.0
    assert read(at, "option_volume") == 500.0
    at.board.call_volume[row] = NAN
    assert unknown(read(at, "option_volume")) == "SPX: no call volume yet"


def test_volume_rank_counts_those_with_more_and_is_unknown_with_one_of_them() -> None:
    at = view()
    for symbol, count in (("SPX", 200.0), ("SPY", 900.0), ("VIX", 100.0)):
        row = at.board.rows[Underlying(symbol)]
        at.board.put_volume[row] = at.board.call_volume[row] = count
    among = ("SPY", "SPX", "VIX")
    assert read(at, "volume_rank", among=among) == 2.0
    assert read(at, "volume_rank", of="SPY", among=among) == 1.0
    assert read(at, "volume_rank", of="VIX", among=("SPY", "SPX")) == 3.0
    at.board.put_volume[at.board.rows[Underlying("VIX")]] = NAN
    assert unknown(read(at, "volume_rank", among=among)) == "VIX: no put volume yet"
    assert unknown(read(at, "volume_rank", among=("SPX", "QQQ"))) == "QQQ: not streamed"


def todays(puts: float, calls: float) -> View:
    """Return five strikes around spot that expire today, each with these contracts traded, and a tenth of that open."""
    at = view()
    nearest = 6000
    for right, count in ((Right.PUT, puts), (Right.CALL, calls)):
        for strike in range(nearest - 10, nearest + 11, 5):
            row = quote(at.board, option(strike, right), 1.0, 1.1)
            at.board.volume[row], at.board.open_interest[row] = count, count / 10
    return at


def test_imbalance_of_today_is_puts_less_calls_over_both() -> None:
    assert read(todays(300.0, 200.0), "put_call_imbalance", count="volume") == pytest.approx(0.2)
    assert read(todays(100.0, 300.0), "put_call_imbalance", count="open_interest") == pytest.approx(-0.5)


def test_imbalance_is_unknown_with_one_option_unknown_and_without_any_traded() -> None:
    at = todays(300.0, 200.0)
    at.board.volume[at.board.rows[option(6010, Right.CALL)]] = NAN
    assert unknown(read(at, "put_call_imbalance", count="volume")) == "SPXW 6010 call: no volume yet"
    assert (
        unknown(read(todays(0.0, 0.0), "put_call_imbalance", count="volume"))
        == "SPX: no option of today was counted yet"
    )
    assert unknown(read(view(), "put_call_imbalance", count="volume")) == "SPXW 5990 put: not streamed"


# ---------------------------------------------------------------- skew


def smile(at: View, points: dict[int, tuple[float, float]], right: Right) -> None:
    """Write options with their delta and volatility by strike."""
    for strike, (delta, iv) in points.items():
        row = quote(at.board, option(strike, right), 1.0, 1.1)
        at.board.delta[row], at.board.iv[row], at.board.model_at[row] = delta, iv, NOW - 5.0


def smiling() -> View:
    at = view()
    smile(at, {5950: (-0.20, 0.180), 5960: (-0.30, 0.160), 5900: (-0.05, 0.30)}, Right.PUT)
    smile(at, {6040: (0.27, 0.120), 6050: (0.23, 0.116), 6100: (0.04, 0.11)}, Right.CALL)
    return at


def test_skew_is_read_between_the_two_options_that_enclose_25_delta() -> None:
    assert read(smiling(), "skew") == pytest.approx((0.170 - 0.118) * 100)


def test_skew_of_an_option_at_25_delta_is_its_own() -> None:
    at = view()
    smile(at, {5955: (-0.25, 0.17), 5950: (-0.2, 0.9)}, Right.PUT)
    smile(at, {6045: (0.25, 0.12), 6040: (0.3, 0.9)}, Right.CALL)
    assert read(at, "skew") == pytest.approx(5.0)


def test_options_without_a_delta_leave_those_around_25_delta_as_they_are() -> None:
    """They broke the order of the others: skew was unknown, and with it crowding."""
    at = view()
    smile(at, {5950: (-0.20, 0.180), 5960: (-0.30, 0.160)}, Right.PUT)
    deltas = (0.46, NAN, 0.34, NAN, 0.23, 0.18, 0.13)
    smile(at, {6010 + 5 * place: (delta, 0.118) for place, delta in enumerate(deltas)}, Right.CALL)
    assert read(at, "skew") == pytest.approx((0.170 - 0.118) * 100)


def test_skew_without_both_sides_around_25_delta_is_unknown() -> None:
    lonely = view()
    smile(lonely, {5900: (-0.05, 0.3), 5990: (-0.45, 0.14)}, Right.PUT)
    assert unknown(read(lonely, "skew")) == "SPXW 2026-11-18 puts: none around 25 delta are streamed"
    stale = smiling()
    stale.board.model_at[stale.board.rows[option(6050, Right.CALL)]] = NOW - 301.0
    assert unknown(read(stale, "skew")) == "SPXW 2026-11-18 calls: none around 25 delta are streamed"
    blank = smiling()
    blank.board.delta[blank.board.rows[option(5950, Right.PUT)]] = NAN
    assert unknown(read(blank, "skew")) == "SPXW 2026-11-18 puts: none around 25 delta are streamed"

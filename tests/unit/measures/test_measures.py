"""Every measure against a value worked out by hand, and when it is unknown."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from math import log, pi, sqrt

import pytest

from rulebot.compile.plan import Call, Quantity
from rulebot.evaluate.measure import reader_of
from rulebot.measure.reading import AtLeast, UnknownValue
from rulebot.measure.view import Ledger, LegView, View
from rulebot.model.contract import Option, Right, Underlying
from tests.unit.measures.market_view import CONTEXT, DAY, NAN, NOW, condor, level, option, quote, read, view


def unknown(reading: object) -> str:
    assert isinstance(reading, UnknownValue), reading
    return reading.reason


def test_spot_is_the_last_of_an_index_and_the_midpoint_of_an_etf() -> None:
    assert read(view(), "spot") == 6000.0
    assert read(view(), "spot", of="SPY") == 600.0


def test_spot_of_an_etf_with_a_crossed_quote_is_its_last() -> None:
    at = view()
    quote(at.board, Underlying("SPY"), 601.0, 600.0)
    level(at.board, "SPY", 599.9)
    assert read(at, "spot", of="SPY") == 599.9


def test_a_stale_level_is_unknown_with_its_age() -> None:
    at = view()
    at.board.last_at[at.board.rows[Underlying("SPX")]] = NOW - 42.0
    at.board.last_at[at.board.rows[Underlying("VIX")]] = NOW - 200.0
    assert unknown(read(at, "spot")) == "SPX: stale for 42 s"
    assert unknown(read(at, "vix")) == "VIX: stale for 200 s"


def test_vix_may_be_quiet_for_longer_than_spot() -> None:
    at = view()
    at.board.last_at[at.board.rows[Underlying("VIX")]] = NOW - 170.0
    assert read(at, "vix") == 16.8


def test_a_silent_feed_makes_every_level_unknown() -> None:
    at = view()
    at.board.alive_at = NOW - 20.0
    assert unknown(read(at, "vix")) == "VIX: no market data for 20 s"


def test_frozen_data_is_unknown() -> None:
    at = view()
    at.board.frozen.add(at.board.rows[Underlying("SPX")])
    assert unknown(read(at, "spot")) == "SPX: not live data"


@pytest.mark.parametrize("name", ["vix9d", "vix1d", "vix3m"])
def test_the_family_of_vix(name: str) -> None:
    at = view()
    assert unknown(read(at, name)) == f"{name.upper()}: not streamed"
    level(at.board, name.upper(), 15.5)
    at.memo.clear()
    assert read(at, name) == 15.5


def test_vix_change_in_points_and_parts_since_close_and_open() -> None:
    assert read(view(), "vix_change") == 0.8
    assert read(view(), "vix_change", Quantity.FRACTION) == 0.05
    assert read(view(), "vix_change", since="open") == -0.2


def test_a_change_without_its_base_is_unknown() -> None:
    at = view()
    at.board.previous_close[at.board.rows[Underlying("VIX")]] = NAN
    assert unknown(read(at, "vix_change")) == "VIX: no previous close"


def test_move_gap_range_and_spike() -> None:
    assert read(view(), "move") == 10.0
    assert read(view(), "move", since="close") == 30.0
    assert read(view(), "gap") == 20.0
    assert read(view(), "gap", Quantity.FRACTION) == round(20 / 5970, 9)
    assert read(view(), "day_range") == 30.0
    assert read(view(), "vix_spike") == 2.0


def test_a_move_since_the_entry_is_from_the_spot_that_stands_with_the_position() -> None:
    at = condor(view())
    assert unknown(read(at, "move", since="entry")) == "SPX: its spot at the entry is not on record"
    assert at.held is not None
    at.held = at.held._replace(spot=6040.0)
    assert read(at, "move", since="entry") == -40.0
    assert read(at, "move", Quantity.FRACTION, since="entry") == round(6000 / 6040 - 1, 9)
    at.held = None
    assert isinstance(read(at, "move", since="entry"), UnknownValue)


def test_range_and_spike_and_gap_without_their_columns_are_unknown() -> None:
    at = view()
    row, vix = at.board.rows[Underlying("SPX")], at.board.rows[Underlying("VIX")]
    at.board.high[row] = at.board.open[row] = at.board.low[vix] = NAN
    for name in ("day_range", "gap", "move", "vix_spike"):
        assert isinstance(read(at, name), UnknownValue)


def test_ratio_of_both_and_of_one_that_lags() -> None:
    assert read(view(), "spx_spy_ratio") == 10.0
    at = view()
    at.board.last_at[at.board.rows[Underlying("SPX")]] = NOW - 5.0
    assert unknown(read(at, "spx_spy_ratio")) == "SPX: 4 s older than the other"


def test_a_quiet_quote_is_unchanged_and_may_be_older_in_the_ratio() -> None:
    at = view()
    at.board.quote_at[at.board.rows[Underlying("SPY")]] = NOW - 9.0
    assert read(at, "spx_spy_ratio") == 10.0


def test_expected_move_is_the_straddle_times_the_root_of_half_pi() -> None:
    assert read(view(), "expected_move") == pytest.approx(38.0 * sqrt(pi / 2))
    assert read(view(), "expected_move", asof="open") == 46.1


def test_expected_move_without_a_sound_straddle_is_unknown() -> None:
    at = view()
    quote(at.board, option(6000, Right.PUT), 18.1, 17.9)
    assert unknown(read(at, "expected_move")) == "SPXW 2026-11-18 6000: crossed"


@pytest.mark.parametrize("order", [1, -1])
def test_volatility_of_two_classes_is_that_of_the_leg_that_ends_first(order: int) -> None:
    at = view()
    back = Option("SPX", "SPX", date(2026, 12, 17), Decimal(6000), Right.CALL)
    front = option(6000, Right.CALL)
    row = quote(at.board, back, 60.0, 61.0)
    at.legs = (LegView("back", back, row, 1, 1), LegView("front", front, at.board.rows[front], -1, 1))[::order]
    assert read(at, "expected_move") == pytest.approx(38.0 * sqrt(pi / 2.0))
    assert read(at, "iv") == pytest.approx(13.68, abs=0.01)


def test_iv_by_the_forward_of_parity_and_expected_move_by_iv() -> None:
    at = view()
    quote(at.board, option(6000, Right.CALL), 18.9, 19.1)
    quote(at.board, option(6000, Right.PUT), 18.9, 19.1)
    years = 5.5 / 6.5 / 252
    found = read(at, "iv")
    assert isinstance(found, float)
    assert found == pytest.approx(19.0 / 6000 * sqrt(2 * pi) / sqrt(years) * 100, rel=1e-4)
    assert read(at, "expected_move", method="iv") == pytest.approx(19.0 * sqrt(2 * pi), rel=1e-4)


def test_rv_of_alternating_days_and_with_too_few() -> None:
    step = log(1.01)
    assert read(view(), "rv") == pytest.approx(step * sqrt(20 / 19) * sqrt(252) * 100)
    assert unknown(read(view(), "rv", window=30)) == "SPX: 21 daily closes in a row, 31 are needed"


def test_iv_over_rv_is_their_ratio() -> None:
    over, iv, rv = (read(view(), name) for name in ("iv_over_rv", "iv", "rv"))
    assert isinstance(over, float)
    assert isinstance(iv, float)
    assert isinstance(rv, float)
    assert over == iv / rv


def test_the_widest_quote_and_what_known_legs_leave() -> None:
    at = condor(view())
    assert read(at, "quote_width") == 0.2
    assert read(at, "quote_width", Quantity.FRACTION, of=("long_put",)) == 0.4
    at.board.ask[at.legs[1].row] = NAN
    found = read(at, "quote_width")
    assert found == AtLeast(0.2, "long_put: no ask")


def test_credit_before_the_fill_is_that_of_the_order() -> None:
    at = condor(view(), held=False)
    assert read(at, "credit") == 1.0
    assert read(at, "credit", Quantity.DOLLARS) == 194.8
    assert read(at, "credit", at="natural") == 0.6
    assert read(at, "debit", at="mid") == -1.0
    at.start_price = None
    assert isinstance(read(at, "credit"), UnknownValue)


def test_credit_after_the_fill_is_that_of_the_fills() -> None:
    at = condor(view())
    at.start_price = 3.0
    assert read(at, "credit") == 1.0


def test_max_risk_of_a_candidate_and_of_a_position() -> None:
    assert read(condor(view(), held=False), "max_risk") == 9.0
    assert read(condor(view()), "max_risk", Quantity.DOLLARS) == 9.0 * 200 + 2 * 4 * 2 * 1.63
    naked = condor(view(), held=False)
    naked.legs = naked.legs[2:3]
    assert unknown(read(naked, "max_risk")) == "its loss has no bound: nothing covers short_call"


def test_strike_dte_and_time_in_trade() -> None:
    at = condor(view())
    assert read(at, "strike", of=("short_put",)) == 5950.0
    assert read(at, "dte") == 0.0
    assert read(at, "time_in_trade") == 600.0
    assert at.held is not None
    for day, count in ((DAY, 0), (date(2026, 11, 17), 1), (date(2026, 11, 13), 3)):
        at.held = at.held._replace(opened_on=day)
        assert read(at, "sessions_in_trade") == count
    assert isinstance(read(view(), "dte"), UnknownValue)
    assert isinstance(read(view(), "time_in_trade"), UnknownValue)
    assert isinstance(read(view(), "strike", of=("short_put",)), UnknownValue)


def test_cost_and_value_at_mid_and_natural() -> None:
    at = condor(view())
    assert read(at, "cost") == 1.0
    assert read(at, "value") == -1.0
    assert read(at, "cost", at="natural") == 1.4


def test_a_long_leg_without_a_bid_counts_nothing_and_a_short_one_without_an_ask_is_unknown() -> None:
    at = condor(view())
    quote(at.board, at.legs[1].option, NAN, 0.05)
    assert read(at, "cost") == 1.5
    quote(at.board, at.legs[0].option, 0.9, NAN)
    at.memo.clear()
    assert unknown(read(at, "cost")) == "short_put: no ask"
    quote(at.board, at.legs[0].option, 0.9, 0.9)
    at.memo.clear()
    assert unknown(read(at, "cost")) == "short_put: locked"


def test_a_leg_without_a_bid_costs_its_ask_to_buy_and_half_of_it_at_mid() -> None:
    at = condor(view())
    quote(at.board, at.legs[0].option, NAN, 0.30)
    assert read(at, "cost") == 0.15
    assert read(at, "cost", at="natural") == 0.6
    opening = condor(view(), held=False)
    quote(opening.board, opening.legs[1].option, NAN, 0.05)
    assert read(opening, "credit", at="natural") == 1.15
    assert read(opening, "credit", at="mid") == 1.475
    assert read(opening, "quote_width", of=("long_put",)) == 0.05
    opening.board.bid_size[opening.legs[1].row] = 5.0
    assert unknown(read(opening, "credit", at="mid")) == "long_put: no bid yet"
    assert unknown(read(opening, "quote_width", of=("long_put",))) == "long_put: no bid"


def test_what_closing_costs_is_of_each_position_at_one_instant() -> None:
    at = condor(view())
    cost = reader_of(Call("cost", (("at", "mid"),), Quantity.PRICE), CONTEXT)
    whole, calls = at.legs, at.legs[2:]
    quote(at.board, calls[0].option, 1.9, 2.1)
    found = []
    for at.legs in (whole, calls, whole):
        found.append(cost(at))
    assert found == [2.0, 1.5, 2.0]


def test_dollars_of_named_legs_are_of_those_alone() -> None:
    at = condor(view())
    made = {"short_put": 148.0, "long_put": -102.0, "short_call": 178.0, "long_call": -92.0}
    held = {name: -2 if name.startswith("short") else 2 for name in made}
    legs = {name: Ledger(made[name] / 200, made[name], held[name], DAY) for name in made}
    at.held = at.held._replace(legs=legs) if at.held is not None else None
    assert read(at, "profit", Quantity.DOLLARS, of=("short_put", "long_put")) == 46.0 - 100.0
    assert read(at, "profit", Quantity.DOLLARS, of=("short_call",)) == 178.0 - 200.0


def profit_of(at: View, quantity: Quantity) -> object:
    return read(at, "profit", quantity)


def test_profit_and_loss_in_parts_dollars_and_per_share() -> None:
    at = condor(view())
    quote(at.board, at.legs[0].option, 0.4, 0.6)
    assert profit_of(at, Quantity.FRACTION) == 0.5
    assert profit_of(at, Quantity.PRICE) == 0.5
    assert profit_of(at, Quantity.DOLLARS) == 94.8
    assert read(at, "loss", Quantity.DOLLARS) == -94.8
    at.held = None
    assert isinstance(profit_of(at, Quantity.FRACTION), UnknownValue)


def test_deltas_of_legs_and_of_the_structure() -> None:
    at = condor(view())
    assert read(at, "leg_delta") == 0.12
    assert read(at, "position_delta") == pytest.approx(100 * (0.12 - 0.06 - 0.10 + 0.05))
    at.board.model_at[at.legs[0].row] = NOW - 400.0
    assert read(at, "leg_delta") == AtLeast(0.10, "short_put: delta: stale for 400 s")
    assert unknown(read(at, "position_delta")) == "short_put: delta: stale for 400 s"


def test_the_other_strike_around_spot_is_read_where_the_nearest_is_not_quoted() -> None:
    at = view()
    level(at.board, "SPX", 6001.0)
    quote(at.board, option(6005, Right.CALL), 16.9, 17.1)
    quote(at.board, option(6005, Right.PUT), 19.9, 20.1)
    quote(at.board, option(6000, Right.PUT), NAN, NAN)
    assert read(at, "expected_move") == pytest.approx(37.0 * sqrt(pi / 2))


def test_of_legs_of_two_expiries_the_nearest_is_read() -> None:
    at = condor(view())
    later = replace(at.legs[1].option, expiry=date(2027, 1, 15))
    at.legs = (at.legs[0], at.legs[1]._replace(option=later))
    assert read(at, "expected_move") == pytest.approx(38.0 * sqrt(pi / 2))


def test_listed_strikes_decide_what_is_at_the_money() -> None:
    at = view()
    level(at.board, "SPX", 6050.0)
    assert "not streamed" in unknown(read(at, "expected_move"))
    assert Decimal(6050) in at.facts.listings["SPX", "SPXW"].strikes[at.session.date]


def test_two_trading_classes_of_one_expiry_are_read_each_by_itself_at_one_instant() -> None:
    at = view()
    quote(at.board, Option("SPX", "SPX", DAY, Decimal(6000), Right.CALL), 29.9, 30.1)
    quote(at.board, Option("SPX", "SPX", DAY, Decimal(6000), Right.PUT), 27.9, 28.1)
    weekly = at.facts.listings["SPX", "SPXW"]
    listings = {("SPX", "SPXW"): weekly, ("SPX", "SPX"): replace(weekly, trading_class="SPX")}
    at.facts = replace(at.facts, listings=listings)
    monthly = replace(CONTEXT, classes={"SPX": "SPX"})
    given = (("asof", "now"), ("method", "straddle"), ("of", "SPX"))
    moves = [reader_of(Call("expected_move", given, Quantity.POINTS), each)(at) for each in (CONTEXT, monthly)]
    assert moves == [pytest.approx(38.0 * sqrt(pi / 2)), pytest.approx(58.0 * sqrt(pi / 2))]
    low, high = (reader_of(Call("iv", (("of", "SPX"),), Quantity.PERCENT), each)(at) for each in (CONTEXT, monthly))
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert high == pytest.approx(low * 58.0 / 38.0, rel=0.01)

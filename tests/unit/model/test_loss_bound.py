"""The most that one trade can lose when its legs come apart, and the cash that uncovered short puts need."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hand_desk import call, put

from rulebot.model.commission import max_commission
from rulebot.model.contract import Option, share
from rulebot.model.loss_bound import (
    dollars_at_risk,
    loss_bound,
    min_close_cost,
    min_proceeds,
    shortfall,
    unbounded_risk_reason,
)
from rulebot.model.payoff import Part, Way, cash_for_puts, least_payoff
from rulebot.model.position import PositionLeg

LATER = date(2027, 2, 19)


def leg(name: str, option: Option, sign: int, group: str = "", ratio: int = 1) -> PositionLeg:
    return PositionLeg(name=name, option=option, sign=sign, ratio=ratio, group=group)


def fly(puts: str = "", calls: str = "") -> tuple[PositionLeg, ...]:
    """Return an iron fly with wings of 30 points."""
    return (
        leg("short_put", put(6000), -1, puts),
        leg("long_put", put(5970), 1, puts),
        leg("short_call", call(6000), -1, calls),
        leg("long_call", call(6030), 1, calls),
    )


def test_a_fly_that_closes_as_one_loses_one_width_less_its_credit() -> None:
    assert loss_bound(fly(), Decimal("21.20")) == Decimal("8.80")


def test_a_fly_whose_sides_close_apart_loses_both_widths_less_its_credit() -> None:
    assert loss_bound(fly("short_put", "short_call"), Decimal("21.20")) == Decimal("38.80")
    assert min_proceeds(fly("short_put", "short_call")) == -60


def test_a_credit_beyond_all_widths_loses_nothing() -> None:
    assert loss_bound(fly("short_put", "short_call"), Decimal(61)) == 0


def test_a_short_put_that_closes_without_its_wing_is_bounded_by_its_strike() -> None:
    apart = (leg("short_put", put(6000), -1, "short_put"), leg("long_put", put(5970), 1, "long_put"))
    assert loss_bound(apart, Decimal(5)) == 5995


def test_a_short_call_that_closes_without_its_wing_has_no_bound() -> None:
    apart = (leg("short_call", call(6000), -1, "short_call"), leg("long_call", call(6030), 1, "long_call"))
    assert loss_bound(apart, Decimal(5)) is None
    assert unbounded_risk_reason(apart) == "long_call does not close together with short_call"
    assert unbounded_risk_reason(apart[:1]) == "nothing covers short_call"
    assert unbounded_risk_reason(fly()) == ""


def test_shares_of_the_account_cover_the_calls_of_each_group() -> None:
    apart = (leg("one", call(600, "SPY"), -1, "one"), leg("two", call(610, "SPY"), -1, "two"))
    assert loss_bound(apart, Decimal(2)) is None
    assert loss_bound(apart, Decimal(2), is_covered=True) == 0


def test_shares_that_are_sold_without_their_calls_can_be_lost_beside_them() -> None:
    stock, covered = leg("stock", share("SPY"), 1, ratio=100), leg("covered", call(605, "SPY"), -1)
    assert loss_bound((stock, covered), Decimal(-598)) == 598


def test_a_long_leg_that_ends_later_covers_and_one_that_ends_sooner_does_not() -> None:
    near, far = put(100, "SPY"), put(90, "SPY", LATER)
    assert loss_bound((leg("near", near, -1), leg("far", far, 1)), Decimal(1)) == Decimal("9.10")
    assert loss_bound((leg("far", put(100, "SPY", LATER), -1), leg("near", put(90, "SPY"), 1)), Decimal(1)) == 99
    assert loss_bound((leg("near", near, -1, "near"), leg("far", far, 1, "far")), Decimal(1)) == 99


def later(option: Option, days: int = 30) -> Option:
    return Option(option.symbol, option.trading_class, option.expiry + timedelta(days), option.strike, option.right)


@pytest.mark.parametrize(
    ("parts", "points"),
    [
        ([(put(6000), -1), (put(5990), 1)], "0"),  # exchanges hold a vertical spread to its exercise value
        ([(put(600, "SPY"), -1), (later(put(600, "SPY")), 1)], "0.60"),  # 0.1 % of the strike
        ([(put(6000), -1), (later(put(6000)), 1)], "35.59"),  # and 6 % a year of 6000 for 30 days
        ([(put(6000), -2), (later(put(6000)), 2)], "71.18"),
        ([(put(6000), 1), (later(put(6000)), -1)], "0"),  # the short one lives on: nothing covers it
        ([(put(5900), -1), (later(put(5900)), 1), (call(6000), -1), (later(call(6000)), 1)], "35.59"),
        ([(put(6000), -1), (later(put(6000)), 1), (call(5900), -1), (later(call(5900)), 1)], "70.59"),
        ([(share("SPY"), 1), (put(590, "SPY"), 1), (call(600, "SPY"), -1)], "0.59"),
        ([(share("SPY"), 1), (call(600, "SPY"), -1)], "0"),
    ],
)
def test_what_no_exchange_holds_to_its_exercise_value_may_bring_less(parts: list[Part], points: str) -> None:
    assert shortfall(parts) == Decimal(points)
    assert min_close_cost(parts) == (None if least_payoff(parts) is None else least_payoff(parts) - shortfall(parts))


def test_dollars_count_the_cash_of_all_groups_together() -> None:
    puts: Way = ((put(5950), -1, Decimal(200)), (put(5940), 1, Decimal(-50)))
    calls: Way = ((call(6050), -1, Decimal(150)), (call(6060), 1, Decimal(-40)))
    each = max_commission(put(5950), 1)
    assert dollars_at_risk([puts]) == 850 + 2 * each
    assert dollars_at_risk([puts, calls]) == 2000 - 260 + 4 * each
    assert dollars_at_risk([(*puts, *calls)]) == 1000 - 260 + 4 * each
    assert dollars_at_risk([calls[:1], calls[1:]]) is None
    assert dollars_at_risk([]) == 0


PUTS: Way = ((put(5950), -1, Decimal(200)), (put(5940), 1, Decimal(0)))
CALLS: Way = ((call(6050), -1, Decimal(150)), (call(6060), 1, Decimal(0)))


@pytest.mark.parametrize(
    ("way", "dollars"),
    [
        (((put(590, "SPY"), -2, Decimal(0)),), 118000),
        (PUTS, 0),
        (CALLS, 0),
        (((put(590, "SPY"), -3, Decimal(0)), (put(580, "SPY"), 1, Decimal(0))), 118000),
        (
            ((put(590, "SPY"), -1, Decimal(0)), (put(585, "SPY"), -1, Decimal(0)), (put(580, "SPY"), 1, Decimal(0))),
            59000,
        ),
        (((put(590, "SPY"), -1, Decimal(0)), (put(580, "SPY", LATER), 1, Decimal(0))), 0),
        (((put(590, "SPY", LATER), -1, Decimal(0)), (put(590, "SPY"), 1, Decimal(0))), 59000),
        (((put(5900), -2, Decimal(0)), (put(5900, expiry=LATER), 1, Decimal(0))), 590000),
        (
            (
                (put(590, "SPY"), -1, Decimal(0)),
                (put(590, "SPY", LATER), 1, Decimal(0)),
                (put(595, "SPY"), -1, Decimal(0)),
            ),
            59500,
        ),
        (((put(590, "SPY"), 0, Decimal(0)),), 0),
    ],
)
def test_cash_for_short_puts(way: Way, dollars: int) -> None:
    assert cash_for_puts(way) == dollars

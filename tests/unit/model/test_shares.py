"""A share as a leg: worth what it is, a cover that never ends, named and weighed as shares."""

from datetime import date
from decimal import Decimal

from rulebot.model.commission import estimate, max_commission
from rulebot.model.contract import LOT, Option, Right, share, strike_of, structure_text
from rulebot.model.loss_bound import dollars_at_risk, shares_covering
from rulebot.model.market import LEVEL_AGE, Board, usual_age
from rulebot.model.money import ZERO
from rulebot.model.payoff import intrinsic, least_payoff, worst_case
from rulebot.model.position import PositionLeg
from rulebot.order.price import Part, price_band, ticks_of
from rulebot.spec.nouns import Amount, Unit

DAY = date(2026, 11, 18)
STOCK = share("SPY")
CALL = Option("SPY", "SPY", DAY, Decimal(605), Right.CALL)
PUT = Option("SPY", "SPY", DAY, Decimal(590), Right.PUT)


def test_a_share_is_worth_what_it_is() -> None:
    assert intrinsic(STOCK, Decimal("601.25")) == Decimal("601.25")
    assert (STOCK.is_share, CALL.is_share, str(STOCK)) == (True, False, "SPY shares")
    assert usual_age(STOCK) == LEVEL_AGE


def test_a_lot_weighs_one_in_a_price_per_share() -> None:
    assert (STOCK.price_multiplier(LOT), STOCK.price_multiplier(2 * LOT), CALL.price_multiplier(2)) == (1, 2, 2)
    leg = PositionLeg(name="stock", option=STOCK, sign=1, ratio=LOT, opened=200, entry_cash=Decimal("-120100.00"))
    assert leg.entry_cash * leg.price_multiplier / (leg.opened * leg.option.multiplier) == Decimal("-600.5")


def test_worst_cases_of_a_covered_call_a_married_put_and_a_collar() -> None:
    assert worst_case(((STOCK, 1), (CALL, -1)), Decimal("-598.00")) == 598
    assert worst_case(((STOCK, 1), (PUT, 1)), Decimal("-603.00")) == 13
    assert worst_case(((STOCK, 1), (PUT, 1), (CALL, -1)), Decimal("-600.50")) == Decimal("10.50")
    assert worst_case(((STOCK, -1), (CALL, 1)), Decimal("597.00")) == 8
    assert worst_case(((STOCK, -1),), Decimal(600)) is None
    assert least_payoff(((STOCK, 1), (PUT, 1))) == 590
    assert least_payoff(((STOCK, 2), (CALL, -1))) == 0


def test_shares_of_a_structure_cover_its_calls_to_the_last() -> None:
    later = Option("SPY", "SPY", date(2027, 1, 15), Decimal(605), Right.CALL)
    assert shares_covering(((STOCK, 100, ZERO), (later, -1, ZERO)), "SPY") == 0
    assert shares_covering(((STOCK, 99, ZERO), (later, -1, ZERO)), "SPY") == 1
    assert shares_covering(((STOCK, -100, ZERO),), "SPY") == 100


def test_shares_and_the_calls_on_them_are_lost_at_one_price_if_they_close_together() -> None:
    write = ((STOCK, 100, Decimal(-60000)), (CALL, -1, Decimal(200)))
    assert dollars_at_risk([write]) == Decimal(59800) + max_commission(STOCK, 100) + max_commission(CALL, 1)
    assert dollars_at_risk([write[:1], write[1:]]) is None, "the call can be bought back alone, at any price"
    assert dollars_at_risk([write[:1]]) == Decimal(60000) + max_commission(STOCK, 100)


def test_what_an_order_of_shares_costs_and_its_price_grid() -> None:
    assert estimate([(STOCK, 100, 600.0)]) == Decimal("1.00")
    assert estimate([(STOCK, 400, 600.0), (CALL, -4, 2.0)]) == Decimal("4.80")


def test_a_share_costs_no_more_than_a_hundredth_of_it_and_its_sale_the_fees_of_regulators() -> None:
    """Interactive Brokers' own example: 1,000 shares at 0.25 cost 2.50. Fees come on top of the least of an order."""
    assert estimate([(STOCK, 1000, 25.0)]) == Decimal("5.00")
    assert estimate([(STOCK, 1000, 0.25)]) == Decimal("2.50")
    assert estimate([(STOCK, -100, 600.0)]) == Decimal("2.2555")
    assert estimate([(STOCK, -400, 600.0), (CALL, 4, 2.0)]) == Decimal("9.8220")
    assert ticks_of((Part(STOCK, -1, 1),)).tick(Decimal(600)) == Decimal("0.01")


def test_shares_stand_before_the_strikes() -> None:
    legs = (strike_of(CALL, 2), strike_of(STOCK, 200), strike_of(PUT, 2))
    assert structure_text(legs) == "200 SPY 2x590p 2x605c"
    assert structure_text((strike_of(STOCK, 100),)) == "100 SPY"


def test_what_shares_cost_does_not_widen_the_band_of_an_entry() -> None:
    board = Board()
    for contract, bid, ask in ((STOCK, 599.99, 600.01), (CALL, 8.0, 8.2)):
        row = board.add(contract)
        board.bid[row], board.ask[row] = bid, ask
    limit = Amount(Decimal(10), Unit.PERCENT)
    assert price_band(limit, (Part(STOCK, -1, 1), Part(CALL, 1, 1)), board) == Decimal("0.81")
    assert price_band(limit, (Part(STOCK, -1, 1),), board) == Decimal("0.50")

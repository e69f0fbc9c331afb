"""The price of one try of a ladder."""

from datetime import date
from decimal import Decimal

import pytest

from rulebot.model.contract import Option, Right
from rulebot.order.price import Bound, NetQuote, Part, at_market, ladder_price
from rulebot.spec.spec import Order, PriceFrom

EXPIRY = date(2026, 10, 21)
CALL = Option("SPX", "SPXW", EXPIRY, Decimal(6100), Right.CALL)
LADDER = Order(start=PriceFrom.MID, step=Decimal("0.05"), tries=4, path=("order",))


@pytest.mark.parametrize(
    ("flow", "mid", "natural", "expected"),
    [
        (-1, -0.025, -0.05, "-0.05"),  # bought back: 0 asked, nobody bids; 0.00 would be refused
        (1, 0.0, 0.0, "0.05"),  # sold: never for nothing
        (-1, -0.10, -0.15, "-0.10"),
    ],
)
def test_one_option_never_costs_nothing(flow: int, mid: float, natural: float, expected: str) -> None:
    assert ladder_price(LADDER, NetQuote(mid, natural), (Part(CALL, flow, 1),), 1) == Decimal(expected)


def test_a_combo_may_be_worth_nothing() -> None:
    parts = (Part(CALL, -1, 1), Part(Option("SPX", "SPXW", EXPIRY, Decimal(6110), Right.CALL), 1, 1))
    assert ladder_price(LADDER, NetQuote(0.0, -0.05), parts, 1) == 0


def combo(*legs: tuple[int, Right, int], expiry: date = EXPIRY) -> tuple[Part, ...]:
    """Return legs by strike and right; flow: +1 sold, -1 bought."""
    return tuple(Part(Option("SPX", "SPXW", expiry, Decimal(strike), right), flow, 1) for strike, right, flow in legs)


BOUGHT_BACK = combo((5990, Right.PUT, -1), (5985, Right.PUT, 1))
CONDOR = combo((5990, Right.PUT, -1), (5980, Right.PUT, 1), (6010, Right.CALL, -1), (6015, Right.CALL, 1))


@pytest.mark.parametrize(
    ("parts", "mid", "natural", "expected"),
    [
        (BOUGHT_BACK, -4.90, -5.60, "-5.00"),  # five points wide: it can never cost more
        (BOUGHT_BACK, -4.20, -4.90, "-4.90"),
        (CONDOR, -9.95, -11.0, "-10.00"),  # the wider side alone
        (combo((5990, Right.PUT, 1), (5985, Right.PUT, -1)), 0.0, -0.30, "0.00"),  # nobody pays to be rid of it
        (combo((5990, Right.PUT, 1), (5985, Right.PUT, -1), (6000, Right.CALL, -1)), -3.0, -3.30, "-3.30"),
    ],
)
def test_no_price_is_offered_that_is_a_loss_wherever_the_market_goes(
    parts: tuple[Part, ...], mid: float, natural: float, expected: str
) -> None:
    """Exchanges turn such an exit away when it is needed most: options in the money are quoted wide."""
    steep = Order(start=PriceFrom.MID, step=Decimal("0.50"), tries=4, path=("order",))
    assert ladder_price(steep, NetQuote(mid, natural), parts, 4) == Decimal(expected)


def test_what_surely_pays_something_may_be_sold_for_less() -> None:
    """A box pays its width at the end: today it is worth less by the interest."""
    box = combo((5990, Right.CALL, 1), (6000, Right.CALL, -1), (6000, Right.PUT, 1), (5990, Right.PUT, -1))
    assert ladder_price(LADDER, NetQuote(9.60, 9.40), box, 4) == Decimal("9.45")


LATER = date(2026, 11, 20)


def spread_in_time(symbol: str, near: tuple[int, int], far: tuple[int, int]) -> tuple[Part, ...]:
    """Return two puts by strike and flow; the second one expires a month later."""
    first, second = Option(symbol, symbol, EXPIRY, Decimal(near[0]), Right.PUT), Decimal(far[0])
    return Part(first, near[1], 1), Part(Option(symbol, symbol, LATER, second, Right.PUT), far[1], 1)


@pytest.mark.parametrize(
    ("symbol", "near", "far", "expected"),
    [
        ("SPX", (6000, -1), (6000, 1), "-0.15"),  # European: worth less than nothing by the interest on the strike
        ("SPY", (600, -1), (600, 1), "0.00"),
        ("SPY", (600, -1), (599, 1), "-0.15"),  # a diagonal can cost its width
        ("SPY", (600, 1), (600, -1), "-0.15"),  # bought: no price is too high that the later put can be worth
    ],
)
def test_a_calendar_of_shares_is_never_closed_for_less_than_nothing(
    symbol: str, near: tuple[int, int], far: tuple[int, int], expected: str
) -> None:
    assert ladder_price(LADDER, NetQuote(0.0, -0.50), spread_in_time(symbol, near, far), 4) == Decimal(expected)


def test_a_market_order_can_close_a_calendar_below_zero() -> None:
    assert at_market(-0.50, spread_in_time("SPY", (600, -1), (600, 1))) == Decimal("-0.50")
    assert at_market(-5.60, BOUGHT_BACK) == -5  # a vertical spread: the exchange trades it up to its width


def test_a_diagonal_of_shares_costs_no_more_than_its_width() -> None:
    steep = Order(start=PriceFrom.MID, step=Decimal("0.50"), tries=4, path=("order",))
    assert ladder_price(steep, NetQuote(-0.9, -2.0), spread_in_time("SPY", (600, -1), (599, 1)), 4) == -1


def test_what_holds_only_at_less_than_a_price_of_its_own_does_not_lower_it() -> None:
    expensive = Order(price=Decimal(5), step=Decimal("0.05"), tries=4, path=("order",))
    bound = Bound(holds=lambda net: net <= 3)
    assert (
        ladder_price(expensive, NetQuote(1.0, 0.9), combo((5990, Right.PUT, 1), (5980, Right.PUT, -1)), 2, bound) == 5
    )

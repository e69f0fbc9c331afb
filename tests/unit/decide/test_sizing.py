"""How many structures fit a budget, and the price at which so many still do."""

from decimal import Decimal

import pytest

from rulebot.decide.limits import Priced, SizeLimits, fitting, floor_of
from rulebot.spec.nouns import Amount, Unit
from rulebot.spec.spec import Fits, Size

RICH = Decimal(100_000)


def size(fits: Fits, dollars: str) -> Size:
    return Size(fits=fits, amount=Amount(Decimal(dollars), Unit.DOLLARS))


def one(net: str, worst: str | None, fee: str = "2.00") -> Priced:
    """Return a structure that costs so much to deal, a fee for each."""
    return Priced(
        net=Decimal(net),
        worst=None if worst is None else Decimal(worst),
        shares=100,
        commission=lambda count: Decimal(fee) * count,
        fees=2 * Decimal(fee),
    )


SPREAD, BOUGHT = one("1.00", "4.00"), one("-3.00", "3.00")


@pytest.mark.parametrize(
    ("of", "priced", "count"),
    [
        (size(Fits.MAX_LOSS, "404"), SPREAD, 1),  # 400 and 4 of commissions both ways, to the cent
        (size(Fits.MAX_LOSS, "403.99"), SPREAD, 0),
        (size(Fits.MAX_LOSS, "808"), SPREAD, 2),
        (size(Fits.MAX_LOSS, "1211.99"), SPREAD, 2),
        (size(Fits.MAX_LOSS, "100000"), SPREAD, 10),
        (size(Fits.MAX_LOSS, "608"), BOUGHT, 2),
        (size(Fits.DEBIT, "604"), BOUGHT, 2),
        (size(Fits.DEBIT, "603.99"), BOUGHT, 1),
        (size(Fits.CREDIT, "196"), SPREAD, 2),
        (size(Fits.CREDIT, "195.99"), SPREAD, 1),
        (size(Fits.CREDIT, "97.99"), SPREAD, 0),
    ],
)
def test_the_most_that_fit(of: Size, priced: Priced, count: int) -> None:
    assert fitting(of, 10, priced, None).count == count


@pytest.mark.parametrize("budget", range(0, 5000, 137))
def test_it_is_what_counting_one_by_one_finds(budget: int) -> None:
    found = fitting(size(Fits.MAX_LOSS, str(budget)), 10, SPREAD, None).count
    assert found == max((n for n in range(11) if n * Decimal(402) <= budget), default=0)


def test_zero_is_said() -> None:
    assert fitting(size(Fits.MAX_LOSS, "300"), 10, SPREAD, None) == SizeLimits(
        0, refused="quantity: one structure could lose $404.00, max_loss is $300.00"
    )
    assert "costs $302.00, debit is $200.00" in fitting(size(Fits.DEBIT, "200"), 10, BOUGHT, None).refused


def test_the_wrong_side_and_no_bound_are_no_trade() -> None:
    assert "opened for a credit" in fitting(size(Fits.DEBIT, "500"), 10, SPREAD, None).refused
    assert "opened for a debit" in fitting(size(Fits.CREDIT, "500"), 10, BOUGHT, None).refused
    assert "no bound" in fitting(size(Fits.MAX_LOSS, "500"), 10, one("1.00", None), None).refused


def test_a_part_of_the_account() -> None:
    part = Size(fits=Fits.MAX_LOSS, amount=Amount(Decimal("0.01"), Unit.MULTIPLE, "net_liquidation"))
    assert fitting(part, 10, SPREAD, RICH) == SizeLimits(2)
    assert fitting(part, 10, SPREAD, Decimal(-5)).count == 0
    found = fitting(part, 10, SPREAD, None)
    assert not found.count
    assert "net_liquidation of the account is unknown" in found.missing


def test_the_price_at_which_so_many_still_fit() -> None:
    """Two of a spread 5 points wide for $808: 800 of it is for the loss, 4.00 a share, so 1.00 at the least."""
    flat = one("0", "5.00")
    assert floor_of(size(Fits.MAX_LOSS, "808"), 2, flat, None) == Decimal("1.00")
    assert fitting(size(Fits.MAX_LOSS, "808"), 10, one("1.00", "4.00"), None).count == 2
    assert fitting(size(Fits.MAX_LOSS, "808"), 10, one("0.99", "4.01"), None).count == 1
    assert floor_of(size(Fits.DEBIT, "604"), 2, flat, None) == Decimal("-3.00")
    assert floor_of(size(Fits.CREDIT, "196"), 2, flat, None) is None

"""What a position can lose at expiry, once its entry has filled at another price than its order started from."""

from datetime import date
from decimal import Decimal

from rulebot.fill.ledger import BookedExecution, book, unbook
from rulebot.model.contract import Option, Right
from rulebot.model.money import ZERO
from rulebot.model.order import ExecutionId
from rulebot.model.position import Position, PositionLeg

DAY = date(2026, 11, 18)


def put(strike: int) -> Option:
    return Option("SPX", "SPXW", DAY, Decimal(strike), Right.PUT)


def of(name: str, option: Option, sign: int) -> PositionLeg:
    return PositionLeg(name=name, option=option, sign=sign, ratio=1)


def entering(legs: tuple[PositionLeg, ...], risked: Decimal | None) -> Position:
    return Position(id="P1", bot="b", digest="d", state="entering", session=DAY, quantity=2, legs=legs, max_risk=risked)


def spread(risk: str | None) -> Position:
    legs = (of("sold", put(5900), -1), of("bought", put(5890), 1))
    risked = None if risk is None else Decimal(risk)
    return entering(legs, risked)


def fill(leg: str, count: int, cash: str) -> BookedExecution:
    return BookedExecution(ExecutionId(f"{leg}{cash}"), "P1", leg, is_entry=True, quantity=count, cash=Decimal(cash))


def filled(position: Position, *fills: BookedExecution) -> Position:
    for each in fills:
        position = book(position, each, next(leg.option for leg in position.legs if leg.name == each.leg))
    return position


def test_the_worst_case_is_that_of_the_price_it_filled_at() -> None:
    """Offered at 2.45, sold at 1.90: 10 points less 1.90 may be lost, not 7.55."""
    found = filled(spread("755"), fill("sold", 1, "660"), fill("bought", 1, "-470"))
    assert found.entry_price == Decimal("1.90")
    assert found.max_risk == 810


def test_it_is_of_the_average_of_all_fills_and_follows_a_correction() -> None:
    first, second = (
        (fill("sold", 1, "660"), fill("bought", 1, "-470")),
        (fill("sold", 1, "690"), fill("bought", 1, "-470")),
    )
    found = filled(spread("755"), *first, *second)
    assert found.max_risk == 795
    assert unbook(unbook(found, second[0]), second[1]).max_risk == 810


def test_it_stays_as_it_was_priced_until_each_leg_has_a_fill() -> None:
    assert filled(spread("755"), fill("sold", 1, "660")).max_risk == 755


def test_it_is_never_less_than_nothing_and_without_a_bound_none() -> None:
    assert filled(spread("755"), fill("sold", 1, "1700"), fill("bought", 1, "-470")).max_risk == ZERO
    assert filled(spread(None), fill("sold", 1, "660"), fill("bought", 1, "-470")).max_risk is None


def test_a_call_that_shares_cover_stays_without_a_worst_case_of_its_own() -> None:
    call = of("sold", Option("SPY", "SPY", DAY, Decimal(600), Right.CALL), -1)
    assert filled(entering((call,), ZERO), fill("sold", 1, "110")).max_risk == ZERO

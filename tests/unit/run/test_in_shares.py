"""Trades of whose options shares came into the account, or left it."""

from datetime import UTC, date, datetime
from decimal import Decimal

from engine.model.contract import Option, Right
from engine.run.in_shares import InShares, in_shares_lines, worths
from engine.store.finance.books import Ending, Held

AT = datetime(2026, 11, 18, 21, tzinfo=UTC)
PUT = Option("SPY", "SPY", date(2026, 11, 18), Decimal(600), Right.PUT)
CALL = Option("SPY", "SPY", date(2026, 11, 18), Decimal(590), Right.CALL)


def gone(
    position: str, how: str, option: Option = PUT, *, price: str = "0", quantity: int = 1, level: str | None = "595.5"
) -> Ending:
    held = Held(
        account="U1", bot=position[0], position=position, leg="leg", option=option, sign=1 if option == CALL else -1
    )
    known = None if level is None else Decimal(level)
    return Ending(of=held, quantity=quantity, price=Decimal(price), level=known, how=how, recorded_at=AT)


def test_those_whose_shares_are_in_the_account_alone() -> None:
    endings = (
        gone("a-1", "assigned", quantity=2),
        gone("a-2", "expired"),
        gone("a-3", "assigned"),  # a call on shares of its own
        gone("a-3", "delivered", price="600", quantity=100),
        gone("b-1", "assigned", price="5.00"),  # its shares went on by another leg
        gone("b-2", "exercised", CALL),
        gone("b-2", "assigned"),
        gone("b-4", "cash settled", price="5.00"),
        gone("b-5", "assigned", level=None),
        gone("b-5", "assigned"),
    )
    assert worths(endings) == {"a-1": Decimal("-900.00"), "b-2": Decimal("100.00"), "b-5": None}


def test_what_they_cost_is_said() -> None:
    def said(*trades: InShares) -> list[str]:
        return list(in_shares_lines(trades))

    assert not said()
    first = "ended in shares: 1 trade; what the shares made is in the account alone"
    assert said(InShares("a-1", Decimal(40), None)) == [first]
    lost = InShares("a-1", Decimal(40), Decimal("-900.00"))
    assert said(lost, InShares("a-2", Decimal(40), Decimal(-30)), InShares("a-3", None, Decimal(-50))) == [
        first.replace("1 trade", "3 trades"),
        "at strikes $980.00 worse than the market then; 1 of them counts as won, and lost by it",
    ]
    assert said(lost, lost, InShares("b-1", Decimal(-40), Decimal("2000.00")))[1] == (
        "at strikes $200.00 better than the market then; 2 of them count as won, and lost by it"
    )

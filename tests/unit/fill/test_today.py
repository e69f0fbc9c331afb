"""What closing a position, or a part of it, has made since the session began."""

from datetime import UTC, date, datetime
from decimal import Decimal

from rulebot.fill.exit_level import realized_since
from rulebot.fill.ledger import BookedExecution, add_commission, book
from rulebot.model.contract import Option, Right
from rulebot.model.money import ZERO
from rulebot.model.order import ExecutionId
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace

FIRST, SECOND, EXPIRY = date(2026, 11, 18), date(2026, 11, 19), date(2026, 12, 18)
SHORT = Option("SPX", "SPXW", EXPIRY, Decimal(5900), Right.PUT)
LONG = Option("SPX", "SPXW", EXPIRY, Decimal(5890), Right.PUT)


def dealt(number: int, leg: str, count: int, cash: int, day: date, *, is_entry: bool = False) -> BookedExecution:
    """Return an execution of so many contracts, each for a commission of a dollar."""
    at = datetime(day.year, day.month, day.day, 15, tzinfo=UTC)
    paid = Decimal(count)
    return BookedExecution(
        ExecutionId(f"e{number}"), "P1", leg, is_entry, count, Decimal(cash), paid, is_paid=True, dealt_at=at
    )


ENTRY = (
    dealt(1, "short", 2, 800, FIRST, is_entry=True),
    dealt(2, "long", 2, -200, FIRST, is_entry=True),
)
"""Two spreads, sold at 3.00."""


def spread(*executions: BookedExecution, short: Option = SHORT) -> Position:
    legs = tuple(
        PositionLeg(name=name, option=of, sign=sign, ratio=1)
        for name, of, sign in (("short", short, -1), ("long", LONG, 1))
    )
    position = Position(id="P1", bot="b", digest="d", state="open", session=FIRST, quantity=2, legs=legs)
    for each in executions:
        position = add_commission(book(position, each, LONG), each.leg, each.commission, is_first=True)
    return position


def bought_back(number: int, day: date) -> tuple[BookedExecution, BookedExecution]:
    """Return the executions that close one of the spreads at 4.00."""
    return dealt(number, "short", 1, -500, day), dealt(number + 1, "long", 1, 100, day)


def test_nothing_is_realised_before_something_is_closed() -> None:
    assert realized_since(spread(*ENTRY), ENTRY, ZERO, FIRST) == 0


def test_one_of_two_has_made_its_half_of_the_entry_less_its_commissions() -> None:
    executions = *ENTRY, *bought_back(3, FIRST)
    assert realized_since(spread(*executions), executions, ZERO, FIRST) == 300 - 400 - 2 - 2


def test_what_is_of_other_positions_does_not_count() -> None:
    executions = *ENTRY, *bought_back(3, FIRST)
    others = (replace(each, position="P2") for each in executions)
    assert realized_since(spread(*executions), (*executions, *others), ZERO, FIRST) == -104


def test_on_another_day_nothing_of_it_is_realised_any_more() -> None:
    executions = *ENTRY, *bought_back(3, FIRST)
    assert realized_since(spread(*executions), executions, Decimal(-250), SECOND) == 0


def test_what_it_had_lost_before_the_session_is_not_lost_in_it() -> None:
    """Each stood at 3.60 at the close before, and is bought back at 4.00: today that one has lost 40, and commissions.

    The rest then goes at 4.00, too, and both together have made what they have since that close.
    """
    base = Decimal(-124)  # two at 60, and four dollars for the entry
    one = *ENTRY, *bought_back(3, SECOND)
    assert realized_since(spread(*one), one, base, SECOND) == -42
    both = *one, *bought_back(5, SECOND)
    closed = spread(*both)
    assert closed.is_flat
    assert realized_since(closed, both, base, SECOND) == closed.net - base == -84


def test_a_part_of_yesterday_and_one_of_today_are_distinguished() -> None:
    """Three spreads: one went yesterday at 4.00, one goes today at 4.00; the last two stood at 3.50 in the night."""
    entry = (dealt(1, "short", 3, 1200, FIRST, is_entry=True), dealt(2, "long", 3, -300, FIRST, is_entry=True))
    executions = *entry, *bought_back(3, FIRST), *bought_back(5, SECOND)
    position = spread(*executions)
    base = Decimal(-104 - 2 * 52)
    assert realized_since(position, executions, base, SECOND) == -52


def test_a_leg_that_expires_before_the_other_has_made_what_it_brought_on_that_day() -> None:
    near = Option("SPX", "SPXW", SECOND, Decimal(5900), Right.PUT)
    position = spread(*ENTRY, short=near)
    short, long = position.legs
    expired = replace(position, legs=(replace(short, closed=2, settled=2), long))
    assert realized_since(expired, ENTRY, ZERO, FIRST) == 800 - 2
    on_the_next = realized_since(expired, ENTRY, Decimal(700), date(2026, 11, 20))
    assert on_the_next == 0


def test_what_settles_at_an_open_is_of_that_morning() -> None:
    monthly = Option("SPX", "SPX", FIRST, Decimal(5900), Right.PUT)
    position = spread(*ENTRY, short=monthly)
    short, long = position.legs
    expired = replace(position, legs=(replace(short, closed=2, settled=2), long))
    was = Decimal(700)  # 798 of it by the short leg at its last price of nothing, and the long one has lost 98
    assert realized_since(expired, ENTRY, was, SECOND) == 798 - was / 2

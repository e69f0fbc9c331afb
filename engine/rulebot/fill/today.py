"""What a position has made since the session began, told apart: by what was closed of it, and by what is open."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from rulebot.fill.book import BookedExecution
from rulebot.model.money import ZERO
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import exchange_date, session_after


class _Part(NamedTuple):
    """What was closed of a leg: contracts, and the dollars that they have made, commissions of both sides paid.

    closed: by their multiplier, so that a hundred shares count as much as an option on them.
    """

    closed: int
    made: Decimal


def realized_since(position: Position, executions: Iterable[BookedExecution], base: Decimal, day: date) -> Decimal:
    """Return the dollars that closing it, or a part of it, has made since the session of `day` began.

    executions: those of the position, at least. base: dollars it had made when the session began, 0 if it was opened
    since. Of one that is closed that is all it has made since then. Of a part the cost is the average of its fills, as
    the broker counts it; a position of earlier days had made or lost some of that before, the same on each contract.
    """
    if position.state == "closed" or position.is_flat:
        return position.net - base
    if not any(leg.closed for leg in position.legs):
        return ZERO
    own = [each for each in executions if each.position == position.id]
    now = [_closed(leg, own, None) for leg in position.legs]
    made = sum((each.made for each in now), ZERO)
    if position.session >= day:
        return made
    before = [_closed(leg, own, day) for leg in position.legs]
    made_before = sum((each.made for each in before), ZERO)
    held = sum(leg.opened * leg.option.multiplier for leg in position.legs) - sum(each.closed for each in before)
    gone = sum(each.closed for each in now) - sum(each.closed for each in before)
    was_open = base - made_before
    return made - made_before - (was_open * gone / held if held > 0 else ZERO)


def _closed(leg: PositionLeg, executions: Iterable[BookedExecution], day: date | None) -> _Part:
    """Return what was closed of a leg before a day, None: until now."""
    if not leg.closed or not leg.opened:
        return _Part(0, ZERO)
    own = [each for each in executions if each.leg == leg.name]
    paid = sum((each.commission for each in own if each.is_entry), ZERO)
    closed, cash, commissions = leg.closed, leg.proceeds, leg.commissions - paid
    if day is not None:
        since = [each for each in own if not each.is_entry and _is_since(each, day)]
        closed -= sum(each.quantity for each in since)
        cash -= sum((each.cash for each in since), ZERO)
        commissions -= sum((each.commission for each in since), ZERO)
        if leg.settled and _settles_on(leg) >= day:
            closed -= leg.settled
            dealt = sum((each.cash for each in own if not each.is_entry), ZERO)
            cash -= leg.proceeds - dealt
    made = cash + (leg.entry_cash - paid) * min(closed, leg.opened) / leg.opened - commissions
    return _Part(closed * leg.option.multiplier, made)


def _is_since(execution: BookedExecution, day: date) -> bool:
    return execution.dealt_at is not None and exchange_date(execution.dealt_at) >= day


def _settles_on(leg: PositionLeg) -> date:
    """Return the day on which what is held of a leg until then is settled."""
    option = leg.option
    return session_after(option.expiry).date if option.settles_at_open else option.expiry

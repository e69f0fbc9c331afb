"""What our books hold and what the account lacks of it."""

from datetime import datetime, timedelta

from rulebot.core.queries.orders import option_has_expired
from rulebot.core.queries.protection import AT_MARKET
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import active_positions, held_legs, is_lacking, is_unsure
from rulebot.core.state.state import Account, Shortfall, State
from rulebot.fill.ledger import BookedExecution
from rulebot.model.contract import Option
from rulebot.model.money import ZERO
from rulebot.model.order import Order, is_estimate, is_synthetic
from rulebot.model.position import Position, PositionLeg

FALLEN = timedelta(seconds=1)
"""How long the account may show fewer contracts before resting orders are resized: a fill may be reported later."""
UNCERTAIN = timedelta(seconds=30)
"""How long the account may hold less than our books: a fill may be reported after the account's count."""
TOO_MUCH = timedelta(seconds=5)
"""The same before closing orders that are too large are cancelled, and before newly filled contracts count as missing.
"""


def expected_holdings(work: StateBuilder) -> dict[Option, int]:
    """Return what our positions hold of each contract that the account must have, negative when short.

    Over all positions: a closed one holds something between a late fill and its follow-up.
    """
    ours: dict[Option, int] = {}
    for position in work.positions.by_id.values():
        for leg in _reported_of(work, position):
            ours[leg.option] = ours.get(leg.option, 0) + leg.signed_held
    return ours


def _reported_of(work: StateBuilder, position: Position) -> list[PositionLeg]:
    """Return the held legs that the account reports: unexpired ones.

    Shares beside an expired option may have been delivered: they count again after settlement.
    """
    held = [leg for leg in position.legs if leg.held]
    trading = [leg for leg in held if not option_has_expired(work, leg.option)] if held else []
    return trading if len(trading) == len(held) else [leg for leg in trading if not leg.option.is_share]


def has_delivered(work: StateBuilder, position: Position) -> bool:
    """Say whether the account lacks shares that may have gone with options of a position that have still to settle."""
    today = work.schedule.session.date
    held = [leg for leg in position.legs if leg.held]
    if not any(leg.option.expiry < today for leg in held):
        return False
    books = list(held_legs(work))
    return any(
        lacks(work, leg.option, sum(each.signed_held for each in books if each.option == leg.option))
        for leg in held
        if leg.option.is_share
    )


def lacks(work: StateBuilder, option: Option, ours: int) -> int:
    """Return how many contracts the account lacks of what our books hold, - of shorts; 0 where it agrees.

    Others may hold shares in the account, and more of them than our books is nothing that it lacks.
    """
    lacking = ours - int(work.account.holdings.get(option, ZERO)) - _unshown(work, option)
    return 0 if option.is_share and lacking * ours <= 0 else lacking


def _unshown(work: StateBuilder, option: Option) -> int:
    """Return the contracts (+ bought) of our fills that the account has not shown yet."""
    uncertainty = work.account.shortfalls.get(option)
    if uncertainty is None or uncertainty.filled_at is None or work.at - uncertainty.filled_at >= TOO_MUCH:
        return 0
    return uncertainty.fills


def waits_for_account(work: StateBuilder, position: Position) -> bool:
    """Say whether an exit waits because the account lacks contracts that fills may explain.

    Closing at market for lack of protection does not wait. A single leg is closed as far as the account holds it. Legs
    that may cover each other wait for `UNCERTAIN`, or until the broker reports external trades.
    """
    if is_unsure(work, position):
        return True
    if position.exit_reason in AT_MARKET:
        return False
    if sum(leg.held > 0 for leg in position.legs) < 2 and not _may_be_assigned(work, position):
        return False
    lacking = {leg.option for leg in position.legs if is_lacking(work, leg)}
    if not lacking or position.hold:
        return False
    reported = _dealt_by_others(work)
    return any(
        option not in reported and work.at - work.account.shortfalls[option].since <= UNCERTAIN for option in lacking
    )


def _may_be_assigned(work: StateBuilder, position: Position) -> bool:
    """Say whether shares moved while short options that deliver them disappeared: booked after `UNCERTAIN`."""
    shifts = work.account.share_changes
    return any(
        leg.sign < 0 and leg.option.symbol in shifts and work.at - shifts[leg.option.symbol].at <= UNCERTAIN + FALLEN
        for leg in position.legs
        if is_lacking(work, leg) and not leg.option.is_share
    )


def _dealt_by_others(work: StateBuilder) -> frozenset[Option]:
    """Return the options with external trades of a moment ago that are booked nowhere."""
    reports = (booked.foreign for booked in work.positions.executions.values())
    return frozenset(each.option for each in reports if each and each.option and work.at - each.at <= UNCERTAIN)


def suspicions_due(work: StateBuilder) -> datetime | None:
    """Return when what the account lacks is to be acted on next, None while nothing waits for that."""
    unsure = [each for each in active_positions(work) if is_unsure(work, each)] if work.account.shortfalls else []
    lacking = {leg.option for each in unsure for leg in each.legs if is_lacking(work, leg)}
    return min((_due_at(work.account.shortfalls[option]) for option in lacking), default=None)


def _due_at(uncertainty: Shortfall) -> datetime:
    return uncertainty.since + (FALLEN if uncertainty.has_fallen else TOO_MUCH)


def is_unreported(account: Account) -> bool:
    """Say whether the account may hold something beyond our books that was not reported to a person."""
    return any(each.is_unreported for each in account.excess.values())


def excess_of(work: StateBuilder, option: Option) -> int:
    """Return how many contracts of one option the account holds beyond our books, - short."""
    held = int(work.account.holdings.get(option, ZERO))
    return _more(held, expected_holdings(work).get(option, 0)) if held else 0


def _more(held: int, ours: int) -> int:
    return held - ours if (held - ours) * held > 0 else 0


def has_estimates(work: StateBuilder, position: Position) -> bool:
    """Say whether a position has an estimated booking: others closed it at an unknown price."""
    return any(each.position == position.id and _is_estimated(each) for each in work.positions.executions.values())


def _is_estimated(booked: BookedExecution) -> bool:
    return booked.by_others and booked.quantity > 0 and is_estimate(booked.exec_id)


def is_known(state: State) -> bool:
    """Say whether the account's earlier holdings are known; not at the start of a first run."""
    return state.connection.is_ready or state.account.seen_at is not None


# --- Fills that the broker has not reported yet


def unreported_contracts(work: StateBuilder, order: Order, filled: int) -> dict[int, int]:
    """Return the unreported contracts of each leg, by its number, when this many structures have filled."""
    counted = zip(order.legs, order.counts, strict=True)
    lacking = {at: max(filled * leg.ratio - count, 0) for at, (leg, count) in enumerate(counted)}
    return {at: count and max(count - _taken_back(work, order, at, count), 0) for at, count in lacking.items()}


def has_unreported_fills(work: StateBuilder, order: Order) -> bool:
    """Say whether the broker reported a larger filled quantity than its executions add up to."""
    return order.broker_filled > order.filled and any(unreported_contracts(work, order, order.broker_filled).values())


def _taken_back(work: StateBuilder, order: Order, at: int, most: int) -> int:
    """Return how many contracts of a leg were reported and busted; all when only one report exists."""
    leg, total = order.legs[at], 0
    of_leg = order.ref, order.position_of(leg), leg.name
    for booked in work.positions.executions.values():
        if (booked.ref, booked.position, booked.leg) == of_leg and not is_synthetic(booked.exec_id.execution):
            if not booked.quantity and not booked.taken_back:
                return most
            total += booked.taken_back
    return total

"""The shares of the account, and how many of them the short calls of all bots need."""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from rulebot.core.state.state import State
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.loss_bound import ShareHolding, needed_by_hand, shares_covering
from rulebot.model.money import ZERO
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import Session, trades_no_more


def account_shares(
    state: State, positions: Iterable[Position], is_opening: Callable[[Position], bool], at: datetime, symbol: str
) -> ShareHolding | None:
    """Return the shares of an underlying; None before the account's positions are known. Expired options need none.

    Shares that are a leg of a bot's structure belong to that structure. A working entry counts as it is or completely
    filled, whichever needs more shares.
    """
    if not state.connection.is_ready:
        return None
    needed, bought, coming, books = 0, 0, 0, dict[Option, int]()
    for position in positions:
        now = max(_shares_in(position, symbol, is_opening=False), 0)
        bought += now
        coming += max(_shares_in(position, symbol, is_opening=is_opening(position)), 0) - now
        needed += max(shares_needed(position, symbol, state.schedule.session, at, is_opening=is_opening(position)))
        for leg in position.legs:
            books[leg.option] = books.get(leg.option, 0) + leg.signed_held
    trading = {
        each: count for each, count in state.account.holdings.items() if not _is_over(each, state.schedule.session, at)
    }
    held = state.account.holdings.get(Underlying(symbol), ZERO) - bought - coming
    cost = state.account.costs.get(symbol) if held else None
    return ShareHolding(held, Decimal(needed), needed_by_hand(symbol, trading, books), cost, Decimal(coming))


def shares_needed(
    position: Position, symbol: str, session: Session, at: datetime, *, is_opening: bool
) -> tuple[int, ...]:
    """Return the shares that a position's short calls need: now, and once its entry has filled."""
    trading = [leg for leg in position.legs if not _is_over(leg.option, session, at)]
    now = shares_covering(((leg.option, leg.signed_held, ZERO) for leg in trading), symbol)
    if not is_opening:
        return (now,)
    filled = ((leg.option, leg.signed_held + leg.sign * outstanding(position, leg), ZERO) for leg in trading)
    return now, shares_covering(filled, symbol)


def _shares_in(position: Position, symbol: str, *, is_opening: bool) -> int:
    """Return the shares that are legs of a position, those that its entry has still to buy included."""
    legs = [leg for leg in position.legs if leg.option.is_share and leg.option.symbol == symbol]
    return sum(leg.signed_held + (leg.sign * outstanding(position, leg) if is_opening else 0) for leg in legs)


def outstanding(position: Position, leg: PositionLeg) -> int:
    """Return the contracts of a leg that the entry has still to open."""
    return max(position.quantity * leg.ratio - leg.opened, 0)


def _is_over(contract: Contract, session: Session, at: datetime) -> bool:
    return isinstance(contract, Option) and trades_no_more(contract.expiry, session, at)

"""Fills, commissions and settlements onto the ledger of a position. Pure: a value in, a new value out."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from rulebot.model.contract import LOT, Option, Settlement, product
from rulebot.model.event import ExecutionReport
from rulebot.model.loss_bound import ASSIGNED, DELIVERING, loss_bound, shares_delivered, shares_profit
from rulebot.model.money import CENT, ZERO
from rulebot.model.order import ExecutionId, Order, is_synthetic
from rulebot.model.payoff import intrinsic
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import dataclass, replace
from rulebot.record.record import BUYS_BACK, DEALT_AT, MULTIPLIER, Json

# --- The noun of this room


@dataclass(frozen=True, slots=True)
class BookedExecution:
    """One booked execution: enough to replace it by its correction and to add its commission.

    `position` is "" for an external execution: `foreign` is its report then. is_paid: its commission was reported, or
    none will be. by_others: an external close of what we held. dealt_at: see `when_dealt`. ref: of our order.
    taken_back: contracts that the exchange busted.
    """

    exec_id: ExecutionId
    position: str
    leg: str
    is_entry: bool
    quantity: int
    cash: Decimal
    commission: Decimal = ZERO
    is_paid: bool = False
    foreign: ExecutionReport | None = None
    by_others: bool = False
    dealt_at: datetime | None = None
    ref: str = ""
    taken_back: int = 0


def of_others(report: ExecutionReport) -> BookedExecution:
    """Return an external execution, booked to nothing."""
    count, at = int(report.quantity), report.executed_at or report.at
    return BookedExecution(report.exec_id, "", "", False, count, ZERO, foreign=report, dealt_at=at)


BY_OTHERS = "by_others"
"""The purpose of an external fill: others closed what we held."""


REPORTED_LATE = timedelta(seconds=10)
"""Delay from which a report counts as late: no engine was connected at the fill."""


def when_dealt(reported_at: datetime, executed_at: datetime | None, sent_at: datetime | None) -> datetime:
    """Return when a fill of ours traded: at its report, or by the broker's clock for a late report.

    That clock may be behind: nothing trades before its order was sent. An unknown time is the report's.
    """
    if executed_at is None or reported_at - executed_at < REPORTED_LATE:
        return reported_at
    return executed_at if sent_at is None else max(executed_at, sent_at)


def dealt_by_record(reported_at: datetime, executed_at: datetime | None, *, by_others: bool) -> datetime:
    """Return when a fill traded by its record alone, which has no time at which its order was sent."""
    return (executed_at or reported_at) if by_others else when_dealt(reported_at, executed_at, None)


def beyond_report(
    booked: BookedExecution, option: Option, reported_at: datetime, executed_at: datetime | None
) -> dict[str, Json]:
    """Return what a start must know of a fill that its record does not have otherwise, nothing of most fills.

    Its order, and the fill that it corrects, may be too old to be read then.
    """
    found: dict[str, Json] = {BUYS_BACK: True} if booked.quantity < 0 else {}
    by_record = dealt_by_record(reported_at, executed_at, by_others=booked.by_others)
    if booked.dealt_at is not None and booked.dealt_at != by_record:
        found[DEALT_AT] = booked.dealt_at.isoformat()
    if not option.is_share and option.multiplier != LOT:
        found[MULTIPLIER] = option.multiplier
    return found


def taken_back(known: BookedExecution | None, quantity: int) -> int:
    """Return how many contracts of a fill the exchange busted; known: as it was booked before."""
    if known is None or known.by_others or is_synthetic(known.exec_id.execution):
        return 0
    return max(known.quantity + known.taken_back - quantity, 0)


def has_no_pending(exec_id: ExecutionId, quantity: int) -> bool:
    """Say whether an execution will have no commission report: it was busted, or inferred from the account."""
    return not quantity or is_synthetic(exec_id.execution)


# --- Fills, commissions and settlements onto the ledger of a position

_EXACT = Decimal("0.0001")


class Settled(NamedTuple):
    """Contracts that left by expiry: the position without them, the price per share, and how (see `how_settled`).

    shares_profit: dollars by which the shares that came or went were worth more than the strike; None where their price
    is not known. See `PositionLeg.shares_profit`.
    """

    position: Position
    quantity: int
    price: Decimal
    how: str
    shares_profit: Decimal | None = ZERO


def leg_of(position: Position, name: str) -> PositionLeg:
    """Return a leg by its name."""
    return next(leg for leg in position.legs if leg.name == name)


def with_leg(position: Position, name: str, **changes: object) -> Position:
    """Return the position with fields of one leg changed."""
    legs = tuple([replace(leg, **changes) if leg.name == name else leg for leg in position.legs])  # type: ignore[arg-type]
    return replace(position, legs=legs)


def book(position: Position, booked: BookedExecution, option: Option) -> Position:
    """Return the position with one execution counted; `option` as the report names it, with the broker's number."""
    return _counted(position, booked, option, 1)


def unbook(position: Position, booked: BookedExecution) -> Position:
    """Return the position without an execution that was corrected."""
    return _counted(position, booked, leg_of(position, booked.leg).option, -1)


def _counted(position: Position, booked: BookedExecution, option: Option, times: int) -> Position:
    leg = leg_of(position, booked.leg)
    known = option if option.con_id else leg.option
    count, cash = times * booked.quantity, times * booked.cash
    outstanding = leg.commissions_pending + (0 if booked.is_paid else times)
    if booked.is_entry:
        opened, entry_cash = leg.opened + count, leg.entry_cash + cash
        changed = with_leg(
            position, leg.name, option=known, commissions_pending=outstanding, opened=opened, entry_cash=entry_cash
        )
        return _risking(changed)
    closed, exit_cash = leg.closed + count, leg.exit_cash + cash
    return with_leg(
        position, leg.name, option=known, commissions_pending=outstanding, closed=closed, exit_cash=exit_cash
    )


def _risking(position: Position) -> Position:
    """Return the position with its bound at the price it was entered at; what shares cover stays as it was."""
    net = position.entry_price
    if net is None or position.max_risk is None:
        return position
    worst = loss_bound(position.legs, net)
    return position if worst is None else replace(position, max_risk=(worst * LOT).quantize(_EXACT))


def add_fill(order: Order, leg: int, count: int) -> Order:
    """Return the order with `count` more contracts of its leg number `leg` filled."""
    filled = list(order.counts)
    filled[leg] += count
    return replace(order, leg_filled=tuple(filled))


def add_commission(position: Position, name: str, amount: Decimal, *, is_first: bool) -> Position:
    """Return the position with dollars of commission added to a leg (negative for a correction).

    is_first: its execution had none before.
    """
    leg = leg_of(position, name)
    return with_leg(
        position,
        name,
        commissions=leg.commissions + amount,
        commissions_pending=max(leg.commissions_pending - is_first, 0),
    )


def how_settled(leg: PositionLeg, level: Decimal) -> str:
    """Return how a leg ends at this level of its underlying: worthless, cash, assigned (short) or exercised (long).

    Source: OCC exercise by exception (0.01 in the money); Cboe SPX specifications.
    """
    if intrinsic(leg.option, level) < CENT:
        return "worthless"
    if product(leg.option.symbol).settlement is not Settlement.SHARES:
        return "cash"
    return ASSIGNED if leg.sign < 0 else "exercised"


def settled(position: Position, name: str, level: Decimal) -> tuple[Settled, ...]:
    """Settle an expired leg at the level of its underlying: cash brings the intrinsic value, shares nothing.

    Shares that come to the account, or leave it, count at that level. Contracts whose shares another leg delivers or
    takes move none: they end first, at their intrinsic value, which together is the difference of the strikes.
    """
    leg = leg_of(position, name)
    how, worth = how_settled(leg, level), intrinsic(leg.option, level)
    if product(leg.option.symbol).settlement is not Settlement.SHARES:
        return (_ended(position, leg, leg.held, worth, how),)
    found = []
    if both_ways := _set_off(position, leg, level):
        found.append(_ended(position, leg, both_ways, worth, how))
        position = found[-1].position
    if alone := leg.held - both_ways:
        found.append(_in_shares(position, leg_of(position, name), alone, how, level))
    return tuple(found)


def assigned(position: Position, name: str, count: int, level: Decimal | None) -> Settled:
    """Take contracts of a short leg out that were assigned before their last day: for the option nothing is paid.

    level: the official price of the shares then, None while it is not known.
    """
    return _in_shares(position, leg_of(position, name), count, ASSIGNED, level)


def _in_shares(position: Position, leg: PositionLeg, count: int, how: str, level: Decimal | None) -> Settled:
    """Settle contracts with delivery, except those whose shares are a leg of the position."""
    found = _ended(position, leg, count, ZERO, how)
    if how not in DELIVERING:
        return found
    shares = abs(shares_delivered(leg.option, count)) - _own_taken(position, leg.option, leg.sign * count)
    if level is None:
        unpriced = -(-shares // leg.option.multiplier)
        changed = with_leg(found.position, leg.name, unpriced=leg.unpriced + unpriced)
        return found._replace(position=changed, shares_profit=None if unpriced else ZERO)
    worth = shares_profit(leg.option, leg.sign * shares, level)
    changed = with_leg(found.position, leg.name, shares_profit=leg.shares_profit + worth)
    return found._replace(position=changed, shares_profit=worth)


def priced(position: Position, name: str, level: Decimal) -> Position:
    """Return the position once the official price is known of shares that one of its legs has moved."""
    leg = leg_of(position, name)
    worth = shares_profit(leg.option, leg.sign * abs(shares_delivered(leg.option, leg.unpriced)), level)
    return with_leg(position, name, shares_profit=leg.shares_profit + worth, unpriced=0)


def unsettled(position: Position, name: str, count: int, price: Decimal, how: str) -> Settled:
    """Put contracts back that had left a leg by expiry at this price; their count is negative in what is returned."""
    leg = leg_of(position, name)
    found = _ended(position, leg, -count, price, how)
    if how not in DELIVERING or price or not leg.settled:
        return found
    worth = (leg.shares_profit * count / leg.settled).quantize(CENT)
    unpriced = max(leg.unpriced - count, 0)
    changed = with_leg(found.position, name, shares_profit=leg.shares_profit - worth, unpriced=unpriced)
    return found._replace(position=changed, shares_profit=-worth)


def _ended(position: Position, leg: PositionLeg, count: int, price: Decimal, how: str) -> Settled:
    cash = leg.sign * count * price * leg.option.multiplier
    changed = with_leg(
        position,
        leg.name,
        closed=leg.closed + count,
        settled=leg.settled + count,
        exit_cash=leg.exit_cash + cash.quantize(CENT),
    )
    return Settled(changed, count, price, how)


def _set_off(position: Position, leg: PositionLeg, level: Decimal) -> int:
    """Return how many contracts of a leg move shares that other options of the position, of its last day, move back.

    What the position's own shares give and take comes first.
    """
    alike = [each for each in position.legs if _ends_with(each, leg)]
    moves = {each.name: _moved(each, level) for each in alike}
    own = sum(
        each.sign * (each.held + each.settled)
        for each in position.legs
        if each.option.is_share and each.option.symbol == leg.option.symbol
    )
    came = sum(shares for shares in moves.values() if shares > 0)
    went = -sum(shares for shares in moves.values() if shares < 0)
    left = min(max(came + min(own, 0), 0), max(went - max(own, 0), 0))
    for each in alike:
        if moves[each.name] * moves[leg.name] <= 0:
            continue
        taken = min(left, abs(moves[each.name]))
        if each.name == leg.name:
            return taken // leg.option.multiplier
        left -= taken
    return 0


def _ends_with(other: PositionLeg, leg: PositionLeg) -> bool:
    """Say whether two legs are options that end at one level."""
    return (other.option.symbol, other.option.expiry) == (leg.option.symbol, leg.option.expiry)


def _moved(leg: PositionLeg, level: Decimal) -> int:
    """Return the shares that come (+) or go (-) at the end of a leg that is assigned or exercised at this level."""
    if how_settled(leg, level) == "worthless":
        return 0
    return shares_delivered(leg.option, leg.sign * (leg.held + leg.settled))


def delivered(position: Position, option: Option, count: int) -> Settled | None:
    """Return the position after its options (+ long, - short) moved shares of its own share leg at the strike.

    None when no share leg moves that way: then the shares come to, or leave, the account alone.
    """
    moved, leg = _own_taken(position, option, count), _own_shares(position, option, count)
    if leg is None:
        return None
    cash = leg.sign * moved * option.strike * leg.option.multiplier
    changed = with_leg(
        position,
        leg.name,
        closed=leg.closed + moved,
        settled=leg.settled + moved,
        exit_cash=leg.exit_cash + cash.quantize(CENT),
    )
    return Settled(changed, moved, option.strike, leg.name)


def _own_shares(position: Position, option: Option, count: int) -> PositionLeg | None:
    """Return the share leg that these options (+ long, - short) move; None without one."""
    shares = shares_delivered(option, count)
    legs = (leg for leg in position.legs if leg.option.is_share and leg.option.symbol == option.symbol)
    return next((leg for leg in legs if leg.signed_held * shares < 0), None)


def _own_taken(position: Position, option: Option, count: int) -> int:
    """Return how many shares of the position itself these options (+ long, - short) move."""
    leg = _own_shares(position, option, count)
    return 0 if leg is None else min(leg.held, abs(shares_delivered(option, count)))

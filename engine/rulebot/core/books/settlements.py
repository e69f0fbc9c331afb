"""Expired options booked as cash or shares."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import nan

from rulebot.core.queries.orders import option_has_expired
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_position
from rulebot.core.state.turn import alarm
from rulebot.fill.ledger import Settled, assigned, delivered, how_settled, leg_of, unsettled
from rulebot.measure.series import DAY
from rulebot.model.contract import Option, Right, Settlement, Underlying, product
from rulebot.model.money import ZERO
from rulebot.model.order import Order
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import Session, exchange_date, session_after, session_before, session_from
from rulebot.model.values import replace
from rulebot.record.record import TAKEN_BACK, Json, Kind

AT_THE_CLOSE = timedelta(seconds=30)
"""By when the closing auction of shares has been printed."""


def settlement_level(work: StateBuilder, option: Option) -> Decimal | None:
    """Return the level at which an expired option settles, None where it is not known.

    The close of its last day, of what settles at opening prints the open of the session after it: those of today and of
    the session before as they are streamed, earlier ones by their daily bars. Source: Cboe SPX specifications.
    """
    session, board = work.schedule.session, work.market.board
    if option.expiry == session.date and not option.settles_at_open:
        return closing_level(work, option.symbol)
    if ended_earlier(option, session):
        return _level_of_bar(work, option)
    row = board.rows.get(Underlying(option.symbol), -1)
    if option.expiry != session_before(session.date).date or row < 0:
        return None
    level = (board.open if option.settles_at_open else board.previous_close)[row]
    return None if level != level else Decimal(f"{level:.4f}")


def ended_earlier(option: Option, session: Session) -> bool:
    """Say whether an option had its last day before the session before: its level is streamed no more."""
    return option.expiry < session_before(session.date).date


def _level_of_bar(work: StateBuilder, option: Option) -> Decimal | None:
    known = work.market.facts.bars.get((option.symbol, DAY))
    ends = session_after(option.expiry) if option.settles_at_open else session_from(option.expiry)
    for bar in () if known is None else known.bars:
        if exchange_date(datetime.fromtimestamp(bar.at, UTC)) == ends.date:
            level = bar.open if option.settles_at_open else bar.close
            return Decimal(f"{level:.4f}") if level > 0.0 else None
    return None


def closing_level(work: StateBuilder, symbol: str) -> Decimal | None:
    """Return the last print of the underlying, however old; of shares, which trade on, the last one of the session.

    None where the close was not seen and its data is not live, or the print of shares came later: of any time then.
    """
    board = work.market.board
    row = board.rows.get(Underlying(symbol), -1)
    if row < 0:
        return None
    last, kept = board.last[row], work.market.closing.get(symbol)
    is_later = board.last_at[row] > (work.schedule.session.close + AT_THE_CLOSE).timestamp()
    if row in board.frozen or (is_later and product(symbol).settlement is Settlement.SHARES):
        last = nan if kept is None else kept
    return None if last != last else Decimal(f"{last:.4f}")


def assign(work: StateBuilder, name: str, leg: PositionLeg, count: int) -> None:
    """Take contracts out of a position that were assigned before their last day, and the shares that they moved."""
    level = closing_level(work, leg.option.symbol)
    found = assigned(work.positions.by_id[name], leg.name, count, level)
    _book(work, found, leg.name, level, found.how)
    _deliver(work, name, leg, count, level)


def _deliver(work: StateBuilder, name: str, leg: PositionLeg, count: int, level: Decimal | None) -> None:
    """Move the shares of the position that the assignment, or exercise, of one of its legs takes or brings back."""
    found = delivered(work.positions.by_id[name], leg.option, leg.sign * count)
    if found is not None:
        _book(work, found, found.how, level, "delivered")


def _book(work: StateBuilder, found: Settled, leg: str, level: Decimal | None, how: str, **more: Json) -> None:
    put_position(work, found.position)
    record_settlement(work, found, leg, level, how, **more)


def record_settlement(
    work: StateBuilder, found: Settled, leg: str, level: Decimal | None, how: str, **more: Json
) -> None:
    """Record that contracts of a leg have left without a trade, or that they have not after all."""
    own = leg_of(found.position, leg)
    option = own.option
    work.record(
        Kind.SETTLEMENT,
        found.position.bot,
        found.position.id,
        leg=leg,
        quantity=found.quantity,
        price=str(found.price),
        level=None if level is None else str(level),
        how=how,
        shares_profit=None if found.shares_profit is None else str(found.shares_profit),
        sign=own.sign,
        multiplier=option.multiplier,
        expiry=None if option.is_share else option.expiry.isoformat(),
        strike=None if option.is_share else str(option.strike),
        right=None if option.is_share else "put" if option.right is Right.PUT else "call",
        **more,
    )


# --- Settlements that are reversed because their contracts had traded before


def reverse_settlement(
    work: StateBuilder, position: Position, leg: str, count: int, price: Decimal, how: str
) -> Position:
    """Put contracts back into a leg that had left it by expiry, at this price."""
    back = unsettled(position, leg, count, price, how)
    record_settlement(work, back, leg, None, how, **{TAKEN_BACK: True})
    return put_position(work, back.position)


def make_room(work: StateBuilder, order: Order, name: str, leg: str, count: int, executed_at: datetime | None) -> bool:
    """Reverse the settlement of a leg that a late fill had closed before its expiry.

    Not for a position whose options delivered or took shares of its other legs: which of them is no longer known. What
    left before its expiry was assigned: a fill closes more than was held then. executed_at: None where unknown.
    """
    position = work.positions.by_id[name]
    found = leg_of(position, leg)
    beyond = min(count - found.held, found.settled)
    if (
        beyond <= 0
        or not option_has_expired(work, found.option)
        or executed_at is None
        or executed_at >= session_from(found.option.expiry).close
    ):
        return False
    settled = _settled_at(work, position, found)
    if settled is None:
        return False
    if position.state == "closed":
        position = replace(position, exit_reason=order.reason)
    reverse_settlement(work, position, leg, beyond, *settled)
    text = f"{order.ref} had closed {beyond} {found.option} of {name} before the expiry, as the broker reports now"
    alarm(work, position.bot, f"{text}: that is booked instead of the expiry", name)
    return True


def _settled_at(work: StateBuilder, position: Position, leg: PositionLeg) -> tuple[Decimal, str] | None:
    """Return at what price a leg has settled, and how; None where that is not known or has moved shares of others."""
    closings = [
        booked
        for booked in work.positions.executions.values()
        if (booked.position, booked.leg, booked.is_entry) == (position.id, leg.name, False)
    ]
    if sum(booked.quantity for booked in closings) != leg.closed - leg.settled:
        return None
    cash = leg.exit_cash - sum((booked.cash for booked in closings), ZERO)
    price = cash / (leg.sign * leg.settled * leg.option.multiplier) if cash else ZERO
    if product(leg.option.symbol).settlement is not Settlement.SHARES:
        return price, "cash" if price else "worthless"
    level = settlement_level(work, leg.option)
    gave = any(each.option.is_share and each.settled for each in position.legs)
    return None if price or gave or level is None else (price, how_settled(leg, level))

"""Options that expire: taken out of every position that holds them, at what they are worth."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from rulebot.core.books.estimates import book_estimated_close, book_external_before_expiry
from rulebot.core.books.position_closed import count_closed, on_position_closed, record_fill
from rulebot.core.books.settlements import (
    AT_THE_CLOSE,
    _book,
    _deliver,
    closing_level,
    ended_earlier,
    reverse_settlement,
    settlement_level,
)
from rulebot.core.facts import HoldingsChanged, PartClosed, SharesLeft
from rulebot.core.gate.exit_retry import is_stopped
from rulebot.core.queries.account import has_estimates
from rulebot.core.queries.close_plan import exit_has_dealt, is_left_with_shares, part_is_over
from rulebot.core.queries.orders import has_expired, option_has_expired
from rulebot.core.queries.schedule import SETTLED_AFTER
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_booked, put_order, put_position
from rulebot.core.state.lists import first_expiry, held_legs
from rulebot.core.state.turn import alarm_of_price
from rulebot.fill.ledger import (
    BY_OTHERS,
    BookedExecution,
    Settled,
    add_fill,
    book,
    how_settled,
    leg_of,
    priced,
    settled,
    when_dealt,
)
from rulebot.measure.series import DAY
from rulebot.model.contract import Option, Settlement, Underlying, product
from rulebot.model.event import SettlementCorrected
from rulebot.model.loss_bound import ASSIGNED, DELIVERING, SETTLED
from rulebot.model.money import ZERO
from rulebot.model.order import Order
from rulebot.model.position import CLOSED_BY_HAND, CLOSED_ELSEWHERE, ESTIMATED, Position, PositionLeg
from rulebot.model.values import replace
from rulebot.record.record import CLOSING, Kind

OPENED_AFTER = timedelta(minutes=30)
"""After the open, by when the opening level is known at which options of the class SPX settle."""


def settle(work: StateBuilder, option: Option, last: Decimal = ZERO) -> None:
    """Settle an expired option in every position that holds it.

    A closed position holds it when the broker closed more than was held. Cash-settled: intrinsic value at the closing
    level of the index, or at the opening level of the day after its last session; until that is known it waits
    (`settle_missed`). On shares: in the money by a cent or more it is assigned (short) or exercised (long), else
    worthless; the option itself costs nothing. Shares of the position that are delivered leave it at the strike. When
    one option brings shares and another takes them, the position has the difference of the strikes. What others closed
    before leaves at its reported price. last: the account's last holding.
    """
    known = work.account.holdings_at_expiry
    if not _is_over(work, option):
        if last:
            work.account = replace(work.account, holdings_at_expiry={**known, option: last})
        return
    last = last or known.get(option, ZERO)
    at_last = {each: count for each, count in known.items() if each != option}
    work.account = replace(work.account, holdings_at_expiry=at_last)
    reported = book_external_before_expiry(work, option, last)
    level = settlement_level(work, option)
    for position in [each for each in work.positions.by_id.values() if not each.is_flat or each.id in reported]:
        for leg in position.legs:
            if leg.held and leg.option == option:
                leg = book_estimated_close(work, position.id, leg)
                if not leg.held:
                    continue
                if level is None:
                    if _is_asked_for(work, option):
                        continue
                    text = f"{option} is gone and its settlement level is not known"
                    alarm_of_price(work, position.bot, text, position.id)
                    continue
                _settle_leg(work, position.id, leg, level)
        if level is not None or work.positions.by_id[position.id].is_flat:
            _after_settlement(work, work.positions.by_id[position.id], reported.get(position.id, ""))
    work.follow_up(HoldingsChanged())


def settle_missed(work: StateBuilder) -> None:
    """Settle what expired while no engine ran: the account no longer holds it, and no report will follow.

    Cash settlements at a close are booked on a later day even if the account still lists the option, which would keep
    its bot from entering.
    """
    session = work.schedule.session
    if not work.connection.is_ready or first_expiry(work) > session.date:
        return
    held = (leg.option for leg in held_legs(work) if leg.option.expiry <= session.date)
    for option in sorted({option for option in held if option_has_expired(work, option)}, key=str):
        is_reported_soon = option.expiry == session.date and work.at < session.close + SETTLED_AFTER
        listed = work.account.holdings.get(option, ZERO)
        if not is_reported_soon and (not listed or _is_known_to_pay(work, option)):
            settle(work, option, listed)


def price_shares(work: StateBuilder) -> None:
    """Count the shares of early assignments whose price was not known when the account showed them, once it is."""
    waiting = (
        (each.id, leg) for each in work.positions.by_id.values() if each.unpriced for leg in each.legs if leg.unpriced
    )
    for name, leg in [*waiting]:
        level = closing_level(work, leg.option.symbol)
        if level is None:
            continue
        before = work.positions.by_id[name]
        position = put_position(work, priced(before, leg.name, level))
        worth = position.shares_profit - before.shares_profit
        _book(work, Settled(position, 0, ZERO, ASSIGNED, worth), leg.name, level, ASSIGNED, contracts=leg.unpriced)
        count_closed(work, name)


def settle_earlier(work: StateBuilder) -> None:
    """Settle what expired before this session began, ahead of exits: they would close it together with the rest."""
    if first_expiry(work) < work.schedule.session.date:
        settle_missed(work)


def _is_over(work: StateBuilder, option: Option) -> bool:
    """Say whether the level is there at which an option settles: the opening prints of the next day come after it.

    Until the next open the close that is streamed may be that of the day before the last one.
    """
    session = work.schedule.session
    if ended_earlier(option, session) or (option.expiry == session.date and not option.settles_at_open):
        return True
    wait = OPENED_AFTER if option.settles_at_open else timedelta(0)
    return option.expiry < session.date and work.at >= session.open + wait


def _is_known_to_pay(work: StateBuilder, option: Option) -> bool:
    """Say whether the close is known at which a listed, expired, cash-settled option of an earlier day settled.

    IBKR may list expired options until the next open and longer. Shares move when the account shows it. Until its index
    has printed live in this session, the reported close may be an older one.
    """
    session, board = work.schedule.session, work.market.board
    if option.settles_at_open or product(option.symbol).settlement is Settlement.SHARES:
        return False
    row = board.rows.get(Underlying(option.symbol), -1)
    if option.expiry >= session.date or row < 0 or row in board.frozen:
        return False
    has_printed = board.last_at[row] >= session.open.timestamp()
    return has_printed and _is_over(work, option) and settlement_level(work, option) is not None


def _is_asked_for(work: StateBuilder, option: Option) -> bool:
    """Say whether the daily bars that have the level of an option are still to come."""
    return ended_earlier(option, work.schedule.session) and (option.symbol, DAY) not in work.market.facts.bars


def keep_closing(work: StateBuilder) -> Mapping[str, float]:
    """Return the last prints of the session, by symbol, of shares with held options; later prints are no close.

    Each is recorded for a restart.
    """
    close, board = work.schedule.session.close, work.market.board
    if not close <= work.at <= close + AT_THE_CLOSE:
        return work.market.closing
    held = {leg.option.symbol for leg in held_legs(work)}
    shares = (symbol for symbol in sorted(held) if product(symbol).settlement is Settlement.SHARES)
    rows = ((symbol, board.rows.get(Underlying(symbol), -1)) for symbol in shares)
    seen = ((symbol, board.last[row]) for symbol, row in rows if row >= 0 and row not in board.frozen)
    found = {**work.market.closing, **{symbol: last for symbol, last in seen if last == last}}
    for symbol, last in found.items():
        if last != work.market.closing.get(symbol):
            work.record(Kind.FACTS, symbol=symbol, what=CLOSING, value=last)
    return found


def _settle_leg(work: StateBuilder, name: str, leg: PositionLeg, level: Decimal) -> None:
    for found in settled(work.positions.by_id[name], leg.name, level):
        _book(work, found, leg.name, level, found.how)
        if found.how in DELIVERING and not found.price:
            _deliver(work, name, leg, found.quantity, level)


def _after_settlement(work: StateBuilder, position: Position, reported: str) -> None:
    """Close the books of a position with no holdings. reported: how others closed it, "" if they did not.

    For a position with legs that still trade, the working exit may have had nothing else to close.
    """
    if position.state == "exiting" and not (position.is_flat or has_expired(work, position)):
        if part_is_over(work, position):
            work.follow_up(PartClosed(position.id))
        return
    if is_left_with_shares(position):
        work.follow_up(SharesLeft(position.id))
        return
    count_closed(work, position.id)
    if position.state == "closed":
        return
    is_estimate, is_settled = has_estimates(work, position), any(leg.settled for leg in position.legs)
    if not position.is_flat or not (is_estimate or is_settled or reported):
        return
    reason = _settled_reason(work, position, reported, is_estimate=is_estimate, is_settled=is_settled)
    on_position_closed(work, replace(position, exit_reason=reason), "settled")


def _settled_reason(
    work: StateBuilder, position: Position, reported: str, *, is_estimate: bool, is_settled: bool
) -> str:
    """Return how a position has ended that holds nothing more since its last options were settled."""
    levels_of = ((leg, settlement_level(work, leg.option)) for leg in position.legs if leg.settled)
    hows = {how_settled(leg, level) for leg, level in levels_of if level is not None}
    reason = CLOSED_BY_HAND if position.hold and not is_stopped(position) else _left_by(work, position)
    reason = ESTIMATED if is_estimate else reason if is_settled else reported
    if not reason and hows <= {"worthless"}:
        reason = _left_but_wings(work, position)
    if reason:
        return reason
    if hows <= {"worthless"}:
        return "expired_worthless"
    return next((how for how in (ASSIGNED, "exercised") if how in hows), SETTLED)


def _left_but_wings(work: StateBuilder, position: Position) -> str:
    """Return the exit that closed the last short leg of a position whose long legs alone expired, without value.

    "" where a short leg expired too, or none was sold.
    """
    shorts = {leg.name for leg in position.legs if leg.sign < 0}
    if not shorts or any(leg.settled for leg in position.legs if leg.name in shorts):
        return ""
    fills = (each for each in work.positions.executions.values() if each.position == position.id and each.leg in shorts)
    refs = [each.ref for each in fills if each.quantity and not each.is_entry]
    last = work.orders.by_ref.get(refs[-1]) if refs else None
    return "" if last is None else last.reason


def _left_by(work: StateBuilder, position: Position) -> str:
    """Return what ended a position whose rest has settled; "" where the working exit closed none of it."""
    if position.state != "exiting" or position.exit_reason in CLOSED_ELSEWHERE:
        return position.exit_reason
    return position.exit_reason if exit_has_dealt(work, position) else ""


# --- Closed before expiry without a report


def ending_corrected(work: StateBuilder, event: SettlementCorrected) -> None:
    """Book a trade in the place of a settlement; what is closed stays closed, at what it has made now."""
    fill, count = event.fill, int(event.fill.quantity)
    position, order = work.positions.by_id[event.position], work.orders.by_ref.get(event.fill.ref)
    leg = leg_of(position, event.leg)
    back = reverse_settlement(work, position, leg.name, count, event.price, event.how)
    cash = leg.sign * fill.price * count * leg.option.multiplier
    booked = BookedExecution(
        exec_id=fill.exec_id,
        position=position.id,
        leg=leg.name,
        is_entry=False,
        quantity=count,
        cash=cash,
        is_paid=True,
        by_others=order is None,
        ref="" if order is None else order.ref,
        dealt_at=when_dealt(work.at, fill.executed_at, None if order is None else order.sent_at),
    )
    put_booked(work, fill.exec_id.execution, booked)
    put_position(work, _left(book(back, booked, leg.option), order, event.left_at))
    if order is None:
        record_fill(work, fill, booked, leg.option, position.id, BY_OTHERS)
    else:
        at = next(at for at, each in enumerate(order.legs) if each.name == leg.name)
        put_order(work, add_fill(order, at, count))
        record_fill(work, fill, booked, leg.option, order.ref, order.purpose.value)
    count_closed(work, position.id)


def _left(position: Position, order: Order | None, at: datetime) -> Position:
    """Return a closed position as it ended now: by whom, and when, once nothing of it went with its option."""
    if position.state != "closed":
        return position
    position = replace(position, exit_reason=CLOSED_BY_HAND if order is None else order.reason)
    return position if any(leg.settled for leg in position.legs) else replace(position, closed_at=at)

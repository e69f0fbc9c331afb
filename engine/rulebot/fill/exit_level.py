"""The price at which a target or stop closes a position, and what a target has kept.

Without `of` an exit counts the whole trade: closed legs with what they brought or cost, open legs at their price now.
Amounts are dollars of all structures, + received; prices are net per share of one structure, + received.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from rulebot.compile.plan import ExitLevel, ExitPlan, Plan, Quantity
from rulebot.fill.ledger import BookedExecution
from rulebot.measure.view import Held, Ledger, LegView
from rulebot.model.commission import estimate
from rulebot.model.contract import LOT, Option
from rulebot.model.market import Board, QuoteFault, quote_fault, usual_age
from rulebot.model.money import CENT, ZERO
from rulebot.model.position import TARGET_MISSED, ExitTerms, Position, PositionLeg, is_target_missed
from rulebot.model.session import exchange_date, session_after
from rulebot.model.values import dataclass, replace

# --- What a position is worth and has made, and how rules see it


class HeldLeg(NamedTuple):
    """A held leg, with what its prices need.

    row: of the board, -1 while not streamed, and for split shares. contracts: negative when short; price_multiplier:
    signed, what a point of it is worth in a price per share of the structure; age: seconds after which its quote is
    stale.
    """

    row: int
    option: Option
    sign: int
    contracts: int
    price_multiplier: int
    age: float


def held_legs(position: Position, board: Board) -> tuple[HeldLeg, ...]:
    """Return the legs that are still held, as their prices are read; not what is counted at the price it went at."""
    rows = board.rows
    gone = {each.leg: each.contracts for each in position.account_missing if each.price is not None}
    return tuple(
        HeldLeg(
            -1 if position.is_split_in(leg.option) else rows.get(leg.option, -1),
            leg.option,
            leg.sign,
            leg.sign * (leg.held - gone.get(leg.name, 0)),
            leg.sign * leg.price_multiplier,
            usual_age(leg.option),
        )
        for leg in position.legs
        if leg.held != gone.get(leg.name, 0)
    )


def open_value(position: Position, board: Board, now: float) -> float | None:
    """Return the dollars that closing everything at mid would bring, None while a quote that matters is not sound.

    A long leg without a bid counts 0; a short leg without an ask is unknown (language/words.md, cost).
    """
    return _value(held_legs(position, board), board, now)


def open_value_of(leg: PositionLeg, board: Board, now: float) -> float | None:
    """Return the middle of a leg's quotes per share, None while they are not sound; as in `open_value`."""
    part = HeldLeg(board.rows.get(leg.option, -1), leg.option, leg.sign, 1, 1, usual_age(leg.option))
    value = _value((part,), board, now)
    return None if value is None else value / leg.option.multiplier


def _value(legs: Iterable[HeldLeg], board: Board, now: float) -> float | None:
    total = 0.0
    for row, option, sign, contracts, _, age in legs:
        fault = quote_fault(board, row, now, age)
        if fault is None:
            mid = (board.bid[row] + board.ask[row]) / 2
        elif fault is QuoteFault.NO_BID:
            mid = 0.0 if sign > 0 else board.ask[row] / 2
        else:
            return None
        total += contracts * mid * option.multiplier
    return total


def profit(position: Position, board: Board, now: float) -> Decimal | None:
    """Return the dollars a position has made since it began: cash, what is open at mid, commissions paid so far."""
    return made(position.net + position.missed_cash, held_legs(position, board), board, now)


def made(net: Decimal, legs: tuple[HeldLeg, ...], board: Board, now: float) -> Decimal | None:
    """Return the profit of a position by its cash less commissions, and by the legs that are held."""
    if not legs:
        return net
    value = _value(legs, board, now)
    return None if value is None else net + Decimal(f"{value:.4f}").quantize(CENT)


def leg_views(position: Position, board: Board) -> tuple[LegView, ...]:
    """Return the legs that are still held, as rules see them."""
    return tuple(
        LegView(leg.name, leg.option, board.rows.get(leg.option, -1), leg.sign, leg.ratio, leg.group)
        for leg in position.legs
        if leg.held
    )


def held(position: Position) -> Held | None:
    """Return the open position as rules see it, None before every leg has a fill."""
    price, structures = position.entry_price, position.structures
    if price is None or position.opened_at is None:
        return None
    return Held(
        entry_price=float(price),
        quantity=max(position.open_structures, 1),
        realized=float(realized(position)),
        commissions=float(position.commissions),
        opened_at=position.opened_at.timestamp(),
        max_risk=None if position.max_risk is None else float(position.max_risk) / LOT,
        best={each.of: float(each.amount) for each in position.peak_profit},
        legs={leg.name: _ledger(leg) for leg in position.legs},
        opened_on=position.session,
        spot=None if position.spot is None else float(position.spot),
        is_whole=all(leg.held == structures * leg.ratio for leg in position.legs),
        is_intact=all(leg.held == leg.opened == structures * leg.ratio for leg in position.legs),
        opened=opened(position),
    )


def _ledger(leg: PositionLeg) -> Ledger:
    price = leg.entry_cash * leg.price_multiplier / (leg.opened * leg.option.multiplier)
    made = leg.entry_cash + leg.proceeds - leg.commissions
    cash = float(leg.entry_cash), float(leg.proceeds)
    return Ledger(float(price), float(made), leg.signed_held, leg.option.expiry, leg.opened, *cash)


def opened(position: Position) -> int:
    """Return how many whole structures were opened, at least 1."""
    return max(min((leg.opened // leg.ratio for leg in position.legs), default=1), 1)


def realized(position: Position) -> Decimal:
    """Return the dollars made on contracts that were closed, before commissions."""
    total = ZERO
    for leg in position.legs:
        if leg.closed and leg.opened:
            total += leg.proceeds + leg.entry_cash * leg.closed / leg.opened
    return total


# --- The price at which a target or stop closes a position, and what a target has kept

_DEAREST_PREMIUM = 1.0
"""Premium per share from which on a contract costs the highest commission."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """The legs that an exit counts. entry: dollars of the whole structures; cash: received less paid so far."""

    legs: tuple[PositionLeg, ...]
    entry: Decimal
    cash: Decimal
    commissions: Decimal
    structures: int


def level_net(position: Position, planned: ExitPlan) -> Decimal | None:
    """Return the net price per share at which a target or stop closes what it counts of a position, - is paid.

    None where the exit has no such price or the position no entry price. Dollars of a target include the commission of
    closing, estimated at the dearest rate.
    """
    level = planned.compares
    if level is None or level.legs is not None:
        return None
    needed = needed_dollars(position, planned)
    return None if needed is None else needed / (LOT * max(position.open_structures, 1))


def net_of_whole(level: ExitLevel, entry: float) -> float | None:
    """Return the same for a structure with all legs open, by its entry price; None where more is needed.

    More is needed for dollars, which include commissions, for a part of max_risk, and for some legs.
    """
    if level.legs is not None or level.of == "max_risk" or (level.of is None and level.quantity is Quantity.DOLLARS):
        return None
    is_of_entry = level.of is not None or level.quantity is Quantity.FRACTION
    price = level.value * abs(entry) if is_of_entry else level.value
    if level.measure in ("cost", "value"):
        return price if level.measure == "value" else -price
    return (price if level.measure == "profit" else -price) - entry


def needed_dollars(position: Position, planned: ExitPlan) -> Decimal | None:
    """Return the dollars that closing the open legs must bring for the exit's comparison to hold, - is paid."""
    level = planned.compares
    if level is None or position.entry_price is None:
        return None
    counted = _counted(position, level)
    gain = _gain(position, planned, counted)
    return None if gain is None else gain - counted.cash


def _counted(position: Position, level: ExitLevel) -> _Counted:
    names = None if level.legs is None else set(level.legs)
    legs = tuple(leg for leg in position.legs if names is None or leg.name in names)
    structures = opened(position)
    if level.is_of_open and not position.is_flat:
        legs, structures = tuple(leg for leg in legs if leg.held), max(position.open_structures, 1)
    entry = LOT * structures * sum((_entry_price(leg) for leg in legs), ZERO)
    cash = entry if level.is_of_open else sum((leg.entry_cash + leg.proceeds for leg in legs), ZERO)
    return _Counted(legs, entry, cash, sum((leg.commissions for leg in legs), ZERO), structures)


def _entry_price(leg: PositionLeg) -> Decimal:
    """Return what a leg adds to the entry price per share of one structure."""
    return leg.entry_cash * leg.price_multiplier / (leg.opened * leg.option.multiplier) if leg.opened else ZERO


def _gain(position: Position, planned: ExitPlan, counted: _Counted) -> Decimal | None:
    """Return the dollars, before commissions, that the legs counted must have made for the comparison to hold."""
    level = planned.compares
    assert level is not None
    assert position.entry_price is not None
    shares = LOT * counted.structures
    value = Decimal(f"{level.value:.6f}")
    price = value * abs(position.entry_price) if level.of in ("credit", "debit") else value
    if level.measure in ("cost", "value"):
        return counted.entry + (price if level.measure == "value" else -price) * shares
    sign = 1 if level.measure == "profit" else -1
    if level.of == "max_risk":
        return None if position.max_risk is None else sign * value * position.max_risk * counted.structures
    if level.of is not None or level.quantity is Quantity.PRICE:
        return sign * price * shares
    if level.quantity is Quantity.DOLLARS:
        closing = closing_commission(counted.legs) if planned.kind.takes_profit else ZERO
        return sign * value + counted.commissions + closing
    return sign * value * abs(counted.entry)


def closing_commission(legs: Iterable[PositionLeg]) -> Decimal:
    """Return the commission of closing what is held of these legs in one order, at the dearest rate, in dollars."""
    parts = [(leg.option, -leg.signed_held, _premium(leg)) for leg in legs if leg.held > 0]
    return estimate(parts) if parts else ZERO


def _premium(leg: PositionLeg) -> float:
    paid = abs(leg.entry_cash) / (leg.opened * leg.option.multiplier) if leg.opened else ZERO
    return max(float(paid), _DEAREST_PREMIUM)


# ---------------------------------------------------------------- what is promised


def terms_of(position: Position, planned: ExitPlan) -> ExitTerms:
    """Return the terms of an exit as it begins to close a position.

    A target on a part of the entry price, or on a multiple of it, promises a share; others promise dollars.
    """
    net, structures = level_net(position, planned), position.open_structures
    closed = sum((leg.proceeds for leg in position.legs), ZERO)
    terms = ExitTerms(planned.name, net, structures, closed)
    level = planned.compares
    if not planned.promises or level is None or position.entry_price is None:
        return terms
    counted = _counted(position, level)
    gain = _gain(position, planned, counted)
    if gain is None:
        return terms
    names = tuple(leg.name for leg in counted.legs) if level.is_of_open else level.legs or ()
    if level.of is None and level.quantity is Quantity.DOLLARS:
        dollars = Decimal(f"{level.value:.6f}")
        return replace(terms, legs=names, dollars=dollars, is_after_commissions=True)
    is_share = level.quantity is Quantity.FRACTION or level.of in ("credit", "debit")
    share = gain / abs(counted.entry) if is_share and counted.entry else None
    return replace(terms, legs=names, share=share, dollars=gain)


def ended_by(plan: Plan, position: Position) -> str:
    """Return the name that `again` and `last_exit` know the end of a closed position by."""
    return TARGET_MISSED if is_target_missed(position) else plan.written_name(position.exit_reason)


# --- A position's profit since the session began, by cause


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
    now = _all_closed(position, own, None)
    if position.session >= day:
        return now.made
    before = _all_closed(position, own, day)
    held = sum(leg.opened * leg.option.multiplier for leg in position.legs) - before.closed
    was_open = base - before.made
    return now.made - before.made - (was_open * (now.closed - before.closed) / held if held > 0 else ZERO)


def _all_closed(position: Position, executions: Iterable[BookedExecution], day: date | None) -> _Part:
    """Return what was closed of all legs before a day, None: until now."""
    parts = [_closed(leg, [each for each in executions if each.leg == leg.name], day) for leg in position.legs]
    return _Part(sum(each.closed for each in parts), sum((each.made for each in parts), ZERO))


def _closed(leg: PositionLeg, own: Sequence[BookedExecution], day: date | None) -> _Part:
    if not leg.closed or not leg.opened:
        return _Part(0, ZERO)
    _, _, paid = _dealt(each for each in own if each.is_entry)
    exits = [each for each in own if not each.is_entry]
    closed, cash, commissions = leg.closed, leg.proceeds, leg.commissions - paid
    if day is not None:
        quantity, got, charged = _dealt(each for each in exits if _is_since(each, day))
        closed, cash, commissions = closed - quantity, cash - got, commissions - charged
        if leg.settled and _settles_on(leg) >= day:
            closed -= leg.settled
            cash -= leg.proceeds - _dealt(exits)[1]
    made = cash + (leg.entry_cash - paid) * min(closed, leg.opened) / leg.opened - commissions
    return _Part(closed * leg.option.multiplier, made)


def _dealt(executions: Iterable[BookedExecution]) -> tuple[int, Decimal, Decimal]:
    """Return contracts, cash and commissions."""
    found = list(executions)
    cash, commissions = (sum((getattr(each, name) for each in found), ZERO) for name in ("cash", "commission"))
    return sum(each.quantity for each in found), cash, commissions


def _is_since(execution: BookedExecution, day: date) -> bool:
    return execution.dealt_at is not None and exchange_date(execution.dealt_at) >= day


def _settles_on(leg: PositionLeg) -> date:
    """Return the day on which what is held of a leg until then is settled."""
    option = leg.option
    return session_after(option.expiry).date if option.settles_at_open else option.expiry

"""What a position is worth and has made, and how rules see it."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from rulebot.evaluate.snapshot import Held, Ledger, LegView
from rulebot.model.contract import LOT, Option
from rulebot.model.market import Board
from rulebot.model.money import CENT, ZERO
from rulebot.model.position import Position, PositionLeg
from rulebot.model.quotes import QuoteFault, quote_fault, usual_age


class HeldLeg(NamedTuple):
    """A leg of which contracts are held, as prices are read for it.

    row: of the board, -1 while it is not streamed, and of shares that were split. contracts: negative when short;
    price_multiplier: signed, what a point of it is worth in a price per share of the structure; age: seconds after
    which its quote is stale.
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
    gone = {each.leg: each.contracts for each in position.missed if each.price is not None}
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
        best={each.of: float(each.amount) for each in position.best},
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

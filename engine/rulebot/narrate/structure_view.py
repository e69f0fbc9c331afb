"""A structure as people are shown it: its legs with their quotes, and what all of it makes at expiry."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

from rulebot.evaluate.select import StructureSelection
from rulebot.evaluate.snapshot import LegView
from rulebot.model.contract import LOT, Option, Right, share
from rulebot.model.market import Board
from rulebot.model.position import PositionLeg
from rulebot.model.structure import SHARES, Strike, structure_text
from rulebot.model.values import dataclass
from rulebot.review.payoff import Payoff, payoff_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLeg:
    """One leg. side: buy or sell; right: put, call or shares, which have neither strike nor expiry.

    Units: bid and ask per share, None where there is none. Greeks are of an option held long: delta and gamma (a point)
    of one share, theta (a calendar day) and vega (a volatility point) in dollars of one contract.
    """

    name: str
    side: str
    symbol: str
    trading_class: str
    right: str
    strike: str | None
    expiry: str | None
    ratio: int
    bid: float | None = None
    ask: float | None = None
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None

    @property
    def mid(self) -> float | None:
        """The midpoint, None without both sides."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2

    @property
    def option(self) -> Option:
        """The contract."""
        if self.right == SHARES or self.strike is None or self.expiry is None:
            return share(self.symbol)
        day, right = date.fromisoformat(self.expiry), Right(self.right)
        return Option(self.symbol, self.trading_class, day, Decimal(self.strike), right)


def leg_document(leg: ShownLeg) -> dict[str, Any]:
    """Return a leg as plain data."""
    return {each.name: getattr(leg, each.name) for each in fields(ShownLeg)}


def shown_legs(selection: StructureSelection, board: Board) -> tuple[ShownLeg, ...]:
    """Return the legs of a structure that was chosen, in its order."""
    return tuple(
        ShownLeg(
            name=leg.name,
            side="buy" if leg.sign > 0 else "sell",
            symbol=leg.option.symbol,
            trading_class=leg.option.trading_class,
            right=SHARES if leg.option.is_share else leg.option.right.value,
            strike=None if leg.option.is_share else f"{leg.option.strike:f}",
            expiry=None if leg.option.is_share else leg.option.expiry.isoformat(),
            ratio=leg.ratio,
            bid=_known(board.bid, leg.row),
            ask=_known(board.ask, leg.row),
            **_greeks(leg, board),
        )
        for leg in selection.legs
    )


def _greeks(leg: LegView, board: Board) -> dict[str, float | None]:
    """Return what the broker's model says of one option held long; nothing of shares."""
    if leg.option.is_share:
        return {}
    found = {name: _known(getattr(board, name), leg.row, 6) for name in ("gamma", "theta", "vega")}
    for name in ("theta", "vega"):
        value = found[name]
        found[name] = None if value is None else round(value * leg.option.multiplier, 4)
    return {"delta": _known(board.delta, leg.row), **found}


def structure_of_legs(legs: Sequence[ShownLeg]) -> str:
    """Return `5920/5930p 6065/6075c`."""
    return structure_text(
        Strike(
            leg.symbol,
            leg.right,
            Decimal(leg.strike or 0),
            leg.ratio,
            leg.expiry,
            1 if leg.side == "buy" else -1,
        )
        for leg in legs
    )


def payoff_at_expiry(
    legs: Sequence[ShownLeg],
    quantity: int,
    price: float,
    commission: float,
    levels: Mapping[str, float],
    *,
    covered: bool = False,
) -> Payoff | None:
    """Return what so many structures make, opened at this net price per share (+ received).

    None where nobody can say: a level is not known, or the legs do not all expire on one day.
    """
    symbols = list(dict.fromkeys(leg.symbol for leg in legs))
    expiries = {leg.expiry for leg in legs if leg.expiry is not None}
    if len(expiries) != 1 or any(not levels.get(symbol) for symbol in symbols):
        return None
    held = [
        PositionLeg(
            name=leg.name,
            option=leg.option,
            sign=1 if leg.side == "buy" else -1,
            ratio=leg.ratio,
            opened=leg.ratio * quantity,
        )
        for leg in legs
    ]
    spots = [(symbol, Decimal(f"{levels[symbol]:.2f}")) for symbol in symbols]
    net = Decimal(f"{price:.4f}") * LOT * quantity - Decimal(f"{commission:.2f}")
    return replace(payoff_of(held, spots, net), covered=covered)


def _known(column: Sequence[float], row: int, places: int = 4) -> float | None:
    number = float("nan") if row < 0 else float(column[row])
    return None if number != number else round(number, places)

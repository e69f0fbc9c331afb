"""Cash and positions of the one account, in exact dollars.

Theory. A holding keeps its total cost, signed like its quantity and with commissions in it, and not an average,
so that what is realised is to the last digit the cash that the contract has brought. Of an option that is assigned or
exercised nothing is realised: what it has brought or cost is part of what the shares have cost. Source: IBKR Reporting
Reference, Trades, Realized P/L.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from rulebot.model.money import ZERO

_GRAIN = Decimal("0.0001")


@dataclass(slots=True)
class Holding:
    """One net position: `cost` is dollars paid (negative: received), commissions included.

    `made_before` and `realized_before` are what it had made, and what of that was realised, when the day began.
    """

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    made_before: Decimal = ZERO
    realized_before: Decimal = ZERO

    @property
    def average_cost(self) -> Decimal:
        """Dollars per contract or share, multiplier and commission included; 0 when flat."""
        return (self.cost / self.quantity).quantize(Decimal("0.000001")) if self.quantity else ZERO

    def release(self, quantity: Decimal) -> Decimal:
        """Take `quantity` (unsigned) out of the position and return its part of the cost."""
        held = abs(self.quantity)
        part = self.cost if quantity == held else (self.cost * quantity / held).quantize(_GRAIN)
        self.cost -= part
        self.quantity -= quantity if self.quantity > 0 else -quantity
        return part


@dataclass(slots=True)
class Account:
    """The books of the broker for this account."""

    cash: Decimal
    holdings: dict[int, Holding] = field(default_factory=dict)
    realized_today: Decimal = ZERO

    def quantity(self, con_id: int) -> Decimal:
        """Return the net position, 0 when there is none."""
        held = self.holdings.get(con_id)
        return held.quantity if held else ZERO

    def trade(self, con_id: int, quantity: Decimal, value: Decimal, commission: Decimal) -> Decimal | None:
        """Book `quantity` (signed) for `value` dollars (what a buyer pays, signed like the quantity).

        Returns what was realised, net of commissions of both ends, or None when the trade only opened.
        """
        held = self.holdings.setdefault(con_id, Holding())
        self.cash -= value + commission
        closing = min(abs(held.quantity), abs(quantity)) if held.quantity * quantity < 0 else ZERO
        if not closing:
            held.quantity += quantity
            held.cost += value + commission
            return None
        return self._close(held, quantity, closing, value + commission)

    def _close(self, held: Holding, quantity: Decimal, closing: Decimal, paid: Decimal) -> Decimal:
        opening = abs(quantity) - closing
        closed_part = paid if not opening else (paid * closing / abs(quantity)).quantize(_GRAIN)
        realized = -(held.release(closing) + closed_part)
        if opening:
            held.quantity = opening if quantity > 0 else -opening
            held.cost = paid - closed_part
        self._realize(held, realized)
        return realized

    def extinguish(self, con_id: int, cash: Decimal) -> Decimal:
        """End a whole position against `cash` dollars, 0 when it is worthless; return what was realised."""
        held = self.holdings[con_id]
        realized = cash - held.release(abs(held.quantity))
        self.cash += cash
        self._realize(held, realized)
        return realized

    def deliver(self, con_id: int, stock_id: int, shares: Decimal, value: Decimal) -> Decimal | None:
        """End a whole position in an option by shares (signed) that are bought for `value` dollars, or sold.

        Returns what was realised by shares that were held before, None when they only opened.
        """
        held = self.holdings[con_id]
        premium = held.release(abs(held.quantity))
        self.cash += premium
        return self.trade(stock_id, shares, value + premium, ZERO)

    def _realize(self, held: Holding, amount: Decimal) -> None:
        held.realized += amount
        self.realized_today += amount

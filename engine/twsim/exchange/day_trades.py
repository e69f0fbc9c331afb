"""How many day trades the account has made, as the broker counts them.

A day trade is the opening and closing of one contract on one day; what one order closes is one, however many legs and
fills it has. Under $25,000 of net liquidation three are allowed within five sessions. Settlement closes nothing.

Source: FINRA Rule 4210(f)(8)(B) as brokers may apply it until October 2027 (91 FR 20731); TWS API account key
DayTradesRemaining, -1 when there is no limit.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from rulebot.model.money import ZERO

ALLOWED, SESSIONS, EQUITY = 3, 5, Decimal(25000)


@dataclass(slots=True)
class DayTrades:
    """The count of this session and of the four before."""

    opened: dict[int, Decimal] = field(default_factory=dict)
    closers: set[int] = field(default_factory=set)
    before: list[int] = field(default_factory=list)

    def note(self, order: int, con_id: int, held: Decimal, quantity: Decimal) -> None:
        """Take a trade of `quantity` (signed) in a contract of which `held` (signed) was there."""
        closing = min(abs(held), abs(quantity)) if held * quantity < 0 else ZERO
        of_today = self.opened.get(con_id, ZERO)
        if closing and of_today:
            self.closers.add(order)
        self.opened[con_id] = max(of_today - closing, ZERO) + abs(quantity) - closing

    def end_day(self) -> None:
        """Begin the next session."""
        self.before = [*self.before, len(self.closers)][1 - SESSIONS :]
        self.opened.clear()
        self.closers.clear()

    def remaining(self, net_liquidation: Decimal) -> int:
        """Return what the broker tells."""
        if net_liquidation >= EQUITY:
            return -1
        return max(ALLOWED - len(self.closers) - sum(self.before), 0)

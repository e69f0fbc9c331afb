"""The nouns of a statement of the broker: what it says was traded, and what ended without a trade."""

from datetime import date
from decimal import Decimal

from rulebot.model.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A contract as the statement names it; `con_id` is 0 when it does not say."""

    con_id: int
    symbol: str
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementExecution:
    """One execution as it stands after its cancels and corrections; dollars as the broker signs them (+ received).

    commission: paid, positive. net_cash: None when the file has no such column. times: how often the file has it.
    """

    exec_id: str
    order_id: int
    ref: str
    contract: Contract
    day: date
    signed: Decimal
    price: Decimal
    proceeds: Decimal
    commission: Decimal
    net_cash: Decimal | None = None
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEvent:
    """An exercise, assignment, expiration, or the cash or shares of one. `signed` is how the holding changes."""

    contract: Contract
    kind: str
    day: date
    signed: Decimal
    price: Decimal
    proceeds: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a file says of one account. periods: first and last days, one for each part of the file.

    orphans: cancels of trades that are not in it. has_events: whether it has the section of exercises, assignments and
    expirations. others: accounts in the same file.
    """

    account: str
    periods: tuple[tuple[date, date], ...]
    trades: tuple[StatementExecution, ...]
    orphans: tuple[StatementExecution, ...]
    events: tuple[StatementEvent, ...]
    has_events: bool
    others: tuple[str, ...] = ()

    def covers(self, day: date) -> bool:
        """Say whether a day is in the file."""
        return any(first <= day <= last for first, last in self.periods)

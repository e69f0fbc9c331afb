"""What a backtest has lived through, as its results tell it: a trade, and a session of the account."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from rulebot.model.values import dataclass

MARGIN_TOOK_ALL = "the margin of what was held, by its worst case, took all that the account had"
NOT_CARRIED = "a broker may refuse such entries, or close some of it"
"""What it is that a session was strained, and what comes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTrade:
    """One position from its first fill until it was left, or to the last session if it is open then (`left` is None).

    Units: entry and exit are net prices per share as the views have them; given: how far from the mid its entry
    filled, in dollars a share, positive when it cost something; None of what was rolled into, by an order that
    closed something too. asked: how many structures its entry wanted, of which `quantity` filled. parts: the exits
    that closed a part before `reason` closed the rest, each once. vix: at the first instant of the session.
    in_shares: it was assigned or exercised; its shares count in `net` at the settlement price, and what they make
    later is in the account alone. worth: the part of `net` that they made; None of other trades, and while that price
    is not known (`InShares`).
    """

    name: str
    bot: str
    symbol: str
    structure: str
    quantity: int
    asked: int
    entered: str
    left: str | None
    entry: float | None
    exit: float | None
    given: float | None
    parts: tuple[str, ...]
    reason: str
    commissions: Decimal
    net: Decimal
    vix: float | None
    in_shares: bool
    worth: Decimal | None
    why: str

    @property
    def filled(self) -> str:
        """What was opened: `3 x 5920/5930p`, of an entry that filled in part `5920/5930p, 1 of 3`."""
        return filled_words(self.structure, self.quantity, self.asked)

    @property
    def exits(self) -> str:
        """All that closed it, in their order: `half, target`."""
        return exits_words(self.parts, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDay:
    """One session of the account: its value at the end, what that changed, trades opened and closed.

    has_data: else it was lived through for what was held alone. is_strained: what was held once left the account
    nothing free, by the estimate of its margin.
    """

    date: date
    equity: Decimal
    profit: Decimal
    vix: float | None
    opened: int
    closed: int
    has_data: bool = True
    is_strained: bool = False


def filled_words(structure: str, quantity: int, asked: int) -> str:
    """Return what was opened, with how many were asked for where not all of them filled."""
    return f"{structure}, {quantity} of {asked}" if quantity < asked else structure


def exits_words(parts: Iterable[str], reason: str) -> str:
    """Return the exits that closed a trade in words: those that closed parts of it, and the one that ended it."""
    return ", ".join([*parts, reason])

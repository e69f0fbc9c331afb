"""What a rule may look at, at one instant: the market, the day's facts, the structure in question."""

from collections.abc import Callable, Mapping
from copy import copy
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from rulebot.model.contract import Option, Right
from rulebot.model.facts import Facts
from rulebot.model.loss_bound import ShareHolding
from rulebot.model.market import Board, level_of
from rulebot.model.session import Session

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Greeks(NamedTuple):
    """Sums over contracts. Units: shares, shares a point, dollars a day, dollars a volatility point."""

    delta: float
    gamma: float
    theta: float
    vega: float


class Exposure(NamedTuple):
    """Greeks by underlying, and dollars at expiry; with a reason in place of each that is not known."""

    greeks: Mapping[str, Greeks]
    missing: str
    worst: Decimal | None
    worst_missing: str


class LegView(NamedTuple):
    """One leg of the structure under judgement. `row` is its row on the board, -1 while it is not streamed.

    group: as in `PositionLeg`.
    """

    name: str
    option: Option
    row: int
    sign: int
    ratio: int
    group: str = ""

    @property
    def price_multiplier(self) -> int:
        """What a point of the leg is worth in a price per share of the structure."""
        return self.option.price_multiplier(self.ratio)


class Ledger(NamedTuple):
    """One leg of the open position, closed or not.

    Units: `entry_price` is what it adds to the entry price of the structure, per share, + received; `made` dollars
    received less paid so far, commissions included; `held` contracts, negative when short; `expiry` its last day, that
    of a share is the end of all days; `opened` contracts; `entry_cash`, `exit_cash` dollars, + received, - paid.
    """

    entry_price: float
    made: float
    held: int
    expiry: date
    opened: int = 0
    entry_cash: float = 0.0
    exit_cash: float = 0.0


class Held(NamedTuple):
    """The open position being judged.

    Units: `entry_price` is net, per share of one structure, + received (credit), - paid (debit), average of the fills
    without commissions; `quantity` open structures; `realized` dollars of closed legs; `commissions` dollars paid so
    far; times in epoch seconds; `max_risk` per share of one structure, the most it can lose. `best`: the best profit so
    far by measure (`core/rules/trailing.py`), as a part of the entry price, or in dollars. `legs`: every leg by name.
    `is_whole`: all of them are open, in the counts of their ratios. `opened_on`: its session. `spot`: of the first
    underlying when the entry was first sent, None where unknown.
    """

    entry_price: float
    quantity: int
    realized: float
    commissions: float
    opened_at: float
    max_risk: float | None
    best: Mapping[str, float] = NOTHING
    legs: Mapping[str, Ledger] = NOTHING
    is_whole: bool = True
    opened_on: date = date.min
    spot: float | None = None
    is_intact: bool = True
    opened: int = 1


class BotView(NamedTuple):
    """What a rule may know of a bot: whether it holds anything, whether an order of it works, how it last left.

    last_exit: name of the exit that ended a position last in this session, "" when none has.
    """

    holds: bool
    works: bool
    last_exit: str


def _no_bot(name: str) -> BotView | None:
    return None


class Margin(NamedTuple):
    """The broker's answer on margin: dollars that an entry order adds; None, and why, where it gave none."""

    dollars: float | None
    missing: str = ""


class View:
    """The read-only snapshot of one instant. One object serves many rules; `memo` caches shared measures.

    `legs` is the candidate structure (in `require`) or that of the open position (in exits), empty in entry filters.
    `start_price` is the signed net price per share at which the entry order would start, None if it has none;
    `is_offered`: the order's actual price, which replaces the quotes; `quantity` the number of structures to be traded
    or held; `commission` the estimated dollars of opening them. `shares_of` gives the account's shares of a symbol,
    None while unknown; `is_covered`: shares cover the short calls of `legs` that no long call covers. `bot_view` looks
    a bot up by its name, None when it does not run. `exposure`: of the bot with the entry in question, while
    `risk.require` is judged. `margin`: of the candidate's order, None until the broker has answered, and once the order
    was sent.
    """

    __slots__ = (
        "board",
        "bot_view",
        "commission",
        "exposure",
        "facts",
        "held",
        "is_covered",
        "is_offered",
        "legs",
        "margin",
        "memo",
        "now",
        "quantity",
        "session",
        "shares_of",
        "start_price",
    )

    def __init__(
        self,
        *,
        now: float,
        session: Session,
        board: Board,
        facts: Facts,
        shares_of: Callable[[str], ShareHolding | None] = lambda symbol: None,
    ) -> None:
        self.now = now
        self.session = session
        self.board = board
        self.facts = facts
        self.shares_of = shares_of
        self.memo: dict[object, Any] = {}
        self.legs: tuple[LegView, ...] = ()
        self.held: Held | None = None
        self.quantity = 0
        self.is_covered = False
        self.start_price: float | None = None
        self.is_offered = False
        self.commission = 0.0
        self.bot_view: Callable[[str], BotView | None] = _no_bot
        self.exposure: Exposure | None = None
        self.margin: Margin | None = None

    def offering(self, net: float) -> "View":
        """Return the same snapshot as it is for an order at this net price per share of one structure."""
        view = copy(self)
        view.start_price, view.is_offered = net, True
        return view

    def level(self, symbol: str) -> float | None:
        """Return the price of an underlying or index, None when it is unknown; looked up once an instant."""
        key = ("level", symbol)
        if key not in self.memo:
            self.memo[key] = level_of(self.board, symbol, self.now)
        found: float | None = self.memo[key]
        return found

    def shares(self, symbol: str) -> ShareHolding | None:
        """Return the account's shares of an underlying, None while they are not known; looked up once an instant."""
        key = ("shares", symbol)
        if key not in self.memo:
            self.memo[key] = self.shares_of(symbol)
        found: ShareHolding | None = self.memo[key]
        return found

    def chain(self, trading_class: str, expiry: date, right: Right) -> dict[Decimal, int]:
        """Return the board's rows of the streamed options of one expiry and right, by strike, rising."""
        return self.board.chain(trading_class, expiry, right)

"""Our orders, from the intent that is written before anything is sent to the last report about them."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from rulebot.model.cause import BrokerMessage, Cause, EndedBy, MessageMeaning, Name, Text, cause_text
from rulebot.model.contract import Contract, Option
from rulebot.model.values import dataclass, replace

FILLS_KEPT = timedelta(days=30)
"""How long an execution of a position that is over is remembered. The broker repeats those of a week at most."""
HIGHEST_PASSED = 500_000_000
"""Highest order id of other clients that rulebot continues above (`above`); half of the adapter's ids then remain."""


def above(order_id: int, passed: int) -> int:
    """Return the next order id, above one that the broker reported for any client; unchanged where that is too high.

    "If reqAllOpenOrders is used by a client, subsequent orders placed by that client must have order IDs greater than
    the order IDs of all orders returned"; the same holds for a master client. Source: TWS API, Placing Orders.
    """
    return max(order_id, passed + 1) if passed <= HIGHEST_PASSED else order_id


class Side(Enum):
    """Buy or sell."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for buy, -1 for sell."""
        return 1 if self is Side.BUY else -1


class OrderType(Enum):
    """How an order is priced."""

    LIMIT = "limit"
    MARKET = "market"
    STOP = "stop"


class TimeInForce(Enum):
    """DAY ends with the session; GTC stays over nights and restarts."""

    DAY = "day"
    GTC = "gtc"


class Purpose(Enum):
    """Why an order exists. TARGET, STOP and PROTECT rest at the broker; the others are worked by the engine.

    ROLL closes one position and opens another.
    """

    ENTRY = "entry"
    EXIT = "exit"
    TARGET = "target"
    STOP = "stop"
    PROTECT = "protect"
    UNWIND = "unwind"
    ROLL = "roll"


class OrderStatus(Enum):
    """The state of an order, derived from the broker's messages.

    PREPARED: written, nothing sent. SENDING: bytes may be leaving. WORKING: the broker has acknowledged it. CANCELLING:
    a cancel was requested; fills may still arrive. UNKNOWN: its state is not known; ask, never resend. RISK_REJECTED:
    our own limits rejected it, nothing was sent. REJECTED: the broker rejected it. LOST: never found at the broker;
    watched for a late appearance.
    """

    PREPARED = "prepared"
    SENDING = "sending"
    WORKING = "working"
    CANCELLING = "cancelling"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    RISK_REJECTED = "risk_rejected"
    LOST = "lost"

    __hash__ = object.__hash__  # each is one object, as those of `Right`

    @property
    def is_live(self) -> bool:
        """True while it may still fill."""
        return self in _LIVE


_LIVE = frozenset(
    (
        OrderStatus.PREPARED,
        OrderStatus.SENDING,
        OrderStatus.WORKING,
        OrderStatus.CANCELLING,
        OrderStatus.UNKNOWN,
    )
)


TERMS_KEPT = 5
"""Earlier terms that are kept for a changed order: reports of them may still arrive."""


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """What can be changed of an order that works: structures, and its limit or stop price as the wire has it."""

    quantity: int
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class OrderLeg:
    """One leg of an order: `side` is what happens to it when the order's structure is bought as written.

    opens: of an order that rolls, that it is a leg of the position that is rolled into.
    """

    name: Name
    option: Option
    side: Side
    ratio: int = 1
    opens: bool = False

    @property
    def key(self) -> str:
        """Key of a leg within its order: an order that rolls has two legs of each name."""
        return f"{self.name}+" if self.opens else self.name

    @property
    def price_multiplier(self) -> int:
        """What a point of the leg is worth in a price per share of the structure."""
        return self.option.price_multiplier(self.ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order of rulebot. A change makes a new value; the last recorded one is valid.

    ref: the broker's orderRef and our identity for it (never the order id). number: counts intents of this store.
    reason: the name of the exit, "entry", or another cause. legs: one, or several that trade as one combo; a combo is
    always bought, its legs' sides give the direction, so a credit is a negative price. side: of a single leg. quantity:
    structures. leg_filled: contracts by leg, from executions alone (() is none). broker_filled: structures that the
    broker reports as filled. reported_final_status: the broker's final status while executions are still due.
    limit_price, stop_price: signed as on the wire. attempt: the ladder's try, from 1. attempt_until: when that try
    ends. mid: signed mid (as limit_price) when it was first priced, for slippage. digest: of the spec that governs it.
    opens_position: the position that a roll order opens, "" for any other. previous_terms: its terms before changes,
    oldest first. cause: why rulebot cancelled it, lost track of it or considers it ended; None otherwise. about,
    detail: what the cause names, and further words. heard: the broker's last message on it, which a cancel for another
    cause clears. answer: the broker's last answer to our cancel. unmet_since: since when the target that it works for
    is no longer met, None while it is.
    """

    ref: Name
    number: int
    bot: Name
    position: Name
    purpose: Purpose
    reason: Name
    legs: tuple[OrderLeg, ...]
    side: Side
    quantity: int
    kind: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    adaptive: Name = ""
    oca_group: Name = ""
    status: OrderStatus = OrderStatus.PREPARED
    order_id: int = 0
    perm_id: int = 0
    client_id: int = 0
    leg_filled: tuple[int, ...] = ()
    broker_filled: int = 0
    reported_final_status: OrderStatus | None = None
    average_price: Decimal | None = None
    attempt: int = 0
    attempt_until: datetime | None = None
    mid: Decimal | None = None
    prepared_at: datetime
    sent_at: datetime | None = None
    changed_at: datetime
    digest: Name = ""
    previous_terms: tuple[OrderTerms, ...] = ()
    opens_position: Name = ""
    cause: Cause | None = None
    about: Name = ""
    detail: Text = ""
    received: BrokerMessage | None = None
    answer: BrokerMessage | None = None
    unmet_since: datetime | None = None

    @property
    def can_increase_risk(self) -> bool:
        """True when it may open something: it is an entry, or it rolls."""
        return self.purpose is Purpose.ENTRY or bool(self.opens_position)

    def opens(self, position: str) -> bool:
        """Say whether it opens this position."""
        return (
            self.opens_position == position
            if self.opens_position
            else self.purpose is Purpose.ENTRY and self.position == position
        )

    @property
    def positions(self) -> tuple[str, ...]:
        """The positions that it trades for: first the one that it closes."""
        return (self.position, self.opens_position) if self.opens_position else (self.position,)

    def is_of(self, position: str) -> bool:
        """Say whether it trades for this position."""
        return self.position == position or (self.opens_position == position and bool(position))

    def position_of(self, leg: OrderLeg) -> str:
        """Return the position of a leg."""
        return self.opens_position if leg.opens else self.position

    def legs_of(self, position: str) -> tuple[OrderLeg, ...]:
        """Return the legs of a position."""
        return (
            tuple(leg for leg in self.legs if self.position_of(leg) == position) if self.opens_position else self.legs
        )

    @property
    def is_silent(self) -> bool:
        """True while neither the broker nor rulebot has a message about it."""
        return self.cause is None and self.received is None and self.answer is None

    @property
    def last_message(self) -> BrokerMessage | None:
        """The broker's last message on it; None where rulebot's own cause came after that."""
        if self.answer is not None:
            return self.answer
        return self.received if self.cause in (None, Cause.BROKER_SAID) else None

    def last_means(self, *any_of: MessageMeaning) -> bool:
        """Say whether the broker's last message on it means one of these."""
        found = self.last_message
        return found is not None and found.means(*any_of)

    @property
    def is_ended_for_broker(self) -> bool:
        """True when the broker's last message on it gives a reason of the broker's or the exchange's own."""
        found = self.last_message
        return found is not None and found.ended_by is EndedBy.BROKER

    @property
    def why(self) -> Text:
        """Why it was cancelled, for people: the broker's message where rulebot has no cause of its own."""
        received = "" if self.received is None else self.received.words
        if self.cause is None or (self.cause is Cause.BROKER_SAID and received):
            return received
        if self.cause is Cause.INACTIVE and received:
            return f"it was inactive: {received}"
        return cause_text(self.cause, self.about, self.detail)

    @property
    def message(self) -> Text:
        """Its end in words: the broker's answer to a cancel, and why rulebot cancelled."""
        if self.answer is None:
            return self.why
        return f"{self.answer.words} (before: {self.why})" if self.why else self.answer.words

    @property
    def said(self) -> Text:
        """The broker's last message on it for people, "" of none."""
        return "" if self.last_message is None else self.message

    def for_cause(self, cause: Cause | None, about: Name = "", detail: Text = "", *, received: bool = False) -> "Order":
        """Return the order with this cause; the broker's messages are cleared, that on it unless `received`."""
        kept = self.received if received else None
        return replace(self, cause=cause, about=about, detail=detail, received=kept, answer=None)

    def hearing(self, message: BrokerMessage) -> "Order":
        """Return the order with a message of the broker that answers no cancel: it counts instead of any cause."""
        return replace(self, cause=None, about="", detail="", received=message, answer=None)

    @property
    def is_working(self) -> bool:
        """True while it works at the broker, who has said nothing of its end."""
        return self.status is OrderStatus.WORKING and self.reported_final_status is None

    @property
    def terms(self) -> OrderTerms:
        """What it is to work with now."""
        return OrderTerms(self.quantity, self.limit_price if self.kind is OrderType.LIMIT else self.stop_price)

    def with_terms(self, quantity: int, price: Decimal | None) -> "Order":
        """Return the order with another quantity and price (a stop's is its stop price)."""
        now = OrderTerms(quantity, price)
        former = self.previous_terms if now == self.terms else (*self.previous_terms, self.terms)[-TERMS_KEPT:]
        if self.kind is OrderType.LIMIT:
            return replace(self, quantity=quantity, limit_price=price, previous_terms=former)
        return replace(self, quantity=quantity, stop_price=price, previous_terms=former)

    def with_con_id(self, con_id: int) -> "Order":
        """Return the order with the broker's number of its contract, unless it has one: a combo's legs have others."""
        if not con_id or self.is_combo or self.legs[0].option.con_id:
            return self
        (leg,) = self.legs
        return replace(self, legs=(replace(leg, option=replace(leg.option, con_id=con_id)),))

    @property
    def wire_side(self) -> Side:
        """The side that is sent: a combo is always bought."""
        return Side.BUY if self.is_combo else self.side

    @property
    def largest(self) -> int:
        """The most structures it may fill, including a change in transit."""
        return (
            max([self.quantity, *(each.quantity for each in self.previous_terms)])
            if self.previous_terms
            else self.quantity
        )

    @property
    def worst_limit(self) -> Decimal | None:
        """The worst price it may trade at, including a change in transit; None without a limit."""
        if self.kind is not OrderType.LIMIT:
            return None
        prices = [each.price for each in (*self.previous_terms, self.terms) if each.price is not None]
        return max(prices, key=lambda price: price * self.wire_side.sign, default=None)

    @property
    def is_combo(self) -> bool:
        """True when several legs trade as one."""
        return len(self.legs) > 1

    def side_of(self, leg: OrderLeg) -> Side:
        """Return what happens to a leg when the order fills: a single leg follows the order's own side."""
        return leg.side if self.is_combo else self.side

    @property
    def counts(self) -> tuple[int, ...]:
        """Contracts filled of each leg, from executions."""
        return self.leg_filled or (0,) * len(self.legs)

    @property
    def unfilled(self) -> tuple[int, ...]:
        """Contracts not filled yet of each leg; below 0 of one that has filled beyond its size."""
        return tuple(self.quantity * leg.ratio - count for leg, count in zip(self.legs, self.counts, strict=True))

    @property
    def filled(self) -> int:
        """Whole structures filled, from executions."""
        if not self.leg_filled:
            return 0
        return min(count // leg.ratio for count, leg in zip(self.leg_filled, self.legs, strict=True))

    @property
    def has_fills(self) -> bool:
        """True when any leg has filled."""
        return any(self.leg_filled)

    @property
    def remaining(self) -> int:
        """Structures not filled yet."""
        return self.quantity - self.filled


# --- What we ask of the world


@dataclass(frozen=True, slots=True)
class Submit:
    """Send this order, once. Its record is durable by now; its order id is set."""

    order: Order


@dataclass(frozen=True, slots=True)
class Replace:
    """Change price or quantity of an order that works; `order` holds the new values."""

    order: Order


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take an order back; fills may still win."""

    order: Order


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Stream exactly these contracts, most important first; the feed adds and drops the difference."""

    contracts: tuple[Contract, ...]


@dataclass(frozen=True, slots=True)
class RequestOpenOrders:
    """Ask for today's executions and for the open orders of all clients; OrdersListed comes after both."""


@dataclass(frozen=True, slots=True)
class AskMargin:
    """Ask what margin the account would need with this order, under its order id; nothing reaches an exchange."""

    order: Order


Command = Submit | Replace | Cancel | Subscribe | RequestOpenOrders | AskMargin


# --- Ids of executions


class ExecutionId(NamedTuple):
    """Which execution it is, and which revision of it: a correction has a higher one."""

    execution: Name
    revision: int = 1

    def __str__(self) -> str:
        """Return the id as records have it."""
        return f"{self.execution}.{self.revision:02d}"

    @property
    def next(self) -> "ExecutionId":
        """The id of what takes its place."""
        return ExecutionId(self.execution, self.revision + 1)


def execution_id(text: str) -> ExecutionId:
    """Return the id that a record has as this text; all of it is the execution where it names no revision."""
    execution, _, revision = text.rpartition(".")
    return ExecutionId(execution, int(revision)) if execution and revision.isdecimal() else ExecutionId(text)


# --- Ids of executions without a report

UNSEEN = "unseen:"
"""How these ids begin."""
FIRST_REVISION = ".01"
"""How the text of the id of an estimate ends that nothing has taken the place of."""


def unseen_base(of: str, leg: str) -> str:
    """Return the execution id, without revision, of an unreported fill of a leg of an order or a position (`of`)."""
    return f"{UNSEEN}{of}:{leg}"


def missed_base(position: str, leg: str, closed: int) -> str:
    """Return the same for missing contracts of a leg, of which this many were closed before.

    Others may close a leg part by part, each at its own price.
    """
    return unseen_base(f"{position}:{closed}" if closed else position, leg)


def is_synthetic(execution: str) -> bool:
    """Say whether this execution was booked without a report; its price may have been corrected since.

    execution: with or without its revision.
    """
    return execution.startswith(UNSEEN)


def is_estimate(exec_id: ExecutionId) -> bool:
    """Say whether this execution has no report and no replacement."""
    return is_synthetic(exec_id.execution) and exec_id.revision == 1

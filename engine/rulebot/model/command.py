"""What we ask of the world. Commands leave only after the records of their turn are written."""

from rulebot.model.contract import Contract
from rulebot.model.order import Order
from rulebot.model.values import dataclass


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

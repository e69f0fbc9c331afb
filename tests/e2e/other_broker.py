"""Acme, a made-up broker with words of its own: its gateway, and the small adapter by which an engine trades there.

Its exchange is that of the simulated TWS gateway, so that a day at Acme can be compared with a day at IB. Of what TWS
tells of orders nothing gets through the gateway: no status, code, text, order number or execution id.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from rulebot.adapters.ib.broker import IbConnection
from rulebot.live.environments import World
from rulebot.model.cause import BrokerMessage, EndedBy
from rulebot.model.cause import MessageMeaning as Means
from rulebot.model.contract import Option
from rulebot.model.event import (
    BrokerStatus,
    CommissionReport,
    Event,
    ExecutionReport,
    OrderMessage,
    OrderReport,
    OrdersListed,
)
from rulebot.model.order import ExecutionId, Order, Side
from rulebot.model.values import dataclass as frozen
from rulebot.ports import Batch, Broker, Link
from rulebot.record.codec import decode, decode_as, encode, encode_as

# --- What Acme says

STATES = {
    "SENT": BrokerStatus.PENDING,
    "BOOK": BrokerStatus.WORKING,
    "DONE": BrokerStatus.FILLED,
    "GONE": BrokerStatus.CANCELLED,
    "NAK": BrokerStatus.INACTIVE,
}
NOTES = {
    "NAK": Means.REFUSES,
    "NAK-ASK": Means.REFUSES_REQUEST,
    "FIXED": Means.TAKES_NO_CHANGE,
    "BAD-CALL": Means.OUR_SIDE,
    "FYI": Means.INFORMS,
    "GONE": Means.CANCELLED,
    "STAYS": Means.CANCEL_FAILED,
    "WHO": Means.NOT_FOUND,
    "WAS-GONE": Means.OVER,
    "WAS-DONE": Means.FILLED,
    "DONE-FIRST": Means.FILLED_BEFORE,
    "WHO-TO-AMEND": Means.NO_SUCH_ORDER,
    "GROUP-DONE": Means.GROUP_FILLED,
    "WASH": Means.OTHER_SIDE,
    "TICK": Means.OFF_GRID,
}
BY = {"-": EndedBy.UNSAID, "?": EndedBy.NOBODY, "HAND": EndedBy.PERSON, "DESK": EndedBy.BROKER}


def _word(words: dict[str, Any], value: object) -> str:
    return next(word for word, known in words.items() if known is value)


# --- Its gateway

WORKED_BY = {"NEW": "submit", "AMEND": "replace", "PULL": "cancel", "WHAT-IF": "ask_margin"}


@dataclass
class AcmeGateway:
    """Works orders at the exchange behind it, and says in lines of JSON what becomes of them.

    deals: Acme's number of each execution; its revisions count from 0. keys: Acme's number of each order.
    """

    exchange: IbConnection
    deals: dict[str, str] = field(default_factory=dict)
    keys: dict[int, int] = field(default_factory=dict)

    def take(self, line: str) -> None:
        """Take a line of a client."""
        asked = json.loads(line)
        if asked["do"] == "STATUS":
            self.exchange.broker.inquire()
        else:
            getattr(self.exchange.broker, WORKED_BY[asked["do"]])(decode(Order, asked["order"]))

    def reports(self, batch: Batch) -> list[str | Event]:
        """Return what it says of an instant in order; what is not of orders comes from its vendors as it is."""
        return [self._reported(event) for event in batch.events]

    def _reported(self, event: Event) -> str | Event:
        match event:
            case OrderReport():
                return json.dumps({"tells": "ORDER", **self._order(event)})
            case OrderMessage(order_id=number, message=said):
                words = sorted(_word(NOTES, each) for each in said.meanings)
                return json.dumps({"tells": "NOTE", "no": number, "words": words, "by": _word(BY, said.ended_by)})
            case ExecutionReport():
                return json.dumps({"tells": "DEAL", **self._deal(event.exec_id), **self._dealt(event)})
            case CommissionReport():
                return json.dumps({"tells": "FEE", **self._deal(event.exec_id), "fee": str(event.commission)})
            case OrdersListed():
                return json.dumps({"tells": "BOOK-END", "tags": sorted(event.order_refs)})
            case _:
                return event

    def _key(self, perm_id: int) -> int:
        return self.keys.setdefault(perm_id, 7_000_001 + len(self.keys)) if perm_id else 0

    def _deal(self, reported: ExecutionId) -> dict[str, Any]:
        return {
            "deal": self.deals.setdefault(reported.execution, f"D{len(self.deals) + 1}"),
            "rev": reported.revision - 1,
        }

    def _owner(self, event: OrderReport | ExecutionReport) -> dict[str, Any]:
        return {"tag": event.ref, "no": event.order_id, "key": self._key(event.perm_id), "desk": event.client_id}

    def _order(self, event: OrderReport) -> dict[str, Any]:
        prices = {"done": event.filled, "left": event.remaining, "avg": event.average_price, "size": event.quantity}
        prices |= {"limit": event.limit_price, "trigger": event.stop_price}
        return {
            **self._owner(event),
            "state": "" if event.status is None else _word(STATES, event.status),
            **{name: None if value is None else str(value) for name, value in prices.items()},
            "way": "" if event.side is None else event.side.value,
            "sort": event.kind,
            "lasts": event.time_in_force,
            "contract": event.con_id,
        }

    def _dealt(self, event: ExecutionReport) -> dict[str, Any]:
        return {
            **self._owner(event),
            "of": encode_as(Option | None, event.option),
            "symbol": event.symbol,
            "whole": event.is_combo,
            "way": "buy" if event.is_buy else "sell",
            "size": str(event.quantity),
            "price": str(event.price),
            "when": None if event.executed_at is None else event.executed_at.isoformat(),
            "forced": event.is_liquidation,
        }


# --- The adapter


@dataclass
class AcmeLink:
    """The Link port: Acme's lines become events."""

    gateway: AcmeGateway

    @property
    def _line(self) -> Link:
        return self.gateway.exchange.link

    @property
    def account(self) -> str:
        """The account at Acme."""
        return self._line.account

    @property
    def is_lockstep(self) -> bool:
        """True: the exchange waits for us."""
        return self._line.is_lockstep

    @property
    def is_up(self) -> bool:
        """True while the line stands."""
        return self._line.is_up

    async def connect(self) -> Batch:
        """Connect."""
        return self._read(await self._line.connect())

    async def next(self, until: datetime | None) -> Batch:
        """Return the next instant."""
        return self._read(await self._line.next(until))

    async def close(self) -> None:
        """Disconnect."""
        await self._line.close()

    def _read(self, batch: Batch) -> Batch:
        reported = self.gateway.reports(batch)
        events = [READERS[line["tells"]](line, batch.at) for line in map(_parsed, reported) if isinstance(line, dict)]
        read = iter(events)
        return Batch(batch.at, tuple(next(read) if isinstance(each, str) else each for each in reported))


def _parsed(reported: str | Event) -> Any:
    return json.loads(reported) if isinstance(reported, str) else reported


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _order(reported: dict[str, Any], at: datetime) -> OrderReport:
    return OrderReport(
        at=at,
        ref=reported["tag"],
        order_id=reported["no"],
        perm_id=reported["key"],
        client_id=reported["desk"],
        status=STATES.get(reported["state"]),
        filled=_number(reported["done"]),
        remaining=_number(reported["left"]),
        average_price=_number(reported["avg"]),
        quantity=_number(reported["size"]),
        limit_price=_number(reported["limit"]),
        stop_price=_number(reported["trigger"]),
        side=Side(reported["way"]) if reported["way"] else None,
        kind=reported["sort"],
        time_in_force=reported["lasts"],
        con_id=reported["contract"],
    )


def _note(reported: dict[str, Any], at: datetime) -> OrderMessage:
    meanings = frozenset(NOTES[word] for word in reported["words"])
    return OrderMessage(
        at, reported["no"], BrokerMessage(0, f"Acme: {reported['words']}", meanings, BY[reported["by"]])
    )


def _exec_id(reported: dict[str, Any]) -> ExecutionId:
    return ExecutionId(reported["deal"], reported["rev"] + 1)


def _deal(reported: dict[str, Any], at: datetime) -> ExecutionReport:
    return ExecutionReport(
        at=at,
        exec_id=_exec_id(reported),
        ref=reported["tag"],
        order_id=reported["no"],
        perm_id=reported["key"],
        client_id=reported["desk"],
        option=decode_as(Option | None, reported["of"]),
        is_combo=reported["whole"],
        is_buy=reported["way"] == "buy",
        quantity=Decimal(reported["size"]),
        price=Decimal(reported["price"]),
        executed_at=None if reported["when"] is None else datetime.fromisoformat(reported["when"]),
        symbol=reported["symbol"],
        is_liquidation=reported["forced"],
    )


READERS: dict[str, Any] = {
    "ORDER": _order,
    "NOTE": _note,
    "DEAL": _deal,
    "FEE": lambda reported, at: CommissionReport(at, _exec_id(reported), Decimal(reported["fee"])),
    "BOOK-END": lambda reported, at: OrdersListed(at, frozenset(reported["tags"])),
}


@dataclass
class AcmeBroker:
    """The Broker port: orders become lines."""

    gateway: AcmeGateway

    def submit(self, order: Order) -> None:
        """Send a new order."""
        self._send("NEW", order)

    def replace(self, order: Order) -> None:
        """Send new terms."""
        self._send("AMEND", order)

    def cancel(self, order: Order) -> None:
        """Ask to cancel."""
        self._send("PULL", order)

    def ask_margin(self, order: Order) -> None:
        """Ask what margin it would need."""
        self._send("WHAT-IF", order)

    def inquire(self) -> None:
        """Ask for all that is known."""
        self.gateway.take(json.dumps({"do": "STATUS"}))

    def _send(self, what: str, order: Order) -> None:
        self.gateway.take(json.dumps({"do": what, "order": encode(order)}))


# --- Its world


@frozen(frozen=True, slots=True)
class PortsWorld(World):
    """A world with these ports in the place of IB's."""

    ports: tuple[Link, Broker] | None = None

    @property
    def link(self) -> Link:
        """The engine's Link."""
        return World.link.fget(self) if self.ports is None else self.ports[0]

    @property
    def broker(self) -> Broker:
        """The engine's Broker."""
        return World.broker.fget(self) if self.ports is None else self.ports[1]


def acme_ports(exchange: IbConnection) -> tuple[Link, Broker]:
    """Return the ports to Acme before an exchange."""
    gateway = AcmeGateway(exchange)
    return AcmeLink(gateway), AcmeBroker(gateway)

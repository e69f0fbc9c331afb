"""What happened in a test, read from its records: entries, exits, halts, states, orders, and what rules said."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from rulebot.evaluate.wording import describe
from rulebot.model.halt import Halt
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import dataclass
from rulebot.record.codec import decode
from rulebot.record.record import Kind, Record
from rulebot.spec.trial import DAILY_LOSS, DAILY_PROFIT
from rulebot.spec_tests.day import SimulatedTest

_RESTING = (Purpose.TARGET.value, Purpose.STOP.value)
_NO_ENDS = ("unfilled", "refused")


class OutcomeKind(Enum):
    """A sort of happening."""

    ENTERS = "entered"
    EXITS = "exit"
    HALTS = "halted"
    UNFILLED = "an entry was not filled"


@dataclass(frozen=True, slots=True)
class OutcomeEvent:
    """Something that a test can expect. `name` is that of an exit or of what halted; `words` says it for people."""

    at: datetime
    what: OutcomeKind
    name: str
    position: str
    words: str


@dataclass(frozen=True, slots=True)
class OutcomeLine:
    """What a rule said from an instant on; `place` is when, require, exit or halts.

    position: that it was asked of, symbol: of `universe`; "" where it was asked of none.
    """

    at: datetime
    place: str
    rule: str
    truth: bool | None
    words: str
    position: str = ""
    symbol: str = ""


class Outcome:
    """One lived test as what can be asked of it."""

    def __init__(self, lived: SimulatedTest) -> None:
        self.lived = lived
        self.happenings = tuple(_happenings(lived))
        judged = tuple(_said(lived.records))
        known = {said.rule for said in judged if said.place == "when"}
        self.said = (*judged, *(said for said in _observed(lived) if said.rule not in known))

    def strikes(self, position: str) -> Mapping[str, Decimal]:
        """Return the strike of each leg of a position; shares have none."""
        legs = self.lived.state.positions[position].legs
        return {leg.name: leg.option.strike for leg in legs if not leg.option.is_share}

    def symbols(self, happening: OutcomeEvent) -> frozenset[str]:
        """Return the symbols of the legs of the position that a happening is of; none where it is of the bot."""
        found = self.positions(happening.at).get(happening.position)
        return frozenset() if found is None else frozenset(leg.option.symbol for leg in found.legs)

    def states(self, until: datetime) -> tuple[str, ...]:
        """Return the states of the positions that are not closed at an instant; none is flat."""
        return tuple(position.state for position in self.positions(until).values() if position.state != "closed")

    def states_during(self, start: datetime, until: datetime) -> Iterator[str]:
        """Yield every state that the bot was in, from an instant to another."""
        yield from self.states(start) or ("flat",)
        for record in self._entities(Kind.DECISION, until):
            if record.data["what"] == "state" and record.at >= start:
                yield from self.states(record.at) or ("flat",)

    def positions(self, until: datetime) -> Mapping[str, Position]:
        """Return every position as it was at an instant."""
        found = {} if self.lived.began_open is None else {self.lived.began_open.id: self.lived.began_open}
        for record in self._entities(Kind.POSITION, until):
            position = decode(Position, dict(record.data))
            found[position.id] = position
        return found

    def resting(self, until: datetime) -> Mapping[str, Decimal | None]:
        """Return the prices of the orders that rest at the broker at an instant, by exit; none has a sign."""
        orders: dict[str, Order] = {}
        for record in self._entities(Kind.ORDER, until):
            if record.data["purpose"] in _RESTING:
                order = decode(Order, dict(record.data))
                orders[order.ref] = order
        live = (order for order in orders.values() if order.status is OrderStatus.WORKING)
        prices = {order.reason: order.terms.price for order in live}
        return {name: None if price is None else abs(price) for name, price in prices.items()}

    def _entities(self, kind: Kind, until: datetime) -> Iterator[Record]:
        return (record for record in self.lived.records if record.kind is kind and record.at <= until)


def _happenings(lived: SimulatedTest) -> Iterator[OutcomeEvent]:
    seen: set[tuple[str, str]] = set()
    for record in lived.records:
        found = _happening(record, lived, seen)
        if found is not None:
            yield found


def _leg_words(leg: PositionLeg) -> str:
    return leg.name if leg.option.is_share else f"{leg.name} {leg.option.strike:f}"


def _happening(record: Record, lived: SimulatedTest, seen: set[tuple[str, str]]) -> OutcomeEvent | None:
    data: Any = record.data
    if record.kind is Kind.FILL and data["purpose"] == Purpose.ENTRY.value:
        if ("enters", record.position) in seen:
            return None
        seen.add(("enters", record.position))
        legs = ", ".join(map(_leg_words, lived.state.positions[record.position].legs))
        return OutcomeEvent(record.at, OutcomeKind.ENTERS, "", record.position, f"entered {legs}")
    if record.kind is not Kind.DECISION:
        return None
    what, reason = str(data["what"]), str(data["reason"])
    if what == "halt":
        days = {Halt.DAY_LOSS.value: DAILY_LOSS, Halt.DAY_PROFIT.value: DAILY_PROFIT}
        name = days.get(str(data["halt"])) or str(data["rule"] or data["halt"])
        return OutcomeEvent(record.at, OutcomeKind.HALTS, name, "", f"halted: {' '.join(reason.split())}")
    if what == "unfilled":
        return OutcomeEvent(record.at, OutcomeKind.UNFILLED, "", record.position, f"an entry was not filled: {reason}")
    if what == "exit" or (what == "closed" and reason not in _NO_ENDS and (reason, record.position) not in seen):
        seen.add((reason, record.position))
        return OutcomeEvent(record.at, OutcomeKind.EXITS, reason, record.position, f"exit {reason}")
    return None


def _said(records: tuple[Record, ...]) -> Iterator[OutcomeLine]:
    for record in records:
        if record.kind is Kind.VERDICT:
            data: Any = record.data
            words = " ".join(str(data["words"]).split())
            of = record.position, str(data.get("symbol", ""))
            yield OutcomeLine(record.at, str(data["place"]), str(data["rule"]), data["truth"], words, *of)


def _observed(lived: SimulatedTest) -> Iterator[OutcomeLine]:
    for at, rule, verdict in lived.observed:
        yield OutcomeLine(at, "when", rule.name, verdict.truth, " ".join(describe(rule, verdict).split()))

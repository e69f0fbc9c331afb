"""Checks on what is owned: positions are made again from fills, commissions and settlements, and compared."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from rulebot.checks.journal.tape import Entry, Finding, JournalIndex
from rulebot.model.money import CENT, ZERO
from rulebot.model.order import Order, Purpose
from rulebot.model.position import Position, PositionLeg
from rulebot.record.record import Kind

_BOOKED = (Kind.POSITION, Kind.FILL, Kind.COMMISSION, Kind.SETTLEMENT)


@dataclass(slots=True)
class Leg:
    """What the happenings alone say of one leg, in the units of PositionLeg."""

    opened: int = 0
    closed: int = 0
    settled: int = 0
    entry_cash: Decimal = ZERO
    exit_cash: Decimal = ZERO
    commissions: Decimal = ZERO
    shares_profit: Decimal = ZERO

    def differs(self, leg: PositionLeg) -> str:
        """Return the first difference to a recorded leg in words, "" when there is none."""
        for name in ("opened", "closed", "settled", "entry_cash", "exit_cash", "commissions", "shares_profit"):
            ours, theirs = getattr(self, name), getattr(leg, name)
            if abs(ours - theirs) >= (CENT / 2 if isinstance(ours, Decimal) else 1):
                return f"{name} of {leg.name} is {theirs}, its fills and settlements give {ours}"
        return ""


@dataclass(frozen=True, slots=True)
class _Fill:
    """One execution as it counts now."""

    exec_id: str
    position: str
    leg: str
    is_entry: bool
    quantity: int
    cash: Decimal
    commission: Decimal = ZERO


def buys_back(entry: Entry, leg: PositionLeg) -> bool:
    """Say whether a fill takes back what was closed beyond what was held: it deals as the entry did."""
    is_unwind = entry.text("purpose") == Purpose.UNWIND.value
    return is_unwind and bool(entry.record.data.get("is_buy")) is (leg.sign > 0)


@dataclass(slots=True)
class Books:
    """The fold: legs by position and name, executions by their base, and each position's contracts."""

    legs: dict[tuple[str, str], Leg] = field(default_factory=dict)
    fills: dict[str, _Fill] = field(default_factory=dict)
    contracts: dict[tuple[str, str], PositionLeg] = field(default_factory=dict)

    def leg(self, position: str, name: str) -> Leg:
        """Return a leg, empty when nothing was booked on it."""
        return self.legs.setdefault((position, name), Leg())

    def take(self, entry: Entry) -> str:
        """Count a record; return what is wrong with it in words, "" when nothing is."""
        if entry.position is not None:
            for leg in entry.position.legs:
                self.contracts[entry.position.id, leg.name] = leg
            return ""
        if entry.kind is Kind.COMMISSION:
            return self._commission(entry)
        if (entry.record.position, entry.text("leg")) not in self.contracts:
            return f"a {entry.kind.value} on a leg that no position has: {entry.record.position} {entry.text('leg')}"
        return self._fill(entry) if entry.kind is Kind.FILL else self._settlement(entry)

    def _fill(self, entry: Entry) -> str:
        exec_id = entry.text("exec_id")
        base, _, revision = exec_id.rpartition(".")
        known = self.fills.get(base)
        if known is not None and known.exec_id.rpartition(".")[2] >= revision:
            return f"execution {exec_id} is recorded a second time"
        if known is not None:
            self._count(known, -1)
        contract = self.contracts[entry.record.position, entry.text("leg")]
        quantity, sign = int(entry.text("quantity")), -1 if entry.record.data.get("is_buy") else 1
        fill = _Fill(
            exec_id=exec_id,
            position=entry.record.position,
            leg=contract.name,
            is_entry=entry.text("purpose") == Purpose.ENTRY.value,
            quantity=-quantity if buys_back(entry, contract) else quantity,
            cash=Decimal(entry.text("price")) * quantity * contract.option.multiplier * sign,
            commission=known.commission if known else ZERO,
        )
        self.fills[base] = fill
        self._count(fill, 1)
        return ""

    def _count(self, fill: _Fill, times: int) -> None:
        leg = self.leg(fill.position, fill.leg)
        if fill.is_entry:
            leg.opened += times * fill.quantity
            leg.entry_cash += times * fill.cash
        else:
            leg.closed += times * fill.quantity
            leg.exit_cash += times * fill.cash
        leg.commissions += times * fill.commission

    def _commission(self, entry: Entry) -> str:
        base = entry.text("exec_id").rpartition(".")[0]
        known = self.fills.get(base)
        if known is None:
            return f"a commission on execution {entry.text('exec_id')}, which is not recorded"
        amount = Decimal(entry.text("amount"))
        self.leg(known.position, known.leg).commissions += amount - known.commission
        fields = (known.exec_id, known.position, known.leg, known.is_entry, known.quantity, known.cash)
        self.fills[base] = _Fill(*fields, amount)
        return ""

    def _settlement(self, entry: Entry) -> str:
        contract = self.contracts[entry.record.position, entry.text("leg")]
        leg, quantity = self.leg(entry.record.position, contract.name), int(entry.text("quantity"))
        cash = contract.sign * quantity * Decimal(entry.text("price")) * contract.option.multiplier
        leg.closed += quantity
        leg.settled += quantity
        leg.exit_cash += cash.quantize(CENT)
        leg.shares_profit += Decimal(entry.text("shares_profit") or 0)
        return ""


def positions_follow_fills(tape: JournalIndex) -> Iterator[Finding]:
    """5: Each execution counts once, and every position ends as the fold of what happened to it, to the cent."""
    books, last = Books(), dict[str, Entry]()
    for entry in tape.of(*_BOOKED):
        if wrong := books.take(entry):
            yield entry.finding(wrong)
        if entry.position is not None:
            last[entry.position.id] = entry
    for entry in last.values():
        assert entry.position is not None
        for text in _differences(books, entry.position):
            yield entry.finding(f"{entry.position.id}: {text}")


def changes_recorded(tape: JournalIndex) -> Iterator[Finding]:
    """21: At every moment positions and orders are what the records before them lead to."""
    books = Books()
    states: dict[str, str] = {}
    filled: dict[tuple[str, str, str], int] = {}
    told: set[str] = set()
    for entry in tape.of(*_BOOKED, Kind.ORDER, Kind.DECISION):
        if entry.kind is Kind.DECISION:
            states.update(_moved(entry))
            continue
        text = _order_differs(filled, entry.order) if entry.order is not None else _booked(books, filled, entry)
        if entry.position is not None:
            text = _position_differs(books, states, entry.position)
        subject = entry.order.ref if entry.order is not None else entry.record.position
        if text and subject not in told:
            told.add(subject)
            yield entry.finding(f"{subject}: {text}")


def _moved(entry: Entry) -> Mapping[str, str]:
    values = entry.record.data.get("values")
    is_move = entry.text("what") == "state" and isinstance(values, list) and len(values) == 2
    return {entry.record.position: str(values[1])} if is_move and isinstance(values, list) else {}


def _booked(books: Books, filled: dict[tuple[str, str, str], int], entry: Entry) -> str:
    """Count a record; what is wrong with it is told by the check of invariant 5."""
    before = books.fills.get(entry.text("exec_id").rpartition(".")[0])
    if not books.take(entry) and entry.kind is Kind.FILL:
        key = entry.text("ref"), entry.record.position, entry.text("leg")
        filled[key] = filled.get(key, 0) + int(entry.text("quantity")) - (before.quantity if before else 0)
    return ""


def _position_differs(books: Books, states: Mapping[str, str], position: Position) -> str:
    state = states.get(position.id, "flat")
    if position.state != state:
        return f"it is {position.state}, the moves on record lead to {state}"
    return next(_differences(books, position), "")


def _differences(books: Books, position: Position) -> Iterator[str]:
    for leg in position.legs:
        if text := books.leg(position.id, leg.name).differs(leg):
            yield text


def _order_differs(filled: Mapping[tuple[str, str, str], int], order: Order) -> str:
    counts = order.counts
    for leg, count in zip(order.legs, counts, strict=True):
        ours = filled.get((order.ref, order.position_of(leg), leg.name), 0)
        if ours != count:
            return f"{count} of {leg.name} are filled, its fills give {ours}"
    return ""

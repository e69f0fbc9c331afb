"""Checks on exits: they reduce what is held, never more of it, however many of them work at once."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from rulebot.checks.journal.books import Books, buys_back
from rulebot.checks.journal.given_up import AbandonedOrders
from rulebot.checks.journal.tape import Entry, Finding, JournalIndex
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import PositionLeg
from rulebot.model.session import session_from
from rulebot.record.record import Kind


def never_more_than_held(tape: JournalIndex) -> Iterator[Finding]:
    """8: No fill of an exit, and no settlement, closes more of a leg than is held at that moment.

    Where the broker has taken back a trade, or fills an exit that it had called over or said it had not, an exit that
    was already at work may do so. What it fills of one order beyond the size of that nobody can prevent;
    then a person must have been told.
    """
    books = Books()
    busted: set[str] = set()
    over: set[str] = set()
    given_up = AbandonedOrders()
    asked = _Asked()
    told = {entry.record.position for entry in tape.of(Kind.ALARM)}
    for entry in tape.of(Kind.POSITION, Kind.ORDER, Kind.FILL, Kind.COMMISSION, Kind.SETTLEMENT):
        if entry.order is not None:
            (over.discard if entry.order.status.is_live else over.add)(entry.order.ref)
            given_up.note(entry.order, entry.record.at)
            asked.note(entry.order)
            continue
        is_exit = entry.kind is Kind.FILL and entry.text("purpose") != Purpose.ENTRY.value
        is_late = is_exit and (entry.text("ref") in over or entry.text("ref") in given_up)
        if is_late or (entry.kind is Kind.FILL and _added(books, entry) < 0):
            busted.add(entry.record.position)
        if is_exit:
            asked.fill(entry)
        if books.take(entry) or entry.kind not in (Kind.FILL, Kind.SETTLEMENT):
            continue
        name = entry.text("leg")
        leg = books.leg(entry.record.position, name)
        beyond = asked.beyond[entry.record.position, name] if entry.record.position in told else 0
        if leg.closed > leg.opened + beyond and entry.record.position not in busted:
            yield entry.finding(f"{entry.record.position}: {leg.closed} of {name} are closed, {leg.opened} were opened")
        if entry.kind is Kind.FILL and _is_wrong_way(books, entry) and not _takes_back(books, entry):
            side = "buys" if entry.record.data.get("is_buy") else "sells"
            yield entry.finding(f"{entry.record.position}: its {entry.text('purpose')} {side} {name}")


def _takes_back(books: Books, entry: Entry) -> bool:
    """Say whether a fill has bought back no more than was closed beyond what was held."""
    leg = books.leg(entry.record.position, entry.text("leg"))
    return buys_back(entry, books.contracts[entry.record.position, entry.text("leg")]) and leg.closed >= leg.opened


def _buys_back(order: Order, leg: PositionLeg) -> bool:
    return order.purpose is Purpose.UNWIND and not order.is_combo and order.side.sign == leg.sign


class _Asked:
    """What exits were to close, and what the broker has filled of each of them beyond that, by position and leg."""

    def __init__(self) -> None:
        self._sizes: dict[tuple[str, str], int] = {}
        self._filled: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        self.beyond: Counter[tuple[str, str]] = Counter()

    def note(self, order: Order) -> None:
        """Take an order as it was recorded: the largest that it was ever sent as counts."""
        for leg in order.legs:
            key = order.ref, leg.name
            self._sizes[key] = max(self._sizes.get(key, 0), order.quantity * leg.ratio)

    def fill(self, entry: Entry) -> None:
        """Count a fill of an exit; a correction takes the place of what it corrects."""
        key = entry.text("ref"), entry.text("leg")
        if (size := self._sizes.get(key)) is None:
            return
        filled = self._filled[key]
        before = max(sum(filled.values()) - size, 0)
        filled[entry.text("exec_id").rpartition(".")[0]] = int(str(entry.record.data["quantity"]))
        self.beyond[entry.record.position, key[1]] += max(sum(filled.values()) - size, 0) - before


def _is_wrong_way(books: Books, entry: Entry) -> bool:
    contract = books.contracts[entry.record.position, entry.text("leg")]
    is_entry = entry.text("purpose") == Purpose.ENTRY.value
    return bool(entry.record.data.get("is_buy")) is not ((contract.sign > 0) is is_entry)


@dataclass(slots=True)
class _Working:
    """A live exit: the order as last recorded, and what its group filled since its quantity was set, by leg.

    beside: of one that had been given up, or had ended by the broker's word, the exits that were live when it came to
    life.
    """

    order: Order
    since: dict[str, int] = field(default_factory=dict)
    beside: frozenset[str] | None = None

    @property
    def is_leaving(self) -> bool:
        """True while a cancel is on its way."""
        return self.order.status is OrderStatus.CANCELLING

    def remaining(self, leg: str) -> int:
        """Return contracts of a leg that it may still close."""
        order = self.order
        index = next((i for i, each in enumerate(order.legs) if each.name == leg), -1)
        if index < 0:
            return 0
        if order.ended is not None and order.reported < order.quantity:
            wanted = order.reported * order.legs[index].ratio
        else:
            wanted = order.quantity * order.legs[index].ratio
        return max(wanted - self.since.get(leg, 0), 0)


def never_more_at_work(tape: JournalIndex) -> Iterator[Finding]:
    """9: Working exits of a leg never exceed what is held; those of one OCA group count once, as the largest.

    Where the broker has taken back a trade, or an exit that was over has filled after all, one that is being cancelled
    for it counts no more; what is told of before the connection stands is fitted to once it does. Neither does one that
    was given up, or had been cancelled or refused, and has come to life, while it is being taken back beside exits that
    had been sent before, nor what rests in an option that trades no more.
    """
    books = Books()
    busted: set[str] = set()
    working: dict[str, _Working] = {}
    given_up = AbandonedOrders()
    told: set[str] = set()
    ended: set[str] = set()
    is_linked = True
    for turn in tape.turns:
        touched: dict[str, Entry] = {}
        for entry in turn:
            if entry.kind is Kind.RUN_STARTED or entry.kind is Kind.LINK:
                is_linked = entry.record.data.get("up") is True
            if entry.kind is Kind.FILL:
                added = _added(books, entry)
                if added < 0 or _is_late(working, entry):
                    busted.add(entry.record.position)
                _note_fill(working, entry, added)
            if entry.kind in (Kind.POSITION, Kind.FILL, Kind.SETTLEMENT):
                books.take(entry)
                touched[entry.record.position] = entry
            if entry.order is not None and entry.order.purpose is not Purpose.ENTRY:
                given_up.note(entry.order, entry.record.at)
                _note_order(working, entry.order, is_unawaited=entry.order.ref in given_up or entry.order.ref in ended)
                if entry.order.status in (OrderStatus.CANCELLED, OrderStatus.REFUSED):
                    ended.add(entry.order.ref)
                touched[entry.order.position] = entry
        for position, entry in touched.items():
            if position in busted and not is_linked:
                continue
            live = [each for each in working.values() if each.order.position == position]
            counted = [each for each in live if not each.is_leaving or (position not in busted and _counts(each, live))]
            if (text := _too_much(books, counted, position, entry.record.at)) and position not in told:
                told.add(position)
                yield entry.finding(f"{position}: {text}")


def _is_late(working: dict[str, _Working], entry: Entry) -> bool:
    """Say whether an exit that was over, or had been given up, has filled."""
    known = working.get(entry.text("ref"))
    return entry.text("purpose") != Purpose.ENTRY.value and (known is None or known.beside is not None)


def _counts(each: _Working, live: Iterable[_Working]) -> bool:
    """Say no of an exit that nobody awaited when it came to life, unless another one was sent since.

    One that came to life after it, as the other of its pair, was not.
    """
    if each.beside is None:
        return True
    sent = (other.order.ref for other in live if other is not each and other.beside is None)
    return any(ref not in each.beside for ref in sent)


def _added(books: Books, entry: Entry) -> int:
    """Return how many contracts a fill adds, below 0 where a correction to fewer takes the place of another."""
    before = books.fills.get(entry.text("exec_id").rpartition(".")[0])
    return int(entry.text("quantity")) - (abs(before.quantity) if before is not None else 0)


def _note_fill(working: dict[str, _Working], entry: Entry, added: int) -> None:
    """Count a fill against its order, and against the others of its OCA group: the broker takes them back.

    A trade that is taken back leaves nothing more at work.
    """
    filled = working.get(entry.text("ref"))
    if filled is None or entry.text("purpose") == Purpose.ENTRY.value:
        return
    group = filled.order.oca_group
    leg = entry.text("leg")
    for each in working.values():
        if each is filled or (group and each.order.oca_group == group):
            each.since[leg] = each.since.get(leg, 0) + max(added, 0)


def _note_order(working: dict[str, _Working], order: Order, *, is_unawaited: bool) -> None:
    if not order.status.is_live:
        working.pop(order.ref, None)
        return
    known = working.get(order.ref)
    if known is None or known.order.quantity != order.quantity:
        counts = order.counts
        since = {leg.name: count for leg, count in zip(order.legs, counts, strict=True) if not leg.opens}
        beside = frozenset(working) if known is None and is_unawaited else None
        working[order.ref] = _Working(order, since, beside)
    else:
        known.order = order


def _too_much(books: Books, live: list[_Working], position: str, at: datetime) -> str:
    for name in {leg.name: None for each in live for leg in each.order.legs}:
        groups: dict[str, int] = {}
        for each in live:
            key = each.order.oca_group or each.order.ref
            groups[key] = max(groups.get(key, 0), each.remaining(name))
        leg, contract = books.leg(position, name), books.contracts.get((position, name))
        held, total = leg.opened - leg.closed, sum(groups.values())
        if contract is not None and held < 0 and all(_buys_back(each.order, contract) for each in live):
            held = -held  # what was closed too far is bought back
        is_over = total > max(held, 0)  # what the broker filled beyond an order is not at work any more
        if is_over and not _has_expired(books.contracts.get((position, name)), at):
            refs = ", ".join(each.order.ref for each in live)
            return f"{total} of {name} work to be closed ({refs}), {held} are held"
    return ""


def _has_expired(leg: PositionLeg | None, at: datetime) -> bool:
    """Say whether a leg trades no more: no order can fill in it, and the broker may end what rests there later."""
    return leg is not None and not leg.option.is_share and at >= session_from(leg.option.expiry).close

"""Checks on exits: they reduce what is held, never more of it, however many of them work at once."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from rulebot.checks.journal.books import AbandonedOrders, Entry, Finding, JournalIndex, take
from rulebot.compile.plan import LIFECYCLE
from rulebot.core.program import CompiledBot
from rulebot.core.state.state import OperatorState, TradingMode
from rulebot.documents.load_bots import SpecText, compile_text
from rulebot.fill.ledger import BY_OTHERS
from rulebot.model.errors import RulebotError
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import PositionLeg
from rulebot.model.session import Session, exchange_date, session_from
from rulebot.record.books import Books, base_of
from rulebot.record.record import BY_HAND, COMPUTER_AHEAD, IS_NAMED, Kind, Record
from rulebot.recovery.resume import after_record


def never_more_than_held(tape: JournalIndex) -> Iterator[Finding]:
    """8: No fill of an exit, and no settlement, closes more of a leg than is held at that moment.

    Where the broker busted a trade, or filled an exit that it had cancelled or denied, an exit that already worked may
    do so. An overfill cannot be prevented; then an alarm is required.
    """
    books = Books()
    busted: set[str] = set()
    over: set[str] = set()
    given_up = AbandonedOrders()
    asked = _Asked()
    reported = _alarmed(tape)
    for entry in tape.of(Kind.POSITION, Kind.ORDER, Kind.FILL, Kind.COMMISSION, Kind.SETTLEMENT):
        if entry.order is not None:
            (over.discard if entry.order.status.is_live else over.add)(entry.order.ref)
            given_up.note(entry.order, entry.record.at)
            asked.note(entry.order)
            continue
        is_exit = entry.kind is Kind.FILL and entry.text("purpose") != Purpose.ENTRY.value
        is_late = is_exit and (entry.text("ref") in over or entry.text("ref") in given_up)
        if is_late or (entry.kind is Kind.FILL and books.added(entry.record) < 0):
            busted.add(entry.record.position)
        if is_exit:
            asked.fill(entry)
        if not take(books, entry) and entry.kind in (Kind.FILL, Kind.SETTLEMENT):
            beyond = asked.beyond[entry.record.position, entry.text("leg")] if entry.record.position in reported else 0
            yield from _closes_too_much(books, entry, None if entry.record.position in busted else beyond)


def _alarmed(tape: JournalIndex) -> set[str]:
    """Return the positions with an alarm."""
    return {entry.record.position for entry in tape.of(Kind.ALARM)}


def _closes_too_much(books: Books, entry: Entry, beyond: int | None) -> Iterator[Finding]:
    """Yield what is wrong with a fill or settlement; beyond: what may be closed too much, None for any number."""
    position, name = entry.record.position, entry.text("leg")
    leg = books.of_leg(position, name)
    if beyond is not None and leg.closed > leg.opened + beyond:
        yield entry.finding(f"{position}: {leg.closed} of {name} are closed, {leg.opened} were opened")
    if entry.kind is Kind.FILL and _is_wrong_way(books, entry) and not _takes_back(books, entry):
        side = "buys" if entry.record.data.get("is_buy") else "sells"
        yield entry.finding(f"{position}: its {entry.text('purpose')} {side} {name}")


def _takes_back(books: Books, entry: Entry) -> bool:
    """Say whether a fill has bought back no more than was closed beyond what was held."""
    leg = books.of_leg(entry.record.position, entry.text("leg"))
    return books.fills[base_of(entry.text("exec_id"))].unwinds and leg.closed >= leg.opened


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
        filled[base_of(entry.text("exec_id"))] = int(str(entry.record.data["quantity"]))
        self.beyond[entry.record.position, key[1]] += max(sum(filled.values()) - size, 0) - before


def _is_wrong_way(books: Books, entry: Entry) -> bool:
    contract = books.legs[entry.record.position, entry.text("leg")]
    is_entry = entry.text("purpose") == Purpose.ENTRY.value
    return bool(entry.record.data.get("is_buy")) is not ((contract.sign > 0) is is_entry)


@dataclass(slots=True)
class _Working:
    """A live exit: the order as last recorded, and its group's fills since its quantity was set, by leg.

    beside: for a revived one, the exits that were live then.
    """

    order: Order
    since: dict[str, int] = field(default_factory=dict)
    beside: frozenset[str] | None = None

    @property
    def is_leaving(self) -> bool:
        """True while a cancel is in transit."""
        return self.order.status is OrderStatus.CANCELLING

    def remaining(self, leg: str) -> int:
        """Return contracts of a leg that it may still close."""
        order = self.order
        index = next((i for i, each in enumerate(order.legs) if each.name == leg), -1)
        if index < 0:
            return 0
        if order.reported_final_status is not None and order.broker_filled < order.quantity:
            wanted = order.broker_filled * order.legs[index].ratio
        else:
            wanted = order.quantity * order.legs[index].ratio
        return max(wanted - self.since.get(leg, 0), 0)


def never_more_at_work(tape: JournalIndex) -> Iterator[Finding]:
    """9: Working exits of a leg never exceed what is held; those of one OCA group count once, as the largest.

    After a bust, or a late fill of an ended exit, one that is being cancelled for it does not count; reports before the
    connect are reconciled after it. Also excluded: revived orders being cancelled beside exits sent before, and resting
    orders in options that no longer trade.
    """
    exits, reported = _ExitsAtWork(), set[str]()
    for turn in tape.turns:
        touched = {position: entry for entry in turn if (position := exits.take(entry))}
        for position, entry in touched.items():
            if position not in reported and (text := exits.too_much(position, entry.record.at)):
                reported.add(position)
                yield entry.finding(f"{position}: {text}")


class _ExitsAtWork:
    """The working exits, record by record."""

    def __init__(self) -> None:
        self._books = Books()
        self._busted: set[str] = set()
        self._working: dict[str, _Working] = {}
        self._given_up = AbandonedOrders()
        self._ended: set[str] = set()
        self._is_linked = True

    def take(self, entry: Entry) -> str:
        """Take a record; return the position that changes, "" for none."""
        if entry.kind in (Kind.RUN_STARTED, Kind.LINK):
            self._is_linked = entry.record.data.get("up") is True
        if entry.kind is Kind.FILL:
            added = self._books.added(entry.record)
            if added < 0 or _is_late(self._working, entry):
                self._busted.add(entry.record.position)
            _note_fill(self._working, entry, added)
        if entry.kind in (Kind.POSITION, Kind.FILL, Kind.SETTLEMENT):
            take(self._books, entry)
            return entry.record.position
        if entry.order is not None and entry.order.purpose is not Purpose.ENTRY:
            return self._order(entry.order, entry.record.at)
        return ""

    def _order(self, order: Order, at: datetime) -> str:
        self._given_up.note(order, at)
        _note_order(self._working, order, is_unawaited=order.ref in self._given_up or order.ref in self._ended)
        if order.status in (OrderStatus.CANCELLED, OrderStatus.REJECTED):
            self._ended.add(order.ref)
        return order.position

    def too_much(self, position: str, at: datetime) -> str:
        """Return how much more of a position its exits would close than is held, in words, "" where it is not more."""
        is_busted = position in self._busted
        if is_busted and not self._is_linked:
            return ""
        live = [each for each in self._working.values() if each.order.position == position]
        counted = [each for each in live if not each.is_leaving or (not is_busted and _counts(each, live))]
        return _too_much(self._books, counted, position, at)


def _is_late(working: dict[str, _Working], entry: Entry) -> bool:
    """Say whether an exit that was over, or had been given up, has filled."""
    known = working.get(entry.text("ref"))
    return entry.text("purpose") != Purpose.ENTRY.value and (known is None or known.beside is not None)


def _counts(each: _Working, live: Iterable[_Working]) -> bool:
    """Exclude a revived exit, unless another one was sent since.

    One revived after it, as the other of its pair, was not.
    """
    if each.beside is None:
        return True
    sent = (other.order.ref for other in live if other is not each and other.beside is None)
    return any(ref not in each.beside for ref in sent)


def _note_fill(working: dict[str, _Working], entry: Entry, added: int) -> None:
    """Count a fill against its order, and against the others of its OCA group: the broker reduces them.

    A busted trade leaves nothing more working.
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
        leg, contract = books.of_leg(position, name), books.legs.get((position, name))
        held, total = leg.opened - leg.closed, sum(groups.values())
        if contract is not None and held < 0 and all(_buys_back(each.order, contract) for each in live):
            held = -held  # what was closed too far is bought back
        is_over = total > max(held, 0)  # overfills no longer work
        if is_over and not _has_expired(books.legs.get((position, name)), at):
            refs = ", ".join(each.order.ref for each in live)
            return f"{total} of {name} work to be closed ({refs}), {held} are held"
    return ""


def _has_expired(leg: PositionLeg | None, at: datetime) -> bool:
    """Say whether a leg trades no more: no order can fill in it, and the broker may end what rests there later."""
    return leg is not None and not leg.option.is_share and at >= session_from(leg.option.expiry).close


# --- Checks on orders

_UNREPORTED = (OrderStatus.PREPARED, OrderStatus.SENDING, OrderStatus.RISK_REJECTED)
_LEAVING = (OrderStatus.PREPARED, OrderStatus.SENDING)


def one_live_entry(tape: JournalIndex) -> Iterator[Finding]:
    """1: A bot has at most one entry order that may still fill, UNKNOWN ones counted."""
    live: dict[str, dict[str, None]] = {}
    reported: set[tuple[str, ...]] = set()
    for turn in tape.turns:
        entries = [entry for entry in turn if entry.order is not None and entry.order.purpose is Purpose.ENTRY]
        for entry in entries:
            _note_live(live, entry)
        for entry in entries:
            working = tuple(live[entry.record.bot])
            if len(working) > 1 and working not in reported:
                reported.add(working)
                yield entry.finding(f"{len(working)} entries of {entry.record.bot} are live: {', '.join(working)}")


def _note_live(live: dict[str, dict[str, None]], entry: Entry) -> None:
    assert entry.order is not None
    of_bot = live.setdefault(entry.record.bot, {})
    if entry.order.status.is_live:
        of_bot[entry.order.ref] = None
    else:
        of_bot.pop(entry.order.ref, None)


def one_identity(tape: JournalIndex) -> Iterator[Finding]:
    """2: A ref is one order for ever: its number, bot, position, purpose and legs; one permId, shared with none."""
    first: dict[str, Order] = {}
    by_number: dict[int, str] = {}
    by_perm: dict[int, str] = {}
    for entry in tape.of(Kind.ORDER):
        order = entry.order
        assert order is not None
        known = first.setdefault(order.ref, order)
        if _identity(order) != _identity(known):
            yield entry.finding(f"{order.ref} is another order than when it was first recorded")
        if by_number.setdefault(order.number, order.ref) != order.ref:
            yield entry.finding(f"{order.ref} and {by_number[order.number]} are both number {order.number}")
        if order.perm_id:
            yield from _perm(entry, order, by_perm)


def _identity(order: Order) -> tuple[object, ...]:
    contracts = [(leg.key, leg.option, leg.side, leg.ratio) for leg in order.legs]
    return order.number, order.bot, order.positions, order.purpose, order.side, contracts, order.digest


def _perm(entry: Entry, order: Order, by_perm: dict[int, str]) -> Iterator[Finding]:
    owner = by_perm.setdefault(order.perm_id, order.ref)
    if owner != order.ref:
        yield entry.finding(f"{order.ref} has permId {order.perm_id}, which is that of {owner}")
    others = [perm for perm, ref in by_perm.items() if ref == order.ref and perm != order.perm_id]
    if others:
        yield entry.finding(f"{order.ref} has permId {order.perm_id}, and had {others[0]} before")


def recorded_first(tape: JournalIndex) -> Iterator[Finding]:
    """3: An order is recorded before it is sent, so before the first word of the broker on it."""
    known: set[str] = set()
    for entry in tape.of(Kind.ORDER, Kind.FILL, Kind.MESSAGE):
        if entry.order is None:
            if entry.text("ref") not in known and entry.text("purpose") != BY_OTHERS:
                yield entry.finding(
                    f"a {entry.kind.value} on {entry.text('ref') or 'no order'}: no such order recorded"
                )
            continue
        order = entry.order
        is_first = order.ref not in known
        known.add(order.ref)
        if is_first and (order.status not in _UNREPORTED or order.perm_id or order.has_fills or order.broker_filled):
            yield entry.finding(f"{order.ref} is first recorded as {order.status.value}, after the broker spoke of it")


def final_is_final(tape: JournalIndex) -> Iterator[Finding]:
    """17, of orders: an ended order stays ended, unless the broker works it after all and it is cancelled."""
    last: dict[str, OrderStatus] = {}
    for entry in tape.of(Kind.ORDER):
        order = entry.order
        assert order is not None
        before = last.get(order.ref)
        last[order.ref] = order.status
        if before is None or before is order.status:
            continue
        was_given_up = before is OrderStatus.LOST and order.status.is_live
        is_revived = was_given_up or order.status is OrderStatus.CANCELLING
        goes_back = order.status in _LEAVING and before not in _LEAVING
        if (not before.is_live and not is_revived) or goes_back:
            yield entry.finding(f"{order.ref} was {before.value} and is {order.status.value}")


def only_what_reduces(tape: JournalIndex) -> Iterator[Finding]:
    """10: Between kill or pause and resume no entry leaves, and after a kill none that works has another try."""
    standing = OperatorState()
    last: dict[str, Order] = {}
    for entry in tape.of(Kind.ORDER, Kind.OPERATOR):
        if entry.order is None:
            standing = after_record(standing, entry.record)
            continue
        order, before = entry.order, last.get(entry.order.ref)
        last[order.ref] = order
        if order.can_increase_risk and order_reaches_broker(before, order) and not standing.may_enter(order.bot):
            yield entry.finding(f"{order.ref} enters although the operator allows only what reduces")
        elif order.can_increase_risk and is_tried_again(before, order) and standing.trading is not TradingMode.ACTIVE:
            yield entry.finding(f"{order.ref} has try {order.attempt} after a kill")


def order_reaches_broker(before: Order | None, order: Order) -> bool:
    """Say whether an order is new with this record, or is sent with it."""
    return before is None or (before.sent_at is None and order.sent_at is not None)


def is_tried_again(before: Order | None, order: Order) -> bool:
    """Say whether an order that works has its next try with this record."""
    return before is not None and order.attempt > before.attempt and order.is_working


def only_with_a_link(tape: JournalIndex) -> Iterator[Finding]:
    """14: No entry leaves while the connection is down."""
    is_up = False
    sent: set[str] = set()
    for entry in tape.of(Kind.ORDER, Kind.LINK, Kind.RUN_STARTED):
        if entry.order is None:
            is_up = entry.kind is Kind.LINK and bool(entry.record.data.get("up"))
            continue
        order = entry.order
        if order.sent_at is None or order.ref in sent:
            continue
        sent.add(order.ref)
        if not is_up and order.can_increase_risk:
            yield entry.finding(f"{order.ref} enters while there is no connection")


# --- Checks on decisions

_TO_CHOOSE = ("universe", "choose")
"""Conditions that lead to a structure, of one that an operator has named asked no more."""
_CONDITIONS = ("universe", "when", "require", "risk")
_BEGINNINGS = (Kind.RUN_STARTED, Kind.PROMOTION)
"""Records that belong to no run before them."""
_MOVES = frozenset((row.state, row.trigger, row.next) for row in LIFECYCLE.rows)


def inside_the_session(tape: JournalIndex) -> Iterator[Finding]:
    """11: No entry leaves outside the session, nor has another try, and none begins outside its bot's window.

    A manual entry begins when it is requested.
    """
    session: Session | None = None
    last: dict[str, Order] = {}
    bots: dict[str, CompiledBot | None] = {}
    for entry in tape.of(Kind.RUN_STARTED, Kind.RELOAD, Kind.SESSION, Kind.ORDER, Kind.DECISION):
        if entry.kind in (Kind.RUN_STARTED, Kind.RELOAD):
            bots |= {name: _compiled(name, found) for name, found in _specs(entry.record).items()}
        elif entry.kind is Kind.SESSION:
            session = session_reported(entry)
        elif entry.text("what") == "enter" and not entry.record.data.get("by_hand"):
            yield from _outside_window(entry, session, bots.get(entry.record.bot))
        elif entry.order is not None:
            order, before = entry.order, last.get(entry.order.ref)
            last[order.ref] = order
            is_sent = order_reaches_broker(before, order) or is_tried_again(before, order)
            if order.can_increase_risk and is_sent and not _is_within(session, entry.record.at):
                yield entry.finding(f"{order.ref} {'enters' if before is None else 'is sent'} outside the session")


def _specs(record: Record) -> Mapping[str, Any]:
    found: Any = record.data.get("specs")
    return found or {}


def _compiled(name: str, found: Mapping[str, Any]) -> CompiledBot | None:
    """Return a bot as it ran, None when this version cannot compile its text: then its window is not known."""
    overrides = {key: str(value) for key, value in (found.get("overrides") or {}).items()}
    try:
        return compile_text(SpecText(name, str(found["digest"]), str(found["path"]), str(found["text"]), overrides))
    except RulebotError:
        return None


def session_reported(entry: Entry) -> Session:
    """Return the session of a session record."""
    opens, closes = (datetime.fromisoformat(entry.text(name)) for name in ("open", "close"))
    return Session(date.fromisoformat(entry.text("date")), opens, closes, bool(entry.record.data.get("half")))


def _is_within(session: Session | None, at: datetime) -> bool:
    return session is not None and session.date == exchange_date(at) and session.is_on(at)


def _outside_window(entry: Entry, session: Session | None, bot: CompiledBot | None) -> Iterator[Finding]:
    if bot is None or session is None:
        return
    spans = bot.windows(session)
    if not any(start <= entry.record.at < end for start, end in spans):
        words = ", ".join(f"{start:%H:%M:%S} to {end:%H:%M:%S} UTC" for start, end in spans)
        yield entry.finding(f"{entry.record.position} begins outside its window, {words}")


class _Rule(NamedTuple):
    """One rule of a bot, of one symbol and alternative where there are several."""

    bot: str
    place: str
    rule: str
    symbol: str
    alternative: str

    def is_asked(self, entry: Entry) -> bool:
        """Say whether it had to be true for this entry; of a choice what asks for the alternative that was taken."""
        data = entry.record.data
        if (self.place == "when" and data.get(BY_HAND)) or (self.place in _TO_CHOOSE and data.get(IS_NAMED)):
            return False
        if self.bot != entry.record.bot or self.symbol not in ("", entry.text("symbol")):
            return False
        taken = entry.text("alternative")
        if self.place == "choose":
            return bool(taken) and self.rule.startswith(f"{taken}.")
        return self.place in _CONDITIONS and self.alternative in ("", taken)


def unknown_is_never_true(tape: JournalIndex) -> Iterator[Finding]:
    """16: No rule is true of what is missing, and a bot enters only when each of its conditions was true last."""
    truths: dict[_Rule, object] = {}
    judged: set[tuple[str, str, str]] = set()
    bots: dict[str, CompiledBot | None] = {}
    for entry in tape.of(Kind.RUN_STARTED, Kind.RELOAD, Kind.VERDICT, Kind.DECISION):
        truth = entry.record.data.get("truth")
        if entry.kind in (Kind.RUN_STARTED, Kind.RELOAD):
            bots |= {name: _compiled(name, found) for name, found in _specs(entry.record).items()}
        if entry.kind is Kind.RUN_STARTED:
            truths.clear()
            judged.clear()
        elif entry.kind is Kind.RELOAD:
            truths = {key: last for key, last in truths.items() if key.bot != entry.record.bot}
        elif entry.kind is Kind.VERDICT:
            place, rule, *of = (entry.text(name) for name in ("place", "rule", "symbol", "alternative"))
            truths[_Rule(entry.record.bot, place, rule, *of)] = truth
            judged.add((entry.record.bot, place, rule))
            if truth is True and entry.text("missing"):
                yield entry.finding(f"{entry.record.bot}: {entry.text('rule')} is true without {entry.text('missing')}")
        elif entry.text("what") == "enter":
            yield from _untrue(entry, truths)
            for place, rule in _outstanding(bots.get(entry.record.bot), entry):
                if (entry.record.bot, place, rule) not in judged:
                    yield entry.finding(f"{entry.record.position} is entered and {rule} was never judged")


def _untrue(entry: Entry, truths: Mapping[_Rule, object]) -> Iterator[Finding]:
    """Yield the conditions of an entry that were not true last."""
    for key, last in truths.items():
        if key.is_asked(entry) and last is not True:
            word = "unknown" if last is None else "false"
            yield entry.finding(f"{entry.record.position} is entered while {key.rule} is {word}")


def _outstanding(bot: CompiledBot | None, entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield the conditions to be judged before an entry, with their places, for a bot without a universe.

    Requirements of a structure only for bots without alternatives.
    """
    if bot is None or bot.members:
        return
    if not entry.record.data.get("by_hand"):
        yield from (("when", rule.name) for rule in bot.plan.entry.when)
    if not bot.plan.choices:
        yield from (("require", rule.name) for rule in bot.plan.require)


def declared_moves(tape: JournalIndex) -> Iterator[Finding]:
    """17: A position moves only along the rows of the lifecycle, each move from its present state."""
    states: dict[str, str] = {}
    for entry in tape.of(Kind.DECISION):
        values = entry.record.data.get("values")
        if entry.text("what") != "state" or not isinstance(values, list) or len(values) != 2:
            continue
        position, before, after = entry.record.position, str(values[0]), str(values[1])
        stood = states.get(position, LIFECYCLE.initial)
        states[position] = after
        if before != stood:
            yield entry.finding(f"{position} moves from {before}, it stood at {stood}")
        if (before, entry.text("reason"), after) not in _MOVES:
            yield entry.finding(f"{position}: no move '{entry.text('reason')}' leads from {before} to {after}")


def one_text(tape: JournalIndex) -> Iterator[Finding]:
    """18: A position, and each of its orders, is governed by the text it was opened under."""
    digests: dict[str, str] = {}
    for entry in tape.of(Kind.POSITION):
        assert entry.position is not None
        if digests.setdefault(entry.position.id, entry.position.digest) != entry.position.digest:
            yield entry.finding(f"{entry.position.id} has another digest than when it was opened")
    for entry in tape.of(Kind.ORDER):
        assert entry.order is not None
        if digests.get(entry.order.position, entry.order.digest) != entry.order.digest:
            yield entry.finding(f"{entry.order.ref} has another digest than its position {entry.order.position}")


def in_order(tape: JournalIndex) -> Iterator[Finding]:
    """20: Records can be read, their numbers follow each other, and within a run time never goes back.

    Except at a connection that begins by the broker's time after one by this computer's clock: its first record is the
    alarm with the difference.
    """
    yield from tape.unreadable
    last: Entry | None = None
    is_up = False
    for entry in tape.entries:
        is_back = last is not None and entry.record.at < last.record.at
        is_started = entry.kind in _BEGINNINGS or (not is_up and COMPUTER_AHEAD in entry.record.data)
        if last is not None and is_back and not is_started:
            yield entry.finding(f"it is earlier than number {last.seq}, {last.record.at:%Y-%m-%d %H:%M:%S} UTC")
        if entry.kind is Kind.LINK:
            is_up = bool(entry.record.data["up"])
        last = entry

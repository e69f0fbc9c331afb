"""Checks on decisions: inside window and session, on what is known, along the lifecycle, under one text, in order."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from rulebot.checks.journal.orders import is_tried_again, order_reaches_broker
from rulebot.checks.journal.tape import Entry, Finding, JournalIndex
from rulebot.compile.lifecycle import LIFECYCLE
from rulebot.core.program import CompiledBot
from rulebot.documents.load_bots import SpecText, compile_text
from rulebot.model.errors import RulebotError
from rulebot.model.order import Order
from rulebot.model.session import Session, exchange_date
from rulebot.record.record import BY_HAND, COMPUTER_AHEAD, IS_NAMED, Kind, Record

_TO_CHOOSE = ("universe", "choose")
"""Conditions that lead to a structure, of one that an operator has named asked no more."""
_CONDITIONS = ("universe", "when", "require", "risk")
_BEGINNINGS = (Kind.RUN_STARTED, Kind.PROMOTION)
"""Records that are of no run before them."""
_MOVES = frozenset((row.state, row.trigger, row.next) for row in LIFECYCLE.rows)


def inside_the_session(tape: JournalIndex) -> Iterator[Finding]:
    """11: No entry leaves outside the session, nor has another try, and none begins outside the window of its bot.

    One that is entered by hand begins when it is asked for.
    """
    session: Session | None = None
    last: dict[str, Order] = {}
    bots: dict[str, CompiledBot | None] = {}
    for entry in tape.of(Kind.RUN_STARTED, Kind.RELOAD, Kind.SESSION, Kind.ORDER, Kind.DECISION):
        if entry.kind in (Kind.RUN_STARTED, Kind.RELOAD):
            bots |= {name: _compiled(name, found) for name, found in _specs(entry.record).items()}
        elif entry.kind is Kind.SESSION:
            session = session_told(entry)
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


def session_told(entry: Entry) -> Session:
    """Return the session that a record of one tells."""
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
            for key, last in truths.items():
                if key.is_asked(entry) and last is not True:
                    word = "unknown" if last is None else "false"
                    yield entry.finding(f"{entry.record.position} is entered while {key.rule} is {word}")
            for place, rule in _owed(bots.get(entry.record.bot), entry):
                if (entry.record.bot, place, rule) not in judged:
                    yield entry.finding(f"{entry.record.position} is entered and {rule} was never judged")


def _owed(bot: CompiledBot | None, entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield the conditions that were to be judged before an entry, with their places: of a bot without a universe.

    What a structure requires is told of those alone that have no others to choose from.
    """
    if bot is None or bot.members:
        return
    if not entry.record.data.get("by_hand"):
        yield from (("when", rule.name) for rule in bot.plan.entry.when)
    if not bot.plan.choices:
        yield from (("require", rule.name) for rule in bot.plan.require)


def declared_moves(tape: JournalIndex) -> Iterator[Finding]:
    """17: A position moves only along the rows of the lifecycle, each move from where it stood."""
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

    But at a connection that begins by the broker's time after one that went by this computer's clock: its first record
    is the alarm that tells how far these are apart.
    """
    yield from tape.unreadable
    last: Entry | None = None
    is_up = False
    for entry in tape.entries:
        is_back = last is not None and entry.record.at < last.record.at
        is_begun = entry.kind in _BEGINNINGS or (not is_up and COMPUTER_AHEAD in entry.record.data)
        if last is not None and is_back and not is_begun:
            yield entry.finding(f"it is earlier than number {last.seq}, {last.record.at:%Y-%m-%d %H:%M:%S} UTC")
        if entry.kind is Kind.LINK:
            is_up = bool(entry.record.data["up"])
        last = entry

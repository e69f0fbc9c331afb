"""What a journal says of the sessions of one world, gathered in one pass: who ran when, what was held and made."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from rulebot.checks.journal.books import Entry, JournalIndex
from rulebot.checks.journal.orders import session_reported
from rulebot.core.state.state import OperatorState
from rulebot.decide.entry_window import BotDay
from rulebot.documents.load_bots import SpecText
from rulebot.model.cause import Halt
from rulebot.model.money import ZERO
from rulebot.model.position import Position
from rulebot.model.session import CLOSED, Session, exchange_date, session_on
from rulebot.record.codec import decode
from rulebot.record.record import BY_HAND, HOURS, NEAREST, Kind, Record
from rulebot.recovery.resume import after_record, spec_texts
from rulebot.store.queries import OBSERVE

PAPER, LIVE = "paper", "live"
OTHERS = ("simulated", "real", LIVE, OBSERVE)
"""What the runs that are passed over may be: of the other world, with real money, or such that nothing was sent."""
HALTS, WHEN, CHOOSE = "halts", "when", "choose"
OF_ENTRY = (WHEN, "universe", "require", "risk")
"""Places of conditions that must all be true for an entry."""
PRICE = "price"
"""What came nearest where all conditions held, and the price was unknown."""


class SessionSpan(NamedTuple):
    """From when to when."""

    start: datetime
    end: datetime

    def meets(self, start: datetime, end: datetime) -> bool:
        """Say whether any of this is between two instants."""
        return self.start < end and start < self.end


class Look(NamedTuple):
    """What was known of the conditions of `choose` at an instant, by their names; None is unknown."""

    at: datetime
    truths: Mapping[str, bool | None]


class Key(NamedTuple):
    """A bot under one text."""

    bot: str
    digest: str


def key_of(position: Position) -> Key:
    """Return the bot of a position, and the text that it was entered under."""
    return Key(position.bot, position.digest)


def is_simulated(started: Record) -> bool:
    """Say whether a run was one at a simulated gateway; one without a word of it had its clock in lockstep."""
    return bool(started.data.get("simulated") or started.data.get("lockstep"))


def mode_of(started: Record) -> str:
    """Return whether a run was on paper or live."""
    settings: Any = started.data.get("settings")
    return str((settings or {}).get("mode") or PAPER)


_PLANNED = (Halt.DAY_PROFIT, Halt.ACCOUNT_PROFIT)
"""Halts that a plan asks for: it has made enough."""


@dataclass(slots=True)
class Paper:
    """The paper runs of one world: paper or simulated.

    up: when a bot ran with the broker connected. barred: when a person kept a bot from entering. unknown: when a
    condition of entry, or one that halts, could not be decided, by bot and name. looks: each change of the conditions
    of its alternatives, by bot. lacked: the first unknown value of an entry in a session; decided: whether something
    else kept the bot out of it, or a person asked it to enter. profits: of a position in a session, an open one at its
    marks. by_hand: positions that an operator had a bot enter. said: faults of a bot in a session. alarms: by day and
    bot, "" for none. outside: external fills in the account, by session. shut: what did not trade on a day.
    passed_over: sessions of other runs, by their kind. last_texts: the last spec of each bot in any run.
    """

    texts: dict[str, SpecText] = field(default_factory=dict)
    sessions: dict[date, Session] = field(default_factory=dict)
    up: dict[Key, list[SessionSpan]] = field(default_factory=lambda: defaultdict(list))
    daily_losses: list[tuple[SessionSpan, Decimal]] = field(default_factory=list)
    barred: dict[str, list[SessionSpan]] = field(default_factory=lambda: defaultdict(list))
    unknown: dict[str, list[tuple[str, SessionSpan]]] = field(default_factory=lambda: defaultdict(list))
    looks: dict[str, list[Look]] = field(default_factory=lambda: defaultdict(list))
    lacked: dict[tuple[str, date], str] = field(default_factory=dict)
    decided: set[tuple[str, date]] = field(default_factory=set)
    positions: dict[str, Position] = field(default_factory=dict)
    profits: dict[tuple[str, date], Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    by_hand: set[str] = field(default_factory=set)
    said: dict[tuple[str, date], dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    alarms: Counter[tuple[str, date]] = field(default_factory=Counter)
    outside: dict[date, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    shut: dict[date, set[str]] = field(default_factory=lambda: defaultdict(set))
    passed_over: dict[str, set[date]] = field(default_factory=lambda: defaultdict(set))
    accounts: dict[str, None] = field(default_factory=dict)
    last_texts: dict[str, SpecText] = field(default_factory=dict)

    def daily_loss(self, day: date) -> Decimal | None:
        """Return the least that the account might lose by the limits in force in a session, None without any."""
        session = self.sessions.get(day)
        found = (most for span, most in self.daily_losses if session and span.meets(session.open, session.close))
        return min(found, default=None)

    def is_by_hand(self, position: Position) -> bool:
        """Say whether an operator had it entered, or what was rolled into it: then it shows nothing of its bot."""
        return position.entered_as in self.by_hand

    def profit(self, key: Key, day: date) -> Decimal:
        """Return what a bot under one text made in a session, without what was entered by hand."""
        own = (each for each in self.positions.values() if key_of(each) == key and not self.is_by_hand(each))
        return sum((self.profits.get((each.id, day), ZERO) for each in own), ZERO)

    def alarms_of(self, bot: str) -> Counter[date]:
        """Return how many alarms of a bot, or of no bot, were raised on each day, be it no session of the bot."""
        found: Counter[date] = Counter()
        for (of, day), count in self.alarms.items():
            found[day] += count if of in (bot, "") else 0
        return found


def read_paper(tape: JournalIndex, *, simulated: bool) -> Paper:
    """Return what a tape says of its runs on paper at simulated gateways, or at real ones."""
    reader = _Reader(simulated)
    for entry in tape.entries:
        reader.take(entry)
    reader.end()
    return reader.paper


@dataclass(slots=True)
class _Reader:
    """The pass: its place in the journal, and its findings."""

    simulated: bool
    paper: Paper = field(default_factory=Paper)
    other: str = "no run"
    digests: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path()
    daily_loss: Decimal | None = None
    day: date | None = None
    session: Session | None = None
    up_since: datetime | None = None
    last_at: datetime | None = None
    standing: OperatorState = field(default_factory=OperatorState)
    barred_since: dict[str, datetime] = field(default_factory=dict)
    unknown_since: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    choosing: dict[str, dict[str, bool | None]] = field(default_factory=lambda: defaultdict(dict))
    worth: dict[str, Decimal] = field(default_factory=dict)
    halting: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    planned: set[tuple[str, date, Halt, str]] = field(default_factory=set)

    def take(self, entry: Entry) -> None:
        record = entry.record
        if record.kind is Kind.RUN_STARTED:
            self._run(record)
        elif record.data.get("specs") is not None and not self.other:
            self._texts(record)
        elif (taker := _TAKERS.get(record.kind)) is not None and (not self.other or record.kind in _ALWAYS):
            taker(self, entry)
        self.last_at = record.at

    def end(self) -> None:
        """Close what is open where the journal ends."""
        if self.last_at is not None:
            self._down(self.last_at)
            for bot in list(self.barred_since):
                self._free(bot, self.last_at)
            self._forget_evaluations(self.last_at)

    def _run(self, record: Record) -> None:
        if self.last_at is not None:
            self._down(self.last_at)
        self.session, mode = None, mode_of(record)
        self.halting.clear()
        sources = record.data.get("sources")
        self.folder = Path(str(sources["folder"])) if isinstance(sources, dict) else Path()
        self._note_last(spec_texts(record.data["specs"]))
        self.other = "" if mode == PAPER and is_simulated(record) is self.simulated else mode
        if mode == PAPER and self.other:
            self.other = "simulated" if is_simulated(record) else "real"
        self.digests = {}
        if not self.other:
            self.paper.accounts[str(record.data.get("account"))] = None
            self._texts(record)

    def _note_last(self, texts: Iterable[SpecText]) -> None:
        self.paper.last_texts |= {text.name: replace(text, file=str(self.folder / text.file)) for text in texts}

    def _texts(self, record: Record) -> None:
        was_up = self.up_since is not None
        self._down(record.at)
        self.up_since = record.at if was_up else None
        texts = spec_texts(record.data["specs"])
        self.paper.texts |= {text.digest: text for text in texts}
        self._note_last(texts)
        digests = {text.name: text.digest for text in texts}
        self._forget_evaluations(record.at, {bot for bot in self.digests if self.digests[bot] != digests.get(bot)})
        self.digests = digests
        limits: Any = record.data.get("limits") or {}
        self.daily_loss = None if limits.get("daily_loss") is None else Decimal(limits["daily_loss"])
        for bot in self.digests:
            self._bar(bot, record.at)

    def _link(self, entry: Entry) -> None:
        if entry.record.data.get("up"):
            self.up_since = self.up_since or entry.record.at
        else:
            self._down(entry.record.at)

    def _over(self, entry: Entry) -> None:
        self._down(entry.record.at)

    def _down(self, at: datetime) -> None:
        if self.up_since is not None:
            for bot, digest in self.digests.items():
                self.paper.up[Key(bot, digest)].append(SessionSpan(self.up_since, at))
            if self.daily_loss is not None:
                self.paper.daily_losses.append((SessionSpan(self.up_since, at), self.daily_loss))
        self.up_since = None

    def _begin(self, entry: Entry) -> None:
        reported = session_reported(entry)
        if reported.date != self.day:
            self._forget_evaluations(entry.record.at)
        self.day = reported.date
        self.session = reported if session_on(reported.date) is not None else None
        if self.session is not None and not self.other:
            self.paper.sessions[self.session.date] = self.session
        elif self.session is not None and self.other in OTHERS:
            self.paper.passed_over[self.other].add(self.session.date)

    def _operator(self, entry: Entry) -> None:
        self.standing = after_record(self.standing, entry.record)
        for bot in {*self.digests, *self.barred_since}:
            self._bar(bot, entry.record.at)

    def _bar(self, bot: str, at: datetime) -> None:
        if self.standing.may_enter(bot):
            self._free(bot, at)
        else:
            self.barred_since.setdefault(bot, at)

    def _free(self, bot: str, at: datetime) -> None:
        if (since := self.barred_since.pop(bot, None)) is not None:
            self.paper.barred[bot].append(SessionSpan(since, at))

    def _today(self, at: datetime) -> date:
        return self.session.date if self.session is not None else exchange_date(at)

    def _position(self, entry: Entry) -> None:
        position = entry.position
        assert position is not None
        self.paper.positions[position.id] = position
        if position.freeze_reason:
            self._say(entry, f"{position.id} is on hold: {position.freeze_reason}")
        if position.state == "closed":
            self._is_worth(entry, position.net if position.is_flat else self.worth.get(position.id, ZERO))

    def _mark(self, entry: Entry) -> None:
        if entry.record.data.get("profit") is not None and entry.record.position in self.paper.positions:
            self._is_worth(entry, Decimal(entry.text("profit")))

    def _is_worth(self, entry: Entry, worth: Decimal) -> None:
        id = entry.record.position
        gained = worth - self.worth.get(id, ZERO)
        self.worth[id] = worth
        if gained:
            self.paper.profits[id, self._today(entry.record.at)] += gained

    def _decision(self, entry: Entry) -> None:
        if entry.text("what") in ("enter", "skip"):
            self._was_judged(entry)
        if entry.record.data.get(BY_HAND):
            self.paper.by_hand.add(entry.record.position)
            self._say(entry, f"{entry.record.position} was entered by hand")

    def _evaluation(self, entry: Entry) -> None:
        if entry.text("place") == HALTS:
            is_true = entry.record.data.get("truth") is True
            (set.add if is_true else set.discard)(self.halting[entry.record.bot], entry.text("rule"))
        if entry.text("place") in (HALTS, WHEN) and not entry.text("symbol"):
            key = (entry.record.bot, entry.text("place"), entry.text("rule"))
            if entry.record.data.get("truth") is None:
                self.unknown_since.setdefault(key, entry.record.at)
            else:
                self._decided(key, entry.record.at)

        if entry.text("place") == CHOOSE and not entry.text("symbol"):
            bot, truth = entry.record.bot, entry.record.data.get("truth")
            assert truth is None or isinstance(truth, bool)
            known = self.choosing[bot] = {**self.choosing[bot], entry.text("rule"): truth}
            self.paper.looks[bot].append(Look(entry.record.at, known))
        if entry.text("place") in OF_ENTRY and not entry.record.position:
            self._of_entry(entry)

    def _of_entry(self, entry: Entry) -> None:
        if (truth := entry.record.data.get("truth")) is None:
            self._lacks(entry, entry.text("rule"))
        elif truth is False:
            self._was_judged(entry)

    def _selection(self, entry: Entry) -> None:
        """Keep why no structure could be sent: of known values the nearest miss, of conditions their results."""
        if (reason := entry.text("reason")) and not entry.record.position:
            self._lacks(entry, reason.removeprefix(f"{PRICE}: "))

    def _was_judged(self, entry: Entry) -> None:
        self.paper.decided.add((entry.record.bot, self._today(entry.record.at)))

    def _lacks(self, entry: Entry, what: str) -> None:
        key = entry.record.bot, self._today(entry.record.at)
        self.paper.lacked.setdefault(key, " ".join(filter(None, (entry.text("symbol"), what))))

    def _decided(self, key: tuple[str, str, str], at: datetime) -> None:
        if (since := self.unknown_since.pop(key, None)) is not None:
            self.paper.unknown[key[0]].append((key[2], SessionSpan(since, at)))

    def _forget_evaluations(self, at: datetime, bots: Collection[str] | None = None) -> None:
        """End unknown spells, of some bots or of all: another spec, and another day, is judged from the start."""
        for key in list(self.unknown_since):
            if bots is None or key[0] in bots:
                self._decided(key, at)
        for bot in list(self.choosing):
            if bots is None or bot in bots:
                del self.choosing[bot]

    def _bot_day(self, entry: Entry) -> None:
        """Hold a halt against the bot unless a halt condition of its plan was true when it came."""
        found = decode(BotDay, dict(entry.record.data))
        if found.halt is None:
            return
        key = (found.bot, found.date, found.halt, found.halt_rule)
        self.paper.decided.add((found.bot, found.date))
        if found.halt in _PLANNED or (found.halt is Halt.CONDITION and found.halt_rule in self.halting[found.bot]):
            self.planned.add(key)
        elif key not in self.planned:
            self.paper.said[found.bot, found.date][f"halted: {found.halted}"] = None

    def _alarm(self, entry: Entry) -> None:
        self.paper.alarms[entry.record.bot, self._today(entry.record.at)] += 1
        if contract := entry.text("contract"):
            self.paper.outside[self._today(entry.record.at)].append((contract, entry.text("text")))

    def _facts(self, entry: Entry) -> None:
        if entry.text("what") == NEAREST:
            nearest: Any = entry.record.data["value"]
            if str(nearest["rule"]).split()[-1] != PRICE:
                self._was_judged(entry)
        if entry.text("what") == HOURS:
            is_shut = entry.text("value") == CLOSED
            (set.add if is_shut else set.discard)(self.paper.shut[self._today(entry.record.at)], entry.text("symbol"))

    def _say(self, entry: Entry, text: str) -> None:
        self.paper.said[entry.record.bot, self._today(entry.record.at)][text] = None


_ALWAYS = (Kind.SESSION, Kind.OPERATOR)
_TAKERS: dict[Kind, Callable[[_Reader, Entry], None]] = {
    Kind.LINK: _Reader._link,
    Kind.RUN_ENDED: _Reader._over,
    Kind.SESSION: _Reader._begin,
    Kind.OPERATOR: _Reader._operator,
    Kind.DECISION: _Reader._decision,
    Kind.SELECTION: _Reader._selection,
    Kind.POSITION: _Reader._position,
    Kind.MARK: _Reader._mark,
    Kind.VERDICT: _Reader._evaluation,
    Kind.BOT_DAY: _Reader._bot_day,
    Kind.ALARM: _Reader._alarm,
    Kind.FACTS: _Reader._facts,
}


def closed_trades(paper: Paper, key: Key) -> Iterator[Position]:
    """Yield the closed trades of a bot under one spec that it entered by its rules, in order of their end."""
    found = (each for each in paper.positions.values() if key_of(each) == key and not paper.is_by_hand(each))
    over = [position for position in found if position.state == "closed" and position.is_flat and position.has_fills]
    yield from sorted(over, key=lambda position: (position.closed_at is None, position.closed_at, position.id))

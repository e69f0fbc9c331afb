"""What was recorded of a day that can be the cause of a difference: what happened, and what kept bots from entering."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from rulebot.core.reloading import BotChange
from rulebot.core.state import State
from rulebot.model.contract import Contract
from rulebot.model.market import Board
from rulebot.model.order import Purpose
from rulebot.model.values import dataclass
from rulebot.narrate.event_text import event_line
from rulebot.narrate.text_table import clock
from rulebot.record.record import Kind, Record
from rulebot.replay.replay import Replayed

AROUND = timedelta(seconds=30)
"""How long before and after a difference its cause is looked for."""
STILL = timedelta(seconds=90)
"""An engine to which nothing came for longer within a session, no beat of the clock either, stood still."""
MOST = 4
"""Causes of one difference that are told."""
_NO_CAUSE = ("watching: ", "its window")
_UNLINKED = "no connection to the broker"
_FROM_OUTSIDE = (Kind.ALARM, Kind.LINK, Kind.OPERATOR, Kind.WEBHOOK, Kind.RELOAD)
_REFUSALS = ("halt", "skip", "unfilled", "no_roll", "unwind", "suspend")
"""Decisions that say themselves why something is not done."""


Said = tuple[str, str, str]
"""The bot, what it did or met, and its words: the same in a walk in which the same happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Something that happened, for people; bot "" is the whole run.

    says_why: it is a reason, and no mere event. said: of a reason that a walk may have too, None of one from outside.
    """

    at: datetime
    bot: str
    text: str
    says_why: bool = False
    said: Said | None = None
    is_reload: bool = False


def said_of(record: Record) -> Said | None:
    """Return what a record says, None unless it is an alarm or a bot's own reason."""
    if record.kind is Kind.ALARM:
        return record.bot, "alarm", str(record.data["text"])
    if record.kind is Kind.DECISION and record.data.get("what") in _REFUSALS:
        return record.bot, str(record.data["what"]), str(record.data.get("reason"))
    return None


class EntryTries:
    """When bots set out to enter, and to leave: whether an order then fills is another matter."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.entries: dict[str, list[datetime]] = {}
        self.exits: dict[str, list[datetime]] = {}
        for each in records:
            self.take(each)

    def take(self, record: Record) -> None:
        """Note a record if it is a try."""
        if record.kind is Kind.ORDER:
            if record.is_leaving and record.data["purpose"] == Purpose.ENTRY.value:
                self.entries.setdefault(record.bot, []).append(record.at)
        elif record.kind is Kind.DECISION and record.data["what"] == "exit":
            self.exits.setdefault(record.bot, []).append(record.at)


class RecordedCause:
    """What happened in a replay, for people, in order; and what else is known of it.

    given_up: when contracts were no longer streamed.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.tries = EntryTries()
        self.given_up: dict[Contract, list[datetime]] = {}
        self._streamed: set[Contract] = set()
        self._version = -1
        self._kept_out: dict[str, list[tuple[datetime, str, bool]]] = {}
        self._stood_still: list[tuple[datetime, datetime]] = []
        self._last: datetime | None = None
        self._looked: tuple[object, ...] = ()
        self._seen = 0

    def see(self, found: Replayed, _: datetime) -> bool:
        """Take what is new."""
        if self._last is not None and found.at - self._last > STILL and found.state.session.open <= self._last:
            self._stood_still.append((self._last, found.at))
        self._last = found.at
        for record in found.records[self._seen :]:
            self.tries.take(record)
            if record.kind is Kind.RELOAD and record.bot:
                self.lines.append(_reloaded(record))
            elif (told := event_line(record, found.state)) is not None:
                self.lines.append(_line(record, told.bot, told.text))
            elif record.kind is Kind.DECISION and record.data.get("what") == "skip":
                self.lines.append(_line(record, record.bot, f"no entry: {record.data.get('reason')}"))
        self._seen = len(found.records)
        self._look(found.state, found.at)
        self._look_at_lines(found.state.board, found.at)
        return False

    def _look_at_lines(self, board: Board, at: datetime) -> None:
        """Note when what was streamed is given up."""
        if board.version == self._version:
            return
        self._version, streamed = board.version, set(board.rows)
        for each in self._streamed - streamed:
            self.given_up.setdefault(each, []).append(at)
        self._streamed = streamed

    def _look(self, state: State, at: datetime) -> None:
        """Note for each bot what keeps it from entering, when that changes."""
        looked = (state.standing, state.is_linked, state.reloading, *(bot.day.halt for bot in state.bots.values()))
        if looked == self._looked:
            return
        self._looked = looked
        for name in state.bots:
            known, why = self._kept_out.setdefault(name, []), _kept_out(state, name)
            if why != (known[-1][1] if known else ""):
                known.append((at, why, not state.is_linked))

    def unlinked(self, bot: str, at: datetime) -> str:
        """Return since when there was no connection at an instant, "" when there was one."""
        found = self._last_kept_out(bot, at)
        return f"{clock(found[0])} {found[1]}" if found is not None and found[2] else ""

    def still(self, at: datetime) -> str:
        """Return since when nothing had come to the engine until shortly before an instant, "" when it was awake."""
        for since, until in self._stood_still:
            if since <= at <= until + AROUND:
                return f"nothing came to the engine from {clock(since)} to {clock(until)}: the computer slept, or hung"
        return ""

    def kept_out(self, bot: str, at: datetime) -> str:
        """Return what kept a bot from entering at an instant, "" for nothing."""
        found = self._last_kept_out(bot, at)
        return f"{clock(found[0])} {found[1]}" if found is not None and found[1] else ""

    def _last_kept_out(self, bot: str, at: datetime) -> tuple[datetime, str, bool] | None:
        """Return since when, by what and whether for want of a connection a bot was kept out at an instant."""
        return next((each for each in reversed(self._kept_out.get(bot, ())) if each[0] <= at), None)

    def around(self, bot: str, at: datetime) -> list[Line]:
        """Return what happened to a bot, and to the whole run, around an instant."""
        return [
            each
            for each in self.lines
            if each.bot in ("", bot) and at - AROUND <= each.at <= at + AROUND and not each.text.startswith(_NO_CAUSE)
        ]

    def refusals(self, bot: str, at: datetime) -> Iterator[Line]:
        """Yield what a bot said itself, until shortly after an instant, of why it does not enter: it says so once."""
        yield from (each for each in self.lines if each.says_why and each.bot == bot and each.at <= at + AROUND)

    def reloads(self, bot: str, at: datetime) -> Iterator[Line]:
        """Yield which other texts of a bot took over before an instant."""
        yield from (each for each in self.lines if each.is_reload and each.bot == bot and each.at <= at + AROUND)


def _line(record: Record, bot: str, text: str) -> Line:
    said = said_of(record)
    says_why = record.kind in _FROM_OUTSIDE or said is not None
    return Line(at=record.at, bot=bot, text=text, says_why=says_why, said=said)


def _reloaded(record: Record) -> Line:
    change = BotChange(record.bot, str(record.data["was"]), str(record.data["now"]))
    return Line(at=record.at, bot=record.bot, text=f"reloaded: {change.words}", says_why=True, is_reload=True)


def _kept_out(state: State, bot: str) -> str:
    if not state.is_linked:
        return _UNLINKED
    if not state.standing.may_enter(bot):
        return "entries are switched off by the operator"
    if state.reloading & {"", bot}:
        return "a reload waited to be taken up"
    return f"halted: {state.bots[bot].day.halted}" if state.bots[bot].day.halt else ""

"""The page of a recorded day: the state at each minute, and at each event.

A separate process replays the day at low priority, so no page and no engine waits. The last viewed days are kept
compressed.
"""

import os
import pickle
import re
import signal
import threading
import time
import zlib
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from rulebot.adapters.recorded.file import SUFFIX, instant, span
from rulebot.adapters.recorded.recording import open_recording
from rulebot.core.program import CompiledBot
from rulebot.core.rules.rule_evaluation import first_missing
from rulebot.model.collector import leave_at_end
from rulebot.model.contract import Underlying
from rulebot.model.errors import RulebotError, StoreError, internal_error_text
from rulebot.model.market import Board
from rulebot.model.session import EXCHANGE_ZONE, at_exchange_time, session_on
from rulebot.model.text import one_line
from rulebot.model.values import dataclass
from rulebot.narrate.happenings import EventLine
from rulebot.narrate.periods import compared_words, last_compared
from rulebot.narrate.snapshot import Snapshot
from rulebot.narrate.snapshot_of_state import snapshot_of
from rulebot.replay.as_test import ReplayText
from rulebot.replay.recordings import RecordingFile, listed, sizes_of, tapes_of
from rulebot.replay.replay import Replayed, conditions, known_number, replay
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader
from rulebot.web.pages import TEMPLATES, day_of
from rulebot.wording.condition import describe

# --- One instant of a recorded day as its page shows it


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What one entry condition of a bot said. truth: None is unknown; words: value and bound, or what was missing."""

    bot: str
    rule: str
    truth: bool | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One line that was streamed. age: seconds since its newest price; is_live: False for what was frozen or halted."""

    name: str
    is_level: bool
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    iv: float | None = None
    delta: float | None = None
    age: float | None = None
    is_live: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySnapshot:
    """What the engine knew and did at an instant.

    ran: the bots that might enter then: others may hold something. conditions: what they would enter by.
    """

    seen: Snapshot
    at: datetime
    ran: tuple[str, ...]
    conditions: tuple[Condition, ...]
    quotes: tuple[Quote, ...]


def replay_snapshot(found: Replayed, at: datetime) -> ReplaySnapshot:
    """Return the state of a replay at an instant."""
    program, state = found.program, found.state
    return ReplaySnapshot(
        seen=snapshot_of(program, state, at, state.schedule.session.open, None),
        at=at,
        ran=tuple(program.bots),
        conditions=tuple(each for bot in program.bots.values() for each in _conditions(found, bot, at)),
        quotes=tuple(_quotes(state.market.board, at.timestamp())),
    )


def _conditions(found: Replayed, bot: CompiledBot, at: datetime) -> Iterator[Condition]:
    for called, rule, evaluation in conditions(found, bot, at):
        words = one_line(first_missing(evaluation) or describe(rule.rule, evaluation))
        yield Condition(bot=bot.plan.name, rule=called, truth=evaluation.truth, words=words)


def _quotes(board: Board, now: float) -> Iterator[Quote]:
    known = sorted(board.rows.items(), key=lambda each: (not isinstance(each[0], Underlying), str(each[0])))
    for contract, row in known:
        numbers = {name: known_number(board, name, row) for name in ("bid", "ask", "last", "iv", "delta")}
        newest = [at for at in (board.quote_at[row], board.last_at[row]) if at == at]
        is_live = row not in board.frozen and row not in board.halted
        age = now - max(newest) if newest else None
        yield Quote(name=str(contract), is_level=isinstance(contract, Underlying), age=age, is_live=is_live, **numbers)


# --- A recorded day, replayed once for its page

MINUTE = timedelta(minutes=1)
AROUND = timedelta(minutes=5)
"""How long before the open and after the close each minute is kept."""
KEPT_DAYS = 6
MOST_BYTES = 64 << 20
"""Compressed bytes of all days that are kept, besides the one that is looked at."""
OLD_ENOUGH = 300.0
"""Seconds after which a day that is still being recorded is replayed again."""
REPORT_INTERVAL = timedelta(minutes=5)
NICE = 10
MOST_WAITING = 3
"""Days that are being replayed or queued at most."""
OTHERWISE = "this version of rulebot decides otherwise from here on: 'rulebot replay' shows the difference"
Key = tuple[tuple[Path, int], ...]


class NothingRecordedError(StoreError):
    """There is no recording of that day."""


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One event of the day."""

    at: datetime
    bot: str
    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class Gap:
    """From when to when nothing is known between two runs: nothing is recorded, or `problem` says why not."""

    since: datetime
    until: datetime
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A day: its instants, rising, each with a packed `Moment`.

    problem: why it ends early, "" at the end of the recording. unread: why one of its recordings is excluded.
    """

    instants: tuple[datetime, ...]
    packed: tuple[bytes, ...]
    happened: tuple[TimelineEvent, ...]
    problem: str = ""
    gaps: tuple[Gap, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all moments."""
        return sum(map(len, self.packed))

    def at(self, wanted: datetime) -> ReplaySnapshot:
        """Return the last moment that is not after an instant, the first one before that."""
        place = max(bisect_right(self.instants, wanted) - 1, 0)
        found = pickle.loads(zlib.decompress(self.packed[place]))  # made by a process of our own
        assert isinstance(found, ReplaySnapshot)
        return found

    def gap(self, wanted: datetime) -> Gap | None:
        """Return the gap in the recording, if the state of an instant is from before that gap."""
        place = max(bisect_right(self.instants, wanted) - 1, 0)
        return next((each for each in self.gaps if each.since <= wanted and self.instants[place] < each.until), None)

    def before(self, wanted: datetime) -> TimelineEvent | None:
        """Return the last event before an instant."""
        return next((each for each in reversed(self.happened) if each.at < wanted), None)

    def after(self, wanted: datetime) -> TimelineEvent | None:
        """Return the first event after an instant."""
        return next((each for each in self.happened if each.at > wanted), None)


# ---------------------------------------------------------------- living through


class _Keeper:
    """Collects a replay's states. marks: at which instants; reported: receives the progress."""

    def __init__(self, day_from: datetime, marks: deque[datetime], reported: Callable[[datetime], None]) -> None:
        self.marks = marks
        self.moments: dict[datetime, bytes] = {}
        self.happened: list[TimelineEvent] = []
        self._from, self._reported, self._resending = day_from, reported, ReplayText()
        self._next = datetime.min.replace(tzinfo=UTC)

    def glimpse(self, found: Replayed, at: datetime) -> None:
        """Keep the state of an instant."""
        self.moments[at] = zlib.compress(pickle.dumps(replay_snapshot(found, at)), 6)
        self._notify(at)

    def see(self, found: Replayed, at: datetime) -> bool:
        """Keep the result of a turn; if anything happened, keep the state at the end of its instant."""
        before = len(self._resending.waiting)
        lines = self._resending.fresh(found, at)
        self._notify(at)
        self._keep(lines)
        is_news = bool(lines) or len(self._resending.waiting) > before
        if is_news and at >= self._from and (not self.marks or self.marks[0] != at):
            self.marks.appendleft(at)
        return False

    def end(self, found: Replayed) -> None:
        """Keep events that remain at the end of the recording."""
        self._keep(self._resending.rest(found))
        self.happened.sort(key=lambda each: each.at)  # delayed events take their own time

    def _keep(self, lines: Sequence[EventLine]) -> None:
        lines = [reported for reported in lines if reported.at >= self._from]
        self.happened += [
            TimelineEvent(reported.at, reported.bot, reported.text, reported.tone.value) for reported in lines
        ]

    def _notify(self, at: datetime) -> None:
        if at >= self._next:
            self._next = at + REPORT_INTERVAL
            self._reported(at)


def replay_for_page(files: Sequence[Path], reported: Callable[[datetime], None] = lambda _: None) -> Timeline:
    """Return the timeline of a day from its recordings, in the order in which their runs began.

    A later run replaces what an earlier one recorded after its begin. An unreadable recording is excluded unless it is
    the only one. Raises: RulebotError.
    """
    moments: dict[datetime, bytes] = {}
    happened: list[TimelineEvent] = []
    problem = ""
    gaps: list[Gap] = []
    ended: datetime | None = None
    unread: list[RulebotError] = []
    for file in files:
        try:
            first, last, keeper, is_otherwise = _simulated(file, reported)
        except RulebotError as error:
            unread.append(error)
            continue
        if ended is not None and ended < first:
            gaps.append(Gap(ended, first, problem))
        ended, problem = last, ""
        moments = {at: packed for at, packed in moments.items() if at < first} | keeper.moments
        happened = [*(each for each in happened if each.at < first), *keeper.happened]
        if is_otherwise:
            ended, problem = max(keeper.moments, default=first), OTHERWISE
    if len(unread) == len(files):
        raise unread[0]
    instants = tuple(sorted(moments))
    packed = tuple(moments[at] for at in instants)
    return Timeline(instants, packed, tuple(happened), problem, tuple(gaps), tuple(each.whole for each in unread))


def _simulated(file: Path, reported: Callable[[datetime], None]) -> tuple[datetime, datetime, _Keeper, bool]:
    """Return when a recording begins and ends, its states, and whether this version decides otherwise."""
    first, last = (instant(each) for each in span(file)[:2])
    recording = open_recording(file)
    keeper = _Keeper(first, deque(_minutes(recording.day, first, last)), reported)
    found = replay(recording, marks=keeper.marks, glimpse=keeper.glimpse, watcher=keeper.see)
    keeper.end(found)
    for at in keeper.marks if found.difference is None else ():
        keeper.glimpse(found, at)  # nothing came after it
    return first, last, keeper, found.difference is not None


def _minutes(day: date, first: datetime, last: datetime) -> list[datetime]:
    """Return each full minute of what is recorded of a session, and a little around it; on no session all there are."""
    if (session := session_on(day)) is not None:
        first, last = max(first, session.open - AROUND), min(last, session.close + AROUND)
    start = first.replace(second=0, microsecond=0)
    count = int((last - start) / MINUTE)
    return [at for at in (start + MINUTE * number for number in range(count + 1)) if at >= first]


# ---------------------------------------------------------------- in a separate process


def work(files: Sequence[Path], answers: Connection) -> None:
    """Live through a day, and send how far it has come, then the timeline, or a message for who asked."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    leave_at_end()
    with suppress(OSError, AttributeError):
        os.nice(NICE)
    with suppress(BrokenPipeError):
        try:
            answers.send(replay_for_page(files, answers.send))
        except RulebotError as error:
            answers.send(". ".join(filter(None, (error.message, error.help))))
        except Exception as error:
            answers.send(internal_error_text(error))
            raise


class _Building(threading.Thread):
    """One day being replayed: `reached` is the progress, `found` the timeline or why there is none."""

    def __init__(self, files: Sequence[Path], turn: threading.Semaphore, key: Key, began: float) -> None:
        super().__init__(name="timeline", daemon=True)
        self.key, self.began = key, began
        self.reached: datetime | None = None
        self.found: Timeline | str | None = None
        self.is_done = threading.Event()
        self._files, self._turn = files, turn

    def run(self) -> None:
        """Replay it, once it is its turn."""
        with self._turn:
            try:
                self.found = self._answer()
            finally:
                self.found = self.found or "it could not be lived through: the log has the details"
                self.is_done.set()

    def _answer(self) -> Timeline | str | None:
        context = get_context("spawn")
        answers, theirs = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(self._files, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            while not isinstance(found := answers.recv(), Timeline | str):
                self.reached = found
            return found
        except EOFError:
            return None
        finally:
            answers.close()
            process.join()


@dataclass(frozen=True, slots=True)
class TimelineInProgress:
    """A day that is being replayed: its progress, None while it is queued."""

    reached: datetime | None


def _has_frames(file: Path) -> bool:
    try:
        return bool(span(file)[3])
    except StoreError:
        return True


class Days:
    """The recorded days beside a store, and the timelines of those that were viewed."""

    def __init__(self, folder: Path, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._elapsed = folder, elapsed
        self._lock = threading.Lock()
        self._turn = threading.Semaphore(1)
        self._known: OrderedDict[date, _Building] = OrderedDict()

    def listed(self) -> dict[date, list[RecordingFile]]:
        """Return what is recorded of each day, the newest day first, each run in the order of its beginning."""
        found: dict[date, list[RecordingFile]] = {}
        for tape in reversed(listed(self._folder)):
            found.setdefault(tape.day, []).insert(0, tape)
        return found

    def timeline(self, day: date, patience: float) -> Timeline | TimelineInProgress:
        """Return a day, or how far it has come within `patience` seconds.

        Raises: StoreError when nothing is recorded of it, when it cannot be read, and when too many are asked for.
        """
        files = sorted(file for file in self._folder.glob(f"*/{day}{SUFFIX}") if _has_frames(file))
        if not files:
            raise NothingRecordedError(f"nothing is recorded of {day}", "/days lists what is")
        building = self._built(day, files)
        building.is_done.wait(patience)
        found = building.found if building.is_done.is_set() else TimelineInProgress(building.reached)
        if isinstance(found, Timeline | TimelineInProgress):
            return found
        with self._lock:
            self._known.pop(day, None)  # asked again it is tried again
        raise StoreError(f"{day}: {found}")

    def _built(self, day: date, files: Sequence[Path]) -> _Building:
        key = tuple((file, size) for file in files for size in sizes_of(file))
        now = self._elapsed()
        with self._lock:
            known = self._known.get(day)
            if known is not None and (known.key == key or not known.is_done.is_set() or now - known.began < OLD_ENOUGH):
                self._known.move_to_end(day)
                return known
            if sum(not each.is_done.is_set() for each in self._known.values()) >= MOST_WAITING:
                raise StoreError("other days are being lived through already", "try again when they are there")
            found = self._known[day] = _Building(files, self._turn, key, now)
            self._known.move_to_end(day)
            self._drop()
        found.start()
        return found

    def _drop(self) -> None:
        """Forget the days that were not looked at for longest, until the others are few and small enough."""
        done = [day for day, each in self._known.items() if each.is_done.is_set()]
        for day in done:
            sizes = sum(each.found.size for each in self._known.values() if isinstance(each.found, Timeline))
            if len(self._known) <= KEPT_DAYS and sizes <= MOST_BYTES:
                return
            del self._known[day]


# --- The recorded days of a store, and the page of one

PATIENCE = 3.0
"""Seconds in which a day that is not at hand may come, before the page says how far it is."""
MOST_DAYS = 300
MOST_HAPPENED = 200
MINUTES = 24 * 60
NO_STORE = {"Cache-Control": "no-store"}
Minute = Annotated[int | None, Query(ge=0, lt=MINUTES)]


def router(store: Place, days: Days | None = None) -> APIRouter:
    """Return the routes."""
    days = days or Days(tapes_of(store))
    found = APIRouter(include_in_schema=False)

    @found.get("/days", response_class=HTMLResponse)
    def all_days() -> HTMLResponse:
        listed = days.listed()
        rows = [_day_row(day, tapes) for day, tapes in list(listed.items())[:MOST_DAYS]]
        return HTMLResponse(TEMPLATES.get_template("days.html").render(rows=rows, count=len(listed)))

    @found.get("/days/{name}", response_class=HTMLResponse)
    def one_day(name: str, at: str = "", minute: Minute = None) -> HTMLResponse:
        day = day_of(name)
        clock = _clock_of(at) if minute is None else time_of_day(*divmod(minute, 60))
        assert day is not None
        try:
            seen = days.timeline(day, PATIENCE)
        except NothingRecordedError as error:
            raise HTTPException(404, f"{error.message}: {error.help}") from error
        if isinstance(seen, TimelineInProgress):
            reached = "" if seen.reached is None else _clock(seen.reached)
            shown = {"day": day, "reached": reached, "part": _part_of(day, seen.reached)}
            return HTMLResponse(TEMPLATES.get_template("day_underway.html").render(**shown), headers=NO_STORE)
        if not seen.instants:
            raise HTTPException(404, f"what is recorded of {day} ends before the first state")
        with StoreReader(store) as reader:
            known = frozenset(reader.bots())
            drift = last_compared(reader, day)
        beside = "" if drift is None else compared_words(drift)
        shown = _shown(seen, day, clock) | {"known": known, "beside": beside} | _neighbours(list(days.listed()), day)
        return HTMLResponse(TEMPLATES.get_template("day.html").render(**shown), headers=NO_STORE)

    return found


def _day_row(day: date, tapes: Sequence[RecordingFile]) -> dict[str, Any]:
    good = [tape for tape in tapes if tape.first is not None and tape.last is not None]
    return {
        "day": day,
        "spans": [f"{_clock(tape.first)} to {_clock(tape.last)}" for tape in good if tape.first and tape.last],
        "entries": sum(tape.entries for tape in good),
        "megabytes": sum(tape.size for tape in tapes) / (1 << 20),
        "bots": list(dict.fromkeys(bot for tape in good for bot in tape.bots)),
        "goes_on": any(tape.goes_on for tape in good),
        "problems": [tape.problem for tape in tapes if tape.problem],
        "is_open": bool(good),
    }


def _clock_of(text: str) -> time_of_day | None:
    """Return a time of day as it is written, None for none. Raises: HTTPException 400."""
    if not text:
        return None
    if found := re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", text):
        return time_of_day(int(found[1]), int(found[2]), int(found[3] or 0))
    raise HTTPException(400, f"a time is written 11:20 or 11:20:30, is '{text[:20]}'")


def _shown(seen: Timeline, day: date, clock: time_of_day | None) -> dict[str, Any]:
    """Return the template's data of an instant; by default of a bot's first event, else of the first one."""
    if clock is None:
        wanted = next((each.at for each in seen.happened if each.bot), seen.instants[0])
    else:
        wanted = at_exchange_time(day, clock)
    moment = seen.at(wanted)
    at = max(wanted, moment.at) if wanted <= seen.instants[-1] else moment.at
    reported = [each for each in seen.happened if each.at <= at]
    return {
        "day": day,
        "moment": moment,
        "picture": moment.seen,
        "clock": _clock(moment.at, seconds=True),
        "minute": _minute(at),
        "first": _minute(seen.instants[0]),
        "last": _minute(seen.instants[-1]),
        "bounds": (_clock(seen.instants[0]), _clock(seen.instants[-1])),
        "before": _link(day, seen.before(moment.at)),
        "after": _link(day, seen.after(at)),
        "events": [(_clock(each.at, seconds=True), each) for each in reversed(reported[-MOST_HAPPENED:])],
        "left_out": max(len(reported) - MOST_HAPPENED, 0),
        "problem": seen.problem if seen.problem and moment.at == seen.instants[-1] else _not_recorded(seen, wanted, at),
        "unread": seen.unread,
        "conditions": {bot: [each for each in moment.conditions if each.bot == bot] for bot in moment.ran},
    }


def _not_recorded(seen: Timeline, wanted: datetime, at: datetime) -> str:
    """Return that an instant is outside of the recording, or in a gap; "" where it is not."""
    first, last = seen.instants[0], seen.instants[-1]
    if wanted > last:
        return f"nothing is recorded after {_clock(last, seconds=True)}: this was the state then"
    if _minute(wanted) < _minute(first):
        return f"nothing is recorded before {_clock(first, seconds=True)}: this was the state then"
    return _gap_words(seen, at)


def _gap_words(seen: Timeline, at: datetime) -> str:
    """Return from when to when nothing is recorded, as when the engine was down, or known; "" where something is."""
    gap = seen.gap(at)
    if gap is None:
        return ""
    since, until = (_clock(each, seconds=True) for each in (gap.since, gap.until))
    what = "shown" if gap.problem else "recorded"
    words = f"nothing is {what} from {since} to {until}: this was the state before"
    return f"{words}; {gap.problem}" if gap.problem else words


def _link(day: date, what: TimelineEvent | None) -> dict[str, str] | None:
    if what is None:
        return None
    clock = _clock(what.at, seconds=True)
    return {"path": f"/days/{day}?at={clock}", "clock": clock, "text": f"{what.bot} {what.text}".strip()}


def _neighbours(known: Sequence[date], day: date) -> dict[str, date | None]:
    earlier, later = [each for each in known if each < day], [each for each in known if each > day]
    return {"earlier": max(earlier, default=None), "later": min(later, default=None)}


def _part_of(day: date, reached: datetime | None) -> float | None:
    if reached is None or reached.astimezone(EXCHANGE_ZONE).date() != day:
        return None
    opened, closed = at_exchange_time(day, time_of_day(9, 30)), at_exchange_time(day, time_of_day(16, 0))
    return min(max((reached - opened) / (closed - opened), 0.0), 1.0)


def _clock(at: datetime, *, seconds: bool = False) -> str:
    return f"{at.astimezone(EXCHANGE_ZONE):{'%H:%M:%S' if seconds else '%H:%M'}}"


def _minute(at: datetime) -> int:
    local = at.astimezone(EXCHANGE_ZONE)
    return local.hour * 60 + local.minute

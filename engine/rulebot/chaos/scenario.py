"""Acts of people on an engine, and store failures: requests of an operator, and a failing disk.

The store fails for real: another connection holds it, its file may not grow, or may not be written. The errors are
SQLite's own.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any

from rulebot.chaos.spec_files import Reload
from rulebot.live.loop import Loop
from rulebot.model.errors import StoreError
from rulebot.model.event import OperatorRequest, Request
from rulebot.model.session import EXCHANGE_ZONE, Session, exchange_date, sessions
from rulebot.model.values import dataclass
from rulebot.store.place import Place
from rulebot.store.sqlite import BUSY_MS
from twsim import PLACES, FaultPlan, read_faults

REQUESTS = {
    "kill": Request.KILL,
    "flatten": Request.FLATTEN,
    "pause": Request.PAUSE,
    "resume": Request.RESUME,
    "stop": Request.STOP,
    "close_one": Request.CLOSE,
    "enter_by_hand": Request.ENTER,
}
OF_STORE = ("store_busy", "disk_full", "store_read_only", "commit_unknown")
ACTS = (*REQUESTS, "request_twice", *OF_STORE)
MOST_ENDS = 5
"""Ends of an engine after which a person mends a store that fails: one that it refuses to start writes once a start."""
CLOCK = "computer_clock"
"""The computer's clock is set; it is no act of `ACTS`, since it is drawn apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAction:
    """One act. request: of `request_twice`, which comes a second time under the same id. times: writes that fail.

    seconds: by which the computer's clock is ahead of the broker's from then on.
    """

    kind: str
    at: datetime
    request: str = "kill"
    times: int = 1
    seconds: int = 0

    def __str__(self) -> str:
        """Return the act in words."""
        what = f" {self.request}" if self.kind == "request_twice" else ""
        more = f", {self.times} writes" if self.times > 1 else f", {self.seconds:+d} s" if self.seconds else ""
        return f"{self.kind}{what}: at {self.at.astimezone(EXCHANGE_ZONE):%H:%M:%S}{more}"


class OperatorActions:
    """Does what is due to the engines of one trial. `done` has the kinds of what had an effect.

    done_open: those of `done` that came while an engine had a position open. refused: writes that the store refused; a
    start waits for its store, and a clock for the start.
    """

    def __init__(self, acts: Sequence[OperatorAction]) -> None:
        asked = (each for each in acts if each.kind not in (*OF_STORE, CLOCK))
        self._requests = sorted(asked, key=lambda each: each.at)
        self._clocks = sorted((each for each in acts if each.kind == CLOCK), key=lambda each: each.at)
        self._ahead = 0
        self._loop: Loop | None = None
        self._failures = sorted((each for each in acts if each.kind in OF_STORE), key=lambda each: each.at)
        self._left = self._ends = 0
        self._excused = False
        self.refused = 0
        self._again: list[OperatorRequest] = []
        self._count = 0
        self.done: list[str] = []
        self.done_open: list[str] = []
        self.was_stopped = False

    def calm(self) -> None:
        """Stop all acts."""
        self._requests.clear()
        self._failures.clear()
        self._clocks.clear()

    def _note(self, kind: str) -> None:
        self.done.append(kind)
        state = None if self._loop is None else self._loop.state
        if state is not None and any(not state.positions.by_id[name].is_flat for name in state.positions.active):
            self.done_open.append(kind)

    def ahead(self, at: datetime) -> int:
        """Return by how many seconds the computer's clock is ahead of the broker's at an instant."""
        while self._clocks and self._clocks[0].at <= at:
            self._ahead = self._clocks.pop(0).seconds
            self._note(CLOCK)
        return self._ahead

    # ------------------------------------------------------------ an operator

    def attend(self, loop: Loop) -> None:
        """Let an engine that starts find the requests of the trial among its own."""
        self._loop = loop
        own = loop.inbox
        loop.inbox = lambda at: [*own(at), *self._due(at, loop)]

    def _due(self, at: datetime, loop: Loop) -> list[OperatorRequest]:
        if not (self._requests or self._again):
            return []
        found, self._again = [replace(each, at=at) for each in self._again], []
        while self._requests and self._requests[0].at <= at:
            act = self._requests.pop(0)
            self._count += 1
            request = REQUESTS[act.request if act.kind == "request_twice" else act.kind]
            made = OperatorRequest(at, f"chaos-{self._count}", request, *_whose(request, loop))
            found.append(made)
            if act.kind == "request_twice":
                self._again.append(made)
            self._note(act.kind)
            self.was_stopped |= request is Request.STOP
        return found

    def stopped(self) -> bool:
        """Say, once, whether an engine has ended because it was asked to."""
        was, self.was_stopped = self.was_stopped, False
        return was

    # ------------------------------------------------------------ the store

    def excuses(self, error: BaseException) -> bool:
        """Say whether an engine ended because its store was made to fail."""
        excused, self._excused = self._excused and isinstance(error, StoreError), False
        self._ends += excused
        if self._ends >= MOST_ENDS and self._failures:
            self._failures.pop(0)
            self._left = self._ends = 0
        return excused

    def write(self, path: Place, connection: Any, at: datetime, write: Callable[[], None]) -> None:
        """Do a durable write, or let it fail. Raises: StoreError; ValueError when the store is not a file."""
        act = self._failures[0] if self._failures and self._failures[0].at <= at else None
        if act is None:
            write()
            return
        if not isinstance(path, Path):
            raise ValueError(f"{act}: only a store in a file can be made to fail")
        try:
            with _failing(act.kind, path, connection):
                write()
            if act.kind == "commit_unknown":
                raise StoreError(f"whether {path} took what was written is not known")
        except StoreError:
            self._failed(act)
            raise

    def _failed(self, act: OperatorAction) -> None:
        self._excused = True
        self.refused += 1
        self._left = self._left or act.times
        if self._left == act.times:
            self._note(act.kind)
        self._left -= 1
        if not self._left:
            self._failures.pop(0)


def _whose(request: Request, loop: Loop) -> tuple[str, str]:
    """Return the bot and the position that a request is about: the oldest that is open, the first that runs."""
    if request is Request.CLOSE:
        return "", next(iter(loop.state.positions.active), "")
    return (next(iter(loop.program.bots), ""), "") if request is Request.ENTER else ("", "")


@contextmanager
def _failing(kind: str, path: Path, connection: Any) -> Iterator[None]:
    """Let SQLite refuse to write to a store."""
    if kind == "store_busy":
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            connection.execute("PRAGMA busy_timeout=0").close()
            try:
                yield
            finally:
                other.execute("ROLLBACK")
                connection.execute(f"PRAGMA busy_timeout={BUSY_MS}").close()
    elif kind == "disk_full":
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}").close()
        try:
            yield
        finally:
            connection.execute("PRAGMA max_page_count=1073741823").close()
    elif kind == "store_read_only":
        connection.execute("PRAGMA query_only=on").close()
        try:
            yield
        finally:
            connection.execute("PRAGMA query_only=off").close()
    else:
        yield


# --- What happens in one trial

Entry = Mapping[str, str | int | float | bool]
"""One fault as its file has it."""


class ScenarioMoment(Enum):
    """Where in the engine's work a crash falls.

    BEFORE_WRITE, AFTER_WRITE: of a durable write to the store. AFTER_COMMAND: an order, change or cancel was given to
    the connection. BEFORE_SEND, AFTER_SEND: of anything that is written to the connection. AT_START: after a durable
    write of a start that follows another end. AT_TIME: an instant is done. AT_STEP, START_STEP: before a step of the
    event loop, of any life or of a start that follows another end; at every await there is one.
    """

    BEFORE_WRITE = "before write"
    AFTER_WRITE = "after write"
    AFTER_COMMAND = "after command"
    BEFORE_SEND = "before send"
    AFTER_SEND = "after send"
    AT_START = "in start, after write"
    AT_TIME = "at"
    AT_STEP = "at step"
    START_STEP = "in start, at step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """One crash of the engine.

    number: of the writes, commands or sends of all lives so far; or of the writes of the start, or the steps of the
    life. at: for AT_TIME. arrives: data given to the connection still reaches the gateway. power: a power cut, so that
    only durable writes remain. away: virtual seconds until the next engine is started.
    """

    moment: ScenarioMoment
    number: int = 1
    at: datetime | None = None
    arrives: bool = True
    power: bool = False
    away: int = 0

    @property
    def kind(self) -> str:
        """Its name among the kinds of faults."""
        return "power_cut" if self.power else "crash"

    @property
    def label(self) -> str:
        """The name under which it is counted: its place makes it a separate kind."""
        return f"{self.kind} {self.moment.value}"

    def __str__(self) -> str:
        """Return the crash in words."""
        when = f"{self.at.astimezone(EXCHANGE_ZONE):%H:%M:%S}" if self.at is not None else str(self.number)
        parts = [f"{self.kind}: {self.moment.value} {when}"]
        parts += [] if self.arrives else ["what was sent is lost"]
        parts += [f"away {self.away} s"] if self.away else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosScenario:
    """One trial. Engine and faults begin at `begins`, faults end at `calm_at`, perhaps in the next session.

    The trial ends soon after that. lockstep: time waits for the engine; else time runs, and messages take `delay`
    seconds. sends_time: the gateway offers no lockstep, so that the engine uses the broker's reported time. quantity:
    factor of each spec's quantity. shares: the account's holdings at the start, by symbol. names_account: the account
    document is named, where it changes; else it is beside the specs.
    """

    seed: int
    day: date
    market: str | None
    begins: datetime
    calm_at: datetime
    ends_with_day: bool = False
    faults: tuple[Entry, ...] = ()
    crashes: tuple[Crash, ...] = ()
    acts: tuple[OperatorAction, ...] = ()
    reloads: tuple[Reload, ...] = ()
    names_account: bool = True
    lockstep: bool = True
    sends_time: bool = False
    delay: float = 0.0
    shares: tuple[tuple[str, int], ...] = ()
    quantity: int = 1

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that it lasts."""
        return tuple(sessions(self.day, exchange_date(self.calm_at)))

    @property
    def plan(self) -> FaultPlan:
        """The faults as the gateway follows them."""
        return read_faults(json.dumps({"faults": list(self.faults)}), "faults.json")

    @property
    def pieces(self) -> int:
        """How many faults, crashes, acts and reloads there are."""
        return len(self.faults) + len(self.crashes) + len(self.acts) + len(self.reloads)

    def keeping(self, places: Sequence[int]) -> "ChaosScenario":
        """Return the same trial with some of its faults, crashes, acts, reloads; places count in this order, from 0."""
        wanted, first = set(places), len(self.faults)
        second = first + len(self.crashes)
        faults = tuple(each for place, each in enumerate(self.faults) if place in wanted)
        crashes = tuple(each for place, each in enumerate(self.crashes, first) if place in wanted)
        acts = tuple(each for place, each in enumerate(self.acts, second) if place in wanted)
        reloads = tuple(each for place, each in enumerate(self.reloads, second + len(self.acts)) if place in wanted)
        return replace(self, faults=faults, crashes=crashes, acts=acts, reloads=reloads)


def yaml_of(storm: ChaosScenario) -> str:
    """Return the file that `rulebot gateway --faults` takes; what is not the gateway's, as comments."""
    lines = [] if storm.lockstep else [f"# time runs by itself, and all that is said takes {storm.delay:g} s"]
    if len(storm.sessions) > 1:
        lines.append(f"# over a night: --date {storm.day} --days {len(storm.sessions)}")
    if storm.quantity > 1:
        lines.append(f"# quantity: {storm.quantity} times that of each spec")
    lines += [f"# {each}" for each in (*storm.crashes, *storm.acts, *storm.reloads)]
    lines.append("faults:" if storm.faults else "faults: []")
    for entry in storm.faults:
        pairs = [f"{key}: {json.dumps(value)}" for key, value in entry.items()]
        lines += [f"  - {pairs[0]}", *(f"    {pair}" for pair in pairs[1:])]
    return "\n".join(lines) + "\n"


# --- Draw acts while positions are open

PEOPLE = (
    *("person_halves", "person_halves", "person_closes_leg", "person_closes_part", "person_adds"),
    *("person_cancels", "person_cancels_all", "liquidation"),
)
"""Halving twice: it does nothing where one contract is held."""
ZONE, BROKER_CLOCK, STALL = "time_zone", "broker_clock", "silence"
CLOCKS = (CLOCK, BROKER_CLOCK)
STORE = ("store_busy", "disk_full", "disk_full")
NOT_ELSEWHERE = frozenset({ZONE, BROKER_CLOCK, CLOCK})
"""Kinds that are drawn here alone."""
WHILE_OPEN = (*PEOPLE, ZONE, BROKER_CLOCK, CLOCK, STALL, *STORE)
SHARE = 0.75
"""The share of trials in which something of this happens."""
QUANTITIES = (1, 1, 2, 2, 3, 4)
"""By what the quantity of each spec is multiplied."""
AHEAD = (-86_000, -3600, -60, 45, 3600, 6 * 3600, 86_000)
"""Seconds by which the computer's clock is ahead of the broker's."""
REPORTED_LATER = (-20, -2, 2, 20)
"""Seconds by which the broker's clock is ahead of its market."""
STALLS = (8, 20, 50)
TIMES = (1, 2, 90)
DELAYS = (0.0, 0.002, 0.05, 0.4)
OWN_ACTS = (*STORE, CLOCK)
"""Acts on the engine itself; all others are of the gateway."""
SOON = (0, 0, 5, 60)
"""Seconds from a fill to the act of a person."""


def with_acts_beside(storm: ChaosScenario, kinds: Sequence[str]) -> ChaosScenario:
    """Return a trial with acts of these kinds while its positions are open."""
    chance = Random(f"while open {storm.seed}")
    storm = replace(storm, quantity=chance.choice(QUANTITIES))
    able = [kind for kind in WHILE_OPEN if kind in kinds]
    if not able or chance.random() >= SHARE:
        return storm
    chosen = [chance.choice(able) for _ in range(chance.choice((1, 1, 2, 3)))]
    acts = [_act(chance, kind, storm) for kind in chosen if kind in OWN_ACTS]
    faults = [_fault(chance, kind, storm) for kind in chosen if kind not in OWN_ACTS]
    faults += _by_people(chance, able, acts, storm)
    of_clocks = {*CLOCKS}.intersection(chosen)
    if storm.lockstep and (of_clocks or STALL in chosen):
        storm = replace(storm, lockstep=False, delay=chance.choice(DELAYS))
    return replace(storm, sends_time=bool(of_clocks), acts=(*storm.acts, *acts), faults=(*storm.faults, *faults))


def _by_people(
    chance: Random, able: Sequence[str], acts: Iterable[OperatorAction], storm: ChaosScenario
) -> list[Entry]:
    """Return an act of a person after each failure of the store."""
    people = [kind for kind in able if kind in PEOPLE]
    return [_soon_after(chance, people, act, storm) for act in acts if people and act.kind in STORE]


def _seconds_in(chance: Random, storm: ChaosScenario) -> timedelta:
    """Return how long after its beginning something of a trial happens: within its first session, not at once."""
    last = min(storm.calm_at, storm.sessions[0].close)
    whole = int((last - storm.begins).total_seconds())
    return timedelta(seconds=chance.randint(whole // 3, max(whole - 1, 1)))


def _act(chance: Random, kind: str, storm: ChaosScenario) -> OperatorAction:
    at = storm.begins + _seconds_in(chance, storm)
    if kind == CLOCK:
        return OperatorAction(kind=kind, at=at, seconds=chance.choice(AHEAD))
    return OperatorAction(kind=kind, at=at, times=chance.choice(TIMES))


def _soon_after(chance: Random, people: Sequence[str], act: OperatorAction, storm: ChaosScenario) -> Entry:
    """Return an act of a person while a store fails: something is to be recorded then."""
    at = min(act.at + timedelta(seconds=chance.choice((1, 5, 20))), storm.calm_at, storm.sessions[0].close)
    return {"kind": chance.choice(people), "at": f"{at.astimezone(EXCHANGE_ZONE):%H:%M:%S}", "seconds": 0}


def _fault(chance: Random, kind: str, storm: ChaosScenario) -> Entry:
    if kind in PEOPLE:
        return {"kind": kind, "on": "fill", **_number(chance), "seconds": chance.choice(SOON)}
    at = storm.begins + _seconds_in(chance, storm)
    timed: Entry = {"kind": kind, "at": f"{at.astimezone(EXCHANGE_ZONE):%H:%M:%S}"}
    assert exchange_date(at) == storm.day
    if kind == ZONE:
        of = chance.choice(("all", "all", "executions", "last_days", "hours"))
        return {**timed, "name": chance.choice(sorted(PLACES)), "of": of}
    if kind == BROKER_CLOCK:
        answers = chance.random() < 0.7 and not storm.reloads  # their times are the gateway's
        return {**timed, "seconds": chance.choice(REPORTED_LATER)} if answers else {**timed, "answers": False}
    triggers: tuple[Entry, ...] = ({"at": timed["at"]}, {"on": "fill"}, {"on": "connect", "number": 2})
    when = chance.choice(triggers)
    return {"kind": kind, **when, "real_seconds": chance.choice(STALLS)}


def _number(chance: Random) -> Entry:
    number = chance.choice((1, 1, 1, 2))
    return {} if number == 1 else {"number": number}

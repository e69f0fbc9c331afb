"""One run from the command to its end: store, world, state, loop, what stays behind; and how its engine fares."""

import asyncio
import logging
import secrets
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from rulebot.adapters.clock import WallClock
from rulebot.adapters.recorded.recorder import Recorder
from rulebot.calendars.calendars import load_calendar
from rulebot.core.state.state import State
from rulebot.documents.load_bots import (
    LoadedBots,
    compile_text,
    limits_as_json,
    sources_as_json,
    sources_of,
    specs_as_json,
)
from rulebot.live.daily_jobs import AFTER_CLOSE, AfterClose
from rulebot.live.environments import World
from rulebot.live.loop import INBOX_EVERY, RESTS, STOPPED, Loop
from rulebot.live.reload import LiveRun, Reloader
from rulebot.model.collector import with_rare_collection
from rulebot.model.contract import Contract
from rulebot.model.errors import (
    BrokerError,
    FullStoreError,
    LockedStoreError,
    RulebotError,
    StoreError,
    UnwrittenError,
)
from rulebot.model.event import Request
from rulebot.model.session import Session, session_after, session_from
from rulebot.model.text import counted
from rulebot.narrate.notices import alarmed_when_unwatched, count_open
from rulebot.narrate.periods import PriceNotes
from rulebot.operator_requests.requests import RequestInbox, clear_box
from rulebot.ports import Batch, Link, NoTape
from rulebot.process.connection_state import (
    REASON,
    REPORTING,
    WITHIN,
    WORDS,
    Guard,
    first_batch,
    first_of_run,
    is_crash_loop,
)
from rulebot.process.processes import release
from rulebot.process.service import Heartbeat, watched
from rulebot.process.settings import LogLimits
from rulebot.record.record import NO_LIMITS_GIVEN, Json, Kind, Record
from rulebot.recovery.resume import ResumedRun, resume_from
from rulebot.replay.recordings import head_as_json, standing_as_json, tape_folder
from rulebot.shadow.broker import read_memory
from rulebot.spec.files import NoSuchFiles, find_files
from rulebot.store.journal import SqlJournal
from rulebot.store.maintenance import opened_journal
from rulebot.store.patient_journal import PATIENCE, Patience, PatientJournal, copied_journal
from rulebot.store.place import Place, Server
from rulebot.store.queries import Run as StoredRun
from rulebot.store.queries import StoreReader
from rulebot.store.registry import hold_account, is_there

log = logging.getLogger("rulebot.run")

UNLIMITED = (
    "the limits over all bots are off: the last run on this store had an account document, and this one has none. "
    "If that is not meant, put it back and start again"
)
LOCK_PATIENCE = 600.0
"""Seconds that a start waits for a store which another program has locked."""
LAYOUT_PATIENCE = 2.0
"""Seconds that a run which is stopped waits for its recording to be laid out smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The request for a run. `sessions` None runs until stopped; `until_flat` ends it when nothing closable is open.

    accounts: folder of the account locks, None for made-up accounts. tapes: folder in which each run makes a folder for
    its recordings, None for none. taped_first: the recorder of another engine on the same board, whose turns come
    first. inbox_every: interval of looking for people's requests while nothing moves; rests: the same in the gateway's
    time, where its clock waits for us. waits_for_gateway: wait, as a service does, however long no gateway accepts us.
    takes_hooks: web hooks can arrive, since their secret is set. log: limits of the program's own log. compares: the
    command that compares a recording with its specs, or none. patience: how long the run continues while the store
    accepts no records.
    """

    store: Place
    logs: Path | None
    sessions: int | None
    line_limit: int = 90
    install: str = ""
    until_flat: bool = False
    accounts: Path | None = None
    tapes: Path | None = None
    taped_first: Recorder | None = None
    inbox_every: timedelta = INBOX_EVERY
    rests: timedelta = RESTS
    waits_for_gateway: bool = False
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    takes_hooks: bool = False
    settings: Mapping[str, Json] = field(default_factory=dict)
    log: LogLimits = field(default_factory=LogLimits)
    compares: Sequence[str] = ()
    patience: Patience = PATIENCE


@dataclass(slots=True, repr=False)
class Run:
    """A run that can be watched: the loop, its desk, its store, and its planned end (None: open).

    It has no representation by its fields: `asyncio.run` prints what its coroutine has returned.
    """

    desk: LoadedBots
    options: RunOptions
    world: World
    loop: Loop
    inbox: RequestInbox
    first: datetime
    last: datetime | None
    resumed: ResumedRun
    reloader: Reloader
    is_over: bool = False
    says: Callable[[str], None] = lambda words: None


Watcher = Callable[[Run, datetime], None]


def open_journal(options: RunOptions) -> SqlJournal:
    """Return the journal of a run; of a store that takes no records, a copy while something is open.

    Raises: StoreError.
    """
    try:
        return opened_journal(options.store, WallClock().now(), options.logs)
    except (LockedStoreError, FullStoreError) as error:
        copied = copied_journal(options.store, error, options.logs)
        if copied is None:
            raise
        return copied


async def execute(
    desk: LoadedBots,
    options: RunOptions,
    world: AbstractAsyncContextManager[World],
    started: Callable[[Run], None],
    watcher: Watcher,
    opens: Callable[[RunOptions], SqlJournal] = open_journal,
) -> Run:
    """Run the bots of `desk` in `world` until their end; `started` is called once we are connected.

    opens: returns the journal to write. Raises: StoreError, BrokerError; the journal is closed in any case, with the
    reason why the run ended.
    """
    journal = await _opened(options, opens)
    heartbeat = options.heartbeat
    heartbeat.waits("")
    waiting = heartbeat.waits if options.waits_for_gateway else None
    with _closed_after(journal):
        clear_box(options.store)
        async with heartbeat.attended(), AsyncExitStack() as stack:
            async with _alarmed_when_unwatched(options, journal):
                opened = await stack.enter_async_context(world)
                if opened.observer is not None:
                    opened.observer.link.recalls = partial(read_memory, journal)
                first = await _first(options, opened.link, waiting)
            with hold_account(opened.ib.link.account, options.store, options.accounts):
                run = _assemble(desk, options, opened, journal, first.at, watcher)
                heartbeat.runs()
                started(run)
                log.info("rulebot %s runs %s on %s", release(), ", ".join(desk.bots) or "no bots", options.store)
                is_real = options.accounts is not None
                async with watched(lambda words: note_alarm(run, words), is_on=is_real, silence=heartbeat.silence):
                    await _drive(run, first, journal)
            heartbeat.ended(run.loop.reason)
            return run


async def _opened(options: RunOptions, opens: Callable[[RunOptions], SqlJournal]) -> PatientJournal:
    """Open the journal; wait for a store that another program has locked. Raises: StoreError after ten minutes."""
    until = time.monotonic() + LOCK_PATIENCE
    is_reported, is_real = False, options.accounts is not None
    while True:
        try:
            inner = opens(options)
            return PatientJournal(inner, options.store, holds_reserve=is_real, patience=options.patience)
        except (LockedStoreError, UnwrittenError) as error:
            if time.monotonic() >= until:
                raise
            if not is_reported:
                log.warning("%s; tried again every few seconds, and exits act once it is free", error.whole)
            is_reported = True
        await asyncio.sleep(1.0)


async def _first(options: RunOptions, link: Link, waiting: Callable[[str], None] | None) -> Batch:
    """Connect for the first time. Raises: BrokerError."""
    name = options.install or str(options.store)
    if waiting is not None or link.is_lockstep:
        return await first_batch(link, name, waiting)
    return await first_of_run(link, name, is_held=count_open(options.store) > 0, waiting=options.heartbeat.waits)


@contextmanager
def _closed_after(journal: PatientJournal) -> Iterator[None]:
    """Close the journal in any case; one that takes no more has said so, and what was done about it is not hidden."""
    unsaid: AbstractContextManager[object] = nullcontext()
    try:
        yield
    except UnwrittenError:
        unsaid = suppress(StoreError)
        raise
    finally:
        with unsaid:
            journal.close()


def _alarmed_when_unwatched(options: RunOptions, journal: PatientJournal) -> AbstractAsyncContextManager[None]:
    """Return the notice for a start that waits long with positions open; in a simulated market none."""
    if options.accounts is None:
        return nullcontext()
    return alarmed_when_unwatched(options.store, lambda record: journal.append([record], durable=True))


def note_alarm(run: Run, words: str) -> None:
    """Record an alarm of the whole run between two batches."""
    with suppress(StoreError):  # the loop meets it too, and ends
        run.loop.note(Record(run.loop.at or run.first, Kind.ALARM, data={"text": words}))


async def _drive(run: Run, first: Batch, journal: PatientJournal) -> None:
    is_clean = is_unwritten = False
    is_lockstep = run.world.ib.link.is_lockstep
    days = AfterClose(run.loop, run.first, run.options.compares, run.says, is_lockstep=is_lockstep)
    days.begin()
    try:
        with with_rare_collection():
            await run.loop.run(first, lambda at: _is_over(run, at))
        is_clean = True
    except RulebotError as error:
        run.loop.reason, is_unwritten = error.message, isinstance(error, UnwrittenError)
        raise
    finally:
        run.is_over = True
        days.end()
        run.reloader.close()
        run.inbox.close()
        run.loop.tape.end()
        try:
            if is_clean and run.loop.reason != STOPPED:
                await _kept(run)
                await days.finish()
        finally:
            run.loop.tape.close(LAYOUT_PATIENCE)
            with suppress(UnwrittenError) if is_unwritten else nullcontext():  # what ended the run is reported once
                _note_end(run, journal, is_clean=is_clean or run.loop.reason == STOPPED)


async def _kept(run: Run) -> None:
    """Wait until the recording is laid out, while the process shows that it is well: of a long day it takes minutes."""
    begun, is_said = time.monotonic(), False
    while not run.loop.tape.is_kept:
        run.loop.heartbeat.beat()
        if not is_said and time.monotonic() - begun >= LAYOUT_PATIENCE:
            run.says(" the recording of the day is laid out smaller: Ctrl+C ends it")
            is_said = True
        await asyncio.sleep(0.05)


def _assemble(
    desk: LoadedBots, options: RunOptions, world: World, journal: PatientJournal, at: datetime, watcher: Watcher
) -> Run:
    recalled = journal.recall(at)
    resumed = resume_from(recalled, at, world.feed.board, load_calendar(), takes_hooks=options.takes_hooks)
    if world.observer is None:
        _check_account(options, recalled.records, resumed.state, world.ib.link.account)
    pinned = {text.digest: compile_text(text) for text in resumed.texts}
    install = resumed.install or options.install or secrets.token_hex(3)
    prices = PriceNotes()
    link = world.ib.link
    clock = asyncio.get_running_loop().time
    inbox = RequestInbox(options.store, clock, is_simulated=link.is_lockstep, ahead=lambda: link.computer_ahead)
    program = desk.program(install, pinned, options.line_limit)
    tape: Recorder | NoTape = NoTape()
    if options.tapes is not None:
        head = head_as_json(desk, recalled, program, resumed.state, at, release())
        tape = Recorder(
            tape_folder(options.tapes, at),
            head,
            resumed.state.market.board,
            lambda words: note_alarm(run, words),
            lambda now: standing_as_json(reloader.desk, reloader.texts, loop.program, loop.state, now, release()),
            options.taped_first,
        )
    loop = Loop(
        program=program,
        state=resumed.state,
        link=world.link,
        feed=world.feed,
        broker=world.broker,
        journal=journal,
        inbox=inbox.read,
        watcher=lambda _, now: _watched(run, prices, watcher, now),
        guard=Guard(journal.check_held).look,
        inbox_every=options.inbox_every,
        rests=options.rests,
        is_patient=options.waits_for_gateway,
        heartbeat=options.heartbeat,
        tape=tape,
    )
    reloader = Reloader(
        desk,
        loop,
        inbox.read,
        account=world.ib.link.account,
        any_account=world.ib.link.is_lockstep or world.observer is not None,
        live=LiveRun(options.store, world.ib.link.is_simulated) if options.settings.get("mode") == "live" else None,
        texts={text.digest: text for text in resumed.texts},
    )
    loop.inbox, loop.between = reloader.read, reloader.step
    session = session_from(resumed.state.schedule.session.date)
    last = None if options.sessions is None else end_of(session, options.sessions, at)
    run = Run(desk, options, world, loop, inbox, at, last, resumed, reloader)
    _let_observe(world, loop)
    _guard(run, journal)
    _alarm_of_missing_limits(run, journal)
    journal.append([_start_record(run, journal.epoch)], durable=True)
    return run


def _let_observe(world: World, loop: Loop) -> None:
    """Pass recorded data to the broker of a run that sends nothing, and take its notes."""
    if world.observer is not None:
        world.observer.broker.reports = loop.note
        receives = world.observer.broker.receives
        loop.recorded.append(lambda records: receives(records, loop.state.positions.by_id))


def _check_account(options: RunOptions, records: Sequence[Record], state: State, account: str) -> None:
    """Raise BrokerError when open positions of the store belong to another account: they would seem gone."""
    started = [record for record in records if record.kind is Kind.RUN_STARTED]
    before = str(started[-1].data["account"]) if started else account
    if before != account and (state.positions.active or state.orders.live):
        raise BrokerError(
            f"{options.store} has open positions or orders of account {before}, and the gateway has account {account}",
            "log in with the user of that account, or give this one its own store (--store)",
        )


def _watched(run: Run, prices: PriceNotes, watcher: Watcher, at: datetime) -> None:
    """End a batch: keep the prices of its minute, then show it."""
    if (found := prices.due(run.loop.program, run.loop.state, at)) is not None:
        run.loop.note(found)
    watcher(run, at)


def _guard(run: Run, journal: PatientJournal) -> None:
    """Let a run that follows several crashed ones only reduce. Not in lockstep, where crashes are deliberate."""
    if run.world.ib.link.is_lockstep or not is_crash_loop(journal.read(REPORTING, run.first - WITHIN), run.first):
        return
    log.warning(WORDS)
    journal.append([Record(run.first, Kind.ALARM, data={"text": WORDS})], durable=True)
    run.inbox.ask(Request.KILL, REASON)


def _alarm_of_missing_limits(run: Run, journal: PatientJournal) -> None:
    """Report that the last run had limits over all bots and this one has none:

    a reload refuses that, a start may not.
    """
    if run.desk.account is not None or not run.desk.bots:
        return
    with StoreReader(run.options.store) as reader:
        before = reader.last_limits()
    if before is not None:
        log.warning(UNLIMITED)
        journal.append([Record(run.first, Kind.ALARM, data={"text": UNLIMITED, "key": NO_LIMITS_GIVEN})], durable=True)


def _is_over(run: Run, at: datetime) -> str:
    """Return why a run is over, "" while it is not."""
    if run.last is not None and at >= run.last:
        return "the end of the last session"
    if run.world.ib.link.is_at_end:
        return "the gateway has no more sessions: one with a larger --days has"
    return "all that can be closed is closed" if run.options.until_flat and _is_flattened(run.loop.state) else ""


def _is_flattened(state: State) -> bool:
    """Say whether nothing works or can be closed any more of what a person asked to flatten."""
    standing = state.requests.operator
    if not standing.flattening or not state.connection.is_ready:
        return False
    if any(standing.is_flattening(state.orders.by_ref[ref].bot) for ref in state.orders.live):
        return False
    positions = (state.positions.by_id[name] for name in state.positions.active)
    closable = (position for position in positions if standing.is_flattening(position.bot))
    return all(position.is_flat or position.is_frozen or position.waits_for_expiry for position in closable)


def end_of(session: Session, sessions: int, at: datetime) -> datetime:
    """Return the end of the last of this many sessions, counting the present one unless it is over."""
    is_over = at >= session.close + AFTER_CLOSE
    for _ in range(sessions if is_over else sessions - 1):
        session = session_after(session.date)
    return session.close + AFTER_CLOSE


def _start_record(run: Run, epoch: int) -> Record:
    data: dict[str, Json] = {
        "version": release(),
        "specs": specs_as_json(run.desk),
        "sources": sources_as_json(run.desk),
        "limits": limits_as_json(run.desk),
        "settings": dict(run.options.settings),
        "account": run.world.ib.link.account,
        "install": run.loop.program.install,
        "epoch": epoch,
        "session": run.loop.state.schedule.session.date.isoformat(),
        "lockstep": run.world.ib.link.is_lockstep,
        "simulated": run.world.ib.link.is_simulated,
    }
    return Record(run.first, Kind.RUN_STARTED, data=data)


def _note_end(run: Run, journal: PatientJournal, *, is_clean: bool) -> None:
    at = run.loop.at or run.first
    reason = run.loop.reason or "an error"
    log.info("the run ended: %s", reason)
    data: dict[str, Json] = {"reason": reason, "is_clean": is_clean, "is_linked": run.loop.state.connection.is_ready}
    ended = Record(at, Kind.RUN_ENDED, data=data)
    journal.append([*run.loop.unwritten, ended], durable=True)


# --- Files that a start names and that are gone


def without_removed(desk: LoadedBots, paths: Sequence[str], gone: Sequence[str], store: Place | None) -> LoadedBots:
    """Return a desk, read without missing files of these paths, as that of a run of all of them.

    So a start continues like a reload: a missing file is a removed bot. Raises: NoSuchFiles where the last run on
    `store` does not know of that, with its open positions; StoreError.
    """
    there = is_there(store) if isinstance(store, Server) else store is not None and store.is_file()
    if store is None or not there:
        find_files(gone)
        return desk
    with StoreReader(store) as reader:
        run, count = reader.run(), len(reader.view("open_positions"))
    if desk.sources is None or not _took_as_removed(run, gone, desk):
        _refuse(gone, count, store)
        return desk
    log.warning("%s: gone, and the last run on %s treated its bots as removed", ", ".join(gone), store)
    return replace(desk, sources=replace(desk.sources, paths=tuple(paths)))


def _took_as_removed(run: StoredRun, gone: Sequence[str], desk: LoadedBots) -> bool:
    """Say whether a run had these paths and, at its end, neither the missing files nor missing limits."""
    sources = sources_of(run.started.data.get("sources")) if run.started is not None else None
    if sources is None or sources.folder != Path.cwd() or not {*gone} <= {*sources.paths}:
        return False
    is_limited = run.limits is not None and desk.account is None
    left = (reported for name, reported in run.specs.items() if name not in run.removing)
    return not is_limited and all(Path(str(reported["path"])).exists() for reported in left)


def _refuse(gone: Sequence[str], count: int, store: Place) -> None:
    try:
        find_files(gone)
    except NoSuchFiles as error:
        if not count:
            raise
        stand = "stands" if count == 1 else "stand"
        raise NoSuchFiles(
            f"{error.message}, and {counted(count, 'open position')} in {store} {stand} without an engine",
            "'--exits-only' watches them, each under the text that opened it; so does a start without that path",
        ) from error


# --- How a running engine fares

EVERY = 0.25
"""Real seconds between two looks."""
LAG_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Spread:
    """A histogram. `counts` has one number more than `bounds`: values above the last."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value: in the bucket whose bound is the first that is not below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Vitals:
    """Statistics of a run since it began. Units: real seconds, whatever the clock of the world does.

    linked_seconds: total time with a connection to the broker; linked_since: when the present one was first seen, by
    `elapsed`, None without one. throttled_seconds: while messages waited for the broker's limit. evicted: market data
    lines that were dropped while others were kept or taken.
    """

    def __init__(self, run: "Run", elapsed: Callable[[], float] = time.monotonic) -> None:
        self.run, self._elapsed = run, elapsed
        self._looked_at = elapsed()
        self._streamed: tuple[Contract, ...] = ()
        self.lag = Spread(LAG_BOUNDS)
        self.linked_seconds = 0.0
        self.linked_since: float | None = None
        self.throttled_seconds = 0.0
        self.evicted = 0

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            due = self._elapsed() + EVERY
            await asyncio.sleep(EVERY)
            self.lag.add(max(0.0, self._elapsed() - due))
            self.look()

    def look(self) -> None:
        """Compare with the last look."""
        now = self._elapsed()
        passed, self._looked_at = now - self._looked_at, now
        state, link = self.run.loop.state, self.run.world.ib.link
        if not state.connection.is_linked:
            self.linked_since = None
        elif self.linked_since is None:
            self.linked_since = now
        else:
            self.linked_seconds += passed
        if link.is_up and link.wire.pace.is_waiting:
            self.throttled_seconds += passed
        if state.subscriptions.streamed is not self._streamed:
            if state.subscriptions.streamed:  # nothing is streamed at the start of a connection, and every night
                self.evicted += len(set(self._streamed) - set(state.subscriptions.streamed))
            self._streamed = state.subscriptions.streamed

    @property
    def linked_for(self) -> float:
        """Seconds since the present connection came, 0 without one."""
        return 0.0 if self.linked_since is None else max(0.0, self._elapsed() - self.linked_since)

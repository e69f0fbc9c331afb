"""The front door: connect as a client of one's own, look at every structure of some specs, and rank them.

Nothing is sent but questions. A scan is a reader: its numbers may be delayed, and say so; no bot trades on them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from datetime import datetime
from functools import partial
from pathlib import Path

from rulebot.adapters.cboe import place
from rulebot.adapters.clock import Clock, WallClock
from rulebot.adapters.ib.link import symbol_facts
from rulebot.adapters.ib.settings import IbSettings
from rulebot.calendars.calendars import load_calendar
from rulebot.core.handle_event import start_run
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.state import NOTHING, Account, Connection, Schedule, State
from rulebot.decide.entry_window import shut
from rulebot.documents.load_bots import LoadedBots, ProblemsError, check_overrides, load_all_bots
from rulebot.live.environments import WantedWorld, World
from rulebot.model.contract import Option, Underlying, product
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.facts import EventCalendar, SymbolFacts
from rulebot.model.session import EXCHANGE_ZONE, Session, session_after
from rulebot.model.text import clock as clock_text
from rulebot.model.text import counted, minute
from rulebot.model.values import dataclass, replace
from rulebot.preview.candidate import (
    WORLD,
    Candidate,
    CandidateSearch,
    DelayedMarketView,
    SnapshotMarket,
    facts_of,
    look,
    read_delayed,
    symbols_of,
)
from rulebot.preview.connection import FEW_LINES, INSTALL, ReadOnlySession, into_the_day, is_held
from rulebot.process.connection_state import first_batch
from rulebot.process.settings import Settings, folder_of
from rulebot.replay.replay import known_until, replayed_until
from rulebot.scan.scan_row import Scan, ScanRow, StructureMeasurer, is_delayed, ranked, widened
from rulebot.spec.files import write_whole
from rulebot.spec.load import Loaded, load_document
from rulebot.spec.universe import without_symbols

CLIENT_ID = 73
"""Client id of scans: not an engine's, nor another command's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRequest(WantedWorld):
    """What to scan, and where.

    sort: the measure to sort by, "" is the spec's rank. lines: most market data lines to use, None is as many as a run
    beside an engine of this machine allows.
    """

    specs: tuple[str, ...]
    overrides: Mapping[str, str] = field(default_factory=dict)
    sort: str = ""
    lines: int | None = None


async def scan(wanted: ScanRequest) -> Scan:
    """Scan what is wanted. Raises: SpecError, MisuseError, BrokerError, StoreError."""
    desk = _desk(wanted)
    folder = folder_of(wanted.settings, desk.files)
    settings = wanted.read_settings(folder)
    limit, note = allowed_lines(wanted, settings)
    async with wanted.opened(settings, CLIENT_ID) as world:
        found = await run_scan(world, desk, load_calendar(wanted.data), wanted, limit)
    return found.noting(note) if note else found


def _desk(wanted: ScanRequest) -> LoadedBots:
    desk = load_all_bots(wanted.specs, wanted.overrides, None)
    check_overrides(desk, wanted.overrides)
    return widened(desk, wanted.sort)


def _rows(
    measuring: StructureMeasurer, desk: LoadedBots, candidates: Iterable[Candidate], wanted: ScanRequest
) -> tuple[ScanRow, ...]:
    measured = [(each, measuring.found[each.bot.key]) for each in candidates]
    return tuple(ranked(desk.bots.values(), measured, wanted.sort))


def allowed_lines(wanted: ScanRequest, settings: Settings) -> tuple[int, str]:
    """Return how many market data lines may be used, and why so few: an engine that runs here needs the others."""
    if wanted.lines is not None:
        return wanted.lines, ""
    held = next((each for each in wanted.neighbours(settings) if is_held(each)), None)
    if held is None:
        return settings.lines, ""
    return (
        FEW_LINES,
        f"an engine runs on {held}, and a user has 100 lines: {FEW_LINES} may be used; --lines allows more",
    )


async def run_scan(
    world: World, desk: LoadedBots, calendar: EventCalendar, wanted: ScanRequest, line_limit: int
) -> Scan:
    """Return what a gateway lets be known of the structures of a desk that is widened. Raises: BrokerError."""
    first = await first_batch(world.ib.link, "scan")
    visit = ReadOnlySession(world, desk, calendar, first, line_limit, takes_delayed=True)
    try:
        if wanted.is_embedded:
            await into_the_day(visit)
        return await _scanned(visit, desk, wanted)
    finally:
        visit.close()


async def _scanned(visit: ReadOnlySession, desk: LoadedBots, wanted: ScanRequest) -> Scan:
    began = visit.at
    lacking = await facts_of(visit, desk)
    await visit.pass_time()  # so that what was asked and what is to be streamed are not one second's messages
    measuring = StructureMeasurer(partial(is_delayed, visit), wanted.sort)
    looked = await look(visit, desk, chooses=True, also=measuring)
    rows = _rows(measuring, desk, looked.candidates, wanted)
    troubles = [f"{key}: {error.message}" for key, error in lacking.items()]
    usage = visit.usage
    return Scan(
        at=visit.at,
        world=wanted.kind(visit.link),
        bots={text.name: text.file for text in desk.texts},
        rows=rows,
        structures=len(looked.candidates),
        seconds=(visit.at - began).total_seconds(),
        lines=usage.most,
        line_limit=visit.line_limit,
        turns=looked.turns,
        lines_taken=usage.taken,
        lines_evicted=usage.given_up,
        notes=(*troubles, *_notes(visit, desk, looked)),
    )


def _notes(visit: ReadOnlySession, desk: LoadedBots, looked: CandidateSearch) -> Iterator[str]:
    """Yield what the rows do not say: closed exchanges, windows that are not on, structures with too few lines."""
    yield from hours_notes(visit.session, visit.at, desk)
    cut = [each.lines for each in looked.candidates if each.lines > visit.line_limit]
    if cut:
        many = "1 structure needs" if len(cut) == 1 else f"{len(cut)} structures need"
        yield f"{many} more than {visit.line_limit} market data lines, up to {max(cut)}: --lines allows more"


def hours_notes(session: Session, at: datetime, desk: LoadedBots) -> Iterator[str]:
    """Yield that the exchange is closed, and which windows are not on."""
    if not session.is_on(at):
        coming = session if at < session.open else session_after(session.date)
        opens = coming.open.astimezone(EXCHANGE_ZONE)
        yield f"the exchange is closed: the next session opens on {opens:%Y-%m-%d} at {opens:%H:%M}"
    for name, bot in desk.bots.items():
        start, end = bot.window(session, at)
        if start <= at < end:
            continue
        windows = bot.windows(session)
        if reason := shut(bot.plan.entry, session, windows):
            yield f"{name}: {reason}"
            continue
        hours = " and ".join(f"{minute(first)} to {minute(last)}" for first, last in windows if first < last)
        yield f"{name} enters {hours} only, and it is {minute(at)}"


# --- A scan of a recorded instant

RECORDED = "recorded"
"""What the market of such a scan is called; the day follows."""


class RecordedSight(SnapshotMarket):
    """What an engine knew at an instant, as the bots of another desk would see it, without positions."""

    def __init__(self, desk: LoadedBots, known: State, at: datetime, line_limit: int) -> None:
        self.at, self.session = at, known.schedule.session
        state = State(
            Schedule(known.schedule.session),
            replace(known.market, closing=NOTHING),
            connection=Connection(
                is_linked=known.connection.is_linked,
                is_ready=known.connection.is_ready,
                account_id=known.connection.account_id,
            ),
            account=Account(holdings=known.account.holdings, costs=known.account.costs),
        )
        program = desk.program(INSTALL, {}, line_limit)
        started = start_run(program, state, at).state
        market = replace(started.market, facts=known.market.facts)  # a new day forgets its opening moves
        super().__init__(StateBuilder(program, started._replace(market=market), at))


def scan_recorded(wanted: ScanRequest, files: Sequence[Path], at: datetime, clock: Clock | None = None) -> Scan:
    """Scan what is wanted on what is recorded of an instant.

    Raises: SpecError, MisuseError, StoreError.
    """
    clock = clock or WallClock()
    began = clock.elapsed()
    desk = _desk(wanted)
    found = replayed_until(files, at)
    sight = RecordedSight(desk, found.state, at, found.program.line_limit)
    measuring = StructureMeasurer(lambda _: False, wanted.sort)
    candidates = sight.candidates(desk)
    for candidate, view in candidates:
        measuring(candidate, view)
    rows = _rows(measuring, desk, (each for each, _ in candidates), wanted)
    streamed = found.state.market.board.rows
    levels = counted(sum(isinstance(each, Underlying) for each in streamed), "level")
    options = counted(sum(isinstance(each, Option) for each in streamed), "option")
    ran = ", ".join(found.program.bots) or "the exits of what was open"
    reported = f"{levels} and {options} were streamed then, for {ran}; of anything else nothing is known"
    return Scan(
        at=at,
        world=f"{RECORDED} {at.astimezone(EXCHANGE_ZONE):%Y-%m-%d}",
        bots={text.name: text.file for text in desk.texts},
        rows=rows,
        structures=len(candidates),
        seconds=clock.elapsed() - began,
        notes=(reported, *_end_notes(files, at), *hours_notes(sight.session, at, desk)),
    )


def _end_notes(files: Sequence[Path], at: datetime) -> Iterator[str]:
    """Yield that an instant is after the end of the scanned recording."""
    ends = known_until(files, at)
    if at > ends:
        yield f"its recording ends at {clock_text(ends)}: later data is unknown"


# --- A scan of Cboe's delayed quotes


async def scan_delayed(wanted: ScanRequest, clock: Clock | None = None) -> Scan:
    """Scan what is wanted on Cboe's files. Raises: SpecError, MisuseError, StoreError, DelayedDataError."""
    clock = clock or WallClock()
    desk = _desk(wanted)
    began = clock.elapsed()
    chains, troubles = await read_delayed(symbols_of(desk), place(), clock.now())
    sight = DelayedMarketView(desk, load_calendar(wanted.data), chains)
    measuring = StructureMeasurer(lambda _: True, wanted.sort)
    candidates = sight.candidates(desk)
    for candidate, view in candidates:
        measuring(candidate, view)
    rows = _rows(measuring, desk, (each for each, _ in candidates), wanted)
    left_out = [
        f"{each.symbol}: {counted(each.unreadable, 'option')} could not be read" for each in chains if each.unreadable
    ]
    return Scan(
        at=sight.at,
        world=WORLD,
        bots={text.name: text.file for text in desk.texts},
        rows=rows,
        structures=len(candidates),
        seconds=clock.elapsed() - began,
        notes=(*troubles, *left_out, *hours_notes(sight.session, sight.at, desk)),
    )


# --- The symbols of documents, asked of the broker

SYMBOLS_CLIENT_ID = 71
"""The default client id: not an engine's."""


def symbols_in(files: Iterable[Path]) -> tuple[str, ...]:
    """Return the symbols of universe documents and bots, each once, in their order.

    Raises: ProblemsError with the errors of all of them; MisuseError when none names a symbol; StoreError.
    """
    loaded = [_load(file) for file in files]
    if any(not each.is_fine for each in loaded):
        raise ProblemsError({each.source.file: each.diagnostics for each in loaded})
    symbols = tuple(dict.fromkeys(symbol for each in loaded for symbol in _symbols(each)))
    if not symbols:
        raise MisuseError("none of these files names a symbol", "name universe documents or bots")
    return symbols


def _load(file: Path) -> Loaded:
    try:
        return load_document(file, digested=False)
    except OSError as error:
        raise StoreError(f"cannot read '{error.filename or file}': {error.strerror or error}") from error


def _symbols(loaded: Loaded) -> tuple[str, ...]:
    if loaded.universe is not None:
        return tuple(symbol for listed in loaded.universe.categories.values() for symbol in listed)
    if loaded.spec is None:
        return ()
    return loaded.spec.underlyings if loaded.spec.universe is None else loaded.spec.universe.symbols


async def ask_symbols(world: AbstractAsyncContextManager[World], symbols: tuple[str, ...]) -> tuple[SymbolFacts, ...]:
    """Return what the broker has under each symbol. Raises: BrokerError."""
    async with world as entered:
        link = entered.ib.link
        await first_batch(link, "symbols")
        seconds = IbSettings().request_seconds
        return tuple([await symbol_facts(link, symbol, seconds) for symbol in symbols])


def refresh_universes(files: Iterable[Path], found: Iterable[SymbolFacts]) -> list[tuple[Path, list[str]]]:
    """Remove the symbols that bots cannot trade from the universe documents among these files, and return which.

    A symbol of several contracts stays. Raises: MisuseError where a document would be left empty; StoreError.
    """
    gone = {each.symbol for each in found if len(each.contracts) < 2 and trouble_with(each)}
    changed = []
    for file in files:
        loaded = _load(file)
        lost = [symbol for symbol in _symbols(loaded) if symbol in gone]
        if loaded.universe is None or not lost:
            continue
        try:
            text = without_symbols(file.read_text(encoding="utf-8"), gone)
            write_whole(file, text.encode())
        except ValueError as error:
            raise MisuseError(f"{file}: {error}", "remove the file, or write other symbols into it") from error
        except OSError as error:
            raise StoreError(f"cannot write '{file}': {error.strerror or error}") from error
        changed.append((file, lost))
    return changed


def trouble_with(facts: SymbolFacts) -> str:
    """Return why bots cannot trade a symbol, "" when they can."""
    if not facts.contracts:
        return "gone: the broker has no stock, fund or index of this symbol in US dollars"
    if len(facts.contracts) > 1:
        found = ", ".join(f"{each.name} ({each.exchange}, {each.con_id})" for each in facts.contracts)
        return f"ambiguous: the broker has {len(facts.contracts)} of them: {found}"
    usual = product(facts.symbol).same_day_class
    if not facts.expiries:
        return "no options: the broker lists none on it"
    if usual not in facts.expiries:
        return f"no options {usual}: the broker lists {', '.join(facts.expiries)}"
    return ""

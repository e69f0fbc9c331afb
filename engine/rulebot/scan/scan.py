"""The front door: connect as a client of one's own, look at every structure of some specs, and rank them.

Nothing is sent but questions. A scan is a reader: its numbers may be delayed, and say so; no bot trades on them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime
from functools import partial
from pathlib import Path

from rulebot.calendars.calendars import load_calendar
from rulebot.decide.opportunity import shut
from rulebot.documents.load_bots import LoadedBots, check_overrides, load_desk
from rulebot.live.environments import World
from rulebot.live.preview_environment import world_to_look_at
from rulebot.model.facts import EventCalendar
from rulebot.model.session import EXCHANGE_ZONE, Session, session_after
from rulebot.model.values import dataclass
from rulebot.preview.choose_structure import Looked, facts_of, look
from rulebot.preview.read_only_session import FEW_LINES, ReadOnlySession, into_the_day
from rulebot.preview.running_engine import is_held
from rulebot.process.reconnect_backoff import first_batch
from rulebot.process.settings import Settings, folder_of, read_settings
from rulebot.scan.measure_structure import StructureMeasurer, is_delayed
from rulebot.scan.measures import widened
from rulebot.scan.ranking import ranked
from rulebot.scan.scan_row import Scan

CLIENT_ID = 73
"""Which client scans: neither the one that an engine trades as, nor that of another command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRequest:
    """What is to be scanned, and where.

    flags: settings that were given with the command; their `host` and `port` name a gateway. sim: a simulated one, of
    its own when the flags name none. sort: a measure to go by, "" is the spec's rank. lines: market data lines to use
    at most, None is as many as a run beside an engine of this machine allows. data: the folder of what rulebot keeps.
    """

    specs: tuple[str, ...]
    overrides: Mapping[str, str] = field(default_factory=dict)
    settings: Path | None = None
    flags: Mapping[str, object] = field(default_factory=dict)
    live: bool = False
    sim: bool = False
    sort: str = ""
    lines: int | None = None
    data: Path

    @property
    def is_embedded(self) -> bool:
        """True when the market is one of our own, made for this scan."""
        return self.sim and self.flags.get("host") is None


async def scan(wanted: ScanRequest) -> Scan:
    """Scan what is wanted. Raises: SpecError, MisuseError, BrokerError, StoreError."""
    desk = load_desk(wanted.specs, wanted.overrides, None)
    check_overrides(desk, wanted.overrides)
    desk = widened(desk, wanted.sort)
    folder = folder_of(wanted.settings, desk.files)
    settings = read_settings(wanted.settings, folder, wanted.data, flags=dict(wanted.flags))
    limit, note = allowed_lines(wanted, settings)
    looked_at = world_to_look_at(settings, CLIENT_ID, sim=wanted.sim, live=wanted.live, is_embedded=wanted.is_embedded)
    async with looked_at as world:
        found = await run_scan(world, desk, load_calendar(wanted.data), wanted, limit)
    return found.noting(note) if note else found


def allowed_lines(wanted: ScanRequest, settings: Settings) -> tuple[int, str]:
    """Return how many market data lines may be used, and why so few: an engine that runs here needs the others."""
    if wanted.lines is not None:
        return wanted.lines, ""
    stores = () if wanted.sim else (settings.store, settings.live_store)
    held = next((each for each in stores if is_held(each)), None)
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
    measured = [(each, measuring.found[each.bot.key]) for each in looked.candidates]
    rows = ranked(desk.bots.values(), measured, wanted.sort)
    troubles = [f"{key}: {error.message}" for key, error in lacking.items()]
    usage = visit.usage
    return Scan(
        at=visit.at,
        world="simulated" if visit.link.is_simulated else "live" if wanted.live else "paper",
        bots={text.name: text.file for text in desk.texts},
        rows=tuple(rows),
        structures=len(looked.candidates),
        seconds=(visit.at - began).total_seconds(),
        lines=usage.most,
        line_limit=visit.line_limit,
        turns=looked.turns,
        lines_taken=usage.taken,
        lines_evicted=usage.given_up,
        notes=(*troubles, *_notes(visit, desk, looked)),
    )


def _notes(visit: ReadOnlySession, desk: LoadedBots, looked: Looked) -> Iterator[str]:
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
        hours = " and ".join(f"{_clock(first)} to {_clock(last)}" for first, last in windows if first < last)
        yield f"{name} enters {hours} only, and it is {_clock(at)}"


def _clock(at: datetime) -> str:
    return f"{at.astimezone(EXCHANGE_ZONE):%H:%M}"

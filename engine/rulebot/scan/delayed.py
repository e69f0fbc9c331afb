"""A scan of Cboe's delayed quotes: the same rows by the same rules, without a broker, each marked as delayed."""

from rulebot.adapters.cboe.fetch import place
from rulebot.adapters.clock import Clock, WallClock
from rulebot.calendars.calendars import load_calendar
from rulebot.documents.load_bots import check_overrides, load_desk
from rulebot.model.counted import counted
from rulebot.preview.delayed_data import WORLD, DelayedSight, read_delayed, symbols_of
from rulebot.scan.measure_structure import StructureMeasurer
from rulebot.scan.measures import widened
from rulebot.scan.ranking import ranked
from rulebot.scan.scan import ScanRequest, hours_notes
from rulebot.scan.scan_row import Scan


async def scan_delayed(wanted: ScanRequest, clock: Clock | None = None) -> Scan:
    """Scan what is wanted on Cboe's files. Raises: SpecError, MisuseError, StoreError, DelayedDataError."""
    clock = clock or WallClock()
    desk = load_desk(wanted.specs, wanted.overrides, None)
    check_overrides(desk, wanted.overrides)
    desk = widened(desk, wanted.sort)
    began = clock.elapsed()
    chains, troubles = await read_delayed(symbols_of(desk), place(), clock.now())
    sight = DelayedSight(desk, load_calendar(wanted.data), chains)
    measuring = StructureMeasurer(lambda _: True, wanted.sort)
    candidates = sight.candidates(desk)
    for candidate, view in candidates:
        measuring(candidate, view)
    measured = [(each, measuring.found[each.bot.key]) for each, _ in candidates]
    rows = ranked(desk.bots.values(), measured, wanted.sort)
    left_out = [
        f"{each.symbol}: {counted(each.unreadable, 'option')} could not be read" for each in chains if each.unreadable
    ]
    return Scan(
        at=sight.at,
        world=WORLD,
        bots={text.name: text.file for text in desk.texts},
        rows=tuple(rows),
        structures=len(candidates),
        seconds=clock.elapsed() - began,
        notes=(*troubles, *left_out, *hours_notes(sight.session, sight.at, desk)),
    )

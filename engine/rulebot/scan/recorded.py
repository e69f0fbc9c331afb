"""A scan of a recorded instant: the same rows by the same rules, on what an engine knew then.

Only what was streamed and asked for then is there; the rest is unknown, with the reason, as it would be for a bot.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from rulebot.adapters.clock import Clock, WallClock
from rulebot.core.handle_event import start_run
from rulebot.core.state import State
from rulebot.core.state_builder import StateBuilder
from rulebot.documents.load_bots import LoadedBots, check_overrides, load_desk
from rulebot.evaluate.snapshot import View
from rulebot.model.contract import Option, Underlying
from rulebot.model.counted import counted
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.narrate.text_table import clock as clock_text
from rulebot.preview.candidate import Candidate, judge
from rulebot.preview.read_only_session import INSTALL
from rulebot.replay.instant import known_until, lived_until
from rulebot.scan.measure_structure import StructureMeasurer
from rulebot.scan.measures import widened
from rulebot.scan.ranking import ranked
from rulebot.scan.scan import ScanRequest, hours_notes
from rulebot.scan.scan_row import Scan

RECORDED = "recorded"
"""What the market of such a scan is called; the day follows."""


class RecordedSight:
    """What an engine knew at an instant, as the bots of another desk would see it; none of them holds anything."""

    def __init__(self, desk: LoadedBots, known: State, at: datetime, line_limit: int) -> None:
        self.at, self.session = at, known.session
        state = State(
            session=known.session,
            board=known.board,
            facts=known.facts,
            is_linked=known.is_linked,
            is_ready=known.is_ready,
            account=known.account,
            holdings=known.holdings,
            costs=known.costs,
        )
        program = desk.program(INSTALL, {}, line_limit)
        begun = start_run(program, state, at).state
        self._work = StateBuilder(
            program, begun._replace(facts=known.facts), at
        )  # a day that begins forgets its opening moves

    def work(self) -> StateBuilder:
        """Return what the functions of a turn read; nothing of it is kept."""
        return self._work

    def view(self) -> View:
        """Return what rules see."""
        return self._work.view()


def scan_recorded(wanted: ScanRequest, files: Sequence[Path], at: datetime, clock: Clock | None = None) -> Scan:
    """Scan what is wanted on what is recorded of an instant.

    Raises: SpecError, MisuseError, StoreError.
    """
    clock = clock or WallClock()
    began = clock.elapsed()
    desk = load_desk(wanted.specs, wanted.overrides, None)
    check_overrides(desk, wanted.overrides)
    desk = widened(desk, wanted.sort)
    found = lived_until(files, at)
    sight = RecordedSight(desk, found.state, at, found.program.line_limit)
    measuring = StructureMeasurer(lambda _: False, wanted.sort)
    candidates = [Candidate(each, bot) for bot in desk.bots.values() for each in bot.structures()]
    for candidate in candidates:
        measuring(candidate, judge(sight, candidate))
    measured = [(each, measuring.found[each.bot.key]) for each in candidates]
    rows = ranked(desk.bots.values(), measured, wanted.sort)
    streamed = found.state.board.rows
    levels = counted(sum(isinstance(each, Underlying) for each in streamed), "level")
    options = counted(sum(isinstance(each, Option) for each in streamed), "option")
    ran = ", ".join(found.program.bots) or "the exits of what was open"
    told = f"{levels} and {options} were streamed then, for {ran}; of anything else nothing is known"
    return Scan(
        at=at,
        world=f"{RECORDED} {at.astimezone(EXCHANGE_ZONE):%Y-%m-%d}",
        bots={text.name: text.file for text in desk.texts},
        rows=tuple(rows),
        structures=len(candidates),
        seconds=clock.elapsed() - began,
        notes=(told, *_end_notes(files, at), *hours_notes(sight.session, at, desk)),
    )


def _end_notes(files: Sequence[Path], at: datetime) -> Iterator[str]:
    """Yield that an instant lies after the end of the recording that was scanned."""
    ends = known_until(files, at)
    if at > ends:
        yield f"its recording ends at {clock_text(ends)}: nothing is known of what came after"

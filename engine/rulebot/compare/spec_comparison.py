"""Two specs of a bot, named by files, folders or git revisions, and what each would have done on the same days.

Each simulated day is a separate run in virtual time, on a temporary store; the days are shared among as many processes
as there are cores. Past sessions run one after the other; of many, the first spec runs here and each other one in a
concurrent process.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from rulebot.adapters.history.session import Finding, SharedSource, Source, data_of
from rulebot.adapters.sources import open_source
from rulebot.backtest.fill_model import NATURAL
from rulebot.backtest.historical_feed import made_by
from rulebot.backtest.report_charts import gravest_first
from rulebot.backtest.simulation import CASH, BacktestSimulation
from rulebot.calendars.calendars import load_calendar
from rulebot.chaos.virtual_loop import run_virtually
from rulebot.compare.git_revisions import Text
from rulebot.compile.build import build_plan
from rulebot.core.program import compile_bot
from rulebot.core.state.state import State
from rulebot.documents.load_bots import LoadedBots, SpecText
from rulebot.live.environments import SimSettings, simulated
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.errors import StoreError
from rulebot.model.facts import EventCalendar
from rulebot.model.money import ZERO
from rulebot.model.position import Position
from rulebot.model.session import sessions
from rulebot.model.values import dataclass
from rulebot.narrate.day_report import day_outcome, made_today
from rulebot.narrate.positions import ending_text, entry_text, is_unclosed, left_text
from rulebot.process.processes import several
from rulebot.review.change.behaviour import STILL_OPEN, Trade, TriedDay
from rulebot.review.change.compare import read_document
from rulebot.spec.load import governing_text, load_text

# --- The documents that two arguments name


# ---------------------------------------------------------------- git


# --- Two texts of a bot on the same days

LINES = 90
MANY = 60
"""Number of sessions from which another process is started for each spec."""
WITHOUT_DATA = "there is no data of it, and nothing was held"


@dataclass(frozen=True, slots=True)
class Task:
    """One text on one day."""

    text: Text
    seed: int


def simulate(texts: Sequence[Text], seeds: int) -> tuple[tuple[TriedDay, ...], ...]:
    """Return what each text did on the days of seeds 1 to `seeds`. Raises: RulebotError when a run fails."""
    tasks = [Task(text, seed) for text in map(whole, texts) for seed in range(1, seeds + 1)]
    processes = min(os.cpu_count() or 1, len(tasks))
    with several(processes, help=None) as pool:
        days = list(pool.map(live_through, tasks))
    return tuple(tuple(days[at : at + seeds]) for at in range(0, len(days), seeds))


@dataclass(frozen=True, slots=True)
class PastTask:
    """One text, with parameters that were set, on past sessions; `data` is what `--data` of a backtest names."""

    text: Text
    data: str
    days: tuple[date, ...]
    overrides: tuple[tuple[str, str], ...] = ()


class Side(NamedTuple):
    """The days of one text, without those that were refused, and what was wrong."""

    days: tuple[TriedDay, ...]
    flaws: tuple[Finding, ...]


class Relived(NamedTuple):
    """Results of each spec on the usable sessions, and in words what was wrong with the data."""

    sides: tuple[tuple[TriedDay, ...], ...]
    flaws: tuple[str, ...]


def relive(
    texts: Sequence[Text], data: str, days: Sequence[date], overrides: Sequence[Mapping[str, str]] = ()
) -> Relived:
    """Return what each spec would have done on these sessions; `overrides` of each, none where empty.

    Raises: RulebotError, also when no session was usable.
    """
    return relive_each([texts], data, days, [overrides or [{}] * len(texts)])[0]


def relive_each(
    bots: Sequence[Sequence[Text]], data: str, days: Sequence[date], overrides: Sequence[Sequence[Mapping[str, str]]]
) -> list[Relived]:
    """Return the same of several bots with their specs, on sessions that are read once. Raises: likewise."""
    tasks = [
        [PastTask(whole(text), data, tuple(days), tuple(given.items())) for text, given in zip(*each, strict=True)]
        for each in zip(bots, overrides, strict=True)
    ]
    sides = iter(_relive([*chain.from_iterable(tasks)]))
    return [_relived([next(sides) for _ in each]) for each in tasks]


def _relived(sides: Sequence[Side]) -> Relived:
    flaws = flaws_of([side.flaws for side in sides])
    if not all(side.days for side in sides):
        raise StoreError("no session could be lived through", flaws[0] if flaws else None)
    return Relived(aligned([side.days for side in sides]), flaws)


def _relive(tasks: Sequence[PastTask]) -> list[Side]:
    """Run each spec through its sessions; starting a process takes a second, in which many sessions run."""
    beside = min(os.cpu_count() or 1, len(tasks)) - 1
    if not beside or len(tasks[0].days) < MANY:
        return relived_together(tasks)
    with several(beside, help=None) as pool:
        others = [pool.submit(relived, task) for task in tasks[1:]]
        return [relived(tasks[0]), *(each.result() for each in others)]


def flaws_of(sides: Iterable[Iterable[Finding]]) -> tuple[str, ...]:
    """Return the data problems in words, those that refused a day first; daily repetitions once.

    What several specs met in the same data counts as often as for the one that met it most.
    """
    met: Counter[Finding] = Counter()
    for side in sides:
        met |= Counter(side)
    return tuple(alike.line for alike in gravest_first(map(data_of, met.elements())))


def relived(task: PastTask) -> Side:
    """Walk one text through past sessions."""
    return relived_together([task])[0]


def relived_together(tasks: Sequence[PastTask]) -> list[Side]:
    """Run specs through the same past sessions, each of which is read once."""
    source, days = SharedSource(open_source(tasks[0].data)), tasks[0].days
    calendar = load_calendar()
    walkers = [_Walker(task, source, calendar) for task in tasks]
    for session in sessions(days[0], days[-1]):
        for walker in walkers:
            walker.lives_through(session.date)
    return [Side(tuple(walker.days), tuple(walker.flaws)) for walker in walkers]


class _Walker:
    """One spec in progress through past sessions: its days so far, and problems."""

    def __init__(self, task: PastTask, source: Source, calendar: EventCalendar) -> None:
        desk = desk_of(task.text, dict(task.overrides))
        (self._bot,) = desk.bots
        self._walk = BacktestSimulation(desk.program("past", {}, LINES), source, calendar, NATURAL, CASH)
        self.days: list[TriedDay] = []
        self.flaws: list[Finding] = []
        self._before: dict[str, Decimal] = {}
        """What each position had made by the end of the last session."""

    def lives_through(self, day: date) -> None:
        """Continue with a session, if it has data for it, or it holds something."""
        walk = self._walk
        for done in walk.through(day, day):
            self.flaws += done.findings
            if done.records and walk.state is not None:
                made = _made(walk, self._before)
                today = {position: now - self._before.get(position, ZERO) for position, now in made.items()}
                self.days.append(tried_day(walk.state, self._bot, 0, day, today))
                self._before = made


def _made(walk: BacktestSimulation, before: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return what each position has made since it began, as the account counts it at the end of a session."""
    assert walk.state is not None
    found = {name: made_by(position, walk.marks) for name, position in walk.state.positions.by_id.items()}
    return {name: before.get(name, ZERO) if made is None else made for name, made in found.items()}


def aligned(sides: Sequence[Sequence[TriedDay]]) -> tuple[tuple[TriedDay, ...], ...]:
    """Return the sides with equal days: a session without data is run only by a side with a position."""
    found = [{day.day: day for day in side} for side in sides]
    dates = sorted({day for side in found for day in side if day is not None})
    return tuple(tuple(side.get(day, TriedDay(0, (), WITHOUT_DATA, day)) for day in dates) for side in found)


def whole(text: Text) -> Text:
    """Return a sound text that extends nothing, and so says the same in another process."""
    source = read_document(text.content, text.label, text.beside).source
    return Text(text.label, governing_text(source).encode())


def live_through(task: Task) -> TriedDay:
    """Run one text through one day."""
    desk = desk_of(task.text)
    (name,) = desk.bots
    with tempfile.TemporaryDirectory(prefix="rulebot-diff-", ignore_cleanup_errors=True) as folder:
        options = RunOptions(store=Path(folder) / "day.db", logs=None, sessions=1, install=f"s{task.seed}")
        world = simulated(SimSettings(seed=task.seed), 1)
        run: Run = run_virtually(lambda loop: execute(desk, options, world, lambda run: None, lambda run, at: None))
    return tried_day(run.loop.state, name, task.seed)


def desk_of(text: Text, overrides: Mapping[str, str] | None = None) -> LoadedBots:
    """Return the one bot of a sound text as a desk; limits over all bots are not part of what is compared."""
    loaded = (
        load_text(text.content.decode(), f"{text.label} ", dict(overrides))  # its file may be called anything
        if overrides
        else read_document(text.content, text.label)
    )
    spec = loaded.spec
    assert spec is not None
    plan, _ = build_plan(spec, loaded.source)
    assert plan is not None
    return LoadedBots(
        {plan.name: compile_bot(plan)},
        (SpecText(plan.name, plan.digest, text.label, loaded.source.text, {}),),
        None,
        (),
    )


def tried_day(
    state: State, bot: str, seed: int, day: date | None = None, today: Mapping[str, Decimal] | None = None
) -> TriedDay:
    """Return what a bot did on a day. today: what each position has made in it, None: as the engine saw it last."""
    own = [each for each in state.positions.by_id.values() if each.bot == bot and each.opened_at is not None]
    made = {each.id: made_today(state, each, None) or ZERO if today is None else today[each.id] for each in own}
    trades = tuple(_trade(state, each, made[each.id]) for each in own)
    if trades:
        return TriedDay(seed, trades, day=day)
    (outcome,) = day_outcome(state, None).bots
    return TriedDay(seed, (), "; ".join(part for line in outcome.lines for part in line.parts), day)


def _trade(state: State, position: Position, made: Decimal) -> Trade:
    is_over, is_carried = position.state == "closed", position.session < state.schedule.session.date
    since = f"held since {position.session}, " if is_carried else ""
    return Trade(
        f"{since}{entry_text(position)}" + (f", {ending_text(state, position)}" if is_over else ""),
        position.exit_reason if is_over else "",
        made,
        is_carried,
        left_text(position) if is_unclosed(state, position) else STILL_OPEN,
    )

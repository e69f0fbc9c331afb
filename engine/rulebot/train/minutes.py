"""Samples of minutes: what an entry of the bot would have brought at each, whatever its conditions said.

Each minute is a separate walk through the past with this bot alone, whose only window is that minute, and without its
obstacles: `entry.when`, caps, `risk.halt_when`, models. What makes the trade stays: legs and their requirements, order,
exits, limits. Then the trade is followed to its end, on later days if necessary. Its features are read at the order by
the same closures as those of any entry. Such a trade was never decided: it is hypothetical, and neighbouring minutes
have similar results.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from rulebot.adapters.history.session import Finding, SharedSource, Source, data_of
from rulebot.backtest.fill_model import FillModel
from rulebot.backtest.results import ClosedTrade, read_results
from rulebot.backtest.sampling import FEATURES, Sampler, SamplingOptions, streaming
from rulebot.backtest.simulation import CASH, BacktestSimulation
from rulebot.compile.data_needs import calls_of
from rulebot.compile.features import VERSION
from rulebot.compile.plan import DayBounds
from rulebot.core.program import AccountLimits, CompiledBot, Program, compile_bot
from rulebot.documents.load_bots import LoadedBots
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.facts import EventCalendar
from rulebot.model.money import ZERO
from rulebot.model.position import Position
from rulebot.model.session import EXCHANGE_ZONE, Anchor, DayTime, exchange_date, session_on
from rulebot.model.values import dataclass
from rulebot.narrate.positions import opened_count
from rulebot.process.processes import several
from rulebot.record.record import Json, Kind, Record
from rulebot.spec.spec import Window
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader

# --- Samples for training


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One closed trade. values: its features, None where unknown. net: dollars a structure, after commissions.

    Rolled positions are part of it. left: end of its last leg, including an expiring wing: its profit is not known
    before. in_shares: it was assigned or exercised; `net` counts the shares at their settlement price.
    """

    entered: datetime
    left: datetime
    values: tuple[float | None, ...]
    net: float
    in_shares: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The trades of one bot, in the order of their entries. place: where their features were read.

    every: they are hypothetical, one every this many minutes; None: the bot made them. findings: faults of their data,
    as plain data.
    """

    names: tuple[str, ...]
    place: str
    rows: tuple[Sample, ...]
    settings: Mapping[str, Any]
    every: int | None = None
    findings: tuple[Mapping[str, Any], ...] = ()

    @property
    def sessions(self) -> int:
        """Count the sessions in which they were entered."""
        return len({exchange_date(row.entered) for row in self.rows})


def read_samples(store: Place, bot: str, digest: str) -> Samples:
    """Return the trades of a bot that a backtest kept. Raises: StoreError, MisuseError for one without features."""
    results = read_results(store, str(store))
    if results.digests.get(bot) != digest:
        raise MisuseError(f"{store} holds no backtest of {bot} as it is written now", "run the backtest again")
    with StoreReader(store) as reader:
        over = {str(row["position"]): str(row["exit_time"]) for row in reader.view("trades", strategy_id=bot)}
        reported = [each for each in reader.records((Kind.FACTS, Kind.POSITION)) if each.bot == bot]
    noted = [each for each in reported if each.kind is Kind.FACTS and each.data["what"] == FEATURES]
    if "features" not in results.settings:
        raise MisuseError(f"{store} holds a backtest without features", "run it with --features when, or require")
    known = {record.position: record for record in reversed(noted)}
    if any(record.data["version"] != VERSION for record in noted):
        raise StoreError(f"{store} holds features of another version than {VERSION}", "run the backtest again")
    parts_of = _parts_of_entries(bot, results.trades, reported)
    rows = [_one_sample(known[name], parts, over) for name, parts in parts_of.items() if name in known]
    return Samples(
        names=tuple(map(str, results.settings["features"])),
        place=str(results.settings["place"]),
        rows=tuple(sorted(rows, key=lambda row: row.entered)),
        settings=results.settings,
        findings=results.findings,
    )


def _parts_of_entries(
    bot: str, trades: Iterable[ClosedTrade], reported: Iterable[Record]
) -> Mapping[str, Sequence[ClosedTrade]]:
    """Return the trades of each entry, what it was rolled into among them, by its position; of those that are over."""
    positions = (each for each in reported if each.kind is Kind.POSITION)
    entered_as = {each.position: str(each.data.get("trade") or each.position) for each in positions}
    entered: dict[str, list[ClosedTrade]] = {}
    for trade in (each for each in trades if each.bot == bot):
        entered.setdefault(entered_as[trade.name], []).append(trade)
    return {name: parts for name, parts in entered.items() if all(part.left is not None for part in parts)}


def _one_sample(noted: Record, parts: Sequence[ClosedTrade], over: Mapping[str, str]) -> Sample:
    """Return what came of an entry. parts: what was entered, and what it was rolled into; over: when trades ended."""
    quantity = next(part.quantity for part in parts if part.name == noted.position)
    return Sample(
        entered=noted.at,
        left=max(noted.at, *(_instant(over[part.name]) for part in parts)),
        values=_values(noted.data["value"]),
        net=float(sum((part.net for part in parts), ZERO)) / quantity,
        in_shares=any(part.in_shares for part in parts),
    )


def _instant(text: str) -> datetime:
    """Return the instant of a view of the store, whose times are New York's."""
    return datetime.fromisoformat(text).replace(tzinfo=EXCHANGE_ZONE).astimezone(UTC)


def _values(written: Any) -> tuple[float | None, ...]:
    return tuple(None if each is None else float(each) for each in written)


def only(samples: Samples, names: Sequence[str]) -> Samples:
    """Return the samples with these features alone. Raises: MisuseError for one that was not noted."""
    for name in names:
        if name not in samples.names:
            raise MisuseError(f"the feature '{name}' was not noted", f"noted are {', '.join(samples.names)}")
    places = [samples.names.index(name) for name in names]
    rows = tuple(replace(row, values=tuple(row.values[at] for at in places)) for row in samples.rows)
    return replace(samples, names=tuple(names), rows=rows)


def table_of(samples: Samples) -> str:
    """Return the samples as CSV: entry and end in UTC, dollars a structure, each feature ("" where it was unknown)."""
    rows = [("entered", "left", "net", *samples.names)]
    for row in samples.rows:
        values = ("" if each is None else f"{each:.10g}" for each in row.values)
        rows.append((row.entered.isoformat(), row.left.isoformat(), f"{row.net:.2f}", *values))
    return "".join(",".join(row) + "\n" for row in rows)


# --- Samples of minutes

MINUTE = timedelta(minutes=1)
INSTALL = "minutes"
TASK = 10
"""Sessions of one task at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteSamplingOptions:
    """Which minutes: every n-th of each window. desk: `packed`, of one bot, which each process compiles."""

    desk: LoadedBots
    opens: Callable[[], Source]
    first: date
    last: date
    fills: FillModel
    lines: int
    every: int
    sampling: SamplingOptions
    calendar: Callable[[], EventCalendar]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteSamples:
    """What came of the minutes: those that were tried, entered, and closed by the end of the data.

    findings: what was wrong with the data of their sessions.
    """

    tried: int
    entered: int
    rows: tuple[Sample, ...]
    findings: tuple[Finding, ...]

    @property
    def words(self) -> str:
        """All of it in a sentence."""
        late = self.entered - len(self.rows)
        more = f"; {late} were still open when the data ended" if late else ""
        none = self.tried - self.entered
        return (
            f"{self.tried} minutes: {self.entered} entries, at {none} the legs were not there, did not fit what they "
            f"require, or they did not fill{more}"
        )


Progress = Callable[[int, int], None]
"""Callback: how many sessions are done, of how many."""


def sample_minutes(asked: MinuteSamplingOptions, workers: int, reported: Progress) -> tuple[Samples, MinuteSamples]:
    """Return the samples of all minutes, in the order of their entries. Raises: MisuseError, StoreError."""
    source = asked.opens()
    days = source.dates(asked.first, asked.last)
    if not days:
        raise MisuseError(f"{source.name} has no session from {asked.first} to {asked.last}")
    size = max(1, min(TASK, -(-len(days) // (2 * workers))))
    tasks = [days[begin : begin + size] for begin in range(0, len(days), size)]
    parts: list[MinuteSamples] = []
    done = 0
    reported(done, len(days))
    for found, task in zip(_runs(asked, tasks, workers), tasks, strict=True):
        parts.append(found)
        done += len(task)
        reported(done, len(days))
    rows = tuple(sorted((row for part in parts for row in part.rows), key=lambda row: row.entered))
    flaws = dict.fromkeys([*source.gaps(asked.first, asked.last), *(each for part in parts for each in part.findings)])
    tried, entered = sum(part.tried for part in parts), sum(part.entered for part in parts)
    whole = MinuteSamples(tried=tried, entered=entered, rows=rows, findings=tuple(flaws))
    settings: dict[str, Json] = {
        "source": source.name,
        "is_modelled": source.is_modelled,
        "fills": asked.fills.name,
        "minutes": asked.every,
    }
    names, place = asked.sampling.features, asked.sampling.place
    findings = tuple(map(data_of, flaws))
    return Samples(names=names, place=place, rows=rows, settings=settings, every=asked.every, findings=findings), whole


def _runs(asked: MinuteSamplingOptions, tasks: Sequence[Sequence[date]], workers: int) -> Iterator[MinuteSamples]:
    if workers <= 1 or len(tasks) < 2:
        yield from map(partial(of_days, asked), tasks)
        return
    with several(min(workers, len(tasks))) as pool:
        yield from pool.map(partial(of_days, asked), tasks)


# ---------------------------------------------------------------- worlds of one minute each


@dataclasses.dataclass(slots=True)
class _World:
    """One minute: its walk, from which day on it is still to run, and the notes at its entry.

    parts: the entered position, and what it was rolled into, in their last state; nothing while nothing is entered.
    """

    walk: BacktestSimulation
    since: date
    noted: dict[str, Record] = field(default_factory=dict)
    parts: dict[str, Position] = field(default_factory=dict)
    findings: dict[Finding, None] = dataclasses.field(default_factory=dict)

    def live_through(self, day: date) -> None:
        """Live through the sessions up to a day."""
        for done in self.walk.through(self.since, day):
            self.findings |= dict.fromkeys(done.findings)
            for record in done.records:
                if record.kind is Kind.FACTS and record.data["what"] == FEATURES:
                    self.noted.setdefault(record.position, record)
        self.since = day + timedelta(days=1)
        self._keep_parts()

    def _keep_parts(self) -> None:
        """Keep the trade's state: the next session forgets closed ones."""
        for each in () if self.walk.state is None else self.walk.state.positions.by_id.values():
            first = next(iter(self.parts), each.id)
            if each.opened_at is not None and each.entered_as == first:
                self.parts[each.id] = each


def of_days(asked: MinuteSamplingOptions, days: Sequence[date]) -> MinuteSamples:
    """Return what came of the minutes of some sessions, each trade followed to its end. Raises: MisuseError."""
    (bot,) = asked.desk.unpacked().bots.values()
    source, calendar, last = SharedSource(asked.opens()), asked.calendar(), days[-1]
    programs: dict[time, Program] = {}
    rows: list[Sample] = []
    open_worlds: list[_World] = []
    tried = entered = 0
    for day in source.dates(days[0], asked.last):
        if day > last and not open_worlds:
            break
        if not source.can_read(day):
            continue
        for at in minutes_of(bot, day, asked.every) if day <= last else ():
            clock = at.astimezone(EXCHANGE_ZONE).time()
            if clock not in programs:
                programs[clock] = streaming(_program(at_minute(bot, clock), asked.lines), asked.sampling)
            sampler = Sampler(programs[clock], asked.sampling)
            walk = BacktestSimulation(programs[clock], source, calendar, asked.fills, CASH, sampler=sampler)
            open_worlds.append(_World(walk, day))
            tried += 1
        worlds, open_worlds = open_worlds, []
        for world in worlds:
            is_fresh = world.since == day and world.walk.state is None
            world.live_through(day)
            source.findings |= world.findings
            if not world.parts:
                continue
            entered += is_fresh
            if any(part.state != "closed" for part in world.parts.values()):
                open_worlds.append(world)
            else:
                rows.append(_sample(world))
    return MinuteSamples(tried=tried, entered=entered, rows=tuple(rows), findings=tuple(source.findings))


def minutes_of(bot: CompiledBot, day: date, every: int) -> Iterator[datetime]:
    """Yield every n-th minute of each of the bot's windows of a session, from its start on."""
    session = session_on(day)
    if session is None:
        return
    for start, end in bot.windows(session):
        at = start
        while at < end:
            if session.is_on(at):
                yield at
            at += every * MINUTE


def at_minute(bot: CompiledBot, clock: time) -> CompiledBot:
    """Return the bot that enters once at this minute of the day, without its conditions."""
    plan = bot.plan
    offset = timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second)
    entry = dataclasses.replace(
        plan.entry,
        windows=(Window(start=DayTime(Anchor.CLOCK, offset), lasts=MINUTE.total_seconds()),),
        days=(),
        every=None,
        once=False,
        per_day=1,
        per_week=None,
        max_open=1,
        again=None,
        when=(),
    )
    risk = dataclasses.replace(plan.risk, halt_when=(), day=DayBounds())
    require = tuple(rule for rule in plan.require if not any(each.measure == "model" for each in calls_of(rule.test)))
    return compile_bot(dataclasses.replace(plan, entry=entry, risk=risk, require=require))


def _program(bot: CompiledBot, lines: int) -> Program:
    return Program(bots={bot.plan.name: bot}, pinned={}, limits=AccountLimits(), install=INSTALL, line_limit=lines)


def _sample(world: _World) -> Sample:
    """Return what came of a trade that is over, with all that it was rolled into."""
    first, *_ = parts = [*world.parts.values()]
    noted = world.noted[first.id]
    values = tuple(None if each is None else float(each) for each in _list(noted.data["value"]))
    net = sum((part.net for part in parts), ZERO)
    return Sample(
        entered=noted.at,
        left=max(noted.at, *(part.closed_at for part in parts if part.closed_at is not None)),
        values=values,
        net=float(net) / opened_count(first),
        in_shares=any(part.is_in_shares for part in parts),
    )


def _list(value: Json) -> Sequence[Any]:
    assert isinstance(value, list)
    return value

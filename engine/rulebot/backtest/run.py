"""One backtest from its options to a store: sessions run here or concurrently, recorded in their order.

A session's records are written in one piece, so an interrupted backtest has whole sessions, and can continue. One
process or several: the records are the same.
"""

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from rulebot.adapters.history import session as finding
from rulebot.adapters.history.session import Finding, Source, day_of_name
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.backtest.fill_model import ACCOUNT, NATURAL, RECORDED, FillModel
from rulebot.backtest.historical_feed import check_brought, empty_day, keep_marks
from rulebot.backtest.historical_market import gaps_of
from rulebot.backtest.look_ahead import is_independent
from rulebot.backtest.recorded_simulation import RecordedSimulation
from rulebot.backtest.sampling import FINDING, HELD, SPLIT, Sampler, SamplingOptions, streaming
from rulebot.backtest.simulated_broker import SimulatedBroker, WorkingOrder, average_cost, paid_so_far
from rulebot.backtest.simulation import BEFORE_OPEN, CASH, BacktestSimulation, SimulatedDay
from rulebot.calendars.calendars import event_digests, load_calendar
from rulebot.core.program import Program
from rulebot.documents.load_bots import LoadedBots, compile_text, limits_as_json, sources_as_json, specs_as_json
from rulebot.model.collector import with_rare_collection
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.errors import InvariantError, MisuseError, StoreError
from rulebot.model.facts import EventCalendar
from rulebot.model.loss_bound import DELIVERING, shares_delivered
from rulebot.model.money import ZERO
from rulebot.model.order import OrderStatus
from rulebot.model.session import Session, at_exchange_time, session_from, session_on, sessions_before
from rulebot.model.values import dataclass
from rulebot.process.processes import TRIED, code_digest, is_sooner, release, several
from rulebot.record.record import Json, Kind, Record
from rulebot.recovery.resume import resume_from
from rulebot.store.journal import SqlJournal
from rulebot.store.patient_journal import PatientJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import is_there, open_store

# --- What one of each contract of a pretended account has cost, read again from the store that is all its memory


def costs_on_record(journal: SqlJournal | PatientJournal, options: Iterable[Option]) -> dict[Contract, Decimal]:
    """Return what one of these options, and of the shares that came by them or as legs, has cost on average.

    Units: dollars, as `average_cost` has them, of all positions together, as an account has them.
    """
    known = {str(option): option for option in options}
    if not known:
        return {}
    charged = _charged(journal)
    costs, held, legs = dict[Contract, Decimal](), dict[Contract, int](), dict[tuple[str, str], Option]()

    def move(contract: Contract, count: int, paid: Decimal) -> None:
        before = held.get(contract, 0)
        costs[contract] = average_cost(before, costs.get(contract, ZERO), count, paid)
        held[contract] = before + count

    for record in journal.read((Kind.FILL, Kind.SETTLEMENT)):
        data = record.data
        leg = record.position, str(data["leg"])
        if record.kind is Kind.FILL and (option := known.get(str(data["contract"]))) is not None:
            legs[leg] = option
            count, paid = _dealt(data, option)
            commission = charged.get(str(data["exec_id"]), ZERO)
            move(Underlying(option.symbol) if option.is_share else option, count, paid + commission)
        elif record.kind is Kind.SETTLEMENT and (option := legs.get(leg)) is not None and not option.is_share:
            count, premium = held.pop(option, 0), costs.pop(option, ZERO)  # all of it goes at once, of every position
            if count and data["how"] in DELIVERING and not Decimal(str(data["price"])):
                shares = shares_delivered(option, count)
                move(Underlying(option.symbol), shares, option.strike * shares + premium * count)
    return {contract: cost for contract, cost in costs.items() if held[contract]}


def _dealt(fill: Mapping[str, Any], option: Option) -> tuple[int, Decimal]:
    """Return the contracts of a fill, - sold, and the dollars paid for them."""
    count = int(fill["quantity"]) * (1 if fill["is_buy"] else -1)
    return count, Decimal(str(fill["price"])) * count * option.multiplier


def _charged(journal: SqlJournal | PatientJournal) -> dict[str, Decimal]:
    """Return each execution's cost besides its price, in dollars."""
    reported = journal.read((Kind.COMMISSION,))
    return {str(record.data["exec_id"]): Decimal(str(record.data["amount"])) for record in reported}


# --- Continuing a backtest after an interruption


def resume_backtest(walk: BacktestSimulation, journal: SqlJournal, first: date, last: date) -> None:
    """Start a walk where the store ends, before the first session up to `last` that it will live through.

    Raises: StoreError.
    """
    session = session_from(first)
    _take_up(walk, journal, session)
    if not walk.holds_something():  # then sessions without data are passed by
        days = walk.source.dates(first, last)
        simulated = next((day for day in days if _can_read(walk, day)), None)
        if simulated != session.date:
            _take_up(walk, journal, None if simulated is None else session_on(simulated))
    if walk.state is not None and walk.broker is not None:
        walk.begin(walk.state, walk.broker, walk.now)
        walk.is_taken_up = True


def _can_read(walk: BacktestSimulation, day: date) -> bool:
    try:
        walk.source.day(day)
    except StoreError:
        return False
    return True


def _take_up(walk: BacktestSimulation, journal: SqlJournal, session: Session | None) -> None:
    """Give a walk what engine and broker had at the end of the store, as of shortly before a session; None: nothing."""
    if session is None:
        walk.state, walk.broker = None, None
        return
    walk.now = at = session.open - BEFORE_OPEN
    found = resume_from(journal.recall(at), at, walk.board, walk.calendar)
    walk.go_on_with({text.digest: compile_text(text) for text in found.texts})
    broker = walk.broker_of(session, _cash(journal))
    shares, broker.costs = _shares(journal)
    broker.holdings = dict(shares.items())
    walk.shares = {share.symbol: (count, broker.costs.get(share, ZERO)) for share, count in shares.items()}
    walk.splits = _splits(journal)
    for position in found.state.positions.by_id.values():
        for leg in position.legs:
            if leg.held and not leg.option.is_share:
                broker.holdings[leg.option] = broker.holdings.get(leg.option, 0) + leg.signed_held
    broker.costs |= costs_on_record(journal, (each for each in broker.holdings if isinstance(each, Option)))
    for ref in found.state.orders.live:
        order = found.state.orders.by_ref[ref]
        if order.status is not OrderStatus.WORKING:
            raise StoreError(f"the order {ref} was neither working nor over at the end of its session")
        broker.working[ref] = WorkingOrder(order, at, order.filled, is_resting=True, average=order.average_price)
    broker.paid = paid_so_far(found.state)
    walk.marks = _marks(walk, broker, _started(journal), session.date)
    walk.state, walk.broker = found.state, broker


def _cash(journal: SqlJournal) -> Decimal:
    reported = [record.data["cash"] for record in journal.read((Kind.ACCOUNT,))]
    if not reported:
        raise StoreError("the store does not say what the account had")
    return Decimal(str(reported[-1]))


def _shares(journal: SqlJournal) -> tuple[dict[Underlying, int], dict[Contract, Decimal]]:
    """Return the shares that the account held at the end of the last session, and what one has cost in dollars."""
    found: dict[Underlying, int] = {}
    costs: dict[Contract, Decimal] = {}
    for record in journal.read((Kind.FACTS,)):
        if record.data["what"] == HELD:
            share = Underlying(str(record.data["symbol"]))
            found[share] = int(str(record.data["value"]))
            costs[share] = Decimal(str(record.data.get("cost", 0)))
    held = {share: count for share, count in found.items() if count}
    return held, {share: costs[share] for share in held if costs[share]}


def _splits(journal: SqlJournal) -> dict[str, tuple[date, ...]]:
    """Return the sessions from which on shares that were held are those of after a split."""
    found: dict[str, tuple[date, ...]] = {}
    for record in journal.read((Kind.FACTS,)):
        if record.data["what"] == SPLIT:
            symbol = str(record.data["symbol"])
            found[symbol] = (*found.get(symbol, ()), date.fromisoformat(str(record.data["value"])))
    return found


def _started(journal: SqlJournal) -> date:
    """Return the first session that was run."""
    return date.fromisoformat(str(next(iter(journal.read((Kind.SESSION,)))).data["date"]))


def _marks(walk: BacktestSimulation, broker: SimulatedBroker, begun: date, first: date) -> dict[Contract, float]:
    """Return the last value of holdings, each by the last session before this one with a price of it.

    Shares without any are worth their purchase price. begun: the first session.
    """
    found: dict[Contract, float] = {}
    left = {contract: count for contract, count in broker.holdings.items() if count}
    if not left:
        return found
    there = frozenset(walk.source.dates(begun, first - timedelta(days=1)))
    for session in takewhile(lambda each: each.date >= begun, sessions_before(first)):
        try:
            day = walk.source.day(session.date) if session.date in there else empty_day(session)
        except StoreError:  # a session that was refused
            day = empty_day(session)
        keep_marks(found, left, session, day, walk.source, walk.far)
        left = {contract: count for contract, count in left.items() if contract not in found}
        if not left:
            break
    costs = {share: broker.costs[share] for share in left if share in broker.costs}
    return found | {share: float(cost) for share, cost in costs.items()}


# --- One backtest from its options to a store

INSTALL = "bt"
LAG = timedelta(days=36_500)
"""Records wait until a session is over: nothing leaves for a broker that could be lost."""
NUMBERS = 100_000
"""Orders that a session may have, where sessions are apart and have numbers of their own; a bot may send a thousand."""
_SAME = ("data", "from", "fills", "cash", "shares", "lines", "features", "place")
"""Settings of a backtest with which it is gone on alone."""
_FIRST = date(2000, 1, 1).toordinal()

Opens = Callable[[], Source]
Progress = Callable[[SimulatedDay, int, int], None]


def _no_files(last: date) -> Mapping[str, Sequence[int]]:
    """Return nothing: the origin of the data is unknown."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestOptions:
    """The options of a backtest. opens: opens the source in each process. workers: processes at most.

    elapsed: monotonic seconds, by which other processes start once that saves time; None: they start at once. sampling:
    which features of entries are noted, None: none. files: fingerprints of the files that sessions up to a day are made
    of, by path. shares: those of each symbol in the account at the start, paid for out of `cash`.
    """

    opens: Opens
    data: str
    first: date
    last: date
    store: Path
    fills: FillModel = NATURAL
    cash: Decimal = CASH
    lines: int = 90
    workers: int = 1
    elapsed: Callable[[], float] | None = None
    resumes: bool = False
    calendar: Callable[[], EventCalendar] = field(default=load_calendar)
    sampling: SamplingOptions | None = None
    files: Callable[[date], Mapping[str, Sequence[int]]] = field(default=_no_files)
    shares: tuple[tuple[str, int], ...] = ()


def run_backtest(desk: LoadedBots, options: BacktestOptions, reported: Progress) -> None:
    """Run all sessions and keep the records in the store; `reported` gets each session and the count.

    Raises: MisuseError for an existing or unsuitable store, StoreError.
    """
    source = _opened(options)
    program = _program(desk, options)
    started = _start_record(desk, program, source, options)
    first = _goes_on_at(options, started)
    _check_resumed(program, options, first)
    days = source.dates(first, options.last)
    if not days and not source.dates(options.first, options.last):
        raise MisuseError(f"{source.name} has no session from {options.first} to {options.last}")
    if first == options.first and days:
        check_brought(source, dict(options.shares), options.cash, days[0])
    known, restarted = _known_findings(options.store), tuple(_rewritten(options, first))
    with closing(SqlJournal(open_store(options.store), lag=LAG)) as journal, with_rare_collection():
        ended = _begin(first)
        lacks = gaps_of(tuple(program.bots.values()), source, options.first, options.last)
        gaps = [_found(ended, gap) for gap in (*lacks, *restarted)]
        of_before = {finding for _, finding in known}
        news = [each for each in gaps if _of_finding(each) not in of_before]
        journal.append([replace(started, at=ended), *news], durable=True)
        for done in _sessions(desk, program, source, options, first, journal):
            found = [_found(_begin(done.date), finding) for finding in done.findings]
            records = [*(each for each in found if (each.at, _of_finding(each)) not in known), *done.records]
            journal.append(records, durable=False)
            ended = max((record.at for record in done.records), default=ended)
            reported(done, bisect_right(days, done.date), len(days))  # some of those without data are run too
        journal.append(
            [Record(ended, Kind.RUN_ENDED, data={"reason": "the last session", "is_clean": True})], durable=True
        )


def _check_resumed(program: Program, options: BacktestOptions, first: date) -> None:
    if first != options.first and options.fills == RECORDED and not is_independent(program):
        raise MisuseError(
            "--resume cannot know which orders of the recording are followed over a night", "begin in another --store"
        )


def _opened(options: BacktestOptions) -> Source:
    """Return the data. Raises: MisuseError where recorded fills are asked for and it has none."""
    if options.fills == RECORDED and options.shares:
        text = "--shares goes with fills of a model: with --fills recorded the account is the recorded one"
        raise MisuseError(text, "leave --fills out")
    source = options.opens()
    if options.fills == RECORDED and not isinstance(source, RecordingSource):
        raise MisuseError(f"{source.name} has no recorded fills", "--fills recorded needs --data tapes:FOLDER")
    return source


def simulations_of(desk: LoadedBots, options: BacktestOptions) -> Callable[[Source], BacktestSimulation]:
    """Return what makes the walk of this backtest over a source. Raises: MisuseError."""
    program = _program(desk, options)
    return lambda source: _walk(program, source, options)


def _program(desk: LoadedBots, options: BacktestOptions) -> Program:
    program = desk.program(INSTALL, {}, options.lines)
    return program if options.sampling is None else streaming(program, options.sampling)


def _walk(program: Program, source: Source, options: BacktestOptions) -> BacktestSimulation:
    sampler = None if options.sampling is None else Sampler(program, options.sampling)
    if isinstance(source, RecordingSource) and options.fills == RECORDED:
        return RecordedSimulation(program, source, options.calendar(), options.fills, options.cash, sampler=sampler)
    brought = dict(options.shares)
    return BacktestSimulation(
        program, source, options.calendar(), options.fills, options.cash, sampler=sampler, brought=brought
    )


def _sessions(
    desk: LoadedBots, program: Program, source: Source, options: BacktestOptions, first: date, journal: SqlJournal
) -> Iterator[SimulatedDay]:
    if first > options.last:
        return
    if is_independent(program, options.shares):
        yield from _apart(desk, program, source, options, first)
        return
    walk = _walk(program, source, options)
    if first != options.first:
        resume_backtest(walk, journal, first, options.last)
    yield from walk.through(first, options.last)


# ---------------------------------------------------------------- sessions apart from each other


def _apart(
    desk: LoadedBots, program: Program, source: Source, options: BacktestOptions, first: date
) -> Iterator[SimulatedDay]:
    days = source.dates(first, options.last)
    workers = min(options.workers, len(days))
    at_once = workers > 1 and options.elapsed is None
    simulated = (
        0 if at_once else (yield from _replayed_here(_walk(program, source, options), days, workers, options.elapsed))
    )
    if simulated < len(days):
        yield from _shared_out(desk, options, days[simulated:])


def _replayed_here(
    walk: BacktestSimulation, days: Sequence[date], workers: int, elapsed: Callable[[], float] | None
) -> Generator[SimulatedDay, None, int]:
    """Yield sessions run in this process, until several would be faster; return how many there were."""
    since = 0.0
    for simulated, day in enumerate(days):
        if elapsed is not None and workers > 1:
            if simulated == 1:
                since = elapsed()
            elif simulated >= TRIED and is_sooner(
                (elapsed() - since) / (simulated - 1) * (len(days) - simulated), workers
            ):
                return simulated
        yield from run_session_alone(walk, day)
    return len(days)


def _shared_out(desk: LoadedBots, options: BacktestOptions, days: Sequence[date]) -> Iterator[SimulatedDay]:
    made = partial(_begin_worker, desk.packed(), options.calendar(), replace(options, elapsed=None))
    workers = min(options.workers, len(days))
    with several(workers, made) as pool:
        for done in pool.map(_in_worker, days, chunksize=max(1, min(20, len(days) // (4 * workers)))):
            yield from done


def run_session_alone(walk: BacktestSimulation, day: date) -> Iterator[SimulatedDay]:
    """Yield one session, run as if there had been none before it, with its own numbers and ids.

    Raises: InvariantError where it has more orders than numbers.
    """
    first = (day.toordinal() - _FIRST) * NUMBERS + 1
    walk.renew(first)
    yield from walk.through(day, day)
    if walk.state is not None and walk.state.orders.next_number > first + NUMBERS:
        raise InvariantError(f"{day}: more than {NUMBERS:,} orders, whose numbers are those of the next session")


_worker: list[BacktestSimulation] = []
"""The walk of a process that lives sessions through for another one."""


def _begin_worker(packed: LoadedBots, calendar: EventCalendar, options: BacktestOptions) -> None:
    options = replace(options, calendar=lambda: calendar)
    _worker[:] = [_walk(_program(packed.unpacked(), options), options.opens(), options)]


def _in_worker(day: date) -> list[SimulatedDay]:
    return list(run_session_alone(_worker[0], day))


# ---------------------------------------------------------------- the store


def _begin(day: date) -> datetime:
    return at_exchange_time(day, time())


def _found(at: datetime, finding: Finding) -> Record:
    data: dict[str, Json] = {
        "symbol": "",
        "what": FINDING,
        "value": finding.count,
        "file": finding.file,
        "row": finding.row,
        "severity": finding.severity.value,
        "text": finding.text,
    }
    return Record(at, Kind.FACTS, data=data)


def _of_finding(record: Record) -> tuple[Json, ...]:
    return tuple(record.data[name] for name in ("file", "row", "severity", "text", "value"))


def _known_findings(store: Path) -> frozenset[tuple[datetime, tuple[Json, ...]]]:
    """Return the earlier findings of a continued backtest: each is reported once, whenever it was interrupted."""
    if not is_there(store):
        return frozenset()
    with StoreReader(store) as reader:
        reported = [each for each in reader.records((Kind.FACTS,)) if each.data["what"] == FINDING]
    return frozenset((each.at, _of_finding(each)) for each in reported)


def _rewritten(options: BacktestOptions, first: date) -> Iterator[Finding]:
    """Return the files that sessions before one came of and that are others now: those sessions stay as they are."""
    if first == options.first or not is_there(options.store):
        return
    with StoreReader(options.store) as reader:
        begun = reader.records((Kind.RUN_STARTED,))[-1].data
    before, until = begun.get("files"), begun.get("files_until")
    if not isinstance(before, dict) or not isinstance(until, str):
        return
    now, earlier = options.files(date.fromisoformat(until)), options.files(first - timedelta(days=1))
    for file, state in before.items():
        day = day_of_name(Path(file).name)
        is_earlier = file in earlier or day is None or day < first  # that of many days may be named after a later one
        if now.get(file) != state and is_earlier:
            text = f"it has changed or grown since: sessions before {first} came of it as it was, and stay so"
            yield finding.finding_text(file, 0, text)


def _start_record(desk: LoadedBots, program: Program, source: Source, options: BacktestOptions) -> Record:
    settings: dict[str, Json] = {
        "mode": "backtest",
        "data": options.data,
        "source": source.name,
        "is_modelled": source.is_modelled,
        "from": options.first.isoformat(),
        "to": options.last.isoformat(),
        "fills": options.fills.name,
        "cash": str(options.cash),
        "lines": options.lines,
        "sessions_apart": is_independent(program, options.shares),
    }
    if options.shares:
        settings["shares"] = dict(options.shares)
    if options.sampling is not None:
        settings |= {"features": [*options.sampling.features], "place": options.sampling.place}
    until = (*source.dates(options.first, options.last)[-1:], options.last)[0]
    data: dict[str, Json] = {
        "version": release(),
        "code": code_digest(),
        "specs": specs_as_json(desk),
        "sources": sources_as_json(desk),
        "limits": limits_as_json(desk),
        "events": {**_event_digests(program, options.calendar)},
        "settings": settings,
        "account": ACCOUNT,
        "install": INSTALL,
        "epoch": 1,
        "session": session_from(options.first).date.isoformat(),
        "lockstep": True,
        "simulated": True,
        "files": {file: [*state] for file, state in options.files(until).items()},
        "files_until": until.isoformat(),
    }
    return Record(_begin(options.first), Kind.RUN_STARTED, data=data)


def _event_digests(program: Program, calendar: Callable[[], EventCalendar]) -> dict[str, str]:
    """Return fingerprints of the dates of events that a bot asks for, by name."""
    names = {name for bot in program.bots.values() for name in bot.plan.needs.events}
    return event_digests(calendar(), names) if names else {}


def _goes_on_at(options: BacktestOptions, started: Record) -> date:
    """Return the first session that is not in the store yet. Raises: MisuseError, StoreError."""
    if not is_there(options.store):
        return options.first
    if not options.resumes:
        raise MisuseError(
            f"{options.store} is there already",
            "another --store starts from the beginning; --resume continues an interrupted backtest",
        )
    with StoreReader(options.store) as reader:
        if reader.last_at() is None:  # ended before it wrote anything
            return options.first
        before = reader.records((Kind.RUN_STARTED,))
        simulated = reader.records((Kind.SESSION,))
    if not before:
        raise StoreError(f"{options.store} holds no backtest")
    _check_same(before[0], started, options.store)
    if not simulated:
        return options.first
    return date.fromisoformat(str(simulated[-1].data["date"])) + timedelta(days=1)


def _check_same(before: Record, now: Record, store: Path) -> None:
    """Refuse to continue a backtest with other options. Raises: MisuseError."""
    was, asked = _what_counts(before), _what_counts(now)
    differ = [name for name in asked if was.get(name) != asked[name]]
    if differ:
        reported = ", ".join(_distinct_text(name, was.get(name), asked[name]) for name in differ)
        raise MisuseError(f"{store} was begun with other options: {reported}", "begin again in another --store")


def _distinct_text(name: str, was: object, now: object) -> str:
    """Return how an option differs; of the texts of bots by the first letters of their digests."""
    if name == "code":
        return "the code of rulebot is another one"
    if not isinstance(was, dict) or not isinstance(now, dict):
        return f"{name} {was}, now {now}"
    differ = [each for each in {**was, **now} if was.get(each) != now.get(each)]
    if name == "events":
        return f"other dates of {', '.join(differ)} were known"
    return ", ".join(f"{each} {_short(was.get(each))}, now {_short(now.get(each))}" for each in differ)


def _short(value: object) -> str:
    return "none" if value is None else str(value)[:8]


def _what_counts(record: Record) -> dict[str, object]:
    settings, specs = record.data.get("settings"), record.data.get("specs")
    assert isinstance(specs, dict)
    if not isinstance(settings, dict) or settings.get("mode") != "backtest":
        raise MisuseError("this store was written by a run, not by a backtest", "name another --store")
    reported = {name: settings.get(name) for name in _SAME}
    digests = {name: text["digest"] for name, text in specs.items() if isinstance(text, dict)}
    program = {name: record.data.get(name) for name in ("version", "code")}
    others = {name: record.data.get(name) or {} for name in ("limits", "events")}
    return {**reported, **program, "specs": digests, **others}

"""Goals 4 to 6, memory and growth: one quote to a decision, the engine beside a program for this one task."""

import asyncio
import math
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.engine_desk import EngineDesk, compiled, contracts
from benchmarks.measure import Goal, Rounds, alternate, quantile, quiet_collector
from benchmarks.prototype import Prototype, Trade
from benchmarks.task import Task, variants
from benchmarks.workload import Day, make_day
from rulebot.core.program import Program

MANY = 50
ROUNDS = 5


@dataclass
class Timed:
    """Nanoseconds of every quote of a day, and the trades that came of it."""

    spent: list[int]
    trades: list[Trade]
    unsold: frozenset[str] = frozenset()

    def microseconds(self, part: float) -> float:
        """Return a quantile."""
        return quantile(self.spent, part) / 1e3

    @property
    def mean(self) -> float:
        """Microseconds of a quote on average."""
        return sum(self.spent) / len(self.spent) / 1e3


def by_hand(day: Day, tasks: list[Task]) -> Timed:
    """Run the prototype over a day."""
    desk, spent, clock = Prototype(tasks), [], time.perf_counter_ns
    event = desk.event
    for minute, ticks in enumerate(day.minutes):
        started = clock()
        desk.minute(minute)
        spent.append(clock() - started)
        for kind, row, bid, ask, delta, _, _ in ticks:
            started = clock()
            event(kind, row, bid, ask, delta)
            spent.append(clock() - started)
    return Timed(spent, sorted(desk.trades), frozenset(desk.unsold))


def by_engine(day: Day, program: Program) -> Timed:
    """Run the engine over a day."""
    desk, spent, clock = EngineDesk(program, day), [], time.perf_counter_ns
    event = desk.event
    for ticks in day.minutes:
        for kind, row, bid, ask, delta, at, seconds in ticks:
            started = clock()
            event(kind, row, bid, ask, delta, at, seconds)
            spent.append(clock() - started)
    return Timed(spent, desk.trades())


def measure() -> list[Goal]:
    """Return the goals of the turn."""
    day, tasks = make_day(), variants(MANY)
    one, many = compiled(tasks[:1]), compiled(tasks)
    seen: dict[str, Timed] = {}
    found = Rounds()

    def keep(name: str, timed: Timed) -> None:
        seen[name] = timed
        for part, label in ((0.5, "p50"), (0.99, "p99")):
            found.add(f"{name} {label}", timed.microseconds(part))
        found.add(f"{name} mean", timed.mean)

    with quiet_collector():
        decode = decoder()
        for _ in range(ROUNDS):
            keep("hand 1", by_hand(day, tasks[:1]))
            keep("engine 1", by_engine(day, one))
            keep("engine 50", by_engine(day, many))
            keep("hand 50", by_hand(day, tasks))
            found.add("decode", decode(day))
    same = _agree(seen["hand 50"], seen["engine 50"])
    _agree(seen["hand 1"], seen["engine 1"])

    def spent(*names: str) -> str:
        return ", ".join(f"{name} {found.median(name):.2f} us" for name in names)

    how = f"{day.events:,} single quotes of a day, board written and turn made, records kept; collector off for both"
    trades = f"trades of the task equal; of {MANY} bots {same} equal"
    return [
        Goal("4", "a turn, 1 bot, p50, beside the program by hand", how, found.ratio("engine 1 p50", "hand 1 p50"),
             floor=15, stretch=5, note=f"{spent('engine 1 p50', 'hand 1 p50')}; {trades}"),
        Goal("4", "the same, p99", how, found.ratio("engine 1 p99", "hand 1 p99"), floor=40, stretch=10,
             note=spent("engine 1 p99", "hand 1 p99")),
        Goal("5", "a turn, 50 bots x 240 options, p50, beside 1 bot", how,
             found.ratio("engine 50 p50", "engine 1 p50"), floor=2, stretch=1.2, note=spent("engine 50 p50")),
        Goal("5", "the same, p99", how, found.ratio("engine 50 p99", "engine 1 p99"), floor=3, stretch=1.5,
             note=f"{spent('engine 50 p99')}; by hand {found.ratio('hand 50 p99', 'hand 1 p99'):.1f}x"),
        Goal("6", "mean turn, 1 bot, beside ib_async's decoding of the same quotes",
             "tickPrice messages of the same quotes through its decoder, in process, a message",
             found.ratio("engine 1 mean", "decode"), floor=2.5, stretch=0.8, note=spent("engine 1 mean", "decode")),
    ]  # fmt: skip


def _agree(hand: Timed, engine: Timed) -> int:
    """Return how many trades are equal. Raises: AssertionError when others differ than those with an unsold wing."""
    differ = {trade[0] for trade in set(hand.trades) ^ set(engine.trades)}
    if not differ <= hand.unsold:
        raise AssertionError(f"the trades differ, and no wing without a bid is why: {sorted(differ - hand.unsold)}")
    return len(set(hand.trades) & set(engine.trades))


def decoder() -> Callable[[Day], float]:
    """Return a function that feeds a day to ib_async's decoder and returns microseconds a message."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    from ib_async import IB, Contract

    def decode(day: Day) -> float:
        ib = IB()
        ib.client.decoder.serverVersion = 178
        for row, each in enumerate(contracts(day)):
            ib.wrapper.startTicker(row + 1, Contract(conId=row + 1, symbol=each.symbol), "mktData")
        messages = [
            ["1", "6", str(tick.row + 1), kind, f"{price:.2f}", "10", "1"]
            for ticks in day.minutes[:60]
            for tick in ticks
            for kind, price in (("1", tick.bid), ("2", tick.ask))
        ]
        interpret: Callable[[list[str]], None] = ib.client.decoder.interpret
        pending = ib.wrapper.pendingTickers
        started = time.perf_counter()
        for message in messages:
            interpret(message)
            if len(pending) > 200:
                for ticker in pending:
                    ticker.ticks = []
                pending.clear()
        return (time.perf_counter() - started) / len(messages) * 1e6

    return decode


# ---------------------------------------------------------------- memory and growth


def measure_growth() -> list[Goal]:
    """Return memory per bot, and how time grows with what changes and with bots that are not concerned."""
    return [_memory(), _slope_of_changes(), _slope_of_bots()]


def _memory() -> Goal:
    day, tasks = make_day(), variants(100)

    def held(count: int) -> int:
        tracemalloc.start()
        desk = EngineDesk(compiled(tasks[:count]), day)
        for ticks in day.minutes[:120]:
            for tick in ticks:
                desk.event(*tick)
            desk.records.clear()  # the trace is on disk by then
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return size

    held(1)  # what is loaded once
    one, hundred = held(1), held(100)
    each = (hundred - one) / 99 / 1024
    how = "tracemalloc after two hours, 1 and 100 bots, program included, records written off"
    return Goal("16", "memory of a further bot", how, each, "KiB", floor=16, stretch=4)


def _slope_of_changes() -> Goal:
    program = compiled(variants(1))
    days = {part: make_day(changed=part) for part in (0.1, 0.3, 1.0)}
    with quiet_collector():
        found = alternate({str(part): _day_seconds(program, day) for part, day in days.items()}, 3, warm_up=False)
    points = [(days[part].events, found.median(str(part))) for part in days]
    how = "a day's time, 10, 30 and 100 % of 240 options quoted a minute"
    note = "less than proportional: what goes by the clock outweighs what a quote costs"
    what = "growth with the quotes that change (slope, log to log)"
    return Goal("19", what, how, slope(points), "", floor=1.1, least=0.9, note=note)


def _slope_of_bots() -> Goal:
    day = make_day()
    idle = [Task(f"t_{number:03d}", first=350, last=355) for number in range(100)]
    programs = {count: compiled(idle[:count]) for count in (1, 10, 100)}
    with quiet_collector():
        found = alternate({str(n): _day_seconds(program, day) for n, program in programs.items()}, 3, warm_up=False)
    points = [(count, found.median(str(count))) for count in programs]
    how = "a day's time, 1, 10 and 100 bots whose windows come at its end"
    return Goal("19", "growth with bots that a quote does not concern (slope)", how, slope(points), "", floor=0.3,
                stretch=0.1)  # fmt: skip


def _day_seconds(program: Program, day: Day) -> Callable[[], float]:
    until = 330  # before the idle bots' windows, with what they are streamed for

    def run() -> float:
        desk = EngineDesk(program, day)
        started = time.perf_counter()
        for ticks in day.minutes[:until]:
            for tick in ticks:
                desk.event(*tick)
        return time.perf_counter() - started

    return run


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the least-squares slope of the logarithms."""
    xs, ys = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)

"""Sessions quote by quote, from files that every engine reads: our live path over them, and the task by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks.engine_desk import EngineDesk
from benchmarks.past import REASONS, one_day
from benchmarks.peer import Trade
from benchmarks.prototype import Prototype
from benchmarks.prototype import Trade as Named
from benchmarks.quotes import SPX_ROW, VIX_ROW, Session, at_levels, read_ticks, write_ticks
from benchmarks.task import Task
from benchmarks.workload import DAY, MINUTES, OPTION, SPX, VIX, Day, Tick, make_day
from rulebot.core.program import Program
from rulebot.model.session import session_on

KINDS = {SPX_ROW: SPX, VIX_ROW: VIX}


def make_ticks(folder: Path, seeds: Sequence[int]) -> None:
    """Write sessions of the turn's workload."""
    for seed in seeds:
        day = make_day(seed)
        ticks = [tick for minute in day.minutes for tick in minute]
        session = Session(
            name=f"{seed}",
            opened=round(day.session.open.timestamp()) * 10**9,
            strikes=np.array([float(strike) for strike in day.strikes]),
            at=np.array([round(tick.seconds * 1e6) * 1000 for tick in ticks]),
            row=np.array([tick.row for tick in ticks], np.int16),
            bid=np.array([tick.bid for tick in ticks]),
            ask=np.array([tick.ask for tick in ticks]),
            delta=np.array([tick.delta for tick in ticks]),
        )
        write_ticks(session, folder / f"{seed}.parquet")


def day_of(file: Path) -> Day:
    """Return a session as the turn's workload has it."""
    read = read_ticks(file)
    session = session_on(DAY)
    assert session is not None
    minutes: list[list[Tick]] = [[] for _ in range(MINUTES)]
    columns = (
        read.row,
        read.bid,
        read.ask,
        read.delta,
        read.at // 1000 / 1e6,
        (read.at - read.opened) // 60_000_000_000,
    )
    for row, bid, ask, delta, seconds, minute in zip(*(column.tolist() for column in columns), strict=True):
        at = datetime.fromtimestamp(seconds, UTC)
        minutes[minute].append(Tick(KINDS.get(row, OPTION), row, bid, ask, delta, at, seconds))
    strikes = tuple(Decimal(int(strike)) for strike in read.strikes.tolist())
    return Day(session, strikes, tuple(map(tuple, minutes)))


def live(file: Path, program: Program) -> list[Trade]:
    """Return the trades of the engine that is told every quote of a file: board, turn, orders, fills and trace."""
    day = day_of(file)
    desk = EngineDesk(program, day)
    event = desk.event
    for minute in day.minutes:
        for tick in minute:
            event(*tick)
    return [_of(file, trade) for trade in desk.trades()]


def by_prototype(file: Path, task: Task) -> list[Trade]:
    """Return the trades by hand, judged at every quote. Raises: AssertionError for a wing that nobody bid for."""
    desk = Prototype([task])
    for number, minute in enumerate(day_of(file).minutes):
        desk.minute(number)
        for kind, row, bid, ask, delta, _, _ in minute:
            desk.event(kind, row, bid, ask, delta)
    assert not desk.unsold, f"{file.name}: a wing without a bid is left to expire by some, and sold at 0 by others"
    return [_of(file, trade) for trade in desk.trades]


def by_levels(file: Path, task: Task) -> list[Trade]:
    """Return the trades by hand, judged whenever VIX is quoted."""
    read = read_ticks(file)
    bid, ask, delta = at_levels(read, read.bid, read.ask, read.delta)
    return one_day(file.stem, bid, ask, delta, read.bid[read.row == VIX_ROW].tolist(), task)


def _of(file: Path, trade: Named) -> Trade:
    _, entered, left, reason, credit, cost = trade
    return (file.stem, entered, left, REASONS[reason], credit, cost)

"""Goals 7 and 17: the task over past sessions from Parquet, beside a program written for it alone; memory by days.

Both read the same files and judge once a minute. The trades must be equal (day, minutes of entry and exit, reason,
credit, cost), or the run fails. In this market every option has a bid, so that no wing is left to expire.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from math import sqrt
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as parquet

from benchmarks.anchors import environment
from benchmarks.engine_desk import compiled
from benchmarks.measure import Goal, Rounds, peak_memory, quiet_collector
from benchmarks.task import Task
from rulebot.adapters.history.chain_file import write_day
from rulebot.adapters.history.session import HistoryDay
from rulebot.adapters.sources import open_source
from rulebot.backtest.fill_model import NATURAL
from rulebot.backtest.run import run_session_alone
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.core.program import Program
from rulebot.model.black_columns import black, greeks
from rulebot.model.contract import Option, Right
from rulebot.model.facts import EventCalendar
from rulebot.model.session import session_on, sessions

ROUNDS, DAYS, FEW = 5, 20, 5
MINUTES, STRIKES, STEP = 390, 120, 5
FIRST = date(2025, 1, 2)
REASONS = {"too_dear": "stop", "cheap": "profit", "leg_delta": "delta", "time": "time"}
Trade = tuple[str, int, int, str, float, float]


def make_days(folder: Path, count: int) -> None:
    """Write so many whole sessions: an index, VIX, and 240 same-day options a minute."""
    every = sessions(FIRST, FIRST + timedelta(days=2 * count + 10))
    days = [each.date for each in every if each.close - each.open == timedelta(minutes=MINUTES)][:count]
    for number, day in enumerate(days):
        write_day(_day(day, np.random.default_rng(20_250_102 + number)), folder / f"{day}.parquet")


def as_others_write(folder: Path, to: Path) -> None:
    """Write the same sessions as other programs do: compressed by snappy, without columns of nothing or our notes."""
    for file in folder.glob("*.parquet"):
        table = parquet.read_table(file)
        nothing = [name for name in ("gamma", "theta", "vega") if name in table.column_names]
        parquet.write_table(table.drop_columns(nothing).replace_schema_metadata(None), to / file.name)


def _day(day: date, chance: np.random.Generator) -> HistoryDay:
    session = session_on(day)
    assert session is not None
    vix = np.round(17.0 + chance.normal(0, 3.0) + np.cumsum(chance.normal(0, 0.045, MINUTES)), 2)
    steps = chance.normal(0, 1, MINUTES) * vix / 100 * 0.85 / sqrt(252 * MINUTES)
    spot = np.round(5900.0 * np.exp(chance.normal(0, 0.01) + np.cumsum(steps)), 2)
    strikes = round(float(spot[0]) / STEP) * STEP + STEP * (np.arange(STRIKES) - STRIKES // 2)
    years = np.maximum(MINUTES - np.arange(MINUTES), 0.5)[:, None] / (MINUTES * 252.0)
    atm = vix[:, None] / 100 * 0.9
    away = np.clip(np.log(strikes[None, :] / spot[:, None]) / (atm * np.sqrt(years)), -6, 6)
    iv = atm * (1 - 0.045 * away + 0.018 * away**2)
    options, sides = [], []
    for right, sign in ((Right.CALL, 1.0), (Right.PUT, -1.0)):
        options += [Option("SPX", "SPXW", day, Decimal(int(strike)), right) for strike in strikes]
        signs = np.full((1, 1), sign)
        worth, _ = black(spot[:, None], strikes[None, :].astype(float), iv * np.sqrt(years), 1.0, signs)
        half = np.maximum(0.02, 0.012 * worth) * chance.uniform(0.7, 1.3, worth.shape)
        bid = np.maximum(np.round(np.floor((worth - half) / 0.05 + 1e-9) * 0.05, 2), 0.05)
        ask = np.maximum(np.round(np.ceil((worth + half) / 0.05 - 1e-9) * 0.05, 2), bid + 0.05)
        delta, *_ = greeks(spot[:, None], strikes[None, :].astype(float), years, iv, signs)
        sides.append((bid, np.round(ask, 2), np.round(delta, 6), iv))
    bid, ask, delta, volatility = (np.hstack(each) for each in zip(*sides, strict=True))
    none = np.full_like(bid, np.nan)  # the workload has iv and delta, and no other greeks
    times = session.open.timestamp() + 60.0 * np.arange(MINUTES, dtype=np.float64)
    levels = {"SPX": spot, "VIX": vix}
    return HistoryDay(
        date=day,
        times=times,
        levels=levels,
        options=tuple(options),
        bid=bid,
        ask=ask,
        iv=volatility,
        delta=delta,
        gamma=none,
        theta=none,
        vega=none,
    )


# ---------------------------------------------------------------- by hand


def by_hand(files: Sequence[Path], task: Task) -> list[Trade]:
    """Return the trades of the task, written for it alone: no orders, no records, no reasons."""
    found: list[Trade] = []
    for file in files:
        table = parquet.ParquetFile(file).read(columns=["strike", "bid", "ask", "delta"], use_threads=False)
        bid, ask, delta = (table.column(name).to_numpy().reshape(MINUTES, -1) for name in ("bid", "ask", "delta"))
        side = file.with_name(f"{file.stem}.levels.parquet")
        levels = parquet.ParquetFile(side).read(use_threads=False)
        vix = _vix(levels)
        found += one_day(file.stem, bid, ask, delta, vix, task)
    return found


def _vix(levels: "parquet.Table") -> list[float]:
    symbols = np.asarray(levels.column("symbol").to_pylist())
    values: list[float] = levels.column("level").to_numpy()[symbols == "VIX"].tolist()
    return values


def one_day(day: str, bid: np.ndarray, ask: np.ndarray, delta: np.ndarray, vix: list[float], task: Task) -> list[Trade]:
    """Return the trade of a session, judged once at each row of the columns: so many a minute, evenly."""
    held: tuple[int, int, int, int, float, int] | None = None
    often = len(vix) // MINUTES
    for place, level in enumerate(vix):
        b, a, d, minute = bid[place], ask[place], delta[place], place // often
        if held is None:
            if not task.first <= minute <= task.last or not task.vix_low <= level <= task.vix_high:
                continue
            call = int(np.abs(d[:STRIKES] - task.delta).argmin())
            put = STRIKES + int(np.abs(d[STRIKES:] + task.delta).argmin())
            far, low = call + task.wing, put - task.wing
            if far < STRIKES <= low:
                credit = float(b[call] + b[put] - a[far] - a[low])
                if credit >= task.credit - 1e-9:
                    held = (call, put, far, low, round(credit, 2), minute)
            continue
        call, put, far, low, credit, entered = held
        cost = float(a[call] + a[put] - b[far] - b[low])
        if cost >= task.stop * credit - 1e-9:
            reason = "stop"
        elif d[call] > task.leg_delta or -d[put] > task.leg_delta:
            reason = "delta"
        elif cost <= task.target * credit + 1e-9:
            reason = "profit"
        elif minute >= task.until:
            reason = "time"
        else:
            continue
        return [(day, entered, minute, reason, credit, round(cost, 2))]
    return []


# ---------------------------------------------------------------- by the engine


def by_engine(folder: Path, program: Program) -> tuple[list[Trade], int]:
    """Return the trades of the engine over the same files, and how many records it made."""
    source = open_source(f"parquet:{folder}")
    walk = BacktestSimulation(program, source, EventCalendar(), NATURAL, Decimal(1_000_000))
    found: list[Trade] = []
    records = 0
    for day in source.dates(FIRST, date(2026, 1, 1)):
        for done in run_session_alone(walk, day):
            records += len(done.records)
        found += trades_of(walk, day)
    return found, records


def trades_of(walk: BacktestSimulation, day: date) -> list[Trade]:
    """Return the trades of a session that was lived through alone."""
    session = session_on(day)
    assert session is not None
    assert walk.state is not None
    found: list[Trade] = []
    for each in walk.state.positions.by_id.values():
        if each.opened_at is None or each.closed_at is None or each.entry_price is None or each.exit_price is None:
            continue
        minutes = (int((at - session.open).total_seconds() // 60) for at in (each.opened_at, each.closed_at))
        numbers = (round(float(each.entry_price), 2), round(-float(each.exit_price), 2))
        found.append((f"{day}", *minutes, REASONS[each.exit_reason], *numbers))  # type: ignore[arg-type]
    return found


# ---------------------------------------------------------------- measured


def measure() -> list[Goal]:
    """Return the goals of backtests."""
    found, task = Rounds(), Task("t_000")
    program = compiled([task])
    with TemporaryDirectory() as place:
        many, few, plain = (Path(place) / name for name in ("many", "few", "plain"))
        for folder in (many, few, plain):
            folder.mkdir()
        make_days(many, DAYS)
        make_days(few, FEW)
        as_others_write(many, plain)
        hand, (engine, records) = by_hand(_chains(many), task), by_engine(many, program)
        for trades in (engine, by_engine(plain, program)[0], by_hand(_chains(plain), task)):
            if hand != trades:
                raise AssertionError(f"the trades differ: {sorted(set(hand) ^ set(trades))}")
        with quiet_collector():
            for _ in range(ROUNDS):
                for folder, what in ((many, ""), (plain, " of others")):
                    found.add(f"hand{what}", _seconds(partial(by_hand, _chains(folder), task)) / DAYS)
                    found.add(f"engine{what}", _seconds(partial(by_engine, folder, program)) / DAYS)
        for _ in range(3):
            found.add("memory of many", _memory(many))
            found.add("memory of few", _memory(few))

    def shown(*names: str) -> str:
        return ", ".join(f"{name} {found.median(name) * 1e3:.1f} ms a day" for name in names)

    how = f"{DAYS} sessions of {MINUTES} minutes x {2 * STRIKES} options from Parquet, read and lived through by a "
    how += "compiled spec"
    resident = f"{found.median('memory of many'):.0f} MB beside {found.median('memory of few'):.0f} MB"
    return [
        Goal("7", "a backtest, orders, fills and trace included, beside the program by hand", how,
             found.ratio("engine", "hand"), floor=5, stretch=2,
             note=f"{shown('engine', 'hand')}; {len(hand)} trades equal, {records:,} records"),
        Goal("7", "the same from files that others wrote: three greeks computed, nothing known of their order", how,
             found.ratio("engine of others", "hand of others"), note=shown("engine of others", "hand of others")),
        Goal("17", f"resident memory of {DAYS} sessions beside {FEW}", how,
             found.ratio("memory of many", "memory of few"), floor=1.1, stretch=1.02, note=resident),
    ]  # fmt: skip


def _chains(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.parquet") if ".levels" not in file.name)


def _seconds(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def _memory(folder: Path) -> float:
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "benchmarks.past", str(folder)]
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def main(folder: str) -> None:
    """Run the backtest of a folder and print the megabytes it took at most."""
    by_engine(Path(folder), compiled([Task("t_000")]))
    print(json.dumps(peak_memory()))


if __name__ == "__main__":
    main(sys.argv[1])

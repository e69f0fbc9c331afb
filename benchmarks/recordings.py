"""Recordings: bytes and time of a quote, and a replay beside the turns it repeats.

A quote is a row with bid, ask, delta and iv, 240 options a minute; the columns that nobody quotes stay empty. The same
quotes are written as Parquet in 32-bit floats, which lose digits where a recording loses none.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np

from benchmarks.measure import Goal, Rounds
from benchmarks.workload import MINUTES, OPTION, STRIKES, Day, make_day
from rulebot.adapters.recorded import recorder as recording_side
from rulebot.adapters.recorded.file import read_frames
from rulebot.adapters.recorded.recorder import Recorder
from rulebot.adapters.recorded.recording import open_recording
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import SimSettings, simulated
from rulebot.live.start import RunOptions, execute
from rulebot.model.collector import with_rare_collection
from rulebot.model.contract import Option, Right
from rulebot.model.event import MarketDataUpdated
from rulebot.model.market import Board
from rulebot.replay.replay import replay
from rulebot.spec.files import shipped

ROUNDS = 5
DAYS = 5
OPTIONS = 2 * STRIKES
BOTS = ("put_lite", "calm_tape_condor", "dte0_condor")
_NEVER = 1e9

Quotes = np.ndarray
"""Shape (minutes, options, 4): bid, ask, delta, iv."""


def measure() -> list[Goal]:
    """Return the goals of recordings."""
    found = Rounds()
    for seed in range(DAYS):
        day = make_day(seed=seed)
        quotes = _quotes(day)
        count = quotes.shape[0] * quotes.shape[1]
        with tempfile.TemporaryDirectory() as folder:
            seconds, size = _recorded(day, quotes, Path(folder) / "closed", every=_NEVER)
            found.add("closed", size / count)
            found.add("write", seconds / count * 1e6)
            found.add("open", _recorded(day, quotes, Path(folder) / "open", every=0.0)[1] / count)
            found.add("parquet", _parquet(quotes, Path(folder) / "f32.parquet") / count)
    for seed in range(3, 3 + ROUNDS):
        live, again = _replayed(seed)
        found.add("live", live)
        found.add("again", again)
    how = f"{DAYS} days of {MINUTES} minutes x {OPTIONS} options, every bit kept"
    beside = f"the same quotes as 32-bit Parquet, zstd, in this run: {found.median('parquet'):.1f}"
    return [
        Goal("18", "recording, a closed day", how, found.median("closed"), "bytes", 8.2, 4.0, note=beside),
        Goal("18", "recording, while it is open", "a frame a minute", found.median("open"), "bytes", 24.0, 12.0),
        Goal("18", "recording, in the loop's thread", how, found.median("write"), "us", 1.0, 0.5),
        Goal(
            "12",
            "replay of a recorded day, beside its own live turns",
            f"{', '.join(BOTS)}; reading and comparing included",
            found.ratio("again", "live"),
            floor=1.5,
            stretch=1.15,
        ),
    ]


def _quotes(day: Day) -> Quotes:
    """Return a day's quotes; iv is a smile over the strikes, six places as delta has."""
    quotes = np.full((len(day.minutes), OPTIONS, 4), np.nan)
    chance = np.random.default_rng(1)
    smile = 0.15 + 0.05 * np.linspace(-1, 1, STRIKES) ** 2
    for minute, ticks in enumerate(day.minutes):
        for tick in ticks:
            if tick.kind == OPTION:
                quotes[minute, tick.row, :3] = tick.bid, tick.ask, round(tick.delta, 6)
        quotes[minute, :, 3] = np.round(np.tile(smile, 2) * (1 + chance.normal(0, 0.01)), 6)
    return quotes


def _recorded(day: Day, quotes: Quotes, folder: Path, *, every: float) -> tuple[float, int]:
    """Record a day, `every` seconds a frame; return processor seconds of the calling thread, and the file's bytes."""
    board = Board()
    rows = [board.add(option) for option in _options(day)]
    usual, recording_side.FRAME_SECONDS = recording_side.FRAME_SECONDS, every
    try:
        recorder = Recorder(folder, {}, board, print)
        spent = 0.0
        for minute, values in enumerate(quotes):
            at = day.session.open + timedelta(minutes=minute)
            for column, name in enumerate(("bid", "ask", "delta", "iv")):
                target = getattr(board, name)
                for row, value in zip(rows, values[:, column].tolist(), strict=True):
                    target[row] = value
            for row in rows:
                board.quote_at[row] = at.timestamp()
            board.unread.update(rows)
            moved = MarketDataUpdated(at, tuple(rows))
            began = time.thread_time()
            recorder.took(moved, (), changed=True)
            spent += time.thread_time() - began
        size = 0 if every else sum(frame for frame in _frames(folder, recorder))
        recorder.close()
    finally:
        recording_side.FRAME_SECONDS = usual
    return spent, size or sum(file.stat().st_size for file in folder.iterdir())


def _frames(folder: Path, recorder: Recorder) -> Iterator[int]:
    """Yield the bytes of each frame of a file that is still written, before it is laid out smaller."""
    recorder.wait()
    for frame in read_frames(next(folder.glob("*.tape"))):
        yield len(frame.ops) + len(frame.numbers)


def _options(day: Day) -> Sequence[Option]:
    return [
        Option("SPX", "SPXW", day.session.date, strike, right)
        for right in (Right.CALL, Right.PUT)
        for strike in day.strikes
    ]


def _parquet(quotes: Quotes, file: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = quotes.reshape(-1, 4).astype(np.float32)
    columns = {name: flat[:, place] for place, name in enumerate(("bid", "ask", "delta", "iv"))}
    minute = np.repeat(np.arange(quotes.shape[0], dtype=np.int16), quotes.shape[1])
    option = np.tile(np.arange(quotes.shape[1], dtype=np.uint8), quotes.shape[0])
    pq.write_table(pa.table({"minute": minute, "option": option, **columns}), file, compression="zstd")
    return file.stat().st_size


def _replayed(seed: int) -> tuple[float, float]:
    """Return the seconds of a live day's turns, and of the replay of its recording."""
    with tempfile.TemporaryDirectory() as folder:
        desk = load_all_bots([str(shipped("specs") / f"{name}.yaml") for name in BOTS], {}, None)
        tapes = Path(folder) / "tapes"
        options = RunOptions(store=Path(folder) / "s.db", logs=None, sessions=1, install="b", tapes=tapes)
        world = simulated(SimSettings(seed=seed), 1)
        run = asyncio.run(execute(desk, options, world, lambda run: None, lambda run, at: None))
        recording = open_recording(next(tapes.rglob("*.tape")))
        began = time.perf_counter()
        with with_rare_collection():
            found = replay(recording)
        again = time.perf_counter() - began
        assert found.difference is None
        return run.loop.spent.turns, again

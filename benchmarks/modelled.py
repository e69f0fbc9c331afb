"""Five modelled years of one bot, by the clock: the command as a person types it, from its start to its end.

Daily bars from 2014 to 2018 are those that are shipped. Those from 2021 to 2025 are made by chance, for the expiries of
every day and the levels of then, which make several times as many options.
"""

import json
import resource
import subprocess
import sys
import time
from datetime import date
from math import exp, log, sqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.anchors import environment
from benchmarks.measure import Goal, Rounds
from rulebot.model.session import sessions

ROOT = Path(__file__).parent.parent
ROUNDS = 3
FLOOR = 60
SHIPPED, RECENT = (date(2014, 1, 1), date(2018, 12, 31)), (date(2021, 1, 1), date(2025, 12, 31))


def measure() -> list[Goal]:
    """Return the goals of modelled years."""
    found, notes = Rounds(), {}
    with TemporaryDirectory() as place:
        recent = Path(place) / "daily"
        recent.mkdir()
        make_bars(recent)
        asked = {
            "put_lite": ("put_lite", ROOT / "examples" / "data" / "daily", SHIPPED),
            "dte0_condor": ("dte0_condor", ROOT / "examples" / "data" / "daily", SHIPPED),
            "recent": ("put_lite", recent, RECENT),
        }
        for _ in range(ROUNDS):
            for name, (bot, data, years) in asked.items():
                before = _processor_seconds()
                seconds, results = _backtest(bot, data, years, Path(place) / "store.db")
                found.add(name, seconds)
                found.add(f"{name} busy", _processor_seconds() - before)
                notes[name] = f"{len(results['days']):,} sessions, {len(results['trades'])} trades"
    how = f"`rulebot backtest --fills mid --workers 1`, store and results included, by the clock; {ROUNDS} rounds"
    what = {
        "put_lite": "five modelled years of one spec: `put_lite`, 2014 to 2018",
        "dte0_condor": "the same: `dte0_condor`",
        "recent": "the same: `put_lite`, 2021 to 2025, from daily bars by chance",
    }
    busy = {name: f"{found.median(f'{name} busy'):.0f} s of processor time" for name in what}
    return [
        Goal("years", text, how, found.median(name), "s", floor=FLOOR, note=f"{notes[name]}; {busy[name]}")
        for name, text in what.items()
    ]


def _processor_seconds() -> float:
    """Return the processor time of the commands that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _backtest(bot: str, data: Path, years: tuple[date, date], store: Path) -> tuple[float, dict[str, Any]]:
    """Return the seconds that a backtest took, and its results. Raises: CalledProcessError when it fails."""
    command = [sys.executable, "-m", "rulebot.cli.main", "backtest", f"specs/{bot}.yaml", "--data", f"model:{data}"]
    command += ["--from", f"{years[0]}", "--to", f"{years[1]}", "--fills", "mid", "--workers", "1"]
    command += ["--store", f"{store}", "--format", "json"]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - began
    for file in store.parent.glob(f"{store.name}*"):
        file.unlink()
    return seconds, json.loads(done.stdout)


def make_bars(folder: Path) -> None:
    """Write daily bars of SPX and VIX for RECENT and a few months before, made by chance, the same each time."""
    chance = np.random.default_rng(2021)
    level, fear = 3750.0, 20.0
    lines = {"spx": ["date,open,high,low,close"], "vix": ["date,open,high,low,close"]}
    for session in sessions(date(2020, 9, 1), RECENT[1]):
        move = fear / 100.0 / sqrt(252.0)
        opened = level * exp(chance.normal(0.0, 0.4 * move))
        close = opened * exp(chance.normal(0.0004, 0.8 * move))
        high = max(opened, close) * exp(abs(chance.normal(0.0, 0.4 * move)))
        low = min(opened, close) * exp(-abs(chance.normal(0.0, 0.4 * move)))
        drift = -0.05 * log(fear / 17.0) - 3.0 * log(close / level)
        then = min(max(fear * exp(chance.normal(drift, 0.06)), 11.0), 60.0)
        lines["spx"].append(f"{session.date},{opened:.2f},{high:.2f},{low:.2f},{close:.2f}")
        lines["vix"].append(f"{session.date},{fear:.2f},{max(fear, then):.2f},{min(fear, then):.2f},{then:.2f}")
        level, fear = close, then
    for name, rows in lines.items():
        (folder / f"{name}_daily.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")

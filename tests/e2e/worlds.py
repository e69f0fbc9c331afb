"""Whole simulated days for tests: the real loop against the embedded gateway."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path

from rulebot.adapters.recorded.recording import open_recording
from rulebot.checks.against_ledger.books import CheckedDay, read_day
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import DEFAULT_DATE, SimSettings, simulated
from rulebot.live.start import Run, RunOptions, execute
from rulebot.replay.recordings import listed
from rulebot.replay.replay import replay
from rulebot.spec.files import shipped
from rulebot.store.place import Place
from twsim import LedgerTotals, ReplayedDay

FIRST_BOTS = ("calm_tape_condor", "dte0_condor", "put_lite", "spx_spy_parity", "spy_put_seller")
"""Those of one or two underlyings, each of which trades on many simulated days."""
SHIPPED = tuple(
    sorted(file.name.removesuffix(".yaml") for file in shipped("specs").iterdir() if file.name.endswith(".yaml"))
)


def spec_files(names: Iterable[str] = FIRST_BOTS) -> list[str]:
    """Return the paths of shipped specs."""
    return [str(shipped("specs") / f"{name}.yaml") for name in names]


def check_replays(tapes: Path, known: Iterable[Path] = ()) -> int:
    """Replay every day that is recorded in a folder; return how many decisions were made again, all the same.

    known: recordings that were replayed before.
    """
    found = [each for each in listed(tapes) if not each.problem and each.file not in known]
    assert found
    decisions = 0
    for each in found:
        recording = open_recording(each.file)
        assert recording.files == (each.file,), "a later day of a run has where the engine stood when it began"
        again = replay(recording)
        assert again.difference is None
        decisions += again.decisions
    return decisions


def run_days(
    folder: Path,
    specs: Sequence[str],
    *,
    seed: int,
    market: str | None = None,
    days: int = 1,
    first_day: date = DEFAULT_DATE,
    speed: float | None = None,
    positions: Path | None = None,
    shares: tuple[tuple[str, int], ...] = (),
    data_seconds: int = 5,
    overrides: dict[str, str] | None = None,
    place: Place | None = None,
    tapes: Path | None = None,
    given: ReplayedDay | None = None,
    until: datetime | None = None,
    account: Path | None = None,
) -> CheckedDay:
    """Run whole sessions and return what they left; `place`: the store, else a file in the folder.

    until: when the run ends, before its session does. account: the account document.
    """

    desk = load_all_bots(specs, overrides or {}, account)
    name = Path(market).stem if market else "plain"
    store = place or folder / f"{name}-{seed}-{days}-{speed or 'max'}.db"
    options = RunOptions(store=store, logs=None, sessions=days, install=f"s{seed}", tapes=tapes)
    sim = SimSettings(
        first_day=first_day,
        days=days,
        seed=seed,
        speed=speed,
        market=market,
        positions=positions,
        shares=shares,
        data_seconds=data_seconds,
        given=given,
    )
    kept: list[tuple[LedgerTotals, dict[str, float]]] = []

    def watcher(run: Run, at: datetime) -> None:
        if run.last is not None and at >= run.last:
            gateway = run.world.gateway
            assert gateway is not None
            assert gateway.ledger is not None
            spent = {"turns": run.loop.spent.turns, "journal": run.loop.spent.journal}
            kept.append((gateway.ledger.totals(), spent))

    def begun(run: Run) -> None:
        if until is not None:
            run.last = until

    started = time.perf_counter()
    asyncio.run(execute(desk, options, simulated(sim, 1), begun, watcher))
    seconds = {"wall": time.perf_counter() - started, **kept[-1][1]}
    return read_day(store, kept[-1][0], seconds)

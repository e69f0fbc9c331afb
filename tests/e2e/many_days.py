"""Session after session in one engine: nothing is broken, and store and memory grow by the day alone.

Run it with `python -m tests.e2e.many_days --days 250`. The first session and 250 of them hold both changes of the
clocks and the early closes of a year.
"""

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from rulebot.checks.against_ledger.books import CheckedDay, compare_books, read_day
from rulebot.checks.journal.audit import audit_store
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import SimSettings, simulated
from rulebot.live.start import Run, RunOptions, execute
from rulebot.model.session import EXCHANGE_ZONE
from tests.e2e.worlds import spec_files
from twsim import LedgerTotals

SPECS = ("put_lite", "dte0_condor", "spy_put_seller")
FIRST_DAY = date(2026, 10, 21)
MOST_A_DAY = 5.0
"""Megabytes that a session may add to the store."""


@dataclass(frozen=True, slots=True)
class Session:
    """What stood at the end of one session: megabytes resident and on disk, and the seconds it took."""

    date: date
    hours: float
    offset: float
    resident: float
    store: float
    seconds: float


@dataclass(slots=True)
class Days:
    """Sessions as they ended, and what was left at the end of all."""

    sessions: list[Session] = field(default_factory=list)
    totals: LedgerTotals | None = None
    left: CheckedDay | None = None
    broken: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """What should not be, in words."""
        return [*self.broken, *_growth(self.sessions)]


def live_through(folder: Path, days: int, *, seed: int = 7, first_day: date = FIRST_DAY, market: str | None = None,
                 specs: Sequence[str] = SPECS, data_seconds: int = 5, reported: bool = False) -> Days:  # fmt: skip
    """Run so many sessions in one engine; its store stays in `folder`."""
    store, found = folder / "days.db", Days()
    desk = load_all_bots(spec_files(specs), {}, None)
    options = RunOptions(store=store, logs=None, sessions=days, install=f"d{seed}")
    sim = SimSettings(first_day=first_day, days=days, seed=seed, market=market, data_seconds=data_seconds)
    began = time.perf_counter()
    seen: list[date] = []

    def watcher(run: Run, at: datetime) -> None:
        nonlocal began
        session = run.loop.state.schedule.session
        if at >= session.close and session.date not in seen:
            seen.append(session.date)
            now = time.perf_counter()
            hours = (session.close - session.open).total_seconds() / 3600
            offset = session.open.astimezone(EXCHANGE_ZONE).utcoffset()
            assert offset is not None
            of_day = Session(
                session.date, hours, offset.total_seconds() / 3600, _resident(), _on_disk(store), now - began
            )
            found.sessions.append(of_day)
            began = now
            if reported:
                print(_line(of_day), flush=True)
        if run.last is not None and at >= run.last:
            gateway = run.world.gateway
            assert gateway is not None
            assert gateway.ledger is not None
            found.totals = gateway.ledger.totals()

    asyncio.run(execute(desk, options, simulated(sim, 1), lambda run: None, watcher))
    assert found.totals is not None
    found.left = read_day(store, found.totals, {})
    found.broken = [
        *(f"invariant {each.number}: {each.first[0].text}" for each in audit_store(store) if not each.holds),
        *compare_books(found.left),
        *([] if len(seen) == days else [f"{days} sessions were asked for, {len(seen)} ended"]),
    ]
    return found


def _growth(sessions: Sequence[Session]) -> Iterator[str]:
    """Yield what grows too much: a session adds no more in the second half than in the first (by half at most)."""
    if len(sessions) < 20:
        return
    first, middle, last = sessions[4], sessions[len(sessions) // 2], sessions[-1]
    for name in ("store", "resident"):
        early = (getattr(middle, name) - getattr(first, name)) / (len(sessions) // 2 - 4)
        late = (getattr(last, name) - getattr(middle, name)) / (len(sessions) - len(sessions) // 2 - 1)
        if late > max(1.5 * early, early + 0.2):
            yield f"{name} grows by {late:.2f} MB a session in the second half, by {early:.2f} in the first"
        if name == "store" and max(early, late) > MOST_A_DAY:
            yield f"the store grows by {max(early, late):.2f} MB a session"


def _resident() -> float:
    """Return megabytes resident now; where the system does not tell, at most so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _on_disk(store: Path) -> float:
    files = (store, store.with_name(f"{store.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists()) / 1e6


def _line(of_day: Session) -> str:
    half = "  early close" if of_day.hours < 6 else ""
    sizes = f"resident {of_day.resident:6.1f} MB, store {of_day.store:6.2f} MB, {of_day.seconds:5.1f} s"
    return f"{of_day.date}  UTC{of_day.offset:+.0f}  {sizes}{half}"


def main(arguments: Sequence[str]) -> int:
    """Run and tell; return 1 when something should not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.many_days", description=__doc__)
    parser.add_argument("--days", type=int, default=250)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--market")
    parser.add_argument("--data-seconds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        place = asked.folder or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        found = live_through(
            place, asked.days, seed=asked.seed, market=asked.market, data_seconds=asked.data_seconds, reported=True
        )
    assert found.left is not None
    opened = sum(position.opened_at is not None for position in found.left.positions.values())
    halves = sum(each.hours < 6 for each in found.sessions)
    print(
        f"{len(found.sessions)} sessions, {halves} of them short, {opened} positions, {len(found.left.records)} records"
    )
    print("\n".join(found.problems) or "nothing is broken; store and memory grow evenly")
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

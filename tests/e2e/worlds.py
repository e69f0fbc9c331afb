"""Whole simulated days for tests: run the real loop against the embedded gateway, then compare two sets of books."""

import asyncio
import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from engine.decide.bot_day import BotDay
from engine.model.order import Order
from engine.model.position import Position
from engine.record.codec import decode, json_text, line_of
from engine.record.record import Kind, Record
from engine.run.desk import load_desk
from engine.run.start import Run, RunOptions, execute
from engine.run.worlds import DEFAULT_DATE, SimSettings, simulated
from engine.sim.exchange.ledger import LedgerTotals
from engine.spec.shipped import shipped
from engine.store.journal import SqlJournal
from engine.store.open import open_store

ALL_SPECS = ("calm_tape_condor", "dte0_condor", "put_lite", "spx_spy_parity", "spy_put_seller")
DECISIONS = frozenset(Kind) - {Kind.RUN_STARTED, Kind.RUN_ENDED}


@dataclass(frozen=True)
class Day:
    """What one run left: its records, positions and orders, and the simulated broker's own ledger."""

    records: tuple[Record, ...]
    positions: dict[str, Position]
    orders: dict[str, Order]
    bot_days: tuple[BotDay, ...]
    ledger: LedgerTotals
    seconds: dict[str, float]

    @property
    def decisions(self) -> str:
        """A hash over everything that was decided and everything that happened."""
        return _hash(self.records)

    @property
    def exits(self) -> dict[str, list[str]]:
        """Exit reasons of closed positions by bot (entries that never filled are left out)."""
        found: dict[str, list[str]] = {}
        for position in self.positions.values():
            if position.state == "closed" and position.opened_at is not None:
                found.setdefault(position.bot, []).append(position.exit_reason)
        return found

    @property
    def entered(self) -> set[str]:
        """Bots that opened a position."""
        return {position.bot for position in self.positions.values() if position.opened_at is not None}


def _hash(records: Iterable[Record]) -> str:
    lines = (line_of(record, json_text(record.data)) for record in records if record.kind in DECISIONS)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def spec_files(names: Iterable[str] = ALL_SPECS) -> list[str]:
    """Return the paths of shipped specs."""
    return [str(shipped("specs") / f"{name}.yaml") for name in names]


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
    data_seconds: int = 5,
    overrides: dict[str, str] | None = None,
) -> Day:
    """Run whole sessions and return what they left."""

    desk = load_desk(specs, overrides or {}, None)
    name = Path(market).stem if market else "plain"
    store = folder / f"{name}-{seed}-{days}-{speed or 'max'}.db"
    options = RunOptions(store=store, logs=None, sessions=days, install=f"s{seed}")
    sim = SimSettings(
        first_day=first_day,
        days=days,
        seed=seed,
        speed=speed,
        market=market,
        positions=positions,
        data_seconds=data_seconds,
    )
    kept: list[tuple[LedgerTotals, dict[str, float]]] = []

    def watcher(run: Run, at: datetime) -> None:
        if run.last is not None and at >= run.last:
            gateway = run.world.gateway
            assert gateway is not None
            assert gateway.ledger is not None
            spent = {"turns": run.loop.spent.turns, "journal": run.loop.spent.journal}
            kept.append((gateway.ledger.totals(), spent))

    started = time.perf_counter()
    asyncio.run(execute(desk, options, simulated(sim, 1), lambda run: None, watcher))
    seconds = {"wall": time.perf_counter() - started, **kept[-1][1]}
    return read_day(store, kept[-1][0], seconds)


def read_day(store: Path, ledger: LedgerTotals, seconds: dict[str, float]) -> Day:
    """Return what a store holds, read back from its journal."""

    journal = SqlJournal(open_store(store))
    try:
        records = tuple(journal.read())
        assert journal.verify() is None
    finally:
        journal.close()
    positions = {r.position: decode(Position, dict(r.data)) for r in records if r.kind is Kind.POSITION}
    orders = [decode(Order, dict(r.data)) for r in records if r.kind is Kind.ORDER]
    bot_days = {(r.bot, r.data["date"]): decode(BotDay, dict(r.data)) for r in records if r.kind is Kind.BOT_DAY}
    return Day(records, positions, {o.ref: o for o in orders}, tuple(bot_days.values()), ledger, seconds)


def compare_books(day: Day) -> list[str]:
    """Return every difference between the engine's books and the gateway's ledger, to the cent."""
    cash: dict[int, Decimal] = {}
    paid: dict[int, Decimal] = {}
    held: dict[int, Decimal] = {}
    for position in day.positions.values():
        for leg in position.legs:
            key = leg.option.con_id
            cash[key] = cash.get(key, Decimal(0)) + leg.entry_cash + leg.exit_cash
            paid[key] = paid.get(key, Decimal(0)) + leg.commissions
            held[key] = held.get(key, Decimal(0)) + leg.signed_held
    found = []
    options = {key for key in (*cash, *day.ledger.cash_flow, *day.ledger.positions) if key > 20_000_000}
    for key in sorted(options):
        for what, ours, theirs in (
            ("cash", cash.get(key, Decimal(0)), day.ledger.cash_flow.get(key, Decimal(0))),
            ("commission", paid.get(key, Decimal(0)), day.ledger.commissions.get(key, Decimal(0))),
            ("held", held.get(key, Decimal(0)), day.ledger.positions.get(key, Decimal(0))),
        ):
            if abs(ours - theirs) >= Decimal("0.005"):
                found.append(f"{what} of {key}: ours {ours}, the ledger's {theirs}")
    return found

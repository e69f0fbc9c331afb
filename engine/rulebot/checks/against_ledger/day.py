"""What a run left: its records, positions and orders, and the simulated broker's own ledger."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from rulebot.decide.bot_day import BotDay
from rulebot.model.contract import Option
from rulebot.model.order import Order
from rulebot.model.position import Position
from rulebot.record.codec import decode, json_text, line_of
from rulebot.record.record import Kind, Record
from rulebot.store.chain import ChainBreak
from rulebot.store.journal import SqlJournal
from rulebot.store.open import open_store
from rulebot.store.place import Place
from twsim.exchange.ledger import LedgerTotals

DECISIONS = frozenset(Kind) - {Kind.RUN_STARTED, Kind.RUN_ENDED}
"""What a repeated run repeats; the start has the paths of this machine, the end what was done by hand."""


@dataclass(frozen=True)
class CheckedDay:
    """What one run left; `broken` is where the hash chain of its store breaks. Units: `seconds` are real."""

    records: tuple[Record, ...]
    positions: dict[str, Position]
    orders: dict[str, Order]
    bot_days: tuple[BotDay, ...]
    ledger: LedgerTotals
    seconds: dict[str, float]
    broken: ChainBreak | None = None

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


def dealt_for(day: CheckedDay, order: Order, con_id: int) -> tuple[Position, Option] | None:
    """Return the position for which an order deals in this contract, with it; None where no row tells of either."""
    for position in (day.positions.get(name) for name in order.positions):
        option = next((leg.option for leg in position.legs if leg.option.con_id == con_id), None) if position else None
        if position is not None and option is not None:
            return position, option
    return None


def _hash(records: Iterable[Record]) -> str:
    lines = (line_of(record, json_text(record.data)) for record in records if record.kind in DECISIONS)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_day(store: Place, ledger: LedgerTotals, seconds: dict[str, float]) -> CheckedDay:
    """Return what a store holds, read back from its journal. Raises: StoreError."""
    journal = SqlJournal(open_store(store))
    try:
        records, broken = tuple(journal.read()), journal.verify()
    finally:
        journal.close()
    positions = {r.position: decode(Position, dict(r.data)) for r in records if r.kind is Kind.POSITION}
    orders = [decode(Order, dict(r.data)) for r in records if r.kind is Kind.ORDER]
    bot_days = {(r.bot, r.data["date"]): decode(BotDay, dict(r.data)) for r in records if r.kind is Kind.BOT_DAY}
    return CheckedDay(records, positions, {o.ref: o for o in orders}, tuple(bot_days.values()), ledger, seconds, broken)

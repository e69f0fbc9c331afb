"""What an observing broker knows again after a start: read from the store alone, which is its account."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from rulebot.backtest.average_costs import costs_on_record
from rulebot.core.state import State
from rulebot.model.commission import fill_commission
from rulebot.model.contract import Contract
from rulebot.model.cover import shares_delivered
from rulebot.model.delivery import DELIVERING
from rulebot.model.position import Position
from rulebot.model.values import dataclass
from rulebot.record.record import Kind, Record
from rulebot.recovery.resume import resume_from
from rulebot.store.finance.books import positions_of
from rulebot.store.patient import PatientJournal


@dataclass(frozen=True, slots=True)
class RestoredState:
    """The state that the store leads to, shares by symbol that assignments and exercises have moved beside those of
    positions, what one of each contract has cost, and commissions of executions that were told without one."""

    state: State
    delivered: Mapping[str, int]
    costs: Mapping[Contract, Decimal]
    unpaid: tuple[tuple[str, Decimal], ...]


def read_memory(journal: PatientJournal, at: datetime) -> RestoredState:
    """Return what a store says of the account of an observing engine. Raises: StoreError."""
    state = resume_from(journal.recall(at), at).state
    settled = journal.read((Kind.SETTLEMENT,))
    moved = [record for record in settled if record.data["how"] in {*DELIVERING, "delivered"}]
    last = {record.position: record for record in journal.read((Kind.POSITION,))}
    positions = positions_of(last.values())
    costs = costs_on_record(journal, (leg.option for position in positions.values() for leg in position.legs))
    return RestoredState(state, delivered_shares(moved, positions), costs, _unpaid(state))


def delivered_shares(settled: Sequence[Record], positions: Mapping[str, Position]) -> dict[str, int]:
    """Return the shares that settlements have brought or taken, by symbol, beside those that positions hold."""
    found: dict[str, int] = {}
    for record in settled:
        leg = next(leg for leg in positions[record.position].legs if leg.name == record.data["leg"])
        count = leg.sign * int(str(record.data["quantity"]))
        if not leg.option.is_share:
            count = shares_delivered(leg.option, count)
        found[leg.option.symbol] = found.get(leg.option.symbol, 0) + count
    return {symbol: count for symbol, count in found.items() if count}


def _unpaid(state: State) -> tuple[tuple[str, Decimal], ...]:
    """Return what executions cost whose commission was not heard any more."""
    found = []
    for booked in state.booked.values():
        position = state.positions.get(booked.position)
        leg = next((leg for leg in position.legs if leg.name == booked.leg), None) if position is not None else None
        if leg is not None and not booked.is_paid and booked.quantity:
            price = abs(booked.cash) / (booked.quantity * leg.option.multiplier)
            count = booked.quantity if booked.cash < 0 else -booked.quantity
            found.append((booked.exec_id, fill_commission(leg.option, count, float(price))))
    return tuple(found)

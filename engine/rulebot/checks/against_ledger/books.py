"""The engine's books against the ledger of its broker: cash, commissions, holdings and every execution, to the cent."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from rulebot.decide.entry_window import BotDay
from rulebot.fill.ledger import BY_OTHERS
from rulebot.model.contract import Option
from rulebot.model.event import Request
from rulebot.model.loss_bound import DELIVERING, shares_delivered
from rulebot.model.money import CENT, ZERO
from rulebot.model.order import Order, is_synthetic
from rulebot.model.position import Position
from rulebot.record.books import base_of
from rulebot.record.codec import decode, json_text, line_of
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.place import Place
from rulebot.store.registry import open_store
from rulebot.store.schema import ChainBreak
from twsim import ASSETS, DELIVERY, EARLY, LedgerTotals, Row, money_of

# --- What a run left

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
        """Exit reasons of closed positions by bot, without entries that never filled."""
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
    """Return the position for which an order trades this contract, with it; None where no row shows either."""
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


# --- The engine's books against the ledger of its broker

UNDERLYINGS = frozenset(asset.instrument.con_id for asset in ASSETS.values())
"""Contract ids that are no options: their cash flows come from deliveries, and others may hold their shares."""
MULTIPLIERS = {"OPT": 100, "STK": 1}
PREFIX = "rb:"
"""Prefix of our order references."""


def compare_books(
    day: CheckedDay, unreported: Iterable[Row] = (), rows: Iterable[Row] = (), unheard: Collection[str] = ()
) -> list[str]:
    """Return every difference between the engine's books and the gateway's ledger, to the cent.

    unreported: commission rows of the ledger that the broker has withheld so far. rows: of the ledger; external trades
    are excluded from its figures. unreceived: executions, without their revision, that no engine received on their day;
    their prices are not compared, nor external closes at an unknown price.
    """
    rows, closed_elsewhere, estimated = list(rows), _closed_elsewhere(day), _estimated(day)
    others = _of_others((row for row in rows if base_of(row.get("exec_id", "")) not in closed_elsewhere), _settled(day))
    for key, count in estimated.items():
        others["held", key] -= count
    dealt, apart = _not_compared(day, rows, unheard, estimated, others)
    ours = _our_sums(day)
    theirs = {
        "cash": day.ledger.cash_flow,
        "commission": _reported_commissions(day, rows, unreported, closed_elsewhere),
        "held": day.ledger.positions,
    }
    known = {key for key in (*ours["cash"], *theirs["cash"], *theirs["held"]) if key not in UNDERLYINGS}
    return [
        f"{what} of {key}: ours {mine.get(key, ZERO)}, the ledger's {theirs[what].get(key, ZERO)}"
        for key in sorted(known | dealt)
        for what, mine in ours.items()
        if key not in apart[what]
        and abs(mine.get(key, ZERO) - theirs[what].get(key, ZERO) + others.get((what, key), ZERO)) >= CENT / 2
    ]


def _our_sums(day: CheckedDay) -> dict[str, dict[int, Decimal]]:
    """Return our positions' sums, by contract, as the ledger counts them."""
    cash, paid, held = (defaultdict[int, Decimal](Decimal) for _ in range(3))
    for position in day.positions.values():
        for leg in position.legs:
            key = leg.option.con_id
            cash[key] += leg.entry_cash + leg.exit_cash
            paid[key] += leg.commissions
            held[key] += leg.signed_held
    for key, amount in _set_off(day):
        cash[key] -= amount
    for key, amount in _by_account_alone(day):
        cash[key] += amount
    return {"cash": cash, "commission": paid, "held": held}


def _reported_commissions(
    day: CheckedDay, rows: Iterable[Row], unreported: Iterable[Row], closed_elsewhere: Collection[str]
) -> dict[int, Decimal]:
    """Return the ledger's commissions, by contract, without those withheld from us.

    Commissions of others are reported once, to any connected client; those of trades in their own contracts are counted
    in any case.
    """
    found, kept = dict(day.ledger.commissions), set[str]()
    of_others = {base_of(row["exec_id"]) for row in rows if _is_of_others(row)} - set(closed_elsewhere)
    for row in unreported:
        kept.add(base_of(row["exec_id"]))
        if base_of(row["exec_id"]) not in of_others:
            found[int(str(row["con_id"]))] -= money_of(row, "commission")
    paid_for = {base_of(record.data["exec_id"]) for record in day.records if record.kind is Kind.COMMISSION}
    for row in rows:
        if row["kind"] == "commission" and base_of(row["exec_id"]) in set(closed_elsewhere) - paid_for - kept:
            found[int(str(row["con_id"]))] -= money_of(row, "commission")
    return found


def _not_compared(
    day: CheckedDay,
    rows: Sequence[Row],
    unheard: Collection[str],
    estimated: Collection[int],
    others: Mapping[tuple[str, int], Decimal],
) -> tuple[set[int], dict[str, set[int]]]:
    """Return the shares that are legs of ours and are compared, and the contracts that are not, for each sum."""
    waiting = {option.con_id for option in waiting_for_level(day, rows)}
    guessed = {int(str(row["con_id"])) for row in executions(rows) if base_of(row["exec_id"]) in unheard}
    ended = {leg.option.con_id for position in day.positions.values() for leg in position.legs if leg.settled}
    ended |= {int(str(row["con_id"])) for row in rows if row["kind"] == "settlement" and not _is_early(row)}
    shared = {key for key in ended if others.get(("held", key))}  # external holdings settle with ours
    dealt = set[int]() if any(_is_early(row) for row in rows) else _shares_dealt(day)
    dealt -= _moved_by(rows, shared)
    return dealt, {
        "cash": guessed | set(estimated) | shared | waiting,
        "commission": guessed,
        "held": dealt | shared | waiting,  # of shares the account may hold others
    }


def waiting_for_level(day: CheckedDay, rows: Iterable[Row]) -> set[Option]:
    """Return expired contracts still in our books, if their position had an alarm since.

    Their settlement level was unknown: the underlying had no live data at the close, nor since.
    """
    ended = {int(str(row["con_id"])): str(row["at"]) for row in rows if row["kind"] == "settlement"}
    reported = {record.position: record.at for record in day.records if record.kind is Kind.ALARM}
    return {
        leg.option
        for position in day.positions.values()
        for leg in position.legs
        if leg.held and leg.option.con_id in ended and position.id in reported
        if reported[position.id] >= datetime.fromisoformat(ended[leg.option.con_id])
    }


def _moved_by(rows: Iterable[Row], options: Collection[int]) -> set[int]:
    """Return the shares that the assignment or exercise of these options has moved: the row after the option's own."""
    settled = [row for row in rows if row["kind"] == "settlement"]
    pairs = ((int(str(option["con_id"])), moved) for option, moved in pairwise(settled) if moved["outcome"] == DELIVERY)
    return {int(str(moved["con_id"])) for option, moved in pairs if option in options}


def _set_off(day: CheckedDay) -> Iterator[tuple[int, Decimal]]:
    """Yield what options brought whose shares came by one and went by another: the ledger has it on the shares."""
    for record in day.records:
        if record.kind is Kind.SETTLEMENT and record.data["how"] in DELIVERING:
            leg = next(leg for leg in day.positions[record.position].legs if leg.name == record.data["leg"])
            count = leg.sign * int(str(record.data["quantity"])) * leg.option.multiplier
            yield leg.option.con_id, (count * Decimal(str(record.data["price"]))).quantize(CENT)


def _by_account_alone(day: CheckedDay) -> Iterator[tuple[int, Decimal]]:
    """Yield dollars of shares that assignment or exercise moved, less those that were a leg of a position.

    Of shares that some position has as a leg, the ledger has all on the shares, whoever's option it was.
    """
    legs = (leg for position in day.positions.values() for leg in position.legs)
    shares = {leg.option.symbol: leg.option.con_id for leg in legs if leg.option.is_share and leg.option.con_id}
    for record in day.records:
        if record.kind is not Kind.SETTLEMENT:
            continue
        leg = next(leg for leg in day.positions[record.position].legs if leg.name == record.data["leg"])
        key, count = shares.get(leg.option.symbol), leg.sign * int(str(record.data["quantity"]))
        if key is not None and record.data["how"] in DELIVERING:
            yield key, -shares_delivered(leg.option, count) * leg.option.strike
        elif key is not None and leg.option.is_share:
            yield key, -count * Decimal(str(record.data["price"]))


def _settled(day: CheckedDay) -> Counter[int]:
    """Return how many contracts of short legs have left our positions without a trade, by contract."""
    found: Counter[int] = Counter()
    for position in day.positions.values():
        for leg in position.legs:
            found[leg.option.con_id] += leg.settled if leg.sign < 0 else 0
    return found


def _shares_dealt(day: CheckedDay) -> set[int]:
    """Return the contract ids of the shares that are legs of our positions."""
    legs = (leg for position in day.positions.values() for leg in position.legs)
    return {leg.option.con_id for leg in legs if leg.option.is_share and leg.option.con_id}


def _is_early(row: Row) -> bool:
    return row["kind"] == "settlement" and row["outcome"] == EARLY


def _is_of_others(row: Row) -> bool:
    return (
        row["kind"] == "execution" and row["sec_type"] in MULTIPLIERS and not str(row["order_ref"]).startswith(PREFIX)
    )


def _of_others(rows: Iterable[Row], settled: Counter[int]) -> dict[tuple[str, int], Decimal]:
    """Return cash, commissions and contracts, by contract, of external trades and of early assignments.

    A corrected trade counts in its present form. settled: what has left our books too.
    """
    found: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
    trades: dict[str, Row] = {}
    for row in rows:
        con_id = int(str(row.get("con_id", 0)))
        if _is_of_others(row):
            trades[base_of(row["exec_id"])] = row
        elif row["kind"] == "commission" and base_of(row["exec_id"]) in trades:
            found["commission", con_id] += money_of(row, "commission")
        elif _is_early(row):
            count = contracts_of(row)
            found["held", con_id] += max(count - settled[con_id], 0)
            settled[con_id] = max(settled[con_id] - count, 0)
    for row in trades.values():
        con_id, quantity = int(str(row["con_id"])), money_of(row, "quantity") * (1 if row["side"] == "BOT" else -1)
        found["held", con_id] += quantity
        found["cash", con_id] -= quantity * money_of(row, "price") * MULTIPLIERS[str(row["sec_type"])]
    return found


def _closed_elsewhere(day: CheckedDay) -> set[str]:
    """Return the external executions, without revision, that closed contracts of ours and are booked so."""
    fills = (record.data for record in day.records if record.kind is Kind.FILL)
    return {base_of(fill["exec_id"]) for fill in fills if fill["purpose"] == BY_OTHERS}


def _estimated(day: CheckedDay) -> dict[int, int]:
    """Return how many of our contracts others bought (- sold) at unknown prices, by contract."""
    found: dict[int, int] = defaultdict(int)
    reported = (record.data for record in day.records if record.kind is Kind.FILL)
    newest = {base_of(fill["exec_id"]): fill for fill in reported if _is_estimate(fill)}
    for fill in newest.values():
        found[int(str(fill["con_id"]))] += int(str(fill["quantity"])) * (1 if fill["is_buy"] else -1)
    return {key: count for key, count in found.items() if count}


def _is_estimate(fill: Mapping[str, Json]) -> bool:
    return fill["purpose"] == BY_OTHERS and is_synthetic(str(fill["exec_id"]))


def executions(rows: Iterable[Row]) -> Iterator[Row]:
    """Return the executions of contracts under our references (a combo's summary moves nothing)."""
    for row in rows:
        if row["kind"] == "execution" and row["sec_type"] != "BAG" and str(row["order_ref"]).startswith(PREFIX):
            yield row


def fill_differences(day: CheckedDay, rows: Iterable[Row], unheard: Collection[str] = ()) -> Iterator[str]:
    """Return executions that are counted twice, not at all, or differently from the ledger.

    A correction replaces what it corrects, on both sides; an estimate that was reversed for the true execution is none.
    An estimate of an external trade, or of an early assignment that could be a trade, is in no ledger. unreceived: as
    in `compare_books`; what was inferred from the account in their place is excluded with them.
    """
    rows = list(rows)
    taken_up = _unheard_orders(rows, unheard)
    fills = [record.data for record in day.records if record.kind is Kind.FILL]
    for exec_id, count in Counter(str(fill["exec_id"]) for fill in fills).items():
        if count > 1:
            yield f"the execution {exec_id} is counted {count} times"
    ours = {base_of(fill["exec_id"]): _terms(fill, fill["ref"]) for fill in fills}
    theirs = _ledger_terms(day, rows)
    spared = {*unheard, *_booked_estimates(fills, rows)}
    for base in sorted({*ours, *theirs} - spared):
        mine, other = ours.get(base), theirs.get(base)
        if other is None and mine is not None and mine.quantity == 0:
            continue
        if is_synthetic(base) and mine is not None and mine.ref in taken_up:
            continue
        if mine != other:
            yield f"the execution {base}: ours {_shown(mine)}, the ledger's {_shown(other)}"


def _unheard_orders(rows: Iterable[Row], unheard: Collection[str]) -> set[str]:
    """Return the references of orders with executions that no engine received."""
    return {str(row["order_ref"]) for row in executions(rows) if base_of(row["exec_id"]) in unheard}


def _ledger_terms(day: CheckedDay, rows: Sequence[Row]) -> dict[str, "_Terms"]:
    """Return our executions in the ledger, and external ones that closed contracts of ours."""
    closed_elsewhere = _closed_elsewhere(day)
    others = (row for row in rows if _is_of_others(row) and base_of(row["exec_id"]) in closed_elsewhere)
    ours = {base_of(row["exec_id"]): _terms(row, row["order_ref"]) for row in executions(rows)}
    return ours | {base_of(row["exec_id"]): _terms(row, "") for row in others}


def _booked_estimates(fills: Iterable[Mapping[str, Json]], rows: Iterable[Row]) -> set[str]:
    """Return the estimates of contracts that others traded, or that were assigned early."""
    dealt = {int(str(row["con_id"])) for row in rows if _is_of_others(row) or _is_early(row)}
    return {base_of(fill["exec_id"]) for fill in fills if _is_estimate(fill) and int(str(fill["con_id"])) in dealt}


class _Terms(NamedTuple):
    exec_id: str
    ref: str
    con_id: int
    quantity: Decimal
    price: Decimal


def contracts_of(row: Row) -> int:
    """Return the number of contracts, or shares, in a row of the ledger."""
    return int(money_of(row, "quantity"))


def signed(row: Row) -> int:
    """Return what an execution brings the account: + bought."""
    return contracts_of(row) * (1 if row["side"] == "BOT" else -1)


def _terms(found: Mapping[str, Any], ref: object) -> _Terms:
    exec_id, con_id, quantity, price = (str(found[name]) for name in ("exec_id", "con_id", "quantity", "price"))
    return _Terms(exec_id, str(ref), int(con_id), Decimal(quantity), Decimal(price))


def _shown(terms: _Terms | None) -> str:
    if terms is None:
        return "has none"
    return f"{terms.exec_id} of {terms.ref}, {terms.quantity} of {terms.con_id} at {terms.price}"


# --- External closes of our contracts, in our books


def closed_by_others(day: CheckedDay) -> Mapping[str, tuple[str, Option]]:
    """Return the position and contract of external executions that are booked to ours, by their base id."""
    found = {}
    for record in day.records:
        if record.kind is Kind.FILL and record.data["purpose"] == BY_OTHERS and record.position in day.positions:
            legs = day.positions[record.position].legs
            option = next(leg.option for leg in legs if leg.name == record.data["leg"])
            found[base_of(record.data["exec_id"])] = record.position, option
    return found


class DealtByOthers:
    """Divides external trades among our positions, row after row, in ledger order.

    Booked ones count to their position. All others count to the positions that then hold the contract, the newest
    first, as the engine does. What those do not hold belongs to others, who may close it.
    """

    def __init__(self, day: CheckedDay) -> None:
        self._booked = closed_by_others(day)
        self._holders: dict[int, list[tuple[str, Option]]] = {}
        for position in reversed(day.positions.values()):
            for leg in position.legs:
                self._holders.setdefault(leg.option.con_id, []).append((position.id, leg.option))
        self._counted: Counter[str] = Counter()
        self._taken: Counter[tuple[str, Option]] = Counter()
        self._own: Counter[int] = Counter()

    def deals_in_ours(self, row: Row) -> bool:
        """Say whether a row is an external execution in a contract of ours."""
        is_of_others = row["kind"] == "execution" and not str(row.get("order_ref", "")).startswith(PREFIX)
        return is_of_others and (int(str(row["con_id"])) in self._holders or base_of(row["exec_id"]) in self._booked)

    def changes(self, row: Row, held: Callable[[str, Option], int]) -> Iterator[tuple[str, Option, int]]:
        """Yield what the row changes: position, contract, + bought. held: contracts of a position before it, + long."""
        base, con_id = base_of(row["exec_id"]), int(str(row["con_id"]))
        left = signed(row) - self._counted[base]
        self._counted[base] += left
        if base in self._booked:
            yield *self._booked[base], left
            return
        holders = self._holders[con_id]
        for key in reversed(holders):  # what they had closed and have opened again
            count = _within(left, -self._taken[key])
            left -= count
            yield from self._move(key, count)
        own = _within(left, -self._own[con_id])
        self._own[con_id] += own
        left -= own
        for key in holders:
            count = _within(left, -held(*key))
            left -= count
            yield from self._move(key, count)
        self._own[con_id] += left

    def _move(self, key: tuple[str, Option], count: int) -> Iterator[tuple[str, Option, int]]:
        self._taken[key] += count
        if count:
            yield *key, count


def _within(count: int, limit: int) -> int:
    """Return the part of a signed count between 0 and a limit of the same sign."""
    return max(min(count, limit), 0) if limit > 0 else min(max(count, limit), 0)


def left_to_go_on(day: CheckedDay) -> Counter[tuple[str, str]]:
    """Return how many contracts others closed, by position and leg, where a person let the rest continue.

    The rest is without partners because that person wants it so.
    """
    closed: dict[str, tuple[str, str, str, int]] = {}
    let: set[str] = set()
    for record in day.records:
        if record.kind is Kind.FILL and record.data["purpose"] == BY_OTHERS:
            base = base_of(record.data["exec_id"])
            closed[base] = record.bot, record.position, str(record.data["leg"]), int(str(record.data["quantity"]))
        elif record.kind is Kind.OPERATOR and record.data["request"] == Request.RESUME.value:
            let |= {base for base, (bot, *_) in closed.items() if record.data["bot"] in ("", bot)}
    found: Counter[tuple[str, str]] = Counter()
    for base in let:
        _, position, leg, count = closed[base]
        found[position, leg] += count
    return found

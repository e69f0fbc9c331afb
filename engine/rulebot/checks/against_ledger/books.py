"""The engine's books against the ledger of its broker: cash, commissions, holdings and every execution, to the cent."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from rulebot.checks.against_ledger.day import CheckedDay
from rulebot.fill.book import BY_OTHERS
from rulebot.model.contract import Option
from rulebot.model.cover import shares_delivered
from rulebot.model.delivery import DELIVERING
from rulebot.model.money import CENT, ZERO
from rulebot.model.unseen import is_synthetic
from rulebot.record.record import Json, Kind
from twsim.exchange.ledger import DELIVERY, Row, money_of
from twsim.exchange.strangers import EARLY
from twsim.market.universe import ASSETS

UNDERLYINGS = frozenset(asset.instrument.con_id for asset in ASSETS.values())
"""Contract ids that are no options: their cash flows come from deliveries, and somebody may hold shares of them."""
MULTIPLIERS = {"OPT": 100, "STK": 1}
PREFIX = "rb:"
"""How the reference of each of our orders begins."""


def compare_books(
    day: CheckedDay, untold: Iterable[Row] = (), rows: Iterable[Row] = (), unheard: Collection[str] = ()
) -> list[str]:
    """Return every difference between the engine's books and the gateway's ledger, to the cent.

    untold: commission rows of the ledger that the broker has kept from us so far; our books cannot have them. rows: of
    the ledger; what others did in the account is taken out of its figures. unheard: executions, without their revision,
    that nobody was there to hear on their day; at what they traded is not compared, nor is what others have closed at a
    price that nobody has told.
    """
    past_us = _past_us(day)
    rows = list(rows)
    others = _of_others((row for row in rows if base_of(row.get("exec_id", "")) not in past_us), _settled(day))
    estimated = _estimated(day)
    for key, count in estimated.items():
        others["held", key] -= count
    cash, paid, held = dict[int, Decimal](), dict[int, Decimal](), dict[int, Decimal]()
    for position in day.positions.values():
        for leg in position.legs:
            key = leg.option.con_id
            cash[key] = cash.get(key, ZERO) + leg.entry_cash + leg.exit_cash
            paid[key] = paid.get(key, ZERO) + leg.commissions
            held[key] = held.get(key, ZERO) + leg.signed_held
    for key, amount in _set_off(day):
        cash[key] -= amount
    for key, amount in _by_account_alone(day):
        cash[key] += amount
    theirs_paid = dict(day.ledger.commissions)
    of_others = {
        base_of(row["exec_id"]) for row in rows if _is_of_others(row) and base_of(row["exec_id"]) not in past_us
    }  # their commissions are in `others`, told or not
    kept = set[str]()
    for row in untold:
        kept.add(base_of(row["exec_id"]))
        if base_of(row["exec_id"]) not in of_others:
            theirs_paid[int(str(row["con_id"]))] -= money_of(row, "commission")
    paid_for = {base_of(record.data["exec_id"]) for record in day.records if record.kind is Kind.COMMISSION}
    for row in rows:  # what others pay is told once: to who is there
        if row["kind"] == "commission" and base_of(row["exec_id"]) in past_us - paid_for - kept:
            theirs_paid[int(str(row["con_id"]))] -= money_of(row, "commission")
    sums = (
        ("cash", cash, day.ledger.cash_flow),
        ("commission", paid, theirs_paid),
        ("held", held, day.ledger.positions),
    )
    known = {key for key in (*cash, *day.ledger.cash_flow, *day.ledger.positions) if key not in UNDERLYINGS}
    dealt = set() if any(_is_early(row) for row in rows) else _shares_dealt(day)
    waiting = {option.con_id for option in waiting_for_level(day, rows)}
    guessed = {int(str(row["con_id"])) for row in executions(rows) if base_of(row["exec_id"]) in unheard}
    ended = {leg.option.con_id for position in day.positions.values() for leg in position.legs if leg.settled}
    ended |= {int(str(row["con_id"])) for row in rows if row["kind"] == "settlement" and not _is_early(row)}
    shared = {key for key in ended if others.get(("held", key))}  # what others have of it is settled with ours
    dealt -= _moved_by(rows, shared)
    return [
        f"{what} of {key}: ours {ours.get(key, ZERO)}, the ledger's {theirs.get(key, ZERO)}"
        for key in sorted(known | dealt)
        for what, ours, theirs in sums
        if not (key in dealt and what == "held")  # the account may hold others
        and not (key in guessed and what != "held")
        and not (key in estimated and what == "cash")
        and not (key in shared and what != "commission")
        and not (key in waiting and what != "commission")
        and abs(ours.get(key, ZERO) - theirs.get(key, ZERO) + others.get((what, key), ZERO)) >= CENT / 2
    ]


def waiting_for_level(day: CheckedDay, rows: Iterable[Row]) -> set[Option]:
    """Return what has expired and is still in our books, when a person was told of its position since.

    At what it settled nobody could know: its underlying had no live data at the close, nor has it since.
    """
    ended = {int(str(row["con_id"])): str(row["at"]) for row in rows if row["kind"] == "settlement"}
    told = {record.position: record.at for record in day.records if record.kind is Kind.ALARM}
    return {
        leg.option
        for position in day.positions.values()
        for leg in position.legs
        if leg.held and leg.option.con_id in ended and position.id in told
        if told[position.id] >= datetime.fromisoformat(ended[leg.option.con_id])
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
    """Yield dollars of shares that assignment or exercise brought or took, less those that were a leg of a position.

    Of shares that some position has as a leg: the ledger has all of them on the shares, whoever's option it was.
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
    """Return cash, commissions and contracts, by contract, of trades that are not ours and of early assignments.

    A trade that was corrected counts as it stands now. settled: what has left our books too.
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


def _past_us(day: CheckedDay) -> set[str]:
    """Return the executions of others, without their revision, that have closed what was ours and are booked so."""
    fills = (record.data for record in day.records if record.kind is Kind.FILL)
    return {base_of(fill["exec_id"]) for fill in fills if fill["purpose"] == BY_OTHERS}


def _estimated(day: CheckedDay) -> dict[int, int]:
    """Return how many contracts others have bought of ours, - sold, at prices that nobody has told, by contract."""
    found: dict[int, int] = defaultdict(int)
    told = (record.data for record in day.records if record.kind is Kind.FILL)
    newest = {base_of(fill["exec_id"]): fill for fill in told if _is_estimate(fill)}
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
    """Return executions that are counted twice, not at all, or otherwise than the ledger has them.

    A correction takes the place of what it corrects, on both sides; what was booked unseen and then taken back for the
    true execution is none. An estimate of what others have dealt, or of what was assigned early while a person might
    have traded it, is in no ledger. unheard: as in `compare_books`; what was taken up from the account in their place
    is left out with them.
    """
    rows = list(rows)
    taken_up = {str(row["order_ref"]) for row in executions(rows) if base_of(row["exec_id"]) in unheard}
    fills = [record.data for record in day.records if record.kind is Kind.FILL]
    for exec_id, count in Counter(str(fill["exec_id"]) for fill in fills).items():
        if count > 1:
            yield f"the execution {exec_id} is counted {count} times"
    ours = {
        base_of(fill["exec_id"]): _terms(fill["exec_id"], fill["ref"], fill["con_id"], fill["quantity"], fill["price"])
        for fill in fills
    }
    theirs = {
        base_of(row["exec_id"]): _terms(row["exec_id"], row["order_ref"], row["con_id"], row["quantity"], row["price"])
        for row in executions(rows)
    }
    past_us = _past_us(day)
    dealt = {int(str(row["con_id"])) for row in rows if _is_of_others(row) or _is_early(row)}
    estimates = {base_of(fill["exec_id"]) for fill in fills if _is_estimate(fill) and int(str(fill["con_id"])) in dealt}
    theirs |= {
        base_of(row["exec_id"]): _terms(row["exec_id"], "", row["con_id"], row["quantity"], row["price"])
        for row in rows
        if _is_of_others(row) and base_of(row["exec_id"]) in past_us
    }
    for base in sorted({*ours, *theirs}):
        if base in unheard or (base not in theirs and ours[base].quantity == 0):
            continue
        if base in estimates or (is_synthetic(base) and ours[base].ref in taken_up):
            continue
        if ours.get(base) != theirs.get(base):
            yield f"the execution {base}: ours {_shown(ours.get(base))}, the ledger's {_shown(theirs.get(base))}"


class _Terms(NamedTuple):
    exec_id: str
    ref: str
    con_id: int
    quantity: Decimal
    price: Decimal


def contracts_of(row: Row) -> int:
    """Return how many contracts, or shares, a row of the ledger is of."""
    return int(money_of(row, "quantity"))


def signed(row: Row) -> int:
    """Return what an execution brings the account: + bought."""
    return contracts_of(row) * (1 if row["side"] == "BOT" else -1)


def base_of(exec_id: object) -> str:
    """Return what the id of an execution and those of its corrections have in common; "" of none."""
    return str(exec_id).rpartition(".")[0]


def _terms(exec_id: object, ref: object, con_id: object, quantity: object, price: object) -> _Terms:
    return _Terms(str(exec_id), str(ref), int(str(con_id)), Decimal(str(quantity)), Decimal(str(price)))


def _shown(terms: _Terms | None) -> str:
    if terms is None:
        return "has none"
    return f"{terms.exec_id} of {terms.ref}, {terms.quantity} of {terms.con_id} at {terms.price}"

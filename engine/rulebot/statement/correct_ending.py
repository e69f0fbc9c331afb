"""A trade before expiry that nobody told, for `rulebot store correct`: its option is booked as ended."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, TypeVar

from rulebot.fill.ledger import leg_of
from rulebot.model.errors import MisuseError
from rulebot.model.event import EndingCorrected, ExecutionReport, GonePriced
from rulebot.model.order import Order, TimeInForce, first_revision, missed_base, next_revision, unseen_base
from rulebot.model.position import MissingLeg, Position, PositionLeg
from rulebot.model.session import exchange_date, session_from
from rulebot.model.share_coverage import DELIVERING
from rulebot.model.text import counted
from rulebot.record.books import HOW
from rulebot.record.codec import decode, utc_time
from rulebot.record.record import Kind, Record

# --- What a person who corrects a fill is asked where it is not clear which leg is meant


def ambiguous_leg(ref: str, legs: Iterable[str]) -> MisuseError:
    """Return the error that names the legs which may be meant."""
    return MisuseError(f"which leg of {ref} is meant is not clear", f"say --leg with one of: {', '.join(legs)}")


# --- A trade before expiry that nobody told, for `rulebot store correct`: its option is booked as ended

_T = TypeVar("_T")


class RecordedEnding(NamedTuple):
    """A leg that has ended with its option, and how many contracts of it a trade of this order may stand for."""

    position: Position
    leg: PositionLeg
    order: Order | None
    price: Decimal
    how: str
    most: int
    settled_at: datetime

    @property
    def words(self) -> str:
        """How it had ended, as the sheets of an export call it."""
        return f"{HOW[self.how]} at {self.price.normalize():f}" if self.price else HOW[self.how]


def find_ending(records: Sequence[Record], ref: str, leg: str) -> RecordedEnding | None:
    """Return the leg of an order, or of a position that others have closed, that ended with its option; None without.

    Raises: MisuseError when it is not clear which one is meant, or a trade cannot take the place of how it ended.
    """
    order, position = _order_and_position(records, ref)
    found = [each for each in _ended(order, position) if leg in ("", each.name)]
    if position is None or not found:
        return None
    if order is not None and order.can_increase_risk:
        raise MisuseError(
            f"no fill of '{ref}' was taken up from the account, and it opens something",
            "in the place of a settlement stands what has closed: say the position, or an order that closes",
        )
    if len(found) > 1:
        raise ambiguous_leg(ref, (each.name for each in found))
    return _of_leg(records, position, found[0], order)


def two_parts(position: str, leg: str, exec_id: str) -> MisuseError:
    """Return the error that asks which part of a leg is meant: what has ended with its option, or went before."""
    return MisuseError(
        f"a part of {leg} of {position} was closed before the rest of it ended with its option: which is meant?",
        f"say --contracts with how many of the rest were traded; of the part, say '{exec_id}' instead of {position}",
    )


def ended_legs(records: Sequence[Record], ref: str) -> set[str]:
    """Return the legs whose ending a trade of this order, or of others in this position, could take the place of."""
    order, position = _order_and_position(records, ref)
    if order is not None and order.can_increase_risk:
        return set()
    return {each.name for each in _ended(order, position) if order is None or _untold(order, each.name) > 0}


def _order_and_position(records: Sequence[Record], ref: str) -> tuple[Order | None, Position | None]:
    order = _last(records, Kind.ORDER, "ref", ref, Order)
    return order, _last(records, Kind.POSITION, "id", ref if order is None else order.position, Position)


def _ended(order: Order | None, position: Position | None) -> list[PositionLeg]:
    """Return the legs of a position that have ended with their option, those alone that this order is of."""
    ended = [each for each in position.legs if each.settled > 0 and not each.option.is_share] if position else []
    return ended if order is None else [each for each in ended if each.name in {own.name for own in order.legs}]


def _of_leg(records: Sequence[Record], position: Position, leg: PositionLeg, order: Order | None) -> RecordedEnding:
    of_position = [each for each in records if each.kind is Kind.SETTLEMENT and each.position == position.id]
    if any(_moves_shares(record) for record in of_position):
        raise MisuseError(
            f"{position.id} has ended in shares that its legs gave or took: no trade can take the place of that",
            "keep the difference to the account's statement beside this store",
        )
    counts: Counter[tuple[Decimal, str]] = Counter()
    for record in of_position:
        if record.data["leg"] == leg.name:
            counts[Decimal(str(record.data["price"])), str(record.data["how"])] += int(str(record.data["quantity"]))
    (price, how), most = next((key, count) for key, count in reversed(counts.items()) if count > 0)
    if order is not None:
        most = min(most, _untold(order, leg.name))
        if most <= 0:
            raise MisuseError(
                f"{order.ref} was never sent, or has filled as a whole: no more of it can have been traded"
            )
    return RecordedEnding(position, leg, order, price, how, most, of_position[-1].at)


def _untold(order: Order, leg: str) -> int:
    """Return how many contracts of a leg an order may have filled that nobody told."""
    if order.sent_at is None:
        return 0
    return next(count for own, count in zip(order.legs, order.unfilled, strict=True) if own.name == leg)


def _moves_shares(record: Record) -> bool:
    how = record.data["how"]
    return how == "delivered" or (how in DELIVERING and bool(Decimal(str(record.data["price"]))))


def traded(
    records: Iterable[Record],
    ending: RecordedEnding,
    price: Decimal,
    contracts: int | None,
    on: date | None,
    at: datetime,
) -> EndingCorrected:
    """Return the event that puts a trade in its place. on: the day of it. Raises: MisuseError for what cannot be."""
    position, leg, order = ending.position, ending.leg, ending.order
    count = ending.most if contracts is None else contracts
    if not 0 < count <= ending.most:
        raise MisuseError(f"{counted(ending.most, 'contract')} of {leg.name} may have been traded, not {count}")
    of_position = [each for each in records if each.kind is Kind.FILL and each.position == position.id]
    executed_at = session_from(_day(ending, on)).close
    before = leg.closed - leg.settled
    base = missed_base(position.id, leg.name, before) if order is None else unseen_base(order.ref, leg.name)
    standing = {str(each.data["exec_id"]).rpartition(".")[0]: each for each in of_position}.values()
    known = [str(each.data["exec_id"]) for each in of_position if str(each.data["exec_id"]).startswith(f"{base}.")]
    fill = ExecutionReport(
        at=at,
        exec_id=next_revision(max(known, default=first_revision(base))),
        ref="" if order is None else order.ref,
        order_id=0 if order is None else order.order_id,
        perm_id=0 if order is None else order.perm_id,
        client_id=0 if order is None else order.client_id,
        option=leg.option,
        is_combo=False,
        is_buy=leg.sign < 0,
        quantity=Decimal(count),
        price=price,
        executed_at=executed_at,
    )
    return EndingCorrected(
        at=at,
        position=position.id,
        leg=leg.name,
        fill=fill,
        price=ending.price,
        how=ending.how,
        left_at=max([executed_at, *map(_executed_at, filter(_closes, standing))]),
    )


def _day(ending: RecordedEnding, on: date | None) -> date:
    """Return the day of the trade: that of an order for the day, else the last one of the option, unless it is said."""
    order, last = ending.order, ending.leg.option.expiry
    if on is None:
        if order is None or order.sent_at is None or order.time_in_force is not TimeInForce.DAY:
            return last
        return exchange_date(order.sent_at)
    first = exchange_date(ending.position.opened_at) if ending.position.opened_at else ending.position.session
    if not first <= on <= last or session_from(on).date != on:
        raise MisuseError(f"{ending.leg.name} was held from {first} to {last}, and {on} is no session of those days")
    return on


def _closes(fill: Record) -> bool:
    return fill.data["purpose"] != "entry" and bool(int(str(fill.data["quantity"])))


def _executed_at(fill: Record) -> datetime:
    return utc_time(str(fill.data["executed_at"]))


def _last(records: Sequence[Record], kind: Kind, key: str, name: str, of: type[_T]) -> _T | None:
    """Return the last value recorded of an order or a position."""
    found = next((each for each in reversed(records) if each.kind is kind and each.data[key] == name), None)
    return None if found is None else decode(of, dict(found.data))


# --- What others have closed and nobody told, for `rulebot store correct`: our books hold it, and the account no
#     more


class ExternalClose(NamedTuple):
    """What the account lacks of one leg of a position that is on hold."""

    position: Position
    missed: MissingLeg


def find_gone(records: Sequence[Record], ref: str, leg: str) -> ExternalClose | None:
    """Return what the account lacks of a position, or of one leg; None where nothing is missed.

    Of shares that were split all must be gone: their number is not that of our books.
    Raises: MisuseError when it is not clear which leg is meant.
    """
    position = _last_position(records, ref)
    if position is None or not position.hold or position.state not in ("open", "exiting"):
        return None
    found = [each for each in position.missed if each.contracts and leg in ("", each.leg)]
    found = [each for each in found if _is_whole(position, each)]
    if len(found) > 1:
        raise ambiguous_leg(ref, (each.leg for each in found))
    return ExternalClose(position, found[0]) if found else None


def _last_position(records: Sequence[Record], id: str) -> Position | None:
    told = (each for each in reversed(records) if each.kind is Kind.POSITION and each.data["id"] == id)
    last = next(told, None)
    return None if last is None else decode(Position, dict(last.data))


def _is_whole(position: Position, missed: MissingLeg) -> bool:
    leg = leg_of(position, missed.leg)
    return not position.is_split_in(leg.option) or missed.contracts == leg.held


def priced(gone: ExternalClose, price: Decimal, at: datetime) -> GonePriced:
    """Return the event that books it."""
    name, leg = gone.position.id, gone.missed.leg
    closed = leg_of(gone.position, leg).closed
    exec_id = next_revision(first_revision(missed_base(name, leg, closed)))
    return GonePriced(at=at, position=name, leg=leg, price=price, exec_id=exec_id)

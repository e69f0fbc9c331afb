"""What others have closed and nobody told, for `rulebot store correct`: our books hold it, and the account no more."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from rulebot.fill.apply import leg_of
from rulebot.model.event import GonePriced
from rulebot.model.position import MissingLeg, Position
from rulebot.model.unseen import first_revision, missed_base, next_revision
from rulebot.record.codec import decode
from rulebot.record.record import Kind, Record
from rulebot.statement.ask_leg import ambiguous_leg


class ExternalClose(NamedTuple):
    """What the account lacks of one leg of a position that is on hold."""

    position: Position
    missed: MissingLeg


def find_gone(records: Sequence[Record], ref: str, leg: str) -> ExternalClose | None:
    """Return what the account lacks of a position, or of one leg; None where nothing is missed.

    Of shares that were split all must be gone: their number is not that of our books.
    Raises: MisuseError when it is not clear which leg is meant.
    """
    last = next((each for each in reversed(records) if each.kind is Kind.POSITION and each.data["id"] == ref), None)
    position = None if last is None else decode(Position, dict(last.data))
    if position is None or not position.hold or position.state not in ("open", "exiting"):
        return None
    found = [each for each in position.missed if each.contracts and leg in ("", each.leg)]
    found = [each for each in found if _is_whole(position, each)]
    if len(found) > 1:
        raise ambiguous_leg(ref, (each.leg for each in found))
    return ExternalClose(position, found[0]) if found else None


def _is_whole(position: Position, missed: MissingLeg) -> bool:
    leg = leg_of(position, missed.leg)
    return not position.is_split_in(leg.option) or missed.contracts == leg.held


def priced(gone: ExternalClose, price: Decimal, at: datetime) -> GonePriced:
    """Return the event that books it."""
    name, leg = gone.position.id, gone.missed.leg
    closed = leg_of(gone.position, leg).closed
    exec_id = next_revision(first_revision(missed_base(name, leg, closed)))
    return GonePriced(at=at, position=name, leg=leg, price=price, exec_id=exec_id)

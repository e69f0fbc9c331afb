"""What operators have asked for and not taken back, folded from the records that an engine keeps of it."""

from collections.abc import Iterable

from engine.model.event import Request
from engine.record.record import Record
from engine.turn.state import Standing, after_request


def standing_of(asked: Iterable[Record]) -> Standing:
    """Return what stands after the records of operators, in order."""
    standing = Standing()
    for record in asked:
        standing = after_record(standing, record)
    return standing


def after_record(standing: Standing, record: Record) -> Standing:
    """Return what stands after one record of an operator's request."""
    data = record.data
    return after_request(standing, Request(data["request"]), record.bot, str(data.get("position") or ""))

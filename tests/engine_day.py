"""A sound hand-made day for the audit: one put sold, its two resting orders, the target filled, and a leg settled."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from rulebot.model.contract import Option, Right
from rulebot.model.order import Order, OrderLeg, OrderStatus, OrderType, Purpose, Side
from rulebot.model.position import Position, PositionLeg
from rulebot.record.codec import encode
from rulebot.record.record import Json, Kind, Record

BOT, ID = "seller", "seller-20261118-1"
DAY = date(2026, 11, 18)
PUT = Option("SPY", "SPY", DAY, Decimal(590), Right.PUT, con_id=11)
LEG = PositionLeg(name="put", option=PUT, sign=-1, ratio=1)
FLAT = Position(id=ID, bot=BOT, digest="d1", state="entering", session=DAY, quantity=2, legs=(LEG,))
SIDES = {Side.SELL: Purpose.ENTRY, Side.BUY: Purpose.EXIT}


def at(clock: str) -> datetime:
    """Return a UTC time of the day, given in New York winter time."""
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    return datetime(2026, 11, 18, hours + 5, minutes, *seconds, tzinfo=UTC)


def order(number: int, purpose: Purpose, **changes: Any) -> Order:
    """Return one of the day's orders as it is first recorded."""
    side = Side.SELL if purpose is Purpose.ENTRY else Side.BUY
    first = Order(
        ref=f"rb:a:{number:06d}", number=number, bot=BOT, position=ID, purpose=purpose, reason=purpose.value,
        legs=(OrderLeg("put", PUT, side),), side=side, quantity=2, kind=OrderType.LIMIT, limit_price=Decimal("1.20"),
        status=OrderStatus.SENDING, order_id=number, prepared_at=at("10:00"), sent_at=at("10:00"),
        changed_at=at("10:00"), digest="d1",
    )  # fmt: skip
    return replace(first, **changes)


def entity(when: str, value: Order | Position) -> Record:
    """Return the record of a whole value."""
    data = encode(value)
    assert isinstance(data, dict)
    kind, position = (Kind.ORDER, value.position) if isinstance(value, Order) else (Kind.POSITION, value.id)
    return Record(at(when), kind, BOT, position, data)


def happening(when: str, kind: Kind, /, **data: Json) -> Record:
    """Return a record of something that happened to the position."""
    return Record(at(when), kind, BOT, ID, data)


def fill(when: str, number: int, exec_id: str, price: str, purpose: Purpose, quantity: int = 1) -> Record:
    """Return the record of an execution."""
    return happening(
        when, Kind.FILL, exec_id=exec_id, ref=f"rb:a:{number:06d}", leg="put", con_id=11, contract=str(PUT),
        is_buy=purpose is not Purpose.ENTRY, quantity=quantity, price=price, executed_at=at(when).isoformat(),
        purpose=purpose.value,
    )  # fmt: skip


def move(when: str, before: str, trigger: str, after: str) -> Record:
    """Return the record of a move along the lifecycle."""
    return happening(when, Kind.DECISION, what="state", reason=trigger, values=[before, after])


def engine_record(when: str, kind: Kind, /, **data: Json) -> Record:
    """Return a record that is about no bot."""
    return Record(at(when), kind, "", "", data)


def _held(state: str, **leg: Any) -> Position:
    return replace(FLAT, state=state, opened_at=at("10:00:05"), legs=(replace(LEG, **leg),))


OPENED = {"opened": 2, "entry_cash": Decimal(240)}
PAID = Decimal("1.30")
RESTING = {"oca_group": "rb-1", "order_id": 2, "prepared_at": at("10:00:06"), "sent_at": at("10:00:06")}
WORKING = {"status": OrderStatus.WORKING, "perm_id": 900}


def sound_day() -> list[Record]:
    """Return the day in order."""
    entry, target = order(1, Purpose.ENTRY), order(2, Purpose.TARGET, **RESTING)
    stop = order(3, Purpose.STOP, **{**RESTING, "order_id": 3})
    closed = _held(
        "closed", **OPENED, closed=2, settled=1, exit_cash=Decimal(-60), commissions=PAID * 2,
    )  # fmt: skip
    half = _held("open", **OPENED, closed=1, exit_cash=Decimal(-60), commissions=PAID * 2)
    return [
        engine_record("9:20", Kind.RUN_STARTED, specs={}, install="a"),
        engine_record("9:20", Kind.LINK, up=True, reason=""),
        engine_record(
            "9:30",
            Kind.SESSION,
            date="2026-11-18",
            open=at("9:30").isoformat(),
            close=at("16:00").isoformat(),
            half=False,
        ),
        Record(at("9:59"), Kind.VERDICT, BOT, "", {"rule": "calm", "place": "when", "truth": True, "missing": ""}),
        happening("10:00", Kind.DECISION, what="enter", reason="all conditions hold", values=[]),
        move("10:00", "flat", "enter", "entering"),
        entity("10:00", entry),
        entity("10:00", FLAT),
        entity("10:00:01", replace(entry, **WORKING)),
        fill("10:00:05", 1, "e.1.01", "1.20", Purpose.ENTRY, 2),
        move("10:00:05", "entering", "filled", "open"),
        entity("10:00:05", replace(entry, status=OrderStatus.FILLED, perm_id=900, leg_filled=(2,))),
        entity("10:00:05", _held("open", **OPENED)),
        happening("10:00:06", Kind.COMMISSION, exec_id="e.1.01", leg="put", amount="1.30"),
        entity("10:00:06", target),
        entity("10:00:06", stop),
        entity("10:00:06", _held("open", **OPENED, commissions=PAID)),
        entity("10:00:07", replace(target, status=OrderStatus.WORKING, perm_id=901)),
        entity("10:00:07", replace(stop, status=OrderStatus.WORKING, perm_id=902)),
        fill("11:00", 2, "e.2.01", "0.60", Purpose.TARGET),
        happening("11:00", Kind.COMMISSION, exec_id="e.2.01", leg="put", amount="1.30"),
        entity("11:00", replace(target, status=OrderStatus.WORKING, perm_id=901, leg_filled=(1,))),
        entity("11:00", half),
        entity("16:00", replace(target, status=OrderStatus.CANCELLED, perm_id=901, leg_filled=(1,))),
        entity("16:00", replace(stop, status=OrderStatus.CANCELLED, perm_id=902)),
        happening(
            "16:01", Kind.SETTLEMENT, leg="put", quantity=1, price="0", level="595", how="worthless", shares_profit="0"
        ),
        move("16:01", "open", "settled", "closed"),
        entity("16:01", closed),
        engine_record("16:02", Kind.RUN_ENDED, reason="the end of the last session"),
    ]


def changed(records: Sequence[Record], is_it: Callable[[Record], bool], which: int, **data: Json) -> list[Record]:
    """Return the records with fields of one changed: number `which` of those that fit."""
    index = [i for i, record in enumerate(records) if is_it(record)][which]
    found = list(records)
    found[index] = replace(found[index], data={**found[index].data, **data})
    return found

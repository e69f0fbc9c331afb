"""Start-up is recovery: the state is read back from the journal, whatever the last run's end was.

Orders, positions and bot days are entities: the last value recorded is the truth. The market is read anew, and the
broker is compared with at LinkUp.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from engine.decide.bot_day import BotDay
from engine.fill.book import Booked
from engine.model.event import Request
from engine.model.facts import EventCalendar, Facts
from engine.model.market import Board
from engine.model.money import ZERO
from engine.model.order import Order, Purpose
from engine.model.position import Position
from engine.model.session import exchange_date, session_from
from engine.model.values import dataclass
from engine.record.codec import decode
from engine.record.record import Json, Kind, Record
from engine.run.desk import SpecText
from engine.turn.daily import is_over
from engine.turn.state import BotState, Standing, State, after_request
from engine.turn.work import active_ids, live_refs

RECENT = timedelta(minutes=1)
"""Orders sent since then still count against orders_per_minute."""

RESUMED = (
    Kind.ORDER,
    Kind.POSITION,
    Kind.BOT_DAY,
    Kind.FILL,
    Kind.COMMISSION,
    Kind.MARK,
    Kind.OPERATOR,
    Kind.RUN_STARTED,
    Kind.RELOAD,
)


@dataclass(frozen=True, slots=True)
class Resumed:
    """What a store knows: the state to go on from, the texts that governed earlier, and the last run's marks."""

    state: State
    texts: tuple[SpecText, ...]
    install: str
    is_fresh: bool


def resume(records: Sequence[Record], at: datetime, board: Board, events: EventCalendar) -> Resumed:
    """Return the state that the journal leads to, as of `at`."""
    session = session_from(exchange_date(at))
    state = State(session=session, board=board, facts=Facts(events=events))
    orders: dict[str, Order] = {}
    positions: dict[str, Position] = {}
    days: dict[str, BotDay] = {}
    booked: dict[str, Booked] = {}
    marks: dict[str, Decimal] = {}
    bases: dict[str, Decimal] = {}
    texts: dict[str, SpecText] = {}
    requests: set[str] = set()
    accepted: set[str] = set()
    standing = Standing()
    install = ""
    for record in records:
        data = dict(record.data)
        if record.kind is Kind.ORDER:
            order = decode(Order, data)
            orders[order.ref] = order
        elif record.kind is Kind.POSITION:
            position = decode(Position, data)
            positions[position.id] = position
        elif record.kind is Kind.BOT_DAY:
            days[record.bot] = decode(BotDay, data)
        elif record.kind is Kind.FILL:
            _book(booked, record, data, positions, orders)
        elif record.kind is Kind.COMMISSION:
            base = str(data["exec_id"]).rpartition(".")[0]
            if base in booked:
                booked[base] = replace(booked[base], commission=Decimal(str(data["amount"])))
        elif record.kind is Kind.MARK and data.get("profit") is not None:
            marks[record.position] = Decimal(str(data["profit"]))
            if exchange_date(record.at) < session.date:
                bases[record.position] = marks[record.position]
        elif record.kind is Kind.OPERATOR:
            requests.add(str(data["id"]))
            standing = after_request(standing, Request(data["request"]), record.bot)
            let_be = data.get("accepted") or []
            assert isinstance(let_be, list)
            accepted.update(str(key) for key in let_be)
        elif record.kind is Kind.RUN_STARTED:
            install = str(data["install"])
        if (specs := data.get("specs")) is not None:
            texts.update({text.digest: text for text in _texts(specs)})
    working = {o.position for o in orders.values() if o.status.is_live}
    kept = {name: found for name, found in positions.items() if name in working or not is_over(found, session)}
    known = {ref: o for ref, o in orders.items() if o.status.is_live or o.position in kept}
    sent = sorted(o.sent_at for o in known.values() if o.sent_at is not None and at - o.sent_at < RECENT)
    state = state._replace(
        standing=standing,
        positions=kept,
        orders=known,
        live=live_refs(known),
        active=active_ids(kept),
        by_id={o.order_id: ref for ref, o in known.items() if o.order_id},
        booked=booked,
        sent=tuple(sent),
        marks={name: made for name, made in marks.items() if name in kept},
        bases={name: made for name, made in bases.items() if name in kept},
        bots={name: BotState(day=day) for name, day in days.items() if day.date == session.date},
        next_number=max((o.number for o in orders.values()), default=0) + 1,
        next_order_id=max((o.order_id for o in orders.values()), default=0) + 1,
        requests=frozenset(requests),
        accepted=frozenset(accepted),
    )
    needed = {position.digest for position in kept.values()}
    return Resumed(state, tuple(t for d, t in texts.items() if d in needed), install, not orders and not install)


def _book(
    booked: dict[str, Booked],
    record: Record,
    data: dict[str, Json],
    positions: dict[str, Position],
    orders: dict[str, Order],
) -> None:
    exec_id = str(data["exec_id"])
    order = orders.get(str(data["ref"]))
    count = int(str(data["quantity"]))
    multiplier = 100
    if order is not None:
        multiplier = order.legs[0].option.multiplier
    sign = -1 if data["is_buy"] else 1
    base = exec_id.rpartition(".")[0]
    corrected = booked.get(base)
    booked[base] = Booked(
        exec_id=exec_id,
        position=record.position,
        leg=str(data["leg"]),
        is_entry=str(data["purpose"]) == Purpose.ENTRY.value,
        quantity=count,
        cash=Decimal(str(data["price"])) * count * multiplier * sign,
        commission=corrected.commission if corrected else ZERO,
    )


def _texts(data: Json) -> list[SpecText]:
    assert isinstance(data, dict)
    found = []
    for name, each in data.items():
        assert isinstance(each, dict)
        overrides = each.get("overrides") or {}
        assert isinstance(overrides, dict)
        found.append(
            SpecText(
                name=name,
                digest=str(each["digest"]),
                file=str(each["path"]),
                text=str(each["text"]),
                overrides={key: str(value) for key, value in overrides.items()},
            )
        )
    return found

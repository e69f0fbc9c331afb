"""Hand-made sessions of put_lite on paper, each a run of its own, for what judges them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, cast

from rulebot.decide.entry_window import BotDay
from rulebot.documents.load_bots import SpecText, compile_text, load_all_bots
from rulebot.model.cause import Halt
from rulebot.model.contract import Option, Right
from rulebot.model.event import Request
from rulebot.model.order import Order, OrderLeg, OrderStatus, OrderType, Purpose, Side
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.record.codec import encode
from rulebot.record.record import Json, Kind, Record
from rulebot.spec.files import shipped

BOT = "put_lite"
FIRST = date(2026, 10, 19)
"""A Monday; put_lite's window is 10:30 to 13:30."""


@cache
def spec_text() -> SpecText:
    """Return the text of put_lite as a run keeps it."""
    (text,) = load_all_bots([str(shipped("specs") / f"{BOT}.yaml")], {}, None).texts
    return text


def at(day: date, clock: str) -> datetime:
    """Return a New York clock time in UTC."""
    return datetime.combine(day, time.fromisoformat(clock), EXCHANGE_ZONE).astimezone(UTC)


def entity(when: datetime, value: Order | Position | BotDay) -> Record:
    """Return the record of a whole value."""
    kind, id = Kind.BOT_DAY, ""
    if isinstance(value, Order | Position):
        is_order = isinstance(value, Order)
        kind, id = (Kind.ORDER, value.position) if is_order else (Kind.POSITION, value.id)
    return Record(when, kind, value.bot, id, cast(dict[str, Json], encode(value)))


def put(day: date, strike: int = 5900) -> Option:
    """Return the option that is traded."""
    return Option("SPX", "SPXW", day, Decimal(strike), Right.PUT, con_id=strike)


def position(day: date, made: str, **changes: Any) -> Position:
    """Return a put sold at 10:30 for $100 and bought back at noon, so that `made` is left; it could lose $200."""
    leg = PositionLeg(
        name="short_put", option=put(day), sign=-1, ratio=1, opened=1, closed=1, entry_cash=Decimal(100),
        exit_cash=Decimal(made) - 100 + 2, commissions=Decimal(2),
    )  # fmt: skip
    found = Position(
        id=f"P{day:%d}", bot=BOT, digest=spec_text().digest, state="closed", session=day, quantity=1, legs=(leg,),
        opened_at=at(day, "10:30"), closed_at=at(day, "12:00"), max_risk=Decimal(200), exit_reason="target",
    )  # fmt: skip
    return replace(found, **changes)


def sound_trade(day: date, made: str) -> list[Record]:
    """Return the same trade with its orders, fills and moves, so that the audit finds nothing."""
    closed = position(day, made)
    (leg,) = closed.legs
    flat = replace(leg, opened=0, closed=0, entry_cash=Decimal(0), exit_cash=Decimal(0), commissions=Decimal(0))
    begun = replace(closed, state="entering", legs=(flat,), opened_at=None, closed_at=None, exit_reason="")
    opened = replace(flat, opened=1, entry_cash=Decimal(100))
    held = replace(begun, state="open", legs=(opened,), opened_at=at(day, "10:30"))
    leaving = replace(held, state="exiting", exit_reason="target", legs=(replace(opened, commissions=Decimal(1)),))
    parts = ((Purpose.ENTRY, "10:30", "1.00"), (Purpose.EXIT, "12:00", f"{-leg.exit_cash / 100}"))
    sold, bought = (_dealt(day, closed, *part) for part in parts)
    return [
        *_judged(day),
        _decided(day, "10:30", closed.id, "enter", "all conditions hold"),
        _decided(day, "10:30", closed.id, "state", "enter", "flat", "entering"),
        sold[0],
        entity(at(day, "10:30"), begun),
        *sold[1:3],
        _decided(day, "10:30", closed.id, "state", "filled", "entering", "open"),
        sold[3],
        entity(at(day, "10:30"), held),
        sold[4],
        entity(at(day, "10:30"), replace(held, legs=leaving.legs)),
        _decided(day, "12:00", closed.id, "state", "exit", "open", "exiting"),
        entity(at(day, "12:00"), leaving),
        *bought[:3],
        bought[4],
        _decided(day, "12:00", closed.id, "state", "closed_out", "exiting", "closed"),
        bought[3],
        entity(at(day, "12:00"), closed),
    ]


def _judged(day: date) -> list[Record]:
    """Return that each condition of an entry was true when it was looked at."""
    plan = compile_text(spec_text()).plan
    asked = [("when", each.name) for each in plan.entry.when] + [("require", each.name) for each in plan.require]
    return [
        Record(at(day, "10:30"), Kind.VERDICT, BOT, data={"place": place, "rule": rule, "truth": True, "missing": ""})
        for place, rule in asked
    ]


def _decided(day: date, clock: str, id: str, what: str, reason: str, *values: str) -> Record:
    data: dict[str, Json] = {"what": what, "reason": reason, "values": list(values)}
    return Record(at(day, clock), Kind.DECISION, BOT, id, data)


def _dealt(day: date, of: Position, purpose: Purpose, clock: str, price: str) -> tuple[Record, ...]:
    """Return an order as it was sent, working, its fill, itself filled, and the commission."""
    when, option, number = at(day, clock), of.legs[0].option, 2 * day.toordinal() + (purpose is Purpose.EXIT)
    side = Side.BUY if purpose is Purpose.EXIT else Side.SELL
    sent = Order(
        ref=f"rb:a:{number}", number=number, bot=BOT, position=of.id, purpose=purpose, reason=purpose.value,
        legs=(OrderLeg("short_put", option, side),), side=side, quantity=1, kind=OrderType.LIMIT, order_id=number,
        limit_price=Decimal(price), status=OrderStatus.SENDING, prepared_at=when, sent_at=when, changed_at=when,
        digest=of.digest,
    )  # fmt: skip
    reported: dict[str, Json] = {
        "exec_id": f"e.{number}.01", "ref": sent.ref, "leg": "short_put", "con_id": option.con_id,
        "contract": str(option), "is_buy": side is Side.BUY, "quantity": "1", "price": price, "position": of.id,
        "executed_at": when.isoformat(), "purpose": purpose.value,
    }  # fmt: skip
    paid: dict[str, Json] = {"exec_id": f"e.{number}.01", "position": of.id, "leg": "short_put", "amount": "1"}
    working = replace(sent, status=OrderStatus.WORKING, perm_id=number)
    return (
        entity(when, sent),
        entity(when, working),
        Record(when, Kind.FILL, BOT, of.id, reported),
        entity(when, replace(working, status=OrderStatus.FILLED, leg_filled=(1,))),
        Record(when, Kind.COMMISSION, BOT, of.id, paid),
    )


def session(
    day: date,
    made: str | None = None,
    *more: Record,
    starts: str = "09:20",
    ends: str = "16:06",
    simulated: bool = False,
    mode: str = "paper",
    digest: str = "",
    overrides: dict[str, str] | None = None,
    **changes: Any,
) -> list[Record]:
    """Return one run over one session, with a trade that made so many dollars, and `more` where its time puts it."""
    text = spec_text()
    specs: dict[str, Json] = {
        BOT: {"digest": digest or text.digest, "path": "specs/put_lite.yaml", "text": text.text, "overrides": {}}
    }
    account = ("U" if mode == "live" else "DU") + "1234567"
    started: dict[str, Json] = {
        "specs": specs, "settings": {"mode": mode}, "account": account, "install": "a", "simulated": simulated,
        "lockstep": simulated, "version": "0.1.0", "session": day.isoformat(),
    }  # fmt: skip
    begins = at(day, starts)
    hours: dict[str, Json] = {
        "date": day.isoformat(), "open": at(day, "09:30").isoformat(), "close": at(day, "16:00").isoformat(),
        "half": False,
    }  # fmt: skip
    traded = [] if made is None else [entity(at(day, "12:00"), position(day, made, **changes))]
    happened = sorted([*traded, *more], key=lambda record: record.at)
    return [
        Record(begins, Kind.RUN_STARTED, data=started),
        Record(begins, Kind.LINK, data={"up": True, "reason": "", "account": account, "lockstep": simulated}),
        Record(begins, Kind.SESSION, data=hours),
        *happened,
        Record(at(day, ends), Kind.RUN_ENDED, data={"reason": "the end of the last session", "is_clean": True}),
    ]


def days(count: int) -> list[date]:
    """Return so many sessions from the first Monday on."""
    found = [FIRST + timedelta(days=each) for each in range(2 * count + 7)]
    return [day for day in found if day.weekday() < 5][:count]


def alarm(day: date, clock: str, text: str, contract: str = "") -> Record:
    """Return an alarm, of a fill that is not ours when a contract is named."""
    return Record(at(day, clock), Kind.ALARM, data={"text": text} | ({"contract": contract} if contract else {}))


def halt(day: date, clock: str, reason: str, why: Halt = Halt.CONDITION) -> Record:
    """Return a bot day that is halted; a condition begins its reason."""
    rule = reason.partition(" ")[0] if why is Halt.CONDITION else ""
    return entity(at(day, clock), BotDay(bot=BOT, date=day).halted_for(why, reason, rule))


def request(day: date, clock: str, asked: Request, bot: str = "") -> Record:
    """Return an operator's request."""
    return Record(at(day, clock), Kind.OPERATOR, bot, data={"id": clock, "request": asked.value, "bot": bot})


def together(*runs: Sequence[Record]) -> list[Record]:
    """Return runs as one journal."""
    return [record for run in runs for record in run]

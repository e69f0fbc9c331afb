"""Hand-made sessions of put_lite on paper, each a run of its own, for what judges them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, cast

from engine.decide.bot_day import BotDay
from engine.model.contract import Option, Right
from engine.model.event import Request
from engine.model.position import Position, PositionLeg
from engine.model.session import EXCHANGE_ZONE
from engine.record.codec import encode
from engine.record.record import Json, Kind, Record
from engine.run.desk import SpecText, load_desk
from engine.spec.shipped import shipped

BOT = "put_lite"
FIRST = date(2026, 10, 19)
"""A Monday; put_lite's window is 10:30 to 13:30."""


@cache
def spec_text() -> SpecText:
    """Return the text of put_lite as a run keeps it."""
    (text,) = load_desk([str(shipped("specs") / f"{BOT}.yaml")], {}, None).texts
    return text


def at(day: date, clock: str) -> datetime:
    """Return a New York clock time in UTC."""
    return datetime.combine(day, time.fromisoformat(clock), EXCHANGE_ZONE).astimezone(UTC)


def entity(when: datetime, value: Position | BotDay) -> Record:
    """Return the record of a whole value."""
    kind, id = (Kind.POSITION, value.id) if isinstance(value, Position) else (Kind.BOT_DAY, "")
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


def halt(day: date, clock: str, reason: str) -> Record:
    """Return a bot day that is halted."""
    return entity(at(day, clock), BotDay(bot=BOT, date=day, halted=reason))


def request(day: date, clock: str, asked: Request, bot: str = "") -> Record:
    """Return an operator's request."""
    return Record(at(day, clock), Kind.OPERATOR, bot, data={"id": clock, "request": asked.value, "bot": bot})


def together(*runs: Sequence[Record]) -> list[Record]:
    """Return runs as one journal."""
    return [record for run in runs for record in run]

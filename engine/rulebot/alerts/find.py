"""What of a store is worth telling: alarms, halts, lost connections, trades, engines that died, each day's digest."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from rulebot.live.daily_jobs import BEFORE
from rulebot.model.cause import Shut
from rulebot.model.loss_bound import ASSIGNED, DELIVERING
from rulebot.model.money import signed_dollars
from rulebot.model.position import CLOSED_BY_HAND, ESTIMATED, FLATTENED, LIQUIDATED, end_of_row
from rulebot.model.session import EXCHANGE_ZONE, Session, exchange_date, session_after, session_from
from rulebot.model.text import one_line, price
from rulebot.model.values import dataclass
from rulebot.narrate.happenings import asked_words
from rulebot.narrate.positions import shares_moved
from rulebot.narrate.trades import (
    error_text,
    holding_of,
    is_opened,
    kept_lines,
    option_of,
    part_of_row,
    profit_text,
    provisional_text,
    read_profit_kept,
    structure_of,
)
from rulebot.narrate.why import reported_parts
from rulebot.record.codec import utc_text, utc_time
from rulebot.record.record import TAKEN_BACK, Json, Kind, Record
from rulebot.store.queries import RestoredStore, Row, Run, StoreReader, broker_now

# --- What is reported


class Grade(Enum):
    """Grades of alerts. Grave ones are also sent in quiet hours, and repeated until they are acknowledged."""

    GRAVE = "grave"
    WARNING = "warning"
    TRADE = "trade"
    DIGEST = "digest"
    DECISION = "decision"


FOR_PEOPLE = tuple(grade for grade in Grade if grade is not Grade.DECISION)
"""The default grades of a person; decisions are for programs, and for those who ask for them."""


def gravest(grades: Iterable[Grade]) -> Grade:
    """Return how grave a message is that has alerts of these grades."""
    found = set(grades)
    return next((grade for grade in Grade if grade in found), Grade.DECISION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert. key: unique in its store for ever; at: when it happened.

    data: additional data for programs: `event`, and the numbers of a trade.
    """

    key: str
    at: datetime
    grade: Grade
    text: str
    bot: str = ""
    data: Mapping[str, Json] = field(default_factory=dict)


# --- What of a store is worth telling

_WITHOUT_EXIT = {
    FLATTENED: "flattened",
    CLOSED_BY_HAND: "closed by hand",
    ESTIMATED: "closed by hand, at an estimate",
    LIQUIDATED: "liquidated by the broker",
    "expired_worthless": "expired worthless",
    "settled": "settled",
    ASSIGNED: "assigned",
    "exercised": "exercised",
}
"""How trades end by no exit of their bot, by the reason that the store has."""
KINDS = (Kind.ALARM, Kind.DECISION, Kind.LINK, Kind.OPERATOR, Kind.RELOAD, Kind.RUN_ENDED, Kind.SESSION)
AFTER_CLOSE = timedelta(minutes=5)
"""How long after the close a day is reported: settlements and assignments are known by then."""
WAITED = "'rulebot why' shows what it waited for"
MOST_OPEN = 4
"""Open positions that an alert lists by name, beside their number."""
GONE_FOR = timedelta(minutes=1)
"""Part of a session without an engine from which it is reported afterwards."""
LOST_FOR = timedelta(minutes=5)
"""How long a connection may be lost until it is grave."""


_DECISIONS = {
    "enter": ("entering", "enters"),
    "skip": ("refused", "does not enter"),
    "unfilled": ("unfilled", "its entry was not filled"),
    "exit": ("leaving", "leaves"),
    "roll": ("rolling", "rolls"),
    "no_roll": ("held", "does not roll"),
}
"""Decisions for programs: event name and text of each."""


@dataclass(frozen=True, slots=True)
class FoundAlert:
    """What was found up to record number `head`.

    is_simulated, is_observed: no real account, or no order was sent. began: when the present run began, None without
    one. put_back: number of the last restore of the store before it, 0 without one.
    """

    alerts: tuple[Alert, ...]
    head: int
    is_simulated: bool
    is_observed: bool
    began: datetime | None
    put_back: int


def find_alerts(reader: StoreReader, after: int, now: datetime, digested: str = "", put_back: int = 0) -> FoundAlert:
    """Return what is worth an alert in the records after number `after`, and what has lasted too long by now.

    put_back: the restore after which that number was read; after a later restore all records are new. The same find has
    the same key each time. The digest of the day `digested` is not made again. Raises: StoreError.
    """
    head, run, restored = reader.head()[0], reader.run(), reader.put_back()
    if restored.above != put_back:
        after = min(after, restored.number - 1)
    data: Any = {} if run.started is None else run.started.data
    is_simulated = bool(data.get("simulated"))
    alerts: list[Alert] = []
    for number, record in reader.numbered_after(after, KINDS):
        alerts += _of_record(reader, _named(number, restored), record)
    for number, record in reader.numbered_after(after, (Kind.SETTLEMENT,)):
        alerts += _of_settlement(reader, _named(number, restored), record)
    changed = dict.fromkeys(record.position for _, record in reader.numbered_after(after, (Kind.POSITION,)))
    outstanding = reader.outstanding() if changed else {}
    for position in changed:
        alerts += _trades(reader.view("trades", position=position), outstanding.get(position, 0))
    last = reader.last_at()
    if last is not None:
        at = last if is_simulated else max(last, broker_now(reader, now))
        alerts += [*_gone(reader, run, last), *_were_gone(reader, after)]
        if run.ended is None and run.is_alive:  # otherwise no connection is wanted
            alerts += _lost(reader, at, restored)
        alerts += [*_late_digests(reader, after), *_digest(reader, at, run, digested)]
    began = run.started.at if run.started is not None and run.is_alive else None
    return FoundAlert(tuple(alerts), head, is_simulated, bool(run.mark), began, restored.above)


def _named(number: int, restored: RestoredStore) -> int:
    """Return the number of an alert about a record; after a restore, numbers continue above the restored ones."""
    return number + restored.above if number >= restored.number else number


class _Reported(NamedTuple):
    """The alert of a record. event: as programs get it, "" for the record's kind; bot: "" for the record's."""

    text: str
    grade: Grade = Grade.WARNING
    event: str = ""
    bot: str = ""


def _of_record(reader: StoreReader, number: int, record: Record) -> Iterator[Alert]:
    kind, reported = record.kind, _reported(reader, record)
    if reported is not None:
        more: dict[str, Json] = {"event": reported.event or kind.value}
        more |= {"position": record.position} if record.position else {}
        bot = reported.bot or record.bot
        yield Alert(
            key=f"{kind.value} {number}", at=record.at, grade=reported.grade, bot=bot, text=reported.text, data=more
        )


def _reported(reader: StoreReader, record: Record) -> _Reported | None:
    """Return the alert of a record, None where it has none."""
    data, asked_of = record.data, str(record.data.get("bot") or "")
    match record.kind:
        case Kind.ALARM:
            return _Reported(f"{_whose(reader, record)}{data['text']}", Grade.GRAVE)
        case Kind.DECISION:
            return _of_decision(str(data["what"]), str(data["reason"] or ""))
        case Kind.LINK if not data["up"]:
            return _Reported(f"the connection to the broker was lost: {data.get('reason') or 'no reason is known'}")
        case Kind.LINK if data.get("reason"):
            return _Reported("connected to the broker again")
        case Kind.OPERATOR:
            why = data.get("reason") or "asked by the operator"
            return _Reported(f"{why}: {data['request']}", bot=record.bot or asked_of)
        case Kind.RELOAD if data["what"] == "asked":
            return _Reported(f"asked by the operator: {asked_words(data)}", event=Kind.OPERATOR.value, bot=asked_of)
        case Kind.RUN_ENDED if not data.get("is_clean", True):
            return _Reported(f"the engine ended ({_open(reader)}): {data.get('reason')}", Grade.GRAVE)
    return None


def _of_decision(what: str, reason: str) -> _Reported | None:
    if what == "halt":
        return _Reported(f"halted for the day: {reason}", event="halted")
    if what not in _DECISIONS:
        return None
    event, words = _DECISIONS[what]
    return _Reported(f"{words}: {reason}" if reason else words, Grade.DECISION, event)


def _whose(reader: StoreReader, record: Record) -> str:
    """Return the position that an alarm is about, with a colon; "" where its words name it, or it is about none."""
    rows = reader.view("trades", position=record.position) if record.position else []
    held = structure_of(rows[0]) if rows else ""
    return f"{held}: " if held and held not in str(record.data["text"]) else ""


def _of_settlement(reader: StoreReader, number: int, record: Record) -> Iterator[Alert]:
    """Yield which shares moved at an expiry for an assigned or exercised option.

    Its trade counts them at the settlement price. Early assignments have an alarm.
    """
    how, name, count = str(record.data["how"]), record.data["leg"], int(str(record.data["quantity"]))
    if record.data.get(TAKEN_BACK) or how not in DELIVERING or not count or Decimal(str(record.data["price"])):
        return
    for row in reader.view("trades", position=record.position):
        leg = next(leg for leg in json.loads(row["legs"]) if leg["name"] == name)
        option = option_of(leg)
        if option.expiry <= exchange_date(record.at):
            text = f"{name}: {count} {how}, {shares_moved(option, leg['sign'] * count)}"
            data: dict[str, Json] = {"event": how, "position": record.position}
            yield Alert(
                key=f"settlement {number}", at=record.at, grade=Grade.WARNING, bot=record.bot, text=text, data=data
            )


def _trades(rows: list[Row], outstanding: int) -> Iterator[Alert]:
    for row in rows:
        name, bot, held = row["position"], str(row["strategy_id"]), structure_of(row)
        if is_opened(row):
            at, paid = _instant(row["entry_time"]), row["entry_price"]
            words = f"opened {held}" + ("" if paid is None else f" at {price(paid)}")
            data = {**_of_trade("opened", row), "price": _number(paid)}
            yield Alert(key=f"opened {name}", at=at, grade=Grade.TRADE, bot=bot, text=words, data=data)
        if row["status"] == "CLOSED" and row["exit_time"]:
            at = _instant(row["exit_time"])
            made = f"{profit_text(row['final_pnl'])}{provisional_text(outstanding)}"
            words = f"closed {held}: {end_of_row(row)}, {made}"
            numbers = {
                "price": _number(row["exit_price"]),
                "profit": _number(row["final_pnl"]),
                "pending_commissions": outstanding,
            }
            data = {**_of_trade("closed", row), "exit": end_of_row(row), **numbers}
            yield Alert(key=f"closed {name}", at=at, grade=Grade.TRADE, bot=bot, text=words, data=data)


def _of_trade(event: str, row: Row) -> dict[str, Json]:
    """Return the data of a trade for programs; prices are net per share, as in the store's views."""
    return {"event": event, "position": row["position"], "symbol": row["symbol"], "quantity": row["quantity"]}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=EXCHANGE_ZONE)


def _gone(reader: StoreReader, run: Run, last: datetime) -> Iterator[Alert]:
    """Yield that an engine is gone that never said why: it was killed, or its machine lost its power.

    last: its last sign of life.
    """
    if run.started is not None and run.ended is None and not run.is_alive:
        text = f"the engine is gone without a word ({_open(reader)}):"
        text += " exits that rest at the broker stay, the others are not watched"
        yield Alert(
            key=f"gone {run.started.at.isoformat()}",
            at=last,
            grade=Grade.GRAVE,
            text=text,
            data={"event": "gone"},
        )


def _were_gone(reader: StoreReader, after: int) -> Iterator[Alert]:
    """Yield engines that started after number `after` and followed a crash in a session, unless reported.

    It is unreported where the sender was down too, as after a power cut.
    """
    for number, started in reader.numbered_after(after, (Kind.RUN_STARTED,)) if after else ():
        before, ended = (reader.last_record(each, until=number - 1) for each in (Kind.RUN_STARTED, Kind.RUN_ENDED))
        last = reader.last_at(until=number - 1)
        if before is None or last is None or (ended is not None and ended[0] > before[0]):
            continue
        of_day = session_from(exchange_date(last))
        if max(_within(each, last, started.at) for each in (of_day, session_after(of_day.date))) >= GONE_FOR:
            since = f"from {last.astimezone(EXCHANGE_ZONE):%b %d %H:%M} until it began again"
            text = f"the engine was gone without a word {since} ({_open(reader)}):"
            yield Alert(
                key=f"gone {before[1].at.isoformat()}",
                at=started.at,
                grade=Grade.WARNING,
                text=f"{text} exits that rest at the broker stayed, the others were not watched",
                data={"event": "gone"},
            )


def _within(session: Session, first: datetime, last: datetime) -> timedelta:
    return min(last, session.close) - max(first, session.open)


def _open(reader: StoreReader) -> str:
    absent = reader.absent()
    rows = reader.view("open_positions")
    held = [f"{row['strategy_id']} {holding_of(row, absent.get(row['position'], {}))}" for row in rows]
    count = f"{len(held)}, the first " if len(held) > MOST_OPEN else ""  # in front: a long message is cut off
    return f"open: {count}{', '.join(held[:MOST_OPEN])}" if held else "nothing is open"


def _lost(reader: StoreReader, at: datetime, restored: RestoredStore) -> Iterator[Alert]:
    reported = reader.last_record(Kind.LINK)
    if reported is None or reported[1].data["up"] or at - reported[1].at < LOST_FOR:
        return
    minutes = LOST_FOR.total_seconds() / 60
    text = (
        f"the connection to the broker has been lost for {minutes:.0f} minutes ({_open(reader)}):"
        " only exits that rest there are working"
    )
    yield Alert(
        key=f"lost {_named(reported[0], restored)}", at=at, grade=Grade.GRAVE, text=text, data={"event": "lost"}
    )


def of_waiting(reader: StoreReader, words: str, since: datetime, now: datetime) -> Iterator[Alert]:
    """Yield that an engine was never connected since it began, in a session or shortly before one.

    No record shows this. words: why it waits; since: when it was first seen to.
    """
    session = session_from(exchange_date(now))
    if now - since < LOST_FOR or not session.open - BEFORE <= now < session.close:
        return
    text = f"{words} ({_open(reader)}): only exits that rest at the broker are working"
    key = f"waiting {session.date} {utc_text(since)}"
    yield Alert(key=key, at=now, grade=Grade.GRAVE, text=text, data={"event": "waiting"})


def _digest(reader: StoreReader, at: datetime, run: Run, digested: str) -> Iterator[Alert]:
    reported = reader.last_record(Kind.SESSION)
    if reported is None:
        return
    date, close = str(reported[1].data["date"]), utc_time(str(reported[1].data["close"]))
    if date == digested:
        return
    if at < close + AFTER_CLOSE and (run.ended is None or run.ended.at < close):
        return
    yield _digest_of(date, close, digest(reader, date, sorted(run.specs)))


def _late_digests(reader: StoreReader, after: int) -> Iterator[Alert]:
    """Yield each bot's result of days that ended between two looks, when a later session had begun.

    after: number of the last look, 0 for none.
    """
    begun = [record for _, record in reader.numbered_after(after, (Kind.SESSION,))] if after else []
    before = reader.last_record(Kind.SESSION, until=after) if begun else None
    sessions = {str(each.data["date"]): each for each in ([] if before is None else [before[1]]) + begun}
    for day, record in list(sessions.items())[:-1]:
        close = utc_time(str(record.data["close"]))
        yield _digest_of(day, close, f"(sent late) {digest(reader, day)}")


def _digest_of(date: str, close: datetime, text: str) -> Alert:
    return Alert(key=f"digest {date}", at=close, grade=Grade.DIGEST, text=text, data={"event": "digest", "date": date})


def digest(reader: StoreReader, date: str, bots: Collection[str] = ()) -> str:
    """Return a day in a few lines: its profit, then each bot that ran, and removed ones that held something that day.

    bots: by default those on record of the day. The day counts what closing made on it, a trade all that it made.
    """
    trades, days = reader.trades(), {row["strategy_id"]: row for row in reader.view("bot_days", date=date)}
    closed = [row for row in trades if _is_on(row["exit_time"], date) and row["status"] == "CLOSED"]
    still = [row for row in trades if _is_open_after(row, date)]
    reported = [reported_parts(row, reader) for row in trades if _may_be(row, date)]
    outstanding = provisional_text(sum(row["pending_commissions"] for row in reported))
    made = f"{signed_dollars(sum(day['realized'] for day in days.values()))}{outstanding}"
    waits = dict.fromkeys(bots or sorted(days), WAITED)
    gone = sorted({str(row["strategy_id"]) for row in reported if is_opened(row)} - waits.keys())
    waits |= dict.fromkeys(gone, "it is not running")
    lines = [f"{date}: realised {made}, {len(closed)} closed, {len(still)} open"]
    lines += [f"{bot}: {_day_of(bot, date, reported, days.get(bot), words)}" for bot, words in waits.items()]
    return "\n".join([*lines, *kept_lines(read_profit_kept(reader, day=date), is_named=True)])


def _is_on(time: object, date: str) -> bool:
    return str(time or "").startswith(date)


def _ended(reason: str) -> str:
    return _WITHOUT_EXIT.get(reason) or f"closed by {reason}"


def _may_be(row: Row, date: str) -> bool:
    days = (str(row[each] or "")[:10] for each in ("entry_time", "exit_time"))
    return row["status"] == "PENDING" or date in days or _is_open_after(row, date)


def _is_open_after(row: Row, date: str) -> bool:
    entered, ended = (str(row[each] or "")[:10] for each in ("entry_time", "exit_time"))
    if row["status"] == "OPEN":
        return entered <= date
    return row["status"] == "CLOSED" and is_opened(row) and entered <= date < ended


def _day_of(bot: str, date: str, trades: list[Row], day: Row | None, waits: str = WAITED) -> str:
    own = [row for row in trades if row["strategy_id"] == bot]
    parts = [part for row in own for part in _parts_of(row, date)]
    halted, skipped = ("", "") if day is None else (str(day["halted"]), str(day["skipped"]))
    was_over = day is not None and day["skip"] == Shut.WINDOW_OVER.value
    if not parts and (not halted or was_over):
        parts.append(f"no trade: {one_line(skipped or waits)}")
    if halted:
        parts.append(f"halted: {one_line(halted)}")
    held = sum(_is_open_after(row, date) for row in own)
    return "; ".join(parts) + (f"; {held} open" if held else "")


def _parts_of(row: Row, date: str) -> Iterator[str]:
    """Yield what came of a trade on a day: opened, closed in part, ended."""
    began, ended = (_is_on(row[each], date) for each in ("entry_time", "exit_time"))
    if began and is_opened(row):
        yield f"opened {structure_of(row)}"
    parts = row.get("parts", ())
    yield from (f"{part_of_row(each, row)} by {each['exit']}" for each in parts if _is_on(each["time"], date))
    if ended and row["status"] == "CLOSED":
        yield f"{_ended(end_of_row(row))}, {profit_text(row['final_pnl'])}{' in all' if parts else ''}"
    elif ended and (wrong := error_text(row)):
        yield wrong

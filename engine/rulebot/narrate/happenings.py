"""What happened, for people: a record of the journal becomes one line, or none when it matters to machines only."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from rulebot.core.queries.orders import RESTING
from rulebot.core.session.reloading import BotChange
from rulebot.core.state.state import State
from rulebot.model.loss_bound import DELIVERING
from rulebot.model.money import dollars, signed_dollars
from rulebot.model.order import Order, Purpose
from rulebot.model.position import Position
from rulebot.model.text import one_line
from rulebot.model.values import dataclass
from rulebot.narrate.periods import DRIFT, compared_words, unexplained
from rulebot.narrate.positions import (
    ending_text,
    entry_text,
    opened_count,
    opened_text,
    order_price,
    shares_moved,
    structure,
)
from rulebot.narrate.trades import provisional_text
from rulebot.record.codec import decode
from rulebot.record.record import TAKEN_BACK, Kind, Record

ENTRY_SENT = "entry sent:"
"""First words of the line of an entry order."""


class Tone(Enum):
    """How a line should look: it says good news, bad news, or something that a person must see to."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class EventLine:
    """One line. `bot` is "" for what concerns the whole run."""

    at: datetime
    bot: str
    text: str
    tone: Tone = Tone.PLAIN


def event_line(record: Record, state: State) -> EventLine | None:
    """Return the line of a record, None when it has none. `state` is the one after the record was written."""
    describe = _DESCRIBERS.get(record.kind)
    return None if describe is None else describe(record, state)


def clock_happenings(state: State, before: datetime, at: datetime) -> tuple[EventLine, ...]:
    """Return what the clock alone has brought since `before`: the session's open and close."""
    session = state.schedule.session
    found = []
    if before < session.open <= at:
        half = ", a half day" if session.is_half else ""
        found.append(EventLine(session.open, "", f"the session of {session.date} opens{half}"))
    if before < session.close <= at:
        found.append(EventLine(session.close, "", f"the session of {session.date} closes"))
    return tuple(found)


# ---------------------------------------------------------------- by kind


def _decision(record: Record, state: State) -> EventLine | None:
    describe = _DECISIONS.get(str(record.data["what"]))
    position = state.positions.by_id.get(record.position)
    found = None if describe is None else describe(record, state, position)
    if found is None:
        return None
    text, tone = found if isinstance(found, tuple) else (found, Tone.PLAIN)
    return EventLine(record.at, record.bot, one_line(text), tone)


def _alarm(record: Record, _: State) -> EventLine:
    return EventLine(record.at, record.bot, f"alarm: {record.data['text']}", Tone.ALARM)


def _link(record: Record, state: State) -> EventLine | None:
    if not record.data["up"]:
        return EventLine(record.at, "", f"the connection was lost: {record.data.get('reason')}", Tone.ALARM)
    words = str(record.data.get("reason") or "")  # none at a start
    return EventLine(record.at, "", words) if words else None


def _order(record: Record, state: State) -> EventLine | None:
    """Return the line of a sent entry or resting order; decisions report its tries and end."""
    if not record.is_leaving:
        return None
    order = decode(Order, dict(record.data))
    if order.purpose is Purpose.ENTRY:
        return EventLine(record.at, order.bot, f"{ENTRY_SENT} {_deal(order, state)} {order_price(order)}")
    if order.opens_position:
        return EventLine(record.at, order.bot, f"roll sent: {order_price(order)} for both sides, {order.reason}")
    if order.purpose in RESTING:
        level = order_price(order).removeprefix("at ").removeprefix("stop ")
        return EventLine(record.at, order.bot, f"to rest at the broker: {order.reason} {level}")
    return None


def _deal(order: Order, state: State) -> str:
    """Return `sell 5890/5900p 6035/6045c`; a combo is bought by the wire's rules, its sign says what it is."""
    position = state.positions.by_id.get(order.position)
    if order.is_combo and position is not None:
        verb = "sell" if order.limit_price is not None and order.limit_price < 0 else "buy"
        return f"{verb} {structure(position)}"
    option = order.legs[0].option
    count = f"{order.quantity} " if order.quantity != 1 else ""
    if option.is_share:
        return f"{order.side.value} {count}{option}"
    return f"{order.side.value} {count}{option.symbol} {option.strike.normalize():f}{option.right.letter.lower()}"


def _settlement(record: Record, state: State) -> EventLine | None:
    """Return the line of an assignment or exercise, and which shares moved for it."""
    how, name, count = record.data["how"], record.data["leg"], int(str(record.data["quantity"]))
    position = state.positions.by_id.get(record.position)
    leg = next((leg for leg in position.legs if leg.name == name), None) if position is not None else None
    if how not in DELIVERING or leg is None:
        return None
    if record.data.get(TAKEN_BACK):
        return EventLine(record.at, record.bot, f"{name}: {-count} not {how}: reversed")
    if not count:
        return EventLine(record.at, record.bot, f"{name}: its shares count at {record.data['level']} now")
    said = f"{name}: {count} {how}"
    if Decimal(str(record.data["price"])):
        return EventLine(record.at, record.bot, f"{said}, and another leg delivers its shares")
    return EventLine(record.at, record.bot, f"{said}, {shares_moved(leg.option, leg.sign * count)}", Tone.ALARM)


def _operator(record: Record, _: State) -> EventLine:
    who = f" {record.data['bot']}" if record.data.get("bot") else ""
    which = f" {record.data['position']}" if record.data.get("position") else ""
    why = record.data.get("reason") or "asked by the operator"
    return EventLine(record.at, "", f"{why}: {record.data['request']}{which or who}")


def _webhook(record: Record, _: State) -> EventLine:
    says = f", says {record.data['says']}" if record.data["says"] else ""
    unheard = ", which no bot asks for" if record.data.get("asked_by") == [] else ""
    return EventLine(record.at, "", one_line(f"web hook {record.data['name']}{says}{unheard}"))


def _reload(record: Record, _: State) -> EventLine | None:
    if record.bot:
        return None
    data = record.data
    if data["what"] == "asked" and data.get("values"):
        return EventLine(record.at, str(data["bot"]), f"asked by the operator: {asked_words(data)}")
    if data["what"] == "asked" and data.get("edited"):
        return EventLine(record.at, "", f"{_edited(data['edited'])}; reload asked for: {_changed(data)}")
    reason = str(data.get("reason") or "").partition("\n")[0]
    what = _changed(data)
    texts = {
        "asked": (f"reload asked for: {what}", Tone.PLAIN),
        "waits": (f"reload waits for {reason}", Tone.PLAIN),
        "refused": (f"reload refused, nothing has changed: {one_line(reason)}", Tone.BAD),
        "nothing": ("reload: the files say what runs already", Tone.PLAIN),
        "applied": (f"reloaded: {what}", Tone.GOOD),
    }
    text, tone = texts[str(data["what"])]
    return EventLine(record.at, "", text, tone)


def _edited(reported: Any) -> str:
    """Return which numbers of a file a person has written, and from where: `put_lite edited on the page, from ...`."""
    numbers = ", ".join(f"{path} {change}" for path, change in sorted(reported["numbers"].items()))
    return one_line(f"{reported['bot']} edited on {reported['by']}: {numbers}")


def asked_words(data: Mapping[str, Any]) -> str:
    """Return what a person has asked to be taken up: other values of a bot, or texts; of a record of that."""
    values = sorted(dict(data.get("values") or {}).items())
    if values:
        return "set " + ", ".join(f"{name} {value or 'as in the file'}" for name, value in values)
    return f"reload: {_changed(data)}"


def _changed(data: Mapping[str, Any]) -> str:
    """Return which bots and limits a reload changes."""
    found = data.get("changes") or ()
    changes = [BotChange(str(each["bot"]), str(each["was"]), str(each["now"])).words for each in found]
    return "; ".join((*changes, *(data.get("limit_changes") or ())))


def event_lines(record: Record, state: State) -> EventLine | None:
    """Return the line of a record of turns that are replayed, None for nothing.

    As in a run, except for reloads: one line for each bot, since the request itself is no turn.
    """
    if record.kind is Kind.RELOAD and record.bot:
        change = BotChange(record.bot, str(record.data["was"]), str(record.data["now"]))
        return EventLine(record.at, "", f"reloaded: {change.words}", Tone.GOOD)
    return event_line(record, state)


def _facts(record: Record, _: State) -> EventLine | None:
    """Return the line of a day that was compared with its specs."""
    if record.data["what"] != DRIFT:
        return None
    is_bad = bool(unexplained(record.data) or record.data["problem"])
    return EventLine(record.at, "", one_line(compared_words(record.data)), Tone.BAD if is_bad else Tone.PLAIN)


_DESCRIBERS: dict[Kind, Callable[[Record, State], EventLine | None]] = {
    Kind.DECISION: _decision,
    Kind.ALARM: _alarm,
    Kind.LINK: _link,
    Kind.ORDER: _order,
    Kind.SETTLEMENT: _settlement,
    Kind.OPERATOR: _operator,
    Kind.WEBHOOK: _webhook,
    Kind.RELOAD: _reload,
    Kind.FACTS: _facts,
}


# ---------------------------------------------------------------- decisions

Narrated = str | tuple[str, Tone] | None


def _stop_watching(record: Record, state: State, _: Position | None) -> Narrated:
    bot = state.bots.by_name.get(record.bot)
    if bot is None or bot.day.opened or bot.day.halt:
        return None
    nearest = f"; nearest {bot.nearest.words}" if bot.nearest else ""
    return f"no entry: {record.data['reason']}{nearest}"


def _moved(record: Record, _: State, position: Position | None) -> Narrated:
    if position is None:
        return None
    if record.data["reason"] == "ended" and 0 < position.open_structures < opened_count(position):
        return f"its part is closed: {position.common.open_structures} of {opened_count(position)} stay open"
    if record.data["reason"] not in ("filled", "ended_partly") or position.state == "closed":
        return None
    values = record.data["values"]
    if not isinstance(values, list) or values[0] != "entering":
        return None
    part = "" if record.data["reason"] == "filled" else f" ({position.structures} of {position.quantity})"
    return f"filled{part}: {entry_text(position)}"


def _closing(record: Record, position: Position) -> Position:
    """Return the position with only the legs that an exit closes: the named ones, else all remaining ones."""
    values = record.data.get("values")
    named = tuple(leg for leg in position.legs if isinstance(values, list) and leg.name in values)
    held = tuple(leg for leg in position.legs if leg.held)
    legs = named or held or tuple(leg for leg in position.legs if leg.name not in position.separately_closed_legs)
    return replace(position, legs=legs) if legs else position


def _exit(record: Record, _: State, position: Position | None) -> Narrated:
    """Return the line of an exit that starts; none for one that continues after it was withdrawn."""
    if record.data.get("again"):
        return None
    if position is None:
        return f"{record.data['reason']}: closing"
    part = _closing(record, position)
    count = part.open_structures - part.leave_open
    of = f" {count} of" if 0 < count < opened_count(part) else ""
    return f"{record.data['reason']}: closing{of} {opened_text(part)}"


def _withdrawn(record: Record, *_: object) -> Narrated:
    """Return the line of a target whose market has moved away, once for each position."""
    if record.data.get("again"):
        return None
    return f"{record.data['reason']}: its price is gone, the order is cancelled; it closes once the price is back"


def _closed(record: Record, state: State, position: Position | None) -> Narrated:
    values = record.data["values"]
    assert isinstance(values, list)
    net, paid = Decimal(str(values[0])), Decimal(str(values[1]))
    if position is not None:
        net, paid = position.net, position.commissions
    reason = str(record.data["reason"])
    plain = reason.replace("_", " ")
    how = plain if position is None else ending_text(state, position)
    words = how if how.startswith(plain) else f"{reason}, {how}"
    text = f"closed: {words}, {signed_dollars(net)} after {dollars(paid)} of commissions"
    if position is not None:
        text += provisional_text(position.commissions_pending)
    return text, Tone.BAD if net < 0 else Tone.GOOD


def _reason(prefix: str, tone: Tone = Tone.PLAIN) -> "Callable[[Record, State, Position | None], Narrated]":
    return lambda record, _, __: (f"{prefix}{record.data['reason']}", tone)


_DECISIONS: dict[str, Callable[[Record, State, Position | None], Narrated]] = {
    "watch": lambda *_: "watching: its window is open",
    "stop watching": _stop_watching,
    "state": _moved,
    "armed": lambda record, *_: f"{record.data['reason']} is armed",
    "would enter": _reason("would enter: "),
    "exit": _exit,
    "withdrawn": _withdrawn,
    "roll": _reason(""),
    "no_roll": _reason(""),
    "closed": _closed,
    "halt": _reason("halted: ", Tone.BAD),
    "skip": _reason("no entry: "),
    "unfilled": _reason("not filled: "),
    "unwind": _reason("", Tone.ALARM),
    "shift": _reason(""),
    "suspend": _reason(""),
}

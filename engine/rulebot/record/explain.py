"""Why a bot did, or did not, trade: read from the records of one day, nothing computed again.

Verdicts are recorded when they change, so the state of a rule at an instant is its last verdict up to then.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from rulebot.model.values import dataclass
from rulebot.record.codec import utc_time
from rulebot.record.record import Json, Kind, Record

ENTRY_PLACES = ("universe", "when", "choose", "require", "risk")
JUDGED_BY_THE_PRESENT = (*ENTRY_PLACES, "halts")
"""Places whose rules are those of the present text; an exit's are those of the text its position was opened under."""
OF_LINKS = frozenset((Kind.RUN_STARTED, Kind.RUN_ENDED, Kind.LINK))
ENDED_UNTOLD = "the engine had ended without a word"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One rule at one instant. `value`, `bound` and `note` are words; `since` is when its truth became so.

    symbol: of a universe, "" without one.
    """

    rule: str
    place: str
    truth: bool | None
    value: str = ""
    bound: str = ""
    note: str = ""
    position: str = ""
    since: datetime | None = None
    symbol: str = ""

    @property
    def name(self) -> str:
        """The rule, with its symbol where there are several."""
        return f"{self.symbol} {self.rule}" if self.symbol else self.rule


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitExplanation:
    """How a position was left: which exit acted, when, and what it said then; None is what has not happened.

    acted: None where an order that rested at the broker filled, or the options expired. reason: the exit, or the end.
    """

    position: str
    reason: str
    acted: datetime | None = None
    rule: Condition | None = None
    closed: datetime | None = None


@dataclass(frozen=True, slots=True)
class RuleSnapshot:
    """All conditions at one instant, in the order of the spec, and the positions that were being left or closed."""

    at: datetime
    conditions: tuple[Condition, ...]
    leaving: tuple[ExitExplanation, ...] = ()

    @property
    def held(self) -> int:
        """How many were true."""
        return sum(condition.truth is True for condition in self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSpan:
    """A stretch of time: of watching, or of a rule being unknown, and why."""

    start: datetime
    end: datetime
    rule: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Blocked:
    """What kept a bot from entering in one watch: the last reason and since when, and the one that lasted longest."""

    last: str
    since: datetime
    longest: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DayExplanation:
    """One bot on one day.

    entered: instants at which an entry was decided; by_hand: those at which an operator did. last: the entry
    conditions as they were judged last. ends: why watching ended.
    blocked: what kept it out, of each watch that ended. refused: what the gate or the legs' requirements
    said, each text once. unfilled: entries that ended without a fill, and why; tried: their positions. rolled: what
    exits rolled, or why they did not. ranked: which symbols of a universe were taken, which passed over. reloaded:
    when its text was another from then on, by digests. blind: halts that were unknown to the end, which keep a bot
    out. halted, skipped: from the bot's day, and when it halted last.
    compliant: sessions in a row before this one, None for a bot whose quantity does not grow; breach: it raised an
    alarm.
    """

    watched: tuple[TimeSpan, ...]
    entered: tuple[datetime, ...]
    by_hand: tuple[datetime, ...]
    nearest: RuleSnapshot | None
    nearest_rule: str
    last: RuleSnapshot
    unknown: tuple[TimeSpan, ...]
    ends: tuple[str, ...]
    blocked: tuple[Blocked, ...]
    refused: tuple[tuple[datetime, str], ...]
    unfilled: tuple[tuple[datetime, str], ...]
    tried: tuple[str, ...]
    rolled: tuple[tuple[datetime, str], ...]
    ranked: tuple[tuple[datetime, str], ...]
    reloaded: tuple[tuple[datetime, str], ...]
    blind: tuple[Condition, ...]
    halted: str
    halted_at: datetime | None
    skipped: str
    compliant: int | None = None
    breach: bool = False


def explain_day(records: Sequence[Record]) -> DayExplanation:
    """Return the story of one bot's records of one day (at least one), in order."""
    watched = _watched(records)
    nearest_rule, nearest = _nearest(records)
    days = [record.data for record in records if record.kind is Kind.BOT_DAY]
    day: Any = days[-1] if days else {}
    return DayExplanation(
        watched=watched,
        entered=tuple(record.at for record in _decisions(records, "enter")),
        by_hand=tuple(record.at for record in _decisions(records, "enter") if record.data.get("by_hand")),
        nearest=nearest,
        nearest_rule=nearest_rule,
        last=state_at(records, watched[-1].end if watched else records[-1].at, ENTRY_PLACES),
        unknown=_unknown(records, watched),
        ends=tuple(dict.fromkeys(_reason(record) for record in _decisions(records, "stop watching"))),
        blocked=tuple(found for each in _decisions(records, "stop watching") if (found := _blocked(each)) is not None),
        refused=refusals(records),
        unfilled=tuple((record.at, _reason(record)) for record in _decisions(records, "unfilled")),
        tried=tuple(record.position for record in _decisions(records, "unfilled")),
        rolled=tuple((each.at, _reason(each)) for each in _decisions(records, "roll", "no_roll")),
        ranked=tuple((record.at, _reason(record)) for record in _decisions(records, "rank")),
        reloaded=tuple((record.at, _reload_words(record)) for record in records if record.kind is Kind.RELOAD),
        blind=tuple(one for one in state_at(records, records[-1].at, ("halts",)).conditions if one.truth is None),
        halted=_on_one_line(day.get("halted")),
        halted_at=next((record.at for record in reversed(_decisions(records, "halt"))), None),
        skipped=_on_one_line(day.get("skipped") or day.get("decided")),
        compliant=int(day["compliant"]) if day.get("row_of") else None,
        breach=bool(day.get("breach")),
    )


def _blocked(record: Record) -> Blocked | None:
    told: Any = record.data.get("blocked")
    if not told:
        return None
    last, longest = told["last"], told["longest"]
    since = datetime.fromisoformat(str(last["since"]))
    return Blocked(str(last["text"]), since, str(longest["text"]), float(longest["seconds"]))


def state_at(records: Iterable[Record], at: datetime, places: Sequence[str] = ()) -> RuleSnapshot:
    """Return the last verdict of every rule up to an instant, of some places or of all.

    Exits of a position that is closed by then are those of the instant at which one acted, not what they said later.
    """
    last: dict[tuple[str, ...], Condition] = {}
    leaving: dict[str, ExitExplanation] = {}
    acted: dict[str, dict[tuple[str, ...], Condition]] = {}
    for record in records:
        if record.at > at:
            break
        if record.kind is Kind.RELOAD:
            last = {key: found for key, found in last.items() if found.place not in JUDGED_BY_THE_PRESENT}
        if record.kind is Kind.VERDICT and (not places or record.data.get("place") in places):
            condition = _condition(record.data, record)
            last[condition.place, condition.position, condition.symbol, condition.rule] = condition
        if record.kind is Kind.DECISION and record.position and _leaves(record, leaving, last.values()):
            acted[record.position] = {key: one for key, one in last.items() if one.position == record.position}
    for position, found in leaving.items():
        if found.closed is not None:
            last.update(acted.get(position, {}))
    return RuleSnapshot(at, tuple(last.values()), tuple(leaving.values()))


def exits_within(records: Sequence[Record], after: datetime, until: datetime) -> tuple[ExitExplanation, ...]:
    """Return the positions of which an exit acted, or which were closed, after an instant and up to another one."""
    return tuple(
        found
        for found in state_at(records, until).leaving
        if any(at is not None and after < at <= until for at in (found.acted, found.closed))
    )


def _leaves(record: Record, leaving: dict[str, ExitExplanation], known: Iterable[Condition]) -> bool:
    """Note what a decision says of leaving a position; return whether an exit acted by it."""
    what, position = record.data.get("what"), record.position
    values: Any = record.data.get("values") or ()
    if what == "exit":
        reason = _reason(record)
        rules = (one for one in known if one.place == "exit" and one.position == position and one.rule == reason)
        leaving[position] = ExitExplanation(position=position, reason=reason, acted=record.at, rule=next(rules, None))
        return True
    if what == "state" and values and values[-1] == "open":
        leaving.pop(position, None)
    if what == "closed":
        was = leaving.get(position, ExitExplanation(position=position, reason=_reason(record)))
        leaving[position] = replace(was, closed=record.at)
    return False


def outages(records: Iterable[Record], session: Record, *, is_running: bool) -> tuple[TimeSpan, ...]:
    """Return the stretches of a session in which no engine was connected to the broker, and why.

    records: of the kinds `OF_LINKS` and the last one before each start, from the first start of the store to its last
    record, in order. Empty where no connection was recorded, and of a backtest, which ends when no window is ahead.
    """
    opened, closed = (datetime.fromisoformat(str(session.data[key])) for key in ("open", "close"))
    away: tuple[datetime, str] | None = (opened, "no engine ran")
    last, was_linked = opened, False
    spans: list[TimeSpan] = []
    for record in records:
        if record.kind is Kind.RUN_STARTED:
            settings: Any = record.data.get("settings")
            if (settings or {}).get("mode") == "backtest":
                return ()
            away = away or (last, ENDED_UNTOLD)
        elif record.kind is Kind.RUN_ENDED:
            away = away or (record.at, f"the engine had ended: {_reason(record)}")
        elif record.kind is Kind.LINK and not record.data["up"]:
            away = away or (record.at, f"the connection was lost: {_reason(record)}")
        elif record.kind is Kind.LINK:
            was_linked = True
            spans += [TimeSpan(start=away[0], end=record.at, why=away[1])] if away else []
            away = None
        last = record.at
    if away is None and not is_running:
        away = (last, ENDED_UNTOLD)
    if away is not None:
        spans.append(TimeSpan(start=away[0], end=last if is_running else closed, why=away[1]))
    cut = (replace(span, start=max(span.start, opened), end=min(span.end, closed)) for span in spans)
    return tuple(span for span in cut if span.start < span.end) if was_linked else ()


def history(records: Iterable[Record], rule: str) -> tuple[Condition, ...]:
    """Return every change of one rule's verdict."""
    changes = (record for record in records if record.kind is Kind.VERDICT and record.data.get("rule") == rule)
    return tuple(_condition(record.data, record) for record in changes)


def selection_at(records: Iterable[Record], at: datetime) -> Record | None:
    """Return the last leg selection up to an instant."""
    found = None
    for record in records:
        if record.at > at:
            break
        if record.kind is Kind.SELECTION:
            found = record
    return found


def of_symbol(records: Sequence[Record], symbol: str, others: Collection[str] = ()) -> tuple[Record, ...]:
    """Return the records of one symbol of a universe, and those of the bot as a whole; not of the positions `others`.

    While an entry of another symbol is at work the bot watches none: that ends a watch, and is no entry of this one.
    """
    others = {*others, *(one.position for one in records if one.position and _is_of_another(one, symbol))}
    found: list[Record] = []
    for record in records:
        if record.kind is Kind.DECISION and record.data.get("what") == "enter" and _is_of_another(record, symbol):
            reason = f"an entry of {record.data['symbol']}"
            found.append(replace(record, position="", data={"what": "stop watching", "reason": reason, "values": []}))
        elif record.kind is Kind.DECISION and record.data.get("what") == "rank":
            found.append(_placed(record, symbol))
        elif record.position not in others and not _is_of_another(record, symbol):
            found.append(record)
    return tuple(found)


def _placed(record: Record, symbol: str) -> Record:
    """Return a ranking with the place of a symbol that was ranked and not taken, which its words leave out."""
    values: Any = record.data.get("values") or ()
    ranked = {str(each["symbol"]): each["value"] for each in values}
    if symbol not in ranked or symbol in _reason(record).replace(",", " ").split():
        return record
    place = f"{symbol} is number {list(ranked).index(symbol) + 1} of {len(ranked)}, with {ranked[symbol]:g}"
    return replace(record, data={**record.data, "reason": f"{_reason(record)}; {place}"})


def _is_of_another(record: Record, symbol: str) -> bool:
    return record.data.get("symbol", symbol) != symbol


def total(spans: Iterable[TimeSpan]) -> timedelta:
    """Return the time that spans cover together; where they overlap it counts once."""
    covered, until = timedelta(), None
    for span in sorted(spans, key=lambda span: span.start):
        start = span.start if until is None else max(span.start, until)
        if span.end > start:
            covered += span.end - start
        until = span.end if until is None else max(until, span.end)
    return covered


def _decisions(records: Iterable[Record], *what: str) -> list[Record]:
    return [record for record in records if record.kind is Kind.DECISION and record.data.get("what") in what]


def _reason(record: Record) -> str:
    return _on_one_line(record.data.get("reason"))


def _reload_words(record: Record) -> str:
    was, now = (str(record.data.get(key) or "")[:8] for key in ("was", "now"))
    return f"its spec was {record.data.get('what')}, {f'{was} to {now}' if was and now else was or now}"


def _on_one_line(words: Json) -> str:
    """Return words without the wide gaps that part the columns of a verdict."""
    return " ".join(str(words or "").split())


def _watched(records: Sequence[Record]) -> tuple[TimeSpan, ...]:
    spans: list[TimeSpan] = []
    since: datetime | None = None
    for record in records:
        what = record.data.get("what") if record.kind is Kind.DECISION else None
        if what == "watch" and since is None:
            since = record.at
        elif what in ("stop watching", "enter") and since is not None:
            spans.append(TimeSpan(start=since, end=record.at, why=_reason(record)))
            since = None
    if since is not None:
        spans.append(TimeSpan(start=since, end=records[-1].at))
    if spans:
        return tuple(spans)
    judged = [record.at for record in records if record.kind is Kind.VERDICT and record.data.get("place") == "when"]
    return (TimeSpan(start=judged[0], end=judged[-1]),) if judged else ()


def _nearest(records: Sequence[Record]) -> tuple[str, RuleSnapshot | None]:
    found = [record for record in records if record.kind is Kind.NEAREST]
    if not found:
        return "", None
    data: Any = found[-1].data
    at = utc_time(data.get("when") or data.get("at") or found[-1].at.isoformat())
    readings = data.get("readings")
    if readings:
        of = {"place": "when", "symbol": data.get("symbol")}
        return str(data["rule"]), RuleSnapshot(at, tuple(_condition({**of, **one}) for one in readings))
    return str(data["rule"]), state_at(records, at, ENTRY_PLACES)


def _unknown(records: Sequence[Record], watched: Sequence[TimeSpan]) -> tuple[TimeSpan, ...]:
    """Return the stretches in which an entry condition was unknown while the bot watched."""
    spans: list[TimeSpan] = []
    since: dict[str, tuple[datetime, str]] = {}
    end = watched[-1].end if watched else None
    for record in records:
        if record.kind is Kind.RELOAD:
            spans += [TimeSpan(start=at, end=record.at, rule=rule, why=why) for rule, (at, why) in since.items()]
            since.clear()
        if record.kind is not Kind.VERDICT or record.data.get("place") not in ENTRY_PLACES:
            continue
        rule = " ".join(filter(None, (str(record.data.get("symbol") or ""), str(record.data["rule"]))))
        if begun := since.pop(rule, None):
            spans.append(TimeSpan(start=begun[0], end=record.at, rule=rule, why=begun[1]))
        if record.data.get("truth") is None:
            since[rule] = (record.at, str(record.data.get("missing") or ""))
    if end is not None:
        spans += [TimeSpan(start=at, end=end, rule=rule, why=why) for rule, (at, why) in since.items() if at < end]
    cut = [part for span in spans for part in _while_watching(span, watched)] if watched else spans
    return tuple(sorted(cut, key=lambda span: (span.start, span.rule)))


def _while_watching(span: TimeSpan, watched: Sequence[TimeSpan]) -> Iterator[TimeSpan]:
    """Yield what of a stretch lies within the watching; a verdict stands on between two windows, judged by nobody."""
    begin = max(span.start, watched[0].start)
    for each, after in pairwise((*watched, None)):
        assert each is not None
        if after is not None and after.start <= each.end:
            continue
        if begin < min(span.end, each.end):
            yield replace(span, start=begin, end=min(span.end, each.end))
        if after is not None:
            begin = max(span.start, after.start)


def refusals(records: Iterable[Record]) -> tuple[tuple[datetime, str], ...]:
    """Return when the gate or the legs refused, each text once."""
    found: dict[str, datetime] = {}
    for record in records:
        text = ""
        if record.kind is Kind.DECISION and record.data.get("what") == "skip":
            text = _reason(record)
        elif record.kind is Kind.SELECTION:
            text = str(record.data.get("reason") or record.data.get("rejected") or "")
            text = f"{record.data['symbol']}: {text}" if text and record.data.get("symbol") else text
        if text:
            found.setdefault(text, record.at)
    return tuple((at, text) for text, at in found.items())


def _condition(data: Any, record: Record | None = None) -> Condition:
    words = [part.strip() for part in str(data.get("words") or "").split("   ") if part.strip()]
    if not words:
        value = data.get("value")
        words = ["" if value is None else f"{value:g}", str(data.get("text") or "")]
        words += [f"({data['detail']})"] if data.get("detail") else []
        words += [str(data["missing"])] if data.get("missing") else []
    if words[0] == "unknown":
        words[0] = ""
    rest = words[1:]
    return Condition(
        rule=str(data["rule"]),
        place=str(data.get("place") or ""),
        truth=data.get("truth"),
        value=words[0],
        bound=rest[0] if rest else "",
        note="   ".join(rest[1:]),
        position=record.position if record else "",
        since=record.at if record else None,
        symbol=str(data.get("symbol") or ""),
    )


# --- What a bot did at an instant, beside what its rules said

Told = tuple[datetime, str]
"""Since when, and what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityAt:
    """What a bot did at an instant.

    watching: since when, None while it does not. ended: when its last watch ended and why. halted: when and why.
    entering, held: its positions that were being entered, and those that held something, each with since when; those of
    earlier days are not among them. passed: exits that acted and left their position open, as one of a part does.
    unfilled: its last entry that came to nothing. refused: what kept it out since it entered last, each text with the
    instant at which it was first told.
    """

    watching: datetime | None = None
    ended: Told | None = None
    halted: Told | None = None
    entering: tuple[Told, ...] = ()
    held: tuple[Told, ...] = ()
    passed: tuple[Told, ...] = ()
    unfilled: Told | None = None
    refused: tuple[Told, ...] = ()


def activity_at(records: Sequence[Record], at: datetime) -> ActivityAt:
    """Return what a bot did at an instant, by its records of that day."""
    until = [record for record in records if record.at <= at]
    decided = [record for record in until if record.kind is Kind.DECISION]
    watching: datetime | None = None
    ended: Told | None = None
    states: dict[str, Told] = {}
    acted: dict[str, Told] = {}
    parts: list[Told] = []
    entered: datetime | None = None
    for record in decided:
        what, reason = record.data.get("what"), _words(record)
        if what == "watch":
            watching = record.at
        elif what in ("stop watching", "enter"):
            watching, ended = None, (record.at, reason if what == "stop watching" else "it entered")
        if what == "enter":
            entered = record.at
        elif what == "exit":
            acted[record.position] = (record.at, reason)
        elif what == "state" and (moved := _moved(record)):
            keeps = record.position in states and set(moved) == _HOLDING
            states[record.position] = (states[record.position][0] if keeps else record.at, moved[1])
            if moved == ("exiting", "open") and record.position in acted:
                since, exit_name = acted.pop(record.position)
                parts.append((since, f"{exit_name} of {record.position}"))
    return ActivityAt(
        watching=watching,
        ended=None if watching is not None else ended,
        halted=_last(decided, "halt"),
        entering=tuple((since, name) for name, (since, state) in states.items() if state == "entering"),
        held=tuple((since, name) for name, (since, state) in states.items() if state in _HOLDING),
        passed=tuple(parts),
        unfilled=_last(decided, "unfilled"),
        refused=tuple(each for each in refusals(until) if entered is None or each[0] > entered),
    )


_HOLDING = {"open", "exiting"}


def _moved(record: Record) -> tuple[str, str] | None:
    """Return from which state to which a position has moved."""
    values = record.data.get("values")
    return (str(values[0]), str(values[-1])) if isinstance(values, list) and values else None


def _last(decided: Sequence[Record], what: str) -> Told | None:
    found = [record for record in decided if record.data.get("what") == what]
    return (found[-1].at, _words(found[-1])) if found else None


def _words(record: Record) -> str:
    return " ".join(str(record.data.get("reason") or "").split())

"""Explain: why a bot did, or did not, trade, read from the records of one day without recomputation.

Evaluations are recorded when they change, so the state of a rule at an instant is its last record up to then.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from rulebot.model.values import dataclass
from rulebot.record.codec import utc_time
from rulebot.record.record import Json, Kind, Record

TimedText = tuple[datetime, str]
"""Since when, and what."""
ENTRY_PLACES = ("universe", "when", "choose", "require", "risk")
JUDGED_BY_THE_PRESENT = (*ENTRY_PLACES, "halts")
"""Places whose rules are those of the present text; an exit's are those of the text its position was opened under."""
OF_LINKS = frozenset((Kind.RUN_STARTED, Kind.RUN_ENDED, Kind.LINK))
ENDED_UNREPORTED = "the engine had ended without a word"


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
    without_data: tuple[Condition, ...]
    halted: str
    halted_at: datetime | None
    skipped: str
    compliant: int | None = None
    breach: bool = False


def explain_day(records: Sequence[Record]) -> DayExplanation:
    """Return the story of one bot's records of one day (at least one), in order."""
    watched, decided = _watched(records), _by_decision(records)
    nearest_rule, nearest = _nearest(records)
    entered, stopped, unfilled = decided["enter"], decided["stop watching"], decided["unfilled"]
    halted, halts = decided["halt"], state_at(records, records[-1].at, ("halts",)).conditions
    day: Any = next((record.data for record in reversed(records) if record.kind is Kind.BOT_DAY), {})
    return DayExplanation(
        watched=watched,
        entered=tuple(record.at for record in entered),
        by_hand=tuple(record.at for record in entered if record.data.get("by_hand")),
        nearest=nearest,
        nearest_rule=nearest_rule,
        last=state_at(records, watched[-1].end if watched else records[-1].at, ENTRY_PLACES),
        unknown=_unknown(records, watched),
        ends=tuple(dict.fromkeys(map(_reason, stopped))),
        blocked=tuple(filter(None, map(_blocked, stopped))),
        refused=refusals(records),
        unfilled=tuple(map(_reported, unfilled)),
        tried=tuple(record.position for record in unfilled),
        rolled=tuple(map(_reported, decided["roll"])),
        ranked=tuple(map(_reported, decided["rank"])),
        reloaded=tuple((record.at, _reload_words(record)) for record in records if record.kind is Kind.RELOAD),
        without_data=tuple(one for one in halts if one.truth is None),
        halted=_on_one_line(day.get("halted")),
        halted_at=halted[-1].at if halted else None,
        skipped=_on_one_line(day.get("skipped") or day.get("decided")),
        compliant=int(day["compliant"]) if day.get("row_of") else None,
        breach=bool(day.get("breach")),
    )


def _by_decision(records: Iterable[Record]) -> Mapping[str, list[Record]]:
    """Return the decisions by what was decided; those of a roll that was not made are with the rolls."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.kind is Kind.DECISION:
            found[str(record.data.get("what")).removeprefix("no_")].append(record)
    return found


def _reported(record: Record) -> TimedText:
    return record.at, _reason(record)


def _blocked(record: Record) -> Blocked | None:
    reported: Any = record.data.get("blocked")
    if not reported:
        return None
    last, longest = reported["last"], reported["longest"]
    since = datetime.fromisoformat(str(last["since"]))
    return Blocked(str(last["text"]), since, str(longest["text"]), float(longest["seconds"]))


def state_at(records: Iterable[Record], at: datetime, places: Sequence[str] = ()) -> RuleSnapshot:
    """Return the last evaluation of every rule up to an instant, of some places or of all.

    Exits of a closed position are those at the instant of the exit that acted.
    """
    found = _RulesSoFar(places)
    for record in records:
        if record.at > at:
            break
        found.take(record)
    return found.snapshot(at)


class _RulesSoFar:
    """The last evaluation of each rule of some places (() for all), and the positions that are being closed."""

    def __init__(self, places: Sequence[str]) -> None:
        self._places = places
        self._last: dict[tuple[str, ...], Condition] = {}
        self._leaving: dict[str, ExitExplanation] = {}
        self._acted: dict[str, dict[tuple[str, ...], Condition]] = {}

    def take(self, record: Record) -> None:
        if record.kind is Kind.RELOAD:
            self._last = {key: one for key, one in self._last.items() if one.place not in JUDGED_BY_THE_PRESENT}
        elif record.kind is Kind.VERDICT and (not self._places or record.data.get("place") in self._places):
            condition = _condition(record.data, record)
            self._last[condition.place, condition.position, condition.symbol, condition.rule] = condition
        elif record.kind is Kind.DECISION and record.position:
            self._decided(record)

    def _decided(self, record: Record) -> None:
        """Note what a decision says of leaving its position."""
        what, position, reason = record.data.get("what"), record.position, _reason(record)
        values: Any = record.data.get("values") or ()
        if what == "exit":
            of_it = {key: one for key, one in self._last.items() if one.position == position}
            rules = (one for one in of_it.values() if one.place == "exit" and one.rule == reason)
            self._acted[position] = of_it
            self._leaving[position] = ExitExplanation(
                position=position, reason=reason, acted=record.at, rule=next(rules, None)
            )
        elif what == "state" and values and values[-1] == "open":
            self._leaving.pop(position, None)
        elif what == "closed":
            was = self._leaving.get(position, ExitExplanation(position=position, reason=reason))
            self._leaving[position] = replace(was, closed=record.at)

    def snapshot(self, at: datetime) -> RuleSnapshot:
        for position, found in self._leaving.items():
            if found.closed is not None:
                self._last.update(self._acted.get(position, {}))
        return RuleSnapshot(at, tuple(self._last.values()), tuple(self._leaving.values()))


def exits_within(records: Sequence[Record], after: datetime, until: datetime) -> tuple[ExitExplanation, ...]:
    """Return the positions whose exit acted, or that closed, after an instant and up to another one."""
    return tuple(
        found
        for found in state_at(records, until).leaving
        if any(at is not None and after < at <= until for at in (found.acted, found.closed))
    )


def outages(records: Iterable[Record], session: Record, *, is_running: bool) -> tuple[TimeSpan, ...]:
    """Return the stretches of a session in which no engine was connected to the broker, and why.

    records: of the kinds `OF_LINKS` and the last one before each start, from the first start of the store to its last
    record, in order. Empty where no connection was recorded, and of a backtest, which ends when no window is ahead.
    """
    opened, closed = (datetime.fromisoformat(str(session.data[key])) for key in ("open", "close"))
    away: TimedText | None = (opened, "no engine ran")
    last, was_linked = opened, False
    spans: list[TimeSpan] = []
    for record in records:
        if record.kind is Kind.RUN_STARTED and _is_backtest(record):
            return ()
        if record.kind is Kind.LINK and record.data["up"]:
            was_linked = True
            spans += [TimeSpan(start=away[0], end=record.at, why=away[1])] if away else []
            away = None
        else:
            away = away or _away(record, last)
        last = record.at
    if away is None and not is_running:
        away = (last, ENDED_UNREPORTED)
    if away is not None:
        spans.append(TimeSpan(start=away[0], end=last if is_running else closed, why=away[1]))
    return _within(spans, opened, closed) if was_linked else ()


def _within(spans: Iterable[TimeSpan], start: datetime, end: datetime) -> tuple[TimeSpan, ...]:
    cut = (replace(span, start=max(span.start, start), end=min(span.end, end)) for span in spans)
    return tuple(span for span in cut if span.start < span.end)


def _is_backtest(started: Record) -> bool:
    settings: Any = started.data.get("settings")
    return (settings or {}).get("mode") == "backtest"


def _away(record: Record, last: datetime) -> TimedText | None:
    """Return since when, and why, no engine is connected by a record, None where it does not say that."""
    if record.kind is Kind.RUN_STARTED:
        return last, ENDED_UNREPORTED
    if record.kind is Kind.RUN_ENDED:
        return record.at, f"the engine had ended: {_reason(record)}"
    return (record.at, f"the connection was lost: {_reason(record)}") if record.kind is Kind.LINK else None


def history(records: Iterable[Record], rule: str) -> tuple[Condition, ...]:
    """Return every change of one rule's evaluation."""
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
    """Return the records of one symbol of a universe, and of the bot as a whole; not of the positions `others`.

    While an entry of another symbol works the bot watches none: that ends a watch, and is no entry of this one.
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


def _reason(record: Record) -> str:
    return _on_one_line(record.data.get("reason"))


def _reload_words(record: Record) -> str:
    was, now = (str(record.data.get(key) or "")[:8] for key in ("was", "now"))
    return f"its spec was {record.data.get('what')}, {f'{was} to {now}' if was and now else was or now}"


def _on_one_line(words: Json) -> str:
    """Return words without the wide gaps between their columns."""
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
    since: dict[str, TimedText] = {}

    def end(rule: str, at: datetime) -> None:
        if begun := since.pop(rule, None):
            spans.append(TimeSpan(start=begun[0], end=at, rule=rule, why=begun[1]))

    for record in records:
        if record.kind is Kind.RELOAD:
            for rule in tuple(since):
                end(rule, record.at)
        elif record.kind is Kind.VERDICT and record.data.get("place") in ENTRY_PLACES:
            rule = " ".join(filter(None, (str(record.data.get("symbol") or ""), str(record.data["rule"]))))
            end(rule, record.at)
            if record.data.get("truth") is None:
                since[rule] = (record.at, str(record.data.get("missing") or ""))
    if not watched:
        return tuple(sorted(spans, key=_by_start))
    for rule in tuple(since):
        end(rule, watched[-1].end)
    return tuple(sorted((part for span in spans for part in _while_watching(span, watched)), key=_by_start))


def _by_start(span: TimeSpan) -> tuple[datetime, str]:
    return span.start, span.rule


def _while_watching(span: TimeSpan, watched: Sequence[TimeSpan]) -> Iterator[TimeSpan]:
    """Yield the part of a stretch within the watching; between two windows an evaluation is not updated."""
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


# --- What a bot did at an instant, apart from its rules


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityAt:
    """What a bot did at an instant.

    watching: since when. ended: when its last watch ended and why. entering, held: its positions of that day, each with
    since when. passed: exits that acted and left their position open. unfilled: its last entry without a fill. refused:
    what kept it from entering since its last entry, each with the time of its first report.
    """

    watching: datetime | None = None
    ended: TimedText | None = None
    halted: TimedText | None = None
    entering: tuple[TimedText, ...] = ()
    held: tuple[TimedText, ...] = ()
    passed: tuple[TimedText, ...] = ()
    unfilled: TimedText | None = None
    refused: tuple[TimedText, ...] = ()


def activity_at(records: Sequence[Record], at: datetime) -> ActivityAt:
    """Return what a bot did at an instant, by its records of that day."""
    until = [record for record in records if record.at <= at]
    decided = _by_decision(until)
    entered = decided["enter"][-1].at if decided["enter"] else None
    watching, ended = _last_watch(until)
    states, passed = _states(until)
    return ActivityAt(
        watching=watching,
        ended=ended,
        halted=_last(decided["halt"]),
        entering=tuple((since, name) for name, (since, state) in states.items() if state == "entering"),
        held=tuple((since, name) for name, (since, state) in states.items() if state in _HOLDING),
        passed=passed,
        unfilled=_last(decided["unfilled"]),
        refused=tuple(each for each in refusals(until) if entered is None or each[0] > entered),
    )


def _last_watch(records: Iterable[Record]) -> tuple[datetime | None, TimedText | None]:
    """Return since when it watches, or when its last watch ended and why."""
    decided = (record for record in records if record.kind is Kind.DECISION)
    found = [record for record in decided if record.data.get("what") in ("watch", "stop watching", "enter")]
    if not found:
        return None, None
    last, what = found[-1], found[-1].data.get("what")
    if what == "watch":
        return last.at, None
    return None, (last.at, "it entered" if what == "enter" else _reason(last))


_HOLDING = {"open", "exiting"}


def _states(records: Iterable[Record]) -> tuple[Mapping[str, TimedText], tuple[TimedText, ...]]:
    """Return since when each position is in its state, and the exits that left theirs open."""
    states: dict[str, TimedText] = {}
    acted: dict[str, TimedText] = {}
    passed: list[TimedText] = []
    for record in records:
        what = record.data.get("what") if record.kind is Kind.DECISION else None
        name, values = record.position, record.data.get("values")
        if what == "exit":
            acted[name] = _reported(record)
        elif what == "state" and isinstance(values, list) and values:
            moved = (str(values[0]), str(values[-1]))
            keeps = name in states and set(moved) == _HOLDING
            states[name] = (states[name][0] if keeps else record.at, moved[1])
            if moved == ("exiting", "open") and name in acted:
                since, exit_name = acted.pop(name)
                passed.append((since, f"{exit_name} of {name}"))
    return states, tuple(passed)


def _last(decided: Sequence[Record]) -> TimedText | None:
    return _reported(decided[-1]) if decided else None

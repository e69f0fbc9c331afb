"""The words of `rulebot why`, and the same as plain data. Times are those of New York."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, field
from datetime import date, datetime, timedelta
from typing import Any

from rulebot.model.money import dollars, signed_dollars
from rulebot.model.position import CLOSED_BY_HAND, ESTIMATED, end_of_row
from rulebot.model.session import exchange_date, is_session
from rulebot.model.text import GAP, aligned, clock, counted, elapsed, price, short_clock
from rulebot.model.values import dataclass
from rulebot.narrate.trades import (
    WITHOUT_ORDER,
    asked_at,
    ended_text,
    error_text,
    leg_text,
    opened_words,
    part_of_row,
    provisional_text,
    structure_of,
    with_parts,
)
from rulebot.record.explain import (
    ActivityAt,
    Blocked,
    Condition,
    DayExplanation,
    ExitExplanation,
    RuleSnapshot,
    TimedText,
    TimeSpan,
    explain_day,
    total,
)
from rulebot.record.record import Kind, Record
from rulebot.store.queries import Row, StoreReader

# --- What a store knows of one bot on one day, for `rulebot why` and the bot's page


@dataclass(frozen=True, slots=True)
class DayFacts:
    """A bot's story of a day and its context.

    trades: opened or closed on that day, wholly or in part, with the parts that exits closed. held: others of earlier
    days still open at the end of the day. away: when no engine was connected; without_data: why market data stopped.
    on_hold: positions for which nothing is sent, and why. asked: prices of unfilled entries, by position. alarms: what
    was reported to a person, and when, each once.
    """

    reported: DayExplanation
    trades: Sequence[Row] = ()
    held: Sequence[Row] = ()
    away: Sequence[TimeSpan] = ()
    without_data: Sequence[TimedText] = ()
    on_hold: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    alarms: Sequence[TimedText] = ()


def why_day(reader: StoreReader, session: date, records: Sequence[Record], trades: Sequence[Row]) -> DayFacts:
    """Return a day of a bot by its records of it (at least one), and its rows of `trades` of all days."""
    reported, alarms = explain_day(records), dict[str, datetime]()
    for each in reader.day(records[0].bot, session, (Kind.ALARM,)):
        alarms.setdefault(str(each.data["text"]), each.at)
    of_day: list[Row] = []
    held: list[Row] = []
    for row in trades:
        if _is_of(row, session):
            of_day.append(reported_parts(row, reader))
        elif is_held(row, session):
            orders, fills = _dealt(row, reader)
            whole = with_parts(row, orders, fills)
            (of_day if _was_dealt_in(whole, orders, session) else held).append(whole)
    return DayFacts(
        reported,
        of_day,
        held,
        reader.outages(session),
        reader.data_troubles(session),
        reader.on_hold(),
        {each: asked_at(reader.view("orders", position=each)) for each in reported.tried},
        [(at, text) for text, at in alarms.items()],
    )


def reported_parts(trade: Row, reader: StoreReader) -> Row:
    """Return a row of `trades` with the parts of it that were closed before its end."""
    return with_parts(trade, *_dealt(trade, reader))


def _dealt(trade: Row, reader: StoreReader) -> tuple[Sequence[Row], Sequence[Row]]:
    """Return the orders and the fills of a trade."""
    of_it = {"position": trade["position"]}
    return reader.view("orders", **of_it), reader.view("fills", **of_it)


def is_held(trade: Row, session: date) -> bool:
    """Say whether a trade was open all that day."""
    return str(trade["entry_time"] or "9")[:10] < str(session) < str(trade["exit_time"] or "9")[:10]


def _is_of(trade: Row, session: date) -> bool:
    """Say whether a trade was opened or closed on that day."""
    return str(session) in (str(trade["entry_time"] or trade["trade_date"])[:10], str(trade["exit_time"] or "")[:10])


def _was_dealt_in(trade: Row, orders: Sequence[Row], session: date) -> bool:
    """Say whether something of a trade was closed on that day, by an exit or by others."""
    times = (*(each["fill_time"] for each in orders), *(part["time"] for part in trade.get("parts", ())))
    return any(str(time or "")[:10] == str(session) for time in times)


# --- The words of `rulebot why`, and the same as plain data

_TRUTH = {True: "true", False: "FALSE", None: "unknown"}
_REASONS_SHOWN = 4
_RANKINGS_SHOWN = 3
_ALARMS_SHOWN = 6
_SPANS = 3
"""Stretches of watching that are listed one by one; of more, their number."""
_GAP = timedelta(minutes=1)
"""Gaps between two stretches that are listed as one: an entry try, a restart."""


def explanation_lines(bot: str, session: date, day: DayFacts) -> list[str]:
    """Return a day's story: the headline, the nearest miss in full, what was unknown, the result.

    Outages and missing data are listed for a bot that did not trade.
    """
    reported = day.reported
    is_out = not _opened(session, day.trades)
    looks = {one.rule for one in reported.nearest.conditions} if reported.nearest else set()
    lines = [
        _headline(bot, session, reported, day.trades),
        *(
            []
            if reported.compliant is None
            else [f"  {compliant_text(reported.compliant, has_breach=reported.breach)}"]
        ),
        *_dealt_lines(day, session),
        *(_outage_lines(day) if is_out else []),
        *([] if reported.watched or reported.entered else _data_gap_lines(reported)),
        *(_nearest_lines(reported) if is_out else []),
        *_stamped(reported.ranked[-_RANKINGS_SHOWN:], "ranked: "),
        *_stamped(reported.reloaded),
        *_unknown_lines(reported.unknown),
        *_stamped(((at, text) for at, text in reported.refused if text not in looks), "refused: "),
        *(_blocked_lines(reported.blocked) if is_out else []),
        *_stamped(reported.rolled),
        *_ended_lines(reported, is_out=is_out),
    ]
    return [*lines, *_alarm_lines(day.alarms, " ".join(lines))]


def _stamped(reported: Iterable[TimedText], words: str = "") -> list[str]:
    return [f"  {clock(at)}   {words}{text}" for at, text in reported]


def _dealt_lines(day: DayFacts, session: date) -> list[str]:
    """Return a line for each trade, for each position that was held, and for each entry that was not filled."""
    lines = [f"  {_trade_line(trade, session)}{_hold_words(trade, day.on_hold)}" for trade in day.trades]
    lines += [f"  {_held_line(trade, session)}{_hold_words(trade, day.on_hold)}" for trade in day.held]
    for (at, text), position in zip(day.reported.unfilled, day.reported.tried, strict=True):
        asked = day.asked.get(position)
        lines += _stamped([(at, f"{text} ({asked})" if asked else text)], "not filled: ")
    return lines


def _outage_lines(day: DayFacts) -> list[str]:
    more = len(day.without_data) - _REASONS_SHOWN
    lines = [*_away_lines(day.away), *_stamped(day.without_data[:_REASONS_SHOWN])]
    return [*lines, f"  and {more} more of market data"] if more > 0 else lines


def _data_gap_lines(reported: DayExplanation) -> list[str]:
    return [f"  its halt {one.name} was unknown: {one.bound}" for one in reported.without_data]


def _nearest_lines(reported: DayExplanation) -> list[str]:
    """Return the nearest miss, or what the conditions said last when a watch was cut short before there was one."""
    moment = reported.nearest or (None if reported.entered else reported.last)
    return ["", *moment_lines(moment)] if moment is not None and moment.conditions else []


def _ended_lines(reported: DayExplanation, *, is_out: bool) -> list[str]:
    since = f"{clock(reported.halted_at)}   " if reported.halted_at else ""
    lines = [f"  {since}halted: {reported.halted}"] if reported.halted else []
    is_skipped = reported.skipped and reported.watched and is_out and reported.nearest is None
    return [*lines, f"  {reported.skipped}"] if is_skipped else lines


def compliant_text(compliant: int, *, has_breach: bool) -> str:
    """Return what a growing quantity counts: `quantity: 7 compliant sessions in a row before this one`."""
    words = f"quantity: {counted(compliant, 'compliant session')} in a row before this one"
    return f"{words}; this one has a breach, which takes it back to its first count" if has_breach else words


def _blocked_lines(blocked: Sequence[Blocked]) -> list[str]:
    """Return of the last watch what blocked its entries last, and longest."""
    if not blocked:
        return []
    found = blocked[-1]
    lasted = elapsed(found.seconds)
    if found.last == found.longest:
        return [f"  {clock(found.since)}   blocked to the end, and longest ({lasted}), by: {found.last}"]
    return [
        f"  {clock(found.since)}   blocked to the end by: {found.last}",
        f"  {' ' * 8}   blocked longest ({lasted}) by: {found.longest}",
    ]


def _alarm_lines(alarms: Sequence[TimedText], said: str) -> list[str]:
    """Return the first alarms of what is not said already, and how many more there were."""
    left = [(at, text) for at, text in alarms if text not in said]
    lines = [f"  {clock(at)}   alarm: {text}" for at, text in left[:_ALARMS_SHOWN]]
    more = len(left) - len(lines)
    return lines + ([f"  and {counted(more, 'more alarm')}: rulebot alerts"] if more else [])


def _away_lines(away: Sequence[TimeSpan]) -> list[str]:
    """Return the longest stretches without a connection, and how many more there were."""
    longest = sorted(away, key=lambda span: span.start - span.end)[:_REASONS_SHOWN]
    shown = (span for span in away if span in longest)
    lines = [f"  {clock(span.start)}   could not watch until {clock(span.end)}: {span.why}" for span in shown]
    more = len(away) - len(longest)
    return lines + ([f"  and {more} shorter {'times' if more > 1 else 'time'}"] if more else [])


def _headline(bot: str, session: date, reported: DayExplanation, trades: Sequence[Row]) -> str:
    is_opened = bool(_opened(session, trades))
    verb = "traded" if is_opened else "asked for a trade that was not filled" if reported.entered else "did not trade"
    parts = [
        f"{bot} {verb} on {session}.",
        _watched_words(session, reported, is_out=not is_opened and not reported.entered),
    ]
    if judged := [clock(at) for at in reported.entered if at not in reported.by_hand]:
        parts.append(f"All conditions held at {', '.join(judged)}.")
    if reported.by_hand:
        parts.append(f"An operator had it enter at {', '.join(map(clock, reported.by_hand))}.")
    return "  ".join(filter(None, parts))


def _watched_words(session: date, reported: DayExplanation, *, is_out: bool) -> str:
    """Return when it watched and came nearest, or why it did not watch. is_out: no entry was tried."""
    if reported.watched:
        nearest = f" and came nearest at {short_clock(reported.nearest.at)}" if is_out and reported.nearest else ""
        is_long = reported.watched[0].start < reported.watched[-1].end
        return f"It watched {_spans(reported.watched)}{nearest}." if is_long else ""
    if not is_out:
        return ""
    if not is_session(session):
        return "The exchange is closed on that day."
    return f"It did not watch: {reported.skipped}." if reported.skipped else "It did not watch."


def _spans(watched: Sequence[TimeSpan]) -> str:
    """Return when it watched: `from 10:00 to 10:10 and from 13:30 to 13:35`; of many stretches how many they were."""
    stretches: list[tuple[datetime, datetime]] = []
    for each in watched:
        if stretches and each.start - stretches[-1][1] <= _GAP:
            stretches[-1] = (stretches[-1][0], each.end)
        else:
            stretches.append((each.start, each.end))
    if len(stretches) > _SPANS:
        whole = f"from {short_clock(stretches[0][0])} to {short_clock(stretches[-1][1])}"
        return f"{whole}, in {len(stretches)} stretches"
    reported = [_stretch(short_clock(start), short_clock(end)) for start, end in stretches]
    return f"{', '.join(reported[:-1])} and {reported[-1]}" if len(reported) > 1 else reported[0]


def _stretch(start: str, end: str) -> str:
    return f"at {start}" if start == end else f"from {start} to {end}"


def _opened(session: date, trades: Sequence[Row]) -> list[Row]:
    return [trade for trade in trades if str(trade["entry_time"] or "")[:10] == str(session)]


def _trade_line(trade: Row, session: date) -> str:
    entry, opened = trade["entry_price"], _on(trade["entry_time"], session)
    if entry is None:
        return _incomplete_line(trade, session)
    line = f"{opened_words(entry, structure_of(trade), trade['entry_mid'])} {opened}" + (
        f", {trade['quantity']} of {trade['asked']} filled" if "asked" in trade else ""
    )
    parts = trade.get("parts") or ()
    line += "".join(f", {_partial_close_text(trade, part, session)}" for part in parts)
    if trade["status"] != "CLOSED":
        return f"{line}; {error_text(trade) or _is_continued(trade)}"
    return f"{line}, {_end_words(trade, session)}{_made_words(trade)}"


def _held_line(trade: Row, session: date) -> str:
    """Return `held 4 x 2525/2545p 2017-11-20 since 2017-11-15`, and what of it had been closed by then."""
    line = f"held {structure_of(trade)} since {str(trade['entry_time'])[:10]}"
    before = (part for part in trade.get("parts") or () if str(part["time"])[:10] < str(session))
    line += "".join(f", {_partial_close_text(trade, part, session)}" for part in before)
    left = str(trade.get("left") or "9")
    return line if left[:10] > str(session) else f"{line}, left {left[:16]}: {end_of_row(trade)}"


def _incomplete_line(trade: Row, session: date) -> str:
    """Return the result of an entry without all its legs: `part of 5920/5930p 10:00: 1 long_put ..`."""
    dealt = [leg for leg in json.loads(trade["legs"]) if leg["opened"]]
    if not dealt:
        return f"{structure_of(trade)}: not filled yet"
    line = f"part of {structure_of(trade)} {_on(trade['entry_time'], session)}: {', '.join(map(leg_text, dealt))}"
    if trade["status"] != "CLOSED":
        return f"{line}; {error_text(trade) or _is_continued(trade)}"
    return f"{line} {_on(trade['exit_time'], session)}: {end_of_row(trade)}{_made_words(trade)}"


def _is_continued(trade: Row) -> str:
    """Return what a trade that is not over is at: `open`, or that its entry still works."""
    return "the rest is not filled yet" if trade["state"] == "entering" else str(trade["state"])


def _made_words(trade: Row) -> str:
    """Return `   +$36.80 after commissions of $2.60`."""
    made = f"   {signed_dollars(trade['final_pnl'])} after commissions of {dollars(trade['commissions'])}"
    return made + provisional_text(trade.get("pending_commissions", 0))


def _hold_words(trade: Row, on_hold: Mapping[str, str]) -> str:
    return f", on hold: {why}" if (why := on_hold.get(str(trade.get("position")))) else ""


def _partial_close_text(trade: Row, part: Mapping[str, Any], session: date) -> str:
    """Return `2 of 4 bought back at 1.65 10:31: half`."""
    return f"{part_of_row(part, trade)} {_on(part['time'], session)}: {part['exit']}"


def _on(at: Any, session: date) -> str:
    """Return the clock time of a view's instant, with its date where that is another one."""
    text = str(at or "")
    return text[11:16] if text[:10] in ("", str(session)) else text[:16]


def _end_words(trade: Row, session: date) -> str:
    closed, reason, name = _on(trade["exit_time"], session), trade["exit_reason"], trade["exit_name"]
    legs = json.loads(trade["legs"])
    has_settled = any(leg["settled"] for leg in legs)
    is_dealt = any(leg["closed"] != leg["settled"] for leg in legs)  # a part was closed before the rest expired
    how = name if name in (ESTIMATED, CLOSED_BY_HAND) else "" if is_dealt else WITHOUT_ORDER.get(reason, "")
    is_by_hand = how == CLOSED_BY_HAND
    in_all = not how and bool(trade.get("parts"))
    cost, entry = trade["exit_price"], trade["entry_price"]
    words = ended_text(how, cost, entry, is_settled=is_by_hand and has_settled, in_all=in_all)
    if how:
        return f"{words} {closed}"
    if reason in WITHOUT_ORDER:
        return f"{words} {_rest_words(trade, closed)}"
    if has_settled:
        left = f" {_on(trade['left'], session)}" if "left" in trade else ""
        return f"{words}{left}: {end_of_row(trade)} (the rest expired {closed})"
    return f"{words} {closed}: {end_of_row(trade)}"


def _rest_words(trade: Row, closed: str) -> str:
    """Return `(the rest expired) 16:05`; where it became shares before an exit closed what was left, that exit too."""
    how = str(trade["exit_reason"])
    if how not in ("ASSIGNED", "EXERCISED"):
        return f"(the rest expired) {closed}"
    rest = f"(the rest {how.lower()})"
    return f"{rest} {closed}" if trade["exit_name"] == how.lower() else f"{closed}: {trade['exit_name']} {rest}"


def moment_lines(moment: RuleSnapshot) -> list[str]:
    """Return every condition at one instant: result, value, bound."""
    count = len(moment.conditions)
    lines = [f"  {clock(moment.at)}   {moment.held} of {counted(count, 'condition')} held"]
    return lines + _condition_lines(moment.conditions, indent="    ")


def _condition_lines(conditions: Sequence[Condition], indent: str) -> list[str]:
    rows = [(one.name, _TRUTH[one.truth], one.value, _bound(one)) for one in conditions]
    return aligned(rows, indent=indent)


def _bound(condition: Condition) -> str:
    return GAP.join(filter(None, (condition.bound, condition.note)))


def _unknown_lines(spans: Sequence[TimeSpan]) -> list[str]:
    if not spans:
        return []
    by_reason: dict[str, list[TimeSpan]] = {}
    for span in spans:
        by_reason.setdefault(span.why or f"{span.rule} unknown", []).append(span)
    shown = [_reason_words(reason, found) for reason, found in by_reason.items()]
    more = len(shown) - _REASONS_SHOWN
    tail = f"; and {more} more" if more > 0 else ""
    return [f"  unknown for {elapsed(total(spans).total_seconds())} in all: {'; '.join(shown[:_REASONS_SHOWN])}{tail}"]


def _reason_words(reason: str, spans: Sequence[TimeSpan]) -> str:
    longest = max(spans, key=lambda span: span.end - span.start)
    stretch = f"{clock(longest.start)} to {clock(longest.end)}"
    return f"{reason}, {stretch}" if len(spans) == 1 else f"{reason}, {len(spans)} times, the longest {stretch}"


def instant_lines(
    bot: str,
    moment: RuleSnapshot,
    soon: Sequence[ExitExplanation] = (),
    recorded: str | None = None,
    doing: ActivityAt | None = None,
) -> list[str]:
    """Return what a bot did at one instant, and what every rule said then, by place.

    soon: what was left later in that minute. recorded: the option that names the store to 'rulebot replay', None where
    that instant is not recorded.
    """
    did = _doing_lines(doing) if doing else []
    if not moment.conditions and not moment.leaving:
        return [f"{bot} had judged no rule by {_instant(moment.at)}.", *did, *_soon_lines(soon)]
    lines = [f"{bot}, {_instant(moment.at)}", *did, *place_lines(moment)]
    if any(one.since is not None and one.since < moment.at for one in moment.conditions):
        at = clock(moment.at)
        again = f"; those of {at}: rulebot replay {exchange_date(moment.at)} --at {at}{recorded}"
        lines.append(f"  numbers are those at each 'since'{'' if recorded is None else again}")
    return lines + _soon_lines(soon)


def _doing_lines(doing: ActivityAt) -> list[str]:
    """Return whether a bot watched, what it was working and holding, and what kept it out."""
    parts = [f"watching since {clock(doing.watching)}"] if doing.watching else []
    parts += [f"not watching since {clock(at)}: {why}" for at, why in filter(None, (doing.ended,))]
    parts += [f"entering {name} since {clock(at)}" for at, name in doing.entering]
    parts += [f"holding {name} since {clock(at)}" for at, name in doing.held]
    lines = [f"  {'; '.join(parts)}"] if parts else []
    lines += [f"  {name} acted at {clock(at)}, and left it open" for at, name in doing.passed]
    lines += [f"  not filled at {clock(at)}: {why}" for at, why in filter(None, (doing.unfilled,))]
    lines += [f"  refused, first at {clock(at)}: {why}" for at, why in doing.refused[-_REASONS_SHOWN:]]
    return lines + [f"  halted since {clock(at)}: {why}" for at, why in filter(None, (doing.halted,))]


def place_lines(moment: RuleSnapshot) -> list[str]:
    """Return what every rule said last, since when, by place; of a position that was left also how."""
    lines = []
    left = {one.position: one for one in moment.leaving}
    judged = [(one.place, one.position) for one in moment.conditions]
    for place in dict.fromkeys((*judged, *(("exit", position) for position in left))):
        found = [one for one in moment.conditions if (one.place, one.position) == place]
        gone = f": {_leaving_words(left[place[1]])}" if place[1] in left else ""
        lines.append(f"  {_place_words(*place)}{gone}")
        rows = [(one.name, _TRUTH[one.truth], _since(one), one.value, _bound(one)) for one in found]
        lines += aligned(rows, indent="    ")
    return lines


def _instant(at: datetime) -> str:
    return f"{exchange_date(at)} {clock(at)}"


def _soon_lines(soon: Sequence[ExitExplanation]) -> list[str]:
    return [f"  later in this minute, exit of {one.position}: {_leaving_words(one)}" for one in soon]


def _leaving_words(leaving: ExitExplanation) -> str:
    """Return which exit acted, when and on what, and when the position was closed."""
    ended = "" if leaving.closed is None else f"closed at {clock(leaving.closed)}"
    if leaving.acted is None:
        return f"{ended}, {leaving.reason}"
    said = "" if leaving.rule is None or not leaving.rule.value else f" ({leaving.rule.value})"
    return f"{leaving.reason}{said} acted at {clock(leaving.acted)}, {ended or 'not closed yet'}"


def _since(condition: Condition) -> str:
    return f"since {clock(condition.since)}" if condition.since else ""


def rule_lines(session: date, changes: Sequence[Condition]) -> list[str]:
    """Return the changes of one rule in a session, one a line; of several rules of one name place by place."""
    lines = [f"{changes[0].rule}, {session}"]
    places = dict.fromkeys(_place_words(one.place, one.position) for one in changes)
    for place in places:
        found = [one for one in changes if _place_words(one.place, one.position) == place]
        rows = [
            (clock(one.since) if one.since else "", *_of(one), _TRUTH[one.truth], one.value, _bound(one))
            for one in found
        ]
        lines += [f"  {place}", *aligned(rows, indent="    ")] if len(places) > 1 else aligned(rows, indent="  ")
    return lines


def _place_words(place: str, position: str) -> str:
    return f"{place} of {position}" if position else place


def _of(condition: Condition) -> tuple[str, ...]:
    return (condition.symbol,) if condition.symbol else ()


def selection_lines(at: datetime, leg: Any) -> list[str]:
    """Return how one leg's strike was chosen: what was asked and the candidates looked at."""
    lines = [f"{leg['name']}   {leg.get('asked') or ''}   {_instant(at)}: {leg.get('found') or 'none'}"]
    candidates = leg.get("candidates") or [leg]
    rows = []
    for one in candidates:
        bid, ask = _number(one.get("bid")), _number(one.get("ask"))
        width = None if bid is None or ask is None else ask - bid
        delta = _number(one.get("delta"))
        away = _number(one.get("distance"))
        rows.append(
            (
                str(one.get("strike") or one.get("found") or ""),
                f"{price(bid)} x {price(ask)}",
                f"width {price(width)}",
                "" if delta is None else f"delta {delta:.2f}",
                "" if away is None else f"{away:.4g} away",
            )
        )
    return lines + aligned(rows, indent="  ")


def _number(value: Any) -> float | None:
    return None if value in (None, "") else float(value)


# --- The same as plain data


def explanation_document(bot: str, session: date, day: DayFacts) -> dict[str, Any]:
    """Return a day's story as plain data."""
    reported, nearest = day.reported, day.reported.nearest
    unfilled = zip(reported.unfilled, reported.tried, strict=True)
    always = {
        "bot": bot,
        "date": str(session),
        "traded": bool(_opened(session, day.trades)),
        "watched": [_span(span) for span in reported.watched],
        "entered": [at.isoformat() for at in reported.entered],
        "nearest": nearest and {"rule": reported.nearest_rule, **instant_document(bot, nearest)},
        "unknown": [_span(span) | {"rule": span.rule} for span in reported.unknown],
        "unknown_seconds": total(reported.unknown).total_seconds(),
        "refused": _reported(reported.refused, "reason"),
        "unfilled": [_at(each, "reason") | {"asked": day.asked.get(name, "")} for each, name in unfilled],
        "rolled": _reported(reported.rolled, "reason"),
        "alarms": _reported(day.alarms, "text"),
        "reloaded": _reported(reported.reloaded, "what"),
        "ends": list(reported.ends),
        "halted": reported.halted,
        "skipped": reported.skipped,
        "compliant_sessions": reported.compliant,
        "trades": [dict(trade) for trade in day.trades],
    }
    names = [str(trade.get("position")) for trade in (*day.trades, *day.held)]
    sometimes = {
        "held": [dict(trade) for trade in day.held],
        "on_hold": {name: day.on_hold[name] for name in names if name in day.on_hold},
        "away": [_span(span) for span in day.away],
        "market_data": _reported(day.without_data, "reported"),
        "blocked": [asdict(each) | {"since": each.since.isoformat()} for each in reported.blocked],
        "halted_at": reported.halted_at and reported.halted_at.isoformat(),
        "unknown_halts": [condition_document(one) for one in reported.without_data],
        "ranked": _reported(reported.ranked, "ranking"),
    }
    return always | _known(sometimes)


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _at(reported: TimedText, name: str = "what") -> dict[str, str]:
    return {"at": reported[0].isoformat(), name: reported[1]}


def _reported(reported: Iterable[TimedText], name: str = "what") -> list[dict[str, str]]:
    return [_at(each, name) for each in reported]


def instant_document(bot: str, moment: RuleSnapshot, doing: ActivityAt | None = None) -> dict[str, Any]:
    """Return the conditions at one instant as plain data, and what the bot did then."""
    conditions = [condition_document(condition) for condition in moment.conditions]
    beside = {"leaving": [_leaving_document(one) for one in moment.leaving], "doing": doing and _doing_document(doing)}
    return {"bot": bot, "at": moment.at.isoformat(), "conditions": conditions, **_known(beside)}


def _doing_document(doing: ActivityAt) -> dict[str, Any]:
    """Return what a bot did at one instant as plain data, without empty parts."""
    single = {"ended": doing.ended, "halted": doing.halted, "unfilled": doing.unfilled}
    several = {"entering": doing.entering, "held": doing.held, "passed": doing.passed, "refused": doing.refused}
    found: dict[str, Any] = {"watching": doing.watching and doing.watching.isoformat()}
    found |= {name: each and _at(each) for name, each in single.items()}
    return _known(found | {name: _reported(each) for name, each in several.items()})


def _leaving_document(leaving: ExitExplanation) -> dict[str, Any]:
    return {
        "position": leaving.position,
        "reason": leaving.reason,
        "acted": leaving.acted and leaving.acted.isoformat(),
        "rule": leaving.rule and condition_document(leaving.rule),
        "closed": leaving.closed and leaving.closed.isoformat(),
    }


def condition_document(condition: Condition) -> dict[str, Any]:
    """Return one condition as plain data."""
    found = asdict(condition) | {"since": condition.since and condition.since.isoformat()}
    return found if condition.symbol else {name: value for name, value in found.items() if name != "symbol"}


def _span(span: TimeSpan) -> dict[str, Any]:
    return {"start": span.start.isoformat(), "end": span.end.isoformat(), "why": span.why}

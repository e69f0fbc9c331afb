"""A comparison of a day with its specs as it is recorded (`after_close.py`), found again, and in a sentence."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from rulebot.model.counted import counted
from rulebot.model.session import session_on
from rulebot.narrate.text_table import clock
from rulebot.record.record import Json, Kind
from rulebot.store.queries import StoreReader

DRIFT = "drift"
"""What a record of facts says that holds a comparison."""
_HARDLY = timedelta(minutes=1)
"""What is missing of a day between two recordings, and is not told."""
LATELY = timedelta(days=5)
"""How far back a store's last comparison is looked for, over a long week-end."""


def summed(day: date, found: Sequence[Mapping[str, Any]], traded: Mapping[str, str]) -> dict[str, Json]:
    """Return the comparisons of a day as they are recorded: how many trades there were, and all of those that differ.

    traded: whose the day's positions are. spans: from when until when each comparison goes, None for the open and the
    close. by_fills: the bots that natural fills would have led elsewhere, by more than prices. unfilled: the bots whose
    entries all came to nothing. not_recorded: the bots of trades that no recording has.
    """
    known = [each for each in found if "problem" not in each]
    told = _each_once(trade for each in known for trade in each["trades"])
    trades = [each for each in told if each["position"] or each["differs"]]
    differs = [each for each in trades if each["differs"]]
    by_fills = [each["bot"] for each in told if (each["natural"] or {}).get("differs")]
    known_of = {*by_fills, *(each["bot"] for each in trades)}
    compared = {each["position"] for each in trades}
    return {
        "symbol": "",
        "what": DRIFT,
        "value": len(differs),
        "day": day.isoformat(),
        "spans": [[each["since"], each["until"]] for each in known],
        "trades": len(trades),
        "differs": differs,
        "by_fills": by_fills,
        "unfilled": [each["bot"] for each in told if each["bot"] not in known_of],
        "not_recorded": [bot for position, bot in traded.items() if position not in compared],
        "decides_otherwise": any(each["decides_otherwise"] for each in known),
        "problem": "; ".join(str(each["problem"]) for each in found if "problem" in each),
    }


def _each_once(trades: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return each position once, of those that several recordings have: where it differs first, else as of the last."""
    found: dict[Any, Mapping[str, Any]] = {}
    for number, each in enumerate(trades):
        name = each["position"] or number
        if name not in found or not found[name]["differs"]:
            found[name] = each
    return list(found.values())


def last_compared(reader: StoreReader, day: date | None = None) -> Mapping[str, Any] | None:
    """Return the last recorded comparison of a store, or of one day; None where there is none."""
    session = None if day is None else session_on(day)
    first, last = (session.close, session.close + LATELY) if session is not None else (None, reader.last_at())
    if last is None:
        return None
    found = [each.data for each in reader.between(Kind.FACTS, first or last - LATELY, last)]
    known = [each for each in found if each["what"] == DRIFT and (day is None or each["day"] == day.isoformat())]
    return known[-1] if known else None


def unexplained(data: Mapping[str, Any]) -> list[str]:
    """Return the bots of a recorded comparison whose trades differ for no known cause."""
    return list(dict.fromkeys(str(each["bot"]) for each in data["differs"] if not each["is_explained"]))


def compared_words(data: Mapping[str, Any]) -> str:
    """Return a recorded comparison in a sentence."""
    day, count, differs, problem = data["day"], data["trades"], data["differs"], data["problem"]
    spans = data.get("spans", [] if problem else [[data.get("since"), None]])  # an earlier version had the first alone
    if not spans:
        return f"{day} is not compared with the specs: {problem}; 'rulebot replay {day} --drift' tries again"
    told = [f"{count - len(differs)} of {count} trades as the specs say, but for prices"]
    fills, unfilled = data.get("by_fills", ()), data.get("unfilled", ())  # earlier versions had none
    if not count:
        told = ["nothing was traded" if fills or unfilled else "nothing was traded, and nothing would have been"]
    for words, known in (("for a known cause", True), ("FOR NO KNOWN CAUSE", False)):
        bots = [str(each["bot"]) for each in differs if bool(each["is_explained"]) is known]
        if bots:
            told.append(f"{len(bots)} otherwise {words} ({_named(bots)})")
    if unfilled:
        told.append(f"no entry of {_named(unfilled)} was filled")
    if fills:
        told.append(f"natural fills would have led {_named(fills)} elsewhere")
    if lacks := data.get("not_recorded"):
        told.append(f"{counted(len(lacks), 'trade')} of {_named(lacks)} not recorded, and not compared")
    if data.get("decides_otherwise"):
        told.append(f"rulebot decides otherwise now: 'rulebot replay {day}' shows where")
    if problem:
        told.append(f"not all of it: {problem}")
    return f"{day}{_hours(spans)} beside the specs: {'; '.join(told)}"


def _named(bots: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(bots))


def _hours(spans: Iterable[Sequence[str | None]]) -> str:
    """Return which hours of a session these are, "" for all of it."""
    joined: list[tuple[datetime | None, datetime | None]] = []
    for each in spans:
        since, until = (None if edge is None else datetime.fromisoformat(edge) for edge in each)
        if joined and _goes_on(joined[-1][1], since):
            since, before = joined.pop()
            until = None if before is None or until is None else max(before, until)
        joined.append((since, until))
    return " and".join(_span(*each) for each in joined)


def _goes_on(until: datetime | None, since: datetime | None) -> bool:
    return until is None or since is None or since - until <= _HARDLY


def _span(since: datetime | None, until: datetime | None) -> str:
    if since is None:
        return "" if until is None else f" until {clock(until, seconds=False)}"
    return f" from {clock(since, seconds=False)} {'on' if until is None else f'to {clock(until, seconds=False)}'}"

"""The words of a message: one or many deliveries for one person, told together."""

import json
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rulebot.alerts.alert import Alert, Grade
from rulebot.alerts.outbox import Delivery
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.record.codec import utc_text
from rulebot.record.record import Json

MOST_LINES = 20
"""Alerts of a message to a person at most; what is left comes in the next."""
MOST_LETTERS = 300
"""Letters of an alert at most, a digest's aside; services cut messages of some thousand."""


def message(
    deliveries: Sequence[Delivery],
    now: datetime,
    times: int,
    zone: ZoneInfo = EXCHANGE_ZONE,
    *,
    is_simulated: bool,
    is_observed: bool = False,
) -> tuple[str, str]:
    """Return title and body. The grave ones, each told so many `times`, stand first, the oldest of each first.

    zone: of who reads it.
    """
    ordered = sorted(deliveries, key=lambda each: each.kept.alert.grade is not Grade.GRAVE)
    told = [each.kept for each in deliveries if each.kept.alert.grade is Grade.GRAVE]
    grave = len(told)
    if len(deliveries) == 1:
        title = f"rulebot: {_KINDS[deliveries[0].kept.alert.grade]}"
    else:
        title = f"rulebot: {len(deliveries)} messages" + (f", {grave} grave" if grave else "")
    lines = [_line(each, now, zone) for each in ordered]
    if grave:
        is_again = any(each.rounds < times and not each.is_acknowledged for each in told)
        until = "told again until somebody says" if is_again else "not told again; who has seen it says"
        lines.append(f"{until} 'rulebot alerts --ack all' or does so on the page")
    return _marked(title, is_simulated=is_simulated, is_observed=is_observed), "\n".join(lines)


def undelivered_text(
    alert: Alert, zone: ZoneInfo = EXCHANGE_ZONE, *, is_simulated: bool, is_observed: bool = False
) -> tuple[str, str]:
    """Return title and body of what no outbox keeps: it is not told again."""
    title = _marked(f"rulebot: {_KINDS[alert.grade]}", is_simulated=is_simulated, is_observed=is_observed)
    return title, f"{_clock(alert, alert.at, zone)} {alert.text}"


def _marked(title: str, *, is_simulated: bool, is_observed: bool) -> str:
    return ("[observed] " if is_observed else "") + ("[simulated] " if is_simulated else "") + title


def _clock(alert: Alert, now: datetime, zone: ZoneInfo) -> str:
    """Return when it happened, in New York; where who reads it has another clock, by that one before."""
    exchange, own = (_at(alert.at.astimezone(each), now.astimezone(each)) for each in (EXCHANGE_ZONE, zone))
    return exchange if own == exchange else f"{own} ({exchange} New York)"


def _at(at: datetime, now: datetime) -> str:
    """Return a time of day: of another day than today with its date."""
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%b %d %H:%M}"


def _line(each: Delivery, now: datetime, zone: ZoneInfo) -> str:
    alert = each.kept.alert
    first = ""
    if each.is_again:
        first = "(perhaps told before) "
    elif each.round > 1:
        first = f"(told {each.round - 1} times, not acknowledged) " if each.round > 2 else "(not acknowledged yet) "
    if alert.grade is Grade.DIGEST:
        return first + alert.text
    text = alert.text if len(alert.text) <= MOST_LETTERS else alert.text[: MOST_LETTERS - 3] + "..."
    times = f" ({each.kept.count} times)" if each.kept.count > 1 else ""
    return f"{first}{_clock(alert, now, zone)} {alert.bot + ': ' if alert.bot else ''}{text}{times}"


_KINDS = {
    Grade.GRAVE: "alarm",
    Grade.WARNING: "notice",
    Grade.TRADE: "trade",
    Grade.DIGEST: "the day",
    Grade.DECISION: "decision",
}


# ---------------------------------------------------------------- for programs


def document(deliveries: Sequence[Delivery], *, is_simulated: bool, is_observed: bool = False) -> str:
    """Return the same as JSON, for a program; `id` names an event, also when it is told again."""
    events = [_event(each.kept.alert, each.kept.count, is_again=each.is_again) for each in deliveries]
    return _document(events, is_simulated=is_simulated, is_observed=is_observed)


def document_unkept(alert: Alert, *, is_simulated: bool, is_observed: bool = False) -> str:
    """Return the same of what no outbox keeps."""
    return _document([_event(alert, 1, is_again=False)], is_simulated=is_simulated, is_observed=is_observed)


def hello() -> str:
    """Return what a program is sent to see whether anything arrives."""
    return _document([{"event": "test", "text": "If you read this, events reach you."}], is_simulated=False)


def _document(events: list[dict[str, Json]], *, is_simulated: bool, is_observed: bool = False) -> str:
    return json.dumps({"app": "rulebot", "simulated": is_simulated, "observed": is_observed, "events": events})


def _event(alert: Alert, count: int, *, is_again: bool) -> dict[str, Json]:
    event: dict[str, Json] = {"id": alert.key, "at": utc_text(alert.at), "grade": alert.grade.value, "bot": alert.bot}
    return {**event, **alert.data, "text": alert.text, "count": count, "perhaps_told_before": is_again}

"""The words of a message: one or many deliveries for one person, told together."""

from collections.abc import Sequence

from engine.alerts.alert import Grade
from engine.alerts.outbox import Delivery
from engine.model.session import EXCHANGE_ZONE

MOST_LINES = 20
MOST_LETTERS = 300
"""Letters of an alert at most, a digest's aside; services cut messages of some thousand."""


def message(deliveries: Sequence[Delivery], *, is_simulated: bool, is_observed: bool = False) -> tuple[str, str]:
    """Return title and body. The grave ones stand first, the oldest of each first."""
    ordered = sorted(deliveries, key=lambda each: each.kept.alert.grade is not Grade.GRAVE)
    grave = sum(each.kept.alert.grade is Grade.GRAVE for each in deliveries)
    if len(deliveries) == 1:
        title = f"rulebot: {_KINDS[deliveries[0].kept.alert.grade]}"
    else:
        title = f"rulebot: {len(deliveries)} messages" + (f", {grave} grave" if grave else "")
    lines = [_line(each) for each in ordered[:MOST_LINES]]
    if len(ordered) > MOST_LINES:
        lines.append(f"and {len(ordered) - MOST_LINES} more: 'rulebot alerts' shows all")
    if grave:
        lines.append("told again until somebody says 'rulebot alerts --ack all' or does so on the page")
    kind = ("[observed] " if is_observed else "") + ("[simulated] " if is_simulated else "")
    return kind + title, "\n".join(lines)


def _line(each: Delivery) -> str:
    alert = each.kept.alert
    first = ""
    if each.is_again:
        first = "(perhaps told before) "
    elif each.round > 1:
        first = f"(told {each.round - 1} times, not acknowledged) " if each.round > 2 else "(not acknowledged yet) "
    if alert.grade is Grade.DIGEST:
        return first + alert.text
    clock = f"{alert.at.astimezone(EXCHANGE_ZONE):%H:%M}"
    text = alert.text if len(alert.text) <= MOST_LETTERS else alert.text[: MOST_LETTERS - 3] + "..."
    times = f" ({each.kept.count} times)" if each.kept.count > 1 else ""
    return f"{first}{clock} {alert.bot + ': ' if alert.bot else ''}{text}{times}"


_KINDS = {Grade.GRAVE: "alarm", Grade.WARNING: "notice", Grade.TRADE: "trade", Grade.DIGEST: "the day"}

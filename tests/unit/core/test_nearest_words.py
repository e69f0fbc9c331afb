"""How a nearest miss is called: by its rule, but for a limit, which no spec has as a rule. It outlives a restart."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hand_desk import Desk, bot_of, clock, text_of

from rulebot.core.state.state import LIMITS, NearestMiss
from rulebot.record.record import Kind

HELD = "held the other way round: SPXW 2026-10-22 5940C by part_roll"


@pytest.mark.parametrize(
    ("symbol", "rule", "text", "words"),
    [
        ("", LIMITS, HELD, HELD),
        ("SPY", f"SPY {LIMITS}", "could lose $400.40", "SPY could lose $400.40"),
        ("", "vix", "23.1  in 12 to 22", "vix 23.1  in 12 to 22"),
        ("SPY", "SPY trend", "neutral, is up", "SPY trend neutral, is up"),
        ("", "order price", "no bid yet", "order price no bid yet"),
    ],
)
def test_what_a_limit_kept_out_is_called_by_what_it_says(symbol: str, rule: str, text: str, words: str) -> None:
    """`came nearest: limits held the other way round` read as if limits held."""
    at = datetime(2026, 10, 22, 14, tzinfo=UTC)
    assert NearestMiss("", at, 0, 0.0, rule, text, (), symbol).words == words


@pytest.mark.parametrize("is_edited", [False, True])
def test_what_came_nearest_before_a_restart_is_reported_after_it(*, is_edited: bool) -> None:
    """The nearest miss of the rest of the day was told as that of the day, in the digest too."""
    desk = Desk()
    desk.scrambles = False  # what people are told after the start is looked at
    desk.level("VIX", 11.9)
    desk.until("10:10", step=60)
    known = desk.state.bots.by_name["spread"].nearest
    assert known is not None
    if is_edited:
        desk.program = replace(desk.program, bots={"spread": bot_of(text_of(quantity="2"))})
    desk.level("VIX", 8.0)
    desk.start_again()
    assert desk.state.bots.by_name["spread"].nearest == (None if is_edited else known)
    desk.link()
    desk.until("11:01", step=60)
    (reported,) = desk.said(Kind.NEAREST)
    assert [each["value"] for each in reported.data["readings"]] == [8.0 if is_edited else 11.9]
    assert reported.data["when"] == clock("10:11" if is_edited else "10:00").isoformat()

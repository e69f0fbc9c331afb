"""How a nearest miss is called: by its rule, but for a limit, which no spec has as a rule."""

from datetime import UTC, datetime

import pytest

from engine.turn.state import LIMITS, Nearest

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
    assert Nearest(at, 0, 0.0, rule, text, (), symbol).words == words

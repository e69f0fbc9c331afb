"""A time exit leaves time for its own order before the close (RB244, RB382)."""

import pytest
from hand_desk import text_of

from rulebot.compile.build import build_plan
from rulebot.spec.load import load_text

SLOW = "{start: mid, step: 0.05, wait: 60s, tries: 6, then: cancel}"


def reported(at: str, own: str = "", **sections: str) -> list[tuple[str, str]]:
    """Return the codes and messages about the time that an exit leaves for its order."""
    order = f"\n    order: {own}" if own else ""
    loaded = load_text(text_of(exits=f"\n  - time: {at}{order}\n  - at_expiry: settle\n", **sections))
    assert loaded.spec is not None
    _, problems = build_plan(loaded.spec, loaded.source)
    return [(each.code, each.message) for each in problems if each.code in ("RB244", "RB382")]


@pytest.mark.parametrize(
    ("at", "order", "expected"),
    [
        ('"15:59:59"', "", [("RB244", "'time' begins 1 s before the close, and its first try takes 10 s")]),
        ("close - 5s", "", [("RB244", "'time' begins 5 s before the close, and its first try takes 10 s")]),
        ('"15:59"', SLOW, [("RB382", "'time' begins 60 s before the close, and its tries take 360 s")]),
        ('"15:59:59"', "market", [("RB244", "'time' begins 1 s before the close, and its first try takes 2 s")]),
        (
            '"12:58"',
            SLOW,
            [("RB382", "'time' begins 120 s before the close on half days, and its tries take 360 s")],
        ),
        ('"15:59:50"', "market", []),
        ('"15:53"', SLOW, []),
        ('"15:45"', "", []),
        ("close - 5m", "", []),
    ],
)
def test_its_order_ends_before_the_close(at: str, order: str, expected: list[tuple[str, str]]) -> None:
    own = order.replace("then: cancel", "then: again")
    assert reported(at, own) == expected


def test_legs_that_enter_one_by_one_leave_as_one_and_take_the_time_of_one_order() -> None:
    one_by_one = "{leg_by_leg: [short_put, long_put], start: natural, wait: 60s, tries: 2, then: unwind}"
    assert reported('"15:57"', order=one_by_one) == []

"""Invariant 27 of `rulebot chaos` is broken where a short leg stands without protection for too long."""

from types import SimpleNamespace
from typing import Any

import pytest
from hand_desk import CONDOR, Desk, put, text_of

from engine.run.chaos.unprotected import unprotected_too_long
from engine.turn import leaving


def left_alone(monkeypatch: pytest.MonkeyPatch | None) -> list[str]:
    """Sell the long put of a condor past the engine, and let three minutes pass; return what the check says."""
    if monkeypatch is not None:
        monkeypatch.setattr(leaving, "is_unprotected_too_long", lambda work, position: False)
    desk = Desk((text_of(legs=CONDOR, exits='\n  - time: "15:45"\n', risk="{max_loss_per_trade: $9000}"),))
    desk.opened()
    desk.is_shown = False
    desk.tick(1)
    desk.holds(put(5935), 0)
    for second in range(180):
        desk.tick(1)
        if second % 10 == 0:
            desk.ask_kill()  # something to be recorded
    bots = {bot.plan.digest: bot for bot in desk.program.bots.values()}
    aftermath: Any = SimpleNamespace(
        day=SimpleNamespace(records=desk.records), governing=lambda position, _: bots[position.digest]
    )
    return [*unprotected_too_long(aftermath, SimpleNamespace())]  # type: ignore[arg-type]


def test_a_leg_that_is_closed_in_time_holds() -> None:
    assert left_alone(None) == []


def test_a_leg_that_nobody_closes_breaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    (said,) = left_alone(monkeypatch)
    assert said == "spread-20261118-1 of spread had a short leg without protection from 15:00:02 UTC on"

"""Invariant 27 of `rulebot chaos` is broken where a short leg stands without protection for too long."""

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hand_desk import CONDOR, Desk, put, text_of

from rulebot.chaos.limits_check import unprotected_too_long
from rulebot.core.exits import exit_rules
from rulebot.record.record import Kind, Record


def said_of(desk: Desk, records: Sequence[Record]) -> list[str]:
    bots = {bot.plan.digest: bot for bot in desk.program.bots.values()}
    aftermath: Any = SimpleNamespace(
        day=SimpleNamespace(records=records), governing=lambda position, _: bots[position.digest]
    )
    return [*unprotected_too_long(aftermath, SimpleNamespace())]  # type: ignore[arg-type]


def alone(monkeypatch: pytest.MonkeyPatch | None) -> Desk:
    """Sell the long put of a condor past the engine, and let three minutes pass."""
    if monkeypatch is not None:
        monkeypatch.setattr(exit_rules, "is_unprotected_too_long", lambda work, position: False)
    desk = Desk((text_of(legs=CONDOR, exits='\n  - time: "15:45"\n', risk="{max_loss_per_trade: $9000}"),))
    desk.opened()
    desk.is_shown = False
    desk.tick(1)
    desk.holds(put(5935), 0)
    for second in range(180):
        desk.tick(1)
        if second % 10 == 0:
            desk.ask_kill()  # something to be recorded
    return desk


def test_a_leg_that_is_closed_in_time_holds() -> None:
    desk = alone(None)
    assert said_of(desk, desk.records) == []


def test_a_leg_that_nobody_closes_breaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = alone(monkeypatch)
    (said,) = said_of(desk, desk.records)
    assert said == "spread-20261118-1 of spread had a short leg without protection from 15:00:02 UTC on"


def test_time_without_an_engine_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start tells of the runs before it first: that is no sign of an engine that stood by."""
    desk = alone(monkeypatch)
    died = desk.records[0].at + timedelta(seconds=100)
    before = [record for record in desk.records if record.at <= died]
    at = died + timedelta(minutes=5)
    start = [Record(at, Kind.ALARM, data={"text": "3 starts"}) for _ in range(2)]
    assert said_of(desk, [*before, *start, Record(at, Kind.RUN_STARTED, data={})]) == []
    assert len(said_of(desk, [*before, *start, Record(at + timedelta(seconds=5), Kind.ALARM, data={})])) == 1

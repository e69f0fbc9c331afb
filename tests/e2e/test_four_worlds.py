"""One day through the wire, through its replay, and as a past session under another broker: the same decisions.

A past session has a broker of its own, whose fills are not those of the wire. So what is compared is what each bot
sends first, to the cent: until an answer comes, nothing of the broker is in it. A bot with a universe is left out of
that, since which of its symbols have market data lines follows from what the others hold. The replay is compared whole.
"""

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from engine.adapters.recorded.recording import open_recording
from engine.adapters.recorded.source import RecordingSource
from engine.model.market import Board
from engine.model.order import Order, Purpose
from engine.record.codec import decode
from engine.record.record import Kind, Record
from engine.run.backtest.fills import NATURAL
from engine.run.backtest.walk import CASH, Walk
from engine.run.replay.head import beginning
from engine.run.replay.replay import replay
from engine.run.replay.tapes import listed
from tests.e2e.worlds import SHIPPED, run_days, spec_files

Sent = tuple[datetime, tuple[tuple[str, int, str], ...], Decimal | None]


def first_sent(records: list[Record]) -> dict[str, Sent]:
    """Return the first entry order of each bot: when, which legs, at what price."""
    found: dict[str, Sent] = {}
    for record in records:
        if record.kind is Kind.ORDER and record.bot not in found:
            order = decode(Order, dict(record.data))
            if order.purpose is Purpose.ENTRY and order.sent_at is not None:
                legs = tuple((str(leg.option), leg.ratio, leg.side.value) for leg in order.legs)
                found[record.bot] = order.sent_at, legs, order.limit_price
    return found


def check_worlds(folder: Path, seed: int) -> dict[str, Sent]:
    """Run a day of all shipped bots, replay it, walk through it; return what was sent first."""
    tapes = folder / "tapes"
    day = run_days(folder, spec_files(SHIPPED), seed=seed, tapes=tapes)
    recording = open_recording(listed(tapes)[0].file)
    again = replay(recording)
    assert again.difference is None
    state, program, _ = beginning(recording.head, Board())
    source = RecordingSource(recording.files[-1])
    walk = Walk(program, source, state.facts.events, NATURAL, CASH)
    walked = [record for done in walk.through(recording.day, recording.day) for record in done.records]
    wire = first_sent(list(day.records))
    assert first_sent(again.records) == wire
    alone = {name for name, bot in program.bots.items() if not bot.members}
    assert _of(alone, first_sent(walked)) == _of(alone, wire)
    return wire


def _of(bots: set[str], sent: dict[str, Sent]) -> dict[str, Sent]:
    return {name: each for name, each in sent.items() if name in bots}


@pytest.mark.long
def test_ci_a_day_is_alike_in_each_world(tmp_path: Path) -> None:
    assert len(check_worlds(tmp_path, 3)) >= 3


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 21))
def test_days_are_alike_in_each_world(seed: int, tmp_path: Path) -> None:
    check_worlds(tmp_path, seed)

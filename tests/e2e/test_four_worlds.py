"""One day of all shipped bots through the wire, through its replay, and as a past session: the same, record by record.

What is compared is every record of the engine: verdicts, decisions with their reasons, choices of strikes, orders with
their prices and what became of them, fills, positions, marks, what came nearest, halts. As a past session the bots live
with a broker that answers the orders of the recording as it did then (`--fills recorded`), and no others; so an order
that differs in anything would go another way from there on, and the walk would say so.

With fills by a model, which are not those of the wire, the same is compared as far as no answer of the broker is in it:
what each bot sends first, to the cent. A bot with a universe is left out of that, since which of its symbols have lines
follows from what the others hold.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rulebot.adapters.recorded.recording import Recording, open_recording
from rulebot.adapters.recorded.source import EVERY, RecordingSource
from rulebot.backtest.fill_model import NATURAL, RECORDED
from rulebot.backtest.recorded_simulation import RecordedSimulation
from rulebot.backtest.sampling import HELD, REGIME
from rulebot.backtest.scheduler import SETTLES
from rulebot.backtest.simulation import CASH, BacktestSimulation
from rulebot.core.program import Program
from rulebot.live.environments import DEFAULT_DATE
from rulebot.model.market import Board
from rulebot.model.order import Order, Purpose
from rulebot.model.session import at_exchange_time, exchange_date, session_from
from rulebot.record.codec import decode, line
from rulebot.record.record import ACCOUNT_SEEN, Kind, Record
from rulebot.replay.recordings import beginning, listed
from rulebot.replay.replay import replay
from tests.e2e.examples import Shown, promises
from tests.e2e.worlds import SHIPPED, run_days, spec_files

HALF_DAY = date(2026, 12, 24)
"""The session before Christmas, which ends at 13:00. No event keeps the shipped bots out."""
EARLY = time(10, 35)
OF_NO_TURN = (Kind.RUN_STARTED, Kind.RUN_ENDED, Kind.PRICES)

OF_THE_ACCOUNT = ("overwrite", "collar", "side_by_side")
"""Examples that read what a person has brought: shares, and a buying power that a past session has not."""
ONE_DAY = [each for each in promises() if each.days == 1 and each.example not in OF_THE_ACCOUNT]
FOUND_BY: dict[str, dict[str, Any]] = {
    "one_one_two": {"until": at_exchange_time(DEFAULT_DATE, time(12))},
    "settle_spy": {"data_seconds": 15},
}
"""An example whose worlds once differed, in where strikes lay that were given up, and one that is assigned.

And how their day is run: the first does nothing in its afternoon, and the second waits for the close.
"""

Sent = tuple[datetime, tuple[tuple[str, int, str], ...], Decimal | None]


class Lived(NamedTuple):
    """A recorded day: its recording, and what was recorded of it on the wire."""

    recording: Recording
    wire: list[Record]


def live(
    folder: Path, seed: int, day: date = DEFAULT_DATE, data_seconds: int = 5, until: datetime | None = None
) -> Lived:
    """Run a day of all shipped bots on the wire, or the part of it up to an instant."""
    bots = spec_files(SHIPPED)
    return lived_through(folder, bots, seed=seed, first_day=day, data_seconds=data_seconds, until=until)


def lived_through(folder: Path, specs: list[str], **given: Any) -> Lived:
    """Run a day on the wire, as `run_days` does, and record it."""
    tapes = folder / "tapes"
    simulated = run_days(folder, specs, tapes=tapes, **given)
    return Lived(open_recording(listed(tapes)[0].file), list(simulated.records))


def check_worlds(simulated: Lived) -> list[str]:
    """Replay the day and walk through it: every record is the same; return what the walk tells."""
    recording, wire = simulated
    again = replay(recording)
    assert again.difference is None
    assert [line(each) for each in again.records] == [line(each) for each in wire if each.kind not in OF_NO_TURN]
    state, program, _ = beginning(recording.head, Board())
    source = RecordingSource(recording.files[-1])
    walk = RecordedSimulation(program, source, state.market.facts.events, RECORDED, CASH)
    (done,) = walk.through(recording.day, recording.day)
    ends = max(each.at for each in again.records)
    assert of_turns(each for each in done.records if each.at <= ends) == of_turns(again.records)
    return [each.text for each in done.findings]


def of_turns(records: Iterable[Record]) -> list[str]:
    """Return the records of turns as lines, but those that name the account, which has another name in the past.

    Nor those that a past session notes beside the turns: the first VIX of the day, shares held at its end, and what
    the account is worth by what these bots have made once all has settled; and in what order it is told what settles.
    """
    return [line(each) for each in records if each.kind is not Kind.LINK and not _is_note(each)]


def _is_note(record: Record) -> bool:
    what = record.data.get("what"), record.data.get("symbol")
    if record.kind is Kind.ACCOUNT or what[0] == ACCOUNT_SEEN:
        return record.at == session_from(exchange_date(record.at)).close + SETTLES
    return record.kind is Kind.FACTS and (what == ("open", REGIME) or what[0] == HELD)


def check_first_orders(simulated: Lived) -> None:
    """Walk through the day with fills of a model: what was sent first is the same."""
    program, walked = sent_by_the_model(simulated.recording)
    alone = {name for name, bot in program.bots.items() if not bot.members}
    assert _of(alone, walked) == _of(alone, first_sent(simulated.wire))


def sent_by_the_model(recording: Recording, alone: str = "") -> tuple[Program, dict[str, Sent]]:
    """Return what the bots of a recording, or one alone, send first in a walk through it with fills of a model."""
    state, program, _ = beginning(recording.head, Board())
    program = replace(program, bots={alone: program.bots[alone]}) if alone else program
    walk = BacktestSimulation(program, RecordingSource(recording.files[-1]), state.market.facts.events, NATURAL, CASH)
    walked = [record for done in walk.through(recording.day, recording.day) for record in done.records]
    return program, first_sent(walked)


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


def check_likeness(simulated: Lived) -> None:
    """Walk through the day with fills of a model: each bot sends the same first, within an instant of the recording."""
    (_, ours), theirs = sent_by_the_model(simulated.recording), first_sent(simulated.wire)
    assert {name: sent[1:] for name, sent in ours.items()} == {name: sent[1:] for name, sent in theirs.items()}
    assert all(abs((sent[0] - theirs[name][0]).total_seconds()) <= EVERY for name, sent in ours.items())


def _of(bots: set[str], sent: dict[str, Sent]) -> dict[str, Sent]:
    return {name: each for name, each in sent.items() if name in bots}


def count(simulated: Lived, what: str) -> int:
    """Return how many decisions of a kind there were."""
    return sum(each.kind is Kind.DECISION and each.data["what"] == what for each in simulated.wire)


@pytest.mark.long
@pytest.mark.parametrize(
    ("seed", "until"), [(14, None), (1, EARLY), (4, EARLY)], ids=["ci whole", "ci until 10:35", "ci once more"]
)
def test_a_half_day_is_the_same_in_each_world(seed: int, until: time | None, tmp_path: Path) -> None:
    """Three entries and an exit at least. The last two runs end before their session, which goes on without them."""
    simulated = live(tmp_path, seed, HALF_DAY, 15, None if until is None else at_exchange_time(HALF_DAY, until))
    assert count(simulated, "enter") >= 3
    assert count(simulated, "exit") >= 1
    reported = check_worlds(simulated)
    assert reported[:1] == ([] if until is None else [f"nothing is recorded from {until} to 13:00:00"])
    assert all(text.endswith("are filled by the model: the recording ends") for text in reported[1:])


@pytest.mark.long
def test_ci_a_bot_alone_finds_the_strike_that_it_had_beside_others(tmp_path: Path) -> None:
    """It had few lines, and found none: its own text on that day, as `replay DAY SPEC` walks it, did not trade."""
    simulated = live(tmp_path, 7, until=at_exchange_time(DEFAULT_DATE, time(9, 40)))
    (name,) = theirs = first_sent(simulated.wire)
    assert name == "spy_put_seller"
    assert sent_by_the_model(simulated.recording, name)[1] == theirs


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(1, 21))
def test_days_are_the_same_in_each_world(seed: int, tmp_path: Path) -> None:
    simulated = live(tmp_path, seed)
    assert check_worlds(simulated) == []
    check_first_orders(simulated)


@pytest.mark.long
@pytest.mark.parametrize(
    "shown",
    ONE_DAY,
    ids=lambda shown: f"{'ci ' if shown.example in FOUND_BY else ''}{shown.example} {shown.market or ''}",
)
def test_an_example_does_the_same_in_each_world(shown: Shown, tmp_path: Path) -> None:
    """The day on which its comment says that it trades: live, replayed, and as a past session."""
    given = FOUND_BY.get(shown.example, {})
    simulated = lived_through(tmp_path, [shown.file], seed=shown.seed, market=shown.market, **given)
    assert count(simulated, "enter") >= 1
    for text in check_worlds(simulated):
        assert text.startswith("nothing is recorded from ") or (
            "until" in given and text.endswith("the recording ends")
        )
    check_likeness(simulated)

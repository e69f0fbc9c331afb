"""A store says of the hand-made day what its engine said: both are read into the same rows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from run_day import SPECS, day_program, day_state
from store_day import CONDOR, SELLER, at, small_day

from rulebot.narrate.snapshot import Snapshot
from rulebot.narrate.snapshot_of_state import snapshot_of
from rulebot.narrate.snapshot_of_store import snapshot_of_store
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store

PROGRAM = day_program()
SAME_OF_POSITIONS = (
    "id", "bot", "structure", "state", "opened_at", "dte", "quantity", "count", "entry", "max_loss", "at_target",
    "at_stop", "on_hold", "unprotected", "is_flattening", "waits_to_close",
)  # fmt: skip
SAME_OF_ORDERS = (
    "ref", "bot", "order_id", "position", "purpose", "reason", "side", "state", "quantity", "filled", "limit", "stop",
    "attempt",
)  # fmt: skip


def of_shipped_texts() -> Iterator[Record]:
    """Yield the records of the day under the texts that `PROGRAM` compiles."""
    digests = {name: bot.plan.digest for name, bot in PROGRAM.bots.items()}
    for record in small_day():
        data: dict[str, Json] = dict(record.data)
        if record.kind is Kind.RUN_STARTED:
            texts = {name: (SPECS / f"{name}.yaml").read_text(encoding="utf-8") for name in digests}
            data["specs"] = {n: {"digest": d, "path": f"{n}.yaml", "text": texts[n]} for n, d in digests.items()}
        elif "digest" in data:
            data["digest"] = digests[record.bot]
        yield Record(record.at, record.kind, record.bot, record.position, data)


def both(clock: str, folder: Path) -> tuple[Snapshot, Snapshot]:
    """Return what the engine, and what its store, says of the day at a New York time."""
    journal = SqlJournal(open_store(folder / "a.db"))
    journal.append([record for record in of_shipped_texts() if record.at <= at(clock)], durable=True)
    try:
        with StoreReader(folder / "a.db") as reader:
            stored = snapshot_of_store(reader)
    finally:
        journal.close()
    return snapshot_of(PROGRAM, day_state(clock), at(clock), at("09:25"), at("16:05")), stored


@pytest.mark.parametrize("clock", ["10:00", "12:00", "15:00"])
def test_positions_and_orders_of_a_store_are_those_of_its_engine(clock: str, tmp_path: Path) -> None:
    run, store = both(clock, tmp_path)
    assert run.positions
    for names, rows, others in (
        (SAME_OF_POSITIONS, run.positions, store.positions),
        (SAME_OF_ORDERS, run.orders, store.orders),
    ):
        found = {tuple(getattr(each, name) for name in names) for each in rows}
        assert found == {tuple(getattr(each, name) for name in names) for each in others}


def test_what_was_realised_is_the_same_in_both(tmp_path: Path) -> None:
    run, store = both("15:00", tmp_path)
    assert (run.realized, dict(run.realized_by)[CONDOR]) == (store.realized, store.realized)
    assert store.realized == pytest.approx(36.80)
    assert [(each.bot, each.position) for each in store.bots if each.ended] == [(CONDOR, "closed: target")]
    assert [each.position for each in run.bots if each.bot == CONDOR] == ["closed: target"]
    assert [each.bot for each in store.positions] == [SELLER]

"""A quantity that grows with compliant sessions: a recorded day replays to the same quantity."""

from contextlib import closing
from datetime import date
from pathlib import Path

from store_day import entity

from rulebot.adapters.recorded.recording import open_recording
from rulebot.decide.entry_window import BotDay
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.session import session_from
from rulebot.record.record import Kind
from rulebot.replay.recordings import listed
from rulebot.replay.replay import replay
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from tests.e2e.worlds import run_days

BEFORE = date(2026, 10, 20)
SPEC = str(Path(__file__).parents[2] / "examples" / "growing.yaml")


def test_a_recorded_day_replays_to_the_quantity_that_its_row_allows(tmp_path: Path) -> None:
    """39 sessions lie behind it, and the last one counts too: 40 make it three, from one by one each 20."""
    store, tapes = tmp_path / "g.db", tmp_path / "g-tapes"
    digest = load_all_bots([SPEC], {}, None).bots["growing"].plan.digest
    earlier = BotDay(bot="growing", date=BEFORE, opened=1, compliant=39, row_of=digest)
    with closing(SqlJournal(open_store(store), logs=None)) as journal:
        journal.append([entity(Kind.BOT_DAY, session_from(BEFORE).close, earlier)], durable=True)
    run_days(tmp_path, [SPEC], seed=7, data_seconds=15, place=store, tapes=tapes)
    with StoreReader(store) as reader:
        (trade,) = reader.view("trades")
        entered = [each for each in reader.records((Kind.ORDER,)) if each.data["purpose"] == "entry"]
    assert trade["quantity"] == 3
    assert {each.data["quantity"] for each in entered} == {3}
    (tape,) = listed(tapes)
    done = replay(open_recording(tape.file))
    assert done.difference is None
    again = [each for each in done.records if each.kind is Kind.ORDER and each.data["purpose"] == "entry"]
    assert {each.data["quantity"] for each in again} == {3}
    (position,) = (each for each in done.state.positions.by_id.values() if each.bot == "growing")
    assert sum(leg.opened for leg in position.legs) == 6

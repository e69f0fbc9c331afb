"""A store that was put back after it had traded: nothing is entered, and no name is used twice (faults.md row 80)."""

from datetime import timedelta
from pathlib import Path

from hand_desk import Desk, kept, text_of

from rulebot.model.event import Request
from rulebot.store.maintenance import RESTORED, back_up, restore
from rulebot.store.queries import StoreReader

AGAIN = text_of(entry='{window: {from: "10:00", to: "11:00"}, max_open: 1}')


def put_back(first: Desk, folder: Path) -> Desk:
    """Return a desk on what the store of another was then, in the account as that one has left it."""
    desk = Desk((AGAIN,), at="10:30", linked=False)
    desk.scrambles = False  # what people are told after the start is looked at
    store = folder / "day.db"
    restore(folder / "backup.db", store, first.now + timedelta(hours=3))
    with StoreReader(store) as reader:
        desk.records = list(reader.recall(desk.now).records)
    desk.start_again()
    desk.link(positions=list(first.books().items()))
    return desk


def test_what_was_sold_since_the_backup_is_not_sold_again_until_a_person_says_so(tmp_path: Path) -> None:
    first = Desk((AGAIN,))
    back_up(kept(first, tmp_path), tmp_path / "backup.db")
    sold = first.opened()
    desk = put_back(first, tmp_path)
    assert [text.partition(":")[0] for text in desk.alarms] == [
        "the account holds +1 SPXW 2026-11-18 5935P, -1 SPXW 2026-11-18 5945P that no position explains"
    ]
    desk.tick(1)
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].status_text == f"only reducing: {RESTORED}"
    desk.start_again()
    desk.link()
    desk.tick(1)
    assert not desk.submitted
    desk.ask(Request.RESUME)
    desk.tick(1)
    desk.fill(desk.last)
    assert desk.last.ref not in first.state.orders.by_ref
    assert desk.position.id != sold.id

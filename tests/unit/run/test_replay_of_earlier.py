"""A recording of a version that knew less of a position: what it told decides, not how much there is to tell now."""

from dataclasses import replace

from hand_desk import Desk

from engine.record.codec import line
from engine.record.record import ACCOUNT_SEEN, Kind, Record
from engine.run.replay.replay import as_of_today, without_kept


def told() -> Record:
    desk = Desk()
    desk.opened()
    return desk.said(Kind.POSITION)[-1]


def test_what_a_version_has_added_is_no_difference_while_it_comes_to_nothing() -> None:
    now = told()
    then = replace(now, data={key: value for key, value in now.data.items() if key != "missed"})
    assert line(then) != line(now)
    assert as_of_today(line(then)) == line(now)


def test_what_stood_otherwise_is_one() -> None:
    now = told()
    for then in (replace(now, data={**now.data, "quantity": 2}), replace(now, data={**now.data, "of_later": 1})):
        assert as_of_today(line(then)) == line(then)


def test_what_is_no_entity_stays_as_it_is() -> None:
    desk = Desk()
    desk.opened()
    decided = line(desk.said(Kind.DECISION)[-1])
    assert [as_of_today(text) for text in (decided, "{")] == [decided, "{"]


def test_what_is_kept_for_a_start_alone_is_no_difference_where_a_version_did_not_keep_it() -> None:
    """Every recording of the version before differed at the first thing that came near to an entry."""
    desk = Desk()
    desk.opened()
    turn = [record for record in desk.records if record.at == desk.now]
    kept = tuple(line(record) for record in turn)
    then = tuple(text for text in kept if f'"what":"{ACCOUNT_SEEN}"' not in text)
    assert len(then) < len(kept)
    assert without_kept(turn, then) == then
    assert without_kept(turn, kept) == kept, "told otherwise it would be one"

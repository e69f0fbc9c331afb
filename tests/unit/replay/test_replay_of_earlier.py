"""A recording of a version that knew less of a position: what it told decides, not how much there is to tell now."""

from dataclasses import replace
from typing import Any

from hand_desk import Desk

from rulebot.record.codec import line
from rulebot.record.record import ACCOUNT_SEEN, Kind, Record
from rulebot.replay.replay import as_told_then, without_kept


def told() -> Record:
    desk = Desk()
    desk.opened()
    return desk.said(Kind.POSITION)[-1]


def test_what_a_version_did_not_tell_yet_is_no_difference() -> None:
    """After the first entry of a day nothing was compared: a bot's day tells since when its window counts."""
    now = told()
    then = line(replace(now, data={key: value for key, value in now.data.items() if key != "missed"}))
    for missed in ([], ["of now"]):
        assert as_told_then((line(replace(now, data={**now.data, "missed": missed})),), (then,)) == (then,)


def test_what_a_version_did_not_tell_yet_of_a_leg_is_none_either() -> None:
    now = told()
    told_legs: Any = now.data["legs"]
    legs = [{key: leg[key] for key in leg if key != "settled"} for leg in told_legs]
    then = line(replace(now, data={**now.data, "legs": legs}))
    assert then != line(now)
    assert as_told_then((line(now),), (then,)) == (then,)


def test_what_stood_otherwise_is_one() -> None:
    now = told()
    for then in (replace(now, data={**now.data, "quantity": 2}), replace(now, data={**now.data, "of_later": 1})):
        assert as_told_then((line(now),), (line(then),)) != (line(then),)


def test_what_is_no_entity_is_compared_whole() -> None:
    desk = Desk()
    desk.opened()
    decided = desk.said(Kind.DECISION)[-1]
    less = line(replace(decided, data={key: value for key, value in decided.data.items() if key != "reason"}))
    for then in (less, "{"):
        assert as_told_then((line(decided),), (then,)) == (line(decided),)
    assert as_told_then((line(decided),) * 2, (less,)) == (line(decided),) * 2


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

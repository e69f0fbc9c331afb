"""What counts as the cause of a difference between what was done and what a text would have done, and what does not."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rulebot.cli.past.replay_text import drift_lines
from rulebot.core.program import Program
from rulebot.core.state.state import State
from rulebot.model.market import Board
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.values import replace
from rulebot.replay.drift import (
    DayComparison,
    DriftKind,
    RecordedDay,
    _not_entered,
    lacking,
    never_tried,
    reasons,
    unseen_at_natural,
    without_result,
)
from rulebot.replay.reruns import EntryTries, Lack, Line, RecordedCause, Rerun, Said
from tests.store_day import condor, position

AT = datetime(2026, 10, 21, 15, 30, tzinfo=UTC)
HALT: Said = ("a", "halt", "daily loss")


def entry(**changes: Any) -> Order:
    """An order that waited from a minute before the instant until a minute after it, unless told otherwise."""
    known = {"reason": "entry", "prepared_at": earlier(1), "sent_at": earlier(1), "changed_at": earlier(-1)}
    return condor("rb:x:000001", 1, Purpose.ENTRY, **{**known, **changes})


def earlier(minutes: float) -> datetime:
    return AT - timedelta(minutes=minutes)


def reported(*lines: Line) -> RecordedCause:
    found = RecordedCause()
    found.lines += lines
    return found


def walked(
    *, said: frozenset[Said] = frozenset(), left: Mapping[str, tuple[datetime, str]] | None = None, lacks: str = ""
) -> Rerun:
    alarms = {"a": [Lack(AT, lacks)]} if lacks else {}
    return Rerun(state=None, tries=EntryTries(), said=said, unfilled={}, lacks=alarms, left=left or {}, kept_out={})


def found(
    reported: RecordedCause, walked: Rerun, *, since: datetime | None = None, until: datetime | None = None
) -> list[str]:
    return list(reasons("a", AT, None, None, RecordedDay(reported=reported, walked=walked, since=since, until=until)))


def test_what_a_bot_said_itself_is_a_cause_unless_the_walk_says_it_too() -> None:
    of_day = reported(Line(at=AT, bot="a", text="halted: daily loss", says_why=True, said=HALT))
    assert set(found(of_day, walked())) == {"11:30:00 halted: daily loss"}
    assert found(of_day, walked(said=frozenset({HALT}))) == []
    assert found(of_day, walked(said=frozenset({("b", *HALT[1:])}))) != []


def test_events_that_are_no_reasons_explain_nothing() -> None:
    assert found(reported(Line(at=AT, bot="a", text="entry sent")), walked()) == []


def test_a_text_that_took_over_is_a_cause_for_the_rest_of_the_day() -> None:
    def reload(minutes: float, bot: str = "a") -> Line:
        return Line(at=earlier(minutes), bot=bot, text=f"reloaded: {bot}", says_why=True, is_reload=True)

    assert set(found(reported(reload(120)), walked())) == {"09:30:00 reloaded: a"}
    assert found(reported(reload(-120)), walked()) == []
    assert found(reported(reload(120, "b")), walked()) == []


def test_what_a_person_did_hours_before_is_no_cause_by_itself() -> None:
    act = Line(at=earlier(60), bot="", text="asked by the operator: close", says_why=True)
    assert found(reported(act), walked()) == []
    assert found(reported(act), walked(left={"a": (earlier(60), "it sends an order")})) == [
        "10:30:00 asked by the operator: close; since 10:30:00 its orders are others"
    ]
    assert found(reported(), walked(left={"a": (earlier(60), "it sends an order")})) == []


def test_a_bot_may_follow_another_one_that_left_the_recording_before() -> None:
    left = {"b": (earlier(90), "it sends an order"), "a": (earlier(60), "it sends an order")}
    (why,) = found(reported(), walked(left=left))
    assert why.startswith("10:00:00 b did otherwise before it")
    assert found(reported(), walked(left={"b": (earlier(30), ""), "a": (earlier(60), "")})) == []


def test_the_edges_of_a_recording_explain_what_lies_at_them_and_no_more() -> None:
    assert found(reported(), walked(), since=AT) == ["only what came after 11:30:00 is recorded"]
    assert found(reported(), walked(), since=earlier(10)) == []
    assert found(reported(), walked(), until=AT) == ["only what came before 11:30:00 is recorded"]
    assert found(reported(), walked(), until=earlier(-10)) == []


def test_what_the_recording_lacks_is_a_cause() -> None:
    assert found(reported(), walked(lacks="no quotes")) == ["the recording lacks what it would have traded: no quotes"]


def test_a_position_lacks_what_is_reported_of_it_or_of_all_of_its_bot_and_nothing_of_another() -> None:
    held = position("open", entries=True, exits=False, opened_at=earlier(60))

    def lacks(of: str) -> str:
        walk = Rerun(
            state=None,
            tries=EntryTries(),
            said=frozenset(),
            unfilled={},
            lacks={held.bot: [Lack(AT, "no quote", of)]},
            left={},
            kept_out={},
        )
        return lacking(held, walk)

    assert lacks(held.id) == lacks("") == "11:30:00 the recording lacks what it would have held: no quote"
    assert lacks("another") == ""


def test_a_bot_that_never_sets_out_to_enter_at_natural_is_not_led_elsewhere_by_fills() -> None:
    then, natural = walked(), walked()
    assert never_tried("a", then, natural) == ""
    then.tries.entries["a"] = [AT]
    assert never_tried("a", then, natural).startswith("at natural it never sets out to enter")
    natural.tries.entries["a"] = [earlier(-10)]  # its fills may have kept it out until then
    assert never_tried("a", then, natural) == ""


def test_what_kept_a_bot_out_at_natural_is_reported_where_it_was_recorded() -> None:
    """It was always said that what the bot reads is not all made of an instant every five seconds."""
    then, refused = (replace(walked(), tries=EntryTries()) for _ in range(2))
    then.tries.entries["a"] = [AT]
    unread = "at natural it never sets out to enter: looked at every five seconds, what it reads never let it, or was "
    assert never_tried("a", then, refused) == f"{unread}not there"
    limit = (earlier(2), "max_open of the account: 1 position is open")
    refused = replace(refused, kept_out={"a": [limit]})
    assert never_tried("a", then, refused) == f"at natural it never sets out to enter: 11:28:00 {limit[1]}"
    assert never_tried("a", replace(then, kept_out={"a": [limit]}), refused).startswith(unread), "then too"
    later = replace(refused, kept_out={"a": [(AT + timedelta(minutes=1), "halted")]})
    assert never_tried("a", then, later).startswith(unread), "long after it had set out"


def test_why_entries_came_to_nothing_is_what_was_said_when_they_ended() -> None:
    sent = Line(at=earlier(1), bot="a", text="entry sent")
    refused = Line(at=AT, bot="a", text="not filled: 321", says_why=True, said=("a", "unfilled", "321"))
    alarm = Line(at=AT, bot="a", text="alarm: the broker refused the entry", says_why=True)
    halted = Line(at=earlier(-60), bot="a", text="halted: daily loss", says_why=True, said=HALT)
    of_day = reported(sent, refused, alarm, halted)
    assert list(without_result("a", of_day, earlier(1))) == [
        "11:30:00 not filled: 321",
        "11:30:00 alarm: the broker refused the entry",
    ]
    assert list(without_result("a", of_day, earlier(-1))) == list(without_result("b", of_day, earlier(1))) == []


def test_an_entry_at_natural_whose_legs_were_given_up_is_not_known() -> None:
    """The bot that ran gave them up seconds after the refusal; the walk called its own entry not filled."""
    waits = entry()
    state = cast(State, SimpleNamespace(orders=SimpleNamespace(by_ref={waits.ref: waits})))
    natural, of_day = replace(walked(), state=state), reported()
    assert unseen_at_natural(waits.bot, of_day, natural) == ""
    of_day.given_up = {leg.option: [earlier(60), AT] for leg in waits.legs}
    assert unseen_at_natural(waits.bot, of_day, natural) == "its legs were streamed until 11:30:00"
    of_day.given_up = {leg.option: [earlier(60), earlier(-60)] for leg in waits.legs}
    assert unseen_at_natural(waits.bot, of_day, natural) == ""
    assert unseen_at_natural("a", of_day, natural) == ""


def test_what_is_streamed_no_longer_is_noted_once() -> None:
    of_day, board = reported(), Board()
    option = entry().legs[0].option
    for step, minutes in ((board.add, 3), (None, 2), (board.drop, 1), (None, 0)):
        if step is not None:
            step(option)
        of_day._look_at_lines(board, earlier(minutes))
    assert of_day.given_up == {option: [earlier(1)]}


@pytest.mark.parametrize(
    ("status", "what"), [(OrderStatus.CANCELLED, DriftKind.UNFILLED), (OrderStatus.WORKING, DriftKind.CUT)]
)
def test_a_bot_of_which_no_entry_was_filled_is_reported(status: OrderStatus, what: DriftKind) -> None:
    ended = entry(status=status)
    of_day = reported(
        Line(at=AT, bot=ended.bot, text="not filled: 321", says_why=True, said=(ended.bot, "unfilled", "321"))
    )
    of_day.tries.entries[ended.bot] = [AT - timedelta(days=1), AT]
    of_day.given_up = {ended.legs[0].option: [AT]}
    state = cast(State, SimpleNamespace(orders=SimpleNamespace(by_ref={ended.ref: ended})))
    known = RecordedDay(reported=of_day, walked=walked(), since=None, until=None)
    program, natural = cast(Program, SimpleNamespace(bots={})), replace(walked(), state=state)
    natural.tries.entries[ended.bot] = [AT]
    (row,) = _not_entered(AT.date(), state, program, known, natural, set())
    assert (row.what, row.at, row.differs, row.causes) == (what, AT, False, ("11:30:00 not filled: 321",))
    assert row.natural is not None
    assert (row.natural.would, row.natural.is_known) == ("not known", False)
    shown = list(drift_lines(DayComparison(day=AT.date(), since=None, until=None, trades=(row,))))
    assert shown[0] == f" {ended.bot}  {what.value}"
    assert "            its legs were streamed until 11:30:00" in shown
    assert not list(_not_entered(AT.date(), state, program, known, None, {ended.bot}))

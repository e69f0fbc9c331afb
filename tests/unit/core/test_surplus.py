"""What the account holds beyond our books of the options that our bots trade: told once, and it keeps out only
what the broker would net with it."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hand_desk import CONDOR, SECTIONS, SELLER, Desk, bot_of, call, put, text_of

from rulebot.core.handle_event import reload
from rulebot.core.session.reloading import changes_between
from rulebot.model.contract import Option
from rulebot.record.record import Kind

EXPIRY = date(2027, 2, 19)


def reported(desk: Desk) -> list[str]:
    return [text for text in desk.alarms if "no position explains" in text]


def linked_with(desk: Desk, held: dict[Option, int]) -> None:
    desk.unlink()
    desk.link(positions=[*desk.books().items(), *held.items()])


def test_what_is_there_at_a_connection_is_named_once_and_keeps_nobody_out() -> None:
    desk = Desk(linked=False)
    theirs = {put(5900): -1, put(5890): 1, put(590, "SPY"): -3}
    linked_with(desk, theirs)
    assert desk.alarms == [
        "the account holds +1 SPXW 2026-11-18 5890P, -1 SPXW 2026-11-18 5900P that no position explains: "
        "no exit watches it, unless it is your own"
    ]
    desk.opened()
    linked_with(desk, theirs)
    desk.until("11:00", step=60)
    assert len(desk.alarms) == 1


def test_a_start_knows_what_was_reported_in_its_session() -> None:
    desk, theirs = Desk(linked=False), {put(5900, expiry=EXPIRY): -2}
    for day in (0, 0, 1):
        desk.now += timedelta(days=day)
        desk.start_again()
        linked_with(desk, theirs)
    assert [record.at.day for record in desk.said(Kind.ALARM)] == [18, 19]


def test_more_of_it_is_reported_again_and_less_of_it_is_not() -> None:
    desk = Desk(linked=False)
    for held in (-2, -1, -3):
        linked_with(desk, {put(5900): held})
    assert [text.split()[3] for text in reported(desk)] == ["-2", "-3"]


def test_what_comes_while_we_run_is_reported_once_it_has_stayed() -> None:
    desk = Desk()
    desk.holds(call(6050), 1)
    desk.until("10:00", step=5)
    assert not reported(desk)
    desk.until("10:02", step=5)
    assert len(reported(desk)) == 1


def test_what_is_gone_again_before_that_is_not_reported() -> None:
    desk = Desk()
    desk.holds(call(6050), 1)
    desk.tick(30)
    desk.holds(call(6050), 0)
    desk.until("10:05", step=5)
    assert not reported(desk)


def test_a_fill_that_is_reported_after_what_it_made_is_ours() -> None:
    desk = Desk()
    entry = desk.enter()
    desk.ack(entry)
    for leg in entry.legs:
        desk.holds(leg.option, leg.side.sign)
    desk.until("10:03", step=5)
    assert not reported(desk)
    desk.fill(desk.last)
    desk.until("10:10", step=5)
    assert not reported(desk)


def test_of_an_option_that_we_hold_too_only_what_is_beyond_ours_is_reported() -> None:
    desk = Desk((text_of(legs=CONDOR, exits="\n  - at_expiry: settle\n"),))
    leg = desk.opened().legs[0]
    desk.holds(leg.option, -3)
    desk.until("10:05", step=5)
    assert reported(desk) == [
        f"the account holds -2 {leg.option} that no position explains: no exit watches it, unless it is your own"
    ]
    linked_with(desk, {leg.option: -3})
    assert len(desk.alarms) == 1


def test_what_is_closed_by_hand_is_reported_as_that_alone() -> None:
    desk = Desk((text_of(exits="\n  - at_expiry: settle\n"),))
    leg = desk.opened().legs[0]
    desk.holds(leg.option, 1)
    desk.until("10:05", step=5)
    assert not reported(desk)
    assert "the account holds less" in desk.alarms[0]


def test_many_are_counted() -> None:
    desk = Desk(linked=False)
    linked_with(desk, {put(strike): 1 for strike in range(5800, 5900, 10)})
    (text,) = reported(desk)
    assert text.count("SPXW") == 8
    assert " and 2 more that no position" in text


def test_what_is_there_of_a_class_that_a_reload_brings_is_reported() -> None:
    """A start with these texts told it; after a reload nobody did until the next start."""
    desk = Desk(linked=False)
    linked_with(desk, {put(590, "SPY"): -3})
    assert not reported(desk)
    added = bot_of(text_of("seller", **SELLER))
    desk.program = replace(desk.program, bots={**desk.program.bots, "seller": added})
    changes = changes_between({}, {"seller": added.plan.digest})
    desk.take(reload(desk.program, desk.state, desk.now, changes))
    desk.until("10:05", step=5)
    assert [text.split()[3] for text in reported(desk)] == ["-3"]


@pytest.mark.parametrize("on_conflict", ["skip", "shift", "allow"])
@pytest.mark.parametrize(("count", "is_kept_out"), [(5, True), (-5, False)])
def test_what_would_be_netted_with_a_persons_own_is_not_entered(
    on_conflict: str, count: int, is_kept_out: bool
) -> None:
    """Sold against 5 that a person had bought, a put was put on hold as closed by hand, and its exits never acted."""
    desk = Desk((text_of(legs=f"{SECTIONS['legs']}  on_conflict: {on_conflict}\n"),))
    desk.holds(put(5945), count)
    desk.until("10:00")
    said = [str(record.data["reason"]) for record in desk.said(Kind.DECISION, "skip")]
    assert said == ["held the other way round: SPXW 2026-11-18 5945P by no bot"] * is_kept_out
    assert len(desk.submitted) == (not is_kept_out)
    desk.holds(put(5945), 0)
    desk.tick(15)
    assert len(desk.submitted) == 1

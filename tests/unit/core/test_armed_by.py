"""Exits that exist only once something was true (language.md, Exits, `activate_when`)."""

import pytest
from hand_desk import Desk, bot_of, put, text_of

from rulebot.model.order import Purpose
from rulebot.record.record import Kind
from rulebot.spec.load import load_text

ENDING = '\n  - time: "15:45"\n    order: market\n'
BREAKEVEN = "  - name: breakeven\n    stop: {loss: 0%}\n    activate_when: {profit: {at_least: 30%}}\n"


def held(exits: str) -> Desk:
    """Return a desk that holds the spread, 0.70 sold, with these exits."""
    desk = Desk((text_of(exits=ENDING + exits),))
    desk.opened()
    return desk


def cost(desk: Desk, amount: float) -> None:
    """Quote the spread so that closing costs so much at mid; then let a second pass."""
    desk.quote(put(5945), 0.25 + amount, 0.35 + amount, -0.104)
    desk.quote(put(5935), 0.25, 0.35, -0.07)
    desk.tick(1)


def test_before_it_is_armed_it_does_not_exist() -> None:
    desk = held(BREAKEVEN)
    cost(desk, 0.90)
    cost(desk, 0.60)
    cost(desk, 0.90)
    assert desk.reasons("exit") == []
    assert desk.position.armed == ()


def test_once_armed_it_stays_so_and_acts() -> None:
    desk = held(BREAKEVEN)
    cost(desk, 0.45)
    assert desk.position.armed == ("breakeven",)
    assert [str(record.data["reason"]) for record in desk.said(Kind.DECISION, "armed")] == ["breakeven"]
    cost(desk, 0.60)
    assert desk.reasons("exit") == []
    cost(desk, 0.75)
    assert desk.reasons("exit") == ["breakeven"]
    assert desk.last.purpose is Purpose.EXIT


def test_what_arms_it_is_confirmed_like_any_condition() -> None:
    confirmed = BREAKEVEN.replace("{at_least: 30%}}", "{at_least: 30%}, confirm: 2 quotes}")
    desk = held(confirmed)
    cost(desk, 0.45)
    assert desk.position.armed == ()
    cost(desk, 0.45)
    assert desk.position.armed == ("breakeven",)


def test_all_of_a_list_arm_it_at_one_moment() -> None:
    both = BREAKEVEN.replace("{profit: {at_least: 30%}}", '[{profit: {at_least: 30%}}, {time: "12:00"}]')
    desk = held(both)
    cost(desk, 0.45)
    cost(desk, 0.60)
    desk.until("12:00")
    assert desk.position.armed == (), "by noon the profit was gone"
    cost(desk, 0.45)
    assert desk.position.armed == ("breakeven",)


def test_what_is_unknown_arms_nothing() -> None:
    desk = held(BREAKEVEN)
    desk.without_data(put(5945))
    desk.tick(1)
    assert desk.position.armed == ()


def test_that_it_is_armed_is_on_record_with_the_position() -> None:
    desk = held(BREAKEVEN)
    cost(desk, 0.45)
    kept = [record for record in desk.records if record.kind is Kind.POSITION][-1]
    assert kept.data["armed"] == ["breakeven"]


@pytest.mark.parametrize("rest", ["    resting: true\n"])
def test_what_rests_is_not_armed_later(rest: str) -> None:
    text = text_of(
        underlying="SPY",
        legs="\n  expiry: {dte: {nearest: 90}}\n  short_put: {sell: put, strike: {delta: 0.15}}\n",
        entry='{at: "10:00", max_open: 1}',
        exits="\n  - at_expiry: settle\n" + BREAKEVEN + rest,
        risk="{undefined_risk: allow}",
    )
    loaded = load_text(text)
    assert loaded.spec is not None
    with pytest.raises(AssertionError, match="RB220"):
        bot_of(text)

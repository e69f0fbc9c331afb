"""Exits that count from the best profit so far (language/words.md, `give_back`)."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hand_desk import CONDOR, Desk, bot_of, put, text_of

from rulebot.model.contract import Option
from rulebot.model.event import MarketDataUpdated
from rulebot.model.order import Purpose
from rulebot.model.position import PeakProfit, Position
from rulebot.record.codec import decode
from rulebot.record.record import Kind

ENDING = '\n  - time: "15:45"\n    order: market\n'
TRAIL = "  - name: trail\n    stop: {give_back: 20%}\n"


def held(exits: str = TRAIL, **sections: str) -> Desk:
    """Return a desk that holds the spread, 0.70 sold, with these exits."""
    desk = Desk((text_of(exits=ENDING + exits, **sections),))
    desk.opened()
    return desk


def cost(desk: Desk, amount: float, seconds: int = 1) -> None:
    """Quote the spread so that closing costs so much at mid; then let time pass."""
    desk.quote(put(5945), 0.25 + amount, 0.35 + amount, -0.104)
    desk.quote(put(5935), 0.25, 0.35, -0.07)
    desk.tick(seconds)


def look(desk: Desk, seconds: float) -> None:
    """Let time pass and have the engine look again at quotes that did not change."""
    desk.now += timedelta(seconds=seconds)
    desk.board.alive_at = desk.now.timestamp()
    desk.send(MarketDataUpdated(desk.now, tuple(range(len(desk.board.contracts)))))


def best(desk: Desk) -> list[Decimal]:
    return [round(each.amount, 4) for each in desk.position.peak_profit]


def test_a_trailing_stop_closes_what_has_given_back_its_profit() -> None:
    desk = held()
    for amount in (0.49, 0.42, 0.35, 0.35):  # up to half the credit
        cost(desk, amount)
    assert best(desk) == [Decimal("0.5000")]
    cost(desk, 0.48)
    assert desk.reasons("exit") == [], "18.6% given back"
    cost(desk, 0.49)
    assert desk.reasons("exit") == ["trail"]
    assert desk.last.purpose is Purpose.EXIT


def test_the_best_is_the_lower_of_two_readings_in_a_row() -> None:
    desk = held()
    cost(desk, 0.49)
    cost(desk, 0.49)
    cost(desk, 0.07)  # one broken quote: 90%
    assert best(desk) == [Decimal("0.3000")]
    cost(desk, 0.49)
    assert best(desk) == [Decimal("0.3000")]
    assert desk.reasons("exit") == []


def test_a_broken_quote_is_one_reading_however_often_it_is_looked_at() -> None:
    desk = held()
    cost(desk, 0.49)
    cost(desk, 0.49)
    desk.quote(put(5945), 0.32, 0.42, -0.104)
    desk.quote(put(5935), 0.25, 0.35, -0.07)
    desk.tick(0.1)
    for _ in range(9):
        look(desk, 0.2)
    assert best(desk) == [Decimal("0.3000")]


def test_a_profit_that_stands_for_two_seconds_is_one() -> None:
    desk = held()
    cost(desk, 0.49)
    cost(desk, 0.49)
    cost(desk, 0.35)
    look(desk, 1)
    assert best(desk) == [Decimal("0.3000")]
    desk.settle(1.5)
    assert best(desk) == [Decimal("0.5000")]


@pytest.mark.parametrize(("fresh", "counts"), [((put(5945), put(5935)), True), ((put(5945),), False)])
def test_a_reading_of_its_own_has_new_quotes_of_the_legs_that_it_is_of(fresh: tuple[Option, ...], counts: bool) -> None:
    """The calls, which were not quoted anew, keep nothing back."""
    desk = held("  - name: trail\n    stop: {give_back: 20%, of: [short_put, long_put]}\n", legs=CONDOR)
    cost(desk, 0.49)
    cost(desk, 0.49)
    assert best(desk) == [Decimal("0.3000")]
    desk.quote(put(5945), 0.60, 0.70, -0.104)
    desk.tick(1)
    desk.now += timedelta(seconds=1)
    for option in fresh:
        desk.board.quote_at[desk.board.rows[option]] = desk.now.timestamp()
    desk.board.alive_at = desk.now.timestamp()
    desk.send(MarketDataUpdated(desk.now, tuple(desk.board.rows[option] for option in fresh)))
    assert best(desk) == [Decimal("0.5000") if counts else Decimal("0.3000")]


def test_before_two_readings_nothing_is_known() -> None:
    desk = held()
    desk.tick(0)
    said = [each.data for each in desk.records if each.kind is Kind.VERDICT and each.data["rule"] == "trail"]
    assert [each["truth"] for each in said] == [None]
    assert said[0]["missing"] == "no best profit yet: it takes two readings"
    cost(desk, 0.49)
    cost(desk, 0.49)
    (said,) = [each.data for each in desk.records if each.kind is Kind.VERDICT and each.data["truth"] is False][-1:]
    assert "(best 0.0%)" in str(said["words"])


def test_dollars_count_from_the_best_dollars() -> None:
    desk = held("  - name: trail\n    stop: {give_back: $20}\n")
    cost(desk, 0.35)
    cost(desk, 0.35)
    (found,) = desk.position.peak_profit
    assert found.of == "mid dollars"
    assert found.amount == 35 - desk.position.commissions
    cost(desk, 0.54)
    assert desk.reasons("exit") == []
    cost(desk, 0.55)
    assert desk.reasons("exit") == ["trail"]


def test_the_best_is_kept_before_the_exit_is_armed() -> None:
    desk = held(f'{TRAIL}    activate_when: {{time: "12:00"}}\n')
    cost(desk, 0.35)
    cost(desk, 0.35)
    cost(desk, 0.63)
    assert desk.reasons("exit") == []
    desk.until("12:00")
    cost(desk, 0.63)
    assert desk.reasons("exit") == ["trail"]


def test_a_trailing_stop_continues_from_its_best_profit_after_a_restart() -> None:
    desk = held()
    cost(desk, 0.35)
    cost(desk, 0.35)
    kept = [record for record in desk.records if record.kind is Kind.POSITION][-1]
    assert decode(Position, dict(kept.data)).peak_profit == desk.position.peak_profit
    position = desk.position
    restarted = held()
    restarted.state = restarted.state._replace(
        positions=replace(
            restarted.state.positions,
            by_id={position.id: replace(restarted.position, peak_profit=position.peak_profit)},
        ),
        subscriptions=replace(restarted.state.subscriptions, board_version=-1),
    )
    cost(restarted, 0.49)
    assert restarted.reasons("exit") == ["trail"]


def test_a_leg_that_leaves_begins_the_parts_again() -> None:
    trail = TRAIL.replace("}", ", of: open_legs}", 1)
    desk = held(
        f'{trail}  - name: wing\n    time: "12:00"\n    close: long_put\n', risk="{max_loss_per_trade: $2000000}"
    )
    cost(desk, 0.35)
    cost(desk, 0.35)
    assert [each.of for each in desk.position.peak_profit] == ["mid fraction short_put long_put"]
    desk.until("12:00")
    desk.fill(desk.last)
    cost(desk, 0.35)
    cost(desk, 0.35)
    assert [each.of for each in desk.position.peak_profit] == ["mid fraction short_put"]


def test_of_the_whole_trade_the_best_continues_when_a_leg_leaves() -> None:
    wing = '  - name: wing\n    time: "12:00"\n    close: long_put\n'
    desk = held(TRAIL + wing, risk="{max_loss_per_trade: $2000000}")
    cost(desk, 0.35)
    cost(desk, 0.35)
    best = desk.position.peak_profit
    assert [each.of for each in best] == ["mid fraction"]
    desk.until("12:00")
    desk.fill(desk.last)
    cost(desk, 0.35)
    assert desk.position.peak_profit == best


def test_a_trailing_stop_does_not_rest_at_the_broker() -> None:
    text = text_of(
        underlying="SPY",
        legs="\n  expiry: {dte: {nearest: 90}}\n  short_put: {sell: put, strike: {delta: 0.15}}\n",
        entry='{at: "10:00", max_open: 1}',
        exits="\n  - at_expiry: settle\n  - stop: {give_back: 20%}\n    resting: true\n",
        risk="{undefined_risk: allow}",
    )
    with pytest.raises(AssertionError, match="RB220"):
        bot_of(text)


def test_a_best_of_nothing_is_no_best() -> None:
    assert decode(PeakProfit, {"of": "mid fraction", "amount": "0.5"}) == PeakProfit("mid fraction", Decimal("0.5"))

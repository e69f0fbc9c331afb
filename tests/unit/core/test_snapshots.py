"""Snapshots of open positions: how often, and what is kept between them."""

from datetime import timedelta

from hand_desk import SELLER, Desk, clock, text_of

from rulebot.core.session.position_marks import is_mark_due
from rulebot.record.record import Kind


def minutes_of(desk: Desk) -> list[str]:
    """Return the minutes of New York at which a snapshot was recorded."""
    return [f"{record.at - timedelta(hours=5):%H:%M}" for record in desk.records if record.kind is Kind.MARK]


def test_what_expires_soon_has_one_a_minute() -> None:
    desk = Desk()
    desk.opened()
    desk.records.clear()
    desk.until("10:20", step=20)
    found = minutes_of(desk)
    assert len(found) == len(set(found))
    assert len(found) in (19, 20)


def test_instants_five_minutes_apart_have_one_each() -> None:
    """As in data of every fifth minute: the minutes count from when a ladder stepped, and no instant is on one."""
    desk = Desk()
    desk.opened()
    assert desk.state.schedule.mark_at is not None
    desk.tick((desk.state.schedule.mark_at - desk.now).total_seconds() + 2)
    desk.records.clear()
    desk.until("10:10")
    desk.until("10:30", step=300)
    assert minutes_of(desk) == ["10:10", "10:15", "10:20", "10:25", "10:30"]


def test_a_minute_that_went_by_without_a_position_is_not_made_up_for() -> None:
    minute = clock("10:06:02")
    late = minute + timedelta(seconds=178)
    assert not is_mark_due(minute, late, None)
    assert not is_mark_due(minute, late, minute + timedelta(seconds=60))
    assert is_mark_due(minute, late, minute)


def test_what_expires_in_months_has_one_in_five_minutes_and_one_before_the_close() -> None:
    desk = Desk((text_of(**SELLER),))
    desk.until("10:01")
    desk.fill(desk.last)
    desk.records.clear()
    desk.until("10:31", step=20)
    found = minutes_of(desk)
    assert found
    assert {int(minute[3:]) % 5 for minute in found} == {0}
    assert len(found) == len(set(found)) == 6
    (position,) = desk.state.positions.by_id
    before = desk.state.positions.marks[position]
    for leg in desk.state.positions.by_id[position].legs:
        row = desk.board.rows[leg.option]
        desk.board.bid[row], desk.board.ask[row] = 9.0, 9.1
    desk.until("10:33", step=20)
    assert minutes_of(desk) == found
    assert desk.state.positions.marks[position] != before
    desk.now = clock("15:58:30")
    desk.until("15:59:59", step=10)
    assert minutes_of(desk)[-1] == "15:59"


def test_a_long_leg_that_nobody_bids_for_counts_nothing_at_mid() -> None:
    """As in exits: half its ask would show a cost at which no exit acts."""
    desk = Desk()
    desk.opened()
    short, long = (desk.board.rows[leg.option] for leg in next(iter(desk.state.positions.by_id.values())).legs)
    desk.board.bid[short], desk.board.ask[short] = 0.65, 0.75
    desk.board.bid[long], desk.board.bid_size[long], desk.board.ask[long] = float("nan"), 0.0, 0.05
    desk.records.clear()
    desk.until("10:03", step=20)
    mark = next(record.data for record in desk.records if record.kind is Kind.MARK)
    assert (mark["bid"], mark["mid"], mark["ask"]) == (-0.75, -0.7, -0.6)


def test_a_leg_of_ratio_two_counts_twice_in_the_greeks_of_a_snapshot() -> None:
    legs = SELLER["legs"].replace("{sell: put,", "{sell: put, ratio: 2,")
    assert legs != SELLER["legs"]
    desk = Desk((text_of(**{**SELLER, "legs": legs}),))
    desk.until("10:01")
    desk.fill(desk.last)
    (leg,) = desk.position.legs
    row = desk.board.rows[leg.option]
    desk.board.delta[row], desk.board.gamma[row], desk.board.theta[row], desk.board.vega[row] = -0.2, 0.01, -0.3, 0.4
    desk.records.clear()
    desk.until("10:07", step=20)
    mark = next(record.data for record in desk.records if record.kind is Kind.MARK)
    assert [mark[name] for name in ("delta", "gamma", "theta", "vega")] == [0.4, -0.02, 0.6, -0.8]

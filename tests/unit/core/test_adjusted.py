"""Splits, seen in the account alone: what is held is let be, and nothing is booked that nobody dealt in."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hand_desk import Desk, put, text_of

from rulebot.model.contract import Underlying, share
from rulebot.model.event import PositionReport
from rulebot.model.session import session_after, session_from
from rulebot.record.record import Kind

SPY = Underlying("SPY")
SELLER = text_of(
    "seller",
    underlying="SPY",
    entry='{at: "10:00", max_open: 3}',
    legs="\n  expiry: {dte: {nearest: 90}}\n  short_put: {sell: put, strike: {otm: 10 pts}}\n",
    exits="\n  - dte: {at_most: 5}\n",
    risk="{undefined_risk: allow}",
)
WRITER = text_of(
    "writer",
    underlying="SPY",
    entry='{at: "10:00"}',
    legs="\n  expiry: {dte: 0}\n  stock: {buy: shares}\n  short_call: {sell: call, strike: {at: spot}}\n",
    exits="\n  - sessions_in_trade: {at_least: 9}\n",
    risk="{daily_loss: $500}",
)


def before_next_open(desk: Desk, hours: int) -> None:
    desk.now = session_after(desk.day).open - timedelta(hours=hours)


def shares(desk: Desk, count: int, cost: str) -> None:
    desk.send(PositionReport(desk.now, SPY, Decimal(count), Decimal(cost)))


@pytest.mark.parametrize("is_away", [False, True])
def test_a_put_beside_shares_that_are_split_was_not_assigned(is_away: bool) -> None:
    """100 shares more and one put less look like an assignment; two puts at half the strike have come, too."""
    desk = Desk((SELLER,), linked=False)
    desk.link(positions=[(SPY, 100)], costs=[(SPY, "580")])
    desk.opened()
    old, new = desk.position.legs[0].option, put(295, "SPY", desk.expiry_90)
    desk.until("16:30")
    before_next_open(desk, 3)
    if is_away:
        desk.unlink()
        desk.link(positions=[(SPY, 200), (new, -2)], costs=[(SPY, "290")])
    else:
        desk.holds(old, 0)
        shares(desk, 200, "290")
        desk.holds(new, -2)
    for _ in range(8):
        desk.tick(5)
    assert desk.position.state == "open"
    assert not desk.said(Kind.SETTLEMENT)
    (reported,) = [text for text in desk.alarms if "closed by hand" in text]
    assert "closed by hand, or adjusted, as after a split (other options have come)?" in reported
    assert desk.position.on_hold == reported


@pytest.mark.parametrize(("cost", "state"), [("585", "closed"), ("580", "open"), ("290", "open")])
def test_a_put_that_was_assigned_is_booked_though_a_person_has_sold_another_meanwhile(cost: str, state: str) -> None:
    """The shares have cost its strike; where the average is that of before, or half of it, nobody can tell."""
    desk = Desk((SELLER,), linked=False)
    desk.link(positions=[(SPY, 100)], costs=[(SPY, "580")])
    assert desk.opened().legs[0].option.strike == 590
    desk.until("16:30")
    desk.unlink()
    before_next_open(desk, 3)
    desk.link(positions=[(SPY, 200), (put(560, "SPY", desk.expiry_90), -1)], costs=[(SPY, cost)])
    assert (desk.position.state, len(desk.said(Kind.SETTLEMENT))) == (state, 1 if state == "closed" else 0)


def written(desk: Desk) -> None:
    """Let a buy-write be filled, and its call expire."""
    order = desk.enter()
    desk.ack(order)
    stock, sold = order.legs
    desk.send(desk.execution(order, stock, 100, "600.00"))
    shares(desk, 100, "600.01")
    desk.send(desk.execution(order, sold, 1, "2.10"))
    desk.until("15:59")
    desk.board.last[desk.board.rows[SPY]] = 598.0
    desk.until("16:00")
    desk.tick(1)
    for live in desk.live:
        desk.cancelled(live)
    desk.holds(sold.option, 0)
    desk.until("16:06")


@pytest.mark.parametrize(("count", "cost"), [(400, "150.0025"), (150, "400.0067"), (10, "6000.10")])
@pytest.mark.parametrize("is_away", ["", "unlinked", "started again"])
def test_shares_that_are_split_are_not_sold_as_those_of_before(count: int, cost: str, is_away: str) -> None:
    desk = Desk((WRITER,), linked=False)
    desk.quote(share("SPY"), 599.99, 600.01)
    desk.link(positions=[])
    written(desk)
    sent = len(desk.submitted)
    before_next_open(desk, 3)
    if is_away:
        if is_away == "unlinked":
            desk.unlink()
        else:
            desk.start_again()
        desk.link(positions=[(SPY, count)], costs=[(SPY, cost)])
    else:
        shares(desk, count, cost)
    before_next_open(desk, 0)
    level = 598.0 * 100 / count
    desk.quote(share("SPY"), level - 0.01, level + 0.01)
    for _ in range(5):
        desk.tick(5)
    assert len(desk.submitted) == sent
    what = f"the account holds {count} SPY at {Decimal(cost).normalize():f} that were 100 at 600.01"
    rest = f"nothing is sent for {desk.position.id} until 'rulebot resume'"
    assert desk.position.on_hold == f"its shares were split: {what}: {rest}"
    assert "loss" not in desk.day_of("writer").halted  # type: ignore[attr-defined]


def test_what_nobody_closes_is_said_again_on_the_next_day_already() -> None:
    """What was found on a day was not said again on the next one, since that day had said it."""
    desk = Desk((WRITER,), linked=False)
    desk.scrambles = False  # what people are told after the start is looked at
    desk.quote(share("SPY"), 599.99, 600.01)
    desk.link(positions=[])
    written(desk)
    for hours in (12, 3):
        before_next_open(desk, hours)
        shares(desk, 400, "150.0025")
        desk.tick(5)
    assert sum(text.startswith("its shares were split") for text in desk.alarms) == 2
    desk.unlink()
    desk.link(positions=[(SPY, 400)], costs=[(SPY, "150.0025")])
    assert sum(text.startswith("its shares were split") for text in desk.alarms) == 2
    desk.start_again()
    desk.unlink()
    desk.link(positions=[(SPY, 400)], costs=[(SPY, "150.0025")])
    assert sum(text.startswith("its shares were split") for text in desk.alarms) == 3


def test_shares_that_a_person_buys_or_sells_are_no_split() -> None:
    desk = Desk((WRITER,), linked=False)
    desk.quote(share("SPY"), 599.99, 600.01)
    desk.link(positions=[])
    written(desk)
    for count, cost in ((400, "585.00"), (200, "585.00"), (300, "590.00")):
        shares(desk, count, cost)
    assert not desk.position.on_hold
    assert "split" not in "".join(desk.alarms)


def test_some_of_many_shares_that_are_sold_are_no_split() -> None:
    """One of 3000: all that are left have cost nearly as much together."""
    desk = Desk((WRITER,), linked=False)
    desk.quote(share("SPY"), 599.99, 600.01)
    desk.link(positions=[(SPY, 2900)], costs=[(SPY, "500")])
    order = desk.enter()
    desk.ack(order)
    for leg, held, price in zip(order.legs, (100, 1), ("600.00", "2.10"), strict=True):
        desk.send(desk.execution(order, leg, held, price))
    shares(desk, 3000, "503.3337")
    for count in (2999, 2900):
        shares(desk, count, "503.3337")
    assert not desk.position.on_hold


def test_a_split_is_seen_once_its_cost_is_reported_after_its_number() -> None:
    desk = Desk((WRITER,), linked=False)
    desk.quote(share("SPY"), 599.99, 600.01)
    desk.link(positions=[])
    written(desk)
    before_next_open(desk, 3)
    shares(desk, 400, "600.01")
    desk.tick(5)
    assert not desk.position.on_hold
    shares(desk, 400, "150.0025")
    assert desk.position.is_split


def test_a_split_is_seen_where_the_broker_has_the_premium_in_the_cost() -> None:
    """Of a put that was assigned the shares have cost the strike here, and less at the broker."""
    desk = Desk((WRITER,), linked=False)
    desk.quote(share("SPY"), 599.99, 600.01)
    desk.link(positions=[])
    written(desk)
    before_next_open(desk, 3)
    desk.start_again()
    desk.link(positions=[(SPY, 400)], costs=[(SPY, "147.50")])
    assert desk.position.is_split


@pytest.mark.parametrize(("count", "cost", "level"), [(400, "150.0025", 149.5), (10, "6000.10", 5980.0)])
def test_what_a_person_sells_of_split_shares_is_not_counted_as_those_of_before(
    count: int, cost: str, level: float
) -> None:
    """Of 100 at 600 it was a loss of $44,840, or a gain of $538,210."""
    desk = Desk((WRITER,), linked=False)
    desk.quote(share("SPY"), 599.99, 600.01)
    desk.link(positions=[])
    written(desk)
    before_next_open(desk, 3)
    shares(desk, count, cost)
    before_next_open(desk, 0)
    desk.quote(share("SPY"), level - 0.01, level + 0.01)
    desk.tick(60)
    marked = dict(desk.state.positions.marks)
    lot = min(count, 100)
    stock = desk.submitted[0]
    for _ in range(count // lot):
        sold = desk.execution(stock, stock.legs[0], lot, str(level))
        desk.send(replace(sold, ref="", order_id=0, perm_id=77, client_id=0, is_buy=False))
    shares(desk, 0, "0")
    for _ in range(3):
        desk.tick(60)
    assert (desk.position.on_hold[:22], desk.position.legs[0].held) == ("its shares were split:", 100)
    assert desk.state.positions.marks == marked
    assert "loss" not in desk.day_of("writer").halted  # type: ignore[attr-defined]


def test_what_bears_the_same_number_under_another_symbol_is_reported_as_adjusted() -> None:
    desk = Desk((SELLER,))
    desk.opened()
    old = desk.position.legs[0].option
    desk.until("16:30")
    before_next_open(desk, 3)
    desk.holds(old, 0)
    desk.holds(replace(old, symbol="NEW", trading_class="NEW"), -1)
    for _ in range(8):
        desk.tick(5)
    assert "or adjusted, as after a split (other options have come)?" in desk.position.on_hold


def test_options_that_exist_no_more_keep_no_bot_from_entering_on_later_days() -> None:
    """`daily_loss` waited for their quotes until the day on which they would have expired."""
    desk = Desk((SELLER.replace("{undefined_risk: allow}", "{undefined_risk: allow, daily_loss: $900}"),))
    desk.opened()
    old = desk.position.legs[0].option
    desk.until("16:30")
    desk.without_data(old)
    before_next_open(desk, 3)
    desk.holds(old, 0)
    desk.holds(put(295, "SPY", desk.expiry_90), -2)
    for _ in range(8):
        desk.tick(5)
    before_next_open(desk, 0)
    desk.quote(SPY, 601.99, 602.01)
    desk.tick(5)
    desk.tick(60)
    assert not [text for text in desk.alarms if "daily_loss" in text]
    desk.day = desk.state.schedule.session.date
    desk.until("10:00")
    assert len(desk.submitted) == 2


@pytest.mark.parametrize("is_spread", [False, True])
def test_what_exists_no_more_is_booked_at_its_expiry_as_it_was_last_marked(is_spread: bool) -> None:
    """It was assigned at its old strike, without a word."""
    text = SELLER.replace("dte: {at_most: 5}", "at_expiry: settle")
    if is_spread:
        text = text.replace(
            "{otm: 10 pts}}\n", "{otm: 10 pts}}\n  long_put: {buy: put, strike: {below: short_put, by: 5 pts}}\n"
        )
    desk = Desk((text,))
    desk.opened()
    held = [leg.option for leg in desk.position.legs]
    desk.until("15:59")
    made = desk.state.positions.marks[desk.position.id]
    desk.until("16:30")
    desk.without_data(*held)
    before_next_open(desk, 3)
    for option in held:
        desk.holds(option, 0)
    for _ in range(8):
        desk.tick(5)
    desk.board.last[desk.board.rows[SPY]] = 300.0
    for at in (session_from(desk.expiry_90).open, session_from(desk.expiry_90).close + timedelta(minutes=6)):
        desk.now = at
        desk.tick(quiet=True)
        desk.tick(60)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "closed_by_hand_estimated")
    assert desk.position.net == made
    assert not desk.said(Kind.SETTLEMENT)
    assert "as by the last mark of all of it. Compare it with the account's statement" in "".join(desk.alarms)

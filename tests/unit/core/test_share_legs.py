"""Shares as legs: bought and sold with options as one order, priced per share, counted in shares."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hand_desk import Desk, call, text_of

from rulebot.core.program import AccountLimits
from rulebot.core.queries.close_plan import UNWIND
from rulebot.core.state.lists import shares_of
from rulebot.model.contract import Option, Underlying, share
from rulebot.model.event import BrokerStatus, MarketDataUpdated, PositionReport
from rulebot.model.order import ExecutionId, Side
from rulebot.model.session import session_after
from rulebot.record.record import Kind
from rulebot.spec.nouns import Amount, Unit

SPY = Underlying("SPY")
STOCK = share("SPY")
WRITE = {
    "underlying": "SPY",
    "entry": '{at: "10:00"}',
    "legs": "\n  expiry: {dte: 0}\n  stock: {buy: shares}\n  short_call: {sell: call, strike: {at: spot}}\n",
    "order": "{start: mid, step: 0.01, wait: 10s, tries: 3, then: cancel}",
    "exits": '\n  - time: "15:45"\n  - target: {profit: $30}\n',
    "risk": "{daily_loss: $500}",
}
CALL = call(600, "SPY")


def desk_of(*, theirs: int = 0, **sections: str) -> Desk:
    """Return a buy-write at 09:59, in an account where somebody holds so many shares too."""
    desk = Desk((text_of("writer", **{**WRITE, **sections}),), linked=False)
    desk.quote(STOCK, 599.99, 600.01)
    desk.link(positions=[(SPY, theirs)] if theirs else ())
    desk.tick(1)
    return desk


def shown(desk: Desk, count: int) -> None:
    desk.send(PositionReport(desk.now, SPY, Decimal(count), Decimal(600)))


def filled(desk: Desk, theirs: int = 0) -> None:
    """Fill the entry: shares in two pieces, which are told apart, and the call."""
    order = desk.last
    desk.ack(order)
    stock, written = order.legs
    for count in (63, 37):
        desk.send(replace(desk.execution(order, stock, count, "600.00"), option=share("SPY", 756733)))
    shown(desk, theirs + 100)
    desk.send(desk.execution(order, written, 1, "2.10"))
    desk.report(order, BrokerStatus.FILLED, 1)


def position(desk: Desk):  # type: ignore[no-untyped-def]
    (found,) = desk.state.positions.by_id.values()
    return found


@pytest.mark.parametrize(("most", "enters"), [("120001.00", True), ("120000.99", False)])
def test_an_order_is_over_the_strike_of_its_options_and_the_ask_of_its_shares(most: str, enters: bool) -> None:
    desk = Desk((text_of("writer", **WRITE),), limits=AccountLimits(max_notional_per_order=Decimal(most)), linked=False)
    desk.quote(STOCK, 599.99, 600.01)
    desk.link()
    desk.until("10:00")
    assert bool(desk.submitted) is enters


def at_work_up_to_the_close(since: str, exits: str) -> Desk:
    """Return a desk after the close, at which the closing order that these exits sent was cancelled unfilled."""
    desk = desk_of(exits=exits, risk="{undefined_risk: allow, daily_loss: $500}")
    desk.until("10:00")
    filled(desk)
    desk.until(since)
    desk.ack(desk.last)
    desk.until("16:00", step=10)
    desk.cancelled(desk.last)
    desk.tick(1)
    return desk


def test_shares_that_an_order_has_not_sold_by_the_close_are_sold_at_the_next_open_and_it_says_so() -> None:
    desk = at_work_up_to_the_close("15:59", '\n  - time: "15:59"\n')
    assert desk.alarms[-1] == "a closing order was working at the close: it is sent again at the next open"


def test_shares_beside_a_call_that_an_exit_had_not_closed_as_it_expired_are_sold() -> None:
    """They were held on under that exit, which had nothing to close any more, and were told to be closed."""
    exits = '\n  - time: "15:58"\n    close: [short_call]\n  - sessions_in_trade: {at_least: 3}\n'
    desk = at_work_up_to_the_close("15:58", exits)
    assert desk.alarms[-1] == "a closing order was working at the close: its contracts have expired"
    desk.board.last[desk.board.rows[SPY]] = 595.0
    desk.until("16:06")
    desk.send(PositionReport(desk.now, CALL, Decimal(0), Decimal(0)))
    desk.tick(1)
    assert desk.alarms[-1] == "its options are gone, and its shares remain: the position is closed"
    assert (position(desk).state, position(desk).exit_reason) == ("exiting", UNWIND)


def test_a_buy_write_is_one_combo_priced_per_share() -> None:
    desk = desk_of()
    desk.until("10:00")
    order = desk.last
    assert [(leg.option, leg.side, leg.ratio) for leg in order.legs] == [(STOCK, Side.BUY, 100), (CALL, Side.SELL, 1)]
    assert (order.quantity, order.limit_price) == (1, Decimal("597.90"))


def test_shares_are_counted_one_by_one_and_the_structure_when_it_is_whole() -> None:
    desk = desk_of()
    desk.until("10:00")
    order = desk.last
    desk.ack(order)
    desk.send(desk.execution(order, order.legs[0], 63, "600.00"))
    assert (position(desk).structures, desk.order(order.ref).filled) == (0, 0)
    desk.send(desk.execution(order, order.legs[0], 37, "600.02"))
    desk.send(desk.execution(order, order.legs[1], 1, "2.10"))
    found = position(desk)
    assert (found.structures, desk.order(order.ref).filled) == (1, 1)
    assert found.entry_price == Decimal("-597.9074")
    assert found.max_risk == Decimal("59790.74"), "at the price it was bought at"


def test_the_exit_sells_the_shares_and_buys_the_call_back_together() -> None:
    desk = desk_of()
    desk.until("10:00")
    filled(desk)
    assert position(desk).state == "open"
    desk.quote(STOCK, 600.99, 601.01)
    desk.quote(CALL, 2.60, 2.70)
    desk.tick(5)
    order = desk.last
    assert order.reason == "target"
    assert [(leg.option, leg.side, leg.ratio) for leg in order.legs] == [(STOCK, Side.SELL, 100), (CALL, Side.BUY, 1)]
    assert order.limit_price == Decimal("-598.35")
    desk.send(desk.execution(order, order.legs[0], 100, "601.00"))
    desk.send(desk.execution(order, order.legs[1], 1, "2.65"))
    desk.report(order, BrokerStatus.FILLED, 1)
    found = position(desk)
    assert (found.state, found.exit_reason, found.net) == ("closed", "target", Decimal("45.00"))


def test_shares_that_a_person_holds_beside_are_no_doubt_and_not_ours() -> None:
    desk = desk_of(theirs=500)
    desk.until("10:00")
    filled(desk, theirs=500)
    desk.tick(60)
    assert not desk.alarms
    shares = desk_shares(desk)
    assert (shares.held, shares.by_bots) == (500, 0)
    shown(desk, 99)
    for _ in range(9):
        desk.tick(5)
    (reported,) = desk.alarms
    assert "the account holds less SPY shares than our books" in reported
    assert position(desk).on_hold


def desk_shares(desk: Desk):  # type: ignore[no-untyped-def]
    from rulebot.core.state.builder import StateBuilder

    return shares_of(StateBuilder(desk.program, desk.state, desk.now), "SPY")


def test_after_a_start_a_persons_shares_are_distinguished() -> None:
    desk = desk_of(theirs=500)
    desk.until("10:00")
    filled(desk, theirs=500)
    desk.unlink()
    desk.tick(5)
    desk.link(positions=[(SPY, 600), (position(desk).legs[1].option, -1)])
    desk.settle(60)
    assert not [text for text in desk.alarms if "our books hold" in text]
    assert not position(desk).on_hold


@pytest.mark.parametrize(("level", "reason", "net"), [(605.0, "assigned", "210.00"), (597.0, UNWIND, None)])
def test_an_assigned_call_takes_the_shares_and_what_is_left_is_sold(level: float, reason: str, net: str | None) -> None:
    desk = desk_of(exits='\n  - time: "15:59"\n')
    desk.until("10:00")
    filled(desk)
    desk.until("15:58")
    row = desk.board.rows[SPY]
    desk.unlink()
    desk.until("16:06")
    desk.board.last[row] = 1210.0 - level  # of the evening: it says the contrary
    desk.link(positions=[] if net else [(SPY, 100)])
    desk.tick(60)
    assert not desk.said(Kind.SETTLEMENT), "nobody has seen the close"
    desk.now = session_after(desk.day).open + timedelta(minutes=1)
    desk.board.previous_close[row] = level
    for _ in range(9):
        desk.freshen()
        desk.tick(5)
    found = position(desk)
    assert found.exit_reason == reason
    hows = [(record.data["leg"], record.data["how"]) for record in desk.said(Kind.SETTLEMENT)]
    if net is None:
        assert (found.state, [leg.held for leg in found.legs]) == ("exiting", [100, 0])
        assert hows == [("short_call", "worthless")]
    else:
        assert (found.state, str(found.net)) == ("closed", net)
        assert hows == [("short_call", "assigned"), ("stock", "delivered")]


def test_shares_that_went_with_a_call_assigned_early_are_not_sold_once_more() -> None:
    """The hold ended when the call had expired out of the money, and the next morning sold shares of nobody."""
    desk = desk_of(exits='\n  - time: "15:59"\n')
    desk.until("10:00")
    filled(desk)
    desk.holds(position(desk).legs[1].option, 0)
    shown(desk, 0)
    desk.until("15:58")
    assert position(desk).on_hold
    desk.board.last[desk.board.rows[SPY]] = 597.0
    desk.until("16:00")
    desk.until("16:01")
    desk.tick(5)
    assert position(desk).on_hold
    desk.until("16:06")
    desk.now = session_after(desk.day).open + timedelta(minutes=1)
    for _ in range(9):
        desk.freshen()
        desk.tick(5)
    assert [leg.held for leg in position(desk).legs] == [100, 0]
    assert position(desk).on_hold
    assert len(desk.submitted) == 1, "the entry, and nothing more"
    assert not [text for text in desk.alarms if "the position is closed" in text]


def test_a_married_put_and_a_collar_have_their_worst_case() -> None:
    legs = (
        "\n  expiry: {dte: 0}\n  stock: {buy: shares}\n  long_put: {buy: put, strike: {below: short_call, by: 5 pts}}"
    )
    desk = desk_of(legs=f"{legs}\n  short_call: {{sell: call, strike: {{at: spot}}}}\n")
    desk.until("10:00")
    order = desk.last
    by_name = {leg.name: leg for leg in order.legs}
    assert isinstance(by_name["long_put"].option, Option)
    debit = order.limit_price
    assert debit is not None
    assert position(desk).max_risk == (debit - 595 + Decimal("0.60")) * 100, "0.1% of 595 for the bid-ask spread"


FAR = {"legs": WRITE["legs"].replace("dte: 0", "dte: {nearest: 90}"), "exits": "\n  - dte: {at_most: 5}\n"}
FAR["entry"] = '{at: "10:00", max_open: 3}'


@pytest.mark.parametrize("theirs", [0, 300])
def test_what_filled_unseen_is_reported_by_the_options_whatever_shares_others_hold(theirs: int) -> None:
    desk = desk_of(theirs=theirs, **FAR, order="{start: mid, step: 0.01, wait: 300s, tries: 1, then: cancel}")
    for strike in (599, 600, 601):
        desk.option(call(strike, "SPY", desk.expiry_90), 0, width=0.02)
    desk.freshen()
    desk.until("10:00")
    order = desk.last
    desk.ack(order)
    desk.unlink()
    desk.day = session_after(desk.day).date
    desk.now = session_after(desk.now.date()).open - timedelta(minutes=30)
    desk.freshen()
    desk.send(MarketDataUpdated(desk.now, ()))
    desk.link([], {SPY: theirs + 100, order.legs[1].option: -1})
    found = position(desk)
    assert (found.state, [leg.held for leg in found.legs]) == ("open", [100, 1])
    assert not found.on_hold
    assert found.entry_price == -order.limit_price


@pytest.mark.parametrize(("limit", "count"), [(59000, 0), (60000, 1)])
def test_the_account_counts_what_a_buy_write_can_lose(limit: int, count: int) -> None:
    """Bought at 600.01 and sold at 2.05 at once: 597.96 a share, and commissions."""
    limits = AccountLimits(worst_case=Amount(Decimal(limit), Unit.DOLLARS))
    desk = Desk((text_of("writer", **WRITE),), limits=limits, linked=False)
    desk.quote(STOCK, 599.99, 600.01)
    desk.link()
    desk.until("10:00")
    assert len(desk.submitted) == count
    if not count:
        assert "could lose $59,800.14" in desk.state.bots.by_name["writer"].status_text


def test_one_lot_with_two_calls_is_refused_by_the_account_too() -> None:
    limits = AccountLimits(worst_case=Amount(Decimal(900000), Unit.DOLLARS))
    legs = WRITE["legs"].replace("sell: call", "sell: call, ratio: 2")
    desk = Desk((text_of("writer", **{**WRITE, "legs": legs, "risk": "{undefined_risk: allow}"}),), limits=limits)
    desk.quote(STOCK, 599.99, 600.01)
    desk.until("10:00")
    assert not desk.submitted
    assert "has no bound: nothing covers short_call in this entry" in desk.state.bots.by_name["writer"].status_text


@pytest.mark.parametrize(("most", "enters"), [("50.1", True), ("49.9", False)])
def test_net_delta_counts_each_share_once(most: str, enters: bool) -> None:
    """100 shares less 100 times the delta of 0.5 of the call that is sold."""
    desk = desk_of(risk=f"{{daily_loss: $500, require: [{{net_delta: {{at_most: {most}}}}}]}}")
    for name in ("gamma", "theta", "vega"):
        getattr(desk.board, name)[desk.board.rows[CALL]] = 0.01
    desk.until("10:00")
    assert bool(desk.submitted) is enters


@pytest.mark.parametrize(("most", "count"), [("$59700", 0), ("$60000", 1), ("$120000", 2)])
def test_a_budget_counts_shares_and_options_of_the_structure(most: str, count: int) -> None:
    """597.90 a share is the mid; the last rung and a commission come on top."""
    desk = desk_of(quantity=f"{{debit: {most}, at_most: 5}}")
    desk.until("10:00")
    assert [order.quantity for order in desk.submitted] == [count] * bool(count)


@pytest.mark.parametrize(("most", "count"), [("$390", 0), ("$400", 1), ("$800", 2)])
def test_a_loss_that_a_put_bounds_is_counted_and_its_order_goes_out(most: str, count: int) -> None:
    """598.30 a share at mid and 594.40 at least; two steps of the ladder and commissions: $393.86 a lot."""
    legs = WRITE["legs"] + "  long_put: {buy: put, strike: {below: short_call, by: 5 pts}}\n"
    desk = desk_of(legs=legs, quantity=f"{{max_loss: {most}, at_most: 5}}")
    desk.until("10:00")
    assert [order.quantity for order in desk.submitted] == [count] * bool(count)
    assert not desk.alarms


@pytest.mark.parametrize(("back", "is_out"), [("$25", False), ("$20", True), ("0.05%", False), ("0.03%", True)])
def test_what_is_given_back_is_of_shares_and_options_together(back: str, is_out: bool) -> None:
    """The shares fall by 0.22 from their best: $22, or 0.037% of 597.90 a share."""
    desk = desk_of(exits=f'\n  - time: "15:45"\n  - stop: {{give_back: {back}}}\n')
    desk.until("10:00")
    filled(desk)
    for level in (600.0, 600.5, 600.28):
        for _ in range(2):
            desk.quote(STOCK, level - 0.01, level + 0.01)
            desk.tick(1)
    assert bool(desk.live) is is_out


def test_shares_that_the_broker_liquidates_are_booked_and_their_call_is_bought_back() -> None:
    """The engine ended with an error: shares have no last day of trading."""
    desk = desk_of()
    desk.until("10:00")
    filled(desk)
    desk.tick(1)
    stock = desk.order(desk.last.ref).legs[0]
    reported = desk.execution(desk.last, stock, 100, "599.00")
    foreign = {"ref": "", "order_id": 0, "perm_id": 77, "client_id": 0, "is_buy": False, "is_liquidation": True}
    desk.send(replace(reported, **foreign, option=share("SPY", 756733), exec_id=ExecutionId("0009.01")))
    shown(desk, 0)
    for _ in range(9):
        desk.tick(5)
    assert [leg.held for leg in position(desk).legs] == [0, 1]
    assert (desk.last.legs[0].option.strike, desk.last.side) == (CALL.strike, Side.BUY)

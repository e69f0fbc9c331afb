"""Calls against shares held: how many, over all bots; and what follows when the shares are gone."""

from decimal import Decimal

import pytest
from hand_desk import DAY, Desk, call, text_of

from rulebot.compile.plan import Overwrite
from rulebot.core.gate.covered_calls import most_within
from rulebot.core.program import AccountLimits
from rulebot.model.contract import Underlying, share
from rulebot.model.event import PositionReport
from rulebot.model.loss_bound import ShareHolding
from rulebot.model.order import OrderStatus
from rulebot.record.record import Kind
from rulebot.spec.nouns import Amount, Unit

SPY = Underlying("SPY")
CALLS = {
    "underlying": "SPY",
    "quantity": "{overwrite: {between: [25%, 50%]}}",
    "entry": '{window: {from: "10:00", to: "11:00"}, per_day: 3, max_open: 3, again: {after: [filled], wait: 60s}}',
    "legs": "\n  expiry: {dte: 0}\n  short_call: {sell: call, strike: {delta: 0.20}}\n",
    "order": "{start: mid, step: 0.01, wait: 10s, tries: 3, then: cancel}",
    "exits": '\n  - time: "15:45"\n    order: market\n  - target: {profit: 50%}\n',
    "risk": "{daily_loss: $500}",
}
SOLD = call(609, "SPY")


def desk_of(shares: int, *names: str, hand: int = 0, limits: AccountLimits | None = None, **sections: str) -> Desk:
    """Return bots at 09:59 in an account with so many SPY shares at 580, and calls that somebody has sold."""
    texts = tuple(text_of(name, **{**CALLS, **sections}) for name in names or ("seller",))
    desk = Desk(texts, linked=False, limits=limits or AccountLimits())
    desk.link(positions=[(SPY, shares), (call(605, "SPY"), hand)], costs=[(SPY, "580")])
    desk.tick(1)
    return desk


def shares(desk: Desk, count: int) -> None:
    desk.send(PositionReport(desk.now, SPY, Decimal(count), Decimal(580)))


def sent(desk: Desk) -> list[tuple[str, int]]:
    return [(order.bot, order.quantity) for order in desk.submitted]


def why(desk: Desk, bot: str = "seller") -> str:
    return desk.state.bots.by_name[bot].status_text.removeprefix("quantity: ")


@pytest.mark.parametrize(
    ("held", "needed", "own", "count"),
    [(1000, 0, 0, 5), (350, 0, 0, 1), (150, 0, 0, 0), (0, 0, 0, 0), (1000, 300, 300, 2), (1000, 500, 500, 0),
     (1000, 800, 0, 0), (1000, 700, 0, 3), (1100, 0, 0, 5), (-300, 0, 0, 0)],
)  # fmt: skip
def test_the_most_whole_contracts_within_the_band(held: int, needed: int, own: int, count: int) -> None:
    found = ShareHolding(Decimal(held), Decimal(needed), Decimal(0), None)
    assert most_within(Overwrite(Decimal("0.25"), Decimal("0.5")), found, 100, own) == count


def test_an_entry_that_has_filled_in_part_needs_the_shares_of_all_it_may_sell() -> None:
    slow = {**CALLS, "order": "{start: mid, step: 0.01, wait: 1h, tries: 3, then: cancel}"}
    later = {**CALLS, "entry": '{window: {from: "10:05", to: "11:00"}}'}
    desk = Desk((text_of("first", **slow), text_of("second", **later)), linked=False)
    desk.link(positions=[(SPY, 1000)], costs=[(SPY, "580")])
    desk.until("10:00")
    assert sent(desk) == [("first", 5)]
    desk.fill(desk.last, 2)
    desk.until("10:05")
    assert sent(desk) == [("first", 5), ("second", 5)]


def test_half_of_the_shares_is_overwritten_and_never_more() -> None:
    desk = desk_of(1090)
    desk.until("10:00")
    assert sent(desk) == [("seller", 5)]
    desk.fill(desk.last)
    desk.tick(90)
    assert sent(desk) == [("seller", 5)]
    assert why(desk) == "50% of 1,090 SPY shares is 545, 500 cover its own calls: too few for 100"


@pytest.mark.parametrize(
    ("count", "reason"),
    [(0, "the account holds no SPY shares"), (150, "50% of 150 SPY shares is 75: too few for 100")],
)
def test_none_is_no_trade_and_said(count: int, reason: str) -> None:
    desk = desk_of(count)
    desk.until("10:30")
    assert not desk.submitted
    assert why(desk) == reason
    nearest = desk.state.bots.by_name["seller"].nearest
    assert nearest is not None
    assert (nearest.rule, nearest.text) == ("quantity", f"0: {reason}")
    assert [record.data["reason"] for record in desk.said(Kind.SELECTION)] == [f"quantity: {reason}"]


def test_no_share_covers_two_calls() -> None:
    desk = desk_of(700, "one", "two", quantity="{overwrite: {between: [25%, 100%]}}")
    desk.until("10:00")
    assert sent(desk) == [("one", 7)]
    assert "0 are held that no call needs" in why(desk, "two")


def test_calls_sold_by_hand_need_their_shares_first() -> None:
    desk = desk_of(1000, hand=-7)
    desk.until("10:00")
    assert sent(desk) == [("seller", 3)]


def test_nothing_is_sold_before_the_account_is_known() -> None:
    desk = Desk((text_of("seller", **CALLS),), linked=False)
    desk.until("10:00")
    assert not desk.submitted


def test_shares_that_come_later_are_overwritten_then() -> None:
    desk = desk_of(0)
    desk.until("10:10")
    assert not desk.submitted
    shares(desk, 400)
    desk.tick(0)
    assert sent(desk) == [("seller", 2)]


def test_the_measures_know_shares_and_their_cost() -> None:
    when = '{window: {from: "10:00", to: "11:00"}, when: [{shares_held: {at_least: 500}}, {spot: {above: cost_basis}}]}'
    desk = desk_of(400, entry=when)
    desk.until("10:00")
    assert not desk.submitted
    assert why(desk).startswith("shares_held 400")
    shares(desk, 800)
    desk.tick(0)
    assert sent(desk) == [("seller", 4)]


def test_a_call_not_under_what_its_shares_cost_says_that_there_are_none() -> None:
    """It said `min_strike is not known`, and not why."""
    legs = "\n  expiry: {dte: 0}\n  short_call: {sell: call, strike: {delta: 0.20, min_strike: cost_basis}}\n"
    desk = desk_of(0, legs=legs)
    desk.until("10:00")
    assert why(desk) == "short_call: min_strike is not known: the account holds no SPY shares"


WHEEL = """
  expiry: {dte: 0}
  choose:
    - name: covered_call
      when: [{shares_held: {at_least: 100}}]
      short_call: {sell: call, strike: {delta: 0.20}}
    - name: secured_put
      short_put: {sell: put, strike: {delta: 0.20}}
"""


@pytest.mark.parametrize(
    ("held", "sections"),
    [
        (100, {"quantity": "1", "legs": WHEEL, "risk": "{daily_loss: $500, undefined_risk: allow}"}),
        (200, {"entry": '{window: {from: "10:00", to: "11:00"}, when: [{shares_held: {at_least: 200}}]}'}),
    ],
)
def test_an_entry_at_work_takes_no_shares_from_its_own_conditions(held: int, sections: dict[str, str]) -> None:
    """The call of a wheel was taken back before its second try, each day: its own order needed the shares."""
    desk = desk_of(held, **sections)
    desk.until("10:00")
    desk.ack(desk.last)
    desk.tick(12)
    assert (desk.last.attempt, desk.last.status, desk.last.legs[0].name) == (2, OrderStatus.WORKING, "short_call")
    shares(desk, held - 100)
    desk.tick(10)
    assert [order.message for order in desk.cancels] == ["its conditions no longer hold"]


def test_an_entry_at_work_is_cancelled_when_its_shares_are_sold() -> None:
    desk = desk_of(1000)
    desk.until("10:00")
    desk.ack(desk.last)
    shares(desk, 600)
    assert not desk.cancels
    shares(desk, 400)
    assert [order.message for order in desk.cancels] == ["its calls lack 100 SPY shares"]
    desk.tick(11)
    assert desk.alarms == [f"no answer to the cancel of {desk.last.ref}"], "our words are none of the broker's"


def test_an_entry_at_work_is_cancelled_when_its_shares_were_sold_during_an_outage() -> None:
    """No report tells of the shares then, and it went on selling calls that nothing covers."""
    desk = desk_of(1000, order="{start: mid, wait: 1h, tries: 1, then: cancel}")
    desk.until("10:00")
    desk.ack(desk.last)
    desk.unlink()
    desk.link(positions=[(SPY, 400)], costs=[(SPY, "580")])
    desk.tick(1)
    assert [order.message for order in desk.cancels] == ["its calls lack 100 SPY shares"]


def test_no_further_try_sells_the_rest_when_the_shares_went_between_two_of_them() -> None:
    desk = desk_of(1000, order="{start: mid, wait: 10s, tries: 3, pause: 30s, then: cancel}")
    desk.until("10:00")
    desk.fill(desk.last, 2)
    desk.tick(10)
    desk.cancelled(desk.last, 2)
    shares(desk, 400)
    desk.tick(30)
    assert sent(desk) == [("seller", 5)]
    assert (desk.position.state, desk.position.structures) == ("open", 2)


def test_open_calls_without_shares_are_reported_and_never_fought() -> None:
    desk = desk_of(1000)
    desk.until("10:00")
    desk.fill(desk.last)
    count = len(desk.submitted)
    shares(desk, 200)
    desk.tick(20)
    assert not [text for text in desk.alarms if "shares" in text]
    desk.settle(15)
    reported = [text for text in desk.alarms if "shares" in text]
    assert reported == [
        "the account holds 200 SPY shares, 300 fewer than the calls sold against them need: "
        "nothing is traded for it, a person must look"
    ]
    desk.tick(60)
    assert len(desk.submitted) == count
    assert len([text for text in desk.alarms if "shares" in text]) == 1


def test_shares_that_are_back_in_time_are_not_reported() -> None:
    desk = desk_of(1000)
    desk.until("10:00")
    desk.fill(desk.last)
    shares(desk, 200)
    desk.tick(20)
    shares(desk, 500)
    desk.settle(60)
    assert not [text for text in desk.alarms if "shares" in text]


WRITE = {
    "underlying": "SPY",
    "entry": '{at: "10:00"}',
    "legs": "\n  expiry: {dte: 0}\n  stock: {buy: shares}\n  short_call: {sell: call, strike: {at: spot}}\n",
    "order": "{start: mid, step: 0.01, wait: 60s, tries: 3, then: cancel}",
    "exits": '\n  - time: "15:45"\n',
    "risk": "{daily_loss: $500}",
}


@pytest.mark.parametrize("is_open", [True, False])
def test_shares_that_another_bot_is_buying_are_not_missing(is_open: bool) -> None:
    """The entry of a buy-write has still to buy its 100: those that are held cover the calls as before."""
    ladder = "{start: mid, step: 0.01, wait: 40s, tries: 3, then: cancel}"
    calls = {**CALLS, "quantity": "{overwrite: {between: [25%, 100%]}}", "order": ladder}
    desk = Desk((text_of("seller", **calls), text_of("writer", **WRITE)), linked=False)
    desk.quote(share("SPY"), 599.99, 600.01)
    desk.link(positions=[(SPY, 400)], costs=[(SPY, "580")])
    desk.tick(1)
    desk.until("10:00")
    sold, bought = desk.submitted
    assert [(order.bot, order.quantity) for order in (sold, bought)] == [("seller", 4), ("writer", 1)]
    desk.ack(sold)
    desk.ack(bought)
    if is_open:
        desk.fill(sold)
    for _ in range(9):
        desk.tick(5)
    assert not desk.alarms
    assert desk.order(sold.ref).status is (OrderStatus.FILLED if is_open else OrderStatus.WORKING)
    shares(desk, 300)
    assert desk.order(sold.ref).status is (OrderStatus.FILLED if is_open else OrderStatus.CANCELLING)
    for _ in range(9 if is_open else 0):
        desk.tick(5)
    assert all(text.startswith("the account holds 300 SPY shares, 100 fewer") for text in desk.alarms)
    assert bool(desk.alarms) is is_open


def test_an_early_assignment_takes_call_and_shares_and_is_reported_as_that() -> None:
    desk = desk_of(1000)
    desk.until("10:00")
    desk.fill(desk.last)
    shares(desk, 500)
    desk.holds(next(iter(desk.state.positions.by_id.values())).legs[0].option, 0)
    desk.settle(60)
    (reported,) = [text for text in desk.alarms if "shares" in text or "assigned" in text]
    assert "closed by hand, or assigned (it holds 500 SPY)" in reported


def test_assigned_at_expiry_the_calls_are_gone_with_the_shares() -> None:
    desk = desk_of(1000, exits="\n  - at_expiry: settle\n  - stop: {cost: 9x credit}\n")
    desk.until("10:00")
    desk.fill(desk.last)
    position = next(iter(desk.state.positions.by_id.values()))
    option = position.legs[0].option
    desk.until("15:59")
    row = desk.board.rows[SPY]
    desk.board.last[row] = float(option.strike) + 2
    desk.until("16:00")
    desk.until("16:05")
    shares(desk, 500)
    desk.holds(option, 0)
    desk.settle(60)
    (position,) = desk.state.positions.by_id.values()
    assert (position.state, position.exit_reason) == ("closed", "assigned")
    assert not [text for text in desk.alarms if "shares" in text]


def test_covered_calls_have_a_worst_case_over_all_bots() -> None:
    limits = AccountLimits(worst_case=Amount(Decimal(100), Unit.DOLLARS))
    desk = desk_of(1000, "one", "two", limits=limits)
    desk.until("10:00")
    assert sent(desk) == [("one", 5), ("two", 5)]
    naked = dict(CALLS, quantity="1", risk="{undefined_risk: allow}")
    desk = Desk((text_of("naked", **naked),), limits=limits, linked=False)
    desk.link(positions=[(SPY, 99)])
    desk.until("10:00")
    assert not desk.submitted
    assert "has no bound: nothing covers short_call in this entry" in why(desk, "naked")


def test_after_a_start_the_account_says_what_is_held() -> None:
    desk = desk_of(1000)
    desk.until("10:00")
    desk.fill(desk.last)
    desk.unlink()
    desk.tick(5)
    desk.link(
        positions=[(SPY, 100), (desk.state.positions.by_id[next(iter(desk.state.positions.by_id))].legs[0].option, -5)]
    )
    desk.settle(60)
    assert [text for text in desk.alarms if "400 fewer than the calls" in text]
    assert desk.state.schedule.session.date == DAY

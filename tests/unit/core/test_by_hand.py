"""What an operator does by hand: closes one position, has a bot enter at once; all limits hold."""

import pytest
from hand_desk import SELLER, Desk, put, text_of

from rulebot.core.state.state import OperatorState, after_request
from rulebot.model.event import Request
from rulebot.model.order import OrderStatus, Purpose
from rulebot.narrate.notices import START_ALL
from rulebot.record.record import Kind
from rulebot.recovery.resume import standing_of

LATER = '{window: {from: "12:00", to: "13:00"}, when: [{vix: {above: 90}}]}'


# ---------------------------------------------------------------- one position is closed


def two_positions() -> Desk:
    desk = Desk((text_of("one"), text_of("two")))
    desk.until("10:00")
    for order in desk.submitted[:2]:
        desk.fill(order)
    return desk


def requiring(condition: str) -> str:
    """Return the legs of a put spread that are opened only where this holds."""
    return f"""
  expiry: {{dte: 0}}
  short_put: {{sell: put, strike: {{delta: 0.10}}}}
  long_put: {{buy: put, strike: {{below: short_put, by: 10 pts}}}}
  require:
    - {condition}
"""


def test_one_position_is_closed_and_the_rest_continues() -> None:
    desk = two_positions()
    one = desk.submitted[0].position
    desk.ask(Request.CLOSE, position=one)
    desk.tick(1)
    assert desk.last.purpose is Purpose.EXIT
    assert desk.last.position == one
    assert desk.state.positions.by_id[one].exit_reason == "flattened"
    desk.fill(desk.last)
    assert desk.state.positions.by_id[one].state == "closed"
    assert [found.state for found in desk.state.positions.by_id.values() if found.id != one] == ["open"]
    assert desk.state.requests.operator.may_enter("one")
    (asked,) = desk.said(Kind.OPERATOR)
    assert (asked.bot, asked.data["request"], asked.data["position"]) == ("one", "close", one)


def test_its_resting_pair_is_cancelled_first() -> None:
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    position = desk.opened("10:01")
    for order in desk.live:
        desk.ack(order)
    desk.ask(Request.CLOSE, position=position.id)
    desk.tick(1)
    assert {order.status for order in desk.live} == {OrderStatus.CANCELLING}
    for order in list(desk.live):
        desk.cancelled(order)
    desk.tick(1)
    assert desk.last.purpose is Purpose.EXIT


def test_an_entry_at_work_is_cancelled_and_what_fills_all_the_same_is_closed() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.ask(Request.CLOSE, position=order.position)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    desk.fill(order)
    desk.tick(1)
    assert desk.last.purpose is Purpose.EXIT


def test_no_further_try_is_sent_for_what_is_closed_between_two_of_them() -> None:
    desk = Desk((text_of(order="{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 30s, then: cancel}"),))
    desk.ack(desk.enter())
    desk.tick(10)
    desk.cancelled(desk.last)
    desk.ask(Request.CLOSE, position=desk.position.id)
    desk.tick(30)
    assert len(desk.submitted) == 1
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "unfilled")
    assert desk.said(Kind.DECISION, "unfilled")[-1].data["reason"] == "closed by the operator"


def test_no_further_leg_is_opened_for_what_is_closed_when_one_has_filled_all_the_same() -> None:
    desk = Desk((text_of(order="{leg_by_leg: [long_put, short_put], start: mid, wait: 10s, tries: 3, then: unwind}"),))
    order = desk.enter()
    desk.ack(order)
    desk.ask(Request.CLOSE, position=order.position)
    desk.fill(order)
    desk.tick(1)
    assert [each.purpose for each in desk.submitted] == [Purpose.ENTRY, Purpose.UNWIND]
    assert {each.legs[0].name for each in desk.submitted} == {"long_put"}
    desk.cancelled(desk.last)
    desk.tick(1)
    assert (desk.last.purpose, desk.last.reason) == (Purpose.EXIT, "flattened")


def test_a_position_that_is_not_there_is_recorded_and_does_nothing() -> None:
    desk = two_positions()
    sent = len(desk.submitted)
    desk.ask(Request.CLOSE, position="nobody-20261118-1")
    desk.tick(5)
    assert len(desk.submitted) == sent
    assert len(desk.said(Kind.OPERATOR)) == 1


@pytest.mark.parametrize("is_away", [True, False])
@pytest.mark.parametrize("resumed", ["", "spread"])
@pytest.mark.parametrize("asked", [Request.CLOSE, Request.FLATTEN])
@pytest.mark.parametrize("bot", ["", "spread"])
def test_what_was_asked_to_be_closed_is_closed_though_bots_may_enter_again(
    asked: Request, bot: str, resumed: str, *, is_away: bool
) -> None:
    """While the broker was away one asked to close it, another pressed Start: it was left to its exits, until then."""
    desk = Desk()
    desk.opened()
    if is_away:
        desk.unlink()
    desk.ask(asked, bot, position=desk.position.id if asked is Request.CLOSE else "")
    desk.tick(1)
    desk.ask(Request.RESUME, resumed)
    assert desk.state.requests.operator.must_close("spread", desk.position.id)
    assert standing_of(desk.said(Kind.OPERATOR)) == desk.state.requests.operator
    desk.link()
    desk.tick(5)
    assert desk.position.state == "exiting"
    assert desk.last.purpose is Purpose.EXIT
    assert "Requested closes continue." in START_ALL


def test_what_an_entry_still_opens_after_a_start_is_closed_as_was_asked_before_it() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.ask(Request.FLATTEN)
    desk.ask(Request.RESUME)
    desk.fill(order)
    desk.tick(1)
    assert (desk.last.purpose, desk.last.reason) == (Purpose.EXIT, "flattened")


def test_what_is_opened_after_a_start_is_not_closed() -> None:
    desk = Desk()
    desk.opened()
    desk.ask(Request.FLATTEN)
    desk.tick(1)
    desk.fill(desk.last)
    desk.ask(Request.RESUME)
    assert desk.state.requests.operator == OperatorState()


def test_a_start_knows_what_is_to_be_closed() -> None:
    standing = after_request(OperatorState(), Request.CLOSE, "one", "one-1")
    assert standing.must_close("one", "one-1")
    assert not standing.must_close("one", "one-2")
    assert after_request(standing, Request.RESUME, "one").must_close("one", "one-1")
    assert after_request(standing, Request.PAUSE, "").must_close("one", "one-1")
    assert after_request(standing, Request.RESUME, "", closes=["one-1"]).must_close("one", "one-1")
    assert after_request(standing, Request.RESUME, "") == OperatorState()


# ---------------------------------------------------------------- kept after all


@pytest.mark.parametrize(("asked", "bot"), [(Request.CLOSE, ""), (Request.FLATTEN, ""), (Request.FLATTEN, "spread")])
def test_what_waits_to_be_closed_can_be_kept(asked: Request, bot: str) -> None:
    """Nothing took back a Close that somebody had pressed by mistake in the evening."""
    desk = Desk()
    desk.opened()
    desk.unlink()
    desk.ask(asked, bot, position=desk.position.id if asked is Request.CLOSE else "")
    desk.ask(Request.KEEP, position=desk.position.id)
    assert not desk.state.waits_to_close(desk.position)
    assert standing_of(desk.said(Kind.OPERATOR)) == desk.state.requests.operator
    desk.link()
    desk.tick(30)
    assert desk.position.state == "open"
    assert desk.alarms == []
    desk.until("15:45", step=60)
    assert (desk.last.purpose, desk.last.reason) == (Purpose.EXIT, "time")


@pytest.mark.parametrize(("again", "bot"), [(Request.CLOSE, ""), (Request.FLATTEN, ""), (Request.FLATTEN, "spread")])
def test_what_was_kept_is_closed_when_a_person_asks_once_more(again: Request, bot: str) -> None:
    desk = Desk()
    desk.opened()
    desk.unlink()
    name = desk.position.id
    desk.ask(Request.FLATTEN)
    desk.ask(Request.KEEP, position=name)
    desk.ask(again, bot, position=name if again is Request.CLOSE else "")
    assert desk.state.waits_to_close(desk.position)
    assert standing_of(desk.said(Kind.OPERATOR)) == desk.state.requests.operator
    desk.link()
    desk.tick(5)
    assert (desk.last.purpose, desk.last.reason) == (Purpose.EXIT, "flattened")


def test_of_two_that_wait_one_is_kept() -> None:
    standing = after_request(OperatorState(), Request.FLATTEN, "")
    standing = after_request(standing, Request.KEEP, "", "one-1")
    assert not standing.must_close("one", "one-1")
    assert standing.must_close("one", "one-2")
    assert not standing.is_active, "nothing is opened until somebody presses Start"
    assert not after_request(standing, Request.FLATTEN, "two").must_close("one", "one-1")
    assert after_request(standing, Request.FLATTEN, "one", closes=["one-1"]).must_close("one", "one-1")
    closed = after_request(OperatorState(), Request.CLOSE, "", "one-1")
    assert after_request(closed, Request.KEEP, "", "one-1") == OperatorState()


def test_what_is_being_closed_continues_and_it_is_said() -> None:
    desk = Desk()
    desk.opened()
    desk.ask(Request.CLOSE, position=desk.position.id)
    desk.tick(1)
    assert desk.position.is_flattening
    desk.ask(Request.KEEP, position=desk.position.id)
    assert [each for each in desk.alarms if "is already being closed, as requested" in each]
    desk.fill(desk.last)
    desk.tick(1)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "flattened")


# ---------------------------------------------------------------- an entry by hand


def test_a_bot_enters_at_once_whatever_its_window_and_its_conditions_say() -> None:
    desk = Desk((text_of(entry=LATER),))
    desk.until("10:30")
    assert desk.submitted == []
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    (order,) = desk.submitted
    assert order.purpose is Purpose.ENTRY
    (entered,) = desk.said(Kind.DECISION, "enter")
    assert (entered.data["reason"], entered.data["by_hand"]) == ("asked by the operator", True)
    desk.fill(order)
    assert desk.position.state == "open"
    desk.tick(100)
    assert len(desk.submitted) == 1


def test_its_further_tries_do_not_ask_the_conditions_either() -> None:
    desk = Desk((text_of(entry=LATER),))
    desk.until("10:30")
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    desk.ack(desk.last)
    desk.tick(11)  # the ladder's next step
    assert desk.order(desk.submitted[0].ref).attempt == 2
    assert desk.replaced
    desk.fill(desk.last)
    assert desk.position.state == "open"


def test_its_further_tries_ask_what_its_legs_must_offer() -> None:
    legs = requiring("quote_width: {at_most: 0.50}")
    desk = Desk((text_of(entry=LATER, legs=legs),))
    desk.until("10:30")
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    desk.ack(desk.last)
    for leg in desk.position.legs:
        mid = float(desk.mid(leg.option))
        desk.quote(leg.option, mid - 1.0, mid + 1.0, 0.1)
    desk.tick(11, quiet=True)
    assert desk.order(desk.submitted[0].ref).status is OrderStatus.CANCELLING


@pytest.mark.parametrize("window", ["10:00", "12:00"])
def test_a_bot_that_tries_once_is_asked_all_the_same_and_its_own_try_is_left(window: str) -> None:
    """What it had decided kept it out, and what was not to be had by hand was decided for its window to come."""
    legs = requiring("credit: {at_least: 2.00}")
    desk = Desk((text_of(entry=f'{{try: once, window: {{from: "{window}", to: "13:00"}}}}', legs=legs),))
    desk.until("10:30")
    decided = desk.state.bots.by_name["spread"].day.decided
    assert bool(decided) is (window == "10:00")
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    assert (desk.reasons("skip"), desk.state.bots.by_name["spread"].day.decided) == ([], decided)
    for strike in (5945, 5935):
        bid = 3.00 if strike == 5945 else 0.50
        desk.quote(put(strike), bid, bid + 0.10, -0.10 if strike == 5945 else -0.05)
    desk.tick(1)
    assert [order.purpose for order in desk.submitted] == [Purpose.ENTRY]


def test_it_is_one_of_the_days_entries() -> None:
    desk = Desk((text_of(entry='{window: {from: "12:00", to: "13:00"}}'),))
    desk.until("10:30")
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    desk.fill(desk.last)
    desk.until("13:00", step=300)
    assert [order.purpose for order in desk.submitted if order.purpose is Purpose.ENTRY] == [Purpose.ENTRY]
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    assert desk.reasons("skip")[-1] == "asked by the operator: 1 of 1 a day"
    assert len(desk.submitted) == 1


def test_what_its_legs_must_offer_still_holds_and_is_waited_for_a_minute() -> None:
    legs = requiring("credit: {at_least: 90.00}")
    desk = Desk((text_of(entry=LATER, legs=legs),))
    desk.until("10:30")
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    desk.tick(50)
    assert desk.submitted == []
    assert desk.reasons("skip") == []
    desk.tick(10)
    assert desk.reasons("skip")[-1].startswith("asked by the operator: credit ")
    assert desk.state.bots.by_name["spread"].manual_entry_until is None


@pytest.mark.parametrize(
    ("request_", "said"),
    [(Request.PAUSE, "the operator lets it enter nothing"), (Request.KILL, "the operator lets it enter nothing")],
)
def test_a_pause_and_a_kill_hold(request_: Request, said: str) -> None:
    desk = Desk((text_of(entry=LATER),))
    desk.until("10:30")
    desk.ask(request_)
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    assert desk.submitted == []
    assert desk.reasons("skip") == [f"asked by the operator: {said}"]


def test_a_halt_holds() -> None:
    desk = Desk((text_of(entry=LATER, risk="{max_loss_per_trade: $2000, halt_when: [{vix: {above: 10}}]}"),))
    desk.until("10:30")
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    assert desk.submitted == []
    assert desk.reasons("skip")[-1].startswith("asked by the operator: halted: vix")


def test_a_limit_of_the_trade_holds() -> None:
    desk = Desk((text_of(entry=LATER, risk="{max_loss_per_trade: $10}"),))
    desk.until("10:30")
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    desk.tick(60)
    assert desk.submitted == []
    assert "max_loss_per_trade" in desk.reasons("skip")[-1]


def test_after_the_time_at_which_its_exits_close_all_it_is_refused() -> None:
    """It was entered, and closed at market as it filled."""
    desk = Desk((text_of(entry=LATER),), at="15:44")
    desk.until("15:45")
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    assert not desk.submitted
    assert desk.reasons("skip") == ["asked by the operator: the time has come at which its exits close all"]


def test_out_of_hours_it_is_refused() -> None:
    desk = Desk((text_of(entry=LATER),), at="08:00")
    desk.ask(Request.ENTER, "spread")
    assert desk.reasons("skip") == ["asked by the operator: the market is closed"]


@pytest.mark.parametrize(
    ("away", "reported"), [(20, []), (90, ["asked by the operator: there was no connection to the broker"])]
)
def test_without_a_broker_it_waits_a_minute_for_one(away: float, reported: list[str]) -> None:
    """That it was not sent was said to be for this: to enter, as asked."""
    desk = Desk((text_of(entry=LATER),))
    desk.until("10:30")
    desk.unlink()
    desk.ask(Request.ENTER, "spread")
    desk.tick(away)
    desk.link()
    desk.tick(1)
    assert desk.reasons("skip") == reported
    assert bool(desk.submitted) is not bool(reported)


def test_the_same_request_enters_once() -> None:
    desk = Desk((text_of(entry='{window: {from: "12:00", to: "13:00"}, per_day: 3, max_open: 3}'),))
    desk.until("10:30")
    for _ in range(3):
        desk.ask(Request.ENTER, "spread", "the same")
    desk.tick(1)
    desk.fill(desk.last)
    desk.ask(Request.ENTER, "spread", "the same")
    desk.tick(10)
    assert len(desk.submitted) == 1


def test_another_strike_is_tried_where_the_broker_refuses_one_for_orders_of_others() -> None:
    """Outside of the bot's window it was said to be, and nothing was."""
    desk = Desk((text_of("seller", **{**SELLER, "entry": "{at: open + 300m, max_open: 5}"}),))
    desk.until("10:30")
    desk.ask(Request.ENTER, "seller")
    desk.tick(1)
    refusal = "Order rejected - reason:Cannot have open orders on both sides of the same US Option contract"
    desk.refuse(desk.last, 201, refusal)
    desk.settle(1.0)
    first, second = desk.submitted
    assert first.legs[0].option != second.legs[0].option
    assert [each.data.get("by_hand") for each in desk.said(Kind.DECISION, "enter")] == [True, True]
    assert desk.state.bots.by_name["seller"].manual_position == second.position


def test_a_second_one_waits_for_no_entry_at_work() -> None:
    desk = Desk((text_of(entry='{window: {from: "12:00", to: "13:00"}, per_day: 3, max_open: 3}'),))
    desk.until("10:30")
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    desk.ask(Request.ENTER, "spread")
    assert desk.reasons("skip") == ["asked by the operator: an entry of it is working"]


def test_a_bot_that_does_not_run_is_let_be() -> None:
    desk = Desk()
    desk.ask(Request.ENTER, "nobody")
    desk.tick(1)
    assert desk.submitted == []

"""An entry by hand of a structure that is named, as a row of a scan has it: that one, or none."""

import pytest
from hand_desk import DAY, Desk, call, put, text_of

from rulebot.model.contract import Option, Underlying
from rulebot.model.event import Request
from rulebot.model.order import OrderStatus
from rulebot.record.record import Kind

LATER = '{window: {from: "12:00", to: "13:00"}, when: [{vix: {above: 90}}]}'
REQUIRING = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
  require: [{credit: {at_least: 0.40}}]
"""
UNIVERSE = {
    "underlyings": "",
    "universe": "{symbols: [SPY, SPX]}",
    "entry": '{window: {from: "12:00", to: "13:00"}, per_day: 1}',
    "legs": """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {at: spot}}
  long_put: {buy: put, strike: {below: short_put, by: 5 pts}}
""",
    "exits": """
  - time: "15:45"
  - target: {profit: 50%}
""",
}
CHOOSING = """
  expiry: {dte: 0}
  choose:
    - name: puts
      when: [{vix: {below: 20}}]
      short_put: {sell: put, strike: {delta: 0.10}}
      long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
    - name: calls
      short_call: {sell: call, strike: {delta: 0.10}}
      long_call: {buy: call, strike: {above: short_call, by: 10 pts}}
"""


def desk_at_half_past(**sections: str) -> Desk:
    desk = Desk((text_of(**{"entry": LATER, **sections}),))
    desk.until("10:30")
    return desk


def sent(desk: Desk) -> list[Option]:
    return [leg.option for leg in desk.last.legs]


def test_what_is_named_is_entered_and_not_what_the_bot_would_choose() -> None:
    chosen = desk_at_half_past()
    chosen.ask(Request.ENTER, "spread")
    chosen.tick(1)
    desk = desk_at_half_past()
    desk.enter_named("spread", short_put=put(5960), long_put=put(5950))
    desk.tick(1)
    assert sent(desk) == [put(5960), put(5950)]
    assert sent(desk) != sent(chosen)
    (entered,) = desk.said(Kind.DECISION, "enter")
    assert (entered.data["by_hand"], entered.data["named"]) == (True, True)
    (asked,) = desk.said(Kind.OPERATOR)
    assert set(asked.data["legs"]) == {"short_put", "long_put"}  # type: ignore[call-overload]
    desk.fill(desk.last)
    assert desk.position.state == "open"
    assert {leg.option for leg in desk.position.legs} == {put(5960), put(5950)}


def test_its_options_are_streamed_before_it_is_sent() -> None:
    desk = desk_at_half_past()
    desk.enter_named("spread", short_put=put(5890), long_put=put(5880))
    desk.tick(1)
    assert {put(5890), put(5880), Underlying("SPX")} <= set(desk.state.subscriptions.streamed)
    assert desk.submitted == []
    desk.quote(put(5890), 1.0, 1.1, -0.05)
    desk.quote(put(5880), 0.5, 0.6, -0.04)
    desk.tick(1)
    assert sent(desk) == [put(5890), put(5880)]


def test_a_limit_that_refuses_it_is_said_and_nothing_else_is_entered() -> None:
    desk = desk_at_half_past(legs=REQUIRING)
    desk.enter_named("spread", short_put=put(5905), long_put=put(5900))
    for _ in range(70):
        desk.tick(1)
    assert desk.submitted == []
    (reason,) = desk.reasons("skip")
    assert reason.startswith("asked by the operator: ")
    assert "credit" in reason
    desk.until("11:00", step=30)
    assert desk.submitted == []


def test_further_tries_stay_with_it_and_ask_what_its_legs_must_offer() -> None:
    desk = desk_at_half_past(legs=REQUIRING)
    desk.enter_named("spread", short_put=put(5960), long_put=put(5950))
    desk.tick(1)
    desk.ack(desk.last)
    for leg in desk.position.legs:
        desk.quote(leg.option, 1.0, 1.1, -0.1)
    desk.tick(11)
    assert desk.order(desk.submitted[0].ref).status is OrderStatus.CANCELLING
    desk.cancelled(desk.submitted[0])
    desk.tick(30)
    assert len(desk.submitted) == 1


@pytest.mark.parametrize(
    ("legs", "says"),
    [
        ({"short_put": put(5960)}, "its text has other legs than short_put now"),
        ({"short_put": call(6040), "long_put": put(5950)}, "its text has no "),
        ({"short_put": put(5962), "long_put": put(5950)}, "is not listed"),
        ({"short_put": put(5960, expiry=DAY.replace(day=17)), "long_put": put(5950)}, "is over: scan again"),
        (
            {"short_put": put(5960, expiry=DAY.replace(day=19)), "long_put": put(5950)},
            "its text takes 2026-11-18 today",
        ),
        ({"short_put": put(596, "SPY"), "long_put": put(595, "SPY")}, "its text has no "),
    ],
)
def test_what_the_text_could_not_choose_is_refused_at_once(legs: dict[str, Option], says: str) -> None:
    desk = desk_at_half_past()
    desk.enter_named("spread", **legs)
    (reason,) = desk.reasons("skip")
    assert says in reason
    desk.tick(5)
    assert desk.submitted == []


def test_another_alternative_than_its_conditions_would_take_is_entered() -> None:
    desk = desk_at_half_past(legs=CHOOSING, exits='\n  - time: "15:45"\n  - target: {profit: 50%}')
    desk.enter_named("spread", "calls", short_call=call(6050), long_call=call(6060))
    desk.tick(1)
    assert sent(desk) == [call(6050), call(6060)]
    desk.ack(desk.last)
    desk.tick(11)  # the ladder's next step
    assert desk.order(desk.submitted[0].ref).attempt == 2
    desk.fill(desk.last)
    assert desk.position.alternative == "calls"


def test_an_alternative_that_is_gone_is_refused() -> None:
    desk = desk_at_half_past(legs=CHOOSING, exits='\n  - time: "15:45"\n  - target: {profit: 50%}')
    desk.enter_named("spread", "condor", short_call=call(6050), long_call=call(6060))
    assert "its text has no structure SPX condor now" in desk.reasons("skip")[0]


def test_a_symbol_of_a_universe_is_entered_once_and_counts_for_its_cap() -> None:
    desk = desk_at_half_past(**UNIVERSE)
    desk.enter_named("spread", short_put=put(598, "SPY"), long_put=put(593, "SPY"))
    desk.tick(1)
    assert sent(desk) == [put(598, "SPY"), put(593, "SPY")]
    desk.ack(desk.last)
    desk.tick(11)
    desk.fill(desk.last)
    assert desk.position.state == "open"
    desk.enter_named("spread", short_put=put(5990), long_put=put(5985))
    assert desk.reasons("skip") == ["asked by the operator: 1 of 1 a day"]


def test_a_symbol_that_is_held_is_not_entered_again() -> None:
    desk = desk_at_half_past(**UNIVERSE | {"entry": '{window: {from: "12:00", to: "13:00"}, per_day: 3, max_open: 3}'})
    for _ in range(2):
        desk.enter_named("spread", short_put=put(598, "SPY"), long_put=put(593, "SPY"))
        desk.tick(1)
        if not desk.reasons("skip"):
            desk.fill(desk.last)
    assert desk.reasons("skip") == ["asked by the operator: SPY is held"]
    assert len(desk.submitted) == 1


def test_a_symbol_that_is_none_of_the_universe_is_refused() -> None:
    desk = desk_at_half_past(**UNIVERSE)
    desk.enter_named("spread", short_put=put(300, "QQQ"), long_put=put(295, "QQQ"))
    assert "its text has no structure QQQ now" in desk.reasons("skip")[0]


def test_after_a_start_its_tries_continue_with_the_same_legs() -> None:
    desk = desk_at_half_past(**UNIVERSE)
    desk.enter_named("spread", short_put=put(598, "SPY"), long_put=put(593, "SPY"))
    desk.tick(1)
    desk.ack(desk.last)
    desk.start_again()
    assert desk.state.bots.by_name["spread"].is_named
    desk.link()
    desk.tick(11)
    assert sent(desk) == [put(598, "SPY"), put(593, "SPY")]
    assert len({order.position for order in desk.submitted}) == 1

"""Margin by what-if: what is asked, what an answer is good for, and what happens without one."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hand_desk import Desk, text_of

from rulebot.adapters.ib.message_codes import broker_message
from rulebot.core.program import AccountLimits
from rulebot.model.event import AccountReport, MarginReport, OrderMessage, OrderUnsent
from rulebot.model.facts import Account
from rulebot.model.order import AskMargin, Cancel
from rulebot.record.record import Kind
from rulebot.spec.nouns import Amount, Unit

CALLS = """
  expiry: {dte: 0}
  short_call: {sell: call, strike: {delta: 0.10}}
  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}
"""


def desk_of(*texts: str, at_most: Amount | None = None, account: Account | None = None) -> Desk:
    limit = at_most or Amount(Decimal(5000), Unit.DOLLARS)
    desk = Desk(texts or (text_of(),), limits=AccountLimits(margin=limit))
    desk.send(AccountReport(desk.now, account or Account(net_liquidation=Decimal(10000), cash=Decimal(10000))))
    desk.until("10:00")
    return desk


def questions(desk: Desk) -> list[AskMargin]:
    return [command for command in desk.commands if isinstance(command, AskMargin)]


def answer(desk: Desk, initial: int, change: int = 1000, place: int = -1) -> None:
    order_id = questions(desk)[place].order.order_id
    desk.send(MarginReport(desk.now, order_id, Decimal(initial), Decimal(change)))
    desk.settle(0.5)


def refused(desk: Desk, bot: str = "spread") -> list[str]:
    return [str(record.data["reason"]) for record in desk.said(Kind.DECISION, "skip") if record.bot == bot]


def test_an_entry_waits_for_the_answer() -> None:
    desk = desk_of()
    assert len(questions(desk)) == 1
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].status_text == "the broker's answer on margin"
    desk.tick(1)
    assert (len(questions(desk)), desk.submitted) == (1, []), "nor do quotes that move meanwhile have it sent"
    asked = questions(desk)[0].order
    assert asked.ref == ""
    answer(desk, 5000)
    assert len(desk.submitted) == 1
    assert (desk.last.legs, desk.last.quantity) == (asked.legs, asked.quantity)
    assert desk.last.order_id > asked.order_id
    assert len(questions(desk)) == 1


def test_too_much_margin_is_refused_and_asked_again_later() -> None:
    desk = desk_of()
    answer(desk, 5001)
    assert not desk.submitted
    assert refused(desk) == ["the account would need $5,001.00 of margin, margin is at most $5,000.00"]
    desk.tick(10)
    assert len(questions(desk)) == 1
    desk.tick(6)
    assert len(questions(desk)) == 2
    answer(desk, 4000)
    assert len(desk.submitted) == 1


def test_silence_is_a_refusal() -> None:
    desk = desk_of()
    desk.settle(2.9)
    assert not refused(desk)
    desk.settle(0.2)
    assert refused(desk) == ["the broker did not say within 3 s what margin it would need"]
    assert not desk.submitted
    answer(desk, 4000)  # late, and for what is still wanted
    assert len(desk.submitted) == 1


def test_an_error_is_a_refusal() -> None:
    desk = desk_of()
    order_id = questions(desk)[0].order.order_id
    desk.send(OrderMessage(desk.now, order_id, broker_message(399, "repriced so as not to cross")))
    desk.settle(0.5)
    assert not refused(desk)
    desk.send(OrderMessage(desk.now, order_id, broker_message(201, "Order rejected - reason: no")))
    desk.settle(0.5)
    assert refused(desk) == ["the broker would refuse it: 201 Order rejected - reason: no"]
    assert not desk.submitted


def test_a_question_that_could_not_be_sent_is_a_refusal() -> None:
    desk = desk_of()
    desk.send(OrderUnsent(desk.now, questions(desk)[0].order.order_id, "a leg has no contract id"))
    desk.settle(0.5)
    assert refused(desk) == ["rulebot could not ask the broker: a leg has no contract id"]
    assert not desk.submitted


def test_entries_at_work_of_other_bots_are_added() -> None:
    desk = desk_of(text_of("one"), text_of("two", legs=CALLS))
    answer(desk, 3000, change=2500, place=0)
    assert [order.bot for order in desk.submitted] == ["one"]
    answer(desk, 3000, change=2500, place=1)
    assert refused(desk, "two") == ["the account would need $5,500.00 of margin, margin is at most $5,000.00"]
    desk.fill(desk.last)
    desk.tick(16)
    answer(desk, 5000, change=2500)
    assert [order.bot for order in desk.submitted] == ["one", "two"]


def test_an_entry_at_work_that_was_never_asked_about_keeps_others_out() -> None:
    patient = "{start: mid, wait: 600s, tries: 1, then: cancel}"
    desk = Desk((text_of("one", order=patient), text_of("two", legs=CALLS, entry='{at: "10:05"}')))
    desk.ack(desk.enter())
    desk.program = type(desk.program)(
        bots=desk.program.bots,
        pinned={},
        limits=AccountLimits(margin=Amount(Decimal(5000), Unit.DOLLARS)),
        install="abc123",
    )
    desk.until("10:05")
    answer(desk, 1000)
    assert refused(desk, "two") == ["the margin that the entry of one needs is not known yet"]


@pytest.mark.parametrize("net", [None, Decimal(10000)])
def test_half_of_net_liquidation(net: Decimal | None) -> None:
    half = Amount(Decimal("0.5"), Unit.MULTIPLE, "net_liquidation")
    desk = desk_of(at_most=half, account=Account(net_liquidation=net))
    if net is None:
        assert refused(desk) == ["net_liquidation of the account is unknown, and margin is held against it"]
        assert not questions(desk)
    else:
        answer(desk, 5001)
        assert refused(desk) == ["the account would need $5,001.00 of margin, margin is at most $5,000.00"]


def test_exits_are_not_asked_about() -> None:
    desk = desk_of()
    answer(desk, 1000)
    desk.fill(desk.last)
    asked = len(questions(desk))
    desk.until("15:45")
    assert desk.last.purpose.value == "exit"
    assert len(questions(desk)) == asked


def test_the_answer_is_of_its_contracts() -> None:
    """The strikes move on while the broker is asked: what it says of others does not count."""
    desk = desk_of()
    for strike in (5915, 5920, 5925, 5930, 5935, 5940, 5945):
        row = next(row for contract, row in desk.board.rows.items() if str(contract).endswith(f"{strike}P"))
        desk.board.delta[row] *= 0.5
    answer(desk, 1000)
    assert not desk.submitted
    assert len(questions(desk)) == 2
    assert questions(desk)[1].order.legs != questions(desk)[0].order.legs
    desk.now += timedelta(seconds=0.5)
    answer(desk, 1000)
    assert len(desk.submitted) == 1


def test_what_filled_since_the_answer_is_asked_about_again() -> None:
    """The entry at work was added to the answer; once it has filled it is in neither."""
    patient = "{start: mid, step: 0.05, wait: 600s, tries: 1, then: cancel}"
    later = text_of("later", legs=CALLS, entry='{window: {from: "10:05", to: "11:00"}}')
    desk = desk_of(text_of("first", order=patient), later)
    answer(desk, 3000, change=3000)
    desk.ack(desk.last)
    desk.until("10:05")
    answer(desk, 2500, change=2500)
    assert refused(desk, "later") == ["the account would need $5,500.00 of margin, margin is at most $5,000.00"]
    desk.tick(2)
    desk.fill(desk.last)
    desk.tick(2)
    assert [order.bot for order in desk.submitted] == ["first"]
    assert len(questions(desk)) == 3
    answer(desk, 5500, change=2500)
    assert [order.bot for order in desk.submitted] == ["first"]


UNIVERSE = text_of(
    underlyings="",
    universe="{symbols: [SPY, SPX]}",
    entry='{window: {from: open + 30m, to: "11:00"}, per_day: 2}',
    legs="""
  expiry: {dte: 0}
  short_put: {sell: put, strike: {at: spot}}
  long_put: {buy: put, strike: {below: short_put, by: 5 pts}}
""",
    exits="""
  - time: "15:45"
""",
)


def test_symbols_of_a_universe_are_asked_about_one_after_the_other() -> None:
    desk = desk_of(UNIVERSE)
    assert [each.order.legs[0].option.symbol for each in questions(desk)] == ["SPY"]
    answer(desk, 6000)
    assert [each.order.legs[0].option.symbol for each in questions(desk)] == ["SPY", "SPX"]
    answer(desk, 1000)
    assert [order.legs[0].option.symbol for order in desk.submitted] == ["SPX"]
    assert len(questions(desk)) == 2


# ---------------------------------------------------------------- as a condition of `require`


def asking(bound: str, besides: str = "", **sections: str) -> str:
    legs = f"""
  expiry: {{dte: 0}}
  short_put: {{sell: put, strike: {{delta: 0.10}}}}
  long_put: {{buy: put, strike: {{below: short_put, by: 10 pts}}}}
  require:
    - margin: {bound}
{besides}"""
    return text_of(**{"legs": legs, **sections})


def desk_asking(bound: str, besides: str = "", net: int = 10000, **sections: str) -> Desk:
    desk = Desk((asking(bound, besides, **sections),))
    desk.send(AccountReport(desk.now, Account(net_liquidation=Decimal(net))))
    desk.until("10:00")
    return desk


@pytest.mark.parametrize(("change", "sent"), [(1500, 1), (1501, 0)])
def test_what_the_entry_adds_is_held_against_the_condition(change: int, sent: int) -> None:
    desk = desk_asking("{at_most: 0.15x net_liquidation}")
    assert len(questions(desk)) == 1
    assert not desk.submitted
    answer(desk, 9000, change=change)
    assert len(desk.submitted) == sent
    results = [each.data["words"] for each in desk.said(Kind.VERDICT) if each.data["rule"] == "margin"]
    allowed = "at most 0.15 x $10,000 = $1,500 (the account's net liquidation value)"
    assert results[-1] == f"${change:,}   {allowed}" + ("" if sent else ": $1 too much")
    assert sent or desk.state.bots.by_name["spread"].status_text == f"margin {results[-1]}"


def test_it_is_asked_again_when_the_answer_is_old_and_not_before() -> None:
    desk = desk_asking("{at_most: $1500}")
    answer(desk, 1501, change=1501)
    desk.tick(14)
    assert len(questions(desk)) == 1
    desk.tick(2)
    assert len(questions(desk)) == 2
    answer(desk, 1500, change=1500)
    assert len(desk.submitted) == 1


def test_a_grid_asks_once_at_each_of_its_points() -> None:
    desk = desk_asking("{at_most: $1500}", entry='{window: {from: "10:00", to: "11:00"}, every: 1m}')
    for minute in range(1, 4):
        answer(desk, 2000, change=2000)
        assert len(questions(desk)) == minute
        desk.until(f"10:0{minute}")
    assert len(questions(desk)) == 4


def test_nothing_is_asked_while_another_condition_is_false() -> None:
    desk = desk_asking("{at_most: $1500}", "    - credit: {at_least: 50}\n", entry='{at: "10:00", for: 30m, try: once}')
    desk.tick(30)
    assert not questions(desk)
    assert desk.state.bots.by_name["spread"].day.decided.startswith("credit ")


def test_a_group_that_another_member_decides_needs_no_answer_to_hold() -> None:
    either = "    - name: either\n      any:\n        - margin: {at_most: $1}\n        - credit: {at_least: 0.05}\n"
    desk = desk_asking("{at_most: $1500}", either)
    answer(desk, 1000, change=1000)
    assert len(desk.submitted) == 1


@pytest.mark.parametrize("is_silent", [True, False])
def test_without_an_answer_it_is_unknown_and_nothing_is_sent(is_silent: bool) -> None:
    desk = desk_asking("{at_most: $1500}")
    if is_silent:
        desk.settle(3.1)
        why = "the broker did not say within 3 s what margin it would need"
    else:
        desk.send(
            OrderMessage(
                desk.now, questions(desk)[0].order.order_id, broker_message(201, "Order rejected - reason: no")
            )
        )
        desk.settle(0.5)
        why = "the broker would refuse it: 201 Order rejected - reason: no"
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].status_text == f"margin {why}"
    assert desk.state.bots.by_name["spread"].readings["require", "margin"].evaluation.missing == why
    desk.tick(16)
    answer(desk, 1000, change=1000)
    assert len(desk.submitted) == 1


def test_an_order_at_work_is_not_asked_about_again() -> None:
    desk = desk_asking("{at_most: $1500}", order="{start: mid, step: 0.05, wait: 20s, tries: 4, then: cancel}")
    answer(desk, 1000, change=1000)
    desk.ack(desk.last)
    desk.tick(45)
    assert len(questions(desk)) == 1
    assert desk.last.limit_price != desk.submitted[0].limit_price
    assert not any(isinstance(each, Cancel) for each in desk.commands)


def test_the_whole_order_is_asked_about() -> None:
    desk = desk_asking("{at_most: $1500}", quantity="3", risk="{max_loss_per_trade: $5000}")
    assert questions(desk)[0].order.quantity == 3


def test_one_question_is_under_way_however_the_strikes_move() -> None:
    desk = desk_asking("{at_most: $1500}")
    for strike in (5915, 5920, 5925, 5930, 5935, 5940, 5945):
        row = next(row for contract, row in desk.board.rows.items() if str(contract).endswith(f"{strike}P"))
        desk.board.delta[row] *= 0.5
    desk.tick(1)
    assert len(questions(desk)) == 1
    answer(desk, 1000, change=1000)
    assert len(questions(desk)) == 2
    answer(desk, 2000, change=2000)
    for strike in (5915, 5920, 5925, 5930, 5935, 5940, 5945):
        row = next(row for contract, row in desk.board.rows.items() if str(contract).endswith(f"{strike}P"))
        desk.board.delta[row] *= 2.0
    desk.tick(1)
    assert len(questions(desk)) == 2
    assert len(desk.submitted) == 1  # of what was answered first


def test_between_two_answers_the_last_one_stays_on_record() -> None:
    desk = desk_asking("{at_most: $1500}")
    for _ in range(3):
        answer(desk, 2000, change=2000)
        desk.tick(16)
    assert [each.data["truth"] for each in desk.said(Kind.VERDICT) if each.data["rule"] == "margin"] == [False]


def test_after_a_silence_the_structure_that_is_wanted_by_then_is_asked_about() -> None:
    desk = desk_asking("{at_most: $1500}")
    for strike in (5915, 5920, 5925, 5930, 5935, 5940, 5945):
        row = next(row for contract, row in desk.board.rows.items() if str(contract).endswith(f"{strike}P"))
        desk.board.delta[row] *= 0.5
    desk.tick(1)
    desk.settle(2.1)
    assert len(questions(desk)) == 2
    assert questions(desk)[1].order.legs != questions(desk)[0].order.legs

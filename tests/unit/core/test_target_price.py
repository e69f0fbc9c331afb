"""A target is a price: no order of it closes for less than it promises (language.md, Exits)."""

from decimal import Decimal
from pathlib import Path

import pytest
from hand_desk import CONDOR, Desk, call, put, text_of
from hand_desk import kept as stored

from rulebot.model.order import OrderStatus, OrderType, Purpose
from rulebot.model.position import kept_of
from rulebot.narrate.happenings import event_line
from rulebot.record.record import Kind
from rulebot.store.queries import StoreReader

RISK = "{max_loss_per_trade: $20000}"
LADDER = "{start: mid, step: 0.05, wait: 10s, tries: 3, then: again}"
ENDING = '\n  - time: "15:45"\n    order: market\n'


def held(target: str = "{profit: 50%}", ladder: str = LADDER, more: str = "", above: str = "", **sections: str) -> Desk:
    """Return a desk that holds the spread, 0.70 sold, with this target worked by this ladder."""
    exits = f"{ENDING}{above}  - target: {target}\n    order: {ladder}\n{more}"
    desk = Desk((text_of(exits=exits, **{"risk": RISK, **sections}),))
    desk.opened()
    return desk


def cost(desk: Desk, amount: float, half_width: float = 0.05) -> None:
    """Quote the spread so that closing costs so much at mid, `2 x half_width` more at natural; a second passes."""
    short = 0.30 + amount
    desk.quote(put(5945), short - half_width, short + half_width, -0.104)
    desk.quote(put(5935), 0.30 - half_width, 0.30 + half_width, -0.07)
    desk.tick(1)


def step(desk: Desk) -> None:
    """Let the ladder's wait pass."""
    desk.tick(10)


def wait_in_vain(desk: Desk) -> None:
    """Let the minute pass for which the order waits while its target is not met."""
    for _ in range(7):
        step(desk)


def price(desk: Desk) -> Decimal | None:
    """Return what the closing order at work offers."""
    return desk.order(desk.sent_for(Purpose.EXIT)[-1].ref).limit_price


def withdrawn(desk: Desk) -> list[str]:
    return [str(record.data["reason"]) for record in desk.said(Kind.DECISION, "withdrawn")]


# ---------------------------------------------------------------- the price


def test_the_ladder_steps_to_the_target_price_and_waits_there() -> None:
    desk = held()
    cost(desk, 0.30)
    desk.ack(desk.last)
    seen = [price(desk)]
    for _ in range(5):
        step(desk)
        seen.append(price(desk))
    assert seen == [Decimal("0.30"), *[Decimal("0.35")] * 5], "0.40 would fill at once, and keeps 43%"
    assert desk.position.state == "exiting"


@pytest.mark.parametrize(
    "ladder", ["market", "{start: natural, wait: 10s}", "{start: mid, wait: 10s, tries: 2, then: market}"]
)
def test_no_ladder_goes_past_it(ladder: str) -> None:
    desk = held(ladder=ladder)
    cost(desk, 0.35)
    desk.ack(desk.last)
    for _ in range(6):
        step(desk)
    assert [order.kind for order in desk.sent_for(Purpose.EXIT)] == [OrderType.LIMIT]
    assert price(desk) == Decimal("0.35")


def test_after_its_tries_a_ladder_that_ends_at_market_offers_natural_where_the_target_allows_it() -> None:
    desk = held("{profit: 20%}", "{start: mid, wait: 10s, tries: 2, then: market}")
    cost(desk, 0.35)
    desk.ack(desk.last)
    step(desk)
    assert price(desk) == Decimal("0.35")
    step(desk)
    assert price(desk) == Decimal("0.45"), "natural, where 0.56 is the target"


def test_between_two_ticks_it_takes_the_one_that_keeps_more() -> None:
    desk = held("{cost: 0.43}")
    cost(desk, 0.43)
    assert price(desk) == Decimal("0.40")


def test_a_market_that_moves_away_has_the_order_cancelled_and_the_position_open_again() -> None:
    desk = held()
    cost(desk, 0.35)
    first = desk.last
    desk.ack(first)
    cost(desk, 0.60)
    wait_in_vain(desk)
    assert [order.ref for order in desk.cancels] == [first.ref]
    desk.cancelled(desk.order(first.ref))
    desk.tick(1)
    assert (desk.position.state, desk.position.exit_reason, withdrawn(desk)) == ("open", "", ["target"])
    cost(desk, 0.34)
    assert desk.reasons("exit") == ["target", "target"]
    desk.fill(desk.last)
    assert (desk.position.state, desk.position.exit_price) == ("closed", Decimal("-0.34"))


def test_its_protective_stop_rests_again_once_it_is_withdrawn() -> None:
    desk = held(risk="{max_loss_per_trade: $20000, protect: {cost: 4x credit}}")
    desk.tick(1)
    (guard,) = [order for order in desk.live if order.purpose is Purpose.PROTECT]
    desk.ack(guard)
    cost(desk, 0.35)
    desk.cancelled(desk.order(guard.ref))
    desk.tick(1)
    desk.ack(desk.last)
    cost(desk, 0.60)
    wait_in_vain(desk)
    desk.cancelled(desk.order(desk.sent_for(Purpose.EXIT)[-1].ref))
    desk.tick(1)
    assert [order.purpose for order in desk.live] == [Purpose.PROTECT]


def test_a_leg_that_a_broken_order_has_closed_has_its_partner_closed_too() -> None:
    """Found by chaos: the target was withdrawn, and the long put stood alone for good."""
    desk = held()
    cost(desk, 0.35)
    incomplete = desk.last
    desk.ack(incomplete)
    (short,) = [leg for leg in incomplete.legs if leg.option == put(5945)]
    desk.send(desk.execution(incomplete, short, 1, "0.65"))
    desk.cancelled(desk.order(incomplete.ref))
    desk.quote(put(5935), 0.05, 0.15, -0.07)
    desk.tick(1)
    for _ in range(3):
        step(desk)
    last = desk.last
    assert withdrawn(desk) == ["target"]
    assert (last.purpose, [leg.option for leg in last.legs]) == (Purpose.UNWIND, [put(5935)])


# ---------------------------------------------------------------- a market that moves back and forth


def test_a_quote_that_moves_back_and_forth_leaves_the_order_at_its_price() -> None:
    desk = held()
    cost(desk, 0.33)
    desk.ack(desk.last)
    for amount in (0.40, 0.34, 0.42, 0.34, 0.42, 0.34):
        for _ in range(3):
            cost(desk, amount)
            step(desk)
    assert (len(desk.sent_for(Purpose.EXIT)), desk.cancels, price(desk)) == (1, [], Decimal("0.35"))


def test_it_is_cancelled_at_the_first_step_after_a_minute_in_vain() -> None:
    desk = held()
    cost(desk, 0.35)
    desk.ack(desk.last)
    cost(desk, 0.40)
    seen = []
    for _ in range(8):
        step(desk)
        seen.append(bool(desk.cancels))
    assert seen == [False] * 6 + [True] * 2


def test_while_the_market_is_away_it_goes_to_the_target_price() -> None:
    desk = held()
    cost(desk, 0.30)
    desk.ack(desk.last)
    assert price(desk) == Decimal("0.30")
    cost(desk, 0.45)
    step(desk)
    assert (price(desk), desk.cancels) == (Decimal("0.35"), [])


def test_a_spec_that_allows_less_time_without_a_stop_has_it_back_sooner() -> None:
    risk = "{max_loss_per_trade: $20000, protect: {cost: 4x credit}, max_time_without_stop: 15s}"
    desk = held(risk=risk)
    desk.tick(1)
    (guard,) = [order for order in desk.live if order.purpose is Purpose.PROTECT]
    desk.ack(guard)
    cost(desk, 0.35)
    desk.cancelled(desk.order(guard.ref))
    desk.tick(1)
    desk.ack(desk.last)
    cost(desk, 0.40)
    seen = []
    for _ in range(3):
        step(desk)
        seen.append(desk.order(desk.sent_for(Purpose.EXIT)[-1].ref).status is OrderStatus.CANCELLING)
    assert seen == [False, False, True]


def test_the_price_of_a_stop_that_gave_way_to_it_is_watched() -> None:
    """The order of a target does not follow the market: 4 x 0.70 is bid for the short put while it waits."""
    desk = held(risk="{max_loss_per_trade: $20000, protect: {cost: 4x credit}}")
    desk.tick(1)
    (guard,) = [order for order in desk.live if order.purpose is Purpose.PROTECT]
    desk.ack(guard)
    cost(desk, 0.35)
    desk.cancelled(desk.order(guard.ref))
    desk.tick(1)
    first = desk.last
    desk.ack(first)
    for amount in (2.60, 2.61):
        cost(desk, amount)
    desk.cancelled(desk.order(first.ref))
    desk.tick(1)
    assert desk.reasons("exit") == ["target", "watched_stop"]
    assert (desk.sent_for(Purpose.EXIT)[-1].kind, desk.sent_for(Purpose.EXIT)[-1].reason) == (
        OrderType.MARKET,
        "watched_stop",
    )


def test_without_quotes_it_waits_as_it_is() -> None:
    desk = held(ladder="{start: mid, step: 0.05, wait: 5s, tries: 2, then: market}")
    cost(desk, 0.35)
    desk.ack(desk.last)
    desk.without_data(put(5945), put(5935))
    for _ in range(20):
        desk.tick(5, quiet=True)
    assert [order.kind for order in desk.sent_for(Purpose.EXIT)] == [OrderType.LIMIT]
    assert not desk.cancels


def test_a_stop_below_takes_over_and_only_one_order_works() -> None:
    desk = held(more="  - stop: {cost: 2x credit}\n    order: market\n")
    cost(desk, 0.35)
    first = desk.last
    desk.ack(first)
    cost(desk, 1.60)
    assert desk.reasons("exit") == ["target", "stop"]
    assert desk.order(first.ref).status is OrderStatus.CANCELLING
    assert len(desk.sent_for(Purpose.EXIT)) == 1
    desk.cancelled(desk.order(first.ref))
    desk.tick(1)
    assert [order.reason for order in desk.sent_for(Purpose.EXIT)] == ["target", "stop"]


def test_a_price_of_nothing_is_not_sent() -> None:
    desk = held("{profit: 95%}")
    cost(desk, 0.03)
    assert desk.reasons("exit") == [], "0.035 rounds to 0.00, and nobody sells for nothing"


def test_prices_between_the_cents_are_compared_exactly() -> None:
    """The mids of legs have half cents: a target at 60% was not sent, since each was rounded before they were added."""
    desk = held("{profit: 60%}")
    desk.quote(put(5945), 0.53333, 0.63333, -0.104)
    desk.quote(put(5935), 0.25333, 0.35333, -0.07)
    desk.tick(1)
    assert desk.reasons("exit") == ["target"]
    assert price(desk) == Decimal("0.25"), "on the grid of combos"


def test_natural_judges_what_closes_at_once() -> None:
    desk = held("{profit: 50%, at: natural}")
    cost(desk, 0.30)
    assert desk.reasons("exit") == [], "0.40 at natural"
    cost(desk, 0.25)
    assert desk.reasons("exit") == ["target"]


def test_any_price_is_said_in_words_of_its_own() -> None:
    desk = held(more="    any_price: true\n")
    cost(desk, 0.35)
    desk.ack(desk.last)
    cost(desk, 0.60)
    step(desk)
    step(desk)
    assert price(desk) == Decimal("0.70")
    desk.fill(desk.order(desk.sent_for(Purpose.EXIT)[-1].ref))
    desk.tick(1)
    assert desk.position.state == "closed"
    kept = kept_of(desk.position)
    assert kept is not None
    assert (kept.promised_dollars, kept.kept_dollars, kept.is_missed) == (35, 10, True), "bought back at 0.60"
    assert desk.state.bots.by_name["spread"].day.last_end == "target_missed"


def row_of(desk: Desk, folder: Path) -> dict[str, object]:
    with StoreReader(stored(desk, folder)) as reader:
        (row,) = reader.view("trades")
    names = ("exit_reason", "exit_name", "target_share", "kept_share", "target_dollars", "kept_dollars")
    return {name: row[name] for name in (*names, "exit_slippage")}


def test_a_trade_that_kept_less_is_not_called_a_profit_that_was_taken(tmp_path: Path) -> None:
    desk = held("{profit: 50%}", "market", more="    any_price: true\n")
    cost(desk, 0.35)
    assert desk.last.kind is OrderType.MARKET
    cost(desk, 0.42)
    desk.fill(desk.last)
    assert row_of(desk, tmp_path) == {
        "exit_reason": "TARGET_MISSED",
        "exit_name": "target",
        "target_share": 0.5,
        "kept_share": 0.4,
        "target_dollars": 35.0,
        "kept_dollars": 28.0,
        "exit_slippage": -7.0,
    }


def test_what_a_target_kept_stands_in_its_row(tmp_path: Path) -> None:
    desk = held()
    cost(desk, 0.28)
    desk.fill(desk.last)
    assert row_of(desk, tmp_path) == {
        "exit_reason": "TAKE_PROFIT",
        "exit_name": "target",
        "target_share": 0.5,
        "kept_share": 0.6,
        "target_dollars": 35.0,
        "kept_dollars": 42.0,
        "exit_slippage": 7.0,
    }


def test_what_it_kept_is_on_record() -> None:
    desk = held()
    cost(desk, 0.30)
    desk.fill(desk.last)
    kept = kept_of(desk.position)
    assert kept is not None
    assert (kept.exit, kept.promised_share, kept.promised_dollars) == ("target", Decimal("0.5"), 35)
    assert (kept.kept_dollars, kept.slippage, kept.is_missed) == (40, 5, False)
    assert desk.state.bots.by_name["spread"].day.last_end == "target"


# ---------------------------------------------------------------- the whole trade


def test_dollars_are_of_the_position_after_all_commissions() -> None:
    desk = held("{profit: $35}")
    cost(desk, 0.36)
    assert desk.reasons("exit") == [], "$34"
    cost(desk, 0.35)
    assert desk.reasons("exit") == [], "closing costs commissions"
    cost(desk, 0.32)
    assert desk.reasons("exit") == ["target"]
    assert price(desk) == Decimal("0.30"), "0.35 would leave less than $35 after the commissions of closing"


def sides(desk: Desk, puts: float, calls: float) -> None:
    """Quote a condor whose sides cost so much at mid; a second passes."""
    for short, wing, worth in ((put(5945), put(5935), puts), (call(6055), call(6065), calls)):
        desk.quote(short, 0.25 + worth, 0.35 + worth, -0.10 if short.right.value == "put" else 0.10)
        desk.quote(wing, 0.25, 0.35, -0.07 if short.right.value == "put" else 0.07)
    desk.tick(1)


def test_after_a_side_was_stopped_a_percentage_is_of_the_whole_credit() -> None:
    stop = "  - stop: {cost: 0.9x credit, of: each_side}\n    order: market\n"
    desk = held("{profit: 3%}", above=stop, legs=CONDOR)
    sides(desk, 1.30, 0.10)
    assert desk.reasons("exit") == ["stop.put_side"]
    desk.fill(desk.last)
    sides(desk, 1.30, 0.07)
    assert desk.reasons("exit") == ["stop.put_side"], "1.40 - 1.30 - 0.07 is 2% of 1.40"
    sides(desk, 1.30, 0.05)
    assert desk.reasons("exit") == ["stop.put_side", "target"]
    assert price(desk) == Decimal("0.05")


@pytest.mark.parametrize(("ends", "sent"), [("target", 2), ("time", 1)])
def test_again_goes_by_the_exit_that_closed_the_rest(ends: str, sent: int, tmp_path: Path) -> None:
    """One side was stopped out, and the whole trade has won: it is one win, under the exit that closed the rest."""
    entry = '{window: {from: "10:00", to: "15:00"}, per_day: 3, again: {after: [target], wait: 1m}}'
    stop = "  - stop: {cost: 0.9x credit, of: each_side}\n    order: market\n"
    early = '\n  - time: "14:00"\n    order: market\n'
    exits = f"{early}{stop}  - target: {{profit: 3%}}\n    order: {LADDER}\n"
    desk = Desk((text_of(exits=exits, risk=RISK, entry=entry, legs=CONDOR),))
    desk.opened()
    sides(desk, 1.30, 0.10)
    desk.fill(desk.last)
    if ends == "time":
        desk.until("14:00")
    sides(desk, 1.30, 0.05)
    desk.fill(desk.last)
    (position,) = desk.state.positions.by_id.values()
    assert (position.state, position.exit_reason, position.net > 0) == ("closed", ends, True)
    assert desk.state.bots.by_name["spread"].day.last_end == ends
    desk.market()
    for _ in range(10):
        desk.tick(10)
    assert len([order for order in desk.submitted if order.purpose is Purpose.ENTRY]) == sent
    with StoreReader(stored(desk, tmp_path)) as reader:
        (row,) = (row for row in reader.view("trades") if row["status"] == "CLOSED")
        (found,) = reader.view("strategy_summary")
    assert (row["exit_name"], row["exit_reason"]) == (ends, {"target": "TAKE_PROFIT", "time": "TIME"}[ends])
    assert (found["wins"], found["losses"], found["win_rate"]) == (1, 0, 1.0)


def test_the_price_counts_what_a_closed_side_brought() -> None:
    desk = held("{profit: 25%}", more="  - vix: {above: 30}\n    close: put_side\n", legs=CONDOR)
    desk.level("VIX", 31.0)
    desk.tick(1)
    desk.fill(desk.last)  # at 0.70
    desk.level("VIX", 16.0)
    sides(desk, 0.70, 0.40)
    assert desk.reasons("exit") == ["vix"]
    sides(desk, 0.70, 0.34)
    assert desk.reasons("exit") == ["vix", "target"]
    desk.ack(desk.last)
    step(desk)
    assert price(desk) == Decimal("0.35"), "1.40 - 0.70 - 0.35 is a quarter of 1.40"


def test_a_target_that_comes_and_goes_is_reported_once() -> None:
    desk = held()
    for _ in range(3):
        cost(desk, 0.35)
        desk.ack(desk.last)
        cost(desk, 0.60)
        wait_in_vain(desk)
        desk.cancelled(desk.order(desk.sent_for(Purpose.EXIT)[-1].ref))
        desk.tick(1)
    reported = (event_line(each, desk.state) for each in desk.said(Kind.DECISION))
    assert [each.text for each in reported if each is not None and each.text.startswith("target")] == [
        "target: closing 5935/5945p",
        "target: its price is gone, the order is cancelled; it closes once the price is back",
    ]
    assert len(desk.reasons("exit")) == 3


# ---------------------------------------------------------------- legs that leave one by one


def apart() -> Desk:
    """Return a desk that holds the spread, 0.70 sold, with a target of half of it, and no combo that the broker takes.

    The target was met, and no longer is.
    """
    desk = held(ladder="{start: natural, wait: 10s, tries: 3, then: again}")
    cost(desk, 0.25)
    desk.refuse_combos()
    desk.ack(desk.last)
    cost(desk, 0.60)
    wait_in_vain(desk)
    desk.cancelled(desk.last)
    desk.tick(1)
    assert desk.position.state == "open"
    return desk


def legs_cost(desk: Desk, short: float, wing: float) -> None:
    """Quote the legs around these mids, 0.10 wide; a second passes."""
    desk.quote(put(5945), short - 0.05, short + 0.05, -0.104)
    desk.quote(put(5935), wing - 0.05, wing + 0.05, -0.07)
    desk.tick(1)


def test_a_leg_alone_has_a_price_at_which_the_others_at_natural_keep_the_target() -> None:
    desk = apart()
    before = len(desk.reasons("exit"))
    legs_cost(desk, 0.65, 0.30)
    assert len(desk.reasons("exit")) == before, "0.65 at mid and 0.25 at natural cost 0.40"
    legs_cost(desk, 0.58, 0.30)
    assert desk.reasons("exit")[before:] == ["target"]
    assert (desk.last.legs[0].option, desk.last.limit_price) == (put(5945), Decimal("0.60"))
    desk.ack(desk.last)
    step(desk)
    assert price(desk) == Decimal("0.60"), "0.63 at natural less 0.25 costs 0.38; 0.60 less 0.25 keeps half of 0.70"


def test_once_a_leg_is_closed_the_other_follows_and_what_was_kept_is_reported() -> None:
    desk = apart()
    legs_cost(desk, 0.50, 0.30)
    desk.fill(desk.last)
    legs_cost(desk, 0.50, 0.10)
    assert desk.last.legs[0].option == put(5935)
    desk.ack(desk.last)
    for _ in range(3):
        step(desk)
    assert desk.order(desk.last.ref).limit_price == Decimal("0.05"), (
        "natural: no leg waits for a price without its partner"
    )
    desk.fill(desk.order(desk.last.ref))
    desk.tick(1)
    assert desk.position.state == "closed"
    assert desk.state.bots.by_name["spread"].day.last_end == "target_missed"

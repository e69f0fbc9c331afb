"""A leg of which one structure has several: an order of that leg alone is priced by the piece."""

from decimal import Decimal

import pytest
from hand_desk import SELLER, Desk, text_of

from rulebot.core.program import AccountLimits
from rulebot.core.queries.resting_order import resting_net
from rulebot.model.order import AskMargin
from rulebot.spec.exit_kinds import ExitKind
from rulebot.spec.nouns import Amount, Unit

TWICE = """
  expiry: {dte: {nearest: 90}}
  short_put: {sell: put, ratio: 2, strike: {delta: 0.15}}
"""
SPREAD = """
  expiry: {dte: 0}
  short_put: {sell: put, ratio: 2, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
"""
LADDER = "{start: mid, step: 0.05, wait: 10s, tries: 3, then: cancel}"


def twice(**sections: str) -> Desk:
    """Return a desk whose put seller sells two of a put in one structure."""
    return Desk((text_of("seller", **{**SELLER, "legs": TWICE, "order": LADDER, **sections}),), at="10:00")


@pytest.mark.parametrize(("side", "second"), [("sell", "1.99"), ("buy", "2.01")])
def test_one_leg_of_ratio_two_is_dealt_at_the_price_of_one(side: str, second: str) -> None:
    exits = '\n  - time: "15:45"\n'
    desk = twice(legs=TWICE.replace("sell", side), exits=exits)
    entry = desk.enter("10:01")
    assert (entry.quantity, entry.limit_price, entry.mid) == (2, Decimal("2.00"), Decimal("2.0000"))
    desk.ack(entry)
    desk.tick(10)
    assert desk.order(entry.ref).limit_price == Decimal(second)
    desk.fill(entry, price="2.00")
    desk.until("15:45")
    assert (desk.last.quantity, desk.last.limit_price) == (2, Decimal("2.00"))
    assert desk.position.exit_mid == (Decimal(4) if side == "buy" else Decimal(-4))


def test_a_bound_of_the_structure_is_shared_by_the_pieces_of_its_leg() -> None:
    desk = twice(
        exits='\n  - time: "15:45"\n',
        legs=TWICE + "  require:\n    - credit: {at_least: 3.98}\n",
        order="{start: natural, wait: 10s, tries: 1, then: cancel}",
    )
    assert desk.enter("10:01").limit_price == Decimal("1.99")


def test_a_leg_of_ratio_two_closed_alone_is_bought_at_the_price_of_one() -> None:
    exits = '\n  - time: "15:45"\n  - vix: {above: 30}\n    close: [short_put]\n'
    desk = Desk((text_of(legs=SPREAD, exits=exits, risk="{undefined_risk: allow}"),))
    desk.opened()
    desk.level("VIX", 35.0)
    desk.tick(1)
    assert (desk.last.quantity, desk.last.limit_price) == (2, Decimal("2.30"))


def test_a_leg_of_ratio_two_sent_by_itself_is_sold_at_the_price_of_one() -> None:
    order = "{leg_by_leg: [long_put, short_put], start: mid, step: 0.05, wait: 10s, tries: 3, then: unwind}"
    desk = Desk((text_of(legs=SPREAD, order=order, risk="{undefined_risk: allow}"),))
    desk.fill(desk.enter())
    desk.tick(1)
    assert (desk.last.quantity, desk.last.limit_price) == (2, Decimal("2.30"))


def test_target_and_stop_of_a_leg_of_ratio_two_rest_at_the_price_of_one() -> None:
    desk = twice()
    desk.fill(desk.enter("10:01"), price="2.00")
    target, stop = desk.submitted[-2:]
    assert (target.quantity, target.limit_price) == (2, Decimal("0.80"))
    assert (stop.quantity, stop.stop_price) == (2, Decimal("6.00"))


def test_a_target_of_a_leg_of_ratio_two_is_shown_at_the_price_of_the_structure() -> None:
    desk = twice()
    desk.fill(desk.enter("10:01"), price="2.00")
    bot = desk.program.bots["seller"]
    target = next(planned for planned in bot.plan.exits if planned.kind is ExitKind.TARGET)
    assert resting_net(desk.position, target) == Decimal("-1.60")


def test_the_broker_is_asked_for_the_margin_at_the_price_of_one() -> None:
    limits = AccountLimits(margin=Amount(Decimal(50_000), Unit.DOLLARS))
    desk = Desk((text_of("seller", **{**SELLER, "legs": TWICE}),), limits=limits, at="10:00")
    desk.until("10:01")
    (asked,) = (command.order for command in desk.commands if isinstance(command, AskMargin))
    assert (asked.quantity, asked.limit_price) == (2, Decimal(2))

"""What an entry in steps may lose when its second leg does not fill, held against `max_loss_per_trade`."""

from decimal import Decimal

from hand_desk import Desk, put, text_of

from rulebot.model.order import Order, Purpose

BOUGHT = """
  expiry: {dte: 0}
  long_put: {buy: put, strike: {delta: 0.10}}
  short_put: {sell: put, strike: {below: long_put, by: 10 pts}}
"""
ORDER = "{leg_by_leg: [long_put, short_put], start: mid, step: 0.20, wait: 10s, tries: 4, then: unwind}"
LIMIT = Decimal(90)
"""Dollars: the spread costs $70 at mid, so that it fits."""
FEES = Decimal("3.26")
"""Dollars of opening and closing one SPX put."""


def desk_of(bid: float, ask: float, limit: str = f"max_loss_per_trade: ${LIMIT}") -> Desk:
    """Return a desk on which the first leg is quoted so, and the second at 1.10 to 2.10."""
    text = text_of(legs=BOUGHT, order=ORDER, exits='\n  - time: "15:45"\n', risk=f"{{{limit}}}")
    desk = Desk((text,))
    desk.quote(put(5945), bid, ask, -0.104)
    desk.quote(put(5935), 1.10, 2.10, -0.078)
    desk.until("10:00")
    return desk


def tried(desk: Desk, tries: int = 4) -> list[str]:
    """Return the limit of each try of the order that was sent last."""
    desk.ack(desk.last)
    found = [str(desk.last.limit_price)]
    for _ in range(tries - 1):
        desk.tick(10)
        found.append(str(desk.last.limit_price))
    return found


def test_an_entry_is_refused_whose_first_leg_alone_could_lose_more_than_the_limit() -> None:
    desk = desk_of(1.30, 3.30)
    assert not desk.submitted
    waits = desk.state.bots.by_name["spread"].status_text
    assert (
        waits == "if short_put does not fill, closing long_put again would lose $103.26, max_loss_per_trade is $90.00"
    )


def test_the_same_entry_is_sent_under_a_higher_limit() -> None:
    assert tried(desk_of(1.30, 3.30, "max_loss_per_trade: $104"), 1) == ["2.30"]


def test_no_try_of_the_first_leg_pays_more_than_closing_it_may_lose() -> None:
    assert tried(desk_of(1.80, 2.80)) == ["2.30", "2.50", "2.65", "2.65"]


def test_without_a_limit_the_first_leg_steps_to_natural() -> None:
    assert tried(desk_of(1.80, 2.80, "undefined_risk: allow")) == ["2.30", "2.50", "2.70", "2.80"]


def test_the_limit_of_the_first_leg_goes_with_the_market() -> None:
    desk = desk_of(1.80, 2.80)
    assert tried(desk, 2) == ["2.30", "2.50"]
    desk.quote(put(5945), 1.60, 3.00, -0.104)
    desk.freshen()
    desk.tick(10)
    assert desk.last.limit_price == Decimal("2.45")


def test_a_first_leg_that_is_closed_again_at_once_loses_no_more_than_the_limit() -> None:
    desk = desk_of(1.80, 2.80)
    tried(desk)
    desk.fill(desk.last)
    tried(desk)
    for _ in range(3):
        desk.tick(10)
        if desk.last.purpose is not Purpose.UNWIND:
            desk.cancelled(desk.last)
    assert desk.last.purpose is Purpose.UNWIND
    assert lost(desk.last) == Decimal("88.26")
    assert lost(desk.last) <= LIMIT


def lost(sale: Order) -> Decimal:
    """Return the dollars that buying at 2.65 and this sale lose, with commissions."""
    assert sale.limit_price is not None
    return (Decimal("2.65") - sale.limit_price) * 100 + FEES

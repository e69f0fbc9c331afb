"""A quantity that is counted by a budget: at the entry, on the ladder, and when nothing fits."""

from decimal import Decimal

import pytest
from hand_desk import Desk, put, text_of

from rulebot.model.event import BrokerStatus
from rulebot.model.order import Purpose
from rulebot.record.record import Kind

BASE = {"exits": '\n  - time: "15:45"\n  - stop: {cost: 3x credit}'}


def desk_of(quantity: str, **sections: str) -> Desk:
    """Return a desk whose spread is chosen and priced at 10:00."""
    desk = Desk((text_of(quantity=quantity, **{**BASE, **sections}),))
    desk.until("10:00:05")
    return desk


def asked(desk: Desk) -> int | None:
    entries = [order for order in desk.submitted if order.purpose is Purpose.ENTRY]
    return int(entries[0].quantity) if entries else None


def prices(desk: Desk) -> list[Decimal]:
    """Return what was offered for one structure, try by try."""
    orders = [order for order in (*desk.submitted, *desk.replaced) if order.purpose is Purpose.ENTRY]
    return [abs(order.limit_price) for order in orders if order.limit_price is not None]


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("3", 3),
        ("{max_loss: $2000, at_most: 10}", 2),  # about $930 and commissions each
        ("{max_loss: $2000, at_most: 1}", 1),
        ("{max_loss: $9000, at_most: 4}", 4),
        ("{max_loss: $800, at_most: 4}", None),
        ("{credit: $300, at_most: 10}", 4),
    ],
)
def test_the_entry_has_as_many_as_fit(quantity: str, expected: int | None) -> None:
    desk = desk_of(quantity, risk="{undefined_risk: allow}")
    assert asked(desk) == expected


def test_none_is_no_trade_and_said() -> None:
    desk = desk_of("{max_loss: $500, at_most: 10}", risk="{undefined_risk: allow}")
    assert asked(desk) is None
    waits = desk.state.bots.by_name["spread"].status_text
    assert waits.startswith("quantity: one structure could lose $9")
    assert waits.endswith(", max_loss is $500.00")
    reasons = [record.data["reason"] for record in desk.records if record.kind is Kind.SELECTION]
    assert waits in reasons
    nearest = desk.state.bots.by_name["spread"].nearest
    assert nearest is not None
    assert (nearest.failed, nearest.rule) == (0, "quantity")


def test_a_part_of_an_account_that_is_not_known_waits() -> None:
    desk = desk_of("{max_loss: 0.01x net_liquidation, at_most: 10}", risk="{undefined_risk: allow}")
    assert asked(desk) is None
    assert "net_liquidation of the account is unknown" in desk.state.bots.by_name["spread"].status_text


def test_dollars_in_require_are_of_as_many_as_fit() -> None:
    """One spread brings about $68: three bring more than $180, and two do not."""
    risk = "{undefined_risk: allow}"
    legs = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
  require: [{credit: {at_least: $180}}]
"""
    assert asked(desk_of("{max_loss: $3000, at_most: 10}", legs=legs, risk=risk)) == 3
    assert asked(desk_of("{max_loss: $2000, at_most: 10}", legs=legs, risk=risk)) is None


def test_the_last_rung_fits_too() -> None:
    """Two that fit at mid do not fit three steps further down, so one is sent, and its ladder goes all the way."""
    order = "{start: mid, step: 0.05, wait: 10s, tries: 3, then: cancel}"
    risk = "{undefined_risk: allow}"
    by_count = desk_of("2", order=order, risk=risk)
    first = prices(by_count)[0]
    at_mid = (Decimal(10) - first) * 200 + 14
    tight = desk_of(f"{{max_loss: ${at_mid}, at_most: 10}}", order=order, risk=risk)
    assert asked(tight) == 1
    roomy = desk_of(f"{{max_loss: ${at_mid + 20}, at_most: 10}}", order=order, risk=risk)
    assert asked(roomy) == 2
    one_try = order.replace("tries: 3", "tries: 1")
    assert asked(desk_of(f"{{max_loss: ${at_mid}, at_most: 10}}", order=one_try, risk=risk)) == 2


@pytest.mark.parametrize(
    ("require", "risk"),
    [
        ("[{vix: {above: 1}}]", "{max_loss_per_trade: $7203}"),
        ("[{credit: {at_least: $2797}}]", "{undefined_risk: allow}"),
    ],
)
def test_what_is_not_filled_yet_costs_commissions_too(require: str, risk: str) -> None:
    """One of ten has filled: the price of the others leaves room for the commissions of all."""
    legs = f"""
  expiry: {{dte: 0}}
  short_put: {{sell: put, strike: {{otm: 20 pts}}}}
  long_put: {{buy: put, strike: {{below: short_put, by: 10 pts}}}}
  require: {require}
"""
    order = "{start: mid, step: 0.05, wait: 10s, tries: 9, then: cancel}"
    desk = Desk((text_of(quantity="10", legs=legs, order=order, risk=risk, **BASE),))
    desk.quote(put(5980), 8.80, 9.40, -0.30)
    desk.quote(put(5970), 5.85, 6.35, -0.25)
    entry = desk.enter()
    desk.ack(entry)
    for execution in desk.executions_of(entry, 1):
        desk.send(execution)
        desk.commission(execution, "1.34")
    desk.report(entry, BrokerStatus.WORKING, 1)
    for _ in range(9):
        desk.tick(10.0)
    lowest = min(prices(desk))
    assert lowest < Decimal("3.00")
    kept = Decimal("3.00") * 100 + lowest * 900 - 10 * 2 * Decimal("1.34")
    assert kept >= 2797


def test_a_market_that_moves_away_is_not_followed_past_the_budget() -> None:
    order = "{start: mid, step: 0.05, wait: 10s, tries: 3, then: cancel}"
    lowest = []
    for quantity in ("{max_loss: $1900, at_most: 10}", "2"):
        desk = desk_of(quantity, order=order, risk="{undefined_risk: allow}")
        assert asked(desk) == 2
        sent = desk.submitted[0]
        desk.ack(sent)
        short = max((leg.option for leg in sent.legs), key=lambda option: option.strike)
        row = desk.board.rows[short]
        desk.quote(short, desk.board.bid[row] - 0.30, desk.board.ask[row] - 0.30)
        for _ in range(4):
            desk.tick(10.0)
        lowest.append(min(prices(desk)))
    assert (Decimal(10) - lowest[0]) * 200 <= Decimal(1900)
    assert lowest[1] < lowest[0]

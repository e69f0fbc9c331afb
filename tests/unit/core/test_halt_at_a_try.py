"""A halt, or a loss of the day, at the instant at which a further try or leg of an entry is due: none is sent."""

from decimal import Decimal
from math import nan

import pytest
from hand_desk import NO_LIMITS, Desk, put, text_of

from rulebot.checks.journal.audit import audit
from rulebot.core.program import AccountLimits
from rulebot.model.order import Purpose
from rulebot.record.record import Kind

AGAIN = '{window: {from: "10:00", to: "13:00"}, per_day: 3, max_open: 3, again: {after: [filled], wait: 10m}}'
EXITS = '\n  - time: "15:45"\n'
PAUSES = "{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 5s, then: cancel}"
LEGGED = "{start: mid, step: 0.05, wait: 10s, tries: 3, leg_by_leg: [long_put, short_put], then: unwind}"
RISK = "{max_loss_per_trade: $2000, daily_loss: $50, halt_when: [{vix: {above: 40}}]}"


def between_tries() -> Desk:
    """Return a desk that holds one spread, and on which a second one waits for its next try, due in five seconds."""
    desk = Desk((text_of(entry=AGAIN, order=PAUSES, exits=EXITS, risk=RISK),))
    desk.opened()
    desk.until("10:10")
    desk.ack(desk.last)
    desk.tick(10)
    desk.cancelled(desk.last)
    return desk


@pytest.mark.parametrize("how", ["the day's loss is $300.00, daily_loss is $50.00", "vix 45.00   above 40"])
def test_no_further_try_is_sent_at_the_instant_of_a_halt(how: str) -> None:
    """It left, and was taken back after it: it could fill in between, and no record said that it had been sent."""
    desk = between_tries()
    sent = len(desk.submitted)
    if how.startswith("vix"):
        desk.level("VIX", 45.0)
    else:
        desk.quote(put(5945), 5.25, 5.35, -0.104)
    desk.tick(5)
    assert len(desk.submitted) == sent
    assert desk.position.state == "closed"
    assert [record.data["reason"] for record in desk.said(Kind.DECISION, "halt")] == [how]
    assert [record.data["reason"] for record in desk.said(Kind.DECISION, "unfilled")] == [f"halted: {how}"]
    desk.until("15:45", step=300)
    desk.fill(desk.last)
    assert [found for found in audit(enumerate(desk.records, 1)) if not found.holds] == []


@pytest.mark.parametrize("order", [PAUSES, "{start: mid, step: 0.05, wait: 10s, tries: 3, then: cancel}"])
def test_no_further_try_is_made_while_what_halts_cannot_be_judged(order: str) -> None:
    """Its price went on step by step, though no entry would have been sent: what is unknown never enters."""
    desk = Desk((text_of(entry='{window: {from: "10:00", to: "13:00"}}', order=order, exits=EXITS, risk=RISK),))
    desk.ack(desk.enter())
    desk.tick(5)
    desk.level("VIX", nan)
    desk.tick(5)
    desk.cancelled(desk.last)
    for _ in range(3):
        desk.tick(5)
    assert (len(desk.submitted), desk.replaced, desk.position.state) == (1, [], "closed")
    assert desk.said(Kind.DECISION, "unfilled")[0].data["reason"] == "halt condition vix unknown: VIX: no price"


def test_no_next_leg_is_sent_past_the_days_loss() -> None:
    """The limit was asked of the first leg alone until a quote moved."""
    desk = Desk((text_of(order=LEGGED, exits=EXITS, risk=RISK),))
    first = desk.enter()
    desk.quote(put(5935), 0.25, 0.35, -0.07)
    desk.fill(first, price="1.60")
    assert [order.purpose for order in desk.submitted] == [Purpose.ENTRY, Purpose.UNWIND]


@pytest.mark.parametrize("partly", [False, True])
@pytest.mark.parametrize("how", ["all bots", "the day's loss", "vix"])
def test_no_nearer_price_is_asked_for_at_the_instant_of_a_halt(how: str, partly: bool) -> None:
    """The order that works was changed to the next price, and taken back after it: it could fill in between."""
    limits = AccountLimits(daily_loss=Decimal(50)) if how == "all bots" else NO_LIMITS
    risk = RISK if how != "all bots" else "{max_loss_per_trade: $2000}"
    desk = Desk((text_of(entry=AGAIN, quantity="2", exits=EXITS, risk=risk),), limits=limits)
    desk.opened()
    desk.until("10:10")
    desk.ack(desk.last)
    if partly:
        desk.fill(desk.last, 1)
    changed = len(desk.replaced)
    if how == "vix":
        desk.level("VIX", 45.0)
    else:
        desk.quote(put(5945), 5.25, 5.35, -0.104)
    desk.tick(10)
    assert len(desk.replaced) == changed
    assert desk.cancels[-1].ref == desk.last.ref
    assert desk.said(Kind.DECISION, "halt")

"""Bots that are taken out of the files, and put back: what works to enter for them, and halts of the whole account."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from hand_desk import Desk, bot_of, put, text_of

from rulebot.core.handle_event import reload
from rulebot.core.program import AccountLimits
from rulebot.core.session.reloading import changes_between
from rulebot.model.cause import Halt
from rulebot.model.event import Request
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.session import session_after
from rulebot.record.record import Kind

LATER = text_of("later", entry='{window: {from: "11:30", to: "13:00"}}')
PATIENT = "{start: mid, step: 0.05, wait: 10s, tries: 3, then: cancel}"
PAUSES = "{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 5s, then: cancel}"
AT_MOST_100 = AccountLimits(daily_loss=Decimal(100))


def runs(desk: Desk, *texts: str) -> None:
    """Let these texts run from now on, none of them changed."""
    bots = {bot.plan.name: bot for bot in map(bot_of, texts)}
    pinned = {**desk.program.pinned, **{bot.plan.digest: bot for bot in desk.program.bots.values()}}
    desk.program = replace(desk.program, bots=bots, pinned=pinned)


def reloaded(desk: Desk, *texts: str) -> None:
    was = {name: bot.plan.digest for name, bot in desk.program.bots.items()}
    runs(desk, *texts)
    changes = changes_between(was, {name: bot.plan.digest for name, bot in desk.program.bots.items()})
    desk.take(reload(desk.program, desk.state, desk.now, changes))


def restarted(desk: Desk, *texts: str) -> None:
    runs(desk, *texts)
    desk.start_again()
    desk.link()


# ---------------------------------------------------------------- the account has lost what it may


def lost_for_a_while(desk: Desk) -> None:
    """Let all bots together have lost $300 at one instant, and nothing at the next."""
    for cost in (5.2, 2.2):
        desk.quote(put(5945), cost - 0.05, cost + 0.05, -0.104)
        desk.tick(1)


@pytest.mark.parametrize("take_over", [reloaded, restarted])
def test_a_bot_that_was_removed_is_halted_with_all_when_it_is_added_again(take_over: Callable[..., None]) -> None:
    desk = Desk((text_of("one", exits='\n  - time: "15:45"\n'), LATER), limits=AT_MOST_100)
    desk.scrambles = False  # what people are told after the start is looked at
    desk.opened()
    take_over(desk, desk.texts[0])
    lost_for_a_while(desk)
    take_over(desk, *desk.texts)
    desk.until("11:35", step=60)
    assert str(desk.state.bots.by_name["later"].day.halted).startswith("the account's loss today")
    assert [order.bot for order in desk.submitted] == ["one"]
    desk.ask(Request.RESUME, "later")
    desk.tick(1)
    assert [order.bot for order in desk.submitted] == ["one", "later"]


@pytest.mark.parametrize(
    ("halt", "reason"),
    [
        (Halt.ACCOUNT_LOSS, "the account's loss today is $300.00, its daily_loss is $100.00"),
        (Halt.ACCOUNT_PROFIT, "the account's profit today is $300.00, its daily_profit is $100.00"),
    ],
)
def test_so_is_one_that_was_removed_on_an_earlier_day_of_the_week(halt: Halt, reason: str) -> None:
    one, other = text_of("one"), text_of("other", exits='\n  - time: "15:45"\n', entry='{at: "10:30"}')
    desk = Desk((one, other), limits=AT_MOST_100)
    desk.fill(desk.enter())
    desk.until("15:45")
    desk.fill(desk.last)
    reloaded(desk, other)
    desk.day = session_after(desk.day).date
    desk.until("09:45")
    assert "one" not in desk.state.bots.present
    before = desk.state.bots.by_name["other"].day
    halted = before.halted_for(halt, reason)
    bots = {**desk.state.bots.by_name, "other": replace(desk.state.bots.by_name["other"], day=halted)}
    desk.state = desk.state._replace(bots=replace(desk.state.bots, by_name=bots))
    reloaded(desk, one, other)
    assert desk.state.bots.by_name["one"].day.halted == halted.halted
    assert desk.state.bots.by_name["one"].day.week == 1


# ---------------------------------------------------------------- what is at work to enter


@pytest.mark.parametrize("order", [PATIENT, PAUSES])
@pytest.mark.parametrize("left", [(), (LATER,)])
def test_an_entry_at_work_of_a_bot_that_a_start_finds_removed_is_cancelled(order: str, left: tuple[str, ...]) -> None:
    """Its price was stepped on, and it filled, also where exits alone were to be watched."""
    desk = Desk((text_of("one", order=order), LATER))
    entry = desk.enter()
    desk.ack(entry)
    restarted(desk, *left)
    assert desk.order(entry.ref).status is OrderStatus.CANCELLING
    desk.cancelled(entry)
    desk.until("10:05", step=5)
    assert len(desk.submitted) == 1
    assert not desk.replaced
    assert [record.data["reason"] for record in desk.said(Kind.DECISION, "unfilled")] == ["its bot is not loaded"]


def test_no_further_try_is_sent_for_a_bot_that_a_start_finds_removed() -> None:
    desk = Desk((text_of("one", order=PAUSES), LATER))
    desk.ack(desk.enter())
    desk.tick(10)
    desk.cancelled(desk.last)
    restarted(desk, LATER)
    desk.tick(5)
    assert len(desk.submitted) == 1
    assert desk.position.state == "closed"


def test_what_has_filled_of_it_is_closed_by_its_text() -> None:
    desk = Desk(
        (text_of("one", quantity="2", exits='\n  - time: "15:45"\n', risk="{max_loss_per_trade: $4000}"), LATER)
    )
    entry = desk.enter()
    desk.fill(entry, 1)
    restarted(desk, LATER)
    desk.cancelled(desk.order(entry.ref), 1)
    assert (desk.position.state, desk.position.structures) == ("open", 1)
    desk.until("15:45", step=60)
    assert (desk.last.bot, desk.last.purpose, desk.last.quantity) == ("one", Purpose.EXIT, 1)

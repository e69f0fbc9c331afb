"""Opportunities, the gate of limits, and the lifecycle as transitions enforces it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hand_desk import DAY, HALF_DAY, bot_of, clock, text_of

from rulebot.compile.lint.lint_context import window_words
from rulebot.compile.plan import LIFECYCLE, DayBounds
from rulebot.decide.entry_window import BotDay, Opportunity, opportunity
from rulebot.decide.limits import Cap, DayTrades, PreTradeCheck, refusal
from rulebot.decide.machine import can, next_state
from rulebot.model.cause import Halt
from rulebot.model.errors import InvariantError
from rulebot.model.session import session_from
from rulebot.spec.load import load_text

FREE = PreTradeCheck(
    at=clock("10:00"),
    is_ready=True,
    reduces="",
    is_paused=False,
    halted="",
    worst_case=Decimal(900),
    max_loss_per_trade=Decimal(1000),
    undefined_risk=False,
    bot_today=Decimal(0),
    bot_day=DayBounds(loss=Decimal(500), profit=Decimal(300)),
    account_today=Decimal(0),
    account_day=DayBounds(loss=Decimal(1000), profit=Decimal(700)),
    open_positions=0,
    account_max_open=2,
    conflicts=(),
    sent=(),
    orders_per_minute=2,
    stopped="",
    together=Cap(Decimal(5000), Decimal(5000)),
    margin=Cap(Decimal(7000), Decimal(7000)),
    puts=Cap(Decimal(60000), Decimal(60000)),
    contracts=4,
    max_contracts=4,
    notional=Decimal(2400000),
    max_notional=Decimal(2400000),
    price=Decimal("0.50"),
    mid=Decimal("1.00"),
    band=Decimal("0.50"),
    entries_today=1,
    entries_per_day=2,
    day_trades=DayTrades(left=1, net_liquidation=Decimal("24999.99"), at_work=0, closes_today=True),
)
NONE_LEFT = DayTrades(left=0, net_liquidation=Decimal("24999.99"), at_work=0, closes_today=True)


def test_a_proposal_within_every_limit_is_not_refused() -> None:
    assert refusal(FREE) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"is_ready": False}, "not in step"),
        ({"is_paused": True}, "paused"),
        ({"reduces": "only reducing"}, "only reducing"),
        ({"halted": "vix"}, "halted: vix"),
        ({"rival": "another rulebot trades this account"}, "another rulebot"),
        ({"worst_case": None}, "its loss has no bound, max_loss_per_trade is $1,000.00"),
        ({"worst_case": None, "undefined_risk": True}, "its loss has no bound, max_loss_per_trade is $1,000.00"),
        ({"worst_case": None, "max_loss_per_trade": None}, "no bound, and the spec does not allow that"),
        ({"worst_case": Decimal("1000.01")}, "max_loss_per_trade"),
        ({"bot_today": Decimal(-500)}, "the day's loss is $500.00"),
        ({"account_today": Decimal(-1000)}, "the account's loss"),
        ({"open_positions": 2}, "max_open is 2"),
        ({"conflicts": ("SPXW by other",)}, "the other way round"),
        ({"sent": (clock("09:59:30"), clock("09:59:59"))}, "orders_per_minute"),
        ({"stopped": "trading is halted in SPX, SPY"}, "trading is halted in SPX, SPY"),
        (
            {"together": Cap(Decimal("5000.01"), Decimal(5000))},
            "all bots together could lose $5,000.01, worst_case is at most $5,000.00",
        ),
        (
            {"margin": Cap(Decimal("7000.01"), Decimal(7000))},
            "the account would need $7,000.01 of margin, margin is at most $7,000.00",
        ),
        ({"margin": Cap(None, Decimal(7000), "silence")}, "silence"),
        ({"together": Cap(None, Decimal(5000), "has no bound: x")}, "has no bound: x"),
        ({"together": Cap(Decimal(1), None, "net_liquidation is unknown")}, "net_liquidation is unknown"),
        (
            {"puts": Cap(Decimal(120000), Decimal(60000))},
            "the short puts of all bots need $120,000.00, cash_secured_puts has $60,000.00",
        ),
        ({"contracts": 5}, "an order of 5 contracts, max_contracts_per_order is 4"),
        ({"notional": Decimal(2400001)}, "an order over $2,400,001.00, max_notional_per_order is $2,400,000.00"),
        ({"price": Decimal("0.49")}, "its price would be 0.51 from the mid, price_band is 0.50"),
        ({"price": Decimal("1.51")}, "its price would be 0.51 from the mid, price_band is 0.50"),
        ({"bot_today": Decimal(300)}, "the day's profit is $300.00, daily_profit is $300.00"),
        ({"account_today": Decimal(700)}, "the account's profit today is $700.00, its daily_profit is $700.00"),
        ({"mid": None}, "no mid that its price could be held against"),
        ({"band": None}, "no mid that its price could be held against"),
        ({"price": None}, "no mid that its price could be held against"),
        ({"entries_today": 2}, "all bots together have sent 2 today, entries_per_day is 2"),
        ({"day_trades": NONE_LEFT}, "no day trade remains: the broker allows 0, and the account is under $25,000.00"),
        ({"day_trades": replace(NONE_LEFT, net_liquidation=None)}, "no day trade remains"),
        (
            {"day_trades": replace(NONE_LEFT, left=2, at_work=2)},
            "no day trade remains: the broker allows 2, 2 of them for positions of today, and the account is under",
        ),
    ],
)
def test_each_limit_refuses_in_words(changes: dict[str, object], words: str) -> None:
    assert words in refusal(replace(FREE, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"worst_case": None, "undefined_risk": True, "max_loss_per_trade": None},
        {"worst_case": Decimal(1000)},
        {"bot_today": Decimal("-499.99")},
        {"bot_today": Decimal("299.99"), "account_today": Decimal("699.99")},
        {"bot_day": DayBounds(), "bot_today": Decimal(-9999)},
        {"bot_day": DayBounds(), "bot_today": Decimal(9999)},
        {"account_day": DayBounds(), "account_today": Decimal(-9999)},
        {"account_day": DayBounds(), "account_today": Decimal(9999)},
        {"bot_day": DayBounds(profit=Decimal(300)), "unvalued": ("a",), "account_day": DayBounds()},
        {"account_max_open": None, "open_positions": 99},
        {"sent": (clock("09:59:00"), clock("09:59:30"))},
        {"orders_per_minute": None, "sent": (clock("10:00"),) * 9},
        {"together": None, "puts": None, "margin": None},
        {"max_contracts": None, "max_notional": None, "contracts": 10**6, "notional": Decimal(10**12)},
        {"price": Decimal("1.50")},
        {"price": Decimal("-0.20"), "mid": Decimal("0.20")},
        {"entries_per_day": None, "entries_today": 999},
        {"day_trades": None},
        {"day_trades": replace(NONE_LEFT, closes_today=False)},
        {"day_trades": replace(NONE_LEFT, net_liquidation=Decimal(25000))},
        {"day_trades": replace(NONE_LEFT, left=None, at_work=9)},
        {"day_trades": replace(NONE_LEFT, left=2, at_work=1)},
    ],
)
def test_what_is_just_within_a_limit_passes(changes: dict[str, object]) -> None:
    assert refusal(replace(FREE, **changes)) == ""  # type: ignore[arg-type]


# ---------------------------------------------------------------- opportunities


def found(entry: str, day: BotDay | None = None, now: str = "10:30", open_now: int = 0) -> Opportunity:
    bot = bot_of(text_of(entry=entry))
    session = session_from(DAY)
    return opportunity(
        bot.plan.entry, session, bot.window(session, clock(now)), day or BotDay(bot="b", date=DAY), open_now, clock(now)
    )


WINDOW = '{window: {from: "10:00", to: "11:00"}}'
AGAIN = (
    '{window: {from: "10:00", to: "11:00"}, per_day: 3, max_open: 3, again: {after: [unfilled], wait: 5m, at_most: 1}}'
)
ENDED = BotDay(bot="b", date=DAY, entries=1, last_end="unfilled", last_end_at=clock("10:00"))


def test_before_the_window_it_says_when() -> None:
    assert found(WINDOW, now="09:59") == Opportunity(False, "", clock("10:00"))


@pytest.mark.parametrize(("now", "is_open"), [("10:00", True), ("10:59:59", True), ("11:00", False)])
def test_a_window_holds_its_start_and_not_its_end(now: str, is_open: bool) -> None:
    assert found(WINDOW, now=now).is_open is is_open


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (BotDay(bot="b", date=DAY, halt=Halt.RUNAWAY, halted="x"), "halted: x"),
        (BotDay(bot="b", date=DAY, decided="x"), "decided once: x"),
        (BotDay(bot="b", date=DAY, opened=1), "1 of 1 a day"),
        (ENDED, "its one entry was sent"),
    ],
)
def test_what_ends_a_day(day: BotDay, reason: str) -> None:
    assert found(WINDOW, day) == Opportunity(False, reason, None, True, found(WINDOW, day).shut)


def test_max_open_looks_again() -> None:
    assert found(WINDOW, open_now=1).look_again == clock("11:00")


@pytest.mark.parametrize(
    ("changes", "is_open"),
    [
        ({}, True),
        ({"last_end_at": clock("10:25:01")}, False),
        ({"last_end_at": clock("10:25")}, True),
        ({"last_end": "stop"}, False),
        ({"reentries": 1}, False),
        ({"last_end": "", "last_end_at": None}, False),
    ],
)
def test_again_enters_only_after_its_exit_in_time_and_number(changes: dict[str, object], is_open: bool) -> None:
    assert found(AGAIN, replace(ENDED, **changes)).is_open is is_open  # type: ignore[arg-type]


@pytest.mark.parametrize("end", ["unfilled", "filled", "stop", "flattened"])
def test_again_after_any_is_after_every_end(end: str) -> None:
    assert found(AGAIN.replace("[unfilled]", "[any]"), replace(ENDED, last_end=end)).is_open
    assert not found(AGAIN.replace("[unfilled]", "[any]"), replace(ENDED, last_end="", last_end_at=None)).is_open


def test_again_waits_until() -> None:
    assert found(AGAIN, replace(ENDED, last_end_at=clock("10:29"))).look_again == clock("10:29") + timedelta(minutes=5)


@pytest.mark.parametrize(("now", "is_open"), [("10:29:59", True), ("10:30", False)])
def test_again_until_a_time_does_not_hold_it_as_a_window_does_not(now: str, is_open: bool) -> None:
    """An entry at the very second was sent, where a window `to` that time is over."""
    entry = AGAIN.replace("wait: 5m", 'wait: 5m, until: "10:30"')
    answer = found(entry, ENDED, now=now)
    assert (answer.is_open, answer.reason) == (is_open, "" if is_open else "not again from 10:30 on")


def test_a_window_ends_at_the_time_exit() -> None:
    bot = bot_of(text_of(entry='{window: {from: "10:00", to: "15:59"}}'))
    assert bot.windows(session_from(DAY))[0][1] == clock("15:45")
    assert bot.windows(session_from(HALF_DAY))[0][1] == clock("12:45", HALF_DAY)


def test_a_window_of_a_half_day_ends_by_its_own_words_where_these_come_first() -> None:
    """On other days it is from 10:00 to the time exit at 12:50: a half day it went on to 12:50, past its end."""
    text = text_of(entry='{window: {from: "10:00", to: close - 99m}}', exits='\n  - time: "12:50"')
    assert bot_of(text).windows(session_from(DAY))[0][1] == clock("12:50")
    assert bot_of(text).windows(session_from(HALF_DAY))[0][1] == clock("11:21", HALF_DAY)


LAST = '{name: last, time: "15:45"}'


@pytest.mark.parametrize(
    ("exits", "end"),
    [
        (f'[{{time: "11:00", close: 50%}}, {LAST}]', "15:45"),
        (f'[{{time: "11:00", close: 60%}}, {LAST}]', "11:00"),
        (f'[{{time: "11:00", close: put_side}}, {LAST}]', "11:00"),
        (f'[{{time: "11:00", close: [short_put]}}, {LAST}]', "15:45"),
        (f'[{{time: "11:00", close: [short_put]}}, {{name: b, time: "12:00", close: [long_put]}}, {LAST}]', "12:00"),
        (f'[{{time: "11:00", activate_when: {{profit: {{at_least: 30%}}}}}}, {LAST}]', "15:45"),
        (f'[{{time: "11:00", roll: {{expiry: {{dte: 1}}}}}}, {LAST}]', "15:45"),
        ('[{time: "11:00", close: 50%}, {at_expiry: settle}]', "15:59"),
    ],
)
def test_a_time_exit_that_may_leave_something_ends_no_window(exits: str, end: str) -> None:
    text = text_of(entry='{window: {from: "10:00", to: "15:59"}}', exits=f" {exits}", quantity="2")
    assert bot_of(text).windows(session_from(DAY))[0][1] == clock(end)
    spec = load_text(text).spec
    assert spec is not None
    assert window_words(spec) == f"10:00 to {end}"


# ---------------------------------------------------------------- the lifecycle


def test_every_row_moves_and_nothing_else_does() -> None:
    rows = {(row.state, row.trigger): row.next for row in LIFECYCLE.rows}
    triggers = {row.trigger for row in LIFECYCLE.rows}
    for state in LIFECYCLE.states:
        for trigger in triggers:
            assert can(LIFECYCLE, state, trigger) is ((state, trigger) in rows)
            if (state, trigger) in rows:
                assert next_state(LIFECYCLE, state, trigger) == rows[state, trigger]
            else:
                with pytest.raises(InvariantError, match=f"'{state}' cannot take '{trigger}'"):
                    next_state(LIFECYCLE, state, trigger)

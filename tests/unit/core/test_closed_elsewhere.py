"""What others close of ours: booked at their price where the broker tells it, and only where it is just that."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hand_desk import SELLER, Desk, clock, kept, put, text_of

from rulebot.alerts.find import digest
from rulebot.cli.summary import summary
from rulebot.fill.exit_level import profit
from rulebot.model.contract import Option, Underlying
from rulebot.model.event import BrokerStatus, CommissionReport, ExecutionReport, Request
from rulebot.model.facts import EventCalendar
from rulebot.model.market import Board
from rulebot.model.order import ExecutionId, Purpose
from rulebot.model.session import session_after
from rulebot.narrate.day_report import day_outcome
from rulebot.narrate.positions import exit_text
from rulebot.narrate.snapshot_of_store import snapshot_of_store
from rulebot.narrate.why import explanation_lines, why_day
from rulebot.record.record import Kind
from rulebot.recovery.resume import resume
from rulebot.store.queries import StoreReader
from rulebot.web.rest_mapping import positions

SHORT, LONG = put(5945), put(5935)
SOLD = put(586, "SPY", date(2027, 2, 19))


def others(
    desk: Desk,
    option: Option,
    count: int,
    price: str,
    *,
    liquidates: bool = False,
    paid: str = "1.64",
    at: datetime | None = None,
) -> ExecutionReport:
    """Let somebody else trade so many contracts (- sold), `at` a time, and the broker tell it with its commission."""
    desk.executions += 1
    report = ExecutionReport(
        at=desk.now,
        exec_id=ExecutionId(f"0009.{desk.executions:04d}"),
        ref="",
        order_id=0,
        perm_id=77,
        client_id=0,
        option=replace(option, con_id=int(option.strike)),
        is_combo=False,
        is_buy=count > 0,
        quantity=Decimal(abs(count)),
        price=Decimal(price),
        executed_at=at or desk.now,
        is_liquidation=liquidates,
    )
    desk.is_shown = False
    desk.send(report)
    if paid:
        desk.send(CommissionReport(desk.now, report.exec_id, Decimal(paid)))
    return report


def gone(desk: Desk, *options: Option) -> None:
    for option in options:
        desk.holds(option, 0)
    for _ in range(7):
        desk.tick(5)


def test_what_a_person_has_closed_is_booked_at_the_price_that_the_broker_reports() -> None:
    desk = Desk()
    opened = desk.opened()
    others(desk, LONG, -1, "4.80")
    others(desk, SHORT, 1, "7.40")
    gone(desk, LONG, SHORT)
    closed = desk.position
    assert (closed.state, closed.exit_reason, exit_text(closed)) == (
        "closed",
        "closed_by_hand",
        "closed by hand at 2.60",
    )
    assert closed.cash == opened.cash + 480 - 740
    assert closed.commissions - opened.commissions == Decimal("3.28")
    assert desk.day_of().realized == closed.net
    assert {each.data["purpose"] for each in desk.said(Kind.FILL)[-2:]} == {"by_others"}


def test_what_others_close_has_the_contract_number_that_is_reported_with_it() -> None:
    """The entry's own fills were never told, and so its legs had no number: the execution was booked without one."""
    desk = Desk()
    opened = desk.opened()
    legs = tuple(replace(leg, option=replace(leg.option, con_id=0)) for leg in opened.legs)
    desk.state = desk.state._replace(
        positions=replace(desk.state.positions, by_id={opened.id: replace(opened, legs=legs)})
    )
    others(desk, LONG, -1, "4.80", liquidates=True)
    desk.holds(LONG, 0)
    for _ in range(7):
        desk.tick(1)
    assert [(each.data["leg"], each.data["con_id"]) for each in desk.said(Kind.FILL)[-1:]] == [("long_put", 5935)]
    assert [leg.option.con_id for leg in desk.position.legs] == [0, 5935]


def test_what_a_person_has_closed_while_no_engine_ran_is_booked_where_the_entry_is_reported_as_late() -> None:
    """The position was taken for opened when its fills were told, so what closed it before was none of it."""
    desk = Desk()
    order = desk.enter("10:00")
    desk.ack(order)
    desk.unlink()
    desk.now = clock("12:30")
    desk.is_shown = False
    for report in desk.executions_of(order, 1):
        desk.send(replace(report, executed_at=clock("10:00:40")))
    others(desk, LONG, -1, "4.80", at=clock("11:00"))
    others(desk, SHORT, 1, "7.40", at=clock("11:00"))
    desk.link([], {})
    for _ in range(7):
        desk.tick(5)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "closed_by_hand")
    assert desk.position.closed_at == clock("11:00")


def corrected(desk: Desk, report: ExecutionReport, price: str, quantity: int = 1) -> None:
    reported = replace(report, exec_id=report.exec_id.next, price=Decimal(price), quantity=Decimal(quantity))
    desk.send(reported)
    desk.send(reported)


def test_a_price_that_the_exchange_corrects_counts_whether_it_is_booked_or_not() -> None:
    desk = Desk()
    opened = desk.opened()
    corrected(desk, others(desk, LONG, -1, "4.80"), "4.90")
    report = others(desk, SHORT, 1, "7.40")
    gone(desk, LONG, SHORT)
    assert desk.position.cash == opened.cash + 490 - 740
    corrected(desk, report, "7.00")
    closed = desk.position
    assert (closed.cash, closed.commissions_pending) == (opened.cash + 490 - 700, opened.commissions_pending)
    assert closed.commissions - opened.commissions == Decimal("3.28")
    assert desk.day_of().realized == closed.net
    fills = [each.data for each in desk.said(Kind.FILL)[-3:]]
    assert [(str(each["exec_id"])[-2:], each["price"]) for each in fills] == [
        ("02", "4.90"),
        ("01", "7.40"),
        ("02", "7.00"),
    ]
    assert {each["ref"] for each in fills} == {""}, "no order of ours"


@pytest.mark.parametrize("left", [0, 1])
def test_what_others_have_closed_and_the_exchange_takes_back_is_held_again_and_its_exits_act(left: int) -> None:
    """The books kept it closed: the account had it, and no exit acted on it, whatever a person said."""
    desk = Desk((text_of(quantity="2", risk="{max_loss_per_trade: $5000}"),))
    opened = desk.opened()
    others(desk, LONG, -2, "4.80")
    report = others(desk, SHORT, 2, "7.40")
    gone(desk, LONG, SHORT)
    assert desk.position.state == "closed"
    corrected(desk, report, "7.40", quantity=left)
    desk.holds(SHORT, left - 2)
    for _ in range(8):
        desk.tick(5)
    position = desk.position
    assert (position.state != "closed", [leg.held for leg in position.legs]) == (True, [2 - left, 0])
    assert position.cash == opened.cash + 960 - 740 * left
    assert not position.hold
    assert sum("the exchange busted" in text for text in desk.alarms) == 1
    kept = opened.legs[0].entry_cash * (2 - left) / 2
    commissions = [Decimal("1.64"), Decimal("3.28")][left]  # 0.82 a contract, in and out, as far as they are told
    made = position.cash - kept - commissions
    assert desk.day_of().realized == made
    found = resume(desk.records, desk.now, Board(), EventCalendar()).state
    assert dict(found.positions.by_id) == dict(desk.state.positions.by_id)
    desk.until("15:46", step=60)
    assert (desk.last.purpose.value, desk.last.quantity, desk.last.side.value) == ("exit", 2 - left, "buy")


def test_more_than_was_reported_first_is_not_booked_when_it_is_corrected() -> None:
    desk = Desk()
    desk.opened()
    others(desk, LONG, -1, "4.80")
    report = others(desk, SHORT, 1, "7.40")
    gone(desk, LONG, SHORT)
    before = desk.position
    corrected(desk, report, "7.40", quantity=2)
    assert desk.position == before
    assert sum("from 1 to 2: our books stay as they are. A person must look" in text for text in desk.alarms) == 1


def test_a_start_reads_back_what_others_have_closed_and_what_was_corrected_of_it() -> None:
    desk = Desk((text_of(quantity="2", risk="{max_loss_per_trade: $5000}"),))
    desk.opened()
    report = others(desk, SHORT, 1, "7.40")
    desk.holds(SHORT, -1)
    for _ in range(7):
        desk.tick(5)
    corrected(desk, report, "7.00")
    found = resume(desk.records, desk.now, Board(), EventCalendar()).state
    assert dict(found.positions.by_id) == dict(desk.state.positions.by_id)
    assert dict(found.positions.executions) == dict(desk.state.positions.executions)


def test_a_commission_that_is_reported_later_counts_too() -> None:
    desk = Desk()
    opened = desk.opened()
    others(desk, LONG, -1, "4.80")
    report = others(desk, SHORT, 1, "7.40", paid="")
    gone(desk, LONG, SHORT)
    assert (desk.position.state, desk.position.commissions_pending - opened.commissions_pending) == ("closed", 1)
    desk.send(CommissionReport(desk.now, report.exec_id, Decimal("1.63")))
    assert desk.position.commissions - opened.commissions == Decimal("3.27")
    assert desk.day_of().realized == desk.position.net


def test_the_exits_of_what_is_left_of_a_position_continue() -> None:
    desk = Desk()
    desk.opened()
    others(desk, LONG, -1, "4.80")
    gone(desk, LONG)
    assert [leg.held for leg in desk.position.legs] == [1, 0]
    said = f"another client has closed a part of spread-20261118-1: its exits continue with the rest, -1 {SHORT}"
    assert [text for text in desk.alarms if text.startswith(said)]
    assert desk.position.hold is None
    desk.until("15:46", step=60)
    assert (desk.last.quantity, [leg.option for leg in desk.last.legs]) == (1, [SHORT])
    desk.fill(desk.last)
    assert desk.position.state == "closed"


def test_what_others_close_of_a_position_that_continues_is_reported_as_a_part_of_it(tmp_path: Path) -> None:
    """The exit that closed the rest seemed to have closed all, at a price which it never paid."""
    desk = Desk()
    desk.opened()
    others(desk, LONG, -1, "4.80", liquidates=True)
    gone(desk, LONG)
    desk.ask(Request.RESUME, "spread")
    desk.tick(1)
    desk.fill(desk.last)
    desk.tick(1)

    (bot,) = day_outcome(desk.state, None).bots
    reported = [part for line in bot.lines for part in line.parts]
    part = f"1 {LONG} sold at 4.80"
    assert reported[1] == f"{part} by others"
    assert reported[2].startswith("sold in all at ")
    path = kept(desk, tmp_path)
    with StoreReader(path) as reader:
        assert f"; {part} by others; closed by " in digest(reader, "2026-11-18", ["spread"])
        day = why_day(reader, desk.day, reader.day("spread", desk.day), reader.view("trades"))
    assert f", {part} 10:00: others, sold in all at " in "\n".join(explanation_lines("spread", desk.day, day))


def test_what_the_broker_liquidates_wholly_is_reported_as_that() -> None:
    desk = Desk()
    desk.opened()
    others(desk, LONG, -1, "4.80", liquidates=True)
    others(desk, SHORT, 1, "7.40", liquidates=True)
    gone(desk, LONG, SHORT)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "liquidated")


@pytest.mark.parametrize(("liquidates", "words"), [(True, "liquidated by the broker"), (False, "closed by hand")])
def test_the_digest_says_who_closed_it(liquidates: bool, words: str, tmp_path: Path) -> None:
    """It was "closed by closed_by_hand"."""
    desk = Desk()
    desk.opened()
    others(desk, LONG, -1, "4.80", liquidates=liquidates)
    others(desk, SHORT, 1, "7.40", liquidates=liquidates)
    gone(desk, LONG, SHORT)
    with StoreReader(kept(desk, tmp_path)) as reader:
        assert f"; {words}, " in digest(reader, "2026-11-18", ["spread"])


@pytest.mark.parametrize("count", [-2, 1])
def test_an_execution_that_is_not_what_the_account_lacks_is_not_booked(count: int) -> None:
    """Two contracts sold where one is gone: the other one was somebody's own, and the price may be of it."""
    desk = Desk()
    desk.opened()
    others(desk, LONG, count, "4.80")
    gone(desk, LONG)
    assert (desk.position.state, desk.position.legs[1].held) == ("open", 1)
    assert desk.position.on_hold.startswith("the account holds less ")


def test_what_waits_for_its_stop_to_be_over_is_not_reported_as_left() -> None:
    """All is gone, and the stop of the short leg is on its way back: nobody needs to look at that leg."""
    desk = Desk((text_of(risk="{max_loss_per_trade: $2000, protect: {cost: 4x credit}}"),))
    desk.opened()
    desk.tick(0)
    (guard,) = desk.live
    desk.ack(guard)
    others(desk, LONG, -1, "4.80")
    others(desk, SHORT, 1, "7.40")
    gone(desk, LONG, SHORT)
    assert [leg.held for leg in desk.position.legs] == [1, 0]
    desk.cancelled(guard)
    desk.tick(5)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "closed_by_hand")
    assert not any("a part of" in text for text in desk.alarms), desk.alarms


def test_what_goes_beyond_ours_is_not_booked() -> None:
    """Two contracts sold where one was held: somebody is short one now, and it is none of ours."""
    desk = Desk()
    desk.opened()
    others(desk, LONG, -2, "4.80")
    others(desk, SHORT, 1, "7.40")
    desk.holds(LONG, -1)
    desk.holds(SHORT, 0)
    for _ in range(7):
        desk.tick(5)
    assert [leg.held for leg in desk.position.legs] == [0, 1]
    assert (desk.position.account_missing[0].contracts, desk.position.common.is_flat) == (1, True)
    desk.holds(LONG, 0)
    desk.tick(5)
    assert desk.position.legs[1].held == 1, "of two that were sold nobody can say which one was ours"


def test_nothing_is_booked_while_the_account_has_it_or_two_positions_hold_it() -> None:
    desk = Desk((text_of(), text_of("other")))
    desk.until("10:00")
    for order in list(desk.live):
        desk.fill(order)
    others(desk, LONG, -1, "4.80")
    for _ in range(7):
        desk.tick(5)
    assert not any(position.on_hold for position in desk.state.positions.by_id.values())
    desk.holds(LONG, 1)
    for _ in range(7):
        desk.tick(5)
    assert all(position.on_hold for position in desk.state.positions.by_id.values())
    assert all(position.legs[1].held == 1 for position in desk.state.positions.by_id.values())


def test_an_older_trade_of_the_same_contract_is_not_taken_for_the_one_that_closed_ours() -> None:
    desk = Desk()
    opened = desk.opened()
    others(desk, LONG, -1, "9.90")
    desk.tick(600)
    others(desk, LONG, -1, "4.80")
    others(desk, SHORT, 1, "7.40")
    gone(desk, LONG, SHORT)
    assert desk.position.cash == opened.cash + 480 - 740


# ---------------------------------------------------------------- at a price that nobody tells


UNTOLD = {"exits": "\n  - at_expiry: settle\n"}


def unreported() -> Desk:
    """Return a position that another client has closed at an unknown price: on hold, at 1.20 of today."""
    desk = Desk((text_of(**UNTOLD),))
    desk.opened()
    gone(desk, LONG, SHORT)
    return desk


def test_what_nobody_reports_counts_at_its_quotes_when_it_was_first_missed() -> None:
    desk = unreported()
    position, then = desk.position, profit_of(desk)
    assert [each.contracts for each in position.account_missing] == [1, 1]
    desk.option(SHORT, 500.0)
    desk.tick(5)
    assert profit_of(desk) == then, "the account no longer has it: it makes and loses nothing"


def test_it_is_booked_at_that_when_it_expires_and_reported_as_an_estimate() -> None:
    desk = unreported()
    then, prices = profit_of(desk), [each.price for each in desk.position.account_missing]
    desk.until("16:00:30", step=60)
    for option in (LONG, SHORT):
        desk.holds(option, 0)
    closed = desk.position
    assert (closed.state, closed.exit_reason, closed.net, closed.account_missing) == (
        "closed",
        "closed_by_hand_estimated",
        then,
        (),
    )
    assert exit_text(closed).startswith("closed by hand, estimated at ")
    fills = desk.said(Kind.FILL)[-2:]
    assert {(Decimal(each.data["price"]), each.data["ref"]) for each in fills} == {(each, closed.id) for each in prices}
    assert all(str(each.data["exec_id"]).startswith(f"unseen:{closed.id}:") for each in fills)
    assert sum("rulebot store correct" in text for text in desk.alarms) == 2


def test_a_price_that_is_not_quoted_at_first_is_taken_as_soon_as_it_is() -> None:
    desk = Desk((text_of(**UNTOLD),))
    desk.opened()
    desk.without_data(LONG, SHORT)
    gone(desk, LONG, SHORT)
    assert [each.price for each in desk.position.account_missing] == [None, None]
    desk.freshen()
    desk.market()
    desk.tick(5)
    assert None not in [each.price for each in desk.position.account_missing]


# ---------------------------------------------------------------- while an exit of ours works


def leaving(desk: Desk) -> None:
    """Let the positions be open, and their time exits work at 15:45:01."""
    desk.until("10:00")
    for order in list(desk.live):
        desk.fill(order)
    desk.is_shown = False
    desk.until("15:45:01")
    desk.tick(1)
    for order in desk.live:
        desk.ack(order)


LIMITED = {"exits": '\n  - time: "15:45"\n', "order": "{start: mid, step: 0.05, wait: 300s, tries: 3, then: cancel}"}


def test_an_exit_at_work_is_cancelled_before_it_fills_beside_what_a_person_has_closed() -> None:
    """It worked on for half a minute, at better and better prices: filled, the account held the other side of it."""
    desk = Desk((text_of(**LIMITED),))
    leaving(desk)
    (order,) = desk.live
    desk.holds(SHORT, 0)
    desk.holds(LONG, 0)
    desk.tick(4)
    assert not desk.cancels, "fills of it may be told after the account has shown them"
    desk.tick(6)
    assert [each.ref for each in desk.cancels] == [order.ref]
    desk.cancelled(order)
    for _ in range(20):
        desk.tick(5)
    assert (len(desk.submitted), desk.position.common.is_flat) == (2, True)


def test_exits_continue_while_the_account_has_enough_for_them() -> None:
    """Two bots hold the same, a person has closed as much as one of them had: one exit of one contract can fill."""
    desk = Desk((text_of(**LIMITED), text_of("other", **{**LIMITED, "exits": '\n  - time: "15:50"\n'})))
    leaving(desk)
    desk.holds(SHORT, -1)
    desk.holds(LONG, 1)
    for _ in range(3):
        desk.tick(5)
    assert not desk.cancels
    for _ in range(5):
        desk.tick(5)
    assert not desk.cancels, "the newer one is left alone"


def test_two_exits_that_would_close_more_than_is_left_are_both_cancelled() -> None:
    desk = Desk((text_of(**LIMITED), text_of("other", **LIMITED)))
    leaving(desk)
    desk.holds(SHORT, -1)
    desk.holds(LONG, 1)
    desk.tick(5)
    desk.tick(5)
    assert len(desk.cancels) == 2


def resting(name: str = "seller") -> Desk:
    """Return a desk with a put that was sold, and its target and stop at work."""
    desk = Desk((text_of(name, **SELLER),), at="10:00")
    desk.opened("10:01")
    for order in desk.submitted[-2:]:
        desk.ack(order)
    desk.is_shown = False
    return desk


@pytest.mark.parametrize("first", ["execution", "account"])
def test_what_rests_is_cancelled_as_soon_as_a_person_is_notified_to_have_closed_it(first: str) -> None:
    """They rested for half a minute: one that filled opened the other side."""
    desk = resting()
    if first == "account":
        desk.holds(SOLD, 0)
    others(desk, SOLD, 1, "1.20")
    desk.tick(0)
    assert bool(desk.cancels) is (first == "account"), "of his own, perhaps, until the account lacks ours"
    desk.holds(SOLD, 0)
    desk.tick(0)
    assert {each.ref for each in desk.cancels} == {each.ref for each in desk.submitted[-2:]}
    for order in desk.submitted[-2:]:
        desk.cancelled(order)
    for _ in range(20):
        desk.tick(5)
    assert (len(desk.submitted), desk.position.exit_reason) == (3, "closed_by_hand")


def test_what_rests_waits_a_second_for_its_own_fill_where_nobody_else_is_reported_to_have_dealt() -> None:
    desk = resting()
    others(desk, SOLD, 1, "1.20")
    desk.tick(60)
    desk.holds(SOLD, 0)
    desk.tick(0.5)
    assert not desk.cancels, "that one was told long before"
    desk.tick(0.5)
    assert len(desk.cancels) == 2


def test_what_rests_stays_while_the_account_has_enough_for_it() -> None:
    """Two bots hold the same, and one of them has a target and a stop: together they close one contract, not two."""
    second = {**SELLER, "exits": '\n  - time: "15:45"\n'}
    desk = Desk((text_of("seller", **SELLER), text_of("second", **second)), at="10:00")
    desk.until("10:01")
    for order in list(desk.live):
        desk.fill(order)
    for order in desk.submitted[-2:]:
        desk.ack(order)
    desk.is_shown = False
    others(desk, SOLD, 1, "1.20")
    desk.holds(SOLD, -1)
    desk.tick(0)
    desk.tick(10)
    assert not desk.cancels


def test_a_protective_stop_of_what_a_person_has_closed_is_cancelled_at_once() -> None:
    desk = Desk((text_of(risk="{max_loss_per_trade: $2000, protect: {cost: 4x credit}}"),))
    desk.opened()
    desk.tick(1)
    (guard,) = [each for each in desk.live if each.purpose is Purpose.PROTECT]
    desk.ack(guard)
    others(desk, SHORT, 1, "7.40")
    desk.holds(SHORT, 0)
    desk.tick(0)
    assert [each.ref for each in desk.cancels] == [guard.ref]


def closed_twice(desk: Desk, account: int) -> list[str]:
    """Fill the exit of a position of which the account then has so many of the short leg; return what is told of it."""
    (order,) = desk.live
    desk.fill(order)
    desk.holds(SHORT, account)
    desk.holds(LONG, 0)
    for _ in range(30):
        desk.tick(5)
    return [text for text in desk.alarms if "closed by hand, too?" in text]


@pytest.mark.parametrize("account", [1, 0, -1])
def test_what_an_exit_has_closed_beside_a_person_is_reported(account: int) -> None:
    """The exit filled in the moment the person closed it: nobody watched what the account held then, and none knew."""
    desk = Desk((text_of(**LIMITED),))
    leaving(desk)
    reported = closed_twice(desk, account)
    said = f"{desk.position.id} is closed, and the account holds 1 {SHORT}: closed by hand, too? No exit watches it"
    assert reported == ([f"{said}: check the account"] if account > 0 else [])


def test_what_an_exit_has_closed_in_an_outage_beside_a_person_is_reported() -> None:
    """Both are told together, long after: the position is closed for minutes by then."""
    desk = Desk((text_of(**LIMITED),))
    leaving(desk)
    (order,) = desk.live
    dealt = desk.now + timedelta(seconds=30)
    desk.unlink()
    desk.tick(600)
    desk.is_shown = False
    for report in desk.executions_of(order, 1):
        desk.send(replace(report, executed_at=dealt))
    desk.report(order, BrokerStatus.FILLED, 1)
    desk.link([], {SHORT: 1})
    for _ in range(10):
        desk.tick(5)
    assert (desk.position.state, desk.position.closed_at) == ("closed", dealt)
    said = f"{desk.position.id} is closed, and the account holds 1 {SHORT}: closed by hand, too? No exit watches it"
    assert f"{said}: check the account" in desk.alarms


# ---------------------------------------------------------------- told when it has expired


def evening(desk: Desk) -> datetime:
    """Lose the connection for the rest of the day; return a time of it at which somebody may have traded."""
    desk.is_shown = False
    desk.unlink()
    desk.tick(3600)
    at = desk.now
    desk.until("16:20")
    return at


def connected(desk: Desk, *positions: tuple[Option, int]) -> None:
    desk.link([], positions)
    for _ in range(3):
        desk.tick(5)


@pytest.mark.parametrize("liquidates", [False, True])
def test_what_was_closed_while_no_engine_ran_is_booked_at_its_price_after_its_expiry_too(liquidates: bool) -> None:
    """It was settled at what it was worth at the close, which nobody had got."""
    desk = Desk((text_of(**UNTOLD),))
    before, at = desk.opened().cash, evening(desk)
    others(desk, LONG, -1, "4.80", liquidates=liquidates, at=at)
    others(desk, SHORT, 1, "7.40", liquidates=liquidates, at=at)
    connected(desk)
    closed = desk.position
    assert (closed.state, closed.exit_reason) == ("closed", "liquidated" if liquidates else "closed_by_hand")
    assert (closed.cash, desk.day_of().realized) == (before + 480 - 740, closed.net)
    assert closed.closed_at == at
    assert not desk.said(Kind.SETTLEMENT)
    assert desk.alarms[-1].endswith(
        f"1 {SHORT} of {closed.id} before the expiry: booked at 7.40, as the broker reports"
    )


@pytest.mark.parametrize("is_start", [False, True])
def test_what_was_closed_while_nobody_listened_is_booked_at_its_price_where_a_list_has_nothing_of_it(
    is_start: bool,
) -> None:
    """The list of positions comes before that of executions: it was settled at once, at what it was worth."""
    desk = Desk((text_of(**UNTOLD),))
    before, at = desk.opened().cash, evening(desk)
    if is_start:
        desk.start_again()
    for option in (LONG, SHORT):
        desk.holds(option, 0)
    others(desk, LONG, -1, "4.80", at=at)
    others(desk, SHORT, 1, "7.40", at=at)
    connected(desk)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "closed_by_hand")
    assert (desk.position.cash, desk.said(Kind.SETTLEMENT)) == (before + 480 - 740, [])


def test_of_two_contracts_the_one_that_nobody_closed_is_settled() -> None:
    desk = Desk((text_of(**UNTOLD, quantity="2", risk="{max_loss_per_trade: $5000}"),))
    desk.opened()
    others(desk, SHORT, 1, "7.40", at=evening(desk))
    connected(desk)
    found = {each.data["leg"]: each.data["quantity"] for each in desk.said(Kind.SETTLEMENT)}
    assert found == {"short_put": 1, "long_put": 2}
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "expired_worthless")


@pytest.mark.parametrize("count", [2, -1], ids=["more than was held", "the other way"])
def test_what_cannot_have_closed_ours_is_not_booked_at_its_expiry(count: int) -> None:
    desk = Desk((text_of(**UNTOLD),))
    desk.opened()
    others(desk, SHORT, count, "7.40", at=evening(desk))
    connected(desk)
    assert (desk.position.exit_reason, len(desk.said(Kind.SETTLEMENT))) == ("expired_worthless", 2)


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen", "while no engine ran"])
def test_what_was_closed_of_two_positions_is_reported_as_nobodys_when_it_expires(is_seen: bool) -> None:
    """Both were booked as kept until then, without a word."""
    desk = Desk((text_of(**UNTOLD), text_of("other", **UNTOLD)))
    desk.until("10:00")
    for order in list(desk.live):
        desk.fill(order)
    desk.is_shown = False
    if is_seen:
        desk.holds(SHORT, -1)
        for _ in range(8):
            desk.tick(5)
        assert all(position.on_hold for position in desk.state.positions.by_id.values())
    at = evening(desk)
    if not is_seen:
        others(desk, SHORT, 1, "7.40", at=at)
    connected(desk)
    reported = [
        text for text in desk.alarms if "for which position is unknown: it is booked as held until then" in text
    ]
    assert [text.split(" has expired")[0] for text in reported] == [
        f"{SHORT} of {name}" for name in ("spread-20261118-1", "other-20261118-1")
    ]
    assert {position.state for position in desk.state.positions.by_id.values()} == {"closed"}


def test_an_estimate_of_what_several_positions_held_says_at_what_price_all_of_it_went() -> None:
    """It said that nobody had told the price, which the broker had."""
    desk = Desk((text_of(**UNTOLD), text_of("other", **UNTOLD)))
    desk.until("10:00")
    for order in list(desk.live):
        desk.fill(order)
    others(desk, SHORT, 2, "7.40")
    gone(desk, LONG, SHORT)
    evening(desk)
    connected(desk)
    short = [text for text in desk.alarms if text.startswith(f"1 {SHORT} of ")]
    said = "at 7.40, as the broker reports; which part was of this position is unknown: booked at"
    assert [said in text for text in short] == [True, True]
    assert sum("was closed externally at an unknown price: booked at" in text for text in desk.alarms) == 2


def test_what_the_account_had_all_the_same_is_not_booked_at_its_expiry() -> None:
    """Somebody has sold one of his own: the account has ours in the evening, until the broker settles it."""
    desk = Desk((text_of(**UNTOLD),))
    desk.opened()
    others(desk, LONG, -1, "4.80", at=evening(desk))
    connected(desk, (LONG, 1), (SHORT, -1))
    assert desk.position.state == "open"
    for option in (LONG, SHORT):
        desk.holds(option, 0)
    assert (desk.position.exit_reason, len(desk.said(Kind.SETTLEMENT))) == ("expired_worthless", 2)


@pytest.mark.parametrize("way", ["told", "told before a start", "by a list", "by the list of a start"])
def test_what_the_account_had_all_the_same_is_not_booked_by_what_expires_in_the_night(way: str) -> None:
    """Somebody buys back one of their own in the last minute; the level is there at the next open only."""
    desk = Desk((text_of(entry='{at: "10:00"}', exits="\n  - at_expiry: settle\n"),))
    desk.opened()
    desk.holds(SHORT, -2)
    desk.until("15:59")
    desk.now += timedelta(seconds=30)
    others(desk, SHORT, 1, "0.30")
    desk.holds(SHORT, -1)
    desk.until("16:30")
    opening = session_after(desk.day).open
    desk.now = opening - timedelta(hours=7)
    desk.tick(quiet=True)
    if way.startswith("told"):
        desk.holds(SHORT, 0)
        desk.holds(LONG, 0)
    else:
        desk.unlink()
    if way.endswith("start"):
        desk.start_again()
    if way != "told":
        desk.link(positions=())
    assert desk.state.account.holdings_at_expiry == {LONG: 1, SHORT: -1}
    desk.now = opening
    desk.board.previous_close[desk.board.rows[Underlying("SPX")]] = 6010.0
    for _ in range(3):
        desk.tick(5)
    assert [leg.settled for leg in desk.position.legs] == [1, 1]
    assert desk.state.account.holdings_at_expiry == {}
    assert not [text for text in desk.alarms if "before the expiry" in text]


def test_what_was_traded_while_the_account_was_seen_to_have_ours_is_not_booked_at_its_expiry() -> None:
    desk = Desk((text_of(**UNTOLD),))
    desk.opened()
    others(desk, LONG, -1, "4.80")
    evening(desk)
    connected(desk)
    assert (desk.position.exit_reason, len(desk.said(Kind.SETTLEMENT))) == ("expired_worthless", 2)


def test_a_start_knows_when_it_was_reported_what_others_have_dealt() -> None:
    """In the evening a trade of the morning was told as if it were new, and taken for the one that had closed ours."""
    desk = Desk((text_of(**UNTOLD),))
    desk.opened()
    report = others(desk, LONG, -1, "4.80")
    evening(desk)
    reported = desk.alarms
    desk.start_again()
    desk.send(replace(report, at=desk.now))
    assert desk.alarms == reported
    connected(desk)
    assert (desk.position.exit_reason, len(desk.said(Kind.SETTLEMENT))) == ("expired_worthless", 2)


@pytest.mark.parametrize(("price", "quantity"), [("0", 0), ("4.60", 1)])
def test_what_the_exchange_corrects_of_a_trade_of_others_is_so_after_a_start_too(price: str, quantity: int) -> None:
    """A trade that was taken back stood as one after a start, and was booked as what had closed ours."""
    desk = Desk((text_of(**UNTOLD),))
    desk.opened()
    report = others(desk, LONG, -1, "4.80", paid="")
    corrected(desk, report, price, quantity)
    known = desk.state.positions.executions
    desk.start_again()
    assert desk.state.positions.executions == known
    assert [text.partition(": ")[0] for text in desk.alarms[-2:]] == [
        "external",
        f"external, and the exchange has {'corrected it' if quantity else 'taken it back'}",
    ]


def test_a_liquidation_cancels_an_entry_at_work() -> None:
    desk = Desk()
    desk.until("10:00")
    others(desk, put(5900), 1, "1.00", liquidates=True)
    assert [order.ref for order in desk.cancels] == [desk.last.ref]


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_bot_that_is_added_on_the_day_of_a_liquidation_enters_no_more_either(is_resumed: bool) -> None:
    """The execution is known after a start, and halted those bots alone that had run when it was told."""
    texts = (text_of("one"), text_of("two", entry='{window: {from: "10:05", to: "11:00"}}'))
    desk = Desk(texts[:1])
    desk.until("10:00")
    desk.fill(desk.last)
    report = others(desk, put(5900), 1, "1.00", liquidates=True)
    if is_resumed:
        desk.ask(Request.RESUME)
    desk.program = Desk(texts).program
    desk.start_again()
    desk.send(replace(report, at=desk.now))
    desk.link()
    desk.until("10:06", step=5)
    entered = [order.bot for order in desk.submitted if order.purpose is Purpose.ENTRY]
    assert entered == (["one", "two"] if is_resumed else ["one"])


def test_what_was_closed_while_no_engine_ran_is_booked_at_its_price_after_a_start_too() -> None:
    desk = Desk((text_of(**UNTOLD),))
    before, at = desk.opened().cash, evening(desk)
    desk.start_again()
    others(desk, LONG, -1, "4.80", at=at)
    others(desk, SHORT, 1, "7.40", at=at)
    connected(desk)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "closed_by_hand")
    assert desk.position.cash == before + 480 - 740


def test_the_price_that_is_reported_at_last_counts_and_no_estimate() -> None:
    """Somebody closed it, nobody said at what price, and the broker tells it in the evening, before it is settled."""
    desk = unreported()
    before, at = desk.position.cash, desk.now
    evening(desk)
    others(desk, LONG, -1, "4.80", at=at)
    others(desk, SHORT, 1, "7.40", at=at)
    connected(desk)
    assert (desk.position.exit_reason, desk.position.cash) == ("closed_by_hand", before + 480 - 740)
    assert not any("nobody has told" in text for text in desk.alarms)


def test_a_price_that_is_reported_later_takes_the_place_of_an_estimate_once() -> None:
    desk = unreported()
    before, at = desk.position.cash, desk.now
    desk.is_shown = False
    desk.until("16:00:30", step=60)
    for option in (LONG, SHORT):
        desk.holds(option, 0)
    estimated = desk.position
    assert estimated.exit_reason == "closed_by_hand_estimated"
    desk.tick(600)
    sold = others(desk, LONG, -1, "4.80", at=at)
    assert desk.position.exit_reason == "closed_by_hand_estimated", "the other leg is not reported yet"
    bought = others(desk, SHORT, 1, "7.40", at=at)
    assert (desk.position.exit_reason, desk.position.cash) == ("closed_by_hand", before + 480 - 740)
    assert desk.position.commissions - estimated.commissions == Decimal("3.28")
    assert desk.day_of().realized == desk.position.net
    (reported,) = (text for text in desk.alarms if str(SHORT) in text and "as the broker reports now" in text)
    guess = abs(estimated.legs[0].exit_cash) / 100
    difference = 100 * (guess - Decimal("7.40"))
    assert reported.endswith(
        f"that is booked instead of the estimate, {guess.normalize():f} ({difference:+.2f} dollars)"
    )
    count, position = len(desk.records), desk.position
    for report in (sold, bought):
        desk.send(report)
    assert (len(desk.records), desk.position) == (count, position)
    corrected(desk, bought, "7.00")
    assert desk.position.cash == before + 480 - 700
    found = resume(desk.records, desk.now, Board(), EventCalendar()).state
    assert dict(found.positions.by_id) == dict(desk.state.positions.by_id)
    assert dict(found.positions.executions) == dict(desk.state.positions.executions)


def profit_of(desk: Desk) -> Decimal | None:
    return profit(desk.position, desk.board, desk.now.timestamp())


# ---------------------------------------------------------------- what is there again


def back(desk: Desk, after: float) -> None:
    """Let the account lack both legs for half a minute and so many seconds, and have them again."""
    gone(desk, LONG, SHORT)
    assert desk.position.on_hold
    desk.tick(after)
    desk.holds(LONG, 1)
    desk.holds(SHORT, -1)
    desk.tick(15)


def test_a_list_that_was_wrong_for_a_minute_ends_a_hold_by_itself() -> None:
    desk = Desk((text_of(**UNTOLD),))
    desk.opened()
    back(desk, 30)
    assert (desk.position.on_hold, desk.position.account_missing) == ("", ())
    assert any("again: the exits of" in text for text in desk.alarms)


def test_what_is_there_again_hours_later_waits_for_a_person() -> None:
    desk = Desk()
    desk.opened()
    back(desk, 7200)
    said = "again, and it may have been opened externally: rulebot leaves that alone until 'rulebot resume'"
    assert desk.position.on_hold.endswith(said)
    assert sum(said in text for text in desk.alarms) == 1
    desk.until("15:50", step=60)
    assert len(desk.submitted) == 1, "the time exit sells nothing that may be somebody's own"
    desk.ask(Request.RESUME, "spread")
    desk.tick(5)
    assert (desk.position.on_hold, len(desk.submitted)) == ("", 2)


def test_a_hold_does_not_end_by_itself_when_a_person_was_heard_to_trade_the_contract() -> None:
    desk = Desk((text_of(), text_of("other")))
    desk.until("10:00")
    for order in list(desk.live):
        desk.fill(order)
    desk.holds(LONG, 0)
    for _ in range(7):
        desk.tick(5)
    others(desk, LONG, 2, "4.80")
    desk.holds(LONG, 2)
    desk.tick(15)
    assert all(
        "may have been opened externally" in position.on_hold for position in desk.state.positions.by_id.values()
    )


def test_a_start_does_not_end_a_hold_of_hours() -> None:
    desk = Desk((text_of(**UNTOLD),))
    desk.opened()
    gone(desk, LONG, SHORT)
    desk.unlink()
    desk.tick(3600)
    desk.link([], [(LONG, 1), (SHORT, -1)])
    assert "may have been opened externally" in desk.position.on_hold


def test_a_hold_ends_where_fills_of_ours_are_reported_minutes_later() -> None:
    """The account was right all the while: nobody has opened anything anew, and what is left is to be closed."""
    desk = Desk((text_of(quantity="2", risk="{max_loss_per_trade: $5000}"),))
    desk.opened()
    desk.is_shown = False
    desk.until("15:45:01")
    desk.tick(1)
    (order,) = desk.live
    desk.ack(order)
    late = desk.executions_of(order, 1)
    desk.holds(LONG, 1)
    desk.holds(SHORT, -1)
    for _ in range(7):
        desk.tick(5)
    desk.cancelled(order)
    desk.tick(180)
    assert desk.position.on_hold
    desk.send(late[0])
    assert desk.position.on_hold, "the other leg is not reported yet"
    desk.send(late[1])
    assert (desk.position.on_hold, desk.position.account_missing) == ("", ())
    desk.tick(60)
    assert (len(desk.submitted), desk.last.quantity) == (3, 1)


def test_what_a_person_lets_continue_is_not_counted_as_gone() -> None:
    """It was there again a moment before: at its expiry it settles, and is not booked as closed by others."""
    desk = Desk()
    desk.opened()
    others(desk, LONG, -1, "4.80")
    gone(desk, LONG)
    gone(desk, SHORT)
    assert [each.leg for each in desk.position.account_missing] == ["short_put"]
    desk.holds(SHORT, -1)
    desk.ask(Request.RESUME, "spread")
    desk.tick(5)
    assert (desk.position.on_hold, desk.position.account_missing) == ("", ())


def test_the_interface_says_that_a_position_is_on_hold_and_why(tmp_path: Path) -> None:
    desk = unreported()
    with StoreReader(kept(desk, tmp_path)) as reader:
        (reported,) = positions(reader, snapshot_of_store(reader))
    assert reported.on_hold == desk.position.on_hold != ""


@pytest.mark.parametrize("is_reported", [True, False])
def test_sums_say_which_of_their_trades_are_estimates(tmp_path: Path, is_reported: bool) -> None:
    desk = unreported()
    at = desk.now
    desk.is_shown = False
    desk.until("16:00:30", step=60)
    for option in (LONG, SHORT):
        desk.holds(option, 0)
    for option, count, price in ((LONG, -1, "4.80"), (SHORT, 1, "7.40")) if is_reported else ():
        others(desk, option, count, price, at=at)
    path = kept(desk, tmp_path)
    found = [] if is_reported else [desk.position.id]
    line = f" 1 trade at an unknown price: the sums have an estimate of {desk.position.id}"
    for options in ([], ["--by", "month"], ["spread"]):
        done = CliRunner().invoke(summary, ["--store", str(path), *options])
        assert (line in done.stdout.splitlines()) is not is_reported
        done = CliRunner().invoke(summary, ["--store", str(path), "--format", "json", *options])
        assert json.loads(done.stdout)["estimated"] == found


def test_two_bots_in_one_contract_that_the_account_lacks_are_reported() -> None:
    """One bot closed its spread, and a person that of the other: the engine ended, since the account had none of it."""
    exits = ('\n  - time: "12:00"\n', '\n  - time: "15:45"\n')
    texts = (
        text_of(name, risk="{max_loss_per_trade: $2000}", exits=each) for name, each in zip("ab", exits, strict=True)
    )
    desk = Desk(tuple(texts))
    desk.until("10:00")
    for order in desk.live:
        desk.fill(order)
    desk.tick(1)
    desk.until("12:00", step=20)
    desk.fill(desk.last)
    desk.unlink()
    desk.link([], {})
    for _ in range(20):
        desk.tick(5)
    assert any("the account holds 0 SPXW" in text for text in desk.alarms), desk.alarms

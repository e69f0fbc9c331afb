"""Early assignment: seen in the account alone, booked once it is sure; a person's deeds are not taken for it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hand_desk import Desk, call, clock, put, text_of

from rulebot.core.state.state import AccountSeen
from rulebot.model.contract import Underlying, share
from rulebot.model.event import AccountReport, Disconnected, ListingReport, PositionReport
from rulebot.model.facts import Account, Listing
from rulebot.model.money import ZERO
from rulebot.model.order import OrderStatus
from rulebot.model.position import Position
from rulebot.model.session import session_after
from rulebot.record.codec import encode
from rulebot.record.record import ACCOUNT_SEEN, ORDER_NUMBER_FLOOR, Json, Kind, Record

SPY, QQQ = Underlying("SPY"), Underlying("QQQ")
SHORT = {
    "underlying": "SPY",
    "quantity": "5",
    "entry": '{at: "10:00", max_open: 3}',
    "legs": "\n  expiry: {dte: {nearest: 90}}\n  short_put: {sell: put, strike: {otm: 10 pts}}\n",
    "order": "{start: mid, step: 0.01, wait: 10s, tries: 3, then: cancel}",
    "exits": "\n  - target: {profit: 50%}\n    resting: true\n  - dte: {at_most: 5}\n",
    "risk": "{daily_loss: $100000, undefined_risk: allow}",
}
SPREAD = SHORT["legs"] + "  long_put: {buy: put, strike: {below: short_put, by: 5 pts}}\n"
NO_REST = "\n  - target: {profit: 50%}\n  - dte: {at_most: 5}\n"


def desk_of(*, theirs: int = 0, **sections: str) -> Desk:
    """Return five short puts of 93 days that stand open, in an account where somebody holds so many shares."""
    desk = Desk((text_of("seller", **{**SHORT, **sections}),), linked=False)
    desk.quote(share("SPY"), 599.99, 600.01)
    desk.link(positions=[(SPY, theirs)] if theirs else ())
    desk.tick(1)
    desk.opened()
    desk.tick(5)
    for order in desk.live:
        desk.ack(order)
    return desk


def assign(desk: Desk, count: int, theirs: int = 0) -> None:
    """Let the broker book it, and half a minute pass."""
    leg = desk.position.legs[0]
    desk.holds(leg.option, -leg.held + count)
    desk.holds(SPY, theirs + 100 * count)
    for _ in range(8):
        desk.tick(5)


def end(desk: Desk) -> None:
    data: dict[str, Json] = {"reason": "stopped", "is_clean": True, "is_linked": desk.state.connection.is_ready}
    desk.records.append(Record(desk.now, Kind.RUN_ENDED, data=data))


def reported(desk: Desk) -> list[str]:
    return [text for text in desk.alarms if "assigned" in text]


@pytest.mark.parametrize("theirs", [0, 300])
def test_assignment_of_all_shorts_closes_the_position_and_cancels_its_orders(theirs: int) -> None:
    desk = desk_of(theirs=theirs)
    (resting,) = desk.live
    assign(desk, 5, theirs)
    assert desk.order(resting.ref).status is OrderStatus.CANCELLING
    assert desk.position.legs[0].held == 5, "until none can fill beside it"
    desk.cancelled(desk.order(resting.ref))
    desk.tick(5)
    found = desk.position
    assert (found.state, found.exit_reason, found.on_hold) == ("closed", "assigned", "")
    assert found.cash == found.legs[0].entry_cash
    level = Decimal(str(desk.said(Kind.SETTLEMENT)[0].data["level"]))
    assert found.net == found.cash - 500 * (590 - level)
    assert reported(desk) == ["5 short SPY 2027-02-19 590P assigned before expiry: 500 SPY shares came at 590, "
                          "and no exit acts on them"]  # fmt: skip
    assert [record.data["how"] for record in desk.said(Kind.SETTLEMENT)] == ["assigned"]


def test_assignment_of_a_part_leaves_the_rest_with_an_order_of_its_size() -> None:
    desk = desk_of()
    (resting,) = desk.live
    assign(desk, 2)
    desk.cancelled(desk.order(resting.ref))
    for _ in range(2):
        desk.tick(5)
    found = desk.position
    assert (found.state, found.legs[0].held, found.on_hold) == ("open", 3, "")
    assert [order.quantity for order in desk.live] == [3]


@pytest.mark.parametrize("rolls", ["", "\n    roll: {strikes: {short_put: {otm: 15 pts}}}"])
@pytest.mark.parametrize("count", [2, 5])
def test_while_an_exit_or_a_roll_is_cancelled_that_still_holds(count: int, rolls: str) -> None:
    """The exit is at work again as soon as its order is over, and sends nothing while the account lacks the puts."""
    desk = desk_of(
        exits=f"\n  - vix: {{above: 20}}{rolls}\n    order: {{start: mid, wait: 60s}}\n  - dte: {{at_most: 5}}\n"
    )
    held = desk.position.legs[0].option
    desk.quote(replace(held, strike=Decimal(585)), 1.95, 2.05, -0.3)
    desk.level("VIX", 21.0)
    desk.tick(1)
    order = desk.last
    desk.ack(order)
    (found, *_) = desk.state.positions.by_id.values()
    desk.holds(held, count - 5)
    desk.holds(SPY, 100 * count)
    desk.tick(5)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    desk.cancelled(desk.order(order.ref))
    for _ in range(7):
        desk.tick(5)
    found = desk.state.positions.by_id[found.id]
    assert (found.state, found.legs[0].held, found.on_hold) == ("closed" if count == 5 else "exiting", 5 - count, "")
    assert [(each.purpose, each.quantity) for each in desk.live] == ([] if count == 5 else [(order.purpose, 3)])
    assert len(reported(desk)) == 1


@pytest.mark.parametrize("is_ended", [False, True])
def test_over_a_night_it_is_seen_by_the_lists_of_a_new_connection(*, is_ended: bool) -> None:
    """After a start, as of an engine that is stopped every evening, the position was on hold."""
    desk = desk_of(exits=NO_REST)
    desk.until("16:30")
    desk.start_again() if is_ended else desk.unlink()
    desk.now = session_after(desk.day).open - timedelta(minutes=30)
    desk.link(positions=[(SPY, 500)])
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "assigned")
    assert len(reported(desk)) == 1


@pytest.mark.parametrize("is_known", [True, False])
def test_shares_that_a_person_had_before_a_start_are_of_no_assignment(*, is_known: bool) -> None:
    """The list of a start that had another contract before them told them as if they had come."""
    desk = desk_of(theirs=500, exits=NO_REST)
    desk.until("16:30")
    if not is_known:  # on record, as by an earlier version
        desk.records = [each for each in desk.records if each.kind is not Kind.FACTS]
    desk.start_again()
    desk.now = session_after(desk.day).open - timedelta(minutes=30)
    listed = ((put(5000), 1), (SPY, 500))
    for contract, count in listed:
        desk.send(PositionReport(desk.now, contract, Decimal(count), Decimal(590)))
    desk.link(positions=listed)
    assert desk.position.state == "open"
    assert "closed by hand, or assigned (it holds 500 SPY)" in desk.position.on_hold


def cash(desk: Desk, dollars: str) -> None:
    desk.send(AccountReport(desk.now, Account(id="DU1", cash=Decimal(dollars))))


def writer(until: str) -> Desk:
    """Return five short calls that stand open at that time, in an account where somebody holds their shares."""
    legs = "\n  expiry: {dte: {nearest: 90}}\n  short_call: {sell: call, strike: {otm: 5 pts}}\n"
    desk = Desk((text_of("writer", **{**SHORT, "legs": legs, "exits": NO_REST}),), linked=False)
    desk.quote(call(605, "SPY", desk.expiry_90), 4.99, 5.01, 0.4)
    desk.link(positions=[(SPY, 500)])
    desk.opened()
    cash(desk, "700000")
    desk.until(until, step=600)
    return desk


@pytest.mark.parametrize(
    ("until", "now", "state"),
    [("15:30", "1002493.50", "open"), ("15:30", "1002500", "closed"), ("16:30", "1002493.50", "closed")],
)
@pytest.mark.parametrize("is_unlinked", [False, True])
def test_calls_and_shares_that_go_while_no_engine_runs_are_assigned_if_nobody_could_trade_them(
    until: str, now: str, state: str, *, is_unlinked: bool
) -> None:
    """Where somebody could, the cash tells: a trade has commissions. now: the cash after it."""
    desk = writer(until)
    if is_unlinked:
        desk.unlink()
        desk.until("20:00")
    end(desk)
    desk.start_again()
    desk.now = session_after(desk.day).open - timedelta(minutes=30)
    desk.link(positions=[])
    desk.tick(60)
    cash(desk, now)
    desk.tick(60)
    assert desk.position.state == state
    assert bool(desk.position.on_hold) is (state == "open")


@pytest.mark.parametrize("is_ended", [False, True])
@pytest.mark.parametrize(
    ("brought", "others", "state"),
    [
        ("302500", 0, "closed"),
        ("302499", 0, "closed"),
        ("297500", 0, "open"),
        ("0", 0, "open"),
        ("297500", 1, "closed"),
        ("0", 1, "open"),
        ("", 0, "open"),
    ],
)
def test_calls_and_shares_that_go_over_a_night_are_assigned_if_the_strikes_have_come(
    brought: str, others: int, state: str, *, is_ended: bool
) -> None:
    """A paper account that was reset, and calls moved to another account with their shares, were booked as assigned."""
    desk = writer("16:30")
    other = [(put(5000), others)] if others else []
    desk.unlink()
    if is_ended:
        desk.start_again()
    desk.now = session_after(desk.day).open - timedelta(hours=3)
    if brought:
        cash(desk, str(700000 + int(brought)))
    desk.link(positions=other)
    for _ in range(7):
        desk.tick(60)
    assert (desk.position.state, bool(desk.position.on_hold)) == (state, state == "open")


@pytest.mark.parametrize(("minutes", "is_held"), [(4, False), (20, True)])
@pytest.mark.parametrize("is_first", [False, True])
def test_cash_may_be_reported_before_or_after_what_the_account_holds(
    minutes: int, *, is_first: bool, is_held: bool
) -> None:
    desk = writer("16:30")
    desk.now = session_after(desk.day).open - timedelta(hours=3)
    desk.tick()
    for row in (desk.position.legs[0].option, SPY):
        if is_first:
            cash(desk, "1002500")
            desk.tick(20)
        desk.holds(row, 0)
    for _ in range(minutes):
        desk.tick(60)
    assert bool(desk.position.on_hold) is (is_held and not is_first)
    cash(desk, "1002500")
    desk.tick(60)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "assigned")


def with_calls_on_qqq(theirs: int, **sections: str) -> Desk:
    """Return a bot on SPY and five short calls on QQQ, open at 16:30, and their shares and `theirs`."""
    calls = "\n  expiry: {dte: {nearest: 90}}\n  short_call: {sell: call, strike: {otm: 5 pts}}\n"
    other = text_of("writer", **{**SHORT, "underlying": "QQQ", "legs": calls, "exits": NO_REST})
    desk = Desk((text_of("seller", **{**SHORT, "exits": NO_REST, **sections}), other), linked=False)
    days = (desk.day, desk.expiry_90)
    strikes = tuple(Decimal(strike) for strike in range(450, 551))
    desk.send(ListingReport(desk.now, Listing("QQQ", "QQQ", days, dict.fromkeys(days, strikes))))
    desk.quote(QQQ, 499.99, 500.01)
    desk.level("QQQ", 500.0)
    desk.quote(call(505, "QQQ", desk.expiry_90), 3.99, 4.01, 0.4)
    desk.quote(call(605, "SPY", desk.expiry_90), 4.99, 5.01, 0.4)
    desk.link(positions=[(SPY, theirs), (QQQ, 500)])
    desk.until("10:00")
    for order in desk.live:
        desk.fill(order)
    cash(desk, "700000")
    desk.until("16:30", step=600)
    assert [position.legs[0].held for position in desk.state.positions.by_id.values()] == [5, 5]
    return desk


@pytest.mark.parametrize("is_put", [False, True])
@pytest.mark.parametrize("reported", [("252500", "whole"), ("whole",)])
@pytest.mark.parametrize("seen", ["at once", "QQQ first", "SPY first", "later"])
def test_what_is_assigned_on_two_symbols_in_one_night_shares_the_cash(
    is_put: bool, reported: tuple[str, ...], seen: str
) -> None:
    """Neither was booked, or one: the cash of the other was beside its strikes."""
    legs = (
        SHORT["legs"]
        if is_put
        else "\n  expiry: {dte: {nearest: 90}}\n  short_call: {sell: call, strike: {otm: 5 pts}}\n"
    )
    desk = with_calls_on_qqq(0 if is_put else 500, legs=legs)
    after = 500 if is_put else 0
    whole = 252500 - 295000 if is_put else 252500 + 302500
    rows = [(position.legs[0].option, 0) for position in desk.state.positions.by_id.values()]
    of_spy, of_qqq = [rows[0], (SPY, after)], [rows[1], (QQQ, 0)]
    if seen == "at once":
        desk.unlink()
    desk.now = session_after(desk.day).open - timedelta(hours=3)
    desk.tick()
    if seen == "at once":
        desk.link(positions=[(SPY, after)])
    else:
        for row in (*of_qqq, *of_spy) if seen == "QQQ first" else of_spy if seen == "SPY first" else of_qqq:
            desk.holds(*row)
            desk.tick(2)
    for each in reported:
        cash(desk, str(700000 + (whole if each == "whole" else int(each))))
        desk.tick(40)
    if seen in ("SPY first", "later"):
        for row in of_qqq if seen == "SPY first" else of_spy:
            desk.holds(*row)
            desk.tick(2)
    for _ in range(8):
        desk.tick(60)
    found = [(each.state, each.exit_reason, each.on_hold) for each in desk.state.positions.by_id.values()]
    assert found == [("closed", "assigned", "")] * 2


@pytest.mark.parametrize("seconds", [5, 45, 400])
def test_what_is_assigned_of_the_same_calls_later_in_the_night_is_paid_apart(seconds: int) -> None:
    desk = writer("16:30")
    desk.now = session_after(desk.day).open - timedelta(hours=3)
    desk.tick()
    for left, dollars in ((3, "821000"), (0, "1002500")):
        desk.holds(desk.position.legs[0].option, -left)
        desk.holds(SPY, 100 * left)
        cash(desk, dollars)
        desk.tick(35)
        desk.tick(seconds)
        assert desk.position.legs[0].held == left
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "assigned")


def test_a_start_between_the_cash_and_what_the_account_holds_knows_the_cash_of_before() -> None:
    desk = writer("16:30")
    desk.now = session_after(desk.day).open - timedelta(hours=3)
    desk.tick()
    cash(desk, "1002500")
    desk.tick(2)
    desk.start_again()
    desk.tick(20)
    desk.link(positions=[])
    desk.tick(60)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "assigned")


def test_what_is_on_record_of_cash_is_what_it_was_before_a_start() -> None:
    desk = writer("16:30")
    desk.holds(desk.position.legs[0].option, 0)
    desk.holds(SPY, 0)
    cash(desk, "1002500")
    desk.start_again()
    desk.link(positions=[])
    desk.tick(30)
    assert desk.position.state == "closed"


@pytest.mark.parametrize("is_unlinked", [False, True])
def test_over_a_session_a_person_may_have_traded_what_is_gone(*, is_unlinked: bool) -> None:
    """Seen after one session and listed before the next but one, what a person had closed was booked as assigned."""
    desk = writer("16:30")
    desk.unlink() if is_unlinked else end(desk)
    desk.now = session_after(session_after(desk.day).date).open - timedelta(minutes=30)
    if not is_unlinked:
        desk.start_again()
    desk.link(positions=[])
    assert desk.position.state == "open"
    assert "closed by hand" in desk.position.on_hold


@pytest.mark.parametrize("way", ["ended", "killed past midnight", "link down", "slept"])
def test_a_run_that_never_knew_the_account_has_not_seen_it(way: str) -> None:
    """Its end, its midnight or the loss of a connection that never told was taken for when the account was seen."""
    desk = writer("15:00")
    desk.now = clock("16:30")
    if way == "slept":
        desk.send(Disconnected(desk.now, "slept", clock("15:00")))
    desk.start_again()
    if way == "link down":
        desk.unlink()
    if way == "killed past midnight":
        desk.now = clock("09:00") + timedelta(days=1)
        desk.tick()
    else:
        end(desk)
    desk.now = session_after(desk.day).open - timedelta(minutes=30)
    desk.start_again()
    desk.link(positions=[])
    assert desk.position.state == "open"


def test_what_the_account_holds_is_on_record_of_each_start() -> None:
    """Of an engine that is started every day it was known for ten days, and then for one start not at all."""
    desk = desk_of(exits=NO_REST)
    for count in (1, 2):
        end(desk)
        desk.now = clock("09:00") + timedelta(days=count)
        desk.start_again()
        desk.link()
    assert [each.at.day for each in desk.said(Kind.FACTS, ACCOUNT_SEEN)] == [18, 19, 20]


@pytest.mark.parametrize("is_ended", [False, True])
def test_shares_that_come_after_a_position_was_put_on_hold_are_of_no_assignment(*, is_ended: bool) -> None:
    """After a start, what somebody had closed long before looked as if it had gone as the shares came."""
    desk = desk_of(theirs=300, exits=NO_REST)
    desk.holds(desk.position.legs[0].option, 0)
    desk.settle(60)
    desk.tick()
    assert desk.position.on_hold
    desk.until("16:30")
    desk.start_again() if is_ended else desk.unlink()
    desk.now = session_after(desk.day).open - timedelta(minutes=30)
    desk.link(positions=[(SPY, 800)])
    assert desk.position.state == "open"


@pytest.mark.parametrize("way", ["of another symbol", "before the store was put back"])
def test_what_was_seen_of_something_else_is_not_gone_by(way: str) -> None:
    """Shares that somebody had all the time were taken for those of an assignment."""
    desk = desk_of(theirs=500 if way == "of another symbol" else 300, exits=NO_REST)
    desk.until("16:30")
    if way == "of another symbol":  # the end came before the account told of this one
        other = AccountSeen({Underlying("IWM"): Decimal(100)})
        seen: dict[str, Json] = {"symbol": "", "what": ACCOUNT_SEEN, "value": encode(other)}
        desk.records = [replace(each, data=seen) if each.kind is Kind.FACTS else each for each in desk.records]
    else:
        data: dict[str, Json] = {"id": "restored", "request": "kill", "bot": "", "reason": "", ORDER_NUMBER_FLOOR: 1}
        desk.records.append(Record(desk.now, Kind.OPERATOR, data=data))
    desk.start_again()
    desk.now = session_after(desk.day).open - timedelta(minutes=30)
    desk.link(positions=[(SPY, 500 if way == "of another symbol" else 800)])
    assert desk.position.state == "open"


@pytest.mark.parametrize(("cost", "state"), [("590", "closed"), ("586.9", "closed"), ("300", "open"), ("800", "open")])
@pytest.mark.parametrize("is_ended", [False, True])
def test_shares_that_came_in_a_session_unwatched_are_assigned_if_they_have_cost_about_the_strike(
    cost: str, state: str, *, is_ended: bool
) -> None:
    """Puts that somebody closed, and as many shares that he bought on any day since, were booked as assigned."""
    desk = desk_of(exits=NO_REST)
    desk.until("15:00")
    desk.start_again() if is_ended else desk.unlink()
    desk.now = session_after(session_after(desk.day).date).open - timedelta(minutes=30)
    desk.link(positions=[(SPY, 500)], costs=[(SPY, cost)])
    assert desk.position.state == state


@pytest.mark.parametrize("seconds", [20, 300])
@pytest.mark.parametrize("rests", [True, False])
@pytest.mark.parametrize("first", ["option", "shares"])
@pytest.mark.parametrize("is_ended", [False, True])
def test_what_is_being_confirmed_is_so_after_a_kill_and_a_lost_connection(
    seconds: int, first: str, *, rests: bool, is_ended: bool
) -> None:
    """The account was on record without the options and with their shares, and the position was put on hold."""
    desk = desk_of() if rests else desk_of(exits=NO_REST)
    working = [order.ref for order in desk.live]
    rows = [(desk.position.legs[0].option, 0), (SPY, 500)]
    for contract, count in rows if first == "option" else rows[::-1]:
        desk.holds(contract, count)
        desk.tick(1)
    desk.start_again() if is_ended else desk.unlink()
    desk.now += timedelta(seconds=seconds)
    desk.link(refs=working, positions=[(SPY, 500)], costs=[(SPY, "300")])
    assert not desk.position.on_hold
    for ref in working:
        desk.tick(1)
        if is_ended:  # once more, while the order is being taken back
            desk.start_again()
            desk.now += timedelta(seconds=seconds)
            desk.link(refs=working, positions=[(SPY, 500)], costs=[(SPY, "300")])
        desk.cancelled(desk.order(ref))
    desk.tick(30)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "assigned")
    assert len(reported(desk)) == 1


def test_nothing_is_asked_of_the_broker_before_its_orders_are_listed() -> None:
    """What was doubted before a kill is so as the first contract of a start is told."""
    desk = desk_of()
    (resting,) = desk.live
    desk.holds(desk.position.legs[0].option, 0)
    desk.holds(SPY, 500)
    desk.start_again()
    desk.now += timedelta(minutes=1)
    sent = len(desk.commands)
    desk.send(PositionReport(desk.now, SPY, Decimal(500), Decimal(589)))
    assert len(desk.commands) == sent
    desk.link(refs=[resting.ref], positions=[(SPY, 500)], costs=[(SPY, "589")])
    assert desk.order(resting.ref).status is OrderStatus.CANCELLING
    desk.cancelled(desk.order(resting.ref))
    desk.tick(30)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "assigned")


def test_assignment_survives_a_kill_between_the_options_and_their_shares() -> None:
    desk = desk_of(exits=NO_REST)
    desk.holds(desk.position.legs[0].option, 0)
    desk.start_again()
    desk.now += timedelta(minutes=5)
    desk.link(positions=[(SPY, 500)], costs=[(SPY, "589")])
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "assigned")


@pytest.mark.parametrize("is_reported", [True, False])
def test_a_fill_reported_after_the_account_leaves_no_doubt_to_a_start(*, is_reported: bool) -> None:
    """What was short for a moment before its fill was told would seem to have gone long before its shares came."""
    desk = desk_of()
    (resting,) = desk.live
    desk.holds(desk.position.legs[0].option, -3)
    if is_reported:
        desk.send(desk.execution(resting, resting.legs[0], 2, "1.00"))
    desk.start_again()
    assert bool(desk.state.account.shortfalls) is not is_reported


@pytest.mark.parametrize("way", ["calls", "puts"])
def test_what_is_left_to_a_person_at_a_start_is_not_booked_half_a_minute_later(way: str) -> None:
    """That nobody had watched was forgotten once the account was listed: what a person had traded was booked."""
    desk = writer("16:30") if way == "calls" else desk_of(exits=NO_REST)
    desk.until("16:30")
    end(desk)
    desk.start_again()
    desk.now = session_after(session_after(desk.day).date).open - timedelta(minutes=30)
    if way == "calls":
        desk.link(positions=[])
    else:
        desk.link(positions=[(SPY, 500)], costs=[(SPY, "300")])
    assert desk.position.on_hold
    for _ in range(10):
        desk.tick(5)
    assert desk.position.state == "open"
    assert not desk.said(Kind.SETTLEMENT)


@pytest.mark.parametrize("shares", [0, 400, -500])
def test_other_shares_than_those_of_the_option_are_no_assignment(shares: int) -> None:
    desk = desk_of(exits=NO_REST)
    desk.holds(desk.position.legs[0].option, 0)
    desk.holds(SPY, shares)
    desk.settle(60)
    assert desk.position.state == "open"
    assert "closed by hand" in desk.position.on_hold
    assert not desk.said(Kind.SETTLEMENT)


def test_beside_other_options_it_is_left_to_a_person() -> None:
    desk = desk_of(legs=SPREAD, exits=NO_REST)
    assign(desk, 5)
    assert "rulebot protects and closes only the rest, +5 SPY" in desk.position.on_hold
    assert not desk.said(Kind.SETTLEMENT)


@pytest.mark.parametrize(
    ("is_night", "now", "is_assigned"),
    [(False, "704993.50", False), (False, "705000", True), (True, "704993.50", True)],
)
def test_shares_and_put_that_a_person_closed_by_hand_look_alike_while_the_market_is_open(
    now: str, *, is_night: bool, is_assigned: bool
) -> None:
    """Only the cash tells: a trade has commissions. A covered call that was assigned kept its shares in the books."""
    desk = desk_of(legs=SHORT["legs"] + "  stock: {sell: shares}\n", exits=NO_REST)
    written, stock = desk.position.legs
    desk.holds(SPY, -500)
    cash(desk, "1000000")
    desk.tick(60)
    if is_night:
        desk.until("17:00")
    desk.holds(written.option, 0)
    desk.holds(SPY, 0)
    cash(desk, now)
    if is_night:
        desk.now = session_after(desk.day).open - timedelta(minutes=30)
    for _ in range(8):
        desk.tick(5)
    found: Position = desk.position
    if is_assigned:
        assert (found.state, found.exit_reason) == ("closed", "assigned")
        assert [leg.exit_cash for leg in found.legs] == [ZERO, Decimal(-500 * 590)]
        assert "no exit acts" not in reported(desk)[0]
    else:
        assert found.on_hold
        assert stock.held == found.legs[1].held


@pytest.mark.parametrize(("now", "is_assigned"), [("704993.50", False), ("705000", True)])
def test_beside_other_options_the_cash_reports_that_shares_of_the_position_went(now: str, *, is_assigned: bool) -> None:
    """A collar whose call was assigned kept its shares in the books, and its put had no exit but the time."""
    legs = SHORT["legs"] + "  stock: {sell: shares}\n  wing: {buy: put, strike: {below: short_put, by: 5 pts}}\n"
    desk = desk_of(legs=legs, exits=NO_REST)
    desk.holds(SPY, -500)
    cash(desk, "1000000")
    desk.tick(60)
    desk.holds(desk.position.legs[0].option, 0)
    desk.holds(SPY, 0)
    cash(desk, now)
    for _ in range(8):
        desk.tick(5)
    held = {leg.name: leg.held for leg in desk.position.legs}
    shares = 0 if is_assigned else 500
    assert held == {"short_put": 0 if is_assigned else 5, "stock": shares, "wing": 5}
    assert bool(desk.position.hold) is not is_assigned


def test_a_fill_that_is_reported_after_an_assignment_on_the_last_day_takes_nothing_of_it_back() -> None:
    """The trade took the place of the assignment: the account had the shares, and as many puts too many."""
    legs = "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {otm: 4 pts}}\n"
    desk = desk_of(legs=legs, exits="\n  - target: {profit: 50%}\n    resting: true\n  - at_expiry: settle\n")
    (resting,) = desk.live
    desk.board.last[desk.board.rows[SPY]] = 585.0
    assign(desk, 5)
    desk.cancelled(desk.order(resting.ref))
    desk.tick(5)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "assigned")
    desk.send(desk.execution(resting, resting.legs[0], 5, "0.25"))
    (leg,) = desk.position.legs
    assert (leg.held, leg.settled, desk.position.exit_reason) == (-5, 5, "assigned")
    assert [record.data["quantity"] for record in desk.said(Kind.SETTLEMENT)] == [5]
    assert "more was closed" in desk.alarms[-1]


def test_what_is_assigned_while_its_exit_fills_is_reported_with_its_shares() -> None:
    """The account then held five puts and 500 shares, and the alarm named the puts alone."""
    desk = desk_of(theirs=0, exits="\n  - time_in_trade: {at_least: 5m}\n  - dte: {at_most: 5}\n")
    option = desk.position.legs[0].option
    desk.tick(300)
    (order,) = desk.live
    desk.ack(order)
    desk.holds(option, 0)
    desk.holds(SPY, 500)
    desk.fill(order)
    desk.holds(option, 5)
    for _ in range(8):
        desk.tick(5)
    said = f"{desk.position.id} is closed, and the account holds 5 {option}"
    how = "closed by hand, too, or assigned (it holds 500 SPY)"
    assert reported(desk) == [f"{said}: {how}? No exit watches it: check the account"]


def test_shares_whose_price_is_not_known_count_once_it_is() -> None:
    """Until then the trade has no profit: it would be won by its credit alone."""
    desk = desk_of()
    (resting,) = desk.live
    row = desk.board.rows[Underlying("SPY")]
    desk.board.last[row] = float("nan")
    assign(desk, 5)
    desk.cancelled(desk.order(resting.ref))
    desk.tick(5)
    assert (desk.position.state, desk.position.unpriced, desk.position.shares_profit) == ("closed", 5, 0)
    desk.board.last[row] = 585.0
    desk.tick(5)
    assert (desk.position.unpriced, desk.position.gross) == (0, desk.position.cash - 500 * 5)
    assert desk.day_of("seller").realized == desk.position.net
    first, later = (record.data for record in desk.said(Kind.SETTLEMENT))
    assert (first["quantity"], first["shares_profit"]) == (5, None)
    assert (later["quantity"], later["contracts"], later["shares_profit"]) == (0, 5, "-2500.00")

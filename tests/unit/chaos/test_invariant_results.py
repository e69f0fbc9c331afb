"""What chaos says of a position that is open when all is quiet: its exits and stops at the broker fit what it holds."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import pytest

from rulebot.chaos.crash_points import CrashPoints
from rulebot.chaos.invariants import CHECKS
from rulebot.chaos.limits_check import ChaosResult
from rulebot.chaos.scenario import ChaosScenario
from rulebot.checks.against_ledger.books import CheckedDay
from rulebot.checks.against_ledger.findings import LedgerOrders
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.model.contract import Option, Right
from rulebot.model.order import Order, OrderLeg, OrderStatus, OrderType, Purpose, Side
from rulebot.model.position import Position, PositionLeg
from rulebot.record.codec import encode
from rulebot.record.record import FILLS_PENDING, Json, Kind, Record
from rulebot.spec.files import shipped
from twsim import LedgerTotals

DAY = date(2026, 10, 21)
NOON = datetime(2026, 10, 21, 16, 0, tzinfo=UTC)
NOTHING = LedgerTotals(Decimal(0), Decimal(0), {}, {}, {}, {})
STORM = ChaosScenario(seed=1, day=DAY, market=None, begins=NOON, calm_at=NOON)
SETTLED = CHECKS[23][1]


def leg(name: str, strike: int, sign: int, right: Right = Right.PUT, held: int = 2, symbol: str = "SPX") -> PositionLeg:
    option = Option(symbol, symbol, DAY, Decimal(strike), right, con_id=strike)
    brought = Decimal(-100 * sign * held)
    return PositionLeg(name=name, option=option, sign=sign, ratio=1, opened=held, entry_cash=brought)


CONDOR = (
    leg("short_put", 6600, -1),
    leg("long_put", 6590, 1),
    leg("short_call", 6800, -1, Right.CALL),
    leg("long_call", 6810, 1, Right.CALL),
)
CREDIT = (
    replace(CONDOR[0], entry_cash=Decimal(300)),
    CONDOR[1],
    replace(CONDOR[2], entry_cash=Decimal(300)),
    CONDOR[3],
)


@pytest.fixture(scope="module")
def desk() -> LoadedBots:
    files = [shipped("examples") / "protected_condor.yaml", shipped("examples") / "resting_put.yaml"]
    return load_all_bots([str(each) for each in files], {}, None)


def position(desk: LoadedBots, bot: str, legs: tuple[PositionLeg, ...]) -> Position:
    digest = desk.bots[bot].plan.digest
    return Position(id=f"{bot}-1", bot=bot, digest=digest, state="open", session=DAY, quantity=2, legs=legs)


def at_broker(held: Position, sizes: Mapping[tuple[Purpose, str], int]) -> dict[str, Order]:
    """Return orders that buy back so many of a leg each, all at work."""
    options = {leg.name: leg.option for leg in held.legs}
    found = {}
    for number, ((purpose, name), size) in enumerate(sizes.items(), 1):
        found[f"rb:a:{number}"] = Order(
            ref=f"rb:a:{number}", number=number, bot=held.bot, position=held.id, purpose=purpose, reason="",
            legs=(OrderLeg(name, options[name], Side.BUY),), side=Side.BUY, quantity=size, kind=OrderType.LIMIT,
            status=OrderStatus.WORKING, order_id=number, perm_id=number, prepared_at=NOON, changed_at=NOON,
            digest=held.digest,
        )  # fmt: skip
    return found


def said(desk: LoadedBots, held: Position, sizes: Mapping[tuple[Purpose, str], int], word: str) -> list[str]:
    """Return what is said with this word in it; that the broker has none of these orders is said too."""
    return judged(desk, CheckedDay((), {held.id: held}, at_broker(held, sizes), (), NOTHING, {}), word)


def left_by(day: CheckedDay, at: datetime = NOON) -> ChaosResult:
    """Return what a trial left whose store has this day, and whose broker has nothing, at this instant."""
    return ChaosResult(
        storm=STORM, day=day, outside=LedgerOrders((), (), at), tables=(), starts=(), unreported=(), fired={},
        deaths=(), lives=1, points=cast(CrashPoints, None),
    )  # fmt: skip


def judged(desk: LoadedBots, day: CheckedDay, word: str, at: datetime = NOON) -> list[str]:
    """Return what is said with this word in it of a day that ends at this instant."""
    return [each for each in SETTLED(left_by(day, at), desk) if word in each]


def test_a_short_leg_without_its_stop_of_its_size_is_seen(desk: LoadedBots) -> None:
    held = position(desk, "protected_condor", CREDIT)
    both = {(Purpose.PROTECT, "short_put"): 2, (Purpose.PROTECT, "short_call"): 2}
    assert said(desk, held, both, "and has stops for") == []
    assert "2 of short_put and has stops for 0" in said(desk, held, {(Purpose.PROTECT, "short_call"): 2}, "stops")[0]
    (found,) = said(desk, held, {**both, (Purpose.PROTECT, "short_put"): 1}, "and has stops for")
    assert "holds 2 of short_put and has stops for 1" in found


def test_a_short_leg_is_not_missed_where_there_can_be_no_stop(desk: LoadedBots) -> None:
    held = position(desk, "protected_condor", CREDIT)
    (put, *_, call, _) = CREDIT
    gone = replace(held, legs=(replace(put, closed=2), CREDIT[1], replace(call, closed=2), CREDIT[3]))
    assert said(desk, gone, {}, "and has stops for") == []
    debit = tuple(replace(each, entry_cash=Decimal(-10)) for each in CREDIT)
    assert said(desk, replace(held, legs=debit), {}, "and has stops for") == [], "nothing was brought"
    assert said(desk, replace(held, resting_orders_withdrawn=True), {}, "and has stops for") == []


def test_a_wing_that_an_exit_of_one_side_has_left_beside_the_other_is_not_between_two_states() -> None:
    desk = load_all_bots([str(shipped("examples") / "rolling_side.yaml")], {}, None)
    name, *_ = desk.bots
    (side, *_) = [each for each in desk.bots[name].plan.exits if set(each.legs) == {"short_put", "long_put"}]
    (put, *others) = CONDOR
    gone = (replace(put, closed=2), *others)
    held = replace(position(desk, name, gone), state="exiting", exit_reason=side.name)
    assert said(desk, held, {}, "ends exiting") == []
    one_left = (replace(put, closed=1), *others)
    assert said(desk, replace(held, legs=one_left), {}, "ends exiting") == [
        f"{held.id} of {name} ends exiting without an order"
    ]


def test_resting_exits_fit_what_is_held(desk: LoadedBots) -> None:
    held = position(desk, "resting_put", (leg("short_put", 600, -1, symbol="SPY"),))
    pair = {(Purpose.TARGET, "short_put"): 2, (Purpose.STOP, "short_put"): 2}
    assert said(desk, held, pair, "rest") == []
    (found,) = said(desk, held, {(Purpose.STOP, "short_put"): 2}, "rest")
    assert "1 of 2 resting orders" in found
    (found,) = said(desk, held, {**pair, (Purpose.STOP, "short_put"): 1}, "rest")
    assert "rests for 1, resting_put-1 holds 2" in found


@pytest.mark.parametrize(
    ("bot", "purpose", "price", "is_right"),
    [
        ("protected_condor", Purpose.PROTECT, "6.00", True),  # the leg brought 1.50
        ("protected_condor", Purpose.PROTECT, "5.90", False),
        ("resting_put", Purpose.TARGET, "0.50", True),
        ("resting_put", Purpose.TARGET, "0.45", False),
    ],
)
def test_what_rests_at_another_price_than_is_asked_for_is_seen(
    desk: LoadedBots, bot: str, purpose: Purpose, price: str, *, is_right: bool
) -> None:
    legs = CREDIT if bot == "protected_condor" else (leg("short_put", 600, -1, symbol="SPY"),)
    held = position(desk, bot, legs)
    (order,) = at_broker(held, {(purpose, "short_put"): 2}).values()
    is_stop = purpose is Purpose.PROTECT
    order = replace(order, reason=purpose.value, kind=OrderType.STOP if is_stop else OrderType.LIMIT)
    order = order.with_terms(2, Decimal(price))
    day = CheckedDay((), {held.id: held}, {order.ref: order}, (), NOTHING, {})
    assert (judged(desk, day, "is asked for") == []) is is_right
    suspended = replace(held, resting_orders_withdrawn=True)
    assert judged(desk, replace(day, positions={held.id: suspended}), "is asked for") == []


def as_asked(desk: LoadedBots, positions: tuple[Position, ...], records: tuple[Record, ...] = ()) -> list[str]:
    """Return what is said of the size and number of positions."""
    day = CheckedDay(records, {each.id: each for each in positions}, {}, (), NOTHING, {})
    return list(CHECKS[13][1](left_by(day), desk))


def test_what_could_lose_more_than_a_trade_may_is_seen(desk: LoadedBots) -> None:
    legs = tuple(replace(each, opened=1) for each in CREDIT)
    held = replace(position(desk, "protected_condor", legs), quantity=1)
    fits, is_more = (replace(held, max_risk=Decimal(most)) for most in ("1000", "1000.01"))
    assert as_asked(desk, (fits,)) == []
    assert as_asked(desk, (is_more,)) == [f"{held.id} could lose $1,000.01, max_loss_per_trade is $1,000"]
    assert as_asked(desk, (replace(is_more, rolled_from="x"),)) == [], "of a roll the trade counts as a whole"
    fill = Record(NOON, Kind.FILL, held.bot, held.id, {"exec_id": "a.1.01"})
    assert as_asked(desk, (is_more,), (fill,)) != []
    assert as_asked(desk, (is_more,), (fill, replace(fill, data={"exec_id": "a.1.02"}))) == [], "it was corrected"


def test_more_trades_open_at_once_than_may_be_are_seen() -> None:
    files = [str(shipped("examples") / name) for name in ("resting_put.yaml", "short_nights.yaml")]
    desk = load_all_bots(files, {}, shipped("examples") / "account_limits.yaml")
    assert desk.account is not None
    desk = replace(desk, account=replace(desk.account, max_open=3))
    put = (leg("short_put", 600, -1, held=1, symbol="SPY"),)
    nights = [
        replace(position(desk, "short_nights", put), id=f"n{number}", quantity=1, opened_at=NOON + timedelta(number))
        for number in range(3)
    ]
    assert as_asked(desk, (*nights[:2],)) == []
    assert as_asked(desk, (*nights,)) == ["3 trades of short_nights were open at once, max_open is 2"]
    assert as_asked(desk, (replace(nights[0], closed_at=NOON + timedelta(2)), *nights[1:])) == []
    rolled = replace(nights[2], trade="n1", rolled_from="n1")
    assert as_asked(desk, (*nights[:2], rolled)) == [], "a roll is no trade of its own"
    reported = Record(NOON, Kind.ALARM, "short_nights", "n2", {"text": "a person must look"})
    assert as_asked(desk, (*nights,), (reported,)) == []
    puts = [
        replace(position(desk, "resting_put", put), id=f"p{number}", quantity=1, opened_at=NOON) for number in range(2)
    ]
    assert "4 trades of all bots were open at once, max_open is 3" in as_asked(desk, (*nights[:2], *puts))


def as_data(order: Order) -> dict[str, Json]:
    data = encode(order)
    assert isinstance(data, dict)
    return data


KILL = Record(NOON, Kind.OPERATOR, data={"request": "kill"})
RESUME = Record(NOON, Kind.OPERATOR, data={"request": "resume"})


def test_an_entry_that_is_not_cancelled_after_a_kill_is_seen(desk: LoadedBots) -> None:
    held = position(desk, "protected_condor", CREDIT)
    (order,) = at_broker(held, {(Purpose.ENTRY, "short_put"): 1}).values()
    following, leaving = replace(order, attempt=2), replace(order, attempt=2, status=OrderStatus.CANCELLING)

    def said_of(*happened: Order | Record) -> list[str]:
        records = [
            each if isinstance(each, Record) else Record(NOON, Kind.ORDER, each.bot, each.position, as_data(each))
            for each in happened
        ]
        orders = {each.ref: each for each in happened if isinstance(each, Order)}
        day = CheckedDay(tuple(records), {held.id: held}, orders, (), NOTHING, {})
        return list(CHECKS[10][1](cast(ChaosResult, SimpleNamespace(day=day)), desk))

    works = "rb:a:1 of protected_condor works on after a kill"
    assert said_of(order, KILL) == [works]
    assert said_of(order, KILL, following) == [
        "rb:a:1 of protected_condor has gone on to another try after a kill", works
    ]  # fmt: skip
    assert said_of(order, KILL, leaving) == []
    assert said_of(order, following, KILL, leaving) == []
    assert said_of(order, KILL, RESUME, following) == []
    assert said_of(replace(order, purpose=Purpose.EXIT), KILL) == []


TIME_IS_UP = datetime(2026, 10, 21, 19, 45, tzinfo=UTC)
IS_THERE = Record(NOON, Kind.LINK, data={"up": True})
FLATTEN = Record(NOON, Kind.OPERATOR, data={"request": "flatten"})


@pytest.mark.parametrize(
    ("at", "records", "is_seen"),
    [
        (TIME_IS_UP + timedelta(minutes=1), (IS_THERE,), True),
        (TIME_IS_UP + timedelta(seconds=59), (IS_THERE,), False),
        (TIME_IS_UP + timedelta(minutes=1), (replace(IS_THERE, at=TIME_IS_UP + timedelta(seconds=1)),), False),
        (TIME_IS_UP + timedelta(minutes=20), (IS_THERE,), False),  # the session is over
        (NOON + timedelta(minutes=1), (IS_THERE, FLATTEN), True),
        (NOON + timedelta(minutes=1), (FLATTEN, replace(FLATTEN, data={"request": "resume"})), False),
    ],
)
def test_what_the_clock_or_a_person_wants_closed_and_is_left_open_is_seen(
    desk: LoadedBots, at: datetime, records: tuple[Record, ...], *, is_seen: bool
) -> None:
    """An engine that never acted by its exits broke nothing that was looked at."""
    held = position(desk, "protected_condor", CREDIT)
    day = CheckedDay(records, {held.id: held}, {}, (), NOTHING, {})
    assert bool(judged(desk, day, "to be closed", at)) is is_seen
    assert judged(desk, replace(day, positions={held.id: replace(held, state="exiting")}), "to be closed", at) == []


@pytest.mark.parametrize(("number", "purpose"), [(1, Purpose.ENTRY), (9, Purpose.EXIT)])
def test_what_is_sent_while_the_broker_works_what_the_store_holds_for_over_is_reported(
    desk: LoadedBots, number: int, purpose: Purpose
) -> None:
    held = position(desk, "resting_put", (leg("short_put", 6600, -1),))
    first, second = (
        replace(each, ref=f"rb:a:{at}", purpose=purpose, sent_at=NOON + timedelta(minutes=at))
        for at, each in ((at, at_broker(held, {(purpose, "short_put"): 2})["rb:a:1"]) for at in (0, 1))
    )
    over = replace(first, status=OrderStatus.REJECTED)
    rows = tuple(
        {"kind": "order", "at": each.sent_at.isoformat(), "order_ref": each.ref, "status": "Submitted",
         "quantity": "2", "filled": "0"}
        for each in (over, second) if each.sent_at is not None
    )  # fmt: skip
    day = CheckedDay((), {held.id: held}, {each.ref: each for each in (over, second)}, (), NOTHING, {})
    (said,) = CHECKS[number][1](cast(ChaosResult, SimpleNamespace(day=day, outside=LedgerOrders(rows, (), NOON))), desk)
    assert said.startswith("rb:a:1 was sent while the broker worked rb:a:0")


REQUIRED, OTHERS = f"{FILLS_PENDING} rb:a:1", "presets rb:a:1 3f2a"


def outstanding(desk: LoadedBots, *more: Order, key: str = REQUIRED, of: str = "", reported: int = 2) -> list[str]:
    """Return what is said of partners of a short put that the broker says has filled twice, and tells once.

    key: of the alarm, of that position or another. more: orders that came after it.
    """
    held = position(desk, "protected_condor", (replace(CREDIT[0], opened=1), *CREDIT[1:]))
    legs = tuple(OrderLeg(each.name, each.option, Side.SELL if each.sign < 0 else Side.BUY) for each in CREDIT)
    (any_order,) = at_broker(held, {(Purpose.ENTRY, "short_put"): 2}).values()
    entry = replace(any_order, legs=legs, status=OrderStatus.FILLED, leg_filled=(1, 2, 2, 2), broker_filled=reported)
    alarm = Record(NOON + timedelta(seconds=30), Kind.ALARM, held.bot, of or held.id, {"text": "look", "key": key})
    orders = {each.ref: each for each in (entry, *more)}
    return judged(desk, CheckedDay((alarm,), {held.id: held}, orders, (), NOTHING, {}), "partner")


def test_what_a_person_was_asked_to_look_at_since_the_broker_owes_its_fills_is_not_broken(desk: LoadedBots) -> None:
    """Seed 7000156: the exchange had taken a leg back and the broker still called all of it filled."""
    held = position(desk, "protected_condor", CREDIT)
    (before,) = at_broker(held, {(Purpose.PROTECT, "short_put"): 1}).values()
    before = replace(before, ref="rb:a:2")
    assert outstanding(desk) == []
    assert outstanding(desk, before) == []
    assert outstanding(desk, replace(before, prepared_at=NOON + timedelta(seconds=31))) != [], "it was acted on since"
    assert outstanding(desk, key=OTHERS) != [], "that asks nobody to look at what is missing"
    assert outstanding(desk, of="protected_condor-2") != []
    assert outstanding(desk, reported=1) != [], "nothing is owed"

"""What positions held by the broker's executions: a short leg alone, and a leg that is closed twice, are seen."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from engine_day import BOT, FLAT, ID, LEG, PUT, at, entity, fill, order

from rulebot.checks.against_ledger.books import CheckedDay, fill_differences
from rulebot.checks.against_ledger.holdings import closed_too_much, closed_without_holding, uncovered_shorts
from rulebot.model.contract import LOT, Right, share
from rulebot.model.order import OrderLeg, OrderStatus, Purpose, Side
from rulebot.record.record import Kind, Record
from twsim import LedgerTotals, Row

LONG = replace(PUT, strike=Decimal(580), con_id=12)
WING = replace(LEG, name="wing", option=LONG, sign=1)
PAIR = replace(FLAT, quantity=1, legs=(LEG, WING))
ENTRY = order(1, Purpose.ENTRY, legs=(OrderLeg("put", PUT, Side.SELL), OrderLeg("wing", LONG, Side.BUY)))
EXIT = order(2, Purpose.EXIT, legs=(OrderLeg("put", PUT, Side.BUY), OrderLeg("wing", LONG, Side.SELL)))
NOTHING = LedgerTotals(Decimal(0), Decimal(0), {}, {}, {}, {})
DAY = CheckedDay((), {ID: PAIR}, {ENTRY.ref: ENTRY, EXIT.ref: EXIT}, (), NOTHING, {})

STOCK = replace(LEG, name="stock", option=share("SPY", 13), ratio=LOT)
CALL = replace(LEG, name="call", option=replace(PUT, right=Right.CALL, con_id=14))
WRITTEN = order(
    3,
    Purpose.ENTRY,
    legs=tuple(OrderLeg(leg.name, leg.option, Side.SELL, ratio=leg.ratio) for leg in (STOCK, LEG, CALL)),
)
SHARES_DAY = CheckedDay(
    (), {ID: replace(FLAT, quantity=1, legs=(STOCK, LEG, CALL))}, {WRITTEN.ref: WRITTEN}, (), NOTHING, {}
)


def execution(at: str, ref: str, con_id: int, side: str, exec_id: str, quantity: int = 1) -> Row:
    return {
        "kind": "execution", "at": f"{date(2026, 11, 18)}T{at}", "order_ref": ref, "con_id": con_id, "side": side,
        "exec_id": exec_id, "quantity": str(quantity), "price": "1", "sec_type": "OPT",
    }  # fmt: skip


SOLD = execution("15:00", ENTRY.ref, 11, "SLD", "e.1.02.01")
COVERED = execution("15:00", ENTRY.ref, 12, "BOT", "e.1.03.01")
BOUGHT_BACK = execution("16:00", EXIT.ref, 11, "BOT", "e.2.02.01")
WING_SOLD = execution("16:00", EXIT.ref, 12, "SLD", "e.2.03.01")
WHOLE = [SOLD, COVERED, BOUGHT_BACK, WING_SOLD]


def test_a_pair_that_opens_and_closes_as_one_is_sound() -> None:
    assert list(uncovered_shorts(DAY, WHOLE, ())) == []
    assert list(closed_too_much(DAY, WHOLE)) == []


def test_a_short_leg_without_its_long_one_is_seen_unless_it_is_allowed() -> None:
    alone = [SOLD, {**COVERED, "at": "2026-11-18T15:00:05"}]
    (found,) = uncovered_shorts(DAY, alone, ())
    assert "short 1 put" in found
    assert list(uncovered_shorts(DAY, alone, ("seller",))) == []


def test_the_long_one_sold_first_is_seen() -> None:
    (found,) = uncovered_shorts(DAY, [SOLD, COVERED, WING_SOLD], ())
    assert "short 1 put" in found


def test_a_lot_of_shares_covers_one_call_and_no_more() -> None:
    bought = {**execution("15:00", WRITTEN.ref, 13, "BOT", "e.1.02.01", 100), "sec_type": "STK"}
    sold = execution("15:00", WRITTEN.ref, 14, "SLD", "e.1.03.01")
    assert list(uncovered_shorts(SHARES_DAY, [bought, sold], ())) == []
    for rows in ([bought, {**sold, "quantity": "2"}], [{**bought, "quantity": "99"}, sold]):
        (found,) = uncovered_shorts(SHARES_DAY, rows, ())
        assert "short 1 call" in found


def test_shares_that_were_sold_cover_puts_and_need_calls() -> None:
    """`rulebot chaos` called every structure with `sell: shares` uncovered."""
    sold = {**execution("15:00", WRITTEN.ref, 13, "SLD", "e.1.02.01", 100), "sec_type": "STK"}
    put = execution("15:00", WRITTEN.ref, 11, "SLD", "e.1.03.01")
    call = execution("15:00", WRITTEN.ref, 14, "BOT", "e.1.04.01")
    assert list(uncovered_shorts(SHARES_DAY, [sold, put, call], ())) == []
    (found,) = uncovered_shorts(SHARES_DAY, [sold, put], ())
    assert "short 1 call" in found
    (found,) = uncovered_shorts(SHARES_DAY, [sold, {**put, "quantity": "2"}, call], ())
    assert "short 1 put" in found
    back = {**sold, "at": "2026-11-19T15:00", "side": "BOT", "exec_id": "e.2.02.01", "quantity": "40"}
    assert list(uncovered_shorts(SHARES_DAY, [sold, put, call, back], ())) == [], "its options are over"


def test_an_exit_that_fills_twice_is_seen() -> None:
    again = {**BOUGHT_BACK, "at": "2026-11-18T16:01", "exec_id": "e.3.02.01"}
    assert len(list(closed_too_much(DAY, [*WHOLE, again]))) == 1


@pytest.mark.parametrize(("size", "is_reported", "count"), [(1, True, 0), (1, False, 1), (2, True, 1)])
def test_what_the_broker_fills_beyond_the_size_of_an_exit_is_not_our_doing(
    size: int, is_reported: bool, count: int
) -> None:
    """A person must have been told; that it called the order filled was lost (seed 914010 of `rulebot chaos`)."""
    again = [{**each, "exec_id": each["exec_id"].replace("e.2", "e.3")} for each in WHOLE[2:]]
    reported = Record(at("11:00"), Kind.ALARM, BOT, ID, {"text": "more was closed than was held"})
    orders = {**DAY.orders, EXIT.ref: replace(EXIT, quantity=size)}
    day = replace(DAY, orders=orders, records=(reported,) if is_reported else ())
    assert bool(list(closed_too_much(day, [*WHOLE, *again]))) is bool(count)
    third = [{**each, "exec_id": each["exec_id"].replace("e.2", "e.4")} for each in WHOLE[2:]]
    assert bool(list(closed_too_much(day, [*WHOLE, *again, *third]))) is bool(count), "twice beyond it"


def test_an_exit_that_adds_to_what_is_held_is_seen_where_a_person_was_reported() -> None:
    reported = Record(at("11:00"), Kind.ALARM, BOT, ID, {"text": "more was closed than was held"})
    wrong = {**BOUGHT_BACK, "side": "SLD"}
    assert list(closed_too_much(replace(DAY, records=(reported,)), [SOLD, COVERED, wrong])) != []


def test_an_exit_that_was_given_up_and_fills_beside_the_next_one_is_not_our_doing() -> None:
    """The broker had said that it has none; unless it was asked while the exit may have been on its way."""
    again = {**BOUGHT_BACK, "at": "2026-11-18T16:01", "exec_id": "e.3.02.01"}
    for asked_at, count in (("10:00:40", 0), ("10:00:39", 1)):
        records = (
            entity(asked_at, replace(EXIT, status=OrderStatus.CANCELLING)),
            entity("10:01", replace(EXIT, status=OrderStatus.LOST)),
            entity("10:02", replace(EXIT, status=OrderStatus.CANCELLING, perm_id=902)),
            fill("11:00", 2, "e.2.02.01", "1", Purpose.EXIT),
        )
        assert len(list(closed_too_much(replace(DAY, records=records), [*WHOLE, again]))) == count


def test_an_exit_of_what_was_never_opened_is_seen() -> None:
    assert list(closed_too_much(DAY, [BOUGHT_BACK])) != []


def test_a_corrected_execution_counts_once() -> None:
    corrected = {**SOLD, "at": "2026-11-18T15:01", "exec_id": "e.1.02.02", "price": "2"}
    assert list(uncovered_shorts(DAY, [SOLD, COVERED, corrected], ())) == []
    assert list(closed_too_much(DAY, [SOLD, COVERED, corrected])) == []


def test_a_trade_that_the_broker_takes_back_is_not_our_doing() -> None:
    bust = {**COVERED, "at": "2026-11-18T15:01", "exec_id": "e.1.03.02", "quantity": "0"}
    assert list(uncovered_shorts(DAY, [SOLD, COVERED, bust], ())) == []


def test_what_was_booked_unseen_and_cancelled_is_no_execution() -> None:
    """The true execution counts; a guess that still counts beside it is told."""
    true = fill("10:30", 1, "e.1.01", "1.20", Purpose.ENTRY)
    guess = fill("10:20", 1, "unseen:a.01", "1.10", Purpose.ENTRY)
    gone = fill("10:30", 1, "unseen:a.02", "1.10", Purpose.ENTRY, 0)
    row = execution("15:30", "rb:a:000001", 11, "SLD", "e.1.01") | {"price": "1.20"}
    assert list(fill_differences(replace(DAY, records=(guess, true, gone)), [row])) == []
    (found,) = fill_differences(replace(DAY, records=(guess, true)), [row])
    assert "unseen:a" in found


# ---------------------------------------------------------------- others in the account

SENT = {"kind": "order", "at": "2026-11-18T16:00:00", "order_ref": EXIT.ref, "status": "Submitted"}


def by_hand(at: str, con_id: int, side: str) -> dict[str, object]:
    return {**execution(at, "", con_id, side, f"h.{con_id}.01"), "name": "P"}


def test_an_exit_of_what_a_person_else_has_closed_is_seen() -> None:
    rows = [SOLD, COVERED, by_hand("15:30", 11, "BOT"), SENT, {**BOUGHT_BACK, "name": "P"}]
    (found,) = closed_without_holding(DAY, rows)
    assert "the account held 0" in found


def test_an_exit_is_judged_by_its_own_side_where_others_of_ours_hold_the_other() -> None:
    """The account nets them: it held 0 of the put, one that was sold and one that another bot had bought."""
    other = replace(PAIR, id="other-1", legs=(replace(LEG, sign=1),))
    bought = replace(ENTRY, ref="rb:x:000009", position=other.id, legs=(OrderLeg("put", PUT, Side.BUY),))
    day = replace(DAY, positions={ID: PAIR, other.id: other}, orders={**DAY.orders, bought.ref: bought})
    both = [SOLD, COVERED, execution("15:10", bought.ref, 11, "BOT", "e.9.01.01")]
    back = {**BOUGHT_BACK, "name": "P"}
    assert list(closed_without_holding(day, [*both, by_hand("15:30", 11, "SLD"), SENT, back])) == []
    (found,) = closed_without_holding(day, [*both, by_hand("15:30", 11, "BOT"), SENT, back])
    assert "the account held 0" in found


def test_an_exit_that_the_exchange_takes_back_has_traded_nothing_again() -> None:
    """Somebody had closed the contract before, which was taken back too (seed 52023 of `rulebot chaos`)."""
    closed, back = by_hand("15:30", 11, "BOT"), {**BOUGHT_BACK, "name": "P"}
    opened = {**closed, "at": "2026-11-18T15:31", "exec_id": "h.11.02", "quantity": "0"}
    bust = {**back, "at": "2026-11-18T16:31", "exec_id": "e.2.02.02", "quantity": "0"}
    assert list(closed_without_holding(DAY, [SOLD, COVERED, closed, opened, SENT, back, bust])) == []


def test_an_exit_that_was_sent_before_anybody_could_know_is_not() -> None:
    soon = by_hand("15:59:30", 11, "BOT")
    assert list(closed_without_holding(DAY, [SOLD, COVERED, soon, SENT, {**BOUGHT_BACK, "name": "P"}])) == []
    assert list(closed_without_holding(DAY, [*WHOLE[:2], SENT, *WHOLE[2:]])) == []


def test_a_combo_that_the_broker_tore_is_no_fault_of_ours() -> None:
    """Only one that it ended without its other legs; one that it calls filled is looked at."""
    entry = {"kind": "order", "at": "2026-11-18T15:00:01", "order_ref": ENTRY.ref}
    assert list(uncovered_shorts(DAY, [SOLD, {**entry, "status": "Cancelled"}], ())) == []
    assert len(list(uncovered_shorts(DAY, [SOLD, {**entry, "status": "Filled"}], ()))) == 1


LIQUIDATED = {**by_hand("15:30", 11, "BOT"), "exec_id": "l.11.01.01"}
BOOKED = fill("10:30", 0, "l.11.01.01", "1", Purpose.EXIT)
BOOKED = replace(BOOKED, data={**BOOKED.data, "ref": "", "purpose": "by_others"})


def test_a_short_leg_that_the_broker_has_liquidated_needs_no_long_one_any_more() -> None:
    """What was left of the position was sold when a person had let its exits continue."""
    day = replace(DAY, records=(BOOKED,))
    rows = [SOLD, COVERED, LIQUIDATED, WING_SOLD]
    assert list(uncovered_shorts(day, rows, ())) == []
    assert list(uncovered_shorts(DAY, rows, ())) == [], "the ledger has it, though nobody told the engine"
    (found,) = uncovered_shorts(day, [SOLD, COVERED, WING_SOLD, {**LIQUIDATED, "at": "2026-11-18T16:30"}], ())
    assert "at 2026-11-18T16:00" in found, "the long one was sold before"
    many = [{**SOLD, "quantity": "2"}, {**COVERED, "quantity": "2"}, LIQUIDATED, {**WING_SOLD, "quantity": "2"}]
    (found,) = uncovered_shorts(day, many, ())
    assert "short 1 put" in found, "one of two was left"


def test_a_liquidation_that_the_exchange_takes_back_leaves_a_short_leg_that_needs_its_long_one() -> None:
    day = replace(DAY, records=(BOOKED,))
    back = {**LIQUIDATED, "at": "2026-11-18T15:45", "exec_id": "l.11.01.02", "quantity": "0"}
    (found,) = uncovered_shorts(day, [SOLD, COVERED, LIQUIDATED, back, WING_SOLD], ())
    assert "short 1 put" in found
    late = {**back, "at": "2026-11-18T16:30"}
    again = {**BOUGHT_BACK, "at": "2026-11-18T16:40"}
    assert list(uncovered_shorts(day, [SOLD, COVERED, LIQUIDATED, WING_SOLD, late, again], ())) == []


def test_a_long_leg_that_the_broker_has_liquidated_is_not_our_doing() -> None:
    """The short one is bought back in two parts; a further one that is sold is ours."""
    data = {**BOOKED.data, "leg": "wing", "con_id": 12, "is_buy": False}
    day = replace(DAY, records=(replace(BOOKED, data=data),))
    both = [{**SOLD, "quantity": "2"}, {**COVERED, "quantity": "2"}]
    gone = {**LIQUIDATED, "con_id": 12, "side": "SLD", "quantity": "2"}
    assert list(uncovered_shorts(day, [*both, gone, BOUGHT_BACK], ())) == []
    more = execution("16:10", ENTRY.ref, 11, "SLD", "e.4.02.01")
    (found,) = uncovered_shorts(day, [*both, gone, BOUGHT_BACK, more], ())
    assert "short 2 put" in found


SECOND = "second-20261118-1"
OTHER_ENTRY = replace(ENTRY, ref="rb:a:000005", bot="second", position=SECOND)
OTHER_EXIT = replace(EXIT, ref="rb:a:000006", bot="second", position=SECOND)
TWO = replace(
    DAY,
    positions={ID: PAIR, SECOND: replace(PAIR, id=SECOND, bot="second")},
    orders={each.ref: each for each in (ENTRY, EXIT, OTHER_ENTRY, OTHER_EXIT)},
)
BOTH_OPEN = [
    SOLD,
    COVERED,
    execution("15:01", OTHER_ENTRY.ref, 11, "SLD", "e.5.02.01"),
    execution("15:01", OTHER_ENTRY.ref, 12, "BOT", "e.5.03.01"),
]
OTHER_WING_SOLD = execution("16:00", OTHER_EXIT.ref, 12, "SLD", "e.6.03.01")


def test_what_a_person_closes_of_a_contract_of_two_positions_counts_to_the_newest_that_holds_it() -> None:
    """It counted to none of them, and the bot that sold its long leg then seemed to leave its short one alone."""
    one = execution("15:30", "", 11, "BOT", "h.1.01.01")
    assert list(uncovered_shorts(TWO, [*BOTH_OPEN, one, OTHER_WING_SOLD], ())) == []
    (found,) = uncovered_shorts(TWO, [*BOTH_OPEN, one, WING_SOLD], ())
    assert f"{ID} of {BOT} was short 1 put" in found
    (found,) = uncovered_shorts(TWO, [*BOTH_OPEN, one, OTHER_WING_SOLD, WING_SOLD], ())
    assert f"{ID} of {BOT} was short 1 put" in found
    both = {**one, "quantity": "2"}
    assert list(uncovered_shorts(TWO, [*BOTH_OPEN, both, OTHER_WING_SOLD, WING_SOLD], ())) == []
    before = {**one, "at": "2026-11-18T15:00:30"}
    (found,) = uncovered_shorts(TWO, [*BOTH_OPEN[:2], before, *BOTH_OPEN[2:], WING_SOLD, OTHER_WING_SOLD], ())
    assert f"{SECOND} of second was short 1 put" in found, "it was not open then"


def test_what_a_person_closes_and_opens_again_is_held_again() -> None:
    gone, back = (execution("15:30", "", 11, side, f"h.{side}.01.01") for side in ("BOT", "SLD"))
    (found,) = uncovered_shorts(TWO, [*BOTH_OPEN, gone, back, OTHER_WING_SOLD], ())
    assert f"{SECOND} of second was short 1 put" in found


def test_what_a_person_closes_of_his_own_counts_to_no_position() -> None:
    own, closed = (execution("15:30", "", 11, side, f"h.{side}.01.01") for side in ("SLD", "BOT"))
    (found,) = uncovered_shorts(TWO, [*BOTH_OPEN, own, closed, OTHER_WING_SOLD], ())
    assert f"{SECOND} of second was short 1 put" in found


def test_an_order_that_a_person_deals_beside_is_not_our_doing() -> None:
    """A person sold one of two long legs in the second in which a market order for both had left."""
    both = [{**SOLD, "quantity": "2"}, {**COVERED, "quantity": "2"}, {**BOUGHT_BACK, "at": "2026-11-18T15:20"}]
    leaves: Row = {"kind": "order", "at": "2026-11-18T16:00:00+00:00", "order_ref": EXIT.ref, "status": "Submitted"}
    by_hand = execution("16:00:00+00:00", "", 12, "SLD", "h.1.01.01")
    wings = execution("16:00:01+00:00", EXIT.ref, 12, "SLD", "e.2.03.01", 1)
    rows = [*both, leaves, by_hand, wings]
    assert list(uncovered_shorts(DAY, rows, ())) == []
    (found,) = uncovered_shorts(DAY, [*both, {**leaves, "at": "2026-11-18T16:00:02+00:00"}, by_hand, wings], ())
    assert "short 1 put" in found

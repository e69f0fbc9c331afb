"""What the broker worked at once, by its ledger: an entry or exit that was sent beside one the store held for over."""

from decimal import Decimal

from engine_day import FLAT, ID, PUT, at, order

from rulebot.checks.against_ledger.books import CheckedDay
from rulebot.checks.against_ledger.holdings import entries_at_once, exits_at_once
from rulebot.model.order import Order, OrderStatus, Purpose
from twsim import LedgerTotals, Row

NOTHING = LedgerTotals(Decimal(0), Decimal(0), {}, {}, {}, {})


def day(*orders: Order) -> CheckedDay:
    return CheckedDay((), {ID: FLAT}, {each.ref: each for each in orders}, (), NOTHING, {})


def sent(number: int, purpose: Purpose, when: str, **changes: object) -> Order:
    return order(number, purpose, sent_at=at(when), **changes)


def reported(when: str, of: Order, status: str, filled: int = 0) -> Row:
    return {
        "kind": "order", "at": at(when).isoformat(), "order_ref": of.ref, "status": status,
        "quantity": str(of.quantity), "filled": str(filled),
    }  # fmt: skip


def dealt(when: str, of: Order, quantity: int, exec_id: str) -> Row:
    return {
        "kind": "execution", "at": at(when).isoformat(), "order_ref": of.ref, "sec_type": "OPT", "con_id": PUT.con_id,
        "quantity": str(quantity), "exec_id": exec_id,
    }  # fmt: skip


FIRST = sent(1, Purpose.ENTRY, "10:00", status=OrderStatus.REJECTED)
SECOND = sent(2, Purpose.ENTRY, "10:01")
HELD = [
    reported("10:00", FIRST, "Submitted"),
    dealt("10:00:05", FIRST, 2, "e.1.01"),
    reported("10:00:05", FIRST, "Filled", 2),
]
EXIT = sent(3, Purpose.EXIT, "11:00", status=OrderStatus.REJECTED)
NEXT = sent(4, Purpose.EXIT, "11:01")
AT_WORK = reported("11:00", EXIT, "Submitted")


def test_an_entry_that_is_sent_while_one_that_was_given_up_works_is_seen() -> None:
    """The journal shows nothing: to the store the first one was over."""
    rows = [
        reported("10:00", FIRST, "PreSubmitted"),
        reported("10:01", SECOND, "Submitted"),
        reported("10:02", SECOND, "Filled"),
    ]
    assert list(entries_at_once(day(FIRST, SECOND), rows)) == [
        "rb:a:000002 was sent while the broker worked rb:a:000001 of seller"
    ]


def test_an_entry_after_the_end_of_the_one_before_is_sound() -> None:
    rows = [
        reported("10:00", FIRST, "Submitted"),
        reported("10:01", FIRST, "Cancelled"),
        reported("10:01", SECOND, "Submitted"),
    ]
    assert list(entries_at_once(day(FIRST, SECOND), rows)) == []


def test_entries_of_two_bots_may_work_at_once() -> None:
    other = sent(2, Purpose.ENTRY, "10:01", bot="other")
    rows = [reported("10:00", FIRST, "Submitted"), reported("10:01", other, "Submitted")]
    assert list(entries_at_once(day(FIRST, other), rows)) == []


def test_one_that_reached_the_broker_after_the_next_was_sent_is_left_out() -> None:
    rows = [
        reported("10:01", SECOND, "Submitted"),
        reported("10:03", FIRST, "Submitted"),
        reported("10:04", SECOND, "Submitted"),
    ]
    assert list(entries_at_once(day(FIRST, SECOND), rows)) == []
    slow = [reported("10:03", FIRST, "Submitted"), reported("10:04", SECOND, "Submitted")]
    assert list(entries_at_once(day(FIRST, SECOND), slow)) == []


def test_an_exit_that_is_sent_while_one_that_was_given_up_works_is_seen() -> None:
    rows = [*HELD, AT_WORK, reported("11:01", NEXT, "Submitted")]
    assert list(exits_at_once(day(FIRST, EXIT, NEXT), rows)) == [
        "rb:a:000004 was sent while the broker worked rb:a:000003: 4 of put, held 2"
    ]


def test_exits_that_come_to_no_more_than_is_held_are_sound() -> None:
    half, rest = (sent(number, Purpose.EXIT, when, quantity=1) for number, when in ((3, "11:00"), (4, "11:01")))
    rows = [*HELD, reported("11:00", half, "Submitted"), reported("11:01", rest, "Submitted")]
    assert list(exits_at_once(day(FIRST, half, rest), rows)) == []
    less = [*HELD, dealt("10:30", FIRST, 1, "e.1.02"), *rows[3:]]
    assert len(list(exits_at_once(day(FIRST, half, rest), less))) == 1, "the broker corrected the entry to one"


def test_what_an_exit_has_filled_counts_no_more() -> None:
    rest = sent(4, Purpose.EXIT, "11:01", quantity=1)
    half = [*HELD, AT_WORK, dealt("11:00:30", EXIT, 1, "e.2.01"), reported("11:00:30", EXIT, "Submitted", 1)]
    (found,) = exits_at_once(day(FIRST, EXIT, rest), [*half, reported("11:01", rest, "Submitted")])
    assert found.endswith("2 of put, held 1")


def test_a_pair_of_one_group_counts_once() -> None:
    pair = [
        sent(number, purpose, when, oca_group="rb-1")
        for number, purpose, when in ((3, Purpose.TARGET, "11:00"), (4, Purpose.STOP, "11:01"))
    ]
    rows = [*HELD, *(reported(when, each, "Submitted") for when, each in zip(("11:00", "11:01"), pair, strict=True))]
    assert list(exits_at_once(day(FIRST, *pair), rows)) == []
    late = [*rows, reported("11:02", after := sent(5, Purpose.EXIT, "11:02"), "Submitted")]
    assert list(exits_at_once(day(FIRST, *pair, after), late)) == [
        "rb:a:000005 was sent while the broker worked rb:a:000003, rb:a:000004: 4 of put, held 2"
    ]

"""What of a statement does not tie to the books, and what in it is not ours."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from store_day import DAY, at, put

from rulebot.record.books import BookedFill, LegContract, LegEnding, base_of
from rulebot.statement.flex import Contract, Statement, StatementEvent, StatementExecution
from rulebot.statement.reconcile import Difference, DifferenceKind, Orders, Reconciliation, reconcile
from rulebot.store.finance import Deals, occ_symbol

SHORT = LegContract(account="U1", bot="a", position="P", leg="short_put", option=put(5930), sign=-1)
LONG = LegContract(account="U1", bot="b", position="Q", leg="long_put", option=put(5920), sign=1)
ORDERS = Orders(refs=frozenset({"rb:1"}), perm_ids=frozenset({77}))


def fill(of: LegContract, exec_id: str, signed: int, price: str, when: datetime | None = None) -> BookedFill:
    return BookedFill(
        of=of,
        exec_id=exec_id,
        ref="rb:1",
        is_buy=signed > 0,
        quantity=abs(signed),
        price=Decimal(price),
        executed_at=when or at("10:00"),
        commission=Decimal("1.2806"),
    )


FILLS = (fill(SHORT, "x.1.01", -2, "2.50"), fill(LONG, "x.2.01", 2, "1.25"))


def contract(of: LegContract, con_id: int | None = None) -> Contract:
    known = of.option.con_id if con_id is None else con_id
    return Contract(con_id=known, symbol=occ_symbol(of.option), category="OPT")


def reported(each: BookedFill, **changes: Any) -> StatementExecution:
    paid = each.commission or Decimal(0)
    found = StatementExecution(
        exec_id=each.exec_id,
        order_id=77,
        ref=each.ref,
        contract=contract(each.of),
        day=each.date,
        signed=Decimal(each.signed),
        price=each.price,
        proceeds=each.proceeds,
        commission=paid,
        net_cash=each.proceeds - paid,
    )
    return replace(found, **changes)


def stranger(of: LegContract, signed: int, **changes: Any) -> StatementExecution:
    return replace(reported(fill(of, "z.9.01", signed, "3.00")), ref="", order_id=5, **changes)


def ended(of: LegContract, how: str, quantity: int = 2, price: str = "0") -> LegEnding:
    return LegEnding(of=of, quantity=quantity, price=Decimal(price), level=None, how=how, recorded_at=at("16:00"))


def event(of: LegContract, kind: str, signed: int, proceeds: str = "0") -> StatementEvent:
    cash = Decimal(proceeds)
    return StatementEvent(
        contract=contract(of), kind=kind, day=DAY, signed=Decimal(signed), price=Decimal(0), proceeds=cash
    )


def shares(signed: int, price: str, proceeds: str) -> StatementEvent:
    known = Contract(con_id=1, symbol="SPY", category="STK")
    kind = "Buy" if signed > 0 else "Sell"
    return StatementEvent(
        contract=known, kind=kind, day=DAY, signed=Decimal(signed), price=Decimal(price), proceeds=Decimal(proceeds)
    )


def statement(
    *trades: StatementExecution, events: tuple[StatementEvent, ...] = (), days: int = 0, **changes: Any
) -> Statement:
    found = Statement(
        account="U1",
        periods=((DAY, DAY + timedelta(days=days)),),
        trades=trades,
        orphans=(),
        events=events,
        has_events=True,
    )
    return replace(found, **changes)


def compared(
    found: Statement, fills: tuple[BookedFill, ...] = FILLS, endings: tuple[LegEnding, ...] = ()
) -> Reconciliation:
    return reconcile(Deals(fills, endings), ORDERS, found)


def shown(found: Reconciliation) -> list[tuple[str, str, str, str]]:
    return [(each.what.value, each.name, each.ours, each.theirs) for each in found.differences]


BOTH = tuple(reported(each) for each in FILLS)


def test_the_same_on_both_sides_ties() -> None:
    found = compared(statement(*BOTH))
    assert found.ties
    assert (found.executions, found.strangers) == (2, ())
    assert [(each.name, str(each.ours)) for each in found.sums] == [
        ("contracts", "4"),
        ("proceeds", "250.00"),
        ("commissions", "2.5612"),
        ("net", "247.4388"),
    ]
    assert all(each.ours == each.theirs for each in found.sums)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"price": Decimal("2.51")}, ("price", "2.50", "2.51")),
        ({"proceeds": Decimal("500.01")}, ("proceeds", "500.00", "500.01")),
        ({"commission": Decimal("1.29")}, ("commission", "1.2806", "1.29")),
        ({"signed": Decimal(-3)}, ("quantity", "-2", "-3")),
        ({"signed": Decimal(2)}, ("quantity", "-2", "+2")),
        ({"net_cash": Decimal("498.73")}, ("net cash", "498.7194", "498.73")),
        ({"ref": "rb:2"}, ("order reference", "rb:1", "rb:2")),
        ({"contract": contract(LONG)}, ("contract", "SPXW  261118P05930000", "SPXW  261118P05920000")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_each_value_that_differs_is_said(changes: dict[str, Any], says: tuple[str, str, str]) -> None:
    assert shown(compared(statement(reported(FILLS[0], **changes), BOTH[1]))) == [("differs", *says)]


def test_less_than_half_a_cent_is_no_difference() -> None:
    assert compared(statement(reported(FILLS[0], commission=Decimal("1.28064"), net_cash=None), BOTH[1])).ties


def test_parts_of_cents_that_add_up_are_seen_in_the_sum() -> None:
    many = tuple(fill(SHORT, f"x.{number}.01", -1, "2.50") for number in range(10))
    less = [reported(each, commission=Decimal("1.2785"), net_cash=None) for each in many]
    assert shown(compared(statement(*less), many)) == [
        ("sum differs", "commissions", "12.806", "12.785"),
        ("sum differs", "net", "2487.194", "2487.215"),
    ]


def test_missing_on_either_side() -> None:
    assert shown(compared(statement(BOTH[1]))) == [
        ("not in the statement", "execution", "sold 2 at 2.50 on 2026-11-18, order rb:1", "")
    ]
    assert shown(compared(statement(*BOTH), FILLS[1:])) == [
        ("not in the store", "execution", "", "sold 2 at 2.50 on 2026-11-18, order rb:1")
    ]
    assert compared(statement(*BOTH), FILLS[1:]).strangers == ()
    unmarked = reported(FILLS[0], ref="")
    assert [each.what for each in compared(statement(unmarked, BOTH[1]), FILLS[1:]).differences] == [
        DifferenceKind.NOT_IN_STORE
    ]


def test_an_execution_on_record_is_ours_whatever_its_order_is_called() -> None:
    found = reconcile(Deals(FILLS, ()), Orders(refs=frozenset(), perm_ids=frozenset()), statement(*BOTH))
    assert found.ties
    assert found.strangers == ()


def test_an_order_reference_that_the_statement_leaves_empty_is_no_difference() -> None:
    assert compared(statement(*(reported(each, ref="") for each in FILLS))).ties


def test_an_execution_twice_in_the_statement_is_a_difference() -> None:
    assert shown(compared(statement(reported(FILLS[0], times=2), BOTH[1]))) == [
        ("doubled in the statement", "times", "1", "2")
    ]


def test_other_days_and_accounts_are_not_missed() -> None:
    later = fill(SHORT, "x.3.01", -1, "2.00", at("10:00", DAY + timedelta(days=1)))
    other = fill(replace(SHORT, account="U2"), "x.4.01", -1, "2.00")
    assert compared(statement(*BOTH), (*FILLS, later, other)).ties
    assert [each.exec_id for each in compared(statement(*BOTH, days=1), (*FILLS, later)).differences] == ["x.3.01"]


def test_a_commission_that_is_not_reported_yet() -> None:
    waits = replace(FILLS[0], commission=None)
    assert shown(compared(statement(*BOTH), (waits, FILLS[1]))) == [
        ("differs", "commission", "not reported yet", "1.2806")
    ]


GUESS = replace(FILLS[0], exec_id="unseen:rb:1:short_put.01", price=Decimal("2.48"), commission=None)


def test_an_estimate_stands_for_what_its_order_filled() -> None:
    parts = [
        reported(FILLS[0], exec_id=f"x.{number}.01", signed=Decimal(-1), proceeds=Decimal(250)) for number in (1, 7)
    ]
    found = compared(statement(*parts, BOTH[1]), (GUESS, FILLS[1]))
    assert shown(found) == [
        ("estimate", "price", "2.48", "2.50"),
        ("estimate", "proceeds", "496.00", "500.00"),
        ("estimate", "commission", "not reported yet", "2.5612"),
    ]
    assert {each.mend for each in found.differences} == {
        "rulebot store correct rb:1 2.5 --leg short_put --commission 2.5612"
    }
    mended = replace(GUESS, exec_id="unseen:rb:1:short_put.02", price=Decimal("2.5"), commission=Decimal("2.5612"))
    assert compared(statement(*parts, BOTH[1]), (mended, FILLS[1])).ties


def test_an_estimate_of_which_the_broker_knows_nothing() -> None:
    found = compared(statement(BOTH[1]), (GUESS, FILLS[1]))
    assert shown(found) == [
        ("not in the statement", "execution", "sold 2 at 2.48 on 2026-11-18, an estimate, order rb:1", "")
    ]


def test_what_a_person_closed_by_hand_is_compared_with_trades_without_a_reference() -> None:
    """It was not in the statement, and the trade not ours."""
    guess = fill(SHORT, "unseen:P:short_put.01", 2, "0.10")
    guess = replace(guess, ref=SHORT.position, commission=None)
    by_hand = reported(
        guess,
        exec_id="z.1.01",
        ref="",
        order_id=5,
        commission=Decimal("1.30"),
        price=Decimal("0.05"),
        proceeds=Decimal(-10),
    )
    found = compared(statement(*BOTH, by_hand), (*FILLS, guess))
    assert {each.what for each in found.differences} == {DifferenceKind.ESTIMATE}
    assert {each.mend for each in found.differences} == {
        "rulebot store correct unseen:P:short_put.01 0.05 --leg short_put --commission 1.30"
    }
    assert found.strangers == ()
    more = replace(by_hand, signed=Decimal(3), proceeds=Decimal(-15))
    assert [each.what for each in compared(statement(*BOTH, more), (*FILLS, guess)).differences][:1] == [
        DifferenceKind.NOT_IN_STATEMENT
    ]


def test_an_execution_of_ours_without_an_id_is_not_overlooked() -> None:
    found = compared(statement(*BOTH, reported(FILLS[0], exec_id="")))
    assert [each.what for each in found.differences] == [DifferenceKind.NOT_IN_STORE]


def test_what_was_cancelled_on_both_sides_ties() -> None:
    gone = replace(FILLS[0], quantity=0)
    back = reported(gone, signed=Decimal(0), proceeds=Decimal(0), net_cash=None)
    assert compared(statement(back, BOTH[1]), (gone, FILLS[1])).ties
    assert compared(statement(BOTH[1]), (gone, FILLS[1])).ties


def test_others_in_the_account_are_named_and_do_no_harm() -> None:
    found = compared(statement(*BOTH, stranger(SHORT, 3), orphans=(stranger(LONG, -1),)))
    assert found.ties
    assert [(each.exec_id, each.signed) for each in found.strangers] == [("z.9.01", 3)]


def test_a_cancel_of_ours_without_its_trade() -> None:
    found = compared(statement(*BOTH, orphans=(reported(FILLS[0]),)))
    assert [(each.what, each.theirs) for each in found.differences] == [
        (DifferenceKind.CANCELLED, "sold 2 at 2.50 on 2026-11-18 of order rb:1, which is not in the file")
    ]


ENDED = (ended(SHORT, "cash settled", price="4.20"), ended(LONG, "expired"))
EVENTS = (event(SHORT, "Assignment", 2), event(SHORT, "Cash Settlement", 0, "-840"), event(LONG, "Expiration", -2))


def test_endings_of_other_accounts_are_not_compared() -> None:
    found = compared(statement(*BOTH, events=EVENTS), endings=ENDED)
    assert found.ties
    assert found.endings == 2
    elsewhere = ended(replace(LONG, account="U2", option=put(1000)), "expired")
    again = compared(statement(*BOTH, events=EVENTS), endings=(*ENDED, elsewhere))
    assert (again.ties, again.endings) == (True, 2)


@pytest.mark.parametrize(
    ("events", "says"),
    [
        (EVENTS[1:], ("quantity", "+2 assigned", "+0 ended")),
        ((*EVENTS, EVENTS[2]), ("quantity", "-2 expired", "-4 expired")),
        ((*EVENTS[:2], event(LONG, "Exercise", -2)), ("how", "expired", "exercised")),
        ((EVENTS[0], event(SHORT, "Cash Settlement", 0, "-839.99"), EVENTS[2]), ("cash", "-840.00", "-839.99")),
        ((EVENTS[0], EVENTS[2]), ("cash", "-840.00", "0.00")),
        (EVENTS[:2], ("quantity", "-2 expired", "+0 ended")),
    ],
)
def test_endings_that_differ(events: tuple[StatementEvent, ...], says: tuple[str, str, str]) -> None:
    found = compared(statement(*BOTH, events=events), endings=ENDED)
    assert shown(found) == [("ended otherwise", *says)]


def test_what_had_filled_before_an_ending_of_ours_is_reported_with_the_command_that_puts_it_in() -> None:
    close = fill(SHORT, "x.8.01", 2, "0.05")
    parts = [reported(close, exec_id=f"x.{number}.01", signed=Decimal(1), proceeds=Decimal(-5)) for number in (8, 9)]
    found = compared(statement(*BOTH, *parts, events=EVENTS[2:]), endings=ENDED)
    assert [each.what for each in found.differences] == [
        DifferenceKind.NOT_IN_STORE,
        DifferenceKind.NOT_IN_STORE,
        DifferenceKind.ENDING,
    ]
    assert {each.mend for each in found.differences} == {
        "rulebot store correct rb:1 0.05 --leg short_put --contracts 2 --day 2026-11-18 --commission 2.5612",
        "",
    }
    other = ended(replace(SHORT, leg="other_put", option=put(5925)), "expired")
    beside = compared(statement(*BOTH, *parts, events=EVENTS[2:]), endings=(*ENDED, other))
    assert {each.mend for each in beside.differences} == {each.mend for each in found.differences}
    unnamed = [replace(each, ref="") for each in parts]
    assert not any(each.mend for each in compared(statement(*BOTH, *unnamed), endings=ENDED).differences)
    opened = reported(fill(SHORT, "x.8.01", -2, "0.05"))
    assert [each.mend for each in compared(statement(*BOTH, opened), endings=ENDED[:1]).differences if each.mend] == []


def test_what_was_assigned_before_the_days_of_a_statement_is_no_part_of_what_ended_in_them() -> None:
    other = replace(SHORT, bot="c", position="R")
    before = replace(ended(other, "assigned", 1), recorded_at=at("09:31") - timedelta(days=1))
    fills = (*FILLS, fill(other, "x.5.01", -1, "2.50"))
    both = (*(reported(each) for each in fills),)
    events = (event(SHORT, "Expiration", 2), EVENTS[2])
    endings = (ended(SHORT, "expired"), before, ENDED[1])
    assert compared(statement(*both, events=events), fills, endings).ties
    booked_late = (event(SHORT, "Assignment", 1),)
    assert compared(statement(reported(fills[2]), events=booked_late), fills[2:], (before,)).ties


def test_an_ending_that_the_store_does_not_have() -> None:
    found = compared(statement(*BOTH, events=(event(SHORT, "Assignment", 2),)))
    assert shown(found) == [("ended otherwise", "quantity", "+0 ended", "+2 assigned")]


def test_bots_that_hold_both_sides_are_set_off_as_the_broker_does() -> None:
    other = replace(SHORT, bot="c", position="R", leg="long_put", sign=1)
    endings = (*ENDED, ended(other, "cash settled", 1, "4.20"))
    fills = (*FILLS, fill(other, "x.5.01", 1, "2.50"))
    events = (event(SHORT, "Assignment", 1), event(SHORT, "Cash Settlement", 0, "-420"), EVENTS[2])
    assert compared(statement(*(reported(each) for each in fills), events=events), fills, endings).ties


def test_what_others_hold_of_the_same_contract_is_allowed_for() -> None:
    events = (event(SHORT, "Assignment", 5), event(SHORT, "Cash Settlement", 0, "-2100"), EVENTS[2])
    assert compared(statement(*BOTH, stranger(SHORT, -3), events=events), endings=ENDED).ties
    assert not compared(statement(*BOTH, events=events), endings=ENDED).ties


def test_events_of_others_are_named() -> None:
    far = replace(SHORT, option=put(4000))
    found = compared(statement(*BOTH, events=(*EVENTS, event(far, "Expiration", 1))), endings=ENDED)
    assert found.ties
    assert [each.contract.symbol for each in found.strange_events] == ["SPXW  261118P04000000"]
    sold_and_bought = (FILLS[0], fill(SHORT, "x.6.01", 2, "1.00"))
    theirs = statement(*(reported(each) for each in sold_and_bought), events=(event(SHORT, "Expiration", -5),))
    assert compared(theirs, sold_and_bought).ties


def test_a_file_without_the_section_of_endings() -> None:
    found = compared(statement(*BOTH, has_events=False), endings=ENDED)
    assert [each.what for each in found.differences] == [DifferenceKind.SECTION]
    assert compared(statement(*BOTH, has_events=False)).ties


SPY_PUT = LegContract(account="U1", bot="a", position="S", leg="short_put", option=put(600, "SPY", "SPY"), sign=-1)
SOLD = (fill(SPY_PUT, "y.1.01", -1, "2.50"),)


@pytest.mark.parametrize(
    ("moved", "differs"),
    [
        ((shares(100, "600", "-60000"),), ""),
        ((), "+0 at 600.00 for 0.00"),
        ((shares(200, "600", "-120000"),), "+200 at 600.00 for -120000.00"),
        ((shares(-100, "600", "60000"),), "-100 at 600.00 for 60000.00"),
        ((shares(100, "600", "-60000.01"),), "+100 at 600.00 for -60000.01"),
        ((shares(100, "601", "-60100"),), "+0 at 600.00 for 0.00"),
    ],
)
def test_shares_move_at_the_strike(moved: tuple[StatementEvent, ...], differs: str) -> None:
    found = compared(
        statement(reported(SOLD[0]), events=(event(SPY_PUT, "Assignment", 1), *moved)),
        SOLD,
        (ended(SPY_PUT, "assigned", 1),),
    )
    wanted = [("ended otherwise", "shares delivered", "+100 at 600.00 for -60000.00", differs)]
    assert shown(found) == (wanted if differs else [])


def test_shares_of_others_are_nobodys_difference() -> None:
    far = replace(SPY_PUT, option=put(700, "SPY", "SPY"))
    events = (event(SPY_PUT, "Assignment", 1), event(far, "Assignment", 1), shares(100, "600", "-60000"))
    more = (*events, shares(100, "700", "-70000"))
    for each in (more, (event(SPY_PUT, "Expiration", 1),)):
        how = "assigned" if each is more else "expired"
        assert compared(statement(reported(SOLD[0]), events=each), SOLD, (ended(SPY_PUT, how, 1),)).ties


def test_a_correction_is_the_same_execution() -> None:
    assert base_of("x.1.01") == base_of("x.1.02")
    newer = reported(FILLS[0], exec_id="x.1.02")
    assert compared(statement(newer, BOTH[1])).ties
    assert Difference(what=DifferenceKind.SUM, name="net").exec_id == ""

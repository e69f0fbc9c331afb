"""The fold of what the journal says was dealt: corrections, commissions, and what is refused."""

from dataclasses import replace
from decimal import Decimal

from store_day import at, position

from rulebot.model.order import Purpose
from rulebot.record.books import Books, base_of
from rulebot.record.record import Kind, Record

LEG = {"leg": "short_put"}


def fill(exec_id: str, quantity: int, price: str, *, is_buy: bool, purpose: Purpose = Purpose.ENTRY) -> Record:
    data = {**LEG, "exec_id": exec_id, "is_buy": is_buy, "quantity": quantity, "price": price, "purpose": purpose.value}
    return Record(at("09:52"), Kind.FILL, "a", "P1", data)


def commission(exec_id: str, amount: str) -> Record:
    return Record(at("09:52"), Kind.COMMISSION, "a", "P1", {**LEG, "exec_id": exec_id, "amount": amount})


def books(*records: Record) -> tuple[Books, list[str]]:
    found = Books()
    found.know(replace(position("open", True, False), id="P1"))
    return found, [wrong for record in records if (wrong := found.take(record))]


def test_a_correction_takes_the_place_of_an_execution_and_keeps_its_commission() -> None:
    first, second = fill("a.1.01", 2, "0.60", is_buy=False), fill("a.1.02", 1, "0.65", is_buy=False)
    found, wrong = books(first, commission("a.1.01", "1.30"), second)
    leg = found.of_leg("P1", "short_put")
    assert not wrong
    assert (leg.opened, leg.entry_cash, leg.commissions) == (1, Decimal("65.00"), Decimal("1.30"))
    assert (found.fills["a.1"].exec_id, found.fills["a.1"].commission) == ("a.1.02", Decimal("1.30"))


def test_the_last_commission_counts() -> None:
    found, _ = books(
        fill("a.1.01", 2, "0.60", is_buy=False), commission("a.1.01", "1.30"), commission("a.1.01", "1.10")
    )
    assert found.of_leg("P1", "short_put").commissions == Decimal("1.10")


def test_what_does_not_belong_is_reported_and_not_counted() -> None:
    first = fill("a.1.02", 1, "0.60", is_buy=False)
    strange = replace(first, position="P2")
    found, wrong = books(first, fill("a.1.01", 5, "0.10", is_buy=False), strange, commission("b.1.01", "1.00"))
    assert wrong == [
        "execution a.1.01 is recorded a second time",
        "a fill on a leg that no position has: P2 short_put",
        "a commission on execution b.1.01, which is not recorded",
    ]
    assert found.of_leg("P1", "short_put").opened == 1


def test_contracts_that_an_unwind_takes_back_are_closed_no_more_also_when_it_is_corrected() -> None:
    entry = fill("a.1.01", 1, "0.60", is_buy=False)
    exit = fill("a.2.01", 3, "0.30", is_buy=True, purpose=Purpose.EXIT)
    back, less = (fill(f"a.3.0{n}", 3 - n, "0.31", is_buy=False, purpose=Purpose.UNWIND) for n in (1, 2))
    found, _ = books(entry, exit, back)
    assert (found.of_leg("P1", "short_put").closed, found.added(less)) == (1, -1)
    assert not found.take(less)
    assert found.of_leg("P1", "short_put").closed == 2


def test_an_id_without_revision_is_its_own_base() -> None:
    assert [base_of(each) for each in ("a.1.02", "alone", "")] == ["a.1", "alone", ""]

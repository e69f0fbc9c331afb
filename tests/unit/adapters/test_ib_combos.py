"""Combos at work: what their legs are asked to be, and under which contract they are changed."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ib_async import ComboLeg, Contract

from rulebot.adapters.ib.contracts import ContractBook
from rulebot.adapters.ib.order_reports import Combos, learn_legs
from rulebot.adapters.ib.requests import RefusedError

ROWS = {
    1: "10|7|SPX|OPT|20251124|5800|P|SMART|USD|X|SPXW|SPXW|1|0.05|100|rest",
    2: "10|7|SPX|OPT|20251124|5800|?|SMART|USD|X|SPXW|SPXW|2|0.05|100|rest",
}


class Asked:
    """Answers by `ROWS`, and refuses other numbers."""

    def __init__(self) -> None:
        self.number = 0

    def reqContractDetails(self, _: int, contract: Any) -> None:
        self.number = contract.conId

    async def ask(self, what: str, send: Callable[[int], None], _: float) -> list[list[str]]:
        send(7)
        if self.number not in ROWS:
            raise RefusedError(what, 200, "No security definition has been found for the request")
        return [ROWS[self.number].split("|")]


def test_a_leg_that_is_not_answered_or_cannot_be_read_stays_unknown() -> None:
    """It may be of somebody else's combo: no connection ends for it."""
    book, asked = ContractBook(), Asked()
    wire: Any = SimpleNamespace(
        requests=asked, client=asked, settings=SimpleNamespace(request_seconds=1.0), version=178, zone=""
    )
    asyncio.run(learn_legs(wire, book, (1, 2, 3)))
    assert [book.knows(number) for number in (1, 2, 3)] == [True, False, False]


REPORTED = ["5", "1", "28812380", "SPX", "BAG", "", "0", "?", "", "SMART", "USD", "SPX", "COMB"]
LEGS = [each.split("|") for each in ("22|1|BUY|SMART|0|0||-1", "11|1|SELL|SMART|0|0||-1")]


def combo(*legs: tuple[int, int, str]) -> Contract:
    parts = [ComboLeg(conId=number, ratio=ratio, action=action, exchange="SMART") for number, ratio, action in legs]
    return Contract(secType="BAG", symbol="SPX", exchange="SMART", currency="USD", comboLegs=parts)


OURS = combo((11, 1, "SELL"), (22, 1, "BUY"))


def test_a_combo_is_changed_under_the_contract_that_was_reported() -> None:
    combos = Combos()
    combos.note(REPORTED, LEGS, 1)
    found = combos.to_change(1, OURS)
    assert (found.conId, found.tradingClass, found.localSymbol, found.right) == (28812380, "COMB", "SPX", "?")
    assert [(leg.conId, leg.ratio, leg.action, leg.exemptCode) for leg in found.comboLegs] == [
        (22, 1, "BUY", -1),
        (11, 1, "SELL", -1),
    ]
    assert combos.leg_ids == {11, 22}


@pytest.mark.parametrize(
    "other", [combo((11, 1, "BUY"), (22, 1, "SELL")), combo((11, 2, "SELL"), (22, 1, "BUY")), combo((11, 1, "SELL"))]
)
def test_a_combo_that_was_reported_with_other_legs_is_not_what_was_meant(other: Contract) -> None:
    """It would be another order, or one of the other side."""
    combos = Combos()
    combos.note(REPORTED, LEGS, 1)
    assert combos.to_change(1, other) is other


def test_what_was_reported_of_an_order_is_forgotten_with_it() -> None:
    combos = Combos()
    combos.note(REPORTED, LEGS, 1)
    combos.note(REPORTED, LEGS, 0)  # of another client
    assert combos.to_change(0, OURS) is OURS
    combos.forget(1)
    assert combos.to_change(1, OURS) is OURS
    combos.note(REPORTED, LEGS, 1)
    combos.clear()
    assert (combos.to_change(1, OURS) is OURS, combos.leg_ids) == (True, set())

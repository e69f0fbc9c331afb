"""What the legs of combos at work are asked to be."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from engine.adapters.ib.combos import learn_legs
from engine.adapters.ib.contracts import ContractBook
from engine.adapters.ib.requests import RefusedError

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
        requests=asked, client=asked, settings=SimpleNamespace(request_seconds=1.0), version=178
    )
    asyncio.run(learn_legs(wire, book, (1, 2, 3)))
    assert [book.knows(number) for number in (1, 2, 3)] == [True, False, False]

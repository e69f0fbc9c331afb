"""Safeguards switched off: chaos sees it. Five whose seeds are quick; `pytest -m long` tries all of them."""

from pathlib import Path

import pytest

from tests.safeguards import run
from tests.safeguards.run import hunt
from tests.safeguards.swap import swapped
from tests.safeguards.table import SAFEGUARDS, SELLER, Safeguard

QUICK = {
    "prices on the tick": 13,
    "an UNKNOWN order is taken back": 23,
    "an execution counts once": 4,
    "a fill beyond the order is alarmed": 13,
    "Inactive alone does not end an order": 1,
}
BY_NAME = {each.name: each for each in SAFEGUARDS}


def test_there_are_at_least_25_and_each_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(SAFEGUARDS) >= 25


@pytest.mark.long
@pytest.mark.parametrize("name", QUICK)
def test_ci_chaos_sees_a_safeguard_that_is_off(name: str) -> None:
    found = hunt(BY_NAME[name], 12)
    assert (found.seeds is not None, found.number) == (True, QUICK[name]), found


@pytest.mark.long
def test_ci_a_switch_that_fails_by_itself_is_not_taken_for_something_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """One did, and the engine's end by it counted as what chaos had to see."""
    from rulebot.core.exits import closing_orders

    def fails(*_: object) -> None:
        raise NameError("of the switch's own")

    monkeypatch.setattr(run, "SWITCHES", Path(__file__).name)
    off = Safeguard(
        "pursuing", "nothing is closed", lambda: swapped((closing_orders.work_close, fails)), "flatten", SELLER
    )
    with pytest.raises(AssertionError, match="of the switch's own"):
        hunt(off, 12)


def test_everything_is_back_in_its_place_afterwards() -> None:
    from rulebot.core import pipeline
    from rulebot.core.orders.executions import on_execution

    safeguard = BY_NAME["a correction replaces"]
    with safeguard.off():
        assert on_execution not in pipeline.HANDLERS.values()
    assert on_execution in pipeline.HANDLERS.values()


@pytest.mark.parametrize("name", BY_NAME)
def test_each_can_be_switched_off_and_on_again(name: str) -> None:
    """One named a function that had moved: the long run alone, of all of them, would have said so."""
    with BY_NAME[name].off():
        pass


def test_what_no_module_holds_cannot_be_switched_off() -> None:
    with pytest.raises(LookupError), swapped((object(), None)):
        pass


@pytest.mark.long
@pytest.mark.timeout(36000)
@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda each: each.name)
def test_chaos_sees_each_of_them_within_500_seeds(safeguard: Safeguard) -> None:
    assert hunt(safeguard).seeds is not None

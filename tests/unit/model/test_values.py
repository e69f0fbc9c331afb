"""Values compare, hash and show themselves as standard dataclasses do."""

import dataclasses
import pickle
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from rulebot.model.contract import listed
from rulebot.model.values import dataclass, replace


def make(decorator: Any) -> Any:
    @decorator
    class Pair:
        one: int
        other: str = "x"
        aside: int = dataclasses.field(default=0, compare=False, repr=False)

    return Pair


OURS = make(dataclass(frozen=True, slots=True))
STANDARD = make(dataclasses.dataclass(frozen=True, slots=True))


@pytest.mark.parametrize("cls", [OURS, STANDARD])
def test_fields_that_count_decide_equality_and_hash(cls: Any) -> None:
    assert cls(1) == cls(1, "x", 7)
    assert hash(cls(1)) == hash(cls(1, "x", 7))
    assert cls(1) != cls(2)
    assert cls(1) != (1, "x")
    assert len({cls(1), cls(1, "x", 3), cls(1, "y")}) == 2


def test_hash_and_words_are_those_of_a_standard_dataclass() -> None:
    assert hash(OURS(1, "a")) == hash(STANDARD(1, "a"))
    assert repr(OURS(1)) == repr(STANDARD(1))


def test_the_tools_for_dataclasses_work() -> None:
    assert dataclasses.replace(OURS(1), other="z") == OURS(1, "z")
    assert dataclasses.asdict(OURS(1)) == {"one": 1, "other": "x", "aside": 0}
    assert not hasattr(OURS(1), "__dict__")


def test_a_changed_value_is_another_one() -> None:
    before = OURS(1, "a", 7)
    after = replace(before, other="z")
    assert (after.one, after.other, after.aside) == (1, "z", 7)
    assert before == OURS(1, "a")
    with pytest.raises(AttributeError):
        replace(before, another=1)


@pytest.mark.parametrize("count", [0, 1])
def test_few_fields_compare_as_well(count: int) -> None:
    cls = dataclass(frozen=True, slots=True)(type("Few", (), {"__annotations__": dict.fromkeys("a"[:count], int)}))
    assert cls(*range(count)) == cls(*range(count))
    assert hash(cls(*range(count))) == hash(tuple(range(count)))


def test_what_a_class_says_of_itself_stands() -> None:
    @dataclass(frozen=True, slots=True)
    class Own:
        one: int

        def __hash__(self) -> int:
            return 5

    assert hash(Own(1)) == 5
    assert Own(1) == Own(1)


def test_anything_but_a_frozen_slotted_class_is_refused() -> None:
    with pytest.raises(TypeError, match="frozen and has slots"):
        dataclass(frozen=True, slots=False)


def test_a_changed_value_keeps_what_it_has_from_its_base() -> None:
    @dataclass(frozen=True, slots=True)
    class More(OURS):  # type: ignore[misc, valid-type]
        last: float = 0.5

    changed = replace(More(1, "a", 7, 2.5), aside=3)
    assert (changed.one, changed.other, changed.aside, changed.last) == (1, "a", 3, 2.5)


def test_a_pickled_value_asks_for_its_hash_again() -> None:
    """Texts hash otherwise in each process: a contract that came from another one was not found by an equal one."""
    option = listed("SPX", "SPXW", date(2026, 1, 5), Decimal(5000), is_call=True)
    hash(option)
    reported = pickle.loads(pickle.dumps(option))
    assert reported == option
    assert not hasattr(reported, "_hash")
    assert {option: 1}[reported] == 1

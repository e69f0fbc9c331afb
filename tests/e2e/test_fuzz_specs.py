"""Spoiled documents, read as `validate` does: nothing but diagnostics, soon, and in little memory."""

from statistics import median

import pytest

from tests.e2e.fuzz_specs import MEDIAN, MEMORY, SLOWEST, documents, read, read_many, spoiled


def test_a_few_spoiled_documents_bring_problems_and_no_exception() -> None:
    found = [read(number) for number in range(100)]
    assert [each.trouble for each in found if each.trouble] == []
    assert {each.is_fine for each in found} == {True, False}


def test_one_number_is_one_document_and_most_are_spoiled() -> None:
    sound = {text.encode() for text in documents()}
    assert spoiled(7) == spoiled(7)
    assert sum(spoiled(number) in sound for number in range(100)) < 10


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [1000, 10_000], ids=["ci", "many"])
def test_spoiled_documents_are_read_without_a_raise_in_bounded_time_and_memory(count: int) -> None:
    found, most = read_many(1, count)
    assert [(each.number, each.trouble) for each in found if each.trouble] == []
    assert median(each.seconds for each in found) < MEDIAN
    assert max(each.seconds for each in found) < 5 * SLOWEST, "the machine may be busy: five times what is asked"
    assert most < MEMORY

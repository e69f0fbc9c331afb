"""`pytest -m MARK` finds all tests of a mark, though it imports only files with its sign (`SIGNS` in conftest.py)."""


def test_tests_of_a_mark_are_in_files_with_its_sign(without_sign: list[str]) -> None:
    assert without_sign == []

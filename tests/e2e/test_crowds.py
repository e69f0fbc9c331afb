"""Crowds on the wire and in chaos, in small; the command of `crowds.py` tries many."""

from pathlib import Path

import pytest

from tests.e2e.crowds import in_all_worlds, in_chaos, traded


@pytest.mark.long
@pytest.mark.parametrize("number", [6, 15], ids=["ci 6", "15"])
def test_a_crowd_does_the_same_in_each_world(number: int, tmp_path: Path) -> None:
    """Two of them fill one option at an instant: a past session had the second in the account once it was told."""
    simulated, offences = in_all_worlds(number, tmp_path)
    assert offences == []
    assert len(traded(simulated)) >= 2


@pytest.mark.long
@pytest.mark.parametrize("number", [1, 2], ids=["ci 1", "2"])
def test_a_crowd_comes_through_chaos(number: int) -> None:
    assert list(in_chaos(number, 2)) == []

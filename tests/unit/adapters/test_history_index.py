"""A grid knows of each quote what an index by rows knows, whether it is asked for all or for a few."""

import numpy as np
import pytest

from rulebot.adapters.history.lazy_chain import GridIndex, Kept, RowIndex

TIMES, KEYS = np.array([60.0, 120.0, 180.0]), np.array([7, 9, 11, 13], dtype=np.int64)
ROWS = RowIndex(np.arange(1, 13), np.repeat(TIMES, 4), np.tile(KEYS, 3))


def reported(index: GridIndex | RowIndex) -> tuple[list[int], list[float], list[int]]:
    return index.row.tolist(), index.time.tolist(), index.key.tolist()


def test_a_grid_is_its_rows() -> None:
    grid = GridIndex(TIMES, KEYS)
    assert reported(grid) == reported(ROWS)
    assert grid.width == 4


def test_a_grid_that_begins_later_in_its_file_counts_its_rows_from_there() -> None:
    grid = GridIndex(TIMES, KEYS, first=25)
    assert grid.row.tolist() == list(range(25, 37))
    assert grid.only(np.arange(12) == 5).row.tolist() == [30]


@pytest.mark.parametrize("kept", [slice(4), slice(None, None, 5), slice(1, 9, 3), np.arange(12) % 7 == 2])
def test_what_is_kept_of_a_grid_is_what_is_kept_of_its_rows(kept: Kept) -> None:
    assert reported(GridIndex(TIMES, KEYS).only(kept)) == reported(ROWS.only(kept))

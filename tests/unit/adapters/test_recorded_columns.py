"""Market data of a frame: every bit comes back, whatever the numbers are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulebot.adapters.recorded.columns import NumberColumns, carried_forward, changes, pack, unpack
from rulebot.model.market import COLUMNS

WIDTH = len(COLUMNS)
VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-1000, 1000).map(lambda cents: cents / 100),
    st.sampled_from([float("nan"), -0.0, 0.0, 1.7e9, 0.05, 1e300]),
)
ENTRIES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), VALUES, VALUES), max_size=40)


def frame(entries: list[tuple[int, int, float, float]]) -> NumberColumns:
    """Return entries whose columns hold one value of two, some the instant itself."""
    values = np.full((len(entries), WIDTH), np.nan)
    at = np.array([1.7e9 + 5.0 * (place // 3) for place in range(len(entries))])
    for place, (_, column, one, other) in enumerate(entries):
        values[place, column], values[place, 10] = one, other
        values[place, 19] = at[place] if column else one
    return NumberColumns(np.array([row for row, *_ in entries], dtype=np.int64), at, values)


def bits(values: np.ndarray) -> list[bytes]:  # type: ignore[type-arg]
    """Return each number's bytes, all that are missing alike."""
    return [b"missing" if each != each else each.tobytes() for each in values.reshape(-1)]


@given(st.lists(ENTRIES, min_size=1, max_size=3), st.sampled_from([1, 9]))
def test_every_bit_comes_back(frames: list[list[tuple[int, int, float, float]]], level: int) -> None:
    written, read = np.full((6, WIDTH), np.nan), np.full((6, WIDTH), np.nan)
    for entries in frames:
        numbers = frame(entries)
        rows, changed, values = unpack(pack(numbers, written, level), numbers.at)
        assert rows.tolist() == numbers.rows.tolist()
        assert bits(carried_forward(rows, changed, values, read)) == bits(numbers.values)
    assert bits(written) == bits(read)


def test_only_what_has_changed_is_kept() -> None:
    values = np.full((3, WIDTH), np.nan)
    values[:, 0] = (5.05, 5.05, 5.10)
    values[:, 1] = 5.2
    numbers = NumberColumns(np.array([2, 2, 2]), np.array([1.0, 2.0, 3.0]), values)
    found = changes(*unpack(pack(numbers, np.full((3, WIDTH), np.nan), 1), numbers.at))
    assert found.ends == [2, 2, 3]
    assert (found.columns, found.values) == ([0, 1, 0], [5.05, 5.2, 5.1])


def test_a_quiet_quote_takes_few_bytes() -> None:
    """Bid and ask that move by ticks: beside two masks of a bit each, some bits of steps."""
    generator = np.random.default_rng(1)
    values = np.full((9000, WIDTH), np.nan)
    values[:, 0] = np.round(5.0 + 0.05 * np.cumsum(generator.integers(-1, 2, 9000)), 2)
    values[:, 1] = np.round(values[:, 0] + 0.1, 2)
    numbers = NumberColumns(np.arange(9000) % 90, 1.7e9 + np.arange(9000) // 90 * 1.0, values)
    assert len(pack(numbers, np.full((90, WIDTH), np.nan), 9)) < 5 * 9000


def test_a_frame_that_is_reported_another_length_is_refused() -> None:
    numbers = NumberColumns(np.array([0]), np.array([1.0]), np.ones((1, WIDTH)))
    body = pack(numbers, np.full((1, WIDTH), np.nan), 1)
    with pytest.raises(ValueError, match="where 2 were expected"):
        unpack(body, np.array([1.0, 2.0]))

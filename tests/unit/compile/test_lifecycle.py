"""The table of a position's life is sound, and each way to break it is found."""

from dataclasses import replace

import pytest

from engine.compile.lifecycle import LIFECYCLE, ROWS, faults_of
from engine.compile.plan import Row


def test_the_table_is_sound() -> None:
    assert faults_of(LIFECYCLE) == []


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ((*ROWS, Row("opne", "x", "open")), "'opne' in the row of 'x' is not a state"),
        ((*ROWS, Row("open", "x", "clsoed")), "'clsoed' in the row of 'x' is not a state"),
        ((*ROWS, Row("open", "exit", "closed")), "'exit' stands twice in state 'open'"),
        (tuple(row for row in ROWS if row.next != "exiting"), "state 'exiting' is never reached"),
        (tuple(row for row in ROWS if row.next != "closed"), "no way leads from state 'open' to an end"),
        (
            tuple(row for row in ROWS if (row.state, row.trigger) != ("open", "exit")),
            "state 'open' has neither an exit nor a fill that ends it",
        ),
    ],
)
def test_a_broken_table_is_told(rows: tuple[Row, ...], fault: str) -> None:
    assert fault in faults_of(replace(LIFECYCLE, rows=rows))

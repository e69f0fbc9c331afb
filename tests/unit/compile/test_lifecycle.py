"""The table of a position's life is sound, and each way to break it is found."""

import re
from dataclasses import replace

import pytest

from rulebot.compile.build import build_plan
from rulebot.compile.plan import LIFECYCLE, ROWS, Row, faults_of, sound
from rulebot.model.errors import InvariantError
from rulebot.spec.files import shipped
from rulebot.spec.load import load_document


def test_the_table_is_sound() -> None:
    assert faults_of(LIFECYCLE) == []


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ((*ROWS, Row("opne", "x", "open")), "'opne' in the row of 'x' is not a state"),
        ((*ROWS, Row("open", "x", "clsoed")), "'clsoed' in the row of 'x' is not a state"),
        ((*ROWS, Row("open", "exit", "closed")), "'exit' is listed twice in state 'open'"),
        (tuple(row for row in ROWS if row.next != "exiting"), "state 'exiting' is never reached"),
        (tuple(row for row in ROWS if row.next != "closed"), "no way leads from state 'open' to an end"),
        (
            tuple(row for row in ROWS if (row.state, row.trigger) != ("open", "exit")),
            "state 'open' has no exit and no fill that ends it",
        ),
    ],
)
def test_a_broken_table_is_reported(rows: tuple[Row, ...], fault: str) -> None:
    broken = replace(LIFECYCLE, rows=rows)
    assert fault in faults_of(broken)
    with pytest.raises(InvariantError, match=re.escape(fault)):
        sound(broken)


def test_every_plan_is_built_with_a_table_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(LIFECYCLE, rows=(*ROWS, Row("opne", "x", "open")))
    monkeypatch.setattr("rulebot.compile.build.LIFECYCLE", broken)
    loaded = load_document(shipped("specs") / "put_lite.yaml")
    assert loaded.spec is not None
    with pytest.raises(InvariantError, match="opne"):
        build_plan(loaded.spec, loaded.source)

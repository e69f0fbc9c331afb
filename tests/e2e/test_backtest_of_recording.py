"""A simulated day over the wire, and its recording lived through by the same bots: entered and left alike.

A recording holds what was streamed for what was held, and fills are those of a model: where they differ, so does what
follows. The day of seed 7 is one on which they do not.
"""

from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main
from rulebot.record.record import Kind, Record
from rulebot.store.queries import StoreReader

SPECS = Path(__file__).parents[2] / "specs"
APART = timedelta(seconds=10)
"""Live judges every quote, a recording keeps one instant in five seconds."""


def decided(store: Path) -> list[tuple[str, str, str, Record]]:
    """Return what was entered and left, by bot, with why."""
    with StoreReader(store) as reader:
        found = [each for each in reader.records((Kind.DECISION,)) if each.data["what"] in ("enter", "exit")]
    reported = [(each.bot, str(each.data["what"]), str(each.data["reason"]), each) for each in found]
    return sorted(reported, key=lambda each: (each[0], each[3].at))


def strikes(store: Path) -> list[str]:
    with StoreReader(store) as reader:
        found = [each for each in reader.records((Kind.SELECTION,)) if each.position]
    return [f"{each.bot} {leg['found']}" for each in found for leg in each.data["legs"]]  # type: ignore[union-attr,index,call-overload]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_day_over_the_wire_is_the_same_in_the_past(tmp_path: Path) -> None:
    live, past = tmp_path / "live.db", tmp_path / "past.db"
    ran = CliRunner().invoke(
        main, ["run", "--paper", "--sim", "--plain", "--seed", "7", "--store", str(live), str(SPECS)]
    )
    assert ran.exit_code == 0, ran.output
    tried = CliRunner().invoke(
        main, ["backtest", str(SPECS), "--data", str(tmp_path / "live-tapes"), "--store", str(past)]
    )
    assert tried.exit_code == 0, tried.output
    was, now = decided(live), decided(past)
    assert len(was) >= 3
    assert [each[:3] for each in now] == [each[:3] for each in was]
    assert strikes(past) == strikes(live)
    assert all(abs(one[3].at - other[3].at) <= APART for one, other in zip(now, was, strict=True))

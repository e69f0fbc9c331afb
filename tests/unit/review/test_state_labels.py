"""The table of states names the spec's own exits, also those of one side, and what each closes alone."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main
from rulebot.compile.build import build_plan
from rulebot.review.example import Subject, subject_of
from rulebot.review.states import labels
from rulebot.spec.load import load_text

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(each.stem for each in (ROOT / "specs").glob("*.yaml") if each.stem != "account")


def subject(path: str) -> Subject:
    loaded = load_text((ROOT / path).read_text(encoding="utf-8"))
    assert loaded.spec is not None
    plan, _ = build_plan(loaded.spec, loaded.source, with_warnings=False)
    assert plan is not None
    return subject_of(loaded.spec, plan)


@pytest.mark.parametrize("name", SHIPPED)
def test_each_exit_of_a_shipped_spec_is_named_in_its_table(name: str) -> None:
    found = subject(f"specs/{name}.yaml")
    said = CliRunner().invoke(main, ["explain", "--diagram", "text", str(ROOT / f"specs/{name}.yaml")]).output
    moves = [line for line in said.splitlines() if "an exit acts: " in line or "or a person, closed it: " in line]
    written = [each.name for each in found.plan.exits if each.rule is not None]
    assert written
    assert all(any(each in line for line in moves) for each in written), said


@pytest.mark.parametrize(
    ("path", "acts", "closes"),
    [
        (
            "examples/each_side.yaml",
            "stop.put_side or stop.call_side",
            "stop.put_side closes short_put and long_put alone; stop.call_side closes short_call and long_call alone",
        ),
        ("examples/one_side_or_all.yaml", "time, call_side or put_side", "call_side closes short_call alone"),
        ("specs/monthly_condor.yaml", "dte or red_line", "red_line closes 50%"),
        ("specs/dte0_condor.yaml", "time, breach, leg_delta, stop or target", None),
    ],
)
def test_what_closes_a_side_or_a_part_stands_where_the_rest_stays_open(
    path: str, acts: str, closes: str | None
) -> None:
    found = labels(subject(path))
    assert found["open", "exit"] == acts
    assert found.get(("exiting", "ended")) == closes

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from rulebot.cli.main import main
from rulebot.spec.extends import partial_schema
from rulebot.spec.files import shipped

CHILD: dict[str, Any] = {"rulebot": 1, "name": "child", "about": "x", "extends": "put_lite"}


def schema(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["schema", *arguments])


@pytest.mark.parametrize("arguments", [(), ("strategy",), ("account",), ("universe",), ("test",)])
def test_the_schema_is_printed_as_it_is(arguments: tuple[str, ...]) -> None:
    file = shipped("schemas") / f"{(*arguments, 'strategy')[0]}.schema.json"
    assert schema(*arguments).stdout == file.read_text(encoding="utf-8")
    assert schema(*arguments, "--path").stdout == f"{file}\n"


def test_schema_refuses_an_unknown_schema_and_excluding_options() -> None:
    assert schema("chart").exit_code == 2
    assert schema("account", "--extending").exit_code == 2
    assert schema("--path", "--extending").exit_code == 2


def test_one_that_extends_another_owes_its_own_keys_alone() -> None:
    found = json.loads(schema("--extending").stdout)
    Draft202012Validator.check_schema(found)
    judge = Draft202012Validator(found)
    assert judge.is_valid(CHILD)
    assert judge.is_valid(
        {**CHILD, "legs": {"short_put": {"strike": {"by": "5 pts"}}}, "entry": {"window": {"to": "12:00"}}}
    )
    assert not judge.is_valid({key: value for key, value in CHILD.items() if key != "extends"})
    assert not judge.is_valid({**CHILD, "risks": {}})
    assert not judge.is_valid({**CHILD, "entry": {"when": [{"no_event": {"before": "2h"}}]}})


def test_the_schema_itself_owes_all_or_a_parent() -> None:
    whole = json.loads((shipped("schemas") / "strategy.schema.json").read_text())
    judge = Draft202012Validator(whole)
    assert judge.is_valid(CHILD)
    missing = {error.message for error in judge.iter_errors({**CHILD, "extends": None})}
    assert "'legs' is a required property" not in missing
    without = {key: value for key, value in CHILD.items() if key != "extends"}
    assert "'legs' is a required property" in {error.message for error in judge.iter_errors(without)}


def test_it_is_made_of_a_copy() -> None:
    partial_schema()
    assert "if" in json.loads(Path(shipped("schemas") / "strategy.schema.json").read_text())
    assert partial_schema() == partial_schema()
    from rulebot.spec.fast_schema import read_schema

    assert "if" in read_schema("strategy")
